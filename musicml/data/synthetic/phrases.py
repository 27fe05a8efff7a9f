"""Draw random phrases of one instrument and hits on a drum kit, as lists of `renderer.Note`.

A phrase has a manner, such as one note, a melody or strummed chords. Its scale, register, tempo, articulation and
velocities are random. This variety (domain randomization) lets a model that is trained on these sounds recognize real
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from musicml.data.synthetic.renderer import Note

# in semitones: major, minor, two pentatonic scales, chromatic
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10), (0, 2, 4, 7, 9), tuple(range(12)))
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 7, 12))
BARRE = ((0, 7, 12, 16, 19, 24), (0, 7, 12, 15, 19, 24), (0, 7, 12))  # on six strings; the last is a power chord
# General MIDI pitches of drums
PIECES = {
    "kick": (35, 36),
    "snare": (38, 40, 37),
    "hat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
    "ride": (51, 53, 59),
    "crash": (49, 57, 52, 55),
    "hand": (39, 54, 56, 62, 63, 64),
}
EARLY_END_CHANCE = 0.35  # of a phrase
ROLLED = ("snare", "tom", "ride", "crash")  # pieces on which rolls are usual


class Phrasing(NamedTuple):
    """The settings of one phrase.

    pitches : the pitches that it may use, rising
    beat : seconds
    velocity : mean velocity of its notes, 1 to 127
    legato : length of a note relative to the time to the next one; above 1 they overlap, as with a pedal
    begin : seconds of silence before it
    """

    pitches: tuple[int, ...]
    beat: float
    velocity: float
    legato: float
    begin: float


def _draw_phrasing(low: int, high: int, rng: np.random.Generator) -> Phrasing:
    """Draw the settings of a phrase between two pitches."""
    scale, center = SCALES[rng.integers(len(SCALES))], int(rng.integers(low, max(low + 1, high - 10)))
    register = range(max(low, center - 10), min(high, center + 16) + 1)
    pitches = tuple(pitch for pitch in register if (pitch - center) % 12 in scale)
    legato = float(rng.choice([0.5, 0.95, 1.02, 1.02, 2.5]))
    return Phrasing(pitches, 60.0 / rng.uniform(60, 170), rng.uniform(45, 115), legato, _draw_begin(rng))


def draw_phrase(manner: str, low: int, high: int, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Draw a phrase that fills `seconds`, or ends early and decays.

    Parameters
    ----------
    manner : a key of `MANNERS`
    low, high : the lowest and the highest pitch of the instrument; chords may go slightly beyond
    """
    if rng.random() < EARLY_END_CHANCE:
        seconds *= rng.uniform(0.2, 0.7)
    return MANNERS[manner](_draw_phrasing(low, high, rng), seconds, rng)


def _draw_begin(rng: np.random.Generator) -> float:
    """Draw the seconds of silence before the first note: often none, as in a trimmed recording."""
    return 0.0 if rng.random() < 0.5 else rng.uniform(0.0, 0.3)


def _draw_velocity(velocity: float, rng: np.random.Generator) -> int:
    return int(np.clip(rng.normal(velocity, 11), 20, 127))


def _draw_chord(phrasing: Phrasing, chords: Sequence[tuple[int, ...]], rng: np.random.Generator) -> list[int]:
    """Draw the pitches of a chord whose root is in the lower half of the phrase's range."""
    root = phrasing.pitches[int(rng.integers(max(1, len(phrasing.pitches) // 2)))]
    return [root + interval for interval in chords[int(rng.integers(len(chords)))]]


def _play_note(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play one note, and repeat it or another while there is time."""
    step, start, notes = rng.uniform(0.6, 4.0), phrasing.begin, []
    is_same, pitch = rng.random() < 0.7, phrasing.pitches[rng.integers(len(phrasing.pitches))]
    length = step * float(rng.choice([0.5, 0.95, 0.95]))
    while start < seconds:
        notes.append(Note(start, length, pitch, _draw_velocity(phrasing.velocity, rng)))
        pitch = pitch if is_same else phrasing.pitches[rng.integers(len(phrasing.pitches))]
        start += step
    return notes


def _play_melody(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody in steps and small leaps, with occasional rests."""
    notes: list[Note] = []
    unit, start, place = phrasing.beat * float(rng.choice([0.5, 0.5, 1.0])), phrasing.begin, len(phrasing.pitches) // 2
    while start < seconds:
        step = unit * float(rng.choice([1, 1, 1, 2]))
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(phrasing.pitches) - 1))
        if not notes or rng.random() < 0.9:
            notes.append(
                Note(start, step * phrasing.legato, phrasing.pitches[place], _draw_velocity(phrasing.velocity, rng))
            )
        start += step
    return notes


def _play_run(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play up and down the pitches of the phrase."""
    step = max(0.07, phrasing.beat * float(rng.choice([0.25, 0.25, 0.5])))
    cycle = [*phrasing.pitches, *phrasing.pitches[-2:0:-1]]
    first, starts = int(rng.integers(len(cycle))), np.arange(phrasing.begin, seconds, step)
    return [
        Note(
            float(start),
            step * phrasing.legato,
            cycle[(first + k) % len(cycle)],
            _draw_velocity(phrasing.velocity, rng),
        )
        for k, start in enumerate(starts)
    ]


def _play_tremolo(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody in fast repeated notes."""
    step, notes = rng.uniform(0.055, 0.1), []
    for note in _play_melody(phrasing._replace(legato=1.0), seconds, rng):
        for start in np.arange(note.start, min(note.start + note.seconds, seconds), step):
            notes.append(Note(float(start), 1.5 * step, note.pitch, _draw_velocity(phrasing.velocity, rng)))
    return notes


def _play_chords(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play block chords."""
    start, notes = phrasing.begin, []
    while start < seconds:
        step = phrasing.beat * float(rng.choice([1, 2, 2, 4]))
        for pitch in _draw_chord(phrasing, TRIADS, rng):
            notes.append(Note(start, step * phrasing.legato, pitch, _draw_velocity(phrasing.velocity, rng)))
        start += step
    return notes


def _play_strums(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Strum three to six strings, down and up."""
    start, notes, strings = phrasing.begin, [], int(rng.integers(3, 7))
    unit, spread = phrasing.beat * float(rng.choice([0.5, 1.0, 2.0])), rng.uniform(0.004, 0.03)
    chord, is_up = _draw_chord(phrasing, BARRE, rng), False
    while start < seconds:
        if rng.random() < 0.3:
            chord = _draw_chord(phrasing, BARRE, rng)
        strummed = chord[:strings]
        for k, pitch in enumerate(strummed[::-1] if is_up else strummed):
            notes.append(
                Note(
                    start + k * spread, unit * min(phrasing.legato, 1.0), pitch, _draw_velocity(phrasing.velocity, rng)
                )
            )
        is_up = rng.random() < 0.35
        start += unit
    return notes


def _play_arpeggios(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play the notes of chords one after the other, and let them ring."""
    start, notes, k = phrasing.begin, [], 0
    step, ring = max(0.09, phrasing.beat * float(rng.choice([0.25, 0.5, 0.5]))), float(rng.choice([1.0, 2.0, 4.0]))
    chord = _draw_chord(phrasing, (*TRIADS, *BARRE), rng)
    while start < seconds:
        if k == 8:
            chord, k = _draw_chord(phrasing, (*TRIADS, *BARRE), rng), 0
        pitch = chord[k % len(chord)] if rng.random() < 0.7 else chord[rng.integers(len(chord))]
        notes.append(Note(start, step * ring, pitch, _draw_velocity(phrasing.velocity, rng)))
        start, k = start + step, k + 1
    return notes


def _play_double_stops(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody in thirds, fifths, sixths or octaves."""
    notes = _play_melody(phrasing, seconds, rng)
    return notes + [note._replace(pitch=note.pitch - int(rng.choice([4, 7, 9, 12]))) for note in notes]


def _play_two_hands(phrasing: Phrasing, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Play a melody or chords above low accompaniment, as on a piano."""
    right = _play_melody if rng.random() < 0.6 else _play_chords
    low = phrasing._replace(
        pitches=tuple(max(24, pitch - 24) for pitch in phrasing.pitches), velocity=0.85 * phrasing.velocity
    )
    left = _play_arpeggios if rng.random() < 0.5 else _play_chords
    return right(phrasing, seconds, rng) + left(low, seconds, rng)


MANNERS: dict[str, Callable[[Phrasing, float, np.random.Generator], list[Note]]] = {
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
    """Draw hits on one of `PIECES`: far apart, in a steady rhythm, or as a roll."""
    pitch, velocity = int(rng.choice(PIECES[piece])), rng.uniform(50, 120)
    begin, choice = _draw_begin(rng), rng.random()
    if piece in ROLLED and choice < 0.15:
        starts = np.arange(begin, seconds, rng.uniform(0.045, 0.12))
    elif choice < 0.6:
        starts = np.arange(begin, seconds, rng.uniform(0.9, 4.0))
    else:
        starts = np.arange(begin, seconds, 60.0 / rng.uniform(70, 170) * rng.choice([0.25, 0.5, 0.5, 1.0]))
        # leave out some hits, but not the first
        starts = starts[(rng.random(len(starts)) < 0.85) | (starts == begin)]
    return [Note(float(start), 0.4, pitch, _draw_velocity(velocity, rng)) for start in starts]


def draw_loop(seconds: float, rng: np.random.Generator, pieces: Sequence[str] = ("kick", "snare", "hat")) -> list[Note]:
    """Draw a drum loop: random kicks, snare on two and four, a steady cymbal, and occasional fills."""
    step, velocity = 60.0 / rng.uniform(70, 170) / rng.choice([2, 4]), rng.uniform(60, 120)
    steps = np.arange(16)
    hits = {
        "kick": (rng.random(16) < 0.25) | (steps == 0),
        "snare": steps % 8 == 4,
        **{name: rng.random(16) < rng.choice([0.5, 0.8, 1.0]) for name in ("hat", "ride", "hand")},
        **{name: rng.random(16) < 0.12 for name in ("tom", "crash")},
    }
    pitches = {name: int(rng.choice(PIECES[name])) for name in pieces}
    notes = []
    for k, start in enumerate(np.arange(rng.uniform(0.0, 0.15), seconds, step)):
        for name, pitch in pitches.items():
            if hits[name][k % 16]:
                notes.append(Note(float(start), 0.4, pitch, _draw_velocity(velocity, rng)))
    return notes
