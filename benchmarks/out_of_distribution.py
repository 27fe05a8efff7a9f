"""How often a run flags what it should, and should not: unseen music, noise, tones, silence, and speech.

Speech comes from espeak-ng, where that is installed: it is reported and no more, since voices are in music too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import loading
from musicml.experiment.run import Run
from musicml.inference.predictor import Predictor

RATE = 22_050
SECONDS = 10
LEVELS = (-3, -15, -30, -50)  # dB of full scale
PITCHES = (60, 110, 220, 440, 880, 1_500, 3_000, 6_000, 9_000)  # Hz
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Good morning, and welcome to the first lecture on sound.",
    "A spectrogram shows how loud each pitch is at each moment.",
    "Please turn to page forty two and read the second paragraph.",
)
VOICES = ("en-us", "en-gb", "id", "de", "fr")


def measure(run: Path, data_root: Path) -> dict[str, Any]:
    """The share flagged of each kind of sound.

    Parameters
    ----------
    run : folder of a whole run on the sample GTZAN
    data_root : where its data is
    """
    predictor = Predictor(Run(run))
    found = {"test tracks": share(predictor, test_tracks(predictor.run, data_root))}
    for kind, sounds in (("noise", noises()), ("tones", tones()), ("silence", silences())):
        found[kind] = share(predictor, sounds)
    if shutil.which("espeak-ng"):
        found["speech"] = share(predictor, speech())
    return found


def share(predictor: Predictor, sources: Iterator[Any]) -> dict[str, int]:
    """How many of some files or sounds are flagged."""
    flags = [predictor.predict(source, "it", RATE).is_unlike_training for source in sources]
    return {"flagged": sum(flags), "of": len(flags)}


def test_tracks(run: Run, data_root: Path) -> Iterator[Path]:
    """The files of the run's test side."""
    judged = {row["example"] for row in run.table("split.csv") if row["split"] == "test"}
    dataset = loading.reload_dataset(run.info.data.table, data_root)
    return (example.path for example in dataset.examples if example.id in judged)


def noises() -> Iterator[np.ndarray]:
    """White, pink and brown noise at four levels."""
    rng = np.random.default_rng(0)
    n = RATE * SECONDS
    slope = np.maximum(np.arange(n // 2 + 1), 1)
    for power in (0, 0.5, 1):
        for level in LEVELS:
            y = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) / slope**power, n)
            yield (y / np.abs(y).max() * 10 ** (level / 20)).astype(np.float32)


def tones() -> Iterator[np.ndarray]:
    """Sine tones of nine pitches at four levels."""
    t = np.arange(RATE * SECONDS) / RATE
    for hertz in PITCHES:
        for level in LEVELS:
            yield (10 ** (level / 20) * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def silences() -> Iterator[np.ndarray]:
    """Nothing at all, and next to nothing."""
    n = RATE * SECONDS
    yield np.zeros(n, np.float32)
    yield (3e-5 * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def speech() -> Iterator[bytes]:
    """Sentences in several voices."""
    for voice in VOICES:
        for sentence in SENTENCES:
            words = ["espeak-ng", "-v", voice, "--stdout", f"{sentence} {sentence}"]
            yield subprocess.run(words, check=True, capture_output=True).stdout


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"flagged as unlike training, {name}: "
        + ", ".join(f"{kind} {row['flagged']} of {row['of']}" for kind, row in rows.items())
        for name, rows in measured.items()
    ]
