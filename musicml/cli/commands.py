"""What each command does with what was asked; each returns its exit code."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicml.cli import output
from musicml.utils import InputError, print_message, suppress_stderr


def fetch(asked: argparse.Namespace) -> int:
    """Bring real data sets, or write sample data; 1 where some of it could not be had, 2 where nothing could."""
    if asked.sample:
        return fetch_sample(asked)
    from musicml.data.download import SOURCES, check_request, download_dataset

    names = list(dict.fromkeys(asked.names)) or list(SOURCES)
    check_request(names, asked.given, asked.lists)
    made = []
    for name in names:
        try:
            lists = asked.lists if name == "gtzan" else None
            made.append(download_dataset(name, asked.data_root, asked.given, lists, asked.keep_archive, print_message))
        except InputError as error:
            if len(names) == 1:
                raise
            print_message(f"musicml: {error}")
    for one in made:
        if one.lacks:
            print_message(f"musicml: {one.lacks}")
    if asked.json:
        output.show({"folders": [str(one.folder) for one in made], "sets": [one.as_table() for one in made]})
    return 2 if not made else 1 if len(made) < len(names) or any(one.lacks for one in made) else 0


def fetch_sample(asked: argparse.Namespace) -> int:
    """Write sample data."""
    from musicml.data import generate_sample_data

    if asked.given is not None or asked.lists is not None:
        raise InputError("--sample makes its data itself: leave out --from and --lists.")
    begun = time.perf_counter()
    made = generate_sample_data(
        asked.data_root / "sample", asked.seed, asked.names or None, asked.scale, say=print_message
    )
    print_message(f"sample data in {asked.data_root / 'sample'} after {time.perf_counter() - begun:.0f} s")
    if asked.json:
        output.show({"folders": [str(folder) for folder in made]})
    return 0


def evaluate(asked: argparse.Namespace) -> int:
    """Print a run's figures."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import open_run

    run = open_run(asked.run, asked.runs)
    report = evaluate_run(run, asked.on, asked.data_root)
    if asked.json:
        output.show(output.summary(run.path, report))
    else:
        output.print_report(run.path, report)
    return 0


def predict(asked: argparse.Namespace) -> int:
    """Ask a run about files."""
    from musicml.experiment import open_run
    from musicml.inference import Predictor

    run = open_run(asked.run, asked.runs)
    predictor = Predictor(run, asked.engine)
    output.check_targets(asked.csv, asked.explain)
    sample = run.info.data.sample
    answers: list[dict[str, Any]] = []
    for file, answer in answers_of(predictor, output.files_of(asked.files, predictor.serving.kind)):
        table = (
            {"file": file, "error": str(answer)} if isinstance(answer, InputError) else answer.as_table(asked.over_time)
        )
        if asked.explain and not isinstance(answer, InputError):
            table |= explained(predictor, file, asked.explain, answers)
        answers.append(table)
        if "error" in table:
            print_message(f"musicml: {table['error']}")
        if "label" in table and not asked.json:
            output.print_answer(table, asked.top)
    if asked.csv:
        output.write_answers(asked.csv, answers, predictor.class_names, asked.over_time, sample)
    if asked.json:
        output.show({"run": str(run.path), "sample": sample, "predictions": answers})
    elif sample and any("label" in answer for answer in answers):
        print("This run was trained on generated sample data: its answers say nothing about real music.")
    failed = sum("error" in answer for answer in answers)
    return 0 if not failed else 2 if failed == len(answers) else 1


def answers_of(predictor: Any, files: list[str]) -> Iterator[tuple[str, Any]]:
    """Each file with its prediction, or with what is wrong with it; several are asked about in one pass."""
    answers = predictor.predict_all(files)
    for file in files:
        with suppress_stderr():  # libmpg123 writes to the terminal about damaged mp3; the warnings say it in words
            answer = next(answers)
        yield file, answer


def explained(predictor: Any, file: str, folder: Path, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Write where the run looked in one file; numbered, since two files of different folders may share a name.

    Returns what it is, under `explanation`; or why there is none, under `error`.
    """
    from musicml.inference import explain_prediction, save_explanation

    stem = f"{len(answers) + 1:03d}-{output.plain(Path(file).stem)}"
    try:
        with suppress_stderr():
            explanation = explain_prediction(predictor, file)
    except InputError as error:
        return {"error": str(error)}
    return {"explanation": {**save_explanation(explanation, folder, stem), "folder": str(folder)}}


def export(asked: argparse.Namespace) -> int:
    """Write a run's model for use elsewhere."""
    from musicml.experiment import open_run
    from musicml.inference import export_run

    run = open_run(asked.run, asked.runs)
    to = asked.to or Path("exports") / f"{run.name}-{asked.format}"
    said = export_run(run, asked.format, to)
    if asked.json:
        output.show({"run": str(run.path), "format": asked.format, "folder": str(to), "check": said.splitlines()})
    else:
        print(f"{to}: {said.replace(chr(10), '; ')}")
    return 0


def list_runs(asked: argparse.Namespace) -> int:
    """List the runs; a damaged one is listed as such."""
    from musicml.experiment import RunInfo, list_runs

    rows, lines = [], [("run", "data", "status", "main figure (95 % interval)")]
    for run in list_runs(asked.runs):
        info, status, report = RunInfo(), "damaged", None
        with contextlib.suppress(InputError):
            info = run.info
            report = run.report.table if run.is_whole else None
            status = run.status
        common = {"run": str(run.path), "experiment": info.experiment, "status": status, "sample": info.data.sample}
        rows.append({**common, **(output.summary(run.path, report) if report else {})})
        shown = output.taken_as(info)
        lines.append((run.name, shown, status, output.headline(report) if report else "-"))
    if asked.json:
        output.show({"runs": rows})
    elif not rows:
        print(f"no runs in {asked.runs}: `musicml train genre_gru` makes one")
    else:
        output.print_table(lines)
        if any(row["sample"] for row in rows):
            print(output.SAMPLE_NOTE)
    return 0


def doctor(asked: argparse.Namespace) -> int:
    """Check this machine; 1 where something will not work."""
    from musicml.experiment import check_environment

    findings = check_environment(asked.data_root, asked.runs)
    if asked.json:
        output.show({"findings": [vars(finding) for finding in findings]})
    else:
        output.print_table([(finding.state, finding.what, finding.words) for finding in findings])
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def audit(asked: argparse.Namespace) -> int:
    """Look for what is wrong with a data set; 0 whatever is found."""
    from musicml.cli import audit as audited
    from musicml.data.audit import audit_and_save, get_audit_path
    from musicml.data.datasets import load_dataset

    if (asked.dataset is None) == (asked.folder is None):
        raise InputError("audit needs either a data set or --folder DIR: `musicml audit --help` shows how.")
    if asked.html is not None:
        from musicml.data.audit import check_html_path, write_audit_html

        check_html_path(asked.html)  # before minutes of work
    dataset = load_dataset(asked.dataset, asked.data_root, asked.data, asked.folder, asked.as_published)
    found = audit_and_save(dataset, asked.data_root, print_message)
    if asked.html is not None:
        write_audit_html(found, dataset, asked.html)
    if asked.json:
        output.show({**found.as_table(), "file": str(get_audit_path(asked.data_root, dataset))})
    else:
        audited.show(found)
        print(f"kept in {asked.html or get_audit_path(asked.data_root, dataset)}")
    return 0
