"""Train: an experiment becomes a run, not yet scored."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import CACHE_FOLDER
from musicml.data.datasets import NO_GROUPS, SPLITS, is_sample_data, load_dataset, reload_dataset
from musicml.experiment import (
    DataInfo,
    Experiment,
    Run,
    check_has_results,
    check_same_files,
    create_run,
    get_fold,
    hold_run,
    parse_experiment,
    read_experiment_text,
    relocate_data,
    spell_examples,
    start_run,
    write_digests,
)
from musicml.inference import (
    MIN_CALIBRATION_FILES,
    apply_temperature,
    compute_traits,
    fit_ood_limit,
    fit_temperature,
    fit_thresholds,
    pool_by_example,
    sign_run,
    write_manifest,
)
from musicml.training import preparation, trainer
from musicml.utils import InputError, Message, to_dict, write_csv, write_json

logger = logging.getLogger(__name__)

PROTOCOLS = {"honest": "honest", "as_published": Message("as published")}  # as settings and as runs name them
REPLAYED = ("reference", "honest", "changes", "fault", "served", "figures")  # of a published result
# of a run's facts, in a fold's
KEPT = ("protocol", "overrides", "deterministic", "settings", "task", "family", "data", "batch_size", "weights")


def train_experiment(
    experiment: Experiment,
    data_root: Path,
    runs_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
) -> Run:
    """Train `experiment`; the run that comes back is complete but for its scores.

    Parameters
    ----------
    experiment : from `musicml.experiment.config.read_experiment`
    data_root : the folder of the data sets, and of the features computed from them
    runs_root : the folder of all runs
    which : `real`, `sample` or `auto`: which of the data set's folders to read
    folder : a folder of class folders to train on in place of the data set
    seed : int >= 0, of the split, the weights and the order of batches
    deterministic : whether two trainings shall give the same weights to the bit (slower on some devices)

    Raises
    ------
    InputError
        If the data or the experiment can't be used: no run folder is left then. What goes wrong later, such as a
        full disk, leaves an unfinished one to `resume_run`.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    logger.info("%s", dataset.describe())
    for note in dataset.notes if folder else ():
        if note != NO_GROUPS:  # of which another line tells
            logger.info("%s", note)
    if dataset.sample:
        logger.warning("%s: generated sample data; no figure of this run says anything about real music", dataset.name)
    if as_published:
        logger.info(
            "%s: taken as published, faults and all; no figure of this run is a rival of honest ones", dataset.name
        )
    material = preparation.prepare_data(experiment, dataset, Path(data_root), seed)
    facts = build_run_info(experiment, material, data_root, folder, seed, deterministic)
    run = create_run(runs_root, experiment.name, seed, experiment.text, facts)
    with hold_run(run.path, run.info.process):
        write_split_files(run, material)
        return finish_or_explain_resume(run, trainer.TrainingJob(experiment, material, deterministic))


def resume_run(run: Run, folder: Path | None = None, data_root: Path | None = None) -> Run:
    """Go on with a training that was stopped or killed; a run that is trained already comes back as it is.

    Parameters
    ----------
    folder, data_root : where the run's own folder, or the folder of all data sets, is now, if it was moved

    Raises
    ------
    InputError
        If the run is whole, another process trains it, or its data has changed since.
    """
    check_is_resumable(run)
    with hold_run(run.path, run.info.process):
        check_is_resumable(run)  # its training may have ended just now
        run.update()  # which says that this process is at it
        return resume_held_run(run, folder, data_root)


def check_is_resumable(run: Run) -> None:
    """Refuse what is no unfinished run of an experiment."""
    check_has_results(run)
    info = run.info
    if info.fold is not None:
        raise InputError(
            "run {run_path} must be a whole run to be resumed, and is a fold of one: {cure}",
            run_path=run.path,
            cure=run.suggest_fix(),
        )
    if run.is_complete:
        raise InputError(
            "run {run_name} must be unfinished to be resumed, and is whole: look at it with `musicml runs`.",
            run_name=run.name,
        )


def resume_held_run(run: Run, folder: Path | None, data_root: Path | None) -> Run:
    """As `resume_run`, of a run that this process holds."""
    info = run.info
    data = relocate_data(run, folder, data_root)
    if info.status == "trained":
        if (data.folder, data.root) != (info.data.folder, info.data.root):
            check_same_files(run, reload_dataset(data.table), Path(data.folder or data.root))
            run.update(data=data.table)
        shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
        return run
    for left in run.path.rglob(".*.*"):  # what a kill in the middle of a write left behind
        if left.is_file():
            left.unlink()
    job, is_told = reload_job(run, data, info.deterministic)
    check_same_data(run, job.material, is_told)
    run.update(data=data.table)
    write_split_files(run, job.material)
    return finish_or_explain_resume(run, job)


def reload_job(run: Run, data: DataInfo, deterministic: bool) -> tuple[trainer.TrainingJob, bool]:
    """Prepare a run's training again, and tell whether the files of `data` are known to be the same as then."""
    info, root = run.info, Path(data.root)
    experiment = parse_experiment(info.experiment, read_experiment_text(run), info.overrides, data.sample)
    dataset = spell_examples(run, reload_dataset(data.table))
    logger.info("%s", dataset.describe())
    is_told = check_same_files(run, dataset, Path(data.folder or data.root), root / CACHE_FOLDER)
    material = preparation.prepare_data(experiment, dataset, root, info.seed)
    return trainer.TrainingJob(experiment, material, deterministic), is_told


def check_same_data(run: Run, material: trainer.TrainingData, is_told: bool) -> None:
    """Refuse data that is split, labelled or read otherwise than when the run began.

    `is_told` is whether the files are known to be the same.
    """
    info = run.info
    found = (preparation.compute_split_hash(material), material.dataset.hash(), material.features.key)
    if found == (info.split.hash, info.data.hash, info.data.features):
        return
    what = Message("its files are the same, but not their classes, groups or splits")
    if not is_told:
        what = Message("the run has no digests.csv, so which files differ can't be told")
    elif found[:2] == (info.split.hash, info.data.hash):
        what = Message("a file that was left out differs, or this version of musicml reads files in another way")
    raise InputError(
        "run {run_name} must go on with the data it began with, and {dataset_name} has changed since: train again "
        "({what}).",
        run_name=run.name,
        dataset_name=material.dataset.name,
        what=what,
    )


def build_run_info(
    experiment: Experiment,
    material: trainer.TrainingData,
    data_root: Path,
    folder: Path | None,
    seed: int,
    deterministic: bool,
) -> dict[str, Any]:
    """What run.json says of a training before it begins."""
    dataset = material.dataset
    published = to_dict(experiment.published) if experiment.published else {}
    return {
        "protocol": PROTOCOLS[experiment.data.protocol],
        **({"published": {key: published[key] for key in REPLAYED}} if experiment.published else {}),
        "overrides": dict(experiment.overrides),
        "deterministic": deterministic,
        "settings": experiment.get_settings(),
        "task": dataset.task,
        "family": experiment.family,
        "data": {
            "dataset": dataset.name,
            "kind": dataset.kind,
            "sample": dataset.sample,
            "hash": dataset.hash(),
            "features": material.features.key,
            "root": str(Path(data_root).absolute()),
            "folder": str(Path(folder).absolute()) if folder else None,
            "source": dict(dataset.source),
            "as_published": dataset.as_published,
            "notes": list(dataset.notes),
            "repairs": dict(Counter(repair.repair for repair in dataset.repairs)),
            "excluded": len(dataset.excluded),
            "with_warnings": len(material.features.warnings),
        },
        "split": describe_split(material, seed),
    }


def describe_split(material: trainer.TrainingData, seed: int) -> dict[str, Any]:
    """What run.json says of a split; of a cross-validation all examples are tested."""
    split = material.split
    whole = {"test": len(material.dataset.examples), "folds": len(material.folds)} if material.folds else {}
    counts = {side: len(split.indices(side)) for side in SPLITS}
    return {
        "statement": split.statement,
        "hash": preparation.compute_split_hash(material),
        "seed": seed,
        **counts,
        **whole,
    }


def write_split_files(run: Run, material: trainer.TrainingData) -> None:
    """Write who stands on which side, who was left out or mended and why, and the class names.

    Of a cross-validation, a row's `fold` is the one in which the example is tested, and its `split` the side on which
    it stands for the model that is served.
    """
    dataset, columns = material.dataset, ["example", "group", "split"]
    rows = [
        {"example": example.id, "group": example.group, "split": side}
        for example, side in zip(dataset.examples, material.split.sides, strict=True)
    ]
    if material.folds:
        columns.append("fold")
        for k, split in enumerate(material.folds, 1):
            for index in split.indices("test"):
                rows[index]["fold"] = k
    write_csv(run.path / "split.csv", rows, columns)
    write_digests(run, [(row["example"], row["split"]) for row in rows], material.digests)
    excluded = [{"file": item.file, "reason": item.reason} for item in dataset.excluded]
    write_csv(run.path / "excluded.csv", excluded, ["file", "reason"])
    repairs = [asdict(repair) for repair in dataset.repairs]
    write_csv(run.path / "repairs.csv", repairs, ["repair", "file", "words"])
    write_json(run.path / "labels.json", list(dataset.class_names))


def finish_or_explain_resume(run: Run, job: trainer.TrainingJob) -> Run:
    """Finish the run; where a person stops it, tell how to go on."""
    try:
        return finish(run, job)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(Message("stopped; go on with `musicml train --resume {path}`", path=run.path)) from None


def finish(run: Run, job: trainer.TrainingJob) -> Run:
    """Train the model, of a cross-validation one a fold before it, and write all that serving needs."""
    material = job.material
    for k, split in enumerate(material.folds, 1):
        logger.info("fold %s of %s", k, len(material.folds))
        finish_fold(run, k, replace(job, material=replace(material, split=split, folds=(), shared=True)))
    if material.folds:
        logger.info("the model that is served: trained and chosen on all files, none kept for a test")
    return train_and_write(run, replace(job, material=replace(material, shared=bool(material.folds))))


def finish_fold(run: Run, k: int, job: trainer.TrainingJob) -> None:
    """Train one fold in its own folder inside the run's, unless a training that was stopped had done so already."""
    fold = get_fold(run, k)
    status = None
    with contextlib.suppress(InputError):  # what can't be read begins again
        status = fold.info.status
    if status == "trained":
        return
    if status is None:
        shutil.rmtree(fold.path, ignore_errors=True)
        info = run.info
        kept = {key: info.table[key] for key in KEPT if key in info.table}
        facts = {**kept, "split": describe_split(job.material, info.seed), "fold": k}
        start_run(fold.path, info.experiment, info.seed, job.experiment.text, facts)
    write_split_files(fold, job.material)
    train_and_write(fold, job, exported=False)
    if smaller := fold.info.batch_size:  # which the next folds need not find out again
        run.update(batch_size=smaller)


def train_and_write(run: Run, job: trainer.TrainingJob, exported: bool = True) -> Run:
    """Train one model and write all that serving needs: weights, serving.json, the exported model."""
    begun = time.perf_counter()
    learned = trainer.train_model(run, job)
    (run.path / "model.onnx").unlink(missing_ok=True)  # of before a kill, which would not be this model's any more
    write_serving(run, job, learned)
    # a fold's model is asked once, by its own evaluation, which has Keras at hand
    run.update(export=learned.export() if exported else Message("not exported: the model of a fold"))
    sign_run(run)  # before the status: a kill between the two would leave a trained run that nobody signed
    run.update(status="trained", train_seconds=round(time.perf_counter() - begun, 1))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return run


def write_serving(run: Run, job: trainer.TrainingJob, learned: trainer.TrainedModel) -> None:
    """Calibrate on validation and write serving.json: all that serving needs beside the model."""
    experiment, material = job.experiment, job.material
    dataset, indices = material.dataset, material.split.indices("val")
    temperature, thresholds = 1.0, [0.5] * len(dataset.class_names)
    if len(indices):
        targets = dataset.targets()[indices]
        clips = job.sides["val"]
        scores = pool_by_example(learned.scores_of(clips), clips, indices, dataset.task, experiment.clips.average)
        temperature = fit_temperature(scores, targets, dataset.task)
        if dataset.task == "multi":
            thresholds = fit_thresholds(apply_temperature(scores, temperature, dataset.task), targets)
    write_manifest(
        run,
        learned.model,
        task=dataset.task,
        answers=dataset.answers,
        kind=experiment.kind,
        features=to_dict(experiment.features),
        clips=to_dict(material.clip),
        input_shape=learned.input_shape,
        normalisation="inside the model",
        temperature=temperature,
        thresholds=thresholds,
        calibrated_on=len(indices) if len(indices) >= MIN_CALIBRATION_FILES else 0,
        unlike=fit_ood_limit_on_data(experiment.kind, material),
        asks_for="features" if experiment.kind == "vggish" else "file",
    )


def fit_ood_limit_on_data(kind: str, material: trainer.TrainingData, most: int = 2000) -> dict[str, Any] | None:
    """How to tell a file that is unlike the training files, from at most `most` of them, evenly taken."""

    def traits(side: str) -> np.ndarray:
        indices = material.split.indices(side)
        some = indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int))]
        return np.array([compute_traits(material.features.of(index), kind) for index in some])

    return fit_ood_limit(traits("train"), traits("val"))
