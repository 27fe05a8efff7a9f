"""Image hashes: propose pictures that may show the same photograph in another size, crop, color or mirrored.

Each picture gets a difference hash and a cosine hash (pHash), of the whole and of the object before a plain background.
Such hashes only see coarse light and dark, and confuse a clarinet on white with a didgeridoo. So every proposed pair is
aligned, and its fine details decide (`musicml.data.audit.image_alignment`). A rotated picture, or a crop of less than a
third, is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicml.data.audit.hamming_search import find_neighbors

THUMBNAIL_SIZE = 96  # pixels a side
MAX_SIDE = 256  # pixels of the reduced picture, from which all else is made
HASH_INPUT_SIZE = 64  # pixels a side, of the input of the hashes
N_HASHES = 8  # per picture: two kinds of two crops, original and mirrored
RADIUS = 10  # of 64 bits
MAX_CANDIDATES = 24  # pictures that one picture is aligned with
MIN_DEVIATION = 2.0  # standard deviation of gray levels (0 to 255); below, there is nothing to compare
MAX_BACKGROUND_DIFFERENCE = 20  # gray levels between the background and the median of the border
MAX_BORDER_SHARE = 0.25  # of the border that may differ from a plain background


@dataclass(frozen=True)
class ImageFingerprint:
    """The data of a picture that a comparison needs.

    Attributes
    ----------
    hashes : np.ndarray [shape=(8, 8)], uint8: the bits of each; the last four are of the mirrored picture
    box : left, top, right and bottom of the object before a plain background, relative to the sides
    thumbnail : np.ndarray [shape=(96, 96)], uint8, gray
    """

    hashes: np.ndarray
    box: np.ndarray
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Candidate:
    """Two pictures with similar hashes: their indices, whether one is mirrored, and how many bits differ."""

    first: int
    second: int
    mirrored: bool
    bits: int


def compute_fingerprint(pixels: np.ndarray) -> bytes:
    """Compute the packed `ImageFingerprint` of a picture, which is empty for a picture of one color.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8
    """
    from PIL import Image, ImageOps

    gray = Image.fromarray(pixels).convert("L")
    gray.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
    thumbnail = gray.resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    if np.asarray(thumbnail).std() < MIN_DEVIATION:
        return b""
    box = find_object(np.asarray(gray))
    # the hashes reduce their input further; from a small input that takes a fifth of the time
    size = (HASH_INPUT_SIZE, HASH_INPUT_SIZE)
    crops = [crop.resize(size, Image.Resampling.BOX) for crop in (gray, gray.crop(box))]
    hashes = [bits for crop in [*crops, *map(ImageOps.mirror, crops)] for bits in _hash_picture(crop)]
    relative_box = np.array(box, np.float32) / np.array(2 * gray.size, np.float32)
    return b"".join([np.array(hashes).tobytes(), relative_box.tobytes(), np.asarray(thumbnail).tobytes()])


def _hash_picture(gray: Any) -> list[np.ndarray]:
    """Compute the difference hash and the cosine hash of a gray Pillow image, [shape=(8,)] each, uint8.

    The first marks the pixels that are darker than their right neighbor. The second marks the low frequencies of a
    cosine transform that are above their median. Source: N. Krawetz, "Kind of Like That" and "Looks Like It"
    (hackerfactor.com, 2013 and 2011).
    """
    import scipy.fft
    from PIL import Image

    small, large = (np.asarray(gray.resize(size, Image.Resampling.LANCZOS)) for size in ((9, 8), (32, 32)))
    low = scipy.fft.dct(scipy.fft.dct(large, axis=0), axis=1)[:8, :8]
    return [np.packbits(small[:, 1:] > small[:, :-1]), np.packbits(low > np.median(low))]


def unpack_fingerprint(content: bytes) -> ImageFingerprint:
    """Unpack the bytes of `compute_fingerprint`."""
    hashes, box, thumbnail = np.split(np.frombuffer(content, np.uint8), [8 * N_HASHES, 8 * N_HASHES + 16])
    return ImageFingerprint(
        hashes.reshape(N_HASHES, 8), box.view(np.float32), thumbnail.reshape(THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    )


def find_object(gray: np.ndarray) -> tuple[int, int, int, int]:
    """Find the left, top, right and bottom of the object before a plain border, else of the whole picture."""
    height, width = gray.shape
    gray = gray.astype(int)
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    background = np.median(border)
    is_object = np.abs(gray - background) > MAX_BACKGROUND_DIFFERENCE
    if (np.abs(border - background) > MAX_BACKGROUND_DIFFERENCE).mean() > MAX_BORDER_SHARE:
        return 0, 0, width, height
    rows, columns = (np.flatnonzero(is_object.mean(axis=axis) > 0.01) for axis in (1, 0))
    if len(rows) < 0.1 * height or len(columns) < 0.1 * width:  # only a speck
        return 0, 0, width, height
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def find_candidates(pictures: Sequence[ImageFingerprint]) -> list[Candidate]:
    """Find the pairs with the most similar hashes, at most `MAX_CANDIDATES` per picture."""
    if len(pictures) < 2:
        return []
    hashes = np.stack([picture.hashes for picture in pictures])
    rows = np.concatenate([_propose_pairs(hashes, kind) for kind in (0, 1)])
    # of each pair keep the comparison with the fewest different bits
    rows = rows[np.lexsort((rows[:, 2], rows[:, 3], rows[:, 1], rows[:, 0]))]
    is_first = np.diff(rows[:, :2], axis=0, prepend=-1).any(axis=1)
    n_taken, candidates = np.zeros(len(pictures), int), []
    for first, second, mirrored, bits in sorted(rows[is_first].tolist(), key=lambda row: row[3]):
        if n_taken[first] < MAX_CANDIDATES and n_taken[second] < MAX_CANDIDATES:
            n_taken[[first, second]] += 1
            candidates.append(Candidate(first, second, bool(mirrored), bits))
    return sorted(candidates, key=lambda candidate: (candidate.first, candidate.second))


def _propose_pairs(hashes: np.ndarray, kind: int) -> np.ndarray:
    """Propose pairs by one kind of hash.

    Parameters
    ----------
    hashes : np.ndarray [shape=(n_pictures, 8, 8)], uint8
    kind : 0 for the difference hash, 1 for the cosine hash

    Returns
    -------
    np.ndarray [shape=(n, 4)], int: first < second, whether mirrored, number of different bits
    """
    n = len(hashes)
    codes, queries = hashes[:, kind:4:2], hashes[:, kind::2]  # whole and object; for queries also mirrored
    pairs = find_neighbors(queries.reshape(-1, 8), codes.reshape(-1, 8), RADIUS)
    first, variant = pairs[:, 0] // queries.shape[1], pairs[:, 0] % queries.shape[1]
    rows = np.stack([first, pairs[:, 1] // codes.shape[1], variant // 2, pairs[:, 2]], axis=1)
    return rows[(rows[:, 0] < rows[:, 1]) & (rows[:, 1] < n)]
