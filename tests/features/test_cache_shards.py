"""Features are stored in shards, each of which is there with all its content or not at all."""

import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.datasets import loading
from musicml.features import audio_features, cache
from musicml.features.cache import shards
from musicml.utils import capture_messages
from musicml.utils.errors import InputError

pytestmark = pytest.mark.numeric

RATE = 8000
MEL = audio_features.LogMel(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=16)
SQUARE = audio_features.Pixels(height=16, width=20)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Shards of three files, for a handful of files."""
    monkeypatch.setattr(shards, "MIN_SHARDS", 1)
    monkeypatch.setattr(shards, "MAX_SHARD_FILES", 3)


@pytest.fixture
def sounds(tmp_path):
    """Ten sounds of different lengths, in two classes: four shards."""
    for place in range(10):
        path = tmp_path / "sounds" / "ab"[place // 5] / f"{place}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(place).uniform(-0.5, 0.5, 2000 + 500 * place), RATE)
    return loading.load_folder(tmp_path / "sounds")


def compute(dataset, root, settings=MEL):
    """The dataset of readable files, their features, and what was logged."""
    logged = []
    with capture_messages(logged.append):
        dataset, found = cache.get_features(dataset, settings, root, processes=1)
    for place in range(len(dataset.examples)):
        values, _ = audio_features.compute_features(dataset.examples[place].path, settings)
        assert np.array_equal(found.get(place), values)
    return dataset, found, logged


def test_the_number_of_files_alone_decides_how_many_are_in_a_shard(monkeypatch):
    monkeypatch.undo()
    sizes = {1: 1, 64: 1, 65: 2, 1000: 16, 4096: 64, 20_000: 64, 1_000_000: 64}
    assert {n: shards.make_layout(n, MEL).shard_files for n in sizes} == sizes
    layout = shards.make_layout(1000, SQUARE)
    assert (layout.n_shards, layout.count_files(61), layout.count_files(62)) == (63, 16, 8)
    assert (layout.row_shape, layout.dtype, layout.row_size) == ((16, 20, 3), "uint8", 960)


@pytest.mark.parametrize("unreadable", [(2,), (3,), (2, 3), (0, 1, 2), (3, 4, 5), (9,), (0, 1, 2, 3, 4, 5, 9)])
def test_unreadable_files_at_the_borders_of_shards_and_whole_shards_of_them_shift_no_other(
    sounds, tmp_path, unreadable
):
    for place in unreadable:
        sounds.examples[place].path.write_bytes(b"no sound")
    for logged in (["computing LogMel features of 10 files"], []):
        dataset, found, said = compute(sounds, tmp_path / "store")
        assert said == logged and [item.file for item in dataset.excluded] == [
            sounds.examples[place].id for place in unreadable
        ]
        assert len(dataset.examples) == len(found.length) == 10 - len(unreadable)


def test_one_file_is_one_shard_of_one_file(sounds, tmp_path):
    dataset, found, _ = compute(sounds.keep([0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), tmp_path / "store")
    names = {path.name for path in (tmp_path / "store" / found.key).iterdir()}
    assert names == {"manifest.json", "00000.bin", "00000.json"} and len(dataset.examples) == 1


def test_rows_are_read_across_shards_as_from_one_array(sounds, tmp_path):
    _, found, _ = compute(sounds, tmp_path / "store")
    whole = np.concatenate([found.get(place) for place in range(10)])
    assert np.array_equal(found.array, whole) and found.array.shape == whole.shape and len(found.array) == len(whole)
    for begin, end in ((0, len(whole)), (5, 90), (40, 41), (7, 7), (9, 5), (-30, None), (None, 10**9)):
        assert np.array_equal(found.array[begin:end], whole[begin:end]), (begin, end)
    assert np.array_equal(found.array[::7], whole[::7]) and np.array_equal(found.array[33], whole[33])
    assert np.array_equal(found.array[np.array([80, 3, 3, 41])], whole[[80, 3, 3, 41]])
    assert np.asarray(found.array, np.float64).dtype == np.float64


def test_pictures_of_all_shards_are_read_at_once(tmp_path):
    rng = np.random.default_rng(0)
    for place in range(8):
        path = tmp_path / "pictures" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(path)
    pictures = loading.load_folder(tmp_path / "pictures")
    pictures.examples[2].path.write_bytes(b"")
    dataset, found, _ = compute(pictures, tmp_path / "store", SQUARE)
    places = np.array([6, 0, 2, 2])
    batch = found.array[found.begin[places]]
    assert batch.shape == (4, 16, 20, 3) and batch.dtype == np.uint8
    assert all(np.array_equal(batch[row], found.get(place)) for row, place in enumerate(places))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts the open files of Linux")
@pytest.mark.parametrize(("most", "n_open"), [(4, 4), (3, 0)])
def test_few_shards_are_open_at_a_time(sounds, tmp_path, monkeypatch, most, n_open):
    monkeypatch.setattr(shards, "MAX_OPEN_SHARDS", most)
    _, found, _ = compute(sounds, tmp_path / "store")
    targets = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert sum(str(tmp_path) in target for target in targets) == n_open
    whole = np.concatenate([found.get(place) for place in range(10)])
    assert np.array_equal(found.array, whole) and not found.get(4).flags.writeable


def test_few_open_files_allow_few_memory_maps(monkeypatch):
    resource = pytest.importorskip("resource")
    for limit, n in ((256, 85), (1024, 341), (-1, 4096), (10**6, 4096)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert shards._count_maps() == n


def change_index(path, **parts):
    """The bytes of a shard's index with other parts."""
    return json.dumps(json.loads(path.read_bytes()) | parts).encode()


# in an index of three files, with the number of all rows; None for a length that makes their sum right
IMPOSSIBLE_PARTS = {
    "negative": {"lengths": [-5, None, 5]},
    "fraction": {"lengths": [1.5, None, 5]},
    "true": {"lengths": [True, None, 5]},
    "huge": {"lengths": [10**30, None, 5]},
    "text": {"lengths": ["5", None, 5]},
    "excluded": {"excluded": [["a/3.wav"]]},
    "excluded text": {"excluded": ["no"]},
    "warnings": {"warnings": {"a/3.wav": 5}},
}


@pytest.mark.parametrize(
    "damage",
    ["cut", "longer", "no features", "no index", "index cut", "other index", "no list", *IMPOSSIBLE_PARTS],
)
def test_a_damaged_shard_is_found_and_computed_again_and_no_other(sounds, tmp_path, damage):
    _, found, _ = compute(sounds, tmp_path / "store")
    home = tmp_path / "store" / found.key
    values, index = home / "00001.bin", home / "00001.json"
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.iterdir()}
    contents = {
        "cut": (values, values.read_bytes()[:-4]),
        "longer": (values, values.read_bytes() + b"1234"),
        "index cut": (index, index.read_bytes()[:-4]),
        "other index": (index, (home / "00000.json").read_bytes()),
        "no list": (index, b"{}"),
    }
    if damage in IMPOSSIBLE_PARTS:
        parts = dict(IMPOSSIBLE_PARTS[damage])
        if "lengths" in parts:
            known = sum(n for n in parts["lengths"] if isinstance(n, int))
            left = sum(json.loads(index.read_bytes())["lengths"]) - known
            parts["lengths"] = [left if n is None else n for n in parts["lengths"]]
        contents[damage] = index, change_index(index, **parts)
    if damage in contents:
        path, content = contents[damage]
        path.write_bytes(content)
    else:
        (values if damage == "no features" else index).unlink()
    _, again, logged = compute(sounds, tmp_path / "store")
    assert again.key == found.key and logged[-1] == "computing LogMel features of 3 files"
    assert ["is damaged, and counts as missing" in line for line in logged[:-1]] == [True] * (damage in contents)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.iterdir()}
    assert {name: content for name, (content, _) in after.items()} == {name: old for name, (old, _) in before.items()}
    assert {name for name in after if after[name] != before[name]} == {values.name, index.name}
    assert compute(sounds, tmp_path / "store")[2] == []


def test_what_is_there_so_far_can_be_read_while_the_rest_is_missing(sounds, tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.open_features(sounds, MEL, tmp_path / "store")
    _, found, _ = compute(sounds, tmp_path / "store")
    wanted = [np.array(found.get(place)) for place in range(10)]
    for number in (0, 2):
        (tmp_path / "store" / found.key / f"{number:05}.json").unlink()
    some, so_far = cache.open_features(sounds, MEL, tmp_path / "store")
    there = [3, 4, 5, 9]
    assert [example.id for example in some.examples] == [sounds.examples[place].id for place in there]
    assert all(np.array_equal(so_far.get(k), wanted[place]) for k, place in enumerate(there))
    for number in (1, 3):
        (tmp_path / "store" / found.key / f"{number:05}.json").unlink()
    with pytest.raises(InputError, match="nothing is computed yet"):
        cache.open_features(sounds, MEL, tmp_path / "store")


@pytest.mark.skipif(os.name != "posix", reason="Windows locks files that are mapped")
@pytest.mark.parametrize("most", [4, 3])
def test_features_opened_before_a_clearing_stay_readable_or_say_what_happened(sounds, tmp_path, monkeypatch, most):
    monkeypatch.setattr(shards, "MAX_OPEN_SHARDS", most)
    _, found = cache.get_features(sounds, MEL, tmp_path / "store", processes=1)
    cache.clear_cache(tmp_path / "store")
    if most == 4:
        wanted, _ = audio_features.compute_features(sounds.examples[7].path, MEL)
        assert np.array_equal(found.get(7), wanted)
        return
    with pytest.raises(InputError, match="to stay there during a training, but the cache was cleared"):
        found.get(7)


def test_features_that_another_process_begins_at_the_same_time_are_kept(sounds, tmp_path, monkeypatch):
    _, found, _ = compute(sounds, tmp_path / "other")
    wanted, looks = tmp_path / "store" / found.key, []

    def read_manifest(folder, read=shards.read_manifest):
        looks.append(folder)
        if len(looks) > 1:
            return read(folder)
        try:
            return read(folder)
        finally:  # it was not there yet
            shutil.copytree(tmp_path / "other" / found.key, wanted)
            (wanted / "00002.json").unlink()

    monkeypatch.setattr(cache, "read_manifest", read_manifest)
    assert compute(sounds, tmp_path / "store")[2] == ["computing LogMel features of 3 files"]
    assert not list((tmp_path / "store").glob(".*"))


def test_unusable_features_that_can_not_be_removed_are_a_sentence(sounds, tmp_path, monkeypatch):
    _, found, _ = compute(sounds, tmp_path / "store")
    home = tmp_path / "store" / found.key
    (home / shards.MANIFEST).write_bytes(b"[]")

    def refuse(*paths):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr("musicml.features.cache.inventory.os.replace", refuse)
        with pytest.raises(InputError, match="Could not write .*Operation not permitted"):
            cache.get_features(sounds, MEL, tmp_path / "store", processes=1)
        assert cache.clear_cache(tmp_path / "store") > 0, "the digests"
    assert [path.name for path in (tmp_path / "store").iterdir()] == [home.name]
    assert compute(sounds, tmp_path / "store")[2][1:] == ["computing LogMel features of 10 files"]


def test_a_file_that_changes_while_features_are_computed_is_computed_again(sounds, tmp_path, monkeypatch):
    changed = []

    def write_shard(*given, write=shards.write_shard):
        if not changed:
            changed.append(1)
            soundfile.write(sounds.examples[4].path, np.zeros(9000), RATE)
        yield from write(*given)

    monkeypatch.setattr("musicml.features.cache.compute.write_shard", write_shard)
    _, found, logged = compute(sounds, tmp_path / "store")
    assert logged == [
        "computing LogMel features of 10 files",
        "files of sounds changed while their features were computed",
        "computing LogMel features of 10 files",
    ]
    assert [path.name for path in (tmp_path / "store").iterdir() if path.is_dir()] == [found.key]


def test_files_that_never_stop_changing_are_a_sentence(sounds, tmp_path, monkeypatch):
    keys = iter(f"{number:024x}" for number in range(9))
    monkeypatch.setattr(cache, "compute_cache_key", lambda *given: next(keys))
    with pytest.raises(InputError, match="Expected the files of sounds and the cache .* to stay as they are"):
        compute(sounds, tmp_path / "store")


def test_features_begun_for_another_dataset_of_the_same_files_are_the_same(sounds, tmp_path):
    _, found, _ = compute(sounds, tmp_path / "store")
    assert compute(dataclasses.replace(sounds, name="other"), tmp_path / "store")[2] == []
    (tmp_path / "store" / found.key / "00003.json").unlink()
    logged = compute(dataclasses.replace(sounds, name="other"), tmp_path / "store")[2]
    assert logged == ["computing LogMel features of 1 files"]


def test_users_of_one_cache_can_go_on_with_what_another_began(sounds, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o777)
    _, found, _ = compute(sounds, tmp_path / "store")
    if os.name == "posix":
        assert (tmp_path / "store" / found.key).stat().st_mode & 0o777 == 0o777
