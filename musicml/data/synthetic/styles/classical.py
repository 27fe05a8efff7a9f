"""Classical music: piano, strings, orchestra, choir, organ and chamber music, in concert halls and without drums."""

from musicml.data.synthetic import general_midi as gm
from musicml.data.synthetic.styles.style import MAJOR, MINOR, Part, Singing, Sound, Style

IN_MAJOR = ("0: 5: 7: 0:", "0: 9:m 2:m 7:", "0: 7: 9:m 4:m 5: 0: 5: 7:", "0: 5: 0: 7: 9:m 2:7 7: 0:")
IN_MINOR = ("0:m 5:m 7: 0:m", "0:m 8: 3: 7:", "0:m 10: 3: 8: 5:m 7:", "0:m 5:m 10: 3: 8: 7:")
HALL = Sound(  # long reverb, no compression
    room=(1.2, 3.0),
    wet=(0.2, 0.55),
    peak=(0.25, 0.9),
    tilt=(-1.2, 0.1),
    bass=(-2.0, 1.0),
    treble=(-2.0, 1.0),
    high=(6000.0, 8000.0, 12000.0),
    noise=(0.0, 0.002),
)
# a smaller room with less reverb
CHAMBER = Sound(**{**HALL.__dict__, "room": (0.7, 1.8), "wet": (0.1, 0.35)})
RUNS = (0.25, 0.25, 0.5)  # lengths in beats
SLOW_BASS = ("r---", "r-5-", "r-3-", "r-r-")  # one or two notes per bar


def _write_styles(*parts: Part, sound: Sound = CHAMBER, weight: float = 1.0, **more) -> tuple[Style, ...]:
    """Write one style in major and in minor keys."""
    more = {"sound": sound, "beats_each": (2.0, 4.0), "loose": 0.025, "weight": weight / 2, **more}
    return tuple(Style((50, 128), parts, *key, **more) for key in ((IN_MAJOR, (MAJOR,)), (IN_MINOR, (MINOR,))))


STYLES = (
    *_write_styles(
        Part("run", (gm.PIANO,), 0.0, low=60, high=86, units=RUNS),
        Part("run", (gm.PIANO,), -5.0, low=40, high=62, units=(0.25, 0.5, 1.0)),
    ),
    *_write_styles(
        Part("arpeggio", (gm.PIANO,), -4.0, low=48, units=(0.25, 0.5, 1 / 3)),
        Part("melody", (gm.PIANO,), 0.0, low=64, high=88, rest=(0.0, 0.15), units=(0.5, 0.25)),
    ),
    *_write_styles(
        Part("chords", (gm.PIANO,), -5.0, ("x---", "x-x-x-x-", "x---x---"), low=50, velocity=70),
        Part("melody", (gm.PIANO,), 0.0, low=65, high=90, rest=(0.0, 0.15), units=(0.25, 0.5)),
        Part("bass", (gm.PIANO,), -4.0, SLOW_BASS, low=33, velocity=70),
    ),
    *_write_styles(
        Part("run", (gm.HARPSICHORD,), 0.0, low=60, high=82, units=(0.25,)),
        Part("run", (gm.HARPSICHORD,), -3.0, low=40, high=60, units=(0.5, 1.0)),
        Part("chords", (gm.STRINGS,), -6.0, low=55, chance=0.5),
        weight=0.8,
    ),
    *_write_styles(
        Part("run", (gm.CHURCH_ORGAN,), 0.0, low=60, high=82, units=(0.25, 0.5)),
        Part("run", (gm.CHURCH_ORGAN,), -3.0, low=48, high=66, units=(0.5, 1.0)),
        Part("bass", (gm.CHURCH_ORGAN,), -3.0, ("r---", "r-5-"), low=30, length=1.0),
        sound=HALL,
        weight=0.6,
    ),
    *_write_styles(
        Part("chords", (gm.STRINGS, gm.SLOW_STRINGS, gm.TREMOLO), -3.0, ("x---", "x-x-", "x---x---"), low=52),
        Part("melody", (gm.STRINGS, gm.VIOLIN), 0.0, low=64, high=90, rest=(0.0, 0.1), density=0.4, vibrato=0.15),
        Part("run", (gm.STRINGS, gm.PIZZICATO), -3.0, low=62, high=86, units=(0.25, 0.5), chance=0.5, share=0.7),
        Part("bass", (gm.CONTRABASS, gm.CELLO), -3.0, SLOW_BASS, low=33),
        sound=HALL,
        weight=1.6,
    ),
    *_write_styles(
        Part("chords", (gm.STRINGS, gm.SLOW_STRINGS), -4.0, ("x---", "x-x-", "x---x---"), low=52),
        Part("melody", (gm.STRINGS, gm.VIOLIN, gm.FLUTE, gm.OBOE), -2.0, low=66, high=90, density=0.4),
        Part("melody", (gm.HORN, gm.BASSOON, gm.CLARINET), -4.0, low=52, high=74, density=0.3, share=0.7),
        Part(
            "chords", (gm.BRASS, gm.TROMBONE, gm.HORN), -4.0, ("x---|....", "x-x-|x---"), low=50, chance=0.6, share=0.7
        ),
        Part("melody", (gm.TRUMPET, gm.PICCOLO, gm.OBOE), -5.0, low=64, high=86, density=0.3, chance=0.5),
        Part("bass", (gm.TIMPANI,), -3.0, ("r.......", "r.rrr...", "rrrrrrrr|r......."), low=38, chance=0.6),
        Part("bass", (gm.CONTRABASS, gm.CELLO), -3.0, SLOW_BASS, low=33),
        sound=HALL,
        weight=1.6,
    ),
    *_write_styles(
        Part("melody", (gm.VIOLIN,), 0.0, low=64, high=90, units=(0.25, 0.5), rest=(0.0, 0.15), vibrato=0.2),
        Part("melody", (gm.VIOLIN,), -3.0, low=58, high=76, density=0.35, rest=(0.0, 0.2), vibrato=0.2),
        Part("melody", (gm.VIOLA,), -3.0, low=50, high=68, density=0.35, rest=(0.0, 0.2), vibrato=0.15),
        Part("melody", (gm.CELLO,), -2.0, low=38, high=58, density=0.3, rest=(0.0, 0.2), vibrato=0.15),
    ),
    *_write_styles(
        Part(
            "melody",
            (gm.FLUTE, gm.OBOE, gm.CLARINET, gm.RECORDER, gm.VIOLIN, gm.CELLO),
            0.0,
            low=60,
            high=86,
            units=(0.25, 0.5),
            rest=(0.0, 0.2),
            vibrato=0.15,
        ),
        Part("arpeggio", (gm.PIANO, gm.HARP, gm.NYLON_GUITAR, gm.HARPSICHORD), -5.0, low=50, units=(0.25, 0.5)),
        Part("bass", (gm.PIANO, gm.CELLO), -6.0, SLOW_BASS, low=36, chance=0.6),
        weight=1.4,
    ),
    *_write_styles(
        Part("chords", (gm.CHOIR, gm.VOICE_OOHS), 0.0, ("x---", "x-x-", "x---x---"), low=55),
        Part("chords", (gm.STRINGS, gm.CHURCH_ORGAN), -5.0, low=48),
        Part("bass", (gm.CONTRABASS, gm.CHURCH_ORGAN), -5.0, SLOW_BASS, low=36),
        sound=HALL,
        weight=0.7,
        singing=Singing(("female", "male"), 0.6, (-6.0, 0.0), vibrato=(0.015, 0.025), wet=(0.4, 0.7), density=0.2),
    ),
    *_write_styles(
        Part("arpeggio", (gm.NYLON_GUITAR,), -2.0, low=48, units=(0.25, 0.5)),
        Part("melody", (gm.NYLON_GUITAR,), 0.0, low=60, high=79, rest=(0.0, 0.2)),
        weight=0.5,
    ),
)
