"""Live: predictions while a sound is still being recorded, the same as for a file that ends there.

They differ a little where channels begin to cancel each other midway: a file is judged in longer parts (see `Mixer`).

>>> live = StreamingPredictor(predictor, sample_rate=48_000)  # doctest: +SKIP
>>> for block in microphone:  # doctest: +SKIP
...     for prediction in live.feed(block):
...         print(prediction.label, prediction.probability)
>>> live.end().scores  # as `predictor.predict` of the whole recording  # doctest: +SKIP
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

EVERY = 0.5  # seconds of sound from one prediction to the next


class StreamingPredictor:
    """One recording that is being made; for one thread, while its Predictor may serve many.

    The model is asked about each clip once, as soon as it is complete; only the one that ends with the sound is asked
    anew.

    Parameters
    ----------
    predictor : of a run on sound
    sample_rate : int, Hz, of the blocks
    every : float > 0, seconds of sound from one prediction to the next
    name : what to call the recording

    Raises
    ------
    InputError
        If the run answers for pictures, or can't be asked about sound at all.
    """

    def __init__(
        self, predictor: Predictor, sample_rate: int, every: float = EVERY, name: str = Message("the recording")
    ):
        settings, clip = predictor.settings, predictor.serving.clip
        predictor.check_asks_for_files()
        if isinstance(settings, Spectrogram):
            raise InputError(
                "run {predictor_run_name} must hear a whole sound before it answers, since it sees spectrograms whose "
                "contrast depends on all of it: record it first, and ask about the recording.",
                predictor_run_name=predictor.run.name,
            )
        if not isinstance(settings, LogMel):
            raise InputError(
                "run {predictor_run_name} must answer for sound to listen, and answers for pictures.",
                predictor_run_name=predictor.run.name,
            )
        check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("choose another"))
        if not 0 < every < MAX_SECONDS:
            raise InputError(
                "every={every} must be more than 0 seconds, and less than a file may last: take 0.5.", every=every
            )
        self.predictor, self.name, self.sample_rate = predictor, name, sample_rate
        self.every = max(1, round(every * sample_rate))
        self.frames = FrameStream(settings, clip.least_samples)
        self.resample = make_resampler(sample_rate, settings.sample_rate)
        self.loudness, self.mix = LevelMeter(name), Mixer()
        self.values = np.zeros((0, settings.n_bins), np.float32)  # grown by doubling; the first `n_frames` count
        self.n_frames = self.n_heard = 0
        self.answered: dict[int, np.ndarray] = {}  # the raw scores of complete clips, by the frame they begin at
        self.left_out = self.ended = False

    def feed(self, block: np.ndarray) -> list[Prediction]:
        """Take the next samples; a prediction for each half second of sound that they complete.

        Parameters
        ----------
        block : np.ndarray [shape=(n,) or (n, channels)], float in [-1, 1] or int16

        Raises
        ------
        InputError
            If the block holds anything else, or the recording has ended.
        """
        answers: list[Prediction] = []
        block = np.asarray(block)
        if block.ndim and not len(block):
            return answers
        blocks = list(stream_array(block, self.sample_rate, self.name).blocks)
        for frames in blocks:  # all of them first: what is refused must leave no hole
            LevelMeter(self.name).add(mix_to_mono(frames))
        for frames in blocks:
            place = 0
            while place < len(frames):
                step = self.every - self.n_heard % self.every
                part = frames[place : place + step]
                place += len(part)
                # resampling holds the first few samples back
                if self.take(part) and self.n_heard % self.every == 0 and self.frames.n_samples:
                    answers.append(self.so_far())
        return answers

    def take(self, part: np.ndarray) -> bool:
        """Take samples in, unless the recording is as long as a file may be; return whether they were taken."""
        room = round(MAX_SECONDS * self.sample_rate) - self.n_heard
        self.left_out |= len(part) > room
        part = part[:room]
        if not len(part):
            return False
        if self.ended:
            raise InputError("{name} must not have ended to go on, and has: begin another.", name=self.name)
        self.n_heard += len(part)
        mono = self.mix(part)
        self.loudness.add(mono)
        self.grow(self.resample(mono, False))
        return True

    def grow(self, y: np.ndarray) -> None:
        """Append the frames that the next samples complete."""
        new = self.frames.take(np.clip(y, -1, 1))
        while self.n_frames + len(new) > len(self.values):
            self.values = np.concatenate(
                [self.values, np.empty((max(256, len(self.values)), new.shape[1]), np.float32)]
            )
        self.values[self.n_frames : self.n_frames + len(new)] = new
        self.n_frames += len(new)

    def so_far(self) -> Prediction:
        """Return the prediction for what was heard until now, as for a file that ends here."""
        begun = time.perf_counter()
        values = self.values[: self.n_frames] if self.n_frames else self.frames.rest()
        places = self.predictor.places(len(values))
        raw = self.scores_at(values, places)
        warnings = (*self.loudness.list_warnings(), *self.mix.list_warnings(self.sample_rate), *self.frames.remarks())
        if self.left_out:
            warnings += (
                Message(
                    "Only the first {max_seconds:.0f} s were heard; the rest is left out.", max_seconds=MAX_SECONDS
                ),
            )
        question = ModelInput(self.name, values, warnings)
        return self.predictor.summed_up(question, places, raw, time.perf_counter() - begun)

    def scores_at(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return raw scores of the clips at `places`; a complete one is asked once."""
        new = [place for place in places if place not in self.answered]
        scores: dict[int, np.ndarray] = {}
        if new:
            asked = self.predictor.scores_of(self.predictor.cut(values, np.array(new)))
            scores = dict(zip(new, asked, strict=True))
        hop = self.predictor.serving.clip.hop_frames or 1
        if self.n_frames:  # of a sound repeated to a clip's length nothing stays
            self.answered |= {place: score for place, score in scores.items() if place % hop == 0}
        return np.stack([self.answered[place] if place in self.answered else scores[place] for place in places])

    def end(self) -> Prediction:
        """Return the prediction for the whole recording, with the last samples that resampling held back.

        Raises
        ------
        InputError
            If nothing was heard.
        """
        if not self.n_heard:
            raise InputError("{name} must hold sound, and holds 0 samples: record something.", name=self.name)
        if not self.ended:
            self.grow(self.resample(np.zeros(0, np.float32), True))
            self.ended = True
        return self.so_far()
