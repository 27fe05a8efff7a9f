"""About a run's figures: the main ones in plain sentences, each class, what is taken for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from musicml.evaluation import describe_few_groups
from musicml.reports.document import Block, Cell, Estimate, Figure, Note, Paragraph, Table, shown
from musicml.reports.plot_specs import Bars, Matrix
from musicml.reports.run_data import Told, pair
from musicml.reports.wording import Words

FEW = 5  # examples of a class below which one more right answer moves its row by a fifth
WIDEST = 12  # classes of a confusion matrix that the text has room for as a table
MOST_PAIRS = 10
NAMED = 8  # classes named in a sentence

Row = Mapping[str, Any]


def summary(one: Told, words: Words) -> list[Block]:
    """What came of it, in plain sentences, and all figures over all classes."""
    report = one.report
    said = [main_sentence(one, words)]
    if few := describe_few_groups(report.n_groups, report.interval_method):
        said.append(words.said(few))
    if one.judged == "val":
        said.append(words("summary.on_val"))
    if (right := right_of(one)) is not None:
        said.append(words("summary.right", right=right, n=report.n))
    if one.is_multi and report.observed is not None:
        said.append(words("summary.observed", observed=report.observed, all=report.n * len(one.class_names)))
    said += best_and_worst(one, words)
    if report.unreadable:
        said.append(words("summary.unreadable", n=len(report.unreadable)))
    if (unlike := report.unlike_training) and unlike["n"]:
        said.append(words("summary.unlike", flagged=unlike["flagged"], n=unlike["n"]))
    if one.place and one.is_published:
        said.append(words("summary.published"))
    return [Paragraph(" ".join(said)), figures_table(one, words)]


def main_sentence(one: Told, words: Words) -> str:
    """The main figure with its interval, on how many files of how many groups; or why there is none."""
    report, metric = one.report, words(f"metric.{one.report.main_metric}")
    counts = {"n": report.n, "groups": report.n_groups, "metric": metric}
    if one.main is None:
        return words("summary.undefined", **counts)
    value, ends = one.main, one.interval(report.main_metric)
    if ends is not None:
        return words("summary.main", value=value, low=ends[0], high=ends[1], **counts)
    why = words("summary.one_group" if report.n_groups < 2 else "summary.all_alike")
    return f"{words('summary.main_bare', value=value, **counts)} {why}"


def right_of(one: Told) -> int | None:
    """How many test files were told right, by the confusion matrix of report.json."""
    counts = counts_of(one)
    return sum(row[place] for place, row in enumerate(counts)) if counts else None


def counts_of(one: Told) -> list[list[int]] | None:
    """The confusion matrix of report.json, if it is one."""
    counts, n = one.report.confusion, len(one.class_names)
    is_square = counts is not None and len(counts) == n and all(len(row) == n for row in counts)
    return counts if is_square else None


def best_and_worst(one: Told, words: Words) -> Iterator[str]:
    """The classes that are told best and worst, and those of which nothing can be said."""
    figure = figure_of(one)
    rows: Sequence[Row] = one.report.per_class
    told = sorted((row for row in rows if row.get(figure) is not None), key=lambda row: row[figure])
    if len(told) > 1 and told[0][figure] < told[-1][figure]:
        low, high = float(told[0][figure]), float(told[-1][figure])
        worst, best = ([row["class"] for row in told if row[figure] == value] for value in (low, high))
        values = {"metric": words(f"column.{figure}"), "high": high, "low": low}
        yield words("summary.classes", best=alone(best, words), worst=alone(worst, words), **values)
    yield from undefined(one, words)


def alone(names: Sequence[str], words: Words) -> str:
    """A class by its name, or how many share a place."""
    return names[0] if len(names) == 1 else words("summary.sharing", n=len(names))


def figure_of(one: Told) -> str:
    """The figure by which classes are ranked and drawn."""
    return "average_precision" if one.is_multi else "f1"


def undefined(one: Told, words: Words) -> Iterator[str]:
    """Why some classes have no precision or no recall, and which have too few examples to tell."""
    rows = one.report.per_class
    for key, names in (
        ("classes.absent", [row["class"] for row in rows if not row["support"]]),
        ("classes.unsaid", [row["class"] for row in rows if row["support"] and not row["said"]]),
        ("classes.single", [row["class"] for row in rows if row["support"] == 1]),
        ("classes.few", [row["class"] for row in rows if 1 < row["support"] < FEW]),
    ):
        if names:
            yield words(key, names=listed(names, words), n=len(names), few=FEW)


def listed(names: Sequence[str], words: Words) -> str:
    """Class names in a sentence; of many, the first and how many more."""
    more = words("name.more", n=len(names) - NAMED) if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def figures_table(one: Told, words: Words) -> Table:
    """Every figure over all classes, with its interval where there is one."""
    report = one.report
    rows = tuple(
        (words.get(f"metric.{name}", name), Estimate(float(value), one.interval(name)))
        for name, value in report.metrics.items()
    )
    columns = (words("column.figure"), words("column.estimate"))
    return Table(one.named("figures"), columns, rows, words("summary.caption"), words.source(one.name, "report.json"))


def classes(one: Told, words: Words) -> list[Block]:
    """Each class's figures with intervals, as a table and as bars; why some are not defined."""
    rows: Sequence[Row] = one.report.per_class
    figure = figure_of(one)
    bars = tuple((row["class"], row.get(figure), interval(row, figure)) for row in rows)
    axis = words(f"column.{figure}")
    source = words.source(one.name, "report.json")
    values = [f"{name} {shown(value, words.language)}" for name, value, _ in bars]
    return [
        Paragraph(" ".join([words("classes.words"), *without_ends(one, words), *undefined(one, words)])),
        *([] if one.report.intervals else [Note(words("classes.no_intervals"))]),
        table_of(one, "per_class", ("precision", "recall", "f1"), words("classes.counted"), words),
        Figure(
            one.named("classes"),
            Bars(bars, axis, words("classes.undefined")),
            words("classes.figure", metric=axis),
            source,
            words("classes.alt", metric=axis, values=", ".join(values)),
        ),
        table_of(one, "per_class_ranked", ("auc", "average_precision"), words("classes.ranked"), words),
        *by_counts(one, words),
    ]


def without_ends(one: Told, words: Words) -> Iterator[str]:
    """Why some figures of classes stand without an interval, where others have one."""
    rows: Sequence[Row] = one.report.per_class
    names = ("precision", "recall", "f1", "auc", "average_precision")
    if one.report.intervals and any(
        row.get(name) is not None and interval(row, name) is None for row in rows for name in names
    ):
        yield words("classes.all_alike")


def table_of(one: Told, name: str, figures: Sequence[str], caption: str, words: Words) -> Table:
    """Some figures of each class, with their intervals from the bootstrap."""
    counts = ("support", "said") if "recall" in figures else ("support",)
    if one.is_multi:
        counts = (*counts, "observed")
    classes: Sequence[Row] = one.report.per_class
    rows = tuple(
        (
            row["class"],
            *(row.get(count) for count in counts),
            *(Estimate(row.get(figure), interval(row, figure)) for figure in figures),
        )
        for row in classes
    )
    columns = tuple(words(f"column.{key}") for key in ("class", *counts, *figures))
    return Table(one.named(name), columns, rows, caption, words.source(one.name, "report.json"))


def interval(row: Row, figure: str) -> tuple[float, float] | None:
    """The interval of one figure of a class."""
    kept = row.get("intervals")
    return pair(kept.get(figure)) if isinstance(kept, dict) else None


def by_counts(one: Told, words: Words) -> list[Block]:
    """Wilson's intervals of precision and recall, where report.json has them."""
    rows: Sequence[Row] = one.report.per_class
    if not all(isinstance(row.get("wilson"), dict) for row in rows):
        return [Paragraph(words("classes.no_wilson"))]
    lines: list[tuple[Cell, ...]] = [
        (row["class"], *(Estimate(row.get(name), pair(row["wilson"].get(name))) for name in ("precision", "recall")))
        for row in rows
    ]
    columns = tuple(words(f"column.{key}") for key in ("class", "precision", "recall"))
    source = words.source(one.name, "report.json")
    return [Table(one.named("per_class_wilson"), columns, tuple(lines), words("classes.wilson"), source)]


def confusion(one: Told, words: Words) -> list[Block]:
    """What is taken for what, where each example is of one class."""
    counts, names = counts_of(one), one.class_names
    if one.is_multi:
        return []
    if counts is None:
        return [Note(words("confusion.missing"))]
    source = words.source(one.name, "report.json", "predictions.csv")
    pairs = sorted(
        (
            (counts[true][said], names[true], names[said])
            for true in range(len(names))
            for said in range(len(names))
            if true != said and counts[true][said]
        ),
        key=lambda found: (-found[0], found[1:]),
    )
    most = tuple((true, said, count) for count, true, said in pairs[:MOST_PAIRS])
    drawn = Matrix(names, tuple(map(tuple, counts)), words("confusion.rows"), words("confusion.columns"))
    errors = sum(count for count, _, _ in pairs)
    text = words("confusion.words", errors=errors, n=one.report.n) if pairs else words("confusion.nothing")
    columns = (words("confusion.rows"), words("confusion.columns"), words("column.count"))
    whole: tuple[tuple[Cell, ...], ...] = tuple((name, *row) for name, row in zip(names, counts, strict=True))
    return [
        Paragraph(text),
        *([Table(one.named("confused"), columns, most, words("confusion.pairs"), source)] if most else []),
        Figure(one.named("confusion"), drawn, words("confusion.caption"), source, words("confusion.alt", n=len(names))),
        Table(
            one.named("confusion"),
            (words("confusion.corner"), *names),
            whole,
            words("confusion.table"),
            source,
            beside=len(names) > WIDEST,
        ),
    ]
