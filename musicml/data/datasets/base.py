"""The common form of every dataset: a list of labeled files, each with its group and its official split."""

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

from musicml.data.datasets.examples import Example as Example  # for modules that import it from here
from musicml.data.datasets.examples import Examples
from musicml.data.io import is_visible, list_files, make_unreadable_folder_error
from musicml.utils import InputError, Message, make_data_frame, read_json

if TYPE_CHECKING:
    import pandas

SPLITS = ("train", "val", "test")  # in the order of every table and plot
MAX_NAMES = 12  # classes listed in a message
KINDS = {"sound": Message("sound"), "picture": Message("picture")}  # kinds of files, for messages


@dataclass(frozen=True)
class Excluded:
    """A file that was excluded, and the reason."""

    file: str
    reason: str


@dataclass(frozen=True)
class Repair:
    """One correction of an error in the dataset's own tables or folders.

    Attributes
    ----------
    repair : the kind of correction, such as `label_dropped` or `taken_from_disk`
    file : the file or row that was corrected
    words : the error and the correction, in a sentence
    """

    repair: str
    file: str
    words: str


@dataclass(frozen=True)
class Dataset:
    """A dataset: labeled files and their metadata.

    Attributes
    ----------
    name : `gtzan`, ..., or the name of the user's folder
    kind : `sound` or `picture`
    task : `single` (one class per example) or `multi` (any number of classes, some not annotated)
    answers : what a class is: `genre`, `instrument` or `class`
    class_names : in the order of every score column
    source : where the data came from; `{"sample": True}` if it is synthetic
    notes : remarks for anyone who reads a result on this data
    repairs : corrections of the dataset's errors; none if the data is loaded as published
    as_published : whether the data is loaded with its errors
    lists : split lists that came with it: `official` (its own splits), `filtered` (splits without faulty tracks),
        `artist` (the performer of each track)
    vggish : np.ndarray [shape=(n_examples, 10, 128)], uint8, or None: features that come with the release
    digests : example id → digest of its content, once files were compared; identical files stay in one split

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
    examples: Examples
    excluded: tuple[Excluded, ...] = ()
    source: Mapping = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    as_published: bool = False
    lists: tuple[str, ...] = ()
    vggish: np.ndarray | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.examples, Examples):
            object.__setattr__(self, "examples", Examples(self.examples))

    @property
    def sample(self) -> bool:
        """True for synthetic data; every result on it has to mention that."""
        return bool(self.source.get("sample"))

    @property
    def groups(self) -> np.ndarray:
        """The group of each example, [shape=(n_examples,)], str."""
        return self.examples.groups

    @property
    def table(self) -> pandas.DataFrame:
        """A data frame with one row per example; `label` holds all its present classes, joined by `|`."""
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
        """Return the labels as an array [shape=(n_examples, n_classes)], float32: 1, 0, or NaN if not annotated."""
        unknown = np.nan if self.task == "multi" else 0.0  # a missing label is unknown only in multi-label data
        sets = [[labels.get(name, unknown) for name in self.class_names] for labels in self.examples.label_sets]
        rows = np.array(sets, dtype=np.float32).reshape(len(sets), len(self.class_names))
        return rows[self.examples.label_of]

    def describe(self) -> str:
        """Describe the number of files, the classes and the splits in a sentence."""
        counts = Counter(self.examples.splits)
        sides = ", ".join(f"{side} {counts[side]}" for side in SPLITS if counts[side])
        names = list_names(self.class_names)
        return (
            f"{self.name}: {len(self.examples)} {self.kind} files in {len(self.class_names)} classes ({names}); "
            f"{f'splits: {sides}' if sides else 'no splits of its own'}"
        )

    def keep(self, mask: Sequence[bool] | np.ndarray, excluded: Iterable[Excluded] = ()) -> Dataset:
        """Return the dataset with only the examples where `mask` is true; `excluded` has the reasons for the others."""
        mask = np.asarray(mask, dtype=bool)
        # its rows follow the examples
        vggish = None if self.vggish is None else self.vggish[mask]
        return replace(self, examples=self.examples.take(mask), excluded=(*self.excluded, *excluded), vggish=vggish)

    def match_class_names(self, known: Iterable[str]) -> Dataset:
        """Return the dataset with class names spelled as in `known`, where only the Unicode normalization differs."""
        # some systems store é as e + accent, others as one character
        spelled = {unicodedata.normalize("NFC", name): name for name in known}
        names = {name: spelled.get(unicodedata.normalize("NFC", name), name) for name in self.class_names}
        if all(name == other for name, other in names.items()):
            return self
        label_sets = [{names[name]: x for name, x in labels.items()} for labels in self.examples.label_sets]
        return replace(self, class_names=tuple(names.values()), examples=self.examples.replace_labels(label_sets))

    def hash(self) -> str:
        """Compute a stable digest of the examples, labels, groups and splits: 16 hex digits."""
        examples, digest = self.examples, hashlib.blake2b(b"[", digest_size=8)
        label_sets = [json.dumps(sorted(labels.items())) for labels in examples.label_sets]
        # sorted, so that the order of loading does not matter
        for n, row in enumerate(examples.ids.sort_rows()):  # the JSON of all rows, one at a time
            example, labels = examples[row], label_sets[examples.label_of[row]]
            name, *others = map(json.dumps, (example.id, example.group, example.split))
            digest.update(f"{', ' if n else ''}[{', '.join([name, labels, *others])}]".encode())
        digest.update(b"]")
        return digest.hexdigest()


def list_names(names: Sequence[str], max_names: int = MAX_NAMES) -> str:
    """Join the first `max_names` names with commas."""
    return ", ".join([*names[:max_names], *["..."] * (len(names) > max_names)])


def check_classes(dataset: Dataset, where: Path) -> Dataset:
    """Return the dataset if a model can be trained on it: at least two classes, none of them empty.

    Raises
    ------
    InputError
        If there are fewer than two classes, or a class has no example.
    """
    if len(dataset.class_names) < 2:
        names = ", ".join(dataset.class_names) or "none"
        raise InputError(
            "Expected at least two classes in {where}, got {n_classes} ({names}). Put the files of each class in a "
            "folder of their own.",
            where=where,
            n_classes=len(dataset.class_names),
            names=names,
        )
    # a class whose examples are all negative can't be trained or tested
    label_sets = [dataset.examples.label_sets[place] for place in np.unique(dataset.examples.label_of)]
    seen = {name for labels in label_sets for name, present in labels.items() if present}
    empty = [name for name in dataset.class_names if name not in seen]
    if empty:
        raise InputError(
            "Expected a usable file in every class of {where}, but there is none in {empty}. Add files, or remove "
            "the folder.",
            where=where,
            empty=", ".join(map(partial(_explain_empty, dataset), empty)),
        )
    return dataset


def _explain_empty(dataset: Dataset, name: str) -> str:
    """Return the name of an empty class, with the first excluded file in its folder and the reason."""
    excluded = next((item for item in dataset.excluded if name in item.file.split("/")), None)
    return f"{name} ({excluded.file}: {excluded.reason})" if excluded else name


def list_visible_files(folder: Path) -> list[Path]:
    """List every visible file below `folder`, sorted by name."""
    (listing,) = list_files([folder])
    return [Path(path) for path in listing.files]


def list_visible_folders(folder: Path) -> list[Path]:
    """List the folders directly in `folder`, sorted by name; hidden ones and the operating system's are no classes.

    Raises
    ------
    InputError
        If the folder can't be opened.
    """
    try:
        with os.scandir(folder) as entries:  # no `Path` for each file, of which there may be a million
            return sorted(folder / entry.name for entry in entries if is_visible(entry.name) and os.path.isdir(entry))
    except OSError as error:
        raise make_unreadable_folder_error(str(folder), error) from None


def find_path(root: Path, *names: str) -> Path:
    """Return the first of `names` that exists below `root`; archives unpack with or without an outer folder.

    Raises
    ------
    InputError
        If none of them exists.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise InputError(
        "Expected {names} in {root}, as in the dataset's archive, but it is missing. Unpack the archive there again.",
        root=root,
        names=names[0],
    )


def read_source(root: Path) -> dict:
    """Read SOURCE.json, which describes where the dataset came from; without one the data was placed by hand."""
    path = root / "SOURCE.json"
    return read_json(path) if path.is_file() else {"source": Message("placed by hand"), "sample": False}
