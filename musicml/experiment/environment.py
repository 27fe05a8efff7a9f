"""The check-up: what musicml finds on this machine, and what to do about what it lacks."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from musicml.data.datasets import loading
from musicml.experiment import run as runs
from musicml.utils import files, terminal
from musicml.utils.errors import BadInput

BACKENDS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",)}
WANTED_FREE = 2e9  # bytes: sample data, its features and a run of each experiment


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    state : `ok`, `note` (works without) or `problem` (something will not work)
    """

    what: str
    state: str
    words: str


def examine(data_root: Path, runs_root: Path) -> list[Finding]:
    """Look at Python, the backend, the disk, the data sets and the runs. Imports neither TensorFlow nor Keras."""
    return [python(), backend(), graphics(), decoders(), disk(data_root), *data(data_root), unfinished(runs_root)]


def python() -> Finding:
    """Python's version."""
    fits = (3, 11) <= tuple(map(int, platform.python_version_tuple()[:2])) <= (3, 13)
    return Finding(
        "Python", "ok" if fits else "problem", f"{platform.python_version()}" + ("" if fits else ": take 3.11 to 3.13")
    )


def backend() -> Finding:
    """Keras's version, and what it computes with."""
    module = terminal.backend()
    if importlib.util.find_spec(module):
        found = next(filter(None, map(version, BACKENDS.get(module, (module,)))), "?")
        return Finding("Keras", "ok", f"Keras {version('keras')} on {module} {found}")
    return Finding(
        "Keras", "problem", 'no backend: pip install -e ".[cpu]"; exported runs can be asked, nothing can be trained'
    )


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def graphics() -> Finding:
    """The GPU, by its driver's own tool."""
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "note", "none found (no nvidia-smi): training runs on the CPU")
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("GPU", "note", f"nvidia-smi does not answer ({error}): training runs on the CPU")
    if asked.returncode or not asked.stdout.strip():
        return Finding("GPU", "note", "nvidia-smi finds none: training runs on the CPU")
    return Finding("GPU", "ok", asked.stdout.strip())


def decoders() -> Finding:
    """What reads sound."""
    missing = [module for module in ("soundfile", "soxr", "av") if importlib.util.find_spec(module) is None]
    if missing:
        return Finding("sound", "problem", f"{', '.join(missing)} missing: install musicml again")
    return Finding("sound", "ok", f"soundfile {version('soundfile')}, PyAV {version('av')}")


def disk(root: Path) -> Finding:
    """Free space where data and runs go."""
    free = shutil.disk_usage(files.existing(Path(root) / "x")).free
    state = "ok" if free > WANTED_FREE else "problem"
    return Finding(
        "disk",
        state,
        f"{free / 1e9:.1f} GB free" + ("" if state == "ok" else f", {WANTED_FREE / 1e9:.0f} GB wanted: make room"),
    )


def data(root: Path) -> Iterator[Finding]:
    """Each data set: real, generated, or not there."""
    for name in loading.NAMES:
        try:
            home = loading.home(name, root)
            which = "generated sample data" if home.parent.name == "sample" else "real data"
            yield Finding(name, "ok", f"{which} in {home}")
        except BadInput:
            yield Finding(
                name,
                "note",
                f"not in {root}: `musicml fetch {name}` brings it, `musicml fetch --sample` makes sample data",
            )


def unfinished(root: Path) -> Finding:
    """How many runs there are, and which were never finished."""
    found = runs.list_runs(root)
    open_runs = [run.name for run in found if not run.is_whole]
    if open_runs:
        return Finding(
            "runs",
            "note",
            f"{len(found)} in {root}, unfinished: {', '.join(open_runs)}; `musicml train --resume RUN` goes on",
        )
    return Finding("runs", "ok", f"{len(found)} in {root}")
