"""Sections on published work: results on the same datasets, and a run that repeats a published protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from musicml.data import AS_PUBLISHED, COUNT_COLUMNS, Reference, get_reference, list_references
from musicml.reports.document import Block, Cell, Estimate, Heading, Listing, Paragraph, format_cell
from musicml.reports.run_data import RunData, to_interval, to_number
from musicml.reports.wording import Words
from musicml.utils import InputError, Message, compute_wilson_interval

DENOMINATORS = {"precision": "said", "recall": "support"}  # metric → the count that it is a share of
OTHER_METRICS = ("macro_f1", "macro_auc", "mean_f1_both_sides")  # of a run, next to its main metric

Metrics = Mapping[str, Any]  # metric → share, (lowest, highest) of a published range, or an `Estimate`


def write_published_results(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write the published results on the runs' datasets next to those of the runs."""
    blocks: list[Block] = []
    for dataset in dict.fromkeys(run.info.data.dataset for run in runs):
        own_runs = [run for run in runs if run.info.data.dataset == dataset]
        references = list_references(dataset) if not own_runs[0].info.data.folder else []
        if references:
            blocks += _write_dataset(dataset, own_runs, references, words.for_runs(own_runs))
        else:
            blocks.append(Paragraph(words("reference.none", dataset=dataset)))
    return blocks


def _write_dataset(
    dataset: str, runs: Sequence[RunData], references: Sequence[Reference], words: Words
) -> Iterator[Block]:
    """Write the published results on one dataset: a table, protocols and caveats, and tables of classes."""
    metric = runs[0].report.main_metric  # the same for all runs on one dataset
    rows = [
        *(_make_run_row(run, metric, words) for run in runs),
        *(_make_row(paper, metric, words) for paper in references),
    ]
    source = f"{words.write_source('report.json')} {words('source.references')}"
    caption = words("reference.caption", dataset=dataset)
    yield Paragraph(words("reference.sample" if any(run.is_sample for run in runs) else "reference.words"))
    columns = f"system protocol side files metric.{metric} others"
    yield words.make_table(f"references-{dataset}", columns, rows, caption, source=source)
    yield Paragraph(words("reference.how"))
    yield Listing(tuple(_describe(reference, words) for reference in references))
    for reference in references:
        if reference.per_class:
            yield from _write_classes(reference, words)
    if without_table := [one for one in references if one.protocol == AS_PUBLISHED and not one.per_class]:
        yield Paragraph(words("reference.untabled"))
        yield Listing(
            tuple(
                words("reference.untabled_one", system=words.translate(one.system), figures=_list_metrics(one, words))
                for one in without_table
            )
        )


def _make_run_row(run: RunData, metric: str, words: Words) -> tuple[Cell, ...]:
    """Make the row of a run in the table of published results."""
    report = run.report
    return (
        words("reference.this", run=run.name) + (f" ({words('data.is_sample')})" if run.is_sample else ""),
        words("reference.published" if run.is_published else "reference.honest"),
        words("split.folds_side" if run.scored_on == "folds" else f"split.{run.scored_on}"),
        report.n,
        Estimate(report.main, report.get_interval(metric)) if report.main_metric == metric else None,
        _format_metrics(report.metrics, OTHER_METRICS, words) or None,
    )


def _make_row(reference: Reference, metric: str, words: Words) -> tuple[Cell, ...]:
    """Make the row of a published result."""
    main = reference.figures.get(metric)
    if isinstance(main, float | int):
        main_cell: Cell = Estimate(float(main), reference.interval if metric == "accuracy" else None)
    else:
        main_cell = _format_value(main, words) if main is not None else None
    others = [name for name in reference.figures if name != metric]
    return (
        words.translate(reference.system),
        words("reference.published" if reference.protocol == AS_PUBLISHED else "reference.honest"),
        words(f"split.{reference.side}"),
        reference.n_test if reference.side == "test" else None,
        main_cell,
        _format_metrics(reference.figures, others, words) or None,
    )


def _format_value(value: Any, words: Words) -> str:
    """Format a share, both ends of a published range, or an estimate."""
    if isinstance(value, Estimate):
        return format_cell(value, words.language)
    ends = value if isinstance(value, tuple) else (value,)
    return "–".join(format_cell(float(end), words.language) for end in ends)


def _format_metrics(metrics: Metrics, names: Iterable[str], words: Words) -> str:
    """Format some metrics with their names: `macro F1 0.641; loss 0.805`; missing ones are skipped."""
    return "; ".join(
        f"{words.get(f'metric.{name}', name)} {_format_value(metrics[name], words)}"
        for name in names
        if name in metrics
    )


def _describe(reference: Reference, words: Words) -> str:
    """Describe a published result with its source, protocol and caveats."""
    source = ", ".join(filter(None, (words.translate(reference.source), reference.url)))
    how, caveats = words.translate(reference.method), words.translate(reference.caveats)
    return words("reference.told", system=words.translate(reference.system), source=source, how=how, caveats=caveats)


def _write_classes(reference: Reference, words: Words) -> Iterator[Block]:
    """Write the published results per class, with Wilson's intervals where the counts are known."""
    columns = dict.fromkeys(name for row in reference.per_class.values() for name in row)
    counts = [name for name in COUNT_COLUMNS if name in columns]
    metrics = [name for name in columns if name not in COUNT_COLUMNS]
    rows = [
        (
            label,
            *(int(row[name]) if name in row else None for name in counts),
            *(_estimate(row, name) for name in metrics),
        )
        for label, row in reference.per_class.items()
    ]
    has_intervals = any(isinstance(cell, Estimate) and cell.interval for row in rows for cell in row)
    key = "classes" if has_intervals else "classes_of" if reference.n_test else "classes_bare"
    system = words.translate(reference.system)
    headings = [words.get(f"column.{name}", name) for name in ("class", *counts, *metrics)]
    caption, source = words(f"reference.{key}", system=system, n=reference.n_test), words("source.references")
    yield Heading(system, 2)
    yield words.make_table(f"reference-{reference.name}", headings, rows, caption, source=source)


def _estimate(row: Mapping[str, float], name: str) -> Estimate:
    """Compute Wilson's interval of a published share where its denominator is known."""
    value, n = row.get(name), int(row.get(DENOMINATORS.get(name, ""), 0))
    # published shares are rounded: the nearest whole number is how many were correct
    return Estimate(value, compute_wilson_interval(round(value * n), n) if n and value is not None else None)


def _list_metrics(reference: Reference, words: Words) -> str:
    """List a system's overall metrics: `accuracy 0.990 (0.963–0.999), 149 of 150 correct`."""
    n, accuracy, correct = reference.n_test, reference.figures.get("accuracy"), ""
    metrics: dict[str, Any] = dict(reference.figures)
    if reference.interval and n and isinstance(accuracy, float | int):
        low = reference.interval[0]
        # the interval came from the exact count, but the rounded accuracy may fit several: take the count that gives it
        count = min(range(n + 1), key=lambda correct: abs(compute_wilson_interval(correct, n)[0] - low))
        correct = f", {words('reference.right', right=count, n=n)}"
        metrics["accuracy"] = Estimate(float(accuracy), reference.interval)
    texts = (_format_metrics(metrics, [name], words) + (correct if name == "accuracy" else "") for name in metrics)
    return "; ".join(texts) or words("reference.no_figure")


def write_replication(run: RunData, words: Words, runs: Sequence[RunData]) -> list[Block]:
    """Write the flaw of a published protocol, with the published, repeated and honest results.

    Parameters
    ----------
    runs : all runs of the report, of which one may be the honest counterpart

    Returns
    -------
    list of blocks; empty for an honest run
    """
    published = run.info.published
    if published is None:
        return []
    sentences = [words.translate(Message(published["fault"]))] if published.get("fault") else []
    names = published.get("figures") or []
    try:
        reference = get_reference(published.get("reference", ""))
    except InputError:  # a newer version of musicml made the run
        pass
    else:
        theirs = _format_metrics(reference.figures, names, words)
        ours = _format_metrics(run.report.metrics, [name for name in names if name in reference.figures], words)
        sentences.insert(0, words("published.words", system=words.translate(reference.system)))
        if theirs and ours:
            sentences.append(words("published.figures", figures=theirs, ours=ours))
    if experiment := published.get("honest"):
        partners = (other for other in runs if other.info.experiment == experiment and not other.is_published)
        sentences.append(_describe_partner(next(partners, None), experiment, names, words))
    rows = list(_flatten(run.report.as_served or {}, words))
    table = words.make_table("as_served", "figure estimate", rows, words("published.served"), "report.json")
    return [Paragraph(" ".join(sentences)), *([table] if rows else [])]


def _describe_partner(partner: RunData | None, experiment: str, names: Sequence[str], words: Words) -> str:
    """Give the honest counterpart's published metrics, or else its main metric; say if it is not in the report."""
    if partner is None:
        return words("published.honest_lacks", experiment=experiment)
    report = partner.report
    known = [name for name in names if name in report.metrics] or [report.main_metric]
    estimates = {name: Estimate(report.metrics.get(name), report.get_interval(name)) for name in known}
    metrics = _format_metrics(estimates, known, words)
    return words("published.honest_here", run=partner.name, experiment=experiment, figure=metrics)


def _flatten(table: Mapping[str, Any], words: Words, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, Cell]]:
    """Yield the numbers of nested tables by name, each with the interval that is stored next to it."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, words, (*prefix, words.get(f"served.{key}", key)))
        elif to_number(value) is not None:
            interval = to_interval(table.get(f"{key}_interval"))
            name = " · ".join((*prefix, words.get(f"served.{key}", words.get(f"metric.{key}", key))))
            yield name, value if isinstance(value, int) else Estimate(value, interval)
