"""The trash: a deleted run vanishes from lists and comes back as it was."""

import errno
import json
import os
import shlex
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from musicml.experiment import process, trash
from musicml.experiment.run import create_run, list_runs, open_run
from musicml.utils.errors import InputError


def make_run(root, name="genre_gru", **facts):
    """A complete run."""
    run = create_run(root, name, 0, "[data]\n", facts)
    (run.path / "report.json").write_text("{}")
    return run


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


def test_a_deleted_run_is_nowhere_and_comes_back_as_it_was(root, snapshot):
    run, other = make_run(root), make_run(root, "genre_cnn")
    before = snapshot(run.path)
    moved = trash.delete_run(run.name, root)
    assert moved == root / ".trash" / run.name and list_runs(root) == [other]
    assert [one.name for one in trash.list_trash(root)] == [run.name]
    with pytest.raises(InputError, match=f"a deleted run has that name.* `musicml runs --restore {run.name}`"):
        open_run(run.name, root)
    with pytest.raises(InputError, match=f"to delete: it is in the trash.* --restore {run.name}`"):  # twice
        trash.delete_run(run.name, root)
    assert trash.restore_run(run.name, root) == run.path and snapshot(run.path) == before
    assert trash.list_trash(root) == []


def test_runs_of_one_name_stand_beside_each_other_in_the_trash(root):
    run = make_run(root)
    for number in range(3):
        run.path.mkdir(exist_ok=True)
        (run.path / "run.json").write_text(f'{{"format_version": 1, "number": {number}}}')
        (run.path / "report.json").touch()
        trash.delete_run(run.name, root)
    names = [run.name, f"{run.name}~deleted-2", f"{run.name}~deleted-3"]
    assert [one.name for one in trash.list_trash(root)] == names
    assert trash.restore_run(names[2], root) == run.path and '"number": 2' in (run.path / "run.json").read_text()
    with pytest.raises(InputError, match="Could not restore the run"):
        trash.restore_run(names[1], root)
    assert [one.name for one in trash.list_trash(root)] == names[:2]


@pytest.mark.parametrize("name", ["my run (copy)", "genre~2", "-x", "[a]*", "gaya ü", "a'b"])
def test_a_run_of_any_name_is_opened_deleted_and_restored_by_it(root, name):
    make_run(root).path.rename(root / name)
    assert open_run(name, root).name == name
    trash.delete_run(name, root)
    with pytest.raises(InputError) as refused:
        open_run(name, root)
    assert f"--restore {shlex.quote(name)}`" in str(refused.value)
    assert trash.restore_run(name, root) == root / name


def test_a_run_is_named_by_its_name_or_its_folder_and_only_in_the_folder_of_runs(root, tmp_path, monkeypatch):
    run, elsewhere = make_run(root), make_run(tmp_path / "others")
    fold = create_run(run.path / "folds", "genre_gru", 0, "", {})
    trash.delete_run(str(run.path) + "/", root)
    trash.restore_run(str(run.path), root)  # where it was
    trash.delete_run(os.path.relpath(run.path), root)
    trash.restore_run(str(root / ".trash" / run.name), root)  # where it is
    monkeypatch.chdir(run.path)
    trash.delete_run(".", root)
    monkeypatch.chdir(tmp_path)
    assert trash.restore_run(run.name, root) == run.path
    for name in (str(elsewhere.path), str(fold.path), str(root / "x" / ".." / ".." / "others" / elsewhere.name)):
        with pytest.raises(InputError, match="Name its folder of runs with --runs|There is no run"):
            trash.delete_run(name, root)
    for name in ("..", ".", "", "../others", str(root), ".trash", str(tmp_path)):
        with pytest.raises(InputError, match="There is no run"):
            trash.delete_run(name, root)
        with pytest.raises(InputError, match="Expected a run in the trash"):
            trash.restore_run(name, root)
    assert list_runs(root) == [run] and elsewhere.is_complete


def test_an_experiments_name_is_no_run_to_delete(root):
    run = make_run(root)
    with pytest.raises(InputError, match=f"Its latest run is {run.name}"):
        trash.delete_run("genre_gru", root)


def test_a_damaged_run_can_be_deleted_and_restored(root):
    run = make_run(root)
    (run.path / "run.json").write_text("{")
    trash.delete_run(run.name, root)
    assert trash.restore_run(run.name, root) == run.path
    (run.path / "run.json").unlink()
    assert trash.delete_run(run.name, root).is_dir()


def test_of_a_link_the_link_is_deleted_and_not_what_it_leads_to(root, tmp_path):
    run = make_run(tmp_path / "disk")
    root.mkdir()
    (root / "linked").symlink_to(run.path)
    trash.delete_run("linked", root)
    assert run.is_complete and list_runs(root) == []
    assert trash.restore_run("linked", root) == root / "linked" and (root / "linked").is_symlink()
    (run.path / "run.json").unlink()
    run.path.rename(tmp_path / "gone")
    trash.delete_run("linked", root)  # a dead link
    assert [one.name for one in trash.list_trash(root)] == ["linked"]


def test_a_run_that_is_training_is_not_deleted(root):
    run = create_run(root, "genre_gru", 0, "", {})  # by this process, which is there
    with pytest.raises(InputError, match="is still training"):
        trash.delete_run(run.name, root)
    over = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    run.update()
    for known in (None, {**process.get_process_info(), "id": int(over.stdout)}, {"ended": True}):
        facts = run.read("run.json") | {"process": known}
        (run.path / "run.json").write_text(json.dumps(facts))
        if known is not None:
            assert not trash.is_training(run)
    assert trash.delete_run(run.name, root).is_dir()


def test_a_lock_tells_whether_a_run_is_training_whatever_run_json_says(root):
    run = create_run(root, "genre_gru", 0, "", {})
    lock = FileLock(run.path / ".lock")
    with lock:
        with pytest.raises(InputError, match="is still training"):
            trash.delete_run(run.name, root)
    (run.path / ".lock").touch()  # left behind
    assert trash.delete_run(run.name, root).is_dir()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_on_a_disk_without_locks_run_json_tells_who_is_training(root, monkeypatch, number):
    run = create_run(root, "genre_gru", 0, "", {})
    with process.hold_run(run.path, run.info.process):
        monkeypatch.setattr(FileLock, "acquire", lambda *_, **__: (_ for _ in ()).throw(OSError(number, "no locks")))
        assert trash.is_training(run)


def test_a_training_on_another_machine_counts_as_over_once_its_files_are_quiet(root):
    run = create_run(root, "genre_gru", 0, "", {"process": {"id": 7, "place": "elsewhere"}})
    assert trash.is_training(run)
    past = time.time() - 3600
    for path in (*run.path.iterdir(), run.path):
        os.utime(path, (past, past))
    assert not trash.is_training(run)


def test_a_trash_that_is_a_file_is_told_in_a_sentence(root):
    run = make_run(root)
    (root / ".trash").write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        trash.delete_run(run.name, root)
    assert run.is_complete and trash.list_trash(root) == []
