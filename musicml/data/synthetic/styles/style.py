"""Describe a style of music as data: the options from which an artist is drawn, and how much tracks vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Range = tuple[float, float]  # lowest and highest value

# scales in semitones above the key: modes, pentatonic scales and the blues scale
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
DORIAN, MIXOLYDIAN, PHRYGIAN = (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10), (0, 1, 3, 5, 7, 8, 10)
MAJOR_FIVE, MINOR_FIVE, BLUE = (0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 3, 5, 6, 7, 10)
# of an arpeggio, as indices of the chord's tones
ORDERS = ((1, 2, 3, 2), (1, 2, 3, 4), (1, 3, 2, 4), (0, 2, 1, 3), (3, 2, 1, 2), (0, 1, 2, 3, 4, 3, 2, 1))


@dataclass(frozen=True)
class Part:
    """One part of a band.

    role : the kind of part, a key of `band.ROLES`
    programs : General MIDI programs, of which an artist has one
    level : dB, of the passages in which it plays
    rhythms : as in `arrangement`; an artist has one, or with `by_track` each track has one
    low, high : range of its pitches; chords and basses are in the octave from `low` on
    length : share of a note's time for which it sounds
    sound : plain, amp, sub (only low frequencies), loop (like a sample of a record) or dub (with echoes)
    chance, share : share of the artists with this part, and of their tracks in which it plays
    units : shortest notes of a melody, a run or an arpeggio, in beats
    orders : orders of an arpeggio, as indices of the chord's tones
    density, rest : of a melody, see `arrangement.Tune`
    vibrato : semitones
    doubled : whether it is recorded twice, as is usual for guitars
    """

    role: str
    programs: tuple[int, ...]
    level: float
    rhythms: tuple[str, ...] = ("x---",)
    low: int = 55
    high: int = 82
    length: float = 0.9
    velocity: int = 90
    sound: str = "plain"
    chance: float = 1.0
    share: float = 1.0
    strum: float = 0.0
    units: tuple[float, ...] = (0.5,)
    density: float = 0.6
    rest: Range = (0.1, 0.4)
    step: int = 2
    vibrato: float = 0.0
    by_track: bool = False
    doubled: bool = False
    orders: tuple[tuple[int, ...], ...] = ORDERS


@dataclass(frozen=True)
class Singing:
    """The lead voice.

    kinds : male, female
    share : share of an artist's tracks with vocals
    level : dB above the band
    manner : sing or rap
    backing : share of the artists with a second voice
    """

    kinds: tuple[str, ...]
    share: float
    level: Range = (-1.0, 4.0)
    manner: str = "sing"
    growl: Range = (0.0, 0.0)
    vibrato: Range = (0.006, 0.014)
    wet: Range = (0.1, 0.3)
    rest: Range = (0.15, 0.4)
    density: float = 0.5
    units: tuple[float, ...] = (0.5,)
    backing: float = 0.0


@dataclass(frozen=True)
class Sound:
    """The production of a band's records, as ranges and options.

    room, wet : seconds and level of the reverb
    ratio : of the compressor; 1 for none
    tilt, bass, treble, low, high : of the equalizer, see `mastering.build_equalizer`
    clip : drive of the soft clipping; 0 for none
    peak : largest amplitude
    noise, crackle : level of the hiss, and share of the artists with worn records
    drive, tone : of the amplifiers, see `mastering.distort`
    """

    room: Range = (0.3, 1.2)
    wet: Range = (0.1, 0.4)
    ratio: tuple[float, ...] = (1.0,)
    tilt: Range = (-0.3, 1.2)
    bass: Range = (-1.0, 2.0)
    treble: Range = (-1.0, 2.0)
    low: tuple[float, ...] = (20.0, 30.0, 60.0)
    high: tuple[float, ...] = (12000.0,)
    clip: tuple[float, ...] = (0.0,)
    peak: Range = (0.5, 0.95)
    noise: Range = (0.0, 0.0015)
    crackle: float = 0.0
    drive: Range = (2.0, 4.0)
    tone: Range = (4000.0, 5000.0)


@dataclass(frozen=True)
class Style:
    """One way to play a genre.

    tempo : beats per minute
    progressions, scales : see `arrangement.parse_chords`; each track has one progression, each artist one scale
    beats_each : length of a chord in beats
    drums : patterns, of which an artist has one, with one rhythm per drum; a string is the only option
    kits, drum_level, drum_share : programs, level in dB, and share of the tracks with drums
    fill, crash : share of the bars with a fill or a crash cymbal
    swing, unit, loose : see `arrangement.Clock`
    scratches : share of the artists who scratch records
    weight : number of artists relative to the genre's other styles
    """

    tempo: Range
    parts: tuple[Part, ...]
    progressions: tuple[str, ...]
    scales: tuple[tuple[int, ...], ...]
    sound: Sound
    beats_each: tuple[float, ...] = (4.0,)
    bar: int = 4
    drums: tuple[Mapping[int, Sequence[str]], ...] = ()
    kits: tuple[int, ...] = (0,)
    drum_level: float = 0.0
    drum_share: float = 1.0
    fill: float = 0.2
    crash: float = 0.15
    swing: Range = (0.0, 0.0)
    unit: float = 1.0
    loose: float = 0.02
    singing: Singing | None = None
    scratches: float = 0.0
    weight: float = 1.0
