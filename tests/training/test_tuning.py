import contextlib
import json
import math
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicml.cli.tune import format_value
from musicml.data.datasets.base import Dataset, Example
from musicml.data.splits.splitting import Split
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import clips as inputs
from musicml.training import preparation, trainer
from musicml.training.tuning import search as tune
from musicml.training.tuning import space, study
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
from tests.conftest import TONES

RATES = "training.learning_rate = {low = 1e-4, high = 1e-1, log = true}\nmodel.filters = [[4], [8, 4], [16]]\n"
TREES = "model.n_estimators = {low = 1, high = 4}\nmodel.max_depth = [1, 4]\n"
CNN = TONES.replace('family = "forest"\nn_estimators = 5', 'family = "cnn"\nfilters = [4]')
CNN += '[training]\nepochs = 6\nbatch_size = 4\nmonitor = "val_accuracy"\n'


def written(tmp_path, text, table="", name="tones"):
    """An experiment file with a [tune] table."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text + (f"[tune]\n{table}" if table else ""))
    return path


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """A data root for the store alone, since all here is searched on folders."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def searched(tones, data_root, tmp_path):
    """Search on the tones: experiment, what is to be changed → Search; its lines are in `.said`."""

    def search(path, changes=None, root=tmp_path / "runs", **more):
        with capture_messages(search.said.append):
            read = config.read_experiment(path, changes)
            return tune.search_options(read, data_root, root, **{"folder": tones, **more})

    search.said = []
    return search


@pytest.fixture
def planted(monkeypatch):
    """In place of a training, a figure that is highest at a rate of 0.003 and 8 and 4 filters; counts the trainings."""
    asked = []

    def measured(work, job, path, watch):
        asked.append(path)
        off = abs(math.log10(job.experiment.training.learning_rate) - math.log10(0.003))
        return 0.9 - 0.2 * off - 0.2 * (job.experiment.model.filters != (8, 4))

    monkeypatch.setattr(tune, "measure_trial", measured)
    return asked


def test_the_planted_best_setting_is_found(planted, searched, tmp_path):
    found = searched(written(tmp_path, CNN, RATES), trials=40)
    best = found.best_first[0]
    assert best.options["model.filters"] == [8, 4] and 0.002 < best.options["training.learning_rate"] < 0.0045
    assert len(found.trials) == len(planted) == 40 and found.figure == "val_accuracy" and not found.edges
    # drawn from what is known by then, and not by chance
    values = [trial.value for trial in found.trials]
    assert np.mean(values[20:]) > np.mean(values[:10]) + 0.05


def test_a_search_that_was_stopped_between_two_trials_goes_the_way_it_would_have_gone(planted, searched, tmp_path):
    path = written(tmp_path, CNN, RATES)
    at_once = searched(path, trials=14, root=tmp_path / "at_once")
    for trials in (3, 3, 14):
        in_parts = searched(path, trials=trials)
    assert [trial.options for trial in in_parts.trials] == [trial.options for trial in at_once.trials]
    assert len({json.dumps(trial.options) for trial in at_once.trials}) == 14
    assert len(planted) == 28 and [trial.number for trial in in_parts.trials] == list(range(1, 15))
    assert any(words.endswith("which has 3 finished trials") for words in searched.said)


def test_anything_that_a_search_depends_on_begins_another(planted, searched, tmp_path, tones):
    path = written(tmp_path, CNN, RATES)
    fewer = tmp_path / "fewer"
    for name in ("low", "high", "middle"):
        (fewer / name).mkdir(parents=True)
        for number in range(7):
            (fewer / name / f"{number}.wav").symlink_to(tones / name / f"{number}.wav")
    folders = [
        searched(path, trials=1).folder,
        searched(path, {"training.batch_size": 5}, trials=1).folder,
        searched(path, trials=1, seed=1).folder,
        searched(path, trials=1, folder=fewer).folder,
        searched(written(tmp_path, CNN, RATES.replace("1e-4", "1e-3")), trials=1).folder,
    ]
    assert len(set(folders)) == 5 and all(folder.parent == tmp_path / "runs/tunes" for folder in folders)


def test_a_small_space_is_tried_once_each_and_a_larger_one_with_an_end_never_twice(planted, searched, tmp_path):
    rates = "training.learning_rate = [0.001, 0.003, 0.01]\nmodel.filters = [[4], [8, 4]]\n"
    path = written(tmp_path, CNN, rates)
    for trials, n in ((4, 4), (20, 6)):
        found = searched(path, trials=trials)
        assert len({json.dumps(trial.options) for trial in found.trials}) == len(found.trials) == n
    assert found.best_first[0].options == {"training.learning_rate": 0.003, "model.filters": [8, 4]}


def test_what_stands_at_the_end_of_its_range_is_said(planted, searched, tmp_path):
    table = "training.learning_rate = {low = 0.003, high = 0.006, step = 0.001}\n"
    (edge,) = searched(written(tmp_path, CNN, table), trials=9).edges
    assert edge.startswith("training.learning_rate = 0.003 is at the lower end of its range (0.003 to 0.006)")


def test_forests_are_compared_by_the_files_of_validation_and_leave_no_weights(searched, tmp_path, data_root, tones):
    found = searched(written(tmp_path, TONES, TREES), trials=3)
    assert found.figure == "accuracy" and len(found.trials) == 3
    made = {path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*") if path.is_file()}
    assert made == {"best.json", "journal.log"} | {
        f"trials/000{k}/{name}" for k in (1, 2, 3) for name in ("run.json", "experiment.toml")
    }
    facts = runs.Run(found.folder / "trials/0001").read("run.json")
    assert facts["status"] == "tried" and facts["overrides"] == found.trials[0].options
    assert facts["split"]["test"] == 0 and facts["split"]["val"] > 0
    assert runs.list_runs(tmp_path / "runs") == []
    kept = json.loads((found.folder / "best.json").read_text())
    assert kept["best"]["value"] == found.best_first[0].value and "too optimistic" in kept["note"]


@pytest.mark.numeric
def test_of_several_classes_at_once_only_what_was_looked_for_counts():
    labels = [{"piano": True}, {"piano": False, "flute": True}, {"piano": True, "flute": False}, {"flute": True}]
    examples = tuple(Example(f"{k}", Path("nowhere"), told, f"{k}") for k, told in enumerate(labels))
    dataset = Dataset("two", "sound", "multi", "instrument", ("flute", "piano"), examples)
    material = trainer.TrainingData(dataset, Split(np.full(4, "val"), "all"), None, {})
    job = trainer.TrainingJob(config.parse_experiment("tones", TONES), material)
    vars(job)["clips"] = {"val": inputs.Clips(None, np.arange(4), np.zeros(4, int), None)}
    # flute, looked for in 1, 2 and 3: told apart wholly; piano, in 0, 1 and 2: the absent one stands second of three
    scores = np.array([[0.99, 0.9], [0.8, 0.5], [0.1, 0.4], [0.7, 0.99]], np.float32)
    learned = trainer.TrainedModel(lambda _: scores, [1], Path("model"), lambda: "")
    assert tune.score_files(job, learned) == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)


@pytest.mark.parametrize("text", [TONES, CNN])
def test_nothing_of_the_test_side_is_read(text, searched, tmp_path, monkeypatch):
    prepared, poisoned = preparation.prepare_data, []

    def prepare_poisoned(*given):
        material = prepared(*given)
        test = material.split.indices("test")
        examples = list(material.dataset.examples)
        array = np.array(material.features.array)
        for index in test:
            wrong = next(name for name in material.dataset.class_names if name != examples[index].label)
            examples[index] = replace(examples[index], labels={wrong: True})
            begin = material.features.begin[index]
            array[begin : begin + material.features.length[index]] = np.nan
        poisoned.extend(test)
        dataset = replace(material.dataset, examples=tuple(examples))
        return replace(material, dataset=dataset, features=replace(material.features, array=array))

    table = TREES if text is TONES else "training.learning_rate = [0.01]\n"
    changes = {} if text is TONES else {"training.epochs": 1}
    plain = searched(written(tmp_path, text, table), changes, trials=2)
    monkeypatch.setattr(tune, "prepare_data", prepare_poisoned)
    found = searched(written(tmp_path, text, table), changes, trials=2, root=tmp_path / "poisoned")
    assert len(poisoned) >= 3 and all(np.isfinite(trial.value) and not trial.why for trial in found.trials)
    assert [trial.value for trial in found.trials] == pytest.approx([trial.value for trial in plain.trials], rel=1e-4)


@pytest.mark.numeric
def test_a_network_is_tuned_to_the_rate_at_which_it_learns(searched, tmp_path):
    table = "training.learning_rate = [1e-8, 0.03]\n"
    found = searched(written(tmp_path, CNN, table), trials=9, prune=False)
    assert len(found.trials) == 2 and found.best_first[0].options == {"training.learning_rate": 0.03}
    for trial in found.trials:
        run = runs.Run(found.folder / f"trials/{trial.number:04d}")
        values = [float(row["val_accuracy"]) for row in run.table("history.csv")]
        assert len(values) == trial.epochs == 6 and max(values) == pytest.approx(trial.value, abs=1e-5)
        assert {path.name for path in run.path.iterdir()} == {"run.json", "experiment.toml", "history.csv"}


def test_a_trial_behind_the_median_of_the_others_is_pruned_unless_asked_not_to(searched, tmp_path, monkeypatch):
    begun = []

    def measured(work, job, path, watch):
        begun.append(job.experiment.training.learning_rate)
        for epoch in range(job.experiment.training.epochs):
            watch(epoch, {"val_accuracy": 0.2 if len(begun) == 6 else 0.5 + 0.01 * epoch})
        return watch.value

    monkeypatch.setattr(tune, "measure_trial", measured)
    path = written(tmp_path, CNN, RATES)
    found = searched(path, trials=6)
    assert [trial.pruned for trial in found.trials] == [False] * 5 + [True]
    assert found.trials[-1].epochs == 2 and found.trials[-1] not in found.best_first
    assert "pruned in epoch 2, val_accuracy 0.2" in searched.said[-1]
    assert not any(trial.pruned for trial in searched(path, trials=6, prune=False, root=tmp_path / "whole").trials)


def test_a_pruned_network_ends_quietly(searched, tmp_path, monkeypatch, capfd):
    import optuna

    monkeypatch.setattr(sys, "stderr", open(2, "w", closefd=False))  # pytest has another, which is no descriptor
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: trial.number == 1)
    found = searched(written(tmp_path, CNN, RATES), {"training.epochs": 2}, trials=2)
    assert [(trial.pruned, trial.epochs) for trial in found.trials] == [(False, 2), (True, 1)]
    said = capfd.readouterr()
    assert said.out == "" and "epoch" not in said.err and "Trial" not in said.err


def test_what_cant_be_trained_is_no_end_of_a_search_unless_nothing_can(searched, tmp_path, monkeypatch):
    def measured(work, job, path, watch):
        if job.experiment.training.learning_rate > 0.5:
            raise InputError("Expected a finite loss, but it became nan in epoch 1. Lower the rate.")
        return 0.5

    monkeypatch.setattr(tune, "measure_trial", measured)
    found = searched(written(tmp_path, CNN, "training.learning_rate = [0.6, 0.01]\n"), trials=2)
    assert sorted(bool(trial.why) for trial in found.trials) == [False, True]
    assert any("could not be trained: Expected a finite loss" in words for words in searched.said)
    with pytest.raises(InputError, match="None of the first 3 trials could be trained. The last: Expected a finite"):
        searched(written(tmp_path, CNN, "training.learning_rate = {low = 1.0, high = 2.0}\n"), trials=9)


def test_a_full_disk_is_no_fault_of_a_trial(searched, tmp_path, monkeypatch):
    def measured(work, job, path, watch):
        raise InputError("the disk is full; make room and go on.") from OSError(28, "full")

    with monkeypatch.context() as patched:
        patched.setattr(tune, "measure_trial", measured)
        with pytest.raises(InputError, match="the disk is full"):
            searched(written(tmp_path, TONES, TREES), trials=2)
    found = searched(written(tmp_path, TONES, TREES), trials=2)
    assert [trial.number for trial in found.trials] == [1, 2] and not any(trial.why for trial in found.trials)


KILLED = """
import sys, time
from pathlib import Path
from musicml.experiment import config as experiment
from musicml.experiment import run as runs
from musicml.training import trainer
from musicml.training.tuning import search as tune

path, folder, data_root, root, mark = map(Path, sys.argv[1:])
trained = trainer.train_forest

def forest(*given):
    learned = trained(*given)
    if given[0].path.name == "0003":
        mark.write_text("in the third trial")
        time.sleep(600)
    return learned

trainer.train_forest = forest
tune.search_options(experiment.read_experiment(path), data_root, root, folder=folder, trials=6)
"""


def test_a_search_survives_a_kill_in_the_middle_of_a_trial(searched, tones, data_root, tmp_path):
    path, mark, root = written(tmp_path, TONES, TREES), tmp_path / "mark", tmp_path / "runs"
    words = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, (path, tones, data_root, root, mark))]
    process = subprocess.Popen(words)
    try:
        begun = time.monotonic()
        while not mark.is_file() and time.monotonic() - begun < 120 and process.poll() is None:
            time.sleep(0.05)
        assert mark.is_file()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (home,) = (root / "tunes").iterdir()
    drawn = runs.Run(home / "trials/0003").read("run.json")["overrides"]
    with open(home / study.JOURNAL, "ab") as journal:  # as a kill in the middle of a write leaves it
        journal.write(b'{"op_code":5,"wor')
    (home / f"{study.JOURNAL}.lock").symlink_to(home / study.JOURNAL)
    found = searched(path, trials=6)
    assert [trial.number for trial in found.trials] == [1, 2, 3, 4, 5, 6] and found.folder == home
    assert found.trials[2].options == drawn
    assert not (home / "trials/0003/model.skops").exists() and len(list((home / "trials").iterdir())) == 6
    whole = searched(path, trials=6, root=tmp_path / "whole")
    assert [(t.options, t.value) for t in whole.trials] == [(t.options, t.value) for t in found.trials]


def test_a_trial_that_is_killed_again_and_again_is_given_up(planted, searched, tmp_path):
    path = written(tmp_path, CNN, RATES)
    home = searched(path, trials=1).folder
    table = space.read_space(config.read_experiment(path))
    for _ in range(study.MAX_CRASHES):
        with study.open_study(home, True, 2) as memory, study.claim_trial(memory, table, home, 0, 3):
            pass  # as a kill leaves it: no longer held, and without a result
    found = searched(path, trials=3)
    assert [bool(trial.why) for trial in found.trials] == [False, True, False] and len(planted) == 2
    assert found.trials[1].why.startswith("its process was killed")


def test_a_search_that_is_killed_while_it_draws_a_trial_draws_the_same_one(planted, searched, tmp_path):
    path = written(tmp_path, CNN, RATES)
    table = space.read_space(config.read_experiment(path))
    for n_drawn in range(len(table) + 1):
        home = searched(path, trials=1, root=tmp_path / f"cut{n_drawn}").folder
        with study.open_study(home, True, 2) as memory:
            study.suggest_trial(memory, dict(list(table.items())[:n_drawn]), 0, 3)
        found = searched(path, trials=3, root=tmp_path / f"cut{n_drawn}")
        whole = searched(path, trials=3, root=tmp_path / "whole")
        assert [trial.options for trial in found.trials] == [trial.options for trial in whole.trials]


def test_a_search_that_a_person_stops_says_how_it_goes_on(searched, tmp_path, monkeypatch):
    path, drawn = written(tmp_path, TONES, TREES), []

    def stop(work, job, *rest):
        drawn.append(dict(job.experiment.overrides))
        raise KeyboardInterrupt

    for _ in range(study.MAX_CRASHES + 1):  # stopping is no dying
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="the same command resumes"):
            patched.setattr(tune, "measure_trial", stop)
            searched(path, trials=2)
    assert all(options == drawn[0] for options in drawn)
    found = searched(path, trials=2)
    assert found.trials[0].options == drawn[0] and len(found.trials) == 2


def test_a_search_makes_no_trial_that_another_process_holds(planted, searched, tmp_path, monkeypatch):
    path = written(tmp_path, CNN, RATES)
    pytest.importorskip("fcntl")
    home, table = searched(path, trials=1).folder, space.read_space(config.read_experiment(path))
    with study.open_study(home, True, 2) as memory, contextlib.ExitStack() as other:
        held = other.enter_context(study.claim_trial(memory, table, home, 0, 3))
        with study.claim_trial(memory, table, home, 0, 2) as nothing:
            assert nothing is None  # one is finished, one is held

        def end_other(seconds):  # the other process is killed while this one waits for it
            other.close()

        monkeypatch.setattr(tune.time, "sleep", end_other)
        found = searched(path, trials=3)
    assert [trial.number for trial in found.trials] == [1, 2, 3] and len(planted) == 3
    assert found.trials[1].options == space.get_options(table, held.params)  # its trial is done here
    assert sum("waiting for the last trials" in words for words in searched.said) == 1
    assert not list(home.glob(".*"))


def test_a_trial_that_ends_while_another_process_looks_for_dead_ones_is_kept(planted, searched, tmp_path, monkeypatch):
    path = written(tmp_path, CNN, RATES)
    home, table = searched(path, trials=1).folder, space.read_space(config.read_experiment(path))
    with study.open_study(home, True, 2) as memory, contextlib.ExitStack() as other:
        held = other.enter_context(study.claim_trial(memory, table, home, 0, 3))

        def end_other(lock):  # between the look at the trials and the one at their locks
            memory.tell(held, 0.5)
            other.close()
            return None

        monkeypatch.setattr(study, "is_locked", end_other)
        with study.claim_trial(memory, table, home, 0, 3) as trial:
            assert trial.params != held.params
        assert [past.state.name for past in memory.get_trials()] == ["COMPLETE", "COMPLETE", "RUNNING"]


def test_a_worker_that_comes_late_gets_trials_too(planted, searched, tmp_path, monkeypatch):
    def map_on_more_workers(function, jobs, n_workers):
        first, *late = (next(jobs) for _ in range(5))
        yield function(first)
        assert next(jobs, None) is None  # all trials are finished
        yield from map(function, late)

    monkeypatch.setattr(tune, "map_in_processes", map_on_more_workers)
    found = searched(written(tmp_path, CNN, RATES), trials=3)
    assert [trial.number for trial in found.trials] == [1, 2, 3] and len(planted) == 3
    assert not searched.said[-1].startswith("resuming")  # said once, and not by each worker


def test_a_search_that_is_stopped_on_a_cluster_says_how_it_goes_on_too(planted, searched, tmp_path, monkeypatch):
    def stop(function, jobs, n_workers):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "map_in_processes", stop)
    with pytest.raises(KeyboardInterrupt, match="the same command resumes the search"):
        searched(written(tmp_path, CNN, RATES), trials=2)


def test_features_are_prepared_again_where_they_are_searched(searched, tmp_path):
    found = searched(written(tmp_path, TONES, "features.n_mels = [8, 16]\n"), trials=5)
    assert sorted(trial.options["features.n_mels"] for trial in found.trials) == [8, 16]
    keys = {runs.Run(path).read("run.json")["data"]["features"] for path in (found.folder / "trials").iterdir()}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", r"table \[tune\] in .*\. Add one, for example with training.learning_rate={low"),
        ("training.learning_rat = [0.1]\n", "has no key 'learning_rat': did you mean 'learning_rate'"),
        ("trainin.epochs = [1]\n", "to no table that can be searched: did you mean 'training'"),
        ("training.learning_rate = [0.1, 99.0]\n", "training.learning_rate = 99.0 must be a number from"),
        ("training.learning_rate = {low = 0.1, high = 0.01}\n", "got low = 0.1 and high = 0.01"),
        ("training.learning_rate = {low = 0.1}\n", "got low = 0.1 and high = None"),
        ("training.weight_decay = {low = 0.0, high = 0.1, log = true}\n", "low above 0 for log = true .*got low = 0.0"),
        ("training.weight_decay = {low = 0.0, high = 0.1, step = 0.2}\n", "not wider than the range"),
        ("training.weight_decay = {low = 0.0, high = 0.1, steps = 2}\n", "no key 'steps': did you mean 'step'"),
        ("training.batch_size = {low = 4, high = 8, log = true, step = 2}\n", "without log, got step = 2"),
        ("training.batch_size = {low = 4, high = 8.5}\n", "training.batch_size = 4.0 must be an integer"),
        ("training.batch_size = []\n", r"a list of values or a range .*got \[\]"),
        ("training.batch_size = 8\n", "a list of values or a range .*got 8"),
        ("training.batch_size = [2026-03-01]\n", "got a date or time"),
        ("data.val_fraction = [0.1, 0.2]\n", "scores on different splits or datasets"),
        ("clips.seconds = [0.5, 1.0]\n", "changes the metric"),
        ('training.monitor = ["val_loss"]\n', "changes the metric"),
        ('model.family = ["forest"]\n', "has no key 'filters'"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused_in_one_sentence(table, sentence, searched, tmp_path):
    with pytest.raises(InputError, match=sentence) as refused:
        searched(written(tmp_path, CNN, table))
    assert "\n" not in str(refused.value) and not (tmp_path / "runs").exists()


def test_a_smoothed_loss_is_another_loss_and_a_smoothed_accuracy_none(planted, searched, tmp_path):
    table = "training.label_smoothing = [0.0, 0.1]\n"
    assert len(searched(written(tmp_path, CNN, table), trials=2).trials) == 2
    with pytest.raises(InputError, match="set training.monitor to val_accuracy"):
        searched(written(tmp_path, CNN.replace("val_accuracy", "val_loss"), table))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data.split": "track", "data.folds": 3}, "has 3 folds, .*Search with --set data.folds=1"),
        ({"model.max_depth": 3}, "model.max_depth is both searched and set"),
    ],
)
def test_what_a_search_cant_be_made_of_is_refused(changes, sentence, searched, tmp_path):
    with pytest.raises(InputError, match=sentence):
        searched(written(tmp_path, TONES, TREES), changes)


def test_without_a_validation_side_there_is_nothing_to_choose_by(searched, tmp_path, monkeypatch):
    prepared = preparation.prepare_data

    def without_val(*given):
        material = prepared(*given)
        sides = np.where(material.split.sides == "val", "train", material.split.sides)
        return replace(material, split=replace(material.split, sides=sides))

    monkeypatch.setattr(tune, "prepare_data", without_val)
    with pytest.raises(InputError, match="needs a validation split, but tones has none"):
        searched(written(tmp_path, TONES, TREES))


def test_the_command_prints_the_best_or_one_json_object_and_the_line_that_trains_it_anew(
    tones, data_root, tmp_path, musicml
):
    path = written(tmp_path, TONES, TREES)
    asked = ["tune", path, "--folder", tones, "--data-root", data_root, "--runs", tmp_path / "runs", "--trials", 3]
    asked += ["--set", "clips.hop_seconds=0.25"]
    code, out, err = musicml(*asked)
    assert code == 0 and "trial 3 of 3" in err
    assert "tones on tones: 3 trials, 0 pruned; best by accuracy on validation" in out
    assert "the test score of a newly trained run counts" in out and "sample" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("musicml train ")]
    code, out, _ = musicml(*asked, "--json")  # of the search that is there
    table = json.loads(out)
    assert code == 0 and table["command"] == line and len(table["trials"]) == 3 and table["figure"] == "accuracy"
    assert Path(table["file"]).is_file()
    code, out, _ = musicml(*line.split()[1:])
    (run,) = runs.list_runs(tmp_path / "runs")
    assert code == 0 and run.read("run.json")["overrides"] == {"clips.hop_seconds": 0.25, **table["best"]["options"]}
    assert "accuracy" in out and Path(line.split()[2]) == path


@pytest.mark.parametrize(
    ("value", "words"), [(0.001, "0.001"), ([8, 4], "[8, 4]"), (True, "true"), ("adamw", "adamw"), ("true", '"true"')]
)
def test_a_value_is_written_as_set_reads_it(value, words):
    assert format_value(value) == words and config.parse_changes([f"a.b={words}"]) == {"a.b": value}


@pytest.mark.parametrize(
    "table",
    [
        'training.schedule = ["none", "cosine"]\ntraining.plateau_patience = [0, 2]\n',
        'training.schedule = ["none", "cosine"]\ntraining.plateau_patience = {low = 1, high = 4}\n',
    ],
)
def test_keys_of_which_some_values_cant_go_together_are_refused_before_a_trial(planted, searched, tmp_path, table):
    with pytest.raises(InputError, match=r"Expected either training\.schedule = 'cosine' or"):
        searched(written(tmp_path, CNN, table), trials=2)
    assert not planted
