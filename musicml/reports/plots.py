"""Charts of a report, drawn by Matplotlib without a display; the same chart gives the same bytes.

Blue and vermilion are from the palette of Okabe and Ito, which color-blind readers can distinguish. Dashes and open
markers distinguish them in grayscale print.
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
from musicml.utils import format_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, INK, PAPER = "#0072b2", "#d55e00", "#1a1c1e", "#ffffff"
FIRST, SECOND = {"color": BLUE}, {"color": VERMILION, "linestyle": "--"}  # the two series of a chart
GRID: dict[str, Any] = {"color": INK, "alpha": 0.15, "linewidth": 0.5}
WIDTH = 6.3  # inches, the text width of an A4 page
MAX_NAME_LENGTH = 28  # characters of a class name
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "text.parse_math": False,  # a class name may contain $
    "text.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "musicml",  # fixed ids, so that the bytes are the same each time
    "svg.fonttype": "path",  # letters as outlines, so that the reader needs no font
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class Line(NamedTuple):
    """A curve: `x` and `y` have the same length, and the second series is dashed."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    is_second: bool = False


@dataclass(frozen=True)
class Curves:
    """Training curves, one panel per metric: (name, lines); `marks` are the ends of training stages."""

    panels: tuple[tuple[str, tuple[Line, ...]], ...]
    axis: str
    marks: tuple[float, ...] = ()

    def draw(self) -> Figure:
        """Draw the panels side by side."""
        from matplotlib.ticker import MaxNLocator

        figure = _open_figure(2.6)
        panels = figure.subplots(1, len(self.panels), squeeze=False)[0]
        for axes, (name, lines) in zip(panels, self.panels, strict=True):
            for line in lines:
                style: dict[str, Any] = SECOND if line.is_second else FIRST
                marker = "o" if len(line.x) < 25 else ""  # more markers would hide the line
                axes.plot(line.x, line.y, label=line.name, linewidth=1.4, marker=marker, markersize=2.5, **style)
            for epoch in self.marks:
                axes.axvline(epoch, color=INK, linewidth=0.7, linestyle=":")
            axes.set_xlabel(self.axis)
            axes.set_title(name, fontsize=9)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            axes.grid(axis="y", **GRID)
        panels[0].legend()
        return figure


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: `counts` [n_classes][n_classes], with the true labels in rows."""

    class_names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    row_label: str
    column_label: str

    def draw(self) -> Figure:
        """Draw the counts in cells; a darker cell holds a larger share of its row."""
        n = len(self.class_names)
        font_size = 8 if n <= 12 else 6.5 if n <= 22 else 5
        figure = _open_figure(min(7.6, 2.2 + 0.33 * n) if n <= 12 else 6.4)
        axes = figure.subplots()
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
                color = PAPER if share > 0.85 else INK  # white on a dark cell stays readable
                axes.text(column, row, str(count), ha="center", va="center", fontsize=font_size, color=color)
        names = [_shorten(name) for name in self.class_names]
        axes.set_xticks(range(n), names, rotation=90, fontsize=font_size)
        axes.set_yticks(range(n), names, fontsize=font_size)
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
        axes.set(xlabel=self.column_label, ylabel=self.row_label)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: series of (name, points), a point (mean probability, fraction correct, n)."""

    series: tuple[tuple[str, tuple[tuple[float, float, int], ...]], ...]
    probability_label: str
    correct_label: str
    ideal_label: str
    count_label: str

    def draw(self) -> Figure:
        """Draw the fractions in the upper panel, and the number of predictions per bin in the lower one."""
        figure = _open_figure(4.4)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", label=self.ideal_label)
        for place, (name, points) in enumerate(self.series):
            style: dict[str, Any] = {**FIRST, "marker": "o"}
            fill: dict[str, Any] = FIRST
            if place:
                style = {**SECOND, "marker": "s", "markerfacecolor": "none"}
                fill = {"color": "none", "edgecolor": VERMILION}
            probabilities, correct, counts = zip(*points, strict=True) if points else ((), (), ())
            above.plot(probabilities, correct, label=name, linewidth=1.3, markersize=4, **style)
            centers = [value + (0.007 if place else -0.007) for value in probabilities]  # side by side, not overlapping
            below.bar(centers, counts, width=0.013, linewidth=0.8, **fill)
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=self.correct_label)
        below.set(xlabel=self.probability_label, ylabel=self.count_label)
        above.legend(loc="upper left")
        above.grid(**GRID)
        below.grid(axis="y", **GRID)
        return figure


@dataclass(frozen=True)
class Bars:
    """One bar per class: (class name, value, interval), each in 0..1 or None."""

    bars: tuple[tuple[str, float | None, tuple[float, float] | None], ...]
    axis: str
    undefined: str

    def draw(self) -> Figure:
        """Draw each bar with its interval, and a word in its place where the value is not defined."""
        n = len(self.bars)
        figure = _open_figure(0.9 + (0.21 if n <= 20 else 0.165) * n)
        axes = figure.subplots()
        axes.tick_params(axis="y", labelsize=8.5 if n <= 20 else 7.5)
        for row, (_, value, interval) in enumerate(self.bars):
            if value is None:
                axes.text(0.01, row, self.undefined, va="center", fontsize=7.5, style="italic")
                continue
            axes.barh(row, value, height=0.66, color=BLUE, alpha=0.55, linewidth=0)
            if interval is not None:
                axes.plot(interval, [row, row], color=INK, linewidth=1.1, marker="|", markersize=5)
        axes.set_yticks(range(n), [_shorten(name) for name, _, _ in self.bars])
        axes.set(ylim=(n - 0.4, -0.6), xlim=(0, 1.01), xlabel=self.axis)  # the first class at the top
        axes.grid(axis="x", **GRID)
        return figure


class Box(NamedTuple):
    """A part of a model: one layer, or several in a row, with its description and output shape."""

    name: str
    description: str
    shape: str
    is_frozen: bool = False
    merges: str = ""


@dataclass(frozen=True)
class Layers:
    """A drawing of a model, from its input at the top to its output."""

    boxes: tuple[Box, ...]

    def draw(self) -> Figure:
        """Draw one box per part, with an arrow to the next."""
        from matplotlib.patches import FancyBboxPatch

        n = len(self.boxes)
        figure = _open_figure(0.1 + 0.4 * n)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH), ylim=(n, 0))
        style: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.08", "mutation_aspect": 1, "linewidth": 0.8}
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        for row, box in enumerate(self.boxes):
            face: dict[str, Any] = {"facecolor": f"{BLUE}1f"}  # 1f: 12% opaque
            if box.is_frozen:
                face = {"facecolor": "none", "linestyle": "--"}
            axes.add_patch(FancyBboxPatch((0.3, row + 0.11), WIDTH - 0.6, 0.68, edgecolor=BLUE, **style, **face))
            label = _shorten(box.name) + (f"  ({box.merges})" if box.merges and len(box.merges) < 40 else "")
            axes.text(0.42, row + 0.45, label, va="center", weight="bold", fontsize=8)
            axes.text(2.3, row + 0.45, "" if len(label) > 34 else box.description, va="center", fontsize=7.5)
            axes.text(WIDTH - 0.42, row + 0.45, box.shape, va="center", ha="right", fontsize=7.5)
            if row + 1 < n:
                axes.annotate("", (WIDTH / 2, row + 1.11), (WIDTH / 2, row + 0.79), arrowprops=arrow)
        return figure


Drawing = Curves | Matrix | Reliability | Bars | Layers


def _open_figure(height: float) -> Figure:
    """Open a figure as wide as the text of a page; `height` in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _shorten(name: str) -> str:
    """Shorten a name to `MAX_NAME_LENGTH` characters."""
    name = "".join(char if char.isprintable() else "?" for char in name)
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"


def _localize_ticks(figure: Figure, language: str) -> None:
    """Write the numbers on all axes with the decimal mark of a language."""
    from matplotlib.ticker import ScalarFormatter

    class LocalFormatter(ScalarFormatter):
        """Axis labels with the decimal mark of the language."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return format_number(super().__call__(x, pos), language)

    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if type(axis.get_major_formatter()) is ScalarFormatter:  # class names have another formatter
            axis.set_major_formatter(LocalFormatter())


@functools.lru_cache(maxsize=64)
def save(drawing: Drawing, kind: str, transparent: bool = False, language: str = "en") -> bytes:
    """Draw a chart and return the content of its file, on a white or a transparent background.

    Parameters
    ----------
    kind : `svg` or `pdf`
    language : of the numbers on the axes

    Raises
    ------
    InputError
        If Matplotlib is not installed.
    """
    matplotlib = fonts.import_matplotlib()
    from matplotlib.backends import backend_pdf, backend_svg  # noqa: F401, loaded here so that no display is needed

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    content = io.BytesIO()
    # without dates, so that the same chart gives the same bytes
    dates = {"Date": None} if kind == "svg" else {"CreationDate": None, "ModDate": None}
    system_fonts = fonts.find_fonts(repr(drawing))[0]
    # a PDF cannot embed every kind of font as type 42, but it can hold the outlines of any as type 3
    style = {"font.family": [fonts.OWN, *map(fonts.register, system_fonts)], "pdf.fonttype": 3 if system_fonts else 42}
    with matplotlib.rc_context(STYLE | style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the report has a note on it
        figure, paper = drawing.draw(), "none" if transparent else PAPER
        if language != "en":
            _localize_ticks(figure, language)
        figure.savefig(content, format=kind, metadata=dates, transparent=transparent, facecolor=paper)
    return content.getvalue()


def render_inline(drawing: Drawing, name: str, alt: str, language: str = "en") -> str:
    """Draw a chart as an SVG element of a page: without background, in the page's text color, with unique ids.

    Parameters
    ----------
    name : unique on the page
    alt : description for screen readers, already escaped
    """
    text = save(drawing, "svg", True, language).decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda match: f"{match[1]}{name}-", text)

    def add_label(match: re.Match[str]) -> str:  # a function: in a replacement string, backslashes have a meaning
        """Add a description for screen readers."""
        return f'<svg role="img" aria-label="{alt}" viewBox="{match[1]}">'

    return re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', add_label, text)
