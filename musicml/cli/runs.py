"""`musicml runs`: list runs, and note, tag, delete or restore them.

List all runs with their main metric, tags and note. Notes and tags are free text and do not affect any result. Deleted
runs are moved to a trash folder, from which they can be restored.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError

if TYPE_CHECKING:
    from musicml.experiment import Run, RunInfo

MAX_NOTE_CHARACTERS = 60  # in the table; --json has the whole note


def add_command(commands: Any) -> None:
    """Add `musicml runs` to the command line."""
    parser = options.add_documented_parser(commands, list_or_change_runs, __doc__, "musicml runs --tag RUN baseline")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--tagged", metavar="TAG", help="list only the runs with this tag")
    action.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help='set the note of a run; "" removes it')
    action.add_argument("--tag", nargs="+", metavar=("RUN", "TAG"), help="add one or more tags to a run")
    action.add_argument("--untag", nargs="+", metavar=("RUN", "TAG"), help="remove tags from a run")
    action.add_argument("--delete", nargs="+", metavar="RUN", help="move runs to the trash")
    action.add_argument("--restore", nargs="+", metavar="RUN", help="move runs back from the trash")
    text = "sign a run that comes from a source you trust, so that it opens without the limits for foreign runs"
    action.add_argument("--trust", metavar="RUN", help=text)
    action.add_argument("--trash", action="store_true", help="list the deleted runs")


def list_or_change_runs(args: argparse.Namespace) -> int:
    """Carry out the action that the options name, or list the runs if they name none. Return 0."""
    if args.trust:
        from musicml.experiment import open_run
        from musicml.inference import trust_run

        print(trust_run(open_run(args.trust, args.runs)))
    elif args.note or args.tag or args.untag:
        edit_notes(args)
    elif args.delete or args.restore:
        move_runs(args)
    else:
        print_runs(args)
    return 0


def edit_notes(args: argparse.Namespace) -> None:
    """Set the note of a run, or add or remove tags. Print its note and tags afterwards."""
    from musicml.experiment import add_tags, open_run, remove_tags, write_note

    name, *values = args.note or args.tag or args.untag
    if not values:  # argparse cannot require two values or more
        raise InputError(
            "Expected a run and one tag or more, got only {name}. Write `musicml runs {option} RUN TAG`.",
            name=name,
            option="--tag" if args.tag else "--untag",
        )
    run = open_run(name, args.runs)
    if args.note:
        notes = write_note(run, values[0])
    else:
        notes = (add_tags if args.tag else remove_tags)(run, values)
    if args.json:
        output.print_json({"run": str(run.path), "tags": list(notes.tags), "note": notes.note})
    else:
        print(f"{run.name}: tags: {', '.join(notes.tags) or 'none'}; note: {notes.note or 'none'}")


def move_runs(args: argparse.Namespace) -> None:
    """Move runs to the trash or back, and print the new path of each."""
    from musicml.experiment import delete_run, restore_run

    moved = []
    for name in args.delete or args.restore:
        moved.append((delete_run if args.delete else restore_run)(name, args.runs))
        if not args.json:
            hint = f"; to undo this, `musicml runs --restore {shlex.quote(moved[-1].name)}`"
            print(f"{moved[-1].name}: moved to {moved[-1]}{hint if args.delete else ''}")
    if args.json:
        output.print_json({"moved": [str(path) for path in moved]})


def print_runs(args: argparse.Namespace) -> None:
    """Print all runs, only those with a tag (`--tagged`), or the deleted ones (`--trash`)."""
    from musicml.experiment import TRASH_FOLDER, list_runs, list_trash, read_notes

    trash, tag = args.runs / TRASH_FOLDER, args.tagged
    if args.trash:
        runs, empty = list_trash(args.runs), f"no runs in {trash}: `musicml runs --delete RUN` moves one there"
    else:
        runs = [run for run in list_runs(args.runs) if tag is None or tag in read_notes(run).tags]
        hint = f" with the tag {tag}" if tag else ": `musicml train genre_gru` trains one"
        empty = f"no runs in {args.runs}{hint}"
    if runs or args.json:
        _print_table(runs, args.json)
    else:
        print(empty)
    if runs and args.trash and not args.json:
        print(f"`musicml runs --restore RUN` moves one back; to free the disk space, delete {trash}")


def _print_table(runs: Sequence[Run], as_json: bool) -> None:
    """Print one row per run. Add columns for tags and notes if any run has some."""
    from musicml.experiment import read_notes

    rows, lines, notes_lines = [], [("run", "data", "status", "main metric (95% interval)")], [("tags", "note")]
    for run in runs:
        (info, status, report), notes = _read_run(run), read_notes(run)
        row = {"run": str(run.path), "experiment": info.experiment, "status": status, "sample": info.data.sample}
        row |= {key: value for key, value in (("tags", list(notes.tags)), ("note", notes.note)) if value}
        rows.append(row | (output.summarize_report(run.path, report) if report else {}))
        lines.append(
            (
                run.name,
                _describe_data(info),
                "complete" if run.is_complete else status,
                output.format_main_metric(report) if report else "-",
            )
        )
        is_short = len(notes.note) <= MAX_NOTE_CHARACTERS
        note = notes.note if is_short else f"{notes.note[: MAX_NOTE_CHARACTERS - 3]}..."
        notes_lines.append((", ".join(notes.tags) or "-", note or "-"))
    if as_json:
        output.print_json({"runs": rows})
        return
    has_notes = any(cell != "-" for line in notes_lines[1:] for cell in line)  # else the columns would be empty
    output.print_table([(*line, *more) for line, more in zip(lines, notes_lines, strict=True)] if has_notes else lines)
    if any(row["sample"] for row in rows):
        print(output.SAMPLE_NOTE)


def _read_run(run: Run) -> tuple[RunInfo, str, dict[str, Any] | None]:
    """Return a run's metadata, its status, and its report if it is complete. The status of a bad run is `damaged`."""
    from musicml.experiment import RunInfo

    info = RunInfo()
    try:
        info = run.info
        return info, run.status, run.report.table if run.is_complete else None
    except InputError:  # one damaged run must not hide the others
        return info, "damaged", None


def _describe_data(info: RunInfo) -> str:
    """Describe a run's dataset and anything unusual about it: `gtzan (sample, as published, 3 folds)`."""
    parts = {
        "sample": info.data.sample,
        info.protocol: not info.is_honest,
        f"split {info.split_rule}": info.split_rule != "official",
        f"{info.split.folds} folds": info.split.folds,
    }
    remarks = ", ".join(part for part, is_unusual in parts.items() if is_unusual)
    return f"{info.data.dataset or '?'}{f' ({remarks})' if remarks else ''}"
