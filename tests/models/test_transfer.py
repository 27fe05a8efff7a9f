"""Transfer learning's inputs and heads: clips drawn upright, averages at several depths, a small last layer."""

import keras
import numpy as np
import pytest

from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.inference import export
from musicml.models import registry, transfer
from musicml.models.base import ModelSpec
from musicml.training import stages
from musicml.utils import files
from musicml.utils.errors import InputError
from tests.fixtures.near import off
from tests.fixtures.small_backbone import use_small_mobilenet

pytestmark = pytest.mark.numeric

SECOND = {"second_side": 96}


def spec(shape=(40, 20)):
    bins = shape[-1]
    return ModelSpec(shape, 3, "single", "genre", np.zeros(bins, np.float32), np.ones(bins, np.float32))


def built(shape=(40, 20), **more):
    options = {"backbone": "mobilenet", "weights": "none", "alpha": 0.25, "dense_units": 0, "dropout": 0.0, **more}
    return registry.build_model("transfer", transfer.Options(**options), spec(shape))


def test_a_clip_is_drawn_with_time_to_the_right_at_the_size_asked_for():
    model = built(side=64)
    drawn = keras.Model(model.input, model.get_layer("preprocessed").output)
    clip = np.zeros((1, 40, 20), np.float32)
    clip[0, 30:, :5] = 8.0  # late and low
    picture = np.asarray(drawn(clip))[0]
    assert picture.shape == (64, 64, 3) and np.array_equal(picture[..., 0], picture[..., 2])
    rows, columns = np.nonzero(picture[..., 0] > picture.max() / 2)
    assert columns.min() >= 46 and rows.max() <= 17  # three quarters along the time axis, in the lowest quarter of bins


@pytest.mark.parametrize("side", [32, 100])
def test_drawing_is_keras_resizing(side):
    model = built((40, 20), side=side)
    x = np.random.default_rng(0).normal(size=(2, 40, 20)).astype(np.float32)
    found = keras.Model(model.input, model.get_layer("channel").output)(x)
    wanted = keras.layers.Resizing(side, side)(x.transpose(0, 2, 1)[..., None])
    assert off(found, wanted) < 1e-5


@pytest.mark.parametrize(("shape", "more"), [((40, 20), {"side": 64}), ((64, 64, 3), SECOND)])
def test_what_draws_never_learns(shape, more):
    for frozen in (True, False):
        model = built(shape, frozen=frozen, **more)
        drawing = [layer for layer in model.layers if layer.name.startswith("drawn_") and layer.weights]
        assert len(drawing) == 2 and not any(layer.trainable_weights for layer in drawing)
    stages.unfreeze(model, 1.0)
    assert not any(layer.trainable_weights for layer in drawing)


@pytest.mark.parametrize(("shape", "more"), [((40, 20), {"side": 64}), ((64, 64, 3), SECOND)])
def test_weights_that_were_learnt_reach_the_backbone_whatever_stands_before_it(shape, more, monkeypatch):
    learnt = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(64, 64, 3))
    known = {layer.name: layer.get_weights() for layer in learnt.layers if layer.weights}
    monkeypatch.setattr(transfer, "load_imagenet_weights", lambda *_: known)
    model = built(shape, weights="imagenet", **more)
    for name, weights in known.items():
        assert all(map(np.array_equal, model.get_layer(name).get_weights(), weights))
    picture = np.asarray(keras.Model(model.input, model.get_layer("preprocessed").output)(np.ones((1, *shape))))
    body = keras.Model(model.input, model.get_layer("conv_pw_13_relu").output)(np.ones((1, *shape)))
    assert off(body, learnt(picture)) < 1e-4


def test_weights_that_were_learnt_from_bgr_are_turned_round(monkeypatch):
    learnt = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    known = {layer.name: layer.get_weights() for layer in learnt.layers if layer.weights}
    monkeypatch.setattr(transfer, "load_imagenet_weights", lambda *_: known)
    model = built((32, 32, 3), backbone="vgg16", weights="imagenet", alpha=1.0)
    kernel, bias = model.get_layer("block1_conv1").get_weights()
    assert np.array_equal(kernel, known["block1_conv1"][0][:, :, ::-1, :])
    assert np.array_equal(model.get_layer("block1_conv2").get_weights()[0], known["block1_conv2"][0])


def test_a_picture_is_seen_a_second_time_at_another_size_by_the_same_weights():
    side = 96
    model = built((64, 64, 3), second_side=side)
    one = built((64, 64, 3))
    assert model.count_params() - one.count_params() < 3 * 256 + 2 * 256 + side * 64 * 2 + 1, "no second backbone"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    whole = keras.Model(model.input, model.get_layer("pooled").output)(pixels)
    larger = keras.layers.Resizing(side, side)(model.get_layer("preprocessed")(pixels))
    plain = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(side, side, 3))
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    wanted = np.asarray(plain(larger)).mean(axis=(1, 2))
    assert np.std(wanted) > 0 and off(np.asarray(whole)[:, 256:], wanted) < 1e-4


@pytest.fixture
def run(tmp_path):
    made = runs.start_run(tmp_path / "run", "x", 0, "", {})
    files.write_json(made.path / "serving.json", {"fingerprint": "none", "task": "single"})
    return made


def test_a_drawn_clip_is_exported_as_it_is_drawn(run):
    whole = built((43, 64), side=64)
    x = np.random.default_rng(0).normal(size=(3, 43, 64)).astype(np.float32)
    # without a backbone, whose random weights would let next to nothing through
    few = keras.layers.Flatten()(whole.get_layer("channel").output[:, ::8, ::8])
    model = keras.Model(whole.input, keras.layers.Dense(3, activation="softmax")(few))
    assert np.ptp(model(x), axis=0).max() > 0.1
    assert export.export_keras_onnx(model, run, x).startswith("exported")


def test_a_picture_that_is_seen_twice_and_in_bands_is_exported_as_it_is_seen(run, monkeypatch):
    keras.utils.set_random_seed(0)
    use_small_mobilenet(monkeypatch)
    model = built((64, 64, 3), **SECOND, bands=2)
    for layer in model.layers:  # random weights let next to nothing through
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.1))
    x = np.random.default_rng(0).uniform(0, [[[[85]]], [[[170]]], [[[255]]]], (3, 64, 64, 3)).astype(np.float32)
    assert np.ptp(model(x), axis=0).max() > 0.01
    assert export.export_keras_onnx(model, run, x).startswith("exported")


def test_an_exported_efficientnet_asks_for_pictures_and_nothing_else(run):
    picture = ModelSpec((32, 32, 3), 3, "single", "genre", None, None)
    whole = registry.build_model("transfer", transfer.Options("efficientnetv2b0", "none", dense_units=0), picture)
    # its preprocessing stands before the first convolution, and what follows it is long
    begun = keras.layers.Flatten()(whole.get_layer("stem_activation").output)
    model = keras.Model(whole.input, keras.layers.Dense(3, activation="softmax")(begun))
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    assert export.export_keras_onnx(model, run, x).startswith("exported")


def test_a_small_clip_needs_to_be_drawn_large_enough():
    with pytest.raises(InputError, match="at least 32 on each side for a backbone, got 40 by 20"):
        built()
    assert built(side=32).output_shape == (None, 3)


@pytest.mark.parametrize(
    ("name", "n_channels"), [("mobilenet", 256), ("vgg16", 512), ("resnet50", 2048), ("efficientnetv2b0", 1280)]
)
def test_depths_are_averages_of_the_last_maps_at_the_coarsest_resolutions(name, n_channels):
    three = built((64, 64), backbone=name, depths=3, alpha=0.25 if name == "mobilenet" else 1.0)
    widths = [layer.output.shape[-1] for layer in three.layers if layer.name.startswith("pooled_")]
    sizes = [int(layer.name.split("_")[1]) for layer in three.layers if layer.name.startswith("pooled_")]
    assert len(widths) == 3 and sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert three.get_layer("pooled").output.shape[-1] == sum(widths) and widths[-1] == n_channels


def test_of_several_depths_the_coarsest_is_what_one_depth_gives():
    models_ = [built((64, 64), depths=n) for n in (1, 2)]
    body = {layer.name: layer.get_weights() for layer in models_[0].layers}
    for layer in models_[1].layers:
        if layer.name in body and layer.name.startswith("conv"):
            layer.set_weights(body[layer.name])
    x = np.random.default_rng(0).normal(size=(2, 64, 64)).astype(np.float32)
    plain, both = (np.asarray(keras.Model(m.input, m.get_layer("pooled").output)(x)) for m in models_)
    assert off(both[:, -plain.shape[1] :], plain) < 1e-4 and both.shape[1] > plain.shape[1]


@pytest.mark.parametrize("depths", [1, 2])
def test_bands_are_averages_over_strips_of_a_maps_height(depths):
    model = built(side=96, depths=depths, bands=3)
    pools = [layer for layer in model.layers if layer.name.startswith("bands_pooled_")]
    found = keras.Model(model.input, [*[pool.input for pool in pools], model.get_layer("pooled").output])
    *maps, rows = (
        np.asarray(one) for one in found(np.random.default_rng(0).normal(size=(2, 40, 20)).astype(np.float32))
    )
    thirds = {3: [(0, 1), (1, 2), (2, 3)], 6: [(0, 2), (2, 4), (4, 6)]}
    expected = [one[:, begin:end].mean(axis=(1, 2)) for one in maps for begin, end in thirds[one.shape[1]]]
    assert len(maps) == depths and off(rows, np.concatenate(expected, axis=1)) < 1e-5


def test_bands_that_can_not_divide_a_map_share_rows_and_leave_none_out():
    x = keras.Input((7, 2, 1))
    averages = keras.Model(x, transfer.pool_bands(x, "rows", 3))(np.arange(14, dtype=np.float32).reshape(1, 7, 2, 1))
    assert np.allclose(averages, [[2.5, 6.5, 10.5]])  # rows 0 to 2, 2 to 4, 4 to 6


@pytest.mark.parametrize("more, most", [({}, 2), ({"depths": 2}, 2), ({"second_side": 32}, 1)])
def test_more_bands_than_the_smallest_map_has_rows_are_refused(more, most):
    with pytest.raises(InputError, match=rf"model\.bands of at most {most}, .* got 5\. Lower it"):
        built((64, 64, 3), bands=5, **more)


def test_bands_need_a_clip_that_is_drawn_upright():
    with pytest.raises(InputError, match=r"model\.bands of 1 with model\.side=0, .* got 2"):
        built((64, 64), bands=2)


def test_l2_adds_the_last_layers_squares_to_the_loss():
    model = built((64, 64), l2=0.5)
    kernel = model.get_layer("genre").get_weights()[0]
    assert float(sum(model.losses)) == pytest.approx(0.5 * float((kernel**2).sum()), rel=1e-5)
    assert not built((64, 64)).losses


def test_no_validation_can_be_asked_for():
    text = '[data]\ndataset = "gtzan"\nval_fraction = 0.0\n[features]\nkind = "mfcc"\n[model]\nfamily = "recurrent"\n'
    assert config.parse_experiment("x", text).data.val_fraction == 0.0
