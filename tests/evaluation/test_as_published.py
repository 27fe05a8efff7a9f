import csv

import pytest

from musicml.data.datasets import load_folder
from musicml.data.synthetic import generate
from musicml.evaluation import evaluate
from musicml.experiment import config
from musicml.training import train as training
from musicml.utils.errors import InputError


@pytest.fixture(scope="module")
def trained_as(tones_toml, tmp_path_factory):
    """A forest on the four instruments' sample, honest or as published: protocol → Run."""
    root = tmp_path_factory.mktemp("faulty")
    generate.generate_sample_data(root / "sample", only=["instrument_sounds"], scale=0.02, say=lambda line: None)

    def made(protocol):
        settings = config.read_experiment(tones_toml, {"data.dataset": "instrument_sounds", "data.protocol": protocol})
        return training.train_experiment(settings, root, root / "runs")

    return made


def test_a_split_by_lists_that_are_not_there_is_refused_before_any_file_is_read(tones_toml, tones, tmp_path):
    for kind, lacks in (("filtered", "fault-filtered lists"), ("artist", "an index of artists")):
        settings, said = config.read_experiment(tones_toml, {"data.split": kind}), []
        with pytest.raises(InputError, match=f"must go with a data set that has {lacks}"):
            training.train_experiment(settings, tmp_path / "data", tmp_path / "runs", folder=tones, say=said.append)
        assert said == [load_folder(tones).describe()]
        assert not (tmp_path / "data").exists() and not (tmp_path / "runs").exists()


def table(run, name):
    with open(run.path / name, newline="") as source:
        return list(csv.DictReader(source))


def test_an_honest_run_lists_every_repair_of_its_data(trained_as):
    run = trained_as("honest")
    repairs, counted = table(run, "repairs.csv"), run.read("run.json")["data"]["repairs"]
    kinds = [row["repair"] for row in repairs]
    assert counted == {kind: kinds.count(kind) for kind in set(kinds)} and counted["label_dropped"] > 0
    assert all(row["file"] and row["words"] for row in repairs)
    assert run.read("run.json")["protocol"] == evaluate.evaluate_run(run)["protocol"] == "honest"


def test_a_run_as_published_keeps_the_faults_and_says_so_wherever_its_figures_stand(trained_as):
    run = trained_as("as_published")
    facts = run.read("run.json")
    assert table(run, "repairs.csv") == [] and facts["data"]["repairs"] == {}
    assert facts["protocol"] == "as published" and facts["data"]["as_published"] is True
    names = [row["example"] for row in table(run, "split.csv")]
    contradicted = [name for name in names if name.endswith("#violin")]
    assert contradicted and all(name.removesuffix("#violin") in names for name in contradicted)
    report = evaluate.evaluate_run(run)
    assert report["protocol"] == "as published" and report["n"] == facts["split"]["test"] > 0
