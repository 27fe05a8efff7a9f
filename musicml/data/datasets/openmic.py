"""OpenMIC-2018: 20,000 clips of 10 s, 20 instruments, several at once, 41,268 of 400,000 cells observed.

Humphrey, Durand and McFee, "OpenMIC-2018: an open dataset for multiple instrument recognition" (ISMIR 2018);
Zenodo record 1432913, CC BY 4.0. Official split01: 14,915 training and 5,085 test clips.

A cell that nobody judged is not a negative: it is stored as 0.5, and every figure here leaves it out. A judged cell
is positive where its relevance is above 0.5; exactly 0.5 counts as negative, as in the authors' own baseline.

As published, in a students' system, the stored 0.5 of a cell that nobody judged was read as positive (`>= 0.5`), and
only the clips whose voice was judged were used: nearly all of the 20 targets of a clip are then positive, and so is
whatever guesses so.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from musicml.data.datasets.base import Dataset, Example, Excluded, Repair, check_classes, find_path, read_source
from musicml.utils import InputError, Message, read_csv, read_json

Relevances = dict[str, dict[str, float]]  # clip → instrument → how sure its listeners were, in 0..1
STAND_IN = Message("the VGGish features are a stand-in of the same shape, made from band energies")
UNJUDGED = 0.5  # what the release stores in a cell that nobody judged
ASKED = "voice"  # the one class whose judged clips the published system used


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load OpenMIC-2018 from `root`, with artists as groups and the official split."""
    home = find_path(root, "openmic-2018/audio", "audio").parent
    order = read_json(find_path(home, "class-map.json"))
    names = tuple(sorted(order, key=order.get))
    relevances = read_relevances(find_path(home, "openmic-2018-aggregated-labels.csv"))
    paths = {path.stem: path.relative_to(home).as_posix() for path in sorted((home / "audio").glob("*/*.ogg"))}
    excluded = left_out(relevances, paths, as_published)
    relevances = {key: cells for key, cells in relevances.items() if file_of(key) not in excluded}
    labels = read_as_published(relevances, names) if as_published else judged(relevances)
    known = read_csv(find_path(home, "openmic-2018-metadata.csv"), "sample_key", "artist_id")
    artists = {row["sample_key"]: row["artist_id"] for row in known}
    sides = read_sides(home)
    examples = [
        Example(key, home, labels[key], f"artist {artists.get(key) or key}", sides.get(key, ""), paths[key])
        for key in sorted(labels)
    ]
    source = read_source(root)
    notes = faults_of(relevances, names) if as_published else notes_on(relevances)
    dataset = Dataset(
        "openmic",
        "sound",
        "multi",
        "instrument",
        names,
        tuple(examples),
        tuple(Excluded(*item) for item in sorted(excluded.items())),
        source,
        (*notes, STAND_IN) if source.get("sample") else tuple(notes),
        () if as_published else tuple(repairs_of(relevances)),
        as_published,
        ("official", "artist"),
        read_vggish(home, [example.id for example in examples]),
    )
    return check_classes(dataset, home)


def file_of(key: str) -> str:
    """Where the release keeps the sound of a clip."""
    return f"audio/{key[:3]}/{key}.ogg"


def left_out(relevances: Relevances, paths: Mapping[str, str], as_published: bool) -> dict[str, Message]:
    """File → why it is left out, of the labelled clips."""
    unasked = {
        file_of(key): Message("nobody judged {asked}", asked=ASKED)
        for key, cells in relevances.items()
        if ASKED not in cells
    }
    gone = {file_of(key): Message("labelled but not on the disk") for key in relevances if key not in paths}
    return (unasked if as_published else {}) | gone


def judged(relevances: Relevances) -> dict[str, dict[str, bool]]:
    """Clip → instrument → present, for the judged cells alone; a tie counts as absent."""
    return {key: {name: value > 0.5 for name, value in cells.items()} for key, cells in relevances.items()}


def read_as_published(relevances: Relevances, names: tuple[str, ...]) -> dict[str, dict[str, bool]]:
    """Clip → each instrument → present, a cell that nobody judged being present like a tie."""
    return {key: {name: cells.get(name, UNJUDGED) >= 0.5 for name in names} for key, cells in relevances.items()}


def ties(relevances: Relevances) -> list[tuple[str, str]]:
    """Clip and instrument of each judged cell that is exactly at 0.5."""
    return [(key, name) for key in sorted(relevances) for name, value in relevances[key].items() if value == 0.5]


def repairs_of(relevances: Relevances) -> list[Repair]:
    """What the rule for ties decided, cell by cell."""
    return [
        Repair("tie", key, Message("relevance 0.5 of {name} counts as absent", name=name))
        for key, name in ties(relevances)
    ]


def notes_on(relevances: Relevances) -> list[str]:
    """What the rule for ties decided, in counts."""
    return [
        Message(
            "{n_ties} judged cells have a relevance of exactly 0.5 and count as negative", n_ties=len(ties(relevances))
        )
    ]


def faults_of(relevances: Relevances, names: tuple[str, ...]) -> list[str]:
    """Which faults stand, in counts."""
    n_unjudged = sum(name not in cells for cells in relevances.values() for name in names)
    n = len(relevances) * len(names)
    return [
        Message(
            "{n_unjudged} of {n} cells are read as positive though nobody judged them, as published",
            n_unjudged=n_unjudged,
            n=n,
        ),
        Message(
            "{n_ties} judged cells have a relevance of exactly 0.5 and count as positive, as published",
            n_ties=len(ties(relevances)),
        ),
        Message(
            "only the clips in which {asked} was judged are used, as published: {n_relevances}",
            asked=ASKED,
            n_relevances=len(relevances),
        ),
    ]


def read_relevances(path: Path) -> Relevances:
    """What the table of labels says of the judged cells; the others are in no row."""
    found: Relevances = defaultdict(dict)
    for row in read_csv(path, "sample_key", "instrument", "relevance"):
        try:
            found[row["sample_key"]][row["instrument"]] = float(row["relevance"])
        except (TypeError, ValueError):
            raise InputError(
                "{path} must hold numbers as relevance, and {sample_key} has {relevance}: put the file back as it was.",
                path=path,
                sample_key=row["sample_key"],
                relevance=row["relevance"],
            ) from None
    return dict(found)


def read_sides(home: Path) -> dict[str, str]:
    """Clip → `train` or `test`, by the official split."""
    return {
        key: side
        for side in ("train", "test")
        for key in find_path(home, f"partitions/split01_{side}.csv").read_text().split()
    }


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
