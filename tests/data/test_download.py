import contextlib
import dataclasses
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import traceback
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
import soundfile
from filelock import FileLock
from kagglesdk import kaggle_env

from musicml.data.datasets import loading
from musicml.data.download import download, gtzan_lists, install, kaggle_credentials, transfer, verify
from musicml.utils import progress
from musicml.utils.errors import InputError
from tests.conftest import EXPERIMENTS, TONES
from tests.fixtures.fake_servers import SIGNED, Fault, Kaggle, Server, tarred, zipped

TOKEN = "KGAT_recognisable5ecret"
KEY = "0ldkey_recognisable5ecret"
PICTURES = "gpiosenka/musical-instruments-image-classification"
PLACE = f"/{PICTURES}/7/archive.zip"
USAGE = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def small(get_sample, tmp_path_factory):
    """A folder with small datasets in the layouts of the real ones; SOURCE.json says that they are generated."""
    root = tmp_path_factory.mktemp("small")
    for name in download.SOURCES:
        get_sample(name, root)
    for path in root.rglob("*.wav"):  # half a second of each
        with contextlib.suppress(soundfile.LibsndfileError):
            y, sample_rate = soundfile.read(path, soundfile.info(path).samplerate // 2, dtype="int16")
            soundfile.write(path, y, sample_rate)
    genres = root / "gtzan/Data"
    (genres / "images_original/blues").mkdir(parents=True)
    shutil.copy(next((root / "instrument_images").rglob("*.jpg")), genres / "images_original/blues/blues00000.png")
    (genres / "features_30_sec.csv").write_text("filename,label\n")
    return root


@pytest.fixture(scope="module")
def archives(small, tmp_path_factory):
    """The four archives as they are published, but small: name → content. No test changes them."""
    folder = tmp_path_factory.mktemp("archives")
    pictures = zipped(small / "instrument_images", folder / "pictures.zip", "30 Musical Instruments/")
    return {
        "gtzan": zipped(small / "gtzan", folder / "genres.zip"),
        "instrument_images": pictures,
        "instrument_sounds": zipped(small / "instrument_sounds", folder / "sounds.zip"),
        "openmic": tarred(small / "openmic", folder / "openmic.tgz"),
    }


@pytest.fixture
def storage():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def kaggle(storage, archives, monkeypatch):
    """A Kaggle with its three datasets, to which the real client goes."""
    made = Kaggle(storage)
    for name, version in (("gtzan", 1), ("instrument_images", 7), ("instrument_sounds", 3)):
        storage.files[f"/{download.SOURCES[name].ref}/{version}/archive.zip"] = archives[name]
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, made.url)
    yield made
    made.close()


@pytest.fixture
def web(archives, small, monkeypatch):
    """A Zenodo and a GitHub, with the hashes that small files have."""
    made = Server()
    made.files["/records/1432913/files/openmic-2018-v1.0.0.tgz"] = archives["openmic"]
    hashes = {}
    for name, place in gtzan_lists.GITHUB_PATHS.items():
        made.files[f"/{place}"] = (small / "gtzan/splits" / name).read_bytes()
        hashes[name] = hashlib.sha256(made.files[f"/{place}"]).hexdigest()
    md5 = hashlib.md5(archives["openmic"]).hexdigest()
    monkeypatch.setattr(verify, "ZENODO", made.url)
    monkeypatch.setattr(gtzan_lists, "GITHUB", made.url)
    monkeypatch.setattr(gtzan_lists, "SHA256", hashes)
    monkeypatch.setitem(download.SOURCES, "openmic", dataclasses.replace(download.SOURCES["openmic"], md5=md5))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """A home of its own, no login, no address but loopback's, and no long rests between tries."""
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/.config"))
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(transfer, "MAX_PAUSE", 0.01)
    real, looked = socket.socket.connect, socket.getaddrinfo

    def connect(self, address):
        assert address[0] == "127.0.0.1", address
        return real(self, address)

    def look_up(host, *rest, **more):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")  # as where there is no network
        return looked(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def run(musicml, tmp_path):
    """`musicml fetch` into tmp_path/data: words → exit code, output, errors; no secret is in any of it."""

    def fetched(*words):
        code, out, err = musicml("fetch", "--data-root", tmp_path / "data", *words)
        for said in (out, err):
            assert TOKEN not in said and KEY not in said and SIGNED not in said and "Traceback" not in said
        assert secrets_on(tmp_path) == []
        return code, out, err

    return fetched


def secrets_on(folder):
    """Files outside of the home that hold a secret."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    found = [path for path in files if path.relative_to(folder).parts[0] != "home"]
    words = [word.encode() for word in (TOKEN, KEY, SIGNED)]
    return [path for path in found if any(word in path.read_bytes() or word in str(path).encode() for word in words)]


def test_the_search_for_secrets_finds_a_planted_one(tmp_path):
    for place in ("data/home/a.txt", f"data/{KEY}", "home/a.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(TOKEN if place.endswith(".txt") else "")
    assert {path.name for path in secrets_on(tmp_path)} == {"a.txt", KEY} and len(secrets_on(tmp_path)) == 2


def refused(run, *words):
    """The one sentence that a fetch of the pictures ends with."""
    code, out, err = run(*(words or ("instrument_images",)))
    sentences = [line for line in err.splitlines() if line.startswith("musicml: ")]
    assert code == 2 and out == "" and len(sentences) == 1, err
    assert err.rstrip().endswith(sentences[0])
    return sentences[0]


def left(tmp_path):
    """What is in the data root, but the notes on hashes."""
    root = tmp_path / "data"
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return [path for path in found if path != ".archives/hashes.json"]


def asked_of(server):
    return [seen.headers.get("Range", "all") for seen in server.seen if seen.method == "GET"]


@pytest.mark.slow
def test_all_four_sets_come_in_their_real_layouts_and_can_be_trained_on(run, kaggle, web, tmp_path, musicml):
    code, out, err = run("--json")
    told = json.loads(out)
    assert code == 0 and [one["name"] for one in told["sets"]] == list(download.SOURCES)
    assert [one["version"] for one in told["sets"]] == ["1", "7", "3", "1.0.0"]
    assert told["folders"] == [str(tmp_path / "data" / name) for name in download.SOURCES]
    for one in told["sets"]:
        dataset = loading.load_dataset(one["name"], tmp_path / "data", "real")
        assert len(dataset.examples) > 20 and not dataset.sample and not one["already_there"]
        assert (dataset.source["sha256"], dataset.source["bytes"]) == (one["sha256"], one["bytes"])
    assert loading.load_dataset("gtzan", tmp_path / "data", "real").lists == ("filtered", "artist")
    assert not [path for path in left(tmp_path) if path.startswith(".")]
    assert not list((tmp_path / "home").rglob("*"))
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    forests = (EXPERIMENTS / "openmic_forest.toml").read_text().replace("n_estimators = 100", "n_estimators = 3")
    (experiments / "openmic_forest.toml").write_text(forests)
    (experiments / "tones.toml").write_text(TONES.replace('"gtzan"', '"gtzan"\nsplit = "group"'))
    words = ["train-all", "--data", "real", "--data-root", tmp_path / "data", "--runs", tmp_path / "runs"]
    code, out, _ = musicml(*words, "--experiments", experiments, "--json")
    rows = json.loads(out)["experiments"]
    assert code == 0 and [row["sample"] for row in rows] == [False, False]


def test_what_is_written_of_a_data_set_says_where_it_comes_from(run, kaggle, archives, tmp_path):
    assert run("instrument_images")[0] == 0
    source = json.loads((tmp_path / "data/instrument_images/SOURCE.json").read_text())
    assert source["sha256"] == hashlib.sha256(archives["instrument_images"]).hexdigest()
    assert source["bytes"] == len(archives["instrument_images"]) and source["sample"] is False
    assert source["source"] == f"Kaggle {PICTURES}" and source["version"] == "7" and source["licence"] == "CC0-1.0"
    assert source["url"].endswith("/versions/7") and source["date"][:2] == "20" and "Piosenka" in source["citation"]
    assert (source["files"], source["examples"]) == (150, 150)


def test_a_set_that_is_there_is_kept_and_nobody_is_asked(run, kaggle, tmp_path, snapshot):
    run("instrument_images")
    before, n_seen = snapshot(tmp_path / "data"), len(kaggle.seen)
    code, out, err = run("instrument_images", "--json")
    assert code == 0 and "already installed" in err and len(kaggle.seen) == n_seen
    assert json.loads(out)["sets"][0]["already_there"] and snapshot(tmp_path / "data") == before


def test_a_version_that_is_pinned_is_asked_for_by_its_number(run, kaggle, web):
    run("gtzan", "instrument_images")
    asked = [seen.body for seen in kaggle.seen if "Download" in seen.path]
    assert [body["datasetVersionNumber"] for body in asked] == [1, 7]


@pytest.mark.parametrize("name", ["instrument_images", "openmic"])
def test_a_connection_cut_five_times_still_ends_in_a_verified_archive(name, run, kaggle, web, archives):
    server = web if name == "openmic" else kaggle.storage
    server.faults = [
        Fault(cut=len(archives[name]) * part // 12) for part in (1, 3, 3, 5, 9)
    ]  # the third brings nothing
    code, out, _ = run(name, "--json")
    assert code == 0 and json.loads(out)["sets"][0]["sha256"] == hashlib.sha256(archives[name]).hexdigest()
    ranges = asked_of(server)
    assert ranges[0] == "all" and len(ranges) == 6 and all(asked.startswith("bytes=") for asked in ranges[1:])


@pytest.mark.parametrize(
    ("ranges", "cuts", "most", "n_asked"), [(False, [200_000, 400_000], None, 3), (True, [20_000], 100_000, 7)]
)
def test_a_server_that_gives_the_whole_or_less_than_it_was_asked_for_is_asked_again(
    ranges, cuts, most, n_asked, run, kaggle, storage
):
    storage.ranges, storage.most, storage.faults = ranges, most, [Fault(cut=cut) for cut in cuts]
    assert run("instrument_images")[0] == 0 and len(asked_of(storage)) == n_asked


def test_an_archive_that_was_changed_meanwhile_is_begun_anew(run, kaggle, storage, archives, tmp_path):
    half = len(archives["instrument_images"]) // 2
    storage.files[PLACE] = archives["instrument_images"][:half] + b"x" * 999
    storage.always_cut = half
    refused(run)
    storage.files[PLACE], storage.always_cut = archives["instrument_images"], None
    assert run("instrument_images")[0] == 0
    assert asked_of(storage)[-1].startswith("bytes=")  # and If-Range had it sent whole


def test_a_second_call_goes_on_where_the_first_was_cut_off(run, kaggle, storage, archives, tmp_path):
    storage.always_cut = 300_000
    said = refused(run)
    assert "stopped after 0.3 of 0.6 MB" in said and "Run `musicml fetch instrument_images` to continue it" in said
    assert left(tmp_path) == [".archives/instrument_images.zip.part", ".archives/instrument_images.zip.part.json"]
    storage.always_cut = None
    assert run("instrument_images")[0] == 0 and asked_of(storage)[-1].startswith("bytes=29")


def test_a_part_of_which_nobody_knows_what_it_is_of_is_thrown_away(run, kaggle, storage, tmp_path, monkeypatch):
    part = tmp_path / "data/.archives/instrument_images.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    with monkeypatch.context() as patch:
        patch.delattr(progress.ByteProgress, "begin")  # ends it once the new part's note is written
        with pytest.raises(AttributeError):
            run("instrument_images")
    assert not part.exists()
    assert run("instrument_images")[0] == 0 and asked_of(storage) == ["all", "all"]


def test_without_a_network_the_cure_is_said(run, web, monkeypatch, tmp_path):
    for name, host in (("instrument_images", "Kaggle"), ("openmic", "Zenodo")):
        monkeypatch.setattr(verify, "ZENODO", "https://zenodo.org")
        said = refused(run, name)
        assert f"Cannot reach {host}" in said and "use --from" in said
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["instrument_images", "openmic"])
@pytest.mark.parametrize(
    "fault, words",
    [
        (Fault(403), "(HTTP 403). Open https://"),
        (Fault(404), "(HTTP 404). See https://"),
        (Fault(429, {"Retry-After": "3600"}), "in 60 minutes"),
        (Fault(429, {"Retry-After": "9" * 5000}), "in some minutes"),
        (Fault(503), "has a server error (HTTP 503)"),
        (Fault(418), "(HTTP 418)"),
    ],
)
def test_each_answer_of_a_server_that_is_no_archive_is_one_sentence(
    name, fault, words, run, kaggle, storage, web, tmp_path, monkeypatch
):
    kaggle.tokens = {TOKEN}
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    storage.faults, web.faults = [fault] * 20, [fault] * 20
    assert words in refused(run, name)
    assert left(tmp_path) == []


def test_a_server_that_wants_a_short_pause_gets_it(run, kaggle, monkeypatch):
    rests = []
    monkeypatch.setattr(transfer.time, "sleep", rests.append)
    kaggle.faults_of_api = [Fault(429, {"Retry-After": "7"}), Fault(503), Fault(429)]
    assert run("instrument_images")[0] == 0
    assert 7.0 in rests


def test_a_pause_is_told_in_seconds_or_as_a_date():
    assert transfer.parse_retry_after("30") == 30
    assert transfer.parse_retry_after("Wed, 26 Mar 2025 00:00:00 GMT") == 0
    for neither in ("soon", "", "²", "-1", "Wed, 26 Mar 99999 00:00:00 GMT", "9" * 5000):
        assert transfer.parse_retry_after(neither) is None, neither


def test_a_server_that_says_nothing_is_not_waited_for(run, kaggle, storage, monkeypatch):
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.1)
    storage.faults = [Fault(stall=True)] * 5
    assert "within 0 s" in refused(run)


def test_a_login_is_not_shown_where_none_is_wanted_and_environment_home_and_output_are_left_alone(
    run, kaggle, storage, tmp_path, monkeypatch
):
    kaggle.tokens = {TOKEN}
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setenv("VERBOSE", "1")
    before = dict(os.environ)
    assert run("instrument_images")[:2] == (0, "") and dict(os.environ) == before
    assert not (tmp_path / "home").exists()
    seen = kaggle.seen + storage.seen
    assert kaggle.seen and not any("Authorization" in one.headers or TOKEN in str(one.body) for one in seen)


def test_401_without_a_token_says_how_to_make_one(run, kaggle, tmp_path):
    kaggle.public = False
    said = refused(run)
    assert "(HTTP 401), but none was found. Create one at https://www.kaggle.com/settings" in said
    assert left(tmp_path) == []


OLD = json.dumps({"username": "somebody", "key": KEY})
# a way to log in → environment variables, files in the home
WAYS = {
    "environment": ({"KAGGLE_API_TOKEN": TOKEN}, {}),
    "named file": ({"KAGGLE_API_TOKEN": "HOME/my_token"}, {"my_token": f"{TOKEN}\n"}),
    "file": ({}, {".kaggle/access_token": f"{TOKEN}\n"}),
    "old environment": ({"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": KEY}, {}),
    "old file": ({}, {".config/kaggle/kaggle.json": OLD}),
    "folder of settings": ({"KAGGLE_CONFIG_DIR": "HOME"}, {"kaggle.json": OLD}),
}


@pytest.fixture
def log_in(tmp_path, monkeypatch):
    def make(way):
        variables, files = WAYS[way]
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("HOME", str(tmp_path / "home")))
        for name, content in files.items():
            (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "home" / name).write_text(content)

    return make


@pytest.mark.parametrize(("way", "refusal"), [*zip(WAYS, itertools.cycle([401, 403]), strict=False)])
def test_what_kaggle_keeps_from_strangers_comes_with_a_login(way, refusal, run, kaggle, storage, log_in):
    kaggle.public, kaggle.refusal, kaggle.tokens, kaggle.keys = False, refusal, {TOKEN}, {f"somebody:{KEY}"}
    log_in(way)
    assert run("instrument_images")[0] == 0
    assert not any("Authorization" in seen.headers for seen in storage.seen)  # the storage gets no login


@pytest.mark.parametrize("way", WAYS)
def test_a_login_that_is_not_accepted_is_named_by_its_place(way, run, kaggle, log_in):
    kaggle.public = False
    log_in(way)
    said = refused(run)
    assert "did not accept" in said and any(word in said for word in ("KAGGLE_", "access_token.", "kaggle.json."))


AS_SAVED = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 of Notepad": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "big-endian UTF-16": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "big-endian UTF-16 without a mark": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "lines of Windows": lambda text: text.replace(",", ",\r\n").encode() + b"\r\n",
    "a NUL behind it": lambda text: text.encode() + b"\0",
}


@pytest.mark.parametrize("name", ["kaggle.json", "access_token.txt"])
@pytest.mark.parametrize("form", AS_SAVED)
def test_a_login_is_read_however_an_editor_saved_it(name, form, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kaggle").mkdir()
    text = TOKEN if name.startswith("access") else OLD
    (tmp_path / ".kaggle" / name).write_bytes(AS_SAVED[form](text))
    (login,) = kaggle_credentials.find_logins()
    assert login.token == TOKEN if name.startswith("access") else (login.user, login.key) == ("somebody", KEY)
    assert kaggle_credentials.find_faults() == []


IN_CURLY_QUOTES = OLD.replace('"', "\u201d")
UNREADABLE, NO_KEY = "is empty or can't be read as text", "contains no username and key"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (IN_CURLY_QUOTES.encode(), "has the curly quotes"),
        (IN_CURLY_QUOTES.encode("utf-16"), "has the curly quotes"),
        (KEY.encode(), NO_KEY),
        (json.dumps({"username": "somebody"}).encode(), NO_KEY),
        (json.dumps({"username": "somebody", "key": ""}).encode(), NO_KEY),
        (json.dumps([KEY]).encode(), NO_KEY),
        (OLD.encode("cp1252")[:-9] + b"\xe9", UNREADABLE),
        (b"", UNREADABLE),
    ],
)
def test_a_file_that_should_hold_a_login_and_does_not_is_named_with_the_reason(content, words, run, kaggle, tmp_path):
    kaggle.public, kaggle.refusal = False, 401 if content else 403
    (tmp_path / "home/.kaggle").mkdir(parents=True)
    (tmp_path / "home/.kaggle/kaggle.json").write_bytes(content)
    said = refused(run)
    assert f"home/.kaggle/kaggle.json {words}" in said and "create a token at https://www.kaggle.com/settings" in said


def test_a_token_that_is_not_accepted_is_said_and_another_login_is_tried(run, kaggle, log_in):
    kaggle.public, kaggle.keys = False, {f"somebody:{KEY}"}
    log_in("environment")
    log_in("old environment")
    code, _, err = run("instrument_images")
    assert code == 0 and "Kaggle does not accept the token in KAGGLE_API_TOKEN" in err


@pytest.mark.parametrize("token", [f"{TOKEN}\nX: y", f"{TOKEN}\u20ac", TOKEN * 40, f"/{TOKEN}/" * 300])
@pytest.mark.parametrize("public", [True, False])
def test_a_token_that_can_not_be_sent_is_shown_to_nobody(token, public, run, kaggle, monkeypatch):
    kaggle.public = public
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    code, _, err = run("instrument_images")
    assert code == (0 if public else 2) and ("KAGGLE_API_TOKEN" in err) is not public


def test_403_with_a_good_token_sends_to_the_page_where_terms_are_accepted(run, kaggle, monkeypatch):
    kaggle.public, kaggle.refusal, kaggle.keys = False, 403, set()
    monkeypatch.setattr(kaggle, "may", lambda headers: False)
    kaggle.tokens = {TOKEN}
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    said = refused(run)
    assert f"(HTTP 403). Open https://www.kaggle.com/datasets/{PICTURES}" in said and "accept its terms" in said


def test_no_exception_of_a_fetch_holds_a_secret_even_in_what_it_came_from(kaggle, storage, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    for faults, public in (([Fault(404)], True), ([Fault(503)] * 9, True), ([Fault(cut=9)] * 9, True), ([], False)):
        storage.faults, kaggle.public = list(faults), public
        with pytest.raises(InputError) as refusal:
            download.download_dataset("instrument_images", tmp_path / "data")
        error, seen = refusal.value, ""
        while error is not None:
            seen += "".join(traceback.format_exception(error, chain=False)) + repr(vars(error)) + repr(error.args)
            error = error.__cause__ or error.__context__
        assert TOKEN not in seen and KEY not in seen and SIGNED not in seen
        assert refusal.value.__cause__ is None and refusal.value.__suppress_context__ or not refusal.value.__context__
    assert TOKEN not in repr(kaggle_credentials.find_logins()) and KEY not in repr(kaggle_credentials.find_logins())


def test_importing_kaggle_for_the_first_time_leaves_no_folder_and_prints_nothing(tmp_path):
    script = (
        "import sys, os; before = dict(os.environ)\n"
        "from musicml.data.download import kaggle_credentials\n"
        "with kaggle_credentials.hide_logins():\n    from kaggle.api.kaggle_api_extended import KaggleApi\n"
        "assert dict(os.environ) == before and not os.path.exists(os.environ['HOME'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reading_data_sets_imports_neither_kaggle_nor_requests():
    script = (
        "import sys; from musicml.data.datasets import loading; "
        "from musicml.data.download import download, gtzan_lists; "
        "assert not {'kaggle', 'kagglesdk', 'requests', 'tqdm'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_client_that_does_something_else_is_a_sentence_without_a_secret(run, kaggle, tmp_path, monkeypatch):
    from kaggle.api.kaggle_api_extended import KaggleApi

    def build(*_):
        print(f"Authentication required {TOKEN}")
        raise SystemExit(1)

    monkeypatch.setattr(KaggleApi, "build_kaggle_client_with_params", staticmethod(build))
    assert "`pip install -U kaggle`" in refused(run) and left(tmp_path) == []


@pytest.mark.parametrize("name, host", [("instrument_images", "Kaggle"), ("openmic", "Zenodo")])
def test_a_hash_other_than_the_host_gives_is_refused_and_the_archive_removed(
    name, host, run, kaggle, storage, web, tmp_path, monkeypatch
):
    storage.hash_header = "wrong"
    other = dataclasses.replace(download.SOURCES["openmic"], md5="e4ccf187e2bb5ab2e115416e8aafe7f4")
    monkeypatch.setitem(download.SOURCES, "openmic", other)
    assert f"does not have the hash that {host} states (md5:" in refused(run, name) and left(tmp_path) == []


def test_a_hash_other_than_the_first_fetch_wrote_down_is_refused(run, kaggle, storage, archives, tmp_path):
    assert run("instrument_images")[0] == 0
    shutil.rmtree(tmp_path / "data/instrument_images")
    storage.files[PLACE] = zipped_again(archives["instrument_images"])
    said = refused(run)
    assert "does not have the same hash as on 20" in said and "hashes.json" in said
    assert left(tmp_path) == []
    (tmp_path / "data/.archives/hashes.json").unlink()
    assert run("instrument_images")[0] == 0


def test_another_archive_of_a_version_that_nobody_tells_is_said_to_be_a_newer_one(
    run, kaggle, storage, archives, tmp_path
):
    kaggle.answers["/v1/datasets.DatasetApiService/GetDataset"] = lambda body, headers: kaggle.no(500)
    for content, is_newer in ((archives["instrument_images"], False), (zipped_again(storage.files[PLACE]), True)):
        storage.files[PLACE] = content
        code, out, err = run("instrument_images", "--json")
        assert code == 0 and ("differs from the archive of 20" in err) is is_newer
        assert "did not state the version" in err and json.loads(out)["sets"][0]["version"] is None
        shutil.rmtree(tmp_path / "data/instrument_images")


def test_a_damaged_note_of_hashes_is_written_anew(run, kaggle, tmp_path):
    notes = tmp_path / "data/.archives/hashes.json"
    notes.parent.mkdir(parents=True)
    notes.write_text(json.dumps({f"Kaggle {PICTURES} 7": "none"}))
    assert run("instrument_images")[0] == 0
    assert len(json.loads(notes.read_text())[f"Kaggle {PICTURES} 7"]["sha256"]) == 64


def zipped_again(content):
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made := io.BytesIO(), "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return made.getvalue()


def hostile(name, content):
    with zipfile.ZipFile(made := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda archives: archives["instrument_images"][:300_000], "is incomplete or damaged"),
        (lambda archives: hostile("../../evil.txt", "x"), "a path out of the archive"),
        (lambda archives: hostile("bomb", bytes(120_000_000)), "to unpack to at most 100 MB"),
        (lambda archives: archives["instrument_sounds"], "as published. Expected train in it"),
    ],
    ids=["half", "way out", "bomb", "another"],
)
def test_an_archive_that_is_not_as_it_should_be_is_refused_and_nothing_of_it_is_left(
    make, words, run, kaggle, archives, tmp_path
):
    kaggle.storage.files[PLACE] = make(archives)
    assert words in refused(run) and left(tmp_path) == [] and not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "data/instrument_images").exists()


def test_an_archive_with_damaged_tables_is_refused(run, web, tmp_path, small, monkeypatch):
    copied = tmp_path / "home/copied"
    shutil.copytree(small / "openmic", copied)
    next(copied.rglob("class-map.json")).write_text("{")
    (copied / "SOURCE.json").unlink()
    said = refused(run, "openmic", "--from", copied)
    assert "does not contain openmic as published." in said and "class-map.json" in said


def test_a_disk_without_room_is_told_before_anything_is_written(run, kaggle, storage, web, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(10**12, 10**12, 10**6))
    for name in ("instrument_images", "openmic"):
        assert "MB of free disk space" in refused(run, name)
    assert left(tmp_path) == []


@pytest.fixture
def on_inspection(monkeypatch):
    """Do something before an archive is inspected."""
    real = verify.inspect_archive
    return lambda act: monkeypatch.setattr(verify, "inspect_archive", lambda path: act(path) or real(path))


def stopping(monkeypatch, at, error):
    """Raise in the call of ByteProgress.add that is the first in which `at` holds; returns how to go on."""
    real = progress.ByteProgress.add

    def add(self, n_bytes):
        real(self, n_bytes)
        if at(self):
            raise error

    monkeypatch.setattr(progress.ByteProgress, "add", add)
    return lambda: monkeypatch.setattr(progress.ByteProgress, "add", real)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk is full"),
        (KeyboardInterrupt, 130, "the partial download is kept, and `musicml fetch instrument_images` continues it"),
    ],
)
def test_what_came_before_the_disk_was_full_or_a_user_stopped_it_is_kept(
    error, code, words, run, kaggle, storage, tmp_path, monkeypatch
):
    go_on = stopping(monkeypatch, lambda progress: progress.done > 0, error)
    stopped, out, err = run("instrument_images")
    assert (stopped, out) == (code, "") and words in err
    assert left(tmp_path) == [".archives/instrument_images.zip.part", ".archives/instrument_images.zip.part.json"]
    go_on()
    assert run("instrument_images")[0] == 0 and asked_of(storage)[-1].startswith("bytes=")


def test_ctrl_c_while_it_is_unpacked_keeps_the_archive(run, kaggle, storage, archives, tmp_path, monkeypatch):
    size = len(archives["instrument_images"])
    go_on = stopping(monkeypatch, lambda progress: progress.total != size, KeyboardInterrupt)
    assert run("instrument_images")[0] == 130
    assert left(tmp_path) == [".archives/instrument_images.zip", ".archives/instrument_images.zip.json"]
    go_on()
    n_seen = len(storage.seen)
    assert run("instrument_images")[0] == 0 and len(storage.seen) == n_seen
    assert not [path for path in left(tmp_path) if path.startswith(".")]


@pytest.mark.parametrize("at", ["inspect_archive", "compute_hashes"])
@pytest.mark.parametrize("name", ["instrument_images", "openmic"])
def test_ctrl_c_in_the_checks_keeps_the_whole_archive(name, at, run, kaggle, storage, web, tmp_path, monkeypatch):
    def stopped(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verify, at, stopped)
        assert run(name)[0] == 130
    n_seen = len(kaggle.seen) + len(storage.seen) + len(web.seen)
    code, _, err = run(name)
    assert code == 0 and "using the archive in" in err
    assert len(kaggle.seen) + len(storage.seen) + len(web.seen) == n_seen > 0
    source = json.loads((tmp_path / f"data/{name}/SOURCE.json").read_text())
    assert source["version"] == {"openmic": "1.0.0"}.get(name, "7") and left(tmp_path)[0].startswith(name)


@pytest.mark.parametrize("what", ["other bytes", "fewer bytes", "another version", "other bytes, not verified"])
def test_a_kept_archive_that_was_changed_is_not_taken(what, run, kaggle, storage, tmp_path):
    run("instrument_sounds", "--keep-archive")
    shutil.rmtree(tmp_path / "data/instrument_sounds")
    archive = tmp_path / "data/.archives/instrument_sounds.zip"
    note = archive.with_name("instrument_sounds.zip.json")
    known = json.loads(note.read_text())
    if "bytes" in what:
        archive.write_bytes(b"something else" if "fewer" in what else bytes(archive.stat().st_size))
    changed = {"another version": {"version": "2"}, "other bytes, not verified": {"sha256": ""}}
    note.write_text(json.dumps(known | changed.get(what, {})))
    assert run("instrument_sounds")[0] == 0 and len(asked_of(storage)) == 2


@pytest.mark.parametrize("faults, public", [([Fault(404)], True), ([Fault(503)] * 9, True), ([], False)])
def test_an_archive_that_is_not_taken_stays_where_no_other_comes(faults, public, run, kaggle, storage, tmp_path):
    (tmp_path / "data/.archives").mkdir(parents=True)
    own = tmp_path / "data/.archives/gtzan.zip"
    own.write_bytes(b"put there by hand, and without a note")
    storage.faults, kaggle.public = faults, public
    refused(run, "gtzan")
    assert own.read_bytes().startswith(b"put there by hand")


def test_what_a_killed_fetch_left_behind_is_cleared_up(run, kaggle, tmp_path):
    (tmp_path / "data/.instrument_images.new/whole").mkdir(parents=True)
    (tmp_path / "data/.instrument_images.new/whole/half.jpg").write_bytes(b"half")
    assert run("instrument_images")[0] == 0
    assert not [path for path in left(tmp_path) if path.startswith(".")]


def test_two_do_not_fetch_the_same_at_once(run, kaggle, tmp_path):
    (tmp_path / "data").mkdir()
    with FileLock(tmp_path / "data/.instrument_images.lock"):
        assert "Another process is already" in refused(run)
    assert run("instrument_images")[0] == 0 and not (tmp_path / "data/.instrument_images.lock").exists()


@pytest.mark.parametrize("name", ["gtzan", "instrument_images", "instrument_sounds", "openmic"])
def test_an_archive_from_a_colleague_is_taken_and_stays(name, run, web, archives, tmp_path):
    path = tmp_path / f"home/{name}.anything"
    path.parent.mkdir()
    path.write_bytes(archives[name])
    code, out, _ = run(name, "--from", path, "--json")
    (one,) = json.loads(out)["sets"]
    assert code == 0 and one["sha256"] == hashlib.sha256(archives[name]).hexdigest() and path.exists()
    source = json.loads((tmp_path / "data" / name / "SOURCE.json").read_text())
    assert source["source"] == "given by hand" and source["given"] == path.name and source["sample"] is False
    assert loading.load_dataset(name, tmp_path / "data", "real").source["sha256"] == one["sha256"]


def test_a_folder_from_a_colleague_is_copied_and_stays_as_it_is(run, small, tmp_path, snapshot):
    folder = tmp_path / "home/pictures"
    shutil.copytree(small / "instrument_images", folder)
    (folder / "SOURCE.json").write_text(json.dumps({"source": "Kaggle", "version": "7", "sample": False}))
    before = snapshot(folder)
    code, out, _ = run("instrument_images", "--from", folder, "--json")
    assert code == 0 and json.loads(out)["sets"][0]["sha256"] is None and snapshot(folder) == before
    source = json.loads((tmp_path / "data/instrument_images/SOURCE.json").read_text())
    assert source["source"] == "given by hand" and source["before"]["version"] == "7"


def test_what_lies_in_one_outer_folder_is_found_there(run, small, tmp_path):
    folder = tmp_path / "home/outer/pictures"
    shutil.copytree(small / "instrument_images", folder, ignore=shutil.ignore_patterns("SOURCE.json"))
    assert run("instrument_images", "--from", folder.parent)[0] == 0
    assert (tmp_path / "data/instrument_images/train").is_dir()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["instrument_images", "--from", "SMALL/instrument_images"], "is sample data"),
        (["openmic", "--from", "HOME/a.zip"], "Expected the MD5"),
        (["gtzan", "--from", "HOME/nowhere"], "Expected an archive or a folder"),
        (["gtzan", "openmic", "--from", "HOME"], "--from requires the name"),
        (["--from", "HOME"], "--from requires the name"),
        (["gtzan", "--from", "HOME/.."], "Expected the dataset's own folder"),
        (["gtzan", "--from", "HOME/empty"], "does not contain gtzan as published"),
        (["gtzan", "--from", "HOME/circle"], "is a link. Give the folder"),
    ],
)
def test_what_is_given_must_be_there_be_it_and_not_lead_round_itself(words, sentence, run, web, small, tmp_path):
    for name in ("empty", "circle"):
        (tmp_path / "home" / name).mkdir(parents=True)
    (tmp_path / "home/circle/again").symlink_to(tmp_path / "home/circle")
    (tmp_path / "home/a.zip").write_bytes(b"another")
    places = {"SMALL": str(small), "HOME": str(tmp_path / "home")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    assert sentence in refused(run, *words) and left(tmp_path) == []


def test_a_place_that_holds_something_else_is_not_touched(run, kaggle, tmp_path):
    mine = tmp_path / "data/instrument_images/mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert "to be empty or to contain instrument_images" in refused(run)
    assert left(tmp_path) == ["instrument_images/mine.txt"] and kaggle.seen == []


def test_nothing_can_be_given_for_what_is_there(run, kaggle, small, tmp_path):
    run("instrument_images")
    said = refused(run, "instrument_images", "--from", small / "instrument_images")
    assert "Expected an empty" in said


def test_a_name_that_is_none_is_refused_before_anything_is_fetched(run, kaggle):
    assert "did you mean 'gtzan'?" in refused(run, "instrument_images", "gtzam")
    assert "--lists is only for gtzan" in refused(run, "openmic", "--lists", "somewhere")
    assert kaggle.seen == []


@pytest.mark.parametrize(
    ("fails", "words"),
    [(False, "no longer available at Kaggle"), (True, "instrument_sounds.zip: the disk reports an error")],
)
def test_one_set_that_can_not_be_had_does_not_stop_the_others(fails, words, run, kaggle, storage, on_inspection):
    def fail(path):
        if "sounds" in path.name:
            raise OSError(errno.EIO, "Input/output error", str(path))

    if fails:
        on_inspection(fail)
    else:
        del storage.files["/soumendraprasad/musical-instruments-sound-dataset/3/archive.zip"]
    code, out, err = run("instrument_sounds", "instrument_images", "--json")
    assert code == 1 and [one["name"] for one in json.loads(out)["sets"]] == ["instrument_images"]
    assert words in err


@pytest.mark.parametrize("option", ["--from", "--lists", "--data-root"])
def test_a_name_that_is_too_long_is_a_sentence(option, run, kaggle, tmp_path):
    assert "is too long" in refused(run, "gtzan", option, tmp_path / ("x" * 300))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which nothing can be made")
def test_a_folder_that_can_not_be_made_is_a_sentence(run, kaggle):
    assert "its folder does not exist" in refused(run, "gtzan", "--data-root", "/proc/foo")


def test_what_is_given_and_can_not_be_read_is_said_to_be_that(run, small, tmp_path, monkeypatch):
    closed = tmp_path / "home/closed.zip"
    closed.parent.mkdir()
    closed.write_bytes(b"x")
    real = os.access

    def closed_to_us(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(install, "compute_hashes", closed_to_us)  # since root may read anything
    assert "No permission to read" in refused(run, "gtzan", "--from", closed)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(".jpg") and real(path, mode))
    said = refused(run, "instrument_images", "--from", small / "instrument_images")
    assert "No permission to read" in said and left(tmp_path) == []


def test_what_came_into_the_folder_meanwhile_stays(run, kaggle, tmp_path, on_inspection):
    (tmp_path / "data/instrument_images").mkdir(parents=True)
    on_inspection(lambda path: (tmp_path / "data/instrument_images/mine.txt").touch())
    assert "but it contains something else (it appeared during the download)" in refused(run)
    assert [path for path in left(tmp_path) if not path.startswith(".archives/")] == ["instrument_images/mine.txt"]


def test_no_login_from_netrc_is_shown(run, web, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.netrc").write_text(f"machine 127.0.0.1 login somebody password {KEY}\n")
    place = "/records/1432913/files/openmic-2018-v1.0.0.tgz"
    web.files["/elsewhere"] = web.files.pop(place)
    web.answers[place] = lambda body, headers: (302, {"Location": f"{web.url}/elsewhere"}, b"")
    assert run("openmic")[0] == 0
    assert len(web.seen) == 2 and not any("Authorization" in seen.headers for seen in web.seen)


def test_a_pinned_list_is_the_published_one():
    given = os.environ.get("MUSICML_SHARED_DATA")
    if not given:
        pytest.skip("MUSICML_SHARED_DATA names no folder of real data")
    found = set(gtzan_lists.read_lists(Path(given) / "gtzan/splits"))
    assert found == set(gtzan_lists.GITHUB_PATHS) == set(gtzan_lists.SHA256)


def test_the_lists_come_with_gtzan_and_only_what_is_missing_is_fetched(run, kaggle, web, tmp_path):
    assert run("gtzan")[0] == 0 and gtzan_lists.list_missing(tmp_path / "data/gtzan") == []
    n_kaggle, n_web = len(kaggle.seen), len(web.seen)
    (tmp_path / "data/gtzan/splits/test_filtered.txt").unlink()
    assert gtzan_lists.list_missing(tmp_path / "data/gtzan") == ["test_filtered.txt"]
    assert run("gtzan")[0] == 0 and gtzan_lists.list_missing(tmp_path / "data/gtzan") == []
    assert len(kaggle.seen) == n_kaggle and [seen.path for seen in web.seen[n_web:]] == [
        "/coreyker/dnn-mgr/HEAD/gtzan/test_filtered.txt"
    ]


def test_without_the_lists_gtzan_is_there_and_what_it_lacks_is_said(run, kaggle, web, tmp_path, monkeypatch):
    web.faults = [Fault(404)] * 9
    code, out, err = run("gtzan", "--json")
    assert code == 1 and json.loads(out)["sets"][0]["lacks"].startswith("train_filtered.txt is no longer")
    assert "use --lists" in err and len(loading.load_dataset("gtzan", tmp_path / "data", "real").examples) > 20
    assert not [path for path in left(tmp_path) if path.startswith(".") or "splits" in path]


def test_a_list_that_was_changed_is_not_taken(run, kaggle, web, tmp_path):
    place = next(place for place in web.files if "valid_filtered" in place)
    web.files[place] += b"blues/blues.00099.wav\n"
    code, _, err = run("gtzan")
    assert code == 1 and "valid_filtered.txt does not have the hash that GitHub states" in err
    assert gtzan_lists.list_missing(tmp_path / "data/gtzan") == [
        "valid_filtered.txt",
        "test_filtered.txt",
        "GTZANindex_sturm.txt",
    ]


def test_a_local_copy_of_the_lists_is_taken_if_it_is_the_published_one(run, kaggle, web, small, tmp_path):
    copied = tmp_path / "home/lists"
    shutil.copytree(small / "gtzan/splits", copied)
    (copied / "GTZANindex_sturm.txt").rename(copied / "GTZANindex.txt")  # as it is named where it is published
    assert run("gtzan", "--lists", copied)[0] == 0
    assert gtzan_lists.list_missing(tmp_path / "data/gtzan") == [] and web.seen == []
    (copied / "train_filtered.txt").write_text("other")
    assert "is not GTZAN's published list" in refused(run, "gtzan", "--lists", copied)
    (copied / "train_filtered.txt").unlink()
    assert "Expected GTZAN's list train_filtered.txt" in refused(run, "gtzan", "--lists", copied)


def gtzan_of_a_colleague(small, home):
    """A folder of GTZAN that brings its own lists."""
    folder = home / "colleague"
    shutil.copytree(small / "gtzan", folder, ignore=shutil.ignore_patterns("SOURCE.json"))
    return folder


def test_lists_that_a_folder_brings_are_taken_if_they_are_the_published_ones(run, web, small, tmp_path):
    folder = gtzan_of_a_colleague(small, tmp_path / "home")
    (folder / "splits/test_filtered.txt").write_text("mine")
    said = refused(run, "gtzan", "--from", folder)
    assert "The list test_filtered.txt in" in said and "copying" not in said
    packed = shutil.make_archive(str(tmp_path / "home/packed"), "zip", folder)
    said = refused(run, "gtzan", "--from", packed)
    assert "The list test_filtered.txt in" in said and left(tmp_path) == []
    assert run("gtzan", "--from", folder, "--lists", small / "gtzan/splits")[0] == 0  # which take the place of its own
    assert gtzan_lists.is_published(
        "test_filtered.txt", (tmp_path / "data/gtzan/splits/test_filtered.txt").read_bytes()
    )


def test_published_lists_in_a_folder_are_not_fetched_again(run, web, small, tmp_path):
    folder = gtzan_of_a_colleague(small, tmp_path / "home")
    (folder / "splits/test_filtered.txt").unlink()
    assert run("gtzan", "--from", folder)[0] == 0 and gtzan_lists.list_missing(tmp_path / "data/gtzan") == []
    assert [seen.path for seen in web.seen] == ["/coreyker/dnn-mgr/HEAD/gtzan/test_filtered.txt"]


def test_a_wrong_folder_is_refused_before_anything_of_it_is_copied(run, small, tmp_path, monkeypatch):
    copied = []
    monkeypatch.setattr(shutil, "copyfile", lambda *paths: copied.append(paths))
    said = refused(run, "gtzan", "--from", small / "instrument_sounds")
    assert "does not contain gtzan as published" in said and copied == [] and left(tmp_path) == []
