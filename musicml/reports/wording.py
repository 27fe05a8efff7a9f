"""The words of a report, by key, in English or Indonesian; numbers follow the language too."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.reports.document import Cell, Figure, Table, format_cell
from musicml.reports.plots import Drawing
from musicml.utils import InputError, Message, make_printable, translate

if TYPE_CHECKING:
    from musicml.reports.run_data import RunData

WORDS = Path(__file__).parent / "words.toml"
LANGUAGES = ("en", "id")


class Words:
    """The words of one language: `words("summary.right", right=90, n=93)`.

    Parameters
    ----------
    language : one of `LANGUAGES`
    scored_on : `test`, `val` or `folds`; fills the placeholder `{split}`
    run_names : the runs that tables and figures are about, for their source lines
    place : position of the run among several, from 1; 0 for a single run or all runs together
    """

    def __init__(self, language: str, scored_on: str = "test", run_names: Sequence[str] = (), place: int = 0):
        if language not in LANGUAGES:
            raise InputError(
                "Expected a report language of {languages}, got {language!r}.",
                languages=" or ".join(LANGUAGES),
                language=make_printable(language),
            )
        self.language, self.scored_on, self.run_names, self.place = language, scored_on, run_names, place

    def __call__(self, key: str, **values: Any) -> str:
        """Return the words of `key` with its placeholders filled: a float has three decimals."""
        known = read_words()
        filled = {
            name: format_cell(value, self.language) if isinstance(value, int | float) else value
            for name, value in values.items()
        }
        split = Message(known[f"scored.{self.scored_on}"])  # a message in a message is translated too
        return translate(Message(known[key], split=split, **filled), self.language)

    def for_run(self, run: RunData) -> Words:
        """Return the same words for one run."""
        return Words(self.language, run.scored_on, (run.name,), run.place)

    def for_runs(self, runs: Sequence[RunData]) -> Words:
        """Return the same words for several runs together."""
        return Words(self.language, self.scored_on, [run.name for run in runs])

    def get(self, key: str, default: str) -> str:
        """Return the words of `key`, or `default` if there are none, as for a name from a newer file."""
        return self(key) if key in read_words() else default

    def capitalize(self, key: str, default: str = "") -> str:
        """Return the words of `key` with a capital, for a heading or the start of a sentence."""
        text = self.get(key, default or key)
        return text[:1].upper() + text[1:]

    def get_headings(self, keys: str) -> tuple[str, ...]:
        """Return column headings: `"side files"`; a key without a section belongs to `[column]`."""
        return tuple(self.capitalize(key) if "." in key else self(f"column.{key}") for key in keys.split())

    def translate(self, message: str) -> str:
        """Translate a message that another part of the package made."""
        return translate(message, self.language)

    def write_source(self, *files: str) -> str:
        """Write the source line of a table or figure."""
        key, first = ("one", files[0]) if len(files) == 1 else ("several", ", ".join(files[:-1]))
        return " ".join(
            self(f"source.{key}", file=first, files=first, last=files[-1], run=name) for name in self.run_names
        )

    def make_table(
        self,
        name: str,
        columns: str | Sequence[str],
        rows: Iterable[Sequence[Cell]],
        caption: str,
        *files: str,
        source: str = "",
        is_attachment: bool = False,
    ) -> Table:
        """Make a table about the runs.

        Parameters
        ----------
        columns : keys for `get_headings`, or finished headings
        caption : finished text
        files : run-folder files that the numbers come from; or `source`, a finished source line
        """
        headings = self.get_headings(columns) if isinstance(columns, str) else tuple(columns)
        cells = tuple(map(tuple, rows))  # rows may be a generator
        source = source or self.write_source(*files)
        return Table(self.make_name(name), headings, cells, caption, source, is_attachment=is_attachment)

    def make_figure(self, name: str, drawing: Drawing, caption: str, alt: str, *files: str) -> Figure:
        """Make a figure about the runs, with parameters as in `make_table`."""
        return Figure(self.make_name(name), drawing, caption, self.write_source(*files), alt)

    def make_name(self, name: str) -> str:
        """Make the name of a table or figure unique in a report on several runs."""
        return f"{name}-{self.place}" if self.place else name  # file names and HTML ids must be unique


@functools.cache
def read_words() -> dict[str, str]:
    """Read the English words of every key, `section.name`."""
    sections = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    return {f"{section}.{name}": words for section, rows in sections.items() for name, words in rows.items()}
