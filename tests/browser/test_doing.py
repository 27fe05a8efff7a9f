"""Test what needs a real browser: uploads, the microphone, a click in a chart, audio players, live curves."""

import shutil
import time

import numpy as np
import pytest
import soundfile
from PIL import Image

from dashboard import i18n
from tests.browser.reading import audited
from tests.browser.tabs import WIDE
from tests.conftest import TONES, write_tone
from tests.fixtures import fake_runs

pytestmark = pytest.mark.browser

CLICKED = """([row, column]) => {
  const plot = document.querySelector("[data-testid=stPlotlyChart] .js-plotly-plot");
  const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
  return [box.x + xaxis._offset + xaxis.d2p(column), box.y + yaxis._offset + yaxis.d2p(row)];
}"""
PLAYABLE = """() => {
  const player = document.querySelector("[data-testid=stMain] audio");
  return player && player.readyState > 0 && !player.error && player.duration;
}"""
PICTURED = "name => [...document.images].some(one => one.alt.includes(name) && one.naturalWidth > 0)"
# whether a row of the table, which is a picture with words for a screen reader, holds all these
ROW = """wanted => [...document.querySelectorAll("[data-testid=stDataFrame] canvas [role=row]")].some(row => {
  const cells = [...row.querySelectorAll("[role=gridcell]")].map(cell => cell.textContent);
  return wanted.every(one => cells.includes(one));
})"""
# the points of the longest line, where there are more of them than a number
POINTS = """than => {
  const lines = [...document.querySelectorAll(".js-plotly-plot")].flatMap(plot => plot.calcdata || []);
  const most = Math.max(0, ...lines.map(points => points.length));
  return most > than && most;
}"""
# the number of epochs that the words beside the charts name, where it is above another
EPOCHS = """than => {
  const said = document.querySelector("[data-testid=stMain]").innerText.match(/(\\d+) of 2000 epochs/);
  return said && Number(said[1]) > than && Number(said[1]);
}"""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Make files to upload: a wav and an mp3 of 800 Hz, a red jpg, and an invalid file."""
    folder = tmp_path_factory.mktemp("given")
    write_tone(folder / "tone.wav", 800, 2.0)
    y, rate = soundfile.read(folder / "tone.wav")
    soundfile.write(folder / "tone.mp3", y, rate, format="MP3")
    Image.fromarray(np.full((60, 60, 3), (200, 40, 40), np.uint8)).save(folder / "red.jpg")
    (folder / "<b>no music.wav").write_bytes(b"none at all")
    return folder


def says(label=""):
    """Return the beginning of a prediction on the page."""
    return f"Predicted: {label}"


def answered(tab, *files):
    """Upload files and return the page with the predictions."""
    tab.page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(files)
    heading = i18n.Words("en", "predict")("answers")
    tab.page.get_by_role("heading", name=heading, exact=True).wait_for()
    return tab.settled()


@pytest.mark.parametrize("run, name", [("tones", "tone.mp3"), ("pictures", "red.jpg"), ("cnn", "tone.wav")])
def test_an_upload_is_answered_shown_and_explained_for_everybody(tab, names, given, pictured, run, name):
    answered(tab.open("predict", run=names[run]), given / name)
    assert says({"tones": "middle", "pictures": "red"}.get(run, "")) in tab.said()
    if run == "pictures":
        tab.page.wait_for_function(PICTURED, arg=name)
    else:
        assert tab.page.wait_for_function(PLAYABLE).json_value() == pytest.approx(2.0, abs=0.2)
    tab.page.get_by_role("button", name=i18n.Words("en", "predict")("why_button")).click()
    tab.page.get_by_text(i18n.Words("en", "predict")("looking")).wait_for(state="hidden", timeout=40_000)
    pictured(tab.settled().resized(WIDE), f"predict-answered-{run}")
    assert tab.troubles() == []
    assert audited(tab.page) == ""


@pytest.mark.parametrize("page, run, language", [("predict", "tones", "id"), ("run", "made_gru", "en")])
def test_a_link_opens_the_run_that_it_names(tab, names, page, run, language):
    tab.open(page, run=names[run], lang=language)  # neither is the newest, which would be shown anyway
    chosen = tab.page.locator("[data-testid=stSelectbox]").first.locator("input")
    assert chosen.input_value().startswith(names[run].rsplit("-", 2)[0]) and tab.language == language
    # Streamlit writes the address after the page, and on a busy machine a moment later
    tab.page.wait_for_url(lambda url: f"run={names[run]}" in url)


def test_a_file_that_is_no_sound_is_refused_in_a_sentence_and_the_others_are_answered(tab, names, given):
    answered(tab.open("predict", run=names["tones"]), given / "<b>no music.wav", given / "tone.wav")
    (refusal,) = tab.page.locator("[data-testid=stAlert]").filter(has_text="no music.wav").all_inner_texts()
    assert "<b>no music.wav" in refusal
    assert says("middle") in tab.said() and tab.troubles() == []


def test_a_recording_is_answered(tab, names):
    tab.open("predict", run=names["tones"])
    tab.page.get_by_role("radio", name=i18n.Words("en", "predict")("way_record")).click()
    recorder = tab.page.locator("[data-testid=stAudioInput]")
    recorder.get_by_role("button", name="Record").click()
    tab.page.wait_for_timeout(1500)
    recorder.get_by_role("button", name="Stop recording").click()
    tab.page.get_by_text(says()).wait_for()
    assert tab.settled().troubles() == []


def test_a_click_on_a_square_plays_the_file_behind_it(tab, names, pictured):
    tab.open("confusion", run=names["tones"])
    tab.page.locator("[data-testid=stPlotlyChart] .js-plotly-plot").first.scroll_into_view_if_needed()
    assert tab.page.locator("[data-testid=stMain] audio").count() == 0
    tab.page.mouse.click(*tab.page.evaluate(CLICKED, [0, 0]))
    assert tab.page.wait_for_function(PLAYABLE).json_value() == pytest.approx(1.0, abs=0.1)
    assert tab.settled().troubles() == []
    pictured(tab.resized(WIDE), "confusion-clicked")
    assert audited(tab.page) == ""


class Training:
    """A run that seems to be training, made by copying prepared files."""

    def __init__(self, root, made):
        self.path = root / "growing-20260302T120000-s0"
        self.begun, self.ended = (
            fake_runs.make(made / status, self.path.name, family="cnn", n=60, status=status).path
            for status in ("training", "whole")
        )

    def begin(self):
        """Create the folder with the first epochs."""
        shutil.copytree(self.begun, self.path)

    def end(self):
        """Complete the run."""
        shutil.copytree(self.ended, self.path, dirs_exist_ok=True)


@pytest.fixture
def training(real, tmp_path):
    made = Training(real[0], tmp_path)
    yield made
    shutil.rmtree(made.path, ignore_errors=True)


def test_overview_shows_a_run_that_begins_and_ends_while_it_is_open(tab, training):
    say = i18n.Words("en", "overview")
    tab.open().resized(2 * WIDE)  # the table has words for the columns in view alone
    tab.page.evaluate("window.untouched = true")
    name = "growing · 2 Mar 12:00 · seed 0"
    assert name not in tab.said()
    for step, status in ((training.begin, "training"), (training.end, "whole")):
        step()
        tab.page.wait_for_function(ROW, arg=[name, say(f"status_{status}")], timeout=10_000)
    assert tab.settled().page.locator("[data-testid=stProgress]").count() == 0, "none is training any more"
    assert tab.page.evaluate("window.untouched"), "and nobody has loaded the page again"
    assert tab.troubles() == []


def test_curves_grow_while_a_training_runs_in_another_process(tab, real, started, tones, tmp_path):
    wanted = tmp_path / "learning.toml"
    wanted.write_text(TONES.replace('"forest"\nn_estimators = 5', '"cnn"\nfilters = [4]'))
    endless = ("--set", "training.epochs=2000", "--set", "training.early_stopping=0")
    process = started("train", wanted, "--folder", tones, "--runs", real[0], *endless)
    try:
        run = begun(real[0], process)
        tab.open("curves", runs=run.name)
        before = tab.page.wait_for_function(POINTS, arg=1).json_value()
        tab.page.evaluate("window.untouched = true")
        said = tab.page.wait_for_function(EPOCHS, arg=1).json_value()
        tab.page.wait_for_function(POINTS, arg=before, timeout=10_000)
        tab.page.wait_for_function(EPOCHS, arg=said, timeout=10_000)  # the words beside the curves grow too
        assert tab.page.evaluate("window.untouched"), "and nobody has loaded the page again"
        assert tab.troubles() == []
    finally:
        process.kill()
        process.wait()
        for path in real[0].glob("learning-*"):
            shutil.rmtree(path)


def begun(root, process):
    """Wait for the second epoch of a training and return its folder."""
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        for path in root.glob("learning-*/history.csv"):
            if len(path.read_text().splitlines()) > 2:
                return path.parent
        time.sleep(0.1)
    raise AssertionError(f"no training began: {process.communicate()}")
