"""The building blocks of a generated sound: tones, skins, noise, envelopes. Mono float32, times in seconds.

Nothing here knows of an instrument or of music. Every function that needs chance is given its generator.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile

TABLE = 2048  # amplitudes in one stored period of a tone
PARTIALS = 48  # a tone has at most so many
HIGHEST = 0.45  # of the sample rate: what lies above would fold back into the audible range
SILENT_DB = 60.0  # a decay time is the time to fall by so much
A4_MIDI, A4_HZ = 69, 440.0
LOUDNESS_POWER = 1.7  # of a velocity


def hertz(midi: float) -> float:
    """The frequency of a MIDI note number in Hz.

    >>> hertz(69)
    440.0
    """
    return A4_HZ * 2.0 ** ((midi - A4_MIDI) / 12.0)


def level(velocity: float) -> float:
    """The level of a note that is played so hard, 1 to 127: half as hard is 10 dB softer."""
    return (velocity / 127) ** LOUDNESS_POWER


def number(text: str) -> int:
    """A stable whole number for a name, to seed a generator with: the same in every process and version of Python."""
    return zlib.crc32(text.encode())


def partials(frequency: float, sample_rate: int) -> np.ndarray:
    """The numbers 1, 2, ... of the harmonics of `frequency` that a recording at `sample_rate` can hold."""
    return np.arange(1, max(2, min(PARTIALS, int(HIGHEST * sample_rate / frequency)) + 1))


def tone(levels: np.ndarray, frequency: float | np.ndarray, n_samples: int, sample_rate: int) -> np.ndarray:
    """A steady tone whose harmonic k has the amplitude levels[k - 1]; `frequency` in Hz, one or one an amplitude."""
    spectrum = np.zeros(TABLE // 2 + 1, np.complex64)
    spectrum[1 : len(levels) + 1] = -1j * levels
    period = scipy.fft.irfft(spectrum, TABLE)
    phase: np.ndarray
    if np.ndim(frequency):
        phase = np.cumsum(frequency) * (TABLE / sample_rate)
    else:
        phase = np.arange(n_samples) * (frequency * TABLE / sample_rate)
    # a power of two, so that the remainder is a cheap mask
    return at_peak(period)[phase.astype(np.int64) & (TABLE - 1)]


def thump(start_hz: float, end_hz: float, fall: float, decay: float, n_samples: int, sample_rate: int) -> np.ndarray:
    """A drum's skin: a sine that drops from one frequency to another within about `fall` seconds."""
    time = np.arange(n_samples) / sample_rate
    phase = end_hz * time + (start_hz - end_hz) * fall * (1.0 - np.exp(-time / fall))
    return (np.sin(2 * np.pi * phase) * falling(decay, n_samples, sample_rate)).astype(np.float32)


def hiss(low_hz: float, high_hz: float, n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise between two frequencies with soft edges, at a level of 1 (root mean square)."""
    length = scipy.fft.next_fast_len(n_samples, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length, np.float32))
    f = np.arange(len(spectrum)) * (sample_rate / length) + 1.0
    spectrum *= 1.0 / ((1.0 + (low_hz / f) ** 4) * (1.0 + (f / high_hz) ** 4))
    y = scipy.fft.irfft(spectrum, length)[:n_samples]
    return (y / (np.sqrt(np.mean(y**2)) + 1e-9)).astype(np.float32)


def falling(decay: float, n_samples: int, sample_rate: int) -> np.ndarray:
    """An envelope that falls by 60 dB in `decay` seconds."""
    rate = -np.log(10.0) * SILENT_DB / 20.0 / (decay * sample_rate)
    return np.exp(np.arange(n_samples, dtype=np.float32) * np.float32(rate))


def edges(y: np.ndarray, attack: float, release: float, sample_rate: int) -> np.ndarray:
    """`y` faded in over `attack` and out over `release` seconds, so that no note begins or ends with a click."""
    rise, fall = (min(len(y), max(1, int(seconds * sample_rate))) for seconds in (attack, release))
    y[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    y[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32)
    return y


def add(y: np.ndarray, note: np.ndarray, start: float, level: float, sample_rate: int) -> None:
    """Mix `note` into `y` from `start` seconds on, in place; what would reach past the end is cut off."""
    first = int(start * sample_rate)
    length = min(len(note), len(y) - first)
    if first >= 0 and length > 0:
        y[first : first + length] += np.float32(level) * note[:length]


def colour(rng: np.random.Generator, strength: float, waves: int = 5) -> np.ndarray:
    """A recording's own tone: `waves` weights in dB for slow waves along the logarithm of frequency."""
    return rng.normal(0, strength, waves) / np.sqrt(np.arange(1, waves + 1))


def at_peak(y: np.ndarray, peak: float = 1.0) -> np.ndarray:
    """`y` scaled so that its largest amplitude is `peak`."""
    return (y * np.float32(peak / (np.max(np.abs(y)) + 1e-9))).astype(np.float32)


def write_wav(path: Path, y: np.ndarray, sample_rate: int) -> None:
    """Write `y` [shape=(n_samples,) or (n_samples, n_channels)] as a 16 bit WAV file."""
    stored = io.BytesIO()
    soundfile.write(stored, y, sample_rate, subtype="PCM_16", format="WAV")
    # through memory: of a full disk libsndfile says nothing that names it
    path.write_bytes(stored.getvalue())
