"""Tell which process writes a run, and whether it still exists."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from pathlib import Path
from typing import Any


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


def remove_abandoned_files(folder: Path) -> None:
    """Remove what processes of this machine that are over left half written below `folder` (`write_atomically`)."""
    for path in folder.rglob(".*.*"):
        found = re.fullmatch(r"\..+\.(\d+)(?:\.\w+)?", path.name)
        if found and path.is_file() and has_process_exited({"id": int(found[1]), "place": get_host_id()}):
            path.unlink(missing_ok=True)
