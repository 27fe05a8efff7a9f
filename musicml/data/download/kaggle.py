"""Download archives from Kaggle with its own client: without a login if possible, otherwise with the user's.

Kaggle publishes no hash, but its storage sends an MD5 with most archives (`x-goog-hash`). The archive is compared with
it, and with the hash of an earlier download of the same version.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import requests

from musicml.data.download.kaggle_credentials import ANONYMOUS, Login, find_faults, find_logins, hide_logins
from musicml.data.download.messages import DownloadRequest, HttpRefused, make_error, make_status_error
from musicml.data.download.sources import Source
from musicml.data.download.transfer import TimeoutAdapter, download_file, get_md5, mount_adapter
from musicml.data.download.verify import Archive, CheckRoom

logger = logging.getLogger(__name__)

ACCOUNT_URL = "https://www.kaggle.com/settings"  # where users create tokens
METADATA_TIMEOUT = 15.0  # seconds to wait for a response that is optional


class ClientUnavailable(Exception):
    """Raised when Kaggle's client itself, and not the server, fails or behaves unexpectedly."""


def download_archive(origin: Source, to: Path, request: DownloadRequest, check_room: CheckRoom) -> Archive:
    """Download the archive of `origin` to `to`; parameters as `download_file`.

    Raises
    ------
    InputError
        If the archive can't be downloaded, with or without the user's login.
    """
    try:
        return _download_as(ANONYMOUS, origin, to, request, check_room)
    except ClientUnavailable:
        raise make_error("unsupported", request) from None
    except HttpRefused as refusal:
        status = refusal.status  # finally that of the last attempt
    logins = find_logins()  # only now: a token is never sent unless the server requires one
    for login in logins:
        try:
            return _download_as(login, origin, to, request, check_room)
        except HttpRefused as refusal:
            status = refusal.status
            if login.token and status == 401 and login is not logins[-1]:
                logger.warning(
                    "Kaggle does not accept the token in %s: make another at %s, or remove it", login.place, ACCOUNT_URL
                )
        except ClientUnavailable:  # for example, a token with characters that no header can hold
            continue
    if status not in (401, 403) or status == 403 and logins:
        raise make_status_error(request, status)
    if logins:
        places = ", ".join(dict.fromkeys(login.place for login in logins))
        raise make_error("rejected", request, status=status, account=ACCOUNT_URL, places=places)
    for place, reason in find_faults():
        raise make_error("unusable", request, status=status, account=ACCOUNT_URL, place=place, reason=reason)
    raise make_error("unknown", request, status=status, account=ACCOUNT_URL)


def _download_as(login: Login, origin: Source, to: Path, request: DownloadRequest, check_room: CheckRoom) -> Archive:
    """Download the archive with one login."""
    version, licence = origin.version, ""
    with contextlib.suppress(ClientUnavailable, requests.RequestException):  # metadata is optional
        metadata = _call(login, origin, TimeoutAdapter(seconds=METADATA_TIMEOUT))
        version = version or str(getattr(metadata, "current_version_number", None) or "") or None
        licence = getattr(metadata, "license_name", None) or ""

    def ask(start: int, mark: str) -> requests.Response:
        """Send a request for the archive; Kaggle redirects to its storage, with a newly signed address each time."""
        return _call(login, origin, TimeoutAdapter(start, mark), version or "newest")

    headers = download_file(ask, to, request, check_room)
    if version is None:
        logger.info("Kaggle did not state the version of %s: assuming the newest", request.name)
    return Archive(to, version, licence, get_md5(headers))


def _call(login: Login, origin: Source, adapter: TimeoutAdapter, version: str = "") -> Any:
    """Call Kaggle's client for a dataset's metadata, or for the archive of a version, with no credentials but `login`.

    If a client keeps its session elsewhere, `adapter` is not used: then there is no timeout and no resuming.

    Raises
    ------
    requests.RequestException
        If the server can't be reached or denies access.
    ClientUnavailable
        If the client fails in any other way: it exits the process, or its calls were renamed.
    """
    try:
        with hide_logins():
            # importing it reads settings, prints, and may use the network, so import it with the settings hidden
            from kaggle.api.kaggle_api_extended import KaggleApi
            from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest, ApiGetDatasetRequest

            with KaggleApi.build_kaggle_client_with_params([], login.user, login.key, login.token) as kaggle:
                if session := getattr(kaggle.http_client(), "_session", None):
                    mount_adapter(session, adapter)
                call = ApiDownloadDatasetRequest() if version else ApiGetDatasetRequest()
                call.owner_slug, call.dataset_slug = origin.ref.split("/")
                if not version:
                    return kaggle.datasets.dataset_api_client.get_dataset(call)
                call.dataset_version_number = int(version) if version.isdigit() else None
                return kaggle.datasets.dataset_api_client.download_dataset(call)
    except requests.exceptions.InvalidHeader:  # its message contains the token
        pass
    except requests.RequestException:
        raise
    except (Exception, SystemExit):
        pass
    raise ClientUnavailable  # outside of except, so that no library's message is chained to it
