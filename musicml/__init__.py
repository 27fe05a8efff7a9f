"""musicml: train, evaluate and try out music classifiers.

An experiment file becomes a run folder, and everything else reads run folders. This is all that a notebook needs:

>>> import musicml
>>> run = musicml.load_run("openmic_forest")
>>> run.report.main_metric
'mean_average_precision'
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from musicml.utils import export_lazily

if TYPE_CHECKING:
    import pandas

    from musicml.data.audit import Audit
    from musicml.data.datasets import Dataset
    from musicml.evaluation import Comparison
    from musicml.experiment import Experiment, Report, Run
    from musicml.inference import Predictor
    from musicml.utils import InputError

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "data.datasets": ["Dataset"],
        "experiment": ["Experiment", "Run"],
        "inference": ["Predictor"],
        "utils": ["InputError"],
    },
    defined=[
        "audit",
        "compare",
        "evaluate",
        "list_runs",
        "load_dataset",
        "load_experiment",
        "load_run",
        "report",
        "train",
    ],
)


def load_experiment(name: str | Path, changes: Mapping[str, Any] | None = None) -> Experiment:
    """Load an experiment file and check every key of it.

    Parameters
    ----------
    name : str or Path
        A TOML file, or the name of one in `./experiments` or of one that comes with musicml.
    changes : mapping, optional
        Dotted keys with the values that they have instead, such as `{"training.epochs": 5}`.

    Returns
    -------
    Experiment

    Raises
    ------
    InputError
        If there is no such file, or a key or a value in it is not allowed.

    Examples
    --------
    >>> musicml.load_experiment("genre_gru", {"training.epochs": 5}).training.epochs
    5
    """
    from musicml.experiment import find_experiment, read_experiment

    return read_experiment(find_experiment(name), changes, sample=None)


def load_dataset(
    name: str | Path, *, data: Literal["auto", "real", "sample"] = "auto", data_root: str | Path | None = None
) -> Dataset:
    """Load a data set from disk; nothing is downloaded.

    Parameters
    ----------
    name : str or Path
        `gtzan`, `instrument_images`, `instrument_sounds` or `openmic`, or your own folder of class folders.
    data : {"auto", "real", "sample"}
        Which data to load; "auto" takes the real data where it is, and the generated sample data elsewhere.
    data_root : str or Path, optional
        The folder of the data sets. By default the variable `MUSICML_DATA`, or `data`.

    Returns
    -------
    Dataset
        Its `examples`, and a data frame of them as `table`.

    Raises
    ------
    InputError
        If the data set is not on the disk.

    Examples
    --------
    >>> gtzan = musicml.load_dataset("gtzan")
    >>> gtzan.class_names[:3]
    ('blues', 'classical', 'country')
    >>> list(gtzan.table.columns)
    ['example', 'group', 'split', 'label']
    """
    from musicml.data import datasets

    if str(name) not in datasets.DATASET_NAMES and Path(name).is_dir():
        return datasets.load_folder(Path(name))
    return datasets.load_dataset(str(name), _get_data_root(data_root), data)


def train(
    experiment: str | Path | Experiment,
    *,
    changes: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    data: Literal["auto", "real", "sample"] = "auto",
    seed: int = 0,
    deterministic: bool = False,
    data_root: str | Path | None = None,
    runs_root: str | Path | None = None,
) -> Run:
    """Train an experiment and evaluate it on its test split.

    Parameters
    ----------
    experiment : str, Path or Experiment
        As `load_experiment` takes it, or what it returned.
    changes : mapping, optional
        As `load_experiment` takes them; not together with an `Experiment`.
    folder : str or Path, optional
        Your own folder of class folders, in place of the experiment's data set.
    data : {"auto", "real", "sample"}, as `load_dataset` takes it
    seed : int
        Of the split, the weights and the order of batches.
    deterministic : bool
        Whether two trainings give the same weights to the bit, on a CPU.
    data_root, runs_root : str or Path, optional
        The folders of data and of runs. By default `MUSICML_DATA` or `data`, and `MUSICML_RUNS` or `runs`.

    Returns
    -------
    Run
        Its `report`, `history` and `predictions`.

    Raises
    ------
    InputError
        If the experiment or the data cannot be used.

    Examples
    --------
    >>> run = musicml.train("openmic_forest", changes={"model.n_estimators": 5})
    >>> run.report.sample, run.report.split
    (True, 'test')
    """
    from musicml.evaluation import evaluate_run
    from musicml.experiment import remember_folders
    from musicml.training import train_experiment
    from musicml.utils import InputError, show_messages

    show_messages()
    if isinstance(experiment, str | Path):
        experiment = load_experiment(experiment, changes)
    elif changes:
        raise InputError("changes must go with the name of an experiment: give load_experiment the changes instead.")
    remember_folders(folder, _get_data_root(data_root))
    run = train_experiment(
        experiment,
        _get_data_root(data_root),
        _get_runs_root(runs_root),
        data,
        Path(folder) if folder else None,
        seed,
        deterministic,
    )
    evaluate_run(run)
    return run


def list_runs(runs_root: str | Path | None = None) -> pandas.DataFrame:
    """List the runs, the oldest first.

    Parameters
    ----------
    runs_root : str or Path, optional
        The folder of runs. By default `MUSICML_RUNS` or `runs`.

    Returns
    -------
    pandas.DataFrame
        A row a run: name, experiment, data set, seed, status, and its main metric where it is complete.

    Raises
    ------
    InputError
        If pandas is not installed.

    Examples
    --------
    >>> runs = musicml.list_runs()
    >>> "openmic_forest" in set(runs["experiment"])
    True
    """
    from musicml import experiment
    from musicml.utils import make_data_frame

    columns = ["run", "experiment", "dataset", "sample", "seed", "status", "metric", "value"]
    return make_data_frame(map(experiment.describe_run, experiment.list_runs(_get_runs_root(runs_root))), columns)


def load_run(name: str | Path, *, runs_root: str | Path | None = None) -> Run:
    """Load a run.

    Parameters
    ----------
    name : str or Path
        A run folder, its name, or the name of an experiment: the latest complete run of it is loaded.
    runs_root : str or Path, optional
        The folder of runs. By default the variable `MUSICML_RUNS`, or `runs`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If there is no such run.

    Examples
    --------
    >>> run = musicml.load_run("genre_gru")
    >>> run.info.task
    'single'
    >>> run.history[["epoch", "val_loss"]].shape
    (1, 2)
    """
    from musicml import experiment

    return experiment.open_run(name, _get_runs_root(runs_root))


def evaluate(run: Run | str | Path, on: str | Path | None = None) -> Report:
    """Evaluate a run on its test split, or on another labelled folder.

    Parameters
    ----------
    run : Run, str or Path
        A run, or what `load_run` takes.
    on : str or Path, optional
        A folder of class folders. Files that the run was trained on are left out, and so are classes that it lacks.

    Returns
    -------
    Report
        Its `metrics` with their 95 % `intervals`, and a data frame of the classes as `class_table`.

    Raises
    ------
    InputError
        If the run is not trained, or the folder shares no class with it.

    Examples
    --------
    >>> report = musicml.evaluate("openmic_forest")
    >>> low, high = report.get_interval("mean_average_precision")
    >>> low <= report.main <= high
    True
    """
    from musicml.evaluation import evaluate_run
    from musicml.experiment import Report, parse_record
    from musicml.utils import show_messages

    show_messages()
    run = _get_run(run)
    return parse_record(Report, evaluate_run(run, Path(on) if on else None), "report.json", run.name)


def compare(*runs: Run | str | Path) -> Comparison:
    """Compare runs on the test examples that all of them were evaluated on, with paired tests.

    Parameters
    ----------
    runs : Run, str or Path
        Two or more runs, or what `load_run` takes.

    Returns
    -------
    Comparison
        Data frames of the runs as `table`, and of each pair of them as `pair_table`.

    Raises
    ------
    InputError
        If there are fewer than two runs, or they were not evaluated on the same examples.

    Examples
    --------
    >>> a, b = musicml.list_runs().query("experiment == 'openmic_forest'")["run"][:2]
    >>> comparison = musicml.compare(a, b)
    >>> len(comparison.table), len(comparison.pair_table)
    (2, 1)
    """
    from musicml.evaluation import compare_runs

    return compare_runs([_get_run(run) for run in runs])


def audit(
    dataset: str | Path | Dataset,
    *,
    data: Literal["auto", "real", "sample"] = "auto",
    data_root: str | Path | None = None,
) -> Audit:
    """Find duplicates, contradictory labels, leaks and damaged files in a data set.

    The audit and what it measured of each file are kept in the data root, so that the next one is quick.

    Parameters
    ----------
    dataset : str, Path or Dataset
        A data set, or what `load_dataset` takes.
    data, data_root
        As `load_dataset` takes them.

    Returns
    -------
    Audit
        Its `findings`, and a data frame of them as `table`.

    Raises
    ------
    InputError
        If the data set is not on the disk.

    Examples
    --------
    >>> findings = musicml.audit("gtzan").table
    >>> "unreadable" in set(findings["kind"])
    True
    """
    from musicml.data.audit import audit_and_save
    from musicml.utils import show_messages

    show_messages()
    if isinstance(dataset, str | Path):
        dataset = load_dataset(dataset, data=data, data_root=data_root)
    return audit_and_save(dataset, _get_data_root(data_root))


def report(*runs: Run | str | Path, to: str | Path, language: Literal["en", "id"] = "en") -> list[Path]:
    """Write a report of runs with its figures and tables.

    Parameters
    ----------
    runs : Run, str or Path
        Runs, or what `load_run` takes.
    to : str or Path
        The file, which ends in `.html`, `.md`, `.tex` or `.pdf`. A report that is there is replaced, nothing else.
    language : {"en", "id"}
        English or Indonesian.

    Returns
    -------
    list of Path
        What was written, the report first.

    Raises
    ------
    InputError
        If a run is not complete, or Matplotlib or Typst is needed and not installed.

    Examples
    --------
    >>> musicml.report("openmic_forest", to="report.md")[0].name
    'report.md'
    """
    from musicml.reports import write_report

    return write_report([_get_run(run) for run in runs], Path(to), language)


def _get_run(run: Run | str | Path) -> Run:
    return load_run(run) if isinstance(run, str | Path) else run


def _get_data_root(folder: str | Path | None) -> Path:
    return Path(folder or os.environ.get("MUSICML_DATA") or "data")


def _get_runs_root(folder: str | Path | None) -> Path:
    return Path(folder or os.environ.get("MUSICML_RUNS") or "runs")
