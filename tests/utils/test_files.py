import csv
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from musicml.utils import files, translate
from musicml.utils.errors import InputError

START = "import os, signal, sys\nfrom pathlib import Path\nfrom musicml.utils import files\n"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's own limits and mounts")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def elsewhere(code, *words):
    """Run `code` in another process; its words are in `sys.argv`."""
    return subprocess.run([sys.executable, "-c", START + code, *map(str, words)], capture_output=True, text=True)


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "report.json"
    with files.write_atomically(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == ".json" and temporary.name.startswith(".")
    assert path.read_text() == "new" and names(path.parent) == ["report.json"]


def test_a_file_that_is_there_is_replaced(tmp_path):
    files.write_text(tmp_path / "a.txt", "old and longer")
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), KeyboardInterrupt(), InputError("no"), OSError(errno.ENODEV, "no")]
)
@pytest.mark.parametrize("there", [True, False])
def test_when_the_block_raises_the_old_file_stays_and_the_error_comes_out(tmp_path, error, there):
    path = tmp_path / "report.json"
    if there:
        path.write_text("old")
    with pytest.raises(type(error)) as raised:
        with files.write_atomically(path) as temporary:
            temporary.write_text("half of the n")
            raise error
    assert raised.value is error
    assert names(tmp_path) == (["report.json"] if there else [])
    assert not there or path.read_text() == "old"


@pytest.mark.parametrize("end", ["os._exit(7)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_when_the_process_is_killed_in_the_block_the_old_file_stays(tmp_path, end):
    path = tmp_path / "report.json"
    path.write_text("old")
    code = f"with files.write_atomically(Path(sys.argv[1])) as t:\n    t.write_text('half of the n')\n    {end}"
    assert elsewhere(code, path).returncode in (7, -signal.SIGKILL)
    assert path.read_text() == "old"
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["report.json"]


def test_a_writer_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "big.bin"
    old, new = bytes(2_000_000), b"1" * 2_000_000
    path.write_bytes(old)
    code = (
        "print(flush=True)\n"
        "while True:\n"
        "    for mark in (b'\\0', b'1'):\n"
        "        files.write_bytes(Path(sys.argv[1]), mark * 2_000_000)"
    )
    for seconds in (0.020, 0.023, 0.031, 0.043):
        with subprocess.Popen([sys.executable, "-c", START + code, str(path)], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(seconds)
            assert writer.poll() is None
            writer.kill()
        assert path.read_bytes() in (old, new)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path, number):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(InputError, match=r"report\.json: the disk is full \(\d+ MB free\)"):
        with files.write_atomically(path) as temporary:
            temporary.write_text("ha")
            raise OSError(number, os.strerror(number))
    assert names(tmp_path) == ["report.json"] and path.read_text() == "old"


@LINUX
def test_a_file_that_really_does_not_fit_is_a_sentence_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    code = (
        "import resource, sys\nsys.dont_write_bytecode = True\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    files.write_bytes(Path(sys.argv[1]), bytes(100_000))\n"
        "except files.InputError as error:\n    print(error)"
    )
    done = elsewhere(code, path)
    assert "the disk is full" in done.stdout, done.stderr
    assert names(tmp_path) == ["report.json"] and path.read_text() == "old"


@LINUX
@pytest.mark.parametrize(
    ("mount", "then", "said"),
    [
        ("size=64k", "size=64k", "the disk is full (0 MB free)"),
        ("size=1m", "remount,ro", "its folder is not writable (Read-only file system)"),
    ],
)
def test_a_disk_that_is_really_full_or_read_only_is_a_sentence(tmp_path, mount, then, said):
    own = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a disk of one's own here")
    code = START + (
        "try:\n    files.write_bytes(Path(sys.argv[1]) / 'a.bin', bytes(200_000))\n"
        "except files.InputError as error:\n    print(error, list(Path(sys.argv[1]).iterdir()))"
    )
    script = f'mount -t tmpfs -o {mount} tmpfs "$1" && mount -o {then} "$1"; "$2" -c "$3" "$1"'
    done = subprocess.run(
        [*own, "sh", "-c", script, "sh", str(tmp_path), sys.executable, code], capture_output=True, text=True
    )
    assert said in done.stdout and done.stdout.rstrip().endswith("[]"), done.stderr


def test_a_folder_that_may_not_be_written_to_is_a_sentence(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(InputError, match="its folder is not writable"):
        files.write_text(closed / "a.txt", "a")
    with pytest.raises(InputError, match="its folder is not writable"):
        files.write_text(closed / "deeper" / "a.txt", "a")


@pytest.mark.parametrize("below", ["a.txt", "deeper/a.txt"])
def test_a_file_where_a_folder_belongs_is_a_sentence_and_stays(tmp_path, below):
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(InputError, match="Could not write .*runs.* is not a folder"):
        files.write_text(tmp_path / "runs" / below, "a")
    assert (tmp_path / "runs").read_text() == "mine"


def test_other_trouble_of_the_system_comes_back_as_it_is(tmp_path):
    for code in (errno.ENODEV, errno.ENOENT):  # the second where the folder is there: a fault of ours
        error = OSError(code, os.strerror(code))
        assert files.os_error_to_input_error(error, tmp_path / "a") is error


@pytest.mark.parametrize(
    "code, words",
    [
        (errno.ENAMETOOLONG, "is too long"),
        (errno.ELOOP, "symbolic links form a loop"),
        (errno.ENOENT, "its folder does not exist"),
        (errno.EIO, "the disk reports an error"),
    ],
)
def test_trouble_of_a_path_or_a_disk_is_a_sentence_in_both_languages(tmp_path, code, words):
    said = files.os_error_to_input_error(OSError(code, os.strerror(code)), tmp_path / "none" / "a").message
    assert words in said and translate(said, "id") not in (said, "")


def test_json_keeps_every_letter_and_refuses_what_is_not_json(tmp_path):
    path = tmp_path / "facts.json"
    files.write_json(path, {"artist": "Björk", "n": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "artist": "Björk",\n  "n": 1\n}\n'
    with pytest.raises(ValueError):
        files.write_json(path, {"accuracy": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["n"] == 1


def test_lists_of_numbers_stand_on_one_line_and_all_else_on_its_own(tmp_path):
    path = tmp_path / "facts.json"
    files.write_json(path, {"sizes": [1, -2.5, 3e-7], "rows": [[1, 2], [3]], "names": ["a", "b"], "none": [], "n": 1})
    lines = [line.strip() for line in path.read_text().splitlines()]
    assert '"sizes": [1, -2.5, 3e-07],' in lines
    assert "[1, 2]," in lines and "[3]" in lines
    assert '"a",' in lines and '"none": [],' in lines


@pytest.mark.parametrize(
    "content",
    [
        "[ 1 ]",
        "[\n  1,\n  2\n]",
        {"[ 1, 2 ]": "[\n1\n]", "a": [[], [[]], [1, "[\n 2 \n]"], "  ,  "]},
        [1, "2", [3, 4], None, True],
        [True, False, None],
        [1, 2, 3],
        [[0.1, 1e300, -1e-300], [5e-324, -0.0, 123456789012345678901234567890]],
        {"precision": [[1.25e-05, 1.0], [-3.5, 2e16]], "notes": ["e", "-", "+", ".", ","]},
        list(range(1_000)),
        "Björk [\u2028]",
        [],
        3.5,
    ],
)
def test_json_reads_back_as_it_was_written_strings_that_look_like_lists_included(tmp_path, content):
    files.write_json(tmp_path / "a.json", content)
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found == content and repr(found) == repr(content)


def test_a_table_reads_back_as_it_was_written_commas_quotes_and_lines_included(tmp_path):
    rows = [{"file": 'a, "b"\nc.wav', "group": "Björk"}, {"file": "d.wav"}]
    files.write_csv(tmp_path / "t.csv", rows, ["file", "group"])
    assert files.read_csv(tmp_path / "t.csv") == [rows[0], {"file": "d.wav", "group": ""}]
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as source:
        assert next(csv.reader(source)) == ["file", "group"]


def test_a_column_that_the_header_has_not_is_refused(tmp_path):
    with pytest.raises(ValueError):
        files.write_csv(tmp_path / "t.csv", [{"file": "a", "colour": "red"}], ["file"])
    assert not (tmp_path / "t.csv").exists()


def test_a_table_from_windows_reads_as_any_other(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbffile,group\r\na.wav,Bj\xc3\xb6rk\r\n")
    assert files.read_csv(tmp_path / "t.csv") == [{"file": "a.wav", "group": "Björk"}]


def test_a_table_that_is_not_in_utf_8_is_a_sentence(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"file,group\r\na.wav,Bj\xf6rk\r\n")
    with pytest.raises(InputError, match=r"Expected a table in .*t\.csv"):
        files.read_csv(tmp_path / "t.csv")


def test_a_digest_is_of_the_content_and_of_nothing_else(tmp_path):
    for name, content in {"a": b"sound", "b": b"sound", "c": b"sounds"}.items():
        (tmp_path / name).write_bytes(content)
        assert files.compute_digest(tmp_path / name) == hashlib.blake2b(content, digest_size=16).hexdigest()


# names that are no UTF-8


NAMES = [
    *("Cort\udce9ge 1.wav", "M\udcfasica/\udc80.wav", "é.wav", "a\\udce9.wav", "a\\u005cudce9.wav", "\\\\udcff"),
    'a,"b".wav',
]


@pytest.mark.parametrize("name", NAMES)
def test_csv_and_json_give_a_name_back_as_it_was(tmp_path, name):
    files.write_csv(tmp_path / "t.csv", [{"file": name, f"score:{name}": 1}], ["file", f"score:{name}"])
    assert files.read_csv(tmp_path / "t.csv") == [{"file": name, f"score:{name}": "1"}]
    files.write_json(tmp_path / "t.json", {name: name})
    assert files.read_json(tmp_path / "t.json") == {name: name}
    for path in (tmp_path / "t.csv", tmp_path / "t.json"):
        path.read_bytes().decode()  # other programs can read it


def test_a_table_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / "t.csv").write_text("file,group\n" + '"' + "x" * 200_000)
    with pytest.raises(InputError, match="Expected a table in .*t.csv, and it can't be read"):
        files.read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(InputError, match="Expected the columns file,group in"):
        files.read_csv(tmp_path / "t.csv", "file", "group")


@pytest.mark.parametrize("delimiter", list(",;\t"))
def test_a_table_whose_cells_are_all_quoted_is_read_with_any_delimiter(tmp_path, delimiter):
    text = '"file","label"\n"a, b; c\td.wav","x ""y"""\n'.replace('","', f'"{delimiter}"')
    (tmp_path / "t.csv").write_text(text)
    assert files.read_csv(tmp_path / "t.csv", "file") == [{"file": "a, b; c\td.wav", "label": 'x "y"'}]
    with pytest.raises(InputError, match="Expected the columns group in .*, got file,label"):
        files.read_csv(tmp_path / "t.csv", "group")
    (tmp_path / "t.csv").write_text(text.replace('x ""y"""', 'x "y"'))
    with pytest.raises(InputError, match="can't be read"):
        files.read_csv(tmp_path / "t.csv", "file")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"Could not write .*a\.txt.b.c\.json: .*a\.txt is not a folder"):
        files.write_text(tmp_path / "a.txt" / "b" / "c.json", "")
