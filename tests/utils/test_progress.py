import io
import sys
import threading

import pytest
import tqdm.std

from musicml.utils import progress, terminal


@pytest.fixture
def clock(monkeypatch):
    """The time as tqdm sees it, in a list of one number."""
    now = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    return now


def test_where_no_terminal_is_a_line_tells_now_and_then_how_far_it_is(clock):
    said = []
    with progress.ByteProgress("gtzan", said.append) as shown:
        shown.begin(1_210_000_000, done=10_000_000)
        for _ in range(25):
            clock[0] += 1.0
            shown.add(12_000_000)
    assert said == ["gtzan: 130M of 1.21G, 12.0MB/s, 01:30 left", "gtzan: 250M of 1.21G, 12.0MB/s, 01:20 left"]


def test_items_are_told_too_and_what_is_short_is_not(clock):
    said = []
    for _ in progress.make_progress_bar("audit", 7, iter(range(7)), said.append, unit=" files"):
        clock[0] += 6.0
    assert [line.partition(",")[0] for line in said] == ["audit: 2 of 7", "audit: 4 of 7", "audit: 6 of 7"]
    assert list(progress.make_progress_bar("audit", 2, iter("ab"), said.append)) == ["a", "b"] and len(said) == 3


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_who_does_not_speak_on_the_terminal_hears_lines_there_too(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    said = []
    for _ in progress.make_progress_bar("audit", 4, iter(range(4)), said.append, unit="file"):
        clock[0] += 6.0
    assert said and sys.stderr.getvalue() == ""


def test_who_breaks_off_in_the_middle_of_a_line_leaves_others_their_bars(clock):
    def leave(line):
        raise RuntimeError("a visitor went to another page")

    with pytest.raises(RuntimeError, match="another page"):
        for _ in progress.make_progress_bar("audit", 4, iter(range(4)), leave):
            clock[0] += 20.0
    another = threading.Thread(target=lambda: list(progress.make_progress_bar("audit", 2, "ab")), daemon=True)
    another.start()
    another.join(10)
    assert not another.is_alive()


def test_on_a_terminal_a_bar_tells_rate_and_time_left_unless_several_processes_speak(clock, monkeypatch):
    shown = []
    for speaker in ("", "one"):
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(terminal, "speaker", speaker)
        with progress.ByteProgress("gtzan", print) as bar:
            bar.begin(10_000_000, done=5_000_000)
            clock[0] += 4.0
            bar.add(1_000_000)
        shown.append(sys.stderr.getvalue())
    assert "gtzan" in shown[0] and "10.0M" in shown[0] and "B/s" in shown[0] and shown[1] == ""
