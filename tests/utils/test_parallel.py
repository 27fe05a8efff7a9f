"""Several processes do what one does, in its order, and leave nothing behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
from joblib.externals.loky import get_reusable_executor

from musicml.utils import parallel


def kill_the_process_of_3(job):
    """A job that a helping process does not survive; in the first process it gives its place."""
    if job == 3 and multiprocessing.parent_process() is not None:
        os._exit(1)
    return job


def wait_a_moment(job):
    time.sleep(0.1)
    return job


def tell_ctrl_c(job):
    return signal.getsignal(signal.SIGINT)


def test_results_come_in_order_and_few_jobs_are_made_before_they_are_due():
    made = []
    jobs = (made.append(job) or job for job in range(12))
    results = parallel.map_in_processes(wait_a_moment, jobs, 2)
    assert next(results) == 0 and len(made) <= 7
    assert list(results) == list(range(1, 12))
    assert list(parallel.map_in_processes(abs, range(-40, 0), 2, batch_size="auto")) == list(range(40, 0, -1))


def test_what_a_killed_process_leaves_is_done_in_the_first_one():
    killed = []
    jobs = parallel.map_in_processes(kill_the_process_of_3, iter(range(9)), 2, on_kill=lambda: killed.append(1))
    assert list(jobs) == list(range(9)) and killed == [1]


def test_an_error_of_a_job_comes_out_as_itself():
    with pytest.raises(TypeError, match="bad operand"):
        list(parallel.map_in_processes(abs, [1, "a"], 2))


def test_processes_end_with_a_loop_that_is_left_early():
    results = parallel.map_in_processes(wait_a_moment, range(9), 2)
    next(results)
    processes = list(get_reusable_executor(reuse=True)._processes.values())
    with warnings.catch_warnings(action="error"):
        results.close()
    assert processes and not any(process.is_alive() for process in processes)


def test_ctrl_c_is_left_to_the_parent_by_its_processes_alone():
    assert set(parallel.map_in_processes(tell_ctrl_c, range(4), 2)) == {signal.SIG_IGN}
    # where joblib can't start processes, it calls the same in the parent
    assert parallel._call(tell_ctrl_c, 1) is signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_no_more_processes_than_cores_that_may_be_used_and_none_below_a_daemon(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert parallel.count_processes() == parallel.count_processes(most=2) == 1
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    assert (parallel.count_processes(), parallel.count_processes(most=2)) == (8, 2)
    monkeypatch.setattr("multiprocessing.current_process", lambda: type("Process", (), {"daemon": True}))
    assert parallel.count_processes() == 1


SCRIPT = """
import os, sys, time
print("begun")
from musicml.utils import parallel
def do(job):
    return os.environ["OMP_NUM_THREADS"], job
print([job for _, job in parallel.map_in_processes(do, range(5), 2)])
print({threads for threads, _ in parallel.map_in_processes(do, range(5), 2)})
from joblib.externals.loky import get_reusable_executor
print(len(get_reusable_executor(reuse=True)._processes or ()))
"""


def test_a_script_without_a_guard_is_not_run_again_and_blas_keeps_to_one_thread(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert made.stdout.splitlines() == ["begun", "[0, 1, 2, 3, 4]", "{'1'}", "0"] and made.stderr == ""


def test_whether_a_process_has_exited():
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    assert parallel.has_exited(over.pid) and not parallel.has_exited(os.getpid())
    assert not any(parallel.has_exited(known) for known in (0, -1, 2**40, "7", None, 1.5))
