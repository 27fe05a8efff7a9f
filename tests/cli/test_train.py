from musicml.experiment import run as runs
from tests.conftest import EXPERIMENTS, write_tone
from tests.fixtures.command_output import FIGURES, OF_A_REPORT, one_object


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


def test_a_run_is_found_by_its_name(asked_about_tones, musicml):
    code, out, _ = musicml("evaluate", asked_about_tones.name, "--runs", asked_about_tones.path.parent, "--json")
    assert code == 0 and one_object(out)["run"] == str(asked_about_tones.path)


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
    assert run.info.data.with_warnings == 12 and run.is_whole
