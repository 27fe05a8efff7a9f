"""Find what is wrong with a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils import export_lazily

if TYPE_CHECKING:
    from musicml.data.audit.audit import audit_and_save, find_clusters, get_audit_path, load_audit
    from musicml.data.audit.findings import WEIGHTS, Audit, AuditFinding, DuplicatePair
    from musicml.data.audit.html_report import check_html_path, render_audit_html, write_audit_html
    from musicml.data.audit.label_checks import compute_ceiling, group_by_content

__getattr__, __dir__, __all__ = export_lazily(__name__)
