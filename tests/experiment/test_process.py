"""The lock of a folder that one process at a time writes."""

import errno
import os
import subprocess
import sys

import pytest

from musicml.experiment import config, process
from musicml.experiment import run as runs
from musicml.training import train as training
from musicml.utils.errors import InputError

HOLDER = """
import pathlib, sys, time
from musicml.experiment import process
from musicml.utils import InputError
with process.hold_folder(pathlib.Path(sys.argv[1]), InputError("held")):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder):
    return process.hold_folder(folder, InputError("held already"))


@pytest.fixture
def held_by_another(tmp_path):
    """A process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def test_a_folder_is_held_by_one_process_and_let_go_when_that_is_killed(tmp_path, held_by_another):
    with pytest.raises(InputError, match="held already"), hold(tmp_path):
        pass
    held_by_another.kill()
    held_by_another.wait()
    assert (tmp_path / process.LOCK).exists(), "a kill leaves the file, and nobody holds it"
    with hold(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_is_held_once_in_a_process_too_and_again_after_it(tmp_path):
    for _ in range(2):
        with hold(tmp_path / "new"):
            with pytest.raises(InputError, match="held already"), hold(tmp_path / "new"):
                pass
        assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_is_let_go_whatever_ends_the_work(tmp_path, error):
    with pytest.raises(error), hold(tmp_path):
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_written_all_the_same(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no locks")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)
    with hold(tmp_path):
        (tmp_path / "written").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path, monkeypatch):
    from filelock import FileLock

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(InputError, match="its folder is not writable"), hold(tmp_path):
        pass


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (
            {"id": os.getpid()},
            f"is being trained by process {os.getpid()}. Wait until it ends, or stop that process first",
        ),
        ({"id": 4_194_305}, "is being trained by another process"),  # killed, and its successor has only just begun
        ({"id": 4711, "place": "elsewhere"}, "is being trained by another process, maybe on another machine"),
        (None, "is being trained by another process"),
        ("damaged", "is being trained by another process"),
    ],
    ids=["at work", "killed", "elsewhere", "none", "damaged"],  # a process's number is no name for a test
)
def test_a_refusal_names_the_process_where_it_can_be_found(tmp_path, known, sentence):
    known = {"place": process.get_host_id(), **known} if isinstance(known, dict) else known
    with hold(tmp_path), pytest.raises(InputError, match=sentence), process.hold_run(tmp_path, known):
        pass


@pytest.mark.parametrize("folds", [1, 2])
def test_a_run_that_is_training_is_not_resumed_and_stays_as_it_is(
    tones, tones_toml, data_root, musicml, monkeypatch, tmp_path, folds
):
    from musicml.training import trainer

    said, real = [], trainer.train_forest

    def resume_meanwhile(run, *rest):
        (whole,) = runs.list_runs(tmp_path)
        before = {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()}
        with pytest.raises(InputError, match=r"Run tones-\S+ is being trained by process \d+"):
            training.resume_run(whole)
        said.append(musicml("train", "--resume", whole.path)[2])
        assert {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()} == before
        return real(run, *rest)

    monkeypatch.setattr(trainer, "train_forest", resume_meanwhile)
    read = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": folds})
    run = training.train_experiment(read, data_root, tmp_path, folder=tones)
    assert len(said) == (1 if folds == 1 else 3) and all(f"by process {os.getpid()}. Wait" in words for words in said)
    assert run.status == "trained" and not list(run.path.rglob(process.LOCK))


def test_a_training_that_was_killed_is_resumed_by_the_process_that_run_json_then_names(
    tones, tones_toml, data_root, monkeypatch, tmp_path
):
    from musicml.training import trainer

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(trainer, "train_forest", lambda *_: (_ for _ in ()).throw(RuntimeError))
        training.train_experiment(config.read_experiment(tones_toml), data_root, tmp_path, folder=tones)
    (run,) = runs.list_runs(tmp_path)
    run.update(process={"id": 1, "place": "elsewhere"})
    (run.path / process.LOCK).touch()  # as a kill leaves it
    assert training.resume_run(run).status == "trained"
    assert run.info.process == process.get_process_info() and not (run.path / process.LOCK).exists()
