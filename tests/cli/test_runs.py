import json
import shutil

import pytest

from musicml.cli import output
from tests.fixtures.command_output import OF_A_REPORT, one_object


def test_runs_lists_complete_and_incomplete_runs(asked_about_tones, trained, musicml, tmp_path):
    for run in (asked_about_tones, trained("cnn")):
        shutil.copytree(run.path, tmp_path / run.name)
    (tmp_path / asked_about_tones.name / "report.json").unlink()
    code, out, _ = musicml("runs", "--runs", tmp_path, "--json")
    rows = {row["experiment"]: row for row in one_object(out)["runs"]}
    assert code == 0 and rows["tones"]["status"] == "trained" and "metrics" not in rows["tones"]
    assert set(rows["genre_cnn"]) >= OF_A_REPORT | {"status", "sample"} and rows["genre_cnn"]["status"] == "whole"
    code, out, _ = musicml("runs", "--runs", tmp_path)
    assert code == 0 and "gtzan (sample)" in out and "trained" in out and output.SAMPLE_NOTE in out
    code, out, _ = musicml("runs", "--runs", tmp_path / "none")
    assert code == 0 and "musicml train" in out
    code, out, _ = musicml("runs", "--runs", tmp_path / "none", "--json")
    assert code == 0 and one_object(out) == {"runs": []}


def test_a_note_and_tags_are_in_the_table_and_in_json(asked_about_tones, musicml, tmp_path):
    run = shutil.copytree(asked_about_tones.path, tmp_path / asked_about_tones.name)
    code, plain, _ = musicml("runs", "--runs", tmp_path)
    assert code == 0 and "tags" not in plain
    assert musicml("runs", "--runs", tmp_path, "--note", run.name, "nada " * 20 + "akhir")[0] == 0
    assert musicml("runs", "--runs", tmp_path, "--tag", "tones", "baseline", "lab-3")[0] == 0  # its latest run
    code, out, _ = musicml("runs", "--runs", tmp_path)
    assert "baseline, lab-3  nada nada" in out and "akhir" not in out and "..." in out
    (row,) = one_object(musicml("runs", "--runs", tmp_path, "--json")[1])["runs"]
    assert row["tags"] == ["baseline", "lab-3"] and row["note"].endswith("akhir")
    assert run.name in musicml("runs", "--runs", tmp_path, "--tagged", "lab-3")[1]
    code, out, _ = musicml("runs", "--runs", tmp_path, "--tagged", "other")
    assert code == 0 and run.name not in out and "other" in out
    words = musicml("runs", "--runs", tmp_path, "--untag", run, "baseline", "lab-3", "--json")[1]
    assert one_object(words) == {"run": str(run), "tags": [], "note": row["note"]}
    assert musicml("runs", "--runs", tmp_path, "--note", run, "")[0] == 0 and not (run / "notes.json").exists()
    assert musicml("runs", "--runs", tmp_path)[1] == plain


def test_notes_from_others_break_no_table(asked_about_tones, musicml, tmp_path):
    run = shutil.copytree(asked_about_tones.path, tmp_path / "tones")
    (run / "notes.json").write_text(json.dumps({"note": "\x1b[2J\x1b[31m", "tags": ["\x07", "fine"]}))
    code, out, _ = musicml("runs", "--runs", tmp_path)
    assert code == 0 and "fine" in out and "\x1b" not in out and "\x07" not in out


def test_a_deleted_run_is_listed_only_in_the_trash_and_can_be_restored(asked_about_tones, musicml, tmp_path):
    run = shutil.copytree(asked_about_tones.path, tmp_path / asked_about_tones.name)
    code, out, _ = musicml("runs", "--runs", tmp_path, "--delete", run.name)
    assert code == 0 and f"musicml runs --restore {run.name}" in out and not run.exists()
    assert one_object(musicml("runs", "--runs", tmp_path, "--json")[1]) == {"runs": []}
    code, out, _ = musicml("runs", "--runs", tmp_path, "--trash")
    assert code == 0 and run.name in out and str(tmp_path / ".trash") in out and "accuracy" in out
    (row,) = one_object(musicml("runs", "--runs", tmp_path, "--trash", "--json")[1])["runs"]
    assert row["run"] == str(tmp_path / ".trash" / run.name)
    code, _, err = musicml("predict", run.name, "x.wav", "--runs", tmp_path)
    assert code == 2 and f"musicml runs --restore {run.name}" in err
    words = musicml("runs", "--runs", tmp_path, "--restore", run.name, "--json")[1]
    assert one_object(words) == {"moved": [str(run)]} and run.is_dir()
    code, out, _ = musicml("runs", "--runs", tmp_path, "--trash")
    assert code == 0 and "musicml runs --delete" in out


def test_the_name_of_a_run_from_others_cannot_control_the_terminal(asked_about_tones, musicml, tmp_path):
    name = "\x1b[31mred\x1b]0;mine\x07\nnext\u202e"
    shutil.copytree(asked_about_tones.path, tmp_path / name)
    shown = musicml("runs", "--runs", tmp_path)[1]
    assert "?[31mred?]0;mine??next?" in shown and len(shown.splitlines()) == 2
    assert one_object(musicml("runs", "--runs", tmp_path, "--json")[1])["runs"][0]["run"] == str(tmp_path / name)
    for words in (["--tag", name, "x"], ["--delete", name], ["--trash"], ["--restore", name]):
        code, out, err = musicml("runs", "--runs", tmp_path, *words)
        assert code == 0 and not set(out + err) & set("\x1b\x07\u202e")
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize(("option", "other"), [("--tag", "--untag"), ("--untag", "--tag")])
def test_a_missing_tag_is_an_error_that_shows_the_syntax(option, other, asked_about_tones, musicml):
    err = musicml("runs", "--runs", asked_about_tones.path.parent, option, asked_about_tones.name)[2]
    assert f"`musicml runs {option} RUN TAG`" in err and f" {other} " not in err


@pytest.mark.parametrize(
    "words", [["--tag", "tones"], ["--note", "none", "x"], ["--untag", "tones", "x"], ["--delete", ".."]]
)
def test_an_impossible_action_is_one_message(words, asked_about_tones, musicml):
    code, out, err = musicml("runs", "--runs", asked_about_tones.path.parent, *words)
    assert code == 2 and not out and err.startswith("musicml: ") and len(err.splitlines()) == 1
