"""The folder of a data set: looked at before it gets its name, so that a name never stands for something else."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from musicml.data.datasets import Dataset, list_visible_folders
from musicml.data.download import checksums, gtzan_lists
from musicml.data.download.sources import SOURCES
from musicml.utils import InputError, os_error_to_input_error, write_json


def there(folder: Path, name: str) -> bool:
    """Whether the data set is in its folder; InputError where something else is."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return False
    try:
        loaded(folder, name)
    except InputError as error:
        raise InputError(
            "{folder} must hold {name} or nothing, and holds something else ({why}): move it away, and fetch again.",
            folder=folder,
            name=name,
            why=why(error, folder),
        ) from None
    return True


@contextlib.contextmanager
def in_a_sentence(path: Path) -> Iterator[None]:
    """Turn trouble of the disk, wherever it comes from, into a sentence about the file or folder, else about `path`."""
    try:
        yield
    except OSError as error:
        trouble = os_error_to_input_error(error, Path(error.filename or path))
        if trouble is error:
            raise
        raise trouble from error


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """The path of a new folder in a hidden one beside `folder`, and no trace of either afterwards.

    A fetch that was killed can't clear up; the next one does, which `held` keeps from doing it too early.
    """
    hidden = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        yield hidden / "whole"
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the only one on this machine who fetches into `folder`, as far as the system can tell.

    Raises
    ------
    InputError
        If another one is at it.
    """
    try:
        import fcntl
    except ImportError:  # on Windows two at once meet in a hash that is wrong
        yield
        return
    lock = folder.with_name(f".{folder.name}.lock")
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = open(lock, "w")
        except OSError as error:
            raise os_error_to_input_error(error, folder) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    "{folder} must be fetched by one at a time, and another is at it: wait for its end.", folder=folder
                ) from None
            except OSError:  # a disk without locks, as some in a network are: as on Windows
                yield
                return
            if not same(file, lock):  # whoever had it removed it before we got it
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def same(file: TextIO, path: Path) -> bool:
    """Whether an open file is the one that is at `path` now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def settle(
    temporary: Path,
    folder: Path,
    facts: dict[str, Any],
    came: Path,
    say: Callable[[str], None],
    own_lists: bool = True,
) -> None:
    """Give what was unpacked its name, if it is the data set; `came` is what it was unpacked or copied from."""
    home, dataset = recognised(temporary, folder.name, came, own_lists)
    n_files = sum(path.is_file() for path in home.rglob("*"))
    n_examples, whole = len(dataset.examples), SOURCES[folder.name].n_examples
    write_json(home / "SOURCE.json", {**facts, "files": n_files, "examples": n_examples})
    try:
        if folder.exists():
            folder.rmdir()  # it is empty, or `there` would have said so
        os.replace(home, folder)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise InputError(
                "{folder} must hold {folder_name} or nothing, and holds something else (it came meanwhile): move it "
                "away, and fetch again.",
                folder=folder,
                folder_name=folder.name,
            ) from error
        raise os_error_to_input_error(error, folder) from error
    say(f"{folder}: {folder.name}, {n_examples} examples")
    if n_examples < whole:
        say(f"{folder.name} has {whole} examples or more, and this copy {n_examples}: it is not the whole of it")


def recognised(root: Path, name: str, came: Path, own_lists: bool = True) -> tuple[Path, Dataset]:
    """Where the real data set lies below `root`, and the data set; `came` is what `root` was unpacked from, or is.

    `own_lists` is whether the lists of GTZAN that it brings are to be used, and so must be the published ones.

    Raises
    ------
    InputError
        If it is not that data set, was generated as sample data, or brings other lists than the published ones.
    """
    home, dataset = laid_out(root, name, came)
    if checksums.read(home / "SOURCE.json").get("sample"):
        raise InputError(
            "{came} must be the real {name}, and says in its SOURCE.json that it was generated as sample data: "
            "`musicml fetch {name}` brings the real one.",
            came=came,
            name=name,
        )
    if name == "gtzan" and own_lists:
        gtzan_lists.check(home, came)
    return home, dataset


def laid_out(temporary: Path, name: str, came: Path) -> tuple[Path, Dataset]:
    """Where the data set lies in what was unpacked, at the top or in the one folder there; and the data set."""
    inside = [path for path in list_visible_folders(temporary) if path.name != "__MACOSX"]
    try:
        return temporary, loaded(temporary, name)
    except InputError as error:
        refusal = error
    if len(inside) == 1:
        with contextlib.suppress(InputError):
            return inside[0], loaded(inside[0], name)
    raise InputError(
        "{came} must hold {name} as it was published, and does not ({why}): look for another copy.",
        came=came,
        name=name,
        why=why(refusal, temporary),
    )


def loaded(root: Path, name: str) -> Dataset:
    """The data set in a folder that need not have its name.

    Raises
    ------
    InputError
        If it is not that data set, or its tables are damaged.
    """
    try:
        return importlib.import_module(f"musicml.data.datasets.{name}").load(root)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            "{root} must hold tables that can be read, and one can't be ({error___name}): look for another copy.",
            root=root,
            error___name=type(error).__name__,
        ) from None


def why(refusal: InputError, root: Path) -> str:
    """A loader's refusal of a folder without its cure, which would be for a folder that a person made."""
    return str(refusal).replace(str(root), "it").rpartition(": ")[0] or str(refusal)
