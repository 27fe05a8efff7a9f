"""Rock: loud drums, overdriven or strummed guitars, straight eighth notes in the bass, and forceful vocals."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MAJOR, MINOR_FIVE, MIXOLYDIAN, Part, Singing, Sound, Style

PROGRESSIONS = ("0: 10: 5: 0:", "0: 5: 7: 5:", "0:m 8: 10: 0:m", "0: 7: 9:m 5:", "0:m 10: 8: 10:", "0: 3: 5: 0:")
SCALES = (MINOR_FIVE, MIXOLYDIAN, MAJOR)
RECORD = Sound(
    drive=(2.5, 9.0),
    tone=(3800.0, 5500.0),
    ratio=(3.0, 4.0),
    clip=(0.5, 1.0, 1.5),
    wet=(0.12, 0.4),
    bass=(-1.0, 2.0),
    peak=(0.6, 0.98),
)
SNARE = "....x.......x..."
KICKS = ("x.......x.x.....", "x.....x.x.......", "x..x....x.x.....", "x.x...x...x.....")
EIGHTHS = "x.x.x.x.x.x.x.x."  # the cymbal that keeps time
DRUMS = tuple({gm.KICK: KICKS, gm.SNARE: SNARE, cymbal: EIGHTHS} for cymbal in (gm.HAT, gm.HAT, gm.RIDE, gm.OPEN_HAT))
PUNK_DRUMS = tuple(  # the snare twice as often
    {gm.KICK: ("x...x...x...x...", "x..xx...x..xx..."), gm.SNARE: "..x...x...x...x.", cymbal: EIGHTHS}
    for cymbal in (gm.HAT, gm.OPEN_HAT, gm.CRASH)
)
BASS = Part(
    "bass",
    (gm.FINGER_BASS, gm.PICK_BASS, gm.PICK_BASS),
    -2.0,
    ("r.r.r.r.r.r.r.r.", "r-..r-r-..r-r-..", "r---r---r---5---"),
    low=28,
)
RIFF = Part(  # distorted power chords
    "power",
    (gm.CLEAN_GUITAR, gm.MUTED_GUITAR, gm.OVERDRIVE),
    -1.0,
    ("x---x---x---x---", "x-x-x-x-x-x-x-x-", "x--x--x-x---x-x-", "x-------..x-x---", "o-o-o-o-o-o-x---"),
    low=40,
    length=0.7,
    velocity=105,
    sound="amp",
    by_track=True,
    doubled=True,
)
SECOND = Part(
    "chords",
    (gm.CLEAN_GUITAR, gm.JAZZ_GUITAR),
    -5.0,
    ("x.x.xxox", "x...x.xo", "x---x---"),
    low=52,
    sound="amp",
    strum=0.012,
    chance=0.6,
)
STRUM = Part(  # an acoustic guitar
    "chords",
    (gm.STEEL_GUITAR, gm.STEEL_GUITAR, gm.CLEAN_GUITAR),
    -3.0,
    ("x-xoxoxo", "x.x.xoxo", "x.x.x.x.x.x.x.xo"),
    low=50,
    strum=0.015,
    doubled=True,
)
ORGAN = Part("chords", (gm.ROCK_ORGAN, gm.DRAWBAR_ORGAN), -9.0, low=58, chance=0.3)
PIANO = Part("chords", (gm.PIANO,), -6.0, ("x...x...x...x...", "x.x.x.x."), low=57, chance=0.4)
SOLO = Part(  # in a third of the tracks
    "melody",
    (gm.OVERDRIVE, gm.CLEAN_GUITAR, gm.DISTORTION),
    0.0,
    low=58,
    high=84,
    units=(0.5, 0.25),
    density=0.8,
    velocity=105,
    sound="amp",
    share=0.35,
    vibrato=0.35,
)
SINGING = Singing(
    ("male", "male", "male", "female"), 0.75, (0.0, 4.0), growl=(0.0, 0.5), vibrato=(0.004, 0.01), backing=0.25
)
GENTLE = Singing(("male", "male", "female"), 0.85, (0.0, 4.0), vibrato=(0.004, 0.01), backing=0.4)


_style = partial(
    Style,
    progressions=PROGRESSIONS,
    scales=SCALES,
    sound=RECORD,
    beats_each=(4.0, 4.0, 2.0),
    drums=DRUMS,
    kits=(gm.STANDARD_KIT, gm.STANDARD_KIT, gm.ROOM_KIT, gm.POWER_KIT),
    drum_level=1.0,
    fill=0.18,
    crash=0.25,
    singing=SINGING,
)
STYLES = (
    _style((95, 150), (BASS, RIFF, SECOND, ORGAN, SOLO), weight=2.0),
    _style((85, 140), (BASS, RIFF, SECOND, STRUM, SOLO)),
    _style((95, 145), (BASS, STRUM, SECOND, PIANO, ORGAN, SOLO), singing=GENTLE),
    _style(
        (66, 95),
        (
            BASS,
            STRUM,
            PIANO,
            Part("arpeggio", (gm.CLEAN_GUITAR, gm.STEEL_GUITAR), -3.0, low=52, units=(0.5, 0.25)),
            SOLO,
        ),
        singing=GENTLE,
        drum_share=0.6,
    ),
    _style((150, 185), (BASS, RIFF, SECOND), drums=PUNK_DRUMS, weight=0.8),
)
