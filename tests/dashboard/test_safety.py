"""Test that the served dashboard gives strangers and network neighbors nothing but its pages."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.conftest import write_tone
from tests.fixtures import fake_runs, hostile_models, hostile_runs, pages
from tests.fixtures.page_server import ROOT, Server, Visitor

MEGABYTE = 1024 * 1024
SHOWS = tuple(page for page in pages.PAGES if page != "predict")
SECRET = "a-secret-class"

# slow to import, or not installed everywhere
HEAVY = ("keras", "tensorflow", "jax", "torch", "sklearn", "librosa", "matplotlib", "numba")
LACKING = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in {heavy} else find(name, *more)
"""
OPENING = """
import json, sys
from tests.fixtures import pages
troubles, loaded = {{}}, {{}}
for page in {asked}:
    try:
        pages.opened(page)
    except BaseException as error:
        troubles[page] = str(error)
    loaded[page] = [name for name in {heavy} if name in sys.modules]
print(json.dumps([troubles, loaded]))
"""
# an unexpected exception, whose message must not reach a visitor
FAULT = """
from dashboard import layout
def run_guarded(show):
    raise RuntimeError("the word is sesame")
layout.run_guarded = run_guarded
from streamlit.web.cli import main
main(prog_name="streamlit")
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory, asked_about_tones):
    """Make a folder of runs and a run outside it; return the runs root and the data root."""
    root = tmp_path_factory.mktemp("served")
    shutil.copytree(asked_about_tones.path, root / "runs" / asked_about_tones.name)
    fake_runs.make(root / "runs", "genre_gru-20260301T141205-s0", family="gru", n=30)
    fake_runs.make(root / "runs", family="transfer", n=30)
    fake_runs.make(root / "outside", "secret", family="cnn", n=30, class_names=(SECRET, "another"))
    write_tone(root / "data/outside.wav", 440)
    return root / "runs", root / "data"


@pytest.fixture(scope="module")
def server(folders):
    with Server(*folders) as started:
        yield started


@pytest.fixture
def visitor(server):
    with Visitor(server) as come:
        yield come


def raw(server, path):
    """Request a path without normalizing it; return the status and the body."""
    asked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        return answer.status, answer.read()
    finally:
        asked.close()


def test_it_listens_to_this_machine_alone_although_started_from_another_folder(server):
    assert requests.get(f"{server.url}/_stcore/health", timeout=10).ok
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=2).close()


def test_a_file_of_twenty_megabytes_is_the_largest_that_is_taken(visitor):
    assert visitor.put(visitor.file_urls("a.wav").upload_url, "a.wav", bytes(19 * MEGABYTE)).status_code == 204
    assert visitor.put(visitor.file_urls("b.wav").upload_url, "b.wav", bytes(21 * MEGABYTE)).status_code == 413


def test_an_upload_that_lies_about_its_length_is_cut_off(visitor):
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.wav"\r\n\r\n'

    def chunks():
        yield head
        for _ in range(40):
            yield bytes(MEGABYTE)

    url = visitor.server.url + visitor.file_urls("a.wav").upload_url
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        assert visitor.http.put(url, data=chunks(), headers=kind, timeout=30).status_code == 413
    except requests.ConnectionError:
        pass  # the server closed the connection early


def test_an_upload_forged_by_another_site_is_refused(visitor):
    path = visitor.file_urls("a.wav").upload_url
    assert visitor.put(path, "a.wav", b"1234", headers={"X-Xsrftoken": None}).status_code == 403
    assert visitor.put(path, "a.wav", b"1234").status_code == 204


def test_an_upload_without_a_session_is_refused(visitor):
    assert visitor.put("/_stcore/upload_file/nobody/nothing", "a.wav", b"1234").status_code == 400


def test_a_page_of_another_site_cannot_speak_to_it(server):
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    with pytest.raises(InvalidStatus):
        connect(address, subprotocols=["streamlit"], origin="http://elsewhere.example").__enter__()
    with connect(address, subprotocols=["streamlit"], origin=server.url) as spoken:
        assert spoken.subprotocol == "streamlit"


def test_no_statistics_are_sent_and_nobody_is_asked_for_an_address(server, visitor):
    assert visitor.settings.gather_usage_stats is False
    assert "email" not in server.told().lower()


def test_a_fault_of_ours_shows_no_trace_to_a_visitor(folders):
    with Server(*folders, starting=(sys.executable, "-c", FAULT)) as server, Visitor(server) as visitor:
        (error,) = visitor.of_kind("exception")
        shown = error.SerializeToString().decode(errors="replace")
        assert "sesame" not in shown and "Traceback" not in shown and str(ROOT) not in shown
        assert "sesame" in server.told(), "the trace belongs on the terminal"


@pytest.mark.parametrize("page", pages.PAGES)
def test_an_address_opens_nothing_outside_the_folder_of_runs(server, folders, page):
    names = ["../outside/secret", str(folders[0].parent / "outside/secret")]
    names += ["..%2Foutside%2Fsecret", "../../etc", "\x00", "a" * 5000] if page in ("run", "compare") else []
    for name in names:
        with Visitor(server, page, run=name, runs=name, dataset=name) as visitor:
            assert visitor.troubles() == []
            assert visitor.of_kind("heading"), "the page has a title still"
            shown = b"".join(element.SerializeToString() for element in visitor.elements.values())
            assert SECRET.encode() not in shown


@pytest.fixture(scope="module")
def strangers(folders, tmp_path_factory):
    """Serve hostile runs, one of which names a folder of this machine."""
    root = tmp_path_factory.mktemp("strangers")
    for number, (change, _) in enumerate(hostile_runs.RUNS.values()):
        change(hostile_models.copy_run(root / f"run{number}"))
    run = fake_runs.make(root, "thief", family="cnn", n=30)
    (folders[1].parent / "private").mkdir(exist_ok=True)
    hostile_runs.with_json("run.json", data__folder=str(folders[1].parent / "private"))(run)
    for name in ("low", "high"):
        write_tone(folders[1].parent / "private" / name / "0.wav", 440)
    with Server(root, folders[1]) as started:
        yield started


@pytest.mark.parametrize("page", ["overview", "predict", "data"])
def test_no_page_breaks_over_runs_that_are_out_to_harm(strangers, page):
    with Visitor(strangers, page, run="thief") as visitor:
        shown = b"".join(element.SerializeToString() for element in visitor.elements.values()).decode(errors="replace")
        assert "An unexpected error occurred in musicml" not in shown and "Traceback" not in strangers.told()


@pytest.mark.parametrize(
    "way", ["media", "component", "component/streamlit", "_stcore/bidi-components", "static", "app/static"]
)
def test_no_file_of_the_machine_is_given_out(server, folders, way):
    ups = ("../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "%2e%2e%2f" * 12, "..%5c" * 12, "....//" * 12, "/", "//")
    for up in ups:
        for target in ("etc/passwd", str(ROOT / "setup.cfg")[1:], str(folders[1] / "outside.wav")[1:]):
            status, body = raw(server, f"/{way}/{up}{target}")
            found = b"root:" in body or b"[metadata]" in body or body[:4] == b"RIFF"
            assert not found, f"/{way}/{up}{target} was given out with {status}"


def test_uploads_and_answers_leave_no_file_behind(server, folders, asked_about_tones):
    sound = (folders[1] / "outside.wav").read_bytes()
    with Visitor(server, "predict", run=asked_about_tones.name) as visitor:
        for name, content in (("a.wav", sound), ("long.wav", sound + bytes(3 * MEGABYTE)), ("../../b.wav", b"RIFF")):
            visitor.upload("predict-files-sound", name, content)
            assert visitor.troubles() == []
            assert list(server.temporary.rglob("*")) == [], name
    assert list(server.home.rglob("*")) == []
    assert not list(folders[0].parent.rglob("b.wav"))


def opened_elsewhere(asked, runs, cwd, preparing=""):
    """Open pages in a separate process; return errors, and the heavy modules in memory after each."""
    done = subprocess.run(
        [sys.executable, "-c", (preparing + OPENING).format(heavy=HEAVY, asked=asked)],
        env={**os.environ, "MUSICML_RUNS": str(runs), "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("preparing", [LACKING, ""], ids=["lacking", "installed"])
def test_pages_that_show_never_reach_for_deep_learning(folders, tmp_path, preparing):
    others = tuple(page for page in SHOWS if page != "report")
    troubles, loaded = opened_elsewhere((*others, "report"), folders[0], tmp_path, preparing)
    assert troubles == {}
    # only reports need Matplotlib
    assert loaded.pop("report") == ([] if preparing else ["matplotlib"])
    assert list(loaded) == list(others) and not any(loaded.values())
