"""What the dashboard costs: the first look at each page, each look after it, memory, and a whole class at once.

Fifty made-up runs of a thousand predictions each, and two trained ones to ask. Pages are timed without a browser, each
in a process of its own; the rest is asked of a server over its own protocol (tests/fixtures/page_server.py), and the
last by Chromium.
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
GOALS = {"first": 2.0, "rerun": 0.15, "megabytes": 50.0, "wait": 5.0, "readable": 8.0}
REPEATS, RERUNS = 3, 20
LOOKS, ASKED, SESSIONS = 500, 50, 16
LOOKED_AT = 10  # runs that the looks go round among
SAYS = "Answer: "
LOADED = "a model is loaded"
# the same server, which says on its terminal when it loads a model
COUNTING = f"""
from musicml.inference import backends
load = backends.load_model
def told(*words):
    print("{LOADED}", flush=True)
    return load(*words)
backends.load_model = told
from streamlit.web.cli import main
main(prog_name="streamlit")
"""


def measure(cnn: Path, gru: Path, data: Path, tracks: Sequence[Path]) -> dict[str, Any]:
    """Everything that is measured of the dashboard.

    Parameters
    ----------
    cnn, gru : run folders of genre_cnn and genre_gru, with their exported models
    data : the data root that they were trained from
    tracks : sound files to ask about
    """
    from tests.fixtures import fake_runs as made_runs

    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        made_runs.many(runs)
        found = {"pages": pages(runs, data)}
        for run in (cnn, gru):
            shutil.copytree(run, runs / run.name)
        asked = [cnn.name, gru.name]
        return {
            **found,
            "memory": memory(runs, data, asked, tracks),
            "growth": growth(runs, data, asked[0], tracks),
            "at_once": at_once(runs, data, asked[0], tracks[0]),
            "readable": readable(runs, data),
        }


# Pages, each in a process of its own


def pages(runs: Path, data: Path) -> dict[str, dict[str, float]]:
    """Each result page: seconds of its first script run in a new process, and of each after it; medians."""
    found = {}
    for page in RESULTS:
        times = [alone(page, runs, data) for _ in range(REPEATS)]
        found[page] = {name: round(statistics.median(row[name] for row in times), 4) for name in ("first", "rerun")}
    return found


def alone(page: str, runs: Path, data: Path) -> dict[str, float]:
    """One page in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dashboard", page],
        cwd=ROOT,
        env={**os.environ, "MUSICML_RUNS": str(runs.absolute()), "MUSICML_DATA": str(data.absolute())},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def timed(page: str) -> dict[str, float]:
    """`alone`, within its own process: only Streamlit is imported before the clock starts.

    A server reads what every installed package says of itself when it starts, AppTest in its first run; so does this
    before the clock.
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
    first = took(app.run)
    assert not app.exception and not app.error, f"{page} went wrong: {app.error}"
    assert app.title[0].value == i18n.Words("en", page)("title"), f"{page} is not what was shown"
    return {"first": first, "rerun": statistics.median(took(app.run) for _ in range(RERUNS))}


def took(do: Callable[[], object]) -> float:
    """Seconds that something takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


# A server


def started(runs: Path, data: Path) -> Any:
    """A server that says when it loads a model."""
    from tests.fixtures.page_server import Server

    return Server(runs, data, starting=(sys.executable, "-c", COUNTING))


def asking(server: Any, run: str) -> Any:
    """A visitor who came to the page that asks a run by a link to it."""
    from tests.fixtures.page_server import Visitor

    return Visitor(server, "predict", run=run)


def ask(visitor: Any, track: Path) -> str:
    """What the page answers about a file that is uploaded."""
    visitor.upload("predict-files-sound", track.name, track.read_bytes())
    return next((line for line in visitor.said().splitlines() if SAYS in line), visitor.said())


def memory(runs: Path, data: Path, asked: Sequence[str], tracks: Sequence[Path]) -> dict[str, float]:
    """Memory of a server, MB: before anybody came, with a visitor, after one run has answered, after two."""
    from tests.fixtures.page_server import Visitor

    with started(runs, data) as server:
        found = {"nobody yet": server.memory()["rss"]}
        with Visitor(server):
            found["a visitor"] = server.memory()["rss"]
        for name, run in zip(("one model", "two models"), asked, strict=True):
            with asking(server, run) as visitor:
                ask(visitor, tracks[0])
                found[name] = server.memory()["rss"]
    return {name: round(megabytes) for name, megabytes in found.items()}


def growth(runs: Path, data: Path, run: str, tracks: Sequence[Path]) -> dict[str, Any]:
    """What a server grows by while one visitor looks and asks again and again.

    Warmed up by one round over all result pages and the runs that are looked at, and ten answers: after that
    everything that is kept between visits is there.
    """
    from tests.fixtures.page_server import Visitor

    with started(runs, data) as server, Visitor(server) as visitor, asking(server, run) as asker:
        look(visitor, LOOKED_AT * len(RESULTS))
        for number in range(10):
            ask(asker, tracks[number % len(tracks)])
        before = server.memory()
        begun = time.perf_counter()
        look(visitor, LOOKS)
        seconds = time.perf_counter() - begun
        answers = [ask(asker, tracks[number % len(tracks)]) for number in range(ASKED)]
        after = server.memory()
        right = sum(SAYS in answer for answer in answers)
        loads = server.told().count(LOADED)
    grown = {name: round(after[name] - before[name], 1) for name in ("rss", "uss")}
    return {
        "looks": LOOKS,
        "answers": right,
        **grown,
        "model_loads": loads,
        "seconds_a_look": round(seconds / LOOKS, 4),
    }


def look(visitor: Any, n: int) -> None:
    """`n` script runs: the result pages in turn, and on each another of the runs."""
    for number in range(n):
        page, turn = RESULTS[number // LOOKED_AT % len(RESULTS)], number % LOOKED_AT
        if turn == 0 or not visitor.has("run"):
            visitor.open(page)
        else:
            visitor.choose("run", turn)
        assert visitor.troubles() == [], f"{page} went wrong: {visitor.troubles()}"


def at_once(runs: Path, data: Path, run: str, track: Path) -> dict[str, Any]:
    """Sixteen visitors who ask at once, first a server that has not loaded the model yet, then the same again."""
    with started(runs, data) as server:
        visitors = [asking(server, run) for _ in range(SESSIONS)]
        found = {when: wave(visitors, track) for when in ("cold", "warm")}
        wanted = ask(visitors[0], track)
        for visitor in visitors:
            visitor.__exit__()
        loads = server.told().count(LOADED)
    answers = [answer for when in found for answer in found[when].pop("answers")]
    right = sum(answer == wanted and SAYS in answer for answer in answers)
    return {"sessions": SESSIONS, "answers": len(answers), "right": right, "model_loads": loads, **found}


def wave(visitors: Sequence[Any], track: Path) -> dict[str, Any]:
    """All ask in the same moment: their answers, and seconds from the upload until the page is done."""
    ready, answers, waits = threading.Barrier(len(visitors)), [], []

    def one(visitor: Any) -> None:
        ready.wait()
        begun = time.perf_counter()
        answers.append(ask(visitor, track))
        waits.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=one, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"longest": round(max(waits), 2), "median": round(statistics.median(waits), 2), "answers": answers}


# A browser


def readable(runs: Path, data: Path) -> dict[str, Any] | None:
    """Seconds from a new server's first sign of life until the Overview stands in Chromium; None without one."""
    from playwright.sync_api import sync_playwright

    from tests.browser.tabs import WORDS, Tab, chromium_of

    with sync_playwright() as playwright:
        path = chromium_of(playwright)
        if path is None:
            return None
        chromium = playwright.chromium.launch(executable_path=path, args=list(WORDS))
        times = []
        for _ in range(REPEATS):
            with started(runs, data) as server:
                context = chromium.new_context()
                begun = time.perf_counter()
                Tab(context, server).read()
                times.append(time.perf_counter() - begun)
                context.close()
        chromium.close()
    return {"seconds": round(statistics.median(times), 2), "longest": round(max(times), 2)}


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    grown, waited, seen = measured["growth"], measured["at_once"], measured["readable"]
    said = [
        f"{page}, 50 runs of 1,000 predictions: {row['first']:.2f} s at first{over(row['first'], 'first')}, "
        f"{row['rerun'] * 1000:.0f} ms again{over(row['rerun'], 'rerun')}"
        for page, row in measured["pages"].items()
    ]
    said += [
        "memory of a server: " + ", ".join(f"{name}: {mb:.0f} MB" for name, mb in measured["memory"].items()),
        f"{grown['looks']} looks and {grown['answers']} answers after a warm-up: {grown['rss']:+.0f} MB resident"
        f"{over(grown['rss'], 'megabytes')}, {grown['uss']:+.0f} MB its own, {grown['model_loads']} load of the model, "
        f"{grown['seconds_a_look'] * 1000:.0f} ms a look",
        f"{waited['sessions']} visitors ask at once: {waited['right']} of {waited['answers']} answers right, "
        f"{waited['model_loads']} load of the model, longest wait {waited['cold']['longest']:.2f} s"
        f"{over(waited['cold']['longest'], 'wait')} with that, {waited['warm']['longest']:.2f} s"
        f"{over(waited['warm']['longest'], 'wait')} without",
    ]
    if seen is None:
        return [*said, "Overview in a browser: not measured, no Chromium is here"]
    return [
        *said,
        f"Overview in Chromium: readable {seen['seconds']:.2f} s after a new server answers "
        f"(longest {seen['longest']:.2f}{over(seen['longest'], 'readable')})",
    ]


def over(value: float, goal: str) -> str:
    """A mark where a figure misses its goal."""
    return f" (goal: at most {GOALS[goal]:g})" if value > GOALS[goal] else ""


if __name__ == "__main__":
    print(json.dumps(timed(sys.argv[1])))
