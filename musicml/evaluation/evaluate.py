"""Evaluate: a run is scored by asking its Predictor, as a user would, and so made whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import digest_examples
from musicml.data.datasets import Dataset, Example, load_folder, reload_dataset
from musicml.data.splits import is_ungrouped_split
from musicml.evaluation import as_published, metrics
from musicml.evaluation.predictions import BEFORE, BETWEEN, get_task
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

TOGETHER = 32  # files answered in one pass: enough for the model to work in full batches, few enough to hold in memory


def evaluate_run(
    run: Run, on: Path | None = None, data_root: Path | None = None, folder: Path | None = None
) -> dict[str, Any]:
    """Score a run on its test examples, or on another labelled folder.

    Parameters
    ----------
    run : trained; its first evaluation makes it whole, and later ones do not change it
    on : a folder of class folders; those that the run was not trained on are named and left out
    data_root : where the folder of all data sets is now, if it was moved
    folder : where the run's own folder is now, if it was moved; then the files must be the same

    Returns
    -------
    dict : the report (`musicml.evaluation.metrics.compute_report`) with `run`, `split` and, on a folder, `left_out` and
        `trained_on`, how many files were left out since the run learned from them, None where that can't be told

    Raises
    ------
    InputError
        If the run is not trained, its data is gone or not the same any more, or the folder shares no class with it.
    """
    check_has_results(run)
    if on is not None:
        return evaluate_folder(run, Path(on))
    if run.is_complete and folder is None and data_root is None:
        return run.report.table
    info = run.info
    if info.status != "trained":
        raise InputError(
            "run {run_name} must be trained before it is scored, and is only {status}: {cure}",
            run_name=run.name,
            status=info.status,
            cure=run.suggest_fix(),
        )
    remove_abandoned_files(run.path)  # of an evaluation that was killed
    dataset = load_run_data(run, folder, data_root)
    if run.is_complete:
        return run.report.table
    answered = predict_folds(run, dataset) if info.split.folds else predict_test_split(run, dataset)
    served = as_published.score_as_served(run, dataset, answered, data_root)
    side = Message("out of fold") if info.split.folds else as_published.get_scored_split(info)
    return write_report_file(run, dataset, answered, side, {} if served is None else {"as_served": served})


def load_run_data(run: Run, folder: Path | None, data_root: Path | None) -> Dataset:
    """Load the data set of a run; one that was moved must hold the same files, and run.json names its new place.

    A whole run is never changed: it says how pages find its data.
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
            "run %s is whole and keeps the old place: for pages to find its files, put them at %s",
            run.name,
            before.folder,
        )
    elif not data.folder and data.root != before.root:
        logger.info(
            "run %s is whole and keeps the old place: for pages to find its data, set MUSICML_DATA=%s",
            run.name,
            data.root,
        )
    return dataset


@dataclass(frozen=True)
class TestPredictions:
    """What a run answers for its test examples, with what they are, and the files that can't be read.

    `thresholds`, of several classes at once: np.ndarray [shape=(n_classes,)], or of each example its fold's,
    [shape=(n_examples, n_classes)].
    """

    predictions: list[Prediction]
    targets: np.ndarray
    groups: list[str]
    lost: list[str]
    thresholds: np.ndarray


def predict_test_split(run: Run, dataset: Dataset) -> TestPredictions:
    """Ask the run about the side that it is judged on, in the groups that its split kept together.

    A split by track, or one as published, kept nothing together; its files are judged in the data set's own groups,
    since those of one artist still resemble each other.
    """
    info = run.info
    side, cut = as_published.get_scored_split(info), info.is_cut_into_pieces
    rows = [row for row in run.table("split.csv") if row["split"] == side]
    there = as_published.index_examples(dataset, [row["example"] for row in rows], info)
    found = [(there[row["example"]], row["group"]) for row in rows if row["example"] in there]
    if not is_ungrouped_split(dataset.as_published, info.split_rule):
        found = [(replace(example, group=group), group) for example, group in found]
    answered = predict_examples(run, dataset, [example for example, _ in found], cut)
    gone: list[str] = [
        Message("{example}: not on the disk any more", example=row["example"])
        for row in rows
        if row["example"] not in there
    ]
    return replace(answered, lost=answered.lost + gone)


def predict_folds(run: Run, dataset: Dataset) -> TestPredictions:
    """Ask each fold about what it was tested on, in the order of the folds; each fold is made whole by it."""
    parts = []
    for k in range(1, run.info.split.folds + 1):
        fold = get_fold(run, k)
        parts.append(predict_test_split(fold, dataset))
        if not fold.is_complete:
            write_report_file(fold, dataset, parts[-1], "test")
    return TestPredictions(
        [prediction for part in parts for prediction in part.predictions],
        np.concatenate([part.targets for part in parts]),
        [group for part in parts for group in part.groups],
        [words for part in parts for words in part.lost],
        np.concatenate([np.broadcast_to(part.thresholds, part.targets.shape) for part in parts]),
    )


def write_report_file(
    run: Run, dataset: Dataset, answered: TestPredictions, split: str, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write a run's answers and then its report, with `more` in it; from then on the run is whole."""
    made = make_report(run, answered, split, **(more or {}))
    write_predictions(run, answered, dataset.task)
    write_json(run.path / "report.json", made)
    return made


def evaluate_folder(run: Run, folder: Path) -> dict[str, Any]:
    """Score a run on another labelled folder; nothing is written. What the run learned from is left out."""
    info, class_names = run.info, run.read("labels.json")
    if info.task == "multi":
        raise InputError(
            "run {run_name} answers for several classes at once, and class folders say only what is present, nothing "
            "of what is absent: no precision can be had from them; ask it about the files with `musicml predict`.",
            run_name=run.name,
        )
    dataset = load_folder(folder).match_class_names(class_names)
    foreign = [name for name in dataset.class_names if name not in class_names]
    if foreign:
        n_foreign = sum(example.label in foreign for example in dataset.examples)
        logger.warning(
            "left out, since the run does not know their class: %s files of %s", n_foreign, ", ".join(foreign)
        )
    known = [example for example in dataset.examples if example.label in class_names]
    if not known:
        raise InputError(
            "{folder} must have a class folder that run {run_name} knows, and has {foreign}: name "
            "the folders as the run does ({class_names}).",
            folder=folder,
            run_name=run.name,
            foreign=", ".join(foreign),
            class_names=", ".join(class_names),
        )
    fresh, n_learned = select_unseen(run, dataset, known)
    answered = predict_examples(run, dataset, fresh)
    sample = info.data.sample or dataset.sample
    return make_report(run, answered, str(folder), left_out=foreign, trained_on=n_learned, sample=sample)


def make_report(run: Run, answered: TestPredictions, split: str, **more: Any) -> dict[str, Any]:
    """Return the report of answers on a split, with where they come from, and with `more` in it."""
    origin = {"unreadable": answered.lost, "sample": run.info.data.sample, "protocol": run.info.protocol}
    return {"run": run.name, "split": split, **score_predictions(run, answered), **origin, **more}


def select_unseen(run: Run, dataset: Dataset, examples: list[Example]) -> tuple[list[Example], int | None]:
    """Return the examples that a run did not learn from, and how many it did; all and None where that can't be told."""
    learned = find_learned(run, dict(digest_examples(replace(dataset, examples=tuple(examples)))))
    if learned is None:
        return examples, None
    gone = set(learned)
    fresh = [example for example in examples if example.id not in gone]
    if gone:
        logger.warning("left out, since the run was trained on them: %s of %s files", len(gone), len(examples))
    if not fresh:
        raise InputError(
            "the folder must hold files that run {run_name} was not trained on, and holds none: give others.",
            run_name=run.name,
        )
    return fresh, len(gone)


def find_learned(run: Run, digests: Mapping[str, str]) -> list[str] | None:
    """Find the examples of another folder that a run trained on or chose by, told by content, wherever they lay.

    It says so and returns None where that can't be told.

    Parameters
    ----------
    digests : example → digest of its file
    """
    kept = read_digests(run)
    if kept is None:
        warn_without_digests(run, Message("it learned from any of these files"))
        return None
    return [name for name, digest in digests.items() if digest in kept.learned]


def predict_examples(run: Run, dataset: Dataset, examples: list[Example], cut: bool = False) -> TestPredictions:
    """Ask the run about examples; `cut` says that these are pieces of tracks."""
    if not examples:
        raise InputError(
            "run {run_name} must have test files on the disk, and none is there: put its data back.", run_name=run.name
        )
    predictor, begun = Predictor(run), time.perf_counter()
    predictor.load_model()  # what ails the model is no fault of the first file
    kept, predictions = [], []
    lost: list[str] = []
    places = {example.id: place for place, example in enumerate(dataset.examples)}
    pieces = as_published.PieceReader(predictor)
    for begin in range(0, len(examples), TOGETHER):
        questions = []
        for example in examples[begin : begin + TOGETHER]:
            try:
                questions.append(
                    pieces.read(example) if cut else make_model_input(predictor, dataset, example, places[example.id])
                )
                kept.append(example)
            except InputError as error:
                lost.append(Message("{name}: {error}", name=example.id, error=error))
        predictions += predictor.predict_features(questions) if questions else []
    if not kept:
        raise InputError(
            "{dataset_name} must have test files that can be read, and none can; the first: {lost}",
            dataset_name=dataset.name,
            lost=lost[0],
        )
    for words in lost[:5]:
        logger.warning("not read: %s", words)
    unread = f", {len(lost)} can't be read" if lost else ""
    logger.info("evaluated %s files in %.1f s%s", len(kept), time.perf_counter() - begun, unread)
    unknown = np.nan if predictor.task == "multi" else 0.0
    targets = np.array(
        [[example.labels.get(name, unknown) for name in predictor.class_names] for example in kept], dtype=float
    )
    return TestPredictions(
        predictions, targets, [example.group for example in kept], lost, np.array(predictor.serving.thresholds)
    )


def make_model_input(predictor: Predictor, dataset: Dataset, example: Example, place: int) -> ModelInput:
    """Return what the run is asked about one example: its file, or the features that the data set ships."""
    if predictor.serving.asks_for == "file":
        return predictor.read(example.path, example.id)
    if dataset.vggish is None:
        raise InputError(
            "this run is asked with VGGish features, and the data set brings none: evaluate it on OpenMIC's release."
        )
    return ModelInput(example.id, dataset.vggish[place])


def score_predictions(run: Run, answered: TestPredictions, draws: int = metrics.N_BOOTSTRAP) -> dict[str, Any]:
    """Return the report of answers, with their calibration before the temperature, and false alarms."""
    task, targets = get_task(run), answered.targets
    scores = np.stack([prediction.scores for prediction in answered.predictions])
    average = read_manifest(run).average
    raw = np.stack([pool_clips(one.clip_scores, task, average) for one in answered.predictions])
    groups, names = np.array(answered.groups, dtype=object), run.read("labels.json")
    judged = [prediction for prediction in answered.predictions if prediction.unlike is not None]
    flagged = sum(prediction.is_unlike_training for prediction in judged)
    temperatures = {prediction.temperature for prediction in answered.predictions}  # each fold has its own
    return {
        **metrics.compute_report(scores, targets, groups, names, task, answered.thresholds, draws=draws),
        "temperature": answered.predictions[0].temperature if len(temperatures) == 1 else None,
        "temperatures": sorted(temperatures),
        "calibration_error_before": metrics.round_metric(compute_calibration_error(raw, targets, task)),
        "reliability_before": compute_reliability(raw, targets, task),
        "unlike_training": {"flagged": int(flagged), "n": len(judged)} if judged else None,
    }


def write_predictions(run: Run, answered: TestPredictions, task: str) -> None:
    """Write predictions.csv, a row an example, and clips.npz, the raw scores of each clip."""
    predictions = answered.predictions
    names = predictions[0].class_names
    columns, rows = [*BEFORE, *(f"score:{name}" for name in names)], []
    for prediction, truth, group in zip(predictions, answered.targets, answered.groups, strict=True):
        present, absent = (
            BETWEEN.join(name for name, value in zip(names, truth, strict=True) if value == wanted) for wanted in (1, 0)
        )
        cells = (prediction.file, group, present, absent if task == "multi" else "")
        rows.append(dict(zip(columns, (*cells, *(f"{score:.7g}" for score in prediction.scores)), strict=True)))
    write_csv(run.path / "predictions.csv", rows, columns)
    counts = [len(prediction.starts) for prediction in predictions]
    with write_atomically(run.path / "clips.npz") as temporary:
        np.savez_compressed(
            temporary,
            example=np.repeat(np.arange(len(counts)), counts),
            start=np.concatenate([prediction.starts for prediction in predictions]).astype(np.float32),
            scores=np.concatenate([prediction.clip_scores for prediction in predictions]).astype(np.float32),
        )
