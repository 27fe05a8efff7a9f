"""Say why a download fails: the rule, what came and the fix.

No sentence shows what a server or a library said, since that may hold a signed address or a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.utils import InputError, Message

REFUSALS = {
    "offline": Message(
        "{wanted.name} must come from {wanted.host}, which can't be reached from this machine: check the "
        "network and try `{wanted.command}` again, or give it with {wanted.option}."
    ),
    "cut": Message(
        "{wanted.name} must come whole, and {wanted.host} breaks off after {so_far} MB: `{wanted.command}` goes on "
        "from there, later or with another network; or give it with {wanted.option}."
    ),
    "silent": Message(
        "{wanted.host} must answer within {seconds:.0f} s, and sent nothing of {wanted.name}: "
        "`{wanted.command}` goes on later; or give it with {wanted.option}."
    ),
    "busy": Message(
        "{wanted.host} must not be asked so often (429) and wants a pause of {minutes} minutes before it gives "
        "{wanted.name}: `{wanted.command}` goes on afterwards."
    ),
    "broken": Message(
        "{wanted.host} must give {wanted.name}, and has a fault of its own ({status}): `{wanted.command}` goes "
        "on later; or give it with {wanted.option}."
    ),
    "gone": Message(
        "{wanted.host} must have {wanted.name}, and has it no more under its address (404): look at "
        "{wanted.page}, or give it with {wanted.option}."
    ),
    "refused": Message(
        "{wanted.host} must be willing to give {wanted.name}, and says no ({status}): open {wanted.page} in a "
        "browser and accept its terms there, then try `{wanted.command}` again, or give it with {wanted.option}."
    ),
    "unknown": Message(
        "{wanted.host} must know by a token who asks for {wanted.name} ({status}), and none was found: make one "
        "at {account}, write it into ~/.kaggle/access_token, and try `{wanted.command}` again, or give it with "
        "{wanted.option}."
    ),
    "rejected": Message(
        "{wanted.host} must know by a token who asks for {wanted.name} ({status}), and the one in {places} was not "
        "accepted: make one at {account}, write it into ~/.kaggle/access_token, and try `{wanted.command}` again, or "
        "give it with {wanted.option}."
    ),
    "unusable": Message(
        "{wanted.host} must know by a token who asks for {wanted.name} ({status}), and {place} {reason}: save "
        "it again as plain text, or make one at {account} and write it into ~/.kaggle/access_token; then try "
        "`{wanted.command}` again."
    ),
    "unwilling": Message(
        "the kaggle package must fetch {wanted.name}, and this version of it can't: `pip install -U kaggle`, "
        "or give it with {wanted.option}."
    ),
    "damaged": Message(
        "{wanted.name} must have the hash that {wanted.host} gives ({digest}), and what came has another and "
        "was removed: try `{wanted.command}` again, or give it with {wanted.option}."
    ),
    "changed": Message(
        "{wanted.name} must have the hash that it had on {date} ({digest}...), and what came has another and "
        "was removed: if you trust the new one, remove {path}, and try `{wanted.command}` again."
    ),
}


@dataclass(frozen=True)
class Wanted:
    """What is downloaded, in the words of a refusal.

    Attributes
    ----------
    name : `gtzan`, `train_filtered.txt`
    host : Kaggle, Zenodo, GitHub
    page : where the user can look it up
    option : how to give it by hand: `--from`, `--lists`
    command : what to type again
    """

    name: str
    host: str
    page: str
    option: str
    command: str


class Refused(Exception):
    """The server will not give it to whoever asks: HTTP 401, 403, 404 or 410."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def refuse(kind: str, wanted: Wanted, **values: Any) -> InputError:
    """Make the refusal of a kind, one of `REFUSALS`."""
    return InputError(REFUSALS[kind], wanted=wanted, **values)


def refuse_status(wanted: Wanted, status: int) -> InputError:
    """Make the refusal for an HTTP status by which the server says no."""
    return refuse("gone" if status in (404, 410) else "refused", wanted, status=status)
