"""Scan files for the audit: read each once, and cache what was measured under the digest of its content.

A scan holds facts (length, loudness, warnings) and a fingerprint that finds duplicates, but never the file itself: 9 kB
per picture, 10 kB per track. An audit therefore holds one file in memory at a time, and a second audit reads none.
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

VERSION = 3  # of the cached scans; increase it whenever a scan changes
BATCH_SIZE = 256  # scans per cache file
MIN_PARALLEL_FILES = {"sound": 100, "picture": 300}  # with fewer, starting processes costs more than it saves
NAME_PLACEHOLDER = "{name}"  # in a cached error, since identical files with different names share one scan
CLOSED = Message("{name} can't be opened or read. Copy it again.", name=NAME_PLACEHOLDER)


@dataclass(frozen=True)
class FileScan:
    """Measurements of one file.

    Attributes
    ----------
    facts : `error` (why the file can't be read; then nothing else), or `warnings` and, for sound, `seconds`,
        `sample_rate` (Hz), `channels`, `peak` (of the mono mix, 1 is full scale), `full` (share of its samples at full
        scale), `cut` (shorter than its header says) and `long` (only its beginning was read)
    fingerprint : for sound its spectral peaks (`audio_fingerprint`), for a picture its hashes (`image_hash`)
    """

    facts: dict[str, Any]
    fingerprint: bytes = b""


def scan_dataset(dataset: Dataset, root: Path) -> tuple[dict[str, FileScan], dict[str, str]]:
    """Scan the files of a dataset that are not in the cache yet.

    Parameters
    ----------
    root : the cache folder

    Returns
    -------
    scans : example id → FileScan
    contents : example id → digest of the file's content. An unreadable file gets its path instead, so that it is a
        duplicate of no other.
    """
    keys = _compute_keys(dataset, Path(root))
    folder = Path(root) / f"looks-{dataset.name}-{VERSION}"
    cached = _load_scans(folder, set(keys.values()))
    # files with the same content share a key, so each content is scanned once
    new = {keys[row.id]: row for row in dataset.examples if row.id in keys and keys[row.id] not in cached}
    if new:
        cached |= scan_files(new, dataset.kind, folder)
    scans, contents = {}, {}
    for example in dataset.examples:
        key = keys.get(example.id, "")
        scan = _insert_name(cached[key] if key else FileScan({"error": CLOSED}), example.id)
        scans[example.id] = scan
        contents[example.id] = str(example.path) if "error" in scan.facts else key.partition(".")[0]
    return scans, contents


def _compute_keys(dataset: Dataset, root: Path) -> dict[str, str]:
    """Map the ids of existing, readable files to the digest of their content with their file extension."""
    existing = dataset.keep([example.path.is_file() for example in dataset.examples])
    extensions = {example.id: example.path.suffix.lower() for example in existing.examples}
    return {
        name: f"{digest}{extensions[name] or '.'}"
        for name, digest in digest_examples(existing, root)
        if not digest.startswith("unread:")
    }


def _insert_name(scan: FileScan, name: str) -> FileScan:
    """Put a file's own name into the error of a scan that identical files share."""
    error = scan.facts.get("error")
    return scan if error is None else FileScan({"error": error.replace_value(NAME_PLACEHOLDER, make_printable(name))})


def scan_files(files: dict[str, Example], kind: str, folder: Path) -> dict[str, FileScan]:
    """Scan files and save the scans in batches, so that an interrupted audit continues where it stopped."""
    jobs = [(kind, str(example.path), example.id) for example in files.values()]
    logger.info(Message("audit: scanning {n} files", n=len(jobs)))
    saved: dict[str, FileScan] = {}
    batch: dict[str, FileScan] = {}
    unsaved: dict[str, FileScan] = {}
    n_processes = count_processes(most=2) if len(jobs) >= MIN_PARALLEL_FILES[kind] else 1
    with contextlib.closing(map_in_processes(scan_file, jobs, n_processes, batch_size="auto")) as scans:
        for key, scan in zip(files, make_progress_bar("audit", len(jobs), scans, unit="file"), strict=True):
            # a disk error may be temporary, so it is not cached
            (unsaved if scan.facts.get("error") == CLOSED else batch)[key] = scan
            if len(batch) == BATCH_SIZE:
                saved |= _save_batch(batch, folder)
                batch = {}
    return saved | _save_batch(batch, folder) | unsaved


def scan_file(job: tuple[str, str, str]) -> FileScan:
    """Scan one file, given its kind, its path and its name for messages."""
    kind, path, name = job
    with suppress_stderr():  # libraries write to the terminal about damaged files
        try:
            if kind == "sound":
                return _scan_sound(Path(path), name)
            picture = load_image(Path(path), name)
            height, width, _ = picture.pixels.shape
            facts = {"width": width, "height": height, "warnings": list(picture.warnings)}
            return FileScan(facts, image_hash.compute_fingerprint(picture.pixels))
        except InputError as error:
            return FileScan({"error": error.message.replace_value(make_printable(name), NAME_PLACEHOLDER)})
        except OSError:
            return FileScan({"error": CLOSED})


def _scan_sound(path: Path, name: str) -> FileScan:
    """Decode a sound block by block, and measure its level, its completeness and its fingerprint."""
    with open_stream(AudioSource(path, name)) as stream:
        meter = SoundMeter(stream.sample_rate)
        n_samples, n_frames, _ = decode_audio(stream, None, MAX_SECONDS, meter.add)
        is_long = n_frames >= compute_max_frames(stream, MAX_SECONDS)
        is_short = bool(check_completeness(stream, n_frames, MAX_SECONDS) or check_truncated(stream))
        facts = {
            "seconds": round(n_samples / stream.sample_rate, 4),
            "sample_rate": stream.sample_rate,
            "channels": stream.channels,
            "peak": round(meter.peak, 6),
            "full": round(meter.n_full / n_samples, 6),
            "cut": is_short and not is_long,
            "long": is_short and is_long,
            "warnings": [*check_extension(name, stream.kind), *stream.remarks],
        }
    return FileScan(facts, audio_fingerprint.find_peaks(meter.get_resampled()).tobytes())


class SoundMeter:
    """Measures the level of a sound block by block, and resamples it for the fingerprint."""

    def __init__(self, sample_rate: int):
        self.peak, self.n_full = 0.0, 0
        self.parts: list[np.ndarray] = []
        self.resample = make_resampler(sample_rate, audio_fingerprint.SAMPLE_RATE)

    def add(self, block: np.ndarray) -> None:
        """Add the next samples, [shape=(n,)], n > 0."""
        levels = np.abs(block)
        self.peak = max(self.peak, float(levels.max()))
        self.n_full += int(np.count_nonzero(levels >= FULL_SCALE))
        self.parts.append(self.resample(block, False))

    def get_resampled(self) -> np.ndarray:
        """Return the whole sound at the fingerprint's sample rate, [shape=(n_samples,)], float32."""
        return np.concatenate([*self.parts, self.resample(np.zeros(0, np.float32), True)])


# The cache on disk


def _save_batch(batch: dict[str, FileScan], folder: Path) -> dict[str, FileScan]:
    """Write scans into one file in `folder`, and return them."""
    if batch:
        name = hashlib.blake2b("".join(batch).encode(), digest_size=12).hexdigest()
        parts = [np.frombuffer(scan.fingerprint, np.uint8) for scan in batch.values()]
        with write_atomically(folder / f"{name}.npz") as temporary:
            np.savez(
                temporary,
                facts=np.array(json.dumps(add_messages({digest: scan.facts for digest, scan in batch.items()}))),
                ends=np.cumsum([len(part) for part in parts]),
                marks=np.concatenate(parts),
            )
    return batch


def _load_scans(folder: Path, digests: set[str]) -> dict[str, FileScan]:
    """Load the cached scans of some digests, and skip damaged cache files."""
    scans = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rows, ends, marks = parse_json(arrays["facts"].item()), arrays["ends"].tolist(), arrays["marks"]
        except (OSError, ValueError, AttributeError, KeyError, EOFError, zipfile.BadZipFile):
            continue
        for (digest, facts), begin, end in zip(rows.items(), [0, *ends], ends, strict=False):
            if digest in digests:
                scans[digest] = FileScan(facts, marks[begin:end].tobytes())
    return scans
