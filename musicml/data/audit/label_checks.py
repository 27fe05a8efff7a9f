"""Checks of labels and groups: contradictions, the best possible scores, class balance, and groups across splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import SPLITS, Dataset
from musicml.utils import Message, compute_wilson_interval

SPLIT_NAMES = {"train": Message("training"), "val": Message("validation"), "test": Message("test")}
MAX_BALANCED_RATIO = 1.5  # of the largest class to the smallest
MIN_TEST_EXAMPLES = 10  # per class
NO_CONTRADICTION = Message("No two files with the same content have different labels.")
CEILINGS = {  # by the examples that they are about
    "split": Message(
        "No model can exceed macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f} on the {split} split: {n} of {total} "
        "examples have contradictory labels."
    ),
    "no split": Message(
        "No model can exceed macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f} on the examples in no split: {n} of "
        "{total} examples have contradictory labels."
    ),
    "all": Message(
        "No model can exceed macro ROC-AUC {auc:.3f} or accuracy {accuracy:.3f}: {n} of {total} examples have "
        "contradictory labels."
    ),
}
LEAKED_GROUPS = {  # by whether the dataset is used as published
    True: Message(
        "{n} of {total} test examples belong to a group that is also in training. Accuracy can be too high by up to "
        "{points:.1f} percentage points."
    ),
    False: Message(
        "{n} of {total} test examples belong to a group that is also in training. Accuracy could be too high by up to "
        "{points:.1f} percentage points, so musicml keeps such groups out of training."
    ),
}


def check_labels(dataset: Dataset, contents: Mapping[str, str]) -> Iterator[AuditFinding]:
    """Report problems of labels and groups.

    Parameters
    ----------
    contents : example id → digest of the file's content
    """
    if dataset.task == "single":
        yield _check_contradictions(dataset, contents)
        yield from _check_ceilings(dataset, contents)
    else:
        yield _check_contradictory_cells(dataset, contents)
        yield _check_unlabeled_cells(dataset)
    classes = count_classes(dataset)
    yield _check_balance(dataset, classes)
    yield from _check_test_sizes(classes)
    yield from check_groups(dataset)


# Contradictions


def _check_contradictions(dataset: Dataset, contents: Mapping[str, str]) -> AuditFinding:
    """Report files with the same content under different classes."""
    groups = [group for group in group_by_content(dataset, contents) if len(set(group.values())) > 1]
    n, files = len(dataset.examples), tuple(sorted(name for group in groups for name in group))
    if not groups:
        return AuditFinding("contradictory_labels", "fine", NO_CONTRADICTION)
    class_pairs = Counter(pair for group in groups for pair in combinations(sorted(set(group.values())), 2))
    first, second = class_pairs.most_common(1)[0][0]
    words = Message(
        "Contradictory labels: {n} of {total} examples have the same content as an example of another class, most "
        "often {first} and {second}.",
        n=len(files),
        total=n,
        first=first,
        second=second,
    )
    # the same content gets the same prediction, which is right at best for the group's most frequent class
    n_wrong = sum(len(group) - max(Counter(group.values()).values()) for group in groups)
    effect = Message("At least {n} of {total} predictions of any model count as wrong.", n=n_wrong, total=n)
    return AuditFinding("contradictory_labels", "fault", words, effect, files)


def group_by_content(dataset: Dataset, contents: Mapping[str, str]) -> list[dict[str, str]]:
    """Group the examples by content, each group a dict from example ids to classes."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for example in dataset.examples:
        groups[contents[example.id]][example.id] = example.label
    return list(groups.values())


def _check_contradictory_cells(dataset: Dataset, contents: Mapping[str, str]) -> AuditFinding:
    """Report classes that are present in one file and absent in another with the same content."""
    cells: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for example in dataset.examples:
        for name, present in example.labels.items():
            cells[contents[example.id], name][example.id] = present
    clashes = [labels for labels in cells.values() if len(set(labels.values())) > 1]
    if not clashes:
        return AuditFinding("contradictory_labels", "fine", NO_CONTRADICTION)
    n_labels = sum(len(example.labels) for example in dataset.examples)
    words = Message(
        "Contradictory labels in files with the same content: {n} of {total}.", n=sum(map(len, clashes)), total=n_labels
    )
    n_wrong = sum(min(Counter(labels.values()).values()) for labels in clashes)
    effect = Message("At least {n} of {total} predictions of any model count as wrong.", n=n_wrong, total=n_labels)
    files = tuple(sorted({name for labels in clashes for name in labels}))
    return AuditFinding("contradictory_labels", "fault", words, effect, files)


# The best possible scores


def _check_ceilings(dataset: Dataset, contents: Mapping[str, str]) -> Iterator[AuditFinding]:
    """Report the best possible scores for each split with contradictory labels."""
    has_splits = any(example.split for example in dataset.examples)
    for split in sorted({example.split for example in dataset.examples}, key=(*SPLITS, "").index):
        part = dataset.keep([example.split == split for example in dataset.examples])
        n = sum(len(group) for group in group_by_content(part, contents) if len(set(group.values())) > 1)
        if n:
            yield _describe_ceiling(part, contents, split, n, has_splits)


def _describe_ceiling(
    part: Dataset, contents: Mapping[str, str], split: str, n_contradictory: int, has_splits: bool
) -> AuditFinding:
    """Describe the best possible scores on the examples of one split."""
    auc, accuracy = compute_ceiling(part, contents)
    words = Message(
        CEILINGS["split" if split else "no split" if has_splits else "all"],
        auc=auc,
        accuracy=accuracy,
        **({"split": SPLIT_NAMES[split]} if split else {}),
        n=n_contradictory,
        total=len(part.examples),
    )
    effect = Message("A higher score was measured on other labels. A lower score may be the best possible one.")
    return AuditFinding("ceiling", "fault", words, effect)


def compute_ceiling(dataset: Dataset, contents: Mapping[str, str]) -> tuple[float, float]:
    """Compute the best macro one-vs-rest ROC-AUC and the best accuracy that any model can reach.

    Examples with the same content get the same scores. The best scores are the shares of the classes among them, since
    no other order puts more positives before negatives. The best prediction is the most frequent class among them.

    Returns
    -------
    auc, accuracy : both 0 to 1
    """
    from sklearn.metrics import roc_auc_score

    _, group = np.unique([contents[example.id] for example in dataset.examples], return_inverse=True)
    y_true = dataset.targets().astype(float)
    sums = np.zeros((group.max() + 1, y_true.shape[1]))
    np.add.at(sums, group, y_true)
    shares = (sums / sums.sum(axis=1, keepdims=True))[group]
    # ROC-AUC is undefined for a class without positives or without negatives
    defined = [k for k in range(y_true.shape[1]) if 0 < y_true[:, k].sum() < len(y_true)]
    aucs = [roc_auc_score(y_true[:, k], shares[:, k]) for k in defined]
    return float(np.mean(aucs)) if aucs else 1.0, float(sums.max(axis=1).sum() / len(y_true))


# Class sizes


def count_classes(dataset: Dataset) -> tuple[dict[str, Any], ...]:
    """Count the examples of each class in each split, in the form of `Audit.classes`."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in dataset.class_names}
    for example in dataset.examples:
        for name, present in example.labels.items():
            counts[name][example.split or "none"] += bool(present)
    return tuple(
        {"class": name, **{split: count[split] for split in (*SPLITS, "none")}, "total": count.total()}
        for name, count in counts.items()
    )


def _check_balance(dataset: Dataset, classes: Sequence[Mapping[str, Any]]) -> AuditFinding:
    """Compare the sizes of the largest and the smallest class."""
    largest, smallest = (pick(classes, key=lambda row: row["total"]) for pick in (max, min))
    most, least = largest["total"], smallest["total"]
    if most == least:
        words = Message("The classes are balanced: {n} examples each.", n=most)
        return AuditFinding("balance", "fine", words)
    if most <= MAX_BALANCED_RATIO * least:
        words = Message("The classes are almost balanced: {least} to {most} examples.", least=least, most=most)
        return AuditFinding("balance", "fine", words)
    words = Message(
        "The largest class, {most_class}, has {most} examples. The smallest, {least_class}, has {least}.",
        most_class=largest["class"],
        most=most,
        least_class=smallest["class"],
        least=least,
    )
    if dataset.task == "multi":
        effect = Message(
            "An average over all predictions says little about {class_name}. Read the metrics of each class.",
            class_name=smallest["class"],
        )
    else:
        effect = Message(
            "Always predicting {class_name} has an accuracy of {share:.1%}. Compare macro F1 as well.",
            class_name=largest["class"],
            share=most / len(dataset.examples),
        )
    return AuditFinding("balance", "caution", words, effect)


def _check_test_sizes(classes: Sequence[Mapping[str, Any]]) -> Iterator[AuditFinding]:
    """Report classes with so few test examples that their metrics are uncertain."""
    small = [row for row in classes if row["test"] < MIN_TEST_EXAMPLES]
    if not any(row["test"] for row in classes):
        return
    if not small:
        words = Message("Every class has at least {n} test examples.", n=MIN_TEST_EXAMPLES)
        yield AuditFinding("few_tests", "fine", words)
        return
    smallest = min(small, key=lambda row: row["test"])
    n = smallest["test"]
    words = Message(
        "Classes with fewer than {limit} test examples: {n_small} of {n_classes}. The smallest is {class_name} with "
        "{n}.",
        limit=MIN_TEST_EXAMPLES,
        n_small=len(small),
        n_classes=len(classes),
        class_name=smallest["class"],
        n=n,
    )
    effect = Message(
        "Even if {n} of {n} predictions are correct, the 95% confidence interval of this class's recall starts at "
        "{lower:.2f}.",
        n=n,
        lower=compute_lower_bound(n),
    )
    if not n:
        effect = Message(
            "Class {class_name} can't be evaluated, and macro averages cover only the other classes.",
            class_name=smallest["class"],
        )
    yield AuditFinding("few_tests", "caution", words, effect)


def compute_lower_bound(n: int) -> float:
    """Compute the lower end of the 95% confidence interval of recall when all `n` examples are correct."""
    return compute_wilson_interval(n, n)[0] if n else 0.0


def _check_unlabeled_cells(dataset: Dataset) -> AuditFinding:
    """Report how many cells of a multi-label table have no label."""
    n_labeled, n_cells = sum(len(e.labels) for e in dataset.examples), len(dataset.examples) * len(dataset.class_names)
    if n_labeled == n_cells:
        return AuditFinding("unobserved", "fine", Message("All {n} cells of the label table have a label.", n=n_cells))
    words = Message(
        "Labeled cells of the label table: {n} of {total}. The others are unknown, not absent.",
        n=n_labeled,
        total=n_cells,
    )
    effect = Message("A metric that counts unknown cells as absent measures something else. Here they do not count.")
    return AuditFinding("unobserved", "caution", words, effect)


# Groups: examples that must not be split, such as the tracks of one artist


def check_groups(dataset: Dataset) -> Iterator[AuditFinding]:
    """Report whether groups are known and stay within one split, and files without a group."""
    finding = _check_group_splits(dataset)
    yield finding
    alone = tuple(example.id for example in dataset.examples if example.group == example.id)
    if alone and finding.kind != "no_groups":
        words = Message(
            "Files without a known group: {n} of {total}. The first: {file}",
            n=len(alone),
            total=len(dataset.examples),
            file=alone[0],
        )
        effect = Message("Each is treated as independent, so files of one artist may be in different splits.")
        yield AuditFinding("without_group", "caution", words, effect, alone)


def _check_group_splits(dataset: Dataset) -> AuditFinding:
    """Report whether groups are known, and whether any of them is in two splits."""
    group_splits, n = defaultdict(set), len(dataset.examples)
    for example in dataset.examples:
        group_splits[example.group].add(example.split)
    if len(group_splits) == n:
        words = Message("No groups are known. Every file is treated as independent of the others.")
        effect = Message(
            "If files of one artist, piece or kit are in two splits, accuracy is too high by an unknown amount."
        )
        return AuditFinding("no_groups", "caution", words, effect)
    crossing = {group for group, splits in group_splits.items() if len(splits - {""}) > 1}
    if not crossing:
        words = Message(
            "The {n} examples form {n_groups} groups. No group is in two splits.", n=n, n_groups=len(group_splits)
        )
        return AuditFinding("groups", "fine", words)
    files = tuple(example.id for example in dataset.examples if example.group in crossing)
    tests = [example for example in dataset.examples if example.split == "test"]
    n_leaked = sum("train" in group_splits[example.group] for example in tests)
    words = Message(
        "Groups in more than one split of the dataset: {n} of {total}.", n=len(crossing), total=len(group_splits)
    )
    if not n_leaked:
        effect = Message("Validation shares groups with another split, so the scores that select a model are biased.")
        return AuditFinding("groups_across_splits", "caution", words, effect, files)
    effect = Message(
        LEAKED_GROUPS[dataset.as_published], n=n_leaked, total=len(tests), points=100 * n_leaked / max(len(tests), 1)
    )
    return AuditFinding("groups_across_splits", "fault", words, effect, files)
