"""OpenMIC-2018: 20,000 clips of 10 s, 20 instruments, several at once, 41,268 of 400,000 cells observed.

Humphrey, Durand and McFee, "OpenMIC-2018: an open dataset for multiple instrument recognition" (ISMIR 2018);
Zenodo record 1432913, CC BY 4.0. Official split01: 14,915 training and 5,085 test clips.

A cell that nobody judged is not a negative: it is stored as 0.5, and every figure here leaves it out. A judged cell
is positive where its relevance is above 0.5; exactly 0.5 counts as negative, as in the authors' own baseline.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from musicml import files
from musicml.datasets.base import Dataset, Example, Excluded, check_classes, find, source_of

STAND_IN = "the VGGish features are a stand-in of the same shape, made from band energies"


def load(root: Path) -> Dataset:
    """Load OpenMIC-2018 from `root`, with artists as groups and the official split."""
    home = find(root, "openmic-2018/audio", "audio").parent
    order = json.loads(find(home, "class-map.json").read_text())
    names = tuple(sorted(order, key=order.get))
    labels, ties = read_labels(find(home, "openmic-2018-aggregated-labels.csv"))
    artists = {row["sample_key"]: row["artist_id"] for row in files.read_csv(find(home, "openmic-2018-metadata.csv"))}
    sides = {
        key: side
        for side in ("train", "test")
        for key in find(home, f"partitions/split01_{side}.csv").read_text().split()
    }
    paths = {path.stem: path for path in sorted((home / "audio").glob("*/*.ogg"))}
    examples = [
        Example(key, paths[key], labels[key], f"artist {artists.get(key) or key}", sides.get(key, ""))
        for key in sorted(labels)
        if key in paths
    ]
    excluded = [
        Excluded(f"audio/{key[:3]}/{key}.ogg", "labelled but not on the disk")
        for key in sorted(labels)
        if key not in paths
    ]
    source = source_of(root)
    notes = [f"{ties} judged cells have a relevance of exactly 0.5 and count as negative"]
    if source.get("sample"):
        notes.append(STAND_IN)
    dataset = Dataset(
        "openmic",
        "sound",
        "multi",
        "instrument",
        names,
        tuple(examples),
        tuple(excluded),
        source,
        tuple(notes),
        read_vggish(home, [example.id for example in examples]),
    )
    return check_classes(dataset, home)


def read_labels(path: Path) -> tuple[dict[str, dict[str, bool]], int]:
    """Clip → instrument → present, for the judged cells; and how many of them are exactly at 0.5."""
    labels: dict[str, dict[str, bool]] = defaultdict(dict)
    ties = 0
    for row in files.read_csv(path):
        relevance = float(row["relevance"])
        labels[row["sample_key"]][row["instrument"]] = relevance > 0.5
        ties += relevance == 0.5
    return dict(labels), ties


def read_vggish(home: Path, keys: list[str]) -> np.ndarray | None:
    """The release's features, [shape=(n_examples, 10, 128)], uint8; None where no table and no JSON is there."""
    table = home / "openmic-2018.npz"
    if table.is_file():
        with np.load(table, allow_pickle=False) as arrays:
            try:
                places = {str(key): place for place, key in enumerate(arrays["sample_key"])}
            except ValueError:  # a pickled key column is never opened: the JSON files say the same
                places = {}
            if all(key in places for key in keys):
                return arrays["X"][[places[key] for key in keys]]
    rows = {path.stem: path for path in (home / "vggish").glob("*/*.json")}
    if not all(key in rows for key in keys):
        return None
    return np.array([json.loads(rows[key].read_text())["features"] for key in keys], dtype=np.uint8)
