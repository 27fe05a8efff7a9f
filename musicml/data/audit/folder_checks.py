"""Beside: what lies beside the examples, was left out of them, or was mended in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import Dataset
from musicml.utils import Message


def findings(dataset: Dataset) -> Iterator[AuditFinding]:
    """Hidden files, what was left out, what was mended."""
    yield hidden(dataset)
    yield left_out(dataset)
    yield from repaired(dataset)


def hidden(dataset: Dataset) -> AuditFinding:
    """Hidden files, and what lies in hidden folders, among the data."""
    found = tuple(hidden_in(home_of(dataset)))
    if not found:
        return AuditFinding("hidden", "fine", Message("No hidden file lies among the data."))
    words = Message(
        "Hidden files or folders among the data: {n_found}, the first {found}.", n_found=len(found), found=found[0]
    )
    effect = Message(
        "A loader that takes every folder for a class has one class more than there is; here they are left out."
    )
    return AuditFinding("hidden", "caution", words, effect, found)


def home_of(dataset: Dataset) -> Path | None:
    """The folder that a data set's files lie below; None of one without files."""
    return dataset.examples[0].folder.absolute() if dataset.examples else None


def hidden_in(home: Path | None) -> Iterator[str]:
    """Paths below `home` that begin with a dot, as they lie below it: of a folder its files, or itself where empty."""
    if home is None:
        return
    for folder, folders, names in os.walk(home):
        place = Path(folder).relative_to(home)
        folders.sort()
        inside = any(part.startswith(".") for part in place.parts)
        if inside and not names and not folders:
            yield place.as_posix()
        yield from ((place / name).as_posix() for name in sorted(names) if inside or name.startswith("."))


def left_out(dataset: Dataset) -> AuditFinding:
    """What the loader itself left out, and why."""
    if not dataset.excluded:
        return AuditFinding("left_out", "fine", Message("No file or row was left out."))
    first = dataset.excluded[0]
    words = Message(
        "Files or rows left out: {n_excluded}; the first, {file}: {reason}",
        n_excluded=len(dataset.excluded),
        file=first.file,
        reason=first.reason,
    )
    effect = Message("They count in no figure; whoever takes them works on other data.")
    return AuditFinding("left_out", "caution", words, effect, tuple(item.file for item in dataset.excluded))


def repaired(dataset: Dataset) -> Iterator[AuditFinding]:
    """What was mended as the data set was loaded, or that nothing was."""
    if dataset.as_published:
        words = Message("The data is taken as it was published, with its faults.")
        effect = Message("A figure on it can be held against a published one, and shares what is wrong with that.")
        yield AuditFinding("as_published", "caution", words, effect)
    elif dataset.repairs:
        files = tuple(dict.fromkeys(repair.file for repair in dataset.repairs))
        words = Message(
            "Repairs made as the data was loaded: {n_repairs}; with --as-published none is made.",
            n_repairs=len(dataset.repairs),
        )
        yield AuditFinding("repaired", "fine", words, files=files)
