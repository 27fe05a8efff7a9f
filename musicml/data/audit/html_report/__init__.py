"""An audit as one HTML file that a teacher can show: what was found, what it does to a figure, the pairs themselves.

The file needs no network and holds no script. Every blank of its template is escaped, so that whatever a file is called
stands there as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from musicml.data.audit.findings import WEIGHTS, Audit, DuplicatePair
from musicml.data.audit.html_report.media import SECONDS, Embedded, embed
from musicml.data.datasets import SPLITS, Dataset
from musicml.utils import InputError, Message, make_printable, translate, write_text

__all__ = ["check_html_path", "render_audit_html", "write_audit_html"]

SUFFIXES = (".html", ".htm")
TEMPLATE = Path(__file__).with_name("page.html")
LISTED = 500  # names of files of one finding, and classes, at most
PAIRS = 60  # embedded, at most
CHARACTERS = 4_500_000  # of all embedded files together, at most


def write_audit_html(audit: Audit, dataset: Dataset, path: Path, language: str = "en") -> None:
    """Write an audit as one HTML file, whole or not at all.

    Parameters
    ----------
    dataset : the data set that was audited, where the files of the pairs are found
    path : where to; another `.html` file of that name is written over, and nothing else is
    language : of the page, as `translate` takes it

    Raises
    ------
    InputError
        If `path` does not end in `.html`, or can't be written.
    """
    check_html_path(path)
    write_text(path, render_audit_html(audit, dataset, language))


def check_html_path(path: Path) -> None:
    """Refuse a path that does not end in `.html`, before an audit takes its minutes or another file is written over."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            "{path} must end in .html, so that a browser opens it and no other file is written over: "
            "choose another name.",
            path=make_printable(str(path)),
        )


def render_audit_html(audit: Audit, dataset: Dataset, language: str = "en", on: date | None = None) -> str:
    """Render the page; as `write_audit_html`.

    Parameters
    ----------
    on : the day that stands on it; today by default
    """
    shown = _embed_pairs(audit.pairs, dataset)
    page = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        finalize=_make_readable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters["printable"] = make_printable
    say = partial(translate, language=language)
    page.globals |= {"say": say, "_": lambda template, **values: say(Message(template, **values))}
    return page.get_template(TEMPLATE.name).render(
        audit=audit,
        dataset=dataset,
        findings=sorted(audit.findings, key=lambda finding: WEIGHTS.index(finding.weight)),
        groups=[(kind, list(group)) for kind, group in groupby(shown, lambda made: _name_kind(made[0]))],
        is_sound=dataset.kind == "sound",
        language=language,
        most=max((row["total"] for row in audit.classes), default=0) or 1,
        n_left=len(audit.pairs) - len(shown),
        n_listed=LISTED,
        on=on or date.today(),
        seconds=SECONDS,
        sides=[side for side in (*SPLITS, "none") if any(row.get(side) for row in audit.classes)],
        weights=WEIGHTS,
    )


def _make_readable(value: Any) -> Any:
    """Take out of words the characters that turn the direction of writing or that no page may hold."""
    if type(value) is not str:
        return value
    return "".join(one if one.isprintable() or one.isspace() else "?" for one in value)


def _name_kind(pair: DuplicatePair) -> str:
    """Name the kind of a pair; `Audit.pairs` sorts by it."""
    if pair.across_splits:
        return Message("On two sides of the split")
    return Message("In two classes") if pair.across_labels else Message("In one class, on one side")


def _embed_pairs(pairs: Sequence[DuplicatePair], dataset: Dataset) -> list[tuple[DuplicatePair, list[Embedded]]]:
    """Embed the files of as many pairs as the page has room for, each file read once."""
    examples = {example.id: example for example in dataset.examples}
    known: dict[str, Embedded] = {}
    made, characters = [], 0
    for pair in pairs[:PAIRS]:
        for name in (pair.first, pair.second):
            if name not in known:
                known[name] = Embedded(trouble=Message("This file is not among the data set's examples."))
                if name in examples:
                    known[name] = embed(examples[name], dataset.kind)
            characters += len(known[name].uri)
        if characters > CHARACTERS:
            break
        made.append((pair, [known[pair.first], known[pair.second]]))
    return made
