"""What an audit found, how many files each class has, and how long sounds are, as tables of a page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from musicml.data.audit.findings import WEIGHTS, Audit, AuditFinding
from musicml.data.audit.html_report.elements import SIDED, SIDES, Say, add, section, weighed
from musicml.utils import make_printable

LISTED = 500  # names of files of one finding, and classes, at most

WEIGHT = "A fault makes a figure wrong, a caution makes it doubtful, and what is fine does neither."
QUANTILES = {
    "least": "The shortest",
    "5 %": "One in twenty is at most",
    "median": "Half are at most",
    "95 %": "Nineteen in twenty are at most",
    "most": "The longest",
}


def tell_findings(main: Element, findings: Sequence[AuditFinding], say: Say) -> None:
    """A table of what was found and what it does to a figure, the gravest first."""
    part = section(main, say("What was found"))
    add(part, "p", say(WEIGHT))
    # on a narrow screen the cells stand one below the other; the roles say that it is a table still
    table = add(part, "table", look="findings", role="table")
    row = add(add(table, "thead", role="rowgroup"), "tr", role="row")
    for heading in ("Weight", "What was found", "What it does to a figure"):
        add(row, "th", say(heading), role="columnheader", scope="col")
    rows = add(table, "tbody", role="rowgroup")
    for finding in sorted(findings, key=lambda finding: WEIGHTS.index(finding.weight)):
        row = add(rows, "tr", role="row")
        weighed(add(row, "td", role="cell"), finding.weight, say)
        found = add(row, "td", say(finding.words), role="cell")
        list_files(found, finding.files, say)
        add(row, "td", say(finding.effect), role="cell")


def list_files(parent: Element, names: Sequence[str], say: Say) -> None:
    """The files concerned, to be unfolded."""
    if not names:
        return
    folded = add(parent, "details")
    add(folded, "summary", say(f"Files concerned: {len(names)}"))
    listed = add(folded, "ul")
    for name in names[:LISTED]:
        add(listed, "li", make_printable(name))
    if len(names) > LISTED:
        add(folded, "p", say(f"{len(names) - LISTED} more files are not listed here."))


def tell_classes(main: Element, audit: Audit, task: str, say: Say) -> None:
    """How many files each class has on each side, with a bar made of the sides."""
    part = section(main, say("Classes"))
    if task == "multi":
        add(part, "p", say("How many files hold each class; a file can hold several, and counts in each of them."))
    sides = [side for side in SIDES if any(row.get(side) for row in audit.classes)]
    columns = sides if len(sides) > 1 else []
    key_to_bars(part, columns, say)
    table = add(part, "table", look="classes")
    row = add(add(table, "thead"), "tr")
    for heading in ("Class", *(SIDED[side] for side in columns), "Total"):
        add(row, "th", say(heading), "" if heading == "Class" else "number", scope="col")
    rows, most = add(table, "tbody"), max((row["total"] for row in audit.classes), default=0)
    for counted in audit.classes[:LISTED]:
        row = add(rows, "tr")
        line = add(add(row, "th", scope="row"), "div", look="line")
        add(line, "span", make_printable(counted["class"]))
        bar = add(line, "div", look="bar", aria_hidden="true")
        for side in sides:
            add(bar, "span", look=side, style=f"width:{100 * counted.get(side, 0) / max(most, 1):.2f}%")
        for figure in (*(counted.get(side, 0) for side in columns), counted["total"]):
            add(row, "td", str(figure), "number")
    if len(audit.classes) > LISTED:
        add(part, "p", say(f"{len(audit.classes) - LISTED} more classes are not listed here."))


def key_to_bars(part: Element, sides: Sequence[str], say: Say) -> None:
    """Which stretch of a bar is which side, where there are several."""
    if not sides:
        return
    key = add(part, "ul", look="keys", aria_hidden="true")
    for side in sides:
        entry = add(key, "li")
        add(entry, "span", look=side).tail = say(SIDED[side])


def tell_lengths(main: Element, lengths: dict[str, dict[str, float]], say: Say) -> None:
    """How long the sounds are, and in what form they come."""
    part = add(section(main, say("Lengths and formats")), "div", look="lengths")
    seconds = lengths.get("seconds") or {}
    lasting = [(say(words), f"{seconds[name]:.1f} s") for name, words in QUANTILES.items() if name in seconds]
    rates = [(f"{rate} Hz", str(n)) for rate, n in (lengths.get("rates") or {}).items()]
    channels = [(channels, str(n)) for channels, n in (lengths.get("channels") or {}).items()]
    small_table(part, say("How long a file lasts"), lasting)
    small_table(part, say("Sample rate, and of how many files"), rates)
    small_table(part, say("Channels, and of how many files"), channels)


def small_table(part: Element, caption: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names with a figure each."""
    if not rows:
        return
    table = add(part, "table")
    add(table, "caption", caption)
    body = add(table, "tbody")
    for name, figure in rows[:LISTED]:
        row = add(body, "tr")
        add(row, "th", name, scope="row")
        add(row, "td", figure, "number")
