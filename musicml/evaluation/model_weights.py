"""The weights of a saved model as one digest, whatever else its file holds, such as dates and addresses in memory.

The file may be a stranger's: it is never loaded as a model, and no more of it is read than `most` bytes.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = "model.weights.h5"  # in a .keras archive
SCHEMA = "schema.json"  # in a .skops archive


def compute_weights_digest(path: Path, most: int) -> str | None:
    """Compute a digest of all arrays in a .keras or a .skops file: 32 hex digits.

    Parameters
    ----------
    path : the file
    most : bytes of arrays that may be read

    Returns
    -------
    None where the file is missing, damaged, or holds more than that
    """
    found = hashlib.blake2b(digest_size=16)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                return None
            if path.suffix == ".skops":
                _add_forest(archive, found)
            elif not _add_network(io.BytesIO(archive.read(WEIGHTS)), most, found):
                return None
    except Exception:  # whatever half an archive, or none, makes zipfile, h5py, numpy and json raise
        return None
    return found.hexdigest()


def _add_network(content: io.BytesIO, most: int, found: Any) -> bool:
    """Add the arrays of an HDF5 file, in the order of their names; False where they are too large."""
    import h5py

    names: list[str] = []
    with h5py.File(content, "r") as file:
        file.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None)
        if sum(file[name].nbytes for name in names) > most:
            return False
        for name in sorted(names):
            found.update(name.encode())
            _add_array(file[name][()], found)
    return True


def _add_forest(archive: zipfile.ZipFile, found: Any) -> None:
    """Add what skops wrote: its tree of objects, with arrays by their values in place of their files' names.

    Those names and the objects' numbers are addresses in memory. A number counts only where it refers to an object
    that was written before, as the place of that one.
    """
    places: dict[Any, int] = {}
    order = itertools.count()

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(part) for part in node]
        if not isinstance(node, dict):
            return node
        place = places.setdefault(node.get("__id__"), next(order))
        made = {key: walk(value) for key, value in node.items() if key not in ("file", "_skops_version", "__id__")}
        if node.get("__loader__") == "CachedNode":
            made["refers_to"] = place
        if "file" in node:
            _add_array(np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False), found)
        return made

    found.update(json.dumps(walk(json.loads(archive.read(SCHEMA)))).encode())


def _add_array(array: Any, found: Any) -> None:
    """Add one array; of records each field alone, since what fills the space between them is left to chance."""
    array = np.asarray(array)
    found.update(f"{array.dtype.descr} {array.shape}".encode())
    parts = [array[name] for name in array.dtype.names] if array.dtype.names else [array]
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes())
