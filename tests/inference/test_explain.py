import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.cli import main
from musicml.experiment import run as runs
from musicml.features import audio_features
from musicml.inference import explain
from musicml.inference.explain import class_activation, occlusion
from musicml.inference.predictor import Predictor
from musicml.models import registry, transfer
from tests.conftest import EXPERIMENTS, PLAIN, set_words, unexported, write_tone
from tests.fixtures import saliency_data as telling
from tests.fixtures.near import off
from tests.fixtures.small_backbone import use_small_mobilenet

pytestmark = pytest.mark.numeric

METHODS = {
    "cnn": "class activation map",
    "gru": "occlusion",
    "unfrozen": "Grad-CAM (LayerCAM)",
    "tones": "feature importance",
}
SOUND = tuple(name for name in METHODS if name != "unfrozen")


def untrained(family, shape, **options):
    """A model of random weights."""
    spec = registry.ModelSpec(shape, 3, "single", "class", np.zeros(shape[1]), np.ones(shape[1]))
    return registry.build_model(family, registry.get_family(family).Options(**options), spec)


def test_a_maps_places_are_interpolated_between_and_held_beyond():
    small = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)
    large = class_activation._resample_map(small, [(4, 1.5), (4, 1.5)], (8, 8))
    assert large.shape == (8, 8) and large.dtype == np.float32
    assert np.allclose(large[0, :2], 0) and np.allclose(large[0, 6:], 1) and np.allclose(large[7, 6:], 3)
    assert np.allclose(large[0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    assert np.allclose(large[:, 0], 2 * large[0])


def test_an_enlarged_maps_peak_lies_in_the_place_that_halving_made_it_of():
    for row in range(5):
        small = np.zeros((5, 6), np.float32)
        small[row, 2] = 1
        large = class_activation._enlarge_map(small, (92, 96))  # 92 halved four times is 5, and 12 are left over
        assert large.shape == (92, 96) and large.min() == 0 and large.max() <= 1
        at = np.argwhere(large == large.max()).mean(axis=0)
        assert 16 * row <= at[0] < 16 * (row + 1) + 12 * (row == 4) and 32 <= at[1] < 48


def test_where_the_places_of_a_known_backbone_and_of_the_own_networks_map_lie():
    import keras

    mobilenet = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(224, 224, 3), alpha=0.25)
    assert class_activation._compute_grid(mobilenet.output) == [(32, 31), (32, 31)]
    model = untrained("cnn", (92, 96), filters=(4, 4, 4, 4))
    assert class_activation._compute_grid(model.get_layer("pooled").input) == [(16, 7.5), (16, 7.5)]
    assert class_activation._compute_grid(model.get_layer("block1_relu").output) == [(1, 0), (1, 0)]


@pytest.mark.parametrize("n", [32, 33])
def test_a_place_lies_in_the_middle_of_the_inputs_that_it_sees(n):
    """By the gradient: convolutions of ones see their inputs evenly, and so tell their middle."""
    import keras

    inputs = keras.Input((n, n + 3, 1))
    x = keras.layers.ZeroPadding2D(((0, 1), (2, 1)))(inputs)
    x = keras.layers.Conv2D(1, 3, strides=2, kernel_initializer="ones")(x)
    x = keras.layers.Conv2D(1, 5, padding="same", kernel_initializer="ones")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", depthwise_initializer="ones")(x)
    x = keras.layers.AveragePooling2D(2)(x)
    model = keras.Model(inputs, x)
    place = (x.shape[1] // 2, x.shape[2] // 2)
    seen = class_activation._compute_gradient(
        lambda values: model(values)[0, place[0], place[1], 0], keras.ops.ones((1, n, n + 3, 1))
    )
    seen = np.asarray(seen)[0, :, :, 0]
    middle = [np.average(np.arange(len(sums)), weights=sums) for sums in (seen.sum(axis=1), seen.sum(axis=0))]
    assert middle == pytest.approx(
        [b + step * at for (step, b), at in zip(class_activation._compute_grid(x), place, strict=True)], abs=1e-3
    )


@pytest.mark.parametrize("shape", [(1, 8), (2, 3), (5, 40), (46, 64), (126, 128)])
def test_patches_cover_every_frame_and_band_and_none_is_empty(shape):
    covered = np.zeros(shape, int)
    for times, bands in occlusion._make_patches(shape):
        assert covered[times, bands].size
        covered[times, bands] += 1
    assert covered.min() >= 1


def test_patches_reach_half_over_their_neighbours():
    slices = {(part.start, part.stop) for part in occlusion._make_slices(12, 3)}
    assert {(0, 4), (2, 6), (4, 8), (6, 10), (8, 12)} <= slices


def test_log_odds_of_sure_scores_keep_what_tells_them_apart():
    scores = np.array([[1, 1e-9, 1e-9], [1, 1e-8, 1e-8], [0, 1, 0], [0.5, 0.25, 0.25]], np.float32)
    found = occlusion._compute_log_odds(scores, 0, "single")
    assert np.isfinite(found).all() and found[0] > found[1] > found[3] > found[2]
    assert found[0] == pytest.approx(np.log(1 / 2e-9), rel=1e-3) and found[3] == pytest.approx(0, abs=1e-6)
    several = occlusion._compute_log_odds(np.array([[1, 0.2], [0, 0.2], [0.9, 0.2]], np.float32), 0, "multi")
    assert np.isfinite(several).all() and several[0] > several[2] > several[1]
    assert several[2] == pytest.approx(np.log(9), rel=1e-4)


def test_the_deciding_seconds_are_three_or_half_of_a_shorter_sound():
    evidence = np.zeros(100)
    evidence[60:70] = 1
    begin, end = explain._find_deciding_seconds(evidence, 0.1, 10.0)
    assert end - begin == pytest.approx(3) and begin <= 6 and end >= 7
    begin, end = explain._find_deciding_seconds(evidence[:80], 0.05, 4.0)
    assert end - begin == pytest.approx(2) and begin <= 3 and end >= 3.5
    assert explain._find_deciding_seconds(np.zeros(100), 0.1, 10.0) == (0, 3)
    assert explain._find_deciding_seconds(-np.ones(1), 0.1, 0.5) == (0, 0.25)
    begin, end = explain._find_deciding_seconds(np.eye(100)[99], 0.1, 9.7)
    assert begin >= 0 and end <= 9.7 + 1e-9, "the deciding seconds end with the sound at the latest"


def test_clips_that_overlap_are_averaged():
    clips = [np.full((4, 2), value, np.float32) for value in (1, 3, 5)]
    found = explain._average_overlaps(clips, np.array([0, 2, 4]), (9, 2))
    assert found[:, 0].tolist() == [1, 1, 2, 2, 4, 4, 5, 5, 0]


def test_shares_are_of_the_strongest_place_and_nothing_is_against():
    assert explain._normalize_map(np.array([[-1, 2], [4, 0]])).tolist() == [[0, 0.5], [1, 0]]
    assert explain._normalize_map(np.array([[-1.0, -2.0]])).tolist() == [[0, 0]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A tone of seven seconds, which is more than a clip of any run."""
    path = tmp_path_factory.mktemp("asked") / "tone.wav"
    write_tone(path, 700, 7.0, 22_050)
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A noisy picture that is not square."""
    path = tmp_path_factory.mktemp("asked") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def asked(trained, asked_about_tones, sound, picture):
    """A run's Predictor and its explanation of a file, made once: its name in METHODS → both."""
    made = {}

    def found(name):
        if name not in made:
            predictor = Predictor(asked_about_tones if name == "tones" else trained(name))
            made[name] = predictor, explain.explain_prediction(predictor, picture if name == "unfrozen" else sound)
        return made[name]

    return found


@pytest.mark.parametrize(("name", "method"), METHODS.items())
def test_each_family_is_explained_in_its_own_way_by_shares_of_what_the_model_saw(asked, sound, picture, name, method):
    predictor, explanation = asked(name)
    file = picture if name == "unfrozen" else sound
    assert explanation.method == method
    prediction = predictor.predict(file)
    assert (explanation.file, explanation.label) == (prediction.file, prediction.label)
    assert explanation.map.shape == explanation.seen.shape[:2] and explanation.map.dtype == np.float32
    assert explanation.map.min() >= 0 and explanation.map.max() == pytest.approx(1)
    assert explanation.map[explanation.peak] == explanation.map.max()
    other = next(label for label in predictor.class_names if label != explanation.label)
    of_other = explain.explain_prediction(predictor, file, other)
    assert of_other.label == other and not np.array_equal(of_other.map, explanation.map)


def test_a_picture_is_seen_as_the_model_takes_it(asked, picture):
    predictor, explanation = asked("unfrozen")
    assert np.array_equal(explanation.seen, predictor.read(picture).values) and explanation.seen.dtype == np.uint8
    assert (explanation.frame_seconds, explanation.decided, explanation.y) == (None, None, None)
    table = json.loads(json.dumps(explanation.to_dict()))
    assert set(table) == {"file", "label", "method", "peak", "size"}
    assert table["size"] == {"width": 32, "height": 32}
    assert (table["peak"]["y"], table["peak"]["x"]) == explanation.peak


@pytest.mark.parametrize("name", SOUND)
def test_the_deciding_seconds_are_cut_out_of_the_sound_itself(asked, sound, name):
    from musicml.data.io import audio

    predictor, explanation = asked(name)
    rate = predictor.settings.sample_rate
    y = audio.load_audio(sound, rate).y
    begin, end = explanation.decided
    assert 0 <= begin < end <= len(y) / rate + 1e-9 and end - begin == pytest.approx(3)
    assert explanation.sample_rate == rate
    assert np.array_equal(explanation.y, y[round(begin * rate) : round(end * rate)])
    table = json.loads(json.dumps(explanation.to_dict()))
    assert table["decided"] == [round(begin, 3), round(end, 3)]
    if name == "tones":
        assert "peak" not in table, "a forest tells which features, and no place"
        return
    assert table["peak"]["seconds"] == pytest.approx(explanation.peak[0] * explanation.frame_seconds, abs=1e-3)
    assert 0 < table["peak"]["hertz"] < rate / 2


@pytest.mark.parametrize(
    ("name", "seconds"), [("cnn", 0.3), ("cnn", 3.7), ("gru", 0.3), ("gru", 3.7), ("tones", 0.3), ("tones", 0.9)]
)
def test_a_sound_of_any_length_and_rate_is_explained(asked, tmp_path, name, seconds):
    predictor, _ = asked(name)
    write_tone(tmp_path / "short.wav", 500, seconds, 11_025)
    explanation = explain.explain_prediction(predictor, tmp_path / "short.wav")
    begin, end = explanation.decided
    assert 0 <= begin < end <= seconds + 0.01 and end - begin == pytest.approx(min(3, seconds / 2), abs=0.01)
    assert abs(len(explanation.y) / explanation.sample_rate - (end - begin)) < 0.01
    assert explanation.map.shape == explanation.seen.shape


def test_content_and_arrays_are_explained_as_their_file(asked, sound, picture):
    predictor, explanation = asked("gru")
    y, rate = soundfile.read(sound, dtype="float32")
    for source, name, given in ((sound.read_bytes(), "upload.wav", None), (y, "recording", rate)):
        again = explain.explain_prediction(predictor, source, name=name, sample_rate=given)
        assert off(again.map, explanation.map) < 1e-4 and again.file == name
        assert again.decided == explanation.decided
    predictor, explanation = asked("unfrozen")
    again = explain.explain_prediction(predictor, np.asarray(Image.open(picture)), name="camera")
    assert off(again.map, explanation.map) < 1e-4 and again.file == "camera"


@pytest.mark.parametrize("name", ["cnn", "gru", "unfrozen", "tones"])
def test_an_explanation_is_saved_as_a_drawing_a_table_and_of_sound_what_to_listen_to(asked, tmp_path, name):
    _, explanation = asked(name)
    said = explain.save_explanation(explanation, tmp_path / "new", "first")
    there = {path.name for path in (tmp_path / "new").iterdir()}
    assert json.loads((tmp_path / "new/first.json").read_text()) == said
    assert said["picture"] == "first.png" and {**said, **explanation.to_dict()} == said
    with Image.open(tmp_path / "new/first.png") as drawing:
        assert drawing.mode == "RGB" and min(drawing.size) >= 384 and np.ptp(np.asarray(drawing)) > 0
    if name == "unfrozen":
        assert there == {"first.png", "first.json"} and "sound" not in said
        return
    assert there == {"first.png", "first.json", "first.wav"} and said["sound"] == "first.wav"
    y, rate = soundfile.read(tmp_path / "new/first.wav", dtype="float32")
    assert rate == explanation.sample_rate and off(y, explanation.y) < 1e-4


def test_a_drawing_is_orange_where_the_map_is_strongest_and_grey_where_it_is_nothing(asked):
    from musicml.inference.explain import overlay

    _, explanation = asked("gru")
    drawn = overlay.draw_overlay(explanation).astype(int)
    frames, bins = explanation.map.shape
    assert drawn.shape == (bins, frames, 3)
    frame, band = explanation.peak
    red, green, blue = drawn[bins - 1 - band, frame]
    assert red > green > blue
    assert (np.ptp(drawn, axis=2)[::-1].T[explanation.map == 0] == 0).all()


def test_a_forest_says_how_much_it_leans_on_each_feature(asked):
    predictor, explanation = asked("tones")
    for layer in predictor.run.read("layers.json"):
        assert len(layer["leans_on"]) == predictor.settings.n_bins
        assert sum(layer["leans_on"]) == pytest.approx(1, abs=1e-4) and min(layer["leans_on"]) >= 0
    k = predictor.get_class_index(explanation.label)
    leaned = np.array(predictor.run.read("layers.json")[k]["leans_on"])
    assert explanation.map.sum(axis=0).argmax() == leaned.argmax()


def test_a_forest_on_tones_leans_on_the_band_of_the_tone(asked_about_tones, tones):
    """Of low, middle and high tones, the middle ones' own band is what tells them."""
    explanation = explain.explain_prediction(Predictor(asked_about_tones), tones / "middle/0.wav")
    band = explanation.map.sum(axis=0).argmax()
    assert explanation.label == "middle" and audio_features.compute_band_centers(explanation.settings)[band] < 3000


def test_keras_and_the_exported_model_explain_alike(trained, asked, sound):
    _, explanation = asked("cnn")
    by_keras = explain.explain_prediction(Predictor(trained("cnn"), "keras"), sound)
    assert by_keras.method == explanation.method == "class activation map"
    assert off(by_keras.map, explanation.map) < 1e-3


IN_A_NEW_PROCESS = """
import sys
from pathlib import Path
from musicml.inference import explain; from musicml.experiment import run as runs
from musicml.inference.predictor import Predictor
for run, file, engine in zip(*[iter(sys.argv[1:])] * 3):
    print(explain.explain_prediction(Predictor(runs.Run(Path(run)), engine), file).method)
print(*(name for name in ("keras", "tensorflow", "jax") if name in sys.modules))
"""


def test_exported_models_explain_without_keras(trained, sound, picture):
    asked = [(trained("cnn"), sound, "auto"), (trained("unfrozen"), picture, "onnx"), (trained("gru"), sound, "auto")]
    words = [str(word) for run, file, engine in asked for word in (run.path, file, engine)]
    done = subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS, *words], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["class activation map"] * 2 + ["occlusion", ""], done.stderr


def test_a_map_counts_against_the_mean_of_the_classes_only_where_one_is_to_be_chosen():
    found = np.arange(12, dtype=float).reshape(1, 2, 2, 3)
    assert class_activation._subtract_mean(found, 2, "single").tolist() == [[[1, 1], [1, 1]]]
    assert class_activation._subtract_mean(found, 2, "multi").tolist() == [[[2, 5], [8, 11]]]


@pytest.mark.parametrize(("small", "size", "fine"), [((5, 6), (92, 96), True), ((7, 7), (224, 224), False)])
def test_a_map_is_fine_where_each_place_stands_for_few_inputs(small, size, fine):
    assert class_activation.is_fine_map(small, size) is fine


@pytest.mark.parametrize(
    ("backbone", "second_side", "bands"),
    [("resnet50", 0, 1), ("vgg16", 0, 2), ("mobilenet", 96, 1), ("efficientnetv2b0", 0, 1)],
)
def test_the_layers_that_a_layer_cam_adds_up_lie_one_at_each_resolution(backbone, second_side, bands):
    options = {"alpha": 0.25, "weights": "none", "dense_units": 4, "second_side": second_side, "bands": bands}
    model = untrained("transfer", (64, 64, 3), backbone=backbone, **options)
    first, beside = class_activation._find_first_view(model, model.layers[-1].input)
    found = class_activation._find_stages(model, first)
    assert bool(beside) == bool(second_side)
    sides = [layer.output.shape[1] for layer in found]
    assert len(found) >= 3 and sides == sorted(set(sides), reverse=True) and sides[0] <= 16 and sides[-1] >= 2


@pytest.mark.parametrize(
    ("family", "shape", "options"),
    [
        ("cnn", (24, 32), {"filters": (4, 8), "dense_units": 8}),
        ("transfer", (64, 64, 3), {"backbone": "mobilenet", "weights": "none", "second_side": 96, "dense_units": 8}),
    ],
)
def test_a_small_network_with_a_hidden_layer_and_one_that_looks_twice_are_explained(
    monkeypatch, family, shape, options
):
    """The small one's maps have places enough at every depth: none is coarser than the input by a factor of four."""
    use_small_mobilenet(monkeypatch)
    model = untrained(family, shape, **options)
    monkeypatch.setattr(class_activation, "_load_model", lambda predictor: model)
    cam = class_activation._build_layer_cam.__wrapped__(SimpleNamespace(task="single"))
    (found,) = cam(np.random.default_rng(0).uniform(0, 255, (1, *shape)).astype(np.float32), 0)
    assert found.shape == shape[:2] and np.ptp(found) > 0


def train_on(examples, root, name, changes):
    """A run trained on examples by the command line."""
    telling.write(root / "files", examples)
    words = ["train", EXPERIMENTS / f"{name}.toml", "--folder", root / "files", "--data-root", root, "--runs", root]
    assert main.main([str(word) for word in [*words, *set_words(changes)]]) == 0
    (run,) = runs.list_runs(root)
    return run


def assert_points_at_the_cause(run, fresh, method):
    """The run is right about fresh examples, and the peaks lie in what tells them, far above what chance gives.

    Of 12 peaks, four fifths in a ninth of the map: chance does that once in 10 ** 7.
    """
    shares = telling.judged(Predictor(run), fresh)
    assert shares["method"] == method and shares["right"] >= 0.8 and shares["peak"] >= 0.8, shares
    assert shares["largest"] <= telling.A_NINTH and max(shares["random"], shares["centre"]) < 0.4, shares


EIGHT_KILOHERTZ = {"features.sample_rate": telling.SAMPLE_RATE, "features.n_fft": 512, "training.early_stopping": 0}


@pytest.mark.slow
def test_the_peak_of_either_map_lies_in_the_tone_whose_motion_tells(tmp_path, monkeypatch):
    """Of any pitch; whether it is steady, pulsed or wobbling tells its class."""
    # six whole places of sixteen frames: what is left over beyond the last one a map can't point at
    changes = {**EIGHT_KILOHERTZ, "features.hop_length": 240, "features.n_mels": 96, "model.filters": [8, 16, 16, 16]}
    changes |= {"training.epochs": 12, "training.learning_rate": 0.003}
    run = train_on(telling.motions(150, seed=0), tmp_path, "genre_cnn", changes)
    assert_points_at_the_cause(run, telling.motions(12, seed=9), "class activation map")
    monkeypatch.setattr(class_activation, "is_fine_map", lambda *_: False)
    assert_points_at_the_cause(run, telling.motions(12, seed=9), "Grad-CAM (LayerCAM)")


@pytest.mark.slow
def test_the_peak_of_an_occlusion_lies_in_the_tone_whose_pitch_tells(tmp_path):
    changes = {**PLAIN, **EIGHT_KILOHERTZ, "features.hop_length": 512, "features.n_mels": 64, "features.n_mfcc": 20}
    changes |= {"model.units": [24], "training.learning_rate": 0.01, "training.epochs": 15}
    run = train_on(telling.pitches(90, seed=0), tmp_path, "genre_gru", changes)
    assert_points_at_the_cause(run, telling.pitches(12, seed=9), "occlusion")


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("MUSICML_SHARED_DATA"), reason="MUSICML_SHARED_DATA names no folder with ImageNet's weights"
)
@unexported()
def test_the_peak_of_an_imagenet_backbones_map_lies_in_the_disc_whose_tint_tells(tmp_path, monkeypatch):
    """A hidden layer stands behind the backbone."""

    def read_weights(application, extra):
        (file,) = Path(os.environ["MUSICML_SHARED_DATA"], "keras_home/models").glob("mobilenet_*.h5")
        model = application(include_top=False, weights=str(file), input_shape=(224, 224, 3), **extra)
        return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}

    monkeypatch.setattr(transfer, "load_imagenet_weights", read_weights)
    unchanged = dict.fromkeys(("rotation", "shift", "zoom", "brightness"), 0.0) | {"flip": False, "views": 0}
    changes = {f"augment.{name}": value for name, value in unchanged.items()}
    changes |= {"features.height": 160, "features.width": 160, "model.second_side": 0, "model.dense_units": 64}
    changes |= {"model.weights": "imagenet", "training.epochs": 25, "training.early_stopping": 0}
    run = train_on(telling.discs(90, seed=0), tmp_path, "instrument_images_mobilenet", changes)
    assert run.read("run.json")["weights"]["choice"] == "imagenet"
    assert_points_at_the_cause(run, telling.discs(12, seed=9), "Grad-CAM (LayerCAM)")
