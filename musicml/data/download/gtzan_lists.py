"""GTZAN's public lists: which tracks have no known fault, which part each belongs to, and who plays them.

They come with no archive. The three filtered lists are Kereliuk's, Sturm's and Larsen's; the index of artists is
Sturm's. Their hashes are known here, so wherever they come from, they are the published ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from musicml.data.download.messages import Wanted, refuse
from musicml.utils import InputError, write_bytes

GITHUB = "https://raw.githubusercontent.com"
SPLITS = "splits"

# name here → where it is kept at GitHub
PLACES = {
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
    """List those that are not in `root/splits`, where `root` is GTZAN's folder."""
    return [name for name in PLACES if not (Path(root) / SPLITS / name).is_file()]


def download_lists(root: Path, archives: Path) -> None:
    """Download the lists that are missing into `root/splits`, by way of `archives`; one that is there stays as it is.

    Raises
    ------
    InputError
        If one can't be had, or is not what was published. Those that came before it are kept.
    """
    from musicml.data.download.transfer import download_url

    for name in list_missing(root):
        page = f"https://github.com/{'/'.join(PLACES[name].split('/')[:2])}"
        wanted = Wanted(name, "GitHub", page, "--lists", " ".join(("musicml", "fetch", "gtzan")))
        download_url(f"{GITHUB}/{PLACES[name]}", archives / name, wanted)
        content = (archives / name).read_bytes()
        (archives / name).unlink()
        if not is_published(name, content):
            raise refuse("damaged", wanted, digest=f"sha256:{SHA256[name]}")
        write_lists({name: content}, root)


def write_lists(contents: dict[str, bytes], root: Path) -> None:
    """Write lists into `root/splits`, in place of any that are there."""
    for name, content in contents.items():
        write_bytes(root / SPLITS / name, content)


def read_lists(folder: Path) -> dict[str, bytes]:
    """Read the lists in a user's `folder`: name → content.

    Raises
    ------
    InputError
        If one is not there, or is not what was published.
    """
    contents = {}
    for name, place in PLACES.items():
        # at GitHub the index has another name
        path = next((folder / known for known in (name, Path(place).name) if (folder / known).is_file()), None)
        if path is None:
            raise InputError(
                "{folder} must hold GTZAN's list {name}, and does not: leave out --lists to fetch all of them.",
                folder=folder,
                name=name,
            )
        contents[name] = path.read_bytes()
        if not is_published(name, contents[name]):
            raise InputError(
                "{path} must be GTZAN's list as it was published (SHA-256 {sha256}...), and is not: "
                "leave out --lists to fetch it.",
                path=path,
                sha256=SHA256[name][:8],
            )
    return contents


def check_lists(root: Path, came: Path) -> None:
    """Refuse lists in `root/splits` that are not the published ones; `came` is what brought them."""
    for name in PLACES:
        path = Path(root) / SPLITS / name
        if path.is_file() and not is_published(name, path.read_bytes()):
            raise InputError(
                "{came} must bring GTZAN's list {name} as it was published (SHA-256 {sha256}...), or none, "
                "and brings another: remove it there to have it fetched, or give the published lists with --lists.",
                came=came,
                name=name,
                sha256=SHA256[name][:8],
            )


def is_published(name: str, content: bytes) -> bool:
    """Whether the content of a list has the hash of the published one."""
    return hashlib.sha256(content).hexdigest() == SHA256[name]
