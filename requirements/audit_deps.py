"""Check the locked packages for known vulnerabilities: python audit_deps.py requirements/*.txt

The exit code is 0 if there are none, 1 if there are some, and 2 if the check failed for any package. A package that the
advisory service does not know counts as a failed check. Otherwise a package mirror would hide vulnerabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

OPTIONS = ("--disable-pip", "--require-hashes", "--strict", "--format", "json", "--progress-spinner", "off")


def check_file(path: str) -> tuple[list[str], str]:
    """Return the vulnerabilities of a file's packages, one line each, and why the check failed, or "" if it did not."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", path, *OPTIONS]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(result.stdout)["dependencies"]
        skipped = [f"{package['name']}: {package['skip_reason']}" for package in packages if "skip_reason" in package]
        known = [describe(path, package, advisory) for package in packages for advisory in package.get("vulns", ())]
    except (ValueError, KeyError, TypeError):
        last_line = (result.stderr.strip().splitlines() or [f"pip-audit exited with {result.returncode}"])[-1]
        return [], last_line.removeprefix("ERROR:pip_audit._cli:").rstrip(".")
    # pip-audit exits with 1 for a vulnerability and for an error, so 1 without a vulnerability is an error
    if result.returncode not in (0, 1) or result.returncode and not known or not packages:
        return known, f"pip-audit exited with {result.returncode} and reported {len(packages)} packages"
    return known, skipped[0] if skipped else ""


def describe(path: str, package: dict, advisory: dict) -> str:
    """Describe an advisory in one line."""
    names = ", ".join([advisory["id"], *advisory.get("aliases", ())])
    fixed = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
    return f"{path}: {package['name']} {package['version']}: {names}; fixed in {fixed}"


def main(paths: Sequence[str]) -> int:
    """Check each file and print the vulnerabilities. Return the exit code."""
    known, failures = [], {}
    for path in paths:
        lines, reason = check_file(path)
        known += lines
        failures |= {path: reason} if reason else {}
    for line in known:
        print(line)
    if failures or not paths:
        path, reason = next(iter(failures.items()), ("requirements/*.txt", "no such file"))
        print(
            f"Expected advisories for all packages of {path}, but the check failed ({reason}). "
            "Try again with a connection to the Python Package Index.",
            file=sys.stderr,
        )
        return 2
    if not known:
        print(f"no known vulnerabilities in the packages of {', '.join(paths)}")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
