"""Test pages with a pretrained model, and the caveats about a pretrained backbone."""

import shutil

import numpy as np
import pytest
import soundfile

from dashboard import i18n
from dashboard import runs as dashboard_runs
from dashboard.app_pages.predict import files as page_files
from musicml.models import pretrained_audio
from musicml.utils import translate, write_json
from tests.fixtures import fake_runs, pages


@pytest.fixture
def runs(tags_run, tmp_path, monkeypatch):
    """Point the dashboard at a folder with the pretrained tagging model."""
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path / "data"))
    shutil.copytree(tags_run.path, tmp_path / "runs/musicnn_tags")
    return tmp_path / "runs"


def test_every_page_opens_on_a_run_that_others_trained(runs):
    words = i18n.Words("id", "common")
    for page, app in pages.walk("id"):
        said = pages.said(app).replace("\\", "")
        if page in ("run", "curves", "predict"):
            assert "model pralatih" in said or page == "predict"
            assert words("status_pretrained") in said or page == "curves"
        assert words("status_stopped") not in said and "None" not in said, page


def test_the_overview_lists_it_without_results(runs):
    fake_runs.make(runs, family="gru", n=30)
    app = pages.opened("overview")
    rows = {row["run"]: row for row in app.dataframe[0].value.to_dict("records")}
    row = rows["musicnn_tags"]
    assert row["status"] == "pretrained"
    assert all(row[name] is None or np.isnan(row[name]) for name in ("value", "protocol", "origin", "test examples"))
    assert len(rows) == 2 and {row["status"] for row in rows.values()} == {"pretrained", "complete"}


def test_its_page_has_the_parts_that_it_has(runs):
    app = pages.opened("run")
    assert list(app.segmented_control(key="run-part").options) == ["Model", "Environment", "Use it"]
    for part in ("model", "made", "use"):
        app.segmented_control(key="run-part").set_value(part).run()
        said = pages.said(pages.sound(app))
        assert "a pretrained model" in said
    commands = [code.value for code in app.code]
    assert any("musicml predict" in command for command in commands)
    assert not any("resume" in command or "musicml train" in command for command in commands)


@pytest.mark.parametrize("page", ["confusion", "classes", "compare", "report"])
def test_pages_of_results_leave_it_out(page, runs):
    fake_runs.make(runs, "genre_gru-20260301T120000-s0", family="gru", n=30)
    app = pages.opened(page)
    chosen = [*app.selectbox, *app.multiselect]
    assert chosen and not any("musicnn_tags" in map(str, box.options) for box in chosen)


def test_predict_names_the_most_probable_without_thresholds(runs, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.wav", np.random.default_rng(0).normal(0, 0.1, 7 * 16_000), 16_000)
    upload = page_files.UploadedFile("song.wav", "1", (tmp_path / "song.wav").read_bytes)
    monkeypatch.setattr(page_files, "select_files", lambda one: [upload])
    said = pages.said(pages.opened("predict"))
    assert "### Most probable: **msd tag" in said.replace("\\", "") and "has no thresholds" in said
    assert "reaches its threshold" not in said


def test_predict_has_no_test_examples_of_it_and_says_how_to_teach_it_ones_own_sounds(runs):
    app = pages.opened("predict")
    assert "musicml train genre_musicnn --folder" in pages.said(app)
    app.segmented_control(key="predict-way-3").set_value("pick").run()
    assert "has no test examples here" in pages.said(pages.sound(app))


@pytest.mark.parametrize(("weights", "language"), [("msd", "en"), ("msd+mtt", "id"), ("none", "id")])
def test_pages_and_reports_say_what_a_backbone_was_trained_on(weights, language, tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path / "runs"))
    run = fake_runs.make(tmp_path / "runs", family="gru", n=30)
    caveat = pretrained_audio.describe_pretraining(weights)
    kept = {"choice": weights, "reason": "set in the experiment", **({"pretraining": caveat} if caveat else {})}
    write_json(run.path / "run.json", {**run.read("run.json"), "weights": kept})
    sentence = translate(caveat, language) if caveat else {"en": "Pretrained", "id": "pralatih"}[language]
    for page in ("overview", "run", "confusion", "classes", "curves"):
        assert (sentence in pages.said(pages.opened(page, language)).replace("\\", "")) == bool(caveat), page
    from musicml.reports import model_card, report

    text = report.write_report([run], tmp_path / "report.md", language)[0].read_text(encoding="utf-8")
    for written in (text, model_card.render(run, language)):
        assert (sentence in " ".join(written.replace("\\", "").replace("\n> ", " ").split())) == bool(caveat)


def test_a_run_whose_record_says_pretrained_is_never_taken_for_a_training(runs):
    (one,) = dashboard_runs.list_runs()
    assert one.status == "pretrained" and not one.is_ours and one.report is None
