"""GTZAN: 1,000 tracks of 30 s, 22,050 Hz mono, 10 genres of 100 tracks each.

Kaggle `andradaolteanu/gtzan-dataset-music-genre-classification`; `Data/genres_original/<genre>/<genre>.000NN.wav`.
jazz.00054 is unreadable in that copy. No license is stated.

A random split puts tracks of the same artist in train and test. Two public lists in `splits/` make an honest split:
the fault-filtered lists of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries" (IEEE Transactions on
Multimedia, 2015), which omit repeated, distorted and mislabeled tracks; and the artist index of Sturm, "An Analysis of
the GTZAN Music Genre Dataset" (MIRUM, 2012), which names the artists of 919 tracks. It spells two artists in two ways;
here artists are compared without regard to case, spaces and punctuation.

As published, no list is used, and a hidden folder with audio counts as a class: that is how a published system came to
eleven genres. The groups are the artists all the same, but an ungrouped split ignores them.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from musicml.data.datasets import base
from musicml.data.datasets.base import Dataset, Excluded, Repair
from musicml.data.datasets.examples import Example, Examples
from musicml.data.io import AUDIO_SUFFIXES, list_files
from musicml.utils import Message, make_readable

# split → its file in splits/
LISTS = {"train": "train_filtered.txt", "val": "valid_filtered.txt", "test": "test_filtered.txt"}
ARTIST_INDEX = "GTZANindex_sturm.txt"


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load GTZAN from `root`, with artists as groups and the filtered lists as official splits, if they exist."""
    tracks, splits = base.find_path(root, "Data/genres_original", "genres_original", "genres"), root / "splits"
    index = read_artists(splits / ARTIST_INDEX)
    artists, split_of = unify_artist_names(index), {} if as_published else _read_splits(splits)
    hidden = _find_hidden_folders(tracks)  # some copies of the data contain one
    genres = sorted(base.list_visible_folders(tracks) + (hidden if as_published else []))
    listings = list_files(genres)
    labels = {genre.name: {genre.name: True} for genre in genres}  # one dict per genre saves memory
    examples = Examples(
        Example(
            path.relative_to(tracks).as_posix(),
            tracks,
            labels[genre.name],
            artists.get(path.stem, path.stem),  # the group; an unknown artist is a group of its own
            split_of.get(path.stem, ""),
        )
        for genre, listing in zip(genres, listings, strict=True)
        for path in _select_sounds(map(Path, listing.files))
    )
    excluded = [
        Excluded(make_readable(os.path.relpath(item.path, tracks)), item.reason)
        for listing in listings
        for item in listing.skipped
    ]
    repairs = [] if as_published else _list_repairs(examples, hidden, index)
    dataset = Dataset(
        "gtzan",
        "sound",
        "single",
        "genre",
        tuple(genre.name for genre in genres),
        examples,
        tuple(excluded),
        source=base.read_source(root),
        notes=(
            Message(
                "the artist of {n_artists} tracks is known; each other track is a group of its own",
                n_artists=len(artists),
            ),
            *(_list_faults(hidden) if as_published else _list_notes(root, split_of, repairs)),
        ),
        repairs=tuple(repairs),
        as_published=as_published,
        lists=tuple(name for name, entries in (("filtered", split_of), ("artist", artists)) if entries),
    )
    return base.check_classes(dataset, tracks)


def _list_sounds(folder: Path) -> list[Path]:
    """List the audio files below a folder, sorted."""
    return _select_sounds(base.list_visible_files(folder))


def _select_sounds(paths: Iterable[Path]) -> list[Path]:
    """Return the paths with an audio file extension."""
    return [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES]


def _find_hidden_folders(tracks: Path) -> list[Path]:
    """Return the folders next to the genres that begin with a dot and contain audio, sorted."""
    folders = (path for path in tracks.iterdir() if path.is_dir() and path.name.startswith("."))
    return sorted(path for path in folders if _list_sounds(path))


def _list_repairs(examples: Examples, hidden: list[Path], index: dict[str, str]) -> list[Repair]:
    """List the hidden folders that were skipped, and the tracks whose artist has another spelling in the index."""
    words = Message("a hidden folder with audio is not a class: it was skipped")
    return [Repair("hidden_folder", folder.name, words) for folder in hidden] + [
        Repair(
            "artist_spelling",
            example.id,
            Message(
                "the index spells its artist {written}: treated as {group}",
                written=index[example.path.stem],
                group=example.group,
            ),
        )
        for example in examples
        if index.get(example.path.stem, example.group) != example.group
    ]


def _list_notes(root: Path, split_of: dict[str, str], repairs: list[Repair]) -> list[str]:
    """Count the corrections, and name the lists that were found or are missing."""
    n = Counter(repair.repair for repair in repairs)
    notes = {
        Message("{n} tracks are on the fault-filtered lists", n=len(split_of)): split_of,
        Message("hidden folders with audio, which are not classes: {n}", n=n["hidden_folder"]): n["hidden_folder"],
        Message("tracks whose artist has a second spelling in the index: {n}", n=n["artist_spelling"]): n[
            "artist_spelling"
        ],
        describe_missing_lists(root): describe_missing_lists(root),
    }
    return [note for note, holds in notes.items() if note and holds]


def _list_faults(hidden: list[Path]) -> list[str]:
    """Describe the errors that are kept when the data is loaded as published."""
    return [
        Message("no list of faulty tracks is used, as published"),
        *(
            Message(
                "the hidden folder {name} is a class, with {n_sounds} files, as published",
                name=folder.name,
                n_sounds=len(_list_sounds(folder)),
            )
            for folder in hidden
        ),
    ]


def describe_missing_lists(root: Path) -> str | None:
    """Describe which split lists are missing in GTZAN's folder `root`; None if none is."""
    splits = root / "splits"
    missing = [name for name in (*LISTS.values(), ARTIST_INDEX) if not (splits / name).is_file()]
    if not missing:
        return None
    return Message(
        "Missing in {splits}: {missing}, needed for the splits filtered and artist. Run `musicml fetch gtzan`, or "
        "copy them there.",
        splits=splits,
        missing=", ".join(missing),
    )


def read_artists(index: Path) -> dict[str, str]:
    """Read track (`blues.00000`) → artist, from lines of the form `blues.00000.wav ::: artist ::: title`."""
    if not index.is_file():
        return {}
    rows = [
        line.split(":::") for line in index.read_text(encoding="utf-8", errors="replace").splitlines() if ":::" in line
    ]
    return {Path(row[0].strip()).stem: row[1].strip() for row in rows if row[1].strip()}


def unify_artist_names(artists: dict[str, str]) -> dict[str, str]:
    """Return track → artist, with each artist in the most frequent spelling.

    >>> unify_artist_names({"a": "Earth Wind and Fire", "b": "Earth Wind and Fire", "c": "Earth, Wind & Fire"})["c"]
    'Earth Wind and Fire'
    """
    spellings: dict[str, Counter] = defaultdict(Counter)  # normalized name → how often each spelling occurs
    for name in artists.values():
        spellings[_normalize_name(name)][name] += 1
    return {track: spellings[_normalize_name(name)].most_common(1)[0][0] for track, name in artists.items()}


def _normalize_name(name: str) -> str:
    """Remove case, spaces and punctuation from a name, and read `&` as `and`; a name without letters is kept."""
    return re.sub(r"[\W_]", "", name.casefold().replace("&", "and")) or name


def _read_splits(folder: Path) -> dict[str, str]:
    """Read track → `train`, `val` or `test` from the three filtered lists; empty unless all three exist."""
    lists = {split: folder / name for split, name in LISTS.items()}
    if not all(path.is_file() for path in lists.values()):  # an incomplete set would drop whole splits
        return {}
    return {
        PurePosixPath(line.strip().replace("\\", "/")).stem: split
        for split, path in lists.items()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    }
