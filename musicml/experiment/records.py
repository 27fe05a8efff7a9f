"""The records of a run folder: run.json, report.json and history.csv as typed objects, checked as they are read.

A key that an older musicml did not write has a default. A key that this one does not know stays in `table`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from musicml.experiment.options import SETTINGS
from musicml.models import is_fitted_at_once
from musicml.utils import InputError, Message, get_field_types, is_of_type, make_data_frame

if TYPE_CHECKING:
    import pandas

MAIN_METRICS = {"single": "accuracy", "multi": "mean_average_precision"}  # task → the metric that ranks its runs

Task = Literal["single", "multi"]
Protocol = Literal["honest", "as published"]
Interval = list[float]  # its lower and upper end
MAX_SHOWN = 60  # characters of a wrong value in an error
MAX_EPOCH = 2**31  # beyond any training; NaN is beyond it too


@dataclass(frozen=True)
class Record:
    """An object of a JSON file; `table` is all of it, as it was read, with the keys that no field names."""

    table: dict[str, Any] = field(default_factory=dict, repr=False, compare=False, kw_only=True)


@dataclass(frozen=True)
class DataInfo(Record):
    """The data set of a run, as run.json describes it.

    Attributes
    ----------
    kind : `sound`, `picture` or `features`
    sample : whether it is generated data
    hash, features : of its examples, and of the features computed from them
    root, folder : the folder of all data sets, and the user's own folder that was read in place of one
    """

    dataset: str = ""
    kind: str | None = None
    sample: bool = False
    hash: str = ""
    features: str = ""
    root: str = "data"
    folder: str | None = None
    source: dict[str, Any] = field(default_factory=dict)
    as_published: bool = False
    notes: list[str] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)
    excluded: int = 0
    with_warnings: int = 0

    @property
    def name(self) -> str:
        """The user's folder where there is one, else the data set's name."""
        return self.folder or self.dataset


@dataclass(frozen=True)
class SplitInfo(Record):
    """The split of a run; `folds` is 0 where it is no cross-validation."""

    statement: str = ""
    hash: str = ""
    seed: int = 0
    train: int = 0
    val: int = 0
    test: int = 0
    folds: int = 0


class PublishedInfo(TypedDict, total=False):
    """The published result that a run replays."""

    reference: str
    honest: str
    changes: list[str]
    fault: str
    served: str
    figures: list[str]


@dataclass(frozen=True)
class RunInfo(Record):
    """run.json: where a run came from, and how far it is.

    Attributes
    ----------
    process : of the training; read by `musicml.experiment.process.has_process_exited` alone, which takes anything
    weights, precision, compile : a choice with its reason
    input : seconds that making batches and waiting for them took, and their shares of the training
    batch_size : what was asked for, what memory had room for, and the reason; None where that is the same
    warnings : sentences on what went wrong in training
    exported : the digest of model.onnx; `export` says how its check went, or why there is none
    fold : which fold of a cross-validation this run is, from 1
    reproduces : the name of the run that this one was trained again from
    """

    format_version: int | None = None
    status: str = "started"
    experiment: str = ""
    seed: int = 0
    started: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    process: Any = None
    machine: dict[str, Any] = field(default_factory=dict)
    protocol: Protocol = "honest"
    published: PublishedInfo | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    deterministic: bool = False
    settings: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    task: Task | None = None
    family: str = ""
    data: DataInfo = field(default_factory=DataInfo)
    split: SplitInfo = field(default_factory=SplitInfo)
    fold: int | None = None
    reproduces: str | None = None
    weights: dict[str, str] | None = None
    precision: dict[str, str] | None = None
    compile: dict[str, str] | None = None
    backend: str | None = None
    device: str | None = None
    parameters: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    input: dict[str, float] | None = None
    batch_size: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    exported: str | None = None
    export: str | None = None
    train_seconds: float | None = None

    @property
    def is_honest(self) -> bool:
        """Whether the protocol is honest; a run of one as published is never ranked with the others."""
        return self.protocol == "honest"

    @property
    def has_epochs(self) -> bool:
        """Whether its training goes by epochs; scikit-learn's models are fitted at once."""
        fitted = is_fitted_at_once(self.family, self.get_settings("model").get("head"))
        return bool(self.family) and not fitted and self.status != "pretrained"

    @property
    def caveat(self) -> str:
        """What is to be known of the weights that its backbone was trained with elsewhere; "" without such weights."""
        return (self.weights or {}).get("pretraining", "")

    @property
    def max_epochs(self) -> int:
        """How many epochs the training has at most; 0 where it has none."""
        return self.get_settings("training").get("epochs") or 0

    @property
    def is_cut_into_pieces(self) -> bool:
        """Whether its examples are pieces of tracks, dealt one by one."""
        return bool(self.get_settings("published").get("pieces"))

    def get_track_name(self, example: str) -> str:
        """Return the track of an example: of a piece, `x.wav` of `x.wav#3`; elsewhere the example itself."""
        return example.rpartition("#")[0] if self.is_cut_into_pieces else example

    @property
    def split_rule(self) -> str:
        """How the data was split: data.split of the experiment."""
        return self.get_settings("data").get("split", "official")

    def get_settings(self, table: str) -> dict[str, Any]:
        """Return one table of the settings; an empty one where the run has none."""
        return self.settings.get(table) or {}


ClassRow = TypedDict(  # one class of a report; a metric that is not defined is None
    "ClassRow",
    {
        "class": str,
        "support": int,
        "observed": typing.NotRequired[int],
        "said": int,
        "precision": typing.NotRequired[float | None],
        "recall": typing.NotRequired[float | None],
        "f1": float | None,
        "auc": typing.NotRequired[float | None],
        "average_precision": typing.NotRequired[float | None],
        "f1_absent": typing.NotRequired[float | None],
        "wilson": typing.NotRequired[dict[str, Interval | None]],
        "intervals": typing.NotRequired[dict[str, Interval | None] | None],
    },
)


class Scores(TypedDict):
    """The metrics of one set of decisions."""

    metrics: dict[str, float]
    intervals: dict[str, Interval | None] | None
    per_class: list[ClassRow]


class FlaggedCount(TypedDict):
    """How many of `n` test files were unlike the training data."""

    flagged: int
    n: int


@dataclass(frozen=True)
class Report(Record):
    """report.json: the metrics of a run (`musicml.evaluation.metrics.compute_report` has the details).

    Attributes
    ----------
    split : `test`, `val`, `out of fold`, or a folder
    interval_method : how intervals were computed; None of percentiles, as an older musicml took them
    temperature, thresholds : None where each fold has its own, or an older musicml wrote none
    temperatures : of each fold, where each has its own
    at_half : of several classes at once, what a threshold of 0.5 gives
    unreadable : the files that could not be read, each with its reason
    as_served : of a replay, what the published system's own app or count made of the answers
    """

    n: int
    main_metric: Literal["accuracy", "mean_average_precision"]
    metrics: dict[str, float]
    per_class: list[ClassRow]
    intervals: dict[str, Interval | None] | None = None
    n_groups: int = 1
    observed: int | None = None
    run: str | None = None
    split: str = "test"
    calibration_error: float | None = None
    calibration_error_before: float | None = None
    reliability: list[dict[str, Any]] | None = None
    reliability_before: list[dict[str, Any]] | None = None
    confusion: list[list[int]] | None = None
    thresholds: list[float] | None = None
    temperature: float | None = None
    temperatures: list[float] | None = None
    interval_method: str | None = None
    at_half: Scores | None = None
    unlike_training: FlaggedCount | None = None
    unreadable: list[str] = field(default_factory=list)
    sample: bool = False
    protocol: Protocol | None = None
    as_served: dict[str, Any] | None = None

    @property
    def main(self) -> float | None:
        """The main metric; None where it is not defined."""
        return self.metrics.get(self.main_metric)

    @property
    def class_table(self) -> pandas.DataFrame:
        """A data frame with a row a class: its counts and metrics."""
        nested = ("wilson", "intervals")
        rows = ({key: value for key, value in row.items() if key not in nested} for row in self.per_class)
        return make_data_frame(rows)

    def get_interval(self, metric: str | None) -> tuple[float, float] | None:
        """Return the 95 % interval of a metric over all classes; None where there is none."""
        ends = (self.intervals or {}).get(metric or "")
        return (float(ends[0]), float(ends[1])) if ends and len(ends) == 2 else None


@dataclass(frozen=True)
class Epoch:
    """A row of history.csv; `values` are its numbers by column, in the file's order."""

    stage: str
    values: dict[str, float]

    @property
    def epoch(self) -> int:
        """Its number, from 1."""
        return int(self.values["epoch"])

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.values.get("seconds", 0.0)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def parse_record(cls: type[AnyRecord], table: Any, file: str, run_name: str, key: str = "") -> AnyRecord:
    """Make a record from an object of a JSON file.

    A key that is missing or null takes its field's default, if the field has one.

    Parameters
    ----------
    cls : the record's class
    table : the object as JSON gave it
    file, run_name : where it stands, for the error
    key : under which key it stands there, with a dot behind it

    Raises
    ------
    InputError
        If a value is of another type, or a key without a default is missing.
    """
    if not isinstance(table, dict):
        raise make_record_error(run_name, file, key.rstrip(".") or "{...}", table)
    hints, values = get_field_types(cls), {}
    for one in dataclasses.fields(cls):
        value, hint, name = table.get(one.name), hints[one.name], f"{key}{one.name}"
        has_default = (one.default, one.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if one.name == "table" or (value is None and has_default):
            continue
        if isinstance(hint, type) and issubclass(hint, Record):
            value = parse_record(hint, value, file, run_name, f"{name}.")
        elif not is_of_type(value, hint):
            raise make_record_error(run_name, file, name, value)
        values[one.name] = value
    return cls(**values, table=table)


def parse_run_info(table: Any, run_name: str) -> RunInfo:
    """Make the record of run.json; settings of another type than an experiment's, and counts below 0, are refused."""
    info = parse_record(RunInfo, table, "run.json", run_name)
    for part, names in SETTINGS.items():
        for name, hint in names.items():
            value = info.get_settings(part).get(name)
            if value is not None and not is_of_type(value, hint):
                raise make_record_error(run_name, "run.json", f"settings.{part}.{name}", value)
    for where, record in (("", info), ("data.", info.data), ("split.", info.split)):
        for one in dataclasses.fields(record):
            value = getattr(record, one.name)
            if type(value) in (int, float) and value < 0:
                raise make_record_error(run_name, "run.json", f"{where}{one.name}", value)
    return info


def parse_report(table: Any, run_name: str) -> Report:
    """Make the record of report.json; counts below 0, shares beyond 1, and tables whose sides differ are refused."""
    report = parse_record(Report, table, "report.json", run_name)
    n_classes = len(report.per_class)
    parts = {
        "n": report.n >= 0 and report.n_groups >= 0,
        "metrics": all(abs(value) <= 1 for value in report.metrics.values()),
        "intervals": all(ends is None or len(ends) == 2 for ends in (report.intervals or {}).values()),
        "per_class": all(row["support"] >= 0 and row["said"] >= 0 for row in report.per_class),
        "confusion": report.confusion is None
        or [len(row) for row in report.confusion] == [n_classes] * n_classes
        and all(count >= 0 for row in report.confusion for count in row),
        "thresholds": report.thresholds is None
        or len(report.thresholds) in (0, n_classes)
        and all(0 <= value <= 1 for value in report.thresholds),
        "temperature": report.temperature is None or report.temperature > 0,
    }
    for key, is_right in parts.items():
        if not is_right:
            raise make_record_error(run_name, "report.json", key, getattr(report, key))
    return report


def parse_history(rows: Iterable[Mapping[str, str]]) -> list[Epoch]:
    """Make the records of history.csv; a row that is half written is left out."""
    found = []
    for row in rows:
        try:
            values = {name: float(value) for name, value in row.items() if name != "stage"}
        except (TypeError, ValueError):
            continue
        if 0 < values.get("epoch", 0) <= MAX_EPOCH:
            found.append(Epoch(row.get("stage") or "", values))
    return found


def make_record_error(run_name: str, file: str, key: str, value: Any) -> InputError:
    """Return the error about one value of a run's JSON file."""
    shown = repr(value)
    shown = shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "..."
    said = Message("says {value}", value=shown)
    return make_file_error(run_name, file, Message("{key} as a training writes it", key=key), said)


def make_file_error(run_name: str, file: str, rule: str, said: str) -> InputError:
    """Return the error about a run's file that holds something else than it has to."""
    return InputError(
        "{file} of run {run_name} must hold {rule}, and {said}: put it back, or train the run again.",
        file=file,
        run_name=run_name,
        rule=rule,
        said=said,
    )
