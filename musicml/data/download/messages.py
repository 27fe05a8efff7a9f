"""What a person reads where a fetch fails: one sentence with the rule, what came and the cure.

None of them shows what a server or a library said, since that may hold a signed address or a token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from musicml.utils import InputError, format_megabytes


@dataclass(frozen=True)
class Wanted:
    """What is fetched, in the words of a refusal.

    Attributes
    ----------
    name : `gtzan`, `train_filtered.txt`
    host : Kaggle, Zenodo, GitHub
    page : where a person can look it up
    option : how to give it by hand: `--from`, `--lists`
    command : what to type again
    """

    name: str
    host: str
    page: str
    option: str
    command: str


class Refused(Exception):
    """The server will not give it to this person: HTTP 401, 403 or 404."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def offline(wanted: Wanted) -> InputError:
    """No connection could be made at all."""
    return InputError(
        "{wanted_name} must come from {wanted_host}, which can't be reached from this machine: check the network and "
        "try `{wanted_command}` again, or give it with {wanted_option}.",
        wanted_name=wanted.name,
        wanted_host=wanted.host,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def cut(wanted: Wanted, have: int, size: int | None) -> InputError:
    """The connection ends again and again at the same place."""
    so_far = f"{format_megabytes(have)} of {format_megabytes(size)} MB" if size else f"{format_megabytes(have)} MB"
    return InputError(
        "{wanted_name} must come whole, and {wanted_host} breaks off after {so_far}: `{wanted_command}` goes on from "
        "there, later or with another network; or give it with {wanted_option}.",
        wanted_name=wanted.name,
        wanted_host=wanted.host,
        so_far=so_far,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def silent(wanted: Wanted, seconds: float) -> InputError:
    """The server took the request and sent nothing more."""
    return InputError(
        "{wanted_host} must answer within {seconds:.0f} s, and sent nothing of {wanted_name}: `{wanted_command}` goes "
        "on later; or give it with {wanted_option}.",
        wanted_host=wanted.host,
        seconds=seconds,
        wanted_name=wanted.name,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def busy(wanted: Wanted, seconds: float | None) -> InputError:
    """HTTP 429 for longer than anybody waits at a terminal."""
    minutes = math.ceil(seconds / 60) if seconds else None
    wait = "a minute" if minutes == 1 else f"{minutes} minutes" if minutes else "some minutes"
    return InputError(
        "{wanted_host} must not be asked so often (429) and wants a pause of {wait} before it gives {wanted_name}: "
        "`{wanted_command}` goes on afterwards.",
        wanted_host=wanted.host,
        wait=wait,
        wanted_name=wanted.name,
        wanted_command=wanted.command,
    )


def broken(wanted: Wanted, status: int) -> InputError:
    """HTTP 5xx."""
    return InputError(
        "{wanted_host} must give {wanted_name}, and has a fault of its own ({status}): `{wanted_command}` goes on "
        "later; or give it with {wanted_option}.",
        wanted_host=wanted.host,
        wanted_name=wanted.name,
        status=status,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def refused(wanted: Wanted, status: int) -> InputError:
    """HTTP 403, 404 and whatever else a server says no with; 401 is `unknown`."""
    if status == 404:
        return InputError(
            "{wanted_host} must have {wanted_name}, and has it no more under its address (404): look at "
            "{wanted_page}, or give it with {wanted_option}.",
            wanted_host=wanted.host,
            wanted_name=wanted.name,
            wanted_page=wanted.page,
            wanted_option=wanted.option,
        )
    return InputError(
        "{wanted_host} must be willing to give {wanted_name}, and says no ({status}): open {wanted_page} in a browser "
        "and accept its terms there, then try `{wanted_command}` again, or give it with {wanted_option}.",
        wanted_host=wanted.host,
        wanted_name=wanted.name,
        status=status,
        wanted_page=wanted.page,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def unknown(wanted: Wanted, status: int, page: str, places: str) -> InputError:
    """HTTP 401; `places` are those where a login was found, `page` is where a person makes one."""
    seen = f"the one in {places} was not accepted" if places else "none was found"
    return InputError(
        "{wanted_host} must know by a token who asks for {wanted_name} ({status}), and {seen}: make one at {page}, "
        "write it into ~/.kaggle/access_token, and try `{wanted_command}` again, or give it with {wanted_option}.",
        wanted_host=wanted.host,
        wanted_name=wanted.name,
        status=status,
        seen=seen,
        page=page,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def unusable(wanted: Wanted, status: int, page: str, place: str, reason: str) -> InputError:
    """HTTP 401 or 403, and the only files that should hold a login hold none."""
    return InputError(
        "{wanted_host} must know by a token who asks for {wanted_name} ({status}), and {place} {reason}: save it again "
        "as plain text, or make one at {page} and write it into ~/.kaggle/access_token; then try `{wanted_command}` "
        "again.",
        wanted_host=wanted.host,
        wanted_name=wanted.name,
        status=status,
        place=place,
        reason=reason,
        page=page,
        wanted_command=wanted.command,
    )


def unwilling(wanted: Wanted) -> InputError:
    """The package that speaks with the host does something else."""
    return InputError(
        "the kaggle package must fetch {wanted_name}, and this version of it can't: `pip install -U kaggle`, or give "
        "it with {wanted_option}.",
        wanted_name=wanted.name,
        wanted_option=wanted.option,
    )


def damaged(wanted: Wanted, published: str) -> InputError:
    """The hash is not the one that the host gives, `published`; what came was removed."""
    return InputError(
        "{wanted_name} must have the hash that {wanted_host} gives ({published}), and what came has another and was "
        "removed: try `{wanted_command}` again, or give it with {wanted_option}.",
        wanted_name=wanted.name,
        wanted_host=wanted.host,
        published=published,
        wanted_command=wanted.command,
        wanted_option=wanted.option,
    )


def changed(wanted: Wanted, date: str, before: str, path: Path) -> InputError:
    """The hash is not the one that an earlier fetch wrote down in `path`; what came was removed."""
    return InputError(
        "{wanted_name} must have the hash that it had on {date} ({before}...), and what came has another and was "
        "removed: if you trust the new one, remove {path}, and try `{wanted_command}` again.",
        wanted_name=wanted.name,
        date=date,
        before=before,
        path=path,
        wanted_command=wanted.command,
    )
