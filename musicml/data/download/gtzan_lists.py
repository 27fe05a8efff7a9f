"""GTZAN's public lists: which tracks have no known fault, on which side, and who plays them.

They come with no archive. The three filtered lists are Kereliuk's, Sturm's and Larsen's; the index of artists is
Sturm's. Their hashes are known here, so whoever gives them, they are the published ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from musicml.data.download.messages import Wanted
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


def missing(root: Path) -> list[str]:
    """The lists that are not in `root/splits`, where `root` is GTZAN's folder."""
    return [name for name in PLACES if not (Path(root) / SPLITS / name).is_file()]


def bring(root: Path, archives: Path, say: Callable[[str], None] = print) -> None:
    """Fetch the lists that are missing into `root/splits`, by way of `archives`; one that is there stays as it is.

    Raises
    ------
    InputError
        If one can't be had, or is not what was published. Those that came before it are kept.
    """
    from musicml.data.download import web

    for name in missing(root):
        page = f"https://github.com/{'/'.join(PLACES[name].split('/')[:2])}"
        wanted = Wanted(name, "GitHub", page, "--lists", " ".join(("musicml", "fetch", "gtzan")))
        web.bring(f"{GITHUB}/{PLACES[name]}", f"sha256:{SHA256[name]}", archives / name, wanted, say=say)
        write_bytes(root / SPLITS / name, (archives / name).read_bytes())
        (archives / name).unlink()


def read(folder: Path) -> dict[str, bytes]:
    """The lists in a person's `folder`: name → content.

    Raises
    ------
    InputError
        If one is not there, or is not what was published.
    """
    return {name: published(name, Path(folder)) for name in PLACES}


def check(root: Path, came: Path) -> None:
    """Refuse lists in `root/splits` that are not the published ones; `came` is what brought them.

    Raises
    ------
    InputError
        If one that is there is another.
    """
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


def write(contents: dict[str, bytes], root: Path) -> None:
    """Write lists into `root/splits`, in place of any that are there."""
    for name, content in contents.items():
        write_bytes(root / SPLITS / name, content)


def published(name: str, folder: Path) -> bytes:
    """The content of one list in a person's folder, if it is the published one."""
    at_github = PLACES[name].rpartition("/")[2]  # where the index has another name
    path = next((folder / known for known in (name, at_github) if (folder / known).is_file()), None)
    if path is None:
        raise InputError(
            "{folder} must hold GTZAN's list {name}, and does not: leave out --lists to fetch all of them.",
            folder=folder,
            name=name,
        )
    content = path.read_bytes()
    if not is_published(name, content):
        raise InputError(
            "{path} must be GTZAN's list as it was published (SHA-256 {sha256}...), and is not: "
            "leave out --lists to fetch it.",
            path=path,
            sha256=SHA256[name][:8],
        )
    return content


def is_published(name: str, content: bytes) -> bool:
    """Whether the content of a list has the hash of the published one."""
    return hashlib.sha256(content).hexdigest() == SHA256[name]
