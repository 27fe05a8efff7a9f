"""Overlay: two pictures laid over each other, moved and stretched until they fit best, and how well they fit.

Lucas and Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision" (IJCAI 1981), with
two scales, two shifts, and a gain and an offset of the light; first on 32 pixels a side, then on 96. What decides is
the correlation of the finest detail: of one photograph it is 0.85 and more, of two that only resemble each other less.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicml.data.audit import image_hash

COARSE, FINE = 32, 96  # pixels a side
STEPS = {COARSE: 10, FINE: 12}
SMOOTH = {COARSE: 0.8, FINE: 1.0}  # pixels, of what is fitted
DETAIL = {COARSE: (0.0, 1.5), FINE: (0.4, 1.5)}  # pixels: the blur that is kept, and the one taken away
WORTH = 0.6  # detail's correlation on 32 pixels, to go on
ALIKE = 0.84  # on 96: measured on 3,300 photographs of instruments, others reach 0.83
DOUBTED = 0.5  # from there up to it, the second picture is laid under the first as well
LEAST = 0.35  # share of the second picture that must lie on the first
STRIDE = 0.06  # of the side, at most, in one step
STRETCH = (0.4, 2.5)


class Place(NamedTuple):
    """Where the second picture's point x lies on the first: at scale * x + shift, from the middle, in sides."""

    across: float = 1.0
    down: float = 1.0
    right: float = 0.0
    below: float = 0.0


def fit_marks(job: tuple[bytes, bytes, bool]) -> float:
    """`fit` of two pictures by what `image_hash.marks` packed of them, the first one mirrored or not."""
    one, other = (image_hash.unpacked(content) for content in job[:2])
    if not job[2]:
        return fit(one.thumbnail, other.thumbnail, one.box, other.box)
    left, top, right, lower = one.box
    return fit(one.thumbnail[:, ::-1], other.thumbnail, np.array([1 - right, top, 1 - left, lower]), other.box)


def fit(one: np.ndarray, other: np.ndarray, box: np.ndarray, other_box: np.ndarray) -> float:
    """How well two pictures fit where they do best: the correlation of their detail; 0 where they hardly do.

    Parameters
    ----------
    one, other : np.ndarray [shape=(96, 96)], uint8, grey
    box, other_box : what of each stands before a plain background: left, top, right, lower end as shares
    """
    fits = fit_on(one, other, box, other_box)
    # the larger of two crops may miss the smaller one, and yet be found from it
    return max(fits, fit_on(other, one, other_box, box)) if DOUBTED < fits < ALIKE else fits


def fit_on(one: np.ndarray, other: np.ndarray, box: np.ndarray, other_box: np.ndarray) -> float:
    """How well the second picture fits where it is laid on the first; as `fit`."""
    small, small_other = (picture.reshape(COARSE, 3, COARSE, 3).mean(axis=(1, 3)) for picture in (one, other))
    begins = {Place(), on_each_other(box, other_box)}
    tried = [tried_at(COARSE, small, small_other, begin) for begin in sorted(begins)]
    worth, place = max(tried, key=lambda result: result[0])
    return tried_at(FINE, one, other, place)[0] if worth > WORTH else 0.0


def on_each_other(box: np.ndarray, other: np.ndarray) -> Place:
    """The place at which what stands out of the one picture covers what does of the other."""
    box, other = box.astype(float), other.astype(float)
    across, down = (box[2:] - box[:2]) / (other[2:] - other[:2])
    right, below = (box[:2] + box[2:] - 1) / 2 - (across, down) * (other[:2] + other[2:] - 1) / 2
    return Place(float(across), float(down), float(right), float(below))


def tried_at(side: int, one: np.ndarray, other: np.ndarray, begin: Place) -> tuple[float, Place]:
    """The correlation of the detail at the best place near `begin`, and that place; 0 where there is none."""
    from scipy.ndimage import gaussian_filter

    one, other = one.astype(np.float32), other.astype(np.float32)
    smooth, smooth_other = (gaussian_filter(picture, SMOOTH[side]) for picture in (one, other))
    place = settled(smooth, smooth_other, begin, STEPS[side])
    if place is None:
        return 0.0, begin
    keep, away = DETAIL[side]
    ours, theirs = (gaussian_filter(picture, keep) - gaussian_filter(picture, away) for picture in (one, other))
    moved, covered = laid(ours, place)
    return correlation(moved[covered], theirs[covered]), place


def settled(one: np.ndarray, other: np.ndarray, place: Place, steps: int) -> Place | None:
    """The place near `place` at which the first picture, but for gain and offset, equals the second; None
    if it runs off.

    Gauss and Newton's steps on the squared difference.
    """
    side = len(one)
    x = middles(side)
    flat = np.ones_like(other)
    for _ in range(steps):
        moved, covered = laid(one, place)
        if covered.mean() < LEAST or not all(STRETCH[0] < scale < STRETCH[1] for scale in place[:2]):
            return None
        down, across = (slope * side / scale for slope, scale in zip(np.gradient(moved), place[1::-1], strict=True))
        terms = np.stack([-across * x, -down * x[:, None], -across, -down, other, flat])[:, covered]
        normal = terms @ terms.T
        normal[np.diag_indices(6)] *= 1.001  # also where a picture has slopes in one direction alone
        step = np.linalg.lstsq(normal, terms @ moved[covered], rcond=None)[0][:4].clip(-STRIDE, STRIDE)
        place = Place(*(place + step).tolist())
        if np.abs(step).max() < 5e-4:
            break
    return place


def middles(side: int) -> np.ndarray:
    """The middle of each pixel from the middle of the picture, [shape=(side,)], in sides."""
    return ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)


def laid(picture: np.ndarray, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """A picture as it lies under the other one, and which pixels it covers: [shape=(side, side)] each.

    A stretch along the sides is a product with a matrix from each side, a tenth of the time of a general one.
    """
    columns, covers = between(len(picture), place.across, place.right)
    rows, covers_down = between(len(picture), place.down, place.below)
    return rows @ picture @ columns.T, np.logical_and.outer(covers_down, covers)


def between(side: int, scale: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights that take each pixel from between two of another line of them, and which ones lie on that line."""
    at = (scale * middles(side) + shift + 0.5) * side - 0.5
    weights = np.maximum(1 - np.abs(at[:, None] - np.arange(side)), 0)
    return weights.astype(np.float32), (at >= 0) & (at <= side - 1)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, of what has any spread; else 0."""
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / np.sqrt((one @ one) * (other @ other) + 1e-6))
