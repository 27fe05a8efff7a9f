"""How far a long piece of work is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from musicml.utils.messages import Message
from musicml.utils.terminal import has_progress_bars

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 10.0  # lines, where no terminal is
BAR = "{n_fmt}|{total_fmt}|{rate_fmt}|{elapsed}|{remaining}"
LINE = Message("{name}: {n} of {total}, {rate}, {left} left")
LINE_WITHOUT_TOTAL = Message("{name}: {n} after {elapsed}, {rate}")
SECONDS_BEFORE = 3.0  # of work until there is a bar: what is done sooner needs none


def make_progress_bar(
    name: str, total: int | None, items: Iterable[Any] | None = None, has_lines: bool = True, **options: Any
) -> Any:
    """Make tqdm's bar over `items`, or one to be updated.

    Parameters
    ----------
    name : of the work
    total : how many items or bytes there are; None where that is not known
    has_lines : whether lines are logged where there is no terminal for a bar
    options : others of tqdm, such as `unit`
    """
    from tqdm import tqdm

    options = {"leave": False, "delay": SECONDS_BEFORE, **options}
    if has_progress_bars() or not has_lines:
        return tqdm(
            items, name, total, disable=not has_progress_bars() or not logger.isEnabledFor(logging.INFO), **options
        )
    template = LINE if total else LINE_WITHOUT_TOTAL
    options |= {"delay": SECONDS_BETWEEN, "mininterval": SECONDS_BETWEEN, "miniters": 1, "bar_format": BAR}
    lines: list[str] = []

    class Lines(tqdm):
        """Lines that are logged after tqdm let go of its lock, which every bar of the process shares.

        What handles them may raise.
        """

        def update(self, n: float | None = 1) -> bool | None:
            is_shown = super().update(n)
            while lines:
                if line := lines.pop(0).strip():  # tqdm clears a line by writing an empty one
                    done, of, rate, elapsed, left = line.split("|")
                    logger.info(Message(template, name=name, n=done, total=of, rate=rate, elapsed=elapsed, left=left))
            return is_shown

    return Lines(items, name, total, file=SimpleNamespace(write=lines.append, flush=lambda: None), **options)


class ByteProgress:
    """A bar of bytes, for work that may begin again.

    >>> with ByteProgress("gtzan") as progress:
    ...     progress.begin(1_210_000_000, done=0)
    ...     progress.add(65_536)
    """

    def __init__(self, what: str) -> None:
        self.what, self.done = what, 0
        self.total: int | None = None
        self.bar: Any = None

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def begin(self, total: int | None, done: int = 0) -> None:
        """Begin, or begin again, with `done` of `total` bytes."""
        self.__exit__()
        self.total, self.done = total, done
        self.bar = make_progress_bar(self.what, total, unit="B", unit_scale=True, initial=done)

    def add(self, n_bytes: int) -> None:
        """Count so many more bytes as done."""
        self.done += n_bytes
        self.bar.update(n_bytes)


def format_megabytes(n_bytes: float) -> str:
    """A size in MB, with a digit behind the point where it is small.

    >>> format_megabytes(1_210_000_000), format_megabytes(56_038)
    ('1,210', '0.1')
    """
    return f"{n_bytes / 1e6:,.0f}" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.1f}"
