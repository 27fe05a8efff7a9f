"""What stored outputs save: a head on a frozen ResNet50 and outputs computed once, against plain `fit` through it all.

    python -m benchmarks frozen            # about forty minutes

Both sides train the same head on the same sample pictures, in pairs, in turn. Ours pays for everything: computing the
outputs, storing and reading them, keeping what resuming needs. Plain `fit` gets the backbone's weights, its
standardisation and the pictures as an array, and keeps nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipes import AS_IT_IS
from musicml.data.datasets import loading
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.models import registry
from musicml.training import preparation, trainer
from musicml.utils import terminal

ROOT = Path(__file__).parent.parent
SIDES = (96, 224)  # pixels
PICTURES = {"train": 600, "val": 120}
EPOCHS, FEW = 30, 3
PAIRS = 5  # of the few epochs; of all of them one


def measure(
    data_root: Path, sides: tuple[int, ...] = SIDES, epochs: int = EPOCHS, pairs: int = PAIRS
) -> dict[str, Any]:
    """Seconds of both ways, and how many times longer the plain one takes, at each size of picture.

    Parameters
    ----------
    data_root : where the sample pictures are
    sides : of the pictures, pixels
    epochs : of the long pair
    """
    return {f"{side} px": at(data_root, side, epochs, pairs) for side in sides}


def at(data_root: Path, side: int, epochs: int, pairs: int) -> dict[str, Any]:
    """The pairs at one size of picture."""
    few = [pair(data_root, side, FEW) for _ in range(pairs)]
    long = pair(data_root, side, epochs)
    return {
        f"{epochs} epochs": {**long, "ratio": round(long["plain_seconds"] / long["ours_seconds"], 2)},
        f"{FEW} epochs": {
            "ratio": round(statistics.median(one["plain_seconds"] / one["ours_seconds"] for one in few), 2),
            "pairs": few,
        },
    }


def pair(data_root: Path, side: int, epochs: int) -> dict[str, float]:
    """One training of each way."""
    read = config.read_experiment(
        ROOT / "experiments/instrument_images_resnet50.toml",
        {
            **AS_IT_IS,
            "features.height": side,
            "features.width": side,
            "model.weights": "none",
            "training.epochs": epochs,
            "training.early_stopping": 0,
            "training.plateau_patience": 0,
            "training.keep": "last",
        },
    )
    dataset = loading.load_dataset("instrument_images", data_root, "sample")
    with terminal.suppress_stderr():
        material = preparation.prepare_data(read, dataset, data_root, 0)
    clips = {
        name: inputs.cut_clips(material.features, some(material.split.indices(name), n), material.clip)
        for name, n in PICTURES.items()
    }
    targets = {name: inputs.get_targets(one, material.dataset.targets()) for name, one in clips.items()}
    ours = by_stages(read, material, clips, targets)
    plain = by_fit(read, material, clips, targets, ours.pop("standardisation"))
    return {**ours, **plain}


def some(indices: np.ndarray, n: int) -> np.ndarray:
    """At most `n` of some examples, evenly taken."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(n, len(indices))).astype(int))]


def built(read: Any, material: trainer.TrainingData, clips: dict[str, Any]) -> Any:
    """The model, the same weights every time."""
    keras = terminal.import_keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return registry.build_model(
        "transfer", replace(read.model, weights="none"), trainer.make_model_spec(read, material, clips["train"], 0)
    )


def by_stages(
    read: Any, material: trainer.TrainingData, clips: dict[str, Any], targets: dict[str, np.ndarray]
) -> dict[str, Any]:
    """As the package trains it, from an empty store."""
    model = built(read, material, clips)
    from musicml.training import fit, stages

    with tempfile.TemporaryDirectory() as folder:
        facts = {"data": {"root": folder, "hash": material.dataset.hash()}}
        run = runs.start_run(Path(folder) / "run", read.name, 0, read.text, facts)
        begun = time.perf_counter()
        with terminal.suppress_stderr():
            stages.train_stages(model, clips, targets, read, "single", run, jit_compile=False)
        seconds = time.perf_counter() - begun
    return {
        "ours_seconds": round(seconds, 1),
        "ours_accuracy": accuracy(fit.predict_scores(model, clips["val"], 32), targets["val"]),
        "standardisation": model.get_layer(stages.STANDARDIZED_LAYER).get_weights(),
    }


def by_fit(
    read: Any,
    material: trainer.TrainingData,
    clips: dict[str, Any],
    targets: dict[str, np.ndarray],
    standardisation: list[np.ndarray],
) -> dict[str, Any]:
    """Through the frozen backbone in every epoch."""
    model = built(read, material, clips)
    from musicml.training import fit, stages

    model.get_layer(stages.STANDARDIZED_LAYER).set_weights(standardisation)
    fit.compile_model(model, read.training, "single", 0, False)
    x = {name: one.get(np.arange(len(one))).astype(np.float32) for name, one in clips.items()}
    begun = time.perf_counter()
    model.fit(
        x["train"],
        targets["train"],
        batch_size=read.training.batch_size,
        epochs=read.training.epochs,
        validation_data=(x["val"], targets["val"]),
        verbose=0,
    )
    seconds = time.perf_counter() - begun
    return {
        "plain_seconds": round(seconds, 1),
        "plain_accuracy": accuracy(fit.predict_scores(model, clips["val"], 32), targets["val"]),
    }


def accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """The share of examples whose highest score is right."""
    return round(float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean()), 4)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    said = []
    for side, found in measured.items():
        for epochs, row in found.items():
            line = f"frozen ResNet50, {side}, {epochs}: {row['ratio']:.1f} times as fast as plain fit"
            if "ours_seconds" in row:
                line += (
                    f" ({row['ours_seconds']:.0f} s against {row['plain_seconds']:.0f} s; accuracy "
                    f"{row['ours_accuracy']:.3f} against {row['plain_accuracy']:.3f})"
                )
            said.append(line)
    return said
