"""The commands to kill: trainings, evaluations, computations of features, downloads and searches."""

from __future__ import annotations

import json
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from musicml.data.synthetic import generate
from musicml.experiment import list_runs
from tests.conftest import TONES, write_tone
from tests.fixtures.fake_servers import Fault, Kaggle, Server, zipped
from tests.torture import checks

CLASSES = {"low": 200, "middle": 800, "high": 2500}  # Hz
EPOCHS = 12
TRIALS = 6
SCORED = ("report.json", "predictions.csv", "clips.npz")
PICTURES = "instrument_images"
ARCHIVE = "/gpiosenka/musical-instruments-image-classification/7/archive.zip"
PARTS = 8  # connections that a download takes
WAIT = 0.05  # seconds until each begins

SOUND = TONES.partition("[model]")[0].replace("[features]", 'split = "{split}"\nfolds = {folds}\n[features]')
SOUND += '[model]\nfamily = "{family}"\n'
LEARNED = f"[training]\nepochs = {EPOCHS}\nbatch_size = 8\n"
SEARCH = "[tune]\nmodel.n_estimators = {low = 3, high = 40}\nmodel.max_depth = {low = 2, high = 9}\n"
MODELS = {
    "network": ("cnn", 1, "filters = [4, 8]\n" + LEARNED + 'ema = 0.9\nkeep = "last"\n[augment]\nmixup = 0.2\n'),
    "recurrent": (
        *("recurrent", 1),
        'cell = "gru"\nunits = [6]\ndropout = 0.3\n' + LEARNED + "plateau_patience = 2\nearly_stopping = 9\n",
    ),
    "stages": (
        *("transfer", 1),
        'backbone = "mobilenet"\nweights = "none"\nalpha = 0.25\nside = 32\ndense_units = 4\n'
        + LEARNED
        + f"finetune_epochs = {EPOCHS // 2}\nfinetune_layers = 0.1\n",
    ),
    "folds": ("cnn", 3, "filters = [4]\n" + LEARNED),
    "forest": ("forest", 1, "n_estimators = 20\n"),
    "features": ("forest", 1, "n_estimators = 3\n"),
    "svm": ("svm", 1, ""),
    "search": ("forest", 1, "n_estimators = 20\n" + SEARCH),
}


class Breaking(Server):
    """A slow server whose connections end after a part of the file."""

    def fault(self) -> Fault:
        """End this answer a part behind the byte that it begins with."""
        time.sleep(WAIT)
        begin = self.seen[-1].headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        longest = max(map(len, self.files.values()))
        return Fault(cut=int(begin or 0) + longest // PARTS + 1)


@dataclass
class Material:
    """The data of all commands, made once in the folder `root`."""

    root: Path
    storage: Server = field(default_factory=lambda: Breaking())

    @cached_property
    def tones(self) -> Path:
        """Make three classes with eight tones each, of one second."""
        return write_tones(self.root / "tones", 8)

    @cached_property
    def many_tones(self) -> Path:
        """Make the same classes with 60 tones each."""
        return write_tones(self.root / "many_tones", 60)

    @cached_property
    def question(self) -> Path:
        """Make a tone that no run was trained on."""
        write_tone(self.root / "question.wav", 210)
        return self.root / "question.wav"

    @cached_property
    def urls(self) -> dict[str, str]:
        """Start a local Kaggle server with an archive of pictures, whose connections end early."""
        generate.generate_sample_data(self.root / "made", only=[PICTURES], scale=0.02)
        content = zipped(self.root / "made" / PICTURES, self.root / "pictures.zip", "30 Musical Instruments/")
        self.storage.files[ARCHIVE] = content
        return {"kaggle": Kaggle(self.storage).url}

    def experiment(self, name: str) -> Path:
        """The experiment file of a model."""
        family, folds, rest = MODELS[name]
        path = self.root / f"{name}.toml"
        if not path.is_file():
            path.write_text(SOUND.format(family=family, folds=folds, split="group" if folds > 1 else "official") + rest)
        return path


def write_tones(root: Path, count: int) -> Path:
    """A folder of `count` tones of each class."""
    for name, hertz in CLASSES.items():
        for number in range(count):
            write_tone(root / name / f"{number}.wav", hertz * (1 + 0.002 * number), seed=number)
    return root


@dataclass(frozen=True)
class Activity(ABC):
    """A command to kill, and the conditions to check afterwards.

    Attributes
    ----------
    name : name in counts and for `--only`
    material : the data that it uses
    changes : changes to its process, as in `Command`
    """

    name: str
    material: Material
    changes: dict[str, Any] = field(default_factory=dict)

    def prepare(self, place: Path) -> None:  # noqa: B027 most commands need nothing
        """Put what the command needs into the new folder `place`."""

    @abstractmethod
    def words(self, place: Path) -> Sequence[Any]:
        """Return the command that starts or continues the work, or nothing if it is complete."""

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """Find faults that must not occur at any moment, by kind."""
        store = "data/.features"
        return {
            "unreadable": checks.find_unreadable(place / "runs", self.material.question),
            "wrong features": checks.find_wrong_features(place / store, uncut / store),
        }

    @abstractmethod
    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """Find differences from the results of an uninterrupted command, at the end."""

    def find_leftovers(self, place: Path) -> list[str]:
        """Find files that should have been deleted at the end."""
        return []

    def measure(self, place: Path) -> list[checks.Progress]:
        """Return the progress of each unfinished training."""
        return [found for run in checks.find_runs(place / "runs") if (found := checks.measure_progress(run))]


class Training(Activity):
    """`musicml train`, continued with `--resume`."""

    @property
    def folder(self) -> Path:
        """What it trains on."""
        return self.material.tones

    def words(self, place: Path) -> Sequence[Any]:
        """Return the command that trains, or resumes the existing run."""
        for run in list_runs(place / "runs"):
            return [] if run.is_complete else ["train", "--resume", run.path]
        experiment = self.material.experiment(self.name)
        roots = ["--data-root", place / "data", "--runs", place / "runs"]
        return ["train", experiment, "--folder", self.folder, *roots, "--deterministic"]

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """Check that there is one complete run, equal to the uninterrupted one."""
        (wanted,), found = list_runs(uncut / "runs"), list_runs(place / "runs")
        if len(found) != 1 or not found[0].is_complete:
            return [f"{[(run.name, run.status) for run in found]} in place of one whole run"]
        return checks.find_differences(found[0], wanted)

    def find_leftovers(self, place: Path) -> list[str]:
        """Find incomplete files, checkpoints and incomplete features."""
        return checks.find_leftovers(place / "runs", place / "data/.features")


class Features(Training):
    """The same on many files, whose features several processes compute."""

    @property
    def folder(self) -> Path:
        """What it trains on."""
        return self.material.many_tones


@dataclass(frozen=True)
class Evaluation(Training):
    """`musicml evaluate` of a trained run; `base` is the uninterrupted training."""

    base: Path = Path()

    def prepare(self, place: Path) -> None:
        """Copy the run and take its results away."""
        shutil.copytree(self.base / "runs", place / "runs")
        for run in list_runs(place / "runs"):
            for name in SCORED:
                (run.path / name).unlink()

    def words(self, place: Path) -> Sequence[Any]:
        """Evaluate, however often."""
        (run,) = list_runs(place / "runs")
        return [] if run.is_complete else ["evaluate", run.path]


class Download(Activity):
    """`musicml fetch`, which resumes the download."""

    def words(self, place: Path) -> Sequence[Any]:
        """Fetch, however often."""
        return ["fetch", PICTURES, "--data-root", place / "data"]

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """Check that the dataset is complete or missing, and that a partial archive is its beginning."""
        faults = self.find_differences(place, uncut) if (place / "data" / PICTURES).exists() else []
        content = self.material.storage.files[ARCHIVE]
        for path in (place / "data/.archives").glob("*.zip*"):
            if path.suffix != ".json" and not content.startswith(path.read_bytes()):
                faults.append(f"{path} is not the beginning of the archive")
        return {"wrong data": faults}

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """Check that each file equals that of the uninterrupted download."""
        ours, theirs = (list_contents(root / "data" / PICTURES) for root in (place, uncut))
        return [
            f"{name} is not as it was published" for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)
        ]


class Search(Activity):
    """`musicml tune`, continued with the same command."""

    def words(self, place: Path) -> Sequence[Any]:
        """Search, however often."""
        roots = ["--data-root", place / "data", "--runs", place / "runs"]
        experiment = self.material.experiment(self.name)
        return ["tune", experiment, "--folder", self.material.tones, *roots, "--trials", TRIALS, "--json"]

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """Check that all files of trials can be read."""
        found = super().find_faults(place, uncut)
        try:
            checks.read_files(place / "runs")
        except Exception as error:
            found["unreadable"].append(f"a file of a search can't be read: {error}")
        return found

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """Check that the trials and their results are the same."""
        ours, theirs = (read_trials(root) for root in (place, uncut))
        return [] if ours == theirs and len(ours) == TRIALS else [f"the trials are {ours}, and were {theirs}"]


def read_trials(place: Path) -> list[tuple[Any, ...]]:
    """Return the trials of a search without their times."""
    (path,) = (place / "runs/tunes").glob("*/best.json")
    return [(one["number"], one["options"], one["value"]) for one in json.loads(path.read_text())["trials"]]


def list_contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below a folder, without dates."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "SOURCE.json"}


def make_activities(material: Material) -> list[Activity]:
    """Make all activities, in the order of the cases. An evaluation comes after its training."""
    urls = {"ask_servers": material.urls}
    return [
        Training("network", material),
        Features("features", material, {"start_workers": True}),
        Download("download", material, urls),
        Search("search", material),
        Evaluation("evaluation", material, base=material.root / "uncut/network"),
        Training("svm", material),
        Training("folds", material),
        Training("recurrent", material),
        Training("forest", material),
        Training("stages", material),
    ]
