"""Published: how a system was judged and served that a run replays, beside how it ought to have been.

A run with `[published]` is judged on the side on which the system was; what the system's own app, or its own way to
count, made of the same answers goes into report.json under `score_as_served`.
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

SECOND = 1.0  # what the app of `served = "first_second"` heard of a file
WEIGHTED = ("weighted_precision", "weighted_recall")


@dataclass(frozen=True)
class IntervalEstimate:
    """A figure with its 95 % interval from a bootstrap over groups; None where it is not defined."""

    value: float | None
    interval: list[float] | None = None


def get_scored_split(info: RunInfo) -> str:
    """The side on which a run is judged: the test, or what the published figure was computed on."""
    replayed = info.get_settings("published")
    return get_reference(replayed["reference"]).side if replayed else "test"


def index_examples(dataset: Dataset, names: Sequence[str], info: RunInfo) -> dict[str, Example]:
    """The examples of a run that are still there, by the names in its split.csv."""
    there = {example.id: example for example in dataset.examples}
    if not info.is_cut_into_pieces:
        return there
    tracks = {name: there.get(info.get_track_name(name)) for name in names}
    return {
        name: track.make_segment(int(name.rpartition("#")[2])) for name, track in tracks.items() if track is not None
    }


class PieceReader:
    """Pieces of tracks as questions; a track is read once for all its pieces that are asked for one after another."""

    def __init__(self, predictor: Predictor):
        self.predictor, self.track = predictor, ""
        self.whole: ModelInput | None = None

    def read(self, example: Example) -> ModelInput:
        """The frames of one piece, cut out of its track's as they were for training."""
        track, _, number = example.id.rpartition("#")
        whole = self.whole
        if whole is None or track != self.track:
            whole = self.predictor.read(example.path, track)
            self.track, self.whole = track, whole
        length = self.predictor.serving.clip.length
        begin = int(number) * length
        return replace(whole, name=example.id, values=whole.values[begin : begin + length])


def score_as_served(
    run: Run, dataset: Dataset, answered: TestPredictions, data_root: Path | None = None
) -> dict[str, Any] | None:
    """What the system itself made of the same model: None of an honest run.

    Parameters
    ----------
    answered : what the run answered for its examples
    data_root : where the run's data set is now, if it was moved

    Returns
    -------
    dict with those that there are of `softmax_twice`, `first_second`, `ceiling` (of contradictory labels), `cells`
    (of a table of labels, most of which nobody judged)
    """
    info = run.info
    if info.published is None:
        return None
    found: dict[str, Any] = {}
    predictions, targets, groups = answered.predictions, answered.targets, answered.groups
    if info.published["served"] == "softmax_twice":
        served = read_manifest(run)
        raw = np.stack([pool_clips(one.clip_scores, served.task, served.average) for one in predictions])
        found["softmax_twice"] = score_softmax_twice(raw, targets, groups)
    if info.published["served"] == "first_second":
        right = {one.file: targets[k, one.scores.argmax()] > 0.5 for k, one in enumerate(predictions)}
        found["first_second"] = score_first_second(Predictor(run), dataset, right)
    if info.task == "single":
        if ceiling := find_label_ceiling(dataset):
            found["ceiling"] = ceiling
    else:
        said = apply_thresholds(np.stack([one.scores for one in predictions]), "multi", answered.thresholds)
        judged = read_judged_cells(info.data, [one.file for one in predictions], dataset.class_names, data_root)
        found["cells"] = score_cells(said, targets, judged, groups)
    return found


# What the app showed


def score_softmax_twice(scores: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """What an app shows that applies softmax to what softmax gave: the same answers, and next to no confidence.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, n_classes)], the model's own probabilities, not calibrated
    targets : np.ndarray [shape=(n, n_classes)], 1 or 0
    """
    shown = softmax(np.asarray(scores, dtype=np.float64), axis=1)
    right = targets[np.arange(len(shown)), shown.argmax(axis=1)] > 0.5
    return {
        **to_plain(accuracy=estimate_share(right, groups)),
        "n": len(shown),
        # the most that softmax can give where its inputs are probabilities: a 1 beside zeros
        "most_possible": round_metric(np.e / (np.e + shown.shape[1] - 1)),
        "highest": round_metric(shown.max()),
        "mean": round_metric(shown.max(axis=1).mean()),
        "calibration_error": round_metric(compute_calibration_error(shown, targets, "single")),
    }


def score_first_second(predictor: Predictor, dataset: Dataset, whole: Mapping[str, bool]) -> dict[str, Any]:
    """How often a run is right that hears one second of each track, repeated to fill a clip as any short file is.

    Of pieces, only tracks whose beginning was judged, and so not trained on, are asked about.

    Parameters
    ----------
    whole : the examples that were judged, and whether the run was right when it heard all of them; told beside it
    """
    info = predictor.run.info
    names = [name for name in whole if not info.is_cut_into_pieces or name.endswith("#0")]
    examples = index_examples(dataset, names, info)
    right, rate = [], predictor.settings.sample_rate
    for name in names:
        sound = load_audio(examples[name].path, rate, SECOND, examples[name].id)
        answer = predictor.predict(sound.y, examples[name].id, rate)
        right.append(examples[name].labels.get(answer.label, False))
    groups = [examples[name].group for name in names]
    of_all = np.array([whole[name] for name in names])
    return {
        **to_plain(accuracy=estimate_share(np.array(right), groups), accuracy_of_all=estimate_share(of_all, groups)),
        "n": len(right),
        "seconds": SECOND,
    }


# What the labels allowed


def find_label_ceiling(dataset: Dataset) -> dict[str, Any] | None:
    """The highest scores that contradictory labels leave to any model, over the rows that the system learnt from."""
    part = dataset.keep([example.split == "train" for example in dataset.examples])
    files = {example.id: example.file_path for example in part.examples}
    if len(set(files.values())) == len(files):
        return None
    auc, accuracy = compute_ceiling(part, files)
    under = group_by_content(part, files)
    return {
        "macro_auc": round_metric(auc),
        "accuracy": round_metric(accuracy),
        "contradictory": sum(len(rows) for rows in under if len(set(rows.values())) > 1),
        "n": len(part.examples),
    }


# What counted as right


def read_judged_cells(
    data: DataInfo, names: Sequence[str], class_names: Sequence[str], data_root: Path | None
) -> np.ndarray:
    """What listeners said of a run's examples, [shape=(n, n_classes)]: 1, 0, and NaN where nobody was asked."""
    honest = reload_dataset({**data.table, "as_published": False}, data_root)
    there = {example.id: example.labels for example in honest.examples}
    rows = [[there.get(name, {}).get(label, np.nan) for label in class_names] for name in names]
    return np.array(rows, dtype=float)


def score_cells(said: np.ndarray, read: np.ndarray, judged: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """The same answers counted twice, and beside them those of someone who answers `present` to everything.

    Parameters
    ----------
    said : np.ndarray [shape=(n, n_classes)], bool, what the run answers
    read : np.ndarray [shape=(n, n_classes)], the labels as the system read them
    judged : np.ndarray [shape=(n, n_classes)], the same where somebody listened, NaN elsewhere
    """
    found: dict[str, Any] = {"n": int(read.size), "judged": int((~np.isnan(judged)).sum())}
    for who, answers in (("model", said), ("all_present", np.ones_like(said))):
        found[who] = {
            how: {"share": round_metric(np.nanmean(truth)), **to_plain(**weigh_by_support(answers, truth, groups))}
            for how, truth in (("as_published", read), ("judged", judged))
        }
    return found


def weigh_by_support(said: np.ndarray, targets: np.ndarray, groups: Collection[str]) -> dict[str, IntervalEstimate]:
    """Precision and recall of each class, averaged by how often it is present, with intervals.

    Parameters
    ----------
    said, targets : np.ndarray [shape=(n, n_classes)], answers and what is so; NaN never counts
    """
    names = np.array(groups, dtype=object)
    counts = compute_count_draws(targets, said, draw_weights(names, 0, N_BOOTSTRAP))
    found, sizes = compute_weighted_counts(counts), count_by_group(names)
    points = {name: round_metric(found[name][0]) for name in WEIGHTED}
    return {
        name: IntervalEstimate(point, compute_draw_interval(found[name][1:], point, sizes))
        for name, point in points.items()
    }


# Figures to hold beside each other


def compute_published_metric(run: Run, name: str) -> IntervalEstimate | None:
    """A whole run's figure as the published one was computed, with its interval; None where it has no meaning."""
    made = run.report
    plain = IntervalEstimate(made.metrics.get(name), (made.intervals or {}).get(name))
    if made.main_metric != "mean_average_precision":
        return plain
    table, folds = scored.read_predictions(run), run.info.split.folds
    if name == "accuracy":
        if made.protocol == "honest":  # the highest of twenty scores is not what several instruments are told by
            return None
        return estimate_share(table.scores.argmax(axis=1) == table.targets.argmax(axis=1), table.groups)
    if name not in WEIGHTED:
        return plain
    thresholds = scored.read_fold_thresholds(run, table.names) if folds else read_manifest(run).thresholds
    return weigh_by_support(apply_thresholds(table.scores, "multi", thresholds), table.targets, table.groups)[name]


def estimate_share(right: np.ndarray, groups: Collection[str]) -> IntervalEstimate:
    """The share that is true of a value an example, with an interval even where all of them are."""
    if not len(right):
        return IntervalEstimate(None)
    value, interval = compute_mean_and_interval(np.asarray(right, dtype=float), np.array(groups, dtype=object))
    if interval is None and len(set(groups)) > 1:
        n = len(set(groups))
        interval = round_interval(compute_wilson_interval(round(value * n), n))
    return IntervalEstimate(value, interval)


def to_plain(**found: IntervalEstimate) -> dict[str, Any]:
    """Figures and their intervals as plain values."""
    values = {name: one.value for name, one in found.items()}
    return values | {f"{name}_interval": one.interval for name, one in found.items()}
