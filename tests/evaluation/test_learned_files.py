"""Files that a run learned from are recognized by their content, wherever they lie and whatever they are called."""

import json
import shutil

import pytest

from musicml.cli import main
from musicml.evaluation import comparison, ensemble
from musicml.experiment import read_digests
from musicml.experiment import run as runs
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
from tests.conftest import write_tone


@pytest.fixture(scope="module")
def made(tones, tones_toml, data_root, tmp_path_factory):
    """Train forests on copies of the tones: options → a whole run and its own folder."""
    root = tmp_path_factory.mktemp("learned")

    def make(name, *words):
        folder = root / name / "tones"
        if not folder.exists():
            shutil.copytree(tones, folder)
        asked = ["train", tones_toml, "--folder", folder, "--data-root", data_root, "--runs", root / name / "runs"]
        assert main.main([str(word) for word in [*asked, *words]]) == 0
        return runs.list_runs(root / name / "runs")[-1], folder

    return make


@pytest.fixture(scope="module")
def kept(made):
    """A run and its folder; never change them."""
    return made("kept")


@pytest.fixture
def used(kept, tmp_path):
    """A copy of the folder that a run was trained on, and the run."""
    return kept[0], shutil.copytree(kept[1], tmp_path / "used")


@pytest.fixture
def other(tmp_path):
    """Another folder, of two new files of each of two classes."""
    for name, hertz in (("low", 210), ("high", 2600)):
        for number in range(2):
            write_tone(tmp_path / "other" / name / f"new {number}.wav", hertz + number, seed=7)
    return tmp_path / "other"


def names_of(run, *sides):
    return [
        row["example"] for row in run.table("split.csv") if row["split"] in sides and "middle" not in row["example"]
    ]


def move(source, name, goal):
    (source / name).rename(goal)


def copy_with_other_tags(source, name, goal):
    """A file whose metadata is another is another content."""
    content = (source / name).read_bytes()
    goal.write_bytes(content + b"LIST\x04\x00\x00\x00INFO")


PLACED = {
    "copied": lambda folder, name, other: shutil.copy(folder / name, other / name.split("/")[0]),
    "moved": lambda folder, name, other: move(folder, name, other / name.split("/")[0] / "9.wav"),
    "moved to another class and renamed, with another ending": lambda folder, name, other: move(
        folder, name, other / {"low": "high", "high": "low"}[name.split("/")[0]] / "lagu saya é.wave.wav"
    ),
    "moved below": lambda folder, name, other: shutil.copytree(
        folder / name.split("/")[0],
        other / name.split("/")[0] / "deeper",
        ignore=lambda home, names: set(names) - {name.split("/")[1]},
    ),
    "linked": lambda folder, name, other: (other / name.split("/")[0] / "link.wav").symlink_to(folder / name),
    "linked hard": lambda folder, name, other: (other / name.split("/")[0] / "link.wav").hardlink_to(folder / name),
}


@pytest.mark.parametrize(("how", "side"), [*((how, "train") for how in PLACED), ("moved", "val")])
def test_a_file_that_the_run_learned_from_is_not_scored_wherever_it_went(used, other, musicml, how, side):
    run, folder = used
    PLACED[how](folder, names_of(run, side)[0], other)
    code, out, err = musicml("evaluate", run.path, "--on", other, "--json")
    report = json.loads(out)
    assert code == 0 and (report["trained_on"], report["n"]) == (1, 4)
    assert "left out: 1 of 5 files, because the run was trained on them" in err


def test_the_whole_data_of_a_run_may_be_gone_or_moved_away(made, other, musicml):
    run, folder = made("gone")
    for name in names_of(run, "train"):
        move(folder, name, other / name.replace("/", "/old "))
    shutil.rmtree(folder)
    code, out, _ = musicml("evaluate", run.path, "--on", other, "--json")
    report = json.loads(out)
    assert code == 0 and (report["trained_on"], report["n"]) == (len(names_of(run, "train")), 4)


def test_a_test_file_that_was_moved_is_scored_and_so_is_a_file_of_another_content(used, other, musicml):
    run, folder = used
    tested, (learned, *_) = names_of(run, "test"), names_of(run, "train")
    for name in tested:
        move(folder, name, other / name.replace("/", "/old "))
    copy_with_other_tags(folder, learned, other / learned)
    code, out, err = musicml("evaluate", run.path, "--on", other, "--json")
    report = json.loads(out)
    assert code == 0 and (report["trained_on"], report["n"]) == (0, 4 + len(tested) + 1)
    assert "left out" not in err and "digests.csv" not in err


def test_one_content_twice_counts_twice_and_nothing_new_is_refused(used, other, musicml):
    run, folder = used
    name = names_of(run, "train")[0]
    for copy in ("a", "b"):
        shutil.copy(folder / name, other / f"{name}.{copy}.wav")
    assert json.loads(musicml("evaluate", run.path, "--on", other, "--json")[1])["trained_on"] == 2
    for path in other.rglob("new*"):
        path.unlink()
    shutil.copy(folder / names_of(run, "train")[1], other / "low" / "c.wav")
    shutil.copy(folder / names_of(run, "train")[-1], other / "high" / "d.wav")
    code, out, err = musicml("evaluate", run.path, "--on", other)
    assert (code, out) == (2, "") and "was trained on all files in the folder" in err


def test_a_run_without_digests_says_once_that_it_cant_tell(used, other, musicml, tmp_path):
    run, folder = used
    old = runs.Run(shutil.copytree(run.path, tmp_path / "old"))
    (old.path / "digests.csv").unlink()
    PLACED["moved"](folder, names_of(run, "train")[0], other)
    code, out, err = musicml("evaluate", old.path, "--on", other, "--json")
    report = json.loads(out)
    assert code == 0 and report["trained_on"] is None and report["n"] == 5
    assert err.count("run old has no digests.csv, so musicml can't check whether it was trained on") == 1


def test_the_digests_of_pictures_are_kept_too(trained):
    run = trained("unfrozen")
    kept = [(row["example"], row["side"]) for row in run.table("digests.csv")]
    assert kept == [(row["example"], row["split"]) for row in run.table("split.csv")]
    assert all(len(row["digest"]) == 32 for row in run.table("digests.csv"))


def test_features_that_came_with_a_data_set_have_no_digests(trained):
    assert not (trained("vggish").path / "digests.csv").exists()


@pytest.fixture(scope="module")
def folded(made):
    """A cross-validation, and its folder."""
    return made("folded", "--set", "data.folds=3", "--set", "data.split=group")


def test_of_a_cross_validation_every_file_was_learned_from_and_each_fold_keeps_its_own(folded, other, musicml):
    run, folder = folded
    for number, name in enumerate(("low/0.wav", "low/7.wav", "high/3.wav")):
        shutil.copy(folder / name, other / name.split("/")[0] / f"old {number}.wav")
    report = json.loads(musicml("evaluate", run.path, "--on", other, "--json")[1])
    assert (report["trained_on"], report["n"]) == (3, 4)
    whole = {row["example"]: row["digest"] for row in run.table("digests.csv")}
    for k in (1, 2, 3):
        rows = runs.get_fold(run, k).table("digests.csv")
        assert {row["example"]: row["digest"] for row in rows} == whole
        assert {row["side"] for row in rows} == {"train", "val", "test"}


def test_an_ensemble_refuses_what_any_member_learned_from_and_says_which_cant_tell(made, other):
    (first, folder), (second, _) = (made("members", "--seed", seed) for seed in (0, 1))
    members = [first, second]
    only_second = set(names_of(members[0], "test")) & set(names_of(members[1], "train", "val"))
    shutil.copy(folder / min(only_second), other / "low" / "moved.wav")
    with pytest.raises(
        InputError, match=f"{members[1].name} was trained on 1 of the 5 files in .*, such as low/moved.wav"
    ):
        ensemble.combine_runs(members, other)
    (other / "low" / "moved.wav").unlink()
    (members[0].path / "digests.csv").unlink()
    said = []
    with capture_messages(said.append):
        assert ensemble.combine_runs(members, other)["n"] == 4
    (warning,) = [words for words in said if "digests.csv" in words]
    assert f"run {members[0].name} has no digests.csv" in warning and "was trained on any of these files" in warning


# Runs that are held against each other


def swap(folder, one, other):
    content = (folder / one).read_bytes()
    (folder / one).write_bytes((folder / other).read_bytes())
    (folder / other).write_bytes(content)


def test_runs_are_not_compared_where_one_learned_what_judges_the_other(made):
    first, folder = made("swapped")
    tested = names_of(first, "test")[0]
    learned = next(name for name in names_of(first, "train") if name.split("/")[0] == tested.split("/")[0])
    swap(folder, tested, learned)
    second, _ = made("swapped")
    assert names_of(second, "test") == names_of(first, "test")
    words = f"was trained on 1 of the . test files of .*, such as {tested}"
    for members in ([first, second], [second, first]):
        with pytest.raises(InputError, match=words):
            comparison.compare_runs(members)
        with pytest.raises(InputError, match=words):
            ensemble.combine_runs(members)


def test_runs_are_not_compared_where_a_test_file_was_changed_in_between(made):
    first, folder = made("changed")
    tested = names_of(first, "test")[0]
    write_tone(folder / tested, 220, seed=5)
    second, _ = made("changed")
    with pytest.raises(InputError, match=f"1 of . test files have different contents for .*, such as {tested}"):
        comparison.compare_runs([first, second])
    (first.path / "digests.csv").unlink()
    (note,) = comparison.compare_runs([first, second]).notes
    assert note.endswith("one of them has no digests.csv.")


def test_a_comparison_reads_the_digests_of_each_run_once(made, monkeypatch):
    (first, folder), asked = made("read once"), []
    swap(folder, names_of(first, "test")[0], names_of(first, "train")[0])
    members = [first, made("read once")[0]]
    for module in (comparison, ensemble):
        monkeypatch.setattr(module, "read_digests", lambda run: asked.append(run) or read_digests(run))
    for ask in (comparison.compare_runs, ensemble.combine_runs):
        with pytest.raises(InputError, match="was trained on|different contents"):
            ask(members)
        assert sorted(run.name for run in asked) == sorted(run.name for run in members)
        asked.clear()


def test_runs_on_one_folder_before_and_after_it_was_moved_are_compared(made, musicml):
    first, folder = made("before")
    second, elsewhere = made("after", "--set", "model.n_estimators=3")
    assert folder != elsewhere and comparison.compare_runs([first, second]).notes == ()
    code, out, _ = musicml("compare", first.path, second.path)
    assert code == 0 and "digests.csv" not in out
    facts = json.loads((second.path / "run.json").read_text())
    facts["data"]["features"] = "0" * 24  # as another recipe's
    (second.path / "run.json").write_text(json.dumps(facts))
    assert len(comparison.compare_runs([first, second]).pairs) == 1
    (second.path / "digests.csv").unlink()
    with pytest.raises(InputError, match="Compare runs of one dataset"):
        comparison.compare_runs([first, second])
