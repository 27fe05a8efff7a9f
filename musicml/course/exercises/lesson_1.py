"""The exercises of lesson 1: sound and pictures as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from musicml.course.checking import Exercise, Mistake, call_for_number, is_near, is_set, is_text, read_set
from musicml.utils import Message

PHONE_NUMBER = "284376"
KEYPAD = ("123", "456", "789")
# sounds on which RMS, peak and mean differ: a sine, a ramp that is not centered, noise
SOUNDS = (
    0.5 * np.sin(np.linspace(0, 20 * np.pi, 1_000, endpoint=False)),
    np.linspace(-1.0, 0.5, 301),
    np.random.default_rng(0).uniform(-0.1, 0.1, 500),
)


def _compute_level(y: np.ndarray) -> float:
    """Compute the level of the root mean square in dB."""
    return float(20 * np.log10(np.sqrt(np.mean(y**2))))


def _compute_levels(answer: Callable[[np.ndarray], Any]) -> list[float]:
    """Compute the level of each test sound with a student's function."""
    return [call_for_number(answer, y.copy()) for y in SOUNDS]


def _match_function(compute: Callable[[np.ndarray], float]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that returns what `compute` returns, to one decimal."""

    def is_same(answer: Any) -> bool:
        """Return whether the answer equals the expected one."""
        if not callable(answer):
            raise TypeError("not a function")
        return all(abs(value - compute(y)) <= 0.06 for value, y in zip(_compute_levels(answer), SOUNDS, strict=True))

    return is_same


def _swap_keys(change: Callable[[int, int], tuple[int, int]]) -> str:
    """Return the phone number as read by a student who mistakes the key in one row and column for another."""
    places = [
        next((r, c) for r, keys in enumerate(KEYPAD) for c, key in enumerate(keys) if key == digit)
        for digit in PHONE_NUMBER
    ]
    return "".join(KEYPAD[row][column] for row, column in (change(*place) for place in places))


def _read_digits(answer: Any) -> str:
    """Return the digits of an answer as text, without what separates them in a text or a list."""
    text = "".join(character for character in str(answer) if character not in " -.,'[]()")
    if not text.isdigit():
        raise ValueError("not a phone number")
    return text


def _is_number(text: str) -> Callable[[Any], bool]:
    return lambda answer: _read_digits(answer) == text


def _is_shape(*shapes: tuple[int, ...]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is one of these shapes, as tuple or list."""

    def is_same(answer: Any) -> bool:
        """Return whether the answer equals the expected one."""
        if isinstance(answer, str):
            raise TypeError("a text, not a shape")
        return tuple(int(size) for size in answer) in shapes

    return is_same


EXERCISES = {
    "1.1": Exercise(
        expected=Message("a number of megabytes"),
        is_right=is_near(10.584),
        mistakes=(
            Mistake(
                is_near(5.292),
                Message("That is half of it. Are there two channels in your product, and two bytes for each sample?"),
            ),
            Mistake(is_near(2.646), Message("That is one channel with one byte per sample. A CD has more of both.")),
            Mistake(
                lambda answer: is_near(84.672)(answer) or is_near(42.336)(answer),
                Message("You counted bits. A byte has eight of them."),
            ),
            Mistake(is_near(0.1764), Message("That is one second of the CD. How many seconds has a minute?")),
            Mistake(is_near(10_584_000), Message("That is the number of bytes. The question asks for megabytes.")),
            Mistake(
                lambda answer: float(answer) in (10, 11), Message("That is rounded too far. Give at least one decimal.")
            ),
            Mistake(is_near(10.0937), Message("Your megabyte has 1,048,576 bytes. Here it has 1,000,000.")),
        ),
        hint=Message(
            "Multiply: samples per second, seconds, channels, bytes per sample. Then convert bytes to megabytes."
        ),
    ),
    "1.2": Exercise(
        expected=Message("a function of an array that returns one number"),
        is_right=_match_function(_compute_level),
        mistakes=(
            Mistake(
                _match_function(lambda y: 10 * np.log10(np.sqrt(np.mean(y**2)))),
                Message("Your levels are half of what they should be. Is RMS an amplitude or a power?"),
            ),
            Mistake(
                _match_function(lambda y: 20 * np.log10(np.mean(y**2))),
                Message("Your levels are twice what they should be. The R of RMS is missing."),
            ),
            Mistake(
                _match_function(lambda y: 10 * np.log10(np.sum(y**2))),
                Message("You added the squares. A longer sound would then have a higher level: take their mean."),
            ),
            Mistake(
                _match_function(lambda y: 20 * np.log10(np.abs(y).max())),
                Message("You took the largest sample. One loud click would then decide the level of the whole sound."),
            ),
            Mistake(
                _match_function(lambda y: 20 * np.log10(np.mean(np.abs(y)))),
                Message(
                    "You took the mean of the absolute values. Square the samples instead, and take the root later."
                ),
            ),
            Mistake(
                _match_function(lambda y: 20 * np.log(np.sqrt(np.mean(y**2)))),
                Message("`np.log` is the natural logarithm. Decibels use the logarithm to the base of ten."),
            ),
            Mistake(
                _match_function(lambda y: np.sqrt(np.mean(y**2))),
                Message("That is the RMS itself. It has no logarithm yet, so it is not in decibels."),
            ),
            Mistake(
                _match_function(lambda y: 20 * np.log10(np.std(y))),
                Message("`np.std` subtracts the mean first. Use the samples as they are."),
            ),
            Mistake(
                lambda answer: len(set(_compute_levels(answer))) == 1,
                Message("Your function returns the same level for every sound. Does it use `y`?"),
            ),
            Mistake(  # the mean of the sine is 0 apart from rounding
                lambda answer: not abs(_compute_levels(answer)[0]) < 200,
                Message(
                    "Your function finds hardly any level in a sine wave. "
                    "In a mean, samples above and below 0 cancel out: square them first."
                ),
            ),
        ),
        hint=Message("Work from the inside: `y**2`, then `np.mean`, then `np.sqrt`. The result is an amplitude."),
    ),
    "1.3": Exercise(
        expected=Message("a frequency in Hz"),
        is_right=is_near(8_100, 0.001),
        mistakes=(
            Mistake(
                lambda answer: is_near(13_950, 0.001)(abs(float(answer))),
                Message(
                    "You are halfway. This frequency is still above half of the sample rate, so it has an alias too."
                ),
            ),
            Mistake(
                is_near(-8_100, 0.001),
                Message("A tone has no negative frequency. Which positive one has the same samples?"),
            ),
            Mistake(
                is_near(2_925, 0.001),
                Message(
                    "You moved the frequency down by half of the sample rate. "
                    "But there, frequencies are mirrored, not moved."
                ),
            ),
            Mistake(
                is_near(24_975, 0.001),
                Message(
                    "You subtracted half of the sample rate. The samples stay the same only if you subtract all of it."
                ),
            ),
            Mistake(
                is_near(36_000, 0.001),
                Message("Such samples can't hold that frequency: it is above half of the sample rate."),
            ),
            Mistake(is_near(8.1, 0.001), Message("That is a number of kilohertz. The question asks for hertz.")),
            Mistake(
                is_near(11_025, 0.001),
                Message(
                    "That is the highest frequency that these samples can hold. An alias can lie anywhere below it."
                ),
            ),
        ),
        hint=Message(
            "Frequencies f, f - R and R - f have the same samples. "
            "Apply this rule, more than once if needed, until the frequency lies between 0 and R / 2."
        ),
    ),
    "1.4": Exercise(
        expected=Message("a whole number"),
        is_right=is_near(34, 0.001),
        mistakes=(
            Mistake(
                is_near(290, 0.001),
                Message("That is the sum, but it does not fit: 8 bits hold no value above 255."),
            ),
            Mistake(
                is_near(255, 0.001),
                Message("NumPy does not stop at the largest value. Think of a clock that has just passed twelve."),
            ),
            Mistake(
                is_near(35, 0.001),
                Message("Almost. How many different values do 8 bits have, if 0 is one of them?"),
            ),
            Mistake(is_near(230, 0.001), Message("The addition does change the value. Type it and see.")),
        ),
        hint=Message("Make an array of one pixel, `np.array([230], dtype=np.uint8)`, and add 60 to it."),
    ),
    "1.5": Exercise(
        expected=Message("a number of six digits as text"),
        is_right=_is_number(PHONE_NUMBER),
        mistakes=(
            Mistake(
                _is_number(_swap_keys(lambda row, column: (2 - row, column))),
                Message(
                    "You read the keypad upside down. "
                    "On a telephone, 1, 2 and 3 are in the row of the lowest frequency."
                ),
            ),
            Mistake(
                _is_number(_swap_keys(lambda row, column: (column, row))),
                Message("You exchanged rows and columns. The lower tone gives the row."),
            ),
            Mistake(
                _is_number(_swap_keys(lambda row, column: (row, 2 - column))),
                Message("The rows are right. But the highest frequency belongs to the column on the right."),
            ),
            Mistake(_is_number(PHONE_NUMBER[::-1]), Message("The digits are right, but time runs from left to right.")),
            Mistake(
                lambda answer: len(_read_digits(answer)) != len(PHONE_NUMBER),
                Message("Six keys were pressed. If you see fewer blocks, the frame is longer than a key."),
            ),
            Mistake(
                lambda answer: sum(a == b for a, b in zip(_read_digits(answer), PHONE_NUMBER, strict=True)) >= 3,
                Message(
                    "Some digits are right. Look up the others again: find the lower tone first, then the higher one."
                ),
            ),
        ),
        hint=Message(
            "The frame should be shorter than a key, 120 ms, and long enough for steps below 75 Hz. Try powers of two."
        ),
    ),
    "1.6": Exercise(
        expected=Message('"a", "b", "c" or "d"'),
        is_right=is_text("b"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message(
                    "Then the frames come in the opposite order, and each decay becomes a swell. You would see that."
                ),
            ),
            Mistake(
                is_text("c"),
                Message("Then the picture moves to the right, and every value stands in another place."),
            ),
            Mistake(
                is_text("d"),
                Message("Half of the amplitude is a quarter of the power. Every level goes down by about 6 dB."),
            ),
        ),
        hint=Message("The log-mel spectrogram drops the phase. Which of the changes affects only that?"),
    ),
    "1.7": Exercise(
        expected=Message("a set of numbers from 0 to 12"),
        is_right=is_set({0}),
        mistakes=(
            Mistake(
                is_set(range(13)),
                Message(
                    "All log-mel values change, but all by the same number of decibels. "
                    "Which wave changes when a curve is moved up or down?"
                ),
            ),
            Mistake(
                is_set(range(1, 13)),
                Message(
                    "Those belong to the waves that go up and down. A curve that is moved as a whole keeps its shape."
                ),
            ),
            Mistake(
                lambda answer: not isinstance(answer, str) and len(answer) == 0,
                Message("The log-mel values change by about 6 dB. If no coefficient changed, they could not."),
            ),
            Mistake(
                lambda answer: 0 in read_set(answer),
                Message("Not all of these change. Which of their waves move the whole curve up or down?"),
            ),
            Mistake(
                is_set({1}),
                Message("Half a wave would make the low bands and the high bands change differently. Do they?"),
            ),
            Mistake(
                is_set({12}),
                Message("That coefficient is for the finest detail that is kept. Loudness is no detail."),
            ),
        ),
        hint=Message(
            "Try it with one second of noise, `y = np.random.default_rng(0).normal(size=22_050)`. "
            "Compare `librosa.feature.mfcc(y=y, n_mfcc=13)` with the same of `y / 2`."
        ),
    ),
    "1.8": Exercise(
        expected=Message("the number of a line, from 1 to 5"),
        is_right=is_near(2, 0.001),
        mistakes=(
            Mistake(
                is_near(1, 0.001),
                Message("Decoding and resampling use only what is near in time. They do not look at the whole track."),
            ),
            Mistake(
                is_near(3, 0.001),
                Message("With `center=False`, a frame covers its own samples and nothing else."),
            ),
            Mistake(
                is_near(4, 0.001),
                Message("`ref=1.0` and `top_db=None` treat each value alone. This line is as it should be."),
            ),
            Mistake(
                is_near(5, 0.001),
                Message("This line only cuts frames that are already computed. It changes no value."),
            ),
        ),
        hint=Message(
            "For each line, ask: would the result change if the last second of the track were ten times as loud?"
        ),
    ),
    "1.9": Exercise(
        expected=Message("a tuple of whole numbers"),
        is_right=_is_shape((32, 61, 13)),
        mistakes=(
            Mistake(
                _is_shape((32, 13, 61)),
                Message(
                    "The sizes are right. But a recurrent network reads frame after frame, so which axis comes "
                    "before the other?"
                ),
            ),
            Mistake(
                _is_shape((61, 13), (13, 61)),
                Message("That is one clip. A batch has one more axis, for the examples."),
            ),
            Mistake(
                _is_shape((61, 13, 32), (61, 32, 13), (13, 61, 32), (13, 32, 61)),
                Message("The sizes are right. In Keras, the first axis of a batch counts the examples."),
            ),
            Mistake(
                _is_shape(*((32, n, 13) for n in (62, 64, 65)), *((32, 13, n) for n in (62, 64, 65))),
                Message(
                    "Your frames reach beyond the end of the clip. Without padding, the last one has to fit into it."
                ),
            ),
            Mistake(
                _is_shape((32, 60, 13), (32, 13, 60)),
                Message("You counted the hops. How many frames are there if there is no hop at all?"),
            ),
            Mistake(
                _is_shape((32, 16, 13), (32, 13, 16)),
                Message("Your frames do not overlap. A new one begins every `hop_length` samples."),
            ),
            Mistake(
                _is_shape((32, 126, 13), (32, 13, 126)),
                Message("That many frames are in the 3 seconds of the cell above. Here a clip has 1.5 seconds."),
            ),
            Mistake(
                _is_shape((32, 61, 128), (32, 128, 61)),
                Message("The frames are right. But 128 is the number of mel bands, and `genre_gru` reads MFCC."),
            ),
            Mistake(
                _is_shape((32, 33_075), (33_075, 32), (32, 33_075, 13)),
                Message("The network does not read samples. How many frames do they give?"),
            ),
        ),
        hint=Message(
            "A batch has the axes examples, frames and coefficients. "
            "Count samples first: 2,048 for the first frame, 512 for each further one."
        ),
    ),
}
