"""Audit a dataset before training: find duplicates, contradictory labels, leaks between splits and damaged files.

Every file is read once. Its scan is cached, so the next audit reads only new and changed files.
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


def audit_dataset(dataset: Dataset, cache_root: Path) -> Audit:
    """Audit the files, labels, groups and splits of a dataset.

    Parameters
    ----------
    cache_root : the cache folder, which keeps the scans of the files

    Raises
    ------
    InputError
        If the disk is full. A file that can't be read is a finding, not an error.
    """
    start = time.monotonic()
    scans, contents = scan.scan_dataset(dataset, cache_root)
    pairs = duplicates.find_pairs(dataset, scans, contents, Path(cache_root))
    findings = [
        *file_checks.check_files(dataset, scans),
        *folder_checks.check_folder(dataset),
        *duplicate_findings.check_duplicates(dataset, scans, pairs),
        *label_checks.check_labels(dataset, contents),
    ]
    return Audit(
        dataset.name,
        dataset.sample,
        dataset.as_published,
        len(dataset.examples),
        round(time.monotonic() - start, 1),
        tuple(sorted(findings, key=lambda finding: WEIGHTS.index(finding.weight))),
        label_checks.count_classes(dataset),
        file_checks.summarize_lengths(dataset, scans),
        dataset.hash(),
    )


def find_clusters(dataset: Dataset, cache_root: Path) -> dict[str, str]:
    """Map each example id to the cluster of its duplicates and near-duplicates.

    Clusters are transitive: if A duplicates B and B duplicates C, all three share a cluster. A cluster is named for the
    first of its ids in sorted order. An example without duplicates is a cluster of its own.
    """
    scans, contents = scan.scan_dataset(dataset, cache_root)
    pairs = duplicates.find_pairs(dataset, scans, contents, Path(cache_root))
    return duplicates.merge_clusters((example.id for example in dataset.examples), (*pairs.exact, *pairs.near))


def audit_and_save(dataset: Dataset, data_root: Path) -> Audit:
    """Audit a dataset with the cache of a data root, and save the audit for `load_audit`."""
    audit = audit_dataset(dataset, Path(data_root) / CACHE_FOLDER)
    path = get_audit_path(data_root, dataset)
    write_json(path, audit.to_dict())
    # audits of the same dataset in an earlier state
    for other in path.parent.glob(f"{glob.escape(path.stem.rpartition('-')[0])}-*.json"):
        if other != path:
            other.unlink(missing_ok=True)
    return audit


def get_audit_path(data_root: Path, dataset: Dataset) -> Path:
    """Return the path of a dataset's saved audit. It changes with the labels, the splits and the files."""
    source = "sample" if dataset.sample else "real"
    source += "-published" if dataset.as_published else ""
    return Path(data_root) / FOLDER / f"{dataset.name}-{source}-{dataset.hash()}-{_digest_file_stamps(dataset)}.json"


def _digest_file_stamps(dataset: Dataset) -> str:
    """Compute a digest of the files' sizes and modification times: 8 hex digits."""
    digest = hashlib.blake2b(digest_size=4)
    for example in dataset.examples:
        with contextlib.suppress(OSError):
            stat = example.path.stat()
            digest.update(f"{example.id} {stat.st_size} {stat.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def load_audit(data_root: Path, dataset: Dataset) -> Audit | None:
    """Load the saved audit of a dataset in its present state, or return None.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = get_audit_path(data_root, dataset)
    if not path.is_file():
        return None
    try:
        audit = Audit.from_dict(parse_json(path.read_text(encoding="utf-8")))
        return audit if audit.as_published == dataset.as_published else None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            "Expected an audit in {path}, but the file holds something else. Remove it and run the audit again.",
            path=path,
        ) from error
