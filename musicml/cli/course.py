"""`musicml course`: make assignments for a class, and grade what students hand in.

`musicml course new FOLDER` makes a class folder. Its folder `students` has a package per assignment to hand out. Its
folder `key` has the labels of the test files, and stays with the teacher. `musicml course grade SUBMISSIONS` grades a
folder with one folder, zip file or CSV file per student, as Moodle saves them. Nothing is trained. It prints a table
with 95% intervals, in which results that differ by no more than chance share a rank. It writes the table, a table for
Moodle, and one page of feedback per student. Copies, changed runs, training on test files and damaged files are named.
The exit code is 1 if a submission could not be graded.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from musicml.cli import options, output
from musicml.utils import InputError, Message, translate

HEAD = (
    *(Message("student"), Message("assignment"), Message("result (95% interval)")),
    *(Message("rank"), Message("remarks")),
)


def add_command(commands: Any) -> None:
    """Add `musicml course` to the command line."""
    example = "musicml course grade submissions --course class_2026 --language id"
    parser = options.add_documented_parser(commands, run_course, __doc__, example)
    parser.add_argument("action", choices=["new", "grade"], help="make a class folder, or grade submissions")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the new class folder, or the submissions")
    text = "for grade: the class folder (default: course)"
    parser.add_argument("--course", type=Path, default=Path("course"), metavar="DIR", help=text)
    text = "for new: only this assignment; can be given several times (default: all four)"
    parser.add_argument("--assignment", action="append", default=[], metavar="NAME", help=text)
    text = "for grade: where to write the tables and the feedback (default: grades, in the class folder)"
    parser.add_argument("--to", type=Path, metavar="DIR", help=text)
    text = "for grade: language of the table and the feedback, English or Indonesian (default: en)"
    parser.add_argument("--language", choices=["en", "id"], default="en", help=text)


def run_course(args: argparse.Namespace) -> int:
    """Make a class folder, or grade submissions. Return 1 if a submission could not be graded, else 0."""
    if args.action == "grade":
        return _print_grades(args)
    from musicml.course import make_course

    if args.to:
        raise InputError("--to is for `musicml course grade`. Name the class folder after `new`.")
    packages = make_course(args.folder, args.assignment)
    if args.json:
        output.print_json({"packages": [str(package) for package in packages]})
    else:
        for package in packages:
            print(f"hand out: {package}")
        print(f"never hand out: {args.folder / 'key'} and {args.folder / 'course.json'}")
    return 0


def _print_grades(args: argparse.Namespace) -> int:
    """Grade submissions, print the table, and write the files."""
    from musicml.course import format_grade, grade_submissions, make_grade_row, write_grades

    if args.assignment:
        raise InputError("--assignment is for `musicml course new`. Grading finds the assignment by the file names.")
    book = grade_submissions(args.folder, args.course)
    to = args.to or args.course / "grades"
    files = write_grades(book, to, args.language)
    if args.json:
        grades = [make_grade_row(grade) for grade in book.grades]
        output.print_json({"grades": grades, "tests": list(book.tests), "files": [str(file) for file in files]})
    else:
        head = tuple(translate(name, args.language) for name in HEAD)
        output.print_table([head, *(format_grade(grade, args.language) for grade in book.grades)])
        for sentence in book.tests:
            print(translate(sentence, args.language))
        print(to)
    return 1 if any(grade.value is None for grade in book.grades) else 0
