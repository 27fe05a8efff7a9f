"""The convolutional recurrent family: its shape, its attention over time, and where else it has to run."""

import numpy as np
import pytest

from musicml.inference import explain
from musicml.inference.predictor import Predictor
from musicml.models import crnn, registry
from tests.fixtures.near import asked, off

pytestmark = pytest.mark.numeric

SHAPE = (40, 32)
SMALL = {"filters": (4, 6), "units": 5}


def spec(task="single", shape=SHAPE, n_classes=3):
    return registry.ModelSpec(shape, n_classes, task, "genre", np.full(shape[1], -40.0), np.full(shape[1], 400.0))


def clips(n=6, shape=SHAPE):
    return np.random.default_rng(0).normal(-40, 20, (n, *shape)).astype(np.float32)


def untrained(task="single", shape=SHAPE, n_classes=3, **options):
    """A model of random weights."""
    return registry.build_model("crnn", crnn.Options(**{**SMALL, **options}), spec(task, shape, n_classes))


def test_the_blocks_pool_the_frequencies_away_and_the_first_of_them_halve_the_frames():
    model = untrained(shape=(126, 128), filters=(4, 4, 4), frequency_pool=4, time_poolings=2)
    assert [model.get_layer(f"block{k}_pool").output.shape[1:3] for k in (1, 2, 3)] == [(63, 32), (31, 8), (31, 2)]
    assert model.get_layer("frames").output.shape[1:] == (31, 2 * 4)


def test_a_short_clip_of_few_bands_is_pooled_only_as_far_as_there_is_something_to_pool():
    model = untrained(shape=(3, 5), filters=(4, 4, 4), frequency_pool=4, time_poolings=3)
    assert model.get_layer("frames").output.shape[1:] == (1, 4)
    assert np.isfinite(np.asarray(model(clips(shape=(3, 5)), training=False))).all()


def test_the_attention_is_over_time_and_weighs_the_frames_by_shares_of_one():
    model, values = untrained(), clips()
    weights = asked(model, "attention", values)
    assert weights.shape == (6, 10, 1) and (weights > 0).all() and off(weights.sum(axis=1), 1) < 1e-5
    assert np.ptp(weights, axis=1).min() > 1e-4, "weights that are all alike would be a plain mean"
    wanted = (asked(model, "both", values) * weights).sum(axis=1)
    assert off(asked(model, "attended", values), wanted) < 1e-5


def test_the_gru_reads_both_ways_so_that_the_first_frame_knows_the_last():
    model, values = untrained(), clips()
    changed = values.copy()
    changed[:, -8:] += 30
    first, before = (asked(model, "both", some)[:, 0] for some in (changed, values))
    moved = np.abs(first - before).max(axis=0)
    assert (moved[:5] == 0).all() and (moved[5:] > 1e-6).all()


def test_dropout_stands_before_the_gru_and_before_the_answer_where_asked_for():
    def dropouts(model):
        return [layer.name for layer in model.layers if layer.__class__.__name__ == "Dropout"]

    assert dropouts(untrained()) == [] and dropouts(untrained(dropout=0.3)) == ["frames_dropout", "dropout"]


def test_it_learns_in_which_half_a_burst_comes_first():
    """Only the order tells the classes: a mean over time would not see it."""
    rng = np.random.default_rng(1)
    y = np.arange(96) % 2
    x = rng.normal(-40, 5, (96, 16, 8)).astype(np.float32)
    x[y == 0, 3:5, :4] += 60
    x[y == 0, 11:13, 4:] += 60
    x[y == 1, 3:5, 4:] += 60
    x[y == 1, 11:13, :4] += 60
    import keras

    keras.utils.set_random_seed(0)
    model = untrained(shape=(16, 8), n_classes=2, time_poolings=0)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x[:64], y[:64], epochs=15, batch_size=16, verbose=0)
    right = np.asarray(model(x[64:], training=False)).argmax(axis=1) == y[64:]
    assert right.mean() > 0.9


CHANGES = {"features.hop_length": 1024, "features.n_mels": 16, "model.filters": [4, 8], "model.units": 6}


def test_the_experiment_becomes_a_run_that_is_exported_answers_and_is_explained(musicml, data_root, tmp_path):
    from musicml.experiment import run as runs
    from tests.conftest import EXPERIMENTS, set_words

    words = ["train", EXPERIMENTS / "genre_crnn.toml", "--data-root", data_root, "--runs", tmp_path]
    code, _, err = musicml(*words, *set_words({**CHANGES, "training.epochs": 2}))
    assert code == 0, err[-2000:]
    (run,) = runs.list_runs(tmp_path)
    assert run.is_complete and run.read("run.json")["export"].startswith("exported; differs")
    track = next((data_root / "sample/gtzan").rglob("pop.*.wav"))
    explanation = explain.explain_prediction(Predictor(run), track)
    assert explanation.method == "occlusion", "it has convolutions too, but a LayerCAM through a GRU misses the cause"
    assert explanation.map.shape == explanation.seen.shape and 0 <= explanation.map.min()
    assert explanation.map.max() == pytest.approx(1)
