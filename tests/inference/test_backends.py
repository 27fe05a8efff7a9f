import json
import shutil
import threading
import zipfile
from types import SimpleNamespace

import pytest

from musicml.experiment import run as runs
from musicml.inference import backends, manifest, trust
from musicml.inference.predictor import Predictor
from musicml.training import train
from musicml.utils import terminal
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, set_words
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric


def test_a_run_trained_in_half_precision_is_served_and_exported_in_float32(musicml, tones, data_root, tmp_path):
    changes = {
        "training.ema": 0.9,
        "training.precision": "mixed_bfloat16",
        "training.epochs": 1,
        "model.filters": [4],
        "features.n_mels": 32,
    }
    words = ["--folder", tones, "--data-root", data_root, "--runs", tmp_path, *set_words(changes)]
    code, _, _ = musicml("train", EXPERIMENTS / "genre_cnn.toml", *words)
    (run,) = runs.list_runs(tmp_path)
    assert code == 0 and run.read("run.json")["precision"]["policy"] == "mixed_bfloat16"
    assert run.read("run.json")["export"].startswith("exported") and (run.path / "model.onnx").is_file()
    by_onnx, by_keras = (Predictor(run, engine).predict(tones / "low/1.wav").scores for engine in ("onnx", "keras"))
    assert off(by_onnx, by_keras) < 1e-4


def test_a_resumed_training_leaves_no_exported_model_of_before(asked_about_tones, monkeypatch, tmp_path):
    run = runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / "cut_off"))
    (run.path / "report.json").unlink()
    run.update(status="started")
    monkeypatch.setattr("musicml.training.trainer.export_forest_onnx", lambda *_: "not exported: it can't be here")
    train.resume_run(run)
    assert not (run.path / "model.onnx").exists() and Predictor(run).load_model().engine == "scikit-learn"


def test_a_missing_package_is_named_as_such(asked_about_tones, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'skops'")

    monkeypatch.setattr(backends, "_load_scikit_learn", missing)
    with pytest.raises(InputError, match="needs a package that is not installed .No module named 'skops'."):
        backends.load_model(asked_about_tones.path, manifest.read_manifest(asked_about_tones), "keras")


def save_model(path, version, layer="Dense", without=()):
    """A small model in Keras's own format, as if another version had saved it, with a layer of another name."""
    import keras

    path.parent.mkdir(exist_ok=True)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name not in without}
    if "metadata.json" in parts:
        parts["metadata.json"] = json.dumps({"keras_version": version}).encode()
    parts["config.json"] = parts["config.json"].replace(b'"Dense"', f'"{layer}"'.encode())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def load_saved(path):
    return backends.load_model(path.parent, SimpleNamespace(model={"file": path.name}), "keras")


@pytest.fixture
def undigested(monkeypatch):
    """Models are taken whatever their digest, as the user's own."""
    monkeypatch.setattr(trust, "is_own", lambda run: True)
    monkeypatch.setattr(backends, "find_original_model", lambda path, serving: path / serving.model["file"])


@pytest.mark.parametrize("version", ["99.0.0", "99.1.0.dev2027010103", "4.0.0rc1"])
def test_a_model_of_a_newer_keras_names_the_version_to_install(undigested, version, tmp_path):
    path = save_model(tmp_path / "run/model.keras", version, "QuantumDense")
    with pytest.raises(InputError, match=f'The model of run was saved by Keras {version}, .*keras>={version}"`'):
        load_saved(path)


def test_a_model_of_a_newer_keras_that_can_be_read_is_read(undigested, tmp_path):
    assert load_saved(save_model(tmp_path / "run/model.keras", "99.0.0")).engine == "keras"


def test_a_damaged_model_or_an_unknown_layer_of_this_keras_is_no_matter_of_versions(undigested, tmp_path):
    import keras

    damaged, cut = (save_model(tmp_path / f"{name}/model.keras", "99.0.0") for name in ("damaged", "cut"))
    damaged.write_bytes(b"PK" + bytes(500))
    cut.write_bytes(cut.read_bytes()[:-200])
    paths = [damaged, cut]
    paths += [save_model(tmp_path / "same/model.keras", keras.__version__, "QuantumDense")]
    paths += [save_model(tmp_path / "older/model.keras", "3.0.0", "QuantumDense")]
    paths += [save_model(tmp_path / "nameless/model.keras", "99.0.0", "QuantumDense", ["metadata.json"])]
    paths += [save_model(tmp_path / "odd/model.keras", ["99"], "QuantumDense")]
    for path in paths:
        with pytest.raises(InputError, match=f"Could not load the model of {path.parent.name}"):
            load_saved(path)


def test_two_threads_may_be_quiet_at_once():
    def whisper():
        for _ in range(50):
            with terminal.suppress_stderr():
                pass

    threads = [threading.Thread(target=whisper) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    terminal.print_message("still heard")
