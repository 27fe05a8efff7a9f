"""Effects for synthetic music: amplifiers, rooms, compressors, equalizers, noise and mp3.

All effects take and return mono float32 [shape=(n_samples,)]. Frequencies are in Hz, levels in dB.
"""

from __future__ import annotations

import functools
import io

import numpy as np
import scipy.fft
import scipy.signal
import soundfile

from musicml.data.synthetic import synth

BLOCK_SIZE = 64  # samples with the same gain in a compressor
FRAME_SIZE = 1024  # samples per loudness measurement
MIN_ENERGY = 0.05  # of the loudest frame's energy; frames below it are pauses
SMOOTHING = 0.97  # of a compressor's level, per block


def measure_loudness(y: np.ndarray) -> float:
    """Measure the RMS of the frames that are not pauses."""
    frames = y[: len(y) // FRAME_SIZE * FRAME_SIZE].reshape(-1, FRAME_SIZE)
    energy = np.einsum("ij,ij->i", frames, frames) / FRAME_SIZE
    loud = energy[energy > MIN_ENERGY * energy.max(initial=0)]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


def set_loudness(y: np.ndarray, level: float) -> np.ndarray:
    """Scale a sound to a loudness of `level` dB, unless it is silent."""
    return y * np.float32(10 ** (level / 20) / max(measure_loudness(y), 1e-6))


def filter_band(y: np.ndarray, kind: str, hertz: float, sample_rate: int, order: int = 2) -> np.ndarray:
    """Filter a sound with a Butterworth `lowpass` or `highpass`."""
    return scipy.signal.sosfilt(_design_filter(kind, round(hertz), sample_rate, order), y).astype(np.float32)


@functools.lru_cache(maxsize=256)
def _design_filter(kind: str, hertz: int, sample_rate: int, order: int) -> np.ndarray:
    return scipy.signal.butter(order, min(hertz, 0.49 * sample_rate), kind, fs=sample_rate, output="sos")  # type: ignore[call-overload]


def distort(y: np.ndarray, drive: float, tone: float, sample_rate: int) -> np.ndarray:
    """Send a guitar through two overdriven stages, and through a cabinet that cuts frequencies above `tone` Hz."""
    y = filter_band(y, "highpass", 90, sample_rate)
    y = y * np.float32(0.25 / (np.sqrt(np.mean(y**2)) + 1e-9))
    # asymmetric clipping adds even harmonics
    y = np.tanh(y * np.float32(drive) + np.float32(0.15)) - np.float32(np.tanh(0.15))
    y = np.tanh(y * np.float32(1 + drive / 6))
    return filter_band(filter_band(y, "lowpass", tone, sample_rate, 4), "highpass", 80, sample_rate)


def add_vibrato(y: np.ndarray, depth: float, rate: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Add vibrato of up to `depth` semitones, `rate` times a second."""
    time = np.arange(len(y)) / sample_rate
    knots = np.arange(0, time[-1] + 0.4, 0.4)
    swell = np.interp(time, knots, rng.uniform(0, 1, len(knots)))
    delay = depth * np.log(2) / 12 / (2 * np.pi * rate) * sample_rate
    places = np.arange(len(y)) + swell * delay * np.sin(2 * np.pi * rate * time)
    return np.interp(places, np.arange(len(y)), y).astype(np.float32)


def compress(y: np.ndarray, ratio: float) -> np.ndarray:
    """Compress a sound: above a threshold a little below the mean, its level grows only 1 / `ratio` as fast."""
    blocks = np.pad(y, (0, -len(y) % BLOCK_SIZE)).reshape(-1, BLOCK_SIZE)
    energy = np.einsum("ij,ij->i", blocks, blocks) / BLOCK_SIZE
    smooth = scipy.signal.lfilter([1 - SMOOTHING], [1, -SMOOTHING], energy)
    above = 10 * np.log10(np.maximum(smooth, 1e-10) / (0.5 * energy.mean() + 1e-10))
    gain = 10 ** (-np.maximum(above, 0) * (1 - 1 / ratio) / 20)
    places = (np.arange(len(gain)) + 0.5) * BLOCK_SIZE
    return y * np.interp(np.arange(len(y)), places, gain).astype(np.float32)


def equalize(
    y: np.ndarray, sample_rate: int, room: np.ndarray | None, gains: np.ndarray, frequencies: np.ndarray
) -> np.ndarray:
    """Convolve a sound with the impulse response of a room, and equalize it by `gains` dB at `frequencies`."""
    length = scipy.fft.next_fast_len(len(y) + (0 if room is None else len(room)), real=True)
    spectrum = scipy.fft.rfft(y, length)
    if room is not None:
        spectrum *= scipy.fft.rfft(room, length)
    bins = np.arange(len(spectrum)) * (sample_rate / length)
    spectrum *= np.interp(bins, frequencies, 10 ** (gains / 20)).astype(np.float32)
    return scipy.fft.irfft(spectrum, length)[: len(y)]


def build_room(seconds: float, wet: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Build the impulse response of a room: a click, and after 12 ms decaying noise."""
    tail = rng.standard_normal(max(2, int(seconds * sample_rate)), np.float32)
    tail *= synth.make_decay(seconds, len(tail), sample_rate)
    tail[: int(0.012 * sample_rate)] = 0
    tail *= np.float32(wet) / np.sqrt(np.sum(tail**2) + np.float32(1e-9))
    tail[0] = 1 - 0.4 * wet
    return tail


def build_equalizer(tilt: float, bass: float, treble: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Build the curve of an equalizer.

    Parameters
    ----------
    tilt : dB per octave, around 1 kHz
    bass, treble : dB below about 150 Hz and above about 4 kHz
    low, high : limits of the frequency band, Hz

    Returns
    -------
    gains, frequencies : dB and Hz [shape=(n_points,)]
    """
    frequencies = np.geomspace(20, 22_050, 200)
    gains = tilt * np.log2(frequencies / 1000) + bass / (1 + (frequencies / 150) ** 2)
    gains += treble * (1 - 1 / (1 + (frequencies / 4000) ** 2))
    gains -= 10 * np.log10(1 + (low / frequencies) ** 4) + 10 * np.log10(1 + (frequencies / high) ** 8)
    return gains, frequencies


def add_echo(y: np.ndarray, delay: float, share: float, sample_rate: int) -> np.ndarray:
    """Repeat a sound every `delay` seconds, each time duller and `share` as loud."""
    # each repeat is made from the one before
    repeat, step = y, int(delay * sample_rate)
    y = y.copy()
    for _ in range(4):
        repeat = np.float32(share) * filter_band(repeat[:-step], "lowpass", 2500, sample_rate, 1)
        repeat = np.concatenate([np.zeros(step, np.float32), repeat])
        y += repeat
    return y


def clip_softly(y: np.ndarray, drive: float) -> np.ndarray:
    """Clip peaks softly, as loud records do. A `drive` of 1 is audible."""
    return np.tanh(y * np.float32(drive * 0.12 / (np.sqrt(np.mean(y**2)) + 1e-9)))


def add_noise(y: np.ndarray, level: float, crackle: bool, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Add hiss with the amplitude `level`, and the crackle of a worn record."""
    noise = np.float32(level) * rng.standard_normal(len(y), np.float32)
    if crackle:
        clicks = rng.integers(len(y), size=len(y) // 1700)
        noise[clicks] += rng.normal(0, 0.08, len(clicks)).astype(np.float32)
    return y + filter_band(noise, "lowpass", 7000, sample_rate, 1)


def round_trip_mp3(y: np.ndarray, sample_rate: int) -> np.ndarray:
    """Encode a sound as mp3 and decode it again."""
    buffer = io.BytesIO()
    soundfile.write(buffer, y, sample_rate, format="MP3")
    buffer.seek(0)
    decoded = soundfile.read(buffer, dtype="float32")[0][: len(y)]
    return np.pad(decoded, (0, len(y) - len(decoded)))
