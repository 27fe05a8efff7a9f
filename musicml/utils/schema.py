"""Options: dataclasses whose fields carry their own rules, which a table of a TOML file is checked against."""

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

MAX_INT = 2**63  # what numpy's arrays and other languages still count with


def define_option(
    default: Any = dataclasses.MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple | None = None,
) -> Any:
    """A dataclass field with a rule: a range (both ends allowed) or a choice.

    Without a default the key has to be given. A list in TOML becomes a tuple, and the rule holds for its every item.
    """
    return dataclasses.field(default=default, metadata={"least": least, "most": most, "choices": choices})


def parse_options(cls: type, table: Mapping[str, Any], where: str, file: str) -> Any:
    """Make an instance of the dataclass `cls` from a TOML table.

    Parameters
    ----------
    cls : a dataclass whose fields are made with `define_option`
    table : the keys and values as TOML gave them
    where : the table's name, for the error (`training`)
    file : the file's name, for the error

    Raises
    ------
    InputError
        At an unknown key (with the nearest known one), a missing key, a wrong type or a value outside its range.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
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
                "[{where}] in {file} needs the key {key!r}, which is missing: add {key} = {example}",
                where=where,
                file=file,
                key=key,
                example=make_example(hints[key], field),
            )
    return cls(
        **{key: check_value(value, hints[key], fields[key], f"{where}.{key}", file) for key, value in table.items()}
    )


def check_value(value: Any, hint: Any, field: dataclasses.Field, name: str, file: str) -> Any:
    """`value` in the field's type, if it keeps the field's rule; InputError otherwise."""
    converted = convert(value, hint)
    items = converted if isinstance(converted, tuple) else (converted,)
    if converted is None or not all(is_within_rule(item, field) for item in items):
        raise InputError(
            "{name} = {value!r} must be {rule}: change it in {file} or with --set {name}=VALUE.",
            name=name,
            value=value,
            rule=describe_rule(hint, field),
            file=file,
        )
    return converted


def convert(value: Any, hint: Any) -> Any:
    """`value` as the type `hint`, or None where it is of another type; a whole number may stand for a float."""
    if typing.get_origin(hint) is tuple:
        items = [convert(item, typing.get_args(hint)[0]) for item in value] if isinstance(value, list | tuple) else []
        return tuple(items) if items and None not in items else None
    if not is_of_type(value, hint):
        return None
    return float(value) if hint is float else value


def is_of_type(value: Any, hint: Any) -> bool:
    """Whether a value of a JSON file is of a type; in a typed dictionary, keys that it does not name may stand too.

    >>> is_of_type({"a": [1, 2.5]}, dict[str, list[float] | None]), is_of_type(True, int)
    (True, False)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(is_of_type(value, one) for one in arguments)
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
            and all(is_of_type(value[key], one) for key, one in get_field_types(hint).items() if key in value)
        )
    if hint is float:  # neither NaN nor an infinity, and no whole number that is larger than any float
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if hint is str:  # a message is text too
        return isinstance(value, str)
    return type(value) is hint and (hint is not int or abs(value) < MAX_INT)


_get_cached_hints = functools.cache(typing.get_type_hints)


def get_field_types(cls: Any) -> dict[str, Any]:
    """Return the type of each field of a dataclass or key of a typed dictionary, worked out once."""
    return _get_cached_hints(cls)


def is_within_rule(value: Any, field: dataclasses.Field) -> bool:
    """Whether one value keeps the field's range and choice."""
    least, most, choices = (field.metadata.get(key) for key in ("least", "most", "choices"))
    if choices is not None:
        return value in choices
    return (least is None or value >= least) and (most is None or value <= most)


def describe_rule(hint: Any, field: dataclasses.Field) -> str:
    """The field's rule in words: `a whole number from 1 to 4096`."""
    least, most, choices = (field.metadata.get(key) for key in ("least", "most", "choices"))
    if choices is not None:
        return Message("one of {names}", names=", ".join(map(repr, choices)))
    is_list = typing.get_origin(hint) is tuple
    kind = MANY[typing.get_args(hint)[0]] if is_list else WORDS[hint]
    if most is None:
        return kind if least is None else Message("{kind} of at least {least}", kind=kind, least=str(least))
    return Message("{kind} from {least} to {most}", kind=kind, least=str(least), most=str(most))


WORDS = {
    int: Message("a whole number"),
    float: Message("a number"),
    str: Message("a text in quotes"),
    bool: Message("true or false"),
}
MANY = {
    int: Message("a list of whole numbers"),
    float: Message("a list of numbers"),
    str: Message("a list of texts in quotes"),
}


def make_example(hint: Any, field: dataclasses.Field) -> str:
    """A value that could stand in the file, for the error about a missing key."""
    choices = field.metadata.get("choices")
    if choices:
        return repr(choices[0]).replace("'", '"')
    return {int: str(field.metadata.get("least") or 1), float: "0.5", str: '"..."', bool: "true"}.get(hint, "[...]")


def to_dict(options: Any) -> dict[str, Any]:
    """The options as plain values that JSON and TOML know."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(options).items()
    }
