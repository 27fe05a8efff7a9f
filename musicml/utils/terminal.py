"""Show the package's messages on a terminal, and hold back what libraries print while they start."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import textwrap
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TextIO

from musicml.utils.errors import make_readable
from musicml.utils.messages import Message

PACKAGE = logging.getLogger("musicml")  # every module's logger is below it
speaker = ""  # the experiment whose messages these are, where several are trained at once
CAPTURING = threading.Lock()
captures: Counter[int | None] = Counter()  # by thread: how deep its messages are captured
open_captures: dict[Any, int] = {}  # the captures that are open, and the level that the package had before them


class TerminalHandler(logging.Handler):
    """Print messages on standard error, so that standard output stays free for results."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless its thread's messages go elsewhere."""
        if not captures[record.thread]:
            print_message(record.getMessage())


def show_messages(level: int | None = None) -> None:
    """Show the package's messages of a level and above on the terminal, from now on.

    Without a level, as in a notebook, information is shown where nobody has set up logging yet.
    """
    handler = next((one for one in PACKAGE.handlers if isinstance(one, TerminalHandler)), None)
    if level is None and (handler or PACKAGE.level or PACKAGE.hasHandlers()):
        return
    if handler is None:
        PACKAGE.addHandler(handler := TerminalHandler())
    handler.setLevel(level or logging.INFO)
    PACKAGE.setLevel(level or logging.INFO)


@contextlib.contextmanager
def capture_messages(show: Callable[[str], object]) -> Iterator[None]:
    """Hand the messages that this thread logs to `show` and not to the terminal; what `show` raises ends the work."""

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and captures[thread] == depth:
                show(record.msg if isinstance(record.msg, Message) else record.getMessage())

    thread, handler = threading.get_ident(), Capture()
    with CAPTURING:
        captures[thread] += 1
        depth = captures[thread]
        if not open_captures:
            open_captures["level"] = PACKAGE.level
            PACKAGE.setLevel(min(PACKAGE.level or logging.INFO, logging.INFO))
        open_captures[id(handler)] = 0
        PACKAGE.addHandler(handler)
    try:
        yield
    finally:
        with CAPTURING:
            captures[thread] -= 1
            PACKAGE.removeHandler(handler)
            del open_captures[id(handler)]
            if len(open_captures) == 1:
                PACKAGE.setLevel(open_captures.pop("level"))


def print_message(words: str) -> None:
    """Print a message on standard error.

    A character that would write elsewhere on a terminal, as a file's name may hold, is printed as a question mark.
    """
    words = replace_controls(make_readable(words))
    words = textwrap.indent(words.strip("\n"), get_log_prefix()) if speaker else words
    print(f"{words}\n", end="", file=sys.stderr, flush=True)  # in one piece: others may be writing too


def replace_controls(words: str, kept: str = "\n\t") -> str:
    r"""Replace each character that would steer a terminal by a question mark, but those of `kept`.

    >>> replace_controls("\x1b[31mred\n")
    '?[31mred\n'
    """
    return words if words.isprintable() else "".join(one if one.isprintable() or one in kept else "?" for one in words)


class PlainOutput:
    """Standard output through `replace_controls`: a run, a class or a file may have any name."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        """Write text, and return how many characters that were."""
        return self._stream.write(replace_controls(words, "\n\t\r"))

    def __getattr__(self, name: str) -> Any:
        """Leave all else to the stream."""
        return getattr(self._stream, name)


def get_log_prefix() -> str:
    """Return what stands before each line where several experiments are trained at once: the experiment's name."""
    return f"{speaker}: " if speaker else ""


def set_log_prefix(name: str) -> None:
    """From now on, `print_message` names `name` before each line."""
    global speaker
    speaker = name


def has_progress_bars() -> bool:
    """Return whether bars can show how far something is; elsewhere lines are logged."""
    is_shown = any(isinstance(handler, TerminalHandler) for handler in PACKAGE.handlers)
    return is_shown and not speaker and not captures[threading.get_ident()] and sys.stderr.isatty()


# TensorFlow and JAX take memory as they need it, and not all of a GPU's at once
SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
KERAS = threading.RLock()  # half-imported, Keras fails whoever comes second
STDERR = threading.RLock()  # one descriptor, which two must not turn away at once


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Hold back what libraries write to standard error; show it if the block fails.

    TensorFlow's start-up lines come from C++ and stay whatever TF_CPP_MIN_LOG_LEVEL says, so the file descriptor
    itself is turned away for the while.
    """
    sys.stderr.flush()
    with STDERR, tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception:
            held.seek(0)
            os.write(before, held.read()[-4000:])
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


def choose_backend() -> str:
    """What Keras computes with: as KERAS_BACKEND says, else TensorFlow where it is installed, else JAX."""
    installed = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    return os.environ.get("KERAS_BACKEND") or (installed or ["tensorflow"])[0]


def import_keras() -> ModuleType:
    """Keras with its backend, imported without the backend's start-up lines."""
    for variable, value in SHARED_GPU.items():  # even where Keras is there: what counts is when a GPU is first used
        os.environ.setdefault(variable, value)
    with KERAS:
        if "keras" in sys.modules:
            return sys.modules["keras"]
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("KERAS_BACKEND", choose_backend())
        with suppress_stderr():
            import keras
    keras.config.disable_interactive_logging()  # its bars go to standard output, which is for results
    # one process trains many models, each with tracing of its own; TensorFlow's advice about that is for loops
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return keras


class _LazyKeras:
    """Keras, imported when something of it is first used: an experiment can be read and checked without it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_keras(), name)


keras: Any = _LazyKeras()
