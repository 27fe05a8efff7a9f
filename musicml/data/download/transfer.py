"""Download a file over an unreliable network: keep what has arrived, and request the rest.

Each request uses HTTP Range and If-Range, so a file that changed on the server is downloaded anew. `X.part.json`, next
to `X.part`, holds the version that the bytes belong to. A part without it is discarded.

pooch restarts an interrupted download from the beginning. urllib3's retries end when a body begins, and wait as long as
a server requests. So the loop over the parts is implemented here.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from musicml.data.download.messages import DownloadRequest, HttpRefused, make_error, make_status_error
from musicml.data.download.verify import CheckRoom, read_note
from musicml.utils import ByteProgress, format_megabytes, write_json

logger = logging.getLogger(__name__)

MAX_TRIES = 6  # in a row without any new bytes
MAX_SERVER_ERRORS = 4  # of these tries, with a server error or too many requests
MAX_TIMEOUTS = 2  # of these tries, that timed out
FIRST_PAUSE, MAX_PAUSE = 1.0, 30.0  # seconds before the next try, doubled each time
MAX_REQUESTED_PAUSE = 120.0  # seconds that a server may request
MIN_LOGGED_PAUSE = 20.0  # seconds; the user is informed of a longer pause
CONNECT_TIMEOUT, READ_TIMEOUT = 15.0, 60.0  # seconds for the connection, and for the next bytes
CHUNK_SIZE = 1 << 14  # bytes; one that is interrupted is lost
# 15 digits are a petabyte; int() would also accept digits of other scripts
RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)")
LENGTH = re.compile(r"[0-9]{1,15}")

NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
)
TIMEOUTS = (urllib3.exceptions.TimeoutError, TimeoutError)

# number of bytes already here, and the version that they belong to → response of the server
Ask = Callable[[int, str], requests.Response]


class TimeoutAdapter(HTTPAdapter):
    """An HTTP adapter with a timeout, which requests the rest of the file `mark` after its first `start` bytes.

    With `is_anonymous` no server receives a login, which requests would read from ~/.netrc, even after a redirect.
    """

    def __init__(
        self, start: int = 0, mark: str = "", seconds: float | None = None, is_anonymous: bool = False
    ) -> None:
        super().__init__()
        self.limits, self.is_anonymous = (CONNECT_TIMEOUT, READ_TIMEOUT if seconds is None else seconds), is_anonymous
        self.headers = {"Accept-Encoding": "identity"}  # ranges of a compressed response would count other bytes
        if start:
            self.headers |= {"Range": f"bytes={start}-", "If-Range": mark}

    def send(self, request: requests.PreparedRequest, *rest: Any, **settings: Any) -> requests.Response:
        """Send a request with a timeout; a POST only asks for the address of the file, so it gets no range."""
        if request.method == "GET":
            request.headers.update(self.headers)
        if self.is_anonymous:
            request.headers.pop("Authorization", None)
        settings["timeout"] = settings.get("timeout") or self.limits
        return super().send(request, *rest, **settings)


def mount_adapter(session: requests.Session, adapter: TimeoutAdapter) -> None:
    """Use an adapter for all requests of a session."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


def get_md5(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 in the headers of Google's storage, in hex.

    >>> get_md5({"x-goog-hash": "crc32c=AAAAAA==, md5=1B2M2Y8AsgTpgAmY7PhCfg=="})
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    header = next((value for name, value in headers.items() if name.lower() == "x-goog-hash"), "")
    match = re.search(r"md5=([A-Za-z0-9+/]{22}==)", header)
    return base64.b64decode(match[1]).hex() if match else None


def download_url(url: str, to: Path, request: DownloadRequest, check_room: CheckRoom = lambda rest, size: None) -> None:
    """Download the file at `url`; parameters as `download_file`, and a denied access is an InputError too."""

    def ask(start: int, mark: str) -> requests.Response:
        """Send a request without credentials."""
        session = requests.Session()
        mount_adapter(session, TimeoutAdapter(start, mark, is_anonymous=True))
        response = session.get(url, stream=True)
        response.raise_for_status()
        return response

    try:
        download_file(ask, to, request, check_room)
    except HttpRefused as refusal:
        raise make_status_error(request, refusal.status) from None


def download_file(ask: Ask, to: Path, request: DownloadRequest, check_room: CheckRoom) -> dict[str, str]:
    """Download a file to `to`, in several parts if the connection breaks, and continue an earlier download.

    Parameters
    ----------
    ask : sends a request for the file
    to : path of the complete file
    request : describes the file in error messages
    check_room : called with the bytes still missing and the total; raises if the disk has no room for them

    Returns
    -------
    headers : of the last response; empty if the file was already complete

    Raises
    ------
    HttpRefused
        If the server denies access.
    InputError, OSError
        If the download or the disk fails. What has arrived is kept.
    """
    part, headers = to.with_name(f"{to.name}.part"), {}
    to.parent.mkdir(parents=True, exist_ok=True)
    _, n_bytes, size = _read_part(part)
    max_bytes, n_failed, has_progress = n_bytes, 0, False
    with ByteProgress(request.name) as progress:
        while size is None or n_bytes != size:
            failure: Exception | None = None
            try:
                headers = _receive(ask, part, check_room, progress)
                break
            except NETWORK_ERRORS as error:
                failure = error
            # outside of except, so that no library's message is chained to the error
            _, n_bytes, size = _read_part(part)
            n_failed, has_progress = 0 if n_bytes > max_bytes else n_failed + 1, has_progress or n_bytes > max_bytes
            max_bytes = max(max_bytes, n_bytes)
            so_far = " of ".join(format_megabytes(number) for number in (n_bytes, size) if number is not None)
            pause = _choose_pause(failure, n_failed, has_progress, so_far, request)
            if pause >= MIN_LOGGED_PAUSE:
                logger.info("%s requests a pause of %.0f s", request.host, pause)
            time.sleep(pause)
    part.replace(to)
    _locate_note(part).unlink(missing_ok=True)
    return headers


def _locate_note(part: Path) -> Path:
    """Return the path of the note on the version that a part belongs to."""
    return part.with_name(f"{part.name}.json")


def _read_part(part: Path) -> tuple[str, int, int | None]:
    """Read a part's note: the server's identifier of this version, the bytes here, and the total."""
    note = read_note(_locate_note(part))
    mark, size = note.get("mark"), note.get("size")
    if not isinstance(mark, str) or not mark or not part.is_file():
        return "", 0, None
    return mark, part.stat().st_size, size if isinstance(size, int) else None


def _receive(ask: Ask, part: Path, check_room: CheckRoom, progress: ByteProgress) -> dict[str, str]:
    """Send one request and write what arrives; raise an error of requests if the file is still incomplete."""
    mark, n_bytes, known_size = _read_part(part)
    try:
        response = ask(n_bytes, mark)
    except requests.RequestException as error:
        if _get_status(error) == 416:  # the part is longer than the file on the server
            part.unlink(missing_ok=True)
        raise
    with contextlib.closing(response):
        start, size = _read_place(response)
        if not start or start != n_bytes or known_size not in (None, size):
            part.unlink(missing_ok=True)  # before its note is written: the process may be killed in between
            if start:
                raise requests.ConnectionError  # not the requested range
        if size is not None:
            check_room(size - start, size)
        tag = response.headers.get("ETag", "")
        # a weak tag does not guarantee identical bytes
        mark = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        write_json(_locate_note(part), {"mark": mark, "size": size})
        progress.begin(size, start)
        with open(part, "ab") as out:
            for chunk in response.iter_content(CHUNK_SIZE):
                out.write(chunk)
                progress.add(len(chunk))
    if size is not None and part.stat().st_size != size:
        raise requests.ConnectionError
    return dict(response.headers)


def _read_place(response: requests.Response) -> tuple[int, int | None]:
    """Read the first byte of a response, and the size of the whole file if the server states it."""
    if response.status_code == 206:
        match = RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match:
            raise requests.ConnectionError  # the position of this range is unknown
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if LENGTH.fullmatch(length) else None


def _get_status(error: Exception) -> int:
    """Return the HTTP status of an error; 0 if there was no response."""
    return getattr(getattr(error, "response", None), "status_code", 0)


def _choose_pause(error: Exception, n_failed: int, has_progress: bool, so_far: str, request: DownloadRequest) -> float:
    """Choose the pause in seconds before the next try, or raise the error that ends the download.

    `n_failed` tries in a row brought no new bytes; `has_progress` is whether any bytes arrived before.
    """
    status, inner = _get_status(error), error.args[0] if error.args else None
    causes = (error, inner, getattr(inner, "reason", None))  # requests wraps urllib3's errors
    pause = min(FIRST_PAUSE * 2 ** min(n_failed, 9), MAX_PAUSE)
    if status in (401, 403, 404, 410):
        raise HttpRefused(status)
    if status == 429:
        requested = parse_retry_after(error.response.headers.get("Retry-After", ""))  # type: ignore[attr-defined]
        if n_failed >= MAX_SERVER_ERRORS or (requested or 0) > MAX_REQUESTED_PAUSE:
            raise make_error("busy", request, minutes=max(2, math.ceil(requested / 60)) if requested else "some")
        return pause if requested is None else requested
    if status >= 500:
        if n_failed >= MAX_SERVER_ERRORS:
            raise make_error("broken", request, status=status)
    elif status >= 400 and status != 416:
        raise make_status_error(request, status)
    elif not has_progress and any(isinstance(cause, UNREACHABLE) for cause in causes):
        raise make_error("offline", request)
    elif n_failed >= MAX_TIMEOUTS and any(isinstance(cause, TIMEOUTS) for cause in causes):
        raise make_error("silent", request, seconds=READ_TIMEOUT)
    elif n_failed >= MAX_TRIES:
        raise make_error("cut", request, so_far=so_far)
    return pause


def parse_retry_after(requested: str) -> float | None:
    """Parse a Retry-After header, seconds or a date, into seconds; None if it is neither.

    >>> parse_retry_after("30")
    30.0
    """
    try:
        return float(urllib3.Retry().parse_retry_after(requested))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
