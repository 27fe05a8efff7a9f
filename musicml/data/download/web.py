"""Files with an address and a known hash, through pooch: OpenMIC's archive at Zenodo, GTZAN's lists at GitHub."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pooch

from musicml.data.download import http_session, messages, resumable
from musicml.data.download.messages import Refused, Wanted
from musicml.utils import InputError


def bring(
    url: str,
    known_hash: str,
    to: Path,
    wanted: Wanted,
    room: Callable[[int, int], None] = lambda rest, size: None,
    say: Callable[[str], None] = print,
) -> None:
    """Fetch the file at `url` to `to`, unless it is there; its hash is `md5:...` or `sha256:...`, or it is not kept.

    Raises
    ------
    InputError
        If it can't be had, or has another hash.
    """

    def other(url: str, output_file: str, mine: object) -> None:
        """What pooch calls to download, since the file that is there has another hash."""
        raise ValueError

    there = to.is_file()  # whole, from a fetch that was stopped
    refusal: InputError | None = None
    pooch.get_logger().setLevel(logging.ERROR)  # its lines are for programmers
    try:
        if not there:  # by our own parts: pooch would remove them, and a whole file too while it hashes that
            resumable.bring(http_session.asking(url), to, wanted, room, say)
        pooch.retrieve(url, known_hash, to.name, to.parent, downloader=other)
    except Refused as error:
        refusal = messages.refused(wanted, error.status)
    except InputError as error:
        refusal = error
    except ValueError:
        to.unlink()
        refusal = messages.damaged(wanted, known_hash)
    if refusal and there:
        return bring(url, known_hash, to, wanted, room, say)
    if refusal:
        raise refusal
