"""Checks for hidden files, excluded files and repaired labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import Dataset
from musicml.utils import Message


def check_folder(dataset: Dataset) -> Iterator[AuditFinding]:
    """Report hidden files, excluded files and repairs."""
    yield check_hidden(dataset)
    yield _check_excluded(dataset)
    yield from _check_repairs(dataset)


def check_hidden(dataset: Dataset) -> AuditFinding:
    """Report hidden files, and files in hidden folders."""
    # macOS and Jupyter leave such files behind: .DS_Store, .ipynb_checkpoints
    files = tuple(_list_hidden(get_data_folder(dataset)))
    if not files:
        return AuditFinding("hidden", "fine", Message("No hidden files in the dataset's folder."))
    words = Message("Hidden files or folders: {n}. The first: {file}", n=len(files), file=files[0])
    effect = Message("A loader that takes every folder for a class adds extra classes. musicml ignores hidden files.")
    return AuditFinding("hidden", "caution", words, effect, files)


def get_data_folder(dataset: Dataset) -> Path | None:
    """Return the folder with a dataset's files, or None for a dataset without files."""
    return dataset.examples[0].folder.absolute() if dataset.examples else None


def _list_hidden(root: Path | None) -> Iterator[str]:
    """List hidden files, files of hidden folders, and empty hidden folders, all relative to `root`."""
    if root is None:
        return
    for folder, folders, names in os.walk(root):
        relative = Path(folder).relative_to(root)
        folders.sort()
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden and not names and not folders:
            yield relative.as_posix()
        yield from ((relative / name).as_posix() for name in sorted(names) if is_hidden or name.startswith("."))


def _check_excluded(dataset: Dataset) -> AuditFinding:
    """Report the files and rows that the loader excluded, with the first reason."""
    if not dataset.excluded:
        return AuditFinding("left_out", "fine", Message("No file or row was excluded."))
    first = dataset.excluded[0]
    words = Message(
        "Excluded files or rows: {n}. The first is {file}: {reason}",
        n=len(dataset.excluded),
        file=first.file,
        reason=first.reason,
    )
    effect = Message("They are not part of any result. Results that include them can't be compared.")
    return AuditFinding("left_out", "caution", words, effect, tuple(item.file for item in dataset.excluded))


def _check_repairs(dataset: Dataset) -> Iterator[AuditFinding]:
    """Report the repairs that the loader made, or that it made none on request."""
    if dataset.as_published:
        words = Message("The dataset is used as published, with its known errors.")
        effect = Message("Results can be compared with published ones, but share their errors.")
        yield AuditFinding("as_published", "caution", words, effect)
    elif dataset.repairs:
        # a file may have several repairs, but is listed once
        files = tuple(dict.fromkeys(repair.file for repair in dataset.repairs))
        words = Message("Repairs of known errors: {n}. To skip them, use --as-published.", n=len(dataset.repairs))
        yield AuditFinding("repaired", "fine", words, files=files)
