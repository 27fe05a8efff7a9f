"""File locks, so that only one process at a time writes a folder. The system releases those of a killed process."""

from __future__ import annotations

import contextlib
import errno
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicml.utils.errors import InputError
from musicml.utils.files import os_error_to_input_error

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # from a disk without locks


class _LockedError(Exception):
    """Raised when another process holds the lock. It differs from filelock's Timeout, which is an OSError like many."""


def _acquire(path: Path, blocking: bool = False) -> Any:
    """Acquire the lock at `path`; None where the disk or the system has no locks."""
    from filelock import FileLock, Timeout  # here, since reading runs does not need it

    lock = FileLock(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a disk without locks, where only the file itself marks the lock
            lock.acquire(blocking=blocking)  # without waiting, it fails at once if another process holds it
    except NotImplementedError:  # a system without locks
        return None
    except Timeout:
        raise _LockedError from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return lock


def is_locked(path: Path) -> bool | None:
    """Return whether a process holds the lock at `path`; None without a lock file or on a disk without locks."""
    if not path.is_file():
        return None
    try:
        lock = _acquire(path)
    except _LockedError:
        return True
    except OSError:
        return False  # on a disk that is not writable, no process can be writing
    if lock is None:
        return None
    lock.release()
    return False


@contextlib.contextmanager
def hold_lock(path: Path, folder: Path, error_if_locked: InputError | None) -> Iterator[None]:
    """Hold the lock file `path` while writing `folder`; on a disk without locks nothing is locked.

    Parameters
    ----------
    error_if_locked : raised if another process holds the lock; None to wait until it is free

    Raises
    ------
    InputError
        `error_if_locked`, or another one if the lock file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(path, blocking=error_if_locked is None)
    except _LockedError:
        assert error_if_locked is not None
        raise error_if_locked from None
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    try:
        yield
    finally:
        # removed before it is released: a process that opened the file earlier notices that it is gone and retries
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        if lock:
            lock.release(force=True)
