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
from musicml.utils import InputError, make_printable

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
    """Refuse an ONNX file that asks for much more memory or time than its size, or for anything outside itself.

    Raises
    ------
    InputError
        It names what was found.
    """
    state = _State(path)
    with open(path, "rb") as file:
        try:
            # not read, so that a large file takes no memory; unmapped once nothing looks at its parts any more
            _check_model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), state)
        except InputError:
            raise
        except (ValueError, IndexError, struct.error, OverflowError):
            raise make_refusal(path, "a model that is whole", "something else") from None


def _check_model(view: memoryview, state: _State) -> None:
    graphs = 0
    for number, _, value in _read_fields(view):
        if number == 7 and isinstance(value, memoryview):
            graphs += 1
            _check_graph(value, state, {}, 0, False)
        elif number == 8 and isinstance(value, memoryview):
            _check_domain(_read_text(value, 1), state)
        elif number in (20, 25):  # a training's graph, and functions
            raise make_refusal(state.path, "one graph", "more")
    if graphs != 1:
        raise make_refusal(state.path, "one graph", f"{graphs}")


def _check_graph(view: memoryview, state: _State, outer: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check one graph; `outer` are the small tensors that it can see from outside."""
    if depth > MAX_DEPTH:
        raise make_refusal(state.path, f"at most {MAX_DEPTH} graphs in each other", "more")
    known, nodes = dict(outer), []
    for number, _, value in _read_fields(view):
        if number == 1 and isinstance(value, memoryview):
            nodes.append(value)
        elif number == 5 and isinstance(value, memoryview):
            name, values = _check_tensor(value, state)
            known[name] = values
        elif number == 15:
            raise make_refusal(state.path, "plain tensors", "others")
    state.n_nodes += len(nodes)
    if state.n_nodes > MAX_NODES:
        raise make_refusal(state.path, f"at most {MAX_NODES:,} operators", "more")
    for node in nodes:
        _check_node(node, state, known, depth, in_loop)


def _check_node(view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool) -> None:
    """Check an operator, and note the value of a constant in `known`."""
    inputs, outputs, attributes, kind, domain = [], [], [], "", ""
    for number, _, value in _read_fields(view):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            inputs.append(_decode(value))
        elif number == 2:
            outputs.append(_decode(value))
        elif number == 4:
            kind = _decode(value)
        elif number == 5:
            attributes.append(value)
        elif number == 7:
            domain = _decode(value)
    _check_domain(domain, state)
    if domain == "ai.onnx.ml":  # trees, whose attributes are long lists of plain numbers
        return
    _check_size(kind, [known.get(name) for name in inputs], state)
    if kind == "Loop":
        trips = known.get(inputs[0] if inputs else "")
        if in_loop or not trips or not 0 <= trips[0] <= MAX_TRIPS:
            raise make_refusal(state.path, f"loops of at most {MAX_TRIPS:,} rounds, none in another", "another")
    for one in attributes:
        values = _check_attribute(one, state, known, depth, in_loop or kind == "Loop")
        if kind in SIZE_ATTRIBUTES and values and math.prod(values) > MAX_VALUES:
            raise make_refusal(state.path, f"tensors of at most {MAX_VALUES:,} values", f"{math.prod(values):.3g}")
        if kind == "Constant" and values and outputs:
            known[outputs[0]] = values


def _check_attribute(
    view: memoryview, state: _State, known: dict[str, list[float]], depth: int, in_loop: bool
) -> list[float]:
    """Check what an attribute holds; return its numbers, if they are few."""
    found: list[float] = []
    for number, _, value in _read_fields(view):
        if number in (22, 23):
            raise make_refusal(state.path, "plain tensors", "others")
        if number in (5, 10) and isinstance(value, memoryview):
            found += _check_tensor(value, state)[1]
        elif number in (6, 11) and isinstance(value, memoryview):
            _check_graph(value, state, known, depth + 1, in_loop)
        elif number in (3, 8) and len(found) < SMALL:
            found += [_sign(value)] if isinstance(value, int) else [_sign(one) for one in _unpack(value)]
    return found


def _check_size(kind: str, values: list[list[float] | None], state: _State) -> None:
    """Refuse an operator that is told, by a tensor in the file, to make something huge."""
    for places in (SIZE_INPUTS, SCALES):
        place = places.get(kind)
        if place is None or place >= len(values) or not values[place]:
            continue
        given = [abs(value) for value in values[place] or []]
        n = max(given) if kind in ("Pad", "Range") else math.prod(max(value, 1.0) for value in given)
        if not n <= MAX_VALUES:
            raise make_refusal(state.path, f"tensors of at most {MAX_VALUES:,} values", f"{n:.3g}")


def _check_tensor(view: memoryview, state: _State) -> tuple[str, list[float]]:
    """Check that a tensor's values are all there; return its name, and its values if they are few numbers."""
    dims: list[int] = []
    name, data_type, raw = "", 0, None
    plain: list[float] = []
    for number, kind, value in _read_fields(view):
        if number == 13 or (number == 14 and value):
            raise make_refusal(state.path, "tensors inside the file", "another file's")
        if number == 1:
            dims += [_sign(value)] if isinstance(value, int) else [_sign(one) for one in _unpack(value)]
        elif number == 2 and isinstance(value, int):
            data_type = value
        elif number == 8 and isinstance(value, memoryview):
            name = _decode(value)
        elif number == 9 and isinstance(value, memoryview):
            raw = value
        elif number in (5, 7) and len(plain) < SMALL:
            plain += [_sign(value)] if isinstance(value, int) else [_sign(one) for one in _unpack(value)]
        elif number == 4 and len(plain) < SMALL and isinstance(value, memoryview):
            some = value[: 4 * SMALL] if kind == BYTES else value
            plain += struct.unpack(f"<{len(some) // 4}f", some)
    if any(side < 0 for side in dims) or math.prod(dims) > 2 * len(view):  # four bits a value at least
        said = f"{make_printable(name)}{dims}"
        raise make_refusal(state.path, "tensors that are all there", said)
    n = math.prod(dims)
    if raw is not None and n <= SMALL and data_type in FORMATS:
        layout = f"<{n}{FORMATS[data_type]}"
        plain = list(struct.unpack(layout, raw)) if struct.calcsize(layout) == len(raw) else []
    return name, plain if n <= SMALL else []


def _check_domain(domain: str, state: _State) -> None:
    if domain not in DOMAINS:
        raise make_refusal(state.path, "operators of ONNX", make_printable(repr(domain)))


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


def _unpack(view: memoryview) -> list[int]:
    """Read numbers that stand packed, at most as many as matter."""
    found: list[int] = []
    place = 0
    while place < len(view) and len(found) <= SMALL:
        value, place = _read_varint(view, place)
        found.append(value)
    return found


def _sign(value: int) -> int:
    """Return a number of 64 bits as the signed one that it stands for."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _read_text(view: memoryview, wanted: int) -> str:
    """Read one text of a message."""
    found = [value for number, _, value in _read_fields(view) if number == wanted and isinstance(value, memoryview)]
    return _decode(found[-1]) if found else ""


def _decode(view: memoryview) -> str:
    return bytes(view[:1000]).decode("utf-8", "replace")
