"""Train a run again from its own folder as a new run, or find a run of equal training."""

from __future__ import annotations

import contextlib
from pathlib import Path

from musicml.data.datasets import is_sample_data
from musicml.experiment import (
    Experiment,
    Run,
    check_has_results,
    create_run,
    get_git_commit,
    get_versions,
    hold_run,
    list_runs,
    read_experiment_text,
    relocate_data,
    warn_without_digests,
)
from musicml.training import preparation
from musicml.training.train import (
    build_run_info,
    check_same_data,
    finish_or_explain_resume,
    reload_job,
    write_split_files,
)
from musicml.utils import InputError, Message


def retrain_run(
    run: Run, runs_root: Path, folder: Path | None = None, data_root: Path | None = None, deterministic: bool = False
) -> Run:
    """Train a complete run again. The returned run is complete except for its scores.

    Parameters
    ----------
    run : the original run, which is only read
    runs_root : the folder of all runs, for the new one
    folder, data_root : new place of the run's own folder, or of the datasets, if they were moved
    deterministic : whether to train deterministically even if the run was not

    Raises
    ------
    InputError
        If the run can't be trained again, or its data has changed; no run folder is left then.
    """
    check_can_retrain(run)
    info, data = run.info, relocate_data(run, folder, data_root)
    is_deterministic = deterministic or info.deterministic
    job, is_known = reload_job(run, data, is_deterministic)
    if not is_known:
        warn_without_digests(run, Message("these are its original files"))
    experiment, material = job.experiment, job.material
    # the same seed must give the same split
    current = (preparation.compute_split_hash(material), material.dataset.hash())
    if current != (info.split.hash, info.data.hash):
        if not is_known:
            check_same_data(run, material, is_known)
        raise InputError(
            "Expected the classes, groups and splits of run {run_name}, got others from the same files. Its seed or "
            "its groups were changed, or this version of musicml splits differently: use the version that made it.",
            run_name=run.name,
        )
    own_folder = Path(data.folder) if data.folder else None
    facts = build_run_info(experiment, material, Path(data.root), own_folder, info.seed, is_deterministic)
    facts |= {"reproduces": run.name, "weights": info.weights}  # not decided again
    new = create_run(runs_root, experiment.name, info.seed, experiment.text, facts)
    with hold_run(new.path, new.info.process):  # no other process may resume it meanwhile
        write_split_files(new, material)
        return finish_or_explain_resume(new, job)


def check_can_retrain(run: Run) -> None:
    """Raise an error for a run that is incomplete, has no results, or does not record how it was trained.

    Raises
    ------
    InputError
        If it can't be trained again.
    """
    check_has_results(run)
    info = run.info
    if info.fold is not None:
        raise InputError(
            "Expected a complete run to train again, but {run_name} is a single fold. Name the run that contains it.",
            run_name=run.path,
        )
    if not run.is_complete:
        raise InputError(
            "Expected a complete run to train again, but {run_name} is {status}: {cure}",
            run_name=run.name,
            status=run.status,
            cure=run.suggest_fix(),
        )
    if not (info.split.hash and info.data.hash and info.settings):
        raise InputError(
            "Expected run.json of run {run_name} to record its split and settings. Earlier versions of musicml did not "
            "write them: train the experiment again.",
            run_name=run.name,
        )


def find_matching_run(
    experiment: Experiment, data_root: Path, runs_root: Path, which: str, seed: int, deterministic: bool, since: str
) -> Run | None:
    """Find the latest run, complete or not, of equal training, or None if there is none.

    Parameters
    ----------
    experiment : as it was read, before it is known which data it runs on
    which, seed, deterministic : as for `train_experiment`
    since : only runs that began at this time or later count, written as in run.json

    Raises
    ------
    InputError
        If the data is missing, or the experiment breaks a rule on it.
    """
    is_sample = is_sample_data(experiment.data.dataset, data_root, which)
    # what two equal trainings have in common
    settings = (experiment.resolve(is_sample).overrides, is_sample, str(Path(data_root).absolute()), None)
    versions = (get_versions(), get_git_commit())  # other code may give another model
    for run in reversed(list_runs(runs_root)):  # the latest first
        with contextlib.suppress(InputError):
            info = run.info
            if (
                (info.experiment, info.seed, info.deterministic) == (experiment.name, seed, deterministic)
                and (info.overrides, info.data.sample, info.data.root, info.data.folder) == settings
                and (info.versions, info.git_commit) == versions
                and info.started >= since
                and read_experiment_text(run) == experiment.text
            ):
                return run
    return None
