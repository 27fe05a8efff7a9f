"""Check the answers to the exercises of the lessons, and give hints."""

from __future__ import annotations

import copy
import importlib
import os
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.utils import InputError, Message, translate

LANGUAGES = ("en", "id")
MAX_REPR = 60  # characters of an answer that feedback repeats
MARKS = " \t\n.:()"  # around a letter, as in "b)"
LINE_WIDTH = 90  # characters
RETURNS_NOTHING = Message("Your function returns nothing. Does it end with `return` and the result?")

Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Mistake:
    """A mistake that a wrong answer shows.

    Attributes
    ----------
    is_made : returns whether an answer has this mistake; it may raise for answers of other kinds
    hint : a sentence for students who made it, which does not contain the answer
    """

    is_made: Predicate
    hint: str


@dataclass(frozen=True)
class Exercise:
    """An exercise of a lesson.

    Attributes
    ----------
    expected : what an answer is, such as "a number of samples"; completes the sentence "Expected ..., got ..."
    is_right : returns whether an answer is right; it raises for answers of another kind
    mistakes : the mistakes that are recognized, at least two; the first that fits is explained
    hint : a sentence that shows the way, for students who have not answered yet
    """

    expected: str
    is_right: Predicate
    mistakes: tuple[Mistake, ...]
    hint: str


class UnexpectedResultError(TypeError):
    """Raised when a student's function returns something that is not one number.

    Attributes
    ----------
    result : what the function returned
    """

    def __init__(self, result: Any) -> None:
        super().__init__(f"not one number: {result!r}")
        self.result = result


class DecimalCommaError(ValueError):
    """Raised when an answer that should be a number may have been written with a decimal comma, as in 0,5."""


@dataclass(frozen=True)
class Feedback:
    """The feedback on an answer: whether it is right, and a sentence for the student."""

    is_right: bool
    message: Message


def check(number: str, answer: Any) -> None:
    """Print whether the answer to an exercise is right, or else a hint for the mistake that was made.

    Parameters
    ----------
    number : the exercise, such as "3.2"
    answer : number, string, array, function or model, as the exercise asks

    Raises
    ------
    InputError
        If there is no such exercise.

    >>> check("1.1", ...)
    1.1: replace the three dots by your answer. hint("1.1") helps.
    """
    _print_wrapped(grade_answer(number, answer).message)


def hint(number: str) -> None:
    """Print a hint for an exercise.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    message = Message("{number}: {hint}", number=str(number), hint=find_exercise(number).hint)
    _print_wrapped(message)


def grade_answer(number: str, answer: Any) -> Feedback:
    """Return the feedback on an answer to an exercise.

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    exercise = find_exercise(number)
    if answer is ...:
        message = Message('{number}: replace the three dots by your answer. hint("{number}") helps.', number=number)
        return Feedback(False, message)
    try:
        is_right = bool(exercise.is_right(answer))
    except Exception as error:  # an answer of any kind, or a student's function, can raise anything
        return Feedback(False, _describe_failure(number, exercise, answer, error))
    if is_right:
        return Feedback(True, Message("{number}: right.", number=number))
    found = next((mistake for mistake in exercise.mistakes if _is_made(mistake, answer)), None)
    if found is None:
        message = Message('{number}: not right yet. hint("{number}") helps.', number=number)
    else:
        message = Message("{number}: not right yet. {hint}", number=number, hint=found.hint)
    return Feedback(False, message)


def find_exercise(number: str) -> Exercise:
    """Find an exercise by its number, such as "3.2".

    Raises
    ------
    InputError
        If there is no such exercise.
    """
    if not isinstance(number, str):  # 3.10 as a number would be 3.1
        raise InputError(
            'Expected the number of an exercise as text, such as "1.1", got {number}. Put it in quotation marks.',
            number=repr(number),
        )
    lesson = number.partition(".")[0]
    try:
        exercises = importlib.import_module(f"musicml.course.exercises.lesson_{lesson}").EXERCISES
    except ModuleNotFoundError as error:
        raise InputError(
            'There is no lesson {lesson}. Give the number as text, such as "1.1".', lesson=lesson
        ) from error
    if number not in exercises:
        raise InputError(
            "Lesson {lesson} has no exercise {number}. It has {names}.",
            lesson=lesson,
            number=str(number),
            names=", ".join(exercises),
        )
    return exercises[number]


def is_near(value: float | Callable[[], float], tolerance: float = 0.01) -> Predicate:
    """Make a predicate: the answer is a number within a relative tolerance of `value`.

    Parameters
    ----------
    value : the number, or a function that computes it when it is needed
    tolerance : relative to the size of `value`; absolute if `value` is 0
    """

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        target = value() if callable(value) else value
        return abs(_read_number(answer) - target) <= tolerance * (abs(target) or 1)

    return is_right


def is_between(low: float, high: float) -> Predicate:
    """Make a predicate: the answer is a number from `low` to `high`."""
    return lambda answer: low <= _read_number(answer) <= high


def is_text(*texts: str) -> Predicate:
    """Make a predicate: the answer is one of these texts, apart from case, and from spaces or marks around it."""
    allowed = {text.casefold().strip(MARKS) for text in texts}

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        if not isinstance(answer, str):
            raise TypeError("not a text")
        return answer.strip(MARKS).casefold() in allowed

    return is_right


def is_set(values: Iterable[Any]) -> Predicate:
    """Make a predicate: the answer has exactly these values, in any order."""
    allowed = read_set([*values])
    return lambda answer: read_set(answer) == allowed


def read_set(answer: Iterable[Any]) -> set[Any]:
    """Return the values of an answer as a set, with letters in lower case and whole numbers as numbers.

    Raises
    ------
    TypeError
        If the answer is a text or not several values.
    """
    if isinstance(answer, str):
        raise TypeError("a text, not several values")
    texts = {value.strip().casefold() if isinstance(value, str) else value for value in answer}
    return {int(value) if isinstance(value, str) and value.isdecimal() else value for value in texts}


def call_for_number(function: Callable[..., Any], *arguments: Any) -> float:
    """Call a student's function and return its result, which must be one number.

    Raises
    ------
    UnexpectedResultError
        If the result is not one number. What the function itself raises passes through.
    """
    result = function(*arguments)
    try:
        return float(result)
    except (TypeError, ValueError) as error:
        raise UnexpectedResultError(result) from error


def read_letters(answer: Any) -> set[str]:
    """Read the letters of an answer in any case: a set, a list, or text such as "a, b".

    Raises
    ------
    TypeError
        If the answer has other values than text.
    """
    return set("".join([answer] if isinstance(answer, str) else answer).casefold()) - set(" ,;.:(){}\"'")


def is_letters(letters: str) -> Predicate:
    """Make a predicate: the answer has exactly these letters, as `read_letters` reads them."""
    return lambda answer: read_letters(answer) == set(letters)


def has_letters(needed: str, without: str = "") -> Predicate:
    """Make a predicate: the answer has all needed letters, and none of `without`."""
    return lambda answer: set(needed) <= read_letters(answer) and not set(without) & read_letters(answer)


def is_missing_return(*arguments: Any) -> Predicate:
    """Make a predicate: the answer is a function that returns None for these arguments."""
    return lambda function: function(*copy.deepcopy(arguments)) is None


def is_array(value: Any | Callable[[], Any], tolerance: float = 1e-3) -> Predicate:
    """Make a predicate: the answer is an array of the same shape whose values are near those of `value`.

    Parameters
    ----------
    value : the array, or a function that computes it when it is needed
    tolerance : relative to the largest absolute value
    """

    def is_right(answer: Any) -> bool:
        """Return whether the answer is right."""
        target, given = np.asarray(value() if callable(value) else value), np.asarray(answer, dtype=float)
        limit = tolerance * (np.abs(target).max(initial=0) or 1)
        return given.shape == target.shape and bool(np.all(np.abs(given - target) <= limit))

    return is_right


def _read_number(answer: Any) -> float:
    """Return an answer as a number, or raise; a decimal comma gets an error of its own."""
    try:
        return float(answer)
    except (TypeError, ValueError) as error:
        is_pair = isinstance(answer, tuple) and [type(part) for part in answer] == [int, int]  # 0,5 without quotes
        if is_pair or (isinstance(answer, str) and re.fullmatch(r"\s*[+-]?\d+,\d+\s*%?\s*", answer)):
            raise DecimalCommaError from error
        raise


def _is_made(mistake: Mistake, answer: Any) -> bool:
    """Return whether an answer has a mistake; False if it is of a kind that the mistake's test does not take."""
    try:
        return bool(mistake.is_made(answer))
    except Exception:
        return False


def _describe_failure(number: str, exercise: Exercise, answer: Any, error: Exception) -> Message:
    """Return the message for an answer that could not be tested."""
    if isinstance(error, UnexpectedResultError):
        if error.result is None:
            return Message("{number}: not right yet. {hint}", number=number, hint=RETURNS_NOTHING)
        return Message(
            "{number}: expected {expected}, but yours returned {result}.",
            number=number,
            expected=exercise.expected,
            result=_shorten(error.result),
        )
    if callable(answer):
        return Message(
            "{number}: your function raised {kind}: {error}. Expected {expected}.",
            number=number,
            kind=type(error).__name__,
            error=str(error).rstrip("."),
            expected=exercise.expected,
        )
    values = {"number": number, "expected": exercise.expected, "answer": _shorten(answer)}
    if isinstance(error, DecimalCommaError):
        return Message(
            "{number}: expected {expected}, got {answer}. Decimals have a point in Python: 0.5, not 0,5.", **values
        )
    return Message("{number}: expected {expected}, got {answer}.", **values)


def _shorten(value: Any) -> str:
    """Return a value as code, or only its type if that is long."""
    text = repr(value)
    return text if len(text) <= MAX_REPR else type(value).__name__


def _print_wrapped(message: Message) -> None:
    """Print a message in lines of whole words; JupyterLab would break long lines within a word."""
    print(textwrap.fill(translate(message, _find_language()), LINE_WIDTH, break_on_hyphens=False))


def _find_language() -> str:
    """Find the language of feedback: that of `MUSICML_LANGUAGE`, else the folder of the notebook, else English."""
    names = (os.environ.get("MUSICML_LANGUAGE"), Path.cwd().name)
    return next((name for name in names if name in LANGUAGES), "en")
