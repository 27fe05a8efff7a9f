import numpy as np
import pytest
from scipy.special import expit, softmax

from musicml import calibrate


def single(n, sureness, seed, n_classes=5):
    """Draws from probabilities, and scores that are `sureness` times as sure: [shape=(n, n_classes)] each."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, n_classes))
    drawn = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return softmax(sureness * logits, axis=1), np.eye(n_classes)[drawn]


def multi(n, sureness, seed, n_classes=4, observed=0.5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, n_classes))
    targets = (rng.random((n, n_classes)) < expit(logits)).astype(float)
    targets[rng.random((n, n_classes)) > observed] = np.nan
    return expit(sureness * logits), targets


DRAWS = {"single": single, "multi": multi}


def f1(scores, targets, threshold):
    """F1 by its definition, on the observed examples."""
    seen = ~np.isnan(targets)
    said, truth = scores[seen].astype(float) >= threshold, targets[seen] > 0.5
    return 2 * (said & truth).sum() / max(1, said.sum() + truth.sum())


def best_f1(scores, targets):
    """The best F1 that any threshold reaches."""
    return max(f1(scores, targets, threshold) for threshold in [*np.unique(scores), 2.0])


# temperature


@pytest.mark.parametrize("task", DRAWS)
def test_a_temperature_of_one_changes_nothing(task):
    scores, _ = DRAWS[task](200, 1.0, 0)
    assert np.abs(calibrate.temper(scores, 1.0, task) - scores).max() < 1e-6


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.7, 15.0])
def test_tempered_scores_are_probabilities_and_put_the_same_class_first(temperature):
    scores, _ = single(500, 2.0, 0)
    tempered = calibrate.temper(scores, temperature, "single")
    assert tempered.dtype == np.float32 and np.abs(tempered.sum(axis=1) - 1).max() < 1e-6
    assert (tempered.argmax(axis=1) == scores.argmax(axis=1)).all()
    surer = tempered.max(axis=1) > scores.max(axis=1)
    assert surer.all() if temperature < 1 else not surer.any()


def test_tempered_sigmoids_keep_their_order_and_their_side_of_one_half():
    scores, _ = multi(500, 2.0, 0)
    tempered = calibrate.temper(scores, 3.0, "multi")
    assert (np.argsort(tempered, axis=None, kind="stable") == np.argsort(scores, axis=None, kind="stable")).all()
    assert ((tempered > 0.5) == (scores > 0.5)).all() and (np.abs(tempered - 0.5) < np.abs(scores - 0.5)).all()


def test_a_temperature_divides_the_logits():
    logits = np.array([[1.0, -2.0, 0.5]])
    assert calibrate.temper(softmax(logits), 2.5, "single") == pytest.approx(softmax(logits / 2.5), abs=1e-6)
    assert calibrate.temper(expit(logits), 2.5, "multi") == pytest.approx(expit(logits / 2.5), abs=1e-6)


@pytest.mark.parametrize("task", DRAWS)
def test_scores_of_zero_and_one_stay_finite(task):
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    for temperature in (0.05, 1.0, 20.0):
        tempered = calibrate.temper(scores, temperature, task)
        assert np.isfinite(tempered).all() and (tempered >= 0).all() and (tempered <= 1).all()
        assert (tempered.argmax(axis=1) == [1, 0]).all()
    assert np.isfinite(calibrate.log_loss(scores, 1 - scores, task))


def test_any_leading_shape_is_tempered_alike():
    scores = single(60, 2.0, 0)[0].reshape(3, 4, 5, 5)
    assert np.array_equal(
        calibrate.temper(scores, 2.0, "single").reshape(60, 5), calibrate.temper(scores.reshape(60, 5), 2.0, "single")
    )


def test_log_loss_equals_scikit_learns_and_cells_that_nobody_judged_do_not_count():
    from sklearn.metrics import log_loss

    scores, targets = single(300, 1.5, 0)
    assert calibrate.log_loss(scores, targets, "single") == pytest.approx(log_loss(targets, scores), abs=1e-9)
    scores, targets = multi(300, 1.5, 0)
    seen = ~np.isnan(targets)
    assert calibrate.log_loss(scores, targets, "multi") == pytest.approx(
        log_loss(targets[seen], scores[seen]), abs=1e-9
    )
    changed = np.where(seen, scores, 0.999)
    assert calibrate.log_loss(changed, targets, "multi") == calibrate.log_loss(scores, targets, "multi")


@pytest.mark.parametrize("task", DRAWS)
@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_finds_how_sure_the_scores_were_and_lowers_the_log_loss(task, sureness):
    scores, targets = DRAWS[task](2000, sureness, 1)
    temperature = calibrate.fit_temperature(scores, targets, task)
    assert temperature == pytest.approx(sureness, rel=0.15)
    losses = [
        calibrate.log_loss(calibrate.temper(scores, t, task), targets, task)
        for t in (temperature, 1.0, 0.9 * temperature, 1.1 * temperature)
    ]
    assert losses[0] <= min(losses) + 1e-9


@pytest.mark.parametrize("task", DRAWS)
def test_over_confident_scores_come_below_five_hundredths_on_draws_that_were_held_back(task):
    temperature = calibrate.fit_temperature(*DRAWS[task](600, 3.0, 2), task)
    scores, targets = DRAWS[task](4000, 3.0, 3)
    before = calibrate.calibration_error(scores, targets, task)
    after = calibrate.calibration_error(calibrate.temper(scores, temperature, task), targets, task)
    assert before > 0.1 and after < 0.05


@pytest.mark.parametrize("task", DRAWS)
def test_too_few_examples_leave_the_scores_as_they_are(task):
    scores, targets = DRAWS[task](calibrate.FEWEST, 3.0, 4)
    assert calibrate.fit_temperature(scores[:-1], targets[:-1], task) == 1.0
    assert calibrate.fit_temperature(scores, targets, task) != 1.0


def test_scores_that_are_always_right_give_a_temperature_within_its_bounds():
    truth = np.eye(3)[np.arange(60) % 3]
    for scores in (0.7 * truth + 0.1, 0.1 * truth + 0.3):
        assert calibrate.BOUNDS[0] <= calibrate.fit_temperature(scores, truth, "single") <= calibrate.BOUNDS[1]


# thresholds


@pytest.mark.parametrize("ties", [False, True])
def test_thresholds_have_the_best_f1_of_all(ties):
    for seed in range(60):
        scores, targets = multi(40, 1.0, seed)
        scores = (scores.round(1) if ties else scores).astype(np.float32)
        for k, threshold in enumerate(calibrate.fit_thresholds(scores, targets)):
            assert f1(scores[:, k], targets[:, k], threshold) == pytest.approx(best_f1(scores[:, k], targets[:, k]))
            assert threshold not in scores[~np.isnan(targets[:, k]), k] or threshold == 0.0


def test_thresholds_are_best_also_of_scores_that_lie_close_together():
    for seed in range(60):
        scores, targets = multi(40, 1.0, seed)
        for close in (1e-7 + 1e-6 * scores, 0.5 + 1e-6 * scores, 1 - 1e-6 * scores):
            close = close.astype(np.float32)
            threshold = calibrate.best_threshold(close[:, 0], targets[:, 0])
            assert f1(close[:, 0], targets[:, 0], threshold) == pytest.approx(best_f1(close[:, 0], targets[:, 0]))


def test_cells_that_nobody_judged_move_no_threshold():
    scores, targets = multi(60, 1.0, 0)
    changed = np.where(np.isnan(targets), 1 - scores, scores)
    assert calibrate.fit_thresholds(changed, targets) == calibrate.fit_thresholds(scores, targets)


@pytest.mark.parametrize(
    ("scores", "targets", "threshold"),
    [
        ([0.9, 0.2], [1, 0], 0.55),
        ([0.2, 0.9], [0, 1], 0.55),
        ([0.9, 0.2], [0, 1], 0.1),
        ([0.9, 0.6, 0.2], [1, 1, 0], 0.4),
        ([0.6, 0.6, 0.2], [1, 0, 0], 0.4),
        ([0.6, 0.6], [1, 0], 0.3),
        ([0.9, 0.2], [0, 0], 0.5),
        ([0.9, 0.2], [1, 1], 0.5),
        ([0.9, 0.2], [np.nan, np.nan], 0.5),
        ([0.9, 0.2], [1, np.nan], 0.5),
        ([0.9, 0.6, 0.2], [1, np.nan, 0], 0.55),
        ([0.9], [1], 0.5),
        ([], [], 0.5),
        ([0.0, 0.9], [1, 0], 0.0),
    ],
)
def test_a_threshold_stands_midway_and_at_one_half_where_nothing_tells(scores, targets, threshold):
    assert calibrate.best_threshold(np.array(scores, float), np.array(targets, float)) == pytest.approx(threshold)


def test_a_threshold_is_a_plain_number_that_json_keeps():
    scores, targets = multi(40, 1.0, 0)
    assert {type(found) for found in calibrate.fit_thresholds(scores.astype(np.float32), targets)} == {float}
    assert type(calibrate.fit_temperature(scores.astype(np.float32), targets, "multi")) is float


# calibration error


def test_the_calibration_error_of_a_worked_example():
    # two at 0.9, of which one is right: |1.8 - 1| = 0.8; two at 0.6, both right: |1.2 - 2| = 0.8; in all 1.6 of 4
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    targets = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert calibrate.calibration_error(scores, targets, "single") == pytest.approx(0.4)
    # of sigmoids every judged cell: 0.9 and 0.1 right, 0.8 wrong: |0.9 - 1| + |0.1 - 0| + |0.8 - 0| = 1.0 of 3
    scores = np.array([[0.9, 0.1], [0.8, 0.5]])
    targets = np.array([[1, 0], [0, np.nan]])
    assert calibrate.calibration_error(scores, targets, "multi") == pytest.approx(1 / 3)


def test_gaps_in_one_bin_may_cancel_and_in_two_bins_may_not():
    scores, targets = np.array([[0.41], [0.45]]), np.array([[0.0], [1.0]])
    assert calibrate.calibration_error(scores, targets, "multi", n_bins=2) == pytest.approx(0.07)
    assert calibrate.calibration_error(scores, targets, "multi", n_bins=100) == pytest.approx((0.41 + 0.55) / 2)


@pytest.mark.parametrize("task", DRAWS)
def test_scores_that_are_drawn_from_are_calibrated(task):
    assert calibrate.calibration_error(*DRAWS[task](5000, 1.0, 5), task) < 0.03


def test_a_score_of_one_has_a_bin_and_nothing_has_no_error():
    assert calibrate.calibration_error(np.array([[1.0, 0.0]]), np.array([[1, 0]]), "single") == 0.0
    assert np.isnan(calibrate.calibration_error(np.array([[0.3]]), np.array([[np.nan]]), "multi"))
