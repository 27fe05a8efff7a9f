"""What the recipes give beside their rivals, on real pictures and sounds and on sample data.

    MUSICML_SHARED_DATA=DIR python -m benchmarks genres genre_parts sounds pictures spectrograms    # two hours
    MUSICML_SHARED_DATA=DIR python -m benchmarks pretrained_genres pretrained_sounds    # a quarter of an hour
    python -m benchmarks sample_genres pretrained_openmic

DIR holds `gtzan_clips`, `instrument_clips`, `instrument_images` and `gtzan_spectrograms`, each a folder of class
folders, and in `keras_home` the ImageNet weights of MobileNet where Keras does not have them yet.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import pretrained
from benchmarks.baselines import regression_on_frozen, svm_on_statistics
from benchmarks.recipe_comparison import Way, compared, load
from musicml.data.datasets import gtzan, loading
from musicml.data.download import download_musicnn
from musicml.utils import files

BY_ARTIST = {"data.split": "group", "data.folds": 3}
IMAGENET = {"model.weights": "imagenet"}  # or nothing: random weights must not pass for these
TO_LEARN = {**BY_ARTIST, "data.val_fraction": 0.0}  # a recipe that chooses nothing by validation needs none
ALL_TO_LEARN = {**TO_LEARN, **IMAGENET}
LAST_MAP = {"model.depths": 1}
DRUMS = ("Bass_drum", "Hi_hat", "Snare_drum")
FOUR = {"Sound_Guitar": ("Acoustic_guitar",), "Sound_Violin": ("Violin_or_fiddle",), "Sound_Piano": ("Piano",)}

GENRES = (
    Way("genre_best", "genre_best", ALL_TO_LEARN),
    Way(
        "frozen MobileNet, logistic regression",
        "genre_best",
        {**ALL_TO_LEARN, **LAST_MAP},
        regression_on_frozen(0.003),
    ),
    Way("MFCC statistics, SVM", "genre_gru", TO_LEARN, svm_on_statistics),
    Way("genre_crnn", "genre_crnn", TO_LEARN),
    Way("genre_gru", "genre_gru", TO_LEARN),
)
GENRE_PARTS = (
    GENRES[0],
    Way("one depth, not three", "genre_best", {**ALL_TO_LEARN, **LAST_MAP}),
    Way("not drawn upright", "genre_best", {**ALL_TO_LEARN, "model.side": 0}),
    Way("clips of 2 s", "genre_best", {**ALL_TO_LEARN, "clips.seconds": 2.0}),
    Way("probabilities averaged", "genre_best", {**ALL_TO_LEARN, "clips.average": "probability"}),
    Way("large weights allowed", "genre_best", {**ALL_TO_LEARN, "model.l2": 0.0}),
    Way("random weights", "genre_best", {**ALL_TO_LEARN, "model.weights": "none"}),
)
FIVE = {"data.split": "group", "data.folds": 5, "data.val_fraction": 0.0}
SOUNDS = (
    Way("instrument_sounds_best", "instrument_sounds_best", {**FIVE, **IMAGENET}),
    Way("the same from random weights", "instrument_sounds_best", {**FIVE, "model.weights": "none"}),
)
AS_IT_IS = {
    "augment.flip": False,
    "augment.views": 0,
    **{f"augment.{name}": 0.0 for name in ("rotation", "shift", "zoom", "brightness")},
}
ONE_LOOK = {**AS_IT_IS, **LAST_MAP, "model.second_side": 0}
CLEAN = {"data.split": "clean", "data.folds": 5, "data.val_fraction": 0.0, **IMAGENET}
PICTURES = (
    Way("instrument_images_mobilenet", "instrument_images_mobilenet", CLEAN),
    Way(
        "frozen MobileNet, logistic regression",
        "instrument_images_mobilenet",
        {**CLEAN, **ONE_LOOK},
        regression_on_frozen(0.003),
    ),
)
OWN_SIDES = {"data.split": "official", "data.val_fraction": 0.0, **IMAGENET}
SPECTROGRAMS = (
    Way("gtzan_spectrograms", "gtzan_spectrograms", OWN_SIDES),
    Way(
        "plain fine-tuning from the start",
        "instrument_images_mobilenet",
        {
            **OWN_SIDES,
            **ONE_LOOK,
            "model.frozen": False,
            "model.l2": 0.0,
            "training.epochs": 15,
            "training.batch_size": 16,  # steps enough for the batch normalisations to know these pictures
            "training.learning_rate": 3e-4,
        },
    ),
)
RANDOM = {"model.weights": "none"}
PRETRAINED_GENRES = (
    Way("genre_musicnn", "genre_musicnn", TO_LEARN),
    Way("the same from random weights", "genre_musicnn", {**TO_LEARN, **RANDOM}),
    Way("genre_gru_musicnn", "genre_gru_musicnn", TO_LEARN),
    Way("genre_gru_musicnn from random weights", "genre_gru_musicnn", {**TO_LEARN, **RANDOM}),
    Way("genre_best", "genre_best", ALL_TO_LEARN),
    Way("MFCC statistics, SVM", "genre_gru", TO_LEARN, svm_on_statistics),
)
PRETRAINED_SOUNDS = (
    Way("instrument_sounds_musicnn", "instrument_sounds_musicnn", FIVE),
    Way("the same from random weights", "instrument_sounds_musicnn", {**FIVE, **RANDOM}),
    Way("instrument_sounds_best", "instrument_sounds_best", {**FIVE, **IMAGENET}),
    Way("MFCC statistics, SVM", "genre_gru", {**FIVE, "data.dataset": "instrument_sounds"}, svm_on_statistics),
)
SAMPLE_GENRES = tuple(Way(name, name) for name in ("genre_best", "genre_crnn", "genre_cnn", "genre_gru"))


def measure(name: str, work: Path) -> dict[str, Any]:
    """One of `MEASURES`; features and frozen outputs are kept in `work`."""
    return MEASURES[name](work / "data")


def shared() -> Path:
    """The folder of real data."""
    named = os.environ.get("MUSICML_SHARED_DATA")
    if not named:
        raise SystemExit("MUSICML_SHARED_DATA must name the folder that holds the real data, and is not set")
    return Path(named)


def use_weights() -> None:
    """Let Keras, before it is imported, find ImageNet's weights in the folder of real data, if they are there."""
    home = Path(os.environ.get("MUSICML_SHARED_DATA") or ".") / "keras_home"
    if home.is_dir():
        os.environ.setdefault("KERAS_HOME", str(home.absolute()))


def of_folder(ways: tuple[Way, ...], name: str, root: Path, **how: Any) -> dict[str, Any]:
    """Ways compared on one of the folders of real data."""
    return compared(ways, load(shared() / name), root, **how)


def of_pretrained_genres(root: Path) -> dict[str, Any]:
    """Pretrained audio networks on real genres."""
    download_musicnn(root)
    return of_folder(PRETRAINED_GENRES, "gtzan_clips", root)


def of_pretrained_openmic(root: Path) -> dict[str, Any]:
    """A pretrained audio network on twenty instruments of the sample data."""
    download_musicnn(root)
    return pretrained.compare_openmic(root)


def of_sounds(ways: tuple[Way, ...], root: Path) -> dict[str, Any]:
    """Four classes of real instruments, the drums together as one."""
    download_musicnn(root)
    clips = shared() / "instrument_clips"
    with tempfile.TemporaryDirectory() as folder:
        for name, parts in {**FOUR, "Sound_Drum": DRUMS}.items():
            (Path(folder) / name).mkdir()
            for part in parts:
                for path in sorted((clips / part).iterdir()):
                    (Path(folder) / name / f"{part}-{path.name}").symlink_to(path.absolute())
        return compared(ways, load(Path(folder)), root)


def of_spectrograms(root: Path) -> dict[str, Any]:
    """Real GTZAN as pictures, on its own two lists, with its artists as groups."""
    pictures, index = shared() / "gtzan_spectrograms", shared() / "gtzan/splits" / gtzan.ARTIST_INDEX
    artists = gtzan.unify_artist_names(gtzan.read_artists(index))
    with tempfile.TemporaryDirectory() as folder:
        home, rows = Path(folder), []
        for path in sorted(pictures.glob("*/*/*.png")):
            link = home / path.relative_to(pictures)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
            group = artists.get(path.stem, path.stem)
            rows.append({"file": link.relative_to(home).as_posix(), "group": group})
        files.write_csv(home / "groups.csv", rows, ["file", "group"])
        return compared(SPECTROGRAMS, load(home), root)


def of_sample(root: Path) -> dict[str, Any]:
    """The genre experiments on sample data, each by its own recipe, on the same split."""
    return compared(SAMPLE_GENRES, lambda: loading.load_dataset("gtzan", root, "sample"), root, sample=True)


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "genres": partial(of_folder, GENRES, "gtzan_clips"),
    "genre_parts": partial(of_folder, GENRE_PARTS, "gtzan_clips"),
    "sounds": partial(of_sounds, SOUNDS),
    "pretrained_genres": of_pretrained_genres,
    "pretrained_sounds": partial(of_sounds, PRETRAINED_SOUNDS),
    "pretrained_openmic": of_pretrained_openmic,
    "pictures": partial(of_folder, PICTURES, "instrument_images", seeds=(0,)),
    "spectrograms": of_spectrograms,
    "sample_genres": of_sample,
}
ON_SAMPLE = ("sample_genres",)
