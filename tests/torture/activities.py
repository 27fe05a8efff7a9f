"""What is killed: trainings, evaluations, computations of features, downloads and searches, each as a command."""

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
    """A server that takes its time, and whose connections end after a part of the file."""

    def fault(self) -> Fault:
        """End this answer a part behind the byte that it begins with."""
        time.sleep(WAIT)
        begin = self.seen[-1].headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        longest = max(map(len, self.files.values()))
        return Fault(cut=int(begin or 0) + longest // PARTS + 1)


@dataclass
class Material:
    """What all commands work on, made once below the folder `root`."""

    root: Path
    storage: Server = field(default_factory=lambda: Breaking())

    @cached_property
    def tones(self) -> Path:
        """Three classes of tones, eight of a second each."""
        return write_tones(self.root / "tones", 8)

    @cached_property
    def many_tones(self) -> Path:
        """The same classes, 60 tones of each."""
        return write_tones(self.root / "many_tones", 60)

    @cached_property
    def question(self) -> Path:
        """A tone that no run knows."""
        write_tone(self.root / "question.wav", 210)
        return self.root / "question.wav"

    @cached_property
    def urls(self) -> dict[str, str]:
        """A Kaggle on loopback with an archive of pictures, whose connections end after a part of it."""
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
    """A command that can be killed, and what has to hold afterwards.

    Attributes
    ----------
    name : how counts and `--only` name it
    material : what it works on
    changes : what is changed in its process, as `Command` takes it
    """

    name: str
    material: Material
    changes: dict[str, Any] = field(default_factory=dict)

    def prepare(self, place: Path) -> None:  # noqa: B027 most commands need nothing
        """Put what the command needs into the new folder `place`."""

    @abstractmethod
    def words(self, place: Path) -> Sequence[Any]:
        """The command, or where it goes on what its user would type then; none where there is nothing left to do."""

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """What is wrong at any moment, by its kind."""
        store = "data/.features"
        return {
            "unreadable": checks.find_unreadable(place / "runs", self.material.question),
            "wrong features": checks.find_wrong_features(place / store, uncut / store),
        }

    @abstractmethod
    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """What is wrong at the end, where all has to equal what an uncut command left."""

    def find_leftovers(self, place: Path) -> list[str]:
        """What should be gone at the end."""
        return []

    def measure(self, place: Path) -> list[checks.Progress]:
        """How far each training is that is not at its end."""
        return [found for run in checks.find_runs(place / "runs") if (found := checks.measure_progress(run))]


class Training(Activity):
    """`musicml train`, which goes on with `--resume`."""

    @property
    def folder(self) -> Path:
        """What it trains on."""
        return self.material.tones

    def words(self, place: Path) -> Sequence[Any]:
        """Train, or resume the run that is there."""
        for run in list_runs(place / "runs"):
            return [] if run.is_complete else ["train", "--resume", run.path]
        experiment = self.material.experiment(self.name)
        roots = ["--data-root", place / "data", "--runs", place / "runs"]
        return ["train", experiment, "--folder", self.folder, *roots, "--deterministic"]

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """There is one whole run, equal to the uncut one."""
        (wanted,), found = list_runs(uncut / "runs"), list_runs(place / "runs")
        if len(found) != 1 or not found[0].is_complete:
            return [f"{[(run.name, run.status) for run in found]} in place of one whole run"]
        return checks.find_differences(found[0], wanted)

    def find_leftovers(self, place: Path) -> list[str]:
        """Half written files, checkpoints and half computed features are gone."""
        return checks.find_leftovers(place / "runs", place / "data/.features")


class Features(Training):
    """The same on many files, whose features several processes compute."""

    @property
    def folder(self) -> Path:
        """What it trains on."""
        return self.material.many_tones


@dataclass(frozen=True)
class Evaluation(Training):
    """`musicml evaluate` of a run that is trained and not yet scored; `base` is that of an uncut training."""

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
    """`musicml fetch`, which goes on with what came."""

    def words(self, place: Path) -> Sequence[Any]:
        """Fetch, however often."""
        return ["fetch", PICTURES, "--data-root", place / "data"]

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """The data set is whole or not there, and what came of the archive is its beginning."""
        faults = self.find_differences(place, uncut) if (place / "data" / PICTURES).exists() else []
        content = self.material.storage.files[ARCHIVE]
        for path in (place / "data/.archives").glob("*.zip*"):
            if path.suffix != ".json" and not content.startswith(path.read_bytes()):
                faults.append(f"{path} is not the beginning of the archive")
        return {"wrong data": faults}

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """Every file is that of the uncut download."""
        ours, theirs = (list_contents(root / "data" / PICTURES) for root in (place, uncut))
        return [
            f"{name} is not as it was published" for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)
        ]


class Search(Activity):
    """`musicml tune`, which goes on with the same command."""

    def words(self, place: Path) -> Sequence[Any]:
        """Search, however often."""
        roots = ["--data-root", place / "data", "--runs", place / "runs"]
        experiment = self.material.experiment(self.name)
        return ["tune", experiment, "--folder", self.material.tones, *roots, "--trials", TRIALS, "--json"]

    def find_faults(self, place: Path, uncut: Path) -> dict[str, list[str]]:
        """Every file of a trial that has a name can be read."""
        found = super().find_faults(place, uncut)
        try:
            checks.read_files(place / "runs")
        except Exception as error:
            found["unreadable"].append(f"a file of a search can't be read: {error}")
        return found

    def find_differences(self, place: Path, uncut: Path) -> list[str]:
        """The same trials were made, with the same figures."""
        ours, theirs = (read_trials(root) for root in (place, uncut))
        return [] if ours == theirs and len(ours) == TRIALS else [f"the trials are {ours}, and were {theirs}"]


def read_trials(place: Path) -> list[tuple[Any, ...]]:
    """What a search kept of its trials, but their time."""
    (path,) = (place / "runs/tunes").glob("*/best.json")
    return [(one["number"], one["options"], one["value"]) for one in json.loads(path.read_text())["trials"]]


def list_contents(folder: Path) -> dict[str, bytes]:
    """The content of each file below a folder, but what says when it came."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "SOURCE.json"}


def make_activities(material: Material) -> list[Activity]:
    """All activities, in the order in which cases take them; an evaluation comes after what it is based on."""
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
