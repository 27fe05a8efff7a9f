"""Download archives from Kaggle by its own client: without a login where Kaggle allows that, else with the user's own.

Kaggle publishes no hash. Its storage sends an MD5 with most archives (`x-goog-hash`). The archive is compared with
that, and with what an earlier download of the same version wrote down.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import requests

from musicml.data.download.kaggle_credentials import NOBODY, Login, find_faults, find_logins, hide_logins
from musicml.data.download.messages import Refused, Wanted, refuse, refuse_status
from musicml.data.download.sources import Source
from musicml.data.download.transfer import PatientAdapter, download_file, get_md5, mount_adapter
from musicml.data.download.verify import Archive, CheckRoom

logger = logging.getLogger(__name__)

ACCOUNT = "https://www.kaggle.com/settings"  # where a user makes a token
PATIENCE = 15.0  # seconds to wait for an answer that can be done without


class Unwilling(Exception):
    """The client itself, and not the server, does something else than it is asked to."""


def download_archive(origin: Source, to: Path, wanted: Wanted, check_room: CheckRoom) -> Archive:
    """Download the archive of `origin` to `to`; for the parameters see `download_file`.

    Raises
    ------
    InputError
        If it can't be had, with or without the user's login.
    """
    try:
        return _download_as(NOBODY, origin, to, wanted, check_room)
    except Unwilling:
        raise refuse("unwilling", wanted) from None
    except Refused as refusal:
        status = refusal.status  # in the end, what the last one who asked was told
    logins = find_logins()  # not before: no token is shown to a server that does not want one
    for login in logins:
        try:
            return _download_as(login, origin, to, wanted, check_room)
        except Refused as refusal:
            status = refusal.status
            if login.token and status == 401 and login is not logins[-1]:
                logger.warning(
                    "Kaggle does not accept the token in %s: make another at %s, or remove it", login.place, ACCOUNT
                )
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


def _download_as(login: Login, origin: Source, to: Path, wanted: Wanted, check_room: CheckRoom) -> Archive:
    """Download the archive as one who may have it or not."""
    version, licence = origin.version, ""
    with contextlib.suppress(Unwilling, requests.RequestException):  # what Kaggle need not tell for a download
        found = _call(login, origin, PatientAdapter(seconds=PATIENCE))
        version = version or str(getattr(found, "current_version_number", None) or "") or None
        licence = getattr(found, "license_name", None) or ""

    def ask(start: int, mark: str) -> requests.Response:
        # Kaggle sends the client on to the storage, with the address signed anew each time
        return _call(login, origin, PatientAdapter(start, mark), version or "newest")

    headers = download_file(ask, to, wanted, check_room)
    if version is None:
        logger.info("Kaggle did not tell the version of %s: it is the newest of today", wanted.name)
    return Archive(to, version, licence, get_md5(headers))


def _call(login: Login, origin: Source, adapter: PatientAdapter, version: str = "") -> Any:
    """Ask Kaggle's client about a data set, or for the archive of a version, with nothing of the machine's but `login`.

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
            from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest, ApiGetDatasetRequest

            with KaggleApi.build_kaggle_client_with_params([], login.user, login.key, login.token) as kaggle:
                if session := getattr(kaggle.http_client(), "_session", None):
                    mount_adapter(session, adapter)
                request = ApiDownloadDatasetRequest() if version else ApiGetDatasetRequest()
                request.owner_slug, request.dataset_slug = origin.ref.split("/")
                if not version:
                    return kaggle.datasets.dataset_api_client.get_dataset(request)
                request.dataset_version_number = int(version) if version.isdigit() else None
                return kaggle.datasets.dataset_api_client.download_dataset(request)
    except requests.exceptions.InvalidHeader:  # whose words hold the token
        pass
    except requests.RequestException:
        raise
    except (Exception, SystemExit):
        pass
    raise Unwilling  # outside of except: no library's words come along
