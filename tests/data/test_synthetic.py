import contextlib
import csv
import errno
import itertools
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.data.synthetic import band, generate, gtzan, renderer, sampled_instruments, synth
from musicml.utils import capture_messages
from musicml.utils.errors import InputError
from musicml.utils.parallel import map_in_processes
from tests.conftest import SCALES

GENRES = "blues classical country disco hiphop jazz metal pop reggae rock".split()
PICTURED = """Didgeridoo,Tambourine,Xylophone,acordian,alphorn,bagpipes,banjo,bongo drum,casaba,castanets,clarinet,
clavichord,concertina,drums,dulcimer,flute,guiro,guitar,harmonica,harp,marakas,
ocarina,piano,saxaphone,sitar,steel drum,trombone,trumpet,tuba,violin""".replace("\n", "").split(",")


@pytest.fixture(scope="module")
def root(root):
    """The synthetic data of all four datasets."""
    return root / "sample"


@pytest.fixture
def hollow(monkeypatch):
    """Datasets of one empty file each."""
    for module in generate.SETS.values():
        monkeypatch.setattr(module, "write", lambda folder, seed, scale, run: (folder / "written").touch())


class Enough(Exception):
    """Raised when enough jobs are done."""


def write_some(folder, name, seed=0):
    """Write every tenth file of a dataset without its tables: file → content."""

    def run(function, jobs):
        for job in jobs[::10]:
            function(*job)
        raise Enough

    with contextlib.suppress(Enough):
        generate.SETS[name].write(folder, seed, SCALES[name], run)
    return contents(folder)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index(root):
    lines = (root / "gtzan/splits/GTZANindex_sturm.txt").read_text().splitlines()
    rows = [line.split(" :::") for line in lines if not line.startswith("##")]
    return {name: artist.strip() for name, artist, _ in rows}


def listed(root, side):
    return (root / f"gtzan/splits/{side}_filtered.txt").read_text().split()


def table(root, name):
    with open(root / "instrument_sounds" / name, newline="") as source:
        return [(row["FileName"], row["Class"]) for row in csv.DictReader(source)]


@pytest.mark.parametrize("name", generate.SETS)
def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(root, tmp_path, name):
    again, first = write_some(tmp_path / "again", name), contents(root / name)
    assert len(again) > 3 and again == {file: first[file] for file in again}
    other = write_some(tmp_path / "other", name, seed=1)
    assert not set(other.values()) & set(first.values()) - {gtzan.JUNK}


def test_two_processes_write_the_same_bytes_as_one_with_tables_and_all(root, tmp_path):
    def run(function, jobs):
        return list(map_in_processes(lambda job: function(*job), jobs, 2))

    generate.instrument_sounds.write(tmp_path, 0, SCALES["instrument_sounds"], run)
    first = contents(root / "instrument_sounds")
    assert contents(tmp_path) == {name: first[name] for name in first if name != "SOURCE.json"}


def test_the_same_seed_writes_the_same_arrays_and_tables_of_openmic(root, tmp_path):
    features = np.load(root / "openmic/openmic-2018/openmic-2018.npz")["X"]
    generate.openmic.write(tmp_path, 0, SCALES["openmic"], lambda function, jobs: features)
    assert contents(tmp_path).items() < contents(root / "openmic").items()


def test_an_existing_dataset_is_kept(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    said = []
    for name, scale in SCALES.items():
        with capture_messages(said.append):
            assert generate.generate_sample_data(root, 0, [name], scale) == [root / name]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert len(said) == 4 and all("already there" in line for line in said)


def test_a_folder_with_other_files_is_an_error_and_unchanged(root, tmp_path):
    (tmp_path / "openmic").mkdir()
    (tmp_path / "openmic" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        generate.generate_sample_data(tmp_path, scale=0.02)
    assert contents(tmp_path) == {"openmic/thesis.txt": b"mine"}
    with pytest.raises(InputError, match="of seed 1"):
        generate.generate_sample_data(root, seed=1, only=["gtzan"], scale=SCALES["gtzan"])
    with pytest.raises(InputError, match="of seed 0, scale 0.5"):
        generate.generate_sample_data(root, seed=0, only=["gtzan"], scale=0.5)


def test_an_empty_folder_is_filled(hollow, tmp_path):
    (tmp_path / "instrument_images").mkdir()
    generate.generate_sample_data(tmp_path, only=["instrument_images"])
    assert set(contents(tmp_path / "instrument_images")) == {"SOURCE.json", "written"}


def test_a_full_disk_is_an_input_error_and_leaves_no_files(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synth, "write_wav", full)
    with pytest.raises(InputError, match="the disk is full"):
        generate.generate_sample_data(tmp_path, only=["gtzan"], scale=0.02)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"only": ["gtzen"]}, "did you mean 'gtzan'"),
        ({"scale": 0.0}, "scale above 0"),
        ({"scale": 1.5}, "got 1.5"),
        ({"seed": -1}, "got -1"),
    ],
)
def test_an_argument_out_of_range_is_an_input_error(tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        generate.generate_sample_data(tmp_path, **wrong)


def test_every_dataset_is_marked_as_synthetic(root):
    for name in generate.SETS:
        source = json.loads((root / name / "SOURCE.json").read_text())
        assert source["sample"] is True and source["seed"] == 0 and source["scale"] == SCALES[name]
    assert "not VGGish" in json.loads((root / "openmic/SOURCE.json").read_text())["vggish"]
    assert generate.describe_source("gtzan", 0, 1.0)["renderer"] == "numpy 2"
    assert "renderer" not in generate.describe_source("instrument_images", 0, 1.0)


def test_gtzan_has_ten_genres_a_hidden_folder_and_an_unreadable_track(root):
    originals = root / "gtzan/Data/genres_original"
    assert sorted(path.name for path in originals.iterdir()) == [".ipynb_checkpoints", *GENRES]
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(originals / "jazz/jazz.00054.wav")
    assert "jazz/jazz.00054.wav" in listed(root, "train")
    assert soundfile.info(next((originals / ".ipynb_checkpoints").glob("*.wav"))).samplerate == 22_050


def test_gtzan_tracks_are_numbered_by_artist_and_in_the_index(root):
    named = index(root)
    on_disk = sorted(path.name for path in (root / "gtzan/Data/genres_original").glob("[a-z]*/*.wav"))
    assert sorted(named) == on_disk
    assert all(name.split(".")[0] in GENRES and len(name.split(".")[1]) == 5 for name in on_disk)
    assert "" in named.values() and len(set(named.values())) > 3 * len(GENRES)


def test_no_artist_is_in_two_of_gtzans_lists_and_some_tracks_are_in_none(root):
    named = index(root)
    sides = {side: listed(root, side) for side in ("train", "valid", "test")}
    artists = {side: {named[name.split("/")[1]] for name in names} - {""} for side, names in sides.items()}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert artists[one] and artists[one] & artists[other] == set()
    assert all({name.split("/")[0] for name in names} == set(GENRES) for names in sides.values())
    all_listed = [name for names in sides.values() for name in names]
    assert len(all_listed) == len(set(all_listed)) < len(named)


def test_three_genres_have_one_duplicate_that_is_not_listed(root):
    found, on_a_list = set(), {name for side in ("train", "valid", "test") for name in listed(root, side)}
    for genre in GENRES:
        seen = {}
        for path in sorted((root / "gtzan/Data/genres_original" / genre).iterdir()):
            first = seen.setdefault(path.read_bytes(), path.name)
            if first != path.name:
                found.add(genre)
                assert f"{genre}/{path.name}" not in on_a_list
    assert found == {"disco", "metal", "reggae"}


def test_every_sound_is_finite_and_neither_silent_nor_clipped(root):
    paths = [path for ending in ("wav", "ogg") for path in root.rglob(f"*.{ending}") if path.name != "jazz.00054.wav"]
    assert len(paths) > 100
    for path in paths:
        y, _ = soundfile.read(path, dtype="float32")
        assert np.isfinite(y).all() and 0.1 < np.abs(y).max() < 1.0, path
        assert np.std(y) > 0.005, path


def test_sounds_have_the_rates_and_lengths_they_claim(root):
    tracks = [path for path in (root / "gtzan").rglob("*.wav") if path.name != "jazz.00054.wav"]
    seconds = gtzan.SECONDS if renderer.has_renderer() else gtzan.NUMPY_SECONDS
    assert {(soundfile.info(path).samplerate, soundfile.info(path).duration) for path in tracks} == {(22_050, seconds)}
    notes = [soundfile.info(path) for path in (root / "instrument_sounds").rglob("*.wav")]
    assert {info.samplerate for info in notes} == {44_100}
    assert all(1.5 <= info.duration <= 2.5 for info in notes)
    assert {soundfile.info(path).duration for path in (root / "openmic").rglob("*.ogg")} == {10.0}


def test_every_split_has_pictures_in_thirty_folders(root):
    for split in ("train", "valid", "test"):
        assert sorted(path.name for path in (root / "instrument_images" / split).iterdir()) == sorted(PICTURED)
        assert all(list(folder.glob("*.jpg")) for folder in (root / "instrument_images" / split).iterdir())
    pictures = [Image.open(path) for path in (root / "instrument_images").rglob("*.jpg")]
    assert {picture.size for picture in pictures} == {(96, 96)}
    assert {picture.mode for picture in pictures} == {"RGB", "L"}
    assert all(np.asarray(picture).std() > 3 for picture in pictures)


def test_two_pictures_have_duplicates_across_splits_and_across_classes(root):
    def pixels(name):
        return np.asarray(Image.open(root / "instrument_images" / name).convert("L"), float)

    for copy, original in generate.instrument_images.PICTURE_COPIES.items():
        assert np.abs(pixels(copy) - pixels(original)).mean() < 6
    assert np.abs(pixels("test/drums/1.jpg") - pixels("train/drums/001.jpg")).mean() > 20


def test_the_violin_rows_name_the_drum_files_and_the_violins_are_in_no_table(root):
    rows = table(root, "Metadata_Train.csv")
    of = {label: [name for name, its in rows if its == label] for label in {label for _, label in rows}}
    assert set(of) == {"Sound_Guitar", "Sound_Drum", "Sound_Violin", "Sound_Piano"}
    assert of["Sound_Violin"] == of["Sound_Drum"]
    on_disk = {path.name for path in (root / "instrument_sounds/Train_submission/Train_submission").iterdir()}
    unlisted = on_disk - {name for name, _ in rows} - {"AR_Lick1_Fn.wav"}
    starts = {name.split("-")[0].split(" ")[0] for name in unlisted if "bwv" not in name}
    assert starts == {"violin_sound", "Violin_sound", "Vn"}
    assert any("_bwv" in name for name in unlisted)


def test_one_sound_is_listed_three_times_and_one_in_another_case_than_its_file(root):
    rows = table(root, "Metadata_Train.csv")
    labels = sorted(label for name, label in rows if name == "loop-16247.wav")
    assert labels == ["Sound_Drum", "Sound_Piano", "Sound_Violin"]
    on_disk = {path.name for path in (root / "instrument_sounds/Train_submission/Train_submission").iterdir()}
    lost = {name for name, _ in rows} - on_disk
    assert len(lost) == 1 and {name.lower() for name in lost} <= {name.lower() for name in on_disk}


def test_the_test_table_misspells_the_guitar_and_its_violins_are_half_violas(root):
    rows = table(root, "Metadata_Test.csv")
    assert {label for _, label in rows} == {"Sound_Guiatr", "Sound_Drum", "Sound_Violin", "Sound_Piano"}
    violins = [name for name, label in rows if label == "Sound_Violin"]
    assert {name.split("-")[0] for name in violins} == {"Sad", "Va"}
    on_disk = {path.name for path in (root / "instrument_sounds/Test_submission/Test_submission").iterdir()}
    assert {name for name, _ in rows} == on_disk


def test_openmics_arrays_tables_and_files_agree(root):
    release = root / "openmic/openmic-2018"
    arrays = np.load(release / "openmic-2018.npz")
    keys = arrays["sample_key"].tolist()
    assert arrays["X"].shape == (len(keys), 10, 128) and arrays["X"].dtype == np.uint8
    assert arrays["Y_true"].shape == arrays["Y_mask"].shape == (len(keys), 20)
    assert sorted(keys) == sorted(path.stem for path in (release / "audio").glob("*/*.ogg"))
    stored = json.loads((release / f"vggish/{keys[3][:3]}/{keys[3]}.json").read_text())
    assert stored["features"] == arrays["X"][3].tolist() and stored["time_points"][1] == 0.96
    classes = json.loads((release / "class-map.json").read_text())
    assert list(classes) == sampled_instruments.NAMES and list(classes.values()) == list(range(20))
    with open(release / "openmic-2018-aggregated-labels.csv", newline="") as source:
        cells = {(row["sample_key"], row["instrument"]): float(row["relevance"]) for row in csv.DictReader(source)}
    assert len(cells) == arrays["Y_mask"].sum()
    for (key, name), relevance in cells.items():
        place = keys.index(key), classes[name]
        assert arrays["Y_mask"][place] and arrays["Y_true"][place] == relevance


def test_openmics_cells_are_one_half_unobserved_and_every_instrument_is_observed_present_and_absent(root):
    release = root / "openmic/openmic-2018"
    arrays = np.load(release / "openmic-2018.npz")
    assert (arrays["Y_true"][~arrays["Y_mask"]] == 0.5).all()
    assert (arrays["Y_true"][arrays["Y_mask"]] == 0.5).sum() == 2
    for split in ("train", "test"):
        rows = np.isin(arrays["sample_key"], (release / f"partitions/split01_{split}.csv").read_text().split())
        seen = arrays["Y_mask"][rows]
        assert (seen & (arrays["Y_true"][rows] > 0.5)).any(axis=0).all()
        assert (seen & (arrays["Y_true"][rows] < 0.5)).any(axis=0).all()


def test_at_full_scale_every_instrument_has_nine_and_three_observed_clips_of_each_kind():
    clips = generate.openmic.plan(0, 1.0)
    relevance = generate.openmic.draw_labels(clips, 1.0, np.random.default_rng(0))
    for split, count in (("train", 9), ("test", 3)):
        rows = np.array([clip.split == split for clip in clips])
        assert ((relevance[rows] > 0.5).sum(axis=0) == count).all()
        assert ((relevance[rows] < 0.5).sum(axis=0) == count).all()
    assert 0.10 < (~np.isnan(relevance)).mean() < 0.20


def test_no_artist_is_in_both_of_openmics_splits(root):
    release = root / "openmic/openmic-2018"
    with open(release / "openmic-2018-metadata.csv", newline="") as source:
        artist = {row["sample_key"]: row["artist_id"] for row in csv.DictReader(source)}
    train, test = (
        {artist[key] for key in (release / f"partitions/split01_{split}.csv").read_text().split()}
        for split in ("train", "test")
    )
    assert train and test and train & test == set()


@pytest.mark.parametrize("program", range(0, 112, 8))
def test_a_numpy_note_has_its_pitch_and_is_audible_at_any_pitch(program):
    y = renderer.render_notes([renderer.Note(0.0, 1.5, 69, 100)], program, 1.5, 22_050)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    peak = np.fft.rfftfreq(len(y), 1 / 22_050)[spectrum.argmax()]
    assert abs(peak / 440 - round(peak / 440)) < 0.01
    for pitch in (20, 60, 110):
        y = renderer.render_notes([renderer.Note(0.0, 0.2, pitch, 100)], program, 0.5, 22_050)
        assert y.shape == (11_025,) and y.dtype == np.float32 and np.isfinite(y).all() and 0.05 < np.abs(y).max() < 1.0


def test_the_pieces_of_numpys_drum_kit_differ_and_soft_notes_are_softer():
    def hit(pitch, velocity):
        return renderer.render_notes([renderer.Note(0.1, 0.4, pitch, velocity)], 0, 1.0, 22_050, is_drum=True)

    heard = [hit(pitch, 100) for pitch in (36, 38, 37, 42, 46, 49, 45)]
    assert all(np.isfinite(y).all() and not y[:2205].any() and np.abs(y).max() > 0.05 for y in heard)
    assert all(np.abs(np.corrcoef(one, other)[0, 1]) < 0.9 for one, other in itertools.combinations(heard, 2))
    assert np.abs(hit(36, 50)).max() == pytest.approx(np.abs(hit(36, 100)).max() * 0.5**1.7, rel=1e-5)


def test_an_ogg_file_with_its_stream_renumbered_still_decodes_to_the_sound():
    y = renderer.render_notes([renderer.Note(0.0, 10.0, 69, 127)], 40, 10.0, 22_050)
    content = generate.openmic.encode_vorbis(y)
    assert content == generate.openmic.encode_vorbis(y)
    decoded, sample_rate = soundfile.read(generate.openmic.io.BytesIO(content), dtype="float32")
    assert sample_rate == 22_050 and len(decoded) == len(y)
    assert np.corrcoef(decoded, y)[0, 1] > 0.98


# the sampled instruments, where a renderer is installed


@pytest.fixture
def sampled(monkeypatch):
    monkeypatch.delenv("MUSICML_RENDERER", raising=False)
    monkeypatch.delenv("MUSICML_SOUNDFONT", raising=False)
    if not renderer.has_renderer():
        pytest.skip("no renderer or no soundfont is installed")


SECONDS = 2


def perform(genre, artist, track):
    by = band.draw_artist(genre, np.random.default_rng([0, artist]))
    return band.perform(by, SECONDS, 22_050, np.random.default_rng([0, artist, track]))


def describe(y):
    """The mean spectrum in 24 bands, in dB without its mean: the tone color of a track."""
    power = np.abs(np.fft.rfft(y)) ** 2
    edges = np.geomspace(20, len(power), 25).astype(int)
    bands = 10 * np.log10(np.add.reduceat(power, edges[:-1]) / np.diff(edges) + 1e-12)
    return bands - bands.mean()


def test_at_full_scale_every_genre_has_sixteen_artists_of_three_tracks_on_sixty_fifteen_and_twenty_five_percent():
    for genre in GENRES:
        tracks = gtzan.plan(genre, 0, 1.0)
        assert [sum(track.artist == artist for track in tracks) for artist in range(16)] == [3] * 16
        sides = {track.artist: track.split for track in tracks if track.split}
        assert [list(sides.values()).count(side) for side in ("train", "valid", "test")] == [10, 2, 4]


@pytest.mark.parametrize("genre", GENRES)
def test_a_band_is_reproducible_and_its_tracks_differ_and_have_a_normal_level(sampled, genre):
    first, again, other = (perform(genre, 0, track) for track in (0, 0, 1))
    assert np.array_equal(first, again) and np.corrcoef(first, other)[0, 1] < 0.9
    for y in (first, other):
        assert y.dtype == np.float32 and len(y) == SECONDS * 22_050
        assert np.isfinite(y).all() and 0.1 < np.abs(y).max() < 1.0 and np.std(y) > 0.005


def test_tracks_of_one_artist_are_more_similar_than_those_of_two_artists(sampled):
    within, between = [], []
    for genre in ("blues", "jazz", "rock"):
        tones = np.array([[describe(perform(genre, artist, track)) for track in (0, 1)] for artist in range(4)])
        within += [np.abs(one - other).mean() for one, other in tones]
        between += [np.abs(tones[one, 0] - tones[other, 1]).mean() for one in range(4) for other in range(one)]
    assert np.mean(within) < 0.75 * np.mean(between)


def test_notes_that_symusic_cannot_play_are_rendered_an_octave_lower(sampled):
    pytest.importorskip("symusic")
    for program in (*renderer.REPLACEMENTS, *range(0, 128, 21)):
        y, lower = (
            renderer.render_notes([renderer.Note(0.0, 0.2, pitch, 100)], program, 0.4, 22_050) for pitch in (108, 96)
        )
        assert np.isfinite(y).all() and 0 < np.abs(y).max() < 1.5 and np.array_equal(y, lower)


def test_the_source_names_the_renderer_and_other_renderers_are_rejected(sampled, hollow, tmp_path, monkeypatch):
    pytest.importorskip("symusic")
    generate.generate_sample_data(tmp_path, only=["gtzan"])
    source = json.loads((tmp_path / "gtzan/SOURCE.json").read_text())
    assert source["renderer"].startswith("symusic ") and "SHA-256" in source["soundfont"]
    monkeypatch.setenv("MUSICML_RENDERER", "numpy")
    with pytest.raises(InputError, match="Remove it or"):
        generate.generate_sample_data(tmp_path, only=["gtzan"])
