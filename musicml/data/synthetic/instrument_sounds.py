"""Stand-in for Kaggle's four-instrument recordings: 160 for training, 40 for testing; 44,100 Hz, 16 bit.

The two tables have the faults of the real ones. Every Sound_Violin row of the training table names a drum file, while
the violins lie on disk and in no table; `loop-16247.wav` is a drum, a violin and a piano; one row differs from its file
in upper and lower case; the test table has the class `Sound_Guiatr`. Half of the violin tests are called violas. Files
of one kit or performer (alike at the start of the name) sound alike, and ROOM files of one room and microphone.

They last 1.5 to 7 s; without sampled instruments (`renderer`) 1.5 to 2.5 s.
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
SHORTEST, LONGEST, NUMPY_LONGEST = 1.5, 7.0, 2.5
VARIES_TIMBRE = True  # with velocity
TRAIN, TEST = 40, 10  # files a class
FEWEST_TRAIN, FEWEST_TEST = 8, 3
STEREO = 0.08  # share of the files
CLASSES = {"Sound_Guitar": "guitar", "Sound_Drum": "drums", "Sound_Violin": "violin", "Sound_Piano": "piano"}
MISSPELT = {"Sound_Guitar": "Sound_Guiatr"}  # in the test table alone
THREE_TIMES = "loop-16247.wav"  # a piano, which the table calls a drum and so a violin as well
ON_DISK = {"AR_Lick1_FN.wav": "AR_Lick1_Fn.wav"}  # table: disk
# General MIDI's programs of the stems whose names tell them
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
ANY = {
    "Sound_Guitar": (24, 24, 25, 25, 26, 27),
    "Sound_Drum": sampled_instruments.KITS,
    "Sound_Violin": (40, 40, 40, 110),
    "Sound_Piano": (0, 0, 1, 1, 2, 3),
}
DISTORTED = {"metal": 1.0, "rock": 1.0, "LP": 0.5, "solo": 0.3}  # how likely a stem's amplifier is overdriven
PLAYED = {
    ("Sound_Guitar", "notes"): ("note", "melody", "melody", "run", "arpeggios", "arpeggios"),
    ("Sound_Guitar", "chords"): ("strums", "strums", "chords", "arpeggios"),
    ("Sound_Violin", "notes"): ("note", "melody", "melody", "run", "double_stops"),
    ("Sound_Piano", "notes"): ("note", "note", "note", "melody", "run", "arpeggios", "two_hands"),
    ("Sound_Piano", "chords"): ("chords", "arpeggios", "two_hands"),
}
LOOPS = (("kick", "snare", "hat"), ("kick", "snare", "ride"), ("kick", "snare", "hat", "tom", "crash"), ("hat",))
ONE_PIECE = 0.7  # share of the files called DRUM_SOUND


@dataclass(frozen=True)
class Recording:
    """One file: who plays it, in what manner, and where it belongs."""

    folder: str
    name: str
    label: str
    stem: str
    manner: str  # notes, chords, loop, or one piece of a drum kit

    @property
    def setting(self) -> str:
        """Room and microphone of a ROOM file, otherwise the stem; files with the same value sound alike."""
        room = re.fullmatch(r"ROOM[_-](room\d+)[_-]MUS[_-]\w+?(?:_DEV_(\w+))?\.wav", self.name)
        return f"{room[1]} {room[2] or ''}".strip() if room else self.stem


def names(label: str) -> Iterator[tuple[str, str, str]]:
    """Name, stem and manner of a class's training files, mixed so that the first few already show every kind."""
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
                yield THREE_TIMES, THREE_TIMES, "chords"
            for room in (1, 4):
                for piece in ("beethoven1", "chords", "bartok"):
                    device = ("ipad", "lg", "redmi", "amazon", "iphone", "stereomic")[i % 6]
                    manner = "chords" if piece == "chords" else "notes"
                    yield f"ROOM_room{room + i % 3}_MUS_{piece}_DEV_{device}.wav", piece, manner
            yield f"another-sadmosphere-{108000 + i}.wav", f"sad {i}", "notes"
            yield f"soft_piano_{i}-{71000 + i}.wav", f"soft {i}", "chords"


def test_names(label: str) -> Iterator[tuple[str, str, str]]:
    """Name, stem and manner of a class's test files."""
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
    """Write the data set into `folder`; `run` maps a function over its jobs."""
    train = plan("Train_submission", names, max(FEWEST_TRAIN, round(TRAIN * scale)))
    test = plan("Test_submission", test_names, max(FEWEST_TEST, round(TEST * scale)))
    for part in ("Train_submission", "Test_submission"):
        (folder / part / part).mkdir(parents=True)
    run(write_recording, [(folder, recording, seed) for recording in train + test])
    write_tables(folder, train, test)


def plan(part: str, source: Callable, n_files: int) -> list[Recording]:
    """The first `n_files` different files of every class."""
    recordings = []
    for label in CLASSES:
        unlike = {name: (stem, manner) for name, stem, manner in source(label)}
        recordings += [Recording(part, name, label, *unlike[name]) for name in list(unlike)[:n_files]]
    return recordings


def write_tables(folder: Path, train: list[Recording], test: list[Recording]) -> None:
    """Write the two tables, with their faults."""
    drums = [recording.name for recording in train if recording.label == "Sound_Drum"] + [THREE_TIMES]
    rows = []
    for label in CLASSES:
        listed = drums if label in ("Sound_Drum", "Sound_Violin") else [r.name for r in train if r.label == label]
        rows += [(name, label) for name in listed]
    write_table(folder / "Metadata_Train.csv", rows)
    write_table(folder / "Metadata_Test.csv", [(r.name, MISSPELT.get(r.label, r.label)) for r in test])


def write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write one table, its lines ended as Windows ends them, like the real one's."""
    lines = ["FileName,Class", *(f"{name},{label}" for name, label in rows)]
    write_bytes(path, "".join(f"{line}\r\n" for line in lines).encode())


def write_recording(folder: Path, recording: Recording, seed: int) -> None:
    """Write one file's sound."""
    who = [seed, synth.number("instrument_sounds"), synth.number(recording.label), synth.number(recording.setting)]
    y = sound(recording, np.random.default_rng(who), np.random.default_rng([*who, synth.number(recording.name)]))
    name = ON_DISK.get(recording.name, recording.name)
    synth.write_wav(folder / recording.folder / recording.folder / name, y, SAMPLE_RATE)


def sound(recording: Recording, stem: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """One file's sound [shape=(n_samples,) or (n_samples, 2)], with the player, room and microphone of its setting."""
    recorder = draw_recorder(stem)
    program = int(stem.choice(PROGRAMS.get(recording.stem.split(" ")[0], ANY[recording.label])))
    is_distorted = stem.random() < DISTORTED.get(recording.stem.split(" ")[0], 0.0)
    drive, treble = stem.uniform(2, 8), stem.uniform(*sampled_instruments.LOUDSPEAKER_HZ)
    seconds = rng.uniform(SHORTEST, LONGEST if renderer.has_renderer() else NUMPY_LONGEST)
    notes, is_drum = notes_of(recording, seconds, rng), recording.label == "Sound_Drum"
    y = renderer.render_notes(notes, program, seconds, SAMPLE_RATE, is_drum, varies_timbre=VARIES_TIMBRE)
    if is_distorted:
        y = overdrive(y, SAMPLE_RATE, drive, treble)
    y = record_sound(y, SAMPLE_RATE, vary_recorder(recorder, rng), rng)
    if rng.random() < STEREO:  # the left channel is softer
        y = np.stack([y * np.float32(rng.uniform(0.5, 1.0)), y], axis=1)
    return y


def notes_of(recording: Recording, seconds: float, rng: np.random.Generator) -> list[renderer.Note]:
    """What is played in one file."""
    if recording.stem.startswith("DRUM_SOUND") and rng.random() < ONE_PIECE:
        return phrases.draw_hits(str(rng.choice(list(phrases.PIECES))), seconds, rng)
    if recording.manner == "loop":
        return phrases.draw_loop(seconds, rng, LOOPS[rng.integers(len(LOOPS))])
    if recording.label == "Sound_Drum":
        return phrases.draw_hits(recording.manner, seconds, rng)
    instrument = sampled_instruments.SAMPLED[CLASSES[recording.label]]
    low = instrument.low - 7 if recording.stem == "Va-ord" else instrument.low
    manner = str(rng.choice(PLAYED.get((recording.label, recording.manner), ("note",))))
    return phrases.draw_phrase(manner, low, instrument.high, seconds, rng)
