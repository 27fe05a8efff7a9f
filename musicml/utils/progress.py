"""Progress of long tasks: a bar on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from musicml.utils.messages import Message
from musicml.utils.terminal import has_progress_bars

logger = logging.getLogger(__name__)

LINE_INTERVAL_S = 10.0  # between log lines, where there is no terminal
BAR = "{n_fmt}|{total_fmt}|{rate_fmt}|{elapsed}|{remaining}"
LINE = Message("{name}: {n} of {total}, {rate}, {left} left")
LINE_WITHOUT_TOTAL = Message("{name}: {n} after {elapsed}, {rate}")
BAR_DELAY_S = 3.0  # a task that finishes sooner shows no bar


def make_progress_bar(
    name: str, total: int | None, items: Iterable[Any] | None = None, has_lines: bool = True, **options: Any
) -> Any:
    """Make a tqdm progress bar over `items`, or one to update by hand.

    Parameters
    ----------
    name : of the task
    total : number of items or bytes; None if unknown
    has_lines : whether to log lines where there is no terminal for a bar
    options : further options of tqdm, such as `unit`
    """
    from tqdm import tqdm

    options = {"leave": False, "delay": BAR_DELAY_S, **options}
    if has_progress_bars() or not has_lines:
        return tqdm(
            items, name, total, disable=not has_progress_bars() or not logger.isEnabledFor(logging.INFO), **options
        )
    template = LINE if total else LINE_WITHOUT_TOTAL
    options |= {"delay": LINE_INTERVAL_S, "mininterval": LINE_INTERVAL_S, "miniters": 1, "bar_format": BAR}
    lines: list[str] = []

    class Lines(tqdm):
        """Log the lines after tqdm has released its lock, which all bars share: a log handler may raise."""

        def update(self, n: float | None = 1) -> bool | None:
            """Advance the bar, and log a line if one is due."""
            is_shown = super().update(n)
            while lines:
                if line := lines.pop(0).strip():  # tqdm clears a line by writing an empty one
                    n_done, n_total, rate, elapsed, left = line.split("|")
                    values = {"n": n_done, "total": n_total, "rate": rate, "elapsed": elapsed, "left": left}
                    logger.info(Message(template, name=name, **values))
            return is_shown

    return Lines(items, name, total, file=SimpleNamespace(write=lines.append, flush=lambda: None), **options)


class ByteProgress:
    """A progress bar of bytes, for a task that may start again.

    >>> with ByteProgress("gtzan") as progress:
    ...     progress.begin(1_210_000_000, done=0)
    ...     progress.add(65_536)
    """

    def __init__(self, name: str) -> None:
        self.name, self.done = name, 0
        self.total: int | None = None
        self.bar: Any = None

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def begin(self, total: int | None, done: int = 0) -> None:
        """Start, or start again, with `done` of `total` bytes."""
        self.__exit__()
        self.total, self.done = total, done
        self.bar = make_progress_bar(self.name, total, unit="B", unit_scale=True, initial=done)

    def add(self, n_bytes: int) -> None:
        """Add `n_bytes` to the bytes that are done."""
        self.done += n_bytes
        self.bar.update(n_bytes)


def format_megabytes(n_bytes: float) -> str:
    """Format a size in MB, with one decimal below 10 MB.

    >>> format_megabytes(1_210_000_000), format_megabytes(56_038)
    ('1,210', '0.1')
    """
    return f"{n_bytes / 1e6:,.0f}" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.1f}"
