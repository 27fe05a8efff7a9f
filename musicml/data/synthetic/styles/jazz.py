"""Jazz: swing on the ride cymbal, walking basses, off-beat seventh chords and improvised horn solos."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import BLUE, DORIAN, MAJOR, MIXOLYDIAN, Part, Singing, Sound, Style

PROGRESSIONS = (
    "2:m7 7:13 0:M7 9:7",  # ii-V-I, the most common cadence
    "0:M7 9:7 2:m7 7:7",
    "0:m7 0:m7 5:m9 0:m7",
    "2:m7 7:7 0:M7 0:M7 5:m7 10:7 3:M7 3:M7",
    "0:m9 8:7 7:7 0:m7",
    "0:7 5:7 0:7 0:7 5:7 5:7 0:7 9:7 2:m7 7:7",
)
SCALES = (DORIAN, MIXOLYDIAN, BLUE, MAJOR, tuple(range(12)))  # the last is chromatic
RECORD = Sound(
    wet=(0.15, 0.45),
    peak=(0.35, 0.9),
    tilt=(-1.0, 0.2),
    treble=(-2.0, 1.0),
    high=(5500.0, 7500.0, 12000.0),
    noise=(0.0, 0.002),
)
DRUMS = (
    {
        gm.RIDE: ("x..x.xx..x.x", "O..O.OO..O.O", "x..x.xx..x.x|x..x..x..x.x"),
        gm.FOOT_HAT: "...O.....O..",
        gm.KICK: ("o.....o.....", "............", "o..o..o..o.."),
        gm.SNARE: (".....?...?.?", "...........?", "..?..?..?..?"),
    },
)
KITS = (gm.STANDARD_KIT, gm.BRUSHES, gm.BRUSHES, gm.JAZZ_KIT)
HORNS = (  # saxophones are the most common
    gm.SOPRANO_SAX,
    gm.ALTO_SAX,
    gm.TENOR_SAX,
    gm.TENOR_SAX,
    gm.TRUMPET,
    gm.MUTED_TRUMPET,
    gm.TROMBONE,
    gm.CLARINET,
)
# irregular chords behind a soloist
COMPING = (".?.?.??..?.?", "...?.x...?.?", "x....x......", "x..?.?......", ".....x...?.x")
WALK = Part("walk", (gm.DOUBLE_BASS, gm.DOUBLE_BASS, gm.FRETLESS), -3.0, low=31)  # one note per beat
KEYS = Part(
    "chords", (gm.PIANO, gm.PIANO, gm.RHODES, gm.JAZZ_GUITAR, gm.VIBRAPHONE), -6.0, COMPING, low=54, velocity=72
)


_solo = partial(
    Part, "melody", low=54, high=82, units=(0.5, 0.5, 1 / 3, 0.25), density=0.85, rest=(0.1, 0.35), step=3, vibrato=0.15
)
_style = partial(
    Style,
    progressions=PROGRESSIONS,
    scales=SCALES,
    sound=RECORD,
    drums=DRUMS,
    kits=KITS,
    drum_level=-6.0,
    fill=0.08,
    crash=0.04,
    swing=(0.08, 0.17),
    loose=0.026,
)
SECTION = tuple(  # of a big band
    Part(
        "chords",
        (program,),
        -4.0,
        ("x....x......", "..x........x", "...x-.x-....", "x-----x....."),
        low=low,
        by_track=True,
    )
    for program, low in ((gm.BRASS, 60), (gm.ALTO_SAX, 57), (gm.TROMBONE, 50))
)
STYLES = (
    _style((105, 220), (WALK, KEYS, _solo(HORNS, 0.0)), weight=2.0),
    _style((105, 220), (WALK, KEYS, _solo(HORNS, 0.0), _solo(HORNS, -4.0, share=0.5))),
    _style(
        (95, 210),
        (WALK, Part("chords", (gm.PIANO,), -5.0, COMPING, low=52), _solo((gm.PIANO,), 0.0, low=60, high=92)),
        weight=1.2,
    ),
    _style((95, 190), (WALK, KEYS, _solo((gm.JAZZ_GUITAR, gm.VIBRAPHONE), 0.0, low=55, high=84)), weight=0.8),
    _style((60, 190), (_solo((*HORNS, gm.BARITONE_SAX), 0.0, low=50),), weight=0.7, drums=()),
    _style((110, 190), (WALK, KEYS, _solo(HORNS, 0.0, share=0.7), *SECTION), drum_level=-4.0),
    _style(
        (58, 85),
        (
            Part("bass", (gm.DOUBLE_BASS,), -3.0, ("r-5c", "r--5", "r---"), low=31),
            Part(
                "chords", (gm.PIANO, gm.RHODES, gm.JAZZ_GUITAR), -5.0, ("x---", "x-x-", "x--x----"), low=54, velocity=70
            ),
            _solo(HORNS, 0.0, share=0.6),
        ),
        drum_level=-9.0,
        singing=Singing(("female", "female", "male"), 0.55, (0.0, 3.0), vibrato=(0.01, 0.02), density=0.4),
    ),
    _style(
        (95, 140),
        (
            Part(
                "bass",
                (gm.DOUBLE_BASS, gm.FINGER_BASS, gm.FRETLESS),
                -2.0,
                ("r..5..8.", "r-.r.57.", "r.5r..7."),
                low=28,
            ),
            Part("chords", (gm.RHODES, gm.PIANO), -6.0, ("x..x....", "..x..x..", "x---..x."), low=54),
            _solo((gm.BARITONE_SAX, gm.TENOR_SAX, gm.ALTO_SAX), 0.0, low=44, high=70),
        ),
        drums=(
            {gm.RIDE: "x.xxx.xx", gm.KICK: "x..x..x.", gm.RIM: "..x..x.."},
            {gm.HAT: "xoxoxoxo", gm.KICK: "x..x..o.", gm.SNARE: "..x...x?"},
        ),
    ),
)
