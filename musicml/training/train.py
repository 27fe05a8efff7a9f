"""Train an experiment: create a run, train its model, and save everything that prediction needs."""

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
from musicml.training.distribution import connect_processes, is_secondary, make_own_folder
from musicml.utils import (
    InputError,
    LostClusterError,
    Message,
    count_workers,
    get_log_prefix,
    hold_lock,
    is_on_worker,
    map_in_processes,
    set_log_prefix,
    to_dict,
    write_csv,
    write_json,
)

logger = logging.getLogger(__name__)

PROTOCOLS = {"honest": "honest", "as_published": Message("as published")}  # experiment file's name → run's name
# entries of the table [published] that are copied to run.json
PUBLISHED_KEYS = ("reference", "honest", "changes", "fault", "served", "figures")
# entries of run.json that are copied to a fold's
FOLD_KEYS = ("protocol", "overrides", "deterministic", "settings", "task", "family", "data", "batch_size", "weights")


def train_experiment(
    experiment: Experiment,
    data_root: Path,
    runs_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
) -> Run:
    """Train `experiment`. The returned run is complete except for its scores.

    Parameters
    ----------
    experiment : from `musicml.experiment.config.read_experiment`
    data_root : the folder of the datasets, and of the features computed from them
    runs_root : the folder of all runs
    which : `real`, `sample` or `auto`: which of the dataset's folders to read
    folder : a folder of class folders to train on instead of the dataset
    seed : int >= 0, for the split, the weights and the order of batches
    deterministic : whether two trainings give exactly the same weights (slower on some devices)

    Raises
    ------
    InputError
        If the data or the experiment can't be used: no run folder is left then. Later errors, such as a full disk,
        leave an unfinished run for `resume_run`.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    if _is_secondary(experiment):
        runs_root = make_own_folder()
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    logger.info("%s", dataset.describe())
    for note in dataset.notes if folder else ():
        if note != NO_GROUPS:  # logged elsewhere
            logger.info("%s", note)
    if dataset.sample:
        logger.warning("%s: synthetic data; results of this run say nothing about real music", dataset.name)
    if as_published:
        logger.info(
            "%s: used as published, including its faults; don't compare this run with honest ones", dataset.name
        )
    material = preparation.prepare_data(experiment, dataset, Path(data_root), seed)
    facts = build_run_info(experiment, material, data_root, folder, seed, deterministic)
    run = create_run(runs_root, experiment.name, seed, experiment.text, facts)
    with hold_run(run.path, run.info.process):
        write_split_files(run, material)
        return finish_or_explain_resume(run, trainer.TrainingJob(experiment, material, deterministic))


def resume_run(run: Run, folder: Path | None = None, data_root: Path | None = None) -> Run:
    """Resume training that was interrupted. A run that is already trained is returned as it is.

    Parameters
    ----------
    folder, data_root : new place of the run's own folder, or of the datasets, if they were moved

    Raises
    ------
    InputError
        If the run is complete, another process trains it, or its data has changed since.
    """
    check_is_resumable(run)
    if _is_secondary(parse_experiment(run.info.experiment, read_experiment_text(run), run.info.overrides)):
        run = Run(make_own_folder(run))
    with hold_run(run.path, run.info.process):
        check_is_resumable(run)  # another process may have finished it just now
        run.update()  # records that this process trains it
        return resume_held_run(run, folder, data_root)


def _is_secondary(experiment: Experiment) -> bool:
    """Connect the processes of this command, if it trains on all devices, and return whether another one leads."""
    if experiment.training is None or experiment.training.devices == "first":
        return False
    connect_processes()
    return is_secondary()


def check_is_resumable(run: Run) -> None:
    """Raise an error unless it is an unfinished run of an experiment."""
    check_has_results(run)
    info = run.info
    if info.fold is not None:
        raise InputError(
            "Expected a run to resume, but {run_path} is a single fold of one: {cure}",
            run_path=run.path,
            cure=run.suggest_fix(),
        )
    if run.is_complete:
        raise InputError(
            "Expected an unfinished run to resume, but {run_name} is complete. See it with `musicml runs`.",
            run_name=run.name,
        )


def resume_held_run(run: Run, folder: Path | None, data_root: Path | None) -> Run:
    """Resume a run that this process has locked, as `resume_run` does."""
    info = run.info
    data = relocate_data(run, folder, data_root)
    if info.status == "trained":
        if (data.folder, data.root) != (info.data.folder, info.data.root):
            check_same_files(run, reload_dataset(data.table), Path(data.folder or data.root))
            run.update(data=data.table)
        shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
        return run
    for temporary in run.path.rglob(".*.*"):  # from a process killed while it wrote
        if temporary.is_file() and temporary.suffix != ".lock":  # a worker may still train a fold
            temporary.unlink()
    job, is_known = reload_job(run, data, info.deterministic)
    check_same_data(run, job.material, is_known)  # or the model would be tested on files it was trained on
    run.update(data=data.table)
    write_split_files(run, job.material)
    return finish_or_explain_resume(run, job)


def reload_job(run: Run, data: DataInfo, deterministic: bool) -> tuple[trainer.TrainingJob, bool]:
    """Prepare a run's training again, and also return whether its files are known to be the same as then."""
    info, root = run.info, Path(data.root)
    experiment = parse_experiment(info.experiment, read_experiment_text(run), info.overrides, data.sample)
    dataset = spell_examples(run, reload_dataset(data.table))
    logger.info("%s", dataset.describe())
    is_known = check_same_files(run, dataset, Path(data.folder or data.root), root / CACHE_FOLDER)
    material = preparation.prepare_data(experiment, dataset, root, info.seed)
    return trainer.TrainingJob(experiment, material, deterministic), is_known


def check_same_data(run: Run, material: trainer.TrainingData, is_known: bool) -> None:
    """Raise an error if data is split, labeled or read differently than when the run began.

    `is_known` is whether the files are known to be the same.
    """
    info = run.info
    current = (preparation.compute_split_hash(material), material.dataset.hash(), material.features.key)
    if current == (info.split.hash, info.data.hash, info.data.features):
        return
    reason = Message("its files are the same, but their classes, groups or splits differ")
    if not is_known:
        reason = Message("the run has no digests.csv, so it is unknown which files differ")
    elif current[:2] == (info.split.hash, info.data.hash):
        reason = Message("an excluded file differs, or this version of musicml reads files differently")
    raise InputError(
        "Expected the original data of run {run_name}, but {dataset_name} has changed ({reason}). Train again.",
        run_name=run.name,
        dataset_name=material.dataset.name,
        reason=reason,
    )


def build_run_info(
    experiment: Experiment,
    material: trainer.TrainingData,
    data_root: Path,
    folder: Path | None,
    seed: int,
    deterministic: bool,
) -> dict[str, Any]:
    """Return the contents of run.json before training begins."""
    dataset = material.dataset
    published = to_dict(experiment.published) if experiment.published else {}
    return {
        "protocol": PROTOCOLS[experiment.data.protocol],
        **({"published": {key: published[key] for key in PUBLISHED_KEYS}} if experiment.published else {}),
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
    """Return the entry for a split in run.json. In a cross-validation all examples are tested."""
    split = material.split
    cross_validation = {"test": len(material.dataset.examples), "folds": len(material.folds)} if material.folds else {}
    counts = {name: len(split.indices(name)) for name in SPLITS}
    return {
        "statement": split.statement,
        "hash": preparation.compute_split_hash(material),
        "seed": seed,
        **counts,
        **cross_validation,
    }


def write_split_files(run: Run, material: trainer.TrainingData) -> None:
    """Write split.csv, excluded.csv, repairs.csv and labels.json.

    In a cross-validation, a row's `fold` is the one in which the example is tested. Its `split` is that of the model
    for prediction.
    """
    dataset, columns = material.dataset, ["example", "group", "split"]
    n, sides = len(dataset.examples), material.split.sides
    fold_of = np.zeros(n, dtype=int)
    for k, split in enumerate(material.folds, 1):
        fold_of[split.indices("test")] = k
    columns += ["fold"] if material.folds else []
    rows = (  # a million of them would take a gigabyte at once
        dict(zip(columns, (example.id, example.group, side, fold or ""), strict=False))
        for example, side, fold in zip(dataset.examples, sides, fold_of.tolist(), strict=True)
    )
    write_csv(run.path / "split.csv", rows, columns)
    write_digests(run, zip(dataset.examples.ids, sides, strict=True), material.digests)
    excluded = [{"file": item.file, "reason": item.reason} for item in dataset.excluded]
    write_csv(run.path / "excluded.csv", excluded, ["file", "reason"])
    repairs = [asdict(repair) for repair in dataset.repairs]
    write_csv(run.path / "repairs.csv", repairs, ["repair", "file", "words"])
    write_json(run.path / "labels.json", list(dataset.class_names))


def finish_or_explain_resume(run: Run, job: trainer.TrainingJob) -> Run:
    """Finish the run. If the user interrupts it, or its cluster ends, explain how to resume."""
    try:
        return _finish_run(run, job)
    except LostClusterError as error:
        raise InputError(
            "{error} Then resume with `musicml train --resume {path}`.", error=error.message, path=run.path
        ) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            Message("stopped; resume with `musicml train --resume {path}`", path=run.path)
        ) from None


def _finish_run(run: Run, job: trainer.TrainingJob) -> Run:
    """Train the model, after one model per fold of a cross-validation, and write everything that prediction needs."""
    material = job.material
    there, n = Run(run.path.absolute()), len(material.folds)  # a worker may be in another folder
    folds = (
        (there, k, n, replace(job, material=replace(material, split=split, folds=(), shared=True)))
        for k, split in enumerate(material.folds, 1)
    )
    # in this process, or on the workers of a cluster
    for smaller in map_in_processes(_finish_fold, folds, count_workers()):
        if smaller:  # so that the next folds need not run out of memory first
            run.update(batch_size=smaller)
    if material.folds:
        logger.info("the model for prediction: trained and validated on all files, without a test split")
    return train_and_write(run, replace(job, material=replace(material, shared=bool(material.folds))))


def _finish_fold(fold_job: tuple[Run, int, int, trainer.TrainingJob]) -> dict[str, Any] | None:
    """Train one fold in its own folder inside the run's, unless it is trained already.

    Returns
    -------
    `batch_size` of run.json, if memory ran out with the experiment's own.
    """
    run, k, n_folds, job = fold_job
    error_if_held = InputError(
        "Fold {k} of {name} is being trained by another process. Wait until it ends.", k=k, name=run.name
    )
    # dask may give a fold to a second worker while the first one is only out of reach
    with hold_lock(run.path / f".fold-{k}.lock", run.path, error_if_held):
        if is_on_worker() and not get_log_prefix():  # several folds are trained at once
            set_log_prefix(f"fold {k}")
        logger.info("fold %s of %s", k, n_folds)
        fold = get_fold(run, k)
        status = None
        with contextlib.suppress(InputError):  # an unreadable fold is trained again
            status = fold.info.status
        if status == "trained":  # resumed training skips finished folds
            return None
        if status is None:  # not started, or unreadable
            shutil.rmtree(fold.path, ignore_errors=True)
            info = run.info
            shared = {key: info.table[key] for key in FOLD_KEYS if key in info.table}
            facts = {**shared, "split": describe_split(job.material, info.seed), "fold": k}
            start_run(fold.path, info.experiment, info.seed, job.experiment.text, facts)
        write_split_files(fold, job.material)
        train_and_write(fold, job, exported=False)
        return fold.info.batch_size


def train_and_write(run: Run, job: trainer.TrainingJob, exported: bool = True) -> Run:
    """Train one model and write everything that prediction needs: weights, serving.json, the exported model."""
    start_time = time.perf_counter()
    trained = trainer.train_model(run, job)
    (run.path / "model.onnx").unlink(missing_ok=True)  # may belong to an earlier, killed training
    write_serving(run, job, trained)
    # a fold's model is only used by its evaluation, with Keras
    run.update(export=trained.export() if exported else Message("not exported: the model of a fold"))
    sign_run(run)  # before the status, so that a kill in between leaves no trained run without a signature
    run.update(status="trained", train_seconds=round(time.perf_counter() - start_time, 1))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return run


def write_serving(run: Run, job: trainer.TrainingJob, trained: trainer.TrainedModel) -> None:
    """Calibrate scores on the validation split and write serving.json."""
    experiment, material = job.experiment, job.material
    dataset, indices = material.dataset, material.split.indices("val")
    temperature, thresholds = 1.0, [0.5] * len(dataset.class_names)  # the scores stay as they are without validation
    if len(indices):
        targets = dataset.targets()[indices]
        clips = job.clips["val"]
        scores = pool_by_example(trained.predict_scores(clips), clips, indices, dataset.task, experiment.clips.average)
        # on validation: on training files the model is far too confident
        temperature = fit_temperature(scores, targets, dataset.task)
        if dataset.task == "multi":  # each class gets its own threshold; single-label tasks take the highest score
            thresholds = fit_thresholds(apply_temperature(scores, temperature, dataset.task), targets)
    write_manifest(
        run,
        trained.model,
        task=dataset.task,
        answers=dataset.answers,
        kind=experiment.kind,
        features=to_dict(experiment.features),
        clips=to_dict(material.clip),
        input_shape=trained.input_shape,
        normalisation="inside the model",
        temperature=temperature,
        thresholds=thresholds,
        calibrated_on=len(indices) if len(indices) >= MIN_CALIBRATION_FILES else 0,
        unlike=fit_ood_limit_on_data(experiment.kind, material),
        asks_for="features" if experiment.kind == "vggish" else "file",
    )


def fit_ood_limit_on_data(kind: str, material: trainer.TrainingData, max_files: int = 2000) -> dict[str, Any] | None:
    """Fit the limit beyond which a file is out-of-distribution, on at most `max_files` evenly spaced files."""

    def compute(split: str) -> np.ndarray:
        """Compute the traits of up to `max_files` files of a split."""
        indices = material.split.indices(split)
        chosen = indices[np.unique(np.linspace(0, len(indices) - 1, min(max_files, len(indices))).astype(int))]
        return np.array([compute_traits(material.features.get(index), kind) for index in chosen])

    return fit_ood_limit(compute("train"), compute("val"))
