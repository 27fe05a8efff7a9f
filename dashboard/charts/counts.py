"""Draw counts: examples per class, lengths of sounds, and agreement of two runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

PATTERNS = ("", "/", "x", ".")  # of stacked bars, so that they differ without color
PALE = {"color": "rgba(128,128,128,0.18)"}  # of examples without a label


def draw_stacked_bars(names: Sequence[str], parts: Mapping[str, np.ndarray], x: str, pale: str = "") -> go.Figure:
    """Draw stacked horizontal bars.

    Parameters
    ----------
    names : one for each bar
    parts : name of a part → its count in each bar
    pale : the part to draw pale, such as unlabeled examples
    """
    figure = charts.make_figure(x, height=110 + 24 * len(names))
    for place, (part, counts) in enumerate(parts.items()):
        figure.add_bar(
            x=list(counts),
            y=list(range(len(names))),  # by index, because shortened names could be equal
            customdata=list(names),
            orientation="h",
            name=part,
            marker=PALE if part == pale else {"pattern": {"shape": PATTERNS[place % len(PATTERNS)], "solidity": 0.35}},
            hovertemplate=f"%{{customdata}}, {part}: %{{x}}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.25, legend={"traceorder": "normal"})
    charts.name_places(figure, names)
    return figure


def draw_histogram(
    edges: Sequence[float] | np.ndarray, counts: Sequence[int] | np.ndarray, x: str, y: str
) -> go.Figure:
    """Draw a histogram of `counts`, [shape=(n,)], between `edges`, [shape=(n + 1,)]."""
    figure, ends = charts.make_figure(x, y, 280), np.asarray(edges, dtype=float)
    figure.add_bar(
        x=(ends[:-1] + ends[1:]) / 2,
        y=list(counts),
        width=np.diff(ends) * 0.92,
        customdata=np.stack([ends[:-1], ends[1:]], axis=1),
        hovertemplate="%{customdata[0]:.2f} – %{customdata[1]:.2f}: %{y}<extra></extra>",
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def bin_values(values: Sequence[float] | np.ndarray, most: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Count values in at most `most` bins of equal width; in one bin where all values are equal.

    Returns
    -------
    edges [shape=(n + 1,)], counts [shape=(n,)]
    """
    array = np.asarray(values, dtype=float)
    low, high = float(array.min()), float(array.max())
    if high - low < 1e-3:  # all values equal: a single bin
        return np.array([low - 0.5, low + 0.5]), np.array([len(array)])
    # few values get few bins
    counts, edges = np.histogram(array, bins=min(most, max(5, len(values) // 3)), range=(low, high))
    return edges, counts


def count_agreement(right_a: np.ndarray, right_b: np.ndarray) -> np.ndarray:
    """Count where both, [shape=(n,)] bool each, are correct, only one, or neither: [[both, only A], [only B, neither]].

    >>> count_agreement(np.array([True, True, False]), np.array([True, False, False]))
    array([[1, 1],
           [0, 1]])
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    return np.array([[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]])


def draw_two_by_two(counts: np.ndarray, rows: Sequence[str], columns: Sequence[str], dark: bool = False) -> go.Figure:
    """Draw four counts, [shape=(2, 2)], in cells colored by count; `rows` and `columns` are their names."""
    counts = np.asarray(counts)
    n = max(1, int(counts.sum()))
    figure = charts.make_figure(height=300)
    figure.add_heatmap(
        z=counts.tolist(),
        x=[0, 1],
        y=[0, 1],
        text=[[f"<b>{count}</b><br>{count / n:.0%}" for count in row] for row in counts],
        texttemplate="%{text}",
        textfont={"size": 17},
        colorscale=charts.make_color_scale(dark),
        zmin=0,
        zmax=n,
        showscale=False,
        xgap=3,
        ygap=3,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(margin={"t": 64})
    names = {"tickvals": [0, 1], "showgrid": False}
    figure.update_xaxes(ticktext=[_wrap_words(name) for name in columns], side="top", **names)
    figure.update_yaxes(ticktext=[_wrap_words(name) for name in rows], range=[1.5, -0.5], **names)
    return figure


def _wrap_words(name: str) -> str:
    """Wrap words into short lines, also at dashes and underscores."""
    lines = charts.wrap_parts(re.split("(?<=[-_ ])", name), "", 18)
    return "<br>".join(line.strip() for line in lines)
