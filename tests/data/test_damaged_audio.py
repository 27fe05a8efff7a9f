"""Damage in the midst of a file costs what it hit and no more, and an mp3 is found wherever it begins."""

import functools
import io
import re
import struct

import numpy as np
import pytest

from musicml.data.io import audio, listing, mpeg
from musicml.data.io.containers import is_whole_ogg
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import by_ffmpeg, encoded, tone

RATE = 44_100
SECONDS = 8.0


@functools.cache
def make_mp3(seconds=SECONDS, sample_rate=RATE, channels=2):
    """An mp3 of frames alone, without the one at its beginning that tells their number."""
    content = encoded(tone(seconds, sample_rate, channels), "MP3", sample_rate=sample_rate)
    return content[mpeg.measure_frame(content[:6], "mp3") :]


@functools.cache
def make_sound(kind):
    if kind == "mp3":
        return make_mp3()
    if kind in ("flac", "ogg"):
        return encoded(tone(SECONDS, RATE, 2), kind.upper(), sample_rate=RATE)
    format, codec = {"m4a": ("mp4", "aac"), "aac": ("adts", "aac"), "wma": ("asf", "wmav2")}.get(
        kind, (kind, "libopus")
    )
    try:
        return by_ffmpeg("ogg" if kind == "opus" else format, codec, seconds=SECONDS)
    except ValueError as error:
        pytest.skip(f"this FFmpeg has no encoder {codec}: {error}")


def damage(content, share, n_bytes, rng=None):
    """Some bytes in the midst of a file become zeros, or random."""
    place = int(share * len(content))
    return content[:place] + (rng.bytes(n_bytes) if rng else bytes(n_bytes)) + content[place + n_bytes :]


def make_ape(size=6_000):
    """An APEv2 tag, with a header and a footer."""
    fields = struct.pack("<IIII", 2_000, size + 32, 1, 0xA0000000) + bytes(8)
    return b"APETAGEX" + fields + np.random.default_rng(1).bytes(size) + b"APETAGEX" + fields


def make_id3(size=3_000):
    """An ID3v2.4 tag of random bytes, as a picture has them."""
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + np.random.default_rng(2).bytes(size)


ID3V1 = b"TAG" + bytes(125)
LYRICS = b"LYRICSBEGIN" + b"la la la " * 200 + b"001811LYRICS200"


def get_skipped(sound):
    """The seconds that a warning tells were skipped; 0 where it tells of none."""
    found = [re.match(r"The file is damaged: (\S+) s of (\S+) s could not be decoded", text) for text in sound.warnings]
    return sum(float(match[1]) for match in found if match)


# Damage in the midst


@pytest.mark.parametrize("kind", ["mp3", "aac", "m4a", "flac", "ogg", "opus", "webm", "wma"])
@pytest.mark.parametrize(("share", "n_bytes"), [(0.3, 40), (0.45, 6_000)])
def test_a_damaged_packet_is_skipped_and_its_seconds_are_told(kind, share, n_bytes):
    content = make_sound(kind)
    whole = audio.load_audio(content)
    assert whole.warnings == ()
    sound = audio.load_audio(damage(content, share, n_bytes))
    lost = whole.seconds - sound.seconds
    assert lost < 4.0
    assert abs(get_skipped(sound) - lost) < 0.3, sound.warnings


def test_many_small_damages_are_added_up():
    content, rng = make_sound("flac"), np.random.default_rng(0)
    for share in np.linspace(0.1, 0.9, 8):
        content = damage(content, share, 8, rng)
    sound = audio.load_audio(content)
    assert abs(sound.seconds + get_skipped(sound) - SECONDS) < 0.05 and get_skipped(sound) > 0.3
    assert np.abs(sound.y).max() < 0.6, "a damaged frame of flac is left out, not heard as noise"


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_what_stands_before_and_behind_the_damage_of_a_flac_is_as_it_was(subtype):
    content = encoded(tone(SECONDS, RATE, 2), "FLAC", subtype, RATE)
    whole, sound = audio.load_audio(content), audio.load_audio(damage(content, 0.6, 40))
    assert (sound.y[: 4 * RATE] == whole.y[: 4 * RATE]).all()
    assert (sound.y[-2 * RATE :] == whole.y[-2 * RATE :]).all()


def test_a_damaged_ogg_is_seen_by_its_checksums():
    content = make_sound("ogg")
    assert is_whole_ogg(io.BytesIO(content)) and is_whole_ogg(io.BytesIO(content[: len(content) // 2]))
    assert is_whole_ogg(io.BytesIO(content + ID3V1))
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    assert not is_whole_ogg(io.BytesIO(changed)) and not is_whole_ogg(io.BytesIO(2 * content))


CLUSTER = bytes.fromhex("1f43b675")


def make_live(format="webm", codec="libopus", video=None):
    """What a browser records, and where its clusters begin: it does not say how long it is."""
    content = by_ffmpeg(format, codec, video, seconds=SECONDS)
    place = content.index(b"\x44\x89\x88") + 3
    content = content[:place] + bytes(8) + content[place + 8 :]
    return content, [match.start() for match in re.finditer(CLUSTER, content)]


@pytest.mark.parametrize("kind", [("webm", "libopus"), ("matroska", "aac"), ("matroska", "libmp3lame")])
@pytest.mark.parametrize(("number", "behind", "n_bytes"), [(0, 0, 40), (-1, 0, 1_500), (0, 12, 20), (-1, 400, 300)])
def test_a_damaged_cluster_of_a_recording_without_a_length_is_told(kind, number, behind, n_bytes):
    content, clusters = make_live(*kind)
    whole, place = audio.load_audio(content), clusters[number] + behind
    assert len(clusters) > 1 and whole.warnings == ()
    sound = audio.load_audio(content[:place] + bytes(n_bytes) + content[place + n_bytes :])
    lost = whole.seconds - sound.seconds
    assert lost > 1 and abs(get_skipped(sound) - lost) < 0.1 * lost


def test_a_recording_beside_pictures_is_told_to_lack_its_end():
    content, clusters = make_live("matroska", "aac", "mjpeg")
    assert audio.load_audio(content).warnings == ()
    sound = audio.load_audio(content[: clusters[-1]] + bytes(40) + content[clusters[-1] + 40 :])
    assert sound.seconds < SECONDS - 1 and get_skipped(sound) > 1


def test_a_recording_cut_out_of_a_stream_lacks_nothing():
    content, clusters = make_live()
    sound = audio.load_audio(content[: clusters[0]] + content[clusters[1] :])
    assert 1 < sound.seconds < SECONDS - 1 and sound.warnings == ()


# Files that were joined


@pytest.mark.parametrize("between", [b"", make_id3(), make_id3(100_000), make_ape() + ID3V1, ID3V1, bytes(300)])
@pytest.mark.parametrize("marked", [False, True])
def test_two_mp3_joined_to_one_are_both_read(between, marked):
    content = encoded(tone(SECONDS, RATE, 2), "MP3", sample_rate=RATE) if marked else make_mp3()
    sound = audio.load_audio(content + between + content)
    assert abs(sound.seconds - 2 * SECONDS) < 0.2
    assert get_skipped(sound) < 0.1


@pytest.mark.parametrize("kind", ["flac", "ogg", "aac"])
def test_two_files_of_other_types_joined_to_one_are_both_read(kind):
    sound = audio.load_audio(2 * make_sound(kind))
    assert abs(sound.seconds - 2 * SECONDS) < 0.2
    assert sound.warnings == ()


@pytest.mark.parametrize(
    ("first", "second"), [((44_100, 2), (22_050, 1)), ((22_050, 1), (44_100, 2)), ((48_000, 1), (32_000, 1))]
)
def test_a_file_that_changes_its_rate_is_brought_to_that_of_its_beginning(first, second):
    sound = audio.load_audio(make_mp3(3.0, *first) + make_mp3(5.0, *second))
    assert sound.sample_rate == first[0] and abs(sound.seconds - 8.0) < 0.25
    changed = [warning for warning in sound.warnings if warning.startswith("The format changes from ")]
    assert len(changed) == 1 and f"to {second[0]} Hz, {second[1]} ch partway through" in changed[0]
    y = sound.y[-2 * first[0] : -first[0] // 2]
    assert abs(np.abs(np.fft.rfft(y)).argmax() * first[0] / len(y) - 440) < 2


@pytest.mark.parametrize("kind", ["mp3", "aac"])
@pytest.mark.parametrize("interval", [8_192, 16_000])
def test_a_recording_of_a_stream_with_titles_in_its_midst_is_read_to_its_end(kind, interval):
    content, parts = make_sound(kind), []
    for number, place in enumerate(range(0, len(content), interval)):
        title = b"\3" + f"StreamTitle='Song {number}';".encode().ljust(48, b"\0")
        parts += [content[place : place + interval], b"\0" if number % 3 else title]
    sound = audio.load_audio(b"".join(parts))
    assert sound.seconds > 0.7 * SECONDS and np.abs(sound.y).max() <= 1
    assert abs(sound.seconds + get_skipped(sound) - SECONDS) < 1.0


@pytest.mark.parametrize("kind", ["mp3", "aac", "flac", "ogg"])
def test_what_is_only_random_behind_its_first_frames_ends_soon(kind):
    content = make_sound(kind)[: len(make_sound(kind)) // 2] + np.random.default_rng(0).bytes(3_000_000)
    try:
        sound = audio.load_audio(content)
    except InputError:
        return
    assert sound.warnings and sound.seconds < SECONDS


def test_a_million_tags_between_two_mp3_end_soon():
    content = make_mp3(2.0)
    sound = audio.load_audio(content + 100_000 * b"ID3\4\0\0\0\0\0\0" + content)
    assert abs(sound.seconds - 4.0) < 0.2


def test_random_bytes_between_two_mp3_are_left_out():
    content = make_mp3()
    sound = audio.load_audio(content + np.random.default_rng(3).bytes(300_000) + content)
    assert abs(sound.seconds - 2 * SECONDS) < 0.3 and get_skipped(sound) > 1


# Where an mp3 begins

FRONTS = {
    "zeros": bytes(417),
    "a radio's header": b"ICY 200 OK\r\nicy-name: Radio\r\ncontent-type: audio/mpeg\r\n\r\n",
    "60 kB of zeros": bytes(60_000),
    "random bytes": np.random.default_rng(5).bytes(20_000),
    "an APE tag": make_ape(),
    "two ID3 tags": 2 * make_id3(),
    "ID3, APE and ID3 tags": make_id3() + make_ape() + make_id3(70_000),
    "an ID3 tag and zeros": make_id3() + bytes(3_000),
    "a mark of UTF-8": b"\xef\xbb\xbf",
}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_the_first_frame_is_searched_for(front, kind):
    content = make_sound(kind)
    sound = audio.load_audio(FRONTS[front] + content)
    assert abs(sound.seconds - SECONDS) < 0.15
    assert sound.warnings == ()


@pytest.mark.parametrize("kind", ["mp3", "aac"])
@pytest.mark.parametrize("cut", [1, 100, 1_000, 5_001])
def test_a_sound_cut_out_of_a_stream_is_read_from_its_first_whole_frame(kind, cut):
    sound = audio.load_audio(make_sound(kind)[cut:])
    assert SECONDS - 1 < sound.seconds < SECONDS + 0.1


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_frames_of_every_version_are_measured(sample_rate, channels):
    sound = audio.load_audio(bytes(999) + make_mp3(3.0, sample_rate, channels))
    assert sound.sample_rate == sample_rate and abs(sound.seconds - 3.0) < 0.3


@pytest.mark.parametrize(
    "content",
    [
        np.random.default_rng(7).bytes(200_000)[1:],
        b"\xff" * 90_000,
        b"\0" + b"\xff\xfb\x90\x64" * 20_000,
        b"\0" + b"\xff\xf1\x50\x80" * 20_000,
        "Größe\n".encode("utf-16") * 9_000,
        b"La la la.\n" * 9_000,
        bytes(70_000) + make_mp3(1.0),
        make_mp3(1.0).join([b"song.mp3".ljust(257, b"\0") + b"ustar\0" + bytes(249), b""]),
        b"RIFF\0\0\0\0AVI " + bytes(500) + make_mp3(1.0),
    ],
)
def test_what_is_no_mp3_is_not_taken_for_one(content):
    with pytest.raises(InputError, match="Expected sound in .*, but it (starts with|looks like|is an? )"):
        audio.load_audio(content)


def keep_frames(n_frames):
    """The first frames of an mp3."""
    content, place = make_mp3(1.0), 0
    for _ in range(n_frames):
        place += mpeg.measure_frame(content[place : place + 6], "mp3")
    return content[:place]


def damage_second_frame():
    content = make_mp3(1.0)
    place = len(keep_frames(1))
    return content[:place] + bytes(4) + content[place + 4 :]


@pytest.mark.parametrize("header", [b"\xff\xfb\x90\0", b"\xff\xfd\x90\0", b"\xff\xf1\x50\x80", b"\xff\xfb\0\0"])
@pytest.mark.parametrize("behind", [4_000, 1_000_000])
def test_one_header_does_not_make_a_file_a_sound_of_a_folder(tmp_path, header, behind):
    path = tmp_path / "weights.bin"
    for content in (header * (behind // 4), header + np.random.default_rng(8).bytes(behind), header + bytes(behind)):
        path.write_bytes(content)
        assert listing.detect_kind(str(path)) is None


@pytest.mark.parametrize("name", ["song.mp3", "song.MP2", "song", "song.bin"])
@pytest.mark.parametrize("content", [make_mp3(1.0), make_id3() + keep_frames(2), damage_second_frame(), keep_frames(3)])
def test_an_mp3_is_a_sound_of_a_folder_by_its_frames_its_tag_or_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert listing.detect_kind(str(tmp_path / name)) == "sound"
    assert audio.load_audio(tmp_path / name).seconds > 0


def test_an_mp3_of_two_frames_that_is_given_or_named_so_is_read(tmp_path):
    assert audio.load_audio(keep_frames(2)).seconds > 0.02
    (tmp_path / "song.mp3").write_bytes(keep_frames(2))
    assert listing.detect_kind(str(tmp_path / "song.mp3")) == "sound"


# The length that an mp3 claims


@pytest.mark.parametrize("seconds", [0.8, SECONDS])
@pytest.mark.parametrize("behind", [make_ape(), make_ape(300_000), ID3V1, LYRICS + ID3V1, make_ape() + ID3V1])
@pytest.mark.parametrize("marked", [False, True])
def test_tags_behind_the_last_frame_are_no_sound(seconds, behind, marked):
    content = encoded(tone(seconds, RATE, 2), "MP3", sample_rate=RATE) if marked else make_mp3(seconds)
    sound = audio.load_audio(content + behind)
    assert abs(sound.seconds - seconds) < 0.1
    assert sound.warnings == ()


def with_vbri(content, n_frames):
    """An mp3 behind a frame that tells their number as Fraunhofer's encoder does."""
    frame = content[:4] + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(content), n_frames)
    return frame.ljust(mpeg.measure_frame(content[:6], "mp3"), b"\0") + content


def test_an_mp3_claims_the_frames_that_its_first_one_counts_and_nothing_else():
    marked, frames = encoded(tone(SECONDS, RATE, 2), "MP3", sample_rate=RATE), make_mp3()
    n_frames = round(SECONDS * RATE / 1_152)
    assert abs(mpeg.read_claimed_frames(io.BytesIO(marked)) / RATE - SECONDS) < 0.06
    assert abs(mpeg.read_claimed_frames(io.BytesIO(make_id3() + make_ape() + marked)) / RATE - SECONDS) < 0.06
    assert mpeg.read_claimed_frames(io.BytesIO(with_vbri(frames, n_frames))) == 1_152 * n_frames
    assert mpeg.read_claimed_frames(io.BytesIO(frames)) == 0
    for cut in (marked, with_vbri(frames, n_frames)):
        (warning,) = audio.load_audio(cut[: len(cut) // 2]).warnings
        assert warning.startswith("The file is cut off or damaged: ")
    assert audio.load_audio(frames[: len(frames) // 2]).warnings == ()


@pytest.mark.parametrize("count", [0, 1, 2**32 - 1])
def test_a_number_of_frames_that_cant_be_is_no_claim(count):
    content = encoded(tone(SECONDS, RATE, 2), "MP3", sample_rate=RATE)
    place = max(content[:300].find(b"Xing"), content[:300].find(b"Info")) + 8
    sound = audio.load_audio(content[:place] + struct.pack(">I", count) + content[place + 4 :])
    assert abs(sound.seconds - SECONDS) < 0.1 and sound.warnings == ()
