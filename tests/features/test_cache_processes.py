import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.datasets import loading
from musicml.features import audio_features, cache
from musicml.features.cache import compute

pytestmark = pytest.mark.numeric

RATE = 8000
MEL = audio_features.LogMel(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=16)
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's own limits and files")
ROOT = Path(__file__).parent.parent.parent

# as a person writes it, without `if __name__ == "__main__"`
SCRIPT = f"""
import os, sys
from pathlib import Path
from musicml.data.datasets import loading as datasets
from musicml.features import audio_features as features
from musicml.features import cache as store
from musicml.utils.errors import InputError
root = Path(sys.argv[1])
mel = features.{MEL!r}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten sounds in two classes, one of which can't be read and one is cut off but for two thirds."""
    folder = tmp_path_factory.mktemp("processes")
    for place in range(10):
        path = folder / "sounds" / "ab"[place % 2] / f"{place}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        y = np.random.default_rng(place).uniform(-0.5, 0.5, (RATE * (2 + place) // 2, 1 + place % 2))
        soundfile.write(path, y, 22_050 if place % 3 else RATE)
    (folder / "sounds/a/4.wav").write_bytes(b"no sound at all")
    cut = folder / "sounds/b/7.wav"
    cut.write_bytes(cut.read_bytes()[:100_000])
    return folder


@pytest.fixture
def sounds(folder):
    return loading.load_folder(folder / "sounds")


def features_of(dataset, root, settings, processes):
    return cache.get_features(dataset, settings, root, 12_000, processes)


def linked(folder, tmp_path):
    """A folder of its own with the same sounds."""
    (tmp_path / "sounds").symlink_to(folder / "sounds")
    return tmp_path


def workers_of(process):
    """The processes that a process has started, and theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found += [int(path.parent.name), *workers_of(int(path.parent.name))]
    return found


def test_two_processes_give_the_features_of_one_to_the_bit(sounds, tmp_path):
    for settings in (MEL, audio_features.MFCC(sample_rate=22_050)):
        (one, alone), (two, shared) = (
            features_of(sounds, tmp_path / str(processes), settings, processes) for processes in (1, 2)
        )
        assert alone.key == shared.key and np.array_equal(alone.array, shared.array) and len(alone.array)
        assert one == two and alone.warnings == shared.warnings != {}
        assert [item.file for item in two.excluded] == ["a/4.wav"] and "sound in a/4.wav" in two.excluded[0].reason
        index = [(tmp_path / name / alone.key / "index.json").read_bytes() for name in "12"]
        assert index[0] == index[1]


def test_two_processes_give_the_pictures_of_one_to_the_bit(tmp_path):
    for place in range(5):
        path = tmp_path / "pictures" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(place).integers(0, 256, (30, 40, 3), np.uint8)).save(path)
    pictures, small = loading.load_folder(tmp_path / "pictures"), audio_features.Pixels(height=16, width=20)
    found = [cache.get_features(pictures, small, tmp_path / str(n), 0, n)[1] for n in (1, 2)]
    assert np.array_equal(found[0].array, found[1].array) and len(found[0].array) == 5


def test_processes_are_started_only_where_there_is_work_for_them(sounds, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(compute, "count_processes", lambda: 2)
    monkeypatch.setattr(compute, "map_in_processes", lambda do, jobs, n: started.extend(jobs) or iter(()))

    def count():
        return len(list(compute.compute_all(sounds.examples, MEL, 0, tmp_path, io.BytesIO())))

    assert count() == 10 and started == []
    monkeypatch.setattr(compute, "MIN_PARALLEL_SECONDS", 0.0)
    assert count() == compute.N_TIMED_FILES + 1
    assert sum(len(files) for files, _ in started) == 10 - compute.N_TIMED_FILES - 1


def test_an_error_in_a_process_comes_out_as_itself_and_leaves_nothing(sounds, tmp_path):
    broken = dataclasses.replace(MEL)
    object.__setattr__(broken, "hop_length", 0)
    with pytest.raises(ZeroDivisionError):
        features_of(sounds, tmp_path, broken, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["digests-sounds.bin"]


@LINUX
def test_what_a_killed_process_had_to_do_the_first_one_does(sounds, tmp_path, monkeypatch):
    examples = sounds.examples * 6
    outs, results = [io.BytesIO(), io.BytesIO()], []
    found = compute.compute_all(examples, MEL, 0, tmp_path, outs[0], 2)
    results.append([next(found)])
    from joblib.externals import loky

    for process in loky.get_reusable_executor(reuse=True)._processes.values():
        os.kill(process.pid, signal.SIGKILL)
    results[0] += found
    results.append(list(compute.compute_all(examples, MEL, 0, tmp_path, outs[1], 1)))
    assert outs[0].getvalue() == outs[1].getvalue() and results[0] == results[1]
    assert sum(bool(one.refused) for one in results[0]) == 6 and not list(tmp_path.iterdir())


@LINUX
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_a_kill_leave_no_process_and_nothing_that_stays(folder, tmp_path, how):
    code = (
        "from musicml.utils import parallel\n"
        "parallel.IDLE_SECONDS = 1\n"
        "dataset = datasets.load_folder(root / 'sounds')\n"
        "import dataclasses\n"
        "many = dataclasses.replace(dataset, examples=dataset.examples * 3000)\n"
        "try:\n    store.compute_and_store(many, mel, root / 'store' / 'key', 0, 2)\n"
        "except KeyboardInterrupt:\n    print('stopped')\n"
    )
    words = [sys.executable, "-c", SCRIPT + code, str(linked(folder, tmp_path))]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until(lambda: any(path.stat().st_size for path in (tmp_path / "store").glob(".making-*/array.bin")))
        workers = workers_of(process.pid)
        assert len(workers) >= 2
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal sends it: to all of them
        else:
            process.kill()
        said, errors = process.communicate(timeout=120)
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    if how == signal.SIGINT:
        assert said == "stopped\n" and errors == ""
        assert list((tmp_path / "store").iterdir()) == []
    else:
        assert [path.name.startswith(".making-") for path in (tmp_path / "store").iterdir()] == [True]
        cache.get_features(loading.load_folder(tmp_path / "sounds"), MEL, tmp_path / "store")
        assert not list((tmp_path / "store").glob(".*"))


def until(so, seconds=120):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.05)
