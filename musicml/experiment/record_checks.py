"""Checks of what run.json and report.json say, beyond the types of their fields: a run folder may be a stranger's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from musicml.experiment.options import SETTINGS
from musicml.utils import InputError, is_of_type

if TYPE_CHECKING:
    from musicml.experiment.records import Report, RunInfo

MAX_SHOWN = 60  # characters of a wrong value in an error


def check_run_info(info: RunInfo, run_name: str) -> None:
    """Refuse settings of another type than an experiment's, and counts below 0."""
    for table, names in SETTINGS.items():
        for name, hint in names.items():
            value = info.get_settings(table).get(name)
            if value is not None and not is_of_type(value, hint):
                raise make_record_error(run_name, "run.json", f"settings.{table}.{name}", value)
    for where, record in (("", info), ("data.", info.data), ("split.", info.split)):
        for one in dataclasses.fields(record):
            value = getattr(record, one.name)
            if type(value) in (int, float) and value < 0:
                raise make_record_error(run_name, "run.json", f"{where}{one.name}", value)


def check_report(report: Report, run_name: str) -> None:
    """Refuse counts below 0, shares beyond 1, and tables whose sides differ."""
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


def make_record_error(run_name: str, file: str, key: str, value: Any) -> InputError:
    """Return the error about one value of a run's JSON file."""
    shown = repr(value)
    return InputError(
        "{file} of run {run_name} must hold {rule}, and {said}: put it back, or train the run again.",
        file=file,
        run_name=run_name,
        rule=f"{key} as a training writes it",
        said=f"says {shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + '...'}",
    )
