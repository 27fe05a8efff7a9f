"""Archives from Kaggle, through its own client: without a login where Kaggle allows that, else with the person's own.

Kaggle publishes no hash. Its storage sends an MD5 with most archives (`x-goog-hash`), and the archive is held against
that, and against what an earlier fetch of the same version wrote down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from musicml.data.download import http_session, kaggle_cli, kaggle_credentials, messages, resumable
from musicml.data.download.http_session import Ask, Patient
from musicml.data.download.kaggle_credentials import NOBODY, Login
from musicml.data.download.messages import Refused, Wanted
from musicml.data.download.retry import status_of
from musicml.data.download.sources import Source

ACCOUNT = "https://www.kaggle.com/settings"  # where a person makes a token
ASIDE = 15.0  # seconds to wait for an answer that can be done without

Room = Callable[[int, int], None]
Say = Callable[[str], None]


class Unwilling(Exception):
    """The client itself, and not the server, will not do what it is asked; `unsendable`: for the token's sake."""

    def __init__(self, unsendable: bool = False) -> None:
        super().__init__()
        self.unsendable = unsendable


@dataclass(frozen=True)
class Told:
    """What the server said of an archive beside its bytes.

    Attributes
    ----------
    version : its number; None where nobody said it
    licence : as Kaggle names it; empty where nobody said it
    md5 : in hex; None where the server sends none
    """

    version: str | None
    licence: str = ""
    md5: str | None = None


def bring(origin: Source, to: Path, wanted: Wanted, room: Room, say: Say) -> Told:
    """Fetch the archive of `origin` to `to`; for the parameters see `resumable.bring`.

    Raises
    ------
    InputError
        If it can't be had, with or without the person's login.
    """
    try:
        return brought_to_nobody(origin, to, wanted, room, say)
    except Refused as refusal:
        no = refusal.status  # in the end, what the last who asked was told
    found = kaggle_credentials.find_logins()  # not before: no token is shown to anybody who does not want one
    spurned = [login for login in found if login.token and known(login) is False]
    logins = [login for login in found if login not in spurned]
    for login in spurned if logins else ():
        say(f"Kaggle does not accept the token in {login.place}: make another at {ACCOUNT}, or remove it")
    for login in logins:
        try:
            return brought(login, origin, to, wanted, room, say)
        except Refused as refusal:
            no = refusal.status
        except Unwilling:
            continue
    places = ", ".join(dict.fromkeys(login.place for login in (*logins, *spurned)))
    faults = kaggle_credentials.find_faults()
    if no in (401, 403) and not places and faults:
        raise messages.unusable(wanted, no, ACCOUNT, *faults[0])
    if no == 401 or no == 403 and not places:
        raise messages.unknown(wanted, no, ACCOUNT, places)
    raise messages.refused(wanted, no)


def brought_to_nobody(origin: Source, to: Path, wanted: Wanted, room: Room, say: Say) -> Told:
    """The archive, without a login: by Kaggle's library, or by its command where the library will not."""
    try:
        return brought(NOBODY, origin, to, wanted, room, say)
    except Unwilling:
        kaggle_cli.bring(origin, to, wanted, say)
    return told(wanted, Told(origin.version), say)


def told(wanted: Wanted, known: Told, say: Say) -> Told:
    """Say so where nobody told the version."""
    if known.version is None:
        say(f"Kaggle did not tell the version of {wanted.name}: it is the newest of today")
    return known


def brought(login: Login, origin: Source, to: Path, wanted: Wanted, room: Room, say: Say) -> Told:
    """The archive, asked for by one who may have it or not."""
    newest, licence = about(login, origin)
    version = origin.version or newest
    headers = resumable.bring(asked_by(login, replace(origin, version=version)), to, wanted, room, say)
    kaggle_cli.clear(to)
    return told(wanted, Told(version, licence, http_session.md5_of(headers)), say)


def asked_by(login: Login, origin: Source) -> Ask:
    """Ask Kaggle's client for the archive; it is sent on to the storage, with the address signed anew each time."""

    def download(kaggle: Any) -> requests.Response:
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = origin.ref.split("/")
        request.dataset_version_number = int(origin.version) if origin.version else None
        return kaggle.datasets.dataset_api_client.download_dataset(request)

    return lambda start, mark: called(login, download, Patient(start, mark))


def about(login: Login, origin: Source) -> tuple[str | None, str]:
    """The newest version's number and the licence, where Kaggle tells them; it need not, for anything to be fetched."""

    def look_up(kaggle: Any) -> tuple[str | None, str]:
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = origin.ref.split("/")
        found = kaggle.datasets.dataset_api_client.get_dataset(request)
        return str(found.current_version_number or "") or None, found.license_name or ""

    try:
        return called(login, look_up, Patient(seconds=ASIDE))
    except (Unwilling, requests.RequestException):
        return None, ""


def known(login: Login) -> bool | None:
    """Whether Kaggle knows a token, of which its client says nothing; None where Kaggle does not say."""

    def look_up(kaggle: Any) -> bool:
        from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

        request = IntrospectTokenRequest()
        request.token = login.token
        return bool(kaggle.security.oauth_client.introspect_token(request).active)

    try:
        return called(login, look_up, Patient(seconds=ASIDE))
    except requests.RequestException as error:
        return False if status_of(error) in (400, 401, 403, 404) else None
    except Unwilling as error:
        return False if error.unsendable else None


def called(login: Login, do: Callable[[Any], Any], adapter: Patient) -> Any:
    """What `do` gets from Kaggle's client, to which nothing of the machine's is known but this login.

    Raises
    ------
    requests.RequestException
        If the server can't be reached or says no.
    Unwilling
        If the client does anything else than answer: it ends the process, or its calls have other names by now.
    """
    trouble: Exception
    try:
        with kaggle_credentials.hide_logins():
            # its import reads settings, prints, and may ask the network: not before there is nothing to find
            from kaggle.api.kaggle_api_extended import KaggleApi

            with KaggleApi.build_kaggle_client_with_params([], login.user, login.key, login.token) as kaggle:
                mount(adapter, kaggle)
                return do(kaggle)
    except requests.exceptions.InvalidHeader:
        trouble = Unwilling(unsendable=True)
    except requests.RequestException:
        raise
    except (Exception, SystemExit) as error:  # the words of a ValueError may hold a token that is no header
        trouble = Unwilling(unsendable=login is not NOBODY and isinstance(error, ValueError))
    raise trouble


def mount(adapter: Patient, kaggle: Any) -> None:
    """Let the client's session ask as `adapter` does, for which the client has no word.

    Where it keeps its session elsewhere, it waits for ever, and every part begins anew.
    """
    session = getattr(kaggle.http_client(), "_session", None)
    if isinstance(session, requests.Session):
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
