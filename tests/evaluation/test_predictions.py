import json
import shutil

import numpy as np
import pytest

from musicml.evaluation import metrics, predictions
from musicml.experiment.run import Run
from musicml.utils.errors import InputError
from tests.fixtures.fake_runs import make
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Whole runs made up once: preset → Run."""
    root = tmp_path_factory.mktemp("runs")
    return {name: make(root, name, family=name, n=40) for name in ("cnn", "transfer", "multi")}


@pytest.fixture
def copy_of(run_of, tmp_path):
    """A run of one's own to damage: preset → Run."""
    return lambda name: Run(shutil.copytree(run_of[name].path, tmp_path / name))


@pytest.mark.parametrize("name", ["cnn", "transfer", "multi"])
def test_a_report_made_of_the_table_is_the_runs_own(name, run_of):
    run = run_of[name]
    found, own = predictions.read_predictions(run), run.read("report.json")
    thresholds = run.read("serving.json")["thresholds"]
    again = metrics.compute_report(
        found.scores, found.targets, found.groups, list(found.class_names), found.task, thresholds, n_bootstrap=40
    )
    assert again["metrics"] == pytest.approx(own["metrics"], abs=1e-5)
    assert (again["n"], again["n_groups"], again["observed"]) == (own["n"], own["n_groups"], own["observed"])
    assert [row["support"] for row in again["per_class"]] == [row["support"] for row in own["per_class"]]
    assert again["confusion"] == own["confusion"]


def test_the_table_of_a_trained_run_is_what_was_asked_and_answered(asked_about_tones):
    found, own = predictions.read_predictions(asked_about_tones), asked_about_tones.read("report.json")
    sides = {row["example"]: row for row in asked_about_tones.table("split.csv")}
    assert found.class_names == ("high", "low", "middle") and found.task == "single"
    assert {sides[name]["split"] for name in found.names} == {"test"} and len(found.names) == own["n"]
    assert found.groups.tolist() == [sides[name]["group"] for name in found.names]
    truth = [found.class_names[k] for k in found.targets.argmax(axis=1)]
    assert truth == [name.split("/")[0] for name in found.names]
    assert metrics.compute_confusion(found.scores, found.targets).tolist() == own["confusion"]
    assert off(found.scores.sum(axis=1), 1) < 1e-5


def test_of_several_classes_what_nobody_looked_for_is_nan(run_of):
    found, rows = predictions.read_predictions(run_of["multi"]), run_of["multi"].table("predictions.csv")
    for truth, row in zip(found.targets, rows, strict=True):
        names = {value: {n for n, t in zip(found.class_names, truth, strict=True) if t == value} for value in (0, 1)}
        assert names[1] == set(row["labels"].split("|"))
        assert names[0] == set(filter(None, row["absent"].split("|")))
    assert np.isnan(found.targets).any()
    single = predictions.read_predictions(run_of["cnn"]).targets
    assert not np.isnan(single).any() and (single.sum(axis=1) == 1).all()


def test_the_clips_of_an_example_average_to_its_scores(run_of):
    from musicml.inference import calibration

    run = run_of["cnn"]
    found, clips, served = (
        predictions.read_predictions(run),
        predictions.read_clip_scores(run),
        run.read("serving.json"),
    )
    assert list(clips) == list(range(len(found.names)))
    for place, (starts, scores) in clips.items():
        assert starts[0] == 0 and (np.diff(starts) > 0).all() and scores.shape == (len(starts), 10)
        meant = calibration.apply_temperature(scores.mean(axis=0), served["temperature"], "single")
        assert off(meant, found.scores[place]) < 1e-4
    assert {len(starts) for starts, _ in predictions.read_clip_scores(run_of["transfer"]).values()} == {1}


def test_names_that_are_hard_to_write_come_back(tmp_path):
    names = ("a|b", 'comma, quote " and <b>', "gamelan\nbali", "ünïcode 🎻")
    run = make(tmp_path, n=16, class_names=names)
    found = predictions.read_predictions(run)
    assert found.class_names == names and (found.targets.sum(axis=0) == 4).all()


# what can be wrong with them

DAMAGES = {
    "predictions missing": (lambda path: (path / "predictions.csv").unlink(), "predictions.csv of run", "is missing"),
    "predictions empty": (lambda path: (path / "predictions.csv").write_text(""), "a column for each of the 10"),
    "predictions of other classes": (
        lambda path: changed(path / "predictions.csv", "score:jazz", "score:jizz"),
        "a column for each of the 10 classes",
    ),
    "predictions without rows": (
        lambda path: (path / "predictions.csv").write_text((path / "predictions.csv").read_text().split("\n")[0]),
        "a row for each test example",
        "there are none",
    ),
    "predictions cut": (lambda path: cut(path / "predictions.csv", 0.5), "14 cells in each row", "row 2"),
    "predictions of bytes": (
        lambda path: (path / "predictions.csv").write_bytes(b"\xff\xfe\x00" * 99),
        "a table in UTF-8",
        "cannot be read",
    ),
    "a score that is a word": (lambda path: last_score(path, "high"), "numbers as scores", "'high'"),
    "a score that is no number": (lambda path: last_score(path, "nan"), "scores from 0 to 1", "row 41 has nan"),
    "a score that is endless": (lambda path: last_score(path, "inf"), "scores from 0 to 1", "row 41 has inf"),
    "a score above 1": (lambda path: last_score(path, "1.5"), "scores from 0 to 1", "row 41 has 1.5"),
    "a class that is none": (
        lambda path: changed(path / "predictions.csv", ",jazz,", ",polka,"),
        "class names of labels.json",
        "'polka'",
    ),
    "no class": (lambda path: changed(path / "predictions.csv", ",jazz,", ",,"), "one class for each example", "''"),
    "two classes": (
        lambda path: changed(path / "predictions.csv", ",jazz,", ",jazz|pop,"),
        "one class for each example",
        "'jazz|pop'",
    ),
    "labels missing": (lambda path: (path / "labels.json").unlink(), "labels.json of run", "is missing"),
    "labels no list": (lambda path: (path / "labels.json").write_text('{"a": 1}'), "a list of class names"),
    "labels damaged": (lambda path: cut(path / "labels.json"), "labels.json", "as JSON"),
    "no task": (lambda path: without_task(path / "run.json"), "the task single or multi", "has None"),
    "run no object": (lambda path: (path / "run.json").write_text("[]"), "is not a JSON object"),
}

NO_CLIPS = {
    "missing": (lambda path: path.unlink(), "clips.npz of run", "is missing"),
    "empty": (lambda path: path.write_bytes(b""), "the scores of each clip", "cannot be read"),
    "cut": (lambda path: cut(path), "the scores of each clip", "cannot be read"),
    "flipped": (lambda path: flipped(path), "the scores of each clip", "cannot be read"),
    "text": (lambda path: path.write_text("no archive"), "the scores of each clip", "cannot be read"),
    "one array": (lambda path: save(path, np.zeros(3)), "the scores of each clip", "cannot be read"),
    "objects": (lambda path: put(path, scores=np.array([{}], dtype=object)), "the scores of each clip", "cannot"),
    "an array less": (lambda path: put(path, start=None), "the scores of each clip", "start"),
    "words": (lambda path: put(path, start=np.array(["now"])), "numbers", "other types"),
    "other classes": (lambda path: put(path, scores=np.zeros((400, 9))), "a start and 10 scores", "other shapes"),
    "other clips": (lambda path: put(path, start=np.zeros(3)), "a start and 10 scores", "other shapes"),
    "flat scores": (lambda path: put(path, scores=np.zeros(400)), "a start and 10 scores", "other shapes"),
    "shuffled": (lambda path: put(path, example=np.arange(400)[::-1]), "in the order of their examples"),
}


def cut(path, share=0.5):
    """Leave the first part of a file; of a table, within a row."""
    content = path.read_bytes()
    kept = content[: int(len(content) * share)]
    path.write_bytes(kept if path.suffix != ".csv" else kept[: kept.index(b"\n") + 40])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def last_score(path, score):
    text = (path / "predictions.csv").read_text().rstrip("\n")
    (path / "predictions.csv").write_text(f"{text.rpartition(',')[0]},{score}\n")


def without_task(path):
    facts = json.loads(path.read_text())
    del facts["task"]
    path.write_text(json.dumps(facts))


def save(path, array):
    with open(path, "wb") as file:
        np.save(file, array)


def put(path, **arrays):
    with np.load(path) as kept:
        arrays = {**kept, **arrays}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})


def refusal(read, run):
    """The sentence that `read` refuses a run with: one, with the run's name and a cure."""
    with pytest.raises(InputError) as refused:
        read(run)
    sentence = str(refused.value)
    assert run.name in sentence and "\n" not in sentence and len(sentence) < 500
    assert "train" in sentence.rpartition(": ")[2]
    return sentence


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_table_is_refused_in_a_sentence(name, copy_of):
    damage, *words = DAMAGES[name]
    run = copy_of("cnn")
    damage(run.path)
    sentence = refusal(predictions.read_predictions, run)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("name", NO_CLIPS)
def test_damaged_clips_are_refused_in_a_sentence(name, copy_of):
    damage, *words = NO_CLIPS[name]
    run = copy_of("cnn")
    damage(run.path / "clips.npz")
    sentence = refusal(predictions.read_clip_scores, run)
    assert all(word in sentence for word in words), sentence


def test_a_table_that_a_spreadsheet_saved_again_is_read(copy_of):
    run = copy_of("cnn")
    before = predictions.read_predictions(run)
    path = run.path / "predictions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert np.array_equal(predictions.read_predictions(run).scores, before.scores)
