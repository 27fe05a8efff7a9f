import subprocess
import sys
from pathlib import Path

import pytest

from musicml.cli import output
from musicml.experiment import run as runs
from tests.conftest import EXPERIMENTS, TONES
from tests.fixtures.command_output import OF_A_REPORT, one_object


@pytest.fixture
def experiments(tmp_path):
    """A folder of four experiments: one that can't be read, one that fails in training, two that are sound."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a_impossible.toml").write_text(TONES.replace("n_mels = 16", "n_mels = -1"))
    (folder / "b_good.toml").write_text(TONES)
    (folder / "c_pictures.toml").write_text((EXPERIMENTS / "instrument_images_resnet50.toml").read_text())
    (folder / "d_good.toml").write_text(TONES)
    return folder


def test_train_all_goes_on_names_what_failed_and_closes_with_a_table(experiments, data_root, musicml, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, out, err = musicml(*words, "--set", "data.dataset=gtzan", "--set", "data.split=group")
    assert code == 1 and "Traceback" not in err
    assert "a_impossible failed: features.n_mels = -1" in err and "c_pictures failed: " in err
    lines = out.splitlines()
    assert lines[0].split()[0] == "experiment" and lines[-1] == output.SAMPLE_NOTE
    assert [line.split()[0] for line in lines[1:5]] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["failed" in line for line in lines[1:5]] == [True, False, True, False]
    assert all("accuracy" in lines[place] and " s " in lines[place] for place in (2, 4))
    whole = [run for run in runs.list_runs(tmp_path / "runs") if run.is_whole]
    assert [run.info.experiment for run in whole] == ["b_good", "d_good"]
    assert all(str(run.path) in out for run in whole)


def test_train_all_goes_on_whatever_an_experiment_raises(experiments, data_root, musicml, monkeypatch, tmp_path):
    from musicml.training import trainer

    (experiments / "c_pictures.toml").unlink()
    real = trainer.train_forest

    def sometimes(run, *rest):
        if "b_good" in run.name:
            raise TypeError("a fault\nwith a second line")
        return real(run, *rest)

    monkeypatch.setattr(trainer, "train_forest", sometimes)
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs", "--json"]
    code, out, err = musicml(*words, "--set", "data.split=group")
    rows = {row["experiment"]: row for row in one_object(out)["experiments"]}
    assert code == 1 and rows["b_good"]["error"] == "a fault" and "b_good failed: a fault" in err
    assert set(rows["d_good"]) >= OF_A_REPORT | {"seconds"} and "error" not in rows["d_good"]


def test_train_all_ends_with_0_where_all_is_well(experiments, data_root, musicml, tmp_path):
    for name in ("a_impossible", "c_pictures", "d_good"):
        (experiments / f"{name}.toml").unlink()
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs", "--json"]
    code, out, _ = musicml(*words)
    assert code == 0 and [row["experiment"] for row in one_object(out)["experiments"]] == ["b_good"]


def test_train_all_trains_several_at_a_time_and_says_whose_words_are_whose(experiments, data_root, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    words += ["--jobs", "2", "--json", "--set", "data.dataset=gtzan", "--set", "data.split=group"]
    # a process of its own, whose words are those of the processes that it starts, too
    ended = subprocess.run([sys.executable, "-m", "musicml.cli", *map(str, words)], capture_output=True, text=True)
    rows = one_object(ended.stdout)["experiments"]
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert [row["experiment"] for row in rows] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["error" in row for row in rows] == [True, False, True, False]
    assert "a_impossible: failed: features.n_mels = -1" in ended.stderr
    said = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert set(said) == {"a_impossible", "b_good", "c_pictures", "d_good"}
    assert {Path(row["run"]).name for row in rows if "run" in row} == {
        run.name for run in runs.list_runs(tmp_path / "runs") if run.is_whole
    }


def test_train_all_takes_the_experiments_of_musicml_where_the_current_folder_has_none(musicml, monkeypatch, tmp_path):
    def score(train_one, runs_root, path):
        return {"experiment": path.stem, "error": "not trained", "seconds": 0.0}

    monkeypatch.setattr("musicml.cli.train_all._score", score)
    monkeypatch.chdir(tmp_path)
    code, out, _ = musicml("train-all", "--jobs", 1, "--json")
    names = [row["experiment"] for row in one_object(out)["experiments"]]
    assert code == 1 and names == sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))
