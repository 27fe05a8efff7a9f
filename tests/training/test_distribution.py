"""Several devices train as one does: each takes a part of every batch, and their gradients are averaged."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from musicml.training import batches, distribution
from musicml.utils.errors import InputError

# train a network on tones with each setting, in a process of its own: the number of devices can't be changed later
TRAIN = """
import json, sys
folder, data, root, names, changes = sys.argv[1:]
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from pathlib import Path
from musicml.experiment import config
from musicml.experiment import list_runs
from musicml.training import train, trainer
from musicml.training.callbacks import Progress
trainer.export_keras_onnx = lambda *_: "not exported: no test asks for it"
begin = Progress.on_epoch_begin

def stop(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt
    begin(self, epoch, logs)

for name in names.split():
    changed = {**json.loads(changes), "training.devices": name.removesuffix("_resumed")}
    read = config.read_experiment(Path(root, "network.toml"), changed)
    words = (read, Path(data), Path(root, name))
    Progress.on_epoch_begin = stop if name.endswith("_resumed") else begin
    try:
        run = train.train_experiment(*words, folder=Path(folder), deterministic=True)
    except KeyboardInterrupt:
        Progress.on_epoch_begin = begin
        run = train.resume_run(list_runs(Path(root, name))[0])
    print(json.dumps([name, str(run.path), run.info.device]))
"""


def train(words, network_toml, tones, data_root, root, changes, **variables):
    """Train with one device and with all, in a new process; return weights and device by setting."""
    root.mkdir(exist_ok=True, parents=True)
    (root / "network.toml").write_bytes(network_toml.read_bytes())
    command = [sys.executable, "-c", TRAIN, tones, data_root, root, words, json.dumps(changes)]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **variables}, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]


@pytest.fixture
def recurrent_toml(network_toml, tmp_path):
    """An experiment without batch normalization, which TensorFlow computes on each device's part alone."""
    text = network_toml.read_text().replace("log_mel", "mfcc").replace("n_mels = 16", "n_mels = 16\nn_mfcc = 8")
    path = tmp_path / "recurrent.toml"
    path.write_text(text.replace('family = "cnn"\nfilters = [4]', 'family = "recurrent"\nunits = [4]\ndropout = 0.0'))
    return path


def read_weights(path):
    import keras

    return keras.saving.load_model(f"{path}/model.keras", compile=False).get_weights()


def assert_equal_weights(paths):
    one, *others = map(read_weights, paths)
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()


@pytest.mark.numeric
def test_two_devices_of_tensorflow_train_as_one_and_resume(recurrent_toml, tones, data_root, tmp_path):
    pytest.importorskip("tensorflow")
    # 54 clips for training, so that the last batch has 12, and 9 for validation, which two devices can't halve
    changes = {"training.batch_size": 14, "training.ema": 0.9, "clips.seconds": 0.3, "clips.hop_seconds": 0.3}
    rows = train("first all all_resumed", recurrent_toml, tones, data_root, tmp_path / "runs", changes)
    assert [device for _, _, device in rows] == ["CPU", "2 x CPU", "2 x CPU"]
    assert_equal_weights([path for _, path, _ in rows])


@pytest.mark.parametrize(
    "error", [IndexError("an address without a port"), RuntimeError(), ValueError("the first line\nand more")]
)
def test_processes_that_can_not_be_connected_are_a_sentence(error, monkeypatch):
    def initialize(*given, **numbers):
        raise error

    jax = SimpleNamespace(distributed=SimpleNamespace(is_initialized=lambda: False, initialize=initialize))
    monkeypatch.setitem(sys.modules, "jax", jax)
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setattr(distribution, "import_keras", lambda: keras)
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "node1")
    with pytest.raises(InputError, match="Expected 2 processes that train together") as found:
        distribution.connect_processes()
    assert "and more" not in str(found.value)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_validation_is_divided_so_that_tensorflow_can_score_it(n):
    """Keras averages the parts of the first batch, and a part without clips has no loss."""
    devices, refused = distribution.Devices(n), []
    for n_clips in range(1, 120):
        try:
            size = devices.choose_whole_size(n_clips, 4 * n)
        except InputError as error:
            assert f"{n_clips} clips for validation can't be divided among {n} devices" in str(error)
            refused.append(n_clips)
            continue
        rest = n_clips % size
        assert size <= 4 * n and min(size, n_clips) % n == 0 and (rest == 0 or rest >= n)
    assert len(refused) < 30 and all(n_clips % n for n_clips in refused)
    assert devices.choose_whole_size(0, 4 * n) == 4 * n  # without validation


class Counted:
    """Clips whose values are their numbers."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def get(self, places):
        return places[:, None].astype(np.float32)


@pytest.mark.parametrize(("n", "size", "n_devices", "n_processes"), [(34, 8, 4, 2), (32, 8, 2, 1), (35, 12, 6, 3)])
def test_processes_make_different_parts_of_the_same_batches(n, size, n_devices, n_processes):
    def make(process):
        made = batches.Batches(Counted(n), None, size, seed=1, workers=0)
        made.share_among(n_devices, n_processes, process)
        return made

    whole, parts = batches.Batches(Counted(n), None, size, seed=1, workers=0), [make(k) for k in range(n_processes)]
    left = n % size // n_devices * n_devices
    assert {len(part) for part in parts} == {n // size + (left > 0)}
    for k in range(len(parts[0])):
        found = np.concatenate([part[k][0] for part in parts])
        assert np.array_equal(found, whole[k][0][: len(found)]) and len(found) == (size if k < n // size else left)


@pytest.mark.parametrize(("n", "size"), [(34, 9), (3, 8)])
def test_a_batch_that_can_not_be_divided_is_refused(n, size):
    made = batches.Batches(Counted(n), None, size, seed=1, workers=0)
    with pytest.raises(InputError, match="multiple of the 4 devices"), distribution.Devices(4).divide_batches(made):
        pass


@pytest.mark.parametrize("divided", [{4, 2}, {8}, {1, 2}])
def test_no_batch_of_validation_looks_like_a_part_on_jax(divided):
    devices = distribution.Devices(4, divided=divided)
    for n_clips in range(3, 60):
        size = devices.choose_whole_size(n_clips, 8)
        assert 1 <= size <= 8 and not {min(size, n_clips), n_clips % size} & divided


@pytest.mark.jax
@pytest.mark.numeric
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="KERAS_BACKEND is not jax (make test-jax)")
def test_four_devices_of_jax_and_two_processes_train_as_one_device(recurrent_toml, tones, data_root, tmp_path):
    changes = {"training.batch_size": 8}
    four = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    one, whole = train("first all", recurrent_toml, tones, data_root, tmp_path / "runs", changes, **four)
    assert (one[2], whole[2]) == ("CPU", "4 x CPU")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_COORDINATOR_ADDRESS": address}
    shared |= {"JAX_NUM_PROCESSES": "2", "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
    with ThreadPoolExecutor() as pool:
        words = ("all", recurrent_toml, tones, data_root, tmp_path / "both", changes)
        first, second = pool.map(lambda k: train(*words, JAX_PROCESS_ID=str(k), **shared), range(2))
    assert first[0][2] == "4 x CPU" and not Path(second[0][1]).exists(), "only the first process has a run"
    assert [path.name for path in (tmp_path / "both/all").iterdir() if path.is_dir()] == [Path(first[0][1]).name]
    assert_equal_weights([one[1], whole[1], first[0][1]])
