"""Replicate published results on the same data, once with the published protocol and once with an honest one.

A result that is too good is seldom due to the model. As far as possible, the two runs therefore differ only in the
protocol: the split, the labels that count, and how the app uses the predictions.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data import Reference, get_reference
from musicml.data.datasets import load_dataset
from musicml.evaluation import evaluate
from musicml.evaluation.as_published import compute_published_metric
from musicml.evaluation.replication.summary import ReplicationRow, list_differences, write_sentences
from musicml.experiment import (
    PUBLISHED,
    Experiment,
    PublishedOptions,
    Run,
    find_experiment,
    find_experiment_folder,
    list_complete_runs,
    mark_abandoned,
    parse_changes,
    read_experiment,
)
from musicml.training import PROTOCOLS, compute_features, compute_split_hash, prepare_data, train_experiment
from musicml.utils import (
    LOST_JOB,
    InputError,
    Message,
    capture_messages,
    count_workers,
    get_message,
    map_in_processes,
)

logger = logging.getLogger(__name__)

Place = tuple[Path, Path, str, int]  # data_root, runs_root, which data, seed


@dataclass(frozen=True)
class Replication:
    """The replication of one published result.

    Attributes
    ----------
    name, reference : the recipe, and the published result that it replicates
    sample : whether the runs used synthetic data
    sides : the split that each run was scored on, with its size
    rows : one per metric, the main metric first
    as_served : the replicated model as the published app or metrics show it, as in report.json
    sentences : the flaw of the published protocol, and the results
    runs : run folders `as_published` and `honest`
    error : why the replication failed; empty if it succeeded
    """

    name: str
    reference: str
    dataset: str = ""
    sample: bool = False
    sides: tuple[str, ...] = ("", "")
    rows: tuple[ReplicationRow, ...] = ()
    as_served: dict[str, Any] | None = None
    sentences: tuple[str, ...] = ()
    runs: dict[str, str] | None = None
    error: str = ""

    @property
    def summary(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Return the replication as plain values."""
        return {**asdict(self), "worth": self.summary}


def replicate(
    names: Sequence[str | Path], data_root: Path, runs_root: Path, which: str = "auto", seed: int = 0
) -> list[Replication]:
    """Train and score each recipe with the published protocol and with the honest one, and compare the results.

    A complete run with the same experiment, settings, seed and data in `runs_root` is used again.

    Parameters
    ----------
    names : names or files of recipes in experiments/as_published (default: all)
    data_root, runs_root, which, seed : as in `train_experiment`

    Returns
    -------
    list of Replication, one per recipe; a failed one has an `error`

    Raises
    ------
    InputError
        If a recipe does not exist, or does not replicate anything.
    """
    folder = find_experiment_folder(PUBLISHED)
    paths = [find_experiment(name, PUBLISHED) for name in names] or sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError("No published protocols (*.toml) in {folder}. Name a file instead.", folder=folder)
    recipes = [(path, read_experiment(path)) for path in paths]
    for path, recipe in recipes:
        read_experiment(find_partner(path, recipe))  # a missing counterpart fails before any training
    where = (Path(data_root), Path(runs_root), which, seed)
    jobs = [(path.absolute(), recipe, where) for path, recipe in recipes]
    n_workers = count_workers()  # of a cluster; else this process alone
    if n_workers > 1:
        for path, recipe in recipes:
            for experiment in (recipe, read_experiment(find_partner(path, recipe))):
                compute_features(experiment, where[0], which)
    return list(map_in_processes(_replicate_or_error, jobs, n_workers, on_loss=_describe_loss))


def find_partner(path: Path, recipe: Experiment) -> Path:
    """Return the file of the honest counterpart, in the folder above the recipe's."""
    return path.parent.parent / f"{_get_published_options(path, recipe).honest}.toml"


def _get_published_options(path: Path, recipe: Experiment) -> PublishedOptions:
    """Return the `[published]` table of a recipe."""
    if recipe.published is None:
        raise InputError(
            "{experiment_name} has no [published] table, so there is nothing to replicate. "
            "Use a recipe of as_published.",
            experiment_name=path.stem,
        )
    return recipe.published


def _replicate_or_error(job: tuple[Path, Experiment, Place]) -> Replication:
    """Replicate one result, or return the error."""
    path, recipe, where = job
    try:
        return replicate_one(path, recipe, where)
    except Exception as error:  # such as a device out of memory: the other recipes go on
        message = get_message(error)
        logger.error("%s failed: %s", path.stem, message)
        mark_abandoned(where[1])
        return Replication(path.stem, _get_published_options(path, recipe).reference, error=message)
    finally:
        gc.collect()  # frees the models of this replication before the next one


def _describe_loss(job: tuple[Path, Experiment, Place]) -> Replication:
    """Return the error for a replication that no worker of a cluster survived."""
    path, recipe, _ = job
    return Replication(path.stem, _get_published_options(path, recipe).reference, error=LOST_JOB)


def replicate_one(path: Path, recipe: Experiment, where: Place) -> Replication:
    """Replicate one result: get both runs and compare them with the published metrics."""
    data_root, _, which, _ = where
    sample = load_dataset(recipe.data.dataset, data_root, which, None, True).sample
    recipe = recipe.apply_sample_table() if sample else recipe
    options = _get_published_options(path, recipe)
    honest = read_experiment(find_partner(path, recipe), parse_changes(options.changes), sample)
    runs = [_get_or_train_run(experiment, where) for experiment in (recipe, honest)]
    reference = get_reference(options.reference)
    rows = tuple(_make_row(reference, name, *runs) for name in options.figures)
    reports, units = [run.report for run in runs], (recipe.unit, "files")
    sides = tuple(f"{report.split} ({report.n} {unit})" for report, unit in zip(reports, units, strict=True))
    paths = {name: str(run.path) for name, run in zip(("as_published", "honest"), runs, strict=True)}
    served = reports[0].as_served
    replication = Replication(path.stem, reference.name, recipe.data.dataset, sample, sides, rows, served, runs=paths)
    sentences = write_sentences(replication, Message(options.fault), reference, len(runs[0].read("labels.json")))
    return replace(replication, sentences=(*sentences, *list_differences(options, recipe.clips.seconds)))


# Runs


def _get_or_train_run(experiment: Experiment, where: Place) -> Run:
    """Return a complete run of an experiment; train one if there is none."""
    title = f"{experiment.name}, {PROTOCOLS[experiment.data.protocol]}"
    existing = find_run(experiment, *where)
    if existing is not None:
        logger.info("%s: using %s", title, existing.name)
        return existing
    logger.info("%s: training", title)
    run = train_experiment(experiment, *where[:3], seed=where[3])
    evaluate.evaluate_run(run)
    return run


def find_run(experiment: Experiment, data_root: Path, runs_root: Path, which: str, seed: int) -> Run | None:
    """Return the latest complete run of the same experiment, settings, seed and data; None if there is none."""
    settings = experiment.get_settings()
    candidates = [
        (run, info)
        for run, info in list_complete_runs(runs_root)
        if (info.experiment, info.seed, info.settings) == (experiment.name, seed, settings)
        and (info.data.sample, info.data.folder) == (experiment.sample, None)
    ]
    if not candidates:
        return None
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, None, as_published)
    with capture_messages(lambda message: None):  # training logs them again
        data = prepare_data(experiment, dataset, data_root, seed)
    # equal settings are not enough: the files, their split or their features may have changed since
    hashes = (compute_split_hash(data), data.dataset.hash(), data.features.key)
    matches = [run for run, info in candidates if (info.split.hash, info.data.hash, info.data.features) == hashes]
    return matches[-1] if matches else None


def _make_row(reference: Reference, name: str, replicated: Run, honest: Run) -> ReplicationRow:
    """Make the row of one metric: published, replicated and honest."""
    interval = reference.interval if name == "accuracy" else None  # only accuracies were published with counts
    estimates = (compute_published_metric(run, name) for run in (replicated, honest))
    return ReplicationRow(name, reference.figures.get(name), interval, *estimates)
