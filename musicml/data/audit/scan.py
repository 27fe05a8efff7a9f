"""Looks: what one file shows when it is read once, kept on disk under the digest of its content.

A look has facts (how long, how loud, what is wrong) and marks (what tells whether two files are alike), and never the
file itself: nine kilobytes a picture, ten a track. So an audit holds one file in memory at a time, and a second audit
reads none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import digest_examples
from musicml.data.audit import audio_fingerprint, image_hash
from musicml.data.datasets import Dataset, Example
from musicml.data.io import (
    FULL_SCALE,
    MAX_SECONDS,
    AudioSource,
    check_completeness,
    check_extension,
    check_truncated,
    compute_max_frames,
    decode_audio,
    load_image,
    make_resampler,
    open_stream,
)
from musicml.utils import (
    InputError,
    Message,
    add_messages,
    count_processes,
    make_printable,
    make_progress_bar,
    map_in_processes,
    parse_json,
    suppress_stderr,
    write_atomically,
)

logger = logging.getLogger(__name__)

VERSION = 3  # raise it whenever a look changes
BATCH = 256  # looks in a file
POOL_FROM = {"sound": 100, "picture": 300}  # files: below, starting processes takes longer than they save
ITS_NAME = "{name}"  # in the place of a file's name
CLOSED = Message("{its_name} must be a file that can be opened and read, and is not: copy it again.", its_name=ITS_NAME)


@dataclass(frozen=True)
class Look:
    """What a file shows.

    Attributes
    ----------
    facts : `error` (why it can't be read; then nothing else), or `warnings` and, of sound, `seconds`, `sample_rate`
        (Hz), `channels`, `peak` (of the mono mix, 1 is full scale), `full` (share of its samples at full scale), `cut`
        (less is there than the header promises) and `long` (only its beginning was heard)
    marks : of sound its landmarks, of a picture what `image_hash.marks` gives
    """

    facts: dict[str, Any]
    marks: bytes = b""


def take(dataset: Dataset, root: Path) -> tuple[dict[str, Look], dict[str, str]]:
    """Look at every file of a data set that was not looked at before.

    Parameters
    ----------
    root : the store's folder

    Returns
    -------
    looks : example id → Look
    contents : example id → the digest of its file's content; of a file that can't be read its path, since it is equal
        to nothing but itself
    """
    keys = keys_of(dataset, Path(root))
    home = Path(root) / f"looks-{dataset.name}-{VERSION}"
    known = load(home, set(keys.values()))
    there = [example for example in dataset.examples if example.id in keys]
    fresh = {keys[example.id]: example for example in there if keys[example.id] not in known}
    if fresh:
        known |= look_at_all(fresh, dataset.kind, home)
    looks, contents = {}, {}
    for example in dataset.examples:
        key = keys.get(example.id, "")
        looks[example.id] = look = named(known[key] if key else Look({"error": CLOSED}), example.id)
        contents[example.id] = str(example.path) if "error" in look.facts else key.partition(".")[0]
    return looks, contents


def keys_of(dataset: Dataset, root: Path) -> dict[str, str]:
    """Example id → the digest of its file's content, and its ending; of files that are there and can be opened."""
    there = dataset.keep([example.path.is_file() for example in dataset.examples])
    endings = {example.id: example.path.suffix.lower() for example in there.examples}
    return {
        name: f"{digest}{endings[name] or '.'}"
        for name, digest in digest_examples(there, root)
        if not digest.startswith("unread:")
    }


def named(look: Look, name: str) -> Look:
    """A look at a file whose error calls it by its name: equal files share one look."""
    error = look.facts.get("error")
    return look if error is None else Look({"error": error.replace_value(ITS_NAME, make_printable(name))})


def look_at_all(fresh: dict[str, Example], kind: str, home: Path) -> dict[str, Look]:
    """Look at files and keep what they show, a batch at a time: a second try goes on where the first was stopped."""
    jobs = [(kind, str(example.path), example.id) for example in fresh.values()]
    logger.info(Message("audit: looking at {n} files, once", n=len(jobs)))
    found: dict[str, Look] = {}
    batch: dict[str, Look] = {}
    passing: dict[str, Look] = {}
    n_processes = count_processes(most=2) if len(jobs) >= POOL_FROM[kind] else 1
    with contextlib.closing(map_in_processes(look_at, jobs, n_processes, batch_size="auto")) as looks:
        for key, look in zip(fresh, make_progress_bar("audit", len(jobs), looks, unit="file"), strict=True):
            (passing if look.facts.get("error") == CLOSED else batch)[key] = look  # a disk may answer the next time
            if len(batch) == BATCH:
                found |= kept(batch, home)
                batch = {}
    return found | kept(batch, home) | passing


def look_at(job: tuple[str, str, str]) -> Look:
    """Look at one file: its kind, its path and what to call it."""
    kind, path, name = job
    with suppress_stderr():  # libraries write to the terminal about damaged files
        try:
            if kind == "sound":
                return look_at_sound(Path(path), name)
            picture = load_image(Path(path), name)
            height, width, _ = picture.pixels.shape
            facts = {"width": width, "height": height, "warnings": list(picture.warnings)}
            return Look(facts, image_hash.marks(picture.pixels))
        except InputError as error:
            return Look({"error": error.message.replace_value(make_printable(name), ITS_NAME)})
        except OSError:
            return Look({"error": CLOSED})


def look_at_sound(path: Path, name: str) -> Look:
    """Hear a sound block by block: its landmarks, and what is wrong with it."""
    with open_stream(AudioSource(path, name)) as stream:
        heard = Hearing(stream.sample_rate)
        n_samples, n_frames, _ = decode_audio(stream, None, MAX_SECONDS, heard.take)
        long = n_frames >= compute_max_frames(stream, MAX_SECONDS)
        lacking = check_completeness(stream, n_frames, MAX_SECONDS) or check_truncated(stream)
        facts = {
            "seconds": round(n_samples / stream.sample_rate, 4),
            "sample_rate": stream.sample_rate,
            "channels": stream.channels,
            "peak": round(heard.peak, 6),
            "full": round(heard.full / n_samples, 6),
            "cut": bool(lacking) and not long,
            "long": bool(lacking) and long,
            "warnings": [*check_extension(name, stream.kind), *stream.remarks],
        }
    return Look(facts, audio_fingerprint.find(heard.whole()).tobytes())


class Hearing:
    """Takes the blocks of a sound: how loud they are, and what of them landmarks are found in."""

    def __init__(self, sample_rate: int):
        self.peak, self.full = 0.0, 0
        self.parts: list[np.ndarray] = []
        self.resample = make_resampler(sample_rate, audio_fingerprint.SAMPLE_RATE)

    def take(self, block: np.ndarray) -> None:
        """Hear the next samples, [shape=(n,)], n > 0."""
        loud = np.abs(block)
        self.peak = max(self.peak, float(loud.max()))
        self.full += int(np.count_nonzero(loud >= FULL_SCALE))
        self.parts.append(self.resample(block, False))

    def whole(self) -> np.ndarray:
        """All of it at the rate of landmarks, [shape=(n_samples,)], float32."""
        return np.concatenate([*self.parts, self.resample(np.zeros(0, np.float32), True)])


# On disk


def kept(batch: dict[str, Look], home: Path) -> dict[str, Look]:
    """Write looks into one file below `home`; the looks."""
    if batch:
        name = hashlib.blake2b("".join(batch).encode(), digest_size=12).hexdigest()
        marks = [np.frombuffer(look.marks, np.uint8) for look in batch.values()]
        with write_atomically(home / f"{name}.npz") as temporary:
            np.savez(
                temporary,
                facts=np.array(json.dumps(add_messages({digest: look.facts for digest, look in batch.items()}))),
                ends=np.cumsum([len(part) for part in marks]),
                marks=np.concatenate(marks),
            )
    return batch


def load(home: Path, wanted: set[str]) -> dict[str, Look]:
    """The looks below `home` at files of the `wanted` digests; a damaged file is looked past."""
    found = {}
    for path in sorted(home.glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rows, ends, marks = parse_json(arrays["facts"].item()), arrays["ends"].tolist(), arrays["marks"]
        except (OSError, ValueError, AttributeError, KeyError, EOFError, zipfile.BadZipFile):
            continue
        for (digest, facts), begin, end in zip(rows.items(), [0, *ends], ends, strict=False):
            if digest in wanted:
                found[digest] = Look(facts, marks[begin:end].tobytes())
    return found
