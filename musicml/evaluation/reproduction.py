"""Train a run again from its folder, and compare results, environment, settings and data."""

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
    """One property that differs between two runs; None if a run does not have it."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Reproduction:
    """The comparison of a run with the one that was trained again from its folder.

    Attributes
    ----------
    run, new : name of the run, and folder of the new one
    expected : `bit` if both are deterministic and nothing else differs, otherwise `interval`
    agrees : whether they agree as expected; for `interval`, whether the new main metric is in the old interval
    weights, scores, report : whether these are identical
    metric, before, after : the main metric, old and new
    interval : its old 95% interval; None if the run has none, and then the values must be equal
    n_labels, n_equal_labels : predicted labels of the common test examples, and how many are equal; for a multi-label
        task, each class of each example counts
    n_other_examples : examples that only one of them was tested on
    differences : in environment, settings and data
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
        """Whether weights, scores and report are identical."""
        return self.weights and self.scores and self.report

    def to_dict(self) -> dict[str, Any]:
        """Return the reproduction as plain values."""
        return {**asdict(self), "equal": self.is_equal}


def reproduce_run(
    run: Run,
    runs_root: Path,
    folder: Path | None = None,
    data_root: Path | None = None,
    deterministic: bool = False,
    partial: Run | None = None,
) -> Reproduction:
    """Train a complete run again as a new run, score it, and compare the two.

    Parameters
    ----------
    run, runs_root, folder, data_root, deterministic : as in `retrain_run`
    partial : an interrupted reproduction of the run, to continue

    Raises
    ------
    InputError
        If the run cannot be trained again, its results cannot be read, its data has changed, or `partial` is not a
        reproduction of it.
    """
    check_can_retrain(run)
    predictions.read_predictions(run)  # fail before training if there is nothing to compare with
    if run.report.main is None:
        raise InputError("report.json of run {run_name} has no main metric. Restore the file.", run_name=run.name)
    if partial is not None and partial.info.reproduces != run.name:
        raise InputError(
            "Run {other} is not a reproduction of run {run_name}. Leave out --resume to start a new one.",
            run_name=run.name,
            other=partial.name,
        )
    if partial is None:
        new = retrain_run(run, runs_root, folder, data_root, deterministic)
    else:
        new = partial if partial.is_complete else resume_run(partial, folder, data_root)
    try:
        evaluate.evaluate_run(new)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            Message("stopped; resume with `musicml train --resume {path}`", path=new.path)
        ) from None
    return compare_results(run, new)


def compare_results(run: Run, new: Run) -> Reproduction:
    """Compare the results of a run with those of its reproduction."""
    before, after = run.report, new.report
    infos, differences = (run.info, new.info), tuple(_list_differences(run, new))
    is_exact = all(info.deterministic for info in infos) and not differences  # only then can the bits be equal
    same = (
        _has_same_weights(run, new),
        len({(one.path / "predictions.csv").read_bytes() for one in (run, new)}) == 1,
        before.table | {"run": None} == after.table | {"run": None},
    )
    interval, value = before.get_interval(before.main_metric), after.metrics.get(before.main_metric)
    low, high = interval or (before.main, before.main)  # without an interval, the values must be equal
    is_within = value is not None and low is not None and high is not None and low <= value <= high
    expected, agrees = ("bit", all(same)) if is_exact else ("interval", is_within)
    figures = (*same, before.main_metric, before.main, value, interval, *_count_labels(run, new))
    return Reproduction(run.name, str(new.path), expected, agrees, *figures, differences)


def _has_same_weights(run: Run, new: Run) -> bool:
    """Return whether the weights of two runs are identical, also those of all folds."""
    pairs = [(run, new), *((get_fold(run, k), get_fold(new, k)) for k in range(1, new.info.split.folds + 1))]
    return all(_has_same_model(old.path, own.path) for old, own in pairs)


def _has_same_model(old: Path, own: Path) -> bool:
    """Return whether the models in two folders have identical weights."""
    name = next((name for name in MODELS if (own / name).is_file()), MODELS[0])
    if not (own / name).is_file() or not (old / name).is_file():
        return False
    # the old run may come from a stranger: do not read much more than the new model has
    max_bytes = 2 * (own / name).stat().st_size + 1_000_000
    digest = compute_weights_digest(own / name, max_bytes)
    return digest is not None and digest == compute_weights_digest(old / name, max_bytes)


def _count_labels(run: Run, new: Run) -> tuple[int, int, int]:
    """Count the predicted labels of common examples, the equal ones among them, and the other examples."""
    tables = [predictions.read_predictions(one) for one in (run, new)]
    shared = set(tables[0].names) & set(tables[1].names)
    n_others = len(set(tables[0].names) ^ set(tables[1].names))
    if not shared or set(tables[0].class_names) != set(tables[1].class_names):
        return 0, 0, n_others
    rows = (np.array([name in shared for name in table.names]) for table in tables)
    aligned = comparison.align_tables([table.select(mask) for table, mask in zip(tables, rows, strict=True)])
    labels = [comparison.decide_labels(one, table) for one, table in zip((run, new), aligned, strict=True)]
    equal = labels[0] == labels[1]
    if aligned[0].task == "single":
        equal = equal.all(axis=1)  # one label per example
    return equal.size, int(equal.sum()), n_others


def _list_differences(run: Run, new: Run) -> Iterator[Difference]:
    """List the differences in environment, settings and data; seed and experiment are always the same."""
    before, after = _describe(run.info), _describe(new.info)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))
    old, own = read_digests(run), read_digests(new)
    if old is not None and own is not None:
        for name in sorted(old.contents.keys() | own.contents.keys()):
            if old.contents.get(name) != own.contents.get(name):
                yield Difference(f"digests.csv:{name}", old.contents.get(name), own.contents.get(name))


def _describe(info: RunInfo) -> dict[str, Any]:
    """Return the properties in run.json that can change a result, apart from seed, experiment and split."""
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
    """Return the values of nested tables by dotted key."""
    return {
        f"{name}.{key}": value
        for name, table in settings.items()
        for key, value in (table.items() if isinstance(table, Mapping) else ())
    }


# The weights of a saved model


def compute_weights_digest(path: Path, max_bytes: int) -> str | None:
    """Compute a digest of all arrays in a .keras or .skops file: 32 hex digits.

    Parameters
    ----------
    path : the file; it is never loaded as a model, so a stranger's file can run no code
    max_bytes : size of all arrays that may be read

    Returns
    -------
    digest, or None if the file is missing, damaged or too large
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > max_bytes:
                return None
            if path.suffix == ".skops":
                _add_forest(archive, digest)
            elif not _add_network(io.BytesIO(archive.read(WEIGHTS)), max_bytes, digest):
                return None
    except Exception:  # a damaged archive makes zipfile, h5py, numpy and json raise many kinds of errors
        return None
    return digest.hexdigest()


def _add_network(content: io.BytesIO, max_bytes: int, digest: Any) -> bool:
    """Add the arrays of an HDF5 file, sorted by name; return False if they are too large."""
    import h5py

    names: list[str] = []
    with h5py.File(content, "r") as file:
        file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
        if sum(file[name].nbytes for name in names) > max_bytes:  # a small compressed file can expand a lot
            return False
        for name in sorted(names):
            digest.update(name.encode())  # so that two arrays cannot swap their names
            _add_array(file[name][()], digest)
    return True


def _add_forest(archive: zipfile.ZipFile, digest: Any) -> None:
    """Add the tree of objects that skops wrote, with the values of its arrays.

    File names and object ids in the tree are memory addresses, which differ each time. A reference to an earlier object
    is therefore replaced by that object's position.
    """
    places: dict[Any, int] = {}
    order = itertools.count()

    def walk(node: Any) -> Any:
        """Copy a node, with references replaced by positions and arrays by their values."""
        if isinstance(node, list):
            return [walk(part) for part in node]
        if not isinstance(node, dict):
            return node
        place = places.setdefault(node.get("__id__"), next(order))
        content = {key: walk(value) for key, value in node.items() if key not in ("file", "_skops_version", "__id__")}
        if node.get("__loader__") == "CachedNode":
            content["refers_to"] = place
        if "file" in node:
            _add_array(np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False), digest)
        return content

    digest.update(json.dumps(walk(json.loads(archive.read(SCHEMA)))).encode())


def _add_array(array: Any, digest: Any) -> None:
    """Add one array to a digest."""
    array = np.asarray(array)
    digest.update(f"{array.dtype.descr} {array.shape}".encode())
    # fields of records one by one: the padding bytes between them are arbitrary
    parts = [array[name] for name in array.dtype.names] if array.dtype.names else [array]
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
