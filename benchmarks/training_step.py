"""Measure the time of a training step with and without XLA, and of the first step, which includes compilation.

    python -m benchmarks steps

The result decides what `training.compile = "auto"` means on a CPU with TensorFlow.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from musicml.experiment import config
from musicml.models import registry
from musicml.models.base import ModelSpec
from musicml.utils import terminal

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ("genre_gru", "genre_lstm", "genre_crnn", "genre_cnn")
BATCH = 32  # examples, as in the experiments
STEPS = 10
ROUNDS = 7


def measure() -> dict[str, Any]:
    """Measure the network of each experiment, at the size of its clips."""
    terminal.import_keras()
    return {name: _measure_network(name) for name in EXPERIMENTS}


def _measure_network(name: str) -> dict[str, Any]:
    """Measure the step of one network with and without XLA, alternately."""
    read = config.read_experiment(ROOT / f"experiments/{name}.toml")
    rng = np.random.default_rng(0)
    n_frames = read.features.count_frames(round(read.clips.seconds * read.features.sample_rate))
    x = rng.normal(size=(BATCH, n_frames, read.features.n_bins)).astype(np.float32)  # the values do not affect the time
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, BATCH)]
    # alternating rounds, so that other load on the machine affects both
    plain, compiled = (_build_and_start(read, x.shape[1:], x, y, way) for way in (False, True))
    rounds = [(_time_step(plain[0], x, y), _time_step(compiled[0], x, y)) for _ in range(ROUNDS)]
    return {
        "plain_ms": round(statistics.median(one for one, _ in rounds) * 1000, 1),
        "xla_ms": round(statistics.median(other for _, other in rounds) * 1000, 1),
        "ratio": round(statistics.median(one / other for one, other in rounds), 3),
        "plain_first_seconds": round(plain[1], 1),
        "xla_first_seconds": round(compiled[1], 1),
    }


def _build_and_start(read: Any, shape: tuple[int, ...], x: np.ndarray, y: np.ndarray, way: bool) -> tuple[Any, float]:
    """Build and compile a model, and make its first training step. Return the model and the seconds of the step."""
    from musicml.training import fit

    spec = ModelSpec(shape, 10, "single", "genre", np.zeros(shape[-1], np.float32), np.ones(shape[-1], np.float32))
    model = registry.build_model(read.family, read.model, spec)
    fit.compile_model(model, read.training, "single", 1000, way)
    start = time.perf_counter()
    model.train_on_batch(x, y)  # the first step traces the graph, and compiles it with XLA
    return model, time.perf_counter() - start


def _time_step(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Return the seconds per step."""
    start = time.perf_counter()
    for _ in range(STEPS):
        model.train_on_batch(x, y)
    return (time.perf_counter() - start) / STEPS


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per network."""
    return [
        f"steps: {name}: {row['plain_ms']:.0f} ms, with XLA {row['xla_ms']:.0f} ms ({row['ratio']:.2f} times as fast); "
        f"first step {row['plain_first_seconds']:.1f} s, with XLA {row['xla_first_seconds']:.1f} s"
        for name, row in results.items()
    ]
