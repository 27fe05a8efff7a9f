"""The trash: deleted runs, in a folder inside the folder of all runs, from which they can be restored."""

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

AGAIN = "~deleted-"  # and a number, behind the name of a run where the trash has one of that name
QUIET_SECONDS = 15 * 60  # without a change, after which a training on another machine is taken to have stopped


def list_trash(root: Path) -> list[Run]:
    """List the deleted runs of the folder of all runs, by name; one may be damaged."""
    folder = Path(root) / TRASH_FOLDER
    return [Run(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def delete_run(name: str, root: Path) -> Path:
    """Move a run to the trash.

    Parameters
    ----------
    name : its name in `root`, or its folder there; it may be damaged
    root : the folder of all runs

    Returns
    -------
    Where it is now; a link is moved, not what it leads to.

    Raises
    ------
    InputError
        If it is not a run of this folder, or it is still training.
    """
    path = _find_run_folder(name, Path(root))
    if is_training(Run(path)):
        raise InputError(
            "Expected a run that is not training, and {run_name} still is. Stop it with Ctrl-C, or wait until it has "
            "changed no file for {n} minutes.",
            run_name=path.name,
            n=QUIET_SECONDS // 60,
        )
    names = itertools.chain([path.name], (f"{path.name}{AGAIN}{number}" for number in itertools.count(2)))
    places = (Path(root) / TRASH_FOLDER / name for name in names)
    return _move(path, next(place for place in places if not os.path.lexists(place)))


def restore_run(name: str, root: Path) -> Path:
    """Move a run from the trash back to the folder of all runs.

    Parameters
    ----------
    name : its name in the trash, or the folder where it is or was

    Returns
    -------
    Where it is now.

    Raises
    ------
    InputError
        If the trash does not hold it, or another run has its name by now.
    """
    known, given, trash = [run.name for run in list_trash(root)], Path(name), Path(root) / TRASH_FOLDER
    is_here = given.parent == Path() or _is_same_folder(Path(os.path.abspath(given)).parent, Path(root), trash)
    if not is_here or given.name not in known:
        raise InputError(
            "Expected a run in the trash of {root}, got {name}: {hint}",
            root=root,
            name=make_printable(name),
            hint=suggest_names(given.name, known),
        )
    target = Path(root) / re.sub(rf"{AGAIN}\d+$", "", given.name)  # the number that told it from another of its name
    if os.path.lexists(target):
        raise InputError(
            "Expected {target} to be free for the run to restore, and there is another. Delete or rename that one "
            "first.",
            target=target,
        )
    return _move(trash / given.name, target)


def is_training(run: Run) -> bool:
    """Tell whether a process is at work on a run, by its lock, else by what run.json says of the process.

    Of a process on another machine only its traces are known: it counts as working while files change.
    """
    if run.is_complete or not (run.path / "run.json").is_file():
        return False
    if (held := is_held(run.path)) is not None:
        return held
    try:
        info = run.info
    except InputError:
        return False
    if info.status == "pretrained" or has_process_exited(info.process):
        return False
    if os.name == "posix" and isinstance(info.process, dict) and info.process.get("place") == get_host_id():
        return True
    return time.time() - max(_list_changes(run.path)) < QUIET_SECONDS


def _list_changes(folder: Path) -> Iterator[float]:
    """Yield when a folder and each file in it changed, seconds since the epoch."""
    yield folder.stat().st_mtime
    for path in folder.rglob("*"):
        yield path.lstat().st_mtime


def _find_run_folder(name: str, root: Path) -> Path:
    """Find the folder of a run in `root`, which may be damaged, by its name or its path."""
    given = Path(name)
    choices = [root / given.name, given] if given.parent == Path() else [given]
    path = next((path for path in choices if _is_run_folder(path)), None)
    if path is None:
        latest = [run.name for run, info in list_complete_runs(root) if info.experiment == name][-1:]
        if latest:
            raise InputError(
                "Expected the name of one run to delete, got the experiment {name}. Its latest run is {run_name}: "
                "name that one, or another.",
                name=make_printable(name),
                run_name=latest[0],
            )
        hint = suggest_names(given.name, [run.name for run in list_runs(root)])
        if given.name in [run.name for run in list_trash(root)]:
            hint = Message(
                "it is in the trash, and `musicml runs --restore {quote}` brings it back.",
                quote=shlex.quote(given.name),
            )
        raise InputError(
            "Expected a run to delete, got {name}, which is none: {hint}", name=make_printable(name), hint=hint
        )
    path = Path(os.path.abspath(path))  # not resolved: a link to a run is deleted, and the run stays
    if not _is_same_folder(path.parent, root):
        raise InputError(
            "Expected a run in {root} to delete, got {path}. Name its folder of runs with --runs {parent}.",
            root=root,
            path=path,
            parent=path.parent,
        )
    return path


def _is_run_folder(path: Path) -> bool:
    """Tell whether a folder is, or was meant to be, a run; a dead link may have led to one."""
    is_dead_link = path.is_symlink() and not path.exists()
    return is_dead_link or (path / "run.json").is_file() or (path / "experiment.toml").is_file()


def _is_same_folder(path: Path, *others: Path) -> bool:
    return any(path.is_dir() and other.is_dir() and path.samefile(other) for other in others)


def _move(path: Path, target: Path) -> Path:
    """Rename a folder; both places are on one disk, so that it is moved whole or not at all."""
    try:
        target.parent.mkdir(exist_ok=True)
        return path.rename(target)
    except OSError as error:
        known = os_error_to_input_error(error, target)
        if isinstance(known, InputError):
            raise known from error
        raise InputError(
            "Expected a folder that can be moved to {target}, and {path} can't be ({error}). Move it by hand.",
            target=target,
            path=path,
            error=describe_os_error(error),
        ) from error
