"""Write run folders up as what a student hands in: HTML, Markdown, LaTeX or PDF, in English or Indonesian.

    run_data           what a run folder holds, read once and checked
    contents           run folders → blocks, section by section (sections/), in the words of words/*.toml
    matplotlib_plots   plot_specs → SVG and PDF
    render_*           blocks → one format each; model_card for Hugging Face
    attachments        figures and tables as files of their own; output writes it all, or nothing

Every number is read from a file of the run folder, and the caption says from which.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musicml.experiment import Run
from musicml.reports import attachments, model_card, output, render_html, render_latex, render_markdown, render_pdf
from musicml.reports.contents import build_document
from musicml.reports.document import Document
from musicml.reports.wording import LANGUAGES
from musicml.utils import InputError

__all__ = ["FORMATS", "LANGUAGES", "Document", "build_document", "write_report"]

FORMATS = output.FORMATS


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
        return output.write(to, render_card(runs[0], language), {})
    made = build_document(runs, language, data_root)
    return output.write(to, render_report(made, to), attachments.contents(made))


def render_card(run: Run, language: str) -> bytes:
    """A model card as a file's content."""
    return model_card.render(run, language).encode(errors="backslashreplace")


def render_report(made: Document, to: Path) -> bytes:
    """The report in the format that its name's ending says."""
    inside = output.folder_of(to).name
    if to.suffix.lower() == ".pdf":
        return render_pdf.to_pdf(made)
    writers = {".html": render_html.to_html, ".md": lambda one: render_markdown.to_markdown(one, inside)}
    writers[".tex"] = lambda one: render_latex.to_latex(one, inside)
    return writers[to.suffix.lower()](made).encode(errors="backslashreplace")
