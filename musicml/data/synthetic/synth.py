"""Building blocks of synthetic sounds: tones, drum skins, noise and envelopes, in mono float32.

Times are in seconds. Every function with randomness takes its own generator, so that a seed fixes the sound.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile

TABLE_SIZE = 2048  # amplitudes in one stored period of a tone
MAX_HARMONICS = 48
MAX_FREQUENCY = 0.45  # of the sample rate; higher frequencies would alias into the audible range
DECAY_DB = 60.0  # a decay time is the time to fall by this level
A4_MIDI, A4_HZ = 69, 440.0
LOUDNESS_POWER = 1.7  # exponent from velocity to amplitude


def midi_to_hz(midi: float) -> float:
    """Convert a MIDI note number to a frequency in Hz.

    >>> midi_to_hz(69)
    440.0
    """
    return A4_HZ * 2.0 ** ((midi - A4_MIDI) / 12.0)


def compute_amplitude(velocity: float) -> float:
    """Compute the amplitude of a note from its MIDI velocity, 1 to 127. Half the velocity is 10 dB softer."""
    return (velocity / 127) ** LOUDNESS_POWER


def hash_name(text: str) -> int:
    """Hash a name for the seed of a generator. Unlike `hash`, it is the same in every process."""
    return zlib.crc32(text.encode())


def list_harmonics(frequency: float, sample_rate: int) -> np.ndarray:
    """List the numbers 1, 2, ... of the harmonics of `frequency` that fit below the Nyquist frequency."""
    return np.arange(1, max(2, min(MAX_HARMONICS, int(MAX_FREQUENCY * sample_rate / frequency)) + 1))


def make_tone(levels: np.ndarray, frequency: float | np.ndarray, n_samples: int, sample_rate: int) -> np.ndarray:
    """Make a steady tone by wavetable synthesis.

    Parameters
    ----------
    levels : amplitudes of the harmonics, [shape=(n_harmonics,)]
    frequency : in Hz, one value or one per sample
    """
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, np.complex64)
    spectrum[1 : len(levels) + 1] = -1j * levels
    period = scipy.fft.irfft(spectrum, TABLE_SIZE)
    phase: np.ndarray
    if np.ndim(frequency):
        phase = np.cumsum(frequency) * (TABLE_SIZE / sample_rate)
    else:
        phase = np.arange(n_samples) * (frequency * TABLE_SIZE / sample_rate)
    # the size is a power of two, so a bit mask computes the remainder
    return normalize_peak(period)[phase.astype(np.int64) & (TABLE_SIZE - 1)]


def make_thump(
    start_hz: float, end_hz: float, fall: float, decay: float, n_samples: int, sample_rate: int
) -> np.ndarray:
    """Make the sound of a drum skin: a sine that drops from one frequency to another in about `fall` seconds."""
    time = np.arange(n_samples) / sample_rate
    phase = end_hz * time + (start_hz - end_hz) * fall * (1.0 - np.exp(-time / fall))
    return (np.sin(2 * np.pi * phase) * make_decay(decay, n_samples, sample_rate)).astype(np.float32)


def make_noise(low_hz: float, high_hz: float, n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make noise between two frequencies with soft edges and an RMS of 1."""
    length = scipy.fft.next_fast_len(n_samples, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length, np.float32))
    f = np.arange(len(spectrum)) * (sample_rate / length) + 1.0
    spectrum *= 1.0 / ((1.0 + (low_hz / f) ** 4) * (1.0 + (f / high_hz) ** 4))
    y = scipy.fft.irfft(spectrum, length)[:n_samples]
    return (y / (np.sqrt(np.mean(y**2)) + 1e-9)).astype(np.float32)


def make_decay(decay: float, n_samples: int, sample_rate: int) -> np.ndarray:
    """Make an envelope that falls by 60 dB in `decay` seconds."""
    rate = -np.log(10.0) * DECAY_DB / 20.0 / (decay * sample_rate)
    return np.exp(np.arange(n_samples, dtype=np.float32) * np.float32(rate))


def fade_edges(y: np.ndarray, attack: float, release: float, sample_rate: int) -> np.ndarray:
    """Fade `y` in over `attack` and out over `release` seconds, in place, so that it has no clicks."""
    rise, fall = (min(len(y), max(1, int(seconds * sample_rate))) for seconds in (attack, release))
    y[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    y[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32)
    return y


def add(y: np.ndarray, note: np.ndarray, start: float, level: float, sample_rate: int) -> None:
    """Mix `note` into `y` from `start` seconds on, in place, and cut it off at the end of `y`."""
    first = int(start * sample_rate)
    length = min(len(note), len(y) - first)
    if first >= 0 and length > 0:
        y[first : first + length] += np.float32(level) * note[:length]


def draw_tint(rng: np.random.Generator, strength: float, waves: int = 5) -> np.ndarray:
    """Draw a recording's tone color: weights in dB of slow waves along the logarithm of frequency."""
    return rng.normal(0, strength, waves) / np.sqrt(np.arange(1, waves + 1))


def normalize_peak(y: np.ndarray, peak: float = 1.0) -> np.ndarray:
    """Scale `y` so that its largest amplitude is `peak`."""
    return (y * np.float32(peak / (np.max(np.abs(y)) + 1e-9))).astype(np.float32)


def write_wav(path: Path, y: np.ndarray, sample_rate: int) -> None:
    """Write `y` [shape=(n_samples,) or (n_samples, n_channels)] as a 16 bit WAV file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, y, sample_rate, subtype="PCM_16", format="WAV")
    # libsndfile does not say when a disk is full, but `write_bytes` does
    path.write_bytes(buffer.getvalue())
