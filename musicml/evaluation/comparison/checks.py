"""Refusals: runs that can't be compared, and how they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Run, RunDigests, check_has_results, find_other_contents
from musicml.utils import InputError, Message

DigestReader = Callable[[Run], RunDigests | None]  # `read_digests`, or one that remembers what it read


def check_runs(members: Sequence[Run]) -> None:
    """Refuse fewer than two runs, one that is named twice, and one without scores."""
    if len(members) < 2 or len({run.path.resolve() for run in members}) < len(members):
        raise InputError("a comparison needs two different runs or more: name each once.")
    for run in members:
        check_has_results(run)
        if not run.is_complete:
            raise InputError(
                "run {run_name} must be whole to be compared, and is {run_status}: {cure}",
                run_name=run.name,
                run_status=run.status,
                cure=run.suggest_fix(),
            )


def check_same_data(members: Sequence[Run], read: DigestReader) -> None:
    """Refuse runs of other data, where files of the same name are others; data that was only moved is the same."""
    first = members[0].info.data
    for run in members[1:]:
        data = run.info.data
        if (data.dataset, data.folder) != (first.dataset, first.folder) and not _has_same_files(members[0], run, read):
            raise InputError(
                "runs must be tested on the same examples to be compared, and {members_name} was on "
                "{called}, {run_name} on {called2}: take runs of one data set.",
                members_name=members[0].name,
                called=first.name,
                run_name=run.name,
                called2=data.name,
            )
        if data.sample != first.sample:
            raise InputError(
                "runs must be tested on the same examples to be compared, and of {members_name} and {run_name} one "
                "was tested on generated sample data and one on real: take two of a kind.",
                members_name=members[0].name,
                run_name=run.name,
            )


def _has_same_files(one: Run, other: Run, read: DigestReader) -> bool:
    """Tell whether two runs were made from the same files under the same names, wherever those lay."""
    names = [{row["example"] for row in run.table("split.csv")} for run in (one, other)]
    return names[0] == names[1] and find_other_contents(one, other, names[0], read) == []


def check_same_contents(members: Sequence[Run], names: Collection[str], read: DigestReader) -> list[str]:
    """Refuse runs that were judged by files of one name and other contents; say of which runs that can't be told.

    Parameters
    ----------
    names : the test examples
    read : reads digests.csv of a run

    Raises
    ------
    InputError
        If a content differs; it says so first where one run learned from what judges another.
    """
    untold, first = [], members[0]
    for run in members[1:]:
        differing = find_other_contents(first, run, names, read)
        if differing is None:
            untold.append(run)
        elif differing:
            _check_learned(first, run, names, read)
            _check_learned(run, first, names, read)
            raise InputError(
                "runs must be judged by the same files, and of {n_names} the contents of {n} are others for {run_name} "
                "than for {first_name}, {name} for one: train both on the data as it is now.",
                n_names=len(names),
                n=len(differing),
                run_name=run.name,
                first_name=first.name,
                name=differing[0],
            )
    return [
        Message(
            "whether {name} and {name2} were judged by the same files can't be told: one has no digests.csv",
            name=first.name,
            name2=run.name,
        )
        for run in untold
    ]


def _check_learned(run: Run, judged: Run, names: Collection[str], read: DigestReader) -> None:
    """Refuse a run that learned from what judges another; each fold of a cross-validation learned from other files."""
    mine, theirs = read(run), read(judged)
    if mine is None or theirs is None or run.info.split.folds or not run.info.is_honest:
        return
    learned = sorted(name for name in names if theirs.contents.get(name) in mine.learned)
    if learned:
        raise InputError(
            "no run may have learned from what judges another, and {run_name} learned from {n} of the {n_names} files "
            "that judge {judged_name}, {name} for one: train both on the data as it is now.",
            run_name=run.name,
            n=len(learned),
            n_names=len(names),
            judged_name=judged.name,
            name=learned[0],
        )


def check_same_examples(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Refuse runs that answered for other examples or classes, and say how they differ."""
    if one.task != other.task or set(one.class_names) != set(other.class_names):
        apart = sorted(set(one.class_names) ^ set(other.class_names))
        reason = (
            Message("only one of them knows {apart}", apart=apart[0])
            if apart
            else Message("one of them tells several at once")
        )
        raise InputError(
            "runs must answer for the same classes to be compared, and {first_name} and {second_name} do not, since "
            "{reason}: take runs of the same classes.",
            first_name=first.name,
            second_name=second.name,
            reason=reason,
        )
    mine, theirs = set(one.names), set(other.names)
    if mine != theirs:
        alone = min(mine ^ theirs)
        raise InputError(
            "runs must be tested on the same examples to be compared, and {first_name} was on {n_mine}, "
            "{second_name} on {n_theirs}, of which {n_mine2} are the same ({alone} is one of the "
            "others): train both with one data.split and one seed.",
            first_name=first.name,
            n_mine=len(mine),
            second_name=second.name,
            n_theirs=len(theirs),
            n_mine2=len(mine & theirs),
            alone=alone,
        )


def check_same_labels(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Refuse runs that were judged by other labels; both tables are in one order."""
    apart = ~np.isclose(one.targets, other.targets, equal_nan=True).all(axis=1)
    if apart.any():
        raise InputError(
            "runs must be judged by the same labels to be compared, and {first_name} and {second_name} were not, of "
            "{sum} examples, {one_names} for one: evaluate both on the data as it is now.",
            first_name=first.name,
            second_name=second.name,
            sum=int(apart.sum()),
            one_names=one.names[apart][0],
        )
