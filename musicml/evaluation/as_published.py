"""Score a run in the way of a published system whose protocol it repeats.

A run with `[published]` is scored on the split that the publication used. report.json also has, under `as_served`, what
the system's app or its own metrics give for the same predictions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from musicml.data import get_reference
from musicml.data.audit import compute_ceiling, group_by_content
from musicml.data.datasets import Dataset, Example, reload_dataset
from musicml.data.io import load_audio
from musicml.evaluation import predictions as scored
from musicml.evaluation.bootstrap import compute_count_draws, compute_weighted_counts, draw_weights
from musicml.evaluation.intervals import (
    N_BOOTSTRAP,
    compute_draw_interval,
    compute_mean_and_interval,
    count_by_group,
    round_interval,
    round_metric,
)
from musicml.evaluation.metrics import apply_thresholds
from musicml.experiment import DataInfo, Run, RunInfo
from musicml.inference import ModelInput, Predictor, compute_calibration_error, pool_clips, read_manifest
from musicml.utils import compute_wilson_interval

if TYPE_CHECKING:
    from musicml.evaluation.evaluate import TestPredictions

APP_SECONDS = 1.0  # the app of `served = "first_second"` used only the start of a file
WEIGHTED = ("weighted_precision", "weighted_recall")


@dataclass(frozen=True)
class IntervalEstimate:
    """A metric with its 95% interval from a bootstrap over groups; `value` is None where it is not defined."""

    value: float | None
    interval: list[float] | None = None


def get_scored_split(info: RunInfo) -> str:
    """Return the split that a run is scored on: `test`, or the one of the published result that it repeats."""
    published = info.get_settings("published")
    return get_reference(published["reference"]).side if published else "test"


def index_examples(dataset: Dataset, names: Sequence[str], info: RunInfo) -> dict[str, Example]:
    """Return a run's examples by their names in its split.csv, without those that are missing."""
    examples = {example.id: example for example in dataset.examples}
    if not info.is_cut_into_pieces:
        return examples
    tracks = {name: examples.get(info.get_track_name(name)) for name in names}
    return {
        name: track.make_segment(int(name.rpartition("#")[2])) for name, track in tracks.items() if track is not None
    }


class PieceReader:
    """Read pieces of tracks as model inputs; consecutive pieces of one track read its file once."""

    def __init__(self, predictor: Predictor):
        self.predictor, self.track = predictor, ""
        self.track_input: ModelInput | None = None

    def read(self, example: Example) -> ModelInput:
        """Read the frames of one piece, cut as for training."""
        track, _, number = example.id.rpartition("#")  # "blues/1.wav#3" is the fourth piece of a track
        track_input = self.track_input
        if track_input is None or track != self.track:
            track_input = self.predictor.read(example.path, track)
            self.track, self.track_input = track, track_input
        length = self.predictor.serving.clip.length
        start = int(number) * length
        return replace(track_input, name=example.id, values=track_input.values[start : start + length])


def score_as_served(
    run: Run, dataset: Dataset, test: TestPredictions, data_root: Path | None = None
) -> dict[str, Any] | None:
    """Score a run's predictions as the published system showed or counted them; None for an honest run.

    Parameters
    ----------
    test : the run's predictions
    data_root : folder of the datasets, if it was moved

    Returns
    -------
    dict with those that apply of `softmax_twice`, `first_second`, `ceiling` (contradictory labels) and `cells` (a table
    in which most labels are missing)
    """
    info = run.info
    if info.published is None:
        return None
    results: dict[str, Any] = {}
    predictions, targets, groups = test.predictions, test.targets, test.groups
    if info.published["served"] == "softmax_twice":
        served = read_manifest(run)
        raw = np.stack([pool_clips(one.clip_scores, served.task, served.average) for one in predictions])
        results["softmax_twice"] = score_softmax_twice(raw, targets, groups)
    if info.published["served"] == "first_second":
        is_correct = {one.file: targets[k, one.scores.argmax()] > 0.5 for k, one in enumerate(predictions)}
        results["first_second"] = _score_first_second(Predictor(run), dataset, is_correct)
    if info.task == "single":
        if ceiling := compute_label_ceiling(dataset):
            results["ceiling"] = ceiling
    else:
        predicted = apply_thresholds(np.stack([one.scores for one in predictions]), "multi", test.thresholds)
        labels = read_labeled_cells(info.data, [one.file for one in predictions], dataset.class_names, data_root)
        results["cells"] = score_cells(predicted, targets, labels, groups)
    return results


# The probabilities that an app showed


def score_softmax_twice(scores: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """Score an app that applies softmax twice: the same predictions, with far too low probabilities.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, n_classes)], the model's probabilities, not calibrated
    targets : np.ndarray [shape=(n, n_classes)], 1 or 0
    """
    shown = softmax(np.asarray(scores, dtype=np.float64), axis=1)
    is_correct = targets[np.arange(len(shown)), shown.argmax(axis=1)] > 0.5
    return {
        **_to_dict(accuracy=_estimate_share(is_correct, groups)),
        "n": len(shown),
        # probabilities of 1 and zeros give softmax its highest value: e / (e + n_classes - 1)
        "most_possible": round_metric(np.e / (np.e + shown.shape[1] - 1)),
        "highest": round_metric(shown.max()),
        "mean": round_metric(shown.max(axis=1).mean()),
        "calibration_error": round_metric(compute_calibration_error(shown, targets, "single")),
    }


def _score_first_second(predictor: Predictor, dataset: Dataset, is_correct: Mapping[str, bool]) -> dict[str, Any]:
    """Compute the accuracy of a run on the first second of each track, repeated to fill a clip.

    Parameters
    ----------
    is_correct : example → whether the prediction for all of it was correct, for comparison
    """
    info = predictor.run.info
    # of pieces, only the first of a track: if it was scored, the model was not trained on it
    names = [name for name in is_correct if not info.is_cut_into_pieces or name.endswith("#0")]
    examples = index_examples(dataset, names, info)
    hits, rate = [], predictor.settings.sample_rate
    for name in names:
        sound = load_audio(examples[name].path, rate, APP_SECONDS, examples[name].id)
        prediction = predictor.predict(sound.y, examples[name].id, rate)
        hits.append(examples[name].labels.get(prediction.label, False))
    groups = [examples[name].group for name in names]
    accuracy_of_all = _estimate_share(np.array([is_correct[name] for name in names]), groups)
    return {
        **_to_dict(accuracy=_estimate_share(np.array(hits), groups), accuracy_of_all=accuracy_of_all),
        "n": len(hits),
        "seconds": APP_SECONDS,
    }


# Contradictory labels


def compute_label_ceiling(dataset: Dataset) -> dict[str, Any] | None:
    """Compute the highest metrics that any model can reach on the training rows if some have contradictory labels."""
    part = dataset.keep([example.split == "train" for example in dataset.examples])
    files = {example.id: example.file_path for example in part.examples}
    if len(set(files.values())) == len(files):
        return None
    auc, accuracy = compute_ceiling(part, files)
    groups = group_by_content(part, files)  # rows of the same file
    return {
        "macro_auc": round_metric(auc),
        "accuracy": round_metric(accuracy),
        "contradictory": sum(len(rows) for rows in groups if len(set(rows.values())) > 1),
        "n": len(part.examples),
    }


# Missing labels


def read_labeled_cells(
    data: DataInfo, names: Sequence[str], class_names: Sequence[str], data_root: Path | None
) -> np.ndarray:
    """Read the listeners' labels of a run's examples, [shape=(n, n_classes)]: 1, 0, or NaN for a missing label."""
    honest = reload_dataset({**data.table, "as_published": False}, data_root)
    labels = {example.id: example.labels for example in honest.examples}
    rows = [[labels.get(name, {}).get(label, np.nan) for label in class_names] for name in names]
    return np.array(rows, dtype=float)


def score_cells(
    predicted: np.ndarray, published: np.ndarray, labels: np.ndarray, groups: Sequence[str]
) -> dict[str, Any]:
    """Score predictions with published and with true labels, and also a model that always predicts `present`.

    Parameters
    ----------
    predicted : np.ndarray [shape=(n, n_classes)], bool
    published : np.ndarray [shape=(n, n_classes)], labels as the published system read them, missing ones filled
    labels : np.ndarray [shape=(n, n_classes)], the listeners' labels, NaN where missing
    """
    results: dict[str, Any] = {"n": int(published.size), "judged": int((~np.isnan(labels)).sum())}
    for name, decisions in (("model", predicted), ("all_present", np.ones_like(predicted))):
        results[name] = {
            key: {
                "share": round_metric(np.nanmean(targets)),
                **_to_dict(**estimate_weighted_metrics(decisions, targets, groups)),
            }
            for key, targets in (("as_published", published), ("judged", labels))
        }
    return results


def estimate_weighted_metrics(
    predicted: np.ndarray, targets: np.ndarray, groups: Collection[str]
) -> dict[str, IntervalEstimate]:
    """Estimate support-weighted precision and recall with their intervals.

    Parameters
    ----------
    predicted, targets : np.ndarray [shape=(n, n_classes)]; targets that are NaN do not count
    """
    names = np.array(groups, dtype=object)
    counts = compute_count_draws(targets, predicted, draw_weights(names, 0, N_BOOTSTRAP))
    draws, sizes = compute_weighted_counts(counts), count_by_group(names)
    points = {name: round_metric(draws[name][0]) for name in WEIGHTED}
    return {
        name: IntervalEstimate(point, compute_draw_interval(draws[name][1:], point, sizes))
        for name, point in points.items()
    }


# Published metrics


def compute_published_metric(run: Run, name: str) -> IntervalEstimate | None:
    """Compute a metric of a complete run as the publication did; None if it has no meaning for the run."""
    report = run.report
    own = IntervalEstimate(report.metrics.get(name), (report.intervals or {}).get(name))
    if report.main_metric != "mean_average_precision":
        return own
    table, folds = scored.read_predictions(run), run.info.split.folds
    if name == "accuracy":
        if report.protocol == "honest":  # with several true labels, there is no single correct class
            return None
        return _estimate_share(table.scores.argmax(axis=1) == table.targets.argmax(axis=1), table.groups)
    if name not in WEIGHTED:
        return own
    thresholds = scored.read_fold_thresholds(run, table.names) if folds else read_manifest(run).thresholds
    predicted = apply_thresholds(table.scores, "multi", thresholds)
    return estimate_weighted_metrics(predicted, table.targets, table.groups)[name]


def _estimate_share(is_correct: np.ndarray, groups: Collection[str]) -> IntervalEstimate:
    """Estimate the share of correct examples, with an interval even if it is 0 or 1."""
    if not len(is_correct):
        return IntervalEstimate(None)
    value, interval = compute_mean_and_interval(np.asarray(is_correct, dtype=float), np.array(groups, dtype=object))
    if interval is None and len(set(groups)) > 1:  # all draws were equal: Wilson's interval still has a width
        n = len(set(groups))
        interval = round_interval(compute_wilson_interval(round(value * n), n))
    return IntervalEstimate(value, interval)


def _to_dict(**estimates: IntervalEstimate) -> dict[str, Any]:
    """Return estimates as plain values: `accuracy`, `accuracy_interval`."""
    values = {name: estimate.value for name, estimate in estimates.items()}
    return values | {f"{name}_interval": estimate.interval for name, estimate in estimates.items()}
