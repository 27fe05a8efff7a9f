import re
from pathlib import Path

import numpy as np
import pytest

from musicml.data.datasets import loading
from musicml.experiment import config
from musicml.features import audio_features
from musicml.models import registry
from musicml.utils.errors import InputError

FOLDER = Path(__file__).parents[2] / "experiments"
FILES = sorted(FOLDER.rglob("*.toml"))
TEXT = """
[data]
dataset = "gtzan"

[features]
kind = "mfcc"
n_mfcc = 20

[model]
family = "recurrent"
units = [16, 8]

[training]
epochs = 9

[sample]
training.epochs = 2
model.cell = "lstm"
"""
# an experiment of these features can be had from a dataset of this kind, by a model of one of these families
FITS = {
    "log_mel": ("sound", {"cnn", "recurrent", "crnn", "attention", "transfer", "pretrained_audio"}),
    "mfcc": ("sound", {"cnn", "recurrent", "attention", "svm"}),
    "pixels": ("picture", {"transfer"}),
    "vggish": ("sound", {"cnn", "recurrent", "attention", "forest"}),
    "spectrogram": ("sound", {"cnn", "recurrent", "crnn", "attention", "transfer", "forest"}),
}
PICTURES = {"instrument_images"}


def parse(text=TEXT, overrides=None, sample=False):
    return config.parse_experiment("mine", text, overrides, sample)


def refused(text=TEXT, overrides=None, sample=False):
    with pytest.raises(InputError) as error:
        parse(text, overrides, sample)
    return str(error.value)


def test_a_file_gives_its_values_and_the_defaults_of_what_it_leaves_out():
    found = parse()
    assert (found.name, found.kind, found.family, found.text) == ("mine", "mfcc", "recurrent", TEXT)
    assert found.data.dataset == "gtzan" and found.data.split == "official"
    assert found.features.n_mfcc == 20 and found.features.n_mels == 128
    assert found.model.units == (16, 8) and found.model.cell == "gru"
    assert found.training.epochs == 9 and found.training.batch_size == 32
    assert found.clips.seconds == 3.0 and not found.sample and found.overrides == {}


def test_the_sample_table_holds_on_sample_data_only():
    plain, on_sample = parse(), parse().apply_sample_table()
    assert (plain.training.epochs, plain.model.cell) == (9, "gru")
    assert (on_sample.training.epochs, on_sample.model.cell) == (2, "lstm")
    assert on_sample.sample and on_sample.model.units == (16, 8) and on_sample.features == plain.features


def test_the_sample_table_may_bring_a_table_that_the_file_has_not():
    assert parse(TEXT + "clips.seconds = 1.0\n").apply_sample_table().clips.seconds == 1.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("training.epoch = 2", "did you mean 'epochs'"),
        ("training.batch_size = 0", "training.batch_size = 0 must be an integer from 1 to 65536"),
        ("trainin.epochs = 2", "mine.toml can't change 'trainin': did you mean 'training'"),
        ("clips = 3", "can't change 'clips'"),
        ("sample.epochs = 2", "can't change 'sample'"),
        ("features.n_mels = 8", "n_mfcc of at most n_mels=8, got 20"),
    ],
)
def test_the_sample_table_is_checked_even_where_it_does_not_hold(line, said):
    assert said in refused(TEXT + line + "\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 9", "epoch = 9", "[training] in mine.toml has no key 'epoch': did you mean 'epochs'"),
        ("epochs = 9", "epochs = 0", "training.epochs = 0 must be an integer from 1 to 10000"),
        ("epochs = 9", "epochs = nine", "Invalid TOML in mine.toml"),
        ("epochs = 9", "learning_rate = nan", "training.learning_rate = nan must be a number from 1e-09 to 10.0"),
        ("epochs = 9", "learning_rate = inf", "training.learning_rate = inf must be a number"),
        ("epochs = 9", 'optimizer = "adm"', "training.optimizer = 'adm' must be one of 'adam', 'adamw', 'sgd'"),
        ("epochs = 9", "epochs = 9\nepochs = 8", "Invalid TOML in mine.toml"),
        ("[16, 8]", "[]", "model.units = [] must be a list of integers from 1 to 2048"),
        ("[16, 8]", "[16, 0]", "model.units = [16, 0] must be a list of integers"),
        ("n_mfcc = 20", "n_mfcc = true", "features.n_mfcc = True must be an integer from 1 to 128"),
        ("n_mfcc = 20", "n_mfcc = 129", "features.n_mfcc = 129 must be an integer from 1 to 128"),
        ("n_mfcc = 20", "n_mfc = 20", "[features] in mine.toml has no key 'n_mfc': did you mean 'n_mfcc'"),
        ("n_mfcc = 20", "hop_length = 4096", "hop_length of at most n_fft=2048, got 4096"),
        ('kind = "mfcc"', "", "[features] in mine.toml lacks the required key 'kind'. Add one of log_mel"),
        ('kind = "mfcc"', 'kind = "mfc"', "features.kind = 'mfc' in mine.toml is not known: did you mean 'mfcc'"),
        ('kind = "mfcc"', "kind = 3", "features.kind = 3 in mine.toml is not known"),
        ('kind = "mfcc"', 'kind = "log_mel"', "[features] in mine.toml has no key 'n_mfcc'"),
        ('"recurrent"', '"recurent"', "model.family = 'recurent' in mine.toml is not known: did you mean 'recurrent'"),
        ('family = "recurrent"', "", "[model] in mine.toml lacks the required key 'family'"),
        ('dataset = "gtzan"', "", "[data] in mine.toml lacks the required key 'dataset'. Add it, for example dataset"),
        ('dataset = "gtzan"', 'dataset = "gtzan"\nval_fraction = 0.6', "data.val_fraction = 0.6 must be a number from"),
        ("[training]", "[trainning]", "mine.toml has no table 'trainning': did you mean 'training'"),
        ("[data]", "epochs = 3\n[data]", "mine.toml has no table 'epochs'"),
        ("[data]", "training = 3\n[data]", "Invalid TOML in mine.toml"),
        ("[data]", "clips = 3\n[data]", "mine.toml has no table 'clips'"),
        ("epochs = 9", f"learning_rate = 1{'0' * 400}", "training.learning_rate = 1000"),
    ],
)
def test_every_rule_gives_a_sentence(old, new, said):
    assert TEXT.count(old) == 1
    assert said in refused(TEXT.replace(old, new))


@pytest.mark.parametrize("table", ["data", "features", "model"])
def test_a_missing_table_is_named(table):
    tables = {name: TEXT.index(f"[{name}]") for name in ("data", "features", "model", "training")}
    after = min(place for place in tables.values() if place > tables[table])
    text = TEXT[: tables[table]] + TEXT[after:].replace('model.cell = "lstm"', "")
    assert f"mine.toml lacks the required table [{table}]. Add it." == refused(text)


def test_set_changes_a_value_and_is_kept():
    found = parse(overrides={"training.epochs": 3, "model.units": [4], "clips.seconds": 1})
    assert found.training.epochs == 3 and found.model.units == (4,) and found.clips.seconds == 1.0
    assert found.overrides == {"training.epochs": 3, "model.units": [4], "clips.seconds": 1}
    assert found.features.n_mfcc == 20


def test_set_wins_over_the_sample_table_and_leaves_the_rest_of_it():
    for found in (
        parse(overrides={"training.epochs": 3}, sample=True),
        parse(overrides={"training.epochs": 3}).apply_sample_table(),
    ):
        assert found.sample and found.training.epochs == 3 and found.model.cell == "lstm"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", 3, "Expected TABLE.KEY=VALUE for --set, got 'epochs'"),
        ("trainig.epochs", 3, "--set can't change 'trainig': did you mean 'training'"),
        ("training.epoch", 3, "has no key 'epoch': did you mean 'epochs'"),
        ("training.epochs", "three", "training.epochs = 'three' must be an integer"),
        ("training.epochs", True, "training.epochs = True must be an integer"),
        ("sample.epochs", 3, "--set can't change 'sample'"),
        ("features.kind", "pixels", "[features] in mine.toml has no key 'n_mfcc'"),
    ],
)
def test_what_set_gives_is_checked_like_the_file(key, value, said):
    assert said in refused(overrides={key: value})
    assert said in refused(overrides={key: value}, sample=True)


HALVES = TEXT + 'training.schedule = "cosine"\n'  # on sample data, where a plateau rule has no place beside it


@pytest.mark.parametrize(("key", "value", "fits_sample"), [("plateau_patience", 2, False), ("warmup", 0.1, True)])
def test_set_is_checked_against_the_recipe_that_runs(key, value, fits_sample):
    """Read without the data, the overrides have to fit one recipe; with the data, the one that runs."""
    overrides = {f"training.{key}": value}
    found = config.parse_experiment("mine", HALVES, overrides, None)
    held = found.resolve(fits_sample)
    assert held == parse(HALVES, overrides, fits_sample)
    assert held.sample == fits_sample and held.overrides == overrides
    with pytest.raises(InputError, match="cosine"):
        found.resolve(not fits_sample)
    assert "cosine" in refused(HALVES, overrides, not fits_sample)
    assert "training.epochs = 0" in refused(HALVES, {"training.epochs": 0}, None)


def test_set_does_not_hide_a_fault_of_the_file():
    assert "training.epochs = 0" in refused(TEXT.replace("epochs = 9", "epochs = 0"), {"training.epochs": 3})


def test_settings_hold_every_value_as_json_knows_it():
    settings = parse().get_settings()
    assert settings["model"]["units"] == [16, 8] and settings["model"]["family"] == "recurrent"
    assert settings["features"]["kind"] == "mfcc" and settings["training"]["batch_size"] == 32
    assert list(settings) == ["data", "features", "clips", "model", "training", "augment"]


def test_a_file_is_read_and_named_after_itself(tmp_path):
    (tmp_path / "mine.toml").write_text(TEXT)
    assert config.read_experiment(tmp_path / "mine.toml") == parse()
    assert config.read_experiment(tmp_path / "mine.toml", {"training.epochs": 3}, sample=True).training.epochs == 3
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())  # as Windows writes it
    assert config.read_experiment(tmp_path / "mine.toml").training.epochs == 9


def test_a_missing_file_names_the_nearest_one(tmp_path):
    (tmp_path / "genre_gru.toml").write_text(TEXT)
    (tmp_path / "openmic_cnn.toml").write_text(TEXT)
    with pytest.raises(InputError, match="not found: did you mean 'genre_gru'. Known names: genre_gru, openmic_cnn"):
        config.read_experiment(tmp_path / "genre_gruu.toml")
    with pytest.raises(InputError, match="not found: known names: none"):
        config.read_experiment(tmp_path / "nowhere" / "genre_gru.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff\xfe\x00")
    (tmp_path / "folder.toml").mkdir()
    for name in ("picture.toml", "folder.toml"):
        with pytest.raises(InputError, match="as UTF-8 text"):
            config.read_experiment(tmp_path / name)


PUBLISHED = """
[published]
reference = "gtzan_gru"
honest = "genre_gru"
fault = "A track is on both sides."
pieces = true
"""


def test_what_is_replayed_is_read_and_only_what_decides_figures_is_among_the_settings():
    text = TEXT.replace('"gtzan"', '"gtzan"\nprotocol = "as_published"') + "published.changes = ['clips.seconds=1']"
    found = parse(text + PUBLISHED)
    assert found.published.pieces and found.published.figures == ("accuracy",) and found.published.changes == ()
    assert found.apply_sample_table().published.changes == ("clips.seconds=1",)
    assert found.get_settings()["published"] == {"reference": "gtzan_gru", "pieces": True, "served": ""}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('protocol = "as_published"', "", "replicates a published protocol, but data.protocol is 'honest'"),
        ('"as_published"', '"as_published"\nfolds = 3\nsplit = "track"', "a single split, but data.folds is 3"),
        ('"as_published"', '"as_published"\nsplit = "group"', "a split without groups"),
        ('"gtzan_gru"', '"gtzan_gruu"', "did you mean 'gtzan_gru'"),
        ('"gtzan_gru"', '"openmic_cnn"', "which is as published on openmic"),
        ('"gtzan_gru"', '"gtzan_mfcc_svm"', "which is honest on gtzan"),
        ("pieces = true", 'figures = ["acuracy"]', "got acuracy: did you mean"),
        ("pieces = true", 'changes = ["epochs"]', "Expected TABLE.KEY=VALUE for --set, got 'epochs'"),
        ("pieces = true", "changes = [3]", "published.changes = [3] must be a list of strings in quotes"),
        ("pieces = true", 'served = "twice"', "must be one of '', 'softmax_twice', 'first_second'"),
    ],
)
def test_a_published_table_keeps_its_rules(old, new, said):
    text = TEXT.replace('"gtzan"', '"gtzan"\nprotocol = "as_published"') + PUBLISHED
    assert text.count(old) == 1
    assert said in refused(text.replace(old, new))


def test_there_are_experiments():
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_of_ours_is_whole(path):
    text = path.read_text(encoding="utf-8")
    plain, on_sample = config.read_experiment(path), config.read_experiment(path, sample=True)
    header = re.match(r"(# .+\n|#\n){3,}", text)
    reached = (
        r"On sample data, not music \(`make (train-all|replay)`.*\): .* 0\.\d+ \(0\.\d+ to [01]\.\d+\), "
        r"\d+ (test|judged) (files|pieces), \d+ s\."
    )
    assert header and re.search(reached, header[0]), "a header says what it is, what it costs and what it reached"
    for found in (plain, on_sample):
        kind, families = FITS[found.kind]
        assert found.data.dataset in loading.DATASET_NAMES and found.family in registry.FAMILY_NAMES
        assert (found.data.dataset in PICTURES) == (kind == "picture") and found.family in families
        assert found.kind != "vggish" or found.data.dataset == "openmic"
    pretrained = found.family == "pretrained_audio"  # whose weights come with a package
    is_frozen = getattr(on_sample.model, "frozen", False)  # a head alone learns
    assert pretrained or getattr(on_sample.model, "weights", "none") == "none", "a first run downloads only packages"
    assert on_sample.training.epochs <= (40 if is_frozen else 20) or found.is_fitted_at_once, "it takes minutes"
    assert on_sample.data == plain.data


def test_every_kind_of_features_is_placed_above():
    assert set(FITS) == set(audio_features.FEATURE_KINDS)


def parameters(name):
    """How many parameters the experiment's network has, on ten genres."""
    found = config.read_experiment(FOLDER / f"{name}.toml")
    bins = found.features.n_bins
    shape = (found.features.count_frames(round(found.clips.seconds * found.features.sample_rate)), bins)
    spec = registry.ModelSpec(shape, 10, "single", "genre", np.zeros(bins, np.float32), np.ones(bins, np.float32))
    return registry.build_model(found.family, found.model, spec).count_params()


def test_the_gru_and_the_lstm_have_equally_many_parameters_and_the_header_says_how_many():
    from musicml.utils.terminal import import_keras

    import_keras()
    gru, lstm = parameters("genre_gru"), parameters("genre_lstm")
    assert abs(gru - lstm) < 0.01 * gru
    stated = re.search(r"GRU has ([\d,]+) .*? LSTM ([\d,]+)", (FOLDER / "genre_lstm.toml").read_text(), re.DOTALL)
    assert [int(number.replace(",", "")) for number in stated.groups()] == [gru, lstm]
