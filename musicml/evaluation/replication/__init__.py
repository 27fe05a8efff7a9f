"""Replay: published results, each obtained again as it was published and then honestly, on the same data.

What makes a published figure too good is seldom the model. So the two differ in the protocol alone, as far as that can
be: who stood on which side, what counted as right, what the app made of the answer.
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
from musicml.training import PROTOCOLS, compute_split_hash, prepare_data, train_experiment
from musicml.utils import InputError, Message, capture_messages, get_message

logger = logging.getLogger(__name__)

Place = tuple[Path, Path, str, int]  # the roots of data and of runs, which data, the seed


@dataclass(frozen=True)
class Replication:
    """What one replay gave.

    Attributes
    ----------
    name, reference : the recipe, and the published result that it replays
    sample : whether the replayed and the honest figures are from generated data
    rows : a metric each, the main one first
    as_served : what the system's own app or count made of the replayed model, as in report.json
    sentences : what is wrong with the published figure, and what the honest run gives
    runs : `as_published` and `honest`, the run folders
    error : why there is nothing else; empty of one that went well
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

    def as_table(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {**asdict(self), "worth": self.summary}


def replicate(
    names: Sequence[str | Path], data_root: Path, runs_root: Path, which: str = "auto", seed: int = 0
) -> list[Replication]:
    """Train and score each recipe as it was published and its honest partner, and hold the two beside the original.

    A whole run of the same experiment, settings, seed and data that is in `runs_root` already is taken as it is.

    Parameters
    ----------
    names : recipes of experiments/as_published by name, or files; none for all
    data_root, runs_root, which, seed, say : as `musicml.training.train.train_experiment` takes them

    Returns
    -------
    list of Replay, one a recipe; of one that failed `error` says why, and the others go on

    Raises
    ------
    InputError
        If there is no such recipe, or it replays nothing.
    """
    folder = find_experiment_folder(PUBLISHED)
    paths = [find_experiment(name, PUBLISHED) for name in names] or sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(
            "{folder} must hold the published protocols (*.toml) and holds none: name a file.", folder=folder
        )
    recipes = [(path, read_experiment(path)) for path in paths]
    for path, recipe in recipes:
        read_experiment(find_partner(path, recipe))  # a partner that is not there costs no training
    where = (Path(data_root), Path(runs_root), which, seed)
    return [replicate_or_error(path, recipe, where) for path, recipe in recipes]


def find_partner(path: Path, recipe: Experiment) -> Path:
    """The file of the honest partner: in the folder above the recipe's."""
    return path.parent.parent / f"{_get_published_options(path, recipe).honest}.toml"


def _get_published_options(path: Path, recipe: Experiment) -> PublishedOptions:
    """Return what the recipe in a file replays, or refuse one that replays nothing."""
    if recipe.published is None:
        raise InputError(
            "{experiment_name} must say in [published] what it replays, and does not: take one of as_published.",
            experiment_name=path.stem,
        )
    return recipe.published


def replicate_or_error(path: Path, recipe: Experiment, where: Place) -> Replication:
    """One replay, or what ended it."""
    try:
        return replicate_one(path, recipe, where)
    except Exception as error:  # a fault of ours, or a device out of memory, ends one replay and not all
        words = get_message(error)
        logger.error("%s failed: %s", path.stem, words)
        mark_abandoned(where[1])
        return Replication(path.stem, _get_published_options(path, recipe).reference, error=words)
    finally:
        gc.collect()


def replicate_one(path: Path, recipe: Experiment, where: Place) -> Replication:
    """One replay: both runs, had or made, and what they say beside the published figures."""
    data_root, _, which, _ = where
    sample = load_dataset(recipe.data.dataset, data_root, which, None, True).sample
    recipe = recipe.apply_sample_table() if sample else recipe
    options = _get_published_options(path, recipe)
    honest = read_experiment(find_partner(path, recipe), parse_changes(options.changes), sample)
    made = [get_or_train_run(one, where) for one in (recipe, honest)]
    known = get_reference(options.reference)
    rows = tuple(make_row(known, name, *made) for name in options.figures)
    reports = [run.report for run in made]
    sides = tuple(f"{one.split} ({one.n} {unit})" for one, unit in zip(reports, (recipe.unit, "files"), strict=True))
    runs = {name: str(run.path) for name, run in zip(("as_published", "honest"), made, strict=True)}
    served = reports[0].as_served
    found = Replication(path.stem, known.name, recipe.data.dataset, sample, sides, rows, served, runs=runs)
    said = write_sentences(found, Message(options.fault), known, len(made[0].read("labels.json")))
    return replace(found, sentences=(*said, *list_differences(options, recipe.clips.seconds)))


# Runs


def get_or_train_run(chosen: Experiment, where: Place) -> Run:
    """A whole run of an experiment: one that is there, or a new one."""
    what = f"{chosen.name}, {PROTOCOLS[chosen.data.protocol]}"
    held = find_run(chosen, *where)
    if held is not None:
        logger.info("%s: %s is there already", what, held.name)
        return held
    logger.info("%s: training", what)
    run = train_experiment(chosen, *where[:3], seed=where[3])
    evaluate.evaluate_run(run)
    return run


def find_run(chosen: Experiment, data_root: Path, runs_root: Path, which: str, seed: int) -> Run | None:
    """The latest whole run of the same experiment, settings, seed and data, down to the files' content."""
    settings = chosen.get_settings()
    alike = [
        (run, info)
        for run, info in list_complete_runs(runs_root)
        if (info.experiment, info.seed, info.settings) == (chosen.name, seed, settings)
        and (info.data.sample, info.data.folder) == (chosen.sample, None)
    ]
    if not alike:
        return None
    as_published = chosen.data.protocol == "as_published"
    dataset = load_dataset(chosen.data.dataset, data_root, which, None, as_published)
    with capture_messages(lambda words: None):  # they come again where the run is trained
        material = prepare_data(chosen, dataset, data_root, seed)
    # who stood where, the examples, their features
    wanted = (compute_split_hash(material), material.dataset.hash(), material.features.key)
    found = [run for run, info in alike if (info.split.hash, info.data.hash, info.data.features) == wanted]
    return found[-1] if found else None


def make_row(known: Reference, name: str, replayed: Run, honest: Run) -> ReplicationRow:
    """One metric of the published result and of both runs."""
    interval = known.interval if name == "accuracy" else None  # the one that counts were published of
    both = (compute_published_metric(run, name) for run in (replayed, honest))
    return ReplicationRow(name, known.figures.get(name), interval, *both)
