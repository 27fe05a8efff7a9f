"""Check the workers of a cluster: versions, folders, clocks, cores and memory (`musicml doctor --cluster`)."""

from __future__ import annotations

import contextlib
import platform
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from musicml.data import CACHE_FOLDER
from musicml.experiment.environment import CheckResult
from musicml.utils import InputError, Message, describe_os_error, get_client, get_message, get_versions_of_process

MAX_CLOCK_DIFFERENCE = 2.0  # seconds; `train-all` finds its runs by the time at which they began
N_CLOCK_READINGS = 3  # the one with the shortest way there and back counts


def check_cluster(data_root: Path, runs_root: Path) -> Iterator[CheckResult]:
    """Check every worker of the cluster that this process is connected to.

    Parameters
    ----------
    data_root, runs_root : absolute paths; each worker must find the same folders there
    """
    client = get_client()
    folders = {"data": data_root, "cache": data_root / CACHE_FOLDER, "runs": runs_root}
    names = {str(folder): name for name, folder in folders.items()}
    with contextlib.ExitStack() as stack:
        tokens = {}
        for folder, name in names.items():
            try:
                tokens[folder] = stack.enter_context(_write_token(Path(folder)))
            except InputError as error:  # the other checks go on
                yield CheckResult(name, "note" if name == "data" else "problem", error.message)
        paths = {folder: str(token) for folder, token in tokens.items()}
        for address, n_threads in client.nthreads().items():
            try:
                facts = _run_on_worker(client, address, describe_process, paths)
                problems = list(_find_problems(facts, address, n_threads, tokens, names))
                problems += _check_clock(client, address)
            except Exception as error:  # without musicml of any type, or the worker has ended
                words = Message("musicml can't run there ({error}): install the same version", error=get_message(error))
                problems = [CheckResult(address, "problem", words)]
            yield from problems or [_describe_worker(facts, address)]


def _find_problems(
    facts: Mapping[str, Any], address: str, n_threads: int, tokens: Mapping[str, Path], names: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Yield the problems of one worker, apart from its clock."""
    for name, version in get_versions_of_process().items():
        if (other := facts["versions"].get(name)) != version:
            words = Message(
                "{name} {other}, but {version} here: install the same versions",
                name=name,
                other=other or "-",
                version=version,
            )
            yield CheckResult(address, "problem", words)
    if n_threads > 1:
        words = Message("{n} threads: start the worker with --nthreads 1", n=n_threads)
        yield CheckResult(address, "problem", words)
    for folder, text in facts["tokens"].items():
        if text != tokens[folder].read_text():
            words = Message(
                "{folder} is another folder there, or missing ({name}): mount the shared folder at the same place",
                folder=folder,
                name=names[folder],
            )
            yield CheckResult(address, "problem", words)
        elif folder not in facts["writable"]:
            words = Message("{folder} is not writable there ({name})", folder=folder, name=names[folder])
            yield CheckResult(address, "note" if names[folder] == "data" else "problem", words)


def _check_clock(client: Any, address: str) -> Iterator[CheckResult]:
    """Yield a problem if a worker's clock differs from this machine's."""
    seconds = _measure_clock_difference(client, address)
    if abs(seconds) > MAX_CLOCK_DIFFERENCE:
        words = Message(
            "its clock differs by {seconds:+.1f} s: let both machines set their clocks by NTP", seconds=seconds
        )
        yield CheckResult(address, "problem", words)


def _describe_worker(facts: Mapping[str, Any], address: str) -> CheckResult:
    """Describe a worker without problems."""
    words = Message(
        "{host}: musicml {musicml}, Python {python}, {cores} cores, {memory:.0f} GB; same folders, clock and versions",
        host=facts["host"],
        musicml=facts["versions"]["musicml"],
        python=facts["python"],
        cores=facts["cores"],
        memory=facts["memory"] / 1e9,
    )
    return CheckResult(address, "ok", words)


def _run_on_worker(client: Any, address: str, function: Any, *arguments: Any) -> Any:
    """Return the result of a function on one worker."""
    return client.run(function, *arguments, workers=[address])[address]


def _measure_clock_difference(client: Any, address: str) -> float:
    """Return how many seconds the clock of a worker is ahead of this machine's."""
    readings = []
    for _ in range(N_CLOCK_READINGS):
        start = time.time()
        there = _run_on_worker(client, address, read_clock)
        end = time.time()
        readings.append((end - start, there - (start + end) / 2))  # read halfway, as far as is known
    return min(readings)[1]


@contextlib.contextmanager
def _write_token(folder: Path) -> Iterator[Path]:
    """Write a file of random content into a folder, which a worker can read if it sees the same folder.

    Raises
    ------
    InputError
        If the folder is not writable.
    """
    token = folder / f".musicml-token-{uuid.uuid4().hex}"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            token.write_text(uuid.uuid4().hex)
        except OSError as error:
            reason = describe_os_error(error)
            raise InputError(
                "Expected a writable folder, got {folder} ({error}).", folder=folder, error=reason
            ) from None
        yield token
    finally:
        with contextlib.suppress(OSError):
            token.unlink(missing_ok=True)


# Functions that workers run


def describe_process(tokens: Mapping[str, str]) -> dict[str, Any]:
    """Describe the process, its machine, and what it finds in the files `tokens` (folder → file)."""
    import joblib
    import psutil

    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "versions": get_versions_of_process(),
        "cores": joblib.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "tokens": {folder: read_token(Path(token)) for folder, token in tokens.items()},
        "writable": [folder for folder in tokens if _is_writable(folder)],
    }


def read_token(path: Path) -> str:
    """Return the content of a file; empty if it can't be read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _is_writable(folder: str) -> bool:
    """Return whether a file can be created in a folder."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".musicml-token-"):
            return True
    except OSError:
        return False


def read_clock() -> float:
    """Return the seconds since 1970 by this machine's clock."""
    return time.time()
