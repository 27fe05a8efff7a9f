import csv
import json
import re
import shutil
import threading
import traceback
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import musicml
from musicml.cli import main
from musicml.data.io import audio, ffmpeg
from musicml.evaluation import evaluate
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.features.audio_features import compute_features
from musicml.features.spectrogram_image import Spectrogram
from musicml.inference import backends, calibration, pooling
from musicml.inference import predictor as predict
from musicml.inference.predictor import Prediction, Predictor
from musicml.utils.errors import InputError
from tests.conftest import write_tone
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

ASKED_ABOUT_FILES = ["gru", "multi", "frozen"]
TOLERANCE = 1e-4
PACKAGE = Path(musicml.__file__).parent


def stored(run):
    """The scores in predictions.csv, by example."""
    with open(run.path / "predictions.csv", newline="") as source:
        names = [f"score:{name}" for name in run.read("labels.json")]
        return {row["example"]: np.array([float(row[name]) for name in names]) for row in csv.DictReader(source)}


def as_training_sees(run, read, material):
    """Examples of the test side with their calibrated scores from `model.predict` on training's own batches."""
    import keras

    from musicml.training import fit

    indices = material.split.indices("test")
    clips = inputs.cut_clips(material.features, indices, material.clip)
    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    raw = pooling.pool_by_example(fit.predict_scores(model, clips, read.training.batch_size), clips, indices)
    serving = run.read("serving.json")
    scores = calibration.apply_temperature(raw, serving["temperature"], serving["task"])
    return list(zip([material.dataset.examples[index] for index in indices], scores, strict=True))


@pytest.fixture(scope="module")
def expected(trained, material_of):
    """`as_training_sees`, computed once a family."""
    made = {}

    def found(name):
        if name not in made:
            made[name] = as_training_sees(trained(name), *material_of(name))
        return made[name]

    return found


@pytest.mark.parametrize("engine", ["keras", "onnx"])
@pytest.mark.parametrize("name", ASKED_ABOUT_FILES)
def test_a_file_is_answered_as_the_model_predicts_trainings_own_batches_of_its_clips(trained, expected, name, engine):
    predictor, pairs, rows = Predictor(trained(name), engine), expected(name), stored(trained(name))
    assert sorted(rows) == sorted(example.id for example, _ in pairs)
    assert max(off(rows[example.id], scores) for example, scores in pairs) < TOLERANCE
    for example, scores in pairs[:: max(1, len(pairs) // 8)]:
        assert off(predictor.predict(example.path).scores, scores) < TOLERANCE
    spread = np.ptp([scores for _, scores in pairs], axis=0).max()
    assert spread > 10 * TOLERANCE, "scores that are all alike would agree by chance"


def test_a_frozen_backbones_head_answers_from_stored_outputs_as_the_whole_model_does(trained, material_of, expected):
    import keras

    from musicml.training import fit, stages
    from musicml.training.batches import Batches

    run, (_, material) = trained("frozen"), material_of("frozen")
    indices = material.split.indices("test")
    clips = inputs.cut_clips(material.features, indices, material.clip)
    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    body = keras.Model(model.inputs, model.get_layer("pooled").output)
    raw = stages.make_head(model).predict(Batches(fit.predict_scores(body, clips, 32), None, 32), verbose=0)
    scores = calibration.apply_temperature(raw, run.read("serving.json")["temperature"], "single")
    assert off(scores, [its for _, its in expected("frozen")]) < TOLERANCE


@pytest.mark.parametrize("name", ["vggish", "forest"])
def test_a_run_on_shipped_features_answers_as_its_model_predicts_them(trained, material_of, name):
    run, (read, material) = trained(name), material_of(name)
    if name == "vggish":
        scores = [its for _, its in as_training_sees(run, read, material)]
    else:
        from musicml.models import forest

        shipped = material.dataset.vggish[material.split.indices("test")]
        raw = forest.predict_scores(forest.load_forest(run.path / "model.skops"), shipped, "multi")
        scores = calibration.apply_temperature(raw, run.read("serving.json")["temperature"], "multi")
    predictor, rows = Predictor(run), stored(run)
    for index, wanted in zip(material.split.indices("test"), scores, strict=True):
        example = material.dataset.examples[index]
        (answer,) = predictor.predict_features([evaluate.make_model_input(predictor, material.dataset, example, index)])
        assert off(answer.scores, wanted) < TOLERANCE
        assert off(rows[example.id], wanted) < TOLERANCE


@pytest.mark.parametrize("name", ["vggish", "forest"])
def test_a_run_on_shipped_features_says_that_it_cant_be_asked_about_a_file(trained, musicml, tones, name):
    code, out, err = musicml("predict", trained(name).path, tones / "low/0.wav", "--json")
    assert code == 2 and "does not accept files. Use a run of openmic_cnn" in err and "Traceback" not in err
    (answer,) = json.loads(out)["predictions"]
    assert set(answer) == {"file", "error"}


def test_content_is_answered_as_its_file_and_many_files_as_one_by_one(asked_about_tones, tones):
    predictor = Predictor(asked_about_tones)
    paths = [tones / name / "5.wav" for name in ("low", "middle", "high")]
    alone = [predictor.predict(path) for path in paths]
    together = predictor.predict_features([predictor.read(path) for path in paths])
    content = [predictor.predict(path.read_bytes(), "upload.wav") for path in paths]
    for one, other, upload in zip(alone, together, content, strict=True):
        assert np.array_equal(one.scores, other.scores) and np.array_equal(one.scores, upload.scores)
        assert upload.file == "upload.wav" and one.file == other.file != upload.file
    assert [answer.label for answer in alone] == ["low", "middle", "high"]


def test_any_rate_channels_and_format_of_a_sound_get_nearly_the_same_answer(asked_about_tones, tones, tmp_path):
    y, _ = soundfile.read(tones / "high/4.wav")
    predictor = Predictor(asked_about_tones)
    wanted = predictor.predict(tones / "high/4.wav").scores
    t = np.arange(44_100) / 44_100
    loud = np.interp(t, np.arange(len(y)) / 8000, y)
    for ending in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(tmp_path / f"tone.{ending}", np.stack([loud, loud], axis=1), 44_100)
        answer = predictor.predict(tmp_path / f"tone.{ending}")
        assert answer.label == "high" and np.abs(answer.scores - wanted).max() < 0.5


def test_few_calls_lie_between_the_command_and_the_decoder(asked_about_tones, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.mp3", np.random.default_rng(0).normal(0, 0.1, 5 * 44_100), 44_100)
    calls, to_float = [], ffmpeg.to_float

    def record(*args):
        stack = [(Path(frame.filename), frame.name) for frame in traceback.extract_stack()]
        ours = [(path, name) for path, name in stack if PACKAGE in path.parents]
        calls.append([name for path, name in ours if path.name not in ("main.py", "parser.py")])
        return to_float(*args)

    monkeypatch.setattr(ffmpeg, "to_float", record)
    assert main.main(["predict", str(asked_about_tones.path), str(tmp_path / "song.mp3")]) == 0
    assert calls[0][-1] == "_gather_blocks" and len(calls[0]) <= 8, calls[0]


@pytest.mark.parametrize("name", ["tones", "drawn"])
def test_a_file_is_opened_once_and_its_type_is_found_once(asked_about_tones, tmp_path, monkeypatch, name):
    write_tone(tmp_path / "a.wav", 440, 1.0)
    Image.new("RGB", (496, 129), "gray").save(tmp_path / "b.png")
    opened, sniffed = [], []
    monkeypatch.setattr(
        "builtins.open", lambda *args, real=open, **kwargs: opened.append(args[0]) or real(*args, **kwargs)
    )
    monkeypatch.setattr(
        audio,
        "detect_type",
        lambda *args, real=audio.detect_type, **kwargs: sniffed.append(args) or real(*args, **kwargs),
    )
    if name == "tones":
        Predictor(asked_about_tones).read(tmp_path / "a.wav")
        assert opened.count(tmp_path / "a.wav") == 1 and len(sniffed) == 1
        return
    for path in (tmp_path / "a.wav", tmp_path / "b.png"):
        compute_features(path, Spectrogram())
        assert opened.count(path) == 1 and len(sniffed) == 1
        sniffed.clear()


# Many files, many threads


def test_many_files_are_answered_in_their_order_and_bad_ones_passed_on_with_why(asked_about_tones, tones, tmp_path):
    good = sorted(tones.rglob("*.wav"))
    (tmp_path / "text.wav").write_text("These are words and no sound.\n" * 20)
    sources = [tmp_path / "text.wav", *good, tmp_path / "missing.wav", *good, tones, str(good[0])]
    predictor = Predictor(asked_about_tones)
    answers = list(predictor.predict_all(sources))
    assert len(answers) == len(sources) > 2 * predict.FILES_PER_BATCH
    for source, answer in zip(sources, answers, strict=True):
        if Path(source) in good:
            alone = predictor.predict(source)
            assert isinstance(answer, Prediction) and answer.file == str(source)
            assert off(answer.scores, alone.scores) < 1e-5
            assert np.array_equal(answer.starts, alone.starts) and answer.warnings == alone.warnings
        else:
            assert isinstance(answer, InputError) and str(source) in str(answer)
    assert sum(isinstance(answer, InputError) for answer in answers) == 3


def test_files_of_different_lengths_are_answered_together_as_one_by_one(trained, tmp_path):
    predictor = Predictor(trained("gru"), "onnx")
    for number, seconds in enumerate((0.4, 12.0, 3.0, 25.0, 3.1)):
        write_tone(tmp_path / f"{number}.wav", 300 + 100 * number, seconds, 22_050)
    paths = sorted(tmp_path.glob("*.wav"))
    together = list(predictor.predict_all(paths))
    for path, answer in zip(paths, together, strict=True):
        alone = predictor.predict(path)
        assert off(answer.scores, alone.scores) < 1e-5
        assert off(answer.clip_scores, alone.clip_scores) < 1e-5
    assert [len(answer.starts) for answer in together] == [1, 4, 1, 8, 1]


def test_answers_come_before_all_files_are_read_and_none_come_of_nothing(asked_about_tones, tones):
    read = []

    def sources():
        for path in sorted(tones.rglob("*.wav")) * 3:
            read.append(path)
            yield path

    next(Predictor(asked_about_tones).predict_all(sources()))
    assert len(read) == predict.FILES_PER_BATCH
    assert list(Predictor(asked_about_tones).predict_all([])) == []


def test_bad_files_alone_load_no_model(asked_about_tones, tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load_model", None)
    answers = list(Predictor(asked_about_tones).predict_all([tmp_path / str(number) for number in range(40)]))
    assert len(answers) == 40 and all(isinstance(answer, InputError) for answer in answers)


@pytest.mark.parametrize(("name", "engine"), [("tones", "onnx"), ("tones", "keras"), ("multi", "keras")])
def test_sixteen_threads_get_what_one_gets_and_load_the_model_once(
    asked_about_tones, trained, tones, monkeypatch, name, engine
):
    run = asked_about_tones if name == "tones" else trained(name)
    paths = sorted(tones.rglob("*.wav"))[::8]
    wanted = [Predictor(run, engine).predict(path).scores for path in paths]
    loaded, real = [], backends.load_model
    monkeypatch.setattr(backends, "load_model", lambda *args: loaded.append(args) or real(*args))
    predictor, at_once, answers = Predictor(run, engine), threading.Barrier(16), {}

    def ask(number):
        at_once.wait()
        order = np.random.default_rng(number).permutation(len(paths))
        answers[number] = {place: predictor.predict(paths[place]).scores for place in order}

    asked = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert len(loaded) == 1 and sorted(answers) == list(range(16))
    for found in answers.values():
        assert all(off(found[place], wanted[place]) < 1e-5 for place in range(len(paths)))


# Arrays


@pytest.mark.parametrize(("seconds", "sample_rate"), [(0.2, 8_000), (3.3, 44_100)])
def test_an_array_is_answered_as_its_file(asked_about_tones, tmp_path, seconds, sample_rate):
    predictor = Predictor(asked_about_tones)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    left, right = 0.3 * np.sin(2 * np.pi * 800 * t), 0.2 * np.sin(2 * np.pi * 2_500 * t)
    deep = np.round(np.stack([left, right], axis=1) * 32_768).astype(np.int16)
    for given in (deep, deep[:, 0], deep[:, :1]):
        soundfile.write(tmp_path / "t.wav", given, sample_rate, "PCM_16")
        wanted = predictor.predict(tmp_path / "t.wav")
        for same in (given, (given / 32_768).astype(np.float32), given / 32_768):
            answer = predictor.predict(same, sample_rate=sample_rate)
            assert off(answer.scores, wanted.scores) < 1e-5
            assert np.array_equal(answer.starts, wanted.starts) and answer.warnings == wanted.warnings
            assert answer.file == "the array"
    assert predictor.predict(deep, "microphone", sample_rate).file == "microphone"


def test_an_array_of_pixels_is_answered_as_its_file(trained, pictures):
    predictor = Predictor(trained("frozen"), "onnx")
    for path in sorted(pictures.rglob("*.png"))[::6]:
        pixels = np.asarray(Image.open(path))
        answers = [predictor.predict(path), predictor.predict(pixels), predictor.predict(pixels, "shot")]
        assert all(off(answer.scores, answers[0].scores) < 1e-5 for answer in answers)
        assert [answer.file for answer in answers] == [str(path), "the array", "shot"]


NAN = np.where(np.arange(8_000) == 5_000, np.nan, 0.1)


@pytest.mark.parametrize(
    ("y", "sample_rate", "words"),
    [
        (np.zeros(8_000), None, "in Hz, got None"),
        (np.zeros(8_000), 44, "sample_rate=44 must be between"),
        (np.zeros(8_000, np.int32), 8_000, "float in [-1, 1] or int16, got int32"),
        (np.zeros((40, 40, 3), np.uint8), 8_000, "got uint8"),
        (NAN, 8_000, "got nan"),
        (NAN[4_000:6_000], 8_000, "got nan"),
        (np.full(8_000, 100.0), 8_000, "got 100"),
        (np.zeros(0), 8_000, "(n_samples,) or (n_samples, channels), got (0,)"),
        (np.zeros((2, 8_000)), 8_000, "channels=8000 must be between 1 and 64"),
        (np.zeros((2, 2, 2)), 8_000, "got (2, 2, 2)"),
    ],
)
def test_an_array_that_is_no_sound_is_refused_in_a_sentence(asked_about_tones, y, sample_rate, words):
    with pytest.raises(InputError) as caught:
        Predictor(asked_about_tones).predict(y, sample_rate=sample_rate)
    assert words in str(caught.value) and str(caught.value).isprintable() and str(caught.value).endswith(".")


def test_an_array_that_is_no_picture_is_refused_in_a_sentence(trained):
    predictor = Predictor(trained("frozen"))
    for pixels in (np.zeros((40, 40, 3)), np.zeros((3, 40, 40), np.uint8), np.zeros((40, 40), np.uint8)):
        with pytest.raises(InputError, match="RGB array of shape .height, width, 3. and uint8"):
            predictor.predict(pixels)


# Over time


@pytest.fixture(scope="module")
def changing(tmp_path_factory):
    """A low tone, then a high one: 2 s and 1.3 s."""
    folder = tmp_path_factory.mktemp("changing")
    write_tone(folder / "low.wav", 210, 2.0)
    write_tone(folder / "high.wav", 2_600, 1.3)
    parts = [soundfile.read(folder / name)[0] for name in ("low.wav", "high.wav")]
    soundfile.write(folder / "both.wav", np.concatenate(parts), 8_000)
    return folder / "both.wav"


def test_an_answer_is_the_calibrated_mean_of_its_clips_each_of_which_has_probabilities_of_its_own(
    asked_about_tones, changing
):
    answer = Predictor(asked_about_tones).predict(changing)
    temperature = asked_about_tones.read("serving.json")["temperature"]
    assert answer.temperature == temperature and answer.over_time.shape == answer.clip_scores.shape
    assert off(answer.over_time.sum(axis=1), 1) < 1e-5
    for scores, raw in zip(answer.over_time, answer.clip_scores, strict=True):
        assert off(scores, calibration.apply_temperature(raw, temperature, "single")) < 1e-5
    mean = calibration.apply_temperature(answer.clip_scores.mean(axis=0), temperature, "single")
    assert off(answer.scores, mean) < 1e-5 and off(answer.scores.sum(), 1) < 1e-5
    assert answer.probability == answer.scores.max()
    labels = [answer.class_names[k] for k in answer.over_time.argmax(axis=1)]
    windows = answer.windows()
    assert {label for label, window in zip(labels, windows, strict=True) if window["end"] <= 2.0} == {"low"}
    assert {label for label, window in zip(labels, windows, strict=True) if window["start"] >= 2.0} == {"high"}


def test_windows_lie_within_the_sound_and_begin_where_their_clips_do(asked_about_tones, changing):
    answer = Predictor(asked_about_tones).predict(changing)
    clip = asked_about_tones.read("serving.json")["clips"]
    assert answer.clip_seconds == pytest.approx((512 + (clip["n_frames"] - 1) * 256) / 8_000)
    windows = answer.windows()
    assert len(windows) == len(answer.starts) == len(answer.clip_scores)
    for window, start in zip(windows, answer.starts, strict=True):
        assert window["start"] == pytest.approx(start, abs=1e-3) and 0 <= window["start"] < window["end"] <= 3.3
        assert window["end"] - window["start"] == pytest.approx(answer.clip_seconds, abs=2e-3)
    assert windows[0]["start"] == 0 and windows[-1]["end"] > 3.0


def test_several_classes_at_once_are_each_calibrated_by_themselves(trained, material_of):
    run, (_, material) = trained("multi"), material_of("multi")
    example = material.dataset.examples[material.split.indices("test")[0]]
    answer = Predictor(run).predict(example.path)
    serving = run.read("serving.json")
    assert answer.task == "multi" and answer.over_time.shape == (len(answer.starts), 20)
    assert (
        off(answer.over_time, calibration.apply_temperature(answer.clip_scores, serving["temperature"], "multi")) < 1e-5
    )
    present = [
        name
        for name, score, least in zip(answer.class_names, answer.scores, serving["thresholds"], strict=True)
        if score >= least
    ]
    assert answer.present == present == answer.to_dict()["present"]


def test_a_table_holds_all_of_an_answer_as_plain_values(asked_about_tones, changing):
    answer = Predictor(asked_about_tones).predict(changing)
    table = answer.to_dict(over_time=True)
    assert json.loads(json.dumps(table)) == table
    assert table["file"] == str(changing) and table["label"] == answer.label in table["probabilities"]
    assert table["probability"] == table["probabilities"][answer.label] == pytest.approx(answer.probability, abs=1e-6)
    assert list(table["probabilities"]) == answer.class_names and "present" not in table
    for row, window, scores in zip(table["over_time"], answer.windows(), answer.over_time, strict=True):
        assert (row["start"], row["end"]) == (window["start"], window["end"])
        assert list(row["probabilities"].values()) == pytest.approx(scores.tolist(), abs=1e-6)
    assert "over_time" not in answer.to_dict()


def test_a_picture_is_one_clip_without_a_time(trained, pictures):
    answer = Predictor(trained("frozen")).predict(pictures / "red/0.png")
    assert answer.clip_seconds is None and answer.starts.tolist() == [0.0] and answer.windows() == [{}]
    (row,) = answer.to_dict(over_time=True)["over_time"]
    assert set(row) == {"probabilities"}


def test_an_answer_says_how_long_its_parts_took(asked_about_tones, changing, trained, pictures):
    for run, source in ((asked_about_tones, changing), (trained("frozen"), pictures / "red/0.png")):
        for engine in ("onnx", "keras"):
            answer = Predictor(run, engine).predict(source)
            assert set(answer.seconds) == set(answer.to_dict()["seconds"]) == {"read", "model"}
            assert all(type(value) is float and value > 0 for value in answer.seconds.values())


# Forests without scikit-learn


@pytest.mark.parametrize("name", ["tones", "forest"])
def test_an_exported_forest_answers_as_scikit_learn_does(asked_about_tones, trained, material_of, changing, name):
    if name == "tones":
        questions = [Predictor(asked_about_tones).read(changing)]
        run = asked_about_tones
    else:
        run, (_, material) = trained("forest"), material_of("forest")
        indices = material.split.indices("test")
        questions = [predict.ModelInput(str(index), material.dataset.vggish[index]) for index in indices]
    asked = [Predictor(run, engine) for engine in ("onnx", "keras")]
    exported, own = [predictor.predict_features(questions) for predictor in asked]
    assert [predictor.load_model().engine for predictor in asked] == ["onnx", "scikit-learn"]
    for one, other in zip(exported, own, strict=True):
        assert one.clip_scores.dtype == other.clip_scores.dtype == np.float32
        assert off(one.clip_scores, other.clip_scores) < TOLERANCE
        assert off(one.scores, other.scores) < TOLERANCE
    assert np.ptp([answer.scores for answer in own], axis=0).max() > 0.01 or len(questions) == 1


def test_a_class_is_found_by_its_name_and_another_is_refused(asked_about_tones):
    predictor = Predictor(asked_about_tones)
    assert [predictor.get_class_index(name) for name in predictor.class_names] == [0, 1, 2]
    with pytest.raises(InputError, match="Run .* has no class 'hihg': did you mean 'high'?"):
        predictor.get_class_index("hihg")


def test_a_run_without_its_exported_model_is_answered_by_keras(trained, expected, tmp_path):
    run = runs.Run(shutil.copytree(trained("gru").path, tmp_path / "gru"))
    (run.path / "model.onnx").unlink()
    example, scores = expected("gru")[0]
    assert off(Predictor(run).predict(example.path).scores, scores) < TOLERANCE
    with pytest.raises(InputError, match="has no exported model"):
        Predictor(run, "onnx").predict(example.path)
    (run.path / "model.keras").unlink()
    with pytest.raises(InputError, match="model.keras is missing"):
        Predictor(run).predict(example.path)


class Astray:
    """A model whose training went astray: no numbers for what begins loud, numbers for the rest."""

    def __init__(self, n_classes, only):
        self.n_classes, self.only = n_classes, only

    def scores(self, clips):
        found = np.full((len(clips), self.n_classes), 1 / self.n_classes, np.float32)
        found[[np.array_equal(clip, self.only) for clip in clips]] = np.nan
        return found


def test_the_other_files_are_answered_where_one_can_not_be(asked_about_tones, tones):
    predictor = Predictor(asked_about_tones)
    files = [tones / "low/1.wav", tones / "low/2.wav", tones / "high/1.wav"]
    question = predictor.read(files[1])
    first = next(iter(predictor.cut_clips(question.values, predictor.compute_clip_starts(len(question.values)))))
    predictor._model = Astray(len(predictor.class_names), only=first)
    found = list(predictor.predict_all(files))
    assert [isinstance(one, InputError) for one in found] == [False, True, False]
    assert re.search(r"returned NaN or infinite scores.*2\.wav.*lower training\.learning_rate", str(found[1]))
