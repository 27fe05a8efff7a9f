"""Exercises of lesson 5: transfer learning with frozen and fine-tuned backbones, and their controls."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.course.checking import (
    RETURNS_NOTHING,
    Exercise,
    Mistake,
    Predicate,
    has_letters,
    is_array,
    is_between,
    is_letters,
    is_missing_return,
    is_near,
    is_text,
    read_letters,
)
from musicml.utils import Message

EPSILON = 1e-3  # of Keras's BatchNormalization
# two outputs of a layer with three channels, and the values that a frozen BatchNormalization stores per channel;
# the last variance is so small that EPSILON matters
OUTPUTS = np.array([[1.0, 20.0, -1.02], [5.0, 10.0, -0.95]])
MEAN, VARIANCE = np.array([2.0, 12.0, -1.0]), np.array([4.0, 25.0, 0.002])
GAMMA, BETA = np.array([1.5, 0.5, 2.0]), np.array([0.5, -1.0, 3.0])
PIXELS = np.array([[0, 51, 102], [128, 204, 255]], np.uint8)
DARK = PIXELS // 2  # without white
NORMALIZED = GAMMA * (OUTPUTS - MEAN) / np.sqrt(VARIANCE + EPSILON) + BETA


def _is_normalized(*arrays: np.ndarray) -> Predicate:
    """Make a predicate: the function of exercise 5.3 returns one of these arrays."""

    def is_same(answer: Any) -> bool:
        """Return whether the answer returns one of the arrays."""
        given = np.asarray(answer(OUTPUTS, MEAN, VARIANCE, GAMMA, BETA), dtype=float)
        return any(is_array(array)(given) for array in arrays)

    return is_same


def _is_scaled(scaled: np.ndarray, pixels: np.ndarray = PIXELS) -> Predicate:
    """Make a predicate: the function of exercise 5.6 returns this array for `pixels`."""
    return lambda answer: is_array(scaled)(np.asarray(answer(pixels.copy()), dtype=float))


EXERCISES: dict[str, Exercise] = {
    "5.1": Exercise(
        expected=Message("the name of a picture, such as names[0]"),
        is_right=is_text("train/trumpet/003.jpg"),
        mistakes=(
            Mistake(
                is_text("train/trombone/003.jpg"),
                Message("This is the copy among the source pictures. Give the name of the target picture."),
            ),
            Mistake(
                is_text("test/drums/1.jpg", "train/drums/002.jpg"),
                Message(
                    "These two pictures have the same class, so they are on the same side. Look for a pair with one "
                    "picture on each side."
                ),
            ),
            Mistake(
                lambda answer: isinstance(answer, str) and "/" not in answer,
                Message("This is not one of the names. Look at names[:3]: each has its folders before it."),
            ),
            Mistake(
                lambda answer: isinstance(answer, str) and answer.endswith(".jpg"),
                Message(
                    "This picture differs from all source pictures by much more than noise. Take the smallest mean "
                    "of the absolute differences, over all pairs of a target and a source picture."
                ),
            ),
        ),
        hint=Message(
            "For each target picture, compute the mean absolute difference to each source picture, and keep the "
            "smallest. np.argmin then finds the target picture that is nearest to a source picture."
        ),
    ),
    "5.2": Exercise(
        expected=Message("a number of weights"),
        is_right=is_near(768 * 30 + 30, 1e-6),
        mistakes=(
            Mistake(is_near(768 * 30, 1e-6), Message("Each class also has a bias.")),
            Mistake(
                is_near(768 + 30, 1e-6),
                Message("Every class is connected with every number of the backbone. So multiply, do not add."),
            ),
            Mistake(
                is_near(768 * 30 + 768, 1e-6),
                Message("A dense layer has one bias for each of its outputs, not for each of its inputs."),
            ),
            Mistake(
                is_near(64 * 30 + 30, 1e-6),
                Message("These are the 64 numbers of our own backbone. The exercise has another one."),
            ),
            Mistake(
                is_near(23.07, 1e-6),
                Message("Python reads a point as the decimal mark. Write large numbers without it."),
            ),
            Mistake(
                lambda answer: float(answer) > 1_000_000,
                Message("The backbone is frozen, so its own weights do not count."),
            ),
        ),
        hint=Message("A dense layer has one weight for each pair of an input and an output, and biases."),
    ),
    "5.3": Exercise(
        expected=Message("a function of outputs, mean, variance, gamma and beta that returns an array"),
        is_right=_is_normalized(NORMALIZED),
        mistakes=(
            Mistake(
                is_missing_return(OUTPUTS, MEAN, VARIANCE, GAMMA, BETA),
                RETURNS_NOTHING,
            ),
            Mistake(
                _is_normalized(
                    *(
                        GAMMA * (OUTPUTS - OUTPUTS.mean(axis=0)) / np.sqrt(OUTPUTS.var(axis=0) + epsilon) + BETA
                        for epsilon in (EPSILON, 0)
                    )
                ),
                Message(
                    "Your function uses the mean and the variance of its batch. In inference mode, the layer uses the "
                    "values that it stored during pretraining."
                ),
            ),
            Mistake(
                _is_normalized(*(GAMMA * (OUTPUTS - MEAN) / (VARIANCE + epsilon) + BETA for epsilon in (EPSILON, 0))),
                Message("Your function divides by the variance. What has the same unit as the outputs?"),
            ),
            Mistake(
                _is_normalized(*((OUTPUTS - MEAN) / np.sqrt(VARIANCE + epsilon) for epsilon in (EPSILON, 0))),
                Message("The scale gamma and the offset beta are missing. They were learned in pretraining, too."),
            ),
            Mistake(
                _is_normalized(
                    GAMMA * ((OUTPUTS - MEAN) / np.sqrt(VARIANCE + EPSILON) + BETA),
                    (GAMMA + BETA) * (OUTPUTS - MEAN) / np.sqrt(VARIANCE + EPSILON),
                ),
                Message("The offset beta comes last: it is added, and not multiplied by anything."),
            ),
            Mistake(
                _is_normalized(GAMMA * (OUTPUTS - MEAN) / np.sqrt(VARIANCE) + BETA),
                Message("The 0.001 is missing. Without it, a channel that never varies would be divided by zero."),
            ),
            Mistake(
                _is_normalized(GAMMA * (OUTPUTS - MEAN) / (np.sqrt(VARIANCE) + EPSILON) + BETA),
                Message("You add 0.001 to the standard deviation. To what does Keras add it?"),
            ),
        ),
        hint=Message(
            "Standardize each channel as StandardScaler does, but with the stored values. Then scale and shift the "
            "result by what was learned."
        ),
    ),
    "5.4": Exercise(
        expected=Message("a number: how many times fewer pictures"),
        is_right=is_near(10.0, 1e-6),
        mistakes=(
            Mistake(
                is_near(30.0, 1e-6),
                Message("The backbone does not read each picture once: there are augmented views as well."),
            ),
            Mistake(
                is_near(15.0, 1e-6),
                Message("The views come in addition to the picture itself. How many versions does the backbone read?"),
            ),
            Mistake(
                is_near(0.1, 1e-6),
                Message("This is the ratio the other way round. The answer is larger than 1."),
            ),
            Mistake(
                lambda answer: float(answer) in (27, 90),
                Message("How many times fewer is a ratio: divide one number of pictures by the other."),
            ),
        ),
        hint=Message(
            "Count how many pictures the backbone reads with the cache, and how many without. The number of training "
            "pictures cancels."
        ),
    ),
    "5.5": Exercise(
        expected=Message('the letter of a sentence, such as "a"'),
        is_right=is_text("c"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message(
                    "Training the new head first is meant: its random weights would send large gradients into the "
                    "backbone. Something after that is wrong."
                ),
            ),
            Mistake(
                is_text("b"),
                Message(
                    "With training=False, the normalization keeps the statistics of pretraining. This is meant, also "
                    "while other weights change."
                ),
            ),
            Mistake(
                is_text("d"),
                Message("The same head goes on learning. Its weights are already good, so it is not replaced."),
            ),
        ),
        hint=Message(
            "Compare these lines with test_fine_tuned above. There, what else happens after backbone.trainable = True, "
            "before the training goes on? Look into fit as well."
        ),
    ),
    "5.6": Exercise(
        expected=Message("a function that takes an array of uint8 and returns an array from -1 to 1"),
        is_right=lambda answer: _is_scaled(PIXELS / 127.5 - 1)(answer) and _is_scaled(DARK / 127.5 - 1, DARK)(answer),
        mistakes=(
            Mistake(
                is_missing_return(PIXELS),
                RETURNS_NOTHING,
            ),
            Mistake(
                _is_scaled(PIXELS / 127.5 - 1),
                Message(
                    "This is right for a picture with black and white in it. A darker picture must not become "
                    "brighter: use the fixed range from 0 to 255."
                ),
            ),
            Mistake(
                _is_scaled(PIXELS / 255),
                Message("Your values go from 0 to 1. This network was pretrained with black at -1."),
            ),
            Mistake(
                _is_scaled(PIXELS / 127.5),
                Message("Your values have the right spread, but black is still at 0."),
            ),
            Mistake(
                _is_scaled(PIXELS / 255 - 0.5),
                Message("Zero is in the right place, but the values only span half of the range."),
            ),
            Mistake(
                _is_scaled(1 - PIXELS / 127.5),
                Message("Black and white have changed places."),
            ),
            Mistake(
                _is_scaled(PIXELS / 128 - 1),
                Message("This is nearly right. Which values do 0 and 255 get?"),
            ),
            Mistake(
                lambda answer: any(is_array(PIXELS / half - 1)(answer(PIXELS.astype(float))) for half in (127.5, 128)),
                Message("The numbers wrap around: 2 * 200 is 144 as uint8. Convert to floating-point numbers first."),
            ),
            Mistake(
                lambda answer: not np.issubdtype(np.asarray(answer(PIXELS.copy())).dtype, np.floating),
                Message("Your array has whole numbers. Compute with floating-point numbers."),
            ),
        ),
        hint=Message("Find the straight line that maps 0 to -1 and 255 to 1."),
    ),
    "5.7": Exercise(
        expected=Message("a difference of two accuracies, between -1 and 1"),
        is_right=is_near(0.707 - 0.335, 0.01),
        mistakes=(
            Mistake(
                is_near(0.707 - 0.456, 0.005),
                Message(
                    "This compares musicnn with another method, so everything differs, not only the weights. Choose "
                    "the row with the same architecture."
                ),
            ),
            Mistake(
                is_near(0.707 - 0.1, 0.005),
                Message(
                    "Random guessing is not the control: even random filters with a trained head do better than that."
                ),
            ),
            Mistake(
                is_near(0.335 - 0.707, 0.005),
                Message("The sign is turned round. Subtract the control from the pretrained network."),
            ),
            Mistake(
                is_near(0.456 - 0.335, 0.005),
                Message("Neither of these two rows uses pretrained weights."),
            ),
            Mistake(
                is_near(0.669 - 0.335, 0.01),
                Message(
                    "0.669 is the fairer number, but the exercise asks about the table. Take both numbers from there."
                ),
            ),
            Mistake(
                lambda answer: any(is_near(ratio, 0.01)(answer) for ratio in (0.707 / 0.335, 0.372 / 0.335)),
                Message("This is a ratio. A difference says how many more of all clips are right."),
            ),
            Mistake(
                is_between(30, 40),
                Message("Give the difference of the accuracies as they are in the table, not in percentage points."),
            ),
        ),
        hint=Message(
            "The control differs from the pretrained network in its weights only. Find these two rows, and compare "
            "their accuracies."
        ),
    ),
    "5.8": Exercise(
        expected=Message('the letter of a sentence, such as "a"'),
        is_right=is_text("b"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message("The interval of this difference contains 0. So the sign of the difference is not certain."),
            ),
            Mistake(
                is_text("c"),
                Message(
                    "That a difference was not shown does not mean that there is none. Look how large it could be "
                    "according to the interval."
                ),
            ),
            Mistake(
                is_text("d"),
                Message("The control answers this question, and the interval of that difference does not contain 0."),
            ),
        ),
        hint=Message(
            "Each of the two rows answers another question. Does its interval contain 0? If so, nothing is decided."
        ),
    ),
    "5.9": Exercise(
        expected=Message("a set of letters"),
        is_right=is_letters("abd"),
        mistakes=(
            Mistake(
                has_letters("c"),
                Message(
                    "Learning from other music is what pretraining is for. As long as the songs and the artists are "
                    "others, the test stays fair."
                ),
            ),
            Mistake(
                has_letters("e"),
                Message("The control needs the same test songs, so that only the weights differ."),
            ),
            Mistake(
                is_letters("ab"),
                Message("One more case is missing. What was chosen by looking at the test set?"),
            ),
            Mistake(
                is_letters("ad"),
                Message("One more case is missing. Remember that songs of one artist sound alike."),
            ),
            Mistake(
                is_letters("bd"),
                Message("One more case is missing. Think of songs that the backbone knows by heart."),
            ),
            Mistake(
                lambda answer: len(read_letters(answer)) == 1 and read_letters(answer) < set("abd"),
                Message("This case is one of them, but there are more."),
            ),
        ),
        hint=Message(
            "Imagine that new songs by new artists arrive, and the same model is tested on them. In which cases does "
            "it lose an advantage that it had on your test songs?"
        ),
    ),
}
