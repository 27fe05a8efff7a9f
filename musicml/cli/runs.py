"""`musicml runs`: list the runs with their main figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError

if TYPE_CHECKING:
    from musicml.experiment import Run


def add_command(commands: Any) -> None:
    """Add `musicml runs` to the command line."""
    options.add_parser(
        commands,
        "runs",
        lambda args: print_runs(args.runs, args.json),
        "list the runs",
        "List every run with its main figure.",
        "musicml runs",
    )


def print_runs(runs_root: Path, as_json: bool) -> int:
    """Print the runs; a damaged one is listed as such."""
    from musicml.experiment import list_runs

    rows, lines = [], [("run", "data", "status", "main figure (95 % interval)")]
    for run in list_runs(runs_root):
        facts = run.facts()
        status, report = _read_report(run)
        sample = facts.get("data", {}).get("sample")
        row = {"run": str(run.path), "experiment": facts.get("experiment"), "status": status, "sample": sample}
        rows.append(row | (output.summarize_report(run.path, report) if report else {}))
        lines.append((run.name, _describe_data(facts), status, output.format_main_metric(report) if report else "-"))
    if as_json:
        output.print_json({"runs": rows})
    elif not rows:
        print(f"no runs in {runs_root}: `musicml train genre_gru` makes one")
    else:
        output.print_table(lines)
        if any(row["sample"] for row in rows):
            print(output.SAMPLE_NOTE)
    return 0


def _read_report(run: Run) -> tuple[str, dict[str, Any] | None]:
    """Return a run's status, and its report where it has one that can be read."""
    try:
        return run.status, run.read("report.json") if run.is_whole else None
    except InputError:
        return "damaged", None


def _describe_data(facts: dict[str, Any]) -> str:
    """Return a run's data set, and what is not usual of it: `gtzan (sample, as published, 3 folds)`."""
    data, split = facts.get("data", {}), facts.get("split", {})
    kind = facts.get("settings", {}).get("data", {}).get("split", "official")
    parts = [
        "sample" if data.get("sample") else "",
        facts.get("protocol", "honest").replace("honest", ""),
        "" if kind == "official" else f"split {kind}",
        f"{split['folds']} folds" if split.get("folds") else "",
    ]
    remarks = ", ".join(part for part in parts if part)
    return f"{data.get('dataset', '?')}{f' ({remarks})' if remarks else ''}"
