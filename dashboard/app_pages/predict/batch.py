"""Show all predictions as a table, and why some files have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.predict import results, text
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.results import Answer
from dashboard.runs import RunView

LONG = ("warnings", "error")  # columns of sentences, which would push each other out of sight

say = layout.LazyText("predict")


def show_errors(uploads: Sequence[UploadedFile], found: dict[tuple, Answer]) -> None:
    """Show why files were rejected, each reason once."""
    sentences: dict[str, None] = {}
    bad = set()
    for file in uploads:
        for answer in (answer for (_, key), answer in found.items() if key == file.key and isinstance(answer, str)):
            bad.add(file.key)
            sentences[text.format_failure(file) if answer == results.MISHAP else text.translate_answer(answer)] = None
    if len(sentences) == 1:
        st.error(layout.escape_markdown(next(iter(sentences))), icon=":material/error:")
    elif sentences:
        lines = "\n".join(say("item", sentence=layout.escape_markdown(sentence)) for sentence in sentences)
        st.error(say("refused", n=len(bad), lines=lines), icon=":material/error:")


def show_table(chosen: Sequence[RunView], uploads: Sequence[UploadedFile], found: dict[tuple, Answer]) -> None:
    """Show a table of all predictions, whose CSV has every probability."""
    names = ["file", "run", "label", "probability", "present", "unlike_training", "warnings", "error"]
    hidden = set() if len(chosen) > 1 else {"run"}
    if all(runs.get_manifest(one).task == "single" for one in chosen):
        hidden.add("present")
    st.markdown(say("batch", n=len(uploads)))
    layout.show_table(
        results.make_rows(chosen, uploads, found, text.translate_answer),
        "predict-answers",
        {name: _configure_column(name) for name in names},
        column_order=[name for name in names if name not in hidden],
    )


def _configure_column(name: str) -> Any:
    """Return the settings of a column of the table."""
    if name == "probability":
        return st.column_config.NumberColumn(say(name), format="percent")
    if name == "unlike_training":
        return st.column_config.CheckboxColumn(say("column_unlike_training"))
    return st.column_config.TextColumn(say(f"column_{name}"), width="medium" if name in LONG else None)


def select_file(uploads: Sequence[UploadedFile]) -> UploadedFile:
    """Let the user choose the file to show in full."""
    if len(uploads) == 1:
        return uploads[0]
    names = {place: say("numbered", n=place + 1, name=text.format_title(file)) for place, file in enumerate(uploads)}
    return uploads[
        st.selectbox(say("which"), list(names), format_func=layout.make_formatter(names), key="predict-which")
    ]
