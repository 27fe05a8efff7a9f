"""Sight: pictures that are alike, whatever was done to them on their way: another size, crop, colour, or a mirror.

Perceptual hashes propose: a difference hash and a cosine hash, of the whole picture and of what stands before
a plain background. They know no more than coarse light and dark, and take a clarinet on white for a didgeridoo. So two
pictures that they propose are laid over each other (`musicml.data.audit.image_alignment`), and the fine detail decides.
A picture that is turned, or of which less than a third is left, is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicml.data.audit.hamming_search import close

SIDE = 96  # pixels of a thumbnail
SEEN = 256  # pixels of the longer side, from which hashes are made
HASHED = 64  # pixels a side, from there on
HASHES = 8  # of a picture: two kinds of two cuts, straight and mirrored
RADIUS = 10  # of 64 bits
CANDIDATES = 24  # pictures a picture is laid over
EVEN = 2.0  # standard deviation of grey, of 255; below, a picture shows nothing to compare
PLAIN = 20  # of 255: nearer to the border's own grey is background
EDGE = 0.25  # share of the border that may differ from it


@dataclass(frozen=True)
class Marks:
    """What of a picture is kept to compare it.

    Attributes
    ----------
    hashes : np.ndarray [shape=(8, 8)], uint8: the bits of each; the second four are of the mirrored picture
    box : left, top, right and lower end of what stands before a plain background, shares of the sides
    thumbnail : np.ndarray [shape=(96, 96)], uint8, grey
    """

    hashes: np.ndarray
    box: np.ndarray
    thumbnail: np.ndarray


@dataclass(frozen=True)
class Candidate:
    """Two pictures that a hash holds for alike: their places, whether one is mirrored, and how many bits differ."""

    first: int
    second: int
    mirrored: bool
    bits: int


def marks(pixels: np.ndarray) -> bytes:
    """What of a picture, [shape=(height, width, 3)], uint8, is kept to compare it; nothing of one that is even."""
    from PIL import Image, ImageOps

    grey = Image.fromarray(pixels).convert("L")
    grey.thumbnail((SEEN, SEEN), Image.Resampling.BOX)
    small = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
    if np.asarray(small).std() < EVEN:
        return b""
    box = standing_out(np.asarray(grey))
    # both hashes begin by making it smaller, which takes a fifth of the time from here
    cuts = [cut.resize((HASHED, HASHED), Image.Resampling.BOX) for cut in (grey, grey.crop(box))]
    turned = [*cuts, *map(ImageOps.mirror, cuts)]
    made = [one for seen in turned for one in hash_picture(seen)]
    shares = np.array(box, np.float32) / np.array(2 * grey.size, np.float32)
    return b"".join([np.array(made).tobytes(), shares.tobytes(), np.asarray(small).tobytes()])


def hash_picture(grey: Any) -> list[np.ndarray]:
    """The difference hash and the cosine hash of a grey picture of Pillow, [shape=(8,)] each, uint8.

    The first says where of two neighbors the right one is lighter, the second which of the slowest waves are above
    their median. Source: N. Krawetz, "Kind of Like That" and "Looks Like It" (hackerfactor.com, 2013 and 2011).
    """
    import scipy.fft
    from PIL import Image

    few, more = (np.asarray(grey.resize(size, Image.Resampling.LANCZOS)) for size in ((9, 8), (32, 32)))
    waves = scipy.fft.dct(scipy.fft.dct(more, axis=0), axis=1)[:8, :8]
    return [np.packbits(few[:, 1:] > few[:, :-1]), np.packbits(waves > np.median(waves))]


def unpacked(content: bytes) -> Marks:
    """What `marks` packed."""
    hashes, box, thumbnail = np.split(np.frombuffer(content, np.uint8), [8 * HASHES, 8 * HASHES + 16])
    return Marks(hashes.reshape(HASHES, 8), box.view(np.float32), thumbnail.reshape(SIDE, SIDE))


def standing_out(grey: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and lower end of what differs from a plain border; all of the picture where it is not plain."""
    height, width = grey.shape
    grey = grey.astype(int)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ground = np.median(border)
    inside = np.abs(grey - ground) > PLAIN
    if (np.abs(border - ground) > PLAIN).mean() > EDGE:
        return 0, 0, width, height
    rows, columns = (np.flatnonzero(inside.mean(axis=axis) > 0.01) for axis in (1, 0))
    if len(rows) < 0.1 * height or len(columns) < 0.1 * width:  # a speck
        return 0, 0, width, height
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def candidates(seen: Sequence[Marks]) -> list[Candidate]:
    """Which pictures a hash holds for alike, a few a picture at most: the nearest."""
    if len(seen) < 2:
        return []
    hashes = np.stack([one.hashes for one in seen])
    proposed = np.concatenate([proposals(hashes, kind) for kind in (0, 1)])
    # the way with the fewest bits that differ, of each pair
    order = np.lexsort((proposed[:, 2], proposed[:, 3], proposed[:, 1], proposed[:, 0]))
    nearest = proposed[order]
    first_way = np.diff(nearest[:, :2], axis=0, prepend=-1).any(axis=1)
    taken, found = np.zeros(len(seen), int), []
    for one, other, mirrored, bits in sorted(nearest[first_way].tolist(), key=lambda row: row[3]):
        if taken[one] < CANDIDATES and taken[other] < CANDIDATES:
            taken[[one, other]] += 1
            found.append(Candidate(one, other, bool(mirrored), bits))
    return sorted(found, key=lambda found: (found.first, found.second))


def proposals(hashes: np.ndarray, kind: int) -> np.ndarray:
    """Pairs that one kind of hash proposes: [shape=(n, 4)], int: first < second, whether mirrored, bits that differ.

    Parameters
    ----------
    hashes : np.ndarray [shape=(n_pictures, 8, 8)], uint8
    kind : 0 the difference hash, 1 the cosine hash
    """
    n = len(hashes)
    known, asked = hashes[:, kind:4:2], hashes[:, kind::2]  # whole and cut; the same, then both of them mirrored
    pairs = close(asked.reshape(-1, 8), known.reshape(-1, 8), RADIUS)
    one, way = pairs[:, 0] // asked.shape[1], pairs[:, 0] % asked.shape[1]
    found = np.stack([one, pairs[:, 1] // known.shape[1], way // 2, pairs[:, 2]], axis=1)
    return found[(found[:, 0] < found[:, 1]) & (found[:, 1] < n)]
