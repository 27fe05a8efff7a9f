"""Pop: loud, polished vocals over synthesizers, drum machines, pianos or guitars."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MAJOR, MINOR, Part, Singing, Sound, Style

IN_MAJOR = ("0: 7: 9:m 5:", "9:m 5: 0: 7:", "0: 9:m 5: 7:", "5: 7: 4:m7 9:m7")
IN_MINOR = ("0:m 8: 3: 10:", "0:m 10: 8: 7:", "0:m 0:m 8: 10:")
RECORD = Sound(
    ratio=(4.0, 6.0),
    treble=(0.0, 5.0),
    bass=(1.0, 6.0),
    wet=(0.04, 0.2),
    clip=(0.8, 1.2, 1.6),
    peak=(0.8, 0.98),
    drive=(2.0, 6.0),
)
SNARE, NOTHING = "....x.......x...", "................"
DANCE_DRUMS = (  # a kick on every beat
    {
        gm.KICK: "x...x...x...x...",
        gm.CLAP: SNARE,
        gm.OPEN_HAT: ("..x...x...x...x.", NOTHING),
        gm.HAT: ("xoxoxoxoxoxoxoxo", "x.x.x.x.x.x.x.x.", NOTHING),
    },
)
BEAT = (
    {
        gm.KICK: ("x.....x...x.....", "x..x..x.x..x....", "x.......x.......", "x.....x.x......."),
        gm.SNARE: SNARE,
        gm.CLAP: (SNARE, NOTHING),
        gm.HAT: ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo", "..x...x...x...x."),
    },
)
BALLAD_DRUMS = ({gm.KICK: "x.......x.x.....", gm.SNARE: SNARE, gm.HAT: "x.o.x.o.x.o.x.o."},)
MACHINES = (gm.ELECTRONIC_KIT, gm.DRUM_MACHINE, gm.ELECTRONIC_KIT, gm.ROOM_KIT)
BASS = Part(
    "bass",
    (gm.SYNTH_BASS, gm.DEEP_SYNTH_BASS, gm.SYNTH_BASS, gm.FINGER_BASS),
    -1.0,
    ("r.r.r.r.r.r.r.r.", "r--r--r-r--r--r-", "r..r..r...r.r.5.", "r.8.r.8.r.8.r.8."),
    low=28,
    length=0.8,
)
PAD = Part(  # long soft chords
    "chords", (gm.WARM_PAD, gm.POLY_SYNTH, gm.CHOIR_PAD, gm.SYNTH_STRINGS, gm.STRINGS, gm.SWEEP_PAD), -10.0, low=58
)
PLUCK = Part(  # short notes, one after the other
    "arpeggio",
    (gm.SAWTOOTH, gm.SQUARE, gm.POLY_SYNTH, gm.NEW_AGE, gm.PIZZICATO, gm.HARP, gm.CHORUS_PIANO),
    -8.0,
    low=62,
    units=(0.25, 0.5),
    chance=0.6,
)
SYNTH_CHORDS = Part(
    "chords",
    (gm.SAWTOOTH, gm.POLY_SYNTH, gm.SYNTH_BRASS, gm.SYNTH_STRINGS, gm.PIANO, gm.RHODES),
    -7.0,
    ("x..x..x...x.x...", "x---------------", "..x...x...x...x.", "x.x.x.x.x.x.x.x."),
    low=58,
    chance=0.75,
)
HOOK = Part(  # a short melody between the vocals
    "melody", (gm.SAWTOOTH, gm.SQUARE, gm.SYNTH_BRASS, gm.OCARINA), -7.0, low=64, high=86, chance=0.35, rest=(0.3, 0.5)
)
STRUM = Part(
    "chords",
    (gm.STEEL_GUITAR, gm.CLEAN_GUITAR),
    -6.0,
    ("x.x.xxox", "x-x-xoxo", "x...x.x."),
    low=52,
    strum=0.015,
    doubled=True,
)
SINGING = Singing(
    ("female", "female", "female", "male"), 0.92, (3.0, 8.0), vibrato=(0.008, 0.016), wet=(0.1, 0.4), backing=0.5
)


_style = partial(
    Style, sound=RECORD, drums=BEAT, kits=MACHINES, drum_level=0.0, fill=0.08, crash=0.1, loose=0.01, singing=SINGING
)


def _write_styles(
    tempo: tuple[float, float], parts: tuple[Part, ...], weight: float = 1.0, **more
) -> tuple[Style, ...]:
    """Write one style of pop in major and in minor keys."""
    keys = ((IN_MAJOR, MAJOR, 0.6), (IN_MINOR, MINOR, 0.4))
    return tuple(_style(tempo, parts, chords, (scale,), weight=weight * share, **more) for chords, scale, share in keys)


STYLES = (
    *_write_styles((108, 130), (BASS, SYNTH_CHORDS, PLUCK, PAD, HOOK), 1.2, drums=DANCE_DRUMS),
    *_write_styles((92, 125), (BASS, SYNTH_CHORDS, PLUCK, PAD, HOOK), 1.5),
    *_write_styles(
        (60, 84),
        (
            Part(
                "chords",
                (gm.PIANO, gm.RHODES, gm.CHORUS_PIANO, gm.BRIGHT_PIANO),
                -3.0,
                ("x-x-x-x-", "x-x-x-x-x-x-x-x-"),
                low=57,
                velocity=78,
            ),
            Part(
                "bass",
                (gm.FINGER_BASS, gm.FRETLESS, gm.DEEP_SYNTH_BASS),
                -3.0,
                ("r-------r-----5-", "r---------------"),
                low=28,
            ),
            Part("chords", (gm.STRINGS, gm.SYNTH_STRINGS, gm.WARM_PAD), -8.0, low=60),
            Part("arpeggio", (gm.NYLON_GUITAR, gm.STEEL_GUITAR), -7.0, low=55, units=(0.5, 0.25), chance=0.4),
        ),
        1.3,
        drums=BALLAD_DRUMS,
        drum_level=-3.0,
        drum_share=0.8,
    ),
    *_write_styles(
        (88, 132),
        (
            Part(
                "bass",
                (gm.FINGER_BASS, gm.PICK_BASS),
                -1.0,
                ("r-r-r-r-", "r--r--r-r--r--r-", "r..r..r...r.r.5."),
                low=28,
            ),
            STRUM,
            Part("chords", (gm.CLEAN_GUITAR,), -8.0, ("x...x.x.", "x-------"), low=55, sound="amp", chance=0.5),
            PAD,
            HOOK,
        ),
        kits=(gm.ROOM_KIT, gm.STANDARD_KIT),
    ),
    *_write_styles(
        (84, 108),
        (
            BASS,
            Part("chords", (gm.RHODES, gm.CHORUS_PIANO, gm.NYLON_GUITAR), -6.0, ("x---..x.", "x..x..x-"), low=56),
            PLUCK,
            PAD,
        ),
        swing=(0.03, 0.08),
        unit=0.5,
    ),
)
