"""Predict: ask a run about sound or pictures, see what it answers, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout
from dashboard.app_pages.predict import batch, inputs, one_file, predictors, results, text
from dashboard.app_pages.predict.files import Asked
from dashboard.app_pages.predict.results import Answer
from dashboard.runs import Entry
from musicml.inference import Prediction

MOST_FILES = 100  # of one batch

say = layout.begin("predict")


def show() -> None:
    """The whole page."""
    chosen = runs_asked()
    files = inputs.given(chosen[0])
    if not files:
        results.let_go()
        predictors.get_ready(chosen)
        return
    if len(files) > MOST_FILES:
        st.warning(say("too_many", n=len(files), most=MOST_FILES))
        files = files[:MOST_FILES]
    found = answered(chosen, files)
    batch.refused(files, found)
    st.header(say("answers"))
    if len(files) > 1:
        batch.table(chosen, files, found)
    good = [file for file in files if any(isinstance(found[one.name, file.key], Prediction) for one in chosen)]
    if good:
        one_file.show(chosen, batch.which(good), found)


def runs_asked() -> list[Entry]:
    """The run that is asked, and another one beside it where the reader wants one."""
    found = layout.entries()
    able = [one for one in found if predictors.can_be_asked(one)]
    if not able:
        left_out(found)
        layout.empty(say("none_able"), say("train_one"))
    left, right = st.columns(2)
    with left:
        one = layout.pick_run(able)
    others = {other.name: other for other in able if other is not one and alike(one, other)}
    name = right.selectbox(
        say("beside"),
        list(others),
        index=None,
        placeholder=say("beside_none"),
        key="beside",
        bind="query-params",
        disabled=not others,
    )
    if name:
        right.caption(layout.marked(others[name]))
    chosen = [one, others[name]] if name else [one]
    remarks(found, chosen)
    return chosen


def alike(one: Entry, other: Entry) -> bool:
    """Whether two runs answer for the same kinds of files."""
    return predictors.takes(one) == predictors.takes(other)


def remarks(found: Sequence[Entry], chosen: Sequence[Entry]) -> None:
    """What to know before asking: what the runs learnt from, which can't be asked, how long the first answer takes."""
    layout.sample_note(*chosen)
    if any(one.sample for one in chosen):
        st.caption(say("sample_answer"))
    # runs of one data set know the same classes, which are said once
    for classes, one in {tuple(predictors.served(one).class_names): one for one in reversed(chosen)}.items():
        st.caption(
            say("knows", run=layout.plain(one.name), n=len(classes), names=layout.plain(layout.listed(classes, 10)))
        )
    left_out(found)
    if any(predictors.begins_slowly(one) for one in chosen):
        st.info(say("first_slow"), icon=":material/hourglass_top:")


def left_out(found: Sequence[Entry]) -> None:
    """Say which runs can't be chosen here, and why."""
    bound, broken = [], []
    for one in found:
        served = predictors.served(one)
        if isinstance(served, str):
            broken.append(served)
        elif served and not predictors.can_be_asked(one):
            bound.append(one.name)
    if bound:
        st.caption(say("bound", names=layout.plain(layout.listed(bound, 4))))
    for sentence in broken:
        st.caption(layout.plain(layout.translated(sentence)))


def answered(chosen: Sequence[Entry], files: Sequence[Asked]) -> dict[tuple, Answer]:
    """The answers, with a bar that grows while they come."""
    bar = st.empty()

    def step(done: float, file: Asked) -> None:
        bar.progress(done, say("asking", name=layout.plain(text.title(file))))

    found = results.answers(chosen, files, step)
    bar.empty()
    return found


show()
