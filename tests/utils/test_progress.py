import io
import logging
import sys
import threading

import pytest
import tqdm.std

from musicml.utils import Message, capture_messages, print_message, progress, show_messages, terminal


@pytest.fixture
def clock(monkeypatch):
    """The time as tqdm sees it, in a list of one number."""
    now = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    return now


@pytest.fixture
def lines(caplog):
    """The messages that were logged, as a function."""
    caplog.set_level(logging.INFO, "musicml")
    return lambda: [record.getMessage() for record in caplog.records]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch):
    """A terminal on which messages are shown; pytest would take away one that a fixture puts there."""
    package, logger = logging.Logger("musicml"), logging.Logger("musicml.utils.progress")
    logger.parent = package
    monkeypatch.setattr(terminal, "PACKAGE", package)
    monkeypatch.setattr(progress, "logger", logger)
    monkeypatch.setattr(sys, "stderr", Terminal())
    show_messages()
    return sys.stderr


def test_where_no_terminal_is_a_line_tells_now_and_then_how_far_it_is(clock, lines):
    with progress.ByteProgress("gtzan") as bar:
        bar.begin(1_210_000_000, done=10_000_000)
        for _ in range(25):
            clock[0] += 1.0
            bar.add(12_000_000)
    assert lines() == ["gtzan: 130M of 1.21G, 12.0MB/s, 01:30 left", "gtzan: 250M of 1.21G, 12.0MB/s, 01:20 left"]


def test_items_are_told_too_and_what_is_short_is_not(clock, lines):
    for _ in progress.make_progress_bar("audit", 7, iter(range(7)), unit=" files"):
        clock[0] += 6.0
    assert [line.partition(",")[0] for line in lines()] == ["audit: 2 of 7", "audit: 4 of 7", "audit: 6 of 7"]
    assert list(progress.make_progress_bar("audit", 2, iter("ab"))) == ["a", "b"] and len(lines()) == 3


def test_what_a_thread_captures_is_on_no_terminal(clock, monkeypatch):
    shown, said = open_terminal(monkeypatch), []
    with capture_messages(said.append):
        for _ in progress.make_progress_bar("audit", 4, iter(range(4)), unit="file"):
            clock[0] += 6.0
        progress.logger.info(Message("{n} files", n=3))
        other = threading.Thread(target=lambda: progress.logger.info("of another visitor"))
        other.start()
        other.join()
    assert said[0].startswith("audit: 2 of 4") and said[-1].template == "{n} files"
    assert shown.getvalue() == "of another visitor\n"
    progress.logger.info("again")
    assert shown.getvalue().endswith("\nagain\n") and said[-1] == "3 files"


def test_who_breaks_off_in_the_middle_of_a_line_leaves_others_their_bars(clock):
    def leave(line):
        raise RuntimeError("a visitor went to another page")

    with pytest.raises(RuntimeError, match="another page"), capture_messages(leave):
        for _ in progress.make_progress_bar("audit", 4, iter(range(4))):
            clock[0] += 20.0
    another = threading.Thread(target=lambda: list(progress.make_progress_bar("audit", 2, "ab")), daemon=True)
    another.start()
    another.join(10)
    assert not another.is_alive()


def test_on_a_terminal_a_bar_tells_rate_and_time_left_unless_several_experiments_are_trained(clock, monkeypatch):
    shown = open_terminal(monkeypatch)
    for speaker in ("", "one"):
        monkeypatch.setattr(terminal, "_prefix_name", speaker)
        with progress.ByteProgress("gtzan") as bar:
            bar.begin(10_000_000, done=5_000_000)
            clock[0] += 4.0
            bar.add(1_000_000)
        if not speaker:
            assert "gtzan" in shown.getvalue() and "10.0M" in shown.getvalue() and "B/s" in shown.getvalue()
            shown.seek(0)
            shown.truncate()
    assert shown.getvalue() == ""


def test_a_level_says_what_is_shown_and_a_name_whose_it_is(monkeypatch):
    shown = open_terminal(monkeypatch)
    show_messages(logging.WARNING)
    monkeypatch.setattr(terminal, "_prefix_name", "genre_cnn")
    progress.logger.info("hidden")
    progress.logger.warning("left out: %s files", 2)
    print_message("name\x1b[31m")
    assert shown.getvalue() == "genre_cnn: left out: 2 files\ngenre_cnn: name?[31m\n"


def test_a_notebook_shows_messages_as_output_and_not_as_an_error(monkeypatch, capsys):
    print_message("two files are missing")
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    print_message("all files are there")
    assert tuple(capsys.readouterr()) == ("all files are there\n", "two files are missing\n")
