"""Find pairs of 64-bit codes within a small Hamming distance, without comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CHUNK_SIZE = 2_000_000  # pairs compared at a time
MAX_BUCKET = 1_000  # codes with the same band; the others are found by another band or not at all
MAX_NEIGHBORS = 64  # per query, so that memory does not grow with the square where all codes are similar
SHUFFLED_BITS = np.random.default_rng(0).permutation(64)  # neighboring bits are correlated and would fill few buckets


def expand_ranges(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List all indices in ranges from `begin` to `end`, with the range of each: [shape=(n,)] both, int.

    >>> expand_ranges(np.array([3, 7]), np.array([5, 8]))
    (array([0, 0, 1]), array([3, 4, 7]))
    """
    length = end - begin
    owner = np.repeat(np.arange(len(begin)), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return owner, begin[owner] + within


def find_neighbors(queries: np.ndarray, codes: np.ndarray, radius: int) -> np.ndarray:
    """Find the codes that differ from a query in at most `radius` of 64 bits.

    The bits are divided into `radius + 1` bands. By the pigeonhole principle, two codes that differ in `radius` bits
    are equal in at least one band, so only codes with an equal band are compared. Each query keeps its nearest
    `MAX_NEIGHBORS`.

    Parameters
    ----------
    queries, codes : np.ndarray [shape=(n, 8)] and [shape=(m, 8)], uint8: the bits of each code

    Returns
    -------
    np.ndarray [shape=(n_pairs, 3)], int: index of the query, index of the code, number of different bits
    """
    pairs = np.zeros((0, 3), int)
    query_words, code_words = (np.ascontiguousarray(bits).view(np.uint64)[:, 0] for bits in (queries, codes))
    for band in np.array_split(SHUFFLED_BITS, radius + 1):
        query_keys, code_keys = (_extract_band(bits, band) for bits in (queries, codes))
        order = np.argsort(code_keys, kind="stable")
        begin, end = (np.searchsorted(code_keys[order], query_keys, side) for side in ("left", "right"))
        for query, place in _expand_in_chunks(begin, np.minimum(end, begin + MAX_BUCKET)):
            code = order[place]
            distance = np.bitwise_count(query_words[query] ^ code_words[code])
            is_near = distance <= radius
            rows = np.stack([query[is_near], code[is_near], distance[is_near]], axis=1).astype(int)
            pairs = _keep_nearest(np.unique(np.concatenate([pairs, _keep_nearest(rows)]), axis=0))
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _keep_nearest(rows: np.ndarray, n: int = MAX_NEIGHBORS) -> np.ndarray:
    """Keep the `n` nearest codes of each query, among rows [shape=(n, 3)] of `find_neighbors`."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
    first = np.searchsorted(rows[:, 0], rows[:, 0])
    return rows[np.arange(len(rows)) - first < n]


def _extract_band(bits: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Read some of each code's bits as an integer, [shape=(n,)], int."""
    return np.unpackbits(bits, axis=1)[:, band].astype(int) @ (1 << np.arange(len(band)))


def _expand_in_chunks(begin: np.ndarray, end: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Expand ranges as `expand_ranges`, a chunk at a time. Range numbers count through all chunks."""
    total = np.cumsum(end - begin)
    cuts = np.searchsorted(total, np.arange(CHUNK_SIZE, total[-1] if len(total) else 0, CHUNK_SIZE))
    for first, last in zip([0, *cuts], [*cuts, len(begin)], strict=True):
        owner, place = expand_ranges(begin[first:last], end[first:last])
        yield owner + first, place
