"""Draw an explanation, with the map in orange over the input in gray, and save it as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.utils import write_atomically, write_json

if TYPE_CHECKING:
    from musicml.inference.explain import Explanation

ORANGE = np.array([230, 97, 1], np.float32)  # distinct from gray for people with any color vision
MAX_OPACITY = 0.75  # where the map is strongest
DECIBELS = 80.0  # the range shown, down from the maximum
MIN_SIDE, MAX_SIDE = 384, 1600  # pixels
INK = (255, 255, 255)


def draw_overlay(explanation: Explanation) -> np.ndarray:
    """Draw the map over the input, [shape=(height, width, 3)], uint8, with low frequencies at the bottom."""
    weight = explanation.map[..., None] * MAX_OPACITY
    if explanation.frame_seconds is None:
        gray = explanation.seen.mean(axis=2, keepdims=True)
    else:
        loudest = explanation.seen.max()
        gray = np.clip((explanation.seen - loudest) / DECIBELS + 1, 0, 1)[..., None] * 200
    colors = gray * (1 - weight) + ORANGE * weight
    picture = np.clip(colors, 0, 255).astype(np.uint8)
    return picture if explanation.frame_seconds is None else picture.transpose(1, 0, 2)[::-1]


def _draw_labeled(explanation: Explanation) -> Any:
    """Draw the overlay as a larger Pillow image with a caption below it."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(draw_overlay(explanation)))
    width, height = _choose_side(picture.width), _choose_side(picture.height)
    if explanation.frame_seconds is None:
        factor = max(1, MIN_SIDE // min(picture.size))
        width, height = picture.width * factor, picture.height * factor
    page = Image.new("RGB", (width, height + 24), "black")
    page.paste(picture.resize((width, height), Image.Resampling.BILINEAR))
    pen = ImageDraw.Draw(page)
    if explanation.decided and explanation.frame_seconds is not None:
        per_second = width / (len(explanation.map) * explanation.frame_seconds)
        begin, end = (min(width - 1, round(second * per_second)) for second in explanation.decided)
        pen.rectangle((begin, 0, max(begin, end - 1), height - 1), outline=INK)
    pen.text((6, height + 6), _make_caption(explanation), fill=INK)
    return page


def _choose_side(n: int) -> int:
    """Choose the length of a side in pixels for `n` bins or frames, a multiple of `n` if possible."""
    return int(np.clip(n * max(1, MIN_SIDE // n), MIN_SIDE, MAX_SIDE))


def _make_caption(explanation: Explanation) -> str:
    """Describe the overlay in one line."""
    caption = f"{explanation.label}: {explanation.method}"
    if explanation.decided:
        caption += f"; strongest evidence from {explanation.decided[0]:.1f} to {explanation.decided[1]:.1f} s"
    elif not explanation.map.any():
        caption += "; no evidence for this class"
    return caption.encode("ascii", "replace").decode()  # the built-in font of Pillow has only ASCII


def save_explanation(explanation: Explanation, folder: Path, stem: str) -> dict[str, Any]:
    """Write STEM.png (the overlay), STEM.wav (the deciding seconds of a sound) and STEM.json; return its content."""
    table = {**explanation.to_dict(), "picture": f"{stem}.png"}
    with write_atomically(folder / f"{stem}.png") as temporary:
        _draw_labeled(explanation).save(temporary)
    if explanation.y is not None and len(explanation.y):
        import soundfile

        with write_atomically(folder / f"{stem}.wav") as temporary:
            soundfile.write(temporary, explanation.y, explanation.sample_rate, subtype="PCM_16")
        table["sound"] = f"{stem}.wav"
    write_json(folder / f"{stem}.json", table)
    return table
