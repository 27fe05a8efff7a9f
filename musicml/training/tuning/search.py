"""Tune: search the options that an experiment's `[tune]` table names, on validation alone.

The test side is taken out of the data set before the first trial, so that nothing here can read it. The figure of the
best trial is the best of many on the files that chose it, and so flatters: only the test figure of a run that is
trained anew counts.

Optuna draws the options (tree-structured Parzen estimator: Bergstra et al., "Algorithms for Hyper-Parameter
Optimization", NIPS 2011) and ends trials that stay behind the median of the others.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import Dataset, is_sample_data, load_dataset
from musicml.experiment import Experiment, start_run
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
from musicml.training.tuning.study import PruningWatcher, SearchResult, format_trial, is_higher_better, make_trial
from musicml.utils import InputError, Message, suppress_stderr, to_dict, write_json

logger = logging.getLogger(__name__)

FOLDER = "tunes"  # below the runs; what lies in it is no run
KEPT = ("run.json", "experiment.toml", "history.csv")  # of a trial
FIGURES = {"single": "accuracy", "multi": Message("mean average precision")}  # of what scikit-learn fits, file by file
HOPELESS = 3  # trials that can't be trained, with none that can, after which a search ends


@dataclass(frozen=True)
class SearchContext:
    """What all trials of a search share.

    Attributes
    ----------
    wanted : what is searched
    trials, prune : as `search_options` takes them
    materials : what each kind of features was prepared to
    """

    experiment: Experiment
    dataset: Dataset
    data_root: Path
    folder: Path | None
    seed: int
    wanted: space.Space
    trials: int
    prune: bool
    materials: dict[str, TrainingData] = field(default_factory=dict)

    @property
    def figure(self) -> str:
        """What trials are compared by."""
        experiment = self.experiment
        return FIGURES[self.dataset.task] if experiment.is_fitted_at_once else experiment.training.monitor

    def material(self, experiment: Experiment) -> TrainingData:
        """What a trial works on, without its test side: prepared once for each setting of features and clips."""
        key = json.dumps([experiment.kind, to_dict(experiment.features), to_dict(experiment.clips)])
        if key not in self.materials:
            made = prepare_data(experiment, self.dataset, self.data_root, self.seed)
            kept = made.split.sides != "test"
            self.materials[key] = replace(
                made,
                dataset=made.dataset.keep(kept),
                split=replace(made.split, sides=made.split.sides[kept]),
                features=made.features.select(kept),
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
    """Search for the best options, or go on with a search that was stopped or killed, until `trials` have their end.

    Parameters
    ----------
    experiment : from `musicml.experiment.config.read_experiment`, with a `[tune]` table
    data_root, which, folder, seed : as `musicml.training.train.train_experiment` takes them; the seed is the draw's too
    runs_root : the search's folder is below it, in `tunes`
    trials : int >= 1, how many shall have their end, those of earlier calls counted
    prune : whether to end trials that stay behind the median of the others

    Raises
    ------
    InputError
        If the table breaks a rule, the experiment is a cross-validation or has no validation side, or nothing can be
        trained.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    wanted = space.read(experiment)
    if experiment.data.n_folds > 1:
        raise InputError(
            "a search needs one split, and {experiment_name} has {experiment_data_n_folds} folds, whose test sides "
            "together are all its files: search with --set data.folds=1.",
            experiment_name=experiment.name,
            experiment_data_n_folds=experiment.data.n_folds,
        )
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    if dataset.sample:
        logger.warning("%s: generated sample data; what is best on it need not be so on real music", dataset.name)
    work = SearchContext(experiment, dataset, Path(data_root), folder, seed, wanted, trials, prune)
    material = work.material(experiment)
    if not len(material.split.indices("val")):
        raise InputError(
            "a search needs a validation side to choose by, and the split of {dataset_name} has none: take "
            "data.split = 'group', or raise data.val_fraction.",
            dataset_name=dataset.name,
        )
    home = Path(runs_root) / FOLDER / f"{experiment.name}-{compute_search_key(work, material)}"
    warm = max(2, experiment.training.epochs // 5)
    with study.opened(home, is_higher_better(work.figure), warm) as memory:
        run_trials(work, memory, home)
        found = summarize_search(work, memory, home)
    write_json(home / "best.json", found.as_table())
    return found


def compute_search_key(work: SearchContext, material: TrainingData) -> str:
    """A digest of all that a search depends on: 8 hex digits. Another of any is another search."""
    experiment = work.experiment
    facts = {
        "text": experiment.text,
        "overrides": dict(experiment.overrides),
        "sample": experiment.sample,
        "tune": dict(experiment.tune),
        "data": [material.dataset.hash(), compute_split_hash(material), material.features.key],
        "seed": work.seed,
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()


def run_trials(work: SearchContext, memory: Any, home: Path) -> None:
    """Train trial after trial until all that are asked for have their end, or all of a small space."""
    every = space.points(work.wanted)
    trials = work.trials if every is None else min(work.trials, len(every))
    begun = len(study.finished(memory))
    if begun:
        logger.info("%s trials are there from an earlier search, which goes on in %s", begun, home)
    while (done := len(study.finished(memory))) < trials:
        trial = study.ask(memory, work.wanted, work.seed, trials)
        trial.set_user_attr("place", done + 1)
        try:
            run_trial(work, memory, trial, home / "trials" / f"{done + 1:04d}")
        except KeyboardInterrupt:
            study.put_back(memory, memory.get_trials(deepcopy=False)[trial.number], died=False)
            raise KeyboardInterrupt(Message("stopped; the same command goes on with the search")) from None
        ended = study.finished(memory)
        logger.info("%s", format_trial(make_trial(ended[-1], work.wanted), work.figure, trials))
        reasons = [one.user_attrs.get("why") for one in ended]
        if len(reasons) >= HOPELESS and all(reasons):
            raise InputError(
                "a search must have trials that can be trained, and none of the first {n_reasons} could; of the last: "
                "{reasons}",
                n_reasons=len(reasons),
                reasons=reasons[-1],
            )


def run_trial(work: SearchContext, memory: Any, trial: Any, path: Path) -> None:
    """Train one trial and write into the study what came of it."""
    import optuna
    from optuna.trial import TrialState

    value, why = None, ""
    try:
        experiment = space.with_options(work.experiment, space.options_of(work.wanted, trial.params))
        job = TrainingJob(experiment, work.material(experiment))
        # an epoch's lines are held back, and shown if the block fails, so what ends a single trial is caught inside
        with suppress_stderr():
            try:
                value = measure_trial(work, job, path, PruningWatcher(trial, experiment.training, work.prune))
                if not np.isfinite(value):
                    value, why = None, Message("its figure is no finite number")
            except optuna.TrialPruned:
                value = None
            except InputError as error:
                why = explain_failure(error)
    except InputError as error:
        why = explain_failure(error)
    trial.set_user_attr("why", why)
    memory.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)


def explain_failure(error: InputError) -> str:
    """Why a trial's options can't be trained; raised where the fault is the disk's, since then nothing can."""
    if isinstance(error.__cause__, OSError):
        raise error
    return error.message


def measure_trial(work: SearchContext, job: TrainingJob, path: Path, watch: PruningWatcher) -> float:
    """Train one trial in the folder `path` and take its figure; of the folder little stays."""
    shutil.rmtree(path, ignore_errors=True)  # what a trial that was cut off left
    experiment = job.experiment
    facts = build_run_info(experiment, job.material, work.data_root, work.folder, work.seed, False)
    run = start_run(path, experiment.name, work.seed, experiment.text, facts)
    try:
        learned = train_model(run, job, watch)
        value = score_files(job, learned) if experiment.is_fitted_at_once else watch.value
        del learned
        gc.collect()  # Keras's models hold themselves by circles
        run.update(status="tried", value=value if np.isfinite(value) else None)
        return value
    finally:
        for part in path.iterdir() if path.is_dir() else ():  # no weights stay, for it is no run to be asked
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            elif part.name not in KEPT:
                part.unlink(missing_ok=True)


def score_files(job: TrainingJob, learned: TrainedModel) -> float:
    """Of validation, the share of files told right; of several classes at once, the mean average precision."""
    from sklearn.metrics import average_precision_score

    dataset, clips, indices = job.material.dataset, job.sides["val"], job.material.split.indices("val")
    scores = pool_by_example(learned.scores_of(clips), clips, indices, dataset.task, job.experiment.clips.average)
    targets = dataset.targets()[indices]
    if dataset.task == "single":
        return float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())
    found = []
    for truth, told_ in zip(targets.T, scores.T, strict=True):
        seen = ~np.isnan(truth)
        if len(np.unique(truth[seen])) == 2:
            found.append(average_precision_score(truth[seen], told_[seen]))
    return float(np.mean(found)) if found else float("nan")


def summarize_search(work: SearchContext, memory: Any, home: Path) -> SearchResult:
    """What the trials came to."""
    trials = tuple(make_trial(trial, work.wanted) for trial in study.finished(memory))
    dataset = work.dataset
    found = SearchResult(
        work.experiment.name, dataset.name, dataset.sample, work.seed, home, work.figure, trials, edges=()
    )
    if not found.best_first:
        raise InputError(
            "a search must have a trial that is trained to its end, and none of {n_trials} was: ask for more with "
            "--trials, or narrow the ranges of [tune].",
            n_trials=len(trials),
        )
    return replace(found, edges=tuple(space.edges(work.wanted, found.best_first[0].options)))
