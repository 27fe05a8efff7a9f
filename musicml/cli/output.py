"""Print results: as tables for people, or as one JSON object for programs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.utils import replace_controls, write_json

if TYPE_CHECKING:
    from musicml.training import Plan

SAMPLE_NOTE = (
    "Results marked * come from synthetic sample data, or a run trained on it. They say nothing about real music."
)
SUMMARY_KEYS = (  # the keys of report.json that --json prints
    *("split", "n", "n_groups", "observed", "sample", "protocol", "main_metric", "metrics", "intervals"),
    *("interval_method", "calibration_error", "calibration_error_before", "temperature", "temperatures", "thresholds"),
    *("at_half", "unlike_training", "left_out", "trained_on", "unreadable"),
)


def summarize_report(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a report that `--json` prints."""
    return {"run": str(path), **{key: report[key] for key in SUMMARY_KEYS if key in report}}


def format_main_metric(report: dict[str, Any]) -> str:
    """Format the main metric with its interval, marked * if it comes from sample data."""
    from musicml.evaluation import format_headline

    return format_headline(report) + ("*" if report.get("sample") else "")


def print_result(path: Path, report: dict[str, Any], as_json: bool) -> None:
    """Print the report of a run, as tables or as one JSON object."""
    if as_json:
        print_json(summarize_report(path, report))
    else:
        print_report(path, report)


def print_report(path: Path | str, report: dict[str, Any]) -> None:
    """Print a report: the main metric, one line per class, the other metrics and notes on how to read them."""
    from musicml.evaluation import describe_few_groups
    from musicml.inference import describe_temperature_bound

    size = f"{report['n']} examples in {report['n_groups']} groups ({report['split']})"
    print(f"{path}: {format_main_metric(report)} on {size}")
    metric = "average_precision" if report["main_metric"] == "mean_average_precision" else "auc"
    columns = ("precision", "recall", "f1", metric)
    lines = [("class", *(name.replace("_", " ") for name in columns), "examples", "f1, 95% interval")]
    for row in report["per_class"]:
        if row["support"] or row["said"]:  # skip classes that are neither true nor predicted here
            values = (format_metric_value(row[name]) for name in columns)
            interval = format_interval((row.get("intervals") or {}).get("f1"), "-")
            lines.append((row["class"], *values, str(row["support"]), interval))
    print_table(lines)
    print_confusion(report)
    # no-break spaces keep a metric, its value and its interval on one line
    metrics = "  ".join(format_metric(report, name).replace(" ", "\xa0") for name in report["metrics"])
    print(textwrap.fill(f"metrics (95% interval): {metrics}", 100, break_on_hyphens=False).replace("\xa0", " "))
    if warning := describe_few_groups(report["n_groups"], report.get("interval_method")):
        print(textwrap.fill(warning, 100))
    if half := report.get("at_half"):  # only if an example can have several classes
        names = ("macro_precision", "macro_recall", "macro_f1", "mean_f1_both_sides")
        pairs = [(name, report["metrics"].get(name), half["metrics"].get(name)) for name in names]
        metrics = ", ".join(
            f"{name} {fitted:.3f} and {at:.3f}" for name, fitted, at in pairs if None not in (fitted, at)
        )
        print(f"with thresholds fitted on validation, and with 0.5: {metrics}")
    before, after = report["calibration_error_before"], report["calibration_error"]
    if before is not None and after is not None:  # a run without validation data is not calibrated
        print(f"calibration error: {after:.3f} after temperature scaling, {before:.3f} before")
    for temperature in report.get("temperatures") or [report.get("temperature")]:
        if bound := describe_temperature_bound(temperature):
            print(textwrap.fill(bound, 100))
    if ood := report["unlike_training"]:  # None if there was too little validation data
        n_unknown = report["n"] - ood["n"]
        unknown = f"; unknown for the other {n_unknown}, whose folds have no validation files" if n_unknown else ""
        print(f"flagged as out-of-distribution: {ood['flagged']} of {ood['n']}{unknown}")
    if report.get("sample"):
        print(SAMPLE_NOTE)
    if report.get("protocol", "honest") != "honest":
        print(f"These results are {report['protocol']}. They cannot be compared with honest ones.")
    if "as_served" in report:  # how the published app would have predicted
        print("`musicml replay` explains what is wrong with them, and shows the honest results.")


def print_confusion(report: dict[str, Any], n_pairs: int = 5) -> None:
    """Print the pairs of classes that are confused most often. The full matrix is in report.json."""
    if not report.get("confusion"):
        return
    names = [row["class"] for row in report["per_class"]]  # all classes, since the matrix has a row for each
    pairs = [
        (count, names[true], names[predicted])
        for true, row in enumerate(report["confusion"])
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    top_pairs = sorted(pairs, reverse=True)[:n_pairs]
    parts = [f"{true} predicted as {predicted} ({count})" for count, true, predicted in top_pairs]
    print(f"most frequent confusions: {', '.join(parts) or 'none'}")


def format_metric(report: dict[str, Any], name: str) -> str:
    """Format a metric of a report with its name and interval: `accuracy 0.710 (0.630 to 0.790)`."""
    return f"{name} {format_metric_value(report['metrics'][name], (report['intervals'] or {}).get(name))}"


def format_metric_value(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Format a value, and its interval if it has one: `0.710 (0.630 to 0.790)`. None becomes `-`."""
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({format_interval(interval)})" if interval else "")


def format_interval(interval: Sequence[float] | None, none: str = "no interval") -> str:
    """Format an interval as `0.630 to 0.790`, or return `none` if there is no interval."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else none


def save_json(folder: Path, content: dict[str, Any], name: str = "") -> Path:
    """Save a result in `folder` under its name and the current time. Return the path of the file."""
    path = folder / f"{name}{'-' if name else ''}{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, content)
    return path


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print the estimates of `musicml train --plan`, as tables or as one JSON object."""
    if as_json:
        times = [{**dataclasses.asdict(row), "total": row.total} for row in plan.times]
        print_json({**dataclasses.asdict(plan), "times": times})
        return
    mark = " (synthetic sample data)" if plan.sample else ""
    print(f"{plan.experiment} on {plan.dataset}{mark}: an estimate. Nothing was started or written.")
    hours = (
        ""
        if plan.hours is None
        else f", {_format_digits(plan.hours)} hours of audio{_format_share(plan.hours_spread, plan.hours)}"
    )
    lines = [("files", f"{plan.n_files}{hours}; measured: headers of {plan.n_headers}, features of {plan.n_measured}")]
    if plan.cache:
        size = f"{_format_bytes(plan.cache)} of features{_format_share(plan.cache_spread, plan.cache)}"
        lines.append(("cache", f"{size}; {plan.n_cached} of {plan.n_files} files are in it"))
        share = _format_share(plan.spread_per_file, plan.seconds_per_file)
        lines.append(("one file", f"{_format_digits(plan.seconds_per_file * 1000)} ms of features on one core{share}"))
    else:
        lines.append(("cache", "nothing, since the features come with the dataset"))
    if plan.frozen_cache:
        lines.append(("cache", f"{_format_bytes(plan.frozen_cache)} of outputs of the frozen backbone"))
    lines.append(("memory", f"about {_format_bytes(plan.memory)} while training"))
    lines.append(("clips", ", ".join(f"{split} {n}" for split, n in plan.n_clips.items())))
    print_table(lines)
    print()
    heads = ("this machine", *(f"{row.n_workers} worker{'s' * (row.n_workers > 1)}" for row in plan.times[1:]))
    models = f", {plan.n_models} models" if plan.n_models > 1 else ""
    parts = [
        ("reading each new file once", "reading"),
        ("features", "features"),
        *([("outputs of the frozen backbone", "frozen")] if plan.times[0].frozen else []),
        *([("one epoch", "epoch"), (f"training, {plan.epochs} epochs{models}", "training")] if plan.epochs else []),
        ("evaluation", "evaluation"),
        ("in all", "total"),
    ]
    rows = [(words, *(_format_seconds(getattr(row, name)) for row in plan.times)) for words, name in parts]
    print_table([("time", *heads), *rows])
    for note in plan.notes:
        print(textwrap.fill(note, 100))


def _format_share(spread: float | None, value: float) -> str:
    """Format half of a 95% interval in percent of the value; nothing if the value is exact or unknown."""
    return f" (± {spread / value:.0%})" if spread and value else ""


def _format_digits(value: float) -> str:
    """Format a number with three digits, or all of them before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _format_bytes(size: float) -> str:
    """Format a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _format_seconds(seconds: float) -> str:
    """Format a time with two or three digits, in the unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def print_table(lines: Sequence[tuple[str, ...]]) -> None:
    """Print rows in aligned columns. Control characters are replaced, so a cell cannot leave its line."""
    lines = [tuple(replace_controls(cell, "") for cell in line) for line in lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object. Characters that are not printable, and bytes that are not UTF-8, are escaped."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)  # NaN is not valid JSON
    print("".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text))
