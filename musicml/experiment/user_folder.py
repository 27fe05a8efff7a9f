"""The user's configuration folder: the secret that signs runs, and the data folders that the user named.

It is the system's folder for settings, or that of the environment variable MUSICML_CONFIG.
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
FOLDERS_VARIABLE = "MUSICML_FOLDERS"  # passes the folders of `musicml dashboard --folder` to its pages


def get_user_folder() -> Path:
    """Return the user's configuration folder, which may not exist yet."""
    if folder := os.environ.get("MUSICML_CONFIG"):
        return Path(folder)
    import platformdirs  # here, since its import takes some hundredths of a second

    return platformdirs.user_config_path("musicml")


def read_secret() -> bytes | None:
    """Read the user's secret; None if there is none yet, or it is invalid."""
    try:
        secret = (get_user_folder() / SECRET).read_bytes()
    except OSError:
        return None
    return secret if len(secret) == SECRET_BYTES else None


def make_secret() -> bytes:
    """Return the user's secret, created by the first call. If several processes create one, the first wins.

    Raises
    ------
    InputError
        If the user's folder is not writable, or its secret is invalid.
    """
    if secret := read_secret():
        return secret
    path = get_user_folder() / SECRET
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{SECRET}.", dir=path.parent)  # readable by its owner only
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())  # an empty secret after a power cut would be invalid for good
            _publish(temporary, path)
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise os_error_to_input_error(error, path) from error
    if secret := read_secret():
        return secret
    raise InputError(
        "Expected a secret of {n} bytes in {path}, got something else. Remove the file, then trust your runs again "
        "with `musicml runs --trust RUN`.",
        n=SECRET_BYTES,
        path=path,
    )


def _publish(temporary: str, path: Path) -> None:
    """Make a finished file available as `path`, unless another process was faster."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(temporary, path)  # unlike a rename it never replaces, so all processes get the same secret
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            with open(path, "xb") as file:
                os.chmod(path, 0o600)
                file.write(Path(temporary).read_bytes())


def remember_folders(*folders: Path | str | None) -> None:
    """Remember data folders from a command, so that the dashboard may show their files.

    If the user's folder is not writable, nothing is remembered; the dashboard then explains how to name the folder.
    """
    known, path = _read_folders(), get_user_folder() / FOLDERS
    places = [Path(folder).resolve() for folder in folders if folder is not None and Path(folder).is_dir()]
    lines = "".join(json.dumps(str(place)) + "\n" for place in dict.fromkeys(places) if place not in known)
    if lines:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(path, "ab", buffering=0) as file:  # one appending write: simultaneous commands keep both folders
                file.write(lines.encode())


def list_named_folders() -> list[Path]:
    """List the folders from the dashboard's `--folder` option, and the remembered ones."""
    return [*_parse_folders(os.environ.get(FOLDERS_VARIABLE, "").encode(errors="surrogateescape")), *_read_folders()]


def is_named(path: Path | str) -> bool:
    """Return whether a path, with links resolved, is in a folder that the user named.

    The folder of all datasets counts too: that of MUSICML_DATA, or `data` in the current folder.
    """
    try:
        place = Path(path).resolve()
        folders = [Path(os.environ.get("MUSICML_DATA") or "data"), *list_named_folders()]
        return any(place.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # an invalid path, or a loop of links
        return False


def _read_folders() -> list[Path]:
    """Read the remembered folders."""
    try:
        with open(get_user_folder() / FOLDERS, "rb") as file:
            return _parse_folders(file.read(MAX_FOLDERS_BYTES))
    except OSError:
        return []


def _parse_folders(lines: bytes) -> list[Path]:
    """Parse folders, one per line, in JSON since a name may contain any character; skip damaged lines."""
    folders = []
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):
            place = json.loads(line)
            folders += [Path(place)] if isinstance(place, str) and os.path.isabs(place) else []
    return folders
