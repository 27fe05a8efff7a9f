"""Play notes on sampled instruments: a General MIDI soundfont through symusic or midirenderer, as installed.

symusic is quick, and plays a soft note as a quieter copy of a hard one. midirenderer is slower, and gives soft notes
their own timbre, which matters for solo instruments. Neither has a wheel for every platform: either can replace the
other, and without both, or without the font, the simple sounds of `tones` take their place. The environment variable
MUSICML_SOUNDFONT names another font (.sf2; .sf3 for symusic alone), and MUSICML_RENDERER=numpy goes without.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import math
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.signal

from musicml.data.io import load_audio
from musicml.data.synthetic import synth, tones
from musicml.utils import InputError

FONT = "TimGM6mb.sf2"  # comes with the package pretty_midi
QUALITY = 4  # 0 to 4, how well symusic interpolates: 4 takes hardly longer, and 0 sounds rough
# symusic 0.5.8 reads past a sample's loop, or goes round it for ever, where a step is longer than the loop: so it does
# in TimGM6mb above pitch 100 at 44,100 Hz, an octave lower at 22,050 Hz; and in program 78, a whistle, at any pitch
LEAST_RATE, HIGHEST_PITCH = 44_100, 96
BROKEN = {78: 79}  # programs, and what is played in their place
LAYER = 16  # velocities that are played equally loud
HALF_TAPS = 6  # of the filter before samples are dropped, at the lower rate
SHORTEST_NOTE = 0.02  # seconds
DRUM_CHANNEL = 9  # of MIDI


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
    if os.environ.get("MUSICML_RENDERER") == "numpy" or not (_is_installed("symusic") or _is_installed("midirenderer")):
        return None
    if chosen := os.environ.get("MUSICML_SOUNDFONT"):
        return Path(chosen)
    package = importlib.util.find_spec("pretty_midi")
    font = Path(package.origin).with_name(FONT) if package is not None and package.origin else None
    return font if font is not None and font.is_file() else None


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _choose_renderer(font: Path, varies_timbre: bool) -> str:
    """Choose the package that plays a soundfont: the one with velocity-dependent timbre, or the faster one."""
    can_play = [name for name in ("midirenderer", "symusic") if _is_installed(name)]
    if "symusic" in can_play and (font.suffix.lower() == ".sf3" or not varies_timbre):
        return "symusic"
    return can_play[0]


def describe_renderer(varies_timbre: bool = False) -> dict[str, str]:
    """Return what makes the sounds, for SOURCE.json: the renderer and the font, with versions.

    Parameters
    ----------
    varies_timbre : see `render_notes`

    Raises
    ------
    InputError
        If the soundfont can't be read.
    """
    font = find_soundfont()
    if font is None:
        return {"renderer": "numpy 2"}  # raise it whenever the sounds of `tones` change
    render_notes([Note(0.0, 0.1, 60, 64)], 0, 0.1, LEAST_RATE, varies_timbre=varies_timbre)
    name, digest = _choose_renderer(font, varies_timbre), hashlib.sha256(_read_font(font)).hexdigest()[:12]
    return {"renderer": f"{name} {metadata.version(name)}", "soundfont": f"{font.name} (SHA-256 {digest}...)"}


def render_notes(
    notes: Sequence[Note],
    program: int,
    seconds: float,
    sample_rate: int,
    is_drum: bool = False,
    varies_timbre: bool = False,
) -> np.ndarray:
    """Play one part by itself.

    Parameters
    ----------
    notes : in any order; what lies behind `seconds` is not heard
    program : the General MIDI program, 0 to 127; of a drum kit, which kit
    seconds : the length of the result
    sample_rate : Hz
    varies_timbre : whether velocity affects timbre as well as level; slower

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32; its level depends on the notes' velocities alone

    Raises
    ------
    InputError
        If the soundfont can't be read.
    """
    y, font = np.zeros(round(seconds * sample_rate), np.float32), find_soundfont()
    heard = [note for note in notes if note.start < seconds]
    if not heard:
        return y
    if font is None:
        found = tones.play_tones(heard, program, is_drum, sample_rate)[: len(y)]
    else:
        play = _play_by_symusic if _choose_renderer(font, varies_timbre) == "symusic" else _play_by_midirenderer
        found = play(heard, program, is_drum, font, sample_rate)[: len(y)]
    y[: len(found)] = found
    return y


def _play_by_midirenderer(
    notes: Sequence[Note], program: int, is_drum: bool, font: Path, sample_rate: int
) -> np.ndarray:
    import midirenderer
    import mido

    channel = DRUM_CHANNEL if is_drum else 0
    events = []  # milliseconds, whether a note begins, pitch, velocity
    # MIDI ends all notes of a pitch at once, so a note ends where the next one of its pitch begins
    next_starts: dict[int, int] = {}
    for note in sorted(notes, reverse=True):
        start, pitch = round(1000 * max(0.0, note.start)), int(np.clip(note.pitch, 0, 127))
        end = min(start + round(1000 * max(SHORTEST_NOTE, note.seconds)), next_starts.get(pitch, sys.maxsize))
        if end > start:
            events.append((start, True, pitch, int(np.clip(note.velocity, 1, 127))))
            events.append((end, False, pitch, 0))
            next_starts[pitch] = start
    make_event = mido.Message
    track = mido.MidiTrack([make_event("program_change", program=int(program), channel=channel)])
    now = 0
    for time, begins, pitch, velocity in sorted(events):
        kind = "note_on" if begins else "note_off"
        track.append(make_event(kind, note=pitch, velocity=velocity, channel=channel, time=time - now))
        now = time
    file = io.BytesIO()
    mido.MidiFile(ticks_per_beat=500, tracks=[track]).save(file=file)  # at MIDI's 120 beats a minute, 1 ms a tick
    try:
        wav = bytes(midirenderer.render_wave_from(_read_font(font), file.getvalue()))
    except Exception as error:  # it raises a ValueError or a RuntimeError with the library's words
        raise _make_font_error(font) from error
    return load_audio(wav, sample_rate, name=font.name).y


@functools.lru_cache(maxsize=2)
def _read_font(font: Path) -> bytes:
    try:
        return font.read_bytes()
    except OSError as error:
        raise _make_font_error(font) from error


def _play_by_symusic(notes: Sequence[Note], program: int, is_drum: bool, font: Path, sample_rate: int) -> np.ndarray:
    factor = math.ceil(LEAST_RATE / sample_rate)
    synthesizer = _load_synthesizer(font, sample_rate * factor)
    layers: dict[int, list[Note]] = {}
    for note in notes:
        layers.setdefault(int(np.clip(note.velocity, 1, 127)) // LAYER, []).append(note)
    played = [
        np.float32(((layer + 0.5) * LAYER / 127) ** synth.LOUDNESS_POWER)
        * _render_layer(some, program, is_drum, synthesizer)
        for layer, some in sorted(layers.items())
    ]
    y = np.zeros(max(map(len, played)), np.float32)
    for part in played:
        y[: len(part)] += part
    return y if factor == 1 else _decimate(y, factor)


def _decimate(y: np.ndarray, factor: int) -> np.ndarray:
    """Return every `factor`-th sample of what is left below the new Nyquist frequency."""
    return scipy.signal.upfirdn(_design_lowpass(factor), y, 1, factor)[HALF_TAPS : HALF_TAPS + len(y) // factor]


@functools.lru_cache(maxsize=4)
def _design_lowpass(factor: int) -> np.ndarray:
    """Return a low-pass filter whose delay is `HALF_TAPS` samples at the lower rate."""
    return scipy.signal.firwin(2 * HALF_TAPS * factor + 1, 0.92 / factor).astype(np.float32)


def _render_layer(notes: Sequence[Note], program: int, is_drum: bool, synthesizer: Any) -> np.ndarray:
    """Play notes that are equally loud: symusic 0.5.8 plays every velocity alike, and hears no controllers."""
    import symusic

    program = program if is_drum else BROKEN.get(program, program)
    track = symusic.Track(program=int(program), is_drum=is_drum, ttype="second")
    for note in notes:
        pitch = int(np.clip(note.pitch, 0, 127))
        # octaves lower where symusic would fail
        pitch -= 0 if is_drum else 12 * math.ceil(max(0, pitch - HIGHEST_PITCH) / 12)
        sounding = max(SHORTEST_NOTE, note.seconds)
        track.notes.append(symusic.Note(max(0.0, note.start), sounding, pitch, 100, ttype="second"))
    score = symusic.Score(ttype="second")
    score.tracks.append(track)
    left, right = np.asarray(synthesizer.render(score, stereo=True))
    # a mean over the short axis would take as long as the rendering; a broken sample of a font becomes silence
    return np.nan_to_num((left + right) * np.float32(0.5), nan=0.0, posinf=0.0, neginf=0.0)


def _load_synthesizer(font: Path, sample_rate: int) -> Any:
    """Load a soundfont into a new synthesizer, for one part.

    How symusic 0.5.8 plays a note depends on the notes that the same synthesizer has played before.
    """
    import symusic

    try:
        return symusic.Synthesizer(sf_path=font, sample_rate=sample_rate, quality=QUALITY)
    except Exception as error:  # it raises a RuntimeError with the C++ library's words
        raise _make_font_error(font) from error


def _make_font_error(font: Path) -> InputError:
    return InputError(
        "Expected a soundfont ({kinds}) in {font}, and it can't be read. Set MUSICML_SOUNDFONT to another, or "
        "MUSICML_RENDERER=numpy to go without.",
        font=font,
        kinds=".sf2 or .sf3" if _is_installed("symusic") else ".sf2; .sf3 needs the package symusic",
    )
