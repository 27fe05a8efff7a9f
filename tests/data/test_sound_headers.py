"""A length in a header that no such file can have is no claim; and RIFX, RF64, BW64 and many channels are read."""

import io
import struct

import numpy as np
import pytest
import soundfile

from musicml.data.io import audio, decoders
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import encoded, tone

RATE = 22_050
# sox, mplayer and espeak; arecord; FFmpeg and browsers; GStreamer; and what comes of these with a header counted or not
PLACEHOLDERS = [
    *(0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0),
    *(0x7FFFFFFF - 36, 0x80000024, 0xFFFFFFF0, 0xFFFFFF00, 0x7FFFFF00, 0xFFFFFFD3, 0x7F000000),
]
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.76.100\0"


def make_wav(y, claimed=None, riff=None, before=b"", behind=b"", order="<"):
    """A 16-bit WAV of samples [shape=(n, channels)] whose header says what it is told to."""
    data = np.round(y * 32_767).astype(f"{order}i2").tobytes()
    channels = y.shape[1]
    fields = struct.pack(order + "IHHIIHH", 16, 1, channels, RATE, 2 * channels * RATE, 2 * channels, 16)
    size = struct.pack(order + "I", len(data) if claimed is None else claimed)
    body = b"WAVEfmt " + fields + before + b"data" + size + data + behind
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body) if riff is None else riff) + body


def with_number(content, mark, behind, value, format=">I"):
    """A file with another number so many bytes behind the beginning of a mark."""
    place = content.index(mark) + behind
    number = struct.pack(format, value)
    return content[:place] + number + content[place + len(number) :]


def check_whole(content, y):
    sound = audio.load_audio(content)
    assert sound.warnings == ()
    assert len(sound.y) == len(y) and np.abs(sound.y - y.mean(axis=1)).max() < 1e-3


# WAV


@pytest.mark.parametrize("claimed", PLACEHOLDERS)
@pytest.mark.parametrize("seconds", [0.3, 3.0])
def test_a_wav_from_a_pipe_is_read_to_its_end(claimed, seconds):
    y = tone(seconds, channels=2)
    for riff in (None, claimed, 0xFFFFFFFF, 0):
        check_whole(make_wav(y, claimed, riff), y)
    check_whole(make_wav(y, claimed, claimed, before=LIST), y)
    check_whole(make_wav(y, claimed, order=">"), y)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("claimed", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_the_width_of_the_samples_is_no_matter(subtype, claimed):
    y = tone()
    sound = audio.load_audio(with_number(encoded(y, subtype=subtype), b"data", 4, claimed, "<I"))
    assert len(sound.y) == len(y) and np.abs(sound.y - y[:, 0]).max() < 0.01 and sound.warnings == ()


def test_a_claim_that_a_file_can_have_is_one():
    y = tone(4.0)
    for content in (make_wav(y, 0x60000000), make_wav(y, 4 * len(y)), encoded(y)[: 44 + len(y)]):
        (warning,) = audio.load_audio(content).warnings
        assert warning.startswith("The file is cut off or damaged: ")
    check_whole(make_wav(y, riff=0xFFFFFFFF), y)
    check_whole(make_wav(y, behind=LIST), y)


def test_a_wav_without_samples_holds_none_whatever_follows():
    empty = np.zeros((0, 1))
    for content in (make_wav(empty), make_wav(empty, behind=LIST), make_wav(empty, behind=2 * LIST)):
        with pytest.raises(InputError, match="no frame of it"):
            audio.load_audio(content)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_big_endian_wav_is_read_as_the_other(subtype, channels):
    y, file = tone(channels=channels), io.BytesIO()
    soundfile.write(file, y, RATE, format="WAV", subtype=subtype, endian="BIG")
    assert file.getvalue()[:4] == b"RIFX"
    wanted = audio.load_audio(encoded(y, subtype=subtype))
    sound = audio.load_audio(file.getvalue())
    assert (sound.y == wanted.y).all() and sound.warnings == ()
    (warning,) = audio.load_audio(make_wav(tone(4.0), order=">")[: RATE * 4]).warnings
    assert "of the 4.0 s in its header" in warning


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
@pytest.mark.parametrize("claimed", [None, 0, 2**64 - 1, 2**63 - 1])
def test_the_long_forms_of_wav_are_read(magic, claimed):
    y = tone()
    content = magic + encoded(y, "RF64")[4:]
    for behind in (8, 16, 24) if claimed is not None else ():
        content = with_number(content, b"ds64", behind, claimed, "<Q")
    check_whole(content, y)


# AIFF, AU and FLAC


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE])
def test_an_au_from_a_pipe_is_read_to_its_end(claimed):
    y = tone()
    check_whole(with_number(encoded(y, "AU"), b".snd", 8, claimed), y)


@pytest.mark.parametrize(
    ("n_frames", "size"),
    [(0, 0), (0, 8), (0, None), (2**31 - 1, 2**31 - 1), (0x7F000000, 0x7F000008), (2**32 - 1, 2**32 - 1), (None, 0)],
)
def test_an_aiff_from_a_pipe_is_read_to_its_end(n_frames, size):
    y = tone()
    content = encoded(y, "AIFF")
    content = content if n_frames is None else with_number(content, b"COMM", 10, n_frames)
    content = content if size is None else with_number(content, b"SSND", 4, size)
    check_whole(content, y)
    check_whole(with_number(content, b"FORM", 4, 0 if size is None else size), y)


@pytest.mark.parametrize("format", ["AIFF", "AU", "RF64"])
def test_half_a_file_is_told_from_a_whole_one(format):
    content = encoded(tone(4.0), format)
    (warning,) = audio.load_audio(content[: len(content) // 2]).warnings
    assert "of the 4.0 s in its header" in warning


@pytest.mark.parametrize("total", [0, 2**36 - 1, None])
@pytest.mark.parametrize("seconds", [0.3, 4.0])
@pytest.mark.parametrize("front", [b"", b"ID3\4\0\0\0\0\0\x14" + bytes(20), b"ID3\4\0\0\0\0\1\0" + bytes(128)])
def test_a_flac_is_read_to_its_end_and_once_whatever_length_it_claims(monkeypatch, total, seconds, front):
    monkeypatch.setattr(decoders, "resume_with_ffmpeg", lambda *args: pytest.fail("it is decoded twice"))
    y = tone(seconds)
    content = bytearray(encoded(y, "FLAC"))
    if total is not None:
        content[21:26] = (content[21] >> 4 << 36 | total).to_bytes(5, "big")  # RFC 9639, section 8.2
    check_whole(front + bytes(content), y)


@pytest.mark.parametrize("total", [0, 2**36 - 1])
def test_a_damaged_flac_of_unknown_length_is_read_behind_the_damage(total):
    content = bytearray(encoded(tone(8.0), "FLAC"))
    content[21:26] = (content[21] >> 4 << 36 | total).to_bytes(5, "big")
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    sound = audio.load_audio(bytes(content))
    assert 7.5 < sound.seconds < 8.0
    assert [text.startswith("The file is damaged: ") for text in sound.warnings] == [True]


# Many channels


@pytest.mark.parametrize("channels", [9, 12, 16, 36, 64])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_many_channels_are_mixed(channels, subtype):
    y = tone(0.5, channels=channels) * np.linspace(0.5, 1, channels, dtype=np.float32)
    sound = audio.load_audio(encoded(y, subtype=subtype))
    assert np.abs(sound.y - y.mean(axis=1)).max() < 1e-3 and sound.warnings == ()
    assert np.abs(audio.load_audio(y, source_rate=RATE).y - y.mean(axis=1)).max() < 1e-3


def test_many_channels_cost_no_more_than_two(monkeypatch):
    monkeypatch.setattr(audio, "MAX_VALUES", 64 * RATE)
    sound = audio.load_audio(encoded(tone(2.0, channels=64)))
    assert sound.seconds == 1.0
    assert sound.warnings == ("Only the first 1.0 s of 2.0 s were read; the rest is left out.",)
