import csv
import json
import shutil

import numpy as np
import pytest

from musicml.evaluation import leakage
from musicml.experiment import config, run
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
from tests.conftest import write_tone

ARTISTS, TRACKS = 6, 3  # of a class; of an artist


@pytest.fixture(scope="module")
def hums(tmp_path_factory):
    """Two classes that sound alike, but for the tone that each artist hums: known by that, and by nothing else."""
    root, rows = tmp_path_factory.mktemp("own") / "hums", []
    tones = np.random.default_rng(3).permutation(np.geomspace(150, 3000, 2 * ARTISTS))
    for place, hertz in enumerate(tones):
        genre, artist = ("calm", "wild")[place % 2], f"artist {place}"
        for number in range(TRACKS):
            name = f"{genre}/{place}-{number}.wav"
            write_tone(root / name, hertz, seconds=2.0, seed=number)
            rows.append({"file": name, "group": artist})
    with open(root / "groups.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, ["file", "group"])
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def found(hums, tones_toml, data_root):
    """What the leak meter finds on them."""
    return leakage.measure_leakage(config.read_experiment(tones_toml), data_root, folder=hums, seeds=(0, 1), folds=3)


def test_what_is_known_by_its_artist_only_is_told_right_until_artists_are_kept_apart(found):
    figures = {one.name: one for one in found.figures}
    assert figures["pieces"].value > 0.8
    assert figures["artists"].value < 0.7
    differences = {one.name: one for one in found.differences}
    assert differences["tracks - artists"].interval[0] > 0 and differences["pieces - artists"].interval[0] > 0


@pytest.mark.numeric
def test_every_piece_is_judged_once_each_way_and_with_each_seed(found):
    assert found.right.shape == (3, 2, found.n_pieces)
    # two seconds at 8,000 Hz have 61 frames of 512 samples, a piece of half a second 14 of them
    assert found.n_pieces == 4 * found.n_tracks == 4 * 2 * ARTISTS * TRACKS and found.n_artists == 2 * ARTISTS
    for place, one in enumerate(found.figures):
        assert one.value == pytest.approx(found.right[place].mean(), abs=1e-6)
    for one, (i, k) in zip(found.differences, ((0, 1), (1, 2), (0, 2)), strict=True):
        assert one.value == pytest.approx(found.right[i].mean() - found.right[k].mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("tones", {"clips.seconds": 2.0}, "two pieces per track, but 36 tracks give 36 pieces of 2 s"),
        ("tones", {"clips.seconds": 1.5}, "--set clips.seconds=1"),
    ],
)
def test_tracks_too_short_to_be_cut_are_refused(name, changes, sentence, hums, tones_toml, data_root):
    with pytest.raises(InputError, match=sentence):
        leakage.measure_leakage(config.read_experiment(tones_toml, changes), data_root, folder=hums)


def test_artists_that_nobody_knows_are_asked_for_and_a_file_that_is_there_twice_makes_none_known(
    tones, tones_toml, data_root, tmp_path
):
    folder = shutil.copytree(tones, tmp_path / "twice")
    shutil.copy(folder / "low/0.wav", folder / "low/again.wav")
    for path in (tones, folder):
        with pytest.raises(InputError, match=f"no two tracks of {path.name} share a group. Add a groups.csv"):
            leakage.measure_leakage(config.read_experiment(tones_toml), data_root, folder=path)


def test_folds_that_can_not_be_made_are_refused_before_anything_is_trained(hums, tones_toml, data_root):
    said = []
    with pytest.raises(InputError, match="folds"):
        with capture_messages(said.append):
            leakage.measure_leakage(config.read_experiment(tones_toml), data_root, folder=hums, folds=19)
    assert not any("accuracy" in words for words in said)


def test_only_tracks_of_one_class_each_have_a_leak_to_measure(pictures, data_root):
    from tests.conftest import EXPERIMENTS

    for name in ("openmic_forest", "openmic_cnn"):
        with pytest.raises(InputError, match="tracks that can be cut and have one class each. openmic"):
            leakage.measure_leakage(config.read_experiment(EXPERIMENTS / f"{name}.toml"), data_root)


def test_files_left_out_are_not_said_to_be_named_in_a_table_that_nobody_writes(hums, tones_toml, data_root, tmp_path):
    folder, said = shutil.copytree(hums, tmp_path / "hums"), []
    (folder / "calm/0-0.wav").write_text("no sound")
    settings = config.read_experiment(tones_toml, {"model.n_estimators": 1})
    with capture_messages(said.append):
        leakage.measure_leakage(settings, data_root, folder=folder, seeds=(0,), folds=2)
    (left,) = [words for words in said if "left out" in words]
    assert left.startswith("1 file left out. The first: ") and "calm/0-0.wav" in left and "excluded.csv" not in left


def test_the_command_prints_the_three_figures_and_keeps_them_and_the_same_seeds_give_the_same(
    found, hums, tones_toml, data_root, musicml, tmp_path
):
    words = ("leak", tones_toml, "--folder", hums, "--data-root", data_root, "--runs", tmp_path, "--seeds", 2)
    code, out, err = musicml(*words)
    assert code == 0 and "whole artists (nothing shared)" in out and "tracks over artists: +" in out
    assert "more than chance" in out and "sample" not in out and "seed 0, artists, fold 3 of 3" in err
    (kept,) = (tmp_path / "leaks").glob("*.json")
    table, wanted = json.loads(kept.read_text()), json.loads(json.dumps(found.to_dict()))
    assert (table["figures"], table["differences"]) == (wanted["figures"], wanted["differences"]) and str(kept) in out
    assert wanted["n_tracks"] == 36 and wanted["figures"][0]["name"] == "pieces" and "right" not in wanted
    assert run.list_runs(tmp_path) == []


def test_the_command_says_that_sample_data_is_generated(capsys, tmp_path):
    from musicml.cli import leak

    ways = tuple(leakage.LeakageEstimate(name, 0.5, None) for name in leakage.GROUPINGS)
    found = leakage.LeakageResult(
        "genre_gru", "gtzan", True, (0,), 3, 1.0, 90, 30, 9, ways, (), np.zeros((3, 1, 90), bool)
    )
    leak.print_result(found, tmp_path)
    said = capsys.readouterr().out
    assert "genre_gru on gtzan, sample data: 90 pieces" in said and "synthetic sample data" in said
    assert "no interval" in said
