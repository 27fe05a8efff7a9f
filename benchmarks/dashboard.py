"""Measure the dashboard: time to open and rerun each page, memory, and a class of visitors at the same time.

The data are fifty generated runs with a thousand predictions each, and two trained runs for predictions. Pages are
timed without a browser, each in its own process. Other measurements talk to a server over its own protocol
(tests/fixtures/page_server.py), and the last one uses Chromium.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
APP = ROOT / "dashboard/app.py"
RESULTS = ("overview", "curves", "run", "confusion", "classes", "compare")
# upper limits: seconds, and megabytes of growth
GOALS = {"first": 2.0, "rerun": 0.15, "megabytes": 50.0, "wait": 5.0, "readable": 8.0}
N_REPEATS, N_RERUNS = 3, 20
N_VIEWS, N_PREDICTIONS, N_SESSIONS = 500, 50, 16
N_RUNS_VIEWED = 10  # the views cycle through these runs
STATES = {"nobody yet": "no visitor", "a visitor": "one visitor"}  # keys of the results → their names on the page
PREDICTION_PREFIX = "Predicted: "
LOAD_MESSAGE = "a model is loaded"
# the usual server, but it prints a line when it loads a model
SERVER_CODE = f"""
from musicml.inference import backends
load = backends.load_model
def load_and_print(*args):
    print("{LOAD_MESSAGE}", flush=True)
    return load(*args)
backends.load_model = load_and_print
from streamlit.web.cli import main
main(prog_name="streamlit")
"""


def measure(cnn: Path, gru: Path, data: Path, tracks: Sequence[Path]) -> dict[str, Any]:
    """Run all measurements of the dashboard.

    Parameters
    ----------
    cnn, gru : run folders of genre_cnn and genre_gru, with their exported models
    data : the data root that they were trained from
    tracks : sound files to predict
    """
    from tests.fixtures import fake_runs

    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        fake_runs.many(runs)
        results = {"pages": _measure_pages(runs, data)}
        for run in (cnn, gru):
            shutil.copytree(run, runs / run.name)
        names = [cnn.name, gru.name]
        return {
            **results,
            "memory": _measure_memory(runs, data, names, tracks),
            "growth": _measure_growth(runs, data, names[0], tracks),
            "at_once": _measure_parallel_visitors(runs, data, names[0], tracks[0]),
            "readable": _measure_browser(runs, data),
        }


# Pages, each in its own process


def _measure_pages(runs: Path, data: Path) -> dict[str, dict[str, float]]:
    """Measure the median seconds of each page's first script run in a new process, and of its reruns."""
    results = {}
    for page in RESULTS:
        times = [_run_page(page, runs, data) for _ in range(N_REPEATS)]
        results[page] = {name: round(statistics.median(row[name] for row in times), 4) for name in ("first", "rerun")}
    return results


def _run_page(page: str, runs: Path, data: Path) -> dict[str, float]:
    """Time one page in a new process."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.dashboard", page],
        cwd=ROOT,
        env={**os.environ, "MUSICML_RUNS": str(runs.absolute()), "MUSICML_DATA": str(data.absolute())},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])  # libraries may print before it


def _time_page(page: str) -> dict[str, float]:
    """Time one page in this process. Only Streamlit is imported before the clock starts.

    A server scans the manifests of all installed packages when it starts, but AppTest in its first run. So the scan is
    done before the clock starts.
    """
    from streamlit.components.v2 import manifest_scanner
    from streamlit.testing.v1 import AppTest

    from dashboard import i18n
    from dashboard.app_pages import find_page

    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
    manifest_scanner.scan_component_manifests()

    app = AppTest.from_file(str(APP), default_timeout=60)
    if page != "overview":
        app.switch_page(find_page(page))
    first = _time_call(app.run)
    assert not app.exception and not app.error, f"{page} failed: {app.error}"
    assert app.title[0].value == i18n.Words("en", page)("title"), f"another page than {page} was shown"
    return {"first": first, "rerun": statistics.median(_time_call(app.run) for _ in range(N_RERUNS))}


def _time_call(do: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


# A server


def _start_server(runs: Path, data: Path) -> Any:
    """Start a server that prints a line when it loads a model."""
    from tests.fixtures.page_server import Server

    return Server(runs, data, starting=(sys.executable, "-c", SERVER_CODE))


def _open_predict_page(server: Any, run: str) -> Any:
    """Open the predict page of a run by its link, as a new visitor."""
    from tests.fixtures.page_server import Visitor

    return Visitor(server, "predict", run=run)


def _upload(visitor: Any, track: Path) -> str:
    """Upload a file, and return the line with the prediction, or all text if there is none."""
    visitor.upload("predict-files-sound", track.name, track.read_bytes())
    return next((line for line in visitor.said().splitlines() if PREDICTION_PREFIX in line), visitor.said())


def _measure_memory(runs: Path, data: Path, names: Sequence[str], tracks: Sequence[Path]) -> dict[str, float]:
    """Measure the memory of a server in MB: without visitors, with one, and after predictions of one and two runs."""
    from tests.fixtures.page_server import Visitor

    with _start_server(runs, data) as server:
        results = {"nobody yet": server.memory()["rss"]}
        with Visitor(server):
            results["a visitor"] = server.memory()["rss"]
        for name, run in zip(("one model", "two models"), names, strict=True):
            with _open_predict_page(server, run) as visitor:
                _upload(visitor, tracks[0])
                results[name] = server.memory()["rss"]
    return {name: round(megabytes) for name, megabytes in results.items()}


def _measure_growth(runs: Path, data: Path, run: str, tracks: Sequence[Path]) -> dict[str, Any]:
    """Measure how much the memory of a server grows while one visitor views pages and makes predictions.

    First, one round over all result pages and runs, and ten predictions, fill the server's caches.
    """
    from tests.fixtures.page_server import Visitor

    with _start_server(runs, data) as server, Visitor(server) as visitor, _open_predict_page(server, run) as asker:
        _browse(visitor, N_RUNS_VIEWED * len(RESULTS))
        for number in range(10):
            _upload(asker, tracks[number % len(tracks)])
        before = server.memory()
        start = time.perf_counter()
        _browse(visitor, N_VIEWS)
        seconds = time.perf_counter() - start
        answers = [_upload(asker, tracks[number % len(tracks)]) for number in range(N_PREDICTIONS)]
        after = server.memory()
        right = sum(PREDICTION_PREFIX in answer for answer in answers)
        loads = server.told().count(LOAD_MESSAGE)
    grown = {name: round(after[name] - before[name], 1) for name in ("rss", "uss")}
    return {
        "looks": N_VIEWS,
        "answers": right,
        **grown,
        "model_loads": loads,
        "seconds_a_look": round(seconds / N_VIEWS, 4),
    }


def _browse(visitor: Any, n: int) -> None:
    """View `n` pages: the result pages in turn, each with all the runs."""
    for number in range(n):
        page, turn = RESULTS[number // N_RUNS_VIEWED % len(RESULTS)], number % N_RUNS_VIEWED
        if turn == 0 or not visitor.has("run"):
            visitor.open(page)
        else:
            visitor.choose("run", turn)
        assert visitor.troubles() == [], f"{page} failed: {visitor.troubles()}"


def _measure_parallel_visitors(runs: Path, data: Path, run: str, track: Path) -> dict[str, Any]:
    """Measure predictions of sixteen visitors at the same time, before and after the server has loaded the model."""
    with _start_server(runs, data) as server:
        visitors = [_open_predict_page(server, run) for _ in range(N_SESSIONS)]
        results = {when: _upload_in_parallel(visitors, track) for when in ("cold", "warm")}
        wanted = _upload(visitors[0], track)  # a prediction made alone, to compare with
        for visitor in visitors:  # not a with statement, since there are sixteen
            visitor.__exit__()
        loads = server.told().count(LOAD_MESSAGE)
    answers = [answer for when in results for answer in results[when].pop("answers")]
    right = sum(answer == wanted and PREDICTION_PREFIX in answer for answer in answers)
    return {"sessions": N_SESSIONS, "answers": len(answers), "right": right, "model_loads": loads, **results}


def _upload_in_parallel(visitors: Sequence[Any], track: Path) -> dict[str, Any]:
    """Upload a file from all visitors at once. Return the predictions and the seconds until each page was complete."""
    ready, answers, waits = threading.Barrier(len(visitors)), [], []

    def upload(visitor: Any) -> None:
        """Upload the file and time it."""
        ready.wait()  # all uploads start together
        start = time.perf_counter()
        answers.append(_upload(visitor, track))
        waits.append(time.perf_counter() - start)

    threads = [threading.Thread(target=upload, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"longest": round(max(waits), 2), "median": round(statistics.median(waits), 2), "answers": answers}


# A browser


def _measure_browser(runs: Path, data: Path) -> dict[str, Any] | None:
    """Measure the seconds from a new server's first response until the Overview is shown; None without Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.browser.tabs import WORDS, Tab, chromium_of

    with sync_playwright() as playwright:
        path = chromium_of(playwright)
        if path is None:
            return None
        chromium = playwright.chromium.launch(executable_path=path, args=list(WORDS))
        times = []
        for _ in range(N_REPEATS):
            with _start_server(runs, data) as server:
                context = chromium.new_context()  # without a browser cache
                start = time.perf_counter()
                Tab(context, server).read()
                times.append(time.perf_counter() - start)
                context.close()
        chromium.close()
    return {"seconds": round(statistics.median(times), 2), "longest": round(max(times), 2)}


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results in sentences."""
    growth, parallel, browser = results["growth"], results["at_once"], results["readable"]
    sentences = [
        f"{page}, 50 runs with 1,000 predictions: {row['first']:.2f} s to open"
        f"{_mark_missed_goal(row['first'], 'first')}, {row['rerun'] * 1000:.0f} ms for a rerun"
        f"{_mark_missed_goal(row['rerun'], 'rerun')}"
        for page, row in results["pages"].items()
    ]
    megabytes = ", ".join(f"{STATES.get(state, state)} {mb:.0f} MB" for state, mb in results["memory"].items())
    cold, warm = (parallel[state]["longest"] for state in ("cold", "warm"))
    sentences += [
        f"memory of a server: {megabytes}",
        f"{growth['looks']} views and {growth['answers']} predictions after a warm-up: {growth['rss']:+.0f} MB of "
        f"resident memory{_mark_missed_goal(growth['rss'], 'megabytes')}, {growth['uss']:+.0f} MB of private memory, "
        f"model loaded {growth['model_loads']} time, {growth['seconds_a_look'] * 1000:.0f} ms per view",
        f"{parallel['sessions']} visitors at once: {parallel['right']} of {parallel['answers']} predictions correct, "
        f"model loaded {parallel['model_loads']} time, longest wait {cold:.2f} s{_mark_missed_goal(cold, 'wait')} "
        f"including the load, {warm:.2f} s{_mark_missed_goal(warm, 'wait')} without it",
    ]
    if browser is None:
        return [*sentences, "Overview in a browser: not measured, Chromium was not found"]
    return [
        *sentences,
        f"Overview in Chromium: shown {browser['seconds']:.2f} s after the first response of a new server "
        f"(longest {browser['longest']:.2f}{_mark_missed_goal(browser['longest'], 'readable')})",
    ]


def _mark_missed_goal(value: float, goal: str) -> str:
    """Return a remark if a value exceeds its goal, else ""."""
    return f" (goal: at most {GOALS[goal]:g})" if value > GOALS[goal] else ""


if __name__ == "__main__":
    print(json.dumps(_time_page(sys.argv[1])))
