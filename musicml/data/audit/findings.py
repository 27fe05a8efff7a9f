"""The result of an audit: findings and duplicate pairs, for the command line, the HTML page and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from musicml.utils import make_data_frame

if TYPE_CHECKING:
    import pandas

# The JSON file says fault, caution and fine; people read error, warning and ok. The most severe comes first.
SEVERITIES = {"fault": "error", "caution": "warning", "fine": "ok"}
WEIGHTS = tuple(SEVERITIES)


@dataclass(frozen=True)
class DuplicatePair:
    """Two examples that are duplicates or near-duplicates.

    Attributes
    ----------
    first, second : the examples' ids, in sorted order
    exact : whether the two files are equal byte by byte
    how : the evidence in words, such as `identical content`
    labels : the class of each; for a multi-label example its present classes joined by `|`
    sides : the split of each in the dataset's own lists (`train`, `val`, `test`), or empty
    contradict : whether a class is present in one but absent in the other; None if `labels` decide
    """

    first: str
    second: str
    exact: bool
    how: str
    labels: tuple[str, str]
    sides: tuple[str, str]
    contradict: bool | None = None

    @property
    def across_splits(self) -> bool:
        """True if the two are in different splits of the dataset."""
        return bool(self.sides[0] and self.sides[1]) and self.sides[0] != self.sides[1]

    @property
    def across_labels(self) -> bool:
        """True if the two have different labels."""
        return self.labels[0] != self.labels[1] if self.contradict is None else self.contradict


@dataclass(frozen=True)
class AuditFinding:
    """The result of one check.

    Attributes
    ----------
    kind : the check: `unreadable`, `exact_duplicates`, `near_duplicates`, `balance`, ...
    weight : the severity as the JSON file spells it, one of `WEIGHTS`
    words : the result in one or two sentences with counts
    effect : its effect on the results of a model; empty if there is none
    files : all affected files, as examples' ids or as paths relative to the dataset's folder
    pairs : the affected files in pairs, for duplicates
    """

    kind: str
    weight: str
    words: str
    effect: str = ""
    files: tuple[str, ...] = ()
    pairs: tuple[DuplicatePair, ...] = ()

    @property
    def severity(self) -> str:
        """`error` (makes results wrong), `warning` (makes them doubtful) or `ok`."""
        return SEVERITIES[self.weight]


@dataclass(frozen=True)
class Audit:
    """All findings about one dataset.

    Attributes
    ----------
    dataset : the dataset's name
    sample : whether it is synthetic
    as_published : whether it was loaded without repairs
    n : number of examples
    seconds : duration of the audit
    findings : the most severe first
    classes : one dict per class, in the dataset's order: `class`, the counts `train`, `val`, `test` and `none` (in no
        split), and `total`; for multi-label data the counts of positives
    lengths : for sound `seconds`, quantiles of the files' lengths (`least`, `5 %`, `median`, `95 %`, `most`), and
        `rates` (Hz) and `channels`, each a mapping from the value as a string to a number of files; None for pictures
    hash : the dataset's `Dataset.hash`
    """

    dataset: str
    sample: bool
    as_published: bool
    n: int
    seconds: float
    findings: tuple[AuditFinding, ...]
    classes: tuple[dict[str, Any], ...]
    lengths: dict[str, dict[str, float]] | None
    hash: str

    @property
    def pairs(self) -> tuple[DuplicatePair, ...]:
        """Every pair of every finding once: first across splits, then across labels, and last the look-alikes."""
        rows = {
            (pair.first, pair.second): (
                finding.kind == "look_alikes",
                not pair.across_splits,
                not pair.across_labels,
                pair.first,
                pair.second,
                pair,
            )
            for finding in self.findings
            for pair in finding.pairs
        }
        return tuple(row[-1] for row in sorted(rows.values(), key=lambda row: row[:-1]))

    @property
    def table(self) -> pandas.DataFrame:
        """A data frame with one row per finding, the most severe first."""
        columns = ["kind", "weight", "words", "effect", "files"]
        rows = ({**{name: getattr(row, name) for name in columns}, "files": list(row.files)} for row in self.findings)
        return make_data_frame(rows, columns)

    def list_findings(self, kind: str) -> tuple[AuditFinding, ...]:
        """List the findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """Convert the audit to a dict that JSON can hold."""
        return asdict(self)

    @staticmethod
    def from_dict(table: Mapping[str, Any]) -> Audit:
        """Rebuild an audit from the dict of `to_dict`."""
        findings = tuple(
            AuditFinding(**{**row, "files": tuple(row["files"]), "pairs": tuple(map(_load_pair, row["pairs"]))})
            for row in table["findings"]
        )
        return Audit(**{**table, "findings": findings, "classes": tuple(table["classes"])})


def _load_pair(row: Mapping[str, Any]) -> DuplicatePair:
    """Rebuild a pair. JSON turned its tuples into lists."""
    return DuplicatePair(**{**row, "labels": tuple(row["labels"]), "sides": tuple(row["sides"])})
