"""Report duplicates and near-duplicates, and how they affect the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from musicml.data.audit import audio_matching
from musicml.data.audit.duplicates import DuplicatePairs
from musicml.data.audit.findings import AuditFinding, DuplicatePair
from musicml.data.audit.scan import FileScan
from musicml.data.datasets import Dataset
from musicml.utils import Message

MAX_LOOK_ALIKES = 10  # pairs in the finding, the most similar ones
NO_NEAR_DUPLICATES = {
    "sound": Message("No near-duplicates: no two files are the same recording."),
    "picture": Message("No near-duplicates: no two files show the same photograph."),
}


def check_duplicates(dataset: Dataset, scans: Mapping[str, FileScan], pairs: DuplicatePairs) -> Iterator[AuditFinding]:
    """Report identical files, near-duplicates, and files that could not be compared."""
    yield _check_exact(dataset, pairs.exact)
    if any(scan.fingerprint for scan in scans.values()):  # otherwise no file was compared
        yield _check_near(dataset, pairs.near)
    yield from _check_look_alikes(pairs.look_alikes)
    yield from _check_uncompared(dataset, scans)


def _check_exact(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> AuditFinding:
    """Report files that are equal byte by byte."""
    n_splits, n_labels = _count_across(pairs)
    words = Message(
        "Duplicates: {n} files have the same content as another. Pairs across splits: {splits}, across labels: "
        "{labels}.",
        n=len(_list_files(pairs)),
        splits=n_splits,
        labels=n_labels,
    )
    none = Message("No duplicates: no two files have the same content.")
    return _make_finding("exact_duplicates", words if pairs else none, pairs, dataset)


def _check_near(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> AuditFinding:
    """Report different files with the same recording or photograph."""
    n_splits, n_labels = _count_across(pairs)
    words = Message(
        "Near-duplicate pairs: {n}. Across splits: {splits}, across labels: {labels}.",
        n=len(pairs),
        splits=n_splits,
        labels=n_labels,
    )
    return _make_finding("near_duplicates", words if pairs else NO_NEAR_DUPLICATES[dataset.kind], pairs, dataset)


def _count_across(pairs: Sequence[DuplicatePair]) -> tuple[int, int]:
    """Count the pairs across splits, and those across labels."""
    return sum(pair.across_splits for pair in pairs), sum(pair.across_labels for pair in pairs)


def _make_finding(kind: str, words: str, pairs: Sequence[DuplicatePair], dataset: Dataset) -> AuditFinding:
    """Make a finding about pairs. It is an error if any pair crosses splits or labels."""
    weight = "fine" if not pairs else "fault" if any(_count_across(pairs)) else "caution"
    effect = _describe_effect(pairs, dataset) if pairs else ""
    return AuditFinding(kind, weight, words, effect, _list_files(pairs), tuple(pairs))


def _describe_effect(pairs: Sequence[DuplicatePair], dataset: Dataset) -> str:
    """Describe the most serious effect of the pairs on the metrics."""
    n, split_sizes = len(dataset.examples), Counter(example.split for example in dataset.examples)
    # a test example that the model was trained on is answered from memory: the worst case
    n_test, n_val = (_count_leaked(pairs, split) for split in ("test", "val"))
    if n_test:
        return Message(
            "{n} of {total} test examples have a duplicate in training. Accuracy can be too high by up to "
            "{points:.1f} percentage points.",
            n=n_test,
            total=split_sizes["test"],
            points=100 * n_test / split_sizes["test"],
        )
    if n_val:
        return Message(
            "{n} of {total} validation examples have a duplicate in training. Validation then favors models that "
            "memorize.",
            n=n_val,
            total=split_sizes["val"],
        )
    n_splits, n_labels = _count_across(pairs)
    n_files = len(_list_files(pairs))
    # contradictory labels limit every model, even if no split leaks
    if n_labels:
        return Message(
            "Duplicates get the same prediction, so a model is wrong about at least one file of each pair across "
            "labels. Such pairs: {n}.",
            n=n_labels,
        )
    if n_splits:
        return Message(
            "{n} of {total} examples are duplicates across validation and test. The data that selects a model then "
            "also tests it.",
            n=n_files,
            total=n,
        )
    if len(split_sizes) > 1 and all(pair.sides[0] and pair.sides[0] == pair.sides[1] for pair in pairs):
        return Message(
            "{n} of {total} examples are duplicates within one split, so they count more than once. Confidence "
            "intervals are too narrow.",
            n=n_files,
            total=n,
        )
    return Message(
        "{n} of {total} examples have a duplicate, and a random split can put the two into different splits. "
        "Accuracy can then be too high by up to {points:.1f} percentage points.",
        n=n_files,
        total=n,
        points=100 * n_files / n,
    )


def _count_leaked(pairs: Sequence[DuplicatePair], split: str) -> int:
    """Count the examples of a split with a duplicate in training."""
    leaked = set()
    for pair in pairs:
        for name, own_split, other_split in ((pair.first, *pair.sides), (pair.second, *pair.sides[::-1])):
            if (own_split, other_split) == (split, "train"):
                leaked.add(name)
    return len(leaked)


def _check_look_alikes(pairs: Sequence[DuplicatePair]) -> Iterator[AuditFinding]:
    """Report pictures of two labels with similar hashes but different details: an audit by hash would be misled."""
    pairs = [pair for pair in pairs if pair.across_labels]
    if pairs:
        words = Message(
            "Look-alike pairs with different labels: {n}. Their perceptual hashes are similar, but their details "
            "differ. The most similar pair is {first} and {second}.",
            n=len(pairs),
            first=pairs[0].first,
            second=pairs[0].second,
        )
        yield AuditFinding("look_alikes", "fine", words, files=_list_files(pairs), pairs=tuple(pairs[:MAX_LOOK_ALIKES]))


def _list_files(pairs: Sequence[DuplicatePair]) -> tuple[str, ...]:
    """List the examples in some pairs, sorted."""
    return tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))


def _check_uncompared(dataset: Dataset, scans: Mapping[str, FileScan]) -> Iterator[AuditFinding]:
    """Report files whose fingerprint is too small for a comparison."""
    min_bytes = audio_matching.MIN_PEAKS * 4 if dataset.kind == "sound" else 1  # a peak is two numbers of two bytes
    readable = [example.id for example in dataset.examples if "error" not in scans[example.id].facts]
    files = tuple(name for name in readable if len(scans[name].fingerprint) < min_bytes)
    if files:
        words = Message(
            "Files not checked for near-duplicates: {n} of {total}. They are too short or too uniform.",
            n=len(files),
            total=len(readable),
        )
        yield AuditFinding("not_compared", "fine", words, files=files)
