"""Ensembles: what several runs say together, and that none of them votes on what it has learnt from."""

import json
import shutil

import numpy as np
import pytest

from musicml.evaluation import comparison, ensemble, predictions
from musicml.experiment import run as runs
from musicml.inference import pooling
from musicml.utils.errors import InputError
from tests.conftest import write_tone

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def made(tones, tones_toml, data_root, tmp_path_factory):
    """Train forests on the tones: options → a whole run. Never change one."""
    from musicml.cli import main

    root = tmp_path_factory.mktemp("runs")

    def make(*words):
        before = {run.name for run in runs.list_runs(root)}
        asked = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", root, *words]
        assert main.main([str(word) for word in asked]) == 0
        (run,) = [run for run in runs.list_runs(root) if run.name not in before]
        return run

    return make


@pytest.fixture(scope="module")
def folded(made):
    """Two cross-validations whose folds differ."""
    return [made("--set", "data.folds=3", "--set", "data.split=group", "--seed", seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def alike(made):
    """Two runs of one split, whose forests differ."""
    return [made("--set", f"model.n_estimators={n}") for n in (3, 4)]


def test_an_ensemble_of_folds_scores_every_example_by_models_that_lack_it(folded):
    found = ensemble.combine_runs(folded)
    assert found["n"] == 24 and found["split"] == "test" and found["main_metric"] == "accuracy"
    assert [one["run"] for one in found["members"]] == [run.name for run in folded]


def test_its_score_is_the_mean_of_the_logarithms_whatever_the_order_of_examples(folded):
    voices = [predictions.read_predictions(run) for run in folded]
    assert list(voices[0].names) != list(voices[1].names)
    voted = ensemble.average_tables(comparison.align_tables(voices))
    place = [list(voice.names).index(voted.names[5]) for voice in voices]
    logs = np.mean([np.log(np.clip(v.scores[k], 1e-7, 1)) for v, k in zip(voices, place, strict=True)], axis=0)
    assert voted.scores[5] == pytest.approx(np.exp(logs) / np.exp(logs).sum(), rel=1e-5)


def test_runs_of_one_split_are_scored_on_their_test_side(alike):
    found = ensemble.combine_runs(alike)
    assert found["n"] == len(predictions.read_predictions(alike[0]).names)
    assert {one["figure"] for one in found["members"]} == {
        run.read("report.json")["metrics"]["accuracy"] for run in alike
    }


def test_an_example_that_one_member_has_learnt_from_is_refused(alike, made):
    other = made("--seed", "1")
    with pytest.raises(InputError, match="was trained on .* examples to be scored"):
        ensemble.combine_runs([alike[0], other])


def test_an_ensemble_over_folds_refuses_a_folder_with_a_file_of_its_training(folded, tones, tmp_path):
    for name, hertz in (("low", 210), ("high", 2600)):
        write_tone(tmp_path / "new" / name / "a.wav", hertz, seed=9)
    fresh = ensemble.combine_runs(folded[:1], tmp_path / "new")
    assert fresh["n"] == 2 and len(fresh["members"]) == 3 and fresh["split"] == str(tmp_path / "new")
    shutil.copy(tones / "low/3.wav", tmp_path / "new/low/under another name.wav")
    with pytest.raises(InputError, match="trained on 1 of the 3 files in .*, such as low/under another name.wav"):
        ensemble.combine_runs(folded[:1], tmp_path / "new")


def test_one_voice_and_runs_of_other_data_or_named_twice_are_refused(alike, trained):
    for members, words in (
        ([alike[0]], "at least two models"),
        ([alike[0], alike[0]], "named twice"),
        ([alike[0], trained("forest")], "must have the same classes"),
    ):
        with pytest.raises(InputError, match=words):
            ensemble.combine_runs(members)


def test_the_command_prints_the_members_beside_the_whole_and_keeps_what_it_found(folded, musicml):
    root = folded[0].path.parent
    code, out, _ = musicml("ensemble", *(run.name for run in folded), "--runs", root)
    assert code == 0 and "ensemble of 2" in out and all(run.name in out for run in folded)
    (kept,) = (root / "ensembles").glob("*.json")
    assert json.loads(kept.read_text())["n"] == 24
    assert len(runs.list_runs(root)) >= 2 and "ensembles" not in {run.name for run in runs.list_runs(root)}


@pytest.mark.parametrize("task", ["single", "multi"])
def test_clips_can_be_averaged_in_log_probability(task):
    scores = np.array([[0.9, 0.1], [0.5, 0.5]])
    found = pooling.pool_clips(scores, task, "log_probability")
    odds = np.sqrt(0.9 * 0.5) / np.sqrt(0.1 * 0.5)
    if task == "multi":
        odds = np.sqrt(9.0)
    assert found[0] == pytest.approx(odds / (1 + odds), rel=1e-5) and found.sum() == pytest.approx(1, rel=1e-5)
    assert pooling.pool_clips(scores, task).tolist() == [0.7, 0.3]
