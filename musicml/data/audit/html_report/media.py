"""Embed examples in a page as data URIs: a thumbnail of a picture, or the first seconds of a sound."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

from musicml.data.datasets import Example
from musicml.data.io import load_audio, load_image
from musicml.utils import InputError, Message

MAX_SIDE = 200  # pixels of a thumbnail
SECONDS = 6.0  # of a sound
SAMPLE_RATE = 16_000  # Hz


class Embedded(NamedTuple):
    """An embedded example.

    Attributes
    ----------
    uri : `data:image/jpeg;base64,...`; empty if the file can't be read
    size : width and height of a thumbnail in pixels; (0, 0) for a sound
    error : why the file can't be read; empty if it can
    """

    uri: str = ""
    size: tuple[int, int] = (0, 0)
    error: str = ""


def embed(example: Example, kind: str) -> Embedded:
    """Embed an example.

    The media is encoded again from the decoded content, so no metadata of the file gets into the page.

    Parameters
    ----------
    kind : `picture` for a small JPEG, or `sound` for a mono MP3, a compact format that every browser plays
    """
    from PIL import Image

    if not example.is_inside():
        return Embedded(error=Message("This file is a link out of the dataset's folder, so it is not shown."))
    buffer, size = io.BytesIO(), (0, 0)
    try:
        if kind == "picture":
            image = Image.fromarray(load_image(example.path, example.id).pixels)
            image.thumbnail((MAX_SIDE, MAX_SIDE))
            image.save(buffer, "JPEG", quality=82)
            size = image.size
        else:
            import soundfile

            y = load_audio(example.path, SAMPLE_RATE, SECONDS, example.id).y
            soundfile.write(buffer, y, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.8)
    except InputError as error:
        return Embedded(error=error.message)
    content_type = "image/jpeg" if kind == "picture" else "audio/mpeg"
    return Embedded(f"data:{content_type};base64,{base64.b64encode(buffer.getvalue()).decode()}", size)
