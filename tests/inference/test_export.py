import importlib.util
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from musicml.data.datasets import loading
from musicml.experiment import run as runs
from musicml.inference import backends, export, manifest
from musicml.inference.export import bundle
from musicml.inference.export.onnx import _build_forest_graph, _write_checked, avoid_cudnn, export_keras_onnx
from musicml.inference.predictor import Predictor
from musicml.models import base, registry
from musicml.utils.errors import InputError
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

MAPPED = ("cnn", "unfrozen")
MODELS = {"onnx": "model.onnx", "litert": "model.tflite", "saved_model": "saved_model"}
# each but the ONNX ones costs some ten seconds for TensorFlow in a process of its own
EXPORTED = [*((name, "onnx") for name in ("cnn", "gru", "unfrozen", "vggish", "forest"))]
EXPORTED += [("gru", "litert"), ("unfrozen", "saved_model")]
TOLERANCE = 1e-4


def clips_for(model, n=6):
    """Random inputs that are no stranger to a model than its features are."""
    rng = np.random.default_rng(0)
    shape = (n, *model.input_shape[1:])
    values = rng.uniform(0, 255, shape) if len(shape) == 4 else rng.normal(-40, 20, shape)
    return values.astype(np.float32)


def answered(logits, activation):
    """What the activation of a model's last layer makes of logits."""
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-logits))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def assert_maps_explain_the_scores(model):
    mapped, clips = registry.add_class_activation_maps(model), clips_for(model)
    scores, maps = (np.asarray(output) for output in mapped(clips, training=False))
    assert maps.shape[0] == len(clips) and maps.shape[3] == model.output_shape[1] and maps.ndim == 4
    of_means = answered(maps.mean(axis=(1, 2), dtype=np.float64), model.layers[-1].activation.__name__)
    assert off(of_means, scores) < 1e-5
    assert off(np.asarray(model(clips, training=False)), scores) < 1e-5
    return scores


@pytest.fixture(scope="module")
def keras_model_of(trained):
    """A family's trained `keras.Model`, read once."""
    made = {}

    def found(name):
        if name not in made:
            made[name] = backends.load_keras_model(trained(name).path / "model.keras")
        return made[name]

    return found


@pytest.mark.parametrize("name", MAPPED)
def test_the_mean_of_the_maps_over_their_places_is_what_the_scores_are_made_of(keras_model_of, name):
    assert_maps_explain_the_scores(keras_model_of(name))


def untrained(family, shape=(40, 32), task="single", **options):
    """A model of random weights."""
    spec = registry.ModelSpec(shape, 3, task, "class", np.full(shape[1], -40.0), np.full(shape[1], 400.0))
    return registry.build_model(family, registry.get_family(family).Options(**options), spec)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_dropout_behind_the_pooling_leaves_the_maps_as_they_are(task):
    scores = assert_maps_explain_the_scores(untrained("cnn", task=task, filters=(4, 8), dropout=0.5))
    assert np.ptp(scores, axis=0).max() > 1e-4, "scores that are all alike would agree by chance"


def test_a_batch_normalisation_behind_the_pooling_is_folded_into_the_maps():
    rng = np.random.default_rng(1)
    options = {"backbone": "mobilenet", "alpha": 0.25, "weights": "none", "dense_units": 0, "dropout": 0.3}
    model = untrained("transfer", (64, 64, 3), **options)
    normalised = model.get_layer("standardised_pooled")
    n = normalised.moving_mean.shape[0]
    normalised.moving_mean.assign(rng.normal(0, 1e-3, n))
    normalised.moving_variance.assign(rng.uniform(0.5, 2, n) ** 2 * 1e-6)
    assert_maps_explain_the_scores(model)


def test_a_batch_normalisation_of_either_kind_is_folded():
    import keras

    rng = np.random.default_rng(2)
    for learns in ({}, {"center": False}, {"scale": False}, {"center": False, "scale": False}):
        layer = keras.layers.BatchNormalization(epsilon=0.1, **learns)
        layer.build((None, 5))
        layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
        dense = keras.layers.Dense(3)
        dense.build((None, 5))
        kernel, bias = base.fold_batch_norm([layer, keras.layers.Dropout(0.5), layer], *dense.get_weights())
        x = rng.normal(0, 1, (7, 5)).astype(np.float32)
        wanted = dense(layer(layer(x, training=False), training=False))
        assert off(x @ kernel + bias, np.asarray(wanted)) < 1e-5


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("cnn", {"filters": (4,), "head": "flatten"}),
        ("cnn", {"filters": (4,), "dense_units": 5}),
        ("recurrent", {"cell": "lstm", "units": (4, 4), "bidirectional": True, "dense_units": 5}),
    ],
)
def test_a_flattening_a_hidden_layer_and_a_recurrent_network_give_no_maps(family, options):
    assert registry.add_class_activation_maps(untrained(family, **options)) is None


@pytest.mark.parametrize("name", [*MAPPED, "gru", "vggish", "forest"])
def test_a_runs_own_onnx_model_has_one_input_named_outputs_and_the_runs_fingerprint(trained, name):
    run = trained(name)
    assert run.read("run.json")["export"].startswith("exported; differs from the original by at most")
    session = backends.make_onnx_session(run.path / "model.onnx")
    assert len(session.get_inputs()) == 1
    names = [output.name for output in session.get_outputs()]
    assert names == (["scores", "maps"] if name in MAPPED else ["scores"])
    fingerprint = run.read("serving.json")["fingerprint"]
    assert session.get_modelmeta().custom_metadata_map["fingerprint"] == fingerprint


@pytest.mark.parametrize("name", MAPPED)
def test_the_exported_maps_are_those_of_keras(trained, keras_model_of, name):
    model = keras_model_of(name)
    clips = clips_for(model)
    loaded = backends.load_model(trained(name).path, manifest.read_manifest(trained(name)), "onnx")
    scores, maps = (np.asarray(output) for output in registry.add_class_activation_maps(model)(clips, training=False))
    assert off(loaded.scores(clips), scores) < TOLERANCE
    assert off(loaded.maps(clips), maps) < TOLERANCE


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_onnx_forest_answers_as_scikit_learn_does(task):
    from musicml.models import forest

    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (80, 4, 6)).astype(np.float32)
    targets = np.eye(3)[rng.integers(0, 3, 80)]
    if task == "multi":
        targets[rng.random(targets.shape) < 0.3] = np.nan
    spec = registry.ModelSpec((4, 6), 3, task, "class")
    trees = forest.build(forest.Options(n_estimators=7), spec).fit(x, targets).trees
    session = onnx_session(_build_forest_graph(trees, task, 6))
    for n, frames in ((1, 1), (5, 4), (200, 2), (3, 5000)):
        clips = (rng.normal(0, 1, (n, 1, 6)) + rng.normal(0, 1, (n, frames, 6))).astype(np.float32)
        (given,) = session.run(["scores"], {"features": clips})
        assert off(given, forest.predict_scores(trees, clips, task)) < 1e-5
        assert n < 3 or np.ptp(given, axis=0).max() > 0.1, "scores that are all alike would agree by chance"


def onnx_session(graph):
    import onnxruntime

    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_conversion_that_answers_otherwise_is_not_kept(trained, tmp_path):
    import onnx

    run = runs.Run(shutil.copytree(trained("gru").path, tmp_path / "gru"))
    converted = onnx.load(run.path / "model.onnx")
    (run.path / "model.onnx").unlink()
    (run.path / "report.json").unlink()  # a whole run would not be changed
    clips = np.zeros((2, *run.read("serving.json")["input_shape"]), np.float32)
    wanted = backends.load_model(run.path, manifest.read_manifest(run), "keras").scores(clips)
    said = _write_checked(lambda _: converted, run, clips, wanted + 0.01)
    assert said.startswith("not exported: it differs from the original by 0.01")
    assert not (run.path / "model.onnx").exists()
    assert _write_checked(lambda _: converted, run, clips, wanted).startswith("exported; ")
    assert (run.path / "model.onnx").exists()


def test_a_converter_that_fails_leaves_a_run_without_an_exported_model_and_the_reason(trained, tmp_path):
    run = runs.Run(shutil.copytree(trained("gru").path, tmp_path / "gru"))
    (run.path / "model.onnx").unlink()

    def fails(path):
        path.write_bytes(b"half")
        raise RuntimeError("no such operation\nat line 5")

    said = _write_checked(fails, run, np.zeros((1, 2, 3)), np.zeros((1, 3)))
    assert said == "not exported: no such operation"
    assert not list(run.path.glob("*.onnx")) and not list(run.path.glob(".*.onnx"))


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A family exported as a format, once: where to, and what its check said. Never change it."""
    made = {}

    def found(name, kind):
        if (name, kind) not in made:
            to = tmp_path_factory.mktemp("exported") / "deeper" / f"{name}_{kind}"
            made[name, kind] = to, export.export_run(trained(name), kind, to)
        return made[name, kind]

    return found


def check_module(to):
    """check.py of an exported folder, imported."""
    spec = importlib.util.spec_from_file_location("check", to / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "kind"), EXPORTED)
def test_an_exported_folder_holds_the_model_its_front_in_words_and_a_check_that_passes(trained, exported, name, kind):
    to, said = exported(name, kind)
    assert re.match(r"raw scores differ by at most \S+ \(allowed: 0.0001\)", said)
    wanted = {"README.md", "labels.json", "serving.json", "example.npz", "check.py", MODELS[kind]}
    assert {path.name for path in to.iterdir()} == wanted
    assert [path.name for path in to.parent.iterdir()] == [to.name]
    for copied in ("labels.json", "serving.json"):
        assert (to / copied).read_bytes() == (trained(name).path / copied).read_bytes()


@pytest.mark.parametrize("name", ["cnn", "gru"])
def test_the_check_of_an_exported_sound_model_computes_the_features_by_librosa(exported, name):
    pytest.importorskip("librosa")
    _, said = exported(name, "onnx")
    assert re.search(r"librosa's features differ by at most \S+ dB", said)


@pytest.mark.parametrize("name", ["cnn", "gru", "unfrozen", "vggish", "forest"])
def test_the_readme_of_an_exported_model_names_every_number_and_class(trained, exported, name):
    text = (exported(name, "onnx")[0] / "README.md").read_text()
    served = manifest.read_manifest(trained(name))
    settings = trained(name).read("serving.json")["features"]
    numbers = [settings.get(key) for key in ("sample_rate", "n_fft", "hop_length", "n_mels", "n_mfcc", "fmin")]
    numbers += [settings.get("height"), settings.get("width"), served.temperature]
    if "sample_rate" in settings:
        numbers += [settings["fmax"] or settings["sample_rate"] / 2]
    numbers += [served.clip.n_frames, served.clip.hop_frames, served.clip.least_samples or None]
    numbers += served.thresholds if served.task == "multi" else []
    steps = text[: text.index("## Classes")]
    for number in numbers:
        if number is not None:
            assert re.search(rf"(?<![\d.]){re.escape(f'{number:g}' if number < 1e5 else str(number))}(?![\d])", steps)
    for k, class_name in enumerate(served.class_names):
        assert f"- {k}: {class_name}\n" in text
    assert trained(name).name in text


@pytest.mark.parametrize("name", ["cnn", "gru"])
def test_what_a_sounds_readme_says_of_frames_and_clips_is_how_the_predictor_cuts(trained, exported, name):
    """The steps' numbers, followed by hand, give the example's clips."""
    to, _ = exported(name, "onnx")
    example, served = np.load(to / "example.npz"), manifest.read_manifest(trained(name))
    assert off(served.settings.compute(example["y"]), example["features"]) < 1e-4
    assert example["clips"].shape[1:] == (served.clip.n_frames, served.settings.n_bins)
    raw = Predictor(trained(name), "keras").score_clips(list(example["clips"]))
    assert off(raw, example["raw"]) < TOLERANCE


def test_a_recurrent_litert_model_needs_none_of_tensorflows_operations(exported):
    model = (exported("gru", "litert")[0] / "model.tflite").read_bytes()
    assert b"Flex" not in model  # so is called what LiteRT leaves to TensorFlow


@pytest.mark.parametrize(("name", "kind"), [("gru", "litert"), ("unfrozen", "saved_model"), ("gru", "onnx")])
def test_an_exported_model_gives_the_scores_that_the_run_stored_of_its_test_clips(trained, exported, name, kind):
    run, few = trained(name), 6
    predictor, check = Predictor(run), check_module(exported(name, kind)[0])
    there = {example.id: example.path for example in loading.reload_dataset(run.info.data.table).examples}
    stored = np.load(run.path / "clips.npz")
    asked = [predictor.read(there[row["example"]]) for row in run.table("predictions.csv")[:few]]
    starts = predictor.compute_clip_starts
    clips = [clip for one in asked for clip in predictor.cut_clips(one.values, starts(len(one.values)))]
    scores = check.predict(np.stack(clips).astype(np.float32))
    assert off(scores, stored["scores"][stored["example"] < few]) < TOLERANCE
    assert np.ptp(scores, axis=0).max() > 10 * TOLERANCE, "scores that are all alike would agree by chance"


@pytest.mark.parametrize(
    ("name", "what", "wrong", "said"),
    [
        ("vggish", "raw", np.nan, "raw scores differ by at most nan (allowed: 0.0001)"),
        ("gru", "features", 0.1, "librosa's features differ by at most 0.1 dB (allowed: 0.01)"),
    ],
)
def test_the_check_fails_where_what_it_computes_differs(exported, tmp_path, name, what, wrong, said):
    if what == "features":
        pytest.importorskip("librosa")
    to = shutil.copytree(exported(name, "onnx")[0], tmp_path / "spoilt")
    example = dict(np.load(to / "example.npz"))
    np.savez(to / "example.npz", **{**example, what: example[what] + wrong})
    done = subprocess.run([sys.executable, "check.py"], cwd=to, capture_output=True, text=True)
    assert done.returncode == 1 and said in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_an_export_whose_check_fails_leaves_nothing_behind(trained, tmp_path, monkeypatch):
    real = backends.load_model

    def spoilt(*words):
        model = real(*words)
        return backends.Model(model.engine, lambda clips: model.scores(clips) + np.float32(0.01))

    monkeypatch.setattr(bundle.backends, "load_model", spoilt)
    with pytest.raises(InputError, match="differ from those of the run: raw scores differ by at most 0.01"):
        export.export_run(trained("gru"), "onnx", tmp_path / "spoilt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        ("litert", "new", "is a random forest, but litert is for neural networks. Export"),
        ("saved_model", "new", "is a random forest, but saved_model is for neural networks. Export"),
        ("tflite", "new", "format='tflite' must be one of onnx, litert, saved_model"),
        ("onnx", "file/new", "is not a folder"),
    ],
)
def test_what_can_not_be_exported_is_refused_and_leaves_nothing(asked_about_tones, tmp_path, kind, place, said):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=said):
        export.export_run(asked_about_tones, kind, tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_there_already_is_refused_and_kept(asked_about_tones, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        export.export_run(asked_about_tones, "onnx", tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def copied(asked_about_tones, tmp_path):
    """A copy of a run, to be damaged."""
    return runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / "copied"))


def _flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "file, change, said",
    [
        ("labels.json", lambda content: json.dumps(json.loads(content)[::-1]).encode(), "was changed after"),
        ("model.onnx", _flip_a_bit, "copied"),
        ("model.skops", _flip_a_bit, "copied"),
    ],
)
def test_a_run_that_was_changed_since_training_is_not_exported(copied, tmp_path, file, change, said):
    (copied.path / file).write_bytes(change((copied.path / file).read_bytes()))
    with pytest.raises(InputError, match=said):
        export.export_run(copied, "onnx", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_without_an_exported_model_is_refused_for_onnx_with_the_reason(copied, tmp_path):
    (copied.path / "model.onnx").unlink()
    facts = {**copied.read("run.json"), "export": "not exported: the jax backend can't export to ONNX"}
    (copied.path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(
        InputError, match=r"has no exported model \(not exported: the jax backend can't export to ONNX\)"
    ):
        export.export_run(copied, "onnx", tmp_path / "new")
    assert not (tmp_path / "new").exists() and len(list(tmp_path.iterdir())) == 1


# on a machine with a GPU


@pytest.fixture
def with_gpu(monkeypatch):
    """Keras believes in a GPU, whose kernels it then puts into what it traces."""
    kernels = importlib.import_module("keras.src.backend.tensorflow.rnn")  # its package has a function of this name
    monkeypatch.setattr(kernels, "_is_gpu_available", lambda: True)


def trace(model):
    """The operations of a traced model, as text."""
    import tensorflow as tf

    signature = tf.TensorSpec((1, *model.input_shape[1:]))
    return str(tf.function(lambda x: model(x, training=False)).get_concrete_function(signature).graph.as_graph_def())


@pytest.mark.parametrize(
    "options",
    [{"cell": "lstm", "units": (4, 3)}, {"cell": "gru", "units": (4,), "bidirectional": True, "pooling": "average"}],
)
def test_recurrent_layers_are_traced_without_a_gpus_kernels(with_gpu, options):
    model = untrained("recurrent", **options)
    assert "CudnnRNN" in trace(model), "the simulation shows nothing otherwise"
    with avoid_cudnn(model):
        assert "CudnnRNN" not in trace(model)
    assert "CudnnRNN" in trace(model), "training and answers use them all the same"


def test_a_recurrent_run_keeps_its_exported_models_where_there_is_a_gpu(request, trained, tmp_path):
    run = runs.Run(shutil.copytree(trained("gru").path, tmp_path / "run"))
    request.getfixturevalue("with_gpu")  # a training would need a true one
    (run.path / "model.onnx").unlink()
    (run.path / "report.json").unlink()
    model = backends.load_keras_model(backends.find_original_model(run.path, manifest.read_manifest(run)))
    said = export_keras_onnx(model, run, clips_for(model, 3))
    assert said.startswith("exported; differs from the original by at most"), said
