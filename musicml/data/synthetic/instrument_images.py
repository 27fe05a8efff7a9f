"""Stand-in for Kaggle's pictures of 30 instruments: 96x96 JPEG, about 16 a class to train, 4 to validate and 4 to test.

Folders as in the real one, odd spellings included; a few pictures are grey. Two pictures are there twice, once in train
and in test, once under two classes, so that an audit has something to find.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from musicml.data.synthetic import synth
from musicml.data.synthetic.drawings import DRAWINGS, Drawing

SIZE = 96  # pixels a side
DRAWN = 2 * SIZE  # drawn at twice the size and reduced: smooth edges
COUNTS = {"train": 16, "valid": 4, "test": 4}  # pictures a class
FEWEST = {"train": 3, "valid": 1, "test": 1}
GREY = 0.03  # share of the pictures
CLUTTER = 3  # shapes behind the instrument, at most
PALE = 0.75  # share of the pictures before something pale, as a shop's are
HUE_DEGREES = 10  # how far one class's colours differ
NOISE = 6  # of 255
TURN = 0.25  # radians
SHIFT = 0.035  # of the side
SMALLEST = 0.72  # of the size that fills the picture
# copy: original
COPIES = {"test/drums/1.jpg": "train/drums/002.jpg", "train/trumpet/003.jpg": "train/trombone/003.jpg"}


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the data set into `folder`; `run` maps a function over its jobs."""
    jobs = []
    for split, count in COUNTS.items():
        for label in DRAWINGS:
            (folder / split / label).mkdir(parents=True)
            for i in range(1, max(FEWEST[split], round(count * scale)) + 1):
                number = f"{i:03d}" if split == "train" else f"{i}"
                jobs.append((folder, f"{split}/{label}/{number}.jpg", seed))
    run(write_picture, jobs)


def write_picture(folder: Path, name: str, seed: int) -> None:
    """Draw and write one picture; a copy is drawn from its original's numbers and compressed a little more."""
    original = COPIES.get(name, name)
    rng = np.random.default_rng([seed, synth.number("instrument_images"), synth.number(original)])
    grey = rng.random() < GREY
    picture = draw(DRAWINGS[original.split("/")[1]], rng)
    picture = picture.convert("L") if grey else picture
    picture.save(folder / name, "JPEG", quality=90 if name == original else 80)


def draw(drawing: Drawing, rng: np.random.Generator) -> Image.Image:
    """One picture of an instrument: placed, turned, coloured and lit by chance, before something else."""
    picture = backdrop(rng)
    mask = Image.new("L", (DRAWN, DRAWN))
    on_picture, on_mask = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    angle = rng.normal(0, TURN)
    middle, half = DRAWN / 2 + rng.normal(0, SHIFT * DRAWN, 2), DRAWN / 2 * rng.uniform(SMALLEST, 1.0)
    turn = half * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # wider or narrower, as a thing seen from the side is
    turn = np.diag(rng.uniform(0.85, 1.1, 2)) @ turn
    palette = colours(drawing, rng)
    for corners, colour in drawing.shapes:
        points = [tuple(point) for point in (np.array(corners) @ turn + middle)]
        on_picture.polygon(points, fill=palette[colour], outline=palette[2])
        on_mask.polygon(points, fill=255)
    return finish(np.asarray(picture, np.float32), np.asarray(mask) > 0, drawing.texture, turn / half, rng)


def colours(drawing: Drawing, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Body, trim and dark as RGB, each a little off the class's own."""
    mixed = []
    for hue, saturation, value in (drawing.body, drawing.trim, (30.0, 0.3, 0.12)):
        hue = (hue + rng.normal(0, HUE_DEGREES)) % 360 / 360
        saturation, value = np.clip([saturation * rng.uniform(0.7, 1.2), value * rng.uniform(0.75, 1.15)], 0, 1)
        red, green, blue = (int(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        mixed.append((red, green, blue))
    return mixed


def backdrop(rng: np.random.Generator) -> Image.Image:
    """What stands behind: one colour running into another, and some shapes."""
    first, second = rng.uniform(60, 255, (2, 1)) + rng.normal(0, 25, (2, 3))
    if rng.random() < PALE:
        first, second = first * 0.15 + 215, second * 0.15 + 215
    slope = np.add.outer(rng.uniform(-1, 1) * np.linspace(0, 1, DRAWN), rng.uniform(-1, 1) * np.linspace(0, 1, DRAWN))
    slope = (slope - slope.min()) / (np.ptp(slope) + 1e-9)
    y = first + slope[..., None] * (second - first)
    picture = Image.fromarray(np.clip(y, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, CLUTTER + 1))):
        x, y = rng.uniform(-0.2, 1, 2) * DRAWN
        width, height = rng.uniform(0.05, 0.4, 2) * DRAWN
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + width, y + height), fill=tuple((rng.integers(90, 220) + rng.integers(-35, 36, 3)).tolist()))
    return picture


def finish(y: np.ndarray, mask: np.ndarray, texture: str, turn: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Texture on the instrument, light from one side, reduction to the final size, noise."""
    down, across = np.mgrid[-1 : 1 : DRAWN * 1j, -1 : 1 : DRAWN * 1j]
    u, v = (across * turn[i, 0] + down * turn[i, 1] for i in (0, 1))
    y = np.where(mask[..., None], y * pattern(texture, u, v, rng)[..., None], y)
    light = 1.0 + rng.uniform(-0.25, 0.25) * across + rng.uniform(-0.25, 0.25) * down
    y = np.clip(y * light[..., None] * rng.uniform(0.8, 1.15), 0, 255).astype(np.uint8)
    small = np.asarray(Image.fromarray(y).reduce(2), np.float32)
    noise = rng.normal(0, NOISE * rng.uniform(0.3, 1.5), small.shape)
    return Image.fromarray(np.clip(small + noise, 0, 255).astype(np.uint8))


def pattern(texture: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness of a texture at the places (u, v), about 1."""
    phase = rng.uniform(0, 2 * np.pi)
    if texture == "grain":
        return 1.0 + 0.22 * np.sin(38 * u + 3 * np.sin(3 * v + phase))
    if texture == "sheen":
        return 0.85 + 0.55 * np.exp(-(((np.sin(2.5 * (u + v) + phase)) / 0.35) ** 2))
    if texture == "dots":
        return np.where(np.sin(40 * u) * np.sin(40 * v) > 0.35, 0.6, 1.05)
    if texture == "checks":
        return np.where(np.sin(18 * u) * np.sin(18 * v) > 0, 0.72, 1.1)
    return np.ones_like(u)
