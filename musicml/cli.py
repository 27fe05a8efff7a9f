"""The command line: one command a verb. Results go to standard output, progress to standard error."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicml import __version__, console, files
from musicml.errors import BadInput

SAMPLE_NOTE = "Figures marked * come from generated sample data and say nothing about real music."


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (some of it failed), 2 (bad input), 130 (stopped by Ctrl-C)."""
    asked = parser().parse_args(words)
    try:
        return asked.do(asked)
    except BadInput as error:
        console.say(f"musicml: {error}")
    except KeyboardInterrupt as error:
        console.say(f"\nmusicml: {str(error) or 'stopped'}.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no second complaint at exit
        return 0
    except OSError as error:
        trouble = files.disk_trouble(error, Path(error.filename or "."))
        if not isinstance(trouble, BadInput):
            raise
        console.say(f"musicml: {trouble}")
    return 2


def parser() -> argparse.ArgumentParser:
    """The commands and their options, with help that teaches."""
    top = argparse.ArgumentParser(
        prog="musicml",
        description=__doc__.splitlines()[0],
        epilog=(
            "A first walk: `musicml fetch --sample` makes data, `musicml train genre_gru` trains a run on it, "
            "`musicml runs` lists it, "
            "`musicml predict RUN song.mp3` asks it."
        ),
    )
    top.add_argument("--version", action="version", version=f"musicml {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_fetch, add_train, add_train_all, add_evaluate, add_predict, add_runs, add_doctor):
        add(commands)
    return top


def command(commands: Any, name: str, do: Any, short: str, long: str, example: str) -> argparse.ArgumentParser:
    """One command with what every command has: where data and runs are, and `--json`."""
    made = commands.add_parser(name, help=short, description=long, epilog=f"Example: {example}")
    made.add_argument(
        "--data-root", type=Path, default=Path("data"), metavar="DIR", help="where data sets are (default: data)"
    )
    made.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are (default: runs)")
    made.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    made.set_defaults(do=do)
    return made


def add_fetch(commands: Any) -> None:
    """`musicml fetch`."""
    made = command(
        commands,
        "fetch",
        fetch,
        "make sample data",
        (
            "Write generated stand-ins of the data sets, in the real archives' own layouts, into data/sample. "
            "They need no account and no network; figures from them say nothing about real music."
        ),
        "musicml fetch --sample",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all)")
    made.add_argument("--sample", action="store_true", help="generate sample data")
    made.add_argument("--seed", type=int, default=0, help="another seed makes other data (default: 0)")
    made.add_argument(
        "--scale", type=float, default=1.0, help="share of the files to write, for a quick try (default: 1)"
    )


def add_training_options(made: argparse.ArgumentParser) -> None:
    """What `train` and `train-all` share."""
    made.add_argument(
        "--data",
        choices=("auto", "real", "sample"),
        default="auto",
        help="which data to take (default: the real, where it is there, else the sample)",
    )
    made.add_argument("--seed", type=natural, default=0, help="of the split, the weights and the order (default: 0)")
    made.add_argument("--deterministic", action="store_true", help="make two trainings equal to the bit, on a CPU")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a key of the experiment, such as training.epochs=3; may be given often",
    )


def add_train(commands: Any) -> None:
    """`musicml train`."""
    made = command(
        commands,
        "train",
        train,
        "train an experiment, then evaluate it",
        (
            "Train one experiment and score it on its test side. Everything goes into a new folder below runs. A "
            "training that was stopped "
            "goes on with --resume."
        ),
        "musicml train experiments/genre_gru.toml --set training.epochs=5",
    )
    made.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    made.add_argument(
        "--folder", type=Path, metavar="DIR", help="train on this folder of class folders, pictures or sound"
    )
    made.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or killed")
    add_training_options(made)


def add_train_all(commands: Any) -> None:
    """`musicml train-all`."""
    made = command(
        commands,
        "train-all",
        train_all,
        "train every experiment, then compare",
        (
            "Train and evaluate every experiment of a folder, one after another. "
            "One that fails is named and the others go on; the exit "
            "code is then 1."
        ),
        "musicml train-all --data sample",
    )
    made.add_argument(
        "--experiments", type=Path, default=Path("experiments"), metavar="DIR", help="(default: experiments)"
    )
    add_training_options(made)


def add_evaluate(commands: Any) -> None:
    """`musicml evaluate`."""
    made = command(
        commands,
        "evaluate",
        evaluate,
        "score a run",
        (
            "Print a run's figures on its test side, or on another labelled folder with --on; class folders there that "
            "the run was not "
            "trained on are named and left out."
        ),
        "musicml evaluate RUN --on my_recordings",
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its name in runs/")
    made.add_argument("--on", type=Path, metavar="FOLDER", help="a folder of class folders")


def add_predict(commands: Any) -> None:
    """`musicml predict`."""
    made = command(
        commands,
        "predict",
        predict,
        "ask a run about files",
        (
            "Print the classes that a run gives files the highest probability of. A file that can't be read is "
            "reported and the others go "
            "on; the exit code is then 1, or 2 if no file could be read."
        ),
        "musicml predict RUN song.mp3",
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its name in runs/")
    made.add_argument("files", nargs="+", metavar="FILE", help="sound or picture files, as the run was trained on")
    made.add_argument("--top", type=int, default=3, help="how many classes to print (default: 3)")
    made.add_argument(
        "--engine",
        choices=("auto", "onnx", "keras"),
        default="auto",
        help="(default: the exported model, if there is one)",
    )


def add_runs(commands: Any) -> None:
    """`musicml runs`."""
    command(commands, "runs", list_runs, "list the runs", "List every run with its main figure.", "musicml runs")


def add_doctor(commands: Any) -> None:
    """`musicml doctor`."""
    command(
        commands,
        "doctor",
        doctor,
        "check this machine",
        (
            "Look at Python, the backend, the disk, the data sets and the runs, and say what to do about what is "
            "missing."
        ),
        "musicml doctor",
    )


def natural(text: str) -> int:
    """A whole number from 0, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, and is {value}")
    return value


def fetch(asked: argparse.Namespace) -> int:
    """Write sample data."""
    from musicml import datasets
    from musicml.datasets import sample

    if not asked.sample:
        raise BadInput(
            "fetch needs --sample: real data sets are not fetched by this version; unpack their archives into "
            f"{asked.data_root}/NAME ({', '.join(datasets.NAMES)})."
        )
    begun = time.perf_counter()
    made = sample.write(asked.data_root / "sample", asked.seed, asked.names or None, asked.scale, say=console.say)
    console.say(f"sample data in {asked.data_root / 'sample'} after {time.perf_counter() - begun:.0f} s")
    if asked.json:
        show({"folders": [str(folder) for folder in made]})
    return 0


def train(asked: argparse.Namespace) -> int:
    """Train one experiment, or go on with a run, and evaluate it."""
    from musicml import evaluate as evaluating
    from musicml import runs
    from musicml import train as training

    if (asked.experiment is None) == (asked.resume is None):
        raise BadInput("train needs either an experiment file or --resume RUN: `musicml train --help` shows how.")
    if asked.resume:
        run = training.resume(runs.open_run(asked.resume, asked.runs))
    else:
        run = trained(asked, experiment_path(asked.experiment), asked.folder)
    report = evaluating.evaluate(run)
    if asked.json:
        show(summary(run.path, report))
    else:
        print_report(run.path, report)
    return 0


def trained(asked: argparse.Namespace, path: Path, folder: Path | None) -> Any:
    """A new run of the experiment at `path`."""
    from musicml import experiment as experiments
    from musicml import train as training

    experiment = experiments.read(path, changes(asked.changes))
    console.say(f"\n{experiment.name}")
    return training.train(experiment, asked.data_root, asked.runs, asked.data, folder, asked.seed, asked.deterministic)


def experiment_path(name: str) -> Path:
    """The experiment file: as given, or by its name in experiments/."""
    by_name = Path("experiments") / f"{name}.toml"
    return (
        by_name
        if not name.endswith(".toml") and not Path(name).exists() and (by_name.exists() or "/" not in name)
        else Path(name)
    )


def changes(pairs: list[str]) -> dict[str, Any]:
    """`["training.epochs=3"]` as `{"training.epochs": 3}`; a value that is not TOML is taken as text."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise BadInput(f"--set takes TABLE.KEY=VALUE and got {pair!r}: write for example --set training.epochs=3.")
        try:
            found[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


def train_all(asked: argparse.Namespace) -> int:
    """Train and evaluate every experiment of a folder; close with one table."""
    from musicml import evaluate as evaluating

    paths = sorted(asked.experiments.glob("*.toml"))
    if not paths:
        raise BadInput(
            f"{asked.experiments} must hold experiment files (*.toml) and holds none: name theirs with --experiments."
        )
    rows = []
    for path in paths:
        begun = time.perf_counter()
        row = {"experiment": path.stem}
        try:
            run = trained(asked, path, None)
            row |= {"report": evaluating.evaluate(run), "run": str(run.path)}
        except Exception as error:  # a fault of ours, or a device out of memory, ends one experiment and not all
            row["error"] = (str(error) or type(error).__name__).splitlines()[0]
            console.say(f"{path.stem} failed: {row['error']}")
        rows.append({**row, "seconds": round(time.perf_counter() - begun, 1)})
        gc.collect()
    show_all(rows, asked.json)
    return 1 if any("error" in row for row in rows) else 0


def show_all(rows: list[dict[str, Any]], as_json: bool) -> None:
    """The table that `train-all` closes with."""
    if as_json:
        show(
            {
                "experiments": [
                    {key: value for key, value in row.items() if key != "report"}
                    | (summary(Path(row["run"]), row["report"]) if "report" in row else {})
                    for row in rows
                ]
            }
        )
        return
    lines = [("experiment", "split", "main figure (95 % interval)", "time", "run")]
    for row in rows:
        if "error" in row:
            lines.append((row["experiment"], "-", "failed", f"{row['seconds']:.0f} s", row["error"]))
        else:
            report = row["report"]
            lines.append(
                (
                    row["experiment"],
                    f"{report['split']} ({report['n']})",
                    headline(report),
                    f"{row['seconds']:.0f} s",
                    row["run"],
                )
            )
    print_table(lines)
    if any(row.get("report", {}).get("sample") for row in rows):
        print(SAMPLE_NOTE)


def evaluate(asked: argparse.Namespace) -> int:
    """Print a run's figures."""
    from musicml import evaluate as evaluating
    from musicml import runs

    run = runs.open_run(asked.run, asked.runs)
    report = evaluating.evaluate(run, asked.on)
    if asked.json:
        show(summary(run.path, report))
    else:
        print_report(run.path, report)
    return 0


def predict(asked: argparse.Namespace) -> int:
    """Ask a run about files."""
    from musicml import runs
    from musicml.predict import Predictor

    run = runs.open_run(asked.run, asked.runs)
    predictor = Predictor(run, asked.engine)
    answers: list[dict[str, Any]] = []
    for file in asked.files:
        try:
            answers.append(predictor.predict(file).as_table())
        except BadInput as error:
            answers.append({"file": file, "error": str(error)})
            console.say(f"musicml: {error}")
    if asked.json:
        show({"run": str(run.path), "sample": run.facts()["data"]["sample"], "predictions": answers})
    else:
        for answer in answers:
            print_answer(answer, asked.top)
        if run.facts()["data"]["sample"] and any("label" in answer for answer in answers):
            print("This run was trained on generated sample data: its answers say nothing about real music.")
    failed = sum("error" in answer for answer in answers)
    return 0 if not failed else 2 if failed == len(answers) else 1


def print_answer(answer: dict[str, Any], top: int) -> None:
    """One file's highest probabilities and its warnings."""
    if "error" in answer:
        return
    print(answer["file"])
    ranked = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[: max(top, 1)]
    for name, probability in ranked:
        print(f"  {probability:6.1%}  {name}")
    for warning in answer["warnings"]:
        print(f"  note: {warning}")


def list_runs(asked: argparse.Namespace) -> int:
    """List the runs."""
    from musicml import runs

    rows, lines = [], [("run", "data", "status", "main figure (95 % interval)")]
    for run in runs.list_runs(asked.runs):
        facts, report = run.facts(), run.read("report.json") if run.is_whole else None
        data = facts.get("data", {})
        rows.append(
            {
                "run": str(run.path),
                "experiment": facts.get("experiment"),
                "status": run.status,
                "sample": data.get("sample"),
                **(summary(run.path, report) if report else {}),
            }
        )
        lines.append(
            (
                run.name,
                f"{data.get('dataset', '?')}{' (sample)' if data.get('sample') else ''}",
                run.status,
                headline(report) if report else "-",
            )
        )
    if asked.json:
        show({"runs": rows})
    elif not rows:
        print(f"no runs in {asked.runs}: `musicml train genre_gru` makes one")
    else:
        print_table(lines)
        if any(row["sample"] for row in rows):
            print(SAMPLE_NOTE)
    return 0


def doctor(asked: argparse.Namespace) -> int:
    """Check this machine; 1 where something will not work."""
    from musicml import doctor as doctors

    findings = doctors.examine(asked.data_root, asked.runs)
    if asked.json:
        show({"findings": [vars(finding) for finding in findings]})
    else:
        print_table([(finding.state, finding.what, finding.words) for finding in findings])
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def summary(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """What `--json` says of a report."""
    keys = (
        "split",
        "n",
        "n_groups",
        "observed",
        "sample",
        "protocol",
        "main_metric",
        "metrics",
        "intervals",
        "left_out",
        "unreadable",
    )
    return {"run": str(path), **{key: report[key] for key in keys if key in report}}


def headline(report: dict[str, Any]) -> str:
    """The main figure, marked where it comes from sample data."""
    from musicml import report as reports

    return reports.headline(report) + ("*" if report.get("sample") else "")


def print_report(path: Path, report: dict[str, Any]) -> None:
    """A run's figures for a person: the main one, a line a class, the others."""
    print(f"{path}: {headline(report)} on {report['n']} examples in {report['n_groups']} groups ({report['split']})")
    figure = "average_precision" if report["main_metric"] == "mean_average_precision" else "auc"
    columns = ("precision", "recall", "f1", figure)
    print_table(
        [
            ("class", *(name.replace("_", " ") for name in columns), "examples"),
            *(
                (
                    row["class"],
                    *("-" if row[name] is None else f"{row[name]:.3f}" for name in columns),
                    str(row["support"]),
                )
                for row in report["per_class"]
            ),
        ]
    )
    print("  ".join(f"{name} {value:.3f}" for name, value in report["metrics"].items()))
    if report.get("sample"):
        print(SAMPLE_NOTE)


def print_table(lines: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, ensure_ascii=False, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main())
