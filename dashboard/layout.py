"""Provide what every page shares: the language, the page frame, choices, charts with tables, and errors."""

from __future__ import annotations

import csv
import io
import re
import sys
import time
import traceback
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import i18n, runs
from dashboard.runs import RunView
from musicml.course import find_lessons_folder
from musicml.evaluation import describe_few_groups
from musicml.utils import COMMA_LANGUAGES, InputError, escape_csv_formula, format_number, make_readable, translate

ORIGIN = "shown-origin"  # session key: where the results on the page come from, `sample`, `mixed` or None
MARKS = r"[\\*_\[\]<>$~|#:@]|(?<=www)\."  # Markdown syntax, and "www." because it becomes a link
MAX_ADDRESS_DELAY = 2.0  # seconds until a browser shows the address that it was sent
LIVE = 3.0  # seconds between two refreshes of a page while a run is training
RUN_NAME = re.compile(
    r"(?P<experiment>.+)-\d{4}(?P<month>\d\d)(?P<day>\d\d)T(?P<hour>\d\d)(?P<minute>\d\d)\d\d-s(?P<seed>\d+)"
)
CLEAR_DATASETS = ("gtzan", "instrument_images", "instrument_sounds")  # genres and instruments, one label an example


def get_language() -> str:
    """Return the language chosen in the sidebar; before that, the browser's."""
    return st.session_state.get("lang") or i18n.match_locale(st.context.locale)


def get_words(page: str = "common") -> i18n.Words:
    """Return the words of a page in the chosen language."""
    return i18n.Words(get_language(), page)


class LazyText:
    """Look up a page's words in the language chosen at call time, because modules outlive a choice.

    Never call it inside a widget's `format_func`: Streamlit may run that outside a page, where no language is known.
    """

    def __init__(self, page: str):
        self.page = page

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key, as `Words` does."""
        return get_words(self.page)(key, **values)

    def show(self, key: str, kind: Callable[[str], Any] = st.markdown, /, **values: object) -> None:
        """Show a sentence with escaped values, so that a file name can't inject Markdown or a link."""
        shown = {name: escape_markdown(value) if isinstance(value, str) else value for name, value in values.items()}
        kind(self(key, **shown))

    def make_row(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of a table: the name of each key in the chosen language → its cell."""
        return {self(key): cell for key, cell in cells.items()}

    def show_help(self, key: str, **values: object) -> None:
        """Show a longer explanation behind the expander "How to read this"."""
        with st.expander(say("how_to_read"), icon=":material/help:"):
            st.markdown(self(key, **values))

    def select(self, what: str, options: Iterable[str], key: str, **settings: Any) -> str:
        """Let the user choose one of a few options; each is labeled with the words of `what_option`."""
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
    st.session_state[ORIGIN] = None  # set again by `show_data_notes`
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
        traceback.print_exc(file=sys.stderr)  # details for the administrator, not for the visitor
        st.error(say("fault"), icon=":material/error:")


def show_error(error: InputError | str) -> None:
    """Show an error."""
    st.error(localize(error.message if isinstance(error, InputError) else error), icon=":material/error:")


def show_info(sentence: str) -> None:
    """Show a hint."""
    st.info(sentence, icon=":material/info:")


def show_warning(sentence: str) -> None:
    """Show a warning."""
    st.warning(sentence, icon=":material/warning:")


def escape_markdown(sentence: str) -> str:
    """Escape a sentence for Markdown, except the code between backticks."""
    sentence = make_readable(sentence)  # browsers accept UTF-8 only, file names need not be UTF-8
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick
        parts = [sentence.replace("`", "'")]
    # every second part stands between backticks, where Markdown interprets nothing
    return "`".join(part if place % 2 else re.sub(MARKS, r"\\\g<0>", part) for place, part in enumerate(parts))


def show_empty_and_stop(what: str, how: str) -> None:
    """Show what is missing and how to get it, then end the page."""
    show_info(what)
    st.markdown(how)
    st.stop()


def list_statuses() -> tuple[tuple[str, str], ...]:
    """Return the name and the status of each run."""
    return tuple((view.name, view.status) for view in runs.list_runs())


@st.fragment(run_every=LIVE)
def watch_runs(known: tuple[tuple[str, str], ...]) -> None:
    """Rerun the page as soon as a run starts, ends or is removed."""
    if list_statuses() != known:
        st.rerun()  # from a fragment, this reruns the whole page


def list_runs_or_stop(only: Callable[[RunView], bool] = lambda _: True) -> list[RunView]:
    """Return the runs that a page can show; without any, show the first steps and end the page."""
    found = [view for view in runs.list_runs() if only(view)]
    if not found:
        watch_runs(list_statuses())
        show_empty_and_stop(say("no_runs", folder=escape_markdown(str(runs.get_runs_root()))), say("first_steps"))
    return found


def is_complete(view: RunView) -> bool:
    """Return whether a run has its report."""
    return view.status == "whole"


def rank_as_default(view: RunView) -> tuple[bool, ...]:
    """Return a sort key that puts the run with the clearest results first: the run on which a page opens.

    A newcomer understands a complete single-label run on genres or instruments, with a test split, most easily.
    """
    return (
        not is_complete(view),
        view.info.task != "single" or view.info.data.dataset not in CLEAR_DATASETS,
        view.report is None or view.report.split != "test",
        not view.info.is_honest,
        not view.info.has_epochs,  # without epochs there are no training curves
    )


def select_run(found: Sequence[RunView], key: str = "run", label: str = "choose_run") -> RunView:
    """Let the user choose a run; the choice is kept across pages and in the address."""
    by_name = {view.name: view for view in found}
    follow_address(key, by_name, [min(found, key=rank_as_default).name])
    name = st.selectbox(say(label), list(by_name), format_func=make_formatter(label_runs(found)), key=key)
    write_address(key, [name])
    st.caption(describe_run(by_name[name]))
    return by_name[name]


def select_runs(
    found: Sequence[RunView], default: Sequence[RunView], key: str = "runs", most: int = 8
) -> list[RunView]:
    """Let the user choose several runs, at first those of `default`."""
    by_name = {view.name: view for view in found}
    follow_address(key, by_name, [view.name for view in default], most)
    named = make_formatter(label_runs(found))
    names = st.multiselect(
        say("choose_runs"), list(by_name), format_func=named, key=key, max_selections=most, placeholder=say("choose")
    )
    write_address(key, names)
    return [by_name[name] for name in names]


def follow_address(key: str, known: Container[str], default: Sequence[str] = (), most: int | None = None) -> None:
    """Set a choice of one run, or of up to `most`, before its widget is shown: from the address or an earlier page.

    Streamlit's own `bind` would write the options' labels into the address, which differ between languages.
    """
    names = list(dict.fromkeys(st.query_params.get_all(key)))[:most]  # more than `most` would be an error of Streamlit
    latest, previous, written = st.session_state.get(f"{key}-address", (None, None, 0.0))
    # a browser that was sent a new address may report the old one for a moment
    is_late = names == previous and time.monotonic() - written < MAX_ADDRESS_DELAY
    if names and names != latest and not is_late:  # the address has changed: a link was followed
        if all(name in known for name in names):
            st.session_state[key] = names if most else names[0]
        else:
            st.warning(say("no_such_run"), icon=":material/link_off:")
    current = st.session_state.get(key, latest)  # Streamlit forgets a widget that another page does not show
    current = [current] if isinstance(current, str) else current
    current = [name for name in default if name in known] if current is None else [n for n in current if n in known]
    if most:
        st.session_state[key] = current
    else:
        st.session_state[key] = (current or list(default) or [None])[0]


def write_address(key: str, names: Sequence[str]) -> None:
    """Write the full names of the chosen runs into the page's address."""
    latest, *_ = before = st.session_state.get(f"{key}-address", (None, None, 0.0))
    st.session_state[f"{key}-address"] = before if latest == names else (list(names), latest, time.monotonic())
    if names:
        st.query_params[key] = names
    else:
        st.query_params.pop(key, None)


def label_runs(found: Iterable[RunView]) -> dict[str, str]:
    """Return each run's full name with its short one; runs whose short names are equal keep their full names."""
    short = {view.name: shorten_run_name(view.name) for view in found}
    labels = list(short.values())
    return {name: label if labels.count(label) == 1 else name for name, label in short.items()}


def shorten_run_name(name: str) -> str:
    """Shorten a run's name for reading: `genre_cnn · 30 Nov 07:28 · seed 0`; a name of another form stays."""
    parts = RUN_NAME.fullmatch(name)
    if not parts or not 1 <= int(parts["month"]) <= 12:
        return name
    month, time = say("months").split()[int(parts["month"]) - 1], f"{parts['hour']}:{parts['minute']}"
    words = {"experiment": parts["experiment"], "seed": parts["seed"]}
    return say("run_label", day=str(int(parts["day"])), month=month, time=time, **words)


def make_formatter(names: Mapping[Any, str]) -> Callable[[Any], str]:
    """Return a widget's `format_func`: the name of an option; empty for a choice that is no longer available."""
    return lambda option: names.get(option, "")


def forget_unknown(key: str, options: Container[Any]) -> None:
    """Forget a choice that is no longer available, so that the first option replaces it."""
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)


def select_option(label: str, ways: Mapping[str, str], key: str, **options: Any) -> str:
    """Let the user choose a key of `ways` by its value; the first one is the default."""
    forget_unknown(key, ways)
    return st.segmented_control(
        label, list(ways), default=next(iter(ways)), required=True, format_func=make_formatter(ways), key=key, **options
    )


def select_class(names: Sequence[str]) -> str:
    """Let the user choose a class; the choice is kept across pages and in the address."""
    forget_unknown("class", names)
    return st.selectbox(say("class_of"), names, key="class", bind="query-params")


def describe_run(view: RunView) -> str:
    """Describe a run's data, protocol and status in a few words."""
    parts = [say(f"status_{view.status}")]
    if view.is_ours:
        protocol = say(f"protocol_{view.info.protocol}")
        # a pretrained or damaged run has no data to describe
        parts = [view.info.data.dataset, say("sample" if view.sample else "real"), protocol, *parts]
    return escape_markdown(" · ".join(parts))


def show_notes(view: RunView) -> None:
    """Show the user's tags and note of a run as plain text."""
    notes = runs.get_notes(view)
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
    kinds = {view.sample for view in shown}  # True, False or both
    st.session_state[ORIGIN] = "mixed" if len(kinds) > 1 else "sample" if kinds == {True} else None
    if any(kinds):
        st.warning(say("sample_note"), icon=":material/science:")
    caveats = {view.name: view.info.caveat for view in shown}
    for caveat in dict.fromkeys(filter(None, caveats.values())):
        names = [label for name, label in label_runs(shown).items() if caveats[name] == caveat]
        words = {"runs": escape_markdown(format_list(names, 4)), "caveat": localize(caveat)}
        st.info(say("pretrained_note", **words), icon=":material/hearing:")
    for view in shown:
        for warning in view.info.warnings:
            words = {"run": shorten_run_name(view.name), "warning": translate_message(warning)}
            say.show("training_note", st.warning, **words)


def show_few_groups(sizes: Mapping[str, tuple[int, str | None]]) -> None:
    """Show how reliable intervals over few groups are: name → number of groups, and how intervals were computed."""
    remarks = {name: sentence for name, size in sizes.items() if (sentence := describe_few_groups(*size))}
    for sentence in dict.fromkeys(remarks.values()):
        names = format_list([escape_markdown(name) for name, remark in remarks.items() if remark == sentence], 4)
        st.caption(f"{names}: {localize(sentence)}" if len(sizes) > 1 else localize(sentence))


def show_in_columns(items: Sequence[Any], n: int, show: Callable[[Any], None], border: bool = False) -> None:
    """Show items in rows of `n` columns."""
    for begin in range(0, len(items), n):
        for column, item in zip(st.columns(n), items[begin : begin + n], strict=False):
            with column.container(border=border):  # the last row may have fewer items
                show(item)


def show_chart(
    figure: Any, in_words: str, rows: Sequence[Mapping[str, Any]], key: str, on_select: Callable[[], None] | None = None
) -> None:
    """Show a chart, its description in words, and its values as a table to open or download.

    The description is also what a screen reader reads in place of the chart.
    """
    if get_language() in COMMA_LANGUAGES:
        figure.update_layout(separators=",.")  # Plotly's decimal mark, then the one between thousands
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
    """Show the values of a picture as a table that the user can open."""
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
    columns, shown = dict(config or {}), shorten_runs(rows)
    if get_language() in COMMA_LANGUAGES:
        columns, shown = format_cells(shown, columns)
    table = st.dataframe(shown, key=key, hide_index=True, column_config=columns, placeholder="–", **options)
    show_download(rows, f"{key}.csv", f"{key}-csv")
    return table


def shorten_runs(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return a table's rows with short run names, where these still tell the runs apart."""
    head = say("run")
    names = dict.fromkeys(str(row[head]) for row in rows if head in row)
    short = {name: shorten_run_name(name) for name in names}
    if len(set(short.values())) < len(short):
        return rows
    return [{**row, head: short[str(row[head])]} if head in row else row for row in rows]


def format_cells(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return column settings and rows whose numbers show a decimal comma, and still sort as numbers.

    Streamlit has no decimal comma of its own, but shows what a pandas Styler displays in a column without a format.
    """
    import pandas as pd

    frame, columns = pd.DataFrame(list(rows)), dict(config)
    formats: dict[Any, Any] = {}
    for name in map(str, frame.select_dtypes("float")):
        settings = columns.get(name) or {}
        kind = settings.get("type_config") or {}
        formats[name] = _make_cell_format(kind.get("format"), bool((frame[name].dropna() % 1 == 0).all()))
        columns[name] = {**settings, "type_config": {**kind, "format": None}} if kind else settings
    return columns, frame.style.format(formats, na_rep="–") if formats else rows


def _make_cell_format(spec: str | None, is_whole: bool) -> Callable[[float], str]:
    """Return a function that formats a cell by Streamlit's `percent` or printf format, with a decimal comma."""
    spec = "%.0f" if spec is None and is_whole else spec  # a column of counts in which one is missing

    def format_cell(value: float) -> str:
        """Format one number."""
        if spec is None:  # up to four decimals, as Streamlit shows them
            return localize_numbers(f"{value:.4f}".rstrip("0").rstrip("."))
        return localize_numbers(f"{value:.2%}" if spec == "percent" else spec % value)

    return format_cell


def show_download(rows: Sequence[Mapping[str, Any]], name: str, key: str) -> None:
    """Show a button that downloads rows as CSV, with a column that marks generated data."""
    origin = st.session_state.get(ORIGIN)  # a downloaded table must still say that its data is synthetic
    if origin and rows and say("sample_column") not in rows[0]:
        rows = [{**row, say("sample_column"): say(f"origin_{origin}")} for row in rows]
    st.download_button(
        say("download_csv"), format_csv(rows), name, "text/csv", key=key, on_click="ignore", icon=":material/download:"
    )


def show_lesson(words: str, name: str) -> None:
    """Show a sentence with a button that downloads the notebook of a lesson, and how to open it."""
    notebook = find_lessons_folder() / get_language() / f"{name}.ipynb"
    if notebook.is_file():
        st.caption(words)
        st.download_button(
            say("download_lesson", name=notebook.name),
            notebook.read_bytes,
            notebook.name,
            "application/x-ipynb+json",
            on_click="ignore",
            icon=":material/school:",
            help=say("open_lesson"),
        )


def format_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as CSV; cells that a spreadsheet would run as formulas get an apostrophe."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")  # one line ending on all systems
    writer.writerow([escape_csv_formula(name) for name in (rows[0] if rows else [])])
    for row in rows:
        writer.writerow([escape_csv_formula(cell) for cell in row.values()])
    return made.getvalue()


def localize_numbers(text: str) -> str:
    """Write the numbers of a text with the decimal mark of the chosen language."""
    return format_number(text, get_language())


def format_fact(value: Any) -> str:
    """Format a value of any kind for a table of facts: messages are translated, decimals get the language's mark."""
    return localize_numbers(str(value)) if isinstance(value, float) else translate_message(value)


def round_metric(value: float | None) -> float | None:
    """Round as the command line does; a browser rounds halves differently."""
    return None if value is None else round(value, 3)


def format_metric(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Format a metric with its interval: `0.643 (0.448 – 0.835)`; a dash where there is none."""
    if value is None:
        return "–"
    return localize_numbers(f"{value:.3f}") + (f" ({format_interval(interval)})" if interval else "")


def format_interval(interval: Sequence[float]) -> str:
    """Format an interval: `0.448 – 0.835`."""
    return localize_numbers(f"{interval[0]:.3f} – {interval[1]:.3f}")


def format_thresholds(thresholds: Any) -> str:
    """Format a threshold; where each fold has its own, the lowest and the highest."""
    return localize_numbers(runs.format_thresholds(thresholds))


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
        return say("n_seconds", n=float(seconds))
    return say("n_minutes", n=seconds / 60) if seconds < 5400 else say("n_hours", n=seconds / 3600)


def format_ago(seconds: float) -> str:
    """Format how long ago something happened: `2 min ago`."""
    return say("ago", duration=format_duration(seconds))


def format_list(names: Iterable[str], most: int = 12) -> str:
    """Join names with commas, the first `most` of them."""
    names = list(names)
    return ", ".join(names[:most]) + (f" … (+{len(names) - most})" if len(names) > most else "")
