"""Simple sounds from numpy alone, for `renderer` where no soundfont can be played: notes and hits of a drum kit.

What tells instruments apart here is what tells real ones apart: how a note begins and ends, which partials it has, and
where they are strong.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musicml.data.synthetic import synth

RELEASE = 0.06  # seconds in which a note ends
VIBRATO_HZ = 5.5
VOLUME = 0.3
STRONGER = 3.0  # how much the partials near a formant are raised at the most, as a factor


class Tone(NamedTuple):
    """How a family of instruments sounds.

    slope : how many dB the partials fall an octave
    even : level of the even partials beside the odd ones; a closed pipe has few
    attack, decay : seconds to full level; seconds to fall by 60 dB (0: as long as it is held)
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
    """How one piece of a drum kit sounds: its skin's two frequencies and its noise's in Hz, the noise's share, and
    the seconds to fall by 60 dB."""

    start_hz: float
    end_hz: float
    low_hz: float
    high_hz: float
    noise: float
    decay: float


# General MIDI's sixteen families of eight programs
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
LONGEST_HIT = 1.3  # seconds
CYMBAL, TOM = Hit(4000, 4000, 3000, 14_000, 0.9, LONGEST_HIT), Hit(190, 95, 80, 900, 0.15, 0.4)
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
    notes : `renderer.Note`: start and length in seconds, MIDI pitch, velocity
    program : General MIDI's; kits of drums are all alike
    sample_rate : Hz

    Returns
    -------
    np.ndarray [shape=(n_samples,)], mono float32, to the end of the last note or longer
    """
    end = max(start + seconds for start, seconds, _, _ in notes)
    y = np.zeros(round((end + LONGEST_HIT) * sample_rate), np.float32)
    for start, seconds, pitch, velocity in notes:
        length = np.ceil(10 * seconds) / 10  # notes that differ a little share one sound
        sound = _strike(pitch, sample_rate) if is_drum else _play(program, pitch, length, sample_rate)
        synth.add(y, sound, max(start, 0.0), VOLUME * synth.level(velocity), sample_rate)
    return y


@functools.lru_cache(maxsize=512)
def _play(program: int, pitch: int, seconds: float, sample_rate: int) -> np.ndarray:
    """Return one note; what programs of a family have of their own is drawn by chance, once for all."""
    family, its = FAMILIES[program // 8], np.random.default_rng(program)
    slope, formant_hz = family.slope + its.normal(0, 1.5), its.uniform(250, 3000)
    hertz, n_samples = synth.hertz(pitch), round((seconds + RELEASE) * sample_rate)
    k = synth.partials(hertz, sample_rate)
    levels = np.where(k % 2 == 0, family.even, 1.0) * 10.0 ** (-slope * np.log2(k) / 20.0)
    levels *= 1.0 + STRONGER * np.exp(-((np.log2(k * hertz / formant_hz) / 0.35) ** 2))
    moving = hertz
    if family.vibrato:
        time = np.arange(n_samples, dtype=np.float32) / sample_rate
        wave = np.sin(2 * np.pi * VIBRATO_HZ * time) * np.minimum(time / 0.3, 1.0)
        moving = hertz * (1 + np.log(2) / 1200 * family.vibrato * wave)
    y = synth.tone(levels, moving, n_samples, sample_rate)
    if family.decay:
        y *= synth.falling(family.decay * (220 / hertz) ** 0.5, n_samples, sample_rate)
    if family.breath:
        y += np.float32(family.breath) * its.standard_normal(n_samples, np.float32)
    return synth.edges(y, family.attack, RELEASE, sample_rate)


@functools.lru_cache(maxsize=64)
def _strike(pitch: int, sample_rate: int) -> np.ndarray:
    """Return one hit on the piece of a kit that a pitch means."""
    hit, top = HITS.get(pitch, TOM), synth.HIGHEST * sample_rate
    n_samples = int(hit.decay * sample_rate)
    skin = synth.thump(min(hit.start_hz, top), min(hit.end_hz, top), 0.03, hit.decay, n_samples, sample_rate)
    noise = synth.hiss(hit.low_hz, min(hit.high_hz, top), n_samples, sample_rate, np.random.default_rng(pitch))
    noise *= synth.falling(hit.decay, n_samples, sample_rate) * 0.4
    return synth.at_peak(synth.edges((1 - hit.noise) * skin + hit.noise * noise, 0.001, 0.005, sample_rate))
