"""Drawings of thirty instruments as lists of simple shapes, with the spellings of the real dataset's folders.

Coordinates run from -1 to 1, with x to the right and y down. A drawing has three colors: body, trim and dark. Classes
differ in shape, color and texture, because a backbone without pretrained weights hardly sees shape alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Color = tuple[int, float, float]  # hue in degrees, saturation, value
Point = tuple[float, float]
Shape = tuple[list[Point], int]  # corners, and color: 0 body, 1 trim, 2 dark
N_CORNERS = 28  # of an oval


@dataclass(frozen=True)
class Drawing:
    """The drawing of one class: two colors, a texture and shapes."""

    body: Color
    trim: Color
    texture: str
    shapes: list[Shape]


def oval(x: float, y: float, width: float, height: float, color: int = 0) -> list[Shape]:
    """Make an ellipse around (x, y). `width` and `height` are its radii."""
    angles = [2 * math.pi * i / N_CORNERS for i in range(N_CORNERS)]
    return [([(x + width * math.cos(a), y + height * math.sin(a)) for a in angles], color)]


def box(left: float, top: float, right: float, bottom: float, color: int = 0) -> list[Shape]:
    """Make an upright rectangle."""
    return [([(left, top), (right, top), (right, bottom), (left, bottom)], color)]


def polygon(*corners: Point, color: int = 0) -> list[Shape]:
    """Make a shape with the given corners."""
    return [(list(corners), color)]


def bar(x0: float, y0: float, x1: float, y1: float, width: float = 0.05, color: int = 0) -> list[Shape]:
    """Make a straight bar from one point to another."""
    return tube(x0, y0, x1, y1, width, width, color)


def row(n: int, x0: float, y0: float, x1: float, y1: float, width: float, height: float, color: int = 2) -> list[Shape]:
    """Make `n` equal rectangles from (x0, y0) to (x1, y1), for keys, holes or strings."""
    shapes = []
    for i in range(n):
        part = i / max(1, n - 1)
        x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
        shapes += box(x - width / 2, y - height / 2, x + width / 2, y + height / 2, color)
    return shapes


def dots(n: int, x0: float, y0: float, x1: float, y1: float, size: float, color: int = 2) -> list[Shape]:
    """Make `n` round dots from (x0, y0) to (x1, y1)."""
    steps = [i / max(1, n - 1) for i in range(n)]
    return [shape for i in steps for shape in oval(x0 + i * (x1 - x0), y0 + i * (y1 - y0), size, size, color)]


def tube(x0: float, y0: float, x1: float, y1: float, start: float, end: float, color: int = 0) -> list[Shape]:
    """Make a bar with the width `start` at one end and `end` at the other, for bells of horns."""
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (y1 - y0) / length / 2, (x0 - x1) / length / 2
    sides = ((x0, y0, start), (x1, y1, end), (x1, y1, -end), (x0, y0, -start))
    return [([(x + ux * width, y + uy * width) for x, y, width in sides], color)]


# hue, saturation and value of common materials
WOOD, DARK_WOOD, PALE = (28, 0.65, 0.72), (18, 0.75, 0.42), (40, 0.35, 0.88)
BRASS, SILVER, BLACK, WHITE = (45, 0.75, 0.9), (210, 0.08, 0.8), (240, 0.1, 0.14), (50, 0.06, 0.95)

# body, trim, texture
STYLES: dict[str, tuple[Color, Color, str]] = {
    "Didgeridoo": ((14, 0.8, 0.5), (48, 0.8, 0.9), "checks"),
    "Tambourine": ((8, 0.7, 0.75), SILVER, "plain"),
    "Xylophone": ((340, 0.75, 0.85), (200, 0.8, 0.85), "sheen"),
    "acordian": ((355, 0.85, 0.7), WHITE, "sheen"),
    "alphorn": (PALE, DARK_WOOD, "grain"),
    "bagpipes": ((130, 0.6, 0.4), DARK_WOOD, "checks"),
    "banjo": (WHITE, WOOD, "plain"),
    "bongo drum": ((22, 0.8, 0.6), PALE, "grain"),
    "casaba": ((35, 0.5, 0.55), SILVER, "dots"),
    "castanets": ((12, 0.6, 0.3), (350, 0.8, 0.8), "grain"),
    "clarinet": (BLACK, SILVER, "sheen"),
    "clavichord": ((32, 0.7, 0.5), WHITE, "grain"),
    "concertina": ((270, 0.55, 0.5), BRASS, "checks"),
    "drums": ((215, 0.8, 0.75), SILVER, "sheen"),
    "dulcimer": ((25, 0.6, 0.62), PALE, "grain"),
    "flute": (SILVER, (210, 0.15, 0.6), "sheen"),
    "guiro": ((70, 0.6, 0.55), PALE, "grain"),
    "guitar": ((30, 0.75, 0.8), DARK_WOOD, "grain"),
    "harmonica": (SILVER, (0, 0.7, 0.65), "dots"),
    "harp": (BRASS, (48, 0.3, 0.95), "sheen"),
    "marakas": ((20, 0.85, 0.8), (150, 0.6, 0.55), "dots"),
    "ocarina": ((190, 0.65, 0.6), (30, 0.5, 0.5), "plain"),
    "piano": (BLACK, WHITE, "sheen"),
    "saxaphone": ((42, 0.85, 0.8), (48, 0.5, 0.95), "sheen"),
    "sitar": ((15, 0.8, 0.55), (42, 0.6, 0.85), "dots"),
    "steel drum": ((205, 0.18, 0.7), (205, 0.25, 0.45), "sheen"),
    "trombone": ((46, 0.65, 0.85), SILVER, "sheen"),
    "trumpet": ((50, 0.85, 0.92), (44, 0.5, 0.75), "sheen"),
    "tuba": ((40, 0.7, 0.7), (46, 0.4, 0.95), "sheen"),
    "violin": ((16, 0.85, 0.6), BLACK, "grain"),
}
# shapes in the back come first
SHAPES = {
    "Didgeridoo": tube(-0.95, 0, 0.95, 0, 0.16, 0.42)
    + row(5, -0.6, 0, 0.7, 0, 0.08, 0.3, 1)
    + oval(0.95, 0, 0.06, 0.2, 2),
    "Tambourine": oval(0, 0, 0.85, 0.85)
    + oval(0, 0, 0.68, 0.68, 1)
    + [s for i in range(8) for s in oval(0.77 * math.cos(i * 0.785), 0.77 * math.sin(i * 0.785), 0.11, 0.11, 2)],
    "Xylophone": bar(-0.9, -0.35, 0.9, -0.2, 0.08, 2)
    + bar(-0.9, 0.45, 0.9, 0.25, 0.08, 2)
    + [s for i in range(9) for s in box(-0.9 + 0.2 * i, -0.65 + 0.04 * i, -0.76 + 0.2 * i, 0.7 - 0.04 * i, i % 2)],
    "acordian": box(-0.9, -0.6, -0.4, 0.6)
    + box(0.4, -0.6, 0.9, 0.6)
    + box(-0.4, -0.5, 0.4, 0.5, 2)
    + row(7, -0.35, 0, 0.35, 0, 0.05, 0.95, 1)
    + row(8, 0.8, -0.5, 0.8, 0.5, 0.18, 0.1, 1),
    "alphorn": tube(-0.95, -0.8, 0.5, 0.55, 0.06, 0.2)
    + tube(0.42, 0.55, 0.95, 0.2, 0.2, 0.5)
    + row(2, -0.3, -0.2, 0.1, 0.18, 0.16, 0.1, 1),
    "bagpipes": oval(0.05, 0.25, 0.6, 0.45)
    + bar(-0.2, 0, -0.55, -0.95, 0.1, 1)
    + bar(0, 0, -0.1, -0.95, 0.1, 1)
    + bar(0.2, 0, 0.35, -0.9, 0.1, 1)
    + bar(0.45, 0.4, 0.8, 0.95, 0.1, 2),
    "banjo": bar(0, 0.3, 0, -0.95, 0.13, 1)
    + oval(0, 0.45, 0.5, 0.5, 2)
    + oval(0, 0.45, 0.43, 0.43)
    + row(4, -0.05, -0.2, 0.05, -0.2, 0.012, 1.4),
    "bongo drum": tube(-0.45, -0.4, -0.4, 0.6, 0.85, 0.65)
    + tube(0.5, -0.3, 0.45, 0.55, 0.7, 0.5)
    + oval(-0.45, -0.4, 0.43, 0.18, 1)
    + oval(0.5, -0.3, 0.35, 0.15, 1)
    + bar(-0.1, 0.1, 0.2, 0.1, 0.15, 2),
    "casaba": bar(0, 0.1, 0, 0.95, 0.16, 2)
    + box(-0.6, -0.65, 0.6, 0.15, 1)
    + row(9, -0.55, -0.25, 0.55, -0.25, 0.05, 0.75, 0),
    "castanets": oval(-0.4, 0.15, 0.42, 0.5)
    + oval(0.42, 0.2, 0.42, 0.5)
    + bar(-0.4, -0.3, 0.42, -0.3, 0.08, 1)
    + oval(-0.4, 0.2, 0.2, 0.25, 2),
    "clarinet": bar(-0.95, 0, 0.75, 0, 0.13)
    + tube(0.7, 0, 0.97, 0, 0.13, 0.34)
    + dots(7, -0.5, 0, 0.5, 0, 0.06, 1)
    + row(3, -0.6, -0.08, 0.55, -0.08, 0.2, 0.03, 1),
    "clavichord": box(-0.95, -0.35, 0.95, 0.4)
    + box(-0.8, 0.1, 0.3, 0.35, 1)
    + row(12, -0.75, 0.22, 0.25, 0.22, 0.03, 0.2)
    + row(4, -0.8, -0.2, 0.8, -0.05, 0.5, 0.015, 1)
    + bar(-0.8, 0.4, -0.8, 0.85, 0.1)
    + bar(0.8, 0.4, 0.8, 0.85, 0.1),
    "concertina": polygon((-0.85, -0.3), (-0.6, -0.55), (-0.5, -0.5), (-0.5, 0.5), (-0.6, 0.55), (-0.85, 0.3))
    + polygon((0.85, -0.3), (0.6, -0.55), (0.5, -0.5), (0.5, 0.5), (0.6, 0.55), (0.85, 0.3))
    + row(9, -0.45, 0, 0.45, 0, 0.07, 0.9, 1)
    + dots(3, -0.68, -0.25, -0.68, 0.25, 0.06),
    "drums": oval(0, 0.35, 0.5, 0.5)
    + oval(0, 0.35, 0.4, 0.4, 1)
    + box(-0.5, -0.45, -0.05, -0.1)
    + box(0.05, -0.45, 0.5, -0.1)
    + oval(-0.7, -0.65, 0.3, 0.07, 1)
    + oval(0.7, -0.7, 0.3, 0.07, 1)
    + bar(-0.7, -0.6, -0.7, 0.85, 0.03, 2)
    + bar(0.7, -0.65, 0.7, 0.85, 0.03, 2),
    "dulcimer": polygon((-0.55, -0.5), (0.55, -0.5), (0.95, 0.5), (-0.95, 0.5))
    + row(9, 0, -0.4, 0, 0.4, 1.25, 0.02, 1)
    + oval(-0.3, 0, 0.12, 0.12)
    + oval(0.3, 0, 0.12, 0.12, 2),
    "flute": bar(-0.97, 0, 0.97, 0, 0.1) + dots(9, -0.2, 0, 0.85, 0, 0.055, 1) + oval(-0.75, 0, 0.08, 0.05, 2),
    "guiro": oval(-0.05, 0, 0.85, 0.32)
    + row(14, -0.6, 0, 0.5, 0, 0.03, 0.5)
    + bar(0.7, 0, 0.97, -0.1, 0.14, 1)
    + bar(-0.3, 0.55, 0.7, 0.45, 0.05, 2),
    "guitar": bar(0, 0, 0, -0.95, 0.12, 1)
    + oval(0, 0.55, 0.46, 0.4)
    + oval(0, 0.08, 0.36, 0.3)
    + oval(0, 0.2, 0.14, 0.14, 2)
    + box(-0.15, 0.62, 0.15, 0.68, 2)
    + row(3, -0.04, -0.15, 0.04, -0.15, 0.012, 1.5, 2),
    "harmonica": box(-0.9, -0.28, 0.9, 0.28) + box(-0.9, 0.02, 0.9, 0.2, 1) + row(10, -0.8, 0.11, 0.8, 0.11, 0.1, 0.12),
    "harp": bar(-0.6, 0.9, -0.5, -0.85, 0.12)
    + bar(-0.5, -0.8, 0.65, -0.5, 0.13)
    + bar(0.65, -0.5, -0.55, 0.9, 0.16)
    + [s for i in range(7) for s in bar(-0.4 + 0.14 * i, -0.75 + 0.04 * i, -0.4 + 0.14 * i, 0.7 - 0.16 * i, 0.025, 1)],
    "marakas": bar(-0.35, 0, -0.75, 0.95, 0.1, 1)
    + bar(0.35, 0, 0.7, 0.95, 0.1, 1)
    + oval(-0.3, -0.35, 0.3, 0.42)
    + oval(0.4, -0.35, 0.3, 0.42)
    + bar(-0.55, -0.3, -0.05, -0.3, 0.1, 1),
    "ocarina": oval(0, 0.1, 0.8, 0.42)
    + polygon((-0.15, -0.2), (0.15, -0.2), (0.1, -0.8), (-0.1, -0.8))
    + dots(4, -0.45, 0.05, 0.45, 0.05, 0.08)
    + dots(3, -0.3, 0.3, 0.3, 0.3, 0.06),
    "piano": polygon((-0.9, -0.1), (-0.85, -0.75), (0.1, -0.8), (0.5, -0.35), (0.9, -0.1))
    + box(-0.9, -0.1, 0.9, 0.15)
    + box(-0.8, 0.15, 0.8, 0.42, 1)
    + row(13, -0.74, 0.22, 0.74, 0.22, 0.06, 0.16)
    + bar(-0.8, 0.4, -0.8, 0.95, 0.12)
    + bar(0.8, 0.4, 0.8, 0.95, 0.12),
    "saxaphone": tube(-0.5, -0.8, 0.05, 0.65, 0.08, 0.26)
    + oval(0.15, 0.68, 0.25, 0.22)
    + tube(0.28, 0.65, 0.6, -0.15, 0.26, 0.6)
    + bar(-0.5, -0.8, -0.85, -0.7, 0.07)
    + dots(6, -0.35, -0.45, 0.0, 0.45, 0.07, 1),
    "sitar": bar(0, 0.3, 0, -0.97, 0.2)
    + oval(0, 0.6, 0.36, 0.36)
    + oval(0, -0.72, 0.2, 0.2, 1)
    + row(9, 0, -0.55, 0, 0.2, 0.2, 0.03, 1)
    + oval(0, 0.6, 0.15, 0.15, 1),
    "steel drum": tube(0, -0.2, 0, 0.75, 1.8, 1.5)
    + oval(0, -0.2, 0.9, 0.38, 1)
    + dots(4, -0.55, -0.2, 0.55, -0.2, 0.14, 0)
    + dots(2, -0.25, 0.02, 0.25, 0.02, 0.1, 0),
    "trombone": bar(-0.95, -0.2, 0.6, -0.2, 0.06)
    + bar(-0.95, 0.1, 0.7, 0.1, 0.06, 1)
    + bar(-0.95, 0.4, 0.2, 0.4, 0.06)
    + bar(-0.93, -0.2, -0.93, 0.4, 0.06)
    + tube(0.3, -0.2, 0.97, -0.2, 0.06, 0.65),
    "trumpet": bar(-0.95, -0.15, 0.5, -0.15, 0.08)
    + tube(0.45, -0.15, 0.95, -0.15, 0.08, 0.6)
    + oval(-0.1, 0.08, 0.5, 0.25)
    + oval(-0.1, 0.08, 0.4, 0.16, 2)
    + row(3, -0.3, 0, 0.1, 0, 0.13, 0.6, 1),
    "tuba": oval(0, 0.35, 0.6, 0.58)
    + oval(0, 0.35, 0.42, 0.4, 2)
    + oval(0, 0.35, 0.28, 0.26)
    + tube(0.3, 0.1, 0.35, -0.9, 0.3, 1.0)
    + row(3, -0.2, 0.3, 0.15, 0.3, 0.1, 0.4, 1),
    "violin": bar(0, 0, 0, -0.9, 0.09, 1)
    + oval(0, 0.6, 0.36, 0.3)
    + oval(0, 0.12, 0.29, 0.25)
    + box(-0.2, 0.25, 0.2, 0.5)
    + bar(0, 0.3, 0, 0.9, 0.09, 1)
    + bar(-0.17, 0.3, -0.13, 0.5, 0.03, 2)
    + bar(0.17, 0.3, 0.13, 0.5, 0.03, 2)
    + bar(0.55, 0.9, 0.75, -0.8, 0.04, 1),
}
DRAWINGS = {name: Drawing(*style, SHAPES[name]) for name, style in STYLES.items()}
