import json

import numpy as np
import pytest
import soundfile
from scipy.special import expit, softmax

from musicml.experiment import run as runs
from musicml.features.audio_features import MFCC, LogMel
from musicml.inference import calibration
from musicml.utils import files
from tests.conftest import no_music, set_words
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric


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


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.7, 15.0])
def test_tempered_scores_are_probabilities_and_put_the_same_class_first(temperature):
    scores, _ = single(500, 2.0, 0)
    tempered = calibration.apply_temperature(scores, temperature, "single")
    assert tempered.dtype == np.float32 and off(tempered.sum(axis=1), 1) < 1e-5
    assert (tempered.argmax(axis=1) == scores.argmax(axis=1)).all()
    surer = tempered.max(axis=1) > scores.max(axis=1)
    assert surer.all() if temperature < 1 else not surer.any()


def test_tempered_sigmoids_keep_their_order_and_their_side_of_one_half():
    scores, _ = multi(500, 2.0, 0)
    tempered = calibration.apply_temperature(scores, 3.0, "multi")
    assert np.diff(tempered.ravel()[np.argsort(scores, axis=None)]).min() > -1e-6, "neighbors may round to one number"
    assert ((tempered > 0.5) == (scores > 0.5)).all() and (np.abs(tempered - 0.5) < np.abs(scores - 0.5)).all()


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_temperature_divides_the_logits(temperature):
    logits = np.array([[1.0, -2.0, 0.5]])
    for task, activation in (("single", softmax), ("multi", expit)):
        tempered = calibration.apply_temperature(activation(logits), temperature, task)
        assert tempered == pytest.approx(activation(logits / temperature), rel=1e-5)


@pytest.mark.parametrize("task", DRAWS)
def test_scores_of_zero_and_one_stay_finite(task):
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    for temperature in (0.05, 1.0, 20.0):
        tempered = calibration.apply_temperature(scores, temperature, task)
        assert np.isfinite(tempered).all() and (tempered >= 0).all() and (tempered <= 1).all()
        assert (tempered.argmax(axis=1) == [1, 0]).all()
    assert np.isfinite(calibration.compute_log_loss(scores, 1 - scores, task))


def test_any_leading_shape_is_tempered_alike():
    scores = single(60, 2.0, 0)[0].reshape(3, 4, 5, 5)
    wanted = calibration.apply_temperature(scores.reshape(60, 5), 2.0, "single")
    assert off(calibration.apply_temperature(scores, 2.0, "single").reshape(60, 5), wanted) < 1e-5


def test_log_loss_equals_scikit_learns_and_cells_that_nobody_judged_do_not_count():
    from sklearn.metrics import log_loss

    scores, targets = single(300, 1.5, 0)
    assert calibration.compute_log_loss(scores, targets, "single") == pytest.approx(log_loss(targets, scores), rel=1e-9)
    scores, targets = multi(300, 1.5, 0)
    seen = ~np.isnan(targets)
    assert calibration.compute_log_loss(scores, targets, "multi") == pytest.approx(
        log_loss(targets[seen], scores[seen]), rel=1e-9
    )
    changed = np.where(seen, scores, 0.999)
    assert calibration.compute_log_loss(changed, targets, "multi") == pytest.approx(
        calibration.compute_log_loss(scores, targets, "multi"), rel=1e-9
    )


@pytest.mark.parametrize("task", DRAWS)
@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_finds_how_sure_the_scores_were_and_lowers_the_log_loss(task, sureness):
    scores, targets = DRAWS[task](2000, sureness, 1)
    temperature = calibration.fit_temperature(scores, targets, task)
    assert temperature == pytest.approx(sureness, rel=0.15)
    losses = [
        calibration.compute_log_loss(calibration.apply_temperature(scores, t, task), targets, task)
        for t in (temperature, 1.0, 0.9 * temperature, 1.1 * temperature)
    ]
    assert losses[0] <= min(losses) + 1e-9


@pytest.mark.parametrize("task", DRAWS)
def test_over_confident_scores_come_below_five_hundredths_on_draws_that_were_held_back(task):
    temperature = calibration.fit_temperature(*DRAWS[task](600, 3.0, 2), task)
    scores, targets = DRAWS[task](4000, 3.0, 3)
    before = calibration.compute_calibration_error(scores, targets, task)
    after = calibration.compute_calibration_error(
        calibration.apply_temperature(scores, temperature, task), targets, task
    )
    assert before > 0.1 and after < 0.05


@pytest.mark.parametrize("task", DRAWS)
def test_too_few_examples_leave_the_scores_as_they_are(task):
    scores, targets = DRAWS[task](calibration.MIN_CALIBRATION_FILES, 3.0, 4)
    assert calibration.fit_temperature(scores[:-1], targets[:-1], task) == 1.0
    assert calibration.fit_temperature(scores, targets, task) != 1.0


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_temperature_that_ends_at_its_bound_is_remarked_on(task):
    rng = np.random.default_rng(0)
    truth = np.eye(3)[np.arange(60) % 3]
    unsure = 0.5 + 0.02 * (truth - 0.5)  # right every time, and hardly says so
    lowest = calibration.fit_temperature(unsure, truth, task)
    highest = calibration.fit_temperature(np.eye(3)[rng.permutation(60) % 3], truth, task)  # sure of anything
    assert (lowest, highest) == pytest.approx(calibration.TEMPERATURE_BOUNDS, rel=1e-3)
    assert "is the lowest allowed" in calibration.describe_temperature_bound(lowest)
    assert "is the highest allowed" in calibration.describe_temperature_bound(highest)
    assert {calibration.describe_temperature_bound(between) for between in (None, 0.06, 0.5, 1.0, 1.3, 19.0)} == {None}


# thresholds


@pytest.mark.parametrize("ties", [False, True])
def test_thresholds_have_the_best_f1_of_all(ties):
    for seed in range(20):
        scores, targets = multi(40, 1.0, seed)
        scores = (scores.round(1) if ties else scores).astype(np.float32)
        for k, threshold in enumerate(calibration.fit_thresholds(scores, targets)):
            assert f1(scores[:, k], targets[:, k], threshold) == pytest.approx(best_f1(scores[:, k], targets[:, k]))
            assert threshold not in scores[~np.isnan(targets[:, k]), k] or threshold == 0.0


def test_thresholds_are_best_also_of_scores_that_lie_close_together():
    for seed in range(20):
        scores, targets = multi(40, 1.0, seed)
        for close in (1e-7 + 1e-6 * scores, 0.5 + 1e-6 * scores, 1 - 1e-6 * scores):
            close = close.astype(np.float32)
            threshold = calibration._fit_threshold(close[:, 0], targets[:, 0])
            assert f1(close[:, 0], targets[:, 0], threshold) == pytest.approx(best_f1(close[:, 0], targets[:, 0]))


def test_cells_that_nobody_judged_move_no_threshold():
    scores, targets = multi(60, 1.0, 0)
    changed = np.where(np.isnan(targets), 1 - scores, scores)
    assert calibration.fit_thresholds(changed, targets) == calibration.fit_thresholds(scores, targets)
    assert {type(found) for found in calibration.fit_thresholds(scores.astype(np.float32), targets)} == {float}
    assert type(calibration.fit_temperature(scores.astype(np.float32), targets, "multi")) is float


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
    assert calibration._fit_threshold(np.array(scores, float), np.array(targets, float)) == pytest.approx(threshold)


# calibration error


def test_the_calibration_error_of_a_worked_example():
    # two at 0.9, of which one is right: |1.8 - 1| = 0.8; two at 0.6, both right: |1.2 - 2| = 0.8; in all 1.6 of 4
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    targets = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert calibration.compute_calibration_error(scores, targets, "single") == pytest.approx(0.4)
    # of sigmoids every judged cell: 0.9 and 0.1 right, 0.8 wrong: |0.9 - 1| + |0.1 - 0| + |0.8 - 0| = 1.0 of 3
    scores = np.array([[0.9, 0.1], [0.8, 0.5]])
    targets = np.array([[1, 0], [0, np.nan]])
    assert calibration.compute_calibration_error(scores, targets, "multi") == pytest.approx(1 / 3)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_reliability_table_holds_what_the_error_is_made_of(task):
    scores, targets = DRAWS[task](300, 2.0, 3)
    rows = calibration.compute_reliability(scores, targets, task)
    n = sum(row["n"] for row in rows)
    assert n == (300 if task == "single" else int((~np.isnan(targets)).sum()))
    assert all(row["low"] <= row["said"] <= row["high"] and 0 <= row["right"] <= 1 for row in rows)
    error = sum(row["n"] * abs(row["said"] - row["right"]) for row in rows) / n
    assert calibration.compute_calibration_error(scores, targets, task) == pytest.approx(
        error, abs=1e-5
    )  # rows are rounded


def test_gaps_in_one_bin_may_cancel_and_in_two_bins_may_not():
    scores, targets = np.array([[0.41], [0.45]]), np.array([[0.0], [1.0]])
    assert calibration.compute_calibration_error(scores, targets, "multi", n_bins=2) == pytest.approx(0.07)
    assert calibration.compute_calibration_error(scores, targets, "multi", n_bins=100) == pytest.approx(
        (0.41 + 0.55) / 2
    )


@pytest.mark.parametrize("task", DRAWS)
def test_scores_that_are_drawn_from_are_calibrated(task):
    assert calibration.compute_calibration_error(*DRAWS[task](5000, 1.0, 5), task) < 0.03


def test_a_score_of_one_has_a_bin_and_nothing_has_no_error():
    assert calibration.compute_calibration_error(np.array([[1.0, 0.0]]), np.array([[1, 0]]), "single") == 0.0
    assert np.isnan(calibration.compute_calibration_error(np.array([[0.3]]), np.array([[np.nan]]), "multi"))


# How unlike training

RATE = 22_050


def music(seed, seconds=3.0):
    """A generated "piece" of four chords with a beat and a hiss, other ones for each seed, at 22,050 Hz."""
    rng = np.random.default_rng([7, seed])
    t = np.arange(round(seconds * RATE)) / RATE
    beat, root = rng.uniform(0.35, 0.65), rng.uniform(80, 200)
    steps = rng.choice([1, 9 / 8, 5 / 4, 4 / 3, 3 / 2, 5 / 3], 4)[(t / beat / 2).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(root * steps) / RATE
    chord = sum(np.sin(k * phase * third) / k**1.2 for k in range(1, 6) for third in (1, 1.25, 1.5))
    hit = np.exp(-rng.uniform(8, 20) * (t % beat))
    y = chord * (0.4 + 0.6 * hit) + rng.uniform(0.5, 2) * hit * rng.standard_normal(len(t))
    return (rng.uniform(0.1, 0.25) * y / y.std()).clip(-1, 1).astype(np.float32)


def pictures(rng, n, size=32):
    """Smooth pictures with one bright disc each."""
    y, x = np.mgrid[:size, :size] / size
    for _ in range(n):
        a, b, radius = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3)
        disc = np.hypot(x - a, y - b)[..., None] < radius
        yield (40 + 60 * y[..., None] + 100 * disc * rng.uniform(0.5, 1, 3) + rng.normal(0, 4, (size, size, 3))).astype(
            np.uint8
        )


@pytest.mark.parametrize(("kind", "n_bins", "kept"), [("log_mel", 128, 13), ("log_mel", 8, 8), ("mfcc", 20, 13)])
@pytest.mark.parametrize("n_frames", [1, 15, 16, 100])
def test_a_sound_has_four_traits_for_each_coefficient_however_short_it_is(kind, n_bins, kept, n_frames):
    values = np.random.default_rng(0).normal(-40, 10, (n_frames, n_bins)).astype(np.float32)
    traits = calibration.compute_traits(values, kind)
    assert traits.shape == (4 * kept,) and traits.dtype == np.float64 and np.isfinite(traits).all()


def test_shipped_features_and_pictures_have_traits_too():
    rng = np.random.default_rng(0)
    assert calibration.compute_traits(rng.integers(0, 256, (10, 128)).astype(np.uint8), "vggish").shape == (52,)
    for shape in ((16, 16, 3), (224, 100, 3), (33, 47, 3)):
        traits = calibration.compute_traits(rng.integers(0, 256, shape, dtype=np.uint8), "pixels")
        assert traits.shape == (16 * 3 + 16 + 3,) and traits.dtype == np.float64 and np.isfinite(traits).all()
    assert np.isfinite(calibration.compute_traits(np.full((16, 16, 3), 255, np.uint8), "pixels")).all()
    assert np.isfinite(calibration.compute_traits(MFCC().compute(np.zeros(RATE, np.float32)), "mfcc")).all()


def test_a_log_mel_spectrogram_and_its_mfcc_have_the_same_traits():
    y = music(0)
    own = calibration.compute_traits(LogMel().compute(y), "log_mel")
    assert off(calibration.compute_traits(MFCC().compute(y), "mfcc"), own) < 1e-5


@pytest.mark.parametrize(
    ("n_train", "n_val", "enough"), [(19, 99, False), (99, 19, False), (0, 0, False), (20, 20, True)]
)
def test_too_few_files_can_not_tell_what_is_unlike_them(n_train, n_val, enough):
    rng = np.random.default_rng(0)
    fitted = calibration.fit_ood_limit(rng.normal(size=(n_train, 8)), rng.normal(size=(n_val, 8)))
    assert (fitted is not None) == enough


def test_what_was_fitted_is_plain_numbers_that_json_keeps(tmp_path):
    rng = np.random.default_rng(0)
    traits = rng.normal(size=(60, 8)) * 10.0 ** np.arange(-4, 4)
    fitted = calibration.fit_ood_limit(traits[:30], traits[30:])
    assert set(fitted) == {"version", "mean", "spread", "precision", "limit", "n", "beyond"} and fitted["n"] == 30
    files.write_json(tmp_path / "a.json", fitted)
    again = json.loads((tmp_path / "a.json").read_text())
    assert again == fitted
    assert calibration.compute_ood_distance(traits[0], again) == calibration.compute_ood_distance(traits[0], fitted)


def test_a_training_file_lies_about_one_away_and_scale_does_not_matter():
    rng = np.random.default_rng(0)
    traits = rng.normal(size=(500, 12)) @ rng.normal(size=(12, 12))
    fitted = calibration.fit_ood_limit(traits[:250], traits[250:])
    assert np.mean([calibration.compute_ood_distance(one, fitted) for one in traits[:250]]) == pytest.approx(1, abs=0.2)
    scaled = calibration.fit_ood_limit(1_000 * traits[:250] + 5, 1_000 * traits[250:] + 5)
    for one in traits[::50]:
        near = calibration.compute_ood_distance(one, fitted)
        assert calibration.compute_ood_distance(1_000 * one + 5, scaled) == pytest.approx(near, rel=1e-3)
    assert scaled["limit"] == pytest.approx(fitted["limit"], rel=1e-3)


def test_about_one_in_twenty_of_validation_lies_beyond_the_limit_before_its_margin(monkeypatch):
    rng = np.random.default_rng(0)
    train, val, new = (rng.normal(size=(n, 20)) for n in (400, 400, 2_000))
    margin, with_margin = calibration.OOD_MARGIN, calibration.fit_ood_limit(train, val)
    monkeypatch.setattr(calibration, "OOD_MARGIN", 1.0)
    fitted = calibration.fit_ood_limit(train, val)
    assert fitted["beyond"] == pytest.approx(20, abs=1), "5% of 400"
    alarms = [
        np.mean([calibration.compute_ood_distance(one, it) > it["limit"] for one in new])
        for it in (fitted, with_margin)
    ]
    assert 0.03 < alarms[0] < 0.08 and alarms[1] < alarms[0] and with_margin["beyond"] < 20
    assert with_margin["limit"] == pytest.approx(margin * fitted["limit"], rel=1e-3)


@pytest.fixture(scope="module")
def pieces():
    """90 generated pieces' MFCC, of which the first 40 train and the next 25 validate."""
    return [calibration.compute_traits(MFCC().compute(music(seed)), "mfcc") for seed in range(90)]


def test_noise_tones_and_silence_are_unlike_generated_music_and_new_pieces_are_not(pieces):
    fitted = calibration.fit_ood_limit(np.array(pieces[:40]), np.array(pieces[40:65]))
    far = {
        name: calibration.compute_ood_distance(calibration.compute_traits(MFCC().compute(y), "mfcc"), fitted)
        for name, y in no_music().items()
    }
    assert [name for name, distance in far.items() if distance <= fitted["limit"]] == []
    new = [calibration.compute_ood_distance(one, fitted) for one in pieces[65:]]
    assert np.mean(np.array(new) > fitted["limit"]) <= 0.1 and fitted["beyond"] <= 3


def test_another_world_of_pictures_is_unlike_the_training_one():
    rng = np.random.default_rng(0)
    traits = [calibration.compute_traits(one, "pixels") for one in pictures(rng, 300)]
    fitted = calibration.fit_ood_limit(np.array(traits[:150]), np.array(traits[150:220]))
    assert np.mean([calibration.compute_ood_distance(one, fitted) > fitted["limit"] for one in traits[220:]]) <= 0.1
    others = [
        np.zeros((32, 32, 3), np.uint8),
        np.full((32, 32, 3), 255, np.uint8),
        rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
        next(pictures(rng, 1))[::-1],
        255 - next(pictures(rng, 1)),
    ]
    assert all(
        calibration.compute_ood_distance(calibration.compute_traits(one, "pixels"), fitted) > fitted["limit"]
        for one in others
    )


# A whole run


def write_mislabelled(folder, sides):
    """Three classes of short tones, every fourth with a wrong name: there is nothing to be sure of."""
    rng, names, t = np.random.default_rng(0), ["low", "middle", "high"], np.arange(1_200) / 4_000
    for side, n in sides.items():
        for k, name in enumerate(names):
            (folder / side / name).mkdir(parents=True)
            for number in range(n):
                true = (k + 1 + number // 4 % 2) % 3 if number % 4 == 0 else k
                hertz = [(300, 700, 1_500)[true] * rng.normal(1, 0.1), *rng.uniform(100, 1_900, 3)]
                loud = [0.3, *rng.uniform(0, 0.1, 3)]
                y = np.sin(2 * np.pi * np.outer(t, hertz) + rng.uniform(0, 6, 4)) @ loud + rng.normal(0, 0.1, 1_200)
                soundfile.write(folder / side / name / f"{number}.wav", y.astype(np.float32), 4_000, "FLOAT")


def test_a_run_that_learnt_its_mistakes_by_heart_is_calibrated_on_data_held_back(musicml, tones_toml, tmp_path):
    write_mislabelled(tmp_path / "tones", {"train": 40, "val": 70, "test": 150})
    changes = {"features.sample_rate": 4_000, "features.n_fft": 256, "features.hop_length": 128}
    changes |= {"clips.seconds": 0.3, "clips.hop_seconds": 0.3, "model.n_estimators": 2}
    words = ["--folder", tmp_path / "tones", "--data-root", tmp_path, "--runs", tmp_path / "runs"]
    assert musicml("train", tones_toml, *words, *set_words(changes))[0] == 0
    (run,) = runs.list_runs(tmp_path / "runs")
    report, served = run.read("report.json"), run.read("serving.json")
    assert report["metrics"]["accuracy"] < 0.75, "a quarter of the names is wrong"
    assert served["temperature"] > 1.5 and served["calibrated_on"] == 210
    # of 450 answers a calibrated run's own error is some 0.03
    assert report["calibration_error_before"] > 0.12 and report["calibration_error"] < 0.08
    assert served["unlike"]["n"] == 210 and served["unlike"]["beyond"] <= 10
    rows = run.table("predictions.csv")
    truth = np.array([run.read("labels.json").index(row["labels"]) for row in rows])
    scores = np.array([[float(row[f"score:{name}"]) for name in run.read("labels.json")] for row in rows])
    with np.load(run.path / "clips.npz") as clips:
        raw = np.stack([clips["scores"][clips["example"] == number].mean(axis=0) for number in range(len(rows))])
    right = [float((one.argmax(axis=1) == truth).mean()) for one in (raw, scores)]
    assert right[0] == right[1] == pytest.approx(report["metrics"]["accuracy"], abs=1e-6)
    assert off(calibration.apply_temperature(raw, served["temperature"], "single"), scores) < 1e-5
