"""`make audit-deps` never takes silence for good news."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "requirements/audit_deps.py"
CLEAN = {"name": "numpy", "version": "2.3.0", "vulns": []}
KNOWN = {"id": "PYSEC-2020-1", "aliases": ["CVE-2020-1"], "fix_versions": ["9.9"], "description": "a fault"}
BAD = {"name": "pillow", "version": "9.0", "vulns": [KNOWN]}
SKIPPED = {"name": "keras", "skip_reason": "Dependency not found on PyPI and could not be audited: keras (3.15.0)"}


@pytest.fixture
def asked(tmp_path):
    """Run the script beside a pip-audit that answers as it is told: what it prints, its errors, its exit code."""

    def ask(out, err="", code=0, files=("cpu.txt",)):
        words = f"import sys\nsys.stdout.write({out!r})\nsys.stderr.write({err!r})\nsys.exit({code})\n"
        (tmp_path / "pip_audit.py").write_text(words)
        done = subprocess.run(
            [sys.executable, SCRIPT, *files],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        return done.returncode, done.stdout, done.stderr

    return ask


def told(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_packages_against_which_nothing_is_known_pass(asked):
    code, out, err = asked(told(CLEAN), "No known vulnerabilities found\n", files=("cpu.txt", "gpu.txt"))
    assert (code, err) == (0, "") and "cpu.txt, gpu.txt" in out


def test_what_is_known_against_a_package_is_listed_with_the_version_that_mends_it(asked):
    code, out, err = asked(told(CLEAN, BAD), "Found 1 known vulnerability in 1 package\n", 1)
    assert (code, err) == (1, "")
    assert out == "cpu.txt: pillow 9.0: PYSEC-2020-1, CVE-2020-1; mended in 9.9\n"


@pytest.mark.parametrize(
    ("out", "err", "code"),
    [
        ("", "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n", 1),
        ("", "Traceback (most recent call last):\nConnectionError: no route\n", 1),
        ("", "", 0),
        ("<html>a login page</html>", "", 0),
        (told(), "", 0),
        (told(CLEAN, SKIPPED), "", 0),
        (told(CLEAN), "", 1),
        (told(CLEAN), "", -9),
    ],
)
def test_where_it_could_not_ask_it_fails_with_one_sentence(asked, out, err, code):
    code, out, err = asked(out, err, code)
    assert code == 2 and "nothing is known" not in out
    assert err.startswith("Expected an answer on every package of cpu.txt, and could not ask (")
    assert err.count("\n") == 1 and err.endswith("can be reached.\n")


def test_what_is_known_is_listed_although_others_could_not_be_asked_about(asked):
    code, out, err = asked(told(BAD, SKIPPED), "", 1)
    assert code == 2 and "pillow 9.0" in out and "keras (3.15.0)" in err


def test_no_file_is_no_good_news(asked):
    assert asked(told(CLEAN), files=())[0] == 2
