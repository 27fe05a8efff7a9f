"""Country: two-beat basses, strummed steel-string guitars, banjo, fiddle, pedal steel and plain vocals."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MAJOR, MAJOR_FIVE, Part, Singing, Sound, Style

PROGRESSIONS = ("0: 0: 5: 5: 7: 7: 0: 0:", "0: 5: 0: 7:", "0: 7: 9:m 5:", "5: 5: 0: 0: 7: 7: 0: 0:", "0: 0: 2:7 7:")
SCALES = (MAJOR_FIVE, MAJOR)
RECORD = Sound(
    high=(6500.0, 12000.0, 12000.0), ratio=(1.0, 3.0, 4.0), tilt=(-0.3, 1.0), treble=(-1.0, 3.0), drive=(1.2, 2.5)
)
BASSES = (gm.DOUBLE_BASS, gm.FINGER_BASS, gm.FINGER_BASS)  # a double bass or an electric one
FIDDLE = Part(
    "melody", (gm.FIDDLE, gm.VIOLIN), -3.0, low=62, high=86, density=0.7, rest=(0.2, 0.5), chance=0.5, vibrato=0.15
)
PEDAL_STEEL = Part(  # slow notes with much vibrato
    "melody",
    (gm.CLEAN_GUITAR, gm.JAZZ_GUITAR, gm.HARMONICS),
    -4.0,
    low=60,
    high=82,
    density=0.25,
    rest=(0.2, 0.5),
    length=1.1,
    chance=0.7,
    vibrato=0.5,
)
TELECASTER = Part(  # fast licks on a clean electric guitar
    "melody", (gm.CLEAN_GUITAR, gm.MUTED_GUITAR), -4.0, low=52, high=76, units=(0.25, 0.5), density=0.8, chance=0.4
)
BANJO = Part("arpeggio", (gm.BANJO,), -3.0, low=55, units=(0.25, 0.5))  # rolls: fast broken chords
PIANO = Part("chords", (gm.PIANO, gm.HONKY_TONK), -9.0, ("..x...x.", "..x-..x-"), low=58, length=0.7, chance=0.4)
SINGING = Singing(("male", "male", "female"), 0.85, (2.0, 6.5), vibrato=(0.004, 0.012), backing=0.3)


_strum = partial(Part, "chords", (gm.STEEL_GUITAR,), -4.0, low=50, length=0.9, velocity=85, strum=0.02, doubled=True)
_style = partial(Style, progressions=PROGRESSIONS, scales=SCALES, sound=RECORD, drum_level=-4.0, singing=SINGING)

TRAIN = _style(  # brushes imitate a steam train
    (95, 125),
    (
        Part("bass", BASSES, -2.0, ("r-5-", "r-.5"), low=28),
        _strum(rhythms=("..x-..x-", "..xo..xo")),
        TELECASTER,
        FIDDLE,
        PEDAL_STEEL,
    ),
    drums=({gm.SNARE: ("xoOoxoOoxoOoxoOo", "ooxoooxoooxoooxo"), gm.KICK: "x...x...x...x..."},),
    kits=(gm.BRUSHES, gm.STANDARD_KIT),
    fill=0.1,
    crash=0.0,
)
TWO_BEAT = _style(
    (90, 125),
    (
        Part("bass", BASSES, -1.0, ("r-5-", "r-5-", "r-.5"), low=28),
        _strum(rhythms=("..xo..xo", "..x-..xo")),
        FIDDLE,
        PEDAL_STEEL,
        PIANO,
    ),
    drums=({gm.KICK: "x...x...", gm.SNARE: ("..O...O.", "..x...x."), gm.HAT: "o.o.o.o."},),
    kits=(gm.STANDARD_KIT, gm.BRUSHES),
    crash=0.05,
    swing=(0.0, 0.08),
    weight=2.0,
)
WALTZ = _style(  # three beats per bar
    (80, 115),
    (
        Part("bass", BASSES, -1.0, ("r..", "r..|5.."), low=28),
        _strum(rhythms=("..x-xo", "..x-x-")),
        FIDDLE,
        PEDAL_STEEL,
        PIANO,
    ),
    beats_each=(3.0,),
    bar=3,
    drums=({gm.KICK: "x.....", gm.SNARE: "..O.O.", gm.HAT: "o.o.o."},),
    kits=(gm.STANDARD_KIT, gm.BRUSHES),
    drum_level=-5.0,
    fill=0.0,
    crash=0.0,
)
MODERN = _style(
    (72, 130),
    (
        Part("bass", (gm.FINGER_BASS, gm.PICK_BASS), -1.0, ("r-----r-r---5---", "r-r-r-r-", "r---5---"), low=28),
        _strum(rhythms=("x.xx.xxx", "x.x.xxoxx.x.xxox", "x-xoxoxo")),
        Part("chords", (gm.CLEAN_GUITAR,), -7.0, ("x-------", "x---x-x-"), low=52, sound="amp", chance=0.6),
        FIDDLE,
        PEDAL_STEEL,
        TELECASTER,
        Part("chords", (gm.PIANO,), -9.0, ("x---x---", "x-x-x-x-"), low=57, chance=0.3),
    ),
    drums=(
        {gm.KICK: ("x.....x.x.......", "x.......x.x....."), gm.SNARE: "....x.......x...", gm.HAT: "x.o.x.o.x.o.x.o."},
    ),
    kits=(gm.STANDARD_KIT, gm.ROOM_KIT),
    drum_level=-1.0,
    loose=0.018,
    weight=2.0,
)
BLUEGRASS = _style(  # fast, acoustic and without drums
    (105, 150),
    (
        Part("bass", (gm.DOUBLE_BASS,), -2.0, ("r-5-",), low=28),
        _strum(rhythms=("..xo..xo", "..x-..xo")),
        BANJO,
        FIDDLE,
        Part("chords", (gm.MUTED_GUITAR, gm.BANJO), -9.0, ("..x...x.",), low=64, length=0.4, chance=0.4),
    ),
    loose=0.018,
)
FOLK = _style(
    (80, 120),
    (
        Part("arpeggio", (gm.STEEL_GUITAR,), -1.0, low=50, units=(0.5, 0.5, 0.25)),
        Part("bass", (gm.STEEL_GUITAR, gm.DOUBLE_BASS), -4.0, ("r-5-", "r-r-"), low=36),
        Part("melody", (gm.HARMONICA,), -5.0, low=60, high=82, rest=(0.4, 0.6), chance=0.5, vibrato=0.3),
        PEDAL_STEEL,
    ),
    loose=0.022,
)
STYLES = (TRAIN, TWO_BEAT, WALTZ, MODERN, BLUEGRASS, FOLK)
