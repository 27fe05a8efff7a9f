"""Test whether two runs differ significantly on the examples that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.compare import labels, metrics
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.caching import cache_resource
from dashboard.runs import RunView
from musicml.evaluation import PairedComparison, PredictionTable, compare_pairs, find_comparable_pairs

say = layout.LazyText("compare")


def get_comparisons(chosen: Sequence[RunView], common: SharedExamples) -> Mapping[tuple[int, int], PairedComparison]:
    """Return the significance test of each two runs of one protocol, by their places."""
    changed = tuple(runs.get_stamp(one.run.path, "predictions.csv", "serving.json", "run.json") for one in chosen)
    rivals = tuple(find_comparable_pairs([labels.get_protocol(one) for one in chosen]))
    kind = "files" if chosen[0].is_sound else "pictures"
    return _compute_comparisons(tuple(str(one.run.path) for one in chosen), changed, rivals, kind, common)


@cache_resource(max_entries=20)
def _compute_comparisons(
    paths: tuple[str, ...], changed: tuple, rivals: tuple[tuple[int, int], ...], kind: str, _common: SharedExamples
) -> Mapping[tuple[int, int], PairedComparison]:
    """Compute what `get_comparisons` returns; again only when a run has changed."""
    voices = [
        PredictionTable(_common.names, _common.groups, _common.class_names, scores, _common.targets, _common.task)
        for scores in _common.scores
    ]
    found = compare_pairs(LETTERS[: len(voices)], voices, _common.said, rivals, kind, metrics.DRAWS)
    return dict(zip(rivals, found, strict=True))


def make_row(pair: PairedComparison | None) -> dict[str, Any]:
    """Return a test's results as cells of a table; empty ones where there was no test."""
    return {
        say("p"): None if pair is None or pair.p is None else float(f"{pair.p:.2g}"),
        say("p_holm"): None if pair is None or pair.p_holm is None else float(f"{pair.p_holm:.2g}"),
    }


def show(pair: PairedComparison | None, n_pairs: int) -> None:
    """Show in a sentence whether two runs differ, and how that was tested."""
    if pair is None:
        st.info(say("no_rivals"), icon=":material/info:")
        return
    st.info(layout.capitalize(layout.translate_message(pair.sentence)), icon=":material/info:")
    sentences = [
        say("by_drawing" if pair.only_a is None else "by_flipping" if pair.n_groups < pair.n else "by_mcnemar")
    ]
    if pair.interval:
        low, high = pair.interval
        sentences.append(
            say("apart_by", a=pair.a, b=pair.b, by=f"{pair.difference:+.3f}", low=f"{low:+.3f}", high=f"{high:+.3f}")
        )
    if n_pairs > 1:
        sentences.append(say("corrected", n=n_pairs))
    st.caption(" ".join(sentences))
