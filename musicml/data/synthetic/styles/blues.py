"""Blues: twelve bars of seventh chords, shuffles, guitar or harmonica between the vocals, and often old records."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import BLUE, MINOR_FIVE, Part, Singing, Sound, Style

TWELVE = "0:7 0:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7"  # twelve-bar blues
QUICK = "0:7 5:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7"  # the variant with a change in bar 2
PROGRESSIONS = (TWELVE, TWELVE, QUICK, "0:7")  # the last stays on one chord
RECORD = Sound(
    tilt=(-1.0, 0.2), high=(4500.0, 6000.0, 12000.0), drive=(1.5, 4.0), ratio=(1.0, 3.0), clip=(0.0, 1.0, 1.5)
)
# a narrow band, hiss and crackle
OLD = Sound(tilt=(-1.2, 0.2), high=(3500.0, 4500.0, 7000.0), low=(60.0, 120.0), noise=(0.001, 0.006), crackle=0.6)
SHUFFLES = ("x.xx.xx.xx.x", "x..x.xx..x.x", "x..x..x..x..")  # swung eighths, as triplets without the middle one
DRUMS = (
    {
        gm.RIDE: SHUFFLES,
        gm.KICK: ("x.....x.....", "x....xx.....", "x..x..x..x.."),
        gm.SNARE: ("...x.....x..", "...x.....x.o"),
    },
    {gm.HAT: SHUFFLES, gm.KICK: ("x.....x.....", "x..x..x..x.."), gm.SNARE: "...x.....x.."},
)
BASS = Part(
    "bass",
    (gm.DOUBLE_BASS, gm.FINGER_BASS, gm.FINGER_BASS, gm.PICK_BASS),
    -2.0,
    ("r-.r-.3-.5-.|6-.5-.3-.5-.", "r--3--5--6--", "r--r--r--5--", "r--5--6--5--", "r-rr-r5-56-5"),
    low=28,
)
COMPING = ("x-ox-ox-ox-o", "...x.....x..", "x--o--x--o--")  # short chords behind a soloist
RHYTHM = Part("chords", (gm.CLEAN_GUITAR, gm.JAZZ_GUITAR), -8.0, COMPING, low=50, length=0.6)
LEAD_GUITAR = Part(
    "melody",
    (gm.CLEAN_GUITAR, gm.CLEAN_GUITAR, gm.JAZZ_GUITAR, gm.OVERDRIVE),
    -1.0,
    low=52,
    high=80,
    sound="amp",
    units=(1 / 3, 0.5),
    density=0.8,
    share=0.85,
    vibrato=0.3,
)
SINGING = Singing(("male", "male", "male", "female"), 0.6, (-1.0, 3.0), growl=(0.0, 0.4), rest=(0.35, 0.5))

_style = partial(
    Style,
    progressions=PROGRESSIONS,
    scales=(BLUE,),
    sound=RECORD,
    drums=DRUMS,
    swing=(0.12, 0.17),
    loose=0.025,
    singing=SINGING,
)

TRIO = _style(  # guitar, bass and drums
    (75, 145),
    (
        BASS,
        LEAD_GUITAR,
        RHYTHM,
        Part("chords", (gm.DRAWBAR_ORGAN, gm.ROCK_ORGAN), -12.0, low=55, chance=0.35),
        Part("chords", (gm.PIANO, gm.BRIGHT_PIANO), -9.0, ("x..x..x..x..", "x.xx.xx.xx.x"), low=57, chance=0.3),
    ),
    drum_level=-2.0,
    weight=2.0,
    scales=(BLUE, BLUE, MINOR_FIVE),
)
SLOW = _style(
    (52, 75),
    (
        Part("bass", (gm.FINGER_BASS, gm.DOUBLE_BASS), -2.0, ("r--..5r--.5c", "r-----5--6--"), low=28),
        LEAD_GUITAR,
        Part("chords", (gm.DRAWBAR_ORGAN, gm.ROCK_ORGAN, gm.PERCUSSIVE_ORGAN), -9.0, low=57, chance=0.6),
        Part("chords", (gm.PIANO,), -7.0, ("xxxxxxxxxxxx", "x.xx.xx.xx.x"), low=60, length=0.7, chance=0.5),
        RHYTHM,
    ),
    drums=({gm.RIDE: "xOOxOOxOOxOO", gm.KICK: ("x.....x.....", "x....xx....o"), gm.SNARE: "...x.....x.."},),
    drum_level=-3.0,
    loose=0.028,
    progressions=(TWELVE, "0:m7 0:m7 5:m7 0:m7 8:7 7:7"),
    scales=(BLUE, MINOR_FIVE),
    swing=(0.0, 0.0),
)
SOLO = _style(  # one guitar, as on early records
    (75, 135),
    (
        Part(
            "bass",
            (gm.STEEL_GUITAR, gm.STEEL_GUITAR, gm.NYLON_GUITAR),
            0.0,
            ("r-r-r-r-", "r-5-r-5-", "r.8r.7r.8r.5", "r-.r-.5-.r-."),
            low=40,
            length=1.1,
        ),
        Part(
            "melody",
            (gm.STEEL_GUITAR, gm.STEEL_GUITAR, gm.NYLON_GUITAR),
            -1.0,
            low=55,
            high=76,
            units=(0.5, 1 / 3),
            density=0.8,
            rest=(0.2, 0.5),
            vibrato=0.3,
        ),
        Part("chords", (gm.STEEL_GUITAR,), -6.0, ("..o..o..x..o", "...x.....x.."), low=52, length=0.5, chance=0.5),
        Part("melody", (gm.HARMONICA,), -4.0, low=60, high=82, rest=(0.4, 0.6), chance=0.3, vibrato=0.3),
    ),
    sound=OLD,
    drums=({gm.KICK: "O..O..O..O.."}, {}),
    drum_level=-10.0,
    fill=0.0,
    crash=0.0,
    swing=(0.08, 0.17),
    loose=0.028,
    singing=Singing(("male", "male", "female"), 0.75, (-1.0, 4.0), growl=(0.0, 0.4), rest=(0.4, 0.55)),
    weight=1.3,
    progressions=(TWELVE, "0:7", "0:7 0:7 5:7 0:7"),
    scales=(BLUE, MINOR_FIVE),
)
HARP = _style(  # an amplified harmonica
    (80, 140),
    (
        BASS,
        Part(
            "melody", (gm.HARMONICA,), -1.0, low=58, high=84, sound="amp", units=(1 / 3, 0.5), density=0.7, vibrato=0.4
        ),
        RHYTHM,
        Part("chords", (gm.PIANO, gm.HONKY_TONK), -9.0, COMPING, low=57, length=0.6, chance=0.4),
    ),
    drum_level=-3.0,
)
BARROOM = _style(
    (90, 160),
    (
        Part(
            "chords",
            (gm.PIANO, gm.HONKY_TONK, gm.BRIGHT_PIANO),
            -3.0,
            ("x..x..x..x..", "x.xx.xx.xx.x"),
            low=52,
            length=0.6,
        ),
        Part("melody", (gm.PIANO, gm.BRIGHT_PIANO), -2.0, low=64, high=88, units=(1 / 3, 0.5), density=0.9),
        BASS,
    ),
    sound=OLD,
    drum_level=-5.0,
    drum_share=0.8,
)
STYLES = (TRIO, SLOW, SOLO, HARP, BARROOM)
