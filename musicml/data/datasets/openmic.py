"""OpenMIC-2018: 20,000 clips of 10 s with 20 instruments, multi-label; 41,268 of the 400,000 labels are known.

Humphrey, Durand and McFee, "OpenMIC-2018: an open dataset for multiple instrument recognition" (ISMIR 2018);
Zenodo record 1432913, CC BY 4.0. Official split01: 14,915 training and 5,085 test clips.

An unknown label is not a negative one. The release stores it as 0.5, and every metric here ignores it. A known label
is positive if its relevance is above 0.5; exactly 0.5 is negative, as in the authors' own baseline.

As published, a student project read the stored 0.5 as positive (`>= 0.5`), and used only the clips with a known label
for voice. Then nearly all 20 targets of a clip are positive, and a model that always predicts "present" looks good.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from musicml.data.datasets.base import Dataset, Excluded, Repair, check_classes, find_path, read_source
from musicml.data.datasets.examples import Example, Examples
from musicml.utils import InputError, Message, read_csv, read_json

Relevances = dict[str, dict[str, float]]  # clip → instrument → confidence of the annotators, in 0..1
SYNTHETIC_VGGISH = Message("the VGGish features are synthetic: band energies in an array of the same shape")
UNKNOWN = 0.5  # the value that the release stores for an unknown label
REQUIRED = "voice"  # the published system used only the clips with a known label for it


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load OpenMIC-2018 from `root`, with artists as groups and the official split."""
    home = find_path(root, "openmic-2018/audio", "audio").parent
    order = read_json(find_path(home, "class-map.json"))
    # the release defines the order of the classes
    names = tuple(sorted(order, key=order.get))
    relevances = read_relevances(find_path(home, "openmic-2018-aggregated-labels.csv"))
    paths = {path.stem: path.relative_to(home).as_posix() for path in sorted((home / "audio").glob("*/*.ogg"))}
    excluded = _list_excluded(relevances, paths, as_published)
    relevances = {key: cells for key, cells in relevances.items() if get_file(key) not in excluded}
    labels = _read_labels_as_published(relevances, names) if as_published else threshold_relevances(relevances)
    metadata = read_csv(find_path(home, "openmic-2018-metadata.csv"), "sample_key", "artist_id")
    # groups: the same artist is never in train and test
    artists = {row["sample_key"]: row["artist_id"] for row in metadata}
    split_of = _read_splits(home)
    examples = Examples(
        Example(key, home, labels[key], f"artist {artists.get(key) or key}", split_of.get(key, ""), paths[key])
        for key in sorted(labels)
    )
    source = read_source(root)
    notes = _list_faults(relevances, names) if as_published else _list_notes(relevances)
    dataset = Dataset(
        "openmic",
        "sound",
        "multi",
        "instrument",
        names,
        examples,
        tuple(Excluded(*item) for item in sorted(excluded.items())),
        source,
        (*notes, SYNTHETIC_VGGISH) if source.get("sample") else tuple(notes),
        () if as_published else tuple(_list_repairs(relevances)),
        as_published,
        ("official", "artist"),
        read_vggish(home, list(examples.ids)),
    )
    return check_classes(dataset, home)


def get_file(key: str) -> str:
    """Return the path of a clip's audio within the release."""
    return f"audio/{key[:3]}/{key}.ogg"


def _list_excluded(relevances: Relevances, paths: Mapping[str, str], as_published: bool) -> dict[str, Message]:
    """Return file → reason for the labeled clips that are excluded."""
    unlabeled = {
        get_file(key): Message("no known label for {name}", name=REQUIRED)
        for key, cells in relevances.items()
        if REQUIRED not in cells
    }
    missing = {get_file(key): Message("labeled but not on the disk") for key in relevances if key not in paths}
    return (unlabeled if as_published else {}) | missing


def threshold_relevances(relevances: Relevances) -> dict[str, dict[str, bool]]:
    """Return clip → instrument → present, for the known labels only; a tie counts as absent."""
    return {key: {name: value > 0.5 for name, value in cells.items()} for key, cells in relevances.items()}


def _read_labels_as_published(relevances: Relevances, names: tuple[str, ...]) -> dict[str, dict[str, bool]]:
    """Return clip → instrument → present for all instruments; unknown labels and ties count as present."""
    return {key: {name: cells.get(name, UNKNOWN) >= 0.5 for name in names} for key, cells in relevances.items()}


def find_ties(relevances: Relevances) -> list[tuple[str, str]]:
    """Return clip and instrument of each known label with a relevance of exactly 0.5."""
    return [(key, name) for key in sorted(relevances) for name, value in relevances[key].items() if value == 0.5]


def _list_repairs(relevances: Relevances) -> list[Repair]:
    """List the ties, which were set to absent."""
    return [
        Repair("tie", key, Message("relevance 0.5 of {name} counts as absent", name=name))
        for key, name in find_ties(relevances)
    ]


def _list_notes(relevances: Relevances) -> list[str]:
    """Count the ties."""
    return [
        Message(
            "{n_ties} known labels have a relevance of exactly 0.5 and count as negative",
            n_ties=len(find_ties(relevances)),
        )
    ]


def _list_faults(relevances: Relevances, names: tuple[str, ...]) -> list[str]:
    """Describe the errors that are kept when the data is loaded as published, with counts."""
    n_unknown = sum(name not in cells for cells in relevances.values() for name in names)
    n = len(relevances) * len(names)
    return [
        Message("{n_unknown} of {n} labels are unknown and read as positive, as published", n_unknown=n_unknown, n=n),
        Message(
            "{n_ties} known labels have a relevance of exactly 0.5 and count as positive, as published",
            n_ties=len(find_ties(relevances)),
        ),
        Message(
            "only the {n_clips} clips with a known label for {name} are used, as published",
            name=REQUIRED,
            n_clips=len(relevances),
        ),
    ]


def read_relevances(path: Path) -> Relevances:
    """Read the relevance of each known label; unknown labels have no row in the table."""
    relevances: Relevances = defaultdict(dict)
    for row in read_csv(path, "sample_key", "instrument", "relevance"):
        try:
            relevances[row["sample_key"]][row["instrument"]] = float(row["relevance"])
        except (TypeError, ValueError):
            raise InputError(
                "Expected a number as relevance in {path}, but {sample_key} has {relevance}. Restore the "
                "original file.",
                path=path,
                sample_key=row["sample_key"],
                relevance=row["relevance"],
            ) from None
    return dict(relevances)


def _read_splits(home: Path) -> dict[str, str]:
    """Return clip → `train` or `test`, from the official split."""
    return {
        key: split
        for split in ("train", "test")
        for key in find_path(home, f"partitions/split01_{split}.csv").read_text().split()
    }


def read_vggish(home: Path, keys: list[str]) -> np.ndarray | None:
    """Read the VGGish features of the release, [shape=(n_examples, 10, 128)], uint8; None if it has none."""
    table = home / "openmic-2018.npz"
    if table.is_file():
        with np.load(table, allow_pickle=False) as arrays:  # pickled arrays could run code
            try:
                places = {str(key): place for place, key in enumerate(arrays["sample_key"])}
            except ValueError:  # pickled keys are not loaded, which would run code: the JSON files hold the same
                places = {}
            if all(key in places for key in keys):
                return arrays["X"][[places[key] for key in keys]]
    rows = {path.stem: path for path in (home / "vggish").glob("*/*.json")}  # the original release has a JSON per clip
    if not all(key in rows for key in keys):
        return None
    return np.array([json.loads(rows[key].read_text())["features"] for key in keys], dtype=np.uint8)
