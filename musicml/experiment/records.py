"""The records of a run folder: run.json, report.json and history.csv as typed dataclasses, checked when read.

Keys that older versions did not write have defaults. Unknown keys stay in `table`.
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
MAX_SHOWN = 60  # characters of an invalid value in an error
MAX_EPOCH = 2**31  # more than any training has; comparing with it also rejects NaN


@dataclass(frozen=True)
class Record:
    """An object of a JSON file; `table` is the whole object as read, with unknown keys."""

    table: dict[str, Any] = field(default_factory=dict, repr=False, compare=False, kw_only=True)


@dataclass(frozen=True)
class DataInfo(Record):
    """The dataset of a run, as run.json describes it.

    Attributes
    ----------
    kind : `sound`, `picture` or `features`
    sample : whether it is generated data
    hash, features : hashes of the examples, and of the features computed from them
    root, folder : the folder of all datasets; the user's own folder, if it was used instead of a dataset
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
    repairs: dict[str, int] = field(default_factory=dict)  # kind of repair → number of files
    excluded: int = 0  # number of files
    with_warnings: int = 0  # number of files

    @property
    def name(self) -> str:
        """The user's own folder if there is one, else the name of the dataset."""
        return self.folder or self.dataset


@dataclass(frozen=True)
class SplitInfo(Record):
    """The split of a run: its sizes in examples, and the number of folds (0 for a single split)."""

    statement: str = ""
    hash: str = ""
    seed: int = 0
    train: int = 0
    val: int = 0
    test: int = 0
    folds: int = 0


class PublishedInfo(TypedDict, total=False):
    """The published result that a run replicates."""

    reference: str
    honest: str
    changes: list[str]
    fault: str
    served: str
    figures: list[str]


@dataclass(frozen=True)
class RunInfo(Record):
    """run.json: the origin, the settings and the status of a run.

    Attributes
    ----------
    process : the training process, for `musicml.experiment.process.has_process_exited`, which accepts any value
    weights, precision, compile : each a choice and its reason
    input : the time for making batches and waiting for them, in seconds and as shares of the training time
    batch_size : the requested and the used size, with the reason; None if they are equal
    warnings : problems during training, a sentence each
    exported : the digest of model.onnx
    export : the result of the check of model.onnx, or the reason why there is none
    fold : the fold of a cross-validation that this run belongs to, from 1
    reproduces : the name of the original run, if this one reproduces it
    """

    format_version: int | None = None
    status: str = "started"  # then `trained`; report.json shows that a run is complete
    experiment: str = ""
    seed: int = 0
    started: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None  # followed by `+changes` if tracked files were edited
    process: Any = None
    machine: dict[str, Any] = field(default_factory=dict)  # what the last bits of a result depend on
    protocol: Protocol = "honest"
    published: PublishedInfo | None = None
    overrides: dict[str, Any] = field(default_factory=dict)  # dotted key → value, from `--set`
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
    best_epoch: int | None = None  # by the monitored metric on the validation split
    input: dict[str, float] | None = None
    batch_size: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    exported: str | None = None
    export: str | None = None
    train_seconds: float | None = None

    @property
    def is_honest(self) -> bool:
        """Whether the protocol is honest; results as published are never ranked with honest ones."""
        return self.protocol == "honest"

    @property
    def has_epochs(self) -> bool:
        """Whether training has epochs; models from scikit-learn are fitted in one step."""
        has_one_step = is_fitted_at_once(self.family, self.get_settings("model").get("head"))
        return bool(self.family) and not has_one_step and self.status != "pretrained"

    @property
    def caveat(self) -> str:
        """A note on the pretrained weights of the backbone; "" without pretrained weights."""
        return (self.weights or {}).get("pretraining", "")

    @property
    def max_epochs(self) -> int:
        """The largest number of epochs that training can have; 0 without epochs."""
        return self.get_settings("training").get("epochs") or 0

    @property
    def is_cut_into_pieces(self) -> bool:
        """Whether the examples are pieces of tracks, each assigned to a split by itself."""
        return bool(self.get_settings("published").get("pieces"))

    def get_track_name(self, example: str) -> str:
        """Return the track of an example: `x.wav` for the piece `x.wav#3`, else the example itself."""
        return example.rpartition("#")[0] if self.is_cut_into_pieces else example

    @property
    def split_rule(self) -> str:
        """The rule of the split: data.split of the experiment."""
        return self.get_settings("data").get("split", "official")

    def get_settings(self, table: str) -> dict[str, Any]:
        """Return one table of the settings; empty if the run has none."""
        return self.settings.get(table) or {}


ClassRow = TypedDict(  # in this form, since `class` is a keyword; None is an undefined metric
    "ClassRow",
    {
        "class": str,
        "support": int,
        "observed": typing.NotRequired[int],
        "said": int,  # the number of predictions of this class
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
    """The number of test files, of `n`, that were flagged as out of distribution."""

    flagged: int
    n: int


@dataclass(frozen=True)
class Report(Record):
    """report.json: the metrics of a run (see `musicml.evaluation.metrics.compute_report`).

    Attributes
    ----------
    split : `test`, `val`, `out of fold`, or a folder
    interval_method : the method of the intervals; None for percentiles, from an older version
    temperature, thresholds : None if each fold has its own, or an older version wrote the report
    temperatures : those of the folds, if each has its own
    at_half : the scores at a threshold of 0.5, for several classes at once
    unreadable : the files that could not be read, each with the reason
    as_served : for a replication, the result of the published system's own app or counting
    """

    n: int  # test examples
    main_metric: Literal["accuracy", "mean_average_precision"]
    metrics: dict[str, float]
    per_class: list[ClassRow]
    intervals: dict[str, Interval | None] | None = None
    n_groups: int = 1  # intervals resample groups, since files of one artist are not independent
    observed: int | None = None  # cells of examples and classes that have a label
    run: str | None = None
    split: str = "test"
    calibration_error: float | None = None
    calibration_error_before: float | None = None  # before temperature scaling
    reliability: list[dict[str, Any]] | None = None
    reliability_before: list[dict[str, Any]] | None = None
    confusion: list[list[int]] | None = None  # rows: true label, columns: predicted label
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
        """The value of the main metric; None if it is undefined."""
        return self.metrics.get(self.main_metric)

    @property
    def class_table(self) -> pandas.DataFrame:
        """A data frame with one row per class: its counts and metrics."""
        nested = ("wilson", "intervals")
        rows = ({key: value for key, value in row.items() if key not in nested} for row in self.per_class)
        return make_data_frame(rows)

    def get_interval(self, metric: str | None) -> tuple[float, float] | None:
        """Return the 95% confidence interval of a metric over all classes; None if there is none."""
        ends = (self.intervals or {}).get(metric or "")
        return (float(ends[0]), float(ends[1])) if ends and len(ends) == 2 else None


@dataclass(frozen=True)
class Epoch:
    """A row of history.csv; `values` are its numbers by column, in the order of the file."""

    stage: str
    values: dict[str, float]

    @property
    def epoch(self) -> int:
        """The number of the epoch, from 1."""
        return int(self.values["epoch"])

    @property
    def seconds(self) -> float:
        """The duration of the epoch in seconds."""
        return self.values.get("seconds", 0.0)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def parse_record(cls: type[AnyRecord], table: Any, file: str, run_name: str, key: str = "") -> AnyRecord:
    """Make a record from an object of a JSON file.

    A key that is missing or null gets the default of its field, if there is one.

    Parameters
    ----------
    cls : the class of the record
    table : the object read from JSON
    file, run_name : the location of the object, for error messages
    key : the key of the object in the file, followed by a dot; "" for the whole file

    Raises
    ------
    InputError
        If a value has the wrong type, or a key without a default is missing.
    """
    if not isinstance(table, dict):
        raise make_record_error(run_name, file, key.rstrip(".") or "{...}", table)
    hints, values = get_field_types(cls), {}
    for item in dataclasses.fields(cls):
        value, hint, name = table.get(item.name), hints[item.name], f"{key}{item.name}"
        has_default = (item.default, item.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if item.name == "table" or (value is None and has_default):
            continue
        if isinstance(hint, type) and issubclass(hint, Record):  # a nested object
            value = parse_record(hint, value, file, run_name, f"{name}.")
        elif not is_of_type(value, hint):
            raise make_record_error(run_name, file, name, value)
        values[item.name] = value
    return cls(**values, table=table)


def parse_run_info(table: Any, run_name: str) -> RunInfo:
    """Make the record of run.json, and check the types of its settings and the signs of its numbers."""
    info = parse_record(RunInfo, table, "run.json", run_name)
    for part, names in SETTINGS.items():
        for name, hint in names.items():
            value = info.get_settings(part).get(name)
            if value is not None and not is_of_type(value, hint):
                raise make_record_error(run_name, "run.json", f"settings.{part}.{name}", value)
    for prefix, record in (("", info), ("data.", info.data), ("split.", info.split)):
        for item in dataclasses.fields(record):
            value = getattr(record, item.name)
            if type(value) in (int, float) and value < 0:  # not isinstance, since bool is a subclass of int
                raise make_record_error(run_name, "run.json", f"{prefix}{item.name}", value)
    return info


def parse_report(table: Any, run_name: str) -> Report:
    """Make the record of report.json, and check its counts, shares and table sizes."""
    report = parse_record(Report, table, "report.json", run_name)
    n_classes = len(report.per_class)
    checks = {
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
    for key, is_valid in checks.items():
        if not is_valid:
            raise make_record_error(run_name, "report.json", key, getattr(report, key))
    return report


def parse_history(rows: Iterable[Mapping[str, str]]) -> list[Epoch]:
    """Make the records of history.csv, without incomplete rows."""
    epochs = []
    for row in rows:
        try:
            values = {name: float(value) for name, value in row.items() if name != "stage"}
        except (TypeError, ValueError):  # the last row may be half written while training goes on
            continue
        if 0 < values.get("epoch", 0) <= MAX_EPOCH:
            epochs.append(Epoch(row.get("stage") or "", values))
    return epochs


def make_record_error(run_name: str, file: str, key: str, value: Any) -> InputError:
    """Make the error about an invalid value in a JSON file of a run."""
    shown = repr(value)
    shown = shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "..."
    problem = Message("has {value}", value=shown)
    return make_file_error(run_name, file, Message("a valid value of {key}", key=key), problem)


def make_file_error(run_name: str, file: str, rule: str, problem: str) -> InputError:
    """Make the error about a file of a run with invalid content; `problem` follows the word "but"."""
    return InputError(
        "{file} of run {run_name} must contain {rule}, but {problem}. Restore the file, or train the run again.",
        file=file,
        run_name=run_name,
        rule=rule,
        problem=problem,
    )
