"""Measure how often a run flags sounds as out-of-distribution: unseen music, noise, tones, silence and speech.

Unseen music should not be flagged, and noise, tones and silence should. Speech is only reported, since music contains
voices too. It needs espeak-ng.
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

SAMPLE_RATE = 22_050
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
    """Count the flagged sounds of each kind.

    Parameters
    ----------
    run : folder of a complete run on the sample data of GTZAN
    data_root : data root of the run
    """
    predictor = Predictor(Run(run))
    results = {"test tracks": _count_flagged(predictor, _list_test_tracks(predictor.run, data_root))}
    for kind, sounds in (("noise", _make_noise()), ("tones", _make_tones()), ("silence", _make_silence())):
        results[kind] = _count_flagged(predictor, sounds)
    if shutil.which("espeak-ng"):
        results["speech"] = _count_flagged(predictor, _make_speech())
    return results


def _count_flagged(predictor: Predictor, sources: Iterator[Any]) -> dict[str, int]:
    """Count how many sounds are flagged."""
    flags = [predictor.predict(source, "it", SAMPLE_RATE).is_unlike_training for source in sources]
    return {"flagged": sum(flags), "of": len(flags)}


def _list_test_tracks(run: Run, data_root: Path) -> Iterator[Path]:
    """Return the files of the run's test split."""
    test_ids = {row["example"] for row in run.table("split.csv") if row["split"] == "test"}
    dataset = loading.reload_dataset(run.info.data.table, data_root)
    return (example.path for example in dataset.examples if example.id in test_ids)


def _make_noise() -> Iterator[np.ndarray]:
    """Make white, pink and brown noise at four levels."""
    rng = np.random.default_rng(0)
    n = SAMPLE_RATE * SECONDS
    slope = np.maximum(np.arange(n // 2 + 1), 1)  # the frequencies, without 0 Hz
    for power in (0, 0.5, 1):  # the amplitude falls with frequency ** power
        for level in LEVELS:
            y = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) / slope**power, n)
            yield (y / np.abs(y).max() * 10 ** (level / 20)).astype(np.float32)


def _make_tones() -> Iterator[np.ndarray]:
    """Make sine tones of nine pitches at four levels."""
    t = np.arange(SAMPLE_RATE * SECONDS) / SAMPLE_RATE
    for hertz in PITCHES:
        for level in LEVELS:
            yield (10 ** (level / 20) * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def _make_silence() -> Iterator[np.ndarray]:
    """Make digital silence, and very quiet noise."""
    n = SAMPLE_RATE * SECONDS
    yield np.zeros(n, np.float32)
    # about the rounding noise of 16-bit sound
    yield (3e-5 * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def _make_speech() -> Iterator[bytes]:
    """Make spoken sentences in several voices, as WAV files."""
    for voice in VOICES:
        for sentence in SENTENCES:
            command = ["espeak-ng", "-v", voice, "--stdout", f"{sentence} {sentence}"]
            yield subprocess.run(command, check=True, capture_output=True).stdout


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per run."""
    return [
        f"flagged as out-of-distribution, {name}: "
        + ", ".join(f"{kind} {row['flagged']} of {row['of']}" for kind, row in rows.items())
        for name, rows in results.items()
    ]
