"""Estimate what a training takes before it starts: files, hours of audio, cache, memory and time.

A few files and a few steps of training are measured, and the rest is extrapolated. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import CACHE_FOLDER, count_known_digests
from musicml.data.datasets import Dataset, is_sample_data, load_dataset
from musicml.experiment import Experiment
from musicml.features import ClipSpec, Features, check_kind, count_cached_files, cut_clips
from musicml.training import preparation
from musicml.training.file_sample import FileSample, Mean, compute_mean, measure_files
from musicml.utils import Message, count_processes, import_keras, suppress_stderr

DEFAULT_WORKERS = (1, 4, 16)
POSITION_SIZE = 16  # bytes: the example of a clip, and where it starts
CLEAN = Message('Finding near-duplicates of all files (data.split = "clean") was not measured.')
SKLEARN = Message("Fitting by scikit-learn was not measured. Its time grows faster than the number of clips.")
EARLY = Message("The time of all epochs is an upper limit, since early stopping may end training before.")
REST = Message(
    "Not counted: the intervals of the metrics, the export of the model, and waiting for workers. The times are "
    "those of the machine as it is now: other programs that run change them."
)
FROM_DISK = Message(
    "The features of {cache} do not fit in the memory of {memory}, so each epoch also reads them from the disk. "
    "That was not measured."
)
ON_GPU = Message("The memory of the GPU was not measured.")
ONE_DEVICE = Message('The steps were timed on one device, although training.devices is "all".')
SMALLER = Message("Memory ran out with batches of {asked} clips, so batches of {used} were measured.")
UNREADABLE = Message("{n} of {n_measured} measured files can't be read. The first: {reason}")
SINGLE = Message("Only one file was measured, so its time includes the start of the decoder.")


@dataclass(frozen=True)
class Times:
    """Seconds of each part of a training.

    Attributes
    ----------
    n_workers : number of processes with a core each that compute features, and train folds at the same time
    is_this_machine : whether they are the cores of this machine, without a cluster
    reading : the content of each new file once, in one process
    features : that are not in the cache
    frozen : the outputs of a frozen backbone, once
    epoch : one epoch of the first stage, including validation
    training : all epochs of all stages and folds
    evaluation : calibration on validation, and scores of the test split
    """

    n_workers: int
    is_this_machine: bool
    reading: float
    features: float
    frozen: float
    epoch: float
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """The sum of all parts. An epoch is a part of the training."""
        return self.reading + self.features + self.frozen + self.training + self.evaluation


@dataclass(frozen=True)
class Plan:
    """Estimates of a training. All sizes are in bytes and all times in seconds.

    Attributes
    ----------
    hours, hours_spread : of audio, and half of its 95% interval; None for pictures
    n_headers, n_measured : files whose header was read, and whose features were computed
    n_cached : files whose features are in the cache
    cache, cache_spread : size of the features of all files
    frozen_cache : size of a frozen backbone's outputs
    memory : of one process that trains
    n_clips : split → clips of the model for prediction
    n_models : folds, and the model for prediction
    epochs : of all stages, at most
    batch_size : None for a model without epochs
    seconds_per_file, spread_per_file : to compute features, while all cores do
    times : on this machine, then on workers
    notes : remarks, such as on parts that were not measured
    """

    experiment: str
    dataset: str
    sample: bool
    n_files: int
    hours: float | None
    hours_spread: float | None
    n_headers: int
    n_measured: int
    n_cached: int
    cache: float
    cache_spread: float | None
    frozen_cache: float
    memory: float
    n_clips: dict[str, int]
    n_models: int
    epochs: int
    batch_size: int | None
    seconds_per_file: float
    spread_per_file: float | None
    times: tuple[Times, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Models:
    """The models that are trained: one, or one per fold and one for prediction, which is the last.

    Attributes
    ----------
    clips : of each model, split → number of clips
    n_test_files : tested by all of them
    """

    clips: list[dict[str, float]]
    n_test_files: int


def make_plan(
    experiment: Experiment,
    data_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seed: int = 0,
    workers: Sequence[int] = DEFAULT_WORKERS,
) -> Plan:
    """Measure a few files and a few steps of training, and estimate the whole. Nothing is written.

    Parameters
    ----------
    experiment, data_root, which, folder, seed : as for `train_experiment`
    workers : numbers of workers to estimate times for

    Raises
    ------
    InputError
        If the data or the experiment can't be used.
    """
    data_root = Path(data_root)
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    clip = preparation.check_before_reading(experiment, dataset, data_root)
    check_kind(dataset, experiment.features)
    n, cache = len(dataset.examples), data_root / CACHE_FOLDER
    n_cached = count_cached_files(dataset, experiment.features, cache, clip.least_samples)
    n_unread = 0 if n_cached == n else n - count_known_digests(dataset, cache)
    sample = measure_files(dataset, experiment.features, clip.least_samples, n - n_cached)
    models = _count_clips(experiment, dataset, sample, clip, data_root, seed)
    steps = _time_model(experiment, dataset, sample, clip, models, seed, data_root)
    size = Mean(0.0, 0.0, 1)  # features that come with the dataset are not cached
    if experiment.kind != "vggish":
        size = compute_mean([file.size for file in sample.files], n)
    times = [
        _estimate_times(sample, models, steps, experiment, n - n_cached, n_unread, number) for number in (0, *workers)
    ]
    length, epochs = sample.length, sum(stage.epochs for stage in steps.stages) if steps else 0
    n_frozen = _count_frozen(models, experiment) if steps and steps.frozen_size else 0.0
    return Plan(
        experiment.name,
        dataset.name,
        dataset.sample,
        n,
        length.value * n / 3600 if length.n else None,
        length.spread * n / 3600 if length.n and length.spread is not None else None,
        sample.n_headers,
        len(sample.files),
        n_cached,
        size.value * n,
        None if size.spread is None else size.spread * n,
        n_frozen * (steps.frozen_size if steps else 0),
        _estimate_memory(dataset, sample, models, steps, experiment),
        {split: round(value) for split, value in models.clips[-1].items()},
        len(models.clips),
        epochs,
        steps.stages[0].batch_size if epochs else None,
        sample.together.value,
        sample.together.spread,
        tuple(times),
        tuple(_list_notes(experiment, sample, models, steps, size.value * n)),
    )


def _count_clips(
    experiment: Experiment, dataset: Dataset, sample: FileSample, clip: ClipSpec, data_root: Path, seed: int
) -> Models:
    """Split the listed files as training does, and estimate the clips of each split."""
    rule = experiment.data
    if rule.split == "clean":  # near-duplicates are not known, but parts of the same size are
        rule = replace(rule, split="group", folds=rule.n_folds)
    _, split, folds = preparation.split_dataset(replace(experiment, data=rule), dataset, data_root, seed)
    counts = [len(clip.compute_starts(file.length)) if file.length else 0 for file in sample.files]
    per_file = float(np.mean(counts))
    parts = [{name: len(part.indices(name)) for name in ("train", "val", "test")} for part in (*folds, split)]
    clips = [{name: n * per_file for name, n in part.items()} for part in parts]
    return Models(clips, sum(part["test"] for part in parts))


def _count_training_clips(models: Models) -> int:
    """Return the number of training clips of the largest model, at least one."""
    return max(1, round(max(part["train"] for part in models.clips)))


def _time_model(
    experiment: Experiment,
    dataset: Dataset,
    sample: FileSample,
    clip: ClipSpec,
    models: Models,
    seed: int,
    data_root: Path,
) -> Any:
    """Time the model's steps on the measured files: a `ModelTimes`, or None for forests."""
    if experiment.family == "forest":
        return None
    places = sorted(sample.values)
    is_chosen = np.isin(np.arange(len(dataset.examples)), places)
    values = [sample.values[place] for place in places]
    has_frames = clip.n_frames is not None
    length = np.array([len(value) if has_frames else 1 for value in values])
    array = np.concatenate(values) if has_frames else np.stack(values)
    features = Features(array, np.cumsum(length) - length, length, has_frames, "", {})
    n_clips = _count_training_clips(models)
    import_keras()
    from musicml.training import step_times

    with suppress_stderr():
        clips = cut_clips(features, np.arange(len(values)), clip)
        return step_times.time_model(experiment, dataset.keep(is_chosen), features, clips, n_clips, seed, data_root)


def _estimate_times(
    sample: FileSample,
    models: Models,
    steps: Any,
    experiment: Experiment,
    n_missing: int,
    n_unread: int,
    n_workers: int,
) -> Times:
    """Estimate the times on `n_workers` workers, or on this machine for 0."""
    n_cores = n_workers or count_processes()
    if n_workers:
        features = sample.start_seconds + sample.together.value * n_missing / n_workers if n_missing else 0.0
    elif sample.n_processes > 1:
        features = sample.start_seconds + sample.together.value * n_missing / sample.n_processes
    else:
        features = sample.alone.value * n_missing
    frozen = training = epoch = prediction = 0.0
    if steps:
        frozen = _count_frozen(models, experiment) * steps.frozen
        seconds = [_sum_epochs(steps.stages, part) for part in models.clips]
        # folds are trained at the same time by workers, and the model for prediction after them
        n_rounds = -(-(len(seconds) - 1) // max(1, n_workers))
        training = seconds[-1] + (n_rounds * float(np.mean(seconds[:-1])) if seconds[:-1] else 0.0)
        epoch = _sum_epochs([replace(stage, epochs=1) for stage in steps.stages[:1]], models.clips[-1])
        prediction = steps.frozen + (steps.stages[-1].val_step if steps.stages else 0.0)
    n_scored = sum(part["val"] + part["test"] for part in models.clips)
    # the test files are read again, as new files would be, by one process
    evaluation = models.n_test_files * sample.alone.value + n_scored * prediction
    return Times(
        n_cores,
        not n_workers,
        sample.reading.value * n_unread,
        features,
        frozen,
        epoch,
        training,
        evaluation,
    )


def _sum_epochs(stages: Sequence[Any], clips: dict[str, float]) -> float:
    """Return the seconds of all epochs of one model."""
    return sum(stage.epochs * (clips["train"] * stage.step + clips["val"] * stage.val_step) for stage in stages)


def _count_frozen(models: Models, experiment: Experiment) -> float:
    """Return how many clips a frozen backbone's outputs are computed for, with their views."""
    n_views = experiment.augment.views
    if len(models.clips) > 1:  # all models share the outputs for all clips
        return sum(models.clips[-1].values()) * (1 + n_views)
    return models.clips[0]["train"] * (1 + n_views) + models.clips[0]["val"]


def _estimate_memory(dataset: Dataset, sample: FileSample, models: Models, steps: Any, experiment: Experiment) -> float:
    """Estimate the memory of a process that trains: what this one has now, and what grows with the clips."""
    import psutil

    n_clips = sum(models.clips[-1].values())
    # targets of clips and of examples, float32; cached features are read from the disk as they are needed
    held = n_clips * (POSITION_SIZE + 4 * len(dataset.class_names)) + len(dataset.examples) * 4 * len(
        dataset.class_names
    )
    if steps is None:  # forests read all training clips at once, and copy those that are annotated
        value = next(iter(sample.values.values()))
        n_frames = preparation.make_clip_spec(experiment).n_frames
        clip_size = value[:n_frames].size if n_frames else value.size
        return psutil.Process().memory_info().rss + held + 2 * 4 * clip_size * _count_training_clips(models)
    # outputs of a frozen backbone are made in parts, then joined; scikit-learn also needs all of their views
    n_views = experiment.augment.views if experiment.is_fitted_at_once else 0
    return steps.peak + held + 2 * steps.frozen_size * n_clips * (1 + n_views)


def _list_notes(experiment: Experiment, sample: FileSample, models: Models, steps: Any, cache: float) -> list[str]:
    """List remarks on how far the estimates can be trusted."""
    import psutil

    refused = [file for file in sample.files if file.refused]
    is_fitted_at_once, memory = experiment.is_fitted_at_once, psutil.virtual_memory().total
    notes: list[str] = []
    if refused:
        notes.append(Message(UNREADABLE, n=len(refused), n_measured=len(sample.files), reason=refused[0].refused))
    if len(sample.files) == 1 and sample.n_files > 1:
        notes.append(SINGLE)
    if experiment.data.split == "clean":
        notes.append(CLEAN)
    if is_fitted_at_once:
        notes.append(SKLEARN)
    elif experiment.training.early_stopping:
        notes.append(EARLY)
    asked, n_clips = experiment.training.batch_size, _count_training_clips(models)
    used = min((stage.batch_size for stage in steps.stages), default=asked) if steps else asked
    if used < min(asked, n_clips):
        notes.append(Message(SMALLER, asked=asked, used=used))
    if cache > memory and experiment.kind != "vggish":
        notes.append(Message(FROM_DISK, cache=f"{cache / 1e9:.1f} GB", memory=f"{memory / 1e9:.1f} GB"))
    if steps and experiment.training.devices != "first":
        notes.append(ONE_DEVICE)
    if steps and _has_gpu():
        notes.append(ON_GPU)
    return [*notes, REST]


def _has_gpu() -> bool:
    """Return whether training uses a GPU."""
    from musicml.training import device

    return device.get_device()[1] is not None
