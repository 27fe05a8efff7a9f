"""What a run says beside its model is checked each time it is loaded: parts that do not belong together are refused."""

import json
import re
import shutil

import numpy as np
import pytest

from musicml.cli import main
from musicml.experiment import run as runs
from musicml.features import audio_features
from musicml.inference import calibration, manifest, trust
from musicml.inference.predictor import Predictor
from musicml.utils import files
from musicml.utils.errors import InputError

CHANGED = "serving.json or labels.json of run broken was changed after training"
FOREIGN = "is not the model that belongs to its serving.json"

# what 13 coefficients' traits are measured against: a mean far from any sound
NOWHERE = {
    "version": calibration.TRAITS_VERSION,
    "mean": [1e6] * 52,
    "spread": [1.0] * 52,
    "precision": np.eye(52).tolist(),
}


@pytest.fixture
def broken(asked_about_tones, tmp_path):
    """A copy of a run on tones, to be changed."""
    return runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / "broken"))


@pytest.fixture
def network(trained, tmp_path):
    """A copy of a network's run, to be changed."""
    return runs.Run(shutil.copytree(trained("gru").path, tmp_path / "network"))


@pytest.fixture(scope="module")
def other(tones, tones_toml, data_root, tmp_path_factory):
    """A run on the same tones whose model has the same shapes: another seed's."""
    root = tmp_path_factory.mktemp("other")
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", root, "--seed", "1"]
    assert main.main([str(word) for word in words]) == 0
    (run,) = runs.list_runs(root)
    return run


def changed(run, change):
    """Write serving.json anew as `change` leaves it, with the fingerprint that it had."""
    table = run.read("serving.json")
    change(table)
    files.write_json(run.path / "serving.json", table)


def signed(run, **changes):
    """Write serving.json anew with `changes` and the fingerprint that belongs to them, as a training would have."""
    table = {**run.read("serving.json"), **changes}
    table["fingerprint"] = manifest.compute_fingerprint(run.read("labels.json"), table)
    files.write_json(run.path / "serving.json", table)


def trusted(run, **changes):
    """Do as `signed`, and trust the run, so that its model is loaded in this process."""
    signed(run, **changes)
    trust.trust_run(run)


def refusal(run, engine="auto"):
    with pytest.raises(InputError) as caught:
        Predictor(run, engine).load_model()
    message = str(caught.value)
    assert "\n" not in message and message.endswith((".", "again"))
    return message


def shifted(values):
    return [value + 0.1 for value in values]


CHANGES = {
    "temperature": lambda table: table.update(temperature=table["temperature"] + 0.1),
    "thresholds": lambda table: table.update(thresholds=shifted(table["thresholds"])),
    "task": lambda table: table.update(task="multi"),
    "kind of features": lambda table: table.update(kind="mfcc"),
    "sample rate": lambda table: table["features"].update(sample_rate=16_000),
    "highest frequency": lambda table: table["features"].update(fmax=3_000.0),
    "clip length": lambda table: table["clips"].update(n_frames=table["clips"]["n_frames"] + 1),
    "clip hop": lambda table: table["clips"].update(hop_frames=table["clips"]["hop_frames"] + 1),
    "least samples": lambda table: table["clips"].update(least_samples=0),
    "unlike": lambda table: table.update(unlike={"limit": 1e9}),
    "asked for": lambda table: table.update(asks_for="features"),
    "version": lambda table: table.update(features_version=audio_features.FEATURES_VERSION + 1),
    "digest": lambda table: table["model"].update(digest="0" * 32),
    "something more": lambda table: table.update(mine=1),
    "fingerprint": lambda table: table.update(fingerprint="0" * 32),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_serving_json_that_was_changed_since_training_is_refused(broken, what):
    changed(broken, CHANGES[what])
    with pytest.raises(InputError, match=CHANGED):
        Predictor(broken)


def test_the_artists_of_a_large_collection_may_be_classes(broken):
    names = [f"artist {number}" for number in range(3_000)]
    (broken.path / "labels.json").write_text(json.dumps(names))
    signed(broken, thresholds=[])
    assert len(manifest.read_manifest(broken).class_names) == 3_000


@pytest.mark.parametrize("names", [["low", "high", "middle"], ["low", "high"], ["high", "low", "Middle"], {}, None])
def test_other_class_names_or_another_order_of_them_are_refused(broken, names):
    assert names != broken.read("labels.json")
    files.write_json(broken.path / "labels.json", names)
    with pytest.raises(InputError, match=CHANGED):
        Predictor(broken)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"task": "both"}, "must contain a valid value of task"),
        ({"temperature": "1"}, "must contain a valid value of temperature"),
        ({"thresholds": [0.5, None]}, "must contain a valid value of thresholds"),
        ({"model": []}, "must contain a valid value of model"),
        ({"unlike": 2}, "must contain a valid value of unlike"),
        ({"clips": {"n_frames": None}}, "clips.n_frames .* to be a whole number of at least 1, got None"),
        ({"clips": {"hop_frames": "3"}}, "clips.hop_frames .* to be a whole number of at least 1, got '3'"),
        ({"clips": {"frame_seconds": 0}}, "clips.frame_seconds .* to be a number above 0, got 0"),
        ({"clips": {"average": "median"}}, "clips.average .* to be one of 'probability', .*, got 'median'"),
        ({"features_version": 0}, "needs features of version 0, but this musicml computes version"),
        *(({"kind": kind}, "unknown features") for kind in ("wavelets", None, 3, ["log_mel"], {})),
    ],
)
def test_what_no_training_writes_is_named_even_where_it_is_signed(broken, changes, rule):
    clips = {**broken.read("serving.json")["clips"], **changes.get("clips", {})}
    signed(broken, **{**changes, "clips": clips})
    with pytest.raises(InputError, match=rule):
        Predictor(broken)


@pytest.mark.parametrize("key", manifest.NEEDED)
def test_a_missing_key_is_named(broken, key):
    changed(broken, lambda table: table.pop(key))
    with pytest.raises(InputError, match=rf"is incomplete \({key} missing\): finish the run"):
        Predictor(broken)
    (broken.path / "serving.json").write_text("null")
    with pytest.raises(InputError, match="is incomplete .task, kind, features, .* fingerprint missing"):
        Predictor(broken)


def test_a_damaged_or_missing_part_is_refused_with_its_name(broken):
    (broken.path / "serving.json").write_text("{")
    with pytest.raises(InputError, match="Could not read serving.json of run broken"):
        Predictor(broken)
    for name in ("serving.json", "labels.json"):
        (broken.path / name).unlink()
        with pytest.raises(InputError, match="(serving|labels).json of run broken is missing"):
            Predictor(broken)


def test_the_way_serving_json_is_laid_out_does_not_matter(broken, tones):
    wanted = Predictor(broken).predict(tones / "low/1.wav").scores
    table = broken.read("serving.json")
    (broken.path / "serving.json").write_text(json.dumps(dict(reversed(table.items()))))
    assert np.array_equal(Predictor(broken).predict(tones / "low/1.wav").scores, wanted)


def test_every_number_of_serving_json_reads_back_as_it_was_written(trained, asked_about_tones):
    for run in (trained("gru"), asked_about_tones):
        table = run.read("serving.json")
        assert manifest.compute_fingerprint(run.read("labels.json"), table) == table["fingerprint"]
        assert table["features_version"] == audio_features.FEATURES_VERSION
        assert table["model"]["digest"] == files.compute_digest(run.path / table["model"]["file"])


# The model


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_an_exported_model_of_another_run_is_refused_at_the_first_question(broken, other, tones, engine):
    shutil.copy(other.path / "model.onnx", broken.path)
    predictor = Predictor(broken, engine)
    for _ in range(2):
        with pytest.raises(InputError, match=f"model.onnx of run broken {FOREIGN}"):
            predictor.predict(tones / "low/1.wav")
    assert Predictor(broken, "keras").predict(tones / "low/1.wav").label == "low", "the run's own is still there"


def test_a_whole_set_of_another_runs_files_is_that_run(broken, other, tones):
    for name in ("model.onnx", "model.skops", "serving.json", "labels.json", "run.json"):
        shutil.copy(other.path / name, broken.path)
    answers = [Predictor(run).predict(tones / "low/1.wav").scores for run in (broken, other)]
    assert np.array_equal(*answers)


@pytest.mark.parametrize("name", ["serving.json", "model.skops"])
def test_one_part_of_another_run_is_refused(broken, other, name):
    shutil.copy(other.path / name, broken.path)
    assert FOREIGN in refusal(broken, "keras")
    if name == "serving.json":
        assert FOREIGN in refusal(broken, "onnx")


def test_an_exported_model_that_names_no_run_is_refused(broken):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(broken.path / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, broken.path / "model.onnx")
    assert FOREIGN in refusal(broken)


def test_a_network_of_the_same_shapes_from_another_run_is_refused(network):
    import keras

    model = keras.saving.load_model(network.path / "model.keras", compile=False)
    model.set_weights([weight + 0.01 for weight in model.get_weights()])
    model.save(network.path / "model.keras")
    assert f"model.keras of run network {FOREIGN}" in refusal(network, "keras")
    assert Predictor(network, "onnx").load_model().engine == "onnx", "the exported model is still the run's own"


def test_a_network_whose_settings_are_changed_and_signed_is_refused_by_its_exported_model(network):
    trusted(network, temperature=1.5)
    assert f"model.onnx of run network {FOREIGN}" in refusal(network)
    assert Predictor(network, "keras").load_model().engine == "keras"


@pytest.mark.parametrize(("engine", "name"), [("onnx", "model.onnx"), ("keras", "model.skops")])
def test_a_damaged_model_is_refused_with_a_sentence(broken, engine, name):
    content = (broken.path / name).read_bytes()
    for damaged in (b"junk", b"", content[: len(content) // 2]):
        (broken.path / name).write_bytes(damaged)
        message = refusal(broken, engine)
        assert "train" in message and "again" in message and "broken" in message


def test_a_missing_model_is_named(broken):
    (broken.path / "model.onnx").unlink()
    assert Predictor(broken).load_model().engine == "scikit-learn"
    assert "broken has no exported model (model.onnx)" in refusal(broken, "onnx")
    (broken.path / "model.skops").unlink()
    assert "has no model, model.skops is missing. Finish the run with `musicml train --resume" in refusal(broken)


def test_an_unknown_engine_is_refused(broken):
    assert "engine='torch' must be one of auto, onnx, keras." in refusal(broken, "torch")


def test_a_refusal_reaches_the_command_line_in_a_sentence(broken, other, tones, musicml):
    shutil.copy(other.path / "model.onnx", broken.path)
    code, out, err = musicml("predict", broken.path, tones / "low/1.wav")
    assert code == 2 and FOREIGN in err and "Traceback" not in err
    changed(broken, CHANGES["temperature"])
    code, out, err = musicml("predict", broken.path, tones / "low/1.wav")
    assert (code, out) == (2, "") and CHANGED in err and "Traceback" not in err


# Unlike training


def test_a_run_of_few_files_answers_without_saying_what_is_unlike_training(asked_about_tones, tones):
    assert asked_about_tones.read("serving.json")["unlike"] is None, "24 tones are too few"
    answer = Predictor(asked_about_tones).predict(tones / "low/1.wav")
    assert answer.unlike is None and not answer.is_unlike_training
    assert answer.warnings == () and answer.to_dict()["unlike_training"] is False


@pytest.mark.numeric
def test_a_file_beyond_the_limit_is_flagged_in_words_with_the_false_alarms_on_validation(broken, tones):
    near = [
        calibration.compute_traits(Predictor(broken).read(path).values, "log_mel")
        for path in sorted(tones.rglob("*.wav"))
    ]
    fitted = calibration.fit_ood_limit(np.array(near), np.array(near))
    trusted(broken, unlike=fitted)
    predictor = Predictor(broken, "keras")
    answer = predictor.predict(tones / "low/1.wav")
    assert answer.unlike == {
        "distance": pytest.approx(calibration.compute_ood_distance(near[9], fitted)),
        "limit": fitted["limit"],
    }
    noise = predictor.predict(np.random.default_rng(0).normal(0, 0.2, 8_000), sample_rate=8_000)
    assert noise.is_unlike_training and noise.to_dict()["unlike_training"] is True
    (said,) = noise.warnings
    assert said.startswith("This file is out of distribution, so the prediction is a guess. ") and said.endswith(".")
    assert f"the limit {fitted['limit']:.1f}; only {fitted['beyond']} of 24 validation files exceed it" in said


def test_the_false_alarms_told_are_those_of_the_test_side_once_it_was_judged(broken):
    trusted(broken, unlike={**NOWHERE, "limit": 0.01, "n": 40, "beyond": 2})
    report = broken.read("report.json")
    files.write_json(broken.path / "report.json", {**report, "unlike_training": {"flagged": 3, "n": 50}})
    answer = Predictor(broken, "keras").predict(np.zeros(8_000), sample_rate=8_000)
    assert any("only 3 of 50 test files exceed it." in warning for warning in answer.warnings)
    (broken.path / "report.json").unlink()
    trusted(broken, unlike={**NOWHERE, "limit": answer.unlike["distance"] - 0.003, "n": 40, "beyond": 2})
    answer = Predictor(broken, "keras").predict(np.zeros(8_000), sample_rate=8_000)
    shown = re.search(r"is (\S+), the limit (\S+); only 2 of 40 validation files exceed", " ".join(answer.warnings))
    assert float(shown[1]) > float(shown[2]), "as many digits as it takes"
