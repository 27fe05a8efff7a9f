"""What is said of files and answers, in the language chosen."""

from __future__ import annotations

from dashboard import layout
from dashboard.app_pages.predict import results
from dashboard.app_pages.predict.files import UploadedFile

say = layout.LazyText("predict")


def format_title(file: UploadedFile) -> str:
    """A file's name, or what we call what has none."""
    return layout.translate_message(file.title)


def translate_answer(sentence: str) -> str:
    """Why there is no answer, or a warning, in the language chosen."""
    return say("fault") if sentence == results.MISHAP else layout.translate_message(sentence)


def format_failure(file: UploadedFile) -> str:
    """What is said of a file where we failed."""
    return say("failed", name=format_title(file), sentence=translate_answer(results.MISHAP))
