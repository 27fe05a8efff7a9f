"""Inputs: the clips of a split's features, and their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicml.data.datasets import Dataset
from musicml.features.augmentation import Augment, augment_clips, resample_clip
from musicml.features.cache import Features
from musicml.features.clip_spec import ClipSpec

UNOBSERVED = -1.0  # stands for "nobody looked" in targets, since a NaN would reach the loss


@dataclass(frozen=True)
class Clips:
    """Where the clips of some examples lie in their features.

    Attributes
    ----------
    features : the store's features
    example : np.ndarray [shape=(n_clips,)], int, which example a clip is of
    start : np.ndarray [shape=(n_clips,)], int, the frame it begins at
    n_frames : int, a clip's length; None where an example is one clip of fixed size
    fill : np.ndarray [shape=(n_bins,)], what hidden bins hold where clips are varied; None where nothing is hidden
    kind : of the features, as `augmentation.augment_clips` takes it
    """

    features: Features
    example: np.ndarray
    start: np.ndarray
    n_frames: int | None
    fill: np.ndarray | None = None
    kind: str = "log_mel"

    def __len__(self) -> int:
        return len(self.example)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The clips at `places`, [shape=(n, n_frames, n_bins)] or [shape=(n, ...)] of the fixed size."""
        if self.n_frames is None:
            return np.asarray(self.features.array[self.features.begin[self.example[places]]])
        return self.beginning(places, self.start[places], np.full(len(places), self.n_frames), self.n_frames)

    def beginning(self, places: np.ndarray, starts: np.ndarray, taken: np.ndarray, n_frames: int) -> np.ndarray:
        """The clips at `places`, each of so many frames from another of its track on, [shape=(n, n_frames, n_bins)]."""
        first = self.features.begin[self.example[places]] + starts
        parts = [self.features.array[begin : begin + n] for begin, n in zip(first, taken, strict=True)]
        return np.stack([p if len(p) == n_frames else resample_clip(p, n_frames, p.shape[1]) for p in parts])

    def varied(self, places: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
        """The clips at `places` as `augment` asks: cropped, shifted or stretched, and each varied by itself.

        Hidden bins of sound hold their mean over the training clips, `fill`.
        """
        if self.n_frames is None or not (augment.crop or augment.shift or augment.tempo):
            return augment_clips(self.take(places), augment, rng, self.fill, self.kind)
        whole = self.features.length[self.example[places]]
        taken = np.full(len(places), self.n_frames)
        if augment.tempo:
            factors = np.exp(rng.uniform(-1, 1, len(places)) * np.log1p(augment.tempo))
            taken = np.minimum(np.round(taken * factors).astype(int), whole)
        last = whole - taken
        starts = rng.integers(0, last + 1) if augment.crop else self.start[places] + (self.n_frames - taken) // 2
        reach = round(augment.shift * self.n_frames)
        starts = np.clip(starts + rng.integers(-reach, reach + 1, len(places)), 0, last)
        return augment_clips(self.beginning(places, starts, taken, self.n_frames), augment, rng, self.fill, self.kind)


def cut_clips(found: Features, indices: np.ndarray, clip: ClipSpec) -> Clips:
    """Cut the examples at `indices` into clips, exactly as the Predictor cuts a file."""
    starts = [clip.compute_starts(int(found.length[i])) for i in indices]
    example = np.repeat(indices, [len(s) for s in starts])
    return Clips(found, example, np.concatenate([*starts, np.zeros(0, dtype=int)]), clip.n_frames)


def cut_into_pieces(dataset: Dataset, found: Features, n_frames: int) -> tuple[Dataset, Features]:
    """Tracks cut into pieces that do not overlap, each an example of its own; what is left at a track's end is dropped.

    Parameters
    ----------
    found : the features of the data set's examples, which have frames
    n_frames : int, a piece's length

    Returns
    -------
    dataset, features : of the pieces, named `TRACK#0`, `TRACK#1`, ..., in their tracks' groups; nothing is copied
    """
    counts = found.length // n_frames
    track = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(track)) - np.repeat(np.cumsum(counts) - counts, counts)
    examples = tuple(dataset.examples[i].make_segment(int(k)) for i, k in zip(track, number, strict=True))
    begin = found.begin[track] + number * n_frames
    cut_up = replace(found, begin=begin, length=np.full(len(track), n_frames))
    return replace(dataset, examples=examples, vggish=None), cut_up


def compute_mean_and_variance(clips: Clips, most: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each bin over at most `most` clips, evenly taken, [shape=(n_bins,)] each, float32."""
    places = np.unique(np.linspace(0, len(clips) - 1, min(most, len(clips))).astype(int))
    n_bins = clips.features.array.shape[-1]
    count, total, squares = 0, np.zeros(n_bins), np.zeros(n_bins)
    for begin in range(0, len(places), 64):
        values = clips.take(places[begin : begin + 64]).reshape(-1, n_bins).astype(np.float64)
        count, total, squares = count + len(values), total + values.sum(axis=0), squares + (values**2).sum(axis=0)
    mean = total / count
    return mean.astype(np.float32), np.maximum(squares / count - mean**2, 1e-6).astype(np.float32)


def get_targets(clips: Clips, targets: np.ndarray) -> np.ndarray:
    """Each clip's targets: those of its example, with `UNOBSERVED` for NaN, [shape=(n_clips, n_classes)], float32."""
    return np.nan_to_num(targets[clips.example], nan=UNOBSERVED).astype(np.float32)
