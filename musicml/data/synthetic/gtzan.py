"""Stand-in for GTZAN as Kaggle keeps it: 480 tracks of 7 s, 22,050 Hz mono, 16 bit; 10 genres of 16 artists.

Without sampled instruments (`renderer`) a track lasts 5 s.
Like the real one it has an unreadable file (jazz.00054, no RIFF file), a hidden folder among the genres, exact copies
(one in disco, metal and reggae each), tracks whose artist is not known, and lists that leave faulty tracks out and keep
artists apart.
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
NUMBERS = 100  # a genre's tracks are numbered 0 to 99
ARTISTS, TRACKS = 16, 3  # a genre; an artist
FEWEST_ARTISTS, FEWEST_TRACKS = 4, 2
SHARES = {"valid": 0.15, "test": 0.25}  # of the artists; the others train
ODD = 1 / 16  # share of the tracks on no list, and of those without a named artist
UNREADABLE = ("jazz", 54)
COPIES = ("disco", "metal", "reggae")  # genres in which one track is there twice
JUNK = b"This is not a RIFF file.\n" + bytes(range(256)) * 8


@dataclass(frozen=True)
class Track:
    """One track: what its name, the index and the lists say of it."""

    genre: str
    number: int
    artist: int  # from 0
    known: bool  # whether the index names the artist
    side: str  # train, valid, test, or nothing where it is on no list
    copy_of: int | None = None  # the number of the track whose bytes it has

    @property
    def name(self) -> str:
        """The file name: `jazz.00054.wav`."""
        return f"{self.genre}.{self.number:05d}.wav"


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the data set into `folder`; `run` maps a function over its jobs."""
    tracks = [track for genre in STYLES for track in plan(genre, seed, scale)]
    originals = folder / "Data" / "genres_original"
    hidden = originals / ".ipynb_checkpoints"
    for name in (*STYLES, hidden.name):
        (originals / name).mkdir(parents=True)
    run(write_track, [(originals, track, seed) for track in tracks if track.copy_of is None])
    for track in tracks:
        if track.copy_of is not None:
            source = f"{track.genre}.{track.copy_of:05d}.wav"
            shutil.copyfile(originals / track.genre / source, originals / track.genre / track.name)
    first = originals / tracks[0].genre / tracks[0].name
    shutil.copyfile(first, hidden / f"{first.stem}-checkpoint.wav")
    write_lists(folder / "splits", tracks)


def plan(genre: str, seed: int, scale: float) -> list[Track]:
    """The tracks of one genre, in order of their numbers; an artist's tracks follow each other."""
    rng = np.random.default_rng([seed, synth.number("gtzan"), synth.number(genre)])
    n_artists = max(FEWEST_ARTISTS, round(ARTISTS * scale**0.5))
    n_tracks = max(FEWEST_TRACKS, round(TRACKS * scale**0.5))
    wanted = UNREADABLE[1] if genre == UNREADABLE[0] else None
    chosen = numbers(n_artists * n_tracks, wanted, rng)
    artists = [place // n_tracks for place in range(len(chosen))]
    sides = sides_of(n_artists, rng)
    if wanted is not None:
        # the unreadable track is on the training list, as it is in the real one
        its, other = artists[chosen.index(wanted)], sides.index("train")
        sides[its], sides[other] = sides[other], sides[its]
    n_odd = max(1, round(ODD * len(chosen)))
    faulty = {artist * n_tracks + n_tracks - 1 for artist in range(n_odd)} - {chosen.index(wanted) if wanted else None}
    unknown = set(rng.choice(len(chosen), n_odd, replace=False).tolist())
    copy = n_tracks - 1 if genre in COPIES else None
    return [
        Track(
            genre,
            number,
            artists[place],
            place not in unknown,
            "" if place in faulty else sides[artists[place]],
            chosen[place - 1] if place == copy else None,
        )
        for place, number in enumerate(chosen)
    ]


def sides_of(n_artists: int, rng: np.random.Generator) -> list[str]:
    """The list on which each artist's tracks are: about 60 % train, 15 % valid, 25 % test."""
    sides = [side for side, share in SHARES.items() for _ in range(max(1, round(share * n_artists)))]
    sides += ["train"] * (n_artists - len(sides))
    return [sides[place] for place in rng.permutation(n_artists)]


def numbers(n_tracks: int, wanted: int | None, rng: np.random.Generator) -> list[int]:
    """`n_tracks` different track numbers in order, among them the `wanted` one."""
    chosen = rng.permutation(NUMBERS).tolist()
    if wanted is not None:
        chosen.remove(wanted)
        chosen.insert(0, wanted)
    return sorted(chosen[:n_tracks])


def write_track(originals: Path, track: Track, seed: int) -> None:
    """Write one track's sound, or the junk that stands for the unreadable one."""
    path = originals / track.genre / track.name
    if (track.genre, track.number) == UNREADABLE:
        path.write_bytes(JUNK)
        return
    who = [seed, synth.number("gtzan"), synth.number(track.genre), track.artist]
    by_artist, by_track = np.random.default_rng(who), np.random.default_rng([*who, track.number])
    seconds = SECONDS if renderer.has_renderer() else NUMPY_SECONDS
    y = band.perform(band.choose_artist(track.genre, by_artist), seconds, SAMPLE_RATE, by_track)
    synth.write_wav(path, y, SAMPLE_RATE)


def write_lists(folder: Path, tracks: Sequence[Track]) -> None:
    """Write the index of artists and titles, and the three lists."""
    lines = ["## Generated by musicml: invented artists and titles of generated tracks.", "##"]
    for track in tracks:
        artist = f" Artist {track.genre} {track.artist + 1}" if track.known else ""
        lines.append(f"{track.name} :::{artist} ::: Piece {track.number}")
    write_text(folder / "GTZANindex_sturm.txt", "\n".join(lines) + "\n")
    for side in ("train", *SHARES):
        listed = [f"{track.genre}/{track.name}\n" for track in tracks if track.side == side]
        write_text(folder / f"{side}_filtered.txt", "".join(listed))
