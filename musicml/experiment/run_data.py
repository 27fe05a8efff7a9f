"""A run's data: what it learned from, told by content, so that a file is recognized wherever it lies.

digests.csv is written when a training begins. A run without it is of an earlier musicml, or learned from features that
came with its data set and read no file: it can't tell.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data import digest_examples
from musicml.data.datasets import SPLITS, Dataset, Example
from musicml.experiment.records import DataInfo, make_record_error
from musicml.experiment.run import Run
from musicml.utils import InputError, Message, is_of_type, read_csv, read_small_file, write_csv

logger = logging.getLogger(__name__)

DIGESTS_FILE = "digests.csv"
COLUMNS = ("example", "digest", "side")
LEARNED = ("train", "val")  # validation chose the model, so that it is learned from too


@dataclass(frozen=True)
class RunDigests:
    """digests.csv of a run.

    Attributes
    ----------
    contents : example → digest of its file's content, `""` where it could not be read
    learned : the digests of what the run trained on or chose by; of a cross-validation, all of them
    """

    contents: Mapping[str, str]
    learned: frozenset[str]


def write_digests(run: Run, sides: Iterable[tuple[str, str]], digests: Mapping[str, str]) -> None:
    """Write digests.csv; nothing where no file was read.

    Parameters
    ----------
    sides : each example and its side
    digests : example → digest of its file, as `digest_examples` gives it
    """
    if digests:
        rows = [
            {"example": name, "digest": digest if _is_digest(digest := digests.get(name, "")) else "", "side": side}
            for name, side in sides
        ]
        write_csv(run.path / DIGESTS_FILE, rows, list(COLUMNS))


def read_digests(run: Run) -> RunDigests | None:
    """Read digests.csv; None where the run has none.

    Raises
    ------
    InputError
        If it is damaged: no table, a row that is none of an example, or other examples than split.csv.
    """
    path = run.path / DIGESTS_FILE
    if not path.is_file():
        return None
    try:
        rows = read_csv(path)
    except (InputError, OSError):
        rows = []
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise _make_damaged_error(run, Message("it can't be read as a table with those columns"))
    for number, row in enumerate(rows, 2):
        if not _is_digest(row["digest"] or "", or_empty=True) or row["side"] not in SPLITS:
            raise _make_damaged_error(run, Message("row {number} does not", number=number))
    contents = {row["example"]: row["digest"] for row in rows}
    split = {row["example"] for row in run.table("split.csv")}
    if len(contents) < len(rows) or (split and split != set(contents)):
        raise _make_damaged_error(run, Message("its examples are not those of split.csv"))
    return RunDigests(contents, frozenset(row["digest"] for row in rows if row["side"] in LEARNED) - {""})


def find_other_contents(
    one: Run, other: Run, names: Collection[str], read: Callable[[Run], RunDigests | None] = read_digests
) -> list[str] | None:
    """Find the examples of two runs with one name and different contents, in order; None where that can't be told.

    `read` reads digests.csv of a run; it is asked only where the features do not tell.
    """
    features = one.info.data.features
    if features and features == other.info.data.features:  # a digest of every file's content too
        return []
    first, second = read(one), read(other)
    if first is None or second is None:
        return None
    return sorted(name for name in names if first.contents.get(name) != second.contents.get(name))


def warn_without_digests(run: Run, what: str) -> None:
    """Say that a run without digests.csv can't tell `what`, a clause such as "it learned from any of these files"."""
    logger.warning("run %s has no digests.csv: whether %s can't be told", run.name, what)


def spell_examples(run: Run, dataset: Dataset) -> Dataset:
    """Return the data set with names spelled as the run has them, where only the Unicode normalization differs.

    Macs and some archives write an accented letter as two characters (NFD), most others as one (NFC).
    """
    info = run.info
    known = {info.get_track_name(row["example"]) for row in run.table("split.csv")}
    known |= {row["file"] for row in run.table("excluded.csv")}
    new = sorted({example.id for example in dataset.examples} - known)
    if not new:
        return dataset
    gone = {unicodedata.normalize("NFC", name): name for name in known - {example.id for example in dataset.examples}}
    names = {name: gone.pop(unicodedata.normalize("NFC", name), name) for name in new}
    renamed = [_rename(one, names.get(one.id, one.id)) for one in dataset.examples]
    if list(dataset.examples) == sorted(dataset.examples, key=_get_path_parts):  # one form comes before z, one after
        renamed.sort(key=_get_path_parts)
    parts = {part for name in known for part in name.split("/")}
    spelled = replace(dataset, examples=tuple(renamed)).match_class_names(parts)
    return replace(spelled, class_names=tuple(sorted(spelled.class_names)))


def _get_path_parts(example: Example) -> list[str]:
    return example.id.split("/")


def _rename(example: Example, name: str) -> Example:
    """Return an example with another name; its file, and a group of its own, go with it."""
    if name == example.id:
        return example
    group = name if example.group == example.id else example.group
    return replace(example, id=name, group=group, file=example.file or example.id)


def read_layers(run: Run) -> list[dict[str, Any]]:
    """Read layers.json of a run.

    Raises
    ------
    InputError
        If it is missing, or says something else than layers with their kinds and shapes.
    """
    layers = run.read("layers.json")
    hints = {"kind": str, "output_shape": list[int | None], "leans_on": list[float]}
    if not is_of_type(layers, list[dict[str, Any]]) or not layers:
        raise make_record_error(run.name, "layers.json", Message("a list of layers"), layers)
    for layer in layers:
        for key, hint in hints.items():
            if not is_of_type(layer.get(key, [] if key == "leans_on" else None), hint):
                raise make_record_error(run.name, "layers.json", key, layer.get(key))
    return layers


def read_experiment_text(run: Run) -> str:
    """Read experiment.toml of a run.

    Raises
    ------
    InputError
        If the file is missing, too large, or no text in UTF-8.
    """
    path = run.path / "experiment.toml"
    try:
        return read_small_file(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "{path} must be a text file in UTF-8 and can't be read ({error}): check the path.", path=path, error=error
        ) from None


def relocate_data(run: Run, folder: Path | None, data_root: Path | None) -> DataInfo:
    """Return what run.json says of the run's data, with the places where it is now.

    Parameters
    ----------
    folder, data_root : where the run's own folder, or the folder of all data sets, is now; None where it was not moved

    Raises
    ------
    InputError
        If there is a folder and the run was made from a data set, or the run's own folder is gone.
    """
    data = run.info.data
    if folder and not data.folder:
        raise InputError(
            "--folder says where a run's own folder is now, and {run_name} was made from the data set {dataset}: "
            "name the folder that holds it with --data-root.",
            run_name=run.name,
            dataset=data.dataset,
        )
    if data.folder and not folder and not Path(data.folder).is_dir():
        raise InputError(
            "Expected the files of run {run_name} in {place}, and there is no such folder. If it was moved, say with "
            "--folder where it is now.",
            run_name=run.name,
            place=data.folder,
        )
    its = str(folder.absolute()) if folder else data.folder
    root = str(data_root.absolute()) if data_root else data.root
    return replace(data, folder=its, root=root, table={**data.table, "folder": its, "root": root})


def check_same_files(run: Run, dataset: Dataset, place: Path, root: Path | None = None) -> bool:
    """Refuse data whose files are not those that the run began with; return whether their contents could be told.

    Without digests.csv, it only looks for files that are missing.

    Parameters
    ----------
    dataset : as it is now
    place : where it lies, for the error
    root : the store of features, where the digests of files are kept; None to read every file, and to warn where the
        run has no digests

    Raises
    ------
    InputError
        If a file is missing, new, changed or renamed; it tells how many are, and of the first what.
    """
    kept, info, dataset = read_digests(run), run.info, spell_examples(run, dataset)
    names = kept.contents if kept else [row["example"] for row in run.table("split.csv")]
    before = {info.get_track_name(name): kept.contents[name] if kept else "" for name in names}
    left_out = {row["file"] for row in run.table("excluded.csv")}
    now = dict(digest_examples(dataset, root)) if kept else {example.id: "" for example in dataset.examples}
    now = {name: digest for name, digest in now.items() if name in before or (kept and name not in left_out)}
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differing:
        raise InputError(
            "run {run_name} must go on with the {n_files} files it began with, and {place} has changed since: train "
            "again, or name the folder that holds them. Files that differ: {n}; the first, {name}: {what}.",
            run_name=run.name,
            n_files=len(before),
            place=place,
            n=len(differing) - _count_renamed(before, now),
            name=differing[0],
            what=_describe_difference(differing[0], before, now),
        )
    if kept is None and root is None:
        warn_without_digests(run, Message("these are the files it began with"))
    return kept is not None


def _count_renamed(before: Mapping[str, str], now: Mapping[str, str]) -> int:
    """Return how many files have another name and the same content: such a file differs once, and not twice."""
    gone = Counter(digest for name, digest in before.items() if digest and name not in now)
    return (gone & Counter(digest for name, digest in now.items() if name not in before)).total()


def _describe_difference(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say what is the matter with one file."""
    if name in before and name in now:
        return Message("its content has changed") if _is_digest(now[name]) else Message("it can't be read")
    ours, others = (before, now) if name in before else (now, before)
    renamed = sorted(other for other, digest in others.items() if digest and digest == ours[name] and other not in ours)
    if renamed:
        return (
            Message("it is now {renamed}", renamed=renamed[0])
            if name in before
            else Message("it was {renamed}", renamed=renamed[0])
        )
    return Message("it is missing") if name in before else Message("it is new")


def _is_digest(text: str, or_empty: bool = False) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{32}", text)) or (or_empty and not text)


def _make_damaged_error(run: Run, said: str) -> InputError:
    return InputError(
        "digests.csv of run {run_name} must hold the digest and the side of each example, and {said}: put it back, or "
        "remove it, and what the run learned from can't be told any more.",
        run_name=run.name,
        said=said,
    )
