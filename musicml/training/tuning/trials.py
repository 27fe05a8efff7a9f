"""Trials: one training of a search, when it is ended early, and what all of them came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.training.tuning import space

SEARCH_NOTE = (
    "This figure is validation's, and the best of several on the files that chose it, so it flatters: only the test "
    "figure of a run trained anew counts."
)


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


class PruningWatcher:
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
    killed = "" if trial.state.name == "COMPLETE" or pruned else "its process was killed each time that it was begun"
    value = trial.value if trial.state.name == "COMPLETE" or pruned else None
    return Trial(
        trial.user_attrs["place"],
        space.options_of(wanted, trial.params),
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
        return f"trial {trial.number} of {trials}, {chosen}: could not be trained: {trial.why}"
    if trial.pruned:
        return f"trial {trial.number} of {trials}, {chosen}: pruned in epoch {trial.epochs}, {figure} {trial.value:.4g}"
    return f"trial {trial.number} of {trials}, {chosen}: {figure} {trial.value:.4g}"
