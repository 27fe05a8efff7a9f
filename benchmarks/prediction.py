"""What an answer costs: the first in a new process, a warm one, a whole song, and while recording.

Both sides of each ratio are measured in turn, so that whatever else the machine does falls on both.
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
RATE = 44_100
ROOT = Path(__file__).parent.parent


def measure(cnn: Path, gru: Path, musicnn: Path, tracks: list[Path], work: Path) -> dict[str, Any]:
    """Everything that is measured of prediction.

    Parameters
    ----------
    cnn, gru, musicnn : run folders of genre_cnn, genre_gru and genre_musicnn, with their exported models
    tracks : sound files, which songs are put together from
    work : a folder for these songs
    """
    songs = {seconds: song(tracks, seconds, work) for seconds in (30, 60, 240, 720)}
    return {
        "first": {name: first_answer(run, songs[30]) for name, run in (("genre_cnn", cnn), ("genre_musicnn", musicnn))},
        "stranger": {engine: stranger_answer(cnn, songs[30], work, engine) for engine in ("onnx", "keras")},
        "warm": {
            name: warm(run, songs[30])
            for name, run in (("genre_cnn", cnn), ("genre_gru", gru), ("genre_musicnn", musicnn))
        },
        "threads": threads(cnn, songs[30]),
        "whole_song": whole_song(cnn, songs[240]),
        "memory": {f"{seconds} s": memory(cnn, songs[30], path) for seconds, path in songs.items()},
        "live": {"genre_cnn": live(cnn, songs[60]), "genre_gru": live(gru, songs[60])},
    }


def song(tracks: list[Path], seconds: int, work: Path) -> Path:
    """An mp3 of so many seconds, 44.1 kHz stereo, of tracks one after another."""
    path = work / f"{seconds}.mp3"
    wanted = seconds * RATE
    parts, n_samples = [], 0
    for number in range(10_000):
        parts.append(audio.load_audio(tracks[number % len(tracks)], RATE).y)
        n_samples += len(parts[-1])
        if n_samples >= wanted:
            break
    y = np.concatenate(parts)[:wanted]
    soundfile.write(path, np.stack([y, y], axis=1), RATE)
    return path


def interleaved(one: Callable[[], object], other: Callable[[], object], pairs: int = PAIRS) -> dict[str, float]:
    """Median seconds of two things done in turn, and the median of their ratios."""
    times = []
    for _ in range(pairs):
        times.append((took(one), took(other)))
    firsts, seconds = zip(*times, strict=True)
    ratios = [first / second for first, second in times]
    return {
        "seconds": round(statistics.median(firsts), 4),
        "against": round(statistics.median(seconds), 4),
        "ratio": round(statistics.median(ratios), 3),
        "pairs": pairs,
    }


def took(do: Callable[[], object]) -> float:
    """Seconds that something takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def first_answer(run: Path, path: Path) -> dict[str, float]:
    """`musicml predict` in a new process, by the exported model, against the same by Keras on TensorFlow."""

    def ask(engine: str) -> None:
        words = [sys.executable, "-m", "musicml.cli", "predict", run, path, "--engine", engine, "--json"]
        subprocess.run([str(word) for word in words], cwd=ROOT, check=True, capture_output=True)

    ask("onnx")  # once, so that both find their files in the cache
    ask("keras")
    return interleaved(lambda: ask("onnx"), lambda: ask("keras"))


def stranger_answer(run: Path, path: Path, work: Path, engine: str) -> dict[str, float]:
    """The first answer of a copy that nobody trusts, which is asked in a process of its own, against the run's own."""
    copy = Path(shutil.copytree(run, work / f"stranger-{engine}"))
    (copy / "signature.json").unlink(missing_ok=True)
    trust.trust_run(runs.Run(run))

    def ask(which: Path) -> None:
        words = [sys.executable, "-m", "musicml.cli", "predict", which, path, "--engine", engine, "--json"]
        subprocess.run([str(word) for word in words], cwd=ROOT, check=True, capture_output=True)

    ask(copy)
    ask(run)
    return interleaved(lambda: ask(copy), lambda: ask(run))


def warm(run: Path, path: Path) -> dict[str, float]:
    """A warm answer, against decoding, features and one batched pass over the same windows."""
    predictor = Predictor(runs.Run(run))
    settings, clip = predictor.settings, predictor.serving.clip
    model = backends.load_model(run, predictor.serving)

    def bare() -> None:
        values = settings.compute(audio.load_audio(path, settings.sample_rate).y)
        places = clip.compute_starts(len(values))
        model.scores(np.stack([values[place : place + clip.n_frames] for place in places]))

    predictor.predict(path)
    bare()
    return interleaved(lambda: predictor.predict(path), bare, 21)


def threads(run: Path, path: Path) -> dict[str, Any]:
    """Sixteen threads that ask one Predictor: the largest difference from one, and how often the model was loaded."""
    alone, shared = Predictor(runs.Run(run)).predict(path), Predictor(runs.Run(run))
    answers, loads, load = [], [], backends.load_model
    backends.load_model = lambda *words: loads.append(words) or load(*words)
    try:
        asked = [threading.Thread(target=lambda: answers.append(shared.predict(path))) for _ in range(16)]
        for thread in asked:
            thread.start()
        for thread in asked:
            thread.join()
    finally:
        backends.load_model = load
    gap = max(float(np.abs(answer.scores - alone.scores).max()) for answer in answers)
    return {"answers": len(answers), "largest_difference": gap, "model_loads": len(loads)}


def whole_song(run: Path, path: Path) -> dict[str, float]:
    """A warm answer for a four-minute song, clip by clip."""
    predictor = Predictor(runs.Run(run))
    n_clips = len(predictor.predict(path).starts)
    times = [took(lambda: predictor.predict(path)) for _ in range(PAIRS)]
    return {"seconds": round(statistics.median(times), 3), "longest": round(max(times), 3), "clips": n_clips}


def memory(run: Path, warm_by: Path, path: Path) -> float:
    """Peak memory that an answer takes above that of a process which has answered for half a minute, MB."""
    words = [sys.executable, "-m", "benchmarks.prediction", run.absolute(), warm_by.absolute(), path.absolute()]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def live(run: Path, path: Path) -> dict[str, float]:
    """A minute heard in blocks of a tenth of a second: the largest difference from the file, seconds an answer took."""
    predictor = Predictor(runs.Run(run))
    wanted = predictor.predict(path).scores
    y = audio.load_audio(path).y
    recording, times = StreamingPredictor(predictor, RATE), []
    for place in range(0, len(y), RATE // 10):
        begun = time.perf_counter()
        if list(recording.feed(y[place : place + RATE // 10])):
            times.append(time.perf_counter() - begun)
    gap = float(np.abs(recording.end().scores - wanted).max())
    return {
        "answers": len(times),
        "median_seconds": round(statistics.median(times), 4),
        "longest_seconds": round(max(times), 4),
        "largest_difference": gap,
    }


def alone(run: str, warm_by: str, path: str) -> float:
    """`memory`, within its own process."""
    from tests.fuzz import forget_peak, peak_megabytes

    predictor = Predictor(runs.Run(Path(run)))
    predictor.predict(warm_by)
    forget_peak()
    base = peak_megabytes()
    predictor.predict(path)
    return round(peak_megabytes() - base, 1)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    song_ = measured["whole_song"]
    said = [
        f"first answer in a new process, 30 s mp3, {name}: {row['seconds']:.2f} s by the exported model, "
        f"{row['against']:.2f} s by TensorFlow (ratio {row['ratio']:.2f})"
        for name, row in measured["first"].items()
    ]
    said += [
        f"first answer of a run that is not one's own, 30 s mp3, genre_cnn by {engine}: {row['seconds']:.2f} s in a "
        f"process of its own, {row['against']:.2f} s once it is trusted (ratio {row['ratio']:.2f})"
        for engine, row in measured.get("stranger", {}).items()
    ]
    said += [
        f"warm answer, 30 s mp3, {name}: {row['seconds'] * 1000:.0f} ms, "
        f"{row['ratio']:.2f} times decoding, features and one pass"
        for name, row in measured["warm"].items()
    ]
    said += [
        f"16 threads: {measured['threads']['model_loads']} load of the model, "
        f"differences up to {measured['threads']['largest_difference']:.1g}",
        f"4-minute mp3, genre_cnn, warm: {song_['seconds']:.2f} s for {song_['clips']} clips "
        f"(longest {song_['longest']:.2f})",
        "memory above a warm process: " + ", ".join(f"{name}: {mb:.0f} MB" for name, mb in measured["memory"].items()),
    ]
    said += [
        f"live, {name}: {row['median_seconds'] * 1000:.0f} ms an answer (longest {row['longest_seconds'] * 1000:.0f}), "
        f"within {row['largest_difference']:.1g} of the file"
        for name, row in measured["live"].items()
    ]
    return said


if __name__ == "__main__":
    print(json.dumps(alone(*sys.argv[1:])))
