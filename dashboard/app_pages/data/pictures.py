"""Show a sound as pictures: the features that models use, and features from librosa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.caching import cache_by, cache_data, stamp_file
from dashboard.charts import sound
from musicml.data.io import SILENCE_AMPLITUDE, Sound, load_audio, pad_audio
from musicml.features import FEATURE_KINDS, LogMel, compute_band_centers
from musicml.utils import InputError

RATE = 22_050  # Hz, the sample rate of every picture
MAX_SECONDS = 30.0  # of a sound

say = layout.LazyText("data")


def show(path: Path) -> None:
    """Show the sound as the pictures that the user chose."""
    st.header(say("pictures"))
    drawn = {"waveform": _show_waveform, "log_mel": _show_log_mel, "mfcc": _show_mfcc, "librosa": _show_librosa}
    wanted = st.pills(
        say("which_pictures"),
        list(drawn),
        selection_mode="multi",
        default=["waveform", "log_mel"],
        format_func=layout.make_formatter({name: say(f"draw_{name}") for name in drawn}),
        key="drawn",
    )
    try:
        beginning = _read_beginning(path)
    except InputError as error:
        layout.show_error(error)
        return
    for warning in beginning.warnings:
        st.caption(layout.localize(warning))
    for name in drawn:
        if name in wanted:
            drawn[name](beginning, path)


@cache_by(stamp_file, max_entries=12)
def _read_beginning(path: Path) -> Sound:
    """Read the beginning of a sound, mono, at `RATE`."""
    return load_audio(path, RATE, MAX_SECONDS, path.name)


def _split_by_second(audio: Sound, values: np.ndarray) -> list[np.ndarray]:
    """Split the frames or samples of a sound into its seconds, or into single frames where there are fewer."""
    return np.array_split(values, max(1, min(len(values), int(np.ceil(audio.seconds)))))


def _show_waveform(audio: Sound, path: Path) -> None:
    """Show the waveform."""
    st.markdown(say("waveform_lead"))
    low, high = sound.compute_envelope(audio.y)
    loudest = int(np.abs(audio.y).argmax())
    peak, seconds = float(abs(audio.y[loudest])), float(audio.seconds)
    words = say("silent_words", seconds=seconds)
    if peak >= SILENCE_AMPLITUDE:
        decibels, at = float(20 * np.log10(peak)), loudest / RATE  # dBFS: 0 is the largest sample that fits
        words = say("waveform_words", seconds=seconds, peak=peak, decibels=decibels, at=at)
    rows = [
        say.make_row({"second": k, "lowest": round(float(part.min()), 4), "highest": round(float(part.max()), 4)})
        for k, part in enumerate(_split_by_second(audio, audio.y))
    ]
    figure = sound.draw_waveform(low, high, audio.seconds, say("seconds"), say("sample_value"))
    layout.show_chart(figure, words, rows, "waveform")


def _show_log_mel(audio: Sound, path: Path) -> None:
    """Show the log-mel spectrogram."""
    st.markdown(say("log_mel_lead"))
    say.show_help("log_mel_more")
    decibels, centers = _compute_features(path, "log_mel"), compute_band_centers(LogMel())
    if not len(decibels):
        layout.show_info(say("too_short"))
        return
    # axis 0 is time, axis 1 is frequency
    band, moment = int(decibels.mean(axis=0).argmax()), int(decibels.mean(axis=1).argmax())
    peaks = np.percentile(decibels, 95, axis=0)  # a robust maximum, which ignores single clicks
    highest = centers[np.flatnonzero(peaks >= peaks.max() - 40)[-1]]  # within 40 dB of the loudest one
    level, at = decibels[:, band].mean(), moment * audio.seconds / len(decibels)
    values = {"band": centers[band], "level": level, "at": at, "highest": highest}
    words = say("log_mel_words", **{name: float(value) for name, value in values.items()})
    rows = [
        {
            "second": place,
            "loudest_band": round(float(centers[int(row.argmax())])),
            "its_level": round(float(row.max()), 1),
            "mean_level": round(float(row.mean()), 1),
        }
        for place, row in enumerate(sound.thin_frames(decibels, max(1, int(np.ceil(audio.seconds)))))
    ]
    rows, titles = [say.make_row(row) for row in rows], (say("seconds"), say("hertz"), say("decibels"))
    figure = sound.draw_spectrogram(decibels, audio.seconds, centers, *titles, layout.is_dark())
    layout.show_chart(figure, words, rows, "log-mel")


def _show_mfcc(audio: Sound, path: Path) -> None:
    """Show the MFCCs, each relative to its own mean."""
    st.markdown(say("mfcc_lead"))
    say.show_help("mfcc_more")
    values = _compute_features(path, "mfcc")
    if not len(values):
        layout.show_info(say("too_short"))
        return
    means, spreads = values.mean(axis=0), values.std(axis=0)
    # z-scores make coefficients of different sizes comparable
    z = np.round(sound.thin_frames((values - means) / np.maximum(spreads, 1e-6)), 1).T
    names = [str(k) for k in range(values.shape[1])]
    rows = [
        say.make_row({"coefficient": k, "mean": round(float(means[k]), 2), "spread": round(float(spreads[k]), 2)})
        for k in range(len(names))
    ]
    most = int(spreads[1:].argmax()) + 1  # without coefficient 0, which is loudness
    words = say("mfcc_words", n=len(names), first=float(means[0]), most=most, spread=float(spreads[most]))
    titles = say("seconds"), say("coefficient"), say("spreads")
    figure = sound.draw_heatmap(z, audio.seconds, names, *titles, layout.is_dark())
    layout.show_chart(figure, words, rows, "mfcc")


@cache_by(stamp_file, max_entries=12)
def _compute_features(path: Path, kind: str) -> np.ndarray:
    """Compute the features of a sound's beginning with the training code, [shape=(n_frames, n_bins)]."""
    return FEATURE_KINDS[kind](sample_rate=RATE).compute(_read_beginning(path).y)


def _show_librosa(audio: Sound, path: Path) -> None:
    """Show tempo, chroma and spectral centroid, computed by librosa."""
    st.markdown(say("librosa_lead"))
    try:
        with st.spinner(say("librosa_first")):
            tempo, chroma, centroid = _compute_librosa(path)
    except ImportError:
        layout.show_info(say("no_librosa"))
        return
    st.markdown(say("tempo_is", tempo=tempo, half=tempo / 2, double=tempo * 2))
    mean = chroma.mean(axis=0)
    order = np.argsort(-mean)
    rows = [say.make_row({"note": name, "mean": round(float(mean[k]), 3)}) for k, name in enumerate(sound.NOTES)]
    titles = say("seconds"), say("note"), say("strength")
    figure = sound.draw_heatmap(np.round(chroma, 2).T, audio.seconds, sound.NOTES, *titles, layout.is_dark())
    notes = layout.format_list(sound.NOTES[k] for k in order[:3])
    layout.show_chart(figure, say("chroma_words", notes=notes, weakest=sound.NOTES[order[-1]]), rows, "chroma")
    st.markdown(say("centroid_lead"))
    at = _split_by_second(audio, centroid)
    rows = [say.make_row({"second": k, "centroid": round(float(part.mean()))}) for k, part in enumerate(at)]
    low, high = np.percentile(centroid, (5, 95)).tolist()
    words = say("centroid_words", mean=float(centroid.mean()), low=low, high=high)
    figure = sound.draw_line(centroid, audio.seconds, say("seconds"), say("centroid"))
    layout.show_chart(figure, words, rows, "centroid")


@cache_by(stamp_file, cache_data, max_entries=12)
def _compute_librosa(path: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Compute the tempo in beats per minute, chroma [shape=(n, 12)] and the spectral centroid in Hz [shape=(n,)]."""
    import librosa

    y = pad_audio(_read_beginning(path).y, 2048)  # librosa needs one full frame
    tempo = float(np.atleast_1d(librosa.feature.tempo(y=y, sr=RATE))[0])
    chroma = librosa.feature.chroma_stft(y=y, sr=RATE, tuning=0.0).T
    centroid = librosa.feature.spectral_centroid(y=y, sr=RATE).T
    return tempo, sound.thin_frames(chroma), sound.thin_frames(centroid)[:, 0]
