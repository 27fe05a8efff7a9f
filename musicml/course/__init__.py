"""Lessons, the checks of their exercises, assignments and their grading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.course.assignments import ASSIGNMENTS, make_course
    from musicml.course.checking import check, find_exercise, grade_answer, hint
    from musicml.course.grading import Grade, GradeBook, format_grade, grade_submissions, make_grade_row, write_grades
    from musicml.course.notebooks import copy_lessons, find_lessons_folder, find_musicnn, load_data

__getattr__, __dir__, __all__ = export_lazily(__name__)
