"""One shape for every data set: a list of labelled files, each with its group and its official side."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicml.data.io import is_visible, list_files, make_unreadable_folder_error
from musicml.utils import InputError, Message, make_data_frame, read_json

if TYPE_CHECKING:
    import pandas

SPLITS = ("train", "val", "test")
MOST_NAMES = 12  # of classes in a sentence


KINDS = {"sound": Message("sound"), "picture": Message("picture")}  # of files, as messages call them


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled file. There are as many as files, so that each is kept small.

    Attributes
    ----------
    id : unique, the same on every machine; most often its path below the data set's folder, with forward slashes
    folder : where the data set's files lie; one for all of them, while a `Path` of each would be half a kilobyte
    labels : class name → present or absent, for the classes that somebody looked for; of a single-label
        example its one class
    group : what must not cross splits: the artist, piece or kit; the id itself where none is known
    split : the side that the data set's own lists give it (`train`, `val`, `test`), or empty
    file : its path below `folder`, where that is not its id
    """

    id: str
    folder: Path
    labels: Mapping[str, bool]
    group: str
    split: str = ""
    file: str = ""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return Path(self.file_path)

    @property
    def file_path(self) -> str:
        """The same as text: every `Path` that is made leaves its name in a table of Python's, a megabyte in all."""
        return os.path.join(self.folder, self.file or self.id)

    @property
    def label(self) -> str:
        """The class of a single-label example; of a multi-label one, its present classes joined by `|`."""
        return "|".join(name for name, present in self.labels.items() if present)

    def lies_inside(self, *roots: Path) -> bool:
        """Return whether the file, with all links followed, lies below its data set's folder or one of `roots`."""
        place = os.path.realpath(self.file_path)
        return any(place.startswith(os.path.join(os.path.realpath(root), "")) for root in (self.folder, *roots))

    def make_segment(self, number: int) -> Example:
        """A piece of this track as an example of its own, `TRACK#0`, in the track's group and on no side yet."""
        return replace(self, id=f"{self.id}#{number}", split="", file=self.file or self.id)


@dataclass(frozen=True)
class Excluded:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Repair:
    """One thing that was mended in what the data set's own tables or folders say.

    Attributes
    ----------
    repair : its kind, the same for all of a kind: `label_dropped`, `taken_from_disk`
    file : the file or row that it is about
    words : what was found and what was done, in a sentence
    """

    repair: str
    file: str
    words: str


@dataclass(frozen=True)
class Dataset:
    """Labelled files with facts about them.

    Attributes
    ----------
    name : `gtzan`, ..., or the folder's own name
    kind : `sound` or `picture`
    task : `single` (each example is one class) or `multi` (any number of classes, some never looked for)
    answers : what the classes are: `genre`, `instrument`, `class`
    class_names : in the order of every score column
    source : where the data came from; `{"sample": True}` where it was generated
    notes : what a reader of a figure should know, a sentence each
    repairs : what was mended; none where the data is taken as published
    as_published : whether the data is taken with its faults
    lists : which lists for an honest split came with it: `official` (its own sides), `filtered` (sides without
        faulty tracks), `artist` (who plays)
    vggish : np.ndarray [shape=(n_examples, 10, 128)], uint8, or None: features that the release ships
    digests : example id → digest of its content, once files were compared; equal files never stand on two sides

    Examples
    --------
    >>> dataset = musicml.load_dataset("gtzan")
    >>> dataset.task, len(dataset.class_names), dataset.sample
    ('single', 10, True)
    """

    name: str
    kind: str
    task: str
    answers: str
    class_names: tuple[str, ...]
    examples: tuple[Example, ...]
    excluded: tuple[Excluded, ...] = ()
    source: Mapping = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    as_published: bool = False
    lists: tuple[str, ...] = ()
    vggish: np.ndarray | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def sample(self) -> bool:
        """Whether the data is generated, which every figure made from it has to say."""
        return bool(self.source.get("sample"))

    @property
    def groups(self) -> np.ndarray:
        """The group of each example, [shape=(n_examples,)], str."""
        return np.array([example.group for example in self.examples], dtype=object)

    @property
    def table(self) -> pandas.DataFrame:
        """A data frame with a row an example; `label` holds every class that is present in it."""
        rows = (
            {
                "example": example.id,
                "group": example.group,
                "split": example.split,
                "label": "|".join(name for name in self.class_names if example.labels.get(name)),
            }
            for example in self.examples
        )
        return make_data_frame(rows, ["example", "group", "split", "label"])

    def targets(self) -> np.ndarray:
        """Which class is present: [shape=(n_examples, n_classes)], float32; 1, 0, or NaN where nobody looked."""
        unknown = np.nan if self.task == "multi" else 0.0
        rows = [[example.labels.get(name, unknown) for name in self.class_names] for example in self.examples]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.class_names))

    def describe(self) -> str:
        """Say how many files, which classes and which splits were found, in a sentence."""
        counts = Counter(example.split for example in self.examples)
        sides = ", ".join(f"{side} {counts[side]}" for side in SPLITS if counts[side])
        names = list_names(self.class_names)
        return (
            f"{self.name}: {len(self.examples)} {self.kind} files in {len(self.class_names)} classes ({names}); "
            f"{f'splits: {sides}' if sides else 'no splits of its own'}"
        )

    def keep(self, mask: Sequence[bool] | np.ndarray, excluded: Iterable[Excluded] = ()) -> Dataset:
        """The same data set with only the examples where `mask` is true; the reasons for the others are added."""
        examples = tuple(example for example, kept in zip(self.examples, mask, strict=True) if kept)
        vggish = None if self.vggish is None else self.vggish[np.asarray(mask, dtype=bool)]
        return replace(self, examples=examples, excluded=(*self.excluded, *excluded), vggish=vggish)

    def match_class_names(self, known: Iterable[str]) -> Dataset:
        """Return the same data set with classes spelled as in `known`, where only the Unicode normalization differs."""
        spelled = {unicodedata.normalize("NFC", name): name for name in known}
        names = {name: spelled.get(unicodedata.normalize("NFC", name), name) for name in self.class_names}
        if all(name == other for name, other in names.items()):
            return self
        examples = (
            replace(one, labels={names[name]: present for name, present in one.labels.items()}) for one in self.examples
        )
        return replace(self, class_names=tuple(names.values()), examples=tuple(examples))

    def hash(self) -> str:
        """A stable digest of which examples there are, with their labels and groups: 16 hex digits."""
        facts = [[e.id, sorted(e.labels.items()), e.group, e.split] for e in sorted(self.examples, key=lambda e: e.id)]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


def list_names(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return the first `most` names in a row."""
    return ", ".join([*names[:most], *["..."] * (len(names) > most)])


def check_classes(dataset: Dataset, where: Path) -> Dataset:
    """The data set, if it can be learnt from: at least two classes, and none of them empty.

    Raises
    ------
    InputError
        If there are fewer than two classes, or a class without an example.
    """
    if len(dataset.class_names) < 2:
        names = ", ".join(dataset.class_names) or "none"
        raise InputError(
            "{where} must hold at least two classes, and holds {n_dataset_class_names} ({names}): "
            "put each class's files in a folder of its own.",
            where=where,
            n_dataset_class_names=len(dataset.class_names),
            names=names,
        )
    seen = {name for example in dataset.examples for name, present in example.labels.items() if present}
    empty = [name for name in dataset.class_names if name not in seen]
    if empty:
        raise InputError(
            "every class in {where} must have a file that can be used, and {empty} has none: "
            "add files to it or remove its folder.",
            where=where,
            empty=", ".join(map(partial(_explain_empty, dataset), empty)),
        )
    return dataset


def _explain_empty(dataset: Dataset, name: str) -> str:
    """Return the name of a class without files, with the first thing in its folder and why it was left out."""
    inside = next((one for one in dataset.excluded if name in one.file.split("/")), None)
    return f"{name} ({inside.file}: {inside.reason})" if inside else name


def list_visible_files(folder: Path) -> list[Path]:
    """Every file below `folder`, in the order of names, without hidden ones and those of operating systems."""
    (listing,) = list_files([folder])
    return [Path(path) for path in listing.files]


def list_visible_folders(folder: Path) -> list[Path]:
    """The folders directly in `folder`, sorted by name; a hidden one, or an operating system's, is not a class.

    Raises
    ------
    InputError
        If the folder can't be opened.
    """
    try:
        return sorted(path for path in folder.iterdir() if is_visible(path.name) and path.is_dir())
    except OSError as error:
        raise make_unreadable_folder_error(str(folder), error) from None


def find_path(root: Path, *names: str) -> Path:
    """The first of `names` that exists below `root`; archives unpack with or without an outer folder.

    Raises
    ------
    InputError
        If none of them is there.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise InputError(
        "{root} must hold {names} as the data set's archive does, and does not: unpack the archive there again.",
        root=root,
        names=names[0],
    )


def read_source(root: Path) -> dict:
    """What SOURCE.json in the data set's folder says of where it came from; its folder's name where there is none."""
    path = root / "SOURCE.json"
    return read_json(path) if path.is_file() else {"source": Message("placed by hand"), "sample": False}
