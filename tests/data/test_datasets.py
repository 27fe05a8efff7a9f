import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.datasets import base, instrument_sounds, loading
from musicml.data.datasets.base import Example
from musicml.data.synthetic import generate
from musicml.features import audio_features, cache
from musicml.utils import files
from musicml.utils.errors import InputError

N_CLASSES = {"gtzan": 10, "instrument_images": 30, "instrument_sounds": 4, "openmic": 20}
FACTS = {  # kind, task, answers
    "gtzan": ("sound", "single", "genre"),
    "instrument_images": ("picture", "single", "instrument"),
    "instrument_sounds": ("sound", "single", "instrument"),
    "openmic": ("sound", "multi", "instrument"),
}


def wav(path, seconds=0.05):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(8000 * seconds)), 8000)


def jpeg(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def ids(dataset):
    return [example.id for example in dataset.examples]


# one contract for every dataset


def test_the_data_sets_are_found_and_not_registered():
    assert loading.DATASET_NAMES == tuple(sorted(FACTS)) == tuple(sorted(generate.SETS))


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_every_data_set_keeps_the_contract(root, name):
    dataset = loading.load_dataset(name, root)
    assert (dataset.name, dataset.sample) == (name, True)
    assert (dataset.kind, dataset.task, dataset.answers) == FACTS[name]
    assert len(set(ids(dataset))) == len(dataset.examples) > 20
    assert ids(dataset) == ids(loading.load_dataset(name, root)), "the order is always the same"
    for example in dataset.examples:
        assert example.path.is_file() and example.group and example.split in ("train", "val", "test", "")
        assert set(example.labels) <= set(dataset.class_names)
        assert "\\" not in example.id and not example.id.startswith("/")
        assert not any(part.startswith(".") for part in example.id.split("/")), "hidden folders are no class"
    assert len(dataset.groups) == len(dataset.examples)
    assert all(item.file and item.reason for item in dataset.excluded) and all(dataset.notes)
    targets = dataset.targets()
    assert targets.shape == (len(dataset.examples), N_CLASSES[name]) and targets.dtype == np.float32
    assert set(np.unique(targets[~np.isnan(targets)])) == {0.0, 1.0} and (targets == 1).any(axis=0).all()
    if dataset.task == "single":
        assert list(dataset.class_names) == sorted(dataset.class_names) and (targets.sum(axis=1) == 1).all()
        assert [dataset.class_names[k] for k in targets.argmax(axis=1)] == [one.label for one in dataset.examples]
    else:
        order = json.loads((root / "sample/openmic/openmic-2018/class-map.json").read_text())
        assert list(dataset.class_names) == sorted(order, key=order.get) and np.isnan(targets).any()
    mask = np.arange(len(dataset.examples)) % 3 == 1
    kept = dataset.keep(mask, [base.Excluded("a.wav", "no sound")])
    assert ids(kept) == [example for example, stays in zip(ids(dataset), mask, strict=True) if stays]
    assert kept.excluded == (*dataset.excluded, base.Excluded("a.wav", "no sound"))
    assert dataset.vggish is None or np.array_equal(kept.vggish, dataset.vggish[mask])


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_a_hash_is_stable_and_changes_with_a_label_a_group_and_a_side(root, name):
    dataset = loading.load_dataset(name, root)
    first, *others = dataset.examples
    assert dataset.hash() == loading.load_dataset(name, root).hash()
    assert dataset.hash() == replace(dataset, examples=(*others[::-1], first)).hash(), "the order does not matter"
    label = next(label for label in dataset.class_names if not first.labels.get(label))
    changed = [
        replace(first, labels={**first.labels, label: True}),
        replace(first, group="another"),
        replace(first, split="another"),
        replace(first, id="another"),
    ]
    hashes = {replace(dataset, examples=(example, *others)).hash() for example in changed} | {dataset.hash()}
    assert len(hashes) == 5


# where a dataset is looked for


def test_real_data_is_taken_before_sample_data_unless_one_asks_otherwise(root, copied):
    home = copied("instrument_sounds").parents[1]
    assert loading.find_dataset_folder("instrument_sounds", home) == home / "sample/instrument_sounds"
    shutil.copytree(home / "sample/instrument_sounds", home / "instrument_sounds")
    (home / "instrument_sounds/SOURCE.json").unlink()
    assert not loading.load_dataset("instrument_sounds", home).sample
    assert loading.load_dataset("instrument_sounds", home, "sample").sample
    assert not loading.load_dataset("instrument_sounds", home, "real").sample


def test_a_data_set_that_is_not_there_says_where_it_belongs(tmp_path, root):
    with pytest.raises(InputError, match=r"gtzan was not found in .*/gtzan, nor synthetic in .*/sample/gtzan"):
        loading.load_dataset("gtzan", tmp_path)
    with pytest.raises(InputError, match="musicml fetch --sample"):
        loading.load_dataset("gtzan", root, "real")
    with pytest.raises(InputError, match="did you mean 'gtzan'"):
        loading.load_dataset("gtzen", root)


def test_an_archive_half_unpacked_is_a_sentence(tmp_path):
    (tmp_path / "gtzan").mkdir()
    with pytest.raises(InputError, match="Expected Data/genres_original in"):
        loading.load_dataset("gtzan", tmp_path)


# gtzan


def test_gtzan_groups_are_artists_and_a_track_without_one_is_a_group_of_its_own(root):
    dataset = loading.load_dataset("gtzan", root)
    named = [example for example in dataset.examples if example.group.startswith("Artist ")]
    unnamed = [example for example in dataset.examples if not example.group.startswith("Artist ")]
    assert named and unnamed
    assert all(example.group == example.path.stem for example in unnamed)
    assert len({example.group for example in named}) < len(named)


def test_gtzan_sides_are_the_filtered_lists_and_only_all_three_of_them(copied):
    home = copied("gtzan")
    listed = {
        side: (home / f"splits/{name}_filtered.txt").read_text().split()
        for side, name in (("train", "train"), ("val", "valid"), ("test", "test"))
    }
    dataset = loading.load_dataset("gtzan", home.parents[1])
    for side, names in listed.items():
        assert sorted(example.id for example in dataset.examples if example.split == side) == sorted(names)
    assert any(example.split == "" for example in dataset.examples)
    (home / "splits/valid_filtered.txt").unlink()
    assert {example.split for example in loading.load_dataset("gtzan", home.parents[1]).examples} == {""}
    shutil.rmtree(home / "splits")
    dataset = loading.load_dataset("gtzan", home.parents[1])
    assert len(set(dataset.groups)) == len(dataset.examples), "without an index each track is by itself"


@pytest.mark.parametrize("outer", ["genres_original", "genres"])
def test_gtzan_is_found_with_or_without_its_outer_folder(copied, outer):
    home = copied("gtzan")
    before = ids(loading.load_dataset("gtzan", home.parents[1]))
    (home / "Data/genres_original").rename(home / outer)
    assert ids(loading.load_dataset("gtzan", home.parents[1])) == before


def test_the_unreadable_track_of_gtzan_is_left_out_with_a_reason_when_features_are_computed(root, tmp_path):
    dataset = loading.load_dataset("gtzan", root)
    assert "jazz/jazz.00054.wav" in ids(dataset)
    jazz = dataset.keep([example.label == "jazz" for example in dataset.examples])
    settings = audio_features.MFCC(sample_rate=8000, n_fft=1024, hop_length=1024, n_mels=20, n_mfcc=5)
    readable, found = cache.get_features(jazz, settings, tmp_path)
    assert ids(readable) == [example for example in ids(jazz) if example != "jazz/jazz.00054.wav"]
    assert [item.file for item in readable.excluded] == ["jazz/jazz.00054.wav"] and readable.excluded[0].reason
    assert len(found.begin) == len(readable.examples)


# the four instruments


def test_a_drum_is_no_violin_whichever_row_comes_first(copied):
    home = copied("instrument_sounds")
    before = {e.id: e.label for e in loading.load_dataset("instrument_sounds", home.parents[1]).examples}
    first, *rows = (home / "Metadata_Train.csv").read_text().splitlines()
    drums = {row.split(",")[0] for row in rows if row.endswith("Sound_Drum")} - {"loop-16247.wav"}
    (home / "Metadata_Train.csv").write_text("\n".join([first, *rows[::-1]]))
    after = {e.id: e.label for e in loading.load_dataset("instrument_sounds", home.parents[1]).examples}
    assert {after[example] for example in after if example.rpartition("/")[2] in drums} == {"drum"}
    assert {example for example in after if after[example] != before[example]} == {
        "Train_submission/Train_submission/loop-16247.wav"  # a drum and a piano: the first row decides
    }


def test_rows_without_a_file_or_with_an_unknown_class_are_named(copied):
    home = copied("instrument_sounds")
    table = home / "Metadata_Train.csv"
    table.write_bytes(table.read_bytes() + b"nowhere.wav,Sound_Piano\r\nloop-16247.wav,Sound_Flute\r\n")
    reasons = {item.file: item.reason for item in loading.load_dataset("instrument_sounds", home.parents[1]).excluded}
    assert reasons["nowhere.wav"] == "in Metadata_Train.csv but not on the disk"
    assert reasons["loop-16247.wav"] == "unknown class Sound_Flute"


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        *(("ROOM_room3_MUS_mozart2_DEV_lg", "mozart"), ("ROOM-room8-MUS-beethoven1", "beethoven")),
        *(("WaveDrum02_01KD (1)", "wavedrum02"), ("AR_Lick3_FN", "lick3"), ("LP_Lick3_KN", "lick3")),
        *(("Vn-ord-A4-ff-1c", "vn-ord"), ("emil_bwv1001", "bwv1001"), ("G53-76017-1111-301", "g53")),
        *(("1-E1-Major 00", "1-e1"), ("loop-16247", "loop-16247")),
    ],
)
def test_a_name_tells_its_piece_kit_or_player(stem, group):
    assert instrument_sounds.find_group(stem) == group


# openmic


def openmic_labels(root):
    rows = files.read_csv(root / "sample/openmic/openmic-2018/openmic-2018-aggregated-labels.csv")
    return {(row["sample_key"], row["instrument"]): float(row["relevance"]) for row in rows}


def test_cells_that_nobody_judged_are_nan_and_a_tie_is_negative(root):
    dataset, judged = loading.load_dataset("openmic", root), openmic_labels(root)
    targets = dataset.targets()
    for place, example in enumerate(dataset.examples):
        for k, name in enumerate(dataset.class_names):
            relevance = judged.get((example.id, name))
            if relevance is None:
                assert np.isnan(targets[place, k])
            else:
                assert targets[place, k] == (relevance > 0.5)
    ties = [cell for cell, relevance in judged.items() if relevance == 0.5]
    assert len(ties) == 2
    assert "2 known labels have a relevance of exactly 0.5 and count as negative" in dataset.notes


def test_openmic_has_its_own_two_sides_and_its_artists(root):
    dataset = loading.load_dataset("openmic", root)
    assert {example.split for example in dataset.examples} == {"train", "test"}
    assert all(example.group.startswith("artist ") for example in dataset.examples)
    assert 1 < len(set(dataset.groups)) < len(dataset.examples)


def test_the_features_that_openmic_ships_are_in_the_examples_order_and_a_stand_in_says_so(root):
    dataset = loading.load_dataset("openmic", root)
    assert dataset.vggish.shape == (len(dataset.examples), 10, 128) and dataset.vggish.dtype == np.uint8
    assert any("synthetic" in note for note in dataset.notes)
    for place in (0, 7, -1):
        key = ids(dataset)[place]
        stored = json.loads((root / f"sample/openmic/openmic-2018/vggish/{key[:3]}/{key}.json").read_text())
        assert dataset.vggish[place].tolist() == stored["features"]


class Bomb:
    """Whatever unpickles it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickled_key_column_is_never_opened_and_the_json_files_stand_in(copied, tmp_path):
    home = copied("openmic") / "openmic-2018"
    before = loading.load_dataset("openmic", tmp_path).vggish
    with np.load(home / "openmic-2018.npz") as arrays:
        kept = dict(arrays)
    keys = np.array([*kept["sample_key"].tolist()[:-1], Bomb(tmp_path / "bang")], dtype=object)
    np.savez(home / "openmic-2018.npz", **{**kept, "X": kept["X"] * 0, "sample_key": keys})
    assert np.array_equal(loading.load_dataset("openmic", tmp_path).vggish, before)
    assert not (tmp_path / "bang").exists()


def test_openmic_without_its_table_of_features_reads_the_json_files_or_has_none(copied, tmp_path):
    home = copied("openmic") / "openmic-2018"
    before = loading.load_dataset("openmic", tmp_path).vggish
    (home / "openmic-2018.npz").unlink()
    for path in home.iterdir():  # without the archive's outer folder, too
        path.rename(home.parent / path.name)
    assert np.array_equal(loading.load_dataset("openmic", tmp_path).vggish, before)
    next((home.parent / "vggish").glob("*/*.json")).unlink()
    assert loading.load_dataset("openmic", tmp_path).vggish is None


def test_a_judged_clip_whose_sound_is_missing_is_named(copied, tmp_path):
    home = copied("openmic") / "openmic-2018"
    lost = sorted((home / "audio").glob("*/*.ogg"))[0]
    lost.unlink()
    dataset = loading.load_dataset("openmic", tmp_path)
    assert lost.stem not in ids(dataset)
    assert [item.file for item in dataset.excluded] == [f"audio/{lost.parent.name}/{lost.name}"]
    assert len(dataset.vggish) == len(dataset.examples)


# anyone's own folder


def test_a_folder_of_class_folders_is_a_data_set(tmp_path):
    for name in ("b/2.wav", "b/1.wav", "a/deep/3.wav"):
        wav(tmp_path / "mine" / name)
    dataset = loading.load_folder(tmp_path / "mine")
    assert ids(dataset) == ["a/deep/3.wav", "b/1.wav", "b/2.wav"]
    assert [example.label for example in dataset.examples] == ["a", "b", "b"]
    assert (dataset.name, dataset.kind, dataset.task, dataset.sample) == ("mine", "sound", "single", False)
    assert {example.split for example in dataset.examples} == {""}
    assert [example.group for example in dataset.examples] == ids(dataset)
    assert dataset.class_names == ("a", "b") and dataset.excluded == ()
    assert dataset.notes == ("no groups.csv: every file is treated as independent of the others",)


def test_a_class_of_the_test_side_alone_is_a_class(tmp_path):
    for name in ("train/a/1.wav", "train/b/1.wav", "test/c/1.wav"):
        wav(tmp_path / name)
    assert loading.load_folder(tmp_path).class_names == ("a", "b", "c")


def test_groups_csv_with_wrong_columns_names_the_right_ones(tmp_path):
    for name in ("a/1.wav", "b/1.wav"):
        wav(tmp_path / name)
    (tmp_path / "groups.csv").write_text("name;artist\na/1.wav;Ana\n")
    with pytest.raises(InputError, match=r"columns file,group in .*groups\.csv, got name,artist"):
        loading.load_folder(tmp_path)
    (tmp_path / "groups.csv").write_bytes("file,group\na/1.wav,Björk\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"Expected a table in .*groups\.csv"):
        loading.load_folder(tmp_path)


@pytest.mark.parametrize(("most", "kind"), [("wav", "sound"), ("jpg", "picture")])
def test_what_most_files_are_decides_and_the_others_are_named(tmp_path, most, kind):
    write, few = (wav, "jpg") if most == "wav" else (jpeg, "wav")
    for name in ("a/1", "a/2", "b/1"):
        write(tmp_path / f"{name}.{most}")
    (tmp_path / f"a/9.{few}").write_bytes(b"")
    (tmp_path / "b/notes.txt").write_text("mine")
    dataset = loading.load_folder(tmp_path)
    assert dataset.kind == kind and len(dataset.examples) == 3
    assert {item.file: item.reason for item in dataset.excluded} == {
        f"a/9.{few}": "an empty file",
        "b/notes.txt": f"not a {kind} file: it looks like text",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "Expected class folders with sound or picture files"),
        (["a/x.txt", "b/x.txt"], "Expected class folders with sound or picture files"),
        (["1.wav"], "Expected class folders with sound or picture files"),
        (["a/1.wav"], r"Expected at least two classes in .*, got 1 \(a\)"),
        (["a/1.wav", ".b/1.wav"], r"Expected at least two classes in .*, got 1 \(a\)"),
        (["a/1.wav", "b/"], "Expected a usable file in every class of .*, but there is none in b"),
        (["a/1.wav", "b/x.txt", "c/"], r"none in b \(b/x.txt: not a sound file: it looks like text\), c\."),
        (["train/a/1.wav", "train/b/", "test/a/1.wav"], "but there is none in b"),
    ],
)
def test_a_folder_that_nothing_can_be_learnt_from_is_a_sentence(tmp_path, written, said):
    for name in written:
        if name.endswith("/"):
            (tmp_path / name).mkdir(parents=True)
        elif name.endswith(".txt"):
            files.write_text(tmp_path / name, "mine")
        else:
            wav(tmp_path / name)
    with pytest.raises(InputError, match=said):
        loading.load_folder(tmp_path)


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="Expected a folder with class folders, but .*nowhere does not exist"):
        loading.load_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Expected a folder with class folders"):
        loading.load_dataset("gtzan", tmp_path, folder=tmp_path / "file")


def test_a_folder_given_takes_the_place_of_the_data_set(tmp_path):
    for name in ("a/1.wav", "b/1.wav"):
        wav(tmp_path / name)
    assert loading.load_dataset("gtzan", tmp_path / "nowhere", folder=tmp_path).class_names == ("a", "b")


def test_a_class_with_no_present_example_is_empty_even_where_it_was_looked_for(tmp_path):
    dataset = base.Dataset(
        "x", "sound", "multi", "instrument", ("a", "b"), (Example("1", tmp_path, {"a": True, "b": False}, "1"),)
    )
    with pytest.raises(InputError, match="there is none in b"):
        base.check_classes(dataset, tmp_path)
