import importlib.util
import json
import os

import numpy as np
import pytest

from musicml.data.io import audio
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.inference import calibration, pooling, streaming
from musicml.inference.predictor import Predictor
from musicml.training import pretrained_run
from musicml.training import train as training
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS
from tests.fixtures.near import off

pytestmark = [
    pytest.mark.jax,
    pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="KERAS_BACKEND is not jax (make test-jax)"),
]
NETWORKS = ["gru", "frozen", "unfrozen", "vggish"]


def test_tensorflow_is_not_there():
    assert importlib.util.find_spec("tensorflow") is None


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_to_a_whole_run_on_jax(trained, name):
    run = trained(name)
    facts = run.read("run.json")
    assert run.is_complete and facts["backend"] == "jax" and "tensorflow" not in facts["versions"]
    assert facts["export"] == "not exported: the jax backend can't export to ONNX"
    assert (run.path / "model.keras").is_file() and not (run.path / "model.onnx").exists()
    assert not (run.path / "checkpoints").exists()
    losses = [float(row["loss"]) for row in run.table("history.csv")]
    assert len(losses) == facts["epochs"] >= 2 and all(np.isfinite(losses))


@pytest.mark.parametrize("name", ["genre_gru", "instrument_images_mobilenet"])
def test_an_experiment_as_it_stands_trains_on_jax(name, data_root, musicml, tmp_path):
    words = ["train", EXPERIMENTS / f"{name}.toml", "--data-root", data_root, "--runs", tmp_path]
    code, out, _ = musicml(*words, "--set", "training.epochs=2")
    (run,) = runs.list_runs(tmp_path)
    assert code == 0 and run.is_complete and run.read("run.json")["backend"] == "jax" and "accuracy" in out
    assert run.read("run.json")["parameters"] > 15_000, "the experiment's own model, not a small one"


@pytest.mark.parametrize("name", ["genre_musicnn", "genre_gru_musicnn"])
def test_a_pretrained_audio_network_works_on_jax(name, musicnn_root, musicml, tmp_path):
    words = ["train", EXPERIMENTS / f"{name}.toml", "--data-root", musicnn_root, "--runs", tmp_path]
    code, out, err = musicml(*words, "--set", "training.epochs=2")
    (run,) = runs.list_runs(tmp_path)
    assert code == 0 and run.is_complete and "accuracy" in out, err
    y = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    assert Predictor(run).predict(y, sample_rate=16_000).scores.sum() == pytest.approx(1, abs=1e-4)


def test_the_ready_run_works_on_jax_and_says_that_it_is_not_exported(musicnn_root, tmp_path):
    run = pretrained_run.make_tags_run(musicnn_root, tmp_path)
    assert run.status == "pretrained" and run.info.export == "not exported: the jax backend can't export to ONNX"
    y = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    assert len(Predictor(run).predict(y, sample_rate=16_000).scores) == 50


@pytest.mark.parametrize("name", ["gru", "frozen", "unfrozen"])
def test_a_file_is_answered_as_the_model_predicts_trainings_own_batches_of_its_clips(trained, material_of, name):
    import keras

    from musicml.training import fit

    run, (read, material) = trained(name), material_of(name)
    indices = material.split.indices("test")
    clips = inputs.cut_clips(material.features, indices, material.clip)
    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    raw = pooling.pool_by_example(fit.predict_scores(model, clips, read.training.batch_size), clips, indices)
    wanted = calibration.apply_temperature(raw, run.read("serving.json")["temperature"], "single")
    predictor = Predictor(run)
    for index, scores in list(zip(indices, wanted, strict=True))[::5]:
        assert off(predictor.predict(material.dataset.examples[index].path).scores, scores) < 1e-4


@pytest.mark.parametrize("name", ["gru", "frozen"])
def test_a_run_without_an_exported_model_is_answered_by_keras_with_its_stored_scores(trained, material_of, name):
    run, (_, material) = trained(name), material_of(name)
    names, paths = run.read("labels.json"), {example.id: example.path for example in material.dataset.examples}
    rows = run.table("predictions.csv")[::5]
    for engine in ("auto", "keras"):
        predictor = Predictor(run, engine)
        for row, answer in zip(rows, predictor.predict_all([paths[row["example"]] for row in rows]), strict=True):
            assert off(answer.scores, [float(row[f"score:{name}"]) for name in names]) < 1e-4
        assert predictor.load_model().engine == "keras" and predictor.load_model().maps is None


def test_a_forest_is_answered_by_scikit_learn_where_it_could_not_be_exported(asked_about_tones, tones):
    said = asked_about_tones.read("run.json")["export"]
    assert (asked_about_tones.path / "model.onnx").exists() == said.startswith("exported")
    predictor = Predictor(asked_about_tones)
    assert [predictor.predict(tones / name / "5.wav").label for name in ("low", "middle", "high")] == [
        "low",
        "middle",
        "high",
    ]
    assert predictor.load_model().engine == ("onnx" if said.startswith("exported") else "scikit-learn")


def test_a_stream_ends_with_the_answer_to_its_file_on_jax(trained, data_root):
    predictor = Predictor(trained("gru"))
    sound = audio.load_audio(next((data_root / "sample/gtzan").rglob("pop.*.wav")), max_seconds=4)
    listening = streaming.StreamingPredictor(predictor, sound.sample_rate)
    answers = [
        answer for begin in range(0, len(sound.y), 9_000) for answer in listening.feed(sound.y[begin : begin + 9_000])
    ]
    wanted = predictor.predict(sound.y, sample_rate=sound.sample_rate).scores
    assert len(answers) == 8 and off(listening.end().scores, wanted) < 1e-4


def test_the_command_line_answers_for_a_file(trained, data_root, musicml):
    track = next((data_root / "sample/gtzan").rglob("pop.*.wav"))
    code, out, err = musicml("predict", trained("gru").path, track, "--json")
    (answer,) = json.loads(out)["predictions"]
    assert code == 0 and sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    code, _, err = musicml("predict", trained("gru").path, track, "--engine", "onnx")
    assert code == 2 and "has no exported model" in err
    with pytest.raises(InputError, match="does not accept files"):
        Predictor(trained("vggish")).predict(track)


def test_a_stopped_training_resumes_to_the_same_weights_as_an_uncut_one(material_of, data_root, stopped_at, tmp_path):
    import keras

    read, _ = material_of("gru")
    changes = {**read.overrides, "model.dropout": 0.3, "training.epochs": 4, "training.plateau_patience": 1}
    read = config.parse_experiment(read.name, read.text, changes)
    uncut = training.train_experiment(read, data_root, tmp_path / "uncut", deterministic=True)
    with stopped_at(2):
        training.train_experiment(read, data_root, tmp_path / "cut", deterministic=True)
    (cut,) = runs.list_runs(tmp_path / "cut")
    assert len(cut.table("history.csv")) == 2
    training.resume_run(cut)
    weights = [keras.saving.load_model(run.path / "model.keras").get_weights() for run in (uncut, cut)]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))


def test_unobserved_cells_give_no_gradient():
    import jax
    import jax.numpy as jnp

    from musicml.training import losses

    truth = jnp.array([[1.0, -1.0, 0.0], [-1.0, -1.0, 1.0]])
    said = jnp.array([[0.8, 0.3, 0.4], [0.1, 0.9, 0.5]])
    loss = losses.make_masked_crossentropy()
    assert float(loss(truth, said)) == pytest.approx(-(np.log(0.8) + np.log(0.6) + np.log(0.5)) / 3, rel=1e-5)
    gradient = jax.grad(lambda scores: loss(truth, scores))(said)
    assert np.array_equal(np.asarray(gradient) != 0, np.asarray(truth) >= 0)
