"""The exercises of lesson 4, recurrent networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from musicml.course.checking import RETURNS_NOTHING, Exercise, Mistake, is_between, is_near, is_text
from musicml.utils import Message

N_FRAMES, N_FEATURES, N_UNITS = 7, 4, 3  # of the sequence with which `run_rnn` is tested
TRAIN, TEST = ["a", "a", "b", "c", "f"], ["a", "a", "b", "d"]  # one artist per track
SECONDS_PER_FRAME = 512 / 22_050


def run_rnn(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return all states of a simple recurrent layer, [shape=(n_frames, n_units)]."""
    h, states = np.zeros(len(b)), []
    for frame in x:
        h = np.tanh(frame @ W + h @ U + b)
        states.append(h)
    return np.array(states)


def find_share_of_known_artists(train: list[str], test: list[str]) -> float:
    """Return the share of the test tracks whose artist has a track in the training set."""
    return float(np.mean([artist in set(train) for artist in test]))


def _draw_layer() -> tuple[np.ndarray, ...]:
    """Draw a sequence and weights with which a student's function is tested."""
    rng = np.random.default_rng(0)
    shapes = (N_FRAMES, N_FEATURES), (N_FEATURES, N_UNITS), (N_UNITS, N_UNITS), (N_UNITS,)
    return tuple(rng.normal(size=shape) for shape in shapes)


def _make_states_test(make_states: Callable[..., np.ndarray]) -> Callable[[Any], bool]:
    """Make a predicate: a student's function returns the same states as `make_states`."""

    def is_same(answer: Any) -> bool:
        """Return whether the answer equals the expected one."""
        layer = _draw_layer()
        target, given = make_states(*layer), np.asarray(answer(*(value.copy() for value in layer)), dtype=float)
        return given.shape == target.shape and bool(np.allclose(given, target, atol=1e-6))

    return is_same


def _run_without_past(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.tanh(x @ W + b)


def _run_without_tanh(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    h, states = np.zeros(len(b)), []
    for frame in x:
        h = frame @ W + h @ U + b
        states.append(h)
    return np.array(states)


def _run_transposed(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    return run_rnn(x, W, U.T, b)


def _run_to_last(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    return run_rnn(x, W, U, b)[-1]


def _run_without_first(x: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.vstack([0 * b, run_rnn(x[1:], W, U, b)])


def _make_share_test(train: list[str], test: list[str], value: float) -> Callable[[Any], bool]:
    """Make a predicate: a student's function returns `value` for these artists."""

    def is_same(answer: Any) -> bool:
        """Return whether the answer equals the expected one."""
        share = answer(list(train), list(test))
        return share is not None and abs(float(share) - value) < 1e-6

    return is_same


def _read_letters(answer: Any) -> str:
    """Return the letters of an answer without case, spaces and commas: a text, or a list of texts."""
    return "".join(answer).casefold().replace(",", "").replace(" ", "")


EXERCISES: dict[str, Exercise] = {
    "4.1": Exercise(
        expected=Message("a number of frames"),
        is_right=is_near(61, 1e-6),
        mistakes=(
            Mistake(
                is_near(60, 1e-6),
                Message("You counted the steps between frames. Before the first step there is a frame already."),
            ),
            Mistake(
                is_between(64, 66),
                Message(
                    "You let a frame begin at every hop up to the end of the clip. A frame that begins near the end "
                    "does not fit: subtract its length first."
                ),
            ),
            Mistake(
                is_between(16, 17.5),
                Message("You laid the frames end to end. They overlap: the next one begins one hop later."),
            ),
            Mistake(
                is_between(60.01, 62),
                Message("Only whole frames count. Round down before you add the first frame."),
            ),
        ),
        hint=Message(
            "How many samples does the clip have? The last frame must begin at least N_FFT samples before the end. "
            "Count the hops up to there, and do not forget the frame at sample 0."
        ),
    ),
    "4.2": Exercise(
        expected=Message("a function of x, W, U and b that returns an array (frames, units)"),
        is_right=_make_states_test(run_rnn),
        mistakes=(
            Mistake(lambda answer: answer(*_draw_layer()) is None, RETURNS_NOTHING),
            Mistake(
                _make_states_test(_run_without_past),
                Message("Your states depend on their own frame only. The old state has to enter each step."),
            ),
            Mistake(
                _make_states_test(_run_without_tanh),
                Message("Your states are not bounded. Something squashes each new state to between -1 and 1."),
            ),
            Mistake(
                _make_states_test(_run_transposed),
                Message("The recurrent matrix is used the wrong way round. Multiply from the left: h @ U."),
            ),
            Mistake(
                _make_states_test(_run_to_last),
                Message("You return one state only. Collect the state of every frame in a list."),
            ),
            Mistake(
                _make_states_test(lambda x, W, U, b: run_rnn(x, W, U, 0 * b)),
                Message("Your states do not depend on b. Compare your formula with the one above."),
            ),
            Mistake(
                _make_states_test(_run_without_first),
                Message("You left out the first frame. It also has a step, which starts from the state of zeros."),
            ),
            Mistake(
                lambda answer: len(answer(*_draw_layer())) == N_FRAMES + 1,
                Message("You return one state too many. The state of zeros comes before the first frame."),
            ),
            Mistake(
                _make_states_test(lambda x, W, U, b: run_rnn(x, W, U, b).T),
                Message("Your array has one column per frame. It should have one row per frame."),
            ),
        ),
        hint=Message(
            "Begin with a state of zeros, one per unit. Loop over the frames, compute the new state by the formula "
            "above with @ for the products, and append it to a list."
        ),
    ),
    "4.3": Exercise(
        expected=Message("a number of seconds"),
        is_right=is_between(1.01, 1.03),
        mistakes=(
            Mistake(
                is_between(43, 45),
                Message("That is a number of frames. How long does one step from frame to frame last?"),
            ),
            Mistake(
                is_between(0.99, 1.0),
                Message("That is one frame too few: a little more than 1% is left then."),
            ),
            Mistake(
                is_between(1.08, 1.12),
                Message("You counted the sound in the frames. Here only steps count, and each is one hop long."),
            ),
            Mistake(
                is_between(0.5, 0.55),
                Message("You stopped at 10%. The question is about one part in a hundred."),
            ),
            Mistake(
                is_between(4.0, 4.18),
                Message("You took the length of a frame. The next frame begins one hop later, not one frame later."),
            ),
            Mistake(
                is_between(0.2, 0.26),
                Message("You took 10% off the start at every frame. Each frame takes 10% of what is left."),
            ),
        ),
        hint=Message(
            "Find the smallest whole number of frames n with 0.9 ** n < 0.01. A loop does it, or a logarithm. "
            "Then turn frames into seconds."
        ),
    ),
    "4.4": Exercise(
        expected=Message("the number of a line, from 1 to 6"),
        is_right=is_near(5, 1e-6),
        mistakes=(
            Mistake(
                lambda answer: float(answer) in (1, 2, 3),
                Message("A gate is a share between 0 and 1. Which function gives such shares? So this line is right."),
            ),
            Mistake(
                is_near(4, 1e-6),
                Message(
                    "The candidate is new content, and may be negative. So tanh is right here. And the input gate "
                    "is shut in this test, so the candidate cannot change the memory."
                ),
            ),
            Mistake(
                is_near(6, 1e-6),
                Message("This line decides what the layer shows. It changes the state h, and the picture shows c."),
            ),
        ),
        hint=Message(
            "The input gate is shut, so nothing is added. Compute the new c by hand from c = 1. Which operation "
            "still shrinks it, though the forget gate is open?"
        ),
    ),
    "4.5": Exercise(
        expected=Message("a text of four letters from i, f and o"),
        is_right=lambda answer: _read_letters(answer) == "iiof",
        mistakes=(
            Mistake(
                lambda answer: not set(_read_letters(answer)) <= set("ifo") or len(_read_letters(answer)) != 4,
                Message("Write four letters, one per event, each of them i, f or o."),
            ),
            Mistake(
                lambda answer: _read_letters(answer) == "ooif",
                Message(
                    "You took input for output. The input gate changes the cell. The output gate leaves it as it is "
                    "and lets the state show it."
                ),
            ),
            Mistake(
                lambda answer: _read_letters(answer) == "ffoi",
                Message("You took input for forget. Which of the two makes the cell grow, and which empties it?"),
            ),
            Mistake(
                lambda answer: _read_letters(answer)[2] != "o",
                Message("At one event the state leaves zero and returns. Which gate lets the memory be seen?"),
            ),
            Mistake(
                lambda answer: _read_letters(answer)[3] != "f",
                Message("Look at the cell at the end: what makes it fall to zero at once?"),
            ),
            Mistake(
                lambda answer: _read_letters(answer)[:2] != "ii",
                Message("Look at the cell at the first two events. Which gate lets new content in?"),
            ),
        ),
        hint=Message(
            "Go from event to event, and look at both curves before and after it. If the cell rises, something was "
            "written. If it falls to zero, it was forgotten. If only the state moves, the cell was shown."
        ),
    ),
    "4.6": Exercise(
        expected=Message("a number of units"),
        is_right=is_near(27, 1e-6),
        mistakes=(
            Mistake(
                is_between(27.01, 28),
                Message("That LSTM has a few parameters more than the GRU. Units are whole: which way do you round?"),
            ),
            Mistake(
                is_near(32, 1e-6),
                Message("Equally many units do not have equally many parameters: an LSTM has one more block."),
            ),
            Mistake(
                is_near(24, 1e-6),
                Message(
                    "Three quarters of the units is too few. The largest part of the parameters grows with the square "
                    "of the units, so the width shrinks less than the number of blocks grows."
                ),
            ),
            Mistake(
                is_between(1, 26.99),
                Message("An LSTM with more units still has no more parameters than the GRU."),
            ),
            Mistake(
                is_between(1000, 10_000),
                Message("That is a number of parameters. The question is about units."),
            ),
        ),
        hint=Message(
            "Compute the GRU's parameters with the formula. Then try numbers of units in the LSTM's formula, and keep "
            "the largest that does not exceed it."
        ),
    ),
    "4.7": Exercise(
        expected=Message('"a", "b" or "c"'),
        is_right=is_text("b"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message("Swap the two tones of an example in time. Does its mean change? What can the network know?"),
            ),
            Mistake(
                is_text("c"),
                Message("A network that is always wrong knows the answer: one would only have to turn it around."),
            ),
        ),
        hint=Message("Take an example and its twin, in which the two tones have changed places. Compare their means."),
    ),
    "4.8": Exercise(
        expected=Message("a function of two lists of artists that returns a number from 0 to 1"),
        is_right=lambda answer: all(
            predicate(answer)
            for predicate in (
                _make_share_test(TRAIN, TEST, 0.75),
                _make_share_test(["a", "b"], ["c", "d"], 0.0),
                _make_share_test(["x", "y", "y"], ["y", "x", "x"], 1.0),
            )
        ),
        mistakes=(
            Mistake(lambda answer: answer(TRAIN[:], TEST[:]) is None, RETURNS_NOTHING),
            Mistake(
                _make_share_test(TRAIN, TEST, 75),
                Message("Give a share from 0 to 1 and not a percentage."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 0.5),
                Message("A set has each artist only once. Go through all test tracks instead."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 1.25),
                Message("You count pairs of tracks. A test track counts once, however many training tracks match it."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 2 / 3),
                Message("You count artists, each once. Count tracks: an artist with two test tracks counts twice."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 3 / 5),
                Message("You divide by, or count, the training tracks. The share is one of the test tracks."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 3),
                Message("That is a number of tracks. Divide it to get a share."),
            ),
            Mistake(
                _make_share_test(TRAIN, TEST, 0.25),
                Message("That is the share of tracks whose artist is new. The question is about the others."),
            ),
        ),
        hint=Message(
            "Go through the test tracks, one by one. Is the artist in the set of training artists? The mean of "
            "these true and false values is a share."
        ),
    ),
    "4.9": Exercise(
        expected=Message("a number from 0 to 1"),
        is_right=is_near(0.4375, 0.012),
        mistakes=(
            Mistake(
                is_between(0.385, 0.392),
                Message("You compared with zero. A network that guesses is right at times, too: begin there."),
            ),
            Mistake(
                is_near(0.35, 1e-3),
                Message("That is the difference of the two accuracies. Relate it to the advantage over guessing."),
            ),
            Mistake(
                is_near(0.5625, 0.012),
                Message("That is the part of the advantage that remains. The question is about the part it loses."),
            ),
            Mistake(
                lambda answer: 30 < float(answer) < 100,
                Message("Give a share from 0 to 1 and not a percentage."),
            ),
        ),
        hint=Message(
            "What accuracy does guessing have with ten equally frequent genres? Subtract it from both accuracies first."
        ),
    ),
}
