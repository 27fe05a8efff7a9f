"""Cut examples into clips, and return their features and targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicml.data.datasets import Dataset, Examples
from musicml.features.augmentation import Augment, augment_clips, resample_clip
from musicml.features.cache import Features
from musicml.features.clip_spec import ClipSpec

UNOBSERVED = -1.0  # marks a class that no annotator checked; NaN would make the loss NaN


@dataclass(frozen=True)
class Clips:
    """The positions of clips in the features of their examples.

    Attributes
    ----------
    features : features of all examples
    example : np.ndarray [shape=(n_clips,)], int, the example of each clip
    start : np.ndarray [shape=(n_clips,)], int, the frame at which it begins
    n_frames : int, a clip's length; None if an example is one clip of fixed size
    fill : np.ndarray [shape=(n_bins,)], the value of masked bins; None if nothing is masked
    kind : of the features, as for `augmentation.augment_clips`
    """

    features: Features
    example: np.ndarray
    start: np.ndarray
    n_frames: int | None
    fill: np.ndarray | None = None
    kind: str = "log_mel"

    def __len__(self) -> int:
        return len(self.example)

    def get(self, places: np.ndarray) -> np.ndarray:
        """Return the clips at `places`, [shape=(n, n_frames, n_bins)], or [shape=(n, ...)] of the fixed size."""
        if self.n_frames is None:
            return np.asarray(self.features.array[self.features.begin[self.example[places]]])
        return self._cut(places, self.start[places], np.full(len(places), self.n_frames), self.n_frames)

    def _cut(self, places: np.ndarray, starts: np.ndarray, taken: np.ndarray, n_frames: int) -> np.ndarray:
        """Cut `taken` frames from `starts` on, and resample them to [shape=(n, n_frames, n_bins)]."""
        first = self.features.begin[self.example[places]] + starts
        parts = [self.features.array[begin : begin + n] for begin, n in zip(first, taken, strict=True)]
        return np.stack([p if len(p) == n_frames else resample_clip(p, n_frames, p.shape[1]) for p in parts])

    def get_augmented(self, places: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
        """Return the clips at `places`, augmented: cropped, shifted or stretched, then each changed by itself.

        Masked bins of sound get their mean over the training clips, `fill`.
        """
        if self.n_frames is None or not (augment.crop or augment.shift or augment.tempo):
            return augment_clips(self.get(places), augment, rng, self.fill, self.kind)
        track_frames = self.features.length[self.example[places]]
        taken = np.full(len(places), self.n_frames)
        if augment.tempo:
            # more frames squeezed into a clip sound faster, fewer sound slower
            factors = np.exp(rng.uniform(-1, 1, len(places)) * np.log1p(augment.tempo))
            taken = np.minimum(np.round(taken * factors).astype(int), track_frames)
        last = track_frames - taken  # the last frame at which a clip can begin
        # without a random crop, a stretched clip keeps its middle
        starts = rng.integers(0, last + 1) if augment.crop else self.start[places] + (self.n_frames - taken) // 2
        reach = round(augment.shift * self.n_frames)
        starts = np.clip(starts + rng.integers(-reach, reach + 1, len(places)), 0, last)
        return augment_clips(self._cut(places, starts, taken, self.n_frames), augment, rng, self.fill, self.kind)


def cut_clips(features: Features, indices: np.ndarray, clip: ClipSpec) -> Clips:
    """Cut the examples at `indices` into clips, exactly as `Predictor` cuts a file."""
    # many files are equally long: one array for each length, not for each file
    lengths, place = np.unique(features.length[indices], return_inverse=True)
    starts = [clip.compute_starts(n) for n in lengths.tolist()]
    counts = np.array([len(s) for s in starts], dtype=int)[place]
    example, starts_of = np.repeat(indices, counts), (starts[k] for k in place.tolist())
    return Clips(features, example, np.concatenate([*starts_of, np.zeros(0, dtype=int)]), clip.n_frames)


def cut_into_pieces(dataset: Dataset, features: Features, n_frames: int) -> tuple[Dataset, Features]:
    """Cut tracks into clips that do not overlap, each an example of its own. The rest of a track is dropped.

    Parameters
    ----------
    features : features with frames of the dataset's examples
    n_frames : int, a clip's length

    Returns
    -------
    dataset, features : of the clips, named `TRACK#0`, `TRACK#1`, ..., in their tracks' groups; nothing is copied
    """
    counts = features.length // n_frames
    track = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(track)) - np.repeat(np.cumsum(counts) - counts, counts)
    examples = Examples(
        dataset.examples[i].make_segment(k) for i, k in zip(track.tolist(), number.tolist(), strict=True)
    )
    begin = features.begin[track] + number * n_frames
    clip_features = replace(features, begin=begin, length=np.full(len(track), n_frames))
    return replace(dataset, examples=examples, vggish=None), clip_features


def compute_mean_and_variance(clips: Clips, max_clips: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and variance of each bin over at most `max_clips` evenly spaced clips, [shape=(n_bins,)]."""
    places = np.unique(np.linspace(0, len(clips) - 1, min(max_clips, len(clips))).astype(int))
    n_bins = clips.features.array.shape[-1]
    count, total, squares = 0, np.zeros(n_bins), np.zeros(n_bins)
    for begin in range(0, len(places), 64):  # running sums, because all clips together may not fit in memory
        values = clips.get(places[begin : begin + 64]).reshape(-1, n_bins).astype(np.float64)
        count, total, squares = count + len(values), total + values.sum(axis=0), squares + (values**2).sum(axis=0)
    mean = total / count
    # a bin that never changes has variance 0; dividing by its root must not fail
    return mean.astype(np.float32), np.maximum(squares / count - mean**2, 1e-6).astype(np.float32)


def get_targets(clips: Clips, targets: np.ndarray) -> np.ndarray:
    """Return each clip's targets, [shape=(n_clips, n_classes)], float32: its example's, with `UNOBSERVED` for NaN."""
    return np.nan_to_num(targets[clips.example], nan=UNOBSERVED).astype(np.float32)
