import json
import re

import numpy as np
import pytest

from dashboard import i18n
from dashboard import runs as dashboard_runs
from dashboard.app_pages.compare import shared_examples
from dashboard.charts import counts, metrics
from musicml.data.datasets import loading
from musicml.evaluation import comparison, intervals
from musicml.evaluation import metrics as report
from tests.fixtures import fake_runs, pages

WORDS = i18n.read_words("en", "compare")


def make(runs, *skills, family="cnn", n=40, **more):
    """Make runs on the same test examples, one for each skill."""
    return [
        fake_runs.make(runs, f"{family}-2026030{k + 1}T120000-s{k}", family=family, n=n, seed=k, skill=skill, **more)
        for k, skill in enumerate(skills)
    ]


@pytest.mark.parametrize(("page", "key"), [("curves", "runs"), ("compare", "compared"), ("report", "reported")])
def test_an_address_may_name_more_runs_than_a_page_shows_or_one_twice(runs, page, key):
    names = [run.name for run in make(runs, *[1.0] * 9, n=20)]
    for asked in (names, names[:1] * 2):
        shown = pages.opened(page, **{key: asked}).multiselect(key=key).value
        assert shown == list(dict.fromkeys(asked))[: len(shown)] and 0 < len(shown) <= 8


def get_runs(*made):
    return [dashboard_runs.get_run(run.path) for run in made]


def compared(*made):
    """Open the page with these runs chosen, the first as A."""
    app = pages.opened("compare")
    app.multiselect(key="compared").set_value([run.name for run in made]).run()
    return pages.sound(app)


def field(app):
    """Return the widget that chooses a cell of the two-by-two table."""
    return next(radio for radio in app.radio if radio.key.startswith("field"))


# what is the same


def test_runs_on_the_same_examples_keep_the_figures_of_their_reports(runs):
    chosen = get_runs(*make(runs, 1.0, 3.0))
    common = shared_examples.get_shared_examples(chosen)
    made = shared_examples.get_metrics(chosen, common)
    assert common.is_all and len(common.names) == 40
    for one, its in zip(chosen, made, strict=True):
        assert its.overall["accuracy"] == one.report.metrics["accuracy"]
        assert its.intervals == one.report.intervals


@pytest.mark.numeric
@pytest.mark.parametrize("family", ["cnn", "multi"])
def test_figures_worked_out_anew_are_those_of_the_report(family, runs):
    chosen = get_runs(*make(runs, 1.0, 3.0, family=family))
    common = shared_examples.get_shared_examples(chosen)
    for one, its in zip(chosen, shared_examples.compute_metrics(chosen), strict=True):
        wanted = shared_examples.read_reported_metrics(one, common)
        assert its.overall == pytest.approx(wanted.overall, abs=1e-6)
        for row, told in zip(its.classes, wanted.classes, strict=True):
            assert row == pytest.approx({key: told[key] for key in row}, abs=1e-6)


@pytest.mark.numeric
def test_runs_that_share_a_part_are_compared_on_it(runs):
    (large,), (small,) = make(runs, 2.0, n=60), make(runs / "..", 2.0, family="gru", n=40)
    small.path.rename(runs / small.name)
    chosen = get_runs(large, type(large)(runs / small.name))
    common = shared_examples.get_shared_examples(chosen)
    assert common.sizes == (60, 40) and len(common.names) == 40
    assert shared_examples.list_differences(chosen) == ["splits"]
    table = dashboard_runs.get_predictions(chosen[0])
    assert (table.names[common.places[0]] == common.names).all()
    assert (table.groups[common.places[0]] == common.groups).all()
    hits = (table.scores.argmax(axis=1) == table.targets.argmax(axis=1))[common.places[0]]
    assert shared_examples.get_metrics(chosen, common)[0].overall["accuracy"] == pytest.approx(hits.mean())
    said = pages.said(compared(large, small))
    assert WORDS["differ_splits"] in said and "only the 40 examples" in said


def test_generated_and_real_data_of_the_same_names_share_nothing(runs):
    (sample,), (real,) = make(runs, 2.0), make(runs, 2.0, family="gru", sample=False)
    said = pages.said(compared(sample, real))
    assert WORDS["differ_origins"] in said and "share no test examples" in said


def test_an_example_with_other_labels_is_not_the_same(runs):
    one, other = make(runs, 2.0, 2.0)
    lines = (other.path / "predictions.csv").read_text().splitlines(keepends=True)
    assert ",blues,," in lines[1]
    lines[1] = lines[1].replace(",blues,,", ",rock,,", 1)
    (other.path / "predictions.csv").write_text("".join(lines))
    common = shared_examples.get_shared_examples(get_runs(one, other))
    assert common.relabelled == 1 and len(common.names) == 39


def test_classes_in_another_order_are_found_by_name(runs):
    one, other = make(runs, 3.0, 3.0)
    table = dashboard_runs.get_predictions(dashboard_runs.get_run(other.path))
    order = np.arange(len(table.class_names))[::-1]
    names = [table.class_names[k] for k in order]
    (other.path / "labels.json").write_text(json.dumps(names))
    rows = [line.split(",") for line in (other.path / "predictions.csv").read_text().splitlines()]
    turned = [",".join([*row[:4], *row[4:][::-1]]) for row in rows]
    (other.path / "predictions.csv").write_text("\n".join(turned) + "\n")
    common = shared_examples.get_shared_examples(get_runs(one, other))
    assert (common.scores[1] == table.scores).all() and common.class_names == table.class_names


def test_runs_of_other_classes_are_refused_in_a_sentence(runs):
    (one,) = make(runs, 2.0)
    other = fake_runs.make(runs, family="gru", n=40, class_names=("a", "b", "c"))
    assert [error.value for error in compared(one, other).error] == [WORDS["refused_classes"]]


def test_one_label_and_many_are_not_compared(runs):
    (one,), (other,) = make(runs, 2.0), make(runs, 2.0, family="multi")
    assert [error.value for error in compared(one, other).error] == [WORDS["refused_tasks"]]


def test_the_first_two_shown_are_of_the_same_examples(runs):
    first, second = make(runs, 1.0, 2.0)
    fake_runs.make(runs, "forest-20260401T120000-s0", family="forest", n=20)
    app = pages.opened("compare")
    assert set(app.multiselect(key="compared").value) == {first.name, second.name}


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_one_run_alone_is_not_compared(language, runs):
    make(runs, 2.0)
    assert i18n.read_words(language, "compare")["two_needed"] in pages.said(pages.opened("compare", language))


# where they differ


def test_the_four_counts_of_two_runs():
    a, b = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 1, 0, 1, 0, 0], bool)
    assert counts.count_agreement(a, b).tolist() == [[2, 1], [1, 2]]


def test_the_two_by_two_prints_its_counts_and_names_its_sides():
    figure = counts.draw_two_by_two(np.array([[5, 2], [1, 2]]), ["A right", "A wrong"], ["B right", "B wrong"])
    assert [cell for row in figure.data[0].text for cell in row][1] == "<b>2</b><br>20%"
    assert tuple(figure.layout.yaxis.ticktext) == ("A right", "A wrong")
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1], "the first row is at the top"


def test_the_page_tells_the_four_counts_and_shows_the_examples_with_both_answers(runs):
    chosen = make(runs, 1.0, 4.0)
    common = shared_examples.get_shared_examples(get_runs(*chosen))
    (both, only_a), (only_b, neither) = counts.count_agreement(*common.right).tolist()
    app = compared(*chosen)
    said = pages.said(app)
    assert f"Of 40 examples, both runs predict {both} correctly and {neither} wrongly" in said
    assert f"Only A is correct on {only_a}, only B on {only_b}" in said
    field(app).set_value("only_b").run()
    shown = [line for line in pages.said(app).splitlines() if "**A** is" in line or "**B** is" in line]
    assert shown and all(("✗ **A**" in line) or ("✓ **B**" in line) for line in shown)
    assert len(shown) == 2 * min(6, only_b)


def test_the_examples_on_which_two_runs_are_furthest_apart_come_first(runs):
    chosen = make(runs, 1.0, 4.0)
    common = shared_examples.get_shared_examples(get_runs(*chosen))
    places = np.flatnonzero(~common.right[0] & common.right[1])
    first = common.names[places[np.argmax(np.abs(common.confidence[0] - common.confidence[1])[places])]]
    app = compared(*chosen)
    field(app).set_value("only_b").run()
    names = [element.value for element in app.markdown if "test.0" in str(element.value)]
    assert names[0] == f"**{first}**"


def test_a_multi_label_example_is_right_where_all_that_was_looked_at_is():
    targets = np.array([[1.0, 0.0, np.nan], [1.0, 0.0, np.nan]])
    said = np.array([[[True, False, True], [True, True, False]]])
    common = shared_examples.SharedExamples(
        *(np.array(["x", "y"]), np.array(["x", "y"]), np.array([[0, 1]]), (2,), ("a", "b", "c"), "multi"),
        *(targets, said.astype(float), said, 0),
    )
    assert common.right.tolist() == [[True, False]]
    assert common.right_cells.sum(axis=2).tolist() == [[2, 1]], "what nobody looked at counts for nothing"
    assert common.confidence.tolist() == [[1.0, 0.5]]


def test_a_multi_label_run_decides_by_its_own_thresholds(runs):
    one, other = make(runs, 2.0, 2.0, family="multi")
    chosen = get_runs(one, other)
    table, limits = dashboard_runs.get_predictions(chosen[0]), one.read("serving.json")["thresholds"]
    common = shared_examples.get_shared_examples(chosen)
    assert (common.predicted[0] == report.apply_thresholds(table.scores, "multi", limits)).all()
    assert "single labels" in pages.said(compared(one, other))


def test_missing_thresholds_are_told_in_a_sentence(runs):
    one, other = make(runs, 2.0, 2.0, family="multi")
    fake_runs.rewrite(other, "serving.json", thresholds=None)
    assert len(compared(one, other).error) == 1


def test_three_runs_have_a_table_of_all_pairs(runs):
    app = compared(*make(runs, 1.0, 2.0, 3.0))
    table = pages.table(app, "only first correct")
    assert table[["first run", "second run"]].values.tolist() == [["A", "B"], ["A", "C"], ["B", "C"]]
    assert (table.filter(regex="correct|wrong").sum(axis=1) == 40).all()


# what a difference means


def test_a_small_difference_can_be_chance_and_a_large_one_hardly(runs):
    chosen = make(runs, 2.0, 2.0, 5.0, n=100, draws=200)
    said = pages.said(compared(*chosen[:2]))
    assert "may be due to chance (p = " in said or "equally many of 100 files" in said
    poor = fake_runs.make(runs, "cnn-20260309T120000-s9", family="cnn", n=100, seed=9, skill=0.0, draws=200)
    said = pages.said(compared(poor, chosen[2]))
    assert "B classified " in said and "statistically significant (p ≤ 0.001)" in said
    assert WORDS["by_flipping"] in said


def test_files_that_stand_alone_are_compared_by_mcnemar_and_few_groups_are_remarked_on(runs):
    said = pages.said(compared(*make(runs, 0.0, 3.0, n=40, groups=40)))
    assert WORDS["by_mcnemar"] in said and "test groups, a 95% interval" not in said


def test_a_comparison_over_few_groups_says_how_far_intervals_can_be_relied_on(runs):
    chosen = make(runs, 0.0, 3.0, n=40)
    fake_runs.rewrite(chosen[0], "report.json", interval_method=None)
    said = pages.said(compared(*chosen)).replace("\\", "")
    assert f"A: {intervals.describe_few_groups(10, None)}" in said
    assert f"B: {intervals.describe_few_groups(10, intervals.INTERVAL_METHOD)}" in said


@pytest.mark.numeric
def test_the_test_on_the_page_is_the_one_of_the_command(runs):
    chosen = make(runs, 0.8, 1.6, 3.0)
    found, app = comparison.compare_runs(chosen), compared(*chosen)
    table = pages.table(app, "only first correct")
    assert table["p"].tolist() == pytest.approx([float(f"{pair.p:.2g}") for pair in found.pairs])
    assert table["p (Holm)"].tolist() == pytest.approx([float(f"{pair.p_holm:.2g}") for pair in found.pairs])
    assert WORDS["corrected"].format(n=3) in pages.said(app)


def test_several_classes_at_once_are_tested_by_drawing_groups_again(runs):
    said = pages.said(compared(*make(runs, 0.5, 3.0, family="multi")))
    assert "B has a mean average precision " in said and WORDS["by_drawing"] in said


def test_the_test_is_told_in_indonesian_too(runs):
    chosen = make(runs, 0.0, 5.0, n=100)
    app = pages.opened("compare", "id")
    app.multiselect(key="compared").set_value([run.name for run in chosen]).run()
    said = pages.said(pages.sound(app, "id"))
    assert re.search(r"B \D+\d+ \D+ A, dari 100; perbedaannya signifikan", said)


def test_a_published_protocol_is_marked_and_never_ranked(runs):
    poor, good = make(runs, 0.5, 5.0)
    fake_runs.rewrite(good, "run.json", protocol="as published")
    app = compared(good, poor)
    said = pages.said(app)
    assert WORDS["not_ranked"].split("{names}")[1] in said and WORDS["no_rivals"] in said
    assert "more of 40 examples" not in said
    assert "accuracy with its 95% confidence interval\\: B" in said, "the honest one comes first, however poor"
    assert "B − A" not in pages.table(app, "class").columns


@pytest.mark.numeric
def test_figures_of_each_class_say_which_run_is_which_without_colour():
    figure = metrics.draw_side_by_side(
        ["a", "b"], {"A": [0.1, None], "B": [0.3, 0.4]}, {"A": [[0, 0.2], None], "B": [None, None]}, "recall"
    )
    assert len({trace.marker.symbol for trace in figure.data}) == 2
    assert len(figure.data[0].x) == 1, "a class without a figure has no dot"
    assert figure.data[0].error_x.array == pytest.approx((0.1,))


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_page_shows_and_plays_the_files(language, runs, tones, monkeypatch):
    monkeypatch.setenv("MUSICML_FOLDERS", json.dumps(str(tones)))
    own = loading.load_folder(tones)
    for seed in range(2):
        name = f"cnn-2026030{seed + 1}T120000-s{seed}"
        fake_runs.make(runs, name, family="cnn", dataset=own, seed=0, skill=seed, overrides={"data.split": "group"})
    app = pages.opened("compare", language)
    assert app.get("audio"), "no player"
    words = i18n.read_words(language, "compare")
    assert words["figures_lead"] in pages.said(app) and words["look"] in pages.said(app)
