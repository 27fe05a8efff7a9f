"""Space: what a `[tune]` table lets a search try.

    [tune]
    training.learning_rate = {low = 1e-4, high = 1e-2, log = true}     a range
    model.units = [[64], [128, 64]]                                    a choice

A range of whole numbers gives whole numbers. Every end and every choice is checked as if it stood in the experiment.
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
KEYS = ("low", "high", "log", "step")
EXAMPLE = "training.learning_rate={low=1e-4,high=1e-2,log=true}"
MAX_POINTS = 10_000  # of a space that is counted; a larger one is as good as endless
EDGE_SHARE = 0.03  # share of a range that counts as its end


Space = dict[str, Any]  # key → Optuna's distribution; it knows no lists, so that a choice holds its values as JSON


def _to_option(known: Any, drawn: Any) -> Any:
    """A drawn value as an experiment takes it: a number of four digits, so that a person can write it down."""
    if hasattr(known, "choices"):
        return json.loads(drawn)
    if isinstance(known.low, int):
        return int(drawn)
    return min(max(float(f"{drawn:.10g}" if known.step else f"{drawn:.4g}"), known.low), known.high)


def _list_values(known: Any) -> list[Any] | None:
    """Every value of a choice or a range, as it is drawn; None where they are without end or too many to list."""
    if hasattr(known, "choices"):
        return list(known.choices)
    if not known.step or (known.high - known.low) / known.step > MAX_POINTS:
        return None
    n_steps = round((known.high - known.low) / known.step)
    return [_to_option(known, known.low + place * known.step) for place in range(n_steps + 1)]


def read_space(experiment: Experiment) -> Space:
    """What the experiment's `[tune]` table lets a search try: key → its range or choice.

    Raises
    ------
    InputError
        If there is no such table, a key is not known or may not be tuned, or a value breaks a rule.
    """
    file = f"{experiment.name}.toml"
    if not experiment.tune:
        raise InputError(
            "{file} needs a table [tune], which is missing: add one, for example with {example}",
            file=file,
            example=EXAMPLE,
        )
    space = {}
    for key, told in experiment.tune.items():
        _check_key(key, experiment, file)
        space[key] = _parse_range(key, told, file) if isinstance(told, Mapping) else _parse_choice(key, told, file)
        for value in _list_ends(space[key]):  # which makes another figure, or is refused by the experiment itself
            if _describe_metric(apply_options(experiment, {key: value})) != _describe_metric(experiment):
                raise InputError(
                    "tune.{key} = {value!r} in {file} must leave the figure as it is that trials are compared by, and "
                    "changes how that is counted: leave it out, or for a loss set training.monitor to val_accuracy.",
                    key=key,
                    value=value,
                    file=file,
                )
    for one, other in itertools.combinations(space, 2):  # of which some values can't go together
        for values in itertools.product(_list_ends(space[one]), _list_ends(space[other])):
            apply_options(experiment, dict(zip((one, other), values, strict=True)))
    return space


def _check_key(key: str, experiment: Experiment, file: str) -> None:
    """Refuse a key that no search may touch, and one that `--set` has decided."""
    table = key.partition(".")[0]
    if table == "data":
        raise InputError(
            "tune.{key} in {file} must not be searched: another split or data set makes another figure, not a better "
            "model; leave it out.",
            key=key,
            file=file,
        )
    if table not in TABLES:
        raise InputError(
            "tune.{key} in {file} is of no table that can be searched: {hint}",
            key=key,
            file=file,
            hint=suggest_names(table, TABLES),
        )
    if key in experiment.overrides:
        raise InputError(
            "{key} must be either searched or set, and --set gives it one value: leave out one of the two.", key=key
        )


def _parse_range(key: str, told: Mapping[str, Any], file: str) -> Any:
    """A range as it is written, checked."""
    from optuna.distributions import FloatDistribution, IntDistribution

    for name in told:
        if name not in KEYS:
            raise InputError(
                "tune.{key} in {file} has no key {name!r}: {hint}",
                key=key,
                file=file,
                name=name,
                hint=suggest_names(name, KEYS),
            )
    low, high, step = (_get_finite_number(told.get(name)) for name in ("low", "high", "step"))
    log = told.get("log", False)
    if low is None or high is None or low >= high:
        raise InputError(
            "tune.{key} in {file} must go from a number low to a greater one high, and goes from {get!r} "
            "to {get2!r}: write them as in {example}",
            key=key,
            file=file,
            get=told.get("low"),
            get2=told.get("high"),
            example=EXAMPLE,
        )
    if type(log) is not bool or (log and low <= 0):
        raise InputError(
            "tune.{key} in {file} can be searched by factors (log = true) only above 0, and has low = {low!r} and "
            "log = {log!r}: raise low or leave log out.",
            key=key,
            file=file,
            low=low,
            log=log,
        )
    if not all(isinstance(value, int) for value in (low, high, step) if value is not None):
        low, high, step = float(low), float(high), None if step is None else float(step)
    if "step" in told and (step is None or log or not 0 < step <= high - low):
        raise InputError(
            "tune.{key} in {file} must have a step above 0, not wider than the range and without log, and has step = "
            "{step!r}: mend it or leave it out.",
            key=key,
            file=file,
            step=told["step"],
        )
    if step:  # the last of its steps is its end
        high = low + math.floor((high - low) / step + 1e-9) * step
        high = high if isinstance(low, int) else float(f"{high:.10g}")
    if isinstance(low, int):
        return IntDistribution(low, int(high), log, int(step or 1))
    return FloatDistribution(low, high, log, step)


def _get_finite_number(value: Any) -> float | None:
    """`value` where it is a finite number."""
    told = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if told else None


def _parse_choice(key: str, told: Any, file: str) -> Any:
    """A choice as it is written, each value once."""
    from optuna.distributions import CategoricalDistribution

    if not isinstance(told, list | tuple) or not told:
        raise InputError(
            "tune.{key} in {file} must be a list of values or a range, and is {told!r}: write for example {example}",
            key=key,
            file=file,
            told=told,
            example=EXAMPLE,
        )
    try:
        return CategoricalDistribution(tuple(dict.fromkeys(json.dumps(value) for value in told)))
    except TypeError:
        raise InputError(
            "tune.{key} in {file} must list numbers, texts, true and false, or lists of them, and lists a date or "
            "time: leave it out.",
            key=key,
            file=file,
        ) from None


def _list_ends(known: Any) -> list[Any]:
    """Return the values of a choice, or the two ends of a range."""
    return [_to_option(known, value) for value in getattr(known, "choices", None) or (known.low, known.high)]


def _describe_metric(experiment: Experiment) -> tuple[Any, ...]:
    """All that decides what a trial's figure counts; figures can be compared where this is the same.

    A network's are taken clip by clip, and a smoothed loss is another loss; what scikit-learn fits is
    taken file by file.
    """
    if experiment.is_fitted_at_once:
        return ("files",)
    training = experiment.training
    smoothed = training.label_smoothing if training.monitor.endswith("loss") else None
    return training.monitor, experiment.clips, smoothed


def apply_options(experiment: Experiment, options: Mapping[str, Any]) -> Experiment:
    """The experiment with `options` (dotted key → value) in place of its own, checked as `--set` is."""
    overrides = {**experiment.overrides, **options}
    return parse_experiment(experiment.name, experiment.text, overrides, experiment.sample)


def list_points(space: Space) -> list[dict[str, Any]] | None:
    """Every combination of a small space, as a search draws them; None of one that is endless or too large."""
    each = [listed for known in space.values() if (listed := _list_values(known)) is not None]
    if len(each) < len(space) or math.prod(map(len, each)) > MAX_POINTS:
        return None
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*each)]


def get_options(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """What was drawn, as an experiment takes it, in the order of the table."""
    return {key: _to_option(known, drawn[key]) for key, known in space.items() if key in drawn}


LOWER_END = Message(
    "{key} = {value:g} stands at the lower end of its range ({low:g} to {high:g}): what is best may lie beyond, so "
    "widen it and search again."
)
UPPER_END = Message(
    "{key} = {value:g} stands at the upper end of its range ({low:g} to {high:g}): what is best may lie beyond, so "
    "widen it and search again."
)


def find_edges(space: Space, options: Mapping[str, Any]) -> list[str]:
    """What stands at the end of its range, a sentence each: the best may lie beyond."""
    found: list[str] = []
    for key, known in space.items():
        if hasattr(known, "choices"):
            continue
        low, high, here = (math.log(end) if known.log else end for end in (known.low, known.high, options[key]))
        place = (here - low) / (high - low)  # 0 at the low end, 1 at the high one
        if not EDGE_SHARE < place < 1 - EDGE_SHARE:
            template = LOWER_END if place < 0.5 else UPPER_END
            found.append(Message(template, key=key, value=options[key], low=known.low, high=known.high))
    return found
