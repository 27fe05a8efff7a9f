"""Figures: drawings as SVG or PDF, by Matplotlib without a screen; the same drawing gives the same bytes.

Blue and vermilion of Okabe and Ito are told apart by the colour-blind; dashes, open marks and lightness tell them apart
in grey print.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from musicml.reports.plot_specs import Bars, Curves, Drawing, Layers, Matrix, Reliability
from musicml.utils import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, INK, PAPER = "#0072b2", "#d55e00", "#1a1c1e", "#ffffff"
WIDTH = 6.3  # inches: the text of an A4 page
LONGEST = 28  # characters of a class name that a drawing has room for
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # which comes with Matplotlib, so that every machine draws the same
    "font.size": 8.5,
    "text.parse_math": False,  # a class may be named $
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "musicml",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def svg(drawing: Drawing) -> bytes:
    """A drawing as an SVG file on white paper."""
    return saved(drawing, "svg", False)


def pdf(drawing: Drawing) -> bytes:
    """A drawing as a PDF file on white paper."""
    return saved(drawing, "pdf", False)


def inline(drawing: Drawing, name: str, alt: str) -> str:
    """A drawing as an SVG element of a page: without paper, in the page's own ink, its ids its own.

    Parameters
    ----------
    name : one of a kind on the page
    alt : what it shows, already escaped
    """
    text = saved(drawing, "svg", True).decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found[1]}{name}-", text)

    def labelled(found: re.Match[str]) -> str:  # and no template, in which a backslash of a class name would be read
        return f'<svg role="img" aria-label="{alt}" viewBox="{found[1]}">'

    return re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', labelled, text)


@functools.lru_cache(maxsize=64)
def saved(drawing: Drawing, kind: str, transparent: bool) -> bytes:
    """A drawing as a file's content.

    Raises
    ------
    InputError
        If Matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends import backend_pdf, backend_svg  # noqa: F401, so that no screen is looked for
    except ImportError:
        raise InputError(
            'a report needs Matplotlib for its figures, and it is not installed: `pip install -e ".[report]"` '
            "brings it."
        ) from None
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    found = io.BytesIO()
    dates = {"Date": None} if kind == "svg" else {"CreationDate": None, "ModDate": None}
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a class in a script that the font lacks is a box
        drawn(drawing).savefig(
            found, format=kind, metadata=dates, transparent=transparent, facecolor="none" if transparent else PAPER
        )
    return found.getvalue()


def drawn(drawing: Drawing) -> Figure:
    """A drawing as Matplotlib's figure."""
    by_kind: dict[type, Callable[[Any], Figure]] = {
        Curves: curves,
        Matrix: matrix,
        Reliability: reliability,
        Bars: bars,
        Layers: layers,
    }
    return by_kind[type(drawing)](drawing)


def figure(height: float) -> Figure:
    """An empty figure as wide as a page's text; `height` in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def cut(name: str) -> str:
    """A name as long as there is room for."""
    name = "".join(one if one.isprintable() else "?" for one in name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def grid(axes: Axes, axis: Literal["both", "x", "y"]) -> None:
    """Faint lines behind what is drawn."""
    axes.grid(axis=axis, color=INK, alpha=0.15, linewidth=0.5)
    axes.set_axisbelow(True)


def curves(drawing: Curves) -> Figure:
    """One panel a measure, side by side."""
    from matplotlib.ticker import MaxNLocator

    made = figure(2.6)
    panels = made.subplots(1, len(drawing.panels), squeeze=False)[0]
    for axes, (name, lines) in zip(panels, drawing.panels, strict=True):
        for line in lines:
            look = {"color": VERMILION, "linestyle": "--"} if line.second else {"color": BLUE}
            mark = "o" if len(line.x) < 25 else ""
            axes.plot(line.x, line.y, label=line.name, linewidth=1.4, marker=mark, markersize=2.5, **look)
        for epoch in drawing.marks:
            axes.axvline(epoch, color=INK, linewidth=0.7, linestyle=":")
        axes.set_xlabel(drawing.axis)
        axes.set_title(name, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        grid(axes, "y")
    panels[0].legend()
    return made


def matrix(drawing: Matrix) -> Figure:
    """Counts in cells; the darker, the larger the share of its row."""
    n = len(drawing.class_names)
    small = 8 if n <= 12 else 6.5 if n <= 22 else 5
    made = figure(min(7.6, 2.2 + 0.33 * n) if n <= 12 else 6.4)
    axes = made.subplots()
    axes.fill([-0.5, n - 0.5, n - 0.5, -0.5], [-0.5, -0.5, n - 0.5, n - 0.5], color=BLUE, alpha=0.03, linewidth=0)
    for row, counts in enumerate(drawing.counts):
        for column, count in enumerate(counts):
            if count:
                share = count / sum(counts)
                left, right, top, bottom = column - 0.5, column + 0.5, row - 0.5, row + 0.5
                corners = [left, right, right, left], [top, top, bottom, bottom]
                axes.fill(*corners, color=BLUE, alpha=0.1 + 0.9 * share, linewidth=0)
                ink = PAPER if share > 0.85 else INK
                axes.text(column, row, str(count), ha="center", va="center", fontsize=small, color=ink)
    names = [cut(name) for name in drawing.class_names]
    axes.set_xticks(range(n), names, rotation=90, fontsize=small)
    axes.set_yticks(range(n), names, fontsize=small)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(drawing.of_columns)
    axes.set_ylabel(drawing.of_rows)
    return made


def reliability(drawing: Reliability) -> Figure:
    """What was said against what was so, with how many answers below."""
    made = figure(4.4)
    above, below = made.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", label=drawing.of_ideal)
    for place, (name, points) in enumerate(drawing.series):
        look = {"color": VERMILION, "linestyle": "--", "marker": "s", "markerfacecolor": "none"}
        look = look if place else {"color": BLUE, "marker": "o"}
        said, right = [point[0] for point in points], [point[1] for point in points]
        above.plot(said, right, label=name, linewidth=1.3, markersize=4, **look)
        where = [value + (0.007 if place else -0.007) for value in said]
        fill = {"color": "none", "edgecolor": VERMILION} if place else {"color": BLUE}
        below.bar(where, [point[2] for point in points], width=0.013, linewidth=0.8, **fill)
    above.set_xlim(-0.02, 1.02)
    above.set_ylim(-0.02, 1.02)
    above.set_ylabel(drawing.of_right)
    below.set_xlabel(drawing.of_said)
    below.set_ylabel(drawing.of_count)
    above.legend(loc="upper left")
    grid(above, "both")
    grid(below, "y")
    return made


def bars(drawing: Bars) -> Figure:
    """One bar a class, with its interval; in words where it is not defined."""
    n = len(drawing.bars)
    made = figure(0.9 + (0.21 if n <= 20 else 0.165) * n)
    axes = made.subplots()
    axes.tick_params(axis="y", labelsize=8.5 if n <= 20 else 7.5)
    for row, (_, value, ends) in enumerate(drawing.bars):
        if value is None:
            axes.text(0.01, row, drawing.undefined, va="center", fontsize=7.5, style="italic")
            continue
        axes.barh(row, value, height=0.66, color=BLUE, alpha=0.55, linewidth=0)
        if ends is not None:
            axes.plot(ends, [row, row], color=INK, linewidth=1.1, marker="|", markersize=5)
    axes.set_yticks(range(n), [cut(name) for name, _, _ in drawing.bars])
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_xlim(0, 1.01)
    axes.set_xlabel(drawing.axis)
    grid(axes, "x")
    return made


def layers(drawing: Layers) -> Figure:
    """Boxes from the input, at the top, to the answer."""
    from matplotlib.patches import FancyBboxPatch

    n = len(drawing.boxes)
    made = figure(0.1 + 0.4 * n)
    axes = made.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(n, 0)
    for row, box in enumerate(drawing.boxes):
        shape = FancyBboxPatch(
            (0.3, row + 0.11),
            WIDTH - 0.6,
            0.68,
            boxstyle="round,pad=0,rounding_size=0.08",
            mutation_aspect=1,
            linewidth=0.8,
            edgecolor=BLUE,
            facecolor="none" if box.frozen else f"{BLUE}1f",
            linestyle="--" if box.frozen else "-",
        )
        axes.add_patch(shape)
        label = cut(box.name) + (f"  ({box.joins})" if box.joins and len(box.joins) < 40 else "")
        axes.text(0.42, row + 0.45, label, va="center", weight="bold", fontsize=8)
        axes.text(2.3, row + 0.45, "" if len(label) > 34 else box.words, va="center", fontsize=7.5)
        axes.text(WIDTH - 0.42, row + 0.45, box.shape, va="center", ha="right", fontsize=7.5)
        if row + 1 < n:
            axes.annotate(
                "",
                (WIDTH / 2, row + 1.11),
                (WIDTH / 2, row + 0.79),
                arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
            )
    return made
