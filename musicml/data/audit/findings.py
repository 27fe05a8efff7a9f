"""What an audit found: one shape for the command line, for the page that a teacher shows, and for the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from musicml.utils import make_data_frame

if TYPE_CHECKING:
    import pandas

WEIGHTS = ("fault", "caution", "fine")  # makes a figure wrong, makes it doubtful, neither


@dataclass(frozen=True)
class DuplicatePair:
    """Two files that are alike.

    Attributes
    ----------
    first, second : the examples' ids, in sorted order
    exact : whether their content is equal to the byte
    how : what says so, in words: `equal content`
    labels : the class of each; of a multi-label example its present classes joined by `|`
    sides : the data set's own side of each (`train`, `val`, `test`), or empty
    contradict : whether the two are labelled differently; of several classes at once, whether a class that was judged
        in both was judged differently; None where `labels` say it
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
        """Whether the two stand on two sides of the data set's own split."""
        return bool(self.sides[0] and self.sides[1]) and self.sides[0] != self.sides[1]

    @property
    def across_labels(self) -> bool:
        """Whether the two are labelled differently."""
        return self.labels[0] != self.labels[1] if self.contradict is None else self.contradict


@dataclass(frozen=True)
class AuditFinding:
    """One thing that was looked at, and what was found.

    Attributes
    ----------
    kind : what was looked at: `unreadable`, `exact_duplicates`, `near_duplicates`, `balance`, ...
    weight : one of `WEIGHTS`
    words : what was found, one sentence with counts
    effect : what it does to a figure, one sentence; empty where it does nothing
    files : all the files concerned, as examples' ids or as paths below the data set's folder
    pairs : the files concerned, where it is two and two
    """

    kind: str
    weight: str
    words: str
    effect: str = ""
    files: tuple[str, ...] = ()
    pairs: tuple[DuplicatePair, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All that was found in one data set.

    Attributes
    ----------
    dataset : its name
    sample : whether it is generated
    as_published : whether it was taken with its faults
    n : number of examples
    seconds : how long the audit took
    findings : the gravest first
    classes : a dict for each class, in the data set's order: `class`, `train`, `val`, `test`, `none` (on no side)
        and `total`, all counts; of a multi-label data set the positives
    lengths : of sound `seconds`, quantiles of the files' lengths (`least`, `5 %`, `median`, `95 %`, `most`),
        and `rates` (Hz) and `channels`, each value as a string → number of files; None for pictures
    hash : of the data set, by `Dataset.hash`
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
        """Every pair of every finding once: across splits first, then across labels, by name; look-alikes last."""
        found = {
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
        return tuple(row[-1] for row in sorted(found.values(), key=lambda row: row[:-1]))

    @property
    def table(self) -> pandas.DataFrame:
        """A data frame with a row a finding, the gravest first."""
        rows = (
            {"kind": one.kind, "weight": one.weight, "words": one.words, "effect": one.effect, "files": list(one.files)}
            for one in self.findings
        )
        return make_data_frame(rows, ["kind", "weight", "words", "effect", "files"])

    def list_findings(self, kind: str) -> tuple[AuditFinding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON can hold it."""
        return asdict(self)

    @staticmethod
    def from_dict(table: Mapping[str, Any]) -> Audit:
        """The audit that `to_dict` gave."""
        findings = tuple(
            AuditFinding(**{**row, "files": tuple(row["files"]), "pairs": tuple(map(load_pair, row["pairs"]))})
            for row in table["findings"]
        )
        return Audit(**{**table, "findings": findings, "classes": tuple(table["classes"])})


def load_pair(row: Mapping[str, Any]) -> DuplicatePair:
    """The pair that `asdict` turned into a dict."""
    return DuplicatePair(**{**row, "labels": tuple(row["labels"]), "sides": tuple(row["sides"])})
