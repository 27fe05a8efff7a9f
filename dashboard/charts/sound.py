"""Draw one sound: its waveform, spectrogram and features, reduced to screen resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard import charts

POINTS = 1000  # of a waveform
COLUMNS = 600  # of a spectrogram
TICKS = (250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz
NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def compute_envelope(y: np.ndarray, most: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest sample of at most `most` equal parts, [shape=(n,)] each.

    No peak is lost, however long the sound is, as one would be if every hundredth sample were kept.
    """
    y = np.asarray(y, dtype=np.float32)
    if not len(y):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    begins = np.unique(np.linspace(0, len(y), min(most, len(y)), endpoint=False).astype(int))
    return np.minimum.reduceat(y, begins), np.maximum.reduceat(y, begins)


def thin_frames(values: np.ndarray, most: int = COLUMNS) -> np.ndarray:
    """Reduce frames to at most `most` by averaging: [shape=(n_frames, n)] → [shape=(fewer, n)]."""
    values = np.asarray(values, dtype=np.float32)
    if len(values) <= most:
        return values
    begins = np.linspace(0, len(values), most, endpoint=False).astype(int)
    counts = np.diff(np.append(begins, len(values)))
    return np.add.reduceat(values, begins, axis=0) / counts[:, None]


def draw_waveform(low: np.ndarray, high: np.ndarray, seconds: float, x: str, y: str) -> go.Figure:
    """Draw the band between the lowest and highest samples of a sound.

    Parameters
    ----------
    low, high : as `compute_envelope` returns them
    seconds : how long the sound is
    """
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
    """Draw a spectrogram.

    Parameters
    ----------
    decibels : np.ndarray [shape=(n_frames, n_bands)]
    seconds : how long the sound is
    centers : np.ndarray [shape=(n_bands,)], Hz
    bar : the color bar's title
    """
    # whole decibels in one byte each: the eye sees no more, and the browser gets a quarter
    z = np.clip(np.round(thin_frames(decibels)), -127, 127).astype(np.int8).T
    names = [f"{hz:.0f} Hz" for hz in centers]
    figure = draw_heatmap(z, seconds, names, x, y, bar, dark)
    ticks = sorted({int(np.abs(centers - hz).argmin()) for hz in TICKS if hz <= centers[-1] * 1.05})
    wanted = [min(TICKS, key=lambda hz: abs(hz - centers[k])) for k in ticks]
    figure.update_yaxes(tickvals=[names[k] for k in ticks], ticktext=[f"{hz:,}".replace(",", " ") for hz in wanted])
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
