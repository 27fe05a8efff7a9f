"""Count a confusion matrix, and draw it with cells that can be clicked."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly import colors

from dashboard import charts

INKS = ("#000000", "#ffffff")  # text colors: on any background, one of the two has enough contrast
EQUAL_CONTRAST = 0.05**0.5 * 1.05**0.5 - 0.05  # background luminance on which both have the same contrast
FRAMES = {False: "#1a1d21", True: "#f0f2f5"}  # of the diagonal, on a light and on a dark page
SIZES = ((4, 72, 22), (15, 44, 16), (1000, 27, 13))  # up to so many rows: row height and font size, pixels


def count_cells(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Count the examples of each pair of row and column, [shape=shape], int.

    Parameters
    ----------
    rows, columns : np.ndarray [shape=(n_examples,)], int; an example whose row is below 0 is left out
    """
    labeled = rows >= 0
    pairs = rows[labeled] * shape[1] + columns[labeled]  # one number per cell, so that bincount can count them
    return np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)


def compute_shares(counts: np.ndarray) -> np.ndarray:
    """Return each count as a share of its row; 0 in an empty row."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def sort_by_confusion(counts: np.ndarray) -> list[int]:
    """Sort the classes of a square matrix by their wrong predictions, the most frequent first."""
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.argsort(-wrong, kind="stable").tolist()


def list_confusions(counts: np.ndarray) -> list[tuple[int, int]]:
    """List the non-empty cells off the diagonal, the largest count first."""
    found = [(row, column) for row, column in np.argwhere(counts).tolist() if row != column]
    return sorted(found, key=lambda pair: -counts[pair])


def format_cells(counts: np.ndarray, by_share: bool = False) -> list[list[str]]:
    """Return the printed number of each cell: the count, or the percentage of its row.

    >>> format_cells(np.array([[2, 1], [0, 0]])), format_cells(np.array([[2, 1], [0, 0]]), by_share=True)
    ([['2', '1'], ['', '']], [['67', '33'], ['', '']])
    """
    if not by_share:
        return [[str(n) if n else "" for n in row] for row in counts.tolist()]
    return [[format_percent(n, sum(row)) if n else "" for n in row] for row in counts.tolist()]


def format_percent(n: int, of: int) -> str:
    """Format a share in whole percent; only exact values are shown as 0 or 100.

    >>> format_percent(1, 3), format_percent(1, 1000), format_percent(999, 1000), format_percent(3, 3)
    ('33', '<1', '>99', '100')
    """
    rounded = round(100 * n / of)
    if 0 < n < of and rounded in (0, 100):
        return "<1" if rounded == 0 else ">99"
    return str(rounded)


def get_fill_color(share: float, dark: bool) -> str:
    """Return the color of a cell on the color scale, as `rgb(0, 0, 0)`."""
    return colors.sample_colorscale(charts.make_color_scale(dark), share)[0]


@functools.lru_cache(maxsize=4000)
def choose_ink(share: float, dark: bool) -> str:
    """Return the text color that contrasts most with a cell (Web Content Accessibility Guidelines 2)."""
    return INKS[compute_luminance(get_fill_color(share, dark)) < EQUAL_CONTRAST]


def compute_luminance(color: str) -> float:
    """Compute the relative luminance of a color, 0 to 1.

    >>> round(compute_luminance("rgb(255, 255, 255)"), 4), compute_luminance("rgb(0, 0, 0)")
    (1.0, 0.0)
    """
    parts = [n / 255 for n in colors.unlabel_rgb(color)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def draw_matrix(
    counts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    x: str,
    y: str,
    hover_texts: Sequence[Sequence[str]],
    by_share: bool = False,
    dark: bool = False,
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """Draw a confusion matrix, colored by row share, with a framed diagonal.

    A click selects a point whose `customdata` is (row, column). The cells are a heatmap, which fits any width, but
    Streamlit reports no clicks on heatmaps. So invisible points lie on the cells.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_rows, n_columns)], int
    rows, columns : their names, from the top and from the left
    hover_texts : the hover text of each cell
    by_share : print the row percent instead of the count
    chosen : row and column of a cell to mark
    """
    part, texts = compute_shares(counts), format_cells(counts, by_share)
    tall, size = next((tall, size) for most, tall, size in SIZES if len(rows) <= most)
    figure = charts.make_figure(x, y, 150 + tall * len(rows))
    # the font size is an upper bound: Plotly shrinks numbers that do not fit their cell
    figure.update_layout(font={"size": size})
    for ink in INKS:
        figure.add_trace(_draw_squares(part, texts, ink, dark))
    figure.add_trace(_draw_points(counts.shape, hover_texts))
    frames = [_draw_frame(place, place, FRAMES[dark], 1) for place in range(min(counts.shape))]
    if chosen:
        frames.append(_draw_frame(*chosen, charts.COLORS[1], 4))
    figure.update_layout(shapes=frames)
    _name_axes(figure, rows, columns)
    return figure


def _draw_squares(part: np.ndarray, texts: Sequence[Sequence[str]], color: str, dark: bool) -> go.Heatmap:
    """Draw the cells whose numbers are printed in `color`; the other cells stay empty."""
    own = [[choose_ink(share, dark) == color for share in row] for row in part.tolist()]
    # Plotly sizes all texts by the longest one: blanks of equal width make numbers shrink until they fit
    blank = "\u00a0" * max(2, *(len(text) for row in texts for text in row))
    return go.Heatmap(
        x=[str(column) for column in range(part.shape[1])],  # by number, because shortened names could be equal
        z=np.where(own, part, np.nan),
        text=[
            [(text or blank) if mine else blank for text, mine in zip(*pair, strict=True)]
            for pair in zip(texts, own, strict=True)
        ],
        texttemplate="%{text}",
        textfont={"color": color},
        zmin=0,
        zmax=1,
        colorscale=charts.make_color_scale(dark),
        showscale=False,
        xgap=1,
        ygap=1,
        hoverinfo="skip",
    )


def _draw_points(shape: tuple[int, int], hover_texts: Sequence[Sequence[str]]) -> go.Scatter:
    """Draw an invisible point in each cell, to hover over and to click."""
    places = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    return go.Scatter(
        x=[str(column) for _, column in places],
        y=[row for row, _ in places],
        customdata=places,
        text=[html.escape(hover_texts[row][column], quote=False) for row, column in places],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker={"symbol": "square", "size": 16, "opacity": 0},
        showlegend=False,
    )


def _draw_frame(row: int, column: int, color: str, width: int) -> dict[str, Any]:
    """Draw a line around a cell."""
    corners = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
    return {"type": "rect", **corners, "line": {"color": color, "width": width}}


def _name_axes(figure: go.Figure, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name the rows and columns, and disable dragging so that touch scrolls the page."""
    common = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": "", "tickfont": {"size": 13}}
    figure.update_layout(xaxis_title_font_size=14, yaxis_title_font_size=14, hoverlabel_font_size=14)
    most = 20 if len(columns) > 4 else 34
    keys = [str(place) for place in range(len(columns))]
    # on a category axis, Plotly drops names for which there is no room, as on a phone
    figure.update_xaxes(
        type="category",
        categoryarray=keys,
        labelalias={key: charts.shorten(name, most) for key, name in zip(keys, columns, strict=True)},
        range=[-0.5, len(columns) - 0.5],
        side="top",
        tickangle=-90 if len(columns) > 4 else 0,
        **common,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[charts.shorten(name, most) for name in rows],
        range=[len(rows) - 0.5, -0.5],
        **common,
    )
    figure.update_layout(hoverdistance=-1, dragmode=False, showlegend=False)
