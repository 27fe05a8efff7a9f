"""Frozen: what a model's frozen part makes of its inputs, computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicml.utils import InputError, write_atomically


def get_frozen_outputs(
    root: Path,
    facts: dict[str, Any],
    shape: tuple[int, ...],
    make: Callable[[], np.ndarray],
    say: Callable[[str], None] = print,
    dtype: str = "float32",
) -> np.ndarray:
    """An array that `make` computes only where the store does not hold it yet: a frozen backbone's outputs, say.

    Parameters
    ----------
    facts : everything that the array depends on
    shape, dtype : the array's

    Raises
    ------
    InputError
        If the store holds an array of another shape, or the disk is full.
    """
    key = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
    path = Path(root) / f"{key}.npy"
    array = kept(path)
    while array is None:
        say(f"frozen layers: outputs of {shape[0]} inputs, once")
        with write_atomically(path) as temporary:
            np.save(temporary, np.asarray(make(), dtype=dtype))
        array = kept(path)  # None only if the store was cleared in this very moment
    if array.shape != shape:
        raise InputError(
            "{path} must hold an array of {shape} and holds {array_shape}: remove the file and try again.",
            path=path,
            shape=shape,
            array_shape=array.shape,
        )
    return array


def kept(path: Path) -> np.ndarray | None:
    """The array in the file, as a memory map; None where there is no file."""
    try:
        return np.load(path, mmap_mode="r")
    except FileNotFoundError:
        return None
