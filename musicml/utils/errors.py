"""What musicml says when it is given something it can't use: one sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from musicml.utils.messages import Message, join_messages

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
        super().__init__(Message(template, **values))

    @property
    def message(self) -> Message:
        """The error's text, which can be translated."""
        return self.args[0]


def get_message(error: BaseException) -> str:
    """Return the first line of an error's text, or its kind; a `Message` that it was raised with stays one."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    return (str(error) or repr(error)).splitlines()[0]


def suggest_names(name: str, known: Iterable[str]) -> str:
    """The hint that belongs behind an unknown name: the nearest known one, and all of them.

    >>> suggest_names("epoch", ["epochs", "seed"])
    "did you mean 'epochs'? known here: epochs, seed."
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    names, n_more = ", ".join(known[:MAX_NAMES]) or Message("none"), len(known) - MAX_NAMES
    if n_more > 0:
        listed = Message("known here: {names} and {n} more.", names=names, n=n_more)
    else:
        listed = Message("known here: {names}.", names=names)
    return join_messages([Message("did you mean {name!r}?", name=close[0]), listed], " ") if close else listed


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
    if isinstance(name, Message):  # of what has no name, such as an upload
        return name
    plain = "".join(character if character.isprintable() else "?" for character in make_readable(name))
    return plain if len(plain) <= MAX_NAME_LENGTH else f"{plain[:60]}...{plain[-90:]}"
