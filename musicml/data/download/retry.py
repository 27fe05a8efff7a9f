"""How often a broken connection is worth another try, and after how long a rest."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
import urllib3

from musicml.data.download import http_session, messages
from musicml.data.download.messages import Refused, Wanted

TRIES = 6  # in a row that bring nothing new
FAULTS = 4  # of them that the server has a fault of its own, or is asked too often
SILENCES = 2  # of them in which nothing is heard until the time is up
MOST = 500  # tries in all
PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before another try: the first, doubled until the longest
PATIENCE = 120.0  # seconds that a server may ask to wait
LONGEST_WISH = 366 * 86_400.0  # seconds; what is longer, or no number at all, is told as this
LONG = 20.0  # seconds of a pause that a person should be told of

TROUBLES = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    requests.exceptions.SSLError,
    requests.exceptions.ProxyError,
)
TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


@dataclass
class Tries:
    """Whether it is worth trying once more, and after how long a rest."""

    wanted: Wanted
    best: int  # bytes that are there
    say: Callable[[str], None]
    fruitless: int = 0  # tries in a row that brought nothing new
    n: int = 0
    came: bool = False  # anything at all, in this fetch

    def rest(self, trouble: Exception, have: int, size: int | None) -> None:
        """Wait before another try, or raise the refusal that ends them; `have` of `size` bytes are there."""
        self.n += 1
        self.fruitless = 0 if have > self.best else self.fruitless + 1
        self.came |= have > self.best
        self.best = max(self.best, have)
        pause = min(PAUSE * 2**self.fruitless, LONGEST_PAUSE)
        answer = trouble.response if isinstance(trouble, requests.RequestException) else None
        if answer is not None and answer.status_code >= 400:
            pause = self.after(answer, pause)
        elif not self.came and is_one_of(trouble, UNREACHABLE):
            raise messages.offline(self.wanted)
        elif self.fruitless >= SILENCES and is_one_of(trouble, TIMEOUTS):
            raise messages.silent(self.wanted, http_session.READ)
        elif self.fruitless >= TRIES or self.n >= MOST:
            raise messages.cut(self.wanted, have, size)
        if pause >= LONG:
            self.say(f"{self.wanted.host} wants a pause of {pause:.0f} s")
        time.sleep(pause)

    def after(self, answer: requests.Response, pause: float) -> float:
        """Seconds to wait after an answer that is an error of HTTP."""
        status, wish = answer.status_code, seconds_until(answer.headers.get("Retry-After", ""))
        if status in (401, 403, 404, 410):
            raise Refused(404 if status == 410 else status)
        if status == 429:
            if self.fruitless >= FAULTS or (wish or 0) > PATIENCE:
                raise messages.busy(self.wanted, wish)
            return pause if wish is None else wish
        if status < 500 and status != 416:
            raise messages.refused(self.wanted, status)
        if self.fruitless >= FAULTS:
            raise messages.broken(self.wanted, status)
        return pause


def is_one_of(trouble: BaseException | None, kinds: tuple[type, ...]) -> bool:
    """Whether an error, or one that it was made from, is of these kinds; requests packs urllib3's into its own."""
    while isinstance(trouble, BaseException):
        if isinstance(trouble, kinds):
            return True
        inner = [part for part in trouble.args if isinstance(part, BaseException)]
        trouble = getattr(trouble, "reason", None) or (inner[0] if inner else None)
    return False


def seconds_until(wish: str) -> float | None:
    """What a header Retry-After asks for: seconds, or a date; None where it says neither.

    >>> seconds_until("30")
    30.0
    """
    if wish.strip().isascii() and wish.strip().isdigit():
        return min(float(wish), LONGEST_WISH)
    try:
        until = email.utils.parsedate_to_datetime(wish).timestamp()
        return min(max(0.0, until - time.time()), LONGEST_WISH)
    except (TypeError, ValueError, OverflowError):
        return None


def status_of(trouble: Exception) -> int:
    """The server's answer as a number of HTTP; 0 where there was none."""
    return getattr(getattr(trouble, "response", None), "status_code", 0)
