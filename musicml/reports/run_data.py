"""Told: what a run folder says, read once and checked, so that a report is written of it or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from musicml.evaluation import read_predictions
from musicml.experiment import Epoch, Report, Run, RunInfo, check_has_results, make_record_error
from musicml.utils import InputError

TABLES = ("split.csv", "excluded.csv", "repairs.csv")


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
    rows : CSV file → its rows, for each of `TABLES`
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
    def judged(self) -> str:
        """What its figures are of: `test`, `val` (as a protocol as published may have it) or `folds`."""
        if self.has_folds or self.report.split == "out of fold":
            return "folds"
        return "val" if self.report.split == "val" else "test"

    @property
    def has_folds(self) -> bool:
        """Whether each fold has its own model, temperature and thresholds."""
        return self.info.split.folds > 0


def read(run: Run, place: int = 0) -> Told:
    """Read what a run folder says.

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

    def read_or_tell(read_file: Callable[[], Any], name: str, otherwise: Any) -> Any:
        """Read a file; of one that is missing or damaged `otherwise`, and `troubles` then says why."""
        try:
            return read_file()
        except (InputError, OSError) as error:
            troubles[name] = str(error)
            return otherwise

    return Told(
        run,
        place,
        info,
        report,
        answers.class_names,
        read_or_tell(run.read_history, "history.csv", []),
        read_or_tell(lambda: _read_json(run, "layers.json", list), "layers.json", None),
        read_or_tell(lambda: _read_json(run, "serving.json", dict), "serving.json", None),
        troubles,
        {name: read_or_tell(partial(run.table, name), name, []) for name in TABLES},
    )


def _read_json(run: Run, name: str, kind: type) -> Any:
    """Read a JSON file that must hold something of a kind."""
    found = run.read(name)
    if isinstance(found, kind):
        return found
    raise InputError(
        "{name} of run {run_name} must hold what a training wrote and holds something else: {cure}",
        name=name,
        run_name=run.name,
        cure=run.cure(),
    )


def is_number(value: Any) -> bool:
    """Whether something is a number, and not a truth."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float | None:
    """Return a number as a cell; None for anything else."""
    return float(value) if is_number(value) else None


def pair(value: Any) -> tuple[float, float] | None:
    """Return both ends of an interval; None for anything else."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(is_number(end) for end in value):
        return float(value[0]), float(value[1])
    return None


def several(found: Sequence[Run]) -> list[Told]:
    """Read what several runs say, each once, in the order given."""
    once = list({run.path.resolve(): run for run in reversed(found)}.values())[::-1]
    if not once:
        raise InputError("a report needs at least one run: name a run folder, or a name that `musicml runs` lists.")
    return [read(run, place if len(once) > 1 else 0) for place, run in enumerate(once, 1)]
