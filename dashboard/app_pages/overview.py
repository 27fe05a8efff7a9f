"""Show every run with its main metric, published results next to ours, and the runs in training."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages import find_page
from dashboard.charts import metrics as charts
from dashboard.runs import RunView
from musicml.data import Reference, list_references
from musicml.data.datasets import DATASET_NAMES
from musicml.experiment import Epoch, RunNotes

say, cells = layout.begin_page("overview"), st.column_config


def show() -> None:
    """Show the page."""
    found = layout.list_runs_or_stop()
    layout.watch_runs(layout.list_statuses())
    # a fragment reruns alone, so the rest of the page keeps its state
    if any(view.status == "training" for view in found):
        st.fragment(lambda: layout.run_guarded(_show_training), run_every=layout.LIVE)()
    chosen = _filter_runs(found)  # by the boxes above the table
    st.header(say("runs"))
    has_words = any(runs.get_notes(view) != RunNotes() for view in chosen)
    rows, (text, number) = [_make_row(view, has_words) for view in chosen], (cells.TextColumn, cells.NumberColumn)
    columns = {"run": text(width=220), "tags": text(width=140), "own_note": text(width=300)}
    # three decimals, as on the command line
    columns |= {name: number(format="%.3f") for name in ("figure", "low", "high")}
    columns |= {"time": number(format="%.0f s"), "started": cells.DatetimeColumn(format="YYYY-MM-DD HH:mm")}
    picking = {"on_select": "rerun", "selection_mode": "single-row"}
    picked = layout.show_table(rows, "overview-runs", say.make_row(columns), **picking)
    for place in picked.selection.rows[:1]:  # at most one row can be selected
        _show_links(chosen[place])
        layout.show_notes(chosen[place])
    labels = layout.label_runs(chosen)
    layout.show_few_groups(
        {labels[view.name]: (view.report.n_groups, view.report.interval_method) for view in chosen if view.report}
    )
    say.show_help("interval_how")
    layout.show_data_notes(*chosen)
    for view in chosen:
        if view.error:
            layout.show_error(view.error)
    _show_published([view for view in chosen if layout.is_complete(view)])


def _show_training() -> None:
    """Show a progress bar for each run in training; called again every few seconds."""
    st.header(say("now"))
    for view in runs.list_runs():
        if view.status != "training":
            continue
        rows, planned = runs.get_history(view), view.info.max_epochs
        words = {"done": len(rows), "planned": planned, "ago": layout.format_ago(view.silence)}
        if rows:
            words["figures"] = _format_last_epoch(rows[-1])
        with st.container(border=True):
            name = layout.escape_markdown(layout.shorten_run_name(view.name))
            st.markdown(f"**{name}** · {layout.describe_run(view)}")
            key = "progress" if rows else "progress_first"
            st.progress(min(1.0, len(rows) / planned) if planned else 0.0, say(key, **words))


def _format_last_epoch(last: Epoch) -> str:
    """Format the metrics of the last epoch."""
    figures = []
    for name, value in last.values.items():
        metric = layout.get_metric_name(name.removeprefix("val_"))
        shown = say("of_validation", metric=metric) if name.startswith("val_") else metric
        # columns of the history that are not metrics
        figures += [] if name in ("epoch", "learning_rate", "seconds") else [f"{shown} {layout.format_metric(value)}"]
    return ", ".join(figures)


def _filter_runs(found: list[RunView]) -> list[RunView]:
    """Return the runs that match the user's filters."""
    facts: dict[str, Callable[[RunView], Collection[str]]] = {
        "experiments": lambda view: [view.info.experiment],
        "sets": lambda view: [view.info.data.dataset],
        "kinds": lambda view: [view.status],
        "tags": lambda view: runs.get_notes(view).tags,
    }
    labels = {"experiments": say("experiment"), "sets": say("dataset"), "kinds": say("status"), "tags": say("tags")}
    options = {key: sorted({value for view in found for value in read(view)}) for key, read in facts.items()}
    shown = [key for key in facts if key != "tags" or options[key]]  # no filter by tags where no run has any
    for key, column in zip(shown, st.columns(len(shown)), strict=True):
        names = {value: say(f"status_{value}") if key == "kinds" else value for value in options[key]}
        named = layout.make_formatter(names)
        chosen = column.multiselect(
            layout.capitalize(labels[key]), list(names), format_func=named, key=key, placeholder=say("all")
        )
        found = [view for view in found if not chosen or not set(chosen).isdisjoint(facts[key](view))]
    return found


def _make_row(view: RunView, has_words: bool) -> dict[str, Any]:
    """Return a run as a row of the table; `has_words` is whether the table has columns for tags and notes."""
    notes = runs.get_notes(view)
    words = {"tags": ", ".join(notes.tags) or None, "own_note": notes.note or None}
    metric = view.report.main_metric if view.report else None
    value, interval = view.get_metric(metric)
    low, high = interval or (None, None)
    row = {
        "run": view.name,
        "figure": layout.round_metric(value),
        "low": layout.round_metric(low),
        "high": layout.round_metric(high),
        "metric": layout.get_metric_name(metric) if metric else None,
        "status": say(f"status_{view.status}"),
        **(words if has_words else {}),
        "origin": say("sample" if view.sample else "real") if view.is_ours else None,
        "n": view.report.n if view.report else None,
        "dataset": view.info.data.dataset or None,
        "protocol": say(f"protocol_{view.info.protocol}") if view.is_ours else None,
        "time": view.info.train_seconds,
        "device": view.info.device,
        "started": view.info.started or None,
    }
    return say.make_row(row)


def _show_links(view: RunView) -> None:
    """Show links to the pages of the run chosen in the table."""
    pages = ["run", "curves", "confusion", "classes", "predict"]
    if view.status == "pretrained":
        pages = ["run", "predict"]
    elif not view.info.has_epochs:
        pages.remove("curves")
    if view.info.get_settings("features").get("kind") == "vggish":
        pages.remove("predict")  # it takes precomputed features, not files
    with st.container(horizontal=True):
        st.markdown(say("go_to"))
        for page in pages:
            chosen = {"runs" if page == "curves" else "run": view.name}
            st.page_link(find_page(page), label=layout.get_words(page)("title"), query_params=chosen)


def _show_published(found: list[RunView]) -> None:
    """Show our results and published ones on the same dataset, with their protocols."""
    st.header(say("published"))
    st.markdown(say("published_lead"))
    say.show_help("published_more")
    # the dataset with the most runs comes first
    names = sorted(DATASET_NAMES, key=lambda name: -sum(view.info.data.dataset == name for view in found))
    name = st.selectbox(layout.capitalize(say("dataset")), names, key="dataset", bind="query-params")
    published, ours = list_references(name), [view for view in found if view.info.data.dataset == name]
    # the most frequently published metric first; losses of different systems can't be compared
    known = {metric for reference in published for metric in reference.figures if not metric.endswith("loss")}
    known |= {view.get_report().main_metric for view in ours}
    often = {metric: sum(metric in view.figures for view in published) for metric in known}
    metrics = sorted(known, key=lambda metric: (-often[metric], metric))
    metric = layout.select_option(layout.capitalize(say("metric")), layout.get_metric_names(metrics), f"metric-{name}")
    labels = layout.label_runs(ours)
    rows = [_make_dot(view, labels[view.name], metric) for view in ours if metric in view.get_report().metrics]
    rows += [_make_published_dot(reference, metric) for reference in published if metric in reference.figures]
    if rows:
        metric_name = layout.get_metric_name(metric)
        words = say("published_words", n=len(rows), metric=metric_name, dataset=name)
        table = [
            say.make_row({"who": row["name"], "origin": row["kind"], "figure": row["value"]})
            | say.make_row(dict(zip(("low", "high"), row["interval"] or (None, None), strict=True)))
            for row in rows
        ]
        layout.show_chart(charts.draw_dots(rows, metric_name), words, table, f"published-{name}-{metric}")
    for reference in published:
        _show_reference(reference)


def _make_dot(view: RunView, name: str, metric: str) -> dict[str, Any]:
    """Return a run's metric as a dot."""
    value, interval = view.get_metric(metric)
    kind = say("ours_sample" if view.sample else "ours") if view.info.is_honest else say("ours_as_published")
    return {"name": name, "value": value, "interval": interval, "kind": kind}


def _make_published_dot(reference: Reference, metric: str) -> dict[str, Any]:
    """Return a published metric as a dot; of a published range its middle, with the range around it."""
    figure, interval = reference.figures[metric], reference.interval if metric == "accuracy" else None
    # some publications give a range, such as 0.902 to 0.908
    value = sum(figure) / 2 if isinstance(figure, tuple) else figure
    interval = figure if isinstance(figure, tuple) else interval
    kind = say(f"protocol_{reference.protocol}")
    return {"name": _name_reference(reference), "value": value, "interval": interval, "kind": kind}


def _name_reference(reference: Reference) -> str:
    """Return a published system's name, marked where the model was selected on the same split."""
    system = layout.translate_message(reference.system)
    return say("on_validation", system=system) if reference.side == "val" else system


def _show_reference(reference: Reference) -> None:
    """Show a published result: its metrics, its source and its limits."""
    name = layout.escape_markdown(_name_reference(reference))
    with st.expander(say("reference", name=name, protocol=say(f"protocol_{reference.protocol}"))):
        st.markdown(layout.localize(reference.caveats))
        say.show("how", how=layout.translate_message(reference.method))
        source = layout.escape_markdown(reference.source)
        st.markdown(say("source", source=f"[{source}]({reference.url})" if reference.url else source))
        rows = [_make_published_row(reference, name) for name in reference.figures]
        layout.show_table(rows, f"reference-{reference.name}")
        if reference.per_class:
            rows = [
                {say("class"): name, **{layout.get_metric_name(metric): value for metric, value in row.items()}}
                for name, row in reference.per_class.items()
            ]
            layout.show_table(rows, f"reference-{reference.name}-classes")


def _make_published_row(reference: Reference, metric: str) -> dict[str, Any]:
    """Return a published metric as a row of a table; the interval of an accuracy was computed here."""
    value, interval = reference.figures[metric], reference.interval if metric == "accuracy" else None
    ends = None if interval is None else {"low": interval[0], "high": interval[1]}
    return say.make_row(
        {
            "metric": layout.get_metric_name(metric),
            "figure": layout.format_interval(value) if isinstance(value, tuple) else layout.format_metric(value),
            "origin": say("inferred" if metric in reference.inferred else "stated"),
            "interval": say("worked_out", **ends) if ends else None,
            "side": say(f"side_{reference.side}"),
            "n": reference.n_test if reference.side == "test" else None,
        }
    )


show()
