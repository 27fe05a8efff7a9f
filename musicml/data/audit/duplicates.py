"""Find duplicate and near-duplicate examples, and group them into clusters."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from musicml.data.audit import audio_fingerprint, audio_matching, image_alignment, image_hash
from musicml.data.audit.findings import DuplicatePair
from musicml.data.audit.scan import VERSION, FileScan
from musicml.data.datasets import Dataset, Example
from musicml.data.splits import find_connected
from musicml.utils import Message, count_processes, make_progress_bar, map_in_processes, parse_json, write_json

logger = logging.getLogger(__name__)

MAX_FULL_GROUP = 10  # identical examples; a larger group does not list every pair
MIN_PARALLEL_PAIRS = 200  # pictures to align; with fewer pairs, starting processes costs more than it saves
MAX_LOOK_ALIKE_BITS = 4  # of 64 in which two hashes differ; such a pair is reported even if its details differ
IDENTICAL = Message("identical content")
PICTURE_EVIDENCE = {  # by whether one picture is mirrored
    False: Message(
        "perceptual hashes differ in {bits} of 64 bits; after alignment, their details correlate at {correlation:.2f}"
    ),
    True: Message(
        "perceptual hashes differ in {bits} of 64 bits; after mirroring and alignment, their details correlate at "
        "{correlation:.2f}"
    ),
}


class DuplicatePairs(NamedTuple):
    """Pairs of identical files, of near-duplicates, and of pictures that only share a perceptual hash."""

    exact: list[DuplicatePair]
    near: list[DuplicatePair]
    look_alikes: list[DuplicatePair]


def find_pairs(
    dataset: Dataset, scans: Mapping[str, FileScan], contents: Mapping[str, str], root: Path
) -> DuplicatePairs:
    """Find identical files, and different files with the same photograph or recording.

    Parameters
    ----------
    contents : example id → digest of the file's content
    root : the cache folder
    """
    groups, multi = group_examples(dataset, contents), dataset.task == "multi"
    exact = [
        _make_pair(example, duplicate, True, IDENTICAL, multi)
        for group in groups.values()
        for example, duplicate in pair_examples(group)
    ]
    # identical files share a fingerprint, so each content is compared once
    fingerprints = {content: scans[group[0].id].fingerprint for content, group in groups.items()}
    near: dict[bool, list[DuplicatePair]] = {True: [], False: []}
    rows = _compare_contents(dataset.kind, {key: value for key, value in fingerprints.items() if value}, root)
    for first, second, is_same, how in rows:
        for example, duplicate in itertools.product(
            _pick_representatives(groups[first]), _pick_representatives(groups[second])
        ):
            near[is_same].append(_make_pair(example, duplicate, False, how, multi))
    return DuplicatePairs(exact, near[True], near[False])


def _compare_contents(kind: str, fingerprints: Mapping[str, bytes], root: Path) -> list[tuple[str, str, bool, str]]:
    """Compare all contents with each other, or load the cached result.

    Parameters
    ----------
    fingerprints : content → its `FileScan.fingerprint`

    Returns
    -------
    rows : two contents, whether they are near-duplicates (else look-alikes), and the evidence in words
    """
    names = sorted(fingerprints)
    key = hashlib.blake2b(json.dumps([VERSION, kind, names]).encode(), digest_size=12).hexdigest()
    path = root / f"alike-{key}.json"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # missing or damaged
        return [tuple(row) for row in parse_json(path.read_text())["pairs"]]
    compare = _compare_sounds if kind == "sound" else compare_pictures
    matches = compare([fingerprints[name] for name in names])
    rows = [(names[first], names[second], is_same, how) for first, second, is_same, how in matches]
    write_json(path, {"pairs": rows})
    return rows


def group_examples(dataset: Dataset, contents: Mapping[str, str]) -> dict[str, list[Example]]:
    """Group the examples by content, sorted by id."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(dataset.examples, key=lambda example: example.id):
        groups[contents[example.id]].append(example)
    return groups


def pair_examples(group: Sequence[Example]) -> Iterator[tuple[Example, Example]]:
    """Pair identical examples: all with all in a small group, all with a few representatives in a large one.

    The number of pairs would otherwise grow with the square of the group's size.
    """
    if len(group) <= MAX_FULL_GROUP:
        yield from itertools.combinations(group, 2)
        return
    by_id = {example.id: example for example in group}
    heads = [example.id for example in _pick_representatives(group)]
    pairs = {tuple(sorted((head, name))) for head in heads for name in by_id if name != head}
    yield from ((by_id[first], by_id[second]) for first, second in sorted(pairs))


def _pick_representatives(group: Sequence[Example]) -> list[Example]:
    """Pick the first example of each split and label."""
    return list({(example.split, example.label): example for example in reversed(group)}.values())


def _make_pair(first: Example, second: Example, exact: bool, how: str, multi: bool) -> DuplicatePair:
    """Make a pair of two examples, sorted by id."""
    first, second = sorted((first, second), key=lambda example: example.id)
    labels, splits, contradict = (first.label, second.label), (first.split, second.split), first.label != second.label
    if multi:  # an unobserved class contradicts nothing, so only classes that are labeled in both count
        both = first.labels.keys() & second.labels.keys()
        contradict = any(first.labels[name] != second.labels[name] for name in both)
    return DuplicatePair(first.id, second.id, exact, how, labels, splits, contradict)


def _compare_sounds(fingerprints: Sequence[bytes]) -> Iterator[tuple[int, int, bool, str]]:
    """Find tracks of the same recording, with the evidence in words."""
    logger.info(Message("audit: comparing {n} sounds", n=len(fingerprints)))
    for match in audio_matching.find_matches([audio_fingerprint.unpack_peaks(content) for content in fingerprints]):
        yield match.first, match.second, True, _describe_sounds(match)


def _describe_sounds(match: audio_matching.Match) -> str:
    """Describe the evidence that two tracks are the same recording."""
    shift = abs(match.seconds)
    if shift < audio_fingerprint.HOP_LENGTH / audio_fingerprint.SAMPLE_RATE:
        return Message("{n} of {total} spectral peaks match", n=match.n_agree, total=match.n_peaks)
    return Message(
        "shifted by {shift:.1f} s, {n} of {total} spectral peaks match",
        shift=shift,
        n=match.n_agree,
        total=match.n_peaks,
    )


def compare_pictures(fingerprints: Sequence[bytes]) -> Iterator[tuple[int, int, bool, str]]:
    """Find pictures with similar hashes, and whether they show the same photograph, the most similar first."""
    logger.info(Message("audit: comparing {n} pictures", n=len(fingerprints)))
    candidates = image_hash.find_candidates([image_hash.unpack_fingerprint(content) for content in fingerprints])
    jobs = [(fingerprints[row.first], fingerprints[row.second], row.mirrored) for row in candidates]
    n_processes, rows = count_processes(most=2) if len(jobs) >= MIN_PARALLEL_PAIRS else 1, []
    fits = map_in_processes(image_alignment.align_fingerprints, jobs, n_processes, batch_size="auto")
    with contextlib.closing(fits):
        for row, fit in zip(candidates, make_progress_bar("audit", len(jobs), fits, unit="pair"), strict=True):
            if fit >= image_alignment.MIN_CORRELATION or row.bits <= MAX_LOOK_ALIKE_BITS:
                rows.append((fit, row))
    for fit, row in sorted(rows, key=lambda row: -row[0]):
        yield row.first, row.second, fit >= image_alignment.MIN_CORRELATION, _describe_pictures(row, fit)


def _describe_pictures(candidate: image_hash.Candidate, fit: float) -> str:
    """Describe the evidence for or against two pictures being the same photograph."""
    words = Message(PICTURE_EVIDENCE[candidate.mirrored], bits=candidate.bits, correlation=fit)
    is_same = fit >= image_alignment.MIN_CORRELATION
    return words if is_same else Message("{words}, too low for the same photograph", words=words)


def merge_clusters(ids: Iterable[str], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Map each example id to its cluster, named for the first id in it. Pairs that share an example are one cluster."""
    return find_connected(sorted(ids), ((pair.first, pair.second) for pair in pairs))
