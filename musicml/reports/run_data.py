"""The files of a run folder as a report needs them, read once and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from musicml.evaluation import read_predictions
from musicml.experiment import Run, check_has_results, make_record_error
from musicml.reports.document import Estimate
from musicml.utils import InputError, get_message

TABLES = ("split.csv", "excluded.csv", "repairs.csv")


class RunData:
    """The files of one run. A damaged history, model or serving file becomes a note in the report.

    Attributes
    ----------
    source : the run, which must be complete; `name` is its name
    place : 0 for the only run of the report, else its position from 1
    info, report : run.json and report.json; `per_class` holds the report's rows of classes
    class_names : in the order of the scores
    read_errors : file → message, for files that could not be read
    history : rows of history.csv; empty if there is no such file
    layers, serving : layers.json and serving.json; None if they could not be read
    rows : CSV file → its rows, for each of `TABLES`
    is_multi : whether an example can have several classes
    is_sample : whether any of its data is synthetic
    is_published : whether its protocol is known to be flawed and was repeated to show that
    has_folds : whether each fold has its own model, temperature and thresholds
    class_metric : the metric by which classes are ranked and drawn
    scored_on : what its results are about: `test`, `val` (as in some published protocols) or `folds`

    Raises
    ------
    InputError
        If the run is not complete, or a file that its results need is missing or damaged.
    """

    def __init__(self, run: Run, place: int = 0):
        check_has_results(run)
        if not run.is_complete:
            raise InputError(
                "Run {run_name} has nothing to report, because it is not complete (status: {status}): {fix}",
                run_name=run.name,
                status=run.info.status,
                fix=run.suggest_fix(),
            )
        self.source, self.name, self.place = run, run.name, place
        self.info, self.report = run.info, run.report
        self.class_names = read_predictions(run).class_names  # also rejects scores that are not numbers
        self.per_class: Sequence[Mapping[str, Any]] = self.report.per_class
        if len(self.per_class) != len(self.class_names):  # report.json and labels.json are from different runs
            raise make_record_error(run.name, "report.json", "per_class", [row["class"] for row in self.per_class])
        self.read_errors: dict[str, str] = {}
        self.history = self._read(run.read_history, "history.csv", [])
        self.layers = self._read(partial(_read_json, run, "layers.json", list), "layers.json", None)
        self.serving = self._read(partial(_read_json, run, "serving.json", dict), "serving.json", None)
        self.rows = {name: self._read(partial(run.table, name), name, []) for name in TABLES}
        self.is_multi = self.info.task == "multi"
        self.class_metric = "average_precision" if self.is_multi else "f1"  # AP needs no threshold, F1 needs one
        self.is_sample = self.report.sample or self.info.data.sample
        self.is_published = (self.report.protocol or self.info.protocol) == "as published"
        self.has_folds = self.info.split.folds > 0
        split = self.report.split
        self.scored_on = "folds" if self.has_folds or split == "out of fold" else "val" if split == "val" else "test"

    def _read(self, read_file: Callable[[], Any], name: str, default: Any) -> Any:
        """Read a file; if it is missing or damaged, keep the error and return `default`."""
        try:
            return read_file()
        except (InputError, OSError) as error:  # the report has a note instead of the section
            self.read_errors[name] = get_message(error)
            return default


def _read_json(run: Run, name: str, kind: type) -> Any:
    """Read a JSON file that must hold a list or a dict."""
    content = run.read(name)
    if isinstance(content, kind):
        return content
    raise InputError("{name} of run {run_name} is damaged: {fix}", name=name, run_name=run.name, fix=run.suggest_fix())


def to_number(value: Any) -> float | None:
    """Return a number as a float; None for anything else, also for a bool."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def to_interval(value: Any) -> tuple[float, float] | None:
    """Return both bounds of an interval; None for anything else."""
    low, high = map(to_number, value) if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def get_estimate(row: Mapping[str, Any], name: str, intervals: str = "intervals") -> Estimate:
    """Return a metric of a report's row; `intervals` is the key of the row's intervals."""
    known = row.get(intervals)
    return Estimate(row.get(name), to_interval(known.get(name)) if isinstance(known, dict) else None)


def read_runs(runs: Sequence[Run]) -> list[RunData]:
    """Read several runs in the order given; a run that is named twice is read once."""
    unique = list({run.path.resolve(): run for run in reversed(runs)}.values())[::-1]
    if not unique:
        raise InputError("A report needs at least one run. Name a run folder, or a name from `musicml runs`.")
    return [RunData(run, place if len(unique) > 1 else 0) for place, run in enumerate(unique, 1)]
