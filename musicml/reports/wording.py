"""The words of a report, by key, in English or Bahasa Indonesia; what the package says itself goes through `said`."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from musicml.reports.document import number, thousands
from musicml.utils import InputError, make_printable, translate

HOME = Path(__file__).parent / "words"
LANGUAGES = ("en", "id")


class Words:
    """The words of one language: `words("summary.right", n=93)`; numbers are written as the language writes them.

    Parameters
    ----------
    language : one of `LANGUAGES`
    judged : what the figures are of, `test`, `val` or `folds`, which fills the blank of that name
    """

    def __init__(self, language: str, judged: str = "test"):
        if language not in LANGUAGES:
            raise InputError(
                "a report's language must be {languages}, and is {language!r}: choose one.",
                languages=" or ".join(LANGUAGES),
                language=make_printable(language),
            )
        self.language, self.judged = language, judged

    def __call__(self, key: str, **values: Any) -> str:
        """The words of `key`, their blanks filled."""
        known = table(self.language)
        filled = {name: self.shown(value) for name, value in values.items()}
        return known[key].format(judged=known[f"judged.{self.judged}"], **filled)

    def judging(self, judged: str) -> Words:
        """The same words where the figures are of another side."""
        return Words(self.language, judged)

    def get(self, key: str, otherwise: str) -> str:
        """The words of `key`, or `otherwise` where there are none: for names that a file may bring anew."""
        return table(self.language).get(key, otherwise)

    def shown(self, value: Any) -> str:
        """What fills a blank: a share with three digits, a count, or text as it is."""
        if isinstance(value, float):
            return number(value, 3, self.language)
        return thousands(value, self.language) if isinstance(value, int) else str(value)

    def said(self, sentence: str) -> str:
        """A sentence of the package in this language."""
        return translate(str(sentence), self.language)

    def source(self, run: str, *files: str) -> str:
        """The line below a table or figure that says where it comes from."""
        if len(files) == 1:
            return self("source.one", file=files[0], run=run)
        return self("source.several", files=", ".join(files[:-1]), last=files[-1], run=run)


@functools.cache
def table(language: str) -> dict[str, str]:
    """Every key of a language, `section.name`, with its words."""
    found = tomllib.loads((HOME / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{section}.{name}": words for section, rows in found.items() for name, words in rows.items()}
