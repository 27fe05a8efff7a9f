import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dashboard
from musicml.experiment import user_folder
from tests.conftest import EXPERIMENTS

APP = str(Path(dashboard.__file__).with_name("app.py"))
# in place of Streamlit: tells how it was started, then waits for Ctrl-C if it is asked to
STREAMLIT = """
import json, os, sys, time
folders = [os.environ["MUSICML_DATA"], os.environ["MUSICML_RUNS"]]
try:
    print(json.dumps({"words": sys.argv[1:], "folders": folders}), flush=True)
    time.sleep(60 if "--wait" in sys.argv else 0)
except KeyboardInterrupt:
    sys.exit(0)
sys.exit(3)
"""


@pytest.fixture
def fake_streamlit(tmp_path, monkeypatch):
    """A package that replaces Streamlit in processes started from now on."""
    home = tmp_path / "packages/streamlit"
    home.mkdir(parents=True)
    (home / "__init__.py").touch()
    (home / "__main__.py").write_text(STREAMLIT)
    monkeypatch.setenv("PYTHONPATH", str(home.parent))


def test_the_pages_get_the_folders_and_streamlit_the_other_words(fake_streamlit, started):
    words = ["--runs", "a b", "--server.port", "8502", "--data-root", "d", "--server.headless=true"]
    process = started("dashboard", *words)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (3, ""), "the exit code is Streamlit's"
    assert json.loads(out) == {
        "words": ["run", APP, "--server.port", "8502", "--server.headless=true"],
        "folders": ["d", "a b"],
    }


def test_without_options_the_environment_sets_the_folders(fake_streamlit, started, monkeypatch):
    monkeypatch.setenv("MUSICML_RUNS", "/srv/runs")
    monkeypatch.delenv("MUSICML_DATA", raising=False)
    out, _ = started("dashboard").communicate(timeout=60)
    assert json.loads(out)["folders"] == ["data", "/srv/runs"]


def test_ctrl_c_ends_it_quietly(fake_streamlit, started):
    process = started("dashboard", "--wait")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "") and process.returncode == 0


@pytest.mark.parametrize("name", ["streamlit", "dashboard"])
def test_without_streamlit_or_the_pages_the_message_names_the_extra(name, musicml, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == name else find_spec(asked))
    code, out, err = musicml("dashboard")
    assert (code, out, len(err.splitlines())) == (2, "", 1) and 'pip install "musicml[dashboard]"' in err


def test_named_data_folders_reach_the_pages(musicml, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "call", lambda words, env: calls.append(env["MUSICML_FOLDERS"]) or 0)
    named = [tmp_path / "a", tmp_path / "b:c; d", tmp_path / 'e\n"f']
    for folder in named:
        folder.mkdir()
    assert musicml("dashboard", *(word for folder in named for word in ("--folder", folder))) == (0, "", "")
    monkeypatch.setenv("MUSICML_FOLDERS", calls[0])
    assert user_folder.list_named_folders()[:3] == named
    code, _, err = musicml("dashboard", "--folder", tmp_path / "gone")
    assert code == 2 and "Expected --folder to name a folder" in err and len(calls) == 1


def test_on_windows_it_waits_for_streamlit(musicml, monkeypatch):
    calls = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "call", lambda words, env: calls.append((words, env["MUSICML_RUNS"])) or 3)
    assert musicml("dashboard", "--runs", "r", "--theme.base", "dark") == (3, "", "")
    assert calls == [([sys.executable, "-P", "-m", "streamlit", "run", APP, "--theme.base", "dark"], "r")]

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "call", stop)
    assert musicml("dashboard") == (130, "", "")


@pytest.mark.skipif(os.name != "posix", reason="make is for POSIX systems")
def test_make_dashboard_is_the_command():
    words = ["make", "--no-print-directory", "-n", "-o", "install", "dashboard", "ARGS=--server.port 1"]
    made = subprocess.run(words, capture_output=True, text=True, cwd=EXPERIMENTS.parent)
    assert made.returncode == 0 and made.stdout.strip().endswith(".venv/bin/musicml dashboard --server.port 1")
