"""About a run's figures: the main ones in plain sentences, each class, what is taken for what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from musicml.evaluation import describe_few_groups
from musicml.reports.document import Block, Cell, Estimate, Note, Paragraph, Table, shown
from musicml.reports.plots import Bars, Matrix
from musicml.reports.run_data import Told, estimate
from musicml.reports.wording import Words

FEW = 5  # examples of a class below which one more right answer moves its row by a fifth
WIDEST = 12  # classes of a confusion matrix that the text has room for as a table
MOST_PAIRS = 10
NAMED = 8  # classes named in a sentence
COUNTED, RANKED = ("precision", "recall", "f1"), ("auc", "average_precision")

Row = Mapping[str, Any]


def summary(one: Told, words: Words) -> list[Block]:
    """Say what came of it, in plain sentences, and give all figures over all classes."""
    report = one.report
    said = [_write_main_sentence(one, words)]
    if few := describe_few_groups(report.n_groups, report.interval_method):
        said.append(words.said(few))
    if one.judged == "val":
        said.append(words("summary.on_val"))
    if counts := _get_confusion(one):
        right = sum(row[place] for place, row in enumerate(counts))
        said.append(words("summary.right", right=right, n=report.n))
    if one.is_multi and report.observed is not None:
        said.append(words("summary.observed", observed=report.observed, all=report.n * len(one.class_names)))
    said += [*_name_best_and_worst(one, words), *_explain_rows(one, words)]
    if report.unreadable:
        said.append(words("summary.unreadable", n=len(report.unreadable)))
    if (unlike := report.unlike_training) and unlike["n"]:
        said.append(words("summary.unlike", flagged=unlike["flagged"], n=unlike["n"]))
    if one.place and one.is_published:
        said.append(words("summary.published"))
    rows = (
        (words.get(f"metric.{name}", name), Estimate(float(value), report.get_interval(name)))
        for name, value in report.metrics.items()
    )
    return [
        Paragraph(" ".join(said)),
        words.table("figures", "figure estimate", rows, words("summary.caption"), "report.json"),
    ]


def _write_main_sentence(one: Told, words: Words) -> str:
    """Give the main figure with its interval, on how many files of how many groups; or say why there is none."""
    report = one.report
    known = {"n": report.n, "groups": report.n_groups, "metric": words(f"metric.{report.main_metric}")}
    if report.main is None:
        return words("summary.undefined", **known)
    if ends := report.get_interval(report.main_metric):
        return words("summary.main", value=report.main, low=ends[0], high=ends[1], **known)
    why = words("summary.one_group" if report.n_groups < 2 else "summary.all_alike")
    return f"{words('summary.main_bare', value=report.main, **known)} {why}"


def _get_confusion(one: Told) -> list[list[int]] | None:
    """Return the confusion matrix of report.json, if it is one."""
    counts, n = one.report.confusion, len(one.class_names)
    is_square = counts is not None and len(counts) == n and all(len(row) == n for row in counts)
    return counts if is_square else None


def _name_best_and_worst(one: Told, words: Words) -> Iterator[str]:
    """Name the classes that are told best and worst, or how many share that place."""
    figure, rows = one.ranked_by, one.per_class
    values = [float(row[figure]) for row in rows if row.get(figure) is not None]
    if len(values) > 1 and min(values) < max(values):
        named = {}
        for place, value in (("low", min(values)), ("high", max(values))):
            names = [row["class"] for row in rows if row.get(figure) == value]
            named[place] = names[0] if len(names) == 1 else words("summary.sharing", n=len(names))
        low_and_high = {"low": min(values), "high": max(values)}
        metric = words(f"column.{figure}")
        yield words("summary.classes", metric=metric, best=named["high"], worst=named["low"], **low_and_high)


def _explain_rows(one: Told, words: Words) -> Iterator[str]:
    """Say why some classes have no precision or no recall, and which have too few examples to tell."""
    reasons: dict[str, Callable[[Row], bool]] = {
        "absent": lambda row: not row["support"],
        "unsaid": lambda row: row["support"] and not row["said"],
        "single": lambda row: row["support"] == 1,
        "few": lambda row: 1 < row["support"] < FEW,
    }
    for key, holds in reasons.items():
        if names := [row["class"] for row in one.per_class if holds(row)]:
            more = words("name.more", n=len(names) - NAMED) if len(names) > NAMED else ""
            yield words(f"classes.{key}", names=", ".join(names[:NAMED]) + more, few=FEW)


def classes(one: Told, words: Words) -> list[Block]:
    """Give each class's figures with intervals, as a table and as bars, and why some are not defined."""
    rows, axis = one.per_class, words(f"column.{one.ranked_by}")
    bars = [(row["class"], estimate(row, one.ranked_by)) for row in rows]
    values = ", ".join(f"{name} {shown(bar.value, words.language)}" for name, bar in bars)
    drawn = Bars(tuple((name, bar.value, bar.interval) for name, bar in bars), axis, words("classes.undefined"))
    alt = words("classes.alt", metric=axis, values=values)
    observed = ("observed",) if one.is_multi else ()
    bare = [cell for row in rows for cell in (estimate(row, name) for name in (*COUNTED, *RANKED)) if not cell.interval]
    said = [words("classes.words")]
    if one.report.intervals and any(cell.value is not None for cell in bare):
        said.append(words("classes.all_alike"))
    blocks: list[Block] = [Paragraph(" ".join([*said, *_explain_rows(one, words)]))]
    if not one.report.intervals:
        blocks.append(Note(words("classes.no_intervals")))
    blocks += [
        _make_table("per_class", ("support", "said", *observed), COUNTED, "classes.counted", one, words),
        words.figure("classes", drawn, words("classes.figure", metric=axis), alt, "report.json"),
        _make_table("per_class_ranked", ("support", *observed), RANKED, "classes.ranked", one, words),
    ]
    if not all(isinstance(row.get("wilson"), dict) for row in rows):
        return [*blocks, Paragraph(words("classes.no_wilson"))]
    return [*blocks, _make_table("per_class_wilson", (), COUNTED[:2], "classes.wilson", one, words, "wilson")]


def _make_table(
    name: str, counts: Sequence[str], figures: Sequence[str], key: str, one: Told, words: Words, ends: str = "intervals"
) -> Table:
    """Make a table of each class's counts and figures; `ends` is the key of their intervals."""
    rows = (
        (row["class"], *(row.get(count) for count in counts), *(estimate(row, figure, ends) for figure in figures))
        for row in one.per_class
    )
    return words.table(name, " ".join(("class", *counts, *figures)), rows, words(key), "report.json")


def confusion(one: Told, words: Words) -> list[Block]:
    """Show what is taken for what, where each example is of one class."""
    counts, names = _get_confusion(one), one.class_names
    if one.is_multi:
        return []
    if counts is None:
        return [Note(words("confusion.missing"))]
    files, wide = ("report.json", "predictions.csv"), len(names) > WIDEST
    pairs = [
        (true, said, count)
        for true, row in zip(names, counts, strict=True)
        for said, count in zip(names, row, strict=True)
        if true != said and count
    ]
    most = sorted(pairs, key=lambda found: (-found[2], found[:2]))[:MOST_PAIRS]
    errors = sum(count for _, _, count in pairs)
    text = words("confusion.words", errors=errors, n=one.report.n) if pairs else words("confusion.nothing")
    blocks: list[Block] = [Paragraph(text)]
    if most:
        heads = "confusion.rows confusion.columns count"
        blocks.append(words.table("confused", heads, most, words("confusion.pairs"), *files))
    drawn = Matrix(names, tuple(map(tuple, counts)), words("confusion.rows"), words("confusion.columns"))
    rows: list[tuple[Cell, ...]] = [(name, *row) for name, row in zip(names, counts, strict=True)]
    heads_and_names = (words("confusion.corner"), *names)
    return [
        *blocks,
        words.figure("confusion", drawn, words("confusion.caption"), words("confusion.alt", n=len(names)), *files),
        words.table("confusion", heads_and_names, rows, words("confusion.table"), *files, beside=wide),
    ]
