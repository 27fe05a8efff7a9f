"""Measure the time of predictions: the first in a new process, later ones, a whole song, and while recording.

Both sides of each ratio are measured alternately, so that other load on the machine affects both.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from musicml.data.io import audio
from musicml.experiment import run as runs
from musicml.inference import backends, trust
from musicml.inference.predictor import Predictor
from musicml.inference.streaming import StreamingPredictor

PAIRS = 5
SAMPLE_RATE = 44_100
ROOT = Path(__file__).parent.parent


def measure(cnn: Path, gru: Path, musicnn: Path, tracks: list[Path], work: Path) -> dict[str, Any]:
    """Run all measurements of predictions.

    Parameters
    ----------
    cnn, gru, musicnn : run folders of genre_cnn, genre_gru and genre_musicnn, with their exported models
    tracks : sound files that are joined to songs
    work : folder for these songs
    """
    songs = {seconds: _make_song(tracks, seconds, work) for seconds in (30, 60, 240, 720)}
    return {
        "first": {
            name: _measure_first_prediction(run, songs[30])
            for name, run in (("genre_cnn", cnn), ("genre_musicnn", musicnn))
        },
        "stranger": {
            engine: _measure_untrusted_prediction(cnn, songs[30], work, engine) for engine in ("onnx", "keras")
        },
        "warm": {
            name: _measure_warm_prediction(run, songs[30])
            for name, run in (("genre_cnn", cnn), ("genre_gru", gru), ("genre_musicnn", musicnn))
        },
        "threads": _measure_threads(cnn, songs[30]),
        "whole_song": _measure_song(cnn, songs[240]),
        "memory": {f"{seconds} s": _measure_memory(cnn, songs[30], path) for seconds, path in songs.items()},
        "live": {"genre_cnn": _measure_live(cnn, songs[60]), "genre_gru": _measure_live(gru, songs[60])},
    }


def _make_song(tracks: list[Path], seconds: int, work: Path) -> Path:
    """Write an mp3 of the given length, 44.1 kHz stereo, from tracks one after another."""
    path = work / f"{seconds}.mp3"
    wanted = seconds * SAMPLE_RATE
    parts, n_samples = [], 0
    for number in range(10_000):  # repeat the tracks until the song is long enough
        parts.append(audio.load_audio(tracks[number % len(tracks)], SAMPLE_RATE).y)
        n_samples += len(parts[-1])
        if n_samples >= wanted:
            break
    y = np.concatenate(parts)[:wanted]
    soundfile.write(path, np.stack([y, y], axis=1), SAMPLE_RATE)
    return path


def _compare_in_turn(one: Callable[[], object], other: Callable[[], object], pairs: int = PAIRS) -> dict[str, float]:
    """Time two functions alternately: the median seconds of each, and the median of their ratios."""
    times = []
    for _ in range(pairs):
        times.append((_time_call(one), _time_call(other)))
    firsts, seconds = zip(*times, strict=True)
    ratios = [first / second for first, second in times]  # of neighbors in time, with the same load
    return {
        "seconds": round(statistics.median(firsts), 4),
        "against": round(statistics.median(seconds), 4),
        "ratio": round(statistics.median(ratios), 3),
        "pairs": pairs,
    }


def _time_call(do: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _measure_first_prediction(run: Path, path: Path) -> dict[str, float]:
    """Compare `musicml predict` in a new process with the exported model and with Keras on TensorFlow."""

    def predict(engine: str) -> None:
        """Run the command with an engine."""
        command = [sys.executable, "-m", "musicml.cli", "predict", run, path, "--engine", engine, "--json"]
        subprocess.run([str(word) for word in command], cwd=ROOT, check=True, capture_output=True)

    predict("onnx")  # so that both find their files in the system's cache
    predict("keras")
    return _compare_in_turn(lambda: predict("onnx"), lambda: predict("keras"))


def _measure_untrusted_prediction(run: Path, path: Path, work: Path, engine: str) -> dict[str, float]:
    """Compare the first prediction of an untrusted copy, which runs in a separate process, with that of the run."""
    copy = Path(shutil.copytree(run, work / f"stranger-{engine}"))
    (copy / "signature.json").unlink(missing_ok=True)  # which makes it a run from others
    trust.trust_run(runs.Run(run))  # the original, in case it was trained on another machine

    def predict(which: Path) -> None:
        """Run the command with a run folder."""
        command = [sys.executable, "-m", "musicml.cli", "predict", which, path, "--engine", engine, "--json"]
        subprocess.run([str(word) for word in command], cwd=ROOT, check=True, capture_output=True)

    predict(copy)
    predict(run)
    return _compare_in_turn(lambda: predict(copy), lambda: predict(run))


def _measure_warm_prediction(run: Path, path: Path) -> dict[str, float]:
    """Compare a prediction of a warm process with decoding, features and one batch of the same clips."""
    predictor = Predictor(runs.Run(run))
    settings, clip = predictor.settings, predictor.serving.clip
    model = backends.load_model(run, predictor.serving)

    def compute_once() -> None:
        """Do the same work without the checks and warnings of the Predictor."""
        values = settings.compute(audio.load_audio(path, settings.sample_rate).y)
        places = clip.compute_starts(len(values))
        model.scores(np.stack([values[place : place + clip.n_frames] for place in places]))

    predictor.predict(path)
    compute_once()
    return _compare_in_turn(lambda: predictor.predict(path), compute_once, 21)


def _measure_threads(run: Path, path: Path) -> dict[str, Any]:
    """Predict in sixteen threads with one Predictor. Measure the largest difference from one thread; count loads."""
    alone, shared = Predictor(runs.Run(run)).predict(path), Predictor(runs.Run(run))
    answers, loads, load = [], [], backends.load_model
    backends.load_model = lambda *words: loads.append(words) or load(*words)  # count the loads
    try:
        workers = [threading.Thread(target=lambda: answers.append(shared.predict(path))) for _ in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        backends.load_model = load  # later measurements must not be counted
    gap = max(float(np.abs(answer.scores - alone.scores).max()) for answer in answers)
    return {"answers": len(answers), "largest_difference": gap, "model_loads": len(loads)}


def _measure_song(run: Path, path: Path) -> dict[str, float]:
    """Time the prediction of a four-minute song in a warm process."""
    predictor = Predictor(runs.Run(run))
    n_clips = len(predictor.predict(path).starts)
    times = [_time_call(lambda: predictor.predict(path)) for _ in range(PAIRS)]
    return {"seconds": round(statistics.median(times), 3), "longest": round(max(times), 3), "clips": n_clips}


def _measure_memory(run: Path, warm_by: Path, path: Path) -> float:
    """Measure the peak memory of a prediction in MB, above that of a process that has predicted 30 s of sound."""
    command = [sys.executable, "-m", "benchmarks.prediction", run.absolute(), warm_by.absolute(), path.absolute()]
    process = subprocess.run([str(word) for word in command], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(json.loads(process.stdout.splitlines()[-1]))  # a new process, since peaks never fall


def _measure_live(run: Path, path: Path) -> dict[str, float]:
    """Stream a minute in blocks of 0.1 s. Measure the time of each prediction, and the difference from the file."""
    predictor = Predictor(runs.Run(run))
    wanted = predictor.predict(path).scores
    y = audio.load_audio(path).y
    recording, times = StreamingPredictor(predictor, SAMPLE_RATE), []
    for place in range(0, len(y), SAMPLE_RATE // 10):
        start = time.perf_counter()
        if list(recording.feed(y[place : place + SAMPLE_RATE // 10])):  # most blocks do not complete a clip
            times.append(time.perf_counter() - start)
    gap = float(np.abs(recording.end().scores - wanted).max())
    return {
        "answers": len(times),
        "median_seconds": round(statistics.median(times), 4),
        "longest_seconds": round(max(times), 4),
        "largest_difference": gap,
    }


def _measure_peak(run: str, warm_by: str, path: str) -> float:
    """Measure the peak memory of a prediction in this process, in MB."""
    from tests.fuzz import forget_peak, peak_megabytes

    predictor = Predictor(runs.Run(Path(run)))
    predictor.predict(warm_by)  # loads the model and fills caches
    forget_peak()
    base = peak_megabytes()
    predictor.predict(path)
    return round(peak_megabytes() - base, 1)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results in sentences."""
    song, threads = results["whole_song"], results["threads"]
    sentences = [
        f"first prediction in a new process, 30 s mp3, {name}: {row['seconds']:.2f} s with the exported model, "
        f"{row['against']:.2f} s with TensorFlow (ratio {row['ratio']:.2f})"
        for name, row in results["first"].items()
    ]
    sentences += [
        f"first prediction of a run from others, 30 s mp3, genre_cnn with {engine}: {row['seconds']:.2f} s in a "
        f"separate process, {row['against']:.2f} s once it is trusted (ratio {row['ratio']:.2f})"
        for engine, row in results.get("stranger", {}).items()
    ]
    sentences += [
        f"later predictions, 30 s mp3, {name}: {row['seconds'] * 1000:.0f} ms, "
        f"{row['ratio']:.2f} times the time of decoding, features and one batch"
        for name, row in results["warm"].items()
    ]
    sentences += [
        f"16 threads: model loaded {threads['model_loads']} time, "
        f"differences up to {threads['largest_difference']:.1g}",
        f"4-minute mp3, genre_cnn, later predictions: {song['seconds']:.2f} s for {song['clips']} clips "
        f"(longest {song['longest']:.2f})",
        "memory of a prediction: " + ", ".join(f"{mb:.0f} MB for {name}" for name, mb in results["memory"].items()),
    ]
    sentences += [
        f"streaming, {name}: {row['median_seconds'] * 1000:.0f} ms per prediction (longest "
        f"{row['longest_seconds'] * 1000:.0f}), at most {row['largest_difference']:.1g} from that of the file"
        for name, row in results["live"].items()
    ]
    return sentences


if __name__ == "__main__":
    print(json.dumps(_measure_peak(*sys.argv[1:])))
