"""Ask a stranger's model in a process of its own, whose memory and time are limited.

What goes to and fro are plain arrays and JSON, never pickles, so that the other process can answer wrongly but no more.
The limits are set once the libraries are imported, which differ from machine to machine.
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

FREE_BYTES, BYTES_PER_BYTE = 384 * MEGABYTE, 6  # of memory beside the libraries': for any model, for its file's size
START_SECONDS = 300.0  # on the clock, for the imports on a busy machine
LOAD_SECONDS = {"onnx": 5.0, "keras": 60.0, "scikit-learn": 20.0}  # of all processors together
ANSWER_SECONDS = {"onnx": 1.5, "keras": 15.0, "scikit-learn": 5.0}  # for a clip of at most `CLIP_VALUES`, and so on
CLIP_VALUES, SIZE_BYTES = 224 * 224 * 3, 32 * MEGABYTE
PATIENCE = 4.0  # seconds on the clock for each of a processor's, since other programs run too
MAX_HEAD, MAX_ANSWER = 65_536, 256 * MEGABYTE
FRAME = struct.Struct("<cIQ")  # kind, bytes of JSON, bytes of an array
READY, ASKED, ANSWER, ERROR = b"r", b"q", b"a", b"e"
# threads take memory each, on a machine of many cores more than a model
FEW = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "MALLOC_ARENA_MAX"),
    "2",
)


def open_isolated_model(run: Run, serving: Manifest, engine: str) -> backends.Model:
    """Open a run's model in a process of its own, once its file was looked at.

    Raises
    ------
    InputError
        If the file asks for too much, or the process broke or came to its limit.
    """
    check_model_file(backends.find_model(run.path, serving, engine))
    process = ModelProcess(run, engine)
    facts = process.load()

    def score(clips: np.ndarray) -> np.ndarray:
        return process.ask("scores", clips, (len(clips), len(serving.class_names)))

    def draw_maps(clips: np.ndarray) -> np.ndarray:
        return process.ask("maps", clips, (len(clips), None, None, len(serving.class_names)))

    return backends.Model(str(facts.get("engine")), score, draw_maps if facts.get("maps") else None)


class ModelProcess:
    """The other process, seen from this one; it ends with this object."""

    def __init__(self, run: Run, engine: str):
        self.run, self.engine, self.lock, self.was_interrupted = run, engine, threading.Lock(), False
        self._start()

    def _start(self) -> None:
        words = ["-P", "-m", "musicml.inference.isolated_process", str(self.run.path.absolute()), self.engine]
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where libraries say what they have no more memory for
            env={**os.environ, **FEW, "PYTHONPATH": paths},
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
        self.end = weakref.finalize(self, _end, self.process)

    def load(self) -> dict[str, Any]:
        """Wait until the model is loaded; return which engine answers, and whether it gives maps."""
        with self._watch(START_SECONDS + PATIENCE * max(LOAD_SECONDS.values())):
            return self._read(READY)[0]

    def ask(self, what: str, clips: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return what the model gives for clips, float32, of a shape in which None is any number."""
        clips = np.ascontiguousarray(clips, dtype=np.float32)
        with self.lock:
            try:
                if self.was_interrupted:
                    self._start()
                    self.load()
                    self.was_interrupted = False
                with self._watch(START_SECONDS + PATIENCE * len(clips) * _get_clip_seconds("keras", clips)):
                    _write_frame(self._get_pipe("stdin"), ASKED, {"what": what, "shape": clips.shape}, clips)
                    head, content = self._read(ANSWER)
            except InputError:
                raise
            except (OSError, ValueError):  # it has ended, or was ended after an error
                raise self._explain() from None
            except BaseException:  # as Ctrl-C in a notebook: what is read next would be the answer to this question
                self.end()
                self.was_interrupted = True
                raise
        found: Any = head.get("shape")
        fits = is_of_type(found, list[int]) and len(found) == len(shape) and all(n > 0 for n in found)
        if (
            not fits
            or any(wanted not in (None, n) for n, wanted in zip(found, shape, strict=True))
            or len(content) != 4 * math.prod(found)
        ):
            raise self._make_error(Message("answered in another shape than its classes have"))
        return np.frombuffer(content, dtype=np.float32).reshape(found).copy()

    @contextlib.contextmanager
    def _watch(self, seconds: float) -> Iterator[None]:
        """End the other process if it takes longer, on the clock; it counts its own time more closely."""
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def _read(self, wanted: bytes) -> tuple[dict[str, Any], bytes]:
        """Read one frame; raise the error that comes in its place."""
        try:
            kind, head, content = _read_frame(self._get_pipe("stdout"))
        except (OSError, EOFError, ValueError, RecursionError):
            raise self._explain() from None
        if kind == ERROR:
            self.end()
            if head.get("refusal"):
                raise InputError(_cut(head["refusal"], 1000))
            raise self._make_error(_cut(head.get("said", ""), 200))
        if kind != wanted:
            raise self._explain()
        return head, content

    def _get_pipe(self, name: str) -> BinaryIO:
        return getattr(self.process, name)

    def _explain(self) -> InputError:
        """Return the error of a process that has ended: it came to its limit of time, or broke."""
        self.end()
        late = (-signal.SIGKILL, -getattr(signal, "SIGPROF", 0)) if os.name == "posix" else ()
        return self._make_error(
            Message("needed more time than it has") if self.process.returncode in late else Message("broke")
        )

    def _make_error(self, said: str) -> InputError:
        return InputError(
            "The model of {run_name} is not yours, so it was opened in a process of its own, and it {said}. If you "
            "know who made it, run `musicml runs --trust {path}` and try again.",
            run_name=self.run.name,
            said=said,
            path=shlex.quote(str(self.run.path)),
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the other process, whatever it does, and wait for it."""
    with contextlib.suppress(OSError):
        process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()
    process.wait()


# The other process


def serve() -> None:
    """Load the model of the run that the command line names, and answer until nobody asks any more."""
    pipe_out, pipe_in = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)  # libraries print, too, and this pipe is for answers
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
            ask = model.maps if head["what"] == "maps" and model.maps else model.scores
            parts = [clips[:1], clips[1:]] if is_first else [clips]  # one alone, so that a slow model shows early
            given = []
            for part in parts:
                if len(part):
                    _limit_seconds(len(part) * _get_clip_seconds(model.engine, part, size))
                    given.append(np.asarray(ask(part), dtype=np.float32))
            _limit_seconds(0)
            found, is_first = np.ascontiguousarray(np.concatenate(given)), False
            _write_frame(pipe_out, ANSWER, {"shape": found.shape}, found)
    except InputError as error:
        _write_frame(pipe_out, ERROR, {"refusal": error.message})
    except BrokenPipeError:
        return
    except BaseException as error:  # each library has its own way to say what is wrong
        _limit_seconds(0)
        _write_frame(pipe_out, ERROR, {"said": _describe(error)})


def _load(run: Run, engine: str) -> tuple[backends.Model, int]:
    """Import what the model needs, limit this process, and load the model; return it and the bytes of its file."""
    serving = read_manifest(run)
    file = backends.find_model(run.path, serving, engine)
    kind = {".onnx": "onnx", ".skops": "scikit-learn"}.get(file.suffix, "keras")
    size = file.stat().st_size
    more = FREE_BYTES + BYTES_PER_BYTE * size
    if kind == "keras":  # before Keras is imported, which takes longer than to find out
        import h5py  # noqa: F401

        _limit_memory(more, is_final=False)
        _limit_seconds(LOAD_SECONDS[kind])
        check_weights(file)
        _limit_seconds(0)
        _limit_memory(0, is_final=False)
    _import_libraries(kind)
    _limit_memory(more)
    _limit_seconds(LOAD_SECONDS[kind])
    model = backends.open_model(run.path, serving, engine, n_threads=2)
    _limit_seconds(0)
    return model, size


def _import_libraries(kind: str) -> None:
    """Import what opens a kind of model, and let it start its threads."""
    if kind == "onnx":
        import onnxruntime  # noqa: F401
    elif kind == "scikit-learn":
        import sklearn.ensemble  # noqa: F401
        import skops.io  # noqa: F401
    else:
        keras = import_keras()
        keras.ops.convert_to_numpy(keras.ops.matmul(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)))


def _limit_memory(more: int, is_final: bool = True) -> None:
    """Allow this process so many bytes more than it has now, 0 as many as before; on Linux, elsewhere nothing happens.

    A final limit can't be raised again.
    """
    if not HAS_MEMORY_LIMIT:
        return
    import resource

    status = Path("/proc/self/status").read_text()
    now = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:")) * 1024
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = now + more if more else hard
    if more and hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most if is_final else hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_seconds(seconds: float) -> None:
    """End this process after so many seconds of all processors together; 0 lifts that."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _get_clip_seconds(engine: str, clips: np.ndarray, size: int = 0) -> float:
    """Return how long a clip may take; of a large picture, or a file of `size` bytes, longer."""
    return ANSWER_SECONDS[engine] * max(1.0, math.prod(clips.shape[1:]) / CLIP_VALUES) * (1 + size / SIZE_BYTES)


def _cut(said: Any, most: int) -> str:
    """Return a message of the other process as it is, and anything else as text of at most so many characters."""
    return said if isinstance(said, Message) and len(said) <= most else str(said)[:most]


def _describe(error: BaseException) -> str:
    """Say in a few words why a model could not be loaded or asked."""
    said = " ".join(f"{type(error).__name__} {error}".split())
    if any(word in said.lower() for word in ("memory", "alloc", "resourceexhausted")):
        return Message("needed more memory than it has")
    return Message("can't be used ({said})", said=said[:120])


# Both


def _write_frame(pipe: BinaryIO, kind: bytes, head: dict[str, Any], array: np.ndarray | None = None) -> None:
    words, content = json.dumps(add_messages(head)).encode(), b"" if array is None else array.tobytes()
    pipe.write(FRAME.pack(kind, len(words), len(content)) + words)
    pipe.write(content)
    pipe.flush()


def _read_frame(pipe: BinaryIO) -> tuple[bytes, dict[str, Any], bytes]:
    """Read one frame; EOFError where there is none any more, ValueError where it is none of ours."""
    kind, n_words, n_bytes = FRAME.unpack(_read_bytes(pipe, FRAME.size))
    if n_words > MAX_HEAD or n_bytes > MAX_ANSWER:
        raise ValueError(n_words, n_bytes)
    head = restore_messages(json.loads(_read_bytes(pipe, n_words)))
    if not isinstance(head, dict):
        raise ValueError(head)
    return kind, head, _read_bytes(pipe, n_bytes)


def _read_bytes(pipe: BinaryIO, n: int) -> bytes:
    found = pipe.read(n)
    if len(found) < n:
        raise EOFError
    return found


if __name__ == "__main__":
    serve()
