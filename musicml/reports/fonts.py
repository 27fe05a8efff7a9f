"""Fonts for names in scripts that Matplotlib's and Typst's own fonts lack: the system's, by the letters they have."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path
from typing import Any

from musicml.utils import InputError

OWN = "DejaVu Sans"  # which comes with Matplotlib, so that every machine draws the same
NO_LETTERS = re.compile("emoji|lastresort", re.IGNORECASE)  # fonts of pictures, and of boxes for every letter
REGULAR = re.compile("regular|book|medium", re.IGNORECASE)


def import_matplotlib() -> Any:
    """Import Matplotlib.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise InputError(
            'a report needs Matplotlib for its figures, and it is not installed: `pip install -e ".[report]"` '
            "brings it."
        ) from None
    return matplotlib


def get_own_font() -> Path:
    """Return the file of the font that everything is drawn with."""
    return Path(import_matplotlib().get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def list_system_fonts() -> list[str]:
    """List the font files of this machine, an upright one of ordinary weight first."""
    from matplotlib import font_manager

    found = [path for path in font_manager.findSystemFonts() if not NO_LETTERS.search(Path(path).name)]
    return sorted(found, key=lambda path: (not REGULAR.search(Path(path).stem), path))


@functools.cache
def read_letters(path: str) -> frozenset[str]:
    """Read which letters a font file has; none of one that can't be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def find_fonts(text: str) -> tuple[tuple[str, ...], str]:
    """Find system fonts for what the own font lacks of a text.

    Returns
    -------
    font files, none where the own font has all; the letters, sorted, that no font here has
    """
    lacking = {one for one in text if not one.isascii() and one.isprintable() and not one.isspace()}
    lacking -= read_letters(str(get_own_font())) if lacking else set()
    chosen = []
    for path in list_system_fonts() if lacking else ():
        if lacking & read_letters(path):
            chosen.append(path)
            lacking -= read_letters(path)
    return tuple(chosen), "".join(sorted(lacking))


@functools.cache
def register(path: str) -> str:
    """Let Matplotlib draw with a font file, and return the name of its family."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


def name_scripts(letters: str) -> str:
    """Name the scripts of some letters, and what is no letter by its whole name.

    >>> name_scripts("กคあ𝄞")
    'Hiragana, Musical symbol g clef, Thai'
    """
    names = {one: unicodedata.name(one, f"U+{ord(one):04X}") for one in letters}
    is_word = {one: unicodedata.category(one)[0] in "LM" for one in letters}
    scripts = {re.split("[ -]", name)[0] if is_word[one] else name for one, name in names.items()}
    return ", ".join(sorted(name if name == "CJK" or name.startswith("U+") else name.capitalize() for name in scripts))
