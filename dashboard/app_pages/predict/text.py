"""Format messages about files and predictions in the chosen language."""

from __future__ import annotations

from dashboard import layout
from dashboard.app_pages.predict import results
from dashboard.app_pages.predict.files import UploadedFile

say = layout.LazyText("predict")


def format_title(file: UploadedFile) -> str:
    """Return a file's name, or a substitute where it has none."""
    return layout.translate_message(file.title)


def translate_answer(sentence: str) -> str:
    """Translate an error message or a warning."""
    return say("fault") if sentence == results.MISHAP else layout.translate_message(sentence)


def format_failure(file: UploadedFile) -> str:
    """Return the message for a file where the dashboard itself failed."""
    return say("failed", name=format_title(file), sentence=translate_answer(results.MISHAP))
