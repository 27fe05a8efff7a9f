"""A spectrogram is the same features whether it comes as a picture or is drawn of the sound."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicml.cli import main, predict
from musicml.data.io.audio import AudioSource
from musicml.evaluation import leakage
from musicml.experiment import config
from musicml.experiment import run as runs
from musicml.features import audio_features
from musicml.features.spectrogram_image import Spectrogram
from musicml.inference import calibration, explain, export, streaming
from musicml.inference.predictor import Predictor
from musicml.utils.errors import InputError
from tests.conftest import TONES, noise, write_tone
from tests.fixtures import pages
from tests.fixtures.near import off

pytestmark = pytest.mark.numeric

SMALL = Spectrogram(sample_rate=8_000, hop_length=400, n_bins=65, seconds=2.0)
TEXT = (
    TONES.partition("[features]")[0]
    + """[features]
kind = "spectrogram"
sample_rate = 8000
hop_length = 250
n_bins = 33
seconds = 1.0
[clips]
seconds = 0.5
hop_seconds = 0.25
[model]
family = "cnn"
filters = [4]
head = "flatten"
[training]
epochs = 12
batch_size = 8
learning_rate = 1e-3
keep = "last"
"""
)
OWN = Spectrogram(sample_rate=8_000, hop_length=250, n_bins=33, seconds=1.0)  # those of TEXT


def tone(hertz=1_000, seconds=2.1, sample_rate=8_000, level=0.3):
    """A tone that swells, in a little noise, [shape=(n_samples,)], float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    y = level * np.sin(2 * np.pi * hertz * t) * (0.6 + 0.4 * np.sin(3 * t))
    return (y + 0.01 * level * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


def png(values, mode="L"):
    """A picture file of features: the highest frequency first, time to the right."""
    content = io.BytesIO()
    Image.fromarray(np.round(values.T[::-1]).astype(np.uint8)).convert(mode).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(("hertz", "row"), [(125, 2), (1_000, 16), (3_000, 48)])
def test_a_tone_is_brightest_in_its_own_row(hertz, row):
    assert (SMALL.compute(tone(hertz)).argmax(axis=1) == row).all()
    centers = audio_features.compute_band_centers(SMALL)
    assert centers[row] == hertz and len(centers) == 65


def test_half_a_minute_has_as_many_columns_as_the_pictures_that_are_passed_round():
    settings = Spectrogram()
    assert (settings.n_columns, settings.n_bins, settings.n_fft) == (496, 129, 256)
    assert settings.get_shape(30 * 22_050) == (496, 129)
    assert settings.count_samples(33) <= 44_100 < settings.count_samples(34)
    for n in (1, 2, 33):
        assert [settings.count_frames(settings.count_samples(n) - less) for less in (0, 1)] == [n, n - 1]


@pytest.mark.parametrize("averaged", [True, False])
def test_a_column_is_of_the_windows_that_begin_in_it_between_the_files_darkest_and_brightest(averaged):
    y = tone(seconds=0.6)
    hann = np.hanning(129)[:-1]
    drawn = replace(SMALL, averaged=averaged).compute(y)
    columns = [
        10 * np.log10([np.abs(np.fft.rfft(y[place : place + 128] * hann)) ** 2 for place in places])
        for begin in range(0, len(y) - 127, 400)
        if (places := [place for place in range(begin, begin + 400, 64) if place + 128 <= len(y)])
    ]
    low, high = min(one.min() for one in columns), max(one.max() for one in columns)
    shown = [one.mean(axis=0) if averaged else one[len(one) // 2] for one in columns]
    wanted = 255 * (np.stack(shown) - low) / (high - low)
    assert drawn.shape == wanted.shape == SMALL.get_shape(len(y)) and drawn.dtype == np.float32
    assert off(drawn, wanted) < 4e-5


def test_nothing_between_columns_goes_unheard():
    silence = np.zeros(8_000, np.float32)
    for place in range(400, 7_200, 37):
        clicked = silence.copy()
        clicked[place] = 0.5
        heard = SMALL.compute(clicked).mean(axis=1)
        assert heard.max() > 20 and heard.argmax() in (place // 400, place // 400 - 1), place


@pytest.mark.parametrize("level", [0.03, 0.3, 3.0])
def test_how_loud_a_sound_is_changes_nothing(level):
    y = tone()
    assert off(SMALL.compute(level * y), SMALL.compute(y)) < 4e-4


def test_each_sound_has_its_own_contrast():
    quiet = tone(seconds=1.0, level=0.001)
    alone, before_noise = (
        SMALL.compute(np.concatenate([quiet, rest]))[:15]
        for rest in (quiet, noise(0, 0.3, seconds=1.0, sample_rate=8_000))
    )
    assert alone.max() > 240 and before_noise.max() < 200
    assert (SMALL.compute(np.zeros(8_000, np.float32)) == 0).all()
    assert SMALL.compute(np.zeros(127, np.float32)).shape == (0, 65)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.1, 40.0])
def test_a_file_is_drawn_as_the_whole_sound_is(seconds, tmp_path):
    y = tone(seconds=seconds)
    soundfile.write(tmp_path / "a.wav", y, 8_000, subtype="FLOAT")
    for source, rate in ((tmp_path / "a.wav", None), ((tmp_path / "a.wav").read_bytes(), None), (y, 8_000)):
        values, warnings = audio_features.compute_features(AudioSource(source, sample_rate=rate), SMALL)
        assert values.dtype == np.float32 and off(values, SMALL.compute(y)) < 4e-5 and warnings == ()


def test_a_short_sound_is_repeated_and_says_so():
    y = tone(seconds=0.3)
    values, warnings = audio_features.compute_features(AudioSource(y, sample_rate=8_000), SMALL, 8_000)
    assert off(values, SMALL.compute(np.resize(y, 8_000))) < 4e-5
    assert warnings == ("The sound lasts 0.30 s and was repeated to fill 1.00 s.",)


# Pictures


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_a_picture_gives_nearly_the_features_of_the_sound_that_it_was_drawn_of(mode):
    drawn = SMALL.compute(tone(seconds=2.0))
    values, warnings = audio_features.compute_features(png(drawn, mode), SMALL)
    assert values.shape == drawn.shape == (40, 65) and values.dtype == np.float32 and warnings == ()
    assert np.abs(values - drawn).max() <= 1


def test_a_picture_of_another_size_is_fitted():
    drawn = SMALL.compute(tone(3_000, seconds=2.0))
    large = Image.open(io.BytesIO(png(drawn))).resize((160, 260), Image.Resampling.NEAREST)
    values, _ = audio_features.compute_features(np.asarray(large.convert("RGB")), SMALL)
    assert values.shape == drawn.shape and np.abs(values - drawn).mean() < 10
    assert (values.argmax(axis=1) == drawn.argmax(axis=1)).mean() > 0.9


def test_a_picture_keeps_its_own_contrast():
    grey = np.full((65, 40, 3), 90, np.uint8)
    grey[:5] = 120
    values, _ = audio_features.compute_features(grey, SMALL)
    assert values.min() == 90 and values.max() == 120 and (values[:, -5:] == 120).all()


def test_a_picture_too_short_for_a_clip_is_repeated_and_says_so():
    drawn = SMALL.compute(tone(seconds=2.0))
    values, warnings = audio_features.compute_features(png(drawn), SMALL, SMALL.count_samples(60))
    assert np.array_equal(values[40:], values[:20]) and len(values) == 60
    assert warnings == ("The picture has 40 columns and was repeated to fill 60. A complete one shows 2 s.",)


def test_what_a_file_is_its_content_tells(tmp_path):
    drawn = SMALL.compute(tone(seconds=2.0))
    (tmp_path / "a.wav").write_bytes(png(drawn))
    write_tone(tmp_path / "b.wav", 500)
    (tmp_path / "b.wav").rename(tmp_path / "b.png")
    picture, said = audio_features.compute_features(tmp_path / "a.wav", SMALL)
    assert np.abs(picture - drawn).max() <= 1 and "named .wav but holds PNG" in said[0]
    sound, said = audio_features.compute_features(tmp_path / "b.png", SMALL)
    assert (sound.argmax(axis=1) == 8).all() and "named .png but holds wav" in said[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", b"", "Expected 1 to 100000000 bytes in .*, got 0"),
        ("a.png", b"La la la.\n" * 99, "Expected a jpeg, .* picture in .*, but it looks like text"),
        ("a.wav", b"La la la.\n" * 99, "Expected sound in .*, but it looks like text"),
        ("a.png", b"\x89PNG\r\n\x1a\nnothing", "Cannot decode .*: the PNG is cut off"),
        ("a", b"", "Expected sound in .* is empty .0 bytes"),
    ],
)
def test_what_is_neither_is_refused_in_a_sentence(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        audio_features.compute_features(tmp_path / name, SMALL)


def test_nothing_that_can_not_be_a_file_ends_in_a_traceback(tmp_path):
    for source in (tmp_path, tmp_path / "none.png", tmp_path / "none.wav", "a\0b.png", 3, None, np.zeros(3, np.uint8)):
        with pytest.raises(InputError):
            audio_features.compute_features(source, SMALL)


@pytest.mark.parametrize("table", [{"hop_length": 32_768, "sample_rate": 4_000}, {"hop_length": 16, "seconds": 900}])
def test_settings_without_columns_or_with_too_many_are_refused(table):
    with pytest.raises(InputError, match="1 to 25000000 pixels"):
        Spectrogram(**{"seconds": 0.5, "n_bins": 2_049, **table})


# Runs


@pytest.fixture(scope="module")
def drawn_tones(tones, tmp_path_factory):
    """The folder of tones as pictures of their spectrograms."""
    root = tmp_path_factory.mktemp("own") / "drawn"
    for path in tones.rglob("*.wav"):
        (root / path.parent.name).mkdir(parents=True, exist_ok=True)
        values, _ = audio_features.compute_features(path, OWN)
        (root / path.parent.name / f"{path.stem}.png").write_bytes(png(values))
    return root


def trained_on(folder, text, root, data_root):
    """A whole run of an experiment on a folder."""
    (root / "drawn.toml").write_text(text)
    words = ["train", root / "drawn.toml", "--folder", folder, "--data-root", data_root, "--runs", root / "runs"]
    assert main.main([str(word) for word in words]) == 0
    (run,) = runs.list_runs(root / "runs")
    return run


@pytest.fixture(scope="module")
def on_pictures(drawn_tones, tmp_path_factory):
    """A network trained on pictures alone."""
    root = tmp_path_factory.mktemp("pictures")
    return Predictor(trained_on(drawn_tones, TEXT, root, root))


FOREST = TEXT.partition("[model]")[0] + '[model]\nfamily = "forest"\nn_estimators = 20\n'


@pytest.fixture(scope="module")
def on_sounds(tones, tmp_path_factory):
    """A forest trained on sounds alone."""
    root = tmp_path_factory.mktemp("sounds")
    return Predictor(trained_on(tones, FOREST, root, root))


@pytest.mark.parametrize("which", ["on_pictures", "on_sounds"])
def test_a_run_answers_for_pictures_and_for_sounds_whatever_it_learnt_from(which, request, tones, drawn_tones):
    predictor = request.getfixturevalue(which)
    assert predictor.serving.kind == "spectrogram" and predictor.serving.asks_for == "file"
    files = [
        folder / name / f"3.{ending}"
        for folder, ending in ((tones, "wav"), (drawn_tones, "png"))
        for name in ("low", "middle", "high")
    ]
    answers = list(predictor.predict_all(files))
    assert [answer.label for answer in answers] == 2 * ["low", "middle", "high"]
    for sound, picture in zip(answers[:3], answers[3:], strict=True):
        assert abs(sound.scores - picture.scores).max() < 0.2
        assert len(sound.starts) == len(picture.starts) > 1 and sound.clip_seconds == pytest.approx(0.5, abs=0.04)
    assert predictor.predict(files[3].read_bytes()).label == "low"


def test_a_folder_gives_its_sounds_and_its_pictures(tones, drawn_tones, tmp_path):
    for folder in (tones, drawn_tones):
        assert len(predict.list_files([str(folder)], "spectrogram")[0]) == 24
    assert predict.list_files([str(tones)], "pixels")[0] == [str(tones)]
    assert predict.list_files([str(drawn_tones)], "log_mel")[0] == [str(drawn_tones)]


@pytest.mark.parametrize("ending", ["wav", "png"])
@pytest.mark.parametrize("which", ["on_pictures", "on_sounds"])
def test_where_a_run_looked_is_told_of_sounds_and_of_pictures(which, ending, request, tones, drawn_tones, tmp_path):
    predictor = request.getfixturevalue(which)
    file = (tones if ending == "wav" else drawn_tones) / f"middle/5.{ending}"
    found = explain.explain_prediction(predictor, file)
    assert found.label == "middle" and found.seen.shape == found.map.shape
    assert 0 <= found.seen.min() and 40 < found.seen.max() <= 80
    told = explain.save_explanation(found, tmp_path, "why")
    assert (tmp_path / "why.png").is_file() and (tmp_path / "why.wav").is_file() == (ending == "wav")
    if "peak" in told:
        assert 0 <= told["peak"]["hertz"] <= 4_000 and 0 <= told["peak"]["seconds"] <= 1
    assert found.decided is None or found.decided[1] <= 1.01


def test_the_last_column_of_a_sound_that_was_not_repeated_stays_where_it_is(on_sounds):
    settings = on_sounds.settings
    n_samples = 24 * settings.hop_length + settings.n_fft  # 25 columns, though it lasts hardly longer than 24
    y = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    found = explain.explain_prediction(on_sounds, y, name="noise", sample_rate=settings.sample_rate)
    assert found.seen.shape[0] == found.map.shape[0] == settings.count_frames(n_samples) == 25


def test_a_page_takes_sounds_and_pictures_for_a_run_on_spectrograms(on_pictures, tones, drawn_tones, monkeypatch):
    monkeypatch.setenv("MUSICML_RUNS", str(on_pictures.run.path.parent))
    app = pages.opened("predict")
    assert "predict-way-3" in [one.key for one in app.segmented_control]  # recordings too
    files = [drawn_tones / "low/1.png", tones / "high/1.wav", tones.parent / "nothing.txt"]
    contents = [files[0].read_bytes(), files[1].read_bytes(), b"La la la.\n" * 99]
    for some in ([0, 1, 2], [0], [1]):
        given = [(files[k].name, contents[k], "application/octet-stream") for k in some]
        app.file_uploader[0].set_value(given).run()
        assert "looks like text" in pages.said(pages.sound(app, "en")) or 2 not in some
        assert "low" in pages.said(app) or 0 not in some
        next(button for button in app.button if button.key and button.key.endswith("-look")).click().run()
        pages.sound(app, "en")
        assert bool(app.get("audio")) == (some == [1])


def test_a_recording_that_is_still_being_made_is_refused(on_pictures):
    with pytest.raises(InputError, match="can't predict while recording"):
        streaming.StreamingPredictor(on_pictures, 8_000)


def test_an_exported_model_draws_the_example_sound_as_the_run_does(on_pictures, tmp_path):
    said = export.export_run(on_pictures.run, "onnx", tmp_path / "out")
    assert "the spectrogram of the example sound differs by at most" in said
    words = (tmp_path / "out" / "README.md").read_text()
    assert "33 rows and 32 columns" in words and "columns of 250 samples" in words
    with np.load(tmp_path / "out" / "example.npz") as example:
        assert off(OWN.compute(example["y"]), example["features"]) < 4e-5 and example["clips"].shape[2] == 33


def test_the_leak_meter_works_on_spectrograms(tones, tmp_path):
    groups = [
        f"{path.parent.name}/{path.name},{path.parent.name}{int(path.stem) // 2}" for path in tones.rglob("*.wav")
    ]
    copied = tmp_path / "tones"
    for path in tones.rglob("*.wav"):
        (copied / path.parent.name).mkdir(parents=True, exist_ok=True)
        (copied / path.parent.name / path.name).write_bytes(path.read_bytes())
    (copied / "groups.csv").write_text("file,group\n" + "\n".join(groups) + "\n")
    small = config.parse_experiment("drawn", FOREST.replace("seconds = 0.5", "seconds = 0.3"))
    found = leakage.measure_leakage(small, tmp_path / "data", folder=copied, seeds=(0,), folds=2)
    assert found.n_pieces >= 2 * found.n_tracks == 48 and found.figures[0].value > 0.8


def test_traits_of_a_spectrogram_are_those_of_its_shape():
    y = tone()
    assert calibration.compute_traits(SMALL.compute(y), "spectrogram").shape == (52,)
    assert np.isfinite(calibration.compute_traits(np.zeros((3, 65), np.float32), "spectrogram")).all()


def test_only_what_varies_a_picture_of_sound_may_vary_it():
    of_sound = ("crop = true", "time_masks = 1", "frequency_masks = 1", "shift = 0.2", "tempo = 0.1", "gain = 3")
    for key in (*of_sound, "pitch = 0.1", "colour = 20", "contrast = 0.2"):
        config.parse_experiment("x", f"{TEXT}[augment]\n{key}\n")
    for key in ("rotation = 5", "flip = true", "brightness = 0.2"):
        with pytest.raises(InputError, match="features.kind is spectrogram"):
            config.parse_experiment("x", f"{TEXT}[augment]\n{key}\n")
