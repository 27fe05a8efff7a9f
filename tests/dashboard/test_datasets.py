"""Test that a run's examples show the files it was trained on, or none."""

import contextlib
import json
import os
import shutil
import time

import pytest
from PIL import Image

from dashboard import datasets, runs
from musicml.data.datasets.loading import load_dataset
from musicml.data.synthetic import generate
from musicml.experiment import user_folder
from musicml.utils.errors import InputError
from tests.fixtures import fake_runs, pages


@pytest.fixture(scope="module")
def pictures_of_two(get_sample, tmp_path_factory):
    """Make data roots with the synthetic pictures of two seeds; no test changes them."""
    root = tmp_path_factory.mktemp("two")
    get_sample("instrument_images", root / "0/sample")
    generate.generate_sample_data(root / "5/sample", 5, ["instrument_images"], 0.02)
    return root


@pytest.fixture
def two(pictures_of_two, tmp_path, monkeypatch):
    """Make a run on the synthetic pictures of one seed, and data roots of two seeds."""
    shutil.copytree(pictures_of_two, tmp_path, dirs_exist_ok=True)
    dataset = load_dataset("instrument_images", tmp_path / "0", "sample")
    run = fake_runs.make(tmp_path / "runs", family="transfer", dataset=dataset, n=20)
    monkeypatch.setenv("MUSICML_FOLDERS", json.dumps(str(tmp_path / "0")))
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
    with pytest.raises(InputError, match="trained on other data"):
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


# Folders that only a run.json names


@pytest.fixture
def stranger(two, monkeypatch):
    """Return the run of `two` without naming its data root."""
    one, root = two
    monkeypatch.delenv("MUSICML_FOLDERS")
    monkeypatch.setenv("MUSICML_CONFIG", str(root / "settings"))
    return one, root


def test_files_of_a_folder_that_only_a_run_names_are_not_served(stranger):
    one, root = stranger
    assert datasets.find_file(one, runs.get_predictions(one).names[0]) is None
    with pytest.raises(InputError, match=f"not named. .* `musicml dashboard --folder {root / '0'}`"):
        datasets.open_run_dataset(one)


def point_at(one, **changes):
    """Change the data folder in run.json of a run."""
    path = one.run.path / "run.json"
    table = json.loads(path.read_text())
    path.write_text(json.dumps({**table, "data": {**table["data"], **changes}}))
    os.utime(path, ns=(1, time.time_ns()))
    return runs.get_run(one.run.path)


@pytest.mark.parametrize(
    "changes",
    [{"folder": "{root}/secret"}, {"folder": "{root}/0/../secret"}, {"folder": "{root}/0/link"}, {"root": "{root}"}],
)
def test_a_way_round_the_named_folder_is_none(stranger, monkeypatch, changes):
    one, root = stranger
    monkeypatch.setenv("MUSICML_FOLDERS", json.dumps(str(root / "0")))
    for label in ("a", "b"):
        (root / "secret" / label).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(root / "secret" / label / "0.png")
    (root / "0/link").symlink_to(root / "secret")
    moved = point_at(one, **{key: value.format(root=root) for key, value in changes.items()})
    with pytest.raises(InputError, match="not named|made from other data"):
        datasets.open_run_dataset(moved)
    assert datasets.find_unnamed(moved) is not None
    assert all(datasets.find_file(moved, name) is None for name in ("a/0.png", "b/0.png"))


@pytest.mark.parametrize("place", ["\x00", "\ud800", "x" * 5_000, ""])
def test_a_place_that_is_none_is_no_fault(stranger, place):
    moved = point_at(stranger[0], folder=place or None, root=place)
    with contextlib.suppress(InputError):
        datasets.open_run_dataset(moved)
    assert datasets.find_file(moved, "0.png") is None


def test_a_folder_that_a_command_named_is_remembered(stranger):
    one, root = stranger
    user_folder.remember_folders(root / "0", None, root / "nowhere")
    user_folder.remember_folders(root / "0")
    assert (root / "settings/folders.txt").read_text().splitlines() == [json.dumps(str(root / "0"))]
    assert datasets.find_file(one, runs.get_predictions(one).names[0]).is_file()


def test_a_damaged_list_of_folders_names_none(stranger):
    _, root = stranger
    (root / "settings").mkdir()
    for content in (b"\xff\xfe", b'[1]\nnull\n"relative"\n', b"{" * 100_000):
        (root / "settings/folders.txt").write_bytes(content)
        assert not user_folder.is_named(root / "0")


def test_a_card_tells_how_to_name_the_folder(stranger, monkeypatch):
    one, root = stranger
    monkeypatch.setenv("MUSICML_RUNS", str(root / "runs"))
    for language, words in (("en", "have not named"), ("id", "belum Anda sebutkan")):
        app = pages.opened("data", language, of="run", run=one.name)
        app.segmented_control(key="of").set_value("run").run() if words not in pages.said(app) else None
        assert words in pages.said(app) and "musicml dashboard --folder" in pages.said(app)
