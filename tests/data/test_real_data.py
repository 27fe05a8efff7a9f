import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicml.cli import main
from musicml.data.datasets import gtzan, instrument_images, instrument_sounds, loading, openmic
from musicml.data.io import audio, images
from musicml.data.splits import splitting
from musicml.experiment import run as runs
from musicml.features import audio_features
from musicml.inference.predictor import Predictor
from musicml.inference.streaming import StreamingPredictor
from musicml.models import registry, transfer
from tests.conftest import EXPERIMENTS, PLAIN, TONES, no_music, set_words
from tests.fixtures.near import off

DATA = Path(os.environ.get("MUSICML_SHARED_DATA") or ".")
pytestmark = pytest.mark.skipif(
    not os.environ.get("MUSICML_SHARED_DATA"), reason="MUSICML_SHARED_DATA names no folder of real data"
)


def sides_of_groups(dataset, split):
    found = {}
    for group, side in zip(dataset.groups, split.sides, strict=True):
        found.setdefault(group, set()).add(side)
    return found


def counts(split):
    return {side: len(split.indices(side)) for side in ("train", "val", "test")}


def test_the_thirty_instruments_load_with_their_spellings_and_sides():
    dataset = instrument_images.load(DATA / "instrument_images")
    assert (dataset.kind, dataset.answers, dataset.sample) == ("picture", "instrument", False)
    assert len(dataset.class_names) == 30
    assert {"acordian", "Tambourine", "saxaphone"} <= set(dataset.class_names)
    assert len(dataset.examples) == 3300 and not dataset.excluded
    kept, split = splitting.make_split(dataset, "official", 0.15, 0.15, 0)
    assert counts(split) == {"train": 3000, "val": 150, "test": 150} and len(kept.examples) == 3300
    for example in dataset.examples[::300]:
        assert images.load_image(example.path).pixels.shape == (224, 224, 3)


def test_no_artist_of_the_gtzan_clips_stands_on_two_sides():
    dataset = loading.load_folder(DATA / "gtzan_clips")
    assert (dataset.kind, len(dataset.examples), len(dataset.class_names)) == ("sound", 323, 10)
    assert len(set(dataset.groups)) < 323 and "groups.csv assigns 323 of 323 files" in dataset.notes[0]
    for kind, seed in (("official", 0), ("group", 0), ("group", 1)):
        kept, split = splitting.make_split(dataset, kind, 0.15, 0.15, seed)
        assert all(len(sides) == 1 for sides in sides_of_groups(kept, split).values())
        assert min(counts(split).values()) > 0


def test_gtzans_tracks_load_with_their_artists():
    dataset = gtzan.load(DATA / "gtzan")
    assert len(dataset.examples) == 59 and "blues" in dataset.class_names
    named = [example for example in dataset.examples if not example.group.startswith(f"{example.label}.")]
    assert len(named) > 40 and any("fault-filtered" in note for note in dataset.notes)
    assert len({example.group for example in dataset.examples if example.label == "blues"}) == 1
    sound = audio.load_audio(dataset.examples[0].path)
    assert sound.sample_rate == 22_050 and 29 < sound.seconds < 31


def test_the_instrument_clips_load_and_split():
    dataset = loading.load_folder(DATA / "instrument_clips")
    assert (dataset.kind, len(dataset.examples), len(dataset.class_names)) == ("sound", 262, 11)
    _, split = splitting.make_split(dataset, "official", 0.15, 0.15, 0)
    assert sum(counts(split).values()) == 262 and min(counts(split).values()) > 20


def test_the_gtzan_spectrograms_are_a_folder_of_pictures():
    dataset = loading.load_folder(DATA / "gtzan_spectrograms")
    assert (dataset.kind, len(dataset.examples), len(dataset.class_names)) == ("picture", 442 + 197, 10)
    _, split = splitting.make_split(dataset, "official", 0.15, 0.15, 0)
    assert counts(split)["test"] == 197, "its only judging side is kept for the test"
    settings = audio_features.Pixels(height=64, width=64)
    assert audio_features.compute_features(dataset.examples[0].path, settings)[0].shape == (64, 64, 3)


def test_one_clip_of_openmic_has_its_labels_and_features():
    home = DATA / "openmic/one_clip"
    (path,) = (home / "audio").glob("*/*.ogg")
    labels = openmic.threshold_relevances(openmic.read_relevances(home / "openmic-2018-aggregated-labels.csv"))
    assert path.stem in labels and 0 < len(labels[path.stem]) < 20
    assert openmic.read_vggish(home, [path.stem]).shape == (1, 10, 128)
    assert audio.load_audio(path).seconds > 1


def test_the_published_tables_of_the_four_sounds_name_known_classes_only():
    for name, n_rows in (("Train", 2629), ("Test", 80)):
        table = DATA / f"instrument_sounds/Metadata_{name}.csv"
        _, lost = instrument_sounds.read_rows(table, ())
        assert len(lost) == n_rows and {item.reason for item in lost} == {f"in Metadata_{name}.csv but not on the disk"}


def test_imagenets_weights_on_the_disk_are_taken_without_the_network(monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(DATA / "keras_home"))
    monkeypatch.setattr("socket.create_connection", None)
    options = registry.get_family("transfer").Options(backbone="mobilenet", alpha=0.75)
    choice, reason = transfer.choose_weights(options)
    assert choice == "imagenet" and reason.endswith("is on the disk")


TINY = {"genre_gru": {**PLAIN, "training.epochs": 10, "features.hop_length": 1024, "model.units": [24]}}


@pytest.fixture(scope="module")
def on_clips(tmp_path_factory):
    """A run trained on the real clips, once: its name → exit code, what was said, the run."""
    root, made = tmp_path_factory.mktemp("real"), {}

    def trained_on_clips(name):
        if name not in made:
            path, changes = EXPERIMENTS / f"{name}.toml", TINY.get(name, {})
            if name == "forest":
                path = root / "forest.toml"
                path.write_text(TONES.replace("seconds = 0.5", "seconds = 3.0").replace("8000", "22050"))
            words = ["train", path, "--folder", DATA / "gtzan_clips", "--data-root", root, "--runs", root / name]
            said = io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                code = main.main([str(word) for word in [*words, *set_words(changes)]])
            made[name] = (code, said.getvalue(), *runs.list_runs(root / name))
        return made[name]

    return trained_on_clips


@pytest.mark.numeric
def test_a_network_trains_on_real_clips_and_answers_for_a_flac_a_wav_and_an_mp3(on_clips, musicml, tmp_path):
    code, err, run = on_clips("genre_gru")
    assert code == 0 and run.is_complete and not run.read("report.json")["sample"]
    assert "files have a warning" in err and "repeated" in err, "a clip of 2 s is shorter than one of 3 s"
    losses = [float(row["loss"]) for row in run.table("history.csv")]
    assert losses[-1] < losses[0] - 0.1, "it learns"
    flac = sorted((DATA / "gtzan/genres_original").rglob("*.flac"))[0]
    y, sample_rate = soundfile.read(flac)
    files = [flac, tmp_path / "track.wav", tmp_path / "track.mp3"]
    for file in files[1:]:
        soundfile.write(file, y, sample_rate)
    predictor = Predictor(run)
    answers = [predictor.predict(file) for file in files]
    assert all(len(answer.starts) >= 9 for answer in answers), "the whole track is heard"
    assert off(answers[0].scores, answers[1].scores) < 1e-3
    assert np.abs(answers[0].scores - answers[2].scores).max() < 0.2
    code, out, _ = musicml("predict", run.path, *files)
    assert code == 0 and out.count(".mp3") == 1


@pytest.mark.numeric
@pytest.mark.parametrize("name", ["genre_gru", "forest"])
def test_the_stored_scores_of_real_clips_are_those_of_every_engine_and_of_the_command_line(on_clips, musicml, name):
    code, _, run = on_clips(name)
    assert code == 0 and run.read("run.json")["export"].startswith("exported; ")
    rows, names = run.table("predictions.csv"), run.read("labels.json")
    stored = {row["example"]: np.array([float(row[f"score:{name}"]) for name in names]) for row in rows}
    assert len(stored) > 80 and np.ptp(list(stored.values()), axis=0).max() > 0.01, "they are not all alike"
    some = list(stored)[::8]
    for engine in ("onnx", "keras"):
        answers = Predictor(run, engine).predict_all([DATA / "gtzan_clips" / example for example in some])
        for example, answer in zip(some, answers, strict=True):
            assert off(answer.scores, stored[example]) < 1e-4, (engine, example)
    code, out, _ = musicml("predict", run.path, "--json", *(DATA / "gtzan_clips" / example for example in some))
    assert code == 0
    for example, answer in zip(some, json.loads(out)["predictions"], strict=True):
        assert off(np.array([answer["probabilities"][name] for name in names]), stored[example]) < 1e-4


@pytest.mark.numeric
def test_a_stream_of_a_real_track_ends_with_the_answer_to_its_file(on_clips):
    predictor = Predictor(on_clips("genre_gru")[2])
    flac = sorted((DATA / "gtzan/genres_original").rglob("*.flac"))[0]
    y, sample_rate = soundfile.read(flac, dtype="int16")
    listening = StreamingPredictor(predictor, sample_rate)
    answers = [answer for begin in range(0, len(y), 4_096) for answer in listening.feed(y[begin : begin + 4_096])]
    assert len(answers) == 2 * len(y) // sample_rate
    assert off(listening.end().scores, predictor.predict(flac).scores) < 1e-4


def test_few_unseen_real_clips_and_nearly_all_noise_tones_and_silence_are_flagged(on_clips):
    run = on_clips("genre_gru")[2]
    predictor, rate = Predictor(run), 22_050
    on_test = [row["example"] for row in run.table("split.csv") if row["split"] == "test"]
    answers = list(predictor.predict_all([DATA / "gtzan_clips" / example for example in on_test]))
    assert len(answers) > 80 and np.mean([answer.is_unlike_training for answer in answers]) <= 0.1
    flagged = {name: predictor.predict(y, name, rate).is_unlike_training for name, y in no_music().items()}
    missed = [name for name, found in flagged.items() if not found]
    assert len(missed) <= 0.1 * len(flagged), missed
