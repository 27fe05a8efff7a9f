"""Draw one sound: its waveform, spectrogram, features and scores, reduced to screen resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

MAX_POINTS = 1000  # of a waveform; a screen shows no more
MAX_COLUMNS = 600  # of a spectrogram
TICKS = (250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz, one per octave
ORANGE = "230, 97, 1"  # as in musicml.inference.explain.overlay
GRAYS = [[0.0, "#000000"], [1.0, "#c8c8c8"]]
ORANGES = [[0.0, f"rgba({ORANGE}, 0)"], [0.15, f"rgba({ORANGE}, 0.1)"], [1.0, f"rgba({ORANGE}, 0.8)"]]
ROUND_HERTZ = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)  # labels of the frequency axis
NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def compute_envelope(y: np.ndarray, most: int = MAX_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest sample of at most `most` equal parts, [shape=(n,)] each.

    Keeping every hundredth sample instead would lose short peaks.
    """
    y = np.asarray(y, dtype=np.float32)
    if not len(y):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    begins = np.unique(np.linspace(0, len(y), min(most, len(y)), endpoint=False).astype(int))
    return np.minimum.reduceat(y, begins), np.maximum.reduceat(y, begins)


def thin_frames(values: np.ndarray, most: int = MAX_COLUMNS) -> np.ndarray:
    """Reduce frames to at most `most` by averaging: [shape=(n_frames, n)] → [shape=(fewer, n)]."""
    values = np.asarray(values, dtype=np.float32)
    if len(values) <= most:
        return values
    begins = np.linspace(0, len(values), most, endpoint=False).astype(int)
    counts = np.diff(np.append(begins, len(values)))
    return np.add.reduceat(values, begins, axis=0) / counts[:, None]


def draw_waveform(low: np.ndarray, high: np.ndarray, seconds: float, x: str, y: str) -> go.Figure:
    """Draw the band between the lowest and highest samples of a sound, as `compute_envelope` returns them."""
    figure, at = charts.make_figure(x, y, 240), np.linspace(0, seconds, len(low), endpoint=False)
    figure.add_scatter(x=at, y=low, mode="lines", line={"width": 1}, hoverinfo="skip", showlegend=False)
    figure.add_scatter(
        x=at,
        y=high,
        mode="lines",
        line={"width": 1},
        fill="tonexty",
        showlegend=False,
        hovertemplate="%{x:.2f} s: %{y:.2f}<extra></extra>",
    )
    figure.update_traces(line={"color": charts.COLORS[5]}, fillcolor="rgba(63,143,196,0.55)")
    most = max(0.05, float(np.abs([low, high]).max())) if len(low) else 1.0
    figure.update_yaxes(range=[-1.05 * most, 1.05 * most])
    return figure


def draw_spectrogram(
    decibels: np.ndarray, seconds: float, centers: np.ndarray, x: str, y: str, bar: str, dark: bool = False
) -> go.Figure:
    """Draw a spectrogram, [shape=(n_frames, n_bands)], whose bands lie around `centers`, [shape=(n_bands,)], Hz."""
    # whole decibels fit in one byte each: a quarter of the data for the browser, and no visible difference
    z = np.clip(np.round(thin_frames(decibels)), -127, 127).astype(np.int8).T
    names = [f"{hz:.0f} Hz" for hz in centers]
    figure = draw_heatmap(z, seconds, names, x, y, bar, dark)
    ticks = sorted({int(np.abs(centers - hz).argmin()) for hz in TICKS if hz <= centers[-1] * 1.05})
    wanted = [min(TICKS, key=lambda hz: abs(hz - centers[k])) for k in ticks]
    figure.update_yaxes(tickvals=[names[k] for k in ticks], ticktext=[charts.format_count(hz) for hz in wanted])
    return figure


def draw_heatmap(
    z: np.ndarray, seconds: float, names: Sequence[str], x: str, y: str, bar: str, dark: bool = False, height: int = 320
) -> go.Figure:
    """Draw a heat map over time with named rows, [shape=(n_rows, n_columns)], the first row at the bottom."""
    figure = charts.make_figure(x, y, height)
    figure.add_heatmap(
        z=z,
        x0=seconds / max(1, z.shape[1]) / 2,
        dx=seconds / max(1, z.shape[1]),
        y=list(names),
        colorscale=charts.make_color_scale(dark),
        colorbar={"title": {"text": bar, "side": "right"}, "thickness": 12},
        hovertemplate="%{x:.1f} s, %{y}: %{z}<extra></extra>",
    )
    figure.update_yaxes(type="category", showgrid=False)
    figure.update_xaxes(showgrid=False)
    return figure


def draw_line(values: np.ndarray, seconds: float, x: str, y: str) -> go.Figure:
    """Draw a line over time."""
    figure = charts.make_figure(x, y, 240)
    at = (np.arange(len(values)) + 0.5) * seconds / max(1, len(values))
    figure.add_scatter(x=at, y=values, mode="lines", hovertemplate="%{x:.1f} s: %{y:.0f}<extra></extra>")
    figure.update_yaxes(rangemode="tozero")
    return figure


def draw_timeline(
    starts: np.ndarray, scores: np.ndarray, names: Sequence[str], seconds: float, x: str, y: str, most: int = 5
) -> go.Figure:
    """Draw the probability of each class in each clip of a sound, at most the `most` likeliest classes.

    Parameters
    ----------
    starts : np.ndarray [shape=(n_clips,)], seconds
    scores : np.ndarray [shape=(n_clips, n_classes)]
    seconds : duration of a clip
    """
    figure = charts.make_figure(x, y, 260)
    order = np.argsort(-scores.max(axis=0), kind="stable")[:most]
    for k in order:  # styles depend on the class, so that a class looks the same in every figure
        figure.add_scatter(
            x=starts + seconds / 2,
            y=scores[:, k],
            mode="lines+markers",
            name=charts.shorten(names[k]),
            line={"dash": charts.DASHES[k % len(charts.DASHES)], "color": charts.get_color(k)},
            marker={"symbol": charts.get_symbol(k), "size": 8},
            hovertemplate=f"{charts.shorten(names[k])} %{{y:.2f}}, %{{x:.1f}} s<extra></extra>",
        )
    figure.update_yaxes(range=[-0.03, 1.03])
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
    seen, share : np.ndarray [shape=(n_bins, n_columns)], uint8, percent
    hertz : np.ndarray [shape=(n_bins,)], the frequency of each bin
    decided : start and end of the deciding seconds
    x, y, spoke : the titles of the axes and of the map's scale
    """
    figure = charts.make_figure(x, y, 340)
    step = seconds / seen.shape[1]
    columns = {"x0": step / 2, "dx": step}
    figure.add_heatmap(z=seen, **columns, colorscale=GRAYS, zmin=0, zmax=100, showscale=False, hoverinfo="skip")
    figure.add_heatmap(
        z=share,
        **columns,
        colorscale=ORANGES,
        zmin=0,
        zmax=100,
        hovertemplate="%{x:.1f} s: %{z}%<extra></extra>",
        colorbar={
            "title": {"text": spoke, "side": "top"},
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "len": 0.6,
            "thickness": 10,
            "ticksuffix": "%",
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
    for mark in ROUND_HERTZ[::-1]:
        place = float(np.interp(mark, hertz, np.arange(len(hertz))))
        if hertz[0] <= mark <= hertz[-1] and all(abs(place - other) > len(hertz) / 14 for other in marks):
            marks[place] = charts.format_count(mark)
    return marks
