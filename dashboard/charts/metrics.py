"""Draw metrics with intervals, probabilities with thresholds, reliability diagrams and feature importances."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly import colors

from dashboard import charts

PATTERNS = ("", "/", ".")  # of series, so that they differ without color
LINES = {False: "#1a1d21", True: "#f0f2f5"}  # color of intervals and marks, on a light and on a dark page
BAR_GAP = 0.25  # between the bars of two classes, as a share of their distance
NUMBER_X = 1.03  # position of numbers, right of every bar and interval
RUN_OFFSET = 0.16  # between the dots of two runs on one line, as a share of the line height
MIN_MARK_SIZE, MAX_MARK_SIZE = 6, 18  # pixels: a mark's width grows with its number of predictions


def draw_dots(rows: Sequence[Mapping[str, Any]], x: str) -> go.Figure:
    """Draw metrics with intervals, one below the other.

    Parameters
    ----------
    rows : `name`, `value`, `interval` (None where there is none), `kind` (a legend entry with its own color and symbol)
    """
    figure = charts.make_figure(x, height=90 + 30 * len(rows))
    for place, (kind, some) in enumerate(charts.group_by_kind(rows).items()):
        values = [row["value"] for row in some]
        figure.add_scatter(
            x=values,
            y=[row["name"] for row in some],
            error_x=charts.make_whiskers(values, [row["interval"] for row in some], thickness=1.5),
            mode="markers",
            name=kind,
            marker={"size": 11, "symbol": charts.get_symbol(place)},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    charts.name_rows(figure, [row["name"] for row in rows])
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".1f")
    return figure


def draw_side_by_side(
    names: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    intervals: Mapping[str, Sequence[Sequence[float] | None]],
    x: str,
) -> go.Figure:
    """Draw one metric of each class for several runs: a line per class, a symbol per run.

    Parameters
    ----------
    values : run → its metric for each class, None where it is undefined
    intervals : run → its interval for each class, None where there is none
    """
    figure = charts.make_figure(x, height=130 + (16 + 10 * len(values)) * len(names))
    for place, (run, row) in enumerate(values.items()):
        shift = RUN_OFFSET * (place - (len(values) - 1) / 2)
        known = [(k, value) for k, value in enumerate(row) if value is not None]
        shown = [value for _, value in known]
        figure.add_scatter(
            x=shown,
            y=[k + shift for k, _ in known],
            customdata=[names[k] for k, _ in known],
            mode="markers",
            name=charts.shorten(run, 48),
            error_x=charts.make_whiskers(shown, [intervals[run][k] for k, _ in known], thickness=1.2, width=2),
            marker={"size": 9, "symbol": charts.get_symbol(place)},
            hovertemplate="%{customdata}: %{x:.3f}<extra>%{fullData.name}</extra>",
        )
    charts.name_places(figure, names)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".1f")
    figure.update_yaxes(showgrid=True)
    return figure


def draw_bars(series: Sequence[Mapping[str, Any]], x: str, dark: bool = False) -> go.Figure:
    """Draw a bar for each class, of one or two series; a note replaces a metric that is not defined.

    Parameters
    ----------
    series : each `name` and `rows`, all with the same classes in the same order: `name`, `value` (None where it is not
        defined), `interval` (None where there is none), `note` (why there is no value)
    """
    names = [row["name"] for row in series[0]["rows"]]
    figure = charts.make_figure(x, height=100 + (26 if len(series) < 2 else 42) * len(names))
    for place, part in enumerate(series):
        figure.add_trace(_draw_bar(part["name"], part["rows"], place))
        aside = (place - 0.5) * (1 - BAR_GAP) / 2 if len(series) > 1 else 0  # center of this series' bars in Plotly
        rows, style = part["rows"], {"size": 13, "color": LINES[dark]}
        texts = [row["note"] if row["value"] is None else row["value"] for row in rows]
        at = [0.01 if row["value"] is None else NUMBER_X for row in rows]
        places = [place + aside for place in range(len(rows))]
        figure.add_trace(charts.draw_side_numbers(texts, ".2f", at, places, textfont=style))
        figure.add_trace(_draw_intervals(part["rows"], aside, dark))
    charts.name_places(figure, names)
    figure.update_yaxes(range=[len(names) - 0.5, -0.5], zeroline=False, fixedrange=True)
    figure.update_xaxes(range=[0, 1.16], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], tickformat=".1f", fixedrange=True)
    figure.update_layout(barmode="group", bargap=BAR_GAP, dragmode=False, showlegend=len(series) > 1)
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
        hovertext=[html.escape(row["name"], quote=False) for row in rows],
        customdata=[row["interval"] or (None, None) for row in rows],
        hovertemplate=[_make_hover_template(row) for row in rows],
    )


def _draw_intervals(rows: Sequence[Mapping[str, Any]], aside: float, dark: bool) -> go.Scatter:
    """Draw a line for each known interval."""
    known = [(place, *row["interval"]) for place, row in enumerate(rows) if row["interval"]]
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
    red, green, blue = colors.hex_to_rgb(color)
    return f"rgba({red},{green},{blue},{part})"


def _make_hover_template(row: Mapping[str, Any]) -> str:
    """Return the hover template of a bar: its class with its value and interval, or with its note."""
    interval = " (%{customdata[0]:.3f} – %{customdata[1]:.3f})" if row["interval"] else ""
    value = html.escape(row["note"], quote=False) if row["value"] is None else f"%{{x:.3f}}{interval}"
    return f"%{{hovertext}}: {value}<extra></extra>"


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
    curves : metric → its values, None where it is undefined
    marks : thresholds with their labels
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
        figure.add_vline(
            x=at,
            line={"color": LINES[dark], "dash": charts.DASHES[place], "width": 2},
            annotation={
                "text": html.escape(words, quote=False),
                "y": 1,
                "yanchor": "bottom",
                "yshift": 22 if place else 2,  # the second label is higher, so that they do not overlap
                "xanchor": "left" if at < 0.5 else "right",
                "font": {"size": 13},
            },
        )
    figure.update_xaxes(range=[0, 1], tickformat=".1f", fixedrange=True)
    figure.update_yaxes(range=[0, 1.03], tickformat=".1f", fixedrange=True)
    figure.update_layout(dragmode=False, margin_t=70, legend={"y": -0.25, "yanchor": "top"})
    return figure


def draw_reliability(tables: Mapping[str, Sequence[Mapping[str, float]]], perfect: str, x: str, y: str) -> go.Figure:
    """Draw a reliability diagram (DeGroot and Fienberg, The Statistician, 1983).

    Parameters
    ----------
    tables : name in the legend → bins with `n`, `said` and `right`, as `compute_reliability` returns them
    perfect : name of the diagonal
    """
    figure = charts.make_figure(x, y, height=420)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name=perfect, line={"dash": "dot", "color": charts.COLORS[-1], "width": 1.5}
    )
    most = max((row["n"] for rows in tables.values() for row in rows), default=1)
    for k, (name, rows) in enumerate(tables.items()):
        figure.add_scatter(
            x=[row["said"] for row in rows],
            y=[row["right"] for row in rows],
            customdata=[row["n"] for row in rows],
            mode="lines+markers",
            name=name,
            line={"dash": charts.DASHES[len(tables) - 1 - k], "color": charts.COLORS[k]},
            marker={
                "symbol": charts.SYMBOLS[k],
                # the square root makes a mark's area proportional to its number of predictions
                "size": [MIN_MARK_SIZE + (MAX_MARK_SIZE - MIN_MARK_SIZE) * (row["n"] / most) ** 0.5 for row in rows],
            },
            hovertemplate="%{x:.0%} → %{y:.0%} (%{customdata})<extra></extra>",
        )
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure


def draw_probabilities(rows: Sequence[Mapping[str, Any]], x: str, least: str = "") -> go.Figure:
    """Draw the probabilities of classes, the first row on top, each with its percentage.

    Parameters
    ----------
    rows : `name`, `value`, `kind` (a legend entry with its own pattern), `least` (the threshold; None without one)
    least : name of the thresholds in the legend
    """
    figure, kinds = charts.make_figure(x, height=100 + 32 * len(rows)), charts.group_by_kind(rows)
    for place, (kind, some) in enumerate(kinds.items()):
        figure.add_bar(
            x=[row["value"] for row in some],
            y=[row["name"] for row in some],
            orientation="h",
            name=kind,
            marker={"pattern": {"shape": PATTERNS[place % 3]}},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    names = [row["name"] for row in rows]
    figure.add_trace(charts.draw_side_numbers([row["value"] for row in rows], ".0%", [1.02] * len(rows), names))
    marked = [row for row in rows if row["least"] is not None]
    if marked:
        figure.add_scatter(
            x=[row["least"] for row in marked],
            y=[row["name"] for row in marked],
            mode="markers",
            name=least,
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": "#888888"}},
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    charts.name_rows(figure, names)
    figure.update_xaxes(range=[0, 1.15], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_layout(showlegend=len(kinds) > 1 or bool(marked), bargap=0.35)
    return figure


def draw_feature_shares(names: Sequence[str], shares: np.ndarray, x: str, y: str) -> go.Figure:
    """Draw the importance of each feature in a forest's decision.

    Parameters
    ----------
    names : of the features, in order
    shares : np.ndarray [shape=(n_features,)], which sum to 1
    """
    figure, places = charts.make_figure(x, y, 280), list(range(len(names)))
    figure.add_bar(x=places, y=shares, customdata=list(names), hovertemplate="%{customdata}: %{y:.1%}<extra></extra>")
    some = places[:: max(1, len(names) // 12)]
    figure.update_xaxes(tickvals=some, ticktext=[names[place] for place in some])
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure
