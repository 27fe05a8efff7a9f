import json

from musicml.cli import output
from musicml.evaluation import intervals
from musicml.inference import calibration
from tests.fixtures.command_output import FIGURES, OF_A_REPORT, one_object
from tests.fixtures.fake_runs import make


def test_evaluate_prints_one_json_object(asked_about_tones, trained, musicml):
    code, out, _ = musicml("evaluate", asked_about_tones.path, "--json")
    said = one_object(out)
    assert code == 0 and set(said) >= OF_A_REPORT and said["run"] == str(asked_about_tones.path)
    assert said["metrics"]["accuracy"] == 1.0
    code, out, _ = musicml("evaluate", trained("multi").name, "--runs", trained("multi").path.parent, "--json")
    said = one_object(out)
    assert code == 0 and said["main_metric"] == "mean_average_precision" and said["sample"] is True
    assert set(said["metrics"]) >= (FIGURES - {"accuracy"}) | {"mean_f1_both_sides"} and said["observed"] > 0
    assert set(said["at_half"]["metrics"]) == set(said["metrics"]) and len(said["thresholds"]) > 1


def test_few_groups_and_a_temperature_at_its_bound_are_printed(tmp_path, musicml):
    run = make(tmp_path, "genre_cnn-1-s0", family="cnn", n=40)
    few = intervals.describe_few_groups(10, intervals.INTERVAL_METHOD)
    code, out, _ = musicml("evaluate", run.path)
    assert code == 0 and few in " ".join(out.split()) and "that is tried" not in out
    changed = run.read("report.json") | {"temperatures": [0.05, 1.2], "interval_method": None}
    (run.path / "report.json").write_text(json.dumps(changed), encoding="utf-8")
    code, out, _ = musicml("evaluate", run.path)
    said = " ".join(out.split())
    assert code == 0 and calibration.describe_temperature_bound(0.05) in said
    assert intervals.describe_few_groups(10) in said and few not in said


def test_evaluate_prints_a_table_by_class_and_a_note_about_sample_data(asked_about_tones, trained, musicml):
    code, out, _ = musicml("evaluate", asked_about_tones.path)
    assert code == 0 and all(name in out for name in ("low", "middle", "high", "precision", "accuracy 1.000"))
    assert "sample data" not in out
    code, out, _ = musicml("evaluate", trained("cnn").path)
    assert code == 0 and "jazz" in out and "*" in out.splitlines()[0] and output.SAMPLE_NOTE in out
    made = trained("cnn").read("report.json")
    (low, high), jazz = made["intervals"]["macro_f1"], next(row for row in made["per_class"] if row["class"] == "jazz")
    assert f"macro_f1 {made['metrics']['macro_f1']:.3f} ({low:.3f} to {high:.3f})" in " ".join(out.split())
    line = next(line for line in out.splitlines() if line.startswith("jazz "))
    assert line.endswith(output.format_interval(jazz["intervals"]["f1"], "-"))
    code, out, _ = musicml("evaluate", trained("multi").path)
    assert code == 0 and "thresholds fitted on validation, and with 0.5: macro_precision" in out
