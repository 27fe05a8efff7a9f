"""GTZAN: 1000 tracks of 30 s, 22,050 Hz mono, 10 genres of 100 each.

Kaggle `andradaolteanu/gtzan-dataset-music-genre-classification`; `Data/genres_original/<genre>/<genre>.000NN.wav`.
jazz.00054 is unreadable in that copy. No licence is stated.

A random split of it puts the same artists on both sides. Two public files make an honest one, where they are in
`splits/`: the fault-filtered lists of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries" (IEEE
Transactions on Multimedia, 2015), which leave out repeated, distorted and mislabelled tracks; and the index of artists
of Sturm, "An Analysis of the GTZAN Music Genre Dataset" (MIRUM, 2012), which names 919 of the 1000.
"""

from __future__ import annotations

from pathlib import Path

from musicml import audio
from musicml.datasets.base import Dataset, Example, check_classes, find, source_of, visible_files, visible_folders

LISTS = {"train": "train_filtered.txt", "val": "valid_filtered.txt", "test": "test_filtered.txt"}
INDEX = "GTZANindex_sturm.txt"


def load(root: Path) -> Dataset:
    """Load GTZAN from `root`, with artists as groups and the filtered lists as official sides, where they are there."""
    tracks = find(root, "Data/genres_original", "genres_original", "genres")
    artists, sides = read_artists(root / "splits" / INDEX), read_sides(root / "splits")
    genres = visible_folders(tracks)
    examples = [
        Example(
            f"{genre.name}/{path.name}",
            path,
            {genre.name: True},
            artists.get(path.stem, path.stem),
            sides.get(path.stem, ""),
        )
        for genre in genres
        for path in visible_files(genre)
        if path.suffix.lower() in audio.SUFFIXES
    ]
    notes = [f"{len(artists)} tracks have a named artist; each other track is a group of its own"]
    if sides:
        notes.append(f"{len(sides)} tracks are on the fault-filtered lists")
    dataset = Dataset(
        "gtzan",
        "sound",
        "single",
        "genre",
        tuple(genre.name for genre in genres),
        tuple(examples),
        source=source_of(root),
        notes=tuple(notes),
    )
    return check_classes(dataset, tracks)


def read_artists(index: Path) -> dict[str, str]:
    """Track (`blues.00000`) → artist, from lines of the form `blues.00000.wav ::: artist ::: title`."""
    if not index.is_file():
        return {}
    rows = [
        line.split(":::") for line in index.read_text(encoding="utf-8", errors="replace").splitlines() if ":::" in line
    ]
    return {Path(row[0].strip()).stem: row[1].strip() for row in rows if row[1].strip()}


def read_sides(folder: Path) -> dict[str, str]:
    """Track → `train`, `val` or `test`, from the three filtered lists, or nothing unless all three are there."""
    lists = {side: folder / name for side, name in LISTS.items()}
    if not all(path.is_file() for path in lists.values()):
        return {}
    return {
        Path(line.strip()).stem: side
        for side, path in lists.items()
        for line in path.read_text().splitlines()
        if line.strip()
    }
