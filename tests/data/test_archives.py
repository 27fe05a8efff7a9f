import bz2
import functools
import gzip
import io
import lzma
import os
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

from musicml.data.download import archives
from musicml.data.download.archives import limits, tars
from musicml.utils.errors import InputError
from musicml.utils.i18n import translate

GOOD = {
    "Data/genres/blues/blues.00000.wav": bytes(range(256)) * 5_000,  # more than one block
    "Data/genres/blues/Åse Ømå – música ♪.wav": b"sound",
    "Data/empty.txt": b"",
    "Data/inner.zip": b"PK\5\6" + bytes(18),
    "readme.txt": b"words\n" * 1_000,
}
FOLDERS = ("Data", "Data/genres", "Data/genres/blues", "Data/nothing")
SONG = {"a/song.wav": b"sound" * 100}
ROOM = 500_000  # bytes, for tests that make limits.SMALL so small that a bomb is quickly made
FAR = "../../outside/evil.txt"
LONG = "x" * 256
WINDOWS = sys.platform == "win32"


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    """A zip of name or ZipInfo → content, a name as often as it is given."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return made.getvalue()


def tar_of(members, mode="w", **more):
    """A tar of name or TarInfo → content; one that has none is a folder, a link or a device."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, **more) as archive:
        for member, content in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return made.getvalue()


def folder_in_tar(name):
    return tar_kind(name, tarfile.DIRTYPE)


def tar_kind(name, kind, to=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def zip_kind(name, kind):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info


def renamed(archive, name, to):
    """An archive with a name that Python would not write, of the same length."""
    assert len(name) == len(to) and archive.count(name) >= 1
    return archive.replace(name, to)


def in_table(archive, place, form, value):
    """A zip in whose table, for its first member, another value stands at `place`."""
    found = bytearray(archive)
    struct.pack_into(form, found, archive.index(b"PK\1\2") + place, value)
    return bytes(found)


def shorter(declared, summed=300_000):
    """A zip of 300,000 bytes that says that it is of fewer, with the checksum of its first `summed`."""
    return in_table(
        in_table(zip_of({"a.wav": bytes(300_000)}), 24, "<I", declared), 16, "<I", zlib.crc32(bytes(summed))
    )


def shared():
    """A zip whose table names the same data under a hundred names."""
    whole = zip_of({"00.wav": np.random.default_rng(0).bytes(10_000)})
    at, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    entry = whole[at:end]
    table = b"".join(renamed(entry, b"00.wav", f"{number:02}.wav".encode()) for number in range(100))
    # the local header must agree with the first name only, since the others are never opened
    return whole[:at] + table + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 100, 100, len(table), at, 0)


def header(name, size, kind=b"0"):
    """A tar's header of one member, with a size that no content goes with."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def patched(archive, place, value):
    return archive[:place] + value + archive[place + len(value) :]


def of_old_gnu_sparse():
    """A tar whose member of 512 bytes says that it is of 8 GB, with a hole in it."""
    block = bytearray(header("a.wav", 512, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[483:495] = b"%011o\0" % (2**33 - 1)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512) + bytes(1024)


@dataclass(frozen=True)
class Hostile:
    """An archive that is refused: how it is made, what is said of it, whether its table of contents tells it."""

    make: callable
    words: str
    by_table: bool = True
    limit: tuple = ()  # a limit that is made smaller for it


OUT, ROOT, TWICE = "a name that leads out of it", "begins at the root of a disk", "two files of one name"
FOR_ONE, NEEDS_FOLDER = "two names that some disks take for one", "a file where a folder is needed"
NOT_WHOLE, TOO_MUCH = "is cut off or damaged: fetch it again", "was made to fill a disk"
SMALL, FILES, XZ = ("SMALL", ROOM), ("FILES", 20), ("XZ_MEMORY", 2**20)
ZEROS = bytes(4 * ROOM)
symlink, hardlink = functools.partial(tar_kind, kind=tarfile.SYMTYPE), functools.partial(tar_kind, kind=tarfile.LNKTYPE)

HOSTILE = {
    "zip: a name with dots": Hostile(lambda: zip_of({FAR: b"evil"}), OUT),
    "zip: a name with dots in its middle": Hostile(lambda: zip_of({**SONG, f"a/{FAR}": b"evil"}), OUT),
    "zip: a folder with dots": Hostile(lambda: zip_of({**SONG, "../../outside/evil/": b""}), OUT),
    "zip: dots and a blank, which Windows takes for dots": Hostile(lambda: zip_of({".. /evil.txt": b"evil"}), OUT),
    "zip: a root": Hostile(lambda: zip_of({"/tmp/evil.txt": b"evil"}), ROOT),
    "zip: a drive": Hostile(lambda: zip_of({"C:/evil.txt": b"evil"}), ROOT),
    "zip: a drive and backslashes": Hostile(
        lambda: renamed(zip_of({"C:/x/evil.txt": b"evil"}), b"C:/x/evil.txt", rb"C:\x\evil.txt"), ROOT
    ),
    "zip: backslashes": Hostile(lambda: zip_of({r"..\..\evil.txt": b"evil"}), "a name with a backslash"),
    "zip: a name that ends at a NUL": Hostile(
        lambda: renamed(zip_of({"a.wav+../x": b"evil"}), b"a.wav+../x", b"a.wav\0../x"), "a control character"
    ),
    "zip: a NUL at the end of a name": Hostile(
        lambda: renamed(zip_of({**SONG, "b.wav+": b"x"}), b"b.wav+", b"b.wav\0"), "a control character (b.wav?)"
    ),
    "zip: a stream beside a file": Hostile(lambda: zip_of({"a/b.wav:evil.exe": b"x"}), "a name with a colon"),
    "zip: a dot at the end": Hostile(lambda: zip_of({"a/b.wav.": b"x"}), "ends in a dot or a blank"),
    "zip: a blank at the end of a folder": Hostile(lambda: zip_of({"a /b.wav": b"x"}), "ends in a dot or a blank"),
    "zip: a line in a name": Hostile(lambda: zip_of({"a\nb\x1b[2J.wav": b"evil"}), "a control character"),
    "zip: a long name": Hostile(lambda: zip_of({f"a/{LONG}": b"evil"}), "a name that is too long"),
    "zip: a deep name": Hostile(lambda: zip_of({"a/" * 2_000 + "x": b"evil"}), "a name that is too long"),
    "zip: a symbolic link": Hostile(
        lambda: zip_of([(zip_kind("a", stat.S_IFLNK), b"/etc"), ("a/x", b"evil")]), "a symbolic link (a)"
    ),
    "zip: a symbolic link that a Mac would not show": Hostile(
        lambda: zip_of({**SONG, zip_kind("__MACOSX/a", stat.S_IFLNK): b"/etc"}), "a symbolic link"
    ),
    "zip: a device": Hostile(lambda: zip_of([(zip_kind("a", stat.S_IFCHR), b"")]), "a device (a)"),
    "zip: a pipe": Hostile(lambda: zip_of([(zip_kind("a", stat.S_IFIFO), b"")]), "a pipe (a)"),
    "zip: a socket": Hostile(lambda: zip_of([(zip_kind("a", stat.S_IFSOCK), b"")]), "neither file nor folder (a)"),
    "zip: one name twice": Hostile(
        lambda: renamed(zip_of({"a/1.wav": b"one", "a/2.wav": b"two"}), b"a/2.wav", b"a/1.wav"), TWICE
    ),
    "zip: capitals alone differ": Hostile(lambda: zip_of({"a/b.wav": b"one", "A/B.wav": b"two"}), FOR_ONE),
    "zip: accents written in two ways": Hostile(lambda: zip_of({"\xe9.wav": b"one", "e\u0301.wav": b"two"}), FOR_ONE),
    "zip: a file as a folder": Hostile(lambda: zip_of({"a": b"one", "a/b": b"two"}), NEEDS_FOLDER),
    "zip: a folder as a file": Hostile(lambda: zip_of({"a/b": b"one", "a": b"two"}), NEEDS_FOLDER),
    "zip: a folder of five bytes": Hostile(lambda: zip_of({**SONG, zip_kind("b", stat.S_IFDIR): b"bytes"}), "damaged"),
    "zip: no name": Hostile(lambda: zip_of({"./": b"", ".": b"x"}), "a file without a name"),
    "zip: locked": Hostile(lambda: in_table(zip_of(SONG), 8, "<H", 1), "must open without a password"),
    "zip: packed by bzip2": Hostile(lambda: zip_of(SONG, zipfile.ZIP_BZIP2), "packed by method 12"),
    "zip: packed by a method that nobody has": Hostile(lambda: in_table(zip_of(SONG), 10, "<H", 77), "by method 77"),
    "zip: a hundred names for the same data": Hostile(shared, "data that belong to another file as well"),
    "zip: zeros": Hostile(lambda: zip_of({"a": ZEROS}), TOO_MUCH, limit=SMALL),
    "zip: zeros in many files": Hostile(
        lambda: zip_of({str(k): ZEROS[:60_000] for k in range(20)}), TOO_MUCH, limit=SMALL
    ),
    "zip: more than it declares": Hostile(lambda: shorter(1_000), "longer than 1000 bytes", by_table=False),
    "zip: more than nothing": Hostile(lambda: shorter(0), "longer than 0 bytes", by_table=False),
    "zip: more than it declares, and the checksum of what it declares": Hostile(
        lambda: shorter(1_000, summed=1_000), "a.wav in it is damaged", by_table=False
    ),
    "zip: less than it declares": Hostile(
        lambda: in_table(zip_of(SONG), 24, "<I", 501), "a/song.wav in it is damaged", by_table=False
    ),
    "zip: 2 GB of 500 bytes": Hostile(lambda: in_table(zip_of(SONG), 24, "<I", 2**31), TOO_MUCH),
    "zip: a checksum that is wrong": Hostile(
        lambda: in_table(zip_of(SONG), 16, "<I", 1), "a/song.wav in it is damaged", by_table=False
    ),
    "zip: another name beside the data than in the table": Hostile(
        lambda: patched(zip_of({"a.wav": b"one"}), 30, b"b"), "a.wav in it is damaged", by_table=False
    ),
    "zip: half of it": Hostile(lambda: zip_of(GOOD)[:-1_000], NOT_WHOLE),
    "zip: without its beginning": Hostile(lambda: b"PK\3\4" + zip_of(GOOD)[500:], "damaged", by_table=False),
    "zip: a name that is no text": Hostile(
        lambda: renamed(zip_of({"\xe9": b"one"}), "\xe9".encode(), b"\xff\xff"), NOT_WHOLE
    ),
    "zip: too many files": Hostile(lambda: zip_of({str(k): b"" for k in range(21)}), "at most 20 files", limit=FILES),
    "zip: too many folders": Hostile(
        lambda: zip_of({"a/" * 20 + "x": b""}), "at most 20 files and folders", limit=FILES
    ),
    "zip: a table that is too long": Hostile(
        lambda: zip_of({str(k): b"" for k in range(100)}), "must hold at most", limit=("TABLE", 4_000)
    ),
    "zip: no files": Hostile(lambda: zip_of({}), "must hold files, and holds none"),
    "zip: what a Mac adds alone": Hostile(
        lambda: zip_of({"__MACOSX/a.wav": b"x", "a/": b"", "a/._b.wav": b"x"}), "must hold files, and holds none"
    ),
    "zip: folders alone": Hostile(lambda: zip_of({"a/": b"", "b/": b""}), "must hold files, and holds none"),
    "tar: a name with dots": Hostile(lambda: tar_of({**SONG, FAR: b"evil"}), OUT),
    "tar: a folder with dots": Hostile(lambda: tar_of([(folder_in_tar("../../outside/evil"), None)]), OUT),
    "tar: a root": Hostile(lambda: tar_of({"/tmp/evil.txt": b"evil"}), ROOT),
    "tar: a long name with dots": Hostile(lambda: tar_of({"a/" * 60 + "../" * 62 + "evil": b"evil"}), OUT),
    "tar: a name with dots, in a pax header": Hostile(
        lambda: tar_of({**SONG, f"../é/{FAR}": b"evil"}, format=tarfile.PAX_FORMAT), OUT
    ),
    "tar: backslashes": Hostile(lambda: tar_of({r"..\evil.txt": b"evil"}), "a name with a backslash"),
    "tar: a NUL in a pax header": Hostile(
        lambda: renamed(tar_of({"é+../x": b"evil"}, format=tarfile.PAX_FORMAT), "é+../x".encode(), "é\0../x".encode()),
        "a name",
    ),
    "tar: a long name": Hostile(lambda: tar_of({f"a/{LONG}": b"evil"}), "a name that is too long"),
    "tar: a symbolic link": Hostile(lambda: tar_of([(symlink("a", to="../../outside"), None)]), "a symbolic link (a)"),
    "tar: a symbolic link, and a file through it": Hostile(
        lambda: tar_of([("b", b"x"), (symlink("a", to="../../outside"), None), ("a/keep.txt", b"evil")]),
        "a symbolic link (a)",
    ),
    "tar: a hard link": Hostile(
        lambda: tar_of([("b", b"x"), (hardlink("a", to="../../outside/keep.txt"), None)]), "a hard link (a)"
    ),
    "tar: a hard link inside": Hostile(lambda: tar_of([("b", b"x"), (hardlink("a", to="b"), None)]), "a hard link (a)"),
    "tar: a character device": Hostile(lambda: tar_of([(tar_kind("a", tarfile.CHRTYPE), None)]), "a device (a)"),
    "tar: a block device": Hostile(lambda: tar_of([(tar_kind("a", tarfile.BLKTYPE), None)]), "a device (a)"),
    "tar: a pipe": Hostile(lambda: tar_of([(tar_kind("a", tarfile.FIFOTYPE), None)]), "a pipe (a)"),
    "tar: something else": Hostile(lambda: tar_of([(tar_kind("a", b"V"), None)]), "neither file nor folder (a)"),
    "tar: a file with holes": Hostile(of_old_gnu_sparse, "a sparse file (a.wav)"),
    "tar: one name twice": Hostile(lambda: tar_of([("a", b"one"), ("./a", b"two")]), TWICE),
    "tar: capitals alone differ": Hostile(lambda: tar_of({"song.wav": b"one", "Song.wav": b"two"}), FOR_ONE),
    "tar: a file as a folder": Hostile(lambda: tar_of({"a": b"one", "a/b": b"two"}), NEEDS_FOLDER),
    "tar: zeros": Hostile(lambda: tar_of({"a": ZEROS}, "w:gz"), TOO_MUCH, limit=SMALL),
    "tar: zeros by bzip2": Hostile(lambda: tar_of({"a": ZEROS}, "w:bz2"), TOO_MUCH, limit=SMALL),
    "tar: zeros by xz": Hostile(lambda: tar_of({"a": ZEROS}, "w:xz"), TOO_MUCH, limit=SMALL),
    "tar: zeros behind its end": Hostile(lambda: gzip.compress(tar_of(SONG) + ZEROS), TOO_MUCH, limit=SMALL),
    "tar: zeros in folders' places": Hostile(
        lambda: gzip.compress(header("a/", 4 * ROOM, b"x") + ZEROS), "must describe each file in 32768 bytes"
    ),
    "tar: headers without end": Hostile(
        lambda: gzip.compress((header("a", 512, b"x") + bytes(512)) * 2_000), "must describe each file in"
    ),
    "tar: a name of a gigabyte": Hostile(lambda: header("a", 2**30, b"L") + bytes(1024), "must describe each file in"),
    "tar: 8 GB of nothing": Hostile(lambda: header("a", 2**33 - 1) + bytes(1024), TOO_MUCH),
    "tar: a size below zero": Hostile(
        lambda: gzip.compress(header("a", -512) + ZEROS), "a in it is damaged", limit=SMALL
    ),
    "tar: a header's size below zero": Hostile(lambda: header("a", -512, b"x") + ZEROS, "must describe each file in"),
    "tar: a long name's size below zero": Hostile(
        lambda: header("a", -512, b"L") + ZEROS, "must describe each file in"
    ),
    "tar: the same folder without end": Hostile(
        lambda: gzip.compress(header("a/", 0, b"5") * 21 + bytes(1024)), "at most 20 files", limit=FILES
    ),
    "tar: much memory to unpack xz": Hostile(lambda: tar_of(SONG, "w:xz"), NOT_WHOLE, limit=XZ),
    "tar: half of it": Hostile(lambda: tar_of(GOOD)[:700_000], "damaged"),
    "tar: cut between two files": Hostile(lambda: tar_of(SONG)[:1024], NOT_WHOLE),
    "tar: a damaged header": Hostile(lambda: patched(tar_of({**SONG, "b": b"x"}), 1024, b"?"), NOT_WHOLE),
    "tar: half of it, by gzip": Hostile(lambda: tar_of(GOOD, "w:gz")[:-50], "damaged"),
    "tar: half of it, by bzip2": Hostile(lambda: tar_of(GOOD, "w:bz2")[:-50], "damaged"),
    "tar: half of it, by xz": Hostile(lambda: tar_of(GOOD, "w:xz")[:-50], "damaged"),
    "tar: a checksum of gzip that is wrong": Hostile(
        lambda: (lambda made: patched(made, len(made) - 8, b"0123"))(tar_of(SONG, "w:gz")), NOT_WHOLE
    ),
    "tar: no files": Hostile(lambda: tar_of({}), "must hold files, and holds none"),
    "text": Hostile(lambda: b"These are words.\n" * 100, "must be a zip or tar archive, and looks like text"),
    "a page to log in": Hostile(lambda: b"<!DOCTYPE html><title>Sign in</title>" * 50, "and looks like text"),
    "text by gzip": Hostile(lambda: gzip.compress(b"words " * 500), "holds something else, packed with gzip"),
    "a RAR archive": Hostile(lambda: b"Rar!\x1a\7\1\0" + bytes(600), "and is a RAR archive"),
    "a 7z archive": Hostile(lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), "and is a 7z archive"),
    "noise": Hostile(lambda: b"\0\1" + np.random.default_rng(0).bytes(2_000), "which no known type does"),
    "nothing": Hostile(lambda: b"", NOT_WHOLE),
    "room that was only set aside": Hostile(lambda: bytes(10_240), "must hold files, and holds none"),
}


def tree(folder):
    """All that lies below a folder, itself included: path → kind, rights and content."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        is_file = path.is_file() and not path.is_symlink()
        content = path.read_bytes() if is_file else os.readlink(path) if path.is_symlink() else None
        found[path.relative_to(folder).as_posix()] = (path.lstat().st_mode, content)
    return found


@pytest.fixture
def home(tmp_path):
    """A folder for data sets, with others' files around it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/keep.txt").write_text("mine")
    (tmp_path / "home/data").mkdir(parents=True)
    (tmp_path / "home/data/other.txt").write_text("mine")
    return tmp_path / "home/data"


@pytest.fixture
def refused(home, tmp_path):
    """Unpack an archive, which is refused and leaves everything as it was: content → the sentence."""

    def tried(content, act=None, folder=home / "set"):
        archive = tmp_path / "archive.bin"
        archive.write_bytes(content)
        before = tree(tmp_path)
        with pytest.raises(InputError) as caught:
            (act or archives.unpack)(archive, folder)
        assert tree(tmp_path) == before
        sentence = str(caught.value)
        assert len(sentence.splitlines()) == 1 and sentence.isprintable() and sentence.endswith(".")
        assert len(sentence) < 700 and str(archive) in sentence
        assert translate(sentence, "id") != sentence
        return sentence

    return tried


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_a_sentence_and_nothing_is_written(refused, monkeypatch, name):
    case = HOSTILE[name]
    if case.limit:
        monkeypatch.setattr(limits, *case.limit)
        monkeypatch.setattr(limits, "EXPANSION", 5)
    content = case.make()
    assert case.words in refused(content)
    if case.by_table:
        assert case.words in refused(content, lambda archive, folder: archives.inspect(archive))


@pytest.mark.parametrize("make", [zip_of, tar_of, functools.partial(tar_of, mode="w:gz")])
def test_a_place_that_is_named_from_the_root_is_not_written_to(refused, tmp_path, make):
    for name in ("keep.txt", "evil.txt"):
        assert ROOT in refused(make({**SONG, f"{tmp_path}/outside/{name}": b"evil"}))


def test_the_hostile_archives_are_many():
    assert sum(name.startswith("zip") for name in HOSTILE) > 30 and sum(name.startswith("tar") for name in HOSTILE) > 30


@pytest.mark.parametrize("make", [zip_of, functools.partial(tar_of, mode="w:gz")], ids=["zip", "tar"])
def test_a_bomb_is_refused_within_the_usual_limits_as_well(refused, make):
    sentence = refused(make({"a": bytes(120_000_000)}))
    assert "must unpack to at most 100 MB" in sentence


GOOD_KINDS = {
    "zip": lambda: zip_of(GOOD | {"Data/nothing/": b""}),
    "zip, stored": lambda: zip_of(GOOD | {"Data/nothing/": b""}, zipfile.ZIP_STORED),
    "zip64": lambda: of_zip64(),
    "zip, written to a pipe": lambda: to_a_pipe(),
    "zip, with a remark behind it": lambda: with_remark(),
    "tar": lambda: tar_with_folder(),
    "tar as of old": lambda: tar_with_folder(format=tarfile.GNU_FORMAT),
    "tar from here": lambda: tar_with_folder(start="./"),
    "tar by gzip": lambda: tar_with_folder("w:gz"),
    "tar by gzip, in two parts": lambda: in_parts(gzip.compress),
    "tar by bzip2": lambda: tar_with_folder("w:bz2"),
    "tar by bzip2, in two parts": lambda: in_parts(bz2.compress),
    "tar by xz": lambda: tar_with_folder("w:xz"),
    "tar by xz, in two parts, filled up": lambda: in_parts(lambda part: lzma.compress(part) + bytes(8)),
}


def tar_with_folder(mode="w", start="", **more):
    begin = [(folder_in_tar("./"), None)] if start else []
    members = [(start + name, content) for name, content in GOOD.items()]
    again = [(folder_in_tar(f"{start}Data"), None)] * 2
    return tar_of([*begin, *members, (folder_in_tar(f"{start}Data/nothing"), None), *again], mode, **more)


def of_zip64():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in GOOD.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
        archive.mkdir("Data/nothing")
    return made.getvalue()


class Pipe(io.RawIOBase):
    def __init__(self):
        self.made = b""

    def writable(self):
        return True

    def write(self, content):
        self.made += bytes(content)
        return len(content)


def to_a_pipe():
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*GOOD.items(), ("Data/nothing/", b"")]:
            archive.writestr(name, content)
    return pipe.made


def with_remark():
    made = io.BytesIO(zip_of(GOOD | {"Data/nothing/": b""}))
    with zipfile.ZipFile(made, "a") as archive:
        archive.comment = b"made by hand" * 100
    return made.getvalue()


def in_parts(packed):
    whole = tar_with_folder()
    return packed(whole[:100_000]) + packed(whole[100_000:])


@pytest.mark.parametrize("kind", GOOD_KINDS)
def test_an_archive_of_each_kind_is_unpacked_as_it_was_packed(home, tmp_path, kind):
    archive, folder, written = tmp_path / "archive.bin", home / "set", []
    archive.write_bytes(GOOD_KINDS[kind]())
    archives.unpack(archive, folder, written.append)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name: (folder / name).read_bytes() for name in files} == GOOD
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()} == set(FOLDERS)
    assert sum(written) == sum(map(len, GOOD.values())) and max(written) <= limits.BLOCK
    assert sorted(path.name for path in home.iterdir()) == ["other.txt", "set"]
    found = archives.inspect(archive)
    assert found == archives.Contents(len(GOOD), sum(written), archive.stat().st_size, tuple(GOOD))


def test_many_files_are_described_at_any_length_in_all_and_a_folder_has_no_size(home, tmp_path):
    many = {f"{'é' * 60}/{number}.wav": b"x" for number in range(100)}
    whole = header("a", 2**33 - 1, tarfile.DIRTYPE) + tar_of(many, format=tarfile.PAX_FORMAT)
    (tmp_path / "a.tar").write_bytes(whole)
    assert len(whole) > 2 * limits.HEADER
    found = archives.inspect(tmp_path / "a.tar")
    assert (found.n_files, found.n_bytes, found.names) == (100, 100, tuple(many))


def test_a_large_archive_may_hold_more_than_a_small_one(home, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SMALL", 1_000)
    for name, content in {"zip": zip_of, "tar": functools.partial(tar_of, mode="w:gz")}.items():
        (tmp_path / name).write_bytes(content({"noise.wav": np.random.default_rng(0).bytes(50_000)}))
        archives.unpack(tmp_path / name, home / name)
        assert (home / name / "noise.wav").stat().st_size == 50_000


@pytest.mark.skipif(WINDOWS, reason="rights and owners of POSIX")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_what_is_unpacked_is_yours_with_plain_rights(home, tmp_path, kind):
    inside = tarfile.TarInfo("a/tool")
    inside.mode, inside.uid, inside.gid = 0o6777, 12_345, 12_345
    closed = folder_in_tar("closed")
    closed.mode, closed.uid = 0o000, 12_345
    packed = {
        "zip": lambda: zip_of(
            [(zip_kind("a/tool", stat.S_IFREG | 0o6000), b"x"), (zip_kind("closed/", stat.S_IFDIR), b"")]
        ),
        "tar": lambda: tar_of([(inside, b"x"), (closed, None)]),
    }
    (tmp_path / "archive").write_bytes(packed[kind]())
    archives.unpack(tmp_path / "archive", home / "set")
    os.umask(umask := os.umask(0))
    for path in [home / "set", *(home / "set").rglob("*")]:
        facts = path.stat()
        assert stat.S_IMODE(facts.st_mode) == (0o755 if path.is_dir() else 0o644) & ~umask, path
        assert facts.st_uid == os.getuid()


def test_what_a_mac_adds_is_left_out(home, tmp_path):
    litter = {"__MACOSX/a/._song.wav": b"x", "a/.DS_Store": b"x", "a/._song.wav": b"x", "__MACOSX/": b""}
    (tmp_path / "a.zip").write_bytes(zip_of(litter | SONG))
    archives.unpack(tmp_path / "a.zip", home / "set")
    assert [path.relative_to(home / "set").as_posix() for path in sorted((home / "set").rglob("*"))] == [
        "a",
        "a/song.wav",
    ]
    assert archives.inspect(tmp_path / "a.zip").names == ("a/song.wav",)


def test_an_outer_folder_is_left_off_only_where_it_is_asked_for_and_holds_all(home, tmp_path):
    (tmp_path / "one.zip").write_bytes(zip_of(SONG))
    (tmp_path / "two.zip").write_bytes(zip_of(GOOD))
    for name, archive, strip in (("as_is", "one", False), ("stripped", "one", True), ("several", "two", True)):
        archives.unpack(tmp_path / f"{archive}.zip", home / name, strip=strip)
    assert (home / "as_is/a/song.wav").is_file() and (home / "stripped/song.wav").is_file()
    assert (home / "several/readme.txt").is_file() and (home / "several/Data/empty.txt").is_file()


@pytest.mark.parametrize("there", ["file", "folder", "link", "link to nothing"])
def test_what_is_there_already_is_never_unpacked_over(refused, home, tmp_path, there):
    make = {
        "file": lambda path: path.write_text("mine"),
        "folder": lambda path: path.mkdir(),
        "link": lambda path: path.symlink_to(tmp_path / "outside"),
        "link to nothing": lambda path: path.symlink_to(tmp_path / "outside/nothing"),
    }
    make[there](home / "set")
    act = functools.partial(archives.unpack, progress=pytest.fail)
    assert "set must be free for what" in refused(zip_of(SONG), act)


def test_what_came_there_meanwhile_stays(refused, home, monkeypatch):
    replace = os.replace

    def late(root, folder):
        folder.write_text("mine")
        with pytest.raises(OSError):
            replace(root, folder)
        folder.unlink()  # so that all is as before
        folder_there = os.path.lexists
        monkeypatch.setattr(os.path, "lexists", lambda path: path == folder or folder_there(path))
        raise FileExistsError

    monkeypatch.setattr(os, "replace", late)
    assert "set must be free for what" in refused(zip_of(SONG))


def test_a_folder_behind_somebodys_own_link_is_used(home, tmp_path):
    (tmp_path / "link").symlink_to(home)
    (tmp_path / "a.zip").write_bytes(zip_of(SONG))
    archives.unpack(tmp_path / "a.zip", tmp_path / "link/deeper/set")
    assert (home / "deeper/set/a/song.wav").is_file()


def test_folders_made_on_the_way_to_one_that_is_not_unpacked_go_again(refused, home):
    refused(zip_of({FAR: b"evil"}), folder=home / "new/newer/set")


class Sizes:
    """Told of progress, it looks how much there is of a folder."""

    def __init__(self, folder):
        self.folder, self.told, self.most = folder, [], 0

    def __call__(self, n_bytes):
        self.told.append(n_bytes)
        there = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        self.most = max(self.most, there)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_no_more_than_the_bound_is_written_of_a_bomb(refused, home, monkeypatch, mode):
    monkeypatch.setattr(limits, "SMALL", ROOM)
    monkeypatch.setattr(limits, "BLOCK", 10_000)
    bomb, sizes = tar_of({f"{number}.wav": bytes(40_000) for number in range(60)}, mode), Sizes(home)
    monkeypatch.setattr(limits, "EXPANSION", 1)
    assert TOO_MUCH in refused(bomb, lambda archive, folder: archives.unpack(archive, folder, sizes))
    assert 200_000 < sum(sizes.told) <= ROOM and sizes.most <= ROOM + limits.BLOCK and max(sizes.told) <= limits.BLOCK


def test_nothing_beyond_its_declared_size_is_written_of_a_member_that_lies(refused, home, monkeypatch):
    monkeypatch.setattr(limits, "BLOCK", 10_000)
    for declared in (5_000, 25_000):
        sizes = Sizes(home)
        lying = shorter(declared, summed=declared)
        refused(lying, lambda archive, folder, sizes=sizes: archives.unpack(archive, folder, sizes))
        assert sum(sizes.told) <= declared and sizes.most <= declared + len("mine")


def test_a_tar_is_never_read_backwards():
    file = io.BytesIO(bytes(2_000))
    stream = tars.Stream(file, plain=file, most=2_000, archive="a.tar")
    stream.seek(1_000)
    with pytest.raises(InputError, match="a.tar must be whole"):
        stream.seek(999)
    assert stream.tell() == 1_000


def test_ctrl_c_leaves_nothing(home, tmp_path):
    def interrupted(n_bytes):
        assert len(list(home.iterdir())) == 2
        raise KeyboardInterrupt

    (tmp_path / "a.zip").write_bytes(zip_of(GOOD))
    before = tree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        archives.unpack(tmp_path / "a.zip", home / "set", interrupted)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("kind", ["zip", "tar by gzip"])
def test_a_disk_that_fills_ends_in_a_sentence_and_leaves_nothing(home, tmp_path, kind):
    resource = pytest.importorskip("resource")
    (tmp_path / "archive").write_bytes(GOOD_KINDS[kind]())
    before, soft_hard = tree(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, soft_hard[1]))
    try:
        with pytest.raises(InputError, match="set could not be written whole: the disk is full"):
            archives.unpack(tmp_path / "archive", home / "set")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_hard)
    assert tree(tmp_path) == before


def test_a_file_where_the_folder_belongs_is_a_sentence(home, tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_of(SONG))
    for below in ("other.txt/set", "other.txt/deeper/set"):
        with pytest.raises(InputError, match="must be in a folder, and .*other.txt.* stands in its way"):
            archives.unpack(tmp_path / "a.zip", home / below)
    assert (home / "other.txt").read_text() == "mine"


def test_a_name_that_the_disk_refuses_is_a_sentence(refused, home, monkeypatch):
    monkeypatch.setattr(limits, "PART", 400)
    sentence = refused(zip_of({**SONG, f"b/{LONG}": b"x"}))
    assert "must be unpacked to a disk that takes its names" in sentence and "(File name too long)" in sentence


def test_there_must_be_room_on_the_disk_and_some_to_spare(home, monkeypatch):
    usage = namedtuple("usage", "total used free")
    asked = []

    def with_free(free):
        monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or usage(0, 0, free))

    with_free(limits.SPARE + 1_000_000)
    archives.room_for(home / "not/yet/there", 1_000_000)
    archives.room_for(home, 1_000_000)
    assert asked == [home, home]
    with pytest.raises(InputError) as caught:
        archives.room_for(home, 2_000_000)
    assert f"{home} must be on a disk with 502 MB free, 500 of them to spare, and has 501: make room" in str(
        caught.value
    )
    assert translate(str(caught.value), "id").startswith(f"{home} harus berada di disk dengan ruang kosong 502 MB")


@pytest.mark.parametrize("kind", ["folder", "missing", "pipe", "closed"])
def test_what_is_no_file_is_a_sentence(home, tmp_path, kind):
    path = tmp_path / "archive"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "closed":
        path.write_bytes(zip_of(SONG))
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read anything")
    for act in (archives.inspect, lambda archive: archives.unpack(archive, home / "set")):
        with pytest.raises(InputError, match="and is a folder|there is none|is none that can be read|can't be"):
            act(path)
    assert [path.name for path in home.iterdir()] == ["other.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar by gzip", "tar by bzip2", "tar by xz"])
def test_an_archive_that_is_cut_anywhere_is_refused(home, tmp_path, kind):
    small = {"a/one.wav": b"sound" * 300, "two.wav": np.random.default_rng(0).bytes(700)}
    modes = {"tar": "w", "tar by gzip": "w:gz", "tar by bzip2": "w:bz2", "tar by xz": "w:xz"}
    whole = tar_of(small, modes[kind]) if kind in modes else zip_of(small)
    # a plain tar ends with many blocks of zeros, of which one is enough
    end = len(whole) if kind != "tar" else 512 * 8
    path = tmp_path / "archive"
    for length in range(1, end, 61):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            archives.inspect(path)
        with pytest.raises(InputError):
            archives.unpack(path, home / "set")
    assert [path.name for path in home.iterdir()] == ["other.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar by gzip", "tar by xz"])
def test_an_archive_with_any_byte_changed_is_unpacked_or_refused_and_nothing_else(home, tmp_path, kind):
    modes, rng = {"tar": "w", "tar by gzip": "w:gz", "tar by xz": "w:xz"}, np.random.default_rng(0)
    small = {"é/one.wav": b"sound" * 30, "two.wav": b"more", "b/" + "x" * 120: b"long"}
    whole = tar_of(small, modes[kind], format=tarfile.PAX_FORMAT) if kind in modes else zip_of(small)
    path, outcomes = tmp_path / "archive", []
    around = tree(tmp_path)
    for number in range(80):
        changed = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(changed) if kind != "tar" else 6_000, rng.integers(1, 6))
        changed[places] = rng.choice([0, 0x2E, 0x2F, 0x5C, 0xFF, *range(256)], len(places))
        path.write_bytes(changed.tobytes())
        try:
            archives.unpack(path, home / f"set{number}")
        except InputError:
            outcomes.append("refused")
        else:
            outcomes.append("unpacked")
            for found in sorted((home / f"set{number}").rglob("*"), reverse=True):
                found.rmdir() if found.is_dir() else found.unlink()
            (home / f"set{number}").rmdir()
    path.unlink()
    assert tree(tmp_path) == around
    assert outcomes.count("refused") > 15
