"""About what a run's scores are worth: thresholds of several classes at once, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from musicml.experiment import ClassRow
from musicml.inference import describe_temperature_bound
from musicml.reports.document import Block, Cell, Estimate, Figure, Note, Paragraph, Table
from musicml.reports.plot_specs import Reliability
from musicml.reports.run_data import Told, is_number, pair
from musicml.reports.wording import Words

SHOWN = ("precision", "recall", "f1")


def thresholds(one: Told, words: Words) -> list[Block]:
    """Of several classes at once: the figures at 0.5 and at the fitted thresholds, side by side."""
    if not one.is_multi:
        return []
    at_half = one.report.at_half
    if at_half is None:
        return [Note(words("thresholds.missing"))]
    source = words.source(one.name, "report.json")
    said = [words("thresholds.words"), *([words("thresholds.of_folds")] if one.has_folds else [])]
    columns: tuple[str, ...] = (words("column.figure"), words("thresholds.half"), words("thresholds.fitted"))
    figures = tuple(
        (
            words.get(f"metric.{name}", name),
            Estimate(value, pair((at_half["intervals"] or {}).get(name))),
            Estimate(one.report.metrics[name], one.interval(name)),
        )
        for name, value in at_half["metrics"].items()
        if name in one.report.metrics
    )
    blocks: list[Block] = [
        Paragraph(" ".join(said)),
        Table(one.named("thresholds"), columns, figures, words("thresholds.caption"), source),
    ]
    limits, files = limits_of(one)
    if rows := of_classes(one, at_half["per_class"], limits or [own_of_folds(one, words)] * len(one.class_names)):
        names = [words(f"column.{figure}") for figure in SHOWN]
        heads = [f"{name}, {words(f'thresholds.{which}')}" for name in names for which in ("half", "own")]
        wide = (words("column.class"), words("thresholds.threshold"), *heads)
        name = one.named("per_class_thresholds")
        blocks.append(Table(name, wide, rows, words("thresholds.classes"), words.source(one.name, *files)))
    return blocks


def of_classes(one: Told, half: Sequence[ClassRow], limits: Sequence[Cell]) -> tuple[tuple[Any, ...], ...]:
    """Each class's threshold, of `limits`, and its figures at 0.5 and at that."""
    fitted = one.report.per_class
    if len(half) != len(fitted):
        return ()
    return tuple(
        (
            row["class"],
            limit,
            *(value for figure in SHOWN for value in (at.get(figure), row.get(figure))),
        )
        for row, at, limit in zip(fitted, half, limits, strict=True)
    )


def limits_of(one: Told) -> tuple[list[float], tuple[str, ...]]:
    """The fitted threshold of each class, and which files told; none where nothing tells, or folds have their own."""
    n = len(one.class_names)
    of_model = None if one.has_folds else (one.serving or {}).get("thresholds")
    for found, files in ((one.report.thresholds, ()), (of_model, ("serving.json",))):
        if isinstance(found, list) and len(found) == n and all(map(is_number, found)):
            return [float(limit) for limit in found], ("report.json", *files)
    return [], ("report.json",)


def own_of_folds(one: Told, words: Words) -> str | None:
    """What stands in the place of a temperature or a threshold that can't be named: why, where folds are the reason."""
    return words("calibration.of_folds") if one.has_folds else None


def number(value: Any) -> float | None:
    """A figure as a cell; None where it is not defined."""
    return float(value) if is_number(value) else None


def calibration(one: Told, words: Words) -> list[Block]:
    """How far what is said lies from what is so, before and after the temperature."""
    report = one.report
    after, before = report.calibration_error, report.calibration_error_before
    temperature, files = temperature_of(one)
    source = words.source(one.name, *files)
    if after is None:
        return [Note(words("calibration.missing"))]
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
    rows = (
        (words("calibration.error_before"), before),
        (words("calibration.error_after"), after),
        (words("calibration.temperature"), temperature if temperature is not None else own_of_folds(one, words)),
    )
    columns = (words("column.figure"), words("column.value"))
    table = Table(one.named("calibration"), columns, rows, words("calibration.caption"), source)
    return [Paragraph(" ".join(said)), table, *reliability(one, words)]


def temperature_of(one: Told) -> tuple[float | None, tuple[str, ...]]:
    """The temperature, and which files told; that of serving.json only where one model gave all answers."""
    if "temperature" in one.report.table or one.has_folds:
        return one.report.temperature, ("report.json",)
    return number((one.serving or {}).get("temperature")), ("report.json", "serving.json")


def reliability(one: Told, words: Words) -> list[Block]:
    """The reliability diagram and its table; or that an older report has none."""
    after, before = (bins(found) for found in (one.report.reliability, one.report.reliability_before))
    if not after:
        return [Note(words("calibration.no_diagram"))]
    source = words.source(one.name, "report.json")
    series = [(words("calibration.after"), points(after))]
    if before:
        series.append((words("calibration.before"), points(before)))
    drawn = Reliability(
        tuple(series),
        words("calibration.said"),
        words("calibration.right"),
        words("calibration.ideal"),
        words("calibration.count"),
    )
    columns = tuple(
        words(key) for key in ("calibration.bin", "calibration.count", "calibration.said", "calibration.right")
    )
    rows = tuple(
        (
            words("calibration.between", low=float(row["low"]), high=float(row["high"])),
            int(row["n"]),
            number(row.get("said")),
            Estimate(number(row.get("right")), pair(row.get("interval"))),
        )
        for row in after
    )
    return [
        Paragraph(words("calibration.reading")),
        Figure(
            one.named("reliability"),
            drawn,
            words("calibration.figure"),
            source,
            words("calibration.alt", n=sum(int(row["n"]) for row in after)),
        ),
        Table(one.named("reliability"), columns, rows, words("calibration.table"), source),
    ]


def bins(found: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """The bins of a reliability diagram, if that is what stands there."""
    return [row for row in found or () if all(is_number(row.get(key)) for key in ("low", "high", "n"))]


def points(found: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float, int], ...]:
    """The bins that hold something, as (said, right, n)."""
    return tuple(
        (float(row["said"]), float(row["right"]), int(row["n"]))
        for row in found
        if row["n"] and is_number(row.get("said")) and is_number(row.get("right"))
    )
