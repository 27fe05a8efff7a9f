"""Generate a synthetic stand-in for Kaggle's pictures of 30 instruments: 96x96 JPEG, 16 + 4 + 4 per class.

Folders have the names of the real ones, odd spellings included, and a few pictures are gray. There are two duplicates
for the audit to find: one across splits and one across classes.
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
DRAWN_SIZE = 2 * SIZE  # reducing the drawing by half makes smooth edges
COUNTS = {"train": 16, "valid": 4, "test": 4}  # pictures per class
MIN_COUNTS = {"train": 3, "valid": 1, "test": 1}  # at small scales
GRAY_SHARE = 0.03  # of the pictures
MAX_CLUTTER = 3  # shapes in the background
PALE_SHARE = 0.75  # of the pictures, with a pale background like product photographs
HUE_DEGREES = 10  # standard deviation of the hues of one class
NOISE = 6  # of 255
ROTATION = 0.25  # radians, standard deviation
SHIFT = 0.035  # of the side, standard deviation
MIN_SCALE = 0.72  # of the size that fills the picture
# duplicate: original
PICTURE_COPIES = {"test/drums/1.jpg": "train/drums/002.jpg", "train/trumpet/003.jpg": "train/trombone/003.jpg"}


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the dataset into `folder`. `run` maps a function over its jobs."""
    jobs = []
    for split, count in COUNTS.items():
        for label in DRAWINGS:
            (folder / split / label).mkdir(parents=True)
            for i in range(1, max(MIN_COUNTS[split], round(count * scale)) + 1):
                number = f"{i:03d}" if split == "train" else f"{i}"
                jobs.append((folder, f"{split}/{label}/{number}.jpg", seed))
    run(_write_picture, jobs)


def _write_picture(folder: Path, name: str, seed: int) -> None:
    """Draw and write one picture. A duplicate has the seed of its original and more compression."""
    original = PICTURE_COPIES.get(name, name)
    rng = np.random.default_rng([seed, synth.hash_name("instrument_images"), synth.hash_name(original)])
    is_gray = rng.random() < GRAY_SHARE
    picture = _draw_picture(DRAWINGS[original.split("/")[1]], rng)
    picture = picture.convert("L") if is_gray else picture
    picture.save(folder / name, "JPEG", quality=90 if name == original else 80)


def _draw_picture(drawing: Drawing, rng: np.random.Generator) -> Image.Image:
    """Draw an instrument at a random position, with random rotation, colors, light and background."""
    picture = _draw_background(rng)
    mask = Image.new("L", (DRAWN_SIZE, DRAWN_SIZE))
    on_picture, on_mask = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    angle = rng.normal(0, ROTATION)
    center, half = DRAWN_SIZE / 2 + rng.normal(0, SHIFT * DRAWN_SIZE, 2), DRAWN_SIZE / 2 * rng.uniform(MIN_SCALE, 1.0)
    transform = half * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # foreshortening, as of an object that is seen from the side
    transform = np.diag(rng.uniform(0.85, 1.1, 2)) @ transform
    palette = _draw_palette(drawing, rng)
    for corners, color in drawing.shapes:
        points = [tuple(point) for point in (np.array(corners) @ transform + center)]
        on_picture.polygon(points, fill=palette[color], outline=palette[2])
        on_mask.polygon(points, fill=255)
    y = np.asarray(picture, np.float32)
    return _add_texture_and_light(y, np.asarray(mask) > 0, drawing.texture, transform / half, rng)


def _draw_palette(drawing: Drawing, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Draw the body, trim and dark colors as RGB, near those of the class."""
    mixed = []
    for hue, saturation, value in (drawing.body, drawing.trim, (30.0, 0.3, 0.12)):
        hue = (hue + rng.normal(0, HUE_DEGREES)) % 360 / 360
        saturation, value = np.clip([saturation * rng.uniform(0.7, 1.2), value * rng.uniform(0.75, 1.15)], 0, 1)
        red, green, blue = (int(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        mixed.append((red, green, blue))
    return mixed


def _draw_background(rng: np.random.Generator) -> Image.Image:
    """Draw a color gradient with a few shapes."""
    first, second = rng.uniform(60, 255, (2, 1)) + rng.normal(0, 25, (2, 3))
    if rng.random() < PALE_SHARE:
        first, second = first * 0.15 + 215, second * 0.15 + 215
    ramp = np.linspace(0, 1, DRAWN_SIZE)
    slope = np.add.outer(rng.uniform(-1, 1) * ramp, rng.uniform(-1, 1) * ramp)
    slope = (slope - slope.min()) / (np.ptp(slope) + 1e-9)
    y = first + slope[..., None] * (second - first)
    picture = Image.fromarray(np.clip(y, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, MAX_CLUTTER + 1))):
        x, y = rng.uniform(-0.2, 1, 2) * DRAWN_SIZE
        width, height = rng.uniform(0.05, 0.4, 2) * DRAWN_SIZE
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + width, y + height), fill=tuple((rng.integers(90, 220) + rng.integers(-35, 36, 3)).tolist()))
    return picture


def _add_texture_and_light(
    y: np.ndarray, mask: np.ndarray, texture: str, transform: np.ndarray, rng: np.random.Generator
) -> Image.Image:
    """Add texture, light from one side and noise, and reduce the picture to its final size."""
    rows, columns = np.mgrid[-1 : 1 : DRAWN_SIZE * 1j, -1 : 1 : DRAWN_SIZE * 1j]
    u, v = (columns * transform[i, 0] + rows * transform[i, 1] for i in (0, 1))
    y = np.where(mask[..., None], y * _compute_texture(texture, u, v, rng)[..., None], y)
    light = 1.0 + rng.uniform(-0.25, 0.25) * columns + rng.uniform(-0.25, 0.25) * rows
    y = np.clip(y * light[..., None] * rng.uniform(0.8, 1.15), 0, 255).astype(np.uint8)
    small = np.asarray(Image.fromarray(y).reduce(2), np.float32)
    noise = rng.normal(0, NOISE * rng.uniform(0.3, 1.5), small.shape)
    return Image.fromarray(np.clip(small + noise, 0, 255).astype(np.uint8))


def _compute_texture(texture: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compute the brightness of a texture, around 1, at the points (u, v)."""
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
