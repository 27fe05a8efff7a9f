"""What the commands print: tables for a person, one JSON object for a program."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

SAMPLE_NOTE = "Figures marked * come from generated sample data, or a run trained on it: nothing about real music."


def print_answer(answer: dict[str, Any], top: int) -> None:
    """One file's highest probabilities and its warnings."""
    if "error" in answer:
        return
    print(answer["file"])
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[: max(top, 1)]
    for name, probability in ranked:
        said = "  present" if name in answer.get("present", ()) else ""
        print(f"  {probability:6.1%}  {name}{said}")
    for warning in answer["warnings"]:
        print(f"  note: {warning}")


def show_all(rows: list[dict[str, Any]], as_json: bool) -> None:
    """The table that `train-all` closes with."""
    if as_json:
        show(
            {
                "experiments": [
                    {key: value for key, value in row.items() if key != "report"}
                    | (summary(Path(row["run"]), row["report"]) if "report" in row else {})
                    for row in rows
                ]
            }
        )
        return
    lines = [("experiment", "split", "main figure (95 % interval)", "time", "run")]
    for row in rows:
        if "error" in row:
            lines.append((row["experiment"], "-", "failed", f"{row['seconds']:.0f} s", row["error"]))
        else:
            report = row["report"]
            lines.append(
                (
                    row["experiment"],
                    f"{report['split']} ({report['n']})",
                    headline(report),
                    f"{row['seconds']:.0f} s",
                    row["run"],
                )
            )
    print_table(lines)
    if any(row.get("report", {}).get("sample") for row in rows):
        print(SAMPLE_NOTE)


def summary(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """What `--json` says of a report."""
    keys = (
        "split",
        "n",
        "n_groups",
        "observed",
        "sample",
        "protocol",
        "main_metric",
        "metrics",
        "intervals",
        "left_out",
        "trained_on",
        "unreadable",
    )
    return {"run": str(path), **{key: report[key] for key in keys if key in report}}


def headline(report: dict[str, Any]) -> str:
    """The main figure, marked where it comes from sample data."""
    from musicml import report as reports

    return reports.headline(report) + ("*" if report.get("sample") else "")


def print_report(path: Path, report: dict[str, Any]) -> None:
    """A run's figures for a person: the main one, a line a class, the others."""
    print(f"{path}: {headline(report)} on {report['n']} examples in {report['n_groups']} groups ({report['split']})")
    figure = "average_precision" if report["main_metric"] == "mean_average_precision" else "auc"
    columns = ("precision", "recall", "f1", figure)
    print_table(
        [
            ("class", *(name.replace("_", " ") for name in columns), "examples"),
            *(
                (
                    row["class"],
                    *("-" if row[name] is None else f"{row[name]:.3f}" for name in columns),
                    str(row["support"]),
                )
                for row in report["per_class"]
                if row["support"] or row["said"]
            ),
        ]
    )
    print_confusion(report)
    figures = "  ".join(f"{name}\xa0{value:.3f}" for name, value in report["metrics"].items())
    print(textwrap.fill(figures, 100, break_on_hyphens=False).replace("\xa0", " "))
    if report.get("sample"):
        print(SAMPLE_NOTE)


def print_confusion(report: dict[str, Any], most: int = 5) -> None:
    """The pairs of classes that are confused most often; the whole matrix is in report.json."""
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


def print_table(lines: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, ensure_ascii=False, allow_nan=False))
