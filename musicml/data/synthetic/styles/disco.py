"""Disco: four-on-the-floor drums, open hats between the beats, octave basses, strings, brass and muted guitars."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import DORIAN, MAJOR, MINOR, Part, Singing, Sound, Style

IN_MINOR = ("0:m7 5:m7", "0:m7 8:M7 10: 7:7", "0:m7 0:m7 5:m7 7:m7", "0:m7 10: 8:M7 10:", "0:m7")
IN_MAJOR = ("0:M7 9:m7 2:m7 7:7", "0: 5: 7: 5:", "0:M7 5:M7", "5:M7 4:m7 2:m7 7:7")
RECORD = Sound(
    ratio=(3.0, 4.0), bass=(-1.0, 3.0), treble=(-1.0, 4.0), clip=(0.0, 1.0), low=(20.0, 60.0), wet=(0.1, 0.35)
)
NOTHING = "................"
DRUMS = (
    {
        gm.KICK: "x...x...x...x...",
        gm.SNARE: "....x.......x...",
        gm.CLAP: ("....O.......O...", NOTHING),
        gm.HAT: ("x...x...x...x...", "x.oox.oox.oox.oo"),
        gm.OPEN_HAT: ("..x...x...x...x.", "..x...x...x...x.", NOTHING),
        gm.TAMBOURINE: ("ooxoooxoooxoooxo", NOTHING),
        gm.CONGA: ("??.???.???.???.?", NOTHING, NOTHING),
        gm.MUTED_CONGA: ("..?...??..?...?.", NOTHING, NOTHING),
    },
)
# the bass jumps between root (r) and octave (8)
OCTAVES = ("r.8.r.8.r.8.r.8.", "r.8.r.8.r.8.5.7.", "r..rr.8.r..r7.8.", "..r8..r8..r8..58", "r.rr8.r.r.rr8.7.")
CHOPS = ("..x...x...x..xx.", "x.oxx.oxx.oxx.ox", "..xo..xo..xo..xo")  # short muted chords
GUITAR = Part("chords", (gm.CLEAN_GUITAR, gm.MUTED_GUITAR), -7.0, CHOPS, low=60, length=0.5, chance=0.75)
STRINGS = Part("chords", (gm.STRINGS, gm.STRINGS, gm.SYNTH_STRINGS), -7.0, ("x---------------",), low=64, share=0.7)
VIOLINS = Part(
    "melody", (gm.STRINGS,), -4.0, low=69, high=91, units=(0.25,), density=0.8, rest=(0.3, 0.5), share=0.6, velocity=95
)
BRASS = Part(
    "chords",
    (gm.BRASS, gm.BRASS, gm.TRUMPET),
    -5.0,
    ("x..x............", "............x.x.", "..............xx", "x--.......x.x..."),
    low=62,
    length=0.8,
    velocity=105,
    chance=0.5,
    by_track=True,
)
KEYS = Part(
    "chords",
    (gm.PIANO, gm.BRIGHT_PIANO, gm.RHODES, gm.CLAVINET),
    -8.0,
    ("x..x..x.....x...", "..x...x...x...x.", "x.xx.xx.x.xx.xx."),
    low=57,
    chance=0.55,
)
SINGING = Singing(("female", "female", "male"), 0.75, (-2.0, 3.0), wet=(0.15, 0.35), backing=0.5)


_style = partial(
    Style,
    sound=RECORD,
    drums=DRUMS,
    kits=(gm.STANDARD_KIT, gm.STANDARD_KIT, gm.ROOM_KIT, gm.ELECTRONIC_KIT),
    fill=0.15,
    crash=0.2,
    loose=0.014,
    singing=SINGING,
)
PLAYED = (  # by musicians
    Part("bass", (gm.FINGER_BASS, gm.FINGER_BASS, gm.PICK_BASS, gm.SLAP_BASS), -1.0, OCTAVES, low=28, length=0.8),
    STRINGS,
    VIOLINS,
    GUITAR,
    BRASS,
    KEYS,
)
SEQUENCED = (  # by synthesizers
    Part("bass", (gm.SYNTH_BASS, gm.DEEP_SYNTH_BASS), -1.0, OCTAVES, low=28, length=0.7),
    STRINGS,
    Part("arpeggio", (gm.SAWTOOTH, gm.SQUARE, gm.POLY_SYNTH), -9.0, low=60, units=(0.25,), chance=0.7),
    Part("melody", (gm.SYNTH_BRASS, gm.SAWTOOTH), -6.0, low=60, high=84, rest=(0.3, 0.5), chance=0.4),
    KEYS,
)
STYLES = (
    _style((108, 134), PLAYED, IN_MINOR, (MINOR, DORIAN), weight=2.0),
    _style((108, 134), PLAYED, IN_MAJOR, (MAJOR,), weight=1.5),
    _style((108, 134), SEQUENCED, IN_MINOR, (MINOR, DORIAN)),
)
