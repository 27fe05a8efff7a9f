"""Twins: what files that are alike do to a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from musicml.audit import landmarks
from musicml.audit.alike import Pairs
from musicml.audit.findings import Finding, Pair
from musicml.audit.looks import Look
from musicml.datasets import Dataset

NONE_NEAR = {
    "sound": "No two sounds are nearly the same recording.",
    "picture": "No two pictures are nearly the same photograph.",
}


def findings(dataset: Dataset, looks: Mapping[str, Look], pairs: Pairs) -> Iterator[Finding]:
    """Equal files, nearly equal ones, and those that could not be compared."""
    exact, near = pairs.exact, pairs.near
    counted = f"{len(exact)}; across splits {across_splits(exact)}, across labels {across_labels(exact)}."
    words = f"Pairs of files with equal content: {counted}" if exact else "No two files have equal content."
    yield finding("exact_duplicates", words, exact, dataset)
    counted = f"{len(near)}; across splits {across_splits(near)}, across labels {across_labels(near)}."
    words = f"Pairs of files that are nearly the same: {counted}" if near else NONE_NEAR[dataset.kind]
    yield finding("near_duplicates", words, near, dataset)
    yield from look_alikes(pairs.alike)
    yield from not_compared(dataset, looks)


def across_splits(pairs: Sequence[Pair]) -> int:
    """How many of the pairs stand on two sides."""
    return sum(pair.across_splits for pair in pairs)


def across_labels(pairs: Sequence[Pair]) -> int:
    """How many of the pairs are labelled differently."""
    return sum(pair.across_labels for pair in pairs)


def finding(kind: str, words: str, pairs: Sequence[Pair], dataset: Dataset) -> Finding:
    """What was found of one kind of twins; a fault where they stand across splits or labels."""
    weight = "fine" if not pairs else "fault" if across_splits(pairs) or across_labels(pairs) else "caution"
    effect = effect_of(pairs, dataset) if pairs else ""
    return Finding(kind, weight, words, effect, names_in(pairs), tuple(pairs))


def effect_of(pairs: Sequence[Pair], dataset: Dataset) -> str:
    """What twins do to a figure, the gravest that is so of these."""
    n, n_of = len(dataset.examples), Counter(example.split for example in dataset.examples)
    tests, chosen_by = (twins_across(pairs, side) for side in ("test", "val"))
    if tests:
        return (
            f"{tests} of {n_of['test']} test examples have a twin in training: accuracy can be too high by up to "
            f"{100 * tests / n_of['test']:.1f} points."
        )
    if chosen_by:
        return (
            f"{chosen_by} of {n_of['val']} validation examples have a twin in training: by them a model is chosen for "
            "what it has seen."
        )
    twins = len(names_in(pairs))
    if across_labels(pairs):
        k = across_labels(pairs)
        return f"A model answers twins alike, and so is wrong about one of each pair with two labels: {k} of them."
    if len(n_of) > 1:
        return f"{twins} of {n} examples have a twin on no other side: they count more than once, and intervals are too narrow."
    return (
        f"{twins} of {n} examples have a twin, which a random split can put on the other side: accuracy can be too "
        f"high by up to {100 * twins / n:.1f} points."
    )


def twins_across(pairs: Sequence[Pair], side: str) -> int:
    """How many examples of a side have a twin in training."""
    found = set()
    for pair in pairs:
        for name, its, others in ((pair.first, *pair.sides), (pair.second, *pair.sides[::-1])):
            if (its, others) == (side, "train"):
                found.add(name)
    return len(found)


def look_alikes(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Pictures of two labels that only a perceptual hash takes for one: an audit by hashes alone would name them."""
    pairs = [pair for pair in pairs if pair.across_labels]
    if pairs:
        words = (
            f"Pictures with two labels that a perceptual hash takes for one, and their detail for two: {len(pairs)} "
            f"pairs, the first {pairs[0].first} and {pairs[0].second}."
        )
        yield Finding("look_alikes", "fine", words, files=names_in(pairs))


def names_in(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The examples in some pairs, sorted."""
    return tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))


def not_compared(dataset: Dataset, looks: Mapping[str, Look]) -> Iterator[Finding]:
    """Files that show too little to be compared with others."""
    least = landmarks.FEWEST * 4 if dataset.kind == "sound" else 1  # bytes: two numbers of two bytes a landmark
    readable = [example.id for example in dataset.examples if "error" not in looks[example.id].facts]
    found = tuple(name for name in readable if len(looks[name].marks) < least)
    if found:
        words = f"Files too short or too even to be compared, but for equal content: {len(found)} of {len(readable)}."
        yield Finding("not_compared", "fine", words, files=found)
