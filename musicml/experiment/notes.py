"""The user's note and tags of a run, in a file that no result depends on."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from musicml.experiment.run import Run
from musicml.utils import InputError, make_printable, parse_json, read_small_file, write_json

NOTES_FILE = "notes.json"
MAX_NOTE_LENGTH = 2_000  # characters
MAX_TAG_LENGTH = 40
MAX_TAGS = 50
MAX_FILE_SIZE = 100_000  # bytes: enough for the longest note and all tags, even with every character escaped


@dataclass(frozen=True)
class RunNotes:
    """The note and the tags of a run."""

    note: str = ""
    tags: tuple[str, ...] = ()


def read_notes(run: Run) -> RunNotes:
    """Read the note and the tags of a run, without those that are invalid.

    The run may come from someone else, so no content raises an error. A file that is too large, a link or not JSON
    counts as empty.
    """
    path, table = run.path / NOTES_FILE, None
    with contextlib.suppress(OSError, ValueError):
        # a link could show a private file of the user as a note
        table = None if path.is_symlink() else parse_json(read_small_file(path, MAX_FILE_SIZE))
    table = table if isinstance(table, dict) else {}
    note, tags = table.get("note"), table.get("tags")
    valid_tags = dict.fromkeys(tag for tag in tags if _is_tag(tag)) if isinstance(tags, list) else ()  # keeps the order
    return RunNotes(note if _is_note(note) else "", tuple(valid_tags)[:MAX_TAGS])


def write_note(run: Run, note: str) -> RunNotes:
    """Replace the note of a run; an empty one removes it.

    Raises
    ------
    InputError
        If the note is too long, or not one line of printable text.
    """
    if not _is_note(note := unicodedata.normalize("NFC", note.strip())):
        raise InputError(
            "Expected a note of one line with at most {most} printable characters, got {n} characters: {shown}. "
            "Write a shorter one without line breaks or control characters.",
            most=MAX_NOTE_LENGTH,
            n=len(note),
            shown=make_printable(note),
        )
    return _write_notes(run, RunNotes(note, read_notes(run).tags))


def add_tags(run: Run, tags: Iterable[str]) -> RunNotes:
    """Add tags to a run.

    Raises
    ------
    InputError
        If a tag is too long or has invalid characters, or there are too many.
    """
    tags = [unicodedata.normalize("NFC", tag) for tag in tags]  # a letter with an accent may be one character or two
    for tag in tags:
        if not _is_tag(tag):
            raise InputError(
                "Expected a tag of at most {most} letters, digits, _ and -, got {tag}. Choose one such as lab-3.",
                most=MAX_TAG_LENGTH,
                tag=repr(make_printable(tag)),
            )
    before = read_notes(run)
    all_tags = tuple(dict.fromkeys([*before.tags, *tags]))
    if len(all_tags) > MAX_TAGS:
        raise InputError(
            "Expected at most {most} tags for a run, got {n}. Remove some with `musicml runs --untag`.",
            most=MAX_TAGS,
            n=len(all_tags),
        )
    return _write_notes(run, RunNotes(before.note, all_tags))


def remove_tags(run: Run, tags: Iterable[str]) -> RunNotes:
    """Remove tags from a run.

    Raises
    ------
    InputError
        If the run lacks one of them.
    """
    before, removed = read_notes(run), [unicodedata.normalize("NFC", tag) for tag in tags]
    for tag in removed:
        if tag not in before.tags:
            raise InputError(
                "Expected one of the tags of run {run_name} ({tags}), got {tag}. Check its spelling.",
                run_name=run.name,
                tags=", ".join(before.tags) or "none",
                tag=make_printable(tag),
            )
    return _write_notes(run, RunNotes(before.note, tuple(tag for tag in before.tags if tag not in removed)))


def _write_notes(run: Run, notes: RunNotes) -> RunNotes:
    """Write notes.json, or remove it if it would be empty."""
    path = run.path / NOTES_FILE
    if notes == RunNotes():
        path.unlink(missing_ok=True)
    else:
        write_json(path, asdict(notes))
    return notes


def _is_note(text: Any) -> TypeGuard[str]:
    """Return whether a value is one line of printable text, not too long."""
    return isinstance(text, str) and len(text) <= MAX_NOTE_LENGTH and text.isprintable()


def _is_tag(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and len(text) <= MAX_TAG_LENGTH and bool(re.fullmatch(r"\w[\w-]*", text))
