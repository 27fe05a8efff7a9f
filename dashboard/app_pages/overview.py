"""Overview: every run with its main figure, what is published beside ours, and what is training now."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages import find_page
from dashboard.charts import metric_dots
from dashboard.runs import Entry
from musicml.data import Reference, list_references
from musicml.data.datasets import DATASET_NAMES
from musicml.experiment import Epoch

say = layout.begin("overview")


def show() -> None:
    """The whole page."""
    found = layout.entries()
    layout.watch(layout.statuses())
    if any(one.status == "training" for one in found):
        training()
    chosen = filtered(found)
    st.header(say("runs"))
    picked = layout.table(
        [row(one) for one in chosen], "overview-runs", columns(), on_select="rerun", selection_mode="single-row"
    )
    for place in picked.selection.rows[:1]:
        open_in(chosen[place])
    layout.sample_note(*chosen)
    for one in chosen:
        if one.trouble:
            layout.refuse(one.trouble)
    beside_published([one for one in chosen if layout.whole(one)])


@st.fragment(run_every=layout.LIVE)
def training() -> None:
    """The runs that are training now, looked at again every few seconds."""
    layout.told(training_now)


def training_now() -> None:
    """A line for each run that is training."""
    st.header(say("now"))
    for one in runs.entries():
        if one.status != "training":
            continue
        rows = runs.history(one)
        planned = one.info.max_epochs
        with st.container(border=True):
            st.markdown(f"**{layout.plain(one.name)}** · {layout.marked(one)}")
            st.progress(
                min(1.0, len(rows) / planned) if planned else 0.0,
                say(
                    "progress" if rows else "progress_first",
                    done=len(rows),
                    planned=planned,
                    ago=layout.duration(one.silence),
                    **({"figures": figures_of(rows[-1])} if rows else {}),
                ),
            )


def figures_of(last: Epoch) -> str:
    """The last epoch's figures in a row."""
    kept = {name: value for name, value in last.values.items() if name not in ("epoch", "learning_rate", "seconds")}
    return ", ".join(f"{measured(name)} {value:.3f}" for name, value in kept.items())


def measured(name: str) -> str:
    """What a column of history.csv holds, in words."""
    metric = layout.metric_name(name.removeprefix("val_"))
    return say("of_validation", metric=metric) if name.startswith("val_") else metric


def filtered(found: list[Entry]) -> list[Entry]:
    """The runs that the reader wants to see."""
    left, middle, right = st.columns(3)
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
        say("status"), list(statuses), format_func=statuses.get, key="kinds", placeholder=say("all")
    )
    return [
        one
        for one in found
        if (not names or one.info.experiment in names)
        and (not sets or one.data.dataset in sets)
        and (not kinds or one.status in kinds)
    ]


def row(one: Entry) -> dict[str, Any]:
    """A run as a row of the table."""
    metric = one.report.main_metric if one.report else None
    value, interval = one.figure(metric)
    low, high = interval or (None, None)
    return {
        say("run"): one.name,
        say("figure"): rounded(value),
        say("low"): rounded(low),
        say("high"): rounded(high),
        say("metric"): layout.metric_name(metric) if metric else None,
        say("status"): say(f"status_{one.status}"),
        say("origin"): None if one.trouble else say("sample" if one.sample else "real"),
        say("n"): one.report.n if one.report else None,
        say("dataset"): one.data.dataset or None,
        say("protocol"): None if one.trouble else say(f"protocol_{one.info.protocol}"),
        say("time"): one.info.train_seconds,
        say("device"): one.info.device,
        say("started"): one.info.started or None,
    }


def rounded(value: float | None) -> float | None:
    """As the command line prints it; a browser rounds halves the other way."""
    return None if value is None else round(value, 3)


def open_in(one: Entry) -> None:
    """Ways to the pages that show the run picked in the table."""
    pages = ["run", "curves", "confusion", "classes", "predict"]
    if one.info.family == "forest":
        pages.remove("curves")  # it has no epochs
    if one.settings("features").get("kind") == "vggish":
        pages.remove("predict")  # it can't be asked about a file
    with st.container(horizontal=True):
        st.markdown(say("go_to"))
        for page in pages:
            chosen = {"runs" if page == "curves" else "run": one.name}
            st.page_link(find_page(page), label=layout.words(page)("title"), query_params=chosen)


def columns() -> dict[str, Any]:
    """How the columns are shown."""
    number = st.column_config.NumberColumn
    return {
        say("run"): st.column_config.TextColumn(width=220),
        **{say(name): number(format="%.3f") for name in ("figure", "low", "high")},
        say("time"): number(format="%.0f s"),
        say("started"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
    }


def beside_published(found: list[Entry]) -> None:
    """Ours and published figures of one data set, with what each is worth."""
    st.header(say("published"))
    st.markdown(say("published_lead"))
    names = sorted(DATASET_NAMES, key=lambda name: -sum(one.data.dataset == name for one in found))
    name = st.selectbox(say("dataset"), names, key="dataset", bind="query-params")
    published, ours = list_references(name), [one for one in found if one.data.dataset == name]
    metrics = comparable(published, ours)
    metric = layout.one_of(say("metric"), layout.metric_names(metrics), f"metric-{name}")
    rows = [dot(one, metric) for one in ours if metric in one.report.metrics]
    rows += [published_dot(reference, metric) for reference in published if metric in reference.figures]
    if rows:
        words = say("published_words", n=len(rows), metric=layout.metric_name(metric), dataset=name)
        layout.chart(
            metric_dots.dots(rows, layout.metric_name(metric)),
            words,
            [told_dot(row) for row in rows],
            f"published-{name}-{metric}",
        )
    for reference in published:
        worth(reference)


def comparable(published: list[Reference], ours: list[Entry]) -> list[str]:
    """The metrics to compare by, the one that most published results have first; a loss is no share."""
    metrics = {metric for reference in published for metric in reference.figures if not metric.endswith("loss")}
    metrics |= {one.report.main_metric for one in ours}
    return sorted(metrics, key=lambda metric: (-sum(metric in one.figures for one in published), metric))


def dot(one: Entry, metric: str) -> dict[str, Any]:
    """A run's figure as a dot."""
    value, interval = one.figure(metric)
    low, high = interval or (None, None)
    kind = say("ours_sample" if one.sample else "ours") if one.is_honest else say("ours_as_published")
    return {"name": one.name, "value": value, "low": low, "high": high, "kind": kind}


def published_dot(reference: Reference, metric: str) -> dict[str, Any]:
    """A published figure as a dot; of a published range its middle with the range around it."""
    value = reference.figures[metric]
    interval = reference.interval if metric == "accuracy" else None
    low, high = value if isinstance(value, tuple) else interval or (None, None)
    value = sum(value) / 2 if isinstance(value, tuple) else value
    kind = say(f"protocol_{reference.protocol}")
    return {"name": named(reference), "value": value, "low": low, "high": high, "kind": kind}


def named(reference: Reference) -> str:
    """A published system's name, marked where its figures are of the side that chose the model."""
    system = layout.translated(reference.system)
    return say("on_validation", system=system) if reference.side == "val" else system


def told_dot(row: dict[str, Any]) -> dict[str, Any]:
    """A dot as a row of a table."""
    keys = {"name": "who", "kind": "origin", "value": "figure", "low": "low", "high": "high"}
    return {say(word): row[key] for key, word in keys.items()}


def worth(reference: Reference) -> None:
    """A published result: its figures in full, where they come from, what they are worth."""
    with st.expander(
        say("reference", name=layout.plain(named(reference)), protocol=say(f"protocol_{reference.protocol}"))
    ):
        st.markdown(layout.plain(layout.translated(reference.worth)))
        st.markdown(say("how", how=layout.plain(layout.translated(reference.how))))
        source = layout.plain(reference.source)
        st.markdown(say("source", source=f"[{source}]({reference.url})" if reference.url else source))
        layout.table([published_row(reference, name) for name in reference.figures], f"reference-{reference.name}")
        if reference.per_class:
            rows = [
                {say("class"): name, **{layout.metric_name(metric): value for metric, value in row.items()}}
                for name, row in reference.per_class.items()
            ]
            layout.table(rows, f"reference-{reference.name}-classes")


def published_row(reference: Reference, metric: str) -> dict[str, Any]:
    """A published figure as a row of a table."""
    origin = "inferred" if metric in reference.inferred else "stated"
    return {
        say("metric"): layout.metric_name(metric),
        say("figure"): shown(reference.figures[metric]),
        say("origin"): say(origin),
        say("interval"): told_interval(reference, metric),
        say("side"): say(f"side_{reference.side}"),
        say("n"): reference.n_test if reference.side == "test" else None,
    }


def told_interval(reference: Reference, metric: str) -> str | None:
    """The interval that was worked out for a published accuracy."""
    low, high = (reference.interval if metric == "accuracy" else None) or (None, None)
    return None if low is None else say("worked_out", low=f"{low:.3f}", high=f"{high:.3f}")


def shown(value: float | tuple[float, float]) -> str:
    """A published figure, or the range of it."""
    return f"{value[0]:.3f} – {value[1]:.3f}" if isinstance(value, tuple) else f"{value:.3f}"


show()
