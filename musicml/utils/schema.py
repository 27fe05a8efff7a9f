"""Schemas for TOML tables: dataclasses whose fields define the allowed types, ranges and choices."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from musicml.utils.errors import InputError, suggest_names
from musicml.utils.messages import Message

MAX_INT = 2**63  # larger integers do not fit into numpy arrays


def define_option(
    default: Any = dataclasses.MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple | None = None,
) -> Any:
    """Define a dataclass field with a range (both ends allowed) or a list of choices.

    A field without a default is a required key. A TOML list becomes a tuple, whose items are checked one by one.
    """
    return dataclasses.field(default=default, metadata={"least": least, "most": most, "choices": choices})


def parse_options(cls: type, table: Mapping[str, Any], where: str, file: str) -> Any:
    """Make an instance of the dataclass `cls` from a TOML table, and check every key and value.

    Parameters
    ----------
    cls : a dataclass whose fields are made with `define_option`
    table : the keys and values of the TOML table
    where : the table's name for error messages, such as `training`
    file : the file's name for error messages

    Raises
    ------
    InputError
        If a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:  # a typo in a key must not be ignored silently
            raise InputError(
                "[{where}] in {file} has no key {key!r}: {hint}",
                where=where,
                file=file,
                key=key,
                hint=suggest_names(key, fields),
            )
    for key, field in fields.items():
        if key not in table and field.default is dataclasses.MISSING:
            raise InputError(
                "[{where}] in {file} lacks the required key {key!r}. Add it, for example {key} = {example}",
                where=where,
                file=file,
                key=key,
                example=_make_example(hints[key], field),
            )
    return cls(
        **{key: _check_value(value, hints[key], fields[key], f"{where}.{key}", file) for key, value in table.items()}
    )


def _check_value(value: Any, hint: Any, field: dataclasses.Field, name: str, file: str) -> Any:
    """Return `value` in the field's type if it is allowed; raise an InputError otherwise."""
    converted = _convert(value, hint)
    items = converted if isinstance(converted, tuple) else (converted,)
    if converted is None or not all(_is_allowed(item, field) for item in items):
        raise InputError(
            "{name} = {value!r} must be {rule}. Change it in {file} or with --set {name}=VALUE.",
            name=name,
            value=value,
            rule=_describe_rule(hint, field),
            file=file,
        )
    return converted


def _convert(value: Any, hint: Any) -> Any:
    """Convert `value` to the type `hint`, an integer to a float where needed; return None if the type is wrong."""
    if typing.get_origin(hint) is tuple:
        items = [_convert(item, typing.get_args(hint)[0]) for item in value] if isinstance(value, list | tuple) else []
        return tuple(items) if items and None not in items else None
    if not is_of_type(value, hint):
        return None
    return float(value) if hint is float else value


def is_of_type(value: Any, hint: Any) -> bool:
    """Return whether a value of a JSON file has a type; a typed dictionary may have unknown keys.

    >>> is_of_type({"a": [1, 2.5]}, dict[str, list[float] | None]), is_of_type(True, int)
    (True, False)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(is_of_type(value, option) for option in arguments)
    if origin is typing.Literal:
        return isinstance(value, str) and value in arguments
    if origin is list:
        return isinstance(value, list) and all(is_of_type(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of_type(item, arguments[1]) for item in value.values())
    if typing.is_typeddict(hint):
        return (
            isinstance(value, dict)
            and hint.__required_keys__ <= set(value)
            and all(is_of_type(value[key], item) for key, item in get_field_types(hint).items() if key in value)
        )
    if hint is float:  # the comparison excludes NaN, infinities and integers that overflow a float
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if hint is str:  # isinstance, since a `Message` is a str too
        return isinstance(value, str)
    return type(value) is hint and (hint is not int or abs(value) < MAX_INT)


_get_cached_hints = functools.cache(typing.get_type_hints)


def get_field_types(cls: Any) -> dict[str, Any]:
    """Return the type of each field of a dataclass, or of each key of a typed dictionary; cached."""
    return _get_cached_hints(cls)


def _is_allowed(value: Any, field: dataclasses.Field) -> bool:
    """Return whether a value is one of the field's choices, or within its range."""
    least, most, choices = (field.metadata.get(key) for key in ("least", "most", "choices"))
    if choices is not None:
        return value in choices
    return (least is None or value >= least) and (most is None or value <= most)


def _describe_rule(hint: Any, field: dataclasses.Field) -> str:
    """Describe the allowed values: `an integer from 1 to 4096`."""
    least, most, choices = (field.metadata.get(key) for key in ("least", "most", "choices"))
    if choices is not None:
        return Message("one of {names}", names=", ".join(map(repr, choices)))
    is_list = typing.get_origin(hint) is tuple
    kind = LIST_NAMES[typing.get_args(hint)[0]] if is_list else TYPE_NAMES[hint]
    if most is None:
        return kind if least is None else Message("{kind} of at least {least}", kind=kind, least=str(least))
    return Message("{kind} from {least} to {most}", kind=kind, least=str(least), most=str(most))


TYPE_NAMES = {
    int: Message("an integer"),
    float: Message("a number"),
    str: Message("a string in quotes"),
    bool: Message("true or false"),
}
LIST_NAMES = {
    int: Message("a list of integers"),
    float: Message("a list of numbers"),
    str: Message("a list of strings in quotes"),
}


def _make_example(hint: Any, field: dataclasses.Field) -> str:
    """Make an allowed value for the error about a missing key."""
    choices = field.metadata.get("choices")
    if choices:
        return repr(choices[0]).replace("'", '"')
    return {int: str(field.metadata.get("least") or 1), float: "0.5", str: '"..."', bool: "true"}.get(hint, "[...]")


def to_dict(options: Any) -> dict[str, Any]:
    """Convert options to plain values that JSON and TOML support."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(options).items()
    }
