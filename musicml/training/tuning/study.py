"""A search's memory on disk, Optuna's journal of its trials, and what they came to.

A kill at any moment leaves the journal of use. Optuna's own retry of dead trials goes by a heartbeat, which its journal
has not, and which can't tell for a minute; here the folder's lock tells at once.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.experiment import hold_folder
from musicml.training.tuning import space
from musicml.utils import InputError, Message

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal.log"
MIN_TRIALS_BEFORE_PRUNING = 4  # trials that have to be whole before another is held against them
MAX_CRASHES = 3  # of one trial, after which it is not begun again
SEARCH_NOTE = Message(
    "This figure is validation's, and the best of several on the files that chose it, so it flatters: only the test "
    "figure of a run trained anew counts."
)


@contextlib.contextmanager
def open_study(home: Path, maximise: bool, warm_epochs: int) -> Iterator[optuna.Study]:
    """The search in the folder `home`, begun or found again; a trial that was cut off is put back to be next.

    Raises
    ------
    InputError
        If another process is at it, or its journal can't be read.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    refusal = InputError("{home} must be searched by one at a time, and another is at it: wait for its end.", home=home)
    with hold_folder(home, refusal), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        _repair_journal(home / JOURNAL)
        try:
            study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(home / JOURNAL))),
                study_name=home.name,
                load_if_exists=True,
                direction="maximize" if maximise else "minimize",
                pruner=optuna.pruners.MedianPruner(MIN_TRIALS_BEFORE_PRUNING, warm_epochs),
            )
        except (ValueError, KeyError) as error:
            raise InputError(
                "{home} must be a search's journal and can't be read ({error}): remove it and search anew.",
                home=home / JOURNAL,
                error=error,
            ) from None
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            requeue_trial(study, trial, died=True)
        yield study


def _repair_journal(journal: Path) -> None:
    """Take away what a kill in the middle of a write left: half a line, and the lock of whoever wrote it."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.is_file():
        with open(journal, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def requeue_trial(study: optuna.Study, trial: Any, died: bool) -> None:
    """Fail a trial that was cut off, and let the next be the same again.

    Parameters
    ----------
    died : whether its process was killed; one that kills its process time and again, as where memory does not
        suffice, is given up
    """
    from optuna.trial import TrialState

    deaths = trial.user_attrs.get("deaths", 0) + died
    # one that has no place yet may be half drawn: the rest of it would be another's; drawn anew it is the same
    drawn = {**trial.system_attrs.get("fixed_params", {}), **(trial.params if "place" in trial.user_attrs else {})}
    if deaths >= MAX_CRASHES and "place" in trial.user_attrs:
        study.tell(trial.number, state=TrialState.PRUNED)
        return
    # the copy first: where a kill comes between the two, it is found here and not made twice
    copies = [one.user_attrs.get("again") for one in study.get_trials(deepcopy=False)]
    if drawn and trial.number not in copies:
        study.enqueue_trial(drawn, user_attrs={"again": trial.number, "deaths": deaths})
    study.tell(trial.number, state=TrialState.FAIL)


def list_finished_trials(study: optuna.Study) -> list[Any]:
    """The trials that have an end, pruned ones too, in their order."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def suggest_trial(study: optuna.Study, wanted: space.Space, seed: int, trials: int) -> optuna.Trial:
    """The next trial, its options drawn: what was put back first, else what Optuna's TPE takes to be good.

    Of a space with no more than `trials` combinations each is tried, in any order; of a larger one with an end, none
    twice. The draw hangs on `seed` and on the finished trials only, so a search that was killed goes the same way.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    done = list_finished_trials(study)
    rng = np.random.default_rng([seed, len(done)])
    study.sampler = TPESampler(seed=int(rng.integers(2**31)))
    tried, every = [trial.params for trial in done], space.list_points(wanted)
    if every is None or study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return study.ask(wanted)
    left = [point for point in every if point not in tried]
    if len(every) > trials:
        trial = study.ask(wanted)
        if trial.params not in tried:
            return trial
        study.tell(trial, state=TrialState.FAIL)
    study.enqueue_trial(left[rng.integers(len(left))])
    return study.ask(wanted)


@dataclass(frozen=True)
class Trial:
    """One trial that has its end.

    Attributes
    ----------
    number : int >= 1, in the order of their ends, and its folder's name
    options : dotted key → value
    value : its figure; None where it could not be trained
    pruned : whether it was ended early, `value` being what it had come to
    epochs : how many it was given; 0 of a forest
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
    """What a search found.

    Attributes
    ----------
    figure : what is compared: `val_loss`, `val_accuracy`, or of forests `accuracy` or `mean average precision`
    trials : all that have their end, in their order
    edges : what of the best stands at the end of its range, a sentence each
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
        """The trials that were trained to their end, the best first, of equals the earlier one."""
        sign = -1 if is_higher_better(self.figure) else 1
        whole = [(sign * one.value, one.number, one) for one in self.trials if one.value is not None and not one.pruned]
        return [trial for _, _, trial in sorted(whole, key=lambda found: found[:2])]

    def as_table(self) -> dict[str, Any]:
        """All of it as plain values, with the best trial and what to think of its figure."""
        table = {**asdict(self), "folder": str(self.folder), "edges": list(self.edges)}
        trials = [asdict(trial) for trial in self.trials]
        return {**table, "best": asdict(self.best_first[0]), "note": SEARCH_NOTE, "trials": trials}


def is_higher_better(figure: str) -> bool:
    """Whether more of the figure is better."""
    return not figure.endswith("loss")


class PruningCallback:
    """Told of every epoch's figures: passes the one that counts on to the study, and ends a trial without hope."""

    def __init__(self, trial: Any, training: Any, prune: bool):
        self.trial, self.training, self.prune = trial, training, prune
        self.epochs = training.epochs + training.finetune_epochs
        self.values: list[float] = []

    def __call__(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Take one epoch's logs; epochs are counted here, since a training of stages may begin again at 0."""
        import optuna

        self.values.append(float(logs[self.training.monitor]))
        self.trial.report(self.values[-1], len(self.values))
        # what is over by itself is worth more whole
        if self.prune and len(self.values) < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned

    @property
    def value(self) -> float:
        """The figure of the epoch that the experiment keeps."""
        finite = [value for value in self.values if np.isfinite(value)]
        if self.training.keep == "last" or not finite:
            return self.values[-1] if self.values else float("nan")
        return max(finite) if is_higher_better(self.training.monitor) else min(finite)


def make_trial(trial: Any, wanted: space.Space) -> Trial:
    """A trial of the study that has its end, as a person is told of it."""
    pruned = trial.state.name == "PRUNED" and "why" in trial.user_attrs and not trial.user_attrs["why"]
    killed = (
        ""
        if trial.state.name == "COMPLETE" or pruned
        else Message("its process was killed each time that it was begun")
    )
    value = trial.value if trial.state.name == "COMPLETE" or pruned else None
    return Trial(
        trial.user_attrs["place"],
        space.get_options(wanted, trial.params),
        value,
        pruned,
        len(trial.intermediate_values),
        round(trial.duration.total_seconds(), 1),
        trial.user_attrs.get("why", killed),
    )


def format_trial(trial: Trial, figure: str, trials: int) -> str:
    """A trial in a line."""
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
