"""Evaluate a run on its test split, or on another folder, with the same `Predictor` that makes new predictions."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import collect_digests
from musicml.data.datasets import Dataset, Example, Examples, load_folder, reload_dataset
from musicml.data.splits import is_ungrouped_split
from musicml.evaluation import as_published, metrics
from musicml.evaluation.predictions import ID_COLUMNS, SEPARATOR, get_task
from musicml.experiment import (
    Run,
    check_has_results,
    check_same_files,
    get_fold,
    read_digests,
    relocate_data,
    remove_abandoned_files,
    spell_examples,
    warn_without_digests,
)
from musicml.inference import (
    ModelInput,
    Prediction,
    Predictor,
    compute_calibration_error,
    compute_reliability,
    pool_clips,
    read_manifest,
)
from musicml.utils import InputError, Message, write_atomically, write_csv, write_json

logger = logging.getLogger(__name__)

BATCH_SIZE = 32  # files in one pass: enough for full batches of clips, and few enough for memory


def evaluate_run(
    run: Run, on: Path | None = None, data_root: Path | None = None, folder: Path | None = None
) -> dict[str, Any]:
    """Score a run on its test examples, or on another labeled folder.

    Parameters
    ----------
    run : a trained run; its first evaluation completes it, and later ones do not change it
    on : folder of class folders; classes that the run does not have are left out
    data_root : folder of the datasets, if it was moved
    folder : the user's own folder that the run was trained on, if it was moved; its files must be the same

    Returns
    -------
    dict : the report of `compute_report` with `run` and `split`. On a folder it also has `left_out` (classes) and
        `trained_on` (number of files left out because the run was trained on them; None if unknown).

    Raises
    ------
    InputError
        If the run is not trained, its data is missing or has changed, or the folder has none of its classes.
    """
    check_has_results(run)
    if on is not None:  # another folder: nothing is written
        return _evaluate_folder(run, Path(on))
    if run.is_complete and folder is None and data_root is None:
        return run.report.table
    info = run.info
    if info.status != "trained":
        raise InputError(
            "Run {run_name} must be trained before it is evaluated, but its status is {status}: {fix}",
            run_name=run.name,
            status=info.status,
            fix=run.suggest_fix(),
        )
    remove_abandoned_files(run.path)  # left by an evaluation that was killed
    dataset = load_run_data(run, folder, data_root)
    if run.is_complete:
        return run.report.table
    test = _predict_folds(run, dataset) if info.split.folds else predict_test_split(run, dataset)
    served = as_published.score_as_served(run, dataset, test, data_root)
    split = Message("out of fold") if info.split.folds else as_published.get_scored_split(info)
    return _write_results(run, dataset, test, split, {} if served is None else {"as_served": served})


def load_run_data(run: Run, folder: Path | None, data_root: Path | None) -> Dataset:
    """Load the dataset of a run; if it was moved, check that the files are the same and update run.json.

    A complete run is never changed: then a log message says how the dashboard can find the data.
    """
    before = run.info.data
    data = relocate_data(run, folder, data_root)
    dataset = spell_examples(run, reload_dataset(data.table).match_class_names(run.read("labels.json")))
    if not (folder or data_root):
        return dataset
    check_same_files(run, dataset, Path(data.folder or data.root))
    if not run.is_complete:
        run.update(data=data.table)
    elif data.folder != before.folder:
        logger.info(
            "run %s is complete and keeps the old path: for the dashboard to find its files, put them at %s",
            run.name,
            before.folder,
        )
    elif not data.folder and data.root != before.root:
        logger.info(
            "run %s is complete and keeps the old path: for the dashboard to find its data, set MUSICML_DATA=%s",
            run.name,
            data.root,
        )
    return dataset


@dataclass(frozen=True)
class TestPredictions:
    """A run's predictions for its test examples, with the labels.

    Attributes
    ----------
    predictions, groups : one per example
    targets : np.ndarray [shape=(n_examples, n_classes)]
    unreadable : messages about files that could not be read
    thresholds : np.ndarray [shape=(n_classes,)], or [shape=(n_examples, n_classes)] if each fold has its own
    """

    predictions: list[Prediction]
    targets: np.ndarray
    groups: list[str]
    unreadable: list[str]
    thresholds: np.ndarray


def predict_test_split(run: Run, dataset: Dataset) -> TestPredictions:
    """Predict the examples that a run is scored on, in the groups of its split."""
    info = run.info
    split, cut = as_published.get_scored_split(info), info.is_cut_into_pieces
    rows = [row for row in run.table("split.csv") if row["split"] == split]  # the split as it was at training
    known = as_published.index_examples(dataset, [row["example"] for row in rows], info)
    pairs = [(known[row["example"]], row["group"]) for row in rows if row["example"] in known]
    # a split by track has no groups, but its intervals need some: then the dataset's own groups stay
    if not is_ungrouped_split(dataset.as_published, info.split_rule):
        pairs = [(replace(example, group=group), group) for example, group in pairs]
    test = predict_examples(run, dataset, [example for example, _ in pairs], cut)
    missing: list[str] = [
        Message("{example}: the file is missing", example=row["example"]) for row in rows if row["example"] not in known
    ]
    return replace(test, unreadable=test.unreadable + missing)


def _predict_folds(run: Run, dataset: Dataset) -> TestPredictions:
    """Predict the test examples of each fold with the fold's own model; this completes each fold."""
    parts = []
    for k in range(1, run.info.split.folds + 1):
        fold = get_fold(run, k)
        parts.append(predict_test_split(fold, dataset))  # a fold is a run of its own, in a folder of the run
        if not fold.is_complete:
            _write_results(fold, dataset, parts[-1], "test")
    return TestPredictions(
        [prediction for part in parts for prediction in part.predictions],
        np.concatenate([part.targets for part in parts]),
        [group for part in parts for group in part.groups],
        [message for part in parts for message in part.unreadable],
        np.concatenate([np.broadcast_to(part.thresholds, part.targets.shape) for part in parts]),
    )


def _write_results(
    run: Run, dataset: Dataset, test: TestPredictions, split: str, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write a run's predictions and its report with `extra` keys."""
    report = _make_report(run, test, split, **(extra or {}))
    write_predictions(run, test, dataset.task)  # first, so that a report never lacks its predictions
    write_json(run.path / "report.json", report)  # last, because this file makes the run complete
    return report


def _evaluate_folder(run: Run, folder: Path) -> dict[str, Any]:
    """Evaluate a run on another folder, without files that it was trained on; nothing is written."""
    info, class_names = run.info, run.read("labels.json")
    if info.task == "multi":
        raise InputError(
            "Run {run_name} is multi-label. Class folders do not state which classes are absent, so it cannot be "
            "evaluated on them. Use `musicml predict` instead.",
            run_name=run.name,
        )
    dataset = load_folder(folder).match_class_names(class_names)
    unknown = [name for name in dataset.class_names if name not in class_names]  # classes that the model cannot predict
    if unknown:
        n_unknown = sum(example.label in unknown for example in dataset.examples)
        logger.warning("left out: %s files of classes that the run does not have: %s", n_unknown, ", ".join(unknown))
    known = [example for example in dataset.examples if example.label in class_names]
    if not known:
        raise InputError(
            "{folder} must have folders named as the classes of run {run_name} ({class_names}), but has {unknown}. "
            "Rename the folders.",
            folder=folder,
            run_name=run.name,
            unknown=", ".join(unknown),
            class_names=", ".join(class_names),
        )
    unseen, n_trained = _select_unseen(run, dataset, known)
    test = predict_examples(run, dataset, unseen)
    sample = info.data.sample or dataset.sample
    return _make_report(run, test, str(folder), left_out=unknown, trained_on=n_trained, sample=sample)


def _make_report(run: Run, test: TestPredictions, split: str, **extra: Any) -> dict[str, Any]:
    """Make the report of predictions for a split, with their origin and `extra` keys."""
    origin = {"unreadable": test.unreadable, "sample": run.info.data.sample, "protocol": run.info.protocol}
    return {"run": run.name, "split": split, **score_predictions(run, test), **origin, **extra}


def _select_unseen(run: Run, dataset: Dataset, examples: list[Example]) -> tuple[list[Example], int | None]:
    """Return the examples that a run was not trained on, and the number of the others; all and None if unknown."""
    trained_on = find_trained_on(run, collect_digests(replace(dataset, examples=Examples(examples))))
    if trained_on is None:
        return examples, None
    names = set(trained_on)
    unseen = [example for example in examples if example.id not in names]
    if names:
        logger.warning("left out: %s of %s files, because the run was trained on them", len(names), len(examples))
    if not unseen:
        raise InputError(
            "Run {run_name} was trained on all files in the folder. Use files that it has not seen.", run_name=run.name
        )
    return unseen, len(names)


def find_trained_on(run: Run, digests: Mapping[str, str]) -> list[str] | None:
    """Find the examples that a run used for training or validation, by content; None, with a warning, if unknown.

    Parameters
    ----------
    digests : example → digest of its file
    """
    known = read_digests(run)
    if known is None:
        warn_without_digests(run, Message("it was trained on any of these files"))
        return None
    return [name for name, digest in digests.items() if digest in known.learned]


def predict_examples(run: Run, dataset: Dataset, examples: list[Example], cut: bool = False) -> TestPredictions:
    """Predict examples, and collect errors of files that cannot be read; `cut` means pieces of tracks."""
    if not examples:
        raise InputError(
            "All test files of run {run_name} are missing. Put its data back, then try again.", run_name=run.name
        )
    predictor, start_time = Predictor(run), time.perf_counter()
    predictor.load_model()  # before the loop, so that a broken model is not reported as an unreadable file
    readable, predictions = [], []
    unreadable: list[str] = []
    # only for features that come with the dataset
    places = {name: k for k, name in enumerate(dataset.examples.ids)} if dataset.vggish is not None else {}
    pieces = as_published.PieceReader(predictor)
    for start in range(0, len(examples), BATCH_SIZE):
        inputs = []
        for example in examples[start : start + BATCH_SIZE]:
            try:
                place = places.get(example.id, 0)
                inputs.append(pieces.read(example) if cut else make_model_input(predictor, dataset, example, place))
                readable.append(example)
            except InputError as error:
                unreadable.append(Message("{name}: {error}", name=example.id, error=error))
        predictions += predictor.predict_features(inputs) if inputs else []
    if not readable:
        raise InputError(
            "No test file of {dataset_name} could be read. The first error: {error}",
            dataset_name=dataset.name,
            error=unreadable[0],
        )
    for message in unreadable[:5]:  # report.json lists them all
        logger.warning("not read: %s", message)
    suffix = f", {len(unreadable)} could not be read" if unreadable else ""
    logger.info("evaluated %s files in %.1f s%s", len(readable), time.perf_counter() - start_time, suffix)
    # with several classes, a missing label means that it is unknown; with one, that the class is another
    unknown = np.nan if predictor.task == "multi" else 0.0
    targets = np.array(
        [[example.labels.get(name, unknown) for name in predictor.class_names] for example in readable], dtype=float
    )
    groups = [example.group for example in readable]
    return TestPredictions(predictions, targets, groups, unreadable, np.array(predictor.serving.thresholds))


def make_model_input(predictor: Predictor, dataset: Dataset, example: Example, place: int) -> ModelInput:
    """Return the model's input for one example: its file, or the features that the dataset provides."""
    if predictor.serving.asks_for == "file":
        return predictor.read(example.path, example.id)
    if dataset.vggish is None:
        raise InputError(
            "This model needs VGGish features, which the dataset does not have. Evaluate it on the release of OpenMIC."
        )
    return ModelInput(example.id, dataset.vggish[place])


def score_predictions(run: Run, test: TestPredictions, n_bootstrap: int = metrics.N_BOOTSTRAP) -> dict[str, Any]:
    """Compute the report of predictions, with calibration before temperature scaling and out-of-distribution counts."""
    task, targets, predictions = get_task(run), test.targets, test.predictions
    scores = np.stack([prediction.scores for prediction in predictions])
    average = read_manifest(run).average
    raw = np.stack([pool_clips(prediction.clip_scores, task, average) for prediction in predictions])
    groups, names = np.array(test.groups, dtype=object), run.read("labels.json")
    # test files come from the same data, so those flagged as out of distribution are false positives
    checked = [prediction for prediction in predictions if prediction.unlike is not None]
    flagged = sum(prediction.is_unlike_training for prediction in checked)
    temperatures = {prediction.temperature for prediction in predictions}  # each fold has its own
    return {
        **metrics.compute_report(scores, targets, groups, names, task, test.thresholds, n_bootstrap=n_bootstrap),
        "temperature": predictions[0].temperature if len(temperatures) == 1 else None,
        "temperatures": sorted(temperatures),
        "calibration_error_before": metrics.round_metric(compute_calibration_error(raw, targets, task)),
        "reliability_before": compute_reliability(raw, targets, task),
        "unlike_training": {"flagged": int(flagged), "n": len(checked)} if checked else None,
    }


def write_predictions(run: Run, test: TestPredictions, task: str) -> None:
    """Write predictions.csv, one row per example, and clips.npz with the raw scores of each clip."""
    predictions = test.predictions
    columns = [*ID_COLUMNS, *(f"score:{name}" for name in predictions[0].class_names)]  # a class may be named group
    parts = zip(predictions, test.targets, test.groups, strict=True)
    rows = (dict(zip(columns, _list_cells(*part, task), strict=True)) for part in parts)
    write_csv(run.path / "predictions.csv", rows, columns)
    counts = [len(prediction.starts) for prediction in predictions]  # clips per example
    with write_atomically(run.path / "clips.npz") as temporary:  # a killed process leaves no half file
        np.savez_compressed(
            temporary,
            example=np.repeat(np.arange(len(counts)), counts),
            start=np.concatenate([prediction.starts for prediction in predictions]).astype(np.float32),
            scores=np.concatenate([prediction.clip_scores for prediction in predictions]).astype(np.float32),
        )


def _list_cells(prediction: Prediction, targets: np.ndarray, group: str, task: str) -> list[str]:
    """Return a row of predictions.csv."""
    present, absent = (
        SEPARATOR.join(name for name, target in zip(prediction.class_names, targets, strict=True) if target == value)
        for value in (1, 0)
    )
    scores = (f"{score:.7g}" for score in prediction.scores)
    return [prediction.file, group, present, absent if task == "multi" else "", *scores]
