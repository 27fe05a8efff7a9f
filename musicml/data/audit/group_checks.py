"""Groups: what belongs together, and whether the data set's own split keeps it so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from musicml.data.audit.findings import AuditFinding
from musicml.data.datasets import Dataset


def findings(dataset: Dataset) -> Iterator[AuditFinding]:
    """What is known of groups, and which files are of none though others are."""
    found = _check_groups(dataset)
    yield found
    alone = tuple(example.id for example in dataset.examples if example.group == example.id)
    if alone and found.kind != "no_groups":
        words = f"Files of no known group: {len(alone)} of {len(dataset.examples)}; the first: {alone[0]}"
        effect = (
            "Each is taken to be independent of every other, and may stand on another side than what it belongs to."
        )
        yield AuditFinding("without_group", "caution", words, effect, alone)


def _check_groups(dataset: Dataset) -> AuditFinding:
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
