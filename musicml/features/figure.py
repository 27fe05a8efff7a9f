"""Recover the levels of a spectrogram drawn in color or inside a figure, as matplotlib and Kaggle's GTZAN draw them.

The maps that matplotlib made for data (viridis, magma, inferno, plasma, cividis; in the public domain, CC0) grow
lighter with the level. So lightness alone gives the level, and color shows which map was used. Maps such as jet
have their lightest colors in the middle, so their levels can't be recovered.
"""

from __future__ import annotations

import itertools

import numpy as np

from musicml.utils import InputError, Message

MIN_SIDE = 16  # pixels of a spectrogram
MAX_LINES, MAX_BLOCKS = 1_024, 256  # lines and blocks of a picture that are examined, along each side
JPEG_TOLERANCE = 32  # of 255: how far JPEG may separate colors that were equal
MAX_GREY_SPREAD = 24  # of 255: difference of red, green and blue in a grey pixel
MAX_EDGE_SPREAD = 12  # of 255: deviation of a figure's edges from one color
MIN_LIGHT, MIN_WHITE = 200, 240  # of 255: lighter edges are not silence; still lighter ones are paper, not sound
MAX_FRAME_LUMA = 160  # of 255: the lightest frame on white
MIN_EDGE_INK = 0.85  # share of an edge that is ink
MIN_FRAME_CONTRAST = 64  # of 255: contrast between a frame, even a thin one, and its paper
MAX_FRAME_LINES = 4  # lines along each side that may belong to a frame
CORNER_MARGIN = 48  # pixels beyond a corner; a tick mark is shorter
MIN_PANEL_INK = 0.9  # share of a panel's pixels that differ from the paper
MIN_BAR_CONTRAST = 60  # of 255: the range of a color bar
JPEG_BLOCK = 4  # pixels along each side: JPEG stores one color for several pixels
# Measured distance from the map's colors, of 255: at most 20 in pictures drawn in that map (PNG, and JPEG of quality
# 75 and 40), at least 29 in ten other maps unless their colors are nearly the same, at least 40 in 33 photographs
# and drawings.
MAX_MAP_DISTANCE = 24.0
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue, as JPEG weighs them (ITU-R BT.601)
# nine colors of each map, from level 0 to 255; linear interpolation between them is off by at most 6 levels
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
    """Return the grey spectrogram that a picture shows, without the figure around it.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8 RGB
    name : the picture's name, for errors

    Returns
    -------
    grey : np.ndarray [shape=(height, width, 3)], uint8, the lightest the loudest
    warnings : tuple of sentences; none for a grey picture without a figure, which is returned unchanged

    Raises
    ------
    InputError
        If its colors don't give levels, or it is a figure of something else.
    """
    panel, is_framed = _find_panel(pixels)
    if panel is None and (is_framed or _is_other_figure(pixels)):
        raise InputError(
            "Expected {name} to show one spectrogram, alone or in a figure. It has margins around something else: "
            "crop it to the spectrogram, or use the sound file.",
            name=name,
        )
    inner = pixels if panel is None else pixels[panel]
    is_reversed = panel is not None and _is_bar_reversed(pixels, panel)
    if _is_grey(inner):
        return (255 - inner if is_reversed else inner), _describe(panel is not None, None, is_reversed)
    name_of_map = _find_map(inner)
    if name_of_map is None:
        raise InputError(
            "Expected {name} to be a spectrogram in grey or in the colors of {maps}. It has other colors, as jet and "
            "photographs do, which don't give levels: draw it in grey, or use the sound file.",
            name=name,
            maps=", ".join(MAPS),
        )
    grey = invert_map(inner, MAPS[name_of_map])
    return (255 - grey if is_reversed else grey), _describe(panel is not None, name_of_map, is_reversed)


def _describe(is_figure: bool, name_of_map: str | None, is_reversed: bool) -> tuple[str, ...]:
    """Return sentences on how a picture was read, or none for one in grey without margins."""
    if name_of_map is None and not is_figure:
        return ()
    if name_of_map is None and is_reversed:
        return (
            Message(
                "The picture is a figure. Its margins were cropped, and the darkest was read as the loudest, "
                "according to its color bar."
            ),
        )
    if name_of_map is None:
        return (
            Message("The picture is a figure. Its margins were cropped, and the lightest was read as the loudest."),
        )
    if not is_figure:
        return (
            Message(
                "The picture is in color. Its colors were read as levels of the map {name_of_map}, the "
                "lightest as the loudest.",
                name_of_map=name_of_map,
            ),
        )
    if is_reversed:
        return (
            Message(
                "The picture is a figure. Its margins were cropped, and its colors were read as levels of the map "
                "{name_of_map}, the darkest as the loudest, according to its color bar.",
                name_of_map=name_of_map,
            ),
        )
    return (
        Message(
            "The picture is a figure. Its margins were cropped, and its colors were read as levels of the map "
            "{name_of_map}, the lightest as the loudest.",
            name_of_map=name_of_map,
        ),
    )


def _is_grey(pixels: np.ndarray) -> bool:
    """Return whether a picture has no color, apart from a few pixels and JPEG's errors."""
    red, green, blue = (pixels[..., place] for place in range(3))  # reducing three values at a time is slow
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool((spread > MAX_GREY_SPREAD).mean() < 0.01)


def _find_paper(pixels: np.ndarray) -> np.ndarray | None:
    """Return the one color of all four edges, [shape=(3,)], if they share one and it is white, grey or black."""
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(int)
    paper = np.median(edges, axis=0).astype(np.uint8)
    is_plain = (np.abs(edges - paper).max(axis=1) <= MAX_EDGE_SPREAD).mean() > 0.98 and np.ptp(paper) <= MAX_GREY_SPREAD
    return paper if is_plain else None


def _find_ink(pixels: np.ndarray, paper: np.ndarray, least: int = JPEG_TOLERANCE) -> np.ndarray:
    """Return which pixels differ from the paper, [shape=(height, width)], bool."""
    return (np.maximum(pixels, paper) - np.minimum(pixels, paper)).max(axis=2) > least


def _is_other_figure(pixels: np.ndarray) -> bool:
    """Return whether a picture without a panel has white edges, and color or a frame inside them.

    In grey and without a frame it is a spectrogram whose silence is white.
    """
    paper = _find_paper(pixels)
    if paper is None or paper.min() < MIN_WHITE:
        return False
    ink = _find_ink(pixels, paper)
    if not ink.any():
        return False
    box = _find_box(ink)
    return not _is_grey(pixels[ink]) or (box is not None and _has_dark_frame(pixels[box]))


def _find_panel(pixels: np.ndarray) -> tuple[tuple[slice, slice] | None, bool]:
    """Return the rows and columns of the picture inside a figure, and whether a frame shows that it is a figure.

    None if there are no margins around one picture. Quiet sound in grey, or on dark paper, may look like the paper.
    Then the panel ends at its frame, or where colors end that the paper does not have.
    """
    paper = _find_paper(pixels)
    if paper is None:
        return None, False
    is_dark = paper.max() < MIN_LIGHT - MIN_FRAME_CONTRAST
    box = _find_box_panel(pixels, paper)
    if box is not None and not is_dark and not _is_grey(pixels):
        return box, False
    frame = _find_frame(pixels, paper)
    if frame is not None and (box is None or pixels[frame].size > pixels[box].size):
        return (frame if _is_one_spectrogram(pixels, paper, frame) else None), True
    colored = _find_colored_panel(pixels, paper) if is_dark else None
    if box is None or colored is None:
        return box or colored, False
    # JPEG blurs the edges of a box that was found by faint colors
    ends = [
        abs(getattr(a, end) - getattr(b, end)) for a, b in zip(box, colored, strict=True) for end in ("start", "stop")
    ]
    return (box if max(ends) <= MIN_SIDE else colored), False


def _find_box_panel(pixels: np.ndarray, paper: np.ndarray) -> tuple[slice, slice] | None:
    """Return the panel whose pixels mostly differ from the paper."""
    ink = _find_ink(pixels, paper)
    box = _find_box(ink)
    if box is None:
        return None
    (top, bottom), (left, right) = ((side.start, side.stop) for side in box)
    inside = ink[top:bottom, left:right]
    if inside.size < 0.2 * ink.size or inside.mean() < 0.5 or ink.sum() > 1.5 * inside.sum():
        return None  # something small, a drawing of lines, or several panels
    width = _measure_frame(pixels[top:bottom, left:right])
    if paper.min() < MIN_LIGHT and _is_grey(pixels[top:bottom, left:right]) and not width:
        return None  # silence around a sound is as black as paper
    return slice(top + width, bottom - width), slice(left + width, right - width)


def _find_colored_panel(pixels: np.ndarray, paper: np.ndarray) -> tuple[slice, slice] | None:
    """Return the panel of a color map on dark paper, including silence: no map's darkest color is quite black."""
    ink = _find_ink(pixels, paper, 2)
    if _is_grey(pixels) or not ink.any():
        return None
    columns = _find_full_lines(ink.mean(axis=0))
    rows = _find_full_lines(ink[:, columns].mean(axis=1))
    inside = ink[rows, columns]
    if inside.size < 0.2 * ink.size or inside.mean() < MIN_PANEL_INK or min(inside.shape) < MIN_SIDE:
        return None
    name = _find_map(pixels[rows, columns])
    if name is None or np.abs(MAPS[name][0] - paper).max() <= 2:
        return None  # black edges are the map's own silence
    return rows, columns


def _find_full_lines(share: np.ndarray) -> slice:
    """Return the longest run of lines that have at least half as much ink as the fullest."""
    is_full = np.concatenate([[False], share >= share.max() / 2, [False]])
    starts, ends = np.flatnonzero(np.diff(is_full.astype(int))).reshape(-1, 2).T
    longest = int(np.argmax(ends - starts))
    return slice(int(starts[longest]), int(ends[longest]))


def _find_frame(pixels: np.ndarray, paper: np.ndarray) -> tuple[slice, slice] | None:
    """Return the inside of the largest frame: a rectangle of straight thin grey lines that contrast with the paper.

    Lines in a spectrogram form no such rectangle: they fade, or continue beyond its corners.
    """
    luma = np.round(pixels @ LUMA).astype(np.int16)
    strong = np.abs(luma - np.round(paper @ LUMA)) > MIN_FRAME_CONTRAST
    rows, columns = _find_long_lines(strong), _find_long_lines(strong.T)
    boxes = [
        (slice(top, bottom + 1), slice(left, right + 1))
        for top, bottom in itertools.combinations(rows, 2)
        for left, right in itertools.combinations(columns, 2)
        if (bottom - top) * (right - left) > 0.2 * strong.size and min(bottom - top, right - left) >= 2 * MIN_SIDE
    ]
    for box in sorted(boxes, key=lambda box: -strong[box].size):
        width = _measure_lines(luma, strong, box)
        if width:
            return slice(box[0].start + width, box[0].stop - width), slice(box[1].start + width, box[1].stop - width)
    return None


def _find_long_lines(strong: np.ndarray) -> list[int]:
    """Return the first and last rows with a long run of strong ink, and where each line's thickness ends."""
    place = np.arange(strong.shape[1], dtype=np.int32)
    length = place - np.maximum.accumulate(np.where(strong, np.int32(-1), place), axis=1)
    is_long = (strong.mean(axis=1) > 0.3) & (length.max(axis=1) > 0.3 * strong.shape[1])
    steps = np.diff(np.concatenate([[False], is_long, [False]]).astype(int))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1
    lines = sorted({*starts.tolist(), *ends.tolist()})
    return sorted({*lines[: 2 * MAX_FRAME_LINES], *lines[-2 * MAX_FRAME_LINES :]})


def _measure_lines(luma: np.ndarray, strong: np.ndarray, box: tuple[slice, slice]) -> int:
    """Return the width in pixels of the lines around a box, or 0 if there are none, or they pass a corner."""
    rows, columns = box
    widths = []
    for values, ink, along, across in ((luma, strong, columns, rows), (luma.T, strong.T, rows, columns)):
        for first, step in ((across.start, 1), (across.stop - 1, -1)):
            line = values[first, along]
            beyond = (
                ink[first, max(0, along.start - CORNER_MARGIN) : along.start],
                ink[first, along.stop :][:CORNER_MARGIN],
            )
            is_even = np.mean(np.abs(line - np.median(line)) <= JPEG_TOLERANCE) >= 0.95
            if not is_even or ink[first, along].mean() < 0.99 or any(part.mean() > 0.5 for part in beyond if part.size):
                return 0
            depth = ink[first : first + step * MIN_SIDE // 2 : step, along].mean(axis=1) >= 0.95
            widths.append(int(np.argmin(np.append(depth, False))))
    if min(widths) < MIN_SIDE // 2:
        return min(widths)
    return int(strong[box].mean() < MIN_PANEL_INK)  # silence as light as the frame all around, or one light block


def _is_one_spectrogram(pixels: np.ndarray, paper: np.ndarray, panel: tuple[slice, slice]) -> bool:
    """Return whether a frame holds more than lines of one color on paper, and there is no second panel."""
    ink, inside = _find_ink(pixels, paper), pixels[panel]
    is_ink, luma = ink[panel], inside @ LUMA
    if not is_ink.any():
        return False
    if is_ink.mean() < 0.5 and (np.abs(luma[is_ink] - np.median(luma[is_ink])) <= JPEG_TOLERANCE).mean() > 0.6:
        return False
    rest = pixels.copy()
    rest[panel] = paper
    rows, columns = (slice(max(0, side.start - MIN_SIDE // 2), side.stop + MIN_SIDE // 2) for side in panel)
    rest[rows, columns] = paper
    return _find_frame(rest, paper) is None and _find_box_panel(rest, paper) is None


def _is_bar_reversed(pixels: np.ndarray, panel: tuple[slice, slice]) -> bool:
    """Return whether a color bar next to a panel grows darker to its loud end, the upper or right one."""
    luma = pixels @ LUMA
    for lines, along, across, sign in ((luma, *panel, -1), (luma.T, *panel[::-1], 1)):
        margin = (along.stop - along.start) // 5  # a bar may be shorter than the panel
        part = lines[along.start + margin : along.stop - margin]
        outside = np.concatenate([part[:, : max(0, across.start - 4)], part[:, across.stop + 4 :]], axis=1)
        place = np.arange(len(part)) - (len(part) - 1) / 2
        centered = outside - outside.mean(axis=0) if outside.size else outside
        # correlation of each line with a ramp: a color bar changes evenly from end to end
        correlation = place @ centered / np.maximum(1e-9, np.linalg.norm(place) * np.linalg.norm(centered, axis=0))
        is_bar = (np.abs(correlation) > 0.95) & (np.ptp(outside, axis=0) > MIN_BAR_CONTRAST)
        if is_bar.sum() >= JPEG_BLOCK:
            return bool(sign * np.median(correlation[is_bar]) < 0)
    return False


def _find_box(ink: np.ndarray) -> tuple[slice, slice] | None:
    """Return the rows and columns of the largest box with edges of ink, or None."""
    across = _find_run(ink)
    down = _find_run(ink[:, slice(*across)].T) if across else None
    return None if across is None or down is None else (slice(*down), slice(*across))


def _find_run(ink: np.ndarray) -> tuple[int, int] | None:
    """Return where the lines of a panel begin and end: the longest run of ink that is a box's upper and lower edge.

    The box's left and right edges are ink as well, unlike the ends of tick marks. In silence, lines on dark paper are
    shorter than the panel's edges.
    """
    ink = ink[:: -(-len(ink) // MAX_LINES)]
    place = np.arange(ink.shape[1], dtype=np.int32)
    length = place - np.maximum.accumulate(np.where(ink, np.int32(-1), place), axis=1)
    last, longest = length.argmax(axis=1), length.max(axis=1)
    for size, end in sorted({(int(n), int(k)) for n, k in zip(longest, last, strict=True) if n >= MIN_SIDE})[::-1]:
        lines = np.flatnonzero((longest == size) & (last == end))
        box = ink[lines[0] : lines[-1] + 1]
        if len(box) >= MIN_SIDE and min(box[:, end - size + 1].mean(), box[:, end].mean()) >= MIN_EDGE_INK:
            return end - size + 1, end + 1
    return None


def _measure_frame(pixels: np.ndarray) -> int:
    """Return the width of a panel's frame in pixels, 0 if it has none.

    If a sound begins with silence its first columns look like a frame, but not all around.
    """
    across = pixels.transpose(1, 0, 2)
    lines = [_count_frame_lines(side) for side in (pixels, pixels[::-1], across, across[::-1])]
    return 0 if min(lines) == MIN_SIDE // 2 else min(lines)  # noise is even too, but to its end


def _has_dark_frame(pixels: np.ndarray) -> bool:
    """Return whether each side of a box on white is a dark line of one grey. The start of a sound is uneven."""
    luma = pixels @ LUMA
    for side in (luma, luma[::-1], luma.T, luma.T[::-1]):
        line = min(side[: MIN_SIDE // 4], key=np.median)
        if np.median(line) > MAX_FRAME_LUMA or (np.abs(line - np.median(line)) <= JPEG_TOLERANCE).mean() < 0.95:
            return False
    return True


def _count_frame_lines(pixels: np.ndarray) -> int:
    """Count the first lines that each have one grey, or a color that JPEG made of it."""
    lines = pixels[: MIN_SIDE // 2].astype(int)
    colors = np.median(lines, axis=1)
    is_plain = (np.abs(lines - colors[:, None]).max(axis=2) <= JPEG_TOLERANCE).mean(axis=1) > 0.95
    return int(np.argmin(np.append(is_plain & (np.ptp(colors, axis=1) <= 2 * MAX_GREY_SPREAD), False)))


def _find_map(pixels: np.ndarray) -> str | None:
    """Return the color map whose colors a picture has, allowing for JPEG's errors, or None."""
    distance = {name: _measure_distance(pixels, colors) for name, colors in MAPS.items()}
    name = min(distance, key=lambda name: distance[name])
    return name if distance[name] <= MAX_MAP_DISTANCE else None


def _measure_distance(pixels: np.ndarray, colors: np.ndarray) -> float:
    """Return the mean distance of a picture's colors from those of a map, of 255, over blocks of pixels.

    JPEG keeps the luma of every pixel but the color only of blocks of four or more (ITU-T T.81), so the map's color is
    looked up by luma.
    """
    block = JPEG_BLOCK if min(pixels.shape[:2]) >= 16 * JPEG_BLOCK else 1
    step = -(-max(pixels.shape[:2]) // (MAX_BLOCKS * block))
    if min(pixels.shape[:2]) > 8 * block:  # JPEG mixes the edges with the surroundings
        pixels = pixels[2 * block : -2 * block, 2 * block : -2 * block]
    height, width = (side // block for side in pixels.shape[:2])
    blocks = pixels[: height * block, : width * block].reshape(height, block, width, block, 3)[::step, :, ::step]
    luma = blocks @ LUMA
    expected = np.stack([np.interp(luma, colors @ LUMA, colors[:, place]) for place in range(3)], axis=-1)
    distance = ((blocks - luma[..., None]) - (expected - (expected @ LUMA)[..., None])).mean(axis=(1, 3))
    return float(np.sqrt(np.square(distance).sum(axis=-1).mean()))


def invert_map(pixels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return the levels of a map's colors as grey, [shape=(height, width, 3)], uint8."""
    from PIL import Image

    levels = np.interp(np.arange(256), colors @ LUMA, np.linspace(0, 255, len(colors)))
    luma = np.asarray(Image.fromarray(pixels).convert("L"))
    return np.repeat(np.round(levels).astype(np.uint8)[luma, None], 3, axis=2)
