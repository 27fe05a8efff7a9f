"""Grade submissions: metrics with intervals, ranks with ties, copies, leaked keys, and feedback for students."""

from __future__ import annotations

import itertools
import logging
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml.course.assignments import ASSIGNMENTS, METRICS, N_TRAPS
from musicml.course.submissions import Key, Submission, read_keys, read_submissions
from musicml.utils import (
    Message,
    escape_csv_formula,
    format_number,
    join_messages,
    pluralize,
    translate,
    write_csv,
    write_text,
)

logger = logging.getLogger(__name__)

ALPHA = 0.05  # significance level of the paired tests, with Holm's correction
# If an honest model predicts the wrong label of a trap with a probability of 0.3, it predicts 14 of 16 with 3e-6.
MIN_TRAP_SHARE = 7 / 8
# Equal wrong predictions; two good submissions may well agree on everything that is right. The class that a student
# predicts most often does not count: to predict it where nothing else is known is a method.
MIN_COMMON_ERRORS = 12
MIN_EQUAL_SCORES = 0.95  # share of files with the same probabilities
WEAKEST = 3  # classes named in the feedback


@dataclass
class Grade:
    """The result of one submission.

    Attributes
    ----------
    value, interval : the main metric and its 95% interval; None if the submission can't be graded
    rank : 1 for the best; submissions that differ by no more than chance share it
    tied_with : students with the same rank
    weakest : the classes with the lowest recall or average precision, with these values
    """

    submission: Submission
    metric: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    rank: int | None = None
    tied_with: tuple[str, ...] = ()
    weakest: tuple[tuple[str, float], ...] = ()
    confusion: tuple[str, str, int] | None = None

    @property
    def remarks(self) -> list[str]:
        """What is wrong with the submission, and what a teacher should look at."""
        return [*self.submission.problems, *self.submission.remarks]


@dataclass(frozen=True)
class GradeBook:
    """The grades of all submissions, and the paired tests behind their ranks."""

    grades: tuple[Grade, ...]
    tests: tuple[str, ...] = field(default=())


def grade_submissions(folder: Path, course: Path) -> GradeBook:
    """Grade the submissions in a folder against the keys of a class folder.

    Parameters
    ----------
    folder : one folder, zip file or CSV file per student
    course : the class folder that `make_course` made

    Raises
    ------
    InputError
        If either folder is missing, or a key does not fit its seal.
    """
    keys = read_keys(course)
    with tempfile.TemporaryDirectory(prefix="musicml-grading-") as work:
        submissions = read_submissions(folder, keys, Path(work))
    grades = [_compute_grade(submission, keys.get(submission.assignment)) for submission in submissions]
    tests: list[str] = []
    for name, key in keys.items():
        own = [grade for grade in grades if grade.submission.assignment == name and grade.value is not None]
        _note_known_traps([grade.submission for grade in own], key)
        _note_copies([grade.submission for grade in own], key)
        # a teacher decides first about submissions with remarks
        tests += _rank([grade for grade in own if not grade.remarks], key)
    return GradeBook(tuple(grades), tuple(tests))


def _compute_grade(submission: Submission, key: Key | None) -> Grade:
    """Compute the metric of one submission on the files that count."""
    if key is None or submission.scores is None:
        return Grade(submission)
    from musicml.evaluation import compute_report

    counts, n_classes = ~key.traps, len(key.class_names)
    scores, targets = submission.scores[counts], key.targets[counts]
    if key.task == "single":  # a file without a prediction is wrong, whatever its class
        scores = np.where(scores.max(axis=1, keepdims=True) > 0, scores, 1 - targets)
    report = compute_report(
        scores, targets, key.groups[counts], list(key.class_names), key.task, np.full(n_classes, 0.5)
    )
    metric = report["main_metric"]
    interval = (report["intervals"] or {}).get(metric)
    value = report["metrics"].get(metric)
    column = "recall" if key.task == "single" else "average_precision"
    rows = [(row["class"], row[column]) for row in report["per_class"] if row[column] is not None and row[column] < 1]
    weakest = sorted(rows, key=lambda row: row[1])[:WEAKEST]
    grade = Grade(submission, metric, value, interval and tuple(interval), int(counts.sum()), weakest=tuple(weakest))
    if key.task == "single":
        answered = submission.scores[counts].max(axis=1) > 0
        predicted, true = scores[answered].argmax(axis=1), targets[answered].argmax(axis=1)
        table = np.zeros((n_classes, n_classes), int)
        np.add.at(table, (true, predicted), 1)
        grade.confusion = _find_confusion(table, key.class_names)
    return grade


def _find_confusion(table: np.ndarray, class_names: Sequence[str]) -> tuple[str, str, int] | None:
    """Return the most frequent confusion: true class, predicted class, count; None without any."""
    errors = table - np.diag(np.diag(table))
    if not errors.any():
        return None
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    return class_names[true], class_names[predicted], int(errors[true, predicted])


def _decide(scores: np.ndarray, task: str) -> np.ndarray:
    """Return the predicted classes, [shape=(n_files, n_classes)], bool."""
    if task == "multi":
        return scores >= 0.5
    return np.eye(scores.shape[1], dtype=bool)[scores.argmax(axis=1)] & (scores.max(axis=1, keepdims=True) > 0)


def _note_known_traps(submissions: Sequence[Submission], key: Key) -> None:
    """Remark on submissions that predict wrong labels which stand only in the key."""
    known = np.isfinite(key.targets) if key.task == "multi" else key.targets == 1  # one label per file
    is_trap = known & key.traps[:, None]
    n = int(is_trap.sum())
    if n < N_TRAPS:
        return  # too few to rule out chance
    for submission in submissions:
        assert submission.scores is not None
        agrees = _decide(submission.scores, key.task) == (key.targets == 1)
        n_equal = int(agrees[is_trap].sum())
        # who uses the key is right elsewhere too; who has swapped the classes is not
        if n_equal >= math.ceil(MIN_TRAP_SHARE * n) and agrees[known & ~is_trap].mean() > 0.5:
            submission.remarks.append(
                Message(
                    "predicts {n_equal} of {n} labels that are wrong on purpose and stand only in the key: the key may "
                    "have leaked",
                    n_equal=n_equal,
                    n=n,
                )
            )


def _note_copies(submissions: Sequence[Submission], key: Key) -> None:
    """Remark on pairs of submissions that are equal where independent work differs."""
    for one, other in itertools.combinations(submissions, 2):
        if one.place != other.place and (reason := _compare_work(one, other, key)):
            for left, right in ((one, other), (other, one)):
                left.remarks.append(
                    Message(
                        "{reason} as {student}: a copy, or the same experiment with the same seed",
                        reason=reason,
                        student=right.student,
                    )
                )


def _compare_work(one: Submission, other: Submission, key: Key) -> Message | None:
    """Return in which respect two submissions are equal; None if they seem independent."""
    assert one.scores is not None and other.scores is not None
    if one.fingerprints & other.fingerprints:
        return Message("has a run with the same model")
    n = len(key.files)
    if _has_probabilities(one.scores) and _has_probabilities(other.scores):
        n_equal = int(np.isclose(one.scores, other.scores, rtol=1e-6, atol=0).all(axis=1).sum())
        is_copy = n_equal >= MIN_EQUAL_SCORES * n
        return Message("has the same probabilities for {n} files", n=n_equal) if is_copy else None
    if key.task == "multi":
        return None  # without probabilities, equal decisions prove nothing
    decisions = _decide(one.scores, key.task)
    if not np.array_equal(decisions, _decide(other.scores, key.task)):
        return None
    wrong = decisions & (key.targets != 1) & ~key.traps[:, None]
    wrong[:, decisions.sum(axis=0).argmax()] = False
    n_wrong = int(wrong.sum())
    if n_wrong < MIN_COMMON_ERRORS:
        return None
    return Message("predicts the same for all {n} files, with {n_wrong} errors", n=n, n_wrong=n_wrong)


def _has_probabilities(scores: np.ndarray) -> bool:
    """Return whether scores are probabilities that differ between files, and not only labels or one constant."""
    return bool(np.any((scores > 0) & (scores < 1)) and np.ptp(scores, axis=0).max() > 0)


def _rank(grades: list[Grade], key: Key) -> list[str]:
    """Set ranks: those that a paired test does not tell from the best of the rest share its rank."""
    from musicml.evaluation import PredictionTable, compare_pairs

    counts = ~key.traps
    remaining, rank, sentences = sorted(grades, key=lambda grade: -(grade.value or 0)), 1, []
    while remaining:
        tables = []
        for grade in remaining:
            assert grade.submission.scores is not None
            tables.append(
                PredictionTable(
                    np.array(key.files, dtype=object)[counts],
                    key.groups[counts],
                    key.class_names,
                    grade.submission.scores[counts],
                    key.targets[counts],
                    key.task,
                )
            )
        predicted = np.stack([_decide(table.scores, key.task) for table in tables])
        names = [grade.submission.student for grade in remaining]
        # The best of many is the best by chance too, so the correction is for all pairs, not only for those with it.
        places = list(itertools.combinations(range(len(remaining)), 2))
        pairs = compare_pairs(names, tables, predicted, places, Message("files"))[: len(remaining) - 1]
        sentences += [pair.sentence for pair in pairs]
        is_worse = [False, *(pair.p_holm is not None and pair.p_holm < ALPHA for pair in pairs)]
        tied = [grade for grade, worse in zip(remaining, is_worse, strict=True) if not worse]
        for grade in tied:
            grade.rank = rank
            grade.tied_with = tuple(other.submission.student for other in tied if other is not grade)
        remaining = [grade for grade, worse in zip(remaining, is_worse, strict=True) if worse]
        rank += len(tied)
    return sentences


def write_grades(book: GradeBook, folder: Path, language: str = "en") -> list[Path]:
    """Write grades.csv, a table for Moodle per assignment, and a page of feedback per submission.

    Parameters
    ----------
    folder : made if needed; earlier grades in it are moved to its folder `earlier-1`, `earlier-2` and so on
    language : of the feedback and the remarks, `en` or `id`

    Returns
    -------
    files : the tables first
    """
    _keep_earlier(folder)
    rows: list[dict[str, Any]] = []
    moodle: dict[str, list[dict[str, Any]]] = {}
    pages: dict[str, tuple[Path, str]] = {}
    for grade in book.grades:
        submission = grade.submission
        feedback = translate(describe_grade(grade), language)
        parts = (_clean(submission.student), submission.moodle_id, submission.assignment)
        name = base = "-".join(filter(None, parts))
        number = 1
        while name.casefold() in pages:  # two students may have one name, and disks differ in case
            number += 1
            name = f"{base}-{number}"
        pages[name.casefold()] = folder / "feedback" / f"{name}.md", feedback
        rows.append(make_grade_row(grade, language))
        moodle.setdefault(submission.assignment or "unknown", []).append(_make_moodle_row(grade, feedback))
    for path, feedback in pages.values():
        write_text(path, feedback + "\n")
    tables = {folder / "grades.csv": rows, **{folder / f"moodle-{name}.csv": own for name, own in moodle.items()}}
    for path, own in tables.items():
        # a student's name or file must not run as a formula in a spreadsheet
        write_csv(path, [{key: escape_csv_formula(cell) for key, cell in row.items()} for row in own], list(own[0]))
    return [*tables, *(path for path, _ in pages.values())]


def _keep_earlier(folder: Path) -> None:
    """Move earlier grades into a folder of their own: a teacher may have written into them."""
    found = [path for path in (folder / "feedback", folder / "grades.csv") if path.exists()]
    found += sorted(folder.glob("moodle-*.csv"))
    if found:
        earlier = next(place for n in itertools.count(1) if not (place := folder / f"earlier-{n}").exists())
        earlier.mkdir()
        for path in found:
            path.rename(earlier / path.name)
        logger.info(Message("moved the earlier grades to {folder}", folder=earlier))


def _clean(name: str) -> str:
    """Return a name that every disk takes."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:80]


def make_grade_row(grade: Grade, language: str = "en") -> dict[str, Any]:
    """Make the row of a submission in grades.csv."""
    low, high = grade.interval or (None, None)
    return {
        "student": grade.submission.student,
        "assignment": grade.submission.assignment,
        "metric": grade.metric,
        "value": grade.value,
        "low": low,
        "high": high,
        "n": grade.n or None,
        "missing": grade.submission.n_missing,
        "rank": grade.rank,
        "tied_with": "|".join(grade.tied_with),
        "remarks": " ".join(translate(remark, language).rstrip(".") + "." for remark in grade.remarks),
    }


def _make_moodle_row(grade: Grade, feedback: str) -> dict[str, Any]:
    """Make a row of Moodle's grading worksheet. A submission with remarks has no grade: a teacher decides."""
    grade_100 = None if grade.value is None or grade.remarks else round(100 * grade.value, 1)
    identifier = f"Participant {grade.submission.moodle_id}" if grade.submission.moodle_id else ""
    return {
        "Identifier": identifier,
        "Full name": grade.submission.student,
        "Grade": grade_100,
        "Maximum grade": 100,
        "Feedback comments": feedback,
    }


def describe_grade(grade: Grade) -> Message:
    """Describe a grade for the student: the result, its interval, the rank, and what to look at next."""
    submission = grade.submission
    parts: list[str] = [Message("Feedback for {student}", student=submission.student)]
    if submission.assignment:
        title = ASSIGNMENTS[submission.assignment].title if submission.assignment in ASSIGNMENTS else ""
        parts.append(Message("Assignment: {title}.", title=title or submission.assignment))
    if grade.value is None:
        parts.append(Message("This submission could not be graded."))
    else:
        metric = METRICS["single" if grade.metric == "accuracy" else "multi"]
        low, high = grade.interval or (math.nan, math.nan)
        sentence = Message(
            "Your {metric} is {value:.3f} on {n} test files, with a 95% interval from {low:.3f} to {high:.3f}.",
            metric=metric,
            value=grade.value,
            n=grade.n,
            low=low,
            high=high,
        )
        parts.append(sentence)
        if grade.tied_with:
            parts.append(
                pluralize(
                    "You share rank {rank} with {n} other: the difference may be due to chance.",
                    "You share rank {rank} with {n} others: the differences may be due to chance.",
                    n=len(grade.tied_with),
                    rank=grade.rank,
                )
            )
        elif grade.rank:
            parts.append(Message("Your rank is {rank}.", rank=grade.rank))
        if grade.weakest:
            shown = [Message("{name} ({value:.2f})", name=name, value=value) for name, value in grade.weakest]
            names = join_messages(shown, ", ")
            parts.append(Message("Your weakest classes are {names}.", names=names))
        if grade.confusion:
            true, predicted, count = grade.confusion
            parts.append(
                pluralize(
                    "Your most frequent error: {true} is predicted as {predicted}, {n} time.",
                    "Your most frequent error: {true} is predicted as {predicted}, {n} times.",
                    n=count,
                    true=true,
                    predicted=predicted,
                )
            )
    if submission.problems:
        parts.append(Message("Please check your files:"))
        parts += submission.problems
    return join_messages(parts, "\n\n")


def format_grade(grade: Grade, language: str = "en") -> tuple[str, ...]:
    """Format a grade as cells of a printed table: student, assignment, result, rank, remarks."""
    result = "–" if grade.value is None else format_number(grade.value, language, ".3f")
    if grade.value is not None and grade.interval:
        low, high = grade.interval
        interval = Message("{value:.3f} ({low:.3f} to {high:.3f})", value=grade.value, low=low, high=high)
        result = translate(interval, language)
    rank = "–" if grade.rank is None else f"{grade.rank}{'=' if grade.tied_with else ''}"
    remarks = "; ".join(translate(remark, language).rstrip(".") for remark in grade.remarks)
    return grade.submission.student, grade.submission.assignment or "–", result, rank, remarks
