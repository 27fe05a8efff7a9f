"""Sounds and pictures with one region that tells their class, and how often an explanation's peak lies in it.

What surrounds the region is the same in every class, so that a model which is right has its answer from nowhere else.
A region is a ninth of the whole at most: a third of the time and of the pitches, or a third of a picture's sides.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from musicml import explain, features

SAMPLE_RATE = 8000
SECONDS, TONE_SECONDS = 3.0, 0.85
SIDE, DISC = 192, 63  # pixels
A_NINTH = 1 / 9 + 1e-9
PITCHES = {"low": 350, "middle": 900, "high": 2200}  # Hz
MOTIONS = ("steady", "pulsed", "wobbling")
TINTS = {"red": (90, -45, -45), "green": (-45, 90, -45), "blue": (-45, -45, 90)}


@dataclass(frozen=True)
class Example:
    """A sound's samples or a picture's pixels, its class, and where its region lies.

    `at` of a sound: the second and the pitch at which its tone begins; of a picture: the disc's left and upper edge.
    """

    label: str
    values: np.ndarray
    at: tuple[float, float]

    def region(self, explanation: Any) -> np.ndarray:
        """The places of an explanation's map that lie in the region, [shape of the map], bool."""
        if explanation.frame_seconds is None:
            inside = (
                (edge <= middles) & (middles < edge + DISC)
                for edge, middles in zip((self.at[1], self.at[0]), map(middles_of, explanation.map.shape), strict=True)
            )
            return np.logical_and.outer(*inside)
        settings = explanation.settings
        begins = np.arange(len(explanation.map)) * explanation.frame_seconds
        begin, hertz = self.at
        hears = (begins < begin + TONE_SECONDS) & (begins + settings.n_fft / settings.sample_rate > begin)
        bands = np.arange(settings.n_mels)
        nearest = np.abs(features.centres(settings) - hertz).argmin()
        return np.logical_and.outer(hears, np.abs(bands - nearest) <= (settings.n_mels // 3 - 1) // 2)


def middles_of(n: int) -> np.ndarray:
    """Where the middles of `n` places lie along a side of SIDE pixels."""
    return (np.arange(n) + 0.5) * SIDE / n


def pitches(n: int, seed: int) -> list[Example]:
    """Sounds of quiet noise with one tone, whose pitch tells the class."""
    rng = np.random.default_rng(seed)
    labels = [list(PITCHES)[number % 3] for number in range(n)]
    return [sound(label, PITCHES[label] * 2 ** rng.uniform(-0.2, 0.2), "steady", rng) for label in labels]


def motions(n: int, seed: int) -> list[Example]:
    """Sounds of quiet noise with one tone of any pitch; whether it is steady, pulsed or wobbling tells the class."""
    rng = np.random.default_rng(seed)
    labels = [MOTIONS[number % 3] for number in range(n)]
    return [sound(label, np.exp(rng.uniform(np.log(500), np.log(2800))), label, rng) for label in labels]


def sound(label: str, hertz: float, motion: str, rng: np.random.Generator) -> Example:
    """Quiet noise with a tone somewhere."""
    y = 0.01 * rng.standard_normal(round(SECONDS * SAMPLE_RATE))
    begin = rng.uniform(0, SECONDS - TONE_SECONDS)
    t = np.arange(len(y)) / SAMPLE_RATE - begin
    swing = 0.02 * hertz * np.sin(2 * np.pi * 6 * t) if motion == "wobbling" else 0
    on = (t >= 0) & (t < TONE_SECONDS)
    if motion == "pulsed":
        on &= np.sin(2 * np.pi * 5 * t) > 0
    # swelling within 20 ms: a tone cut off hard clicks in all bands, and would tell its class there as well
    swelling = np.convolve(on, np.hanning(161) / np.hanning(161).sum(), "same")
    tone = np.sin(2 * np.pi * hertz * t + swing) * swelling
    return Example(label, (y + 0.25 * tone).astype(np.float32), (begin, hertz))


def discs(n: int, seed: int) -> list[Example]:
    """Pictures of grey blotches with one disc, whose tint tells the class."""
    rng = np.random.default_rng(seed)
    return [disc(list(TINTS)[number % 3], rng) for number in range(n)]


def disc(label: str, rng: np.random.Generator) -> Example:
    """Grey blotches with a tinted disc somewhere."""
    blotches = rng.normal(0, 25, (SIDE // 8, SIDE // 8, 1)).repeat(8, axis=0).repeat(8, axis=1)
    pixels = blotches + rng.uniform(90, 160) + rng.normal(0, 10, (SIDE, SIDE, 3))
    x, y = rng.integers(0, SIDE - DISC + 1, 2)
    across = np.arange(DISC) - (DISC - 1) / 2
    inside = np.hypot(across[:, None], across) < DISC / 2
    pixels[y : y + DISC, x : x + DISC] += inside[..., None] * np.array(TINTS[label]) * rng.uniform(0.7, 1)
    return Example(label, pixels.clip(0, 255).astype(np.uint8), (x, y))


def write(folder, examples: list[Example]) -> None:
    """Write examples as class folders."""
    for number, example in enumerate(examples):
        home = folder / example.label
        home.mkdir(parents=True, exist_ok=True)
        if example.values.ndim == 1:
            soundfile.write(home / f"{number}.wav", example.values, SAMPLE_RATE)
        else:
            Image.fromarray(example.values).save(home / f"{number}.png")


@dataclass(frozen=True)
class Shares:
    """Of examples: which share the run was right on, and of which the region holds the peak or another point.

    `random` is exact: the mean share of the map that the region makes up.
    """

    method: str
    right: float
    peak: float
    random: float
    centre: float
    largest: float

    def __str__(self) -> str:
        return (
            f"{self.method}: right {self.right:.3f}; in the region: peak {self.peak:.3f}, random point "
            f"{self.random:.3f}, centre {self.centre:.3f} (the largest region: {self.largest:.4f})"
        )


def judged(predictor: Any, examples: list[Example]) -> Shares:
    """How often the peak of the run's explanation lies in the region that tells the example's class."""
    found = []
    for example in examples:
        rate = SAMPLE_RATE if example.values.ndim == 1 else None
        explanation = explain.explain(predictor, example.values, sample_rate=rate)
        region = example.region(explanation)
        middle = tuple(n // 2 for n in region.shape)
        found.append((explanation.label == example.label, region[explanation.peak], region.mean(), region[middle]))
    right, peak, share, centre = np.array(found, dtype=float).T
    return Shares(explanation.method, right.mean(), peak.mean(), share.mean(), centre.mean(), share.max())
