"""The files behind a run's examples: those that it was made from, or none."""

import pytest

from dashboard import datasets, runs
from musicml.data.datasets.loading import load_dataset
from musicml.data.synthetic import generate
from musicml.utils.errors import InputError
from tests.fixtures import fake_runs


@pytest.fixture
def two(tmp_path):
    """A run on the sample pictures of one seed, and data roots with those and with another seed's."""
    for seed in (0, 5):
        generate.generate_sample_data(
            tmp_path / str(seed) / "sample", seed=seed, only=["instrument_images"], scale=0.02
        )
    dataset = load_dataset("instrument_images", tmp_path / "0", "sample")
    run = fake_runs.make(tmp_path / "runs", family="transfer", dataset=dataset, n=20)
    return runs.get_run(run.path), tmp_path


def test_an_examples_file_is_found_by_its_name(two):
    one, root = two
    names = runs.get_predictions(one).names
    found = [datasets.find_file(one, name) for name in names]
    assert all(path.is_file() and path.is_relative_to(root / "0") for path in found)


def test_of_a_piece_of_a_track_the_whole_track_is_found(two):
    one, _ = two
    name = runs.get_predictions(one).names[0]
    assert datasets.find_file(one, f"{name}#3") == datasets.find_file(one, name) is not None
    assert datasets.find_file(one, "nowhere.png#3") is None


def test_data_of_another_seed_is_not_shown_in_place_of_the_runs_own(two, monkeypatch):
    one, root = two
    (root / "0").rename(root / "gone")
    monkeypatch.setenv("MUSICML_DATA", str(root / "5"))
    assert set(runs.get_predictions(one).names) & set(datasets.open_dataset("instrument_images", "sample").examples)
    assert datasets.find_file(one, runs.get_predictions(one).names[0]) is None
    with pytest.raises(InputError, match="made from other data"):
        datasets.open_run_dataset(one)


def test_a_run_whose_data_has_moved_to_the_dashboards_own_root_finds_it(two, monkeypatch):
    one, root = two
    (root / "0").rename(root / "moved")
    monkeypatch.setenv("MUSICML_DATA", str(root / "moved"))
    assert datasets.find_file(one, runs.get_predictions(one).names[0]).is_relative_to(root / "moved")
    assert datasets.find_file(one, "../../etc/passwd") is None


def test_a_file_behind_a_link_is_found_where_the_link_stays_in_the_data(two, monkeypatch):
    one, root = two
    name, other = runs.get_predictions(one).names[:2]
    path, secret = (datasets.find_file(one, name), root / "secret.png")
    kept = path.rename(path.with_name("kept.png"))
    path.symlink_to(kept)
    assert datasets.find_file(one, name) == path
    datasets.find_file(one, other).rename(secret)
    folder = load_dataset("instrument_images", root / "0", "sample").examples[0].folder
    (folder / other).symlink_to(secret)
    assert (folder / other).is_file() and datasets.find_file(one, other) is None
    monkeypatch.setenv("MUSICML_DATA", str(root))
    assert datasets.find_file(one, other) is not None, "the dashboard's own data folder is a root, too"
