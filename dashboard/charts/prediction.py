"""Draw a prediction: the probability of each class, and which parts of the input the model used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

ORANGE = "230, 97, 1"  # as in musicml.inference.explain.overlay
GREY = [[0.0, "#000000"], [1.0, "#c8c8c8"]]
MAP = [[0.0, f"rgba({ORANGE}, 0)"], [0.15, f"rgba({ORANGE}, 0.1)"], [1.0, f"rgba({ORANGE}, 0.8)"]]
HERTZ = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)  # worth a mark on the axis of pitch


def draw_bars(rows: Sequence[Mapping[str, Any]], x: str, least: str = "") -> go.Figure:
    """Draw the probabilities of classes, the first row on top, each with its percentage.

    Parameters
    ----------
    rows : `name`, `value`, `kind` (in the legend: each has a pattern of its own), `least` (from which the class counts
        as present; None where there is no such threshold)
    x : the axis's title
    least : what the thresholds are called in the legend
    """
    figure = charts.make_figure(x, height=100 + 32 * len(rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    for place, kind in enumerate(kinds):
        some = [row for row in rows if row["kind"] == kind]
        figure.add_bar(
            x=[row["value"] for row in some],
            y=[row["name"] for row in some],
            orientation="h",
            name=kind,
            marker={"pattern": {"shape": ("", "/", ".")[place % 3]}},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    figure.add_scatter(  # in a column of their own, where no mark of a threshold hides them
        x=[1.02] * len(rows),
        y=[row["name"] for row in rows],
        text=[f"{row['value']:.0%}" for row in rows],
        mode="text",
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
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
    charts.name_rows(figure, [row["name"] for row in rows])
    figure.update_xaxes(range=[0, 1.15], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_layout(showlegend=len(kinds) > 1 or bool(marked), bargap=0.35)
    return figure


def draw_over_sound(
    seen: np.ndarray,
    share: np.ndarray,
    seconds: float,
    hertz: np.ndarray,
    decided: tuple[float, float] | None,
    x: str,
    y: str,
    spoke: str,
) -> go.Figure:
    """Draw a map in orange over a sound's spectrogram in gray, with the deciding seconds framed.

    Parameters
    ----------
    seen, share : np.ndarray [shape=(n_bins, n_columns)], uint8, per cent
    seconds : how long the sound is
    hertz : np.ndarray [shape=(n_bins,)], what each bin hears
    decided : where the deciding seconds begin and end
    x, y, spoke : the titles of the axes and of the map's scale
    """
    figure = charts.make_figure(x, y, 340)
    step = seconds / seen.shape[1]
    columns = {"x0": step / 2, "dx": step}
    figure.add_heatmap(z=seen, **columns, colorscale=GREY, zmin=0, zmax=100, showscale=False, hoverinfo="skip")
    figure.add_heatmap(
        z=share,
        **columns,
        colorscale=MAP,
        zmin=0,
        zmax=100,
        hovertemplate="%{x:.1f} s: %{z} %<extra></extra>",
        colorbar={
            "title": {"text": spoke, "side": "top"},
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "len": 0.6,
            "thickness": 10,
            "ticksuffix": " %",
        },
    )
    if decided:
        figure.add_vrect(*decided, line={"color": "#ffffff", "width": 3, "dash": "dash"}, fillcolor="rgba(0, 0, 0, 0)")
    marks = _place_marks(hertz)
    figure.update_yaxes(tickvals=list(marks), ticktext=list(marks.values()), showgrid=False)
    figure.update_xaxes(range=[0, seconds], showgrid=False)
    return figure


def _place_marks(hertz: np.ndarray) -> dict[float, str]:
    """Return the places and texts of round frequencies among bins, far enough apart to be readable."""
    marks: dict[float, str] = {}
    for one in HERTZ[::-1]:
        place = float(np.interp(one, hertz, np.arange(len(hertz))))
        if hertz[0] <= one <= hertz[-1] and all(abs(place - other) > len(hertz) / 14 for other in marks):
            marks[place] = f"{one:,}"
    return marks


def draw_feature_shares(names: Sequence[str], shares: np.ndarray, x: str, y: str) -> go.Figure:
    """Draw the importance of each feature in a forest's decision.

    Parameters
    ----------
    names : of the features, in their order
    shares : np.ndarray [shape=(n_features,)], which sum to 1
    """
    figure = charts.make_figure(x, y, 280)
    figure.add_bar(
        x=list(range(len(names))),
        y=shares,
        customdata=list(names),
        hovertemplate="%{customdata}: %{y:.1%}<extra></extra>",
    )
    some = range(0, len(names), max(1, len(names) // 12))
    figure.update_xaxes(tickvals=list(some), ticktext=[names[place] for place in some])
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure
