"""About what a run's scores are worth: thresholds of several classes at once, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from musicml.inference import describe_temperature_bound
from musicml.reports.document import Block, Cell, Estimate, Note, Paragraph
from musicml.reports.plots import Reliability
from musicml.reports.run_data import Told, number, pair
from musicml.reports.wording import Words

SHOWN = ("precision", "recall", "f1")
BIN = "calibration.bin calibration.count calibration.said calibration.right"


def thresholds(one: Told, words: Words) -> list[Block]:
    """Set the figures at 0.5 and at the fitted thresholds side by side, where there are several classes at once."""
    if not one.is_multi:
        return []
    report, half = one.report, one.report.at_half
    if half is None:
        return [Note(words("thresholds.missing"))]
    said = [words("thresholds.words"), *([words("thresholds.of_folds")] if one.has_folds else [])]
    rows = (
        (
            words.get(f"metric.{name}", name),
            Estimate(value, pair((half["intervals"] or {}).get(name))),
            Estimate(report.metrics[name], report.get_interval(name)),
        )
        for name, value in half["metrics"].items()
        if name in report.metrics
    )
    heads = "figure thresholds.half thresholds.fitted"
    table = words.table("thresholds", heads, rows, words("thresholds.caption"), "report.json")
    return [Paragraph(" ".join(said)), table, *_compare_classes(one, half["per_class"], words)]


def _compare_classes(one: Told, half: Sequence[Mapping[str, Any]], words: Words) -> list[Block]:
    """Give each class's threshold, and its figures at 0.5 and at that."""
    if not half or len(half) != len(one.per_class):
        return []
    limits, files = _find_thresholds(one)
    own = words("calibration.of_folds") if one.has_folds else None
    known: Sequence[Cell] = limits or [own] * len(half)
    names = [words(f"column.{figure}") for figure in SHOWN]
    heads = [f"{name}, {words(f'thresholds.{which}')}" for name in names for which in ("half", "own")]
    rows = (
        (row["class"], limit, *(value for figure in SHOWN for value in (at.get(figure), row.get(figure))))
        for row, at, limit in zip(one.per_class, half, known, strict=True)
    )
    columns = (*words.head("class thresholds.threshold"), *heads)
    return [words.table("per_class_thresholds", columns, rows, words("thresholds.classes"), *files)]


def _find_thresholds(one: Told) -> tuple[list[float], tuple[str, ...]]:
    """Find the fitted threshold of each class, and which files told; none where nothing tells, or folds differ."""
    of_model = None if one.has_folds else (one.serving or {}).get("thresholds")
    for found, files in ((one.report.thresholds, ()), (of_model, ("serving.json",))):
        if isinstance(found, list) and len(found) == len(one.class_names) and None not in map(number, found):
            return [float(limit) for limit in found], ("report.json", *files)
    return [], ("report.json",)


def calibration(one: Told, words: Words) -> list[Block]:
    """Say how far what is said lies from what is so, before and after the temperature."""
    report = one.report
    after, before = report.calibration_error, report.calibration_error_before
    if after is None:
        return [Note(words("calibration.missing"))]
    # that of serving.json only where one model gave all answers
    temperature, files = report.temperature, ["report.json"]
    if not one.has_folds and "temperature" not in report.table:
        temperature, files = number((one.serving or {}).get("temperature")), ["report.json", "serving.json"]
    said = [words("calibration.words")]
    if before is not None:
        key = "better" if after < before else "worse" if after > before else "same"
        said.append(words(f"calibration.{key}", after=after, before=before))
    if temperature is None and one.has_folds:
        said.append(words("calibration.folds"))
    if temperature is not None and temperature != 1:
        said.append(words("calibration.surer" if temperature < 1 else "calibration.less_sure", temperature=temperature))
    bounds = map(describe_temperature_bound, report.temperatures or (temperature,))
    said += [words.said(sentence) for sentence in filter(None, bounds)]
    own = words("calibration.of_folds") if one.has_folds else None
    values = (before, after, own if temperature is None else temperature)
    rows = zip(
        words.head("calibration.error_before calibration.error_after calibration.temperature"), values, strict=True
    )
    table = words.table("calibration", "figure value", rows, words("calibration.caption"), *files)
    return [Paragraph(" ".join(said)), table, *_show_reliability(one, words)]


def _show_reliability(one: Told, words: Words) -> list[Block]:
    """Show the reliability diagram and its table; or say that an older report has none."""
    after, before = (
        [row for row in found or () if None not in (number(row.get(key)) for key in ("low", "high", "n"))]
        for found in (one.report.reliability, one.report.reliability_before)
    )
    if not after:
        return [Note(words("calibration.no_diagram"))]
    series = [(words("calibration.after"), _get_points(after))]
    if before:
        series.append((words("calibration.before"), _get_points(before)))
    labels = words.head("calibration.said calibration.right calibration.ideal calibration.count")
    alt = words("calibration.alt", n=sum(int(row["n"]) for row in after))
    rows: list[tuple[Cell, ...]] = [
        (
            words("calibration.between", low=float(row["low"]), high=float(row["high"])),
            int(row["n"]),
            number(row.get("said")),
            Estimate(number(row.get("right")), pair(row.get("interval"))),
        )
        for row in after
    ]
    drawn = Reliability(tuple(series), *labels)
    return [
        Paragraph(words("calibration.reading")),
        words.figure("reliability", drawn, words("calibration.figure"), alt, "report.json"),
        words.table("reliability", BIN, rows, words("calibration.table"), "report.json"),
    ]


def _get_points(bins: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float, int], ...]:
    """Return the bins that hold something, as (said, right, n)."""
    points = ((number(row.get("said")), number(row.get("right")), int(row["n"])) for row in bins)
    return tuple((said, right, n) for said, right, n in points if n and said is not None and right is not None)
