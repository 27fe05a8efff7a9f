"""Simulate a recording: a room, a microphone's frequency response, light clipping, noise and level.

Files of one stem share a `Recorder`, as the takes of one session share a room and a microphone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from musicml.data.synthetic import synth

MIDDLE_HZ = 800.0  # where a tilt has no effect
LOWEST_HZ = 40.0  # below it the response is constant


@dataclass(frozen=True)
class Recorder:
    """One room with one microphone.

    tilt : dB per octave; brighter above 0
    bumps : of the frequency response, each a frequency in Hz, a gain in dB and a width in octaves
    low_hz, high_hz : limits of the frequency band
    wet, decay, damping : the room's level relative to the direct sound, its decay in seconds, its treble limit in Hz
    drive : overdrive; none below 1
    noise_db, noise_hz : level relative to the sound's peak, and treble limit
    level_db : peak of the files, dB of full scale
    """

    tilt: float
    bumps: tuple[tuple[float, float, float], ...]
    low_hz: float
    high_hz: float
    wet: float
    decay: float
    damping: float
    drive: float
    noise_db: float
    noise_hz: float
    level_db: float


def draw_recorder(rng: np.random.Generator) -> Recorder:
    """Draw a room and a microphone, from a studio's to a telephone's."""
    bumps = tuple(
        (float(rng.uniform(150, 6000)), float(rng.uniform(-6, 6)), float(rng.uniform(0.4, 0.9))) for _ in range(2)
    )
    return Recorder(
        tilt=rng.uniform(-3.5, 1.0),
        bumps=bumps,
        low_hz=rng.uniform(60, 200) if rng.random() < 0.2 else 20.0,
        high_hz=rng.uniform(3000, 9500) if rng.random() < 0.35 else 20_000.0,
        wet=rng.uniform(0.05, 0.6) if rng.random() < 0.6 else 0.0,
        decay=rng.uniform(0.15, 1.8),
        damping=rng.uniform(2500, 8000),
        drive=rng.uniform(1.5, 3.0) if rng.random() < 0.15 else 0.0,
        noise_db=rng.uniform(-95, -42),
        noise_hz=rng.uniform(1000, 9000),
        level_db=rng.uniform(-20, -0.5),
    )


def vary_recorder(recorder: Recorder, rng: np.random.Generator) -> Recorder:
    """Vary a recorder slightly, as between two takes: in distance, tone and level."""
    bump = (float(rng.uniform(150, 6000)), float(rng.normal(0, 1.5)), 0.6)
    return replace(
        recorder,
        tilt=recorder.tilt + rng.normal(0, 0.25),
        bumps=(*recorder.bumps, bump),
        wet=recorder.wet * rng.uniform(0.8, 1.25),
        noise_db=recorder.noise_db + rng.normal(0, 2),
        level_db=float(np.clip(recorder.level_db + rng.normal(0, 2.5), -19.0, -0.3)),
    )


def record_sound(y: np.ndarray, sample_rate: int, recorder: Recorder, rng: np.random.Generator) -> np.ndarray:
    """Record a sound [shape=(n_samples,)] as mono float32 of the same length, with its peak at the recorder's level."""
    y = _filter_response(synth.normalize_peak(y), sample_rate, recorder, rng)
    y = synth.normalize_peak(y)
    if recorder.drive > 1.0:
        y = synth.normalize_peak(np.tanh(np.float32(recorder.drive) * y))
    noise = _make_noise(len(y), sample_rate, recorder.noise_hz, rng)
    return synth.normalize_peak(y + np.float32(10 ** (recorder.noise_db / 20)) * noise, 10 ** (recorder.level_db / 20))


def overdrive(y: np.ndarray, sample_rate: int, drive: float, high_hz: float) -> np.ndarray:
    """Play a sound through a guitar amplifier, which clips it softly and cuts the treble."""
    y = np.tanh(np.float32(drive) * synth.normalize_peak(y))
    length = scipy.fft.next_fast_len(len(y), real=True)
    spectrum = scipy.fft.rfft(y, length)
    spectrum *= _limit_treble(_list_frequencies(length, sample_rate), high_hz, 4)
    return scipy.fft.irfft(spectrum, length)[: len(y)]


def _filter_response(y: np.ndarray, sample_rate: int, recorder: Recorder, rng: np.random.Generator) -> np.ndarray:
    """Filter a sound by the frequency response and the room, in one product of spectra."""
    tail = int(recorder.decay * sample_rate) if recorder.wet > 0.0 else 0
    length = scipy.fft.next_fast_len(len(y) + tail, real=True)
    frequencies = _list_frequencies(length, sample_rate)
    # a tilt and its bumps are drawn over octaves, as hearing is logarithmic
    octaves = np.log2(np.maximum(frequencies, LOWEST_HZ) / MIDDLE_HZ)
    gain = recorder.tilt * octaves
    for hertz, decibels, width in recorder.bumps:
        gain += decibels * np.exp(-0.5 * ((octaves - np.log2(hertz / MIDDLE_HZ)) / width) ** 2)
    response = 10 ** (gain / 20) * _limit_treble(frequencies, recorder.high_hz, 4)
    response *= 1.0 / np.sqrt(1.0 + (recorder.low_hz / np.maximum(frequencies, 1.0)) ** 4)
    spectrum = scipy.fft.rfft(y, length) * response.astype(np.float32)
    if tail:
        # decaying noise is a simple model of a room's echoes
        reverb = rng.standard_normal(tail, np.float32) * synth.make_decay(recorder.decay, tail, sample_rate)
        room = scipy.fft.rfft(reverb * np.float32(recorder.wet / np.sqrt(np.sum(reverb**2))), length)
        spectrum *= 1.0 + room * _limit_treble(frequencies, recorder.damping, 1)
    return scipy.fft.irfft(spectrum, length)[: len(y)]


def _make_noise(n_samples: int, sample_rate: int, high_hz: float, rng: np.random.Generator) -> np.ndarray:
    length = scipy.fft.next_fast_len(n_samples, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(length, np.float32))
    spectrum *= _limit_treble(_list_frequencies(length, sample_rate), high_hz, 1)
    return scipy.fft.irfft(spectrum, length)[:n_samples]


def _list_frequencies(length: int, sample_rate: int) -> np.ndarray:
    """List the frequencies of a spectrum in Hz, [shape=(length // 2 + 1,)] float32."""
    return np.arange(length // 2 + 1, dtype=np.float32) * np.float32(sample_rate / length)


def _limit_treble(frequencies: np.ndarray, high_hz: float, order: int) -> np.ndarray:
    """Compute the gain of a zero-phase low-pass filter: -3 dB at `high_hz`, then 6 * `order` dB less per octave."""
    return 1.0 / np.sqrt(1.0 + (frequencies / np.float32(high_hz)) ** (2 * order))
