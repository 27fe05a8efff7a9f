"""Told: what a run folder says, read once and checked, so that a report is written of it or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from musicml.evaluation import read_predictions
from musicml.experiment import Run, check_has_results, make_record_error
from musicml.reports.document import Estimate
from musicml.utils import InputError, get_message

TABLES = ("split.csv", "excluded.csv", "repairs.csv")


class Told:
    """One run's files. A damaged history, model or serving file is told in the report.

    Attributes
    ----------
    run : whole; `name` is its name
    place : 0 where it is the only one of the report, else from 1
    info, report : run.json and report.json; `per_class` is the report's rows of classes
    class_names : in order
    troubles : file → why it can't be read, a sentence
    history : the rows of history.csv; none where there is no such file
    layers, serving : layers.json and serving.json; None where they can't be read
    rows : CSV file → its rows, for each of `TABLES`
    is_multi : whether an example can be of several classes at once
    is_sample : whether anything of it is generated data
    is_published : whether its protocol is known to be faulty, and was repeated to show that
    has_folds : whether each fold has its own model, temperature and thresholds
    ranked_by : the figure by which its classes are ranked and drawn
    judged : what its figures are of: `test`, `val` (as a protocol as published may have it) or `folds`

    Raises
    ------
    InputError
        If the run is not whole, or what its figures rest on is missing or damaged.
    """

    def __init__(self, run: Run, place: int = 0):
        check_has_results(run)
        if not run.is_complete:
            raise InputError(
                "run {run_name} must be whole before a report is written of it, and is only {get}: {cure}",
                run_name=run.name,
                get=run.info.status,
                cure=run.suggest_fix(),
            )
        self.run, self.name, self.place = run, run.name, place
        self.info, self.report = run.info, run.report
        self.class_names = read_predictions(run).class_names  # refuses scores that are no numbers
        self.per_class: Sequence[Mapping[str, Any]] = self.report.per_class
        if len(self.per_class) != len(self.class_names):
            raise make_record_error(run.name, "report.json", "per_class", [row["class"] for row in self.per_class])
        self.troubles: dict[str, str] = {}
        self.history = self._read(run.read_history, "history.csv", [])
        self.layers = self._read(partial(_read_json, run, "layers.json", list), "layers.json", None)
        self.serving = self._read(partial(_read_json, run, "serving.json", dict), "serving.json", None)
        self.rows = {name: self._read(partial(run.table, name), name, []) for name in TABLES}
        self.is_multi = self.info.task == "multi"
        self.ranked_by = "average_precision" if self.is_multi else "f1"
        self.is_sample = self.report.sample or self.info.data.sample
        self.is_published = (self.report.protocol or self.info.protocol) == "as published"
        self.has_folds = self.info.split.folds > 0
        split = self.report.split
        self.judged = "folds" if self.has_folds or split == "out of fold" else "val" if split == "val" else "test"

    def _read(self, read_file: Callable[[], Any], name: str, otherwise: Any) -> Any:
        """Read a file; of one that is missing or damaged return `otherwise`, and keep why."""
        try:
            return read_file()
        except (InputError, OSError) as error:
            self.troubles[name] = get_message(error)
            return otherwise


def _read_json(run: Run, name: str, kind: type) -> Any:
    """Read a JSON file that must hold something of a kind."""
    found = run.read(name)
    if isinstance(found, kind):
        return found
    raise InputError(
        "{name} of run {run_name} must hold what a training wrote and holds something else: {cure}",
        name=name,
        run_name=run.name,
        cure=run.suggest_fix(),
    )


def number(value: Any) -> float | None:
    """Return a number as a cell; None for anything else, a truth too."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def pair(value: Any) -> tuple[float, float] | None:
    """Return both ends of an interval; None for anything else."""
    low, high = map(number, value) if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def estimate(row: Mapping[str, Any], name: str, ends: str = "intervals") -> Estimate:
    """Take a figure with its interval out of a row of a report; `ends` is the key of its intervals."""
    known = row.get(ends)
    return Estimate(row.get(name), pair(known.get(name)) if isinstance(known, dict) else None)


def several(found: Sequence[Run]) -> list[Told]:
    """Read what several runs say, each once, in the order given."""
    once = list({run.path.resolve(): run for run in reversed(found)}.values())[::-1]
    if not once:
        raise InputError("a report needs at least one run: name a run folder, or a name that `musicml runs` lists.")
    return [Told(run, place if len(once) > 1 else 0) for place, run in enumerate(once, 1)]
