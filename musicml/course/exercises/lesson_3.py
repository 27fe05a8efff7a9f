"""Exercises of lesson 3: a convolutional network on spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from musicml.course.checking import RETURNS_NOTHING, Exercise, Mistake, is_near, is_set, is_text
from musicml.utils import Message

SAMPLE_RATE = 22_050
N_FFT = 2048
HOP_LENGTH = 512

# kernel height, kernel width, input channels, filters, bias
LAYERS = ((3, 3, 1, 16, True), (3, 3, 16, 32, False), (5, 2, 4, 7, True))
# odd sizes, negative values, and no block whose largest value is always in the same corner
MAPS = (
    np.array([[1.0, 5.0, 2.0], [7.0, 3.0, 9.0], [4.0, 8.0, 6.0]]),
    np.array([[-4.0, -1.0, 0.0, 2.0], [-3.0, -2.0, 6.0, 1.0], [5.0, 0.5, -7.0, -8.0], [3.0, 4.0, -6.0, -9.0]]),
)


def _count_parameters(height: int, width: int, channels: int, filters: int, use_bias: bool) -> int:
    """Count the parameters of a convolutional layer."""
    return height * width * channels * filters + (filters if use_bias else 0)


def _match_counts(count: Callable[..., int]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that returns the same numbers as `count` for all layers."""
    return lambda answer: [answer(*layer) for layer in LAYERS] == [count(*layer) for layer in LAYERS]


def _pool(x: np.ndarray, reduce: Callable[..., Any] = np.max) -> np.ndarray:
    """Reduce each block of 2 by 2 values to one value."""
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    return reduce(x[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2), axis=(1, 3))


def _pool_padded(x: np.ndarray) -> np.ndarray:
    """Pool as `_pool`, but keep the odd last row and column."""
    padding = [(0, size % 2) for size in x.shape]
    return _pool(np.pad(x, padding, constant_values=-np.inf))


def _pool_with_stride_1(x: np.ndarray) -> np.ndarray:
    """Pool into an array of the right shape, but from blocks that begin at neighboring values."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2)).max(axis=(2, 3))
    return windows[: x.shape[0] // 2, : x.shape[1] // 2]


def _match_maps(pool: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that returns the same arrays as `pool` for all maps."""

    def is_equal(answer: Any) -> bool:
        """Return whether the answer equals the expected one."""
        pairs = [(np.asarray(answer(x.copy()), dtype=float), pool(x)) for x in MAPS]
        return all(given.shape == target.shape and np.allclose(given, target) for given, target in pairs)

    return is_equal


def _is_shape(*sizes: float) -> Callable[[Any], bool]:
    """Make a predicate: the answer has these numbers in this order, as a tuple, a list or an array."""

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        if isinstance(answer, str | set):
            raise TypeError("without an order")
        return tuple(float(size) for size in answer) == sizes

    return is_right


def _has_values(*values: float) -> Callable[[Any], bool]:
    """Make a predicate: the answer has exactly these values, rounded to two decimals, in any order."""
    target = is_set(values)

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        if isinstance(answer, str):
            raise TypeError("a text, not several values")
        return target({round(float(value), 2) for value in answer})

    return is_right


def _is_table(table: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a dictionary with exactly these items."""

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        if not isinstance(answer, Mapping):
            raise TypeError("not a dictionary")
        return dict(answer) == dict(table)

    return is_right


EXERCISES = {
    "3.1": Exercise(
        expected=Message("a number"),
        is_right=is_near(5, 0.001),
        mistakes=(
            Mistake(
                is_near(0),
                Message(
                    "You turned the kernel around before you multiplied. That is the convolution of mathematics, and "
                    "the layers of deep learning leave the kernel as it is."
                ),
            ),
            Mistake(
                is_near(-5, 0.001),
                Message("You subtracted the right column from the left one. Which column has the minus signs?"),
            ),
            Mistake(
                is_near(13, 0.001),
                Message("You added everything as if no weight were negative. A negative weight subtracts its value."),
            ),
            Mistake(
                is_near(5 / 9, 0.01),
                Message("You divided by the number of values. A convolution adds the products and takes no mean."),
            ),
            Mistake(
                is_near(1, 0.001),
                Message("You forgot that the weights of the last row are twice as large as those above."),
            ),
            Mistake(
                is_near(-3, 0.001),
                Message("You left out the last row of the kernel."),
            ),
        ),
        hint=Message("Multiply each value by the weight at the same place. Then add the nine products."),
    ),
    "3.2": Exercise(
        expected=Message('one of "a", "b", "c", "d"'),
        is_right=is_text("a"),
        mistakes=(
            Mistake(
                is_text("b"),
                Message(
                    "This kernel subtracts neighboring mel bands of the same frame. A drum hit makes both louder, so "
                    "they cancel out. Which axis is time?"
                ),
            ),
            Mistake(
                is_text("c"),
                Message(
                    "This kernel takes a mean. It also responds to a loud sound that does not change at all, so it "
                    "does not detect a start."
                ),
            ),
            Mistake(
                is_text("d"),
                Message(
                    "This kernel subtracts the later frames from the earlier ones. It responds when a sound ends, and "
                    "ReLU removes its response to a start."
                ),
            ),
        ),
        hint=Message(
            "Before a drum hit it is quiet, and after it loud, in all mel bands. Rows are frames, so the earlier frame "
            "is above. Which weights give a large positive sum there?"
        ),
    ),
    "3.3": Exercise(
        expected=Message("a shape of three numbers: frames, mel bands, channels"),
        is_right=_is_shape(28, 30, 8),
        mistakes=(
            Mistake(
                _is_shape(30, 32, 8),
                Message('You kept the size in the convolution, which only padding="same" does.'),
            ),
            Mistake(
                _is_shape(29, 30, 8),
                Message("You rounded up. Pooling drops a last row that has no partner."),
            ),
            Mistake(
                _is_shape(28.5, 30, 8),
                Message("A map has whole rows only. Pooling drops a last row that has no partner."),
            ),
            Mistake(
                _is_shape(57, 60, 8),
                Message("This is the shape after the convolution. Pooling still follows."),
            ),
            Mistake(
                lambda answer: tuple(answer)[:2] == (28, 30),
                Message("The first two numbers are right. How many feature maps does the layer give?"),
            ),
            Mistake(
                lambda answer: sorted(answer) == [8, 28, 30],
                Message("The three numbers are right, but not their order: frames, mel bands, channels."),
            ),
            Mistake(
                _is_shape(29, 31, 8),
                Message("You computed with a kernel of 3 values. How many has this one?"),
            ),
        ),
        hint=Message(
            'A kernel of k values fits into n values in n - k + 1 places (padding "valid"). Then halve and round down. '
            "The last number counts feature maps."
        ),
    ),
    "3.4": Exercise(
        expected=Message("a function of kernel height, kernel width, input channels, filters and use_bias"),
        is_right=_match_counts(_count_parameters),
        mistakes=(
            Mistake(lambda answer: answer(*LAYERS[0]) is None, RETURNS_NOTHING),
            Mistake(
                _match_counts(lambda height, width, channels, filters, use_bias: height * width * channels * filters),
                Message("The weights are right, but a bias is a parameter too, if the layer has it."),
            ),
            Mistake(
                _match_counts(
                    lambda height, width, channels, filters, use_bias: (height * width * channels + 1) * filters
                ),
                Message("You always count the biases. What changes if `use_bias` is False?"),
            ),
            Mistake(
                _match_counts(
                    lambda height, width, channels, filters, use_bias: (
                        height * width * channels * filters + channels * filters * use_bias
                    )
                ),
                Message("You count a bias for each kernel. There is only one for each filter, after the sum."),
            ),
            Mistake(
                _match_counts(
                    lambda height, width, channels, filters, use_bias: height * width * channels * filters + use_bias
                ),
                Message("You count one bias for the whole layer. How many output maps are there?"),
            ),
            Mistake(
                _match_counts(
                    lambda height, width, channels, filters, use_bias: (
                        height * width * channels * filters + channels * use_bias
                    )
                ),
                Message("You count one bias for each input channel. Where does a filter add its bias?"),
            ),
            Mistake(
                lambda answer: answer(*LAYERS[0]) == _count_parameters(*LAYERS[0]),
                Message(
                    "Your function is right for one input channel only. A filter has a kernel of its own for each "
                    "input channel."
                ),
            ),
        ),
        hint=Message(
            "How many weights has one filter, if it looks at all input channels? Multiply by the number of filters. "
            "Then think about the biases."
        ),
    ),
    "3.5": Exercise(
        expected=Message("an array with half as many rows and columns"),
        is_right=_match_maps(_pool),
        mistakes=(
            Mistake(lambda answer: answer(MAPS[0].copy()) is None, RETURNS_NOTHING),
            Mistake(
                _match_maps(lambda x: _pool(x, np.mean)),
                Message("You take the mean of each block. That is average pooling."),
            ),
            Mistake(
                lambda answer: np.array_equal(answer(MAPS[1].copy()), MAPS[1][::2, ::2]),
                Message("You take the first value of each block, whatever the other three are."),
            ),
            Mistake(
                _match_maps(_pool_padded),
                Message("You keep the odd last row and column. The layer of Keras drops them."),
            ),
            Mistake(
                _match_maps(lambda x: _pool(np.abs(x))),
                Message("You ignore the signs. The largest value of -4 and -1 is not 4."),
            ),
            Mistake(
                _match_maps(lambda x: np.maximum(_pool(x), 0)),
                Message("A block of negative values gives 0. Did you look for the largest value from 0 upwards?"),
            ),
            Mistake(
                _match_maps(_pool_with_stride_1),
                Message("Your blocks overlap. Each one begins two rows or columns after the one before."),
            ),
            Mistake(
                lambda answer: np.shape(answer(MAPS[1].copy())) != (2, 2),
                Message("The shape is wrong for an array of 4 by 4. Each block of 2 by 2 becomes one value."),
            ),
            Mistake(
                lambda answer: np.allclose(answer(MAPS[1].copy()), MAPS[1].max()),
                Message("You take the largest value of the whole map, not of each block."),
            ),
        ),
        hint=Message(
            "Drop an odd last row and column first. The four values of all blocks are x[0::2, 0::2], x[0::2, 1::2] and "
            "so on. Or reshape to four axes."
        ),
    ),
    "3.6": Exercise(
        expected=Message("a number of seconds"),
        is_right=is_near((N_FFT + 21 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
        mistakes=(
            Mistake(
                is_near(22 * HOP_LENGTH / SAMPLE_RATE, 0.004),
                Message("You multiplied frames by the hop. But how long is the last frame itself?"),
            ),
            Mistake(
                is_near((N_FFT + 22 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
                Message("You added a hop for each frame. How many hops lie between the first frame and the last one?"),
            ),
            Mistake(
                is_near(22 * N_FFT / SAMPLE_RATE, 0.004),
                Message("You laid the frames one after the other. They overlap: a new one begins after each hop."),
            ),
            Mistake(
                is_near((N_FFT + 6 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
                Message(
                    "You counted the convolutions but not the pooling. After pooling, neighboring values are two "
                    "frames apart."
                ),
            ),
            Mistake(
                is_near((N_FFT + 17 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
                Message("You stopped before the last pooling, or you left out the length of the last frame."),
            ),
            Mistake(
                is_near((N_FFT + 9 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
                Message("You stopped after two of the three blocks."),
            ),
            Mistake(
                is_near(22, 0.001),
                Message("This is the number of frames. The question is how many seconds of sound they cover."),
            ),
            Mistake(
                is_near(1000 * (N_FFT + 21 * HOP_LENGTH) / SAMPLE_RATE, 0.004),
                Message("This is a number of milliseconds. Give seconds."),
            ),
        ),
        hint=Message(
            "Begin with r = 1 and j = 1, and go through conv, pool, conv, pool, conv, pool. Then turn r frames into "
            "samples: how many samples does the first frame cover, and how many does each further frame add?"
        ),
    ),
    "3.7": Exercise(
        expected=Message("two different values in braces or brackets"),
        is_right=_has_values(0.0, 1.25),
        mistakes=(
            Mistake(
                _has_values(0.0, 1.0),
                Message("Then the sum would be smaller in training than later. What keeps it the same on average?"),
            ),
            Mistake(
                _has_values(0.0, 0.8),
                Message("You scale in the wrong direction. Some values are missing: must the others grow or shrink?"),
            ),
            Mistake(
                _has_values(0.0, 5.0),
                Message("You divided by the share that is dropped. Which share remains?"),
            ),
            Mistake(
                _has_values(0.0, 2.0),
                Message("That is the result for a rate of 0.5. Here fewer values are dropped."),
            ),
            Mistake(
                _has_values(1.0),
                Message("That is the result in prediction, where dropout does nothing. What happens in training?"),
            ),
        ),
        hint=Message(
            "The mean of all values must stay 1. If a share p of them becomes 0, by how much must the others grow?"
        ),
    ),
    "3.8": Exercise(
        expected=Message("two epochs in round brackets: the last one that runs, and the one whose weights remain"),
        is_right=_is_shape(9, 6),
        mistakes=(
            Mistake(
                _is_shape(9, 9),
                Message("The last epoch is right. But which weights does `restore_best_weights=True` bring back?"),
            ),
            Mistake(
                _is_shape(6, 9),
                Message("Your two epochs are in the wrong order: first the last one that runs."),
            ),
            Mistake(
                _is_shape(6, 6),
                Message("In the best epoch, training cannot know that no better one follows. How long does it wait?"),
            ),
            Mistake(
                _is_shape(8, 5),
                Message("You count epochs from 0. The plot counts them from 1."),
            ),
            Mistake(
                _is_shape(8, 6),
                Message(
                    "You counted three bad epochs in all. Patience starts again whenever there is a new best epoch."
                ),
            ),
            Mistake(
                _is_shape(10, 6),
                Message("You waited one epoch too long. Training ends as soon as the third bad epoch is over."),
            ),
            Mistake(
                _is_shape(12, 6),
                Message("You found the best epoch, but training does not run to the end. How long is the patience?"),
            ),
            Mistake(
                lambda answer: tuple(answer)[1] == 12,
                Message("You followed the training loss. Early stopping monitors the other curve."),
            ),
            Mistake(
                lambda answer: tuple(answer)[1] == 4,
                Message("That epoch is only the best so far. Two epochs later, is there a better one?"),
            ),
        ),
        hint=Message(
            "Go from epoch to epoch. Count how many in a row bring no new smallest validation loss. At three, stop."
        ),
    ),
    "3.9": Exercise(
        expected=Message('one of "a", "b", "c", "d"'),
        is_right=is_text("c"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message(
                    "To standardize with the mean and the spread of the training clips is right. Those of new clips "
                    "are not known in real use."
                ),
            ),
            Mistake(
                is_text("b"),
                Message("To monitor the validation loss is right. Which clips does this program use for validation?"),
            ),
            Mistake(
                is_text("d"),
                Message(
                    "To evaluate on test clips at the end is right, if nothing was chosen with them before. Was that "
                    "so?"
                ),
            ),
        ),
        hint=Message("Which clips take part in a decision, and which clips then judge the result of this decision?"),
    ),
    "3.10": Exercise(
        expected=Message("a dictionary from dotted keys to values"),
        is_right=_is_table({"model.kernel_size": 5, "augment.shift": 0.2}),
        mistakes=(
            Mistake(
                lambda answer: any(isinstance(value, Mapping) for value in answer.values()),
                Message("You nested one dictionary in another. Write table and key as one text, joined by a dot."),
            ),
            Mistake(
                lambda answer: all("." not in key for key in answer),
                Message("A key needs the name of its table and a dot in front."),
            ),
            Mistake(
                lambda answer: any(isinstance(value, str) for value in answer.values()),
                Message("Give numbers, not texts: the experiment file has no quotation marks around numbers."),
            ),
            Mistake(
                lambda answer: answer["model.kernel_size"] != 5,
                Message("The key takes one number, which is both the height and the width."),
            ),
            Mistake(
                lambda answer: answer["augment.shift"] != 0.2,
                Message("A shift is a share of the clip, and neither seconds nor percent."),
            ),
            Mistake(
                lambda answer: "augment.shift" not in answer and "model.kernel_size" in answer,
                Message("The filters are right. The shift in time is missing, or its key or table is not this one."),
            ),
            Mistake(
                lambda answer: "augment.shift" in answer and "model.kernel_size" not in answer,
                Message("The shift is there. The size of the filters is missing, or its key or table is not this one."),
            ),
            Mistake(
                lambda answer: len(answer) > 2,
                Message("Both changes are right. Leave out what the exercise does not ask for."),
            ),
        ),
        hint=Message(
            "Two items. Find the table of each key in the file and in the code above. The filters belong to the model, "
            "and the shift to the augmentation."
        ),
    ),
}
