import json
import shutil

import numpy as np
import pytest

from dashboard import i18n, runs
from dashboard.charts import metrics as charts
from musicml.data import published_results
from musicml.evaluation import intervals, metrics, predictions
from musicml.inference import manifest
from musicml.utils import files
from tests.fixtures import fake_runs, pages

ROWS = [
    {"name": "jazz", "value": 0.5, "interval": (0.25, 0.75), "note": ""},
    {"name": "<b>pop", "value": None, "interval": None, "note": "never predicted"},
    {"name": "rock", "value": 0, "interval": None, "note": ""},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Make two genre runs, a multi-label run, a run with an older report, and one with a single group."""
    root = tmp_path_factory.mktemp("runs")
    fake_runs.make(root, "genre_cnn-20260301T120000-s0", family="cnn", n=60, skill=1.0)
    fake_runs.make(root, "genre_gru-20260301T110000-s0", family="gru", n=60)
    fake_runs.make(root, "openmic_cnn-20260301T100000-s0", family="multi", n=60)
    fake_runs.make(root, "alone-20260301T080000-s0", family="cnn", n=3, groups=1, sample=False)
    older = root / "older-20260301T090000-s0"
    shutil.copytree(root / "genre_cnn-20260301T120000-s0", older)
    kept = json.loads((older / "report.json").read_text())
    for row in kept["per_class"]:
        del row["intervals"]
    files.write_json(older / "report.json", kept)
    return root


@pytest.fixture(autouse=True)
def looking(root, monkeypatch, tmp_path):
    monkeypatch.setenv("MUSICML_RUNS", str(root))
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path))


def page(run="genre_cnn", language="en", **chosen):
    """Open the page of the run whose name begins with `run`, with choices in other boxes."""
    app = pages.opened_of("classes", run, language)
    for key, begins in chosen.items():
        name = next((view.name for view in runs.list_runs() if view.name.startswith(begins)), begins)
        app.selectbox(key=key).set_value(name).run()
    return pages.sound(app, language)


def run_of(root, begins):
    return predictions.Run(next(root.glob(f"{begins}*")))


def figure_of(app, place=0):
    return json.loads(app.get("plotly_chart")[place].proto.spec)


def table_of(app):
    """Return the table of all metrics."""
    return pages.table(app, "F1, 95% interval")


# figures


def test_a_figure_that_is_not_defined_has_a_note_and_no_number():
    bar, numbers, intervals = charts.draw_bars([{"name": "a", "rows": ROWS}], "precision").data
    assert list(numbers.texttemplate) == ["%{customdata:.2f}", "never predicted", "%{customdata:.2f}"]
    assert bar.hovertext[1] == "&lt;b&gt;pop" and "never predicted" in bar.hovertemplate[1]
    assert (list(intervals.x), list(intervals.y), list(intervals.error_x.array)) == ([0.5], [0], [0.25])


def test_two_series_differ_in_pattern_as_well_as_in_colour_and_have_a_legend():
    figure = charts.draw_bars([{"name": "a", "rows": ROWS}, {"name": "b", "rows": ROWS}], "precision")
    first, second = (trace for trace in figure.data if trace.type == "bar")
    assert not first.marker.pattern.shape and second.marker.pattern.shape and figure.layout.showlegend
    assert first.marker.line.color != second.marker.line.color


def test_each_line_over_thresholds_has_a_dash_of_its_own_and_thresholds_are_marked():
    curves = {"precision": [0.5, None], "recall": [1, 0], "F1": [0.6, 0]}
    figure = charts.draw_tradeoff(np.array([0, 1]), curves, [("own", 0.4), ("chosen", 0.5)], "threshold", "figure")
    assert len({trace.line.dash for trace in figure.data}) == 3 and figure.data[0].y[1] is None
    assert [shape.x0 for shape in figure.layout.shapes] == [0.4, 0.5]
    assert [note.text for note in figure.layout.annotations] == ["own", "chosen"]


# the page


@pytest.mark.parametrize("language", ["en", "id"])
def test_every_class_has_its_figures_with_intervals(language, root):
    rows = run_of(root, "genre_cnn").read("report.json")["per_class"]
    app = page(language=language)
    assert sorted(figure_of(app)["data"][1]["customdata"]) == sorted(row["precision"] for row in rows)
    if language == "en":
        shown = table_of(app).set_index("class")
        for row in rows:
            low, high = row["intervals"]["f1"]
            assert shown.loc[row["class"], "F1"] == row["f1"] and shown.loc[row["class"], "support"] == row["support"]
            assert shown.loc[row["class"], "F1, 95% interval"] == f"{low:.3f} – {high:.3f}"


def test_a_run_of_an_older_report_gets_the_same_kind_of_intervals(root):
    run = run_of(root, "older")
    table, thresholds = predictions.read_predictions(run), manifest.read_manifest(run).thresholds
    said = metrics.apply_thresholds(table.scores, "single", thresholds)
    found = intervals.compute_class_intervals(table.scores, table.targets, said, table.groups)
    low, high = found[0]["auc"]
    assert table_of(page("older")).set_index("class").loc["blues", "ROC-AUC, 95% interval"] == f"{low:.3f} – {high:.3f}"


def test_classes_stand_in_the_order_chosen():
    app = page()
    numbers = figure_of(app)["data"][1]["customdata"]
    assert numbers == sorted(numbers, reverse=True)
    app.button_group(key="classes-order").set_value("name").run()
    names = figure_of(app)["layout"]["yaxis"]["ticktext"]
    assert names == sorted(names) and names[0] == "blues"


def test_another_run_stands_beside_and_is_told_in_words(root):
    mine, other = (
        {row["class"]: row["recall"] for row in run_of(root, name).read("report.json")["per_class"]}
        for name in ("genre_cnn", "genre_gru")
    )
    app = page(**{"classes-beside": "genre_gru"})
    app.button_group(key="classes-metric").set_value("recall").run()
    assert len([trace for trace in figure_of(app)["data"] if trace["type"] == "bar"]) == 2
    higher = sum(other[name] > mine[name] for name in mine)
    assert f"is higher in {higher} of 10 classes" in pages.said(app)


@pytest.mark.parametrize("language", ["en", "id"])
def test_a_published_table_stands_beside_with_its_protocol_and_what_it_lacks(language):
    reference = published_results.get_reference("openmic_vggish_forest")
    app = page("openmic", language)
    app.selectbox(key="classes-beside").set_value(reference.name).run()
    bar = figure_of(app)["data"][3]
    assert sorted(bar["x"]) == sorted(row["precision"] for row in reference.per_class.values())
    app.button_group(key="classes-metric").set_value("auc").run()
    shown, common = pages.said(app), i18n.Words(language, "common")
    assert f"**{common('protocol_honest')}**" in shown
    assert i18n.Words(language, "classes")("not_comparable") in shown
    assert i18n.Words(language, "classes")("reference_lacks", metric=common("metric_auc")) in shown


def test_what_is_not_defined_is_told_with_its_reason_and_is_no_0(root):
    run = run_of(root, "alone")
    empty = [row["class"] for row in run.read("report.json")["per_class"] if not row["support"]]
    app = page("alone")
    shown = pages.said(app)
    assert "no test examples" in shown and "all test examples belong to one group" in shown
    assert f"of {', '.join(empty)}: undefined" in shown
    table = table_of(app).set_index("class")
    assert table.loc[empty, "F1"].isna().all() and (table.loc[empty, "support"] == 0).all()


def test_sample_data_and_real_data_are_not_laid_beside_each_other_unsaid():
    warning = i18n.Words("en", "classes")("not_comparable")
    assert warning in pages.said(page(**{"classes-beside": "alone"}))
    assert warning not in pages.said(page(**{"classes-beside": "genre_gru"}))


def test_what_nobody_judged_is_counted_for_each_class(root):
    targets = predictions.read_predictions(run_of(root, "openmic")).targets
    shown = table_of(page("openmic"))
    assert shown["present"].tolist() == (targets == 1).sum(axis=0).tolist()
    assert shown["absent"].tolist() == (targets == 0).sum(axis=0).tolist()
    assert shown["not labeled"].tolist() == np.isnan(targets).sum(axis=0).tolist()


def test_a_threshold_that_is_moved_says_what_it_costs_beside_the_runs_own(root):
    run, name, at = run_of(root, "openmic"), "flute", 0.2
    table = predictions.read_predictions(run)
    k = table.class_names.index(name)
    own, judged = manifest.read_manifest(run).thresholds[k], table.targets[:, k]
    hits = [int((judged[table.scores[:, k] >= t] == 1).sum()) for t in (at, own)]
    wrong = [int((judged[table.scores[:, k] >= t] == 0).sum()) for t in (at, own)]
    app = page("openmic", **{"class": name})
    assert f"own threshold, **{own:.2f}**: {hits[1]} of" in pages.said(app)
    pages.sound(app.slider[0].set_value(at).run())
    shown = pages.said(app)
    assert f"At **0.20**: {hits[0]} of {(judged == 1).sum()} found, {wrong[0]} false positives" in shown
    assert f"{hits[1]} found, {wrong[1]} false positives." in shown
    assert hits[0] > hits[1] and i18n.Words("en", "classes")("threshold_flatters") in shown
    assert [shape["x0"] for shape in figure_of(app, 1)["layout"]["shapes"]] == [own, at]


def test_a_run_of_one_class_an_example_has_no_threshold():
    assert len(page("genre_gru").slider) == 0
