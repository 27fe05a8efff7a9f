import base64
import csv
import functools
import io
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper
from plotly.io import from_json

from dashboard import layout
from dashboard import runs as dashboard_runs
from dashboard.app_pages.predict import files as page_files
from dashboard.app_pages.predict import predictors, results, saliency
from dashboard.charts import metrics, sound
from dashboard.i18n import LANGUAGES, Words
from musicml.data.datasets import loading
from musicml.data.io import load_audio
from musicml.experiment.run import Run
from musicml.inference import backends, predictor
from musicml.utils import Message, files, translate
from musicml.utils.errors import InputError, make_printable
from tests.conftest import write_tone
from tests.fixtures import pages
from tests.fixtures.fake_runs import make, rewrite
from tests.fixtures.malformed_files import FILES, encoded, picture, saved, tone

SOUNDS = [case for case in FILES.values() if case.kind == "sound" and case.place is None]
PICTURES = [case for case in FILES.values() if case.kind == "picture"]
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
HEARD = ("flute", "voice", "drums")
TEXT = b"La la la.\n" * 99


def with_model(run, nodes, weights, outputs, shape):
    """Put a small exported model into a fake run."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"fingerprint": run.read("serving.json")["fingerprint"]})
    onnx.save(model, run.path / "model.onnx")
    rewrite(run, "run.json", exported=files.compute_digest(run.path / "model.onnx"))
    return run


def seeing_colours(root, pictures):
    """Make a run that classifies pictures by color, with a class activation map."""
    changes = {"features.height": 32, "features.width": 32}
    dataset = loading.load_folder(pictures)
    run = make(root, "colours-20260301T120000-s0", family="mobilenet", dataset=dataset, overrides=changes)
    order = [list(COLOURS).index(name) for name in dataset.class_names]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["maps"]),
        helper.make_node("ReduceMean", ["maps"], ["logits"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    weights = {"w": np.eye(3, dtype=np.float32)[:, order] / 20}
    return with_model(run, nodes, weights, {"scores": ["n", 3], "maps": ["n", 32, 32, 3]}, (32, 32, 3))


def with_listener(run, activation, spread):
    """Put a model into a fake run on sound that predicts from the mean of its input, with a map."""
    shape, n = run.read("serving.json")["input_shape"], len(run.read("labels.json"))
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["logits"]),
        helper.make_node(activation, ["logits"], ["scores"]),
        helper.make_node("Unsqueeze", ["x", "last"], ["wide"]),
        helper.make_node("Mul", ["wide", "w"], ["maps"]),
    ]
    w = np.random.default_rng(0).normal(0, spread, (shape[1], n)).astype(np.float32)
    weights = {"w": w, "last": np.array([3], np.int64)}
    return with_model(run, nodes, weights, {"scores": ["n", n], "maps": ["n", *shape, n]}, shape)


def hearing_several(root):
    """Make a multi-label run on sound that flags every input as out of distribution."""
    run = make(root, "several-20260301T130000-s0", family="multi", class_names=HEARD, sample=False)
    return with_listener(run, "Sigmoid", 1e-3)


@pytest.fixture(scope="module")
def made(asked_about_tones, pictures, tmp_path_factory):
    """Make a folder of runs: on tones (the newest), on colors, on several instruments, and one on VGGish.

    The run on synthetic data has no model."""
    root = tmp_path_factory.mktemp("asked")
    (root / asked_about_tones.name).symlink_to(asked_about_tones.path)
    make(root, "bound-20260301T110000-s0", family="vggish", n=8)
    return {
        "root": root,
        "tones": asked_about_tones.name,
        "colours": seeing_colours(root, pictures).name,
        "several": hearing_several(root).name,
        "sample": make(root, "sample-20260301T120000-s0", family="vgg16", n=8).name,
    }


@pytest.fixture(scope="module")
def hostile():
    """Make the content of malformed files once: case of FILES → bytes."""
    return functools.cache(lambda case: case.content())


@pytest.fixture
def runs(made, monkeypatch):
    """Point the dashboard at the runs; return their names by purpose."""
    monkeypatch.setenv("MUSICML_RUNS", str(made["root"]))
    return made


def opened(run=None, language="en", way=None):
    """Open the page with a run, and a way to choose files."""
    app = pages.opened("predict", language, **({"run": run} if run else {}))
    if way:
        next(one for one in app.segmented_control if one.key != "lang").set_value(way).run()
    return pages.sound(app, language)


def ask(app, *given, language="en"):
    """Upload files, each (name, content), and return the page."""
    app.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in given]).run()
    return pages.sound(app, language)


def wav(hertz, seconds=1.0):
    """Encode a tone as wav."""
    file, t = io.BytesIO(), np.arange(round(seconds * 8_000)) / 8_000
    soundfile.write(file, 0.4 * np.sin(2 * np.pi * hertz * t), 8_000, format="WAV")
    return file.getvalue()


def colour(name):
    """Encode a picture of one color as png."""
    from PIL import Image

    return saved(Image.new("RGB", (40, 40), COLOURS[name]), "PNG")


def numbers(values):
    """Decode the numbers of a figure that came as JSON."""
    packed = isinstance(values, dict)
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]) if packed else np.array(values)


def table_of(app):
    """Return the table of predictions, one dictionary per row."""
    frame = next(one.value for one in app.dataframe if "error" in one.value)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def why(app, place=0):
    """Return the box that chooses the class to explain, of the first or second run."""
    return next(one for one in app.selectbox if one.key.startswith(f"predict-{place}-why"))


def counted(monkeypatch, owner, name):
    """Count the calls of a function without changing its behavior."""
    calls, before = [], getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(args)
        return before(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


# Figures


def test_every_bar_has_its_percentage_and_only_thresholds_that_are_there_a_mark():
    rows = [
        {"name": "jazz", "value": 0.83, "kind": "there", "least": None},
        {"name": "pop", "value": 0.17, "kind": "there", "least": None},
    ]
    bars, texts = metrics.draw_probabilities(rows, "probability").data
    assert list(bars.x) == list(texts.customdata) == [0.83, 0.17] and texts.texttemplate[0] == "%{customdata:.0%}"
    rows = [{**rows[0], "least": 0.5}, {**rows[1], "least": 0.6, "kind": "not there"}]
    present, absent, _, marks = metrics.draw_probabilities(rows, "probability", "threshold").data
    assert list(marks.x) == [0.5, 0.6] and marks.name == "threshold"
    assert present.marker.pattern.shape != absent.marker.pattern.shape


@pytest.mark.numeric
def test_a_map_over_a_sound_spans_its_seconds_and_frames_those_that_decided():
    hertz = np.geomspace(50, 10_000, 64)
    figure = sound.draw_over_sound(
        np.zeros((64, 10), np.uint8), np.ones((64, 10), np.uint8), 5.0, hertz, (1, 2), "s", "Hz", "share"
    )
    assert [(one.x0, one.dx) for one in figure.data] == [(0.25, 0.5)] * 2
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1) == (1, 2)
    places = np.sort(figure.layout.yaxis.tickvals)
    assert len(places) > 4 and np.diff(places).min() > 4
    last = float(figure.layout.yaxis.ticktext[-1])
    assert hertz[round(figure.layout.yaxis.tickvals[-1])] == pytest.approx(last, rel=0.1)


def test_a_long_map_is_narrowed_and_keeps_its_strongest_places():
    values = np.zeros((40_000, 3), np.float32)
    values[12_345, 1] = 1
    small = saliency.narrow_frames(values)
    assert small.shape == (saliency.MAX_COLUMNS, 3) and small.max() == 1 and small.sum() == 1
    assert small[:, 1].argmax() == 12_345 * saliency.MAX_COLUMNS // 40_000
    assert saliency.narrow_frames(values[:5]).shape == (5, 3)


@pytest.mark.numeric
def test_the_windows_of_a_map_share_out_all_that_speaks_for_a_class():
    shares = np.zeros((1_000, 4), np.float32)
    shares[500:520, 2] = 1
    found = list(saliency.find_windows(shares, 0.01))
    assert len(found) == saliency.MAX_WINDOWS and sum(share for _, share, _ in found) == pytest.approx(1)
    begin, _, strongest = max(found, key=lambda one: one[1])
    assert 4.8 < begin <= 5.1 and strongest == 2
    assert [share for _, share, _ in saliency.find_windows(np.zeros((3, 2)), 0.01)] == [0, 0, 0]


# One file


def test_a_run_that_is_trusted_meanwhile_is_opened_anew(tmp_path):
    one = SimpleNamespace(run=Run(tmp_path))
    before = predictors.get_stamp(one)
    (tmp_path / "signature.json").write_text("{}")
    assert predictors.get_stamp(one) != before


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sound_is_answered_with_player_percentages_and_times(runs, language):
    app = ask(opened(runs["tones"], language), ("mine.wav", wav(200)), language=language)
    say = Words(language, "predict")
    assert "mine.wav" in [one.value for one in app.subheader]
    assert any("**low**" in one.value for one in app.markdown)
    (player,) = app.get("audio")
    assert player.proto.alt == say("player_of", name="mine.wav")
    bars = from_json(app.get("plotly_chart")[0].proto.spec)
    assert bars.data[0].y[0] == "low" and bars.layout.xaxis.title.text == say("probability")
    assert say("took", read=0.0, model=0.0).split("0")[0] in pages.said(app)
    assert not app.error and not any(one.key == "predict-answers" for one in app.dataframe)


def test_an_mp3_and_an_mp3_that_is_called_wav_are_answered_and_the_second_warned_of(runs):
    app = ask(opened(runs["tones"]), ("song.mp3", encoded(tone(), "MP3")), ("song.wav", encoded(tone(), "MP3")))
    plain, misnamed = table_of(app)
    assert plain["label"] == misnamed["label"] and plain["error"] == misnamed["error"] == ""
    assert "named .wav but holds mp3" in misnamed["warnings"] and "holds mp3" not in plain["warnings"]


@pytest.mark.numeric
def test_a_sound_that_no_browser_plays_is_played_as_wav(runs):
    aiff = encoded(tone(2.0), "AIFF")
    content, kind, whole = page_files.get_playable(page_files.UploadedFile("old.aiff", "short", lambda: aiff))
    assert content.startswith(b"RIFF") and kind == "audio/wav" and whole
    assert soundfile.info(io.BytesIO(content)).duration == pytest.approx(2, abs=0.01)
    app = ask(opened(runs["tones"]), ("old.aiff", encoded(tone(31.0), "AIFF")))
    assert Words("en", "predict")("beginning_only", seconds="30") in pages.said(app) and len(app.get("audio")) == 1


def test_a_recording_is_answered(runs):
    app = opened(runs["tones"], "id", "record")
    assert app.audio_input[0].sample_rate == 48_000
    app.audio_input[0].set_value(("recorded.wav", wav(2500), "audio/wav")).run()
    pages.sound(app, "id")
    assert [one.value for one in app.subheader] == [translate(Message("the recording"), "id")] != ["the recording"]
    assert any("**high**" in one.value for one in app.markdown)


def test_an_example_of_the_test_side_is_answered_and_its_truth_told(runs):
    app = opened(runs["tones"], way="pick")
    assert app.selectbox(key="predict-class").options == ["high", "low", "middle"]
    app.selectbox(key="predict-class").set_value("middle").run()
    name = app.selectbox(key="predict-example").value
    rows = Run(runs["root"] / runs["tones"]).table("split.csv")
    side = {row["example"]: row["split"] for row in rows}
    assert name.startswith("middle/") and side[name] == "test"
    assert Words("en", "predict")("truth", names="middle") in pages.said(app)
    assert any("**middle**" in one.value and "%" in one.value for one in app.markdown)


def test_examples_whose_data_is_gone_end_in_a_sentence(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path))
    app = opened(runs["several"], way="pick")  # its examples are invented
    (told,) = [one.value for one in app.error]
    assert told == layout.escape_markdown(told.replace("\\", "")) and "openmic" in told


def test_a_picture_is_answered_shown_and_explained(runs):
    app = ask(opened(runs["colours"]), ("dress.png", colour("green")))
    assert any("**green**" in one.value for one in app.markdown) and len(app.get("image")) == 1
    assert app.segmented_control(key="predict-way-2").options == ["my files", "a test example"]
    app.button(key="predict-0-look").click().run()
    pages.sound(app)
    assert len(app.get("image")) == 3 and "Class activation map" in pages.said(app)
    assert "32 × 32" in pages.said(app) and "Orange marks the evidence for green" in pages.said(app)


def test_of_several_classes_each_is_held_against_its_own_threshold(runs):
    app = ask(opened(runs["several"]), ("mine.wav", wav(300, 12.0)))
    served = predictors.get_manifest(dashboard_runs.get_run(runs["root"] / runs["several"]))
    bars = from_json(app.get("plotly_chart")[0].proto.spec)
    marks = next(one for one in bars.data if one.name == "threshold")
    assert dict(zip(marks.y, marks.x, strict=True)) == dict(zip(HEARD, served.thresholds, strict=True))
    present = {name for bar in bars.data if bar.name == "present" for name in bar.y}
    scores = {name: value for bar in bars.data if bar.type == "bar" for name, value in zip(bar.y, bar.x, strict=True)}
    least = dict(zip(HEARD, served.thresholds, strict=True))
    assert present == {name for name in HEARD if scores[name] >= least[name]}


def test_a_sound_of_several_clips_is_also_shown_over_time(runs):
    app = ask(opened(runs["tones"]), ("mine.wav", wav(200, 2.0)))
    over_time = from_json(app.get("plotly_chart")[1].proto.spec)
    assert [numbers(one.x).round(1).tolist() for one in over_time.data] == [[0.2, 0.8, 1.3, 1.7]] * 3
    assert "4 clips" in pages.said(app)
    app = ask(opened(runs["tones"]), ("short.wav", wav(200, 0.4)))
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_unlike_training_is_flagged_before_all_else(runs, language):
    app = ask(opened(runs["several"], language), ("mine.wav", wav(300, 1.0)), language=language)
    flagged, repeated = [one.value for one in app.warning if "sample" not in one.value][-2:]
    assert flagged.startswith("**") and {"en": "a guess", "id": "hanya tebakan"}[language] in flagged
    assert {"en": "was repeated to fill", "id": "diulang"}[language] in repeated


def test_only_answers_of_a_sample_trained_run_say_that_they_mean_nothing(runs):
    say = Words("en", "predict")
    assert say("sample_answer") in pages.said(opened(runs["sample"]))
    assert say("sample_answer") not in pages.said(opened(runs["tones"]))


@pytest.mark.parametrize("is_sample", [True, False])
def test_beside_an_answer_of_a_sample_trained_run_stands_what_its_confidence_is_worth(runs, is_sample, monkeypatch):
    monkeypatch.setattr(dashboard_runs.RunView, "sample", is_sample)
    app = ask(opened(runs["tones"]), ("mine.wav", wav(200, 1.0)))
    assert (Words("en", "predict")("sample_confidence") in pages.said(app)) == is_sample


# Many files


@pytest.mark.numeric
def test_a_bad_file_stops_none_of_the_others_and_stands_in_table_and_csv(runs, monkeypatch):
    downloads = counted(monkeypatch, layout, "show_download")
    given = ("a.wav", wav(200)), ("=bad.wav", TEXT), ("c.wav", wav(2500))
    app = ask(opened(runs["tones"], "id"), *given, language="id")
    with pytest.raises(InputError) as refused:
        load_audio(TEXT, name="=bad.wav")
    said = translate(refused.value.message, "id")
    assert [one.value for one in app.error] == [layout.escape_markdown(said)] and "berkas" in said
    rows = next(rows for rows, name, _ in downloads if name == "predict-answers.csv")
    told = list(csv.DictReader(io.StringIO(layout.format_csv(rows))))
    assert [row["file"] for row in told] == ["a.wav", "'=bad.wav", "c.wav"]  # no formula for a spreadsheet
    assert [[row["label"], row["present"]] for row in told] == [["low"] * 2, [""] * 2, ["high"] * 2]
    assert [row["error"] for row in told] == ["", f"'{said}", ""] and {row["sample"] for row in told} == {"False"}
    assert sum(float(told[0][f"score:{name}"]) for name in ("high", "low", "middle")) == pytest.approx(1, abs=1e-5)
    assert float(told[2]["probability"]) == float(told[2]["score:high"])
    assert why(app).value == "low"
    app.selectbox(key="predict-which").set_value(1).run()
    assert [one.value for one in pages.sound(app, "id").subheader] == ["c.wav"] and why(app).value == "high"


def test_a_fault_of_ours_in_one_file_is_told_and_stops_none_of_the_others(runs, monkeypatch, capfd):
    before = predictor.Predictor.predict

    def failing(self, source, name=None):
        if name == "b.wav":
            raise RuntimeError("boom")
        return before(self, source, name=name)

    monkeypatch.setattr(predictor.Predictor, "predict", failing)
    app = opened(runs["tones"])
    app.file_uploader[0].set_value([(name, wav(200), "audio/wav") for name in ("a.wav", "b.wav", "c.wav")]).run()
    assert [row["label"] for row in table_of(app)] == ["low", None, "low"] and not app.exception
    assert [one.value for one in app.error] == [layout.escape_markdown(f"b.wav: {Words('en', 'common')('fault')}")]
    assert "boom" in capfd.readouterr().err


@pytest.mark.parametrize(("run", "cases"), [("tones", SOUNDS), ("colours", PICTURES)], ids=["sounds", "pictures"])
def test_every_hostile_file_ends_in_its_sentence_or_an_answer(runs, hostile, run, cases):
    app = ask(opened(runs[run], "id"), *((case.file, hostile(case)) for case in cases), language="id")
    good = ("good.wav", wav(200)) if run == "tones" else ("good.png", colour("red"))
    rows, english = table_of(app), english_of(dashboard_runs.get_run(runs["root"] / runs[run]), cases, hostile)
    (told,) = [one.value for one in app.error]
    for case, row, sentences in zip(cases, rows, english, strict=True):
        assert row["file"] == make_printable(case.file).strip()
        assert bool(row["label"]) == (not row["error"])
        in_language = [translate(sentence, "id") for sentence in sentences]
        assert not sentences or in_language != sentences, sentences
        if row["error"]:
            assert [row["error"]] == in_language and layout.escape_markdown(row["error"]) in told
        else:
            assert row["warnings"] == " ".join(in_language)
        if case.kind == {"tones": "sound", "colours": "picture"}[run]:
            assert case.answered == bool(row["label"])
    app = ask(app, good, language="id")
    assert any("**low**" in one.value or "**red**" in one.value for one in app.markdown) and not app.error


def english_of(one, cases, hostile):
    """Return the package's warnings or error for each file."""
    for case in cases:
        try:
            yield list(predictors.get_predictor(one).predict(hostile(case), name=case.file).warnings)
        except InputError as error:
            yield [error.message]


@pytest.mark.parametrize(
    "name", ["**bold** [x](http://e.vil).wav", "two\nlines.wav", "../../etc/passwd.wav", "<b>.wav", "  .wav"]
)
def test_names_are_shown_as_they_are_and_lead_nowhere(runs, name, tmp_path, monkeypatch, snapshot):
    monkeypatch.chdir(tmp_path)
    before = snapshot(runs["root"])
    app = ask(opened(runs["tones"]), (name, wav(200)))
    assert [one.value for one in app.subheader] == [layout.escape_markdown(make_printable(name).strip())]
    assert any("**low**" in one.value for one in app.markdown)
    assert snapshot(runs["root"]) == before and not list(tmp_path.iterdir())


# Which runs


@pytest.mark.parametrize("run", ["../../etc", "/etc/passwd", "nobody", "bound-20260301T110000-s0"])
def test_an_address_opens_no_run_but_those_that_are_there_to_be_asked(runs, run, monkeypatch):
    opened_folders = counted(monkeypatch, dashboard_runs, "get_run")
    app = pages.opened("predict", run=run, beside=run)
    assert app.selectbox(key="run").value in runs.values()
    assert app.selectbox(key="beside").value is None
    assert {path.parent for (path,) in opened_folders} == {runs["root"]}


def test_runs_that_can_not_be_asked_are_left_out_and_it_is_said(runs):
    app = opened()
    able = [runs[name] for name in ("tones", "several", "colours", "sample")]
    assert sorted(app.selectbox(key="run").options) == sorted(map(layout.shorten_run_name, able))
    assert "VGGish" in pages.said(app) and "bound · 1 Mar 11\\:00 · seed 0" in pages.said(app)


def test_a_folder_without_a_run_that_can_be_asked_says_what_to_do(tmp_path, monkeypatch):
    make(tmp_path, family="vggish", n=8)
    damaged = make(tmp_path, family="cnn", n=8, status="trained")
    (damaged.path / "labels.json").write_text("[]")
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path))
    app = pages.opened("predict", "id")
    say = Words("id", "predict")
    assert say("none_able") in [one.value for one in app.info] and say("train_one") in pages.said(app)
    assert "Kembalikan berkasnya" in pages.said(app) and not app.file_uploader


def test_a_model_that_is_gone_is_told_and_that_keras_would_take_its_time(tmp_path, monkeypatch):
    make(tmp_path, family="cnn", n=8, sample=False)
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    say = Words("id", "predict")
    app = pages.opened("predict", "id")
    assert say("first_slow") in [one.value for one in app.info]
    app = ask(app, ("mine.wav", wav(200)), ("yours.wav", wav(300)), language="id")
    (told,) = [one.value.replace("\\", "") for one in app.error]
    assert "model.keras" in told and "tidak ada" in told


def test_two_runs_answer_side_by_side_and_only_one_of_the_same_kind_is_offered(runs):
    app = opened(runs["tones"])
    assert app.selectbox(key="beside").options == [layout.shorten_run_name(runs["several"])]
    app.selectbox(key="beside").set_value(runs["several"]).run()
    app = ask(app, ("mine.wav", wav(200)), ("text.wav", TEXT))
    said = pages.said(app).replace("\\", "")
    assert all(layout.shorten_run_name(runs[name]) in said for name in ("tones", "several"))
    rows = table_of(app)
    assert [(row["file"], row["run"]) for row in rows] == [
        (name, layout.shorten_run_name(runs[run])) for name in ("mine.wav", "text.wav") for run in ("tones", "several")
    ]
    assert rows[0]["label"] == "low" and rows[1]["label"] in HEARD and rows[0]["score:voice"] != rows[1]["score:voice"]
    assert len(app.error) == 1 and app.error[0].value.count("looks like text") == 1  # shown once
    labels = [row["label"] for row in rows[:2]]
    assert len(app.get("audio")) == 1 and [why(app, place).options[0] for place in (0, 1)] == labels


# What is kept


def test_one_model_is_loaded_for_however_many_ask_at_once(runs, monkeypatch):
    one = dashboard_runs.get_run(runs["root"] / runs["tones"])
    predictors.get_predictor.clear()
    before, loads = backends.load_model, []

    def slow(*args):
        loads.append(args)
        time.sleep(0.1)
        return before(*args)

    monkeypatch.setattr(backends, "load_model", slow)
    content, found = wav(800), []
    file = page_files.UploadedFile("mine.wav", "key", lambda: content)
    threads = [threading.Thread(target=lambda: found.append(results.predict_file(one, file).label)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["middle"] * 16 and len(loads) == 1
    for _ in range(2):
        ask(opened(runs["tones"]), ("mine.wav", content))
    assert len(loads) == 1


def test_a_chosen_run_is_got_ready_while_its_reader_still_looks_for_a_file(runs, monkeypatch):
    predictors.get_predictor.clear()
    loads = counted(monkeypatch, backends, "load_model")
    app = opened(runs["tones"])
    assert len(loads) == 1
    opened(runs["tones"])
    assert len(loads) == 1
    app.selectbox(key="beside").set_value(runs["several"]).run()
    assert len(loads) == 2


def test_only_a_few_models_are_kept_and_a_changed_one_is_loaded_anew(tmp_path, pictures):
    predictors.get_predictor.clear()
    run = seeing_colours(tmp_path, pictures)
    one = dashboard_runs.get_run(run.path)
    first = predictors.get_predictor(one)
    assert predictors.get_predictor(one) is first
    (run.path / "model.onnx").touch()
    assert predictors.get_predictor(one) is not first
    held = [make(tmp_path, family="cnn", n=8, seed=seed, status="trained") for seed in range(predictors.MAX_MODELS)]
    second = predictors.get_predictor(one)
    for other in held:
        predictors.get_predictor(dashboard_runs.get_run(other.path))
    assert predictors.get_predictor(one) is not second


def test_another_language_and_another_class_ask_no_model_again(runs, monkeypatch):
    asked = counted(monkeypatch, predictor.Predictor, "predict")
    explained = counted(monkeypatch, saliency, "explain_file")
    app = ask(opened(runs["tones"]), ("a.wav", wav(200)), ("b.wav", wav(800)))
    assert len(asked) == 2
    app.button(key="predict-0-look").click().run()
    app.segmented_control(key="lang").set_value("id").run()
    pages.sound(app, "id")
    assert "forest" in pages.said(app) and "Kepentingan fitur" in pages.said(app)
    why(app).set_value("high").run()
    assert "Kepentingan fitur" not in pages.said(app)
    assert (len(asked), len(explained)) == (2, 1)


def test_a_session_keeps_nothing_but_the_answers_for_what_it_shows(runs):
    app = opened(runs["tones"])
    for batch in range(3):
        app = ask(app, *((f"{batch}-{place}.wav", wav(200 + 100 * place)) for place in range(4)))
        app.button(key="predict-0-look").click().run()
        assert len(app.session_state[results.ANSWERS]) == 4 and len(app.session_state[saliency.EXPLANATIONS]) == 1
    app = ask(app)
    assert not any(name in app.session_state for name in (results.ANSWERS, saliency.EXPLANATIONS, page_files.SHOWN))
    assert not app.header


def test_more_files_than_anyone_looks_at_are_not_asked_about(runs, monkeypatch):
    asked = counted(monkeypatch, results, "predict_file")
    app = ask(opened(runs["tones"]), *((f"{place}.wav", TEXT) for place in range(103)))
    assert len(asked) == 100 and "103 files" in pages.said(app)


# Where it looked


@pytest.mark.numeric
def test_what_a_forest_leans_on_is_shown_with_its_deciding_seconds_to_hear(runs, tmp_path):
    write_tone(tmp_path / "mine.wav", 800, 4.0)
    app = ask(opened(runs["tones"]), ("mine.wav", (tmp_path / "mine.wav").read_bytes()))
    why(app).set_value("middle").run()
    app.button(key="predict-0-look").click().run()
    pages.sound(app)
    leaned = from_json(app.get("plotly_chart")[-1].proto.spec).data[0]
    shares = numbers(leaned.y)
    assert len(shares) == 16 and shares.sum() == pytest.approx(1, rel=1e-5) and leaned.customdata[0].endswith(" Hz")
    assert len(app.get("audio")) == 2 and "Strongest evidence for **middle**" in pages.said(app)


@pytest.mark.numeric
def test_a_map_lies_over_the_sound_with_seconds_and_hertz(runs):
    app = ask(opened(runs["several"], "id"), ("mine.wav", wav(300, 12.0)), language="id")
    say = Words("id", "predict")
    for label in HEARD:
        why(app).set_value(label).run()
        app.button(key="predict-0-look").click().run()
        pages.sound(app, "id")
        spoken = say("nothing_speaks", label=label) not in [one.value for one in app.info]
        assert spoken == (len(app.get("audio")) == 2)
        if spoken:
            figure = from_json(app.get("plotly_chart")[-1].proto.spec)
            assert figure.layout.xaxis.title.text == say("seconds") and figure.layout.yaxis.title.text == say("hertz")
            assert figure.layout.xaxis.range[1] == pytest.approx(12, abs=0.2) and len(figure.data) == 2


def test_it_is_said_beforehand_where_an_explanation_must_import_keras(runs, monkeypatch):
    one = dashboard_runs.get_run(runs["root"] / runs["colours"])
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    assert not saliency.is_slow_to_explain(one)  # the exported model has a fine enough map
    monkeypatch.setattr(saliency, "_needs_keras", lambda *_: True)
    app = ask(opened(runs["colours"]), ("dress.png", colour("blue")))
    assert Words("en", "predict")("why_slow") in pages.said(app)
    monkeypatch.setitem(sys.modules, "keras", sys)
    assert not saliency.is_slow_to_explain(one)


def test_pictures_in_any_form_are_seen_as_small_as_they_are_shown(runs):
    content = saved(picture(side=900), "JPEG")
    assert page_files.make_thumbnail(page_files.UploadedFile("large.jpg", "key", lambda: content)).shape == (
        320,
        320,
        3,
    )
