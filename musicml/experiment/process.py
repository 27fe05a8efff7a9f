"""The process that trains a run: identify it, check whether it still exists, and lock the run for it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
from pathlib import Path
from typing import Any

from musicml.utils import InputError, has_exited, hold_lock, is_locked

LOCK = ".lock"  # the lock file in a folder; not part of a run
# environment variables that change the order of floating-point sums, and so the last bits of results
VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "XLA_FLAGS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "NVIDIA_TF32_OVERRIDE"),
)
PROCESSOR_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)  # in /proc/cpuinfo


def get_process_info() -> dict[str, Any]:
    """Describe this process, so that `has_process_exited` can check later whether it still exists."""
    return {"id": os.getpid(), "place": get_host_id()}


@functools.cache
def get_host_id() -> str:
    """Return an ID of this machine since its start, and of this container: 16 hex digits, without a name.

    A process ID is only valid within one host ID.
    """
    try:  # on Linux
        source = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        source = platform.node()
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


def get_machine_info() -> dict[str, Any]:
    """Describe what the last bits of a result depend on: the system, the processor and the number of threads."""
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    try:  # on Linux, where platform.processor() only repeats platform.machine()
        match = PROCESSOR_NAME.search(Path("/proc/cpuinfo").read_text())
        name = match[1].strip() if match else ""
    except OSError:
        name = platform.processor()
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        **({"processor_name": name} if name else {}),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **({"variables": variables} if variables else {}),
    }


def has_process_exited(process: Any) -> bool:
    """Return whether the process in run.json is known to have exited; False if that can't be checked from here."""
    if not isinstance(process, dict) or process.get("ended"):  # `ended` was written by the process itself
        return isinstance(process, dict)
    return process.get("place") == get_host_id() and has_exited(process.get("id"))


def hold_folder(folder: Path, error_if_locked: InputError | None) -> contextlib.AbstractContextManager[None]:
    """Lock `folder` for this process. If another one holds it, raise `error_if_locked`; None waits instead."""
    return hold_lock(folder / LOCK, folder, error_if_locked)


def is_held(folder: Path) -> bool | None:
    """Return whether a process holds a folder; None without a lock file or on a disk without locks."""
    return is_locked(folder / LOCK)


def hold_run(path: Path, process: Any) -> contextlib.AbstractContextManager[None]:
    """Lock the run in the folder `path`, including its folds, for training by this process.

    `process` is the one that run.json names. The error message gives its ID if it holds the run.
    """
    if isinstance(process, dict) and process.get("place") == get_host_id() and not has_process_exited(process):
        error = InputError(
            "Run {run_name} is being trained by process {number}. Wait until it ends, or stop that process first.",
            run_name=path.name,
            number=process.get("id"),
        )
    else:  # on another machine, or just started: run.json still names the process before it
        error = InputError(
            "Run {run_name} is being trained by another process, maybe on another machine. Wait until it ends.",
            run_name=path.name,
        )
    return hold_folder(path, error)


def remove_abandoned_files(folder: Path) -> None:
    """Remove the temporary files below `folder` that exited processes of this machine left (`write_atomically`)."""
    for path in folder.rglob(".*.*"):
        match = re.fullmatch(r"\..+\.(\d+)(?:\.\w+)?", path.name)  # the number is the process ID
        if match and path.is_file() and has_process_exited({"id": int(match[1]), "place": get_host_id()}):
            path.unlink(missing_ok=True)
