"""A run that was written once and is kept as it was: later code opens it, reads its report and gives its answers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from musicml.evaluation import predictions
from musicml.experiment import run as runs
from musicml.inference.predictor import Predictor
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

FIXTURES = Path(__file__).parent.parent / "fixtures"
FORMATS = (1,)
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())
RATE = 22_050
MOST_BYTES = 200_000


@pytest.fixture(params=FORMATS, ids=lambda number: f"format_{number}")
def old(request, tmp_path):
    """A copy of a kept run, and what is known of it."""
    name = f"run_format_{request.param}"
    return runs.Run(shutil.copytree(FIXTURES / name, tmp_path / name)), EXPECTED[name]


def tune(seconds=7.0):
    """Three tones that swell and fade over noise [shape=(n_samples,)], int16, so that every machine hears the same."""
    t = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * hertz * t) * np.sin(np.pi * beat * t) ** 2 for hertz, beat in TONES)
    noise = np.random.default_rng(1).integers(-300, 301, len(t))
    return (np.round(6_000 * tones) + noise).astype(np.int16)


TONES = ((220.0, 0.5), (554.4, 1.3), (1_760.0, 2.1))


def test_it_opens_and_is_listed_as_whole(old):
    run, known = old
    assert runs.open_run(run.path).read("run.json")["format_version"] == known["format_version"]
    assert [(one.path, one.is_complete) for one in runs.list_runs(run.path.parent)] == [(run.path, True)]


def test_it_holds_every_file_that_a_whole_run_had_and_stays_small(old):
    run, known = old
    assert sorted(path.name for path in run.path.iterdir()) == known["files"]
    assert sum(path.stat().st_size for path in run.path.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_it_answers_as_it_did_when_it_was_trained(old, engine, snapshot):
    run, known = old
    before = snapshot(run.path)
    answer = Predictor(run, engine).predict(tune(), sample_rate=RATE)
    wanted = known["probabilities"][engine]
    assert list(answer.class_names) == list(wanted) and answer.label == max(wanted, key=wanted.get)
    assert np.abs(answer.scores - np.array(list(wanted.values()))).max() < 1e-6
    assert len(answer.starts) == known["clips"] and answer.warnings == ()
    assert snapshot(run.path) == before, "asking a run changes nothing in it"
    assert off(sum(wanted.values()), 1) < 1e-5
    assert np.ptp(list(wanted.values())) > 0.1, "scores that are all alike would agree by chance"


def test_its_report_reads_with_the_figures_that_it_had(old):
    run, known = old
    report = run.read("report.json")
    assert (report["n"], report["n_groups"], report["main_metric"]) == (20, 11, "accuracy")
    assert report["metrics"] == pytest.approx(known["metrics"], rel=1e-9)
    assert report["intervals"]["accuracy"] == pytest.approx(known["accuracy_interval"], rel=1e-9)


def test_its_table_of_predictions_reads_and_gives_the_reports_accuracy(old):
    run, known = old
    table = predictions.read_predictions(run)
    right = table.scores.argmax(axis=1) == table.targets.argmax(axis=1)
    assert len(table.names) == 20 and right.mean() == pytest.approx(known["metrics"]["accuracy"], abs=1e-6)
    assert len(predictions.read_clip_scores(run)) == 20 and len(run.table("history.csv")) == 2
    assert {row["split"] for row in run.table("split.csv")} == {"train", "val", "test"}
