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

SHOWN = "asking-shown"  # where a session keeps what it shows
RECORDING = Message("the recording")
PLAYED = {  # what browsers play as it is
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "webm": "audio/webm",
}

SAMPLE_RATE = 48_000  # Hz: what microphones of browsers give
MAX_UPLOAD_MB = 20  # megabytes

say = layout.LazyText("predict")


@dataclass(frozen=True)
class UploadedFile:
    """Hold a file to predict.

    Attributes
    ----------
    name : what it is called; never a path to anything
    key : tells it from every other file, and one content from another
    content : its bytes, when they are needed
    is_example : whether it is one of the run's own, `name` its id
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
        """The title in the chosen language, in which a recording has a name."""
        return layout.translate_message(self.title)


def is_picture(file: UploadedFile) -> bool:
    """Return whether a file's content is a picture, for runs that also take sounds."""
    with AudioSource(file.content(), file.name).open() as opened:
        return opened.is_picture


def get_playable(file: UploadedFile) -> tuple[bytes, str, bool]:
    """Return a sound that browsers can play, its type, and whether it is complete; a rare type's beginning as wav."""
    content = file.content()
    with open_stream(AudioSource(content, file.title)) as stream:
        if stream.kind in PLAYED:
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
    """Return what `make` returns, stored in the session until another key replaces it."""
    held, value = st.session_state.get(SHOWN, (None, None))
    if held != key:
        value = make()
        st.session_state[SHOWN] = (key, value)
    return value


def select_files(one: RunView) -> list[UploadedFile]:
    """Return the files to predict: uploads, a recording, or an example of the run's own data."""
    kinds = predictors.get_input_kinds(one)
    ways = ("upload", "record", "pick") if "sound" in kinds else ("upload", "pick")
    way = say.select("way", ways, f"predict-way-{len(ways)}")
    if way == "pick":
        return _select_example(one)
    if way == "upload":
        return _upload_files(kinds)
    st.markdown(say("record_how"))
    taken = st.audio_input(say("record"), sample_rate=SAMPLE_RATE, key="predict-record")
    return [UploadedFile(RECORDING, taken.file_id, taken.getvalue)] if taken else []


def _upload_files(kinds: Sequence[str]) -> list[UploadedFile]:
    """Let the user upload files."""
    st.markdown(say(f"upload_{'_or_'.join(kinds)}", megabytes=MAX_UPLOAD_MB))
    taken = st.file_uploader(
        say("files"),
        [suffix for kind in kinds for suffix in predictors.SUFFIXES[kind]],
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"predict-files-{'-'.join(kinds)}",
        label_visibility="collapsed",
    )
    return [UploadedFile(file.name, file.file_id, file.getvalue) for file in taken]


def _select_example(one: RunView) -> list[UploadedFile]:
    """Let the user choose a test example; a cross-validation has none, because its model was trained on all files."""
    lacking = "none_its_own" if one.status == "pretrained" else "none_new" if one.info.split.folds else ""
    found = {} if lacking else _list_examples(one)
    if not found:
        st.info(say(lacking or "not_here"))
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


def _list_examples(one: RunView) -> dict[str, list[str]]:
    """List the files that a run was tested on, by class."""
    names = _read_test_names(one)
    found: dict[str, list[str]] = {}
    for example in datasets.open_run_dataset(one).examples.values():
        for label in (name for name, there in example.labels.items() if there and example.id in names):
            found.setdefault(label, []).append(example.id)
    return dict(sorted(found.items()))


@cache_by(stamp_runs("split.csv"), max_entries=50)
def _read_test_names(one: RunView) -> frozenset[str]:
    """Read the examples of a run's test split; none where split.csv is missing."""
    return frozenset(row.get("example", "") for row in runs.read_table(one, "split.csv") if row.get("split") == "test")


def get_labels(one: RunView, file: UploadedFile) -> list[str]:
    """Return the labels of a test example; none for other files."""
    found = datasets.open_run_dataset(one).examples.get(file.name) if file.is_example else None
    return [name for name, there in found.labels.items() if there] if found else []
