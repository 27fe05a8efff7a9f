"""Recordings: tracks that are one recording, whatever was done to it on its way: another format, gain, or beginning.

Two landmarks and the time between them make a hash that is rare enough to look up (Wang, "An Industrial-Strength Audio
Search Algorithm", ISMIR 2003). Two tracks with several hashes at one offset are then laid over each other: of one
recording more than half of the landmarks agree, of two that share a tune or an instrument fewer. What comes again and
again in a track, as a drum loop does, may come in others too, so of the rest half must agree as well. What is played
faster or higher is taken for another recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from musicml.data.audit.audio_fingerprint import HOP, SAMPLE_RATE
from musicml.data.audit.hamming_search import expanded

FAN = 6  # hashes a peak begins
NEAREST, FARTHEST = 2, 63  # frames from one peak of a hash to the other
WIDEST = 63  # bins between them
POPULAR = 12  # tracks with the same hash; from more on it tells nothing
MOST_HASHES = 6_000_000  # of all tracks, in memory at once
CANDIDATES = 12  # tracks a track is laid over
FEWEST_HASHES = 4  # at one offset

FEWEST = 15  # peaks that agree; a single short note has fewer
SHARE = 0.55  # of the peaks where both sound; measured, copies at 64 kbit/s reach 0.57, other tracks 0.45
SINGLE = 0.5  # of those that come once: what comes again, as a loop does, may come in other tracks too
WHOLE = 0.75  # of both tracks must be heard in both, where nearly all of it comes again
LOOPS, BESIDE = 8, 3  # times at which a loop comes again, and so many frames from one to another at least
OVERLAP = 1.0  # seconds
KEY = 4_096  # more than there are bins, so that frame * KEY + bin names a peak


@dataclass(frozen=True)
class Match:
    """Two tracks that are one recording.

    Attributes
    ----------
    first, second : places among the tracks, first < second
    seconds : how much later the second's sound comes in its file; negative where it comes earlier
    agree, of : how many peaks agree, of how many where both sound
    """

    first: int
    second: int
    seconds: float
    agree: int
    of: int


def matches(tracks: Sequence[np.ndarray]) -> list[Match]:
    """Which tracks are one recording.

    Parameters
    ----------
    tracks : what `find` gave of each
    """
    found = []
    for first, second, offset in candidates(tracks):
        match = laid(tracks[first], tracks[second], offset)
        if match is not None:
            found.append(Match(first, second, *match))
    return sorted(found, key=lambda match: (match.first, match.second))


def hashes(peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of a track and the frames at which they begin: [shape=(n,)] each, uint32 and int32.

    Each peak goes with the next few; a hash is the first one's bin, the bins to the other and the frames to it.
    """
    frames, bins = peaks[:, 0].astype(np.int32), peaks[:, 1].astype(np.int32)
    made, begins, n_begun = [], [], np.zeros(len(peaks), int)
    for ahead in range(1, min(len(peaks), 8 * FAN)):
        apart, up = frames[ahead:] - frames[:-ahead], bins[ahead:] - bins[:-ahead]
        fits = (apart >= NEAREST) & (apart <= FARTHEST) & (np.abs(up) <= WIDEST) & (n_begun[:-ahead] < FAN)
        chosen = np.flatnonzero(fits)
        n_begun[chosen] += 1
        made.append(bins[chosen] << 13 | up[chosen] + WIDEST << 6 | apart[chosen])
        begins.append(frames[chosen])
    empty = np.zeros(0, np.int32)
    return np.concatenate([empty, *made]).astype(np.uint32), np.concatenate([empty, *begins])


def candidates(tracks: Sequence[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Pairs of tracks with several rare hashes at one offset, and the offset in frames; a dozen a track at most."""
    index = Index(tracks)
    for track in range(len(tracks)):
        others, offsets = index.heard(track)
        if not len(others):
            continue
        # a beginning between two frames spreads over two offsets
        votes, counts = np.unique(np.stack([others, offsets], axis=1), axis=0, return_counts=True)
        beside = (np.diff(votes[:, 0]) == 0) & (np.diff(votes[:, 1]) == 1)
        counts[:-1][beside] += counts[1:][beside]
        best: dict[int, int] = {}
        for place in np.argsort(-counts, kind="stable"):
            if counts[place] < FEWEST_HASHES or len(best) == CANDIDATES:
                break
            best.setdefault(int(votes[place, 0]), int(votes[place, 1]))
        yield from ((track, other, offset) for other, offset in best.items())


class Index:
    """Which tracks have a hash, and when: arrays in order of the hashes, without those that are popular or alone.

    Where there are too many for the memory, hashes of certain values are left out, the same in every track.
    """

    def __init__(self, tracks: Sequence[np.ndarray]):
        n_hashes = FAN * sum(map(len, tracks))
        self.limit = np.uint32(min(1.0, MOST_HASHES / max(n_hashes, 1)) * (2**32 - 1))
        found = [self.sampled(track) for track in tracks]
        self.hashes = np.concatenate([made for made, _ in found] or [np.zeros(0, np.uint32)])
        self.begins = np.concatenate([begins for _, begins in found] or [np.zeros(0, np.int32)])
        self.tracks = np.repeat(np.arange(len(tracks), dtype=np.int32), [len(made) for made, _ in found])
        order = np.argsort(self.hashes, kind="stable")
        self.hashes, self.begins, self.tracks = self.hashes[order], self.begins[order], self.tracks[order]
        self.keep_rare()

    def sampled(self, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A track's hashes, or those of them that every track keeps."""
        made, begins = hashes(track)
        kept = made * np.uint32(2_654_435_761) <= self.limit  # Knuth's multiplicative hashing spreads the values
        return made[kept], begins[kept]

    def keep_rare(self) -> None:
        """Leave out the hashes of one track alone, and those of too many."""
        if not len(self.hashes):
            return
        first = np.diff(self.hashes, prepend=self.hashes[0] ^ np.uint32(1)) != 0
        another = first | (np.diff(self.tracks, prepend=-1) != 0)  # a track's own repetitions count once
        of_hash = np.cumsum(first) - 1
        n_tracks = np.bincount(of_hash, weights=another)
        kept = (n_tracks[of_hash] > 1) & (n_tracks[of_hash] <= POPULAR)
        self.hashes, self.begins, self.tracks = self.hashes[kept], self.begins[kept], self.tracks[kept]
        self.own = np.argsort(self.tracks, kind="stable")  # each track's rows, one track after another
        self.ends = np.searchsorted(self.tracks[self.own], np.arange(self.tracks.max(initial=-1) + 2))

    def heard(self, track: int) -> tuple[np.ndarray, np.ndarray]:
        """The later tracks that share a hash with this one and how many frames later it comes: [shape=(n,)] each."""
        if not len(self.hashes) or track + 1 >= len(self.ends):
            return np.zeros(0, int), np.zeros(0, int)
        rows = self.own[self.ends[track] : self.ends[track + 1]]
        begin, end = (np.searchsorted(self.hashes, self.hashes[rows], side) for side in ("left", "right"))
        ours, theirs = expanded(begin, end)
        others = self.tracks[theirs]
        later = others > track
        return others[later], self.begins[theirs][later] - self.begins[rows[ours]][later]


def laid(one: np.ndarray, other: np.ndarray, offset: int) -> tuple[float, int, int] | None:
    """How well two tracks agree where both sound, laid over each other; None where they do not.

    Parameters
    ----------
    one, other : their peaks, [shape=(n, 2)]
    offset : frames from a moment's place in the first to its place in the second

    Returns
    -------
    seconds, agree, of : as in `Match`
    """
    ours, theirs = one.astype(np.int64), other.astype(np.int64) - [offset, 0]
    begin, end = max(ours[0, 0], theirs[0, 0]), min(ours[-1, 0], theirs[-1, 0])
    if (end - begin) * HOP / SAMPLE_RATE < OVERLAP:
        return None
    both, shared = (part[(part[:, 0] >= begin) & (part[:, 0] <= end)] for part in (ours, theirs))
    places = shared[:, 0] * KEY + shared[:, 1]
    agrees = np.logical_or.reduce([np.isin((both[:, 0] + by) * KEY + both[:, 1], places) for by in (-1, 0, 1)])
    agree, of = int(agrees.sum()), min(len(both), len(shared))
    if agree < FEWEST or agree < SHARE * of:
        return None
    single = ~(recurring(both, theirs) | recurring(both, ours))
    if single.sum() < FEWEST:
        if of < WHOLE * max(len(one), len(other)):
            return None
    elif agrees[single].mean() < SINGLE:
        return None
    return offset * HOP / SAMPLE_RATE, min(agree, of), of


def recurring(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which of our peaks a track has at other times as well, [shape=(n,)], bool: those of a loop.

    The times at which a loop comes again are those at which most peaks do.
    """
    order = np.argsort(theirs[:, 1], kind="stable")
    frames, bins = theirs[order, 0], theirs[order, 1]
    one, place = expanded(*(np.searchsorted(bins, ours[:, 1], side) for side in ("left", "right")))
    apart = frames[place] - ours[one, 0]
    found, far = np.zeros(len(ours), bool), np.abs(apart) > BESIDE
    for _ in range(LOOPS):
        one, apart = one[far], apart[far]
        if not len(apart):
            break
        counts = np.convolve(np.bincount(apart - apart.min()), (1, 1, 1), "same")  # one frame more or less
        again = apart.min() + counts.argmax()
        found[one[np.abs(apart - again) <= 1]] = True
        far = np.abs(apart - again) > BESIDE
    return found
