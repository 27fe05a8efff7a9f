"""An audit as one HTML file that a teacher can show: what was found, what it does to a figure, the pairs themselves.

The file needs no network and holds no script. It is built as a tree of elements, never out of strings, so that
whatever a file is called stands there as text.
"""

from __future__ import annotations

import html
import string
from datetime import date
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from musicml.data.audit.findings import WEIGHTS, Audit
from musicml.data.audit.html_report.elements import Say, add, readable, weighed
from musicml.data.audit.html_report.pairs import tell_pairs
from musicml.data.audit.html_report.tables import tell_classes, tell_findings, tell_lengths
from musicml.data.datasets import Dataset
from musicml.utils import InputError, make_printable, write_text

__all__ = ["check_html_path", "render_audit_html", "write_audit_html"]

SUFFIXES = (".html", ".htm")
TEMPLATE = Path(__file__).with_name("page.html")
SAMPLE = "This is generated sample data: it shows how an audit works, and says nothing about real music or pictures."


def write_audit_html(audit: Audit, dataset: Dataset, path: Path, say: Say = str, language: str = "en") -> None:
    """Write an audit as one HTML file, whole or not at all.

    Parameters
    ----------
    dataset : the data set that was audited, where the files of the pairs are found
    path : where to; another `.html` file of that name is written over, and nothing else is
    say : turns an English sentence of ours into `language`

    Raises
    ------
    InputError
        If `path` does not end in `.html`, or can't be written.
    """
    check_html_path(path)
    write_text(path, render_audit_html(audit, dataset, say, language))


def check_html_path(path: Path) -> None:
    """Refuse a path that is no page's, before an audit takes its minutes and before another file is written over.

    Raises
    ------
    InputError
        If `path` does not end in `.html`.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            "{path} must end in .html, so that a browser opens it and no other file is "
            "written over: "
            "choose another name.",
            path=make_printable(str(path)),
        )


def render_audit_html(
    audit: Audit, dataset: Dataset, say: Say = str, language: str = "en", on: date | None = None
) -> str:
    """The page; as `write_audit_html`.

    Parameters
    ----------
    on : the day that stands on it; today by default
    """
    body = Element("body")
    main = add(body, "main")
    introduce(main, audit, dataset, say, on or date.today())
    tell_findings(main, audit.findings, say)
    tell_classes(main, audit, dataset.task, say)
    if audit.lengths:
        tell_lengths(main, audit.lengths, say)
    tell_pairs(main, audit.pairs, dataset, say)
    template = string.Template(TEMPLATE.read_text(encoding="utf-8"))
    title = html.escape(readable(say(f"Audit of {make_printable(audit.dataset)}")))
    return template.substitute(
        language=html.escape(language), title=title, body=ElementTree.tostring(body, "unicode", method="html")
    )


def introduce(main: Element, audit: Audit, dataset: Dataset, say: Say, on: date) -> None:
    """The title, what was audited, the notice on sample data, and how many findings there are of each weight."""
    add(main, "h1", say(f"Audit of {make_printable(audit.dataset)}"))
    about = f"{audit.n} files in {len(dataset.class_names)} classes, audited by musicml; this page is of {on}."
    add(main, "p", say(about), "soft")
    if audit.sample:
        add(main, "p", say(SAMPLE), "sample", role="note")
    if audit.as_published:
        add(main, "p", say("The data was taken as published, with its faults: nothing in it was repaired."))
    counts = add(main, "ul", look="counts")
    for weight in WEIGHTS:
        entry = add(counts, "li")
        weighed(entry, weight, say)
        entry[-1].tail = f": {sum(finding.weight == weight for finding in audit.findings)}"
