"""Thousands of damaged files are read or refused, and a reader that does anything else is found out."""

import json
import os
import time
import warnings

import numpy as np
import pytest

from musicml.features import audio_features
from musicml.utils.errors import InputError
from tests import fuzz


# `make fuzz` reads thousands
def test_hundreds_of_damaged_sounds_and_pictures_are_read_or_refused_and_nothing_else(capsys):
    code = fuzz.main(["--sounds", "150", "--pictures", "60"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0 and found["findings"] == []
    assert (found["sounds"], found["pictures"]) == (150, 60)
    assert found["read"] + found["refused"] == 210
    assert min(found["read"], found["refused"]) > 45, "damage that is too light or too heavy finds nothing"


# That it finds what there is to find


def misbehave(source, settings):
    """A reader with a fault for each number of a file."""
    number, values = int(source.name.split("_")[1]), np.zeros((3, settings.n_bins), np.float32)
    if number == 0:
        raise ZeroDivisionError("division by zero")
    if number == 1:
        os.abort()
    if number == 2:
        time.sleep(60)
    if number == 3:
        return values + np.nan, ()
    if number == 4:
        return values[:, 1:], ()
    if number == 5:
        return values, ("Two\nlines.",)
    if number == 6:
        raise InputError("no sentence")
    if number == 7:
        warnings.warn("this is deprecated", stacklevel=1)
    if number == 8:
        begun = time.process_time()
        while time.process_time() < begun + 0.3:
            pass
    if number == 9:
        np.ones(10_000_000)
    if number == 10:
        raise InputError("song.wav must hold sound, and holds 0 bytes: copy it again.")
    return values, ("The sound is silent.",)


FAULTS = {
    0: "ZeroDivisionError: division by zero (test_fuzz.py, line ",
    1: "the process died: SIGABRT",
    2: "silent for 5 s",
    3: "the features are not all finite",
    4: "the features are of (3, 12), float32, not of (3, 13), float32",
    5: "no sentence: 'Two\\nlines.'",
    6: "no sentence: 'no sentence'",
    7: "UserWarning: this is deprecated",
    8: "read after 0.",
    9: "read after 0.",
}


@pytest.fixture(scope="module")
def found():
    """What comes of the misbehaving reader: number of a file → result."""
    limits = fuzz.Limits(seconds=0.25, silence=5, megabytes=50)
    cases = [fuzz.Case("sound", number) for number in range(13)]
    return {result.case.number: result for result in fuzz.run(cases, misbehave, limits)}


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_of_a_reader_is_a_finding(found, number):
    assert found[number].outcome == "finding" and FAULTS[number] in found[number].words


def test_files_after_a_crash_and_a_hang_are_still_read(found):
    assert sorted(found) == list(range(13))
    assert [found[number].outcome for number in (10, 11, 12)] == ["refused", "read", "read"]


def test_a_finding_is_printed_with_how_to_see_it_again_and_ends_with_1(monkeypatch, capsys, found):
    monkeypatch.setattr(fuzz, "run", lambda cases: list(found.values()))
    assert fuzz.main(["--seed", "0"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    assert (told["read"], told["refused"], len(told["findings"]), len(lines)) == (2, 1, 10, 10)
    assert "--seed 0 --only sound:1 " in "".join(lines) and "SIGABRT" in "".join(lines)
    assert told["slowest"]["file"].startswith("sound_8_") and told["largest"]["file"].startswith("sound_9_")


def test_a_reader_that_cant_start_ends_it_at_once(monkeypatch):
    monkeypatch.setattr(fuzz, "is_ready", lambda results: False)
    with pytest.raises(RuntimeError, match="must start, and did not"):
        fuzz.run([fuzz.Case("sound", 0)], misbehave)


# The damage


def test_one_file_is_made_again_and_read_in_this_process(tmp_path, capsys):
    assert fuzz.main(["--only", "sound:17", "--write", str(tmp_path / "case")]) == 0
    name, content, done = fuzz.damaged(fuzz.Case("sound", 17))
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: {len(content)} bytes after {done[0]}") and ("read:" in said or "refused:" in said)
    assert (tmp_path / "case").read_bytes() == content


def test_whole_files_are_the_same_each_time_and_their_checksums_right():
    for kind, made in (("sound", fuzz.sounds()), ("picture", fuzz.pictures())):
        assert made == fuzz.whole_files(kind)
        assert [name for name, content in made.items() if fuzz.mended(content) != content] == []


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_every_whole_file_is_read_but_one_that_moves(kind):
    refused = []
    for name, content in fuzz.whole_files(kind).items():
        outcome, words = fuzz.judged(audio_features.compute_features, content, kind, name)
        assert outcome != "finding", words
        refused += [name] if outcome == "refused" else []
    assert refused == (["moves.gif"] if kind == "picture" else [])


@pytest.mark.parametrize(("kind", "count"), [("sound", 150), ("picture", 60)])
def test_every_format_is_damaged_and_every_damage_done(kind, count):
    cases = [fuzz.damaged(fuzz.Case(kind, number)) for number in range(count)]
    assert {name.split("_", 2)[2] for name, _, _ in cases} == set(fuzz.whole_files(kind))
    done = {damage for _, _, damages in cases for damage in damages}
    assert done == {"mended", *(damage.__name__ for damage in fuzz.DAMAGES)}
    whole = fuzz.whole_files(kind)
    assert sum(content == whole[name.split("_", 2)[2]] for name, content, _ in cases) < 0.1 * count


def test_another_seed_gives_other_damage():
    contents = {fuzz.damaged(fuzz.Case("sound", 0, seed))[1] for seed in range(10)}
    assert len(contents) == 10


# What it found once


def test_a_file_that_changes_its_channels_on_the_way_ends_no_process(capsys):
    assert fuzz.main(["--only", "sound:6704"]) == 0 and "read:" in capsys.readouterr().out
