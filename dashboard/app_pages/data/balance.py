"""Show how many examples each class has in each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.data import tables
from dashboard.app_pages.data.splits import get_split_name
from dashboard.app_pages.data.tables import Chosen
from dashboard.charts import class_counts

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show how many examples each class has."""
    st.markdown(say(f"balance_lead_{chosen.dataset.task}"))
    held = tables.get_columns(chosen.key, chosen)
    (_show_cells if chosen.dataset.task == "multi" else _show_by_class)(chosen, held)


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
    words = _describe_balance(names, total)
    sides = say(
        "balance_sides", sides=layout.format_list(say("side_n", side=name, n=row.sum()) for name, row in parts.items())
    )
    layout.show_chart(
        class_counts.draw_stacked_bars(names, parts, say("examples")),
        say("two", first=words, second=sides),
        rows,
        "balance",
    )


def _describe_balance(names: Sequence[str], total: np.ndarray) -> str:
    """Describe which classes have most and fewest examples."""
    most, least = int(total.argmax()), int(total.argmin())
    if total[most] == total[least]:
        return say("balance_even", n=total.sum(), each=total[most])
    return say(
        "balance_words", n=total.sum(), most=names[most], most_n=total[most], least=names[least], least_n=total[least]
    )


def _show_cells(chosen: Chosen, held: Mapping[str, np.ndarray]) -> None:
    """Show a bar per class, stacked by present, absent and unlabeled, for one split or all."""
    there = [name for name in tables.SIDES if (held["sides"] == name).any()]
    ways = {"all": say("all")} | ({name: get_split_name(name) for name in there} if len(there) > 1 else {})
    wanted = layout.select_option(say("of_side"), ways, "of_side")
    targets = held["targets"] if wanted == "all" else held["targets"][held["sides"] == wanted]
    names = chosen.dataset.class_names
    parts = {
        say("present"): (targets == 1).sum(axis=0),
        say("absent"): (targets == 0).sum(axis=0),
        say("unobserved"): np.isnan(targets).sum(axis=0),
    }
    rows = [{say("class"): name, **{part: int(row[k]) for part, row in parts.items()}} for k, name in enumerate(names)]
    observed = f"{np.isfinite(targets).mean():.0%}" if targets.size else "–"
    words = say("two", first=say("cells_words", n=len(targets), share=observed), second=_describe_present(names, parts))
    figure = class_counts.draw_stacked_bars(names, parts, say("examples"), pale=say("unobserved"))
    layout.show_chart(figure, words, rows, "cells")


def _describe_present(names: Sequence[str], parts: Mapping[str, np.ndarray]) -> str:
    """Describe which classes are present most and least often."""
    present = parts[say("present")]
    most, least = int(present.argmax()), int(present.argmin())
    if present[most] == present[least]:
        return say("present_even", n=present[most])
    return say("present_words", most=names[most], most_n=present[most], least=names[least], least_n=present[least])
