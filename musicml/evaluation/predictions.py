"""Read the predictions of a run for its test split as arrays.

predictions.csv has one row per example, clips.npz the raw scores of each clip. Only NumPy is needed, so that the
dashboard starts fast.
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
ID_COLUMNS = ["example", "group", "labels", "absent"]  # the columns of predictions.csv before the scores
SEPARATOR = "|"  # between the class names in one cell
MAX_TABLE_BYTES, MAX_CLIPS_BYTES = 50_000_000, 400_000_000  # a run folder may come from a stranger
ARRAYS = ("example", "start", "scores")  # in clips.npz


@dataclass(frozen=True)
class PredictionTable:
    """The scores and labels of a run's test examples.

    Attributes
    ----------
    names : ids of the examples, [shape=(n,)], str
    groups : group of each example, [shape=(n,)], str
    class_names : in the order of the columns
    scores : np.ndarray [shape=(n, n_classes)], calibrated, float64
    targets : np.ndarray [shape=(n, n_classes)], 1, 0, or NaN for a cell without a label, float64
    task : `single` or `multi`
    """

    names: np.ndarray
    groups: np.ndarray
    class_names: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray
    task: str

    def select(self, rows: np.ndarray, columns: Sequence[int] | None = None) -> PredictionTable:
        """Return a table of some rows and columns (default: all columns), in the given order."""
        columns = list(range(len(self.class_names)) if columns is None else columns)  # all columns by default
        scores, targets = (table[rows][:, columns] for table in (self.scores, self.targets))
        class_names = tuple(self.class_names[k] for k in columns)
        return PredictionTable(self.names[rows], self.groups[rows], class_names, scores, targets, self.task)

    def get_labels(self, place: int) -> list[str]:
        """Return the true labels of one example."""
        return [name for name, target in zip(self.class_names, self.targets[place], strict=True) if target == 1]


def read_predictions(run: Run) -> PredictionTable:
    """Read the scores and true labels of a complete run's test examples.

    Raises
    ------
    InputError
        If predictions.csv, labels.json or run.json is missing or damaged.
    """
    class_names, task = read_class_names(run), get_task(run)
    rows = _read_rows(run, class_names)
    names, groups, present, absent = zip(*(row[: len(ID_COLUMNS)] for row in rows), strict=True)
    scores = _parse_scores(run, [row[len(ID_COLUMNS) :] for row in rows])
    targets = _parse_targets(run, present, absent, class_names, task)
    # object arrays: in an array of fixed-width strings, one long name would make all rows as long
    return PredictionTable(
        np.array(names, dtype=object), np.array(groups, dtype=object), class_names, scores, targets, task
    )


def read_fold_thresholds(run: Run, names: Collection[str]) -> np.ndarray:
    """Read the thresholds of each example of a cross-validation: those of the fold that predicted it.

    Parameters
    ----------
    names : ids of the examples

    Returns
    -------
    np.ndarray [shape=(n, n_classes)]

    Raises
    ------
    InputError
        If split.csv or a fold's serving.json is missing or damaged.
    """
    fold_of = {row["example"]: row.get("fold") or "" for row in run.table("split.csv")}
    if not all(fold_of.get(name, "").isdigit() for name in names):
        raise make_file_error(run.name, "split.csv", Message("the fold of each example"), Message("some are missing"))
    manifests = {k: get_fold(run, int(k)).read("serving.json") for k in sorted({fold_of[name] for name in names})}
    n_classes = len(read_class_names(run))
    for manifest in manifests.values():
        thresholds = manifest.get("thresholds") if isinstance(manifest, dict) else None
        if not thresholds or not is_of_type(thresholds, list[float]) or len(thresholds) != n_classes:
            rule = Message("a threshold for each class in every fold")
            raise make_file_error(run.name, "serving.json", rule, Message("some are missing"))
    return np.array([manifests[fold_of[name]]["thresholds"] for name in names])


def read_clip_scores(run: Run) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Read the raw scores of each test example's clips.

    Returns
    -------
    dict : row in predictions.csv → (start of each clip in seconds, np.ndarray [shape=(n_clips,)]; its scores,
        np.ndarray [shape=(n_clips, n_classes)]), both float32

    Raises
    ------
    InputError
        If clips.npz or labels.json is missing or damaged.
    """
    n_classes, (places, starts, scores) = len(read_class_names(run)), _read_clip_arrays(run)
    if not places.shape == starts.shape == scores.shape[:1] or scores.shape[1:] != (n_classes,):
        rule = Message("a start and {n_classes} scores for each clip", n_classes=n_classes)
        raise make_file_error(run.name, "clips.npz", rule, Message("its arrays have other shapes"))
    steps = np.diff(places)
    if (steps < 0).any():
        rule = Message("clips in the order of their examples")
        raise make_file_error(run.name, "clips.npz", rule, Message("their order is different"))
    bounds = [0, *(np.flatnonzero(steps) + 1).tolist(), len(places)]  # where the next example begins
    spans = zip(bounds[:-1], bounds[1:], strict=True)
    return {int(places[start]): (starts[start:end], scores[start:end]) for start, end in spans if end > start}


def _read_clip_arrays(run: Run) -> list[np.ndarray]:
    """Read the arrays of clips.npz, in the order of `ARRAYS`."""
    path = run.find("clips.npz")
    try:
        with np.load(path, allow_pickle=False) as archive:  # a pickle can run any code
            if sum(member.file_size for member in archive.zip.infolist()) > MAX_CLIPS_BYTES:
                raise ValueError(Message("more than {max_bytes} bytes", max_bytes=MAX_CLIPS_BYTES))
            arrays = [archive[name] for name in ARRAYS]
    except Exception as error:  # a damaged archive makes numpy, zipfile and zlib raise many kinds of errors
        reason = Message("it cannot be read ({error})", error=_describe_error(error))
        raise make_file_error(run.name, "clips.npz", Message("the scores of each clip"), reason) from None
    if [array.dtype.kind for array in arrays] != ["i", "f", "f"]:
        raise make_file_error(run.name, "clips.npz", Message("numbers"), Message("its arrays have other types"))
    return arrays


def read_class_names(run: Run) -> tuple[str, ...]:
    """Read the class names of labels.json, in the order of the scores."""
    names = run.read("labels.json")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        rule = Message("a list of class names")
        raise make_file_error(run.name, "labels.json", rule, Message("its content is different"))
    return tuple(names)


def get_task(run: Run) -> str:
    """Return `single` if each example has one class, `multi` if it can have several."""
    task = run.info.task
    if task not in ("single", "multi"):
        reason = Message("it has {task!r}", task=task)
        raise make_file_error(run.name, "run.json", Message("the task single or multi"), reason)
    return task


def _read_rows(run: Run, class_names: tuple[str, ...]) -> list[list[str]]:
    """Read the rows of predictions.csv below its header, and check their length; empty rows are skipped."""
    path, header = run.find(TABLE), [*ID_COLUMNS, *(f"score:{name}" for name in class_names)]
    try:
        text = read_small_file(path, MAX_TABLE_BYTES).decode("utf-8-sig")  # spreadsheets add a byte order mark
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = Message("it cannot be read ({error})", error=_describe_error(error))
        raise make_file_error(run.name, TABLE, Message("a table in UTF-8"), reason) from None
    if not lines or lines[0] != header:
        rule = Message("a column for each of the {n_classes} classes of labels.json", n_classes=len(class_names))
        raise make_file_error(run.name, TABLE, rule, Message("its columns are different"))
    if len(lines) == 1:
        raise make_file_error(run.name, TABLE, Message("a row for each test example"), Message("there are none"))
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            rule = Message("{n_cells} cells in each row", n_cells=len(header))
            reason = Message("row {row} has {n_cells}", row=number, n_cells=len(line))
            raise make_file_error(run.name, TABLE, rule, reason)
    return lines[1:]


def _parse_scores(run: Run, cells: list[list[str]]) -> np.ndarray:
    """Parse scores from 0 to 1, [shape=(n, n_classes)], float64."""
    try:
        scores = np.array(cells, dtype=float)
    except ValueError as error:
        reason = Message("there are others ({error})", error=_describe_error(error))
        raise make_file_error(run.name, TABLE, Message("numbers as scores"), reason) from None
    is_invalid = ~((scores >= 0) & (scores <= 1))  # also true for NaN
    if is_invalid.any():
        row, column = np.argwhere(is_invalid)[0]
        reason = Message("row {row} has {score:g}", row=row + 2, score=scores[row, column])
        raise make_file_error(run.name, TABLE, Message("scores from 0 to 1"), reason)
    return scores


def _parse_targets(
    run: Run, present: tuple[str, ...], absent: tuple[str, ...], class_names: tuple[str, ...], task: str
) -> np.ndarray:
    """Parse labels, [shape=(n, n_classes)], float64: 1, 0, or for `multi` NaN for a cell without a label."""
    place_of = {name: place for place, name in enumerate(class_names)}
    targets = np.full((len(present), len(class_names)), np.nan if task == "multi" else 0.0)
    for value, cells in ((0.0, absent), (1.0, present)):
        for row, cell in enumerate(cells):
            for name in _split_names(cell, place_of):
                if name not in place_of:
                    reason = Message("row {row} has {name!r}", row=row + 2, name=make_printable(name))
                    raise make_file_error(run.name, TABLE, Message("class names of labels.json"), reason)
                targets[row, place_of[name]] = value
    if task == "single" and (targets.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(targets.sum(axis=1) != 1)[0]) + 2
        reason = Message("row {row} has {name!r}", row=row, name=make_printable(present[row - 2]))
        raise make_file_error(run.name, TABLE, Message("one class for each example"), reason)
    return targets


def _split_names(cell: str, known: dict[str, int]) -> list[str]:
    """Split a cell into class names; a single name may contain the separator."""
    if not cell:
        return []
    return [cell] if cell in known else cell.split(SEPARATOR)


def _describe_error(error: Exception) -> str:
    """Return an error's message as one printable line."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return make_printable(" ".join(str(error).split()) or type(error).__name__)
