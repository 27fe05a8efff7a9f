"""File types: what a file is by its content, since a name can be wrong and a header can lie."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from musicml.data.io.mpeg import MOST_FRAMES, detect_mpeg_type, search_frames, step_over_tags
from musicml.utils import InputError, Message, describe_os_error

OpenFile = io.BytesIO | io.BufferedReader
# the first bytes of a file, where they stand, and what they tell
SIGNATURES = [
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (0, b".snd", "au"),
    (4, b"ftyp", "m4a"),
    (4, b"moov", "m4a"),  # of QuickTime before it had brands
    (4, b"mdat", "m4a"),
    (12, b"mdat", "m4a"),
    (0, b"\x1aE\xdf\xa3", "webm"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "wma"),
]
# the same for pictures, under Pillow's names for their types
IMAGE_SIGNATURES = [
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (6, b"\0\0\0\0", "BMP"),  # beside "BM", with which words begin as well
    (8, b"WEBP", "WEBP"),
]
# pictures in boxes of ISO/IEC 14496-12 by their brands (ISO/IEC 23008-12, B and E; MIAF: 23000-22; AVIF: 6)
PICTURE_BRANDS = {
    **dict.fromkeys(b"heic heix heim heis hevc hevx hevm hevs".split(), Message("is a {kind} picture", kind="HEIC")),
    **dict.fromkeys(b"avif avis".split(), Message("is an {kind} picture", kind="AVIF")),
    **dict.fromkeys(
        b"avci avcs vvic vvis evbi evbs j2ki j2is jpeg jpgs mif1 mif2 msf1 miaf".split(),
        Message("is a {kind} picture", kind="HEIF"),
    ),
    b"crx ": Message("is a {kind} picture", kind="CR3"),
}
GENERAL_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}  # which say nothing of how the picture is coded
MOVIE_BRANDS = (b"iso", b"mp4", b"M4", b"qt", b"3g", b"avc1", b"dash", b"f4v")  # with which the others' names begin
# types that many have and nothing here reads
OTHERS = [
    (0, b"PK\3\4", Message("is a ZIP archive")),
    (0, b"%PDF", Message("is a PDF document")),
    (0, b"II*\0", Message("is a {kind} picture", kind="TIFF")),
    (0, b"MM\0*", Message("is a {kind} picture", kind="TIFF")),
    (4, b"JXL \r\n\x87\n", Message("is a {kind} picture", kind="JXL")),
    (4, b"jP  \r\n\x87\n", Message("is a {kind} picture", kind="JP2")),
    *((4, b"ftyp" + brand, words) for brand, words in PICTURE_BRANDS.items()),
    # these can hold frames of mp3 that follow each other, and are none
    (257, b"ustar", Message("is a TAR archive")),
    (8, b"AVI ", Message("is an AVI video")),
    (0, b"\0\0\1\xba", Message("is an MPEG video")),
]
# the endings of names that a type has
SUFFIXES = {
    "wav": (".wav", ".wave"),
    "mp3": (".mp3", ".mp2", ".mpga"),
    "flac": (".flac",),
    "ogg": (".ogg", ".oga", ".opus"),
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au",),
    "m4a": (".m4a", ".m4b", ".mp4", ".mov", ".3gp"),
    "aac": (".aac",),
    "webm": (".webm", ".weba", ".mka"),
    "wma": (".wma",),
}
PICTURE_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
}
TYPE_OF_SUFFIX = {suffix: kind for kind, its in SUFFIXES.items() for suffix in its}
TYPE_OF_PICTURE_SUFFIX = {suffix: kind for kind, its in PICTURE_SUFFIXES.items() for suffix in its}


@dataclass(frozen=True)
class FileType:
    """What a file's first bytes say.

    Attributes
    ----------
    is_empty : whether there are none
    head : the bytes, behind its tags where it has some
    sound : `wav`, `mp3`, ..., None where they are of no sound
    picture : `JPEG`, `PNG`, ..., None where they are of no picture
    start : bytes that stand before the sound and that no decoder is shown, since some would stumble over them
    """

    is_empty: bool
    head: bytes
    sound: str | None
    picture: str | None
    start: int = 0

    @property
    def is_readable_sound(self) -> bool:
        """Whether it is a sound that can be decoded here; some types borrow the mark of one."""
        return self.sound is not None and not match_signatures(self.head, OTHERS)


def detect_type(file: BinaryIO, least_frames: int = MOST_FRAMES) -> FileType:
    """Find a file's type by its content; the file is left at its beginning.

    Tags may stand before mp3, flac or aac, so they are stepped over. What begins like nothing known is searched for
    frames of mp3 or aac, as every player does: it may be cut out of a stream, or begin with a radio's header.

    Parameters
    ----------
    least_frames : 1 or 3, frames of mp3 or aac that a file without tags must begin with; one header alone stands in
        many files, so it is enough only of a file that was given as a sound
    """
    first = file.read(512)
    tags = step_over_tags(file)
    pictures, sounds = match_signatures(first, IMAGE_SIGNATURES), match_signatures(tags.head, SIGNATURES)
    is_enough = tags.n_tags or least_frames == 1
    sound = sounds[0] if sounds else detect_mpeg_type(tags.head) if is_enough else None
    start = 0 if tags.n_tags == 1 and first[:3] == b"ID3" else tags.end  # decoders know of one ID3 tag
    if sound is None and not pictures and not match_signatures(tags.head, OTHERS):
        sound, start = search_frames(file, tags.end) or ("mp3" if tags.n_tags else None, 0)
    file.seek(0)
    return FileType(not first, tags.head, sound, pictures[0] if pictures else None, start)


def match_signatures(head: bytes, signatures: Sequence[tuple[int, bytes, str]]) -> list[str]:
    """Return the types whose mark a file's first bytes bear."""
    head = put_telling_brand(head)
    return [
        kind
        for place, mark, kind in signatures
        if head[place : place + len(mark)] == mark and (kind != "BMP" or head[:2] == b"BM")
    ]


def put_telling_brand(head: bytes) -> bytes:
    """Return the first bytes, of a picture in boxes with the brand that tells most in place of its first one.

    A picture may call itself by a general brand and name how it is coded only behind it (ISO/IEC 14496-12, 4.3); a
    movie may name a picture's brand behind its own, and stays one.
    """
    if head[4:8] != b"ftyp":
        return head
    major, end = head[8:12], min(int.from_bytes(head[:4]), len(head))
    others = [head[place : place + 4] for place in range(16, end - 3, 4)]
    is_movie = any(brand.startswith(MOVIE_BRANDS) for brand in (major, *others))
    if major not in GENERAL_BRANDS and (major in PICTURE_BRANDS or is_movie):
        return head
    telling = sorted((brand for brand in others if brand in PICTURE_BRANDS), key=GENERAL_BRANDS.__contains__)
    return head[:8] + (telling or [major])[0] + head[12:]


def describe_unknown(head: bytes) -> str:
    """Return what a file of no known type seems to be, in words."""
    pictures, sounds, others = (
        match_signatures(head, signatures) for signatures in (IMAGE_SIGNATURES, SIGNATURES, OTHERS)
    )
    if others:
        return others[0]
    if pictures or sounds:
        return (
            Message("is a {kind} picture", kind=pictures[0]) if pictures else Message("is {kind} sound", kind=sounds[0])
        )
    if b"<svg" in head:
        return Message("is an SVG drawing")
    if not set(head) & set(b"\0\1\2\3\4\5\6\7\x0e\x0f"):
        return Message("looks like text")
    return Message("starts with the bytes {hex}, which no known type does", hex=head[:4].hex(" "))


def check_extension(name: str, kind: str) -> list[str]:
    """Return a warning where the name's ending tells another type than the content."""
    suffix = os.path.splitext(name)[1].lower()
    if (TYPE_OF_SUFFIX | TYPE_OF_PICTURE_SUFFIX).get(suffix, kind) == kind or kind == "array":
        return []
    return [Message("The file is named {suffix} but holds {kind}: it was read as {kind}.", suffix=suffix, kind=kind)]


def get_display_name(source: object) -> str:
    """Return what messages call a source that came without a name.

    Raises
    ------
    InputError
        If it is nothing that can be read at all.
    """
    if not isinstance(source, str | Path | bytes | np.ndarray):
        raise InputError(
            "what is asked about must be a path, bytes or a numpy array, and is {source___name}: convert it.",
            source___name=type(source).__name__,
        )
    return (
        str(source)
        if isinstance(source, str | Path)
        else Message("this upload")
        if isinstance(source, bytes)
        else Message("the array")
    )


def get_file_mode(path: str | Path) -> int:
    """Return what lies at a path, as `os.stat` tells it; 0 where there is nothing.

    Not by a `Path`: each of them leaves the parts of its name in Python's table of names, a megabyte in many thousands.
    """
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def open_file(content: str | Path | bytes, name: str) -> OpenFile:
    """Open a file by its path, or the content of one."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    try:
        mode = get_file_mode(content)
        if stat.S_ISDIR(mode):
            raise InputError(
                "{name} must be a file, and is a folder: name files, or a folder that holds some.", name=name
            )
        if not stat.S_ISREG(mode):
            other = Message("is none that can be read") if mode else Message("there is none of that name")
            raise InputError("{name} must be a file, and {other}: check how it is spelt.", name=name, other=other)
        return open(content, "rb")
    except OSError as error:
        raise InputError(
            "{name} must be a file that can be opened, and can't be ({reason}): check its name and who may read it.",
            name=name,
            reason=describe_os_error(error),
        ) from error
