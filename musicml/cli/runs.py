"""`musicml runs`: list the runs with their main figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError

if TYPE_CHECKING:
    from musicml.experiment import Run, RunInfo


def add_command(commands: Any) -> None:
    """Add `musicml runs` to the command line."""
    parser = options.add_parser(
        commands,
        "runs",
        lambda args: trust(args.trust, args.runs) if args.trust else print_runs(args.runs, args.json),
        "list the runs",
        "List every run with its main figure.",
        "musicml runs",
    )
    parser.add_argument("--trust", metavar="RUN", help="sign a run of someone you know, so that it is opened as yours")


def trust(name: str, runs_root: Path) -> int:
    """Sign a run that someone else made, and say what that means."""
    from musicml.experiment import open_run
    from musicml.inference import trust_run

    print(trust_run(open_run(name, runs_root)))
    return 0


def print_runs(runs_root: Path, as_json: bool) -> int:
    """Print the runs; a damaged one is listed as such."""
    from musicml.experiment import list_runs

    rows, lines = [], [("run", "data", "status", "main figure (95 % interval)")]
    for run in list_runs(runs_root):
        info, status, report = _read(run)
        row = {
            "run": str(run.path),
            "experiment": info.experiment,
            "status": status,
            "sample": info.data.sample,
        }
        rows.append(row | (output.summarize_report(run.path, report) if report else {}))
        lines.append((run.name, _describe_data(info), status, output.format_main_metric(report) if report else "-"))
    if as_json:
        output.print_json({"runs": rows})
    elif not rows:
        print(f"no runs in {runs_root}: `musicml train genre_gru` makes one")
    else:
        output.print_table(lines)
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
