"""Show the audit of a dataset: its problems, their effect on results, and the duplicates."""

from __future__ import annotations

import shlex
import threading
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.data import duplicates
from dashboard.app_pages.data.splits import get_split_name
from dashboard.app_pages.data.tables import Chosen
from dashboard.caching import cache_data, cache_resource
from musicml.data.audit import (
    WEIGHTS,
    Audit,
    AuditFinding,
    audit_and_save,
    get_audit_path,
    load_audit,
    render_audit_html,
)
from musicml.utils import InputError, translate

SIGNS = {"fault": ":material/error:", "caution": ":material/warning:", "fine": ":material/check_circle:"}
AT_WORK = threading.Lock()  # an audit takes both cores for minutes

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the dataset's stored audit, or how to make one."""
    st.markdown(say("audit_lead"))
    found = _get_audit(chosen)
    if found is None:
        _offer_audit(chosen)
        return
    st.caption(say("audit_of", n=found.n, seconds=layout.format_duration(found.seconds)))
    for number, finding in enumerate(sorted(found.findings, key=lambda finding: WEIGHTS.index(finding.weight))):
        _show_finding(finding, f"audit-{number}")
    duplicates.show(found.pairs, chosen)
    _show_classes(found, chosen.dataset.task)
    if found.lengths:
        _show_lengths(found.lengths)
    _show_download(found, chosen)


# The audit itself


def _get_audit(chosen: Chosen) -> Audit | None:
    """Return the stored audit of the dataset as it is now; None where none can be read."""
    path = Path(_get_path(chosen.key, str(runs.get_data_root()), chosen))
    changed = runs.get_stamp(path.parent, path.name)
    try:
        return _read_audit(str(path), changed, chosen) if any(changed) else None
    except InputError as error:
        layout.show_error(error)
        return None


@cache_data(max_entries=20)
def _get_path(key: tuple, root: str, _chosen: Chosen) -> str:
    """Return the path of the dataset's audit, whose name depends on the data."""
    return str(get_audit_path(Path(root), _chosen.dataset))


@cache_resource(max_entries=4)
def _read_audit(path: str, changed: tuple[float, ...], _chosen: Chosen) -> Audit | None:
    """Read the stored audit."""
    return load_audit(runs.get_data_root(), _chosen.dataset)


def _offer_audit(chosen: Chosen) -> None:
    """Show how to make an audit, and a button that makes one."""
    st.info(say("no_audit"), icon=":material/info:")
    st.markdown(say("audit_how"))
    st.code(_format_command(chosen), language="sh")
    st.markdown(say("audit_here"))
    if st.button(say("audit_now"), key="audit-now", icon=":material/search:"):
        _run_audit(chosen)


def _format_command(chosen: Chosen) -> str:
    """Return the command that makes the audit in a terminal."""
    dataset, folder = chosen.dataset, chosen.one.data.folder if chosen.one else None
    words = ["musicml", "audit"]
    words += ["--folder", str(folder)] if folder else [dataset.name, "--data", "sample" if dataset.sample else "real"]
    words += ["--as-published"] if dataset.as_published else []
    return shlex.join([*words, "--data-root", str(runs.get_data_root())])


def _run_audit(chosen: Chosen) -> None:
    """Audit the dataset, store the result and show it; errors are shown on the page."""
    if not AT_WORK.acquire(blocking=False):
        st.warning(say("audit_busy"), icon=":material/hourglass_top:")
        return
    try:
        with st.status(say("auditing", name=layout.escape_markdown(chosen.dataset.name))) as status:
            audit_and_save(
                chosen.dataset,
                runs.get_data_root(),
                lambda words: status.update(label=layout.escape_markdown(layout.translate_message(words))),
            )
    finally:
        AT_WORK.release()
    st.rerun()


# Findings


def _show_finding(finding: AuditFinding, key: str) -> None:
    """Show one finding: its severity, its description, its effect on results, and its files."""
    words, effect = (layout.escape_markdown(layout.translate_message(text)) for text in (finding.words, finding.effect))
    st.markdown(say("finding", sign=SIGNS[finding.weight], weight=say(f"weight_{finding.weight}"), words=words))
    if effect:
        st.caption(effect)
    if finding.files:
        with st.expander(say("files_concerned", n=len(finding.files))):
            duplicates.show_row_limit(len(finding.files))
            layout.show_table([{say("file"): name} for name in finding.files[: duplicates.MAX_ROWS]], key)


# Classes, lengths, and all of it as a page


def _show_classes(found: Audit, task: str) -> None:
    """Show how many examples each class has in each split."""
    st.subheader(say("part_balance"))
    if task == "multi":
        st.markdown(say("audit_classes_multi"))
    sides = [side for side in ("train", "val", "test", "none") if any(row.get(side) for row in found.classes)]
    names = {side: get_split_name("" if side == "none" else side) for side in sides}
    rows = [
        {say("class"): row["class"], **{names[side]: row.get(side, 0) for side in sides}, say("total"): row["total"]}
        for row in found.classes[: duplicates.MAX_ROWS]
    ]
    layout.show_table(rows, "audit-classes")


def _show_lengths(lengths: dict[str, dict[str, float]]) -> None:
    """Show how long the sounds are, and their formats."""
    st.subheader(say("part_lengths"))
    seconds = {name: f"{lengths['seconds'].get(name, 0):.1f}" for name in ("least", "median", "most")}
    st.markdown(say("audit_lengths", **seconds))
    for kind in ("rates", "channels"):
        counted = layout.format_list(say(f"n_{kind}", value=value, n=n) for value, n in lengths.get(kind, {}).items())
        st.markdown(say(f"audit_{kind}", counted=layout.escape_markdown(counted)))


def _show_download(found: Audit, chosen: Chosen) -> None:
    """Show a button that downloads the audit as one page."""
    language = layout.get_language()
    st.download_button(
        say("audit_page"),
        partial(render_audit_html, found, chosen.dataset, partial(translate, language=language), language),
        f"audit-{chosen.dataset.name}.html",
        "text/html",
        key="audit-page",
        on_click="ignore",
        icon=":material/download:",
    )
