"""Notes and tags: the user's words stay apart from what a figure depends on, and a stranger's break nothing."""

import json
import os

import pytest

from musicml.experiment import notes
from musicml.experiment.run import create_run
from musicml.utils.errors import InputError


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path, "genre_gru", 0, "[data]\n", {})


def test_a_note_and_tags_are_kept_beside_an_unchanged_run(run, snapshot):
    (run.path / "report.json").write_text("{}")  # a complete run, which is never changed
    before = snapshot(run.path)
    notes.write_note(run, "  Café, \N{MUSICAL NOTE} *first* try ")
    notes.add_tags(run, ["baseline", "lab-3", "baseline"])
    assert notes.read_notes(run) == notes.RunNotes("Café, \N{MUSICAL NOTE} *first* try", ("baseline", "lab-3"))
    notes.add_tags(run, ["kuis_2"])
    notes.remove_tags(run, ["lab-3"])
    assert notes.read_notes(run).tags == ("baseline", "kuis_2")
    after = snapshot(run.path)
    assert after.pop("notes.json") and after == before
    notes.write_note(run, "")
    notes.remove_tags(run, ["baseline", "kuis_2"])
    assert snapshot(run.path) == before  # nothing is left of them


@pytest.mark.parametrize("text", ["x" * 2001, "two\nlines", "\x1b[31mred", "turned \u202e round", "half \udce9", "\0"])
def test_a_note_that_a_terminal_or_a_page_could_not_show_is_refused(text, run):
    notes.write_note(run, "y" * 2000)
    with pytest.raises(InputError, match="2000 printable characters"):
        notes.write_note(run, text)
    assert notes.read_notes(run).note == "y" * 2000


@pytest.mark.parametrize("tag", ["", " ", "a b", "-x", "x" * 41, "a\n", "../up", "<b>", "\x1b", "a,b", "\udce9"])
def test_a_tag_of_other_characters_is_refused(tag, run):
    notes.add_tags(run, ["x" * 40, "Ünïcode_7-z", "\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}t"])
    with pytest.raises(InputError, match="40 letters"):
        notes.add_tags(run, ["fine", tag])
    assert notes.read_notes(run).tags == ("x" * 40, "Ünïcode_7-z", "\N{LATIN SMALL LETTER E WITH ACUTE}t")


def test_a_run_has_so_many_tags_and_no_more(run):
    notes.add_tags(run, [f"t{k}" for k in range(50)])
    with pytest.raises(InputError, match="at most 50 tags"):
        notes.add_tags(run, ["one-more"])
    notes.add_tags(run, ["t7"])  # which it has
    with pytest.raises(InputError, match="got other"):
        notes.remove_tags(run, ["t7", "other"])
    assert len(notes.read_notes(run).tags) == 50


HOSTILE = {
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"note": "\xff"}',
    "nested": b"[" * 50_000,
    "list": b'["note"]',
    "other types": b'{"note": 7, "tags": {"a": 1}}',
    "number": b"1" * 5_000,
    "large": b'{"note": "fine", "tags": []}' + b" " * 200_000,
    "not allowed": json.dumps({"note": "\x1b[2J", "tags": ["<script>", "x" * 41, 7, None, ["a"]]}).encode(),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_strangers_notes_break_nothing_and_can_be_replaced(content, run):
    (run.path / "notes.json").write_bytes(content)
    assert notes.read_notes(run) == notes.RunNotes()
    assert notes.write_note(run, "mine") == notes.read_notes(run) == notes.RunNotes("mine")


def test_what_is_valid_among_a_strangers_tags_is_kept(run):
    (run.path / "notes.json").write_text(json.dumps({"note": None, "tags": ["a", "<b>", "a", *map(str, range(90))]}))
    assert notes.read_notes(run).tags[:2] == ("a", "0") and len(notes.read_notes(run).tags) == 50


def test_notes_are_not_read_through_a_link_a_pipe_or_a_folder(run, tmp_path):
    path, other = run.path / "notes.json", tmp_path / "secret.json"
    other.write_text('{"note": "secret"}')
    path.symlink_to(other)
    assert notes.read_notes(run) == notes.RunNotes()
    path.unlink()
    os.mkfifo(path)
    assert notes.read_notes(run) == notes.RunNotes()
    path.unlink()
    path.mkdir()
    assert notes.read_notes(run) == notes.RunNotes()
