"""What the reader asks about: files of their own, a recording, or an example of a run's own data."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import datasets, layout
from dashboard.app_pages.predict import files, predictors
from dashboard.app_pages.predict.files import Asked
from dashboard.runs import Entry

SAMPLE_RATE = 48_000  # Hz: what microphones of browsers give
UPLOAD = 20  # megabytes

say = layout.Saying("predict")


def given(one: Entry) -> list[Asked]:
    """What the reader asks about: uploads, a recording, or an example of the run's own data."""
    kinds = predictors.takes(one)
    ways = {
        way: say(f"way_{way}") for way in (("upload", "record", "pick") if "sound" in kinds else ("upload", "pick"))
    }
    way = layout.one_of(say("way"), ways, f"predict-way-{len(ways)}")
    if way == "pick":
        return picked(one)
    return recorded() if way == "record" else uploaded(kinds)


def uploaded(kinds: Sequence[str]) -> list[Asked]:
    """Files from the reader's own disk."""
    st.markdown(say(f"upload_{'_or_'.join(kinds)}", megabytes=UPLOAD))
    taken = st.file_uploader(
        say("files"),
        predictors.suffixes(kinds),
        accept_multiple_files=True,
        max_upload_size=UPLOAD,
        key=f"predict-files-{'-'.join(kinds)}",
        label_visibility="collapsed",
    )
    return [Asked(file.name, file.file_id, file.getvalue) for file in taken]


def recorded() -> list[Asked]:
    """What the reader's microphone hears."""
    st.markdown(say("record_how"))
    taken = st.audio_input(say("record"), sample_rate=SAMPLE_RATE, key="predict-record")
    return [Asked(files.RECORDING, taken.file_id, taken.getvalue)] if taken else []


def picked(one: Entry) -> list[Asked]:
    """An example of the run's test side; a cross-validation's model has none, since it was trained on all files."""
    if one.split.folds:
        st.info(say("none_new"))
        return []
    found = files.examples(one)
    if not found:
        st.info(say("not_here"))
        return []
    left, right = st.columns(2)
    label = left.selectbox(say("class"), list(found), key="predict-class")
    name = right.selectbox(say("example"), found[label], key="predict-example")
    st.caption(say("tested"))
    path = datasets.file_of(one, name)
    if path is None:
        st.info(say("gone"))
        return []
    return [Asked(name, f"{path}@{path.stat().st_mtime_ns}", path.read_bytes, True)]
