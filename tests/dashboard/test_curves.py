import os
import time
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st

from dashboard import layout
from dashboard.charts import curves
from musicml.experiment.records import Epoch
from tests.fixtures import fake_runs, pages

SAY = {"train": "training (dashed)", "val": "validation (solid)", "best": "best epoch (ring)", "all": "all layers"}


def choose(app, *names, language="en"):
    """Choose runs by their names."""
    app.multiselect(key="runs").set_value(list(names)).run()
    return pages.sound(app, language)


@pytest.fixture
def every(monkeypatch):
    """Record the `run_every` of each fragment; None for a fragment that does not rerun."""
    found, fragment = [], st.fragment

    def noted(function=None, *, run_every=None, **options):
        found.append(run_every)
        return fragment(function, run_every=run_every, **options)

    monkeypatch.setattr(st, "fragment", noted)
    return found


def curve(train, val, best=None, name="run"):
    return curves.Curve(name, np.array(train, float), None if val is None else np.array(val, float), best, [(0, "all")])


def rows_of(epochs, **columns):
    return [
        Epoch("all", {"epoch": float(k + 1), **{name: values[k] for name, values in columns.items()}})
        for k in range(epochs)
    ]


# what a history says


def test_the_loss_comes_first_and_each_pair_counts_once():
    rows = rows_of(
        1, accuracy=[0.5], loss=[1.0], val_accuracy=[0.4], val_loss=[1.2], learning_rate=[0.1], seconds=[3.0]
    )
    assert curves.list_metrics(rows) == ["loss", "accuracy"] and curves.list_metrics([]) == []


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        ([3, 2, 1, 0.5, 0.2], [3, 2.2, 2.0, 2.5, 3.0], "overfitting"),
        ([3, 2, 1, 0.5, 0.2], [3, 2.5, 2.3, 2.2, 2.1], "widening"),
        ([3, 2.5, 2, 1.5, 1.0], [3.1, 2.6, 2.1, 1.6, 1.1], "improving"),
        ([3, 2, 1, 1, 1], [3.1, 2.1, 1.1, 1.12, 1.11], "steady"),
        ([3, 2], [3, 2], "early"),
        ([3, 2, 1], None, "alone"),
        ([3, 2, np.nan, np.nan], [3, 2, np.nan, np.nan], "early"),
        ([1, 1, 1], [1, 1, 1], "steady"),
    ],
)
def test_what_two_curves_say_together(train, val, said):
    assert curves.judge_curves(curve(train, val), "loss") == said


def test_of_an_accuracy_more_is_better_and_the_gap_turns_its_sign():
    one = curve([0.5, 0.7, 0.9, 0.99], [0.5, 0.6, 0.5, 0.4])
    assert curves.find_own_best(one, "accuracy") == 1 and curves.judge_curves(one, "accuracy") == "overfitting"
    assert curves.compute_gaps(one, "accuracy").round(2).tolist() == [0, 0.1, 0.4, 0.59]


def test_the_best_epoch_is_the_one_told_and_else_the_best_so_far_by_the_monitor():
    rows = rows_of(3, loss=[3, 2, 1], val_loss=[3, 1, 2], val_accuracy=[0.1, 0.2, 0.3])
    assert curves.find_best_epoch(rows, "val_loss") == 1 and curves.find_best_epoch(rows, "val_accuracy") == 2
    assert curves.find_best_epoch(rows, "val_accuracy", best_epoch=1) == 0
    assert curves.find_best_epoch(rows_of(2, loss=[3, 2]), "val_loss") == 1  # without validation the loss decides
    assert curves.find_best_epoch(rows_of(2, loss=[np.nan, np.inf]), "val_loss") is None
    twice = [Epoch(stage, {**row.values}) for stage in ("head", "all") for row in rows]
    twice[4].values["val_loss"] = 0.5
    assert curves.find_best_epoch(twice, "val_loss", best_epoch=2) == 4  # epoch 2 of the better stage


def test_each_run_has_a_colour_and_a_symbol_and_dashes_tell_training():
    several = [curve([2, 1], [2, 1.5], 1, f"run{k}") for k in range(8)]
    figure = curves.draw_pairs(several, "epoch", "loss", SAY)
    solid = [trace for trace in figure.data if trace.line.dash == "solid" and trace.legendgroup]
    assert len({(trace.line.color, trace.marker.symbol) for trace in solid}) == 8
    dashed = [trace for trace in figure.data if trace.line.dash == "dash" and trace.legendgroup]
    assert [trace.line.color for trace in dashed] == [trace.line.color for trace in solid]
    assert {trace.name for trace in figure.data} >= {"training (dashed)", "validation (solid)", "best epoch (ring)"}
    rings = [trace for trace in figure.data if trace.marker.size == 17]
    assert [tuple(trace.x) + tuple(trace.y) for trace in rings] == [(2, 1.5)] * 8


def test_a_second_stage_goes_on_along_the_axis_behind_a_named_line():
    rows = rows_of(3, loss=[3, 2, 1], val_loss=[3, 2, 1])
    one = curves.make_curve("run", [*(replace(row, stage="head") for row in rows), *rows], "loss", None)
    figure = curves.draw_pairs([one], "epoch", "loss", SAY)
    assert list(figure.data[0].x) == [1, 2, 3, 4, 5, 6]
    assert figure.layout.shapes[0].x0 == 3.5 and figure.layout.annotations[0].text == "→ all layers"


def test_a_name_with_tags_stays_text_in_a_chart():
    figure = curves.draw_pairs([curve([2, 1], None, 1, "<a href='x'>run</a>")], "epoch", "loss", SAY)
    assert all("<a" not in str(trace.name) + str(trace.hovertemplate) for trace in figure.data)


# the page


def test_the_words_tell_the_best_epoch_the_gap_and_what_it_means(runs):
    fake_runs.make(runs, family="transfer", n=20, epochs=9, skill=4.0)
    text = pages.said(pages.opened("curves"))
    rows = next(runs.iterdir()).joinpath("history.csv").read_text().splitlines()
    best = min(range(1, len(rows)), key=lambda place: float(rows[place].split(",")[5]))
    val, train = float(rows[best].split(",")[5]), float(rows[best].split(",")[3])
    assert f"Best epoch {best} of 9 (ring)" in text
    assert f"validation {val:.3f}, training {train:.3f}, gap {val - train:.3f}" in text
    assert "overfitting" in text and "synthetic data" in text


def test_several_runs_lie_over_each_other_and_forests_and_damaged_ones_are_told(runs):
    for name, how in (
        ("alpha", {"family": "cnn"}),
        ("beta", {"family": "gru"}),
        ("trees", {"family": "forest"}),
        ("bad", {"family": "cnn", "status": "broken", "damage": "run damaged"}),
        ("empty", {"family": "cnn", "status": "broken", "damage": "history words"}),
    ):
        fake_runs.make(runs, name, n=20, sample=False, **how)
    app = choose(pages.opened("curves"), "alpha", "beta", "trees", "bad", "empty")
    text = pages.said(app).replace("\\", "")
    assert "trees is a random forest" in text and "empty (complete) has no readable history" in text
    assert "run.json of run bad" in text
    assert text.count("alpha: ") == text.count("beta: ") == 3  # loss, accuracy, learning rate
    assert app.get("plotly_chart") and "synthetic data" not in text


def test_two_stages_are_told_and_the_learning_rate_is_drawn_where_it_changes(runs):
    fake_runs.make(runs, "staged", family="transfer", n=20, stages=2, epochs=4)
    app = pages.opened("curves", "id")
    text = pages.said(app)
    assert "hanya head sejak epoch 1, semua lapisan sejak epoch 5" in text
    assert "dari 0,001 ke 0,0001. Berubah pada epoch 5" in text and len(app.get("plotly_chart")) == 3


def test_a_run_that_just_began_has_no_curve_and_says_so(runs):
    fake_runs.make(runs, family="gru", status="started")
    app = pages.opened("curves")
    assert not app.get("plotly_chart")
    assert "appear after the first epoch" in app.get("progress")[0].proto.text


def test_a_training_grows_before_the_eyes_until_it_is_done(runs, every):
    run = fake_runs.make(runs, "now", family="gru", status="training")
    app = pages.opened("curves")
    assert "6 of 20 epochs" in app.get("progress")[0].proto.text  # chosen by itself, since it is training
    with (run.path / "history.csv").open("a") as file:
        file.write("all,7,0.6,1.0,0.5,1.2,0.001,2.0\n")
    pages.sound(app.run())
    assert "7 of 20 epochs" in app.get("progress")[0].proto.text
    done = fake_runs.make(runs.parent, "other", family="gru", n=20)
    (run.path / "report.json").write_bytes((done.path / "report.json").read_bytes())
    pages.sound(app.run())
    assert every[-2:] == [layout.LIVE, None]
    assert not app.get("progress") and len(app.get("plotly_chart")) == 3
    assert [value.split(" (")[0] for value in app.multiselect(key="runs").value] == ["now"]


def test_a_training_that_fell_silent_is_told_how_to_go_on(runs):
    run = fake_runs.make(runs, "old", family="gru", status="training")
    before = time.time() - 3600
    for path in (*run.path.iterdir(), run.path / "checkpoints"):
        os.utime(path, (before, before))
    text = pages.said(pages.opened("curves"))
    assert "old was interrupted after" in text and f"musicml train --resume {run.path}" in text


def test_without_validation_nothing_is_said_of_overfitting(runs):
    run = fake_runs.make(runs, "alone", family="gru", n=20)
    lines = run.path.joinpath("history.csv").read_text().splitlines()
    kept = [",".join(line.split(",")[:4] + line.split(",")[6:]) for line in lines]
    run.path.joinpath("history.csv").write_text("\n".join(kept) + "\n")
    text = pages.said(pages.opened("curves"))
    assert "Without a validation split" in text and "Best training value" in text
