"""`musicml runs`: list the runs with their main figures, note and tag them, delete and restore them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError

if TYPE_CHECKING:
    from musicml.experiment import Run, RunInfo, RunNotes


MAX_SHOWN = 60  # characters of a note in the table; --json has all of it


def add_command(commands: Any) -> None:
    """Add `musicml runs` to the command line."""
    parser = options.add_parser(
        commands,
        "runs",
        _run,
        "list the runs; note, tag, delete and restore them",
        (
            "List every run with its main figure, its tags and its note. A note and tags are words of yours: no figure "
            "depends on them. A deleted run goes to a trash folder, from which it can be restored."
        ),
        "musicml runs --tag RUN baseline",
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--tagged", metavar="TAG", help="list only the runs with this tag")
    one.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help='write a note about a run; "" removes it')
    one.add_argument("--tag", nargs="+", metavar=("RUN", "TAG"), help="give a run one tag or several")
    one.add_argument("--untag", nargs="+", metavar=("RUN", "TAG"), help="take tags from a run")
    one.add_argument("--delete", nargs="+", metavar="RUN", help="move runs to the trash")
    one.add_argument("--restore", nargs="+", metavar="RUN", help="bring runs back from the trash")
    one.add_argument("--trust", metavar="RUN", help="sign a run of someone you know, so that it is opened as yours")
    one.add_argument("--trash", action="store_true", help="list the deleted runs")


def _run(args: argparse.Namespace) -> int:
    if args.note:
        name, text = args.note
        return write_note(name, text, args.runs, args.json)
    if args.trust:
        return trust(args.trust, args.runs)
    if args.tag or args.untag:
        return change_tags(args.tag or args.untag, bool(args.tag), args.runs, args.json)
    if args.delete or args.restore:
        return move_runs(args.delete or args.restore, bool(args.delete), args.runs, args.json)
    return print_trash(args.runs, args.json) if args.trash else print_runs(args.runs, args.json, args.tagged)


def trust(name: str, runs_root: Path) -> int:
    """Sign a run that someone else made, and say what that means."""
    from musicml.experiment import open_run
    from musicml.inference import trust_run

    print(trust_run(open_run(name, runs_root)))
    return 0


def write_note(name: str, text: str, runs_root: Path, as_json: bool) -> int:
    """Write a run's note, or remove it where `text` is empty."""
    from musicml import experiment

    run = experiment.open_run(name, runs_root)
    return _print_notes(run, experiment.write_note(run, text), as_json)


def change_tags(words: list[str], is_added: bool, runs_root: Path, as_json: bool) -> int:
    """Give a run, the first of `words`, the tags behind it, or take them from it."""
    from musicml.experiment import add_tags, open_run, remove_tags

    if len(words) < 2:
        raise InputError(
            "Expected a run and one tag or more, got only {name}. Write `musicml runs {option} RUN TAG`.",
            name=words[0],
            option="--tag" if is_added else "--untag",
        )
    run = open_run(words[0], runs_root)
    return _print_notes(run, (add_tags if is_added else remove_tags)(run, words[1:]), as_json)


def _print_notes(run: Run, notes: RunNotes, as_json: bool) -> int:
    """Print the tags and the note that a run has now."""
    if as_json:
        output.print_json({"run": str(run.path), "tags": list(notes.tags), "note": notes.note})
    else:
        print(f"{run.name}: tags: {', '.join(notes.tags) or 'none'}; note: {notes.note or 'none'}")
    return 0


def move_runs(names: list[str], to_trash: bool, runs_root: Path, as_json: bool) -> int:
    """Move runs to the trash, or back; say where each of them is now."""
    from musicml.experiment import delete_run, restore_run

    moved = []
    for name in names:
        moved.append((delete_run if to_trash else restore_run)(name, runs_root))
        if not as_json:
            cure = f"; `musicml runs --restore {shlex.quote(moved[-1].name)}` brings it back"
            print(f"{moved[-1].name}: moved to {moved[-1]}{cure if to_trash else ''}")
    if as_json:
        output.print_json({"moved": [str(path) for path in moved]})
    return 0


def print_trash(runs_root: Path, as_json: bool) -> int:
    """Print the deleted runs, and how to be rid of them."""
    from musicml.experiment import TRASH_FOLDER, list_trash

    found, folder = list_trash(runs_root), runs_root / TRASH_FOLDER
    if not found and not as_json:
        print(f"no runs in {folder}: `musicml runs --delete RUN` moves one there")
        return 0
    code = _print_table(found, as_json)
    if not as_json:
        print(f"`musicml runs --restore RUN` brings one back; to free the disk, remove {folder}")
    return code


def print_runs(runs_root: Path, as_json: bool, tag: str | None = None) -> int:
    """Print the runs, only those with a tag if it is given; a damaged one is listed as such."""
    from musicml.experiment import list_runs, read_notes

    found = [run for run in list_runs(runs_root) if tag is None or tag in read_notes(run).tags]
    if found or as_json:
        return _print_table(found, as_json)
    print(f"no runs in {runs_root}" + (f" with the tag {tag}" if tag else ": `musicml train genre_gru` makes one"))
    return 0


def _print_table(runs: Sequence[Run], as_json: bool) -> int:
    """Print a row a run; tags and notes have columns where any run has some."""
    from musicml.experiment import read_notes

    rows, lines, words = [], [("run", "data", "status", "main figure (95 % interval)")], [("tags", "note")]
    for run in runs:
        (info, status, report), notes = _read(run), read_notes(run)
        row = {
            "run": str(run.path),
            "experiment": info.experiment,
            "status": status,
            "sample": info.data.sample,
        }
        row |= {key: value for key, value in (("tags", list(notes.tags)), ("note", notes.note)) if value}
        rows.append(row | (output.summarize_report(run.path, report) if report else {}))
        lines.append((run.name, _describe_data(info), status, output.format_main_metric(report) if report else "-"))
        note = notes.note if len(notes.note) <= MAX_SHOWN else f"{notes.note[: MAX_SHOWN - 3]}..."
        words.append((", ".join(notes.tags) or "-", note or "-"))
    if as_json:
        output.print_json({"runs": rows})
        return 0
    has_words = any(cell != "-" for line in words[1:] for cell in line)
    output.print_table([(*line, *its) for line, its in zip(lines, words, strict=True)] if has_words else lines)
    if any(row["sample"] for row in rows):
        print(output.SAMPLE_NOTE)
    return 0


def _read(run: Run) -> tuple[RunInfo, str, dict[str, Any] | None]:
    """Return what run.json says, the run's status, and its report where it has one that can be read."""
    from musicml.experiment import RunInfo

    info = RunInfo()
    try:
        info = run.info
        return info, run.status, run.report.table if run.is_whole else None
    except InputError:
        return info, "damaged", None


def _describe_data(info: RunInfo) -> str:
    """Return a run's data set, and what is not usual of it: `gtzan (sample, as published, 3 folds)`."""
    parts = [
        "sample" if info.data.sample else "",
        "" if info.is_honest else info.protocol,
        "" if info.split_rule == "official" else f"split {info.split_rule}",
        f"{info.split.folds} folds" if info.split.folds else "",
    ]
    remarks = ", ".join(part for part in parts if part)
    return f"{info.data.dataset or '?'}{f' ({remarks})' if remarks else ''}"
