"""Files that nobody should have to read, and what musicml has to say of each: built in code, none of them checked in.

    for name, case in FILES.items():
        path = case.write(folder)

A case is refused in one sentence with the rule, the value received and the cure, or answered with a warning. Some lie
in their header, some are huge once decoded, some are cut off, some are no sound or picture at all.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

RATE = 22_050


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Attributes
    ----------
    file : its name
    kind : `sound` or `picture`: what it is given as
    answered : whether it is, with a warning; else it is refused
    words : what the warnings or the refusal must contain, each; of an answer without words, nothing is warned of
    content : makes what it holds
    place : makes it at a path, where it is no ordinary file
    """

    file: str
    kind: str
    answered: bool
    words: tuple[str, ...]
    content: Callable[[], bytes]
    place: Callable[[Path], object] | None = None

    def write(self, folder: Path) -> Path:
        """Make the file in a folder; returns where."""
        path = folder / self.file
        if self.place is None:
            path.write_bytes(self.content())
        else:
            self.place(path)
        return path


# Sounds


def tone(seconds: float = 1.0, sample_rate: int = RATE, channels: int = 1, peak: float = 0.4) -> np.ndarray:
    """440 Hz with a little noise [shape=(n_samples, channels)], float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    y = peak * np.sin(2 * np.pi * 440 * t) + 0.01 * np.random.default_rng(0).standard_normal(len(t))
    return np.repeat(y[:, None], channels, axis=1).astype(np.float32)


def encoded(y: np.ndarray, format: str = "WAV", subtype: str | None = None, sample_rate: int = RATE) -> bytes:
    """A sound file of `y`, by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, y, sample_rate, format=format, subtype=subtype)
    return file.getvalue()


def by_ffmpeg(format: str, codec: str | None = None, video: str | None = None, seconds: float = 1.0) -> bytes:
    """A file with a sound track, a video track or both, by FFmpeg; the same bytes each time."""
    file = io.BytesIO()
    with av.open(file, "w", format=format, options={"fflags": "+bitexact"}) as container:
        sound = container.add_stream(codec, rate=48_000, layout="mono") if codec else None
        pictures = container.add_stream(video, rate=5) if video else None
        if pictures:
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
            black = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux([*pictures.encode(black), *pictures.encode(None)])
        if sound:
            sound.bit_rate = 64_000
            frame = av.AudioFrame.from_ndarray(tone(seconds, 48_000).T.copy(), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            container.mux([*sound.encode(frame), *sound.encode(None)])
    return file.getvalue()


def wav(
    channels: int = 1,
    sample_rate: int = RATE,
    bits: int = 16,
    data: bytes = bytes(4_000),
    claimed: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A WAV whose header says what it is told to; `extra` stands before its samples."""
    frame = channels * bits // 8
    fields = (16, 1, channels, sample_rate, sample_rate * frame % 2**32, frame % 2**16, bits)
    size = len(data) if claimed is None else claimed
    header = (
        b"RIFF" + struct.pack("<I", (36 + len(extra) + size) % 2**32) + b"WAVEfmt " + struct.pack("<IHHIIHH", *fields)
    )
    return header + extra + b"data" + struct.pack("<I", size) + data


def flac(seconds: float, sample_rate: int = 8_000, channels: int = 1, claimed: int | None = None) -> bytes:
    """A FLAC of one constant after another (RFC 9639, section 9.2.3): an hour in 6 kB, and made in no time."""
    n_samples, block = round(seconds * sample_rate), 65_535
    total = n_samples if claimed is None else claimed
    format = (sample_rate << 44 | (channels - 1) << 41 | 15 << 36 | total).to_bytes(8, "big")
    frames = [b"fLaC\x80\0\0\x22" + struct.pack(">HH", block, block) + bytes(6) + format + bytes(16)]
    for number, place in enumerate(range(0, n_samples, block)):
        coded = chr(number).encode("utf-8", "surrogatepass")  # FLAC writes numbers as UTF-8 writes characters
        size = struct.pack(">H", min(block, n_samples - place) - 1)
        head = b"\xff\xf8\x70" + bytes([channels - 1 << 4 | 8]) + coded + size
        frame = head + bytes([crc(head, 8, 0x07)]) + channels * (b"\0" + struct.pack(">h", 8_000 * (-1) ** number))
        frames.append(frame + crc(frame, 16, 0x8005).to_bytes(2, "big"))
    return b"".join(frames)


def crc(data: bytes, width: int, polynomial: int) -> int:
    """A cyclic redundancy check, most significant bit first."""
    value, top = 0, 1 << width - 1
    for byte in data:
        value ^= byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & 2 * top - 1
    return value


def id3(claimed: int, body: bytes = b"") -> bytes:
    """An ID3v2.4 tag that claims so many bytes."""
    return b"ID3\4\0\0" + bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def m4a_of_many_claims(n: int) -> bytes:
    """An m4a whose tables claim `n` packets of one byte: FFmpeg makes an index of 24 bytes for each."""
    content = by_ffmpeg("mp4", "aac")
    tables = {
        b"stsz": struct.pack(">III", 0, 1, n),
        b"stts": struct.pack(">IIII", 0, 1, n, 1_024),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, n, 1),
    }
    for tag, table in tables.items():
        content = with_box(content, tag, table)
    return content


def with_box(content: bytes, tag: bytes, body: bytes) -> bytes:
    """An m4a with another body in one box of its sample table; the sizes of the boxes around it are mended."""
    place = content.index(tag) - 4
    (size,) = struct.unpack(">I", content[place : place + 4])
    changed = bytearray(content[:place] + struct.pack(">I", 8 + len(body)) + tag + body + content[place + size :])
    for around in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = changed.index(around) - 4
        (its,) = struct.unpack(">I", changed[at : at + 4])
        changed[at : at + 4] = struct.pack(">I", its + 8 + len(body) - size)
    return bytes(changed)


def index_first(content: bytes) -> bytes:
    """An m4a with its index before its sound, as one that is played while it comes: so its beginning can be read."""
    place, sound = content.index(b"moov") - 4, content.index(b"mdat") - 4
    index = bytearray(content[place:])
    table = index.index(b"stco")
    (n,) = struct.unpack(">I", index[table + 8 : table + 12])
    offsets = np.frombuffer(index, ">u4", n, table + 12) + len(index)
    index[table + 12 : table + 12 + 4 * n] = offsets.astype(">u4").tobytes()
    return content[:sound] + bytes(index) + content[sound:place]


def half(content: bytes) -> bytes:
    """The first half."""
    return content[: len(content) // 2]


def odd(value: float) -> bytes:
    """A WAV of floats, one of them odd."""
    y = tone()
    y[100] = value
    return encoded(y, subtype="FLOAT")


# Pictures


def picture(mode: str = "RGB", side: int = 40) -> Image.Image:
    """Coloured noise."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)).convert(mode)


def saved(image: Image.Image, format: str, **options) -> bytes:
    """A picture file, by Pillow."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def animated(format: str) -> bytes:
    """A picture file of three frames."""
    return saved(picture(), format, save_all=True, append_images=[picture(side=41).crop((0, 0, 40, 40)), picture()])


def png(width: int, height: int, extra: bytes = b"", rows: bytes | None = None) -> bytes:
    """A 1-bit PNG, black throughout; `extra` stands before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + (width + 7) // 8) * height, 9) if rows is None else rows
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(megabytes: int) -> bytes:
    """So many MiB of zeros as zlib compresses them: one is compressed and the result repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + one * megabytes + b"\x03\0" + struct.pack(">I", megabytes * 2**20 % 65_521 << 16 | 1)


def bmp(width: int, height: int) -> bytes:
    """The header of a BMP, and nothing behind it."""
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif(width: int, height: int) -> bytes:
    """A GIF of a given size without pixels."""
    screen, frame = struct.pack("<HHBBB", width, height, 0x80, 0, 0), struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"GIF89a" + screen + bytes(6) + b"," + frame + b"\x08\0;"


def turned(orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(picture(), "JPEG", exif=exif)


def transparent() -> bytes:
    """A PNG with a palette, some colours of it transparent."""
    return saved(picture().quantize(16), "PNG", transparency=bytes(range(0, 256, 16)))


def deep() -> bytes:
    """A PNG of 16-bit grey."""
    return saved(Image.fromarray(np.random.default_rng(0).integers(0, 65_536, (40, 40), dtype=np.uint16)), "PNG")


def broken(content: bytes, place: int) -> bytes:
    """One byte changed."""
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


# Neither


def packed() -> bytes:
    """A ZIP with a sound in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("song.flac", flac(1))
    return file.getvalue()


def objects() -> bytes:
    """A numpy file that holds a pickle."""
    file = io.BytesIO()
    np.save(file, np.array([{"y": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


SVG = b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'><rect width='9'/></svg>"
HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>This track is not available.</body></html>\n"

CONVERT, AGAIN = "convert it to wav or flac and try again", "copy or download it again"
GIVE, SAVE = "give a wav, flac, mp3, ogg or m4a file", "save it as one of these"
RATES, CHANNELS = "must be between 4000 and 192000 Hz", "must be between 1 and 8"
SCALE, DECODED, PIXELS = "between -1 and 1", "must hold sound that can be decoded", "must have at most 25000000 pixels"
WHOLE, CUT = "must be a whole picture", "cut off or damaged"


def refused_sound(file: str, content: Callable[[], bytes], *words: str) -> Case:
    """A case of a sound that is refused with these words."""
    return Case(file, "sound", False, words, content)


def answered_sound(file: str, content: Callable[[], bytes], *words: str) -> Case:
    """A case of a sound that is answered, with these words in its warnings."""
    return Case(file, "sound", True, words, content)


def refused_picture(file: str, content: Callable[[], bytes], *words: str) -> Case:
    """A case of a picture that is refused with these words."""
    return Case(file, "picture", False, words, content)


def answered_picture(file: str, content: Callable[[], bytes], *words: str) -> Case:
    """A case of a picture that is answered, with these words in its warnings."""
    return Case(file, "picture", True, words, content)


def no_file(file: str, place: Callable[[Path], object], *words: str) -> Case:
    """A case of what has a name and is no ordinary file, given as sound."""
    return Case(file, "sound", False, words, bytes, place)


FILES: dict[str, Case] = {
    # a header that lies
    "a wav of 1 Hz": refused_sound("one_hertz.wav", lambda: wav(sample_rate=1), "sample_rate=1 ", RATES, CONVERT),
    "a wav of 0 Hz": refused_sound("no_hertz.wav", lambda: wav(sample_rate=0), "sample_rate=0 ", RATES, CONVERT),
    "a wav of 4 GHz": refused_sound(
        "gigahertz.wav", lambda: wav(sample_rate=2**32 - 1), "sample_rate=4294967295 ", RATES, CONVERT
    ),
    "a wav of 65,535 channels": refused_sound(
        "crowd.wav", lambda: wav(channels=65_535), "channels=65535 ", CHANNELS, CONVERT
    ),
    "a wav of 0 channels": refused_sound("nobody.wav", lambda: wav(channels=0), "channels=0 ", CHANNELS, CONVERT),
    "a wav of 0 bits a sample": refused_sound("no_bits.wav", lambda: wav(bits=0), "damaged or rare wav", CONVERT),
    "a wav of 100 bytes that claims 2 GB": refused_sound(
        "two_gigabytes.wav", lambda: wav(data=bytes(56), claimed=2**31 - 100), "48695.8 s that its header claims", AGAIN
    ),
    "a wav without samples": refused_sound("no_samples.wav", lambda: wav(data=b""), "0 frames", CONVERT),
    "a wav with a million empty chunks": refused_sound(
        "chunks.wav", lambda: wav(extra=b"junk\0\0\0\0" * 1_000_000), "damaged or rare wav", CONVERT
    ),
    "a flac that claims twice its samples": answered_sound(
        "boast.flac", lambda: flac(30, claimed=480_000), "of the 60.0 s that its header claims"
    ),
    "an ID3 tag that claims 256 MB": refused_sound(
        "tag.mp3", lambda: id3(2**28 - 1) + encoded(tone(), "MP3"), DECODED, "damaged or rare mp3", CONVERT
    ),
    "an ID3 tag and nothing else": refused_sound(
        "only_tag.mp3", lambda: id3(1_000, bytes(1_000)), DECODED, "damaged or rare mp3", CONVERT
    ),
    "an m4a that claims ten million packets": refused_sound(
        "packets.m4a", lambda: m4a_of_many_claims(10_000_000), "the 10000000 packets that it claims", CONVERT
    ),
    # samples that are none
    "a wav with NaN": refused_sound("nan.wav", lambda: odd(np.nan), SCALE, "has nan", "export it again"),
    "a wav with infinity": refused_sound("infinity.wav", lambda: odd(np.inf), SCALE, "has inf", "export it again"),
    "a wav beyond its scale": refused_sound("loud.wav", lambda: odd(20_000), SCALE, "has 20000", "export it again"),
    "a silent wav": answered_sound("silence.wav", lambda: encoded(np.zeros((RATE, 1))), "silent", "-80 dB"),
    "a clipped wav": answered_sound(
        "clipped.wav", lambda: encoded(np.clip(9 * tone(), -1, 1)), "clipped", "full scale"
    ),
    "a wav of 0.01 s": answered_sound("blink.wav", lambda: encoded(tone(0.01)), "lasts 0.01 s", "repeated to fill"),
    # too much, or too little
    "a flac of ten hours": answered_sound(
        "hours.flac", lambda: flac(36_000), "Only the first 900.0 s of 36000.0 s were read; the rest is left out"
    ),
    "a wav of 0 bytes": refused_sound("empty.wav", bytes, "must hold sound", "holds 0 bytes", AGAIN),
    "half a wav": answered_sound("half.wav", lambda: half(encoded(tone(12.0))), "of the 12.0 s", CUT),
    "half an mp3": answered_sound("half.mp3", lambda: half(encoded(tone(12.0), "MP3")), "of the 12.0 s", CUT),
    "half a flac": answered_sound("half.flac", lambda: half(encoded(tone(12.0), "FLAC")), "of the 12.0 s", CUT),
    "half an ogg": answered_sound("half.ogg", lambda: half(encoded(tone(12.0), "OGG")), "without its end mark"),
    "half a webm": answered_sound("half.webm", lambda: half(by_ffmpeg("webm", "libopus", seconds=12.0)), CUT),
    "half an m4a": refused_sound(
        "half.m4a", lambda: half(by_ffmpeg("mp4", "aac")), DECODED, "damaged or rare m4a", CONVERT
    ),
    "half an m4a with its index first": answered_sound(
        "streamed.m4a", lambda: half(index_first(by_ffmpeg("mp4", "aac", seconds=12.0))), "of the 12.0 s", CUT
    ),
    "the first bytes of an mp3": refused_sound(
        "torn.mp3", lambda: encoded(tone(12.0), "MP3")[:1_000], "12.0 s that its header claims", AGAIN
    ),
    # something else under the name of a sound
    "an mp3 named wav": answered_sound("mp3.wav", lambda: encoded(tone(), "MP3"), "named .wav but holds mp3"),
    "a text named wav": refused_sound(
        "text.wav", lambda: b"La la la.\n" * 99, "must hold sound", "looks like text", GIVE
    ),
    "a page named mp3": refused_sound("page.mp3", lambda: HTML, "must hold sound", "looks like text", GIVE),
    "a ZIP named flac": refused_sound("zip.flac", packed, "must hold sound", "is a ZIP archive", GIVE),
    "a pickle named wav": refused_sound(
        "pickle.wav", lambda: pickle.dumps([0.0] * 999, protocol=4), "must hold sound", "80 04 95", GIVE
    ),
    "a pickle named npy": refused_sound("pickle.npy", objects, "must hold sound", "93 4e 55 4d", GIVE),
    "a drawing named wav": refused_sound("drawing.wav", lambda: SVG, "must hold sound", "is an SVG drawing", GIVE),
    "a PNG named wav": refused_sound("png.wav", lambda: png(40, 40), "must hold sound", "is a PNG picture", GIVE),
    "a webm of pictures only": refused_sound(
        "film.webm", lambda: by_ffmpeg("webm", video="libvpx"), "must hold sound", "is webm without any", "give another"
    ),
    "an m4a of a picture only": refused_sound(
        "cover.m4a", lambda: by_ffmpeg("mp4", video="mjpeg"), "must hold sound", "is m4a without any", "give another"
    ),
    # names
    "a name of two lines": refused_sound("two\nlines\r.wav", lambda: HTML, "must hold sound", "looks like text", GIVE),
    "a name that speaks to the terminal": refused_sound(
        "\x1b[2J\x1b]0;title\7.wav", lambda: HTML, "must hold sound", "looks like text", GIVE
    ),
    "the longest name that there can be": refused_sound(
        f"{'long' * 62}.wav", lambda: HTML, "must hold sound", "looks like text", GIVE
    ),
    "a name too long to be": no_file(f"{'long' * 99}.wav", lambda path: None, "a file", "name too long", "check"),
    "a folder named wav": no_file("song.wav", Path.mkdir, "must be a file", "is a folder", "name files"),
    "a link to nothing": no_file(
        "link.wav", lambda path: path.symlink_to("nowhere.wav"), "must be a file", "none of that name", "check"
    ),
    "a pipe that nobody writes to": no_file("pipe.wav", lambda path: os.mkfifo(path), "must be a file", "check"),
    # pictures that are huge once decoded, or claim to be
    "a PNG of 144 million pixels": refused_picture(
        "bomb.png", lambda: png(12_000, 12_000), PIXELS, "12000 x 12000 = 144000000", "make it smaller"
    ),
    "a PNG that claims 2^31 x 2^31": refused_picture(
        "endless.png", lambda: png(2**31 - 1, 2**31 - 1, rows=b""), PIXELS, "make it smaller"
    ),
    "a BMP that claims 2^31 x 2^31": refused_picture(
        "endless.bmp", lambda: bmp(2**31 - 1, 2**31 - 1), PIXELS, "make it smaller"
    ),
    "a GIF of 65,535 x 65,535": refused_picture("endless.gif", lambda: gif(65_535, 65_535), PIXELS, "make it smaller"),
    "a GIF of 0 x 0": refused_picture("nothing.gif", lambda: gif(0, 0), WHOLE, CUT, AGAIN),
    "a PNG with 300 MB of text": refused_picture(
        "text.png", lambda: png(40, 40, chunk(b"zTXt", b"Comment\0\0" + zeros(300))), WHOLE, AGAIN
    ),
    "a PNG with a colour profile of 300 MB": refused_picture(
        "profile.png", lambda: png(40, 40, chunk(b"iCCP", b"ICC\0\0" + zeros(300))), WHOLE, AGAIN
    ),
    # in uncommon forms
    "a CMYK JPEG": answered_picture("cmyk.jpg", lambda: saved(picture("CMYK"), "JPEG"), "CMYK"),
    "a 1-bit PNG": answered_picture("one_bit.png", lambda: saved(picture("1"), "PNG"), "1-bit"),
    "a 16-bit PNG": answered_picture("deep.png", deep),
    "a palette with transparency": answered_picture("palette.png", transparent),
    "a JPEG on its side": answered_picture("side.jpg", lambda: turned(6)),
    "an animated GIF": refused_picture(
        "moves.gif", lambda: animated("GIF"), "must be one picture", "is animated", "save"
    ),
    "an animated WebP": refused_picture(
        "moves.webp", lambda: animated("WEBP"), "must be one picture", "is animated", "save"
    ),
    "an animated PNG": refused_picture(
        "moves.png", lambda: animated("PNG"), "must be one picture", "is animated", "save"
    ),
    # cut off or damaged, or something else under the name of a picture
    "half a JPEG": refused_picture("half.jpg", lambda: half(saved(picture(), "JPEG")), WHOLE, CUT, AGAIN),
    "a PNG with a broken checksum": refused_picture("sum.png", lambda: broken(png(40, 40), 29), WHOLE, CUT, AGAIN),
    "a picture of 0 bytes": refused_picture("empty.jpg", bytes, "must hold 1 to", "holds 0", AGAIN),
    "a wav named png": refused_picture("wav.png", wav, "must hold a jpeg", "is wav sound", SAVE),
    "a drawing": refused_picture("drawing.svg", lambda: SVG, "must hold a jpeg", "is an SVG drawing", SAVE),
    "a HEIC as phones take it": refused_picture(
        "photo.heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), "must hold a jpeg", SAVE
    ),
    "a TIFF": refused_picture(
        "scan.tiff", lambda: saved(picture(), "TIFF"), "must hold a jpeg", "is a TIFF picture", SAVE
    ),
}
