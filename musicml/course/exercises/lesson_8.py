"""The exercises of lesson 8: many labels at once, missing labels, and the student's own data."""

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
    is_near,
)
from musicml.utils import Message

# 8.2: the shares of known cells in the columns, in the rows and in the whole table all differ
TABLE = np.array([[1, np.nan, np.nan], [0, np.nan, 1], [np.nan, np.nan, 0], [1, 0, np.nan]])
KNOWN = ~np.isnan(TABLE)

# 8.5: each way to compute it wrongly gives another number
SCORES = np.array([0.3, 0.9, 0.5, 0.7, 0.2, 0.8, 0.4, 0.6])
LABELS = np.array([1, 1, np.nan, 0, 0, np.nan, 0, 1])
N_PRESENT = 3

SESSIONS, CLASSES, TAKES = 6, 5, 4  # 8.8
BEST_OF_ROOMS, N_FILES = 9 + 10 + 9, 36  # 8.9: files of the most frequent class of each room


def compute_average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Compute the average precision of one class over its known labels."""
    known = ~np.isnan(labels)
    ranked = labels[known][np.argsort(-scores[known])]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float((precision * ranked).sum() / ranked.sum())


def _compute_mean_precision() -> float:
    """Compute the mean of the precisions at all ranks, which is not the average precision."""
    known = ~np.isnan(LABELS)
    ranked = LABELS[known][np.argsort(-SCORES[known])]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1)).mean())


def _apply_to_table(is_right: Predicate) -> Predicate:
    """Make a predicate of a function from a predicate of what it returns for the table of exercise 8.2."""
    return lambda function: is_right(function(TABLE.copy()))


def _is_proportional(shares: Any) -> bool:
    """Return whether the numbers of judged clips were divided by another number than that of the rows."""
    factors = np.asarray(shares, dtype=float) / KNOWN.sum(axis=0)
    return factors.shape == (3,) and bool(factors[0] > 0 and np.allclose(factors, factors[0]))


def _is_none(result: Any) -> bool:
    return result is None


def _apply_to_ranking(is_right: Predicate) -> Predicate:
    """Make a predicate of a function from a predicate of what it returns for the ranking of exercise 8.5."""

    return lambda function: is_right(function(SCORES.copy(), LABELS.copy()))


def _is_average_precision(value: Any) -> bool:
    """Return whether a result is right; no result is a mistake with a hint of its own, not an error."""
    return value is not None and is_near(compute_average_precision(SCORES, LABELS), 1e-4)(value)


def _average_without_first_rank() -> float:
    """Compute the sum of the formula for average precision from the second rank on."""
    return compute_average_precision(SCORES, LABELS) - 1 / N_PRESENT


def _average_unsorted() -> float:
    """Compute the average precision in the order of the clips, not of their scores."""
    return compute_average_precision(-np.arange(len(SCORES)), LABELS)


EXERCISES = {
    "8.1": Exercise(
        Message("a probability between 0 and 1"),
        is_near(0.5),
        (
            Mistake(
                is_near(1.0),
                Message("This is what two sigmoids could give. The outputs of a softmax share a fixed sum."),
            ),
            Mistake(
                is_near(1 / 20),
                Message("The other classes need no share: the network knows that they are absent."),
            ),
            Mistake(is_between(1.5, 100), Message("Give the probability as a number between 0 and 1.")),
        ),
        Message("Which sum do all outputs of a softmax have? How is it shared if only two classes get anything?"),
    ),
    "8.2": Exercise(
        Message("a function that takes a table and returns one share for each column"),
        _apply_to_table(is_array(KNOWN.mean(axis=0))),
        (
            Mistake(
                _apply_to_table(is_array(KNOWN.mean(axis=1))),
                Message("These are the shares of the rows, which are clips. Average along the other axis."),
            ),
            Mistake(
                _apply_to_table(is_array(1 - KNOWN.mean(axis=0))),
                Message("This is the share of the cells that are missing. Turn the mask around."),
            ),
            Mistake(
                _apply_to_table(is_array(KNOWN.mean())),
                Message("This is one number for the whole table. Keep the columns apart."),
            ),
            Mistake(
                _apply_to_table(is_array((TABLE == 1).mean(axis=0))),
                Message("An instrument that was judged absent was judged, too. Do not count only the ones."),
            ),
            Mistake(
                _apply_to_table(lambda shares: bool(np.all(np.isin(shares, (0, 1))))),
                Message("A comparison with NaN is never true, so it finds no missing cell. Use np.isnan."),
            ),
            Mistake(
                _apply_to_table(is_array(np.nanmean(TABLE, axis=0))),
                Message("This is the share of present clips among the judged ones. Count the judged clips."),
            ),
            Mistake(
                _apply_to_table(_is_proportional),
                Message("Your function counts the judged clips. Divide by the number of rows of its own table."),
            ),
            Mistake(
                _apply_to_table(_is_none),
                RETURNS_NOTHING,
            ),
            Mistake(
                _apply_to_table(lambda shares: len(shares) == 20),
                Message("Your function returns 20 numbers for a table of three columns. Does it use its argument?"),
            ),
        ),
        Message("Make a table of True and False with np.isnan, and take its mean along one axis."),
    ),
    "8.3": Exercise(
        Message("a factor"),
        is_near(5.0),
        (
            Mistake(
                is_near(1.0),
                Message(
                    "This is true for the loss of the lesson. The classmate divides by a number that is the same for "
                    "both batches."
                ),
            ),
            Mistake(is_near(0.2), Message("This is the loss in A compared with B. Turn the ratio around.")),
            Mistake(is_near(0.4), Message("This is the difference of the two shares. The question is how many times.")),
        ),
        Message("With N cells and a loss of c for each known one, write down the sum and the mean for both batches."),
    ),
    "8.4": Exercise(
        Message("a probability between 0 and 1"),
        is_near(0.25),
        (
            Mistake(
                is_near(1.0),
                Message("It would learn this from known cells only. Here the hidden ones are read as absent."),
            ),
            Mistake(
                is_near(0.075),
                Message(
                    "This is the share of ones among all clips. The question is about clips that have the instrument."
                ),
            ),
            Mistake(
                is_near(0.3),
                Message("How common the instrument is does not matter for a clip where it is clearly heard."),
            ),
            Mistake(
                is_near(0.75),
                Message("This is the share of clips with the instrument whose label says absent. Take the rest."),
            ),
            Mistake(
                is_near(0.2), Message("In the code, a fifth of the cells is known. This exercise has another share.")
            ),
            Mistake(is_between(2, 100), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("Take 100 clips that all have the instrument. In how many of them does the training table hold a one?"),
    ),
    "8.5": Exercise(
        Message("a function that takes scores and labels and returns a number"),
        _apply_to_ranking(_is_average_precision),
        (
            Mistake(
                _apply_to_ranking(
                    is_near(lambda: compute_average_precision(SCORES, np.nan_to_num(LABELS, nan=0)), 1e-4)
                ),
                Message("Your function reads the clips that were not judged as absent. Remove them first."),
            ),
            Mistake(
                _apply_to_ranking(
                    is_near(lambda: compute_average_precision(SCORES, np.nan_to_num(LABELS, nan=1)), 1e-4)
                ),
                Message("Your function reads the clips that were not judged as present. Remove them first."),
            ),
            Mistake(
                _apply_to_ranking(is_near(lambda: compute_average_precision(-SCORES, LABELS), 1e-4)),
                Message("Your function starts with the lowest score. Sort the other way round."),
            ),
            Mistake(
                _apply_to_ranking(is_near(_compute_mean_precision, 1e-4)),
                Message("Your function averages the precision over all ranks. Where does the recall rise?"),
            ),
            Mistake(
                _apply_to_ranking(is_near(lambda: compute_average_precision(SCORES, LABELS) * N_PRESENT, 1e-4)),
                Message("Your function adds up the precisions. How much does the recall rise at each step?"),
            ),
            Mistake(
                _apply_to_ranking(lambda value: bool(np.isnan(value))),
                Message("Your function returns NaN. One NaN in a sum is enough: remove those clips before you sum."),
            ),
            Mistake(
                _apply_to_ranking(is_near(_average_without_first_rank, 1e-4)),
                Message("Your function leaves out the first rank. The recall rises there too: it begins at 0."),
            ),
            Mistake(
                _apply_to_ranking(is_near(_average_unsorted, 1e-4)),
                Message("Your function takes the clips in their own order. Sort them by score first."),
            ),
            Mistake(
                _apply_to_ranking(_is_none),
                RETURNS_NOTHING,
            ),
        ),
        Message("Remove the clips without a label, sort by score, and use np.cumsum for the number of hits."),
    ),
    "8.6": Exercise(
        Message("a number between 0 and 1"),
        is_near(0.75),
        (
            Mistake(
                is_near(0.5),
                Message(
                    "This would be right for a large test set. With two clips there are two orders: compute the AP of "
                    "each."
                ),
            ),
            Mistake(is_near(1.0), Message("This is the better one of the two possible orders. Guessing gets both.")),
            Mistake(is_between(2, 100), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("Write down both orders of the two clips, the AP of each, and their mean."),
    ),
    "8.7": Exercise(
        Message("a share between 0 and 1"),
        is_between(0.43, 0.56),
        (
            Mistake(
                is_between(0.66, 0.78),
                Message(
                    "This looks like the threshold, or like the recall at 0.5. Go up from the right threshold to the "
                    "other curve."
                ),
            ),
            Mistake(is_near(0.8), Message("This is the precision that the library wants. Read the other curve there.")),
            Mistake(
                is_between(0.93, 1.0),
                Message("There the threshold is low and the recall high. Is the precision high enough?"),
            ),
            Mistake(
                is_between(0.33, 0.4),
                Message("This is the recall at a threshold of 0.8. Find 0.8 on the axis of the precision, not below."),
            ),
            Mistake(is_between(43, 56), Message("Give the share as a number between 0 and 1.")),
        ),
        Message("Find the lowest threshold where the precision is high enough, and read the recall at this threshold."),
    ),
    "8.8": Exercise(
        Message("a number of groups"),
        is_near(SESSIONS),
        (
            Mistake(
                is_near(SESSIONS * CLASSES * TAKES),
                Message("This is the number of files. Files of one session share the room, so they are alike."),
            ),
            Mistake(
                is_near(SESSIONS * CLASSES),
                Message("The recordings of two classes in one session still share the room and the player."),
            ),
            Mistake(
                is_near(SESSIONS * TAKES),
                Message("A second take in the same session is not a new room. Takes are not independent."),
            ),
            Mistake(is_near(CLASSES), Message("This is the number of classes. What do recordings share?")),
        ),
        Message("Which recordings share the room, the day and the player? They form one group."),
    ),
    "8.9": Exercise(
        Message("an accuracy between 0 and 1"),
        is_near(BEST_OF_ROOMS / N_FILES),
        (
            Mistake(
                is_near(1 / 3),
                Message("This is the accuracy of always the same class. This model has an answer for each room."),
            ),
            Mistake(
                is_near(1.0),
                Message("Each room also holds files of other classes. For those, the model is wrong."),
            ),
            Mistake(
                is_near(1 - BEST_OF_ROOMS / N_FILES), Message("This is the share of files where the model is wrong.")
            ),
            Mistake(is_near(BEST_OF_ROOMS), Message("This is a number of files. Divide it by that of all files.")),
            Mistake(
                lambda answer: is_near(9 / 12)(answer) or is_near(10 / 12)(answer),
                Message("This is the accuracy in one of the rooms. Add up the files of all three."),
            ),
            Mistake(is_between(50, 100), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("Which class does the model answer in the kitchen? For how many files is that right?"),
    ),
    "8.10": Exercise(
        Message("a set of letters"),
        is_letters("bc"),
        (
            Mistake(
                has_letters("d"),
                Message("A simple baseline makes a result easier to judge. It does not make it look better."),
            ),
            Mistake(has_letters("e"), Message("This sentence states a limit. It changes no number.")),
            Mistake(
                has_letters("a"),
                Message("This sentence describes the data. It is small, but that alone makes no result too good."),
            ),
            Mistake(
                is_letters("b"),
                Message("That one is right. Look for another sentence, about how the reported number was selected."),
            ),
            Mistake(
                is_letters("c"),
                Message("That one is right. Look for another sentence: can two takes of one session be in two folds?"),
            ),
        ),
        Message("Ask of each sentence: does something that the test should not share enter training or selection?"),
    ),
}
