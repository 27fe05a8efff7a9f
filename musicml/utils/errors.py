"""What musicml says when it is given something it can't use: one sentence, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_NAMES = 24  # names in a hint
MAX_NAME_LENGTH = 160  # characters of a name in a message


class InputError(ValueError):
    """Something a person gave can't be used. The message is one sentence: the rule, what came, the cure.

    The command line prints it and ends with 2; the dashboard shows it. Whatever else is raised is a fault of ours.
    """


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


def make_printable(name: str) -> str:
    """A file's name as a message can show it: on one line, not longer than it can be read, nothing but characters.

    >>> make_printable("song\n.wav")
    'song?.wav'
    """
    plain = "".join(character if character.isprintable() else "?" for character in name)
    return plain if len(plain) <= MAX_NAME_LENGTH else f"{plain[:60]}...{plain[-90:]}"
