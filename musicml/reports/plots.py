"""Charts of a report, as numbers and words that Matplotlib draws without a screen; the same chart gives the same bytes.

Blue and vermilion of Okabe and Ito are told apart by the colour-blind; dashes, open marks and lightness tell them apart
in grey print.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from musicml.reports import fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, INK, PAPER = "#0072b2", "#d55e00", "#1a1c1e", "#ffffff"
FIRST, SECOND = {"color": BLUE}, {"color": VERMILION, "linestyle": "--"}  # two series of one chart
GRID: dict[str, Any] = {"color": INK, "alpha": 0.15, "linewidth": 0.5}
WIDTH = 6.3  # inches: the text of an A4 page
LONGEST = 28  # characters of a class name that a chart has room for
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "text.parse_math": False,  # a class may be named $
    "text.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "musicml",
    "svg.fonttype": "path",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class Line(NamedTuple):
    """One curve: `x` and `y` of the same length; `second` for the one that is told apart by dashes."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    second: bool = False


@dataclass(frozen=True)
class Curves:
    """What each epoch gave, one panel a measure: (its name, its lines); `marks` are epochs after which a stage ends."""

    panels: tuple[tuple[str, tuple[Line, ...]], ...]
    axis: str
    marks: tuple[float, ...] = ()

    def draw(self) -> Figure:
        """Draw the panels side by side."""
        from matplotlib.ticker import MaxNLocator

        made = _open_figure(2.6)
        panels = made.subplots(1, len(self.panels), squeeze=False)[0]
        for axes, (name, lines) in zip(panels, self.panels, strict=True):
            for line in lines:
                look: dict[str, Any] = SECOND if line.second else FIRST
                mark = "o" if len(line.x) < 25 else ""
                axes.plot(line.x, line.y, label=line.name, linewidth=1.4, marker=mark, markersize=2.5, **look)
            for epoch in self.marks:
                axes.axvline(epoch, color=INK, linewidth=0.7, linestyle=":")
            axes.set_xlabel(self.axis)
            axes.set_title(name, fontsize=9)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            axes.grid(axis="y", **GRID)
        panels[0].legend()
        return made


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: `counts` [n_classes][n_classes], a row for each true class."""

    class_names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    of_rows: str
    of_columns: str

    def draw(self) -> Figure:
        """Draw counts in cells; the darker, the larger the share of its row."""
        n = len(self.class_names)
        small = 8 if n <= 12 else 6.5 if n <= 22 else 5
        made = _open_figure(min(7.6, 2.2 + 0.33 * n) if n <= 12 else 6.4)
        axes = made.subplots()
        axes.fill([-0.5, n - 0.5, n - 0.5, -0.5], [-0.5, -0.5, n - 0.5, n - 0.5], color=BLUE, alpha=0.03, linewidth=0)
        for row, counts in enumerate(self.counts):
            for column, count in enumerate(counts):
                if not count:
                    continue
                share = count / sum(counts)
                x, y = (
                    [column + step for step in (-0.5, 0.5, 0.5, -0.5)],
                    [row + step for step in (-0.5, -0.5, 0.5, 0.5)],
                )
                axes.fill(x, y, color=BLUE, alpha=0.1 + 0.9 * share, linewidth=0)
                ink = PAPER if share > 0.85 else INK
                axes.text(column, row, str(count), ha="center", va="center", fontsize=small, color=ink)
        names = [_cut(name) for name in self.class_names]
        axes.set_xticks(range(n), names, rotation=90, fontsize=small)
        axes.set_yticks(range(n), names, fontsize=small)
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
        axes.set(xlabel=self.of_columns, ylabel=self.of_rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return made


@dataclass(frozen=True)
class Reliability:
    """What was said against what was so: series of (name, points), a point (said, right, n), shares in 0..1."""

    series: tuple[tuple[str, tuple[tuple[float, float, int], ...]], ...]
    of_said: str
    of_right: str
    of_ideal: str
    of_count: str

    def draw(self) -> Figure:
        """Draw the shares above, and how many answers each holds below."""
        made = _open_figure(4.4)
        above, below = made.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", label=self.of_ideal)
        for place, (name, points) in enumerate(self.series):
            look: dict[str, Any] = {**FIRST, "marker": "o"}
            fill: dict[str, Any] = FIRST
            if place:
                look = {**SECOND, "marker": "s", "markerfacecolor": "none"}
                fill = {"color": "none", "edgecolor": VERMILION}
            said, right, counts = zip(*points, strict=True) if points else ((), (), ())
            above.plot(said, right, label=name, linewidth=1.3, markersize=4, **look)
            where = [value + (0.007 if place else -0.007) for value in said]
            below.bar(where, counts, width=0.013, linewidth=0.8, **fill)
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=self.of_right)
        below.set(xlabel=self.of_said, ylabel=self.of_count)
        above.legend(loc="upper left")
        above.grid(**GRID)
        below.grid(axis="y", **GRID)
        return made


@dataclass(frozen=True)
class Bars:
    """One bar a class: (class name, value, interval), in 0..1; None where it is not defined."""

    bars: tuple[tuple[str, float | None, tuple[float, float] | None], ...]
    axis: str
    undefined: str

    def draw(self) -> Figure:
        """Draw each bar with its interval; in words where it is not defined."""
        n = len(self.bars)
        made = _open_figure(0.9 + (0.21 if n <= 20 else 0.165) * n)
        axes = made.subplots()
        axes.tick_params(axis="y", labelsize=8.5 if n <= 20 else 7.5)
        for row, (_, value, ends) in enumerate(self.bars):
            if value is None:
                axes.text(0.01, row, self.undefined, va="center", fontsize=7.5, style="italic")
                continue
            axes.barh(row, value, height=0.66, color=BLUE, alpha=0.55, linewidth=0)
            if ends is not None:
                axes.plot(ends, [row, row], color=INK, linewidth=1.1, marker="|", markersize=5)
        axes.set_yticks(range(n), [_cut(name) for name, _, _ in self.bars])
        axes.set(ylim=(n - 0.4, -0.6), xlim=(0, 1.01), xlabel=self.axis)
        axes.grid(axis="x", **GRID)
        return made


class Box(NamedTuple):
    """A part of a model: a layer, or several in a row; `words` are what it says, `frozen` whether it learns nothing."""

    name: str
    words: str
    shape: str
    frozen: bool = False
    joins: str = ""


@dataclass(frozen=True)
class Layers:
    """A model from what comes in, at the top, to its answer."""

    boxes: tuple[Box, ...]

    def draw(self) -> Figure:
        """Draw a box a part, with an arrow to the next."""
        from matplotlib.patches import FancyBboxPatch

        n = len(self.boxes)
        made = _open_figure(0.1 + 0.4 * n)
        axes = made.subplots()
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH), ylim=(n, 0))
        style: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.08", "mutation_aspect": 1, "linewidth": 0.8}
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        for row, box in enumerate(self.boxes):
            look: dict[str, Any] = (
                {"facecolor": "none", "linestyle": "--"} if box.frozen else {"facecolor": f"{BLUE}1f"}
            )
            axes.add_patch(FancyBboxPatch((0.3, row + 0.11), WIDTH - 0.6, 0.68, edgecolor=BLUE, **style, **look))
            label = _cut(box.name) + (f"  ({box.joins})" if box.joins and len(box.joins) < 40 else "")
            axes.text(0.42, row + 0.45, label, va="center", weight="bold", fontsize=8)
            axes.text(2.3, row + 0.45, "" if len(label) > 34 else box.words, va="center", fontsize=7.5)
            axes.text(WIDTH - 0.42, row + 0.45, box.shape, va="center", ha="right", fontsize=7.5)
            if row + 1 < n:
                axes.annotate("", (WIDTH / 2, row + 1.11), (WIDTH / 2, row + 0.79), arrowprops=arrow)
        return made


Drawing = Curves | Matrix | Reliability | Bars | Layers


def _open_figure(height: float) -> Figure:
    """Open a figure as wide as a page's text; `height` in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _cut(name: str) -> str:
    """Cut a name to what there is room for."""
    name = "".join(one if one.isprintable() else "?" for one in name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


@functools.lru_cache(maxsize=64)
def save(drawing: Drawing, kind: str, transparent: bool = False) -> bytes:
    """Draw a chart as a file's content; on white paper, or `transparent`.

    Parameters
    ----------
    kind : `svg` or `pdf`

    Raises
    ------
    InputError
        If Matplotlib is not installed.
    """
    matplotlib = fonts.import_matplotlib()
    from matplotlib.backends import backend_pdf, backend_svg  # noqa: F401, so that no screen is looked for

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    content = io.BytesIO()
    dates = {"Date": None} if kind == "svg" else {"CreationDate": None, "ModDate": None}
    others = fonts.find_fonts(repr(drawing))[0]
    # Matplotlib can't keep every kind of font whole in a PDF, but draws the letters of any
    style = {"font.family": [fonts.OWN, *map(fonts.register, others)], "pdf.fonttype": 3 if others else 42}
    with matplotlib.rc_context(STYLE | style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the report says so
        paper = "none" if transparent else PAPER
        drawing.draw().savefig(content, format=kind, metadata=dates, transparent=transparent, facecolor=paper)
    return content.getvalue()


def render_inline(drawing: Drawing, name: str, alt: str) -> str:
    """Draw a chart as an SVG element of a page: without paper, in the page's own ink, its ids its own.

    Parameters
    ----------
    name : one of a kind on the page
    alt : what it shows, already escaped
    """
    text = save(drawing, "svg", True).decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found[1]}{name}-", text)

    def add_label(found: re.Match[str]) -> str:  # and no template, in which a backslash of a class name would be read
        return f'<svg role="img" aria-label="{alt}" viewBox="{found[1]}">'

    return re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', add_label, text)
