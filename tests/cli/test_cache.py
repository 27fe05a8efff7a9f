import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from musicml.cli import cache as cache_command
from musicml.cli import main
from musicml.data import file_digests
from musicml.data.datasets import loading
from musicml.features import audio_features, cache
from musicml.features.cache import shards
from musicml.utils import InputError, capture_messages

RATE = 8000
MEL = audio_features.LogMel(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=16)


@pytest.fixture
def tones(tmp_path):
    """Four sounds in two classes."""
    for place in range(4):
        path = tmp_path / "tones" / "ab"[place % 2] / f"{place}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(place).uniform(-0.5, 0.5, RATE // 2), RATE)
    return loading.load_folder(tmp_path / "tones")


@pytest.fixture
def root(tones, tmp_path):
    """A cache with features of the four sounds, and outputs of a frozen backbone."""
    root = tmp_path / "data" / file_digests.CACHE_FOLDER
    cache.get_features(tones, MEL, root)
    cache.get_frozen_outputs(root, {"of": "tones"}, (4, 3), lambda: np.zeros((4, 3)))
    return root


def run_cache(root, *words):
    """Run `musicml cache` on the data root of a cache. Return the exit code."""
    return main.main(["cache", "--data-root", str(root.parent), *words])


def bytes_in(root):
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def names(root):
    return sorted(path.name for path in root.iterdir())


def ended():
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_table_names_the_data_set_the_settings_and_the_number_of_files(root, capsys):
    assert run_cache(root) == 0
    said = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in said.splitlines()}
    assert "tones: log_mel sample_rate=8000 n_fft=512 hop_length=256 n_mels=16" in lines["features"]
    assert lines["features"].split()[-3] == "4" and "3 values each" in lines["frozen outputs"]
    assert lines["total"].split()[-2:] == [f"{bytes_in(root) / 1e6:.1f}", "MB"]


def test_the_sizes_are_those_on_the_disk(root, capsys):
    assert run_cache(root, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["size"] == bytes_in(root) == sum(one["size"] for one in told["held"])
    assert {one["kind"]: one["n"] for one in told["held"]} == {"features": 4, "frozen outputs": 4, "digests": 4}


def test_features_of_sample_data_are_marked(tones, tmp_path):
    import dataclasses

    sample = dataclasses.replace(tones, source={"sample": True})
    cache.get_features(sample, MEL, tmp_path)
    assert [one.words.split(":")[0] for one in cache.list_cache_entries(tmp_path) if one.kind == "features"] == [
        "tones (sample)"
    ]


def write_as_older_versions_did(tones, root, **changes):
    """Replace the features in a cache by the same in the layout of older versions: one array, one index."""
    home = root / cache.compute_cache_key(tones, MEL, 0, root)
    _, found = cache.get_features(tones, MEL, root)
    about = json.loads((home / shards.MANIFEST).read_text())
    index = {
        **{name: about[name] for name in ("dataset", "sample", "kind", "settings", "least_samples", "version")},
        **{"reader": about["reader"], "lengths": found.length.tolist(), "excluded": [], "warnings": {}},
        **changes,
    }
    values = np.array(found.array)
    for path in home.iterdir():
        path.unlink()
    (home / "array.bin").write_bytes(values.tobytes())
    (home / "index.json").write_text(json.dumps({name: part for name, part in index.items() if part is not None}))
    return home, values


def test_features_of_an_older_layout_are_read_and_listed_and_not_computed_again(tones, root):
    listed = [vars(one) for one in cache.list_cache_entries(root) if one.kind == "features"]
    home, values = write_as_older_versions_did(tones, root)
    before, said = {path: path.stat().st_mtime_ns for path in home.iterdir()}, []
    with capture_messages(said.append):
        dataset, found = cache.get_features(tones, MEL, root)
    assert said == [] and np.array_equal(found.array, values) and len(dataset.examples) == 4
    assert np.array_equal(found.get(3), audio_features.compute_features(tones.examples[3].path, MEL)[0])
    assert {path: path.stat().st_mtime_ns for path in home.iterdir()} == before
    (row,) = [vars(one) for one in cache.list_cache_entries(root) if one.kind == "features"]
    assert row | {"size": 0} == listed[0] | {"size": 0}
    cache.clear_cache(root)
    assert not home.exists()


def test_features_without_saved_settings_are_listed_as_older_and_computed_again(tones, root):
    gone = ("dataset", "sample", "kind", "settings", "least_samples", "version", "reader")
    write_as_older_versions_did(tones, root, **dict.fromkeys(gone))
    assert [(one.words, one.n) for one in cache.list_cache_entries(root) if one.kind == "features"] == [
        ("from an older version", 4)
    ]
    said = []
    with capture_messages(said.append):
        _, found = cache.get_features(tones, MEL, root)
    assert said == ["computing LogMel features of 4 files"] and len(found.get(3)), "what read less is done again"
    assert ("from an older version", 4) not in [(one.words, one.n) for one in cache.list_cache_entries(root)]


def test_a_shortened_array_of_an_older_layout_is_found_and_computed_again(tones, root):
    home, values = write_as_older_versions_did(tones, root)
    (home / "array.bin").write_bytes(values.tobytes()[:-4])
    said = []
    with capture_messages(said.append):
        _, found = cache.get_features(tones, MEL, root)
    assert "is damaged" in said[0] and said[1:] == ["computing LogMel features of 4 files"]
    assert np.array_equal(found.array, values) and not (home / "array.bin").exists()


@pytest.mark.parametrize("reader", [None, 1, 99])
def test_features_of_another_reader_are_computed_again_and_once(tones, root, reader):
    index = root / cache.compute_cache_key(tones, MEL, 0, root) / shards.MANIFEST
    written = json.loads(index.read_text())
    index.write_text(
        json.dumps(
            {name: part for name, part in written.items() if name != "reader"} | ({"reader": reader} if reader else {})
        )
    )
    said = []
    for _ in range(2):
        with capture_messages(said.append):
            cache.get_features(tones, MEL, root)
    assert said == ["computing LogMel features of 4 files"] and json.loads(index.read_text()) == written


def test_damaged_digests_count_as_digests_of_no_files(root):
    (root / "digests-tones.bin").write_bytes(b"x")
    assert [(one.words, one.n) for one in cache.list_cache_entries(root) if one.kind == "digests"] == [("tones", 0)]


def test_comparisons_of_an_audit_are_one_line(root):
    for name, content in (("alike-a.json", "[]"), ("alike-b.json", "[1]")):
        (root / name).write_text(content)
    rows = [
        one for one in cache_command.group_entries(cache.list_cache_entries(root)) if one.kind == "audit comparisons"
    ]
    assert [one.size for one in rows] == [5]


def test_an_empty_cache_is_reported_as_empty(tmp_path, capsys):
    assert run_cache(tmp_path / file_digests.CACHE_FOLDER) == 0
    assert capsys.readouterr().out.startswith("the cache ")
    assert run_cache(tmp_path / file_digests.CACHE_FOLDER, "--clear") == 0
    assert capsys.readouterr().out.startswith("freed 0.0 MB in ")


def test_clearing_deletes_everything_and_prints_the_size(root, capsys):
    (root / "looks-tones-1").mkdir()
    (root / "looks-tones-1" / "a.npz").write_bytes(bytes(100))
    size = bytes_in(root)
    assert run_cache(root, "--clear", "--json") == 0
    assert json.loads(capsys.readouterr().out)["freed"] == size
    assert bytes_in(root) == 0 and cache.list_cache_entries(root)[0].size == 0


def test_clearing_keeps_audits_and_archives(root, capsys):
    for name in cache_command.OTHER_FOLDERS:
        (root.parent / name).mkdir()
        (root.parent / name / "x").write_bytes(bytes(1000))
    run_cache(root, "--clear")
    run_cache(root, "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["beside"] == dict.fromkeys(
        cache_command.OTHER_FOLDERS, 1000
    )


def test_cleared_features_are_computed_again_and_open_ones_stay_readable(tones, root):
    kept, said = np.array(cache.get_features(tones, MEL, root)[1].array), []
    _, found = cache.get_features(tones, MEL, root)
    cache.clear_cache(root)
    if os.name == "posix":
        assert np.array_equal(found.array, kept)
    with capture_messages(said.append):
        _, again = cache.get_features(tones, MEL, root)
    assert len(said) == 1 and np.array_equal(again.array, kept)


@pytest.mark.numeric
def test_features_without_their_array_are_computed_again(tones, root):
    home = root / cache.compute_cache_key(tones, MEL, 0, root)
    (home / "00001.bin").unlink()
    said = []
    with capture_messages(said.append):
        _, found = cache.get_features(tones, MEL, root)
    assert said == ["computing LogMel features of 1 files"] and np.array_equal(
        found.get(1), audio_features.compute_features(tones.examples[1].path, MEL)[0]
    )


def test_clearing_leaves_what_a_live_process_is_making(root):
    live = root / f"{shards.UNFINISHED_PREFIX}{shards.make_owner_name()}-abc"
    dead = root / f"{shards.UNFINISHED_PREFIX}{shards.get_host_name()}-{ended()}-abc"
    for folder in (live, dead):
        folder.mkdir()
        (folder / "array.bin").write_bytes(bytes(10))
    temporary = root / f".digests-tones.{os.getpid()}.bin"
    temporary.write_bytes(b"x")
    cache.clear_cache(root)
    assert names(root) == sorted([live.name, temporary.name])


@pytest.mark.numeric
@pytest.mark.parametrize("cleared", ["between two shards", "when all are there"])
def test_a_computation_continues_after_a_clearing(tones, tmp_path, monkeypatch, cleared):
    root, times = tmp_path / "store", []

    def write_shard(*given, write=shards.write_shard):
        yield from write(*given)
        times.append(given)
        if len(times) == (2 if cleared == "between two shards" else 4):
            cache.clear_cache(root)

    monkeypatch.setattr("musicml.features.cache.compute.write_shard", write_shard)
    _, found = cache.get_features(tones, MEL, root, processes=1)
    assert np.array_equal(found.get(2), audio_features.compute_features(tones.examples[2].path, MEL)[0])
    assert len(times) == (6 if cleared == "between two shards" else 8)


def test_a_cache_that_is_always_cleared_is_a_sentence(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "fill_cache", lambda *given: cache.clear_cache(tmp_path / "store"))
    with pytest.raises(InputError, match="to stay as they are during the computation, but they changed 3 times"):
        cache.get_features(tones, MEL, tmp_path / "store")


def test_features_that_are_not_complete_say_how_far_they_are(tones, root, capsys):
    home = root / cache.compute_cache_key(tones, MEL, 0, root)
    (home / "00002.json").unlink()
    writing = home / f"{shards.UNFINISHED_PREFIX}{shards.make_owner_name()}-00002.bin"
    for state in ("interrupted", "in progress"):
        (row,) = (one for one in cache.list_cache_entries(root) if one.kind == "features")
        assert row.words.endswith(f"n_mels=16 ({state}, 3 of 4 shards)") and row.n == 3
        writing.write_bytes(b"x")
    cache.clear_cache(root)
    assert writing.exists() and (home / "00001.bin").exists(), "a process is writing there"
    writing.unlink()
    cache.clear_cache(root)
    assert not home.exists()


def test_a_damaged_manifest_is_listed_and_everything_is_computed_again(tones, root):
    home = root / cache.compute_cache_key(tones, MEL, 0, root)
    _, first = cache.get_features(tones, MEL, root)
    kept = np.array(first.array)
    for damage in (b"", b"[1]", b'{"n_files": 4}', (home / shards.MANIFEST).read_bytes().replace(b": 4", b": 5")):
        (home / shards.MANIFEST).write_bytes(damage)
        words = [one.words for one in cache.list_cache_entries(root) if one.kind == "features"]
        assert len(words) == 1 and (words == ["damaged"] or b"dataset" in damage)
        said = []
        with capture_messages(said.append):
            _, found = cache.get_features(tones, MEL, root)
        assert "can't be used, and are computed again" in said[0] and said[1:] == [
            "computing LogMel features of 4 files"
        ]
        assert np.array_equal(found.array, kept)


@pytest.mark.parametrize(
    "parts",
    [
        {"n_files": 10**15},
        {"n_files": -4},
        {"n_files": 1e400},
        {"n_files": 10**9, "shard_files": 10**9},
        {"shard_files": 0},
        {"shard_files": "1"},
        {"row_shape": [-16]},
        {"row_shape": 16},
        {"dtype": None},
    ],
)
def test_a_manifest_with_impossible_numbers_is_damaged(tones, root, parts, capsys):
    manifest = root / cache.compute_cache_key(tones, MEL, 0, root) / shards.MANIFEST
    content = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(content | parts).replace("Infinity", "1e400"))
    assert run_cache(root) == 0 and "damaged" in capsys.readouterr().out
    assert cache.count_cached_files(tones, MEL, root) == 0
    cache.get_features(tones, MEL, root)
    assert json.loads(manifest.read_bytes()) == content


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v\x00", None])
def test_damaged_outputs_of_a_backbone_are_listed_and_computed_again(tmp_path, capsys, content):
    root, made = tmp_path / "data" / file_digests.CACHE_FOLDER, []

    def make():
        made.append(1)
        return np.ones((4, 3))

    cache.get_frozen_outputs(root, {}, (4, 3), make)
    (path,) = root.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    assert run_cache(root) == 0 and "damaged" in capsys.readouterr().out
    assert cache.get_frozen_outputs(root, {}, (4, 3), make).sum() == 12 and len(made) == 2


def test_outputs_that_were_cleared_while_they_were_written_are_computed_again(tmp_path, monkeypatch):
    calls, load = [], np.load

    def meets_a_clearing(path, **how):
        if len(calls) == 1:
            cache.clear_cache(tmp_path)
        return load(path, **how)

    def make():
        calls.append(1)
        return np.ones((2, 3))

    monkeypatch.setattr(np, "load", meets_a_clearing)
    assert cache.get_frozen_outputs(tmp_path, {}, (2, 3), make).sum() == 6 and len(calls) == 2


@pytest.mark.skipif(os.name != "posix", reason="elsewhere only age tells")
def test_the_next_computation_deletes_only_the_files_of_dead_processes(tones, tmp_path):
    root = tmp_path / "store"
    folders = {
        "dead": f"{shards.UNFINISHED_PREFIX}{shards.get_host_name()}-{ended()}-abc",
        "live": f"{shards.UNFINISHED_PREFIX}{shards.get_host_name()}-{os.getppid()}-abc",
        "of another machine": f"{shards.UNFINISHED_PREFIX}other{shards.get_host_name()}-{ended()}-abc",
        "of another machine, old": f"{shards.UNFINISHED_PREFIX}other{shards.get_host_name()}-{ended()}-old",
        "without a name, old": f"{shards.UNFINISHED_PREFIX}x1y2z3",
    }
    for what, name in folders.items():
        (root / name).mkdir(parents=True)
        (root / name / "array.bin").write_bytes(b"x")
        if "old" in what:
            long_ago = time.time() - 2 * shards.ABANDONED_SECONDS
            for path in (root / name / "array.bin", root / name):
                os.utime(path, (long_ago, long_ago))
    cache.get_features(tones, MEL, root)
    left = {what for what, name in folders.items() if (root / name).is_dir()}
    assert left == {"live", "of another machine"}
