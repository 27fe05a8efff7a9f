"""Ensemble: several runs asked as one, each voting only on what it neither trained on nor chose by.

The votes are averaged in log-probability (of several classes at once: in log-odds), as clips can be. On the data that
the runs were tested on, stored answers are enough; on another folder, every model of every run is asked, those of folds
too.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import digest_examples
from musicml.data.datasets import load_folder
from musicml.evaluation import comparison, evaluate, metrics, predictions
from musicml.evaluation.comparison.checks import check_same_contents
from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Run, check_has_results, get_fold, read_digests
from musicml.inference import pool_clips
from musicml.utils import InputError

logger = logging.getLogger(__name__)


def combine_runs(members: Sequence[Run], on: Path | None = None) -> dict[str, Any]:
    """Score several runs as one.

    Parameters
    ----------
    members : whole runs, two or more, or one of several folds with `on`
    on : a folder of class folders that none of them has seen; without it, the examples that all were tested on

    Returns
    -------
    dict : the report (`musicml.evaluation.metrics.compute_report`) with `members`, each with its own main figure on the
    same examples, `split`, `sample` and `protocol`

    Raises
    ------
    InputError
        If the runs answer for different classes or data, or one trained on what shall be scored.
    """
    for run in members:
        check_has_results(run)
    check_same_task(members)
    voices = [predictions.read_predictions(run) for run in members] if on is None else predict_folder(members, Path(on))
    if len(voices) < 2:
        raise InputError(
            "an ensemble needs two voices or more, and {members_name} alone is one: name another run, or with --on "
            "a run of several folds.",
            members_name=members[0].name,
        )
    if on is None:
        check_tested(members, voices)
        voices = comparison.align_tables(voices)
    names = [run.name for run in members] if on is None else [run.name for run in list_models(members)]
    voted, thresholds = average_tables(voices), average_thresholds(members, voices[0].names, on)
    infos = [run.info for run in members]
    one_group = np.zeros(len(voted.names))  # of which no interval can be drawn
    alone = [compute_report(voice, one_group, thresholds) for voice in voices]
    return {
        "members": [
            {"run": name, "figure": its["metrics"][its["main_metric"]]} for name, its in zip(names, alone, strict=True)
        ],
        "split": "test" if on is None else str(on),
        **compute_report(voted, voted.groups, thresholds),
        "calibration_error_before": None,
        "unlike_training": None,
        "sample": any(info.data.sample for info in infos),
        "protocol": next((info.protocol for info in infos if not info.is_honest), "honest"),
    }


def average_tables(voices: Sequence[PredictionTable]) -> PredictionTable:
    """Return the average of several tables of scores of the same examples."""
    task, answers = voices[0].task, zip(*(voice.scores for voice in voices), strict=True)
    return replace(voices[0], scores=np.stack([pool_clips(np.stack(one), task, "log_probability") for one in answers]))


def check_same_task(members: Sequence[Run]) -> None:
    """Refuse runs that can't be combined: other classes, other data."""
    first = members[0]
    classes, task = predictions.read_class_names(first), predictions.get_task(first)
    for run in members[1:]:
        if predictions.read_class_names(run) != classes or predictions.get_task(run) != task:
            raise InputError(
                "an ensemble's runs must answer for the same classes, and {run_name} answers for others than "
                "{first_name}: take runs of one data set.",
                run_name=run.name,
                first_name=first.name,
            )
        if run.info.data.hash != first.info.data.hash:
            raise InputError(
                "an ensemble's runs must know the same examples, and {run_name} was trained on other data than "
                "{first_name}: train both on the data as it is now.",
                run_name=run.name,
                first_name=first.name,
            )
    if len({run.name for run in members}) < len(members):
        raise InputError("an ensemble's runs must be different ones, and one is named twice: name each once.")


def check_tested(members: Sequence[Run], voices: Sequence[PredictionTable]) -> None:
    """Refuse where one run trained on, or chose by, what another was tested on; names and contents both tell."""
    tested = set().union(*(voice.names for voice in voices))
    for run, voice in zip(members, voices, strict=True):
        # none for a cross-validation, whose folds answer for what they lack
        rows = [] if run.info.split.folds else run.table("split.csv")
        if learnt := tested & {row["example"] for row in rows if row["split"] in ("train", "val")}:
            raise InputError(
                "an ensemble must score only what no member has learnt from, and {run_name} learnt from "
                "{n_learnt} of {n_tested} examples, {learnt} for one: train its runs with one split "
                "(the same data.split, and a split that no seed changes) or with data.folds.",
                run_name=run.name,
                n_learnt=len(learnt),
                n_tested=len(tested),
                learnt=min(learnt),
            )
        if tested - set(voice.names):
            raise InputError(
                "an ensemble's runs must have answered for the same examples, and {run_name} lacks "
                "{n_tested} of {n_tested2}: evaluate runs of the same data.",
                run_name=run.name,
                n_tested=len(tested - set(voice.names)),
                n_tested2=len(tested),
            )
    for note in check_same_contents(members, tested, functools.cache(read_digests)):
        logger.warning("%s", note)


def list_models(members: Sequence[Run]) -> list[Run]:
    """List each run's models that learned from a part of the data only: its folds, or itself."""
    folds = ([get_fold(run, k) for k in range(1, run.info.split.folds + 1)] or [run] for run in members)
    return [model for models in folds for model in models]


def predict_folder(members: Sequence[Run], folder: Path) -> list[PredictionTable]:
    """Ask every model about a labelled folder, from no file of which one of them has learned."""
    class_names = predictions.read_class_names(members[0])
    dataset = load_folder(folder).match_class_names(class_names)
    known = [example for example in dataset.examples if example.label in class_names]
    if not known or predictions.get_task(members[0]) != "single":
        raise InputError(
            "{folder} must have class folders named as the runs' classes ({class_names}), each file of one "
            "class: name its folders so.",
            folder=folder,
            class_names=", ".join(class_names),
        )
    digests = dict(digest_examples(replace(dataset, examples=tuple(known))))
    for run in members:
        check_unlearned(run, digests, folder)
    voices = []
    for model in list_models(members):
        answered = evaluate.predict_examples(model, dataset, known)
        files = np.array([prediction.file for prediction in answered.predictions], dtype=object)
        scores = np.stack([prediction.scores for prediction in answered.predictions]).astype(np.float64)
        groups = np.array(answered.groups, dtype=object)
        voices.append(PredictionTable(files, groups, class_names, scores, answered.targets, "single"))
    return voices


def check_unlearned(run: Run, digests: Mapping[str, str], folder: Path) -> None:
    """Refuse a folder that holds a file, told by its content, that one of a run's models has learned from.

    Parameters
    ----------
    digests : example → digest of its file
    """
    if learnt := evaluate.find_learned(run, digests):
        raise InputError(
            "an ensemble must score only what no member has learnt from, and {run_name} learnt from {n_learnt} of "
            "the {n_examples} files in {folder}, {learnt} for one: give files that it has not seen.",
            run_name=run.name,
            n_learnt=len(learnt),
            n_examples=len(digests),
            folder=folder,
            learnt=learnt[0],
        )


def average_thresholds(members: Sequence[Run], names: np.ndarray, on: Path | None) -> np.ndarray:
    """Return the score from which a class counts as present: the mean of the members' own."""
    found = []
    for run in members:
        folded = run.info.split.folds and on is None and predictions.get_task(run) == "multi"
        found.append(
            predictions.read_fold_thresholds(run, names) if folded else np.array(run.read("serving.json")["thresholds"])
        )
    return np.mean(np.broadcast_arrays(*found), axis=0)


def compute_report(voice: PredictionTable, groups: np.ndarray, thresholds: np.ndarray) -> dict[str, Any]:
    """Return the report of one table of scores."""
    return metrics.compute_report(voice.scores, voice.targets, groups, list(voice.class_names), voice.task, thresholds)
