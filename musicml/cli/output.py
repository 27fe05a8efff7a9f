"""What the commands print: tables for a person, one JSON object for a program."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.utils import InputError, make_printable, write_csv

if TYPE_CHECKING:
    from musicml.experiment import RunInfo

SAMPLE_NOTE = "Figures marked * come from generated sample data, or a run trained on it: nothing about real music."


def files_of(names: list[str], kind: str) -> list[str]:
    """The files named, and in place of a folder all the sounds or pictures below it, sorted; an empty one stays."""
    from musicml.data.io import AUDIO_SUFFIXES, IMAGE_SUFFIXES

    # a spectrogram is drawn of a sound, or is a picture already
    suffixes = {"pixels": IMAGE_SUFFIXES, "spectrogram": AUDIO_SUFFIXES | IMAGE_SUFFIXES}.get(kind, AUDIO_SUFFIXES)
    found: list[str] = []
    for name in names:
        if not os.path.isdir(name):  # which, unlike Path's, has no objection to any name
            found.append(name)
            continue
        inside = sorted(
            str(path)
            for path in Path(name).rglob("*")
            if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
        )
        found += inside or [name]
    return found


def check_targets(table: Path | None, folder: Path | None) -> None:
    """Refuse a table that would replace something else, and a folder that is none, before any work is done."""
    if table is not None and table.exists() and (not table.is_file() or table.suffix.lower() != ".csv"):
        raise InputError(
            "--csv must name a new file or a table (.csv), and {table} is something else: name another.", table=table
        )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("--explain must name a folder, and {folder} is a file: name another.", folder=folder)


def plain(name: str) -> str:
    """A name with nothing in it that could lead a path elsewhere, not longer than any disk takes."""
    return re.sub(r"[^\w-]+", "_", name)[:80].strip("_") or "file"


def print_answer(answer: dict[str, Any], top: int) -> None:
    """One file's highest probabilities and its warnings; over time, the highest of each clip; where the run looked."""
    print(make_printable(answer["file"]))
    for name, probability in highest(answer["probabilities"], top):
        said = "  present" if name in answer.get("present", ()) else ""
        print(f"  {probability:6.1%}  {name}{said}")
    for clip in answer.get("over_time", []):
        if "start" in clip:
            names = ", ".join(f"{name} {share:.0%}" for name, share in highest(clip["probabilities"], top))
            print(f"  {minutes(clip['start'])} to {minutes(clip['end'])}  {names}")
    if "explanation" in answer:
        print(f"  {looked(answer['explanation'])}")
    for warning in answer["warnings"]:
        print(f"  note: {warning}")


def highest(probabilities: dict[str, float], top: int) -> list[tuple[str, float]]:
    """The `top` classes with the highest probabilities, the highest first."""
    return sorted(probabilities.items(), key=lambda item: -item[1])[: max(top, 1)]


def minutes(seconds: float) -> str:
    """A moment in a song: `1:05.0`."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def looked(explanation: dict[str, Any]) -> str:
    """Where the run looked, in a line."""
    said = (
        f"why {explanation['label']}: {Path(explanation['folder']) / explanation['picture']} ({explanation['method']})"
    )
    if "decided" not in explanation:
        return said
    begin, end = explanation["decided"]
    sound = f", to hear in {explanation['sound']}" if "sound" in explanation else ""
    return f"{said}; decided most by {minutes(begin)} to {minutes(end)}{sound}"


def write_answers(
    path: Path, answers: list[dict[str, Any]], class_names: list[str], over_time: bool, sample: bool
) -> None:
    """Write answers as CSV: a row a file, with `over_time` a row a clip too; `sample`: whether the run saw no other."""
    rows = []
    for answer in answers:
        told = {"file": answer["file"], "error": answer.get("error", ""), "sample": sample}
        if "label" not in answer:
            rows.append(told)
            continue
        told |= {"label": answer["label"], "warnings": " ".join(answer["warnings"])}
        told |= {"present": "|".join(answer.get("present", [answer["label"]]))}
        rows.append({**told, **columns(answer["probabilities"])})
        for clip in answer["over_time"] if over_time else []:
            times = {"start": clip.get("start"), "end": clip.get("end")}
            rows.append({"file": answer["file"], "sample": sample, **times, **columns(clip["probabilities"])})
    named = [
        "file",
        "start",
        "end",
        "label",
        "present",
        *columns(dict.fromkeys(class_names)),
        "warnings",
        "error",
        "sample",
    ]
    write_csv(path, rows, named)


def columns(probabilities: dict[str, float | None]) -> dict[str, float | None]:
    """Probabilities under the names of their columns, as in a run's predictions.csv."""
    return {f"score:{name}": value for name, value in probabilities.items()}


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
        "calibration_error",
        "calibration_error_before",
        "temperature",
        "thresholds",
        "at_half",
        "unlike_training",
        "left_out",
        "trained_on",
        "unreadable",
    )
    return {"run": str(path), **{key: report[key] for key in keys if key in report}}


def taken_as(info: RunInfo) -> str:
    """A run's data set, and what is not usual of it: `gtzan (sample, as published, 3 folds)`."""
    parts = [
        "sample" if info.data.sample else "",
        "" if info.is_honest else info.protocol,
        "" if info.split_rule == "official" else f"split {info.split_rule}",
        f"{info.split.folds} folds" if info.split.folds else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"{info.data.dataset or '?'}{f' ({said})' if said else ''}"


def headline(report: dict[str, Any]) -> str:
    """The main figure, marked where it comes from sample data."""
    from musicml.evaluation import format_headline

    return format_headline(report) + ("*" if report.get("sample") else "")


def print_report(path: Path | str, report: dict[str, Any]) -> None:
    """A run's figures for a person: the main one, a line a class, the others."""
    print(f"{path}: {headline(report)} on {report['n']} examples in {report['n_groups']} groups ({report['split']})")
    figure = "average_precision" if report["main_metric"] == "mean_average_precision" else "auc"
    columns = ("precision", "recall", "f1", figure)
    print_table(
        [
            ("class", *(name.replace("_", " ") for name in columns), "examples", "f1, 95 % interval"),
            *(
                (
                    row["class"],
                    *("-" if row[name] is None else f"{row[name]:.3f}" for name in columns),
                    str(row["support"]),
                    ends((row.get("intervals") or {}).get("f1"), "-"),
                )
                for row in report["per_class"]
                if row["support"] or row["said"]
            ),
        ]
    )
    print_confusion(report)
    figures = "  ".join(worth(report, name).replace(" ", "\xa0") for name in report["metrics"])
    print(textwrap.fill(f"figures (95 % interval): {figures}", 100, break_on_hyphens=False).replace("\xa0", " "))
    print_at_half(report)
    before, after = report["calibration_error_before"], report["calibration_error"]
    if before is not None and after is not None:
        print(f"calibration error: {after:.3f} with the temperature, {before:.3f} without")
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


def print_at_half(report: dict[str, Any]) -> None:
    """Of several classes at once, what thresholds fitted on validation gave beside 0.5 for every class."""
    if half := report.get("at_half"):
        names = ("macro_precision", "macro_recall", "macro_f1", "mean_f1_both_sides")
        both = [(name, report["metrics"].get(name), half["metrics"].get(name)) for name in names]
        figures = [f"{name} {own:.3f} and {its:.3f}" for name, own, its in both if None not in (own, its)]
        print(f"at the thresholds fitted on validation, and at 0.5: {', '.join(figures)}")


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


def worth(report: dict[str, Any], name: str) -> str:
    """A figure with its interval, where it has one: `accuracy 0.710 (0.630 to 0.790)`."""
    interval = (report["intervals"] or {}).get(name)
    return f"{name} {report['metrics'][name]:.3f}" + (f" ({ends(interval)})" if interval else "")


def ends(interval: list[float] | None, none: str = "no interval") -> str:
    """An interval in figures."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else none


def print_table(lines: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, ensure_ascii=False, allow_nan=False))
