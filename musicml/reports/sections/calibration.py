"""Sections on the scores of one run: the thresholds of a multi-label task, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from musicml.inference import describe_temperature_bound
from musicml.reports.document import Block, Cell, Estimate, Note, Paragraph
from musicml.reports.plots import Reliability
from musicml.reports.run_data import RunData, to_interval, to_number
from musicml.reports.wording import Words

THRESHOLD_METRICS = ("precision", "recall", "f1")  # those that a threshold changes
BIN_COLUMNS = "calibration.bin calibration.count calibration.said calibration.right"


def write_thresholds(run: RunData, words: Words) -> list[Block]:
    """Compare the results at 0.5 with those at the fitted thresholds; nothing for a single-label task."""
    if not run.is_multi:
        return []
    report, half = run.report, run.report.at_half
    if half is None:
        return [Note(words("thresholds.missing"))]
    sentences = [words("thresholds.words"), *([words("thresholds.of_folds")] if run.has_folds else [])]
    rows = (
        (
            words.capitalize(f"metric.{name}", name),
            Estimate(value, to_interval((half["intervals"] or {}).get(name))),
            Estimate(report.metrics[name], report.get_interval(name)),
        )
        for name, value in half["metrics"].items()
        if name in report.metrics
    )
    columns = "figure thresholds.half thresholds.fitted"
    table = words.make_table("thresholds", columns, rows, words("thresholds.caption"), "report.json")
    return [Paragraph(" ".join(sentences)), table, *_compare_classes(run, half["per_class"], words)]


def _compare_classes(run: RunData, half: Sequence[Mapping[str, Any]], words: Words) -> list[Block]:
    """Make a table of each class's threshold, and its metrics at 0.5 and at that threshold."""
    if not half or len(half) != len(run.per_class):  # a damaged report.json
        return []
    fitted, files = _get_thresholds(run)
    one_per_fold = words("calibration.of_folds") if run.has_folds else None
    thresholds: Sequence[Cell] = fitted or [one_per_fold] * len(half)
    names = [words(f"column.{metric}") for metric in THRESHOLD_METRICS]
    headings = [f"{name}, {words(f'thresholds.{key}')}" for name in names for key in ("half", "own")]
    rows = (
        (row["class"], threshold, *(x for metric in THRESHOLD_METRICS for x in (at_half.get(metric), row.get(metric))))
        for row, at_half, threshold in zip(run.per_class, half, thresholds, strict=True)
    )
    columns = (*words.get_headings("class thresholds.threshold"), *headings)
    return [words.make_table("per_class_thresholds", columns, rows, words("thresholds.classes"), *files)]


def _get_thresholds(run: RunData) -> tuple[list[float], tuple[str, ...]]:
    """Return each class's fitted threshold and the files that it came from; no thresholds if each fold has its own."""
    of_model = None if run.has_folds else (run.serving or {}).get("thresholds")  # for reports without thresholds
    for values, files in ((run.report.thresholds, ()), (of_model, ("serving.json",))):
        if isinstance(values, list) and len(values) == len(run.class_names) and None not in map(to_number, values):
            return [float(value) for value in values], ("report.json", *files)
    return [], ("report.json",)


def write_calibration(run: RunData, words: Words) -> list[Block]:
    """Write the calibration error before and after temperature scaling, with a reliability diagram."""
    report = run.report
    after, before = report.calibration_error, report.calibration_error_before
    if after is None:
        return [Note(words("calibration.missing"))]
    temperature, files = report.temperature, ["report.json"]
    if not run.has_folds and "temperature" not in report.table:  # an older report: one model, so one temperature
        temperature, files = to_number((run.serving or {}).get("temperature")), ["report.json", "serving.json"]
    sentences = [words("calibration.words")]
    if before is not None:
        key = "better" if after < before else "worse" if after > before else "same"
        sentences.append(words(f"calibration.{key}", after=after, before=before))
    if temperature is None and run.has_folds:
        sentences.append(words("calibration.folds"))
    if temperature is not None and temperature != 1:
        key = "surer" if temperature < 1 else "less_sure"  # dividing by T > 1 makes probabilities less extreme
        sentences.append(words(f"calibration.{key}", temperature=temperature))
    bounds = map(describe_temperature_bound, report.temperatures or (temperature,))
    sentences += [words.translate(message) for message in filter(None, bounds)]
    one_per_fold = words("calibration.of_folds") if run.has_folds else None
    names = words.get_headings("calibration.error_before calibration.error_after calibration.temperature")
    rows = zip(names, (before, after, one_per_fold if temperature is None else temperature), strict=True)
    table = words.make_table("calibration", "figure value", rows, words("calibration.caption"), *files)
    return [Paragraph(" ".join(sentences)), table, *_write_reliability(run, words)]


def _write_reliability(run: RunData, words: Words) -> list[Block]:
    """Write the reliability diagram and its table; a note for an older report without bins."""
    after, before = (
        [row for row in bins or () if None not in (to_number(row.get(key)) for key in ("low", "high", "n"))]
        for bins in (run.report.reliability, run.report.reliability_before)
    )
    if not after:
        return [Note(words("calibration.no_diagram"))]
    series = [(words("calibration.after"), _get_points(after))]
    if before:
        series.append((words("calibration.before"), _get_points(before)))
    labels = words.get_headings("calibration.said calibration.right calibration.ideal calibration.count")
    alt = words("calibration.alt", n=sum(int(row["n"]) for row in after))
    rows: list[tuple[Cell, ...]] = [
        (
            words("calibration.between", low=float(row["low"]), high=float(row["high"])),
            int(row["n"]),
            to_number(row.get("said")),
            Estimate(to_number(row.get("right")), to_interval(row.get("interval"))),
        )
        for row in after
    ]
    return [
        Paragraph(words("calibration.reading")),
        words.make_figure(
            "reliability", Reliability(tuple(series), *labels), words("calibration.figure"), alt, "report.json"
        ),
        words.make_table("reliability", BIN_COLUMNS, rows, words("calibration.table"), "report.json"),
    ]


def _get_points(bins: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float, int], ...]:
    """Return (mean probability, fraction correct, n) of each bin that is not empty."""
    points = ((to_number(row.get("said")), to_number(row.get("right")), int(row["n"])) for row in bins)
    return tuple((mean, correct, n) for mean, correct, n in points if n and mean is not None and correct is not None)
