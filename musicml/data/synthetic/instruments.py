"""Twenty synthesised instruments and a drum kit: `play(name, ...)` gives one note, `strike(name, ...)` one hit.

The names are OpenMIC's. What tells them apart is what tells real ones apart: how a note begins and ends, which partials
it has and where they are strong. A `Player` is one person with one instrument: every note of theirs is coloured alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicml.data.synthetic import synth

LOUDER = 3.0  # how much the partials near a formant are raised at the most, as a factor


@dataclass(frozen=True)
class Instrument:
    """How one instrument sounds.

    family : plucked, struck, bar, bowed, blown, reed, sung, synthetic or drum
    low, high : lowest and highest usual note, MIDI numbers
    slope : how many dB the partials fall an octave
    even : level of the even partials beside the odd ones; a closed pipe has few
    attack, decay : seconds to full level; seconds to fall by 60 dB (0: as long as it is held)
    vibrato : cents
    breath : level of the noise of bow or breath
    formants : frequencies in Hz that its body favours
    """

    family: str
    low: int
    high: int
    slope: float = 6.0
    even: float = 1.0
    attack: float = 0.005
    decay: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0
    formants: tuple[int, ...] = ()


INSTRUMENTS = {
    "accordion": Instrument("reed", 53, 84, 5.0, 0.9, 0.06, breath=0.02, formants=(900, 2600)),
    "banjo": Instrument("plucked", 50, 79, 0.1, decay=0.5, formants=(600, 2500)),
    "bass": Instrument("plucked", 28, 50, 0.7, decay=2.0, formants=(90,)),
    "cello": Instrument("bowed", 36, 64, 6.0, attack=0.10, vibrato=14, breath=0.03, formants=(250, 700)),
    "clarinet": Instrument("blown", 50, 86, 7.0, 0.08, 0.04, vibrato=2, breath=0.015, formants=(1500,)),
    "cymbals": Instrument("drum", 60, 72),
    "drums": Instrument("drum", 60, 72),
    "flute": Instrument("blown", 60, 93, 14.0, 0.7, 0.07, vibrato=12, breath=0.09),
    "guitar": Instrument("plucked", 40, 76, 0.4, decay=2.2, formants=(110, 400)),
    "mallet_percussion": Instrument("bar", 53, 89, 9.0, decay=1.1),
    "mandolin": Instrument("plucked", 55, 88, 0.15, decay=0.9, formants=(1100,)),
    "organ": Instrument("reed", 36, 84, 11.0, 0.6, 0.015),
    "piano": Instrument("struck", 33, 96, 8.0, decay=3.0),
    "saxophone": Instrument("blown", 49, 81, 4.5, 0.8, 0.045, vibrato=10, breath=0.05, formants=(550, 1400)),
    "synthesizer": Instrument("synthetic", 40, 84, 5.0, 0.9, 0.01),
    "trombone": Instrument("blown", 40, 70, 6.5, 1.0, 0.06, vibrato=4, breath=0.02, formants=(520,)),
    "trumpet": Instrument("blown", 55, 84, 4.0, 1.0, 0.03, vibrato=5, breath=0.015, formants=(1250, 2600)),
    "ukulele": Instrument("plucked", 60, 84, 0.6, decay=0.7, formants=(450,)),
    "violin": Instrument("bowed", 55, 96, 5.0, attack=0.07, vibrato=22, breath=0.04, formants=(460, 1000, 2800)),
    "voice": Instrument("sung", 48, 76, 8.0, attack=0.05, vibrato=35, breath=0.03, formants=(650, 1150, 2700)),
}
NAMES = sorted(INSTRUMENTS)

BAR_RATIOS = np.array([1.0, 3.93, 9.2])  # a bar tuned like a marimba's: its overtones are no harmonics
# skin in Hz at the start and at the end, noise in Hz from and to, share of noise, decay in seconds
KIT = {
    "kick": (140, 48, 20, 300, 0.05, 0.35),
    "snare": (260, 180, 900, 8000, 0.75, 0.22),
    "clap": (900, 900, 900, 3500, 1.0, 0.20),
    "tom": (190, 95, 80, 900, 0.15, 0.40),
    "rim": (1700, 1650, 1200, 5000, 0.35, 0.06),
    "hat": (7000, 7000, 6500, 16000, 1.0, 0.09),
    "open": (7000, 7000, 5500, 16000, 1.0, 0.45),
    "ride": (5200, 5200, 3800, 12000, 0.8, 0.90),
    "crash": (3300, 3300, 2300, 14000, 0.95, 1.80),
}


@dataclass(frozen=True)
class Player:
    """One person and their instrument: what all their notes have in common."""

    cents: float = 0.0  # how far from A4 = 440 Hz they tune
    slope: float = 0.0  # dB an octave: a darker or brighter instrument
    attack: float = 1.0  # factors of the instrument's own values
    decay: float = 1.0
    vibrato: float = 1.0
    body: float = 1.0  # factor of the formants: a larger or smaller body
    pick: float = 0.2  # where the string is plucked


def player(rng: np.random.Generator, spread: float = 1.0) -> Player:
    """A player by chance; `spread` says how unlike each other players are (0: all the same)."""
    by = rng.normal(0, spread, 6)
    return Player(
        12 * by[0],
        1.6 * by[1],
        1.5 ** by[2],
        1.35 ** by[3],
        1.4 ** by[4],
        1.12 ** by[5],
        float(np.clip(0.2 + 0.08 * spread * rng.normal(), 0.06, 0.45)),
    )


def play(
    name: str, midi: float, seconds: float, sample_rate: int, rng: np.random.Generator, by: Player = Player()
) -> np.ndarray:
    """One note.

    Parameters
    ----------
    name : one of NAMES
    midi : the note, MIDI number; it is moved by octaves into what the instrument can play
    seconds : how long it is held, > 0

    Returns
    -------
    y : np.ndarray [shape=(n_samples,)], mono float32, at a peak of about 1
    """
    instrument = INSTRUMENTS[name]
    if instrument.family == "drum":
        return strike("crash" if name == "cymbals" else "tom", sample_rate, rng, by)
    while midi < instrument.low:
        midi += 12
    while midi > instrument.high:
        midi -= 12
    n_samples = max(64, int(seconds * sample_rate))
    y = FAMILIES[instrument.family](instrument, synth.hertz(midi, by.cents), n_samples, sample_rate, rng, by)
    return synth.edges(y, 0.002, min(0.05, seconds / 4), sample_rate)


def strike(name: str, sample_rate: int, rng: np.random.Generator, by: Player = Player()) -> np.ndarray:
    """One hit on a piece of the kit; mono float32, at a peak of 1."""
    start, end, low, high, share, decay = KIT[name]
    decay *= by.decay
    n_samples = int(decay * sample_rate)
    top = synth.HIGHEST * sample_rate
    size = by.body * 2 ** (by.cents / 100)
    skin = synth.thump(min(start * size, top), min(end * size, top), 0.03, decay, n_samples, sample_rate)
    noise = synth.hiss(min(low * by.body, top / 2), min(high, top), n_samples, sample_rate, rng)
    noise *= synth.falling(decay, n_samples, sample_rate) * 0.4
    return synth.at_peak(synth.edges((1 - share) * skin + share * noise, 0.001, 0.005, sample_rate))


def spectrum(instrument: Instrument, frequency: float, sample_rate: int, by: Player, darker: float = 0.0) -> np.ndarray:
    """The level of each partial of a note: the slope, the missing even ones, the body's formants."""
    k = synth.partials(frequency, sample_rate)
    levels = 10.0 ** (-(instrument.slope + by.slope + darker) * np.log2(k) / 20.0)
    levels = np.where(k % 2 == 0, instrument.even, 1.0) * levels
    for centre in instrument.formants:
        distance = np.log2(k * frequency / (centre * by.body)) / 0.35
        levels = levels * (1.0 + LOUDER * np.exp(-(distance**2)))
    return levels


def plucked(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Guitar and its like: a string, and for a body a little of each formant ringing along."""
    # of a plucked instrument `slope` is the softness of the finger
    softness = float(np.clip(instrument.slope + 0.08 * by.slope, 0.0, 1.0))
    y = synth.string(frequency, instrument.decay * by.decay, softness, by.pick, n_samples, sample_rate, rng)
    body = np.array(instrument.formants) * by.body
    return y + synth.ring(body, np.full(len(body), 0.25), np.full(len(body), 0.12), n_samples, sample_rate)


def struck(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Piano: partials slightly too high, the upper ones dying first, two strings a note a little out of tune."""
    k = synth.partials(frequency, sample_rate)[:14]
    sharp = frequency * k * np.sqrt(1.0 + 0.0004 * k**2)
    kept = sharp < synth.HIGHEST * sample_rate
    levels = (spectrum(instrument, frequency, sample_rate, by)[:14])[kept]
    decays = (instrument.decay * by.decay * (220 / frequency) ** 0.5 / (1.0 + 0.25 * k))[kept]
    pair = np.concatenate([sharp[kept], sharp[kept] * 1.0012])
    y = synth.ring(pair, np.tile(levels, 2), np.tile(decays, 2), n_samples, sample_rate)
    return synth.at_peak(y)


def bar(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Marimba and xylophone: three partials that are no harmonics."""
    ratios = BAR_RATIOS[BAR_RATIOS * frequency < synth.HIGHEST * sample_rate]
    levels = 10.0 ** (-(instrument.slope + 2 * by.slope) * np.log2(ratios) / 20.0)
    y = synth.ring(frequency * ratios, levels, instrument.decay * by.decay / ratios**0.7, n_samples, sample_rate)
    return synth.at_peak(y)


def held(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Bowed, blown and sung: a tone that swells, trembles, and gets brighter as it gets louder."""
    time = np.arange(n_samples) / sample_rate
    depth = instrument.vibrato * by.vibrato * np.minimum(time / 0.3, 1.0)
    wave = depth * np.sin(2 * np.pi * (5.5 * time + rng.uniform()))
    moving = frequency * (1.0 + wave * (np.log(2) / 1200))
    bright = synth.tone(spectrum(instrument, frequency, sample_rate, by), moving, n_samples, sample_rate)
    dark = synth.tone(spectrum(instrument, frequency, sample_rate, by, darker=6.0), moving, n_samples, sample_rate)
    swell = np.minimum(time / (instrument.attack * by.attack), 1.0).astype(np.float32)
    y = swell * (dark + swell * (bright - dark))
    low = max(frequency, 300.0)
    return y + instrument.breath * swell * synth.hiss(low, min(8 * low, 9000), n_samples, sample_rate, rng)


def reed(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Accordion and organ: two ranks, a little apart, at once and at one level."""
    levels = spectrum(instrument, frequency, sample_rate, by)
    first = synth.tone(levels, frequency, n_samples, sample_rate)
    second = synth.tone(levels, frequency * (1 + 0.006 * by.vibrato * instrument.even), n_samples, sample_rate)
    return synth.edges(0.5 * (first + second), instrument.attack * by.attack, 0.04, sample_rate)


def synthetic(
    instrument: Instrument, frequency: float, n_samples: int, sample_rate: int, rng: np.random.Generator, by: Player
) -> np.ndarray:
    """Synthesizer: three sawtooths out of tune with each other, under a filter that closes."""
    bright = spectrum(instrument, frequency, sample_rate, by)
    dark = spectrum(instrument, frequency, sample_rate, by, darker=9.0)
    open_ = 0.15 + 0.85 * synth.falling(1.2 * by.decay, n_samples, sample_rate)
    y = np.zeros(n_samples, np.float32)
    for detune in (-0.007, 0.0, 0.007):
        pitch = frequency * (1 + detune * by.vibrato)
        low = synth.tone(dark, pitch, n_samples, sample_rate)
        y += low + open_ * (synth.tone(bright, pitch, n_samples, sample_rate) - low)
    return y / 3


FAMILIES = {
    "plucked": plucked,
    "struck": struck,
    "bar": bar,
    "bowed": held,
    "blown": held,
    "sung": held,
    "reed": reed,
    "synthetic": synthetic,
}
