"""The check-up: what musicml finds on this machine, and what to do about what it lacks."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from musicml.data.datasets import DATASET_NAMES, find_dataset_folder
from musicml.data.download import MUSICNN_WEIGHTS, get_musicnn_path
from musicml.experiment import run as runs
from musicml.utils import InputError, Message, choose_backend, find_existing_folder

BACKENDS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",)}
WANTED_FREE = 2e9  # bytes: sample data, its features and a run of each experiment


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at.

    Attributes
    ----------
    state : `ok`, `note` (works without) or `problem` (something will not work)
    """

    what: str
    state: str
    words: str


def check_environment(data_root: Path, runs_root: Path) -> list[CheckResult]:
    """Look at Python, the backend, the disk, the data sets and the runs. Imports neither TensorFlow nor Keras."""
    of_the_machine = [python(), backend(), graphics(), decoders(), disk(data_root)]
    return [*of_the_machine, *data(data_root), pretrained(data_root), unfinished(runs_root)]


def python() -> CheckResult:
    """Python's version."""
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    found = platform.python_version()
    words = found if fits else Message("{version}: take 3.11 to 3.13", version=found)
    return CheckResult("Python", "ok" if fits else "problem", words)


def backend() -> CheckResult:
    """Keras's version, and what it computes with."""
    module = choose_backend()
    if importlib.util.find_spec(module):
        found = next(filter(None, map(version, BACKENDS.get(module, (module,)))), "?")
        return CheckResult(
            "Keras",
            "ok",
            Message("Keras {version} on {module} {found}", version=version("keras"), module=module, found=found),
        )
    words = Message('no backend: pip install -e ".[cpu]"; exported runs can be asked, nothing can be trained')
    return CheckResult("Keras", "problem", words)


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def graphics() -> CheckResult:
    """The GPU, by its driver's own tool."""
    if shutil.which("nvidia-smi") is None:
        return CheckResult("GPU", "note", Message("none found (no nvidia-smi): training runs on the CPU"))
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return CheckResult(
            "GPU", "note", Message("nvidia-smi does not answer ({error}): training runs on the CPU", error=error)
        )
    if asked.returncode or not asked.stdout.strip():
        return CheckResult("GPU", "note", Message("nvidia-smi finds none: training runs on the CPU"))
    return CheckResult("GPU", "ok", asked.stdout.strip())


def decoders() -> CheckResult:
    """What reads sound."""
    missing = [module for module in ("soundfile", "soxr", "av") if importlib.util.find_spec(module) is None]
    if missing:
        return CheckResult(
            Message("sound"), "problem", Message("{missing} missing: install musicml again", missing=", ".join(missing))
        )
    return CheckResult(Message("sound"), "ok", f"soundfile {version('soundfile')}, PyAV {version('av')}")


def disk(root: Path) -> CheckResult:
    """Free space where data and runs go."""
    free = shutil.disk_usage(find_existing_folder(Path(root) / "x")).free
    if free > WANTED_FREE:
        return CheckResult(Message("disk"), "ok", Message("{free:.1f} GB free", free=free / 1e9))
    words = Message("{free:.1f} GB free, {wanted:.0f} GB wanted: make room", free=free / 1e9, wanted=WANTED_FREE / 1e9)
    return CheckResult(Message("disk"), "problem", words)


def data(root: Path) -> Iterator[CheckResult]:
    """Each data set: real, generated, or not there."""
    for name in DATASET_NAMES:
        try:
            home = find_dataset_folder(name, root)
            which = Message("generated sample data") if home.parent.name == "sample" else Message("real data")
            yield CheckResult(name, "ok", Message("{which} in {home}", which=which, home=home))
        except InputError:
            words = Message(
                "not in {root}: `musicml fetch {name}` brings it, `musicml fetch --sample` makes sample data",
                root=root,
                name=name,
            )
            yield CheckResult(name, "note", words)


def pretrained(root: Path) -> CheckResult:
    """Find the weights of the pretrained audio network."""
    lacking = [name for name in MUSICNN_WEIGHTS if not get_musicnn_path(root, name).is_file()]
    if lacking:
        return CheckResult(
            "musicnn", "note", Message("no weights in {root}: `musicml fetch musicnn` downloads them", root=root)
        )
    return CheckResult(
        "musicnn", "ok", Message("weights in {parent}", parent=get_musicnn_path(root, MUSICNN_WEIGHTS[0]).parent)
    )


def unfinished(root: Path) -> CheckResult:
    """How many runs there are, and which were never finished."""
    found = runs.list_runs(root)
    open_runs = [run.name for run in found if not run.is_complete and not run.is_pretrained]
    if open_runs:
        words = Message(
            "{n_found} in {root}, unfinished: {open_runs}; `musicml train --resume RUN` goes on",
            n_found=len(found),
            root=root,
            open_runs=", ".join(open_runs),
        )
        return CheckResult(Message("runs"), "note", words)
    return CheckResult(Message("runs"), "ok", Message("{n_found} in {root}", n_found=len(found), root=root))
