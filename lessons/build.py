"""Build the notebooks of the lessons from their sources, one Markdown file per lesson.

A source has Python cells, which both languages share, and text between `::: en` or `::: id` and `:::`. In the teacher's
build, the solution from `solutions/` follows the cell that checks an exercise, and `questions.md` has the question bank
with its answers.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import jupytext
import nbformat

from lessons import question_bank

ROOT = Path(__file__).parent
LANGUAGES = ("en", "id")
CHECK = re.compile(r"""^check\("(\d+\.\d+)",""", re.MULTILINE)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def list_sources() -> list[Path]:
    """List the sources of the lessons in order."""
    return sorted((ROOT / "src").glob("[0-9]*.md"))


def make_notebook(source: Path, language: str, with_solutions: bool = False) -> nbformat.NotebookNode:
    """Make the notebook of a lesson in one language, without outputs.

    Parameters
    ----------
    source : the lesson's Markdown file
    language : `en` or `id`
    with_solutions : add the solution below each exercise, as the teacher's build does

    Raises
    ------
    ValueError
        If text stands outside of a language, or an exercise has no solution.
    """
    cells = _read_cells(source, source.read_text(encoding="utf-8"), language)
    if with_solutions:
        cells = _add_solutions(cells, source, language)
    for number, cell in enumerate(cells):
        cell["id"] = f"{source.stem[:2]}-{number:03d}"  # random ids would make every build differ
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}, "language": language}
    )


def write_notebooks(folder: Path, with_solutions: bool = False) -> None:
    """Write all notebooks into one folder per language, and delete those of lessons that are gone.

    With solutions, the question bank is written as well, with its answers.
    """
    if with_solutions:
        question_bank.write_answers(folder)
    for language in LANGUAGES:
        target = folder / language
        target.mkdir(parents=True, exist_ok=True)
        texts = {
            f"{source.stem}.ipynb": nbformat.writes(make_notebook(source, language, with_solutions)) + "\n"
            for source in list_sources()
        }
        for path in target.glob("[0-9]*.ipynb"):
            if path.name not in texts:
                path.unlink()
        for name, text in texts.items():
            (target / name).write_text(text, encoding="utf-8")


def select_language(source: Path, text: str, language: str) -> str:
    """Return the code of a source and its text in one language.

    Raises
    ------
    ValueError
        If text stands outside of a language, or a block is not closed.
    """
    lines, block, in_code = [], "", False
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.fullmatch(r"::: (\w+)", line):
            if block or opened[1] not in LANGUAGES:
                raise ValueError(f"{source}:{number}: expected a block `::: en` or `::: id` outside of others")
            block = opened[1]
        elif line == ":::":
            block = ""
        elif block in ("", language):
            in_code = in_code != line.startswith("```") if not block else in_code
            if not block and not in_code and line.strip() not in ("", "```"):
                raise ValueError(f"{source}:{number}: text must stand between `::: en` or `::: id` and `:::`")
            lines.append(line)
    if block or in_code:
        raise ValueError(f"{source}: a block or a cell is not closed")
    return "\n".join(lines) + "\n"


def read_solutions(source: Path) -> dict[str, str]:
    """Read the solutions of a lesson: number of the exercise → its text and code, in both languages."""
    text = (ROOT / "solutions" / source.name).read_text(encoding="utf-8")
    parts = re.split(r"^## (\d+\.\d+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _read_cells(source: Path, text: str, language: str) -> list[nbformat.NotebookNode]:
    """Read the cells of one language."""
    cells = jupytext.reads(select_language(source, text, language), fmt="md").cells
    for cell in cells:
        cell.metadata.clear()
    return [cell for cell in cells if cell.source.strip()]


def _add_solutions(cells: list[nbformat.NotebookNode], source: Path, language: str) -> list[nbformat.NotebookNode]:
    """Insert each solution below the cell that checks its exercise."""
    solutions, found = read_solutions(source), []
    for cell in cells:
        found.append(cell)
        for number in CHECK.findall(cell.source) if cell.cell_type == "code" else ():
            if number not in solutions:
                raise ValueError(f"{source.name}: exercise {number} has no solution")
            solution = _read_cells(source, solutions.pop(number), language)
            for part in solution:
                part.metadata["tags"] = ["solution"]
            found += solution
    if solutions:
        raise ValueError(f"{source.name}: there is no exercise {', '.join(solutions)}")
    return found


def main() -> None:
    """Write the students' notebooks here, or the teacher's into another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--teacher", metavar="FOLDER", type=Path, help="write notebooks with solutions into this folder"
    )
    args = parser.parse_args()
    try:
        write_notebooks(args.teacher or ROOT, with_solutions=args.teacher is not None)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
