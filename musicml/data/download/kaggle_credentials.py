"""Find the user's Kaggle token or key. Credentials are never logged or displayed.

Kaggle's client also finds them, but fails with a traceback for a file that an editor saved in another encoding.
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

MAX_BYTES = 65_536  # read of a credentials file
CURLY_QUOTES = "\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"  # quotation marks of word processors


@dataclass(frozen=True)
class Login:
    """Credentials for Kaggle.

    Attributes
    ----------
    place : where the token or key was found; empty for anonymous access
    token : the newer kind, used alone
    user, key : the older kind, used together
    """

    place: str = ""
    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)


ANONYMOUS = Login()


def find_logins() -> list[Login]:
    """Find the logins that the `kaggle` package would look for, in the same order: tokens, then keys."""
    token, user, key = (
        os.environ.get(name, "").strip() for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
    )
    token_files, key_files = _list_files()
    logins = [
        Login("KAGGLE_API_TOKEN", token=_read_text(token) or token),  # the variable may also name a file
        *(Login(str(path), token=_read_text(path)) for path in token_files),
        Login("KAGGLE_KEY", user=user, key=key),
        *map(_read_key, key_files),
    ]
    return [login for login in logins if login.token or (login.user and login.key)]


def find_faults() -> list[tuple[str, str]]:
    """List the files that should hold a login but do not, with the reason, which quotes nothing of their content."""
    places = [login.place for login in find_logins()]
    faults: list[tuple[str, str]] = []
    for path in map(str, sum(_list_files(), [])):
        if os.path.lexists(path) and path not in places:
            text = _read_text(path)
            if not text:
                reason = Message("is empty or can't be read as text")
            elif any(quote in text for quote in CURLY_QUOTES):
                reason = Message("has the curly quotes of a word processor instead of plain ones")
            else:
                reason = Message("contains no username and key in Kaggle's format")
            faults.append((path, reason))
    return faults


def _list_files() -> tuple[list[Path], list[Path]]:
    """List where Kaggle's instructions say to save a token, and where kaggle.json may be.

    Notepad appends `.txt` to a name if Windows hides file extensions.
    """
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), "~/.kaggle", f"{settings}/kaggle"]
    groups = [["~/.kaggle/access_token"], [f"{folder}/kaggle.json" for folder in dict.fromkeys(folders) if folder]]
    tokens, keys = (
        [Path(f"{name}{ending}").expanduser() for name in names for ending in ("", ".txt")] for names in groups
    )
    return tokens, keys


def _read_key(path: Path) -> Login:
    """Read the login in a file such as kaggle.json; an anonymous one if there is none."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        content = json.loads(_read_text(path))
        return Login(str(path), user=content["username"].strip(), key=content["key"].strip())
    return ANONYMOUS


def _read_text(path: str | Path) -> str:
    """Read a small text file; return an empty string if it can't be read, since a reason would show its name.

    Windows editors save in UTF-16, or in UTF-8 with a byte order mark; `json` detects both (RFC 4627, 3).
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES)
        return content.decode(json.detect_encoding(content)).strip("\0\ufeff \t\r\n")
    except (OSError, ValueError):
        return ""


@contextlib.contextmanager
def hide_logins() -> Iterator[None]:
    """Hide all logins from the `kaggle` package, and suppress its output, in this process.

    The package looks for logins when it is imported and whenever it connects, sends them over the network, and creates
    a settings folder. So it gets a temporary empty home folder, and the login with each call.
    """
    before = dict(os.environ)
    user_base = site.getuserbase()  # packages installed there must still be found
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
