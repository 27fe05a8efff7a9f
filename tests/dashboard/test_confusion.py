import json

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly import colors
from streamlit.proto.WidgetStates_pb2 import WidgetState

from dashboard import charts, i18n, layout
from dashboard import runs as dashboard_runs
from dashboard.charts import matrix
from musicml.evaluation import predictions
from musicml.inference import manifest
from tests.fixtures import fake_runs, pages

COUNTS = np.array([[18, 2, 0], [0, 0, 0], [3, 1, 4]])
NAMES = ["jazz", "pop", "rock"]
TOLD = [[f"{row} {column}" for column in NAMES] for row in NAMES]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Make a single-label run, a multi-label run, and one with odd class names."""
    root = tmp_path_factory.mktemp("runs")
    fake_runs.make(root, "genre_cnn-20260301T120000-s0", family="cnn", n=60, skill=1.0)
    fake_runs.make(root, "openmic_cnn-20260301T110000-s0", family="multi", n=60)
    odd = ("<b>keroncong</b>", "campur sari*", "面*_[x](y)", "never")
    fake_runs.make(root, "odd-20260301T100000-s0", family="cnn", n=3, class_names=odd)
    return root


@pytest.fixture(autouse=True)
def looking(root, monkeypatch, tmp_path):
    monkeypatch.setenv("MUSICML_RUNS", str(root))
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path))


def page(run="genre_cnn", language="en"):
    return pages.opened_of("confusion", run, language)


def figure_of(app):
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def click(app, *square):
    """Return the page after a click on a cell, or after a click that deselects it."""
    points = [{"customdata": list(square)}] if square else []
    selection = {"selection": {"points": points, "point_indices": [], "box": [], "lasso": []}}
    states = app._tree.get_widget_states()
    id = app.get("plotly_chart")[0].proto.id
    states.widgets.append(WidgetState(id=id, string_value=json.dumps(selection)))
    app._run(states)
    return pages.sound(app)


def table_of(root, run="genre_cnn"):
    return predictions.read_predictions(predictions.Run(next(root.glob(f"{run}*"))))


# figures


def test_examples_are_counted_by_row_and_column_and_those_that_nobody_judged_left_out():
    counts = matrix.count_cells(np.array([0, 0, 1, -1]), np.array([1, 1, 0, 0]), (2, 2))
    assert counts.tolist() == [[0, 2], [1, 0]]


def test_a_row_without_examples_has_no_shares_and_prints_nothing():
    assert matrix.compute_shares(COUNTS)[1].tolist() == [0, 0, 0]
    assert matrix.format_cells(COUNTS, by_share=True) == [["90", "10", ""], ["", "", ""], ["38", "12", "50"]]


def test_the_most_confused_classes_and_pairs_come_first():
    assert matrix.sort_by_confusion(COUNTS) == [0, 2, 1]
    assert matrix.list_confusions(COUNTS) == [(2, 0), (0, 1), (2, 1)]


@pytest.mark.parametrize("dark", [False, True])
def test_every_number_is_readable_on_its_square(dark):
    for share in np.linspace(0, 1, 201):
        ink = 1.0 if matrix.choose_ink(share, dark) == "#ffffff" else 0.0
        low, high = sorted((ink, matrix.compute_luminance(matrix.get_fill_color(share, dark))))
        assert (high + 0.05) / (low + 0.05) >= 4.5, "the contrast that WCAG 2 asks for"


@pytest.mark.parametrize("dark", [False, True])
def test_a_square_has_the_colours_of_the_ends_of_the_scale_at_nothing_and_all(dark):
    ends = [colors.unlabel_rgb(matrix.get_fill_color(share, dark)) for share in (0.0, 1.0)]
    scale = charts.make_color_scale(dark)
    assert ends == [colors.hex_to_rgb(scale[0][1]), colors.hex_to_rgb(scale[-1][1])]


def test_each_square_is_drawn_once_and_can_be_clicked():
    figure = matrix.draw_matrix(COUNTS, NAMES, NAMES, "says", "is", TOLD)
    dark_ink, light_ink, points = figure.data
    drawn = np.isfinite(np.array([dark_ink.z, light_ink.z], dtype=float))
    assert (drawn.sum(axis=0) == 1).all() and drawn[1].any()
    assert isinstance(points, go.Scatter)
    assert [tuple(place) for place in points.customdata] == [(r, c) for r in range(3) for c in range(3)]
    at = [tuple(place) for place in points.customdata].index((2, 0))
    assert (points.x[at], points.y[at], points.text[at]) == ("0", 2, "rock jazz")
    assert dark_ink.text[0][1] == "2" and light_ink.text[0][0] == "18"


def test_the_diagonal_is_framed_and_the_chosen_square_more_so():
    figure = matrix.draw_matrix(COUNTS, NAMES, NAMES, "says", "is", TOLD, chosen=(2, 0))
    *diagonal, chosen = figure.layout.shapes
    assert [(shape.x0, shape.y0) for shape in diagonal] == [(-0.5, -0.5), (0.5, 0.5), (1.5, 1.5)]
    assert (chosen.x0, chosen.y0) == (-0.5, 1.5) and chosen.line.width > diagonal[0].line.width


# the page


def test_a_click_on_a_cell_shows_its_files(root):
    table = table_of(root)
    truth, answer = table.targets.argmax(axis=1), table.scores.argmax(axis=1)
    counts = matrix.count_cells(truth, answer, (10, 10))
    row, column = matrix.list_confusions(counts)[0]
    names = table.names[(truth == row) & (answer == column)]
    app = click(page(), row, column)
    assert app.selectbox(key="confusion-is").value == table.class_names[row]
    assert app.selectbox(key="confusion-says").value == table.class_names[column]
    shown = pages.said(app)
    assert all(f"**{layout.escape_markdown(name)}**" in shown for name in names[:6])
    assert not any(f"**{layout.escape_markdown(name)}**" in shown for name in table.names[truth == answer])


def test_names_do_what_a_click_does_and_mark_the_square():
    app = page()
    assert len(figure_of(app)["layout"]["shapes"]) == 10
    app.selectbox(key="confusion-is").set_value("jazz")
    app.selectbox(key="confusion-says").set_value("jazz").run()
    mark = figure_of(app)["layout"]["shapes"][-1]
    assert (mark["x0"], mark["y0"], len(figure_of(app)["layout"]["shapes"])) == (4.5, 4.5, 11)


def test_a_click_that_unmarks_a_square_changes_nothing():
    app = click(click(page(), 0, 0))
    assert app.selectbox(key="confusion-is").value == "blues"


def test_a_click_in_another_order_of_the_classes_finds_the_same_files(root):
    app = page()
    app.button_group(key="confusion-order").set_value("confused").run()
    first = figure_of(app)["layout"]["yaxis"]["ticktext"][0]
    app = click(app, 0, 0)
    assert app.selectbox(key="confusion-is").value == app.selectbox(key="confusion-says").value == first
    assert first != "blues" or table_of(root).class_names[0] == first


def test_the_most_frequent_confusion_is_told_and_can_be_chosen(root):
    table = table_of(root)
    counts = matrix.count_cells(table.targets.argmax(axis=1), table.scores.argmax(axis=1), (10, 10))
    row, column = matrix.list_confusions(counts)[0]
    truth, answer = table.class_names[row], table.class_names[column]
    app = page()
    words = f"{truth} predicted as {answer}, {counts[row, column]} of {counts[row].sum()}"
    assert words in pages.said(app)
    app.button(key="pair-0").click().run()
    assert (app.selectbox(key="confusion-is").value, app.selectbox(key="confusion-says").value) == (truth, answer)


@pytest.mark.parametrize("language", ["en", "id"])
def test_an_empty_square_says_so(language, root):
    table = table_of(root)
    counts = matrix.count_cells(table.targets.argmax(axis=1), table.scores.argmax(axis=1), (10, 10))
    row, column = next(place for place in np.argwhere(counts == 0).tolist() if place[0] != place[1])
    app = page(language=language)
    app.selectbox(key="confusion-is").set_value(table.class_names[row])
    app.selectbox(key="confusion-says").set_value(table.class_names[column]).run()
    words = {"truth": table.class_names[row], "answer": table.class_names[column], "of": counts[row].sum()}
    assert i18n.Words(language, "confusion")("wrong_none", **words) in pages.said(app)


def test_shares_are_printed_in_percent_of_the_row():
    app = page()
    app.button_group(key="confusion-numbers").set_value("share").run()
    printed = [text for trace in figure_of(app)["data"][:2] for row in trace["text"] for text in row if text.strip()]
    assert any(int(text) > 30 for text in printed) and all(0 < int(text) <= 100 for text in printed)


def test_of_several_classes_one_is_judged_by_its_threshold_and_what_nobody_judged_is_counted_in_words(root):
    table, name = table_of(root, "openmic"), "drums"
    k = table.class_names.index(name)
    threshold = manifest.read_manifest(predictions.Run(next(root.glob("openmic*")))).thresholds[k]
    judged, said = table.targets[:, k], table.scores[:, k] >= threshold
    app = page("openmic")
    app.selectbox(key="class").set_value(name).run()
    shown, unobserved = pages.said(app), int(np.isnan(judged).sum())
    assert 0 < unobserved < 60 and f"{unobserved} of 60 test examples have no label for {name}" in shown
    assert f"{((judged == 1) & said).sum()} found, {((judged == 1) & ~said).sum()} missed" in shown
    files = table.names[(judged == 0) & ~said]
    shown = pages.said(click(app, 1, 1))
    assert f"{len(files)} of {(judged == 0).sum()} files" in shown
    assert sum(f"**{layout.escape_markdown(name)}**" in shown for name in table.names) == min(6, len(files))


def test_odd_names_and_a_class_without_examples_are_shown_as_they_are():
    app = page("odd")
    assert "never" in pages.said(app).split("empty rows")[1]
    assert "&lt;b&gt;keroncong&lt;/b&gt;" in figure_of(app)["layout"]["yaxis"]["ticktext"]
    app.selectbox(key="confusion-is").set_value("never")
    app.selectbox(key="confusion-says").set_value("面*_[x](y)").run()
    assert "no test examples of **never**" in pages.said(app)


def test_a_choice_that_another_run_does_not_have_is_forgotten():
    app = click(page(), 0, 1)
    (run,) = (view.name for view in dashboard_runs.list_runs() if view.name.startswith("odd"))
    app.selectbox(key="run").set_value(run).run()
    assert pages.sound(app).selectbox(key="confusion-is").value is None
