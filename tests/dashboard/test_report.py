import base64
import io
import zipfile

import pytest

from dashboard import i18n
from dashboard import runs as dashboard_runs
from dashboard.app_pages import report
from tests.fixtures import fake_runs, pages


def preview(app):
    """Return the HTML of the preview."""
    (frame,) = app.get("iframe")
    kind, _, packed = frame.proto.src.partition(",")
    assert kind == "data:text/html;charset=utf-8;base64", "so that it is of another origin than the dashboard"
    return base64.b64decode(packed).decode()


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_report_is_previewed_in_the_language_of_the_page(language, runs):
    run = fake_runs.make(runs, family="cnn", n=40)
    app = pages.opened("report", language)
    page, value = preview(app), f"{run.read('report.json')['metrics']['accuracy']:.3f}"
    value = value.replace(".", ",") if language == "id" else value
    assert f'<html lang="{language}">' in page and run.name in page and value in page


def test_the_report_can_be_in_another_language_than_the_page(runs):
    fake_runs.make(runs, family="cnn", n=40)
    app = pages.opened("report", "en")
    app.button_group(key="report-language").set_value("id").run()
    assert '<html lang="id">' in preview(pages.sound(app))


def test_what_is_downloaded_is_what_the_command_writes(runs):
    chosen = [dashboard_runs.get_run(fake_runs.make(runs, family="cnn", n=40).path)]
    assert report.render_file(chosen, "a.html", "en").decode() == report.render_page(chosen, "en")
    assert report.render_file(chosen, "a.pdf", "en").startswith(b"%PDF")
    assert report.render_file(chosen, "README.md", "en", card=True).startswith(b"---\n")
    with zipfile.ZipFile(io.BytesIO(report.render_file(chosen, "a.tex", "id", packed=True))) as packed:
        names = packed.namelist()
    assert names[0] == "a.tex" and any(name.startswith("a.tex-files/") and name.endswith(".pdf") for name in names)


def test_a_run_whose_files_are_damaged_is_told_in_a_sentence(runs):
    run = fake_runs.make(runs, family="cnn", n=40)
    (run.path / "predictions.csv").write_text("nonsense\n", encoding="utf-8")
    app = pages.opened("report")
    assert len(app.error) == 1 and "predictions.csv" in app.error[0].value


def test_without_what_draws_a_report_it_is_said_how_to_get_it(runs, monkeypatch):
    fake_runs.make(runs, family="cnn", n=40)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "matplotlib" else object())
    app = pages.opened("report")
    assert 'pip install -e ".[report]"' in app.warning[-1].value and not app.get("iframe")
