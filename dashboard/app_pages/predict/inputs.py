"""Let the user choose what to predict: uploads, a recording, or a test example."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import datasets, layout
from dashboard.app_pages.predict import files, predictors
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.runs import RunView

SAMPLE_RATE = 48_000  # Hz: what microphones of browsers give
MAX_UPLOAD_MB = 20  # megabytes

say = layout.LazyText("predict")


def select_files(one: RunView) -> list[UploadedFile]:
    """Return the files to predict: uploads, a recording, or an example of the run's own data."""
    kinds = predictors.get_input_kinds(one)
    ways = {
        way: say(f"way_{way}") for way in (("upload", "record", "pick") if "sound" in kinds else ("upload", "pick"))
    }
    way = layout.select_option(say("way"), ways, f"predict-way-{len(ways)}")
    if way == "pick":
        return _select_example(one)
    return _record_sound() if way == "record" else _upload_files(kinds)


def _upload_files(kinds: Sequence[str]) -> list[UploadedFile]:
    """Let the user upload files."""
    st.markdown(say(f"upload_{'_or_'.join(kinds)}", megabytes=MAX_UPLOAD_MB))
    taken = st.file_uploader(
        say("files"),
        predictors.list_suffixes(kinds),
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"predict-files-{'-'.join(kinds)}",
        label_visibility="collapsed",
    )
    return [UploadedFile(file.name, file.file_id, file.getvalue) for file in taken]


def _record_sound() -> list[UploadedFile]:
    """Let the user record a sound."""
    st.markdown(say("record_how"))
    taken = st.audio_input(say("record"), sample_rate=SAMPLE_RATE, key="predict-record")
    return [UploadedFile(files.RECORDING, taken.file_id, taken.getvalue)] if taken else []


def _select_example(one: RunView) -> list[UploadedFile]:
    """Let the user choose a test example; a cross-validation has none, because its model was trained on all files."""
    if one.status == "pretrained":
        st.info(say("none_its_own"))
        return []
    if one.split.folds:
        st.info(say("none_new"))
        return []
    found = files.list_examples(one)
    if not found:
        st.info(say("not_here"))
        return []
    left, right = st.columns(2)
    label = left.selectbox(say("class"), list(found), key="predict-class")
    name = right.selectbox(say("example"), found[label], key="predict-example")
    st.caption(say("tested"))
    path = datasets.find_file(one, name)
    if path is None:
        st.info(say("gone"))
        return []
    return [UploadedFile(name, f"{path}@{path.stat().st_mtime_ns}", path.read_bytes, True)]
