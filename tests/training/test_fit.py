"""The training loop: moving averages, options that go together or are refused, a loss that is no number."""

import csv
import itertools

import keras
import numpy as np
import pytest

from musicml.experiment import config
from musicml.experiment.options import check_schedule
from musicml.training import batches, fit
from musicml.utils.errors import InputError

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]


def make_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax", dtype="float32")])


class Spoilt(batches.Batches):
    """Batches that hold no numbers from an epoch's batch on, epochs counted from 1 and batches from 0."""

    since = (99, 0)

    def make_batch(self, epoch, order, batch):
        x, y = super().make_batch(epoch, order, batch)
        return x * (np.nan if (epoch, batch) >= self.since else 1), y


def fit_small(folder, judged=Y, spoilt=(99, 0), val_spoilt=(99, 0), before=None, model=None, **options):
    """A tiny model after a short training, and what came of it; `judged` are the targets of validation."""
    model, training = model or make_model(), config.TrainingOptions(**{"epochs": 3, "batch_size": 8, **options})
    train, val = Spoilt(X, Y, training.batch_size, seed=0), Spoilt(X, judged, training.batch_size)
    train.since, val.since = spoilt, val_spoilt
    return model, fit.fit_model(model, train, val, training, "single", folder, "all", False, previous=before)


def read_history(folder):
    with open(folder / "history.csv", newline="") as source:
        return list(csv.DictReader(source))


@pytest.fixture
def eager():
    """Have no graph traced, which takes longer than a few steps without one."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def score(model):
    return float((model.predict(X, verbose=0).argmax(axis=1) == Y.argmax(axis=1)).mean())


# moving averages


@pytest.mark.numeric
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_momentum_of_a_moving_average_is_ramped(optimizer):
    """Keras's own recursion with min(ema, (1 + t) / (10 + t)) in place of ema."""
    made = fit.make_optimizer(config.TrainingOptions(optimizer=optimizer, learning_rate=0.1, ema=0.5), 100)
    weight = keras.Variable(np.array([1.0, -2.0], np.float32))
    made.build([weight])
    expected = None
    for step in range(30):
        made.apply([keras.ops.convert_to_tensor(np.array([0.3, -0.1 * step], np.float32))], [weight])
        now, momentum = keras.ops.convert_to_numpy(weight), min(0.5, (1 + step) / (10 + step))
        expected = now if expected is None else momentum * expected + (1 - momentum) * now
        average = keras.ops.convert_to_numpy(made._model_variables_moving_average[0])
        assert average == pytest.approx(expected, rel=1e-5)


@pytest.mark.numeric
@pytest.mark.parametrize(("ema", "keep"), [(0.9, "best"), (0.9999, "last")])
def test_a_short_training_with_a_moving_average_serves_what_it_learned(tmp_path, ema, keep):
    averaged, _ = fit_small(tmp_path, epochs=10, learning_rate=0.05, keep=keep, ema=ema)
    assert score(make_model()) < 0.8 < 0.9 < score(averaged)


@pytest.mark.numeric
@pytest.mark.parametrize(("keep", "early_stopping"), [("best", 0), ("best", 1), ("last", 1)])
def test_the_average_is_served_whether_or_not_training_stops_early(tmp_path, keep, early_stopping):
    """The average of the last epoch is what validation saw in it; its targets are wrong, so that its loss rises."""
    options = {"learning_rate": 3.0, "optimizer": "sgd", "ema": 0.9, "keep": keep, "early_stopping": early_stopping}
    model, found = fit_small(tmp_path, Y[:, ::-1].copy(), epochs=12, **options)
    rows = (tmp_path / "history.csv").read_text().splitlines()
    at = dict(zip(rows[0].split(","), rows[found["best_epoch"] if keep == "best" else -1].split(","), strict=True))
    assert (len(rows) - 1 < 12) == (early_stopping > 0), "the training stops early where it is asked to"
    assert model.evaluate(X, Y[:, ::-1], batch_size=8, verbose=0)[0] == pytest.approx(float(at["val_loss"]), rel=1e-3)


# options


GRID = {
    "optimizer": ["adam", "adamw", "sgd"],
    "schedule": ["none", "cosine"],
    "warmup": [0.0, 0.5],
    "weight_decay": [0.0, 0.1],
    "clipnorm": [0.0, 1.0],
    "label_smoothing": [0.0, 0.1],
    "ema": [0.0, 0.9],
    "early_stopping": [0, 1],
    "plateau_patience": [0, 1],
    "keep": ["best", "last"],
    "monitor": ["val_loss", "val_accuracy"],
}


def list_pairs(row):
    return set(itertools.combinations(sorted(row.items()), 2))


def is_refused(row):
    try:
        check_schedule(config.TrainingOptions(**row), "x.toml")
    except InputError:
        return True
    return False


def cover_pairs():
    """Few rows of options in which each pair of values stands at least once, and the pairs that are refused."""
    rng = np.random.default_rng(0)
    wanted = {
        ((one, a), (two, b))
        for one, two in itertools.combinations(sorted(GRID), 2)
        for a, b in itertools.product(GRID[one], GRID[two])
    }
    rows, refused = [], set()
    while wanted:
        pair = min(wanted, key=str)
        tried = [
            {name: values[rng.integers(len(values))] for name, values in GRID.items()} | dict(pair) for _ in range(60)
        ]
        fine = [one for one in tried if not is_refused(one)]
        row = max(fine, key=lambda one: len(wanted & list_pairs(one)), default={})
        rows += [row] if row else []
        refused |= set() if row else {pair}
        wanted -= {pair} | list_pairs(row)
    return rows, refused


def test_every_pair_of_options_trains_or_is_refused_before_data_is_read(tmp_path, eager):
    rows, refused = cover_pairs()
    assert refused == {(("plateau_patience", 1), ("schedule", "cosine")), (("schedule", "none"), ("warmup", 0.5))} | {
        (("plateau_patience", 1), ("warmup", 0.5))
    }
    for number, row in enumerate(rows):  # validation gets worse, so that what waits for that acts
        model, found = fit_small(tmp_path / str(number), Y[:, ::-1], epochs=3, batch_size=64, **row)
        assert found["epochs"] >= 1 and np.isfinite(model.get_weights()[0]).all(), row


def test_accuracy_can_be_what_chooses_the_best_epoch(tmp_path):
    rules = {"monitor": "val_accuracy", "early_stopping": 1, "plateau_patience": 1}
    _, found = fit_small(tmp_path, epochs=6, learning_rate=0.05, **rules)
    figures = [float(row["val_accuracy"]) for row in read_history(tmp_path)]
    assert figures.index(max(figures)) == found["best_epoch"] - 1
    assert len(figures) == 6 or figures[-1] <= max(figures[:-1])


@pytest.mark.parametrize("changes", [{}, {"training.schedule": "cosine"}])
def test_a_cosine_schedule_with_a_plateau_rule_is_refused(tmp_path, changes):
    both = "" if changes else 'schedule = "cosine"\n'
    head = '[data]\ndataset = "gtzan"\n[features]\nkind = "mfcc"\n[model]\nfamily = "cnn"\n'
    text = f"{head}[training]\n{both}plateau_patience = 2\n"
    with pytest.raises(InputError, match=r"Expected either training.schedule = 'cosine' or training.plateau_patience"):
        config.parse_experiment("x", text, changes, False)


# a loss that is no number


@pytest.mark.numeric
@pytest.mark.parametrize(
    ("where", "options"),
    [
        ("in a batch", {"ema": 0.9, "keep": "last"}),
        ("in a batch", {"schedule": "cosine", "warmup": 0.2}),
        ("in validation", {"ema": 0.9}),
        ("in validation", {"plateau_patience": 1, "early_stopping": 2, "monitor": "val_accuracy", "optimizer": "sgd"}),
        ("in validation", {"keep": "last"}),
    ],
)
def test_a_loss_that_is_no_number_stops_a_training_with_its_good_weights(tmp_path, where, options):
    spoilt = {"spoilt": (3, 3)} if where == "in a batch" else {"val_spoilt": (4, 0)}  # Keras counts 1, 3, 5
    model, found = fit_small(tmp_path, epochs=6, **spoilt, **options)
    steps = model.optimizer.iterations
    assert int(steps) == 8 + 8 + (4 if where == "in a batch" else 8), "it is noticed at once"
    rows = read_history(tmp_path)
    assert found["epochs"] == len(rows) == 2 and all(np.isfinite(float(row["val_loss"])) for row in rows)
    row = rows[1 if options.get("keep") == "last" else found["best_epoch"] - 1]
    assert model.evaluate(X, Y, batch_size=8, verbose=0)[0] == pytest.approx(float(row["val_loss"]), rel=1e-3)
    (words,) = found["warnings"]
    assert "Training stopped in epoch 3 (stage all) because the loss became nan. The weights of epoch" in words


@pytest.mark.parametrize("spoilt", [{"spoilt": (1, 7)}, {"val_spoilt": (1, 0)}])
def test_a_first_epoch_whose_loss_is_no_number_ends_in_a_sentence(tmp_path, spoilt):
    with pytest.raises(InputError, match="became nan in epoch 1. Lower training.learning_rate"):
        fit_small(tmp_path, **spoilt)
    assert not (tmp_path / "history.csv").exists()


def test_a_second_stage_whose_loss_is_no_number_keeps_the_first_ones_weights(tmp_path):
    model, first = fit_small(tmp_path)
    before = model.get_weights()
    for keep in ("best", "last"):
        _, found = fit_small(tmp_path, spoilt=(1, 2), before=first, model=model, keep=keep)
        assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
        assert first["warnings"] == [] and "The initial weights are kept" in found["warnings"][0]
        assert found["best_epoch"] == first["best_epoch"] and found["epochs"] == 3


def test_a_training_that_ended_early_is_resumed_to_the_same_weights(tmp_path):
    model, _ = fit_small(tmp_path, epochs=4, spoilt=(3, 3))
    again, found = fit_small(tmp_path, epochs=4, spoilt=(3, 3))
    assert all(np.array_equal(one, two) for one, two in zip(model.get_weights(), again.get_weights(), strict=True))
    assert found["epochs"] == 2 and len(found["warnings"]) == 1
