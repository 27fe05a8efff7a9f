"""Load images from a path, bytes or an array as RGB uint8, with size limits.

A small file can contain a huge picture (17 kB of PNG: 144 million pixels), so the size in the header is checked before
anything is decoded. Every color mode is converted to RGB, with a warning if colors may have changed.
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

MAX_PIXELS = 25_000_000  # before decoding; they take 75 MB as RGB
MAX_SCANS = 100  # of a progressive JPEG, each over the whole picture; usual are about a dozen
MAX_FILL_BYTES = 10_000  # consecutive fill bytes in a JPEG
MAX_BYTES = 100_000_000  # of a file: an uncompressed picture of MAX_PIXELS
MIN_SIDE = 32  # pixels; a smaller picture shows too little to recognize

IMAGE_SUFFIXES = frozenset(TYPE_OF_PICTURE_SUFFIX)
MODES_16_BIT = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
REMARKS = {
    "CMYK": Message("The picture was converted from CMYK, the colors of printing, to RGB: its colors may differ."),
    "1": Message("The picture is 1-bit, only black and white: a model trained on photographs recognizes little in it."),
}
# Pillow raises any of these for damaged files
DECODER_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
ORIENTATION = 0x0112  # the EXIF tag for how the camera was held
TURNS = dict(
    enumerate("FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90".split(), start=2)
)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, always upright and in RGB.

    Attributes
    ----------
    pixels : np.ndarray [shape=(height, width, 3)], uint8 RGB
    warnings : sentences for the user
    """

    pixels: np.ndarray
    warnings: tuple[str, ...] = ()


def load_image(source: str | Path | bytes | BinaryIO | np.ndarray, name: str | None = None) -> Picture:
    """Load a picture file as RGB uint8.

    Parameters
    ----------
    source : a path, the content of a file, an open file, or pixels [shape=(height, width, 3)], uint8 RGB
    name : the name in messages; by default the path, or "this upload"

    Returns
    -------
    Picture
        Rotated by its EXIF orientation; transparent pixels are blended with white.

    Raises
    ------
    InputError
        If the content is not a usable picture, whatever it is.

    Examples
    --------
    >>> load_image("banjo/001.jpg").pixels.shape  # doctest: +SKIP
    (224, 224, 3)
    """
    name = make_printable(name or get_display_name(source))
    if isinstance(source, np.ndarray):
        _check_array(source, name)
        return Picture(source, tuple(_check_content(source)))
    content = _read_content(source, name)
    kind = _detect_picture_type(content, name)
    pixels, remarks = _decode(content, kind, name)
    return Picture(pixels, (*check_extension(name, kind), *remarks, *_check_content(pixels)))


def _check_array(pixels: np.ndarray, name: str) -> None:
    """Reject an array that is not an RGB picture."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InputError(
            "Expected {name} as an RGB array of shape (height, width, 3) and uint8, got {shape} and {dtype}. "
            "Convert it.",
            name=name,
            shape=pixels.shape,
            dtype=pixels.dtype,
        )
    _check_size(pixels.shape[1], pixels.shape[0], name)


def _read_content(source: str | Path | bytes | BinaryIO, name: str) -> bytes:
    """Read the bytes of a file, if it is neither empty nor too large."""
    if isinstance(source, str | Path | bytes):
        with open_file(source, name) as file:
            return _read_content(file, name)
    try:
        size = source.seek(0, io.SEEK_END)
        if not 0 < size <= MAX_BYTES:
            raise InputError(
                "Expected 1 to {max_bytes} bytes in {name}, got {size}. Copy or download it again.",
                name=name,
                max_bytes=MAX_BYTES,
                size=size,
            )
        source.seek(0)
        return source.read()
    except OSError as error:
        raise InputError(
            "Cannot read {name} ({reason}). Check its permissions.", name=name, reason=describe_os_error(error)
        ) from error


def _detect_picture_type(content: bytes, name: str) -> str:
    """Return the picture type by content, with Pillow's name for it."""
    kinds = match_signatures(content[:512], IMAGE_SIGNATURES)
    if kinds and not match_signatures(content[:512], OTHERS):
        return kinds[0]
    seen = describe_unknown(content[:512])
    raise InputError(
        "Expected a jpeg, png, webp, gif or bmp picture in {name}, but it {seen}. Save it as one of these.",
        name=name,
        seen=seen,
    )


def _decode(content: bytes, kind: str, name: str) -> tuple[np.ndarray, list[str]]:
    """Decode a picture to upright RGB pixels, [shape=(height, width, 3)], uint8, with warnings about its color mode."""
    from PIL import Image

    formats = ["JPEG", "MPO"] if kind == "JPEG" else [kind]  # MPO: a JPEG with more pictures, as phones write
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # rejected below, or harmless
            image = Image.open(io.BytesIO(content), formats=formats)
            _check_size(*image.size, name)
            _check_not_animated(image, name)
            _check_scans(content, kind, name)
            image.load()  # the actual decoding; everything before reads only the header
            return _rotate_upright(convert_to_rgb(image), image), [REMARKS[image.mode]] if image.mode in REMARKS else []
    except Image.DecompressionBombError as error:
        raise InputError(
            "Expected at most {max_pixels} pixels in {name}, got many more. Make it smaller.",
            name=name,
            max_pixels=MAX_PIXELS,
        ) from error
    except InputError:
        raise
    except DECODER_ERRORS as error:
        raise InputError(
            "Cannot decode {name}: the {kind} is cut off or damaged. Copy or download it again.", name=name, kind=kind
        ) from error


def _check_size(width: int, height: int, name: str) -> None:
    """Reject a picture that would decode to more than `MAX_PIXELS`, or to none."""
    if not width * height:
        raise InputError(
            "Expected a picture with pixels, but {name} has {width} x {height} = 0. Use another picture.",
            name=name,
            width=width,
            height=height,
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            "Expected at most {max_pixels} pixels in {name}, got {width} x {height} = {n_pixels}. Make it smaller.",
            name=name,
            max_pixels=MAX_PIXELS,
            width=width,
            height=height,
            n_pixels=width * height,
        )


def _check_not_animated(image, name: str) -> None:
    """Reject an animated picture, because the intended frame is unknown."""
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise InputError("Expected a single picture, but {name} is animated. Save one of its frames as PNG.", name=name)


def _check_scans(content: bytes, kind: str, name: str) -> None:
    """Reject a small JPEG that is slow to decode: one with very many scans, or full of fill bytes."""
    scans = content.count(b"\xff\xda") if kind == "JPEG" else 0
    if scans > MAX_SCANS or (kind == "JPEG" and b"\xff" * MAX_FILL_BYTES in content):
        raise InputError(
            "Expected a normal JPEG with at most {max_scans} scans, but {name} has {n_scans}, or is full of fill "
            "bytes. Open it in an image editor and save it again.",
            name=name,
            max_scans=MAX_SCANS,
            n_scans=scans,
        )


def convert_to_rgb(image):
    """Convert a decoded Pillow image to RGB; scale 16-bit gray, and blend transparent pixels with white."""
    from PIL import Image

    if image.mode in MODES_16_BIT:
        # 65535 / 255 = 257; Pillow's own conversion would clip everything above 255
        image = Image.fromarray(np.clip(np.round(np.asarray(image) / 257), 0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _rotate_upright(image, original) -> np.ndarray:
    """Return the pixels of `image`, rotated by the EXIF orientation of `original` (CIPA DC-008, Orientation)."""
    from PIL.Image import Transpose

    turn = TURNS.get(original.getexif().get(ORIENTATION))  # the converted image may have lost its EXIF data
    return np.array(image.transpose(Transpose[turn]) if turn else image)


def _check_content(pixels: np.ndarray) -> list[str]:
    """Return a warning if there is little to see in a picture."""
    height, width, _ = pixels.shape
    if (pixels == pixels[0, 0]).all():
        return [Message("The picture has a single color, so a prediction for it is meaningless.")]
    if min(height, width) < MIN_SIDE:
        return [
            Message(
                "The picture is small, {width} x {height} pixels: little in it can be recognized.",
                width=width,
                height=height,
            )
        ]
    return []


def resize_image(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a picture without keeping its aspect ratio, as Keras's own loaders do.

    Bilinear, with antialiasing when it gets smaller: otherwise fine patterns turn into coarse ones (aliasing).

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
