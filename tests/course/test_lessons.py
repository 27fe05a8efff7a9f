"""The notebooks are what their sources say, equal in both languages but for the words, and without solutions."""

import ast
import json

import nbformat
import pytest

from musicml.course import exercises, find_lessons_folder
from musicml.course.notebooks import copy_lessons, load_data
from musicml.utils.errors import InputError

build = pytest.importorskip("lessons.build", reason="jupytext comes with make lessons", exc_type=ImportError)

SOURCES = build.list_sources()
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def list_code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@EACH
@pytest.mark.parametrize("language", build.LANGUAGES)
def test_a_notebook_is_up_to_date_and_has_no_outputs(source, language):
    text = (build.ROOT / language / f"{source.stem}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(build.make_notebook(source, language)) + "\n" == text, "run `make lessons`"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@EACH
def test_both_languages_have_the_same_code_and_as_many_texts(source):
    english, indonesian = (build.make_notebook(source, language, with_solutions=True) for language in build.LANGUAGES)
    assert list_code(english) == list_code(indonesian)
    assert [cell.cell_type for cell in english.cells] == [cell.cell_type for cell in indonesian.cells]
    for one, other in zip(english.cells, indonesian.cells, strict=True):
        assert one.cell_type == "code" or one.source != other.source


@EACH
def test_every_exercise_is_asked_once_and_solved_and_no_solution_is_in_the_students_notebook(source):
    code = "\n".join(list_code(build.make_notebook(source, "en")))
    solutions = build.read_solutions(source)
    assert build.CHECK.findall(code) == list(solutions)
    student = {line.strip() for line in code.splitlines()}
    for number, text in solutions.items():
        cells = build._read_cells(source, text, "en")
        assert [cell.cell_type for cell in cells][-1] == "code" and f'check("{number}"' in cells[-1].source
        answer = [line.strip() for line in cells[-1].source.splitlines() if not line.startswith(("check(", "#"))]
        assert not student & {line for line in answer if "answer" in line}
        words = [cell.source for cell in cells if cell.cell_type == "markdown"]
        page = json.dumps(build.make_notebook(source, "en"))
        assert words and not any(json.dumps(text)[1:-1] in page for text in words)


@EACH
def test_no_cell_needs_an_answer(source):
    """A student who skips an exercise can run all the others."""
    asked = set()
    for code in list_code(build.make_notebook(source, "en")):
        tree = ast.parse("\n".join(line for line in code.splitlines() if not line.startswith(("!", "%"))))
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        here = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is ...
            for target in node.targets
        }
        assert not asked & read, "an answer of an earlier exercise"
        asked |= here


@EACH
def test_code_uses_the_public_interface_only(source):
    for code in list_code(build.make_notebook(source, "en", with_solutions=True)):
        tree = ast.parse("\n".join(line for line in code.splitlines() if not line.startswith(("!", "%"))))
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert {name for name in names if name.startswith("musicml.")} <= {"musicml.course"}


def test_a_lesson_says_that_its_data_is_synthetic():
    assert len(SOURCES) == 8 and exercises.__doc__
    for source in SOURCES:
        first = {language: build.make_notebook(source, language).cells[0].source for language in build.LANGUAGES}
        assert "synthetic" in first["en"] and "sintetis" in first["id"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("words\n", "must stand between"),
        ("::: en\nwords\n", "not closed"),
        ("::: fr\n:::\n", "expected a block"),
        ("::: en\n::: id\n:::\n:::\n", "expected a block"),
        ("```python\nx = 1\n", "not closed"),
    ],
)
def test_a_source_that_is_not_well_formed_is_named_with_its_line(text, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        build.select_language(tmp_path / "1.md", text, "en")


def test_a_copy_keeps_the_notebooks_that_have_answers_in_them(tmp_path, monkeypatch):
    copied = copy_lessons(tmp_path, "id")
    assert [path.name for path in copied] == [f"{source.stem}.ipynb" for source in SOURCES]
    copied[0].write_text("mine")
    copied[1].unlink()
    assert copy_lessons(tmp_path, "id") == copied and copied[0].read_text() == "mine" and copied[1].is_file()
    monkeypatch.setattr("musicml.course.notebooks.find_lessons_folder", lambda: tmp_path / "none")
    with pytest.raises(InputError, match="Install musicml again"):
        copy_lessons(tmp_path, "en")
    assert (find_lessons_folder() / "en").is_dir()


def test_data_of_a_lesson_is_generated_once_and_never_replaces_other_data(root, monkeypatch, tmp_path, snapshot):
    monkeypatch.setenv("MUSICML_DATA", str(root))
    before = snapshot(root / "sample/gtzan")
    assert load_data("gtzan").sample and snapshot(root / "sample/gtzan") == before
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path))
    for name in ("nothing", "../gtzan"):
        with pytest.raises(InputError):
            load_data(name)
    assert not any(tmp_path.iterdir())
