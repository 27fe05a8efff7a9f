"""Measure the time to compute features: decoding and log-mel of thirty-second tracks, compared with librosa.

    MUSICML_SHARED_DATA=DIR python -m benchmarks features    # real tracks: DIR/gtzan/genres_original; else sample data

For each ratio, both sides process each track alternately, so that other load on the machine affects both.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from musicml.data.datasets.base import Example
from musicml.data.io import audio
from musicml.features import audio_features
from musicml.features.cache import compute, shards

# set to 1 in `measure_in_process`
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ROUNDS = 7  # odd, so that the median is one of them
MAX_TRACKS = 20
REPETITIONS = 6  # of all tracks, so that reading them takes long compared with starting the processes
SETTINGS = audio_features.LogMel()
SPIN = "n = 0\nfor k in range(20_000_000): n += k"  # needs only the processor, so it shows the best possible speed-up
ROOT = Path(__file__).parent.parent


def measure(sample: Path, work: Path) -> dict[str, Any]:
    """Run all measurements of features.

    Parameters
    ----------
    sample : folder of sample tracks, used if there are no real ones
    work : folder for converted tracks
    """
    tracks, real = _find_tracks(sample)
    own = {path.suffix[1:]: tracks for path in tracks[:1]}  # the tracks in their own format
    results = {"real": real, "tracks": len(tracks), "seconds": _get_median_seconds(tracks), "against_librosa": {}}
    for name, paths in {**own, "wav": [_convert_to_wav(path, work) for path in tracks]}.items():
        results["against_librosa"][name] = _compare_in_turn(_compute_with_librosa, _compute_with_musicml, paths)
    results["processes"] = _compare_processes(tracks)
    results["mp3"] = _measure_mp3([_convert_to_mp3(path, work) for path in tracks])
    return results


def _find_tracks(sample: Path) -> tuple[list[Path], bool]:
    """Return at most `MAX_TRACKS` tracks, evenly spaced, and whether they are real."""
    shared = Path(os.environ.get("MUSICML_SHARED_DATA") or "no such folder") / "gtzan/genres_original"
    paths = sorted(shared.rglob("*.flac")) or sorted(path for path in sample.rglob("*.wav") if _is_readable(path))
    return paths[:: max(1, len(paths) // MAX_TRACKS)][:MAX_TRACKS], shared.is_dir()


def _is_readable(path: Path) -> bool:
    """Return whether a sample track is undamaged. Those that are damaged on purpose are shorter."""
    return path.stat().st_size > 100_000


def _get_median_seconds(tracks: list[Path]) -> float:
    """Return the median length of the tracks, in seconds."""
    return round(statistics.median(soundfile.info(path).duration for path in tracks), 2)


def _convert_to_wav(path: Path, work: Path) -> Path:
    """Convert a track to a 16-bit wav with the same samples."""
    copy = work / f"{path.stem}.wav"
    y, sample_rate = soundfile.read(path, dtype="int16")  # int16: no rounding
    soundfile.write(copy, y, sample_rate)
    return copy


def _convert_to_mp3(path: Path, work: Path) -> Path:
    """Convert a track to an mp3 of 44.1 kHz stereo, the usual format of sold music."""
    import av

    copy, y = work / f"{path.stem}.mp3", audio.load_audio(path, 44_100).y
    with av.open(str(copy), "w") as out:
        stream = out.add_stream("mp3", rate=44_100, layout="stereo")
        stream.bit_rate = 192_000
        frame = av.AudioFrame.from_ndarray(np.stack([y, 0.9 * y]).astype(np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        fifo = av.AudioFifo()
        fifo.write(frame)
        for part in fifo.read_many(1152, partial=True):  # an mp3 frame has 1,152 samples
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))  # write what the encoder still holds
    return copy


def _compute_with_librosa(path: Path) -> np.ndarray:
    """Compute log-mel features with librosa, as tutorials do, with the same settings."""
    import librosa

    y, sample_rate = librosa.load(path, sr=SETTINGS.sample_rate)
    power = librosa.feature.melspectrogram(
        y=y, sr=sample_rate, n_fft=SETTINGS.n_fft, hop_length=SETTINGS.hop_length, n_mels=SETTINGS.n_mels
    )
    return librosa.power_to_db(power)


def _compute_with_musicml(path: Path) -> np.ndarray:
    """Compute log-mel features with musicml, as a training does."""
    return audio_features.compute_features(path, SETTINGS)[0]


def _time_call(do: Callable[..., object], *words: Any) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    do(*words)
    return time.perf_counter() - start


def _compare_in_turn(one: Callable, other: Callable, paths: list[Path]) -> dict[str, float]:
    """Time two functions alternately, track by track: milliseconds per track, and the ratio of first to second."""
    one(paths[0])  # a warm-up, which pays for imports
    other(paths[0])
    pairs = []
    for _ in range(ROUNDS):
        times = [(_time_call(one, path), _time_call(other, path)) for path in paths]
        pairs.append([sum(side) for side in zip(*times, strict=True)])
    return {
        "librosa_ms": _get_median_ms(pairs, 0, paths),
        "ours_ms": _get_median_ms(pairs, 1, paths),
        "ratio": round(statistics.median(first / second for first, second in pairs), 3),
        "pairs": ROUNDS,
    }


def _get_median_ms(rounds: list[list[float]], place: int, paths: list[Path]) -> float:
    """Return the median over rounds for one side, in milliseconds per track."""
    return round(statistics.median(times[place] for times in rounds) / len(paths) * 1000, 2)


def _compare_processes(tracks: list[Path]) -> dict[str, float]:
    """Measure how much faster two processes are than one, compared with two spin loops."""
    rounds = []
    for _ in range(5):  # the machine may get busy, so both are measured in each round
        spun, spun_twice = _time_spin_loops(1), _time_spin_loops(2)
        # 2 would be perfect scaling
        rounds.append((_time_one_process(tracks), _time_two_processes(tracks), spun * 2 / spun_twice))
    one, two, scaling = zip(*rounds, strict=True)
    gains = [first / second for first, second in zip(one, two, strict=True)]
    return {
        "one_ms": round(statistics.median(one) * 1000, 2),
        "two_ms": round(statistics.median(two) * 1000, 2),
        "ratio": round(statistics.median(gains), 3),
        "spin_scales": round(statistics.median(scaling), 3),
        "rounds": [[round(gain, 3), round(spun, 3)] for gain, spun in zip(gains, scaling, strict=True)],
    }


def _time_one_process(tracks: list[Path]) -> float:
    """Return seconds per track with one process, read as the cache does."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        n = sum(_compute_shards(tracks, folder, 1))
        return (time.perf_counter() - start) / n


def _time_two_processes(tracks: list[Path]) -> float:
    """Return seconds per track with two processes, measured once both have started."""
    with tempfile.TemporaryDirectory() as folder:
        results = _compute_shards(tracks, folder, 2)
        for _ in itertools.islice(results, 10):  # after these, both processes have imported everything
            pass
        start = time.perf_counter()
        n = sum(results)
        return (time.perf_counter() - start) / n


def _compute_shards(tracks: list[Path], folder: str, processes: int) -> Generator[int]:
    """Compute the features of `REPETITIONS` examples of each track. Yield the number of files done each time."""
    examples = [Example(path.name, path.parent, {}, path.name) for path in tracks] * REPETITIONS
    layout = shards.make_layout(len(examples), SETTINGS)
    return compute.compute_shards(examples, SETTINGS, 0, Path(folder), layout, range(layout.n_shards), processes)


def _time_spin_loops(n: int) -> float:
    """Return the seconds that `n` parallel spin loops take."""
    start = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(n)]
    for process in running:
        process.wait()
    return time.perf_counter() - start


def _measure_mp3(paths: list[Path]) -> dict[str, float]:
    """Compare the part of mp3 features that is not decoding with resampling and log-mel of decoded samples.

    Decoding is timed by PyAV's loop with one array per frame, as in its manual. `bare_decoding_ms` makes no arrays.
    """
    import soxr

    def resample_and_compute(y: np.ndarray) -> np.ndarray:
        """Compute log-mel features of decoded samples."""
        return audio_features.compute_log_mel(soxr.resample(y, 44_100, SETTINGS.sample_rate, quality="HQ"), SETTINGS)

    samples = [audio.load_audio(path).y for path in paths]
    rounds = []
    for _ in range(ROUNDS):  # all four for one track, then the next track
        times = [
            (
                _time_call(_compute_with_musicml, path),
                _time_call(_decode, path, True),
                _time_call(_decode, path, False),
                _time_call(resample_and_compute, y),
            )
            for path, y in zip(paths, samples, strict=True)
        ]
        rounds.append([sum(side) for side in zip(*times, strict=True)])
    return {
        "ours_ms": _get_median_ms(rounds, 0, paths),
        "decoding_ms": _get_median_ms(rounds, 1, paths),
        "bare_decoding_ms": _get_median_ms(rounds, 2, paths),
        "soxr_and_log_mel_ms": _get_median_ms(rounds, 3, paths),
        "ratio": round(statistics.median((whole - array) / bare for whole, array, _, bare in rounds), 3),
        "ratio_to_bare_decoding": round(statistics.median((whole - none) / bare for whole, _, none, bare in rounds), 3),
        "rounds": ROUNDS,
    }


def _decode(path: Path, as_arrays: bool) -> None:
    """Decode a file with PyAV and discard the frames."""
    import av

    with open(path, "rb") as file, av.open(file, format="mp3") as container:
        for frame in container.decode(container.streams.audio[0]):
            if as_arrays:
                frame.to_ndarray()


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results in sentences."""
    kind = "real tracks" if results["real"] else "synthetic sample tracks (MUSICML_SHARED_DATA is not set)"
    sentences = [f"features: {results['tracks']} {kind} of {results['seconds']:g} s, log-mel, one thread"]
    sentences += [
        f"{name}: {row['ours_ms']:.1f} ms per track, {row['ratio']:.2f} times as fast as librosa"
        for name, row in results["against_librosa"].items()
    ]
    two, mp3 = results["processes"], results["mp3"]
    return [
        *sentences,
        f"two processes: {two['ratio']:.2f} times as fast as one (a spin loop: {two['spin_scales']:.2f} times)",
        f"mp3, 44.1 kHz stereo: {mp3['ours_ms']:.1f} ms per track, of which {mp3['decoding_ms']:.1f} ms are decoding; "
        f"the rest takes {mp3['ratio']:.2f} times as long as soxr and log-mel alone "
        f"({mp3['ratio_to_bare_decoding']:.2f} times if making arrays does not count as decoding)",
    ]


def measure_in_process(sample: Path, work: Path) -> dict[str, Any]:
    """Run `measure` in a separate process, with one thread for BLAS and OpenMP."""
    import json

    command = [sys.executable, "-m", "benchmarks.features", str(sample), str(work)]
    process = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


if __name__ == "__main__":
    import json

    print(json.dumps(measure(*map(Path, sys.argv[1:]))))
