import errno
import json
import os
import shutil
import signal
import sys
import time

import pytest
from PIL import Image

from musicml.data.datasets import loading
from musicml.data.io import images
from musicml.experiment import run as runs
from musicml.features import audio_features, cache
from tests.conftest import EXPERIMENTS, PICTURES, TONES, set_words, unexported
from tests.fixtures.small_backbone import use_small_mobilenet

BAD_PICTURES = {
    "zero.jpg": "got 0.",
    "cut.jpg": "cut off or damaged",
    "huge.png": "at most 25000000 pixels",
    "animated.gif": "is animated",
}
PRINTED = {"cmyk.jpg": ("CMYK", "JPEG"), "one_bit.png": ("1", "PNG")}  # odd and read all the same: mode, type


def refused(answer, runs_root=None):
    """Return the error message of a command. It must have printed nothing else."""
    code, out, err = answer
    assert code == 2 and out == "" and "Traceback" not in err
    said = [line for line in err.splitlines() if line.startswith("musicml: ")]
    assert len(said) == 1 and err.rstrip().endswith(said[0]), err
    assert said[0].endswith((".", ")", "`")) or "known names: " in said[0]
    assert runs_root is None or not any(run.is_complete for run in runs.list_runs(runs_root))
    return said[0].removeprefix("musicml: ")


@pytest.fixture
def refuse(musicml, tones, tones_toml, data_root, tmp_path):
    """Train on a folder that is rejected before a run folder is made: words → error message."""

    def tried(folder=tones, experiment=tones_toml, words=()):
        root = tmp_path / "runs"
        words = ["--folder", folder, "--data-root", data_root, "--runs", root, *words]
        sentence = refused(musicml("train", experiment, *words), root)
        assert not root.exists() or not list(root.iterdir())
        return sentence

    return tried


def changed(tmp_path, old, new):
    path = tmp_path / "changed.toml"
    assert old in TONES
    path.write_text(TONES.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_estimators = 5", "n_estimator = 5", "did you mean 'n_estimators'"),
        ("n_mels = 16", "n_mels = 100000", "features.n_mels = 100000 must be an integer from 8 to 512"),
        ('dataset = "gtzan"', 'dataset = "gtzan', "Invalid TOML"),
    ],
)
def test_an_experiment_with_a_typo_is_rejected(refuse, tmp_path, old, new, said):
    assert said in refuse(experiment=changed(tmp_path, old, new))


def test_a_typo_in_set_or_in_a_name_is_rejected(refuse, musicml, asked_about_tones, tmp_path):
    assert "did you mean 'n_estimators'" in refuse(words=["--set", "model.n_estimator=5"])
    assert "Expected TABLE.KEY=VALUE for --set" in refuse(words=["--set", "epochs"])
    assert "did you mean 'genre_gru'" in refuse(experiment=EXPERIMENTS / "genre_gro.toml")
    name, root = asked_about_tones.name, asked_about_tones.path.parent
    assert f"did you mean '{name}'" in refused(musicml("evaluate", f"{name}x", "--runs", root))
    assert "either an experiment or --resume" in refused(musicml("train"))
    path = changed(tmp_path, 'dataset = "gtzan"', 'dataset = "gtsan"')
    assert "did you mean 'gtzan'" in refused(musicml("train", path, "--runs", tmp_path / "runs"), tmp_path / "runs")


def test_a_network_for_sound_rejects_pictures(musicml, data_root, pictures, tmp_path, refuse):
    assert "holds picture files" in refuse(pictures)
    text = TONES.replace("log_mel", "pixels").partition("sample_rate")[0] + '[model]\nfamily = "cnn"\n'
    (tmp_path / "pixels.toml").write_text(text)
    assert "does not support pictures" in refuse(pictures, tmp_path / "pixels.toml")


def test_a_missing_folder_is_rejected(refuse, musicml, asked_about_tones, tmp_path):
    missing = tmp_path / "nowhere"
    assert f"{missing} does not exist" in refuse(missing)
    assert f"{missing} does not exist" in refused(musicml("evaluate", asked_about_tones.path, "--on", missing))
    answer = musicml("train", EXPERIMENTS / "genre_gru.toml", "--data-root", missing, "--runs", tmp_path / "runs")
    assert "`musicml fetch --sample` for sample data" in refused(answer, tmp_path / "runs")
    assert not (tmp_path / "runs").exists() and not missing.exists()
    assert "found none" in refused(musicml("train-all", "--experiments", missing))


def test_a_folder_without_sound_or_pictures_is_rejected(refuse, tmp_path):
    for name in ("one", "two"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "a.txt").write_text("words")
    assert "found no such file" in refuse(tmp_path / "texts")


def test_a_class_of_one_group_a_single_class_and_an_empty_class_are_rejected(refuse, tones, tmp_path):
    for name in ("low", "high"):
        (tmp_path / "tones" / name).mkdir(parents=True)
        shutil.copy(tones / name / "0.wav", tmp_path / "tones" / name)
    assert "Expected test data in" in refuse(tmp_path / "tones")
    shutil.rmtree(tmp_path / "tones/high")
    assert "Expected at least two classes" in refuse(tmp_path / "tones")
    (tmp_path / "tones/organ").mkdir()
    assert "there is none in organ. Add files, or remove the folder" in refuse(tmp_path / "tones")


def test_a_text_file_named_wav_is_rejected_and_never_ends_a_training(
    refuse, musicml, tones, tones_toml, asked_about_tones, data_root, tmp_path
):
    text = tmp_path / "text.wav"
    text.write_text("These are words and no sound.\n" * 20)
    code, out, err = musicml("predict", asked_about_tones.path, text)
    assert "Expected sound" in refused((code, out, err))
    folder = shutil.copytree(tones, tmp_path / "tones")
    (folder / "organ").mkdir()
    shutil.copy(text, folder / "organ")
    assert "but there is none of organ" in refuse(folder)
    shutil.move(folder / "organ/text.wav", folder / "low/text.wav")
    (folder / "organ").rmdir()
    code, _, err = musicml(
        "train", tones_toml, "--folder", folder, "--data-root", data_root, "--runs", tmp_path / "runs"
    )
    (run,) = runs.list_runs(tmp_path / "runs")
    assert code == 0 and run.is_complete and "1 file left out (listed in excluded.csv). The first: " in err
    assert [row["file"] for row in run.table("excluded.csv")] == ["low/text.wav"] and "sound in low/text.wav" in err
    assert "low/text.wav" not in {row["example"] for row in run.table("split.csv")}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_an_invalid_picture_is_rejected(refuse, musicml, trained, pictures, spoilt, tmp_path, name):
    (tmp_path / name).write_bytes(spoilt[name])
    sentence = refused(musicml("predict", trained("frozen").path, tmp_path / name))
    assert BAD_PICTURES[name] in sentence and name in sentence
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    (folder / "grey").mkdir()
    shutil.copy(tmp_path / name, folder / "grey")
    sentence = refuse(folder, EXPERIMENTS / "instrument_images_mobilenet.toml", ["--set", "features.height=40"])
    assert "but there is none of grey" in sentence


def test_invalid_pictures_are_named_in_the_run_and_never_end_a_training(
    musicml, pictures, spoilt, data_root, monkeypatch, tmp_path
):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    for name, content in spoilt.items():
        (folder / "red" / name).write_bytes(content)
    use_small_mobilenet(monkeypatch)
    words = ["--folder", folder, "--data-root", data_root, "--runs", tmp_path / "runs"]
    changes = set_words(PICTURES | {"model.weights": "none", "training.epochs": 1})
    made = musicml("train", EXPERIMENTS / "instrument_images_mobilenet.toml", *words, *changes)
    (run,) = runs.list_runs(tmp_path / "runs")
    assert made[0] == 0 and run.is_complete and "4 files left out" in made[2]
    reasons = {row["file"]: row["reason"] for row in run.table("excluded.csv")}
    assert set(reasons) == {f"red/{name}" for name in spoilt}
    assert all(said in reasons[f"red/{name}"] for name, said in BAD_PICTURES.items())


def test_cmyk_and_two_color_pictures_are_trained_on_and_predicted_with_a_warning(
    musicml, trained, pictures, data_root, tmp_path
):
    folder = shutil.copytree(pictures, tmp_path / "pictures")
    for name, (mode, kind) in PRINTED.items():
        Image.open(folder / "red/0.png").convert(mode).save(folder / "red" / name, kind)
        code, out, err = musicml("predict", trained("frozen").path, folder / "red" / name, "--json")
        (answer,) = json.loads(out)["predictions"]
        assert code == 0 and images.REMARKS[mode] in answer["warnings"] and "Traceback" not in err
    dataset, found = cache.get_features(
        loading.load_folder(folder), audio_features.Pixels(height=32, width=32), tmp_path / "store", 0
    )
    assert not dataset.excluded and len(dataset.examples) == 26
    said = {name.rpartition("/")[2]: warnings for name, warnings in found.warnings.items()}
    assert said == {name: [images.REMARKS[mode]] for name, (mode, _) in PRINTED.items()}


@pytest.fixture
def full_at(monkeypatch):
    """Limit the size of files in this process: as on a full disk, larger writes fail."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # or it is cut short, and every later process breaks on it
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes=before[0]: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_while_features_are_cached_ends_in_a_message(refuse, tones, data_root, full_at, tmp_path):
    full_at(1_000)
    sentence = refuse(words=["--set", "features.n_mels=40", "--data-root", tmp_path / "data"])
    assert "the disk is full" in sentence
    names = {path.name for path in (tmp_path / "data/.features").rglob("*") if path.is_file()}
    assert names == {"digests-tones.bin", "manifest.json"}, "no part of a shard"


@unexported()
def test_a_disk_that_fills_during_a_training_ends_in_a_message_and_the_run_can_be_resumed(
    musicml, tones, network_toml, data_root, full_at, tmp_path
):
    words = ["train", network_toml, "--folder", tones, "--data-root", data_root, "--set", "training.epochs=1", "--runs"]
    small, large = (set_words({"training.optimizer": "sgd"}), set_words({"model.filters": [32, 32]}))
    # without a limit once, so that the features are there
    assert musicml(*words, tmp_path / "free", *small)[0] == 0
    (whole,) = runs.list_runs(tmp_path / "free")
    for name, changes, limit in (
        ("checkpoints", large, 30_000),
        ("model.keras", small, (whole.path / "model.keras").stat().st_size - 1000),
    ):
        full_at(limit)
        sentence = refused(musicml(*words, tmp_path / name, *changes), tmp_path / name)
        full_at()  # no longer
        assert name in sentence and "the disk is full" in sentence and "Free some space" in sentence
        (run,) = runs.list_runs(tmp_path / name)
        assert run.status == "started" and not (run.path / "model.keras").exists()
        assert not list(run.path.rglob(".*")), "no half-written file is left"
    code, _, err = musicml("train", "--resume", run.path)
    assert code == 0 and run.is_complete and "Traceback" not in err


def test_wherever_the_disk_fills_the_run_is_incomplete_and_can_be_resumed(
    musicml, tones, tones_toml, data_root, monkeypatch, tmp_path
):
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs"]
    real, count = os.replace, 0

    def full(*paths):
        nonlocal count
        if tmp_path.as_posix() in str(paths[1]):
            count += 1
            if count == limit:
                raise OSError(errno.ENOSPC, "No space left on device")
        real(*paths)

    monkeypatch.setattr(os, "replace", full)
    for limit in range(1, 100):
        count, root = 0, tmp_path / str(limit)
        answer = musicml(*words, root, "--json")
        if answer[0] == 0:
            break
        assert "the disk is full" in refused(answer, root)
        for run in runs.list_runs(root) if limit % 3 == 1 else ():  # which takes longest
            count = -100
            assert musicml("train", "--resume", run.path)[0] == 0 and run.is_complete
    assert limit > 10, "files of all stages were tried"


def test_a_read_only_disk_ends_in_a_message(refuse, monkeypatch):
    def closed(*paths):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", closed)
    assert "its folder is not writable" in refuse(words=["--set", "features.n_mels=30"])


# batches that take a fifth of a second each: when the person stops the training, TensorFlow is waiting for one
SLOW = """
import time
from musicml.training.batches import Batches
quick = Batches.make_batch
Batches.make_batch = lambda *asked: time.sleep(0.2) or quick(*asked)
"""


def test_ctrl_c_during_an_epoch_ends_with_130_and_says_how_to_resume(tones, network_toml, data_root, started, tmp_path):
    words = ["--folder", tones, "--data-root", data_root, "--runs", tmp_path, "--json"]
    process = started("train", network_toml, *words, *set_words({"training.epochs": 500}), first=SLOW)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(run.table("history.csv") for run in runs.list_runs(tmp_path)):
            break
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    (run,) = runs.list_runs(tmp_path)
    assert process.returncode == 130 and out == "" and "Traceback" not in err
    sentence = f"musicml: stopped; resume with `musicml train --resume {run.path}`."
    assert err.rstrip().endswith(sentence) and err.count("musicml: ") == 1
    assert run.status == "started" and not run.is_complete and not list(run.path.rglob(".*"))


def test_ctrl_c_before_there_is_a_run_ends_with_130(musicml, tones, tones_toml, data_root, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("musicml.training.preparation.get_features", interrupted)
    code, out, err = musicml("train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", tmp_path)
    assert (code, out) == (130, "") and err.rstrip().endswith("musicml: stopped.") and not list(tmp_path.iterdir())
