"""Translatable messages: each keeps its template separate from its values.

Translators see the template, `{n} files have no label.`, in the gettext catalog `musicml/locales/<language>.po`.
`make messages` updates the catalogs from the code.
"""

from __future__ import annotations

import functools
import math
import numbers
import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parent.parent / "locales"
COMMA_LANGUAGES = {"id"}  # where a comma stands before decimals, and a point between thousands
SWAPPED_MARKS = {",": ".", ".": ","}
MAX_DEPTH, MAX_VALUES = 4, 20  # of messages in a file: of one in another, and of one
MESSAGES = "messages"  # the key of a JSON file below which its messages are described


class Message(str):
    """An English string that remembers its template and values, so that `translate` can translate it.

    Parameters
    ----------
    template : the English text, with a placeholder such as `{file}` for each of `values`; used as it is without values
    values : replace the placeholders, formatted as by `str.format`; messages among them are translated too

    Notes
    -----
    In a table of templates, make each a `Message` without values: `make messages` then finds it.

    Examples
    --------
    >>> message = Message("{n} files have no label.", n=3)
    >>> message
    '3 files have no label.'
    >>> message.template, message.values
    ('{n} files have no label.', {'n': 3})
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Message:
        """Make a message. A value that is an exception is replaced by its own message."""
        values = {name: _get_own_message(value) for name, value in values.items()}
        if isinstance(template, Message) and not values:
            return template
        message = super().__new__(cls, template.format(**values) if values else template)
        message.template, message.values = str(template), values
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_message, (str(self), self.template, self.values)  # worker processes send messages by pickle

    def replace_value(self, old: str, new: str) -> Message:
        """Return the message with each value `old` replaced by `new`."""
        return Message(self.template, **{name: _replace(value, old, new) for name, value in self.values.items()})


def _replace(value: Any, old: str, new: str) -> Any:
    """Replace a value that equals `old`, or a path that starts with the folder `old`."""
    text = str(value)
    if isinstance(value, Message) and text != old:
        return value.replace_value(old, new)
    if text == old:
        return new
    return new + text[len(old) :] if text.startswith((f"{old}/", f"{old}\\")) else value


def replace_in_message(text: str, old: str, new: str) -> str:
    """Replace `old` by `new` in a text: as a value of a message, or anywhere in plain text."""
    return text.replace_value(old, new) if isinstance(text, Message) else text.replace(old, new)


def _get_own_message(value: Any) -> Any:
    """Return the message of an exception that was raised with one, and any other value unchanged."""
    is_raised = isinstance(value, BaseException) and value.args and isinstance(value.args[0], Message)
    return value.args[0] if is_raised else value


def _rebuild_message(text: str, template: str, values: dict[str, Any]) -> Message:
    """Make a message whose text is already formatted."""
    message = str.__new__(Message, text)
    message.template, message.values = template, values
    return message


def pluralize(singular: str, plural: str, /, n: int, **values: Any) -> Message:
    """Make a message about `n` things, with the singular or the plural template.

    >>> pluralize("{n} file", "{n} files", n=1)
    '1 file'
    """
    return Message(singular if n == 1 else plural, n=n, **values)


def join_messages(parts: Iterable[str], separator: str = ", ") -> Message:
    """Join messages so that each can still be translated.

    >>> join_messages([Message("no label"), Message("{n} bytes", n=0)])
    'no label, 0 bytes'
    """
    values = {f"part{index}": part for index, part in enumerate(parts)}
    separator = separator.replace("{", "{{").replace("}", "}}")
    return Message(separator.join(f"{{{name}}}" for name in values), **values)


class _LocalFormatter(string.Formatter):
    """Format numbers as a language writes them."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Format a value as text, a number with the decimal mark of the language."""
        text = super().format_field(value, format_spec)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return format_number(text, self.language) if is_number else text


def format_number(value: float | str, language: str, format_spec: str = "") -> str:
    """Format a number with the decimal mark of a language: a comma in Indonesian.

    Parameters
    ----------
    value : a number, or text with formatted numbers in it, such as an interval
    language : `en` or `id`
    format_spec : as `format` takes it; only for a number

    >>> format_number(1234.5, "id", ",.2f")
    '1.234,50'
    >>> format_number("0.643 (0.448 – 0.835)", "id")
    '0,643 (0,448 – 0,835)'
    """
    text = value if isinstance(value, str) else format(value, format_spec)
    # only marks between digits, so that the full stop of a sentence stays
    return (
        re.sub(r"(?<=\d)[.,](?=\d)", lambda mark: SWAPPED_MARKS[mark[0]], text) if language in COMMA_LANGUAGES else text
    )


def translate(text: str, language: str) -> str:
    """Translate a message; plain text and messages without a translation stay English.

    >>> translate(Message("The file is empty."), "en")
    'The file is empty.'
    """
    if not isinstance(text, Message) or language == "en":
        return str(text)
    template = load_catalog(language).get(text.template)
    if template is None:
        # Only joined messages may lack a translation and still be formatted, since each part is translated. Any other
        # unknown template may come from a run folder by someone else, and formatting it is a risk.
        if text.template != _get_joined_template(text):
            return str(text)
        template = text.template
    if str(text) == text.template:  # it has no placeholders
        return template
    values = {
        name: translate(value, language) if isinstance(value, str) else value for name, value in text.values.items()
    }
    try:
        return _LocalFormatter(language).vformat(template, (), values)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        return str(text)  # values from a run folder by someone else need not fit the template


def _get_joined_template(message: Message) -> str | None:
    """Return the template that `join_messages` would make of the message's values; None if it did not make it."""
    names = [f"part{index}" for index in range(len(message.values))]
    if not names or list(message.values) != names:
        return None
    separator = message.template.split(f"{{{names[0]}}}")[-1].split("{part")[0] if len(names) > 1 else ""
    return separator.join(f"{{{name}}}" for name in names)


@functools.cache
def load_catalog(language: str) -> Mapping[str, str]:
    """Load the catalog of a language: English template -> translation; templates without one are left out."""
    from babel.messages.pofile import read_po

    path = LOCALES / f"{language}.po"
    if not path.is_file():
        return {}
    with open(path, "rb") as file:
        catalog = read_po(file, locale=language)
    translations: dict[str, str] = {}
    for message in catalog:
        if message.id and message.string and not message.fuzzy:
            # Indonesian has one plural form, so the English singular and plural share it
            ids, strings = ([one] if isinstance(one, str) else list(one) for one in (message.id, message.string))
            translations |= {text: strings[min(form, len(strings) - 1)] for form, text in enumerate(ids)}
    return {english: translation for english, translation in translations.items() if translation}


def add_messages(content: Any) -> Any:
    """Add the key `messages` to content for JSON: text -> template and values of each message in it."""
    described = {str(message): _describe_message(message) for message in _find_messages(content)}
    return {**content, MESSAGES: described} if described and isinstance(content, Mapping) else content


def _find_messages(content: Any) -> Iterator[Message]:
    """Yield the messages in content for JSON."""
    if isinstance(content, Message):
        yield content
    elif isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _find_messages(value)


def _describe_message(message: Message) -> dict[str, Any]:
    """Describe a message by values that JSON supports."""
    return {"template": message.template, "values": {name: _describe(value) for name, value in message.values.items()}}


def _describe(value: Any) -> Any:
    """Convert a value of a message to one that JSON supports."""
    if isinstance(value, Message):
        return {"text": str(value), **_describe_message(value)}
    if value is None or isinstance(value, bool):  # before numbers, since bool is a subclass of int
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)  # numpy's numbers too
    return str(value)


def restore_messages(content: Any) -> Any:
    """Turn texts read from JSON back into the messages that `add_messages` described.

    A text without a description, as in older files, stays plain text.
    """
    if not isinstance(content, dict) or not isinstance(described := content.get(MESSAGES), dict):
        return content
    content = {key: value for key, value in content.items() if key != MESSAGES}
    return _restore(content, {text: _restore_message(text, parts) for text, parts in described.items()})


def _restore(content: Any, messages: Mapping[str, str]) -> Any:
    """Replace each text by its message."""
    if isinstance(content, str):
        return messages.get(content, content)
    if isinstance(content, dict):
        return {key: _restore(value, messages) for key, value in content.items()}
    return [_restore(value, messages) for value in content] if isinstance(content, list) else content


def _restore_message(text: str, described: Any, depth: int = 0) -> str:
    """Make a message from its text and description; return the plain text if the description is invalid or too big."""
    template, values = (described.get(key) if isinstance(described, dict) else None for key in ("template", "values"))
    if not isinstance(template, str) or not isinstance(values, dict) or depth > MAX_DEPTH or len(values) > MAX_VALUES:
        return text
    restored = {}
    for name, value in values.items():
        if isinstance(value, dict):
            value = _restore_message(str(value.get("text")), value, depth + 1)
        if isinstance(value, list) or (isinstance(value, str) and len(value) > len(text)):
            return text
        restored[name] = value
    return _rebuild_message(text, template, restored)


def extract_toml(
    file: Any, keywords: Any, comment_tags: Any, options: Any
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Yield the texts of a TOML file for Babel, each with its key as a comment for translators.

    The option `keys` in `babel.cfg` selects the keys whose texts are messages; without it, all are.
    """
    keys = options.get("keys", "").split()
    for key, text in _flatten(tomllib.loads(file.read().decode("utf-8"))):
        if not keys or key in keys:
            yield 0, "", text, [key]


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a nested table, each with its dotted key."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
