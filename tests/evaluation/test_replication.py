"""Published protocols: each fault is really in its run, said of it, and held beside an honest run."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from musicml.data import published_results
from musicml.evaluation import as_published as published
from musicml.evaluation import evaluate, metrics, predictions, replication
from musicml.evaluation.replication import summary
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.experiment.lookup import find_experiment
from musicml.training import train
from musicml.utils import Message, capture_messages, translate
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, TONES
from tests.fixtures.near import off

RECIPES = sorted((EXPERIMENTS / "as_published").glob("*.toml"))
FIVE = ["gtzan_cnn", "gtzan_gru", "openmic_cnn", "pictures_resnet50", "sounds_resnet50"]
# forests, trained within a second
PIECES = """
[published]
reference = "gtzan_gru"
honest = "tones"
fault = "A track is on both sides."
pieces = true
served = "first_second"
"""
VIOLINS = """
[published]
reference = "sounds_resnet50"
honest = "violins"
fault = "Violins are drums."
figures = ["macro_auc"]
"""
SOUNDS = TONES.replace('"gtzan"', '"instrument_sounds"')


def silent(words):
    """Nobody is told."""


def as_published(text):
    return text.replace("[features]", 'protocol = "as_published"\n[features]', 1)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """A folder of experiments with two honest ones and, below it, their published partners: name → path."""
    home = tmp_path_factory.mktemp("experiments")
    texts = {
        "tones": TONES,
        "violins": SOUNDS,
        "as_published/leaky": as_published(TONES) + PIECES,
        "as_published/drums": as_published(SOUNDS) + VIOLINS,
    }
    for name, text in texts.items():
        (home / f"{name}.toml").parent.mkdir(exist_ok=True)
        (home / f"{name}.toml").write_text(text)
    return {name.rpartition("/")[2]: home / f"{name}.toml" for name in texts}


@pytest.fixture(scope="module")
def replayed(recipes, root, tmp_path_factory):
    """Both replays, made once: the folder of the runs, what was found, what was said."""
    said, runs_root = [], tmp_path_factory.mktemp("runs")
    with capture_messages(said.append):
        found = replication.replicate([recipes["leaky"], recipes["drums"]], root, runs_root, "sample")
    return runs_root, found, said


def run_of(found):
    return runs.open_run(found.runs["as_published"])


# The recipes


def test_there_is_a_recipe_for_each_of_the_five_systems_and_each_finds_its_partner():
    read = [(path, config.read_experiment(path)) for path in RECIPES]
    assert sorted(recipe.published.reference for _, recipe in read) == FIVE
    for path, recipe in read:
        for on_sample in (False, True):
            held = recipe.apply_sample_table() if on_sample else recipe
            partner = replication.find_partner(path, held)
            honest = config.read_experiment(partner, config.parse_changes(held.published.changes), on_sample)
            assert honest.published is None and honest.data.protocol == "honest", path
            assert (honest.kind, honest.features, honest.family) == (held.kind, held.features, held.family), path
            assert (honest.model, honest.training, honest.clips) == (held.model, held.training, held.clips), path
            assert honest.augment == held.augment, "they differ in the protocol alone"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_is_wrong_with_a_recipe_can_be_said_in_indonesian(path):
    fault = tomllib.loads(path.read_text())["published"]["fault"]
    assert len(fault) > 100 and translate(Message(fault), "id") != fault


def test_recipes_are_trained_by_name_and_never_among_the_honest_ones(monkeypatch):
    monkeypatch.chdir(EXPERIMENTS.parent)
    there = Path("experiments/as_published/gtzan_gru_published.toml")
    for name in ("as_published/gtzan_gru_published", "gtzan_gru_published", "as_published/gtzan_gru_published.toml"):
        assert find_experiment(name) == there
    for name in ("gtzan_gru", "gtzan_gru_published", "as_published/gtzan_gru", "gtzan_gru_published.toml"):
        assert find_experiment(name, "as_published") == there
    honest = [config.read_experiment(path) for path in sorted(Path("experiments").glob("*.toml"))]
    assert len(honest) > 10 and all(one.published is None and one.data.protocol == "honest" for one in honest)


# Random pieces, and the first second


def test_a_track_stands_on_both_sides_where_its_pieces_are_dealt_at_random(replayed):
    run = run_of(replayed[1][0])
    sides = {}
    for row in run.table("split.csv"):
        track, _, number = row["example"].rpartition("#")
        assert number.isdigit()
        sides.setdefault(track, set()).add(row["split"])
    crossing = [track for track, its in sides.items() if {"train", "val"} <= its]
    assert len(crossing) > len(sides) / 2
    assert run.read("run.json")["split"]["statement"].startswith("by clip, regardless of its track")
    assert translate(run.read("run.json")["split"]["statement"], "id").startswith("per klip, tanpa ")


def test_pieces_are_judged_where_the_published_figure_was_and_in_their_tracks_groups(replayed):
    run = run_of(replayed[1][0])
    asked = [row["example"] for row in run.table("split.csv") if row["split"] == "val"]
    table = predictions.read_predictions(run)
    assert run.read("report.json")["split"] == "val" and sorted(table.names) == sorted(asked)
    assert len(set(table.groups)) < len(table.names), "the pieces of a track are no two independent examples"


@pytest.mark.numeric
def test_a_piece_is_answered_by_the_frames_that_it_was_in_training(replayed, root):
    run = run_of(replayed[1][0])
    predictor, table = evaluate.Predictor(run), predictions.read_predictions(run)
    name = table.names[-1]
    track, _, number = name.rpartition("#")
    dataset = evaluate.reload_dataset(run.info.data.table)
    path = next(example.path for example in dataset.examples if example.id == track)
    whole, length = predictor.read(path), predictor.serving.clip.n_frames
    piece = whole.values[int(number) * length : (int(number) + 1) * length]
    answer = predictor.predict_features([evaluate.ModelInput("piece", piece)])[0]
    assert off(answer.scores, table.scores[-1]) < 1e-5


@pytest.mark.numeric
def test_the_first_second_is_asked_of_tracks_whose_beginning_was_judged(replayed):
    run, served = run_of(replayed[1][0]), replayed[1][0].as_served["first_second"]
    beginnings = [name for name in predictions.read_predictions(run).names if name.endswith("#0")]
    assert served["n"] == len(beginnings) > 0 and 0 <= served["accuracy"] <= 1 and served["seconds"] == 1.0
    table = predictions.read_predictions(run)
    right = [
        table.targets[k, table.scores[k].argmax()] for k in range(len(table.names)) if table.names[k] in beginnings
    ]
    assert served["accuracy_of_all"] == pytest.approx(np.mean(right), abs=1e-6)


def test_a_folder_with_tracks_of_which_a_piece_was_learnt_is_not_scored(replayed, root, tmp_path):
    run = run_of(replayed[1][0])
    dataset = evaluate.reload_dataset(run.info.data.table)
    taught = {row["example"].rpartition("#")[0] for row in run.table("split.csv") if row["split"] == "train"}
    example = next(one for one in dataset.examples if one.id in taught and one.label in ("blues", "jazz"))
    for name in ("blues", "jazz"):
        (tmp_path / "own" / name).mkdir(parents=True)
        shutil.copy(example.path, tmp_path / "own" / name / "song.wav")
    with pytest.raises(InputError, match="was trained on all files"):
        evaluate.evaluate_run(run, tmp_path / "own")


# Softmax applied twice


@pytest.mark.numeric
@pytest.mark.parametrize("n_classes", [2, 10, 30])
def test_softmax_of_softmax_shows_the_same_answers_and_never_more_than_its_bound(n_classes):
    rng = np.random.default_rng(n_classes)
    scores = special.softmax(rng.normal(0, 4, (500, n_classes)), axis=1)
    scores[0] = np.eye(n_classes)[0]  # as sure as can be
    targets = np.eye(n_classes)[scores.argmax(axis=1)]
    found = published.score_softmax_twice(scores, targets, [str(k) for k in range(500)])
    bound = np.e / (np.e + n_classes - 1)
    assert found["accuracy"] == 1.0 and found["accuracy_interval"][0] < 1.0
    assert found["highest"] == pytest.approx(bound, abs=1e-6) == found["most_possible"]
    assert found["mean"] <= found["highest"] and found["calibration_error"] == pytest.approx(
        1 - found["mean"], abs=1e-5
    )


# Rows of violins that name drums


def test_violin_rows_name_drum_files_and_the_ceiling_says_what_that_leaves(replayed):
    found = replayed[1][1]
    run, ceiling = run_of(found), found.as_served["ceiling"]
    dataset = evaluate.reload_dataset(run.info.data.table)
    violins = [one for one in dataset.examples if one.label == "violin" and one.split == "train"]
    drums = {one.path for one in dataset.examples if one.label == "drum" and one.split == "train"}
    assert violins and all(one.path in drums for one in violins)
    assert ceiling["macro_auc"] < 0.95 and ceiling["contradictory"] >= 2 * len(violins)
    assert f"no model can exceed a macro ROC-AUC of {ceiling['macro_auc']:.3f}" in found.summary


def test_the_published_table_of_labels_leaves_0_909():
    rows = [("drum", 700), ("violin", 700), ("guitar", 700), ("piano", 529)]
    examples = tuple(
        evaluate.Example(
            f"{label}{k}", Path("x"), {label: True}, "", "train", f"{'drum' if label == 'violin' else label}{k}"
        )
        for label, n in rows
        for k in range(n)
    )
    dataset = evaluate.Dataset(
        "sounds", "sound", "single", "instrument", ("drum", "guitar", "piano", "violin"), examples
    )
    assert round(published.compute_label_ceiling(dataset)["macro_auc"], 3) == 0.909


# Cells that nobody judged


def cells_as_in_openmic(n=374, seed=0):
    """Labels as read, and as judged: every clip's voice and one other of twenty cells, 43% of them present."""
    rng = np.random.default_rng(seed)
    judged = np.full((n, 20), np.nan)
    judged[:, 19] = rng.random(n) < 0.6
    judged[np.arange(n), rng.integers(0, 19, n)] = rng.random(n) < 0.3
    return np.where(np.isnan(judged), 1.0, judged), judged


@pytest.mark.numeric
def test_answering_present_to_everything_looks_all_but_perfect_as_published_and_masked_it_does_not():
    read, judged = cells_as_in_openmic()
    found = published.score_cells(read > 2, read, judged, [str(k) for k in range(len(read))])
    always = found["all_present"]
    assert always["as_published"]["weighted_precision"] >= 0.9 and always["as_published"]["weighted_recall"] == 1.0
    assert always["judged"]["weighted_precision"] < 0.7 and always["judged"]["weighted_recall"] == 1.0
    assert found["n"] == read.size and found["judged"] == (~np.isnan(judged)).sum()
    assert always["judged"]["share"] == pytest.approx(np.nanmean(judged), abs=1e-6)
    assert found["model"]["as_published"]["weighted_recall"] == 0.0, "a model that answers nothing is counted too"
    found = published.score_cells(read > 0, read, judged, [str(k) for k in range(len(read))])
    assert all(translate(sentence, "id") != sentence for sentence in summary.explain_cells(found))


@pytest.mark.numeric
def test_weighted_figures_are_those_of_the_report_with_an_interval():
    read, judged = cells_as_in_openmic(60, 1)
    scores = np.random.default_rng(2).random(read.shape)
    groups = np.array([str(k // 2) for k in range(60)], dtype=object)
    for truth in (read, judged):
        made = metrics.compute_report(
            scores, truth, groups, [str(k) for k in range(20)], "multi", [0.5] * 20, n_bootstrap=10
        )
        found = published.estimate_weighted_metrics(scores >= 0.5, truth, groups)
        for name, one in found.items():
            assert one.value == pytest.approx(made["metrics"][name], abs=1e-6)
            assert one.interval[0] < one.value < one.interval[1]


@pytest.mark.numeric
def test_a_run_on_unjudged_cells_is_counted_both_ways(root, tmp_path):
    changes = {"training.epochs": 1, "model.filters": [4], "model.dense_units": 8}
    recipe = config.read_experiment(EXPERIMENTS / "as_published/openmic_cnn_published.toml", changes)
    run = train.train_experiment(recipe, root, tmp_path, "sample")
    made, table = evaluate.evaluate_run(run), predictions.read_predictions(run)
    found = made["as_served"]["cells"]
    judged = published.read_labeled_cells(run.info.data, table.names, table.class_names, None)
    seen = ~np.isnan(judged)
    assert (table.targets[~seen] == 1).all() and (~seen).mean() > 0.5, "what nobody judged is read as present"
    assert (found["n"], found["judged"]) == (table.targets.size, seen.sum())
    assert seen[:, table.class_names.index("voice")].all(), "only clips whose voice was judged"
    for name in published.WEIGHTED:
        assert found["model"]["as_published"][name] == pytest.approx(made["metrics"][name], abs=1e-6)
        assert published.compute_published_metric(run, name).value == pytest.approx(made["metrics"][name], abs=1e-6)
    same = table.scores.argmax(axis=1) == table.targets.argmax(axis=1)
    assert published.compute_published_metric(run, "accuracy").value == pytest.approx(same.mean(), abs=1e-6)


# Runs


def test_runs_carry_their_protocol_and_what_they_replay(replayed, musicml):
    runs_root, found, _ = replayed
    for one in found:
        facts = run_of(one).read("run.json")
        assert facts["protocol"] == run_of(one).read("report.json")["protocol"] == "as published"
        assert facts["published"]["reference"] == one.reference and facts["published"]["fault"] in one.summary
        honest = runs.open_run(one.runs["honest"])
        assert honest.read("run.json")["protocol"] == "honest" and "published" not in honest.read("run.json")
        assert "as_served" not in honest.read("report.json") and honest.read("report.json")["split"] == "test"
        assert run_of(one).table("repairs.csv") == [] and facts["data"]["repairs"] == {}
        assert facts["data"]["as_published"] is True
    repairs = honest.table("repairs.csv")  # of violins and drums
    kinds = [row["repair"] for row in repairs]
    assert honest.read("run.json")["data"]["repairs"] == {kind: kinds.count(kind) for kind in set(kinds)}
    assert "label_dropped" in kinds and all(row["file"] and row["words"] for row in repairs)
    _, out, _ = musicml("runs", "--runs", runs_root)
    lines = {line.split("-2")[0]: line for line in out.splitlines()}
    assert "as published" in lines["leaky"] and "as published" in lines["drums"]
    assert "as published" not in lines["tones"] and "as published" not in lines["violins"]


def test_published_replayed_and_honest_stand_side_by_side(replayed):
    leaky, drums = replayed[1]
    (row,) = leaky.rows
    assert (
        row.metric == "accuracy" and row.published == published_results.get_reference("gtzan_gru").figures["accuracy"]
    )
    assert row.replayed.value == run_of(leaky).read("report.json")["metrics"]["accuracy"]
    assert row.replayed.interval and leaky.sample and leaky.sides[0].startswith("val (")
    assert drums.rows[0].published == (0.902, 0.908) and drums.rows[0].honest.interval
    assert json.loads(json.dumps(leaky.to_dict()))["rows"][0]["replayed"]["value"] == row.replayed.value


def test_every_sentence_of_a_replay_can_be_said_in_indonesian(replayed):
    for one in replayed[1]:
        for sentence in one.sentences[1:]:
            made = translate(sentence, "id")
            assert made != sentence and " the " not in made and " to " not in made


def test_a_run_that_is_there_is_not_trained_again_and_another_seed_is(replayed, recipes, root):
    runs_root, found, said = replayed
    assert sum(words.endswith(": training") for words in said) == 4
    before, again = len(runs.list_runs(runs_root)), []
    with capture_messages(again.append):
        second = replication.replicate([recipes["drums"]], root, runs_root, "sample")
    assert second[0].runs == found[1].runs and len(runs.list_runs(runs_root)) == before
    assert [": using " in words for words in again] == [True, True]
    recipe = config.read_experiment(recipes["drums"], sample=True)
    assert replication.find_run(recipe, root, runs_root, "sample", 0) is not None
    assert replication.find_run(recipe, root, runs_root, "sample", 1) is None
    changed = config.read_experiment(recipes["drums"], {"model.n_estimators": 4}, sample=True)
    assert replication.find_run(changed, root, runs_root, "sample", 0) is None


def test_a_run_on_files_that_have_changed_since_is_trained_again(replayed, recipes, root, tmp_path):
    runs_root, found, _ = replayed
    recipe = config.read_experiment(recipes["violins"], sample=True)
    data = shutil.copytree(root / "sample" / "instrument_sounds", tmp_path / "sample" / "instrument_sounds")
    assert replication.find_run(recipe, tmp_path, runs_root, "sample", 0) is not None, "wherever the data lies"
    first, second = sorted(data.glob("Train_submission/**/*.wav"))[:2]
    shutil.copy(second, first)
    assert replication.find_run(recipe, tmp_path, runs_root, "sample", 0) is None


def test_one_that_fails_is_named_and_the_others_go_on(recipes, root, tmp_path, musicml, monkeypatch):
    made = replication.Replication(
        "drums", "sounds_resnet50", "instrument_sounds", rows=(), sides=("val (1)", "test (1)")
    )

    def one(path, *rest):
        if path.stem == "leaky":
            raise RuntimeError("the device is out of memory\nand more")
        return made

    monkeypatch.setattr(replication, "replicate_one", one)
    words = ("replay", recipes["leaky"], recipes["drums"], "--data-root", root, "--runs", tmp_path)
    code, out, err = musicml(*words, "--json")
    told = json.loads(out)
    assert code == 1 and "leaky failed: the device is out of memory" in err and "and more" not in err
    assert [one["error"] for one in told["replays"]] == ["the device is out of memory", ""]
    assert json.loads(Path(told["file"]).read_text())["replays"] == told["replays"]
    assert Path(told["file"]).parent == tmp_path / "replays"


def test_what_is_no_recipe_is_refused_before_anything_is_trained(recipes, root, tmp_path):
    with pytest.raises(InputError, match="tones has no .published. table"):
        replication.replicate([recipes["leaky"], recipes["tones"]], root, tmp_path)
    with pytest.raises(InputError, match="not found: did you mean 'leaky'"):
        replication.replicate([recipes["leaky"].with_name("leeky.toml")], root, tmp_path)
    alone = tmp_path / "experiments/as_published/leaky.toml"
    alone.parent.mkdir(parents=True)
    shutil.copy(recipes["leaky"], alone)
    with pytest.raises(InputError, match="Experiment file .*tones.toml not found"):
        replication.replicate([alone], root, tmp_path)
    assert runs.list_runs(tmp_path) == []


def test_the_command_prints_them_side_by_side_and_says_which_figures_are_generated(replayed, recipes, root, musicml):
    runs_root, (leaky, _), _ = replayed
    words = ("replay", recipes["leaky"], "--data", "sample", "--data-root", root, "--runs", runs_root)
    code, out, _ = musicml(*words)
    row = next(line for line in out.splitlines() if line.startswith("leaky  "))
    assert code == 0 and "0.788" in row and row.count("*") == 2
    assert f"{leaky.rows[0].replayed.value:.3f} (" in row and "come from synthetic sample data" in out
    assert "A track is on both sides. With the published protocol, accuracy is" in out


def test_evaluating_such_a_run_says_where_its_fault_is_told(replayed, musicml):
    code, out, _ = musicml("evaluate", run_of(replayed[1][0]).path)
    assert code == 0 and "cannot be compared with honest ones" in out and "musicml replay" in out


# What is said


def row(replayed, honest, metric="accuracy"):
    return replication.ReplicationRow(metric, 0.9, None, replayed, honest)


def test_a_verdict_follows_from_the_figures_whatever_they_are():
    high, low = published.IntervalEstimate(0.9, [0.85, 0.95]), published.IntervalEstimate(0.6, [0.5, 0.7])
    near, none = published.IntervalEstimate(0.8, [0.7, 0.9]), published.IntervalEstimate(None)
    assert "too optimistic by 0.300, and the intervals do not overlap" in summary.write_verdict(row(high, low))
    assert "0.100 higher. The intervals overlap" in summary.write_verdict(row(high, near))
    assert "is not optimistic: its result is 0.300 lower, and the intervals" in summary.write_verdict(row(low, high))
    assert "0.100 lower. The intervals overlap, so this may be due to chance" in summary.write_verdict(row(near, high))
    assert "both protocols give the same result" in summary.write_verdict(row(high, high))
    for lacking in (none, None):
        assert "cannot be compared" in summary.write_verdict(row(high, lacking))


def test_what_judging_every_file_gives_is_told_by_the_widths_of_intervals():
    wide, narrow = published.IntervalEstimate(0.8, [0.7, 0.9]), published.IntervalEstimate(0.8, [0.78, 0.82])
    (said,) = summary.compare_widths(row(wide, narrow))
    assert "20.0 points wide" in said and "it is 4.0 points wide" in said and translate(said, "id") != said
    assert summary.compare_widths(row(published.IntervalEstimate(0.8, None), wide)) == []


def test_a_confidence_is_told_beside_what_was_right():
    scores = special.softmax(np.random.default_rng(0).normal(0, 3, (50, 30)), axis=1)
    served = published.score_softmax_twice(scores, np.eye(30)[scores.argmax(axis=1)], [str(k) for k in range(50)])
    said = summary.explain_softmax(served, 30)
    assert "at most 8.6% for any of 30 classes" in said and "100.0% of its predictions were correct" in said
    assert translate(said, "id") != said


def test_train_refuses_nothing_of_a_recipe_and_resumes_it(recipes, root, tmp_path):
    run = train.train_experiment(config.read_experiment(recipes["leaky"]), root, tmp_path, "sample")
    before = run.read("run.json")["split"]["hash"]
    run.update(status="started")
    again = train.resume_run(run)
    assert again.read("run.json")["split"]["hash"] == before and again.status == "trained"
