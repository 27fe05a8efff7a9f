"""Exercises of lesson 2: a first classifier, its three sets, its confusion matrix, and what accuracy hides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from musicml.course.checking import Exercise, Mistake, call_for_number, is_between, is_near, is_set, read_set
from musicml.utils import Message

# 2.3: three of seven test tracks, by two artists, have an artist with training tracks; every wrong count differs
GROUPS = np.array(["Ana", "Ana", "Ana", "Budi", "Budi", "Citra", "Dewi", "Dewi", "Eko", "Fajar", "Gita", "Hana"])
TRAIN = np.array([0, 5, 6, 8])
TEST = np.array([1, 2, 3, 4, 7, 10, 11])
SPLITS = ((GROUPS, TRAIN, TEST), (GROUPS, np.array([0, 1, 2, 5, 6, 7]), np.array([3, 4, 8])))  # none in the second

# 2.7: rows are true labels. The second classifier never predicts its last class, the fourth one only wrongly.
CONFUSIONS = (
    np.array([[30, 6, 4], [5, 24, 21], [9, 10, 61]]),
    np.array([[8, 2, 0], [1, 9, 0], [3, 2, 0]]),
    np.array([[50, 0], [40, 10]]),
    np.array([[7, 2, 1], [2, 8, 0], [1, 3, 0]]),
)


def _share_known(groups: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the share of test tracks whose artist has a training track."""
    return float(np.isin(groups[test], groups[train]).mean())


def _compute_class_f1(confusion: np.ndarray) -> np.ndarray:
    """Compute the F1 of each class, [shape=(n_classes,)]; it is 0 for a class without a correct prediction."""
    return 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))


def _compute_macro_f1(confusion: np.ndarray) -> float:
    """Compute the mean F1 of the classes."""
    return float(_compute_class_f1(confusion).mean())


def _compute_mean_precision(confusion: np.ndarray) -> float:
    """Compute the mean precision of the classes; it is 0 for a class that is never predicted."""
    return float((np.diag(confusion) / np.maximum(confusion.sum(axis=0), 1)).mean())


def _compute_mean_recall(confusion: np.ndarray) -> float:
    """Compute the mean recall of the classes."""
    return float((np.diag(confusion) / confusion.sum(axis=1)).mean())


def _compute_f1_of_means(confusion: np.ndarray) -> float:
    """Compute F1 from mean precision and mean recall, which is another number than the mean F1."""
    precision, recall = _compute_mean_precision(confusion), _compute_mean_recall(confusion)
    return 2 * precision * recall / (precision + recall)


def _compute_f1_without_zeros(confusion: np.ndarray) -> float:
    """Compute the mean F1 of the classes that have a correct prediction."""
    scores = _compute_class_f1(confusion)
    return float(scores[scores > 0].mean())


def _compute_weighted_f1(confusion: np.ndarray) -> float:
    """Compute the mean F1 of the classes, weighted by their numbers of tracks."""
    return float(np.average(_compute_class_f1(confusion), weights=confusion.sum(axis=1)))


def _has_results_of(function: Callable[..., Any], target: Callable[..., float], cases: tuple) -> bool:
    """Return whether a student's function gives the same numbers as `target` in all cases."""
    return all(
        abs(call_for_number(function, *case) - target(*case)) <= 0.006 for case in cases
    )  # two decimals are enough


def _is_share(target: Callable[..., float]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that counts in exercise 2.3 as `target` does."""
    return lambda answer: _has_results_of(answer, target, SPLITS)


def _is_score(target: Callable[..., float]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that scores the matrices of exercise 2.7 as `target` does."""
    return lambda answer: _has_results_of(answer, target, tuple((confusion.copy(),) for confusion in CONFUSIONS))


def _has_counted_artists(answer: Callable[..., Any]) -> bool:
    """Return whether a function counts test artists instead of tracks, divided by artists, tracks or nothing."""

    def count(groups: np.ndarray, train: np.ndarray, test: np.ndarray) -> int:
        """Count the test artists that are in training."""
        return len(set(groups[test].tolist()) & set(groups[train].tolist()))

    return (
        _is_share(count)(answer)
        or _is_share(lambda groups, train, test: count(groups, train, test) / len(test))(answer)
        or _is_share(lambda groups, train, test: count(groups, train, test) / len(set(groups[test].tolist())))(answer)
    )


def _has_any(answer: Any, *values: Any) -> bool:
    """Return whether an answer holds any of these values."""
    return bool(read_set(answer) & set(values))


EXERCISES = {
    "2.1": Exercise(
        Message("a set of letters"),
        is_set({"a", "d"}),
        (
            Mistake(
                lambda answer: _has_any(answer, "b"),
                Message(
                    "Twice the amplitude adds the same number of decibels to every band. Which coefficient is "
                    "computed from the sum of all bands?"
                ),
            ),
            Mistake(
                lambda answer: _has_any(answer, "c"),
                Message("A higher pitch moves energy to other bands, so the shape of the spectrum changes."),
            ),
            Mistake(
                lambda answer: read_set(answer) < {"a", "d"},
                Message(
                    "That is not all of them. Which other change leaves the values of the frames as they are? A mean "
                    "does not know where a frame stood."
                ),
            ),
        ),
        Message("For each change, imagine the list of frames. Are its values changed, or only their order or number?"),
    ),
    "2.2": Exercise(
        Message("a share between 0 and 1"),
        is_near(12 / 40),
        (
            Mistake(
                is_near(0.5),
                Message("That is the share of the class among the training tracks. Which tracks measure accuracy?"),
            ),
            Mistake(
                is_near(18 / 40),
                Message(
                    "That baseline looked at the test labels. It may only know which class is the most frequent one "
                    "in training."
                ),
            ),
            Mistake(
                is_near(1 / 3),
                Message("That is the accuracy of guessing at random. The majority baseline does not guess."),
            ),
            Mistake(
                is_near(12),
                Message("That is the number of tracks it predicts correctly. Divide by the number of all test tracks."),
            ),
            Mistake(is_near(30), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("First find the class that the baseline always predicts. Then count how many test tracks have it."),
    ),
    "2.3": Exercise(
        Message("a function of `groups`, `train` and `test` that returns a number"),
        _is_share(_share_known),
        (
            Mistake(
                _has_counted_artists,
                Message("You count each artist once. The question is about tracks: an artist with two counts twice."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: _share_known(groups, test, train)),
                Message("That is a share of the training tracks. The question is about the test tracks."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: _share_known(groups, train, test) * len(test)),
                Message("That is a number of tracks. Divide it by the number of test tracks."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: _share_known(groups, train, test) * len(test) / len(groups)),
                Message("You divided by all tracks. Divide by the number of test tracks."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: _share_known(groups, train, test) * 100),
                Message("That is a percentage. Give a share between 0 and 1."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: 1 - _share_known(groups, train, test)),
                Message("That is the share of test tracks whose artist is new. The question is about the others."),
            ),
            Mistake(
                _is_share(lambda groups, train, test: float(np.isin(test, train).mean())),
                Message(
                    "Your function returns 0 although an artist is on both sides. `train` and `test` are positions of "
                    "tracks, which never overlap. Look up the artists."
                ),
            ),
        ),
        Message("`groups[test]` has the artist of each test track. `np.isin` says which of them are in another array."),
    ),
    "2.4": Exercise(
        Message("a set of line numbers"),
        is_set({2, 7}),
        (
            Mistake(
                lambda answer: _has_any(answer, 3),
                Message("Line 3 splits by artist, as it should. Look at what was computed before and after it."),
            ),
            Mistake(
                is_set({2}),
                Message("That is one of two faults. The other one lets the test tracks choose something."),
            ),
            Mistake(
                is_set({7}),
                Message("That is one of two faults. The other one happens before the tracks are split."),
            ),
            Mistake(
                lambda answer: _has_any(answer, 6),
                Message(
                    "Line 6 fits on training tracks only, which is right. Which other lines use all tracks or `test`?"
                ),
            ),
            Mistake(
                lambda answer: _has_any(answer, 8, 9),
                Message("That line only keeps or prints a number. Find the line that computes it from wrong tracks."),
            ),
            Mistake(
                lambda answer: _has_any(answer, 1, 4, 5),
                Message(
                    "Lines 1, 4 and 5 only prepare something. Nothing is fitted to a track there, and none is measured."
                ),
            ),
        ),
        Message("Ask for each line: which tracks does it look at, and is something fitted or chosen from them?"),
    ),
    "2.5": Exercise(
        Message("an accuracy from the table"),
        is_near(0.55, 0.005),
        (
            Mistake(
                is_near(0.60, 0.005),
                Message("To report this number, you must have chosen C by looking at the test column."),
            ),
            Mistake(
                is_near(0.61, 0.005),
                Message("This number was used to choose C. The best of several measurements is usually too good."),
            ),
            Mistake(
                lambda answer: float(answer) in (0.62, 0.85, 0.98),
                Message("A model can learn its training tracks by heart. That says nothing about new ones."),
            ),
            Mistake(
                is_near(1.0, 0.001),
                Message(
                    "If you mean C = 1: the question is about an accuracy. If you mean the training accuracy: a model "
                    "can learn its tracks by heart."
                ),
            ),
            Mistake(
                lambda answer: float(answer) in (0.1, 10, 100),
                Message("That is a value of C. The question is about an accuracy."),
            ),
            Mistake(
                lambda answer: float(answer) in (0.49, 0.5, 0.52, 0.58),
                Message("That number stands in the wrong row. Which of the four models would you choose, and by what?"),
            ),
            Mistake(is_near(55), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("There are two steps. One column chooses the row, and another column gives the number."),
    ),
    "2.6": Exercise(
        Message("a share between 0 and 1"),
        is_near(24 / 40),
        (
            Mistake(
                is_near(24 / 50, 0.02),
                Message("That is a share of a row: of the true pop tracks. Precision asks about the predictions."),
            ),
            Mistake(
                is_near(115 / 170, 0.005),
                Message("That is the accuracy: all cells of the diagonal. The question is about one class."),
            ),
            Mistake(
                is_near(24 / 170, 0.02),
                Message("You divided by all tracks. Divide by the tracks that were predicted as pop."),
            ),
            Mistake(
                lambda answer: is_near(30 / 44, 0.005)(answer) or is_near(61 / 86, 0.005)(answer),
                Message("That is the precision of another class."),
            ),
            Mistake(is_near(48 / 90), Message("That is the F1 of pop. Precision is one of the two numbers in it.")),
            Mistake(
                is_near(24),
                Message("That is a number of tracks. Divide it by the number of all predictions of pop."),
            ),
            Mistake(is_near(60), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message("A column holds everything that was predicted as one class. The counts matter, not the percentages."),
    ),
    "2.7": Exercise(
        Message("a function of a confusion matrix that returns a number"),
        _is_score(_compute_macro_f1),
        (
            Mistake(
                lambda answer: any(np.isnan(call_for_number(answer, confusion.copy())) for confusion in CONFUSIONS),
                Message(
                    "Your function returns NaN for a class without a correct prediction: it divides 0 by 0. Decide "
                    "what F1 is there, before you divide."
                ),
            ),
            Mistake(
                _is_score(lambda confusion: np.trace(confusion) / confusion.sum()),
                Message("That is the accuracy, in which frequent classes count more."),
            ),
            Mistake(
                _is_score(_compute_f1_without_zeros),
                Message("You left classes out of the mean. A class whose F1 is 0 counts as well."),
            ),
            Mistake(
                lambda answer: _is_score(_compute_mean_recall)(answer) or _is_score(_compute_mean_precision)(answer),
                Message("That is the mean recall or the mean precision. F1 combines both, for each class."),
            ),
            Mistake(
                _is_score(_compute_f1_of_means),
                Message("You averaged precision and recall first. Compute F1 for each class, then average."),
            ),
            Mistake(
                _is_score(_compute_weighted_f1),
                Message("You weighted the classes by their tracks. In a macro average each class counts the same."),
            ),
        ),
        Message(
            "For class i: `confusion[i, i]` are its hits, row i are its true tracks, column i its predictions. Compute "
            "precision and recall, then F1. What happens if a column is empty?"
        ),
    ),
    "2.8": Exercise(
        Message("a share between 0 and 1"),
        is_near(348 / 400, 0.002),
        (
            Mistake(
                is_near(380 / 400, 0.002),
                Message("That is the accuracy of a detector that always says no. This one also says yes sometimes."),
            ),
            Mistake(
                is_near(0.8, 0.002),
                Message("That is the recall. Accuracy also counts the tracks that are not keroncong."),
            ),
            Mistake(
                is_near(0.25, 0.002), Message('That is the precision. Accuracy also counts the right answers "no".')
            ),
            Mistake(
                lambda answer: is_near(332 / 400, 0.002)(answer) or is_near(16 / 400, 0.002)(answer),
                Message("The detector is right in two ways: it finds keroncong, or it says no to the rest. Add both."),
            ),
            Mistake(is_near(348), Message("That is a number of recordings. Divide it by all 400.")),
            Mistake(
                is_near(396 / 400, 0.002),
                Message(
                    "You counted only the missed tracks. A precision of 0.25 means that there are false alarms too."
                ),
            ),
            Mistake(
                is_near(352 / 400, 0.002),
                Message("You counted only the false alarms. Some keroncong tracks were missed too."),
            ),
            Mistake(
                is_near(52 / 400, 0.002),
                Message("That is the share of errors. Accuracy is the share of correct predictions."),
            ),
            Mistake(is_near(87), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        Message(
            "Fill a table of two rows and two columns. Recall gives the hits, precision then gives the number of "
            "tracks that the detector reports."
        ),
    ),
    "2.9": Exercise(
        Message("a number of tracks"),
        is_between(365, 373),
        (
            Mistake(
                is_between(383, 386),
                Message("You used p = 0.5, the worst case. The question gives an expected accuracy."),
            ),
            Mistake(
                is_between(1470, 1480),
                Message("You made the whole interval 0.05 wide. Half of it has to be 0.05."),
            ),
            Mistake(
                is_between(90, 97),
                Message("That is about a quarter of what is needed. Check the factor 1.96, and which half is 0.05."),
            ),
            Mistake(
                is_between(9, 10),
                Message("The square root was lost. Square both sides of the formula before you solve it for n."),
            ),
            Mistake(is_between(187, 190), Message("The factor 1.96 has to be squared too.")),
            Mistake(is_between(18, 19), Message("The half-width 0.05 has to be squared too.")),
        ),
        Message("Set h = 0.05 and p = 0.6 in the formula, square both sides, and solve for n."),
    ),
}
