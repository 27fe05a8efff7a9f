"""Find the user's Kaggle token or key, which is shown nowhere.

Kaggle's client finds them too, but ends with a traceback at a file that an editor saved in another encoding.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import site
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from musicml.utils import Message

MAX_BYTES = 65_536  # of a file that holds a login
CURLY = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"  # quotes as word processors write them


@dataclass(frozen=True)
class Login:
    """A way to show Kaggle who asks.

    Attributes
    ----------
    place : where the token or key was found; empty for nobody's
    token : of the newer kind, alone
    user, key : of the older kind, together
    """

    place: str = ""
    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)


NOBODY = Login()


def find_logins() -> list[Login]:
    """Find the logins that the `kaggle` package would look for, in its order: tokens, then keys."""
    token, user, key = (
        os.environ.get(name, "").strip() for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
    )
    token_files, key_files = _list_files()
    found = [
        Login("KAGGLE_API_TOKEN", token=_read_text(token) or token),  # which may name a file
        *(Login(str(path), token=_read_text(path)) for path in token_files),
        Login("KAGGLE_KEY", user=user, key=key),
        *map(_read_key, key_files),
    ]
    return [login for login in found if login.token or (login.user and login.key)]


def find_faults() -> list[tuple[str, str]]:
    """Find files that should hold a login and hold none, each with the reason, which shows nothing of its content."""
    places = [login.place for login in find_logins()]
    faults: list[tuple[str, str]] = []
    for path in map(str, sum(_list_files(), [])):
        if os.path.lexists(path) and path not in places:
            text = _read_text(path)
            if not text:
                reason = Message("is empty or can't be read as text")
            elif any(quote in text for quote in CURLY):
                reason = Message("has the curly quotes of a word processor in place of plain ones")
            else:
                reason = Message("holds no username and key as Kaggle writes them")
            faults.append((path, reason))
    return faults


def _list_files() -> tuple[list[Path], list[Path]]:
    """List where Kaggle's pages tell users to write a token, and where kaggle.json may be.

    Windows' Notepad adds `.txt` to a name where Windows hides endings.
    """
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), "~/.kaggle", f"{settings}/kaggle"]
    groups = [["~/.kaggle/access_token"], [f"{folder}/kaggle.json" for folder in dict.fromkeys(folders) if folder]]
    tokens, keys = (
        [Path(f"{name}{ending}").expanduser() for name in names for ending in ("", ".txt")] for names in groups
    )
    return tokens, keys


def _read_key(path: Path) -> Login:
    """Read the login in a file like kaggle.json; an incomplete one where there is none."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        content = json.loads(_read_text(path))
        return Login(str(path), user=content["username"].strip(), key=content["key"].strip())
    return NOBODY


def _read_text(path: str | Path) -> str:
    """Read a small text file; return nothing where it can't be read, and no reason, which would show its name.

    Windows' editors save in UTF-16, or in UTF-8 with a mark in front; `json` knows both by their first bytes
    (RFC 4627, 3).
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES)
        return content.decode(json.detect_encoding(content)).strip("\0\ufeff \t\r\n")
    except (OSError, ValueError):
        return ""


@contextlib.contextmanager
def hide_logins() -> Iterator[None]:
    """Let the `kaggle` package find no login, make no folder in the home and print nothing, in this process.

    It looks for logins as it is imported and whenever it connects, asks the network about them, and makes a folder for
    its settings. So it is given an empty home for the while, and the login with each call.
    """
    before = dict(os.environ)
    user_base = site.getuserbase()  # packages in the real home are still found there
    with tempfile.TemporaryDirectory(prefix="musicml-") as home:
        try:
            for name in before:
                if name.startswith(("KAGGLE_", "VERBOSE", "NETRC")):
                    del os.environ[name]
            os.environ.setdefault("PYTHONUSERBASE", user_base)
            os.environ.update(dict.fromkeys(("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"), home))
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
