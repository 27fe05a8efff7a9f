"""Look at an ONNX file before ONNX Runtime does: its tensors, operators and loops, read from the protobuf's own bytes.

The package onnx is no part of a plain installation, and reading the whole file into its objects would cost what this
is to save. Field numbers: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from musicml.inference.model_limits import make_refusal
from musicml.utils import InputError, Message, make_printable

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # operators that ONNX Runtime brings itself
MAX_NODES = 200_000
MAX_DEPTH = 4  # of graphs within graphs
MAX_TRIPS = 100_000  # of a loop: the frames of a clip
MAX_VALUES = 2**26  # that one node may be told to make, as a float 268 MB
SMALL = 64  # values of a tensor that can say how large something else shall be

# operator → the input that says how large its output is; a padding adds, the others multiply
SIZE_INPUTS = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Pad": 1, "Resize": 3, "Upsample": 1, "Range": 1}
SCALES = {"Resize": 2}
SIZE_ATTRIBUTES = {"RandomNormal", "RandomUniform"}

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
FORMATS = {1: "f", 6: "i", 7: "q", 11: "d"}  # data types of tensors: float, int32, int64, double


@dataclass
class _State:
    """What was met so far in one file."""

    path: Path
    n_nodes: int = 0


def check_onnx(path: Path) -> None:
    """Refuse an ONNX file that asks for much more memory or time than its size, or for anything outside itself."""
    state = _State(path)
    with open(path, "rb") as file:
        try:
            # not read, so that a large file takes no memory; unmapped once nothing looks at its parts any more
            _check_model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), state)
        except InputError:
            raise
        except (ValueError, IndexError, struct.error, OverflowError):
            raise make_refusal(path, Message("a model that is whole"), Message("something else")) from None


def _check_model(view: memoryview, state: _State) -> None:
    fields = _read_message(view)
    graphs = _get_parts(fields, 7)
    if len(graphs) != 1 or fields.keys() & {20, 25}:  # a training's graph, and functions
        raise make_refusal(state.path, Message("one graph"), f"{len(graphs)}" if len(graphs) != 1 else Message("more"))
    for entry in _get_parts(fields, 8):
        _check_domain(_get_text(_read_message(entry), 1), state)
    _check_graph(graphs[0], state, {}, 0, False)


def _check_graph(view: memoryview, state: _State, outer: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check one graph; `outer` are the small tensors that it can see from outside."""
    if depth > MAX_DEPTH:
        raise make_refusal(
            state.path, Message("at most {max_depth} graphs in each other", max_depth=MAX_DEPTH), Message("more")
        )
    fields = _read_message(view)
    if 15 in fields:
        raise make_refusal(state.path, Message("plain tensors"), Message("others"))
    nodes = _get_parts(fields, 1)
    state.n_nodes += len(nodes)
    if state.n_nodes > MAX_NODES:
        raise make_refusal(state.path, Message("at most {max_nodes:,} operators", max_nodes=MAX_NODES), Message("more"))
    known = outer | dict(_check_tensor(one, state) for one in _get_parts(fields, 5))
    for node in nodes:
        _check_node(node, state, known, depth, in_loop)


def _check_node(view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check an operator, and note the value of a constant in `known`."""
    fields = _read_message(view)
    inputs, outputs = ([_decode(one) for one in _get_parts(fields, number)] for number in (1, 2))
    kind, domain = _get_text(fields, 4), _get_text(fields, 7)
    _check_domain(domain, state)
    if domain == "ai.onnx.ml":  # trees, whose attributes are long lists of plain numbers
        return
    _check_size(kind, [known.get(name) for name in inputs], state)
    if kind == "Loop":
        trips = known.get(inputs[0] if inputs else "")
        if in_loop or not trips or not 0 <= trips[0] <= MAX_TRIPS:
            raise make_refusal(
                state.path,
                Message("loops of at most {max_trips:,} rounds, none in another", max_trips=MAX_TRIPS),
                Message("another"),
            )
    for one in _get_parts(fields, 5):
        values = _check_attribute(one, state, known, depth, in_loop or kind == "Loop")
        if kind in SIZE_ATTRIBUTES and values and math.prod(values) > MAX_VALUES:
            raise make_refusal(
                state.path,
                Message("tensors of at most {max_values:,} values", max_values=MAX_VALUES),
                Message("{n:.3g}", n=math.prod(values)),
            )
        if kind == "Constant" and values and outputs:
            known[outputs[0]] = values


def _check_attribute(
    view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool
) -> list[float]:
    """Check what an attribute holds; return its numbers, if they are few."""
    fields = _read_message(view)
    if fields.keys() & {22, 23}:
        raise make_refusal(state.path, Message("plain tensors"), Message("others"))
    for graph in _get_parts(fields, 6, 11):
        _check_graph(graph, state, known, depth + 1, in_loop)
    tensors = [_check_tensor(one, state)[1] for one in _get_parts(fields, 5, 10)]
    return [value for values in tensors for value in values] + _get_numbers(fields, 3, 8)


def _check_size(kind: str, values: list[list[float] | None], state: _State) -> None:
    """Refuse an operator that is told, by a tensor in the file, to make something huge."""
    for places in (SIZE_INPUTS, SCALES):
        place = places.get(kind)
        if place is None or place >= len(values) or not values[place]:
            continue
        given = [abs(value) for value in values[place] or []]
        n = max(given) if kind in ("Pad", "Range") else math.prod(max(value, 1.0) for value in given)
        if not n <= MAX_VALUES:
            rule = Message("tensors of at most {max_values:,} values", max_values=MAX_VALUES)
            raise make_refusal(state.path, rule, Message("{n:.3g}", n=n))


def _check_tensor(view: memoryview, state: _State) -> tuple[str, list[float]]:
    """Check that a tensor's values are all there; return its name, and its values if they are few numbers."""
    fields = _read_message(view)
    if 13 in fields or any(fields.get(14, ())):
        raise make_refusal(state.path, Message("tensors inside the file"), Message("another file's"))
    name, dims, raw = _get_text(fields, 8), _get_numbers(fields, 1), _get_parts(fields, 9)
    n = math.prod(dims)
    # four bits a value at least
    if any(side < 0 for side in dims) or len(dims) > SMALL or n > 2 * len(view):
        raise make_refusal(state.path, Message("tensors that are all there"), f"{make_printable(name)}{dims}")
    if n > SMALL:
        return name, []
    layout = f"<{n}{FORMATS.get((_get_numbers(fields, 2) or [0])[-1], 'x')}"
    if raw and not layout.endswith("x"):
        return name, list(struct.unpack(layout, raw[-1])) if struct.calcsize(layout) == len(raw[-1]) else []
    floats = [value for part in _get_parts(fields, 4) for (value,) in struct.iter_unpack("<f", part[: 4 * SMALL])]
    return name, _get_numbers(fields, 5, 7) + floats


def _check_domain(domain: str, state: _State) -> None:
    if domain not in DOMAINS:
        raise make_refusal(state.path, Message("operators of ONNX"), make_printable(repr(domain)))


def _read_fields(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Read the fields of a protobuf message: number, wire type, and value; what has a length comes as its bytes."""
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
    """Read a number of seven bits a byte; return it and the place behind it."""
    value = view[place]
    if value < 128:
        return value, place + 1
    value &= 127
    for shift in range(7, 70, 7):
        place += 1
        byte = view[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
    raise ValueError(value)


def _read_message(view: memoryview) -> dict[int, list[int | memoryview]]:
    """Read the fields of a protobuf message by their numbers: of those that hold numbers the first few and the last.

    The last one counts where a field that stands once is repeated, as protobuf has it.
    """
    found: dict[int, list[int | memoryview]] = {}
    for number, kind, value in _read_fields(view):
        values = found.setdefault(number, [])
        if kind == BYTES or len(values) <= SMALL:
            values.append(value)
        else:
            values[-1] = value
    return found


def _get_parts(fields: dict[int, list[int | memoryview]], *numbers: int) -> list[memoryview]:
    """Return what some fields of a message hold as bytes."""
    return [part for number in numbers for part in fields.get(number, ()) if isinstance(part, memoryview)]


def _get_numbers(fields: dict[int, list[int | memoryview]], *numbers: int) -> list[int]:
    """Return what some fields of a message hold as whole numbers, one by one or packed, at most as many as matter."""
    found: list[int] = []
    for value in (value for number in numbers for value in fields.get(number, ())):
        place = 0
        while isinstance(value, memoryview) and place < len(value) and len(found) <= SMALL:
            one, place = _read_varint(value, place)
            found.append(_sign(one))
        found += [_sign(value)] if isinstance(value, int) and len(found) <= SMALL else []
    return found


def _sign(value: int) -> int:
    """Return a number of 64 bits as the signed one that it stands for."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _get_text(fields: dict[int, list[int | memoryview]], number: int) -> str:
    """Return the text of a field, which is the last one where there are several."""
    parts = _get_parts(fields, number)
    return _decode(parts[-1]) if parts else ""


def _decode(view: memoryview) -> str:
    return bytes(view[:1000]).decode("utf-8", "replace")
