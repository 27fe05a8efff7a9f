"""How far a long piece of work is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

EVERY = 10.0  # seconds between lines
SMALL = 1_000_000  # bytes; what is no larger is there before anybody wonders


class ByteProgress:
    """Bytes done of bytes in all, with the rate and the time that is left.

    >>> with ByteProgress("gtzan") as progress:
    ...     progress.begin(1_210_000_000, done=0)
    ...     progress.add(65_536)
    """

    def __init__(self, what: str, say: Callable[[str], None] = print) -> None:
        self.what, self.say = what, say
        self.total: int | None = None
        self.done = self.first = 0
        self.since = self.said = time.monotonic()
        self.bar: Any = None  # tqdm's, once there is one

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()

    def begin(self, total: int | None, done: int = 0) -> None:
        """So much is to be done, `done` of it already; called again where the work starts over or goes on."""
        self.total, self.done, self.first, self.since = total, done, done, time.monotonic()
        if not sys.stderr.isatty() or (total is not None and total <= SMALL):
            return
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(desc=self.what, unit="B", unit_scale=True, file=sys.stderr, initial=done, total=total)
        self.bar.n, self.bar.total = done, total
        self.bar.refresh()

    def add(self, n_bytes: int) -> None:
        """So much more is done."""
        self.done += n_bytes
        if self.bar is not None:
            self.bar.update(n_bytes)
        elif time.monotonic() - self.said >= EVERY:
            self.said = time.monotonic()
            self.say(self.line())

    def line(self) -> str:
        """How far it is, in a line."""
        rate = (self.done - self.first) / max(time.monotonic() - self.since, 1e-3)
        if self.total is None:
            return f"{self.what}: {format_megabytes(self.done)} MB, {rate / 1e6:.1f} MB/s"
        left = format_duration((self.total - self.done) / max(rate, 1.0))
        done, total = format_megabytes(self.done), format_megabytes(self.total)
        return f"{self.what}: {done} of {total} MB, {rate / 1e6:.1f} MB/s, {left} left"


def format_megabytes(n_bytes: float) -> str:
    """A size in MB, with a digit behind the point where it is small.

    >>> format_megabytes(1_210_000_000), format_megabytes(56_038)
    ('1,210', '0.1')
    """
    return f"{n_bytes / 1e6:,.0f}" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.1f}"


def format_duration(seconds: float) -> str:
    """A time to wait: `1:45`, `2:01:45`."""
    hours, rest = divmod(round(min(seconds, 359_999)), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
