"""musicml: train, evaluate and use music classifiers.

An experiment file becomes a run folder, and everything else reads run folders. A notebook only needs this package:

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
    """Load an experiment file and check every key and value.

    Parameters
    ----------
    name : str or Path
        A TOML file, or the name of one in `./experiments` or among those that come with musicml.
    changes : mapping, optional
        Settings to change, as dotted keys: `{"training.epochs": 5}`.

    Returns
    -------
    Experiment
        The checked settings, by table: `experiment.training.epochs`.

    Raises
    ------
    InputError
        If there is no such file, or a key or value is invalid.

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
    """Load a dataset from disk, without downloading anything.

    Parameters
    ----------
    name : str or Path
        `gtzan`, `instrument_images`, `instrument_sounds` or `openmic`, or your own folder with one folder per class.
    data : {"auto", "real", "sample"}
        The real data, or the generated sample data. "auto" prefers the real data if it is there.
    data_root : str or Path, optional
        The folder of all datasets. The default is that of the environment variable `MUSICML_DATA`, else `data`.

    Returns
    -------
    Dataset
        It has the `examples`, and a data frame of them as `table`.

    Raises
    ------
    InputError
        If the dataset is not on the disk.

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
        An experiment, or its name or file as in `load_experiment`.
    changes : mapping, optional
        Settings to change, as in `load_experiment`. Not allowed with an `Experiment`.
    folder : str or Path, optional
        Your own folder with one folder per class, instead of the experiment's dataset.
    data : {"auto", "real", "sample"}
        The real data or the generated sample data, as in `load_dataset`.
    seed : int
        The seed of the split, the initial weights and the order of batches.
    deterministic : bool
        Train reproducibly: on a CPU, the weights of two trainings are then equal to the last bit.
    data_root, runs_root : str or Path, optional
        The folders of data and of runs. The default is that of `MUSICML_DATA` and `MUSICML_RUNS`, else `data` and
        `runs`.

    Returns
    -------
    Run
        It has a `report`, a `history` and the `predictions`.

    Raises
    ------
    InputError
        If the experiment or the data is invalid or missing.

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
        raise InputError(
            "Expected a name or a file together with changes. Pass the changes to load_experiment instead."
        )
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
        The folder of runs. The default is that of the environment variable `MUSICML_RUNS`, else `runs`.

    Returns
    -------
    pandas.DataFrame
        One row per run: name, experiment, dataset, seed, status, and the main metric of a complete run.

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
        A run folder, its name, or the name of an experiment, of which the latest complete run is loaded.
    runs_root : str or Path, optional
        The folder of runs. The default is that of the environment variable `MUSICML_RUNS`, else `runs`.

    Returns
    -------
    Run
        It has the `info` of its training, a `report`, a `history` and the `predictions`.

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
    """Evaluate a run on its test split, or on another folder of labeled files.

    Parameters
    ----------
    run : Run, str or Path
        A run, or its name or folder as in `load_run`.
    on : str or Path, optional
        A folder with one folder per class. Files that the run was trained on and classes that it lacks are skipped.

    Returns
    -------
    Report
        It has the `metrics` with their 95% `intervals`, and a data frame of the classes as `class_table`.

    Raises
    ------
    InputError
        If training is not finished, or the run and the folder have no class in common.

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
    """Compare runs on their common test examples, with paired significance tests.

    Parameters
    ----------
    runs : Run, str or Path
        Two or more runs, or their names or folders as in `load_run`.

    Returns
    -------
    Comparison
        It has a data frame of the runs as `table`, and one of all pairs as `pair_table`.

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
    """Find duplicates, contradictory labels, leaks and damaged files in a dataset.

    The audit is saved in the data root with its measurements of each file, so that the next audit is fast.

    Parameters
    ----------
    dataset : str, Path or Dataset
        A dataset, or its name or folder as in `load_dataset`.
    data : {"auto", "real", "sample"}
        The real data or the generated sample data, as in `load_dataset`.
    data_root : str or Path, optional
        The folder of all datasets, as in `load_dataset`.

    Returns
    -------
    Audit
        It has the `findings`, and a data frame of them as `table`.

    Raises
    ------
    InputError
        If the dataset is not on the disk.

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
    """Write a report of one or more runs, with figures and tables.

    Parameters
    ----------
    runs : Run, str or Path
        Runs, or their names or folders as in `load_run`.
    to : str or Path
        The file to write, which ends in `.html`, `.md`, `.tex` or `.pdf`. Only an earlier report is overwritten.
    language : {"en", "id"}
        English or Indonesian.

    Returns
    -------
    list of Path
        The files written, the report first.

    Raises
    ------
    InputError
        If a run is not complete, or Matplotlib or Typst is required but not installed.

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
