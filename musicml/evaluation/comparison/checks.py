"""Refusals: runs that can't be held against each other, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Run
from musicml.utils import InputError


def check_runs(members: Sequence[Run]) -> None:
    """Refuse fewer than two runs, one that is named twice, and one without scores."""
    if len(members) < 2 or len({run.path.resolve() for run in members}) < len(members):
        raise InputError("a comparison needs two different runs or more: name each once.")
    for run in members:
        if not run.is_whole:
            raise InputError(f"run {run.name} must be whole to be compared, and is {run.status}: {run.cure()}")


def check_same_data(members: Sequence[Run]) -> None:
    """Refuse runs of other data: files of the same name there are others."""
    first = members[0].facts()["data"]
    for run in members[1:]:
        data = run.facts()["data"]
        if data["dataset"] != first["dataset"] or data.get("folder") != first.get("folder"):
            raise InputError(
                f"runs must be tested on the same examples to be compared, and {members[0].name} was on "
                f"{called(first)}, {run.name} on {called(data)}: take runs of one data set."
            )
        if data["sample"] != first["sample"]:
            raise InputError(
                f"runs must be tested on the same examples to be compared, and of {members[0].name} and {run.name} one "
                "was tested on generated sample data and one on real: take two of a kind."
            )


def called(data: dict[str, Any]) -> str:
    """What a run's data is called."""
    return str(data.get("folder") or data["dataset"])


def check_same_examples(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Refuse runs that answered for other examples or classes, and say how they differ."""
    if one.task != other.task or set(one.class_names) != set(other.class_names):
        apart = sorted(set(one.class_names) ^ set(other.class_names))
        reason = f"only one of them knows {apart[0]}" if apart else "one of them tells several at once"
        raise InputError(
            f"runs must answer for the same classes to be compared, and {first.name} and {second.name} do not, since "
            f"{reason}: take runs of the same classes."
        )
    mine, theirs = set(one.names), set(other.names)
    if mine != theirs:
        alone = min(mine ^ theirs)
        raise InputError(
            f"runs must be tested on the same examples to be compared, and {first.name} was on {len(mine)}, "
            f"{second.name} on {len(theirs)}, of which {len(mine & theirs)} are the same ({alone} is one of the "
            "others): train both with one data.split and one seed."
        )


def check_same_labels(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Refuse runs that were judged by other labels; both tables are in one order."""
    apart = ~np.isclose(one.targets, other.targets, equal_nan=True).all(axis=1)
    if apart.any():
        raise InputError(
            f"runs must be judged by the same labels to be compared, and {first.name} and {second.name} were not, of "
            f"{int(apart.sum())} examples, {one.names[apart][0]} for one: evaluate both on the data as it is now."
        )
