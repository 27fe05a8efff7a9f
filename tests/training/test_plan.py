"""The plan of a training: figures of known data are exact, times are extrapolated, and nothing is written."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicml.data.datasets import load_folder
from musicml.experiment import config
from musicml.features import cache
from musicml.training import file_sample, make_clip_spec, make_plan, plan
from musicml.utils.errors import InputError
from tests.conftest import NETWORK, TONES, write_tone
from tests.fixtures.small_backbone import use_small_mobilenet

TICK = 0.25  # seconds between two looks at the patched clock


@pytest.fixture
def clock(monkeypatch):
    """A clock that is `TICK` later whenever somebody looks at it, so that no time of this machine is measured."""
    ticks = itertools.count()
    monkeypatch.setattr(file_sample.time, "perf_counter", lambda: next(ticks) * TICK)
    monkeypatch.setattr(file_sample, "count_processes", lambda: 1)
    monkeypatch.setattr(file_sample, "MAX_HEADER_SECONDS", 1e9)
    monkeypatch.setattr(file_sample, "MAX_ALONE_SECONDS", 1e9)
    monkeypatch.setattr(plan, "count_processes", lambda: 2)


@pytest.fixture
def sounds(tmp_path):
    """Twelve sounds of different lengths, in two classes."""
    for number in range(12):
        write_tone(tmp_path / "sounds" / "ab"[number % 2] / f"{number}.wav", 200 + 50 * number, 0.5 + 0.1 * number)
    return tmp_path / "sounds"


def read(text=TONES, **changes):
    return config.parse_experiment("tones", text, changes, sample=None)


def plan_folder(folder, root, text=TONES, workers=(1, 4, 16), **changes):
    return make_plan(read(text, **changes), root, folder=folder, workers=workers)


def list_everything(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in Path(folder).rglob("*"))


def compute_features(folder, root):
    """Fill the cache as a training does, and return the bytes of all features."""
    experiment = read()
    least = make_clip_spec(experiment).least_samples
    _, features = cache.get_features(load_folder(folder), experiment.features, root / ".features", least)
    return int(features.length.sum()) * features.array.shape[1] * features.array.dtype.itemsize


def test_figures_of_known_files_are_exact_and_nothing_is_written(sounds, tmp_path, clock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list_everything(tmp_path)
    made = plan_folder(sounds, tmp_path / "data", **{"data.split": "group"})
    assert list_everything(tmp_path) == before
    seconds = sum(soundfile.info(path).duration for path in sounds.rglob("*.wav"))
    assert (made.n_files, made.n_headers, made.n_measured, made.n_cached) == (12, 12, 12, 0)
    assert made.hours == pytest.approx(seconds / 3600) and made.hours_spread == 0
    assert sum(made.n_clips.values()) > 12 and made.n_models == 1
    assert made.cache == compute_features(sounds, tmp_path / "data") and made.cache_spread == 0


def test_the_size_is_that_of_the_files_in_the_cache(sounds, tmp_path, clock):
    made = plan_folder(sounds, tmp_path / "data")
    compute_features(sounds, tmp_path / "data")
    stored = list((tmp_path / "data/.features").glob("*/*.bin"))
    assert stored and made.cache == sum(path.stat().st_size for path in stored)


def test_times_follow_from_the_measured_ones(sounds, tmp_path, clock):
    made = plan_folder(sounds, tmp_path / "data")
    here, *others = made.times
    # the clock is read before a file, after its content, and after its features
    assert here.reading == pytest.approx(12 * TICK) and here.features == pytest.approx(12 * TICK)
    assert made.seconds_per_file == pytest.approx(TICK) and made.spread_per_file == pytest.approx(0)
    assert here.is_this_machine and here.n_workers == 2 and [row.n_workers for row in others] == [1, 4, 16]
    start = file_sample.START_SECONDS
    assert [row.features for row in others] == pytest.approx([start + 12 * TICK / n for n in (1, 4, 16)])
    totals = [row.total for row in others]
    assert totals == sorted(totals, reverse=True) and here.training == here.epoch == 0
    assert any("scikit-learn" in note for note in made.notes)


def test_a_part_of_many_files_stands_for_all(sounds, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(file_sample, "MAX_ALONE", 4)
    monkeypatch.setattr(file_sample, "MAX_HEADERS", 6)
    made = plan_folder(sounds, tmp_path / "data")
    assert (made.n_files, made.n_headers, made.n_measured) == (12, 6, 4)
    whole = compute_features(sounds, tmp_path / "data")
    seconds = sum(soundfile.info(path).duration for path in sounds.rglob("*.wav"))
    assert abs(made.cache - whole) <= made.cache_spread and 0 < made.cache_spread < whole
    assert abs(made.hours - seconds / 3600) <= made.hours_spread
    assert made.times[0].features == pytest.approx(12 * TICK)


def test_files_are_measured_by_several_processes_if_that_is_faster(sounds, tmp_path, monkeypatch):
    asked = []

    def measure_here(function, jobs, n_processes):
        asked.append(n_processes)
        for number, job in enumerate(jobs):
            file, _ = function(job)
            yield file.__class__(0.5, 1.0 if number > 1 else 99.0, file.size, file.length), number % 2

    monkeypatch.setattr(file_sample, "map_in_processes", measure_here)
    monkeypatch.setattr(file_sample, "count_processes", lambda: 2)
    monkeypatch.setattr(file_sample, "MIN_PARALLEL_SECONDS", 0.0)
    monkeypatch.setattr(file_sample, "MAX_ALONE", 4)
    made = plan_folder(sounds, tmp_path / "data", workers=(3,))
    assert asked == [2] and made.n_measured == 12
    assert made.seconds_per_file == 1.0  # without the first file of each process
    start = made.times[0].features - 6.0
    assert start >= 0 and made.times[1].features == pytest.approx(start + 4.0)


def test_features_in_the_cache_take_no_time(sounds, tmp_path, clock):
    compute_features(sounds, tmp_path / "data")
    before = list_everything(tmp_path)
    made = plan_folder(sounds, tmp_path / "data")
    assert made.n_cached == made.n_files == 12
    assert all(row.features == row.reading == 0 for row in made.times) and made.times[0].evaluation > 0
    assert list_everything(tmp_path) == before
    (sounds / "a/0.wav").write_bytes((sounds / "a/2.wav").read_bytes())  # other content: all is computed again
    changed = plan_folder(sounds, tmp_path / "data")
    assert changed.n_cached == 0 and changed.times[0].reading == pytest.approx(TICK)


def test_of_a_computation_that_was_stopped_only_the_rest_counts(sounds, tmp_path, clock):
    compute_features(sounds, tmp_path / "data")
    for number in (1, 5):
        (index,) = (tmp_path / "data/.features").glob(f"*/{number:05}.json")
        index.unlink()
    made = plan_folder(sounds, tmp_path / "data")
    assert made.n_cached == 10 and made.times[0].features == pytest.approx(2 * TICK) and made.times[0].reading == 0


def test_unreadable_files_are_named_and_have_no_size(sounds, tmp_path, clock):
    for number in range(4):
        (sounds / f"a/broken{number}.wav").write_bytes(b"RIFF" + bytes(60))
    made = plan_folder(sounds, tmp_path / "data")
    assert made.n_files == made.n_measured == 16
    assert any(note.startswith("4 of 16 measured files can't be read. The first: ") for note in made.notes)
    assert made.cache == compute_features(sounds, tmp_path / "data")


def test_a_dataset_without_readable_files_is_rejected(tmp_path, clock):
    for name, number in itertools.product("ab", range(3)):
        path = tmp_path / "broken" / name / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF" + bytes(60))
    with pytest.raises(InputError, match="none of the 6 that were tried can be read. The first: "):
        plan_folder(tmp_path / "broken", tmp_path / "data")


def test_a_single_measured_file_says_so(sounds, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(file_sample, "MAX_ALONE", 1)
    made = plan_folder(sounds, tmp_path / "data")
    assert made.n_measured == 1 and made.cache_spread is None and plan.SINGLE in made.notes
    json.dumps(made.notes, allow_nan=False)


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr("musicml.training.step_times.MAX_STEPS", 3)
    monkeypatch.setattr("musicml.training.step_times.N_VAL_STEPS", 2)
    monkeypatch.setattr("musicml.training.step_times.MAX_FROZEN_SECONDS", 0.0)


def test_folds_take_turns_here_and_are_shared_by_workers(tones, tmp_path, few_steps):
    text = NETWORK.replace('dataset = "gtzan"', 'dataset = "gtzan"\nsplit = "group"\nfolds = 3')
    made = plan_folder(tones, tmp_path / "data", text, workers=(1, 2, 3), **{"training.epochs": 5})
    here, one, two, three = (row.training for row in made.times)
    assert made.n_models == 4 and made.epochs == 5 and made.batch_size == 8
    assert here == one > two > three > 0  # three folds in 3, 2 and 1 rounds, then the model for prediction
    assert (one - two) == pytest.approx(two - three)
    assert 0 < made.times[0].epoch < here and made.memory > 50e6
    assert here == pytest.approx(5 * 4 * made.times[0].epoch, rel=0.5)


def test_a_frozen_backbone_counts_once(pictures, tmp_path, few_steps, monkeypatch):
    use_small_mobilenet(monkeypatch)
    text = """[data]
dataset = "instrument_images"
[features]
kind = "pixels"
height = 32
width = 32
[model]
family = "transfer"
backbone = "mobilenet"
alpha = 0.25
[training]
epochs = 3
batch_size = 4
finetune_epochs = 2
[augment]
flip = true
views = 2
"""
    made = plan_folder(pictures, tmp_path / "data", text)
    assert not (tmp_path / "data").exists()
    assert made.hours is None and made.cache == 24 * 32 * 32 * 3 and made.epochs == 5
    n = made.n_clips
    assert n["train"] + n["val"] + n["test"] == 24
    assert made.frozen_cache == (3 * n["train"] + n["val"]) * 32 * 4 and made.times[0].frozen > 0


def test_features_that_come_with_the_dataset_take_nothing(data_root, few_steps):
    path = Path(__file__).parents[2] / "experiments/openmic_vggish_cnn.toml"
    experiment = config.read_experiment(path, {"model.filters": [4], "training.epochs": 2}, sample=None)
    made = make_plan(experiment, data_root)
    assert made.cache == 0 and made.n_cached == made.n_files
    assert made.times[0].features == made.times[0].reading == 0 < made.times[0].epoch


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97])
def test_any_first_part_of_an_even_order_is_spread_over_all(n):
    order = file_sample.spread_evenly(n)
    assert sorted(order) == list(range(n))
    for k in range(2, n):
        gaps = np.diff([0, *sorted(order[:k]), n])
        assert gaps.max() <= 2.7 * n / k + 1


def test_the_interval_of_a_mean_shrinks_to_nothing_as_all_are_measured():
    values = np.random.default_rng(0).normal(10, 2, 100)
    spreads = [file_sample.compute_mean(values[:n], 100).spread for n in (10, 50, 90, 100)]
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] == 0
    assert file_sample.compute_mean(values[:1], 100).spread is None
    assert file_sample.compute_mean(values[:1], 1).spread == 0
    many = file_sample.compute_mean(values, 10**9)
    assert many.spread == pytest.approx(1.984 * values.std(ddof=1) / np.sqrt(100), rel=1e-3)  # Student's t


def test_a_missing_file_needs_no_reading(sounds, tmp_path, clock):
    dataset = load_folder(sounds)
    os.unlink(dataset.examples[0].file_path)
    compute_features_of = cache.get_features(dataset, read().features, tmp_path / "cache")
    assert len(compute_features_of[0].examples) == 11
    assert cache.count_cached_files(dataset, read().features, tmp_path / "cache") == 12
