"""Tell which process writes a run, and whether it still exists; let only one write it."""

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

LOCK = ".lock"  # in a folder that one process at a time writes; no part of a run
# environment variables that change how sums are divided among threads, or which kernels compute them
VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "XLA_FLAGS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "NVIDIA_TF32_OVERRIDE"),
)
PROCESSOR_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)  # in /proc/cpuinfo


def get_process_info() -> dict[str, Any]:
    """Describe this process, so that readers of its run can tell whether it still exists (`has_process_exited`)."""
    return {"id": os.getpid(), "place": get_host_id()}


@functools.cache
def get_host_id() -> str:
    """Where this process's number holds: this machine since its start, this container; 16 hex digits, no name."""
    try:  # on Linux
        told = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        told = platform.node()
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def get_machine_info() -> dict[str, Any]:
    """Describe this machine in what the last bits of a figure depend on, the number of threads too."""
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    try:  # on Linux, where platform.processor() says no more than platform.machine()
        found = PROCESSOR_NAME.search(Path("/proc/cpuinfo").read_text())
        name = found[1].strip() if found else ""
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


def has_process_exited(known: Any) -> bool:
    """Whether the process that run.json names is known to be over; False where that can't be told from here."""
    if not isinstance(known, dict) or known.get("ended"):
        return isinstance(known, dict)
    return known.get("place") == get_host_id() and has_exited(known.get("id"))


def hold_folder(folder: Path, refusal: InputError) -> contextlib.AbstractContextManager[None]:
    """Be the only process that writes `folder`; raises `refusal` if another process holds it."""
    return hold_lock(folder / LOCK, folder, refusal)


def is_held(folder: Path) -> bool | None:
    """Tell whether a process holds a folder; None where no lock file is left in it, or its disk has no locks."""
    return is_locked(folder / LOCK)


def hold_run(path: Path, known: Any) -> contextlib.AbstractContextManager[None]:
    """Be the only process that trains the run in the folder `path`, its folds included.

    `known` is the process that run.json names, for the message where another process holds the run.
    """
    if isinstance(known, dict) and known.get("place") == get_host_id() and not has_process_exited(known):
        refusal = InputError(
            "Expected a run that no process is training, got {run_name}, which process {number} is training. Wait "
            "until it ends, or stop that process first.",
            run_name=path.name,
            number=known.get("id"),
        )
    else:  # on another machine, or one that has only just begun: run.json still names the one before
        refusal = InputError(
            "Expected a run that no process is training, got {run_name}, which another process is training, maybe on "
            "another machine. Wait until it ends.",
            run_name=path.name,
        )
    return hold_folder(path, refusal)


def remove_abandoned_files(folder: Path) -> None:
    """Remove what processes of this machine that are over left half written below `folder` (`write_atomically`)."""
    for path in folder.rglob(".*.*"):
        found = re.fullmatch(r"\..+\.(\d+)(?:\.\w+)?", path.name)
        if found and path.is_file() and has_process_exited({"id": int(found[1]), "place": get_host_id()}):
            path.unlink(missing_ok=True)
