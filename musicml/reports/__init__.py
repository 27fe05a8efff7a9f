"""Reports on runs as HTML, Markdown, LaTeX or PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.reports.contents import build_document
    from musicml.reports.render import to_html
    from musicml.reports.report import write_report

__getattr__, __dir__, __all__ = export_lazily(__name__)
