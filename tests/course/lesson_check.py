"""Execute every lesson as a teacher would: all cells of the students' notebook, with the solution below each exercise.

`make test-lessons` runs this file; the suite does not, since the lessons take minutes.
"""

import os
import shutil

import nbclient
import pytest
from filelock import FileLock

from lessons.build import CHECK, list_sources, make_notebook
from musicml.course.notebooks import SCALES, load_data

SECONDS = 240  # after which a cell counts as one that never ends


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder named for the language, as the students' is, with data that is generated once for all workers."""
    base, folder = tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("lessons") / "en"
    folder.mkdir()
    data = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "data"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MUSICML_DATA", str(data))
        patched.delenv("MUSICML_RENDERER", raising=False)  # the lessons' sounds are those that students get
        with FileLock(f"{data}.lock"):
            for name in SCALES:
                load_data(name)
        yield folder


@pytest.mark.parametrize("source", list_sources(), ids=lambda source: source.stem)
def test_a_lesson_runs_and_accepts_its_solutions(source, folder):
    notebook = make_notebook(source, "en", with_solutions=True)
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    shown = {
        number: "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and "solution" in cell.metadata.get("tags", ())
        for number in CHECK.findall(cell.source)
    }
    assert len(shown) >= 6
    assert not {number: text for number, text in shown.items() if f"{number}: right." not in text}
    shutil.rmtree(folder / "runs", ignore_errors=True)
