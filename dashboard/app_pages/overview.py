"""Show every run with its main metric, published results next to ours, and the runs in training."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages import find_page
from dashboard.charts import metric_dots
from dashboard.runs import RunView
from musicml.data import Reference, list_references
from musicml.data.datasets import DATASET_NAMES
from musicml.experiment import Epoch, RunNotes

say = layout.begin_page("overview")


def show() -> None:
    """Show the page."""
    found = layout.list_runs_or_stop()
    layout.watch_runs(layout.list_statuses())
    if any(one.status == "training" for one in found):
        _watch_training()
    chosen = _filter_runs(found)
    st.header(say("runs"))
    has_words = any(runs.get_notes(one) != RunNotes() for one in chosen)
    picked = layout.show_table(
        [_make_row(one, has_words) for one in chosen],
        "overview-runs",
        _configure_columns(),
        on_select="rerun",
        selection_mode="single-row",
    )
    for place in picked.selection.rows[:1]:
        _show_links(chosen[place])
        layout.show_notes(chosen[place])
    layout.show_few_groups(
        {one.name: (one.report.n_groups, one.report.interval_method) for one in chosen if one.report}
    )
    layout.show_data_notes(*chosen)
    for one in chosen:
        if one.trouble:
            layout.show_error(one.trouble)
    _show_published([one for one in chosen if layout.is_complete(one)])


@st.fragment(run_every=layout.LIVE)
def _watch_training() -> None:
    """Show the runs in training, refreshed every few seconds."""
    layout.run_guarded(_show_training)


def _show_training() -> None:
    """Show a progress bar for each run in training."""
    st.header(say("now"))
    for one in runs.list_runs():
        if one.status != "training":
            continue
        rows = runs.get_history(one)
        planned = one.info.max_epochs
        with st.container(border=True):
            st.markdown(f"**{layout.escape_markdown(one.name)}** · {layout.describe_run(one)}")
            st.progress(
                min(1.0, len(rows) / planned) if planned else 0.0,
                say(
                    "progress" if rows else "progress_first",
                    done=len(rows),
                    planned=planned,
                    ago=layout.format_duration(one.silence),
                    **({"figures": _format_last_epoch(rows[-1])} if rows else {}),
                ),
            )


def _format_last_epoch(last: Epoch) -> str:
    """Format the metrics of the last epoch."""
    kept = {name: value for name, value in last.values.items() if name not in ("epoch", "learning_rate", "seconds")}
    return ", ".join(f"{_name_column(name)} {value:.3f}" for name, value in kept.items())


def _name_column(name: str) -> str:
    """Return the displayed name of a column of history.csv."""
    metric = layout.get_metric_name(name.removeprefix("val_"))
    return say("of_validation", metric=metric) if name.startswith("val_") else metric


def _filter_runs(found: list[RunView]) -> list[RunView]:
    """Return the runs that match the user's filters."""
    all_tags = sorted({tag for one in found for tag in runs.get_notes(one).tags})
    left, middle, right, *last = st.columns(4 if all_tags else 3)
    names = left.multiselect(
        say("experiment"),
        sorted({one.info.experiment for one in found}),
        key="experiments",
        placeholder=say("all"),
    )
    sets = middle.multiselect(
        say("dataset"), sorted({one.data.dataset for one in found}), key="sets", placeholder=say("all")
    )
    statuses = {status: say(f"status_{status}") for status in sorted({one.status for one in found})}
    kinds = right.multiselect(
        say("status"), list(statuses), format_func=layout.make_formatter(statuses), key="kinds", placeholder=say("all")
    )
    tags = last[0].multiselect(say("tags"), all_tags, key="tags", placeholder=say("all")) if last else []
    return [
        one
        for one in found
        if (not names or one.info.experiment in names)
        and (not sets or one.data.dataset in sets)
        and (not kinds or one.status in kinds)
        and (not tags or not set(tags).isdisjoint(runs.get_notes(one).tags))
    ]


def _make_row(one: RunView, has_words: bool) -> dict[str, Any]:
    """Return a run as a row of the table; `has_words` is whether the table has columns for tags and notes."""
    notes = runs.get_notes(one)
    words = {say("tags"): ", ".join(notes.tags) or None, say("own_note"): notes.note or None}
    metric = one.report.main_metric if one.report else None
    value, interval = one.figure(metric)
    low, high = interval or (None, None)
    return {
        say("run"): one.name,
        say("figure"): _round(value),
        say("low"): _round(low),
        say("high"): _round(high),
        say("metric"): layout.get_metric_name(metric) if metric else None,
        say("status"): say(f"status_{one.status}"),
        **(words if has_words else {}),
        say("origin"): say("sample" if one.sample else "real") if one.is_ours else None,
        say("n"): one.report.n if one.report else None,
        say("dataset"): one.data.dataset or None,
        say("protocol"): say(f"protocol_{one.info.protocol}") if one.is_ours else None,
        say("time"): one.info.train_seconds,
        say("device"): one.info.device,
        say("started"): one.info.started or None,
    }


def _round(value: float | None) -> float | None:
    """Round as the command line does; a browser rounds halves differently."""
    return None if value is None else round(value, 3)


def _show_links(one: RunView) -> None:
    """Show links to the pages of the run chosen in the table."""
    pages = ["run", "curves", "confusion", "classes", "predict"]
    if one.status == "pretrained":
        pages = ["run", "predict"]
    elif not one.info.has_epochs:
        pages.remove("curves")
    if one.settings("features").get("kind") == "vggish":
        pages.remove("predict")  # it can't be asked about a file
    with st.container(horizontal=True):
        st.markdown(say("go_to"))
        for page in pages:
            chosen = {"runs" if page == "curves" else "run": one.name}
            st.page_link(find_page(page), label=layout.get_words(page)("title"), query_params=chosen)


def _configure_columns() -> dict[str, Any]:
    """Return the settings of the table's columns."""
    number = st.column_config.NumberColumn
    return {
        say("run"): st.column_config.TextColumn(width=220),
        say("tags"): st.column_config.TextColumn(width=140),
        say("own_note"): st.column_config.TextColumn(width=300),
        **{say(name): number(format="%.3f") for name in ("figure", "low", "high")},
        say("time"): number(format="%.0f s"),
        say("started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    }


def _show_published(found: list[RunView]) -> None:
    """Show our results and published ones on the same dataset, with their protocols."""
    st.header(say("published"))
    st.markdown(say("published_lead"))
    names = sorted(DATASET_NAMES, key=lambda name: -sum(one.data.dataset == name for one in found))
    name = st.selectbox(say("dataset"), names, key="dataset", bind="query-params")
    published, ours = list_references(name), [one for one in found if one.data.dataset == name]
    metrics = _list_comparable(published, ours)
    metric = layout.select_option(say("metric"), layout.get_metric_names(metrics), f"metric-{name}")
    rows = [_make_dot(one, metric) for one in ours if metric in one.get_report().metrics]
    rows += [_make_published_dot(reference, metric) for reference in published if metric in reference.figures]
    if rows:
        words = say("published_words", n=len(rows), metric=layout.get_metric_name(metric), dataset=name)
        layout.show_chart(
            metric_dots.draw_dots(rows, layout.get_metric_name(metric)),
            words,
            [_make_dot_row(row) for row in rows],
            f"published-{name}-{metric}",
        )
    for reference in published:
        _show_reference(reference)


def _list_comparable(published: list[Reference], ours: list[RunView]) -> list[str]:
    """List the metrics to compare, the most frequently published first; a loss is left out."""
    metrics = {metric for reference in published for metric in reference.figures if not metric.endswith("loss")}
    metrics |= {one.get_report().main_metric for one in ours}
    return sorted(metrics, key=lambda metric: (-sum(metric in one.figures for one in published), metric))


def _make_dot(one: RunView, metric: str) -> dict[str, Any]:
    """Return a run's metric as a dot."""
    value, interval = one.figure(metric)
    low, high = interval or (None, None)
    kind = say("ours_sample" if one.sample else "ours") if one.is_honest else say("ours_as_published")
    return {"name": one.name, "value": value, "low": low, "high": high, "kind": kind}


def _make_published_dot(reference: Reference, metric: str) -> dict[str, Any]:
    """Return a published metric as a dot; of a published range its middle, with the range around it."""
    value = reference.figures[metric]
    interval = reference.interval if metric == "accuracy" else None
    low, high = value if isinstance(value, tuple) else interval or (None, None)
    value = sum(value) / 2 if isinstance(value, tuple) else value
    kind = say(f"protocol_{reference.protocol}")
    return {"name": _name_reference(reference), "value": value, "low": low, "high": high, "kind": kind}


def _name_reference(reference: Reference) -> str:
    """Return a published system's name, marked where the model was selected on the same split."""
    system = layout.translate_message(reference.system)
    return say("on_validation", system=system) if reference.side == "val" else system


def _make_dot_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a dot as a row of a table."""
    keys = {"name": "who", "kind": "origin", "value": "figure", "low": "low", "high": "high"}
    return {say(word): row[key] for key, word in keys.items()}


def _show_reference(reference: Reference) -> None:
    """Show a published result: its metrics, its source and its limits."""
    with st.expander(
        say(
            "reference",
            name=layout.escape_markdown(_name_reference(reference)),
            protocol=say(f"protocol_{reference.protocol}"),
        )
    ):
        st.markdown(layout.escape_markdown(layout.translate_message(reference.worth)))
        st.markdown(say("how", how=layout.escape_markdown(layout.translate_message(reference.how))))
        source = layout.escape_markdown(reference.source)
        st.markdown(say("source", source=f"[{source}]({reference.url})" if reference.url else source))
        layout.show_table(
            [_make_published_row(reference, name) for name in reference.figures], f"reference-{reference.name}"
        )
        if reference.per_class:
            rows = [
                {say("class"): name, **{layout.get_metric_name(metric): value for metric, value in row.items()}}
                for name, row in reference.per_class.items()
            ]
            layout.show_table(rows, f"reference-{reference.name}-classes")


def _make_published_row(reference: Reference, metric: str) -> dict[str, Any]:
    """Return a published metric as a row of a table."""
    origin = "inferred" if metric in reference.inferred else "stated"
    return {
        say("metric"): layout.get_metric_name(metric),
        say("figure"): _format_published(reference.figures[metric]),
        say("origin"): say(origin),
        say("interval"): _format_interval(reference, metric),
        say("side"): say(f"side_{reference.side}"),
        say("n"): reference.n_test if reference.side == "test" else None,
    }


def _format_interval(reference: Reference, metric: str) -> str | None:
    """Format the interval that was computed for a published accuracy."""
    low, high = (reference.interval if metric == "accuracy" else None) or (None, None)
    return None if low is None else say("worked_out", low=f"{low:.3f}", high=f"{high:.3f}")


def _format_published(value: float | tuple[float, float]) -> str:
    """Format a published metric, or its range."""
    return f"{value[0]:.3f} – {value[1]:.3f}" if isinstance(value, tuple) else f"{value:.3f}"


show()
