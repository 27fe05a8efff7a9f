"""GTZAN: 1000 tracks of 30 s, 22,050 Hz mono, 10 genres of 100 each.

Kaggle `andradaolteanu/gtzan-dataset-music-genre-classification`; `Data/genres_original/<genre>/<genre>.000NN.wav`.
jazz.00054 is unreadable in that copy. No licence is stated.

A random split of it puts the same artists on both sides. Two public files make an honest one, where they are in
`splits/`: the fault-filtered lists of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries" (IEEE
Transactions on Multimedia, 2015), which leave out repeated, distorted and mislabelled tracks; and the index of artists
of Sturm, "An Analysis of the GTZAN Music Genre Dataset" (MIRUM, 2012), which names 919 of the 1000. It writes two
artists in two ways; here an artist is one, whatever the capitals, spaces and signs.

As published no list is used, and a hidden folder that holds sound is a class like any other: that is how a published
system came to eleven genres. The groups are artists all the same, since they are facts; it is the split that ignores
them.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from musicml.data.datasets import base
from musicml.data.datasets.base import Dataset, Example, Excluded, Repair
from musicml.data.io import AUDIO_SUFFIXES, list_files
from musicml.utils import Message, make_readable

LISTS = {"train": "train_filtered.txt", "val": "valid_filtered.txt", "test": "test_filtered.txt"}
ARTIST_INDEX = "GTZANindex_sturm.txt"


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load GTZAN from `root`, with artists as groups and the filtered lists as official sides, where they are there."""
    tracks, splits = base.find_path(root, "Data/genres_original", "genres_original", "genres"), root / "splits"
    written = read_artists(splits / ARTIST_INDEX)
    artists, sides = unify_artist_names(written), {} if as_published else read_sides(splits)
    hidden = hidden_folders(tracks)
    genres = sorted(base.list_visible_folders(tracks) + (hidden if as_published else []))
    listings = list_files(genres)
    labels = {genre.name: {genre.name: True} for genre in genres}  # one for all of a genre
    examples = [
        Example(
            path.relative_to(tracks).as_posix(),
            tracks,
            labels[genre.name],
            artists.get(path.stem, path.stem),
            sides.get(path.stem, ""),
        )
        for genre, listing in zip(genres, listings, strict=True)
        for path in select_sounds(map(Path, listing.files))
    ]
    excluded = [
        Excluded(make_readable(os.path.relpath(one.path, tracks)), one.reason)
        for listing in listings
        for one in listing.skipped
    ]
    repairs = [] if as_published else repairs_of(examples, hidden, written)
    dataset = Dataset(
        "gtzan",
        "sound",
        "single",
        "genre",
        tuple(genre.name for genre in genres),
        tuple(examples),
        tuple(excluded),
        source=base.read_source(root),
        notes=(
            Message(
                "{n_artists} tracks have a named artist; each other track is a group of its own", n_artists=len(artists)
            ),
            *(faults_of(hidden) if as_published else notes_on(root, sides, repairs)),
        ),
        repairs=tuple(repairs),
        as_published=as_published,
        lists=tuple(name for name, found in (("filtered", sides), ("artist", artists)) if found),
    )
    return base.check_classes(dataset, tracks)


def sounds(folder: Path) -> list[Path]:
    """The sound files below a folder, sorted."""
    return select_sounds(base.list_visible_files(folder))


def select_sounds(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are sounds by their ending."""
    return [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES]


def hidden_folders(tracks: Path) -> list[Path]:
    """The folders beside the genres that begin with a dot and hold sound, sorted."""
    folders = (path for path in tracks.iterdir() if path.is_dir() and path.name.startswith("."))
    return sorted(path for path in folders if sounds(path))


def repairs_of(examples: list[Example], hidden: list[Path], written: dict[str, str]) -> list[Repair]:
    """Each hidden folder that was passed over, and each track whose artist the index writes otherwise elsewhere."""
    words = Message("a hidden folder is no class, though it holds sound: it was passed over")
    return [Repair("hidden_folder", folder.name, words) for folder in hidden] + [
        Repair(
            "artist_spelling",
            example.id,
            Message(
                "the index writes its artist {written}: the same as {group}",
                written=written[example.path.stem],
                group=example.group,
            ),
        )
        for example in examples
        if written.get(example.path.stem, example.group) != example.group
    ]


def notes_on(root: Path, sides: dict[str, str], repairs: list[Repair]) -> list[str]:
    """What was mended, in counts, and which lists are there."""
    n = Counter(repair.repair for repair in repairs)
    notes = {
        Message("{n} tracks are on the fault-filtered lists", n=len(sides)): sides,
        Message("hidden folders that hold sound and are no class: {n}", n=n["hidden_folder"]): n["hidden_folder"],
        Message("tracks whose artist the index writes in a second way: {n}", n=n["artist_spelling"]): n[
            "artist_spelling"
        ],
        lacking(root): lacking(root),
    }
    return [note for note, holds in notes.items() if note and holds]


def faults_of(hidden: list[Path]) -> list[str]:
    """Which faults stand."""
    return [
        Message("no list of faulty tracks is used, as published"),
        *(
            Message(
                "the hidden folder {name} is a class, with {n_sounds} files, as published",
                name=one.name,
                n_sounds=len(sounds(one)),
            )
            for one in hidden
        ),
    ]


def lacking(root: Path) -> str | None:
    """The sentence that says which lists for an honest split are missing in GTZAN's folder `root`; None if none is."""
    splits = root / "splits"
    missing = [name for name in (*LISTS.values(), ARTIST_INDEX) if not (splits / name).is_file()]
    if not missing:
        return None
    return Message(
        "{splits} must hold {missing} for the splits filtered and artist, and does not: `musicml "
        "fetch gtzan` gets them, or copy them into {splits}.",
        splits=splits,
        missing=", ".join(missing),
    )


def read_artists(index: Path) -> dict[str, str]:
    """Track (`blues.00000`) → artist, from lines of the form `blues.00000.wav ::: artist ::: title`."""
    if not index.is_file():
        return {}
    rows = [
        line.split(":::") for line in index.read_text(encoding="utf-8", errors="replace").splitlines() if ":::" in line
    ]
    return {Path(row[0].strip()).stem: row[1].strip() for row in rows if row[1].strip()}


def unify_artist_names(artists: dict[str, str]) -> dict[str, str]:
    """Track → artist, each artist written as most of their tracks have it.

    >>> unify_artist_names({"a": "Earth Wind and Fire", "b": "Earth Wind and Fire", "c": "Earth, Wind & Fire"})["c"]
    'Earth Wind and Fire'
    """
    spellings: dict[str, Counter] = defaultdict(Counter)
    for name in artists.values():
        spellings[normalize_name(name)][name] += 1
    return {track: spellings[normalize_name(name)].most_common(1)[0][0] for track, name in artists.items()}


def normalize_name(name: str) -> str:
    """A name without capitals, spaces and signs, `&` being `and`; as it is where it has no letters."""
    return re.sub(r"[\W_]", "", name.casefold().replace("&", "and")) or name


def read_sides(folder: Path) -> dict[str, str]:
    """Track → `train`, `val` or `test`, from the three filtered lists, or nothing unless all three are there."""
    lists = {side: folder / name for side, name in LISTS.items()}
    if not all(path.is_file() for path in lists.values()):
        return {}
    return {
        PurePosixPath(line.strip().replace("\\", "/")).stem: side
        for side, path in lists.items()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    }
