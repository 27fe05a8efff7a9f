"""A published result: its source, protocol and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from musicml.utils import Message

HONEST, AS_PUBLISHED = "honest", Message("as published")

ClassTable = Mapping[str, Mapping[str, float]]
COUNT_COLUMNS = ("support", "observed", "said")  # counts, not shares; `said` is the number of predictions
# column of a table → name in a report
MEANS = {"precision": "macro_precision", "recall": "macro_recall", "f1": "macro_f1", "auc": "macro_auc"}


@dataclass(frozen=True)
class Reference:
    """One published result.

    Attributes
    ----------
    name : stable key
    dataset : one of `musicml.data.datasets.DATASET_NAMES`
    system : the model, in a few words
    source, url : where it was published; None if the address is unknown
    protocol : `honest` or `as published`
    method : how the data was split and the metrics computed
    caveats : what the metrics show, and what they do not
    figures : metric → share, or (lowest, highest) of a published range; same names as in a report, for the same
        metrics. `loss` and `train_loss` are cross-entropies in nats
    side : the split of the metrics, `test` or `val`; a model chosen on `val` is overestimated there
    inferred : names of the figures that were computed from the published ones
    per_class : class name → metric → share; `support`, `observed` and `said` (number of predictions) are counts
    n_test : number of test examples
    interval : 95% confidence interval of the accuracy by Wilson, as if examples were independent; None without counts
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
    per_class: ClassTable = field(default_factory=dict)
    n_test: int | None = None
    interval: tuple[float, float] | None = None


def compute_macro_means(table: ClassTable) -> dict[str, float]:
    """Compute the unweighted means over the classes of a table, named as in a report."""
    rows = list(table.values())
    means = {MEANS[name]: fmean(row[name] for row in rows) for name in MEANS if all(name in row for row in rows)}
    if all("f1_absent" in row for row in rows):
        # OpenMIC's metric: F1 of presence and of absence
        means["mean_f1_both_sides"] = fmean((row["f1"] + row["f1_absent"]) / 2 for row in rows)
    return {name: round(mean, 6) for name, mean in means.items()}


def convert_percent(columns: str, rows: Mapping[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    """Convert a table published in percent to shares; columns with counts stay as they are."""
    names = columns.split()
    return {
        label: {name: cell if name in COUNT_COLUMNS else cell / 100 for name, cell in zip(names, row, strict=True)}
        for label, row in rows.items()
    }
