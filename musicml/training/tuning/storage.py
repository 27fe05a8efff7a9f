"""Study: a search's memory on disk, Optuna's journal of its trials, which a kill at any moment leaves of use."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.experiment import hold_folder
from musicml.training.tuning import space
from musicml.utils import InputError

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal.log"
WARM_TRIALS = 4  # trials that have to be whole before another is held against them
DEATHS = 3  # of one trial, after which it is not begun again


@contextlib.contextmanager
def opened(home: Path, maximise: bool, warm_epochs: int) -> Iterator[optuna.Study]:
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
        mend(home / JOURNAL)
        try:
            study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(home / JOURNAL))),
                study_name=home.name,
                load_if_exists=True,
                direction="maximize" if maximise else "minimize",
                pruner=optuna.pruners.MedianPruner(WARM_TRIALS, warm_epochs),
            )
        except (ValueError, KeyError) as error:
            raise InputError(
                "{home} must be a search's journal and can't be read ({error}): remove it and search anew.",
                home=home / JOURNAL,
                error=error,
            ) from None
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            put_back(study, trial, died=True)
        yield study


def mend(journal: Path) -> None:
    """Take away what a kill in the middle of a write left: half a line, and the lock of whoever wrote it."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.is_file():
        with open(journal, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def put_back(study: optuna.Study, trial: Any, died: bool) -> None:
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
    if deaths >= DEATHS and "place" in trial.user_attrs:
        study.tell(trial.number, state=TrialState.PRUNED)
        return
    # the copy first: where a kill comes between the two, it is found here and not made twice
    copies = [one.user_attrs.get("again") for one in study.get_trials(deepcopy=False)]
    if drawn and trial.number not in copies:
        study.enqueue_trial(drawn, user_attrs={"again": trial.number, "deaths": deaths})
    study.tell(trial.number, state=TrialState.FAIL)


def finished(study: optuna.Study) -> list[Any]:
    """The trials that have an end, pruned ones too, in their order."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def ask(study: optuna.Study, wanted: space.Space, seed: int, trials: int) -> optuna.Trial:
    """The next trial, its options drawn: what was put back first, else what Optuna's TPE takes to be good.

    Of a space with no more than `trials` combinations each is tried, in any order; of a larger one with an end, none
    twice. The draw hangs on `seed` and on the finished trials only, so a search that was killed goes the same way.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    done, kinds = finished(study), {key: one.distribution() for key, one in wanted.items()}
    rng = np.random.default_rng([seed, len(done)])
    study.sampler = TPESampler(seed=int(rng.integers(2**31)))
    if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return study.ask(kinds)
    tried, every = [trial.params for trial in done], space.points(wanted)
    if every is None:
        return study.ask(kinds)
    left = [point for point in every if point not in tried]
    if len(every) > trials:
        trial = study.ask(kinds)
        if trial.params not in tried:
            return trial
        study.tell(trial, state=TrialState.FAIL)
    study.enqueue_trial(left[rng.integers(len(left))])
    return study.ask(kinds)
