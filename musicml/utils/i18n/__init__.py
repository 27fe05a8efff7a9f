"""What the package says in English, in another language: refusals, warnings, findings, notes, reasons in run folders.

Such sentences come finished, many of them from a file, so they can't be asked for by a key. A catalogue,
`<language>/*.toml`, has for each English template with `{blanks}` one in the language with the same blanks.
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent
# blanks that hold words of ours: they are said in the language too. What others hold is a figure, or a name that
# somebody gave, and nobody's file is to be renamed because its name is a sentence of ours.
SAYABLE = {"cure", "error", "hint", "kind", "reason", "rule", "said", "seen"}
UNNAMED = {"this upload", "the array", "the recording"}  # but this is what we call what has no name


@dataclass(frozen=True)
class Template:
    """One sentence in both languages.

    Attributes
    ----------
    pattern : what an English sentence of this template looks like
    longest : the most words of it that stand together
    told : how many of its characters are told beforehand
    wording : the other language's, with the same blanks
    """

    pattern: re.Pattern
    longest: str
    told: int
    wording: str


def translate(sentence: str, language: str) -> str:
    """A sentence of the package in a language; as it is where the catalogue has none like it, and in English.

    >>> translate("this upload must hold sound, and looks like text: give a wav, flac, mp3, ogg or m4a file.", "id")
    'unggahan ini harus berisi suara, tetapi tampak seperti teks: berikan berkas wav, flac, mp3, ogg, atau m4a.'
    """
    for template in load_catalogue(language):
        # the words first, since a pattern that fails late takes a hundred times as long
        if template.longest in sentence and (found := template.pattern.fullmatch(sentence)):
            values = {
                blank: translate(value, language)
                if blank.rstrip("0123456789") in SAYABLE or value in UNNAMED
                else value
                for blank, value in found.groupdict().items()
            }
            return template.wording.format(**values)
    return sentence


@functools.cache
def load_catalogue(language: str) -> list[Template]:
    """The templates of a language, the most specific first; none for English."""
    made = [
        make_template(english, wording)
        for file in sorted((HOME / language).glob("*.toml"))
        for english, wording in tomllib.loads(file.read_text(encoding="utf-8")).items()
    ]
    return sorted(made, key=lambda template: -template.told)


def make_template(english: str, wording: str) -> Template:
    """A template from its two wordings. The blank `n` holds a whole number, any other at least one character."""
    literals, pattern, known = [], "", set()
    for literal, blank, _, _ in string.Formatter().parse(english):
        literals.append(literal)
        pattern += re.escape(literal)
        if blank is not None:
            inner = r"\d+" if blank == "n" else ".+?"
            pattern += f"(?P={blank})" if blank in known else f"(?P<{blank}>{inner})"
            known.add(blank)
    return Template(re.compile(pattern, re.DOTALL), max(literals, key=len), sum(map(len, literals)), wording)
