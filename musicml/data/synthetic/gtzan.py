"""Generate a synthetic GTZAN in the layout of Kaggle's archive: 480 tracks of 7 s in 10 genres of 16 artists.

Sounds are 22,050 Hz mono with 16 bits. Without sampled instruments (`renderer`) a track lasts 5 s.
The errors of the real dataset are included: an unreadable file (jazz.00054), a hidden folder, one duplicate each in
disco, metal and reggae, and tracks by unknown artists. As in the real one, the lists of the splits leave out faulty
tracks, and no artist is in two splits.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicml.data.synthetic import band, renderer, synth
from musicml.data.synthetic.styles import STYLES
from musicml.utils import write_text

SECONDS, NUMPY_SECONDS = 7.0, 5.0
SAMPLE_RATE = 22_050
N_NUMBERS = 100  # the tracks of a genre are numbered 0 to 99
N_ARTISTS, N_TRACKS = 16, 3  # artists per genre, tracks per artist
MIN_ARTISTS, MIN_TRACKS = 4, 2  # at small scales
SPLIT_SHARES = {"valid": 0.15, "test": 0.25}  # of the artists; the others are for training
UNLISTED_SHARE = 1 / 16  # of the tracks that are in no list, and of those without a known artist
UNREADABLE = ("jazz", 54)
DUPLICATED = ("disco", "metal", "reggae")  # genres with one duplicate track
JUNK = b"This is not a RIFF file.\n" + bytes(range(256)) * 8


@dataclass(frozen=True)
class Track:
    """One track with its entries in the index and the lists."""

    genre: str
    number: int
    artist: int  # from 0
    known: bool  # whether the index names the artist
    split: str  # train, valid or test; empty if it is in no list
    copy_of: int | None = None  # the number of the track that it duplicates

    @property
    def name(self) -> str:
        """The file name, such as `jazz.00054.wav`."""
        return f"{self.genre}.{self.number:05d}.wav"


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the dataset into `folder`. `run` maps a function over its jobs."""
    tracks = [track for genre in STYLES for track in plan(genre, seed, scale)]
    originals = folder / "Data" / "genres_original"
    hidden = originals / ".ipynb_checkpoints"
    for name in (*STYLES, hidden.name):
        (originals / name).mkdir(parents=True)
    run(_write_track, [(originals, track, seed) for track in tracks if track.copy_of is None])
    for track in tracks:
        if track.copy_of is not None:
            source = f"{track.genre}.{track.copy_of:05d}.wav"
            shutil.copyfile(originals / track.genre / source, originals / track.genre / track.name)
    first = originals / tracks[0].genre / tracks[0].name
    shutil.copyfile(first, hidden / f"{first.stem}-checkpoint.wav")
    _write_lists(folder / "splits", tracks)


def plan(genre: str, seed: int, scale: float) -> list[Track]:
    """Plan the tracks of one genre in the order of their numbers. The tracks of an artist are consecutive."""
    rng = np.random.default_rng([seed, synth.hash_name("gtzan"), synth.hash_name(genre)])
    n_artists = max(MIN_ARTISTS, round(N_ARTISTS * scale**0.5))
    n_tracks = max(MIN_TRACKS, round(N_TRACKS * scale**0.5))
    unreadable = UNREADABLE[1] if genre == UNREADABLE[0] else None
    numbers = _draw_numbers(n_artists * n_tracks, unreadable, rng)
    artists = [place // n_tracks for place in range(len(numbers))]
    splits = _assign_splits(n_artists, rng)
    if unreadable is not None:
        # the real list of the training split names the unreadable track, so its artist must be for training
        artist, other = artists[numbers.index(unreadable)], splits.index("train")
        splits[artist], splits[other] = splits[other], splits[artist]
    n_odd = max(1, round(UNLISTED_SHARE * len(numbers)))
    unlisted = {artist * n_tracks + n_tracks - 1 for artist in range(n_odd)}
    unlisted -= {numbers.index(unreadable) if unreadable else None}
    unknown = set(rng.choice(len(numbers), n_odd, replace=False).tolist())
    copy = n_tracks - 1 if genre in DUPLICATED else None
    return [
        Track(
            genre,
            number,
            artists[place],
            place not in unknown,
            "" if place in unlisted else splits[artists[place]],
            numbers[place - 1] if place == copy else None,
        )
        for place, number in enumerate(numbers)
    ]


def _assign_splits(n_artists: int, rng: np.random.Generator) -> list[str]:
    """Assign each artist to a split: about 60% train, 15% valid, 25% test."""
    splits = [split for split, share in SPLIT_SHARES.items() for _ in range(max(1, round(share * n_artists)))]
    splits += ["train"] * (n_artists - len(splits))
    return [splits[place] for place in rng.permutation(n_artists)]


def _draw_numbers(n_tracks: int, required: int | None, rng: np.random.Generator) -> list[int]:
    """Draw `n_tracks` different track numbers, in order and with the `required` one."""
    numbers = rng.permutation(N_NUMBERS).tolist()
    if required is not None:
        numbers.remove(required)
        numbers.insert(0, required)
    return sorted(numbers[:n_tracks])


def _write_track(originals: Path, track: Track, seed: int) -> None:
    """Render and write one track, or write junk in place of the unreadable one."""
    path = originals / track.genre / track.name
    if (track.genre, track.number) == UNREADABLE:
        path.write_bytes(JUNK)
        return
    key = [seed, synth.hash_name("gtzan"), synth.hash_name(track.genre), track.artist]
    artist_rng, track_rng = np.random.default_rng(key), np.random.default_rng([*key, track.number])
    seconds = SECONDS if renderer.has_renderer() else NUMPY_SECONDS
    y = band.perform(band.draw_artist(track.genre, artist_rng), seconds, SAMPLE_RATE, track_rng)
    synth.write_wav(path, y, SAMPLE_RATE)


def _write_lists(folder: Path, tracks: Sequence[Track]) -> None:
    """Write the index of artists and titles, and the lists of the three splits."""
    lines = ["## Generated by musicml: invented artists and titles of generated tracks.", "##"]
    for track in tracks:
        artist = f" Artist {track.genre} {track.artist + 1}" if track.known else ""
        lines.append(f"{track.name} :::{artist} ::: Piece {track.number}")
    write_text(folder / "GTZANindex_sturm.txt", "\n".join(lines) + "\n")
    for split in ("train", *SPLIT_SHARES):
        lines = [f"{track.genre}/{track.name}\n" for track in tracks if track.split == split]
        write_text(folder / f"{split}_filtered.txt", "".join(lines))
