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


def found() -> list[Login]:
    """The logins that the `kaggle` package would look for, in its order: tokens, then keys."""
    return [*tokens(), *keys()]


def tokens() -> list[Login]:
    """KAGGLE_API_TOKEN, which may name a file, and the file that Kaggle's pages tell people to write."""
    given = os.environ.get("KAGGLE_API_TOKEN", "").strip()
    home = Path("~/.kaggle").expanduser()
    places = [("KAGGLE_API_TOKEN", read(given) or given)] if given else []
    places += [(str(path), read(path)) for path in (home / "access_token", home / "access_token.txt")]
    return [Login(place, token=token) for place, token in places if token]


def keys() -> list[Login]:
    """KAGGLE_USERNAME with KAGGLE_KEY, and kaggle.json in each folder where it may be."""
    user, key = (os.environ.get(name, "").strip() for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"))
    logins = [Login("KAGGLE_KEY", user=user, key=key)] if user and key else []
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), "~/.kaggle", f"{settings}/kaggle"]
    for folder in dict.fromkeys(folder for folder in folders if folder):
        path = Path(folder).expanduser() / "kaggle.json"
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            told = json.loads(read(path))
            logins.append(Login(str(path), user=told["username"].strip(), key=told["key"].strip()))
    return logins


def read(path: str | Path) -> str:
    """A small text file's content; nothing where it can't be read, and no word about why, which would show its name."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


@contextlib.contextmanager
def bare() -> Iterator[dict[str, str]]:
    """The environment as it is, but with an empty home and nothing of Kaggle's, so that no login is found."""
    with tempfile.TemporaryDirectory(prefix="musicml-") as home:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE_", "VERBOSE", "NETRC"))
        }
        kept.setdefault("PYTHONUSERBASE", site.getuserbase())  # packages that lie in the real home are found there
        yield kept | dict.fromkeys(("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"), home)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let the `kaggle` package find no login, make no folder in the home and print nothing, in this process.

    It looks for logins as it is imported and whenever it connects, asks the network about them, and makes a folder for
    its settings; so it is given an empty home for the while, and the login with each call.
    """
    before = dict(os.environ)
    with bare() as environment:
        try:
            os.environ.clear()
            os.environ.update(environment)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
