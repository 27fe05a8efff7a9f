"""The loudest channel is used where channels cancel each other, wherever that begins; else their mean."""

import numpy as np
import pytest

from musicml.data.io import audio, channels
from musicml.features import audio_features
from tests.fixtures.malformed_files import encoded, tone

RATE = 22_050
Y = tone(4.0)[:, 0]
NOTHING = np.zeros_like(Y)
NOISE = 0.1 * np.random.default_rng(9).standard_normal(len(Y)).astype(np.float32)


def mix(*parts):
    """The sound of these channels, and what is warned of."""
    return audio.load_audio(np.stack(parts, axis=1), source_rate=RATE)


def is_told(sound):
    return [warning.startswith("The channels cancel each other in ") for warning in sound.warnings] == [True]


@pytest.mark.parametrize(
    ("parts", "heard"),
    [
        *(((Y, -Y), Y), ((Y, -0.9 * Y), Y), ((0.9 * Y, -Y), -Y), ((Y, -Y + 0.02 * NOISE), None), (4 * (Y, -Y), Y)),
        *(((Y, -Y, NOTHING, NOTHING, NOTHING, NOTHING), Y), ((0.5 * Y, 0.5 * Y, -Y), -Y), (32 * (Y, -Y), Y)),
    ],
)
def test_the_loudest_channel_is_used_where_they_cancel(parts, heard):
    sound = mix(*parts)
    assert is_told(sound) and "in 4.0 s of 4.0 s" in sound.warnings[0]
    assert np.abs(sound.y - (Y if heard is None else heard)).max() < 0.02


@pytest.mark.parametrize(
    "parts",
    [
        (Y,),
        (Y, Y),
        (Y, -0.5 * Y),
        (Y, NOTHING),
        (Y, NOISE),
        (Y, np.roll(Y, 5)),
        (Y, *63 * (NOTHING,)),
        tuple(np.random.default_rng(1).normal(0, 0.1, (12, len(Y))).astype(np.float32)),
    ],
)
def test_the_mean_is_used_of_channels_that_do_not_cancel(parts):
    sound = mix(*parts)
    assert (sound.y == channels.mix_to_mono(np.stack(parts, axis=1))).all()
    assert sound.warnings == ()


@pytest.mark.parametrize("parts", [(NOTHING, NOTHING), (1e-5 * Y, -1e-5 * Y)])
def test_silence_is_silent(parts):
    (warning,) = mix(*parts).warnings
    assert warning.startswith("The sound is silent")


@pytest.mark.parametrize("begin", [0.25, 0.5, 0.75])
def test_channels_that_cancel_only_from_some_place_on_are_heard_there(begin):
    y, place = np.tile(Y, 3), round(12 * RATE * begin)
    other = np.concatenate([y[:place], -y[place:]])
    sound = mix(y, other)
    assert is_told(sound)
    first, last = place - channels.PART, place + channels.PART
    assert np.abs(sound.y[:first] - y[:first]).max() < 1e-6
    assert np.abs(sound.y[last:] - y[last:]).max() < 1e-6


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("sample_rate", [None, 16_000])
def test_a_file_whose_one_side_is_turned_over_is_heard(format, sample_rate):
    sound = audio.load_audio(encoded(np.stack([Y, -Y], axis=1), format), sample_rate)
    assert is_told(sound) and 0.3 < np.abs(sound.y).max() < 0.6
    values, warnings = audio_features.compute_features(
        encoded(np.stack([Y, -Y], axis=1), format), audio_features.LogMel()
    )
    assert values.max() > -20 and warnings == sound.warnings


def test_samples_of_16_bits_are_judged_as_floats_are():
    deep = np.round(32_767 * np.stack([Y, -Y], axis=1)).astype(np.int16)
    sound = audio.load_audio(deep, source_rate=RATE)
    assert is_told(sound) and np.abs(sound.y - Y).max() < 1e-4


@pytest.mark.parametrize("size", [1, 128, 1_000, 4_096, 10_000, 65_536])
def test_blocks_of_any_size_are_heard_by_the_same_channel(size):
    mixer, y = channels.Mixer(), np.stack([Y, -Y], axis=1)[:20_000]
    heard = np.concatenate([mixer(y[place : place + size]) for place in range(0, len(y), size)])
    assert np.abs(heard[5_000:] - y[5_000:, 0]).max() < 1e-6
    assert mixer.list_warnings(RATE) and not channels.Mixer().list_warnings(RATE)


@pytest.mark.parametrize("size", [128, 4_410, 11_025])
@pytest.mark.parametrize("begin", [0.3, 0.5])
def test_blocks_of_any_size_differ_only_near_the_place_where_channels_begin_to_cancel(size, begin):
    y, place = np.tile(Y, 3), round(12 * RATE * begin)
    both = np.stack([y, np.concatenate([y[:place], -y[place:]])], axis=1)
    mixer = channels.Mixer()
    live = np.concatenate([mixer(both[k : k + size]) for k in range(0, len(both), size)])
    file = audio.load_audio(both, source_rate=RATE)
    (places,) = np.nonzero(np.abs(live - file.y) > 1e-6)
    assert len(places) and place - 1.5 * channels.PART <= places[0] and places[-1] <= place + 1.5 * channels.PART
    assert is_told(file) and mixer.list_warnings(RATE)


@pytest.mark.parametrize("multiple", [1, 7, 20, 30])
@pytest.mark.parametrize("phase", [0.0, 0.1])
def test_no_tone_hides_between_the_samples_that_are_looked_at(multiple, phase):
    y = 0.3 * np.sin(2 * np.pi * multiple * np.arange(3 * 65_536) / channels.STRIDE + phase)
    deep = np.round(32_767 * np.stack([y, -y], axis=1)).astype(np.int16)
    sound = audio.load_audio(deep, source_rate=RATE)
    assert is_told(sound) and np.abs(sound.y - y).max() < 1e-4


@pytest.mark.parametrize("size", [1, 128, 1_000])
def test_small_blocks_of_ordinary_stereo_do_not_seem_to_cancel(size):
    mixer, y = channels.Mixer(), np.stack([Y, NOISE], axis=1)[:20_000]
    heard = np.concatenate([mixer(y[place : place + size]) for place in range(0, len(y), size)])
    assert (heard == channels.mix_to_mono(y))[2_000:].all()


@pytest.mark.filterwarnings("error")
def test_samples_that_are_no_numbers_stay_so():
    for value in (np.nan, np.inf, 1e38):
        y = np.stack([Y, -Y], axis=1)
        y[5_000] = value
        assert not np.abs(channels.Mixer()(y)).max() <= 4
