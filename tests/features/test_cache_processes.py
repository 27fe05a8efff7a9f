import contextlib
import dataclasses
import os
import pickle
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
from musicml.features.cache import compute, shards
from musicml.utils import capture_messages

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
        contents = [{path.name: path.read_bytes() for path in (tmp_path / name / alone.key).iterdir()} for name in "12"]
        assert contents[0] == contents[1] and len(contents[0]) == 21


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
    layout = shards.Layout(10, 3, (16,), "float32")

    def count(name):
        (tmp_path / name).mkdir()
        return sum(compute.compute_shards(sounds.examples, MEL, 0, tmp_path / name, layout, range(4)))

    assert count("alone") == 10 and started == []
    monkeypatch.setattr(compute, "MIN_PARALLEL_SECONDS", 0.0)
    done = count("shared")
    assert done in (3, 4, 6) and done == sum(map(layout.count_files, range(4))) - sum(
        len(files) for _, files in started
    )
    assert len(list((tmp_path / "shared").iterdir())) == 2 * (4 - len(started)), "no unfinished shard stays"


def test_an_error_in_a_process_comes_out_as_itself_and_leaves_no_shard(sounds, tmp_path):
    broken = dataclasses.replace(MEL)
    object.__setattr__(broken, "hop_length", 0)
    with pytest.raises(ZeroDivisionError):
        features_of(sounds, tmp_path, broken, 2)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names - {"00002.bin", "00002.json"} == {"digests-sounds.bin", "manifest.json"}, "2: it can't be read anyway"


@LINUX
def test_what_a_killed_process_had_to_do_the_first_one_does(sounds, tmp_path):
    layout, contents = shards.Layout(60, 2, (16,), "float32"), []
    for name, processes in (("killed", 2), ("alone", 1)):
        (tmp_path / name).mkdir()
        results = compute.compute_shards((*sounds.examples,) * 6, MEL, 0, tmp_path / name, layout, range(30), processes)
        n_done = next(results)
        if processes == 2:
            from joblib.externals import loky

            for process in loky.get_reusable_executor(reuse=True)._processes.values():
                os.kill(process.pid, signal.SIGKILL)
        assert n_done + sum(results) == 60
        shards.remove_abandoned(tmp_path / name)  # what the killed one was writing
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1] and len(contents[0]) == 60


@LINUX
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_a_kill_leave_whole_shards_and_the_same_command_computes_only_the_others(folder, tmp_path, how):
    for place in range(320):
        path = tmp_path / "sounds" / "ab"[place % 2] / f"{place}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / "sounds/b/9.wav", path)
    code = (
        "dataset = datasets.load_folder(root / 'sounds')\n"
        "try:\n    store.get_features(dataset, mel, root / 'store', processes=2)\n"
        "except KeyboardInterrupt:\n    print('stopped')\n"
    )
    words = [sys.executable, "-c", SCRIPT + code, str(tmp_path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until(lambda: len(list((tmp_path / "store").glob("*/*.json"))) >= 3)
        workers = workers_of(process.pid)
        assert len(workers) >= 2
        os.killpg(process.pid, how)  # as a terminal sends Ctrl-C: to all of them
        said, errors = process.communicate(timeout=120)
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    (home,) = (path for path in (tmp_path / "store").iterdir() if path.is_dir())
    if how == signal.SIGINT:
        assert said == "stopped\n" and errors == "" and not list(home.glob(".*"))
    before = {path.name: path.stat().st_mtime_ns for path in home.glob("0*.json")}
    assert 2 <= len(before) < 64
    dataset, logged = loading.load_folder(tmp_path / "sounds"), []
    some, so_far = cache.open_features(dataset, MEL, tmp_path / "store")
    assert len(some.examples) == len(so_far.length) == len(so_far.array) // so_far.length[0]
    with capture_messages(logged.append):
        _, found = cache.get_features(dataset, MEL, tmp_path / "store", processes=2)
    n_left = 320 - len(some.examples)
    assert logged == [f"computing LogMel features of {n_left} files"] and n_left < 320
    assert not list(home.glob(".*")) and len(found.length) == 320
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in home.glob("0*.json")}.items()
    wanted = audio_features.compute_features(folder / "sounds/b/9.wav", MEL)[0]
    assert all(np.array_equal(found.get(place), wanted) for place in range(0, 320, 11))


@LINUX
def test_the_processes_of_a_killed_parent_finish_their_shard_and_end(folder, tmp_path):
    code = (
        "from musicml.features.cache import compute, shards\n"
        "layout = shards.Layout(30_000, 10, (16,), 'float32')\n"
        "examples = (*datasets.load_folder(root / 'sounds').examples,) * 3000\n"
        "for n in compute.compute_shards(examples, mel, 0, root / 'store', layout, range(3000), 2):\n"
        "    print(n, flush=True)\n"
    )
    (tmp_path / "store").mkdir()
    words = [sys.executable, "-c", SCRIPT + code, str(linked(folder, tmp_path))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "10\n"
        workers = workers_of(process.pid)
        process.kill()
    begun = {path.stem.rpartition("-")[2] for path in (tmp_path / "store").glob(".making-*")}
    until(lambda: not list((tmp_path / "store").glob(".making-*")))
    layout = shards.Layout(30_000, 10, (16,), "float32")
    for path in (tmp_path / "store").glob("*.json"):
        shards.read_shard_index(tmp_path / "store", layout, int(path.stem))
    assert begun <= {path.stem for path in (tmp_path / "store").glob("*.json")}
    # loky waits half a minute for a lock of the parent before they end, so the test ends them
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_a_process_receives_where_features_are_and_not_their_values(sounds, tmp_path):
    _, found = features_of(sounds, tmp_path, MEL, 1)
    content = pickle.dumps(found.array)
    assert len(content) < 2000 < found.array[:].nbytes
    again = pickle.loads(content)
    assert np.array_equal(again, found.array) and again.shape == found.array.shape


def until(so, seconds=120):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.05)
