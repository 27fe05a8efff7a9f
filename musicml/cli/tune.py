"""`musicml tune`: search for the best options of an experiment.

Try values of the options in the experiment's [tune] table and print the best. They are chosen by validation data alone,
and the test split is never read. The same command continues an interrupted search.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.training.tuning import SearchResult

MAX_TRIALS_SHOWN = 5
SAMPLE_NOTE = "This is synthetic sample data. The best options for it may not be the best for real music."


def add_command(commands: Any) -> None:
    """Add `musicml tune` to the command line."""
    parser = options.add_documented_parser(commands, tune, __doc__, "musicml tune my_cnn.toml --trials 20")
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file with [tune], or its name in experiments/")
    text = "number of trials, including those of an interrupted search (default: 20)"
    parser.add_argument("--trials", type=options.parse_positive, default=20, metavar="N", help=text)
    text = "train every trial to its end, also those that fall behind"
    parser.add_argument("--no-prune", action="store_false", dest="prune", help=text)
    text = "train on this folder, with one folder of pictures or sounds per class"
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)
    options.add_data_option(parser)
    options.add_seed_option(parser, "the split, the weights and the choice of options")
    options.add_set_option(parser, "training.epochs=3")
    options.add_cluster_option(parser)


def tune(args: argparse.Namespace) -> int:
    """Search for the best options of an experiment and print the best trials."""
    from musicml.experiment import find_experiment, parse_changes, read_experiment
    from musicml.training.tuning import search_options

    experiment = read_experiment(find_experiment(args.experiment), parse_changes(args.changes), sample=None)
    origin = (args.data_root, args.runs, args.data, args.folder, args.seed or 0)
    result = search_options(experiment, *origin, args.trials, args.prune)
    command = format_train_command(args, {**experiment.overrides, **result.best_first[0].options})
    if args.json:
        output.print_json({**result.to_dict(), "command": command, "file": str(result.folder / "best.json")})
    else:
        print_result(result, command)
    return 0


def print_result(result: SearchResult, command: str) -> None:
    """Print the best trials, warnings about them, and the command that trains the best options again."""
    from musicml.training.tuning import SEARCH_NOTE

    data = f"{result.dataset}{', sample data' if result.sample else ''}"
    pruned = sum(trial.pruned for trial in result.trials)
    failed = sum(bool(trial.why) for trial in result.trials)
    counts = f"{pruned} pruned" + (f", {failed} failed" if failed else "")
    print(
        f"{result.experiment} on {data}: {len(result.trials)} trials, {counts}; best by {result.figure} on validation"
    )
    lines = [("trial", result.figure, *result.best_first[0].options)]
    for trial in result.best_first[:MAX_TRIALS_SHOWN]:
        lines.append((str(trial.number), f"{trial.value:.4f}", *map(json.dumps, trial.options.values())))
    output.print_table(lines)
    for edge in result.edges:  # best values at the edge of their range, which may lie outside of it
        print(edge)
    print(SEARCH_NOTE)
    print(f"saved in {result.folder / 'best.json'}; train with the best options by\n{command}")
    if result.sample:
        print(SAMPLE_NOTE)


def format_train_command(args: argparse.Namespace, settings: dict[str, Any]) -> str:
    """Return the `musicml train` command for `settings`, with the same data and seed as the search."""
    pairs = [("--folder", args.folder), ("--data", None if args.data == "auto" else args.data), ("--seed", args.seed)]
    for option, root in (("--data-root", args.data_root), ("--runs", args.runs)):
        pairs.append((option, None if root == options.get_default_folder(option) else root))
    pairs += [("--set", f"{key}={format_value(value)}") for key, value in settings.items()]
    # options with their default value are left out, to keep the command short
    words = [str(word) for option, value in pairs if value for word in (option, value)]
    return shlex.join(["musicml", "train", args.experiment, *words])


def format_value(value: Any) -> str:
    """Format a value for `--set`. Text is quoted only if TOML would read it as another type, such as "3"."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value  # not valid TOML, so --set takes it as text
    return json.dumps(value)
