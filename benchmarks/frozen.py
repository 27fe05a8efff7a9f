"""Measure how much time stored outputs of a frozen ResNet50 save, compared with plain `fit` through the backbone.

    python -m benchmarks frozen            # about forty minutes

Both sides train the same head on the same sample pictures, alternately. The time of musicml includes computing, storing
and reading the outputs, and saving the state for resuming. Plain `fit` gets the weights of the backbone, its
standardization and the pictures as an array, and saves nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipes import NO_AUGMENTATION
from musicml.data.datasets import loading
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.models import registry
from musicml.training import preparation, trainer
from musicml.utils import terminal

ROOT = Path(__file__).parent.parent
SIDES = (96, 224)  # width and height of the pictures, pixels
PICTURES = {"train": 600, "val": 120}
EPOCHS, FEW_EPOCHS = 30, 3
PAIRS = 5  # of trainings with few epochs; there is one pair with all epochs


def measure(
    data_root: Path, sides: tuple[int, ...] = SIDES, epochs: int = EPOCHS, pairs: int = PAIRS
) -> dict[str, Any]:
    """Measure the seconds of both ways, and their ratio, at each size of picture.

    Parameters
    ----------
    data_root : data root with the sample pictures
    sides : width and height of the pictures, pixels
    epochs : number of epochs of the long pair
    pairs : number of short pairs
    """
    return {f"{side} px": _measure_size(data_root, side, epochs, pairs) for side in sides}


def _measure_size(data_root: Path, side: int, epochs: int, pairs: int) -> dict[str, Any]:
    """Train the pairs at one size of picture."""
    few = [_train_both(data_root, side, FEW_EPOCHS) for _ in range(pairs)]
    long = _train_both(data_root, side, epochs)
    return {
        f"{epochs} epochs": {**long, "ratio": round(long["plain_seconds"] / long["ours_seconds"], 2)},
        f"{FEW_EPOCHS} epochs": {
            "ratio": round(statistics.median(times["plain_seconds"] / times["ours_seconds"] for times in few), 2),
            "pairs": few,
        },
    }


def _train_both(data_root: Path, side: int, epochs: int) -> dict[str, float]:
    """Train once with each way."""
    read = config.read_experiment(
        ROOT / "experiments/instrument_images_resnet50.toml",
        {
            **NO_AUGMENTATION,
            "features.height": side,
            "features.width": side,
            "model.weights": "none",  # the time does not depend on the weights
            "training.epochs": epochs,
            "training.early_stopping": 0,  # all trainings run the same number of epochs
            "training.plateau_patience": 0,
            "training.keep": "last",  # plain fit keeps the last epoch too
        },
    )
    dataset = loading.load_dataset("instrument_images", data_root, "sample")
    with terminal.suppress_stderr():  # hide the progress bars
        material = preparation.prepare_data(read, dataset, data_root, 0)
    clips = {
        name: inputs.cut_clips(material.features, _subsample(material.split.indices(name), n), material.clip)
        for name, n in PICTURES.items()
    }
    targets = {name: inputs.get_targets(one, material.dataset.targets()) for name, one in clips.items()}
    ours = _train_with_stored_outputs(read, material, clips, targets)
    plain = _train_with_plain_fit(read, material, clips, targets, ours.pop("standardization"))
    return {**ours, **plain}


def _subsample(indices: np.ndarray, n: int) -> np.ndarray:
    """Return at most `n` of the indices, evenly spaced."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(n, len(indices))).astype(int))]


def _build_model(read: Any, material: trainer.TrainingData, clips: dict[str, Any]) -> Any:
    """Build the model, with the same random weights every time."""
    keras = terminal.import_keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)  # equal weights for both ways
    return registry.build_model(
        "transfer", replace(read.model, weights="none"), trainer.make_model_spec(read, material, clips["train"], 0)
    )


def _train_with_stored_outputs(
    read: Any, material: trainer.TrainingData, clips: dict[str, Any], targets: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Train as musicml does, starting with an empty cache."""
    model = _build_model(read, material, clips)
    from musicml.training import fit, stages

    with tempfile.TemporaryDirectory() as folder:  # a new folder, so nothing is cached
        facts = {"data": {"root": folder, "hash": material.dataset.hash()}}
        run = runs.start_run(Path(folder) / "run", read.name, 0, read.text, facts)
        start = time.perf_counter()
        with terminal.suppress_stderr():
            stages.train_stages(model, clips, targets, read, "single", run, jit_compile=False)
        seconds = time.perf_counter() - start
    return {
        "ours_seconds": round(seconds, 1),
        "ours_accuracy": _compute_accuracy(fit.predict_scores(model, clips["val"], 32), targets["val"]),
        "standardization": model.get_layer(stages.STANDARDIZED_LAYER).get_weights(),
    }


def _train_with_plain_fit(
    read: Any,
    material: trainer.TrainingData,
    clips: dict[str, Any],
    targets: dict[str, np.ndarray],
    standardization: list[np.ndarray],
) -> dict[str, Any]:
    """Train with `model.fit`, through the frozen backbone in every epoch."""
    model = _build_model(read, material, clips)
    from musicml.training import fit, stages

    model.get_layer(stages.STANDARDIZED_LAYER).set_weights(standardization)  # of the other way; not timed
    fit.compile_model(model, read.training, "single", 0, False)
    x = {name: one.get(np.arange(len(one))).astype(np.float32) for name, one in clips.items()}
    start = time.perf_counter()
    model.fit(
        x["train"],
        targets["train"],
        batch_size=read.training.batch_size,
        epochs=read.training.epochs,
        validation_data=(x["val"], targets["val"]),
        verbose=0,  # a progress bar would cost time
    )
    seconds = time.perf_counter() - start
    return {
        "plain_seconds": round(seconds, 1),
        "plain_accuracy": _compute_accuracy(fit.predict_scores(model, clips["val"], 32), targets["val"]),
    }


def _compute_accuracy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Compute the accuracy of the highest scores."""
    return round(float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean()), 4)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per size and number of epochs."""
    sentences = []
    for side, rows in results.items():
        for epochs, row in rows.items():
            line = f"frozen ResNet50, {side}, {epochs}: {row['ratio']:.1f} times as fast as plain fit"
            if "ours_seconds" in row:
                line += (
                    f" ({row['ours_seconds']:.0f} s, plain fit {row['plain_seconds']:.0f} s; accuracy "
                    f"{row['ours_accuracy']:.3f}, plain fit {row['plain_accuracy']:.3f})"
                )
            sentences.append(line)
    return sentences
