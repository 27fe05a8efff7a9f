"""Told: what a run folder says, read once and checked, so that a report is written of it or refused in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from musicml.evaluation import METRIC_NAMES, read_predictions
from musicml.experiment import Run
from musicml.utils import InputError

SIDES = ("train", "val", "test")


@dataclass(frozen=True)
class Told:
    """One run's files.

    Attributes
    ----------
    run : whole
    place : 0 where it is the only one of the report, else from 1
    facts, report : run.json and report.json
    class_names : in order
    history : the rows of history.csv as numbers but for `stage`; none where there is no such file
    layers, serving : layers.json and serving.json; None where they can't be read
    troubles : file → why it can't be read, a sentence
    rows : CSV file → its rows, for `split.csv`, `excluded.csv` and `repairs.csv`
    """

    run: Run
    place: int
    facts: Mapping[str, Any]
    report: Mapping[str, Any]
    class_names: tuple[str, ...]
    history: Sequence[Mapping[str, Any]] = ()
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
        return self.facts["task"] == "multi"

    @property
    def is_sample(self) -> bool:
        """Whether anything of it is generated data."""
        return bool(self.report.get("sample") or self.facts["data"].get("sample"))

    @property
    def is_published(self) -> bool:
        """Whether its protocol is known to be faulty, and was repeated to show that."""
        return self.report.get("protocol", self.facts.get("protocol")) == "as published"

    @property
    def main(self) -> float | None:
        """The main figure."""
        return self.report["metrics"].get(self.report["main_metric"])

    @property
    def judged(self) -> str:
        """What its figures are of: `test`, `val` (as a protocol as published may have it) or `folds`."""
        if self.has_folds or self.report.get("split") == "out of fold":
            return "folds"
        return "val" if self.report.get("split") == "val" else "test"

    @property
    def has_folds(self) -> bool:
        """Whether each fold has its own model, temperature and thresholds."""
        return bool(self.facts["split"].get("folds"))

    def named(self, name: str) -> str:
        """The name of a table or figure of this run, one of a kind in the report."""
        return f"{name}-{self.place}" if self.place else name

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of a figure over all classes."""
        return pair((self.report["intervals"] or {}).get(metric))

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
    if not run.is_whole:
        facts = run.facts()
        raise InputError(
            "run {run_name} must be whole before a report is written of it, and is only {get}: {cure}",
            run_name=run.name,
            get=facts.get("status", "started"),
            cure=run.cure(),
        )
    facts, report = checked_facts(run), checked_report(run)
    answers = read_predictions(run)  # refuses scores that are no numbers
    if len(report["per_class"]) != len(answers.class_names):
        raise wrong(run, "report.json")
    troubles: dict[str, str] = {}
    return Told(
        run,
        place,
        facts,
        report,
        answers.class_names,
        history_of(run, troubles),
        kept(run, "layers.json", list, troubles),
        kept(run, "serving.json", dict, troubles),
        troubles,
        {name: rows_of(run, name, troubles) for name in ("split.csv", "excluded.csv", "repairs.csv")},
    )


def checked_facts(run: Run) -> dict[str, Any]:
    """run.json, if its parts are of the kinds that a report relies on."""
    facts = run.facts()
    tables = ("data", "settings", "split")
    if not all(isinstance(facts.get(name), dict) for name in tables):
        raise InputError(
            "run.json of run {run_name} must say what data, settings and split the run had, and does not: {cure}",
            run_name=run.name,
            cure=run.cure(),
        )
    return facts


def checked_report(run: Run) -> dict[str, Any]:
    """report.json, if its parts are of the kinds that a report relies on."""
    report = run.read("report.json")
    if not isinstance(report, dict) or not is_report(report):
        raise wrong(run, "report.json")
    return report


def is_report(report: Mapping[str, Any]) -> bool:
    """Whether what stands in report.json can be shown."""
    metrics, rows = report.get("metrics"), report.get("per_class")
    return (
        isinstance(metrics, dict)
        and all(is_number(value) for value in metrics.values())
        and isinstance(report.get("intervals"), dict | None)
        and all(isinstance(report.get(name), int) for name in ("n", "n_groups"))
        and report.get("main_metric") in METRIC_NAMES
        and isinstance(rows, list)
        and all(isinstance(row, dict) and {"class", "support", "said", "f1"} <= set(row) for row in rows)
    )


def wrong(run: Run, name: str) -> InputError:
    """The refusal of a file that holds something else."""
    return InputError(
        "{name} of run {run_name} must hold a report and holds something else: {cure}",
        name=name,
        run_name=run.name,
        cure=run.cure(),
    )


def history_of(run: Run, troubles: dict[str, str]) -> list[dict[str, Any]]:
    """The rows of history.csv, figures as numbers; a row that is half written is left out."""
    found = []
    for row in rows_of(run, "history.csv", troubles):
        try:
            found.append({name: value if name == "stage" else float(value) for name, value in row.items()})
        except (TypeError, ValueError):
            continue
    return [row for row in found if "epoch" in row]


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
