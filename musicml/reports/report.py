"""Write run folders up as what a student hands in: HTML, Markdown, LaTeX or PDF, in English or Indonesian.

    run_data      what a run folder holds, read once and checked
    contents      run folders → blocks (document), section by section (sections/), in the words of words/*.toml
    render        blocks → one template a format (templates/), each blank escaped as formats says; plots draws
    model_card    what Hugging Face reads of one run
    attachments   figures and tables as files of their own; output writes it all, or nothing

Every number is read from a file of the run folder, and the caption says from which.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musicml.experiment import Run
from musicml.reports import attachments, model_card, output
from musicml.reports.contents import build_document
from musicml.reports.render import render
from musicml.utils import InputError


def write_report(
    runs: Sequence[Run], to: Path, language: str = "en", card: bool = False, data_root: Path | None = None
) -> list[Path]:
    """Write a report of runs to `to`, its figures and tables into a folder beside it.

    Parameters
    ----------
    runs : whole ones
    to : `report.html`, `.md`, `.tex` or `.pdf`; a report that is there is replaced
    language : `en` or `id`
    card : a model card of one run in Hugging Face's form, as `README.md`; nothing lies beside it
    data_root : where the runs' data is now, if it was moved

    Returns
    -------
    what was written, the report first

    Raises
    ------
    InputError
        If a run is not whole, something else stands at `to`, or Matplotlib or Typst is not installed.
    """
    to = Path(to)
    output.check(to, card)
    if card:
        if len(runs) != 1:
            raise InputError(
                "a model card must be of one run, and {n_runs} were named: write one for each.", n_runs=len(runs)
            )
        return output.write(to, model_card.render(runs[0], language).encode(errors="backslashreplace"), {})
    made = build_document(runs, language, data_root)
    content = render(made, to.suffix.lower(), output.folder_of(to).name)
    return output.write(to, content, attachments.make_attachments(made))
