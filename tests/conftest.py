import atexit
import contextlib
import gc
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock
from PIL import Image

from musicml.cli import main
from musicml.data.datasets.loading import load_dataset
from musicml.data.download import musicnn
from musicml.data.synthetic import generate
from musicml.experiment import config, user_folder
from musicml.experiment import run as runs
from musicml.models import pretrained_audio, transfer
from musicml.training import preparation, pretrained_run, trainer
from tests.fixtures.musicnn_wheel import SIZES, write_wheel
from tests.fixtures.small_backbone import use_small_mobilenet

# Processes that tests start import TensorFlow and Streamlit. Without cached bytecode, this takes three times as long.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# sample data that every machine can make, without a soundfont; tests of the soundfont remove this variable
os.environ["MUSICML_RENDERER"] = "numpy"
# tests neither read nor write the user's settings, and sign their runs with one secret of their own in all workers
_of_all = os.environ.get("MUSICML_CONFIG", "") if "PYTEST_XDIST_WORKER" in os.environ else ""
os.environ["MUSICML_CONFIG"] = tempfile.mkdtemp(prefix="musicml-settings-")
atexit.register(shutil.rmtree, os.environ["MUSICML_CONFIG"], ignore_errors=True)
if _of_all:
    shutil.copy(Path(_of_all, user_folder.SECRET), os.environ["MUSICML_CONFIG"])
user_folder.make_secret()
# processes in the background of a shell ignore Ctrl-C, and so would the processes that tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
# share of the sample data; OpenMIC needs enough for the forest of every instrument
SCALES = {"gtzan": 0.02, "instrument_images": 0.02, "openmic": 0.3, "instrument_sounds": 0.02}
TRAINED_ON = ("gtzan", "instrument_images", "openmic")
SOUND = {"features.hop_length": 1024, "training.epochs": 2}
# a recurrent network without its regularization: whole clips without augmentation, last state, best epoch
PLAIN = {
    "clips.seconds": 3.0,
    "clips.hop_seconds": 3.0,
    "clips.average": "probability",
    "model.pooling": "last",
    "model.dropout": 0.0,
    "augment.mixup": 0.0,
    "augment.crop": False,
    "training.schedule": "none",
    "training.learning_rate": 1e-3,
    "training.keep": "best",
    "training.monitor": "val_accuracy",
    "training.early_stopping": 8,
}
# pictures so small that a backbone's maps have no height for bands
PICTURES = {
    "features.height": 32,
    "features.width": 32,
    "model.alpha": 0.25,
    "model.depths": 1,
    "model.bands": 1,
    "augment.flip": True,
    "augment.rotation": 10.0,
}
# enough steps for the statistics of batch normalization; otherwise all predictions are equal
LEARNT = {
    "training.epochs": 8,
    "training.batch_size": 8,
    "training.learning_rate": 0.003,
    "training.keep": "last",
    "training.early_stopping": 0,
}

WHOLE_MUSICNN = (204, 51, 64, 200, (38, 67), (128, 64, 32))
assert pretrained_audio.SIZES == WHOLE_MUSICNN, "musicnn's weights have these sizes"

# one tiny run of each family: experiment and changes
FAMILIES = {
    "cnn": ("genre_cnn", {**SOUND, "features.n_mels": 32, "model.filters": [4, 8]}),
    "gru": ("genre_gru", {**PLAIN, **SOUND, "model.units": [8, 4]}),
    "unfrozen": ("instrument_images_mobilenet", {**PICTURES, **LEARNT, "model.frozen": False, "augment.views": 0}),
    # with the weights of the unfrozen one instead of ImageNet's
    "frozen": (
        "instrument_images_mobilenet",
        {**PICTURES, "model.frozen": True, "model.weights": "imagenet", "training.epochs": 2, "augment.views": 1},
    ),
    "multi": ("openmic_cnn", {**SOUND, "features.n_mels": 32, "model.filters": [4, 8]}),
    "vggish": ("openmic_vggish_cnn", {"training.epochs": 2, "model.filters": [4], "model.dense_units": 8}),
    "forest": ("openmic_forest", {"model.n_estimators": 5}),
}

# forests on sound: trained and used within a second, without Keras
TONES = """[data]
dataset = "gtzan"
[features]
kind = "log_mel"
sample_rate = 8000
n_fft = 512
hop_length = 256
n_mels = 16
[clips]
seconds = 0.5
hop_seconds = 0.5
[model]
family = "forest"
n_estimators = 5
"""

# a network on sound: trained within three seconds
NETWORK = f"""{TONES.partition("[model]")[0]}[model]
family = "cnn"
filters = [4]
[training]
epochs = 2
batch_size = 8
"""

# the slowest files come first, so that no worker waits for another at the end
LONG = (
    *("inference/test_explain.py", "training/test_train.py", "inference/test_export.py"),
    *("training/test_synthetic_accuracy.py", "data/test_audit_real.py", "data/test_real_data.py"),
    *("dashboard/test_predict.py", "dashboard/test_app.py"),
)


def pytest_collection_modifyitems(items):
    def place(item):
        name = f"{item.path.parent.name}/{item.path.name}"
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=place)


def pytest_collection_finish():
    """Keep what all tests have loaded out of the garbage collector, which would search it again and again."""
    gc.collect()
    gc.freeze()


def set_words(changes):
    """Convert settings to command-line words: `{"training.epochs": 2}` → `--set training.epochs=2`."""
    return [word for key, value in changes.items() for word in ("--set", f"{key}={toml(value)}")]


def toml(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextlib.contextmanager
def unexported():
    """Have networks trained without an exported model, which takes as long as a short training."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "export_keras_onnx", lambda *_: "not exported: no test asks for it")
        yield


def backbone_of(run):
    """Return the weights of a transfer run's backbone by layer."""
    import keras

    model = keras.saving.load_model(run.path / "model.keras", compile=False)
    body = keras.Model(model.inputs, model.get_layer("pooled").input)
    return {layer.name: layer.get_weights() for layer in body.layers if layer.name.startswith("conv") and layer.weights}


def write_tone(path, hertz, seconds=1.0, sample_rate=8000, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, int(hertz)])
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    y = 0.4 * np.sin(2 * np.pi * hertz * t) + 0.02 * rng.standard_normal(len(t))
    soundfile.write(path, y.astype(np.float32), sample_rate)


def noise(power, level, seed=0, seconds=6.0, sample_rate=22_050):
    """Make noise whose power falls with frequency: 0 white, 1 pink, 2 brown."""
    n = round(seconds * sample_rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    y = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(n, 1 / sample_rate), 20) ** (power / 2), n)
    return (level * y / y.std()).clip(-1, 1).astype(np.float32)


def sine(hertz, level, seconds=6.0, sample_rate=22_050):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(
        np.float32
    )


def no_music():
    """Sounds that are no music by name, six seconds each at 22,050 Hz."""
    levels = (0.001, 0.01, 0.05, 0.2)
    found = {
        f"{name} noise at {level}": noise(power, level)
        for power, name in enumerate(("white", "pink", "brown"))
        for level in levels
    }
    found |= {f"{hertz} Hz at {level}": sine(hertz, level) for hertz in (100, 440, 1_000, 4_000) for level in levels}
    return {**found, "silence": np.zeros(6 * 22_050, np.float32)}


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory):
    """A folder that all workers share. Lock what is made there."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "of_all_workers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_sample(of_all_workers):
    """Generate the small sample data of a dataset, once for all workers, and return its folder. Never change it."""

    def make(name):
        root = of_all_workers / "data/sample"
        with FileLock(of_all_workers / f"{name}.lock"), pytest.MonkeyPatch.context() as patched:
            patched.setattr(generate, "MIN_PARALLEL_SCALE", 2)  # no processes of its own
            generate.generate_sample_data(root, only=[name], scale=SCALES[name])
        return root / name

    return make


@pytest.fixture(scope="session")
def get_sample(make_sample):
    """Copy the small sample data of a dataset into a folder."""
    return lambda name, folder: shutil.copytree(make_sample(name), folder / name)


@pytest.fixture(scope="session")
def data_root(make_sample, of_all_workers):
    """A data root with sample data of three datasets, shared by all workers."""
    # every second worker begins at the other end, so that they do not wait for each other
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    for name in TRAINED_ON[:: -1 if int(worker[2:]) % 2 else 1]:
        make_sample(name)
    return of_all_workers / "data"


@pytest.fixture(scope="session")
def root(data_root, make_sample):
    """A data root with small sample data of all datasets. No test changes it."""
    make_sample("instrument_sounds")
    return data_root


@pytest.fixture
def copied(root, tmp_path):
    """Copy the sample data of one dataset to a place where a test may change it: `copied("gtzan")`."""

    def copy(name):
        return shutil.copytree(root / "sample" / name, tmp_path / "sample" / name)

    return copy


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """A folder of three classes with eight tones each, of one second."""
    root = tmp_path_factory.mktemp("own") / "tones"
    for name, hertz in (("low", 200), ("middle", 800), ("high", 2500)):
        for number in range(8):
            write_tone(root / name / f"{number}.wav", hertz * (1 + 0.02 * number))
    return root


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of three classes with eight noisy color pictures each."""
    root, rng = tmp_path_factory.mktemp("own") / "pictures", np.random.default_rng(0)
    for name, colour in (("red", (200, 40, 40)), ("green", (40, 200, 40)), ("blue", (40, 40, 200))):
        (root / name).mkdir(parents=True)
        for number in range(8):
            noise = rng.integers(-30, 30, (40, 40, 3))
            Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def spoilt():
    """The content of invalid picture files by name."""

    def saved(image, kind, **more):
        content = io.BytesIO()
        image.save(content, kind, **more)
        return content.getvalue()

    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    return {
        "zero.jpg": b"",
        "cut.jpg": saved(Image.effect_noise((40, 40), 60), "JPEG")[:500],
        "huge.png": saved(Image.new("1", (5_001, 5_000)), "PNG"),
        "animated.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
    }


@pytest.fixture(scope="session")
def tones_toml(tmp_path_factory):
    """An experiment on tones, forests of five trees."""
    path = tmp_path_factory.mktemp("experiment") / "tones.toml"
    path.write_text(TONES)
    return path


@pytest.fixture(scope="session")
def network_toml(tmp_path_factory):
    """An experiment on tones, a network."""
    path = tmp_path_factory.mktemp("experiment") / "network.toml"
    path.write_text(NETWORK)
    return path


@pytest.fixture(scope="session")
def trained(data_root, of_all_workers, tmp_path_factory):
    """Return a complete run of a family by its name in FAMILIES, trained once for all workers. Never change it."""
    own, made = tmp_path_factory.mktemp("runs"), {}

    def train(name, root):
        """Train a family by the command line, if no worker has done so."""
        file, changes = FAMILIES[name]
        words = ["train", EXPERIMENTS / f"{file}.toml", "--data-root", data_root, "--runs", root]
        with pytest.MonkeyPatch.context() as patched:
            if file == "instrument_images_mobilenet":
                use_small_mobilenet(patched)
            if name == "frozen":
                pretrained = run_of("unfrozen")
                patched.setattr(transfer, "load_imagenet_weights", lambda *_: backbone_of(pretrained))
            assert main.main([str(word) for word in [*words, *set_words(changes)]]) == 0

    def run_of(name):
        if name not in made:
            root = of_all_workers / "runs" / name
            with FileLock(of_all_workers / f"{name}.lock"):
                if not any(run.is_complete for run in runs.list_runs(root)):
                    train(name, root)
            user_folder.remember_folders(data_root)
            shutil.copytree(root, own / name)
            made[name] = next(run for run in runs.list_runs(own / name) if run.is_complete)
        return made[name]

    return run_of


@pytest.fixture(scope="session")
def asked_about_tones(tones, tones_toml, data_root, tmp_path_factory):
    """A complete run on the tones, which predicts within a second. Never change it."""
    root = tmp_path_factory.mktemp("runs")
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", root]
    assert main.main([str(word) for word in words]) == 0
    (run,) = runs.list_runs(root)
    return run


@pytest.fixture(scope="session")
def musicnn_wheel(tmp_path_factory):
    """A wheel like musicnn's with few random weights. While it is used, musicnn is built that small."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pretrained_audio, "SIZES", SIZES)
        yield write_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def musicnn_root(data_root, musicnn_wheel, tmp_path_factory):
    """A data root with sample data and the random weights of `musicnn_wheel`."""
    root = tmp_path_factory.mktemp("musicnn")
    (root / "sample").symlink_to(data_root / "sample")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(musicnn, "SHA256", hashlib.sha256(musicnn_wheel.read_bytes()).hexdigest())
        musicnn.download_musicnn(root, musicnn_wheel)
    return root


@pytest.fixture(scope="session")
def tags_run(musicnn_root, tmp_path_factory):
    """The run that needs no training, in its own folder. Never change it."""
    return pretrained_run.make_tags_run(musicnn_root, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def whole_musicnn(monkeypatch):
    """Build musicnn in its published size."""
    monkeypatch.setattr(pretrained_audio, "SIZES", WHOLE_MUSICNN)


@pytest.fixture
def real_musicnn(whole_musicnn):
    """The data root with musicnn's real weights, if `make install` or the user has downloaded them."""
    root = Path(os.environ.get("MUSICML_DATA") or Path(__file__).parent.parent / "data")
    if not musicnn.get_musicnn_path(root, "msd").is_file():
        pytest.skip(f"musicnn's weights are not in {root}: make install downloads them")
    return root


@pytest.fixture
def musicml(capfd):
    """Run the command line in this process: words → exit code, standard output, standard error."""

    def run(*words):
        capfd.readouterr()
        code = main.main([str(word) for word in words])
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="session")
def started():
    """Start the installed command in a process that is killed at the end: words → Popen; `first` is code before it."""
    processes = []

    def start(*words, first=""):
        begun = [sys.executable, "-c", f"{first}\nfrom musicml.cli.main import run_and_exit\nrun_and_exit()"]
        command = begun if first else [Path(sys.executable).with_name("musicml")]
        words = [str(word) for word in (*command, *words)]
        made = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
        processes.append(made)
        return made

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def stopped_at():
    """Return a context in which Ctrl-C is pressed at the beginning of an epoch, counted from 0."""

    @contextlib.contextmanager
    def stop_at(number):
        from musicml.training.callbacks import Progress

        def stop(self, epoch, logs=None, begin=Progress.on_epoch_begin):
            if epoch == number:
                raise KeyboardInterrupt
            begin(self, epoch, logs)

        with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Progress, "on_epoch_begin", stop)
            yield

    return stop_at


@pytest.fixture(scope="session")
def material_of(data_root):
    """Return the experiment and the training data of a run in FAMILIES by its name."""

    def found(name):
        file, changes = FAMILIES[name]
        read = config.read_experiment(EXPERIMENTS / f"{file}.toml", changes).apply_sample_table()
        return read, preparation.prepare_data(read, load_dataset(read.data.dataset, data_root), data_root, 0)

    return found


@pytest.fixture(scope="session")
def snapshot():
    """Return the bytes and modification time of each file below a folder, to compare two moments."""

    def taken(folder):
        return {
            path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }

    return taken
