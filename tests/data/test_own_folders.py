"""Anyone's own folders as people really have them: names, links, endings, splits and groups."""

import codecs
import io
import os
import unicodedata

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.audit import audit
from musicml.data.audit.html_report import media
from musicml.data.datasets import group_table, loading, split_folders
from musicml.data.io import listing, load_audio
from musicml.utils import make_readable
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import by_ffmpeg


def nfd(text):
    return unicodedata.normalize("NFD", text)


def nfc(text):
    return unicodedata.normalize("NFC", text)


def put(path, content=None):
    """Write a file, by default a short sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = sound_as("WAV")
    path.write_bytes(content)
    return path


def sound_as(kind):
    made = io.BytesIO()
    soundfile.write(made, np.zeros(4000), 8000, format=kind)
    return made.getvalue()


def fill(root, *names):
    for name in names:
        put(root / name)
    return root


def load_with(root, rows):
    """The four plain files beside a table of groups."""
    fill(root, *PLAIN)
    (root / "groups.csv").write_text(f"file,group\n{rows}")
    return loading.load_folder(root)


def ids(dataset):
    return [example.id for example in dataset.examples]


def groups_of(dataset):
    return {example.id: example.group for example in dataset.examples}


# splits


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        *(("training", None, "testing"), ("Training_Data", None, "Test_Data"), ("seg_train", None, "seg_test")),
        *(("train_set", None, "test_set"), ("Training", "Validation", "Testing"), ("TrainSet", "ValSet", "TestSet")),
        *(("train-images", "valid-images", "test-images"), ("01 train", "02 dev", "03 test")),
        *(("data_latih", "data_validasi", "data_uji"), ("Pelatihan", None, "Pengujian")),
        *(("my training set", None, "my test set"), ("train", "validation", None), ("train", None, None)),
    ],
)
def test_splits_are_recognized_by_the_names_that_people_give_them(tmp_path, train, val, test):
    sides = {name: side for name, side in ((train, "train"), (val, "val"), (test, "test")) if name}
    fill(tmp_path, *(f"{name}/{label}/1.wav" for name in sides for label in ("drum", "guitar")))
    dataset = loading.load_folder(tmp_path)
    assert dataset.class_names == ("drum", "guitar") and dataset.lists == ("official",)
    assert {example.id.split("/")[0]: example.split for example in dataset.examples} == sides
    counts = ", ".join(f"{side} 2" for side in ("train", "val", "test") if side in sides.values())
    found = f"{len(sides) * 2} sound files in 2 classes (drum, guitar); splits: {counts}"
    assert dataset.describe() == f"{tmp_path.name}: {found}"


@pytest.mark.parametrize(
    "name", ["trains", "contest", "latest", "protest", "value", "rain", "tests of strength", "data"]
)
def test_names_that_only_hold_such_a_word_are_classes(name):
    assert split_folders.read_split(name) == ""


def test_a_class_called_train_is_a_class(tmp_path):
    dataset = loading.load_folder(fill(tmp_path, "train/1.wav", "plane/1.wav", "test/1.wav"))
    assert dataset.class_names == ("plane", "test", "train") and {e.split for e in dataset.examples} == {""}
    assert dataset.describe().endswith("; no splits of its own")


@pytest.mark.parametrize("outer", [("fold1", "fold2"), ("a", "b", "c"), ("studio", "live"), ("2019", "2020")])
def test_folders_that_may_be_splits_or_classes_are_refused_with_both_readings(tmp_path, outer):
    fill(tmp_path, *(f"{name}/{label}/1.wav" for name in outer for label in ("drum", "guitar")))
    with pytest.raises(InputError) as refused:
        loading.load_folder(tmp_path)
    said = str(refused.value)
    assert f"each of {', '.join(sorted(outer))} contains the folders drum, guitar" in said
    assert "rename them to train, val or test" in said and "move the files out of drum, guitar" in said


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ("train/a train/b test/a test/b holdout/a holdout/b", "but holdout contains classes of test, train"),
        ("old/blues old/rock old/jazz new/blues new/rock c", "each of new, old contains the folders blues, rock"),
        (
            "gamelan/train gamelan/test jazz/train jazz/test",
            "each of gamelan, jazz contains test, train. Put train above the classes",
        ),
        (
            "genres_original/pop genres_original/rock __MACOSX/genres_original/pop",
            r"all of them \(pop, rock\) are in .*genres_original. Give that folder",
        ),
        ("train/Rock train/pop test/rock test/pop", "test/rock and .*train/Rock differ in capitals"),
    ],
)
def test_folders_of_no_clear_meaning_are_refused_with_what_to_do(tmp_path, folders, said):
    fill(tmp_path, *(f"{folder}/1.wav" for folder in folders.split()))
    with pytest.raises(InputError, match=said):
        loading.load_folder(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("a/loud/1.wav", "b/loud/1.wav"),
        ("a/loud/1.wav", "a/soft/1.wav", "b/loud/1.wav"),
        ("a/loud/1.wav", "a/soft/1.wav", "b/1.wav"),
    ],
)
def test_classes_with_folders_of_their_own_are_classes(tmp_path, names):
    assert loading.load_folder(fill(tmp_path, *names)).class_names == ("a", "b")


def test_what_lies_beside_the_classes_is_named_file_by_file(tmp_path):
    fill(tmp_path, "train/a/1.wav", "train/b/1.wav", "test/1.wav", "more/deep/2.wav", "more/3.wav")
    os.symlink("nowhere", tmp_path / "gone")
    assert {one.file: one.reason for one in loading.load_folder(tmp_path).excluded} == {
        "test/1.wav": "not in a class folder",
        "more/deep/2.wav": "not in a class folder",
        "more/3.wav": "not in a class folder",
        "gone": "a broken link",
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [("gtzan_train", "gtzan_test"), ("train_v2", "test_v2"), ("trainA", "testA"), ("train-clean", "test-clean")],
)
@pytest.mark.parametrize("n_tests", [2, 3])
def test_names_that_differ_in_one_word_are_splits(tmp_path, train, test, n_tests):
    fill(tmp_path, *(f"{train}/{label}/1.wav" for label in ("blues", "rock", "jazz")))
    fill(tmp_path, *(f"{test}/{label}/1.wav" for label in ("blues", "rock", "jazz")[:n_tests]))
    dataset = loading.load_folder(tmp_path)
    assert dataset.class_names == ("blues", "jazz", "rock")
    assert {example.split for example in dataset.examples} == {"train", "test"}


def test_chords_that_differ_in_capitals_are_classes(tmp_path):
    dataset = loading.load_folder(fill(tmp_path, "A/1.wav", "a/1.wav", "b/1.wav"))
    assert dataset.class_names == ("A", "a", "b")
    assert dataset.notes[1:] == ("classes whose names differ only in capitals: A, a",)


@pytest.mark.parametrize("other", ["pop ", " pop", "pop\u00a0", "pop\u200b", "\ufeffpop"])
def test_classes_that_look_alike_are_one_class(tmp_path, other):
    dataset = loading.load_folder(fill(tmp_path, "pop/1.wav", f"{other}/2.wav", "rock/1.wav"))
    assert dataset.class_names == ("pop", "rock") and len(dataset.examples) == 3


def test_a_class_name_never_writes_to_a_terminal(tmp_path):
    dataset = loading.load_folder(fill(tmp_path, "a\x1b[31m/1.wav", "b\n/1.wav"))
    assert dataset.class_names == ("a?[31m", "b?") and dataset.describe().isprintable()


# groups


SONGS = ["pop/Beyoncé 01.wav", "pop/Beyoncé 02.wav", "rock/Dvořák 01.wav", "rock/Dvořák 02.wav"]
PLAIN = ["pop/01.wav", "pop/02.wav", "rock/03.wav", "rock/04.wav"]


@pytest.mark.parametrize(("on_disk", "written"), [(nfc, nfd), (nfd, nfc)])
@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda name: name.replace("/", "\\"),
        str.upper,
        lambda name: f"./{name}",
        lambda name: f" {name}  ",
        lambda name: f"music/{name}",
        lambda name: f"C:\\Users\\me\\music\\{name}".replace("/", "\\"),
        lambda name: name.rsplit("/")[1],
        lambda name: name.replace("01", "1").replace("02", "2"),
        lambda name: name.replace(".wav", ""),
        lambda name: f"\u202a{name}\u200b",  # as Windows copies a path
    ],
)
def test_rows_of_groups_csv_match_files_however_they_are_written(tmp_path, on_disk, written, change):
    names = [on_disk(name) for name in SONGS]
    fill(tmp_path, *names)
    rows = "".join(f"{written(change(name))},{name.split('/')[0]}\n" for name in SONGS)
    (tmp_path / "groups.csv").write_text(f"file,group\n{rows}", encoding="utf-8")
    dataset = loading.load_folder(tmp_path)
    assert groups_of(dataset) == {name: name.split("/")[0] for name in names}
    assert dataset.notes == ("groups.csv assigns 4 of 4 files to 2 groups",) and not dataset.excluded


@pytest.mark.parametrize(
    "groups",
    [
        *(("A1", "A1 "), (" A1", "A1"), ("A1", "a1"), ("A  1", "A 1"), ("007", "7"), ("7", "7.0")),
        (nfc("Björk"), nfd("Björk")),
    ],
)
def test_groups_that_differ_only_in_how_they_are_written_are_one(tmp_path, groups):
    rows = "".join(f"{name},{group}\n" for name, group in zip(PLAIN, [*groups, "B", "B"], strict=True))
    dataset = load_with(tmp_path, rows)
    assert len(set(dataset.groups)) == 2 and dataset.examples[0].group == groups[0]


def test_rows_without_a_file_and_files_without_a_row_are_counted_and_the_first_named(tmp_path):
    dataset = load_with(tmp_path, "pop/01.wav,A\npop/99.wav,A\njazz/01.wav,B\nrock/03.wav,\n")
    assert dataset.notes == (
        "groups.csv assigns 1 of 4 files to 1 groups",
        "rows of groups.csv that match no file, or several: 2, the first 'pop/99.wav'",
        "files in no row of groups.csv, each in a group of its own: 3, the first pop/02.wav",
    )
    assert [(one.file, one.reason) for one in dataset.excluded] == [
        ("groups.csv", "row 3 matches no file, or several: pop/99.wav"),
        ("groups.csv", "row 4 matches no file, or several: jazz/01.wav"),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(("pop/01.wav", exact) for exact in ("pop/01.wav", "POP/01.WAV", "pop\\01.wav", "./pop/01.wav ")),
        *(("pop/1.wav", loose) for loose in ("pop\\1.wav", "music/pop/1.wav", "pop/01")),
    ],
)
def test_a_file_in_two_groups_is_an_error_that_names_both_rows(tmp_path, first, second):
    with pytest.raises(InputError, match=r"assigns pop/01\.wav to A \(row 2\) and B \(row 3\)"):
        load_with(tmp_path, f"{first},A\n{second},B\n")


@pytest.mark.parametrize("gone", ["pop/1.wav", "pop/01.mp3", "old/pop/01.wav", "01.wav", "pop/01"])
def test_a_row_takes_no_file_that_another_row_names_rightly(tmp_path, gone):
    dataset = load_with(tmp_path, f"{gone},X\npop/01.wav,A\n")
    assert groups_of(dataset)["pop/01.wav"] == "A" and any(gone in one.reason for one in dataset.excluded)


@pytest.mark.parametrize("gone", ["pop/01.mp3", "pop/v1.05.wav", "rock/01.wav"])
def test_a_row_of_a_missing_file_takes_no_other(tmp_path, gone):
    fill(tmp_path, "pop/v1.5.wav")
    assert "X" not in load_with(tmp_path, f"{gone},X\nrock/04.wav,A\n").groups


def test_a_table_in_capitals_is_read(tmp_path):
    fill(tmp_path, *PLAIN)
    (tmp_path / "Groups.CSV").write_text("file,group\npop/01.wav,A\npop/02.wav,A\n")
    dataset = loading.load_folder(tmp_path)
    assert len(set(dataset.groups)) == 3 and not dataset.excluded


@pytest.mark.parametrize("name", ["groups.csv.txt", "groups.xlsx", "groups (1).csv", "Groups.tsv", "groups.ods"])
def test_a_table_under_another_name_is_an_error_and_no_leak(tmp_path, name):
    fill(tmp_path, *PLAIN)
    put(tmp_path / name, b"file,group\npop/01.wav,A\n")
    with pytest.raises(InputError, match="Expected the group table to be named groups.csv"):
        loading.load_folder(tmp_path)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("pop/01.wav,\npop/02.wav, \n", "its column group is empty"),
        ("", "its column group is empty"),
        ('pop/01.wav,"A\npop/02.wav,A\n', "can't be read"),
        ('pop/01.wav,"A\npop/02.wav,A"\n', "row 2 has more"),
        ("pop/01.wav,Earth, Wind\n", "row 2 has more"),
    ],
)
def test_a_table_that_is_not_filled_in_rightly_is_an_error(tmp_path, rows, said):
    with pytest.raises(InputError, match=said):
        load_with(tmp_path, rows)


def test_a_file_twice_in_one_group_is_none(tmp_path):
    assert groups_of(load_with(tmp_path, "pop/01.wav,A\npop/01.wav,a \n"))["pop/01.wav"] == "A"


def test_a_row_that_may_mean_several_files_names_none(tmp_path):
    fill(tmp_path, "a/1.wav", "b/1.wav", "a/Song.wav", "a/song.wav")
    table = put(tmp_path / "groups.csv", b"file,group\n1.wav,A\nA/SONG.WAV,B\na/song.wav,C\n")
    found = group_table.read_group_table(table, ids(loading.load_folder(tmp_path)))
    assert [row.file for row in found.unmatched] == ["1.wav", "A/SONG.WAV"] and found.groups == {"a/song.wav": "C"}


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("file,group", "File, Group").encode(),
        lambda text: text.replace("\n", ",,\n").encode(),
        lambda text: text.replace(",group", ",\ufeffgroup").encode(),
        lambda text: f"sep=;\n{text}".replace(",", ";").encode(),
        lambda text: text.replace("file,group", "file,group,Group").replace("\n", ",other\n").encode(),
    ],
)
def test_groups_csv_is_read_as_spreadsheets_save_it(tmp_path, encode):
    fill(tmp_path, *PLAIN)
    rows = "".join(f"{name},{name.split('/')[0]}\n" for name in PLAIN)
    (tmp_path / "groups.csv").write_bytes(encode(f"file,group\n{rows}"))
    assert groups_of(loading.load_folder(tmp_path)) == {name: name.split("/")[0] for name in PLAIN}


def test_two_ways_of_writing_a_class_are_one_class(tmp_path):
    fill(tmp_path, f"train/{nfc('Música')}/1.wav", "train/b/1.wav", f"test/{nfd('Música')}/1.wav", "test/b/1.wav")
    dataset = loading.load_folder(tmp_path)
    assert dataset.class_names == (nfc("Música"), "b") and len(dataset.examples) == 4
    assert {example.label for example in dataset.examples} == set(dataset.class_names)


# links


def test_folders_behind_links_are_read_once(tmp_path):
    music = fill(tmp_path / "music", "a/1.wav", "b/1.wav")
    fill(tmp_path / "disk", "2.wav", "deep/3.wav")
    os.symlink("../../disk", music / "a/more")
    os.symlink(tmp_path / "disk/deep", music / "a/again")
    os.symlink(music / "b", music / "a/other")
    dataset = loading.load_folder(music)
    assert sorted(ids(dataset)) == ["a/1.wav", "a/again/3.wav", "a/more/2.wav", "b/1.wav"]
    assert {one.file: one.reason for one in dataset.excluded} == {
        "a/more/deep": f"the same folder as {music}/a/again, which was already read",
        "a/other": f"the same folder as {music}/b, which was already read",
    }


@pytest.mark.parametrize(
    ("link", "target"), [("aa", "rock"), ("zz", "rock"), ("best", "rock/live"), ("pop/more", "../rock")]
)
def test_a_folder_that_lies_there_is_read_there_and_not_behind_a_link(tmp_path, link, target):
    fill(tmp_path, "pop/1.wav", "rock/1.wav", "rock/live/2.wav")
    os.symlink(target, tmp_path / link)
    classes = split_folders.find_class_folders(tmp_path)
    found = {
        str(one): len(files.files)
        for (_, one), files in zip(classes, listing.list_files([f for _, f in classes]), strict=True)
    }
    assert found[str(tmp_path / "rock")] == 2 and sum(found.values()) == 3


def test_a_split_behind_a_link_to_another_takes_no_files(tmp_path):
    fill(tmp_path, "train/a/1.wav", "train/b/1.wav", "train/a/2.wav")
    os.symlink("train", tmp_path / "test")
    dataset = loading.load_folder(tmp_path)
    assert {example.split for example in dataset.examples} == {"train"} and len(dataset.examples) == 3


@pytest.mark.parametrize("target", [".", "..", "../..", "../../music/a", "/"])
def test_links_that_lead_round_in_a_circle_are_an_error(tmp_path, target):
    music = fill(tmp_path / "music", "a/1.wav", "b/1.wav")
    os.symlink(target, music / "a/round")
    with pytest.raises(InputError, match="Expected links to lead to other folders, but .*round leads back to"):
        loading.load_folder(music)


def test_two_linked_folders_that_lead_to_each_other_are_a_circle(tmp_path):
    music = fill(tmp_path / "music", "a/1.wav", "b/1.wav")
    fill(tmp_path / "disk", "2.wav")
    os.symlink(tmp_path / "disk", music / "a/more")
    os.symlink(music / "a", tmp_path / "disk/back")
    with pytest.raises(InputError, match="back leads back to"):
        loading.load_folder(music)


def test_dead_links_are_named_and_counted_in_the_data_set_and_the_audit(tmp_path):
    music = fill(tmp_path / "music", "a/1.wav", "b/1.wav")
    os.symlink("nowhere.wav", music / "a/gone.wav")
    os.symlink("round.wav", music / "a/round.wav")
    os.symlink("/nowhere/at/all", music / "b/folder")
    os.mkfifo(music / "b/pipe.wav")
    dataset = loading.load_folder(music)
    assert {one.file: one.reason for one in dataset.excluded} == {
        "a/gone.wav": "a broken link",
        "a/round.wav": "a broken link",
        "b/folder": "a broken link",
        "b/pipe.wav": "neither a file nor a folder",
    }
    found = audit.audit_dataset(dataset, tmp_path / "store")
    (left,) = [finding for finding in found.findings if finding.kind == "left_out"]
    assert left.words.startswith("Excluded files or rows: 4. The first is a/gone.wav: a broken link")


def test_a_file_behind_a_link_out_of_the_folder_is_used_and_not_shown(tmp_path):
    music = fill(tmp_path / "music", "a/1.wav", "b/1.wav")
    os.symlink(put(tmp_path / "secret.wav"), music / "a/2.wav")
    os.symlink(music / "a/1.wav", music / "a/3.wav")
    shown = {example.id: example.is_inside() for example in loading.load_folder(music).examples}
    assert shown == {"a/1.wav": True, "a/2.wav": False, "a/3.wav": True, "b/1.wav": True}
    (example,) = [one for one in loading.load_folder(music).examples if one.id == "a/2.wav"]
    assert example.is_inside(tmp_path)
    assert "link out of the dataset's folder" in media.embed(example, "sound").error


# endings


def picture_as(kind):
    made = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(made, kind)
    return made.getvalue()


ENDINGS = {".wave": "WAV", ".WAV": "WAV", ".1": "WAV", ".aifc": "AIFF", ".mpga": "MP3", "": "FLAC", ".bin": "OGG"}


@pytest.mark.parametrize(("name", "kind"), [(f"x{ending}", kind) for ending, kind in ENDINGS.items()])
def test_a_sound_is_taken_whatever_its_ending(tmp_path, name, kind):
    fill(tmp_path, "a/1.wav", "a/2.wav", "b/1.wav")
    put(tmp_path / "b" / name, sound_as(kind))
    dataset = loading.load_folder(tmp_path)
    assert f"b/{name}" in ids(dataset) and not dataset.excluded


CONTAINERS = {"mp4": "mp4", "m4b": "ipod", "3gp": "3gp", "mka": "matroska", "weba": "webm", "strange": "mov"}


@pytest.mark.parametrize("ending", CONTAINERS)
def test_a_sound_in_a_video_container_is_taken_and_read(tmp_path, ending):
    fill(tmp_path, "a/1.wav", "a/2.wav", "b/1.wav")
    put(tmp_path / f"b/x.{ending}", by_ffmpeg(CONTAINERS[ending], "opus" if ending == "weba" else "aac"))
    assert f"b/x.{ending}" in ids(loading.load_folder(tmp_path))
    heard = load_audio(tmp_path / f"b/x.{ending}")
    assert heard.seconds > 0.5 and not heard.warnings


@pytest.mark.parametrize(
    ("name", "kind"), [("x.jfif", "JPEG"), ("x.jpe", "JPEG"), ("x", "PNG"), ("x.wav", "PNG"), ("x.JPG_large", "JPEG")]
)
def test_a_picture_is_read_whatever_its_ending(tmp_path, name, kind):
    for one in ("a/1.jpg", "a/2.jpg", "b/1.jpg", f"b/{name}"):
        put(tmp_path / one, picture_as(kind))
    assert f"b/{name}" in ids(loading.load_folder(tmp_path))


def test_a_folder_without_a_single_ending_is_read(tmp_path):
    for name in ("a/1", "a/2", "b/1"):
        put(tmp_path / name, sound_as("WAV"))
    assert ids(loading.load_folder(tmp_path)) == ["a/1", "a/2", "b/1"]


def test_what_is_no_sound_is_named(tmp_path):
    fill(tmp_path, "a/1.wav", "a/2.wav", "b/1.wav")
    for name, content in {"a/cover.jpg": picture_as("JPEG"), "a/list.m3u": b"#EXTM3U\n", "b/notes": b"mine"}.items():
        put(tmp_path / name, content)
    excluded = loading.load_folder(tmp_path).excluded
    assert {one.file: one.reason for one in excluded} == {
        "a/cover.jpg": "not a sound file: it is a JPEG picture",
        "a/list.m3u": "not a sound file: it looks like text",
        "b/notes": "not a sound file: it looks like text",
    }


@pytest.mark.parametrize(
    "name", ["__MACOSX/1.wav", ".git/1.wav", ".DS_Store", "Thumbs.db", "._1.wav", "@eaDir", "Desktop.INI", "Icon\r"]
)
@pytest.mark.parametrize("place", [".", "a"])
def test_what_operating_systems_leave_is_neither_a_class_nor_an_example(tmp_path, name, place):
    fill(tmp_path, "a/1.wav", "b/1.wav", f"{place}/__MACOSX/a/._1.wav")
    put(tmp_path / place / name)
    dataset = loading.load_folder(tmp_path)
    assert ids(dataset) == ["a/1.wav", "b/1.wav"] and not dataset.excluded and dataset.class_names == ("a", "b")


# names that are no UTF-8


def test_names_that_are_no_utf8_are_read_and_can_be_written_anywhere(tmp_path):
    fill(tmp_path, "pop/1.wav", "rock/1.wav")
    for name in (b"pop/Cort\xe9ge.wav", b"pop/\xff\xfe.wav", b"M\xfasica/1.wav", b"M\xfasica/2\x80.wav"):
        put(tmp_path / os.fsdecode(name))
    dataset = loading.load_folder(tmp_path)
    assert dataset.class_names == ("M\\xfasica", "pop", "rock") and len(dataset.examples) == 6
    assert all(example.id.encode() and example.path.is_file() for example in dataset.examples)
    assert ids(dataset)[2:4] == ["pop/1.wav", "pop/Cort\\xe9ge.wav"]


def test_text_of_any_kind_can_be_made_readable():
    assert [make_readable(name) for name in ("é", "\udce9", "\ud800", "a\n")] == ["é", "\\xe9", "\\ud800", "a\n"]


# folders that can't be opened


@pytest.mark.parametrize("closed", ["music", "a", "deep"])
def test_a_folder_that_cant_be_opened_is_a_sentence(tmp_path, monkeypatch, closed):
    music = fill(tmp_path / "music", "a/1.wav", "a/deep/2.wav", "b/1.wav")
    scan, look = os.scandir, listing.os.scandir

    def refuse(folder="."):
        if os.path.basename(os.fspath(folder)) == closed:
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scan(folder)

    assert scan is look
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", lambda folder: [entry.name for entry in refuse(folder)])
    with pytest.raises(InputError, match=rf"Cannot open the folder .*{closed} \(Permission denied\)"):
        loading.load_folder(music)


@pytest.mark.parametrize(("on_disk", "of_run"), [(nfc, nfd), (nfd, nfc), (nfd, nfd), (nfc, nfc)])
def test_classes_are_spelled_as_a_run_spells_them(tmp_path, on_disk, of_run):
    dataset = loading.load_folder(fill(tmp_path, f"{on_disk('Música')}/1.wav", "b/1.wav"))
    spelled = dataset.match_class_names(["b", of_run("Música"), "other"])
    assert set(spelled.class_names) == {"b", of_run("Música")}
    assert {example.label for example in spelled.examples} == set(spelled.class_names)
