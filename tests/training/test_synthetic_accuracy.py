"""The sample data is worth training on: neither trivial nor hopeless, on splits that keep artists apart."""

import pytest

from musicml.cli import main
from musicml.data.synthetic import generate
from musicml.experiment import run as runs
from tests.conftest import EXPERIMENTS, set_words

CHANCE = 0.1  # ten genres
COARSE = {"features.hop_length": 1024}  # half the frames tell the genres as well, in half the time


@pytest.fixture(scope="module")
def whole_sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    generate.generate_sample_data(root / "sample", only=["gtzan"], say=print)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", ["genre_cnn", "genre_gru"])
def test_genres_are_learnt_well_above_chance_and_not_perfectly(name, whole_sample, tmp_path):
    words = ["train", EXPERIMENTS / f"{name}.toml", "--data-root", whole_sample, "--runs", tmp_path, *set_words(COARSE)]
    assert main.main([str(word) for word in words]) == 0
    (run,) = runs.list_runs(tmp_path)
    low, high = run.read("report.json")["intervals"]["accuracy"]
    assert 1.5 * CHANCE < low and high < 1.0
