"""Alike: which examples of a data set are the same file, or nearly, and which therefore belong together."""

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
from musicml.data.audit.scan import VERSION, Look
from musicml.data.datasets import Dataset, Example
from musicml.data.splits import find_connected
from musicml.utils import Message, count_processes, make_progress_bar, map_in_processes, parse_json, write_json

logger = logging.getLogger(__name__)

WHOLE = 10  # examples of equal content, up to which all their pairs are told
POOL_FROM = 200  # pairs of pictures to lay over each other: below, starting processes takes longer than they save
RESEMBLING = 4  # bits of a hash that differ, up to which a pair is told of although the detail says otherwise
EQUAL = Message("equal content")


class Pairs(NamedTuple):
    """Examples that are two and two the same, nearly so, or only alike to a perceptual hash."""

    exact: list[DuplicatePair]
    near: list[DuplicatePair]
    alike: list[DuplicatePair]


def pairs(dataset: Dataset, looks: Mapping[str, Look], contents: Mapping[str, str], root: Path) -> Pairs:
    """Which examples are alike: files that are equal to the byte, pictures of one photograph, tracks of one recording.

    Parameters
    ----------
    contents : example id → the digest of its file's content
    root : the store's folder
    """
    groups, multi = by_content(dataset, contents), dataset.task == "multi"
    exact = [pair_of(one, other, True, EQUAL, multi) for group in groups.values() for one, other in pairs_within(group)]
    marks = {content: looks[group[0].id].marks for content, group in groups.items()}
    near: dict[bool, list[DuplicatePair]] = {True: [], False: []}
    for first, second, same, how in compared(dataset.kind, {key: its for key, its in marks.items() if its}, root):
        for one, other in itertools.product(standing_for(groups[first]), standing_for(groups[second])):
            near[same].append(pair_of(one, other, False, how, multi))
    return Pairs(exact, near[True], near[False])


def compared(kind: str, marks: Mapping[str, bytes], root: Path) -> list[tuple[str, str, bool, str]]:
    """Contents that are nearly the same or resemble each other, compared once and kept in the store: a row a pair.

    Parameters
    ----------
    marks : content → what `Look.marks` holds of it
    """
    names = sorted(marks)
    key = hashlib.blake2b(json.dumps([VERSION, kind, names]).encode(), digest_size=12).hexdigest()
    path = root / f"alike-{key}.json"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # not there, or damaged
        return [tuple(row) for row in parse_json(path.read_text())["pairs"]]
    compare = sounds if kind == "sound" else pictures
    found = compare([marks[name] for name in names])
    rows = [(names[first], names[second], same, how) for first, second, same, how in found]
    write_json(path, {"pairs": rows})
    return rows


def by_content(dataset: Dataset, contents: Mapping[str, str]) -> dict[str, list[Example]]:
    """The examples of each content, sorted by id."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(dataset.examples, key=lambda example: example.id):
        groups[contents[example.id]].append(example)
    return groups


def pairs_within(group: Sequence[Example]) -> Iterator[tuple[Example, Example]]:
    """All pairs of a few examples; of many, each with the first of every side and label, so that it is not squared."""
    if len(group) <= WHOLE:
        yield from itertools.combinations(group, 2)
        return
    named = {example.id: example for example in group}
    heads = [example.id for example in standing_for(group)]
    pairs = {tuple(sorted((head, name))) for head in heads for name in named if name != head}
    yield from ((named[one], named[other]) for one, other in sorted(pairs))


def standing_for(group: Sequence[Example]) -> list[Example]:
    """The first example of each side and label."""
    return list({(example.split, example.label): example for example in reversed(group)}.values())


def pair_of(one: Example, other: Example, equal: bool, how: str, multi: bool) -> DuplicatePair:
    """Two examples as a pair, the first in order of their ids."""
    one, other = sorted((one, other), key=lambda example: example.id)
    both = one.labels.keys() & other.labels.keys()
    contradict = any(one.labels[name] != other.labels[name] for name in both) if multi else one.label != other.label
    return DuplicatePair(one.id, other.id, equal, how, (one.label, other.label), (one.split, other.split), contradict)


def sounds(marks: Sequence[bytes]) -> Iterator[tuple[int, int, bool, str]]:
    """Places of tracks that are one recording, True, and how that was found."""
    logger.info(Message("audit: comparing {n} sounds", n=len(marks)))
    for match in audio_matching.matches([audio_fingerprint.unpacked(one) for one in marks]):
        yield match.first, match.second, True, heard(match)


def heard(match: audio_matching.Match) -> str:
    """What says that two tracks are one recording."""
    shift = abs(match.seconds)
    if shift < audio_fingerprint.HOP / audio_fingerprint.SAMPLE_RATE:
        return Message("{n} of {total} landmarks agree", n=match.agree, total=match.of)
    return Message(
        "shifted by {shift:.1f} s, {n} of {total} landmarks agree", shift=shift, n=match.agree, total=match.of
    )


def pictures(marks: Sequence[bytes]) -> Iterator[tuple[int, int, bool, str]]:
    """Places of pictures that a hash takes for one photograph, whether they are one, and how that was found."""
    logger.info(Message("audit: comparing {n} pictures", n=len(marks)))
    proposed = image_hash.candidates([image_hash.unpacked(one) for one in marks])
    jobs = [(marks[one.first], marks[one.second], one.mirrored) for one in proposed]
    n_processes, judged = count_processes(most=2) if len(jobs) >= POOL_FROM else 1, []
    with contextlib.closing(map_in_processes(image_alignment.fit_marks, jobs, n_processes, batch_size="auto")) as found:
        for one, fits in zip(proposed, make_progress_bar("audit", len(jobs), found, unit="pair"), strict=True):
            if fits >= image_alignment.ALIKE or one.bits <= RESEMBLING:
                judged.append((fits, one))
    for fits, one in sorted(judged, key=lambda row: -row[0]):  # the likeliest first
        yield one.first, one.second, fits >= image_alignment.ALIKE, seen(one, fits)


SEEN = {  # by whether one is mirrored
    False: Message(
        "{bits} of 64 bits of a perceptual hash differ; laid over each other, their detail correlates to "
        "{correlation:.2f}"
    ),
    True: Message(
        "{bits} of 64 bits of a perceptual hash differ; laid over each other, one of them mirrored, their detail "
        "correlates to {correlation:.2f}"
    ),
}


def seen(candidate: image_hash.Candidate, fits: float) -> str:
    """What says that two pictures are one photograph, or that they are not."""
    words = Message(SEEN[candidate.mirrored], bits=candidate.bits, correlation=fits)
    return words if fits >= image_alignment.ALIKE else Message("{words}, too little for one photograph", words=words)


def clusters(ids: Iterable[str], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Example id → its cluster: all that is alike, and what is alike to that; named for the first id in it."""
    return find_connected(sorted(ids), ((pair.first, pair.second) for pair in pairs))
