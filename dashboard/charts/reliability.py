"""Draw how well probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard import charts

SMALLEST, LARGEST = 6, 18  # pixels: a mark's width grows with how many answers it stands for


def draw_diagram(tables: Mapping[str, Sequence[Mapping[str, float]]], perfect: str, x: str, y: str) -> go.Figure:
    """Draw a reliability diagram (DeGroot and Fienberg, The Statistician, 1983).

    Parameters
    ----------
    tables : name in the legend → bins with `n`, `said` and `right`, as `compute_reliability` gives them
    perfect : what the diagonal is called
    x, y : the axes' titles
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
                "size": [SMALLEST + (LARGEST - SMALLEST) * (row["n"] / most) ** 0.5 for row in rows],
            },
            hovertemplate="%{x:.0%} → %{y:.0%} (%{customdata})<extra></extra>",
        )
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
    return figure
