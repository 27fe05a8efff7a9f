"""Who asks Kaggle: nobody, or the holder of a token or a key, which is shown nowhere."""

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

MOST_BYTES = 65_536  # of a file that holds a login
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
    return [*find_tokens(), *find_keys()]


def find_tokens() -> list[Login]:
    """Find tokens: KAGGLE_API_TOKEN, which may name a file, and the file that Kaggle's pages tell people to write."""
    given = os.environ.get("KAGGLE_API_TOKEN", "").strip()
    places = [("KAGGLE_API_TOKEN", read_text(given) or given)] if given else []
    places += [(str(path), read_text(path)) for path in list_token_files()]
    return [Login(place, token=token) for place, token in places if token]


def list_token_files() -> list[Path]:
    """List where Kaggle's pages tell people to write a token, and where Windows' Notepad then writes it."""
    home = Path("~/.kaggle").expanduser()
    return [home / "access_token", home / "access_token.txt"]


def find_keys() -> list[Login]:
    """Find keys: KAGGLE_USERNAME with KAGGLE_KEY, and kaggle.json in each folder where it may be."""
    user, key = (os.environ.get(name, "").strip() for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"))
    logins = [Login("KAGGLE_KEY", user=user, key=key)] if user and key else []
    return logins + [login for path in list_key_files() if (login := read_key(path)) is not None]


def list_key_files() -> list[Path]:
    """List kaggle.json in each folder where it may be, also as Notepad names it where Windows hides endings."""
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), "~/.kaggle", f"{settings}/kaggle"]
    return [
        Path(folder).expanduser() / name
        for folder in dict.fromkeys(folder for folder in folders if folder)
        for name in ("kaggle.json", "kaggle.json.txt")
    ]


def read_key(path: Path) -> Login | None:
    """Read the login in a file like kaggle.json; None where there is none."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        told = json.loads(read_text(path))
        user, key = told["username"].strip(), told["key"].strip()
        return Login(str(path), user=user, key=key) if user and key else None
    return None


def read_text(path: str | Path) -> str:
    """Read a small text file; return nothing where it can't be read, and no reason, which would show its name.

    Windows' editors save in UTF-16, or in UTF-8 with a mark in front; `json` knows both by their first bytes
    (RFC 4627, 3).
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES)
        return content.decode(json.detect_encoding(content)).strip("\0\ufeff \t\r\n")
    except (OSError, ValueError):
        return ""


def find_faults() -> list[tuple[str, str]]:
    """Find files that should hold a login and hold none, each with the reason, which shows nothing of its content."""
    faults = [(path, "is empty or can't be read as text") for path in list_token_files() if not read_text(path)]
    faults += [(path, describe_fault(path)) for path in list_key_files() if read_key(path) is None]
    return [(str(path), reason) for path, reason in faults if os.path.lexists(path)]


def describe_fault(path: Path) -> str:
    """Say why there is no login in a file like kaggle.json."""
    text = read_text(path)
    if not text:
        return "is empty or can't be read as text"
    if any(quote in text for quote in CURLY):
        return "has the curly quotes of a word processor in place of plain ones"
    return "holds no username and key as Kaggle writes them"


@contextlib.contextmanager
def make_bare_environment() -> Iterator[dict[str, str]]:
    """Make a copy of the environment with an empty home and nothing of Kaggle's, so that no login is found."""
    with tempfile.TemporaryDirectory(prefix="musicml-") as home:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE_", "VERBOSE", "NETRC"))
        }
        kept.setdefault("PYTHONUSERBASE", site.getuserbase())  # packages that lie in the real home are found there
        yield kept | dict.fromkeys(("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"), home)


@contextlib.contextmanager
def hide_logins() -> Iterator[None]:
    """Let the `kaggle` package find no login, make no folder in the home and print nothing, in this process.

    It looks for logins as it is imported and whenever it connects, asks the network about them, and makes a folder for
    its settings; so it is given an empty home for the while, and the login with each call.
    """
    before = dict(os.environ)
    with make_bare_environment() as environment:
        try:
            os.environ.clear()
            os.environ.update(environment)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
