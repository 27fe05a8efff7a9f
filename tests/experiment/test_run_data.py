"""A run's data may lie elsewhere than when the run began, as long as the files are the same."""

import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from musicml.experiment import read_digests
from musicml.experiment import run as runs
from musicml.experiment.config import read_experiment
from musicml.training import train as training
from musicml.utils.errors import InputError
from tests.conftest import write_tone


@pytest.fixture(scope="module")
def made(tones, tones_toml, data_root, tmp_path_factory):
    """A trained run that was not evaluated, and its folder. Never change them."""
    root = tmp_path_factory.mktemp("made")
    folder = shutil.copytree(tones, root / "tones")
    write_tone(folder / "low/broken.wav", 300)
    (folder / "low/broken.wav").write_text("no sound")
    return training.train_experiment(read_experiment(tones_toml), data_root, root / "runs", folder=folder), folder


@pytest.fixture(params=["train --resume", "train --resume, of a trained one", "evaluate"])
def ask(request, made, musicml, tmp_path):
    """Ask for a copy of the run to be finished with its folder elsewhere: folder → the run and what is said."""
    command, _, trained = request.param.partition(",")
    run = runs.Run(shutil.copytree(made[0].path, tmp_path / "runs" / "moved"))
    if "train" in command and not trained:
        run.update(status="started")

    def finish(folder, *words, old=False):
        if old:
            (run.path / "digests.csv").unlink()
        return run, *musicml(*command.split(), run.path, "--folder", folder, *words)

    return finish


@pytest.fixture
def moved(made, tmp_path):
    """A copy of the run's folder, of another name and with other times."""
    folder = shutil.copytree(made[1], tmp_path / "musik saya", copy_function=shutil.copyfile)
    return folder


def test_a_run_goes_on_with_its_folder_elsewhere_and_under_another_name(ask, made, moved):
    run, code, out, err = ask(moved, "--json")
    assert code == 0 and json.loads(out)["metrics"]["accuracy"] == 1.0 and "can't check" not in err
    assert run.is_complete and run.info.data.folder == str(moved)
    assert {"hash": run.info.data.hash, "dataset": "tones"}.items() <= made[0].read("run.json")["data"].items()


def test_the_new_place_may_be_relative_or_a_link_and_the_old_one_gone(ask, moved, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(moved)
    monkeypatch.chdir(tmp_path)
    run, code, _, _ = ask("link")
    assert code == 0 and run.info.data.folder == str(tmp_path / "link")


def swap(folder, one, other):
    for name, goal in ((one, "x"), (other, one), ("x", other)):
        (folder / name).rename(folder / goal)


CHANGES = {  # what is done to a folder → how many files differ, and the first
    "added": (lambda folder: write_tone(folder / "low/new.wav", 150), "1; the first, low/new.wav: it is new"),
    "removed": (lambda folder: (folder / "high/3.wav").unlink(), "1; the first, high/3.wav: it is missing"),
    "several": (
        lambda folder: [write_tone(folder / f"{name}/5.wav", 250) for name in ("low", "high", "middle")],
        "3; the first, high/5.wav: its content has changed",
    ),
    "renamed": (
        lambda folder: (folder / "high/3.wav").rename(folder / "high/z.wav"),
        "1; the first, high/3.wav: it is now high/z.wav",
    ),
    "moved to another class": (
        lambda folder: (folder / "high/3.wav").rename(folder / "low/33.wav"),
        "1; the first, high/3.wav: it is now low/33.wav",
    ),
    "two swapped": (
        lambda folder: swap(folder, "low/1.wav", "low/2.wav"),
        "2; the first, low/1.wav: its content has changed",
    ),
    "emptied": (
        lambda folder: (folder / "low/3.wav").write_bytes(b""),
        "1; the first, low/3.wav: its content has changed",
    ),
    "a dead link": (
        lambda folder: [(folder / "low/3.wav").unlink(), (folder / "low/3.wav").symlink_to("nowhere.wav")],
        "1; the first, low/3.wav: it",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_of_other_files_is_refused_and_it_says_how_many_and_which_first(ask, moved, change):
    make, words = CHANGES[change]
    make(moved)
    run, code, out, err = ask(moved)
    assert (code, out) == (2, "") and f"Files that differ: {words}" in err and "Traceback" not in err
    assert f"but {moved} has changed" in err
    assert not run.is_complete and run.info.data.folder != str(moved)


SPELLED = {  # files and classes of the tones, as their owner names them
    "files": {
        "low/1.wav": "low/Città è.wav",
        "low/2.wav": "low/Müller/ü.wav",
        "high/1.wav": "high/한국어.wav",
        "high/2.wav": "high/ガギグ.wav",
        "high/3.wav": "high/Tiếng Việt.wav",
        "low/broken.wav": "low/défaut.wav",
    },
    "a class": {f"low/{k}.wav": f"équipe/{k}.wav" for k in range(1, 9)},
}


@pytest.fixture(scope="module", params=SPELLED)
def spelled(request, made, tones_toml, data_root, tmp_path_factory):
    """Train on files whose names have accents: Unicode's form → a run and its folder. Never change them."""
    done = {}

    def train(form):
        if form not in done:
            root = tmp_path_factory.mktemp(form)
            folder = copy_spelled(made[1], root / "tones", SPELLED[request.param], form)
            if request.param == "files":
                (folder / "groups.csv").write_text("file,group\nlow/Città è.wav,mine\nlow/3.wav,mine\n", "utf-8")
            settings = read_experiment(tones_toml)
            done[form] = training.train_experiment(settings, data_root, root / "runs", folder=folder), folder
        return done[form]

    return train


def copy_spelled(folder, copy, names, form):
    """Copy a folder, its files named by `names` where it tells, in one of Unicode's forms."""
    for file in sorted(folder.rglob("*.*")):
        name = file.relative_to(folder).as_posix()
        place = copy / unicodedata.normalize(form, names.get(name, name))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return copy


@pytest.mark.parametrize(
    ("words", "status", "before", "now"),
    [
        (["evaluate"], "trained", "NFD", "NFC"),
        (["train", "--resume"], "trained", "NFC", "NFD"),
        (["train", "--resume"], "started", "NFD", "NFC"),
    ],
)
def test_names_may_be_written_in_another_of_unicodes_forms(spelled, words, status, before, now, musicml, tmp_path):
    first, folder = spelled(before)
    run = runs.Run(shutil.copytree(first.path, tmp_path / "runs" / "moved"))
    run.update(status=status)
    moved = copy_spelled(folder, tmp_path / "moved", {}, now)
    code, out, err = musicml(*words, run.path, "--folder", moved, "--json")
    assert code == 0, err
    assert json.loads(out)["unreadable"] == [] and json.loads(out)["metrics"]["accuracy"] == 1.0
    tested = {row["example"] for row in run.table("split.csv") if row["split"] == "test"}
    assert {row["example"] for row in run.table("predictions.csv")} == tested and run.is_complete


def test_another_content_under_a_name_in_another_form_is_refused(spelled, musicml, tmp_path):
    first, folder = spelled("NFD")
    run = runs.Run(shutil.copytree(first.path, tmp_path / "runs" / "moved"))
    moved = copy_spelled(folder, tmp_path / "moved", {}, "NFC")
    accented = [row["example"] for row in run.table("split.csv") if not row["example"].isascii()]
    name = accented[0] if accented else "high/3.wav"
    write_tone(moved / unicodedata.normalize("NFC", name), 250)
    code, out, err = musicml("evaluate", run.path, "--folder", moved)
    assert (code, out) == (2, "") and not run.is_complete
    assert f"Files that differ: 1; the first, {name}: its content has changed" in err


def test_two_files_whose_names_differ_in_their_form_alone_stay_two(made, tones_toml, data_root, musicml, tmp_path):
    names = {"low/1.wav": unicodedata.normalize("NFD", "low/é.wav"), "low/2.wav": "low/é.wav"}
    folder = shutil.copytree(made[1], tmp_path / "tones")
    for name, other in names.items():
        (folder / name).rename(folder / other)
    run = training.train_experiment(read_experiment(tones_toml), data_root, tmp_path / "runs", folder=folder)
    words = ["evaluate", run.path, "--folder", folder.rename(tmp_path / "moved")]
    before = shutil.copytree(tmp_path / "moved", tmp_path / "swapped")
    assert musicml(*words)[0] == 0
    (before / names["low/1.wav"]).unlink()
    code, _, err = musicml("evaluate", run.path, "--folder", before)
    assert code == 2 and "Files that differ: 1;" in err and "it is missing" in err


def test_a_place_that_is_no_folder_of_classes_is_refused(ask, made, tones, tmp_path):
    for place in (tmp_path / "nowhere", tones / "low/3.wav", tones / "low"):
        run, code, out, err = ask(place)
        assert (code, out) == (2, "") and str(place) in err and "Traceback" not in err and not run.is_complete


def test_without_digests_the_same_files_are_taken_and_it_says_where_it_cant_tell(ask, made, moved):
    before = made[0].table("digests.csv")
    run, code, _, err = ask(moved, old=True)
    told = run.table("digests.csv") == before  # a training that goes on knows its files by their features
    assert code == 0 and run.is_complete
    assert told != ("run moved has no digests.csv, so musicml can't check whether these are the files" in err)


def test_without_digests_a_file_that_is_missing_is_named(ask, moved):
    (moved / "low/3.wav").unlink()
    run, code, _, err = ask(moved, old=True)
    assert code == 2 and "Files that differ: 1; the first, low/3.wav: it is missing" in err and not run.is_complete


def test_a_changed_file_of_a_run_without_digests_is_not_resumed_but_not_named(made, moved, musicml, tmp_path):
    run = runs.Run(shutil.copytree(made[0].path, tmp_path / "runs" / "old"))
    run.update(status="started")
    (run.path / "digests.csv").unlink()
    write_tone(moved / "low/3.wav", 250)
    code, _, err = musicml("train", "--resume", run.path, "--folder", moved)
    assert code == 2 and "has changed (" in err and "has no digests.csv" in err


def test_groups_that_changed_are_told_from_files_that_did(made, moved, musicml, tmp_path):
    run = runs.Run(shutil.copytree(made[0].path, tmp_path / "runs" / "grouped"))
    run.update(status="started")
    (moved / "groups.csv").write_text("file,group\nlow/1.wav,mine\nlow/2.wav,mine\n")
    code, _, err = musicml("train", "--resume", run.path, "--folder", moved)
    assert code == 2 and "its files are the same, but their classes, groups or splits differ" in err


def test_a_whole_run_gives_its_figures_for_its_own_files_alone(asked_about_tones, moved, tones, musicml, snapshot):
    before = snapshot(asked_about_tones.path)
    same = shutil.copytree(tones, moved.parent / "same")
    code, out, err = musicml("evaluate", asked_about_tones.path, "--folder", same, "--json")
    assert code == 0 and json.loads(out)["split"] == "test"
    assert "is complete and keeps the old path" in err and f"to find its files, put them at {tones}" in err
    assert "keeps the old path" not in musicml("evaluate", asked_about_tones.path, "--folder", tones)[2]
    (same / "low/3.wav").unlink()
    code, out, err = musicml("evaluate", asked_about_tones.path, "--folder", same)
    assert (code, out) == (2, "") and "low/3.wav: it is missing" in err
    code, out, err = musicml("evaluate", asked_about_tones.path, "--folder", same, "--on", same)
    assert (code, out) == (2, "") and "cannot be combined" in err
    assert snapshot(asked_about_tones.path) == before


@pytest.mark.parametrize("name", ["cnn", "vggish"])
def test_a_data_set_may_be_below_another_data_root(trained, data_root, musicml, tmp_path, name):
    run = runs.Run(shutil.copytree(trained(name).path, tmp_path / "run"))
    for file in ("report.json", "predictions.csv", "clips.npz"):
        (run.path / file).unlink()
    (tmp_path / "elsewhere").symlink_to(data_root)
    code, out, err = musicml("evaluate", run.path, "--folder", tmp_path / "elsewhere")
    assert (code, out) == (2, "") and "run was trained on the " in err and "with --data-root" in err
    code, _, err = musicml("evaluate", run.path, "--data-root", tmp_path / "elsewhere")
    assert code == 0 and run.is_complete and run.info.data.root == str(tmp_path / "elsewhere")
    assert ("has no digests.csv, so musicml can't check whether these are" in err) == (name == "vggish")
    metric = run.report.main
    assert metric == pytest.approx(trained(name).report.main, rel=1e-6)


def test_a_whole_run_gives_its_figures_for_its_data_set_alone(trained, data_root, musicml, snapshot, tmp_path):
    run = trained("cnn")
    before = snapshot(run.path)
    (tmp_path / "elsewhere").symlink_to(data_root)
    code, out, err = musicml("evaluate", run.path, "--data-root", tmp_path / "elsewhere", "--json")
    assert code == 0 and json.loads(out)["metrics"] == run.read("report.json")["metrics"]
    assert f"keeps the old path: for the dashboard to find its data, set MUSICML_DATA={tmp_path / 'elsewhere'}" in err
    assert "keeps the old path" not in musicml("evaluate", run.path, "--data-root", data_root)[2]
    code, out, err = musicml("evaluate", run.path, "--data-root", tmp_path / "nowhere")
    assert (code, out) == (2, "") and str(tmp_path / "nowhere") in err
    place = Path("sample") / run.info.data.dataset
    shutil.copytree(data_root / place, tmp_path / "other" / place)
    name = run.table("split.csv")[0]["example"]
    next(path for path in (tmp_path / "other").rglob(Path(name).name)).write_bytes(b"")
    code, out, err = musicml("evaluate", run.path, "--data-root", tmp_path / "other")
    assert (code, out) == (2, "") and "Files that differ: 1; the first, " in err and snapshot(run.path) == before


def test_a_cross_validation_goes_on_with_folder_and_data_root_elsewhere(tones, tones_toml, musicml, tmp_path):
    folder = shutil.copytree(tones, tmp_path / "before/tones")
    settings = read_experiment(tones_toml, {"data.split": "group", "data.folds": 2})
    run = training.train_experiment(settings, tmp_path / "before/data", tmp_path / "runs", folder=folder)
    run.update(status="started")
    shutil.rmtree(runs.get_fold(run, 2).path)
    (tmp_path / "before").rename(tmp_path / "after")
    (tmp_path / "before").write_text("a file where the folder was")
    words = ["train", "--resume", run.path, "--folder", tmp_path / "after/tones"]
    code, _, err = musicml(*words)
    assert code == 2 and "Traceback" not in err and str(tmp_path / "before") in err
    code, _, _ = musicml(*words, "--data-root", tmp_path / "after/data")
    assert code == 0 and run.is_complete and run.report.n == 24
    assert runs.get_fold(run, 2).info.data.folder == run.info.data.folder == str(tmp_path / "after/tones")


DAMAGE = {
    "cut off": lambda text: text[: len(text) // 2],
    "a row too few": lambda text: text[: text.rstrip().rindex("\n") + 1],
    "a row twice": lambda text: text + text.splitlines()[-1] + "\n",
    "another digest": lambda text: text.replace(text.splitlines()[3].split(",")[1], "no digest"),
    "another side": lambda text: text.replace(",train", ",learned", 1),
    "no table": lambda text: "junk",
    "empty": lambda text: "",
    "no text": lambda text: b"\xff\xfe\x00\x80" * 9,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_digests_are_one_sentence(made, tones, musicml, tmp_path, damage):
    run = runs.Run(shutil.copytree(made[0].path, tmp_path / "run"))
    path = run.path / "digests.csv"
    content = DAMAGE[damage](path.read_text())
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = musicml("evaluate", run.path, "--on", tones)
    assert (code, out) == (2, "") and "Traceback" not in err
    assert "digests.csv of run run must contain the digest and the split of each example" in err
    with pytest.raises(InputError, match="Restore it, or remove it"):
        read_digests(run)


def test_every_example_has_its_digest_and_side_and_left_out_files_have_none(made):
    run, folder = made
    kept = read_digests(run)
    assert list(kept.contents) == [row["example"] for row in run.table("split.csv")] and len(kept.contents) == 24
    assert "low/broken.wav" not in kept.contents and os.path.exists(folder / "low/broken.wav")
    sides = [row["side"] for row in run.table("digests.csv")]
    assert len(kept.learned) == sides.count("train") + sides.count("val")
