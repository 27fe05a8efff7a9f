import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from musicml.evaluation import bootstrap, comparison, intervals, metrics, predictions
from musicml.evaluation.comparison import significance
from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import run as runs
from musicml.utils.errors import InputError
from tests.fixtures.fake_runs import GENRES, make

pytestmark = pytest.mark.numeric

DRAWN = np.random.default_rng(0)


def voice(right, groups=None, n_classes=3):
    """A table of one class each, which is right where `right` says so."""
    n = len(right)
    truth = np.arange(n) % n_classes
    said = np.where(right, truth, (truth + 1) % n_classes)
    names = np.array([f"{k:04d}.wav" for k in range(n)], dtype=object)
    groups = np.arange(n).astype(str).astype(object) if groups is None else groups
    return PredictionTable(
        names, groups, tuple("abc"[:n_classes]), np.eye(n_classes)[said], np.eye(n_classes)[truth], "single"
    )


def held(*rights, groups=None, kind="files"):
    """The pairs of tables that are right where each of `rights` says so."""
    voices = [voice(np.asarray(right, dtype=bool), groups) for right in rights]
    said = np.stack([metrics.apply_thresholds(one.scores, "single", []) for one in voices])
    names = [f"run {letter}" for letter in "ABCD"[: len(rights)]]
    asked = [(a, b) for a in range(len(rights)) for b in range(a + 1, len(rights))]
    return significance.compare_pairs(names, voices, said, asked, kind)


def right_of(n, *wrong):
    """Right but for these places."""
    found = np.ones(n, dtype=bool)
    found[list(wrong)] = False
    return found


# the tests


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 0), (1, 6), (12, 12), (30, 11), (200, 150)])
def test_mcnemar_is_the_two_tails_of_a_fair_coin(only_a, only_b):
    n, fewer = only_a + only_b, min(only_a, only_b)
    tails = min(1.0, 2 * sum(stats.binom.pmf(k, n, 0.5) for k in range(fewer + 1)))
    leads = DRAWN.permutation(np.repeat([1, -1, 0], [only_a, only_b, 7]))  # a file a group
    assert significance.compute_flip_p_value(leads) == pytest.approx(tails, rel=1e-9)
    assert significance.compute_flip_p_value(-leads) == pytest.approx(tails, rel=1e-9)
    if n:
        assert significance.compute_flip_p_value(leads) == pytest.approx(stats.binomtest(only_a, n).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_flips_are_counted_as_if_every_one_had_been_tried(seed):
    rng = np.random.default_rng(seed)
    leads = rng.integers(-5, 6, rng.integers(1, 11))
    tried = [abs(np.dot(signs, leads)) for signs in itertools.product((-1, 1), repeat=len(leads))]
    expected = np.mean(np.array(tried) >= abs(leads.sum()))
    assert significance.compute_flip_p_value(leads) == pytest.approx(expected, rel=1e-9)


def test_p_is_never_0_however_many_groups_go_one_way():
    assert 0 < significance.compute_flip_p_value(np.ones(3000)) < 1e-300


def test_holm_of_a_worked_example():
    # four tests: 4 x 0.005, then 3 x 0.01, then 2 x 0.03, then no less than that
    assert significance.correct_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], rel=1e-9)
    assert significance.correct_holm([0.9, 0.8]) == [1.0, 1.0]
    assert significance.correct_holm([]) == [] and significance.correct_holm([0.04]) == [0.04]
    assert significance.correct_holm([None, 0.02, 0.01]) == [None, 0.02, 0.02], "nothing can be told of the first"


def test_holm_keeps_one_in_twenty_sets_of_equal_runs_from_a_difference():
    p = np.random.default_rng(1).random((4000, 5))
    corrected = np.array([min(significance.correct_holm(row.tolist())) for row in p])
    assert 0.035 < (corrected < 0.05).mean() < 0.065 < (p.min(axis=1) < 0.05).mean()


def test_two_runs_on_150_pictures_are_told_in_plain_words():
    (pair,) = held(right_of(150, 0), right_of(150, 0, *range(1, 6)), kind="pictures")
    assert pair.sentence == (
        "run A classified 5 more of 150 pictures correctly than run B; the difference may be due to chance (p = 0.062)."
    )
    assert (pair.only_a, pair.only_b) == (5, 0) and pair.p == pytest.approx(0.0625, rel=1e-9)
    assert pair.difference == pytest.approx(5 / 150, abs=1e-6)
    (turned,) = held(right_of(150, *range(6)), right_of(150, 0), kind="pictures")
    assert turned.sentence == pair.sentence.replace("run A", "x").replace("run B", "run A").replace("x", "run B")


def test_a_difference_that_chance_would_hardly_give_is_called_so():
    (pair,) = held(right_of(200), right_of(200, *range(30)))
    assert pair.p < 1e-6 and pair.sentence.endswith("statistically significant (p ≤ 0.001).")
    assert pair.interval[0] > 0
    (pair,) = held(right_of(90, 1, 2), right_of(90, 3, 4))
    assert pair.p == 1.0 and "equally many of 90 files" in pair.sentence


def test_three_runs_are_corrected_for_three_pairs():
    found = held(right_of(60), right_of(60, *range(6)), right_of(60, *range(7)))
    assert [pair.p for pair in found] == pytest.approx([2 / 2**6, 2 / 2**7, 1.0])
    assert [pair.p_holm for pair in found] == pytest.approx([2 * 2 / 2**6, 3 * 2 / 2**7, 1.0])
    assert "may be due to chance" in found[0].sentence, "by itself it would not be"


def test_the_interval_of_a_difference_is_over_groups():
    """Ten groups of thirty, in each of which one run is wrong on all or none: ten things are known."""
    wrong, groups = np.flatnonzero(np.arange(300) // 30 % 2), (np.arange(300) // 30).astype(str).astype(object)
    (together,) = held(right_of(300), right_of(300, *wrong), groups=groups)
    (alone,) = held(right_of(300), right_of(300, *wrong))
    widths = [pair.interval[1] - pair.interval[0] for pair in (together, alone)]
    assert widths[0] > 4 * widths[1]


def test_a_difference_in_one_group_alone_could_be_chance_however_many_files_it_has():
    groups = (np.arange(60) // 10).astype(str).astype(object)
    (pair,) = held(right_of(60), right_of(60, *range(10)), groups=groups)  # all in one group of six
    assert pair.p == pair.p_holm == 1.0 and pair.test == significance.SIGN_FLIP
    assert pair.interval[0] < 0 and pair.sentence.endswith("may be due to chance (p = 1).")


def test_groups_of_one_file_each_are_told_by_mcnemar_and_one_larger_group_is_enough_for_flips():
    rights = right_of(60, 50, 51), right_of(60, *range(9))
    (alone,) = held(*rights)
    assert alone.test == significance.MCNEMAR and alone.p == pytest.approx(stats.binomtest(9, 11).pvalue, rel=1e-9)
    (together,) = held(*rights, groups=np.array(["both", "both", *map(str, range(58))], dtype=object))
    assert together.test == significance.SIGN_FLIP
    assert together.p == pytest.approx(significance.compute_flip_p_value(np.array([2, *[1] * 7, -1, -1])), rel=1e-9)


def draw_equal_runs(rng, n_runs, sizes):
    """Runs that are right in 0.7 of files; part of what decides that is shared by a group, part by all runs."""
    group_of = np.repeat(np.arange(len(sizes)), sizes)

    def draw(n):
        return (rng.standard_normal((n_runs, n)) + rng.standard_normal((1, n))) / np.sqrt(2)

    return (draw(len(sizes))[:, group_of] + draw(len(group_of))) / np.sqrt(2) < stats.norm.ppf(0.7)


@pytest.mark.parametrize(("n_runs", "at_least"), [(2, 0.2), (4, 0.4)])
def test_equal_runs_on_grouped_files_are_rarely_called_different(n_runs, at_least):
    """McNemar's test, which takes files as independent, calls them so four times as often as promised, or more."""
    rng, n = np.random.default_rng(5), 200
    sizes = np.maximum(1, rng.lognormal(1.8, 0.8, 29).astype(int))
    groups = np.repeat(np.arange(29), sizes).astype(str).astype(object)
    called = {"by group": 0, "by file": 0}
    for _ in range(n):
        rights = draw_equal_runs(rng, n_runs, sizes)
        apart = [a.astype(int) - b for a, b in itertools.combinations(rights, 2)]
        for name, leads in (("by group", [intervals.count_by_group(groups, one) for one in apart]), ("by file", apart)):
            p = [significance.compute_flip_p_value(one) for one in leads]
            called[name] += min(significance.correct_holm(p)) < significance.ALPHA
    assert called["by group"] <= 0.09 * n and called["by file"] >= at_least * n, called


def test_a_real_difference_is_found_over_groups():
    rng, found = np.random.default_rng(6), 0
    groups = np.repeat(np.arange(100), 8).astype(str).astype(object)
    for _ in range(40):
        one, other = draw_equal_runs(rng, 2, np.full(100, 8))
        better = one | (rng.random(800) < 0.4)  # 12 points above
        (pair,) = held(better, other, groups=groups)
        found += pair.p < significance.ALPHA
    assert found >= 36


def test_files_of_one_group_are_no_witnesses():
    (pair,) = held(right_of(20), right_of(20, *range(15)), groups=np.full(20, "x", dtype=object))
    assert pair.p is None and pair.p_holm is None and pair.interval is None
    assert "15 more of 20 files correctly than run B; all of them belong to one group" in pair.sentence


def several(seed, sureness, n=240):
    """A table of several classes at once, half of its cells looked at."""
    rng = np.random.default_rng(7)
    targets = (rng.random((n, 4)) < 0.4).astype(float)
    noise = np.random.default_rng(seed).normal(0, 1, (n, 4))
    scores = 1 / (1 + np.exp(-(sureness * (2 * targets - 1) + noise)))
    targets[rng.random((n, 4)) < 0.5] = np.nan
    names = np.array([f"{k:04d}.ogg" for k in range(n)], dtype=object)
    return PredictionTable(
        names, (np.arange(n) // 4).astype(str).astype(object), tuple("abcd"), scores, targets, "multi"
    )


def test_runs_on_several_classes_at_once_are_told_apart_by_their_mean_average_precision():
    voices = [several(1, 1.5), several(2, 0.4), several(3, 0.4)]
    said = np.stack([one.scores >= 0.5 for one in voices])
    better, _, alike = significance.compare_pairs(
        ["good", "poor", "as poor"], voices, said, [(0, 1), (0, 2), (1, 2)], "files"
    )
    assert better.test == significance.BOOTSTRAP and better.only_a is None
    area = [
        metrics.compute_report(one.scores, one.targets, one.groups, list("abcd"), "multi", [0.5] * 4, n_bootstrap=10)[
            "metrics"
        ]
        for one in voices[:2]
    ]
    wanted = area[0]["mean_average_precision"] - area[1]["mean_average_precision"]
    assert better.difference == pytest.approx(wanted, abs=2e-6) and better.interval[0] > 0
    assert better.sentence.startswith(f"good has a mean average precision {wanted:.3f} higher than poor")
    assert "significant" in better.sentence and "may be due to chance" in alike.sentence


def test_equal_runs_of_several_classes_are_rarely_called_different():
    rng, called, n = np.random.default_rng(8), 0, 150
    groups = np.repeat(np.arange(20), 4).astype(str).astype(object)
    weights = bootstrap.draw_weights(groups, 0, 100)
    for _ in range(n):
        targets = (rng.random((80, 3)) < 0.4).astype(float)
        voices = [
            replace(
                several(1, 1.0, n=80),
                class_names=tuple("abc"),
                groups=groups,
                targets=targets,
                scores=targets + np.repeat(rng.normal(0, 1, (20, 3)), 4, axis=0) + rng.normal(0, 1, (80, 3)),
            )
            for _ in range(2)
        ]
        curves = [significance.compute_average_precisions(one, weights) for one in voices]
        called += significance.compute_draw_p_value((curves[0] - curves[1])[1:]) < significance.ALPHA
    assert called <= 0.1 * n, called


def test_one_group_tells_nothing_of_several_classes():
    one = replace(several(1, 1.5), groups=np.full(240, "x", dtype=object))
    other = replace(several(2, 0.4), groups=one.groups)
    (pair,) = significance.compare_pairs(["a", "b"], [one, other], np.stack([one.scores >= 0.5] * 2), [(0, 1)], "files")
    assert pair.p is None and pair.p_holm is None and "240 files belong to one group" in pair.sentence


def test_a_figure_that_is_not_defined_or_the_same_is_told_so():
    one = several(1, 1.5)
    always = replace(one, targets=np.where(np.isnan(one.targets), np.nan, 1.0))
    said = np.stack([one.scores >= 0.5] * 2)
    (pair,) = significance.compare_pairs(["a", "b"], [always, always], said, [(0, 1)], "files")
    assert pair.difference is None and pair.p is None and "average precision is not defined" in pair.sentence
    (pair,) = significance.compare_pairs(["a", "b"], [one, one], said, [(0, 1)], "files")
    assert pair.difference == 0 and pair.sentence == "a and b have the same mean average precision on 240 files."


def test_a_plain_difference_is_found_among_many_pairs_however_few_draws_were_asked_for():
    voices = [several(1, 2.5), *(several(seed, 0.2) for seed in range(2, 7))]
    asked = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    found = significance.compare_pairs(
        "abcdef", voices, np.stack([one.scores >= 0.5 for one in voices]), asked, "files", 50
    )
    assert all("significant" in pair.sentence for pair in found if pair.a == "a")


# runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three runs on the same genres, one of them better; and others that can't be held against them."""
    root = tmp_path_factory.mktemp("compared")
    return {
        "cnn": make(root, "genre_cnn-1-s0", family="cnn", skill=2.5, seed=0),
        "gru": make(root, "genre_gru-1-s0", family="gru", skill=0.8, seed=0),
        "lstm": make(root, "genre_lstm-1-s0", family="lstm", skill=0.8, seed=0),
        "pictures": make(root, "instrument_images_resnet50-1-s0", family="transfer"),
        "fewer": make(root, "genre_cnn-2-s0", family="cnn", n=50),
        "several": make(root, "openmic_cnn-1-s0", family="multi"),
        "started": make(root, "genre_cnn-3-s0", family="cnn", status="trained"),
    }


def test_runs_are_compared_on_what_they_answered(made):
    found = comparison.compare_runs([made["cnn"], made["gru"], made["lstm"]])
    voices = [predictions.read_predictions(made[name]) for name in ("cnn", "gru", "lstm")]
    right = [one.scores.argmax(axis=1) == one.targets.argmax(axis=1) for one in voices]
    assert [(pair.only_a, pair.only_b) for pair in found.pairs] == [
        (int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())) for a, b in [(0, 1), (0, 2), (1, 2)]
    ]
    assert found.pairs[0].sentence.startswith("genre_cnn classified ")
    assert found.n == len(right[0]) and found.sample and found.metric == "accuracy"
    assert [one["value"] for one in found.figures] == pytest.approx([float(one.mean()) for one in right], abs=1e-6)
    json.dumps(found.to_dict(), allow_nan=False)


def test_runs_of_other_examples_or_classes_are_refused_and_it_says_how(made):
    with pytest.raises(InputError, match="on gtzan, but instrument_images_resnet50-1-s0 on instrument_images"):
        comparison.compare_runs([made["cnn"], made["pictures"]])
    with pytest.raises(InputError, match=r"on \d+ examples, genre_cnn-2-s0 on \d+. Only \d+ are the same"):
        comparison.compare_runs([made["cnn"], made["fewer"]])
    with pytest.raises(InputError, match="genre_cnn-3-s0 .* is not complete"):
        comparison.compare_runs([made["cnn"], made["started"]])
    with pytest.raises(InputError, match="at least two different runs"):
        comparison.compare_runs([made["cnn"], made["cnn"]])
    with pytest.raises(InputError, match="at least two different runs"):
        comparison.compare_runs([made["cnn"]])


def test_runs_judged_by_other_labels_are_refused(made, tmp_path):
    other = make(tmp_path, "genre_cnn-4-s0", family="cnn", seed=0)
    lines = (other.path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    cells[2] = next(name for name in GENRES if name != cells[2])
    lines[1] = ",".join(cells)
    (other.path / "predictions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"for 1 examples, such as {cells[0]}"):
        comparison.compare_runs([made["cnn"], other])


def test_sample_data_and_real_data_do_not_compare(made, tmp_path):
    real = make(tmp_path, "genre_cnn-5-s0", family="cnn", sample=False)
    with pytest.raises(InputError, match="synthetic data, the other on real data"):
        comparison.compare_runs([made["cnn"], real])


def test_examples_and_classes_in_another_order_are_the_same(made):
    one = predictions.read_predictions(made["cnn"])
    rows, columns = DRAWN.permutation(len(one.names)), DRAWN.permutation(len(one.class_names))
    turned = PredictionTable(
        one.names[rows],
        one.groups[rows],
        tuple(one.class_names[k] for k in columns),
        one.scores[rows][:, columns],
        one.targets[rows][:, columns],
        one.task,
    )
    again = comparison.align_tables([one, turned])[1]
    assert again.class_names == one.class_names and np.array_equal(again.scores, one.scores)
    assert np.array_equal(again.targets, one.targets) and list(again.groups) == list(one.groups)


def test_several_seeds_have_a_mean_and_a_spread(tmp_path):
    members = [make(tmp_path, f"genre_cnn-1-s{seed}", family="cnn", seed=seed, skill=1.0) for seed in range(3)]
    for run in members[1:]:  # the same examples, as a fixed split gives them
        (run.path / "split.csv").write_bytes((members[0].path / "split.csv").read_bytes())
    found = comparison.compare_runs(members)
    values = [run.read("report.json")["metrics"]["accuracy"] for run in members]
    (seeds,) = found.seeds
    assert seeds.seeds == (0, 1, 2) and seeds.mean == pytest.approx(np.mean(values), abs=1e-6)
    assert seeds.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert found.pairs[0].a == "genre_cnn-1-s0", "runs of one experiment go by their own names"


def test_a_seed_with_other_settings_is_another_experiment(tmp_path):
    members = [make(tmp_path, f"genre_cnn-1-s{seed}", family="cnn", seed=seed, skill=1.0) for seed in range(2)]
    facts = members[1].read("run.json")
    facts["settings"]["training"]["epochs"] += 1
    (members[1].path / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    assert comparison.compare_runs(members).seeds == ()


def test_what_is_as_published_is_held_against_nothing_honest(made, tmp_path):
    other = make(tmp_path, "genre_cnn-6-s0", family="cnn", seed=0, skill=2.0)
    facts = other.read("run.json") | {"protocol": "as published"}
    (other.path / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    found = comparison.compare_runs([made["cnn"], runs.open_run(other.path)])
    assert found.pairs == () and [one["protocol"] for one in found.figures] == ["honest", "as published"]


def test_a_run_with_changed_settings_is_told_as_such(made, tmp_path, musicml):
    other = make(tmp_path, "genre_gru-7-s0", family="gru", seed=0, skill=0.8)
    facts = other.read("run.json") | {"overrides": {"training.epochs": 8, "training.keep": "last"}}
    (other.path / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    code, out, _ = musicml("compare", made["cnn"].path, other.path)
    assert code == 0 and 'genre_gru-7-s0 is genre_gru with training.epochs=8, training.keep="last"' in out


def test_the_command_prints_a_sentence_for_each_pair(made, musicml):
    code, out, err = musicml("compare", made["cnn"].path, made["gru"].path, made["lstm"].path)
    assert code == 0 and "genre_cnn classified " in out.replace("\n", " ") and "corrected for 3 pairs" in out
    assert "synthetic sample data" in out
    code, out, _ = musicml("compare", made["cnn"].path, made["gru"].path, "--json")
    assert code == 0 and json.loads(out)["pairs"][0]["test"] == "exact sign flips of groups"
    assert json.loads(out)["figures"][0]["interval_method"] == intervals.INTERVAL_METHOD
    code, out, _ = musicml("compare", made["cnn"].path, made["gru"].path)
    assert "McNemar" not in out and "exact sign flips of groups" in " ".join(out.split())
    code, out, err = musicml("compare", made["cnn"].path, made["several"].path)
    assert code == 2 and out == "" and "on gtzan, but openmic_cnn-1-s0 on openmic" in err
