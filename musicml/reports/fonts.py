"""Find system fonts for scripts that the fonts of Matplotlib and Typst lack."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path
from typing import Any

from musicml.utils import InputError

OWN = "DejaVu Sans"  # comes with Matplotlib, so that charts look the same on every machine
NO_LETTERS = re.compile("emoji|lastresort", re.IGNORECASE)  # fonts of pictures, and of a box for every letter
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
            'A report needs Matplotlib for its figures, which is not installed. Run `pip install -e ".[report]"`.'
        ) from None
    return matplotlib


def get_own_font() -> Path:
    """Return the file of the font that charts use by default."""
    return Path(import_matplotlib().get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def list_system_fonts() -> list[str]:
    """List the font files of this machine, upright fonts of regular weight first."""
    from matplotlib import font_manager

    paths = [path for path in font_manager.findSystemFonts() if not NO_LETTERS.search(Path(path).name)]
    return sorted(paths, key=lambda path: (not REGULAR.search(Path(path).stem), path))


@functools.cache
def read_letters(path: str) -> frozenset[str]:
    """Read the set of letters in a font file; empty if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def find_fonts(text: str) -> tuple[tuple[str, ...], str]:
    """Find system fonts for the letters of a text that the default font lacks.

    Returns
    -------
    font files, empty if the default font has all letters; the letters, sorted, that no font has
    """
    missing = {char for char in text if not char.isascii() and char.isprintable() and not char.isspace()}
    missing -= read_letters(str(get_own_font())) if missing else set()
    paths = []
    for path in list_system_fonts() if missing else ():  # listing them takes a moment, and is rarely needed
        if missing & read_letters(path):
            paths.append(path)
            missing -= read_letters(path)
    return tuple(paths), "".join(sorted(missing))


@functools.cache
def register(path: str) -> str:
    """Register a font file with Matplotlib and return the name of its family."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


def name_scripts(letters: str) -> str:
    """Name the scripts of some letters; a character that is not a letter is named in full.

    >>> name_scripts("กคあ𝄞")
    'Hiragana, Musical symbol g clef, Thai'
    """
    names = {char: unicodedata.name(char, f"U+{ord(char):04X}") for char in letters}
    is_letter = {char: unicodedata.category(char)[0] in "LM" for char in letters}  # L: letters, M: marks on them
    # the Unicode name of a letter begins with its script: THAI CHARACTER KO KAI
    scripts = {re.split("[ -]", name)[0] if is_letter[char] else name for char, name in names.items()}
    return ", ".join(sorted(name if name == "CJK" or name.startswith("U+") else name.capitalize() for name in scripts))
