"""What is mended in each dataset, one entry a file or row; and what stands where it is taken as published."""

import csv
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from musicml.data.datasets import folder, gtzan, instrument_sounds, loading, openmic
from musicml.data.splits import splitting
from musicml.utils.errors import InputError

REAL = os.environ.get("MUSICML_SHARED_DATA")
real = pytest.mark.skipif(not REAL, reason="MUSICML_SHARED_DATA names no folder of real data")
VIOLINS = [
    "violin_sound (1).wav",
    "Violin_sound (1).wav",
    "VIOLIN_SOUND (2).wav",
    "Vn-ord-A4-ff-1c.wav",
    "emil_bwv1.wav",
]


def kinds(dataset):
    return Counter(repair.repair for repair in dataset.repairs)


def of_kind(dataset, kind):
    return {repair.file: repair.words for repair in dataset.repairs if repair.repair == kind}


def sounds_home(home, train, test, beside=()):
    """The four instruments' layout: two tables of (file, class), every named file on the disk, and some beside."""
    for side, rows in (("Train", train), ("Test", test)):
        inner = home / f"{side}_submission" / f"{side}_submission"
        inner.mkdir(parents=True)
        lines = ["FileName,Class", *(f"{name},{written}" for name, written in rows)]
        (home / f"Metadata_{side}.csv").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
        for name in dict.fromkeys([name for name, _ in rows] + list(beside if side == "Train" else ())):
            (inner / name).write_bytes(name.encode())
    return home


FEW = [("a.wav", "Sound_Guitar"), ("b.wav", "Sound_Drum"), ("b.wav", "Sound_Violin"), ("c.wav", "Sound_Piano")]
FEW_TESTS = [("t.wav", "Sound_Drum"), ("u.wav", "Sound_Guiatr")]


# every dataset


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_every_data_set_says_how_it_was_taken_and_lists_its_repairs_only_where_it_was_repaired(root, name):
    honest, published = loading.load_dataset(name, root), loading.load_dataset(name, root, as_published=True)
    assert (honest.as_published, published.as_published) == (False, True)
    assert published.repairs == ()
    assert bool(honest.repairs) == (name != "instrument_images"), "the pictures' lists need no repair"
    assert all(repair.repair and repair.file and repair.words for repair in honest.repairs)
    assert any("as published" in note for note in published.notes)
    assert not any("as published" in note for note in honest.notes)


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_every_data_set_as_published_is_a_data_set_still(root, name):
    dataset = loading.load_dataset(name, root, as_published=True)
    ids = [example.id for example in dataset.examples]
    assert len(set(ids)) == len(ids) > 5
    assert all(example.path.is_file() and example.group for example in dataset.examples)
    assert (np.nan_to_num(dataset.targets()) == 1).any(axis=0).all()


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_what_was_repaired_is_kept_with_what_is_kept(root, name):
    for as_published in (False, True):
        dataset = loading.load_dataset(name, root, as_published=as_published)
        kept = dataset.keep(np.arange(len(dataset.examples)) % 2 == 0)
        for other in (kept, replace(dataset, name="other")):
            assert (other.repairs, other.as_published, other.lists) == (
                dataset.repairs,
                dataset.as_published,
                dataset.lists,
            )


@pytest.mark.parametrize("name", loading.DATASET_NAMES)
def test_a_run_finds_its_data_again_as_it_took_it(root, name):
    data = {"dataset": name, "root": str(root), "sample": True, "folder": None}
    honest, published = (loading.load_dataset(name, root, as_published=taken) for taken in (False, True))
    assert loading.reload_dataset(data).hash() == honest.hash(), "a run of before this was told says nothing of it"
    assert loading.reload_dataset({**data, "as_published": False}).hash() == honest.hash()
    again = loading.reload_dataset({**data, "as_published": True})
    assert again.as_published and again.hash() == published.hash()
    assert (published.hash() == honest.hash()) == (name == "instrument_images")


def test_ones_own_folder_can_not_be_as_published(tmp_path):
    for name in ("train/a/1.wav", "train/b/1.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r'"as_published" is only for datasets that musicml repairs, .* Use "hon'):
        loading.load_dataset("gtzan", tmp_path, folder=tmp_path, as_published=True)
    dataset = folder.load(tmp_path)
    assert (dataset.lists, dataset.as_published, dataset.repairs) == (("official",), False, ())


# the four instruments


@pytest.fixture(scope="module")
def real_sounds(tmp_path_factory):
    """The real tables, with made files of the names that they give, violins beside them, some of these test names."""
    home = tmp_path_factory.mktemp("real") / "instrument_sounds"
    tables = {}
    for side in ("Train", "Test"):
        with open(Path(REAL) / f"instrument_sounds/Metadata_{side}.csv", newline="", encoding="utf-8-sig") as table:
            tables[side] = [(row["FileName"], row["Class"]) for row in csv.DictReader(table)]
    return sounds_home(home, tables["Train"], tables["Test"], VIOLINS).parent


@real
def test_of_the_published_tables_700_rows_are_dropped_and_no_class_is_lost(real_sounds):
    dataset = loading.load_dataset("instrument_sounds", real_sounds)
    dropped = of_kind(dataset, "label_dropped")
    assert kinds(dataset)["label_dropped"] == len(dropped) == 700
    assert "700 violin rows that name files of another class were dropped" in dataset.notes
    labels = {example.id: example.label for example in dataset.examples}
    assert {labels[name] for name in dropped} == {"drum"}
    assert [name for name in labels if name.endswith("loop-16247.wav")] == list(of_kind(dataset, "counted_once"))
    sides = Counter((example.split, example.label) for example in dataset.examples)
    assert sides == {
        **{("train", "guitar"): 700, ("train", "drum"): 700, ("train", "piano"): 528, ("train", "violin"): 5},
        **{("test", label): 20 for label in dataset.class_names},
    }
    assert len({example.path for example in dataset.examples}) == len(dataset.examples), "each file counts once"
    assert len(of_kind(dataset, "taken_from_disk")) == 5 and len(of_kind(dataset, "class_spelling")) == 20


@real
def test_the_published_tables_split_without_a_piece_or_a_tune_on_two_sides(real_sounds):
    dataset, split = splitting.make_split(
        loading.load_dataset("instrument_sounds", real_sounds), "official", 0.15, 0.15, seed=0
    )
    trained = {dataset.examples[k].label for k in split.indices("train")}
    assert trained == set(dataset.class_names)
    tests = {dataset.examples[k].group for k in split.indices("test")}
    assert {"rock_2", "mozart"} <= tests and "rock_2" not in {dataset.examples[k].group for k in split.indices("train")}


@real
def test_as_published_the_700_contradictions_stand(real_sounds):
    dataset = loading.load_dataset("instrument_sounds", real_sounds, as_published=True)
    labels = {}
    for example in dataset.examples:
        labels.setdefault(example.path, []).append(example.label)
    contradictory = {path.name: found for path, found in labels.items() if len(found) > 1}
    assert len(contradictory) == 700 and "700 training files have more than one class" in dataset.notes[0]
    assert contradictory.pop("loop-16247.wav") == ["drum", "violin", "piano"]
    assert {tuple(found) for found in contradictory.values()} == {("drum", "violin")}
    assert Counter(e.label for e in dataset.examples if e.split == "train") == {
        **{"guitar": 700, "drum": 700, "violin": 700, "piano": 529}
    }
    assert not any(example.path.name in VIOLINS for example in dataset.examples), "in no row"
    tests = Counter(example.label for example in dataset.examples if example.split == "test")
    assert tests == {"drum": 20, "piano": 20, "violin": 20}, "nothing has learnt Sound_Guiatr"


@real
def test_labels_as_published_let_no_model_past_a_macro_auc_of_0_909(real_sounds):
    dataset = loading.load_dataset("instrument_sounds", real_sounds, as_published=True)
    dataset = dataset.keep([example.split == "train" for example in dataset.examples])
    targets = dataset.targets()
    _, files = np.unique([example.id.partition("#")[0] for example in dataset.examples], return_inverse=True)
    # the best that a model can answer for a file is the share of its rows that name each class
    shares = np.stack([targets[files == file].mean(axis=0) for file in range(files.max() + 1)])
    best = [roc_auc_score(targets[:, k], shares[files, k]) for k in range(len(dataset.class_names))]
    assert 0.908 < np.mean(best) < 0.910


def test_every_sound_file_counts_once_and_what_was_mended_for_it_is_told(tmp_path):
    train = [*FEW, ("c.wav", "Sound_Piano"), ("A.WAV", "Sound_Guitar")]
    home = sounds_home(tmp_path / "instrument_sounds", [row for row in train if row[0] != "A.WAV"], FEW_TESTS, VIOLINS)
    table = home / "Metadata_Train.csv"
    table.write_bytes(table.read_bytes().replace(b"a.wav", b"A.WAV"))
    dataset = loading.load_dataset("instrument_sounds", tmp_path)
    assert kinds(dataset) == {
        "label_dropped": 1,
        "counted_once": 1,
        "file_spelling": 1,
        "class_spelling": 1,
        "taken_from_disk": len(VIOLINS),
    }
    assert "1 violin rows that name files of another class were dropped" in dataset.notes
    assert f"{len(VIOLINS)} violin files on the disk were added by their names" in dataset.notes
    assert {e.path.name: e.label for e in dataset.examples if e.split == "test"} == {"t.wav": "drum", "u.wav": "guitar"}
    labels = {e.path.name: e.label for e in dataset.examples if e.split == "train"}
    assert (labels["a.wav"], labels["b.wav"]) == ("guitar", "drum")
    at = "Train_submission/Train_submission/"
    assert of_kind(dataset, "counted_once") == {
        f"{at}c.wav": "2 rows of Metadata_Train.csv name it, as piano: it counts once, with the label of the first"
    }
    assert "spells it A.WAV" in of_kind(dataset, "file_spelling")[f"{at}a.wav"]
    assert "Sound_Guiatr: read as guitar" in of_kind(dataset, "class_spelling")["Test_submission/Test_submission/u.wav"]
    assert [e.path.name for e in dataset.examples if e.label == "violin"] == sorted(
        VIOLINS, key=lambda name: (name.lower(), name)
    ), "two names that differ in capitals alone are two files"


def test_a_violin_on_the_disk_with_a_test_name_does_not_train(tmp_path):
    tests = [*FEW_TESTS, ("VIOLIN_sound (1).wav", "Sound_Violin"), ("c.wav", "Sound_Piano")]
    train = [*FEW, ("d.wav", "Sound_Piano")]
    sounds_home(tmp_path / "instrument_sounds", train, tests, VIOLINS)
    dataset = loading.load_dataset("instrument_sounds", tmp_path)
    trained = {e.path.name for e in dataset.examples if e.split == "train"}
    barred = {"violin_sound (1).wav", "Violin_sound (1).wav", "c.wav"}
    assert not trained & barred and {"d.wav", "VIOLIN_SOUND (2).wav"} <= trained
    assert {Path(name).name for name in of_kind(dataset, "test_name")} == barred
    assert {f"train: {name}" for name in barred} == {item.file for item in dataset.excluded}
    published = loading.load_dataset("instrument_sounds", tmp_path, as_published=True)
    assert {"c.wav"} <= {e.path.name for e in published.examples if e.split == "train"}
    assert "files with the name of a test file that are used for training, as published: 1" in published.notes


def test_rows_as_published_are_told_apart_by_their_ids_and_share_a_file_and_a_group(tmp_path):
    train = [*FEW, ("b.wav", "Sound_Drum"), ("b.wav", "Sound_Violin"), ("a.wav", "Sound_Guitar")]
    sounds_home(tmp_path / "instrument_sounds", train, FEW_TESTS)
    dataset = loading.load_dataset("instrument_sounds", tmp_path, as_published=True)
    rows = {e.id.rpartition("/")[2]: (e.label, e.path.name, e.group) for e in dataset.examples if e.split == "train"}
    assert rows == {
        "a.wav": ("guitar", "a.wav", "a"),
        "a.wav#2": ("guitar", "a.wav", "a"),
        "b.wav": ("drum", "b.wav", "b"),
        "b.wav#violin": ("violin", "b.wav", "b"),
        "b.wav#2": ("drum", "b.wav", "b"),
        "b.wav#violin#2": ("violin", "b.wav", "b"),
        "c.wav": ("piano", "c.wav", "c"),
    }


def test_a_test_row_whose_class_nothing_has_learnt_is_left_out_as_published_and_said(tmp_path):
    sounds_home(tmp_path / "instrument_sounds", FEW, FEW_TESTS)
    dataset = loading.load_dataset("instrument_sounds", tmp_path, as_published=True)
    assert [e.path.name for e in dataset.examples if e.split == "test"] == ["t.wav"]
    reasons = {item.file.rpartition("/")[2]: item.reason for item in dataset.excluded}
    assert reasons == {"u.wav": "its class Sound_Guiatr is in no training row"}
    assert any(note.startswith("1 test rows are left out") and "test score" in note for note in dataset.notes)


def test_a_sound_file_that_no_row_names_and_no_pattern_fits_is_named(tmp_path):
    sounds_home(tmp_path / "instrument_sounds", FEW, FEW_TESTS, [*VIOLINS, "stray.wav"])
    excluded = loading.load_dataset("instrument_sounds", tmp_path).excluded
    assert [(Path(item.file).name, item.reason) for item in excluded] == [("stray.wav", "in no row of its table")]


@pytest.mark.parametrize(
    ("stems", "group"),
    [
        (["jazz_1_160BPM", "jazz_1_180BPM", "slow_jazz_1_160BPM"], "jazz_1"),
        (["AR_A_fret_0-20", "FS_A_fret_0-20", "LP_A_fret_0-20"], "a_fret_0-20"),
        (["drum-loop-140bpm-73728", "drum-loop-140bpm-73728 (1)"], "drum-loop-140bpm-73728"),
        (["DRUM_SOUND (1)"], "drum_sound (1)"),
    ],
)
def test_one_tune_one_set_of_notes_and_one_upload_are_one_group(stems, group):
    assert {instrument_sounds.find_group(stem) for stem in stems} == {group}


# gtzan


def test_a_hidden_folder_with_sound_is_no_class_and_as_published_it_is_one(root):
    honest, published = (loading.load_dataset("gtzan", root, as_published=taken) for taken in (False, True))
    assert list(of_kind(honest, "hidden_folder")) == [".ipynb_checkpoints"]
    assert len(honest.class_names) == 10 and published.class_names == (".ipynb_checkpoints", *honest.class_names)
    hidden = [example for example in published.examples if example.label == ".ipynb_checkpoints"]
    assert [example.id.split("/")[0] for example in hidden] == [".ipynb_checkpoints"]
    assert "the hidden folder .ipynb_checkpoints is a class, with 1 files, as published" in published.notes


def test_a_hidden_folder_without_sound_is_nothing_at_all(copied, tmp_path):
    hidden = copied("gtzan") / "Data/genres_original/.ipynb_checkpoints"
    shutil.rmtree(hidden)
    hidden.mkdir()
    (hidden / "note.txt").write_text("mine")
    for as_published in (False, True):
        dataset = loading.load_dataset("gtzan", tmp_path, as_published=as_published)
        assert len(dataset.class_names) == 10 and not of_kind(dataset, "hidden_folder")


def test_as_published_no_list_is_used_and_artists_are_groups_still(root):
    honest, published = (loading.load_dataset("gtzan", root, as_published=taken) for taken in (False, True))
    assert {example.split for example in published.examples} == {""}
    assert honest.lists == ("filtered", "artist") and published.lists == ("artist",)
    groups = {example.id: example.group for example in published.examples}
    assert all(groups[example.id] == example.group for example in honest.examples)


def test_missing_lists_are_named_with_the_cure(copied, tmp_path):
    home = copied("gtzan")
    assert gtzan.describe_missing_lists(home) is None
    (home / "splits/valid_filtered.txt").unlink()
    dataset = loading.load_dataset("gtzan", tmp_path)
    assert dataset.lists == ("artist",) and gtzan.describe_missing_lists(home) in dataset.notes
    (home / "splits" / gtzan.ARTIST_INDEX).unlink()
    dataset = loading.load_dataset("gtzan", tmp_path)
    assert dataset.lists == ()
    assert gtzan.describe_missing_lists(home) == (
        f"Missing in {home}/splits: valid_filtered.txt, GTZANindex_sturm.txt, needed for the splits filtered and "
        "artist. Run `musicml fetch gtzan`, or copy them there."
    )
    assert gtzan.describe_missing_lists(home) not in loading.load_dataset("gtzan", tmp_path, as_published=True).notes


def test_an_artist_in_two_spellings_is_one_artist_and_the_rarer_spelling_a_repair(copied, tmp_path):
    home = copied("gtzan")
    index = home / "splits" / gtzan.ARTIST_INDEX
    lines = [line.split(" :::") for line in index.read_text().splitlines() if ":::" in line]
    *_, last = (name for name, artist, _ in lines if artist == " Artist blues 1")
    text = index.read_text().replace(f"{last} ::: Artist blues 1 ", f"{last} ::: artist Blues, 1 ")
    assert text != index.read_text()
    before = loading.load_dataset("gtzan", tmp_path)
    index.write_text(text)
    after = loading.load_dataset("gtzan", tmp_path)
    assert after.hash() == before.hash()
    assert of_kind(after, "artist_spelling") == {
        f"blues/{last}": "the index spells its artist artist Blues, 1: treated as Artist blues 1"
    }


@real
def test_the_real_index_writes_two_artists_in_two_ways():
    written = gtzan.read_artists(Path(REAL) / "gtzan/splits" / gtzan.ARTIST_INDEX)
    artists = gtzan.unify_artist_names(written)
    assert {track: name for track, name in written.items() if artists[track] != name} == {
        "disco.00016": "Earth, Wind & Fire",
        "metal.00095": "Rage Against the Machine",
    }
    assert len(set(artists.values())) == len(set(written.values())) - 2


# openmic


def test_each_tie_of_openmic_is_a_repair(root):
    dataset = loading.load_dataset("openmic", root)
    ties = [repair for repair in dataset.repairs if repair.repair == "tie"]
    assert len(ties) == len(dataset.repairs) == 2
    labels = {example.id: example.labels for example in dataset.examples}
    for repair in ties:
        name = repair.words.removeprefix("relevance 0.5 of ").removesuffix(" counts as absent")
        assert labels[repair.file][name] is False


def test_as_published_cells_that_nobody_judged_are_positive_and_only_voices_clips_are_used(root):
    honest, published = (loading.load_dataset("openmic", root, as_published=taken) for taken in (False, True))
    asked = {example.id: example for example in honest.examples if "voice" in example.labels}
    assert 0 < len(asked) < len(honest.examples) and [e.id for e in published.examples] == list(asked)
    assert not np.isnan(published.targets()).any()
    ties = {(repair.file, repair.words.split()[3]) for repair in honest.repairs}
    unjudged = 0
    for example in published.examples:
        judged = asked[example.id].labels
        assert (example.group, example.split) == (asked[example.id].group, asked[example.id].split)
        for name in published.class_names:
            unjudged += name not in judged
            assert example.labels[name] == (judged.get(name, True) or (example.id, name) in ties)
    n = len(asked) * 20
    assert f"{unjudged} of {n} labels are unknown and read as positive, as published" in published.notes
    assert 0.5 * n < unjudged < n
    places = [place for place, example in enumerate(honest.examples) if example.id in asked]
    assert np.array_equal(published.vggish, honest.vggish[places])
    left = {item.file for item in published.excluded if item.reason == "no known label for voice"}
    assert left == {openmic.get_file(e.id) for e in honest.examples if e.id not in asked}
