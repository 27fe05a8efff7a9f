"""Errors for invalid user input, whose message replaces a traceback, and names as messages show them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from musicml.utils.messages import Message

MAX_NAMES = 24  # in one hint
MAX_NAME_LENGTH = 160  # characters


class InputError(ValueError):
    """Raised when user input is invalid. The command line prints its message and exits with 2; the dashboard shows it.

    Any other exception is a bug.

    Parameters
    ----------
    template : the message, with a placeholder such as `{file}` for each of `values`; used as it is without values
    values : replace the placeholders, formatted as by `str.format`

    Examples
    --------
    >>> str(musicml.InputError("Expected audio in {file}, got {n} bytes.", file="a.wav", n=0))
    'Expected audio in a.wav, got 0 bytes.'
    """

    def __init__(self, template: str, /, **values: Any):
        super().__init__(Message(template, **values))

    @property
    def message(self) -> Message:
        """The error's text, which `translate` can translate."""
        return self.args[0]


def get_message(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none. A `Message` stays a `Message`."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return (str(error) or repr(error)).splitlines()[0]


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Suggest the closest of the known names for an unknown one, and list them all.

    >>> suggest_names("epoch", ["epochs", "seed"])
    "did you mean 'epochs'? Known names: epochs, seed."
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)  # at least half of the letters match
    names: str = ", ".join(known[:MAX_NAMES]) or Message("none")
    if len(known) > MAX_NAMES:
        names = Message("{names} and {n} more", names=names, n=len(known) - MAX_NAMES)
    if close:
        return Message("did you mean {name!r}? Known names: {names}.", name=close[0], names=names)
    return Message("known names: {names}.", names=names)


def make_readable(name: str) -> str:
    r"""Escape the bytes of a file name that are not valid UTF-8, so that it can be printed.

    >>> print(make_readable("Cort\udce9ge.wav"))
    Cort\xe9ge.wav
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate that Python never makes from a file name
        return name.encode("utf-8", "backslashreplace").decode()


def make_printable(name: str) -> str:
    r"""Shorten a file name to one readable line, with a question mark for each control character.

    >>> make_printable("song\n.wav")
    'song?.wav'
    """
    if isinstance(name, Message):  # a description of something without a name, such as an upload
        return name
    plain = "".join(character if character.isprintable() else "?" for character in make_readable(name))
    return plain if len(plain) <= MAX_NAME_LENGTH else f"{plain[:60]}...{plain[-90:]}"
