"""A run's note and tags: the user's own words about it, in a file that no figure depends on."""

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
MAX_FILE_SIZE = 100_000  # bytes: the longest note and all tags, even if every character is escaped


@dataclass(frozen=True)
class RunNotes:
    """What the user wrote about a run."""

    note: str = ""
    tags: tuple[str, ...] = ()


def read_notes(run: Run) -> RunNotes:
    """Read the note and the tags of a run; leave out what breaks a rule.

    The folder may be a stranger's, so nothing in it can stop a page or a table: a file that is too large, no JSON or
    a link counts as empty.
    """
    path, table = run.path / NOTES_FILE, None
    with contextlib.suppress(OSError, ValueError):
        table = None if path.is_symlink() else parse_json(read_small_file(path, MAX_FILE_SIZE))
    table = table if isinstance(table, dict) else {}
    note, tags = table.get("note"), table.get("tags")
    valid_tags = dict.fromkeys(tag for tag in tags if _is_tag(tag)) if isinstance(tags, list) else ()
    return RunNotes(note if _is_note(note) else "", tuple(valid_tags)[:MAX_TAGS])


def write_note(run: Run, note: str) -> RunNotes:
    """Write the note of a run in place of the one it has; an empty one removes it.

    Raises
    ------
    InputError
        If it is too long or not a line of printable text.
    """
    if not _is_note(note := unicodedata.normalize("NFC", note.strip())):
        raise InputError(
            "Expected a note of one line with at most {most} printable characters, got {n} characters: {shown}. "
            "Write a shorter one without line breaks and control characters.",
            most=MAX_NOTE_LENGTH,
            n=len(note),
            shown=make_printable(note),
        )
    return _write_notes(run, RunNotes(note, read_notes(run).tags))


def add_tags(run: Run, tags: Iterable[str]) -> RunNotes:
    """Add tags to those of a run.

    Raises
    ------
    InputError
        If one is too long or has other characters, or there are too many.
    """
    tags = [unicodedata.normalize("NFC", tag) for tag in tags]
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
    """Remove tags from those of a run.

    Raises
    ------
    InputError
        If the run lacks one of them.
    """
    before, gone = read_notes(run), [unicodedata.normalize("NFC", tag) for tag in tags]
    for tag in gone:
        if tag not in before.tags:
            raise InputError(
                "Expected one of the tags of run {run_name} ({tags}), got {tag}. Check its spelling.",
                run_name=run.name,
                tags=", ".join(before.tags) or "none",
                tag=make_printable(tag),
            )
    return _write_notes(run, RunNotes(before.note, tuple(tag for tag in before.tags if tag not in gone)))


def _write_notes(run: Run, notes: RunNotes) -> RunNotes:
    """Write notes.json, or remove it where it would be empty."""
    path = run.path / NOTES_FILE
    if notes == RunNotes():
        path.unlink(missing_ok=True)
    else:
        write_json(path, asdict(notes))
    return notes


def _is_note(text: Any) -> TypeGuard[str]:
    """Return whether it is text that a terminal and a page show as it is, on one line."""
    return isinstance(text, str) and len(text) <= MAX_NOTE_LENGTH and text.isprintable()


def _is_tag(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and len(text) <= MAX_TAG_LENGTH and bool(re.fullmatch(r"\w[\w-]*", text))
