"""musicnn as a frozen backbone: the port, its heads, and what is refused."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from musicml.data import CACHE_FOLDER
from musicml.data.io import audio
from musicml.evaluation import evaluate_run
from musicml.experiment import config
from musicml.features import audio_features
from musicml.features.clips import UNOBSERVED
from musicml.inference import backends
from musicml.inference.predictor import Predictor
from musicml.models import pretrained_audio, registry
from musicml.models.base import ModelSpec, compute_batch_limit
from musicml.training import sklearn_heads, train_experiment
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, unexported
from tests.fixtures.musicnn_wheel import CHANNELS
from tests.fixtures.near import off

pytestmark = [pytest.mark.numeric, pytest.mark.usefixtures("musicnn_wheel")]

RECORDED = Path(__file__).parent.parent / "fixtures/musicnn_tags.json"
QUICK = {"model.weights": "msd", "training.epochs": 2, "training.early_stopping": 0}
HEADS = {
    "logistic": {"model.layers": ["tags", "penultimate"], "training.precision": "mixed_float16"},
    "svm": {"model.layers": ["pools"], "model.weights": "msd+mtt"},
    "dense": {"model.layers": ["penultimate"], "model.l2": 0.01, "augment.views": 1, "augment.crop": True},
    "attention": {"model.layers": ["frames"], "model.units": 8},
    "gru": {"model.layers": ["frames"], "model.weights": "none", "training.precision": "mixed_bfloat16"},
}


def make_clips(n=2):
    """Log-mel spectrograms in dB that are like no others, [shape=(n, 187, 96)]; recorded numbers belong to them."""
    rng = np.random.default_rng(0)
    frame, band, k = np.arange(187)[None, :, None], np.arange(96)[None, None, :], np.arange(n)[:, None, None]
    waves = np.sin(2 * np.pi * (frame / (20 + 17 * k) + band / (31 - 7 * k)))
    return (-40 + 25 * waves + rng.uniform(-10, 10, (n, 187, 96))).astype(np.float32)


def build(shape=(187, 96), n_classes=3, task="single", data_root=None, **options):
    spec = ModelSpec(shape, n_classes, task, "genre", data_root=data_root)
    return registry.build_model("pretrained_audio", pretrained_audio.Options(**{"weights": "none", **options}), spec)


@pytest.fixture(scope="module")
def train(musicnn_root, tones, tmp_path_factory):
    """Train an experiment with changes, once, one of genres on the tones: name, changes → its run."""
    made = {}

    def find(name, changes):
        key = json.dumps([name, changes])
        if key not in made:
            read = config.read_experiment(EXPERIMENTS / f"{name}.toml", changes, sample=True)
            folder = tones if read.data.dataset == "gtzan" else None
            made[key] = train_experiment(read, musicnn_root, tmp_path_factory.mktemp("runs"), folder=folder)
            evaluate_run(made[key])
        return made[key]

    return find


@pytest.mark.parametrize("name", ["msd", "mtt"])
def test_the_port_answers_as_the_original_graph_did(name, real_musicnn):
    """The numbers were recorded from TensorFlow 1's graph in the wheel, with its own weights and this input."""
    model, tags = pretrained_audio.build_tagger(real_musicnn, name)
    recorded = np.array(json.loads(RECORDED.read_text())[name])
    assert np.abs(np.asarray(model(make_clips())) - recorded).max() < 1e-5
    assert model.count_params() == 792_079 and len(set(tags)) == 50 and {"rock", "guitar"} & set(tags)


def test_our_features_give_the_embeddings_of_its_own_front_end(real_musicnn):
    librosa = pytest.importorskip("librosa")
    rng, t = np.random.default_rng(0), np.arange(30 * 16_000) / 16_000
    notes = sum(np.sin(2 * np.pi * 220 * 2 ** (k / 12) * t) * (np.sin(2 * np.pi * t / (k + 1)) > 0) for k in range(8))
    y = (0.05 * notes + 0.02 * rng.standard_normal(len(t))).astype(np.float32)
    ours = audio_features.LogMel(16_000, 512, 256, 96).compute(y)
    power = librosa.feature.melspectrogram(y=y, sr=16_000, n_fft=512, hop_length=256, n_mels=96).T
    theirs = 10 * np.log10(np.maximum(power, 1e-10)).astype(np.float32)
    model, _ = pretrained_audio.build_tagger(real_musicnn)
    body = keras.Model(model.input, model.get_layer("msd_norm10").output)

    def embed(values):
        clips = np.stack([values[place : place + 187] for place in range(0, 1683, 187)])
        return np.asarray(body(clips)).mean(axis=0)

    one, other = embed(ours), embed(theirs)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999


def test_decibels_are_compressed_as_musicnn_knows_them():
    model = build(layers=["tags"])
    found = keras.Model(model.input, model.get_layer("log10").output)(make_clips())
    assert off(found, np.log10(1 + 1e4 * 10 ** (make_clips().astype(np.float64) / 10))) < 1e-5


@pytest.mark.parametrize("head", HEADS)
def test_every_head_trains_is_served_and_exported(head, train):
    run = train("genre_musicnn", {**QUICK, **HEADS[head], "model.head": head})
    info = run.info
    assert info.has_epochs == bool(run.read_history()) == (head not in pretrained_audio.LINEAR_HEADS)
    assert info.export.startswith("exported; ") and run.is_complete
    assert info.precision["policy"] == HEADS[head].get("training.precision", "float32")
    assert info.caveat == ("" if head == "gru" else pretrained_audio.CAVEATS[info.weights["choice"]])
    assert (info.caveat == "") == (info.weights["choice"] == "none")
    serving = Predictor(run).serving
    clips = make_clips(3)
    by_onnx, by_keras = (backends.load_model(run.path, serving, engine).scores(clips) for engine in ("onnx", "keras"))
    assert off(by_onnx, by_keras) < 1e-4 and off(by_keras.sum(axis=1), 1) < 1e-5


@unexported()
def test_several_labels_train_on_what_was_observed(train):
    changes = {"model.weights": "msd", "model.layers": ["tags"], "model.head": "logistic", "clips.seconds": 3.008}
    run = train("openmic_musicnn", {**changes, "clips.hop_seconds": 10.0})
    assert run.info.task == "multi" and run.report.n > 0


@unexported()
def test_the_backbone_does_not_learn_and_its_sequences_are_kept_in_half_precision(musicnn_root, train):
    run = train("genre_gru_musicnn", {"training.epochs": 1, "model.units": 4})
    trained = keras.saving.load_model(run.path / "model.keras", compile=False)
    fresh, _ = pretrained_audio.build_tagger(musicnn_root)
    layers = [layer.name for layer in fresh.layers if layer.weights and "dense" not in layer.name]
    shared = [name for name in layers if name in {layer.name for layer in trained.layers}]
    assert len(shared) > 15
    for name in shared:
        pairs = zip(trained.get_layer(name).get_weights(), fresh.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)
    kept = [np.load(path, mmap_mode="r") for path in (musicnn_root / CACHE_FOLDER).glob("*.npy")]
    sequences = {(array.dtype.name, array.shape[1:]) for array in kept if array.ndim == 3}
    assert sequences == {("float16", (11, CHANNELS))}


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("head", ["logistic", "svm"])
def test_a_linear_head_answers_as_scikit_learn(head, n_classes):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 7)).astype(np.float32), rng.integers(0, n_classes, 60)
    x[:, 0] += labels
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(n_classes, activation="softmax", name="genre")])
    settings = pretrained_audio.Options(head=head, c=0.5)
    sklearn_heads.fit_linear_head(model, "genre", x, np.eye(n_classes)[labels], settings, False)
    found = np.asarray(model(x))
    if head == "logistic":
        from sklearn.linear_model import LogisticRegression

        assert off(found, LogisticRegression(C=0.5, max_iter=2_000).fit(x, labels).predict_proba(x)) < 1e-4
    else:
        from sklearn.svm import LinearSVC

        svm = LinearSVC(C=0.5, max_iter=2_000, random_state=0).fit(x, labels)
        assert np.array_equal(found.argmax(axis=1), svm.predict(x))


@pytest.mark.parametrize("head", ["logistic", "svm"])
def test_a_class_that_no_example_taught_is_never_answered(head):
    rng = np.random.default_rng(0)
    for known in ([1, 3], [0, 2, 4], [2]):
        x, labels = rng.normal(size=(40, 5)).astype(np.float32), rng.choice(known, 40)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5, activation="softmax", name="genre")])
        sklearn_heads.fit_linear_head(model, "genre", x, np.eye(5)[labels], pretrained_audio.Options(head=head), False)
        assert set(np.asarray(model(x)).argmax(axis=1)) <= set(known)


def test_a_linear_head_for_several_labels_does_not_see_what_nobody_observed():
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(80, 4)).astype(np.float32), rng.integers(0, 2, (80, 2)).astype(np.float32)
    hidden = targets.copy()
    hidden[40:, 1] = UNOBSERVED
    models = []
    for some, y in ((x, hidden), (x[:40], targets[:40])):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="sigmoid", name="instrument")])
        sklearn_heads.fit_linear_head(model, "instrument", some, y, pretrained_audio.Options(), False)
        models.append(np.asarray(model(x))[:, 1])
    assert off(models[0], models[1]) < 1e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": ["frames"], "head": "logistic"}, "with the other heads"),
        ({"layers": ["tags"], "head": "gru"}, 'Expected model.layers = ["frames"] with the heads attention and gru'),
        ({"layers": ["frames", "tags"], "head": "gru"}, "since the other layers have no time axis"),
        ({"layers": ["tags", "tags"], "head": "dense"}, "each once"),
    ],
)
def test_layers_and_heads_that_do_not_fit_are_refused(options, words):
    with pytest.raises(InputError) as error:
        pretrained_audio.Options(**options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("shape", "options", "fits"),
    [
        ((187, 96), {"layers": ["tags"]}, True),
        ((186, 96), {"layers": ["tags"]}, False),
        ((374, 96), {"layers": ["pools"]}, False),
        ((17, 96), {"layers": ["frames"], "head": "gru"}, True),
        ((16, 96), {"layers": ["frames"], "head": "gru"}, False),
        ((623, 96), {"layers": ["frames"], "head": "attention"}, True),
    ],
)
def test_clips_of_another_length_are_refused_where_the_layers_have_no_time(shape, options, fits):
    if fits:
        assert build(shape, **options).output_shape == (None, 3)
    else:
        with pytest.raises(InputError, match=r"Expected clips of 3\.008 s"):
            build(shape, **options)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features.sample_rate": 22_050}, "sample_rate = 22050"),
        ({"features.n_mels": 128}, "n_mels = 128"),
        ({"features.fmin": 300.0}, "fmin = 300.0"),
        ({"features.fmax": 7_000.0}, "fmax = 7000.0"),
        ({"features.kind": "mfcc"}, "kind = 'mfcc'"),
        ({"training.finetune_epochs": 2}, "needs model.family = 'transfer'"),
        ({"augment.frequency_masks": 1}, "augment.views"),
        ({"augment.mixup": 0.2}, "mix labels"),
        ({"model.layers": ["frames"]}, "with the other heads"),
    ],
)
def test_an_experiment_that_musicnn_can_not_be_used_in_is_refused(changes, words):
    with pytest.raises(InputError) as error:
        config.read_experiment(EXPERIMENTS / "genre_musicnn.toml", changes)
    assert words in str(error.value)


@pytest.mark.parametrize("damage", ["clips", "weights"])
def test_what_can_not_be_built_is_refused_before_a_file_is_read(damage, musicnn_root, musicml, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").symlink_to(musicnn_root / "sample")
    shutil.copytree(musicnn_root / "pretrained", tmp_path / "data/pretrained")
    if damage == "weights":
        (tmp_path / "data/pretrained/musicnn_msd.npz").write_bytes(b"damaged")
    words = ["train", EXPERIMENTS / "genre_musicnn.toml", "--data-root", tmp_path / "data", "--runs", tmp_path / "runs"]
    code, _, err = musicml(*words, *(["--set", "clips.seconds=5.0"] if damage == "clips" else []))
    assert code == 2 and ("Expected clips of 3.008 s" if damage == "clips" else "musicnn_msd.npz is damaged") in err
    assert not (tmp_path / "runs").exists() and not (tmp_path / "data" / CACHE_FOLDER).exists()


def test_a_search_compares_linear_heads_file_by_file(musicnn_root, tones, musicml, tmp_path):
    text = (EXPERIMENTS / "genre_musicnn.toml").read_text() + "\n[tune]\nmodel.c = [0.001, 0.1]\n"
    (tmp_path / "tuned.toml").write_text(text)
    words = ["tune", tmp_path / "tuned.toml", "--data-root", musicnn_root, "--runs", tmp_path / "runs", "--trials", 2]
    code, out, err = musicml(*words, "--folder", tones, "--set", "model.weights=msd")
    assert code == 0 and "accuracy" in out, err


def test_weights_that_do_not_fit_are_named(musicnn_root, tmp_path):
    from musicml.data.download import musicnn

    path = musicnn.get_musicnn_path(tmp_path, "msd")
    path.parent.mkdir()
    with np.load(musicnn.get_musicnn_path(musicnn_root, "msd")) as file:
        whole = dict(file)
    for damage in ({"dense/kernel": whole["dense/kernel"][:5]}, {"conv2d_3/bias": np.float32(1)}):
        np.savez(path, **{**whole, **damage})
        with pytest.raises(InputError, match="does not fit. Remove the file"):
            pretrained_audio.build_tagger(tmp_path)
    del whole["batch_normalization_4/gamma"]
    np.savez(path, **whole)
    with pytest.raises(InputError, match="batch_normalization_4 does not fit"):
        pretrained_audio.build_tagger(tmp_path)


def test_a_short_file_is_asked_as_a_repeated_one(train):
    y = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    predictor = Predictor(train("genre_musicnn", {**QUICK, **HEADS["logistic"], "model.head": "logistic"}))
    twice = audio.pad_audio(y, predictor.serving.clip.least_samples)
    one, other = predictor.predict(y, sample_rate=16_000), predictor.predict(twice, sample_rate=16_000)
    assert off(one.scores, other.scores) < 1e-4


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (lambda: build((187, 96), layers=["tags"]), 3),
        (lambda: build((623, 96), layers=["frames"], head="attention"), 1),
        (lambda: keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)]), 2**22),
        (lambda: keras.Sequential([keras.Input((2**13, 2**13)), keras.layers.Flatten()]), 1),
    ],
)
def test_a_model_is_asked_about_as_many_examples_as_memory_has_room_for(model, limit, whole_musicnn):
    assert compute_batch_limit(model()) == limit


def test_a_batch_is_answered_in_parts_as_in_one(monkeypatch, musicnn_root, tmp_path):
    model, _ = pretrained_audio.build_tagger(musicnn_root)
    model.save(tmp_path / "model.keras")
    whole = backends._load_keras(tmp_path / "model.keras").scores(make_clips(5))
    monkeypatch.setattr(backends, "compute_batch_limit", lambda model: 2)
    assert off(backends._load_keras(tmp_path / "model.keras").scores(make_clips(5)), whole) < 1e-5
