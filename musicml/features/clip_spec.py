"""Clip lengths in frames: training cuts tracks by them, and serving.json keeps them for prediction.

>>> ClipSpec(n_frames=30, hop_frames=30).compute_starts(110)
array([ 0, 30, 60, 80])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicml.data.io import compute_clip_starts
from musicml.utils import InputError, Message

MAX_INTEGER, MAX_SECONDS = 2**31, 100_000.0  # larger than any sound
AVERAGES = ("probability", "log_probability")


@dataclass(frozen=True)
class ClipSpec:
    """The rule by which a track is cut into clips, and clip scores are combined into the track's.

    A picture, or any example of a fixed size, is one clip: `ClipSpec()`. The order of the fields is the order of the
    keys in serving.json.

    Attributes
    ----------
    n_frames : a clip's length; None if an example is one clip
    hop_frames : frames from the beginning of one clip to the next
    least_samples : a shorter sound is repeated up to this length
    frame_seconds : seconds from one frame to the next
    seconds : a clip's length in the experiment file
    average : how clip scores are averaged over a track, one of `AVERAGES`
    """

    n_frames: int | None = None
    hop_frames: int | None = None
    least_samples: int = 0
    frame_seconds: float | None = None
    seconds: float | None = None
    average: str = AVERAGES[0]

    @property
    def length(self) -> int:
        """A clip's length in frames, or 0 if an example is one clip."""
        return self.n_frames or 0

    def compute_starts(self, n_frames: int) -> np.ndarray:
        """Compute the first frames of the clips of a track with `n_frames` frames, [shape=(n_clips,)], int64."""
        if self.n_frames is None or self.hop_frames is None:
            return np.zeros(1, dtype=np.int64)
        return compute_clip_starts(n_frames, self.n_frames, self.hop_frames)


def parse_clip_spec(table: Any, has_frames: bool, run_name: str) -> ClipSpec:
    """Parse the table `clips` of a run's serving.json.

    Parameters
    ----------
    table : the table from JSON; unknown keys are ignored
    has_frames : whether the run's features have frames that clips are cut from
    run_name : the run's name, for the error

    Raises
    ------
    InputError
        If a value is missing or invalid.
    """
    # older runs have no key `average`
    values: dict[str, Any] = {"average": AVERAGES[0], **(table if isinstance(table, Mapping) else {})}
    rules = {"average": (values["average"] in AVERAGES, Message("one of 'probability', 'log_probability'"))}
    if has_frames:
        for name, least in (("n_frames", 1), ("hop_frames", 1), ("least_samples", 0)):
            value: Any = values.get(name)
            is_valid = type(value) is int and least <= value <= MAX_INTEGER  # not isinstance: True is an int too
            rules[name] = (is_valid, Message("a whole number of at least {least}", least=least))
        for name in ("frame_seconds", "seconds"):
            value = values.get(name)
            rules[name] = (type(value) in (int, float) and 0 < value <= MAX_SECONDS, Message("a number above 0"))
    for name, (is_valid, rule) in rules.items():
        if not is_valid:
            raise InputError(
                "Expected clips.{name} in serving.json of run {run_name} to be {rule}, got {value!r}. "
                "Train the run again.",
                name=name,
                run_name=run_name,
                rule=rule,
                value=values.get(name),
            )
    return ClipSpec(**{name: values[name] for name in rules})
