"""Features equal librosa's; a clip's equal the same frames of its track."""

import io

import numpy as np
import pytest

from musicml.data.io.audio import AudioSource
from musicml.features import audio_features, frame_stream
from musicml.features.audio_features import MFCC, LogMel, Pixels, VGGish
from musicml.utils.errors import InputError
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

RATE = 22_050


def music(seconds=4.0, sample_rate=RATE):
    """Tones over noise [shape=(n_samples,)], float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    tones = sum(0.2 * np.sin(2 * np.pi * hz * t) for hz in (110, 440, 3_000))
    return (tones + 0.02 * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


SETTINGS = [
    {},
    {"sample_rate": 44_100, "fmin": 50.0, "fmax": 16_000.0},
    {"n_fft": 1_000, "hop_length": 300, "n_mels": 50},
]


def librosa_log_mel(y, settings):
    import librosa

    power = librosa.feature.melspectrogram(
        y=y,
        sr=settings.sample_rate,
        n_fft=settings.n_fft,
        hop_length=settings.hop_length,
        n_mels=settings.n_mels,
        fmin=settings.fmin,
        fmax=settings.fmax or None,
        center=False,
    )
    return librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)


@pytest.mark.parametrize("table", SETTINGS)
def test_log_mel_spectrograms_and_mfcc_equal_librosas(table):
    librosa = pytest.importorskip("librosa", reason="librosa is what these are compared with")
    for settings in (LogMel(**table), MFCC(**table, n_mfcc=20)):
        y = music(sample_rate=settings.sample_rate)
        values, decibels = settings.compute(y), librosa_log_mel(y, settings)
        wanted = librosa.feature.mfcc(S=decibels, n_mfcc=20) if isinstance(settings, MFCC) else decibels
        assert off(values, wanted.T) < 1e-5
        assert values.shape == settings.get_shape(len(y))
        assert values.dtype == np.float32 and values.flags.c_contiguous


@pytest.mark.parametrize("settings", [LogMel(), MFCC(), LogMel(n_fft=1_000, hop_length=300, n_mels=50)])
def test_a_clip_has_the_same_frames_as_its_track(settings):
    y = music()
    track = settings.compute(y)
    for first in (1, 7, 64, 65):
        clip = settings.compute(y[first * settings.hop_length :])
        assert off(clip, track[first:]) < 1e-5
    three = settings.compute(y[5 * settings.hop_length :][: settings.count_samples(3)])
    assert off(three, track[5:8]) < 1e-5


def test_a_440_hz_tone_peaks_in_the_right_mel_band():
    settings = LogMel()
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    filters = audio_features.compute_mel_filters(settings)
    nearest = round(440 * settings.n_fft / RATE)
    assert (settings.compute(tone).argmax(axis=1) == filters[:, nearest].argmax()).all()


def test_one_clip_never_changes_another():
    settings = LogMel()
    quiet = 1e-3 * music()
    both = np.concatenate([quiet, music()])
    assert (settings.compute(both)[:10] == settings.compute(quiet)[:10]).all()


def test_silence_is_minus_100_db():
    assert (LogMel().compute(np.zeros(RATE, np.float32)) == -100).all()


# Frames of a sound that comes in blocks

BLOCKS = [1, 511, 2_049, 10**6]


def in_blocks(frames, y, sizes):
    """What `frames` gives for `y` in blocks of these sizes, the last of them again and again."""
    found, place = [], 0
    sizes = iter(sizes)
    size = next(sizes)
    while place < len(y):
        found.append(frames.process(y[place : place + size]))
        place, size = place + size, next(sizes, size)
    return np.concatenate([*found, frames.compute_padded()])


@pytest.mark.parametrize("settings", [LogMel(), MFCC(), LogMel(n_fft=1_000, hop_length=300, n_mels=50)])
@pytest.mark.parametrize("size", BLOCKS)
def test_frames_of_blocks_of_any_size_equal_those_of_the_whole(settings, size):
    y = music(0.2 if size == 1 else 3.0)
    found = in_blocks(frame_stream.FrameStream(settings), y, [size])
    wanted = settings.compute(y)
    assert found.shape == wanted.shape and found.dtype == np.float32
    assert off(found, wanted) < 1e-5


def test_frames_of_blocks_that_change_their_size_equal_those_of_the_whole():
    y, rng = music(5.0), np.random.default_rng(0)
    for _ in range(5):
        sizes = np.maximum(1, rng.exponential(rng.choice([300, 3_000, 30_000]), 10_000)).astype(int)
        found = in_blocks(frame_stream.FrameStream(LogMel(), 3 * RATE), y, sizes)
        assert off(found, LogMel().compute(y)) < 1e-5


@pytest.mark.parametrize(("seconds", "size"), [(0.02, 100), (0.3, 5_000), (0.999, 100)])
@pytest.mark.parametrize("settings", [LogMel(), MFCC()])
def test_a_sound_that_ends_short_is_repeated_and_says_so(seconds, size, settings):
    from musicml.data.io import audio

    y, frames = music(seconds), frame_stream.FrameStream(settings, RATE)
    found = in_blocks(frames, y, [size])
    assert off(found, settings.compute(audio.pad_audio(y, RATE))) < 1e-5
    assert len(found) == settings.count_frames(RATE)
    assert frames.get_warnings() == (f"The sound lasts {len(y) / RATE:.2f} s and was repeated to fill 1.00 s.",)


def test_nothing_is_given_before_there_is_enough_and_nothing_repeated_once_there_is():
    y, frames = music(1.0), frame_stream.FrameStream(LogMel(), RATE)
    assert len(frames.process(y[:-1])) == 0 and len(frames.compute_padded()) == LogMel().count_frames(RATE)
    assert len(frames.process(y[-1:])) == LogMel().count_frames(RATE)
    assert len(frames.compute_padded()) == 0 and frames.get_warnings() == ()
    assert len(frames.process(np.zeros(0, np.float32))) == 0


def test_only_the_samples_that_later_frames_need_are_held():
    frames = frame_stream.FrameStream(LogMel(), RATE)
    for _ in range(20):
        frames.process(music(1.0))
        assert len(frames.buffer) < LogMel().n_fft
    assert frames.n_samples == 20 * RATE


def test_a_sound_that_was_heard_to_its_end_needs_one_sample_at_least():
    with pytest.raises(InputError, match="at least 1 sample"):
        frame_stream.FrameStream(LogMel(), RATE).compute_padded()


@pytest.mark.parametrize("settings", [LogMel(), LogMel(fmin=50.0, fmax=8_000.0, n_mels=40), MFCC()])
def test_a_filters_centre_is_where_it_peaks(settings):
    centres = audio_features.compute_band_centers(settings)
    filters, step = audio_features.compute_mel_filters(settings), settings.sample_rate / settings.n_fft
    assert centres.shape == (settings.n_mels,) and (np.diff(centres) > 0).all()
    assert np.abs(filters.argmax(axis=1) * step - centres).max() <= step
    assert settings.fmin < centres[0] and centres[-1] < audio_features.get_fmax(settings)


# Counting


@pytest.mark.parametrize("n_samples", [0, 1, 2_047, 2_048, 2_559, 2_560, 66_150])
def test_frames_and_samples_are_counted_alike(n_samples):
    settings = LogMel()
    n_frames = settings.count_frames(n_samples)
    assert settings.compute(np.zeros(n_samples, np.float32)).shape == (n_frames, 128) == settings.get_shape(n_samples)
    assert settings.count_samples(n_frames) <= n_samples
    assert settings.count_frames(settings.count_samples(n_frames)) == n_frames
    assert settings.count_frames(settings.count_samples(n_frames + 1) - 1) == n_frames


def test_every_mel_filter_has_an_area_of_one():
    settings = LogMel(n_fft=32_768, n_mels=40)
    areas = audio_features.compute_mel_filters(settings).sum(axis=1) * settings.sample_rate / settings.n_fft
    assert np.abs(areas - 1).max() < 0.01


@pytest.mark.parametrize(
    ("kind", "table", "words"),
    [
        (LogMel, {"fmin": 9_000.0, "fmax": 8_000.0}, "fmin below fmax=8000 Hz, got 9000"),
        (LogMel, {"fmin": 12_000.0}, "fmin below fmax=11025 Hz, got 12000"),
        (LogMel, {"fmax": 12_000.0}, "half the sample rate, 11025 Hz, got 12000"),
        (LogMel, {"hop_length": 4_096}, "hop_length of at most n_fft=2048, got 4096"),
        (LogMel, {"n_fft": 512, "n_mels": 256}, "Expected every mel filter"),
        (MFCC, {"n_mfcc": 100, "n_mels": 64}, "n_mfcc of at most n_mels=64, got 100"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(kind, table, words):
    with pytest.raises(InputError, match=words):
        kind(**table)


@pytest.mark.parametrize("kind", audio_features.FEATURE_KINDS.values())
def test_the_defaults_of_every_kind_hold(kind):
    assert kind() == kind()
    assert hash(kind()) == hash(kind())


def test_pixels_are_fitted_to_the_size():
    values = Pixels(height=32, width=48).compute(np.zeros((100, 50, 3), np.uint8))
    assert values.shape == Pixels(height=32, width=48).get_shape() == (32, 48, 3)
    assert values.dtype == np.uint8


def test_vggish_can_not_be_computed_from_a_file():
    assert VGGish().get_shape() == (10, 128)
    with pytest.raises(InputError, match="come with their dataset"):
        VGGish().compute(music())
    with pytest.raises(InputError, match="come with their dataset"):
        audio_features.compute_features(b"", VGGish())


def wav(y, sample_rate=RATE):
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, y, sample_rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_a_file_gives_the_features_of_its_sound():
    values, warnings = audio_features.compute_features(wav(music()), LogMel())
    assert off(values, LogMel().compute(music())) < 1e-5 and warnings == ()


def test_a_short_file_is_repeated_and_says_so():
    values, warnings = audio_features.compute_features(wav(music(0.5)), LogMel(), least_samples=RATE)
    assert len(values) == LogMel().count_frames(RATE)
    assert warnings == ("The sound lasts 0.50 s and was repeated to fill 1.00 s.",)
    assert len(audio_features.compute_features(wav(music(0.01)), LogMel())[0]) == 1


@pytest.mark.parametrize("seconds", [0.3, 4.0])
@pytest.mark.parametrize("settings", [LogMel(), MFCC()])
def test_an_array_gives_the_features_of_its_file(seconds, settings):
    y = music(seconds, 44_100)
    content = wav(y, 44_100)
    wanted, warnings = audio_features.compute_features(content, settings, RATE)
    for given in (y, np.stack([y, y], axis=1)):
        values, said = audio_features.compute_features(AudioSource(given, sample_rate=44_100), settings, RATE)
        assert off(values, wanted) < 1e-5 and said == warnings


def test_a_picture_gives_its_pixels_as_a_file_and_as_an_array():
    from PIL import Image

    pixels, file = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    settings = Pixels(height=20, width=20)
    values, warnings = audio_features.compute_features(file.getvalue(), settings)
    assert values.shape == (20, 20, 3) and warnings == ()
    assert np.array_equal(values, audio_features.compute_features(pixels, settings)[0])


def test_a_sound_given_for_a_picture_and_a_picture_given_for_a_sound_are_refused():
    with pytest.raises(InputError, match="RGB array"):
        audio_features.compute_features(music(), Pixels())
    with pytest.raises(InputError, match="but it is wav sound"):
        audio_features.compute_features(wav(music()), Pixels())
    with pytest.raises(InputError, match="float in .* or int16"):
        audio_features.compute_features(AudioSource(np.zeros((40, 40, 3), np.uint8), sample_rate=RATE), LogMel())
