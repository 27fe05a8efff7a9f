"""Check the tensors, operators and loops of an ONNX file by someone else before ONNX Runtime opens it.

The protobuf bytes are read directly. The package onnx is not always installed, and it would load the whole file into
memory, which is what this check has to prevent. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from musicml.inference.model_limits import make_error
from musicml.utils import InputError, Message, make_printable

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # the operators built into ONNX Runtime
MAX_NODES = 200_000
MAX_DEPTH = 4  # of nested graphs
MAX_TRIPS = 100_000  # of a loop over the frames of a clip
MAX_VALUES = 2**26  # in the output of one node: 268 MB of float32
MAX_SMALL_VALUES = 64  # in a tensor that could be the shape of another one; larger tensors are not remembered

# operator → the input that decides the size of its output; Pad and Range add, the others multiply
SIZE_INPUTS = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Pad": 1, "Resize": 3, "Upsample": 1, "Range": 1}
SCALE_INPUTS = {"Resize": 2}
SIZE_ATTRIBUTES = {"RandomNormal", "RandomUniform"}

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
FORMATS = {1: "f", 6: "i", 7: "q", 11: "d"}  # data types of tensors: float, int32, int64, double


@dataclass
class _State:
    """The file that is checked, and the number of its nodes so far."""

    path: Path
    n_nodes: int = 0


def check_onnx(path: Path) -> None:
    """Reject an ONNX file that needs much more memory or time than its size, or that uses anything outside itself."""
    state = _State(path)
    with open(path, "rb") as file:
        try:
            # mapped, so that a large file takes no memory; it is unmapped when the last view of it is gone
            _check_model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), state)
        except InputError:
            raise
        except (ValueError, IndexError, struct.error, OverflowError):
            raise make_error(path, Message("a complete model"), Message("something else")) from None


def _check_model(view: memoryview, state: _State) -> None:
    fields = _read_message(view)
    graphs = _get_parts(fields, 7)
    if len(graphs) != 1 or fields.keys() & {20, 25}:  # training graphs and functions, which musicml never writes
        raise make_error(state.path, Message("one graph"), f"{len(graphs)}" if len(graphs) != 1 else Message("more"))
    for entry in _get_parts(fields, 8):
        _check_domain(_get_text(_read_message(entry), 1), state)
    _check_graph(graphs[0], state, {}, 0, False)


def _check_graph(view: memoryview, state: _State, outer: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check one graph; `outer` has the small tensors of the graphs around it."""
    if depth > MAX_DEPTH:
        raise make_error(state.path, Message("at most {max_depth} nested graphs", max_depth=MAX_DEPTH), Message("more"))
    fields = _read_message(view)
    if 15 in fields:  # sparse tensors, whose dense form could be huge
        raise make_error(state.path, Message("plain tensors"), Message("others"))
    nodes = _get_parts(fields, 1)
    state.n_nodes += len(nodes)
    if state.n_nodes > MAX_NODES:
        raise make_error(state.path, Message("at most {max_nodes:,} operators", max_nodes=MAX_NODES), Message("more"))
    known = outer | dict(_check_tensor(tensor, state) for tensor in _get_parts(fields, 5))
    for node in nodes:
        _check_node(node, state, known, depth, in_loop)


def _check_node(view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check an operator, and add the value of a constant to `known`."""
    fields = _read_message(view)
    inputs, outputs = ([_decode(part) for part in _get_parts(fields, number)] for number in (1, 2))
    kind, domain = _get_text(fields, 4), _get_text(fields, 7)
    _check_domain(domain, state)
    if domain == "ai.onnx.ml":  # decision trees, whose attributes are long lists of plain numbers
        return
    _check_size(kind, [known.get(name) for name in inputs], state)
    if kind == "Loop":
        trips = known.get(inputs[0] if inputs else "")
        if in_loop or not trips or not 0 <= trips[0] <= MAX_TRIPS:
            raise make_error(
                state.path,
                Message("loops of at most {max_trips:,} rounds, not nested", max_trips=MAX_TRIPS),
                Message("another"),
            )
    for attribute in _get_parts(fields, 5):
        values = _check_attribute(attribute, state, known, depth, in_loop or kind == "Loop")
        if kind in SIZE_ATTRIBUTES and values and math.prod(values) > MAX_VALUES:
            raise make_error(
                state.path,
                Message("tensors of at most {max_values:,} values", max_values=MAX_VALUES),
                Message("{n:.3g}", n=math.prod(values)),
            )
        if kind == "Constant" and values and outputs:
            known[outputs[0]] = values


def _check_attribute(
    view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool
) -> list[float]:
    """Check the content of an attribute; return its numbers, if there are few."""
    fields = _read_message(view)
    if fields.keys() & {22, 23}:  # sparse tensors
        raise make_error(state.path, Message("plain tensors"), Message("others"))
    for graph in _get_parts(fields, 6, 11):
        _check_graph(graph, state, known, depth + 1, in_loop)
    tensors = [_check_tensor(tensor, state)[1] for tensor in _get_parts(fields, 5, 10)]
    return [value for values in tensors for value in values] + _get_numbers(fields, 3, 8)


def _check_size(kind: str, inputs: list[list[float] | None], state: _State) -> None:
    """Reject an operator whose output would be huge according to a tensor in the file."""
    for indices in (SIZE_INPUTS, SCALE_INPUTS):
        index = indices.get(kind)
        if index is None or index >= len(inputs) or not inputs[index]:
            continue
        sizes = [abs(value) for value in inputs[index] or []]
        n = max(sizes) if kind in ("Pad", "Range") else math.prod(max(value, 1.0) for value in sizes)
        if not n <= MAX_VALUES:
            rule = Message("tensors of at most {max_values:,} values", max_values=MAX_VALUES)
            raise make_error(state.path, rule, Message("{n:.3g}", n=n))


def _check_tensor(view: memoryview, state: _State) -> tuple[str, list[float]]:
    """Check that a tensor is complete; return its name, and its values if there are few."""
    fields = _read_message(view)
    if 13 in fields or any(fields.get(14, ())):  # external data
        raise make_error(state.path, Message("tensors inside the file"), Message("another file's"))
    name, dims, raw = _get_text(fields, 8), _get_numbers(fields, 1), _get_parts(fields, 9)
    n = math.prod(dims)
    # a value takes at least four bits
    if any(size < 0 for size in dims) or len(dims) > MAX_SMALL_VALUES or n > 2 * len(view):
        raise make_error(state.path, Message("complete tensors"), f"{make_printable(name)}{dims}")
    if n > MAX_SMALL_VALUES:
        return name, []
    layout = f"<{n}{FORMATS.get((_get_numbers(fields, 2) or [0])[-1], 'x')}"
    if raw and not layout.endswith("x"):
        return name, list(struct.unpack(layout, raw[-1])) if struct.calcsize(layout) == len(raw[-1]) else []
    parts = (part[: 4 * MAX_SMALL_VALUES] for part in _get_parts(fields, 4))
    floats = [value for part in parts for (value,) in struct.iter_unpack("<f", part)]
    return name, _get_numbers(fields, 5, 7) + floats


def _check_domain(domain: str, state: _State) -> None:
    if domain not in DOMAINS:
        raise make_error(state.path, Message("operators of ONNX"), make_printable(repr(domain)))


def _read_fields(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield the fields of a protobuf message: number, wire type, and value as an integer or as bytes."""
    place, end = 0, len(view)
    while place < end:
        key, place = _read_varint(view, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _read_varint(view, place)
            yield key >> 3, kind, value
            continue
        length = {FIXED_64: 8, FIXED_32: 4}.get(kind)
        if kind == BYTES:
            length, place = _read_varint(view, place)
        if length is None or length > end - place:
            raise ValueError(kind)
        yield key >> 3, kind, view[place : place + length]
        place += length


def _read_varint(view: memoryview, place: int) -> tuple[int, int]:
    """Read a number of seven bits per byte; return it and the position after it."""
    value = view[place]
    if value < 128:
        return value, place + 1
    value &= 127
    for shift in range(7, 70, 7):  # at most ten bytes for 64 bits
        place += 1
        byte = view[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
    raise ValueError(value)


def _read_message(view: memoryview) -> dict[int, list[int | memoryview]]:
    """Read the fields of a protobuf message by number; of repeated numbers only the first few and the last.

    If a field that should occur once is repeated, protobuf uses the last value.
    """
    fields: dict[int, list[int | memoryview]] = {}
    for number, kind, value in _read_fields(view):
        values = fields.setdefault(number, [])
        if kind == BYTES or len(values) <= MAX_SMALL_VALUES:
            values.append(value)
        else:
            values[-1] = value
    return fields


def _get_parts(fields: dict[int, list[int | memoryview]], *numbers: int) -> list[memoryview]:
    """Return the values of some fields that are bytes."""
    return [part for number in numbers for part in fields.get(number, ()) if isinstance(part, memoryview)]


def _get_numbers(fields: dict[int, list[int | memoryview]], *numbers: int) -> list[int]:
    """Return the integers in some fields, single or packed; of a long list only slightly more than the limit."""
    integers: list[int] = []
    for value in (value for number in numbers for value in fields.get(number, ())):
        place = 0
        while isinstance(value, memoryview) and place < len(value) and len(integers) <= MAX_SMALL_VALUES:
            unsigned, place = _read_varint(value, place)
            integers.append(_convert_to_signed(unsigned))
        if isinstance(value, int) and len(integers) <= MAX_SMALL_VALUES:
            integers.append(_convert_to_signed(value))
    return integers


def _convert_to_signed(value: int) -> int:
    """Convert an unsigned number of 64 bits to the signed number with the same bits."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _get_text(fields: dict[int, list[int | memoryview]], number: int) -> str:
    """Return the text of a field; the last one if there are several."""
    parts = _get_parts(fields, number)
    return _decode(parts[-1]) if parts else ""


def _decode(view: memoryview) -> str:
    return bytes(view[:1000]).decode("utf-8", "replace")
