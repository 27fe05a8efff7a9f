"""Told: what a run folder says, read once and checked, so that a report is written of it or refused in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from musicml.evaluation import read_predictions
from musicml.experiment import Epoch, Report, Run, RunInfo, check_has_results, make_record_error
from musicml.utils import InputError

SIDES = ("train", "val", "test")


@dataclass(frozen=True)
class Told:
    """One run's files.

    Attributes
    ----------
    run : whole
    place : 0 where it is the only one of the report, else from 1
    info, report : run.json and report.json
    class_names : in order
    history : the rows of history.csv; none where there is no such file
    layers, serving : layers.json and serving.json; None where they can't be read
    troubles : file → why it can't be read, a sentence
    rows : CSV file → its rows, for `split.csv`, `excluded.csv` and `repairs.csv`
    """

    run: Run
    place: int
    info: RunInfo
    report: Report
    class_names: tuple[str, ...]
    history: Sequence[Epoch] = ()
    layers: Sequence[Mapping[str, Any]] | None = None
    serving: Mapping[str, Any] | None = None
    troubles: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run.name

    @property
    def is_multi(self) -> bool:
        """Whether an example can be of several classes at once."""
        return self.info.task == "multi"

    @property
    def is_sample(self) -> bool:
        """Whether anything of it is generated data."""
        return self.report.sample or self.info.data.sample

    @property
    def is_published(self) -> bool:
        """Whether its protocol is known to be faulty, and was repeated to show that."""
        return (self.report.protocol or self.info.protocol) == "as published"

    @property
    def main(self) -> float | None:
        """The main figure."""
        return self.report.main

    @property
    def judged(self) -> str:
        """What its figures are of: `test`, `val` (as a protocol as published may have it) or `folds`."""
        if self.has_folds or self.report.split == "out of fold":
            return "folds"
        return "val" if self.report.split == "val" else "test"

    @property
    def has_folds(self) -> bool:
        """Whether each fold has its own model, temperature and thresholds."""
        return self.info.split.folds > 0

    def named(self, name: str) -> str:
        """The name of a table or figure of this run, one of a kind in the report."""
        return f"{name}-{self.place}" if self.place else name

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of a figure over all classes."""
        return self.report.get_interval(metric)

    def sides(self) -> dict[str, tuple[int, int]]:
        """Files and groups on each side, of split.csv."""
        rows = self.rows.get("split.csv", ())
        counts = Counter(row.get("split") for row in rows)
        groups = {side: {row.get("group") for row in rows if row.get("split") == side} for side in SIDES}
        return {side: (counts[side], len(groups[side])) for side in SIDES if counts[side]}


def read(run: Run, place: int = 0) -> Told:
    """What a run folder says.

    Raises
    ------
    InputError
        If the run is not whole, or what its figures rest on is missing or damaged. A damaged history, model or
        serving file is told in the report.
    """
    check_has_results(run)
    if not run.is_whole:
        raise InputError(
            "run {run_name} must be whole before a report is written of it, and is only {get}: {cure}",
            run_name=run.name,
            get=run.info.status,
            cure=run.cure(),
        )
    info, report = run.info, run.report
    answers = read_predictions(run)  # refuses scores that are no numbers
    if len(report.per_class) != len(answers.class_names):
        raise make_record_error(run.name, "report.json", "per_class", [row["class"] for row in report.per_class])
    troubles: dict[str, str] = {}
    return Told(
        run,
        place,
        info,
        report,
        answers.class_names,
        history_of(run, troubles),
        kept(run, "layers.json", list, troubles),
        kept(run, "serving.json", dict, troubles),
        troubles,
        {name: rows_of(run, name, troubles) for name in ("split.csv", "excluded.csv", "repairs.csv")},
    )


def history_of(run: Run, troubles: dict[str, str]) -> list[Epoch]:
    """The rows of history.csv; none of a file that is missing or damaged, which `troubles` then says."""
    try:
        return run.read_history()
    except (InputError, OSError) as error:
        troubles["history.csv"] = str(error)
        return []


def rows_of(run: Run, name: str, troubles: dict[str, str]) -> list[dict[str, str]]:
    """The rows of a CSV file; none of one that is missing or damaged, which `troubles` then says."""
    try:
        return run.table(name)
    except (InputError, OSError) as error:
        troubles[name] = str(error)
        return []


def kept(run: Run, name: str, kind: type, troubles: dict[str, str]) -> Any:
    """What a JSON file holds; None of one that is missing, damaged or of another kind, which `troubles` then says."""
    try:
        found = run.read(name)
    except InputError as error:
        troubles[name] = str(error)
        return None
    if not isinstance(found, kind):
        troubles[name] = str(wrong_kind(run, name))
        return None
    return found


def wrong_kind(run: Run, name: str) -> InputError:
    """What is said of a file that is JSON, but not what it should be."""
    return InputError(
        "{name} of run {run_name} must hold what a training wrote and holds something else: {cure}",
        name=name,
        run_name=run.name,
        cure=run.cure(),
    )


def is_number(value: Any) -> bool:
    """Whether something is a number, and not a truth."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def pair(value: Any) -> tuple[float, float] | None:
    """Both ends of an interval; None for anything else."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(is_number(end) for end in value):
        return float(value[0]), float(value[1])
    return None


def several(found: Sequence[Run]) -> list[Told]:
    """What several runs say, each once, in the order given."""
    once = list({run.path.resolve(): run for run in reversed(found)}.values())[::-1]
    if not once:
        raise InputError("a report needs at least one run: name a run folder, or a name that `musicml runs` lists.")
    return [read(run, place if len(once) > 1 else 0) for place, run in enumerate(once, 1)]
