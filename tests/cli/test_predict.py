import os
import shutil

import pytest

from musicml.inference import explain
from musicml.utils.errors import InputError
from musicml.utils.files import read_csv
from tests.fixtures.command_output import one_object


@pytest.mark.numeric
def test_predict_prints_one_json_object(asked_about_tones, tones, musicml):
    files = [tones / "low/1.wav", tones / "high/1.wav"]
    code, out, err = musicml("predict", asked_about_tones.path, *files, "--json")
    said = one_object(out)
    assert code == 0 and err == "" and said["run"] == str(asked_about_tones.path) and said["sample"] is False
    assert [answer["file"] for answer in said["predictions"]] == [str(file) for file in files]
    for answer, label in zip(said["predictions"], ("low", "high"), strict=True):
        keys = {"file", "label", "probability", "probabilities", "warnings", "unlike_training", "seconds"}
        assert set(answer) == keys and set(answer["seconds"]) == {"read", "model"}
        assert answer["label"] == label and answer["probability"] == answer["probabilities"][label]
        assert set(answer["probabilities"]) == {"low", "middle", "high"}
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_predict_prints_the_top_classes(asked_about_tones, trained, data_root, tones, musicml):
    code, out, _ = musicml("predict", asked_about_tones.path, tones / "low/1.wav", "--top", 1)
    assert code == 0 and "low" in out and "%" in out and "middle" not in out and "sample data" not in out
    track = next((data_root / "sample/gtzan").rglob("pop.*.wav"))
    code, out, _ = musicml("predict", trained("cnn").path, track)
    assert code == 0 and out.count("%") == 3 and "synthetic sample data" in out


def test_a_run_is_found_by_its_experiment(asked_about_tones, tones, musicml):
    words = [tones / "low/1.wav", "--json", "--runs", asked_about_tones.path.parent]
    code, out, _ = musicml("predict", asked_about_tones.info.experiment, *words)
    assert code == 0 and one_object(out)["run"] == str(asked_about_tones.path)
    code, _, err = musicml("predict", "genre_gru", *words)
    assert code == 2 and "is not a run folder" in err


@pytest.mark.numeric
def test_predict_takes_a_folder_as_its_files_and_prints_each_clip(asked_about_tones, tones, musicml):
    code, out, err = musicml("predict", asked_about_tones.path, tones / "low", tones / "high/1.wav", "--over-time")
    assert code == 0 and err == "" and out.count("0:00.0 to 0:00.5") == 9
    assert out.index("low/0.wav") < out.index("low/7.wav") < out.index("high/1.wav")
    code, out, _ = musicml("predict", asked_about_tones.path, tones / "low", "--over-time", "--json")
    for answer in one_object(out)["predictions"]:
        starts = [clip["start"] for clip in answer["over_time"]]
        assert starts == sorted(starts) and starts[0] == 0 and len(starts) == 2
        assert all(sum(clip["probabilities"].values()) == pytest.approx(1, abs=1e-4) for clip in answer["over_time"])


def test_predict_names_skipped_files_of_a_folder(asked_about_tones, tones, musicml, tmp_path):
    folder = tmp_path / "mine"
    for number, name in enumerate(("a.wav", "b.wave", "c", "deep/d.weird", os.fsdecode(b"Cort\xe9ge.wav"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tones / f"low/{number}.wav", folder / name)
    for name in ("notes.txt", "deep/more.TXT", "list.m3u", "Thumbs.db", "._a.wav"):
        (folder / name).write_text("mine")
    (folder / "gone.wav").symlink_to("nowhere.wav")
    (folder / "linked").symlink_to(tones / "high")
    words = ["predict", asked_about_tones.path, folder, "--csv", tmp_path / "a.csv", "--json"]
    code, out, err = musicml(*words)
    answers = one_object(out)["predictions"]
    assert code == 0 and len(answers) == 5 + 8 and all("label" in answer for answer in answers)
    assert "skipped by content: .txt 2, .m3u 1; the first: " in err
    assert "gone.wav: a broken link" in err
    assert [row["file"] for row in read_csv(tmp_path / "a.csv")] == [answer["file"] for answer in answers]
    assert os.fsdecode(b"%s/Cort\xe9ge.wav" % os.fsencode(folder)) in [answer["file"] for answer in answers]
    (folder / "round").symlink_to(folder)
    code, out, err = musicml(*words[:3], tones / "low/7.wav", *words[3:])
    assert code == 1 and "round leads back to" in err
    assert ["error" in one for one in one_object(out)["predictions"]] == [True, False]


def test_predict_writes_a_table_of_predictions_clips_and_errors(asked_about_tones, tones, musicml, tmp_path):
    bad = tmp_path / "text.wav"
    bad.write_text("these are words")
    words = ["predict", asked_about_tones.path, tones / "low/1.wav", bad, "--over-time", "--csv", tmp_path / "a.csv"]
    code, _, _ = musicml(*words)
    whole, *clips, failed = read_csv(tmp_path / "a.csv")
    assert code == 1 and whole["label"] == whole["present"] == "low" and float(whole["score:low"]) > 0.5
    assert [clip["start"] for clip in clips] == ["0.0", "0.512"] and "looks like text" in failed["error"]


def test_predict_writes_explanations_with_numbered_names(asked_about_tones, tones, musicml, tmp_path):
    same = [tones / "low/1.wav", tones / "high/1.wav"]
    code, out, _ = musicml("predict", asked_about_tones.path, *same, "--explain", tmp_path / "why")
    written = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert code == 0 and out.count("why low: ") == out.count("why high: ") == 1
    assert written == [f"00{number}-1.{ending}" for number in (1, 2) for ending in ("json", "png", "wav")]


# characters of three and four bytes, of two code points, of both, and some that are no letters
LONG_NAMES = ["\u97f3" * 80, "\U00020000" * 60, "e\u0301" * 80, "x" + "\u0e17\u0e35\u0e48" * 26]
LONG_NAMES += ["a" + "\u97f3\U00020000\u00fc-" * 24, "\U0001f3b5" * 62, "song " * 49]


def test_a_long_name_is_cut_between_characters_and_numbers_keep_names_distinct(
    asked_about_tones, tones, musicml, tmp_path
):
    (tmp_path / "songs").mkdir()
    for name in LONG_NAMES:
        for k in (1, 2):
            shutil.copy(tones / "low/1.wav", tmp_path / "songs" / f"{name}{k}.wav")
    words = ["--explain", tmp_path / "why", "--csv", tmp_path / "a.csv", "--json"]
    code, out, _ = musicml("predict", asked_about_tones.path, tmp_path / "songs", *words)
    assert code == 0 and len(read_csv(tmp_path / "a.csv")) == 2 * len(LONG_NAMES)
    stems = {path.stem for path in (tmp_path / "why").iterdir()}
    assert sorted(stem[:4] for stem in stems) == [f"{k:03d}-" for k in range(1, 2 * len(LONG_NAMES) + 1)]
    assert all(len(stem.encode()) <= 124 and "\ufffd" not in stem for stem in stems)
    assert all("explanation" in answer and not answer["warnings"] for answer in one_object(out)["predictions"])


@pytest.mark.parametrize("wrong", [InputError("it must be so."), OSError(36, "File name too long"), MemoryError()])
def test_a_failed_explanation_is_a_warning_and_keeps_the_prediction(
    wrong, asked_about_tones, tones, musicml, tmp_path, monkeypatch
):
    save, calls = explain.save_explanation, []

    def save_first(*words):
        calls.append(words)
        if len(calls) == 2:
            raise wrong
        return save(*words)

    monkeypatch.setattr("musicml.inference.save_explanation", save_first)
    words = [tones / "low", "--explain", tmp_path / "why", "--csv", tmp_path / "a.csv"]
    code, out, err = musicml("predict", asked_about_tones.path, *words)
    rows = read_csv(tmp_path / "a.csv")
    assert code == 1 and len(rows) == 8 and all(row["label"] == "low" and not row["error"] for row in rows)
    assert [k for k, row in enumerate(rows) if "There is no explanation: " in row["warnings"]] == [1]
    assert out.count("why low: ") == 7 and out.count("warning: There is no explanation") == 1 and "Traceback" not in err


def test_a_file_name_that_is_not_utf_8_is_printed_on_one_line(asked_about_tones, tones, started, tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff\n\x1b[31m.wav"
    shutil.copy(tones / "low/1.wav", odd)
    for words in ([], ["--json"]):
        process = started("predict", asked_about_tones.path, os.fsdecode(odd), *words)
        out, err = process.communicate()
        assert process.returncode == 0 and "Traceback" not in err and "\x1b" not in out
        assert "low" in out and not any(line.startswith("\x1b") for line in out.splitlines())


def test_predict_ends_with_1_if_some_files_fail_and_with_2_if_all_do(asked_about_tones, tones, musicml, tmp_path):
    (tmp_path / "text.wav").write_text("these are words")
    good, bad, missing = tones / "low/1.wav", tmp_path / "text.wav", tmp_path / "nowhere.wav"
    (tmp_path / "empty").mkdir()
    for files, wanted in (([good], 0), ([bad, good, missing, tmp_path / "empty"], 1), ([bad, missing], 2)):
        code, out, err = musicml("predict", asked_about_tones.path, *files, "--json")
        answers = one_object(out)["predictions"]
        assert code == wanted and [answer["file"] for answer in answers] == [str(file) for file in files]
        failed = [answer for answer in answers if "error" in answer]
        assert all(set(answer) == {"file", "error"} for answer in failed)
        assert len(failed) == len(files) - files.count(good) == err.count("musicml: ") and "Traceback" not in err
