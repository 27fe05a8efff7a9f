"""Provide what every page shares: the language, the page frame, choices, charts with tables, and errors."""

from __future__ import annotations

import csv
import io
import re
import sys
import traceback
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import i18n, runs
from dashboard.runs import RunView
from musicml.evaluation import describe_few_groups
from musicml.utils import InputError, make_readable, translate

ORIGIN = "shown-origin"  # where a session keeps whether the figures on the page are from sample data
MARKS = r"[\\*_\[\]<>$~|#:@]|(?<=www)\."  # what Markdown interprets, and what makes a link of an address
LIVE = 3.0  # seconds, from one look at a run that is training to the next


def get_language() -> str:
    """Return the language chosen in the sidebar; before that, the browser's."""
    return st.session_state.get("lang") or i18n.match_locale(st.context.locale)


def get_words(page: str = "common") -> i18n.Words:
    """Return the words of a page in the chosen language."""
    return i18n.Words(get_language(), page)


class LazyText:
    """Look up a page's words in the language chosen at call time, because modules outlive a choice.

    Never ask it from inside a widget's `format_func`, which can be called where no page runs.
    """

    def __init__(self, page: str):
        self.page = page

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key, as `Words` does."""
        return get_words(self.page)(key, **values)

    def show(self, key: str, kind: Callable[[str], Any] = st.markdown, /, **values: object) -> None:
        """Show a sentence, with the words in its blanks as they are: no Markdown, no links."""
        shown = {name: escape_markdown(value) if isinstance(value, str) else value for name, value in values.items()}
        kind(self(key, **shown))

    def make_row(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of a table: the name of each key in the chosen language → its cell."""
        return {self(key): cell for key, cell in cells.items()}

    def select(self, what: str, options: Iterable[str], key: str, **settings: Any) -> str:
        """Let the user choose one of a few options, as `select_option`, each called by the words of `what_option`."""
        return select_option(self(what), {option: self(f"{what}_{option}") for option in options}, key, **settings)


say = LazyText("common")


def translate_message(sentence: str) -> str:
    """Translate an English message of the package into the chosen language."""
    return translate(sentence, get_language())


def localize(sentence: str) -> str:
    """Translate an English message of the package, and escape it for Markdown."""
    return escape_markdown(translate_message(sentence))


def begin_page(page: str) -> LazyText:
    """Show a page's title and purpose, and return its words."""
    st.session_state[ORIGIN] = None
    words = LazyText(page)
    st.title(words("title"))
    st.markdown(words("lead"))
    return words


def run_guarded(show: Callable[[], None]) -> None:
    """Run `show`; display invalid-input errors, and log unexpected exceptions to the terminal."""
    try:
        show()
    except InputError as error:
        show_error(error)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        st.error(say("fault"), icon=":material/error:")


def show_error(error: InputError | str) -> None:
    """Show an error."""
    st.error(localize(error.message if isinstance(error, InputError) else error), icon=":material/error:")


def show_info(sentence: str) -> None:
    """Show what the user may want to know."""
    st.info(sentence, icon=":material/info:")


def show_warning(sentence: str) -> None:
    """Show what the user must know."""
    st.warning(sentence, icon=":material/warning:")


def escape_markdown(sentence: str) -> str:
    """Escape a sentence for Markdown, except the code between backticks."""
    sentence = make_readable(sentence)  # a folder's name that is not UTF-8 is one that a browser can't be sent
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without its other
        parts = [sentence.replace("`", "'")]
    return "`".join(part if place % 2 else re.sub(MARKS, r"\\\g<0>", part) for place, part in enumerate(parts))


def show_empty_and_stop(what: str, how: str) -> None:
    """Say what is missing and how to get it, and end the page."""
    show_info(what)
    st.markdown(how)
    st.stop()


def list_statuses() -> tuple[tuple[str, str], ...]:
    """Return the name and the status of each run."""
    return tuple((one.name, one.status) for one in runs.list_runs())


@st.fragment(run_every=LIVE)
def watch_runs(known: tuple[tuple[str, str], ...]) -> None:
    """Run the page again as soon as a run begins, ends or is removed."""
    if list_statuses() != known:
        st.rerun()


def list_runs_or_stop(only: Callable[[RunView], bool] = lambda _: True) -> list[RunView]:
    """Return the runs that a page can show; without any, show the first steps and end the page."""
    found = [one for one in runs.list_runs() if only(one)]
    if not found:
        watch_runs(list_statuses())
        show_empty_and_stop(say("no_runs", folder=escape_markdown(str(runs.get_runs_root()))), say("first_steps"))
    return found


def is_complete(one: RunView) -> bool:
    """Return whether a run has its report."""
    return one.status == "whole"


def select_run(found: Sequence[RunView], key: str = "run", label: str = "choose_run") -> RunView:
    """Let the user choose a run; the choice is kept across pages and in the address."""
    by_name = {one.name: one for one in found}
    if st.query_params.get(key, next(iter(by_name))) not in by_name:
        st.warning(say("no_such_run"), icon=":material/link_off:")
    chosen = by_name[st.selectbox(say(label), list(by_name), key=key, bind="query-params")]
    st.caption(describe_run(chosen))
    return chosen


def select_runs(found: Sequence[RunView], n: int, key: str = "runs", most: int = 8) -> list[RunView]:
    """Let the user choose several runs, at first the first `n`."""
    by_name = {one.name: one for one in found}
    names = st.multiselect(
        say("choose_runs"),
        list(by_name),
        default=list(by_name)[:n],
        key=key,
        max_selections=most,
        placeholder=say("choose"),
        bind="query-params",
    )
    return [by_name[name] for name in names]


def make_formatter(names: Mapping[Any, str]) -> Callable[[Any], str]:
    """Return a widget's `format_func`: the name of an option; empty for a choice that is no longer offered."""
    return lambda option: names.get(option, "")


def forget_unknown(key: str, options: Container[Any]) -> None:
    """Forget a choice that is no longer offered, so that the first option takes its place."""
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)


def select_option(label: str, ways: Mapping[str, str], key: str, **options: Any) -> str:
    """Let the user choose a key of `ways` by its value; at first, or after an invalid choice, it is the first one."""
    forget_unknown(key, ways)
    return st.segmented_control(
        label, list(ways), default=next(iter(ways)), required=True, format_func=make_formatter(ways), key=key, **options
    )


def select_class(names: Sequence[str]) -> str:
    """Let the user choose a class; the choice is kept across pages and in the address."""
    forget_unknown("class", names)
    return st.selectbox(say("class_of"), names, key="class", bind="query-params")


def describe_run(one: RunView) -> str:
    """Describe a run's data, protocol and status in a few words."""
    parts = [say(f"status_{one.status}")]
    if one.is_ours:
        protocol = say(f"protocol_{one.info.protocol}")
        parts = [one.info.data.dataset, say("sample" if one.sample else "real"), protocol, *parts]
    return escape_markdown(" · ".join(parts))


def show_notes(one: RunView) -> None:
    """Show the user's tags and note of a run, if it has any, as they are: no Markdown, no links."""
    notes = runs.get_notes(one)
    if notes.tags:
        st.markdown(" ".join(f":blue-badge[{escape_markdown(tag)}]" for tag in notes.tags))
    if notes.note:
        with st.container(border=True):
            st.text(f"{capitalize(say('own_note'))}: {notes.note}")  # in Markdown an address would be a link


def is_dark() -> bool:
    """Return whether the page is dark, for the few colors that a theme does not choose."""
    return st.context.theme.type == "dark"


def show_data_notes(*shown: RunView) -> None:
    """Warn that results come from generated data or a pretrained backbone, where any of them do."""
    kinds = {one.sample for one in shown}
    st.session_state[ORIGIN] = "mixed" if len(kinds) > 1 else "sample" if kinds == {True} else None
    if any(kinds):
        st.warning(say("sample_note"), icon=":material/science:")
    for caveat in dict.fromkeys(one.info.caveat for one in shown if one.info.caveat):
        names = [one.name for one in shown if one.info.caveat == caveat]
        words = {"runs": escape_markdown(format_list(names, 4)), "caveat": localize(caveat)}
        st.info(say("pretrained_note", **words), icon=":material/hearing:")
    for one in shown:
        for warning in one.info.warnings:
            say.show("training_note", st.warning, run=one.name, warning=translate_message(warning))


def show_few_groups(sizes: Mapping[str, tuple[int, str | None]]) -> None:
    """Say how far intervals over few groups can be relied on: name → number of groups, and how they were computed."""
    said = {name: sentence for name, of in sizes.items() if (sentence := describe_few_groups(*of))}
    for sentence in dict.fromkeys(said.values()):
        names = format_list([escape_markdown(name) for name, its in said.items() if its == sentence], 4)
        st.caption(f"{names}: {localize(sentence)}" if len(sizes) > 1 else localize(sentence))


def show_in_columns(items: Sequence[Any], n: int, show: Callable[[Any], None], border: bool = False) -> None:
    """Show items side by side, `n` in each line."""
    for begin in range(0, len(items), n):
        for column, item in zip(st.columns(n), items[begin : begin + n], strict=False):
            with column.container(border=border):
                show(item)


def show_chart(
    figure: Any,
    in_words: str,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    on_select: Callable[[], None] | None = None,
) -> None:
    """Show a chart, its description in words, and its values as a table to open or download."""
    st.plotly_chart(
        figure,
        key=key,
        alt=in_words,
        on_select=on_select or "ignore",
        selection_mode="points",
        config={"displaylogo": False, "responsive": True},
    )
    st.caption(escape_markdown(in_words))
    show_folded_table(rows, f"{key}-table")


def show_folded_table(rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Show what a picture shows as a table, which the user can open."""
    with st.expander(say("as_table"), icon=":material/table:"):
        show_table(rows, key)


def show_table(
    rows: Sequence[Mapping[str, Any]], key: str, config: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Show a sortable table with a button that downloads it as CSV.

    Parameters
    ----------
    rows : each a mapping of the words at the column's head to the cell
    config : Streamlit's column settings, by the same words
    """
    shown = st.dataframe(rows, key=key, hide_index=True, column_config=dict(config or {}), placeholder="–", **options)
    show_download(rows, f"{key}.csv", f"{key}-csv")
    return shown


def show_download(rows: Sequence[Mapping[str, Any]], name: str, key: str) -> None:
    """Show a button that downloads rows as CSV, with a column that marks generated data."""
    origin = st.session_state.get(ORIGIN)
    if origin and rows and say("sample_column") not in rows[0]:
        rows = [{**row, say("sample_column"): say(f"origin_{origin}")} for row in rows]
    st.download_button(
        say("download_csv"), format_csv(rows), name, "text/csv", key=key, on_click="ignore", icon=":material/download:"
    )


def format_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as CSV; cells that a spreadsheet would run as formulas get an apostrophe."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow([escape_csv_formula(name) for name in (rows[0] if rows else [])])
    for row in rows:
        writer.writerow([escape_csv_formula(cell) for cell in row.values()])
    return made.getvalue()


def escape_csv_formula(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def round_metric(value: float | None) -> float | None:
    """Round as the command line does; a browser rounds halves differently."""
    return None if value is None else round(value, 3)


def format_metric(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Format a metric with its interval: `0.643 (0.448 – 0.835)`; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.3f} ({format_interval(interval)})" if interval else f"{value:.3f}"


def format_interval(interval: Sequence[float]) -> str:
    """Format an interval: `0.448 – 0.835`."""
    return f"{interval[0]:.3f} – {interval[1]:.3f}"


def format_percent(share: float) -> str:
    """Format a share as a percentage, without the sign."""
    return f"{100 * share:.1f}"


def get_metric_name(name: str) -> str:
    """Return a metric's name in the chosen language."""
    return get_name("metric", name)


def get_name(what: str, key: str, page: str = "common") -> str:
    """Return the words of `what_key` in the chosen language; the key where there are none."""
    say = get_words(page)
    return say(f"{what}_{key}") if say.has(f"{what}_{key}") else key


def get_metric_names(names: Iterable[str]) -> dict[str, str]:
    """Return metrics with their names in the chosen language."""
    return {name: get_metric_name(name) for name in names}


def capitalize(words: str) -> str:
    """Capitalize the first letter, and leave all others as they are."""
    return words[:1].upper() + words[1:]


def format_duration(seconds: float) -> str:
    """Format seconds for reading: `41 s`, `12 min`, `1.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_list(names: Iterable[str], most: int = 12) -> str:
    """Join names with commas, the first `most` of them."""
    names = list(names)
    return ", ".join(names[:most]) + (f" … (+{len(names) - most})" if len(names) > most else "")
