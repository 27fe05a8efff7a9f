"""Twins: what files that are alike do to a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from musicml.data.audit import audio_matching
from musicml.data.audit.duplicates import Pairs
from musicml.data.audit.findings import AuditFinding, DuplicatePair
from musicml.data.audit.scan import Look
from musicml.data.datasets import Dataset
from musicml.utils import Message

LOOK_ALIKES = 10  # pairs that are told, the likeliest
NONE_NEAR = {
    "sound": Message("No two sounds are nearly the same recording."),
    "picture": Message("No two pictures are nearly the same photograph."),
}


def findings(dataset: Dataset, looks: Mapping[str, Look], pairs: Pairs) -> Iterator[AuditFinding]:
    """Equal files, nearly equal ones, and those that could not be compared."""
    yield equal(dataset, pairs.exact)
    if any(look.marks for look in looks.values()):  # else nothing was compared
        yield nearly(dataset, pairs.near)
    yield from look_alikes(pairs.alike)
    yield from not_compared(dataset, looks)


def equal(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> AuditFinding:
    """Files that are the same to the byte."""
    splits, labels = across(pairs)
    words = Message(
        "Files with equal content: {n_names_in}, in pairs across splits {splits}, across labels {labels}.",
        n_names_in=len(names_in(pairs)),
        splits=splits,
        labels=labels,
    )
    return finding("exact_duplicates", words if pairs else Message("No two files have equal content."), pairs, dataset)


def nearly(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> AuditFinding:
    """Files that are one recording or one photograph."""
    splits, labels = across(pairs)
    words = Message(
        "Pairs of files that are nearly the same: {n_pairs}; across splits {splits}, across labels {labels}.",
        n_pairs=len(pairs),
        splits=splits,
        labels=labels,
    )
    return finding("near_duplicates", words if pairs else NONE_NEAR[dataset.kind], pairs, dataset)


def across(pairs: Sequence[DuplicatePair]) -> tuple[int, int]:
    """How many of the pairs stand on two sides, and how many are labelled differently."""
    return sum(pair.across_splits for pair in pairs), sum(pair.across_labels for pair in pairs)


def finding(kind: str, words: str, pairs: Sequence[DuplicatePair], dataset: Dataset) -> AuditFinding:
    """What was found of one kind of twins; a fault where they stand across splits or labels."""
    weight = "fine" if not pairs else "fault" if any(across(pairs)) else "caution"
    effect = effect_of(pairs, dataset) if pairs else ""
    return AuditFinding(kind, weight, words, effect, names_in(pairs), tuple(pairs))


def effect_of(pairs: Sequence[DuplicatePair], dataset: Dataset) -> str:
    """What twins do to a figure, the gravest that is so of these."""
    n, n_of = len(dataset.examples), Counter(example.split for example in dataset.examples)
    tests, chosen_by = (twins_across(pairs, side) for side in ("test", "val"))
    if tests:
        return Message(
            "{tests} of {test} test examples have a twin in training: accuracy can be too high by up to "
            "{tests2:.1f} points.",
            tests=tests,
            test=n_of["test"],
            tests2=100 * tests / n_of["test"],
        )
    if chosen_by:
        return Message(
            "{chosen_by} of {val} validation examples have a twin in training: by them a model is chosen "
            "for what it has seen.",
            chosen_by=chosen_by,
            val=n_of["val"],
        )
    twins = len(names_in(pairs))
    if k := across(pairs)[1]:
        return Message(
            "A model answers twins alike, and so is wrong about one of each pair with two labels: {k} of them.", k=k
        )
    if across(pairs)[0]:
        return Message(
            "{twins} of {n} examples stand on validation and test: what chose the model also judges it.",
            twins=twins,
            n=n,
        )
    if len(n_of) > 1 and all(pair.sides[0] and pair.sides[0] == pair.sides[1] for pair in pairs):
        return Message(
            "{twins} of {n} examples count more than once, on no other side; so intervals are too narrow.",
            twins=twins,
            n=n,
        )
    return Message(
        "{twins} of {n} examples have a twin, which a random split can put on the other side: "
        "accuracy can be too high by up to {twins2:.1f} points.",
        twins=twins,
        n=n,
        twins2=100 * twins / n,
    )


def twins_across(pairs: Sequence[DuplicatePair], side: str) -> int:
    """How many examples of a side have a twin in training."""
    found = set()
    for pair in pairs:
        for name, its, others in ((pair.first, *pair.sides), (pair.second, *pair.sides[::-1])):
            if (its, others) == (side, "train"):
                found.add(name)
    return len(found)


def look_alikes(pairs: Sequence[DuplicatePair]) -> Iterator[AuditFinding]:
    """Pictures of two labels that only a perceptual hash takes for one: an audit by hashes alone would name them."""
    pairs = [pair for pair in pairs if pair.across_labels]
    if pairs:
        words = Message(
            "Pictures with two labels that a perceptual hash takes for one, and their detail for two: "
            "{n_pairs} pairs, the likeliest {first} and {second}.",
            n_pairs=len(pairs),
            first=pairs[0].first,
            second=pairs[0].second,
        )
        yield AuditFinding("look_alikes", "fine", words, files=names_in(pairs), pairs=tuple(pairs[:LOOK_ALIKES]))


def names_in(pairs: Sequence[DuplicatePair]) -> tuple[str, ...]:
    """The examples in some pairs, sorted."""
    return tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))


def not_compared(dataset: Dataset, looks: Mapping[str, Look]) -> Iterator[AuditFinding]:
    """Files that show too little to be compared with others."""
    least = audio_matching.FEWEST * 4 if dataset.kind == "sound" else 1  # bytes: two numbers of two bytes a landmark
    readable = [example.id for example in dataset.examples if "error" not in looks[example.id].facts]
    found = tuple(name for name in readable if len(looks[name].marks) < least)
    if found:
        words = Message(
            "Files too short or too even to be compared, but for equal content: {n_found} of {n_readable}.",
            n_found=len(found),
            n_readable=len(readable),
        )
        yield AuditFinding("not_compared", "fine", words, files=found)
