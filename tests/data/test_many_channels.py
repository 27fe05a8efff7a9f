"""Sounds of many channels are read where FFmpeg keeps each channel by itself; a damaged header's crowd is left out."""

import functools
import io

import av
import numpy as np
import pytest
import soundfile

from musicml.data.io import audio
from tests.fixtures.malformed_files import by_ffmpeg

RATE = 44_100


def make_noise(channels):
    return np.random.default_rng(channels).uniform(-0.2, 0.2, (60 * 2_048, channels)).astype(np.float32)


@functools.cache
def make_ogg(channels):
    """An Ogg of noise; written in parts, since libvorbis keeps what it is given at once on its stack."""
    file, y = io.BytesIO(), make_noise(channels)
    with soundfile.SoundFile(file, "w", RATE, channels, format="OGG") as sound:
        for place in range(0, len(y), 2_048):
            sound.write(y[place : place + 2_048])
    return file.getvalue()


def flip_bit(content):
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def copy_packets(content, format, change=lambda number, packet: packet):
    """The same packets in another container, each as `change` gives it."""
    file = io.BytesIO()
    with av.open(io.BytesIO(content)) as given, av.open(file, "w", format=format) as container:
        sound = given.streams.audio[0]
        stream = container.add_stream_from_template(sound)
        for number, packet in enumerate(given.demux(sound)):
            if packet.dts is not None:
                copy = av.Packet(change(number, bytes(packet)))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.duration, copy.stream = packet.duration, stream
                container.mux(copy)
    return file.getvalue()


def encode(format, codec, layout, channels):
    file, y = io.BytesIO(), make_noise(channels)
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(y.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def describe_channels(channels):
    """AAC's element that tells so many channels, each alone (ISO/IEC 14496-3, 4.4.1.1: program_config_element)."""
    front, side = min(channels, 15), max(channels - 15, 0)
    fields = [(5, 3), (0, 4), (1, 2), (3, 4), (front, 4), (side, 4), (0, 4), (0, 2), (0, 3), (0, 4), (0, 3)]
    fields += [field for number in range(channels) for field in ((0, 1), (number % 16, 4))]
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    bits += "0" * (-len(bits) % 8 + 8)  # and a comment of no bytes
    return int(bits, 2).to_bytes(len(bits) // 8)


def make_changing_m4a(channels):
    """One channel, and from the fortieth packet on a header that claims so many."""
    front = describe_channels(channels)
    return copy_packets(
        by_ffmpeg("mp4", "aac", seconds=2.0), "mp4", lambda number, packet: front + packet if number == 40 else packet
    )


FILES = {
    **{
        f"damaged_{channels}.ogg": lambda channels=channels: flip_bit(make_ogg(channels)) for channels in (7, 8, 12, 32)
    },
    "vorbis_12.mka": lambda: copy_packets(make_ogg(12), "matroska"),
    "aac_8.m4a": lambda: encode("mp4", "aac", "7.1", 8),
    "aac_8.mka": lambda: encode("matroska", "aac", "7.1", 8),
    "aac_8.aac": lambda: encode("adts", "aac", "7.1", 8),
    "aac_16.m4a": lambda: encode("mp4", "aac", "hexadecagonal", 16),
    "float_16.mka": lambda: encode("matroska", "pcm_f32le", "hexadecagonal", 16),
    **{
        f"changes_to_{channels}.m4a": lambda channels=channels: make_changing_m4a(channels)
        for channels in (2, 8, 9, 29)
    },
}


@pytest.fixture(scope="module")
def read():
    """What comes of each file; before, some of them ended the process."""
    return {name: audio.load_audio(make(), name=name) for name, make in FILES.items()}


@pytest.mark.parametrize("channels", [7, 8, 12, 32])
def test_a_damaged_ogg_of_many_channels_is_read_as_it_was_before_the_damage(read, channels):
    whole, found = audio.load_audio(make_ogg(channels)).y, read[f"damaged_{channels}.ogg"]
    assert np.abs(found.y[:40_000] - whole[:40_000]).max() < 1e-6 * np.abs(whole).max()
    assert 0.9 * len(whole) < len(found.y) < len(whole)
    assert [text.startswith("The file is damaged: ") for text in found.warnings] == [True]


@pytest.mark.parametrize("name", ["vorbis_12.mka", "aac_8.m4a", "aac_8.mka", "aac_8.aac", "aac_16.m4a", "float_16.mka"])
def test_many_channels_in_any_container_become_their_mean(read, name):
    y = make_noise(int(name.partition(".")[0].partition("_")[2])).mean(axis=1)
    found = read[name]
    assert abs(len(found.y) - len(y)) < 3_000 and not len(found.warnings)
    assert np.corrcoef(*align(found.y, y))[0, 1] > 0.5  # of noise, lossy codecs leave out the highest


def align(found, y):
    """Both from one place on: an encoder may begin with samples of its own."""
    shift = np.fft.irfft(np.fft.rfft(found, 2**18) * np.conj(np.fft.rfft(y, 2**18))).argmax() % 2**18
    shift -= 2**18 if shift > 2**17 else 0
    found, y = found[max(shift, 0) :], y[max(-shift, 0) :]
    n = min(len(found), len(y))
    return found[:n], y[:n]


@pytest.mark.parametrize("channels", [2, 8])
def test_a_change_to_more_channels_is_read_and_told(read, channels):
    found = read[f"changes_to_{channels}.m4a"]
    assert len(found.y) > 1.9 * 48_000
    assert f"to 48000 Hz, {channels} " in found.warnings[0]


@pytest.mark.parametrize("channels", [9, 29])
def test_a_change_to_a_crowd_of_channels_is_damage(read, channels):
    found = read[f"changes_to_{channels}.m4a"]
    assert 40 * 1_024 <= len(found.y) < 42 * 1_024
    assert found.warnings[0].startswith("The file is damaged: 1.1")
