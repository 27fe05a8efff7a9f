"""Test the overview: the main metric of every run, and published results."""

import json
import subprocess
import sys

import pytest

from dashboard import i18n, layout
from musicml.data import published_results
from musicml.evaluation import intervals
from musicml.experiment import notes, process, trash
from musicml.experiment import run as package
from tests.fixtures import fake_runs, pages


def name(run):
    return layout.shorten_run_name(run.name)


def table(app, place=0):
    return app.dataframe[place].value


def test_a_runs_figure_stands_with_its_interval_as_its_report_says(runs):
    run = fake_runs.make(runs, family="cnn", n=60)
    report = run.read("report.json")
    (row,) = table(pages.opened()).to_dict("records")
    assert row["value"] == round(report["metrics"]["accuracy"], 3)
    assert [row["interval from"], row["interval to"]] == [round(limit, 3) for limit in report["intervals"]["accuracy"]]
    assert (row["run"], row["origin"], row["test examples"]) == (name(run), "synthetic data", 60)


@pytest.mark.parametrize(("language", "month"), [("en", "May"), ("id", "Mei")])
def test_a_page_opens_on_the_clearest_run_and_not_on_the_newest(language, month, runs):
    for day, family in enumerate(("cnn", "multi", "vggish"), 1):
        fake_runs.make(runs, f"{family}-2026050{day}T072800-s{day}", family=family, n=40)
    box = pages.opened("run", language).selectbox(key="run")
    assert box.value == "cnn-20260501T072800-s1" and box.options[-1] == f"cnn · 1 {month} 07:28 · seed 1"


def test_runs_of_few_test_groups_are_named_with_what_their_intervals_hold(runs):
    few, old = (fake_runs.make(runs, name, family="cnn", n=40) for name in ("genre_cnn-1-s0", "genre_cnn-2-s0"))
    fake_runs.make(runs, family="gru", n=60)
    rewritten = old.read("report.json") | {"interval_method": None}
    (old.path / "report.json").write_text(json.dumps(rewritten), encoding="utf-8")
    said = pages.said(pages.opened()).replace("\\", "")
    for run, method in ((few, intervals.INTERVAL_METHOD), (old, None)):
        assert f"{run.name}: {intervals.describe_few_groups(10, method)}" in said
    assert said.count("test groups, so a 95% confidence interval") == 2


def test_sample_figures_are_marked_and_real_ones_are_not(runs):
    fake_runs.make(runs, family="gru", n=40, sample=False)
    note = i18n.read_words("en", "common")["sample_note"]
    assert note not in pages.said(pages.opened())
    fake_runs.make(runs, family="cnn", n=40)
    assert note in pages.said(pages.opened())


def test_what_went_wrong_in_a_training_stands_above_its_figures(runs):
    run = fake_runs.make(runs, family="cnn", n=40)
    facts = {**run.read("run.json"), "warnings": ["out of memory with batches of 64"]}
    (run.path / "run.json").write_text(json.dumps(facts))
    assert f"**Training** ({name(run)}). out of memory with batches of 64" in pages.said(pages.opened()).replace(
        "\\", ""
    )


def test_a_filter_leaves_only_what_is_asked_for(runs):
    for family in ("cnn", "gru", "multi"):
        fake_runs.make(runs, family=family, n=40)
    app = pages.opened()
    assert len(table(app)) == 3
    app.multiselect(key="sets").set_value(["openmic"]).run()
    assert set(table(app)["dataset"]) == {"openmic"}
    app.multiselect(key="experiments").set_value(["genre_gru"]).run()
    assert len(table(pages.sound(app))) == 0


@pytest.mark.parametrize("dataset", ["gtzan", "instrument_images", "instrument_sounds", "openmic"])
def test_every_published_result_stands_with_its_source_its_protocol_and_its_worth(dataset, runs):
    fake_runs.make(runs, family="cnn", n=40)
    shown = pages.said(pages.opened(dataset=dataset)).replace("\\", "")
    for reference in published_results.list_references(dataset):
        for words in (reference.source, reference.method, reference.caveats):
            assert words in shown


def test_a_published_table_is_shown_in_full(runs):
    fake_runs.make(runs, family="cnn", n=40)
    shown = [element.value for element in pages.opened(dataset="gtzan").dataframe]
    (genres,) = [frame for frame in shown if "class" in frame and len(frame) == 10]
    reggae = genres.set_index("class").loc["reggae"]
    assert [reggae["precision"], reggae["recall"], reggae["F1"], reggae["ROC-AUC"]] == [0.17, 0.17, 0.17, 0.86]


def test_published_words_are_indonesian_on_an_indonesian_page(runs):
    fake_runs.make(runs, family="cnn", n=40)
    shown = pages.said(pages.opened(language="id", dataset="openmic")).replace("\\", "")
    for reference in published_results.list_references("openmic"):
        assert reference.caveats not in shown


def test_a_run_that_begins_or_ends_is_noticed_without_a_reload(runs):
    assert layout.list_statuses() == ()
    training = fake_runs.make(runs, family="gru", status="training")
    assert layout.list_statuses() == ((training.name, "training"),)
    whole = fake_runs.make(runs, family="cnn", n=40)
    assert dict(layout.list_statuses()) == {training.name: "training", whole.name: "whole"}


def test_a_run_whose_process_is_over_is_not_said_to_be_training(runs):
    run = fake_runs.make(runs, family="gru", status="training")
    run.update()  # written by this process, which is running
    assert layout.list_statuses() == ((run.name, "training"),)
    over = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    gone = {**process.get_process_info(), "id": int(over.stdout)}
    fake_runs.odd(run.path, "run.json", "process", value={**gone, "place": "another machine"})
    assert layout.list_statuses() == ((run.name, "training"),)  # processes of another machine can not be checked
    fake_runs.odd(run.path, "run.json", "process", value=gone)
    assert layout.list_statuses() == ((run.name, "stopped"),)
    assert i18n.read_words("en", "overview")["now"] not in pages.said(pages.opened())


@pytest.mark.parametrize("damaged", [None, 7, {"id": None}, {"id": -1}, {"id": "x"}, {"id": 10**30}])
def test_what_names_no_process_tells_nothing(damaged, runs):
    known = {**process.get_process_info(), **damaged} if isinstance(damaged, dict) else damaged
    run = fake_runs.make(runs, family="gru", status="training")
    fake_runs.odd(run.path, "run.json", "process", value=known)
    assert layout.list_statuses() == ((run.name, "training"),)


def test_a_process_that_goes_on_says_which_training_it_gave_up(runs):
    failed = fake_runs.make(runs, family="gru", status="training")
    others = fake_runs.make(runs, family="cnn", status="training", seed=1)
    failed.update()
    package.mark_abandoned(runs)
    assert dict(layout.list_statuses()) == {failed.name: "stopped", others.name: "training"}
    failed.update()  # it is resumed
    assert dict(layout.list_statuses())[failed.name] == "training"


def test_a_run_as_published_stands_apart_from_the_honest_ones(runs):
    honest = fake_runs.make(runs, family="gru", n=40)
    published = fake_runs.make(runs, family="cnn", n=40, seed=1)
    fake_runs.odd(published.path, "run.json", "protocol", value="as published")
    dots = next(frame.value for frame in pages.opened(dataset="gtzan").dataframe if "system" in frame.value)
    kinds = dots.set_index("system")["origin"]
    assert kinds[name(published)] == i18n.read_words("en", "overview")["ours_as_published"]
    assert kinds[name(honest)] == i18n.read_words("en", "overview")["ours_sample"]


def test_a_downloaded_table_of_sample_figures_says_so(runs, monkeypatch):
    made, kept = [], layout.format_csv
    monkeypatch.setattr(layout, "format_csv", lambda rows: made.append(rows) or kept(rows))
    fake_runs.make(runs, family="cnn", n=40)
    pages.opened("classes")
    column = i18n.read_words("en", "common")["sample_column"]
    assert made and all(row[column] == "synthetic data" for rows in made[-2:] for row in rows)


def test_runs_are_filtered_by_tag_and_show_their_notes(runs):
    first, second, third = (fake_runs.make(runs, family=family, n=40) for family in ("cnn", "gru", "multi"))
    app = pages.opened()
    assert "tags" not in [one.key for one in app.multiselect] and "tags" not in table(app)
    notes.add_tags(first, ["baseline", "lab-3"])
    notes.add_tags(second, ["lab-3"])
    notes.write_note(third, "without the drums")
    app = pages.opened()
    rows = table(app).set_index("run")
    assert rows["tags"][name(first)] == "baseline, lab-3" and rows["note"][name(third)] == "without the drums"
    app.multiselect(key="tags").set_value(["lab-3"]).run()
    assert set(table(pages.sound(app))["run"]) == {name(first), name(second)}
    app.multiselect(key="tags").set_value(["baseline"]).run()
    assert set(table(pages.sound(app))["run"]) == {name(first)}
    notes.remove_tags(first, ["baseline"])  # while it is chosen
    assert len(table(pages.sound(app.run()))) == 3
    assert "catatan" in table(pages.opened(language="id"))


def test_a_deleted_run_vanishes_from_the_pages_and_the_others_stay(runs):
    first, second = (fake_runs.make(runs, family=family, n=40) for family in ("cnn", "gru"))
    known = layout.list_statuses()
    trash.delete_run(first.name, runs)
    assert set(known) - set(layout.list_statuses()) == {(first.name, "whole")}
    assert set(table(pages.opened())["run"]) == {name(second)}
    for page in ("run", "compare", "classes"):
        assert first.name not in pages.said(pages.opened(page, run=first.name, runs=first.name))
    trash.delete_run(second.name, runs)
    assert layout.list_statuses() == () and str(runs.name) in pages.said(pages.opened()).replace("\\", "")
