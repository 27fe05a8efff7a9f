import tracemalloc

import numpy as np
import pytest

from musicml.evaluation import bootstrap, intervals, metrics


def make_table(seed, n=80, n_classes=3, task="multi"):
    """Scores with ties, targets with missing labels, decisions, and groups whose names sort unlike their numbers."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((n, n_classes)), 1 + seed % 2)
    targets = np.eye(n_classes)[rng.integers(0, n_classes, n)]
    if task == "multi":
        targets = (rng.random((n, n_classes)) < 0.3).astype(float)
        targets[rng.random((n, n_classes)) < 0.3] = np.nan
        targets[:, 0] = [np.nan, 0, 1, targets[0, 0]][seed % 4]
    groups = np.array([f"artist {k}" for k in rng.integers(0, n // 3 + 1, n)], dtype=object)
    return scores, targets, scores > 0.5, groups


def compute_plainly(scores, targets, predicted, weights):
    """The metrics of one class in one draw, example by example."""
    seen = ~np.isnan(targets)
    scores, truth, predicted, weights = scores[seen], targets[seen] > 0.5, predicted[seen], weights[seen].astype(float)
    present, absent, n_predicted = weights[truth].sum(), weights[~truth].sum(), weights[predicted].sum()
    auc = precision_sum = 0.0
    for score, weight in zip(scores[truth], weights[truth], strict=True):
        below = weights[~truth & (scores < score)].sum() + weights[~truth & (scores == score)].sum() / 2
        above = scores >= score
        auc += weight * below
        precision_sum += weight * weights[above & truth].sum() / weights[above].sum() if weight else 0
    defined = present > 0 and absent > 0
    return {
        "auc": auc / (present * absent) if defined else np.nan,
        "average_precision": precision_sum / present if defined else np.nan,
        "right": weights[truth & predicted].sum(),
        "present": present,
        "recall": weights[truth & predicted].sum() / present if present else np.nan,
        "precision": weights[truth & predicted].sum() / n_predicted if n_predicted else np.nan,
    }


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("seed", range(8))
def test_draws_equal_a_plain_computation_of_each(task, seed):
    scores, targets, predicted, groups = make_table(seed, task=task)
    weights = bootstrap.draw_weights(groups, seed, 9)
    found = bootstrap.compute_class_draws(scores, targets, predicted, weights)
    for draw in range(10):
        for k in range(3):
            expected = compute_plainly(scores[:, k], targets[:, k], predicted[:, k], weights[draw])
            actual = {name: found[name][draw, k] for name in expected}
            assert actual == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_the_draws_are_those_of_one_multinomial_for_all_groups(monkeypatch):
    monkeypatch.setattr(bootstrap, "BATCH_CELLS", 100)
    monkeypatch.setattr(bootstrap, "MIN_BATCH", 3)
    groups = make_table(0)[3]
    names, group_of = np.unique(groups.astype(str), return_inverse=True)
    expected = np.random.default_rng(4).multinomial(len(names), np.full(len(names), 1 / len(names)), size=50)
    weights = bootstrap.draw_groups(groups, 4, 50)
    assert weights.dtype == np.uint8
    np.testing.assert_array_equal(weights, expected[:, group_of])
    np.testing.assert_array_equal(bootstrap.draw_weights(groups, 4, 50), [np.ones(len(groups)), *weights])


def test_one_group_has_no_draws():
    scores, targets, predicted, _ = make_table(0)
    groups = np.full(len(scores), "one")
    assert bootstrap.draw_groups(groups, 0, 5) is None and len(bootstrap.draw_weights(groups, 0, 5)) == 1
    report = metrics.compute_report(scores, targets, groups, list("abc"), "multi", [0.5] * 3, n_bootstrap=5)
    assert report["intervals"] is None and report["metrics"]["macro_auc"] > 0
    assert intervals.compute_class_intervals(scores, targets, predicted, groups)[1]["auc"] is None


def test_integer_groups_are_drawn_in_the_order_of_their_names():
    by_number = bootstrap.draw_groups(np.arange(12), 0, 20)
    np.testing.assert_array_equal(by_number, bootstrap.draw_groups(np.arange(12).astype(str).astype(object), 0, 20))


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_size_of_a_batch_changes_no_figure(batch, monkeypatch):
    scores, targets, predicted, groups = make_table(3)
    weights = bootstrap.draw_weights(groups, 0, 30)
    expected = bootstrap.compute_class_draws(scores, targets, predicted, weights)
    monkeypatch.setattr(bootstrap, "BATCH_CELLS", 1)
    monkeypatch.setattr(bootstrap, "MIN_BATCH", batch)
    found = bootstrap.compute_class_draws(scores, targets, predicted, weights)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12)
    values = np.random.default_rng(0).random((len(scores), 2))
    np.testing.assert_allclose(bootstrap.sum_draws(weights, values), weights.astype(float) @ values, rtol=1e-12)


def test_counts_above_the_exact_range_of_float32_stay_exact():
    scores, targets, predicted = np.array([[0.9], [0.5], [0.1]]), np.array([[1.0], [0], [1]]), np.ones((3, 1), bool)
    weights = np.array([[2**25 + 1, 3, 1]], dtype=np.uint32)
    found = bootstrap.compute_class_draws(scores, targets, predicted, weights)
    assert found["right"][0, 0] == found["present"][0, 0] == 2**25 + 2
    assert found["precision"][0, 0] == (2**25 + 2) / (2**25 + 5)


def test_fractions_are_allowed_as_weights():
    scores, targets, predicted, _ = make_table(5)
    weights = np.random.default_rng(0).random((2, len(scores)))
    found = bootstrap.compute_class_draws(scores, targets, predicted, weights)
    expected = compute_plainly(scores[:, 1], targets[:, 1], predicted[:, 1], weights[1])
    assert {name: found[name][1, 1] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_a_report_takes_little_more_memory_than_a_byte_per_file_and_draw():
    n, draws = 4000, 400
    scores, targets, _, _ = make_table(0, n)
    groups = np.arange(n).astype(str).astype(object)
    metrics.compute_report(scores, targets, groups, list("abc"), "multi", [0.5] * 3, n_bootstrap=2)  # imports
    tracemalloc.start()
    try:
        metrics.compute_report(scores, targets, groups, list("abc"), "multi", [0.5] * 3, n_bootstrap=draws)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the draws of the label ranking, which are always 1,000, and batches
    assert peak < n * draws + n * intervals.N_BOOTSTRAP + 20 * 2**20
