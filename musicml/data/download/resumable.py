"""A file from the network in as many parts as the network needs: what came is kept, and the rest is asked for.

Each part is asked for with HTTP Range, and with If-Range, so that a file that was changed meanwhile begins anew. Beside
`X.part` lies `X.part.json`, which says what its bytes are the beginning of; a part without it is thrown away.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from musicml.data.download.http_session import Ask
from musicml.data.download.messages import Wanted
from musicml.data.download.retry import TROUBLES, Tries, status_of
from musicml.utils import ByteProgress, os_error_to_input_error, write_json

# 15 digits are a petabyte; int() takes other scripts' digits too, and not any number of them
RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)")
LENGTH = re.compile(r"[0-9]{1,15}")
PIECE = 1 << 14  # bytes; one that is cut in its middle is lost


@dataclass
class Part:
    """The beginning of a file: where its bytes lie, and what of."""

    path: Path
    mark: str = ""  # the server's name for this very content: its ETag, or when it was changed
    size: int | None = None  # of the whole file

    @classmethod
    def at(cls, path: Path) -> Part:
        """What is there from an earlier fetch, or nothing; bytes of which nobody knows what they are of are removed."""
        part = cls(path)
        try:
            known = json.loads(part.note.read_text(encoding="utf-8"))
            part.mark, part.size = known["mark"], known["size"]
        except (OSError, ValueError, KeyError, TypeError):
            part.mark = ""
        if not part.mark:
            part.discard()
        return part

    @property
    def note(self) -> Path:
        """Where it says what the bytes are of."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def have(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def whole(self) -> bool:
        """Whether nothing is lacking."""
        return self.size is not None and self.have == self.size

    def discard(self) -> None:
        """Begin anew."""
        self.mark, self.size = "", None
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)

    def expect(self, headers: Mapping[str, str], size: int | None) -> None:
        """Write down what the bytes that follow are of."""
        tag = headers.get("ETag", "")
        # a weak tag does not promise the same bytes
        mark = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        self.mark, self.size = mark, size
        write_json(self.note, {"mark": self.mark, "size": self.size})


def bring(
    ask: Ask, to: Path, wanted: Wanted, room: Callable[[int, int], None], say: Callable[[str], None]
) -> dict[str, str]:
    """Fetch a file to `to`, in parts where the connection breaks; what came before is gone on with.

    Parameters
    ----------
    ask : how to ask for it
    to : where it shall lie, whole
    wanted : what it is, for a refusal
    room : called with the bytes that are still to come, and those of the whole; raises where they have no room
    say : told a line now and then, where no bar is shown

    Returns
    -------
    headers : of the server's last answer; none where all was there already

    Raises
    ------
    Refused
        If the server will not give it to this person (401, 403, 404).
    InputError
        If it can't be had; what came is kept.
    """
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error_to_input_error(error, to) from error
    part = Part.at(to.with_name(f"{to.name}.part"))
    tries, headers = Tries(wanted, part.have, say), {}
    with ByteProgress(wanted.name, say) as progress:
        while not part.whole:
            trouble: Exception | None = None
            try:
                headers = take(ask, part, room, progress)
                break
            except TROUBLES as error:
                trouble = error
            except OSError as error:
                raise os_error_to_input_error(error, part.path) from None
            if status_of(trouble) == 416:  # what is here is longer than what is there
                part.discard()
            tries.rest(trouble, part.have, part.size)  # outside of except: no library's words come along
    part.path.replace(to)
    part.discard()
    return headers


def take(ask: Ask, part: Part, room: Callable[[int, int], None], progress: ByteProgress) -> dict[str, str]:
    """Ask once, and write down what comes until the file is whole; raises what requests does where it is not."""
    with contextlib.closing(ask(part.have, part.mark)) as answer:
        start, size = told_by(answer)
        if start != part.have or start and part.size not in (None, size):
            part.discard()
            if start:
                raise requests.ConnectionError  # another part than the one that was asked for
        if size is not None:
            room(size - start, size)
        part.expect(answer.headers, size)
        progress.begin(size, start)
        with open(part.path, "ab") as out:
            for piece in answer.iter_content(PIECE):
                out.write(piece)
                progress.add(len(piece))
    if size is not None and part.have != size:
        raise requests.ConnectionError
    return dict(answer.headers)


def told_by(answer: requests.Response) -> tuple[int, int | None]:
    """Which byte the answer begins with, and how many the whole file has, where the server says so."""
    if answer.status_code == 206:
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if not found:
            raise requests.ConnectionError  # nobody knows where such a part belongs
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if LENGTH.fullmatch(length) else None
