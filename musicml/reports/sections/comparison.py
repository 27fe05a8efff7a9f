"""The section that compares the runs of a report: their results, paired tests, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from musicml.evaluation import compare_runs, describe_few_groups, group_by_seed
from musicml.reports.document import Block, Cell, Estimate, Listing, Note, Paragraph, format_cell
from musicml.reports.run_data import RunData, to_interval
from musicml.reports.wording import Words
from musicml.utils import InputError

MIN_P = 0.001  # a smaller p value is written as "< 0.001"


def write_comparison(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write the comparison of the runs; nothing for a single run."""
    if len(runs) < 2:
        return []
    words = words.for_runs(runs)  # so that the source lines name all runs
    return [*_list_results(runs, words), *_list_tests(runs, words), *_summarize_seeds(runs, words)]


def _list_results(runs: Sequence[RunData], words: Words) -> list[Block]:
    """List the main metrics of each run, one row per run."""
    metrics: list[str] = [*dict.fromkeys(run.report.main_metric for run in runs)]
    metrics += [name for name in ("macro_f1", "macro_auc") if all(name in run.report.metrics for run in runs)]
    rows = (
        (
            run.name,
            run.report.n,
            run.report.n_groups,
            *(Estimate(run.report.metrics.get(name), run.report.get_interval(name)) for name in metrics),
            run.report.calibration_error,
            words("reference.published" if run.is_published else "reference.honest"),
        )
        for run in runs
    )
    columns = ["run", "files", "groups", *(f"metric.{name}" for name in metrics), "calibration_error", "protocol"]
    table = words.make_table("comparison", " ".join(columns), rows, words("comparison.caption"), "report.json")
    warnings = (describe_few_groups(run.report.n_groups, run.report.interval_method) for run in runs)
    notes = [Note(words.translate(warning)) for warning in dict.fromkeys(filter(None, warnings))]
    if len({run.is_published for run in runs}) > 1:
        notes.append(Note(words("comparison.published"), "published"))
    return [table, *notes]


def _list_tests(runs: Sequence[RunData], words: Words) -> list[Block]:
    """List the paired test of each pair of runs, or the reason why they cannot be compared."""
    try:
        result = compare_runs([run.source for run in runs])
    except InputError as error:  # different data, for example: the table above still helps
        return [Note(words("comparison.refused", why=words.translate(error.message)))]
    if not result.pairs:
        return [Note(words("comparison.no_pairs"))]

    def format_p_value(p: float | None) -> Cell:
        """Format a p value that is below the smallest one reported."""
        return p if p is None or p >= MIN_P else f"< {format_cell(MIN_P, words.language)}"

    rows = (
        (
            words("comparison.pair", a=pair.a, b=pair.b),
            Estimate(pair.difference, to_interval(pair.interval)),
            pair.only_a,
            pair.only_b,
            words.translate(pair.test),
            format_p_value(pair.p),
            format_p_value(pair.p_holm),
        )
        for pair in result.pairs
    )
    columns = "pair difference only_a only_b test p p_holm"
    return [
        Paragraph(words("comparison.paired")),
        Listing(tuple(words.translate(pair.sentence) for pair in result.pairs)),
        words.make_table("pairs", columns, rows, words("comparison.tests"), "predictions.csv"),
    ]


def _summarize_seeds(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Give the mean and spread of the main metric over runs that differ only in their seed."""
    infos, reports = [run.info for run in runs], [run.report for run in runs]
    rows = [
        (
            name,
            words.capitalize(f"metric.{metric}"),
            len(values),
            fmean(values),
            stdev(values),
            min(values),
            max(values),
        )
        for metric in dict.fromkeys(report.main_metric for report in reports)
        for name, by_seed in group_by_seed(infos, reports, metric)
        for values in [list(by_seed.values())]  # binds a name inside the comprehension
    ]
    columns, caption = "experiment figure seeds mean deviation least most", words("comparison.seeds")
    return [words.make_table("seeds", columns, rows, caption, "report.json", "run.json")] if rows else []
