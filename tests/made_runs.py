"""Whole run folders made up in a fifth of a second without a training, for tests and benchmarks of what reads runs.

    run = make(root, "genre_gru-20260301T141205-s0", family="gru")            # invented examples
    run = make(root, family="transfer", dataset=load("instrument_images", data_root))  # the data set's own test files
    broken = make(root, family="cnn", status="broken", damage="predictions cut")
    fifty = many(root)

Every file is in the real format, and as far as possible written by the code that writes the real one; no model is
there, and no figure means anything. tests/test_made_runs.py holds them against trained runs.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import json
import os
import platform
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from musicml import (
    audio,
    calibrate,
    datasets,
    evaluate,
    files,
    learn,
    prepare,
    runs,
    serving,
    splits,
    store,
    train,
)
from musicml import experiment as experiments
from musicml.datasets import Dataset, Example, Excluded
from musicml.experiment import Experiment
from musicml.options import as_table
from musicml.predict import Prediction
from musicml.runs import Run

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
PICTURED = (
    *("Didgeridoo", "Tambourine", "Xylophone", "acordian", "alphorn", "bagpipes", "banjo", "bongo drum", "casaba"),
    *("castanets", "clarinet", "clavichord", "concertina", "drums", "dulcimer", "flute", "guiro", "guitar"),
    *("harmonica", "harp", "marakas", "ocarina", "piano", "saxaphone", "sitar", "steel drum", "trombone", "trumpet"),
    *("tuba", "violin"),
)
HEARD = (
    *("accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar", "mallet_percussion"),
    *("mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin", "voice"),
)
OF_DATA_SET = {  # task, kind, what the classes are, their names
    "gtzan": ("single", "sound", "genre", GENRES),
    "instrument_images": ("single", "picture", "instrument", PICTURED),
    "instrument_sounds": ("single", "sound", "instrument", ("drum", "guitar", "piano", "violin")),
    "openmic": ("multi", "sound", "instrument", HEARD),
}
FAMILIES = {  # the name of a preset → its experiment
    "cnn": "genre_cnn",
    "gru": "genre_gru",
    "lstm": "genre_lstm",
    "transfer": "instrument_images_resnet50",
    "vgg16": "instrument_images_vgg16",
    "mobilenet": "instrument_images_mobilenet",
    "sounds": "instrument_sounds_resnet50",
    "multi": "openmic_cnn",
    "vggish": "openmic_vggish_cnn",
    "forest": "openmic_forest",
}
STATUSES = ("whole", "trained", "training", "started", "broken")
HISTORY = ["stage", "epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds"]


def family(name: str) -> dict[str, Any]:
    """What `make` takes of a preset: experiment, task, kind and class names."""
    experiment = FAMILIES[name]
    task, kind, _, class_names = OF_DATA_SET[experiments.read(EXPERIMENTS / f"{experiment}.toml").data.dataset]
    return {"experiment": experiment, "task": task, "kind": kind, "class_names": class_names}


def make(
    root: Path,
    name: str | None = None,
    *,
    family: str = "cnn",
    experiment: str | Path | None = None,
    dataset: Dataset | None = None,
    task: str | None = None,
    kind: str | None = None,
    class_names: tuple[str, ...] | None = None,
    n: int | None = None,
    seed: int = 0,
    status: str = "whole",
    damage: str = "report damaged",
    sample: bool = True,
    overrides: Mapping[str, Any] | None = None,
    stages: int = 1,
    epochs: int | None = None,
    skill: float = 2.5,
    groups: int | None = None,
    excluded: int = 3,
    started: datetime.datetime | None = None,
    draws: int = 40,
) -> Run:
    """Make up a run.

    Parameters
    ----------
    root : the folder of all runs
    name : of the run's folder; made of experiment, `started` and seed where it is None
    family : a preset, one of `FAMILIES`; `experiment` names one of experiments/, or another file, in its place
    dataset : whose split and test files the run has, none of them read; None for invented examples without files
    task, kind, class_names : of invented examples, where they shall not be those of the experiment's data set
    n : predictions; None for 120, or the whole test side of `dataset`; never more than that
    seed : of the scores, and the run's own
    status : one of `STATUSES`; `trained` has no predictions yet, `training` some epochs, `broken` one `damage`
    damage : one of `DAMAGES`
    sample : whether invented data says that it is generated; a `dataset` says it itself
    overrides : as after `--set`
    stages : of the history, 1 or 2: the head alone, then all
    epochs : of each stage, at most; None for as many as the experiment trains
    skill : how well it answers; 0 is guessing
    groups : how many groups the invented test examples make; None for one of four examples each, 1 for no interval
    excluded : how many files were left out of an invented data set
    started : when; from `name` where it tells, else now
    draws : of the bootstrap; 40 are a twentieth of a report's time, and give no interval to rely on

    Returns
    -------
    Run, whole or as far as `status` says
    """
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, and is {status!r}")
    file = experiment if isinstance(experiment, Path) else EXPERIMENTS / f"{experiment or FAMILIES[family]}.toml"
    found = experiments.read(file, overrides, sample if dataset is None else dataset.sample)
    if dataset is None:
        names = tuple(class_names) if class_names else None
        dataset = invented(
            found.data.dataset, found.kind, task, kind, names, n or 120, groups, excluded, sample, Path(root)
        )
    plan = Plan(found, material_of(found, dataset, seed), n, seed, stages, epochs, skill, draws)
    run = begin(Path(root), name, plan, started)
    if status == "started":
        return run
    write_history(run, plan, cut=status == "training")
    if status == "training":
        write_checkpoints(run)
        return run
    finish(run, plan)
    if status != "trained":
        write_answers(run, plan)
    if status == "broken":
        DAMAGES[damage](run.path)
    return run


def many(root: Path, runs: int = 50, n: int = 1000, seed: int = 0, draws: int = 20) -> list[Run]:
    """`runs` whole runs of `n` predictions each, over four data sets and ten presets, one a quarter of an hour."""
    first = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
    names = list(FAMILIES)
    return [
        make(
            root,
            family=names[place % len(names)],
            n=n,
            seed=seed + place,
            skill=1.5 + 0.04 * (place % 40),
            started=first + datetime.timedelta(minutes=15 * place),
            draws=draws,
        )
        for place in range(runs)
    ]


@dataclass
class Plan:
    """What a made-up run is made of."""

    experiment: Experiment
    material: learn.Material
    n: int | None
    seed: int
    stages: int
    epochs: int | None
    skill: float
    draws: int
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        """The readable examples."""
        return self.material.dataset

    def rng(self, part: int) -> np.random.Generator:
        """Where one part of its numbers comes from: another for each experiment and seed."""
        return np.random.default_rng([self.seed, part, zlib.crc32(self.experiment.name.encode())])

    @property
    def is_forest(self) -> bool:
        """Whether nothing of it is Keras's."""
        return self.experiment.family == "forest"

    @functools.cached_property
    def layers(self) -> list[dict[str, Any]]:
        """What layers.json says."""
        return layers_of(self.experiment, input_shape(self.experiment, self.material.clip), self.dataset, self.seed)


# What it is about


@functools.lru_cache(maxsize=32)
def invented(
    name: str,
    features: str,
    task: str | None,
    kind: str | None,
    class_names: tuple[str, ...] | None,
    n: int,
    n_groups: int | None,
    n_excluded: int,
    sample: bool,
    root: Path,
) -> Dataset:
    """A data set with `n` test examples, as many to train on and half as many for validation; no file is there."""
    known = OF_DATA_SET[name]
    task, kind, class_names = task or known[0], kind or known[1], class_names or known[3]
    folder, ending = root / "nowhere" / name, "jpg" if kind == "picture" else "wav"
    rng = np.random.default_rng([n, len(class_names)])
    examples = []
    for side, count in (("train", max(n, len(class_names))), ("val", max(1, n // 2)), ("test", n)):
        for place in range(count):
            own = class_names[place % len(class_names)]
            file = f"{own}/{side}.{place:05d}.{ending}"
            group = f"{own} artist {place // len(class_names) // 4} of {side}"
            if side == "test" and n_groups is not None:
                group = f"artist {place % n_groups}"
            labels = {own: True} if task == "single" else judged(class_names, own, rng)
            examples.append(Example(file, folder, labels, group, side))
    reasons = tuple(
        Excluded(f"{class_names[0]}/bad.{place:05d}.{ending}", "must hold sound, and holds 0 bytes: give it again.")
        for place in range(n_excluded)
    )
    source = {"source": "generated by musicml", "sample": True} if sample else {"source": "made up", "sample": False}
    vggish = np.zeros((len(examples), 10, 128), np.uint8) if features == "vggish" else None
    return Dataset(
        name,
        kind,
        task,
        known[2],
        class_names,
        tuple(examples),
        reasons,
        source,
        ("its files are made up",),
        vggish=vggish,
    )


def judged(class_names: tuple[str, ...], own: str, rng: np.random.Generator) -> dict[str, bool]:
    """A quarter of the classes of an example, as somebody judged them; `own` is present."""
    asked = rng.random(len(class_names)) < 0.25
    present = rng.random(len(class_names)) < 0.4
    return {
        name: bool(there or name == own)
        for name, seen, there in zip(class_names, asked, present, strict=True)
        if seen or name == own
    }


@functools.lru_cache(maxsize=64)
def split_of(key: tuple, dataset: Shown, seed: int) -> tuple[Dataset, splits.Split]:
    """A data set's split, made once for all runs that share it."""
    kind, val, test = key
    return splits.make(dataset.of, kind, val, test, seed)


@dataclass(frozen=True, eq=False)
class Shown:
    """A data set as a key of a cache: it is the same only if it is the same object."""

    of: Dataset

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown) and self.of is other.of


def material_of(experiment: Experiment, dataset: Dataset, seed: int) -> learn.Material:
    """What `prepare.prepare` gives, without features."""
    data = experiment.data
    kept, split = split_of((data.split, data.val_fraction, data.test_fraction), Shown(dataset), seed)
    key = hashlib.blake2b(f"{kept.hash()} {experiment.features}".encode(), digest_size=12).hexdigest()
    nothing = store.Features(np.zeros(0), np.zeros(0, int), np.zeros(0, int), True, key, {})
    return learn.Material(kept, split, nothing, prepare.clip_of(experiment))


def home_of(dataset: Dataset) -> tuple[Path, Path | None]:
    """The data root, and the folder where the data set is one of somebody's own."""
    path = next((above for above in dataset.examples[0].path.parents if above.name == dataset.name), None)
    if path is None:
        return dataset.examples[0].path.parent, None
    if dataset.name not in datasets.NAMES:
        return path.parent, path
    return (path.parent.parent if path.parent.name == "sample" else path.parent), None


def input_shape(experiment: Experiment, clip: dict[str, Any]) -> list[int]:
    """What a model of the experiment takes, without the batch axis."""
    settings = experiment.features
    if experiment.kind == "pixels":
        return [settings.height, settings.width, 3]
    return [clip["n_frames"] or 10, settings.n_bins]


# Its files up to the end of its training


def begin(root: Path, name: str | None, plan: Plan, started: datetime.datetime | None) -> Run:
    """The folder with all that stands in it before the first epoch."""
    told = re.search(r"-(\d{8}T\d{6})-s(\d+)$", name or "")
    if started is None and told:
        started = datetime.datetime.strptime(told[1], "%Y%m%dT%H%M%S").replace(tzinfo=datetime.UTC)
    started = started or datetime.datetime.now(datetime.UTC)
    name = name or f"{plan.experiment.name}-{started:%Y%m%dT%H%M%S}-s{plan.seed}"
    run = Run(runs.new_folder(root, name))
    data_root, folder = home_of(plan.dataset)
    plan.facts = {
        "format_version": runs.FORMAT_VERSION,
        "status": "started",
        "experiment": plan.experiment.name,
        "seed": plan.seed,
        "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "versions": versions(),
        "git_commit": commit(),
        "process": {**runs.process(), "place": "another machine"},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        **train.facts_of(plan.experiment, plan.material, data_root, folder, plan.seed, False),
        **learned_by(plan),
    }
    files.write_text(run.path / "experiment.toml", plan.experiment.text)
    train.write_data(run, plan.material)
    files.write_json(run.path / "run.json", plan.facts)
    return run


versions, commit = functools.cache(runs.versions), functools.cache(runs.git_commit)


def learned_by(plan: Plan) -> dict[str, Any]:
    """What run.json says once the model is built."""
    if plan.is_forest:
        precision = {"policy": "float32", "reason": "scikit-learn's trees"}
        return {"precision": precision, "backend": "scikit-learn", "device": "CPU"}
    weights = None
    if plan.experiment.family == "transfer":
        weights = {"choice": "none", "reason": "as the experiment says"}
        if plan.experiment.model.weights != "none":
            weights = {"choice": "imagenet", "reason": "storage.googleapis.com answered"}
    return {
        "precision": {"policy": "float32", "reason": "CPU is no GPU with a known compute capability"},
        "compile": {"choice": "none", "reason": "as the experiment says"},
        "weights": weights,
        "backend": "tensorflow",
        "device": "CPU",
        "parameters": sum(layer["parameters"] for layer in plan.layers),
    }


def write_history(run: Run, plan: Plan, cut: bool = False) -> None:
    """history.csv of one or two stages; `cut` after some epochs. A forest has none."""
    if plan.is_forest:
        return
    training, rng = plan.experiment.training, plan.rng(0)
    frozen = getattr(plan.experiment.model, "frozen", False)
    names = ["head", "all"] if plan.stages == 2 else ["head" if frozen else "all"]
    epochs = min(plan.epochs or training.epochs, training.epochs)
    rows: list[dict[str, Any]] = []
    for stage, name in enumerate(names):
        rows += epochs_of(name, epochs, training.learning_rate / 10**stage, plan.skill, rng)
    rows = rows[: max(1, len(rows) // 3)] if cut else rows
    has_val = bool(len(plan.material.split.indices("val")))
    columns = [name for name in HISTORY if has_val or not name.startswith("val_")]
    files.write_csv(run.path / "history.csv", [{name: row[name] for name in columns} for row in rows], columns)
    monitor = training.monitor if has_val else "loss"
    watched = [float(row[monitor]) * (-1 if monitor.endswith("accuracy") else 1) for row in rows]
    plan.facts |= {
        "epochs": len(rows),
        "best_epoch": int(rows[int(np.argmin(watched))]["epoch"]),
        "input": {"training_seconds": 20.0 * len(rows), "seconds": 0.4 * len(rows), "share": 0.02},
    }


def epochs_of(stage: str, n: int, rate: float, skill: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The rows of one stage: training goes on falling, validation turns."""
    at = np.arange(n) / max(1, n - 1)
    loss = 2.2 * np.exp(-skill * at) + 0.02 * rng.random(n)
    val_loss = 2.3 * np.exp(-0.5 * skill * at) + 0.5 * at**2 + 0.1 * rng.random(n)
    figures = {
        "accuracy": 1 - 0.35 * loss,
        "loss": loss,
        "val_accuracy": np.clip(1 - 0.35 * val_loss, 0, 1),
        "val_loss": val_loss,
        "learning_rate": np.full(n, rate),
    }
    return [
        {
            "stage": stage,
            "epoch": place + 1,
            **{name: f"{values[place]:.6g}" for name, values in figures.items()},
            "seconds": f"{1 + rng.random():.3f}",
        }
        for place in range(n)
    ]


def write_checkpoints(run: Run) -> None:
    """checkpoints/, as a training has it that goes on or was killed."""
    folder = run.path / "checkpoints"
    folder.mkdir()
    facts = json.dumps({"epoch": 3, "best": 1.5, "best_epoch": 2, "others": []})
    np.savez(folder / "state.npz", v0=np.zeros(4, np.float32), facts=facts)
    np.savez(folder / "best.npz", v0=np.zeros(4, np.float32))


def finish(run: Run, plan: Plan) -> None:
    """All that a training writes at its end but the model: layers.json, serving.json, the last of run.json."""
    files.write_json(run.path / "layers.json", plan.layers)
    rng, dataset, n_val = plan.rng(1), plan.dataset, len(plan.material.split.indices("val"))
    calibrated = n_val >= calibrate.FEWEST
    multi, n_classes = dataset.task == "multi", len(dataset.class_names)
    with stand_in(run.path / ("model.skops" if plan.is_forest else "model.keras")) as model:
        serving.write(
            run,
            model,
            task=dataset.task,
            answers=dataset.answers,
            kind=plan.experiment.kind,
            features=as_table(plan.experiment.features),
            clips=plan.material.clip,
            input_shape=input_shape(plan.experiment, plan.material.clip),
            normalisation="inside the model",
            temperature=round(1 + float(rng.random()), 4) if calibrated else 1.0,
            thresholds=(0.3 + 0.4 * rng.random(n_classes)).round(6).tolist() if multi else [0.5] * n_classes,
            calibrated_on=n_val if calibrated else 0,
            unlike=unlike_of(len(traits_of(plan)), n_val),
            asks_for="features" if plan.experiment.kind == "vggish" else "file",
        )
    exported = {"exported": rng.bytes(16).hex(), "export": "exported; differs from the original by at most 3.1e-07"}
    plan.facts |= {**exported, "status": "trained", "train_seconds": round(5 + 20 * float(rng.random()), 1)}
    files.write_json(run.path / "run.json", plan.facts)


@contextlib.contextmanager
def stand_in(model: Path) -> Iterator[Path]:
    """A file in the model's place while its digest is taken."""
    model.write_bytes(b"no model")
    yield model
    model.unlink()


def traits_of(plan: Plan) -> np.ndarray:
    """The traits of noise, for how many there are."""
    shape = input_shape(plan.experiment, plan.material.clip)
    return calibrate.traits(np.random.default_rng(0).random(shape), plan.experiment.kind)


@functools.cache
def unlike_of(n_traits: int, n_val: int) -> dict[str, Any] | None:
    """How to tell what is unlike training, fitted on noise."""
    rng = np.random.default_rng(0)
    return calibrate.fit_unlike(rng.standard_normal((n_val + 60, n_traits)), rng.standard_normal((n_val, n_traits)))


# Its answers


def write_answers(run: Run, plan: Plan) -> None:
    """predictions.csv, clips.npz and report.json, as `evaluate` writes them."""
    served = run.read("serving.json")
    examples = [plan.dataset.examples[place] for place in plan.material.split.indices("test")][: plan.n]
    targets = plan.dataset.targets()[plan.material.split.indices("test")][: plan.n].astype(float)
    groups = [example.group for example in examples]
    predictions = answers(plan, served, examples, targets)
    answered = evaluate.Answered(predictions, targets, groups, [], np.array(served["thresholds"]))
    evaluate.write_predictions(run, answered, plan.dataset.task)
    files.write_json(run.path / "report.json", judged_as(run, plan, answered))


def answers(plan: Plan, served: dict[str, Any], examples: list[Example], targets: np.ndarray) -> list[Prediction]:
    """What the run answers for each example, with the raw scores of its clips."""
    rng, clip, task = plan.rng(2), plan.material.clip, plan.dataset.task
    starts = [starts_of(example.path, plan.experiment, clip) for example in examples]
    raw = np.split(
        clip_scores(targets, [len(one) for one in starts], plan.skill, served["temperature"], task, rng),
        np.cumsum([len(one) for one in starts])[:-1],
    )
    means = np.stack([scores.mean(axis=0) for scores in raw])
    calibrated = calibrate.temper(means, served["temperature"], task)
    limit = (served["unlike"] or {}).get("limit")
    far = rng.random(len(examples)) * 1.04
    return [
        Prediction(
            example.id,
            list(plan.dataset.class_names),
            calibrated[place],
            starts[place],
            raw[place],
            served["thresholds"],
            task=task,
            temperature=served["temperature"],
            unlike={"distance": limit * far[place], "limit": limit} if limit else None,
        )
        for place, example in enumerate(examples)
    ]


def starts_of(path: Path, experiment: Experiment, clip: dict[str, Any]) -> np.ndarray:
    """Where each clip of a file begins, in seconds, [shape=(n_clips,)]: of a file that is not there, thirty seconds."""
    if clip["n_frames"] is None:
        return np.zeros(1)
    settings = experiment.features
    n_samples = max(round(seconds_of(path) * settings.sample_rate), clip["least_samples"])
    places = audio.starts(settings.n_frames(n_samples), clip["n_frames"], clip["hop_frames"])
    return places * clip["frame_seconds"]


@functools.lru_cache(maxsize=10_000)
def seconds_of(path: Path) -> float:
    """How long a sound is."""
    try:
        return soundfile.info(path).duration
    except soundfile.LibsndfileError:
        return 30.0


def clip_scores(
    targets: np.ndarray, n_clips: list[int], skill: float, temperature: float, task: str, rng: np.random.Generator
) -> np.ndarray:
    """Raw scores of clips [shape=(n_clips_of_all, n_classes)], float32; surer than right by the temperature."""
    n, n_classes = targets.shape
    truth = np.where(np.isnan(targets), rng.random((n, n_classes)) < 0.3, targets)
    ease = skill * rng.uniform(0.6, 1.3, n_classes)  # some classes are harder than others
    logits = rng.standard_normal((n, n_classes))
    logits += truth * ease if task == "single" else 0.6 * (truth - 0.5) * ease
    logits *= max(0.5, skill if task == "single" else 0.6 * skill)  # by Bayes's rule, what they are then worth
    logits = np.repeat(logits, n_clips, axis=0)
    logits = temperature * (logits + 0.5 * rng.standard_normal(logits.shape))
    if task == "multi":
        return (1 / (1 + np.exp(-logits))).astype(np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def judged_as(run: Run, plan: Plan, answered: evaluate.Answered) -> dict[str, Any]:
    """report.json as `evaluate` makes it, with fewer draws of the bootstrap."""
    return {
        "run": run.name,
        "split": "test",
        **evaluate.judge(run, answered, plan.draws),
        "unreadable": [],
        "sample": plan.dataset.sample,
        "protocol": plan.facts["protocol"],
    }


# Its layers, as Keras names and counts them


def layers_of(experiment: Experiment, shape: list[int], dataset: Dataset, seed: int) -> list[dict[str, Any]]:
    """What layers.json says of a model of the experiment."""
    options, n_classes = experiment.model, len(dataset.class_names)
    if experiment.family == "forest":
        return trees(options, n_classes, shape[1], seed)
    stack = Stack()
    {"cnn": cnn, "recurrent": recurrent, "transfer": transfer}[experiment.family](stack, options, shape)
    if options.dense_units:
        stack.dense("hidden", options.dense_units)
    if options.dropout:
        stack.add("dropout", "Dropout", stack.shape)
    stack.dense(dataset.answers, n_classes)
    return stack.layers


class Stack:
    """Layers one upon another; each reads the last one unless it says otherwise."""

    def __init__(self):
        self.layers: list[dict[str, Any]] = []

    @property
    def shape(self) -> list[int]:
        return self.layers[-1]["output_shape"]

    def add(self, name, kind, shape, parameters=0, trainable=None, reads=None) -> str:
        last = [self.layers[-1]["name"]] if self.layers else []
        self.layers.append(
            {
                "name": name,
                "kind": kind,
                "output_shape": list(shape),
                "parameters": parameters,
                "trainable": parameters if trainable is None else trainable,
                "reads": last if reads is None else reads,
            }
        )
        return name

    def dense(self, name: str, units: int) -> None:
        self.add(name, "Dense", [units], (self.shape[-1] + 1) * units)

    def norm(self, name: str, reads=None, shape=None) -> str:
        shape = shape or self.shape
        return self.add(name, "BatchNormalization", shape, 4 * shape[-1], 2 * shape[-1], reads)

    def relu(self, name: str, kind: str = "Activation") -> str:
        return self.add(name, kind, self.shape)

    def conv(self, name, filters, size=1, bias=True, shape=None, reads=None, read_depth=None) -> str:
        """A convolution; `shape` is its height and width where they change."""
        depth = read_depth or self.shape[-1]
        parameters = size * size * depth * filters + (filters if bias else 0)
        return self.add(name, "Conv2D", [*(shape or self.shape[:2]), filters], parameters, None, reads)


def standardised(stack: Stack, shape: list[int]) -> None:
    stack.add("features", "InputLayer", shape)
    stack.add("standardised", "Rescaling", shape)


def cnn(stack: Stack, options: Any, shape: list[int]) -> None:
    standardised(stack, shape)
    stack.add("channel", "Reshape", [*shape, 1])
    for number, filters in enumerate(options.filters, 1):
        stack.conv(f"block{number}_conv", filters, options.kernel_size, not options.batch_normalization)
        if options.batch_normalization:
            stack.norm(f"block{number}_norm")
        stack.relu(f"block{number}_relu")
        height, width, depth = stack.shape
        stack.add(f"block{number}_pool", "MaxPooling2D", [max(1, height // 2), max(1, width // 2), depth])
    if options.head == "average":
        stack.add("pooled", "GlobalAveragePooling2D", stack.shape[-1:])
    else:
        stack.add("pooled", "Flatten", [int(np.prod(stack.shape))])


def recurrent(stack: Stack, options: Any, shape: list[int]) -> None:
    standardised(stack, shape)
    for number, units in enumerate(options.units, 1):
        depth, last = stack.shape[-1], number == len(options.units)
        gates, biases = (3, 2) if options.cell == "gru" else (4, 1)
        parameters = gates * units * (depth + units + biases)
        stack.add(f"{options.cell}{number}", options.cell.upper(), [units] if last else [shape[0], units], parameters)
        if options.layer_normalization and not last:
            stack.add(f"norm{number}", "LayerNormalization", stack.shape, 2 * units)


def transfer(stack: Stack, options: Any, shape: list[int]) -> None:
    if len(shape) == 3:
        stack.add("pixels", "InputLayer", shape)
    else:
        standardised(stack, shape)
        stack.add("channel", "Reshape", [*shape, 1])
        stack.add("three_channels", "Concatenate", [*shape, 3], reads=["channel"] * 3)
    stack.add("preprocessed", "Rescaling", [*shape[:2], 3])
    {"resnet50": resnet50, "vgg16": vgg16, "mobilenet": mobilenet}[options.backbone](stack, options)
    stack.add("pooled", "GlobalAveragePooling2D", stack.shape[-1:])
    if options.frozen:
        # it never trains, and has neither scale nor centre
        stack.add("standardised_pooled", "BatchNormalization", stack.shape, 2 * stack.shape[-1], 0)


def resnet50(stack: Stack, options: Any) -> None:
    height, width, _ = stack.shape
    stack.add("conv1_pad", "ZeroPadding2D", [height + 6, width + 6, 3])
    stack.conv("conv1_conv", 64, 7, shape=[(height - 1) // 2 + 1, (width - 1) // 2 + 1])
    stack.norm("conv1_bn")
    stack.relu("conv1_relu")
    height, width, _ = stack.shape
    stack.add("pool1_pad", "ZeroPadding2D", [height + 2, width + 2, 64])
    stack.add("pool1_pool", "MaxPooling2D", [(height - 1) // 2 + 1, (width - 1) // 2 + 1, 64])
    for stage, (filters, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in range(1, blocks + 1):
            residual(stack, f"conv{stage}_block{block}", filters, block == 1, 2 if block == 1 and stage > 2 else 1)


def residual(stack: Stack, name: str, filters: int, projects: bool, stride: int) -> None:
    """Three convolutions and a way around them, which is one too where the depth changes."""
    before, (height, width, depth) = stack.layers[-1]["name"], stack.shape
    shape = [(height - 1) // stride + 1, (width - 1) // stride + 1]
    for part, size in ((1, 1), (2, 3)):
        stack.conv(f"{name}_{part}_conv", filters, size, shape=shape)
        stack.norm(f"{name}_{part}_bn")
        stack.relu(f"{name}_{part}_relu")
    inside, around = stack.layers[-1]["name"], before
    if projects:
        around = stack.conv(f"{name}_0_conv", 4 * filters, shape=shape, reads=[before], read_depth=depth)
    last = stack.conv(f"{name}_3_conv", 4 * filters, shape=shape, reads=[inside], read_depth=filters)
    if projects:
        around = stack.norm(f"{name}_0_bn", [around])
    stack.add(f"{name}_add", "Add", [*shape, 4 * filters], reads=[around, stack.norm(f"{name}_3_bn", [last])])
    stack.relu(f"{name}_out")


def vgg16(stack: Stack, options: Any) -> None:
    for block, (filters, convs) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, convs + 1):
            stack.conv(f"block{block}_conv{number}", filters, 3)
        height, width, _ = stack.shape
        stack.add(f"block{block}_pool", "MaxPooling2D", [height // 2, width // 2, filters])


def mobilenet(stack: Stack, options: Any) -> None:
    height, width, _ = stack.shape
    stack.conv("conv1", int(32 * options.alpha), 3, False, [-(-height // 2), -(-width // 2)])
    stack.norm("conv1_bn")
    stack.relu("conv1_relu", "ReLU")
    wide = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for block, filters in enumerate(wide, 1):
        height, width, depth = stack.shape
        if block in (2, 4, 6, 12):
            stack.add(f"conv_pad_{block}", "ZeroPadding2D", [height + 1, width + 1, depth])
            height, width = (height - 2) // 2 + 1, (width - 2) // 2 + 1
        stack.add(f"conv_dw_{block}", "DepthwiseConv2D", [height, width, depth], 9 * depth)
        stack.norm(f"conv_dw_{block}_bn")
        stack.relu(f"conv_dw_{block}_relu", "ReLU")
        stack.conv(f"conv_pw_{block}", int(filters * options.alpha), 1, False)
        stack.norm(f"conv_pw_{block}_bn")
        stack.relu(f"conv_pw_{block}_relu", "ReLU")


def trees(options: Any, n_classes: int, n_bins: int, seed: int) -> list[dict[str, Any]]:
    """A forest a class; each leans on a few features more than on the rest."""
    rng = np.random.default_rng([seed, 3])
    return [
        {
            "name": f"forest{k}",
            "kind": "RandomForestClassifier",
            "output_shape": [1],
            "parameters": int(rng.integers(3, 30)) * options.n_estimators,
            "trees": options.n_estimators,
            "leans_on": [round(float(share), 6) for share in rng.dirichlet(np.full(n_bins, 0.3))],
        }
        for k in range(n_classes)
    ]


# What can be wrong with it


def cut(path: Path) -> None:
    """Half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_nan(path: Path) -> None:
    """predictions.csv with scores that are no number, in every tenth row."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    n = sum(name.startswith("score:") for name in head.split(","))
    lines = [
        ",".join([*line.split(",")[:-n], *["nan"] * n]) if place % 10 == 0 else line for place, line in enumerate(lines)
    ]
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def odd(path: Path, name: str, *keys: str, value: Any) -> None:
    """A JSON file whose value under some keys is of a kind that nothing of ours writes."""
    content = json.loads((path / name).read_text(encoding="utf-8"))
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (path / name).write_text(json.dumps(content), encoding="utf-8")


DAMAGES = {  # its name → what it does to the folder
    "report damaged": lambda path: cut(path / "report.json"),
    "report no object": lambda path: (path / "report.json").write_text("[]\n"),
    "run no object": lambda path: (path / "run.json").write_text("[1, 2]\n"),
    "run damaged": lambda path: cut(path / "run.json"),
    "predictions cut": lambda path: cut(path / "predictions.csv"),
    "predictions missing": lambda path: (path / "predictions.csv").unlink(),
    "scores nan": lambda path: with_nan(path / "predictions.csv"),
    "layers missing": lambda path: (path / "layers.json").unlink(),
    "layers no list": lambda path: (path / "layers.json").write_text('"none"\n'),
    "history garbage": lambda path: (path / "history.csv").write_bytes(b"\xff\xfe\x00stage;epoch\n" + bytes(200)),
    "history words": lambda path: (path / "history.csv").write_text("stage,epoch,loss\nall,one,low\n"),
    "serving damaged": lambda path: cut(path / "serving.json"),
    "labels no list": lambda path: (path / "labels.json").write_text("{}\n"),
    "clips cut": lambda path: cut(path / "clips.npz"),
    "split missing": lambda path: (path / "split.csv").unlink(),
    "data odd": lambda path: odd(path, "run.json", "data", value="x"),
    "protocol odd": lambda path: odd(path, "run.json", "protocol", value="guessed"),
    "settings odd": lambda path: odd(path, "run.json", "settings", value=[1]),
    "epochs odd": lambda path: odd(path, "run.json", "settings", "training", "epochs", value="x"),
    "metrics odd": lambda path: odd(path, "report.json", "metrics", value=[1]),
    "accuracy odd": lambda path: odd(path, "report.json", "metrics", "accuracy", value=None),
    "classes odd": lambda path: odd(path, "report.json", "per_class", value=None),
}
