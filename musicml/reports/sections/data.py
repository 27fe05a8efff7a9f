"""Sections on the data of one run: the dataset, its audit, and the split."""

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
from musicml.reports.run_data import RunData
from musicml.reports.wording import Words
from musicml.utils import InputError

MAX_FILES = 12  # excluded files in the report; excluded.csv lists them all
MAX_REASON_LENGTH = 200  # characters


def write_data(run: RunData, words: Words, data_root: Path | None = None) -> list[Block]:
    """Write the properties of the dataset, notes on it, its repairs, excluded files and audit."""
    data = run.info.data
    notes = tuple(words.translate(note) for note in data.notes)
    note_blocks: list[Block] = [Paragraph(words("data.notes")), Listing(notes)] if notes else []
    return [
        make_data_table(run, words),
        *note_blocks,
        _write_rows(run, "repairs", sum(data.repairs.values()), _list_repairs, words),
        _write_rows(run, "excluded", data.excluded, _list_excluded, words),
        *_write_audit(run, words, data_root),
    ]


def make_data_table(run: RunData, words: Words) -> Table:
    """Make a table of the dataset's properties."""
    rows = _list_properties(run, words)
    return words.make_table("data", "what value", rows, words("data.caption"), "run.json", "labels.json")


def _list_properties(run: RunData, words: Words) -> Iterator[tuple[Cell, ...]]:
    """List the dataset's properties from run.json, with those of its SOURCE.json."""
    data = run.info.data
    yield words("data.dataset"), data.dataset
    yield words("data.kind"), words.get(f"data.kind_{data.kind}", str(data.kind))
    yield words("data.task"), words.get(f"data.task_{run.info.task}", str(run.info.task))
    yield words("data.n_classes"), len(run.class_names)
    yield words("data.class_names"), ", ".join(run.class_names)
    yield words("data.origin"), words("data.is_sample" if data.sample else "data.is_real")
    for key, value in data.source.items():
        if key != "sample" and isinstance(value, str | int | float) and str(value):
            yield words("data.source", what=key), words.translate(value) if isinstance(value, str) else str(value)
    origin = SOURCES.get(data.dataset)
    if origin is not None and not data.folder:  # a folder of the user's own may have the name of a known dataset
        yield words("data.page"), origin.page
        yield words("data.licence"), origin.licence or words("data.no_licence")
    yield words("data.hash"), data.hash
    yield words("data.with_warnings"), data.with_warnings


def _write_rows(run: RunData, name: str, count: int, make: Callable[[RunData, Words], Table], words: Words) -> Block:
    """Write a CSV file as a table, or the reason why it is missing; run.json gives its `count` of rows."""
    if error := run.read_errors.get(f"{name}.csv"):
        return Note(words.translate(error))
    if run.rows[f"{name}.csv"]:
        return make(run, words)
    return Note(words(f"data.{name}_missing", n=count)) if count else Paragraph(words(f"data.no_{name}"))


def _list_repairs(run: RunData, words: Words) -> Table:
    """List the repairs by kind, each with its first occurrence."""
    rows = run.rows["repairs.csv"]
    kinds = Counter(row.get("repair") or "?" for row in rows)
    first = {row.get("repair") or "?": row for row in reversed(rows)}  # reversed, so that the first one wins
    lines = ((kind, count, words.translate(first[kind].get("words") or "")) for kind, count in kinds.most_common())
    return words.make_table("repairs", "repair count first", lines, words("data.repairs", n=len(rows)), "repairs.csv")


def _list_excluded(run: RunData, words: Words) -> Table:
    """List excluded files with their reasons."""
    rows = run.rows["excluded.csv"]
    reasons = [words.translate(row.get("reason") or "") for row in rows[:MAX_FILES]]
    short = [text if len(text) <= MAX_REASON_LENGTH else f"{text[: MAX_REASON_LENGTH - 1]}…" for text in reasons]
    lines = [(row.get("file") or "", reason) for row, reason in zip(rows, short, strict=False)]
    caption = words("data.excluded" if len(rows) <= MAX_FILES else "data.excluded_more", n=len(rows), shown=len(lines))
    return words.make_table("excluded", "file reason", lines, caption, "excluded.csv")


def _write_audit(run: RunData, words: Words, data_root: Path | None) -> list[Block]:
    """Write the findings of the data's audit; if there is none, the command that makes one."""
    data, root = run.info.data, data_root or run.info.data.root
    options = f"--folder {data.folder}" if data.folder else data.dataset
    command = f"musicml audit {options}" + (" --as-published" if data.as_published and not data.folder else "")
    not_audited: list[Block] = [Note(words("data.not_audited", command=command))]
    # a run folder may come from a stranger: its paths are read only where the user has named that folder before
    if data_root is None and not is_named(data.folder or root):
        return not_audited
    try:
        dataset = reload_dataset(data.table, data_root)
        audit = load_audit(Path(root), dataset)
    except InputError as error:
        return [Note(words("data.audit_gone", why=words.translate(error.message), command=command))]
    except (KeyError, TypeError):
        return not_audited
    if audit is None:
        return not_audited
    return _list_findings(audit, get_audit_path(Path(root), dataset).relative_to(root), words)


def _list_findings(audit: Audit, file: Path, words: Words) -> list[Block]:
    """List an audit's findings, most severe first; checks that passed are only counted."""
    rows = [
        (words(f"weight.{finding.weight}"), words.translate(finding.words), words.translate(finding.effect) or None)
        for finding in audit.findings
        if finding.weight != "fine"
    ]
    text = Paragraph(words("data.audited", n=audit.n, grave=len(rows), fine=len(audit.findings) - len(rows)))
    source = words("source.audit", file=file.as_posix())
    table = words.make_table("audit", "weight found effect", rows, words("data.audit_caption"), source=source)
    return [text, *([table] if rows else [])]


def write_split(run: RunData, words: Words) -> list[Block]:
    """Write how the data was split, and how many files and groups each part has."""
    info = run.info.split
    blocks: list[Block] = [Paragraph(words("split.statement", words=words.translate(info.statement or "?")))]
    if info.folds:
        blocks.append(Paragraph(words("split.folds", n=info.folds, files=run.report.n)))
    files, groups, splits = Counter[str](), defaultdict(set), defaultdict(set)
    for row in run.rows["split.csv"]:
        split, group = row.get("split") or "", row.get("group") or ""
        files[split] += 1
        groups[split].add(group)
        splits[group].add(split)
    rows = [(words(f"split.{split}"), files[split], len(groups[split])) for split in SPLITS if files[split]]
    if not rows:
        reason = words.translate(run.read_errors.get("split.csv", "")) or "split.csv"
        return [*blocks, Note(words("split.missing", why=reason))]
    if is_ungrouped_split(run.info.data.as_published, run.info.split_rule):
        key = "unknown"  # each file or piece is its own group there, so counting groups shows nothing
    elif all(n_files == n_groups for _, n_files, n_groups in rows):
        key = "singles"
    else:
        key = "shared" if any(len(parts) > 1 for parts in splits.values()) else "apart"
    table = words.make_table("split", "side files groups", rows, words("split.caption"), "split.csv")
    return [*blocks, table, Paragraph(words(f"split.{key}"))]
