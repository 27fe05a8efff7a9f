"""Scored: what a run answered for its test side, read back as arrays; numpy alone, since pages wait for it.

predictions.csv is one row an example, clips.npz the raw scores of each of its clips.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from musicml.experiment import Run, get_fold, make_file_error
from musicml.utils import Message, is_of_type, make_printable, read_small_file

TABLE = "predictions.csv"
BEFORE = ["example", "group", "labels", "absent"]  # the columns of predictions.csv before the scores
BETWEEN = "|"  # what stands between class names in one cell
MAX_TABLE_BYTES, MAX_CLIPS_BYTES = 50_000_000, 400_000_000
ARRAYS = ("example", "start", "scores")  # what clips.npz holds


@dataclass(frozen=True)
class PredictionTable:
    """A run's table of scores.

    Attributes
    ----------
    names : the examples' ids, [shape=(n,)], str
    groups : what belongs together, [shape=(n,)], str
    class_names : in the order of the columns
    scores : np.ndarray [shape=(n, n_classes)], calibrated, float64
    targets : np.ndarray [shape=(n, n_classes)], 1, 0, or NaN where nobody looked, float64
    task : `single` or `multi`
    """

    names: np.ndarray
    groups: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray
    task: str

    def select(self, rows: np.ndarray, columns: Sequence[int] | None = None) -> PredictionTable:
        """Return a table of some rows, and of some columns or all, in the order in which they are given."""
        kept = list(range(len(self.class_names)) if columns is None else columns)
        scores, targets = (table[rows][:, kept] for table in (self.scores, self.targets))
        class_names = tuple(self.class_names[k] for k in kept)
        return PredictionTable(self.names[rows], self.groups[rows], class_names, scores, targets, self.task)

    def truth(self, place: int) -> list[str]:
        """The classes that one example is of; of several at once, those that somebody found in it."""
        return [name for name, target in zip(self.class_names, self.targets[place], strict=True) if target == 1]


def read_predictions(run: Run) -> PredictionTable:
    """What a run answered for each test example, with what is so.

    Parameters
    ----------
    run : a whole one

    Raises
    ------
    InputError
        If predictions.csv, labels.json or run.json is missing or damaged.
    """
    class_names, task = read_class_names(run), get_task(run)
    rows = read_rows(run, class_names)
    names, groups, present, absent = zip(*(row[: len(BEFORE)] for row in rows), strict=True)
    scores = parse_scores(run, [row[len(BEFORE) :] for row in rows])
    targets = parse_targets(run, present, absent, class_names, task)
    ids, its = (np.array(column, dtype=object) for column in (names, groups))
    return PredictionTable(ids, its, class_names, scores, targets, task)


def read_fold_thresholds(run: Run, names: Collection[str]) -> np.ndarray:
    """From which score on each class was said of each example of a cross-validation: those of its own fold.

    Parameters
    ----------
    names : the examples

    Returns
    -------
    np.ndarray [shape=(n, n_classes)]

    Raises
    ------
    InputError
        If split.csv or a fold's serving.json is missing or damaged.
    """
    home = {row["example"]: row.get("fold") or "" for row in run.table("split.csv")}
    if not all(home.get(name, "").isdigit() for name in names):
        raise make_file_error(run.name, "split.csv", Message("the fold of each example"), Message("lacks some"))
    its = {k: get_fold(run, int(k)).read("serving.json") for k in sorted({home[name] for name in names})}
    n_classes = len(read_class_names(run))
    for served in its.values():
        found = served.get("thresholds") if isinstance(served, dict) else None
        if not found or not is_of_type(found, list[float]) or len(found) != n_classes:
            raise make_file_error(
                run.name, "serving.json", Message("a threshold for each class in every fold"), Message("lacks some")
            )
    return np.array([its[home[name]]["thresholds"] for name in names])


def read_clip_scores(run: Run) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The clips of each test example: its place in predictions.csv → where they begin and their raw scores.

    Returns
    -------
    dict of (np.ndarray [shape=(n_clips,)], seconds; np.ndarray [shape=(n_clips, n_classes)]), float32 both

    Raises
    ------
    InputError
        If clips.npz or labels.json is missing or damaged.
    """
    n_classes, (places, starts, scores) = len(read_class_names(run)), read_clip_arrays(run)
    if not places.shape == starts.shape == scores.shape[:1] or scores.shape[1:] != (n_classes,):
        rule = Message("a start and {n_classes} scores for each clip", n_classes=n_classes)
        raise make_file_error(run.name, "clips.npz", rule, Message("holds other shapes"))
    steps = np.diff(places)
    if (steps < 0).any():
        raise make_file_error(
            run.name, "clips.npz", Message("clips in the order of their examples"), Message("holds them in another")
        )
    ends = [0, *(np.flatnonzero(steps) + 1).tolist(), len(places)]
    spans = zip(ends[:-1], ends[1:], strict=True)
    return {int(places[begin]): (starts[begin:end], scores[begin:end]) for begin, end in spans if end > begin}


def read_clip_arrays(run: Run) -> list[np.ndarray]:
    """The arrays of clips.npz, in the order of `ARRAYS`."""
    path = run.find("clips.npz")
    try:
        with np.load(path, allow_pickle=False) as kept:
            if sum(one.file_size for one in kept.zip.infolist()) > MAX_CLIPS_BYTES:
                raise ValueError(Message("more than {max_clips_bytes} bytes", max_clips_bytes=MAX_CLIPS_BYTES))
            found = [kept[name] for name in ARRAYS]
    except Exception as error:  # whatever half an archive, or none, makes numpy, zipfile and zlib raise
        said = Message("can't be read ({describe_error})", describe_error=describe_error(error))
        raise make_file_error(run.name, "clips.npz", Message("the scores of each clip"), said) from None
    if [values.dtype.kind for values in found] != ["i", "f", "f"]:
        raise make_file_error(run.name, "clips.npz", Message("numbers"), Message("holds something else"))
    return found


def read_class_names(run: Run) -> tuple[str, ...]:
    """The class names of labels.json, in order."""
    found = run.read("labels.json")
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        raise make_file_error(
            run.name, "labels.json", Message("a list of class names"), Message("holds something else")
        )
    return tuple(found)


def get_task(run: Run) -> str:
    """Whether each example is of one class, or of any number of them."""
    task = run.info.task
    if task not in ("single", "multi"):
        raise make_file_error(
            run.name, "run.json", Message("the task, single or multi"), Message("says {task!r}", task=task)
        )
    return task


def read_rows(run: Run, class_names: tuple[str, ...]) -> list[list[str]]:
    """The rows of predictions.csv below its head, each with as many cells as it; empty ones are left out."""
    path, head = run.find(TABLE), [*BEFORE, *(f"score:{name}" for name in class_names)]
    try:
        text = read_small_file(path, MAX_TABLE_BYTES).decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise make_file_error(
            run.name,
            TABLE,
            Message("a table in UTF-8"),
            Message("can't be read ({describe_error})", describe_error=describe_error(error)),
        ) from None
    if not lines or lines[0] != head:
        rule = Message(
            "a column for each of the {n_class_names} classes of labels.json", n_class_names=len(class_names)
        )
        raise make_file_error(run.name, TABLE, rule, Message("has others"))
    if len(lines) == 1:
        raise make_file_error(run.name, TABLE, Message("a row for each test example"), Message("holds none"))
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(head):
            raise make_file_error(
                run.name,
                TABLE,
                Message("{n_head} cells in each row", n_head=len(head)),
                Message("row {number} has {n_line}", number=number, n_line=len(line)),
            )
    return lines[1:]


def parse_scores(run: Run, cells: list[list[str]]) -> np.ndarray:
    """Scores as numbers, [shape=(n, n_classes)], float64; each has to be one from 0 to 1."""
    try:
        found = np.array(cells, dtype=float)
    except ValueError as error:
        raise make_file_error(
            run.name,
            TABLE,
            Message("numbers as scores"),
            Message("does not ({describe_error})", describe_error=describe_error(error)),
        ) from None
    wrong = ~((found >= 0) & (found <= 1))  # so that NaN is wrong too
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        said = Message("row {row} has {found:g}", row=row + 2, found=found[row, column])
        raise make_file_error(run.name, TABLE, Message("scores from 0 to 1"), said)
    return found


def parse_targets(
    run: Run, present: tuple[str, ...], absent: tuple[str, ...], class_names: tuple[str, ...], task: str
) -> np.ndarray:
    """Which class is present, [shape=(n, n_classes)], float64: 1, 0, or for `multi` NaN where nobody looked."""
    place_of = {name: place for place, name in enumerate(class_names)}
    targets = np.full((len(present), len(class_names)), np.nan if task == "multi" else 0.0)
    for value, cells in ((0.0, absent), (1.0, present)):
        for row, cell in enumerate(cells):
            for name in split_names(cell, place_of):
                if name not in place_of:
                    said = Message("row {row} names {name!r}", row=row + 2, name=make_printable(name))
                    raise make_file_error(run.name, TABLE, Message("class names of labels.json"), said)
                targets[row, place_of[name]] = value
    if task == "single" and (targets.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(targets.sum(axis=1) != 1)[0]) + 2
        said = Message("row {row} has {present!r}", row=row, present=make_printable(present[row - 2]))
        raise make_file_error(run.name, TABLE, Message("one class for each example"), said)
    return targets


def split_names(cell: str, known: dict[str, int]) -> list[str]:
    """The class names in one cell; a name that has the sign between names in itself is whole where it is alone."""
    if not cell:
        return []
    return [cell] if cell in known else cell.split(BETWEEN)


def describe_error(error: Exception) -> str:
    """What an error says, on one line that can be read."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return make_printable(" ".join(str(error).split()) or type(error).__name__)
