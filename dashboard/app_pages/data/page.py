"""Show a dataset: its source, its class balance, its examples and its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from dashboard import datasets, layout, media, runs
from dashboard.app_pages.data import audit, pictures, tables
from dashboard.app_pages.data.tables import MAX_ROWS, Chosen, get_split_name
from dashboard.caching import get_stamp
from dashboard.charts import counts
from dashboard.runs import RunView
from musicml.data.datasets import Example
from musicml.data.io import TYPE_OF_PICTURE_SUFFIX
from musicml.utils import InputError

MAX_EXAMPLES = 2000  # in the list of examples
MAX_REASONS = 6  # listed above the table

say = layout.begin_page("data")


def show() -> None:
    """Show the page."""
    chosen = _choose()
    if chosen.view.sample if chosen.view else chosen.dataset.sample:
        st.warning(say("generated"), icon=":material/science:")
    parts = {"groups": _show_groups, "left_out": _show_excluded}
    if chosen.loaded:
        lengths = {"lengths": _show_lengths} if chosen.dataset.kind == "sound" else {}
        facts = {"facts": _show_facts, "balance": _show_balance, "example": _show_example}
        parts = {**facts, **lengths, **parts, "audit": audit.show}
    parts[say.select("part", parts, "part", persist_state="session", label_visibility="collapsed")](chosen)


def _choose() -> Chosen:
    """Let the user choose a dataset on the disk, or the data of a run."""
    there, found = datasets.list_datasets(), [view for view in runs.list_runs() if view.info.data.dataset]
    if not there and not found:
        folder = layout.escape_markdown(str(runs.get_data_root()))
        layout.show_empty_and_stop(say("no_data", folder=folder), say("first_steps"))
    ways = [way for way, some in (("set", there), ("run", found)) if some]
    way = say.select("look_at", ways, "of", persist_state="session")
    return _open_run(layout.select_run(found)) if way == "run" else _open_dataset(there)


def _open_dataset(there: list[tuple[str, str]]) -> Chosen:
    """Let the user choose one of the datasets on the disk, and open it."""
    # the names are paths inside the data folder: the same in every language, so addresses work in all of them
    by_name = {name if which == "real" else f"sample/{name}": (name, which) for name, which in there}
    chosen = st.selectbox(layout.capitalize(say("dataset")), list(by_name), key="set", bind="query-params")
    with st.spinner(say("reading")):
        loaded = datasets.open_dataset(*by_name[chosen])
    return Chosen(loaded, None, (chosen, loaded.number))


def _open_run(view: RunView) -> Chosen:
    """Open the data of a run; without its files where they are missing."""
    changed = get_stamp(view.run.path, "split.csv", "excluded.csv", "report.json")
    try:
        with st.spinner(say("reading")):
            loaded = datasets.open_run_dataset(view)
    except InputError as error:
        layout.show_error(error)
        st.markdown(say("gone_data"))
        return Chosen(None, view, (view.name, changed))
    return Chosen(loaded, view, (view.name, loaded.number, changed))


# Its size, its source, and the limits of results on it


def _show_facts(chosen: Chosen) -> None:
    """Show the numbers first, then the source and known limits of the dataset."""
    dataset = chosen.dataset
    numbers = {
        "examples": len(dataset.examples),
        "classes": len(dataset.class_names),
        "n_groups": len(set(tables.get_columns(chosen)["groups"])),
        "n_left_out": len(tables.list_excluded(chosen)),
    }
    for column, (name, value) in zip(st.columns(4), numbers.items(), strict=True):
        column.metric(layout.capitalize(say(name)), value)
    st.markdown(say(f"is_{dataset.kind}_{dataset.task}"))
    say.show("class_names", names=layout.format_list(dataset.class_names, 40))
    st.header(say("source"))
    facts = {name: value for name, value in dataset.source.items() if name not in ("sample", "licence", "license")}
    rows = {layout.get_name("source", name, "data"): layout.format_fact(v) for name, v in facts.items()}
    # the license is always shown, because a missing one matters too
    licence = dataset.source.get("licence") or dataset.source.get("license") or say("no_licence")
    rows = {**rows, say("licence"): str(licence)}
    st.table([say.make_row({"what": name, "fact": value}) for name, value in rows.items()])
    if dataset.notes:
        st.header(say("notes"))
        for note in dataset.notes:
            say.show("bullet", text=layout.translate_message(note))


# How many examples each class has in each split


def _show_balance(chosen: Chosen) -> None:
    """Show how many examples each class has."""
    st.markdown(say(f"balance_lead_{chosen.dataset.task}"))
    held = tables.get_columns(chosen)
    (_show_cells if chosen.dataset.task == "multi" else _show_by_class)(chosen, held)


def _describe_ends(what: str, names: Sequence[str], held: np.ndarray, n: int) -> str:
    """Describe which classes have the most and the fewest examples."""
    most, least = int(held.argmax()), int(held.argmin())
    ends = {"most": names[most], "most_n": held[most], "least": names[least], "least_n": held[least]}
    return say(f"{what}_even" if held[most] == held[least] else f"{what}_words", n=n, each=held[most], **ends)


def _show_by_class(chosen: Chosen, held: Mapping[str, np.ndarray]) -> None:
    """Show a bar per class, stacked by split."""
    names, own = chosen.dataset.class_names, held["targets"].argmax(axis=1)
    shown = [name for name in tables.SIDES if (held["sides"] == name).any()]
    parts = {get_split_name(name): np.bincount(own[held["sides"] == name], minlength=len(names)) for name in shown}
    total = np.bincount(own, minlength=len(names))
    rows = [
        {say("class"): name, **{part: int(row[k]) for part, row in parts.items()}, say("total"): int(total[k])}
        for k, name in enumerate(names)
    ]
    sides = layout.format_list(say("side_n", side=name, n=row.sum()) for name, row in parts.items())
    words = _describe_ends("balance", names, total, int(total.sum()))
    words = say("two", first=words, second=say("balance_sides", sides=sides))
    layout.show_chart(counts.draw_stacked_bars(names, parts, say("examples")), words, rows, "balance")


def _show_cells(chosen: Chosen, held: Mapping[str, np.ndarray]) -> None:
    """Show a bar per class, stacked by present, absent and unlabeled, for one split or all."""
    there = [name for name in tables.SIDES if (held["sides"] == name).any()]
    ways = {"all": say("all")} | ({name: get_split_name(name) for name in there} if len(there) > 1 else {})
    wanted = layout.select_option(say("of_side"), ways, "of_side")
    targets = held["targets"] if wanted == "all" else held["targets"][held["sides"] == wanted]
    names, present = chosen.dataset.class_names, (targets == 1).sum(axis=0)
    absent, unobserved = (targets == 0).sum(axis=0), np.isnan(targets).sum(axis=0)
    parts = say.make_row({"present": present, "absent": absent, "unobserved": unobserved})
    rows = [{say("class"): name, **{part: int(row[k]) for part, row in parts.items()}} for k, name in enumerate(names)]
    observed = f"{np.isfinite(targets).mean():.0%}" if targets.size else "–"
    words = _describe_ends("present", names, present, int(present.max()))
    words = say("two", first=say("cells_words", n=len(targets), share=observed), second=words)
    figure = counts.draw_stacked_bars(names, parts, say("examples"), pale=say("unobserved"))
    layout.show_chart(figure, words, rows, "cells")


# One example


def _show_example(chosen: Chosen) -> None:
    """Show the chosen example with its labels."""
    shown, standing = _select_example(chosen)
    if shown is None:
        layout.show_info(say("none_there"))
        return
    left, right = st.columns(2)
    with left:
        media.show_example(shown, chosen.dataset.kind)
    with right:
        _show_labels(shown, standing, chosen.dataset.task)
    if chosen.dataset.kind == "sound" and datasets.is_viewable(shown):
        pictures.show(shown.path)


def _select_example(chosen: Chosen) -> tuple[Example | None, str]:
    """Let the user choose an example by class and name; return it and its split."""
    held, names = tables.get_columns(chosen), chosen.dataset.class_names
    left, right = st.columns(2)
    label = left.selectbox(say("choose_class"), names, key=f"class-{chosen.dataset.name}")
    places = np.flatnonzero(held["targets"][:, names.index(label)] == 1)
    ids = held["ids"][places[:MAX_EXAMPLES]].tolist()
    name = right.selectbox(say("choose_example"), ids, key=f"example-{chosen.dataset.name}-{label}")
    if len(places) > MAX_EXAMPLES:
        st.caption(say("offered", n=MAX_EXAMPLES, all=len(places)))
    return (chosen.files.examples[name], held["sides"][places[ids.index(name)]]) if ids else (None, "")


def _show_labels(shown: Example, standing: str, task: str) -> None:
    """Show an example's labels, group and split, and the size of a picture."""
    present, absent = (
        layout.format_list(name for name, there in shown.labels.items() if there == wanted) for wanted in (True, False)
    )
    say.show("file_is", name=shown.id)
    if task == "multi":
        say.show("holds", names=present or say("nothing"))
        say.show("lacks", names=absent or say("nothing"))
    else:
        say.show("class_is", name=present)
    say.show("group_is", name=shown.group)
    say.show("side_is", name=get_split_name(standing))
    if datasets.is_viewable(shown) and shown.path.suffix.lower() in TYPE_OF_PICTURE_SUFFIX:
        try:
            height, width = tables.read_image_size(shown.path)
            st.markdown(say("size_is", width=width, height=height))
        except InputError:  # the picture is damaged, which is shown in its place
            return


# How long the sounds are


def _show_lengths(chosen: Chosen) -> None:
    """Show a histogram of lengths in seconds, when the user asks for it."""
    n = len(chosen.dataset.examples)
    st.markdown(say("lengths_lead", n=min(n, tables.MAX_MEASURED), all=n))
    if not st.toggle(say("measure"), key="measure"):
        return
    with st.spinner(say("measuring")):
        seconds, unknown = tables.measure_lengths(chosen)
    if not len(seconds):
        layout.show_info(say("no_lengths"))
        return
    edges, held = counts.bin_values(seconds)
    least, median, most = np.percentile(seconds, (0, 50, 100)).tolist()
    words = say("lengths_words", n=len(seconds), all=n, least=least, median=median, most=most)
    rows = [
        say.make_row({"from": round(float(low), 3), "to": round(float(high), 3), "files": int(count)})
        for low, high, count in zip(edges[:-1], edges[1:], held, strict=True)
    ]
    layout.show_chart(counts.draw_histogram(edges, held, say("seconds"), say("files")), words, rows, "lengths")
    if unknown:
        st.markdown(say("lengths_unknown", n=unknown))


# Which groups are in which split


def _show_groups(chosen: Chosen) -> None:
    """Show the groups, and whether any of them is in two splits."""
    st.markdown(say("groups_lead"))
    say.show_help("groups_more")
    names, held, sides = tables.count_group_sides(chosen)
    if not len(names):
        layout.show_info(say("no_split"))
        return
    if chosen.view and chosen.view.info.split.statement:
        say.show("statement", text=layout.translate_message(chosen.view.info.split.statement))
    crossing = tables.find_crossing_groups(held, sides)
    alone = int((held.sum(axis=1) == 1).sum())
    st.markdown(say("groups_words", n=len(names), alone=alone, largest=int(held.sum(axis=1).max())))
    if not any(sides):
        layout.show_info(say("no_sides"))
    elif alone == len(names):
        layout.show_warning(say("all_alone"))  # a group of one example can't be in two splits
    elif not crossing.any():
        st.success(say("no_crossing", n=len(names)), icon=":material/check_circle:")
    else:
        across = layout.escape_markdown(layout.format_list(names[crossing]))
        words = say("crossing", n=int(crossing.sum()), names=across)
        layout.show_warning(words if chosen.view else say("two", first=words, second=say("crossing_own")))
    order = np.lexsort((-held.sum(axis=1), ~crossing))[:MAX_ROWS]
    rows = [
        {
            say("group"): names[place],
            **{get_split_name(name): int(held[place, k]) for k, name in enumerate(sides)},
            say("total"): int(held[place].sum()),
        }
        for place in order
    ]
    if len(names) > MAX_ROWS:
        st.caption(say("groups_listed", n=MAX_ROWS, all=len(names)))
    layout.show_table(rows, "groups")


# Which files are not used


def _show_excluded(chosen: Chosen) -> None:
    """Show the files that are not used, and why."""
    rows = tables.list_excluded(chosen)
    st.markdown(say("left_out_lead"))
    if not rows:
        layout.show_info(say("nothing_left_out" if chosen.view else "nothing_by_lists"))
        return
    st.markdown(say("left_out_n", n=len(rows)))
    reasons = [layout.translate_message(reason) for _, reason in rows[:MAX_ROWS]]
    for reason, n in Counter(reasons).most_common(MAX_REASONS):
        say.show("bullet", text=say("times", n=n, reason=reason))
    if len(rows) > MAX_ROWS:
        st.caption(say("left_out_listed", n=MAX_ROWS))
    table = [say.make_row({"file": rows[k][0], "reason": reason}) for k, reason in enumerate(reasons)]
    layout.show_table(table, "left-out")


show()
