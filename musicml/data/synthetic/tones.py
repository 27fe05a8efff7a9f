"""Simple notes and drum hits in pure numpy, used by `renderer` if no soundfont can be played.

The instruments differ in what distinguishes real ones: attack and decay, harmonics, and formants.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musicml.data.synthetic import synth

RELEASE = 0.06  # seconds
VIBRATO_HZ = 5.5
VOLUME = 0.3
FORMANT_GAIN = 3.0  # at its center, in addition to 1


class Tone(NamedTuple):
    """The sound of a family of instruments.

    slope : dB by which the harmonics fall per octave
    even : level of the even harmonics relative to the odd ones; low for a closed pipe
    attack, decay : seconds to full level, and seconds to fall by 60 dB (0 for a sustained tone)
    vibrato : cents
    breath : level of the noise of bow or breath
    """

    slope: float
    even: float = 1.0
    attack: float = 0.003
    decay: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0


class Hit(NamedTuple):
    """The frequencies of a drum's skin and noise, the share of noise, and the seconds to fall by 60 dB."""

    start_hz: float
    end_hz: float
    low_hz: float
    high_hz: float
    noise: float
    decay: float


# General MIDI has sixteen families of eight programs
FAMILIES = (
    Tone(8.0, decay=3.0),  # pianos
    Tone(12.0, decay=1.1),  # bars and bells
    Tone(9.0, even=0.7, attack=0.02),  # organs and accordions
    Tone(5.0, decay=2.2),  # guitars
    Tone(9.0, decay=2.0),  # basses
    Tone(5.5, attack=0.08, vibrato=15, breath=0.04),  # bowed strings
    Tone(7.0, attack=0.06, vibrato=10, breath=0.02),  # ensembles and choirs
    Tone(4.5, attack=0.04, vibrato=4, breath=0.02),  # brass
    Tone(6.0, even=0.4, attack=0.04, vibrato=5, breath=0.03),  # reeds
    Tone(13.0, even=0.7, attack=0.06, vibrato=10, breath=0.09),  # flutes
    Tone(4.0, attack=0.01),  # leads of synthesizers
    Tone(7.0, attack=0.2),  # pads
    Tone(6.0, attack=0.1, vibrato=20),  # effects
    Tone(4.0, decay=0.8),  # banjos and sitars
    Tone(14.0, decay=0.5),  # percussion
    Tone(3.0, breath=0.5),  # noises
)
MAX_HIT_SECONDS = 1.3  # seconds
CYMBAL, TOM = Hit(4000, 4000, 3000, 14_000, 0.9, MAX_HIT_SECONDS), Hit(190, 95, 80, 900, 0.15, 0.4)
HITS = {
    **dict.fromkeys((35, 36), Hit(140, 48, 20, 300, 0.05, 0.35)),  # bass drums
    **dict.fromkeys((38, 40), Hit(260, 180, 900, 8000, 0.75, 0.22)),  # snares
    **dict.fromkeys((37, 39), Hit(1700, 1650, 1200, 5000, 0.6, 0.1)),  # rim and hands
    **dict.fromkeys((42, 44), Hit(7000, 7000, 6500, 16_000, 1.0, 0.09)),  # closed hats
    46: Hit(7000, 7000, 5500, 16_000, 1.0, 0.45),
    **dict.fromkeys((49, 51, 52, 53, 55, 57, 59), CYMBAL),
}


def play_tones(
    notes: Sequence[tuple[float, float, int, int]], program: int, is_drum: bool, sample_rate: int
) -> np.ndarray:
    """Play one part.

    Parameters
    ----------
    notes : `renderer.Note`s: start and length in seconds, MIDI pitch, velocity
    program : General MIDI program; all drum kits sound the same
    sample_rate : Hz

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32, at least to the end of the last note
    """
    end = max(start + seconds for start, seconds, _, _ in notes)
    y = np.zeros(round((end + MAX_HIT_SECONDS) * sample_rate), np.float32)
    for start, seconds, pitch, velocity in notes:
        length = np.ceil(10 * seconds) / 10  # similar lengths share one cached sound
        sound = _strike(pitch, sample_rate) if is_drum else _play(program, pitch, length, sample_rate)
        synth.add(y, sound, max(start, 0.0), VOLUME * synth.compute_amplitude(velocity), sample_rate)
    return y


@functools.lru_cache(maxsize=512)
def _play(program: int, pitch: int, seconds: float, sample_rate: int) -> np.ndarray:
    """Play one note. The programs of a family differ in slope and formant, drawn with the program as the seed."""
    family, rng = FAMILIES[program // 8], np.random.default_rng(program)
    slope, formant_hz = family.slope + rng.normal(0, 1.5), rng.uniform(250, 3000)
    hertz, n_samples = synth.midi_to_hz(pitch), round((seconds + RELEASE) * sample_rate)
    k = synth.list_harmonics(hertz, sample_rate)
    levels = np.where(k % 2 == 0, family.even, 1.0) * 10.0 ** (-slope * np.log2(k) / 20.0)
    levels *= 1.0 + FORMANT_GAIN * np.exp(-((np.log2(k * hertz / formant_hz) / 0.35) ** 2))
    frequency = hertz
    if family.vibrato:
        time = np.arange(n_samples, dtype=np.float32) / sample_rate
        wave = np.sin(2 * np.pi * VIBRATO_HZ * time) * np.minimum(time / 0.3, 1.0)
        frequency = hertz * (1 + np.log(2) / 1200 * family.vibrato * wave)
    y = synth.make_tone(levels, frequency, n_samples, sample_rate)
    if family.decay:
        y *= synth.make_decay(family.decay * (220 / hertz) ** 0.5, n_samples, sample_rate)
    if family.breath:
        y += np.float32(family.breath) * rng.standard_normal(n_samples, np.float32)
    return synth.fade_edges(y, family.attack, RELEASE, sample_rate)


@functools.lru_cache(maxsize=64)
def _strike(pitch: int, sample_rate: int) -> np.ndarray:
    """Play one hit on the piece of a drum kit with this pitch."""
    hit, max_hz = HITS.get(pitch, TOM), synth.MAX_FREQUENCY * sample_rate
    n_samples = int(hit.decay * sample_rate)
    skin = synth.make_thump(min(hit.start_hz, max_hz), min(hit.end_hz, max_hz), 0.03, hit.decay, n_samples, sample_rate)
    noise = synth.make_noise(hit.low_hz, min(hit.high_hz, max_hz), n_samples, sample_rate, np.random.default_rng(pitch))
    noise *= synth.make_decay(hit.decay, n_samples, sample_rate) * 0.4
    return synth.normalize_peak(synth.fade_edges((1 - hit.noise) * skin + hit.noise * noise, 0.001, 0.005, sample_rate))
