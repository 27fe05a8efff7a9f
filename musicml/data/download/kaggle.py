"""Download archives from Kaggle by its own client: without a login where Kaggle allows that, else with the user's own.

Kaggle publishes no hash. Its storage sends an MD5 with most archives (`x-goog-hash`). The archive is compared with
that, and with what an earlier download of the same version wrote down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from musicml.data.download.kaggle_credentials import NOBODY, Login, find_faults, find_logins, hide_logins
from musicml.data.download.messages import Refused, Wanted, refuse, refuse_status
from musicml.data.download.sources import Source
from musicml.data.download.transfer import PatientAdapter, download_file, get_md5, prepare_session
from musicml.data.download.verify import Archive, CheckRoom, Say

ACCOUNT = "https://www.kaggle.com/settings"  # where a user makes a token
PATIENCE = 15.0  # seconds to wait for an answer that can be done without


class Unwilling(Exception):
    """The client itself, and not the server, does something else than it is asked to."""


def download_archive(origin: Source, to: Path, wanted: Wanted, check_room: CheckRoom, say: Say) -> Archive:
    """Download the archive of `origin` to `to`; for the parameters see `download_file`.

    Raises
    ------
    InputError
        If it can't be had, with or without the user's login.
    """
    try:
        return _download_as(NOBODY, origin, to, wanted, check_room, say)
    except Unwilling:
        raise refuse("unwilling", wanted) from None
    except Refused as refusal:
        status = refusal.status  # in the end, what the last one who asked was told
    logins = find_logins()  # not before: no token is shown to a server that does not want one
    for login in logins:
        try:
            return _download_as(login, origin, to, wanted, check_room, say)
        except Refused as refusal:
            status = refusal.status
            if login.token and status == 401 and login is not logins[-1]:
                say(f"Kaggle does not accept the token in {login.place}: make another at {ACCOUNT}, or remove it")
        except Unwilling:  # such as for a token that can't be sent
            continue
    if status not in (401, 403) or status == 403 and logins:
        raise refuse_status(wanted, status)
    if logins:
        places = ", ".join(dict.fromkeys(login.place for login in logins))
        raise refuse("rejected", wanted, status=status, account=ACCOUNT, places=places)
    for place, reason in find_faults():
        raise refuse("unusable", wanted, status=status, account=ACCOUNT, place=place, reason=reason)
    raise refuse("unknown", wanted, status=status, account=ACCOUNT)


def _download_as(login: Login, origin: Source, to: Path, wanted: Wanted, check_room: CheckRoom, say: Say) -> Archive:
    """Download the archive as one who may have it or not."""
    newest, licence = _look_up(login, origin)
    version = origin.version or newest
    asked = replace(origin, version=version)
    headers = download_file(lambda start, mark: _ask(login, asked, start, mark), to, wanted, check_room, say)
    if version is None:
        say(f"Kaggle did not tell the version of {wanted.name}: it is the newest of today")
    return Archive(to, version, licence, get_md5(headers))


def _ask(login: Login, origin: Source, start: int, mark: str) -> requests.Response:
    """Ask for the archive. Kaggle sends the client on to the storage, with the address signed anew each time."""

    def download(kaggle: Any) -> requests.Response:
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = origin.ref.split("/")
        request.dataset_version_number = int(origin.version) if origin.version else None
        return kaggle.datasets.dataset_api_client.download_dataset(request)

    return _call(login, download, PatientAdapter(start, mark))


def _look_up(login: Login, origin: Source) -> tuple[str | None, str]:
    """Look up the newest version's number and the licence, which Kaggle need not tell for a download."""

    def look_up(kaggle: Any) -> tuple[str | None, str]:
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = origin.ref.split("/")
        found = kaggle.datasets.dataset_api_client.get_dataset(request)
        return str(found.current_version_number or "") or None, found.license_name or ""

    try:
        return _call(login, look_up, PatientAdapter(seconds=PATIENCE))
    except (Unwilling, requests.RequestException):
        return None, ""


def _call(login: Login, do: Callable[[Any], Any], adapter: PatientAdapter) -> Any:
    """Return what `do` gets from Kaggle's client, to which nothing of the machine's is known but this login.

    A client that keeps its session elsewhere gets no `adapter`: it waits for ever, and resumes nothing.

    Raises
    ------
    requests.RequestException
        If the server can't be reached or says no.
    Unwilling
        If the client does anything else than answer: it ends the process, or its calls have other names by now.
    """
    try:
        with hide_logins():
            # its import reads settings, prints, and may ask the network: not before there is nothing to find
            from kaggle.api.kaggle_api_extended import KaggleApi

            with KaggleApi.build_kaggle_client_with_params([], login.user, login.key, login.token) as kaggle:
                if session := getattr(kaggle.http_client(), "_session", None):
                    prepare_session(session, adapter)
                return do(kaggle)
    except requests.exceptions.InvalidHeader:  # whose words hold the token
        pass
    except requests.RequestException:
        raise
    except (Exception, SystemExit):
        pass
    raise Unwilling  # outside of except: no library's words come along
