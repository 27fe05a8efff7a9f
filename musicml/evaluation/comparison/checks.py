"""Check that runs can be compared, and raise an error that says how they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Run, RunDigests, check_has_results, find_other_contents
from musicml.utils import InputError, Message

DigestReader = Callable[[Run], RunDigests | None]  # `read_digests`, usually cached


def check_runs(members: Sequence[Run]) -> None:
    """Reject fewer than two runs, a run that is named twice, and an incomplete run."""
    if len(members) < 2 or len({run.path.resolve() for run in members}) < len(members):
        raise InputError("A comparison needs at least two different runs. Name each run once.")
    for run in members:
        check_has_results(run)
        if not run.is_complete:
            raise InputError(
                "Run {run_name} cannot be compared, because it is not complete (status: {run_status}): {fix}",
                run_name=run.name,
                run_status=run.status,
                fix=run.suggest_fix(),
            )


def check_same_data(members: Sequence[Run], read: DigestReader) -> None:
    """Reject runs of different datasets, unless their files have the same names and contents."""
    first = members[0].info.data
    for run in members[1:]:
        data = run.info.data
        if (data.dataset, data.folder) != (first.dataset, first.folder) and not _has_same_files(members[0], run, read):
            raise InputError(
                "Run {first_name} was tested on {first_data}, but {run_name} on {data}. Compare runs of one dataset.",
                first_name=members[0].name,
                first_data=first.name,
                run_name=run.name,
                data=data.name,
            )
        if data.sample != first.sample:  # a synthetic dataset has the name of the real one
            raise InputError(
                "One of {first_name} and {run_name} was tested on synthetic data, the other on real data. Compare runs "
                "of the same kind of data.",
                first_name=members[0].name,
                run_name=run.name,
            )


def _has_same_files(one: Run, other: Run, read: DigestReader) -> bool:
    """Return whether two runs used files with the same names and contents, in whatever folder."""
    names = [{row["example"] for row in run.table("split.csv")} for run in (one, other)]  # of all three splits
    return names[0] == names[1] and find_other_contents(one, other, names[0], read) == []


def check_same_contents(members: Sequence[Run], names: Collection[str], read: DigestReader) -> list[str]:
    """Reject runs whose test files have the same names but different contents.

    Parameters
    ----------
    names : ids of the test examples
    read : function that reads digests.csv of a run

    Returns
    -------
    messages about runs that could not be checked

    Raises
    ------
    InputError
        If contents differ, or a run was trained on a test file of another.
    """
    unchecked, first = [], members[0]
    for run in members[1:]:
        differing = find_other_contents(first, run, names, read)
        if differing is None:  # one of them has no digests.csv
            unchecked.append(run)
        elif differing:
            # first the worse fault: training data of one run in the test data of the other
            _check_trained_on(first, run, names, read)
            _check_trained_on(run, first, names, read)
            raise InputError(
                "{n} of {n_names} test files have different contents for {run_name} and {first_name}, such as {name}. "
                "Train both on the current data.",
                n=len(differing),
                n_names=len(names),
                run_name=run.name,
                first_name=first.name,
                name=differing[0],
            )
    return [
        Message(
            "{first_name} and {run_name} may have been tested on different files: one of them has no digests.csv.",
            first_name=first.name,
            run_name=run.name,
        )
        for run in unchecked
    ]


def _check_trained_on(run: Run, other: Run, names: Collection[str], read: DigestReader) -> None:
    """Reject a run that was trained on a test file of another run."""
    own, theirs = read(run), read(other)
    # the folds of a cross-validation are trained on different files, so no single list is right for them
    if own is None or theirs is None or run.info.split.folds or not run.info.is_honest:
        return
    trained_on = sorted(name for name in names if theirs.contents.get(name) in own.learned)
    if trained_on:
        raise InputError(
            "Run {run_name} was trained on {n} of the {n_names} test files of {other_name}, such as {name}. Train both "
            "on the current data.",
            run_name=run.name,
            n=len(trained_on),
            n_names=len(names),
            other_name=other.name,
            name=trained_on[0],
        )


def check_same_examples(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Reject runs with different test examples or classes."""
    if one.task != other.task or set(one.class_names) != set(other.class_names):
        different = sorted(set(one.class_names) ^ set(other.class_names))
        reason = (
            Message("only one of them has {class_name}", class_name=different[0])
            if different
            else Message("only one of them is multi-label")
        )
        raise InputError(
            "Runs {first_name} and {second_name} have different classes: {reason}. Compare runs with the same classes.",
            first_name=first.name,
            second_name=second.name,
            reason=reason,
        )
    own, theirs = set(one.names), set(other.names)
    if own != theirs:
        raise InputError(
            "Run {first_name} was tested on {n_first} examples, {second_name} on {n_second}. Only {n_common} are the "
            "same (not {example}, for instance). Train both with the same data.split and seed.",
            first_name=first.name,
            n_first=len(own),
            second_name=second.name,
            n_second=len(theirs),
            n_common=len(own & theirs),
            example=min(own ^ theirs),
        )


def check_same_labels(first: Run, one: PredictionTable, second: Run, other: PredictionTable) -> None:
    """Reject runs with different labels; both tables are in the same order."""
    differs = ~np.isclose(one.targets, other.targets, equal_nan=True).all(axis=1)  # equal_nan: both lack the label
    if differs.any():
        raise InputError(
            "Runs {first_name} and {second_name} have different labels for {n} examples, such as {example}. Evaluate "
            "both on the current data.",
            first_name=first.name,
            second_name=second.name,
            n=int(differs.sum()),
            example=one.names[differs][0],
        )
