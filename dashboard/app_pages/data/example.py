"""Show one example with its labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import datasets, layout, media
from dashboard.app_pages.data import images, tables
from dashboard.app_pages.data.splits import get_split_name
from dashboard.app_pages.data.tables import Chosen
from musicml.data.datasets import Example
from musicml.data.io import TYPE_OF_PICTURE_SUFFIX
from musicml.utils import InputError

MAX_EXAMPLES = 2000  # examples to choose from, at most

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the chosen example with its labels."""
    shown, standing = _select_example(chosen)
    if shown is None:
        st.info(say("none_there"), icon=":material/info:")
        return
    left, right = st.columns(2)
    with left:
        show_media(shown, chosen.dataset.kind)
    with right:
        _show_facts(shown, standing, chosen.dataset.task)
    if chosen.dataset.kind == "sound" and datasets.is_viewable(shown):
        images.show(shown.path)


def _select_example(chosen: Chosen) -> tuple[Example | None, str]:
    """Let the user choose an example by class and name; return it and its split."""
    held, names = tables.get_columns(chosen.key, chosen), chosen.dataset.class_names
    left, right = st.columns(2)
    label = left.selectbox(say("choose_class"), names, key=f"class-{chosen.dataset.name}")
    places = np.flatnonzero(held["targets"][:, names.index(label)] == 1)
    ids = held["ids"][places[:MAX_EXAMPLES]].tolist()
    name = right.selectbox(say("choose_example"), ids, key=f"example-{chosen.dataset.name}-{label}")
    if len(places) > MAX_EXAMPLES:
        st.caption(say("offered", n=MAX_EXAMPLES, all=len(places)))
    return (chosen.files.examples[name], held["sides"][places[ids.index(name)]]) if ids else (None, "")


def show_media(shown: Example, kind: str) -> None:
    """Show the example's picture or a player."""
    if not datasets.is_viewable(shown):
        st.caption(layout.get_words()("gone"))
    elif kind == "sound":
        media.show_player(shown.path, shown.id)
    else:
        media.show_picture(shown.path, shown.id)


def _show_facts(shown: Example, standing: str, task: str) -> None:
    """Show an example's labels, group and split."""
    lists = {wanted: [name for name, there in shown.labels.items() if there == wanted] for wanted in (True, False)}
    st.markdown(say("file_is", name=layout.escape_markdown(shown.id)))
    if task == "multi":
        st.markdown(say("holds", names=layout.escape_markdown(layout.format_list(lists[True])) or say("nothing")))
        st.markdown(say("lacks", names=layout.escape_markdown(layout.format_list(lists[False])) or say("nothing")))
    else:
        st.markdown(say("class_is", name=layout.escape_markdown(layout.format_list(lists[True]))))
    st.markdown(say("group_is", name=layout.escape_markdown(shown.group)))
    st.markdown(say("side_is", name=get_split_name(standing)))
    if datasets.is_viewable(shown) and shown.path.suffix.lower() in TYPE_OF_PICTURE_SUFFIX:
        _show_size(shown.path)


def _show_size(path: Path) -> None:
    """Show the size of a picture, except of a damaged one."""
    try:
        height, width = tables.read_image_size(str(path), path.stat().st_mtime)
        st.markdown(say("size_is", width=width, height=height))
    except InputError:
        return
