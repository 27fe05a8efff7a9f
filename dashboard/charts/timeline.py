"""Draw the scores of a sound's clips over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard import charts


def draw_timeline(
    starts: np.ndarray, scores: np.ndarray, names: Sequence[str], seconds: float, x: str, y: str, most: int = 5
) -> go.Figure:
    """Draw the probability of each class in each clip of a sound, at most the `most` likeliest classes.

    Parameters
    ----------
    starts : np.ndarray [shape=(n_clips,)], seconds
    scores : np.ndarray [shape=(n_clips, n_classes)]
    names : of the classes
    seconds : how long a clip is
    x, y : the axes' titles
    """
    figure = charts.make_figure(x, y, 260)
    order = np.argsort(-scores.max(axis=0), kind="stable")[:most]
    for k in order:  # a class looks the same in every figure
        figure.add_scatter(
            x=starts + seconds / 2,
            y=scores[:, k],
            mode="lines+markers",
            name=charts.shorten(names[k]),
            line={"dash": charts.DASHES[k % len(charts.DASHES)], "color": charts.COLORS[k % len(charts.COLORS)]},
            marker={"symbol": charts.SYMBOLS[k % len(charts.SYMBOLS)], "size": 8},
            hovertemplate=f"{charts.shorten(names[k])} %{{y:.2f}}, %{{x:.1f}} s<extra></extra>",
        )
    figure.update_yaxes(range=[-0.03, 1.03])
    return figure
