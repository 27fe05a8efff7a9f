"""musicnn's weights: the checkpoint read without TensorFlow, the download, and what goes wrong with either."""

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from musicml.data.download import musicnn
from musicml.data.io.tf_checkpoint import read_tf_checkpoint
from musicml.training import pretrained_run
from musicml.utils.errors import InputError
from tests.fixtures.command_output import one_object
from tests.fixtures.musicnn_wheel import make_variables, write_checkpoint

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def expected(monkeypatch, musicnn_wheel):
    """The wheel, and its hash as the expected one."""
    monkeypatch.setattr(musicnn, "SHA256", hashlib.sha256(musicnn_wheel.read_bytes()).hexdigest())
    return musicnn_wheel


def test_the_requirement_is_the_one_in_the_requirements_folder():
    assert (ROOT / "requirements/weights.txt").read_text().split("\n")[0] == musicnn.REQUIREMENT


@pytest.mark.parametrize("n_per_block", [1, 7, 1000])
def test_a_checkpoint_is_read_to_the_bit(n_per_block):
    written = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a/b": np.arange(4, dtype=np.int64),
        "a/bc": np.float64([[1.5]]),
        "step": np.int32(300),
        "empty": np.zeros((0, 4), np.float32),
    }
    found = read_tf_checkpoint(*write_checkpoint(written, n_per_block))
    assert found.keys() == written.keys()
    assert all(np.array_equal(found[key], value) and found[key].dtype == value.dtype for key, value in written.items())


def test_a_checkpoint_is_read_as_tensorflow_reads_it(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    written = tensorflow.train.Checkpoint(a=tensorflow.Variable([1.0, 2.0]), b=tensorflow.Variable([[3]])).write(
        str(tmp_path / "real")
    )
    files = [Path(f"{written}{ending}").read_bytes() for ending in (".index", ".data-00000-of-00001")]
    reader, found = tensorflow.train.load_checkpoint(written), read_tf_checkpoint_floats(*files)
    assert found and all(np.array_equal(reader.get_tensor(name), value) for name, value in found.items())


def read_tf_checkpoint_floats(index, data):
    """A checkpoint of today's TensorFlow holds a string too, which is no number: read without it."""
    from musicml.data.io import tf_checkpoint

    entries = {key: value for key, value in tf_checkpoint._read_table(index) if key}
    numbers = {key: value for key, value in entries.items() if b"OBJECT_GRAPH" not in key}
    return {key.decode(): tf_checkpoint._read_tensor(value, data) for key, value in numbers.items()}


SPOILED = {
    "no index": lambda index, data: (b"", data),
    "index cut off": lambda index, data: (index[: len(index) // 2], data),
    "index without its end": lambda index, data: (index[:-1] + b"\x00", data),
    "index of noise": lambda index, data: (bytes(range(256)) * 4 + index[-48:], data),
    "data cut off": lambda index, data: (index, data[:-1]),
    "no data": lambda index, data: (index, b""),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_damaged_checkpoint_gets_one_sentence(how):
    index, data = write_checkpoint({"dense/kernel": np.ones((300, 2), np.float32), "dense/bias": np.ones(2)})
    with pytest.raises(InputError, match="Expected a TensorFlow checkpoint"):
        read_tf_checkpoint(*SPOILED[how](index, data))


def test_whatever_byte_is_wrong_there_is_one_sentence_or_a_number_is_another():
    index, data = write_checkpoint({"dense/kernel": np.ones((5, 2), np.float32), "dense/bias": np.ones(2)})
    for place in range(len(index)):
        damaged = index[:place] + bytes([index[place] ^ 0xFF]) + index[place + 1 :]
        try:
            read_tf_checkpoint(damaged, data)
        except InputError as error:
            assert "Expected a TensorFlow checkpoint" in str(error)


def test_the_weights_come_out_of_the_wheel_without_the_optimizer(expected, tmp_path):
    paths, was_there = musicnn.download_musicnn(tmp_path, expected)
    assert [path.name for path in paths] == ["musicnn_msd.npz", "musicnn_mtt.npz"] and not was_there
    loaded, wanted = musicnn.load_musicnn(tmp_path, "mtt"), make_variables(1)
    assert loaded.tags[:2] == ["mtt tag 0", "mtt tag 1"] and len(loaded.tags) == 50
    assert loaded.variables.keys() == wanted.keys() - {"dense/kernel/Adam", "beta1_power"}
    assert all(np.array_equal(value, wanted[name]) for name, value in loaded.variables.items())
    assert musicnn.download_musicnn(tmp_path, None) == (paths, True)  # and nothing is downloaded
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["musicnn_msd.npz", "musicnn_mtt.npz", "pretrained"]


@pytest.mark.parametrize("given", ["another.whl", "nothing.whl", "."])
def test_what_is_not_the_wheel_is_refused(given, musicnn_wheel, musicml, tmp_path):
    wheel = musicnn_wheel if given == "another.whl" else tmp_path / given
    code, out, err = musicml("fetch", "musicnn", "--from", wheel, "--data-root", tmp_path / "data")
    assert code == 2 and out == "" and "musicnn-0.1.0-py3-none-any.whl" in err and len(err.splitlines()) == 1
    assert ("with the SHA-" in err) is (given == "another.whl") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["gtzan", "musicnn"], ["musicnn", "--sample"], ["musicnn", "--lists", "."]])
def test_musicnn_is_fetched_by_itself(words, musicml, tmp_path):
    code, _, err = musicml("fetch", *words, "--data-root", tmp_path)
    assert code == 2 and err.startswith("musicml: Expected musicnn alone")


@pytest.fixture
def commands(monkeypatch, musicnn_wheel):
    """Commands that were run in place of pip, which brings the wheel, or of uv, which unpacks it."""
    made = []

    def run(command, **options):
        made.append(command)
        if "--dest" in command:
            target = Path(command[command.index("--dest") + 1])
            target.mkdir()
            shutil.copy(musicnn_wheel, target)
        else:
            zipfile.ZipFile(musicnn_wheel).extractall(command[command.index("--target") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(musicnn.subprocess, "run", run)
    return made


def test_without_a_network_there_is_one_sentence(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: Retrying\nERROR: No matching distribution found.\n")
    monkeypatch.setattr(musicnn.subprocess, "run", lambda command, **options: failed)
    with pytest.raises(InputError, match=r"No matching distribution found\)\. Try again later") as error:
        musicnn.download_musicnn(tmp_path, None)
    assert "Retrying" not in str(error.value) and not list(tmp_path.iterdir())


def test_pip_downloads_a_wheel_whose_hash_is_checked(monkeypatch, commands, expected, tmp_path):
    monkeypatch.setattr(musicnn.importlib.util, "find_spec", lambda name: name)
    musicnn.download_musicnn(tmp_path / "a", None)
    assert commands[0][1:4] == ["-m", "pip", "download"] and "--require-hashes" in commands[0]
    assert musicnn.load_musicnn(tmp_path / "a", "mtt").tags[0] == "mtt tag 0"
    monkeypatch.setattr(musicnn, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="with the SHA-256 000000000000"):
        musicnn.download_musicnn(tmp_path / "b", None)
    assert not (tmp_path / "b").exists()


def test_without_pip_uv_downloads_and_without_both_there_is_one_sentence(monkeypatch, commands, tmp_path):
    monkeypatch.setattr(musicnn.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(musicnn.shutil, "which", lambda name: "/usr/bin/uv" if name == "uv" else None)
    musicnn.download_musicnn(tmp_path / "a", None)
    assert commands[0][:3] == ["/usr/bin/uv", "pip", "install"] and "--require-hashes" in commands[0]
    assert musicnn.load_musicnn(tmp_path / "a", "msd").tags[0] == "msd tag 0"
    monkeypatch.setattr(musicnn.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="Expected pip or uv"):
        musicnn.download_musicnn(tmp_path / "b", None)


@pytest.mark.parametrize("content", [b"", b"no archive", "cut", "a byte"])
def test_a_damaged_file_of_weights_is_named(content, musicnn_root, tmp_path, musicml):
    good = musicnn.get_musicnn_path(musicnn_root, "msd").read_bytes()
    middle = len(good) // 2
    spoilt = {"cut": good[:middle], "a byte": good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]}
    for name in ("msd", "mtt"):
        path = musicnn.get_musicnn_path(tmp_path, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoilt.get(content, content) if isinstance(content, str) else content)
    with pytest.raises(InputError, match="is damaged. Remove it") as error:
        musicnn.load_musicnn(tmp_path, "msd")
    assert not isinstance(error.value, musicnn.MissingWeightsError)  # which would pass for weights not there
    code, _, err = musicml("fetch", "musicnn", "--data-root", tmp_path, "--runs", tmp_path / "runs")
    assert code == 2 and "is damaged" in err and not (tmp_path / "runs").exists()


def test_fetch_says_in_json_what_it_made(expected, musicml, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained_run, "export_keras_onnx", lambda *_: "not exported: in this test")
    words = ["fetch", "musicnn", "--data-root", tmp_path / "data", "--runs", tmp_path / "runs", "--json"]
    code, out, _ = musicml(*words, "--from", expected)
    first = one_object(out)
    assert code == 0 and first["run"] == str(tmp_path / "runs/musicnn_tags") and not first["already_there"]
    assert [Path(file).is_file() for file in first["files"]] == [True, True]
    code, out, _ = musicml(*words)
    assert code == 0 and one_object(out) == {**first, "already_there": True}
