"""Generate a synthetic stand-in for Kaggle's recordings of four instruments: 160 for training, 40 for testing.

The tables have the errors of the real ones. Every Sound_Violin row of the training table names a drum file, and the
violin files are in no table. `loop-16247.wav` is listed as a drum, a violin and a piano. One row differs from its file
in upper and lower case. The test table has a class `Sound_Guiatr`. Half of the violin tests have the names of violas.

Sounds are 44,100 Hz with 16 bits and last 1.5 to 7 s, or 1.5 to 2.5 s without sampled instruments (`renderer`). Files
of one setting (a kit, a performer or a room) sound similar, so a random split leaks between training and test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicml.data.synthetic import phrases, renderer, sampled_instruments, synth
from musicml.data.synthetic.recording import draw_recorder, overdrive, record_sound, vary_recorder
from musicml.utils import write_bytes

SAMPLE_RATE = 44_100
MIN_SECONDS, MAX_SECONDS, NUMPY_MAX_SECONDS = 1.5, 7.0, 2.5
VARIES_TIMBRE = True  # with velocity
N_TRAIN, N_TEST = 40, 10  # files per class
MIN_TRAIN, MIN_TEST = 8, 3  # at small scales
STEREO_SHARE = 0.08  # of the files
CLASSES = {"Sound_Guitar": "guitar", "Sound_Drum": "drums", "Sound_Violin": "violin", "Sound_Piano": "piano"}
MISSPELLED = {"Sound_Guitar": "Sound_Guiatr"}  # in the test table only
TRIPLE_LISTED = "loop-16247.wav"  # a piano that is listed as a drum, and so as a violin too
NAMES_ON_DISK = {"AR_Lick1_FN.wav": "AR_Lick1_Fn.wav"}  # by the name in the table
# General MIDI programs of the stems that name an instrument
PROGRAMS = {
    "AR": (25,),
    "LP": (27, 28),
    "metal": (29, 30),
    "jazz": (26,),
    "classical": (24,),
    "rock": (29, 30),
    "ska": (27,),
    "Vn-ord": (40,),
    "Va-ord": (41,),
    "TechnoDrum01": (24, 25),
    "hip-hop": (24, 25),
    "808": (25,),
}
DEFAULT_PROGRAMS = {
    "Sound_Guitar": (24, 24, 25, 25, 26, 27),
    "Sound_Drum": sampled_instruments.KITS,
    "Sound_Violin": (40, 40, 40, 110),
    "Sound_Piano": (0, 0, 1, 1, 2, 3),
}
OVERDRIVE_CHANCES = {"metal": 1.0, "rock": 1.0, "LP": 0.5, "solo": 0.3}  # by stem
MANNERS = {
    ("Sound_Guitar", "notes"): ("note", "melody", "melody", "run", "arpeggios", "arpeggios"),
    ("Sound_Guitar", "chords"): ("strums", "strums", "chords", "arpeggios"),
    ("Sound_Violin", "notes"): ("note", "melody", "melody", "run", "double_stops"),
    ("Sound_Piano", "notes"): ("note", "note", "note", "melody", "run", "arpeggios", "two_hands"),
    ("Sound_Piano", "chords"): ("chords", "arpeggios", "two_hands"),
}
LOOPS = (("kick", "snare", "hat"), ("kick", "snare", "ride"), ("kick", "snare", "hat", "tom", "crash"), ("hat",))
SINGLE_HIT_SHARE = 0.7  # of the files with the name DRUM_SOUND


@dataclass(frozen=True)
class Recording:
    """One file with its class, its performer and its manner of playing."""

    folder: str
    name: str
    label: str
    stem: str
    manner: str  # notes, chords, loop, or a piece of a drum kit

    @property
    def setting(self) -> str:
        """The room and microphone of a ROOM file, otherwise the stem. Files with one setting sound similar."""
        room = re.fullmatch(r"ROOM[_-](room\d+)[_-]MUS[_-]\w+?(?:_DEV_(\w+))?\.wav", self.name)
        return f"{room[1]} {room[2] or ''}".strip() if room else self.stem


def list_train_files(label: str) -> Iterator[tuple[str, str, str]]:
    """List name, stem and manner of a class's training files, mixed so that the first few show every kind."""
    for i in range(1, 100):
        if label == "Sound_Guitar":
            yield f"AR_Lick{i}_FN.wav", "AR", "notes"
            yield f"LP_Lick{i}_KN.wav", "LP", "notes"
            yield f"G53-{76000 + 17 * i}-1111-{300 + i}.wav", "G53", "note"
            yield f"metal_{i}_125BPM.wav", "metal", "chords"
            yield f"1-E1-Major {i - 1:02d}.wav", "1-E1", "chords"
            yield f"jazz_{i}_120BPM.wav", "jazz", "chords"
            yield f"classical_{i}_120BPM.wav", "classical", "notes"
            yield f"G61-{40000 + 23 * i}-1111-{20000 + i}.wav", "G61", "note"
        elif label == "Sound_Drum":
            yield f"WaveDrum02_{i:02d}KD ({i}).wav", "WaveDrum02", "kick"
            yield f"WaveDrum02_{i:02d}SD ({i}).wav", "WaveDrum02", "snare"
            yield f"RealDrum01_{i:02d}MIX.wav", "RealDrum01", "loop"
            yield f"DRUM_SOUND ({i}).wav", f"DRUM_SOUND {i}", "loop"
            yield f"WaveDrum02_{i:02d}HH ({i}).wav", "WaveDrum02", "hat"
            yield f"RealDrum01_{i:02d}SDtrain.wav", "RealDrum01", "snare"
            yield f"TechnoDrum01_{i:02d}MIX.wav", "TechnoDrum01", "loop"
            yield f"TechnoDrum01_{i:02d}KDtrain.wav", "TechnoDrum01", "kick"
        elif label == "Sound_Violin":
            note = "ABCDEFG"[i % 7] + str(4 + i % 3)
            yield f"violin_sound ({i}).wav", "violin_sound", "notes"
            yield f"Vn-ord-{note}-{('pp', 'mf', 'ff')[i % 3]}-{1 + i % 4}c.wav", "Vn-ord", "note"
            yield f"Violin_sound ({100 + i}).wav", "Violin_sound", "notes"
            yield f"{('emil', 'clara', 'ines')[i % 3]}_bwv{1000 + i}.wav", ("emil", "clara", "ines")[i % 3], "notes"
        else:
            if i == 1:
                yield TRIPLE_LISTED, TRIPLE_LISTED, "chords"
            for room in (1, 4):
                for piece in ("beethoven1", "chords", "bartok"):
                    device = ("ipad", "lg", "redmi", "amazon", "iphone", "stereomic")[i % 6]
                    manner = "chords" if piece == "chords" else "notes"
                    yield f"ROOM_room{room + i % 3}_MUS_{piece}_DEV_{device}.wav", piece, manner
            yield f"another-sadmosphere-{108000 + i}.wav", f"sad {i}", "notes"
            yield f"soft_piano_{i}-{71000 + i}.wav", f"soft {i}", "chords"


def list_test_files(label: str) -> Iterator[tuple[str, str, str]]:
    """List name, stem and manner of a class's test files."""
    for i in range(1, 100):
        if label == "Sound_Guitar":
            yield f"rock_{i}_100BPM.wav", "rock", "chords"
            yield f"guitar-solo-{27000 + i}.wav", f"solo {i}", "notes"
            yield f"ska_{i}_150BPM.wav", "ska", "chords"
        elif label == "Sound_Drum":
            yield f"hip-hop-drum-loop-{i}-{33000 + i}.wav", "hip-hop", "loop"
            yield f"muvibeat{i}_130bpm-{14000 + i}.wav", "muvibeat", "loop"
            yield f"{90 + i}bpm-808-like-drum-loop-{74000 + i}.wav", "808", "loop"
        elif label == "Sound_Violin":
            yield f"Sad-Violin-{chr(64 + i)}-sample.wav", "Sad-Violin", "notes"
            yield f"Va-ord-{'CDEFG'[i % 5]}{3 + i % 3}-{('pp', 'mf', 'ff')[i % 3]}-{1 + i % 4}c.wav", "Va-ord", "note"
        else:
            yield f"ROOM-room8-MUS-beethoven{i}.wav", "room8", "notes"
            yield f"ROOM_room6_MUS_mozart{i}_DEV_lg.wav", "mozart", "notes"
            yield f"short-logo-{108000 + i}.wav", f"logo {i}", "chords"
            yield f"soft-piano-{i}-bpm-{121000 + i}.wav", f"soft {i}", "chords"


def write(folder: Path, seed: int, scale: float, run: Callable) -> None:
    """Write the dataset into `folder`. `run` maps a function over its jobs."""
    train = plan("Train_submission", list_train_files, max(MIN_TRAIN, round(N_TRAIN * scale)))
    test = plan("Test_submission", list_test_files, max(MIN_TEST, round(N_TEST * scale)))
    for part in ("Train_submission", "Test_submission"):
        (folder / part / part).mkdir(parents=True)
    run(_write_recording, [(folder, recording, seed) for recording in train + test])
    _write_tables(folder, train, test)


def plan(part: str, source: Callable, n_files: int) -> list[Recording]:
    """Plan the first `n_files` files of every class."""
    recordings = []
    for label in CLASSES:
        files = {name: (stem, manner) for name, stem, manner in source(label)}
        recordings += [Recording(part, name, label, *files[name]) for name in list(files)[:n_files]]
    return recordings


def _write_tables(folder: Path, train: list[Recording], test: list[Recording]) -> None:
    """Write the two tables, with the errors of the real ones."""
    drums = [recording.name for recording in train if recording.label == "Sound_Drum"] + [TRIPLE_LISTED]
    rows = []
    for label in CLASSES:
        files = drums if label in ("Sound_Drum", "Sound_Violin") else [r.name for r in train if r.label == label]
        rows += [(name, label) for name in files]
    _write_table(folder / "Metadata_Train.csv", rows)
    _write_table(folder / "Metadata_Test.csv", [(r.name, MISSPELLED.get(r.label, r.label)) for r in test])


def _write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write one table with Windows line ends, like the real one."""
    lines = ["FileName,Class", *(f"{name},{label}" for name, label in rows)]
    write_bytes(path, "".join(f"{line}\r\n" for line in lines).encode())


def _write_recording(folder: Path, recording: Recording, seed: int) -> None:
    """Render and write one file."""
    key = [seed, *map(synth.hash_name, ("instrument_sounds", recording.label, recording.setting))]
    rng = np.random.default_rng([*key, synth.hash_name(recording.name)])
    y = render_recording(recording, np.random.default_rng(key), rng)
    name = NAMES_ON_DISK.get(recording.name, recording.name)
    synth.write_wav(folder / recording.folder / recording.folder / name, y, SAMPLE_RATE)


def render_recording(recording: Recording, stem: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """Render one file, [shape=(n_samples,) or (n_samples, 2)], with the instrument and room that its stem draws."""
    recorder = draw_recorder(stem)
    program = int(stem.choice(PROGRAMS.get(recording.stem.split(" ")[0], DEFAULT_PROGRAMS[recording.label])))
    is_distorted = stem.random() < OVERDRIVE_CHANCES.get(recording.stem.split(" ")[0], 0.0)
    drive, treble = stem.uniform(2, 8), stem.uniform(*sampled_instruments.LOUDSPEAKER_HZ)
    seconds = rng.uniform(MIN_SECONDS, MAX_SECONDS if renderer.has_renderer() else NUMPY_MAX_SECONDS)
    notes, is_drum = _draw_notes(recording, seconds, rng), recording.label == "Sound_Drum"
    y = renderer.render_notes(notes, program, seconds, SAMPLE_RATE, is_drum, varies_timbre=VARIES_TIMBRE)
    if is_distorted:
        y = overdrive(y, SAMPLE_RATE, drive, treble)
    y = record_sound(y, SAMPLE_RATE, vary_recorder(recorder, rng), rng)
    if rng.random() < STEREO_SHARE:  # the left channel is softer
        y = np.stack([y * np.float32(rng.uniform(0.5, 1.0)), y], axis=1)
    return y


def _draw_notes(recording: Recording, seconds: float, rng: np.random.Generator) -> list[renderer.Note]:
    """Draw the notes of one file."""
    if recording.stem.startswith("DRUM_SOUND") and rng.random() < SINGLE_HIT_SHARE:
        return phrases.draw_hits(str(rng.choice(list(phrases.PIECES))), seconds, rng)
    if recording.manner == "loop":
        return phrases.draw_loop(seconds, rng, LOOPS[rng.integers(len(LOOPS))])
    if recording.label == "Sound_Drum":
        return phrases.draw_hits(recording.manner, seconds, rng)
    instrument = sampled_instruments.SAMPLED[CLASSES[recording.label]]
    low = instrument.low - 7 if recording.stem == "Va-ord" else instrument.low
    manner = str(rng.choice(MANNERS.get((recording.label, recording.manner), ("note",))))
    return phrases.draw_phrase(manner, low, instrument.high, seconds, rng)
