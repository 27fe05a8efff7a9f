"""The sample data is worth training on: neither trivial nor hopeless, on splits that keep artists apart."""

from musicml.cli import main
from musicml.data.synthetic import generate
from musicml.experiment import run as runs
from tests.conftest import EXPERIMENTS, set_words, unexported

CHANCE = 0.1  # ten genres
# a quarter of the frames, of the tracks and of the filters tell the genres as well
COARSE = {"features.hop_length": 2048, "model.filters": [8, 16, 32]}


@unexported()
def test_genres_are_learnt_well_above_chance_and_not_perfectly(tmp_path):
    generate.generate_sample_data(tmp_path / "sample", only=["gtzan"], scale=0.25)
    words = ["train", EXPERIMENTS / "genre_cnn.toml", "--data-root", tmp_path, "--runs", tmp_path / "runs"]
    assert main.main([str(word) for word in [*words, *set_words(COARSE)]]) == 0
    (run,) = runs.list_runs(tmp_path / "runs")
    low, high = run.read("report.json")["intervals"]["accuracy"]
    assert 1.5 * CHANCE < low and high < 1.0
