"""What is said of files and answers, in the language chosen."""

from __future__ import annotations

from dashboard import layout
from dashboard.app_pages.predict import results
from dashboard.app_pages.predict.files import Asked

say = layout.Saying("predict")


def title(file: Asked) -> str:
    """A file's name, or what we call what has none."""
    return layout.translated(file.title)


def told(sentence: str) -> str:
    """Why there is no answer, or a warning, in the language chosen."""
    return say("fault") if sentence == results.MISHAP else layout.translated(sentence)


def failed(file: Asked) -> str:
    """What is said of a file where we failed."""
    return say("failed", name=title(file), sentence=told(results.MISHAP))
