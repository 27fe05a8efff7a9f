"""Start commands in processes that can be killed, and find processes that they leave behind."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.torture import child

PATIENCE = 240.0  # seconds after which a command hangs
LINGER = 90.0  # seconds after which a process without its parent is one too many


class Command:
    """A running command `musicml WORDS`.

    Parameters
    ----------
    log : where its words go, `.out` and `.err`
    forked : whether it is forked off from a process that has imported Keras, which saves four seconds
    changes : what is changed in it before it begins, by its name in `child.CHANGES`
    """

    sessions: list[tuple[int, float]] = []  # of those that were killed, and when

    def __init__(self, words: Sequence[Any], log: Path, forked: bool, changes: dict[str, Any]):
        self.log, given = log, ([str(word) for word in words], str(log), changes)
        log.parent.mkdir(parents=True, exist_ok=True)
        if forked:
            self.process: Any = forking().Process(target=child.run, args=given)
            self.process.start()
        else:
            self.process = subprocess.Popen([sys.executable, "-m", child.__name__, json.dumps(given)])
        self.begun = time.perf_counter()

    def kill_at(self, seconds: float) -> bool:
        """Kill the command after the given seconds. Return whether it was still running."""
        if self.wait(max(0.0, self.begun + seconds - time.perf_counter())) is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.sessions.append((self.process.pid, time.monotonic()))
        return self.wait(PATIENCE) == -signal.SIGKILL

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Return the exit code, or None while the command runs."""
        if isinstance(self.process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(seconds)
            return None
        self.process.join(seconds)
        return self.process.exitcode

    def finish(self) -> tuple[int | None, float]:
        """Wait for the command. Return its exit code (None if it hangs and is killed) and its seconds."""
        code, seconds = self.wait(), time.perf_counter() - self.begun
        if code is None:
            self.kill_at(0.0)
        return code, seconds

    @property
    def out(self) -> str:
        """Return the standard output."""
        return read_words(self.log.with_name(f"{self.log.name}.out"))

    @property
    def err(self) -> str:
        """Return the standard error."""
        return read_words(self.log.with_name(f"{self.log.name}.err"))


def read_words(path: Path) -> str:
    """Read a file, or return "" if the process was killed before it opened it."""
    return path.read_text(errors="replace") if path.is_file() else ""


def forking() -> Any:
    """Return a context that forks from a server that has imported Keras and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.preloaded"])
    return context


def find_survivors(patience: float = LINGER) -> list[str]:
    """Find and end processes that still run `patience` seconds after their commands were killed.

    Without /proc, the result is empty.
    """
    now, found = time.monotonic(), []
    due = [session for session, killed in Command.sessions if now - killed > patience]
    Command.sessions[:] = [(session, killed) for session, killed in Command.sessions if session not in due]
    for number, session, name in list_processes() if due else []:
        if session in due:
            found.append(f"{name} ({number}), {patience:.0f} s after its parent was killed")
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
    return found


def wait_for_survivors() -> list[str]:
    """Call `find_survivors` for all killed commands, after they ended or their time is over."""
    while Command.sessions:
        living = {session for _, session, _ in list_processes()}
        Command.sessions[:] = [(session, killed) for session, killed in Command.sessions if session in living]
        if found := find_survivors():
            return found
        time.sleep(0.5)
    return []


def list_processes() -> list[tuple[int, int, str]]:
    """List id, session and name of all processes except zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text(errors="replace").partition("(")[2].rpartition(")")
            parts = rest.split()
            if parts[0] != "Z":
                found.append((int(path.parent.name), int(parts[3]), name))
    return found
