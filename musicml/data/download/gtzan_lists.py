"""GTZAN's public lists: the tracks without known faults, their splits, and the artists.

No archive contains them. The three filtered lists are by Kereliuk, Sturm and Larsen, the artist index by Sturm. Their
hashes are part of musicml, so a list from any source is checked to be the published one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from musicml.data.download.messages import DownloadRequest, make_error
from musicml.utils import InputError, write_bytes

GITHUB = "https://raw.githubusercontent.com"
SPLITS = "splits"

# file name → path at GitHub
GITHUB_PATHS = {
    "train_filtered.txt": "coreyker/dnn-mgr/HEAD/gtzan/train_filtered.txt",
    "valid_filtered.txt": "coreyker/dnn-mgr/HEAD/gtzan/valid_filtered.txt",
    "test_filtered.txt": "coreyker/dnn-mgr/HEAD/gtzan/test_filtered.txt",
    "GTZANindex_sturm.txt": "seungheondoh/gtzan-bind/HEAD/dataset/metadata/sturm2013faults/GTZANindex.txt",
}
SHA256 = {
    "train_filtered.txt": "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa",
    "valid_filtered.txt": "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956",
    "test_filtered.txt": "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72",
    "GTZANindex_sturm.txt": "7bc7140f082cccd72046ec7c6e9b9c211a7491f6e7ede38fddafc63058559833",
}


def list_missing(root: Path) -> list[str]:
    """List the lists that are not in `root/splits`, where `root` is GTZAN's folder."""
    return [name for name in GITHUB_PATHS if not (Path(root) / SPLITS / name).is_file()]


def download_lists(root: Path, archives: Path) -> None:
    """Download the missing lists into `root/splits`, by way of `archives`; existing ones are kept.

    Raises
    ------
    InputError
        If a list can't be downloaded or is not the published one. Lists downloaded before it are kept.
    """
    from musicml.data.download.transfer import download_url

    for name in list_missing(root):
        # the repository, for the error message
        page = f"https://github.com/{'/'.join(GITHUB_PATHS[name].split('/')[:2])}"
        request = DownloadRequest(name, "GitHub", page, "--lists", " ".join(("musicml", "fetch", "gtzan")))
        download_url(f"{GITHUB}/{GITHUB_PATHS[name]}", archives / name, request)
        content = (archives / name).read_bytes()
        (archives / name).unlink()
        if not is_published(name, content):  # HEAD may change, the hash may not
            raise make_error("damaged", request, digest=f"sha256:{SHA256[name]}")
        write_lists({name: content}, root)


def write_lists(contents: dict[str, bytes], root: Path) -> None:
    """Write lists into `root/splits`, replacing existing ones."""
    for name, content in contents.items():
        write_bytes(root / SPLITS / name, content)


def read_lists(folder: Path) -> dict[str, bytes]:
    """Read the lists in a user's `folder`: name → content.

    Raises
    ------
    InputError
        If a list is missing or is not the published one.
    """
    contents = {}
    for name, place in GITHUB_PATHS.items():
        # the index has another name at GitHub
        path = next((folder / known for known in (name, Path(place).name) if (folder / known).is_file()), None)
        if path is None:
            raise InputError(
                "Expected GTZAN's list {name} in {folder}, but it is missing. Omit --lists to download all of them.",
                folder=folder,
                name=name,
            )
        contents[name] = path.read_bytes()
        if not is_published(name, contents[name]):
            raise InputError(
                "{path} is not GTZAN's published list (SHA-256 {sha256}...). Omit --lists to download it.",
                path=path,
                sha256=SHA256[name][:8],
            )
    return contents


def check_lists(root: Path, origin: Path) -> None:
    """Reject lists in `root/splits` that are not the published ones; `origin` is the source for messages."""
    for name in GITHUB_PATHS:
        path = Path(root) / SPLITS / name
        if path.is_file() and not is_published(name, path.read_bytes()):
            raise InputError(
                "The list {name} in {origin} is not GTZAN's published one (SHA-256 {sha256}...). Remove it to have "
                "it downloaded, or give the published lists with --lists.",
                origin=origin,
                name=name,
                sha256=SHA256[name][:8],
            )


def is_published(name: str, content: bytes) -> bool:
    """Return whether the content of a list has the published hash."""
    return hashlib.sha256(content).hexdigest() == SHA256[name]
