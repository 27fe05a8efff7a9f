import importlib.util
import json
import subprocess
import sys

import pytest


def test_lessons_are_copied_and_opened_in_their_folder(musicml, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(subprocess, "call", lambda words, env: calls.append(words) or 0)
    code, out, err = musicml("lessons", tmp_path / "mine", "--language", "id", "--no-browser")
    folder = tmp_path / "mine" / "id"
    assert (code, out, err) == (0, f"8 notebooks in {folder}\n", "") and len(list(folder.glob("*.ipynb"))) == 8
    assert calls == [[sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--no-browser"]]


@pytest.mark.parametrize("words", [["--copy-only"], ["--json"]])
def test_copying_alone_needs_no_jupyter(words, musicml, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, out, err = musicml("lessons", tmp_path, *words)
    assert (code, err) == (0, "") and "en" in out
    assert words == ["--copy-only"] or json.loads(out)["notebooks"][0].startswith("01_")
    code, out, err = musicml("lessons", tmp_path)
    assert code == 2 and 'pip install "musicml[lessons]"' in err and len(err.splitlines()) == 1
