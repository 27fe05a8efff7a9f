"""Predict while a sound is still being recorded, with the same results as for a file that ends there.

Results differ slightly if channels start to cancel each other: a file is checked for that in longer parts (`Mixer`).

>>> live = StreamingPredictor(predictor, sample_rate=48_000)  # doctest: +SKIP
>>> for block in microphone:  # doctest: +SKIP
...     for prediction in live.feed(block):
...         print(prediction.label, prediction.probability)
>>> live.end().scores  # equals `predictor.predict` on the whole recording  # doctest: +SKIP
"""

from __future__ import annotations

import time

import numpy as np

from musicml.data.io import (
    MAX_SECONDS,
    SAMPLE_RATES,
    LevelMeter,
    Mixer,
    check_range,
    make_resampler,
    mix_to_mono,
    stream_array,
)
from musicml.features import FrameStream, LogMel, Spectrogram
from musicml.inference.predictor import ModelInput, Prediction, Predictor
from musicml.utils import InputError, Message

INTERVAL_S = 0.5  # of sound, from one prediction to the next


class StreamingPredictor:
    """Predicts one recording block by block; for one thread, though several can share the Predictor.

    The model scores each complete clip once. Only the last clip, which ends with the sound, is scored again.

    Parameters
    ----------
    predictor : of a run on sound
    sample_rate : int, Hz, of the blocks
    every : float > 0, seconds of sound from one prediction to the next
    name : a name for the recording in messages

    Raises
    ------
    InputError
        If the run predicts pictures, or does not accept files.
    """

    def __init__(
        self, predictor: Predictor, sample_rate: int, every: float = INTERVAL_S, name: str = Message("the recording")
    ):
        settings, clip = predictor.settings, predictor.serving.clip
        predictor.check_accepts_files()
        if isinstance(settings, Spectrogram):
            raise InputError(
                "Run {run_name} can't predict while recording, since the contrast of its spectrograms depends on the "
                "whole sound. Record first, then predict the file.",
                run_name=predictor.run.name,
            )
        if not isinstance(settings, LogMel):
            raise InputError(
                "Run {run_name} predicts pictures. Use a run on sound for a recording.", run_name=predictor.run.name
            )
        check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("Choose another value"))
        if not 0 < every < MAX_SECONDS:
            raise InputError(
                "every={every} must be more than 0 and less than {max_seconds:.0f} seconds. Use for example 0.5.",
                every=every,
                max_seconds=MAX_SECONDS,
            )
        self.predictor, self.name, self.sample_rate = predictor, name, sample_rate
        self.every = max(1, round(every * sample_rate))
        self.frames = FrameStream(settings, clip.least_samples)
        self.resample = make_resampler(sample_rate, settings.sample_rate)
        self.loudness, self.mix = LevelMeter(name), Mixer()
        self.values = np.zeros((0, settings.n_bins), np.float32)  # a buffer that doubles; `n_frames` of it are used
        self.n_frames = self.n_samples = 0
        self.known_scores: dict[int, np.ndarray] = {}  # first frame of a complete clip → its raw scores
        self.is_truncated = self.has_ended = False

    def feed(self, block: np.ndarray) -> list[Prediction]:
        """Add the next samples, and return a prediction for each interval that they complete.

        Parameters
        ----------
        block : np.ndarray [shape=(n,) or (n, channels)], float in [-1, 1] or int16

        Raises
        ------
        InputError
            If the block is not audio, or the recording has ended.
        """
        predictions: list[Prediction] = []
        block = np.asarray(block)
        if block.ndim and not len(block):
            return predictions
        blocks = list(stream_array(block, self.sample_rate, self.name).blocks)
        for samples in blocks:  # check all before adding any, so that an error leaves no gap in the recording
            LevelMeter(self.name).add(mix_to_mono(samples))
        for samples in blocks:
            start = 0
            while start < len(samples):
                step = self.every - self.n_samples % self.every  # up to the next prediction
                part = samples[start : start + step]
                start += len(part)
                # the resampler delays the first few samples, so there may be none yet
                if self._add_samples(part) and self.n_samples % self.every == 0 and self.frames.n_samples:
                    predictions.append(self._predict())
        return predictions

    def _add_samples(self, part: np.ndarray) -> bool:
        """Add samples up to the maximum length of a file; return whether any were added."""
        room = round(MAX_SECONDS * self.sample_rate) - self.n_samples
        self.is_truncated |= len(part) > room
        part = part[:room]
        if not len(part):
            return False
        if self.has_ended:
            raise InputError("{name} has already ended. Start another recording.", name=self.name)
        self.n_samples += len(part)
        mono = self.mix(part)
        self.loudness.add(mono)
        self._append_frames(self.resample(mono, False))
        return True

    def _append_frames(self, y: np.ndarray) -> None:
        """Append the feature frames that the next samples complete."""
        new = self.frames.process(np.clip(y, -1, 1))
        while self.n_frames + len(new) > len(self.values):  # doubling keeps the total cost of copying linear
            self.values = np.concatenate(
                [self.values, np.empty((max(256, len(self.values)), new.shape[1]), np.float32)]
            )
        self.values[self.n_frames : self.n_frames + len(new)] = new
        self.n_frames += len(new)

    def _predict(self) -> Prediction:
        """Predict the recording so far, as a file that ends here."""
        start_time = time.perf_counter()
        values = self.values[: self.n_frames] if self.n_frames else self.frames.compute_padded()
        starts = self.predictor.compute_clip_starts(len(values))
        raw = self._score_clips(values, starts)
        warnings = (
            *self.loudness.list_warnings(),
            *self.mix.list_warnings(self.sample_rate),
            *self.frames.get_warnings(),
        )
        if self.is_truncated:
            warnings += (
                Message("Only the first {max_seconds:.0f} s were used; the rest is ignored.", max_seconds=MAX_SECONDS),
            )
        model_input = ModelInput(self.name, values, warnings)
        return self.predictor.make_prediction(model_input, starts, raw, time.perf_counter() - start_time)

    def _score_clips(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return the raw scores of the clips at the frames `starts`, reusing the scores of complete clips."""
        new = [start for start in starts if start not in self.known_scores]
        scores: dict[int, np.ndarray] = {}
        if new:
            rows = self.predictor.score_clips(self.predictor.cut_clips(values, np.array(new)))
            scores = dict(zip(new, rows, strict=True))
        hop = self.predictor.serving.clip.hop_frames or 1
        if self.n_frames:  # a sound shorter than a clip is repeated to fill it, so its scores can't be reused
            self.known_scores |= {start: row for start, row in scores.items() if start % hop == 0}
        scores |= self.known_scores
        return np.stack([scores[start] for start in starts])

    def end(self) -> Prediction:
        """End the recording, and return the prediction for all of it, including samples still in the resampler.

        Raises
        ------
        InputError
            If there are no samples.
        """
        if not self.n_samples:
            raise InputError("Expected sound in {name}, got 0 samples. Record something first.", name=self.name)
        if not self.has_ended:
            self._append_frames(self.resample(np.zeros(0, np.float32), True))
            self.has_ended = True
        return self._predict()
