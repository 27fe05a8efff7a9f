import gc
import json
import shutil
import signal
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from musicml.evaluation import evaluate
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import audio_features, cut_clips
from musicml.features.clip_spec import ClipSpec
from musicml.models import transfer
from musicml.training import train as training
from musicml.utils import files
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, FAMILIES, set_words, unexported, write_tone

ALL = "experiment.toml run.json split.csv excluded.csv repairs.csv labels.json layers.json serving.json".split()
ALL += ["digests.csv", "signature.json"]  # where files were read, and the user's folder can be written to
SCORED = "predictions.csv clips.npz report.json".split()
KERAS = "history.csv model.keras model.onnx".split()
FOREST = "model.skops model.onnx".split()

# tones that are learnt at once, and judged by a validation side whose names are turned round: from its first epochs
# on validation only gets worse, so that the plateau rule and early stopping have work to do whatever the machine
CONTRARY = {
    "model.dropout": 0.3,
    "training.epochs": 40,
    "training.batch_size": 4,
    "training.learning_rate": 0.01,
    "training.early_stopping": 6,
    "training.plateau_patience": 2,
}


def weights_of(run):
    import keras

    return keras.saving.load_model(run.path / "model.keras", compile=False).get_weights()


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def without_seconds(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_whole_run_holds_exactly_its_familys_files_each_can_be_read_and_the_report_is_the_last(trained, name):
    run = trained(name)
    kinds = FOREST if name == "forest" else KERAS
    read_none = {"digests.csv"} if name in ("vggish", "forest") else set()  # features that came with the dataset
    assert {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")} == {
        *ALL,
        *SCORED,
        *kinds,
    } - read_none
    for path in run.path.glob("*.json"):
        assert json.loads(path.read_text())
    for path in run.path.glob("*.csv"):
        assert path.name in ("excluded.csv", "repairs.csv") or run.table(path.name)
    with np.load(run.path / "clips.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"example", "start", "scores"}
        assert len(arrays["example"]) == len(arrays["start"]) == len(arrays["scores"])
        assert len(np.unique(arrays["example"])) == len(run.table("predictions.csv"))
    times = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}
    assert times["serving.json"] <= times["predictions.csv"] <= times["report.json"] == max(times.values())
    text = (EXPERIMENTS / f"{FAMILIES[name][0]}.toml").read_text()
    assert (run.path / "experiment.toml").read_text() == text
    assert config.parse_experiment("copy", text).family == run.read("run.json")["settings"]["model"]["family"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_says_what_was_chosen_and_why(trained, name):
    run = trained(name)
    facts = run.read("run.json")
    file, changes = FAMILIES[name]
    assert (facts["format_version"], facts["status"], facts["experiment"]) == (1, "trained", file)
    assert facts["overrides"] == changes and facts["seed"] == 0 and facts["deterministic"] is False
    assert facts["data"]["sample"] is True and run.read("report.json")["sample"] is True
    assert len(facts["data"]["hash"]) == len(facts["split"]["hash"]) == 16
    assert facts["precision"]["policy"] == "float32" and facts["precision"]["reason"]
    assert facts["versions"]["musicml"] and facts["machine"]["cores"] and facts["train_seconds"] >= 0
    for key, value in changes.items():
        table, option = key.split(".")
        assert facts["settings"][table][option] == value
    counts = [sum(row["split"] == side for row in run.table("split.csv")) for side in ("train", "val", "test")]
    assert counts == [facts["split"][side] for side in ("train", "val", "test")] and min(counts) > 0
    assert len(run.table("predictions.csv")) == run.read("report.json")["n"] == counts[2]


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "forest"])
def test_a_keras_run_counts_its_parameters_and_epochs(trained, name):
    run = trained(name)
    facts, history = run.read("run.json"), run.table("history.csv")
    assert sum(layer["parameters"] for layer in run.read("layers.json")) == facts["parameters"]
    n_epochs = facts["settings"]["training"]["epochs"]
    assert [row["epoch"] for row in history] == [str(epoch + 1) for epoch in range(n_epochs)]
    assert facts["epochs"] == n_epochs and facts["best_epoch"] in range(1, n_epochs + 1)
    assert {row["stage"] for row in history} == {"head" if name == "frozen" else "all"}
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} <= set(history[0])
    choice = {"frozen": "imagenet", "unfrozen": "none"}.get(name)
    caveat = {"pretraining": transfer.describe_pretraining("imagenet")} if choice == "imagenet" else {}
    assert facts["weights"] == (choice and {"choice": choice, "reason": "set in the experiment", **caveat})


@pytest.mark.parametrize("name", FAMILIES)
def test_a_run_says_what_it_is_asked_with_and_by_which_model_and_how_far_the_exported_one_is_from_it(trained, name):
    run = trained(name)
    serving, facts = run.read("serving.json"), run.read("run.json")
    assert facts["export"].startswith("exported; differs from the original by at most ")
    assert float(facts["export"].rpartition(" ")[2]) <= 1e-4
    file = "model.skops" if name == "forest" else "model.keras"
    assert serving["model"] == {"file": file, "digest": files.compute_digest(run.path / file)}
    assert serving["features_version"] == audio_features.FEATURES_VERSION and len(serving["fingerprint"]) == 32
    kind = {
        "log_mel": audio_features.LogMel,
        "mfcc": audio_features.MFCC,
        "pixels": audio_features.Pixels,
        "vggish": audio_features.VGGish,
    }
    settings = kind[serving["kind"]](**serving["features"])
    assert {key: value for key, value in facts["settings"]["features"].items() if key != "kind"} == vars(settings)
    assert serving["asks_for"] == ("features" if name in ("vggish", "forest") else "file")
    n_val = facts["split"]["val"]
    assert serving["calibrated_on"] == (n_val if n_val >= 20 else 0)
    assert (serving["unlike"] or {}).get("n") == (n_val if n_val >= 20 else None)


def test_what_is_unlike_training_is_told_by_at_most_so_many_files_evenly_taken():
    values = np.random.default_rng(0).normal(size=(100, 40, 8)).astype(np.float32)
    asked, sides = [], {"train": np.arange(60), "val": np.arange(60, 100)}
    material = SimpleNamespace(
        split=SimpleNamespace(indices=sides.get),
        features=SimpleNamespace(get=lambda index: asked.append(int(index)) or values[index]),
    )
    assert training.fit_ood_limit_on_data("log_mel", material)["n"] == 40 and asked == list(range(100))
    asked.clear()
    assert training.fit_ood_limit_on_data("log_mel", material, max_files=21)["n"] == 21
    assert len(asked) == len(set(asked)) == 42 and {0, 59, 60, 99} <= set(asked)
    sides["val"] = sides["val"][:19]
    assert training.fit_ood_limit_on_data("log_mel", material) is None
    sides["val"] = sides["val"][:0]
    assert training.fit_ood_limit_on_data("log_mel", material) is None


def test_a_run_names_the_files_that_were_left_out(trained):
    excluded = {row["file"]: row["reason"] for row in trained("cnn").table("excluded.csv")}
    assert "Expected sound" in excluded["jazz/jazz.00054.wav"]
    assert trained("cnn").read("run.json")["data"]["excluded"] == len(excluded)


@pytest.mark.parametrize("name", ["gru", "multi", "unfrozen", "forest"])
def test_no_group_of_a_run_stands_on_two_sides(trained, name):
    sides = {}
    for row in trained(name).table("split.csv"):
        sides.setdefault(row["group"], set()).add(row["split"])
    assert sides and all(len(found) == 1 for found in sides.values())


def test_a_whole_run_is_never_changed(trained, snapshot, musicml):
    run = trained("gru")
    before = snapshot(run.path)
    with pytest.raises(InputError, match="is complete and read-only"):
        run.update(status="started")
    code, out, _ = musicml("evaluate", run.path, "--json")
    assert code == 0 and json.loads(out)["n"] == run.read("report.json")["n"]
    code, out, err = musicml("train", "--resume", run.path)
    assert (code, out) == (2, "") and "is complete" in err and "Traceback" not in err
    assert snapshot(run.path) == before


@pytest.fixture(scope="module")
def contrary(tmp_path_factory):
    """Tones on three sides, the validation side's names turned round."""
    root = tmp_path_factory.mktemp("contrary")
    pitches = {"low": 300, "high": 2000}
    turned = {"low": 2000, "high": 300}
    for side, count, named in (("train", 8, pitches), ("val", 4, turned), ("test", 2, pitches)):
        for name, hertz in named.items():
            for number in range(count):
                write_tone(root / side / name / f"{number}.wav", hertz * (1 + 0.03 * number), 2.0, seed=len(side))
    return root


@pytest.fixture(scope="module")
@unexported()
def uncut(contrary, network_toml, data_root, tmp_path_factory):
    """A deterministic training that nothing disturbed."""
    read = config.read_experiment(network_toml, CONTRARY)
    root = tmp_path_factory.mktemp("uncut")
    return training.train_experiment(read, data_root, root, folder=contrary, deterministic=True)


# in the middle of its third epoch, of sixteen batches each
KILLED = """
import os, signal
from musicml.training.callbacks import Progress
count = 0
def kill(*_, **__):
    global count
    count += 1
    if count == 40:
        os.kill(os.getpid(), signal.SIGKILL)
Progress.on_train_batch_end = kill
"""


@pytest.fixture(scope="module")
def killed(contrary, network_toml, data_root, started, tmp_path_factory):
    """The same training, killed in a process of its own."""
    root = tmp_path_factory.mktemp("killed")
    words = ["train", network_toml, "--folder", contrary, "--data-root", data_root, "--runs", root]
    process = started(*words, "--deterministic", *set_words(CONTRARY), first=KILLED)
    assert process.wait(120) == -signal.SIGKILL
    (run,) = runs.list_runs(root)
    return run


def copied(run, folder):
    return runs.Run(shutil.copytree(run.path, folder / run.name))


def test_a_killed_training_is_not_whole_and_has_kept_what_resuming_needs(killed, uncut):
    assert killed.status == "started" and not killed.is_complete
    assert 2 == len(killed.table("history.csv")) < len(uncut.table("history.csv"))
    assert (killed.path / "checkpoints/state.npz").is_file() and not (killed.path / "model.keras").exists()


def test_a_killed_training_resumes_to_the_same_weights_to_the_bit_as_an_uncut_one(killed, uncut, musicml, tmp_path):
    run = copied(killed, tmp_path)
    code, out, err = musicml("train", "--resume", run.path, "--json")
    assert code == 0 and json.loads(out)["run"] == str(run.path) and "Traceback" not in err
    assert run.is_complete and not (run.path / "checkpoints").exists()
    assert sorted(path.name for path in run.path.iterdir()) == sorted([*ALL, *SCORED, *KERAS])
    history = uncut.table("history.csv")
    assert len(history) < CONTRARY["training.epochs"], "early stopping has ended the uncut training"
    assert float(history[-1]["learning_rate"]) < float(history[0]["learning_rate"]), "and the plateau rule has acted"
    assert without_seconds(run.table("history.csv")) == without_seconds(history)
    assert run.read("run.json")["best_epoch"] == uncut.read("run.json")["best_epoch"]
    assert same(weights_of(run), weights_of(uncut))


@unexported()
def test_a_model_keeps_its_best_epoch_and_not_its_last(contrary, uncut, network_toml, data_root, tmp_path):
    read = config.read_experiment(network_toml, {**CONTRARY, "training.keep": "last"})
    last = training.train_experiment(read, data_root, tmp_path, folder=contrary, deterministic=True)
    losses = [float(row["val_loss"]) for row in uncut.table("history.csv")]
    best = losses.index(min(losses)) + 1
    assert uncut.read("run.json")["best_epoch"] == last.read("run.json")["best_epoch"] == best < len(losses)
    assert not same(weights_of(uncut), weights_of(last))


@unexported()
def test_a_training_killed_after_early_stopping_does_not_learn_on_and_another_seed_learns_otherwise(
    contrary, uncut, network_toml, data_root, monkeypatch, tmp_path
):
    read = config.read_experiment(network_toml, {**CONTRARY, "training.early_stopping": 2})

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="--resume"):
        patched.setattr("musicml.training.fit.describe_layers", interrupted)
        training.train_experiment(read, data_root, tmp_path, folder=contrary, seed=1, deterministic=True)
    (run,) = runs.list_runs(tmp_path)
    before, weights = run.table("history.csv"), weights_of(run)
    assert len(before) < CONTRARY["training.epochs"]
    training.resume_run(run)
    assert run.table("history.csv") == before and same(weights_of(run), weights)
    assert before[0]["loss"] != uncut.table("history.csv")[0]["loss"]


def test_a_run_killed_between_training_and_evaluation_is_evaluated_when_resumed(
    tones, tones_toml, data_root, snapshot, musicml, tmp_path
):
    run = training.train_experiment(config.read_experiment(tones_toml), data_root, tmp_path, folder=tones)
    (run.path / "checkpoints").mkdir()  # a kill may come before they are removed
    before = snapshot(run.path)
    assert run.status == "trained" and not run.is_complete
    code, out, _ = musicml("train", "--resume", run.name, "--runs", tmp_path, "--json")
    assert code == 0 and json.loads(out)["metrics"]["accuracy"] == 1.0
    after = snapshot(run.path)
    assert run.is_complete and set(after) - set(before) == set(SCORED)
    rest = set(before) - {"run.json"}  # which says that another process is at it
    assert {name: after[name] for name in rest} == {name: before[name] for name in rest}
    assert not (run.path / "checkpoints").exists()


@pytest.mark.parametrize("change", ["another file", "another content", "another group"])
def test_a_training_whose_data_has_changed_is_not_resumed(change, tones, tones_toml, data_root, musicml, tmp_path):
    folder = shutil.copytree(tones, tmp_path / "tones")
    run = training.train_experiment(config.read_experiment(tones_toml), data_root, tmp_path / "runs", folder=folder)
    run.update(status="started")
    if change == "another file":
        write_tone(folder / "low/new.wav", 150)
    elif change == "another content":
        (row,) = [row for row in run.table("split.csv") if row["example"] == "low/3.wav"]
        write_tone(folder / row["example"], 250)
    else:
        files.write_csv(folder / "groups.csv", [{"file": "low/1.wav", "group": "mine"}], ["file", "group"])
    code, out, err = musicml("train", "--resume", run.path)
    assert (code, out) == (2, "") and "has changed" in err and "Traceback" not in err
    assert not run.is_complete and run.status == "started"


def test_a_run_that_is_not_trained_is_not_evaluated(killed, musicml, tmp_path):
    run = copied(killed, tmp_path)
    code, _, err = musicml("evaluate", run.path)
    assert code == 2 and f"musicml train --resume {run.path}" in err and not run.is_complete
    with pytest.raises(InputError, match="must be trained before it is evaluated"):
        evaluate.evaluate_run(run)


def test_a_clip_of_a_picture_or_of_shipped_features_is_the_whole_of_it(material_of):
    for name, shape in (("frozen", (32, 32, 3)), ("vggish", (10, 128))):
        _, material = material_of(name)
        clips = cut_clips(material.features, material.split.indices("train"), ClipSpec())
        assert clips.get(np.arange(2)).shape == (2, *shape) and len(clips) == len(material.split.indices("train"))


class Dropped:
    """Presses Ctrl-C where Python drops the KeyboardInterrupt: in a finalizer."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def press_in_a_finalizer():
    Dropped()


def press_while_garbage_is_collected():
    def press(phase, info):
        gc.callbacks.remove(press)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(press)
    gc.collect()


def press_in_a_weak_reference():
    class Referred:
        pass

    referred = Referred()
    watched = weakref.ref(referred, lambda _: signal.raise_signal(signal.SIGINT))
    del referred
    assert watched() is None


@pytest.fixture(scope="module")
def line():
    """A model of one weight, compiled."""
    import keras

    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("press", [press_in_a_finalizer, press_while_garbage_is_collected, press_in_a_weak_reference])
def test_ctrl_c_stops_a_training_at_the_end_of_its_batch_where_python_drops_it(line, press):
    import keras

    from musicml.training import callbacks

    seen = []

    def begin(batch, logs=None):
        seen.append(batch)
        if batch == 2:
            press()

    with pytest.raises(KeyboardInterrupt), callbacks.StopOnInterrupt() as interrupts:
        line.fit(
            np.zeros((40, 1)),
            np.zeros((40, 1)),
            batch_size=4,
            epochs=3,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=begin), interrupts],
        )
    assert seen == [0, 1, 2] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("event", ["on_test_batch_begin", "on_test_end", "on_train_end"])
def test_ctrl_c_in_the_last_validation_or_after_it_is_not_lost(line, event):
    import keras

    from musicml.training import callbacks

    data = (np.zeros((40, 1)), np.zeros((40, 1)))
    pressing = keras.callbacks.Callback()
    setattr(pressing, event, lambda *_, **__: press_in_a_finalizer())
    with pytest.raises(KeyboardInterrupt), callbacks.StopOnInterrupt() as interrupts:
        line.fit(*data, validation_data=data, verbose=0, callbacks=[pressing, interrupts])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_is_stopped_by_a_ctrl_c_that_python_drops(tones, network_toml, data_root, tmp_path, monkeypatch):
    from musicml.training import callbacks

    experiment = config.read_experiment(network_toml, CONTRARY)
    monkeypatch.setattr(callbacks.Progress, "on_train_batch_end", lambda *_, **__: press_in_a_finalizer())
    with pytest.raises(KeyboardInterrupt, match="stopped; resume with"):
        training.train_experiment(experiment, data_root, tmp_path, folder=tones)
    (run,) = runs.list_runs(tmp_path)
    assert run.status == "started" and not run.table("history.csv")


def test_another_thread_does_not_listen():
    from musicml.training import callbacks

    def listen():
        with callbacks.StopOnInterrupt() as interrupts:
            heard.append(interrupts.is_installed)

    heard = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert heard == [False] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_is_left_alone():
    from musicml.training import callbacks

    def other(number, frame):
        pass

    before = signal.signal(signal.SIGINT, other)
    try:
        with callbacks.StopOnInterrupt():
            assert signal.getsignal(signal.SIGINT) is other
        assert signal.getsignal(signal.SIGINT) is other
    finally:
        signal.signal(signal.SIGINT, before)
