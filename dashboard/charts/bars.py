"""Draw the metrics of each class as bars with intervals, and the effect of another threshold."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

PATTERNS = ("", "/")  # of the first and the second series, so that they differ without color
LINES = {False: "#1a1d21", True: "#f0f2f5"}  # of what is drawn over a bar
GAP = 0.25  # between the bars of two classes, as a part of their distance
AT = 1.03  # where numbers stand, right of every bar and interval


def draw_bars(series: Sequence[Mapping[str, Any]], x: str, dark: bool = False) -> go.Figure:
    """Draw a bar for each class, of one or two series; a note replaces a metric that is not defined.

    Parameters
    ----------
    series : each `name` and `rows`, all with the same classes in the same order: `name`, `value` (None where it is not
        defined), `low` and `high` (None where there is no interval), `note` (why there is no value)
    x : the figure's name
    """
    names = [row["name"] for row in series[0]["rows"]]
    figure = charts.make_figure(x, height=100 + (26 if len(series) < 2 else 42) * len(names))
    for place, one in enumerate(series):
        figure.add_trace(_draw_bar(one["name"], one["rows"], place))
        aside = (place - 0.5) * (1 - GAP) / 2 if len(series) > 1 else 0  # where Plotly lays the bars of a group
        figure.add_trace(_draw_numbers(one["rows"], aside, dark))
        figure.add_trace(_draw_intervals(one["rows"], aside, dark))
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[charts.shorten(name, 24) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_xaxes(range=[0, 1.16], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], tickformat=".1f", fixedrange=True)
    figure.update_layout(barmode="group", bargap=GAP, dragmode=False, showlegend=len(series) > 1)
    return figure


def _draw_bar(name: str, rows: Sequence[Mapping[str, Any]], place: int) -> go.Bar:
    """Draw one series of bars, pale so that their intervals stand out."""
    color = charts.COLORS[place]
    pattern = {"shape": PATTERNS[place], "fillmode": "replace", "fgcolor": color, "bgcolor": _fade_color(color, 0.1)}
    return go.Bar(
        name=charts.shorten(name, 40),
        x=[row["value"] or 0 for row in rows],
        y=list(range(len(rows))),
        orientation="h",
        marker={
            "color": _fade_color(color, 0.45),
            "line": {"color": color, "width": 1.5},
            "pattern": pattern | {"solidity": 0.2} if PATTERNS[place] else None,
        },
        hovertext=[html.escape(_format_hover(row), quote=False) for row in rows],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _draw_numbers(rows: Sequence[Mapping[str, Any]], aside: float, dark: bool) -> go.Scatter:
    """Draw the numbers next to the bars, or the reason why there is no bar."""
    return go.Scatter(
        x=[0.01 if row["value"] is None else AT for row in rows],
        y=[place + aside for place in range(len(rows))],
        text=[html.escape(row["note"] if row["value"] is None else f"{row['value']:.2f}", quote=False) for row in rows],
        mode="text",
        textposition="middle right",
        textfont={"size": 13, "color": LINES[dark]},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _draw_intervals(rows: Sequence[Mapping[str, Any]], aside: float, dark: bool) -> go.Scatter:
    """Draw a line for each known interval."""
    known = [(place, row["low"], row["high"]) for place, row in enumerate(rows) if row["low"] is not None]
    return go.Scatter(
        x=[(low + high) / 2 for _, low, high in known],
        y=[place + aside for place, _, _ in known],
        error_x={"array": [(high - low) / 2 for _, low, high in known], "color": LINES[dark], "thickness": 2},
        mode="markers",
        marker={"opacity": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _fade_color(color: str, part: float) -> str:
    """Return a translucent color."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{part})"


def _format_hover(row: Mapping[str, Any]) -> str:
    """Return the hover text of a bar."""
    if row["value"] is None:
        return f"{row['name']}: {row['note']}"
    interval = f" ({row['low']:.3f} – {row['high']:.3f})" if row["low"] is not None else ""
    return f"{row['name']}: {row['value']:.3f}{interval}"


def draw_tradeoff(
    thresholds: np.ndarray,
    curves: Mapping[str, Sequence[float | None]],
    marks: Sequence[tuple[str, float]],
    x: str,
    y: str,
    dark: bool = False,
) -> go.Figure:
    """Draw a line for each metric over the thresholds, with some thresholds marked.

    Parameters
    ----------
    thresholds : np.ndarray [shape=(n_thresholds,)]
    curves : a figure's name → its values, None where it is not defined
    marks : thresholds with the words that stand above them
    """
    figure = charts.make_figure(x, y, 380)
    for place, (name, values) in enumerate(curves.items()):
        figure.add_scatter(
            x=thresholds,
            y=list(values),
            mode="lines",
            name=name,
            line={"dash": charts.DASHES[place], "color": charts.COLORS[place], "width": 2.5, "shape": "hv"},
            hovertemplate=f"{name} %{{y:.2f}}, %{{x:.2f}}<extra></extra>",
        )
    for place, (words, at) in enumerate(marks):
        _draw_mark(figure, at, words, place, LINES[dark])
    figure.update_xaxes(range=[0, 1], tickformat=".1f", fixedrange=True)
    figure.update_yaxes(range=[0, 1.03], tickformat=".1f", fixedrange=True)
    figure.update_layout(dragmode=False, margin_t=70, legend={"y": -0.25, "yanchor": "top"})
    return figure


def _draw_mark(figure: go.Figure, at: float, words: str, place: int, color: str) -> None:
    """Draw a vertical line at a threshold with its words above, the second one's higher so that both are readable."""
    figure.add_vline(x=at, line={"color": color, "dash": charts.DASHES[place], "width": 2})
    figure.add_annotation(
        x=at,
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=22 if place else 2,
        text=html.escape(words, quote=False),
        showarrow=False,
        xanchor="left" if at < 0.5 else "right",
        font={"size": 13},
    )
