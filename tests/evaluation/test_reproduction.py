"""Reproduction: a run trained again from its folder gives the same results, and what differs is told."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from musicml.evaluation import evaluate, reproduction
from musicml.experiment import config, process
from musicml.experiment import run as runs
from musicml.training import train as training
from musicml.training import trainer
from tests.conftest import set_words
from tests.fixtures.command_output import one_object

KERAS_MODEL = Path(__file__).parent.parent / "fixtures/run_format_1/model.keras"


def train(path, folder, data_root, root, changes=None, seed=0, deterministic=True):
    """A complete run on a folder."""
    experiment = config.read_experiment(path, changes)
    run = training.train_experiment(experiment, data_root, root, "auto", folder, seed, deterministic)
    evaluate.evaluate_run(run)
    return run


@pytest.fixture(scope="module")
def pair(tones, tones_toml, data_root, tmp_path_factory):
    """A deterministic run of forests with changes by --set, and its reproduction."""
    root = tmp_path_factory.mktemp("runs")
    run = train(tones_toml, tones, data_root, root, {"model.n_estimators": 3, "data.split": "group"}, seed=5)
    new = runs.open_run(reproduction.reproduce_run(run, root).new)
    return run, new


@pytest.fixture
def copies(pair, tmp_path):
    """The same two, to be changed by a test."""
    return [runs.Run(shutil.copytree(run.path, tmp_path / run.name)) for run in pair]


def change(run, name, *keys, value):
    """Change one value of a JSON file of a run."""
    table = run.read(name)
    place = table
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (run.path / name).write_text(json.dumps(table))


def test_a_reproduction_has_the_settings_the_data_and_the_results_of_its_run(pair):
    run, new = pair
    assert new.path.parent == run.path.parent and new.path != run.path and new.info.reproduces == run.name
    for key in ("seed", "overrides", "settings", "deterministic", "task", "split", "data", "protocol", "family"):
        assert new.read("run.json")[key] == run.read("run.json")[key], key
    for name in ("experiment.toml", "split.csv", "digests.csv", "labels.json", "predictions.csv"):
        assert (new.path / name).read_bytes() == (run.path / name).read_bytes(), name
    found = reproduction.compare_results(run, new)
    assert (found.expected, found.agrees, found.is_equal, found.differences) == ("bit", True, True, ())
    assert found.before == found.after == run.report.main and found.n_equal_labels == found.n_labels == run.report.n
    assert run.info.reproduces is None


@pytest.mark.parametrize("family", ["network", "folds", "several classes"])
def test_deterministic_runs_of_all_kinds_are_reproduced_to_the_bit(
    family, tones, tones_toml, network_toml, data_root, trained, tmp_path
):
    path, changes = tones_toml, {"data.split": "group", "data.folds": 3}
    if family == "network":
        path, changes = network_toml, {}
    if family == "several classes":
        run = trained("forest")
    else:
        run = train(path, tones, data_root, tmp_path, changes)
    found = reproduction.reproduce_run(run, tmp_path)
    assert found.is_equal and found.agrees and not found.differences
    assert found.n_equal_labels == found.n_labels >= run.report.n
    assert found.expected == ("interval" if family == "several classes" else "bit")
    if family == "folds":  # the model of one fold counts too
        other = runs.get_fold(runs.open_run(found.new), 1).path / "model.skops"
        shutil.copyfile(run.path / "model.skops", other)
        assert not reproduction.compare_results(run, runs.open_run(found.new)).weights


def test_another_seed_gives_other_weights_and_so_does_a_changed_file(pair, tones, tones_toml, data_root, copies):
    run, new = copies
    other = train(tones_toml, tones, data_root, run.path.parent, {"model.n_estimators": 3}, seed=6)
    shutil.copyfile(other.path / "model.skops", run.path / "model.skops")
    found = reproduction.compare_results(run, new)
    assert (found.expected, found.agrees) == ("bit", False)
    assert (found.weights, found.scores, found.report) == (False, True, True)


def test_tampered_scores_and_figures_are_told(copies):
    run, new = copies
    path = run.path / "predictions.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:4], *reversed(cells[4:])])
    path.write_text("\n".join(lines) + "\n")
    found = reproduction.compare_results(run, new)
    assert not found.agrees and not found.scores and found.weights and found.report
    assert found.n_equal_labels in (found.n_labels, found.n_labels - 1)
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert reproduction.compare_results(run, new).n_other_examples == 1
    change(new, "report.json", "metrics", "macro_f1", value=0.123)
    assert not reproduction.compare_results(run, new).report


ELSEWHERE = {
    "versions.numpy": ("versions", "numpy"),
    "versions.python": ("versions", "python"),
    "machine.processor_name": ("machine", "processor_name"),
    "machine.cores": ("machine", "cores"),
    "backend": ("backend",),
    "device": ("device",),
    "precision": ("precision", "policy"),
    "machine.usable_cores": ("machine", "usable_cores"),
    "git_commit": ("git_commit",),
    "data.features": ("data", "features"),
    "model.n_estimators": ("settings", "model", "n_estimators"),
}


def test_whatever_differs_around_two_runs_is_named_and_the_interval_judges(copies):
    run, new = copies
    for keys in ELSEWHERE.values():
        change(run, "run.json", *keys, value="another")
    found = reproduction.compare_results(run, new)
    assert {one.name: one.before for one in found.differences} == dict.fromkeys(ELSEWHERE, "another")
    assert all(one.after != "another" for one in found.differences)
    assert found.expected == "interval" and found.agrees and found.is_equal


def test_what_an_older_run_did_not_record_differs(copies):
    run, new = copies
    machine = run.read("run.json")["machine"]
    change(run, "run.json", "machine", value={"system": machine["system"], "processor": machine["processor"]})
    names = {one.name: one.before for one in reproduction.compare_results(run, new).differences}
    assert set(names) >= {"machine.cores"} and set(names.values()) == {None}


@pytest.mark.parametrize(
    "interval, value, agrees",
    [
        ([0.4, 0.8], 0.4, True),
        ([0.4, 0.8], 0.81, False),
        ([0.4, 0.8], 0.39, False),
        (None, 0.6, True),
        (None, 0.7, False),
    ],
)
def test_without_determinism_the_new_figure_has_to_lie_in_the_old_interval(interval, value, agrees, copies):
    run, new = copies
    change(run, "run.json", "deterministic", value=False)
    change(run, "report.json", "metrics", "accuracy", value=0.6)
    change(run, "report.json", "intervals", "accuracy", value=interval)
    change(new, "report.json", "metrics", "accuracy", value=value)
    found = reproduction.compare_results(run, new)
    assert (found.expected, found.agrees) == ("interval", agrees)
    assert [one.name for one in found.differences] == ["deterministic"]


def test_a_machine_is_known_by_its_processor_and_by_how_many_threads_it_may_use(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    before = process.get_machine_info()
    assert before["usable_cores"] >= 1 and before["cores"] >= 1
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    assert process.get_machine_info()["variables"]["TF_NUM_INTRAOP_THREADS"] == "1"
    assert before != process.get_machine_info()


def test_a_limit_of_threads_differs_and_what_is_no_table_of_them_breaks_nothing(copies):
    run, new = copies
    machine = run.read("run.json")["machine"]
    for variables, names in (({"TF_NUM_INTRAOP_THREADS": "1"}, ["machine.variables.TF_NUM_INTRAOP_THREADS"]), (7, [])):
        change(run, "run.json", "machine", value={**machine, "variables": variables})
        change(new, "run.json", "machine", value={**machine, "variables": {}})
        assert [one.name for one in reproduction.compare_results(run, new).differences] == names


# weights as digests


def test_a_digest_of_weights_does_not_depend_on_the_archive_around_them(pair, tmp_path):
    for path in (pair[0].path / "model.skops", KERAS_MODEL):
        other = tmp_path / path.name
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as after:
            for member in reversed(before.infolist()):
                after.writestr(member.filename, before.read(member))
        assert other.read_bytes() != path.read_bytes()
        digest = reproduction.compute_weights_digest(path, 10**8)
        assert re.fullmatch("[0-9a-f]{32}", digest) and reproduction.compute_weights_digest(other, 10**8) == digest


def test_one_changed_weight_changes_the_digest(tmp_path):
    import h5py

    path, other = KERAS_MODEL, tmp_path / "model.keras"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "parts")
    with h5py.File(tmp_path / "parts/model.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) and one.size else None)
        file[names[-1]][...] = np.nextafter(file[names[-1]][...], np.inf)
    with zipfile.ZipFile(other, "w") as archive:
        for part in (tmp_path / "parts").iterdir():
            archive.write(part, part.name)
    digests = [reproduction.compute_weights_digest(one, 10**8) for one in (path, other)]
    assert None not in digests and digests[0] != digests[1]


def test_a_strangers_model_is_read_no_further_than_it_may_be(tmp_path):
    import h5py

    for name in ("model.keras", "model.skops"):
        path = tmp_path / name
        assert reproduction.compute_weights_digest(path, 10**6) is None
        for content in (b"", b"PK", b"x" * 1000):
            path.write_bytes(content)
            assert reproduction.compute_weights_digest(path, 10**6) is None
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 50_000_000)
    assert reproduction.compute_weights_digest(tmp_path / "model.skops", 10**6) is None
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:  # says that it holds a terabyte
        file.create_dataset("kernel", (10**6, 250_000), "f4", chunks=(1000, 1000))
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    assert reproduction.compute_weights_digest(tmp_path / "model.keras", 10**8) is None
    (tmp_path / "model.skops").unlink()
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:  # arrays of objects would run code
        np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
        archive.write(tmp_path / "a.npy", "a.npy")
        archive.writestr("schema.json", json.dumps({"file": "a.npy"}))
    assert reproduction.compute_weights_digest(tmp_path / "model.skops", 10**6) is None


# the command


def test_the_command_says_whether_they_agree_by_its_exit_code(pair, musicml, tmp_path):
    run = shutil.copytree(pair[0].path, tmp_path / pair[0].name)
    code, out, _ = musicml("reproduce", run, "--runs", tmp_path)
    assert code == 0 and "They agree bit for bit." in out and "no differences in run.json" in out
    change(runs.Run(run), "run.json", "versions", "numpy", value="1.0")
    change(runs.Run(run), "report.json", "intervals", "accuracy", value=[0.0, 0.001])
    change(runs.Run(run), "report.json", "metrics", "accuracy", value=0.0)
    code, out, _ = musicml("reproduce", run.name, "--runs", tmp_path, "--json")
    table = one_object(out)
    assert code == 1 and not table["agrees"] and not table["equal"] and table["scores"] and not table["report"]
    assert [one["name"] for one in table["differences"]] == ["versions.numpy"]
    assert runs.open_run(table["new"]).info.reproduces == run.name


def test_a_reproduction_that_was_stopped_goes_on_and_is_compared(pair, musicml, tmp_path, monkeypatch):
    run = shutil.copytree(pair[0].path, tmp_path / pair[0].name)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "train_forest", stop)
        code, out, err = musicml("reproduce", run, "--runs", tmp_path)
    (new,) = [one for one in runs.list_runs(tmp_path) if one.name != run.name]
    hint = f"`musicml reproduce {run} --resume {new.path}`"
    assert code == 130 and not out and hint in err and not new.is_complete
    with monkeypatch.context() as patched:
        patched.setattr(evaluate, "predict_test_split", stop)
        code, _, err = musicml("reproduce", run, "--runs", tmp_path, "--resume", new.path)
    assert code == 130 and hint in err and new.info.status == "trained"
    for _ in range(2):  # a complete one is only compared
        code, out, _ = musicml("reproduce", run.name, "--runs", tmp_path, "--resume", new.name)
        assert code == 0 and "They agree bit for bit." in out
    assert len(runs.list_runs(tmp_path)) == 2
    code, _, err = musicml("reproduce", new.name, "--runs", tmp_path, "--resume", run.name)
    assert code == 2 and "is not a reproduction of run" in err


def test_data_that_was_moved_is_named_and_changed_data_is_refused(tones, tones_toml, data_root, musicml, tmp_path):
    folder, root = shutil.copytree(tones, tmp_path / "tones"), tmp_path / "runs"
    words = ["train", tones_toml, "--folder", folder, "--data-root", data_root, "--runs", root]
    assert musicml(*words, "--deterministic", *set_words({"model.n_estimators": 2}))[0] == 0
    moved = shutil.move(folder, tmp_path / "elsewhere")
    code, _, err = musicml("reproduce", "tones", "--runs", root)
    assert code == 2 and str(folder) in err and "give its location with --folder" in err
    code, out, _ = musicml("reproduce", "tones", "--runs", root, "--folder", moved)
    assert code == 0 and "They agree bit for bit." in out
    shutil.copyfile(f"{moved}/low/0.wav", f"{moved}/low/1.wav")
    code, _, err = musicml("reproduce", "tones", "--runs", root, "--folder", moved)
    assert code == 2 and "low/1.wav: its content has changed" in err and len(err.splitlines()) < 5
    assert len(runs.list_runs(root)) == 2  # nothing is left of a refusal


def test_runs_that_cannot_be_trained_again_are_refused_in_a_sentence(copies, musicml):
    run, root = copies[0], copies[0].path.parent

    def refused(name):
        code, out, err = musicml("reproduce", name, "--runs", root)
        assert code == 2 and not out and len(runs.list_runs(root)) == 2
        (sentence,) = [line for line in err.splitlines() if line.startswith("musicml: ")]
        return sentence

    change(run, "run.json", "status", value="pretrained")
    assert "its model was downloaded" in refused(run.name)
    change(run, "run.json", "status", value="trained")
    (run.path / "report.json").rename(run.path / "kept")
    assert "musicml train --resume" in refused(run.name)
    (run.path / "kept").rename(run.path / "report.json")
    for name in ("experiment.toml", "predictions.csv"):
        content = (run.path / name).read_bytes()
        (run.path / name).write_bytes(b"\xff")
        assert name in refused(run.name)
        (run.path / name).unlink()
        assert name in refused(run.name)
        (run.path / name).write_bytes(content)
    change(run, "run.json", "seed", value=99)
    assert "Its seed or its groups were changed" in refused(run.name)
    change(run, "run.json", "fold", value=1)
    assert "is a single fold" in refused(run.name)
    change(run, "run.json", "fold", value=None)
    change(run, "run.json", "split", "hash", value="")
    assert "record its split and settings" in refused(run.name)
