"""Archives, unpacked so that a hostile one does no harm: into a new folder, all of it or nothing.

What an archive is, its content says and never its name: a zip, or a tar, plain or packed with gzip, bzip2 or xz. Each
member is a plain file or a folder below the archive's own, or the whole is refused; there are no links, so nothing can
lead elsewhere. What counts is what comes out, not what a header declares. An archive inside is a file like any other.

What a Mac adds for itself (`__MACOSX/`, `.DS_Store`, `._*`) is checked as all else is, and left out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from musicml.data.download.archives import limits
from musicml.data.download.archives.members import Member, checked
from musicml.data.download.archives.messages import no_name_here, taken
from musicml.data.download.archives.tars import in_tar
from musicml.data.download.archives.zips import STARTS, Bounded, in_zip
from musicml.utils import InputError, find_existing_folder, make_printable, os_error_to_input_error

__all__ = ["Contents", "inspect", "room_for", "unpack"]

HIDDEN = ".unpacking-"  # short, so that the folder's own name may be as long as names can be
NO_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST}


@dataclass(frozen=True)
class Contents:
    """What an archive says that it holds.

    Attributes
    ----------
    n_files : files that would be unpacked
    n_bytes : of all of them, unpacked, as declared
    packed : bytes of the archive itself
    names : the files' paths in it, with forward slashes, in its order
    """

    n_files: int
    n_bytes: int
    packed: int
    names: tuple[str, ...]


def inspect(archive: Path) -> Contents:
    """What an archive holds, by its table of contents; a packed tar has none, so it is read through.

    Raises
    ------
    InputError
        If it is no archive, half of one, locked, or holds what `unpack` would not unpack.
    """
    with contextlib.closing(members(Path(archive))) as found:
        files = [(member.name, member.size) for member in found if not member.is_folder]
    n_bytes, packed = sum(size for _, size in files), Path(archive).stat().st_size
    return Contents(len(files), n_bytes, packed, tuple(name for name, _ in files))


def unpack(archive: Path, folder: Path, progress: Callable[[int], None] | None = None, strip: bool = False) -> None:
    """Unpack an archive into a new folder: files as 0644, folders as 0755, less the umask, all of them yours.

    It goes into a hidden folder beside `folder`, which is renamed once it is whole. Whatever stops it, Ctrl-C as well,
    nothing is left of it.

    Parameters
    ----------
    archive : a zip or a tar, the latter plain or packed with gzip, bzip2 or xz
    folder : where it goes; not there yet
    progress : called after each block with the bytes that it wrote
    strip : whether to leave off the outer folder where all lies in one

    Raises
    ------
    InputError
        If `folder` is there, the archive can't be unpacked whole and safely, or the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    if os.path.lexists(folder):
        raise taken(make_printable(str(archive)), folder)
    new: list[Path] = []
    try:
        new += [above for above in folder.absolute().parents if not above.exists()]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=HIDDEN, dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            root = Path(temporary) / "whole"
            root.mkdir(0o755)
            write(archive, root, progress)
            put(outer(root) if strip else root, folder, archive)
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    finally:
        if not os.path.lexists(folder):
            remove_empty(new)


def room_for(folder: Path, n_bytes: int) -> None:
    """Refuse to begin what the disk of `folder`, there or not yet, has no room for.

    Raises
    ------
    InputError
        If fewer than `n_bytes` and `limits.SPARE` are free.
    """
    free = shutil.disk_usage(find_existing_folder(Path(folder) / "below")).free
    if free < n_bytes + limits.SPARE:
        raise InputError(
            "{folder} must be on a disk with {n_bytes:.0f} MB free, "
            "{limits_spare:.0f} of them to spare, and has {free:.0f}: make room, or choose another folder.",
            folder=folder,
            n_bytes=(n_bytes + limits.SPARE) / 1e6,
            limits_spare=limits.SPARE / 1e6,
            free=free / 1e6,
        )


def members(archive: Path) -> Generator[Member]:
    """The files and folders of an archive, checked as they come."""
    name = make_printable(str(archive))
    with opened(archive, name) as file:
        head, packed = file.read(512), file.seek(0, os.SEEK_END)
        file.seek(0)
        most = limits.most_bytes(packed)
        found = in_zip(file, name) if head.startswith(STARTS) else in_tar(file, head, most, name)
        yield from checked(found, most, name)


@contextlib.contextmanager
def opened(archive: Path, name: str) -> Iterator[Bounded]:
    """The archive as an open file."""
    try:
        if archive.is_dir():
            raise InputError("{name} must be a zip or tar archive, and is a folder: name the archive in it.", name=name)
        if not archive.is_file():  # a pipe would have us wait
            other = "is none that can be read" if archive.exists() else "there is none of that name"
            raise InputError("{name} must be a file, and {other}: check how it is spelt.", name=name, other=other)
        file = Bounded(archive)
    except OSError as error:
        raise InputError(
            "{name} must be a file that can be opened, and can't be ({error_strerror}): "
            "check its name and who may read it.",
            name=name,
            error_strerror=error.strerror,
        ) from error
    with file:
        yield file


def write(archive: Path, root: Path, progress: Callable[[int], None] | None) -> None:
    """Write the members of an archive below `root`, an empty folder."""
    with contextlib.closing(members(archive)) as found:
        for member in found:
            try:
                file = begin(root / member.name, member.is_folder)
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise
                raise no_name_here(make_printable(str(archive)), member.name, error) from error
            if file:
                with file:
                    for block in member.blocks():
                        file.write(block)
                        if progress:
                            progress(len(block))


def begin(place: Path, is_folder: bool) -> BinaryIO | None:
    """Make a folder, or a file to be written."""
    if is_folder:
        place.mkdir(0o755)
        return None
    # x: never into what is there, a link least of all
    return open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o644))


def outer(root: Path) -> Path:
    """The one folder in `root` in which all lies, or `root`."""
    inside = list(root.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else root


def put(root: Path, folder: Path, archive: Path) -> None:
    """Give what was unpacked its name."""
    try:
        os.replace(root, folder)
    except OSError as error:
        if os.path.lexists(folder):  # since it was looked for
            raise taken(make_printable(str(archive)), folder) from error
        raise


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to one that holds something or was never made."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()
