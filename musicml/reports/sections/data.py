"""About the data of a run: what it was, its audit, who stood on which side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from musicml.data.audit import Audit, get_audit_path, load_audit
from musicml.data.datasets import SPLITS, reload_dataset
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
    """Show the data set, what its makers and musicml say of it, what was mended and left out, its audit."""
    found = one.info.data
    notes = tuple(words.said(note) for note in found.notes)
    noted: list[Block] = [Paragraph(words("data.notes")), Listing(notes)] if notes else []
    return [
        make_table(one, words),
        *noted,
        _show_rows(one, "repairs", sum(found.repairs.values()), _list_repairs, words),
        _show_rows(one, "excluded", found.excluded, _list_excluded, words),
        *_show_audit(one, words, data_root),
    ]


def make_table(one: Told, words: Words) -> Table:
    """Make a table of what run.json says of the data."""
    rows = _list_facts(one, words)
    return words.table("data", "what value", rows, words("data.caption"), "run.json", "labels.json")


def _list_facts(one: Told, words: Words) -> Iterator[tuple[Cell, ...]]:
    """List what run.json says of the data, and what SOURCE.json said but what is said elsewhere."""
    found = one.info.data
    yield words("data.dataset"), found.dataset
    yield words("data.kind"), words.get(f"data.kind_{found.kind}", str(found.kind))
    yield words("data.task"), words.get(f"data.task_{one.info.task}", str(one.info.task))
    yield words("data.n_classes"), len(one.class_names)
    yield words("data.class_names"), ", ".join(one.class_names)
    yield words("data.origin"), words("data.is_sample" if found.sample else "data.is_real")
    for key, value in found.source.items():
        if key != "sample" and isinstance(value, str | int | float) and str(value):
            yield words("data.source", what=key), str(value)
    origin = SOURCES.get(found.dataset)
    if origin is not None and not found.folder:
        yield words("data.page"), origin.page
        yield words("data.licence"), origin.licence or words("data.no_licence")
    yield words("data.hash"), found.hash
    yield words("data.with_warnings"), found.with_warnings


def _show_rows(one: Told, name: str, counted: int, make: Callable[[Told, Words], Table], words: Words) -> Block:
    """Show a CSV file as a table; or say why not, `counted` being how many rows run.json says that it had."""
    if trouble := one.troubles.get(f"{name}.csv"):
        return Note(words.said(trouble))
    if one.rows[f"{name}.csv"]:
        return make(one, words)
    return Note(words(f"data.{name}_missing", n=counted)) if counted else Paragraph(words(f"data.no_{name}"))


def _list_repairs(one: Told, words: Words) -> Table:
    """List what was mended in the data, by kind, with the first of each."""
    rows = one.rows["repairs.csv"]
    kinds = Counter(row.get("repair") or "?" for row in rows)
    first = {row.get("repair") or "?": row for row in reversed(rows)}
    lines = ((kind, count, words.said(first[kind].get("words") or "")) for kind, count in kinds.most_common())
    return words.table("repairs", "repair count first", lines, words("data.repairs", n=len(rows)), "repairs.csv")


def _list_excluded(one: Told, words: Words) -> Table:
    """List the files that were left out, each with its reason."""
    rows = one.rows["excluded.csv"]
    reasons = [words.said(row.get("reason") or "") for row in rows[:MOST]]
    cut = [why if len(why) <= LONGEST else f"{why[: LONGEST - 1]}…" for why in reasons]
    lines = [(row.get("file") or "", why) for row, why in zip(rows, cut, strict=False)]
    key = "data.excluded" if len(rows) <= MOST else "data.excluded_more"
    return words.table("excluded", "file reason", lines, words(key, n=len(rows), shown=len(lines)), "excluded.csv")


def _show_audit(one: Told, words: Words, data_root: Path | None) -> list[Block]:
    """Show the kept audit of the data; or say that there is none, with the command."""
    found, root = one.info.data, data_root or one.info.data.root
    options = f"--folder {found.folder}" if found.folder else found.dataset
    command = f"musicml audit {options}" + (" --as-published" if found.as_published and not found.folder else "")
    none: list[Block] = [Note(words("data.not_audited", command=command))]
    if data_root is None and not is_named(found.folder or root):  # the run folder may come from anyone
        return none
    try:
        dataset = reload_dataset(found.table, data_root)
        kept = load_audit(Path(root), dataset)
    except InputError as error:
        return [Note(words("data.audit_gone", why=words.said(error.message), command=command))]
    except (KeyError, TypeError):
        return none
    return _list_findings(kept, get_audit_path(Path(root), dataset).relative_to(root), words) if kept else none


def _list_findings(kept: Audit, file: Path, words: Words) -> list[Block]:
    """List what an audit found, the gravest first; what is fine is only counted."""
    rows = [
        (words(f"weight.{finding.weight}"), words.said(finding.words), words.said(finding.effect) or None)
        for finding in kept.findings
        if finding.weight != "fine"
    ]
    said = Paragraph(words("data.audited", n=kept.n, grave=len(rows), fine=len(kept.findings) - len(rows)))
    source = words("source.audit", file=file.as_posix())
    table = words.table("audit", "weight found effect", rows, words("data.audit_caption"), source=source)
    return [said, *([table] if rows else [])]


def split(one: Told, words: Words) -> list[Block]:
    """Say how the split came about, and how many files and groups stand on each side."""
    found = one.info.split
    blocks: list[Block] = [Paragraph(words("split.statement", words=words.said(found.statement or "?")))]
    if found.folds:
        blocks.append(Paragraph(words("split.folds", n=found.folds, files=one.report.n)))
    files, groups, homes = Counter[str](), defaultdict(set), defaultdict(set)
    for row in one.rows["split.csv"]:
        side, group = row.get("split") or "", row.get("group") or ""
        files[side] += 1
        groups[side].add(group)
        homes[group].add(side)
    rows = [(words(f"split.{side}"), files[side], len(groups[side])) for side in SPLITS if files[side]]
    if not rows:
        return [*blocks, Note(words("split.missing", why=words.said(one.troubles.get("split.csv", "")) or "split.csv"))]
    if is_ungrouped_split(one.info.data.as_published, one.info.split_rule):
        key = "unknown"  # every file, or piece of one, is a group there, whoever made it
    elif all(n_files == n_groups for _, n_files, n_groups in rows):
        key = "singles"
    else:
        key = "shared" if any(len(sides) > 1 for sides in homes.values()) else "apart"
    table = words.table("split", "side files groups", rows, words("split.caption"), "split.csv")
    return [*blocks, table, Paragraph(words(f"split.{key}"))]
