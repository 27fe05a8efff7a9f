"""Keep a message's template apart from its values, so that it can be shown in another language.

A translator sees the template, `{n} files have no label.`, in `musicml/locales/<language>.po`, which has the format of
GNU gettext.
`make messages` brings the catalogs up to date with the code.
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
    """Text made of a template and values: in English it is a string like any other, and `translate` makes another.

    Parameters
    ----------
    template : the English text, with a blank such as `{file}` for each of `values`; without values, taken as it is
    values : what the blanks stand for, formatted as by `str.format`; messages among them are translated too

    Of a table of templates each is a message without values, so that `make messages` finds it.

    >>> message = Message("{n} files have no label.", n=3)
    >>> message
    '3 files have no label.'
    >>> message.template, message.values
    ('{n} files have no label.', {'n': 3})
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Message:
        """Make a message; of an exception among the values its message is taken."""
        values = {name: _get_own_message(value) for name, value in values.items()}
        if isinstance(template, Message) and not values:
            return template
        message = super().__new__(cls, template.format(**values) if values else template)
        message.template, message.values = str(template), values
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_message, (str(self), self.template, self.values)  # it crosses from one process to another

    def replace_value(self, old: str, new: str) -> Message:
        """Return the same message with the value `new` wherever it has the value `old`."""
        return Message(self.template, **{name: _replace(value, old, new) for name, value in self.values.items()})


def _replace(value: Any, old: str, new: str) -> Any:
    """Return a value with `new` in the place of `old`, also of the folder `old` at the beginning of a path."""
    text = str(value)
    if isinstance(value, Message) and text != old:
        return value.replace_value(old, new)
    if text == old:
        return new
    return new + text[len(old) :] if text.startswith((f"{old}/", f"{old}\\")) else value


def replace_in_message(text: str, old: str, new: str) -> str:
    """Return a text with `new` in the place of `old`: a value of a message, or a part of a plain text."""
    return text.replace_value(old, new) if isinstance(text, Message) else text.replace(old, new)


def _get_own_message(value: Any) -> Any:
    """Return the message that an exception was raised with; any other value as it is."""
    is_raised = isinstance(value, BaseException) and value.args and isinstance(value.args[0], Message)
    return value.args[0] if is_raised else value


def _rebuild_message(text: str, template: str, values: dict[str, Any]) -> Message:
    """Make a message whose text is known already."""
    message = str.__new__(Message, text)
    message.template, message.values = template, values
    return message


def pluralize(singular: str, plural: str, /, n: int, **values: Any) -> Message:
    """Make a message about `n` things, where English has two forms.

    >>> pluralize("{n} file", "{n} files", n=1)
    '1 file'
    """
    return Message(singular if n == 1 else plural, n=n, **values)


def join_messages(parts: Iterable[str], separator: str = ", ") -> Message:
    """Join messages, so that each of them can still be translated.

    >>> join_messages([Message("no label"), Message("{n} bytes", n=0)])
    'no label, 0 bytes'
    """
    values = {f"part{place}": part for place, part in enumerate(parts)}
    separator = separator.replace("{", "{{").replace("}", "}}")
    return Message(separator.join(f"{{{name}}}" for name in values), **values)


class _LocalFormatter(string.Formatter):
    """Format numbers as a language writes them."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> Any:
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
    """Translate a message; other text, and a message that the catalog lacks, stays English.

    >>> translate(Message("The file is empty."), "en")
    'The file is empty.'
    """
    if not isinstance(text, Message) or language == "en":
        return str(text)
    template = load_catalog(language).get(text.template)
    if template is None:
        # of joined parts each can be translated; a template of a stranger's run folder is never formatted
        if text.template != _get_joined_template(text):
            return str(text)
        template = text.template
    if str(text) == text.template:  # no blank was filled
        return template
    values = {
        name: translate(value, language) if isinstance(value, str) else value for name, value in text.values.items()
    }
    try:
        return _LocalFormatter(language).vformat(template, (), values)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
    ):  # values that a stranger's run folder made up
        return str(text)


def _get_joined_template(message: Message) -> str | None:
    """Return the template that `join_messages` makes of the message's values; None where it made none."""
    names = [f"part{place}" for place in range(len(message.values))]
    if not names or list(message.values) != names:
        return None
    between = message.template.split(f"{{{names[0]}}}")[-1].split("{part")[0] if len(names) > 1 else ""
    return between.join(f"{{{name}}}" for name in names)


@functools.cache
def load_catalog(language: str) -> Mapping[str, str]:
    """Load the templates of a language: English template -> its translation; those without one are left out."""
    from babel.messages.pofile import read_po

    path = LOCALES / f"{language}.po"
    if not path.is_file():
        return {}
    with open(path, "rb") as file:
        catalog = read_po(file, locale=language)
    found: dict[str, str] = {}
    for message in catalog:
        if message.id and message.string and not message.fuzzy:
            # both forms of English have the one that Indonesian has
            ids, strings = ([one] if isinstance(one, str) else list(one) for one in (message.id, message.string))
            found |= {one: strings[min(place, len(strings) - 1)] for place, one in enumerate(ids)}
    return {english: words for english, words in found.items() if words}


def add_messages(content: Any) -> Any:
    """Add `messages` to what will be written as JSON: text -> template and values of each message in it."""
    found = {str(message): _describe_message(message) for message in _find_messages(content)}
    return {**content, MESSAGES: found} if found and isinstance(content, Mapping) else content


def _find_messages(content: Any) -> Iterator[Message]:
    """Yield the messages in what is written as JSON."""
    if isinstance(content, Message):
        yield content
    elif isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _find_messages(value)


def _describe_message(message: Message) -> dict[str, Any]:
    """Describe a message in what JSON can hold."""
    return {"template": message.template, "values": {name: _describe(value) for name, value in message.values.items()}}


def _describe(value: Any) -> Any:
    """Describe a value of a message."""
    if isinstance(value, Message):
        return {"text": str(value), **_describe_message(value)}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    return str(value)


def restore_messages(content: Any) -> Any:
    """Turn texts that were read from JSON into the messages that they were when `add_messages` described them.

    Where there is no description, as in older files, text stays text.
    """
    if not isinstance(content, dict) or not isinstance(known := content.get(MESSAGES), dict):
        return content
    content = {key: value for key, value in content.items() if key != MESSAGES}
    return _restore(content, {text: _restore_message(text, described) for text, described in known.items()})


def _restore(content: Any, known: Mapping[str, str]) -> Any:
    """Put messages in the place of their texts."""
    if isinstance(content, str):
        return known.get(content, content)
    if isinstance(content, dict):
        return {key: _restore(value, known) for key, value in content.items()}
    return [_restore(value, known) for value in content] if isinstance(content, list) else content


def _restore_message(text: str, described: Any, depth: int = 0) -> str:
    """Make a message of its text and its description; text where that can be none of ours, so that it stays small."""
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

    An option `keys` in `babel.cfg` names those that are messages, where not all are.
    """
    keys = options.get("keys", "").split()
    for key, text in _flatten(tomllib.loads(file.read().decode("utf-8"))):
        if not keys or key in keys:
            yield 0, "", text, [key]


def _flatten(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a nested table, each with its dotted key."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
