"""Find tracks of the same recording, even in another format, at another level or with another beginning.

Two spectral peaks and the time between them make a hash that is rare enough to look up (A. Wang, "An
Industrial-Strength Audio Search Algorithm", ISMIR 2003). Two tracks with several equal hashes at one time offset are
then aligned. For the same recording more than half of the peaks match. For two tracks with the same tune or instrument
fewer do. Loops repeat within a track and may be shared by other tracks, so half of the peaks that do not repeat must
match as well. A version with another tempo or pitch counts as another recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from musicml.data.audit.audio_fingerprint import HOP_LENGTH, SAMPLE_RATE
from musicml.data.audit.hamming_search import expand_ranges

# hashes
MAX_HASHES_PER_PEAK = 6
MIN_GAP, MAX_GAP = 2, 63  # frames between the two peaks of a hash
MAX_INTERVAL = 63  # bins between the two peaks of a hash
MAX_TRACKS_PER_HASH = 12  # a hash in more tracks says nothing
MAX_HASHES = 6_000_000  # of all tracks, in memory at once
MAX_CANDIDATES = 12  # tracks that one track is aligned with
MIN_HASHES = 4  # equal ones at one offset

# alignment
MIN_PEAKS = 15  # that match; a single short note has fewer
MIN_SHARE = 0.55  # of the peaks in the overlap; measured: copies at 64 kbit/s reach 0.57, other tracks 0.45
MIN_UNREPEATED_SHARE = 0.5  # of the peaks that do not repeat, since other tracks may share a loop
MIN_OVERLAP_SHARE = 0.75  # of the peaks of both tracks, if almost all of them repeat
N_REPEATS, MIN_REPEAT_GAP = 8, 3  # time shifts at which a loop repeats, and the frames between two of them
MIN_OVERLAP = 1.0  # seconds
KEY = 4_096  # more than the number of bins, so that frame * KEY + bin identifies a peak


@dataclass(frozen=True)
class Match:
    """Two tracks of the same recording.

    Attributes
    ----------
    first, second : indices of the tracks, first < second
    seconds : how much later the recording begins in the second file; negative if it begins earlier
    n_agree, n_peaks : number of matching peaks, and of all peaks in the overlap
    """

    first: int
    second: int
    seconds: float
    n_agree: int
    n_peaks: int


def find_matches(tracks: Sequence[np.ndarray]) -> list[Match]:
    """Find tracks of the same recording.

    Parameters
    ----------
    tracks : the peaks of each, as `audio_fingerprint.find_peaks` returns them
    """
    matches = []
    for first, second, offset in find_candidates(tracks):
        result = _align(tracks[first], tracks[second], offset)
        if result is not None:
            matches.append(Match(first, second, *result))
    return sorted(matches, key=lambda match: (match.first, match.second))


def _compute_hashes(peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the hashes of a track and the frames at which they begin: [shape=(n,)] each, uint32 and int32.

    Each peak is paired with the next few. A hash holds the first peak's bin, and the bins and frames to the second.
    """
    frames, bins = peaks[:, 0].astype(np.int32), peaks[:, 1].astype(np.int32)
    hashes, begins, n_paired = [], [], np.zeros(len(peaks), int)
    for ahead in range(1, min(len(peaks), 8 * MAX_HASHES_PER_PEAK)):
        gap, interval = frames[ahead:] - frames[:-ahead], bins[ahead:] - bins[:-ahead]
        is_pair = (gap >= MIN_GAP) & (gap <= MAX_GAP) & (np.abs(interval) <= MAX_INTERVAL)
        first = np.flatnonzero(is_pair & (n_paired[:-ahead] < MAX_HASHES_PER_PEAK))
        n_paired[first] += 1
        hashes.append(bins[first] << 13 | interval[first] + MAX_INTERVAL << 6 | gap[first])
        begins.append(frames[first])
    empty = np.zeros(0, np.int32)
    return np.concatenate([empty, *hashes]).astype(np.uint32), np.concatenate([empty, *begins])


def find_candidates(tracks: Sequence[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Find pairs of tracks with several rare hashes at one offset, and the offset in frames."""
    index = HashIndex(tracks)
    for track in range(len(tracks)):
        others, offsets = index.find_shared(track)
        if not len(others):
            continue
        votes, counts = np.unique(np.stack([others, offsets], axis=1), axis=0, return_counts=True)
        # a shift that is no multiple of a frame divides its votes between two offsets
        is_split = (np.diff(votes[:, 0]) == 0) & (np.diff(votes[:, 1]) == 1)
        counts[:-1][is_split] += counts[1:][is_split]
        best: dict[int, int] = {}
        for place in np.argsort(-counts, kind="stable"):
            if counts[place] < MIN_HASHES or len(best) == MAX_CANDIDATES:
                break
            best.setdefault(int(votes[place, 0]), int(votes[place, 1]))
        yield from ((track, other, offset) for other, offset in best.items())


class HashIndex:
    """The hashes of all tracks in sorted arrays, without those that are too common or occur in one track only.

    If memory does not suffice for all hashes, the same values are left out in every track.
    """

    def __init__(self, tracks: Sequence[np.ndarray]):
        n_hashes = MAX_HASHES_PER_PEAK * sum(map(len, tracks))
        self.limit = np.uint32(min(1.0, MAX_HASHES / max(n_hashes, 1)) * (2**32 - 1))
        parts = [self._sample_hashes(track) for track in tracks]
        self.hashes = np.concatenate([hashes for hashes, _ in parts] or [np.zeros(0, np.uint32)])
        self.begins = np.concatenate([begins for _, begins in parts] or [np.zeros(0, np.int32)])
        self.tracks = np.repeat(np.arange(len(tracks), dtype=np.int32), [len(hashes) for hashes, _ in parts])
        order = np.argsort(self.hashes, kind="stable")
        self.hashes, self.begins, self.tracks = self.hashes[order], self.begins[order], self.tracks[order]
        self._keep_rare()

    def _sample_hashes(self, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute a track's hashes, without the values that are left out in every track."""
        hashes, begins = _compute_hashes(track)
        is_sampled = hashes * np.uint32(2_654_435_761) <= self.limit  # Knuth's multiplicative hashing spreads values
        return hashes[is_sampled], begins[is_sampled]

    def _keep_rare(self) -> None:
        """Remove the hashes that occur in one track only, and those in too many."""
        if not len(self.hashes):
            return
        is_first = np.diff(self.hashes, prepend=self.hashes[0] ^ np.uint32(1)) != 0
        is_new_track = is_first | (np.diff(self.tracks, prepend=-1) != 0)  # repeats within a track count once
        hash_number = np.cumsum(is_first) - 1
        n_tracks = np.bincount(hash_number, weights=is_new_track)
        is_rare = (n_tracks[hash_number] > 1) & (n_tracks[hash_number] <= MAX_TRACKS_PER_HASH)
        self.hashes, self.begins, self.tracks = self.hashes[is_rare], self.begins[is_rare], self.tracks[is_rare]
        self.by_track = np.argsort(self.tracks, kind="stable")  # each track's rows, one track after another
        self.ends = np.searchsorted(self.tracks[self.by_track], np.arange(self.tracks.max(initial=-1) + 2))

    def find_shared(self, track: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the hashes that later tracks share with this one.

        Returns
        -------
        others, offsets : the other track, and how many frames later the hash begins there; [shape=(n,)] each
        """
        if not len(self.hashes) or track + 1 >= len(self.ends):
            return np.zeros(0, int), np.zeros(0, int)
        rows = self.by_track[self.ends[track] : self.ends[track + 1]]
        begin, end = (np.searchsorted(self.hashes, self.hashes[rows], side) for side in ("left", "right"))
        own, shared = expand_ranges(begin, end)
        others = self.tracks[shared]
        is_later = others > track  # each pair of tracks is found once
        return others[is_later], self.begins[shared][is_later] - self.begins[rows[own]][is_later]


def _align(one: np.ndarray, other: np.ndarray, offset: int) -> tuple[float, int, int] | None:
    """Align two tracks and count their matching peaks. Return None if they are different recordings.

    Parameters
    ----------
    one, other : their peaks, [shape=(n, 2)]
    offset : frames by which the second track is later

    Returns
    -------
    seconds, n_agree, n_peaks : as in `Match`
    """
    first, second = one.astype(np.int64), other.astype(np.int64) - [offset, 0]
    begin, end = max(first[0, 0], second[0, 0]), min(first[-1, 0], second[-1, 0])
    if (end - begin) * HOP_LENGTH / SAMPLE_RATE < MIN_OVERLAP:
        return None
    first_part, second_part = (part[(part[:, 0] >= begin) & (part[:, 0] <= end)] for part in (first, second))
    keys = second_part[:, 0] * KEY + second_part[:, 1]
    # a peak may move by one frame, since the frames of the two files begin at different samples
    agrees = np.logical_or.reduce(
        [np.isin((first_part[:, 0] + shift) * KEY + first_part[:, 1], keys) for shift in (-1, 0, 1)]
    )
    n_agree, n_peaks = int(agrees.sum()), min(len(first_part), len(second_part))
    if n_agree < MIN_PEAKS or n_agree < MIN_SHARE * n_peaks:
        return None
    is_single = ~(_find_repeated(first_part, second) | _find_repeated(first_part, first))
    if is_single.sum() < MIN_PEAKS:
        if n_peaks < MIN_OVERLAP_SHARE * max(len(one), len(other)):
            return None
    elif agrees[is_single].mean() < MIN_UNREPEATED_SHARE:
        return None
    return offset * HOP_LENGTH / SAMPLE_RATE, min(n_agree, n_peaks), n_peaks


def _find_repeated(peaks: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Find the peaks that occur in a track at other times as well, [shape=(n,)], bool: those of a loop.

    A loop repeats at the time shifts that most peaks have in common.
    """
    order = np.argsort(track[:, 1], kind="stable")
    frames, bins = track[order, 0], track[order, 1]
    peak, place = expand_ranges(*(np.searchsorted(bins, peaks[:, 1], side) for side in ("left", "right")))
    shift = frames[place] - peaks[peak, 0]
    is_repeated, is_left = np.zeros(len(peaks), bool), np.abs(shift) > MIN_REPEAT_GAP
    for _ in range(N_REPEATS):
        peak, shift = peak[is_left], shift[is_left]
        if not len(shift):
            break
        counts = np.convolve(np.bincount(shift - shift.min()), (1, 1, 1), "same")  # one frame more or less
        period = shift.min() + counts.argmax()
        is_repeated[peak[np.abs(shift - period) <= 1]] = True
        is_left = np.abs(shift - period) > MIN_REPEAT_GAP
    return is_repeated
