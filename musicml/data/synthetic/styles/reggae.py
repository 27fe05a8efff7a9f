"""Reggae: off-beat guitar and organ, heavy melodic bass, rim shots on the third beat, and echoes."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MAJOR, MAJOR_FIVE, MINOR, MINOR_FIVE, Part, Singing, Sound, Style

IN_MINOR = ("0:m 5:m", "0:m 10:", "0:m 10: 8: 10:", "0:m 0:m 5:m 7:m")
IN_MAJOR = ("0: 5: 0: 7:", "0: 2:m", "0: 5:", "0: 9:m 5: 7:", "0: 2:m 5: 0:")
RECORD = Sound(
    bass=(3.0, 8.0), tilt=(-0.6, 0.8), ratio=(1.0, 3.0), high=(6000.0, 12000.0, 12000.0), tone=(3500.0, 5000.0)
)
HATS = ("x.xox.xox.xox.xo", "x.x.x.x.x.x.x.x.", "..x...x...x...x.")
NOTHING = "................"


def _write_drums(kick: str, snare: str) -> dict[int, str | tuple[str, ...]]:
    """Write a pattern with one of the three bass drum rhythms of reggae."""
    return {
        gm.KICK: kick,
        gm.RIM: snare,
        gm.HAT: HATS,
        gm.OPEN_HAT: ("......o.......o.", NOTHING, NOTHING),
        gm.CONGA: ("?.??.??..?.??.?.", NOTHING, NOTHING),
    }


# one drop leaves out beat 1, steppers play every beat, rockers begin on beat 1
ONE_DROP = (_write_drums("........x.......", "........x......."), _write_drums("....x.......x...", "....x.......x..."))
STEPPERS = (_write_drums("x...x...x...x...", "........x......."), _write_drums("x...x...x...x...", "....x.......x..."))
ROCKERS = ({**_write_drums("x.......x.......", NOTHING), gm.SNARE: "....x.......x..."},)
BASS = Part(
    "bass",
    (gm.FINGER_BASS, gm.FINGER_BASS, gm.DOUBLE_BASS, gm.FRETLESS, gm.DEEP_SYNTH_BASS),
    3.0,
    ("r-..r-3-5-..3-r-", "..r-r-..5-3-r-..", "r--.5-r-..r-3-5-", "....r-r-5-5-r---", "r-r-..3-..5-..8-"),
    low=28,
    by_track=True,
)
SKANK = Part(  # short chords off the beat
    "chords",
    (gm.CLEAN_GUITAR, gm.MUTED_GUITAR, gm.JAZZ_GUITAR),
    -3.0,
    ("..x...x...x...x.", "..x...x...x...x.", "..xx..xx..xx..xx"),
    low=58,
    length=0.7,
    velocity=95,
    strum=0.01,
)
BUBBLE = Part(  # the organ between the guitar chords
    "chords",
    (gm.DRAWBAR_ORGAN, gm.PERCUSSIVE_ORGAN, gm.ROCK_ORGAN, gm.PIANO),
    -6.0,
    ("..x...x...x...x.", ".ox..ox..ox..ox.", ".x.x.x.x.x.x.x.x"),
    low=60,
    length=0.8,
    chance=0.8,
)
HORNS = Part(
    "chords",
    (gm.BRASS, gm.TRUMPET, gm.TROMBONE, gm.ALTO_SAX),
    -5.0,
    ("x-x-....|........", "x---..x-|....x---"),
    low=60,
    chance=0.3,
)
TUNE = Part(
    "melody",
    (gm.HARMONICA, gm.CLAVINET, gm.VIBRAPHONE, gm.TROMBONE),
    -5.0,
    low=62,
    high=82,
    rest=(0.4, 0.6),
    sound="dub",
    chance=0.35,
)
SINGING = Singing(
    ("male", "male", "male", "female"), 0.8, (1.0, 5.0), vibrato=(0.005, 0.012), rest=(0.3, 0.5), backing=0.4
)


_style = partial(
    Style,
    (64, 92),
    sound=RECORD,
    beats_each=(2.0, 4.0),
    kits=(gm.STANDARD_KIT, gm.STANDARD_KIT, gm.ROOM_KIT),
    drum_level=-2.0,
    fill=0.15,
    crash=0.06,
    swing=(0.0, 0.1),
    unit=0.5,
)


def _write_styles(
    drums: tuple, parts: tuple[Part, ...], weight: float = 1.0, singing: Singing = SINGING
) -> tuple[Style, ...]:
    """Write one style of reggae in minor and in major keys."""
    keys = ((IN_MINOR, (MINOR, MINOR_FIVE)), (IN_MAJOR, (MAJOR, MAJOR_FIVE)))
    return tuple(_style(parts, *key, drums=drums, singing=singing, weight=weight) for key in keys)


TOASTING = Singing(("male",), 0.85, (-1.0, 3.0), "rap", growl=(0.0, 0.2), wet=(0.1, 0.35))
STYLES = (
    *_write_styles(ONE_DROP, (BASS, SKANK, BUBBLE, HORNS, TUNE), 1.5),
    *_write_styles(STEPPERS, (BASS, SKANK, BUBBLE, TUNE)),
    *_write_styles(ROCKERS, (BASS, SKANK, BUBBLE, HORNS, TUNE)),
    *_write_styles((*ONE_DROP, *STEPPERS), (BASS, SKANK, BUBBLE, TUNE), 0.5, TOASTING),
)
