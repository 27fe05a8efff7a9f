"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import codecs
import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from musicml.utils.errors import InputError, make_printable
from musicml.utils.messages import MESSAGES, Message, add_messages, restore_messages

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED, IN_THE_WAY = (errno.EACCES, errno.EROFS, errno.EPERM), (errno.ENOTDIR, errno.EEXIST)
OS_ERRORS = {
    **dict.fromkeys(
        FULL, Message("{path} could not be written whole: the disk is full ({free:.0f} MB free); make room and go on.")
    ),
    **dict.fromkeys(
        CLOSED,
        Message("{path} must be in a folder that can be written to, and is not ({reason}); choose another."),
    ),
    **dict.fromkeys(
        IN_THE_WAY, Message("{path} must be in a folder, and {error_filename} stands in its way; choose another place.")
    ),
    errno.ENAMETOOLONG: Message("{path} must have a name that a disk takes, and it is too long: choose another."),
    errno.ELOOP: Message("{path} must be a file or folder, and links lead round in a circle there: choose another."),
    errno.ENOENT: Message("{path} must be in a folder that is there or can be made, and is not: choose another place."),
    errno.EIO: Message("{path} must be on a disk that can be read and written, and this one fails: check the disk."),
    errno.EISDIR: Message("{path} must be a file, and a folder of that name stands in its way; choose another name."),
}
MAX_TEXT_BYTES = 8_000_000  # of a file that is read whole; what musicml writes takes some hundred thousand
MAX_TABLE_BYTES = 50_000_000
MAX_JSON_DEPTH = 64


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
    template = OS_ERRORS.get(error.errno or 0)
    if template is None or (error.errno == errno.ENOENT and Path(path).absolute().parent.is_dir()):
        return error
    return InputError(
        template,
        path=make_printable(str(path)) if error.errno == errno.ENAMETOOLONG else path,
        free=shutil.disk_usage(find_existing_folder(path)).free / 1e6 if error.errno in FULL else 0,
        reason=describe_os_error(error),
        error_filename=error.filename,
    )


def describe_os_error(error: OSError) -> str:
    """Return the system's words for an error, in English."""
    return SYSTEM_WORDS.get(error.errno or 0) or error.strerror or str(error)


SYSTEM_WORDS = {
    errno.EACCES: Message("Permission denied"),
    errno.EEXIST: Message("File exists"),
    errno.EINVAL: Message("Invalid argument"),
    errno.EIO: Message("Input/output error"),
    errno.EISDIR: Message("Is a directory"),
    errno.ELOOP: Message("Too many levels of symbolic links"),
    errno.ENAMETOOLONG: Message("File name too long"),
    errno.ENOENT: Message("No such file or directory"),
    errno.ENOSPC: Message("No space left on device"),
    errno.ENOTDIR: Message("Not a directory"),
    errno.ENXIO: Message("No such device or address"),
    errno.EPERM: Message("Operation not permitted"),
    errno.EROFS: Message("Read-only file system"),
    errno.ESTALE: Message("Stale file handle"),
}


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
    text = json.dumps(add_messages(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(
        path, re.sub(r"\[\n([-+.\deE,\s]+?)\n\s*\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
    )


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """Write `rows` to `path` under a header of `columns`; a key missing from a row leaves its cell empty.

    Messages among the cells are described in one column more, `messages`, and `read_csv` gives them back. A byte of a
    file's name that is not UTF-8 is written as `\\udce9`, as in JSON; `read_csv` gives the name back.
    """
    rows = [add_messages(row) for row in rows]
    if any(MESSAGES in row for row in rows):
        columns = [*columns, MESSAGES]
        rows = [{**row, MESSAGES: json.dumps(row[MESSAGES])} if MESSAGES in row else row for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # what looks like such a byte and is none gets its backslash written as one
    write_text(path, re.sub(r"\\(?=u(?:dc[89a-f][0-9a-f]|005c))", r"\\u005c", text.getvalue()))


def _restore_bytes(text: str) -> str:
    """Put the bytes that are not UTF-8 back into names that `write_csv` wrote."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f]|005c)", lambda found: chr(int(found[1], 16)), text)


def read_csv(path: Path, *columns: str) -> list[dict[str, str]]:
    """Rows of the CSV file at `path`, each a dict by column name.

    A table with `columns` may be a person's: spreadsheets save CSV with semicolons or tabs, too, in UTF-16, and with
    a first line that names the delimiter. Without, it is one that `write_csv` wrote.

    Parameters
    ----------
    columns : those that it has to have

    Raises
    ------
    InputError
        If the file is no table in UTF-8, or lacks a column.
    """
    content = read_small_file(path, MAX_TABLE_BYTES)
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        text = content.decode(encoding)
        text = text if columns else _restore_bytes(text)
        text = re.sub(r"\A\"?sep=.\"?\r?\n", "", text)
        head = text[: text.find("\n")]
        # a row that is shorter than the head is filled up, and a few bytes would become many cells
        if max(map(head.count, ",;\t")) * text.count("\n") > 4 * len(text) + MAX_TEXT_BYTES:
            raise csv.Error(Message("its rows are shorter than its first line"))
        tables = (_parse_csv(text, delimiter, columns) for delimiter in ",;\t")
        first, named = next(tables)
        rows = next((rows for rows, names in ((first, named), *tables) if set(columns) <= set(names)), None)
    except UnicodeDecodeError as error:
        raise InputError(
            "{path} must be a table in UTF-8 and is not ({error}): save it as CSV UTF-8.", path=path, error=error
        ) from None
    except csv.Error as error:
        raise InputError(
            "Expected a table in {path}, and it can't be read ({error}). Save it as CSV UTF-8.", path=path, error=error
        ) from None
    if rows is None:
        raise InputError(
            "{path} must have the columns {columns} and has {has}: mend its first line.",
            path=path,
            columns=",".join(columns),
            has=",".join(named),
        )
    return rows if columns else [_restore_row(row) for row in rows]


def _restore_row(row: dict[str, str]) -> dict[str, str]:
    """Restore the messages of a row that `write_csv` wrote."""
    try:
        known = parse_json(row.pop(MESSAGES, "") or "{}")
    except ValueError:
        return row
    return restore_messages({**row, MESSAGES: known})


def drop_invisible(text: str) -> str:
    """Drop the characters that nobody sees, such as the mark of writing direction that Windows copies with a path."""
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _parse_csv(text: str, delimiter: str, columns: Iterable[str]) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows of a CSV text and the names of its columns; `columns` are found whatever their capitals."""
    found = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=bool(columns))
    names = list(found.fieldnames or [])
    for wanted in set(columns) - set(names):
        plain = [drop_invisible(name).strip().casefold() for name in names]
        if wanted.casefold() in plain:
            names[plain.index(wanted.casefold())] = wanted
    found.fieldnames = names
    return list(found), names


def read_small_file(path: Path, most: int = MAX_TEXT_BYTES) -> bytes:
    """Read a whole file, unless it is so large that it can't be what it stands for, or is no plain file.

    Raises
    ------
    InputError
        If it is larger than `most` bytes, or a pipe or a device, which could be waited for without end.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        content = file.read(most + 1) if is_plain else b""
    if not is_plain or len(content) > most:
        raise InputError(
            "Expected {path} to be a plain file of at most {megabytes} MB, and it is not. Put the file back as it was.",
            path=path,
            megabytes=most // 1_000_000,
        )
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def parse_json(content: bytes | str) -> Any:
    """Parse JSON whose numbers are numbers and whose nesting is bounded.

    Raises
    ------
    ValueError
        If it is no JSON, names NaN or an infinity, or is nested too deeply.
    """

    def refuse(name: str) -> Any:
        raise ValueError(Message("{name} is no number", name=name))

    table: Any = None
    level: list[Any] = [None]  # what was not taken apart yet
    with contextlib.suppress(RecursionError):
        table = json.loads(content, parse_constant=refuse)
        level = [table]
        for _ in range(MAX_JSON_DEPTH):  # level by level, so that no depth is too much for it
            nested = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
            level = [value for values in nested for value in values]
    if level:
        raise ValueError(Message("nested in more than {max_json_depth} levels", max_json_depth=MAX_JSON_DEPTH))
    return restore_messages(table)


def read_json(path: Path) -> Any:
    """What the JSON file at `path` holds.

    Raises
    ------
    InputError
        If it is no JSON.
    """
    try:
        return restore_messages(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(
            "{path} must be JSON and is not ({error}): put the file back as it was.", path=path, error=error
        ) from None


def count_endings(names: Iterable[str]) -> str:
    """Count files by the ending of their names, the most frequent first, in words.

    >>> count_endings(["a.txt", "b.TXT", "c"])
    '.txt 2, (none) 1'
    """
    counts = Counter(os.path.splitext(name)[1].lower() or "(none)" for name in names)
    return ", ".join(f"{ending} {number}" for ending, number in counts.most_common())


def compute_digest(path: Path | str) -> str:
    """BLAKE2b-128 of a file's content, in hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
