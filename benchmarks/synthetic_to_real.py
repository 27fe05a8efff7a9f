"""Test runs that were trained only on sample data on real recordings, and compare them with an SVM on MFCC statistics.

    MUSICML_SHARED_DATA=DIR python -m benchmarks synthetic_to_real

Each pretrained experiment is trained on the sample data of its dataset, and tested on a folder of real clips
(`gtzan_clips` and `instrument_clips` in DIR). The baseline is trained on the same files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import recipe_comparison, recipes
from benchmarks.baselines import describe_tracks, fit_svm
from musicml.data.datasets import Dataset, loading
from musicml.data.download import download_musicnn
from musicml.data.synthetic import generate, renderer
from musicml.evaluation import evaluate, metrics
from musicml.experiment import config
from musicml.training import preparation, train
from musicml.utils import files

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)  # random seeds of the sample data
BASELINE = "MFCC statistics, SVM"
DRUM = "drum"  # one class of the run, three folders of clips
CLASS_FOLDERS = {
    "guitar": ("Acoustic_guitar",),
    "violin": ("Violin_or_fiddle",),
    "piano": ("Piano",),
    DRUM: recipes.DRUM_FOLDERS,
}


@dataclass(frozen=True)
class Transfer:
    """An experiment, and the real clips that it is tested on.

    Attributes
    ----------
    experiment : name of the experiment file
    dataset : dataset whose sample data it is trained on
    link_clips : links the real clips (first argument) into one folder per class (second argument)
    """

    experiment: str
    dataset: str
    link_clips: Callable[[Path, Path], None]


def _link_genre_clips(clips: Path, folder: Path) -> None:
    """Link the clips of both splits into one folder per genre, with their artists as groups."""
    groups = {row["file"]: row["group"] for row in files.read_csv(clips / "groups.csv")}
    rows = []
    for path in sorted(clips.glob("*/*/*.flac")):
        side, genre = path.parts[-3:-1]
        name = f"{genre}/{side}-{path.name}"
        _link_file(path, folder / name)
        rows.append({"file": name, "group": groups[f"{side}/{genre}/{path.name}"]})
    files.write_csv(folder / "groups.csv", rows, ["file", "group"])


def _link_instrument_clips(clips: Path, folder: Path) -> None:
    """Link the clips of guitars, violins, pianos and three kinds of drums into four class folders."""
    for name, parts in CLASS_FOLDERS.items():
        for part in parts:
            for path in sorted((clips / part).iterdir()):
                _link_file(path, folder / name / f"{part}-{path.name}")


def _link_file(path: Path, link: Path) -> None:
    """Make a link, and its folder if necessary."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path.absolute())


TRANSFERS = {
    "gtzan_clips": Transfer("genre_musicnn", "gtzan", _link_genre_clips),
    "instrument_clips": Transfer("instrument_sounds_musicnn", "instrument_sounds", _link_instrument_clips),
}


def measure(root: Path) -> dict[str, Any]:
    """Train on sample data of several seeds, and test on real clips.

    Parameters
    ----------
    root : data root; each seed has a folder next to it for sample data, weights, features and runs

    Returns
    -------
    dict with `renderer` (dataset → renderer and soundfont of its sample data) and `rows`, each with `real` (the folder
    of clips), `seed`, `way`, `accuracy`, `interval` over groups, `files`, `groups` and `per_class` (the recall of each
    class)
    """
    rows = []
    for seed in SEEDS:
        place = root.parent / f"seed{seed}/data"
        download_musicnn(place)  # every seed has its own data root
        datasets = [transfer.dataset for transfer in TRANSFERS.values()]
        generate.generate_sample_data(place / "sample", seed, datasets)
        for name, transfer in TRANSFERS.items():
            with tempfile.TemporaryDirectory() as folder:
                transfer.link_clips(recipes.get_shared_folder() / name, Path(folder))
                ways = {transfer.experiment: _score_run, BASELINE: _score_baseline}
                rows += [
                    {"real": name, "seed": seed, "way": way, **score(transfer, place, Path(folder))}
                    for way, score in ways.items()
                ]
    renderers = {transfer.dataset: _describe_renderer(transfer.dataset) for transfer in TRANSFERS.values()}
    return {"renderer": renderers, "rows": rows}


def _describe_renderer(dataset: str) -> str:
    """Describe the renderer and the soundfont of a dataset's sample data."""
    return ", ".join(renderer.describe_renderer(generate.PLAYED[dataset]).values())


def _score_run(transfer: Transfer, root: Path, folder: Path) -> dict[str, Any]:
    """Train the experiment on sample data, and score the run on a folder of real clips."""
    read = config.read_experiment(ROOT / f"experiments/{transfer.experiment}.toml")
    run = train.train_experiment(read, root, root.parent / "runs", "sample")
    report = evaluate.evaluate_run(run, on=folder, data_root=root)
    return {
        "accuracy": report["metrics"]["accuracy"],
        "interval": (report["intervals"] or {}).get("accuracy"),
        "files": report["n"],
        "groups": report["n_groups"],
        "per_class": {row["class"]: row["recall"] for row in report["per_class"]},
    }


def _score_baseline(transfer: Transfer, root: Path, folder: Path) -> dict[str, Any]:
    """Train an SVM on MFCC statistics of the same files, and score it on the same real clips."""
    read = config.read_experiment(ROOT / "experiments/genre_gru.toml", {"data.dataset": transfer.dataset}, sample=True)
    material = preparation.prepare_data(read, loading.load_dataset(transfer.dataset, root, "sample"), root, 0)
    train_places = np.flatnonzero(material.split.sides != "test")
    svm = fit_svm(describe_tracks(material.features, train_places), _get_labels(material.dataset)[train_places])
    # with the features of the training data
    real, features = preparation.read_features(read, loading.load_folder(folder), root, material.clip)
    labels = _get_labels(real)
    right = svm.predict(describe_tracks(features, np.arange(len(labels)))) == labels
    groups = np.array(real.groups)
    accuracy, interval = metrics.compute_mean_and_interval(right.astype(float), groups, recipe_comparison.DRAWS)
    return {
        "accuracy": accuracy,
        "interval": interval,
        "files": len(labels),
        "groups": len(set(real.groups)),
        "per_class": {name: round(float(right[labels == name].mean()), 4) for name in sorted(set(labels))},
    }


def _get_labels(dataset: Dataset) -> np.ndarray:
    """Return the class name of each example."""
    return np.array([example.label for example in dataset.examples])


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per renderer and per test."""
    sentences = [f"sample data of {dataset} rendered with {player}" for dataset, player in results["renderer"].items()]
    for row in results["rows"]:
        interval = recipe_comparison.format_interval(row["interval"])
        recalls = ", ".join(f"{name} {share:.2f}" for name, share in row["per_class"].items())
        sentences.append(
            f"{row['real']} ({row['files']} files in {row['groups']} groups), {row['way']} trained on sample data of "
            f"seed {row['seed']}: accuracy {row['accuracy']:.3f}{interval}; recall: {recalls}"
        )
    return sentences
