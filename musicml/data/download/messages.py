"""Error messages of failed downloads.

They never quote a server or a library, whose text may contain a signed address or a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.utils import InputError, Message

ERRORS = {
    "offline": Message(
        "Cannot reach {request.host} to download {request.name}. Check the network and run `{request.command}` "
        "again, or use {request.option} with a local copy."
    ),
    "cut": Message(
        "The download of {request.name} from {request.host} stopped after {so_far} MB. Run `{request.command}` to "
        "continue it later or on another network, or use {request.option} with a local copy."
    ),
    "silent": Message(
        "{request.host} sent nothing of {request.name} within {seconds:.0f} s. Run `{request.command}` later to "
        "continue, or use {request.option} with a local copy."
    ),
    "busy": Message(
        "{request.host} limits the number of requests (HTTP 429) and allows the next one for {request.name} in "
        "{minutes} minutes. Run `{request.command}` then to continue."
    ),
    "broken": Message(
        "{request.host} has a server error (HTTP {status}) and cannot send {request.name}. Run `{request.command}` "
        "later to continue, or use {request.option} with a local copy."
    ),
    "gone": Message(
        "{request.name} is no longer available at {request.host} (HTTP 404). See {request.page}, or use "
        "{request.option} with a local copy."
    ),
    "refused": Message(
        "{request.host} denied access to {request.name} (HTTP {status}). Open {request.page} in a browser and "
        "accept its terms, then run `{request.command}` again, or use {request.option} with a local copy."
    ),
    "unknown": Message(
        "{request.host} requires a token for {request.name} (HTTP {status}), but none was found. Create one at "
        "{account}, save it in ~/.kaggle/access_token and run `{request.command}` again, or use {request.option} "
        "with a local copy."
    ),
    "rejected": Message(
        "{request.host} requires a token for {request.name} (HTTP {status}), but did not accept the one in "
        "{places}. Create one at {account}, save it in ~/.kaggle/access_token and run `{request.command}` again, "
        "or use {request.option} with a local copy."
    ),
    "unusable": Message(
        "{request.host} requires a token for {request.name} (HTTP {status}), but {place} {reason}. Save it again "
        "as plain text, or create a token at {account} and save it in ~/.kaggle/access_token. Then run "
        "`{request.command}` again."
    ),
    "unsupported": Message(
        "This version of the kaggle package cannot download {request.name}. Run `pip install -U kaggle`, or use "
        "{request.option} with a local copy."
    ),
    "damaged": Message(
        "The download of {request.name} does not have the hash that {request.host} states ({digest}), and was "
        "removed. Run `{request.command}` again, or use {request.option} with a local copy."
    ),
    "changed": Message(
        "The download of {request.name} does not have the same hash as on {date} ({digest}...), and was removed. "
        "If you trust the new version, remove {path} and run `{request.command}` again."
    ),
}


@dataclass(frozen=True)
class DownloadRequest:
    """A download, as error messages describe it.

    Attributes
    ----------
    name : `gtzan`, `train_filtered.txt`
    host : Kaggle, Zenodo, GitHub
    page : its web page
    option : the option that takes a local copy instead: `--from`, `--lists`
    command : the command to run again
    """

    name: str
    host: str
    page: str
    option: str
    command: str


class HttpRefused(Exception):
    """Raised when the server denies access: HTTP 401, 403, 404 or 410."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def make_error(kind: str, request: DownloadRequest, **values: Any) -> InputError:
    """Make the error of a kind, one of `ERRORS`."""
    return InputError(ERRORS[kind], request=request, **values)


def make_status_error(request: DownloadRequest, status: int) -> InputError:
    """Make the error for an HTTP status that denies access."""
    return make_error("gone" if status in (404, 410) else "refused", request, status=status)
