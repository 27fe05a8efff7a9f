"""Look up the words of the pages: one TOML file per page in English, with translations in `musicml/locales`.

`common.toml` holds the words of several pages. A page looks up a key, never a sentence.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from musicml.utils import Message, translate

LANGUAGES = {"en": "English", "id": "Bahasa Indonesia"}
FOLDER = Path(__file__).parent


@functools.cache
def read_words(language: str, page: str) -> dict[str, str]:
    """Read the words of one page: key → sentence, with `{blanks}`."""
    words = tomllib.loads((FOLDER / f"{page}.toml").read_text(encoding="utf-8"))
    return {key: translate(Message(sentence), language) for key, sentence in words.items()}


def match_locale(locale: str | None) -> str:
    """Return the language that fits the browser's: `id-ID` → `id`; English where there is none.

    >>> match_locale("id-ID"), match_locale("fr"), match_locale(None)
    ('id', 'en', 'en')
    """
    first = (locale or "").replace("_", "-").split("-")[0].lower()
    # "in" is an old code of Indonesian, and Malay readers understand it
    return {"in": "id", "ms": "id"}.get(first, first if first in LANGUAGES else "en")


def choose_language(requested: str | None, locale: str | None) -> str:
    """Return the language in an address (`?lang=id`), or else the browser's.

    >>> choose_language("id", "en-GB"), choose_language("xx", "en-GB")
    ('id', 'en')
    """
    return requested if requested in LANGUAGES else match_locale(locale)


@dataclass(frozen=True)
class Words:
    """Hold the words of one page in one language; call it with a key and the values of the blanks.

    >>> Words("en", "common")("yes")
    'yes'
    """

    language: str
    page: str

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key with its blanks filled, from the page's words or from common.toml.

        English needs a singular: for `n=1`, the sentence of `key_one` is used where there is one.
        """
        key = f"{key}_one" if values.get("n") == 1 and self.has(f"{key}_one") else key
        own = read_words("en", self.page)  # the English text is also the key for its translation
        sentence = own[key] if key in own else read_words("en", "common")[key]
        return translate(Message(sentence, **values), self.language)

    def has(self, key: str) -> bool:
        """Return whether there is such a key."""
        return key in read_words("en", self.page) or key in read_words("en", "common")
