"""What features cost: decoding and log-mel of thirty-second tracks, against the loop that every tutorial has.

    MUSICML_SHARED_DATA=DIR python -m benchmarks features    # real tracks: DIR/gtzan/genres_original; else sample data

Both sides of each ratio take each track in turn, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from musicml.data.datasets.base import Example
from musicml.data.io import audio
from musicml.features import audio_features
from musicml.features.cache import compute

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PAIRS = 7
MOST = 20  # tracks
TASKS = 6  # times all tracks are read by two processes: long beside handing them out
SETTINGS = audio_features.LogMel()
SPIN = "n = 0\nfor k in range(20_000_000): n += k"  # nothing but a processor
ROOT = Path(__file__).parent.parent


def measure(sample: Path, work: Path) -> dict[str, Any]:
    """Everything that is measured of features.

    Parameters
    ----------
    sample : the folder of sample tracks, for where no real ones are at hand
    work : a folder for converted tracks
    """
    tracks, real = tracks_of(sample)
    own = {path.suffix[1:]: tracks for path in tracks[:1]}
    found = {"real": real, "tracks": len(tracks), "seconds": seconds_of(tracks), "against_librosa": {}}
    for name, paths in {**own, "wav": [to_wav(path, work) for path in tracks]}.items():
        found["against_librosa"][name] = interleaved(by_librosa, ours, paths)
    found["processes"] = processes(tracks)
    found["mp3"] = beside_decoding([to_mp3(path, work) for path in tracks])
    return found


def tracks_of(sample: Path) -> tuple[list[Path], bool]:
    """Tracks, evenly from all, and whether they are real."""
    shared = Path(os.environ.get("MUSICML_SHARED_DATA") or "no such folder") / "gtzan/genres_original"
    paths = sorted(shared.rglob("*.flac")) or sorted(path for path in sample.rglob("*.wav") if readable(path))
    return paths[:: max(1, len(paths) // MOST)][:MOST], shared.is_dir()


def readable(path: Path) -> bool:
    """Whether a sample track is none of those that are damaged on purpose."""
    return path.stat().st_size > 100_000


def seconds_of(tracks: list[Path]) -> float:
    """The median length of the tracks."""
    return round(statistics.median(soundfile.info(path).duration for path in tracks), 2)


def to_wav(path: Path, work: Path) -> Path:
    """The same samples as a 16-bit wav."""
    made = work / f"{path.stem}.wav"
    y, sample_rate = soundfile.read(path, dtype="int16")
    soundfile.write(made, y, sample_rate)
    return made


def to_mp3(path: Path, work: Path) -> Path:
    """The track as an mp3 of 44.1 kHz stereo, as music is sold."""
    import av

    made, y = work / f"{path.stem}.mp3", audio.load_audio(path, 44_100).y
    with av.open(str(made), "w") as out:
        stream = out.add_stream("mp3", rate=44_100, layout="stereo")
        stream.bit_rate = 192_000
        frame = av.AudioFrame.from_ndarray(np.stack([y, 0.9 * y]).astype(np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        fifo = av.AudioFifo()
        fifo.write(frame)
        for part in fifo.read_many(1152, partial=True):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return made


def by_librosa(path: Path) -> np.ndarray:
    """The loop of the tutorials, with the same settings."""
    import librosa

    y, sample_rate = librosa.load(path, sr=SETTINGS.sample_rate)
    power = librosa.feature.melspectrogram(
        y=y, sr=sample_rate, n_fft=SETTINGS.n_fft, hop_length=SETTINGS.hop_length, n_mels=SETTINGS.n_mels
    )
    return librosa.power_to_db(power)


def ours(path: Path) -> np.ndarray:
    """The same by the package, as a training does it."""
    return audio_features.compute_features(path, SETTINGS)[0]


def took(do: Callable[..., object], *words: Any) -> float:
    """Seconds that something takes."""
    begun = time.perf_counter()
    do(*words)
    return time.perf_counter() - begun


def interleaved(one: Callable, other: Callable, paths: list[Path]) -> dict[str, float]:
    """Milliseconds a track of two things done in turn, track by track, and how many times longer the first takes."""
    one(paths[0])
    other(paths[0])
    pairs = []
    for _ in range(PAIRS):
        times = [(took(one, path), took(other, path)) for path in paths]
        pairs.append([sum(side) for side in zip(*times, strict=True)])
    return {
        "librosa_ms": ms(pairs, 0, paths),
        "ours_ms": ms(pairs, 1, paths),
        "ratio": round(statistics.median(first / second for first, second in pairs), 3),
        "pairs": PAIRS,
    }


def ms(rounds: list[list[float]], place: int, paths: list[Path]) -> float:
    """The median of one side's rounds, milliseconds a track."""
    return round(statistics.median(times[place] for times in rounds) / len(paths) * 1000, 2)


def processes(tracks: list[Path]) -> dict[str, float]:
    """How many times as fast two processes are as one, once they run, and how much a spin loop gains beside them."""
    rounds = []
    for _ in range(5):
        spun, spun_twice = spin(1), spin(2)
        rounds.append((alone(tracks), at_once(tracks), spun * 2 / spun_twice))
    one, two, scaling = zip(*rounds, strict=True)
    gains = [first / second for first, second in zip(one, two, strict=True)]
    return {
        "one_ms": round(statistics.median(one) * 1000, 2),
        "two_ms": round(statistics.median(two) * 1000, 2),
        "ratio": round(statistics.median(gains), 3),
        "spin_scales": round(statistics.median(scaling), 3),
        "rounds": [[round(gain, 3), round(spun, 3)] for gain, spun in zip(gains, scaling, strict=True)],
    }


def alone(tracks: list[Path]) -> float:
    """Seconds a track by one process, as the store reads them."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        n = count(compute.compute_all(examples_of(tracks), SETTINGS, 0, tracks[0].parent, out, 1))
    return (time.perf_counter() - begun) / n


def examples_of(tracks: list[Path]) -> list[Example]:
    """Every track so often that reading them takes long beside handing them out."""
    return [Example(path.name, path.parent, {}, path.name) for path in tracks] * TASKS


def at_once(tracks: list[Path]) -> float:
    """Seconds a track by two processes, from where both have started to the last track."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out:
        found = compute.compute_all(examples_of(tracks), SETTINGS, 0, Path(folder), out, 2)
        count(itertools.islice(found, 20))  # by then both have imported what they need
        begun = time.perf_counter()
        n = count(found)
        return (time.perf_counter() - begun) / n


def count(found: Iterable[compute.FileResult]) -> int:
    """Have features written to a file, as the store does; of how many tracks."""
    return sum(one.length > 0 for one in found)


def spin(n: int) -> float:
    """Seconds that `n` processes take which spin at once."""
    begun = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(n)]
    for process in running:
        process.wait()
    return time.perf_counter() - begun


def beside_decoding(paths: list[Path]) -> dict[str, float]:
    """Of an mp3: what is not decoding, against resampling and log-mel of samples that are there already.

    Decoding is PyAV's loop with one array a frame, as its manual shows; `bare_decoding_ms` makes no array at all.
    """
    import soxr

    def bare(y: np.ndarray) -> np.ndarray:
        return audio_features.compute_log_mel(soxr.resample(y, 44_100, SETTINGS.sample_rate, quality="HQ"), SETTINGS)

    samples = [audio.load_audio(path).y for path in paths]
    rounds = []
    for _ in range(PAIRS):
        times = [
            (took(ours, path), took(frames_of, path, True), took(frames_of, path, False), took(bare, y))
            for path, y in zip(paths, samples, strict=True)
        ]
        rounds.append([sum(side) for side in zip(*times, strict=True)])
    return {
        "ours_ms": ms(rounds, 0, paths),
        "decoding_ms": ms(rounds, 1, paths),
        "bare_decoding_ms": ms(rounds, 2, paths),
        "soxr_and_log_mel_ms": ms(rounds, 3, paths),
        "ratio": round(statistics.median((whole - array) / bare for whole, array, _, bare in rounds), 3),
        "ratio_to_bare_decoding": round(statistics.median((whole - none) / bare for whole, _, none, bare in rounds), 3),
        "rounds": PAIRS,
    }


def frames_of(path: Path, as_arrays: bool) -> None:
    """Decode a file by PyAV and do nothing with it."""
    import av

    with open(path, "rb") as file, av.open(file, format="mp3") as container:
        for frame in container.decode(container.streams.audio[0]):
            if as_arrays:
                frame.to_ndarray()


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    what = "real tracks" if measured["real"] else "generated sample tracks (MUSICML_SHARED_DATA names no real ones)"
    said = [f"features: {measured['tracks']} {what} of {measured['seconds']:g} s, log-mel, one thread"]
    said += [
        f"{name}: {row['ours_ms']:.1f} ms a track, {row['ratio']:.2f} times as fast as librosa"
        for name, row in measured["against_librosa"].items()
    ]
    two, mp3 = measured["processes"], measured["mp3"]
    return [
        *said,
        f"two processes: {two['ratio']:.2f} times one, where a spin loop scales {two['spin_scales']:.2f} times",
        f"mp3, 44.1 kHz stereo: {mp3['ours_ms']:.1f} ms a track, {mp3['decoding_ms']:.1f} of them decoding; what is "
        f"not takes {mp3['ratio']:.2f} times soxr and log-mel alone ({mp3['ratio_to_bare_decoding']:.2f} where making "
        "arrays is no decoding)",
    ]


def in_a_process(sample: Path, work: Path) -> dict[str, Any]:
    """`measure` in a process of its own, which keeps BLAS and OpenMP to one thread."""
    import json

    words = [sys.executable, "-m", "benchmarks.features", str(sample), str(work)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    import json

    print(json.dumps(measure(*map(Path, sys.argv[1:]))))
