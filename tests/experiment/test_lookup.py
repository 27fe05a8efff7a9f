import subprocess
from pathlib import Path

import pytest

from musicml.experiment import lookup, run
from musicml.experiment.lookup import find_experiment, find_experiment_folder
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The current folder is empty and outside the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed(elsewhere, monkeypatch):
    """As `elsewhere`, and the package is installed with three experiments, which it holds: their folder."""
    home = elsewhere / "site-packages/musicml/experiments"
    (home / "as_published").mkdir(parents=True)
    for name in ("genre_gru", "genre_cnn", "as_published/gtzan_gru_published"):
        (home / f"{name}.toml").touch()
    monkeypatch.setattr(lookup, "PACKAGE", home.parent)
    return home


def commit(folder, *names):
    """Make the folder a repository with one commit of these files."""
    git = ["git", "-C", folder, "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "--force", *names], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], check=True)


def test_an_experiment_is_found_by_its_path_and_by_its_name(monkeypatch):
    monkeypatch.chdir(EXPERIMENTS.parent)
    there = Path("experiments/genre_gru.toml")
    for name in ("genre_gru", "genre_gru.toml", "experiments/genre_gru.toml", there):
        assert find_experiment(name) == there
    assert find_experiment(EXPERIMENTS / "genre_gru.toml") == EXPERIMENTS / "genre_gru.toml"


def test_from_another_folder_a_name_is_found_in_the_checkout(elsewhere):
    assert find_experiment("genre_gru").samefile(EXPERIMENTS / "genre_gru.toml")
    assert find_experiment_folder().samefile(EXPERIMENTS)
    assert find_experiment_folder("as_published").samefile(EXPERIMENTS / "as_published")


def test_from_another_folder_a_name_is_found_in_the_installed_package(installed):
    assert find_experiment("genre_gru") == find_experiment("genre_gru.toml") == installed / "genre_gru.toml"
    there = installed / "as_published/gtzan_gru_published.toml"
    assert find_experiment("gtzan_gru_published") == find_experiment("gtzan_gru", "as_published") == there
    assert find_experiment_folder() == installed and find_experiment_folder("as_published") == there.parent


def test_a_folder_of_that_name_next_to_an_installed_package_belongs_to_another(installed):
    (installed.parent.parent / "experiments").mkdir()
    (installed.parent.parent / "experiments/other.toml").touch()
    with pytest.raises(InputError, match="other.toml not found"):
        find_experiment("other")


def test_the_current_folder_comes_first_and_a_path_before_it(installed):
    own = Path("experiments/genre_gru.toml")
    own.parent.mkdir()
    assert find_experiment_folder() == installed, "a folder without experiments is none"
    own.touch()
    assert find_experiment("genre_gru") == own and find_experiment_folder() == own.parent
    assert find_experiment("genre_cnn") == installed / "genre_cnn.toml"
    assert find_experiment_folder("as_published") == installed / "as_published"
    Path("genre_gru.toml").touch()
    assert find_experiment("genre_gru.toml") == Path("genre_gru.toml")


@pytest.mark.parametrize(
    ("name", "folder", "said"),
    [
        ("genre_gro", "", " experiments/genre_gro.toml not .* 'genre_gru'. .* genre_gru, gtzan_gru_published, mine.$"),
        ("genre_gro.toml", "", " genre_gro.toml not .* 'genre_gru'. .* genre_gru, gtzan_gru_published, mine.$"),
        ("experiments/mime.toml", "", " experiments/mime.toml not found: .* 'mine'. Known names: mine.$"),
        ("elsewhere/genre_gro.toml", "", " elsewhere/genre_gro.toml not found: did you mean 'genre_gru'"),
        ("gtzan_gro", "as_published", " experiments/as_published/gtzan_gro.toml .* Known names: gtzan_gru_published.$"),
    ],
)
def test_a_name_that_is_not_found_is_answered_with_the_nearest_one(installed, name, folder, said):
    Path("experiments").mkdir()
    Path("experiments/mine.toml").touch()
    with pytest.raises(InputError, match=said):
        find_experiment(name, folder)


def test_the_commit_of_the_own_checkout_is_known_wherever_musicml_is_called(elsewhere, monkeypatch):
    checkout = elsewhere / "checkout"
    (checkout / "experiments/as_published").mkdir(parents=True)
    (checkout / "setup.cfg").touch()
    commit(checkout, "setup.cfg")
    monkeypatch.setattr(lookup, "PACKAGE", checkout / "musicml")
    for folder in (checkout, checkout / "experiments", elsewhere):
        monkeypatch.chdir(folder)
        assert len(run.get_git_commit()) == 40
    (checkout / "setup.cfg").write_text("[metadata]\n")
    assert run.get_git_commit().endswith("+changes")


def test_a_commit_of_another_repository_is_not_recorded(elsewhere, monkeypatch):
    (elsewhere / "vendored/experiments/as_published").mkdir(parents=True)
    monkeypatch.setattr(lookup, "PACKAGE", elsewhere / "vendored/musicml")
    assert run.get_git_commit() is None, "no repository is here"
    commit(elsewhere)
    assert run.get_git_commit() is None


def test_a_commit_of_the_repository_that_a_package_is_installed_in_is_not_recorded(installed, monkeypatch):
    commit(installed.parents[2], "site-packages")
    assert run.get_git_commit() is None
    monkeypatch.chdir(installed.parents[1])
    assert run.get_git_commit() is None
