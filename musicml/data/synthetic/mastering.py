"""What happens to a part between the instrument and the listener: amplifiers, rooms, compressors, tape, mp3.

All take and give mono float32 [shape=(n_samples,)]; a frequency is in Hz, a level in dB.
"""

from __future__ import annotations

import functools
import io

import numpy as np
import scipy.fft
import scipy.signal
import soundfile

from musicml.data.synthetic import synth

BLOCK = 64  # samples that a compressor turns down alike
FRAME = 1024  # samples of which one loudness is measured
QUIET = 0.05  # of the loudest frame's energy: frames below it are pauses
SLOWNESS = 0.97  # of a compressor, a block


def measure_loudness(y: np.ndarray) -> float:
    """Return the RMS of the frames in which something is heard."""
    frames = y[: len(y) // FRAME * FRAME].reshape(-1, FRAME)
    energy = np.einsum("ij,ij->i", frames, frames) / FRAME
    heard = energy[energy > QUIET * energy.max(initial=0)]
    return float(np.sqrt(heard.mean())) if len(heard) else 0.0


def set_loudness(y: np.ndarray, level: float) -> np.ndarray:
    """Scale to a loudness of `level` dB; silence stays silence."""
    return y * np.float32(10 ** (level / 20) / max(measure_loudness(y), 1e-6))


def filter_band(y: np.ndarray, kind: str, hertz: float, sample_rate: int, order: int = 2) -> np.ndarray:
    """Filter with a Butterworth `lowpass` or `highpass`."""
    return scipy.signal.sosfilt(_design_filter(kind, round(hertz), sample_rate, order), y).astype(np.float32)


@functools.lru_cache(maxsize=256)
def _design_filter(kind: str, hertz: int, sample_rate: int, order: int) -> np.ndarray:
    return scipy.signal.butter(order, min(hertz, 0.49 * sample_rate), kind, fs=sample_rate, output="sos")  # type: ignore[call-overload]


def distort(y: np.ndarray, drive: float, tone: float, sample_rate: int) -> np.ndarray:
    """Send a guitar through two overdriven stages and a cabinet that lets nothing above `tone` Hz through."""
    y = filter_band(y, "highpass", 90, sample_rate)
    y = y * np.float32(0.25 / (np.sqrt(np.mean(y**2)) + 1e-9))
    # not symmetrical, for even harmonics
    y = np.tanh(y * np.float32(drive) + np.float32(0.15)) - np.float32(np.tanh(0.15))
    y = np.tanh(y * np.float32(1 + drive / 6))
    return filter_band(filter_band(y, "lowpass", tone, sample_rate, 4), "highpass", 80, sample_rate)


def bend(y: np.ndarray, depth: float, rate: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Give a part the vibrato of a hand or a lip: up to `depth` semitones, `rate` times a second."""
    time = np.arange(len(y)) / sample_rate
    knots = np.arange(0, time[-1] + 0.4, 0.4)
    swell = np.interp(time, knots, rng.uniform(0, 1, len(knots)))
    delay = depth * np.log(2) / 12 / (2 * np.pi * rate) * sample_rate
    places = np.arange(len(y)) + swell * delay * np.sin(2 * np.pi * rate * time)
    return np.interp(places, np.arange(len(y)), y).astype(np.float32)


def compress(y: np.ndarray, ratio: float) -> np.ndarray:
    """Turn loud passages down: what exceeds a level a little below the mean grows only 1 / `ratio` as fast."""
    blocks = np.pad(y, (0, -len(y) % BLOCK)).reshape(-1, BLOCK)
    energy = np.einsum("ij,ij->i", blocks, blocks) / BLOCK
    heard = scipy.signal.lfilter([1 - SLOWNESS], [1, -SLOWNESS], energy)
    above = 10 * np.log10(np.maximum(heard, 1e-10) / (0.5 * energy.mean() + 1e-10))
    gain = 10 ** (-np.maximum(above, 0) * (1 - 1 / ratio) / 20)
    places = (np.arange(len(gain)) + 0.5) * BLOCK
    return y * np.interp(np.arange(len(y)), places, gain).astype(np.float32)


def color(
    y: np.ndarray, sample_rate: int, room: np.ndarray | None, gains: np.ndarray, frequencies: np.ndarray
) -> np.ndarray:
    """Send a sound through a room (its answer to a click) and an equalizer, `gains` dB at `frequencies`, at once."""
    length = scipy.fft.next_fast_len(len(y) + (0 if room is None else len(room)), real=True)
    spectrum = scipy.fft.rfft(y, length)
    if room is not None:
        spectrum *= scipy.fft.rfft(room, length)
    bins = np.arange(len(spectrum)) * (sample_rate / length)
    spectrum *= np.interp(bins, frequencies, 10 ** (gains / 20)).astype(np.float32)
    return scipy.fft.irfft(spectrum, length)[: len(y)]


def build_room(seconds: float, wet: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a room's answer to a click: the click, and after 12 ms a tail of noise that falls by 60 dB."""
    tail = rng.standard_normal(max(2, int(seconds * sample_rate)), np.float32)
    tail *= synth.falling(seconds, len(tail), sample_rate)
    tail[: int(0.012 * sample_rate)] = 0
    tail *= np.float32(wet) / np.sqrt(np.sum(tail**2) + np.float32(1e-9))
    tail[0] = 1 - 0.4 * wet
    return tail


def build_equalizer(tilt: float, bass: float, treble: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Build an equalizer's curve.

    Parameters
    ----------
    tilt : dB an octave, around 1 kHz
    bass, treble : dB below about 150 Hz, above about 4 kHz
    low, high : Hz beyond which hardly anything is left

    Returns
    -------
    gains, frequencies : dB and Hz [shape=(n_points,)]
    """
    frequencies = np.geomspace(20, 22_050, 200)
    gains = tilt * np.log2(frequencies / 1000) + bass / (1 + (frequencies / 150) ** 2)
    gains += treble * (1 - 1 / (1 + (frequencies / 4000) ** 2))
    gains -= 10 * np.log10(1 + (low / frequencies) ** 4) + 10 * np.log10(1 + (frequencies / high) ** 8)
    return gains, frequencies


def echo(y: np.ndarray, delay: float, share: float, sample_rate: int) -> np.ndarray:
    """Repeat a part every `delay` seconds, duller and `share` as loud each time."""
    again, step = y, int(delay * sample_rate)
    y = y.copy()
    for _ in range(4):
        again = np.float32(share) * filter_band(again[:-step], "lowpass", 2500, sample_rate, 1)
        again = np.concatenate([np.zeros(step, np.float32), again])
        y += again
    return y


def clip_softly(y: np.ndarray, drive: float) -> np.ndarray:
    """Round the peaks off, as a loud master does; `drive` of 1 is audible."""
    return np.tanh(y * np.float32(drive * 0.12 / (np.sqrt(np.mean(y**2)) + 1e-9)))


def add_noise(y: np.ndarray, level: float, crackle: bool, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Add hiss of an amplitude `level`, and a worn record's crackle."""
    noise = np.float32(level) * rng.standard_normal(len(y), np.float32)
    if crackle:
        clicks = rng.integers(len(y), size=len(y) // 1700)
        noise[clicks] += rng.normal(0, 0.08, len(clicks)).astype(np.float32)
    return y + filter_band(noise, "lowpass", 7000, sample_rate, 1)


def round_trip_mp3(y: np.ndarray, sample_rate: int) -> np.ndarray:
    """Write a sound as mp3 and read it again, as much music has been through."""
    stored = io.BytesIO()
    soundfile.write(stored, y, sample_rate, format="MP3")
    stored.seek(0)
    decoded = soundfile.read(stored, dtype="float32")[0][: len(y)]
    return np.pad(decoded, (0, len(y) - len(decoded)))
