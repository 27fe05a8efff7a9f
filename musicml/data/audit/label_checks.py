"""Labels: where they contradict each other, how much can be reached with them, how many there are; and groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import SPLITS, Dataset
from musicml.utils import compute_wilson_interval

SIDES = {"train": "training", "val": "validation", "test": "test"}
UNEVEN = 1.5  # times more examples in the largest class than in the smallest
FEW = 10  # test examples of a class


def findings(dataset: Dataset, contents: Mapping[str, str]) -> Iterator[AuditFinding]:
    """Everything about labels and groups."""
    if dataset.task == "single":
        yield contradictory(dataset, contents)
        yield from ceilings(dataset, contents)
    else:
        yield contradictory_cells(dataset, contents)
        yield unobserved(dataset)
    classes = classes_of(dataset)
    yield balance(dataset, classes)
    yield from few_tests(classes)
    yield from check_groups(dataset)


# Contradictions


def contradictory(dataset: Dataset, contents: Mapping[str, str]) -> AuditFinding:
    """Files of equal content under different classes."""
    groups = [group for group in group_by_content(dataset, contents) if len(set(group.values())) > 1]
    n, files = len(dataset.examples), tuple(sorted(name for group in groups for name in group))
    if not groups:
        return AuditFinding("contradictory_labels", "fine", "No two files of equal content are labelled differently.")
    met = Counter(two for group in groups for two in combinations(sorted(set(group.values())), 2))
    one, other = met.most_common(1)[0][0]
    words = f"Examples that contradict one of equal content: {len(files)} of {n}, most often {one} and {other}."
    wrong = sum(len(group) - max(Counter(group.values()).values()) for group in groups)
    effect = f"Whatever a model answers, at least {wrong} of {n} answers count as wrong."
    return AuditFinding("contradictory_labels", "fault", words, effect, files)


def group_by_content(dataset: Dataset, contents: Mapping[str, str]) -> list[dict[str, str]]:
    """Example id → class, for the examples of each content."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for example in dataset.examples:
        groups[contents[example.id]][example.id] = example.label
    return list(groups.values())


def contradictory_cells(dataset: Dataset, contents: Mapping[str, str]) -> AuditFinding:
    """Classes that are judged present in one file and absent in another of equal content."""
    cells: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for example in dataset.examples:
        for name, present in example.labels.items():
            cells[contents[example.id], name][example.id] = present
    found = [judged for judged in cells.values() if len(set(judged.values())) > 1]
    if not found:
        return AuditFinding("contradictory_labels", "fine", "No two files of equal content are labelled differently.")
    n_judged = sum(len(example.labels) for example in dataset.examples)
    words = f"Cells in which files of equal content contradict each other: {sum(map(len, found))} of {n_judged}."
    wrong = sum(min(Counter(judged.values()).values()) for judged in found)
    effect = f"Whatever a model answers, at least {wrong} of {n_judged} answers count as wrong."
    files = tuple(sorted({name for judged in found for name in judged}))
    return AuditFinding("contradictory_labels", "fault", words, effect, files)


# How much can be reached


def ceilings(dataset: Dataset, contents: Mapping[str, str]) -> Iterator[AuditFinding]:
    """For each side with contradictions, the scores that no model can pass."""
    for side in sorted({example.split for example in dataset.examples}, key=(*SPLITS, "").index):
        part = dataset.keep([example.split == side for example in dataset.examples])
        clashing = sum(len(group) for group in group_by_content(part, contents) if len(set(group.values())) > 1)
        if clashing:
            yield ceiling_of(part, contents, side, clashing, any(example.split for example in dataset.examples))


def ceiling_of(part: Dataset, contents: Mapping[str, str], side: str, clashing: int, sided: bool) -> AuditFinding:
    """The highest scores on one side, in words."""
    auc, accuracy = compute_ceiling(part, contents)
    on = f" on the {SIDES[side]} side" if side else " on no side" if sided else ""
    words = (
        f"No model can pass macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f}{on}: {clashing} of "
        f"{len(part.examples)} examples are labelled in two ways."
    )
    effect = "A higher figure was reached on other labels, and a lower one may be all that can be reached."
    return AuditFinding("ceiling", "fault", words, effect)


def compute_ceiling(dataset: Dataset, contents: Mapping[str, str]) -> tuple[float, float]:
    """The highest macro one-vs-rest ROC-AUC and the highest accuracy that any model can have.

    Examples of equal content get equal scores; the best are the shares of the classes among them, since no other order
    puts more positives before negatives. The best single answer is the class that most of them have.
    """
    from sklearn.metrics import roc_auc_score

    _, group = np.unique([contents[example.id] for example in dataset.examples], return_inverse=True)
    truth = dataset.targets().astype(float)
    sums = np.zeros((group.max() + 1, truth.shape[1]))
    np.add.at(sums, group, truth)
    shares = (sums / sums.sum(axis=1, keepdims=True))[group]
    told = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    aucs = [roc_auc_score(truth[:, k], shares[:, k]) for k in told]
    return float(np.mean(aucs)) if aucs else 1.0, float(sums.max(axis=1).sum() / len(truth))


# How many there are


def classes_of(dataset: Dataset) -> tuple[dict[str, Any], ...]:
    """How many examples each class has on each side, as `Audit.classes`."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in dataset.class_names}
    for example in dataset.examples:
        for name, present in example.labels.items():
            counts[name][example.split or "none"] += bool(present)
    return tuple(
        {"class": name, **{side: its[side] for side in (*SPLITS, "none")}, "total": its.total()}
        for name, its in counts.items()
    )


def balance(dataset: Dataset, classes: Sequence[Mapping[str, Any]]) -> AuditFinding:
    """Whether the classes are of one size."""
    largest, smallest = (pick(classes, key=lambda row: row["total"]) for pick in (max, min))
    most, least = largest["total"], smallest["total"]
    if most == least:
        return AuditFinding("balance", "fine", f"The classes are of one size: {most} examples each.")
    if most <= UNEVEN * least:
        return AuditFinding("balance", "fine", f"The classes are of about one size: {least} to {most} examples.")
    words = f"The largest class, {largest['class']}, has {most} examples; the smallest, {smallest['class']}, {least}."
    if dataset.task == "multi":
        effect = f"A figure over all answers says little about {smallest['class']}: read each class's own."
    else:
        share = most / len(dataset.examples)
        effect = (
            f"Always to answer {largest['class']} is right in {share:.1%} of all cases: read macro F1 beside accuracy."
        )
    return AuditFinding("balance", "caution", words, effect)


def few_tests(classes: Sequence[Mapping[str, Any]]) -> Iterator[AuditFinding]:
    """Classes with so few test examples that a figure on them says little."""
    few = [row for row in classes if row["test"] < FEW]
    if not any(row["test"] for row in classes):
        return
    if not few:
        yield AuditFinding("few_tests", "fine", f"Every class has {FEW} test examples or more.")
        return
    fewest = min(few, key=lambda row: row["test"])
    n = fewest["test"]
    words = f"Classes with fewer than {FEW} test examples: {len(few)} of {len(classes)}; {fewest['class']} has {n}."
    effect = f"Even if all {n} are answered right, the 95 % interval of that class's recall begins at {lowest(n):.2f}."
    if not n:
        effect = f"Nothing can be said of {fewest['class']}, and macro figures are of the other classes."
    yield AuditFinding("few_tests", "caution", words, effect)


def lowest(n: int) -> float:
    """Where the 95 % interval of a share begins that is 1 in `n` examples."""
    return compute_wilson_interval(n, n)[0] if n else 0.0


def unobserved(dataset: Dataset) -> AuditFinding:
    """How much of a multi-label table nobody judged."""
    judged, all_ = sum(len(e.labels) for e in dataset.examples), len(dataset.examples) * len(dataset.class_names)
    if judged == all_:
        return AuditFinding("unobserved", "fine", f"All {all_} cells of the table of labels are judged.")
    words = f"Judged cells of the table of labels: {judged} of {all_}; the others are unknown, and not absent."
    effect = "Whoever counts an unknown cell as an answer measures something else: here only judged cells count."
    return AuditFinding("unobserved", "caution", words, effect)


# Groups: what belongs together, and whether the data set's own split keeps it so


def check_groups(dataset: Dataset) -> Iterator[AuditFinding]:
    """What is known of groups, and which files are of none though others are."""
    found = known_groups(dataset)
    yield found
    alone = tuple(example.id for example in dataset.examples if example.group == example.id)
    if alone and found.kind != "no_groups":
        words = f"Files of no known group: {len(alone)} of {len(dataset.examples)}; the first: {alone[0]}"
        effect = (
            "Each is taken to be independent of every other, and may stand on another side than what it belongs to."
        )
        yield AuditFinding("without_group", "caution", words, effect, alone)


def known_groups(dataset: Dataset) -> AuditFinding:
    """Whether groups are known, and whether one of them stands on two sides."""
    sides, n = defaultdict(set), len(dataset.examples)
    for example in dataset.examples:
        sides[example.group].add(example.split)
    if len(sides) == n:
        words = "No groups are known: every file is taken to be independent of every other."
        effect = (
            "If files of one artist, piece or kit stand on two sides, accuracy is too high by an amount that nobody "
            "knows."
        )
        return AuditFinding("no_groups", "caution", words, effect)
    crossing = {group for group, its in sides.items() if len(its - {""}) > 1}
    if not crossing:
        return AuditFinding(
            "groups", "fine", f"The {n} examples are of {len(sides)} groups, none of which stands on two sides."
        )
    files = tuple(example.id for example in dataset.examples if example.group in crossing)
    tests = [example for example in dataset.examples if example.split == "test"]
    known = sum("train" in sides[example.group] for example in tests)
    words = f"Groups on more than one side of the data set's own split: {len(crossing)} of {len(sides)}."
    if not known:
        effect = "What chose a model and what it learnt from share groups: validation flatters, and so does the choice."
        return AuditFinding("groups_across_splits", "caution", words, effect, files)
    kept = "" if dataset.as_published else ", unless such groups are kept out of training, as here"
    effect = (
        f"{known} of {len(tests)} test examples are of a group that trains: accuracy can be too high by up to "
        f"{100 * known / max(len(tests), 1):.1f} points{kept}."
    )
    return AuditFinding("groups_across_splits", "fault", words, effect, files)
