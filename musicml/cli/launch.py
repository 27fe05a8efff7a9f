"""Start a program for the user in place of this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence


def replace_process(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program until the user stops it. Return its exit code.

    Except on Windows, the program replaces this process, so it receives all signals directly.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":  # Windows cannot replace a process
        os.execve(command[0], list(command), dict(environment))
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:  # the program received Ctrl-C too
        return 130
