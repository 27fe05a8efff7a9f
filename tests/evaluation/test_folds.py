import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from musicml.cli import output
from musicml.data.datasets import loading
from musicml.data.splits import splitting
from musicml.evaluation import evaluate, metrics
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.inference.predictor import Predictor
from musicml.training import preparation
from musicml.training import train as training
from musicml.utils import capture_messages
from musicml.utils.errors import InputError


@pytest.fixture(scope="module")
def made(tones, tones_toml, data_root, tmp_path_factory):
    """A run of four folds on 24 files, not yet evaluated."""
    settings = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": 4})
    return training.train_experiment(settings, data_root, tmp_path_factory.mktemp("runs"), folder=tones)


@pytest.fixture
def run(made, tmp_path):
    """The same in a place of its own, to be changed by a test."""
    return runs.open_run(shutil.copytree(made.path, tmp_path / made.name))


def test_a_cross_validation_judges_every_file_once_by_a_model_that_never_saw_it(run, tones, capsys):
    report = evaluate.evaluate_run(run)
    rows = run.table("predictions.csv")
    assert report["n"] == len(rows) == len({row["example"] for row in rows}) == 24
    assert report["split"] == "out of fold" and run.is_complete
    assert [one.name for one in runs.list_runs(run.path.parent)] == [run.name], "it is listed once"
    for k in range(1, 5):
        fold = runs.get_fold(run, k)
        sides = {row["example"]: row["split"] for row in fold.table("split.csv")}
        tested = [name for name, side in sides.items() if side == "test"]
        assert fold.is_complete and fold.read("report.json")["n"] == len(tested) > 0
        assert {row["example"] for row in run.table("split.csv") if row["fold"] == str(k)} == set(tested)
        its = {row["example"]: row for row in fold.table("predictions.csv")}
        assert set(its) == set(tested)
        assert all(its[row["example"]] == row for row in rows if row["example"] in its)
    # and a model from all files is served
    facts = run.read("run.json")
    sides = [row["split"] for row in run.table("split.csv")]
    assert sides.count("train") + sides.count("val") == 24 and "test" not in sides
    assert facts["split"] == {**facts["split"], "folds": 4, "test": 24, "train": sides.count("train")}
    answer = Predictor(run).predict(next(tones.rglob("low/*.wav")))
    assert answer.label == "low" and (run.path / "model.onnx").is_file()
    assert not (runs.get_fold(run, 1).path / "model.onnx").exists()
    assert report["unlike_training"] is None  # six validation files or fewer a fold
    for n, words in ((18, "1 of 18; unknown for the other 6"), (24, "1 of 24\n")):
        output.print_report(run.path, {**report, "unlike_training": {"flagged": 1, "n": n}})
        assert f"flagged as out-of-distribution: {words}" in capsys.readouterr().out


def test_a_cross_validation_that_was_stopped_goes_on_where_it_was(run, monkeypatch):
    run.update(status="started")
    (run.path / "model.skops").unlink()
    before = runs.get_fold(run, 2).path / "model.skops"
    stamp = before.stat().st_mtime_ns
    shutil.rmtree(runs.get_fold(run, 3).path)
    runs.get_fold(run, 4).update(status="started")
    training.resume_run(run)
    assert {one.info.status for one in (run, runs.get_fold(run, 3), runs.get_fold(run, 4))} == {"trained"}
    assert before.stat().st_mtime_ns == stamp  # a fold that was trained is not trained again
    assert evaluate.evaluate_run(run)["n"] == 24


def test_a_damaged_fold_is_trained_again_when_its_run_is_resumed(run, musicml):
    third = runs.get_fold(run, 3)
    (third.path / "run.json").write_text("{")
    code, _, err = musicml("evaluate", run.path)
    assert code == 2 and f"musicml train --resume {run.path}`" in err
    code, _, err = musicml("train", "--resume", runs.get_fold(run, 2).path)
    assert code == 2 and f"musicml train --resume {run.path}`" in err
    run.update(status="started")
    training.resume_run(run)
    assert third.read("run.json")["status"] == "trained" and evaluate.evaluate_run(run)["n"] == 24


def test_the_folds_of_a_run_are_part_of_its_split_hash(made, tones, tones_toml, data_root, tmp_path):
    settings = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": 2})
    other = training.train_experiment(settings, data_root, tmp_path, folder=tones)
    assert other.read("run.json")["split"]["hash"] != made.read("run.json")["split"]["hash"]
    with pytest.raises(InputError, match="tones has changed .* splits differ"):
        changed = made.read("run.json") | {"status": "started", "split": other.read("run.json")["split"]}
        again = shutil.copytree(made.path, tmp_path / "again")
        (again / "run.json").write_text(json.dumps(changed))
        training.resume_run(runs.open_run(again))


def test_files_of_folds_that_are_gone_are_named_and_the_others_judged(run, tones, data_root, tones_toml, tmp_path):
    folder = shutil.copytree(tones, tmp_path / "mine")
    settings = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": 2})
    made = training.train_experiment(settings, data_root, tmp_path / "runs", folder=folder)
    shutil.rmtree(folder / "low")
    report = evaluate.evaluate_run(made)
    assert report["n"] == 16 and len(report["unreadable"]) == 8


def test_folds_beside_the_data_sets_own_lists_are_refused_when_the_file_is_read(tones_toml):
    said = 'data.folds = 3 requires a split that can be repeated, but data.split = "off'
    with pytest.raises(InputError, match=said):
        config.read_experiment(tones_toml, {"data.folds": 3})
    with pytest.raises(InputError, match="data.folds = 21 must be an integer from 0 to 20"):
        config.read_experiment(tones_toml, {"data.folds": 21, "data.split": "group"})


def test_a_clean_split_says_how_many_groups_hold_and_not_that_none_is_known(tones, tones_toml, data_root, tmp_path):
    said = []
    for kind in ("clean", "group"):
        settings = config.read_experiment(tones_toml, {"data.split": kind, "data.folds": 2})
        dataset = loading.load_folder(tones)
        said.append([])
        with capture_messages(said[-1].append):
            preparation.prepare_data(settings, dataset, data_root, 0)
    known, unknown = "near-duplicates share a group: 24 files, ", "no groups are known"
    assert any(known in words for words in said[0]) and not any(unknown in words for words in said[0])
    assert any(unknown in words for words in said[1]) and not any(known in words for words in said[1])


def test_a_class_that_one_fold_of_a_forest_can_not_learn_is_named_before_anything_is_trained(tones, tones_toml):
    dataset = loading.load_folder(tones)
    side = np.where(np.arange(24) % 8 < 4, "train", "test").astype(object)
    split = splitting.Split(side, "fold 1 of 2, group")
    preparation.check_both_kinds(dataset, [split])
    looked = {"high": False, "low": False}  # of several classes at once; `middle` was looked for only where it is
    examples = tuple(replace(one, labels={**looked, **one.labels}) for one in dataset.examples)
    dataset = replace(dataset, task="multi", examples=examples)
    with pytest.raises(InputError, match=r"middle has one kind \(fold 1 of 2, group\)"):
        preparation.check_both_kinds(dataset, [split])


def test_each_example_can_be_decided_by_the_thresholds_of_its_own_fold():
    scores, thresholds = np.full((2, 3), 0.4), np.array([[0.3, 0.5, 0.3], [0.5, 0.3, 0.5]])
    assert metrics.apply_thresholds(scores, "multi", thresholds).tolist() == [[True, False, True], [False, True, False]]
    made = metrics.compute_report(scores, np.ones((2, 3)), np.array(["a", "b"]), ["x", "y", "z"], "multi", thresholds)
    assert [row["said"] for row in made["per_class"]] == [1, 1, 1]


def test_a_split_by_lists_that_are_not_there_is_refused_before_any_file_is_read(tones_toml, tones, tmp_path):
    for kind, lacks in (("filtered", "fault-filtered lists"), ("artist", "an index of artists")):
        settings, said = config.read_experiment(tones_toml, {"data.split": kind}), []
        with pytest.raises(InputError, match=f"requires {lacks}"):
            with capture_messages(said.append):
                training.train_experiment(settings, tmp_path / "data", tmp_path / "runs", folder=tones)
        assert said == [loading.load_folder(tones).describe()]
        assert not (tmp_path / "data").exists() and not (tmp_path / "runs").exists()
