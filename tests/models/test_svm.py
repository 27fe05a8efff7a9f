"""The support vector machine: what scikit-learn found, as layers of a Keras model."""

import keras
import numpy as np
import pytest
from sklearn.svm import SVC

from musicml.evaluation import evaluate_run
from musicml.experiment import config
from musicml.features.clips import UNOBSERVED
from musicml.inference import backends
from musicml.inference.predictor import Predictor
from musicml.models import registry, svm
from musicml.models.base import ModelSpec
from musicml.training import sklearn_heads, train_experiment
from tests.conftest import EXPERIMENTS
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

N_BINS = 4


def build(n_classes=3, task="single"):
    spec = ModelSpec((11, N_BINS), n_classes, task, "genre", np.full(N_BINS, 2.0), np.full(N_BINS, 9.0))
    return registry.build_model("svm", svm.Options(), spec)


def make_statistics(n=50, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    x = rng.normal(size=(n, 2 * N_BINS)).astype(np.float32)
    x[:, 0] += labels
    return x, labels


def ask_head(model, x):
    """A model's answers for standardized statistics."""
    return np.asarray(keras.Model(model.get_layer("standardised_pooled").output, model.output)(x))


def test_a_clip_becomes_means_and_mean_absolute_deviations():
    model, clips = build(), np.random.default_rng(0).normal(2, 3, (5, 11, N_BINS)).astype(np.float32)
    found = np.asarray(keras.Model(model.input, model.get_layer("pooled").output)(clips))
    z = (clips - 2) / 3
    mean = z.mean(axis=1)
    assert off(found, np.concatenate([mean, np.abs(z - mean[:, None]).mean(axis=1)], axis=1)) < 1e-5


@pytest.mark.parametrize("gamma", [0.0, 0.3])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_the_layers_answer_as_scikit_learn_does(n_classes, gamma):
    x, labels = make_statistics(n_classes=n_classes)
    settings = svm.Options(c=2.0, gamma=gamma)
    model = sklearn_heads.fit_kernel_machine(build(n_classes), x, np.eye(n_classes)[labels], settings, False)
    asked = make_statistics(seed=1)[0]
    machines = [SVC(C=2.0, gamma=gamma or 1 / x.shape[1]).fit(x, labels == k) for k in range(n_classes)]
    decisions = np.stack([machine.decision_function(asked) for machine in machines], axis=1)
    odds = np.exp(decisions - decisions.max(axis=1, keepdims=True))
    assert off(ask_head(model, asked), odds / odds.sum(axis=1, keepdims=True)) < 1e-4
    assert model.get_layer("support_vectors").units <= len(x)


def test_several_labels_are_fitted_on_what_was_observed():
    x, labels = make_statistics(n_classes=2)
    targets = np.stack([labels, 1 - labels], axis=1).astype(np.float32)
    targets[20:, 1] = UNOBSERVED
    model = sklearn_heads.fit_kernel_machine(build(2, "multi"), x, targets, svm.Options(), False)
    decision = SVC(C=3.0, gamma=1 / x.shape[1]).fit(x[:20], targets[:20, 1] > 0.5).decision_function(x)
    assert off(ask_head(model, x)[:, 1], 1 / (1 + np.exp(-decision))) < 1e-4


@pytest.mark.parametrize("known", [[1], [0, 2]])
def test_a_class_that_no_example_taught_is_never_answered(known):
    x, labels = make_statistics()
    labels = np.array(known)[labels % len(known)]
    model = sklearn_heads.fit_kernel_machine(build(), x, np.eye(3)[labels], svm.Options(), False)
    assert set(ask_head(model, x).argmax(axis=1)) <= set(known)


def test_a_run_is_served_and_exported_like_any_other_and_trains_to_the_same_answers(data_root, tmp_path):
    read = config.read_experiment(EXPERIMENTS / "genre_svm.toml", {"features.hop_length": 1024}, sample=True)
    run, other = (train_experiment(read, data_root, tmp_path / name) for name in ("one", "two"))
    for one in (run, other):
        evaluate_run(one)
    assert run.is_complete and run.info.export.startswith("exported; ")
    assert not run.info.has_epochs and run.read_history() == [] and run.info.caveat == ""
    serving = Predictor(run).serving
    clips = np.random.default_rng(0).normal(0, 20, (3, serving.clip.n_frames, 20)).astype(np.float32)
    by_onnx, by_keras = (backends.load_model(run.path, serving, engine).scores(clips) for engine in ("onnx", "keras"))
    assert off(by_onnx, by_keras) < 1e-4
    assert np.array_equal(*(one.predictions.filter(like="score:").to_numpy() for one in (run, other)))
