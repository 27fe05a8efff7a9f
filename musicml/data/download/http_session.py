"""How a server is asked for a file: with a limit of time, and for what lies behind the bytes that are here already."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

CONNECT, READ = 15.0, 60.0  # seconds to wait for a connection, and for the next bytes

# from the first byte that is lacking, and what the others were the beginning of → what the server sends
Ask = Callable[[int, str], requests.Response]


class Patient(HTTPAdapter):
    """Waits only so long for a server, and asks a file for what lies behind its first bytes.

    Parameters
    ----------
    start : bytes that are here already
    mark : what they are of: an ETag, or when the file was changed
    seconds : to wait for the next bytes; READ where it is None
    """

    def __init__(self, start: int = 0, mark: str = "", seconds: float | None = None) -> None:
        super().__init__()
        self.limits = (CONNECT, READ if seconds is None else seconds)
        # an answer that is packed for the way would count other bytes
        self.more = {"Accept-Encoding": "identity"}
        if start:
            self.more |= {"Range": f"bytes={start}-"} | ({"If-Range": mark} if mark else {})

    def add_headers(self, request: requests.PreparedRequest, **settings: object) -> None:
        """Called by requests before it sends; a POST only asks the way to the file."""
        if request.method == "GET":
            request.headers.update(self.more)

    def send(self, request: requests.PreparedRequest, *rest: Any, **settings: Any) -> requests.Response:
        """As requests does, but never without a limit of time."""
        settings["timeout"] = settings.get("timeout") or self.limits
        return super().send(request, *rest, **settings)


class Nameless(requests.Session):
    """Shows no server a login: requests would look for one in ~/.netrc, at first and where it is sent on."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called by requests where a server sends it on."""
        prepared_request.headers.pop("Authorization", None)


def asking(url: str) -> Ask:
    """Ask for the file at `url`."""

    def ask(start: int, mark: str) -> requests.Response:
        session = Nameless()
        for scheme in ("https://", "http://"):
            session.mount(scheme, Patient(start, mark))
        answer = session.get(url, stream=True)
        answer.raise_for_status()
        return answer

    return ask


def md5_of(headers: Mapping[str, str]) -> str | None:
    """The MD5 that Google's storage sends with a file, in hex.

    >>> md5_of({"x-goog-hash": "crc32c=AAAAAA==, md5=1B2M2Y8AsgTpgAmY7PhCfg=="})
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    told = next((value for name, value in headers.items() if name.lower() == "x-goog-hash"), "")
    found = re.search(r"md5=([A-Za-z0-9+/]+=*)", told)
    try:
        return base64.b64decode(found[1]).hex() if found else None
    except binascii.Error:
        return None
