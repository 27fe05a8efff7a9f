"""About others: the runs of a report beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from musicml.evaluation import compare_runs, describe_few_groups, group_by_seed
from musicml.reports import run_data
from musicml.reports.document import Block, Cell, Estimate, Listing, Note, Paragraph, shown
from musicml.reports.run_data import Told
from musicml.reports.wording import Words
from musicml.utils import InputError

LEAST = 0.001  # of a p that is shown


def comparison(some: Sequence[Told], words: Words) -> list[Block]:
    """Set the runs' figures side by side, with paired tests and the spread over seeds; nothing of a single run."""
    if len(some) < 2:
        return []
    words = words.across(some)
    return [*_set_side_by_side(some, words), *_test(some, words), *_spread_over_seeds(some, words)]


def _set_side_by_side(some: Sequence[Told], words: Words) -> list[Block]:
    """Give every run's main figures, a row a run."""
    metrics: list[str] = [*dict.fromkeys(one.report.main_metric for one in some)]
    metrics += [name for name in ("macro_f1", "macro_auc") if all(name in one.report.metrics for one in some)]
    rows = (
        (
            one.name,
            one.report.n,
            one.report.n_groups,
            *(Estimate(one.report.metrics.get(name), one.report.get_interval(name)) for name in metrics),
            one.report.calibration_error,
            words("reference.published" if one.is_published else "reference.honest"),
        )
        for one in some
    )
    heads = ["run", "files", "groups", *(f"metric.{name}" for name in metrics), "calibration_error", "protocol"]
    table = words.table("comparison", " ".join(heads), rows, words("comparison.caption"), "report.json")
    few = (describe_few_groups(one.report.n_groups, one.report.interval_method) for one in some)
    notes = [Note(words.said(sentence)) for sentence in dict.fromkeys(filter(None, few))]
    if len({one.is_published for one in some}) > 1:
        notes.append(Note(words("comparison.published"), "published"))
    return [table, *notes]


def _test(some: Sequence[Told], words: Words) -> list[Block]:
    """Say what the same test examples say of each two runs; or why they can't be held against each other."""
    try:
        found = compare_runs([one.run for one in some])
    except InputError as error:
        return [Note(words("comparison.refused", why=words.said(error.message)))]
    if not found.pairs:
        return [Note(words("comparison.no_pairs"))]

    def show_chance(p: float | None) -> Cell:
        """Show a p; one that three digits would show as 0 is said to lie below them."""
        return p if p is None or p >= LEAST else f"< {shown(LEAST, words.language)}"

    rows = (
        (
            words("comparison.pair", a=pair.a, b=pair.b),
            Estimate(pair.difference, run_data.pair(pair.interval)),
            pair.only_a,
            pair.only_b,
            words.said(pair.test),
            show_chance(pair.p),
            show_chance(pair.p_holm),
        )
        for pair in found.pairs
    )
    heads = "pair difference only_a only_b test p p_holm"
    return [
        Paragraph(words("comparison.paired")),
        Listing(tuple(words.said(pair.sentence) for pair in found.pairs)),
        words.table("pairs", heads, rows, words("comparison.tests"), "predictions.csv"),
    ]


def _spread_over_seeds(some: Sequence[Told], words: Words) -> list[Block]:
    """Give mean and spread of the main figure over runs of one recipe with several seeds."""
    infos, reports = [one.info for one in some], [one.report for one in some]
    rows = [
        (name, words(f"metric.{metric}"), len(values), fmean(values), stdev(values), min(values), max(values))
        for metric in dict.fromkeys(made.main_metric for made in reports)
        for name, by_seed in group_by_seed(infos, reports, metric)
        for values in [list(by_seed.values())]
    ]
    heads = "experiment figure seeds mean deviation least most"
    return [words.table("seeds", heads, rows, words("comparison.seeds"), "report.json", "run.json")] if rows else []
