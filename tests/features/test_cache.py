import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data import file_digests
from musicml.data.datasets import loading
from musicml.data.datasets.base import Dataset, Example
from musicml.data.io.audio import AudioSource
from musicml.features import audio_features, cache
from musicml.features.cache import compute, shards
from musicml.utils import capture_messages, files
from musicml.utils.errors import InputError

pytestmark = pytest.mark.numeric

RATE = 8000
MEL = audio_features.LogMel(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=16)
CEPSTRA = audio_features.MFCC(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=16, n_mfcc=5)
SQUARE = audio_features.Pixels(height=16, width=20)
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's own limits and files")


def noise(path, seed, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, int(RATE * seconds)), RATE)


@pytest.fixture
def sounds(tmp_path):
    """Six sounds of different lengths, in two classes."""
    for place in range(6):
        noise(tmp_path / "sounds" / "ab"[place % 2] / f"{place}.wav", place, 0.2 + 0.1 * place)
    return loading.load_folder(tmp_path / "sounds")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for place in range(4):
        path = tmp_path / "pictures" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(path)
    return loading.load_folder(tmp_path / "pictures")


def features_of(dataset, root, settings=MEL, least_samples=0):
    return cache.get_features(dataset, settings, root, least_samples)


def ids(dataset):
    return [example.id for example in dataset.examples]


def spoil(path):
    """Other bytes in the same file, which keeps its size and its time: who reads it can't miss it."""
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("settings", [MEL, CEPSTRA])
@pytest.mark.parametrize("least_samples", [0, 3000])
def test_stored_features_of_sound_equal_those_of_the_file(sounds, tmp_path, settings, least_samples):
    dataset, found = features_of(sounds, tmp_path / "store", settings, least_samples)
    assert ids(dataset) == ids(sounds) and dataset.excluded == () and found.has_frames
    for place, example in enumerate(dataset.examples):
        values, warnings = audio_features.compute_features(
            AudioSource(example.path, example.id), settings, least_samples
        )
        assert np.array_equal(found.get(place), values) and len(values) == found.length[place]
        assert found.warnings.get(example.id, []) == list(warnings)
    assert bool(found.warnings) == bool(least_samples)


def test_stored_features_of_pictures_equal_those_of_the_file(pictures, tmp_path):
    dataset, found = features_of(pictures, tmp_path / "store", SQUARE)
    assert not found.has_frames and found.array.shape == (4, 16, 20, 3) and found.array.dtype == np.uint8
    for place, example in enumerate(dataset.examples):
        assert np.array_equal(found.get(place), audio_features.compute_features(example.path, SQUARE)[0])


def test_features_are_computed_once_and_the_second_time_no_file_is_read(sounds, tmp_path):
    said = []
    with capture_messages(said.append):
        _, first = features_of(sounds, tmp_path / "store")
    kept = np.array(first.array)
    for example in sounds.examples:
        spoil(example.path)
    with capture_messages(said.append):
        dataset, second = features_of(sounds, tmp_path / "store")
    assert said == ["computing LogMel features of 6 files"]
    assert dataset.excluded == () and second.key == first.key and np.array_equal(second.array, kept)


def test_a_file_that_was_only_touched_has_the_same_features(sounds, tmp_path):
    _, first = features_of(sounds, tmp_path / "store")
    os.utime(sounds.examples[0].path, (1, 1))
    said = []
    with capture_messages(said.append):
        _, second = features_of(sounds, tmp_path / "store")
    assert second.key == first.key and said == []


def test_changed_content_is_computed_anew(sounds, tmp_path):
    _, first = features_of(sounds, tmp_path / "store")
    path = sounds.examples[2].path
    size = path.stat().st_size
    noise(path, 99, seconds=0.6)
    assert path.stat().st_size == size, "a change that the size does not tell"
    _, second = features_of(sounds, tmp_path / "store")
    assert second.key != first.key
    assert np.array_equal(second.get(2), audio_features.compute_features(sounds.examples[2].path, MEL)[0])
    assert np.array_equal(second.get(1), first.get(1))


def test_a_file_more_or_fewer_or_another_order_is_computed_anew(sounds, tmp_path):
    keys = {features_of(data, tmp_path / "store")[1].key for data in (sounds, sounds.keep([1, 1, 1, 1, 1, 0]))}
    turned = Dataset("sounds", "sound", "single", "class", ("a", "b"), sounds.examples[::-1])
    _, found = features_of(turned, tmp_path / "store")
    assert len(keys | {found.key}) == 3
    assert np.array_equal(found.get(0), audio_features.compute_features(sounds.examples[-1].path, MEL)[0])


def test_other_settings_another_length_or_newer_code_have_a_key_of_their_own(sounds, tmp_path, monkeypatch):
    keys = [features_of(sounds, tmp_path / "store", settings)[1].key for settings in (MEL, CEPSTRA)]
    finer = audio_features.LogMel(sample_rate=RATE, n_fft=512, hop_length=128, n_mels=16)
    keys.append(features_of(sounds, tmp_path / "store", finer)[1].key)
    keys.append(features_of(sounds, tmp_path / "store", MEL, 3000)[1].key)
    monkeypatch.setattr(audio_features, "FEATURES_VERSION", audio_features.FEATURES_VERSION + 1)
    keys.append(features_of(sounds, tmp_path / "store")[1].key)
    assert len(set(keys)) == 5


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("log_mel", "e68f8e5e08b02459721fc307"),
        ("mfcc", "02659a3a84d6addc5b06ba8d"),
        ("pixels", "74711c2c05c281dd54689f2a"),
        ("vggish", "37a7a2114c5b47c456e1f36a"),
        ("spectrogram", "6246c40545de09b698b91c45"),
    ],
)
def test_a_key_does_not_change_where_code_moves_or_gets_other_names(tmp_path, kind, key):
    """The key holds the name of the settings' class: another name would compute every cache anew."""
    (tmp_path / "a.wav").write_bytes(b"one")
    (tmp_path / "b.wav").write_bytes(b"two")
    examples = tuple(Example(f"{name}.wav", tmp_path / f"{name}.wav", {name: True}, name) for name in "ab")
    dataset = Dataset("tiny", "sound", "single", "genre", ("a", "b"), examples)
    settings = audio_features.FEATURE_KINDS[kind]()
    assert audio_features.FEATURES_VERSION == 1, "with a new version, record the new keys"
    assert cache.compute_cache_key(dataset, settings, 100, tmp_path / "cache") == key


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "shifted", "of another kind"])
def test_damaged_digests_only_mean_reading_again(sounds, tmp_path, damage):
    memo = tmp_path / "store/digests-sounds.bin"
    _, first = features_of(sounds, tmp_path / "store")
    whole = memo.read_bytes()
    contents = {"empty": b"", "cut": whole[:-7], "longer": whole + b"\0" * 24, "shifted": whole[1:] + b"x"}
    memo.write_bytes(contents.get(damage, b'{"a": "b"}'))
    assert features_of(sounds, tmp_path / "store")[1].key == first.key
    for example in sounds.examples:
        spoil(example.path)
    assert features_of(sounds, tmp_path / "store")[1].key == first.key


def test_digests_are_those_of_the_files_and_no_file_is_read_twice(sounds, tmp_path):
    expected = [(example.id, files.compute_digest(example.path)) for example in sounds.examples]
    assert list(file_digests.digest_examples(sounds, tmp_path)) == expected
    for example in sounds.examples:
        spoil(example.path)
    assert list(file_digests.digest_examples(sounds, tmp_path)) == expected


def test_asking_for_some_files_forgets_no_other_until_there_are_new_ones(sounds, tmp_path):
    expected, few = dict(file_digests.digest_examples(sounds, tmp_path)), sounds.keep([1, 1, 0, 0, 0, 0])
    assert dict(file_digests.digest_examples(few, tmp_path)).items() <= expected.items()
    for example in sounds.examples[:5]:
        spoil(example.path)
    noise(sounds.examples[5].path, 99)
    found = dict(file_digests.digest_examples(sounds, tmp_path))
    assert [name for name in found if found[name] != expected[name]] == [sounds.examples[5].id]
    noise(sounds.examples[0].path, 98)
    assert len(dict(file_digests.digest_examples(few, tmp_path))) == 2
    assert (tmp_path / "digests-sounds.bin").stat().st_size == 2 * 24


def test_a_label_or_a_group_changes_no_features(sounds, tmp_path):
    _, first = features_of(sounds, tmp_path / "store")
    others = tuple(Example(e.id, e.folder, {"c": True}, "all") for e in sounds.examples)
    relabelled = Dataset("sounds", "sound", "single", "class", ("c",), others)
    assert features_of(relabelled, tmp_path / "store")[1].key == first.key


def test_a_file_that_can_not_be_read_is_left_out_and_named(sounds, tmp_path):
    for name, content in (("a/0.wav", b"no sound at all"), ("b/3.wav", b"")):
        (tmp_path / "sounds" / name).write_bytes(content)
    for _ in range(2):  # computed, and read from the store
        dataset, found = features_of(sounds, tmp_path / "store")
        assert ids(dataset) == ["a/2.wav", "a/4.wav", "b/1.wav", "b/5.wav"]
        assert [item.file for item in dataset.excluded] == ["a/0.wav", "b/3.wav"]
        assert "Expected sound in a/0.wav" in dataset.excluded[0].reason and "0 bytes" in dataset.excluded[1].reason
        for place, example in enumerate(dataset.examples):
            assert np.array_equal(found.get(place), audio_features.compute_features(example.path, MEL)[0])


def test_a_picture_that_can_not_be_read_shifts_no_other(pictures, tmp_path):
    pictures.examples[1].path.write_bytes(b"")
    dataset, found = features_of(pictures, tmp_path / "store", SQUARE)
    assert len(dataset.examples) == 3 and len(dataset.excluded) == 1
    for place, example in enumerate(dataset.examples):
        assert np.array_equal(found.get(place), audio_features.compute_features(example.path, SQUARE)[0])


@LINUX
def test_a_file_on_a_damaged_disk_is_left_out_and_named(sounds, tmp_path):
    path = sounds.examples[1].path
    path.unlink()
    path.symlink_to("/proc/self/mem")  # opens, and then gives an input/output error, as a damaged disk does
    with pytest.raises(OSError, match="Input/output error"):
        path.read_bytes()
    dataset, found = features_of(sounds, tmp_path / "store")
    assert [item.file for item in dataset.excluded] == [sounds.examples[1].id]
    assert "Input/output error" in dataset.excluded[0].reason and len(found.begin) == 5


def test_a_file_that_may_not_be_read_is_left_out_and_named(sounds, tmp_path):
    path = sounds.examples[1].path
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read anything")
    dataset, _ = features_of(sounds, tmp_path / "store")
    assert [item.file for item in dataset.excluded] == [sounds.examples[1].id]
    path.chmod(0o600)
    assert features_of(sounds, tmp_path / "store")[0].excluded == ()


def test_a_file_that_was_mended_is_taken_again(sounds, tmp_path):
    path = sounds.examples[0].path
    content = path.read_bytes()
    path.write_bytes(b"")
    assert len(features_of(sounds, tmp_path / "store")[0].examples) == 5
    path.write_bytes(content)
    assert len(features_of(sounds, tmp_path / "store")[0].examples) == 6


def test_no_readable_file_at_all_is_a_sentence(sounds, tmp_path):
    for example in sounds.examples:
        example.path.write_bytes(b"")
    with pytest.raises(InputError, match="readable files in sounds, but none of its 6"):
        features_of(sounds, tmp_path / "store")


def test_features_are_memory_maps_that_no_one_can_write_to_and_choosing_copies_nothing(sounds, tmp_path):
    dataset, found = features_of(sounds, tmp_path / "store")
    assert np.shares_memory(found.get(0), found.get(0)) and not found.get(0).flags.writeable
    chosen = found.select(np.array([False, True, False, False, True, True]))
    assert chosen.array is found.array and np.shares_memory(chosen.get(0), found.get(1))
    assert [np.array_equal(chosen.get(k), found.get(place)) for k, place in enumerate((1, 4, 5))] == [True] * 3


def test_features_that_come_with_the_data_set_are_taken_as_they_are(sounds, tmp_path):
    shipped = np.arange(6 * 10 * 128, dtype=np.uint8).reshape(6, 10, 128)
    dataset = Dataset("x", "sound", "multi", "instrument", ("a", "b"), sounds.examples, vggish=shipped)
    _, found = features_of(dataset, tmp_path / "store", audio_features.VGGish())
    assert found.array is shipped and np.array_equal(found.get(3), shipped[3]) and not (tmp_path / "store").exists()


def test_features_that_do_not_fit_the_data_set_are_refused(sounds, pictures, tmp_path):
    for dataset, settings, said in (
        (sounds, SQUARE, "needs picture files, but sounds holds sound files"),
        (sounds, audio_features.VGGish(), "come with their dataset"),
        (pictures, CEPSTRA, "needs sound files, but pictures holds picture files"),
    ):
        with pytest.raises(InputError, match=said):
            features_of(dataset, tmp_path / "store", settings)


SCRIPT = f"""
import sys
from pathlib import Path
from musicml.data.datasets import loading as datasets
from musicml.features import audio_features as features
from musicml.features import cache as store
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
root = Path(sys.argv[1])
def compute(processes=1):
    dataset = datasets.load_folder(root / "sounds")
    with capture_messages(print):
        return store.get_features(dataset, {MEL!r}, root / "store", processes=processes)
"""
SCRIPT = SCRIPT.replace("LogMel(", "features.LogMel(")


@LINUX
@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_a_sentence_and_leaves_no_half_of_a_shard(sounds, tmp_path, processes):
    code = SCRIPT + (
        "import resource\n"
        "sys.dont_write_bytecode = True\n"  # or it is cut short, and every later process breaks on it
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"try:\n    compute({processes})\n"
        "except InputError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "the disk is full" in done.stdout, done.stderr
    assert done.stdout.count("the disk is full") == 1 and "Traceback" not in done.stderr
    (home,) = (path for path in (tmp_path / "store").iterdir() if path.is_dir())
    whole = {path.stem for path in home.iterdir() if path.name != "manifest.json"}
    assert sorted(path.name for path in home.iterdir()) == sorted(
        ["manifest.json", *(f"{number}.{ending}" for number in whole for ending in ("bin", "json"))]
    )
    assert "00005" not in whole, "the longest sound takes more than the disk holds"
    said = []
    with capture_messages(said.append):
        assert len(features_of(sounds, tmp_path / "store")[0].examples) == 6
    assert said == [f"computing LogMel features of {6 - len(whole)} files"]


def test_a_store_that_can_not_be_made_is_a_sentence(sounds, tmp_path):
    (tmp_path / "store").write_text("a file where the folder belongs")
    with pytest.raises(InputError, match="is not a folder"):
        features_of(sounds, tmp_path / "store")
    with pytest.raises(InputError, match="is not a folder"):
        compute.make_cache_folder(sounds, MEL, tmp_path / "store" / "key", 0, shards.make_layout(6, MEL))


def test_processes_that_compute_at_once_leave_one_right_store(tmp_path):
    for place in range(12):
        noise(tmp_path / "sounds" / "ab"[place % 2] / f"{place}.wav", place, 2.0)
    code = SCRIPT + "import time\nprint(flush=True)\nsys.stdin.readline()\ndataset, found = compute()\nprint(found.key)"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.stdout.readline()
    for worker in workers:  # all of them have come so far
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate()[0].split("\n") for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    keys = {lines[-2] for lines in said}
    assert len(keys) == 1
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted([*keys, "digests-sounds.bin"])
    _, found = features_of(loading.load_folder(tmp_path / "sounds"), tmp_path / "store")
    for place, path in enumerate(sorted((tmp_path / "sounds").glob("*/*.wav"))):
        assert np.array_equal(found.get(place), audio_features.compute_features(path, MEL)[0])


def test_who_comes_second_keeps_what_the_first_has_put_there(sounds, tmp_path):
    _, found = features_of(sounds, tmp_path / "store")
    home = tmp_path / "store" / found.key
    before = {path: path.stat().st_mtime_ns for path in home.iterdir()}
    results = compute.compute_shards(sounds.examples, MEL, 0, home, shards.make_layout(6, MEL), range(6))
    compute.fill_cache(results, home, 6, 6)
    assert {path: path.stat().st_mtime_ns for path in home.iterdir()} == before


def test_outputs_of_a_backbone_are_computed_once_for_the_same_facts(tmp_path):
    calls = []

    def make():
        calls.append(time.perf_counter())
        return np.arange(6.0).reshape(2, 3) + len(calls)

    def outputs(**facts):
        return cache.get_frozen_outputs(tmp_path, facts, (2, 3), make)

    first = outputs(backbone="a")
    assert isinstance(first, np.memmap) and first.dtype == np.float32 and not first.flags.writeable
    assert np.array_equal(outputs(backbone="a"), first) and len(calls) == 1
    assert not np.array_equal(outputs(backbone="b"), first) and len(calls) == 2
    with pytest.raises(InputError, match=r"array of shape \(9, 3\) in .*got \(2, 3\)"):
        cache.get_frozen_outputs(tmp_path, {"backbone": "a"}, (9, 3), make)


def test_outputs_that_were_not_finished_are_not_there(tmp_path):
    def make():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_frozen_outputs(tmp_path, {}, (2, 3), make)
    assert list(Path(tmp_path).iterdir()) == []
