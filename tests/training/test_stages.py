"""Stages of learning: heads on stored outputs, views, fine-tuning, and what recipes add to any of them."""

import keras
import numpy as np
import pytest

from musicml.data.datasets import loading
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.features.augmentation import Augment
from musicml.training import batches, device, fit, preparation, stages, trainer
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, PICTURES, SOUND
from tests.fixtures.small_backbone import use_small_mobilenet

# what the experiment's own file varies
STILL = {"augment.flip": False, **{f"augment.{name}": 0.0 for name in ("rotation", "shift", "zoom", "brightness")}}
FROZEN = {
    **PICTURES,
    **STILL,
    "model.frozen": True,
    "model.weights": "none",
    "model.dense_units": 8,
    "training.epochs": 2,
    "training.early_stopping": 0,
    "training.plateau_patience": 0,
    "training.keep": "last",
}
FINE = {
    **FROZEN,
    "training.schedule": "cosine",
    "training.warmup": 0.2,
    "training.ema": 0.9,
    "training.class_weights": "balanced",
    "training.label_smoothing": 0.1,
    "training.finetune_epochs": 2,
    "training.finetune_rate": 1e-3,
    "training.finetune_layers": 0.3,
    "augment.flip": True,
    "augment.rotation": 10.0,
    "augment.views": 1,
    "augment.mixup": 0.2,
    "augment.cutmix": 1.0,
}


@pytest.fixture(scope="module")
def learn_pictures(data_root):
    """Train pictures' network in a run folder: folder, options, watch → the run and the lines said."""

    def train(folder, changes, watch=None):
        read = config.read_experiment(EXPERIMENTS / "instrument_images_mobilenet.toml", changes, sample=True)
        material = preparation.prepare_data(read, loading.load_dataset("instrument_images", data_root), data_root, 0)
        run = runs.Run(folder)
        if not (folder / "run.json").is_file():
            data = {"root": str(data_root), "hash": material.dataset.hash()}
            run = runs.start_run(folder, "pictures", 0, read.text, {"data": data})
        said = []
        with pytest.MonkeyPatch.context() as patched:
            use_small_mobilenet(patched)
            with capture_messages(said.append):
                trainer.train_network(run, trainer.TrainingJob(read, material, True), watch)
        return run, said

    return train


@pytest.fixture(scope="module")
def fine(learn_pictures, tmp_path_factory):
    """A head on a frozen backbone's views, then its upper layers, with every option of a recipe."""
    told = []
    run, said = learn_pictures(tmp_path_factory.mktemp("fine") / "run", FINE, lambda epoch, logs: told.append(logs))
    return run, said, told


@pytest.fixture(scope="module")
def head(learn_pictures, tmp_path_factory):
    """A head alone, with its best epoch kept."""
    return learn_pictures(tmp_path_factory.mktemp("head") / "run", {**FROZEN, "training.keep": "best"})[0]


def model_of(run):
    return keras.saving.load_model(run.path / "model.keras", compile=False)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_head_learns_first_and_the_upper_layers_after_it_and_no_others(fine, head):
    run, said, told = fine
    rows = run.table("history.csv")
    assert [(row["stage"], row["epoch"]) for row in rows] == [("head", "1"), ("head", "2"), ("top", "1"), ("top", "2")]
    assert any("of the backbone's" in line and "layers are trained too" in line for line in said)
    assert [f"{logs['val_loss']:.6g}" for logs in told] == [row["val_loss"] for row in rows]
    layers = model_of(run).layers
    learnt = {layer.name for layer in layers if layer.trainable_weights}
    changed = {
        layer.name
        for layer, other in zip(layers, model_of(head).layers, strict=True)
        if not same(layer.get_weights(), other.get_weights())
    }
    assert learnt <= changed
    for names in (learnt, changed):
        assert "conv1" not in names and "conv_pw_13" in names and not any("_bn" in name for name in names)


def test_a_training_stopped_in_its_second_stage_goes_on_to_the_same_weights(fine, learn_pictures, tmp_path):
    epochs = []

    def stop(epoch, logs):
        epochs.append(epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_pictures(tmp_path / "run", FINE, stop)
    run, _ = learn_pictures(tmp_path / "run", FINE)
    assert epochs == [0, 1, 0] and len(run.table("history.csv")) == 4
    assert same(model_of(run).get_weights(), model_of(fine[0]).get_weights())


def test_a_second_stage_that_makes_nothing_better_leaves_the_first_ones_best(head, learn_pictures, tmp_path):
    spoilt = {"training.keep": "best", "training.finetune_epochs": 1, "training.finetune_rate": 5.0}
    run, _ = learn_pictures(tmp_path / "both", {**FROZEN, **spoilt})
    assert run.info.best_epoch == head.info.best_epoch and run.info.epochs == 3
    assert same(model_of(run).get_weights(), model_of(head).get_weights())


@pytest.mark.numeric
def test_a_run_says_how_it_was_compiled_and_what_its_input_took(fine):
    run, said, _ = fine
    facts = run.read("run.json")
    assert facts["compile"]["choice"] == "none" and "CPU" in facts["compile"]["reason"]
    taken = facts["input"]
    assert taken["training_seconds"] > 0 and taken["share"] == pytest.approx(
        taken["seconds"] / taken["training_seconds"], abs=1e-3
    )
    assert any(line.startswith("input: training waited") for line in said)


def test_xla_is_left_out_on_a_cpu_and_left_to_keras_on_a_gpu(monkeypatch):
    monkeypatch.setattr(device, "get_device", lambda: ("CPU", None))
    assert device.choose_compile("auto")[0] is False
    assert device.choose_compile("xla")[0] is True and device.choose_compile("none")[0] is False
    monkeypatch.setattr(device, "get_device", lambda: ("NVIDIA H100", 9.0))
    assert device.choose_compile("auto") == ("auto", "NVIDIA H100: the default of Keras")


@pytest.mark.numeric
def test_a_warm_up_rises_to_the_rate_and_the_cosine_falls_to_nothing():
    training = config.TrainingOptions(learning_rate=0.4, schedule="cosine", warmup=0.25)
    rate = fit.make_optimizer(training, 100)._learning_rate
    found = [float(rate(step)) for step in (0, 10, 25, 100)]
    assert found == pytest.approx([0.0, 0.16, 0.4, 0.0], abs=1e-6)
    plain = fit.make_optimizer(config.TrainingOptions(learning_rate=0.4, schedule="cosine"), 100)._learning_rate
    assert [float(plain(step)) for step in (0, 100)] == pytest.approx([0.4, 0.0], abs=1e-6)


@pytest.mark.numeric
def test_balanced_weights_make_rare_classes_count_as_much_as_common_ones():
    targets = np.eye(3, dtype=np.float32)[[0] * 6 + [1] * 2]
    weights = stages.compute_class_weights(targets)
    assert weights.tolist() == pytest.approx([8 / 12, 2.0, 0.0])
    batch = batches.Batches(np.zeros((8, 2), np.float32), targets, 8, weights=weights)[0]
    assert len(batch) == 3 and batch[2].sum() == pytest.approx(8.0)


class Numbered:
    """Clips that are their own numbers, and varied by what is drawn."""

    def __len__(self):
        return 10

    def get(self, places):
        return np.asarray(places, np.float32)[:, None]

    def get_augmented(self, places, augment, rng):
        return self.get(places) + rng.random((len(places), 1)).astype(np.float32)


def test_batches_vary_by_seed_epoch_and_place_alone_and_only_in_training():
    def made(seed, epoch, place):
        found = batches.Batches(Numbered(), np.eye(10, dtype=np.float32), 4, seed, Augment(gain=1.0))
        found.start_at(epoch)
        return found[place][0].ravel().tolist()

    assert made(0, 1, 2) == made(0, 1, 2)
    assert made(0, 1, 0) != made(0, 2, 0) and made(0, 1, 0) != made(1, 1, 0)
    plain = batches.Batches(Numbered(), np.eye(10, dtype=np.float32), 4, 0)
    assert sorted(x for place in range(3) for x in plain[place][0].ravel()) == list(range(10))


def test_a_view_is_the_same_in_whatever_batch_and_other_views_differ():
    view = batches.AugmentedView(Numbered(), Augment(gain=1.0), 0, 1)
    whole = view.get(np.arange(10))
    assert np.array_equal(whole[3:5], view.get(np.array([3, 4])))
    assert not np.array_equal(whole, batches.AugmentedView(Numbered(), Augment(gain=1.0), 0, 2).get(np.arange(10)))
    drawn = batches.RandomViews([np.zeros((10, 2)), np.ones((10, 2))]).get_augmented(
        np.arange(10), Augment(), np.random.default_rng(0)
    )
    assert set(drawn.ravel()) == {0.0, 1.0} and (drawn[:, 0] == drawn[:, 1]).all()


def test_cropped_clips_lie_anywhere_in_their_own_track_and_shifted_ones_near_their_place(material_of):
    _, material = material_of("cnn")
    clips = inputs.cut_clips(material.features, np.arange(4), material.clip)
    places, rng = np.arange(len(clips)), np.random.default_rng(0)

    def starts_of(asked):
        seen = clips.get_augmented(places, asked, rng)
        found = []
        for place, values in zip(places, seen, strict=True):
            track = material.features.get(clips.example[place])
            frames = np.lib.stride_tricks.sliding_window_view(track, len(values), axis=0).transpose(0, 2, 1)
            (begin,) = np.flatnonzero((frames == values).all(axis=(1, 2)))[:1]
            found.append(begin)
        return np.array(found)

    cropped = starts_of(Augment(crop=True))
    assert (cropped != clips.start).any()
    near = starts_of(Augment(shift=0.1))
    assert (np.abs(near - clips.start) <= round(0.1 * clips.n_frames)).all() and (near != clips.start).any()


def test_mixing_is_refused_where_examples_are_of_several_classes(data_root):
    read = config.read_experiment(EXPERIMENTS / "openmic_cnn.toml", {**SOUND, "augment.mixup": 0.2}, sample=True)
    with pytest.raises(InputError, match="augment.mixup needs examples of exactly one class"):
        preparation.prepare_data(read, loading.load_dataset("openmic", data_root), data_root, 0)


def test_stored_outputs_are_told_apart_by_what_the_frozen_part_does_before_its_weights():
    def body(scale):
        x = keras.Input((4, 4, 3))
        y = keras.layers.Conv2D(2, 3, name="conv")(keras.layers.Rescaling(scale, name="preprocessed")(x))
        model = keras.Model(x, y)
        model.get_layer("conv").set_weights([np.ones((3, 3, 3, 2)), np.zeros(2)])
        return model

    assert stages.digest_model(body(1.0)) == stages.digest_model(body(1.0)) != stages.digest_model(body(2.0))
