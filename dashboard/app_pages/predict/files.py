"""Let the user choose what to predict (uploads, a recording, a test example), and prepare what the page shows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from dashboard import datasets, layout, media, runs
from dashboard.app_pages.predict import predictors
from dashboard.caching import cache_by, stamp_runs
from dashboard.runs import RunView
from musicml.data.io import AudioSource, load_audio, load_image, open_stream
from musicml.utils import Message, make_printable

SHOWN = "asking-shown"  # session key of what the page shows of the current file
RECORDING = Message("the recording")
PLAYED = {  # formats that browsers play without conversion
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "webm": "audio/webm",
}

SAMPLE_RATE = 48_000  # Hz, the usual rate of a browser's microphone
MAX_UPLOAD_MB = 20

say = layout.LazyText("predict")


@dataclass(frozen=True)
class UploadedFile:
    """Hold a file to predict.

    Attributes
    ----------
    name : the file's name as shown; never used as a path
    key : identifies the file and its content
    content : returns the file's bytes, so that an example is read only when needed
    is_example : whether it is a test example of the run, with its id as `name`
    """

    name: str
    key: str
    content: Callable[[], bytes] = field(repr=False)
    is_example: bool = False

    @property
    def title(self) -> str:
        """The name on one line, shortened if it is long."""
        title = make_printable(self.name)
        return title if isinstance(title, Message) else title.strip() or "?"

    @property
    def shown_title(self) -> str:
        """The title in the chosen language; a recording's title is translated."""
        return layout.translate_message(self.title)


def is_picture(file: UploadedFile) -> bool:
    """Return whether a file's content is a picture, for runs that also take sounds."""
    with AudioSource(file.content(), file.name).open() as opened:
        return opened.is_picture


def get_playable(file: UploadedFile) -> tuple[bytes, str, bool]:
    """Return a sound that browsers can play, its type, and whether it is complete; rare types as a wav of 30 s."""
    content = file.content()
    with open_stream(AudioSource(content, file.title)) as stream:
        if stream.kind in PLAYED:  # decided by content: the name's suffix may be wrong
            return content, PLAYED[stream.kind], True
    played, whole = _keep_latest(f"wav {file.key}", lambda: _read_beginning(content, file.title))
    return played, PLAYED["wav"], whole


def _read_beginning(content: bytes, name: str) -> tuple[bytes, bool]:
    """Read the first half minute of a sound as a wav file, and whether that is all of it."""
    sound = load_audio(content, 22_050, media.MAX_PLAYED_SECONDS, name)
    return media.encode_wav(sound.y, sound.sample_rate), sound.seconds < media.MAX_PLAYED_SECONDS - 0.01


def make_thumbnail(file: UploadedFile) -> np.ndarray:
    """Shrink a picture to the displayed size, [shape=(height, width, 3)], uint8."""
    return _keep_latest(
        f"picture {file.key}", lambda: media.shrink_picture(load_image(file.content(), file.title).pixels)
    )


def _keep_latest(key: str, make: Callable[[], Any]) -> Any:
    """Return the result of `make`, and cache the latest one in the session."""
    latest, value = st.session_state.get(SHOWN, (None, None))
    if latest != key:
        value = make()
        st.session_state[SHOWN] = (key, value)
    return value


def select_files(view: RunView) -> list[UploadedFile]:
    """Return the files to predict: uploads, a recording, or an example of the run's own data."""
    kinds = predictors.get_input_kinds(view)  # some runs accept sounds and pictures of spectrograms
    ways = ("upload", "record", "pick") if "sound" in kinds else ("upload", "pick")
    way = say.select("way", ways, f"predict-way-{len(ways)}")
    if way == "pick":
        return _select_example(view)
    if way == "upload":
        return _upload_files(kinds)
    st.markdown(say("record_how"))
    recording = st.audio_input(say("record"), sample_rate=SAMPLE_RATE, key="predict-record")
    return [UploadedFile(RECORDING, recording.file_id, recording.getvalue)] if recording else []


def _upload_files(kinds: Sequence[str]) -> list[UploadedFile]:
    """Let the user upload files."""
    st.markdown(say(f"upload_{'_or_'.join(kinds)}", megabytes=MAX_UPLOAD_MB))
    uploads = st.file_uploader(
        say("files"),
        [suffix for kind in kinds for suffix in predictors.SUFFIXES[kind]],
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"predict-files-{'-'.join(kinds)}",
        label_visibility="collapsed",
    )
    return [UploadedFile(file.name, file.file_id, file.getvalue) for file in uploads]


def _select_example(view: RunView) -> list[UploadedFile]:
    """Let the user choose a test example; a cross-validation has none, because its model was trained on all files."""
    reason = "none_its_own" if view.status == "pretrained" else "none_new" if view.info.split.folds else ""
    found = {} if reason else _list_examples(view)
    if not found:
        st.info(say(reason or "not_here"))
        return []
    left, right = st.columns(2)
    label = left.selectbox(say("class"), list(found), key="predict-class")
    name = right.selectbox(say("example"), found[label], key="predict-example")
    st.caption(say("tested"))
    path = datasets.find_file(view, name)
    if path is None:
        st.info(say("gone"))
        return []
    # the modification time makes a changed file a new one
    return [UploadedFile(name, f"{path}@{path.stat().st_mtime_ns}", path.read_bytes, True)]


def _list_examples(view: RunView) -> dict[str, list[str]]:
    """List the files that a run was tested on, by class."""
    names = _read_test_names(view)
    found: dict[str, list[str]] = {}  # label → ids
    for example in datasets.open_run_dataset(view).examples.values():
        for label in (name for name, there in example.labels.items() if there and example.id in names):
            found.setdefault(label, []).append(example.id)
    return dict(sorted(found.items()))


@cache_by(stamp_runs("split.csv"), max_entries=50)
def _read_test_names(view: RunView) -> frozenset[str]:
    """Read the examples of a run's test split; none where split.csv is missing."""
    return frozenset(row.get("example", "") for row in runs.read_table(view, "split.csv") if row.get("split") == "test")


def get_labels(view: RunView, file: UploadedFile) -> list[str]:
    """Return the labels of a test example; none for other files."""
    found = datasets.open_run_dataset(view).examples.get(file.name) if file.is_example else None
    return [name for name, there in found.labels.items() if there] if found else []
