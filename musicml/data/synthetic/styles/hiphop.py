"""Hip-hop: loops from old records, deep bass, drum machines, rap vocals and scratches."""

from functools import partial

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MINOR_FIVE, Part, Singing, Sound, Style

PROGRESSIONS = ("0:m7", "0:m7 0:m7 5:m7 0:m7", "0:m7 8:M7", "0:m9", "0:7", "0:m")
RECORD = Sound(
    wet=(0.0, 0.06),
    ratio=(4.0, 6.0),
    bass=(2.0, 7.0),
    clip=(1.0, 1.5, 2.0),
    noise=(0.0, 0.003),
    crackle=0.4,
    tone=(2200.0, 7000.0),
    peak=(0.7, 0.98),
)
NOTHING = "................"
KICKS = (  # syncopated
    "x.......x.x.....|x.....x...x.....",
    "x..x......x..x..",
    "x.....xx..x.....",
    "x.x.......xx....|x.x....x..x.....",
    "x.x...x.x.x.....",
)
DRUMS = (
    {
        gm.KICK: KICKS,
        gm.SNARE: ("....x.......x...", "....x.......x...", "....x..o.o..x..o"),
        gm.HAT: ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo", "x.x.x.xxx.x.x.x."),
        gm.CLAP: ("....O.......O...", NOTHING, NOTHING),
        gm.OPEN_HAT: ("......o.........", NOTHING, NOTHING),
    },
)
BASS = Part(
    "bass",
    (gm.SYNTH_BASS, gm.DEEP_SYNTH_BASS, gm.FINGER_BASS, gm.DOUBLE_BASS, gm.BASS_LEAD),
    0.0,
    ("r--...r-..r-....", "r-----..r-..7-..", "r-.r..5-....r-c-", "r-------r---7---"),
    low=28,
    sound="sub",
    chance=0.9,
)
SAMPLED = (  # instruments on the records that are looped
    gm.RHODES,
    gm.CHORUS_PIANO,
    gm.STRINGS,
    gm.VIBRAPHONE,
    gm.BRASS,
    gm.TRUMPET,
    gm.JAZZ_GUITAR,
    gm.CLEAN_GUITAR,
    gm.PIANO,
    gm.DRAWBAR_ORGAN,
    gm.HIT,
    gm.SITAR,
    gm.FLUTE,
    gm.PIZZICATO,
    gm.CLAVINET,
)
STABS = ("x---............", "x.....x.........", "x..x..x.........", "....x-......x-..", "x-------........")
CHORD_LOOP = Part("chords", SAMPLED, -7.0, STABS, low=58, sound="loop", chance=0.8)  # sampled chords
RIFF_LOOP = Part(  # a sampled riff
    "bass",
    SAMPLED,
    -7.0,
    ("r..3..5...7.5...", "8..7..5.....3.r.", "r.r...3.r...7...", "5...3...r.7.8..."),
    low=60,
    sound="loop",
    chance=0.7,
)
SYNTHS = Part("melody", (gm.SAWTOOTH, gm.SQUARE, gm.OCARINA), -8.0, low=67, high=86, density=0.3, rest=(0.2, 0.5))
RAPPING = Singing(  # almost always, and in front of the band
    ("male", "male", "male", "female"), 0.92, (0.0, 5.0), "rap", growl=(0.0, 0.25), wet=(0.02, 0.08), backing=0.35
)


_style = partial(
    Style,
    progressions=PROGRESSIONS,
    scales=(MINOR_FIVE,),
    sound=RECORD,
    drums=DRUMS,
    drum_level=2.0,
    fill=0.03,
    crash=0.02,
    unit=0.5,
    loose=0.012,
    singing=RAPPING,
    scratches=0.35,
)
MACHINES, DRUMMERS = (gm.DRUM_MACHINE, gm.ELECTRONIC_KIT), (gm.STANDARD_KIT, gm.STANDARD_KIT, gm.ROOM_KIT)
STYLES = (
    _style((82, 106), (BASS, CHORD_LOOP, RIFF_LOOP), kits=DRUMMERS, swing=(0.0, 0.12), weight=2.0),
    _style((84, 108), (BASS, CHORD_LOOP, RIFF_LOOP), kits=MACHINES, swing=(0.0, 0.08), weight=1.5),
    _style((86, 102), (BASS, SYNTHS, CHORD_LOOP), kits=(gm.DRUM_MACHINE, gm.ROOM_KIT), swing=(0.0, 0.1)),
    _style((88, 110), (BASS,), kits=(*MACHINES, gm.STANDARD_KIT), swing=(0.0, 0.06), weight=0.7),
)
