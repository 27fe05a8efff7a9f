"""Draw Plotly figures from tables, without Streamlit.

In all functions, `x`, `y` and `bar` are the titles of the axes and of the color bar, and `names` those of the classes.
`dark` is whether the page is dark, and `seconds` is the duration of a sound.
No color carries a meaning alone: symbols, dashes or printed numbers repeat it for color-blind readers.
Numbers in hover texts are formatted by Plotly, so that its `separators` can give them a decimal comma.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

# After Okabe and Ito, "Color Universal Design" (2008): distinct for color-blind readers. Each has a contrast of at
# least 3 to 1 on a white and on a black page.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#c2629a", "#b57b00", "#3f8fc4", "#7f7f7f")
SCALES = {False: ("#f3f7fb", "#8fbfe0", "#0b4f8a"), True: ("#1b222b", "#2f6c9c", "#9bd3ff")}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "cross", "hexagon")


def make_figure(x: str = "", y: str = "", height: int = 360) -> go.Figure:
    """Return an empty figure with titled axes, wide margins for long names, and its legend on top.

    Parameters
    ----------
    height : pixels
    """
    return go.Figure(
        layout={
            "xaxis": {"title": {"text": x}, "automargin": True},
            "yaxis": {"title": {"text": y}, "automargin": True},
            "height": height,
            "colorway": COLORS,
            "margin": {"l": 8, "r": 16, "t": 24, "b": 8},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
            "hovermode": "closest",  # show the nearest point, not all points of a column
        }
    )


def name_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """Name the rows of a figure whose y values are names, the first on top."""
    figure.update_yaxes(
        type="category",  # else Plotly would read names such as "80" as numbers
        categoryorder="array",
        categoryarray=names[::-1],
        tickvals=names,
        ticktext=[shorten(name) for name in names],
    )


def name_places(figure: go.Figure, names: Sequence[str]) -> None:
    """Name the rows of a figure from the top, by place, because two shortened names can be equal."""
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[shorten(name, 24) for name in names],
        range=[len(names) - 0.4, -0.6],
        showgrid=False,
    )


def make_whiskers(values: Sequence[float], intervals: Sequence[Sequence[float] | None], **style: Any) -> dict[str, Any]:
    """Return intervals around values as Plotly's error bars; none where an interval is None."""
    pairs = list(zip(values, intervals, strict=True))  # Plotly wants distances from the value, not the ends
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0, pair[1] - value) if pair else 0 for value, pair in pairs],
        "arrayminus": [max(0, value - pair[0]) if pair else 0 for value, pair in pairs],
        **style,
    }


def draw_side_numbers(
    values: Sequence[float | str], spec: str, x: Sequence[float], y: Sequence[Any], **style: Any
) -> go.Scatter:
    """Draw numbers, formatted by Plotly's `spec`, or texts in a column of their own, right of all marks."""
    texts = [html.escape(value, quote=False) if isinstance(value, str) else "" for value in values]
    return go.Scatter(
        x=x,
        y=y,
        customdata=list(values),
        texttemplate=[text or f"%{{customdata:{spec}}}" for text in texts],
        mode="text",
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
        **style,
    )


def get_color(place: int) -> str:
    """Return the color of the run or class at index `place`."""
    return COLORS[place % len(COLORS)]


def get_symbol(place: int) -> str:
    """Return the symbol of the run, kind or class at index `place`."""
    return SYMBOLS[place % len(SYMBOLS)]


def group_by_kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group rows by their `kind`, in the order in which the kinds first appear."""
    kinds = dict.fromkeys(row["kind"] for row in rows)  # a dict keeps the order of first appearance
    return {kind: [row for row in rows if row["kind"] == kind] for kind in kinds}


def make_color_scale(dark: bool) -> list[list]:
    """Return a color scale whose lightness changes steadily, so that it is readable in gray too."""
    low, middle, high = SCALES[dark]
    return [[0.0, low], [0.5, middle], [1.0, high]]


def shorten(name: str, most: int = 34) -> str:
    """Shorten a name to fit next to an axis, and escape it for Plotly."""
    return html.escape(name if len(name) <= most else f"{name[: most - 12]}…{name[-11:]}", quote=False)


def format_count(number: int) -> str:
    """Format a large number with a blank between thousands, which cannot be mistaken for a decimal mark.

    >>> format_count(25000) == "25\u00a0000"
    True
    """
    return f"{number:,}".replace(",", "\u00a0")


def wrap_parts(parts: Sequence[str], between: str, most: int) -> list[str]:
    """Wrap parts into lines of at most `most` letters; a longer part gets its own line.

    >>> wrap_parts(["Conv2D", "BatchNormalization", "Activation"], " + ", 30)
    ['Conv2D + BatchNormalization', 'Activation']
    """
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(between) + len(part) <= most:
            lines[-1] += between + part
        else:
            lines.append(part)
    return lines
