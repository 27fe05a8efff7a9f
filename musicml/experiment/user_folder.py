"""What musicml keeps for one user beside all data and runs: the secret that runs are signed with, and named folders.

The folder is the one that the system has for settings, or that of the environment variable MUSICML_CONFIG.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path

from musicml.utils import InputError, os_error_to_input_error

SECRET, FOLDERS = "secret", "folders.txt"
SECRET_BYTES = 32
MAX_FOLDERS_BYTES = 1_000_000
FOLDERS_VARIABLE = "MUSICML_FOLDERS"  # how `musicml dashboard --folder` tells its pages what the user named


def get_user_folder() -> Path:
    """Return the user's folder of musicml; it need not be there."""
    if named := os.environ.get("MUSICML_CONFIG"):
        return Path(named)
    import platformdirs  # some hundredths of a second

    return platformdirs.user_config_path("musicml")


def read_secret() -> bytes | None:
    """Read the user's secret; None where there is none yet, or none that can be used."""
    try:
        found = (get_user_folder() / SECRET).read_bytes()
    except OSError:
        return None
    return found if len(found) == SECRET_BYTES else None


def make_secret() -> bytes:
    """Return the user's secret, made at the first call; of several processes that make one, the first one's stays.

    Raises
    ------
    InputError
        If the user's folder can't be written to, or what lies there is no secret.
    """
    if found := read_secret():
        return found
    path = get_user_folder() / SECRET
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{SECRET}.", dir=path.parent)  # for its owner's eyes alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            _name_first(temporary, path)
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise os_error_to_input_error(error, path) from error
    if found := read_secret():
        return found
    raise InputError(
        "Expected a secret of {n} bytes in {path}, and it holds something else. Remove it: your runs are then to be "
        "trusted anew with `musicml runs --trust RUN`.",
        n=SECRET_BYTES,
        path=path,
    )


def _name_first(temporary: str, path: Path) -> None:
    """Give a finished file its name as well, unless another process was faster."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(temporary, path)  # which never replaces, so that all who ask get the same secret
        except FileExistsError:
            raise
        except OSError:  # a disk without such links
            with open(path, "xb") as file:
                os.chmod(path, 0o600)
                file.write(Path(temporary).read_bytes())


def remember_folders(*folders: Path | str | None) -> None:
    """Remember folders of data that the user named in a command, so that the dashboard shows their files.

    Nothing happens without a folder, or where the user's folder can't be written to: the dashboard then tells how to
    name it.
    """
    known, path = _read_folders(), get_user_folder() / FOLDERS
    places = [Path(folder).resolve() for folder in folders if folder is not None and Path(folder).is_dir()]
    lines = "".join(json.dumps(str(place)) + "\n" for place in dict.fromkeys(places) if place not in known)
    if lines:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(path, "ab", buffering=0) as file:  # one write at the end: two commands at once lose neither
                file.write(lines.encode())


def list_named_folders() -> list[Path]:
    """List the folders that the user named: with the dashboard's `--folder`, and those that were remembered."""
    return [*_parse_folders(os.environ.get(FOLDERS_VARIABLE, "").encode(errors="surrogateescape")), *_read_folders()]


def is_named(path: Path | str) -> bool:
    """Return whether a path is a folder that the user named or lies below one, with all links followed.

    The folder of all data sets is named by MUSICML_DATA, or is `data` where the user stands.
    """
    try:
        place = Path(path).resolve()
        folders = [Path(os.environ.get("MUSICML_DATA") or "data"), *list_named_folders()]
        return any(place.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # what is no path, or leads round in a circle
        return False


def _read_folders() -> list[Path]:
    """Read the remembered folders."""
    try:
        with open(get_user_folder() / FOLDERS, "rb") as file:
            return _parse_folders(file.read(MAX_FOLDERS_BYTES))
    except OSError:
        return []


def _parse_folders(lines: bytes) -> list[Path]:
    """Parse folders, in JSON since a name may hold any sign, one a line; a damaged line is passed over."""
    found = []
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):
            place = json.loads(line)
            found += [Path(place)] if isinstance(place, str) and os.path.isabs(place) else []
    return found
