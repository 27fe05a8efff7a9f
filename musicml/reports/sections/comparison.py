"""About others: the runs of a report beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from musicml.evaluation import compare_runs, describe_few_groups, group_by_seed
from musicml.reports import run_data
from musicml.reports.document import Block, Cell, Estimate, Listing, Note, Paragraph, Table
from musicml.reports.run_data import Told
from musicml.reports.wording import Words
from musicml.utils import InputError

LEAST = 0.001  # of a p that is shown


def comparison(some: Sequence[Told], words: Words) -> list[Block]:
    """The runs' figures side by side, the paired tests, and the spread over seeds."""
    return [*beside(some, words), *tested(some, words), *spread(some, words)]


def beside(some: Sequence[Told], words: Words) -> list[Block]:
    """Every run's main figures, a row a run."""
    metrics: list[str] = [*dict.fromkeys(one.report.main_metric for one in some)]
    metrics += [name for name in ("macro_f1", "macro_auc") if all(name in one.report.metrics for one in some)]
    rows = tuple(
        (
            one.name,
            one.report.n,
            one.report.n_groups,
            *(Estimate(one.report.metrics.get(name), one.interval(name)) for name in metrics),
            one.report.calibration_error,
            words("reference.published" if one.is_published else "reference.honest"),
        )
        for one in some
    )
    columns = (
        words("column.run"),
        words("column.files"),
        words("column.groups"),
        *(words(f"metric.{name}") for name in metrics),
        words("column.calibration_error"),
        words("column.protocol"),
    )
    source = " ".join(words.source(one.name, "report.json") for one in some)
    blocks: list[Block] = [Table("comparison", columns, rows, words("comparison.caption"), source)]
    few = (describe_few_groups(one.report.n_groups, one.report.interval_method) for one in some)
    blocks += [Note(words.said(sentence)) for sentence in dict.fromkeys(filter(None, few))]
    if len({one.is_published for one in some}) > 1:
        blocks.append(Note(words("comparison.published"), "published"))
    return blocks


def tested(some: Sequence[Told], words: Words) -> list[Block]:
    """What the same test examples say of each two runs; or why they can't be held against each other."""
    try:
        found = compare_runs([one.run for one in some])
    except InputError as error:
        return [Note(words("comparison.refused", why=words.said(str(error))))]
    if not found.pairs:
        return [Note(words("comparison.no_pairs"))]
    rows = tuple(
        (
            words("comparison.pair", a=pair.a, b=pair.b),
            Estimate(pair.difference, run_data.pair(pair.interval)),
            pair.only_a,
            pair.only_b,
            words.said(pair.test),
            chance(pair.p, words),
            chance(pair.p_holm, words),
        )
        for pair in found.pairs
    )
    columns = tuple(words(f"column.{key}") for key in ("pair", "difference", "only_a", "only_b", "test", "p", "p_holm"))
    source = " ".join(words.source(one.name, "predictions.csv") for one in some)
    said = Listing(tuple(words.said(pair.sentence) for pair in found.pairs))
    return [
        Paragraph(words("comparison.paired")),
        said,
        Table("pairs", columns, rows, words("comparison.tests"), source),
    ]


def chance(p: float | None, words: Words) -> Cell:
    """A p; one that three digits would show as 0 is said to lie below them."""
    return p if p is None or p >= LEAST else f"< {words.shown(LEAST)}"


def spread(some: Sequence[Told], words: Words) -> list[Block]:
    """Mean and spread of the main figure over runs of one recipe with several seeds."""
    infos, reports = [one.info for one in some], [one.report for one in some]
    rows = []
    for metric in dict.fromkeys(made.main_metric for made in reports):
        for name, by_seed in group_by_seed(infos, reports, metric):
            values = list(by_seed.values())
            figures = (fmean(values), stdev(values), min(values), max(values))
            rows.append((name, words(f"metric.{metric}"), len(values), *figures))
    if not rows:
        return []
    columns = ("experiment", "figure", "seeds", "mean", "deviation", "least", "most")
    source = " ".join(words.source(one.name, "report.json", "run.json") for one in some)
    heads = tuple(words(f"column.{key}") for key in columns)
    return [Table("seeds", heads, tuple(rows), words("comparison.seeds"), source)]
