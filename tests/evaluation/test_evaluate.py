import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from musicml.evaluation import evaluate
from musicml.experiment import run as runs
from musicml.inference import predictor
from musicml.utils.errors import InputError
from tests.conftest import write_tone


@pytest.fixture
def foreign(tones, tmp_path):
    """Another folder of tones, with a class that the run on tones does not know."""
    for name, hertz in (("low", 210), ("high", 2600), ("organ", 1200)):
        for number in range(3):
            write_tone(tmp_path / "other" / name / f"{number}.wav", hertz + number, seed=7)
    return tmp_path / "other"


def test_another_folder_is_scored_and_a_foreign_class_is_named_and_left_out(
    asked_about_tones, foreign, musicml, snapshot
):
    before = snapshot(asked_about_tones.path)
    code, out, err = musicml("evaluate", asked_about_tones.path, "--on", foreign, "--json")
    report = json.loads(out)
    assert code == 0 and "classes that the run does not have: organ" in err
    assert report["left_out"] == ["organ"] and report["n"] == 6 and report["split"] == str(foreign)
    assert report["metrics"]["accuracy"] == 1.0 and len(report["intervals"]["accuracy"]) == 2
    assert snapshot(asked_about_tones.path) == before


def test_a_folder_without_a_class_of_the_run_is_refused(asked_about_tones, foreign, musicml, snapshot):
    for name in ("low", "high"):
        (foreign / name).rename(foreign / f"{name}er")
    before = snapshot(asked_about_tones.path)
    code, out, err = musicml("evaluate", asked_about_tones.path, "--on", foreign)
    assert (code, out) == (2, "") and "must have folders named as the classes of run" in err and "Traceback" not in err
    assert "organ" in err and "middle" in err, "it names what is there and what is known"
    assert snapshot(asked_about_tones.path) == before


def test_unreadable_files_of_another_folder_are_named_and_not_scored(asked_about_tones, foreign, musicml):
    (foreign / "low/0.wav").write_text("no sound")
    code, out, err = musicml("evaluate", asked_about_tones.path, "--on", foreign, "--json")
    report = json.loads(out)
    assert code == 0 and report["n"] == 5 and "1 could not be read" in err
    assert len(report["unreadable"]) == 1 and "low/0.wav" in report["unreadable"][0]


def test_pictures_by_a_run_on_sound_and_a_folder_by_one_on_shipped_features_can_not_be_scored(
    asked_about_tones, trained, tones, pictures, tmp_path
):
    for run, folder, its, known, words in (
        (asked_about_tones, pictures, "red", "low", "No test file"),
        (trained("forest"), tones, "low", "guitar", "is multi-label"),
    ):
        copy = shutil.copytree(folder, tmp_path / folder.name)
        (copy / its).rename(copy / known)
        with pytest.raises(InputError, match=words):
            evaluate.evaluate_run(run, copy)


def test_files_that_the_run_trained_on_are_left_out_of_another_folder(asked_about_tones, tones, musicml):
    sides = [row["split"] for row in asked_about_tones.table("split.csv")]
    code, out, err = musicml("evaluate", asked_about_tones.path, "--on", tones, "--json")
    report = json.loads(out)
    assert code == 0 and report["n"] == sides.count("test") and report["trained_on"] == len(sides) - sides.count("test")
    assert "because the run was trained on them" in err


def test_a_damaged_model_is_a_sentence(trained, tmp_path):
    for name, family in (("model.onnx", "cnn"), ("model.keras", "cnn"), ("model.skops", "forest")):
        run = runs.Run(shutil.copytree(trained(family).path, tmp_path / name))
        (run.path / name).write_bytes(b"junk")
        with pytest.raises(InputError, match="was damaged or comes from another run"):
            predictor.Predictor(run, "onnx" if name == "model.onnx" else "keras").load_model()
    (run.path / "serving.json").write_text("{}")
    with pytest.raises(InputError, match="serving.json of run .* is incomplete"):
        predictor.Predictor(run)


def test_a_test_file_that_vanished_is_named_and_the_others_are_scored(tones, tones_toml, data_root, musicml, tmp_path):
    from musicml.experiment import config
    from musicml.training import train as training

    folder = shutil.copytree(tones, tmp_path / "tones")
    run = training.train_experiment(config.read_experiment(tones_toml), data_root, tmp_path / "runs", folder=folder)
    tested = [row["example"] for row in run.table("split.csv") if row["split"] == "test"]
    (folder / tested[0]).write_bytes(b"")
    report = evaluate.evaluate_run(run)
    assert run.is_complete and report["n"] == len(tested) - 1
    assert [line.split(":")[0] for line in report["unreadable"]] == tested[:1]


def test_observed_cells_alone_are_scored_where_several_classes_sound_at_once(trained, material_of):
    run, (_, material) = trained("multi"), material_of("multi")
    targets = material.dataset.targets()[material.split.indices("test")]
    report = run.read("report.json")
    assert report["observed"] == int((~np.isnan(targets)).sum()) < targets.size
    assert report["main_metric"] == "mean_average_precision"
    assert 0 <= report["metrics"]["mean_f1_both_sides"] <= 1 and "accuracy" not in report["metrics"]
    for row in run.table("predictions.csv"):
        assert not set(filter(None, row["labels"].split("|"))) & set(filter(None, row["absent"].split("|")))
    said = sum(
        len([name for name in row[key].split("|") if name])
        for row in run.table("predictions.csv")
        for key in ("labels", "absent")
    )
    assert said == report["observed"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can tell whether a process is over")
def test_an_evaluation_clears_up_what_a_killed_one_left_half_written(asked_about_tones, tmp_path):
    run = runs.Run(shutil.copytree(asked_about_tones.path, tmp_path / asked_about_tones.name))
    wanted = sorted(path.name for path in run.path.iterdir())
    for name in ("report.json", "predictions.csv", "clips.npz"):
        (run.path / name).unlink()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    (run.path / "folds/1").mkdir(parents=True)
    for name in (".report.{}.json", ".clips.{}.npz", "folds/1/.report.{}.json", ".noending.{}"):
        (run.path / name.format(process.pid)).write_bytes(b"half")
    kept = [f".report.{os.getpid()}.json", ".lock", ".note.v2.json", ".report..json"]
    for name in kept:
        (run.path / name).write_bytes(b"a living process's, or a person's")
    evaluate.evaluate_run(run)
    assert run.is_complete and list((run.path / "folds/1").iterdir()) == []
    assert sorted(path.name for path in run.path.iterdir()) == sorted([*wanted, *kept[1:], "folds"])
