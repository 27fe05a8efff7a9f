"""Compare runs on the same test examples: overall, by class and by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media, runs
from dashboard.app_pages.compare import shared_examples
from dashboard.app_pages.compare.shared_examples import LETTERS, RunMetrics, SharedExamples
from dashboard.charts import counts, metrics
from dashboard.runs import RunView
from musicml.evaluation import PairedComparison
from musicml.experiment import MAIN_METRICS

CLASS_METRICS = {"single": ("recall", "precision", "f1"), "multi": ("average_precision", "f1", "recall", "precision")}
FIELDS = ("only_a", "only_b", "neither", "both")  # cells of the two-by-two table, the most instructive first

say = layout.begin_page("compare")


def show() -> None:
    """Show the page."""
    found = sorted(layout.list_runs_or_stop(layout.is_complete), key=layout.rank_as_default)
    found = shared_examples.sort_by_shared_examples(found)
    chosen = layout.select_runs(found, found[:2], key="compared")
    if len(chosen) < 2:  # one run has nothing to be compared with
        layout.show_info(say("two_needed"))
        return
    layout.show_data_notes(*chosen)
    reason = shared_examples.find_mismatch([runs.get_predictions(view) for view in chosen])
    if reason:
        st.error(say(f"refused_{reason}"), icon=":material/error:")
        return
    common = shared_examples.get_shared_examples(chosen)
    for k, view in enumerate(chosen):
        name = layout.shorten_run_name(view.name)
        say.show("lettered", letter=LETTERS[k], name=name, kind=_describe_protocol(view))
    _show_test_examples(chosen, common)
    if not len(common.names):  # the message above says why
        return
    published = [LETTERS[k] for k, view in enumerate(chosen) if not view.info.is_honest]
    if published and len(published) < len(chosen):
        say.show("not_ranked", layout.show_warning, names=layout.format_list(published))
    with st.spinner(say("counting")):
        computed = shared_examples.get_metrics(chosen, common)
    _show_overall(chosen, common, computed)
    _show_classes(chosen, common, computed)
    _show_differences(chosen, common)


def _show_test_examples(chosen: Sequence[RunView], common: SharedExamples) -> None:
    """Show how many test examples the runs share, and why not all."""
    n = len(common.names)
    if common.is_all:
        st.success(say("same", n=n), icon=":material/check_circle:")
        return
    reasons = [say(f"differ_{key}") for key in shared_examples.list_differences(chosen)]
    reasons += [say("differ_labels", n=common.relabelled)] if common.relabelled else []
    words = say("shared" if n else "none_shared", n=n, why=layout.format_list(reasons) or say("differ_unread"))
    (st.warning if n else st.error)(words, icon=":material/warning:" if n else ":material/error:")
    rows = [
        {
            "run": _format_name(chosen, k),
            "dataset": view.info.data.dataset,
            "origin": say("sample" if view.sample else "real"),
            "split": layout.translate_message(view.info.split.statement),
            "n_test": size,
            "n_shared": n,
            "n_alone": size - n,
        }
        for k, (view, size) in enumerate(zip(chosen, common.sizes, strict=True))
    ]
    layout.show_table([say.make_row(row) for row in rows], "tested-on")


def _format_name(chosen: Sequence[RunView], k: int) -> str:
    """Return a run's short name with its letter, which tells equal short names apart."""
    return say("letter_name", letter=LETTERS[k], name=layout.shorten_run_name(chosen[k].name))


def _describe_protocol(view: RunView) -> str:
    """Describe a run's protocol, and whether its data is generated."""
    word = say(f"protocol_{view.info.protocol}")
    return say("on_sample", protocol=word) if view.sample else word


# All classes together


def _show_overall(chosen: Sequence[RunView], common: SharedExamples, computed: Sequence[RunMetrics]) -> None:
    """Show one metric of each run with its interval, and all metrics as a table."""
    st.header(say("figures"))
    st.markdown(say("figures_lead"))
    say.show_help("interval_how")
    main = MAIN_METRICS[common.task]
    names = [name for name in (main, *shared_examples.METRICS) if all(name in view.overall for view in computed)]
    if not names:
        layout.show_info(say("no_figures"))
        return
    names = list(dict.fromkeys(names))  # without repetitions, in order
    metric = layout.select_option(say("metric"), layout.get_metric_names(names), f"metric-{common.task}")
    name = layout.get_metric_name(metric)
    rows: list[dict[str, Any]] = [
        {
            "name": LETTERS[k],
            "value": of_run.overall[metric],
            "interval": of_run.intervals.get(metric),
            "kind": _describe_protocol(view),
        }
        for k, (view, of_run) in enumerate(zip(chosen, computed, strict=True))
    ]
    # honest runs sorted by value first, then the runs of published protocols, which are not ranked with them
    order = np.lexsort(([-row["value"] for row in rows], [not view.info.is_honest for view in chosen]))
    rows = [rows[k] for k in order]
    figures = layout.format_list(_format_figure(row["name"], row["value"], row["interval"]) for row in rows)
    n_groups = len(set(common.groups))
    layout.show_few_groups({LETTERS[k]: (n_groups, of_run.interval_method) for k, of_run in enumerate(computed)})
    table = [
        say.make_row({"run": _format_name(chosen, k), "protocol": _describe_protocol(view)})
        | {layout.get_metric_name(n): layout.format_metric(of_run.overall[n], of_run.intervals.get(n)) for n in names}
        for k, (view, of_run) in enumerate(zip(chosen, computed, strict=True))
    ]
    words = say("figures_words", metric=name, n=len(common.names), figures=figures)
    layout.show_chart(metrics.draw_dots(rows, name), words, table, f"overall-{metric}")


def _format_figure(letter: str, value: float | None, interval: Sequence[float] | None = None) -> str:
    """Format a run's metric with its letter."""
    return say("name_figure", name=letter, figure=layout.format_metric(value, interval))


# Class by class


def _show_classes(chosen: Sequence[RunView], common: SharedExamples, computed: Sequence[RunMetrics]) -> None:
    """Show one metric of each class for each run, and how far the runs differ."""
    st.header(say("classes"))
    names = layout.get_metric_names(CLASS_METRICS[common.task])
    metric = layout.select_option(say("metric"), names, f"class-{common.task}")
    st.markdown(say(f"means_{metric}"))
    of_runs = {_format_name(chosen, k): of_run for k, of_run in enumerate(computed)}
    values = {name: [row.get(metric) for row in of_run.classes] for name, of_run in of_runs.items()}
    around = {name: [row.get(metric) for row in of_run.class_intervals] for name, of_run in of_runs.items()}
    table = np.array(list(values.values()), dtype=float)
    is_pair = len(chosen) == 2 and chosen[0].info.protocol == chosen[1].info.protocol
    # a signed difference has a meaning for two runs only
    apart = table[1] - table[0] if is_pair else table.max(axis=0) - table.min(axis=0)  # NaN where undefined
    difference = "second_less_first" if is_pair else "highest_less_lowest"
    rows = [
        say.make_row({"class": name, "metric_support": int(common.support[k])})
        | {run: row[k] for run, row in values.items()}
        | say.make_row({difference: round(float(apart[k]), 4) if np.isfinite(apart[k]) else None})
        for k, name in enumerate(common.class_names)
    ]
    figure = metrics.draw_side_by_side(common.class_names, values, around, names[metric])
    words = _describe_classes(common, list(values.values()), apart, names[metric])
    layout.show_chart(figure, words, rows, f"classes-{metric}")


def _describe_classes(
    common: SharedExamples, values: Sequence[Sequence[float | None]], apart: np.ndarray, metric: str
) -> str:
    """Describe the classes in which the runs differ most."""
    # floating point: tiny differences are none
    known = np.flatnonzero(np.isfinite(apart) & (np.abs(np.nan_to_num(apart)) > 1e-9))
    parts = []
    for k in known[np.argsort(-np.abs(apart[known]), kind="stable")][:3]:
        figures = layout.format_list(_format_figure(LETTERS[place], row[k]) for place, row in enumerate(values))
        parts.append(say("class_apart", name=common.class_names[k], n=common.support[k], figures=figures))
    if not parts:
        return say("classes_alike", metric=layout.capitalize(metric))
    return say("classes_words", metric=layout.capitalize(metric), parts=say("between").join(parts))


# Example by example


def _show_differences(chosen: Sequence[RunView], common: SharedExamples) -> None:
    """Show how often two runs are correct together and alone, and the examples."""
    st.header(say("differ"))
    st.markdown(say(f"differ_lead_{common.task}"))
    pairs = list(combinations(range(len(chosen)), 2))  # each two runs once
    found, (a, b) = shared_examples.get_comparisons(chosen), pairs[0]
    if len(pairs) > 1:
        layout.show_table([_make_pair_row(common, *pair) | _make_test_row(found.get(pair)) for pair in pairs], "pairs")
        names = {(a, b): say("a_and_b", a=LETTERS[a], b=LETTERS[b]) for a, b in pairs}
        a, b = st.selectbox(say("pair"), pairs, format_func=layout.make_formatter(names), key="pair")
    _show_two_by_two(common, a, b)
    _show_agreement(common, a, b)
    _show_test(found.get((a, b)), len(found))
    _show_examples(chosen, common, a, b)


def _make_pair_row(common: SharedExamples, a: int, b: int) -> dict[str, Any]:
    """Return the four counts of two runs as a row."""
    held = counts.count_agreement(common.right[a], common.right[b]).ravel().tolist()
    keys = ("both", "only_first", "only_second", "neither")
    return say.make_row({"first": LETTERS[a], "second": LETTERS[b], **dict(zip(keys, held, strict=True))})


def _make_test_row(pair: PairedComparison | None) -> dict[str, Any]:
    """Return a test's results as cells of a table; empty ones where there was no test."""
    values = {"p": None, "p_holm": None} if pair is None else {"p": pair.p, "p_holm": pair.p_holm}
    return say.make_row({key: None if p is None else float(f"{p:.2g}") for key, p in values.items()})


def _show_two_by_two(common: SharedExamples, a: int, b: int) -> None:
    """Show the four counts of two runs as a chart and in words."""
    held = counts.count_agreement(common.right[a], common.right[b])
    (both, only_a), (only_b, neither) = held.tolist()
    rows, columns = ([say("is_right", name=LETTERS[k]), say("is_wrong", name=LETTERS[k])] for k in (a, b))
    counted = {"n": held.sum(), "both": both, "neither": neither, "only_a": only_a, "only_b": only_b}
    words = say("two_words", a=LETTERS[a], b=LETTERS[b], **counted)
    figure = counts.draw_two_by_two(held, rows, columns, layout.is_dark())
    layout.show_chart(figure, words, [_make_pair_row(common, a, b)], f"two-{a}-{b}")


def _show_agreement(common: SharedExamples, a: int, b: int) -> None:
    """Show how often two runs make the same decision."""
    alike = common.predicted[a] == common.predicted[b]
    if common.task == "single":
        same, n = int(alike.all(axis=1).sum()), len(common.names)
        st.markdown(say("alike_single", same=same, n=n, percent=f"{same / n:.0%}"))
        return
    same, n = int((alike & common.seen).sum()), max(1, int(common.seen.sum()))  # unlabeled cells do not count
    right = {"right_a": common.right_cells[a].sum(), "right_b": common.right_cells[b].sum()}
    st.markdown(say("alike_multi", a=LETTERS[a], b=LETTERS[b], n=n, same=same, percent=f"{same / n:.0%}", **right))


def _show_test(pair: PairedComparison | None, n_pairs: int) -> None:
    """Show in a sentence whether two runs differ, and how that was tested."""
    if pair is None:
        layout.show_info(say("no_rivals"))
        return
    layout.show_info(layout.capitalize(layout.translate_message(pair.sentence)))
    # examples of one group are not independent, so groups are tested
    of_groups = "by_flipping" if pair.n_groups < pair.n else "by_mcnemar"
    sentences = [say("by_drawing" if pair.only_a is None else of_groups)]
    if pair.interval:
        by, low, high = (layout.localize_numbers(f"{value:+.3f}") for value in (pair.difference, *pair.interval))
        sentences.append(say("apart_by", a=pair.a, b=pair.b, by=by, low=low, high=high))
    if n_pairs > 1:
        sentences.append(say("corrected", n=n_pairs))
    st.caption(" ".join(sentences))


def _show_examples(chosen: Sequence[RunView], common: SharedExamples, a: int, b: int) -> None:
    """Show the examples behind one of the four counts, with both predictions."""
    right_a, right_b = common.right[a], common.right[b]
    members: Mapping[str, np.ndarray] = {
        "only_a": right_a & ~right_b,
        "only_b": ~right_a & right_b,
        "neither": ~right_a & ~right_b,
        "both": right_a & right_b,
    }
    fields = [field for field in FIELDS if members[field].any()]
    st.markdown(say("look"))
    ways = {field: say(f"look_{field}", n=members[field].sum(), a=LETTERS[a], b=LETTERS[b]) for field in fields}
    field = st.radio(say("which"), fields, format_func=ways.get, key=f"field-{a}-{b}", label_visibility="collapsed")
    places = np.flatnonzero(members[field])
    # the examples on which the two confidences differ most come first
    places = places[np.argsort(-np.abs(common.confidence[a] - common.confidence[b])[places], kind="stable")].tolist()
    shown = media.select_page(places, f"page-{field}-{a}-{b}")
    layout.show_in_columns(
        shown, media.N_COLUMNS, lambda place: _show_card(chosen[a], common, (a, b), place), border=True
    )


def _show_card(view: RunView, common: SharedExamples, pair: tuple[int, int], place: int) -> None:
    """Show one example with the predictions of two runs."""
    name = common.names[place]
    say.show("strong", text=name)
    media.show_media(view, name)
    truth = [label for label, target in zip(common.class_names, common.targets[place], strict=True) if target == 1]
    say.show(f"truth_{common.task}", truth=layout.format_list(truth) or say("none"))
    for k in pair:
        key = "says_rightly" if common.right[k, place] else "says_wrongly"
        say.show(key, name=LETTERS[k], answers=_describe_answers(common, k, place))


def _describe_answers(common: SharedExamples, k: int, place: int) -> str:
    """Describe a run's prediction for one example: the likeliest classes, or the wrong labels."""
    scores, names = common.scores[k, place], common.class_names
    if common.task == "single":
        best = np.argsort(-scores, kind="stable")[:2]
        return layout.format_list(say("answer", name=names[j], percent=100 * float(scores[j])) for j in best)
    seen, right = common.seen[place], common.right_cells[k, place]
    wrong = [
        say("missed" if common.targets[place, j] == 1 else "not_there", name=names[j])
        for j in np.flatnonzero(seen & ~right)
    ]
    words = say("cells", right=right.sum(), n=seen.sum())
    return say("cells_wrong", cells=words, wrong=layout.format_list(wrong)) if wrong else words


show()
