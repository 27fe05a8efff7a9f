"""Show five published results with their faults, replicated as published and with an honest protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.caching import cache_resource
from dashboard.charts import metric_dots
from musicml.data import Reference, get_reference
from musicml.utils import InputError, read_json

REPLAYED = ("pictures_resnet50", "gtzan_cnn", "gtzan_gru", "sounds_resnet50", "openmic_cnn")
FIGURE = ("replayed", "honest")
KINDS = ("published", *FIGURE)

say = layout.begin_page("why")


def show() -> None:
    """Show the page."""
    kept = _get_replays()
    if not any(name in kept for name in REPLAYED):
        st.info(say("none_yet"), icon=":material/info:")
        st.code(say("command"), language=None)
    elif any(one.get("sample") for one in kept.values()):
        st.session_state[layout.ORIGIN] = "mixed"  # the published figures are of real data
        st.warning(say("sample"), icon=":material/science:")
    for number, name in enumerate(REPLAYED, 1):
        _show_story(number, get_reference(name), kept.get(name), any(one in kept for one in REPLAYED))


def _show_story(number: int, known: Reference, replay: Mapping[str, Any] | None, any_replayed: bool) -> None:
    """Show one published result: its claim, its fault, its replication, and a question."""
    st.header(say("story", number=number, title=say(f"title_{known.name}")))
    st.caption(
        say(
            "system",
            system=layout.escape_markdown(layout.translate_message(known.system)),
            source=layout.escape_markdown(known.source),
        )
    )
    st.markdown(say("claim", claim=say(f"claim_{known.name}")))
    st.markdown(say("fault", fault=say(f"fault_{known.name}")))
    if replay:
        _show_metrics(known, replay)
        for sentence in replay["sentences"][1:]:  # the first is the fault, told above
            st.markdown(layout.escape_markdown(layout.translate_message(str(sentence))))
        _show_links(replay)
    elif any_replayed:
        st.caption(say("not_yet", name=known.name))
    st.info(say("think", question=say(f"question_{known.name}")), icon=":material/psychology:")
    with st.expander(say("one_answer")):
        st.markdown(say(f"answer_{known.name}"))


def _show_metrics(known: Reference, replay: Mapping[str, Any]) -> None:
    """Show the published, the replicated and the honest metric next to each other."""
    metrics = {row["metric"]: layout.get_metric_name(row["metric"]) for row in replay["rows"]}
    chosen = next(iter(metrics))
    if len(metrics) > 1:
        chosen = layout.select_option(say("metric"), metrics, f"why-{known.name}")
    row = next(row for row in replay["rows"] if row["metric"] == chosen)
    dots = [one for one in _list_dots(row) if one]
    if not dots:
        st.info(say("no_figure"), icon=":material/info:")
        return
    values = [say("name_figure", name=one["name"], figure=_format_dot(one)) for one in dots]
    words = say("figures_words", metric=metrics[chosen], figures=layout.format_list(values))
    table = [
        {
            say("figure"): layout.get_metric_name(one["metric"]),
            **{say(f"is_{key}"): _format_dot(dot) for key, dot in zip(KINDS, _list_dots(one), strict=True)},
        }
        for one in replay["rows"]
    ]
    layout.show_chart(metric_dots.draw_dots(dots, metrics[chosen]), words, table, f"why-{known.name}-{chosen}")


def _list_dots(row: Mapping[str, Any]) -> list[dict[str, Any] | None]:
    """Return the three metrics of a row as dots."""
    return [_make_published_dot(row), *(_make_own_dot(row, key) for key in FIGURE)]


def _format_dot(one: Mapping[str, Any] | None) -> str:
    """Format a metric with its interval; a dash for none."""
    if one is None:
        return layout.format_metric(None)
    return layout.format_metric(one["value"], None if one["low"] is None else (one["low"], one["high"]))


def _make_published_dot(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the published metric as a dot; of a range its middle, with the range as its line."""
    value, interval = row.get("published"), row.get("published_interval")
    if isinstance(value, list):
        value, interval = sum(value) / 2, value
    return None if value is None else _make_dot(say("is_published"), value, interval)


def _make_own_dot(row: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """Return the replicated or the honest metric as a dot."""
    figure = row.get(key)
    return (
        _make_dot(say(f"is_{key}"), figure["value"], figure.get("interval"))
        if figure and figure["value"] is not None
        else None
    )


def _make_dot(name: str, value: float, interval: list[float] | None) -> dict[str, Any]:
    """Return a metric as the chart needs it."""
    low, high = interval or (None, None)
    return {"name": name, "value": value, "low": low, "high": high, "kind": name}


def _show_links(replay: Mapping[str, Any]) -> None:
    """Show the names of the two runs."""
    names = [
        str(replay["runs"].get(key, "")).replace("\\", "/").rpartition("/")[2] for key in ("as_published", "honest")
    ]
    st.caption(say("runs", replayed=layout.escape_markdown(names[0]), honest=layout.escape_markdown(names[1])))


def _get_replays() -> Mapping[str, Mapping[str, Any]]:
    """Return the latest replication of each reference; empty where there is none."""
    folder = runs.get_runs_root() / "replays"
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return _read_replays(tuple((str(path), runs.get_stamp(path.parent, path.name)[0]) for path in paths))


@cache_resource(max_entries=20)
def _read_replays(paths: tuple[tuple[str, float], ...]) -> Mapping[str, Mapping[str, Any]]:
    """Read what `_get_replays` returns; newer files replace older ones, and invalid files are skipped."""
    found: dict[str, Mapping[str, Any]] = {}
    for path, _ in paths:
        try:
            kept = read_json(Path(path))
        except (InputError, OSError, ValueError):
            continue
        rows = kept.get("replays") if isinstance(kept, dict) else None
        found |= {one["reference"]: one for one in (rows if isinstance(rows, list) else []) if _is_replay(one)}
    return found


def _is_replay(one: Any) -> bool:
    """Return whether this is a successful replication."""
    return (
        isinstance(one, dict)
        and not one.get("error")
        and isinstance(one.get("reference"), str)
        and isinstance(one.get("runs"), dict)
        and isinstance(one.get("sentences"), list)
        and isinstance(one.get("rows"), list)
        and bool(one["rows"])
        and all(_is_row(row) for row in one["rows"])
    )


def _is_row(row: Any) -> bool:
    """Return whether this is one metric of a replication."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("metric"), str)
        and (_is_number(row.get("published")) or _is_pair(row.get("published")))
        and _is_pair(row.get("published_interval"))
        and all(_is_figure(row.get(k)) for k in FIGURE)
    )


def _is_figure(found: Any) -> bool:
    """Return whether this is a value with its interval, or None."""
    return (
        found is None or isinstance(found, dict) and _is_number(found.get("value")) and _is_pair(found.get("interval"))
    )


def _is_number(found: Any) -> bool:
    """Return whether this is a number or None."""
    return isinstance(found, int | float | None)


def _is_pair(found: Any) -> bool:
    """Return whether this is a pair of numbers or None."""
    return (
        found is None
        or isinstance(found, list)
        and len(found) == 2
        and all(isinstance(one, int | float) for one in found)
    )


show()
