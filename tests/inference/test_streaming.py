"""A recording that is still being made is answered as a file that ends there."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from musicml.data.io.channels import PART
from musicml.inference import streaming
from musicml.inference.predictor import Predictor
from musicml.inference.streaming import StreamingPredictor
from musicml.utils.errors import InputError
from tests.fixtures import fake_runs
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

TOLERANCE = 1e-4
SIZES = {
    "one sample": [1],
    "a browser's": [128],
    "odd": [997],
    "seven seconds": [7],  # times the sample rate, below
    "mixed": [1, 1, 5_000, 13, 100_000, 441, 2],
}


def sound(seconds, sample_rate, channels=1):
    """Tones that change, in a little noise, [shape=(n_samples, channels)], float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    hertz = 300 * 2 ** np.floor(2 * t % 5)
    y = 0.4 * np.sin(2 * np.pi * np.cumsum(hertz) / sample_rate) * (0.6 + 0.4 * np.sin(7 * t))
    y += 0.01 * np.random.default_rng(0).standard_normal(len(t))
    return np.stack([y * (1 - 0.2 * k) for k in range(channels)], axis=1).astype(np.float32)


def blocks(y, sizes):
    """`y` in blocks of these sizes, again and again."""
    place, number = 0, 0
    while place < len(y):
        size = sizes[number % len(sizes)]
        yield y[place : place + size]
        place, number = place + size, number + 1


def heard(listening, y, sizes):
    """All predictions on the way."""
    return [answer for block in blocks(y, sizes) for answer in listening.feed(block)]


@pytest.fixture(scope="module")
def on_tones(asked_about_tones):
    """A run at 8,000 Hz, clips of half a second."""
    return Predictor(asked_about_tones)


@pytest.fixture(scope="module")
def on_music(trained):
    """A network's run at 22,050 Hz, clips of three seconds."""
    return Predictor(trained("gru"), "onnx")


@pytest.mark.parametrize(("sizes", "sample_rate"), zip(SIZES, [8_000, 44_100] * 3, strict=False))
def test_a_stream_in_any_blocks_ends_with_the_answer_to_its_file(on_tones, sizes, sample_rate):
    seconds = 1.3 if sizes == "one sample" else 9.3
    wanted = SIZES[sizes] if sizes != "seven seconds" else [7 * sample_rate]
    y = sound(seconds, sample_rate)
    listening = StreamingPredictor(on_tones, sample_rate)
    answers = heard(listening, y, wanted)
    last, file = listening.end(), on_tones.predict(y, sample_rate=sample_rate)
    assert len(answers) == int(seconds / streaming.INTERVAL_S)
    assert off(last.scores, file.scores) < TOLERANCE
    assert np.array_equal(last.starts, file.starts) and last.warnings == file.warnings
    assert off(last.clip_scores, file.clip_scores) < TOLERANCE
    assert np.array_equal(listening.end().scores, last.scores), "the end may be asked for again"


@pytest.mark.parametrize(("sample_rate", "channels"), [(22_050, 1), (44_100, 2), (16_000, 2)])
def test_a_network_ends_with_the_answer_to_the_file_whatever_the_rate_and_channels(
    on_music, tmp_path, sample_rate, channels
):
    y = sound(10.7, sample_rate, channels)
    deep = np.round(y * 32_768).astype(np.int16)
    soundfile.write(tmp_path / "t.wav", deep, sample_rate, "PCM_16")
    file = on_music.predict(tmp_path / "t.wav")
    plain = (deep / 32_768)[:, 0] if channels == 1 else deep / 32_768  # without a second dimension
    for given in (deep, (deep / 32_768).astype(np.float32), plain):
        listening = StreamingPredictor(on_music, sample_rate)
        answers = heard(listening, given, [1_777])
        last = listening.end()
        assert len(answers) == 21
        assert off(last.scores, file.scores) < TOLERANCE
        assert off(last.clip_scores, file.clip_scores) < TOLERANCE
        assert last.windows() == file.windows() and last.warnings == file.warnings


@pytest.mark.parametrize(("sizes", "begin"), [([128], 4.7), ([997], 0.0), ([70_000], 4.7)])
def test_channels_that_cancel_are_answered_as_their_file_is_but_near_where_that_begins(on_tones, sizes, begin):
    y, place = sound(12.3, 8_000, 1)[:, 0], round(begin * 8_000)
    both = np.stack([y, np.concatenate([y[:place], -y[place:]])], axis=1)
    listening = StreamingPredictor(on_tones, 8_000)
    heard(listening, both, sizes)
    last, file = listening.end(), on_tones.predict(both, sample_rate=8_000)
    if not begin:
        assert last.warnings == file.warnings and off(last.scores, file.scores) < TOLERANCE
        assert last.warnings[0].startswith("The channels cancel each other in 12.3 s of")
    for answer in (last, file):
        assert any(warning.startswith("The channels cancel each other in ") for warning in answer.warnings)
    assert np.array_equal(last.starts, file.starts)
    margin = 1.5 * PART / 8_000 + 0.5 if begin else 0.0  # a clip lasts half a second
    is_far = np.abs(last.starts - begin) > margin
    assert is_far.any() and off(last.clip_scores[is_far], file.clip_scores[is_far]) < TOLERANCE


def test_the_answer_at_each_half_second_is_that_to_the_sound_cut_there(on_music):
    y, sample_rate = sound(8.2, 22_050), 22_050
    answers = heard(StreamingPredictor(on_music, sample_rate), y, [4_000])
    assert len(answers) == 16
    for number, answer in enumerate(answers, 1):
        cut = on_music.predict(y[: number * sample_rate // 2], sample_rate=sample_rate)
        assert off(answer.scores, cut.scores) < TOLERANCE
        assert np.array_equal(answer.starts, cut.starts) and answer.warnings == cut.warnings
    shorter = [any("was repeated to fill" in warning for warning in answer.warnings) for answer in answers]
    assert shorter[:5] == [True] * 5 and not any(shorter[6:]), "a clip is 3 s long"
    assert np.ptp([answer.scores for answer in answers], axis=0).max() > 10 * TOLERANCE, "they are not all alike"


def test_the_answer_at_each_half_second_is_nearly_that_to_the_sound_cut_there_where_it_is_resampled(on_music):
    y, sample_rate = sound(6.2, 44_100), 44_100
    for number, answer in enumerate(heard(StreamingPredictor(on_music, sample_rate), y, [997]), 1):
        cut = on_music.predict(y[: number * sample_rate // 2], sample_rate=sample_rate)
        assert np.abs(answer.scores - cut.scores).max() < 0.05, "resampling holds a few milliseconds back"


@pytest.mark.parametrize("every", [0.1, 2.5])
def test_the_time_between_answers_can_be_chosen(on_tones, every):
    assert len(heard(StreamingPredictor(on_tones, 8_000, every), sound(5.0, 8_000), [700])) == round(5.0 / every)


def test_each_answer_carries_the_recordings_name_and_what_a_file_s_does(on_tones):
    listening = StreamingPredictor(on_tones, 8_000, name="take 1")
    (answer, *_) = heard(listening, sound(1.0, 8_000), [4_000])
    assert answer.file == listening.end().file == "take 1"
    assert answer.class_names == on_tones.class_names and answer.task == "single"
    assert answer.scores.sum() == pytest.approx(1, rel=1e-5) and set(answer.seconds) == {"read", "model"}


def test_a_complete_clip_is_asked_of_the_model_once_only(asked_about_tones):
    predictor, asked = Predictor(asked_about_tones), []
    model = predictor.load_model()

    def counted(clips):
        asked.extend(clip.tobytes() for clip in clips)
        return model.scores(clips)

    predictor._model = replace(model, scores=counted)
    listening = StreamingPredictor(predictor, 8_000, every=0.2)
    answers = heard(listening, sound(20.0, 8_000), [500])
    last = listening.end()
    clip, values = predictor.serving.clip, listening.values[: listening.n_frames]
    begins = np.arange(0, len(values) - clip.n_frames, clip.hop_frames)
    complete = {one.tobytes() for one in predictor.cut_clips(values, begins)}
    assert len(complete) >= 38 and all(asked.count(one) == 1 for one in complete)
    assert len(asked) == len(set(asked)) <= len(last.starts) + len(answers), "of the rest, the one at the end anew"


def test_a_recording_of_minutes_costs_no_more_at_its_end(asked_about_tones):
    predictor, sizes = Predictor(asked_about_tones), []
    model = predictor.load_model()
    predictor._model = replace(model, scores=lambda clips: sizes.append(len(clips)) or model.scores(clips))
    listening = StreamingPredictor(predictor, 8_000)
    heard(listening, sound(60.0, 8_000), [4_000])
    assert max(sizes) <= 3 and len(sizes) <= 120
    assert len(listening.frames.buffer) < 512


def test_several_recordings_at_once_share_a_predictor(asked_about_tones):
    predictor, ends = Predictor(asked_about_tones), {}
    takes = [sound(2.0 + 0.7 * number, 8_000)[::-1].copy() if number % 2 else sound(4.0, 8_000) for number in range(6)]

    def listen(number):
        listening = StreamingPredictor(predictor, 8_000)
        heard(listening, takes[number], [100 + number])
        ends[number] = listening.end().scores

    threads = [threading.Thread(target=listen, args=(number,)) for number in range(len(takes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, y in enumerate(takes):
        assert off(ends[number], predictor.predict(y, sample_rate=8_000).scores) < TOLERANCE


# What is refused and what is warned of


@pytest.mark.parametrize(("family", "words"), [("vgg16", "predicts pictures"), ("vggish", "Use a run of openmic_cnn")])
def test_a_run_on_pictures_or_on_shipped_features_cant_listen(tmp_path, family, words):
    with pytest.raises(InputError, match=words):
        StreamingPredictor(Predictor(fake_runs.make(tmp_path, family=family, n=8)), 44_100)


@pytest.mark.parametrize("sample_rate", [0, 100, 400_000])
def test_a_sample_rate_nobody_records_at_is_refused(on_tones, sample_rate):
    with pytest.raises(InputError, match=f"sample_rate={sample_rate} must be between 4000 and 192000 Hz"):
        StreamingPredictor(on_tones, sample_rate)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (np.full(100, np.nan), "the recording, got nan"),
        (np.full((100, 2), np.inf), "the recording, got inf"),
        (np.full(100, 300.0), "the recording, got 300"),
        (np.zeros(100, np.uint8), "float in [-1, 1] or int16, got uint8"),
        (np.zeros((100, 65)), "channels=65 must be between 1 and 64"),
        (np.zeros((100, 2, 2)), "got (100, 2, 2)"),
        (np.zeros((100, 0)), "got (100, 0)"),
    ],
)
def test_a_block_that_is_no_sound_is_refused_in_a_sentence(on_tones, block, words):
    listening = StreamingPredictor(on_tones, 44_100)
    heard(listening, sound(0.7, 44_100), [500])
    with pytest.raises(InputError) as caught:
        list(listening.feed(block))
    assert words in str(caught.value) and str(caught.value).startswith(("Expected", "channels"))


def test_a_recording_of_nothing_is_refused(on_tones):
    listening = StreamingPredictor(on_tones, 44_100)
    assert list(listening.feed(np.zeros(0))) == list(listening.feed(np.zeros((0, 2), np.int16))) == []
    with pytest.raises(InputError, match="Expected sound in the recording, got 0 samples"):
        listening.end()


@pytest.mark.parametrize("sample_rate", [8_000, 44_100])
def test_silence_and_cut_peaks_are_warned_of_while_they_last(on_tones, sample_rate):
    listening = StreamingPredictor(on_tones, sample_rate)
    (answer,) = listening.feed(np.zeros(sample_rate // 2))
    assert any("silent" in warning for warning in answer.warnings)
    (answer,) = listening.feed(sound(0.5, sample_rate))
    assert not any("silent" in warning for warning in answer.warnings)
    (answer,) = listening.feed(np.sign(sound(0.5, sample_rate)))
    assert any("clipped" in warning for warning in answer.warnings)
    assert any("clipped" in warning for warning in listening.end().warnings)


@pytest.mark.parametrize(("sample_rate", "size"), [(8_000, 100), (44_100, 1_700), (11_025, 100_000)])
def test_what_lies_beyond_the_longest_file_is_left_out_and_said_so(on_tones, monkeypatch, sample_rate, size):
    monkeypatch.setattr(streaming, "MAX_SECONDS", 2.0)
    y = sound(5.3, sample_rate)
    listening = StreamingPredictor(on_tones, sample_rate)
    heard(listening, y[: 2 * sample_rate], [size])
    assert not any("is ignored" in warning for warning in listening.end().warnings), "exactly the most is heard whole"
    listening = StreamingPredictor(on_tones, sample_rate)
    answers = heard(listening, y, [size])
    last = listening.end()
    first = on_tones.predict(y[: 2 * sample_rate], sample_rate=sample_rate)
    assert off(last.scores, first.scores) < TOLERANCE and np.array_equal(last.starts, first.starts)
    assert len(answers) == 4 and not any("is ignored" in warning for warning in answers[-1].warnings)
    assert [warning for warning in last.warnings if "is ignored" in warning] == [
        "Only the first 2 s were used; the rest is ignored."
    ]


def test_nothing_of_a_gap_is_heard_once_the_rest_is_left_out(on_tones, monkeypatch):
    monkeypatch.setattr(streaming, "MAX_SECONDS", 2.0)
    y = sound(9.0, 8_000)
    listening = StreamingPredictor(on_tones, 8_000, every=1.5)
    heard(listening, y[: 3 * 8_000], [10_400])
    before = listening.end().scores
    heard(listening, y[3 * 8_000 :], [100])
    assert off(listening.end().scores, before) < 1e-5
    assert listening.n_samples == 2 * 8_000, "as of a file, all of the first seconds"


@pytest.mark.parametrize(("every", "sample_rate"), [(0.02, 8_000), (0.005, 192_000)])
def test_answers_may_be_asked_for_sooner_than_resampling_lets_the_first_samples_through(on_tones, every, sample_rate):
    listening = StreamingPredictor(on_tones, sample_rate, every)
    answers = heard(listening, sound(0.4, sample_rate), [10_000])
    assert 0 < len(answers) <= round(0.4 / every)
