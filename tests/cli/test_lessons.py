import importlib.util
import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "passed"), [([], []), (["--port", "8890"], ["--port=8890"]), (["--ip=0.0.0.0"], ["--ip=0.0.0.0"])]
)
def test_lessons_are_copied_and_opened_in_their_folder(words, passed, musicml, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(subprocess, "call", lambda words, env: calls.append(words) or 0)
    code, out, err = musicml("lessons", tmp_path / "mine", "--language", "id", "--no-browser", *words)
    folder = tmp_path / "mine" / "id"
    assert (code, out, err) == (0, f"8 notebooks in {folder}\n", "") and len(list(folder.glob("*.ipynb"))) == 8
    assert calls == [[sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--no-browser", *passed]]


def test_a_value_of_an_option_of_jupyter_is_not_taken_as_the_folder(musicml, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        musicml("lessons", "--ip", "0.0.0.0")
    assert "expected --ip=0.0.0.0" in capfd.readouterr().err and not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_named(musicml, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = musicml("lessons", tmp_path / "file", "--copy-only")
    assert code == 2 and f"{tmp_path / 'file'} is not a folder" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("words", [["--copy-only"], ["--json"]])
def test_copying_alone_needs_no_jupyter(words, musicml, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, out, err = musicml("lessons", tmp_path, *words)
    assert (code, err) == (0, "") and "en" in out
    assert words == ["--copy-only"] or json.loads(out)["notebooks"][0].startswith("01_")
    code, out, err = musicml("lessons", tmp_path)
    assert code == 2 and 'pip install "musicml[lessons]"' in err and len(err.splitlines()) == 1
