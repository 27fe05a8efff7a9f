"""Look at a model's file before it is opened: how large it says it is, against how large it is, and what it names.

Of a run that is not the user's own. What can't be seen here is held by the process that such a model is opened in
(`musicml.inference.isolated_process`).
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicml.utils import InputError, Message, get_message, make_printable, parse_json

MEGABYTE = 2**20
MAX_FILE_BYTES = 2_000 * MEGABYTE
MAX_MEMBERS = {".keras": 16, ".skops": 100_000}
MAX_GROWTH, FREE_BYTES = 4, 16 * MEGABYTE  # an archive's content, as times its size, and beside; Keras packs nothing
MAX_JSON_BYTES = {"metadata.json": 65_536, "config.json": 8 * MEGABYTE, "schema.json": 64 * MEGABYTE}
MAX_DEPTH = 64  # of groups in each other
MAX_LAYERS = 5_000
MAX_PADDING = 256
MAX_OBJECTS = 50_000  # groups and arrays of a weights file
CONFIG, WEIGHTS = "config.json", "model.weights.h5"

# of an archive's end: its members, the bytes of its list of members, and where that begins
END, END_64, LOCATOR_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")

# every layer that a training of musicml writes; none runs code of the file's
LAYERS = {
    *("Activation", "Add", "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional"),
    *("Concatenate", "Conv2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "Flatten", "GRU"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Identity"),
    *("InputLayer", "LSTM", "LayerNormalization", "MaxPooling1D", "MaxPooling2D", "Multiply", "Permute", "ReLU"),
    *("Rescaling", "Reshape", "Softmax", "Subtract", "ZeroPadding2D"),
}
MODELS = {"Functional", "Sequential"}
PLAIN_MODULES = {"keras.initializers", "keras.regularizers"}
SIZES = ("units", "filters", "kernel_size")  # each is a side of an array of weights


def check_model_file(path: Path) -> None:
    """Refuse a model whose file shows that it would take much more memory than its size, or holds foreign parts.

    Parameters
    ----------
    path : a file that ends in .keras, .skops or .onnx
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise make_refusal(
            path,
            Message("a file of at most {max_file_bytes:,} MB", max_file_bytes=MAX_FILE_BYTES // MEGABYTE),
            f"{size // MEGABYTE:,} MB",
        )
    if path.suffix == ".onnx":
        from musicml.inference.onnx_limits import check_onnx

        check_onnx(path)
        return
    if path.suffix not in MAX_MEMBERS:
        raise make_refusal(path, Message("a model that ends in .keras, .skops or .onnx"), repr(path.suffix))
    with _open_archive(path) as archive:
        names = check_members(archive, path, size)
        if path.suffix == ".keras" and names != {"metadata.json", CONFIG, WEIGHTS}:
            said = make_printable(", ".join(sorted(names)))
            raise make_refusal(
                path, Message("metadata.json, {config} and {weights}", config=CONFIG, weights=WEIGHTS), said
            )
        for name in names & set(MAX_JSON_BYTES):
            table = _read_json(archive, name, path)
            if name == CONFIG:
                check_config(table, path)


def _open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive whose list of members is not too long to be read."""
    most = MAX_MEMBERS[path.suffix]
    with open(path, "rb") as file:
        n = _count_members(file)
    if n is None:
        raise make_refusal(path, Message("an archive that is whole"), Message("something else"))
    if n > most:
        raise make_refusal(path, Message("an archive of at most {most:,} files", most=most), f"{n:,}")
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # of a damaged archive zipfile raises errors of many kinds
        raise make_refusal(path, Message("an archive that is whole"), get_message(error)) from None


def _count_members(file: io.BufferedReader) -> int | None:
    """Return how many members an archive's list has room for, before zipfile reads it; None without such a list."""
    size = file.seek(0, io.SEEK_END)
    start = max(0, size - END.size - 65_535)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or place + END.size > len(tail):
        return None
    _, _, _, _, n, length, _, _ = END.unpack_from(tail, place)
    if place >= LOCATOR_64.size:  # of large archives another record holds the numbers, which zipfile then believes
        mark, _, where, _ = LOCATOR_64.unpack_from(tail, place - LOCATOR_64.size)
        if mark == b"PK\6\7":
            file.seek(min(where, size))
            record = file.read(END_64.size)
            if len(record) == END_64.size:
                n, length = max(n, END_64.unpack(record)[7]), max(length, END_64.unpack(record)[8])
    return max(n, length // 100)  # bytes a member, with its name twice


def check_members(archive: zipfile.ZipFile, path: Path, size: int) -> set[str]:
    """Refuse an archive whose members are too large together, packed, or named like paths; return their names."""
    members = archive.infolist()
    names = {one.filename for one in members}
    if len(names) < len(members):
        raise make_refusal(
            path, Message("each name once"), Message("{n_members} more", n_members=len(members) - len(names))
        )
    if len(members) > MAX_MEMBERS[path.suffix]:
        raise make_refusal(
            path,
            Message("an archive of at most {max_members:,} files", max_members=MAX_MEMBERS[path.suffix]),
            f"{len(members):,}",
        )
    for one in members:
        parts = one.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise make_refusal(path, Message("names inside the archive"), make_printable(one.filename))
    total, most = sum(one.file_size for one in members), MAX_GROWTH * size + FREE_BYTES
    if total > most:
        raise make_refusal(
            path, Message("at most {most:,} MB unpacked", most=most // MEGABYTE), f"{total // MEGABYTE:,} MB"
        )
    return names


def _read_json(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    """Read a JSON member of bounded size and depth."""
    most = MAX_JSON_BYTES[name]
    try:
        with archive.open(name) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise make_refusal(path, Message("at most {most:,} bytes of {name}", most=most, name=name), Message("more"))
        return json.loads(content) if name == "schema.json" else parse_json(content)
    except InputError:
        raise
    except Exception as error:
        raise make_refusal(path, Message("JSON in {name}", name=name), get_message(error)) from None


# Keras


def check_config(config: Any, path: Path) -> None:
    """Refuse a network that names anything but the layers and settings that musicml's trainings write."""
    if not isinstance(config, dict):
        raise make_refusal(path, Message("a network"), Message("something else"))
    n_layers = 0
    # what training was compiled with is never opened
    for one in _list_objects({key: value for key, value in config.items() if key != "compile_config"}):
        kind, module, registered = str(one.get("class_name")), one.get("module"), one.get("registered_name")
        is_layer = module == "keras.layers" and kind in LAYERS
        is_known = (
            is_layer
            or (kind in MODELS and module in ("keras", "keras.models", f"keras.src.models.{kind.lower()}"))
            or (kind.isidentifier() and module in PLAIN_MODULES)
            or (module, kind) in ((None, "__keras_tensor__"), ("keras", "DTypePolicy"))
        )
        if not is_known or registered not in (None, kind):
            raise make_refusal(path, Message("the layers that musicml trains"), make_printable(f"{module}.{kind}"))
        n_layers += is_layer
        settings = one.get("config")
        padding = settings.get("padding") if isinstance(settings, dict) else None
        if any(type(n) is int and n > MAX_PADDING for n in _list_numbers(padding)):
            raise make_refusal(
                path, Message("a padding of at most {max_padding}", max_padding=MAX_PADDING), Message("more")
            )
    if n_layers > MAX_LAYERS:
        raise make_refusal(path, Message("at most {max_layers:,} layers", max_layers=MAX_LAYERS), f"{n_layers:,}")


def _list_objects(table: Any) -> Iterator[dict[str, Any]]:
    """List the objects that a configuration names; its depth is bounded already."""
    level = [table]
    while level:
        one = level.pop()
        if isinstance(one, dict):
            if "class_name" in one or "module" in one:
                yield one
            level += one.values()
        elif isinstance(one, list):
            level += one


def check_weights(path: Path) -> None:
    """Refuse a Keras archive whose arrays are not all there, lie elsewhere, or are too small for its layers."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        table, content = json.loads(archive.read(CONFIG)), archive.read(WEIGHTS)
    sides, total = {1}, 0
    with h5py.File(io.BytesIO(content), "r") as file:
        for name, one in _list_arrays(file, path):
            stored = one.id.get_storage_size()
            if one.is_virtual or one.external or one.dtype.kind not in "biufV" or one.dtype.hasobject:
                raise make_refusal(path, Message("plain arrays of numbers"), make_printable(name))
            if stored < one.size * one.dtype.itemsize:
                raise make_refusal(path, Message("arrays that are all there"), f"{make_printable(name)}{one.shape}")
            total += one.size * one.dtype.itemsize
            if not name.startswith("optimizer/"):
                sides |= set(one.shape)
    if total > len(content):
        raise make_refusal(path, Message("arrays of at most {n_content:,} bytes", n_content=len(content)), f"{total:,}")
    check_sizes(table, sides, path)


def _list_arrays(file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """List the arrays of a weights file; links to other files, and round in a circle, are refused."""
    import h5py

    groups, seen = [("", file)], 0
    while groups:
        place, group = groups.pop()
        for name in group:
            seen += 1
            inner = f"{place}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink) or inner.count("/") > MAX_DEPTH:
                raise make_refusal(path, Message("no links"), make_printable(inner))
            if seen > MAX_OBJECTS:
                raise make_refusal(
                    path, Message("at most {max_objects:,} arrays", max_objects=MAX_OBJECTS), Message("more")
                )
            one = group[name]
            if isinstance(one, h5py.Group):
                groups.append((f"{inner}/", one))
            else:
                yield inner, one


def check_sizes(config: Any, sides: set[int], path: Path) -> None:
    """Refuse layers that are larger than the arrays of weights, whose `sides` are all the lengths that these have."""
    for one in _list_objects(config):
        settings = one.get("config")
        if not isinstance(settings, dict):
            continue
        for key in SIZES:
            for value in _list_numbers(settings.get(key)):
                if type(value) is not int or value not in sides:
                    raise make_refusal(
                        path,
                        Message("weights for {key} = {value}", key=key, value=make_printable(str(value))),
                        Message("none of that size"),
                    )


def _list_numbers(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [number for one in value for number in _list_numbers(one)]
    return [] if value is None else [value]


def make_refusal(path: Path, rule: str, said: str) -> InputError:
    """Return the refusal of a model's file."""
    return InputError(
        "Expected {rule} in {file} of run {run_name}, got {said}. Get the run again from whoever made it, or train "
        "one.",
        rule=rule,
        file=path.name,
        run_name=path.parent.name,
        said=said,
    )
