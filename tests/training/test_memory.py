"""A training whose batches do not fit into memory goes on with smaller ones."""

import keras
import numpy as np
import pytest

from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.training import batches, stages, trainer
from musicml.training import train as training
from musicml.utils import capture_messages
from musicml.utils.errors import InputError

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]
TEXT = """
[data]
dataset = "gtzan"
[features]
kind = "mfcc"
[model]
family = "cnn"
[training]
epochs = 3
batch_size = 16
learning_rate = 0.1
keep = "last"
"""


def make_model():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([keras.Input((3,)), layers.Dropout(0.2), layers.Dense(2, activation="softmax")])


def train(folder, **options):
    """Train a tiny model in a run folder, or go on with it: the run, the weights, the result and what was said."""
    read = config.parse_experiment("tiny", TEXT, {f"training.{key}": value for key, value in options.items()})
    run = runs.Run(folder) if folder.exists() else runs.start_run(folder, "tiny", 0, TEXT, {})
    model, said, sides, targets = make_model(), [], {"train": X, "val": X}, {"train": Y, "val": Y}
    with capture_messages(said.append):
        found = stages.train_stages(model, sides, targets, read, "single", run, jit_compile=False)
    return run, model.get_weights(), found, [line for line in said if not line.startswith("epoch ")]


@pytest.fixture
def limit_memory(monkeypatch):
    """Let larger batches than so many examples fail from an epoch's batch on; the sizes that were asked for.

    Keras asks for the first batches once before the epochs, which count from 1 then.
    """
    real, sizes = batches.Batches.make_batch, []

    def limit(largest, since=(0, 0)):
        def make(self, epoch, order, batch):
            sizes.append(self.batch_size)
            if self.batch_size > largest and (epoch, batch) >= since:
                raise MemoryError("no room")
            return real(self, epoch, order, batch)

        monkeypatch.setattr(batches.Batches, "make_batch", make)
        return sizes

    return limit


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("since", "options"), [((0, 0), {}), ((1, 3), {"ema": 0.9}), ((1, 3), {"schedule": "cosine"})])
def test_a_training_that_does_not_fit_becomes_that_of_a_smaller_batch_and_rate(tmp_path, limit_memory, since, options):
    _, wanted, _, _ = train(tmp_path / "small", batch_size=4, learning_rate=0.025, **options)
    limit_memory(4, since)
    run, weights, found, said = train(tmp_path / "run", **options)
    assert same(weights, wanted) and found["batch_size"] == 4
    kept = {"asked": 16, "used": 4, "reason": "out of memory with batches of 8"}
    assert run.read("run.json")["batch_size"] == run.info.batch_size == kept
    assert [words.partition(":")[0] for words in said] == [f"out of memory with batches of {n}" for n in (16, 8)]
    assert "training continues with batches of 4 and a learning rate scaled by 0.25" in said[1]


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({"plateau_patience": 3, "ema": 0.5}, [0.1, 0.05, 0.05]),
        ({"schedule": "cosine"}, [0.075, 0.0125, 0.0]),  # at the ends of thirds of all steps
    ],
)
def test_it_goes_on_from_the_last_epoch_that_was_kept(tmp_path, limit_memory, options, rates):
    limit_memory(8, (2, 2))
    run, weights, found, said = train(tmp_path / "run", **options)
    assert len(said) == 1 and found["epochs"] == 3 and np.isfinite(weights[0]).all()
    rows = run.read_history()
    assert [row.values["learning_rate"] for row in rows] == pytest.approx(rates, abs=1e-6)


def test_a_resumed_training_goes_on_with_the_smaller_batch_and_one_killed_before_that_with_its_rate(
    tmp_path, limit_memory, stopped_at, monkeypatch
):
    sizes = limit_memory(8, (2, 2))
    _, wanted, _, _ = train(tmp_path / "uncut")
    with stopped_at(2):
        train(tmp_path / "cut")
    sizes.clear()
    _, weights, found, said = train(tmp_path / "cut")
    assert same(weights, wanted) and set(sizes) == {8} and said == [] and found["batch_size"] == 8
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # between the note and the next epoch
        patched.setattr("gc.collect", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        train(tmp_path / "killed")
    run, weights, _, _ = train(tmp_path / "killed")
    assert same(weights, wanted) and run.info.batch_size["used"] == 8


def test_where_one_example_does_not_fit_a_sentence_says_so(tmp_path, limit_memory):
    limit_memory(0)
    with pytest.raises(InputError, match="Expected enough memory for one example at a time"):
        train(tmp_path / "run", batch_size=2)
    assert runs.Run(tmp_path / "run").info.batch_size["used"] == 1


def test_other_faults_are_raised_as_they_are(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("a fault")

    monkeypatch.setattr(stages.fit, "fit_model", fail)
    with pytest.raises(ValueError, match="a fault"):
        train(tmp_path / "run")
    assert runs.Run(tmp_path / "run").info.batch_size is None


@pytest.mark.parametrize("used", [None, "8", 0, 17, 8.0])
def test_a_note_that_means_nothing_is_passed_over(tmp_path, used):
    run = runs.start_run(tmp_path / "run", "tiny", 0, TEXT, {"batch_size": {"used": used}})
    options = config.parse_experiment("tiny", TEXT).training
    assert stages.get_batch_size(run, options) == 16


def test_what_a_fold_found_out_the_next_folds_and_the_whole_run_know(
    tones, tones_toml, data_root, monkeypatch, tmp_path
):
    known, real, note = [], trainer.train_forest, {"asked": 32, "used": 16, "reason": "out of memory"}

    def learn(run, *rest):
        known.append(run.info.batch_size)
        run.update(batch_size=note)
        return real(run, *rest)

    monkeypatch.setattr(trainer, "train_forest", learn)
    read = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": 2})
    run = training.train_experiment(read, data_root, tmp_path, folder=tones)
    assert known == [None, note, note] and run.info.batch_size == note
