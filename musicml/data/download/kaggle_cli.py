"""Kaggle's own command line, for where its library will not go without a login and its command does."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from musicml.data.download import archives, http_session, kaggle_credentials, messages
from musicml.data.download.messages import Refused, Wanted
from musicml.data.download.sources import Source
from musicml.utils import ByteProgress, os_error_to_input_error

LOOK = 0.5  # seconds between looks at how far it is
SILENCE = 5 * http_session.READ  # seconds without a byte, after which it is ended
# what it says where it fails: its own words and those of the libraries that it uses
STATUS = re.compile(r"\b([45]\d\d) (?:Client|Server) Error")
LOGIN = re.compile(r"Authentication required")
OFFLINE = re.compile(r"NewConnectionError|NameResolutionError|Failed to resolve")
FULL = re.compile(r"No space left on device|Disk quota exceeded")
CUT = re.compile(r"Connection|IncompleteRead|timed out|does not match expected size")


def bring(origin: Source, to: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
    """Fetch the archive of `origin` to `to` without a login; what came is kept, and the command goes on with it.

    Raises
    ------
    Refused
        If the server will not give it without a login.
    InputError
        If it can't be had.
    """
    archives.room_for(to.parent, 0)  # it does not tell how much will come
    folder = beside(to)
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / origin.archive
    ref = f"{origin.ref}/{origin.version}" if origin.version else origin.ref
    words = [sys.executable, "-m", "kaggle", "datasets", "download", ref, "--path", str(folder), "--quiet"]
    with kaggle_credentials.make_bare_environment() as environment, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            watch(process, archive, wanted, say)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            with contextlib.suppress(OSError):
                folder.rmdir()  # where nothing came
        said.seek(0)
        words_said = said.read().decode(errors="replace")
    if process.returncode or not archive.is_file():
        raise trouble(wanted, words_said, archive)
    archive.replace(to)
    clear(to)


def beside(to: Path) -> Path:
    """The folder of what comes by the command."""
    return to.with_name(f"{to.name}.command")


def clear(to: Path) -> None:
    """Remove what came by the command, once the archive is there, by whatever way."""
    shutil.rmtree(beside(to), ignore_errors=True)


def watch(process: subprocess.Popen, archive: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
    """Show how far the command is by how large its file has become, until it ends or nothing has come for long."""
    with ByteProgress(wanted.name, say) as progress:
        progress.begin(None)
        grown = time.monotonic()
        while process.poll() is None:
            time.sleep(LOOK)
            more = (archive.stat().st_size if archive.exists() else 0) - progress.done
            progress.add(more)
            grown = time.monotonic() if more else grown
            if time.monotonic() - grown > SILENCE:
                raise messages.silent(wanted, SILENCE)


def trouble(wanted: Wanted, said: str, archive: Path) -> Exception:
    """What ended the command, by the number of HTTP among its words; the words themselves may hold a signed address."""
    found = STATUS.search(said)
    status = int(found[1]) if found else 0
    if status in (403, 404):
        return Refused(status)
    if status == 401 or LOGIN.search(said):
        return Refused(401)
    if status == 429:
        return messages.busy(wanted, None)
    if status:
        return messages.broken(wanted, status) if status >= 500 else messages.refused(wanted, status)
    if OFFLINE.search(said):
        return messages.offline(wanted)
    if FULL.search(said):
        return os_error_to_input_error(OSError(errno.ENOSPC, "No space left on device"), archive)
    if CUT.search(said):
        return messages.cut(wanted, archive.stat().st_size if archive.exists() else 0, None)
    return messages.unwilling(wanted)
