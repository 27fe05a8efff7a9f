"""About the data of a run: what it was, its audit, who stood on which side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from musicml.data.audit import Audit, get_audit_path, load_audit
from musicml.data.datasets import reload_dataset
from musicml.data.download import SOURCES
from musicml.data.splits import is_ungrouped_split
from musicml.experiment import is_named
from musicml.reports.document import Block, Cell, Listing, Note, Paragraph, Table
from musicml.reports.run_data import Told
from musicml.reports.wording import Words
from musicml.utils import InputError

MOST = 12  # files named in the text; the CSV file of the run has all
LONGEST = 200  # characters of a file's reason


def data(one: Told, words: Words, data_root: Path | None = None) -> list[Block]:
    """The data set, what its makers and musicml say of it, what was mended and left out, its audit."""
    notes = tuple(words.said(note) for note in one.info.data.notes)
    noted: list[Block] = [Paragraph(words("data.notes")), Listing(notes)] if notes else []
    return [
        facts(one, words),
        *noted,
        *repairs(one, words),
        *excluded(one, words),
        *audited(one, words, data_root),
    ]


def facts(one: Told, words: Words) -> Table:
    """What run.json says of the data, as a table."""
    found = one.info.data
    rows: list[tuple[Cell, ...]] = [
        (words("data.dataset"), found.dataset),
        (words("data.kind"), words.get(f"data.kind_{found.kind}", str(found.kind))),
        (words("data.task"), words.get(f"data.task_{one.info.task}", str(one.info.task))),
        (words("data.n_classes"), len(one.class_names)),
        (words("data.class_names"), ", ".join(one.class_names)),
        (words("data.origin"), words("data.is_sample" if found.sample else "data.is_real")),
        *((words("data.source", what=key), value) for key, value in of_source(found.source)),
        *published_at(one, words),
        (words("data.hash"), found.hash),
        (words("data.with_warnings"), found.with_warnings),
    ]
    columns = (words("column.what"), words("column.value"))
    source = words.source(one.name, "run.json", "labels.json")
    return Table(one.named("data"), columns, tuple(rows), words("data.caption"), source)


def of_source(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What SOURCE.json said, a line each; without what is said elsewhere."""
    return [
        (str(key), str(value))
        for key, value in source.items()
        if key != "sample" and isinstance(value, str | int | float) and str(value)
    ]


def published_at(one: Told, words: Words) -> Iterator[tuple[Cell, ...]]:
    """Where a data set that musicml knows is kept, and under which licence."""
    origin = SOURCES.get(one.info.data.dataset)
    if origin is not None and not one.info.data.folder:
        yield words("data.page"), origin.page
        yield words("data.licence"), origin.licence or words("data.no_licence")


def repairs(one: Told, words: Words) -> list[Block]:
    """What was mended in the data, by kind, with the first of each."""
    rows = one.rows["repairs.csv"]
    if trouble := one.troubles.get("repairs.csv"):
        return [Note(words.said(trouble))]
    if not rows:
        n = sum(one.info.data.repairs.values())
        return [Note(words("data.repairs_missing", n=n)) if n else Paragraph(words("data.no_repairs"))]
    counts = Counter(row.get("repair") or "?" for row in rows)
    first = {row.get("repair") or "?": row for row in reversed(rows)}
    lines = tuple((kind, count, words.said(first[kind].get("words") or "")) for kind, count in counts.most_common())
    columns = (words("column.repair"), words("column.count"), words("column.first"))
    source = words.source(one.name, "repairs.csv")
    return [Table(one.named("repairs"), columns, lines, words("data.repairs", n=len(rows)), source)]


def excluded(one: Told, words: Words) -> list[Block]:
    """The files that were left out, each with its reason."""
    rows = one.rows["excluded.csv"]
    if trouble := one.troubles.get("excluded.csv"):
        return [Note(words.said(trouble))]
    if not rows:
        n = one.info.data.excluded
        return [Note(words("data.excluded_missing", n=n)) if n else Paragraph(words("data.none_excluded"))]
    lines = tuple((row.get("file") or "", shortened(words.said(row.get("reason") or ""))) for row in rows[:MOST])
    key = "data.excluded" if len(rows) <= MOST else "data.excluded_more"
    caption = words(key, n=len(rows), shown=len(lines))
    columns, source = (words("column.file"), words("column.reason")), words.source(one.name, "excluded.csv")
    return [Table(one.named("excluded"), columns, lines, caption, source)]


def shortened(text: str) -> str:
    """A reason that a row has room for."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def audited(one: Told, words: Words, data_root: Path | None) -> list[Block]:
    """The kept audit of the data; or that there is none, with the command."""
    found, root = one.info.data, data_root or one.info.data.root
    command = f"musicml audit {found.dataset}"
    if found.folder:
        command = f"musicml audit --folder {found.folder}"
    elif found.as_published:
        command += " --as-published"
    if data_root is None and not is_named(found.folder or root):  # the run folder may come from anyone
        return [Note(words("data.not_audited", command=command))]
    try:
        dataset = reload_dataset(found.table, data_root)
        kept = load_audit(Path(root), dataset)
    except InputError as error:
        return [Note(words("data.audit_gone", why=words.said(str(error)), command=command))]
    except (KeyError, TypeError):
        return [Note(words("data.not_audited", command=command))]
    if kept is None:
        return [Note(words("data.not_audited", command=command))]
    return found_by(kept, get_audit_path(Path(root), dataset).relative_to(root), one, words)


def found_by(kept: Audit, file: Path, one: Told, words: Words) -> list[Block]:
    """What an audit found, the gravest first; what is fine is only counted."""
    grave = [finding for finding in kept.findings if finding.weight != "fine"]
    fine = len(kept.findings) - len(grave)
    rows = tuple(
        (words(f"weight.{finding.weight}"), words.said(finding.words), words.said(finding.effect) or None)
        for finding in grave
    )
    columns = (words("column.weight"), words("column.found"), words("column.effect"))
    source = words("source.audit", file=file.as_posix())
    said = Paragraph(words("data.audited", n=kept.n, grave=len(grave), fine=fine))
    return [said, *([Table(one.named("audit"), columns, rows, words("data.audit_caption"), source)] if rows else [])]


def split(one: Told, words: Words) -> list[Block]:
    """How the split came about, and how many files and groups stand on each side."""
    found = one.info.split
    blocks: list[Block] = [Paragraph(words("split.statement", words=words.said(found.statement or "?")))]
    if found.folds:
        blocks.append(Paragraph(words("split.folds", n=found.folds, files=one.report.n)))
    sides = one.sides()
    if not sides:
        return [*blocks, Note(words("split.missing", why=words.said(one.troubles.get("split.csv", "")) or "split.csv"))]
    rows = tuple((words(f"split.{side}"), files, groups) for side, (files, groups) in sides.items())
    columns = (words("column.side"), words("column.files"), words("column.groups"))
    source = words.source(one.name, "split.csv")
    blocks.append(Table(one.named("split"), columns, rows, words("split.caption"), source))
    return [*blocks, Paragraph(words(f"split.{kept_apart(one, sides)}"))]


def kept_apart(one: Told, sides: dict[str, tuple[int, int]]) -> str:
    """What can be said of what belongs together: `unknown`, `singles`, `shared` or `apart`."""
    if is_ungrouped_split(one.info.data.as_published, one.info.split_rule):
        return "unknown"  # every file, or piece of one, is a group there, whoever made it
    if all(files == groups for files, groups in sides.values()):
        return "singles"
    return "shared" if shares(one) else "apart"


def shares(one: Told) -> bool:
    """Whether a group stands on more than one side."""
    home: dict[str, set[str]] = {}
    for row in one.rows["split.csv"]:
        home.setdefault(row.get("group") or "", set()).add(row.get("split") or "")
    return any(len(sides) > 1 for sides in home.values())
