"""Compare training on float32 features with training on the same features rounded to float16, as a cache could store.

    MUSICML_SHARED_DATA=DIR python -m benchmarks half_precision    # half an hour

The folds are by artist, on the real clips in `DIR/gtzan_clips`. Both trainings have the same folds, seeds and batches,
so only the rounding differs. A third one, with another seed for weights and batches, shows how much chance alone does.
Besides, the first model scores the rounded features too: so far would a stored score and a prediction be apart.
"""

from __future__ import annotations

import tempfile
import timeit
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe_comparison import DRAWS, ROOT, format_interval, load_folder
from benchmarks.recipes import NO_VALIDATION, get_shared_folder
from musicml.evaluation.comparison.significance import compute_flip_p_value
from musicml.evaluation.intervals import compute_mean_and_interval, count_by_group
from musicml.experiment import config
from musicml.inference import pooling
from musicml.training import preparation, trainer
from musicml.utils import capture_messages, suppress_stderr

EXPERIMENTS = ("genre_gru", "genre_crnn")  # one on MFCC, one on log-mel spectrograms
SEEDS = (0, 1)
OTHER_SEED = 100  # added to the seed for the comparison with chance
WAYS = ("float32", "float16", "float32, another seed", "float32, scoring float16")


def measure(root: Path) -> dict[str, Any]:
    """Train every experiment on each fold and seed with features of both precisions.

    Parameters
    ----------
    root : data root, whose cache keeps the features

    Returns
    -------
    dict with `rounding` (how far values move, by experiment), `rows` (accuracy of each way, and difference of each
    from float32)
    """
    results: dict[str, Any] = {"seeds": list(SEEDS), "rounding": {}, "rows": []}
    for name in EXPERIMENTS:
        read = config.read_experiment(ROOT / f"experiments/{name}.toml", NO_VALIDATION)
        scores: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
        for seed in SEEDS:
            dataset = load_folder(get_shared_folder() / "gtzan_clips")()
            material = preparation.prepare_data(read, dataset, root, seed)
            results["rounding"][name] = _measure_rounding(np.asarray(material.features.array))
            for way, part in _predict_folds(read, material, seed, root).items():
                scores[way].append(part)
            print(f"{name}, seed {seed}: done", flush=True)
        targets = material.dataset.targets().argmax(axis=1)
        results["rows"] += _compare(
            name, {way: np.stack(parts) for way, parts in scores.items()}, targets, material.dataset
        )
    return results


def _measure_rounding(values: np.ndarray) -> dict[str, float]:
    """Return the range of values, and how far float16 moves them: at most, and relative to their deviation."""
    moved = np.abs(_round(values) - values)
    return {
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "moved_most": float(moved.max()),
        # a model sees standardized bins, so this is what it notices
        "moved_by_deviations": float((moved.mean(axis=0) / values.std(axis=0)).max()),
        "conversion_us": _time_clip(values[:126].astype(np.float16)),
        "copy_us": _time_clip(values[:126]),
    }


def _time_clip(clip: np.ndarray) -> float:
    """Return the microseconds that it takes to read a clip from memory as float32."""
    return round(min(timeit.repeat(lambda: clip.astype(np.float32), number=200, repeat=5)) / 200 * 1e6, 2)


def _round(values: np.ndarray) -> np.ndarray:
    """Round to float16, and return float32 again."""
    return values.astype(np.float16).astype(np.float32)


def _predict_folds(read: Any, material: trainer.TrainingData, seed: int, root: Path) -> dict[str, np.ndarray]:
    """Return the scores of each file by the model that was not trained on it, [shape=(n_files, n_classes)], by way."""
    rounded = replace(material.features, array=_round(np.asarray(material.features.array)))
    scores = {way: np.zeros((len(material.dataset.examples), len(material.dataset.class_names))) for way in WAYS}
    for split in material.folds:
        fold, test = replace(material, split=split, folds=(), shared=True), split.indices("test")
        half = replace(fold, features=rounded)
        parts = [
            *_train_and_score(read, fold, [fold, half], seed, root),
            *_train_and_score(read, half, [half], seed, root),
            *_train_and_score(read, fold, [fold], seed + OTHER_SEED, root),
        ]
        for way, part in zip((WAYS[0], WAYS[3], WAYS[1], WAYS[2]), parts, strict=True):
            scores[way][test] = part
    return scores


def _train_and_score(
    read: Any, material: trainer.TrainingData, tests: list[trainer.TrainingData], seed: int, root: Path
) -> list[np.ndarray]:
    """Train on one set of features, and score the test files of others, each [shape=(n_test, n_classes)]."""
    job = trainer.TrainingJob(read, material)
    facts = {"data": {"root": str(root), "hash": material.dataset.hash()}}
    with tempfile.TemporaryDirectory() as folder, suppress_stderr(), capture_messages(lambda message: None):
        model = trainer.train_model(trainer.create_run(Path(folder), read.name, seed, read.text, facts), job)
        scores = []
        for test in tests:
            clips = trainer.TrainingJob(read, test).cut("test")
            indices = test.split.indices("test")
            raw = model.predict_scores(clips)
            scores.append(pooling.pool_by_example(raw, clips, indices, "single", read.clips.average))
    return scores


def _compare(name: str, scores: dict[str, np.ndarray], targets: np.ndarray, dataset: Any) -> list[dict[str, Any]]:
    """Compare the ways, [shape=(n_seeds, n_files, n_classes)], paired by file, with intervals over groups."""
    groups, first = np.array(dataset.groups), scores[WAYS[0]]
    rows = []
    for way, values in scores.items():
        right, of_first = (part.argmax(axis=2) == targets for part in (values, first))
        leads = (right.astype(int) - of_first).sum(axis=0)
        difference, interval = compute_mean_and_interval(leads / len(SEEDS), groups, DRAWS, lowest=-1.0)
        rows.append(
            {
                "experiment": name,
                "way": way,
                "files": len(targets),
                "groups": len(set(groups)),
                "accuracy": round(float(right.mean()), 4),
                "difference": difference,
                "interval": interval,
                "p": compute_flip_p_value(count_by_group(groups, leads)),
                "other_class": round(float((values.argmax(axis=2) != first.argmax(axis=2)).mean()), 4),
                "mean_score_change": round(float(np.abs(values - first).mean()), 6),
                "max_score_change": round(float(np.abs(values - first).max()), 6),
            }
        )
    return rows


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per experiment and one per way."""
    sentences = [
        f"{name}: values from {row['lowest']:.0f} to {row['highest']:.0f}; float16 moves them by at most "
        f"{row['moved_most']:.3f}, on average by at most {row['moved_by_deviations']:.5f} deviations of a bin. "
        f"A clip of 3 s is converted in {row['conversion_us']:.0f} µs and copied in {row['copy_us']:.1f} µs"
        for name, row in results["rounding"].items()
    ]
    for row in results["rows"]:
        sentence = f"{row['experiment']}, {row['way']}: accuracy {row['accuracy']:.3f}"
        if row["way"] != WAYS[0]:
            sentence += (
                f"; difference from float32 {row['difference']:+.4f}{format_interval(row['interval'], '+')}, "
                f"p = {row['p']:.2g}; another class for {row['other_class']:.1%} of predictions, scores "
                f"{row['mean_score_change']:.5f} apart on average and {row['max_score_change']:.5f} at most"
            )
        sentences.append(sentence)
    return sentences
