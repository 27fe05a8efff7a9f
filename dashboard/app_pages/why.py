"""Show five published results with their faults, replicated as published and with an honest protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.charts import metrics as charts
from dashboard.runs import Replay, ReplayRow
from musicml.data import Reference, get_reference

REPLAYED = ("pictures_resnet50", "gtzan_cnn", "gtzan_gru", "sounds_resnet50", "openmic_cnn")
KINDS = ("published", "replayed", "honest")

say = layout.begin_page("why")


def show() -> None:
    """Show the page."""
    layout.show_lesson(say("lesson"), "07_published_results")
    replays = runs.get_replays()
    if not any(name in replays for name in REPLAYED):
        layout.show_info(say("none_yet"))
        st.code(say("command"), language=None)
    elif any(replay["sample"] for replay in replays.values()):
        st.session_state[layout.ORIGIN] = "mixed"  # the published results come from real data
        st.warning(say("sample"), icon=":material/science:")
    for number, name in enumerate(REPLAYED, 1):
        _show_story(number, get_reference(name), replays.get(name), any(name in replays for name in REPLAYED))


def _show_story(number: int, known: Reference, replay: Replay | None, any_replayed: bool) -> None:
    """Show one published result: its claim, its fault, its replication, and a question."""
    st.header(say("story", number=number, title=say(f"title_{known.name}")))
    say.show("system", st.caption, system=layout.translate_message(known.system), source=known.source)
    st.markdown(say("claim", claim=say(f"claim_{known.name}")))
    st.markdown(say("fault", fault=say(f"fault_{known.name}")))
    if replay:
        _show_metrics(known, replay)
        for sentence in replay["sentences"][1:]:  # the first is the fault, which is shown above
            st.markdown(layout.localize(sentence))
        as_published, honest = (
            # the folder's name, also of a path from Windows
            str(replay["runs"].get(key, "")).replace("\\", "/").rpartition("/")[2]
            for key in ("as_published", "honest")
        )
        names = {"replayed": layout.shorten_run_name(as_published), "honest": layout.shorten_run_name(honest)}
        say.show("runs", st.caption, **names)
    elif any_replayed:
        st.caption(say("not_yet", name=known.name))
    st.info(say("think", question=say(f"question_{known.name}")), icon=":material/psychology:")
    with st.expander(say("one_answer")):
        st.markdown(say(f"answer_{known.name}"))


def _show_metrics(known: Reference, replay: Replay) -> None:
    """Show the published, the replicated and the honest metric next to each other."""
    metrics = {row["metric"]: layout.get_metric_name(row["metric"]) for row in replay["rows"]}
    chosen = next(iter(metrics))
    if len(metrics) > 1:
        chosen = layout.select_option(say("metric"), metrics, f"why-{known.name}")
    dots = [dot for row in replay["rows"] if row["metric"] == chosen for dot in _list_dots(row) if dot]
    if not dots:
        layout.show_info(say("no_figure"))
        return
    # for the description in words
    values = [say("name_figure", name=dot["name"], figure=_format_dot(dot)) for dot in dots]
    words = say("figures_words", metric=metrics[chosen], figures=layout.format_list(values))
    table = [
        {
            say("figure"): metrics[row["metric"]],
            **{say(f"is_{key}"): _format_dot(dot) for key, dot in zip(KINDS, _list_dots(row), strict=True)},
        }
        for row in replay["rows"]
    ]
    layout.show_chart(charts.draw_dots(dots, metrics[chosen]), words, table, f"why-{known.name}-{chosen}")


def _list_dots(row: ReplayRow) -> list[dict[str, Any] | None]:
    """Return the three metrics of a row as dots; a published range is a dot in its middle with a line."""
    published, interval = row["published"], row["published_interval"]
    figures = [(published, interval) if not isinstance(published, list) else (sum(published) / 2, published)]
    figures += [
        (metric["value"], metric["interval"]) if metric else (None, None) for metric in (row["replayed"], row["honest"])
    ]
    return [
        None if value is None else {"name": name, "value": value, "interval": interval, "kind": name}
        for name, (value, interval) in zip([say(f"is_{key}") for key in KINDS], figures, strict=True)
    ]


def _format_dot(dot: Mapping[str, Any] | None) -> str:
    """Format a metric with its interval; a dash for none."""
    return layout.format_metric(dot["value"], dot["interval"]) if dot else layout.format_metric(None)


show()
