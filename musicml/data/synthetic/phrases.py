"""What is played: phrases of one instrument and hits on a drum kit, as lists of `renderer.Note`.

A phrase has a manner (one note, a melody, strummed chords, ...), and everything else of it is drawn by chance: its
scale, register, tempo, articulation, and how hard its notes are played. That variety is what lets a model that learns
from these sounds recognize real ones, which were played in ways that nobody foresaw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from musicml.data.synthetic.renderer import Note

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10), (0, 2, 4, 7, 9), tuple(range(12)))
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 7, 12))
BARRE = ((0, 7, 12, 16, 19, 24), (0, 7, 12, 15, 19, 24), (0, 7, 12))  # over six strings; the last is a power chord
# General MIDI's drums
PIECES = {
    "kick": (35, 36),
    "snare": (38, 40, 37),
    "hat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
    "ride": (51, 53, 59),
    "crash": (49, 57, 52, 55),
    "hand": (39, 54, 56, 62, 63, 64),
}
ENDS_EARLY = 0.35  # share of the phrases
ROLLED = ("snare", "tom", "ride", "crash")


class Hand(NamedTuple):
    """How one phrase is played.

    ladder : the pitches it may use, rising
    beat : seconds
    velocity : of its notes on average, 1 to 127
    held : how much of the time to the next note a note sounds; above 1 they overlap, as with a pedal
    begin : seconds of silence before it
    """

    ladder: tuple[int, ...]
    beat: float
    velocity: float
    held: float
    begin: float


def draw_hand(low: int, high: int, rng: np.random.Generator) -> Hand:
    """Draw how a phrase between two pitches is played."""
    scale, center = SCALES[rng.integers(len(SCALES))], int(rng.integers(low, max(low + 1, high - 10)))
    near = range(max(low, center - 10), min(high, center + 16) + 1)
    ladder = tuple(pitch for pitch in near if (pitch - center) % 12 in scale)
    held = float(rng.choice([0.5, 0.95, 1.02, 1.02, 2.5]))
    return Hand(ladder, 60.0 / rng.uniform(60, 170), rng.uniform(45, 115), held, _draw_begin(rng))


def draw_phrase(manner: str, low: int, high: int, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Draw a phrase that fills `seconds`, or often ends early and dies away.

    Parameters
    ----------
    manner : one of `MANNERS`
    low, high : the lowest and the highest pitch of the instrument; chords may reach a little beyond
    """
    if rng.random() < ENDS_EARLY:
        seconds *= rng.uniform(0.2, 0.7)
    return MANNERS[manner](draw_hand(low, high, rng), seconds, rng)


def _draw_begin(rng: np.random.Generator) -> float:
    """Draw the silence before the first note: none where the recording was cut to it."""
    return 0.0 if rng.random() < 0.5 else rng.uniform(0.0, 0.3)


def _draw_velocity(velocity: float, rng: np.random.Generator) -> int:
    return int(np.clip(rng.normal(velocity, 11), 20, 127))


def _draw_chord(hand: Hand, chords: Sequence[tuple[int, ...]], rng: np.random.Generator) -> list[int]:
    """Draw the pitches of a chord whose root lies in the lower half of the ladder."""
    root = hand.ladder[int(rng.integers(max(1, len(hand.ladder) // 2)))]
    return [root + above for above in chords[int(rng.integers(len(chords)))]]


def _play_note(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play one note, and again where there is time: mostly the same."""
    step, start, notes = rng.uniform(0.6, 4.0), hand.begin, []
    same, pitch = rng.random() < 0.7, hand.ladder[rng.integers(len(hand.ladder))]
    sounding = step * float(rng.choice([0.5, 0.95, 0.95]))
    while start < seconds:
        notes.append(Note(start, sounding, pitch, _draw_velocity(hand.velocity, rng)))
        pitch = pitch if same else hand.ladder[rng.integers(len(hand.ladder))]
        start += step
    return notes


def _play_melody(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Wander over the ladder in steps and small leaps, with a rest now and then."""
    notes: list[Note] = []
    unit, start, place = hand.beat * float(rng.choice([0.5, 0.5, 1.0])), hand.begin, len(hand.ladder) // 2
    while start < seconds:
        step = unit * float(rng.choice([1, 1, 1, 2]))
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(hand.ladder) - 1))
        if not notes or rng.random() < 0.9:
            notes.append(Note(start, step * hand.held, hand.ladder[place], _draw_velocity(hand.velocity, rng)))
        start += step
    return notes


def _play_run(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Run up and down the ladder."""
    step = max(0.07, hand.beat * float(rng.choice([0.25, 0.25, 0.5])))
    there_and_back = [*hand.ladder, *hand.ladder[-2:0:-1]]
    first, starts = int(rng.integers(len(there_and_back))), np.arange(hand.begin, seconds, step)
    return [
        Note(
            float(start),
            step * hand.held,
            there_and_back[(first + k) % len(there_and_back)],
            _draw_velocity(hand.velocity, rng),
        )
        for k, start in enumerate(starts)
    ]


def _play_tremolo(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play each note of a melody many times and fast."""
    step, notes = rng.uniform(0.055, 0.1), []
    for long in _play_melody(hand._replace(held=1.0), seconds, rng):
        for start in np.arange(long.start, min(long.start + long.seconds, seconds), step):
            notes.append(Note(float(start), 1.5 * step, long.pitch, _draw_velocity(hand.velocity, rng)))
    return notes


def _play_chords(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play chords whose notes begin together."""
    start, notes = hand.begin, []
    while start < seconds:
        step = hand.beat * float(rng.choice([1, 2, 2, 4]))
        for pitch in _draw_chord(hand, TRIADS, rng):
            notes.append(Note(start, step * hand.held, pitch, _draw_velocity(hand.velocity, rng)))
        start += step
    return notes


def _play_strums(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Strum over three to six strings, down and up."""
    start, notes, strings = hand.begin, [], int(rng.integers(3, 7))
    unit, spread = hand.beat * float(rng.choice([0.5, 1.0, 2.0])), rng.uniform(0.004, 0.03)
    chord, up = _draw_chord(hand, BARRE, rng), False
    while start < seconds:
        if rng.random() < 0.3:
            chord = _draw_chord(hand, BARRE, rng)
        sounding = chord[:strings]
        for k, pitch in enumerate(sounding[::-1] if up else sounding):
            begun = start + k * spread
            notes.append(Note(begun, unit * min(hand.held, 1.0), pitch, _draw_velocity(hand.velocity, rng)))
        up = rng.random() < 0.35
        start += unit
    return notes


def _play_arpeggios(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play the notes of chords one after the other, and let them ring."""
    start, notes, k = hand.begin, [], 0
    step, ring = max(0.09, hand.beat * float(rng.choice([0.25, 0.5, 0.5]))), float(rng.choice([1.0, 2.0, 4.0]))
    chord = _draw_chord(hand, (*TRIADS, *BARRE), rng)
    while start < seconds:
        if k == 8:
            chord, k = _draw_chord(hand, (*TRIADS, *BARRE), rng), 0
        pitch = chord[k % len(chord)] if rng.random() < 0.7 else chord[rng.integers(len(chord))]
        notes.append(Note(start, step * ring, pitch, _draw_velocity(hand.velocity, rng)))
        start, k = start + step, k + 1
    return notes


def _play_double_stops(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody in thirds, fifths, sixths or octaves."""
    notes = _play_melody(hand, seconds, rng)
    return notes + [note._replace(pitch=note.pitch - int(rng.choice([4, 7, 9, 12]))) for note in notes]


def _play_two_hands(hand: Hand, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody or chords above slow low notes."""
    above = _play_melody if rng.random() < 0.6 else _play_chords
    deep = hand._replace(ladder=tuple(max(24, pitch - 24) for pitch in hand.ladder), velocity=0.85 * hand.velocity)
    below = _play_arpeggios if rng.random() < 0.5 else _play_chords
    return above(hand, seconds, rng) + below(deep, seconds, rng)


MANNERS: dict[str, Callable[[Hand, float, np.random.Generator], list[Note]]] = {
    "note": _play_note,
    "melody": _play_melody,
    "run": _play_run,
    "tremolo": _play_tremolo,
    "chords": _play_chords,
    "strums": _play_strums,
    "arpeggios": _play_arpeggios,
    "double_stops": _play_double_stops,
    "two_hands": _play_two_hands,
}


def draw_hits(piece: str, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Draw hits on one piece of a drum kit (of `PIECES`): far apart, in time, or as a roll."""
    pitch, velocity = int(rng.choice(PIECES[piece])), rng.uniform(50, 120)
    begin, chance = _draw_begin(rng), rng.random()
    if piece in ROLLED and chance < 0.15:
        starts = np.arange(begin, seconds, rng.uniform(0.045, 0.12))
    elif chance < 0.6:
        starts = np.arange(begin, seconds, rng.uniform(0.9, 4.0))
    else:
        starts = np.arange(begin, seconds, 60.0 / rng.uniform(70, 170) * rng.choice([0.25, 0.5, 0.5, 1.0]))
        starts = starts[(rng.random(len(starts)) < 0.85) | (starts == begin)]
    return [Note(float(start), 0.4, pitch, _draw_velocity(velocity, rng)) for start in starts]


def draw_loop(seconds: float, rng: np.random.Generator, pieces: Sequence[str] = ("kick", "snare", "hat")) -> list[Note]:
    """Draw a loop of a drum kit: kick by chance, snare on two and four, something steady, and a fill here and there."""
    step, velocity = 60.0 / rng.uniform(70, 170) / rng.choice([2, 4]), rng.uniform(60, 120)
    steps = np.arange(16)
    struck = {
        "kick": (rng.random(16) < 0.25) | (steps == 0),
        "snare": steps % 8 == 4,
        **{name: rng.random(16) < rng.choice([0.5, 0.8, 1.0]) for name in ("hat", "ride", "hand")},
        **{name: rng.random(16) < 0.12 for name in ("tom", "crash")},
    }
    pitches = {name: int(rng.choice(PIECES[name])) for name in pieces}
    notes = []
    for k, start in enumerate(np.arange(rng.uniform(0.0, 0.15), seconds, step)):
        for name, pitch in pitches.items():
            if struck[name][k % 16]:
                notes.append(Note(float(start), 0.4, pitch, _draw_velocity(velocity, rng)))
    return notes
