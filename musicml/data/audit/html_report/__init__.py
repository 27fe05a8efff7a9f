"""Render an audit as one HTML page: the findings, their effects, and the duplicate pairs to look at or to listen to.

The page needs no network and has no scripts. Every value in its template is escaped: a file name can't become markup.
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
MAX_LISTED = 500  # files per finding, and classes
MAX_PAIRS = 60  # with embedded media
MAX_CHARACTERS = 4_500_000  # of all embedded media together


def write_audit_html(audit: Audit, dataset: Dataset, path: Path, language: str = "en") -> None:
    """Write an audit as one HTML file, atomically.

    Parameters
    ----------
    dataset : the audited dataset, which knows the files of the pairs
    path : the file to write or to replace; it must end in `.html`
    language : language of the page, as in `translate`

    Raises
    ------
    InputError
        If `path` does not end in `.html`, or can't be written.
    """
    check_html_path(path)
    write_text(path, render_audit_html(audit, dataset, language))


def check_html_path(path: Path) -> None:
    """Raise an error if a path does not end in `.html`. It protects other files from being overwritten."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            "Expected a file name that ends in .html, got {path}. Choose another name.", path=make_printable(str(path))
        )


def render_audit_html(audit: Audit, dataset: Dataset, language: str = "en", on: date | None = None) -> str:
    """Render an audit as HTML, with the parameters of `write_audit_html`.

    Parameters
    ----------
    on : the date on the page; today by default
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
        groups=[(kind, list(group)) for kind, group in groupby(shown, lambda row: _name_group(row[0]))],
        is_sound=dataset.kind == "sound",
        language=language,
        most=max((row["total"] for row in audit.classes), default=0) or 1,
        n_left=len(audit.pairs) - len(shown),
        n_listed=MAX_LISTED,
        on=on or date.today(),
        seconds=SECONDS,
        sides=[side for side in (*SPLITS, "none") if any(row.get(side) for row in audit.classes)],
        weights=WEIGHTS,
    )


def _make_readable(value: Any) -> Any:
    """Replace control characters and those that change the direction of writing by `?`."""
    if type(value) is not str:
        return value
    return "".join(char if char.isprintable() or char.isspace() else "?" for char in value)


def _name_group(pair: DuplicatePair) -> str:
    """Name the group of a pair. `Audit.pairs` is sorted in the same order."""
    if pair.across_splits:
        return Message("Across splits")
    return Message("Across labels") if pair.across_labels else Message("Within one split and label")


def _embed_pairs(pairs: Sequence[DuplicatePair], dataset: Dataset) -> list[tuple[DuplicatePair, list[Embedded]]]:
    """Embed the files of as many pairs as fit on the page. Each file is read once."""
    examples = {example.id: example for example in dataset.examples}
    embedded: dict[str, Embedded] = {}
    rows, n_characters = [], 0
    for pair in pairs[:MAX_PAIRS]:
        for name in (pair.first, pair.second):
            if name not in embedded:
                embedded[name] = Embedded(error=Message("This file is not an example of the dataset."))
                if name in examples:
                    embedded[name] = embed(examples[name], dataset.kind)
            n_characters += len(embedded[name].uri)
        if n_characters > MAX_CHARACTERS:
            break
        rows.append((pair, [embedded[pair.first], embedded[pair.second]]))
    return rows
