"""Tell which process writes a run, and whether it still exists."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from pathlib import Path
from typing import Any

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
    name, variables = get_processor_name(), {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        **({"processor_name": name} if name else {}),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **({"variables": variables} if variables else {}),
    }


@functools.cache
def get_processor_name() -> str:
    """Get the processor's name, as its maker gives it; "" where the system does not tell."""
    try:  # on Linux, where platform.processor() says no more than platform.machine()
        found = PROCESSOR_NAME.search(Path("/proc/cpuinfo").read_text())
    except OSError:
        return platform.processor()
    return found[1].strip() if found else ""


def has_process_exited(known: Any) -> bool:
    """Whether the process that run.json names is known to be over; False where that can't be told from here."""
    if not isinstance(known, dict) or known.get("ended"):
        return isinstance(known, dict)
    number = known.get("id")
    if os.name != "posix" or known.get("place") != get_host_id() or not isinstance(number, int) or number < 1:
        return False
    try:
        os.kill(number, 0)  # asks only whether it is there
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
