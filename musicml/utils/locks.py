"""Let one process at a time write a folder; a process that is killed lets go of it."""

from __future__ import annotations

import contextlib
import errno
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicml.utils.errors import InputError
from musicml.utils.files import os_error_to_input_error

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # what a disk without locks says


class _LockedError(Exception):
    """Another process holds the lock; filelock's own Timeout is an OSError too, as is a disk's that does not answer."""


def _acquire(path: Path) -> Any:
    """Take the lock at `path`; None where the disk or the system has no locks."""
    from filelock import FileLock, Timeout  # which reading runs does not need

    lock = FileLock(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a disk without locks, where the file itself has to do
            lock.acquire(blocking=False)
    except NotImplementedError:  # filelock's word for a system without locks
        return None
    except Timeout:
        raise _LockedError from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return lock


def is_locked(path: Path) -> bool | None:
    """Tell whether a process holds the lock at `path`; None where no lock file is left, or its disk has no locks."""
    if not path.is_file():
        return None
    try:
        lock = _acquire(path)
    except _LockedError:
        return True
    except OSError:
        return False  # nobody writes on a disk that can't be written to
    if lock is None:
        return None
    lock.release()
    return False


@contextlib.contextmanager
def hold_lock(path: Path, folder: Path, refusal: InputError) -> Iterator[None]:
    """Be the only process that writes `folder`, as far as its disk has locks; the lock file is `path`.

    Raises
    ------
    InputError
        `refusal` if another process holds the lock, or if its file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(path)
    except _LockedError:
        raise refusal from None
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    try:
        yield
    finally:
        # while it is held: a process that opened the file before finds it gone, and does not take it for the lock
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        if lock:
            lock.release(force=True)
