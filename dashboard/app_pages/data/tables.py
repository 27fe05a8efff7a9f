"""Build tables of a dataset, or of the data of a run, once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dashboard import runs
from dashboard.caching import cache_data, cache_resource
from dashboard.datasets import LoadedDataset
from dashboard.runs import RunView
from musicml.data.datasets import SPLITS, Dataset
from musicml.data.io import AudioSource, load_image, open_stream
from musicml.utils import InputError

MAX_MEASURED = 500  # files whose length is read, at most
SIDES = (*SPLITS, "")  # to be on none has no name


@dataclass(frozen=True)
class Chosen:
    """Hold what the user chose: a dataset, or the data of a run.

    Attributes
    ----------
    loaded : its examples; None where they are no longer on the disk
    one : the run, if it is a run's
    key : what tells it from all others, and from itself before a change
    """

    loaded: LoadedDataset | None
    one: RunView | None
    key: tuple

    @property
    def files(self) -> LoadedDataset:
        """The dataset with its examples, where its files exist."""
        if self.loaded is None:
            raise LookupError(self.key)
        return self.loaded

    @property
    def dataset(self) -> Dataset:
        """The dataset, where its files exist."""
        return self.files.dataset


def make_key(loaded: LoadedDataset, name: str) -> tuple:
    """Return a dataset's cache key, which changes when the dataset is read again."""
    examples = loaded.dataset.examples
    return name, len(examples), str(examples[0].path) if examples else "", loaded.number


@cache_resource(max_entries=6, ttl=600)
def get_columns(key: tuple, _chosen: Chosen) -> dict[str, np.ndarray]:
    """Return the ids, groups, targets and splits of all examples; a run's own splits for a run's data."""
    examples = _chosen.dataset.examples
    own = get_sides(_chosen)
    return {
        "ids": np.array([example.id for example in examples], dtype=object),
        "groups": _chosen.dataset.groups,
        "targets": _chosen.dataset.targets(),
        "sides": np.array([own.get(e.id, "") if _chosen.one else e.split for e in examples], dtype=object),
    }


def get_sides(chosen: Chosen) -> dict[str, str]:
    """Return each example's split in the run."""
    return {row["example"]: row["split"] for row in _get_split_rows(chosen.one)} if chosen.one else {}


def _get_split_rows(one: RunView) -> list[dict[str, str]]:
    """Return the usable rows of a run's split.csv."""
    rows = _read_split(str(one.run.path), runs.get_stamp(one.run.path, "split.csv"), one)
    return [row for row in rows if row.get("example") and row.get("split") in SPLITS]


@cache_resource(max_entries=6)
def _read_split(path: str, changed: tuple[float, ...], _one: RunView) -> list[dict[str, str]]:
    """Read the rows of split.csv."""
    return runs.read_table(_one, "split.csv")


@cache_data(max_entries=20, ttl=600)
def count_groups(key: tuple, _chosen: Chosen) -> int:
    """Count the groups of a dataset."""
    return len({example.group for example in _chosen.dataset.examples})


@cache_resource(max_entries=8, ttl=600)
def count_group_sides(key: tuple, _chosen: Chosen) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the groups, their example counts per split [shape=(n_groups, n_sides)], and the splits."""
    if _chosen.one:
        rows = _get_split_rows(_chosen.one)
        who = np.array([row.get("group") or row["example"] for row in rows], dtype=str)
        where = np.array([row["split"] for row in rows], dtype=str)
    else:
        held = get_columns(key, _chosen)
        who, where = held["groups"].astype(str), held["sides"].astype(str)
    sides = tuple(name for name in SIDES if (where == name).any())
    names, place = np.unique(who, return_inverse=True)
    counted = np.zeros((len(names), len(sides)), dtype=int)
    for k, name in enumerate(sides):
        counted[:, k] = np.bincount(place[where == name], minlength=len(names))
    return names, counted, sides


def find_crossing_groups(held: np.ndarray, sides: Sequence[str]) -> np.ndarray:
    """Return which groups are in two splits, [shape=(n_groups,)]; having no split does not count."""
    real = [k for k, name in enumerate(sides) if name]
    return (held[:, real] > 0).sum(axis=1) > 1


@cache_data(max_entries=8)
def measure_lengths(key: tuple, _chosen: Chosen) -> tuple[np.ndarray, int]:
    """Return the seconds of evenly chosen files, and how many of them have an unknown length."""
    examples = _chosen.dataset.examples
    places = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), MAX_MEASURED)).astype(int))
    found = [_read_seconds(examples[place].path) for place in places]
    return np.array([seconds for seconds in found if seconds]), sum(not seconds for seconds in found)


def _read_seconds(path: Path) -> float:
    """Read a sound's length from its header; 0 where the header has none."""
    try:
        with open_stream(AudioSource(path, path.name)) as stream:
            return stream.claimed / stream.sample_rate
    except (InputError, OSError):
        return 0.0


@cache_data(max_entries=200)
def read_image_size(path: str, changed: float) -> tuple[int, int]:
    """Read the height and width of a picture in pixels."""
    return load_image(path).pixels.shape[:2]


def list_excluded(one: RunView) -> list[tuple[str, str]]:
    """List the files that a run excluded, and the test files that it could not read."""
    rows = [(row.get("file") or "", row.get("reason") or "") for row in runs.read_table(one, "excluded.csv")]
    lost = one.report.unreadable if one.report else []
    parts = [str(words).partition(":") for words in lost]
    return rows + [(name.strip(), reason.strip()) for name, _, reason in parts]
