"""Show the audit of a dataset: its problems, their effect on results, and the duplicates to see or to hear."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import layout, media, runs
from dashboard.app_pages.data.tables import MAX_ROWS, Chosen, get_split_name
from dashboard.caching import cache_by, cache_data, get_stamp
from musicml.data.audit import (
    WEIGHTS,
    Audit,
    AuditFinding,
    DuplicatePair,
    audit_and_save,
    get_audit_path,
    load_audit,
    render_audit_html,
)
from musicml.utils import InputError, capture_messages

SIGNS = {"fault": ":material/error:", "caution": ":material/warning:", "fine": ":material/check_circle:"}
AUDIT_LOCK = threading.Lock()  # one audit at a time: it keeps all cores busy for minutes
PAIRS_PER_PAGE = 4
WAYS = {"all": lambda pair: True, "splits": lambda pair: pair.across_splits, "classes": lambda pair: pair.across_labels}

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the dataset's stored audit, or how to make one."""
    st.markdown(say("audit_lead"))
    say.show_help("audit_more")
    try:
        found = _read_audit(chosen)
    except InputError as error:
        layout.show_error(error)
        found = None
    if found is None:
        _offer_audit(chosen)
        return
    st.caption(say("audit_of", n=found.n, seconds=layout.format_duration(found.seconds)))
    # the most severe findings first
    for number, finding in enumerate(sorted(found.findings, key=lambda finding: WEIGHTS.index(finding.weight))):
        _show_finding(finding, f"audit-{number}")
    _show_duplicates(found.pairs, chosen)
    _show_classes(found, chosen.dataset.task)
    if found.lengths:
        _show_lengths(found.lengths)
    st.download_button(
        say("audit_page"),
        partial(render_audit_html, found, chosen.dataset, layout.get_language()),
        f"audit-{chosen.dataset.name}.html",
        "text/html",
        key="audit-page",
        on_click="ignore",
        icon=":material/download:",
    )


# The audit itself


@cache_by(lambda chosen: (*chosen.key, str(runs.get_data_root())), cache_data, max_entries=20)
def _get_path(chosen: Chosen) -> str:
    """Return the path of the dataset's audit, whose name depends on the data."""
    return str(get_audit_path(runs.get_data_root(), chosen.dataset))


@cache_by(lambda chosen: (_get_path(chosen), get_stamp(Path(), _get_path(chosen))), max_entries=4)
def _read_audit(chosen: Chosen) -> Audit | None:
    """Read the stored audit of the dataset as it is now; None where there is none."""
    return load_audit(runs.get_data_root(), chosen.dataset)


def _offer_audit(chosen: Chosen) -> None:
    """Show how to make an audit, and a button that makes one."""
    layout.show_info(say("no_audit"))
    st.markdown(say("audit_how"))
    dataset, folder = chosen.dataset, chosen.view.info.data.folder if chosen.view else None
    # the command for the same data as on the page
    words = ["--folder", str(folder)] if folder else [dataset.name, "--data", "sample" if dataset.sample else "real"]
    words += ["--as-published"] if dataset.as_published else []
    st.code(shlex.join(["musicml", "audit", *words, "--data-root", str(runs.get_data_root())]), language="sh")
    st.markdown(say("audit_here"))
    if st.button(say("audit_now"), key="audit-now", icon=":material/search:"):
        _run_audit(chosen)


def _run_audit(chosen: Chosen) -> None:
    """Audit the dataset, store the result and show it; errors are shown on the page."""
    if not AUDIT_LOCK.acquire(blocking=False):  # do not wait: another audit may take minutes
        st.warning(say("audit_busy"), icon=":material/hourglass_top:")
        return
    try:
        with st.status(say("auditing", name=layout.escape_markdown(chosen.dataset.name))) as status:
            with capture_messages(lambda words: status.update(label=layout.localize(words))):
                audit_and_save(chosen.dataset, runs.get_data_root())
    finally:
        AUDIT_LOCK.release()
    st.rerun()


# What it found


def _show_finding(finding: AuditFinding, key: str) -> None:
    """Show one finding: its severity, its description, its effect on results, and its files."""
    words = layout.localize(finding.words)
    st.markdown(say("finding", sign=SIGNS[finding.weight], weight=say(f"weight_{finding.weight}"), words=words))
    if finding.effect:
        st.caption(layout.localize(finding.effect))
    if finding.files:
        with st.expander(say("files_concerned", n=len(finding.files))):
            _show_row_limit(len(finding.files))
            layout.show_table([{say("file"): name} for name in finding.files[:MAX_ROWS]], key)


def _show_row_limit(n: int) -> None:
    """Show a hint where a table does not show all rows."""
    if n > MAX_ROWS:
        st.caption(say("rows_cut", n=MAX_ROWS, all=n))


def _show_classes(found: Audit, task: str) -> None:
    """Show how many examples each class has in each split."""
    st.subheader(say("part_balance"))
    if task == "multi":
        st.markdown(say("audit_classes_multi"))
    sides = [side for side in ("train", "val", "test", "none") if any(row.get(side) for row in found.classes)]
    rows = [
        {say("class"): row["class"], **{get_split_name(s): row.get(s, 0) for s in sides}, say("total"): row["total"]}
        for row in found.classes[:MAX_ROWS]
    ]
    layout.show_table(rows, "audit-classes")


def _show_lengths(lengths: dict[str, dict[str, float]]) -> None:
    """Show how long the sounds are, and their formats."""
    st.subheader(say("part_lengths"))
    seconds = {name: float(lengths["seconds"].get(name, 0)) for name in ("least", "median", "most")}
    st.markdown(say("audit_lengths", **seconds))
    for kind in ("rates", "channels"):
        counted = layout.format_list(say(f"n_{kind}", value=value, n=n) for value, n in lengths.get(kind, {}).items())
        say.show(f"audit_{kind}", counted=counted)


# Duplicates


def _show_duplicates(pairs: Sequence[DuplicatePair], chosen: Chosen) -> None:
    """Show the duplicates in pairs, and all of them as a table."""
    st.subheader(say("alike"))
    if not pairs:
        st.info(say("no_pairs"), icon=":material/check_circle:")
        return
    st.markdown(say(f"pairs_{chosen.dataset.kind}"))
    by_way = {way: [pair for pair in pairs if wanted(pair)] for way, wanted in WAYS.items()}
    ways = {way: say(f"pairs_{way}", n=len(some)) for way, some in by_way.items() if some}
    way = layout.select_option(say("which_pairs"), ways, "pairs", persist_state="session", label_visibility="collapsed")
    some = by_way[way]  # the pairs that match the filter
    for number in media.select_page(range(len(some)), f"pairs-{chosen.dataset.name}-{way}", PAIRS_PER_PAGE):
        _show_pair(some[number], chosen)
    _show_row_limit(len(some))
    reasons = [layout.translate_message(pair.how) for pair in some[:MAX_ROWS]]
    layout.show_table([_make_row(pair, how) for pair, how in zip(some, reasons, strict=False)], "audit-pairs")


def _list_files(pair: DuplicatePair) -> list[tuple[str, str, str]]:
    """List the two files of a pair: name, label, and split in words."""
    sides = [get_split_name(side) for side in pair.sides]
    return list(zip((pair.first, pair.second), pair.labels, sides, strict=True))


def _show_pair(pair: DuplicatePair, chosen: Chosen) -> None:
    """Show two duplicates next to each other, with how they were found."""
    with st.container(border=True):
        for column, (name, label, side) in zip(st.columns(2), _list_files(pair), strict=True):
            with column:
                media.show_example(chosen.files.examples.get(name), chosen.dataset.kind)
                lines = [
                    say("file_is", name=layout.escape_markdown(name)),
                    say("class_is", name=layout.escape_markdown(label) or say("nothing")),
                    say("side_is", name=side),
                ]
                st.markdown("  \n".join(lines))
        marks = [f"**{say(f'two_{of}')}**" for of in ("splits", "classes") if WAYS[of](pair)]
        st.markdown(" ".join([*marks, layout.escape_markdown(layout.capitalize(layout.translate_message(pair.how)))]))


def _make_row(pair: DuplicatePair, how: str) -> dict[str, str]:
    """Return a pair as a row of a table."""
    row: dict[str, str] = {}
    for number, cells in enumerate(_list_files(pair), 1):
        heads = [say(f"{what}_number", n=number) for what in ("file", "class", "side")]
        row |= dict(zip(heads, cells, strict=True))
    return {**row, say("how"): how}
