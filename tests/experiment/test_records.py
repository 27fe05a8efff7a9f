"""Records: run.json, report.json and history.csv as typed objects."""

import json
from pathlib import Path

import pytest

from musicml.evaluation import metrics
from musicml.experiment import records
from musicml.experiment import run as runs
from musicml.utils.errors import InputError
from tests.fixtures.fake_runs import FAMILIES, make, odd

OLD = runs.Run(Path(__file__).parent.parent / "fixtures/run_format_1")


@pytest.fixture
def run(tmp_path):
    return make(tmp_path, "run", n=20, draws=20)


def test_a_run_of_format_1_reads_into_the_records():
    info, report, history = OLD.info, OLD.report, OLD.read_history()
    assert (info.experiment, info.task, info.data.dataset, info.split.test) == ("genre_gru", "single", "gtzan", 20)
    assert (info.max_epochs, info.best_epoch, info.split.folds, info.data.folder) == (2, 2, 0, None)
    assert info.precision["policy"] == "float32" and info.published is None and info.is_honest
    assert (report.n, report.main, report.get_interval("accuracy")) == (20, 0.25, (0.05, 0.5))
    assert report.per_class[0]["class"] == "blues" and report.at_half is None
    assert [row.epoch for row in history] == [1, 2] and history[0].values["val_accuracy"] >= 0
    assert [row.stage for row in history] == ["all", "all"] and history[0].seconds > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_key_that_a_training_writes_has_a_field(family, tmp_path):
    run = make(tmp_path, "run", family=family, n=20, draws=20)
    for record in (run.info, run.info.data, run.info.split, run.report):
        assert set(record.table) <= {name for name in vars(record) if name != "table"}


def test_an_update_changes_nothing_but_its_facts_and_keeps_what_it_does_not_know(tmp_path):
    run = runs.create_run(tmp_path, "genre_gru", 0, "", {"of_a_later_version": {"a": [1, 2]}})
    before = (run.path / "run.json").read_text()
    run.update()
    assert (run.path / "run.json").read_text() == before
    run.update(status="trained", train_seconds=1.5)
    now = run.read("run.json")
    assert now == json.loads(before) | {"status": "trained", "train_seconds": 1.5}
    assert list(now)[: len(json.loads(before))] == list(json.loads(before))
    assert run.info.table["of_a_later_version"] == {"a": [1, 2]} and run.info.train_seconds == 1.5


def test_what_an_older_musicml_did_not_write_has_a_default(run):
    kept = {"format_version": 1, "data": {"dataset": "gtzan"}, "split": None, "overrides": None}
    (run.path / "run.json").write_text(json.dumps(kept))
    info = run.info
    assert (info.protocol, info.status, info.overrides, info.split.folds) == ("honest", "started", {}, 0)
    assert (info.data.as_published, info.max_epochs, info.split_rule, info.task) == (False, 0, "official", None)


@pytest.mark.parametrize(
    "file, keys, value, words",
    [
        ("run.json", ["data"], "x", "must contain a valid value of data, but has 'x'"),
        ("run.json", ["data", "sample"], "yes", "a valid value of data.sample, but has 'yes'"),
        ("run.json", ["seed"], True, "a valid value of seed, but has True"),
        ("run.json", ["protocol"], ["honest"], "value of protocol"),
        ("run.json", ["settings"], [1], "value of settings"),
        ("run.json", ["settings", "training", "epochs"], "x", "value of settings.training.epochs"),
        ("report.json", ["n"], 2.5, "a valid value of n, but has 2.5"),
        ("report.json", ["main_metric"], None, "a valid value of main_metric, but has None"),
        ("report.json", ["main_metric"], "luck", "value of main_metric"),
        ("report.json", ["metrics", "accuracy"], None, "value of metrics"),
        ("report.json", ["per_class"], [{"class": "blues"}], "value of per_class"),
        ("report.json", ["intervals"], {"accuracy": "wide"}, "value of intervals"),
        ("report.json", ["unlike_training"], {"n": 1}, "value of unlike_training"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_short_sentence(file, keys, value, words, run):
    odd(run.path, file, *keys, value=value)
    with pytest.raises(InputError) as refused:
        _ = run.info if file == "run.json" else run.report
    assert str(refused.value).startswith(f"{file} of run run must contain ") and words in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


def test_a_report_that_is_no_object_is_refused(run):
    (run.path / "report.json").write_text("[]")
    with pytest.raises(InputError, match=r"must contain a valid value of \{\.\.\.\}"):
        _ = run.report


def test_a_row_of_the_history_that_is_half_written_is_left_out(run):
    path, whole = run.path / "history.csv", run.read_history()
    path.write_text(path.read_text() + "all,9")
    assert run.read_history() == whole
    path.write_text("stage,epoch,loss\nall,one,low\n")
    assert run.read_history() == []
    path.unlink()
    assert run.read_history() == []


@pytest.mark.parametrize("epoch", ["nan", "inf", "-1", "1e300"])
def test_a_row_of_the_history_without_a_possible_epoch_is_left_out(run, epoch):
    (run.path / "history.csv").write_text(f"stage,epoch,loss\nall,{epoch},1\nall,2,1\n")
    assert [row.epoch for row in run.read_history()] == [2]


def test_each_task_has_a_main_metric_with_a_name():
    assert set(records.MAIN_METRICS.values()) <= set(metrics.METRIC_NAMES)
