"""Holdings: what a data set holds, or the data of a run: tables that are made once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import runs
from dashboard.datasets import LoadedDataset
from dashboard.runs import RunView
from musicml.data.datasets import SPLITS, Dataset
from musicml.data.io import load_image, open_stream
from musicml.utils import InputError

MAX_MEASURED = 500  # files whose length is read, at most
SIDES = (*SPLITS, "")  # to be on none has no name


@dataclass(frozen=True)
class Chosen:
    """What the reader looks at: a data set, or the data of a run.

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
    def dataset(self) -> Dataset:
        """The data set itself, where it is there."""
        return self.loaded.dataset


def make_key(loaded: LoadedDataset, name: str) -> tuple:
    """What tells a data set from others; for the caches, which are emptied when it is read anew."""
    examples = loaded.dataset.examples
    return name, len(examples), str(examples[0].path) if examples else "", loaded.number


@st.cache_resource(max_entries=6, ttl=600, show_spinner=False)
def get_columns(key: tuple, _chosen: Chosen) -> dict[str, np.ndarray]:
    """Ids, groups, targets and sides of all examples; a run's own sides where it is a run's data."""
    examples = _chosen.dataset.examples
    own = get_sides(_chosen)
    return {
        "ids": np.array([example.id for example in examples], dtype=object),
        "groups": _chosen.dataset.groups,
        "targets": _chosen.dataset.targets(),
        "sides": np.array([own.get(e.id, "") if _chosen.one else e.split for e in examples], dtype=object),
    }


def get_sides(chosen: Chosen) -> dict[str, str]:
    """Example → side, by the run."""
    return {row["example"]: row["split"] for row in _get_split_rows(chosen)} if chosen.one else {}


def _get_split_rows(chosen: Chosen) -> list[dict[str, str]]:
    """The rows of a run's split.csv that say something."""
    rows = _read_split(str(chosen.one.run.path), runs.get_stamp(chosen.one.run.path, "split.csv"), chosen.one)
    return [row for row in rows if row.get("example") and row.get("split") in SPLITS]


@st.cache_resource(max_entries=6, show_spinner=False)
def _read_split(path: str, changed: tuple[float, ...], _one: RunView) -> list[dict[str, str]]:
    """The rows of split.csv."""
    return runs.read_table(_one, "split.csv")


@st.cache_data(max_entries=20, ttl=600, show_spinner=False)
def count_groups(key: tuple, _chosen: Chosen) -> int:
    """How many groups a data set has."""
    return len({example.group for example in _chosen.dataset.examples})


@st.cache_resource(max_entries=8, ttl=600, show_spinner=False)
def count_group_sides(key: tuple, _chosen: Chosen) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Groups, how many examples of each are on each side [shape=(n_groups, n_sides)], and the sides."""
    if _chosen.one:
        rows = _get_split_rows(_chosen)
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
    """Which groups stand on two sides, [shape=(n_groups,)]; to stand on none is no side."""
    real = [k for k, name in enumerate(sides) if name]
    return (held[:, real] > 0).sum(axis=1) > 1


@st.cache_data(max_entries=8, show_spinner=False)
def measure_lengths(key: tuple, _chosen: Chosen) -> tuple[np.ndarray, int]:
    """Seconds of files spread evenly over the list, and how many of them do not say how long they are."""
    examples = _chosen.dataset.examples
    places = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), MAX_MEASURED)).astype(int))
    found = [_read_seconds(examples[place].path) for place in places]
    return np.array([seconds for seconds in found if seconds]), sum(not seconds for seconds in found)


def _read_seconds(path: Path) -> float:
    """How long a sound claims to be, by its header alone; 0 where that can't be told."""
    try:
        with open_stream(path, path.name) as (stream, _, _):
            return stream.claimed / stream.sample_rate
    except (InputError, OSError):
        return 0.0


@st.cache_data(max_entries=200, show_spinner=False)
def read_image_size(path: str, changed: float) -> tuple[int, int]:
    """Height and width of a picture, pixels."""
    return load_image(path).pixels.shape[:2]


def list_excluded(one: RunView) -> list[tuple[str, str]]:
    """Files that a run left out, and test files that could not be read when it was scored."""
    rows = [(row.get("file") or "", row.get("reason") or "") for row in runs.read_table(one, "excluded.csv")]
    lost = (one.report or {}).get("unreadable") or []
    return rows + [tuple(part.strip() for part in str(words).partition(":")[::2]) for words in lost]
