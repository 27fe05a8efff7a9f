"""Write the parts of a piece: the time of each beat, the chords, and the notes of each kind of part.

A rhythm is a string with one character for each equal share of a bar, and `|` between bars: `x` is a note, `O` a softer
one, `o` a soft one, `?` an occasional one, `-` continues a note and `.` is a rest. Twelve characters per bar make
triplets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.renderer import Note
from musicml.data.synthetic.styles.style import Part

LOUDNESS = {"O": 0.75, "o": 0.5, "?": 0.65}  # factors for velocities
OCCASIONAL_CHANCE = 0.4  # of a `?`
VELOCITY_DEVIATION = 7.0  # standard deviation; without it the parts sound like a machine
NEW_MOTIF_CHANCE = 0.4  # that a phrase does not repeat the one before
CHORDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7, 12),
    "sus": (0, 5, 7),
    "dim": (0, 3, 6, 9),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "M7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14),
    "13": (0, 4, 10, 14, 21),
}
# characters of a bass line, in semitones above the root of the chord
BASS_STEPS = {"r": 0, "2": 2, "4": 5, "5": 7, "6": 9, "7": 10, "8": 12}
FILL = (gm.SNARE, gm.HIGH_TOM, gm.MIDDLE_TOM, gm.SNARE, gm.LOW_TOM)


@dataclass(frozen=True)
class Clock:
    """Converts beats to seconds.

    tempo : beats per minute
    seconds : length of the track
    first : beat at which the track begins
    swing : delay of the middle of each `unit` (in beats), as a share of it; 1/6 makes triplets
    loose : standard deviation of a player's timing, seconds
    """

    tempo: float
    seconds: float
    rng: np.random.Generator
    first: float = 0.0
    swing: float = 0.0
    unit: float = 1.0
    loose: float = 0.02

    @property
    def end(self) -> float:
        """The beat at which the track ends."""
        return self.first + self.seconds * self.tempo / 60.0

    def compute_time(self, beat: float, straight: bool = False) -> float:
        """Compute the seconds of a beat. `straight` ones do not swing."""
        # swing makes the first half of each unit longer and its second half shorter
        n_units, phase = divmod(beat / self.unit, 1.0)
        if not straight:
            half = 0.5 + self.swing
            phase = phase * 2 * half if phase < 0.5 else half + (phase - 0.5) * 2 * (1 - half)
        return ((n_units + phase) * self.unit - self.first) * 60.0 / self.tempo

    def add(
        self, notes: list[Note], beat: float, beats: float, pitch: int, velocity: float, straight: bool = False
    ) -> None:
        """Add a note to `notes`, with slightly random timing and velocity."""
        start = self.compute_time(beat, straight) + self.rng.normal(0, self.loose)
        end = max(start + 0.04, self.compute_time(beat + beats, straight))
        # a note that begins before the track may last into it
        if end > 0.08 and start < self.seconds:
            midi_velocity = int(np.clip(velocity + self.rng.normal(0, VELOCITY_DEVIATION), 1, 127))
            notes.append(Note(max(0.0, start), end - max(0.0, start), int(pitch), midi_velocity))


class Hit(NamedTuple):
    """One hit of a rhythm: beat, length in beats, character, and whether it does not swing."""

    beat: float
    beats: float
    mark: str
    straight: bool


@dataclass(frozen=True)
class Piece:
    """The key, chords and tempo that all parts of a track share.

    key : 0 to 11, semitones above C
    scale : semitones above the key
    chords : pairs of a root above the key and a name in CHORDS, each `beats_each` beats long
    bar : beats per bar
    """

    clock: Clock
    key: int
    scale: tuple[int, ...]
    chords: tuple[tuple[int, str], ...]
    beats_each: float
    bar: int
    rng: np.random.Generator

    def find_root(self, beat: float, low: int) -> int:
        """Find the root of the chord at a beat, in the octave from `low` on."""
        root, _ = self.chords[int(beat // self.beats_each) % len(self.chords)]
        return low + (self.key + root - low) % 12

    def list_tones(self, beat: float) -> tuple[int, ...]:
        """List the tones of the chord at a beat, in semitones above its root."""
        return CHORDS[self.chords[int(beat // self.beats_each) % len(self.chords)][1]]

    def voice_chord(self, beat: float, low: int) -> list[int]:
        """Return the pitches of the chord at a beat, in the octave from `low` on."""
        root = self.find_root(beat, low)
        return sorted({low + (root + tone - low) % 12 for tone in self.list_tones(beat)})

    def iterate_hits(self, rhythm: str) -> Iterator[Hit]:
        """Iterate over the hits of a rhythm, starting one bar before the track."""
        bars = rhythm.split("|")
        number = int(self.clock.first // self.bar) - 1
        while number * self.bar < self.clock.end:
            marks = bars[number % len(bars)]
            share = self.bar / len(marks)
            for place, mark in enumerate(marks):
                if mark not in ".-" and (mark != "?" or self.rng.random() < OCCASIONAL_CHANCE):
                    rest = marks[place + 1 :]
                    length = 1 + len(rest) - len(rest.lstrip("-"))
                    yield Hit(number * self.bar + place * share, length * share, mark, len(marks) % 3 == 0)
            number += 1


def pick(choices: Any, rng: np.random.Generator) -> Any:
    """Pick one of several options. `rng.choice` would convert them to an array."""
    return choices[int(rng.integers(len(choices)))]


def parse_chords(text: str) -> tuple[tuple[int, str], ...]:
    """Parse a chord progression: roots in semitones above the key, each with the name of a chord after a colon.

    >>> parse_chords("0:m7 5:")
    ((0, 'm7'), (5, ''))
    """
    return tuple((int(root), name) for root, _, name in (chord.partition(":") for chord in text.split()))


def play_drums(piece: Piece, pattern: dict[int, str], fill: float, crash: float) -> list[Note]:
    """Play a drum pattern with one rhythm per drum, and fills and crashes in some bars."""
    notes: list[Note] = []
    for drum, rhythm in pattern.items():
        for hit in piece.iterate_hits(rhythm):
            piece.clock.add(notes, hit.beat, 0.25, drum, 108 * LOUDNESS.get(hit.mark, 1.0), hit.straight)
    for bar in range(int(piece.clock.first // piece.bar), int(piece.clock.end // piece.bar) + 1):
        if piece.rng.random() < crash:
            piece.clock.add(notes, bar * piece.bar, 2.0, int(piece.rng.choice([gm.CRASH, gm.SECOND_CRASH])), 100)
        if piece.rng.random() < fill:
            for step in range(int(piece.rng.integers(2, 5))):
                piece.clock.add(notes, (bar + 1) * piece.bar - 1 + step / 4, 0.25, int(piece.rng.choice(FILL)), 95)
    return notes


def play_bass(piece: Piece, part: Part) -> list[Note]:
    """Play a bass line: r is the root, 3 the third, 5 the fifth, 8 the octave, c a half step to the next root."""
    notes: list[Note] = []
    for hit in piece.iterate_hits(pick(part.rhythms, piece.rng)):
        pitch = piece.find_root(hit.beat, part.low)
        if hit.mark == "3":
            pitch += piece.list_tones(hit.beat)[1]
        elif hit.mark == "c":
            pitch = piece.find_root(hit.beat + piece.beats_each, part.low) + int(piece.rng.choice([-1, 1]))
        else:
            pitch += BASS_STEPS[hit.mark]
        piece.clock.add(notes, hit.beat, hit.beats * part.length, pitch, part.velocity, hit.straight)
    return notes


def walk_bass(piece: Piece, part: Part) -> list[Note]:
    """Play a walking bass: the root of each chord, then its tones, and a half step to the next root."""
    notes: list[Note] = []
    for beat in range(int(piece.clock.first) - 1, int(piece.clock.end) + 1):
        place = beat % piece.beats_each
        pitch = piece.find_root(beat, part.low)
        if place == piece.beats_each - 1:
            pitch = piece.find_root(beat + 1, part.low) + int(piece.rng.choice([-1, 1]))
        elif place > 0:
            pitch += int(piece.rng.choice([*piece.list_tones(beat)[1:], 2, 9]))
        piece.clock.add(notes, beat, 0.92, pitch, part.velocity)
        if piece.rng.random() < 0.12:
            piece.clock.add(notes, beat + 0.5, 0.3, pitch, 0.6 * part.velocity)
    return notes


def play_chords(piece: Piece, part: Part) -> list[Note]:
    """Play chords in a rhythm. `part.strum` is the time between two strings in beats, and soft hits go up."""
    notes: list[Note] = []
    for hit in piece.iterate_hits(pick(part.rhythms, piece.rng)):
        pitches = piece.voice_chord(hit.beat, part.low)
        velocity = part.velocity * LOUDNESS.get(hit.mark, 1.0)
        for place, pitch in enumerate(pitches[::-1] if hit.mark == "o" else pitches):
            beat = hit.beat + place * part.strum
            piece.clock.add(notes, beat, hit.beats * part.length, pitch, velocity, hit.straight)
    return notes


def play_power_chords(piece: Piece, part: Part) -> list[Note]:
    """Play root, fifth and octave, open on `x` and palm-muted on `o`, for the share `part.length` of the time."""
    notes: list[Note] = []
    for hit in piece.iterate_hits(pick(part.rhythms, piece.rng)):
        root, is_muted = piece.find_root(hit.beat, part.low), hit.mark == "o"
        beats = hit.beats * (part.length if is_muted else 0.97)
        velocity = part.velocity * (0.85 if is_muted else 1.0)
        for interval in (0, 7) if is_muted else (0, 7, 12):
            piece.clock.add(notes, hit.beat, beats, root + interval, velocity, hit.straight)
    return notes


def play_arpeggio(piece: Piece, part: Part) -> list[Note]:
    """Play the tones of each chord one after the other, in a repeated order."""
    notes: list[Note] = []
    unit, order = part.units[0], part.orders[0]
    first = int(piece.clock.first / unit) - 1
    for step in range(first, int(piece.clock.end / unit) + 1):
        pitches = piece.voice_chord(step * unit, part.low)
        # add a bass note and the octave above
        pitches = [pitches[0] - 12, *pitches, pitches[0] + 12]
        pitch = pitches[order[step % len(order)] % len(pitches)]
        piece.clock.add(notes, step * unit, unit * 1.4, pitch, part.velocity, unit % 0.25 > 0)
    return notes


def play_run(piece: Piece, part: Part) -> list[Note]:
    """Play up and down the scale between two pitches, mostly in steps."""
    notes: list[Note] = []
    ladder, unit = _list_pitches(piece, part.low, part.high), part.units[0]
    place, direction = int(piece.rng.integers(len(ladder))), 1
    for step in range(int(piece.clock.first / unit), int(piece.clock.end / unit) + 1):
        piece.clock.add(notes, step * unit, unit * 0.95, ladder[place], part.velocity + 8 * np.sin(step / 5))
        # turn at the ends of the scale, and now and then before
        if not 0 < place + direction < len(ladder) - 1 or piece.rng.random() < 0.15:
            direction = -direction
        place = int(np.clip(place + direction * piece.rng.choice([1, 1, 1, 2, -1]), 0, len(ladder) - 1))
    return notes


class Tune(NamedTuple):
    """Settings of a melody.

    low, high : lowest and highest pitch
    unit : shortest note, beats
    density, rest : shares of short notes and of rests
    step : largest usual step along the scale
    phrase : beats per phrase
    """

    low: int
    high: int
    unit: float = 0.5
    density: float = 0.6
    rest: float = 0.25
    step: int = 2
    phrase: float = 4.0


def play_melody(piece: Piece, part: Part) -> list[Note]:
    """Play a melody with the settings of a part."""
    tune = Tune(part.low, part.high, part.units[0], part.density, part.rest[0], part.step, float(piece.bar))
    return write_melody(piece, tune, part.velocity, part.length)


def write_melody(piece: Piece, tune: Tune, velocity: int = 100, legato: float = 0.9) -> list[Note]:
    """Write a melody: a motif along the scale that is repeated and varied, with chord tones on strong beats."""
    notes: list[Note] = []
    ladder, motif = _list_pitches(piece, tune.low, tune.high), list[tuple[float, float, int]]()
    place = len(ladder) // 2
    for phrase in range(int(piece.clock.first // tune.phrase), int(piece.clock.end // tune.phrase) + 1):
        if not motif or piece.rng.random() < NEW_MOTIF_CHANCE:
            motif = _draw_motif(tune, piece.rng)
        for after, beats, step in motif:
            beat = phrase * tune.phrase + after
            variation = int(piece.rng.integers(-2, 3)) if piece.rng.random() < 0.15 else 0
            place = int(np.clip(place + step + variation, 0, len(ladder) - 1))
            # on strong beats only tones of the chord sound consonant
            if after % 2 == 0:
                place = _find_nearest_tone(piece, ladder, place, beat)
            piece.clock.add(notes, beat, beats * legato, ladder[place], velocity)
    return notes


def write_rap(piece: Piece, low: int, density: float, breath: float) -> list[Note]:
    """Write rap syllables: sixteenth notes at about one pitch, with a pause at the end of most bars."""
    notes: list[Note] = []
    for step in range(int(piece.clock.first * 4), int(piece.clock.end * 4) + 1):
        is_pause = step % 16 > 13 and piece.rng.random() < breath
        if not is_pause and piece.rng.random() < density:
            pitch = low + int(piece.rng.choice([-2, -1, 0, 0, 0, 1, 2, 3, 4]))
            piece.clock.add(notes, step / 4, 0.24, pitch, 100)
    return notes


def _draw_motif(tune: Tune, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Draw a motif: for each note the beat in the phrase, the length in beats, and the step along the scale."""
    motif, beat = list[tuple[float, float, int]](), 0.0
    while beat < tune.phrase * (1 - tune.rest):
        beats = tune.unit * float(rng.choice([1, 1, 2, 3]) if rng.random() < tune.density else rng.choice([2, 4]))
        motif.append((beat, beats, int(rng.integers(-tune.step, tune.step + 1))))
        beat += beats
    return motif


def _list_pitches(piece: Piece, low: int, high: int) -> list[int]:
    """List the pitches of the scale between two limits."""
    return [pitch for pitch in range(low, high + 1) if (pitch - piece.key) % 12 in piece.scale]


def _find_nearest_tone(piece: Piece, ladder: list[int], place: int, beat: float) -> int:
    """Find the index of the nearest chord tone in a list of pitches."""
    root = piece.find_root(beat, 0)
    fitting = [k for k, pitch in enumerate(ladder) if (pitch - root) % 12 in {t % 12 for t in piece.list_tones(beat)}]
    return min(fitting, key=lambda k: abs(k - place), default=place)
