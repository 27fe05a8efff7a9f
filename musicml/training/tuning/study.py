"""Store a search on disk as Optuna's journal of trials, and turn its trials into results.

Several processes may search in one folder, on machines that share it. A kill at any moment leaves a usable journal.
Optuna's own retry of dead trials needs a heartbeat, which its journal does not support, and which takes a minute to
notice a death. Here each process locks the trial that it trains, so a free lock shows a death at once.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.experiment import hold_folder
from musicml.training.tuning import space
from musicml.utils import InputError, Message, hold_lock, is_locked

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal.log"
MIN_TRIALS_BEFORE_PRUNING = 4  # complete trials, so that their median means something
MAX_CRASHES = 3  # of one trial, before it is given up
SEARCH_NOTE = Message(
    "This is a validation score, and the best of several on the files that selected it, so it is too optimistic. Only "
    "the test score of a newly trained run counts."
)


@contextlib.contextmanager
def open_study(folder: Path, maximize: bool, warm_epochs: int) -> Iterator[optuna.Study]:
    """Open the search in the folder `folder`, new or existing.

    Raises
    ------
    InputError
        If its journal can't be read.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # trials are logged in our own words
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        lock: Any = _JournalLock(folder / JOURNAL)
        lock.acquire()  # repairs the journal
        lock.release()
        try:
            study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL), lock)),
                study_name=folder.name,
                load_if_exists=True,
                direction="maximize" if maximize else "minimize",
                # stop trials worse than the median at the same epoch
                pruner=optuna.pruners.MedianPruner(MIN_TRIALS_BEFORE_PRUNING, warm_epochs),
            )
        except (ValueError, KeyError) as error:
            raise InputError(
                "Expected a search's journal in {folder}, but it can't be read ({error}). Remove it and search again.",
                folder=folder / JOURNAL,
                error=error,
            ) from None
        yield study


class _JournalLock:
    """The lock of a journal, in place of Optuna's own, which stays when its process is killed."""

    def __init__(self, journal: Path):
        self.journal = journal
        self.stack = contextlib.ExitStack()

    def acquire(self) -> bool:
        """Wait for the lock, and remove half a line that a killed process has left."""
        path = self.journal.with_name(f"{self.journal.name}.lock")
        if path.is_symlink():  # Optuna's, of an earlier version of musicml
            path.unlink(missing_ok=True)
        self.stack.enter_context(hold_lock(path, self.journal.parent, None))
        if self.journal.is_file():
            with open(self.journal, "rb+") as file:
                if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)  # the last complete line
        return True

    def release(self) -> None:
        """Free the lock."""
        self.stack.close()


@contextlib.contextmanager
def claim_trial(study: optuna.Study, search_space: space.Space, folder: Path, seed: int, trials: int) -> Iterator[Any]:
    """Yield the next trial and hold it, or yield None if `trials` are finished or held by other processes.

    A trial that is not held any more was interrupted. It becomes the next one.
    """
    from optuna.trial import TrialState

    with contextlib.ExitStack() as stack:
        with hold_folder(folder, None):  # one process at a time, so that they make no more trials than wanted
            for running in study.get_trials(states=(TrialState.RUNNING,)):
                place = running.user_attrs.get("place")
                if place is not None and is_locked(_get_lock_path(folder, place)):
                    continue
                # a trial that has ended since it was listed is free, too
                if study.get_trials(deepcopy=False)[running.number].state == TrialState.RUNNING:
                    requeue_trial(study, running, died=True)
            states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
            taken = {done.user_attrs["place"] for done in study.get_trials(deepcopy=False, states=states)}
            trial: Any = None
            if len(taken) < trials:
                trial = suggest_trial(study, search_space, seed, trials)
                place = next(place for place in itertools.count(1) if place not in taken)
                stack.enter_context(hold_lock(_get_lock_path(folder, place), folder, None))
                trial.set_user_attr("place", place)
        yield trial


def _get_lock_path(folder: Path, place: int) -> Path:
    """Return the lock file of a trial that is being trained."""
    return folder / f".trial-{place}.lock"


def requeue_trial(study: optuna.Study, trial: Any, died: bool) -> None:
    """Fail an interrupted trial, and queue the same options as the next trial. The caller holds the folder.

    Parameters
    ----------
    died : whether its process was killed; a trial that kills its process repeatedly, for example for lack of memory, is
        given up
    """
    from optuna.trial import TrialState

    deaths = trial.user_attrs.get("deaths", 0) + died
    # without a place, only some options may be drawn; drawing again gives the same ones
    drawn = {**trial.system_attrs.get("fixed_params", {}), **(trial.params if "place" in trial.user_attrs else {})}
    if deaths >= MAX_CRASHES and "place" in trial.user_attrs:
        study.tell(trial.number, state=TrialState.PRUNED)
        return
    # queue first: if a kill comes between both steps, the copy is found here and not made twice
    copies = [other.user_attrs.get("again") for other in study.get_trials(deepcopy=False)]
    if drawn and trial.number not in copies:
        study.enqueue_trial(drawn, user_attrs={"again": trial.number, "deaths": deaths})
    study.tell(trial.number, state=TrialState.FAIL)


def list_finished_trials(study: optuna.Study) -> list[Any]:
    """List complete and pruned trials, in their order."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sorted(trials, key=lambda trial: trial.user_attrs["place"])


def suggest_trial(study: optuna.Study, search_space: space.Space, seed: int, trials: int) -> optuna.Trial:
    """Return the next trial with its options: a requeued one first, else Optuna's TPE proposes them.

    If the space has no more than `trials` combinations, each is tried once, in any order. In a larger finite space none
    is tried twice. The choice depends only on `seed` and on the earlier trials, so an interrupted search of one process
    repeats it.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
    rng = np.random.default_rng([seed, len(done)])  # the number of earlier trials makes each draw new, but repeatable
    # TPE models which options gave good scores and draws more of their kind
    study.sampler = TPESampler(seed=int(rng.integers(2**31)))
    earlier, points = [trial.params for trial in done], space.list_points(search_space)
    if points is None or study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return study.ask(search_space)
    remaining = [point for point in points if point not in earlier]
    if len(points) > trials:
        trial = study.ask(search_space)
        if trial.params not in earlier:
            return trial
        study.tell(trial, state=TrialState.FAIL)
    study.enqueue_trial(remaining[rng.integers(len(remaining))])
    return study.ask(search_space)


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes
    ----------
    number : int >= 1, in the order of their starts, and its folder's name
    options : dotted key → value
    value : its score; None if it could not be trained
    pruned : whether it was stopped early, with `value` as its score so far
    epochs : number of epochs trained; 0 for a forest
    why : why it could not be trained, or empty
    """

    number: int
    options: dict[str, Any]
    value: float | None
    pruned: bool
    epochs: int
    seconds: float
    why: str


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes
    ----------
    figure : the metric: `val_loss`, `val_accuracy`, or for models fitted by scikit-learn `accuracy` or
        `mean average precision`
    trials : all finished trials, in their order
    edges : a sentence for each of the best trial's options that is at the end of its range
    """

    experiment: str
    dataset: str
    sample: bool
    seed: int
    folder: Path
    figure: str
    trials: tuple[Trial, ...]
    edges: tuple[str, ...]

    @property
    def best_first(self) -> list[Trial]:
        """The complete trials, best first, and the earlier one first among equals."""
        sign = -1 if is_higher_better(self.figure) else 1
        complete = [trial for trial in self.trials if trial.value is not None and not trial.pruned]
        return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values, with the best trial and a caveat about its score."""
        table = {**asdict(self), "folder": str(self.folder), "edges": list(self.edges)}
        trials = [asdict(trial) for trial in self.trials]
        return {**table, "best": asdict(self.best_first[0]), "note": SEARCH_NOTE, "trials": trials}


def is_higher_better(figure: str) -> bool:
    """Return whether higher values of the metric are better."""
    return not figure.endswith("loss")


class PruningCallback:
    """Reports each epoch's metric to the study, and stops a trial that falls behind."""

    def __init__(self, trial: Any, training: Any, prune: bool):
        self.trial, self.training, self.prune = trial, training, prune
        self.epochs = training.epochs + training.finetune_epochs
        self.values: list[float] = []

    def __call__(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Report one epoch. Epochs are counted here, since each stage of training may start at 0."""
        import optuna

        self.values.append(float(logs[self.training.monitor]))
        self.trial.report(self.values[-1], len(self.values))
        # the last epoch is over anyway, and a complete trial is worth more than a pruned one
        if self.prune and len(self.values) < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned

    @property
    def value(self) -> float:
        """The metric of the epoch that the experiment keeps."""
        finite = [value for value in self.values if np.isfinite(value)]  # one bad epoch must not hide the good ones
        if self.training.keep == "last" or not finite:
            return self.values[-1] if self.values else float("nan")
        return max(finite) if is_higher_better(self.training.monitor) else min(finite)


def make_trial(trial: Any, search_space: space.Space) -> Trial:
    """Return a finished trial of the study as a `Trial`."""
    pruned = trial.state.name == "PRUNED" and "why" in trial.user_attrs and not trial.user_attrs["why"]
    killed = "" if trial.state.name == "COMPLETE" or pruned else Message("its process was killed every time")
    value = trial.value if trial.state.name == "COMPLETE" or pruned else None
    return Trial(
        trial.user_attrs["place"],
        space.get_options(search_space, trial.params),
        value,
        pruned,
        len(trial.intermediate_values),
        round(trial.duration.total_seconds(), 1),
        trial.user_attrs.get("why", killed),
    )


def format_trial(trial: Trial, figure: str, trials: int) -> str:
    """Format a trial in one line."""
    chosen = ", ".join(f"{key}={json.dumps(value)}" for key, value in trial.options.items())
    if trial.why:
        return Message(
            "trial {number} of {trials}, {chosen}: could not be trained: {why}",
            number=trial.number,
            trials=trials,
            chosen=chosen,
            why=trial.why,
        )
    if trial.pruned:
        return Message(
            "trial {number} of {trials}, {chosen}: pruned in epoch {epochs}, {figure} {value:.4g}",
            number=trial.number,
            trials=trials,
            chosen=chosen,
            epochs=trial.epochs,
            figure=figure,
            value=trial.value,
        )
    return Message(
        "trial {number} of {trials}, {chosen}: {figure} {value:.4g}",
        number=trial.number,
        trials=trials,
        chosen=chosen,
        figure=figure,
        value=trial.value,
    )
