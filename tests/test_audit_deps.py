"""`make audit-deps` fails if the advisory service does not answer for every package."""

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
    """Run the script with a fake pip-audit that prints `out` and `err` and exits with `code`."""

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


def list_packages(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_packages_without_known_vulnerabilities_pass(asked):
    code, out, err = asked(list_packages(CLEAN), "No known vulnerabilities found\n", files=("cpu.txt", "gpu.txt"))
    assert (code, err) == (0, "") and "cpu.txt, gpu.txt" in out


def test_a_vulnerability_is_listed_with_the_version_that_fixes_it(asked):
    code, out, err = asked(list_packages(CLEAN, BAD), "Found 1 known vulnerability in 1 package\n", 1)
    assert (code, err) == (1, "")
    assert out == "cpu.txt: pillow 9.0: PYSEC-2020-1, CVE-2020-1; fixed in 9.9\n"


@pytest.mark.parametrize(
    ("out", "err", "code"),
    [
        ("", "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n", 1),
        ("", "Traceback (most recent call last):\nConnectionError: no route\n", 1),
        ("", "", 0),
        ("<html>a login page</html>", "", 0),
        (list_packages(), "", 0),
        (list_packages(CLEAN, SKIPPED), "", 0),
        (list_packages(CLEAN), "", 1),
        (list_packages(CLEAN), "", -9),
    ],
)
def test_a_failed_check_ends_with_2_and_one_line(asked, out, err, code):
    code, out, err = asked(out, err, code)
    assert code == 2 and "no known vulnerabilities" not in out
    assert err.startswith("Expected advisories for all packages of cpu.txt, but the check failed (")
    assert err.count("\n") == 1 and err.endswith("Python Package Index.\n")


def test_vulnerabilities_are_listed_even_if_the_check_of_another_package_failed(asked):
    code, out, err = asked(list_packages(BAD, SKIPPED), "", 1)
    assert code == 2 and "pillow 9.0" in out and "keras (3.15.0)" in err


def test_a_check_without_files_fails(asked):
    assert asked(list_packages(CLEAN), files=())[0] == 2
