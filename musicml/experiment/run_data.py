"""The files that a run was trained on, identified by content, so that they are recognized in any folder.

digests.csv is written when training starts. A run lacks it if an older musicml trained it, or if it was trained on
features from its dataset, without reading files. Its files then can't be identified.
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
from musicml.data.datasets import SPLITS, Dataset, Example, Examples
from musicml.experiment.records import DataInfo, make_record_error
from musicml.experiment.run import Run
from musicml.utils import InputError, Message, is_of_type, read_csv, read_small_file, write_csv

logger = logging.getLogger(__name__)

DIGESTS_FILE = "digests.csv"
COLUMNS = ("example", "digest", "side")  # `side` is the split
LEARNED = ("train", "val")  # validation files too, since the best epoch is chosen by them


@dataclass(frozen=True)
class RunDigests:
    """The content of digests.csv of a run.

    Attributes
    ----------
    contents : example → digest of its file, `""` if it could not be read
    learned : the digests of the training and validation files; for a cross-validation, of all files
    """

    contents: Mapping[str, str]
    learned: frozenset[str]


def write_digests(run: Run, sides: Iterable[tuple[str, str]], digests: Mapping[str, str]) -> None:
    """Write digests.csv, if any file was read.

    Parameters
    ----------
    sides : each example and its split
    digests : example → digest of its file, from `collect_digests`
    """
    if digests:
        rows = (
            {"example": name, "digest": digest if _is_digest(digest := digests.get(name, "")) else "", "side": side}
            for name, side in sides
        )
        write_csv(run.path / DIGESTS_FILE, rows, list(COLUMNS))


def read_digests(run: Run) -> RunDigests | None:
    """Read digests.csv; None if the run has none.

    Raises
    ------
    InputError
        If the file is damaged: it is not a table, has an invalid row, or lists other examples than split.csv.
    """
    path = run.path / DIGESTS_FILE
    if not path.is_file():
        return None
    try:
        rows = read_csv(path)
    except (InputError, OSError):  # reported below, together with a table of other columns
        rows = []
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise _make_damaged_error(run, Message("it is not a table with these columns"))
    for number, row in enumerate(rows, 2):  # row 1 is the header
        if not _is_digest(row["digest"] or "", or_empty=True) or row["side"] not in SPLITS:
            raise _make_damaged_error(run, Message("row {number} is invalid", number=number))
    contents = {row["example"]: row["digest"] for row in rows}
    split = {row["example"] for row in run.table("split.csv")}
    if len(contents) < len(rows) or (split and split != set(contents)):
        raise _make_damaged_error(run, Message("its examples differ from those in split.csv"))
    return RunDigests(contents, frozenset(row["digest"] for row in rows if row["side"] in LEARNED) - {""})


def find_other_contents(
    run: Run, other: Run, names: Collection[str], read: Callable[[Run], RunDigests | None] = read_digests
) -> list[str] | None:
    """Find the examples with the same name but different content in two runs, in order; None without digests.

    `read` reads the digests of a run. It is called only if the hashes of the features differ.
    """
    features = run.info.data.features
    if features and features == other.info.data.features:  # this hash covers the content of every file
        return []
    first, second = read(run), read(other)
    if first is None or second is None:
        return None
    return sorted(name for name in names if first.contents.get(name) != second.contents.get(name))


def warn_without_digests(run: Run, what: str) -> None:
    """Warn that without digests.csv `what` can't be checked, a clause such as "it learned from these files"."""
    logger.warning("run %s has no digests.csv, so musicml can't check whether %s", run.name, what)


def spell_examples(run: Run, dataset: Dataset) -> Dataset:
    """Rename examples as the run spells them, if only the Unicode normalization differs.

    Macs and some archives write an accented letter as two characters (NFD), most others as one (NFC).
    """
    info = run.info
    run_names = {info.get_track_name(row["example"]) for row in run.table("split.csv")}
    run_names |= {row["file"] for row in run.table("excluded.csv")}
    names = set(dataset.examples.ids)
    if names <= run_names:
        return dataset
    missing = {unicodedata.normalize("NFC", name): name for name in run_names - names}
    spelling = {name: missing.pop(unicodedata.normalize("NFC", name), name) for name in sorted(names - run_names)}
    renamed = [_rename(example, spelling.get(example.id, example.id)) for example in dataset.examples]
    if list(dataset.examples) == sorted(dataset.examples, key=_get_path_parts):  # NFC sorts after z, NFD before
        renamed.sort(key=_get_path_parts)
    parts = {part for name in run_names for part in name.split("/")}
    spelled = replace(dataset, examples=Examples(renamed)).match_class_names(parts)
    return replace(spelled, class_names=tuple(sorted(spelled.class_names)))


def _get_path_parts(example: Example) -> list[str]:
    return example.id.split("/")


def _rename(example: Example, name: str) -> Example:
    """Return an example with another name but the same file."""
    if name == example.id:
        return example
    group = name if example.group == example.id else example.group  # a group of its own is named like the example
    return replace(example, id=name, group=group, file=example.file or example.id)


def read_layers(run: Run) -> list[dict[str, Any]]:
    """Read layers.json of a run.

    Raises
    ------
    InputError
        If the file is missing, or is not a list of layers with their kinds and shapes.
    """
    layers = run.read("layers.json")
    hints = {"kind": str, "output_shape": list[int | None], "leans_on": list[float]}  # leans_on: feature importances
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
        If the file is missing, too large, or not text in UTF-8.
    """
    path = run.path / "experiment.toml"
    try:
        return read_small_file(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "Could not read {path} as UTF-8 text ({error}). Check the path.", path=path, error=error
        ) from None


def relocate_data(run: Run, folder: Path | None, data_root: Path | None) -> DataInfo:
    """Return the run's data as in run.json, with its present location.

    Parameters
    ----------
    folder, data_root : the present location of the user's own folder, or of all datasets; None if it was not moved

    Raises
    ------
    InputError
        If `folder` is given for a run on a dataset, or the user's own folder no longer exists.
    """
    data = run.info.data
    if folder and not data.folder:
        raise InputError(
            "--folder is for runs trained on your own folder, and {run_name} was trained on the dataset {dataset}. "
            "Give the location of the datasets with --data-root.",
            run_name=run.name,
            dataset=data.dataset,
        )
    if data.folder and not folder and not Path(data.folder).is_dir():
        raise InputError(
            "The data folder of run {run_name}, {place}, does not exist. If it was moved, give its location with "
            "--folder.",
            run_name=run.name,
            place=data.folder,
        )
    folder_now = str(folder.absolute()) if folder else data.folder
    root_now = str(data_root.absolute()) if data_root else data.root
    table = {**data.table, "folder": folder_now, "root": root_now}
    return replace(data, folder=folder_now, root=root_now, table=table)


def check_same_files(run: Run, dataset: Dataset, place: Path, root: Path | None = None) -> bool:
    """Check that the files are those that the run was started with; return whether their contents were compared.

    Without digests.csv, only missing files are detected.

    Parameters
    ----------
    dataset : the present data
    place : its location, for error messages
    root : the cache of features, which stores the digests of files; None to read every file, and to warn if the run
        has no digests

    Raises
    ------
    InputError
        If a file is missing, new, changed or renamed. The message gives their number and describes the first.
    """
    digests, info, dataset = read_digests(run), run.info, spell_examples(run, dataset)
    names = digests.contents if digests else [row["example"] for row in run.table("split.csv")]
    before = {info.get_track_name(name): digests.contents[name] if digests else "" for name in names}
    excluded = {row["file"] for row in run.table("excluded.csv")}
    now = dict(digest_examples(dataset, root)) if digests else dict.fromkeys(dataset.examples.ids, "")
    now = {name: digest for name, digest in now.items() if name in before or (digests and name not in excluded)}
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differing:
        raise InputError(
            "Expected the {n_files} files that run {run_name} was started with, but {place} has changed. Train again, "
            "or name the folder with the original files. Files that differ: {n}; the first, {name}: {what}.",
            run_name=run.name,
            n_files=len(before),
            place=place,
            n=len(differing) - _count_renamed(before, now),
            name=differing[0],
            what=_describe_difference(differing[0], before, now),
        )
    if digests is None and root is None:
        warn_without_digests(run, Message("these are the files that it was started with"))
    return digests is not None


def _count_renamed(before: Mapping[str, str], now: Mapping[str, str]) -> int:
    """Count the files with another name and the same content, which would otherwise count as two differences."""
    gone = Counter(digest for name, digest in before.items() if digest and name not in now)  # files may be duplicates
    return (gone & Counter(digest for name, digest in now.items() if name not in before)).total()


def _describe_difference(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe how one file differs."""
    if name in before and name in now:
        return Message("its content has changed") if _is_digest(now[name]) else Message("it can't be read")
    same, others = (before, now) if name in before else (now, before)  # with and without this name
    renamed = sorted(other for other, digest in others.items() if digest and digest == same[name] and other not in same)
    if renamed:
        return (
            Message("it is now {renamed}", renamed=renamed[0])
            if name in before
            else Message("it was {renamed}", renamed=renamed[0])
        )
    return Message("it is missing") if name in before else Message("it is new")


def _is_digest(text: str, or_empty: bool = False) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{32}", text)) or (or_empty and not text)


def _make_damaged_error(run: Run, problem: str) -> InputError:
    return InputError(
        "digests.csv of run {run_name} must contain the digest and the split of each example, but {problem}. Restore "
        "it, or remove it: musicml then can't check which files the run was trained on.",
        run_name=run.name,
        problem=problem,
    )
