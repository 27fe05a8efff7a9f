"""A published result: what is known of it, and the figures that follow from its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from musicml.utils import Message

HONEST, AS_PUBLISHED = "honest", Message("as published")

Table = Mapping[str, Mapping[str, float]]
COUNT_COLUMNS = ("support", "observed", "said")  # columns of a table that are no shares
MEANS = {"precision": "macro_precision", "recall": "macro_recall", "f1": "macro_f1", "auc": "macro_auc"}


@dataclass(frozen=True)
class Reference:
    """One published result.

    name : stable key
    dataset : a data set as `musicml.data.datasets.DATASET_NAMES` has it
    system : what was trained, in a few words
    source, url : where it was published; None where no address is known
    protocol : `honest` or `as published`
    method : split and protocol
    caveats : what the figures tell, and what they do not
    figures : metric → share, or (lowest, highest) of a published range; named as in a report where it is the same
        metric. `loss` and `train_loss` are cross-entropies in nats
    side : what the figures were computed on, `test` or `val`; what chose a model on `val` flatters it there
    inferred : names of the figures that were worked out from the published ones
    per_class : class name of the data set → figure → share; `support`, `observed` and `said` (how often the class was
        answered) are counts, as in a report
    n_test : number of test examples
    interval : 95 % interval of the accuracy by Wilson, as if the examples were independent of each other; None where
        there are no counts
    """

    name: str
    dataset: str
    system: str
    source: str
    protocol: str
    method: str
    caveats: str
    url: str | None = None
    figures: Mapping[str, float | tuple[float, float]] = field(default_factory=dict)
    side: str = "test"
    inferred: tuple[str, ...] = ()
    per_class: Table = field(default_factory=dict)
    n_test: int | None = None
    interval: tuple[float, float] | None = None


def macro(table: Table) -> dict[str, float]:
    """The unweighted means over the classes of a table, named as in a report."""
    rows = list(table.values())
    means = {MEANS[name]: fmean(row[name] for row in rows) for name in MEANS if all(name in row for row in rows)}
    if all("f1_absent" in row for row in rows):
        means["mean_f1_both_sides"] = fmean((row["f1"] + row["f1_absent"]) / 2 for row in rows)
    return {name: round(mean, 6) for name, mean in means.items()}


def in_percent(columns: str, rows: Mapping[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    """A table as it was published, in percent, as shares; columns that count stay counts."""
    names = columns.split()
    return {
        label: {name: cell if name in COUNT_COLUMNS else cell / 100 for name, cell in zip(names, row, strict=True)}
        for label, row in rows.items()
    }
