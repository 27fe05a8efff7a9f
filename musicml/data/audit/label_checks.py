"""Labels: where they contradict each other, how much can be reached with them, how many there are; and groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import SPLITS, Dataset
from musicml.utils import Message, compute_wilson_interval

SIDES = {"train": Message("training"), "val": Message("validation"), "test": Message("test")}
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
        return AuditFinding(
            "contradictory_labels", "fine", Message("No two files of equal content are labelled differently.")
        )
    met = Counter(two for group in groups for two in combinations(sorted(set(group.values())), 2))
    one, other = met.most_common(1)[0][0]
    words = Message(
        "Examples that contradict one of equal content: {n_files} of {n}, most often {one} and {other}.",
        n_files=len(files),
        n=n,
        one=one,
        other=other,
    )
    wrong = sum(len(group) - max(Counter(group.values()).values()) for group in groups)
    effect = Message("Whatever a model answers, at least {wrong} of {n} answers count as wrong.", wrong=wrong, n=n)
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
        return AuditFinding(
            "contradictory_labels", "fine", Message("No two files of equal content are labelled differently.")
        )
    n_judged = sum(len(example.labels) for example in dataset.examples)
    words = Message(
        "Cells in which files of equal content contradict each other: {sum} of {n_judged}.",
        sum=sum(map(len, found)),
        n_judged=n_judged,
    )
    wrong = sum(min(Counter(judged.values()).values()) for judged in found)
    effect = Message(
        "Whatever a model answers, at least {wrong} of {n_judged} answers count as wrong.",
        wrong=wrong,
        n_judged=n_judged,
    )
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


CEILINGS = {  # by the side that the examples are on
    "one": Message(
        "No model can pass macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f} on the {side} side: {n} of {total} "
        "examples are labelled in two ways."
    ),
    "none": Message(
        "No model can pass macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f} on no side: {n} of {total} examples are "
        "labelled in two ways."
    ),
    "no split": Message(
        "No model can pass macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f}: {n} of {total} examples are labelled in "
        "two ways."
    ),
}


def ceiling_of(part: Dataset, contents: Mapping[str, str], side: str, clashing: int, sided: bool) -> AuditFinding:
    """The highest scores on one side, in words."""
    auc, accuracy = compute_ceiling(part, contents)
    words = Message(
        CEILINGS["one" if side else "none" if sided else "no split"],
        auc=auc,
        accuracy=accuracy,
        **({"side": SIDES[side]} if side else {}),
        n=clashing,
        total=len(part.examples),
    )
    effect = Message("A higher figure was reached on other labels, and a lower one may be all that can be reached.")
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
        return AuditFinding("balance", "fine", Message("The classes are of one size: {most} examples each.", most=most))
    if most <= UNEVEN * least:
        return AuditFinding(
            "balance",
            "fine",
            Message("The classes are of about one size: {least} to {most} examples.", least=least, most=most),
        )
    words = Message(
        "The largest class, {class_name}, has {most} examples; the smallest, {class_name2}, {least}.",
        class_name=largest["class"],
        most=most,
        class_name2=smallest["class"],
        least=least,
    )
    if dataset.task == "multi":
        effect = Message(
            "A figure over all answers says little about {class_name}: read each class's own.",
            class_name=smallest["class"],
        )
    else:
        share = most / len(dataset.examples)
        effect = Message(
            "Always to answer {class_name} is right in {share:.1%} of all cases: read macro F1 beside accuracy.",
            class_name=largest["class"],
            share=share,
        )
    return AuditFinding("balance", "caution", words, effect)


def few_tests(classes: Sequence[Mapping[str, Any]]) -> Iterator[AuditFinding]:
    """Classes with so few test examples that a figure on them says little."""
    few = [row for row in classes if row["test"] < FEW]
    if not any(row["test"] for row in classes):
        return
    if not few:
        yield AuditFinding("few_tests", "fine", Message("Every class has {few} test examples or more.", few=FEW))
        return
    fewest = min(few, key=lambda row: row["test"])
    n = fewest["test"]
    words = Message(
        "Classes with fewer than {few} test examples: {n_few} of {n_classes}; {class_name} has {n}.",
        few=FEW,
        n_few=len(few),
        n_classes=len(classes),
        class_name=fewest["class"],
        n=n,
    )
    effect = Message(
        "Even if all {n} are answered right, the 95 % interval of that class's recall begins at {lowest:.2f}.",
        n=n,
        lowest=lowest(n),
    )
    if not n:
        effect = Message(
            "Nothing can be said of {class_name}, and macro figures are of the other classes.",
            class_name=fewest["class"],
        )
    yield AuditFinding("few_tests", "caution", words, effect)


def lowest(n: int) -> float:
    """Where the 95 % interval of a share begins that is 1 in `n` examples."""
    return compute_wilson_interval(n, n)[0] if n else 0.0


def unobserved(dataset: Dataset) -> AuditFinding:
    """How much of a multi-label table nobody judged."""
    judged, all_ = sum(len(e.labels) for e in dataset.examples), len(dataset.examples) * len(dataset.class_names)
    if judged == all_:
        return AuditFinding(
            "unobserved", "fine", Message("All {all_} cells of the table of labels are judged.", all_=all_)
        )
    words = Message(
        "Judged cells of the table of labels: {judged} of {all_}; the others are unknown, and not absent.",
        judged=judged,
        all_=all_,
    )
    effect = Message(
        "Whoever counts an unknown cell as an answer measures something else: here only judged cells count."
    )
    return AuditFinding("unobserved", "caution", words, effect)


# Groups: what belongs together, and whether the data set's own split keeps it so


def check_groups(dataset: Dataset) -> Iterator[AuditFinding]:
    """What is known of groups, and which files are of none though others are."""
    found = known_groups(dataset)
    yield found
    alone = tuple(example.id for example in dataset.examples if example.group == example.id)
    if alone and found.kind != "no_groups":
        words = Message(
            "Files of no known group: {n_alone} of {n_examples}; the first: {alone}",
            n_alone=len(alone),
            n_examples=len(dataset.examples),
            alone=alone[0],
        )
        effect = Message(
            "Each is taken to be independent of every other, and may stand on another side than what it belongs to."
        )
        yield AuditFinding("without_group", "caution", words, effect, alone)


def known_groups(dataset: Dataset) -> AuditFinding:
    """Whether groups are known, and whether one of them stands on two sides."""
    sides, n = defaultdict(set), len(dataset.examples)
    for example in dataset.examples:
        sides[example.group].add(example.split)
    if len(sides) == n:
        words = Message("No groups are known: every file is taken to be independent of every other.")
        effect = Message(
            "If files of one artist, piece or kit stand on two sides, accuracy is too high by an amount that nobody "
            "knows."
        )
        return AuditFinding("no_groups", "caution", words, effect)
    crossing = {group for group, its in sides.items() if len(its - {""}) > 1}
    if not crossing:
        return AuditFinding(
            "groups",
            "fine",
            Message(
                "The {n} examples are of {n_sides} groups, none of which stands on two sides.", n=n, n_sides=len(sides)
            ),
        )
    files = tuple(example.id for example in dataset.examples if example.group in crossing)
    tests = [example for example in dataset.examples if example.split == "test"]
    known = sum("train" in sides[example.group] for example in tests)
    words = Message(
        "Groups on more than one side of the data set's own split: {n_crossing} of {n_sides}.",
        n_crossing=len(crossing),
        n_sides=len(sides),
    )
    if not known:
        effect = Message(
            "What chose a model and what it learnt from share groups: validation flatters, and so does the choice."
        )
        return AuditFinding("groups_across_splits", "caution", words, effect, files)
    effect = Message(CROSSING[dataset.as_published], n=known, total=len(tests), points=100 * known / max(len(tests), 1))
    return AuditFinding("groups_across_splits", "fault", words, effect, files)


CROSSING = {  # by whether the data is taken as published
    True: Message(
        "{n} of {total} test examples are of a group that trains: accuracy can be too high by up to {points:.1f} "
        "points."
    ),
    False: Message(
        "{n} of {total} test examples are of a group that trains: accuracy can be too high by up to {points:.1f} "
        "points, unless such groups are kept out of training, as here."
    ),
}
