"""Audit: what is wrong with a data set, and what that does to a figure, before anything is learnt from it.

Every file is read once; what it shows is kept in the store, so that the next audit reads only what is new.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import time
from pathlib import Path

from musicml.data import CACHE_FOLDER
from musicml.data.audit import duplicate_findings, duplicates, file_checks, folder_checks, label_checks, scan
from musicml.data.audit.findings import WEIGHTS, Audit
from musicml.data.datasets import Dataset
from musicml.utils import InputError, parse_json, write_json

FOLDER = ".audit"  # below the data root


def audit_dataset(dataset: Dataset, store_root: Path) -> Audit:
    """Look at every file of a data set, at its labels, its groups and its sides.

    Parameters
    ----------
    store_root : the store's folder, in which what files show is kept

    Raises
    ------
    InputError
        If the disk is full. A file that can't be read is a finding.
    """
    begun = time.monotonic()
    seen, contents = scan.take(dataset, store_root)
    pairs = duplicates.pairs(dataset, seen, contents, Path(store_root))
    found = [
        *file_checks.findings(dataset, seen),
        *folder_checks.findings(dataset),
        *duplicate_findings.findings(dataset, seen, pairs),
        *label_checks.findings(dataset, contents),
    ]
    return Audit(
        dataset.name,
        dataset.sample,
        dataset.as_published,
        len(dataset.examples),
        round(time.monotonic() - begun, 1),
        tuple(sorted(found, key=lambda finding: WEIGHTS.index(finding.weight))),
        label_checks.classes_of(dataset),
        file_checks.spread(dataset, seen),
        dataset.hash(),
    )


def find_clusters(dataset: Dataset, store_root: Path) -> dict[str, str]:
    """Example id → its cluster: files that are equal or nearly so, and those that are so with these.

    A cluster is named for the first of its ids in sorted order; an example that is like no other is one by itself.
    """
    seen, contents = scan.take(dataset, store_root)
    pairs = duplicates.pairs(dataset, seen, contents, Path(store_root))
    return duplicates.clusters((example.id for example in dataset.examples), (*pairs.exact, *pairs.near))


def audit_and_save(dataset: Dataset, data_root: Path) -> Audit:
    """`audit_dataset` with the store of a data root, written to where `load_audit` finds it."""
    found = audit_dataset(dataset, Path(data_root) / CACHE_FOLDER)
    path = get_audit_path(data_root, dataset)
    write_json(path, found.to_dict())
    for other in path.parent.glob(f"{glob.escape(path.stem.rpartition('-')[0])}-*.json"):  # of the files as they were
        if other != path:
            other.unlink(missing_ok=True)
    return found


def get_audit_path(data_root: Path, dataset: Dataset) -> Path:
    """Where the audit of a data set is kept; the name changes with its labels, its sides and its files."""
    which = "sample" if dataset.sample else "real"
    which += "-published" if dataset.as_published else ""
    return Path(data_root) / FOLDER / f"{dataset.name}-{which}-{dataset.hash()}-{compute_state(dataset)}.json"


def compute_state(dataset: Dataset) -> str:
    """A digest of the files' sizes and times: 8 hex digits."""
    found = hashlib.blake2b(digest_size=4)
    for example in dataset.examples:
        with contextlib.suppress(OSError):
            stat = example.path.stat()
            found.update(f"{example.id} {stat.st_size} {stat.st_mtime_ns}\n".encode(errors="replace"))
    return found.hexdigest()


def load_audit(data_root: Path, dataset: Dataset) -> Audit | None:
    """The audit that was kept of a data set; None where there is none of it as it is, repaired or as published.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = get_audit_path(data_root, dataset)
    if not path.is_file():
        return None
    try:
        found = Audit.from_dict(parse_json(path.read_text(encoding="utf-8")))
        return found if found.as_published == dataset.as_published else None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "{path} must hold an audit, and holds something else: remove it and audit again.", path=path
        ) from error
