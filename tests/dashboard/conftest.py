"""Fixtures of several tests of pages."""

import pytest


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Point the dashboard at an empty folder of runs, without data."""
    monkeypatch.setenv("MUSICML_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MUSICML_DATA", str(tmp_path / "data"))
    return tmp_path / "runs"
