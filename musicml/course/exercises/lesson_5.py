"""Exercises of lesson 5: transfer learning with frozen and fine-tuned backbones, and their controls."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.course.checking import Exercise, Mistake, is_array, is_near, is_set, is_text
from musicml.utils import Message

EPSILON = 1e-3  # of Keras's BatchNormalization
# two outputs of a layer with three channels, and the values that a frozen BatchNormalization stores per channel
OUTPUTS = np.array([[1.0, 20.0, -3.0], [5.0, 10.0, 4.0]])
MEAN, VARIANCE = np.array([2.0, 12.0, -1.0]), np.array([4.0, 25.0, 9.0])
GAMMA, BETA = np.array([1.5, 0.5, 2.0]), np.array([0.5, -1.0, 3.0])
PIXELS = np.array([[0, 51, 102], [128, 204, 255]], np.uint8)


def _normalize(outputs: Any, mean: Any, variance: Any) -> np.ndarray:
    return GAMMA * (outputs - mean) / np.sqrt(variance + EPSILON) + BETA


def _apply_normalization(answer: Any) -> np.ndarray:
    return np.asarray(answer(OUTPUTS, MEAN, VARIANCE, GAMMA, BETA), dtype=float)


def _apply_scaling(answer: Any) -> np.ndarray:
    return np.asarray(answer(PIXELS.copy()), dtype=float)


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
                lambda answer: float(answer) > 1_000_000,
                Message("The backbone is frozen, so its own weights do not count."),
            ),
        ),
        hint=Message("A dense layer has one weight for each pair of an input and an output, and biases."),
    ),
    "5.3": Exercise(
        expected=Message("a function of outputs, mean, variance, gamma and beta that returns an array"),
        is_right=lambda answer: is_array(_normalize(OUTPUTS, MEAN, VARIANCE))(_apply_normalization(answer)),
        mistakes=(
            Mistake(
                lambda answer: is_array(_normalize(OUTPUTS, OUTPUTS.mean(axis=0), OUTPUTS.var(axis=0)))(
                    _apply_normalization(answer)
                ),
                Message(
                    "Your function uses the mean and the variance of its batch. In inference mode, the layer uses the "
                    "values that it stored during pretraining."
                ),
            ),
            Mistake(
                lambda answer: is_array(GAMMA * (OUTPUTS - MEAN) / (VARIANCE + EPSILON) + BETA, 5e-3)(
                    _apply_normalization(answer)
                ),
                Message("Your function divides by the variance. What has the same unit as the outputs?"),
            ),
            Mistake(
                lambda answer: is_array((OUTPUTS - MEAN) / np.sqrt(VARIANCE + EPSILON), 5e-3)(
                    _apply_normalization(answer)
                ),
                Message("The scale gamma and the offset beta are missing. They were learned in pretraining, too."),
            ),
        ),
        hint=Message(
            "Make the stored mean 0 and the stored standard deviation 1, channel by channel. Then multiply by gamma "
            "and add beta."
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
        hint=Message("When does Keras read the attribute trainable, and at which learning rate does line 7 train?"),
    ),
    "5.6": Exercise(
        expected=Message("a function that takes an array of uint8 and returns an array from -1 to 1"),
        is_right=lambda answer: is_array(PIXELS / 127.5 - 1)(_apply_scaling(answer)),
        mistakes=(
            Mistake(
                lambda answer: is_array(PIXELS / 255)(_apply_scaling(answer)),
                Message("Your values go from 0 to 1. This network was pretrained with black at -1."),
            ),
            Mistake(
                lambda answer: is_array(PIXELS / 127.5)(_apply_scaling(answer)),
                Message("Your values have the right spread, but black is still at 0."),
            ),
            Mistake(
                lambda answer: is_array(PIXELS / 255 - 0.5)(_apply_scaling(answer)),
                Message("Zero is in the right place, but the values only span half of the range."),
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
        is_right=is_near(0.707 - 0.335, 0.005),
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
        ),
        hint=Message("Which two rows have the same architecture and the same data?"),
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
        expected=Message('several letters, such as {{"a", "b"}}'),
        is_right=is_set("abd"),
        mistakes=(
            Mistake(
                lambda answer: not isinstance(answer, str) and "c" in answer,
                Message(
                    "Learning from other music is what pretraining is for. As long as the songs and the artists are "
                    "others, the test stays fair."
                ),
            ),
            Mistake(
                lambda answer: not isinstance(answer, str) and "e" in answer,
                Message("The control needs the same test songs, so that only the weights differ."),
            ),
            Mistake(
                is_set("ab"),
                Message("One more case is missing. What was chosen by looking at the test set?"),
            ),
            Mistake(
                is_set("ad"),
                Message("One more case is missing. Remember that songs of one artist sound alike."),
            ),
            Mistake(
                is_set("bd"),
                Message("One more case is missing. Think of songs that the backbone knows by heart."),
            ),
        ),
        hint=Message(
            "In each case ask: does something about these test songs get into the model, which it would not have for "
            "new songs by new artists?"
        ),
    ),
}
