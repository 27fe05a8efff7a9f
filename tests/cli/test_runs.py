import shutil

from musicml.cli import output
from tests.fixtures.command_output import OF_A_REPORT, one_object


def test_runs_lists_whole_and_unfinished_runs(asked_about_tones, trained, musicml, tmp_path):
    for run in (asked_about_tones, trained("cnn")):
        shutil.copytree(run.path, tmp_path / run.name)
    (tmp_path / asked_about_tones.name / "report.json").unlink()
    code, out, _ = musicml("runs", "--runs", tmp_path, "--json")
    rows = {row["experiment"]: row for row in one_object(out)["runs"]}
    assert code == 0 and rows["tones"]["status"] == "trained" and "metrics" not in rows["tones"]
    assert set(rows["genre_cnn"]) >= OF_A_REPORT | {"status", "sample"} and rows["genre_cnn"]["status"] == "whole"
    code, out, _ = musicml("runs", "--runs", tmp_path)
    assert code == 0 and "gtzan (sample)" in out and "trained" in out and output.SAMPLE_NOTE in out
    code, out, _ = musicml("runs", "--runs", tmp_path / "none")
    assert code == 0 and "musicml train" in out
    code, out, _ = musicml("runs", "--runs", tmp_path / "none", "--json")
    assert code == 0 and one_object(out) == {"runs": []}
