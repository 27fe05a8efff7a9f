"""Draw metrics with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard import charts


def draw_dots(rows: Sequence[Mapping[str, Any]], x: str) -> go.Figure:
    """Draw metrics with intervals, one below the other.

    Parameters
    ----------
    rows : `name`, `value`, `low` and `high` (None where there is no interval), `kind` (in the legend: each has a color
        and a symbol of its own)
    x : the figure's name
    """
    figure = charts.make_figure(x, height=90 + 30 * len(rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    for kind in kinds:
        of_kind = [row for row in rows if row["kind"] == kind]
        figure.add_scatter(
            x=[row["value"] for row in of_kind],
            y=[row["name"] for row in of_kind],
            error_x=_make_whiskers(of_kind),
            mode="markers",
            name=kind,
            marker={"size": 11, "symbol": charts.SYMBOLS[kinds.index(kind) % len(charts.SYMBOLS)]},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    charts.name_rows(figure, [row["name"] for row in rows])
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".1f")
    return figure


def _make_whiskers(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the intervals as Plotly's error bars."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if row["high"] is None else row["high"] - row["value"] for row in rows],
        "arrayminus": [0 if row["low"] is None else row["value"] - row["low"] for row in rows],
        "thickness": 1.5,
    }
