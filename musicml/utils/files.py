"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from musicml.utils.errors import InputError, make_printable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` once the block ends well.

    The temporary name keeps the ending of `path`, since Keras and numpy choose the format by it. After a
    crash at any point `path` is either the old file or the new one, never half of it.

    Raises
    ------
    InputError
        If the disk is full or closed for writing, or a file stands where the folder belongs.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise os_error_to_input_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # a disk that is closed for writing says so even of what is not there
            temporary.unlink()


def os_error_to_input_error(error: OSError, path: Path) -> Exception:
    """The sentence for a disk that is full, read-only or fails, or a path that can't be; other errors come back."""
    if error.errno in FULL:
        free = shutil.disk_usage(find_existing_folder(path)).free / 1e6
        return InputError(
            "{path} could not be written whole: the disk is full ({free:.0f} MB free); make room and go on.",
            path=path,
            free=free,
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return InputError(
            "{path} must be in a folder that can be written to, and is not ({error_strerror}); choose another.",
            path=path,
            error_strerror=error.strerror,
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return InputError(
            "{path} must be in a folder, and {error_filename} stands in its way; choose another place.",
            path=path,
            error_filename=error.filename,
        )
    if error.errno == errno.ENAMETOOLONG:
        return InputError(
            "{path} must have a name that a disk takes, and it is too long: choose another.",
            path=make_printable(str(path)),
        )
    if error.errno == errno.ELOOP:
        return InputError(
            "{path} must be a file or folder, and links lead round in a circle there: choose another.", path=path
        )
    if error.errno == errno.ENOENT and not Path(path).absolute().parent.is_dir():
        return InputError(
            "{path} must be in a folder that is there or can be made, and is not: choose another place.", path=path
        )
    if error.errno == errno.EIO:
        return InputError(
            "{path} must be on a disk that can be read and written, and this one fails: check the disk.", path=path
        )
    if error.errno == errno.EISDIR:
        return InputError(
            "{path} must be a file, and a folder of that name stands in its way; choose another name.", path=path
        )
    return error


def find_existing_folder(path: Path) -> Path:
    """The nearest folder above `path` that exists."""
    return next(folder for folder in Path(path).absolute().parents if folder.exists())


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all; a file's name in it need not be valid in it."""
    write_bytes(path, content.encode(errors="backslashreplace"))


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as JSON with an indent that a person can read, lists of numbers on one line."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(
        path, re.sub(r"\[\n([-+.\deE,\s]+?)\n\s*\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
    )


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """Write `rows` to `path` under a header of `columns`; a key missing from a row leaves its cell empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path, *columns: str) -> list[dict[str, str]]:
    """Rows of the CSV file at `path`, each a dict by column name.

    Parameters
    ----------
    columns : those that it has to have

    Raises
    ------
    InputError
        If the file is not in UTF-8, or lacks a column.
    """
    with open(path, newline="", encoding="utf-8-sig") as source:
        try:
            found = csv.DictReader(source)
            rows, named = list(found), found.fieldnames or []
        except UnicodeDecodeError as error:
            raise InputError(
                "{path} must be a table in UTF-8 and is not ({error}): save it as CSV UTF-8.", path=path, error=error
            ) from None
    if not set(columns) <= set(named):
        has = ",".join(map(str, named))
        raise InputError(
            "{path} must have the columns {columns} and has {has}: mend its first line.",
            path=path,
            columns=",".join(columns),
            has=has,
        )
    return rows


def read_json(path: Path) -> Any:
    """What the JSON file at `path` holds.

    Raises
    ------
    InputError
        If it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            "{path} must be JSON and is not ({error}): put the file back as it was.", path=path, error=error
        ) from None


def compute_digest(path: Path | str) -> str:
    """BLAKE2b-128 of a file's content, in hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
