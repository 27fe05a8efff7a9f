"""About what is published on the data of a report's runs, and about a run that repeats a published protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from musicml.data import AS_PUBLISHED, COUNT_COLUMNS, Reference, get_reference, list_references
from musicml.reports.document import Block, Cell, Estimate, Heading, Listing, Paragraph, shown
from musicml.reports.run_data import Told, number, pair
from musicml.reports.wording import Words
from musicml.utils import InputError, Message, compute_wilson_interval

OUT_OF = {"precision": "said", "recall": "support"}  # which count a published share is a share of
OTHERS = ("macro_f1", "macro_auc", "mean_f1_both_sides")  # figures of a run that stand beside its main one

Figures = Mapping[str, Any]  # metric → share, (lowest, highest) of a published range, or an estimate


def published(some: Sequence[Told], words: Words) -> list[Block]:
    """Show what is published on the runs' data sets, beside what they reached."""
    blocks: list[Block] = []
    for dataset in dict.fromkeys(one.info.data.dataset for one in some):
        ours = [one for one in some if one.info.data.dataset == dataset]
        found = list_references(dataset) if not ours[0].info.data.folder else []
        if found:
            blocks += _show_dataset(dataset, ours, found, words.across(ours))
        else:
            blocks.append(Paragraph(words("reference.none", dataset=dataset)))
    return blocks


def _show_dataset(dataset: str, ours: Sequence[Told], found: Sequence[Reference], words: Words) -> Iterator[Block]:
    """Show one data set's published results: a table, how each came about, the tables of classes."""
    metric = ours[0].report.main_metric
    rows = [*(_make_our_row(one, metric, words) for one in ours), *(_make_row(one, metric, words) for one in found)]
    source = f"{words.source('report.json')} {words('source.references')}"
    caption = words("reference.caption", dataset=dataset)
    yield Paragraph(words("reference.sample" if any(one.is_sample for one in ours) else "reference.words"))
    heads = f"system protocol side files metric.{metric} others"
    yield words.table(f"references-{dataset}", heads, rows, caption, source=source)
    yield Paragraph(words("reference.how"))
    yield Listing(tuple(_describe(one, words) for one in found))
    for one in found:
        if one.per_class:
            yield from _show_classes(one, words)
    if bare := [one for one in found if one.protocol == AS_PUBLISHED and not one.per_class]:
        yield Paragraph(words("reference.untabled"))
        named = ((words.said(one.system), _list_all_figures(one, words)) for one in bare)
        yield Listing(tuple(words("reference.untabled_one", system=system, figures=all_) for system, all_ in named))


def _make_our_row(one: Told, metric: str, words: Words) -> tuple[Cell, ...]:
    """Make a row of a run, to stand beside the published ones."""
    report = one.report
    return (
        words("reference.this", run=one.name) + (f" ({words('data.is_sample')})" if one.is_sample else ""),
        words("reference.published" if one.is_published else "reference.honest"),
        words("split.folds_side" if one.judged == "folds" else f"split.{one.judged}"),
        report.n,
        Estimate(report.main, report.get_interval(metric)) if report.main_metric == metric else None,
        _name_figures(report.metrics, OTHERS, words) or None,
    )


def _make_row(one: Reference, metric: str, words: Words) -> tuple[Cell, ...]:
    """Make a row of a published result."""
    main = one.figures.get(metric)
    if isinstance(main, float | int):
        main_cell: Cell = Estimate(float(main), one.interval if metric == "accuracy" else None)
    else:
        main_cell = _write_figure(main, words) if main is not None else None
    return (
        words.said(one.system),
        words("reference.published" if one.protocol == AS_PUBLISHED else "reference.honest"),
        words(f"split.{one.side}"),
        one.n_test if one.side == "test" else None,
        main_cell,
        _name_figures(one.figures, [name for name in one.figures if name != metric], words) or None,
    )


def _write_figure(value: Any, words: Words) -> str:
    """Write a share, both ends of a published range, or an estimate."""
    if isinstance(value, Estimate):
        return shown(value, words.language)
    return "–".join(shown(float(end), words.language) for end in (value if isinstance(value, tuple) else (value,)))


def _name_figures(figures: Figures, names: Iterable[str], words: Words) -> str:
    """Write those of some figures that there are, each with its name: `macro F1 0.641; loss 0.805`."""
    return "; ".join(
        f"{words.get(f'metric.{name}', name)} {_write_figure(figures[name], words)}"
        for name in names
        if name in figures
    )


def _describe(one: Reference, words: Words) -> str:
    """Say how a published result came about, and what it is worth."""
    source = ", ".join(filter(None, (words.said(one.source), one.url)))
    how, caveats = words.said(one.method), words.said(one.caveats)
    return words("reference.told", system=words.said(one.system), source=source, how=how, caveats=caveats)


def _show_classes(one: Reference, words: Words) -> Iterator[Block]:
    """Show the published table of classes, with Wilson's intervals where their counts are known."""
    known = dict.fromkeys(name for row in one.per_class.values() for name in row)
    counts = [name for name in COUNT_COLUMNS if name in known]
    figures = [name for name in known if name not in COUNT_COLUMNS]
    rows = [
        (
            label,
            *(int(row[name]) if name in row else None for name in counts),
            *(_estimate(row, name) for name in figures),
        )
        for label, row in one.per_class.items()
    ]
    has_ends = any(isinstance(cell, Estimate) and cell.interval for row in rows for cell in row)
    key = "reference.classes" if has_ends else "reference.classes_of" if one.n_test else "reference.classes_bare"
    system = words.said(one.system)
    heads = [words.get(f"column.{name}", name) for name in ("class", *counts, *figures)]
    caption, source = words(key, system=system, n=one.n_test), words("source.references")
    yield Heading(system, 2)
    yield words.table(f"reference-{one.name}", heads, rows, caption, source=source)


def _estimate(row: Mapping[str, float], name: str) -> Estimate:
    """Make a published share of a class, with Wilson's interval where it is known what it is a share of."""
    value, n = row.get(name), int(row.get(OUT_OF.get(name, ""), 0))
    # published shares are rounded; how many were right is the whole number nearest to them
    return Estimate(value, compute_wilson_interval(round(value * n), n) if n and value is not None else None)


def _list_all_figures(one: Reference, words: Words) -> str:
    """List a system's figures over all classes: `accuracy 0.990 (0.963–0.999), 149 of 150 right`."""
    n, accuracy, right = one.n_test, one.figures.get("accuracy"), ""
    figures: dict[str, Any] = dict(one.figures)
    if one.interval and n and isinstance(accuracy, float | int):
        low = one.interval[0]  # which the accuracy's count gave; the rounded accuracy itself could be of others
        count = min(range(n + 1), key=lambda right: abs(compute_wilson_interval(right, n)[0] - low))
        right = f", {words('reference.right', right=count, n=n)}"
        figures["accuracy"] = Estimate(float(accuracy), one.interval)
    said = (_name_figures(figures, [name], words) + (right if name == "accuracy" else "") for name in figures)
    return "; ".join(said) or words("reference.no_figure")


def replay(one: Told, words: Words, some: Sequence[Told]) -> list[Block]:
    """Say a replay's fault, the published figure, this run's and the honest one's; nothing of an honest run.

    Parameters
    ----------
    some : all runs of the report, one of which may be its honest partner
    """
    found = one.info.published
    if found is None:
        return []
    said = [words.said(Message(found["fault"]))] if found.get("fault") else []
    names = found.get("figures") or []
    try:
        reference = get_reference(found.get("reference", ""))
    except InputError:  # of a run that a later musicml made
        pass
    else:
        theirs = _name_figures(reference.figures, names, words)
        ours = _name_figures(one.report.metrics, [name for name in names if name in reference.figures], words)
        said.insert(0, words("published.words", system=words.said(reference.system)))
        if theirs and ours:
            said.append(words("published.figures", figures=theirs, ours=ours))
    if experiment := found.get("honest"):
        honest = (other for other in some if other.info.experiment == experiment and not other.is_published)
        said.append(_describe_partner(next(honest, None), experiment, names, words))
    rows = list(_flatten(one.report.as_served or {}, words))
    served = words.table("as_served", "figure estimate", rows, words("published.served"), "report.json")
    return [Paragraph(" ".join(said)), *([served] if rows else [])]


def _describe_partner(other: Told | None, experiment: str, names: Sequence[str], words: Words) -> str:
    """Say what the honest partner gave, where its run is here too: the published figures, or else its main one."""
    if other is None:
        return words("published.honest_lacks", experiment=experiment)
    report = other.report
    known = [name for name in names if name in report.metrics] or [report.main_metric]
    estimates = {name: Estimate(report.metrics.get(name), report.get_interval(name)) for name in known}
    figure = _name_figures(estimates, known, words)
    return words("published.honest_here", run=other.name, experiment=experiment, figure=figure)


def _flatten(found: Mapping[str, Any], words: Words, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Cell]]:
    """List the numbers of a table of tables, each with its name, an interval beside the figure that it is of."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _flatten(value, words, (*before, words.get(f"served.{key}", key)))
        elif number(value) is not None:
            ends = pair(found.get(f"{key}_interval"))
            name = " · ".join((*before, words.get(f"served.{key}", words.get(f"metric.{key}", key))))
            yield name, value if isinstance(value, int) else Estimate(value, ends)
