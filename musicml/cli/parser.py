"""The commands and their options, with help that teaches."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from musicml import __version__
from musicml.cli import cache, commands, compare, ensemble, leak, replay, report, train, tune


def parser() -> argparse.ArgumentParser:
    """The commands and their options, with help that teaches."""
    top = argparse.ArgumentParser(
        prog="musicml",
        description="Train, judge and try out music classifiers; results go to standard output, progress elsewhere.",
        epilog=(
            "A first walk: `musicml fetch --sample` makes data, `musicml train genre_gru` trains a run on it, "
            "`musicml runs` lists it, `musicml predict RUN song.mp3` asks it."
        ),
    )
    top.add_argument("--version", action="version", version=f"musicml {__version__}")
    added = top.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        add_fetch,
        add_train,
        add_train_all,
        add_evaluate,
        add_predict,
        add_export,
        add_audit,
        add_leak,
        add_replay,
        add_tune,
        add_ensemble,
        add_compare,
        add_report,
        add_runs,
        add_cache,
        add_doctor,
    ):
        add(added)
    return top


def command(added: Any, name: str, do: Any, short: str, long: str, example: str) -> argparse.ArgumentParser:
    """One command with what every command has: where data and runs are, and `--json`."""
    made = added.add_parser(name, help=short, description=long, epilog=f"Example: {example}")
    for option, variable, folder in (("--data-root", "MUSICML_DATA", "data"), ("--runs", "MUSICML_RUNS", "runs")):
        default = Path(os.environ.get(variable) or folder)
        made.add_argument(
            option,
            type=Path,
            default=default,
            metavar="DIR",
            help=f"the folder of {folder} (default: {variable}, or {folder})",
        )
    made.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    made.set_defaults(do=do)
    return made


def add_fetch(added: Any) -> None:
    """`musicml fetch`."""
    made = command(
        added,
        "fetch",
        commands.fetch,
        "fetch real data, or make sample data",
        (
            "Bring the real data sets into data: gtzan, instrument_images and instrument_sounds from Kaggle, openmic "
            "from Zenodo. One that is there stays; a fetch that was stopped goes on. Kaggle gives them to anybody as a "
            "rule; where it asks who it is, a token is taken from KAGGLE_API_TOKEN, ~/.kaggle/access_token or "
            "kaggle.json. With --sample, generated stand-ins in the same layouts are written into data/sample: they "
            "need no account and no network, and figures from them say nothing about real music."
        ),
        "musicml fetch gtzan openmic",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all four)")
    made.add_argument(
        "--from",
        type=Path,
        metavar="PATH",
        dest="given",
        help="take the data set from this archive or folder, which stays as it is, and not from the network",
    )
    made.add_argument("--lists", type=Path, metavar="DIR", help="take GTZAN's four public lists from this folder")
    made.add_argument("--keep-archive", action="store_true", help="leave the archive in data/.archives")
    made.add_argument("--sample", action="store_true", help="generate sample data")
    made.add_argument("--seed", type=int, default=0, help="of the sample data: another makes other data (default: 0)")
    made.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="of the sample data: share of the files to write, for a quick try (default: 1)",
    )


def add_which(made: argparse.ArgumentParser) -> None:
    """Which of a data set's folders is read."""
    made.add_argument(
        "--data",
        choices=("auto", "real", "sample"),
        default="auto",
        help="which data to take (default: the real, where it is there, else the sample)",
    )


def add_changes(made: argparse.ArgumentParser, example: str) -> None:
    """Changes of an experiment's keys, for one command."""
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help=f"change a key of the experiment, such as {example}; may be given often",
    )


def add_training_options(made: argparse.ArgumentParser) -> None:
    """What `train` and `train-all` share."""
    add_which(made)
    made.add_argument("--seed", type=natural, default=None, help="of the split, the weights and the order (default: 0)")
    made.add_argument("--deterministic", action="store_true", help="make two trainings equal to the bit, on a CPU")
    add_changes(made, "training.epochs=3")


def add_train(added: Any) -> None:
    """`musicml train`."""
    made = command(
        added,
        "train",
        train.train,
        "train an experiment, then evaluate it",
        (
            "Train one experiment and score it on its test side. Everything goes into a new folder below runs. "
            "A training that was stopped goes on with --resume."
        ),
        "musicml train experiments/genre_gru.toml --set training.epochs=5",
    )
    made.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    made.add_argument(
        "--folder", type=Path, metavar="DIR", help="train on this folder of class folders, pictures or sound"
    )
    made.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or killed")
    add_training_options(made)


def add_train_all(added: Any) -> None:
    """`musicml train-all`."""
    made = command(
        added,
        "train-all",
        train.train_all,
        "train every experiment, then compare",
        (
            "Train and evaluate every experiment of a folder. "
            "One that fails is named and the others go on; the exit code is then 1."
        ),
        "musicml train-all --data sample",
    )
    made.add_argument(
        "--experiments", type=Path, metavar="DIR", help="(default: experiments, or those that musicml comes with)"
    )
    made.add_argument(
        "--jobs",
        type=positive,
        default=None,
        metavar="N",
        help="experiments at once (default: 2 with --data sample, whose networks are small, else 1)",
    )
    add_training_options(made)


def add_evaluate(added: Any) -> None:
    """`musicml evaluate`."""
    made = command(
        added,
        "evaluate",
        commands.evaluate,
        "score a run",
        (
            "Print a run's figures on its test side, or on another labelled folder with --on; class folders there that "
            "the run was not trained on are named and left out, and so are files that it was trained on."
        ),
        "musicml evaluate RUN --on my_recordings",
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its name in runs/")
    made.add_argument("--on", type=Path, metavar="FOLDER", help="a folder of class folders")
    made.set_defaults(data_root=None)  # where the run found its data, unless told otherwise


def add_predict(added: Any) -> None:
    """`musicml predict`."""
    made = command(
        added,
        "predict",
        commands.predict,
        "ask a run about files",
        (
            "Print the classes that a run gives files the highest probability of. A folder is taken as its files. A "
            "file that can't be read is reported and the others go on; the exit code is then 1, or 2 if no file could "
            "be read."
        ),
        "musicml predict RUN song.mp3 --over-time --explain why",
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its name in runs/")
    made.add_argument("files", nargs="+", metavar="FILE", help="sound or picture files, or folders of them")
    made.add_argument("--over-time", action="store_true", help="tell each clip's probabilities too")
    made.add_argument(
        "--explain",
        type=Path,
        metavar="DIR",
        help="write into DIR where the run looked: a picture a file, of a sound the seconds that decided too",
    )
    made.add_argument("--csv", type=Path, metavar="F", help="write the answers to F as a table as well")
    made.add_argument("--top", type=int, default=3, help="how many classes to print (default: 3)")
    made.add_argument(
        "--engine",
        choices=("auto", "onnx", "keras"),
        default="auto",
        help="(default: the exported model, if there is one)",
    )


def add_export(added: Any) -> None:
    """`musicml export`."""
    made = command(
        added,
        "export",
        commands.export,
        "write a run's model for use elsewhere",
        (
            "Write a run's model into a new folder, with what has to stand before it in words (README.md) and a check "
            "that it answers as the run does (check.py), which is run at once. A forest is exported as onnx only."
        ),
        "musicml export RUN --format litert",
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its name in runs/")
    made.add_argument(
        "--format",
        choices=("onnx", "litert", "saved_model"),
        default="onnx",
        help="for ONNX Runtime, for phones (LiteRT, once TensorFlow Lite), or for TensorFlow (default: onnx)",
    )
    made.add_argument("--to", type=Path, metavar="DIR", help="a new folder (default: exports/RUN-FORMAT)")


def add_audit(added: Any) -> None:
    """`musicml audit`."""
    made = command(
        added,
        "audit",
        commands.audit,
        "find what is wrong with a data set",
        (
            "Read every file of a data set once and tell what is wrong with the files, the labels, the groups and the "
            "sides, which files are the same or nearly, and what each of that does to a figure. What files show is "
            "kept, so that the next audit reads only what is new. The exit code is 0 whatever is found."
        ),
        "musicml audit --folder my_recordings --html audit.html",
    )
    made.add_argument("dataset", nargs="?", metavar="DATASET", help="such as gtzan")
    made.add_argument("--folder", type=Path, metavar="DIR", help="audit this folder of class folders")
    made.add_argument("--as-published", action="store_true", help="take the data set with its faults")
    add_which(made)
    made.add_argument("--html", type=Path, metavar="FILE", help="write a page to show as well, with the pairs on it")


def add_leak(added: Any) -> None:
    """`musicml leak`."""
    made = command(
        added,
        "leak",
        leak.leak,
        "measure what a leaky split flatters",
        (
            "Train one recipe on random pieces of tracks, on whole tracks and on whole artists, each as a "
            "cross-validation, and print the three accuracies side by side: what lies between them is what a figure "
            "gains where a track, or its artist, stands on both sides."
        ),
        "musicml leak genre_gru --set clips.seconds=1",
    )
    made.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    made.add_argument("--folder", type=Path, metavar="DIR", help="on this folder of class folders, with a groups.csv")
    add_which(made)
    made.add_argument("--seeds", type=int, choices=range(1, 21), default=3, metavar="N", help="how many (default: 3)")
    made.add_argument("--folds", type=int, choices=range(2, 21), default=3, metavar="K", help="how many (default: 3)")
    add_changes(made, "clips.seconds=1")


def add_replay(added: Any) -> None:
    """`musicml replay`."""
    made = command(
        added,
        "replay",
        replay.replay,
        "replay published results, beside honest ones",
        (
            "Obtain each published result again as it was published, with its fault, and then honestly with the same "
            "model, and print published, replayed and honest figures side by side, with what is wrong below. Runs that "
            "are there already are taken as they are. One replay that fails is named and the others go on; the exit "
            "code is then 1."
        ),
        "musicml replay gtzan_gru --data sample",
    )
    made.add_argument(
        "names", nargs="*", metavar="NAME", help="names in experiments/as_published/, or files (default: all of them)"
    )
    add_which(made)
    made.add_argument(
        "--seed", type=natural, default=None, help="of the splits, the weights and the order (default: 0)"
    )


def add_tune(added: Any) -> None:
    """`musicml tune`."""
    made = command(
        added,
        "tune",
        tune.tune,
        "search an experiment's options on validation",
        (
            "Try options that the experiment's [tune] table names and print the best, judged on validation alone; the "
            "test side is never read. A search that was stopped or killed goes on with the same command."
        ),
        "musicml tune genre_cnn --trials 20",
    )
    made.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file with [tune], or its name in experiments/")
    made.add_argument("--trials", type=positive, default=20, metavar="N", help="how many in all (default: 20)")
    made.add_argument("--no-prune", action="store_false", dest="prune", help="train also what falls behind to its end")
    made.add_argument("--folder", type=Path, metavar="DIR", help="on this folder of class folders, pictures or sound")
    add_which(made)
    made.add_argument("--seed", type=natural, default=None, help="of the split, the weights and the draw (default: 0)")
    add_changes(made, "training.epochs=3")


def add_ensemble(added: Any) -> None:
    """`musicml ensemble`."""
    made = command(
        added,
        "ensemble",
        ensemble.ensemble,
        "score several runs as one",
        (
            "Average what several runs answer, in log-probability, and score that: on the examples that all were "
            "tested on, or with --on on a folder that none has seen, where each fold of a cross-validation has a "
            "voice. What one of them has learnt from is never scored."
        ),
        "musicml ensemble RUN RUN RUN",
    )
    made.add_argument("members", nargs="+", metavar="RUN", help="run folders, or their names in runs/")
    made.add_argument("--on", type=Path, metavar="DIR", help="a folder of class folders, in place of the test examples")


def add_compare(added: Any) -> None:
    """`musicml compare`."""
    made = command(
        added,
        "compare",
        compare.compare,
        "tell whether runs really differ",
        (
            "Hold runs against each other on the same test examples: an exact McNemar test for one class each, a "
            "paired bootstrap over groups for several at once, corrected for the number of pairs (Holm), in plain "
            "words. Of several seeds of one experiment, the mean and its spread. Runs whose test examples differ are "
            "refused."
        ),
        "musicml compare RUN RUN",
    )
    made.add_argument("members", nargs="+", metavar="RUN", help="run folders, or their names in runs/")


def add_report(added: Any) -> None:
    """`musicml report`."""
    made = command(
        added,
        "report",
        report.report,
        "write up runs: HTML, Markdown, LaTeX or PDF",
        (
            "Write what a student hands in about one run or several: data, split, model, settings, curves, figures "
            "with intervals, what is published beside them, how to repeat it, whom to cite. Each caption names the "
            "files of the run folder that it comes from. The figures as SVG and PDF and the tables as CSV and LaTeX "
            "go into a folder beside the report. A report that is there is replaced, any other file is not."
        ),
        "musicml report RUN RUN --to report.pdf --lang id",
    )
    made.add_argument("members", nargs="+", metavar="RUN", help="run folders, or their names in runs/")
    made.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="its ending says how: .html, .md, .tex or .pdf"
    )
    made.add_argument("--lang", choices=("en", "id"), default="en", help="English or Bahasa Indonesia (default: en)")
    made.add_argument(
        "--card", action="store_true", help="write a model card in Hugging Face's form instead: --to card.md"
    )
    made.set_defaults(data_root=None)  # where the runs found their data, unless told otherwise


def add_runs(added: Any) -> None:
    """`musicml runs`."""
    command(added, "runs", commands.list_runs, "list the runs", "List every run with its main figure.", "musicml runs")


def add_cache(added: Any) -> None:
    """`musicml cache`."""
    made = command(
        added,
        "cache",
        cache.cache,
        "show or clear what was computed once",
        (
            "Features, and what frozen backbones make of them, are computed once and kept below the data. Show how "
            "much is there, or remove it all: runs stay whole, and what is needed again is computed again."
        ),
        "musicml cache --clear",
    )
    asked = made.add_mutually_exclusive_group()
    asked.add_argument("--size", action="store_true", help="show it (the default)")
    asked.add_argument("--clear", action="store_true", help="remove it")


def add_doctor(added: Any) -> None:
    """`musicml doctor`."""
    command(
        added,
        "doctor",
        commands.doctor,
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
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {2**32 - 1}, and is {value}")
    return value


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    if natural(text) == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)
