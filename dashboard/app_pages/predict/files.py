"""Hold the files to predict (uploads, recordings, test examples) and prepare what the page shows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dashboard import datasets, media, runs
from dashboard.caching import cache_resource
from dashboard.runs import RunView
from musicml.data.io import AudioSource, load_audio, load_image, open_stream
from musicml.experiment import Run
from musicml.utils import make_printable

SHOWN = "asking-shown"  # where a session keeps what it shows
RECORDING = "the recording"  # as the package calls it, so that its sentences can be translated
PLAYED = {  # what browsers play as it is
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "webm": "audio/webm",
}


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
        return make_printable(self.name).strip() or "?"


def is_picture(file: UploadedFile) -> bool:
    """Return whether a file's content is a picture, for runs that also take sounds."""
    with AudioSource(file.content(), file.name).open() as opened:
        return opened.is_picture


def get_playable(file: UploadedFile) -> tuple[bytes, str, bool]:
    """Return a sound that browsers can play, its type, and whether it is complete; a rare type's beginning as wav.

    Raises
    ------
    InputError
        If it can't be read.
    """
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
    """Shrink a picture to the displayed size, [shape=(height, width, 3)], uint8.

    Raises
    ------
    InputError
        If it can't be read.
    """

    def made() -> np.ndarray:
        from PIL import Image

        image = Image.fromarray(load_image(file.content(), file.title).pixels)
        image.thumbnail((media.THUMBNAIL_SIZE, media.THUMBNAIL_SIZE))
        return np.asarray(image)

    return _keep_latest(f"picture {file.key}", made)


def _keep_latest(key: str, make: Callable[[], Any]) -> Any:
    """Return what `make` returns, stored in the session until another key replaces it."""
    held, value = st.session_state.get(SHOWN, (None, None))
    if held != key:
        value = make()
        st.session_state[SHOWN] = (key, value)
    return value


def list_examples(one: RunView) -> dict[str, list[str]]:
    """List the files that a run was tested on, by class.

    Raises
    ------
    InputError
        If the run's data is no longer on this disk.
    """
    names = _get_test_names(one)
    found: dict[str, list[str]] = {}
    for example in datasets.open_run_dataset(one).examples.values():
        for label in (name for name, there in example.labels.items() if there and example.id in names):
            found.setdefault(label, []).append(example.id)
    return dict(sorted(found.items()))


def _get_test_names(one: RunView) -> frozenset[str]:
    """Return the examples of a run's test split; none where split.csv is missing."""
    return _read_test_names(str(one.run.path), runs.get_stamp(one.run.path, "split.csv"))


@cache_resource(max_entries=50)
def _read_test_names(path: str, changed: tuple[float, ...]) -> frozenset[str]:
    """Read what `_get_test_names` returns."""
    return frozenset(row["example"] for row in runs.read_table(RunView(Run(Path(path))), "split.csv") if _is_test(row))


def _is_test(row: Mapping[str, str]) -> bool:
    """Return whether a row of split.csv belongs to the test split."""
    return row.get("split") == "test" and bool(row.get("example"))


def get_labels(one: RunView, file: UploadedFile) -> list[str]:
    """Return the labels of a test example; none for other files."""
    found = datasets.open_run_dataset(one).examples.get(file.name) if file.is_example else None
    return [name for name, there in found.labels.items() if there] if found else []
