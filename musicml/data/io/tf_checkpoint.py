"""Read a TensorFlow 1 checkpoint with numpy alone, so that its weights need no TensorFlow.

A checkpoint consists of two files. The `.data` file holds the tensors one after the other, as raw little-endian
numbers. The `.index` file holds the position of each one. It is a table in LevelDB's format with protocol buffers.

Sources: LevelDB's `doc/table_format.md` and TensorFlow's `tensor_bundle.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from musicml.utils import InputError, Message

MAGIC = 0xDB4775248B80FB57  # the last eight bytes of every such table
FOOTER_SIZE = 48
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # TensorFlow's enum values


def read_tf_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Read all tensors of a checkpoint.

    Parameters
    ----------
    index : the content of the file that ends in `.index`
    data : the content of the file that ends in `.data-00000-of-00001`

    Returns
    -------
    dict of str → np.ndarray: the variables by name, including those of the optimizer

    Raises
    ------
    InputError
        If the files are damaged, or contain numbers of another type than in `DTYPES`.
    """
    try:
        return {key.decode(): _read_tensor(entry, data) for key, entry in _read_table(index) if key}
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        raise InputError(
            "Expected a TensorFlow checkpoint, a pair of .index and .data files, but could not read it ({error}). "
            "Get the files again.",
            error=repr(error),
        ) from error


def _read_table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a LevelDB table; its index block lists the blocks that hold them."""
    footer = table[-FOOTER_SIZE:]
    if len(footer) < FOOTER_SIZE or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError(Message("the index does not end as it should"))
    numbers = _read_varints(footer[:-8], 4)  # start and size of the metadata block, then of the index block
    for _, handle in _read_block(table, *numbers[2:]):
        yield from _read_block(table, *_read_varints(handle, 2))


def _read_block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of one block; each key omits the prefix that it shares with the key before it."""
    block = table[start : start + size]
    if len(block) < size or table[start + size] != 0:  # the byte after a block is its compression type
        raise ValueError(Message("a block of the index is cut off or compressed"))
    end = size - 4 * (struct.unpack("<I", block[-4:])[0] + 1)  # offsets for a binary search follow the entries
    place, key = 0, b""
    while place < end:
        (n_shared, n_own, n_value), place = _read_varints_at(block, place, 3)
        key = key[:n_shared] + block[place : place + n_own]
        yield key, block[place + n_own : place + n_own + n_value]
        place += n_own + n_value


def _read_tensor(entry: bytes, data: bytes) -> np.ndarray:
    """Read one tensor; `entry` holds its type, shape and position (`BundleEntryProto`)."""
    fields = dict(_read_message(entry))
    dtype, start, size = np.dtype(DTYPES[fields[1]]), fields.get(4, 0), fields.get(5, 0)
    shape = [dict(_read_message(dim)).get(1, 0) for number, dim in _read_message(fields.get(2, b"")) if number == 2]
    if start + size > len(data):
        raise ValueError(Message("the data file is cut off"))
    return np.frombuffer(data[start : start + size], dtype).reshape(shape)


def _read_message(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protocol buffer as numbers and values."""
    place = 0
    while place < len(message):
        (tag,), place = _read_varints_at(message, place, 1)
        if tag & 7 == 0:  # an integer
            (value,), place = _read_varints_at(message, place, 1)
            yield tag >> 3, value
        else:  # bytes with a length prefix, or the four bytes of a checksum
            (size,), place = ([4], place) if tag & 7 == 5 else _read_varints_at(message, place, 1)
            yield tag >> 3, message[place : place + size]
            place += size


def _read_varints(block: bytes, n: int) -> list[int]:
    """Read the first `n` integers of a block."""
    return _read_varints_at(block, 0, n)[0]


def _read_varints_at(block: bytes, place: int, n: int) -> tuple[list[int], int]:
    """Read `n` integers, seven bits per byte, lowest first; return them and the position after them."""
    numbers = []
    for _ in range(n):
        number, shift = 0, 0
        while True:
            byte = block[place]
            number, shift, place = number | (byte & 127) << shift, shift + 7, place + 1
            if byte < 128:
                break
        numbers.append(number)
    return numbers, place
