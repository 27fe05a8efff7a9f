"""Check a model file by someone else before it is opened: its declared sizes, its layers and the names in it.

What can't be checked here is limited by the process that opens the model (`musicml.inference.isolated_process`).
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
MAX_GROWTH, FREE_BYTES = 4, 16 * MEGABYTE  # content of an archive: size times MAX_GROWTH plus FREE_BYTES
MAX_JSON_BYTES = {"metadata.json": 65_536, "config.json": 8 * MEGABYTE, "schema.json": 64 * MEGABYTE}
MAX_DEPTH = 64  # of nested groups
MAX_LAYERS = 5_000
MAX_PADDING = 256
MAX_OBJECTS = 50_000  # groups and arrays of a weights file
CONFIG, WEIGHTS = "config.json", "model.weights.h5"

# records at the end of a zip archive: number of members, size of the list of members, and its position
END, END_64, LOCATOR_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")

# all layers in models that musicml trains; none of them can run code from the file, as Lambda could
LAYERS = {
    *("Activation", "Add", "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional"),
    *("Concatenate", "Conv2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "Flatten", "GRU"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Identity"),
    *("InputLayer", "LSTM", "LayerNormalization", "MaxPooling1D", "MaxPooling2D", "Multiply", "Permute", "ReLU"),
    *("Rescaling", "Reshape", "Softmax", "Subtract", "ZeroPadding2D"),
}
MODELS = {"Functional", "Sequential"}
PLAIN_MODULES = {"keras.initializers", "keras.regularizers"}
SIZES = ("units", "filters", "kernel_size")  # each is a dimension of an array of weights


def check_model_file(path: Path) -> None:
    """Reject a model file that would need much more memory than its size, or that has unknown parts.

    Parameters
    ----------
    path : a file that ends in .keras, .skops or .onnx
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise make_error(
            path,
            Message("a file of at most {max_file_bytes:,} MB", max_file_bytes=MAX_FILE_BYTES // MEGABYTE),
            f"{size // MEGABYTE:,} MB",
        )
    if path.suffix == ".onnx":
        from musicml.inference.onnx_limits import check_onnx

        check_onnx(path)
        return
    if path.suffix not in MAX_MEMBERS:
        raise make_error(path, Message("a model that ends in .keras, .skops or .onnx"), repr(path.suffix))
    with _open_archive(path) as archive:
        names = check_members(archive, path, size)
        if path.suffix == ".keras" and names != {"metadata.json", CONFIG, WEIGHTS}:
            shown = make_printable(", ".join(sorted(names)))
            raise make_error(
                path, Message("metadata.json, {config} and {weights}", config=CONFIG, weights=WEIGHTS), shown
            )
        for name in names & set(MAX_JSON_BYTES):
            table = _read_json(archive, name, path)
            if name == CONFIG:
                check_config(table, path)


def _open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive after checking the length of its list of members, which zipfile would read completely."""
    most = MAX_MEMBERS[path.suffix]
    with open(path, "rb") as file:
        n = _count_members(file)
    if n is None:
        raise make_error(path, Message("a complete archive"), Message("something else"))
    if n > most:
        raise make_error(path, Message("an archive of at most {most:,} files", most=most), f"{n:,}")
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises many kinds of errors for a damaged archive
        raise make_error(path, Message("a complete archive"), get_message(error)) from None


def _count_members(file: io.BufferedReader) -> int | None:
    """Return an upper bound of the number of members in an archive; None if it has no list of members."""
    size = file.seek(0, io.SEEK_END)
    start = max(0, size - END.size - 65_535)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or place + END.size > len(tail):
        return None
    _, _, _, _, n, length, _, _ = END.unpack_from(tail, place)
    if place >= LOCATOR_64.size:  # zip64: another record has the numbers, and zipfile uses those
        mark, _, where, _ = LOCATOR_64.unpack_from(tail, place - LOCATOR_64.size)
        if mark == b"PK\6\7":
            file.seek(min(where, size))
            record = file.read(END_64.size)
            if len(record) == END_64.size:
                n, length = max(n, END_64.unpack(record)[7]), max(length, END_64.unpack(record)[8])
    return max(n, length // 100)  # an entry takes about 100 bytes


def check_members(archive: zipfile.ZipFile, path: Path, size: int) -> set[str]:
    """Reject an archive with members that are too large or have unsafe names; return the names."""
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(names) < len(members):
        raise make_error(
            path, Message("each name once"), Message("{n_members} more", n_members=len(members) - len(names))
        )
    if len(members) > MAX_MEMBERS[path.suffix]:
        raise make_error(
            path,
            Message("an archive of at most {max_members:,} files", max_members=MAX_MEMBERS[path.suffix]),
            f"{len(members):,}",
        )
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:  # a path that leads out of the archive
            raise make_error(path, Message("names inside the archive"), make_printable(member.filename))
    total, most = sum(member.file_size for member in members), MAX_GROWTH * size + FREE_BYTES
    if total > most:
        raise make_error(
            path, Message("at most {most:,} MB unpacked", most=most // MEGABYTE), f"{total // MEGABYTE:,} MB"
        )
    return names


def _read_json(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    """Read a JSON member with limits on its size and depth."""
    most = MAX_JSON_BYTES[name]
    try:
        with archive.open(name) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise make_error(path, Message("at most {most:,} bytes of {name}", most=most, name=name), Message("more"))
        return json.loads(content) if name == "schema.json" else parse_json(content)
    except InputError:
        raise
    except Exception as error:
        raise make_error(path, Message("JSON in {name}", name=name), get_message(error)) from None


# Keras


def check_config(config: Any, path: Path) -> None:
    """Reject a network with other layers or settings than those that musicml writes."""
    if not isinstance(config, dict):
        raise make_error(path, Message("a network"), Message("something else"))
    n_layers = 0
    # compile_config is ignored when the model is loaded
    for item in _list_objects({key: value for key, value in config.items() if key != "compile_config"}):
        kind, module, registered = str(item.get("class_name")), item.get("module"), item.get("registered_name")
        is_layer = module == "keras.layers" and kind in LAYERS
        is_known = (
            is_layer
            or (kind in MODELS and module in ("keras", "keras.models", f"keras.src.models.{kind.lower()}"))
            or (kind.isidentifier() and module in PLAIN_MODULES)
            or (module, kind) in ((None, "__keras_tensor__"), ("keras", "DTypePolicy"))
        )
        if not is_known or registered not in (None, kind):
            raise make_error(path, Message("the layers that musicml trains"), make_printable(f"{module}.{kind}"))
        n_layers += is_layer
        settings = item.get("config")
        padding = settings.get("padding") if isinstance(settings, dict) else None
        if any(type(n) is int and n > MAX_PADDING for n in _list_numbers(padding)):
            raise make_error(
                path, Message("a padding of at most {max_padding}", max_padding=MAX_PADDING), Message("more")
            )
    if n_layers > MAX_LAYERS:
        raise make_error(path, Message("at most {max_layers:,} layers", max_layers=MAX_LAYERS), f"{n_layers:,}")


def _list_objects(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a configuration, whose depth was checked by `_read_json`."""
    pending = [table]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item or "module" in item:
                yield item
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def check_weights(path: Path) -> None:
    """Reject a Keras archive whose arrays are incomplete, in other files, or too small for its layers."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        table, content = json.loads(archive.read(CONFIG)), archive.read(WEIGHTS)
    dimensions, total = {1}, 0
    with h5py.File(io.BytesIO(content), "r") as file:
        for name, array in _list_arrays(file, path):
            n_bytes = array.size * array.dtype.itemsize
            if array.is_virtual or array.external or array.dtype.kind not in "biufV" or array.dtype.hasobject:
                raise make_error(path, Message("plain arrays of numbers"), make_printable(name))
            if array.id.get_storage_size() < n_bytes:  # compressed, or never written
                raise make_error(path, Message("complete arrays"), f"{make_printable(name)}{array.shape}")
            total += n_bytes
            if not name.startswith("optimizer/"):
                dimensions |= set(array.shape)
    if total > len(content):
        raise make_error(path, Message("arrays of at most {n_content:,} bytes", n_content=len(content)), f"{total:,}")
    check_sizes(table, dimensions, path)


def _list_arrays(file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a weights file; reject links, which could lead to other files or form a loop."""
    import h5py

    groups, n_objects = [("", file)], 0
    while groups:
        prefix, group = groups.pop()
        for name in group:
            n_objects += 1
            full_name = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink) or full_name.count("/") > MAX_DEPTH:
                raise make_error(path, Message("no links"), make_printable(full_name))
            if n_objects > MAX_OBJECTS:
                raise make_error(
                    path, Message("at most {max_objects:,} arrays", max_objects=MAX_OBJECTS), Message("more")
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append((f"{full_name}/", item))
            else:
                yield full_name, item


def check_sizes(config: Any, dimensions: set[int], path: Path) -> None:
    """Reject layers whose sizes are not among the dimensions of the arrays of weights."""
    for item in _list_objects(config):
        settings = item.get("config")
        if not isinstance(settings, dict):
            continue
        for key in SIZES:
            for value in _list_numbers(settings.get(key)):
                if type(value) is not int or value not in dimensions:
                    raise make_error(
                        path,
                        Message("weights for {key} = {value}", key=key, value=make_printable(str(value))),
                        Message("none of that size"),
                    )


def _list_numbers(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [number for item in value for number in _list_numbers(item)]
    return [] if value is None else [value]


def make_error(path: Path, rule: str, actual: str) -> InputError:
    """Make the error about an invalid model file."""
    return InputError(
        "Expected {rule} in {file} of run {run_name}, got {actual}. Get a new copy of the run, or train one yourself.",
        rule=rule,
        file=path.name,
        run_name=path.parent.name,
        actual=actual,
    )
