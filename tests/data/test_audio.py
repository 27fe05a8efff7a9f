"""The gate for sound: what it reads, what it warns of, what it refuses; and where clips are cut."""

import io
import sys
import time
import tracemalloc

import numpy as np
import pytest
import soundfile

from musicml.data.io import audio
from musicml.utils.errors import InputError
from tests.fixtures import malformed_files
from tests.fixtures.malformed_files import by_ffmpeg, encoded, wav
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

RATE = 22_050


def tone(seconds=2.0, sample_rate=RATE, channels=1):
    return malformed_files.tone(seconds, sample_rate, channels)


def refusal(content, **options):
    with pytest.raises(InputError) as caught:
        audio.load_audio(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# What is read


def test_a_wav_comes_out_as_it_went_in():
    y = tone()
    sound = audio.load_audio(encoded(y, subtype="FLOAT"))
    assert (sound.y == y[:, 0]).all()
    assert sound.y.dtype == np.float32
    assert sound.sample_rate == RATE
    assert sound.seconds == 2.0
    assert sound.warnings == ()


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3", "OGG", "AIFF", "AU"])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_common_format_gives_the_same_tone(format, channels):
    sound = audio.load_audio(encoded(tone(channels=channels, sample_rate=44_100), format, sample_rate=44_100), RATE)
    assert abs(len(sound.y) - 2 * RATE) <= RATE // 10
    assert sound.sample_rate == RATE
    spectrum = np.abs(np.fft.rfft(sound.y))
    assert abs(spectrum.argmax() * RATE / len(sound.y) - 440) < 2
    assert sound.warnings == ()


@pytest.mark.parametrize(("format", "codec"), [("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_what_phones_and_browsers_record_is_read(format, codec):
    sound = audio.load_audio(by_ffmpeg(format, codec, seconds=2.0), RATE)
    assert abs(sound.seconds - 2.0) < 0.1
    assert 0.3 < np.abs(sound.y).max() < 0.6
    assert sound.warnings == ()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_the_scale_does_not_depend_on_the_width_of_the_samples(subtype):
    y = tone()
    assert np.abs(audio.load_audio(encoded(y, subtype=subtype)).y - y[:, 0]).max() < 0.01


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_channels_are_averaged(subtype):
    left, right = tone(), np.roll(tone(), 1_000, axis=0)
    sound = audio.load_audio(encoded(np.hstack([left, right]), subtype=subtype))
    assert off(sound.y, (left + right)[:, 0] / 2) < 1e-4


def test_the_ending_of_a_name_decides_nothing(tmp_path):
    path = tmp_path / "tone.raw"
    path.write_bytes(encoded(tone()))
    assert audio.load_audio(path).seconds == 2.0


def test_an_mp3_named_wav_is_read_with_a_warning():
    sound = audio.load_audio(encoded(tone(), "MP3"), name="song.wav")
    assert sound.warnings == ("The file is named .wav but holds mp3: it was read as mp3.",)


def test_an_id3_tag_before_the_sound_is_stepped_over():
    tag = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
    assert audio.load_audio(tag + encoded(tone(), "MP3")).seconds > 1.9


def test_resampling_equals_soxr_in_one_go():
    import soxr

    y = tone(5.0, 44_100)
    expected = soxr.resample(y[:, 0], 44_100, RATE, quality="HQ")
    assert off(audio.load_audio(encoded(y, sample_rate=44_100, subtype="FLOAT"), RATE).y, expected) < 1e-5


def test_what_is_heard_block_by_block_is_what_is_read():
    content, parts = encoded(tone(5.0, 44_100), "FLAC", sample_rate=44_100), []
    heard = audio.stream_audio(audio.AudioSource(content), parts.append, RATE)
    sound = audio.load_audio(content, RATE)
    assert len(parts) > 1 and (np.concatenate(parts) == sound.y).all()
    assert (heard.sample_rate, heard.n_samples, heard.warnings) == (RATE, len(sound.y), sound.warnings)


# An array


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("sample_rate", [RATE, 44_100])
def test_an_array_is_read_as_its_file(channels, sample_rate):
    y = tone(sample_rate=sample_rate, channels=channels)
    y[:, 0] *= 0.5
    deep = np.round(y * 32_768).astype(np.int16)
    for given, subtype in ((y, "FLOAT"), (deep, "PCM_16")):
        wanted = audio.load_audio(encoded(given, sample_rate=sample_rate, subtype=subtype), RATE)
        sound = audio.load_audio(given, RATE, source_rate=sample_rate)
        assert off(sound.y, wanted.y) < 1e-5
        assert (sound.sample_rate, sound.warnings, sound.y.dtype) == (RATE, (), np.float32)


@pytest.mark.parametrize("sample_rate", [RATE, 44_100])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_array_of_one_dimension_is_mono_and_its_precision_is_no_matter(sample_rate, dtype):
    y = tone(sample_rate=sample_rate)
    wanted = audio.load_audio(y, RATE, source_rate=sample_rate).y
    for given in (y[:, 0], y, y[::-1][::-1]):
        sound = audio.load_audio(given.astype(dtype), RATE, source_rate=sample_rate)
        assert off(sound.y, wanted) < (5e-3 if dtype == "float16" else 1e-5)
        assert sound.y.dtype == np.float32


def test_an_array_gets_the_warnings_of_a_file():
    assert "silent" in audio.load_audio(np.zeros(RATE), source_rate=RATE).warnings[0]
    assert "clipped" in audio.load_audio(np.clip(5 * tone(), -1, 1), source_rate=RATE).warnings[0]
    assert audio.load_audio(tone(9.0), max_seconds=2, source_rate=RATE).warnings == (
        "Only the first 2.0 s of 9.0 s were read; the rest is left out.",
    )


@pytest.mark.parametrize(
    ("y", "source_rate", "words"),
    [
        (tone(), None, "in Hz, got None"),
        (tone(), 100, "sample_rate=100 must be between 4000 and 192000 Hz"),
        (tone().astype(np.int32), RATE, "float in [-1, 1] or int16, got int32"),
        (tone() > 0, RATE, "got bool"),
        (tone().astype(complex), RATE, "got complex128"),
        (np.array(["a", "b"]), RATE, "got <U1"),
        (np.zeros(0), RATE, "(n_samples,) or (n_samples, channels), got (0,)"),
        (np.zeros((100, 0)), RATE, "got (100, 0)"),
        (np.array(0.5), RATE, "got ()"),
        (np.zeros((10, 2, 2)), RATE, "got (10, 2, 2)"),
        (tone(channels=2).T, RATE, "channels=44100 must be between 1 and 64"),
        (np.where(np.arange(900) == 700, np.nan, 0.1), RATE, "between -1 and 1 in the array, got nan"),
        (np.where(np.arange(900) == 700, -np.inf, 0.1), RATE, "between -1 and 1 in the array, got inf"),
        (1000 * tone(), RATE, "Expected samples between -1 and 1"),
    ],
)
def test_an_array_that_is_no_sound_is_refused_with_what_came(y, source_rate, words):
    message = refusal(y, source_rate=source_rate)
    assert words in message and "the array" in message
    assert "my song" in refusal(y, source_rate=source_rate, name="my song")


# What is warned of


@pytest.mark.parametrize(("y", "word"), [(np.zeros((RATE, 1)), "silent"), (np.clip(5 * tone(), -1, 1), "clipped")])
def test_a_sound_that_says_nothing_true_is_flagged(y, word):
    assert [word in warning for warning in audio.load_audio(encoded(y)).warnings] == [True]


def test_samples_stay_between_minus_one_and_one():
    sound = audio.load_audio(encoded(np.sign(tone(sample_rate=44_100)), sample_rate=44_100), RATE)
    assert np.abs(sound.y).max() <= 1


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3"])
def test_a_file_cut_in_half_is_read_with_a_warning(format):
    content = encoded(tone(12.0), format)
    sound = audio.load_audio(content[: len(content) // 2])
    assert 2 < sound.seconds < 7
    assert [warning.startswith("The file is cut off or damaged: ") for warning in sound.warnings] == [True]
    assert "of the 12.0 s" in sound.warnings[0]


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3"])
def test_a_file_of_which_next_to_nothing_is_left_is_refused(format):
    content = encoded(tone(12.0), format)
    refusal(content[: max(len(content) // 40, 200)])


def test_a_wav_written_to_a_pipe_claims_nothing():
    data = (tone()[:, 0] * 32_767).astype("<i2").tobytes()
    assert audio.load_audio(wav(data=data, claimed=2**32 - 1)).warnings == ()


def test_only_the_wanted_seconds_of_an_hour_are_decoded():
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8_000, 1, format="FLAC", subtype="PCM_16") as hour:
        for _ in range(60):
            hour.write(np.zeros(60 * 8_000, np.int16))
    content = file.getvalue()
    tracemalloc.start()
    begun = time.perf_counter()
    sound = audio.load_audio(content, max_seconds=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sound.seconds == 10
    assert "Only the first 10.0 s of 3600.0 s were read; the rest is left out." in sound.warnings
    assert time.perf_counter() - begun < 5.0
    assert peak < 10e6


# What is refused


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(channels=65, data=bytes(1_300)), "channels=65 must be between 1 and 64"),
        (wav()[:40], "Cannot decode"),
        (encoded(np.zeros((0, 1)), "AIFF"), "no frame of it"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "is a JPEG picture"),
        (b"RIFF" + bytes(4) + b"WEBP" + bytes(100), "is a WEBP picture"),
        (b"\0\1\2\3" + bytes(100), "starts with the bytes 00 01 02 03, which match no known"),
        (b"RIFF\xff\xff\xff\xffWAVE", "the wav is damaged"),
        (b"fLaC" + bytes(100), "the flac is damaged"),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "m4a"),
        (b"\x1aE\xdf\xa3" + bytes(100), "webm"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_with_what_came(content, words):
    assert words in refusal(content, name="song.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, 20_000])
def test_a_sample_that_is_no_number_or_off_the_scale_is_refused(value):
    y = tone(channels=2)
    y[100] = value
    assert "between -1 and 1" in refusal(encoded(y, subtype="FLOAT"))


def test_a_claim_of_two_gigabytes_costs_nothing():
    tracemalloc.start()
    message = refusal(wav(data=bytes(56), claimed=2**31 - 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "Expected 48695.8 s" in message
    assert peak < 10e6


def test_a_sample_rate_nobody_hears_at_is_refused():
    assert "sample_rate=100 must be between" in refusal(encoded(tone()), sample_rate=100)


def test_without_av_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install av" in refusal(b"\0\0\0\x20ftypM4A " + bytes(100))


# Clips


@pytest.mark.parametrize(
    ("n", "expected"),
    [(0, [0]), (10, [0]), (30, [0]), (45, [0]), (46, [0, 16]), (60, [0, 30]), (75, [0, 30]), (76, [0, 30, 46])],
)
def test_clips_follow_each_other_and_the_last_ends_with_the_track(n, expected):
    assert audio.compute_clip_starts(n, 30, 30).tolist() == expected


def test_overlapping_clips_leave_less_than_half_a_clip_unheard():
    for n in range(30, 200):
        begins = audio.compute_clip_starts(n, 30, 10)
        assert begins[-1] + 30 <= n
        assert n - (begins[-1] + 30) <= 15


def test_a_short_sound_is_repeated_and_a_long_one_left_alone():
    y = np.arange(3, dtype=np.float32)
    assert audio.pad_audio(y, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert audio.pad_audio(y, 2) is y
    assert audio.pad_audio(y, 8).dtype == np.float32


def test_nothing_can_not_be_repeated():
    with pytest.raises(InputError, match="at least 1 sample"):
        audio.pad_audio(np.zeros(0, np.float32), 5)


# two files joined to one


def constant(format, subtype=None, sample_rate=48_000):
    return lambda: encoded(np.full(sample_rate, 0.1), format, subtype, sample_rate)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (constant("WAV"), constant("WAV")),
        (constant("WAV", None, 22_050), constant("WAV")),
        (lambda: by_ffmpeg("mp4", "aac"), lambda: by_ffmpeg("mp4", "aac")),
        (lambda: by_ffmpeg("mov", "aac"), lambda: by_ffmpeg("ipod", "aac")),
        (constant("OGG", "VORBIS"), constant("OGG", "OPUS")),
        (constant("OGG", "OPUS"), constant("OGG", "VORBIS")),
    ],
)
def test_a_second_file_behind_the_first_is_told_where_it_is_not_read(first, second):
    joined = audio.load_audio(first() + second(), name="joined")
    assert 0.9 < joined.seconds < 1.2
    assert any(one.startswith("The file consists of two files") for one in joined.warnings)
    for content in (first(), second(), first() + b"junk" * 100):
        assert not any("joined" in one for one in audio.load_audio(content, name="one").warnings)
