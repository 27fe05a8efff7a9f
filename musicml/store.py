"""The store: features on disk, computed once, keyed by what made them.

The key is a digest of the feature settings, the version of the code and the content of every file, so that a change
of any of them makes new features and nothing else does. What is read comes from memory maps.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml import features, files, options
from musicml.datasets import Dataset, Example, Excluded
from musicml.errors import BadInput

FOLDER = ".features"  # below the data root


@dataclass(frozen=True)
class Features:
    """The features of a data set's examples, in its order.

    Attributes
    ----------
    array : np.ndarray [shape=(n_frames_of_all, n_bins)], float32, or [shape=(n, ...)] of fixed size
    begin : np.ndarray [shape=(n_examples,)], int: where each example begins in `array`
    length : np.ndarray [shape=(n_examples,)], int: how many frames it has; 1 where it has a fixed size
    framed : whether an example has frames, as sound has, or a fixed size, as pictures have
    key : str, of the folder in the store
    warnings : example → what its file was found to be, in words
    """

    array: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    framed: bool
    key: str
    warnings: dict[str, list[str]]

    def of(self, index: int) -> np.ndarray:
        """One example's features: [shape=(n_frames, n_bins)], or of the fixed size."""
        begin = self.begin[index]
        return self.array[begin : begin + self.length[index]] if self.framed else self.array[begin]

    def select(self, mask: np.ndarray) -> Features:
        """The features of the examples where `mask` is true; nothing is copied."""
        return replace(self, begin=self.begin[mask], length=self.length[mask])


def features_of(
    dataset: Dataset, settings: Any, root: Path, least_samples: int = 0, say: Callable[[str], None] = print
) -> tuple[Dataset, Features]:
    """The features of every readable file of a data set, and the data set without the files that can't be read.

    Parameters
    ----------
    dataset : sound for `LogMel` and `MFCC`, pictures for `Pixels`, one with `vggish` for `VGGish`
    root : the store's folder
    least_samples : a shorter track is repeated up to this length
    say : told what is computed

    Raises
    ------
    BadInput
        If the settings do not fit the data set, the disk is full, or no file can be read.
    """
    fits(dataset, settings)
    if isinstance(settings, features.VGGish):
        n = len(dataset.examples)
        return dataset, Features(
            dataset.vggish,
            np.arange(n),
            np.ones(n, dtype=int),
            False,
            hashlib.blake2b(dataset.vggish.tobytes(), digest_size=12).hexdigest(),
            {},
        )
    key = key_of(dataset, settings, least_samples, Path(root))
    home = Path(root) / key
    if not (home / "index.json").is_file():
        say(f"features: {len(dataset.examples)} files to {settings.__class__.__name__}, once")
        compute(dataset, settings, home, least_samples)
    return load(dataset, settings, home, key)


def fits(dataset: Dataset, settings: Any) -> None:
    """Refuse features that can't be had from this data set."""
    if isinstance(settings, features.VGGish):
        if dataset.vggish is None:
            raise BadInput(
                f"VGGish features must come with the data set, and {dataset.name} brings none: take an experiment "
                "with log_mel, or OpenMIC's release."
            )
        return
    wants = "picture" if isinstance(settings, features.Pixels) else "sound"
    if dataset.kind != wants:
        raise BadInput(
            f"this experiment needs {wants} files and {dataset.name} holds {dataset.kind} files: choose an experiment "
            f"for {dataset.kind}s."
        )


def key_of(dataset: Dataset, settings: Any, least_samples: int, root: Path) -> str:
    """The digest of everything that the features depend on."""
    facts = {
        "kind": settings.__class__.__name__,
        **options.as_table(settings),
        "least_samples": least_samples,
        "version": features.VERSION,
        "files": digests(dataset, root),
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()


def digests(dataset: Dataset, root: Path) -> list[list[str]]:
    """Each example's id with the digest of its file; a file of known size and time is not read again."""
    memo_path = root / f"digests-{dataset.name}.json"
    memo = json.loads(memo_path.read_text()) if memo_path.is_file() else {}
    found, fresh = [], {}
    for example in dataset.examples:
        stat = example.path.stat()
        stamp = f"{example.path.absolute()} {stat.st_size} {stat.st_mtime_ns}"
        try:
            fresh[stamp] = memo.get(stamp) or files.digest(example.path)
        except OSError as error:  # it is named when its features are asked for
            found.append([example.id, f"unread: {error.strerror}"])
            continue
        found.append([example.id, fresh[stamp]])
    if fresh != memo:
        files.write_json(memo_path, fresh)
    return found


def compute(dataset: Dataset, settings: Any, home: Path, least_samples: int) -> None:
    """Compute every file's features into the folder `home`, which appears only when it is whole."""
    work, lengths, excluded, warnings = None, [], [], {}
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=home.parent, prefix=".making-"))
        work.chmod(0o755)  # a class may share one store
        with open(work / "array.bin", "wb") as out:
            for example in dataset.examples:
                try:
                    values, said = read(example, settings, least_samples)
                except BadInput as error:
                    excluded.append([example.id, str(error)])
                    lengths.append(0)
                    continue
                out.write(np.ascontiguousarray(values).tobytes())
                lengths.append(1 if isinstance(settings, features.Pixels) else len(values))
                if said:
                    warnings[example.id] = list(said)
        files.write_json(work / "index.json", {"lengths": lengths, "excluded": excluded, "warnings": warnings})
        take_place(work, home)
    except OSError as error:
        raise files.disk_trouble(error, home) from error
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)


def read(example: Example, settings: Any, least_samples: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """One example's features and warnings; BadInput also where the disk it lies on gives trouble."""
    try:
        return features.from_file(example.path, settings, least_samples, example.id)
    except OSError as error:
        raise BadInput(
            f"{example.id} must be a file that can be read, and can't be ({error.strerror or error}): copy it again."
        ) from error


def take_place(work: Path, home: Path) -> None:
    """Rename `work` to `home`; where another process was faster, its equal result stays."""
    try:
        work.rename(home)
    except OSError:
        if not (home / "index.json").is_file():
            raise


def load(dataset: Dataset, settings: Any, home: Path, key: str) -> tuple[Dataset, Features]:
    """Open what `compute` wrote, as a memory map, and leave out of the data set what could not be read."""
    index = json.loads((home / "index.json").read_text())
    excluded = [Excluded(file, reason) for file, reason in index["excluded"]]
    unread = {item.file for item in excluded}
    kept = np.array([example.id not in unread for example in dataset.examples])
    if not kept.any():
        raise BadInput(
            f"{dataset.name} must have files that can be read, and none of its {len(kept)} can; "
            f"of the first: {excluded[0].reason}"
        )
    framed = not isinstance(settings, features.Pixels)
    shape = (-1, settings.n_bins) if framed else (-1, settings.height, settings.width, 3)
    array = np.memmap(home / "array.bin", np.float32 if framed else np.uint8, "r").reshape(shape)
    length = np.array(index["lengths"])
    found = Features(array, np.cumsum(length) - length, length, framed, key, index["warnings"])
    return dataset.keep(kept, excluded), found.select(kept)


def outputs(
    root: Path,
    facts: dict[str, Any],
    shape: tuple[int, ...],
    make: Callable[[], np.ndarray],
    say: Callable[[str], None] = print,
) -> np.ndarray:
    """An array that `make` computes only where the store does not hold it yet: a frozen backbone's outputs, say.

    Parameters
    ----------
    facts : everything that the array depends on
    shape : the array's shape; it is float32
    """
    key = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
    path = Path(root) / f"{key}.npy"
    if not path.is_file():
        say(f"frozen backbone: outputs of {shape[0]} inputs, once")
        with files.whole(path) as temporary:
            np.save(temporary, np.asarray(make(), dtype=np.float32))
    array = np.load(path, mmap_mode="r")
    if array.shape != shape:
        raise BadInput(f"{path} must hold an array of {shape} and holds {array.shape}: remove the file and try again.")
    return array
