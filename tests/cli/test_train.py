import itertools
import os
import shutil
from dataclasses import replace

import pytest

from musicml import train as train_and_evaluate
from musicml import training
from musicml.experiment import run as runs
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, TONES, write_tone
from tests.fixtures.command_output import FIGURES, OF_A_REPORT, one_object


def test_training_prints_one_json_object_and_its_progress_on_standard_error(
    tones, data_root, musicml, trained, tmp_path
):
    words = ["train", EXPERIMENTS / "genre_gru.toml", "--folder", tones, "--data-root", data_root, "--runs", tmp_path]
    small = ["model.units=[4]", "training.epochs=1", "features.sample_rate=8000", "clips.seconds=1.0"]
    code, out, err = musicml(*words, "--json", *[word for change in small for word in ("--set", change)])
    said = one_object(out)
    assert code == 0 and set(said) >= OF_A_REPORT and set(said["metrics"]) >= FIGURES
    assert said["split"] == "test" and said["main_metric"] == "accuracy" and said["sample"] is False
    assert set(said["intervals"]) >= FIGURES
    assert all(low <= high for low, high in filter(None, said["intervals"].values()))
    for words in ("genre_gru", "dtype policy: float32", "epoch 1/1", "s left", "evaluated"):
        assert words in err
    (run,) = runs.list_runs(tmp_path)
    assert said["run"] == str(run.path) and run.is_complete


def test_set_and_seed_reach_the_run(tones, tones_toml, data_root, musicml, tmp_path):
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", tmp_path, "--json"]
    changes = ["--set", "model.n_estimators=3", "--set", "features.n_mels=12", "--set", "data.split=group"]
    code, out, _ = musicml(*words, "--seed", 3, *changes)
    (run,) = runs.list_runs(tmp_path)
    facts = run.read("run.json")
    assert code == 0 and one_object(out)["run"].endswith("-s3") and facts["seed"] == facts["split"]["seed"] == 3
    assert facts["overrides"] == {"model.n_estimators": 3, "features.n_mels": 12, "data.split": "group"}
    assert facts["settings"]["model"]["n_estimators"] == 3
    assert run.read("serving.json")["features"]["n_mels"] == run.read("serving.json")["input_shape"][1] == 12
    assert all(layer["trees"] == 3 for layer in run.read("layers.json"))
    code, _, _ = musicml(*words, "--seed", 4, *changes)
    first, second = (run.table("split.csv") for run in runs.list_runs(tmp_path))
    assert code == 0 and first != second


def test_files_shorter_than_a_clip_are_repeated_with_a_message(tones_toml, data_root, musicml, tmp_path):
    for name, hertz in (("low", 200), ("high", 2500)):
        for number in range(6):
            write_tone(tmp_path / "short" / name / f"{number}.wav", hertz + number, 0.3)
    words = ["train", tones_toml, "--folder", tmp_path / "short", "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, _, err = musicml(*words)
    assert code == 0 and "12 of 12 files have a warning. The first, high/0.wav: " in err
    (line,) = [line for line in err.splitlines() if "have a warning" in line]
    assert "0.3" in line and "repeated" in line
    (run,) = runs.list_runs(tmp_path / "runs")
    assert run.info.data.with_warnings == 12 and run.is_complete


# folders as people have them


def test_a_training_lists_the_files_that_it_read_and_skipped(musicml, tones, tones_toml, data_root, tmp_path):
    folder = tmp_path / "mine"
    for side, name in itertools.product(("Training_Data", "Test_Data"), ("low", "high")):
        shutil.copytree(tones / name, folder / side / name)
    odd = [folder / "Test_Data/low" / os.fsdecode(b"Cort\xe9ge %d.wav" % number) for number in range(3)]
    for number, path in enumerate(odd):
        shutil.copy(tones / f"high/{number}.wav", path)
    (folder / "Training_Data/low/notes.txt").write_text("mine")
    (folder / "Training_Data/low/gone.wav").symlink_to("nowhere.wav")
    (folder / "Training_Data/high/Thumbs.db").write_bytes(b"")
    for k, path in enumerate(sorted(folder.rglob("*.wav"))):  # equal content would be taken off the training side
        if not path.is_symlink():
            write_tone(tmp_path / "one.wav", 200 + 20 * k, seed=k)
            shutil.copy(tmp_path / "one.wav", path)
    grouped = [path.relative_to(folder) for path in sorted((folder / "Test_Data").rglob("?.wav"))]
    rows = "".join("\\".join(path.parts) + f",{path.stem}\n" for path in grouped)
    (folder / "groups.csv").write_text(f"file,group\n{rows}Test_Data/low/99.wav,A\n")
    words = ["--folder", folder, "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, _, err = musicml("train", tones_toml, *words, "--set", "data.split=official")
    (run,) = runs.list_runs(tmp_path / "runs")
    said = err.splitlines()
    first = next(place for place, line in enumerate(said) if line.startswith("mine: "))
    assert code == 0, err
    assert said[first] == "mine: 35 sound files in 2 classes (high, low); splits: train 16, test 19"
    assert said[first + 1] == "groups.csv assigns 16 of 35 files to 8 groups"
    assert said[first + 2].startswith("rows of groups.csv that match no file, or several: 1, the first ")
    assert said[first + 3].startswith("files in no row of groups.csv, each in a group of its own: 19, the first")
    assert "2 files left out (listed in excluded.csv). The first: " in err
    assert "left out, by file type: .txt 1, .wav 1" in err
    excluded = {row["file"]: row["reason"] for row in run.table("excluded.csv")}
    assert excluded["Training_Data/low/gone.wav"] == "a broken link"
    assert excluded["Training_Data/low/notes.txt"] == "not a sound file: it looks like text"
    judged = {row["example"] for row in run.table("predictions.csv")}
    assert len(judged) == 19 and {f"Test_Data/low/Cort\\xe9ge {number}.wav" for number in range(3)} <= judged


# what --set is checked against


OPTIONS = ("plateau_patience=2", "warmup=0.1")  # refused by the recipe for sample data, and allowed by it


def read(*_):
    raise InputError("data is read")


@pytest.mark.parametrize(
    ("command", "on_sample", "change"),
    [
        ("train", True, "training.warmup=0.1"),
        ("train", False, "training.plateau_patience=2"),
        ("train", True, "training.plateau_patience=2"),
        *((command, True, f"training.{option}") for command in ("tune", "leak", "train-all") for option in OPTIONS),
    ],
)
def test_set_is_checked_against_the_trained_recipe_before_data_is_read(
    command, on_sample, change, tones, data_root, musicml, monkeypatch, tmp_path
):
    is_fine = on_sample == (change == "training.warmup=0.1")
    for place in ("training.train", "training.tuning.search", "evaluation.leakage"):
        monkeypatch.setattr(f"musicml.{place}.load_dataset", read)
    path = tmp_path / "experiments/mine.toml"
    path.parent.mkdir()
    path.write_text(f'{TONES}[tune]\nmodel.n_estimators = [2, 3]\n[sample]\ntraining.schedule = "cosine"\n')
    words = ["--data-root", data_root, "--runs", tmp_path, "--set", change]
    words += ["--data", "sample"] if on_sample else ["--folder", tones]
    named = ["--experiments", path.parent, "--jobs", 1] if command == "train-all" else [path]
    code, _, err = musicml(command, *named, *words)
    assert code in (1, 2) and ("data is read" in err) == is_fine and ("cosine" in err) == (not is_fine), err


@pytest.mark.parametrize(("change", "is_fine"), [("training.warmup", False), ("training.plateau_patience", True)])
def test_changes_in_python_are_checked_against_the_trained_recipe(change, is_fine, tones, monkeypatch, tmp_path):
    monkeypatch.setattr("musicml.training.train.load_dataset", read)
    path = tmp_path / "mine.toml"
    path.write_text(f'{TONES}[sample]\ntraining.schedule = "cosine"\n')
    with pytest.raises(InputError, match="data is read" if is_fine else "cosine"):
        changes = {change: 0.1 if change.endswith("warmup") else 2}
        train_and_evaluate(path, changes=changes, folder=tones, runs_root=tmp_path)


# --plan


@pytest.fixture
def plan_words(tones, tones_toml, tmp_path):
    folders = ["--folder", tones, "--data-root", tmp_path / "data", "--runs", tmp_path / "runs"]
    return ["train", tones_toml, *folders, "--plan"]


def test_a_plan_prints_estimates_and_starts_nothing(plan_words, musicml, tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICML_CONFIG", str(tmp_path / "settings"))
    code, out, _ = musicml(*plan_words)
    assert code == 0 and list(tmp_path.iterdir()) == []
    lines = out.splitlines()
    assert lines[0] == "tones on tones: an estimate. Nothing was started or written."
    assert lines[1].startswith("files") and "24, 0.00667 hours of audio; measured: headers of 24" in lines[1]
    for words in ("this machine", "1 worker ", "4 workers", "16 workers", "reading each new file once", "in all"):
        assert words in out
    assert "Fitting by scikit-learn was not measured" in out


def test_a_plan_as_json_has_plain_numbers(plan_words, musicml, tmp_path):
    code, out, _ = musicml(*plan_words, "--json", "--workers", 8, "--workers", 2)
    found = one_object(out)
    assert code == 0 and list(tmp_path.iterdir()) == []
    assert (found["n_files"], found["n_cached"], found["n_models"], found["epochs"]) == (24, 0, 1, 0)
    assert [(row["n_workers"], row["is_this_machine"]) for row in found["times"]][1:] == [(2, False), (8, False)]
    parts = ("reading", "features", "frozen", "training", "evaluation")
    for row in found["times"]:
        assert row["total"] == pytest.approx(sum(row[part] for part in parts))


def test_large_numbers_of_a_plan_have_all_their_digits(plan_words, musicml, monkeypatch):
    make_plan = training.make_plan

    def make_large(*given):
        return replace(make_plan(*given), hours=8160.4, seconds_per_file=1.5, n_files=106_574)

    monkeypatch.setattr(training, "make_plan", make_large)
    _, out, _ = musicml(*plan_words)
    assert "106574, 8160 hours of audio" in out and "1500 ms of features" in out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--workers", 2], "--workers only says which times --plan estimates"),
        (["--plan", "--workers", 0], "expected a whole number from 1"),
        (["--plan", "--set", "features.kind=pixels"], "no key 'sample_rate'"),
    ],
)
def test_options_without_sense_are_rejected(words, error, tones, tones_toml, musicml, capfd):
    try:
        code, _, err = musicml("train", tones_toml, "--folder", tones, *words)
    except SystemExit as stop:  # of argparse
        code, err = stop.code, capfd.readouterr().err
    assert code == 2 and error in err


def test_a_plan_of_a_resumed_run_is_rejected(musicml):
    code, _, err = musicml("train", "--resume", "anything", "--plan")
    assert code == 2 and "--plan estimates a new training" in err
