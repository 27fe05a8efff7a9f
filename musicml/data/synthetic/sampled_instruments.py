"""The twenty instruments of OpenMIC in General MIDI: their programs, registers and manners of playing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicml.data.synthetic import phrases, recording, renderer

LOUDSPEAKER_HZ = (3500.0, 6000.0)  # range of the upper limit of a guitar amplifier


class Sampled(NamedTuple):
    """The programs and phrases of one instrument.

    programs : General MIDI programs; one that is listed twice is twice as likely
    low, high : its usual range, MIDI pitches
    manners : keys of `phrases.MANNERS`; for drums the pieces of the kit
    """

    programs: tuple[int, ...]
    low: int
    high: int
    manners: tuple[str, ...]


KITS = (0, 0, 0, 8, 16, 24, 25, 32, 40, 48)  # General MIDI drum kits, the standard one most often
# manners of playing by family
BLOWN = ("note", "melody", "melody", "run")
BOWED = ("note", "melody", "melody", "run", "double_stops")
PLUCKED = ("melody", "strums", "arpeggios", "arpeggios")
KEYS = ("melody", "chords", "arpeggios", "two_hands")
SAMPLED = {
    "accordion": Sampled((21, 21, 23), 53, 86, KEYS[:3]),
    "banjo": Sampled((105,), 50, 79, ("melody", "run", "arpeggios", "arpeggios", "strums")),
    "bass": Sampled((32, 33, 33, 34, 35, 36, 37, 38, 39), 28, 52, ("melody", "melody", "run")),
    "cello": Sampled((42,), 36, 69, BOWED),
    "clarinet": Sampled((71,), 50, 88, BLOWN),
    "cymbals": Sampled(KITS, 0, 127, ("ride", "crash")),
    "drums": Sampled(KITS, 0, 127, ("kick", "snare", "hat", "tom")),
    "flute": Sampled((73,), 60, 94, BLOWN),
    "guitar": Sampled((24, 24, 25, 25, 26, 27, 27, 28, 29, 30), 40, 81, PLUCKED),
    "mallet_percussion": Sampled((9, 11, 12, 12, 13), 55, 92, ("melody", "run", "tremolo", "chords", "arpeggios")),
    "mandolin": Sampled((25,), 64, 91, ("tremolo",)),
    "organ": Sampled((16, 17, 18, 19, 19, 20), 40, 86, KEYS),
    "piano": Sampled((0, 0, 0, 1, 1, 2, 3), 28, 98, KEYS),
    "saxophone": Sampled((64, 65, 66, 66, 67), 49, 84, BLOWN),
    "synthesizer": Sampled((80, 81, 81, 82, 84, 87, 88, 89, 90, 91, 93, 95), 40, 86, KEYS),
    "trombone": Sampled((57,), 40, 70, BLOWN),
    "trumpet": Sampled((56, 56, 59), 55, 84, BLOWN),
    "ukulele": Sampled((24,), 62, 84, ("strums", "strums", "arpeggios")),
    "violin": Sampled((40, 40, 40, 110, 44, 45), 55, 92, BOWED),
    "voice": Sampled((52, 52, 53, 54), 48, 79, ("note", "melody", "melody", "chords")),
}
NAMES = sorted(SAMPLED)
DRUMS = ("cymbals", "drums")  # without pitch


def render_instrument(name: str, seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Render a random phrase on one of `SAMPLED`, [shape=(n_samples,)], mono float32."""
    sampled = SAMPLED[name]
    program = int(rng.choice(sampled.programs))
    if name in DRUMS:
        notes = phrases.draw_loop(seconds, rng, sampled.manners)
    else:
        notes = phrases.draw_phrase(str(rng.choice(sampled.manners)), sampled.low, sampled.high, seconds, rng)
    y = renderer.render_notes(notes, program, seconds, sample_rate, name in DRUMS)
    if name == "guitar" and program >= 27 and rng.random() < 0.4:
        return recording.overdrive(y, sample_rate, rng.uniform(2, 8), rng.uniform(*LOUDSPEAKER_HZ))
    return y
