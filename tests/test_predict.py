import csv
import json
import shutil
import threading

import numpy as np
import pytest
import soundfile
from conftest import FAMILIES, write_tone

from musicml import calibrate, evaluate, inputs, predict, runs
from musicml.errors import BadInput
from musicml.predict import Predictor

ASKED_ABOUT_FILES = [name for name in FAMILIES if name not in ("vggish", "forest")]
TOLERANCE = 1e-4


def stored(run):
    """The scores in predictions.csv, by example."""
    with open(run.path / "predictions.csv", newline="") as source:
        names = [f"score:{name}" for name in run.read("labels.json")]
        return {row["example"]: np.array([float(row[name]) for name in names]) for row in csv.DictReader(source)}


def as_training_sees(run, read, material):
    """Examples of the test side with their calibrated scores from `model.predict` on training's own batches."""
    import keras

    from musicml.learning import fit

    indices = material.split.indices("test")
    clips = inputs.cut(material.features, indices, material.clip["n_frames"], material.clip["hop_frames"])
    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    raw = inputs.by_example(fit.scores_of(model, clips, read.training.batch_size), clips, indices)
    serving = run.read("serving.json")
    scores = calibrate.temper(raw, serving["temperature"], serving["task"])
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
    predictor = Predictor(trained(name), engine)
    pairs = expected(name)
    for example, scores in pairs[:: max(1, len(pairs) // 8)]:
        assert np.abs(predictor.predict(example.path).scores - scores).max() < TOLERANCE
    spread = np.ptp([scores for _, scores in pairs], axis=0).max()
    assert spread > 10 * TOLERANCE, "scores that are all alike would agree by chance"


@pytest.mark.parametrize("name", ASKED_ABOUT_FILES)
def test_stored_scores_are_the_served_ones(trained, expected, name):
    rows = stored(trained(name))
    assert sorted(rows) == sorted(example.id for example, _ in expected(name))
    for example, scores in expected(name):
        assert np.abs(rows[example.id] - scores).max() < TOLERANCE


def test_a_frozen_backbones_head_answers_from_stored_outputs_as_the_whole_model_does(trained, material_of, expected):
    import keras

    from musicml.learning import fit
    from musicml.learning.batches import Batches

    run, (_, material) = trained("frozen"), material_of("frozen")
    indices = material.split.indices("test")
    clips = inputs.cut(material.features, indices, None, None)
    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    body = keras.Model(model.inputs, model.get_layer("pooled").output)
    raw = fit.head_of(model).predict(Batches(fit.scores_of(body, clips, 32), None, 32), verbose=0)
    scores = calibrate.temper(raw, run.read("serving.json")["temperature"], "single")
    assert np.abs(scores - [its for _, its in expected("frozen")]).max() < TOLERANCE


@pytest.mark.parametrize("name", ["vggish", "forest"])
def test_a_run_on_shipped_features_answers_as_its_model_predicts_them(trained, material_of, name):
    run, (read, material) = trained(name), material_of(name)
    if name == "vggish":
        scores = [its for _, its in as_training_sees(run, read, material)]
    else:
        from musicml.models import forest

        shipped = material.dataset.vggish[material.split.indices("test")]
        raw = forest.scores(forest.load(run.path / "model.skops"), shipped, "multi")
        scores = calibrate.temper(raw, run.read("serving.json")["temperature"], "multi")
    predictor, rows = Predictor(run), stored(run)
    for index, wanted in zip(material.split.indices("test"), scores, strict=True):
        example = material.dataset.examples[index]
        (answer,) = predictor.answer([evaluate.question(predictor, material.dataset, example, index)])
        assert np.abs(answer.scores - wanted).max() < TOLERANCE
        assert np.abs(rows[example.id] - wanted).max() < TOLERANCE


@pytest.mark.parametrize("name", ["vggish", "forest"])
def test_a_run_on_shipped_features_says_that_it_cant_be_asked_about_a_file(trained, musicml, tones, name):
    code, out, err = musicml("predict", trained(name).path, tones / "low/0.wav", "--json")
    assert code == 2 and "can't be asked about a file: ask a run of openmic_cnn" in err and "Traceback" not in err
    (answer,) = json.loads(out)["predictions"]
    assert set(answer) == {"file", "error"}


def test_an_answer_is_the_calibrated_mean_of_its_clips_and_says_where_each_begins(asked_about_tones, tmp_path):
    write_tone(tmp_path / "long.wav", 800, 3.3)
    answer = Predictor(asked_about_tones).predict(tmp_path / "long.wav")
    serving = asked_about_tones.read("serving.json")
    mean = calibrate.temper(answer.clip_scores.mean(axis=0), serving["temperature"], "single")
    assert answer.scores == pytest.approx(mean) and answer.scores.sum() == pytest.approx(1, abs=1e-5)
    assert answer.label == "middle" and answer.probability == answer.scores.max()
    assert (
        answer.starts[0] == 0 and (np.diff(answer.starts) > 0).all() and len(answer.starts) == len(answer.clip_scores)
    )
    assert answer.starts[-1] <= 3.3 - 0.4


def test_content_is_answered_as_its_file_and_many_files_as_one_by_one(asked_about_tones, tones):
    predictor = Predictor(asked_about_tones)
    paths = [tones / name / "5.wav" for name in ("low", "middle", "high")]
    alone = [predictor.predict(path) for path in paths]
    together = predictor.answer([predictor.read(path) for path in paths])
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


def test_a_models_warnings_reach_the_answer(asked_about_tones, musicml, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    code, out, _ = musicml("predict", asked_about_tones.path, tmp_path / "silent.wav", "--json")
    (answer,) = json.loads(out)["predictions"]
    assert code == 0 and any("silent" in warning for warning in answer["warnings"])
    code, out, _ = musicml("predict", asked_about_tones.path, tmp_path / "silent.wav")
    assert code == 0 and "note:" in out


def test_many_threads_load_the_model_once(asked_about_tones, tones, monkeypatch):
    loaded, real = [], predict.load_model
    monkeypatch.setattr(predict, "load_model", lambda *args: loaded.append(args) or real(*args))
    predictor, answers = Predictor(asked_about_tones), []
    asked = [
        threading.Thread(target=lambda: answers.append(predictor.predict(tones / "low/1.wav").label)) for _ in range(6)
    ]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert len(loaded) == 1 and answers == ["low"] * 6


@pytest.fixture
def broken(asked_about_tones, tmp_path):
    """A copy of a run, to be damaged."""
    return runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / "broken"))


def test_a_damaged_run_is_refused_with_a_sentence(broken, tones):
    (broken.path / "serving.json").write_text("{")
    with pytest.raises(BadInput, match="serving.json of run broken must be JSON"):
        Predictor(broken)


def test_a_model_for_other_classes_is_refused(broken, tones):
    (broken.path / "labels.json").write_text('["low", "high"]')
    with pytest.raises(BadInput, match="must answer for its 2 classes and answers for 3"):
        Predictor(broken).predict(tones / "low/1.wav")


def test_a_run_without_its_exported_model_is_answered_by_keras(trained, expected, tmp_path):
    run = runs.Run(shutil.copytree(trained("gru").path, tmp_path / "gru"))
    (run.path / "model.onnx").unlink()
    example, scores = expected("gru")[0]
    assert np.abs(Predictor(run).predict(example.path).scores - scores).max() < TOLERANCE
    with pytest.raises(BadInput, match="has no exported model"):
        Predictor(run, "onnx").predict(example.path)
    (run.path / "model.keras").unlink()
    with pytest.raises(BadInput, match="model.keras is missing"):
        Predictor(run).predict(example.path)
