"""Combine several runs into an ensemble, and score it on data that none of them was trained on.

Probabilities are averaged as log-probabilities (single label) or log-odds (multi-label). On the runs' own test split,
stored predictions are averaged. On another folder, every model of every run makes new predictions, also those of folds.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import collect_digests
from musicml.data.datasets import Examples, load_folder
from musicml.evaluation import comparison, evaluate, metrics, predictions
from musicml.evaluation.comparison.checks import check_same_contents
from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Run, check_has_results, get_fold, read_digests
from musicml.inference import pool_clips
from musicml.utils import InputError

logger = logging.getLogger(__name__)


def combine_runs(members: Sequence[Run], on: Path | None = None) -> dict[str, Any]:
    """Score several runs as an ensemble.

    Parameters
    ----------
    members : two or more complete runs; with `on`, one run with several folds is enough
    on : folder of class folders that no member has seen (default: the test examples that all members share)

    Returns
    -------
    dict : the report of `compute_report` with `members` (each with its main metric on the same examples), `split`,
        `sample` and `protocol`

    Raises
    ------
    InputError
        If the runs have different classes or data, or one was trained on an example to be scored.
    """
    for run in members:
        check_has_results(run)
    _check_same_task(members)
    tables = (
        [predictions.read_predictions(run) for run in members] if on is None else _predict_folder(members, Path(on))
    )
    if len(tables) < 2:
        raise InputError(
            "An ensemble needs at least two models, and run {run_name} has only one. Add another run, or use --on with "
            "a cross-validation.",
            run_name=members[0].name,
        )
    if on is None:  # the members' own test examples
        _check_tested(members, tables)
        tables = comparison.align_tables(tables)
    names = [run.name for run in (members if on is None else _list_models(members))]
    average, thresholds = average_tables(tables), _average_thresholds(members, tables[0].names, on)
    infos = [run.info for run in members]
    one_group = np.zeros(len(average.names))  # with a single group, no intervals are computed
    reports = [_compute_report(table, one_group, thresholds) for table in tables]
    return {
        "members": [
            {"run": name, "figure": report["metrics"][report["main_metric"]]}
            for name, report in zip(names, reports, strict=True)
        ],
        "split": "test" if on is None else str(on),
        **_compute_report(average, average.groups, thresholds),
        "calibration_error_before": None,  # members are calibrated before they are averaged
        "unlike_training": None,
        "sample": any(info.data.sample for info in infos),
        "protocol": next((info.protocol for info in infos if not info.is_honest), "honest"),
    }


def average_tables(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Average the scores of several tables with the same examples."""
    task, rows = tables[0].task, zip(*(table.scores for table in tables), strict=True)
    # the models' scores of one example are averaged like the scores of its clips
    return replace(tables[0], scores=np.stack([pool_clips(np.stack(row), task, "log_probability") for row in rows]))


def _check_same_task(members: Sequence[Run]) -> None:
    """Reject runs with different classes or different data, or a run that is named twice."""
    first = members[0]
    classes, task = predictions.read_class_names(first), predictions.get_task(first)
    for run in members[1:]:
        if predictions.read_class_names(run) != classes or predictions.get_task(run) != task:
            raise InputError(
                "The runs of an ensemble must have the same classes, but {run_name} and {first_name} differ. Use runs "
                "of one dataset.",
                run_name=run.name,
                first_name=first.name,
            )
        if run.info.data.hash != first.info.data.hash:  # of the names and labels of all examples
            raise InputError(
                "The runs of an ensemble must use the same data, but {run_name} and {first_name} differ. Train both on "
                "the current data.",
                run_name=run.name,
                first_name=first.name,
            )
    if len({run.name for run in members}) < len(members):
        raise InputError("A run of the ensemble was named twice. Name each run once.")


def _check_tested(members: Sequence[Run], tables: Sequence[PredictionTable]) -> None:
    """Reject runs if one was trained or validated on a test example of another, by name or by content."""
    tested = set().union(*(table.names for table in tables))  # examples that any member was tested on
    for run, table in zip(members, tables, strict=True):
        # in a cross-validation, each example was scored by a fold that was not trained on it
        rows = [] if run.info.split.folds else run.table("split.csv")
        if trained_on := tested & {row["example"] for row in rows if row["split"] in ("train", "val")}:
            raise InputError(
                "Run {run_name} was trained on {n} of {n_tested} examples to be scored, such as {example}. Train all "
                "runs with the same data.split and a fixed split, or with data.folds.",
                run_name=run.name,
                n=len(trained_on),
                n_tested=len(tested),
                example=min(trained_on),
            )
        if missing := tested - set(table.names):
            raise InputError(
                "The runs of an ensemble must have the same test examples, but {run_name} lacks {n} of {n_tested}. "
                "Evaluate runs of the same data.",
                run_name=run.name,
                n=len(missing),
                n_tested=len(tested),
            )
    for note in check_same_contents(members, tested, functools.cache(read_digests)):
        logger.warning("%s", note)


def _list_models(members: Sequence[Run]) -> list[Run]:
    """List the models of all runs: the folds of a cross-validation, or the run itself."""
    folds = ([get_fold(run, k) for k in range(1, run.info.split.folds + 1)] or [run] for run in members)
    return [model for models in folds for model in models]


def _predict_folder(members: Sequence[Run], folder: Path) -> list[PredictionTable]:
    """Predict a folder of class folders with every model of the runs, none of which was trained on its files."""
    class_names = predictions.read_class_names(members[0])
    dataset = load_folder(folder).match_class_names(class_names)
    known = [example for example in dataset.examples if example.label in class_names]
    if not known or predictions.get_task(members[0]) != "single":
        raise InputError(
            "{folder} must have folders named as the runs' classes ({class_names}), for a task with one class per "
            "file. Rename the folders.",
            folder=folder,
            class_names=", ".join(class_names),
        )
    digests = collect_digests(replace(dataset, examples=Examples(known)))  # a renamed file is found too
    for run in members:
        _check_unseen(run, digests, folder)
    tables = []
    for model in _list_models(members):
        test = evaluate.predict_examples(model, dataset, known)
        files = np.array([prediction.file for prediction in test.predictions], dtype=object)
        scores = np.stack([prediction.scores for prediction in test.predictions]).astype(np.float64)
        groups = np.array(test.groups, dtype=object)
        tables.append(PredictionTable(files, groups, class_names, scores, test.targets, "single"))
    return tables


def _check_unseen(run: Run, digests: Mapping[str, str], folder: Path) -> None:
    """Reject a folder with a file that a run was trained on; files are compared by content.

    Parameters
    ----------
    digests : example → digest of its file
    """
    if trained_on := evaluate.find_trained_on(run, digests):
        raise InputError(
            "Run {run_name} was trained on {n} of the {n_files} files in {folder}, such as {example}. Use files that "
            "it has not seen.",
            run_name=run.name,
            n=len(trained_on),
            n_files=len(digests),
            folder=folder,
            example=trained_on[0],
        )


def _average_thresholds(members: Sequence[Run], names: np.ndarray, on: Path | None) -> np.ndarray:
    """Average the thresholds of the members."""
    thresholds = []
    for run in members:
        by_fold = run.info.split.folds and on is None and predictions.get_task(run) == "multi"
        thresholds.append(
            predictions.read_fold_thresholds(run, names)
            if by_fold
            else np.array(run.read("serving.json")["thresholds"])
        )
    return np.mean(np.broadcast_arrays(*thresholds), axis=0)  # folds have a row per example, other runs one row


def _compute_report(table: PredictionTable, groups: np.ndarray, thresholds: np.ndarray) -> dict[str, Any]:
    """Compute the report of a table of scores."""
    return metrics.compute_report(table.scores, table.targets, groups, list(table.class_names), table.task, thresholds)
