"""Pictures from anywhere, through one gate: bytes or a file in, RGB uint8 within limits out.

A small file can hold a huge picture (17 kB of PNG, 144 million pixels), so the size is judged from the header, before
anything is decoded. Whatever mode it is in comes out as RGB, and a warning says so where colours may have changed.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from musicml.data.io.file_types import (
    IMAGE_SIGNATURES,
    OTHERS,
    TYPE_OF_PICTURE_SUFFIX,
    check_extension,
    describe_unknown,
    get_display_name,
    match_signatures,
    open_file,
)
from musicml.utils import InputError, Message, describe_os_error, make_printable

MAX_PIXELS = 25_000_000
MOST_SCANS = 100  # of a progressive JPEG, where a dozen are usual
MOST_FILLING = 10_000  # bytes in a row that only fill a JPEG
MOST_BYTES = 100_000_000  # an uncompressed picture of so many pixels
SMALL = 32  # pixels a side; below, there is next to nothing to recognise

IMAGE_SUFFIXES = frozenset(TYPE_OF_PICTURE_SUFFIX)
SIXTEEN_BIT = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
REMARKS = {
    "CMYK": Message(
        "The picture is in CMYK, the colours of printing, and was turned into RGB: its colours may differ."
    ),
    "1": Message("The picture is 1-bit, only black and white: a model of photographs sees little in it."),
}
# all of these came out of Pillow when it was given damaged files
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
TURNS = dict(
    enumerate("FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90".split(), start=2)
)


@dataclass(frozen=True)
class Picture:
    """What a picture file holds, upright and in one form whatever it came as.

    Attributes
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8 RGB
    warnings : tuple of sentences for the person who gave the file
    """

    pixels: np.ndarray
    warnings: tuple[str, ...] = ()


def load_image(source: str | Path | bytes | BinaryIO | np.ndarray, name: str | None = None) -> Picture:
    """Read a picture file through the gate.

    Parameters
    ----------
    source : a path, the file's content, an open file, or pixels [shape=(height, width, 3)], uint8 RGB
    name : what to call the file in messages; by default its path, or "this upload"

    Returns
    -------
    Picture
        Turned as its EXIF orientation says; what is transparent is laid over white.

    Raises
    ------
    InputError
        Whatever the content is, if it can't be used: one sentence with the rule, the value received and the cure.

    Examples
    --------
    >>> load_image("banjo/001.jpg").pixels.shape  # doctest: +SKIP
    (224, 224, 3)
    """
    name = make_printable(name or get_display_name(source))
    if isinstance(source, np.ndarray):
        check_array(source, name)
        return Picture(source, tuple(emptiness(source)))
    content = content_of(source, name)
    kind = true_type(content, name)
    pixels, remarks = decode(content, kind, name)
    return Picture(pixels, (*check_extension(name, kind), *remarks, *emptiness(pixels)))


def check_array(pixels: np.ndarray, name: str) -> None:
    """Refuse an array that is no picture."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(
            "{name} must be of shape (height, width, 3) and uint8, RGB, and is of {pixels_shape}, {pixels_dtype}: "
            "convert it.",
            name=name,
            pixels_shape=pixels.shape,
            pixels_dtype=pixels.dtype,
        )
    check_size(pixels.shape[1], pixels.shape[0], name)


def content_of(source: str | Path | bytes | BinaryIO, name: str) -> bytes:
    """The file's bytes, if there are some and not too many."""
    if isinstance(source, str | Path | bytes):
        with open_file(source, name) as file:
            return content_of(file, name)
    try:
        size = source.seek(0, io.SEEK_END)
        if not 0 < size <= MOST_BYTES:
            raise InputError(
                "{name} must hold 1 to {most_bytes} bytes, and holds {size}: copy or download it again.",
                name=name,
                most_bytes=MOST_BYTES,
                size=size,
            )
        source.seek(0)
        return source.read()
    except OSError as error:
        raise InputError(
            "{name} must be a file that can be read, and can't be ({reason}): check who may read it.",
            name=name,
            reason=describe_os_error(error),
        ) from error


def true_type(content: bytes, name: str) -> str:
    """The type by content, under Pillow's name for it."""
    kinds = match_signatures(content[:512], IMAGE_SIGNATURES)
    if kinds and not match_signatures(content[:512], OTHERS):
        return kinds[0]
    seen = describe_unknown(content[:512])
    raise InputError(
        "{name} must hold a jpeg, png, webp, gif or bmp picture, and {seen}: save it as one of these.",
        name=name,
        seen=seen,
    )


def decode(content: bytes, kind: str, name: str) -> tuple[np.ndarray, list[str]]:
    """The pixels, upright, [shape=(height, width, 3)], uint8 RGB; and what there is to say of the mode they were in."""
    from PIL import Image

    formats = ["JPEG", "MPO"] if kind == "JPEG" else [kind]  # MPO: what phones add to a JPEG behind the picture
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # what it warns of is refused below, or does no harm
            image = Image.open(io.BytesIO(content), formats=formats)
            check_size(*image.size, name)
            check_still(image, name)
            check_parts(content, kind, name)
            image.load()
            return upright(as_rgb(image), image), [REMARKS[image.mode]] if image.mode in REMARKS else []
    except Image.DecompressionBombError as error:
        raise InputError(
            "{name} must have at most {max_pixels} pixels, and has many more: make it smaller.",
            name=name,
            max_pixels=MAX_PIXELS,
        ) from error
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            "{name} must be a whole picture, and is {kind} that is cut off or damaged: copy or download it again.",
            name=name,
            kind=kind,
        ) from error


def check_size(width: int, height: int, name: str) -> None:
    """Refuse what would decode to more than `MAX_PIXELS`."""
    if not width * height:
        raise InputError(
            "{name} must have pixels, and has {width} x {height} = 0: give another picture.",
            name=name,
            width=width,
            height=height,
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            "{name} must have at most {max_pixels} pixels, and has {width} x {height} = {width2}: make it smaller.",
            name=name,
            max_pixels=MAX_PIXELS,
            width=width,
            height=height,
            width2=width * height,
        )


def check_still(image, name: str) -> None:
    """Refuse a picture that moves: which of its frames is meant could only be guessed at."""
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise InputError(
            "{name} must be one picture, and is animated, of more than one: save one of them as PNG.", name=name
        )


def check_parts(content: bytes, kind: str, name: str) -> None:
    """Refuse a small file that takes long: a JPEG of a thousand scans, each over the whole picture, or all filling."""
    scans = content.count(b"\xff\xda") if kind == "JPEG" else 0
    if scans > MOST_SCANS or (kind == "JPEG" and b"\xff" * MOST_FILLING in content):
        raise InputError(
            "{name} must be a JPEG as cameras and programs write it, of at most {most_scans} scans, and has {scans}, "
            "or is full of filling: open it and save it again.",
            name=name,
            most_scans=MOST_SCANS,
            scans=scans,
        )


def as_rgb(image):
    """A decoded Pillow image in mode RGB; 16-bit grey is scaled, and what is transparent is laid over white."""
    from PIL import Image

    if image.mode in SIXTEEN_BIT:
        # 65535 / 255 = 257; Pillow's own conversion would cut everything above 255 off
        image = Image.fromarray(np.clip(np.round(np.asarray(image) / 257), 0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def upright(image, original) -> np.ndarray:
    """The pixels of `image`, turned as the EXIF orientation of `original` says (CIPA DC-008, Orientation)."""
    from PIL.Image import Transpose

    turn = TURNS.get(original.getexif().get(ORIENTATION))
    return np.array(image.transpose(Transpose[turn]) if turn else image)


def emptiness(pixels: np.ndarray) -> list[str]:
    """Warnings where there is little to see."""
    height, width, _ = pixels.shape
    if (pixels == pixels[0, 0]).all():
        return [Message("The picture is of one colour throughout, so an answer to it means nothing.")]
    if min(height, width) < SMALL:
        return [
            Message(
                "The picture is small, {width} x {height} pixels: little of what it shows can be recognised.",
                width=width,
                height=height,
            )
        ]
    return []


def resize_image(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fit a picture to a size, without keeping its aspect, as Keras's own loaders do.

    Bilinear, and antialiased where it gets smaller: without, fine patterns turn into coarse ones.

    Parameters
    ----------
    pixels : np.ndarray [shape=(any height, any width, 3)], uint8
    height, width : int > 0, pixels

    Returns
    -------
    np.ndarray [shape=(height, width, 3)], uint8
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    from PIL import Image

    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
