import os
import shutil

import pytest

from dashboard import i18n
from dashboard import runs as dashboard_runs
from dashboard.i18n import LANGUAGES
from musicml.evaluation import evaluate, predictions
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.training import train as training
from musicml.utils import files
from musicml.utils.errors import InputError
from tests.fixtures import pages


@pytest.fixture(scope="module")
def run(tones, tones_toml, data_root, tmp_path_factory):
    """Make a complete cross-validation with four folds on 24 files."""
    settings = config.read_experiment(tones_toml, {"data.split": "group", "data.folds": 4})
    made = training.train_experiment(settings, data_root, tmp_path_factory.mktemp("runs"), folder=tones)
    evaluate.evaluate_run(made)
    return made


@pytest.fixture
def looking(run, data_root, monkeypatch):
    """Point the dashboard at the run and its data."""
    monkeypatch.setenv("MUSICML_RUNS", str(run.path.parent))
    monkeypatch.setenv("MUSICML_DATA", str(data_root))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_shows_a_cross_validation(language, looking):
    for page, app in pages.walk(language):
        assert page == "setup" or not app.error, (page, app.error[0].value)


@pytest.mark.parametrize(
    ("language", "judged", "served"),
    [
        (
            "en",
            "each file was predicted once, by a model of a fold that was not trained on its group",
            "cross-validation with **4 folds**",
        ),
        ("id", "diprediksi satu kali, oleh model fold", "validasi silang **4 fold**"),
    ],
)
def test_the_run_page_says_that_files_were_judged_out_of_fold(language, judged, served, looking):
    app = pages.opened("run", language)
    assert judged in pages.said(app)
    pages.sound(app.segmented_control(key="run-part").set_value("data").run(), language)
    assert served in pages.said(app)
    sides = next(table.value for table in app.dataframe if table.value.shape == (2, 3))
    assert sides.iloc[:, 1].sum() == 24  # all of them, for the model that is served


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_cross_validation_offers_no_example_and_says_why(language, looking):
    app = pages.opened("predict", language)
    app = pages.sound(app.segmented_control(key="predict-way-3").set_value("pick").run(), language)
    assert i18n.read_words(language, "predict")["none_new"] in pages.said(app)
    assert i18n.read_words(language, "common")["not_here"] not in pages.said(app)


def test_a_cross_validation_lives_while_one_of_its_folds_is_trained(run, tmp_path):
    made = runs.open_run(shutil.copytree(run.path, tmp_path / run.path.name))
    (made.path / "report.json").unlink()
    files.write_json(made.path / "run.json", {**made.read("run.json"), "status": "started"})
    for path in made.path.rglob("*"):
        os.utime(path, (0, 0))
    assert dashboard_runs.get_run(made.path).status == "stopped"
    os.utime(runs.get_fold(made, 3).path / "run.json")
    assert dashboard_runs.get_run(made.path).status == "training"


def test_what_a_fold_said_of_several_classes_is_decided_by_its_own_thresholds(run, tmp_path):
    made = runs.open_run(shutil.copytree(run.path, tmp_path / run.path.name))
    files.write_json(made.path / "run.json", {**made.read("run.json"), "task": "multi"})
    for k in range(1, 5):
        fold = runs.get_fold(made, k)
        served = fold.read("serving.json")
        files.write_json(fold.path / "serving.json", {**served, "thresholds": [k / 10] * 3})
    one = dashboard_runs.get_run(made.path)
    tested = {row["example"]: int(row["fold"]) for row in made.table("split.csv")}
    found = dashboard_runs.get_thresholds(one)
    assert found.shape == (24, 3)
    assert [row[0] for row in found] == [tested[name] / 10 for name in dashboard_runs.get_predictions(one).names]
    assert dashboard_runs.format_thresholds(found[..., 0]) == "0.10–0.40"
    assert dashboard_runs.format_thresholds(found[:1, 0]) == f"{found[0, 0]:.2f}"
    (made.path / "split.csv").write_text("example,group,split\n")
    with pytest.raises(InputError, match="the fold of each example"):
        predictions.read_fold_thresholds(made, ["low/0.wav"])
