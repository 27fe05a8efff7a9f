"""Condition: what is wrong with the files themselves, each by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from musicml.data.audit.findings import AuditFinding
from musicml.data.audit.scan import Look
from musicml.data.datasets import Dataset, Example
from musicml.utils import Message

SILENT = 1e-3  # -60 dB of full scale
CLIPPED = 0.001  # share of the samples at full scale
ODD = 2.0  # times longer or shorter than the middle one
QUANTILES = {"least": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1.0}
EVEN = Message("No class has more of them than another, so no model can know one by that.")

Looks = Mapping[str, Look]


def findings(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """Everything about the files themselves."""
    yield from unreadable(dataset, looks)
    if dataset.kind == "sound" and chosen(dataset, looks, lambda facts: True):  # of files unread nothing is known
        yield truncated(dataset, looks)
        yield silent(dataset, looks)
        yield clipped(dataset, looks)
        yield from long(dataset, looks)
        yield from lengths(dataset, looks)
        yield from rates(dataset, looks)
    yield from remarks(dataset, looks)


def chosen(dataset: Dataset, looks: Looks, wanted: Callable[[dict[str, Any]], Any]) -> tuple[str, ...]:
    """The examples that could be read and of whose facts something is so."""
    facts = {example.id: looks[example.id].facts for example in dataset.examples}
    return tuple(name for name, its in facts.items() if "error" not in its and wanted(its))


# What can't be read, or is not all there


def unreadable(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """Files that can't be read, and of these the empty ones."""
    n, lost = len(dataset.examples), [e for e in dataset.examples if "error" in looks[e.id].facts]
    effect = Message(
        "They can be neither learnt from nor judged: a figure is one on the other {n} examples.", n=n - len(lost)
    )
    empty = [example for example in lost if example.path.is_file() and not example.path.stat().st_size]
    broken = [example for example in lost if example not in empty]
    if empty:
        words = Message("Empty files, of 0 bytes: {n_empty} of {n}.", n_empty=len(empty), n=n)
        yield AuditFinding("empty", "fault", words, effect, ids(empty))
    if broken:
        reason = looks[broken[0].id].facts["error"]
        words = Message(
            "Files that can't be read: {n_broken} of {n}; of the first: {reason}",
            n_broken=len(broken),
            n=n,
            reason=reason,
        )
        yield AuditFinding("unreadable", "fault", words, effect, ids(broken))
    if not lost:
        yield AuditFinding("unreadable", "fine", Message("All {n} files can be read.", n=n))


def ids(examples: Iterable[Example]) -> tuple[str, ...]:
    """The ids of examples."""
    return tuple(example.id for example in examples)


def truncated(dataset: Dataset, looks: Looks) -> AuditFinding:
    """Files in which less is than their header promises."""
    found = chosen(dataset, looks, lambda facts: facts["cut"])
    if not found:
        return AuditFinding("truncated", "fine", Message("Every file that can be read is as long as its header says."))
    words = Message(
        "Files that are cut off or damaged: {n_found} of {n_examples}; less of each can be read than it should hold.",
        n_found=len(found),
        n_examples=len(dataset.examples),
    )
    return AuditFinding(
        "truncated",
        "caution",
        words,
        Message("What is missing can't be heard: such a file is judged by what is left."),
        found,
    )


# What they sound like


def silent(dataset: Dataset, looks: Looks) -> AuditFinding:
    """Files in which there is nothing to hear."""
    found = chosen(dataset, looks, lambda facts: facts["peak"] < SILENT)
    if not found:
        return AuditFinding("silent", "fine", Message("No file is silent."))
    n = len(dataset.examples)
    words = Message(
        "Silent files: {n_found} of {n}, without a sample above -60 dB of full scale.", n_found=len(found), n=n
    )
    effect = Message(
        "An answer to silence is a guess: up to {n_found:.1%} of the answers are luck.", n_found=len(found) / n
    )
    return AuditFinding("silent", "fault", words, effect, found)


def clipped(dataset: Dataset, looks: Looks) -> AuditFinding:
    """Files whose peaks are cut, and whether a class is known by that."""
    found = chosen(dataset, looks, lambda facts: facts["full"] > CLIPPED)
    if not found:
        return AuditFinding("clipped", "fine", Message("No file is clipped."))
    n, (most, share, least, lowest) = len(dataset.examples), uneven(dataset, looks, found)
    words = Message(
        "Clipped files: {n_found} of {n}, with more than 0.1% of their samples at full scale.", n_found=len(found), n=n
    )
    effect = Message(
        "A model can go by the distortion: {share:.0%} of {most} have it, and {lowest:.0%} of {least}.",
        share=share,
        most=most,
        lowest=lowest,
        least=least,
    )
    return AuditFinding("clipped", "caution", words, effect if share > lowest else EVEN, found)


def uneven(dataset: Dataset, looks: Looks, found: Iterable[str]) -> tuple[str, float, str, float]:
    """The class of which the largest share of the readable files is `found`, the share, and the same of the lowest."""
    readable = set(chosen(dataset, looks, lambda facts: True))
    of: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    found = set(found)
    for example in dataset.examples:
        for name in (name for name, present in example.labels.items() if present and example.id in readable):
            of[name] += 1
            hit[name] += example.id in found
    shares = {name: hit[name] / of[name] for name in dataset.class_names if of[name]}
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    return most, shares[most], least, shares[least]


def long(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """Files of which only the beginning is heard."""
    found = chosen(dataset, looks, lambda facts: facts["long"])
    if found:
        words = Message(
            "Files that are too long: {n_found} of {n_examples}; only their first 15 minutes are heard.",
            n_found=len(found),
            n_examples=len(dataset.examples),
        )
        yield AuditFinding("long", "caution", words, Message("What comes later counts for nothing in a figure."), found)


# How long they are, and in what form they come


def lengths(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """How long files are, and which are much longer or shorter than the middle one."""
    seconds = {name: looks[name].facts["seconds"] for name in chosen(dataset, looks, lambda facts: True)}
    if not seconds:
        return
    least, median, most = np.quantile(list(seconds.values()), (0, 0.5, 1))
    found = tuple(name for name, length in seconds.items() if not median / ODD <= length <= median * ODD)
    spread = {"least": least, "most": most, "median": median}
    if not found:
        words = Message(
            "Files last {least:.1f} to {most:.1f} s, {median:.1f} s in the middle; none is shorter than half of that, "
            "or longer than twice.",
            **spread,
        )
        yield AuditFinding("lengths", "fine", words)
        return
    words = Message(
        "Files last {least:.1f} to {most:.1f} s, {median:.1f} s in the middle; shorter than half of that, or longer "
        "than twice: {n} of {total}.",
        **spread,
        n=len(found),
        total=len(seconds),
    )
    effect = Message("Each file counts once, however long it is, and a short one is repeated to a clip's length.")
    yield AuditFinding("lengths", "caution", words, effect, found)


def rates(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """Which sample rates there are, and whether a class is known by its own."""
    counts = Counter(looks[name].facts["sample_rate"] for name in chosen(dataset, looks, lambda facts: True))
    if not counts:
        return
    usual = counts.most_common(1)[0][0]
    if len(counts) == 1:
        yield AuditFinding("rates", "fine", Message("All files have one sample rate, {usual} Hz.", usual=usual))
        return
    found = chosen(dataset, looks, lambda facts: facts["sample_rate"] != usual)
    most, share, least, lowest = uneven(dataset, looks, found)
    words = Message(
        "Files with another sample rate than most, {usual} Hz: {n_found} of {total}.",
        usual=usual,
        n_found=len(found),
        total=counts.total(),
    )
    effect = Message(
        "A rate leaves out what is above half of it, and a model can go by that: {share:.0%} of "
        "{most} have another rate, and {lowest:.0%} of {least}.",
        share=share,
        most=most,
        lowest=lowest,
        least=least,
    )
    yield AuditFinding("rates", "caution", words, effect if share > lowest else EVEN, found)


def spread(dataset: Dataset, looks: Looks) -> dict[str, dict[str, float]] | None:
    """Lengths, rates and channels of the readable sounds, as `Audit.lengths`; None of pictures."""
    facts = [looks[name].facts for name in chosen(dataset, looks, lambda facts: True)]
    if dataset.kind != "sound" or not facts:
        return None
    quantiles = np.quantile([its["seconds"] for its in facts], list(QUANTILES.values()))
    counted: dict[str, dict[str, float]] = {
        name: {str(value): n for value, n in sorted(Counter(its[key] for its in facts).items())}
        for name, key in (("rates", "sample_rate"), ("channels", "channels"))
    }
    return {"seconds": {name: round(float(q), 3) for name, q in zip(QUANTILES, quantiles, strict=True)}, **counted}


# What else there is to say


def remarks(dataset: Dataset, looks: Looks) -> Iterator[AuditFinding]:
    """Files that are read with a warning: of one colour, tiny, in colours of printing, named for another type."""
    found = chosen(dataset, looks, lambda facts: facts["warnings"])
    if found:
        said = looks[found[0]].facts["warnings"][0]
        words = Message(
            "Files read with a remark: {n_found} of {n_examples}; of the first: {said}",
            n_found=len(found),
            n_examples=len(dataset.examples),
            said=said,
        )
        yield AuditFinding(
            "remarks", "caution", words, Message("They are used all the same, and may be unlike the others."), found
        )
