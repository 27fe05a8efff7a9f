"""The words of a report, by key, in English or Bahasa Indonesia; what the package says itself goes through `said`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.reports.document import Cell, Figure, Table, shown
from musicml.reports.plots import Drawing
from musicml.utils import InputError, Message, make_printable, translate

if TYPE_CHECKING:
    from musicml.reports.run_data import Told

WORDS = Path(__file__).parent / "words.toml"
LANGUAGES = ("en", "id")


class Words:
    """The words of one language: `words("summary.right", n=93)`; numbers are written as the language writes them.

    Parameters
    ----------
    language : one of `LANGUAGES`
    judged : what the figures are of, `test`, `val` or `folds`, which fills the blank of that name
    runs : the names of the runs that tables and figures come from
    place : of the one run among several, from 1; 0 of a run alone and of several at once
    """

    def __init__(self, language: str, judged: str = "test", runs: Sequence[str] = (), place: int = 0):
        if language not in LANGUAGES:
            raise InputError(
                "a report's language must be {languages}, and is {language!r}: choose one.",
                languages=" or ".join(LANGUAGES),
                language=make_printable(language),
            )
        self.language, self.judged, self.runs, self.place = language, judged, runs, place

    def __call__(self, key: str, **values: Any) -> str:
        """Return the words of `key`, their blanks filled: a share with three digits, a count, text as it is."""
        known = read_words()
        filled = {
            name: shown(value, self.language) if isinstance(value, int | float) else str(value)
            for name, value in values.items()
        }
        judged = Message(known[f"judged.{self.judged}"])
        return translate(Message(known[key], judged=judged, **filled), self.language)

    def of(self, one: Told) -> Words:
        """Return the same words for one run."""
        return Words(self.language, one.judged, (one.name,), one.place)

    def across(self, some: Sequence[Told]) -> Words:
        """Return the same words for several runs at once."""
        return Words(self.language, self.judged, [one.name for one in some])

    def get(self, key: str, otherwise: str) -> str:
        """Return the words of `key`, or `otherwise` where there are none: for names that a file may bring anew."""
        return self(key) if key in read_words() else otherwise

    def head(self, keys: str) -> tuple[str, ...]:
        """Return what stands above columns: `"side files"`; a key without a section is one of `[column]`."""
        return tuple(self(key if "." in key else f"column.{key}") for key in keys.split())

    def said(self, sentence: str) -> str:
        """Translate a message of the package."""
        return translate(sentence, self.language)

    def source(self, *files: str) -> str:
        """Write the line below a table or figure that says where it comes from."""
        key, first = ("one", files[0]) if len(files) == 1 else ("several", ", ".join(files[:-1]))
        return " ".join(self(f"source.{key}", file=first, files=first, last=files[-1], run=run) for run in self.runs)

    def table(
        self,
        name: str,
        columns: str | Sequence[str],
        rows: Iterable[Sequence[Cell]],
        caption: str,
        *files: str,
        source: str = "",
        beside: bool = False,
    ) -> Table:
        """Make a table of the runs.

        Parameters
        ----------
        columns : their keys, as `head` takes them, or finished words
        caption : finished words
        files : of the run folders, that its figures come from; or `source`, the finished sentence
        """
        heads = self.head(columns) if isinstance(columns, str) else tuple(columns)
        lines = tuple(map(tuple, rows))
        return Table(self.number(name), heads, lines, caption, source or self.source(*files), beside=beside)

    def figure(self, name: str, drawing: Drawing, caption: str, alt: str, *files: str) -> Figure:
        """Make a figure of the runs; as `table`."""
        return Figure(self.number(name), drawing, caption, self.source(*files), alt)

    def number(self, name: str) -> str:
        """Make the name of a table or figure one of a kind in the report."""
        return f"{name}-{self.place}" if self.place else name


@functools.cache
def read_words() -> dict[str, str]:
    """Read every key, `section.name`, with its words in English."""
    found = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    return {f"{section}.{name}": words for section, rows in found.items() for name, words in rows.items()}
