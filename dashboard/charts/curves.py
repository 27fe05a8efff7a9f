"""Analyze a training history, and draw its curves over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

if TYPE_CHECKING:
    from musicml.experiment import Epoch

OTHER_COLUMNS = ("epoch", "learning_rate", "seconds")  # columns of a history that are not metrics
MIN_CHANGE = 0.05  # of the chart's height: smaller changes count as noise
MIN_EPOCHS = 3  # below which nothing can be concluded
MAX_SYMBOLS = 25  # on a line, however many epochs it has


@dataclass(frozen=True)
class Curve:
    """Hold one metric of one run over its epochs, counted through all stages from 1.

    Attributes
    ----------
    name : the run's short name
    train, val : np.ndarray [shape=(n_epochs,)], NaN where there is no value; `val` is None without validation
    best : index of the best epoch; None where there is none
    stages : index of each stage's first epoch, and its name
    """

    name: str
    train: np.ndarray
    val: np.ndarray | None
    best: int | None
    stages: Sequence[tuple[int, str]]

    @property
    def shown(self) -> np.ndarray:
        """The values on which the best epoch is marked: validation, or training where there is none."""
        return self.train if self.val is None else self.val


def list_metrics(rows: Sequence[Epoch]) -> list[str]:
    """List the metrics of a history, the loss first."""
    names = [name.removeprefix("val_") for name in (rows[0].values if rows else ()) if name not in OTHER_COLUMNS]
    return sorted(dict.fromkeys(names), key=lambda name: name != "loss")


def make_curve(name: str, rows: Sequence[Epoch], metric: str, best: int | None) -> Curve:
    """Return one metric of a history as a curve."""
    val = _read_column(rows, f"val_{metric}")
    return Curve(name, _read_column(rows, metric), None if np.isnan(val).all() else val, best, find_stages(rows))


def _read_column(rows: Sequence[Epoch], name: str) -> np.ndarray:
    """Return a column of a history, [shape=(n_epochs,)], NaN where it is missing or infinite."""
    values = np.array([row.values.get(name, np.nan) for row in rows], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def find_stages(rows: Sequence[Epoch]) -> list[tuple[int, str]]:
    """Return the first place and the name of each stage of a history.

    >>> from musicml.experiment import Epoch
    >>> find_stages([Epoch("head", {}), Epoch("head", {}), Epoch("all", {})])
    [(0, 'head'), (2, 'all')]
    """
    names = [row.stage for row in rows]
    return [(place, name) for place, name in enumerate(names) if place == 0 or name != names[place - 1]]


def find_best_epoch(rows: Sequence[Epoch], monitor: str, best_epoch: int | None = None) -> int | None:
    """Return the place of the best epoch.

    Parameters
    ----------
    rows : a history
    monitor : the column that decides; without validation, the training loss replaces it
    best_epoch : the best epoch in run.json, counted within its stage; None while the run is training
    """
    values = _read_column(rows, monitor)
    if np.isnan(values).all():
        values, monitor = _read_column(rows, "loss"), "loss"
    values = values * (-1 if monitor.endswith("accuracy") else 1)
    among = [place for place, row in enumerate(rows) if best_epoch is None or row.epoch == best_epoch]
    among = [place for place in among if not np.isnan(values[place])]
    return min(among, key=lambda place: values[place], default=None)


def is_lower_better(metric: str) -> bool:
    """Return whether a lower value of this metric is better."""
    return metric.endswith("loss")


def find_own_best(of: Curve, metric: str) -> int | None:
    """Return the index of the best value of this metric, which can differ from the best epoch of the run."""
    values = of.shown * (1 if is_lower_better(metric) else -1)
    return None if np.isnan(values).all() else int(np.nanargmin(values))


def compute_gaps(of: Curve, metric: str) -> np.ndarray:
    """Compute the lead of training over validation in each epoch, [shape=(n_epochs,)]; NaN without validation."""
    if of.val is None:
        return np.full(len(of.train), np.nan)
    return (of.val - of.train) * (1 if is_lower_better(metric) else -1)


def judge_curves(of: Curve, metric: str) -> str:
    """Classify the training and validation curves.

    Returns
    -------
    `alone` (no validation), `early` (too few epochs), `overfitting` (validation got worse while the gap grew),
    `widening` (the gap grew), `improving` (validation was best at the end) or `steady`
    """
    if of.val is None:
        return "alone"
    both = np.isfinite(of.train) & np.isfinite(of.val)
    if both.sum() < MIN_EPOCHS:
        return "early"
    val, gap = of.val[both], compute_gaps(of, metric)[both]
    values = np.concatenate([of.train[both], val])
    slack, best = MIN_CHANGE * np.ptp(values), int((val * (1 if is_lower_better(metric) else -1)).argmin())
    # validation got worse since its best epoch, and the gap grew by as much
    if abs(val[-1] - val[best]) > slack and gap[-1] - gap[best] > slack:
        return "overfitting"
    # the first third is left out, because training starts behind validation
    if gap[-1] - gap[len(gap) // 3] > 2 * slack:
        return "widening"
    return "improving" if best == len(val) - 1 else "steady"


def find_rate_changes(rates: np.ndarray) -> list[int]:
    """Return the epochs at which the learning rate changes."""
    return [place + 1 for place in range(1, len(rates)) if rates[place] != rates[place - 1]]


# Figures


def draw_pairs(curves: Sequence[Curve], x: str, y: str, say: Mapping[str, str]) -> go.Figure:
    """Draw training (dashed) and validation (solid) of several runs, each in its own color and symbol.

    Parameters
    ----------
    say : words of the legend: `train`, `val`, `best`, and the names of the stages
    """
    figure = charts.make_figure(x, y, 340 + 26 * len(curves))  # the legend grows with the runs
    for place, curve in enumerate(curves):
        _draw_line(figure, curve, curve.train, place, "dash", say["train"], curve.val is None)
        if curve.val is not None:
            _draw_line(figure, curve, curve.val, place, "solid", say["val"], True)
        _draw_ring(figure, curve, place, say["best"])
    legend: dict[str, dict[str, Any]] = {
        "train": {"mode": "lines", "line": {"color": "#888888", "dash": "dash"}},
        "val": {"mode": "lines", "line": {"color": "#888888", "dash": "solid"}},
        "best": {"mode": "markers", "marker": {"size": 15, "symbol": "circle-open", "color": "#888888"}},
    }
    for key, style in legend.items():  # entries that explain the line styles and belong to no run
        figure.add_scatter(x=[None], y=[None], name=say[key], hoverinfo="skip", **style)
    _draw_boundaries(figure, curves, say)
    return _set_epoch_axis(figure)


def draw_rates(curves: Sequence[Curve], x: str, y: str, say: Mapping[str, str]) -> go.Figure:
    """Draw the learning rate of several runs, stored in `train` of each, on a logarithmic axis."""
    figure = charts.make_figure(x, y, 230 + 26 * len(curves))
    for place, curve in enumerate(curves):
        _draw_line(figure, curve, curve.train, place, "solid", "", True)
        figure.data[-1].update(line_shape="hv")
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    _draw_boundaries(figure, curves, say)
    return _set_epoch_axis(figure)


def _draw_line(
    figure: go.Figure, curve: Curve, values: np.ndarray, place: int, dash: str, what: str, in_legend: bool
) -> None:
    """Draw one curve with its symbols."""
    color, symbol = charts.get_color(place), charts.get_symbol(place)
    x_title = figure.layout.xaxis.title.text
    figure.add_scatter(
        x=np.arange(1, len(curve.train) + 1),
        y=values,
        mode="lines+markers",
        name=charts.shorten(curve.name),
        legendgroup=curve.name,
        showlegend=in_legend,
        line={"color": color, "dash": dash, "width": 2},
        marker={
            "color": color,
            "symbol": symbol + ("" if dash == "solid" else "-open"),
            "size": 7,
            "maxdisplayed": MAX_SYMBOLS,
        },
        hovertemplate=f"{charts.shorten(curve.name)}<br>{what} %{{y:.4g}}, {x_title} %{{x}}<extra></extra>",
    )


def _draw_ring(figure: go.Figure, curve: Curve, place: int, best: str) -> None:
    """Draw a ring around the best epoch."""
    if curve.best is None or np.isnan(curve.shown[curve.best]):
        return
    figure.add_scatter(
        x=[curve.best + 1],
        y=[curve.shown[curve.best]],
        mode="markers",
        legendgroup=curve.name,
        showlegend=False,
        marker={"symbol": "circle-open", "size": 17, "color": charts.get_color(place), "line": {"width": 3}},
        hovertemplate=f"{charts.shorten(curve.name)}<br>{best}: %{{x}}, %{{y:.4g}}<extra></extra>",
    )


def _draw_boundaries(figure: go.Figure, curves: Sequence[Curve], say: Mapping[str, str]) -> None:
    """Draw a dotted line where a run's next stage begins, with the stage's name."""
    found = {(place, name) for curve in curves for place, name in curve.stages[1:]}
    for place, name in sorted(found):
        figure.add_vline(
            place + 0.5, line={"dash": "dot", "width": 1.5, "color": "#888888"},
            annotation={"text": f"→ {say.get(name, name)}", "yanchor": "top"},
        )  # fmt: skip


def _set_epoch_axis(figure: go.Figure) -> go.Figure:
    """Show whole epochs on the axis, and keep the user's zoom during training."""
    figure.update_xaxes(rangemode="tozero", tickformat="d", tick0=0)
    n = max((len(trace.x) for trace in figure.data), default=0)
    if n <= 12:
        figure.update_xaxes(dtick=1, range=[0.5, max(n, 2) + 0.5])
    figure.update_layout(uirevision="curves")
    return figure
