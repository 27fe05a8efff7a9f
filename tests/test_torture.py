"""`make torture` kills real commands, in a step of its own in CI; its checks find the faults that they are for."""

import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from musicml.experiment.run import Run
from tests.torture import checks, processes
from tests.torture.kills import draw_moments

ROOT = Path(__file__).parent.parent
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="it forks, and reads /proc")


def test_moments_are_spread_evenly_and_are_the_same_each_time():
    first = sorted(draw_moments(number, 0)[0] for number in range(200))
    assert np.diff(first, prepend=0, append=1).max() < 0.02
    assert draw_moments(7, 0) == draw_moments(7, 0) != draw_moments(7, 1)
    assert {len(draw_moments(number, 0)) for number in range(8)} == {1, 2}


# That it finds what there is to find


@pytest.fixture
def run(asked_about_tones, tmp_path):
    """A copy of a complete run in its own folder, which a test may damage."""
    return Run(shutil.copytree(asked_about_tones.path, tmp_path / "runs" / asked_about_tones.name))


@pytest.fixture
def question(tones):
    return tones / "low/0.wav"


def test_a_complete_run_has_no_faults(run, question, asked_about_tones):
    assert checks.find_unreadable(run.path.parent, question) == []
    assert checks.find_differences(run, asked_about_tones) == []
    assert checks.measure_progress(run) is None


NEEDED = ("predictions.csv", "serving.json", "labels.json")


@pytest.mark.parametrize("name", [*NEEDED, "report.json", "model.skops", "model.onnx", "clips.npz"])
def test_an_incomplete_or_missing_file_of_a_complete_run_is_a_fault(run, question, name):
    content = (run.path / name).read_bytes()
    (run.path / name).write_bytes(content[: len(content) // 2])
    assert len(checks.find_unreadable(run.path.parent, question)) == 1
    (run.path / name).unlink()
    assert name not in NEEDED or len(checks.find_unreadable(run.path.parent, question)) == 1


def test_other_scores_and_other_metrics_are_differences(run, asked_about_tones):
    with np.load(run.path / "clips.npz") as kept:
        arrays = {name: kept[name] for name in kept.files}
    arrays["scores"][0, 0] += 1e-6
    np.savez(run.path / "clips.npz", **arrays)
    report = run.read("report.json")
    (run.path / "report.json").write_text(json.dumps({**report, "n": report["n"] + 1}))
    said = checks.find_differences(run, asked_about_tones)
    assert len(said) == 2 and all(any(name in words for words in said) for name in ("clips.npz", "report.json"))


def test_weights_are_compared_bit_for_bit(tmp_path):
    def written(name, value):
        with h5py.File(tmp_path / "weights.h5", "w") as file:
            file["layers/dense/vars/0"] = np.array([1.0, value], np.float32)
        with zipfile.ZipFile(tmp_path / name, "w") as whole:
            whole.write(tmp_path / "weights.h5", "model.weights.h5")
        return checks.read_weights(tmp_path / name)

    assert written("a.keras", 2.0) == written("b.keras", 2.0) != written("c.keras", np.nextafter(np.float32(2), 3))


def test_lost_epochs_are_counted(run):
    table = run.read("run.json")
    (run.path / "run.json").write_text(json.dumps({**table, "status": "started"}))
    rows = "".join(f"all,{epoch},1.0\n" for epoch in range(1, 4))
    (run.path / "history.csv").write_text(f"stage,epoch,loss\n{rows}")
    assert checks.measure_progress(run) == checks.Progress(3, 0)
    (run.path / "checkpoints").mkdir()
    np.savez(run.path / "checkpoints/state.npz", facts=json.dumps({"epoch": 2}))
    assert checks.measure_progress(run).lost == 1
    np.savez(run.path / "checkpoints/state.npz", facts=json.dumps({"epoch": 12}))  # early stopping has ended it
    assert checks.measure_progress(run).lost == 0
    hidden = run.path / ".state.1.npz"
    hidden.write_bytes(b"")
    assert len(checks.find_leftovers(run.path.parent, run.path / "none")) == 2


def test_a_wrong_cache_entry_is_a_fault_and_an_incomplete_one_is_none(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for root in (ours, theirs):
        (root / "key").mkdir(parents=True)
        (root / "key/00000.bin").write_bytes(bytes(100))
        (root / "digests-tones.bin").write_bytes(bytes(range(48)))
    (ours / "key/.making-here-1-00001.bin").write_bytes(b"half")
    (ours / "digests-tones.bin").write_bytes(bytes(range(24)))
    assert checks.find_wrong_features(ours, theirs) == []
    (ours / "digests-tones.bin").write_bytes(bytes(24))
    (ours / "key/00000.bin").write_bytes(bytes(99) + b"x")
    (ours / "other.npy").write_bytes(b"")
    assert len(checks.find_wrong_features(ours, theirs)) == 3


@LINUX
def test_a_process_that_outlives_its_killed_parent_is_named_and_ended(monkeypatch):
    monkeypatch.setattr(processes.Command, "sessions", [])
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        processes.Command.sessions.append((child.pid, time.monotonic()))
        assert processes.find_survivors() == [], "it has its time to end"
        (said,) = processes.find_survivors(patience=0.0)
        assert f"sleep ({child.pid})" in said
        assert child.wait(10) < 0
    assert processes.find_survivors(patience=0.0) == []
