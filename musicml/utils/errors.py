"""What musicml says when it is given something it can't use: one sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

MAX_NAMES = 24  # names in a hint
MAX_NAME_LENGTH = 160  # characters of a name in a message


class InputError(ValueError):
    """Raised when user input is invalid. The command line prints its message and exits with 2; the dashboard shows it.

    Any other exception is a bug.

    Parameters
    ----------
    template : the message, with a blank such as `{file}` for each of `values`; without values it is taken as it is
    values : what the blanks stand for, formatted as by `str.format`

    >>> str(musicml.InputError("{file} must hold sound, and holds {n} bytes.", file="a.wav", n=0))
    'a.wav must hold sound, and holds 0 bytes.'
    """

    def __init__(self, template: str, /, **values: Any):
        self.template, self.values = template, values
        super().__init__(template.format(**values) if values else template)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_error, (type(self), self.template, self.values)  # it crosses from one process to another


def _rebuild_error(cls: type[InputError], template: str, values: dict[str, Any]) -> InputError:
    """Make an unpickled error again."""
    return cls(template, **values)


def suggest_names(name: str, known: Iterable[str]) -> str:
    """The hint that belongs behind an unknown name: the nearest known one, and all of them.

    >>> suggest_names("epoch", ["epochs", "seed"])
    "did you mean 'epochs'? known here: epochs, seed."
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(known) - MAX_NAMES} more" if len(known) > MAX_NAMES else ""
    return f"{guess}known here: {', '.join(known[:MAX_NAMES]) or 'none'}{more}."


def make_readable(name: str) -> str:
    r"""Return a file's name with its bytes that are not UTF-8 written out; other names stay as they are.

    >>> print(make_readable("Cort\udce9ge.wav"))
    Cort\xe9ge.wav
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # it holds what no file's name can
        return name.encode("utf-8", "backslashreplace").decode()


def make_printable(name: str) -> str:
    r"""A file's name as a message can show it: on one line, not longer than it can be read, nothing but characters.

    >>> make_printable("song\n.wav")
    'song?.wav'
    """
    plain = "".join(character if character.isprintable() else "?" for character in make_readable(name))
    return plain if len(plain) <= MAX_NAME_LENGTH else f"{plain[:60]}...{plain[-90:]}"
