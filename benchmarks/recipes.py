"""Compare the recipes with baselines on real pictures and sounds, and on sample data.

    MUSICML_SHARED_DATA=DIR python -m benchmarks genres genre_parts sounds pictures spectrograms    # two hours
    MUSICML_SHARED_DATA=DIR python -m benchmarks pretrained_genres pretrained_sounds    # a quarter of an hour
    python -m benchmarks sample_genres pretrained_openmic

DIR contains `gtzan_clips`, `instrument_clips`, `instrument_images` and `gtzan_spectrograms`, each with one folder per
class. If Keras has not downloaded the ImageNet weights of MobileNet, DIR also has them in `keras_home`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import pretrained
from benchmarks.baselines import make_frozen_regression, score_svm
from benchmarks.recipe_comparison import Way, compare_ways, load_folder
from musicml.data.datasets import gtzan, loading
from musicml.data.download import download_musicnn
from musicml.utils import files

BY_ARTIST = {"data.split": "group", "data.folds": 3}  # no artist in both training and test
IMAGENET = {"model.weights": "imagenet"}  # fails without them, rather than using random weights
NO_VALIDATION = {**BY_ARTIST, "data.val_fraction": 0.0}  # nothing is chosen by validation, so it can be training data
NO_VALIDATION_IMAGENET = {**NO_VALIDATION, **IMAGENET}
LAST_MAP = {"model.depths": 1}  # only the last layer of the backbone, as in most tutorials
DRUM_FOLDERS = ("Bass_drum", "Hi_hat", "Snare_drum")
CLASS_FOLDERS = {"Sound_Guitar": ("Acoustic_guitar",), "Sound_Violin": ("Violin_or_fiddle",), "Sound_Piano": ("Piano",)}

GENRES = (
    Way("genre_best", "genre_best", NO_VALIDATION_IMAGENET),
    Way(
        "frozen MobileNet, logistic regression",
        "genre_best",
        {**NO_VALIDATION_IMAGENET, **LAST_MAP},
        make_frozen_regression(0.003),
    ),
    Way("MFCC statistics, SVM", "genre_gru", NO_VALIDATION, score_svm),
    Way("genre_crnn", "genre_crnn", NO_VALIDATION),
    Way("genre_gru", "genre_gru", NO_VALIDATION),
)
GENRE_PARTS = (
    GENRES[0],
    Way("one depth, not three", "genre_best", {**NO_VALIDATION_IMAGENET, **LAST_MAP}),
    Way("not drawn upright", "genre_best", {**NO_VALIDATION_IMAGENET, "model.side": 0}),
    Way("clips of 2 s", "genre_best", {**NO_VALIDATION_IMAGENET, "clips.seconds": 2.0}),
    Way("probabilities averaged", "genre_best", {**NO_VALIDATION_IMAGENET, "clips.average": "probability"}),
    Way("large weights allowed", "genre_best", {**NO_VALIDATION_IMAGENET, "model.l2": 0.0}),
    Way("random weights", "genre_best", {**NO_VALIDATION_IMAGENET, "model.weights": "none"}),
)
FIVE_FOLDS = {"data.split": "group", "data.folds": 5, "data.val_fraction": 0.0}
SOUNDS = (
    Way("instrument_sounds_best", "instrument_sounds_best", {**FIVE_FOLDS, **IMAGENET}),
    Way("the same from random weights", "instrument_sounds_best", {**FIVE_FOLDS, "model.weights": "none"}),
)
NO_AUGMENTATION = {
    "augment.flip": False,
    "augment.views": 0,
    **{f"augment.{name}": 0.0 for name in ("rotation", "shift", "zoom", "brightness")},
}
ONE_SIZE = {**NO_AUGMENTATION, **LAST_MAP, "model.second_side": 0}
CLEAN = {"data.split": "clean", "data.folds": 5, "data.val_fraction": 0.0, **IMAGENET}
PICTURES = (
    Way("instrument_images_mobilenet", "instrument_images_mobilenet", CLEAN),
    Way(
        "frozen MobileNet, logistic regression",
        "instrument_images_mobilenet",
        {**CLEAN, **ONE_SIZE},
        make_frozen_regression(0.003),
    ),
)
OWN_SPLIT = {"data.split": "official", "data.val_fraction": 0.0, **IMAGENET}
SPECTROGRAMS = (
    Way("gtzan_spectrograms", "gtzan_spectrograms", OWN_SPLIT),
    Way(
        "plain fine-tuning from the start",
        "instrument_images_mobilenet",
        {
            **OWN_SPLIT,
            **ONE_SIZE,
            "model.frozen": False,
            "model.l2": 0.0,
            "training.epochs": 15,
            "training.batch_size": 16,  # enough steps for the statistics of batch normalization
            "training.learning_rate": 3e-4,
        },
    ),
)
RANDOM_WEIGHTS = {"model.weights": "none"}
PRETRAINED_GENRES = (
    Way("genre_musicnn", "genre_musicnn", NO_VALIDATION),
    Way("the same from random weights", "genre_musicnn", {**NO_VALIDATION, **RANDOM_WEIGHTS}),
    Way("genre_gru_musicnn", "genre_gru_musicnn", NO_VALIDATION),
    Way("genre_gru_musicnn from random weights", "genre_gru_musicnn", {**NO_VALIDATION, **RANDOM_WEIGHTS}),
    Way("genre_best", "genre_best", NO_VALIDATION_IMAGENET),
    Way("MFCC statistics, SVM", "genre_gru", NO_VALIDATION, score_svm),
)
PRETRAINED_SOUNDS = (
    Way("instrument_sounds_musicnn", "instrument_sounds_musicnn", FIVE_FOLDS),
    Way("the same from random weights", "instrument_sounds_musicnn", {**FIVE_FOLDS, **RANDOM_WEIGHTS}),
    Way("instrument_sounds_best", "instrument_sounds_best", {**FIVE_FOLDS, **IMAGENET}),
    Way("MFCC statistics, SVM", "genre_gru", {**FIVE_FOLDS, "data.dataset": "instrument_sounds"}, score_svm),
)
SAMPLE_GENRES = tuple(Way(name, name) for name in ("genre_best", "genre_crnn", "genre_cnn", "genre_gru"))


def measure(name: str, work: Path) -> dict[str, Any]:
    """Run one of `MEASURES`. Features and frozen outputs are cached in `work`."""
    return MEASURES[name](work / "data")


def get_shared_folder() -> Path:
    """Return the folder of real data."""
    folder = os.environ.get("MUSICML_SHARED_DATA")
    if not folder:
        raise SystemExit("MUSICML_SHARED_DATA is not set. Set it to the folder with the real data.")
    return Path(folder)


def use_weights() -> None:
    """Make Keras use ImageNet's weights from the folder of real data, if it has them. Call before importing Keras."""
    home = Path(os.environ.get("MUSICML_SHARED_DATA") or ".") / "keras_home"
    if home.is_dir():
        os.environ.setdefault("KERAS_HOME", str(home.absolute()))


def _compare_on_folder(ways: tuple[Way, ...], name: str, root: Path, **how: Any) -> dict[str, Any]:
    """Compare ways on one of the folders of real data."""
    return compare_ways(ways, load_folder(get_shared_folder() / name), root, **how)


def _compare_pretrained_genres(root: Path) -> dict[str, Any]:
    """Compare pretrained audio networks on real genres."""
    download_musicnn(root)
    return _compare_on_folder(PRETRAINED_GENRES, "gtzan_clips", root)


def _compare_pretrained_openmic(root: Path) -> dict[str, Any]:
    """Compare a pretrained audio network with random weights, on twenty instruments of the sample data."""
    download_musicnn(root)
    return pretrained.compare_openmic(root)


def _compare_on_sounds(ways: tuple[Way, ...], root: Path) -> dict[str, Any]:
    """Compare ways on four classes of real instruments, with all drums as one class."""
    download_musicnn(root)
    clips = get_shared_folder() / "instrument_clips"
    with tempfile.TemporaryDirectory() as folder:
        for name, parts in {**CLASS_FOLDERS, "Sound_Drum": DRUM_FOLDERS}.items():
            (Path(folder) / name).mkdir()
            for part in parts:
                for path in sorted((clips / part).iterdir()):
                    (Path(folder) / name / f"{part}-{path.name}").symlink_to(path.absolute())
        return compare_ways(ways, load_folder(Path(folder)), root)


def _compare_on_spectrograms(root: Path) -> dict[str, Any]:
    """Compare ways on real GTZAN as pictures, with its published lists, and artists as groups."""
    pictures, index = (
        get_shared_folder() / "gtzan_spectrograms",
        get_shared_folder() / "gtzan/splits" / gtzan.ARTIST_INDEX,
    )
    artists = gtzan.unify_artist_names(gtzan.read_artists(index))
    with tempfile.TemporaryDirectory() as folder:
        linked, rows = Path(folder), []
        for path in sorted(pictures.glob("*/*/*.png")):
            link = linked / path.relative_to(pictures)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
            group = artists.get(path.stem, path.stem)  # a track of an unknown artist is its own group
            rows.append({"file": link.relative_to(linked).as_posix(), "group": group})
        files.write_csv(linked / "groups.csv", rows, ["file", "group"])
        return compare_ways(SPECTROGRAMS, load_folder(linked), root)


def _compare_on_sample_data(root: Path) -> dict[str, Any]:
    """Compare the genre experiments on sample data, each with its own recipe, on the same split."""
    return compare_ways(SAMPLE_GENRES, lambda: loading.load_dataset("gtzan", root, "sample"), root, sample=True)


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "genres": partial(_compare_on_folder, GENRES, "gtzan_clips"),
    "genre_parts": partial(_compare_on_folder, GENRE_PARTS, "gtzan_clips"),
    "sounds": partial(_compare_on_sounds, SOUNDS),
    "pretrained_genres": _compare_pretrained_genres,
    "pretrained_sounds": partial(_compare_on_sounds, PRETRAINED_SOUNDS),
    "pretrained_openmic": _compare_pretrained_openmic,
    "pictures": partial(_compare_on_folder, PICTURES, "instrument_images", seeds=(0,)),
    "spectrograms": _compare_on_spectrograms,
    "sample_genres": _compare_on_sample_data,
}
ON_SAMPLE = ("sample_genres",)
