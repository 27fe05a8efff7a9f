"""The figures of several labels, where most cells were not looked at: the same whatever the size of a batch."""

import csv

import keras
import numpy as np
import pytest

from musicml.experiment import config
from musicml.training import batches, device, fit, losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(45, 3)).astype(np.float32)
Y = RNG.integers(0, 2, (45, 4)).astype(np.float32)
Y[RNG.random(Y.shape) < 0.6] = -1
Y[:9], Y[9:12] = -1, 1  # examples of which no cell was looked at, and of which each was


def make_model(task="multi"):
    keras.utils.set_random_seed(0)
    activation = "sigmoid" if task == "multi" else "softmax"
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4)(inputs)
    return keras.Model(inputs, keras.layers.Dense(4, activation=activation, dtype="float32")(hidden))


def fit_once(folder, size, task="multi", weights=None, **options):
    """Train for one epoch, judged in batches of `size`; return the model and the epoch's row of history.csv."""
    model = make_model(task)
    training = config.TrainingOptions(epochs=1, batch_size=8, learning_rate=0.1, **options)
    targets = Y if task == "multi" else np.eye(4, dtype=np.float32)[np.arange(45) % 4]
    train = batches.Batches(X, targets, 8, seed=0, weights=weights)
    fit.fit_model(model, train, batches.Batches(X, targets, size), training, task, folder, "all", False)
    with open(folder / "history.csv", newline="") as source:
        (row,) = csv.DictReader(source)
    return model, {name: float(row[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}


@pytest.mark.numeric
@pytest.mark.parametrize(("size", "smoothing"), [(1, 0.2), (7, 0.0), (7, 0.2), (45, 0.0)])
def test_validation_counts_observed_cells_alike_whatever_the_size_of_a_batch(tmp_path, size, smoothing):
    model, figures = fit_once(tmp_path, size, label_smoothing=smoothing)
    scores, mask = model.predict(X, verbose=0).astype(np.float64), Y >= 0
    truth = np.clip(Y, 0, 1) * (1 - smoothing) + 0.5 * smoothing
    cells = -(truth * np.log(scores) + (1 - truth) * np.log(1 - scores))
    assert figures["val_loss"] == pytest.approx(cells[mask].mean(), rel=1e-5)
    assert figures["val_accuracy"] == pytest.approx(((scores >= 0.5) == (Y >= 0.5))[mask].mean(), rel=1e-5)


@pytest.mark.numeric
@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 0.5, 1.0], np.float32)])
def test_validation_of_one_label_each_does_not_depend_on_the_size_of_a_batch_either(tmp_path, weights):
    figures = [fit_once(tmp_path / str(size), size, "single", weights)[1] for size in (1, 7, 45)]
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], rel=1e-5)


@pytest.mark.numeric
def test_the_training_itself_is_what_it_was(tmp_path):
    """Only what is reported is counted by cells: the gradient of a batch is that of its own mean, as before."""
    model, _ = fit_once(tmp_path, 7)
    plain = make_model()
    plain.compile(keras.optimizers.Adam(0.1), losses.make_masked_crossentropy())
    plain.fit(batches.Batches(X, Y, 8, seed=0), epochs=1, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_model_of_a_mixed_policy_becomes_one_of_float32_whatever_its_loss(tmp_path, task):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, _ = fit_once(tmp_path, 8, task)
        plain = device.convert_to_float32(model, "mixed_bfloat16")
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in plain.layers} == {"float32"}
    assert plain.predict(X, verbose=0) == pytest.approx(model.predict(X, verbose=0), abs=0.05)


@pytest.mark.numeric
def test_the_masked_loss_equals_a_hand_computation():
    truth = np.array([[1.0, -1.0, 0.0], [-1.0, -1.0, 1.0]], np.float32)
    said = np.array([[0.8, 0.3, 0.4], [0.1, 0.9, 0.5]], np.float32)
    wanted = -(np.log(0.8) + np.log(0.6) + np.log(0.5)) / 3
    assert float(losses.make_masked_crossentropy()(truth, said)) == pytest.approx(wanted, rel=1e-5)
    smooth = -(0.9 * np.log(0.8) + 0.1 * np.log(0.2) + 0.1 * np.log(0.4) + 0.9 * np.log(0.6) + np.log(0.5)) / 3
    assert float(losses.make_masked_crossentropy(0.2)(truth, said)) == pytest.approx(smooth, rel=1e-5)
    assert float(losses.make_masked_crossentropy()(np.full_like(truth, -1), said)) == 0.0


@pytest.mark.numeric
def test_unobserved_cells_give_no_gradient_and_count_in_no_accuracy():
    import tensorflow as tf

    truth = tf.constant([[1.0, -1.0, 0.0], [-1.0, -1.0, 1.0]])
    said = tf.Variable([[0.8, 0.3, 0.4], [0.1, 0.9, 0.4]])
    with tf.GradientTape() as tape:
        loss = losses.make_masked_crossentropy()(truth, said)
    assert ((tape.gradient(loss, said).numpy() != 0) == (truth.numpy() >= 0)).all()
    accuracy = losses.make_observed_metrics()[1]
    accuracy.update_state(truth, said)
    assert float(accuracy.result()) == pytest.approx(2 / 3, rel=1e-5)
