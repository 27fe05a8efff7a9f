"""About a run that repeats a published protocol: what is wrong with that, in words, and what the honest run gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from musicml.data import get_reference
from musicml.reports.document import Block, Cell, Estimate, Paragraph, Table, shown
from musicml.reports.run_data import Told, is_number, pair
from musicml.reports.sections.published import named
from musicml.reports.wording import Words
from musicml.utils import InputError


def replay(one: Told, some: Sequence[Told], words: Words) -> list[Block]:
    """The fault, the published figure, this run's and the honest one's; nothing of an honest run.

    Parameters
    ----------
    some : all runs of the report, one of which may be its honest partner
    """
    found = one.info.published
    if found is None:
        return []
    said = [words.said(found["fault"])] if found.get("fault") else []
    try:
        reference = get_reference(found.get("reference", ""))
    except InputError:  # of a run that a later musicml made
        pass
    else:
        names = [name for name in found.get("figures") or () if name in reference.figures]
        theirs = "; ".join(named(name, reference.figures[name], words) for name in names)
        ours = "; ".join(named(name, one.report.metrics[name], words) for name in names if name in one.report.metrics)
        said.insert(0, words("published.words", system=words.said(reference.system)))
        if theirs and ours:
            said.append(words("published.figures", figures=theirs, ours=ours))
    if found.get("honest"):
        said.append(partner(one, found["honest"], some, words))
    return [Paragraph(" ".join(said)), *served(one, words)]


def partner(one: Told, experiment: str, some: Sequence[Told], words: Words) -> str:
    """What the honest partner gave, where its run is in the report too: the published figures, or else its main one."""
    asked = (one.info.published or {}).get("figures", ())
    for other in some:
        if other.info.experiment == experiment and not other.is_published:
            metrics = other.report.metrics
            names = [name for name in asked if name in metrics] or [other.report.main_metric]
            found = [
                (words.get(f"metric.{name}", name), Estimate(metrics.get(name), other.interval(name))) for name in names
            ]
            figure = "; ".join(f"{name} {shown(estimate, words.language)}" for name, estimate in found)
            return words("published.honest_here", run=other.name, experiment=experiment, figure=figure)
    return words("published.honest_lacks", experiment=experiment)


def served(one: Told, words: Words) -> list[Block]:
    """What report.json says of the system's own app or count, as a table."""
    found = one.report.as_served
    rows = tuple(flattened(found or {}, words))
    if not rows:
        return []
    columns = (words("column.figure"), words("column.estimate"))
    source = words.source(one.name, "report.json")
    return [Table(one.named("as_served"), columns, rows, words("published.served"), source)]


def flattened(found: Mapping[str, Any], words: Words, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Cell]]:
    """The numbers of a table of tables, each with what it is called, an interval beside the figure that it is of."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from flattened(value, words, (*before, words.get(f"served.{key}", key)))
        elif is_number(value):
            ends = pair(found.get(f"{key}_interval"))
            name = " · ".join((*before, words.get(f"served.{key}", words.get(f"metric.{key}", key))))
            yield name, value if isinstance(value, int) else Estimate(value, ends)
