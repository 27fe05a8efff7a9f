"""Detect file types by content, since a name can be wrong and a header can be false."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from musicml.data.io.mpeg import N_FRAMES, detect_mpeg_type, search_frames, step_over_tags
from musicml.utils import InputError, Message, describe_os_error

OpenFile = io.BytesIO | io.BufferedReader
# signatures of audio files: offset, bytes, type
SIGNATURES = [
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (0, b".snd", "au"),
    (4, b"ftyp", "m4a"),
    (4, b"moov", "m4a"),  # QuickTime before it had brands
    (4, b"mdat", "m4a"),
    (12, b"mdat", "m4a"),
    (0, b"\x1aE\xdf\xa3", "webm"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "wma"),
]
# the same for pictures, with Pillow's names for their types
IMAGE_SIGNATURES = [
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (6, b"\0\0\0\0", "BMP"),  # checked together with "BM", which begins many a text too
    (8, b"WEBP", "WEBP"),
]
# brands of pictures stored in ISO base media files (ISO/IEC 23008-12, B and E; MIAF: 23000-22; AVIF: 6)
PICTURE_BRANDS = {
    **dict.fromkeys(b"heic heix heim heis hevc hevx hevm hevs".split(), Message("is a {kind} picture", kind="HEIC")),
    **dict.fromkeys(b"avif avis".split(), Message("is an {kind} picture", kind="AVIF")),
    **dict.fromkeys(
        b"avci avcs vvic vvis evbi evbs j2ki j2is jpeg jpgs mif1 mif2 msf1 miaf".split(),
        Message("is a {kind} picture", kind="HEIF"),
    ),
    b"crx ": Message("is a {kind} picture", kind="CR3"),
}
GENERAL_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}  # which do not say how the picture is coded
MOVIE_BRANDS = (b"iso", b"mp4", b"M4", b"qt", b"3g", b"avc1", b"dash", b"f4v")  # prefixes
# common file types that musicml does not read
OTHERS = [
    (0, b"PK\3\4", Message("is a ZIP archive")),
    (0, b"%PDF", Message("is a PDF document")),
    (0, b"II*\0", Message("is a {kind} picture", kind="TIFF")),
    (0, b"MM\0*", Message("is a {kind} picture", kind="TIFF")),
    (4, b"JXL \r\n\x87\n", Message("is a {kind} picture", kind="JXL")),
    (4, b"jP  \r\n\x87\n", Message("is a {kind} picture", kind="JP2")),
    *((4, b"ftyp" + brand, words) for brand, words in PICTURE_BRANDS.items()),
    # these can contain consecutive mp3 frames without being mp3
    (257, b"ustar", Message("is a TAR archive")),
    (8, b"AVI ", Message("is an AVI video")),
    (0, b"\0\0\1\xba", Message("is an MPEG video")),
]
# file extensions of each type
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
TYPE_OF_SUFFIX = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
TYPE_OF_PICTURE_SUFFIX = {suffix: kind for kind, suffixes in PICTURE_SUFFIXES.items() for suffix in suffixes}


@dataclass(frozen=True)
class FileType:
    """The type of a file, detected from its first bytes.

    Attributes
    ----------
    is_empty : whether the file is empty
    head : its first bytes, after any tags
    sound : `wav`, `mp3`, ...; None if it is not audio
    picture : `JPEG`, `PNG`, ...; None if it is not a picture
    start : bytes before the audio to hide from decoders, since some fail on them
    """

    is_empty: bool
    head: bytes
    sound: str | None
    picture: str | None
    start: int = 0

    @property
    def is_readable_sound(self) -> bool:
        """True for audio that can be decoded; some unsupported types share a signature with audio."""
        return self.sound is not None and not match_signatures(self.head, OTHERS)


def detect_type(file: BinaryIO, min_frames: int = N_FRAMES) -> FileType:
    """Detect the type of a file by its content, and rewind it.

    Tags may precede mp3, flac or aac, so they are skipped. Content of an unknown type is searched for mp3 or aac
    frames, as players do: the file may be cut out of a stream, or begin with the header of a radio station.

    Parameters
    ----------
    min_frames : 1 or 3, mp3 or aac frames that a file without tags must begin with; many files contain a single frame
        header by chance, so 1 is enough only if the user gave the file as audio
    """
    first = file.read(512)  # enough for every signature
    tags = step_over_tags(file)
    pictures, sounds = match_signatures(first, IMAGE_SIGNATURES), match_signatures(tags.head, SIGNATURES)
    is_header_enough = tags.n_tags or min_frames == 1
    sound = sounds[0] if sounds else detect_mpeg_type(tags.head) if is_header_enough else None
    start = 0 if tags.n_tags == 1 and first[:3] == b"ID3" else tags.end  # decoders can skip one ID3 tag
    if sound is None and not pictures and not match_signatures(tags.head, OTHERS):
        sound, start = search_frames(file, tags.end) or ("mp3" if tags.n_tags else None, 0)
    file.seek(0)
    return FileType(not first, tags.head, sound, pictures[0] if pictures else None, start)


def match_signatures(head: bytes, signatures: Sequence[tuple[int, bytes, str]]) -> list[str]:
    """Return the types whose signature the first bytes of a file match."""
    head = _put_specific_brand(head)
    return [
        kind
        for place, mark, kind in signatures
        if head[place : place + len(mark)] == mark and (kind != "BMP" or head[:2] == b"BM")
    ]


def _put_specific_brand(head: bytes) -> bytes:
    """Return the first bytes with the most specific picture brand in place of the first one.

    A picture may begin with a general brand and name its coding only after it (ISO/IEC 14496-12, 4.3). A movie may list
    the brand of a picture after its own, and stays a movie.
    """
    if head[4:8] != b"ftyp":
        return head
    major, end = head[8:12], min(int.from_bytes(head[:4]), len(head))
    others = [head[place : place + 4] for place in range(16, end - 3, 4)]
    # a movie can contain pictures, and stays a movie
    is_movie = any(brand.startswith(MOVIE_BRANDS) for brand in (major, *others))
    if major not in GENERAL_BRANDS and (major in PICTURE_BRANDS or is_movie):
        return head
    brands = sorted((brand for brand in others if brand in PICTURE_BRANDS), key=GENERAL_BRANDS.__contains__)
    return head[:8] + (brands or [major])[0] + head[12:]


def describe_unknown(head: bytes) -> str:
    """Describe what a file of an unsupported type seems to be, in words such as `is a PDF document`."""
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
    return Message("starts with the bytes {hex}, which match no known file type", hex=head[:4].hex(" "))


def check_extension(name: str, kind: str) -> list[str]:
    """Return a warning if the file extension belongs to another type than the content."""
    suffix = os.path.splitext(name)[1].lower()
    if (TYPE_OF_SUFFIX | TYPE_OF_PICTURE_SUFFIX).get(suffix, kind) == kind or kind == "array":
        return []
    return [Message("The file is named {suffix} but holds {kind}: it was read as {kind}.", suffix=suffix, kind=kind)]


def get_display_name(source: object) -> str:
    """Return the name of an unnamed source for messages.

    Raises
    ------
    InputError
        If the source is of a type that cannot be read.
    """
    if not isinstance(source, str | Path | bytes | np.ndarray):
        raise InputError(
            "Expected a path, bytes or a numpy array, got {type_name}. Convert it.", type_name=type(source).__name__
        )
    return (
        str(source)
        if isinstance(source, str | Path)
        else Message("this upload")
        if isinstance(source, bytes)
        else Message("the array")
    )


def get_file_mode(path: str | Path) -> int:
    """Return the mode of a file from `os.stat`; 0 if nothing is there.

    `os.stat` is used without a `Path`: each `Path` leaves the parts of its name in Python's table of interned strings,
    which takes a megabyte for some thousands of files.
    """
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def open_file(content: str | Path | bytes, name: str) -> OpenFile:
    """Open a file by its path, or wrap content that is already in memory."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    try:
        mode = get_file_mode(content)
        if stat.S_ISDIR(mode):
            raise InputError(
                "Expected a file, but {name} is a folder. Give files, or a folder that contains some.", name=name
            )
        if not stat.S_ISREG(mode):
            problem = Message("is neither a file nor a folder") if mode else Message("does not exist")
            raise InputError("Expected a file, but {name} {problem}. Check the path.", name=name, problem=problem)
        return open(content, "rb")
    except OSError as error:
        raise InputError(
            "Cannot open {name} ({reason}). Check its name and permissions.", name=name, reason=describe_os_error(error)
        ) from error
