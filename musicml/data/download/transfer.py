"""Download a file in as many parts as the network needs: what came is kept, and the rest is asked for.

Each part is asked for with HTTP Range and with If-Range, so a file that has changed on the server begins anew. Beside
`X.part` lies `X.part.json`, which says what its bytes are the beginning of. A part without it begins anew too.

pooch begins a cut download anew and removes what came. urllib3's retries end where a body begins, and wait as long as a
server asks. So the loop over parts is our own.
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

from musicml.data.download.messages import Refused, Wanted, refuse, refuse_status
from musicml.data.download.verify import CheckRoom, read_note
from musicml.utils import ByteProgress, format_megabytes, write_json

logger = logging.getLogger(__name__)

MAX_FRUITLESS = 6  # tries in a row that bring nothing new
MAX_FAULTS = 4  # of them with a fault of the server's own, or because it is asked too often
MAX_SILENCES = 2  # of them in which nothing is heard until the time is up
PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before another try: the first, doubled until the longest
PATIENCE = 120.0  # seconds that a server may ask to wait
LONG = 20.0  # seconds of a pause that a user should be told of
CONNECT, READ = 15.0, 60.0  # seconds to wait for a connection, and for the next bytes
PIECE = 1 << 14  # bytes; one that is cut in its middle is lost
# 15 digits are a petabyte; int() takes other scripts' digits too, and not any number of them
RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)")
LENGTH = re.compile(r"[0-9]{1,15}")

TROUBLES = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
)
TIMEOUTS = (urllib3.exceptions.TimeoutError, TimeoutError)

# the bytes that are here, and what they are the beginning of → what the server sends
Ask = Callable[[int, str], requests.Response]


class PatientAdapter(HTTPAdapter):
    """Wait only `seconds` for a server, and ask for what lies behind the first `start` bytes of what `mark` names.

    With `is_anonymous` no server is shown a login, which requests would find in ~/.netrc, at a redirect too.
    """

    def __init__(
        self, start: int = 0, mark: str = "", seconds: float | None = None, is_anonymous: bool = False
    ) -> None:
        super().__init__()
        self.limits, self.is_anonymous = (CONNECT, READ if seconds is None else seconds), is_anonymous
        self.headers = {"Accept-Encoding": "identity"}  # a compressed answer would count other bytes
        if start:
            self.headers |= {"Range": f"bytes={start}-", "If-Range": mark}

    def send(self, request: requests.PreparedRequest, *rest: Any, **settings: Any) -> requests.Response:
        """Send as requests does, but never without a limit of time; a POST only asks the way to the file."""
        if request.method == "GET":
            request.headers.update(self.headers)
        if self.is_anonymous:
            request.headers.pop("Authorization", None)
        settings["timeout"] = settings.get("timeout") or self.limits
        return super().send(request, *rest, **settings)


def mount_adapter(session: requests.Session, adapter: PatientAdapter) -> None:
    """Let all requests of a session go through an adapter."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


def get_md5(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 that Google's storage sends with a file, in hex.

    >>> get_md5({"x-goog-hash": "crc32c=AAAAAA==, md5=1B2M2Y8AsgTpgAmY7PhCfg=="})
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    sent = next((value for name, value in headers.items() if name.lower() == "x-goog-hash"), "")
    found = re.search(r"md5=([A-Za-z0-9+/]{22}==)", sent)
    return base64.b64decode(found[1]).hex() if found else None


def download_url(url: str, to: Path, wanted: Wanted, check_room: CheckRoom = lambda rest, size: None) -> None:
    """Download the file at `url` as `download_file` does; any refusal is an InputError."""

    def ask(start: int, mark: str) -> requests.Response:
        session = requests.Session()
        mount_adapter(session, PatientAdapter(start, mark, is_anonymous=True))
        answer = session.get(url, stream=True)
        answer.raise_for_status()
        return answer

    try:
        download_file(ask, to, wanted, check_room)
    except Refused as refusal:
        raise refuse_status(wanted, refusal.status) from None


def download_file(ask: Ask, to: Path, wanted: Wanted, check_room: CheckRoom) -> dict[str, str]:
    """Download a file to `to`, in parts where the connection breaks, and go on with what came before.

    Parameters
    ----------
    ask : asks for it
    to : where it shall lie, whole
    wanted : what it is, for a refusal
    check_room : called with the bytes that are still to come, and those of the whole; raises where they have no room

    Returns
    -------
    headers : of the server's last answer; none where all was there already

    Raises
    ------
    Refused
        If the server will not give it to whoever asks.
    InputError, OSError
        If it can't be had, or for trouble of the disk. What came is kept.
    """
    part, headers = to.with_name(f"{to.name}.part"), {}
    to.parent.mkdir(parents=True, exist_ok=True)
    _, n_bytes, size = _read_part(part)
    most, fruitless, came = n_bytes, 0, False
    with ByteProgress(wanted.name) as progress:
        while size is None or n_bytes != size:
            trouble: Exception | None = None
            try:
                headers = _receive(ask, part, check_room, progress)
                break
            except TROUBLES as error:
                trouble = error
            # outside of except: no library's words come along
            _, n_bytes, size = _read_part(part)
            fruitless, came = 0 if n_bytes > most else fruitless + 1, came or n_bytes > most
            most = max(most, n_bytes)
            so_far = " of ".join(format_megabytes(number) for number in (n_bytes, size) if number is not None)
            pause = _choose_pause(trouble, fruitless, came, so_far, wanted)
            if pause >= LONG:
                logger.info("%s wants a pause of %.0f s", wanted.host, pause)
            time.sleep(pause)
    part.replace(to)
    _locate_note(part).unlink(missing_ok=True)
    return headers


def _locate_note(part: Path) -> Path:
    """Return where it is written down what the bytes of a part belong to."""
    return part.with_name(f"{part.name}.json")


def _read_part(part: Path) -> tuple[str, int, int | None]:
    """Read what came: the server's name for this very content, how many bytes there are, and how many in all."""
    note = read_note(_locate_note(part))
    mark, size = note.get("mark"), note.get("size")
    if not isinstance(mark, str) or not mark or not part.is_file():
        return "", 0, None
    return mark, part.stat().st_size, size if isinstance(size, int) else None


def _receive(ask: Ask, part: Path, check_room: CheckRoom, progress: ByteProgress) -> dict[str, str]:
    """Ask once, and write down what comes; raises what requests does if the file is not whole then."""
    mark, n_bytes, known_size = _read_part(part)
    try:
        answer = ask(n_bytes, mark)
    except requests.RequestException as error:
        if get_status(error) == 416:  # what is here is longer than what is there
            part.unlink(missing_ok=True)
        raise
    with contextlib.closing(answer):
        start, size = _read_place(answer)
        if not start or start != n_bytes or known_size not in (None, size):
            part.unlink(missing_ok=True)  # before its note says what it is of: a kill may come in between
            if start:
                raise requests.ConnectionError  # another part than the one that was asked for
        if size is not None:
            check_room(size - start, size)
        tag = answer.headers.get("ETag", "")
        # a weak tag does not promise the same bytes
        mark = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        write_json(_locate_note(part), {"mark": mark, "size": size})
        progress.begin(size, start)
        with open(part, "ab") as out:
            for piece in answer.iter_content(PIECE):
                out.write(piece)
                progress.add(len(piece))
    if size is not None and part.stat().st_size != size:
        raise requests.ConnectionError
    return dict(answer.headers)


def _read_place(answer: requests.Response) -> tuple[int, int | None]:
    """Read which byte an answer begins with, and how many the whole file has, where the server says so."""
    if answer.status_code == 206:
        found = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if not found:
            raise requests.ConnectionError  # nothing says where such a part belongs
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if LENGTH.fullmatch(length) else None


def get_status(trouble: Exception) -> int:
    """Return the HTTP status of a server's answer; 0 where there was none."""
    return getattr(getattr(trouble, "response", None), "status_code", 0)


def _choose_pause(trouble: Exception, fruitless: int, came: bool, so_far: str, wanted: Wanted) -> float:
    """Choose how many seconds to wait before another try, or raise the refusal that ends them.

    `fruitless` tries in a row brought nothing; `came` is whether anything came before.
    """
    status, inner = get_status(trouble), trouble.args[0] if trouble.args else None
    causes = (trouble, inner, getattr(inner, "reason", None))  # requests packs urllib3's errors into its own
    pause = min(PAUSE * 2 ** min(fruitless, 9), LONGEST_PAUSE)
    if status in (401, 403, 404, 410):
        raise Refused(status)
    if status == 429:
        wish = parse_retry_after(trouble.response.headers.get("Retry-After", ""))  # type: ignore[attr-defined]
        if fruitless >= MAX_FAULTS or (wish or 0) > PATIENCE:
            raise refuse("busy", wanted, minutes=max(2, math.ceil(wish / 60)) if wish else "some")
        return pause if wish is None else wish
    if status >= 500:
        if fruitless >= MAX_FAULTS:
            raise refuse("broken", wanted, status=status)
    elif status >= 400 and status != 416:
        raise refuse_status(wanted, status)
    elif not came and any(isinstance(cause, UNREACHABLE) for cause in causes):
        raise refuse("offline", wanted)
    elif fruitless >= MAX_SILENCES and any(isinstance(cause, TIMEOUTS) for cause in causes):
        raise refuse("silent", wanted, seconds=READ)
    elif fruitless >= MAX_FRUITLESS:
        raise refuse("cut", wanted, so_far=so_far)
    return pause


def parse_retry_after(wish: str) -> float | None:
    """Parse a header Retry-After, seconds or a date, into seconds; None where it says neither.

    >>> parse_retry_after("30")
    30.0
    """
    try:
        return float(urllib3.Retry().parse_retry_after(wish))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
