"""Lookup: many keys at once in sorted arrays, and codes of 64 bits that differ in a few."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

AT_ONCE = 2_000_000  # pairs compared at a time
FULLEST = 1_000  # of a bucket; what shares a band with so many others is found by another band, or not
NEAREST = (
    64  # of what is known, told of each that is asked: where all resemble all, memory must not grow with the square
)
SHUFFLED = np.random.default_rng(0).permutation(64)  # neighbouring bits say nearly the same, and would fill few buckets


def expanded(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ranges from `begin` to `end`, which range each place in them is of, and the place: [shape=(n,)] each, int.

    >>> expanded(np.array([3, 7]), np.array([5, 8]))
    (array([0, 0, 1]), array([3, 4, 7]))
    """
    length = end - begin
    owner = np.repeat(np.arange(len(begin)), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return owner, begin[owner] + within


def close(asked: np.ndarray, known: np.ndarray, radius: int) -> np.ndarray:
    """Which of the asked codes differ from which of the known in at most `radius` of 64 bits.

    Two codes that differ in so few bits are equal in one of `radius + 1` bands of them: only those are compared, and of
    each the nearest few are kept.

    Parameters
    ----------
    asked, known : np.ndarray [shape=(n, 8)] and [shape=(m, 8)], uint8: the bits of each code

    Returns
    -------
    np.ndarray [shape=(n_pairs, 3)], int: the asked one's place, the known one's, and how many bits differ
    """
    found = np.zeros((0, 3), int)
    codes = [np.ascontiguousarray(bits).view(np.uint64)[:, 0] for bits in (asked, known)]
    for band in np.array_split(SHUFFLED, radius + 1):
        ours, theirs = (values(bits, band) for bits in (asked, known))
        order = np.argsort(theirs, kind="stable")
        begin, end = (np.searchsorted(theirs[order], ours, side) for side in ("left", "right"))
        for one, place in in_parts(begin, np.minimum(end, begin + FULLEST)):
            other = order[place]
            differ = np.bitwise_count(codes[0][one] ^ codes[1][other])
            kept = differ <= radius
            rows = np.stack([one[kept], other[kept], differ[kept]], axis=1).astype(int)
            found = nearest(np.unique(np.concatenate([found, nearest(rows)]), axis=0))
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def nearest(rows: np.ndarray, most: int = NEAREST) -> np.ndarray:
    """Of each asked one's rows, [shape=(n, 3)] as `close` gives them, the `most` that differ least."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
    first = np.searchsorted(rows[:, 0], rows[:, 0])
    return rows[np.arange(len(rows)) - first < most]


def values(bits: np.ndarray, band: np.ndarray) -> np.ndarray:
    """The whole numbers that some of each code's bits make, [shape=(n,)], int."""
    return np.unpackbits(bits, axis=1)[:, band].astype(int) @ (1 << np.arange(len(band)))


def in_parts(begin: np.ndarray, end: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What `expanded` gives of ranges, a few at a time; the first array counts through all ranges."""
    total = np.cumsum(end - begin)
    cuts = np.searchsorted(total, np.arange(AT_ONCE, total[-1] if len(total) else 0, AT_ONCE))
    for first, last in zip([0, *cuts], [*cuts, len(begin)], strict=True):
        owner, place = expanded(begin[first:last], end[first:last])
        yield owner + first, place
