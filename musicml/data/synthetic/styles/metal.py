"""Metal: distorted power chords with palm muting, double bass drums, growls and fast solos."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MINOR, PHRYGIAN, Part, Singing, Sound, Style

PROGRESSIONS = ("0:5 0:5 1:5 3:5", "0:5 8:5 10:5 0:5", "0:5 0:5 5:5 3:5", "0:5 3:5 0:5 6:5", "0:5 10:5 8:5 7:5", "0:5")
SCALES = (MINOR, PHRYGIAN)
RECORD = Sound(
    drive=(8.0, 40.0),
    tone=(4000.0, 7000.0),
    ratio=(4.0, 6.0),
    clip=(1.0, 1.5, 2.5),
    bass=(0.0, 4.0),
    treble=(0.0, 5.0),
    peak=(0.8, 0.98),
    wet=(0.08, 0.3),
)
RIFFS = (  # x open, o palm-muted
    "x---oooooooooooo",
    "ooxooxooxooxooxo",
    "oooooooooooooooo|oooooooox---x---",
    "x-x-ooooooooo-o-",
    "x-------x-------",
    "oo-oo-oo-oo-o-o-",
    "x-ooxoooxoooxooo",
    "x-x-x-x-x-x-x-x-",
)
SNARE = "....x.......x..."  # on beats 2 and 4
# any of them may keep time
CYMBALS = dict.fromkeys((gm.CRASH, gm.CHINA, gm.RIDE, gm.OPEN_HAT), "x...x...x...x...")


def _write_drums(kicks: tuple[str, ...], snare: str = SNARE) -> tuple[dict[int, str | tuple[str, ...]], ...]:
    """Write one pattern per cymbal that can keep time."""
    return tuple({gm.KICK: kicks, gm.SNARE: snare, cymbal: rhythm} for cymbal, rhythm in CYMBALS.items())


DOUBLE = _write_drums(("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "xx..xx..xx..xx.."))
HALF_TIME = _write_drums(("x..x..x.x..x..x.", "x.x...x.x.x...x."), "........x.......")
FAST = _write_drums(("x...x...x...x...", "x.x.x.x.x.x.x.x."), "..x...x...x...x.")
HEAVY = _write_drums(("x.x...x.x.x...x.", "x...x...x...x...", "x.....x.x.x....."))


_guitar = partial(
    Part,
    "power",
    (gm.MUTED_GUITAR, gm.CLEAN_GUITAR, gm.DISTORTION),
    rhythms=RIFFS,
    low=37,
    length=0.6,
    velocity=105,
    sound="amp",
    doubled=True,
)
BASS = Part(
    "bass",
    (gm.PICK_BASS, gm.PICK_BASS, gm.FINGER_BASS),
    -4.0,
    ("rrrrrrrrrrrrrrrr", "r.rrr.rrr.rrr.rr", "rrrrrrrr"),
    low=28,
)
SOLO = Part(
    "melody",
    (gm.DISTORTION, gm.OVERDRIVE),
    0.0,
    low=60,
    high=88,
    units=(0.25, 0.25, 0.5),
    density=0.95,
    rest=(0.0, 0.2),
    velocity=110,
    sound="amp",
    share=0.35,
    vibrato=0.4,
)
SCREAMING = Singing(("male",), 0.55, (-4.0, 0.0), growl=(0.3, 1.0), wet=(0.05, 0.2))  # growls
CLEAN_SINGING = Singing(("male",), 0.6, (-3.0, 1.0), growl=(0.0, 0.4), wet=(0.1, 0.3))


_style = partial(
    Style,
    parts=(_guitar(0.0), _guitar(-1.0), BASS, SOLO),
    progressions=PROGRESSIONS,
    scales=SCALES,
    sound=RECORD,
    beats_each=(2.0, 4.0),
    kits=(gm.POWER_KIT, gm.POWER_KIT, gm.STANDARD_KIT, gm.ROOM_KIT),
    fill=0.2,
    crash=0.35,
    loose=0.012,
)
STYLES = (
    _style((150, 210), drums=FAST, singing=SCREAMING),
    _style((120, 180), drums=DOUBLE, singing=SCREAMING, weight=1.5),
    _style((90, 130), drums=HALF_TIME, singing=SCREAMING),
    _style((100, 160), drums=HEAVY, singing=CLEAN_SINGING, weight=1.5),
)
