import bz2
import functools
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from musicml.data.download import archives
from musicml.utils import translate
from musicml.utils.errors import InputError

GOOD = {
    "Data/genres/blues/blues.00000.wav": bytes(range(256)) * 5_000,  # more than one block
    "Data/genres/blues/Åse Ømå – music ♪.wav": b"sound",
    "Data/empty.txt": b"",
    "Data/inner.zip": b"PK\5\6" + bytes(18),
    "readme.txt": b"words\n" * 1_000,
}
FOLDERS = {"Data", "Data/genres", "Data/genres/blues", "Data/nothing"}
SONG = {"a/song.wav": b"sound" * 100}
ROOM = 500_000  # bytes, for tests that make archives.SMALL so small that a bomb is quickly made
ZEROS = bytes(4 * ROOM)
FAR = "../../outside/evil.txt"
LONG = "x" * 256


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


def tar_kind(name, kind, to=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info, None


def zip_kind(name, kind, content=b""):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info, content


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
    lying = in_table(zip_of({"a.wav": bytes(300_000)}), 24, "<I", declared)
    return in_table(lying, 16, "<I", zlib.crc32(bytes(summed)))


def shared():
    """A zip whose table names the same data under a hundred names."""
    whole = zip_of({"00.wav": np.random.default_rng(0).bytes(10_000)})
    at, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    table = b"".join(renamed(whole[at:end], b"00.wav", f"{number:02}.wav".encode()) for number in range(100))
    # the local header must agree with the first name only, since the others are never opened
    return whole[:at] + table + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 100, 100, len(table), at, 0)


def header(name, size, kind=b"0"):
    """A tar's header of one member, with a size that no content goes with."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def patched(archive, place, value):
    place %= len(archive)
    return archive[:place] + value + archive[place + len(value) :]


def of_old_gnu_sparse():
    """A tar whose member of 512 bytes says that it is of 8 GB, with a hole in it."""
    block = bytearray(header("a.wav", 512, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (0, 512)
    block[483:495] = b"%011o\0" % (2**33 - 1)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512) + bytes(1024)


OUT, ROOT, CONTROL = "a path out of the archive", "an absolute path", "a control character"
LINK, DEVICE, PIPE = "a symbolic link (a)", "a device (a)", "a pipe (a)"
NOT_WHOLE, TOO_MUCH = "is incomplete or damaged", "made to fill the disk"
WORDY, EMPTY, TOO_MANY = "at most 32768 bytes of header", "but it is empty", "at most 20 files"

# files that are packed, in a zip and in a tar → what is said of both
HOSTILE_NAMES = [
    ({FAR: b"evil"}, OUT),
    ({**SONG, f"a/{FAR}": b"evil"}, OUT),
    ({".. /evil.txt": b"evil"}, OUT),  # which Windows takes for dots
    ({"/tmp/evil.txt": b"evil"}, ROOT),
    ({"C:/evil.txt": b"evil"}, ROOT),
    ({r"C:\x\evil.txt": b"evil"}, ROOT),
    ({r"..\..\evil.txt": b"evil"}, "a name with a backslash"),
    ({"a/b.wav:evil.exe": b"x"}, "a name with a colon"),
    ({"a/b.wav.": b"x"}, "ends in a dot or a space"),
    ({"a /b.wav": b"x"}, "ends in a dot or a space"),
    ({"a\nb\x1b[2J.wav": b"evil"}, CONTROL),
    ({f"a/{LONG}": b"evil"}, "a name that is too long"),
    ({"a/" * 2_000 + "x": b"evil"}, "a name that is too long"),
    ({"a/" * 60 + "../" * 62 + "evil": b"evil"}, OUT),
    ({".": b"x"}, "a file without a name"),
    ({}, EMPTY),
    ({"__MACOSX/a.wav": b"x", "a/._b.wav": b"x"}, EMPTY),
]
# what is said of each kind, by the table of contents already
HOSTILE_ZIPS = {
    "a folder with dots": (lambda: zip_of({**SONG, "../../outside/evil/": b""}), OUT),
    "a name that ends at a NUL": (lambda: renamed(zip_of({"a.wav+../x": b""}), b"a.wav+../x", b"a.wav\0../x"), CONTROL),
    "a NUL at the end": (lambda: renamed(zip_of({**SONG, "b.wav+": b"x"}), b"b.wav+", b"b.wav\0"), f"{CONTROL} (b.wa"),
    "a name that is no text": (lambda: renamed(zip_of({"\xe9": b"x"}), "\xe9".encode(), b"\xff\xff"), NOT_WHOLE),
    "a symbolic link": (lambda: zip_of([zip_kind("a", stat.S_IFLNK, b"/etc"), ("a/x", b"evil")]), LINK),
    "a link for Macs": (lambda: zip_of([zip_kind("__MACOSX/a", stat.S_IFLNK, b"/etc")]), "a symbolic link"),
    "a device": (lambda: zip_of([zip_kind("a", stat.S_IFCHR)]), DEVICE),
    "a pipe": (lambda: zip_of([zip_kind("a", stat.S_IFIFO)]), PIPE),
    "a socket": (lambda: zip_of([zip_kind("a", stat.S_IFSOCK)]), "neither a file nor a folder (a)"),
    "a folder of five bytes": (lambda: zip_of([zip_kind("b", stat.S_IFDIR, b"bytes")]), "damaged"),
    "locked": (lambda: in_table(zip_of(SONG), 8, "<H", 1), "is encrypted"),
    "packed by bzip2": (lambda: zip_of(SONG, zipfile.ZIP_BZIP2), "uses method 12"),
    "packed by method 77": (lambda: in_table(zip_of(SONG), 10, "<H", 77), "uses method 77"),
    "2 GB of 500 bytes": (lambda: in_table(zip_of(SONG), 24, "<I", 2**31), TOO_MUCH),
    "half of it": (lambda: zip_of(GOOD)[:-1_000], NOT_WHOLE),
    "folders alone": (lambda: zip_of({"a/": b"", "b/": b""}), EMPTY),
}
# a zip whose table is well, and whose content is not
LYING_ZIPS = {
    "more than declared": lambda: shorter(1_000),
    "more than nothing": lambda: shorter(0),
    "more than declared, and the checksum of what is": lambda: shorter(1_000, summed=1_000),
    "less than declared": lambda: in_table(zip_of(SONG), 24, "<I", 501),
    "a wrong checksum": lambda: in_table(zip_of(SONG), 16, "<I", 1),
    "another name beside the data": lambda: patched(zip_of({"a.wav": b"one"}), 30, b"b"),
    "a hundred names for the same data": shared,
    "no beginning": lambda: b"PK\3\4" + zip_of(GOOD)[500:],
}
HOSTILE_TARS = {
    "a folder with dots": (lambda: tar_of([tar_kind("../../outside/evil", tarfile.DIRTYPE)]), OUT),
    "dots in a pax header": (lambda: tar_of({f"../é/{FAR}": b"evil"}, format=tarfile.PAX_FORMAT), OUT),
    "a NUL in a pax header": (
        lambda: renamed(tar_of({"é+../x": b""}, format=tarfile.PAX_FORMAT), "é+../x".encode(), "é\0../x".encode()),
        "a name",
    ),
    "a symbolic link": (
        lambda: tar_of([("b", b"x"), tar_kind("a", tarfile.SYMTYPE, "../../outside"), ("a/keep.txt", b"evil")]),
        LINK,
    ),
    "a hard link": (lambda: tar_of([tar_kind("a", tarfile.LNKTYPE, "../../outside/keep.txt")]), "a hard link (a)"),
    "a hard link inside": (lambda: tar_of([("b", b"x"), tar_kind("a", tarfile.LNKTYPE, "b")]), "a hard link (a)"),
    "a character device": (lambda: tar_of([tar_kind("a", tarfile.CHRTYPE)]), DEVICE),
    "a block device": (lambda: tar_of([tar_kind("a", tarfile.BLKTYPE)]), DEVICE),
    "a pipe": (lambda: tar_of([tar_kind("a", tarfile.FIFOTYPE)]), PIPE),
    "something else": (lambda: tar_of([tar_kind("a", b"V")]), "neither a file nor a folder (a)"),
    "a file with holes": (of_old_gnu_sparse, "a sparse file (a.wav)"),
    "zeros in a folder's place": (lambda: gzip.compress(header("a/", 4 * ROOM, b"x") + ZEROS), WORDY),
    "headers without end": (lambda: gzip.compress((header("a", 512, b"x") + bytes(512)) * 2_000), WORDY),
    "a name of a gigabyte": (lambda: header("a", 2**30, b"L") + bytes(1024), WORDY),
    "a header's size below zero": (lambda: header("a", -512, b"x") + ZEROS, WORDY),
    "a long name's size below zero": (lambda: header("a", -512, b"L") + ZEROS, WORDY),
    "8 GB of nothing": (lambda: header("a", 2**33 - 1) + bytes(1024), TOO_MUCH),
    "a size below zero": (lambda: header("a", -512) + ZEROS, "a in it cannot be unpacked"),
    "half of it": (lambda: tar_of(GOOD)[:700_000], "damaged"),
    "cut between two files": (lambda: tar_of(SONG)[:1024], NOT_WHOLE),
    "a damaged header": (lambda: patched(tar_of({**SONG, "b": b"x"}), 1024, b"?"), NOT_WHOLE),
    "half of it, by gzip": (lambda: tar_of(GOOD, "w:gz")[:-50], "damaged"),
    "half of it, by bzip2": (lambda: tar_of(GOOD, "w:bz2")[:-50], "damaged"),
    "half of it, by xz": (lambda: tar_of(GOOD, "w:xz")[:-50], "damaged"),
    "a wrong checksum of gzip": (lambda: patched(tar_of(SONG, "w:gz"), -8, b"0123"), NOT_WHOLE),
}
NO_ARCHIVES = {
    "text": (lambda: b"These are words.\n" * 100, "looks like text"),
    "a page to log in": (lambda: b"<!DOCTYPE html><title>Sign in</title>" * 50, "looks like text"),
    "text by gzip": (lambda: gzip.compress(b"words " * 500), "contains something else, compressed with gzip"),
    "a RAR archive": (lambda: b"Rar!\x1a\7\1\0" + bytes(600), "is a RAR archive"),
    "a 7z archive": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), "is a 7z archive"),
    "noise": (lambda: b"\0\1" + np.random.default_rng(0).bytes(2_000), "which match no known file type"),
    "nothing": (lambda: b"", NOT_WHOLE),
    "room that was only set aside": (lambda: bytes(10_240), EMPTY),
}
# refused by a limit, which is made smaller for that
BOMBS = {
    "zip: zeros": (lambda: zip_of({"a": ZEROS}), TOO_MUCH),
    "zip: zeros in many files": (lambda: zip_of({str(k): ZEROS[:60_000] for k in range(18)}), TOO_MUCH),
    "zip: too many files": (lambda: zip_of({str(k): b"" for k in range(21)}), TOO_MANY),
    "zip: too many folders": (lambda: zip_of({"a/" * 20 + "x": b""}), TOO_MANY),
    "tar by gzip": (lambda: tar_of({"a": ZEROS}, "w:gz"), TOO_MUCH),
    "tar by bzip2": (lambda: tar_of({"a": ZEROS}, "w:bz2"), TOO_MUCH),
    "tar by xz": (lambda: tar_of({"a": ZEROS}, "w:xz"), TOO_MUCH),
    "tar: zeros behind its end": (lambda: gzip.compress(tar_of(SONG) + ZEROS), TOO_MUCH),
    "tar: a folder without end": (lambda: gzip.compress(header("a/", 0, b"5") * 21 + bytes(1024)), TOO_MANY),
}
PACKERS = {"zip": zip_of, "tar": tar_of, "tar by gzip": functools.partial(tar_of, mode="w:gz")}


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
    """A folder for datasets, with others' files around it."""
    for name in ("outside/keep.txt", "home/data/other.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("mine")
    return tmp_path / "home/data"


@pytest.fixture
def refused(home, tmp_path):
    """Unpack an archive, which is refused and leaves everything as it was: content → the sentence."""

    def tried(content, words, by_table=True, **more):
        archive = tmp_path / "archive.bin"
        archive.write_bytes(content)
        before = tree(tmp_path)
        acts = [lambda: archives.unpack_archive(archive, home / "set", **more)]
        for act in [*acts, lambda: archives.inspect_archive(archive)] if by_table else acts:
            with pytest.raises(InputError) as caught:
                act()
            sentence = caught.value.message
            assert tree(tmp_path) == before and words in sentence and str(archive) in sentence
            assert len(sentence.splitlines()) == 1 and sentence.isprintable() and sentence.endswith(".")
            assert len(sentence) < 700 and translate(sentence, "id") != sentence

    return tried


@pytest.mark.parametrize("pack", [zip_of, functools.partial(tar_of, format=tarfile.PAX_FORMAT)], ids=["zip", "tar"])
@pytest.mark.parametrize(("members", "words"), HOSTILE_NAMES, ids=lambda value: None)
def test_hostile_names_are_refused_in_a_sentence_and_nothing_is_written(refused, pack, members, words):
    refused(pack(members), words)


@pytest.mark.parametrize(
    "kinds, name",
    [(kinds, name) for kinds in (HOSTILE_ZIPS, HOSTILE_TARS, NO_ARCHIVES) for name in kinds],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_archive_is_refused_in_a_sentence_and_nothing_is_written(refused, kinds, name):
    make, words = kinds[name]
    refused(make(), words)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("second", ["a/./b", "a/b/c", "a"])  # a disk that knows no capitals says the same of A/B
def test_two_names_of_which_one_is_in_the_way_of_the_other_are_refused(refused, pack, second):
    refused(pack({"a/b": b"one", second: b"two"}), "two names that are the same on some disks", by_table=False)


@pytest.mark.parametrize("name", LYING_ZIPS)
def test_a_zip_whose_content_is_not_as_its_table_says_is_refused(refused, name):
    refused(LYING_ZIPS[name](), "in it cannot be unpacked", by_table=False)


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_that_explodes_is_refused(refused, monkeypatch, name):
    for limit, value in {"MIN_TOTAL_LIMIT": ROOM, "MAX_FILES": 20, "MAX_RATIO": 5}.items():
        monkeypatch.setattr(archives, limit, value)
    make, words = BOMBS[name]
    refused(make(), words)


def test_a_zip_whose_table_is_too_long_is_refused(refused, monkeypatch):
    monkeypatch.setattr(archives, "MAX_TABLE_BYTES", 4_000)
    refused(zip_of({str(k): b"" for k in range(100)}), "at most 200000 files")


def tar_with_folder(mode="w", start="", **more):
    begin = [tar_kind("./", tarfile.DIRTYPE)] if start else []
    members = [(start + name, content) for name, content in GOOD.items()]
    folders = [tar_kind(f"{start}{name}", tarfile.DIRTYPE) for name in ("Data/nothing", "Data", "Data")]
    return tar_of([*begin, *members, *folders], mode, **more)


def zip_by(make_file=io.BytesIO, comment=b"", **more):
    """A zip with an empty folder, written to a file of another kind, or with a comment behind it."""
    made = make_file()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in GOOD.items():
            with archive.open(name, "w", **more) as file:
                file.write(content)
        archive.mkdir("Data/nothing")
        archive.comment = comment
    return made.getvalue()


class Pipe(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *place):
        raise OSError

    tell = seek


def in_parts(packed):
    whole = tar_with_folder()
    return packed(whole[:100_000]) + packed(whole[100_000:])


GOOD_KINDS = {
    "zip": zip_by,
    "zip, stored": lambda: zip_of(GOOD | {"Data/nothing/": b""}, zipfile.ZIP_STORED),
    "zip64": lambda: zip_by(force_zip64=True),
    "zip, written to a pipe": lambda: zip_by(Pipe),
    "zip, with a remark behind it": lambda: zip_by(comment=b"made by hand" * 100),
    "tar": tar_with_folder,
    "tar as of old": lambda: tar_with_folder(format=tarfile.GNU_FORMAT),
    "tar from here": lambda: tar_with_folder(start="./"),
    "tar by gzip": lambda: tar_with_folder("w:gz"),
    "tar by gzip, in two parts": lambda: in_parts(gzip.compress),
    "tar by bzip2": lambda: tar_with_folder("w:bz2"),
    "tar by bzip2, in two parts": lambda: in_parts(bz2.compress),
    "tar by xz": lambda: tar_with_folder("w:xz"),
    "tar by xz, in two parts": lambda: in_parts(lzma.compress),
}


@pytest.mark.parametrize("kind", GOOD_KINDS)
def test_an_archive_of_each_kind_is_unpacked_as_it_was_packed(home, tmp_path, kind):
    archive, folder, written = tmp_path / "archive.bin", home / "set", []
    archive.write_bytes(GOOD_KINDS[kind]())
    archives.unpack_archive(archive, folder, written.append)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name: (folder / name).read_bytes() for name in files} == GOOD
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()} == FOLDERS
    assert sum(written) == sum(map(len, GOOD.values())) and max(written) <= archives.BLOCK_SIZE
    assert archives.inspect_archive(archive) == (len(GOOD), sum(written))


def test_many_files_are_described_at_any_length_in_all_and_a_folder_has_no_size(tmp_path):
    many = {f"{'é' * 60}/{number}.wav": b"x" for number in range(100)}
    whole = header("a", 2**33 - 1, tarfile.DIRTYPE) + tar_of(many, format=tarfile.PAX_FORMAT)
    (tmp_path / "a.tar").write_bytes(whole)
    assert len(whole) > 2 * archives.MAX_HEADER_BYTES and archives.inspect_archive(tmp_path / "a.tar") == (100, 100)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_large_archive_may_hold_more_than_a_small_one(home, tmp_path, monkeypatch, pack):
    monkeypatch.setattr(archives, "MIN_TOTAL_LIMIT", 1_000)
    (tmp_path / "a").write_bytes(pack({"noise.wav": np.random.default_rng(0).bytes(50_000)}))
    archives.unpack_archive(tmp_path / "a", home / "set")
    assert (home / "set/noise.wav").stat().st_size == 50_000


@pytest.mark.skipif(os.name != "posix", reason="rights and owners of POSIX")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_what_is_unpacked_is_yours_with_plain_rights(home, tmp_path, kind):
    inside, (closed, _) = tarfile.TarInfo("a/tool"), tar_kind("closed", tarfile.DIRTYPE)
    inside.mode, inside.uid, inside.gid, closed.mode, closed.uid = 0o6777, 12_345, 12_345, 0o000, 12_345
    packed = {
        "zip": lambda: zip_of([zip_kind("a/tool", stat.S_IFREG | 0o6000, b"x"), zip_kind("closed/", stat.S_IFDIR)]),
        "tar": lambda: tar_of([(inside, b"x"), (closed, None)]),
    }
    (tmp_path / "archive").write_bytes(packed[kind]())
    archives.unpack_archive(tmp_path / "archive", home / "set")
    os.umask(umask := os.umask(0))
    for path in [home / "set", *(home / "set").rglob("*")]:
        facts = path.stat()
        assert stat.S_IMODE(facts.st_mode) == (0o755 if path.is_dir() else 0o644) & ~umask, path
        assert facts.st_uid == os.getuid()


def test_what_a_mac_adds_is_left_out(home, tmp_path):
    litter = {"__MACOSX/a/._song.wav": b"x", "a/.DS_Store": b"x", "a/._song.wav": b"x", "__MACOSX/": b""}
    (tmp_path / "a.zip").write_bytes(zip_of(litter | SONG))
    archives.unpack_archive(tmp_path / "a.zip", home / "set")
    assert [path.name for path in sorted((home / "set").rglob("*"))] == ["a", "song.wav"]
    assert archives.inspect_archive(tmp_path / "a.zip") == (1, 500)


@pytest.mark.parametrize("there", ["file", "folder", "link", "link to nothing"])
def test_what_is_there_already_is_never_unpacked_over(home, tmp_path, there):
    make = {
        "file": lambda path: path.write_text("mine"),
        "folder": lambda path: path.mkdir(),
        "link": lambda path: path.symlink_to(tmp_path / "outside"),
        "link to nothing": lambda path: path.symlink_to(tmp_path / "outside/nothing"),
    }
    make[there](home / "set")
    (tmp_path / "a.zip").write_bytes(zip_of(SONG))
    before = tree(tmp_path)
    with pytest.raises(InputError, match="set is not a folder"):
        archives.unpack_archive(tmp_path / "a.zip", home / "set", pytest.fail)
    assert tree(tmp_path) == before


class Sizes:
    """Told of progress, it looks how much there is of a folder."""

    def __init__(self, folder):
        self.folder, self.told, self.most = folder, [], 0

    def __call__(self, n_bytes):
        self.told.append(n_bytes)
        self.most = max(self.most, sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()))


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_no_more_than_the_bound_is_written_of_a_bomb(refused, home, monkeypatch, mode):
    for limit, value in {"MIN_TOTAL_LIMIT": ROOM, "BLOCK_SIZE": 10_000, "MAX_RATIO": 1}.items():
        monkeypatch.setattr(archives, limit, value)
    sizes = Sizes(home)
    refused(tar_of({f"{number}.wav": bytes(40_000) for number in range(60)}, mode), TOO_MUCH, progress=sizes)
    assert 200_000 < sum(sizes.told) <= ROOM and sizes.most <= ROOM + 10_000 and max(sizes.told) <= 10_000


@pytest.mark.parametrize("declared", [5_000, 25_000])
def test_nothing_beyond_its_declared_size_is_written_of_a_member_that_lies(refused, home, monkeypatch, declared):
    monkeypatch.setattr(archives, "BLOCK_SIZE", 10_000)
    sizes = Sizes(home)
    refused(shorter(declared, summed=declared), "in it cannot be unpacked", by_table=False, progress=sizes)
    assert sum(sizes.told) <= declared and sizes.most <= declared + len("mine")


def test_a_tar_is_never_read_backwards():
    stream = archives._TarStream(io.BytesIO(bytes(2_000)), 2_000, "a.tar")
    stream.seek(1_000)
    with pytest.raises(InputError, match="a.tar is incomplete"):
        stream.seek(999)
    assert stream.tell() == 1_000


@pytest.mark.parametrize("parts", [1, 2])
def test_an_xz_that_asks_for_much_memory_is_refused(refused, monkeypatch, parts):
    made = tar_of(SONG)
    cut = len(made) // parts if parts > 1 else 0
    small, large = lzma.compress(made[:cut], preset=0) if cut else b"", lzma.compress(made[cut:], preset=6)
    monkeypatch.setattr(archives, "MAX_XZ_MEMORY", 2**22)  # preset 0 asks for a quarter of a megabyte, 6 for nine
    refused(small + large, NOT_WHOLE)


def test_ctrl_c_leaves_nothing(home, tmp_path):
    def interrupted(n_bytes):
        assert len(list(home.iterdir())) == 2
        raise KeyboardInterrupt

    (tmp_path / "a.zip").write_bytes(zip_of(GOOD))
    before = tree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        archives.unpack_archive(tmp_path / "a.zip", home / "set", interrupted)
    assert tree(tmp_path) == before


def test_a_bomb_is_refused_within_the_usual_limits_as_well(refused):
    refused(tar_of({"a": bytes(120_000_000)}, "w:gz"), "to unpack to at most 100 MB")


@pytest.mark.parametrize("kind", ["zip", "tar by gzip"])
def test_a_disk_that_fills_ends_in_a_sentence_and_leaves_nothing(home, tmp_path, kind, monkeypatch):
    resource = pytest.importorskip("resource")
    (tmp_path / "archive").write_bytes(GOOD_KINDS[kind]())
    before, soft_hard = tree(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # or it is cut short, and every later process breaks on it
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, soft_hard[1]))
    try:
        with pytest.raises(InputError, match="set: the disk is full"):
            archives.unpack_archive(tmp_path / "archive", home / "set")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_hard)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("below", ["other.txt/set", "other.txt/deeper/set"])
def test_a_file_where_the_folder_belongs_is_a_sentence(home, tmp_path, below):
    (tmp_path / "a.zip").write_bytes(zip_of(SONG))
    with pytest.raises(InputError, match="Could not write .*other.txt.* is not a folder"):
        archives.unpack_archive(tmp_path / "a.zip", home / below)
    assert (home / "other.txt").read_text() == "mine"


def test_a_name_that_the_disk_refuses_is_a_sentence(refused, monkeypatch):
    monkeypatch.setattr(archives, "MAX_NAME_BYTES", 400)
    refused(zip_of({**SONG, f"b/{LONG}": b"x"}), "this disk does not accept the name", by_table=False)


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
    for act in (archives.inspect_archive, lambda archive: archives.unpack_archive(archive, home / "set")):
        with pytest.raises(InputError, match="is a folder|does not exist|neither a file nor a folder|Cannot open"):
            act(path)
    assert [path.name for path in home.iterdir()] == ["other.txt"]


def packed_as(kind, members):
    modes = {"tar": "w", "tar by gzip": "w:gz", "tar by bzip2": "w:bz2", "tar by xz": "w:xz"}
    return tar_of(members, modes[kind], format=tarfile.PAX_FORMAT) if kind in modes else zip_of(members)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar by gzip", "tar by bzip2", "tar by xz"])
def test_an_archive_that_is_cut_anywhere_is_refused(home, tmp_path, kind):
    whole = packed_as(kind, {"a/one.wav": b"sound" * 300, "two.wav": np.random.default_rng(0).bytes(700)})
    # a plain tar ends with many blocks of zeros, of which one is enough
    for length in range(1, len(whole) if kind != "tar" else 512 * 8, 61):
        (tmp_path / "archive").write_bytes(whole[:length])
        with pytest.raises(InputError):
            archives.inspect_archive(tmp_path / "archive")
        with pytest.raises(InputError):
            archives.unpack_archive(tmp_path / "archive", home / "set")
    assert [path.name for path in home.iterdir()] == ["other.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar by gzip", "tar by xz"])
def test_an_archive_with_any_byte_changed_is_unpacked_or_refused_and_nothing_else(home, tmp_path, kind):
    rng, around, n_refused = np.random.default_rng(0), tree(tmp_path), 0
    whole = packed_as(kind, {"é/one.wav": b"sound" * 30, "two.wav": b"more", "b/" + "x" * 120: b"long"})
    for number in range(80):
        changed = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(changed) if kind != "tar" else 6_000, rng.integers(1, 6))
        changed[places] = rng.choice([0, 0x2E, 0x2F, 0x5C, 0xFF, *range(256)], len(places))
        (tmp_path / "archive").write_bytes(changed.tobytes())
        try:
            archives.unpack_archive(tmp_path / "archive", home / f"set{number}")
            shutil.rmtree(home / f"set{number}")
        except InputError:
            n_refused += 1
    (tmp_path / "archive").unlink()
    assert tree(tmp_path) == around and n_refused > 15
