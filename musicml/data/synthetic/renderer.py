"""Render notes with a General MIDI soundfont, by symusic or midirenderer.

symusic is fast, and renders a soft note as a quieter copy of a loud one. midirenderer is slower, but soft notes have
their own timbre, which matters for solo instruments. Neither has a wheel for every platform, so each can replace the
other. Without both, or without a soundfont, the simple sounds of `tones` are used. The environment variable
MUSICML_SOUNDFONT selects another soundfont (.sf2, or .sf3 with symusic), and MUSICML_RENDERER=numpy uses none.
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

FONT = "TimGM6mb.sf2"  # included in the package pretty_midi
QUALITY = 4  # of symusic's interpolation, 0 to 4; 4 takes hardly longer, and 0 sounds rough
# symusic 0.5.8 reads past a sample's loop, or never leaves it, if a step is longer than the loop. With TimGM6mb this
# happens above pitch 100 at 44,100 Hz, an octave lower at 22,050 Hz, and in program 78 (whistle) at any pitch
MIN_SAMPLE_RATE, MAX_PITCH = 44_100, 96
REPLACEMENTS = {78: 79}  # for programs that symusic can't play
LAYER_SIZE = 16  # velocities that symusic renders equally loud
HALF_TAPS = 6  # half length of the anti-aliasing filter, at the lower sample rate
MIN_NOTE_SECONDS = 0.02
DRUM_CHANNEL = 9  # of MIDI


class Note(NamedTuple):
    """One note: start and length in seconds, MIDI pitch (for a drum kit the drum), and MIDI velocity."""

    start: float
    seconds: float
    pitch: int
    velocity: int


def has_renderer() -> bool:
    """Return whether notes can be rendered with a soundfont."""
    return find_soundfont() is not None


def find_soundfont() -> Path | None:
    """Return the soundfont, or None without one, without a renderer, or if MUSICML_RENDERER is `numpy`."""
    if os.environ.get("MUSICML_RENDERER") == "numpy" or not (_is_installed("symusic") or _is_installed("midirenderer")):
        return None
    if path := os.environ.get("MUSICML_SOUNDFONT"):
        return Path(path)
    package = importlib.util.find_spec("pretty_midi")
    font = Path(package.origin).with_name(FONT) if package is not None and package.origin else None
    return font if font is not None and font.is_file() else None


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _choose_renderer(font: Path, varies_timbre: bool) -> str:
    """Choose the renderer: the one with velocity-dependent timbre if wanted, otherwise the faster one."""
    can_play = [name for name in ("midirenderer", "symusic") if _is_installed(name)]
    if "symusic" in can_play and (font.suffix.lower() == ".sf3" or not varies_timbre):
        return "symusic"
    return can_play[0]


def describe_renderer(varies_timbre: bool = False) -> dict[str, str]:
    """Describe the renderer and the soundfont with their versions, for SOURCE.json.

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
        return {"renderer": "numpy 2"}  # increase it whenever the sounds of `tones` change
    render_notes([Note(0.0, 0.1, 60, 64)], 0, 0.1, MIN_SAMPLE_RATE, varies_timbre=varies_timbre)
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
    """Render the notes of one part.

    Parameters
    ----------
    notes : in any order; the sound is cut off at `seconds`
    program : General MIDI program, 0 to 127; for drums the kit
    seconds : length of the result
    sample_rate : Hz
    varies_timbre : whether velocity affects timbre as well as level; slower

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32, not normalized: the level depends on the velocities

    Raises
    ------
    InputError
        If the soundfont can't be read.
    """
    y, font = np.zeros(round(seconds * sample_rate), np.float32), find_soundfont()
    notes = [note for note in notes if note.start < seconds]
    if not notes:
        return y
    if font is None:
        sound = tones.play_tones(notes, program, is_drum, sample_rate)[: len(y)]
    else:
        use_symusic = _choose_renderer(font, varies_timbre) == "symusic"
        render = _render_with_symusic if use_symusic else _render_with_midirenderer
        sound = render(notes, program, is_drum, font, sample_rate)[: len(y)]
    y[: len(sound)] = sound
    return y


def _render_with_midirenderer(
    notes: Sequence[Note], program: int, is_drum: bool, font: Path, sample_rate: int
) -> np.ndarray:
    import midirenderer
    import mido

    channel = DRUM_CHANNEL if is_drum else 0
    events = []  # milliseconds, whether a note begins, pitch, velocity
    # a MIDI note-off ends all notes of its pitch, so a note must end where the next one of its pitch begins
    next_starts: dict[int, int] = {}
    for note in sorted(notes, reverse=True):
        start, pitch = round(1000 * max(0.0, note.start)), int(np.clip(note.pitch, 0, 127))
        end = min(start + round(1000 * max(MIN_NOTE_SECONDS, note.seconds)), next_starts.get(pitch, sys.maxsize))
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
    mido.MidiFile(ticks_per_beat=500, tracks=[track]).save(file=file)  # 1 ms per tick at the default tempo of 120
    try:
        wav = bytes(midirenderer.render_wave_from(_read_font(font), file.getvalue()))
    except Exception as error:  # a ValueError or RuntimeError of the library
        raise _make_font_error(font) from error
    return load_audio(wav, sample_rate, name=font.name).y


@functools.lru_cache(maxsize=2)
def _read_font(font: Path) -> bytes:
    try:
        return font.read_bytes()
    except OSError as error:
        raise _make_font_error(font) from error


def _render_with_symusic(
    notes: Sequence[Note], program: int, is_drum: bool, font: Path, sample_rate: int
) -> np.ndarray:
    factor = math.ceil(MIN_SAMPLE_RATE / sample_rate)
    synthesizer = _load_synthesizer(font, sample_rate * factor)
    layers: dict[int, list[Note]] = {}
    for note in notes:
        layers.setdefault(int(np.clip(note.velocity, 1, 127)) // LAYER_SIZE, []).append(note)
    parts = [
        np.float32(((layer + 0.5) * LAYER_SIZE / 127) ** synth.LOUDNESS_POWER)
        * _render_layer(layer_notes, program, is_drum, synthesizer)
        for layer, layer_notes in sorted(layers.items())
    ]
    y = np.zeros(max(map(len, parts)), np.float32)
    for part in parts:
        y[: len(part)] += part
    return y if factor == 1 else _decimate(y, factor)


def _decimate(y: np.ndarray, factor: int) -> np.ndarray:
    """Filter out the frequencies above the new Nyquist frequency, and keep every `factor`-th sample."""
    return scipy.signal.upfirdn(_design_lowpass(factor), y, 1, factor)[HALF_TAPS : HALF_TAPS + len(y) // factor]


@functools.lru_cache(maxsize=4)
def _design_lowpass(factor: int) -> np.ndarray:
    """Design a low-pass filter with a delay of `HALF_TAPS` samples at the lower sample rate."""
    return scipy.signal.firwin(2 * HALF_TAPS * factor + 1, 0.92 / factor).astype(np.float32)


def _render_layer(notes: Sequence[Note], program: int, is_drum: bool, synthesizer: Any) -> np.ndarray:
    """Render notes of similar velocity: symusic 0.5.8 ignores velocities and controllers."""
    import symusic

    program = program if is_drum else REPLACEMENTS.get(program, program)
    track = symusic.Track(program=int(program), is_drum=is_drum, ttype="second")
    for note in notes:
        pitch = int(np.clip(note.pitch, 0, 127))
        # transpose notes that symusic can't play by octaves
        pitch -= 0 if is_drum else 12 * math.ceil(max(0, pitch - MAX_PITCH) / 12)
        seconds = max(MIN_NOTE_SECONDS, note.seconds)
        track.notes.append(symusic.Note(max(0.0, note.start), seconds, pitch, 100, ttype="second"))
    score = symusic.Score(ttype="second")
    score.tracks.append(track)
    left, right = np.asarray(synthesizer.render(score, stereo=True))
    # `mean` over so short an axis would take as long as the rendering; broken samples of a font become silence
    return np.nan_to_num((left + right) * np.float32(0.5), nan=0.0, posinf=0.0, neginf=0.0)


def _load_synthesizer(font: Path, sample_rate: int) -> Any:
    """Load a soundfont into a new synthesizer.

    Each part needs its own: in symusic 0.5.8 a note depends on the notes that its synthesizer has played before.
    """
    import symusic

    try:
        return symusic.Synthesizer(sf_path=font, sample_rate=sample_rate, quality=QUALITY)
    except Exception as error:  # a RuntimeError of the C++ library
        raise _make_font_error(font) from error


def _make_font_error(font: Path) -> InputError:
    return InputError(
        "Expected a soundfont ({kinds}) in {font}, but it can't be read. Set MUSICML_SOUNDFONT to another file, or "
        "MUSICML_RENDERER=numpy to use none.",
        font=font,
        kinds=".sf2 or .sf3" if _is_installed("symusic") else ".sf2; .sf3 needs the package symusic",
    )
