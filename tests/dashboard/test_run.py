import json
import re

import numpy as np
import pytest

from dashboard import i18n
from dashboard.charts import diagram, format_count
from dashboard.charts import metrics as charts
from musicml.evaluation import intervals, metrics
from musicml.experiment import notes
from musicml.inference import calibration
from musicml.utils import format_number, translate
from tests.fixtures import fake_runs, pages

TEMPLATES = {
    key.removeprefix("box_"): words for key, words in i18n.read_words("en", "run").items() if key.startswith("box_")
}


def part(name, language="en"):
    """Open one part of the page of the only run."""
    return pages.opened("run", language, {"run-part": name})


def said(app):
    """Return the text of a page without Markdown escapes."""
    return pages.said(app).replace("\\", "")


# the user's words


def test_a_runs_note_is_shown_as_it_is_and_a_strangers_breaks_nothing(runs):
    run = fake_runs.make(runs, family="cnn", n=30)
    text = "# *bold* $x$ <b> [a](http://b) :red[x] `code` & &copy; www.x.org"
    notes.write_note(run, text)
    notes.add_tags(run, ["lab_3"])
    app = pages.opened("run")
    assert [one.value for one in app.text] == [f"Note: {text}"] and "lab_3" in said(app)
    assert [one.value for one in pages.opened("run", "id").text] == [f"Catatan: {text}"]
    for content in ("{", "[" * 50_000, json.dumps({"note": "x" * 2001, "tags": ["<script>", 7]})):
        (run.path / "notes.json").write_text(content)
        assert not pages.opened("run").text


# the drawing


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return fake_runs.make(tmp_path_factory.mktemp("runs"), family="transfer", n=30).read("layers.json")


def test_a_resnet50_of_180_layers_is_less_than_twenty_boxes_that_hold_them_all(resnet):
    boxes = diagram.fold_layers(resnet, frozen=True)
    assert len(resnet) > 170 and 10 < len(boxes) < 20
    assert [layer["name"] for box in boxes for layer in box.layers] == [layer["name"] for layer in resnet]
    assert sum(box.parameters for box in boxes) == sum(layer["parameters"] for layer in resnet)
    (alike,) = [box for box in boxes if box.name == "conv4_block2–6"]
    assert alike.alike == 5 and len(alike.layers) == 50


def test_what_a_frozen_backbone_holds_did_not_learn(resnet):
    frozen, whole = diagram.fold_layers(resnet, frozen=True), diagram.fold_layers(resnet)
    assert [box.name for box in frozen if box.trainable] == ["hidden", "instrument"]
    assert sum(box.trainable for box in whole) == sum(layer["trainable"] for layer in resnet)
    drawn = diagram.draw_layers(frozen, TEMPLATES, dark=False)
    assert drawn.count("dashed") == sum(box.frozen and box.parameters > 0 for box in frozen) > 5


def test_every_box_is_drawn_once_and_reads_the_one_before(resnet):
    boxes = diagram.fold_layers(resnet)
    drawn = diagram.draw_layers(boxes, TEMPLATES, dark=True)
    assert len(re.findall(r"^n\d+ \[", drawn, re.MULTILINE)) == len(boxes)
    assert diagram.find_edges(boxes) == [(place, place + 1) for place in range(len(boxes) - 1)]


def test_boxes_follow_what_reads_what_and_a_fork_stays_one():
    layers = [
        {"name": "in", "kind": "InputLayer", "output_shape": [4], "parameters": 0, "reads": []},
        {"name": "left", "kind": "Dense", "output_shape": [2], "parameters": 10, "reads": ["in"]},
        {"name": "right", "kind": "Dense", "output_shape": [2], "parameters": 10, "reads": ["in"]},
        {"name": "out", "kind": "Add", "output_shape": [2], "parameters": 0, "reads": ["left", "right", "left"]},
    ]
    assert diagram.find_edges(diagram.fold_layers(layers)) == [(0, 1), (0, 2), (1, 3), (2, 3)]


def test_a_hostile_name_stays_text_in_the_drawing():
    layers = [{"name": 'a"] evil [label="b\\', "kind": "Dense", "output_shape": [1], "parameters": 2}]
    drawn = diagram.draw_layers(diagram.fold_layers(layers), TEMPLATES, dark=False)
    assert r"a\"] evil [label=\"b\\" in drawn and drawn.count("evil") == 1


# the page


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_headline_is_the_main_figure_with_its_interval(language, runs):
    found = fake_runs.make(runs, family="gru", n=60).read("report.json")
    app = pages.opened("run", language)
    low, high = found["intervals"]["accuracy"]
    first, tested = app.metric[:2]
    assert first.value == format_number(found["metrics"]["accuracy"], language, ".3f")
    assert format_number(f"{low:.3f} – {high:.3f}", language) in first.delta
    assert tested.value == "60" and str(found["n_groups"]) in tested.delta
    assert i18n.read_words(language, "common")["sample_note"] in said(app)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_few_test_groups_and_a_temperature_at_its_bound_are_remarked_on(language, runs):
    run = fake_runs.make(runs, family="cnn", n=40)
    few = translate(intervals.describe_few_groups(10, intervals.INTERVAL_METHOD), language)
    bounds = [translate(calibration.describe_temperature_bound(end), language) for end in (0.05, 20)]
    before = said(part("result", language))
    assert few in before and not any(sentence in before for sentence in bounds)
    fake_runs.rewrite(run, "report.json", temperature=None, temperatures=[0.05, 1.3, 20.0])
    after = said(part("result", language))
    assert all(sentence in after for sentence in bounds)


def test_calibration_and_files_unlike_training_are_told_in_words(runs):
    run = fake_runs.make(runs, family="cnn", n=40)
    changes = {"calibration_error_before": 0.2, "unreadable": ["a.wav: not on the disk any more"]}
    fake_runs.rewrite(run, "report.json", **changes, calibration_error=0.1, unlike_training={"flagged": 3, "n": 40})
    app = part("result")
    assert "**10.0 percentage points** (before calibration: 20.0)" in said(app)
    assert "**3 of 40**" in said(app) and "1 file could not be read" in said(app)
    assert "The other" not in said(app)
    fake_runs.rewrite(run, "report.json", unlike_training={"flagged": 3, "n": 30})
    assert "The other 10 of 40 test files were not checked" in said(part("result"))
    fake_runs.rewrite(run, "report.json", calibration_error=0.3, unlike_training=None, unreadable=[])
    app = part("result")
    assert "did not help" in said(app) and "no out-of-distribution check" in said(app)
    assert "all 40 test files were read" in said(app)


def test_the_reliability_diagram_shows_the_bins_of_the_report(runs):
    run = fake_runs.make(runs, family="cnn", n=60)
    app = part("result")
    report = run.read("report.json")
    table = pages.table(app, "Mean confidence")
    assert table["predictions"].tolist() == [row["n"] for key in ("_before", "") for row in report[f"reliability{key}"]]
    assert table["predictions"].sum() == 2 * 60
    fake_runs.rewrite(run, "report.json", reliability=None)
    assert "The largest bin" not in said(part("result")), "a report of an earlier version has none"


def test_results_at_one_half_stand_beside_those_at_the_fitted_thresholds(runs):
    run = fake_runs.make(runs, family="multi", n=60)
    report, app = run.read("report.json"), part("result")
    table = pages.table(app, "at 0.5")
    half = dict(zip(table["metric"], table["at 0.5"], strict=True))
    at_half, own = (round(one["metrics"]["macro_f1"], 3) for one in (report["at_half"], report))
    assert half["macro F1"] == at_half != own


def test_on_the_diagonal_what_is_said_is_so():
    rows = [{"n": 4, "said": 0.3, "right": 0.25}, {"n": 1, "said": 0.9, "right": 1.0}]
    perfect, drawn = charts.draw_reliability({"with": rows}, "so", "x", "y").data
    assert list(perfect.x) == list(perfect.y) == [0, 1]
    assert list(drawn.x) == [0.3, 0.9] and list(drawn.y) == [0.25, 1.0] and drawn.marker.size[0] > drawn.marker.size[1]


@pytest.mark.parametrize("family", ["cnn", "multi"])
def test_the_gallery_shows_wrong_answers_and_counts_them(family, runs):
    run = fake_runs.make(runs, family=family, n=50, skill=1.5)
    found = list(run.table("predictions.csv"))
    names = run.read("labels.json")
    thresholds = run.read("serving.json")["thresholds"]
    right, sure = [], []
    for row in found:
        scores = np.array([[float(row[f"score:{name}"]) for name in names]])
        (answers,) = metrics.apply_thresholds(scores, run.read("run.json")["task"], thresholds)
        present, absent = (set(filter(None, row[key].split("|"))) for key in ("labels", "absent"))
        seen = present | absent if family == "multi" else set(names)
        right.append(all((name in present) == answers[k] for k, name in enumerate(names) if name in seen))
        gaps = [abs(scores[0, k] - thresholds[k]) for k, name in enumerate(names) if name in seen]
        sure.append(min(gaps) if family == "multi" else scores.max())
    app = part("examples")
    assert 0 < sum(right) < 50 and f"Wrong predictions: {50 - sum(right)} of 50" in said(app)
    for order, key in (("surest", lambda k: -sure[k]), ("least_sure", lambda k: sure[k])):
        for verdict, keep in (("wrong", False), ("right", True)):
            app.segmented_control(key="run-verdict").set_value(verdict).run()
            app.segmented_control(key="run-order").set_value(order).run()
            first = min((k for k in range(50) if right[k] == keep), key=key)
            assert f"**{found[first]['example']}**" in said(pages.sound(app))


def test_a_class_chosen_leaves_the_examples_of_that_class(runs):
    run = fake_runs.make(runs, family="gru", n=40)
    app = part("examples")
    app.segmented_control(key="run-verdict").set_value("any").run()
    app.selectbox(key="run-class").set_value(3).run()
    wanted = run.read("labels.json")[3]
    n = sum(row["labels"] == wanted for row in run.table("predictions.csv"))
    assert f"{n} of 40 test files" in said(pages.sound(app)) and said(app).count(f"label: **{wanted}**") == min(n, 6)


def test_the_model_is_told_in_words_and_layer_by_layer(runs):
    run = fake_runs.make(runs, family="transfer", n=30)
    app = part("model")
    total = sum(layer["parameters"] for layer in run.read("layers.json"))
    alt = app.get("graphviz_chart")[0].proto.alt
    assert format_count(total) in said(app) and "conv5_block2–3" in alt and format_count(total) in alt
    n = len(app.dataframe)
    app.toggle(key="run-layers").set_value(True).run()
    assert len(app.dataframe) == n + 1 and len(app.dataframe[-1].value) == len(run.read("layers.json"))


@pytest.mark.parametrize(
    "found",
    ["none", [], [1], [{"kind": "Dense"}], [{"name": "a", "parameters": "many"}], [{"name": "a", "reads": [1]}]],
)
def test_what_is_no_list_of_layers_is_not_drawn(found, runs):
    run = fake_runs.make(runs, family="gru", n=20)
    (run.path / "layers.json").write_text(json.dumps(found))
    app = part("model")
    assert [one.value.replace("\\", "") for one in app.error] == [i18n.read_words("en", "run")["bad_layers"]]
    assert not app.get("graphviz_chart")


def test_a_forest_is_drawn_as_trees_that_vote(runs):
    fake_runs.make(runs, family="forest", n=30, sample=False)
    app = part("model", "id")
    assert "20 random forest, satu per kelas, masing-masing dengan 100 pohon" in said(app)
    assert "accordion" in app.dataframe[0].value.iloc[0].tolist() and app.get("graphviz_chart")


def test_settings_say_where_they_come_from_and_overrides_come_first(runs):
    fake_runs.make(runs, family="gru", n=20, overrides={"training.batch_size": 4})
    app = part("settings")
    rows = app.dataframe[0].value.to_numpy().tolist()
    assert rows[0] == ["training", "batch_size", "4", "command line (--set)"]
    assert ["training", "epochs", "20", "experiment file, table [sample]"] in rows
    assert ["model", "cell", "gru", "experiment file"] in rows
    assert ["data", "split", "official", "default"] in rows
    assert "Changed on the command line with `--set`: 1" in said(app) and 'dataset = "gtzan"' in app.code[0].value


def test_data_names_the_split_the_groups_and_what_was_left_out(runs):
    run = fake_runs.make(runs, family="gru", n=20, excluded=2, sample=False)
    app = part("data", "id")
    groups = {row["group"] for row in run.table("split.csv") if row["split"] == "test"}
    sides, left = app.dataframe[1].value, app.dataframe[2].value
    assert sides.iloc[2].tolist()[1:] == [20, len(groups)]
    assert len(left) == 2 and left.iloc[0].tolist()[0] == "blues/bad.00000.wav"
    assert "Pembagian" in said(app)


@pytest.mark.parametrize(
    ("split", "as_published", "apart"),
    [("group", False, False), ("official", False, False), ("track", False, True), ("official", True, True)],
)
def test_that_a_group_stands_on_one_side_is_said_only_where_it_does(split, as_published, apart, runs):
    run = fake_runs.make(runs, family="gru", n=20)
    facts = run.read("run.json")
    settings = {**facts["settings"], "data": {**facts["settings"]["data"], "split": split}}
    fake_runs.rewrite(run, "run.json", settings=settings, data={**facts["data"], "as_published": as_published})
    shown = said(part("data"))
    assert ("is in one split only" in shown) is not apart and ("ignores groups" in shown) is apart


def test_what_was_chosen_is_said_with_its_reason(runs):
    fake_runs.make(runs, family="mobilenet", n=20)
    app = part("made")
    assert "dtype policy: **float32** (" in said(app) and "initial weights" in said(app)
    assert any("keras" in row for row in app.dataframe[0].value.to_numpy().tolist())


def test_the_terminal_gets_commands_that_name_the_run(runs):
    run = fake_runs.make(runs, "it's here", family="gru", n=20, overrides={"training.epochs": 3})
    codes = [code.value for code in part("use").code]
    quoted = str(run.path).replace("'", "'\"'\"'")
    assert codes[0] == f"musicml predict '{quoted}' song.mp3"
    assert codes[-1] == "musicml train genre_gru --seed 0 --data sample --set training.epochs=3"


def test_a_forest_on_shipped_features_is_not_asked_about_a_file(runs):
    fake_runs.make(runs, family="forest", n=20)
    app = part("use")
    assert "can't predict your files" in said(app) and not any("predict" in code.value for code in app.code)


@pytest.mark.parametrize("status", ["started", "training", "trained"])
def test_an_unfinished_run_shows_what_there_is(status, runs):
    fake_runs.make(runs, family="gru", status=status)
    app = pages.opened("run")
    assert "is training" in said(app) and app.metric[0].value == "–"
    for name, there in (
        ("examples", "no results yet"),
        ("model", ""),
        ("data", "The split"),
        ("use", "Resume the training"),
    ):
        app.segmented_control(key="run-part").set_value(name).run()
        assert there in said(pages.sound(app))
    assert "--resume" in app.code[0].value


def test_what_is_damaged_ends_in_one_sentence_and_the_rest_is_shown(runs):
    parts = {
        "predictions missing": "examples",
        "scores nan": "examples",
        "layers no list": "model",
        "serving damaged": "use",
        "labels no list": "examples",
        "run damaged": None,
    }
    for damage in parts:
        how = {"family": "gru", "n": 20, "sample": False, "status": "broken", "damage": damage}
        fake_runs.make(runs, damage.replace(" ", "-"), **how)
    app = pages.opened("run")
    for damage, name in parts.items():
        app.selectbox(key="run").set_value(damage.replace(" ", "-")).run()
        if name is None:
            assert len(app.error) == 1 and not app.metric
            continue
        for place, wrong in ((name, 1), ("settings", 0)):
            app.segmented_control(key="run-part").set_value(place).run()
            assert len(pages.sound(app).error) == wrong, (damage, place)


def test_a_run_without_layers_or_experiment_file_says_so(runs):
    run = fake_runs.make(runs, family="gru", n=20, status="broken", damage="layers missing")
    (run.path / "experiment.toml").unlink()
    app = part("model")
    assert "has no layers.json" in said(app) and not app.error
    app.segmented_control(key="run-part").set_value("settings").run()
    assert "experiment file is missing" in said(pages.sound(app)) and "unknown" in str(app.dataframe[0].value)
