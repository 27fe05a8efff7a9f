"""What runs that were trained on sample data alone answer about real recordings, beside an SVM on MFCC statistics.

    MUSICML_SHARED_DATA=DIR python -m benchmarks synthetic_to_real

Each pretrained experiment is trained on the sample data of its data set, and is then asked about a folder of real
clips (`gtzan_clips` and `instrument_clips` in DIR), of which nothing has been learned. The rival has the same training
files.
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
SEEDS = (0, 1, 2)  # of the sample data; the default is 0
RIVAL = "MFCC statistics, SVM"
DRUMS = "drum"  # a class of the run for three of the folder
FOUR = {"guitar": ("Acoustic_guitar",), "violin": ("Violin_or_fiddle",), "piano": ("Piano",), DRUMS: recipes.DRUMS}


@dataclass(frozen=True)
class Transfer:
    """One experiment, and how the real clips that it is asked about are laid out: given where they are, and where to.

    `dataset` is the set whose sample it is trained on.
    """

    experiment: str
    dataset: str
    lay_out: Callable[[Path, Path], None]


def lay_out_genres(clips: Path, folder: Path) -> None:
    """Link the clips of both sides into one folder of class folders, with their artists as groups."""
    groups = {row["file"]: row["group"] for row in files.read_csv(clips / "groups.csv")}
    rows = []
    for path in sorted(clips.glob("*/*/*.flac")):
        side, genre = path.parts[-3:-1]
        name = f"{genre}/{side}-{path.name}"
        link_file(path, folder / name)
        rows.append({"file": name, "group": groups[f"{side}/{genre}/{path.name}"]})
    files.write_csv(folder / "groups.csv", rows, ["file", "group"])


def lay_out_sounds(clips: Path, folder: Path) -> None:
    """Link the clips of guitars, violins, pianos and three kinds of drums into four class folders."""
    for name, parts in FOUR.items():
        for part in parts:
            for path in sorted((clips / part).iterdir()):
                link_file(path, folder / name / f"{part}-{path.name}")


def link_file(path: Path, link: Path) -> None:
    """Make a link, and the folder that it lies in."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path.absolute())


TRANSFERS = {
    "gtzan_clips": Transfer("genre_musicnn", "gtzan", lay_out_genres),
    "instrument_clips": Transfer("instrument_sounds_musicnn", "instrument_sounds", lay_out_sounds),
}


def measure(root: Path) -> dict[str, Any]:
    """Train on sample data of several seeds, and ask about real clips.

    Parameters
    ----------
    root : the folder of data sets; beside it, a folder a seed keeps sample data, weights, features and runs

    Returns
    -------
    dict of `renderer`, data set -> what played its sample data, and `rows`: each with `real` (the folder of clips),
    `seed`, `way`, `accuracy`, `interval` over groups, `files`, `groups` and `per_class`, the share of each class that
    is right
    """
    rows = []
    for seed in SEEDS:
        place = root.parent / f"seed{seed}/data"
        download_musicnn(place)
        datasets = [one.dataset for one in TRANSFERS.values()]
        generate.generate_sample_data(place / "sample", seed, datasets)
        for name, transfer in TRANSFERS.items():
            with tempfile.TemporaryDirectory() as folder:
                transfer.lay_out(recipes.shared() / name, Path(folder))
                asked = {transfer.experiment: ask_run, RIVAL: ask_rival}
                rows += [
                    {"real": name, "seed": seed, "way": way, **ask(transfer, place, Path(folder))}
                    for way, ask in asked.items()
                ]
    return {"renderer": {one.dataset: _describe_sounds(one.dataset) for one in TRANSFERS.values()}, "rows": rows}


def _describe_sounds(dataset: str) -> str:
    """Say what played a set of sample data."""
    return ", ".join(renderer.describe_renderer(generate.PLAYED[dataset]).values())


def ignore(words: str) -> None:
    """Say nothing."""


def ask_run(transfer: Transfer, root: Path, folder: Path) -> dict[str, Any]:
    """A run of the experiment on sample data, scored on a folder of real clips."""
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


def ask_rival(transfer: Transfer, root: Path, folder: Path) -> dict[str, Any]:
    """An SVM on MFCC statistics of the same training files, scored on the same real clips."""
    read = config.read_experiment(ROOT / "experiments/genre_gru.toml", {"data.dataset": transfer.dataset}, sample=True)
    material = preparation.prepare_data(read, loading.load_dataset(transfer.dataset, root, "sample"), root, 0)
    train_places = np.flatnonzero(material.split.sides != "test")
    taught = label_examples(material.dataset)[train_places]
    svm = fit_svm(describe_tracks(material.features, train_places), taught)
    real, found = preparation.read_features(read, loading.load_folder(folder), root, material.clip)
    labels = label_examples(real)
    right = svm.predict(describe_tracks(found, np.arange(len(labels)))) == labels
    groups = np.array(real.groups)
    accuracy, interval = metrics.compute_mean_and_interval(right.astype(float), groups, recipe_comparison.DRAWS)
    return {
        "accuracy": accuracy,
        "interval": interval,
        "files": len(labels),
        "groups": len(set(real.groups)),
        "per_class": {name: round(float(right[labels == name].mean()), 4) for name in sorted(set(labels))},
    }


def label_examples(dataset: Dataset) -> np.ndarray:
    """The name of each example's class."""
    return np.array([example.label for example in dataset.examples])


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    said = [f"sample data of {dataset} made by {player}" for dataset, player in measured["renderer"].items()]
    for row in measured["rows"]:
        between = recipe_comparison.between(row["interval"])
        each = ", ".join(f"{name} {share:.2f}" for name, share in row["per_class"].items())
        said.append(
            f"{row['real']} ({row['files']} files in {row['groups']} groups), {row['way']} trained on sample data of "
            f"seed {row['seed']}: accuracy {row['accuracy']:.3f}{between}; right of each class: {each}"
        )
    return said
