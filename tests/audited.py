"""Songs, photographs and data sets to audit, all generated."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFilter

from musicml.datasets import Dataset, Example

SAMPLE_RATE = 8_000
SCALE = (0, 2, 3, 5, 7, 8, 10)  # semitones


def song(seed, seconds=6.0, loops=4):
    """A melody of its own over one of a few drum loops, all at one tempo; float32 at 8000 Hz."""
    rng, n = np.random.default_rng(seed), round(seconds * SAMPLE_RATE)
    y = np.zeros(n + SAMPLE_RATE)
    for begin in np.arange(0, seconds, 0.25):
        semitones = rng.choice(SCALE) + 12 * rng.integers(0, 3)
        t = np.arange(round(0.4 * SAMPLE_RATE)) / SAMPLE_RATE
        partials = sum(np.sin(2 * np.pi * 196 * 2 ** (semitones / 12) * k * t) / k for k in (1, 2, 3, 4))
        place = round(begin * SAMPLE_RATE)
        y[place : place + len(t)] += rng.uniform(0.05, 0.12) * partials * np.exp(-5 * t)
    drums = np.tile(loop(seed % loops), int(seconds) + 2)[: len(y)]
    return (y + 0.12 * drums)[:n].astype(np.float32)


def loop(number):
    """One second of drums: four hits of noise, of a colour of their own each."""
    rng, y = np.random.default_rng([9, number]), np.zeros(SAMPLE_RATE)
    for hit in range(4):
        t = np.arange(1_000) / SAMPLE_RATE
        noise = rng.standard_normal(1_000) * np.sin(2 * np.pi * rng.uniform(200, 3_000) * t)
        y[hit * 2_000 : hit * 2_000 + 1_000] += noise * np.exp(-40 * t)
    return y


def photograph(seed, size=160):
    """A picture with much in it: shapes of any colour on a textured ground; a Pillow image."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = rng.integers(0, size, 2).tolist()
        width, height = rng.integers(size // 16, size // 3, 2).tolist()
        shape = (draw.ellipse, draw.rectangle)[rng.integers(2)]
        shape((x, y, x + width, y + height), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def jpeg(image, quality=90):
    """A picture as a JPEG file's content."""
    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG", quality=quality)
    return content.getvalue()


def write(root, files):
    """Write files below `root`: path → content, samples at 8000 Hz or a Pillow image; the root."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, np.ndarray):
            soundfile.write(path, content, SAMPLE_RATE)
        else:
            path.write_bytes(jpeg(content))
    return root


def dataset_of(root, rows, kind="sound", task="single"):
    """A data set of rows (id, labels or one label, side, group): the file is the id up to a `#`, below `root`."""
    examples = []
    for name, labels, *rest in rows:
        side, group = (*rest, "", name)[:2] if len(rest) < 2 else rest
        labels = {labels: True} if isinstance(labels, str) else labels
        examples.append(Example(name, Path(root), labels, group or name, side, name.partition("#")[0]))
    names = tuple(sorted({label for example in examples for label in example.labels}))
    return Dataset("made", kind, task, "class", names, tuple(examples))


def shuffled(dataset):
    """The same data set in another order."""
    return replace(dataset, examples=dataset.examples[::-1])
