"""Commands on a cluster of three worker processes do what one process does."""

import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from musicml.data.datasets import loading
from musicml.experiment import cluster_check, config
from musicml.experiment import run as runs
from musicml.experiment.process import get_machine_info
from musicml.features import audio_features, cache
from musicml.features.cache import compute
from musicml.training import preparation, train
from musicml.utils import (
    LostClusterError,
    cluster_worker,
    connect_cluster,
    count_processes,
    get_client,
    hold_lock,
    map_in_processes,
)
from musicml.utils import cluster as clusters
from musicml.utils.errors import InputError
from tests.conftest import TONES, write_tone
from tests.evaluation.test_replication import PIECES, as_published
from tests.fixtures.cluster_jobs import (
    count_page_faults,
    kill_always,
    kill_once,
    log_and_square,
    log_in_secret,
    sleep_until_interrupted,
)
from tests.fixtures.command_output import one_object
from tests.fixtures.dask_cluster import start_cluster

pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks of Unix")

TUNED = TONES + "[tune]\nmodel.n_estimators = {low = 1, high = 40}\nmodel.max_depth = [1, 2, 4]\n"
# a worker of another version, whose folders are others, and whose clock is a minute ahead
FAULTY = """
import time
import musicml
from musicml.experiment import cluster_check
musicml.__version__ = "0.0.1"
cluster_check.read_clock = lambda: time.time() + 60
if not hasattr(cluster_check, "read"):  # dask may load this twice
    cluster_check.read = cluster_check.read_token
cluster_check.read_token = lambda path: "" if "runs" in str(path) else cluster_check.read(path)
"""


# workers that take a third of a second for each shard, and log those that they begin
SLOW_SHARDS = """
import time
from musicml.features.cache import compute
if not hasattr(compute, "write"):  # dask may load this twice
    compute.write = compute.write_shard

def write_slowly(folder, layout, number, *more):
    with open({log!r}, "a") as log:
        log.write(f"{{number}}\\n")
    time.sleep(0.3)
    return compute.write(folder, layout, number, *more)

compute.write_shard = write_slowly
"""


# workers that finish the first fold alone
SLOW_FOLDS = """
import time
from musicml.training import train
if not hasattr(train, "write"):  # dask may load this twice
    train.write = train.train_and_write

def write_slowly(run, *more, **options):
    if run.path.name != "1":
        time.sleep(60)
    return train.write(run, *more, **options)

train.train_and_write = write_slowly
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def connected(cluster):
    with connect_cluster(cluster.address):
        yield


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """A folder of tones of two classes by six artists, two tracks each."""
    root = tmp_path_factory.mktemp("own") / "grouped"
    lines = ["file,group"]
    for name, hertz in (("low", 200), ("high", 2500)):
        for number in range(12):
            write_tone(root / name / f"{number}.wav", hertz * (1 + 0.02 * number), 1.5)
            lines.append(f"{name}/{number}.wav,{name}{number // 2}")
    (root / "groups.csv").write_text("\n".join(lines))
    return root


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_results_come_in_order_with_the_messages_of_their_workers(connected, caplog):
    caplog.set_level(logging.INFO, "musicml")
    assert count_processes() == count_processes(most=2) == 3
    results = list(map_in_processes(log_and_square, iter(range(12)), count_processes()))
    assert [square for square, _ in results] == [job**2 for job in range(12)]
    assert len({process for _, process in results} - {os.getpid()}) == 3
    wait_until(lambda: "job 11" in caplog.messages)
    assert list(map_in_processes(abs, range(-40, 0), 3, batch_size="auto")) == list(range(40, 0, -1))
    with pytest.raises(TypeError, match="bad operand"):
        list(map_in_processes(abs, [1, "a"], 3))


def test_what_a_worker_logs_is_shown_only_if_it_is_without_a_cluster(connected, caplog):
    caplog.set_level(logging.INFO, "musicml")
    assert list(map_in_processes(log_in_secret, [1], 3)) == [1]
    wait_until(lambda: caplog.messages)
    assert caplog.messages == [r"Cort\xe9ge.wav"]


def test_ctrl_c_stops_what_workers_do(connected, tmp_path):
    paths = [tmp_path / str(number) for number in range(3)]

    def press_ctrl_c():
        wait_until(lambda: all(path.exists() for path in paths))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        list(map_in_processes(sleep_until_interrupted, paths, 3))
    wait_until(lambda: [path.read_text() for path in paths] == ["interrupted"] * 3)
    assert list(map_in_processes(abs, [-1], 3)) == [1]  # the workers are still there


def test_features_survive_a_killed_worker_and_a_killed_scheduler(tones, tmp_path):
    """Whole shards are never computed again, and what is in them is that of one process."""
    dataset, settings = loading.load_folder(tones), audio_features.LogMel(8000, 512, 256, 16)
    (key,) = {cache.get_features(dataset, settings, tmp_path / "alone", processes=1)[1].key}
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "alone" / key).glob("*.bin")}
    assert len(wanted) == len(dataset.examples)
    made, slow = tmp_path / "made", tmp_path / "slow.py"
    slow.write_text(SLOW_SHARDS.format(log=str(tmp_path / "log")))

    def list_made():
        return sorted(path.name for path in (made / key).glob("*.json") if path.name != "manifest.json")

    def compute(address):
        with connect_cluster(address):
            return cache.get_features(dataset, settings, made, processes=3)[1]

    with start_cluster(tmp_path / "first", "--preload", slow, n_workers=2) as first, ThreadPoolExecutor(1) as other:
        pending = other.submit(compute, first.address)
        wait_until(lambda: len(list_made()) >= 4)
        first.workers[0].kill()
        wait_until(lambda: len(list_made()) >= 10)
        first.scheduler.kill()
        with pytest.raises(InputError, match="The scheduler of the cluster is gone"):
            pending.result(timeout=60)
    before = {name: (made / key / name).stat().st_mtime_ns for name in list_made()}
    assert 10 <= len(before) < len(wanted)
    with start_cluster(tmp_path / "second", "--preload", slow, n_workers=2) as second:
        features = compute(second.address)
    assert {path.name: path.read_bytes() for path in (made / key).glob("*.bin")} == wanted
    assert all((made / key / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())
    assert len(features.length) == len(wanted)
    # a task that a kill has lost is computed once more: one of the worker's, and those of two at the scheduler's end
    assert len(wanted) <= len((tmp_path / "log").read_text().splitlines()) <= len(wanted) + 1 + 2


def test_folds_and_their_predictions_are_those_of_one_process(cluster, tones, tones_toml, musicml, tmp_path):
    words = ["train", tones_toml, "--folder", tones, "--data-root", tmp_path / "data", "--set", "data.folds=3"]
    words += ["--set", "data.split=group"]
    found = []
    for place, more in (("alone", []), ("cluster", ["--cluster", cluster.address])):
        code, out, err = musicml(*words, "--runs", tmp_path / place, *more)
        (run,) = runs.list_runs(tmp_path / place)
        assert code == 0 and "fold 3 of 3" in err and ("fold 3: " in err) == (place == "cluster")
        numbers = [runs.get_fold(run, k).read("run.json")["process"]["id"] for k in (1, 2, 3)]
        assert (os.getpid() in numbers) == (place == "alone")
        found.append((out.splitlines()[1:3], (run.path / "predictions.csv").read_bytes()))
        assert not list(run.path.glob(".*"))
    assert found[0] == found[1]


def test_folds_go_on_after_a_killed_scheduler(cluster, tones, tones_toml, musicml, started, tmp_path, monkeypatch):
    """Folds that are done are kept, and the folder of the run may be named as seen from here."""
    monkeypatch.chdir(tmp_path)
    words = ["train", tones_toml, "--folder", tones, "--set", "data.folds=3", "--set", "data.split=group"]
    (tmp_path / "slow.py").write_text(SLOW_FOLDS)
    with start_cluster(tmp_path / "first", "--preload", tmp_path / "slow.py", n_workers=2) as first:
        process = started(*words, "--cluster", first.address)
        folds = "runs/*/folds/*/run.json"
        wait_until(lambda: sum('"trained"' in path.read_text() for path in tmp_path.glob(folds)) == 1)
        first.scheduler.kill()
        _, err = process.communicate(timeout=60)
    (run,) = runs.list_runs(tmp_path / "runs")
    hint = f"Then resume with `musicml train --resume {run.path}`."
    assert process.returncode == 2 and "The scheduler of the cluster is gone. Start it again." in err
    assert err.splitlines()[-1].endswith(hint) and "Traceback" not in err and "distributed" not in err
    (done,) = (path for path in tmp_path.glob(folds) if '"trained"' in path.read_text())
    before = done.stat().st_mtime_ns
    code, _, err = musicml("train", "--resume", run.path.relative_to(tmp_path), "--cluster", cluster.address)
    assert code == 0 and done.stat().st_mtime_ns == before
    assert sorted(path.parent.parent.parent for path in tmp_path.rglob("folds/*/run.json")) == [run.path] * 3


def test_a_fold_that_a_worker_out_of_reach_still_trains_is_not_trained_twice(
    tones, tones_toml, musicml, tmp_path, monkeypatch
):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    words = ["--folder", tones, "--data-root", tmp_path / "data", "--runs", tmp_path / "runs"]
    with monkeypatch.context() as patch:
        patch.setattr(train, "train_and_write", stop)
        assert musicml("train", tones_toml, *words, "--set", "data.folds=3", "--set", "data.split=group")[0] == 130
    (run,) = runs.list_runs(tmp_path / "runs")
    with hold_lock(run.path / ".fold-1.lock", run.path, None):
        code, _, err = musicml("train", "--resume", run.path)
    assert code == 2 and f"Fold 1 of {run.name} is being trained by another process." in err


def test_a_leak_is_that_of_one_process(cluster, groups, tones_toml, musicml, tmp_path):
    words = ["leak", tones_toml, "--folder", groups, "--data-root", tmp_path, "--seeds", 1, "--json"]
    results = []
    for more in ([], ["--cluster", cluster.address]):
        code, out, _ = musicml(*words, "--runs", tmp_path / "runs", *more)
        assert code == 0
        results.append({key: value for key, value in one_object(out).items() if key != "file"})
    assert results[0] == results[1]


def test_an_audit_is_that_of_one_process(cluster, groups, musicml, monkeypatch, tmp_path):
    monkeypatch.setattr("musicml.data.audit.scan.MIN_PARALLEL_FILES", {"sound": 1, "picture": 1})
    results = []
    for place, more in (("alone", []), ("cluster", ["--cluster", cluster.address])):
        code, out, _ = musicml("audit", "--folder", groups, "--data-root", tmp_path / place, "--json", *more)
        assert code == 0
        results.append({key: value for key, value in one_object(out).items() if key not in ("file", "seconds")})
    assert results[0] == results[1] and results[0]["n"] == 24


def test_train_all_and_replay_are_those_of_one_process(cluster, get_sample, musicml, tmp_path):
    get_sample("gtzan", tmp_path / "data/sample")
    home = tmp_path / "experiments"
    (home / "as_published").mkdir(parents=True)
    (home / "a_impossible.toml").write_text(TONES.replace("n_mels = 16", "n_mels = -1"))
    (home / "tones.toml").write_text(TONES)
    (home / "trees.toml").write_text(TONES.replace("n_estimators = 5", "n_estimators = 7"))
    (home / "as_published/leaky.toml").write_text(as_published(TONES) + PIECES)
    found = []
    for place, options in (("alone", []), ("cluster", ["--cluster", cluster.address])):
        origin = ("--data-root", tmp_path / "data", "--runs", tmp_path / place, "--data", "sample")
        code, out, err = musicml("train-all", "--experiments", home, *origin, "--jobs", 1, *options)
        assert code == 1 and "failed: features.n_mels = -1" in err and "Traceback" not in err
        failed, *trained = [line.split()[:4] for line in out.splitlines()[1:4]]
        table = [failed[:3], *trained]  # a failure's fourth word is its seconds
        code, out, _ = musicml("replay", home / "as_published/leaky.toml", *origin, "--json", *options)
        (replay,) = one_object(out)["replays"]
        assert code == 0 and replay["error"] == ""
        made = {run.info.experiment: run for run in runs.list_runs(tmp_path / place) if run.info.protocol == "honest"}
        csvs = [(made[name].path / "predictions.csv").read_bytes() for name in ("tones", "trees")]
        found.append((table, csvs, replay["rows"], replay["worth"]))
        is_here = {run.info.table["process"]["id"] == os.getpid() for run in made.values()}
        assert is_here == {place == "alone"}
    assert found[0] == found[1]


def test_three_processes_and_then_a_cluster_make_exactly_as_many_trials_as_asked(
    cluster, tones, started, musicml, tmp_path
):
    path = tmp_path / "tuned.toml"
    path.write_text(TUNED)
    words = ["tune", path, "--folder", tones, "--data-root", tmp_path / "data", "--runs", tmp_path / "runs", "--json"]
    assert musicml(*words, "--trials", 1)[0] == 0  # computes the features
    processes = [started(*words, "--trials", 7) for _ in range(3)]
    results = [one_object(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    (home,) = (tmp_path / "runs/tunes").iterdir()
    assert all(result["trials"] == results[0]["trials"] for result in results)
    assert [trial["number"] for trial in results[0]["trials"]] == list(range(1, 8))
    assert sorted(path.name for path in (home / "trials").iterdir()) == [f"000{k}" for k in range(1, 8)]
    code, out, err = musicml(*words, "--trials", 12, "--cluster", cluster.address)
    trials = one_object(out)["trials"]
    assert code == 0 and trials[:7] == results[0]["trials"] and "trial 12 of 12" in err
    assert [trial["number"] for trial in trials] == list(range(1, 13))
    states = [json.loads((path / "run.json").read_text()) for path in sorted((home / "trials").iterdir())]
    assert len(states) == 12 and all(state["process"]["id"] != os.getpid() for state in states[7:])
    assert not list(home.glob(".*"))


def test_only_the_end_of_the_cluster_keeps_train_all_from_the_next_experiment(tones, tones_toml, monkeypatch, tmp_path):
    errors = iter([MemoryError("no memory"), InputError("no data"), LostClusterError("all gone")])

    def get_features(*arguments):
        raise next(errors)

    monkeypatch.setattr(preparation, "is_sample_data", lambda *arguments: True)
    monkeypatch.setattr(preparation, "load_dataset", lambda *arguments: loading.load_folder(tones))
    monkeypatch.setattr(preparation, "get_features", get_features)
    with pytest.raises(LostClusterError, match="all gone"):
        for _ in range(3):
            preparation.compute_features(config.read_experiment(tones_toml), tmp_path, "sample")
    assert not list(errors)


@pytest.mark.parametrize("status", ["finished", "cancelled", "error"])
def test_a_result_that_cannot_be_fetched_is_no_error_of_its_job(status):
    def fetch():
        raise ConnectionError("the connection broke")

    future = SimpleNamespace(result=fetch, status=status)
    with pytest.raises(ConnectionError if status == "error" else LostClusterError):
        clusters._get_result(future, 0, "job", None)


def test_a_scheduler_that_ended_between_two_maps_is_named(monkeypatch):
    def list_workers():
        raise Exception("Client is closed")

    monkeypatch.setattr(clusters, "_client", SimpleNamespace(nthreads=list_workers))
    for use in (count_processes, lambda: list(map_in_processes(abs, [1], 2))):
        with pytest.raises(LostClusterError, match="The scheduler of the cluster is gone"):
            use()


def test_a_folder_that_a_worker_does_not_have_is_named(cluster, tmp_path):
    """All files in it would count as unreadable, and be left out."""
    folders = [tmp_path / "here", tmp_path / "made later"]
    folders[0].mkdir()
    with connect_cluster(cluster.address, folders):
        assert list(map_in_processes(abs, [-1], 2)) == [1]
        folders[0].rmdir()  # as if this machine alone had had it
        with pytest.raises(InputError, match=rf"Expected the folder {folders[0]} on each machine, but worker tcp://"):
            list(map_in_processes(abs, [-1], 2))


def list_of_workers(out):
    return [finding for finding in one_object(out)["findings"] if "tcp" in finding["what"]]


def test_doctor_names_what_differs_on_a_worker(cluster, musicml, tmp_path):
    words = ["doctor", "--data-root", tmp_path / "data", "--runs", tmp_path / "runs", "--json", "--cluster"]
    assert [finding["state"] for finding in list_of_workers(musicml(*words, cluster.address)[1])] == ["ok"] * 3
    (tmp_path / "faulty.py").write_text(FAULTY)
    cluster.add_worker("--preload", tmp_path / "faulty.py", "--nthreads", 2)
    try:
        cluster.wait_for_workers(4)
        code, out, _ = musicml(*words, cluster.address)
        findings = list_of_workers(out)
        with connect_cluster(cluster.address), pytest.raises(InputError, match=r"same musicml .* has 0\.0\.1, and"):
            list(map_in_processes(time.sleep, [0.5] * 8, 4))
    finally:
        cluster.workers[-1].terminate()
        cluster.workers.pop().wait()
    problems = [finding for finding in findings if finding["state"] == "problem"]
    assert code == 1 and len({finding["what"] for finding in problems}) == 1
    assert [finding["state"] for finding in findings].count("ok") == 3
    text = "\n".join(finding["words"] for finding in problems)
    assert "musicml 0.0.1, but " in text and "clock differs by +60.0 s" in text and "2 threads" in text
    assert f"{tmp_path}/runs is another folder there" in text and "data is another" not in text and len(problems) == 4
    assert not list(tmp_path.rglob(".musicml*"))


def test_doctor_goes_on_after_a_folder_or_a_worker_that_can_not_be_used(cluster, musicml, monkeypatch, tmp_path):
    (tmp_path / "runs").touch()
    run, ended = cluster_check._run_on_worker, []

    def run_unless_ended(client, address, *more):
        ended.extend([] if ended else [address])
        if address in ended:
            raise ConnectionError("the worker has ended")
        return run(client, address, *more)

    monkeypatch.setattr(cluster_check, "_run_on_worker", run_unless_ended)
    words = ["doctor", "--data-root", tmp_path / "data", "--runs", tmp_path / "runs", "--json", "--cluster"]
    code, out, _ = musicml(*words, cluster.address)
    findings = {(found["what"], found["state"]): found["words"] for found in one_object(out)["findings"]}
    assert code == 1 and "the worker has ended" in findings[ended[0], "problem"]
    assert "Expected a writable folder" in findings["runs", "problem"]
    assert [state for what, state in findings if "tcp" in what].count("ok") == 2


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("lokal", "Expected --cluster local, slurm or an address such as tcp://host:8786, got 'lokal'"),
        ("tcp://127.0.0.1:9", "Expected dask's scheduler at tcp://127.0.0.1:9, but none answered"),
        ("what://127.0.0.1:9", "Expected dask's scheduler at what://"),
        ("http://127.0.0.1:8787", "Expected dask's scheduler at http://127.0.0.1:8787"),  # its dashboard
        ("tls://127.0.0.1:9", "Expected dask's scheduler at tls://127.0.0.1:9"),
        ("tcp://127.0.0.1:99999", "Expected dask's scheduler at tcp://127.0.0.1:99999"),
        ("tcp://127.0.0.1:", "Expected dask's scheduler at tcp://127.0.0.1:"),
        ("local:0", "Expected --cluster local, slurm or an address such as tcp://host:8786, got 'local:0'"),
        ("slurm:many", "Expected --cluster local, slurm or an address such as tcp://host:8786, got 'slurm:many'"),
    ],
)
def test_an_address_that_is_none_ends_in_one_sentence(address, sentence, musicml, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    code, out, err = musicml("doctor", "--cluster", address)
    assert code == 2 and out == "" and sentence in err and len(err.splitlines()) == 1


def test_without_dask_the_command_that_installs_it_is_named(musicml, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = musicml("doctor", "--cluster", "local")
    assert code == 2 and 'pip install "musicml[cluster]"' in err and len(err.splitlines()) == 1


SBATCH = """#!/bin/sh
echo "$@" >> {folder}/submitted
cp "$1" {folder}/job.sh  # as SLURM does: the script is removed at once
setsid sh {folder}/job.sh > {folder}/log 2>&1 &
echo $! > {folder}/pid
echo "Submitted batch job 1"
"""


def test_jobs_of_slurm_are_workers(tmp_path, monkeypatch):
    """A stand-in for `sbatch` runs the job script of dask-jobqueue at once."""
    import dask

    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH.format(folder=tmp_path)), ("scancel", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with pytest.raises(InputError, match=r"SLURM's jobs need .* Write them to ~/.config/dask/jobqueue.yaml"):
        with connect_cluster("slurm"):
            pass
    try:
        settings = {"cores": 1, "memory": "1GB", "interface": "lo", "local-directory": str(tmp_path)}
        with dask.config.set({f"jobqueue.slurm.{key}": value for key, value in settings.items()}):
            with connect_cluster("slurm:1"):
                assert dict(map_in_processes(log_and_square, [3], 2)).keys() == {9}
        assert len((tmp_path / "submitted").read_text().splitlines()) == 1
    finally:
        os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("sbatch", "reason"),
    [
        (None, "No such file or directory: 'sbatch'"),
        ("echo 'sbatch: error: invalid partition specified: compute' >&2\nexit 1", "invalid partition specified: comp"),
        ("echo 'Job is not accepted'", "Job is not accepted"),
    ],
)
def test_jobs_that_slurm_refuses_end_in_one_sentence(sbatch, reason, musicml, tmp_path, monkeypatch):
    import dask

    pytest.importorskip("dask_jobqueue")
    if sbatch:
        (tmp_path / "sbatch").write_text(f"#!/bin/sh\n{sbatch}\n")
        (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    settings = {"cores": 1, "memory": "1GB", "interface": "lo", "local-directory": str(tmp_path)}
    with dask.config.set({f"jobqueue.slurm.{key}": value for key, value in settings.items()}):
        code, out, err = musicml("doctor", "--cluster", "slurm:2")
    assert code == 2 and out == "" and "SLURM's `sbatch` submitted no job (" in err and reason in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc returns memory to the system at once")
def test_workers_keep_freed_memory_for_the_next_array(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")  # as dask starts workers
    with start_cluster(tmp_path, n_workers=1) as cluster, connect_cluster(cluster.address):
        _, n_faults = map_in_processes(count_page_faults, [50, 50], 2)
    assert n_faults < 5_000  # 25,600 if each array is new memory


@pytest.mark.parametrize("library", [lambda name: SimpleNamespace(), lambda name: len(name)])
def test_other_c_libraries_keep_memory_by_themselves(library, monkeypatch):
    monkeypatch.setattr(cluster_worker.ctypes, "CDLL", library)  # as on macOS, and on Windows
    cluster_worker._keep_freed_memory()


def test_a_job_that_kills_each_worker_is_named_in_one_line():
    import dask

    files = [("/data/a.wav", "a"), ("/data/b.wav", "b"), ("/data/c.wav", "c")]
    texts = {
        "/data/a.wav ... /data/c.wav": compute.Job(3, files),
        "/data/a.wav": compute.Job(3, files[:1]),
        "/data/c.toml": "/data/c.toml",
        "number 1": ("a long tuple",) * 1000,
        "number 1 ": [("sound", "/data/a.wav", "a")],
    }
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), connect_cluster("local:1"):
        for text, job in texts.items():
            with pytest.raises(InputError, match=rf"by the same job, {text.strip()}\. Memory"):
                list(map_in_processes(kill_always, [job], 2))


def test_the_workers_of_this_machine_survive_a_kill_and_leave_the_environment_as_it_was(tmp_path):
    before = get_machine_info()  # with the environment variables that runs record
    with connect_cluster("local:2"):
        assert get_machine_info() == before  # as in the runs of this process
        done = set(map_in_processes(kill_once, [(tmp_path / "killed", number) for number in range(4)], 2))
        get_client().wait_for_workers(2, timeout=60)
        handlers = get_client().run(signal.getsignal, signal.SIGINT)
    assert done == {0, 1, 2, 3} and (tmp_path / "killed").exists()
    assert list(handlers.values()) == [signal.SIG_IGN] * 2  # also of the one that was started again
    assert get_machine_info() == before


def test_a_large_job_needs_no_advice(connected, recwarn):
    assert list(map_in_processes(len, [bytes(2**24)], 2)) == [2**24]
    assert not [warning for warning in recwarn if "graph" in str(warning.message)]
