"""About what is published on the data of a report's runs, beside what they reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from musicml.data import AS_PUBLISHED, COUNT_COLUMNS, Reference, list_references
from musicml.reports.document import Block, Cell, Estimate, Heading, Listing, Paragraph, Table, shown
from musicml.reports.run_data import Told
from musicml.reports.wording import Words
from musicml.utils import compute_wilson_interval

OUT_OF = {"precision": "said", "recall": "support"}  # which count a published share is a share of


def published(some: Sequence[Told], words: Words) -> list[Block]:
    """What is published on the runs' data sets, beside what they reached."""
    blocks: list[Block] = []
    for dataset in dict.fromkeys(one.info.data.dataset for one in some):
        ours = [one for one in some if one.info.data.dataset == dataset]
        found = list_references(dataset) if not ours[0].info.data.folder else []
        if not found:
            blocks.append(Paragraph(words("reference.none", dataset=dataset)))
            continue
        blocks += of_dataset(dataset, ours, found, words)
    return blocks


def of_dataset(dataset: str, ours: Sequence[Told], found: Sequence[Reference], words: Words) -> list[Block]:
    """One data set's published results: a table, how each came about, the tables of classes."""
    metric = ours[0].report.main_metric
    rows = [*(our_row(one, metric, words) for one in ours), *(their_row(one, metric, words) for one in found)]
    columns = ("system", "protocol", "side", "files", metric, "others")
    heads = tuple(words(f"metric.{key}" if key == metric else f"column.{key}") for key in columns)
    files = " ".join(words.source(one.name, "report.json") for one in ours)
    source = f"{files} {words('source.references')}"
    said = Paragraph(words("reference.sample" if any(one.is_sample for one in ours) else "reference.words"))
    table = Table(f"references-{dataset}", heads, tuple(rows), words("reference.caption", dataset=dataset), source)
    ways = Listing(tuple(words("reference.told", **as_said(one, words)) for one in found))
    return [
        said,
        table,
        Paragraph(words("reference.how")),
        ways,
        *tables_of(found, words),
        *without_table(found, words),
    ]


def our_row(one: Told, metric: str, words: Words) -> tuple[Cell, ...]:
    """A run as a row beside the published ones."""
    others = [name for name in ("macro_f1", "macro_auc", "mean_f1_both_sides") if name in one.report.metrics]
    return (
        words("reference.this", run=one.name) + (f" ({words('data.is_sample')})" if one.is_sample else ""),
        words("reference.published" if one.is_published else "reference.honest"),
        words("split.folds_side" if one.judged == "folds" else f"split.{one.judged}"),
        one.report.n,
        Estimate(one.main, one.interval(metric)) if one.report.main_metric == metric else None,
        "; ".join(named(name, one.report.metrics[name], words) for name in others) or None,
    )


def their_row(one: Reference, metric: str, words: Words) -> tuple[Cell, ...]:
    """A published result as a row."""
    value, ends = one.figures.get(metric), one.interval if metric == "accuracy" else None
    main: Cell = None
    if isinstance(value, tuple):
        main = "–".join(shown(float(end), words.language) for end in value)
    elif value is not None:
        main = Estimate(float(value), ends)
    others = [named(name, figure, words) for name, figure in one.figures.items() if name != metric]
    return (
        words.said(one.system),
        words("reference.published" if one.protocol == AS_PUBLISHED else "reference.honest"),
        words(f"split.{one.side}"),
        one.n_test if one.side == "test" else None,
        main,
        "; ".join(others) or None,
    )


def named(name: str, value: float | tuple[float, float], words: Words) -> str:
    """A figure in words: `macro F1 0.641`."""
    ends = value if isinstance(value, tuple) else (value,)
    return f"{words.get(f'metric.{name}', name)} {'–'.join(shown(float(end), words.language) for end in ends)}"


def as_said(one: Reference, words: Words) -> dict[str, str]:
    """What fills a published result's sentences."""
    return {
        "system": words.said(one.system),
        "source": ", ".join(filter(None, (words.said(one.source), one.url))),
        "how": words.said(one.how),
        "worth": words.said(one.worth),
    }


def tables_of(found: Sequence[Reference], words: Words) -> Iterator[Block]:
    """The published tables of classes, with Wilson's intervals where their counts are known."""
    for one in found:
        if not one.per_class:
            continue
        figures = list(
            dict.fromkeys(name for row in one.per_class.values() for name in row if name not in COUNT_COLUMNS)
        )
        counts = [name for name in COUNT_COLUMNS if any(name in row for row in one.per_class.values())]
        rows = tuple(
            (label, *(whole(row.get(name)) for name in counts), *(estimated(row, name) for name in figures))
            for label, row in one.per_class.items()
        )
        known = any(isinstance(cell, Estimate) and cell.interval for row in rows for cell in row)
        columns = tuple(words.get(f"column.{name}", name) for name in ("class", *counts, *figures))
        key = "reference.classes" if known else "reference.classes_of" if one.n_test else "reference.classes_bare"
        yield Heading(words.said(one.system), 2)
        yield Table(
            f"reference-{one.name}",
            columns,
            rows,
            words(key, system=words.said(one.system), n=one.n_test),
            words("source.references"),
        )


def without_table(found: Sequence[Reference], words: Words) -> Iterator[Block]:
    """The systems as published that have no table of classes, with what they have in its place."""
    bare = [one for one in found if one.protocol == AS_PUBLISHED and not one.per_class]
    if bare:
        yield Paragraph(words("reference.untabled"))
        yield Listing(
            tuple(
                words("reference.untabled_one", system=words.said(one.system), figures=whole_figures(one, words))
                for one in bare
            )
        )


def right_of(low: float, n: int) -> int:
    """How many a published accuracy's interval was computed from; the rounded accuracy itself could be of others."""
    return min(range(n + 1), key=lambda right: abs(compute_wilson_interval(right, n)[0] - low))


def whole_figures(one: Reference, words: Words) -> str:
    """A published system's figures over all classes: `accuracy 0.990 (0.963–0.999), 149 of 150 right`."""
    said = []
    for name, value in one.figures.items():
        text = named(name, value, words)
        if name == "accuracy" and not isinstance(value, tuple) and one.interval and one.n_test:
            ends = shown(Estimate(float(value), one.interval), words.language)
            right = words("reference.right", right=right_of(one.interval[0], one.n_test), n=one.n_test)
            text = f"{words.get(f'metric.{name}', name)} {ends}, {right}"
        said.append(text)
    return "; ".join(said) or words("reference.no_figure")


def whole(value: float | None) -> int | None:
    """A count as one."""
    return None if value is None else int(value)


def estimated(row: Mapping[str, float], name: str) -> Estimate:
    """A published share of a class, with Wilson's interval where it is known what it is a share of."""
    value, n = row.get(name), int(row.get(OUT_OF.get(name, ""), 0))
    # published shares are rounded; how many were right is the whole number nearest to them
    ends = compute_wilson_interval(round(value * n), n) if n and value is not None else None
    return Estimate(value, ends)
