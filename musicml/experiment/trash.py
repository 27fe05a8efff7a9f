"""Delete and restore runs: a deleted run is moved to a trash folder inside the folder of all runs."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from musicml.experiment.process import get_host_id, has_process_exited, is_held
from musicml.experiment.run import TRASH_FOLDER, Run, list_complete_runs, list_runs
from musicml.utils import InputError, Message, describe_os_error, make_printable, os_error_to_input_error, suggest_names

SUFFIX = "~deleted-"  # with a number, appended to the name if the trash already has a run with this name
QUIET_SECONDS = 15 * 60  # a training on another machine counts as stopped after this time without changes


def list_trash(root: Path) -> list[Run]:
    """List the deleted runs by name, including damaged ones."""
    folder = Path(root) / TRASH_FOLDER
    return [Run(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def delete_run(name: str, root: Path) -> Path:
    """Move a run to the trash.

    Parameters
    ----------
    name : the name of the run in `root`, or its folder there; it may be damaged
    root : the folder of all runs

    Returns
    -------
    Path, the new location. A link is moved itself, not its target.

    Raises
    ------
    InputError
        If it is not a run of this folder, or it is still training.
    """
    path = _find_run_folder(name, Path(root))
    if is_training(Run(path)):
        raise InputError(
            "Run {run_name} is still training. Stop it with Ctrl-C, or wait until none of its files has changed for "
            "{n} minutes.",
            run_name=path.name,
            n=QUIET_SECONDS // 60,
        )
    names = itertools.chain([path.name], (f"{path.name}{SUFFIX}{number}" for number in itertools.count(2)))
    places = (Path(root) / TRASH_FOLDER / name for name in names)
    return _move(path, next(place for place in places if not os.path.lexists(place)))


def restore_run(name: str, root: Path) -> Path:
    """Move a run from the trash back to the folder of all runs.

    Parameters
    ----------
    name : the name in the trash, or the present or former folder of the run

    Returns
    -------
    Path, the new location.

    Raises
    ------
    InputError
        If the run is not in the trash, or another run now has its name.
    """
    known, path, trash = [run.name for run in list_trash(root)], Path(name), Path(root) / TRASH_FOLDER
    is_here = path.parent == Path() or _is_same_folder(Path(os.path.abspath(path)).parent, Path(root), trash)
    if not is_here or path.name not in known:
        raise InputError(
            "Expected a run in the trash of {root}, got {name}: {hint}",
            root=root,
            name=make_printable(name),
            hint=suggest_names(path.name, known),
        )
    target = Path(root) / re.sub(rf"{SUFFIX}\d+$", "", path.name)
    if os.path.lexists(target):
        raise InputError(
            "Could not restore the run, since {target} already exists. Delete or rename that one first.", target=target
        )
    return _move(trash / path.name, target)


def is_training(run: Run) -> bool:
    """Return whether a process is training a run, by its lock if there is one, else by the process in run.json.

    A process on another machine can't be checked. It counts as training while files of the run change.
    """
    if run.is_complete or not (run.path / "run.json").is_file():
        return False
    if (held := is_held(run.path)) is not None:  # the lock decides, if the disk has locks
        return held
    try:
        info = run.info
    except InputError:
        return False
    if info.status == "pretrained" or has_process_exited(info.process):
        return False
    if os.name == "posix" and isinstance(info.process, dict) and info.process.get("place") == get_host_id():
        return True  # a process of this machine that has not exited
    return time.time() - max(_list_changes(run.path)) < QUIET_SECONDS


def _list_changes(folder: Path) -> Iterator[float]:
    """Yield the modification times of a folder and of each file in it, in seconds since 1970."""
    yield folder.stat().st_mtime
    for path in folder.rglob("*"):
        yield path.lstat().st_mtime  # of a link itself, whose target may be missing


def _find_run_folder(name: str, root: Path) -> Path:
    """Find the folder of a run in `root`, possibly a damaged one, by its name or its path."""
    given_path = Path(name)
    choices = [root / given_path.name, given_path] if given_path.parent == Path() else [given_path]
    path = next((path for path in choices if _is_run_folder(path)), None)
    if path is None:
        latest = [run.name for run, info in list_complete_runs(root) if info.experiment == name][-1:]
        if latest:
            raise InputError(
                "Expected the name of one run to delete, got the experiment {name}. Its latest run is {run_name}. Name "
                "that run, or another one.",
                name=make_printable(name),
                run_name=latest[0],
            )
        hint = suggest_names(given_path.name, [run.name for run in list_runs(root)])
        if given_path.name in [run.name for run in list_trash(root)]:
            hint = Message(
                "it is in the trash. Restore it with `musicml runs --restore {name}`.",
                name=shlex.quote(given_path.name),
            )
        raise InputError("There is no run {name} to delete: {hint}", name=make_printable(name), hint=hint)
    path = Path(os.path.abspath(path))  # not `resolve`, so that deleting a link keeps its target
    if not _is_same_folder(path.parent, root):
        raise InputError(
            "Expected a run in {root} to delete, got {path}. Name its folder of runs with --runs {parent}.",
            root=root,
            path=path,
            parent=path.parent,
        )
    return path


def _is_run_folder(path: Path) -> bool:
    """Return whether a folder is a run, possibly a damaged one, or a dead link that may have led to a run."""
    is_dead_link = path.is_symlink() and not path.exists()
    return is_dead_link or (path / "run.json").is_file() or (path / "experiment.toml").is_file()


def _is_same_folder(path: Path, *others: Path) -> bool:
    return any(path.is_dir() and other.is_dir() and path.samefile(other) for other in others)


def _move(path: Path, target: Path) -> Path:
    """Move a folder by renaming it, which is atomic, since both places are on one disk."""
    try:
        target.parent.mkdir(exist_ok=True)
        return path.rename(target)
    except OSError as error:
        input_error = os_error_to_input_error(error, target)
        if isinstance(input_error, InputError):
            raise input_error from error
        raise InputError(
            "Could not move {path} to {target} ({error}). Move it by hand.",
            path=path,
            target=target,
            error=describe_os_error(error),
        ) from error
