"""What each family made for sound has to do: answer in float32, be saved without our code, and be exported."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from musicml.inference import backends
from musicml.models import registry
from musicml.models.base import ModelSpec
from musicml.training import device
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

# a family's clip, small options, the first of the layers that stay float32 under a mixed policy, one that does not
FAMILIES = {
    "attention": ((10, 16), {"layers": 2, "units": 16}, "attention_score", "embedding1"),
    "crnn": ((40, 32), {"filters": (4, 6), "units": 5, "dropout": 0.3}, "attention_score", "both"),
    "cnn": ((40, 32), {"filters": (4, 6), "dropout": 0.3}, "genre", "block1_conv"),
    "recurrent": ((40, 32), {"units": (6, 5), "dropout": 0.3}, "genre", "gru1"),
    "lstm": ((40, 32), {"cell": "lstm", "units": (6, 5)}, "genre", "lstm1"),
}
EACH = pytest.mark.parametrize("family", FAMILIES)
TASKS = pytest.mark.parametrize("task", ["single", "multi"])


def untrained(family, task="single"):
    shape, options, *_ = FAMILIES[family]
    spec = ModelSpec(shape, 3, task, "genre", np.full(shape[1], -40.0), np.full(shape[1], 400.0))
    keras.utils.set_random_seed(0)
    name = "recurrent" if family == "lstm" else family
    return registry.build_model(name, registry.get_family(name).Options(**options), spec)


def clips(family):
    return np.random.default_rng(0).normal(-40, 20, (6, *FAMILIES[family][0])).astype(np.float32)


@EACH
@TASKS
def test_its_last_layer_is_named_for_what_it_answers_and_gives_probabilities(family, task):
    model = untrained(family, task)
    scores = np.asarray(model(clips(family), training=False))
    assert model.layers[-1].name == "genre" and scores.shape == (6, 3) and scores.dtype == np.float32
    assert (scores > 0).all() and (scores < 1).all() and np.ptp(scores, axis=0).max() > 1e-3
    assert (off(scores.sum(axis=1), 1) < 1e-5) == (task == "single")


@EACH
@pytest.mark.parametrize(("task", "policy"), [("single", "mixed_float16"), ("multi", "mixed_bfloat16")])
def test_under_a_mixed_policy_its_answer_stays_float32_and_it_is_served_in_float32(family, task, policy):
    _, _, precise, mixed = FAMILIES[family]
    try:
        keras.config.set_dtype_policy(policy)
        model = untrained(family, task)
        names = [layer.name for layer in model.layers]
        last = [name for name in names[names.index(precise) :] if not name.startswith("dropout")]
        assert {model.get_layer(name).compute_dtype for name in last} == {"float32"}
        assert model.get_layer(mixed).compute_dtype == policy.removeprefix("mixed_")
        half = np.asarray(model(clips(family), training=False))
        served = device.convert_to_float32(model, policy)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in served.layers} == {"float32"}
    assert half.dtype == np.float32 and np.abs(np.asarray(served(clips(family), training=False)) - half).max() < 0.05


LOADS = """
import sys
import numpy as np
import keras
for folder in sys.argv[1:]:
    model = keras.saving.load_model(f"{folder}/model.keras", compile=False)
    np.save(f"{folder}/scores.npy", np.asarray(model(np.load(f"{folder}/clips.npy"), training=False)))
assert not any(name.split(".")[0] == "musicml" for name in sys.modules)
"""


def test_the_saved_models_answer_in_a_process_without_our_code(tmp_path):
    models = {tmp_path / family: untrained(family, "multi") for family in FAMILIES}
    for folder, model in models.items():
        folder.mkdir()
        model.save(folder / "model.keras")
        np.save(folder / "clips.npy", clips(folder.name))
    subprocess.run([sys.executable, "-c", LOADS, *map(str, models)], check=True, cwd=tmp_path, capture_output=True)
    for folder, model in models.items():
        assert off(np.load(folder / "scores.npy"), np.asarray(model(clips(folder.name), training=False))) < 1e-5


@pytest.mark.parametrize(
    ("family", "task"), [("attention", "multi"), ("crnn", "single"), ("recurrent", "multi"), ("lstm", "single")]
)
def test_the_exported_model_has_one_input_and_answers_as_keras_does(family, task, tmp_path):
    model, values = untrained(family, task), clips(family)
    wanted = np.asarray(model(values, training=False))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = backends.make_onnx_session(tmp_path / "model.onnx")
    (taken,) = session.get_inputs()
    for some in (slice(0, 1), slice(None)):
        assert off(session.run(None, {taken.name: values[some]})[0], wanted[some]) < 1e-5
    assert np.ptp(wanted, axis=0).max() > 1e-3, "scores that are all alike would agree by chance"
