"""What `musicml tune` does and prints."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import output, train
from musicml.utils import print_message

if TYPE_CHECKING:  # which imports much that no other command needs
    from musicml.training.tuning import SearchResult, Trial

SHOWN = 5
SAMPLE = "This is generated sample data: what is best on it says nothing about real music."


def tune(asked: argparse.Namespace) -> int:
    """Search the options of an experiment's [tune] table and print the best."""
    from musicml.experiment import find_experiment, read_experiment
    from musicml.training.tuning import search_options

    path = find_experiment(asked.experiment)
    experiment = read_experiment(path, train.changes(asked.changes))
    found = search_options(
        experiment,
        asked.data_root,
        asked.runs,
        asked.data,
        asked.folder,
        asked.seed or 0,
        asked.trials,
        asked.prune,
        print_message,
    )
    command = train_command(asked, experiment.overrides, found)
    if asked.json:
        output.show({**found.as_table(), "command": command, "file": str(found.folder / "best.json")})
    else:
        show(found, command)
    return 0


def show(found: SearchResult, command: str) -> None:
    """The best trials as a table, what to think of them, and the command that trains the best one anew."""
    from musicml.training.tuning import SEARCH_NOTE

    data = f"{found.dataset}{', sample data' if found.sample else ''}"
    pruned = sum(trial.pruned for trial in found.trials)
    failed = sum(bool(trial.why) for trial in found.trials)
    told = f"{pruned} pruned" + (f", {failed} that could not be trained" if failed else "")
    print(f"{found.experiment} on {data}: {len(found.trials)} trials, {told}; best by {found.figure} on validation")
    keys = list(found.best_first[0].options)
    output.print_table([("trial", found.figure, *keys), *(row(trial) for trial in found.best_first[:SHOWN])])
    for edge in found.edges:
        print(edge)
    print(SEARCH_NOTE)
    print(f"kept in {found.folder / 'best.json'}; train it anew with\n{command}")
    if found.sample:
        print(SAMPLE)


def row(trial: Trial) -> tuple[str, ...]:
    """A trial as a line of a table."""
    return str(trial.number), f"{trial.value:.4f}", *(json.dumps(value) for value in trial.options.values())


def train_command(asked: argparse.Namespace, overrides: Any, found: SearchResult) -> str:
    """The command that trains the best options anew, on the same data and with the same settings beside them."""
    words = ["musicml", "train", asked.experiment]
    if asked.folder:
        words += ["--folder", str(asked.folder)]
    if asked.data != "auto":
        words += ["--data", asked.data]
    if asked.seed:
        words += ["--seed", str(asked.seed)]
    for option, given, variable, folder in (
        ("--data-root", asked.data_root, "MUSICML_DATA", "data"),
        ("--runs", asked.runs, "MUSICML_RUNS", "runs"),
    ):
        if given != Path(os.environ.get(variable) or folder):
            words += [option, str(given)]
    for key, value in {**overrides, **found.best_first[0].options}.items():
        words += ["--set", f"{key}={written(value)}"]
    return shlex.join(words)


def written(value: Any) -> str:
    """A value as `--set` takes it; a text in quotes only where it would be read as something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    return json.dumps(value)
