import time

import numpy as np
import pytest

from musicml.data.datasets.loading import load_dataset, load_folder
from musicml.evaluation import metrics
from musicml.experiment import run as runs
from musicml.inference import manifest
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, FAMILIES
from tests.fixtures.fake_runs import DAMAGES, make
from tests.fixtures.fake_runs import FAMILIES as PRESETS


@pytest.fixture(scope="session")
def pair_of(trained, asked_about_tones, tones, tones_toml, data_root, tmp_path_factory):
    """A trained run and one made up of the same experiment and data: its name → both."""

    def found(name):
        if name == "tones":
            real, how = asked_about_tones, {"experiment": tones_toml, "dataset": load_folder(tones)}
        else:
            file, changes = FAMILIES[name]
            real, path = trained(name), EXPERIMENTS / f"{file}.toml"
            dataset = load_dataset(real.read("run.json")["data"]["dataset"], data_root)
            left_out = {row["file"] for row in real.table("excluded.csv")}  # a made run reads no file
            dataset = dataset.keep([example.id not in left_out for example in dataset.examples])
            how = {"experiment": path, "overrides": changes, "dataset": dataset}
        return real, make(tmp_path_factory.mktemp("made"), real.name, **how)

    return found


def keys_of(content):
    """The keys of a JSON object and of the objects in it; what lies in a list is told by its first item."""
    if isinstance(content, dict):
        return {key: keys_of(value) for key, value in content.items()}
    return keys_of(content[0]) if isinstance(content, list) and content else None


# against trained runs


@pytest.mark.parametrize("name", ["tones", "cnn", "multi"])
def test_a_made_run_has_the_files_keys_and_columns_of_a_trained_one(name, pair_of):
    real, made = pair_of(name)
    models = {"model.keras", "model.skops", "model.onnx", "signature.json"}
    assert {path.name for path in made.path.iterdir()} == {path.name for path in real.path.iterdir()} - models
    for file in ("run.json", "serving.json", "report.json", "layers.json", "labels.json"):
        assert keys_of(made.read(file)) == keys_of(real.read(file)), file
    for path in real.path.glob("*.csv"):
        heads = [(run.path / path.name).read_text().splitlines()[0] for run in (made, real)]
        assert heads[0].removesuffix(",messages") == heads[1].removesuffix(",messages"), "where no cell is a message"


@pytest.mark.parametrize("name", ["tones", "cnn", "multi"])
def test_a_made_run_is_of_the_trained_ones_examples_settings_and_clips(name, pair_of):
    real, made = pair_of(name)
    for file in ("experiment.toml", "labels.json", "split.csv"):
        assert (made.path / file).read_text() == (real.path / file).read_text()
    for key in ("settings", "overrides", "split", "task", "family", "precision", "weights", "parameters"):
        assert made.read("run.json").get(key) == real.read("run.json").get(key)
    for key in ("task", "answers", "kind", "features", "clips", "input_shape", "calibrated_on", "asks_for"):
        assert made.read("serving.json")[key] == real.read("serving.json")[key]
    columns = ("example", "group", "labels", "absent")
    first, second = ([[row[name] for name in columns] for row in run.table("predictions.csv")] for run in (made, real))
    assert first == second
    with np.load(made.path / "clips.npz") as ours, np.load(real.path / "clips.npz") as theirs:
        assert np.array_equal(ours["example"], theirs["example"]) and np.array_equal(ours["start"], theirs["start"])
        assert ours["scores"].shape == theirs["scores"].shape and ours["scores"].dtype == theirs["scores"].dtype


@pytest.mark.parametrize("name", ["cnn", "multi"])
def test_the_layers_of_a_made_run_are_keras_own(name, pair_of):
    real, made = pair_of(name)
    assert made.read("layers.json") == real.read("layers.json")


# by themselves


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_makes_a_whole_run_that_reads_as_one(preset, tmp_path):
    run = make(tmp_path, family=preset, n=40)
    assert runs.list_runs(tmp_path) == [run] and run.is_complete and runs.open_run(run.path) == run
    assert manifest.read_manifest(run).task == run.read("run.json")["task"]
    found = run.read("report.json")
    assert found["n"] == len(run.table("predictions.csv")) == 40 and found["sample"]
    assert 0.3 < found["metrics"][found["main_metric"]] < 1 and "to" in metrics.format_headline(found)


def test_a_made_backbone_has_many_layers_and_each_reads_layers_before_it(tmp_path):
    layers = make(tmp_path, family="transfer", n=30).read("layers.json")
    names = [layer["name"] for layer in layers]
    assert len(set(names)) == len(layers) > 60
    assert all(set(layer["reads"]) <= set(names[:place]) for place, layer in enumerate(layers))
    assert {len(layer["reads"]) for layer in layers} == {0, 1, 2}


def test_a_made_run_can_have_other_classes_one_group_and_real_data(tmp_path):
    run = make(tmp_path, n=12, class_names=("gamelan", "keroncong, <b>"), groups=1, sample=False, excluded=0)
    found = run.read("report.json")
    assert run.read("labels.json") == ["gamelan", "keroncong, <b>"]
    assert found["intervals"] is None and found["sample"] is run.read("run.json")["data"]["sample"] is False
    assert run.table("excluded.csv") == []


def test_a_run_can_be_made_as_far_as_a_training_has_come(tmp_path):
    begun = time.time()
    started, training, trained = (make(tmp_path, name, status=name) for name in ("started", "training", "trained"))
    assert [run.status for run in (started, training, trained)] == ["started", "started", "trained"]
    assert not started.table("history.csv") and training.table("history.csv")
    assert (training.path / "checkpoints" / "state.npz").is_file() and not (training.path / "serving.json").exists()
    assert (training.path / "history.csv").stat().st_mtime > begun - 2  # file systems round
    assert (trained.path / "serving.json").is_file() and not (trained.path / "predictions.csv").exists()


def test_each_damage_is_one_and_a_run_whose_facts_are_broken_is_passed_over_and_any_other_is_listed(tmp_path, snapshot):
    whole = {name: pair[0] for name, pair in snapshot(make(tmp_path / "whole", "run", n=20, draws=2).path).items()}
    root, listed = tmp_path / "broken", {}
    for damage in DAMAGES:
        made = make(root, "run", n=20, status="broken", damage=damage, draws=2)
        files = {name: pair[0] for name, pair in snapshot(made.path).items()}
        listed[damage] = runs.Run(made.path.rename(root / damage))
        changed = {name for name in whole if files.get(name) != whole[name]} - {"run.json"}  # it has the time in it
        of_run = damage.startswith("run ") or damage in ("data odd", "protocol odd", "settings odd", "epochs odd")
        assert len(changed) == (0 if of_run else 1), damage
    assert {run.name for run in runs.list_runs(root)} == {name for name in listed if not name.startswith("run ")}
    with pytest.raises(InputError):
        listed["report damaged"].read("report.json")
