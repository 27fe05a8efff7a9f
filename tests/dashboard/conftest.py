"""What several tests of pages begin with."""

import pytest


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty folder of runs, which the dashboard looks at, and no data."""
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path / "data"))
    return tmp_path / "runs"
