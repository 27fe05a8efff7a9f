import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from musicml.evaluation import bootstrap, intervals
from musicml.evaluation import metrics as report
from musicml.utils.errors import InputError
from musicml.utils.stats import compute_wilson_interval

pytestmark = pytest.mark.numeric

MACRO = ("macro_precision", "macro_recall", "macro_f1", "macro_auc", "mean_average_precision")


def table(task, seed, n=60, n_classes=4, ties=False):
    """Scores, targets and decisions as a report has them; of `multi` half of the cells are not observed."""
    rng = np.random.default_rng(seed)
    scores = rng.random((n, n_classes))
    scores = scores.round(1) if ties else scores
    if task == "single":
        truth = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
        targets = np.eye(n_classes)[truth]
        scores = scores + 0.4 * targets
    else:
        targets = (rng.random((n, n_classes)) < 0.4).astype(float)
        scores = np.clip(scores + 0.3 * targets, 0, 1)
        targets[rng.random((n, n_classes)) < 0.5] = np.nan
    return scores, targets, report.apply_thresholds(scores, task, [0.6] * n_classes)


def made(task, seed, groups=None, draws=intervals.N_BOOTSTRAP, **how):
    scores, targets, _ = table(task, seed, **how)
    n, k = scores.shape
    groups = np.arange(n) // 3 if groups is None else groups
    names = [f"c{i}" for i in range(k)]
    return report.compute_report(scores, targets, groups, names, task, [0.6] * k, n_bootstrap=draws)


def weigh(scores, targets, said, weights, task):
    return bootstrap.compute_mean_draws(bootstrap.compute_class_draws(scores, targets, said, weights), weights, task)


def by_class_of_sklearn(scores, targets, said):
    """One class's figures on its observed examples, by scikit-learn alone; NaN where they are not defined."""
    seen = ~np.isnan(targets)
    truth, answer, score = targets[seen] > 0.5, said[seen], scores[seen]
    any_of, two = truth.any(), truth.any() and not truth.all()
    return {
        "precision": metrics.precision_score(truth, answer) if answer.any() else np.nan,
        "recall": metrics.recall_score(truth, answer) if any_of else np.nan,
        "f1": metrics.f1_score(truth, answer, zero_division=0) if any_of else np.nan,
        "f1_absent": metrics.f1_score(~truth, ~answer, zero_division=0) if two else np.nan,
        "auc": metrics.roc_auc_score(truth, score) if two else np.nan,
        "average_precision": metrics.average_precision_score(truth, score) if two else np.nan,
    }


def by_sklearn(scores, targets, said, task):
    """Every figure, of the classes that are present; a precision of no answers counts as 0."""
    rows = [by_class_of_sklearn(*(part[:, k] for part in (scores, targets, said))) for k in range(targets.shape[1])]
    kept = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    n_of, figures = (targets == 1).sum(axis=0), {}
    kept["precision"] = np.nan_to_num(kept["precision"])
    for name, its in kept.items():
        defined = ~np.isnan(kept["auc" if name in ("auc", "average_precision", "f1_absent") else "recall"])
        figures[f"macro_{name}"] = its[defined].mean()
        figures[f"weighted_{name}"] = np.average(its[defined], weights=n_of[defined])
    both = (kept["f1"] + kept["f1_absent"]) / 2
    figures["mean_average_precision"] = figures["macro_average_precision"]
    if task == "single":
        figures["accuracy"] = metrics.accuracy_score(targets.argmax(axis=1), scores.argmax(axis=1))
    else:
        figures["mean_f1_both_sides"] = np.nanmean(both)
    unused = ("macro_average_precision", "weighted_average_precision", "macro_f1_absent", "weighted_f1_absent")
    return {name: value for name, value in figures.items() if name not in unused}


TABLES = [(task, seed, ties) for task in ("single", "multi") for seed in range(3) for ties in (False, True)]


# against scikit-learn


@pytest.mark.parametrize(("task", "seed", "ties"), TABLES)
def test_the_figures_of_whole_weights_equal_scikit_learns_on_the_examples_repeated(task, seed, ties):
    scores, targets, said = table(task, seed, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(scores)))
    weights[0, targets[:, 0] == 1] = 0  # a draw without a class leaves that class out
    found = weigh(scores, targets, said, weights.astype(float), task)
    for draw, its in enumerate(weights):
        parts = (np.repeat(part, its, axis=0) for part in (scores, targets, said))
        expected = by_sklearn(*parts, task)
        assert {name: values[draw] for name, values in found.items()} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("task", "seed", "ties"), TABLES)
def test_the_reports_figures_equal_scikit_learns(task, seed, ties):
    scores, targets, said = table(task, seed, ties=ties)
    figures = made(task, seed, draws=2, ties=ties)["metrics"]
    for name, value in by_sklearn(scores, targets, said, task).items():
        assert figures[name] == pytest.approx(value, abs=1e-6)
    if task == "single":
        truth, answers = targets.argmax(axis=1), scores.argmax(axis=1)
        weighted = metrics.precision_recall_fscore_support(truth, answers, average="weighted", zero_division=0)[:3]
        assert [figures[f"weighted_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(
            weighted, abs=1e-6
        )


def test_a_class_row_holds_scikit_learns_figures_of_that_class():
    scores, targets, said = table("multi", 3)
    rows = made("multi", 3, draws=2)["per_class"]
    for k, row in enumerate(rows):
        present, observed = targets[:, k] == 1, ~np.isnan(targets[:, k])
        assert (row["class"], row["observed"], row["support"]) == (f"c{k}", observed.sum(), present.sum())
        assert row["said"] == (said[:, k] & observed).sum()
        expected = by_class_of_sklearn(scores[:, k], targets[:, k], said[:, k])
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)


# what is not defined, and what does not count


def test_cells_that_nobody_judged_never_count():
    scores, targets, _ = table("multi", 1)
    changed = np.where(np.isnan(targets), 1 - scores, scores)
    groups, names, thresholds = np.arange(60) // 3, list("abcd"), [0.6] * 4
    first = report.compute_report(scores, targets, groups, names, "multi", thresholds)
    assert report.compute_report(changed, targets, groups, names, "multi", thresholds) == first
    assert first["observed"] == (~np.isnan(targets)).sum() < targets.size
    assert sum(row["observed"] for row in first["per_class"]) == first["observed"]


def test_a_class_that_is_never_answered_has_no_precision():
    targets = np.eye(3)[np.arange(30) % 3]
    scores = np.tile([0.6, 0.4, 0.0], (30, 1))
    found = report.compute_report(scores, targets, np.arange(30), list("abc"), "single", [])
    assert [row["precision"] for row in found["per_class"]] == [pytest.approx(1 / 3, abs=1e-6), None, None]
    assert [row["recall"] for row in found["per_class"]] == [1.0, 0.0, 0.0]
    assert [row["said"] for row in found["per_class"]] == [30, 0, 0]
    assert found["metrics"]["macro_precision"] == pytest.approx(1 / 9, abs=1e-6)


def test_a_class_without_examples_has_no_figures_and_weighs_nothing():
    scores, targets, _ = table("single", 0, n_classes=3)
    wide = np.hstack([scores, np.zeros((60, 1))]), np.hstack([targets, np.zeros((60, 1))])
    with_it = report.compute_report(*wide, np.arange(60), list("abcd"), "single", [])
    without = report.compute_report(scores, targets, np.arange(60), list("abc"), "single", [])
    row = with_it["per_class"][3]
    names = ("precision", "recall", "f1", "auc", "average_precision", "f1_absent")
    assert row["support"] == 0 and {row[name] for name in names} == {None}
    assert with_it["metrics"] == without["metrics"] and with_it["intervals"] == without["intervals"]


def test_a_class_that_is_present_everywhere_has_a_recall_and_no_curve():
    targets = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, np.nan]])
    scores = np.array([[0.9, 0.8], [0.3, 0.2], [0.8, 0.5]])
    found = report.compute_report(scores, targets, np.arange(3), list("ab"), "multi", [0.5, 0.5])
    first, second = found["per_class"]
    assert first["recall"] == pytest.approx(2 / 3, abs=1e-6) and first["auc"] is first["f1_absent"] is None
    assert second["auc"] == 0.0 and second["average_precision"] == 0.5
    expected = {"macro_auc": 0.0, "mean_average_precision": 0.5, "mean_f1_both_sides": 0.0}
    drawn = weigh(scores, targets, report.apply_thresholds(scores, "multi", [0.5, 0.5]), np.ones((1, 3)), "multi")
    for name, value in expected.items():
        assert found["metrics"][name] == drawn[name][0] == value


def test_nothing_observed_leaves_the_figures_out():
    found = report.compute_report(
        np.full((3, 2), 0.7), np.full((3, 2), np.nan), np.arange(3), list("ab"), "multi", [0.5, 0.5]
    )
    assert found["metrics"] == {} and found["observed"] == 0 and found["calibration_error"] is None
    assert report.format_headline(found) == "mean average precision not defined"
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_report_is_plain_json_without_nan(task):
    found = made(task, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["n"], found["n_groups"]) == (60, 20)
    assert found["main_metric"] == {"single": "accuracy", "multi": "mean_average_precision"}[task]
    assert found["main_metric"] in found["metrics"] and set(found["intervals"]) <= set(found["metrics"])


def test_the_highest_class_is_the_answer_or_every_class_above_its_threshold():
    scores = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    assert report.apply_thresholds(scores, "single", []).astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert report.apply_thresholds(scores, "multi", [0.2, 0.5, 0.25]).astype(int).tolist() == [[1, 1, 1], [1, 0, 0]]


# intervals


def test_one_group_gives_no_interval():
    found = made("single", 0, groups=np.zeros(60, int))
    assert found["intervals"] is None and found["n_groups"] == 1
    assert report.format_headline(found).endswith("(no interval: too few groups)")


def test_the_headline_gives_the_main_figure_and_its_interval():
    found = {"main_metric": "accuracy", "metrics": {"accuracy": 0.7123}, "intervals": {"accuracy": [0.6349, 0.79]}}
    assert report.format_headline(found) == "accuracy 0.712 (0.635 to 0.790)"


def test_the_same_seed_gives_the_same_interval_whatever_the_groups_are_called():
    scores, targets, _ = table("single", 0)

    def interval(name, seed):
        groups = np.array([f"{name} {place // 3:02d}" for place in range(60)], dtype=object)
        return report.compute_report(scores, targets, groups, list("abcd"), "single", [], seed, 200)["intervals"]

    assert interval("artist", 1) == interval("artist", 1) == interval("kit", 1) != interval("artist", 2)


def test_groups_are_drawn_and_not_files():
    """Ten groups of thirty files that are right or wrong together: ten things are known, not three hundred."""
    right = np.repeat(np.arange(10) % 2, 30)
    targets = np.eye(2)[np.arange(300) % 2]
    scores = np.where(right[:, None] == 1, targets, 1 - targets)
    for groups, interval in ((np.arange(300) // 30, [0.18, 0.82]), (np.arange(300), [0.443, 0.557])):
        found = report.compute_report(scores, targets, groups, list("ab"), "single", [])["intervals"]
        assert found["accuracy"] == pytest.approx(interval, abs=0.01)


def coverage(draw, groups, truth, lowest=0.0, trials=500):
    """How often the 95% interval of a simulated mean holds the truth; `groups` is what the intervals are told.

    Of 500 intervals that hold it as often as they say, fewer than 460 or more than 490 do only three standard errors
    off.
    """
    rng, held = np.random.default_rng(1), 0
    for _ in range(trials):
        _, (low, high) = intervals.compute_mean_and_interval(draw(rng), groups, 200, lowest)
        held += low <= truth <= high
    return held / trials


def draw_right(rng):
    """Whether a classifier is right, two thirds of 60 groups of five; errors go by group."""
    return (rng.random((60, 5)) < rng.beta(2, 1, (60, 1))).ravel()


def draw_difference(rng):
    """In how far one of two equal classifiers is right and the other is not; errors go by group."""
    of_group = rng.beta(2, 1, (60, 1))
    return (rng.random((60, 5)) < of_group).ravel().astype(float) - (rng.random((60, 5)) < of_group).ravel()


def test_an_interval_over_groups_holds_the_truth_as_often_as_it_says_and_one_that_ignores_groups_does_not():
    groups = np.arange(300) // 5
    assert 0.92 <= coverage(draw_right, groups, 2 / 3) <= 0.98
    assert 0.92 <= coverage(draw_difference, groups, 0.0, lowest=-1.0) <= 0.98
    assert coverage(draw_right, np.arange(300), 2 / 3) < 0.9


def test_draws_help_the_average_precision_of_rare_classes_and_the_interval_is_around_the_figure_itself():
    rng, held = np.random.default_rng(1), {"student": 0, "percentiles": 0}
    many = (rng.random((100_000, 4)) < 0.1).astype(float)
    truth = np.mean([metrics.average_precision_score(many[:, k], rng.normal(1.2 * many[:, k])) for k in range(4)])
    for trial in range(200):
        targets = (rng.random((100, 4)) < 0.1).astype(float)
        scores = rng.normal(1.2 * targets)
        weights = bootstrap.draw_groups(np.arange(100), trial, 200)
        (point,) = bootstrap.average_classes(
            bootstrap.compute_curve_draws(scores, targets, np.ones((1, 100)))["average_precision"]
        )
        drawn = bootstrap.average_classes(bootstrap.compute_curve_draws(scores, targets, weights)["average_precision"])
        for name, interval in (
            ("student", intervals.compute_draw_interval(drawn, point, np.ones(100))),
            ("percentiles", np.percentile(drawn, (2.5, 97.5))),
        ):
            held[name] += interval[0] <= truth <= interval[1]
    assert held["student"] >= 0.86 * 200 and held["percentiles"] < held["student"] - 0.03 * 200, held


def draw_grouped_counts(rng, n_groups, accuracy=0.75, correlation=0.3):
    """Of unequal groups, how many files are right, and how many there are."""
    sizes = np.maximum(1, rng.lognormal(1.8, 0.8, n_groups).astype(int))
    scale = (1 - correlation) / correlation
    return rng.binomial(sizes, rng.beta(accuracy * scale, (1 - accuracy) * scale, n_groups)), sizes


@pytest.mark.parametrize(("n_groups", "at_most"), [(8, 0.9), (12, 0.92)])
def test_few_unequal_groups_give_an_interval_that_holds_the_truth_where_percentiles_do_not(n_groups, at_most):
    rng, held, n = np.random.default_rng(2), {"student": 0, "percentiles": 0}, 600
    for trial in range(n):
        right, sizes = draw_grouped_counts(rng, n_groups)
        weights = bootstrap.draw_groups(np.arange(n_groups), trial, 200)
        drawn, point = weights @ right / (weights @ sizes), right.sum() / sizes.sum()
        low, high = intervals.compute_draw_interval(drawn, point, sizes)
        held["student"] += low <= 0.75 <= high
        low, high = np.percentile(drawn, (2.5, 97.5))
        held["percentiles"] += low <= 0.75 <= high
    assert held["student"] >= 0.93 * n and held["percentiles"] < at_most * n, held


def test_an_interval_of_draws_is_students_on_the_log_odds():
    values, sizes = np.array([0.5, 0.6, 0.7, np.nan, 0.8]), np.array([2, 2, 2, 2])
    error = np.std([0.5, 0.6, 0.7, 0.8]) * np.sqrt(4 / 3) * stats.t.ppf(0.975, 3)
    ends = 1 / (1 + np.exp(-(np.log(0.65 / 0.35) + error / (0.65 * 0.35) * np.array([-1, 1]))))
    assert intervals.compute_draw_interval(values, 0.65, sizes) == pytest.approx(ends.tolist(), abs=1e-6)
    # one large group makes up most of the figure, so less is known
    low, high = intervals.compute_draw_interval(values, 0.65, np.array([20, 2, 2, 2]))
    assert low < ends[0] and high > ends[1]


def test_the_interval_of_a_difference_may_hold_0_and_lies_between_its_ends():
    groups = np.arange(40)
    ahead = np.zeros(40)
    ahead[0] = 1
    _, (low, high) = intervals.compute_mean_and_interval(ahead, groups, lowest=-1.0)
    assert -1 < low < 0 < high < 1
    _, turned = intervals.compute_mean_and_interval(-ahead, groups, lowest=-1.0)
    assert turned == pytest.approx([-high, -low], abs=1e-6)


def test_what_draws_cannot_tell_has_no_interval():
    sizes = np.ones(20)
    for values, point in (([0.5, 0.5], 0.5), ([0.9, 1.0], 1.0), ([np.nan] * 3, 0.5), ([], 0.5), ([0.4, 0.5], None)):
        assert intervals.compute_draw_interval(np.array(values, dtype=float), point, sizes) is None


@pytest.mark.parametrize("n_groups", [2, 3, 4, 7, 8, 11])
def test_few_groups_are_told_with_what_such_intervals_hold(n_groups):
    simulated = max(n for n in (2, 4, 8) if n <= n_groups)
    for method in (intervals.INTERVAL_METHOD, None):
        said = intervals.describe_few_groups(n_groups, method)
        low, high = intervals.COVERAGE[method][simulated]
        assert f"only {n_groups} test groups" in said and f"{simulated} groups, {low} to {high} of 100" in said
    assert intervals.describe_few_groups(n_groups, "of some later musicml") == intervals.describe_few_groups(n_groups)
    assert not any(intervals.describe_few_groups(enough, intervals.INTERVAL_METHOD) for enough in (0, 1, 12, 300))


def test_what_is_told_of_few_groups_is_what_the_simulation_found():
    page = Path(__file__).parents[2] / "benchmarks/results/coverage.json"
    measured = json.loads(page.read_text(encoding="utf-8"))["groups"]
    for method, name in ((intervals.INTERVAL_METHOD, "log-odds t"), (None, "percentiles")):
        for n_groups, told in intervals.COVERAGE[method].items():
            rows = [measured[str(n_groups)][f"{metric}, {name}"] for metric in ("accuracy", "macro F1")]
            least, most = min(row["least"] for row in rows), max(row["most"] for row in rows)
            assert told == pytest.approx((100 * least, 100 * most), abs=0.51)
    best = [measured["12"][f"{metric}, log-odds t"]["least"] for metric in ("accuracy", "macro F1")]
    assert min(best) >= 0.93


# the confusion matrix


def test_the_confusion_matrix_equals_scikit_learns():
    for seed in range(5):
        scores, targets, _ = table("single", seed)
        expected = metrics.confusion_matrix(targets.argmax(axis=1), scores.argmax(axis=1), labels=range(4))
        assert np.array_equal(report.compute_confusion(scores, targets), expected)


def test_all_right_is_an_interval_with_a_width_and_not_a_certainty():
    targets = np.eye(2)[[0, 1] * 10]
    made = report.compute_report(targets * 0.8 + 0.1, targets, np.arange(20), ["a", "b"], "single", [0.5, 0.5])
    low, high = made["intervals"]["accuracy"]
    assert made["metrics"]["accuracy"] == high == 1 and low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-6)
    assert made["intervals"]["macro_auc"] is None and "0.839 to 1.000" in report.format_headline(made)


def test_one_class_each_has_a_confusion_matrix_and_no_thresholds():
    assert np.array(made("single", 0)["confusion"]).sum() == 60 and made("multi", 0)["confusion"] is None
    assert not {"at_half", "thresholds"} & set(made("single", 0))


# each class by itself


def resampled(groups, seed, draws):
    """The places of the examples in each draw, from the groups' own multinomial counts."""
    names, group_of = np.unique(groups.astype(str), return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return [np.repeat(np.arange(len(groups)), its[group_of]) for its in counts]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_intervals_of_a_class_come_from_scikit_learns_figures_of_each_draw(task):
    scores, targets, said = table(task, 4, n=40, n_classes=3)
    groups = np.arange(40) // 2
    found = intervals.compute_class_intervals(scores, targets, said, groups, seed=5, n_bootstrap=12)
    for k, its in enumerate(found):
        drawn = [
            by_class_of_sklearn(scores[some, k], targets[some, k], said[some, k]) for some in resampled(groups, 5, 12)
        ]
        point = by_class_of_sklearn(scores[:, k], targets[:, k], said[:, k])
        for name, interval in its.items():
            values = np.array([figures[name] for figures in drawn])
            about = said[:, k] & ~np.isnan(targets[:, k]) if name == "precision" else targets[:, k] == 1
            sizes = np.bincount(groups, about)  # of the groups that the class, or its answers, stand in
            expected = intervals.compute_draw_interval(values, point[name], sizes)
            assert interval == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_every_figure_lies_in_its_interval(task):
    found = made(task, 2)
    assert set(MACRO) < set(found["intervals"]) == set(found["metrics"])
    for name, (low, high) in found["intervals"].items():
        assert 0 <= low <= found["metrics"][name] <= high <= 1 and low < high
    for row in found["per_class"]:
        assert tuple(row["intervals"]) == intervals.CLASS_METRICS and row["intervals"]["auc"]
        for name, interval in row["intervals"].items():
            low, high = interval or (row[name], row[name])  # what is right in every draw has none
            assert 0 <= low <= row[name] <= high <= 1 and (interval is None or low < high)


def test_the_report_carries_the_intervals_that_class_intervals_gives():
    scores, targets, said = table("multi", 6)
    groups = np.arange(60) // 3
    given = intervals.compute_class_intervals(scores, targets, said, groups)
    assert [row["intervals"] for row in made("multi", 6)["per_class"]] == given
    fewer = report.compute_report(scores, targets, groups, list("abcd"), "multi", [0.6] * 4, seed=1, n_bootstrap=50)
    assert [row["intervals"] for row in fewer["per_class"]] == intervals.compute_class_intervals(
        scores, targets, said, groups, seed=1, n_bootstrap=50
    )


def test_a_class_has_no_interval_where_there_is_one_group_or_its_figure_is_not_defined():
    for row in made("single", 0, groups=np.zeros(60, int))["per_class"]:
        assert row["intervals"] == dict.fromkeys(intervals.CLASS_METRICS)
    scores = np.column_stack([table("single", 0, n_classes=3)[0], np.zeros(60)])
    targets = np.column_stack([table("single", 0, n_classes=3)[1], np.zeros(60)])
    (*_, without) = report.compute_report(scores, targets, np.arange(60), list("abcd"), "single", [])["per_class"]
    assert without["support"] == 0 and without["intervals"] == dict.fromkeys(intervals.CLASS_METRICS)


def test_a_class_that_is_never_answered_has_an_interval_for_its_curves_only():
    targets = np.eye(2)[np.arange(40) % 2]
    scores = np.column_stack([np.full(40, 0.9), np.random.default_rng(0).random(40) * 0.5])
    row = report.compute_report(scores, targets, np.arange(40), list("ab"), "single", [])["per_class"][1]
    assert row["precision"] is row["wilson"]["precision"] is None and row["recall"] == row["f1"] == 0
    assert row["wilson"]["recall"][0] == 0
    assert {name for name, its in row["intervals"].items() if its} == {"auc", "average_precision"}


def test_a_precision_is_taken_over_the_draws_in_which_the_class_was_answered():
    """One answer among 30 groups is in two draws of three; in each of them it is right, in the rest it is not wrong."""
    targets = np.eye(2)[np.arange(30) % 2]
    scores = np.tile([0.9, 0.1], (30, 1))
    scores[1] = [0.1, 0.9]
    said = report.apply_thresholds(scores, "single", [])
    found = bootstrap.compute_class_draws(scores, targets, said, bootstrap.draw_groups(np.arange(30), 0, 500))[
        "precision"
    ][:, 1]
    assert 0.25 < np.isnan(found).mean() < 0.5 and set(found[~np.isnan(found)]) == {1.0}
    assert intervals.compute_class_intervals(scores, targets, said, np.arange(30))[1]["precision"] is None


def test_one_draw_that_differs_does_not_change_wilsons_interval():
    """Of the first draw alone the figure is another, which no percentile sees."""
    found = np.ones(1000)
    found[0] = 0.5
    interval = intervals.summarize_draws({"accuracy": found}, np.arange(20), {"accuracy": 1.0})["accuracy"]
    assert interval == [pytest.approx(20 / (20 + 1.959964**2), abs=1e-6), 1.0]


# by counting alone


@pytest.mark.parametrize(("task", "seed", "ties"), TABLES)
def test_counting_gives_the_figures_of_the_report(task, seed, ties):
    scores, targets, said = table(task, seed, ties=ties)
    names = ("support", "observed", "said", "precision", "recall", "f1")
    rows = made(task, seed, draws=2, ties=ties)["per_class"]
    found = report.count_classes(scores, targets, [0.6] * 4, task)
    assert [{name: row[name] for name in names} for row in found] == [
        {name: row[name] for name in names} for row in rows
    ]
    assert [row["right"] for row in found] == [int(((targets[:, k] == 1) & said[:, k]).sum()) for k in range(4)]


def test_counting_follows_the_threshold():
    targets = np.array([[1.0], [1.0], [0.0], [np.nan]])
    scores = np.array([[0.9], [0.4], [0.6], [0.8]])
    low, high, none = (report.count_classes(scores, targets, [threshold], "multi")[0] for threshold in (0.3, 0.7, 0.95))
    counts = ("support", "observed", "said", "right")
    assert [low[name] for name in counts] == [2, 3, 3, 2] and (low["precision"], low["recall"]) == (0.666667, 1.0)
    assert [high[name] for name in counts] == [2, 3, 1, 1] and (high["precision"], high["recall"]) == (1.0, 0.5)
    assert none["precision"] is None and none["recall"] == none["f1"] == 0


def test_reading_a_table_counting_and_intervals_of_classes_do_without_scikit_learn():
    code = (
        "import sys, musicml.evaluation.predictions; "
        "assert not {'keras', 'sklearn', 'scipy', 'onnxruntime'} & set(sys.modules); "
        "import numpy as np; from musicml.evaluation import intervals, metrics as report; "
        "targets = np.eye(3)[np.arange(30) % 3]; "
        "said = report.apply_thresholds(targets, 'single', []); "
        "report.count_classes(targets, targets, [0.5] * 3, 'single'); "
        "intervals.compute_class_intervals(targets, targets, said, np.arange(30)); "
        "assert not {'sklearn', 'scipy.stats'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_a_mean_has_an_interval_over_groups_and_none_where_drawing_them_again_changes_nothing():
    rng = np.random.default_rng(0)
    right = rng.random(200) < 0.7
    mean, by_file = intervals.compute_mean_and_interval(right, np.arange(200))
    assert mean == pytest.approx(right.mean()) and by_file[0] < mean < by_file[1]
    # ten copies of each file in its group are no more than the file alone
    assert intervals.compute_mean_and_interval(np.repeat(right, 10), np.repeat(np.arange(200), 10)) == (mean, by_file)
    assert intervals.compute_mean_and_interval(right, np.zeros(200)) == (mean, None)
    assert intervals.compute_mean_and_interval(np.ones(200), np.arange(200)) == (1.0, None)


# counts, thresholds, ranks


@pytest.mark.parametrize(("right", "n"), [(149, 150), (5, 5), (0, 7), (65, 100), (3, 12)])
def test_wilson_is_the_formula_of_1927(right, n):
    z, share = stats.norm.ppf(0.975), right / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert compute_wilson_interval(right, n) == pytest.approx((centre - half, centre + half), rel=1e-9)


def test_a_class_that_is_right_in_all_its_five_examples_is_no_certainty():
    targets = np.eye(30)[np.arange(150) // 5]
    scores = targets.copy()
    scores[0] = np.eye(30)[1]  # 149 of 150
    made = report.compute_report(scores, targets, np.arange(150), [f"c{k}" for k in range(30)], "single", [])
    last, first = made["per_class"][29], made["per_class"][0]
    assert last["recall"] == 1 and last["wilson"]["recall"] == pytest.approx([0.565518, 1.0], abs=1e-6)
    assert first["recall"] == 0.8 and first["wilson"]["recall"][0] == pytest.approx(0.375535, abs=1e-6)
    assert made["metrics"]["accuracy"] == pytest.approx(149 / 150, abs=1e-6)
    assert made["intervals"]["accuracy"] == pytest.approx([0.963, 0.999], abs=5e-4), "as plain counts have it"
    paired = report.compute_report(scores, targets, np.arange(150) // 2, [f"c{k}" for k in range(30)], "single", [])
    assert paired["intervals"]["accuracy"][0] < 0.963, "where files share groups, groups are drawn"


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_label_ranking_average_precision_equals_scikit_learns_where_all_cells_were_looked_at(seed, ties):
    rng = np.random.default_rng(seed)
    scores, targets = rng.random((80, 6)), (rng.random((80, 6)) < 0.2).astype(float)
    scores = scores.round(1) if ties else scores
    found = report.compute_label_ranking(scores, targets)
    defined = np.isfinite(found)
    wanted = metrics.label_ranking_average_precision_score(targets[defined], scores[defined])
    assert found[defined].mean() == pytest.approx(wanted, rel=1e-9)
    # scikit-learn counts an example as 1 where nothing can be ranked wrongly
    rest = np.where(defined, found, 1.0)
    assert rest.mean() == pytest.approx(metrics.label_ranking_average_precision_score(targets, scores), rel=1e-9)
    assert not defined.all()


def test_label_ranking_leaves_out_cells_that_nobody_looked_at():
    scores = np.array([[0.9, 0.8, 0.7, 0.6]])
    targets = np.array([[np.nan, 0.0, 1.0, np.nan]])
    assert report.compute_label_ranking(scores, targets).tolist() == [0.5]
    assert np.isnan(report.compute_label_ranking(scores, np.array([[np.nan, 1.0, 1.0, np.nan]]))).all()


def test_results_at_one_half_stand_beside_those_at_the_fitted_thresholds():
    scores, targets, _ = table("multi", 0)
    names = [f"c{k}" for k in range(4)]
    made = report.compute_report(scores, targets, np.arange(60) // 3, names, "multi", [0.2, 0.3, 0.7, 0.8])
    half = report.compute_report(scores, targets, np.arange(60) // 3, names, "multi", [0.5] * 4)
    assert made["thresholds"] == [0.2, 0.3, 0.7, 0.8]
    assert made["at_half"] == {name: half[name] for name in ("metrics", "intervals", "per_class")}
    assert made["metrics"]["macro_f1"] != half["metrics"]["macro_f1"]
    assert made["metrics"]["mean_average_precision"] == half["metrics"]["mean_average_precision"]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_scores_that_are_no_numbers_are_a_sentence_and_no_figure(task):
    scores, targets, _ = table(task, 0)
    scores[3, 1] = np.nan
    with pytest.raises(InputError, match="1 of 60 examples have scores that are NaN or infinite"):
        report.compute_report(scores, targets, np.arange(60), list("abcd"), task, [0.5] * 4)
