"""Figures: the levels of a spectrogram that was drawn in color, with margins, as matplotlib and Kaggle's GTZAN do.

The maps that matplotlib made for data (viridis, magma, inferno, plasma, cividis; in the public domain, CC0) grow
lighter with the level, so that lightness alone tells it, and color tells whether a picture was drawn so. Maps such as
jet have their lightest colors in the middle.
"""

from __future__ import annotations

import numpy as np

from musicml.utils import InputError

LEAST_SIDE = 16  # pixels of a spectrogram
MOST_LINES, MOST_BLOCKS = 1_024, 256  # of a picture, a side, that are looked at
LIKE = 32  # of 255: how far colors of a JPEG may lie from each other that were one
GREY = 24  # of 255: the most between red, green and blue of what is no color
EVEN = 8  # of 255: how far the edges of a figure lie from one color
LIGHT, WHITE = 200, 240  # of 255: edges so light are no silence, and so white that they are no sound
DARK = 160  # of 255: the lightest frame on white
MOSTLY = 0.85  # of an edge that is ink
BLOCK = 4  # pixels a side, since a JPEG keeps the color of several only
# Of pictures that were drawn in one of the maps, as PNG and as JPEG of quality 75 and 40, colors lay 20 of 255 from
# the map's or less; in ten other maps 29 or more, but where those grow lighter through nearly the same colors; in 33
# photographs and drawings 40 or more.
MOST_APART = 24.0
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue, as JPEG weighs them (ITU-R BT.601)
# nine colors of each, from level 0 to 255; between them they are read as lines, at most 6 of 255 levels off
MAPS = {
    name: np.array([[color >> 16, color >> 8 & 255, color & 255] for color in colors], dtype=float)
    for name, colors in {
        "viridis": (0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725),
        "magma": (0x000004, 0x1D1147, 0x51127C, 0x832681, 0xB73779, 0xE75263, 0xFC8961, 0xFEC488, 0xFCFDBF),
        "inferno": (0x000004, 0x210C4A, 0x57106E, 0x8A226A, 0xBC3754, 0xE45A31, 0xF98E09, 0xF9CB35, 0xFCFFA4),
        "plasma": (0x0D0887, 0x4C02A1, 0x7E03A8, 0xAA2395, 0xCC4778, 0xE66C5C, 0xF89540, 0xFDC527, 0xF0F921),
        "cividis": (0x00224E, 0x1A386F, 0x434E6C, 0x61656F, 0x7D7C78, 0x9B9476, 0xBCAE6C, 0xDEC958, 0xFEE838),
        "hot": (0x0B0000, 0x5F0000, 0xB30000, 0xFF0800, 0xFF5C00, 0xFFB000, 0xFFFF07, 0xFFFF85, 0xFFFFFF),
    }.items()
}


def read_levels(pixels: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the spectrogram that a picture shows, in grey, with what there is to warn of.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8 RGB

    Returns
    -------
    grey : np.ndarray [shape=(height, width, 3)], uint8, the lightest the loudest; without the figure around it
    warnings : tuple of sentences; none where a picture is grey and no figure, and so comes back as it is

    Raises
    ------
    InputError
        If its colors do not tell levels, or it is a figure of something else.
    """
    panel = _find_panel(pixels)
    if panel is None and _is_other_figure(pixels):
        raise InputError(
            "{name} must show a spectrogram, alone or as the one picture of a figure, and has margins around something "
            "else: crop it to the spectrogram, or give the sound.",
            name=name,
        )
    inner = pixels if panel is None else pixels[panel]
    if _is_grey(inner):
        return inner, () if panel is None else (
            "The picture is a figure: its margins were cropped, and the lightest was read as the loudest.",
        )
    name_of_map = _find_map(inner)
    if name_of_map is None:
        raise InputError(
            "{name} must be a spectrogram in grey or in the colors of {maps}, and has others, as jet and photographs "
            "have, whose level can't be told: draw it in grey, or give the sound.",
            name=name,
            maps=", ".join(MAPS),
        )
    grey = invert_map(inner, MAPS[name_of_map])
    if panel is None:
        return grey, (f"The picture is in color: its colors were read as levels, as {name_of_map} has them.",)
    return grey, (
        f"The picture is a figure: its margins were cropped, and its colors were read as levels, as {name_of_map} has "
        "them.",
    )


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether a picture has no colors but a few pixels' or those that JPEG makes."""
    red, green, blue = (pixels[..., place] for place in range(3))  # a reduction of three values at a time is slow
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool((spread > GREY).mean() < 0.01)


def _find_paper(pixels: np.ndarray) -> np.ndarray | None:
    """Return the one color of all four edges, [shape=(3,)], where they have one and it is white, grey or black."""
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    paper = np.median(edges, axis=0).astype(np.uint8)
    is_plain = (np.abs(edges - paper).max(axis=1) <= EVEN).mean() > 0.98 and np.ptp(paper) <= GREY
    return paper if is_plain else None


def _find_ink(pixels: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Return which pixels are of another color than the paper, [shape=(height, width)], bool."""
    return (np.maximum(pixels, paper) - np.minimum(pixels, paper)).max(axis=2) > LIKE


def _is_other_figure(pixels: np.ndarray) -> bool:
    """Whether a picture without a panel has white edges, and color or a frame inside them.

    In grey and without a frame it is a spectrogram whose silence is white.
    """
    paper = _find_paper(pixels)
    if paper is None or paper.min() < WHITE:
        return False
    ink = _find_ink(pixels, paper)
    if not ink.any():
        return False
    box = _find_box(ink)
    return not _is_grey(pixels[ink]) or (box is not None and _has_dark_frame(pixels[box]))


def _find_panel(pixels: np.ndarray) -> tuple[slice, slice] | None:
    """Return where the picture inside a figure lies, rows and columns; None where there are no margins around one."""
    paper = _find_paper(pixels)
    if paper is None:
        return None
    ink = _find_ink(pixels, paper)
    box = _find_box(ink)
    if box is None:
        return None
    (top, bottom), (left, right) = ((side.start, side.stop) for side in box)
    inside = ink[top:bottom, left:right]
    if inside.size < 0.2 * ink.size or inside.mean() < 0.5 or ink.sum() > 1.5 * inside.sum():
        return None  # something small, a drawing of lines, or several panels
    width = _measure_frame(pixels[top:bottom, left:right])
    if paper.min() < LIGHT and _is_grey(pixels[top:bottom, left:right]) and not width:
        return None  # silence around a sound is as black as paper
    return slice(top + width, bottom - width), slice(left + width, right - width)


def _find_box(ink: np.ndarray) -> tuple[slice, slice] | None:
    """Return where the largest box with edges of ink lies, rows and columns, or None."""
    across = _find_run(ink)
    down = _find_run(ink[:, slice(*across)].T) if across else None
    return None if across is None or down is None else (slice(*down), slice(*across))


def _find_run(ink: np.ndarray) -> tuple[int, int] | None:
    """Return where the lines of a panel begin and end: the longest run of ink that is a box's upper and lower edge.

    Its left and right edges are ink as well, which ends of tick marks are not. Where a sound is silent, its lines on
    dark paper are shorter than those of its frame.
    """
    ink = ink[:: -(-len(ink) // MOST_LINES)]
    place = np.arange(ink.shape[1], dtype=np.int32)
    length = place - np.maximum.accumulate(np.where(ink, np.int32(-1), place), axis=1)
    last, longest = length.argmax(axis=1), length.max(axis=1)
    for size, end in sorted({(int(n), int(k)) for n, k in zip(longest, last, strict=True) if n >= LEAST_SIDE})[::-1]:
        lines = np.flatnonzero((longest == size) & (last == end))
        box = ink[lines[0] : lines[-1] + 1]
        if len(box) >= LEAST_SIDE and min(box[:, end - size + 1].mean(), box[:, end].mean()) >= MOSTLY:
            return end - size + 1, end + 1
    return None


def _measure_frame(pixels: np.ndarray) -> int:
    """Return how many pixels wide the frame of a panel is, 0 where it has none.

    Where sound begins with silence its first columns look like a frame, but not all around.
    """
    across = pixels.transpose(1, 0, 2)
    lines = [_count_frame_lines(side) for side in (pixels, pixels[::-1], across, across[::-1])]
    return 0 if min(lines) == LEAST_SIDE // 2 else min(lines)  # noise is even too, but to its end


def _has_dark_frame(pixels: np.ndarray) -> bool:
    """Whether each side of a box on white is a dark line of one grey, where sound grows darker and is uneven."""
    luma = pixels @ LUMA
    for side in (luma, luma[::-1], luma.T, luma.T[::-1]):
        line = min(side[: LEAST_SIDE // 4], key=np.median)
        if np.median(line) > DARK or (np.abs(line - np.median(line)) <= LIKE).mean() < 0.95:
            return False
    return True


def _count_frame_lines(pixels: np.ndarray) -> int:
    """Return how many of the first lines are each of one grey, or of a color that a JPEG made of it."""
    lines = pixels[: LEAST_SIDE // 2].astype(int)
    colors = np.median(lines, axis=1)
    is_plain = (np.abs(lines - colors[:, None]).max(axis=2) <= LIKE).mean(axis=1) > 0.95
    return int(np.argmin(np.append(is_plain & (np.ptp(colors, axis=1) <= 2 * GREY), False)))


def _find_map(pixels: np.ndarray) -> str | None:
    """Return the color map whose colors a picture has at its lightness, but for what a JPEG changed, or None."""
    apart = {name: _measure_distance(pixels, colors) for name, colors in MAPS.items()}
    name = min(apart, key=lambda name: apart[name])
    return name if apart[name] <= MOST_APART else None


def _measure_distance(pixels: np.ndarray, colors: np.ndarray) -> float:
    """Return how far colors lie from those of a map, of 255, in the mean over blocks of pixels.

    A JPEG keeps luma of every pixel and the color of four and more (ITU-T T.81), so that a map's is told by luma alone.
    """
    block = BLOCK if min(pixels.shape[:2]) >= 16 * BLOCK else 1
    step = -(-max(pixels.shape[:2]) // (MOST_BLOCKS * block))
    if min(pixels.shape[:2]) > 8 * block:  # a JPEG mixes the edges with what is around
        pixels = pixels[2 * block : -2 * block, 2 * block : -2 * block]
    height, width = (side // block for side in pixels.shape[:2])
    blocks = pixels[: height * block, : width * block].reshape(height, block, width, block, 3)[::step, :, ::step]
    luma = blocks @ LUMA
    expected = np.stack([np.interp(luma, colors @ LUMA, colors[:, place]) for place in range(3)], axis=-1)
    apart = ((blocks - luma[..., None]) - (expected - (expected @ LUMA)[..., None])).mean(axis=(1, 3))
    return float(np.sqrt(np.square(apart).sum(axis=-1).mean()))


def invert_map(pixels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return the levels that colors of a map stand for as grey, [shape=(height, width, 3)], uint8."""
    from PIL import Image

    levels = np.interp(np.arange(256), colors @ LUMA, np.linspace(0, 255, len(colors)))
    luma = np.asarray(Image.fromarray(pixels).convert("L"))
    return np.repeat(np.round(levels).astype(np.uint8)[luma, None], 3, axis=2)
