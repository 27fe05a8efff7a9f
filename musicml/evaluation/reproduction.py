"""Reproduce: train a run again from its folder, and say whether the results agree and what differs around them."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.evaluation import comparison, evaluate, predictions
from musicml.experiment import Run, RunInfo, get_fold, read_digests
from musicml.training import check_can_retrain, resume_run, retrain_run
from musicml.utils import InputError, Message

MODELS = ("model.keras", "model.skops")
WEIGHTS, SCHEMA = "model.weights.h5", "schema.json"  # in a .keras and in a .skops archive


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two runs; None where a run does not say."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Reproduction:
    """What training a run again gave.

    Attributes
    ----------
    run, new : the run, and the folder of the one that was trained again
    expected : `bit` where both are deterministic and nothing differs around them, else `interval`
    agrees : whether they agree as expected; with `interval`, whether the new main figure lies in the old interval
    weights, scores, report : whether these are equal to the bit
    metric, before, after : the main figure then and now
    interval : its 95 % interval then; None where the run has none, and then the figures have to be equal
    n_labels, n_equal_labels : predicted labels of the examples that both were tested on, and how many are equal;
        of several classes at once, a label is one class of one example
    n_other_examples : examples that only one of them was tested on
    differences : what differs in environment, settings and data
    """

    run: str
    new: str
    expected: str
    agrees: bool
    weights: bool
    scores: bool
    report: bool
    metric: str
    before: float | None
    after: float | None
    interval: tuple[float, float] | None
    n_labels: int
    n_equal_labels: int
    n_other_examples: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether weights, scores and report are equal to the bit."""
        return self.weights and self.scores and self.report

    def as_table(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**asdict(self), "equal": self.is_equal}


def reproduce_run(
    run: Run,
    runs_root: Path,
    folder: Path | None = None,
    data_root: Path | None = None,
    deterministic: bool = False,
    begun: Run | None = None,
) -> Reproduction:
    """Train a complete run again as a new run, score it, and compare the two.

    Parameters
    ----------
    run, runs_root, folder, data_root, deterministic : as `musicml.training.retrain_run` takes them
    begun : an earlier reproduction of the run, to go on with if it was stopped

    Raises
    ------
    InputError
        If the run can't be trained again, its results can't be read, its data has changed, or `begun` is another's.
    """
    check_can_retrain(run)
    predictions.read_predictions(run)  # what can't be compared is not trained for
    if run.report.main is None:
        raise InputError(
            "Expected report.json of run {run_name} to hold its main metric, and it does not. Put the file back.",
            run_name=run.name,
        )
    if begun is not None and begun.info.reproduces != run.name:
        raise InputError(
            "Expected a reproduction of run {run_name} to go on with, and {other} is none. Leave out --resume to begin "
            "one.",
            run_name=run.name,
            other=begun.name,
        )
    if begun is None:
        new = retrain_run(run, runs_root, folder, data_root, deterministic)
    else:
        new = begun if begun.is_complete else resume_run(begun, folder, data_root)
    try:
        evaluate.evaluate_run(new)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(Message("stopped; go on with `musicml train --resume {path}`", path=new.path)) from None
    return compare_results(run, new)


def compare_results(run: Run, new: Run) -> Reproduction:
    """Compare the results of a run with those of the one that was trained again from it."""
    before, after = run.report, new.report
    infos, differences = (run.info, new.info), tuple(_list_differences(run, new))
    is_exact = all(info.deterministic for info in infos) and not differences
    same = (
        _has_same_weights(run, new),
        len({(one.path / "predictions.csv").read_bytes() for one in (run, new)}) == 1,
        before.table | {"run": None} == after.table | {"run": None},
    )
    interval, value = before.get_interval(before.main_metric), after.metrics.get(before.main_metric)
    low, high = interval or (before.main, before.main)
    is_within = value is not None and low is not None and high is not None and low <= value <= high
    expected, agrees = ("bit", all(same)) if is_exact else ("interval", is_within)
    figures = (*same, before.main_metric, before.main, value, interval, *_count_labels(run, new))
    return Reproduction(run.name, str(new.path), expected, agrees, *figures, differences)


def _has_same_weights(run: Run, new: Run) -> bool:
    """Tell whether the weights of two runs are equal to the bit, those of all folds too."""
    pairs = [(run, new), *((get_fold(run, k), get_fold(new, k)) for k in range(1, new.info.split.folds + 1))]
    return all(_has_same_model(old.path, own.path) for old, own in pairs)


def _has_same_model(old: Path, own: Path) -> bool:
    """Tell whether the models in two folders have equal weights; of the old one no more is read than ours holds."""
    name = next((name for name in MODELS if (own / name).is_file()), MODELS[0])
    if not (own / name).is_file() or not (old / name).is_file():
        return False
    most = 2 * (own / name).stat().st_size + 1_000_000  # the settings beside the weights may be longer
    digest = compute_weights_digest(own / name, most)
    return digest is not None and digest == compute_weights_digest(old / name, most)


def _count_labels(run: Run, new: Run) -> tuple[int, int, int]:
    """Count the predicted labels of the examples of both runs, those that are equal, and the other examples."""
    tables = [predictions.read_predictions(one) for one in (run, new)]
    shared = set(tables[0].names) & set(tables[1].names)
    n_others = len(set(tables[0].names) ^ set(tables[1].names))
    if not shared or set(tables[0].class_names) != set(tables[1].class_names):
        return 0, 0, n_others
    rows = (np.array([name in shared for name in table.names]) for table in tables)
    aligned = comparison.align_tables([table.select(its) for table, its in zip(tables, rows, strict=True)])
    said = [comparison.decide_labels(one, table) for one, table in zip((run, new), aligned, strict=True)]
    equal = said[0] == said[1]
    if aligned[0].task == "single":
        equal = equal.all(axis=1)
    return equal.size, int(equal.sum()), n_others


def _list_differences(run: Run, new: Run) -> Iterator[Difference]:
    """List what differs in environment, settings and data of two runs; seed and experiment are the same."""
    before, after = _describe(run.info), _describe(new.info)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))
    kept, found = read_digests(run), read_digests(new)
    if kept is not None and found is not None:
        for name in sorted(kept.contents.keys() | found.contents.keys()):
            if kept.contents.get(name) != found.contents.get(name):
                yield Difference(f"digests.csv:{name}", kept.contents.get(name), found.contents.get(name))


def _describe(info: RunInfo) -> dict[str, Any]:
    """Return what a result depends on, apart from seed, experiment and split, by its key in run.json."""
    machine = {name: value for name, value in info.machine.items() if name != "variables"}
    return {
        **_flatten({"versions": info.versions, "machine": machine}),
        **_flatten({"machine.variables": info.machine.get("variables")}),
        "backend": info.backend,
        "device": info.device,
        "precision": (info.precision or {}).get("policy"),
        "compile": (info.compile or {}).get("choice"),
        "weights": (info.weights or {}).get("choice"),
        "git_commit": info.git_commit,
        "deterministic": info.deterministic,
        "data.features": info.data.features,
        **_flatten(info.settings),
    }


def _flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted key."""
    return {
        f"{name}.{key}": value
        for name, table in settings.items()
        for key, value in (table.items() if isinstance(table, Mapping) else ())
    }


# The weights of a saved model


def compute_weights_digest(path: Path, most: int) -> str | None:
    """Compute a digest of all arrays in a .keras or a .skops file, whatever else it holds: 32 hex digits.

    The file may be a stranger's: it is never loaded as a model.

    Parameters
    ----------
    path : the file
    most : bytes of arrays that may be read

    Returns
    -------
    None where the file is missing, damaged, or holds more than that
    """
    found = hashlib.blake2b(digest_size=16)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                return None
            if path.suffix == ".skops":
                _add_forest(archive, found)
            elif not _add_network(io.BytesIO(archive.read(WEIGHTS)), most, found):
                return None
    except Exception:  # whatever half an archive, or none, makes zipfile, h5py, numpy and json raise
        return None
    return found.hexdigest()


def _add_network(content: io.BytesIO, most: int, found: Any) -> bool:
    """Add the arrays of an HDF5 file, in the order of their names; False where they are too large."""
    import h5py

    names: list[str] = []
    with h5py.File(content, "r") as file:
        file.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None)
        if sum(file[name].nbytes for name in names) > most:
            return False
        for name in sorted(names):
            found.update(name.encode())
            _add_array(file[name][()], found)
    return True


def _add_forest(archive: zipfile.ZipFile, found: Any) -> None:
    """Add what skops wrote: its tree of objects, with arrays by their values in place of their files' names.

    Those names and the objects' numbers are addresses in memory. A number counts only where it refers to an object
    that was written before, as the place of that one.
    """
    places: dict[Any, int] = {}
    order = itertools.count()

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(part) for part in node]
        if not isinstance(node, dict):
            return node
        place = places.setdefault(node.get("__id__"), next(order))
        made = {key: walk(value) for key, value in node.items() if key not in ("file", "_skops_version", "__id__")}
        if node.get("__loader__") == "CachedNode":
            made["refers_to"] = place
        if "file" in node:
            _add_array(np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False), found)
        return made

    found.update(json.dumps(walk(json.loads(archive.read(SCHEMA)))).encode())


def _add_array(array: Any, found: Any) -> None:
    """Add one array; of records each field alone, since what fills the space between them is left to chance."""
    array = np.asarray(array)
    found.update(f"{array.dtype.descr} {array.shape}".encode())
    parts = [array[name] for name in array.dtype.names] if array.dtype.names else [array]
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes())
