"""Build tables of a dataset, or of the data of a run, once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np

from dashboard import layout, runs
from dashboard.caching import cache_by, cache_data, stamp_file, stamp_runs
from dashboard.datasets import LoadedDataset
from dashboard.runs import RunView
from musicml.data.datasets import SPLITS, Dataset
from musicml.data.io import AudioSource, load_image, open_stream
from musicml.utils import InputError

MAX_ROWS = 1000  # of a table
MAX_MEASURED = 500  # files whose duration is read
SIDES = (*SPLITS, "")  # the empty name stands for examples that are in no split


@dataclass(frozen=True)
class Chosen:
    """Hold what the user chose: a dataset, or the data of a run.

    Attributes
    ----------
    loaded : the dataset; None where its files are no longer on the disk
    view : the run; None for a dataset of the disk
    key : a cache key, which changes when the data changes
    """

    loaded: LoadedDataset | None
    view: RunView | None
    key: tuple

    @property
    def files(self) -> LoadedDataset:
        """The dataset with its examples by name; only where its files exist."""
        if self.loaded is None:
            raise LookupError(self.key)
        return self.loaded

    @property
    def dataset(self) -> Dataset:
        """The dataset; only where its files exist."""
        return self.files.dataset


@cache_by(attrgetter("key"), max_entries=6, ttl=600)
def get_columns(chosen: Chosen) -> dict[str, np.ndarray]:
    """Return the ids, groups, targets and splits of all examples; a run's own splits for a run's data."""
    examples = chosen.dataset.examples
    own = {row["example"]: row["split"] for row in _read_split_rows(chosen.view)} if chosen.view else {}
    return {
        "ids": np.array([example.id for example in examples], dtype=object),
        "groups": chosen.dataset.groups,
        "targets": chosen.dataset.targets(),
        "sides": np.array([own.get(e.id, "") if chosen.view else e.split for e in examples], dtype=object),
    }


@cache_by(stamp_runs("split.csv"), max_entries=6)
def _read_split_rows(view: RunView) -> list[dict[str, str]]:
    """Read the usable rows of a run's split.csv."""
    return [row for row in runs.read_table(view, "split.csv") if row.get("example") and row.get("split") in SPLITS]


@cache_by(attrgetter("key"), max_entries=8, ttl=600)
def count_group_sides(chosen: Chosen) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the groups, their example counts per split [shape=(n_groups, n_sides)], and the splits."""
    if chosen.view:
        rows = _read_split_rows(chosen.view)
        who = np.array([row.get("group") or row["example"] for row in rows], dtype=str)
        where = np.array([row["split"] for row in rows], dtype=str)
    else:
        held = get_columns(chosen)
        who, where = held["groups"].astype(str), held["sides"].astype(str)
    sides = tuple(name for name in SIDES if (where == name).any())
    names, place = np.unique(who, return_inverse=True)  # place: the group's index for each example
    counted = [np.bincount(place[where == name], minlength=len(names)) for name in sides]
    return names, np.array(counted, dtype=int).reshape(len(sides), len(names)).T, sides


def find_crossing_groups(held: np.ndarray, sides: Sequence[str]) -> np.ndarray:
    """Return which groups are in two splits, [shape=(n_groups,)]; having no split does not count."""
    real = [k for k, name in enumerate(sides) if name]
    return (held[:, real] > 0).sum(axis=1) > 1


@cache_by(attrgetter("key"), cache_data, max_entries=8)
def measure_lengths(chosen: Chosen) -> tuple[np.ndarray, int]:
    """Return the seconds of evenly chosen files, and how many of them have an unknown length."""
    examples = chosen.dataset.examples
    # evenly spread, because neighbors often share a class
    places = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), MAX_MEASURED)).astype(int))
    found = [_read_seconds(examples[place].path) for place in places]
    return np.array([seconds for seconds in found if seconds]), sum(not seconds for seconds in found)


def _read_seconds(path: Path) -> float:
    """Read a sound's length from its header; 0 where the header has none."""
    try:
        with open_stream(AudioSource(path, path.name)) as stream:
            return stream.claimed / stream.sample_rate  # the header's number of samples; nothing is decoded
    except (InputError, OSError):
        return 0.0


@cache_by(stamp_file, cache_data, max_entries=200)
def read_image_size(path: Path) -> tuple[int, int]:
    """Read the height and width of a picture in pixels."""
    return load_image(path).pixels.shape[:2]


def list_excluded(chosen: Chosen) -> list[tuple[str, str]]:
    """List the files that a dataset or a run excluded, with the reasons, and the test files that a run can't read."""
    if chosen.view is None:
        return [(row.file, row.reason) for row in chosen.dataset.excluded]
    rows = [(row.get("file") or "", row.get("reason") or "") for row in runs.read_table(chosen.view, "excluded.csv")]
    lost = chosen.view.report.unreadable if chosen.view.report else []
    return rows + [_split_reason(words) for words in lost]


def _split_reason(words: str) -> tuple[str, str]:
    """Split what a report says of an unreadable file into its name and the reason."""
    values = getattr(words, "values", {})
    if values.keys() == {"name", "error"}:
        return str(values["name"]), values["error"]
    name, _, reason = words.partition(":")
    return name.strip(), reason.strip()


def get_split_name(name: str) -> str:
    """Return a split's name in the chosen language."""
    return layout.get_words("data")(f"side_{name or 'none'}")
