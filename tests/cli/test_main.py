import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from musicml.cli import main, output
from musicml.experiment import run as runs
from musicml.utils.files import read_csv
from tests.conftest import EXPERIMENTS, TONES, write_tone

COMMANDS = ["fetch", "train", "train-all", "evaluate", "predict", "export", "compare", "runs", "doctor"]
OF_A_REPORT = {"run", "split", "n", "main_metric", "metrics", "intervals"}
FIGURES = {"accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc", "mean_average_precision"}


def one_object(out):
    """The one JSON object that standard output is; a second line or a NaN fails."""
    assert out.endswith("\n") and out.count("\n") == 1

    def never(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(out, parse_constant=never)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_what_a_command_does_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as left:
        main.main([command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and f"Example: musicml {command}" in out
    assert all(option in out for option in ("--data-root", "--runs", "--json"))


def test_help_names_every_command_and_a_first_walk(capsys):
    with pytest.raises(SystemExit) as left:
        main.main(["--help"])
    out = capsys.readouterr().out
    assert (
        left.value.code == 0 and all(command in out for command in COMMANDS) and "first walk" in " ".join(out.split())
    )


def test_an_unknown_command_or_no_command_ends_with_2(capsys):
    for words in ([], ["trian"], ["train", "--seed", "-1", "x"]):
        with pytest.raises(SystemExit) as left:
            main.main(words)
        assert left.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_the_installed_command_answers_without_waking_keras(started, asked_about_tones, tones):
    process = started("predict", asked_about_tones.path, tones / "low/2.wav", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and one_object(out)["predictions"][0]["label"] == "low" and err == ""
    asked = ["predict", str(asked_about_tones.path), str(tones / "low/2.wav")]
    code = f"""import sys
from musicml.cli import main as cli
for words in (["runs"], ["doctor"], {asked}):
    cli.main(words)
print(sorted({{"keras", "tensorflow", "jax", "librosa"}} & set(sys.modules)))"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert made.stdout.splitlines()[-1] == "[]"


def test_training_a_network_prints_one_json_object_and_its_progress_elsewhere(
    tones, data_root, musicml, trained, tmp_path
):
    words = ["train", EXPERIMENTS / "genre_gru.toml", "--folder", tones, "--data-root", data_root, "--runs", tmp_path]
    small = ["model.units=[4]", "training.epochs=1", "features.sample_rate=8000", "clips.seconds=1.0"]
    code, out, err = musicml(*words, "--json", *[word for change in small for word in ("--set", change)])
    said = one_object(out)
    assert code == 0 and set(said) >= OF_A_REPORT and set(said["metrics"]) >= FIGURES
    assert said["split"] == "test" and said["main_metric"] == "accuracy" and said["sample"] is False
    assert set(said["intervals"]) >= FIGURES
    assert all(low <= high for low, high in filter(None, said["intervals"].values()))
    for words in ("genre_gru", "dtype policy: float32", "epoch 1/1", "s left", "evaluated"):
        assert words in err
    (run,) = runs.list_runs(tmp_path)
    assert said["run"] == str(run.path) and run.is_whole


def test_evaluate_prints_one_json_object(asked_about_tones, trained, musicml):
    code, out, _ = musicml("evaluate", asked_about_tones.path, "--json")
    said = one_object(out)
    assert code == 0 and set(said) >= OF_A_REPORT and said["run"] == str(asked_about_tones.path)
    assert said["metrics"]["accuracy"] == 1.0
    code, out, _ = musicml("evaluate", trained("multi").name, "--runs", trained("multi").path.parent, "--json")
    said = one_object(out)
    assert code == 0 and said["main_metric"] == "mean_average_precision" and said["sample"] is True
    assert set(said["metrics"]) >= (FIGURES - {"accuracy"}) | {"mean_f1_both_sides"} and said["observed"] > 0
    assert set(said["at_half"]["metrics"]) == set(said["metrics"]) and len(said["thresholds"]) > 1


def test_a_person_gets_a_table_by_class_and_is_told_of_sample_data(asked_about_tones, trained, musicml):
    code, out, _ = musicml("evaluate", asked_about_tones.path)
    assert code == 0 and all(name in out for name in ("low", "middle", "high", "precision", "accuracy 1.000"))
    assert "sample data" not in out
    code, out, _ = musicml("evaluate", trained("cnn").path)
    assert code == 0 and "jazz" in out and "*" in out.splitlines()[0] and output.SAMPLE_NOTE in out
    made = trained("cnn").read("report.json")
    (low, high), jazz = made["intervals"]["macro_f1"], next(row for row in made["per_class"] if row["class"] == "jazz")
    assert f"macro_f1 {made['metrics']['macro_f1']:.3f} ({low:.3f} to {high:.3f})" in " ".join(out.split())
    line = next(line for line in out.splitlines() if line.startswith("jazz "))
    assert line.endswith(output.ends(jazz["intervals"]["f1"], "-"))
    code, out, _ = musicml("evaluate", trained("multi").path)
    assert code == 0 and "at the thresholds fitted on validation, and at 0.5: macro_precision" in out


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
    assert code == 0 and out.count("%") == 3 and "generated sample data" in out


@pytest.mark.numeric
def test_predict_takes_a_folder_as_its_files_and_tells_each_clip(asked_about_tones, tones, musicml):
    code, out, err = musicml("predict", asked_about_tones.path, tones / "low", tones / "high/1.wav", "--over-time")
    assert code == 0 and err == "" and out.count("0:00.0 to 0:00.5") == 9
    assert out.index("low/0.wav") < out.index("low/7.wav") < out.index("high/1.wav")
    code, out, _ = musicml("predict", asked_about_tones.path, tones / "low", "--over-time", "--json")
    for answer in one_object(out)["predictions"]:
        starts = [clip["start"] for clip in answer["over_time"]]
        assert starts == sorted(starts) and starts[0] == 0 and len(starts) == 2
        assert all(sum(clip["probabilities"].values()) == pytest.approx(1, abs=1e-4) for clip in answer["over_time"])


def test_an_empty_folder_is_one_of_the_files_that_failed(asked_about_tones, tones, musicml, tmp_path):
    code, out, err = musicml("predict", asked_about_tones.path, tmp_path, tones / "low/1.wav")
    assert code == 1 and "is a folder: name files" in err and "low/1.wav" in out


def test_predict_writes_a_table_of_answers_clips_and_failures(asked_about_tones, tones, musicml, tmp_path):
    bad = tmp_path / "text.wav"
    bad.write_text("these are words")
    words = ["predict", asked_about_tones.path, tones / "low/1.wav", bad, "--over-time", "--csv", tmp_path / "a.csv"]
    code, _, _ = musicml(*words)
    whole, *clips, failed = read_csv(tmp_path / "a.csv")
    assert code == 1 and whole["label"] == whole["present"] == "low" and float(whole["score:low"]) > 0.5
    assert [clip["start"] for clip in clips] == ["0.0", "0.512"] and "looks like text" in failed["error"]


def test_predict_writes_where_the_run_looked_under_numbered_names(asked_about_tones, tones, musicml, tmp_path):
    same = [tones / "low/1.wav", tones / "high/1.wav"]
    code, out, _ = musicml("predict", asked_about_tones.path, *same, "--explain", tmp_path / "why")
    written = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert code == 0 and out.count("why low: ") == out.count("why high: ") == 1
    assert written == [f"00{number}-1.{ending}" for number in (1, 2) for ending in ("json", "png", "wav")]


def test_a_file_whose_name_is_no_text_is_answered_on_one_line(asked_about_tones, tones, started, tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff\n\x1b[31m.wav"
    shutil.copy(tones / "low/1.wav", odd)
    for words in ([], ["--json"]):
        process = started("predict", asked_about_tones.path, os.fsdecode(odd), *words)
        out, err = process.communicate()
        assert process.returncode == 0 and "Traceback" not in err and "\x1b" not in out
        assert "low" in out and not any(line.startswith("\x1b") for line in out.splitlines())


def test_export_writes_a_folder_and_what_its_check_said(asked_about_tones, musicml, tmp_path):
    code, out, _ = musicml("export", asked_about_tones.path, "--to", tmp_path / "taken")
    assert code == 0 and "differ by at most" in out and (tmp_path / "taken/model.onnx").is_file()
    code, _, err = musicml("export", asked_about_tones.path, "--to", tmp_path / "taken")
    assert code == 2 and "must be a new folder" in err
    code, _, err = musicml("export", asked_about_tones.path, "--format", "litert", "--to", tmp_path / "other")
    assert code == 2 and "is a forest" in err and not (tmp_path / "other").exists()


def test_predict_ends_with_1_where_some_files_and_with_2_where_all_fail(asked_about_tones, tones, musicml, tmp_path):
    (tmp_path / "text.wav").write_text("these are words")
    good, bad, missing = tones / "low/1.wav", tmp_path / "text.wav", tmp_path / "nowhere.wav"
    for files, wanted in (([good], 0), ([bad, good, missing], 1), ([bad, missing], 2)):
        code, out, err = musicml("predict", asked_about_tones.path, *files, "--json")
        answers = one_object(out)["predictions"]
        assert code == wanted and [answer["file"] for answer in answers] == [str(file) for file in files]
        failed = [answer for answer in answers if "error" in answer]
        assert all(set(answer) == {"file", "error"} for answer in failed)
        assert len(failed) == len(files) - files.count(good) == err.count("musicml: ") and "Traceback" not in err


def test_runs_lists_whole_and_unfinished_runs(asked_about_tones, trained, musicml, tmp_path):
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


def test_doctor_prints_what_it_found(data_root, musicml, tmp_path):
    code, out, _ = musicml("doctor", "--data-root", data_root, "--runs", tmp_path, "--json")
    findings = one_object(out)["findings"]
    assert all(set(finding) == {"what", "state", "words"} for finding in findings)
    states = {finding["what"]: finding["state"] for finding in findings}
    assert states["Python"] == states["Keras"] == states["sound"] == states["gtzan"] == "ok"
    assert states["instrument_sounds"] == "note" and code == (1 if "problem" in states.values() else 0)
    code, out, _ = musicml("doctor", "--data-root", data_root, "--runs", tmp_path)
    assert "generated sample data" in out and "{" not in out


def test_fetch_writes_sample_data(musicml, tmp_path):
    code, out, err = musicml(
        "fetch", "instrument_images", "--sample", "--scale", 0.02, "--data-root", tmp_path, "--json"
    )
    assert code == 0 and one_object(out) == {"folders": [str(tmp_path / "sample/instrument_images")]}
    assert "sample data" in err and (tmp_path / "sample/instrument_images/train/banjo").is_dir()


def test_set_and_seed_reach_the_run(tones, tones_toml, data_root, musicml, tmp_path):
    words = ["train", tones_toml, "--folder", tones, "--data-root", data_root, "--runs", tmp_path, "--json"]
    changes = ["--set", "model.n_estimators=3", "--set", "features.n_mels=12", "--set", "data.split=group"]
    code, out, _ = musicml(*words, "--seed", 3, *changes)
    (run,) = runs.list_runs(tmp_path)
    facts = run.read("run.json")
    assert code == 0 and one_object(out)["run"].endswith("-s3") and facts["seed"] == facts["split"]["seed"] == 3
    assert facts["overrides"] == {"model.n_estimators": 3, "features.n_mels": 12, "data.split": "group"}
    assert facts["settings"]["model"]["n_estimators"] == 3
    assert run.read("serving.json")["features"]["n_mels"] == run.read("serving.json")["input_shape"][1] == 12
    assert all(layer["trees"] == 3 for layer in run.read("layers.json"))
    code, _, _ = musicml(*words, "--seed", 4, *changes)
    first, second = (run.table("split.csv") for run in runs.list_runs(tmp_path))
    assert code == 0 and first != second


def test_a_run_is_found_by_its_name_and_an_experiment_by_its_own(asked_about_tones, musicml, monkeypatch):
    code, out, _ = musicml("evaluate", asked_about_tones.name, "--runs", asked_about_tones.path.parent, "--json")
    assert code == 0 and one_object(out)["run"] == str(asked_about_tones.path)
    monkeypatch.chdir(EXPERIMENTS.parent)
    assert (
        main.trained.experiment_path("genre_gru").is_file()
        and main.trained.experiment_path("experiments/genre_gru.toml").is_file()
    )


def test_files_shorter_than_a_clip_are_repeated_and_said(tones_toml, data_root, musicml, tmp_path):
    for name, hertz in (("low", 200), ("high", 2500)):
        for number in range(6):
            write_tone(tmp_path / "short" / name / f"{number}.wav", hertz + number, 0.3)
    words = ["train", tones_toml, "--folder", tmp_path / "short", "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, _, err = musicml(*words)
    assert code == 0 and "12 of 12 files with a warning, the first, high/0.wav: " in err
    (line,) = [line for line in err.splitlines() if "with a warning" in line]
    assert "0.3" in line and "repeated" in line
    (run,) = runs.list_runs(tmp_path / "runs")
    assert run.read("run.json")["data"]["with_warnings"] == 12 and run.is_whole


@pytest.fixture
def experiments(tmp_path):
    """A folder of four experiments: one that can't be read, one that fails in training, two that are sound."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a_impossible.toml").write_text(TONES.replace("n_mels = 16", "n_mels = -1"))
    (folder / "b_good.toml").write_text(TONES)
    (folder / "c_pictures.toml").write_text((EXPERIMENTS / "instrument_images_resnet50.toml").read_text())
    (folder / "d_good.toml").write_text(TONES)
    return folder


def test_train_all_goes_on_names_what_failed_and_closes_with_a_table(experiments, data_root, musicml, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    code, out, err = musicml(*words, "--set", "data.dataset=gtzan", "--set", "data.split=group")
    assert code == 1 and "Traceback" not in err
    assert "a_impossible failed: features.n_mels = -1" in err and "c_pictures failed: " in err
    lines = out.splitlines()
    assert lines[0].split()[0] == "experiment" and lines[-1] == output.SAMPLE_NOTE
    assert [line.split()[0] for line in lines[1:5]] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["failed" in line for line in lines[1:5]] == [True, False, True, False]
    assert all("accuracy" in lines[place] and " s " in lines[place] for place in (2, 4))
    whole = [run for run in runs.list_runs(tmp_path / "runs") if run.is_whole]
    assert [run.read("run.json")["experiment"] for run in whole] == ["b_good", "d_good"]
    assert all(str(run.path) in out for run in whole)


def test_train_all_goes_on_whatever_an_experiment_raises(experiments, data_root, musicml, monkeypatch, tmp_path):
    from musicml.training import trainer

    (experiments / "c_pictures.toml").unlink()
    real = trainer.train_forest

    def sometimes(run, *rest):
        if "b_good" in run.name:
            raise TypeError("a fault\nwith a second line")
        return real(run, *rest)

    monkeypatch.setattr(trainer, "train_forest", sometimes)
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs", "--json"]
    code, out, err = musicml(*words, "--set", "data.split=group")
    rows = {row["experiment"]: row for row in one_object(out)["experiments"]}
    assert code == 1 and rows["b_good"]["error"] == "a fault" and "b_good failed: a fault" in err
    assert set(rows["d_good"]) >= OF_A_REPORT | {"seconds"} and "error" not in rows["d_good"]


def test_train_all_ends_with_0_where_all_is_well(experiments, data_root, musicml, tmp_path):
    for name in ("a_impossible", "c_pictures", "d_good"):
        (experiments / f"{name}.toml").unlink()
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs", "--json"]
    code, out, _ = musicml(*words)
    assert code == 0 and [row["experiment"] for row in one_object(out)["experiments"]] == ["b_good"]


def test_train_all_trains_several_at_a_time_and_says_whose_words_are_whose(experiments, data_root, tmp_path):
    words = ["train-all", "--experiments", experiments, "--data-root", data_root, "--runs", tmp_path / "runs"]
    words += ["--jobs", "2", "--json", "--set", "data.dataset=gtzan", "--set", "data.split=group"]
    # a process of its own, whose words are those of the processes that it starts, too
    ended = subprocess.run([sys.executable, "-m", "musicml.cli", *map(str, words)], capture_output=True, text=True)
    rows = one_object(ended.stdout)["experiments"]
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert [row["experiment"] for row in rows] == ["a_impossible", "b_good", "c_pictures", "d_good"]
    assert ["error" in row for row in rows] == [True, False, True, False]
    assert "a_impossible: failed: features.n_mels = -1" in ended.stderr
    said = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert set(said) == {"a_impossible", "b_good", "c_pictures", "d_good"}
    assert {Path(row["run"]).name for row in rows if "run" in row} == {
        run.name for run in runs.list_runs(tmp_path / "runs") if run.is_whole
    }


def test_a_wav_an_mp3_and_a_flac_are_answered(asked_about_tones, tones, musicml, tmp_path):
    y, sample_rate = soundfile.read(tones / "middle/3.wav")
    files = [tmp_path / f"tone.{ending}" for ending in ("wav", "mp3", "flac")]
    for file in files:
        soundfile.write(file, y, sample_rate)
    code, out, _ = musicml("predict", asked_about_tones.path, *files, "--json")
    assert code == 0 and [answer["label"] for answer in one_object(out)["predictions"]] == ["middle"] * 3


def test_confused_classes_keep_their_names_where_another_has_no_examples(capsys):
    rows = [{"class": name, "support": n, "said": n} for name, n in (("absent", 0), ("rock", 2), ("pop", 2))]
    output.print_confusion({"per_class": rows, "confusion": [[0, 0, 0], [0, 0, 2], [0, 1, 1]]})
    assert capsys.readouterr().out == "most often confused: rock taken for pop (2), pop taken for rock (1)\n"


def test_the_environment_names_the_folders_for_every_command_as_for_the_dashboard(
    musicml, asked_about_tones, monkeypatch
):
    monkeypatch.setenv("MUSICML_RUNS", str(asked_about_tones.path.parent))
    code, out, _ = musicml("runs", "--json")
    assert code == 0 and [row["run"] for row in one_object(out)["runs"]] == [str(asked_about_tones.path)]
    monkeypatch.setenv("MUSICML_RUNS", "")
    assert str(asked_about_tones.path) not in musicml("runs", "--json")[1]
