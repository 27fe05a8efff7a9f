import json
import re

import pytest

from musicml.experiment import run as runs
from musicml.utils import files
from musicml.utils.errors import InputError


def begun(root, name="genre_gru", **facts):
    return runs.create_run(root, name, 0, "[data]\n# as it was written\n", facts)


def whole(root, name="genre_gru"):
    run = begun(root, name)
    files.write_json(run.path / "report.json", {"n": 1})
    return run


def told(run, **changes):
    """Write run.json by hand."""
    text = json.dumps({**run.read("run.json"), **changes})
    (run.path / "run.json").write_text(text)


def test_a_run_begins_with_its_name_its_experiment_and_its_facts(tmp_path):
    run = runs.create_run(tmp_path / "runs", "genre_gru", 7, "[data]\n", {"data": {"sample": True}})
    assert re.fullmatch(r"genre_gru-\d{8}T\d{6}-s7", run.name)
    assert run.path.parent == tmp_path / "runs"
    assert (run.path / "experiment.toml").read_text() == "[data]\n"
    facts = run.read("run.json")
    assert facts["format_version"] == runs.FORMAT_VERSION and facts["status"] == "started"
    assert (facts["experiment"], facts["seed"], facts["data"]) == ("genre_gru", 7, {"sample": True})
    assert {"python", "musicml", "numpy"} <= set(facts["versions"]) and facts["machine"]["cores"] >= 1
    assert facts["started"].replace("-", "").replace(":", "")[:15] == run.name.split("-")[1]


def test_a_run_has_a_status_and_only_its_report_makes_it_whole(tmp_path):
    run = begun(tmp_path)
    assert (run.status, run.is_complete) == ("started", False)
    run.update(status="trained")
    assert (run.status, run.is_complete) == ("trained", False)
    told(run, status="whole")
    assert not run.is_complete
    told(run, status="trained")
    files.write_json(run.path / "report.json", {})
    assert (run.status, run.is_complete) == ("whole", True)


def test_two_runs_that_begin_in_one_second_get_two_folders(tmp_path):
    folders = [runs.make_run_folder(tmp_path, "genre_gru-20260301T141205-s0") for _ in range(3)]
    assert [folder.name.rpartition("-s0")[2] for folder in folders] == ["", "-2", "-3"]
    assert len({begun(tmp_path).path for _ in range(4)}) == 4


def test_a_thousand_runs_of_one_second_are_enough(tmp_path):
    for name in ["a", *(f"a-{number}" for number in range(2, 1000))]:
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="already has 999 runs"):
        runs.make_run_folder(tmp_path, "a")


def test_runs_are_listed_the_oldest_first_whatever_their_names(tmp_path):
    new, old, same = begun(tmp_path, "a"), begun(tmp_path, "z"), begun(tmp_path, "b")
    told(old, started="2025-01-01T00:00:00Z")
    told(new, started="2026-01-01T00:00:00Z")
    told(same, started="2026-01-01T00:00:00Z")
    assert runs.list_runs(tmp_path) == [old, new, same]


def test_no_folder_of_runs_is_a_list_of_none(tmp_path):
    assert runs.list_runs(tmp_path / "nowhere") == runs.list_runs(None) == runs.list_runs(tmp_path) == []


BROKEN = ["", "{", "[]", "null", '"text"', "\x00", b"\xff\xfe"]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_run_is_passed_over_in_a_list_and_refused_when_opened(tmp_path, content):
    good, bad = begun(tmp_path, "good"), begun(tmp_path, "bad")
    (bad.path / "run.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    assert runs.list_runs(tmp_path) == [good]
    with pytest.raises(InputError, match=r"run\.json .*musicml train --resume"):
        runs.open_run(bad.path)
    with pytest.raises(InputError):
        bad.status  # noqa: B018


def test_a_run_is_opened_by_its_path_or_by_its_name(tmp_path):
    run = begun(tmp_path)
    assert runs.open_run(run.path) == runs.open_run(str(run.path)) == runs.open_run(run.name, tmp_path) == run


@pytest.mark.parametrize("version", [2, 0, None, "1"])
def test_a_run_of_another_format_is_refused(tmp_path, version):
    run = begun(tmp_path)
    told(run, format_version=version)
    with pytest.raises(InputError, match=f"in format 1, got format {version}"):
        runs.open_run(run.name, tmp_path)


def test_an_unknown_name_gets_the_nearest_run(tmp_path):
    run = begun(tmp_path)
    with pytest.raises(InputError, match=f"is not a run folder .* did you mean '{run.name}'"):
        runs.open_run(run.name[:-1] + "9", tmp_path)
    with pytest.raises(InputError, match="known names: none"):
        runs.open_run("genre_gru")


@pytest.mark.parametrize("name", ["../../etc", "../secret", "/etc", "a/../../secret", "..\\secret", "", "~", "\n"])
def test_a_name_never_leads_out_of_the_folder_of_runs(tmp_path, name):
    root = tmp_path / "deep" / "runs"
    begun(root)
    for folder in (tmp_path / "etc", tmp_path / "deep" / "secret", tmp_path / "secret"):
        folder.mkdir(parents=True)
        files.write_json(folder / "run.json", {"format_version": 1})
    with pytest.raises(InputError, match="is not a run folder"):
        runs.open_run(name, root)


def test_what_a_run_lacks_is_named_with_the_cure(tmp_path):
    run = begun(tmp_path)
    with pytest.raises(InputError, match=f"serving.json of run {run.name} is missing: finish the run"):
        run.read("serving.json")
    (run.path / "serving.json").write_text("{")
    with pytest.raises(InputError, match="Could not read serving.json of run .* as JSON"):
        run.read("serving.json")


def test_a_table_of_a_run_is_its_rows_and_a_missing_one_is_empty(tmp_path):
    run = begun(tmp_path)
    files.write_csv(run.path / "history.csv", [{"epoch": 1, "loss": 0.5}], ["epoch", "loss"])
    assert run.table("history.csv") == [{"epoch": "1", "loss": "0.5"}]
    assert run.table("excluded.csv") == []


def test_runs_that_can_not_be_written_are_a_sentence(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder belongs")
    with pytest.raises(InputError, match="Could not write .* is not a folder"):
        begun(tmp_path / "runs")
