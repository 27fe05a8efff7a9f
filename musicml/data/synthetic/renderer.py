"""Play notes on sampled instruments: a General MIDI soundfont through symusic, where both are installed.

symusic has no wheel for every platform. Where it or the font is missing, the sounds of `instruments.py` take its place.
The environment variable MUSICML_SOUNDFONT names another font (.sf2 or .sf3), and MUSICML_RENDERER=numpy goes without.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.signal

from musicml.utils import InputError

FONT = "TimGM6mb.sf2"  # comes with the package pretty_midi
QUALITY = 4  # 0 to 4, how well symusic interpolates: 4 takes hardly longer, and 0 sounds rough
# symusic 0.5.8 reads past a sample's loop, or goes round it for ever, where a step is longer than the loop: so it does
# in TimGM6mb above pitch 100 at 44,100 Hz, an octave lower at 22,050 Hz; and in program 78, a whistle, at any pitch
LEAST_RATE, HIGHEST_PITCH = 44_100, 96
BROKEN = {78: 79}  # programs, and what is played in their place
LAYER = 16  # velocities that are played equally loud
HALF_TAPS = 6  # of the filter before samples are dropped, at the lower rate
LOUDNESS_POWER = 1.7  # of a velocity: half as hard is 10 dB softer


class Note(NamedTuple):
    """One note: start and length in seconds, a MIDI pitch (of a drum kit, which drum), and how hard it is played."""

    start: float
    seconds: float
    pitch: int
    velocity: int


def has_renderer() -> bool:
    """Return whether notes can be played on sampled instruments here."""
    return find_soundfont() is not None


def find_soundfont() -> Path | None:
    """Return the soundfont; None where there is none, nothing to play it with, or MUSICML_RENDERER is `numpy`."""
    if os.environ.get("MUSICML_RENDERER") == "numpy" or importlib.util.find_spec("symusic") is None:
        return None
    if chosen := os.environ.get("MUSICML_SOUNDFONT"):
        return Path(chosen)
    package = importlib.util.find_spec("pretty_midi")
    font = Path(package.origin).with_name(FONT) if package is not None and package.origin else None
    return font if font is not None and font.is_file() else None


def describe_renderer() -> dict[str, str]:
    """Return what made the sounds, for SOURCE.json: the renderer and the font, with versions.

    Raises
    ------
    InputError
        If the soundfont can't be read.
    """
    font = find_soundfont()
    if font is None:
        return {"renderer": "numpy"}
    _get_synthesizer(font, 22_050)
    digest = hashlib.sha256(font.read_bytes()).hexdigest()[:12]
    return {"renderer": f"symusic {metadata.version('symusic')}", "soundfont": f"{font.name} (SHA-256 {digest}...)"}


def render_notes(
    notes: Sequence[Note], program: int, seconds: float, sample_rate: int, is_drum: bool = False
) -> np.ndarray:
    """Play one part by itself.

    Parameters
    ----------
    notes : in any order; what lies behind `seconds` is not heard
    program : the General MIDI program, 0 to 127; of a drum kit, which kit
    seconds : the length of the result
    sample_rate : Hz

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32; its level depends on the notes' velocities alone

    Raises
    ------
    InputError
        If the soundfont can't be read.
    """
    n_samples, font = round(seconds * sample_rate), find_soundfont()
    factor = math.ceil(LEAST_RATE / sample_rate)
    y = np.zeros(n_samples * factor, np.float32)
    if font is None:
        return y[:n_samples]
    layers: dict[int, list[Note]] = {}
    for note in notes:
        if note.start < seconds:
            layers.setdefault(int(np.clip(note.velocity, 1, 127)) // LAYER, []).append(note)
    for layer, some in sorted(layers.items()):
        heard = _render_layer(some, program, is_drum, font, sample_rate * factor)[: len(y)]
        y[: len(heard)] += np.float32(((layer + 0.5) * LAYER / 127) ** LOUDNESS_POWER) * heard
    return y if factor == 1 or not layers else _decimate(y, factor)


def _decimate(y: np.ndarray, factor: int) -> np.ndarray:
    """Return every `factor`-th sample of what is left below the new Nyquist frequency."""
    return scipy.signal.upfirdn(_design_lowpass(factor), y, 1, factor)[HALF_TAPS : HALF_TAPS + len(y) // factor]


@functools.lru_cache(maxsize=4)
def _design_lowpass(factor: int) -> np.ndarray:
    """Return a low-pass filter whose delay is `HALF_TAPS` samples at the lower rate."""
    return scipy.signal.firwin(2 * HALF_TAPS * factor + 1, 0.92 / factor).astype(np.float32)


def _render_layer(notes: Sequence[Note], program: int, is_drum: bool, font: Path, sample_rate: int) -> np.ndarray:
    """Play notes that are equally loud: symusic 0.5.8 plays every velocity alike, and hears no controllers."""
    import symusic

    program = program if is_drum else BROKEN.get(program, program)
    track = symusic.Track(program=int(program), is_drum=is_drum, ttype="second")
    for note in notes:
        pitch = int(np.clip(note.pitch, 0, 127))
        # octaves lower where symusic would fail
        pitch -= 0 if is_drum else 12 * math.ceil(max(0, pitch - HIGHEST_PITCH) / 12)
        track.notes.append(symusic.Note(max(0.0, note.start), max(0.02, note.seconds), pitch, 100, ttype="second"))
    score = symusic.Score(ttype="second")
    score.tracks.append(track)
    left, right = np.asarray(_get_synthesizer(font, sample_rate).render(score, stereo=True))
    # a mean over the short axis would take as long as the rendering; a broken sample of a font becomes silence
    return np.nan_to_num((left + right) * np.float32(0.5), nan=0.0, posinf=0.0, neginf=0.0)


@functools.lru_cache(maxsize=4)
def _get_synthesizer(font: Path, sample_rate: int) -> Any:
    """Return symusic's synthesizer with a soundfont loaded."""
    import symusic

    try:
        return symusic.Synthesizer(sf_path=font, sample_rate=sample_rate, quality=QUALITY)
    except Exception as error:  # it raises a RuntimeError with the C++ library's words
        raise InputError(
            "Expected a soundfont (.sf2 or .sf3) in {font}, and it can't be read. Set MUSICML_SOUNDFONT to another, or "
            "MUSICML_RENDERER=numpy to go without.",
            font=font,
        ) from error
