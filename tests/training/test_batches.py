"""Batches made ahead by several threads: in order, and the same to the bit as those of one."""

import threading
import time
import types

import keras
import numpy as np
import pytest

from musicml.experiment import config
from musicml.features.augmentation import Augment
from musicml.training import batches, callbacks, fit

VARIED = Augment(gain=1.0)
N = 22
Y = np.eye(2, dtype=np.float32)[np.arange(N) % 2]


class Uneven:
    """Clips that are their own numbers, varied by what is drawn; some batches take longer, so that others overtake."""

    def __init__(self, seconds=0.0):
        self.seconds, self.seen = seconds, set()

    def __len__(self):
        return N

    def get(self, places):
        return np.asarray(places, np.float32)[:, None].repeat(3, axis=1)

    def get_augmented(self, places, augment, rng):
        self.seen.add(threading.current_thread().name)
        time.sleep(self.seconds * (places[0] % 3))
        return self.get(places) / N + rng.random((len(places), 3)).astype(np.float32)


def list_epochs(workers, epochs=3, first=0, seconds=0.002):
    """All inputs of some epochs, as Keras asks for them."""
    made = batches.Batches(Uneven(seconds), Y, 4, seed=3, augment=VARIED, workers=workers)
    made.start_at(first)
    found = []
    for _ in range(epochs):
        found.append(np.concatenate([made[batch][0] for batch in range(len(made))]))
        made.on_epoch_end()
    made.close()
    return np.array(found)


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_threads_give_the_batches_of_one_in_their_order(workers):
    plain = list_epochs(0)
    assert np.array_equal(list_epochs(workers), plain)
    assert np.array_equal(list_epochs(workers, epochs=1, first=2), plain[2:]), "as a resumed training asks for them"


@pytest.mark.parametrize("workers", [0, 3])
def test_a_batch_may_be_asked_for_again_and_out_of_turn(workers):
    """Keras asks for the first batches twice: once for their shapes, and once to train on them."""
    made = batches.Batches(Uneven(0.001), Y, 4, seed=3, augment=VARIED, workers=workers)
    first = list_epochs(0, epochs=2)
    for place in (0, 1, 0, 1, 2, 5, 3):
        assert np.array_equal(made[place][0], first[0][4 * place : 4 * place + 4])
    made.start_at(1)  # with batches of the epoch before begun ahead
    assert np.array_equal(made[0][0], first[1][:4])
    made.close()
    assert np.array_equal(made[1][0], first[1][4:8]), "a closed one goes on without threads"


@pytest.mark.parametrize("workers", [0, 2])
def test_what_goes_wrong_in_a_thread_is_raised_where_its_batch_is_asked_for(workers):
    class Broken(Uneven):
        def get_augmented(self, places, augment, rng):
            if 9 in places:
                raise MemoryError("no room")
            return super().get_augmented(places, augment, rng)

    made = batches.Batches(Broken(), Y, 4, augment=VARIED, workers=workers)  # in their order, without a seed
    assert len(made[0][0]) == len(made[1][0]) == 4
    with pytest.raises(MemoryError, match="no room"):
        made[2]
    made.close()


def fit_with(workers, folder, seconds=0.0, epochs=2):
    """Train a tiny model on varied clips; return its weights and the result."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    train = batches.Batches(Uneven(seconds), Y, 4, seed=1, augment=VARIED, workers=workers)
    found = fit.fit_model(
        model, train, None, config.TrainingOptions(epochs=epochs), "single", folder, "all", jit_compile=False
    )
    assert not any(thread.name.startswith("batches") and thread.is_alive() for thread in wait_for_threads())
    return model.get_weights(), found


def wait_for_threads():
    """The threads that are left once those of a closed pool have had time to end."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(thread.name.startswith("batches") for thread in threading.enumerate()):
        time.sleep(0.01)
    return threading.enumerate()


def test_a_training_has_the_same_weights_to_the_bit_whatever_makes_its_batches(tmp_path, stopped_at):
    made = [fit_with(workers, tmp_path / str(workers))[0] for workers in (0, 3)]
    cut = tmp_path / "cut"
    with stopped_at(1):
        fit_with(3, cut)
    made.append(fit_with(2, cut)[0])
    for other in made[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(made[0], other, strict=True))


@pytest.mark.parametrize(
    ("asked", "ready", "waited"),
    [
        (1.0, 4.0, 0.0),  # it was there before the step began at 5
        (1.0, 7.0, 2.0),
        (6.5, 7.0, 0.5),  # the step had to be compiled before it asked
        (None, None, 0.0),
    ],
)
def test_a_step_waits_from_its_begin_until_its_batch_is_there(monkeypatch, asked, ready, waited):
    made = types.SimpleNamespace(seconds=1.0, blocked_seconds=1.0, n_workers=2, times={})
    clock = callbacks.StepTimer(made)
    clock.on_train_begin()
    for event, now in (("on_epoch_begin", 5.0), ("on_train_batch_begin", 5.0), ("on_train_batch_end", 9.0)):
        monkeypatch.setattr("musicml.training.callbacks.time.perf_counter", lambda now=now: now)
        if event == "on_train_batch_end" and ready:
            made.times[0] = asked, ready
        getattr(clock, event)(0)
    made.seconds += 3.0
    expected = {"training_seconds": 4.0, "seconds": 3.0, "share": 0.75, "workers": 2}
    assert clock.summarize(None) == {**expected, "waited_seconds": waited, "waited_share": waited / 4}
    made.blocked_seconds += 1.0  # as on JAX, which asks in the training's thread
    both = clock.summarize({"training_seconds": 6.0, "seconds": 1.0, "waited_seconds": 1.0, "workers": 4})
    assert both["waited_seconds"] == waited + 2 and both["waited_share"] == (waited + 2) / 10 and both["workers"] == 4


def test_what_training_waited_for_is_part_of_its_result(tmp_path):
    found = fit_with(2, tmp_path, 0.01, epochs=1)[1]["input"]
    assert 0 < found["waited_seconds"] <= found["training_seconds"] and found["workers"] == 2
    assert found["seconds"] > 0 and 0 < found["waited_share"] <= 1


@pytest.mark.parametrize(
    ("clips", "augment", "n_cores", "expected"),
    [
        (Uneven(), VARIED, 8, batches.MAX_WORKERS),
        (Uneven(), VARIED, 2, 2),
        (Uneven(), VARIED, 1, 0),
        (Uneven(), Augment(), 8, 0),
        (np.zeros((N, 3)), VARIED, 8, 0),
        (batches.RandomViews([np.zeros((N, 3))]), Augment(views=1), 8, 0),
        (batches.RandomViews([np.zeros((N, 3))]), VARIED, 8, 0),
    ],
)
def test_threads_are_started_where_they_help(clips, augment, n_cores, expected, monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: n_cores)
    assert batches.count_workers(clips, augment) == expected
    made = batches.Batches(clips, Y, 4, augment=augment)
    assert made.n_workers == expected and (made.pool is None) == (expected == 0)
    made.close()
