"""The run that is ready without a training, and every place that meets a run without results."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from musicml.cli import output
from musicml.data.download import musicnn
from musicml.experiment import environment
from musicml.experiment import run as runs
from musicml.inference import export, streaming
from musicml.inference.predictor import Predictor
from musicml.training import pretrained_run
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, TONES
from tests.fixtures.command_output import one_object


def test_it_has_fifty_tags_and_is_exported(tags_run):
    info = tags_run.info
    assert (tags_run.name, tags_run.status) == ("musicnn_tags", "pretrained")
    assert tags_run.is_pretrained and not tags_run.is_complete
    assert info.export.startswith("exported; ") and info.weights["choice"] == "msd" and "be among them" in info.caveat
    assert len(tags_run.read("labels.json")) == 50 and not info.has_epochs
    assert {path.name for path in tags_run.path.iterdir()} == {
        *("experiment.toml", "labels.json", "layers.json", "model.keras", "model.onnx", "run.json", "serving.json"),
        "signature.json",
    }


def test_it_is_made_once(tags_run, musicnn_root, snapshot):
    before = snapshot(tags_run.path)
    again = pretrained_run.make_tags_run(musicnn_root, tags_run.path.parent)
    assert again == tags_run and snapshot(tags_run.path) == before


def test_another_folder_of_its_name_stays(musicnn_root, tmp_path):
    (tmp_path / "musicnn_tags").mkdir()
    with pytest.raises(InputError, match="Expected no other file or folder"):
        pretrained_run.make_tags_run(musicnn_root, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["musicnn_tags"]


def test_nothing_is_left_where_its_making_ends_halfway(musicnn_root, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrained_run, "export_keras_onnx", fail)
    with pytest.raises(KeyboardInterrupt):
        pretrained_run.make_tags_run(musicnn_root, tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_that_make_it_at_once_end_with_one(musicnn_root, tmp_path, monkeypatch):
    def slow(*words):
        monkeypatch.setattr(pretrained_run, "export_keras_onnx", lambda *_: "exported; by the other one")
        pretrained_run.make_tags_run(musicnn_root, tmp_path)  # the other one is faster
        return "not exported: in this test"

    monkeypatch.setattr(pretrained_run, "export_keras_onnx", slow)
    run = pretrained_run.make_tags_run(musicnn_root, tmp_path)
    assert run.is_pretrained and run.info.export.startswith("exported; ")
    assert [path.name for path in tmp_path.iterdir()] == ["musicnn_tags"]


def test_it_is_exported_with_its_caveat_and_the_licence(tags_run, tmp_path):
    export.export_run(tags_run, "onnx", tmp_path / "exported")
    text = (tmp_path / "exported/README.md").read_text()
    assert tags_run.info.caveat in text and "Universitat Pompeu Fabra" in text and "counts as present" not in text


def test_without_weights_there_is_one_sentence_and_no_run(tmp_path):
    with pytest.raises(musicnn.MissingWeightsError):
        pretrained_run.make_tags_run(tmp_path / "data", tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


def test_it_can_be_asked(tags_run, musicml, tmp_path):
    y = np.random.default_rng(0).normal(0, 0.1, 5 * 22_050)
    soundfile.write(tmp_path / "song.wav", y, 22_050)
    words = ["predict", "musicnn_tags", tmp_path / "song.wav", "--runs", tags_run.path.parent, "--json"]
    code, out, _ = musicml(*words)
    found = one_object(out)
    assert code == 0 and len(found["predictions"][0]["probabilities"]) == 50 and found["caveat"] == tags_run.info.caveat
    assert "present" not in found["predictions"][0]  # which would need thresholds
    prediction = Predictor(tags_run).predict(tmp_path / "song.wav")
    assert prediction.task == "multi" and len(prediction.starts) == 2 and prediction.unlike is None
    code, out, _ = musicml(*words[:-1])
    assert code == 0 and out.splitlines()[-1] == tags_run.info.caveat


def test_it_can_be_asked_while_recording(tags_run):
    y = np.random.default_rng(0).normal(0, 0.1, 6 * 16_000).astype(np.float32)
    live = streaming.StreamingPredictor(Predictor(tags_run), sample_rate=16_000)
    heard = [prediction for block in np.split(y, 60) for prediction in live.feed(block)]
    assert heard and all(len(prediction.scores) == 50 for prediction in heard)


def test_the_check_up_finds_the_weights(musicnn_root, tmp_path):
    assert environment._check_pretrained_weights(musicnn_root).state == "ok"
    assert environment._check_pretrained_weights(tmp_path).state == "note"


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate"],
        ["evaluate", "--on", "tones"],
        ["train", "--resume"],
        ["compare", "other"],
        ["report", "--to", "a.html"],
        ["ensemble", "other"],
    ],
)
def test_commands_that_need_results_say_that_there_are_none(
    words, tags_run, asked_about_tones, tones, musicml, snapshot
):
    before = snapshot(tags_run.path)
    words = [{"other": asked_about_tones.path, "tones": tones}.get(word, word) for word in words]
    code, _, err = musicml(*words, tags_run.path)
    assert code == 2 and len(err.splitlines()) == 1
    assert err.startswith("musicml: Expected a run with results. musicnn_tags has none")
    assert snapshot(tags_run.path) == before


def test_it_is_listed_as_what_it_is(tags_run, musicml):
    code, out, _ = musicml("runs", "--runs", tags_run.path.parent)
    assert code == 0 and out.splitlines()[1].split() == ["musicnn_tags", "million_song_dataset", "pretrained", "-"]
    assert environment._check_runs(tags_run.path.parent).state == "ok"
    assert runs.describe_run(tags_run)["status"] == "pretrained"
    assert runs.list_complete_runs(tags_run.path.parent) == []


def test_train_all_names_it_below_its_table_and_skips_what_lacks_weights(tags_run, data_root, musicml, tmp_path):
    shutil.copytree(tags_run.path, tmp_path / "runs/musicnn_tags")
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a.toml").write_text((EXPERIMENTS / "genre_musicnn.toml").read_text())
    (folder / "b.toml").write_text(TONES)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").symlink_to(data_root / "sample")
    words = ["train-all", "--experiments", folder, "--data-root", tmp_path / "data", "--jobs", 1]
    code, out, err = musicml(*words, "--runs", tmp_path / "runs")
    lines = out.splitlines()
    assert code == 0 and "a skipped: Expected musicnn's weights in" in err
    assert lines[1].split()[:3] == ["a", "-", "skipped"] and "musicml fetch musicnn" in lines[1]
    assert "accuracy" in lines[2] and lines[3] == output.SAMPLE_NOTE
    assert lines[4].startswith("musicnn_tags: a pretrained model without results")
    code, out, _ = musicml(*words, "--runs", tmp_path / "others", "--json")
    rows = one_object(out)["experiments"]
    assert code == 0 and [sorted(row) for row in rows][0] == ["experiment", "seconds", "skipped"]
    assert not [run for run in runs.list_runs(tmp_path / "others") if run.info.experiment == "a"]


def test_a_damaged_record_does_not_pass_for_it(tags_run, tmp_path):
    for content in ("", "[]", "null", json.dumps({"status": "trained"})):
        (tmp_path / "run.json").write_text(content)
        assert not runs.Run(tmp_path).is_pretrained
    assert not runs.Run(tmp_path / "nowhere").is_pretrained
