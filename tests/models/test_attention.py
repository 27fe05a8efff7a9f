"""The class-wise attention family: its weights over time, its answers, and where else it has to run."""

import numpy as np
import pytest

from musicml.models import attention, registry
from tests.conftest import EXPERIMENTS
from tests.fixtures.near import asked, off

pytestmark = pytest.mark.numeric

SHAPE = (10, 16)
SMALL = {"layers": 2, "units": 16}


def clips(n=6, shape=SHAPE):
    return np.random.default_rng(0).uniform(0, 255, (n, *shape)).astype(np.float32)


def untrained(task="multi", shape=SHAPE, n_classes=4, **options):
    """A model of random weights."""
    middle, spread = np.full(shape[1], 127.0), np.full(shape[1], 5400.0)
    spec = registry.ModelSpec(shape, n_classes, task, "instrument", middle, spread)
    return registry.build_model("attention", attention.Options(**{**SMALL, **options}), spec)


def test_the_network_of_the_experiment_has_the_parameters_that_its_header_says():
    from musicml.experiment import config

    found = config.read_experiment(EXPERIMENTS / "openmic_attention.toml")
    spec = registry.ModelSpec((10, 128), 20, "multi", "instrument", np.zeros(128), np.ones(128))
    n = registry.build_model(found.family, found.model, spec).count_params()
    assert 54_000 < n < 56_500 and f"{round(n, -3) // 1000} thousand parameters" in found.text


def test_each_class_weighs_the_frames_for_itself_by_shares_of_one():
    weights = asked(untrained(), "attention", clips())
    assert weights.shape == (6, 10, 4) and off(weights.sum(axis=1), 1) < 1e-5
    assert np.ptp(weights, axis=2).max() > 0.01, "classes with equal weights would share one attention"


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_score_is_the_weighted_sum_of_what_its_frames_say(task):
    model, values = untrained(task), clips()
    summed = (asked(model, "attention", values) * asked(model, "in_each_frame", values)).sum(axis=1)
    if task == "single":
        odds = np.exp(summed - summed.max(axis=1, keepdims=True))
        summed = odds / odds.sum(axis=1, keepdims=True)
    assert off(summed, np.asarray(model(values, training=False))) < 1e-5


def test_frames_in_another_order_get_the_same_answer():
    """They are a bag: a frame is embedded by itself, and weighed by what it holds, not by where it stands."""
    model, values = untrained(), clips()
    turned = np.asarray(model(values[:, ::-1], training=False))
    assert off(turned, np.asarray(model(values, training=False))) < 1e-5


@pytest.mark.parametrize(("units", "added"), [(16, 2), (12, 1)])
def test_a_layer_is_added_to_what_it_was_given_where_the_two_are_equally_wide(units, added):
    model = untrained(units=units)
    assert sum(layer.__class__.__name__ == "Add" for layer in model.layers) == added


def test_a_single_frame_is_its_own_answer():
    model, values = untrained(shape=(1, 16)), clips(shape=(1, 16))
    said = asked(model, "in_each_frame", values)[:, 0]
    assert off(np.asarray(model(values, training=False)), said) < 1e-5


def test_it_finds_the_one_frame_that_tells():
    """Of ten frames one holds the instrument, anywhere: nine of noise must not drown it."""
    import keras

    rng = np.random.default_rng(2)
    x = rng.uniform(0, 255, (160, *SHAPE)).astype(np.float32)
    y = (rng.random((160, 2)) < 0.5).astype(np.float32)
    at = rng.integers(0, 10, (160, 2))
    for k in (0, 1):
        there = np.flatnonzero(y[:, k])
        x[there, at[there, k], 8 * k : 8 * k + 8] = 400
    keras.utils.set_random_seed(0)
    model = untrained(n_classes=2, dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(x[:120], y[:120], epochs=30, batch_size=20, verbose=0)
    right = (np.asarray(model(x[120:], training=False)) > 0.5) == y[120:]
    assert right.mean() > 0.9
    # where only one frame holds the first instrument, its weight is the largest
    alone = 120 + np.flatnonzero(y[120:, 0])
    largest = asked(model, "attention", x[alone])[:, :, 0].argmax(axis=1)
    assert (largest == at[alone, 0]).mean() > 0.8


def test_the_experiment_becomes_a_whole_run_that_is_exported(musicml, data_root, tmp_path):
    from musicml.experiment import run as runs

    words = ["train", EXPERIMENTS / "openmic_attention.toml", "--data-root", data_root, "--runs", tmp_path]
    code, _, err = musicml(*words, "--set", "training.epochs=2")
    assert code == 0, err[-2000:]
    (run,) = runs.list_runs(tmp_path)
    assert run.is_complete and run.read("run.json")["export"].startswith("exported; differs")
