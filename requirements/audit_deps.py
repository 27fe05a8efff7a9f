"""Ask an advisory service about every locked package: python audit_deps.py requirements/*.txt

The exit code is 0 where nothing is known against any of them, 1 where something is, and 2 where it could not be asked.
A service that knows nothing of a package has not been asked either: behind a mirror that would look like good news.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

ASKED = ("--disable-pip", "--require-hashes", "--strict", "--format", "json", "--progress-spinner", "off")


def ask(path: str) -> tuple[list[str], str]:
    """What is known against the packages of a file, a line each, and why it could not be asked, else empty."""
    words = [sys.executable, "-m", "pip_audit", "--requirement", path, *ASKED]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
        skipped = [f"{one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
        known = [describe(path, one, advisory) for one in packages for advisory in one.get("vulns", ())]
    except (ValueError, KeyError, TypeError):
        said = (done.stderr.strip().splitlines() or [f"pip-audit ended with {done.returncode}"])[-1]
        return [], said.removeprefix("ERROR:pip_audit._cli:").rstrip(".")
    if done.returncode not in (0, 1) or done.returncode and not known or not packages:
        return known, f"pip-audit ended with {done.returncode} and told of {len(packages)} packages"
    return known, skipped[0] if skipped else ""


def describe(path: str, package: dict, advisory: dict) -> str:
    """An advisory in a line."""
    names = ", ".join([advisory["id"], *advisory.get("aliases", ())])
    mended = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
    return f"{path}: {package['name']} {package['version']}: {names}; mended in {mended}"


def main(paths: Sequence[str]) -> int:
    """Ask about each file; returns the exit code."""
    known, unasked = [], {}
    for path in paths:
        found, why = ask(path)
        known += found
        unasked |= {path: why} if why else {}
    for line in known:
        print(line)
    if unasked or not paths:
        path, why = next(iter(unasked.items()), ("requirements/*.txt", "there is no such file"))
        print(
            f"Expected an answer on every package of {path}, and could not ask ({why}). "
            "Try again where the Python Package Index can be reached.",
            file=sys.stderr,
        )
        return 2
    if not known:
        print(f"nothing is known against any package of {', '.join(paths)}")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
