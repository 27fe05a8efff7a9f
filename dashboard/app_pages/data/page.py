"""Show a dataset: its source, its class balance, its examples and its splits."""

from __future__ import annotations

import streamlit as st

from dashboard import datasets, layout, runs
from dashboard.app_pages.data import balance, example, excluded, findings, lengths, splits, summary, tables
from dashboard.app_pages.data.tables import Chosen
from dashboard.runs import RunView
from musicml.utils import InputError

say = layout.begin_page("data")


def show() -> None:
    """Show the page."""
    chosen = _choose()
    _show_sample_note(chosen)
    parts = {"facts": summary, "balance": balance, "example": example, "lengths": lengths}
    parts = parts if chosen.loaded else {}
    if chosen.loaded and chosen.dataset.kind != "sound":
        del parts["lengths"]
    parts |= {"groups": splits, "left_out": excluded} | ({"audit": findings} if chosen.loaded else {})
    ways = {part: say(f"part_{part}") for part in parts}
    part = layout.select_option(say("part"), ways, "part", persist_state="session", label_visibility="collapsed")
    parts[part].show(chosen)


def _choose() -> Chosen:
    """Let the user choose a dataset on the disk, or the data of a run."""
    there, found = datasets.list_datasets(), [one for one in runs.list_runs() if one.data.dataset]
    if not there and not found:
        layout.show_empty_and_stop(
            say("no_data", folder=layout.escape_markdown(str(runs.get_data_root()))), layout.get_words()("first_steps")
        )
    ways = {way: say(f"look_at_{way}") for way, some in (("set", there), ("run", found)) if some}
    way = layout.select_option(say("look_at"), ways, "of", persist_state="session")
    return _open_run(layout.select_run(found)) if way == "run" else _open_dataset(there)


def _open_dataset(there: list[tuple[str, str]]) -> Chosen:
    """Let the user choose one of the datasets on the disk, and open it."""
    # named as they lie in the folder of data: the same in every language, so that an address holds in all of them
    by_name = {name if which == "real" else f"sample/{name}": (name, which) for name, which in there}
    chosen = st.selectbox(say("dataset"), list(by_name), key="set", bind="query-params")
    with st.spinner(say("reading")):
        loaded = datasets.open_dataset(*by_name[chosen])
    return Chosen(loaded, None, tables.make_key(loaded, chosen))


def _open_run(one: RunView) -> Chosen:
    """Open the data of a run; without its files where they are missing."""
    changed = runs.get_stamp(one.run.path, "split.csv", "excluded.csv", "report.json")
    try:
        with st.spinner(say("reading")):
            loaded = datasets.open_run_dataset(one)
    except InputError as error:
        layout.show_error(error)
        st.markdown(say("gone_data"))
        return Chosen(None, one, (one.name, changed))
    return Chosen(loaded, one, (*tables.make_key(loaded, one.name), changed))


def _show_sample_note(chosen: Chosen) -> None:
    """Say that the data is generated, where it is."""
    if chosen.one.sample if chosen.one else chosen.dataset.sample:
        st.warning(say("generated"), icon=":material/science:")


show()
