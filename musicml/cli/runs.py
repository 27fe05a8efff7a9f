"""`musicml runs`: list the runs; note, tag, delete and restore them.

List every run with its main figure, its tags and its note. A note and tags are words of yours: no figure depends on
them. A deleted run goes to a trash folder, from which it can be restored.
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

MAX_SHOWN = 60  # characters of a note in the table; --json has all of it


def add_command(commands: Any) -> None:
    """Add `musicml runs` to the command line."""
    parser = options.add_documented_parser(commands, list_or_change_runs, __doc__, "musicml runs --tag RUN baseline")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--tagged", metavar="TAG", help="list only the runs with this tag")
    one.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help='write a note about a run; "" removes it')
    one.add_argument("--tag", nargs="+", metavar=("RUN", "TAG"), help="give a run one tag or several")
    one.add_argument("--untag", nargs="+", metavar=("RUN", "TAG"), help="take tags from a run")
    one.add_argument("--delete", nargs="+", metavar="RUN", help="move runs to the trash")
    one.add_argument("--restore", nargs="+", metavar="RUN", help="bring runs back from the trash")
    one.add_argument("--trust", metavar="RUN", help="sign a run of someone you know, so that it is opened as yours")
    one.add_argument("--trash", action="store_true", help="list the deleted runs")


def list_or_change_runs(args: argparse.Namespace) -> int:
    """Do with the runs what the options say; without one, list them."""
    if args.trust:
        from musicml.experiment import open_run
        from musicml.inference import trust_run

        print(trust_run(open_run(args.trust, args.runs)))
    elif args.note or args.tag or args.untag:
        change_notes(args)
    elif args.delete or args.restore:
        move_runs(args)
    else:
        print_runs(args)
    return 0


def change_notes(args: argparse.Namespace) -> None:
    """Write a run's note, give it tags or take them from it; print what it has then."""
    from musicml.experiment import add_tags, open_run, remove_tags, write_note

    words = args.note or args.tag or args.untag
    if len(words) < 2:
        raise InputError(
            "Expected a run and one tag or more, got only {name}. Write `musicml runs {option} RUN TAG`.",
            name=words[0],
            option="--tag" if args.tag else "--untag",
        )
    run = open_run(words[0], args.runs)
    if args.note:
        notes = write_note(run, words[1])
    else:
        notes = (add_tags if args.tag else remove_tags)(run, words[1:])
    if args.json:
        output.print_json({"run": str(run.path), "tags": list(notes.tags), "note": notes.note})
    else:
        print(f"{run.name}: tags: {', '.join(notes.tags) or 'none'}; note: {notes.note or 'none'}")


def move_runs(args: argparse.Namespace) -> None:
    """Move runs to the trash, or back; say where each of them is now."""
    from musicml.experiment import delete_run, restore_run

    moved = []
    for name in args.delete or args.restore:
        moved.append((delete_run if args.delete else restore_run)(name, args.runs))
        if not args.json:
            cure = f"; `musicml runs --restore {shlex.quote(moved[-1].name)}` brings it back"
            print(f"{moved[-1].name}: moved to {moved[-1]}{cure if args.delete else ''}")
    if args.json:
        output.print_json({"moved": [str(path) for path in moved]})


def print_runs(args: argparse.Namespace) -> None:
    """Print the runs, only those with a tag if it is given, or the deleted ones; a damaged one is listed as such."""
    from musicml.experiment import TRASH_FOLDER, list_runs, list_trash, read_notes

    trash, tag = args.runs / TRASH_FOLDER, args.tagged
    if args.trash:
        found, none = list_trash(args.runs), f"no runs in {trash}: `musicml runs --delete RUN` moves one there"
    else:
        found = [run for run in list_runs(args.runs) if tag is None or tag in read_notes(run).tags]
        hint = f" with the tag {tag}" if tag else ": `musicml train genre_gru` makes one"
        none = f"no runs in {args.runs}{hint}"
    if found or args.json:
        _print_table(found, args.json)
    else:
        print(none)
    if found and args.trash and not args.json:
        print(f"`musicml runs --restore RUN` brings one back; to free the disk, remove {trash}")


def _print_table(runs: Sequence[Run], as_json: bool) -> None:
    """Print a row a run; tags and notes have columns where any run has some."""
    from musicml.experiment import read_notes

    rows, lines, words = [], [("run", "data", "status", "main figure (95 % interval)")], [("tags", "note")]
    for run in runs:
        (info, status, report), notes = _read(run), read_notes(run)
        row = {"run": str(run.path), "experiment": info.experiment, "status": status, "sample": info.data.sample}
        row |= {key: value for key, value in (("tags", list(notes.tags)), ("note", notes.note)) if value}
        rows.append(row | (output.summarize_report(run.path, report) if report else {}))
        lines.append((run.name, _describe_data(info), status, output.format_main_metric(report) if report else "-"))
        note = notes.note if len(notes.note) <= MAX_SHOWN else f"{notes.note[: MAX_SHOWN - 3]}..."
        words.append((", ".join(notes.tags) or "-", note or "-"))
    if as_json:
        output.print_json({"runs": rows})
        return
    has_words = any(cell != "-" for line in words[1:] for cell in line)
    output.print_table([(*line, *its) for line, its in zip(lines, words, strict=True)] if has_words else lines)
    if any(row["sample"] for row in rows):
        print(output.SAMPLE_NOTE)


def _read(run: Run) -> tuple[RunInfo, str, dict[str, Any] | None]:
    """Return what run.json says, the run's status, and its report where it has one that can be read."""
    from musicml.experiment import RunInfo

    info = RunInfo()
    try:
        info = run.info
        return info, run.status, run.report.table if run.is_complete else None
    except InputError:
        return info, "damaged", None


def _describe_data(info: RunInfo) -> str:
    """Return a run's data set, and what is not usual of it: `gtzan (sample, as published, 3 folds)`."""
    parts = {
        "sample": info.data.sample,
        info.protocol: not info.is_honest,
        f"split {info.split_rule}": info.split_rule != "official",
        f"{info.split.folds} folds": info.split.folds,
    }
    remarks = ", ".join(part for part, is_so in parts.items() if is_so)
    return f"{info.data.dataset or '?'}{f' ({remarks})' if remarks else ''}"
