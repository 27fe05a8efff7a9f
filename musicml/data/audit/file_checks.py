"""Checks of single files: unreadable, truncated, silent or clipped files, lengths and sample rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from musicml.data.audit.findings import AuditFinding
from musicml.data.audit.scan import FileScan
from musicml.data.datasets import Dataset, Example
from musicml.utils import Message

MIN_PEAK = 1e-3  # -60 dB of full scale; below it a file is silent
MAX_FULL_SCALE_SHARE = 0.001  # of the samples; above it a file is clipped
MAX_LENGTH_RATIO = 2.0  # to the median length, in either direction
QUANTILES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1.0}
NO_SHORTCUT = Message("The share is the same in every class, so a model can't use it as a shortcut.")

Scans = Mapping[str, FileScan]


def check_files(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report problems of single files."""
    yield from _check_unreadable(dataset, scans)
    if dataset.kind == "sound" and _select(dataset, scans, lambda facts: True):  # at least one file was read
        yield _check_truncated(dataset, scans)
        yield _check_silent(dataset, scans)
        yield _check_clipped(dataset, scans)
        yield from _check_too_long(dataset, scans)
        yield from _check_lengths(dataset, scans)
        yield from _check_sample_rates(dataset, scans)
    yield from _check_warnings(dataset, scans)


def _select(dataset: Dataset, scans: Scans, predicate: Callable[[dict[str, Any]], Any]) -> tuple[str, ...]:
    """Select the readable examples whose facts satisfy a predicate."""
    facts = {example.id: scans[example.id].facts for example in dataset.examples}
    return tuple(name for name, row in facts.items() if "error" not in row and predicate(row))


# Unreadable and incomplete files


def _check_unreadable(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report files that can't be read. Empty files are a finding of their own."""
    n, lost = len(dataset.examples), [e for e in dataset.examples if "error" in scans[e.id].facts]
    effect = Message(
        "They can't be used for training or evaluation. Results cover only the other {n} examples.", n=n - len(lost)
    )
    empty = [example for example in lost if example.path.is_file() and not example.path.stat().st_size]
    broken = [example for example in lost if example not in empty]
    if empty:
        words = Message("Empty files (0 bytes): {n} of {total}.", n=len(empty), total=n)
        yield AuditFinding("empty", "fault", words, effect, _list_ids(empty))
    if broken:
        words = Message(
            "Unreadable files: {n} of {total}. The first: {reason}",
            n=len(broken),
            total=n,
            reason=scans[broken[0].id].facts["error"],
        )
        yield AuditFinding("unreadable", "fault", words, effect, _list_ids(broken))
    if not lost:
        yield AuditFinding("unreadable", "fine", Message("All {n} files can be read.", n=n))


def _list_ids(examples: Iterable[Example]) -> tuple[str, ...]:
    return tuple(example.id for example in examples)


def _check_truncated(dataset: Dataset, scans: Scans) -> AuditFinding:
    """Report files that hold less data than their header says."""
    files = _select(dataset, scans, lambda facts: facts["cut"])
    if not files:
        return AuditFinding("truncated", "fine", Message("Every readable file is as long as its header says."))
    words = Message(
        "Truncated or damaged files: {n} of {total}. They hold less data than their headers say.",
        n=len(files),
        total=len(dataset.examples),
    )
    effect = Message("The missing part is lost, so only the rest of such a file is used.")
    return AuditFinding("truncated", "caution", words, effect, files)


# Level


def _check_silent(dataset: Dataset, scans: Scans) -> AuditFinding:
    """Report silent files."""
    files = _select(dataset, scans, lambda facts: facts["peak"] < MIN_PEAK)
    if not files:
        return AuditFinding("silent", "fine", Message("No file is silent."))
    n = len(dataset.examples)  # of all examples, since silent files get predictions too
    words = Message(
        "Silent files: {n} of {total}. They have no sample above -60 dB of full scale.", n=len(files), total=n
    )
    effect = Message(
        "A model can only guess the label of silence. Up to {share:.1%} of all predictions are guesses.",
        share=len(files) / n,
    )
    return AuditFinding("silent", "fault", words, effect, files)


def _check_clipped(dataset: Dataset, scans: Scans) -> AuditFinding:
    """Report clipped files, and whether clipping gives a class away."""
    files = _select(dataset, scans, lambda facts: facts["full"] > MAX_FULL_SCALE_SHARE)
    if not files:
        return AuditFinding("clipped", "fine", Message("No file is clipped."))
    most_class, most_share, least_class, least_share = _find_extreme_classes(dataset, scans, files)
    words = Message(
        "Clipped files: {n} of {total}. More than 0.1% of their samples are at full scale.",
        n=len(files),
        total=len(dataset.examples),
    )
    effect = Message(
        "A model can use the distortion as a shortcut: {most:.0%} of {most_class} are clipped, and {least:.0%} of "
        "{least_class}.",
        most=most_share,
        most_class=most_class,
        least=least_share,
        least_class=least_class,
    )
    return AuditFinding("clipped", "caution", words, effect if most_share > least_share else NO_SHORTCUT, files)


def _find_extreme_classes(dataset: Dataset, scans: Scans, files: Iterable[str]) -> tuple[str, float, str, float]:
    """Find the classes with the largest and the smallest share of `files` among their readable files, with the shares.

    If the shares differ, a model can recognize a class by a property that has nothing to do with music.
    """
    readable, files = set(_select(dataset, scans, lambda facts: True)), set(files)
    totals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for example in dataset.examples:
        for name in (name for name, present in example.labels.items() if present and example.id in readable):
            totals[name] += 1
            counts[name] += example.id in files
    shares = {name: counts[name] / totals[name] for name in dataset.class_names if totals[name]}
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    return most, shares[most], least, shares[least]


# Lengths and sample rates


def _check_too_long(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report files that are only read in part because they are too long."""
    files = _select(dataset, scans, lambda facts: facts["long"])
    if files:
        words = Message(
            "Files longer than 15 minutes: {n} of {total}. Only their first 15 minutes are used.",
            n=len(files),
            total=len(dataset.examples),
        )
        effect = Message("The rest of these files has no effect on any result.")
        yield AuditFinding("long", "caution", words, effect, files)


def _check_lengths(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report the range of lengths, and files that are much longer or shorter than the median."""
    seconds = {name: scans[name].facts["seconds"] for name in _select(dataset, scans, lambda facts: True)}
    if not seconds:
        return
    shortest, median, longest = np.quantile(list(seconds.values()), (0, 0.5, 1))
    files = tuple(
        name for name, length in seconds.items() if not median / MAX_LENGTH_RATIO <= length <= median * MAX_LENGTH_RATIO
    )
    lengths = {"shortest": shortest, "longest": longest, "median": median}
    if not files:
        words = Message(
            "Lengths: {shortest:.1f} to {longest:.1f} s, median {median:.1f} s. No file is shorter than half the "
            "median or longer than twice the median.",
            **lengths,
        )
        yield AuditFinding("lengths", "fine", words)
        return
    words = Message(
        "Lengths: {shortest:.1f} to {longest:.1f} s, median {median:.1f} s. Shorter than half the median or longer "
        "than twice the median: {n} of {total} files.",
        **lengths,
        n=len(files),
        total=len(seconds),
    )
    effect = Message("Each file counts once, whatever its length. A short file is repeated to fill a clip.")
    yield AuditFinding("lengths", "caution", words, effect, files)


def _check_sample_rates(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report unusual sample rates, and whether they give a class away."""
    counts = Counter(scans[name].facts["sample_rate"] for name in _select(dataset, scans, lambda facts: True))
    if not counts:
        return
    usual = counts.most_common(1)[0][0]
    if len(counts) == 1:
        yield AuditFinding("rates", "fine", Message("All files have a sample rate of {rate} Hz.", rate=usual))
        return
    files = _select(dataset, scans, lambda facts: facts["sample_rate"] != usual)
    most_class, most_share, least_class, least_share = _find_extreme_classes(dataset, scans, files)
    words = Message(
        "Files with a sample rate other than {rate} Hz: {n} of {total}.", rate=usual, n=len(files), total=counts.total()
    )
    effect = Message(
        "A file has no frequencies above half its sample rate, and a model can use that as a shortcut: {most:.0%} of "
        "{most_class} have another rate, and {least:.0%} of {least_class}.",
        most=most_share,
        most_class=most_class,
        least=least_share,
        least_class=least_class,
    )
    yield AuditFinding("rates", "caution", words, effect if most_share > least_share else NO_SHORTCUT, files)


def summarize_lengths(dataset: Dataset, scans: Scans) -> dict[str, dict[str, float]] | None:
    """Summarize lengths, sample rates and channels of the readable sounds for `Audit.lengths`, or return None."""
    facts = [scans[name].facts for name in _select(dataset, scans, lambda facts: True)]
    if dataset.kind != "sound" or not facts:
        return None
    quantiles = np.quantile([row["seconds"] for row in facts], list(QUANTILES.values()))
    counts: dict[str, dict[str, float]] = {
        name: {str(value): n for value, n in sorted(Counter(row[key] for row in facts).items())}
        for name, key in (("rates", "sample_rate"), ("channels", "channels"))
    }
    return {"seconds": {name: round(float(q), 3) for name, q in zip(QUANTILES, quantiles, strict=True)}, **counts}


def _check_warnings(dataset: Dataset, scans: Scans) -> Iterator[AuditFinding]:
    """Report files with a warning: of one color, tiny, in print colors, or with the extension of another type."""
    files = _select(dataset, scans, lambda facts: facts["warnings"])
    if files:
        words = Message(
            "Files with a warning: {n} of {total}. The first: {warning}",
            n=len(files),
            total=len(dataset.examples),
            warning=scans[files[0]].facts["warnings"][0],
        )
        effect = Message("They are used, but may differ from the other files.")
        yield AuditFinding("remarks", "caution", words, effect, files)
