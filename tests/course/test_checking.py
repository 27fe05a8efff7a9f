"""Each exercise accepts its right answer, and explains the mistake in a wrong one."""

import importlib
import pkgutil

import numpy as np
import pytest

from musicml.course import checking, exercises
from musicml.utils import Message, translate
from musicml.utils.errors import InputError
from tests.course import answers

LESSONS = sorted(name.removeprefix("lesson_") for _, name, _ in pkgutil.iter_modules(exercises.__path__))
ANSWERS = {
    number: given
    for lesson in LESSONS
    for number, given in importlib.import_module(f"{answers.__name__}.lesson_{lesson}").ANSWERS.items()
}


def test_there_are_eight_lessons_with_at_least_six_exercises_each():
    assert LESSONS == [str(number) for number in range(1, 9)]
    for lesson in LESSONS:
        known = importlib.import_module(f"{exercises.__name__}.lesson_{lesson}").EXERCISES
        assert len(known) >= 6 and set(known) == {number for number in ANSWERS if number.startswith(f"{lesson}.")}
        assert list(known) == [f"{lesson}.{place}" for place in range(1, len(known) + 1)]


@pytest.mark.parametrize("number", ANSWERS)
def test_a_right_answer_passes_and_wrong_ones_get_their_own_hints(number):
    right, wrong = ANSWERS[number]
    exercise = checking.find_exercise(number)
    assert checking.grade_answer(number, right).is_right
    assert len(wrong) >= 2 and len(exercise.mistakes) >= 2
    found = [checking.grade_answer(number, answer) for answer in wrong]
    assert not any(feedback.is_right for feedback in found)
    hints = [feedback.message.values.get("hint") for feedback in found]
    assert len({*hints, exercise.hint}) == len(hints) + 1 and set(hints) <= {one.hint for one in exercise.mistakes}


@pytest.mark.parametrize("number", ANSWERS)
def test_no_hint_gives_the_answer_away(number):
    right, exercise = ANSWERS[number][0], checking.find_exercise(number)
    if isinstance(right, int | float) and not isinstance(right, bool) and abs(right) >= 10:
        texts = (exercise.hint, *(mistake.hint for mistake in exercise.mistakes))
        written = {f"{right:g}", f"{right:,}", str(right), f"{right:,.0f}"}
        assert not [text for text in texts if written & set(text.rstrip(".").split())]


@pytest.mark.parametrize(
    "answer", [None, "seven", [1, 2], object(), np.zeros((2, 2)), float("nan"), lambda: 1, {}, b""]
)
@pytest.mark.parametrize("number", ANSWERS)
def test_whatever_is_given_the_feedback_is_a_sentence(number, answer):
    feedback = checking.grade_answer(number, answer)
    assert not feedback.is_right or answer == ANSWERS[number][0]
    assert isinstance(feedback.message, Message) and translate(feedback.message, "id") != str(feedback.message)


def test_an_exercise_without_an_answer_and_one_that_does_not_exist(capsys):
    checking.check("1.1", ...)
    assert capsys.readouterr().out == '1.1: replace the three dots by your answer. hint("1.1") helps.\n'
    for number in ("1.99", "99.1", "one"):
        with pytest.raises(InputError, match="There is no lesson|has no exercise"):
            checking.check(number, 1)
    with pytest.raises(InputError, match="as text, such as .1.1., got 1.1. Put it in quotation marks"):
        checking.hint(1.1)


def test_a_function_that_fails_is_named_with_its_error(monkeypatch):
    exercise = checking.Exercise("a function", lambda function: function(1) == 2, (), "Think.")
    monkeypatch.setattr(checking, "find_exercise", lambda number: exercise)
    feedback = checking.grade_answer("9.1", lambda x: x / 0)
    assert (
        str(feedback.message) == "9.1: your function raised ZeroDivisionError: division by zero. Expected a function."
    )
    assert str(checking.grade_answer("9.1", lambda x: x).message) == '9.1: not right yet. hint("9.1") helps.'
    assert checking.grade_answer("9.1", lambda x: x + 1).is_right


@pytest.mark.parametrize(
    ("result", "reply"),
    [
        (None, "1.2: not right yet. Your function returns nothing. Does it end with `return` and the result?"),
        ([1, 2], "1.2: expected a function of an array that returns one number, but yours returned [1, 2]."),
        (np.zeros((9, 9)), "1.2: expected a function of an array that returns one number, but yours returned ndarray."),
    ],
)
def test_a_function_that_does_not_return_one_number_is_not_said_to_have_failed(result, reply):
    assert str(checking.grade_answer("1.2", lambda y: result).message) == reply


@pytest.mark.parametrize("answer", [(0, 3), "0,3", " 10,584 ", "37,2 %"])
def test_a_decimal_comma_is_explained(answer):
    assert str(checking.grade_answer("2.2", answer).message).endswith("Decimals have a point in Python: 0.5, not 0,5.")


@pytest.mark.parametrize(
    ("number", "answers"),
    [
        ("1.2", (lambda y: round(20 * np.log10(np.sqrt(np.mean(y**2))), 1),)),
        ("1.5", ([2, 8, 4, 3, 7, 6], ("2", "8", "4", "3", "7", "6"), 284376, "2 8 4-376")),
        ("1.7", ([0], {"0"}, (0.0,))),
        ("2.1", ({"A", "D"}, ["d ", "a"])),
        ("2.3", (lambda groups, train, test: round(sum(g in groups[train] for g in groups[test]) / len(test), 2),)),
        ("2.4", ((2, 7), {"2", "7"})),
    ],
)
def test_a_right_answer_passes_in_another_form(number, answers):
    assert all(checking.grade_answer(number, answer).is_right for answer in answers)


@pytest.mark.parametrize(
    "divisor", [lambda artists: 1, lambda artists: len(artists), lambda artists: len(set(artists))]
)
def test_shared_artists_are_not_taken_for_shared_tracks(divisor):
    feedback = checking.grade_answer(
        "2.3", lambda groups, train, test: len({*groups[train]} & {*groups[test]}) / divisor(groups[test])
    )
    assert "You count each artist once." in str(feedback.message)


def test_f1_of_a_class_that_is_only_predicted_wrongly_is_0():
    def compute_macro_f1(confusion):
        scores = []
        for i in range(len(confusion)):
            if not confusion[:, i].sum():
                scores.append(0)
                continue
            precision = int(confusion[i, i]) / int(confusion[:, i].sum())
            recall = int(confusion[i, i]) / int(confusion[i].sum())
            scores.append(2 * precision * recall / (precision + recall))
        return np.mean(scores)

    assert "ZeroDivisionError" in str(checking.grade_answer("2.7", compute_macro_f1).message)


def test_feedback_has_the_language_of_the_notebooks_folder(tmp_path, monkeypatch, capsys):
    for folder, variable, english in (
        ("en", None, True),
        ("id", None, False),
        ("id", "en", True),
        ("mine", "id", False),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.delenv("MUSICML_LANGUAGE", raising=False)
        if variable:
            monkeypatch.setenv("MUSICML_LANGUAGE", variable)
        checking.hint("1.1")
        assert (str(checking.find_exercise("1.1").hint) in " ".join(capsys.readouterr().out.split())) is english


@pytest.mark.parametrize(
    ("predicate", "right", "wrong"),
    [
        (checking.is_near(100, 0.01), (100, 100.9, 99.1, np.float32(100)), (102, -100, float("nan"))),
        (checking.is_near(0.0, 0.01), (0, 0.009), (0.02,)),
        (checking.is_near(lambda: 5), (5,), (6,)),
        (checking.is_between(1, 2), (1, 1.5, 2), (0.9, 2.1, float("nan"))),
        (checking.is_text("a", "b"), ("a", " B ", "b)", "(a).", "b:\n"), ("c", "", "ab")),
        (checking.is_letters("ab"), ({"a", "B"}, ["b", "a"], "ab", "A, B", {"a,b"}), ({"a"}, "abc", [], "")),
        (checking.is_set({"x", "y"}), (["y", "x"], {"x", "y"}, ("x", "y", "x")), (["x"], [])),
        (
            checking.is_array([1.0, 2.0]),
            ([1, 2], np.array([1.0, 2.0])),
            ([1, 2, 3], [[1, 2]], [1, 3], [1, float("nan")]),
        ),
    ],
)
def test_predicates_accept_what_is_near_and_nothing_else(predicate, right, wrong):
    assert all(predicate(answer) for answer in right) and not any(predicate(answer) for answer in wrong)


@pytest.mark.parametrize(
    ("number", "answers"),
    [
        ("3.3", ([28, 30, 8], np.array([28.0, 30.0, 8.0]))),
        ("3.8", ([9, 6], np.array([9, 6]))),
        ("4.5", ("I I O F", "i, i, o, f", ["i", "i", "o", "f"])),
    ],
)
def test_shapes_and_letters_are_right_in_other_forms(number, answers):
    assert all(checking.grade_answer(number, answer).is_right for answer in answers)


def test_feedback_is_printed_in_lines_of_whole_words(capsys):
    checking.hint("3.6")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1 and all(len(line) <= 90 for line in lines)
    assert " ".join(lines) == "3.6: " + checking.find_exercise("3.6").hint


def test_a_set_has_no_order_and_epochs_are_whole():
    assert "two epochs in round brackets" in str(checking.grade_answer("3.8", {9, 6}).message)
    assert not checking.grade_answer("3.8", (9.5, 6)).is_right
