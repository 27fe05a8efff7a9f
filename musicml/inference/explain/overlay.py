"""Draw an explanation: the map in orange over what the model saw in grey, and the files that hold it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.utils import write_atomically, write_json

if TYPE_CHECKING:
    from musicml.inference.explain import Explanation

ORANGE = np.array([230, 97, 1], np.float32)  # told from grey by every eye
STRENGTH = 0.75  # of the orange where the map is strongest
DECIBELS = 80.0  # shown below the loudest
LEAST_SIDE, MOST_SIDE = 384, 1600  # pixels of a drawing
INK = (255, 255, 255)


def draw_overlay(explanation: Explanation) -> np.ndarray:
    """The map over what the model saw, [shape=(height, width, 3)], uint8; of a sound low is at the bottom."""
    weight = explanation.map[..., None] * STRENGTH
    if explanation.frame_seconds is None:
        grey = explanation.seen.mean(axis=2, keepdims=True)
    else:
        loudest = explanation.seen.max()
        grey = np.clip((explanation.seen - loudest) / DECIBELS + 1, 0, 1)[..., None] * 200
    colours = grey * (1 - weight) + ORANGE * weight
    picture = np.clip(colours, 0, 255).astype(np.uint8)
    return picture if explanation.frame_seconds is None else picture.transpose(1, 0, 2)[::-1]


def labelled(explanation: Explanation) -> Any:
    """The drawing as a Pillow image at a size to look at, with a line of words below it."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(draw_overlay(explanation)))
    width, height = side(picture.width), side(picture.height)
    if explanation.frame_seconds is None:
        factor = max(1, LEAST_SIDE // min(picture.size))
        width, height = picture.width * factor, picture.height * factor
    page = Image.new("RGB", (width, height + 24), "black")
    page.paste(picture.resize((width, height), Image.Resampling.BILINEAR))
    pen = ImageDraw.Draw(page)
    if explanation.decided and explanation.frame_seconds is not None:
        per_second = width / (len(explanation.map) * explanation.frame_seconds)
        begin, end = (min(width - 1, round(second * per_second)) for second in explanation.decided)
        pen.rectangle((begin, 0, max(begin, end - 1), height - 1), outline=INK)
    pen.text((6, height + 6), caption(explanation), fill=INK)
    return page


def side(n: int) -> int:
    """A side's length in pixels for `n` bins or frames."""
    return int(np.clip(n * max(1, LEAST_SIDE // n), LEAST_SIDE, MOST_SIDE))


def caption(explanation: Explanation) -> str:
    """What the drawing shows, in a line."""
    said = f"{explanation.label}: {explanation.method}"
    if explanation.decided:
        said += f"; decided most by {explanation.decided[0]:.1f} to {explanation.decided[1]:.1f} s"
    elif not explanation.map.any():
        said += "; nothing here speaks for it"
    return said.encode("ascii", "replace").decode()  # Pillow's own letters know no others


def save_explanation(explanation: Explanation, folder: Path, stem: str) -> dict[str, Any]:
    """Write STEM.png, the map over what the model saw, of a sound STEM.wav, and STEM.json; what STEM.json says."""
    table = {**explanation.to_dict(), "picture": f"{stem}.png"}
    with write_atomically(folder / f"{stem}.png") as temporary:
        labelled(explanation).save(temporary)
    if explanation.y is not None and len(explanation.y):
        import soundfile

        with write_atomically(folder / f"{stem}.wav") as temporary:
            soundfile.write(temporary, explanation.y, explanation.sample_rate, subtype="PCM_16")
        table["sound"] = f"{stem}.wav"
    write_json(folder / f"{stem}.json", table)
    return table
