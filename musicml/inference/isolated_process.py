"""Run a model by someone else in an isolated process with limited memory and time.

The processes exchange plain arrays and JSON, never pickles, so the worst result is a wrong prediction. The limits are
set after the libraries are imported, since their size differs between machines.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from musicml.experiment import Run
from musicml.inference import backends
from musicml.inference.manifest import Manifest, read_manifest
from musicml.inference.model_limits import MEGABYTE, check_model_file, check_weights
from musicml.inference.trust import HAS_MEMORY_LIMIT
from musicml.utils import InputError, Message, add_messages, import_keras, is_of_type, restore_messages

FREE_BYTES, BYTES_PER_BYTE = 384 * MEGABYTE, 6  # memory limit besides the libraries: a constant, and per byte of model
START_SECONDS = 300.0  # wall-clock time for the imports on a busy machine
LOAD_SECONDS = {"onnx": 5.0, "keras": 60.0, "scikit-learn": 20.0}  # CPU time of all cores together
ANSWER_SECONDS = {"onnx": 1.5, "keras": 15.0, "scikit-learn": 5.0}  # CPU time per clip of at most CLIP_VALUES
CLIP_VALUES, SLOWDOWN_BYTES = 224 * 224 * 3, 32 * MEGABYTE
CLOCK_FACTOR = 4.0  # wall-clock seconds per second of CPU time, since other programs run too
MAX_HEAD_BYTES, MAX_ARRAY_BYTES = 65_536, 256 * MEGABYTE
FRAME = struct.Struct("<cIQ")  # kind, bytes of JSON, bytes of an array
READY, REQUEST, ANSWER, ERROR = b"r", b"q", b"a", b"e"
# each thread needs memory; on a machine with many cores they need more than a model
THREAD_LIMITS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "MALLOC_ARENA_MAX"),
    "2",
)


def open_isolated_model(run: Run, serving: Manifest, engine: str) -> backends.Model:
    """Check the model file of a run, and open it in an isolated process.

    Raises
    ------
    InputError
        If the file exceeds a limit, or the process fails or reaches its limit.
    """
    check_model_file(backends.find_model(run.path, serving, engine))
    process = ModelProcess(run, engine)
    info = process.load()

    def score(clips: np.ndarray) -> np.ndarray:
        """Score clips in the isolated process."""
        return process.request("scores", clips, (len(clips), len(serving.class_names)))

    def draw_maps(clips: np.ndarray) -> np.ndarray:
        """Compute class activation maps in the isolated process."""
        return process.request("maps", clips, (len(clips), None, None, len(serving.class_names)))

    return backends.Model(str(info.get("engine")), score, draw_maps if info.get("maps") else None)


class ModelProcess:
    """A client of the isolated process, which ends when this object is deleted."""

    def __init__(self, run: Run, engine: str):
        self.run, self.engine, self.lock, self.was_interrupted = run, engine, threading.Lock(), False
        self._start()

    def _start(self) -> None:
        arguments = ["-P", "-m", "musicml.inference.isolated_process", str(self.run.path.absolute()), self.engine]
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # library messages about memory, which the error message covers
            env={**os.environ, **THREAD_LIMITS, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the other one
        )
        self.end = weakref.finalize(self, _end, self.process)

    def load(self) -> dict[str, Any]:
        """Wait until the model is loaded; return its engine, and whether it has class activation maps."""
        with self._watch(START_SECONDS + CLOCK_FACTOR * max(LOAD_SECONDS.values())):
            return self._read(READY)[0]

    def request(self, what: str, clips: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
        """Compute `scores` or `maps` of clips, float32, with the expected shape, in which None is any size."""
        clips = np.ascontiguousarray(clips, dtype=np.float32)
        with self.lock:
            try:
                if self.was_interrupted:
                    self._start()
                    self.load()
                    self.was_interrupted = False
                with self._watch(START_SECONDS + CLOCK_FACTOR * len(clips) * _get_clip_seconds("keras", clips)):
                    _write_frame(self._get_pipe("stdin"), REQUEST, {"what": what, "shape": clips.shape}, clips)
                    head, content = self._read(ANSWER)
            except InputError:
                raise
            except (OSError, ValueError):  # the process has ended
                raise self._explain() from None
            except BaseException:  # such as Ctrl-C in a notebook; the next request would read the answer to this one
                self.end()
                self.was_interrupted = True
                raise
        actual: Any = head.get("shape")
        fits = is_of_type(actual, list[int]) and len(actual) == len(shape) and all(n > 0 for n in actual)
        if (
            not fits
            or any(expected not in (None, n) for n, expected in zip(actual, shape, strict=True))
            or len(content) != 4 * math.prod(actual)
        ):
            raise self._make_error(Message("returned an array of the wrong shape"))
        return np.frombuffer(content, dtype=np.float32).reshape(actual).copy()

    @contextlib.contextmanager
    def _watch(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes longer in wall-clock time; it limits its own CPU time more precisely."""
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def _read(self, expected: bytes) -> tuple[dict[str, Any], bytes]:
        """Read one frame of the expected kind; raise an InputError if an error frame comes instead."""
        try:
            kind, head, content = _read_frame(self._get_pipe("stdout"))
        except (OSError, EOFError, ValueError, RecursionError):
            raise self._explain() from None
        if kind == ERROR:
            self.end()
            if head.get("error"):
                raise InputError(_limit_length(head["error"], 1000))
            raise self._make_error(_limit_length(head.get("failure", ""), 200))
        if kind != expected:
            raise self._explain()
        return head, content

    def _get_pipe(self, name: str) -> BinaryIO:
        return getattr(self.process, name)

    def _explain(self) -> InputError:
        """Make the error for a process that has ended: it reached its time limit, or crashed."""
        self.end()
        signals = (-signal.SIGKILL, -getattr(signal, "SIGPROF", 0)) if os.name == "posix" else ()
        is_timeout = self.process.returncode in signals
        return self._make_error(Message("exceeded its time limit") if is_timeout else Message("crashed"))

    def _make_error(self, failure: str) -> InputError:
        return InputError(
            "The model of {run_name} is not yours, so it was opened in a process of its own, and it {failure}. If you "
            "know who made it, run `musicml runs --trust {path}` and try again.",
            run_name=self.run.name,
            failure=failure,
            path=shlex.quote(str(self.run.path)),
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and wait for its end."""
    with contextlib.suppress(OSError):
        process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()
    process.wait()


# In the isolated process


def serve() -> None:
    """Load the model of the run on the command line, and answer requests until the pipe is closed."""
    pipe_out, pipe_in = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)  # what libraries print must not go into the pipe
    try:
        run, engine = Run(Path(sys.argv[1])), sys.argv[2]
        model, size = _load(run, engine)
        _write_frame(pipe_out, READY, {"engine": model.engine, "maps": model.maps is not None})
        is_first = True
        while True:
            try:
                _, head, content = _read_frame(pipe_in)
            except EOFError:
                return
            clips = np.frombuffer(content, dtype=np.float32).reshape(head["shape"])
            compute = model.maps if head["what"] == "maps" and model.maps else model.scores
            parts = [clips[:1], clips[1:]] if is_first else [clips]  # first one clip, which reveals a slow model early
            results = []
            for part in parts:
                if len(part):
                    _limit_seconds(len(part) * _get_clip_seconds(model.engine, part, size))
                    results.append(np.asarray(compute(part), dtype=np.float32))
            _limit_seconds(0)
            result, is_first = np.ascontiguousarray(np.concatenate(results)), False
            _write_frame(pipe_out, ANSWER, {"shape": result.shape}, result)
    except InputError as error:
        _write_frame(pipe_out, ERROR, {"error": error.message})
    except BrokenPipeError:
        return
    except BaseException as error:  # each library raises errors of its own
        _limit_seconds(0)
        _write_frame(pipe_out, ERROR, {"failure": _describe(error)})


def _load(run: Run, engine: str) -> tuple[backends.Model, int]:
    """Import the libraries, limit this process, and load the model; return it and the size of its file in bytes."""
    serving = read_manifest(run)
    file = backends.find_model(run.path, serving, engine)
    kind = {".onnx": "onnx", ".skops": "scikit-learn"}.get(file.suffix, "keras")
    size = file.stat().st_size
    n_bytes = FREE_BYTES + BYTES_PER_BYTE * size
    if kind == "keras":  # check the weights before the slow import of Keras
        import h5py  # noqa: F401

        _limit_memory(n_bytes, is_final=False)
        _limit_seconds(LOAD_SECONDS[kind])
        check_weights(file)
        _limit_seconds(0)
        _limit_memory(0, is_final=False)
    _import_libraries(kind)
    _limit_memory(n_bytes)
    _limit_seconds(LOAD_SECONDS[kind])
    model = backends.open_model(run.path, serving, engine, n_threads=2)
    _limit_seconds(0)
    return model, size


def _import_libraries(kind: str) -> None:
    """Import the libraries for a kind of model, and let them start their threads."""
    if kind == "onnx":
        import onnxruntime  # noqa: F401
    elif kind == "scikit-learn":
        import sklearn.ensemble  # noqa: F401
        import skops.io  # noqa: F401
    else:
        keras = import_keras()
        keras.ops.convert_to_numpy(keras.ops.matmul(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)))


def _limit_memory(n_bytes: int, is_final: bool = True) -> None:
    """Allow this process `n_bytes` more memory than it has now, or remove the limit if 0. Only works on Linux.

    A final limit can't be raised again.
    """
    if not HAS_MEMORY_LIMIT:
        return
    import resource

    status = Path("/proc/self/status").read_text()
    now = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:")) * 1024
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = now + n_bytes if n_bytes else hard
    if n_bytes and hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit if is_final else hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no memory dump of a crash on the disk


def _limit_seconds(seconds: float) -> None:
    """End this process after `seconds` of CPU time, counted over all cores; 0 removes the limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _get_clip_seconds(engine: str, clips: np.ndarray, size: int = 0) -> float:
    """Return the time limit per clip in seconds, which grows with the clip and with the `size` of the model file."""
    return ANSWER_SECONDS[engine] * max(1.0, math.prod(clips.shape[1:]) / CLIP_VALUES) * (1 + size / SLOWDOWN_BYTES)


def _limit_length(value: Any, most: int) -> str:
    """Return a message of at most `most` characters unchanged, and any other value as shortened text."""
    return value if isinstance(value, Message) and len(value) <= most else str(value)[:most]


def _describe(error: BaseException) -> str:
    """Describe in a few words why a model could not be loaded or used."""
    text = " ".join(f"{type(error).__name__} {error}".split())
    if any(word in text.lower() for word in ("memory", "alloc", "resourceexhausted")):
        return Message("exceeded its memory limit")
    return Message("failed ({error})", error=text[:120])


# In both processes


def _write_frame(pipe: BinaryIO, kind: bytes, head: dict[str, Any], array: np.ndarray | None = None) -> None:
    text, content = json.dumps(add_messages(head)).encode(), b"" if array is None else array.tobytes()
    pipe.write(FRAME.pack(kind, len(text), len(content)) + text)
    pipe.write(content)
    pipe.flush()


def _read_frame(pipe: BinaryIO) -> tuple[bytes, dict[str, Any], bytes]:
    """Read one frame; raise EOFError at the end of the pipe, ValueError for an invalid frame."""
    kind, n_text, n_bytes = FRAME.unpack(_read_bytes(pipe, FRAME.size))
    if n_text > MAX_HEAD_BYTES or n_bytes > MAX_ARRAY_BYTES:
        raise ValueError(n_text, n_bytes)
    head = restore_messages(json.loads(_read_bytes(pipe, n_text)))
    if not isinstance(head, dict):
        raise ValueError(head)
    return kind, head, _read_bytes(pipe, n_bytes)


def _read_bytes(pipe: BinaryIO, n: int) -> bytes:
    content = pipe.read(n)
    if len(content) < n:
        raise EOFError
    return content


if __name__ == "__main__":
    serve()
