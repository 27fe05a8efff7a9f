"""The exercises of lesson 7: five published results, and the fault of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from musicml.course.checking import (
    RETURNS_NOTHING,
    Exercise,
    Mistake,
    Predicate,
    is_array,
    is_between,
    is_near,
    is_set,
    is_text,
)
from musicml.utils import Message

# rows of made-up label tables, each with the number of files that have more than one class
TABLES: tuple[tuple[list[tuple[str, str]], int], ...] = (
    ([("a.wav", "drum"), ("b.wav", "violin")], 0),
    ([("a.wav", "drum"), ("a.wav", "drum"), ("b.wav", "violin")], 0),
    ([("a.wav", "drum"), ("b.wav", "drum"), ("a.wav", "violin"), ("c.wav", "piano"), ("c.wav", "piano")], 1),
    ([("a.wav", "drum"), ("a.wav", "violin"), ("a.wav", "piano"), ("b.wav", "drum"), ("b.wav", "violin")], 2),
)
CLASSES = (2, 10, 30, 1000)  # numbers of classes for which a function is tried
SPLITS = {"piece", "track", "artist"}


def _compute_double_softmax(n_classes: int) -> float:
    return float(math.e / (math.e + n_classes - 1))


def _compute_from_scores(n_classes: int) -> float:
    """Return softmax's highest value if the other scores were left out of the exponential."""
    return float(math.e / (math.e + n_classes))


def _make_function_test(function: Callable[[int], float]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function with nearly the values of `function`."""

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        results = [answer(n) for n in CLASSES]
        if any(result is None for result in results):  # no return: a mistake with a hint of its own, not an error
            return False
        pairs = zip(map(float, results), map(function, CLASSES), strict=True)
        return all(abs(result - value) <= 1e-3 * value for result, value in pairs)

    return is_right


def _is_rounded(answer: Any) -> bool:
    """Return whether a function of the number of classes is right apart from its decimals."""
    return all(abs(float(answer(n)) - _compute_double_softmax(n)) < 0.006 for n in CLASSES)


def _make_count_test(expected: Callable[[list[tuple[str, str]], int], int]) -> Callable[[Any], bool]:
    """Make a predicate: the answer is a function that gives the expected number for each table."""

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        results = [answer(list(rows)) for rows, _ in TABLES]
        if not all(isinstance(result, int | float | np.number) for result in results):
            return False  # no return, or the files themselves: mistakes with a hint of their own
        return all(int(result) == expected(*table) for result, table in zip(results, TABLES, strict=True))

    return is_right


def _count_repeated_files(rows: list[tuple[str, str]], _: int) -> int:
    names = [name for name, _ in rows]
    return sum(names.count(name) > 1 for name in set(names))


def _count_rows_too_many(rows: list[tuple[str, str]], _: int) -> int:
    return len(rows) - len({name for name, _ in rows})


def _count_contradictory_rows(rows: list[tuple[str, str]], _: int) -> int:
    return sum(len({label for other, label in rows if other == name}) > 1 for name, _ in rows)


def _count_further_classes(rows: list[tuple[str, str]], _: int) -> int:
    return len(set(rows)) - len({name for name, _ in rows})


def _is_constant(answer: Any) -> bool:
    return len({answer(list(rows)) for rows, _ in TABLES}) == 1


def _is_possible(n_tracks: Any) -> bool:
    """Return whether the recall of 17% fits a number of tracks: whether the nearest count rounds to it."""
    return round(100 * round(0.17 * int(n_tracks)) / int(n_tracks)) == 17


def _read_splits(answer: Any) -> set[str]:
    """Return the names of splits in an answer, which may be a single text."""
    names = {name.strip().casefold() for name in ([answer] if isinstance(answer, str) else answer)}
    if not names <= SPLITS:
        raise ValueError("other names than those of the splits")
    return names


def _is_letter(letter: str) -> Predicate:
    """Make a predicate: the answer is this letter, perhaps with brackets or a full stop."""
    return is_text(letter, f"{letter})", f"({letter})", f"{letter}.")


def _make_inclusion_test(letter: str) -> Callable[[Any], bool]:
    return lambda answer: letter in {str(item).strip().casefold() for item in answer}


def _make_exclusion_test(letter: str) -> Callable[[Any], bool]:
    is_included = _make_inclusion_test(letter)
    return lambda answer: not is_included(answer)


def _is_some_statements(answer: Any) -> bool:
    if isinstance(answer, str):
        raise TypeError("a text, not several letters")
    return is_set({"a", "b", "d"})(str(item).strip().casefold() for item in answer)


EXERCISES = {
    "7.1": Exercise(
        expected=Message("a probability, from 0 to 1"),
        is_right=is_near(0.0625, 0.05),  # so 0.06 is right too
        mistakes=(
            Mistake(
                is_near(0.03125, 0.01),
                Message(
                    "That counts only results in favor of ResNet50. Before the test, VGG16 could have been the better "
                    "one too: count both directions."
                ),
            ),
            Mistake(
                is_between(-1e-9, 1e-4),
                Message(
                    "Did you toss a coin for each of the 150 pictures? A picture that both networks predict correctly "
                    "says nothing about which is better."
                ),
            ),
            Mistake(
                is_near(1.0, 0.01),
                Message("The five pictures are not divided evenly: one network is correct on all of them."),
            ),
            Mistake(is_between(3, 10), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        hint=Message("There are as many tosses as pictures on which the networks differ. How many of them are heads?"),
    ),
    "7.2": Exercise(
        expected=Message("the number of a line, from 1 to 5"),
        is_right=is_near(3, 1e-6),
        mistakes=(
            Mistake(
                is_near(1, 1e-6),
                Message(
                    "This line only shifts and scales the pictures. After it, the outputs of the model are still "
                    "clear: print the highest one of a row."
                ),
            ),
            Mistake(
                is_near(2, 1e-6),
                Message(
                    "This line only runs the model. Print one row of its result and its sum: what kind of numbers are "
                    "they already?"
                ),
            ),
            Mistake(
                lambda answer: float(answer) in (4, 5),
                Message("This line only reads what is in the scores, and they are too equal already. Go further up."),
            ),
        ),
        hint=Message(
            "Look at the sum and the maximum of a row, after each line. After which line does a clear row become flat?"
        ),
    ),
    "7.3": Exercise(
        expected=Message("a function of the number of classes that returns a share"),
        is_right=_make_function_test(_compute_double_softmax),
        mistakes=(
            Mistake(
                _make_function_test(_compute_from_scores),
                Message("Count the terms of the sum again: one class is certain, so how many others are there?"),
            ),
            Mistake(
                _make_function_test(lambda n_classes: 1 / n_classes),
                Message(
                    "That would be the confidence if all classes were equally probable. Here one of them has the "
                    "probability 1, and the exponential of 1 is larger than that of 0."
                ),
            ),
            Mistake(
                _make_function_test(lambda n_classes: 1.0),
                Message("That is what the model says. The app computes something from it before it shows a number."),
            ),
            Mistake(
                _make_function_test(lambda n_classes: 100 * _compute_double_softmax(n_classes)),
                Message("The numbers are percentages. Return a share from 0 to 1."),
            ),
            Mistake(
                lambda answer: answer(CLASSES[0]) is None,
                RETURNS_NOTHING,
            ),
            Mistake(_is_rounded, Message("Your function rounds its result. Return all decimals.")),
        ),
        hint=Message(
            "Write down the outputs of the model: one 1 and many zeros. Take the exponential of each, then divide by "
            "their sum."
        ),
    ),
    "7.4": Exercise(
        expected=Message("a number of tracks"),
        is_right=is_near(6, 1e-6),
        mistakes=(
            Mistake(
                is_near(100, 1e-6),
                Message("With 100 tracks, 17% is possible. But many smaller numbers round to it as well: go down."),
            ),
            Mistake(
                _is_possible,
                Message("This number is possible, but a smaller one is possible too."),
            ),
            Mistake(
                is_near(5, 1e-6),
                Message("One of five is 20%, which does not round to the recall in the table."),
            ),
            Mistake(
                is_near(17, 1e-6),
                Message("The table has a percentage. Look for a fraction k/n that rounds to it."),
            ),
            Mistake(
                lambda answer: int(answer) >= 1 and not _is_possible(answer),
                Message("With this number of tracks, no k gives the recall of the table: try each k from 0 to n."),
            ),
        ),
        hint=Message("Try n = 1, 2, 3, ... and for each n all k from 0 to n. When does 100 · k / n first round to 17?"),
    ),
    "7.5": Exercise(
        expected=Message("a share, from 0 to 1"),
        is_right=is_between(0.78, 0.82),
        mistakes=(
            Mistake(
                is_between(0.18, 0.22),
                Message("That is the probability that the other track is in the test set as well. What remains?"),
            ),
            Mistake(
                is_between(0.62, 0.66),
                Message(
                    "That is the probability that both tracks of an artist are in the training set. Here one of them "
                    "is known to be in the test set."
                ),
            ),
            Mistake(
                is_between(0.3, 0.34),
                Message(
                    "That is the share of artists that are on both sides. The question is about the tracks that are "
                    "in the test set."
                ),
            ),
            Mistake(
                is_between(0.48, 0.52),
                Message("The other track is not equally likely on both sides: one side is much larger."),
            ),
            Mistake(
                is_between(0.99, 1),
                Message("Some artists have both tracks in the test set."),
            ),
            Mistake(
                is_between(0.15, 0.17),
                Message("That is a share of all tracks. The question is about the tracks that are in the test set."),
            ),
            Mistake(is_between(2, 100), Message("That is a percentage. Give a share between 0 and 1.")),
        ),
        hint=Message(
            "Take one track of the test set, and think of the other track of its artist. On which side is a track "
            "that is drawn at random?"
        ),
    ),
    "7.6": Exercise(
        expected=Message("a set of names of splits"),
        is_right=lambda answer: _read_splits(answer) == {"piece"},
        mistakes=(
            Mistake(
                lambda answer: not _read_splits(answer),
                Message(
                    "Shuffled labels cannot be learned for new tracks. But does each split test new tracks? Measure "
                    "all three."
                ),
            ),
            Mistake(
                lambda answer: "artist" in _read_splits(answer),
                Message(
                    "With new artists, no label can be guessed from anything that was learned. Did you pass the "
                    "shuffled labels, or the true genres?"
                ),
            ),
            Mistake(
                lambda answer: "track" in _read_splits(answer),
                Message(
                    "The label of each track was drawn on its own. From which training example could a classifier know "
                    "the label of a new track? Measure again."
                ),
            ),
        ),
        hint=Message("Call `measure(shuffled, name)` for each name in GROUPS, and compare the results with 0.2."),
    ),
    "7.7": Exercise(
        expected=Message('one of the letters "a", "b" or "c"'),
        is_right=_is_letter("b"),
        mistakes=(
            Mistake(
                _is_letter("a"),
                Message(
                    "A fault is in what was tested, not in the size of the number. Are the tested tracks new because "
                    "the result is low?"
                ),
            ),
            Mistake(
                _is_letter("c"),
                Message(
                    "The published number comes from other data: from real music. A difference on synthetic data "
                    "cannot correct it."
                ),
            ),
        ),
        hint=Message("Would the protocol test new tracks if you only changed the data, or the seed?"),
    ),
    "7.8": Exercise(
        expected=Message("a function that takes a list of rows and returns a number"),
        is_right=_make_count_test(lambda rows, n: n),
        mistakes=(
            Mistake(
                _make_count_test(_count_repeated_files),
                Message("Your function also counts files that are repeated with the same class."),
            ),
            Mistake(
                _make_count_test(_count_rows_too_many),
                Message("Your function counts the rows beyond the first of each file, whatever their class."),
            ),
            Mistake(
                _make_count_test(_count_contradictory_rows),
                Message("Your function counts rows. Count each file once."),
            ),
            Mistake(
                _make_count_test(_count_further_classes),
                Message(
                    "Your function counts each further class of a file. Count a file with three classes once, too."
                ),
            ),
            Mistake(
                lambda answer: answer(list(TABLES[0][0])) is None,
                RETURNS_NOTHING,
            ),
            Mistake(
                lambda answer: hasattr(answer(list(TABLES[0][0])), "__len__"),
                Message("Your function returns a collection. Return the number of files in it."),
            ),
            Mistake(
                _is_constant,
                Message("Your function returns the same number for any rows. Does it use its argument?"),
            ),
        ),
        hint=Message(
            "Go through the rows once. For each file, remember which classes it has had so far: how could a dict hold "
            "them?"
        ),
    ),
    "7.9": Exercise(
        expected=Message("a number from 0 to 1"),
        is_right=is_between(0.9085, 0.9101),
        mistakes=(
            Mistake(
                is_between(0.99, 1),
                Message(
                    "A drum file is drawn as a drum in one row and as a violin in another. Which of the two rows can "
                    "get the higher score?"
                ),
            ),
            Mistake(
                is_between(0.815, 0.822),
                Message(
                    "That is the AUC of one class, or a mean with ties that count 0. The macro AUC is a mean over all "
                    "four, and ties count one half."
                ),
            ),
            Mistake(
                is_between(0.63, 0.645),
                Message("That is the AUC of one class if ties count 0. They count one half. The mean comes after it."),
            ),
            Mistake(is_between(50, 100), Message("That is a percentage. Give a share between 0 and 1.")),
            Mistake(
                is_between(0.95, 0.96),
                Message(
                    "One class is limited in your result. But the violin rows name the same files as the drum rows."
                ),
            ),
            Mistake(
                is_between(0.9025, 0.9045),
                Message("You weighted the classes by their rows. The macro AUC is their plain mean."),
            ),
            Mistake(
                is_between(0.74, 0.76),
                Message(
                    "You gave drum and violin an AUC of one half. But most of their negative rows are guitars and "
                    "pianos, which a perfect listener can tell from drums."
                ),
            ),
            Mistake(
                is_between(0.731, 0.736),
                Message(
                    "That is the best accuracy: the share of rows that can be predicted correctly. AUC counts pairs."
                ),
            ),
        ),
        hint=Message(
            "For the class drum, pair each positive row with each negative row. A pair with a guitar or piano counts "
            "1, and a pair with the same sounds counts as a tie. Two of the four classes are like this."
        ),
    ),
    "7.10": Exercise(
        expected=Message('one of the letters "a", "b", "c" or "d"'),
        is_right=_is_letter("c"),
        mistakes=(
            Mistake(
                _is_letter("a"),
                Message(
                    "Then a cell that no listener judged counts as an instrument that is there. Which cells are in the "
                    "tall bar?"
                ),
            ),
            Mistake(
                _is_letter("b"),
                Message(
                    "Then a cell that no listener judged counts as an instrument that is not there. Is that known any "
                    "better?"
                ),
            ),
            Mistake(
                _is_letter("d"),
                Message("How many clips would be left? Compute Y_mask.all(axis=1).sum()."),
            ),
        ),
        hint=Message("Which cells contain knowledge, and which array says so?"),
    ),
    "7.11": Exercise(
        expected=Message("four shares, from 0 to 1"),
        is_right=is_array([0.94, 1, 0.43, 1], 0.006),
        mistakes=(
            Mistake(
                is_array([94, 100, 43, 100], 0.006),
                Message("These are percentages. Give shares from 0 to 1."),
            ),
            Mistake(
                is_array([1, 0.94, 1, 0.43], 0.006),
                Message(
                    "Precision and recall are swapped. Which of them suffers when absent instruments are predicted?"
                ),
            ),
            Mistake(
                is_array([0.94, 0.94, 0.43, 0.43], 0.006),
                Message("How many of the present instruments does a program miss that predicts all of them?"),
            ),
            Mistake(
                is_array([0.94, 1, 0.94, 1], 0.006),
                Message("Over the judged cells, the share of present instruments is another one. It is in the text."),
            ),
            Mistake(
                is_array([0.94, 1, 0.43, 0.43], 0.006),
                Message("The first recall is right: nothing is missed. Does that change if fewer cells are counted?"),
            ),
            Mistake(
                lambda answer: len(answer) != 4,
                Message("Give four shares. Decimals have a point in Python: 0.5, not 0,5."),
            ),
            Mistake(
                lambda answer: [float(answer[place]) for place in (1, 3)] == [1, 1],
                Message("Both recalls are right. The shares of the present cells are in the text above the exercise."),
            ),
        ),
        hint=Message(
            "Every cell is predicted as present. Of those, how many are present? And of the present ones, how many are "
            "predicted?"
        ),
    ),
    "7.12": Exercise(
        expected=Message("a set of letters"),
        is_right=_is_some_statements,
        mistakes=(
            Mistake(
                _make_inclusion_test("c"),
                Message("Compare the accuracy with that of always predicting the most frequent instrument."),
            ),
            Mistake(
                _make_inclusion_test("e"),
                Message("The report does not test new students. What is not tested is neither shown nor disproved."),
            ),
            Mistake(
                _make_exclusion_test("a"),
                Message(
                    "The notes were put into random order before the split. Where are the 50 notes of one student?"
                ),
            ),
            Mistake(
                _make_exclusion_test("b"),
                Message("Which part of the data was used to choose the epoch?"),
            ),
            Mistake(
                _make_exclusion_test("d"),
                Message("Do 400 notes tell as much as 400 students? Notes of one player on one instrument are alike."),
            ),
        ),
        hint=Message(
            "Go through the four questions. Mark what the report says, what it does not say, and what follows for sure."
        ),
    ),
}
