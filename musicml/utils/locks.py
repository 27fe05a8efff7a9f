"""Let one process at a time write a folder; a process that is killed lets go of it."""

from __future__ import annotations

import contextlib
import errno
import warnings
from collections.abc import Iterator
from pathlib import Path

from musicml.utils.errors import InputError
from musicml.utils.files import os_error_to_input_error

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # what a disk without locks says


@contextlib.contextmanager
def hold_lock(path: Path, folder: Path, refusal: InputError) -> Iterator[None]:
    """Be the only process that writes `folder`, as far as its disk has locks; the lock file is `path`.

    Raises
    ------
    InputError
        `refusal` if another process holds the lock, or if its file can't be written.
    """
    from filelock import FileLock, Timeout  # which reading runs does not need

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a disk without locks, where the file itself has to do
            lock.acquire(blocking=False)
    except Timeout:
        raise refusal from None
    except NotImplementedError:  # filelock's word for a system without locks
        pass
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise os_error_to_input_error(error, folder) from error
    try:
        yield
    finally:
        # while it is held: a process that opened the file before finds it gone, and does not take it for the lock
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release(force=True)
