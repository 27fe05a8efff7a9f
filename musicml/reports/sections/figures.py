"""Sections on the results of one run: the summary, the metrics of each class, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from musicml.evaluation import describe_few_groups
from musicml.reports.document import Block, Cell, Estimate, Note, Paragraph, Table, format_cell
from musicml.reports.plots import Bars, Matrix
from musicml.reports.run_data import RunData, get_estimate
from musicml.reports.wording import Words

FEW_EXAMPLES = 5  # below it, one more correct prediction changes a class's recall by more than a fifth
MAX_TABLE_CLASSES = 12  # a larger confusion matrix is a figure and an attached file
MAX_PAIRS = 10
MAX_NAMES = 8  # class names in a sentence
COUNT_METRICS, RANKING_METRICS = ("precision", "recall", "f1"), ("auc", "average_precision")

Row = Mapping[str, Any]


def write_summary(run: RunData, words: Words) -> list[Block]:
    """Write the main results in sentences, and a table of all metrics over the classes."""
    report = run.report
    sentences = [_write_main_sentence(run, words)]
    if warning := describe_few_groups(report.n_groups, report.interval_method):
        sentences.append(words.translate(warning))
    if run.scored_on == "val":
        sentences.append(words("summary.on_val"))
    if counts := _get_confusion(run):
        correct = sum(row[place] for place, row in enumerate(counts))  # the diagonal
        sentences.append(words("summary.right", right=correct, n=report.n))
    if run.is_multi and report.observed is not None:
        n_cells = report.n * len(run.class_names)
        sentences.append(words("summary.observed", observed=report.observed, all=n_cells))
    sentences += [*_name_best_and_worst(run, words), *_explain_rows(run, words)]
    if report.unreadable:
        sentences.append(words("summary.unreadable", n=len(report.unreadable)))
    if (unlike := report.unlike_training) and unlike["n"]:
        sentences.append(words("summary.unlike", flagged=unlike["flagged"], n=unlike["n"]))
    if run.place and run.is_published:
        sentences.append(words("summary.published"))
    rows = (
        (words.capitalize(f"metric.{name}", name), Estimate(float(value), report.get_interval(name)))
        for name, value in report.metrics.items()
    )
    return [
        Paragraph(" ".join(sentences)),
        words.make_table("figures", "figure estimate", rows, words("summary.caption"), "report.json"),
    ]


def _write_main_sentence(run: RunData, words: Words) -> str:
    """Write the main metric with its interval, or the reason why there is none."""
    report = run.report
    values = {"n": report.n, "groups": report.n_groups, "metric": words.capitalize(f"metric.{report.main_metric}")}
    if report.main is None:
        return words("summary.undefined", **values)
    if interval := report.get_interval(report.main_metric):
        return words("summary.main", value=report.main, low=interval[0], high=interval[1], **values)
    reason = words("summary.one_group" if report.n_groups < 2 else "summary.all_alike")
    return f"{words('summary.main_bare', value=report.main, **values)} {reason}"


def _get_confusion(run: RunData) -> list[list[int]] | None:
    """Return the confusion matrix of report.json; None if there is none or it does not fit the classes."""
    counts, n = run.report.confusion, len(run.class_names)
    is_square = counts is not None and len(counts) == n and all(len(row) == n for row in counts)
    return counts if is_square else None


def _name_best_and_worst(run: RunData, words: Words) -> Iterator[str]:
    """Name the best and the worst class; of several with the same value, say how many there are."""
    metric, rows = run.class_metric, run.per_class
    values = [float(row[metric]) for row in rows if row.get(metric) is not None]
    if len(values) > 1 and min(values) < max(values):  # if all are equal, none is best
        labels = {}
        for place, value in (("low", min(values)), ("high", max(values))):
            names = [row["class"] for row in rows if row.get(metric) == value]
            labels[place] = names[0] if len(names) == 1 else words("summary.sharing", n=len(names))
        ends = {"low": min(values), "high": max(values)}
        yield words(
            "summary.classes", metric=words(f"metric.{metric}"), best=labels["high"], worst=labels["low"], **ends
        )


def _explain_rows(run: RunData, words: Words) -> Iterator[str]:
    """Explain why classes have no precision or recall, and name those with few examples."""
    reasons: dict[str, Callable[[Row], bool]] = {
        "absent": lambda row: not row["support"],
        "unsaid": lambda row: row["support"] and not row["said"],
        "single": lambda row: row["support"] == 1,
        "few": lambda row: 1 < row["support"] < FEW_EXAMPLES,
    }
    for key, holds in reasons.items():
        if names := [row["class"] for row in run.per_class if holds(row)]:
            more = words("name.more", n=len(names) - MAX_NAMES) if len(names) > MAX_NAMES else ""
            yield words(f"classes.{key}", names=", ".join(names[:MAX_NAMES]) + more, few=FEW_EXAMPLES)


def write_classes(run: RunData, words: Words) -> list[Block]:
    """Write the metrics of each class as tables and as a bar chart, and explain what is not defined."""
    rows, axis = run.per_class, words.capitalize(f"metric.{run.class_metric}")
    bars = [(row["class"], get_estimate(row, run.class_metric)) for row in rows]
    values = ", ".join(f"{name} {format_cell(bar.value, words.language)}" for name, bar in bars)
    drawing = Bars(tuple((name, bar.value, bar.interval) for name, bar in bars), axis, words("classes.undefined"))
    alt = words("classes.alt", metric=axis, values=values)
    observed = ("observed",) if run.is_multi else ()  # of a single label, every cell is known
    metrics = (*COUNT_METRICS, *RANKING_METRICS)
    without_interval = [
        cell for row in rows for cell in (get_estimate(row, name) for name in metrics) if not cell.interval
    ]
    sentences = [words("classes.words")]
    if run.report.intervals and any(cell.value is not None for cell in without_interval):
        sentences.append(words("classes.all_alike"))
    blocks: list[Block] = [Paragraph(" ".join([*sentences, *_explain_rows(run, words)]))]
    if not run.report.intervals:
        blocks.append(Note(words("classes.no_intervals")))
    blocks += [
        _make_table("per_class", ("support", "said", *observed), COUNT_METRICS, "classes.counted", run, words),
        words.make_figure("classes", drawing, words("classes.figure", metric=axis), alt, "report.json"),
        _make_table("per_class_ranked", ("support", *observed), RANKING_METRICS, "classes.ranked", run, words),
    ]
    if not all(isinstance(row.get("wilson"), dict) for row in rows):  # written before Wilson's intervals were kept
        return [*blocks, Paragraph(words("classes.no_wilson"))]
    return [*blocks, _make_table("per_class_wilson", (), COUNT_METRICS[:2], "classes.wilson", run, words, "wilson")]


def _make_table(
    name: str,
    counts: Sequence[str],
    metrics: Sequence[str],
    caption: str,
    run: RunData,
    words: Words,
    intervals: str = "intervals",
) -> Table:
    """Make a table of counts and metrics per class; `intervals` is the key of the rows' intervals."""
    rows = (
        (
            row["class"],
            *(row.get(count) for count in counts),
            *(get_estimate(row, metric, intervals) for metric in metrics),
        )
        for row in run.per_class
    )
    return words.make_table(name, " ".join(("class", *counts, *metrics)), rows, words(caption), "report.json")


def write_confusion(run: RunData, words: Words) -> list[Block]:
    """Write the confusion matrix and the most frequent confusions; nothing for a multi-label task."""
    counts, names = _get_confusion(run), run.class_names
    if run.is_multi:
        return []
    if counts is None:
        return [Note(words("confusion.missing"))]
    files, is_wide = ("report.json", "predictions.csv"), len(names) > MAX_TABLE_CLASSES
    pairs = [
        (true, predicted, count, round(100 * count / sum(row)))  # the last is the row percent
        for true, row in zip(names, counts, strict=True)
        for predicted, count in zip(names, row, strict=True)
        if true != predicted and count
    ]
    top_pairs = sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))[:MAX_PAIRS]
    n_errors = sum(pair[2] for pair in pairs)
    text = words("confusion.words", errors=n_errors, n=run.report.n) if pairs else words("confusion.nothing")
    blocks: list[Block] = [Paragraph(text)]
    if top_pairs:
        headings = "confusion.rows confusion.columns count confusion.percent"
        blocks.append(words.make_table("confused", headings, top_pairs, words("confusion.pairs"), *files))
    drawing = Matrix(names, tuple(map(tuple, counts)), words("confusion.rows"), words("confusion.columns"))
    rows: list[tuple[Cell, ...]] = [(name, *row) for name, row in zip(names, counts, strict=True)]
    columns, caption, alt = (
        (words("confusion.corner"), *names),
        words("confusion.caption"),
        words("confusion.alt", n=len(names)),
    )
    return [
        *blocks,
        words.make_figure("confusion", drawing, caption, alt, *files),
        words.make_table("confusion", columns, rows, words("confusion.table"), *files, is_attachment=is_wide),
    ]
