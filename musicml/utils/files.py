"""Read and write files safely: atomic writes, size limits, and clear errors from the operating system."""

from __future__ import annotations

import codecs
import contextlib
import csv
import errno
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from musicml.utils.errors import InputError, make_printable
from musicml.utils.messages import MESSAGES, Message, add_messages, restore_messages

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITABLE, NO_FOLDER = (errno.EACCES, errno.EROFS, errno.EPERM), (errno.ENOTDIR, errno.EEXIST)
OS_ERRORS = {
    **dict.fromkeys(
        DISK_FULL, Message("Could not write {path}: the disk is full ({free:.0f} MB free). Free some space and retry.")
    ),
    **dict.fromkeys(
        NOT_WRITABLE, Message("Could not write {path}: its folder is not writable ({reason}). Choose another folder.")
    ),
    **dict.fromkeys(
        NO_FOLDER, Message("Could not write {path}: {error_filename} is not a folder. Choose another place.")
    ),
    errno.ENAMETOOLONG: Message("The file name in {path} is too long. Choose a shorter one."),
    errno.ELOOP: Message("Could not open {path}: its symbolic links form a loop. Choose another path."),
    errno.ENOENT: Message("Could not write {path}: its folder does not exist and can't be created. Choose another."),
    errno.EIO: Message("Could not read or write {path}: the disk reports an error. Check the disk."),
    errno.EISDIR: Message("Expected a file at {path}, got a folder. Choose another name."),
}
MAX_TEXT_BYTES = 8_000_000  # of a text file; musicml's own take less than a megabyte
MAX_TABLE_BYTES = 50_000_000
MAX_JSON_DEPTH = 64  # levels of nesting


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, and rename it to `path` if the block succeeds.

    The temporary name keeps the suffix of `path`, since Keras and numpy choose the format by it. After a
    crash at any point `path` is either the old file or the new one, never half of it.

    Raises
    ------
    InputError
        If the disk is full or read-only, or the parent of `path` is not a folder.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # else a power cut could leave the new name with no content
        os.replace(temporary, path)
    except OSError as error:
        raise os_error_to_input_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # a read-only disk reports an error even for a missing file
            temporary.unlink()


def os_error_to_input_error(error: OSError, path: Path) -> Exception:
    """Convert an error of the disk or of an impossible path to an InputError; return other errors unchanged."""
    template = OS_ERRORS.get(error.errno or 0)
    if template is None or (error.errno == errno.ENOENT and Path(path).absolute().parent.is_dir()):
        return error
    return InputError(
        template,
        path=make_printable(str(path)) if error.errno == errno.ENAMETOOLONG else path,
        free=shutil.disk_usage(find_existing_folder(path)).free / 1e6 if error.errno in DISK_FULL else 0,
        reason=describe_os_error(error),
        error_filename=(_find_file_above(path) if error.errno in NO_FOLDER else None) or error.filename,
    )


def _find_file_above(path: Path) -> Path | None:
    """Find the file that stands where `path` needs a folder."""
    places = (Path(path), *Path(path).parents)
    return next((place for place in places if os.path.exists(place) and not os.path.isdir(place)), None)


def describe_os_error(error: OSError) -> str:
    """Return the operating system's description of an error, in English."""
    return ERRNO_MESSAGES.get(error.errno or 0) or error.strerror or str(error)


ERRNO_MESSAGES = {
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
    """Find the nearest existing folder above `path`."""
    return next(folder for folder in Path(path).absolute().parents if folder.exists())


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, atomically."""
    write_bytes(path, content.encode(errors="backslashreplace"))  # a file name in it may not be valid UTF-8


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as indented JSON, with each list of numbers on one line."""
    text = json.dumps(add_messages(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(
        path, re.sub(r"\[\n([-+.\deE,\s]+?)\n\s*\]", lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"
    )


def escape_csv_formula(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """Write `rows` to `path` with the header `columns`; a missing key leaves its cell empty.

    An additional column, `messages`, describes the cells that are messages. A byte of a file name that is not UTF-8 is
    written as `\\udce9`, as in JSON. `read_csv` restores both.
    """
    text = io.StringIO()
    plain, full = (
        csv.DictWriter(text, names, restval="", lineterminator="\n") for names in (columns, [*columns, MESSAGES])
    )
    lines, is_full = [], bytearray()  # the rows may be a million: as dicts they would take four times the memory
    for row in itertools.chain([dict(zip(columns, columns, strict=True))], map(add_messages, rows)):
        is_full.append(MESSAGES in row)
        if is_full[-1]:
            full.writerow({**row, MESSAGES: json.dumps(row[MESSAGES])})
        else:
            plain.writerow(row)
        lines.append(text.getvalue())
        text.seek(text.truncate(0))
    if any(is_full):  # then all rows have the column
        lines = [line if done else f"{line[:-1]},\n" for line, done in zip(lines, is_full, strict=True)]
        lines[0] = f"{lines[0][:-1]}{MESSAGES}\n"
    with (
        write_atomically(path) as temporary,
        # a file name in it may not be valid UTF-8
        open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        # a text that only looks like such a byte has its backslash escaped
        file.writelines(re.sub(r"\\(?=u(?:dc[89a-f][0-9a-f]|005c))", r"\\u005c", line) for line in lines)


def _restore_bytes(text: str) -> str:
    """Restore the bytes that are not UTF-8 in names that `write_csv` wrote."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f]|005c)", lambda match: chr(int(match[1], 16)), text)


def read_csv(path: Path, *columns: str) -> list[dict[str, str]]:
    """Read the CSV file at `path`, each row as a dict by column name.

    Parameters
    ----------
    columns : required columns of a table that the user may have made. Spreadsheets save CSV with semicolons or tabs
        too, in UTF-16, or with a first line `sep=;`. Without columns, the file is one that `write_csv` wrote.

    Raises
    ------
    InputError
        If the file is not a table in UTF-8, or lacks a column.
    """
    content = read_small_file(path, MAX_TABLE_BYTES)
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        text = content.decode(encoding)
        text = text if columns else _restore_bytes(text)
        text = re.sub(r"\A\"?sep=.\"?\r?\n", "", text)
        header = text[: text.find("\n")]
        # DictReader fills up short rows: a file of empty lines could expand to many cells
        if max(map(header.count, ",;\t")) * text.count("\n") > 4 * len(text) + MAX_TEXT_BYTES:
            raise csv.Error(Message("its rows are shorter than its first line"))
        rows, names = _parse_any_csv(text, columns)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "Expected a table in {path}, and it can't be read ({error}). Save it as CSV UTF-8.", path=path, error=error
        ) from None
    if not set(columns) <= set(names):
        raise InputError(
            "Expected the columns {columns} in {path}, got {names}. Correct its first line.",
            path=path,
            columns=",".join(columns),
            names=",".join(names),
        )
    return rows if columns else [_restore_row(row) for row in rows]


def _restore_row(row: dict[str, str]) -> dict[str, str]:
    """Restore the messages of a row that `write_csv` wrote."""
    try:
        described = parse_json(row.pop(MESSAGES, "") or "{}")
    except ValueError:
        return row
    return restore_messages({**row, MESSAGES: described})


def drop_invisible(text: str) -> str:
    """Drop invisible characters, such as the mark of writing direction that Windows copies with a path."""
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _parse_any_csv(text: str, columns: Sequence[str]) -> tuple[list[dict[str, str]], list[str]]:
    """Parse a CSV text with the delimiter that finds `columns`, else with the one that finds the most columns."""
    tables, errors = [], []
    for delimiter in ",;\t":
        try:
            rows, names = _parse_csv(text, delimiter, columns)
        except csv.Error as error:
            errors.append(error)  # a table whose cells are all quoted is damaged for any other delimiter
            continue
        if set(columns) <= set(names):
            return rows, names
        tables.append((rows, names))
    rows, names = max(tables, key=lambda table: len(table[1]), default=([], []))
    if errors and len(names) < 2:
        raise errors[0]
    return rows, names


def _parse_csv(text: str, delimiter: str, columns: Iterable[str]) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows of a CSV text and the names of its columns; match `columns` regardless of case."""
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=bool(columns))
    names = list(reader.fieldnames or [])
    for column in set(columns) - set(names):
        folded = [drop_invisible(name).strip().casefold() for name in names]
        if column.casefold() in folded:
            names[folded.index(column.casefold())] = column
    reader.fieldnames = names
    return list(reader), names


def read_small_file(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Read a regular file of at most `max_bytes`.

    Raises
    ------
    InputError
        If the file is larger, or a pipe or a device, which might never end.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        content = file.read(max_bytes + 1) if is_regular else b""
    if not is_regular or len(content) > max_bytes:
        raise InputError(
            "Expected a regular file of at most {megabytes} MB at {path}. Restore the original file.",
            path=path,
            megabytes=max_bytes // 1_000_000,
        )
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # opening a pipe would wait for its writer


def parse_json(content: bytes | str) -> Any:
    """Parse JSON with finite numbers and limited nesting.

    Raises
    ------
    ValueError
        If the content is not JSON, has NaN or an infinity, or is nested too deeply.
    """

    def reject(name: str) -> Any:
        """Raise for NaN and infinity, which JSON does not have."""
        raise ValueError(Message("{name} is not a finite number", name=name))

    table: Any = None
    level: list[Any] = [None]  # the values at one depth of the nesting
    with contextlib.suppress(RecursionError):
        table = json.loads(content, parse_constant=reject)
        level = [table]
        for _ in range(MAX_JSON_DEPTH):  # level by level, since a recursive function would itself fail on deep nesting
            nested = (
                part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)
            )
            level = [value for values in nested for value in values]
    if level:
        raise ValueError(Message("nested in more than {max_json_depth} levels", max_json_depth=MAX_JSON_DEPTH))
    return restore_messages(table)


def read_json(path: Path) -> Any:
    """Read the JSON file at `path`.

    Raises
    ------
    InputError
        If the file is not JSON.
    """
    try:
        return restore_messages(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(
            "Expected JSON in {path}, got something else ({error}). Restore the original file.", path=path, error=error
        ) from None


def count_endings(names: Iterable[str]) -> str:
    """Count files by the ending of their names, the most frequent first, as text.

    >>> count_endings(["a.txt", "b.TXT", "c"])
    '.txt 2, (none) 1'
    """
    counts = Counter(os.path.splitext(name)[1].lower() or "(none)" for name in names)
    return ", ".join(f"{ending} {number}" for ending, number in counts.most_common())


def compute_digest(path: Path | str) -> str:
    """Compute the BLAKE2b-128 digest of a file's content, in hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
