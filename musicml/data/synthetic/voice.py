"""Synthesize a singing voice: pulses of the vocal folds through three formants that move from vowel to vowel.

It sounds like the singing computers of the 1960s, but close enough to a singer for a network.
Formants: G. E. Peterson and H. L. Barney, "Control methods used in a study of the vowels" (JASA 24, 1952).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.signal

from musicml.data.synthetic import synth
from musicml.data.synthetic.renderer import Note

# Hz of the first three formants, vowel after vowel: a, e, i, o, u
VOWELS = {
    "male": np.array([(730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240)]),
    "female": np.array([(850, 1220, 2810), (610, 2330, 2990), (310, 2790, 3310), (590, 920, 2710), (370, 950, 2670)]),
}
WIDTHS_HZ = (80.0, 110.0, 170.0)  # of the formants
FORMANT_LEVELS = (1.0, 0.7, 0.5)
OPEN_SHARE = 0.6  # of a period in which the vocal folds are open
MAX_SYLLABLE_SECONDS = 3.0


@dataclass(frozen=True)
class Singer:
    """The voice of one singer in all songs.

    kind : male or female
    size : factor for all formants; below 1 for a large head
    vibrato : depth as a share of the pitch
    growl : 0 (clear) to 1 (hoarse)
    breath : level of the noise
    consonants : share of syllables that begin with a burst of noise
    speaks : whether pitches slide as in speech
    """

    kind: str
    size: float
    vibrato: float
    growl: float
    breath: float = 0.08
    consonants: float = 0.75
    speaks: bool = False


def sing(
    notes: Sequence[Note], singer: Singer, seconds: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Sing one syllable per note, mono float32 [shape=(n_samples,)], with syllables at an RMS of about 1."""
    y = np.zeros(round(seconds * sample_rate), np.float32)
    for note in notes:
        length = int(np.clip(note.seconds, 0.07, MAX_SYLLABLE_SECONDS) * sample_rate)
        syllable = _shape_vowel(_make_pulses(note.pitch, length, singer, sample_rate, rng), singer, sample_rate, rng)
        synth.fade_edges(syllable, 0.02, 0.05, sample_rate)
        synth.add(y, syllable, note.start, rng.uniform(0.7, 1.1), sample_rate)
        if rng.random() < singer.consonants:
            burst = _make_consonant(sample_rate, rng)
            synth.add(y, burst, max(0.0, note.start - len(burst) / 2 / sample_rate), 0.9, sample_rate)
    return y


def scratch(seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Imitate record scratching by short bursts whose pitch rises or falls, in mono float32."""
    y = np.zeros(round(seconds * sample_rate), np.float32)
    for _ in range(int(rng.integers(4, 14))):
        length = int(rng.uniform(0.05, 0.18) * sample_rate)
        bend = 1 + rng.choice([-0.8, 0.8]) * np.linspace(0, 1, length)
        wave = np.sign(np.sin(2 * np.pi * np.cumsum(rng.uniform(300, 900) * bend) / sample_rate))
        burst = (wave + rng.standard_normal(length)) * np.hanning(length) / 2
        synth.add(y, burst.astype(np.float32), rng.uniform(0, seconds - 0.2), 1.0, sample_rate)
    band = scipy.signal.butter(2, (400, 4000), "bandpass", fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(band, y).astype(np.float32)


def _make_pulses(pitch: int, length: int, singer: Singer, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make the sound of the vocal folds, before the formants."""
    time = np.arange(length, dtype=np.float32) / sample_rate
    drift = np.interp(time, np.arange(0, MAX_SYLLABLE_SECONDS + 0.1, 0.08), rng.normal(0, 0.006, 39))
    if singer.speaks:
        bend = 1 + rng.uniform(-0.25, 0.2) * time / time[-1] + 0.03 * np.sin(2 * np.pi * 3 * time)
    else:
        wave = np.sin(2 * np.pi * rng.uniform(4.8, 6.2) * time + rng.uniform(0, 6))
        scoop = 2 ** (-rng.uniform(0, 1.5) / 12 * np.exp(-time / 0.05))
        bend = scoop * (1 + singer.vibrato * np.minimum(1, time / 0.4) * wave)
    phase = np.cumsum(synth.midi_to_hz(pitch) * bend * (1 + drift)) / sample_rate
    # the folds open and close once per period; the flow changes fastest when they close
    within = phase % 1
    flow = np.where(within < OPEN_SHARE, np.sin(np.pi / OPEN_SHARE * within) ** 2, 0)
    source = np.diff(flow, prepend=0) * 8
    source += rng.standard_normal(length) * (singer.breath + 0.25 * singer.growl) * (0.3 + within)
    # a hoarse voice: every second pulse is weaker
    return source * (1 + 0.9 * singer.growl * np.sin(np.pi * phase)) if singer.growl else source


def _shape_vowel(source: np.ndarray, singer: Singer, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Filter the sound of the vocal folds by the formants of a vowel that glides into another."""
    vowels = VOWELS[singer.kind] * singer.size
    first, second = vowels[rng.integers(len(vowels), size=2)]
    glide = np.clip((np.linspace(0, 1, len(source)) - 0.4) * 3, 0, 1)
    y = np.zeros(len(source))
    for width, level, start, end in zip(WIDTHS_HZ, FORMANT_LEVELS, first, second, strict=True):
        y += level * (1 - glide) * _resonate(source, start, width, sample_rate)
        y += level * glide * _resonate(source, end, width, sample_rate)
    return (y / (np.sqrt(np.mean(y**2)) + 1e-9)).astype(np.float32)


def _resonate(y: np.ndarray, hertz: float, width: float, sample_rate: int) -> np.ndarray:
    """Filter with one resonance that has a gain of about 1 at its peak."""
    radius, angle = np.exp(-np.pi * width / sample_rate), 2 * np.pi * min(hertz / sample_rate, 0.45)
    gain = (1 - radius) * np.sqrt(1 - 2 * radius * np.cos(2 * angle) + radius**2)
    return scipy.signal.lfilter([gain], [1, -2 * radius * np.cos(angle), radius**2], y)


def _make_consonant(sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make a consonant: a burst of noise, more often sharp than dull."""
    length = int(rng.uniform(0.03, 0.09) * sample_rate)
    noise = rng.standard_normal(length) * np.hanning(length)
    return (np.diff(noise, prepend=0) if rng.random() < 0.6 else noise).astype(np.float32)
