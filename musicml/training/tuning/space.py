"""Search space: the table `[tune]` of an experiment.

    [tune]
    training.learning_rate = {low = 1e-4, high = 1e-2, log = true}     a range
    model.units = [[64], [128, 64]]                                    a choice

A range of integers gives integers. Both ends and every choice are checked like values in the experiment.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from typing import Any

from musicml.experiment import Experiment, parse_experiment
from musicml.utils import InputError, Message, suggest_names

TABLES = ("features", "clips", "model", "training", "augment")
KEYS = ("low", "high", "log", "step")  # of a range
EXAMPLE = "training.learning_rate={low=1e-4,high=1e-2,log=true}"
MAX_POINTS = 10_000  # in a space that is listed; larger ones count as infinite
EDGE_SHARE = 0.03  # share of a range that counts as its end


Space = dict[str, Any]  # key → Optuna's distribution; choices are JSON, since it does not support lists


def _to_option(dist: Any, drawn: Any) -> Any:
    """Convert a drawn value to one for an experiment. Numbers are rounded to four digits, easy to write down."""
    if hasattr(dist, "choices"):
        return json.loads(drawn)  # a choice
    if isinstance(dist.low, int):
        return int(drawn)
    return min(max(float(f"{drawn:.10g}" if dist.step else f"{drawn:.4g}"), dist.low), dist.high)


def _list_values(dist: Any) -> list[Any] | None:
    """List every value of a choice or a range, as it is drawn, or None if they are infinite or too many."""
    if hasattr(dist, "choices"):
        return list(dist.choices)
    if not dist.step or (dist.high - dist.low) / dist.step > MAX_POINTS:
        return None
    n_steps = round((dist.high - dist.low) / dist.step)
    return [_to_option(dist, dist.low + place * dist.step) for place in range(n_steps + 1)]


def read_space(experiment: Experiment) -> Space:
    """Read the experiment's table `[tune]`: key → range or choice.

    Raises
    ------
    InputError
        If there is no such table, a key is unknown or may not be tuned, or a value breaks a rule.
    """
    file = f"{experiment.name}.toml"
    if not experiment.tune:
        raise InputError(
            "Expected a table [tune] in {file}. Add one, for example with {example}", file=file, example=EXAMPLE
        )
    space = {}
    for key, spec in experiment.tune.items():
        _check_key(key, experiment, file)
        space[key] = _parse_range(key, spec, file) if isinstance(spec, Mapping) else _parse_choice(key, spec, file)
        for value in _list_ends(space[key]):  # the experiment itself rejects invalid ones
            if _describe_metric(apply_options(experiment, {key: value})) != _describe_metric(experiment):
                raise InputError(
                    "tune.{key} = {value!r} in {file} changes the metric that trials are compared by. Remove it, or "
                    "set training.monitor to val_accuracy if the metric is a loss.",
                    key=key,
                    value=value,
                    file=file,
                )
    for first, second in itertools.combinations(space, 2):  # some values may exclude each other
        for values in itertools.product(_list_ends(space[first]), _list_ends(space[second])):
            apply_options(experiment, dict(zip((first, second), values, strict=True)))
    return space


def _check_key(key: str, experiment: Experiment, file: str) -> None:
    """Raise an error for a key that can't be searched, or that `--set` has fixed."""
    table = key.partition(".")[0]
    if table == "data":
        raise InputError(
            "tune.{key} in {file} can't be searched: scores on different splits or datasets can't be compared. "
            "Remove it.",
            key=key,
            file=file,
        )
    if table not in TABLES:
        raise InputError(
            "tune.{key} in {file} belongs to no table that can be searched: {hint}",
            key=key,
            file=file,
            hint=suggest_names(table, TABLES),
        )
    if key in experiment.overrides:
        raise InputError("{key} is both searched and set by --set. Remove one of the two.", key=key)


def _parse_range(key: str, spec: Mapping[str, Any], file: str) -> Any:
    """Parse and check a range."""
    from optuna.distributions import FloatDistribution, IntDistribution

    for name in spec:
        if name not in KEYS:
            raise InputError(
                "tune.{key} in {file} has no key {name!r}: {hint}",
                key=key,
                file=file,
                name=name,
                hint=suggest_names(name, KEYS),
            )
    low, high, step = (_get_finite_number(spec.get(name)) for name in ("low", "high", "step"))
    log = spec.get("log", False)
    if low is None or high is None or low >= high:
        raise InputError(
            "Expected numbers low < high in tune.{key} in {file}, got low = {low!r} and high = {high!r}. "
            "Write them as in {example}",
            key=key,
            file=file,
            low=spec.get("low"),
            high=spec.get("high"),
            example=EXAMPLE,
        )
    if type(log) is not bool or (log and low <= 0):  # a logarithm needs positive numbers
        raise InputError(
            "Expected low above 0 for log = true in tune.{key} in {file}, got low = {low!r} and log = {log!r}. "
            "Raise low or remove log.",
            key=key,
            file=file,
            low=low,
            log=log,
        )
    if not all(isinstance(value, int) for value in (low, high, step) if value is not None):
        low, high, step = float(low), float(high), None if step is None else float(step)
    if "step" in spec and (step is None or log or not 0 < step <= high - low):
        raise InputError(
            "Expected a step above 0 in tune.{key} in {file}, not wider than the range and without log, got step = "
            "{step!r}. Change or remove it.",
            key=key,
            file=file,
            step=spec["step"],
        )
    if step:  # the range ends at its last step
        high = low + math.floor((high - low) / step + 1e-9) * step
        high = high if isinstance(low, int) else float(f"{high:.10g}")
    if isinstance(low, int):
        return IntDistribution(low, int(high), log, int(step or 1))
    return FloatDistribution(low, high, log, step)


def _get_finite_number(value: Any) -> float | None:
    """Return `value` if it is a finite number, else None."""
    is_finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_finite else None


def _parse_choice(key: str, spec: Any, file: str) -> Any:
    """Parse a choice. Each value counts once."""
    from optuna.distributions import CategoricalDistribution

    if not isinstance(spec, list | tuple) or not spec:
        raise InputError(
            "Expected a list of values or a range in tune.{key} in {file}, got {spec!r}. Write for example {example}",
            key=key,
            file=file,
            spec=spec,
            example=EXAMPLE,
        )
    try:
        return CategoricalDistribution(tuple(dict.fromkeys(json.dumps(value) for value in spec)))
    except TypeError:
        raise InputError(
            "Expected numbers, texts, true, false or lists of them in tune.{key} in {file}, got a date or time. "
            "Remove it.",
            key=key,
            file=file,
        ) from None


def _list_ends(dist: Any) -> list[Any]:
    """Return the values of a choice, or the two ends of a range."""
    return [_to_option(dist, value) for value in getattr(dist, "choices", None) or (dist.low, dist.high)]


def _describe_metric(experiment: Experiment) -> tuple[Any, ...]:
    """Return everything that determines what a trial's score measures. Scores are comparable if it is equal.

    A network is scored clip by clip, and label smoothing changes its loss. Other models are scored file by file.
    """
    if experiment.is_fitted_at_once:
        return ("files",)
    training = experiment.training
    smoothed = training.label_smoothing if training.monitor.endswith("loss") else None
    return training.monitor, experiment.clips, smoothed


def apply_options(experiment: Experiment, options: Mapping[str, Any]) -> Experiment:
    """Return the experiment with `options` (dotted key → value) instead of its own, checked like `--set`."""
    overrides = {**experiment.overrides, **options}
    return parse_experiment(experiment.name, experiment.text, overrides, experiment.sample)


def list_points(space: Space) -> list[dict[str, Any]] | None:
    """List every combination in a small space, or None for one that is infinite or too large."""
    values = [options for dist in space.values() if (options := _list_values(dist)) is not None]
    if len(values) < len(space) or math.prod(map(len, values)) > MAX_POINTS:
        return None
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*values)]


def get_options(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a drawn point to the experiment's options, in the order of the table."""
    return {key: _to_option(dist, drawn[key]) for key, dist in space.items() if key in drawn}


LOWER_END = Message(
    "{key} = {value:g} is at the lower end of its range ({low:g} to {high:g}). A better value may lie below it: widen "
    "the range and search again."
)
UPPER_END = Message(
    "{key} = {value:g} is at the upper end of its range ({low:g} to {high:g}). A better value may lie above it: widen "
    "the range and search again."
)


def find_edges(space: Space, options: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each option that is at the end of its range, since a better value may lie beyond."""
    warnings: list[str] = []
    for key, dist in space.items():
        if hasattr(dist, "choices"):
            continue
        low, high, value = (math.log(x) if dist.log else x for x in (dist.low, dist.high, options[key]))
        place = (value - low) / (high - low)  # 0 at the low end, 1 at the high end
        if not EDGE_SHARE < place < 1 - EDGE_SHARE:
            template = LOWER_END if place < 0.5 else UPPER_END
            warnings.append(Message(template, key=key, value=options[key], low=dist.low, high=dist.high))
    return warnings
