import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from musicml.cli import output
from musicml.experiment import process
from musicml.experiment import run as runs
from musicml.utils import InputError
from tests.conftest import EXPERIMENTS, TONES
from tests.fixtures.command_output import OF_A_REPORT, one_object

MARK = ".train-all"


@pytest.fixture
def experiments(tmp_path):
    """A folder of four experiments: one that cannot be read, one that fails in training, two valid ones."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a_impossible.toml").write_text(TONES.replace("n_mels = 16", "n_mels = -1"))
    (folder / "b_good.toml").write_text(TONES)
    (folder / "c_pictures.toml").write_text((EXPERIMENTS / "instrument_images_resnet50.toml").read_text())
    (folder / "d_good.toml").write_text(TONES)
    return folder


def test_train_all_continues_names_failures_and_ends_with_a_table(experiments, data_root, musicml, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, out, err = musicml(*words, "--set", "data.dataset=gtzan", "--set", "data.split=group")
    assert code == 1 and "Traceback" not in err
    assert "a_impossible failed: features.n_mels = -1" in err and "c_pictures failed: " in err
    lines = out.splitlines()
    assert lines[0].split()[0] == "experiment" and lines[-1] == output.SAMPLE_NOTE
    assert [line.split()[0] for line in lines[1:5]] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["failed" in line for line in lines[1:5]] == [True, False, True, False]
    assert all("accuracy" in lines[place] and " s " in lines[place] for place in (2, 4))
    whole = [run for run in runs.list_runs(tmp_path / "runs") if run.is_complete]
    assert [run.info.experiment for run in whole] == ["b_good", "d_good"]
    assert all(str(run.path) in out for run in whole)


def test_train_all_continues_after_any_exception(experiments, data_root, musicml, monkeypatch, tmp_path):
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


def test_train_all_trains_in_parallel_and_prefixes_log_lines(experiments, data_root, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    words += ["--jobs", "2", "--json", "--set", "data.dataset=gtzan", "--set", "data.split=group"]
    # a new process, to capture the output of its workers too
    ended = subprocess.run([sys.executable, "-m", "musicml.cli", *map(str, words)], capture_output=True, text=True)
    rows = one_object(ended.stdout)["experiments"]
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert [row["experiment"] for row in rows] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["error" in row for row in rows] == [True, False, True, False]
    assert "a_impossible: failed: features.n_mels = -1" in ended.stderr
    said = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert set(said) == {"a_impossible", "b_good", "c_pictures", "d_good"}
    assert {Path(row["run"]).name for row in rows if "run" in row} == {
        run.name for run in runs.list_runs(tmp_path / "runs") if run.is_complete
    }


def test_train_all_uses_the_experiments_of_musicml_if_the_current_folder_has_none(musicml, monkeypatch, tmp_path):
    def score(train_one, runs_root, path):
        return {"experiment": path.stem, "error": "not trained", "seconds": 0.0}

    monkeypatch.setattr("musicml.cli.train_all._score", score)
    monkeypatch.chdir(tmp_path)
    code, out, _ = musicml("train-all", "--jobs", 1, "--json")
    names = [row["experiment"] for row in one_object(out)["experiments"]]
    assert code == 1 and names == sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))


class Killed(BaseException):
    """Stands for a kill: no `except Exception` cleans up after it."""


@pytest.fixture
def two(tmp_path):
    """A folder of two small experiments."""
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.toml").write_text(TONES)
    return folder


@pytest.fixture
def killed_at(monkeypatch):
    """Kill the training of an experiment, before or after its model is trained."""
    from musicml.training import trainer

    real = trainer.train_forest

    def kill(name, is_trained=False):
        def train(run, *rest):
            trained = real(run, *rest) if is_trained or run.info.experiment != name else None
            if run.info.experiment == name:
                raise Killed
            return trained

        monkeypatch.setattr(trainer, "train_forest", train)

    kill.never = lambda: monkeypatch.setattr(trainer, "train_forest", real)
    return kill


def rows_of(out):
    return {row["experiment"]: row for row in one_object(out)["experiments"]}


@pytest.fixture
def train_two(two, data_root, musicml, tmp_path):
    """Run `musicml train-all` on the two with more options. Return exit code, rows and standard error."""

    def train(*words, root="runs"):
        asked = ("--experiments", two, "--data-root", data_root, "--runs", tmp_path / root)
        code, out, err = musicml("train-all", *asked, "--json", *words)
        return code, rows_of(out) if out else {}, err

    return train


def figures(rows):
    return {name: (row["metrics"], row["intervals"]) for name, row in rows.items()}


def test_train_all_that_was_killed_twice_continues_with_the_same_result(train_two, killed_at, tmp_path):
    uncut = train_two("--deterministic", root="uncut")[1]
    assert not (tmp_path / "uncut" / MARK).exists()
    for name, is_trained in (("a", False), ("b", True)):
        killed_at(name, is_trained)
        with pytest.raises(Killed):
            train_two("--deterministic", root="cut")
    killed_at.never()
    before = {run.name for run in runs.list_runs(tmp_path / "cut")}
    code, rows, err = train_two("--deterministic", root="cut")
    assert code == 0 and "continuing the train-all" in err and "a-" in err
    assert figures(rows) == figures(uncut)
    assert {run.name for run in runs.list_runs(tmp_path / "cut") if run.is_complete} == before  # none was trained twice
    assert not (tmp_path / "cut" / MARK).exists()


def test_train_all_resumes_only_runs_of_the_same_training(train_two, two, killed_at, monkeypatch, tmp_path):
    killed_at("b")
    with pytest.raises(Killed):
        train_two()
    start, begun = tmp_path / "runs" / MARK / "started.json", []
    kept = start.read_text()

    def begin(path, args):
        begun.append(path.stem)
        raise InputError("not trained")

    monkeypatch.setattr("musicml.cli.train_all.train", begin)
    time.sleep(1.1)  # start times are whole seconds, and --anew must start later than the run
    for change in (["--seed", 3], ["--set", "training.epochs=2"], ["--deterministic"], ["--anew"], []):
        start.write_text(kept)
        for path in two.iterdir() if not change else ():
            path.write_text(f"# edited\n{TONES}")
        assert train_two(*change)[0] == 1
    assert begun == ["a", "b"] * 5


@pytest.mark.parametrize("content", ["", "[]", '{"started": 3}'])
def test_train_all_starts_again_if_its_state_is_damaged_or_complete(train_two, monkeypatch, tmp_path, content):
    row = {"experiment": "a", "skipped": "", "seconds": 0.0}
    monkeypatch.setattr("musicml.cli.train_all._score", lambda *_: row)
    (tmp_path / "runs" / MARK).mkdir(parents=True)
    (tmp_path / "runs" / MARK / "started.json").write_text(content)
    for _ in range(2):
        code, _, err = train_two()
        assert code == 0 and "continuing" not in err and not (tmp_path / "runs" / MARK).exists()


def test_train_all_is_rejected_while_another_runs(train_two, tmp_path):
    with process.hold_folder(tmp_path / "runs" / MARK, InputError("held")):
        code, _, err = train_two()
    assert code == 2 and "Another train-all is running" in err and not runs.list_runs(tmp_path / "runs")


def test_train_all_waits_for_a_run_that_another_process_still_trains(train_two, killed_at, monkeypatch, tmp_path):
    killed_at("b")
    with pytest.raises(Killed):
        train_two()
    killed_at.never()
    held = runs.list_runs(tmp_path / "runs")[-1]
    holding = contextlib.ExitStack()
    holding.enter_context(process.hold_folder(held.path, InputError("held")))
    clock = SimpleNamespace(sleep=lambda seconds: holding.close(), perf_counter=time.perf_counter)
    monkeypatch.setattr("musicml.cli.train_all.time", clock)  # not time.sleep itself, which others call too
    code, rows, err = train_two()
    assert code == 0 and rows["b"]["run"] == str(held.path), err
    assert "waiting until it ends" in err


def test_train_all_repeats_only_failed_experiments(train_two, monkeypatch):
    from musicml.training import trainer

    def fail(run, *rest):
        if run.info.experiment == "b":
            raise TypeError("a fault")
        return real(run, *rest)

    real = trainer.train_forest
    monkeypatch.setattr(trainer, "train_forest", fail)
    code, rows, _ = train_two()
    assert code == 1 and "error" in rows["b"]
    monkeypatch.setattr(trainer, "train_forest", real)
    again, told, _ = train_two()
    assert again == 0 and told["a"]["run"] == rows["a"]["run"] and "error" not in told["b"]
