"""Examples small enough to travel inside a page: a thumbnail of a picture, the beginning of a sound, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from musicml.data.datasets import Example
from musicml.data.io import load_audio, load_image
from musicml.utils import InputError

SIDE = 200  # pixels of a thumbnail, at most
SECONDS = 6.0  # of a sound
RATE = 16_000  # Hz


@dataclass(frozen=True)
class Embedded:
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
    """An example as a part of a page, made anew from its decoded content: nothing of the file itself gets there.

    Parameters
    ----------
    kind : `picture` or `sound`
    """
    if not example.lies_inside():
        return Embedded(trouble="The file is a link that leads out of the data's folder, so it is not shown.")
    try:
        return thumbnail(example) if kind == "picture" else beginning(example)
    except InputError as error:
        return Embedded(trouble=str(error))


def thumbnail(example: Example) -> Embedded:
    """A picture as a small JPEG."""
    from PIL import Image

    image = Image.fromarray(load_image(example.path, example.id).pixels)
    image.thumbnail((SIDE, SIDE))
    made = io.BytesIO()
    image.save(made, "JPEG", quality=82)
    return Embedded(uri_of("image/jpeg", made), image.size)


def beginning(example: Example) -> Embedded:
    """The first seconds of a sound, mono, as MP3: the one small format that every browser plays, Apple's too."""
    import soundfile

    y = load_audio(example.path, RATE, SECONDS, example.id).y
    made = io.BytesIO()
    soundfile.write(made, y, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.8)
    return Embedded(uri_of("audio/mpeg", made))


def uri_of(kind: str, made: io.BytesIO) -> str:
    """Content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(made.getvalue()).decode()}"
