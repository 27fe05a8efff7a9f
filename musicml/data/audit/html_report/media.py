"""Examples small enough to travel inside a page: a thumbnail of a picture, the beginning of a sound, as data URIs."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

from musicml.data.datasets import Example
from musicml.data.io import load_audio, load_image
from musicml.utils import InputError, Message

SIDE = 200  # pixels of a thumbnail, at most
SECONDS = 6.0  # of a sound
RATE = 16_000  # Hz


class Embedded(NamedTuple):
    """One example inside a page.

    Attributes
    ----------
    uri : `data:image/jpeg;base64,...`; empty where the file can't be read
    size : width and height of a thumbnail, pixels; (0, 0) of a sound
    trouble : why the file can't be read, a sentence; empty where it can
    """

    uri: str = ""
    size: tuple[int, int] = (0, 0)
    trouble: str = ""


def embed(example: Example, kind: str) -> Embedded:
    """Make an example a part of a page, anew from its decoded content: nothing of the file itself gets there.

    Parameters
    ----------
    kind : `picture`, which becomes a small JPEG, or `sound`, whose first seconds become a mono MP3: the one small
        format that every browser plays, Apple's too
    """
    from PIL import Image

    if not example.is_inside():
        return Embedded(trouble=Message("The file is a link that leads out of the data's folder, so it is not shown."))
    made, size = io.BytesIO(), (0, 0)
    try:
        if kind == "picture":
            image = Image.fromarray(load_image(example.path, example.id).pixels)
            image.thumbnail((SIDE, SIDE))
            image.save(made, "JPEG", quality=82)
            size = image.size
        else:
            import soundfile

            y = load_audio(example.path, RATE, SECONDS, example.id).y
            soundfile.write(made, y, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.8)
    except InputError as error:
        return Embedded(trouble=error.message)
    content_type = "image/jpeg" if kind == "picture" else "audio/mpeg"
    return Embedded(f"data:{content_type};base64,{base64.b64encode(made.getvalue()).decode()}", size)
