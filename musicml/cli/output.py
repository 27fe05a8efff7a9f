"""What several commands print: tables to read, or one JSON object for a program."""

from __future__ import annotations

import datetime
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicml.utils import replace_controls, write_json

SAMPLE_NOTE = "Figures marked * come from generated sample data, or a run trained on it: nothing about real music."
SUMMARY = (  # the keys of a report that --json prints
    *("split", "n", "n_groups", "observed", "sample", "protocol", "main_metric", "metrics", "intervals"),
    *("interval_method", "calibration_error", "calibration_error_before", "temperature", "temperatures", "thresholds"),
    *("at_half", "unlike_training", "left_out", "trained_on", "unreadable"),
)


def summarize_report(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Return what `--json` says of a report."""
    return {"run": str(path), **{key: report[key] for key in SUMMARY if key in report}}


def format_main_metric(report: dict[str, Any]) -> str:
    """Return the main figure, marked where it comes from sample data."""
    from musicml.evaluation import format_headline

    return format_headline(report) + ("*" if report.get("sample") else "")


def print_result(path: Path, report: dict[str, Any], as_json: bool) -> None:
    """Print what a run's evaluation gave, as tables or as one JSON object."""
    if as_json:
        print_json(summarize_report(path, report))
    else:
        print_report(path, report)


def print_report(path: Path | str, report: dict[str, Any]) -> None:
    """Print a run's figures: the main one, a line a class, the others."""
    from musicml.evaluation import describe_few_groups
    from musicml.inference import describe_temperature_bound

    size = f"{report['n']} examples in {report['n_groups']} groups ({report['split']})"
    print(f"{path}: {format_main_metric(report)} on {size}")
    figure = "average_precision" if report["main_metric"] == "mean_average_precision" else "auc"
    columns = ("precision", "recall", "f1", figure)
    lines = [("class", *(name.replace("_", " ") for name in columns), "examples", "f1, 95 % interval")]
    for row in report["per_class"]:
        if row["support"] or row["said"]:
            interval = format_interval((row.get("intervals") or {}).get("f1"), "-")
            lines.append((row["class"], *(format_figure(row[name]) for name in columns), str(row["support"]), interval))
    print_table(lines)
    print_confusion(report)
    figures = "  ".join(format_metric(report, name).replace(" ", "\xa0") for name in report["metrics"])
    print(textwrap.fill(f"figures (95 % interval): {figures}", 100, break_on_hyphens=False).replace("\xa0", " "))
    if few := describe_few_groups(report["n_groups"], report.get("interval_method")):
        print(textwrap.fill(few, 100))
    if half := report.get("at_half"):  # where an example has several classes
        names = ("macro_precision", "macro_recall", "macro_f1", "mean_f1_both_sides")
        both = [(name, report["metrics"].get(name), half["metrics"].get(name)) for name in names]
        figures = ", ".join(f"{name} {own:.3f} and {its:.3f}" for name, own, its in both if None not in (own, its))
        print(f"at the thresholds fitted on validation, and at 0.5: {figures}")
    before, after = report["calibration_error_before"], report["calibration_error"]
    if before is not None and after is not None:
        print(f"calibration error: {after:.3f} with the temperature, {before:.3f} without")
    for temperature in report.get("temperatures") or [report.get("temperature")]:
        if bound := describe_temperature_bound(temperature):
            print(textwrap.fill(bound, 100))
    if unlike := report["unlike_training"]:
        rest = report["n"] - unlike["n"]
        untold = f"; of the other {rest} it can't be told, for want of validation files in their folds" if rest else ""
        print(f"taken for unlike training: {unlike['flagged']} of {unlike['n']}{untold}")
    if report.get("sample"):
        print(SAMPLE_NOTE)
    if report.get("protocol", "honest") != "honest":
        print(f"These figures are {report['protocol']}: no rival of honest ones.")
    if "as_served" in report:
        print("What is wrong with them, and what the honest run gives, is told by `musicml replay`.")


def print_confusion(report: dict[str, Any], most: int = 5) -> None:
    """Print the pairs of classes that are confused most often; the whole matrix is in report.json."""
    if not report.get("confusion"):
        return
    names = [row["class"] for row in report["per_class"]]  # every class: the matrix has a row for each
    pairs = [
        (count, names[true], names[said])
        for true, row in enumerate(report["confusion"])
        for said, count in enumerate(row)
        if count and true != said
    ]
    words = [f"{true} taken for {said} ({count})" for count, true, said in sorted(pairs, reverse=True)[:most]]
    print(f"most often confused: {', '.join(words) or 'nothing'}")


def format_metric(report: dict[str, Any], name: str) -> str:
    """Return a figure with its interval, where it has one: `accuracy 0.710 (0.630 to 0.790)`."""
    return f"{name} {format_figure(report['metrics'][name], (report['intervals'] or {}).get(name))}"


def format_figure(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Return a figure with its interval, where it has one: `0.710 (0.630 to 0.790)`."""
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({format_interval(interval)})" if interval else "")


def format_interval(interval: Sequence[float] | None, none: str = "no interval") -> str:
    """Return an interval in figures, or `none` where there is no interval."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else none


def save_json(folder: Path, content: dict[str, Any], name: str = "") -> Path:
    """Keep a result that took long in a folder next to the runs, under the time of now; return its file."""
    path = folder / f"{name}{'-' if name else ''}{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, content)
    return path


def print_table(lines: Sequence[tuple[str, ...]]) -> None:
    """Print columns as wide as their widest cell; a cell stays on its line whatever it holds."""
    lines = [tuple(replace_controls(cell, "") for cell in line) for line in lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on standard output; what is not printable is escaped, and bytes that are not UTF-8."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    print("".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text))
