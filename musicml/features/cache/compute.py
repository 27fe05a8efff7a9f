"""Making: features are written beside their place, and take it when they are whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from musicml.data.datasets import Dataset
from musicml.data.io import READER_VERSION
from musicml.features import audio_features
from musicml.features.cache import workers
from musicml.utils import is_progress_disabled, os_error_to_input_error, to_dict, write_json

MAKING = ".making-"
LEAVING = ".leaving-"
DAY = 86_400.0  # seconds after which what nobody has touched is nobody's
SHOWN_AFTER = 3.0  # seconds of work before there is a bar


def compute_and_store(
    dataset: Dataset, settings: Any, home: Path, least_samples: int, processes: int | None = None
) -> None:
    """Compute every file's features into the folder `home`, which appears only when it is whole.

    Parameters
    ----------
    processes : as `workers.read_all` takes it

    Raises
    ------
    InputError
        If the disk is full or closed for writing.
    """
    try:
        with folder_beside(home) as work:
            with open(work / "array.bin", "wb") as out:
                index = write(dataset, settings, least_samples, work, processes, out)
            write_json(work / "index.json", {**told(dataset, settings, least_samples), **index})
            take_place(work, home)
    except OSError as error:
        raise os_error_to_input_error(error, home) from error


def write(
    dataset: Dataset, settings: Any, least_samples: int, work: Path, processes: int | None, out: BinaryIO
) -> dict[str, list | dict]:
    """Write the features of every file one after another; how many frames each has, what was left out, warnings."""
    from tqdm import tqdm

    lengths = array("q")
    excluded: list[list[str]] = []
    warnings: dict[str, list[str]] = {}
    found = workers.read_all(dataset.examples, settings, least_samples, work, processes)
    # a bar where standard error is a terminal, and there is something to wait for
    hidden, n = is_progress_disabled(), len(dataset.examples)
    bar = tqdm(found, "features", n, leave=False, disable=hidden, delay=SHOWN_AFTER, unit="file")
    with contextlib.closing(found), bar:
        for example, one in zip(dataset.examples, bar, strict=True):
            one.write(out)
            lengths.append(one.length)
            if one.refused:
                excluded.append([example.id, one.refused])
            if one.warnings:
                warnings[example.id] = list(one.warnings)
    return {"lengths": lengths.tolist(), "excluded": excluded, "warnings": warnings}


def told(dataset: Dataset, settings: Any, least_samples: int) -> dict[str, Any]:
    """What nobody needs to find features, and everybody to tell what they are."""
    return {
        "dataset": dataset.name,
        "sample": dataset.sample,
        "kind": next(name for name, kind in audio_features.FEATURE_KINDS.items() if kind is type(settings)),
        "settings": to_dict(settings),
        "least_samples": least_samples,
        "version": audio_features.FEATURES_VERSION,
        "reader": READER_VERSION,
    }


@contextlib.contextmanager
def folder_beside(home: Path) -> Iterator[Path]:
    """A folder to work in, which is gone afterwards unless it was renamed; those of dead processes go too."""
    home.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(home.parent)
    work = Path(tempfile.mkdtemp(dir=home.parent, prefix=f"{MAKING}{owner()}-"))
    try:
        work.chmod(0o755)  # a class may share one store
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def take_place(work: Path, home: Path) -> None:
    """Rename `work` to `home`; where another process was faster, its equal result stays."""
    try:
        work.rename(home)
    except OSError:
        if not (home / "index.json").is_file():
            raise


# What killed processes left behind


def owner() -> str:
    """This process, as names in the store tell it: the machine too, since another one may share the folder."""
    return f"{machine()}-{os.getpid()}"


def machine() -> str:
    """The machine's name, with nothing in it that parts of a name are told apart by."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "here"


def remove_abandoned(root: Path) -> None:
    """Remove what processes that are clearly dead left half made below `root`."""
    for path in root.glob(".*"):
        if abandoned(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def abandoned(path: Path) -> bool:
    """Whether what is half made was left by a process of this machine that is gone, or by any a day ago."""
    of_folder = re.fullmatch(rf"(?:{MAKING}|{LEAVING})([A-Za-z0-9]+)-(\d+)-.*", path.name)
    if of_folder and of_folder[1] == machine() and os.name == "posix":
        return is_gone(int(of_folder[2]))
    try:
        newest = max(part.stat().st_mtime for part in (path, *path.glob("*")))
    except OSError:  # it went while it was looked at
        return False
    return time.time() - newest > DAY


def is_gone(process: int) -> bool:
    """Whether no process has this number; on POSIX, since elsewhere asking would end it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's
        return False
    return False
