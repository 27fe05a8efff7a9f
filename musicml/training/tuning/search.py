"""Search the options in an experiment's table `[tune]`, comparing trials on the validation split alone.

The test split is removed from the dataset before the first trial, so no trial can read it. The best trial's score is
the best of many on the files that selected it, so it is too optimistic. Only the test score of a run trained
afterwards counts.

Optuna proposes the options (tree-structured Parzen estimator: Bergstra et al., "Algorithms for Hyper-Parameter
Optimization", NIPS 2011) and prunes trials that fall behind the median of the others.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import logging
import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import Dataset, is_sample_data, load_dataset
from musicml.experiment import Experiment, hold_folder, start_run
from musicml.inference import pool_by_example
from musicml.training import (
    TrainedModel,
    TrainingData,
    TrainingJob,
    build_run_info,
    compute_split_hash,
    prepare_data,
    train_model,
)
from musicml.training.tuning import space, study
from musicml.training.tuning.study import PruningCallback, SearchResult, format_trial, is_higher_better, make_trial
from musicml.utils import (
    InputError,
    Message,
    count_workers,
    map_in_processes,
    suppress_stderr,
    to_dict,
    write_json,
)

logger = logging.getLogger(__name__)

TUNES_FOLDER = "tunes"  # in the runs folder; it holds no runs
KEPT_FILES = ("run.json", "experiment.toml", "history.csv")  # of a trial
# metric over files, for models that scikit-learn fits
SKLEARN_METRICS = {"single": "accuracy", "multi": Message("mean average precision")}
MAX_FAILED_TRIALS = 3  # a search ends if its first trials all fail
WAIT_SECONDS = 1.0  # between two looks at the trials of other processes


@dataclass(frozen=True)
class SearchContext:
    """Everything that the trials of a search share.

    Attributes
    ----------
    search_space : the options that are searched
    trials, prune : as for `search_options`
    materials : prepared data of each setting of features and clips
    """

    experiment: Experiment
    dataset: Dataset
    data_root: Path
    folder: Path | None
    seed: int
    search_space: space.Space
    trials: int
    prune: bool
    materials: dict[str, TrainingData] = field(default_factory=dict)

    @property
    def figure(self) -> str:
        """The name of the metric that trials are compared by."""
        experiment = self.experiment
        return SKLEARN_METRICS[self.dataset.task] if experiment.is_fitted_at_once else experiment.training.monitor

    def prepare(self, experiment: Experiment) -> TrainingData:
        """Return a trial's data without its test split, prepared once for each setting of features and clips."""
        # trials that share features share them in memory
        key = json.dumps([experiment.kind, to_dict(experiment.features), to_dict(experiment.clips)])
        if key not in self.materials:
            material = prepare_data(experiment, self.dataset, self.data_root, self.seed)
            is_kept = material.split.sides != "test"  # test examples are gone before any trial could read them
            self.materials[key] = replace(
                material,
                dataset=material.dataset.keep(is_kept),
                split=replace(material.split, sides=material.split.sides[is_kept]),
                features=material.features.select(is_kept),
            )
        return self.materials[key]


def search_options(
    experiment: Experiment,
    data_root: Path,
    runs_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seed: int = 0,
    trials: int = 20,
    prune: bool = True,
) -> SearchResult:
    """Search for the best options, or resume an interrupted search, until `trials` are finished.

    Parameters
    ----------
    experiment : from `musicml.experiment.config.read_experiment`, with a table `[tune]`
    data_root, which, folder, seed : as for `musicml.training.train.train_experiment`; the seed is the sampler's too
    runs_root : the search's folder is below it, in `tunes`
    trials : int >= 1, number of finished trials, including those of earlier calls
    prune : whether to stop trials that fall behind the median of the others

    Raises
    ------
    InputError
        If the table breaks a rule, the experiment is a cross-validation or has no validation split, or nothing can be
        trained.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    search_space = space.read_space(experiment)
    if experiment.data.n_folds > 1:
        raise InputError(
            "A search needs one split, but {experiment_name} has {experiment_data_n_folds} folds, whose test splits "
            "together contain all files. Search with --set data.folds=1.",
            experiment_name=experiment.name,
            experiment_data_n_folds=experiment.data.n_folds,
        )
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    if dataset.sample:
        logger.warning("%s: synthetic data; the best options may differ on real music", dataset.name)
    context = SearchContext(experiment, dataset, Path(data_root), folder, seed, search_space, trials, prune)
    material = context.prepare(experiment)
    if not len(material.split.indices("val")):
        raise InputError(
            "A search needs a validation split, but {dataset_name} has none. Set data.split = 'group', or increase "
            "data.val_fraction.",
            dataset_name=dataset.name,
        )
    search_folder = Path(runs_root) / TUNES_FOLDER / f"{experiment.name}-{compute_search_key(context, material)}"
    warm_epochs = max(2, experiment.training.epochs // 5)  # before pruning: early scores are mostly noise
    with study.open_study(search_folder, is_higher_better(context.figure), warm_epochs) as optuna_study:
        n_earlier = len(study.list_finished_trials(optuna_study))
        if n_earlier:
            logger.info("resuming the search in %s, which has %s finished trials", search_folder, n_earlier)
        # each worker of a cluster runs trials until all are finished, also one that comes later; they share the folder
        run, is_finished = partial(_run_trials_in_process, context, search_folder, warm_epochs), threading.Event()
        numbers = itertools.takewhile(lambda number: not is_finished.is_set(), itertools.count())
        try:
            for _ in map_in_processes(run, numbers, count_workers()):
                is_finished.set()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(Message("stopped; the same command resumes the search")) from None
        result = summarize_search(context, optuna_study, search_folder)
    write_json(search_folder / "best.json", result.to_dict())
    return result


def compute_search_key(context: SearchContext, material: TrainingData) -> str:
    """Return a hash of everything the search depends on, 8 hex digits. A change to any of it starts a new search."""
    experiment = context.experiment
    facts = {
        "text": experiment.text,
        "overrides": dict(experiment.overrides),
        "sample": experiment.sample,
        "tune": dict(experiment.tune),
        "data": [material.dataset.hash(), compute_split_hash(material), material.features.key],
        "seed": context.seed,
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()


def _run_trials_in_process(context: SearchContext, search_folder: Path, warm_epochs: int, number: int) -> None:
    """Run trials as one of several processes that search in the same folder."""
    with study.open_study(search_folder, is_higher_better(context.figure), warm_epochs) as optuna_study:
        run_trials(context, optuna_study, search_folder)


def run_trials(context: SearchContext, optuna_study: Any, search_folder: Path) -> None:
    """Run trials until the requested number is finished, or all points of a small space are.

    Other processes that search in the same folder share the work.
    """
    points = space.list_points(context.search_space)
    trials = context.trials if points is None else min(context.trials, len(points))
    is_waiting = False
    while len(study.list_finished_trials(optuna_study)) < trials:
        with study.claim_trial(optuna_study, context.search_space, search_folder, context.seed, trials) as trial:
            if trial is not None:
                run_claimed_trial(context, optuna_study, trial, search_folder, trials)
        if trial is None:  # other processes train the last trials; if one is killed, its trial is next
            if not is_waiting:
                logger.info("waiting for the last trials, which other processes train")
            is_waiting = True
            time.sleep(WAIT_SECONDS)
            continue
        reasons = [trial.user_attrs.get("why") for trial in study.list_finished_trials(optuna_study)]
        if len(reasons) >= MAX_FAILED_TRIALS and all(reasons):
            raise InputError(
                "None of the first {n_reasons} trials could be trained. The last: {reasons}",
                n_reasons=len(reasons),
                reasons=reasons[-1],
            )


def run_claimed_trial(context: SearchContext, optuna_study: Any, trial: Any, search_folder: Path, trials: int) -> None:
    """Train a trial that this process holds, and log its result. If the user interrupts it, queue it again."""

    def get_frozen_trial() -> Any:
        """Return the trial as the journal has it."""
        return optuna_study.get_trials(deepcopy=False)[trial.number]

    path = search_folder / "trials" / f"{get_frozen_trial().user_attrs['place']:04d}"
    try:
        run_trial(context, optuna_study, trial, path)
    except KeyboardInterrupt:
        with hold_folder(search_folder, None):
            study.requeue_trial(optuna_study, get_frozen_trial(), died=False)
        raise
    logger.info("%s", format_trial(make_trial(get_frozen_trial(), context.search_space), context.figure, trials))


def run_trial(context: SearchContext, optuna_study: Any, trial: Any, path: Path) -> None:
    """Train one trial and record its result in the study."""
    import optuna
    from optuna.trial import TrialState

    value, reason = None, ""
    try:
        experiment = space.apply_options(context.experiment, space.get_options(context.search_space, trial.params))
        job = TrainingJob(experiment, context.prepare(experiment))
        # the block hides an epoch's log, and shows it if an exception leaves it: so catch a trial's own ones inside
        with suppress_stderr():
            try:
                value = measure_trial(context, job, path, PruningCallback(trial, experiment.training, context.prune))
                if not np.isfinite(value):
                    value, reason = None, Message("its score is not finite")
            except optuna.TrialPruned:
                value = None
            except InputError as error:
                reason = explain_failure(error)
    except InputError as error:
        reason = explain_failure(error)
    trial.set_user_attr("why", reason)
    optuna_study.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)


def explain_failure(error: InputError) -> str:
    """Return why a trial's options can't be trained. Re-raise a disk error, since later trials would fail too."""
    if isinstance(error.__cause__, OSError):
        raise error
    return error.message


def measure_trial(context: SearchContext, job: TrainingJob, path: Path, callback: PruningCallback) -> float:
    """Train one trial in the folder `path` and return its score. Delete all but small files."""
    shutil.rmtree(path, ignore_errors=True)  # an interrupted trial may have left files
    experiment = job.experiment
    facts = build_run_info(experiment, job.material, context.data_root, context.folder, context.seed, False)
    run = start_run(path, experiment.name, context.seed, experiment.text, facts)
    try:
        trained = train_model(run, job, callback)
        value = score_files(job, trained) if experiment.is_fitted_at_once else callback.value
        del trained
        gc.collect()  # Keras models contain reference cycles, so only the collector frees them
        run.update(status="tried", value=value if np.isfinite(value) else None)
        return value
    finally:
        for part in path.iterdir() if path.is_dir() else ():  # without weights: nothing predicts with a trial
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            elif part.name not in KEPT_FILES:
                part.unlink(missing_ok=True)


def score_files(job: TrainingJob, trained: TrainedModel) -> float:
    """Return the accuracy over validation files, or for multi-label tasks the mean average precision."""
    from sklearn.metrics import average_precision_score

    dataset, clips, indices = job.material.dataset, job.clips["val"], job.material.split.indices("val")
    scores = pool_by_example(trained.predict_scores(clips), clips, indices, dataset.task, job.experiment.clips.average)
    targets = dataset.targets()[indices]
    if dataset.task == "single":
        return float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())
    precisions = []
    for truth, class_scores in zip(targets.T, scores.T, strict=True):
        observed = ~np.isnan(truth)
        if len(np.unique(truth[observed])) == 2:  # undefined without both positive and negative examples
            precisions.append(average_precision_score(truth[observed], class_scores[observed]))
    return float(np.mean(precisions)) if precisions else float("nan")


def summarize_search(context: SearchContext, optuna_study: Any, search_folder: Path) -> SearchResult:
    """Return the results of all trials."""
    trials = tuple(make_trial(trial, context.search_space) for trial in study.list_finished_trials(optuna_study))
    dataset = context.dataset
    result = SearchResult(
        context.experiment.name, dataset.name, dataset.sample, context.seed, search_folder, context.figure, trials, ()
    )
    if not result.best_first:
        raise InputError(
            "None of {n_trials} trials was trained to its end. Run more with --trials, or narrow the ranges in [tune].",
            n_trials=len(trials),
        )
    return replace(result, edges=tuple(space.find_edges(context.search_space, result.best_first[0].options)))
