"""Terminal output: log messages, suppression of library start-up noise, and the import of Keras without it."""

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

PACKAGE = logging.getLogger("musicml")  # the parent of every module's logger
_prefix_name = ""  # the experiment named before each line, if several are trained at once
_n_suppressed = 0  # open blocks of `suppress_stderr`


class _Captures:
    """The open captures: their nesting depth by thread, and the package's log level before the first of them."""

    lock = threading.Lock()
    depths: Counter[int | None] = Counter()
    level = logging.NOTSET


class TerminalHandler(logging.Handler):
    """Print messages on standard error, so that standard output stays free for results."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, unless the messages of its thread are captured."""
        if not _Captures.depths[record.thread]:
            print_message(record.getMessage())


def show_messages(level: int | None = None) -> None:
    """Show the package's log messages of a level and above on the terminal.

    Without a level, as in a notebook, messages of level INFO are shown unless logging is already configured.
    """
    handler = next((handler for handler in PACKAGE.handlers if isinstance(handler, TerminalHandler)), None)
    if level is None and (handler or PACKAGE.level or PACKAGE.hasHandlers()):
        return
    if handler is None:
        PACKAGE.addHandler(handler := TerminalHandler())
    handler.setLevel(level or logging.INFO)
    PACKAGE.setLevel(level or logging.INFO)


@contextlib.contextmanager
def capture_messages(show: Callable[[str], object]) -> Iterator[None]:
    """Pass the messages that this thread logs to `show` instead of the terminal. An error in `show` ends the block."""

    class Capture(logging.Handler):
        """A handler that passes messages of one thread to `show`."""

        def emit(self, record: logging.LogRecord) -> None:
            """Pass on a record of this thread."""
            if record.thread == thread and _Captures.depths[thread] == depth:  # only the innermost capture
                show(record.msg if isinstance(record.msg, Message) else record.getMessage())

    thread, handler = threading.get_ident(), Capture()
    with _Captures.lock:
        if not _Captures.depths.total():  # the first capture: INFO messages have to reach its handler
            _Captures.level = PACKAGE.level
            PACKAGE.setLevel(min(PACKAGE.level or logging.INFO, logging.INFO))
        _Captures.depths[thread] += 1
        depth = _Captures.depths[thread]
        PACKAGE.addHandler(handler)
    try:
        yield
    finally:
        with _Captures.lock:
            _Captures.depths[thread] -= 1
            PACKAGE.removeHandler(handler)
            if not _Captures.depths.total():
                PACKAGE.setLevel(_Captures.level)


def is_hidden() -> bool:
    """Return whether the messages of this thread are captured, or hidden with standard error."""
    return bool(_Captures.depths[threading.get_ident()] or _n_suppressed)


def print_message(text: str) -> None:
    """Print a message on standard error (in a notebook: as output), with a question mark for each control character."""
    text = replace_controls(make_readable(text))
    text = textwrap.indent(text.strip("\n"), get_log_prefix()) if _prefix_name else text
    # a notebook shows standard error in red, as if something had failed
    stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    print(f"{text}\n", end="", file=stream, flush=True)  # one write, so that lines of several processes don't mix


def replace_controls(text: str, keep: str = "\n\t") -> str:
    r"""Replace each control character by a question mark, except those in `keep`.

    >>> replace_controls("\x1b[31mred\n")
    '?[31mred\n'
    """
    return text if text.isprintable() else "".join(char if char.isprintable() or char in keep else "?" for char in text)


class PlainOutput:
    """A text stream without control characters, since the name of a run, a class or a file may contain any."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, and return the number of characters written."""
        return self._stream.write(replace_controls(text, "\n\t\r"))

    def __getattr__(self, name: str) -> Any:
        """Forward everything else to the stream."""
        return getattr(self._stream, name)


def get_log_prefix() -> str:
    """Return the prefix of log lines when several processes write to one terminal: the experiment's name."""
    return f"{_prefix_name}: " if _prefix_name else ""


def set_log_prefix(name: str) -> None:
    """Prefix each line that `print_message` prints with `name`."""
    global _prefix_name
    _prefix_name = name


def has_progress_bars() -> bool:
    """Return whether progress bars can be shown; otherwise progress is logged in lines."""
    is_shown = any(isinstance(handler, TerminalHandler) for handler in PACKAGE.handlers)
    is_captured = bool(_Captures.depths[threading.get_ident()])
    return is_shown and not _prefix_name and not is_captured and sys.stderr.isatty()


# let TensorFlow and JAX allocate GPU memory as needed; by default they reserve nearly all of it at the start
SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
KERAS_LOCK = threading.RLock()  # a second thread must not see a half-imported Keras
STDERR_LOCK = threading.RLock()  # all threads share one file descriptor


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Hide what libraries write to standard error; print it if the block fails.

    Some start-up lines of TensorFlow come from C++ and ignore TF_CPP_MIN_LOG_LEVEL, so the file descriptor itself is
    redirected.
    """
    global _n_suppressed
    sys.stderr.flush()
    with STDERR_LOCK, tempfile.TemporaryFile() as hidden:
        original = os.dup(2)
        _n_suppressed += 1
        os.dup2(hidden.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception:
            hidden.seek(0)
            os.write(original, hidden.read()[-4000:])
            raise
        finally:
            _n_suppressed -= 1
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)


def choose_backend() -> str:
    """Choose the backend of Keras: that of KERAS_BACKEND, else TensorFlow if it is installed, else JAX."""
    installed = [name for name in ("tensorflow", "jax") if importlib.util.find_spec(name)]
    return os.environ.get("KERAS_BACKEND") or (installed or ["tensorflow"])[0]


def import_keras() -> ModuleType:
    """Import Keras and its backend without the backend's start-up lines."""
    for variable, value in SHARED_GPU.items():  # even if Keras is imported: the GPU reads them at its first use
        os.environ.setdefault(variable, value)
    with KERAS_LOCK:
        if "keras" in sys.modules:
            return sys.modules["keras"]
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("KERAS_BACKEND", choose_backend())
        with suppress_stderr():
            import keras
    keras.config.disable_interactive_logging()  # its progress bars use standard output, which is for results
    # a process that trains many models traces a graph for each; TensorFlow's retracing warning does not apply
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return keras


class _LazyKeras:
    """A stand-in for the keras module that imports it at first use, so that reading an experiment stays fast."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_keras(), name)


keras: Any = _LazyKeras()
