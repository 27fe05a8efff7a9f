from tests.fixtures.command_output import one_object


def test_doctor_prints_its_findings(data_root, musicml, tmp_path):
    code, out, _ = musicml("doctor", "--data-root", data_root, "--runs", tmp_path, "--json")
    findings = one_object(out)["findings"]
    assert all(set(finding) == {"what", "state", "words"} for finding in findings)
    states = {finding["what"]: finding["state"] for finding in findings}
    assert states["Python"] == states["Keras"] == states["sound"] == states["gtzan"] == "ok"
    assert states["instrument_sounds"] == ("ok" if (data_root / "sample/instrument_sounds").exists() else "note")
    assert code == (1 if "problem" in states.values() else 0)
    code, out, _ = musicml("doctor", "--data-root", data_root, "--runs", tmp_path)
    assert "generated sample data" in out and "{" not in out
