"""Check the environment: Python, Keras, the GPU, decoders, disk space, datasets and runs (`musicml doctor`)."""

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

BACKENDS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",)}  # module → packages that contain it
MIN_FREE_BYTES = 2e9  # room for sample data, its features and a run of each experiment


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    what : the name of the check
    state : `ok`, `note` (musicml works without it) or `problem` (something will not work)
    words : details, and how to fix a problem
    """

    what: str
    state: str
    words: str


def check_environment(data_root: Path, runs_root: Path) -> list[CheckResult]:
    """Check Python, the backend, the disk, the datasets and the runs, without importing TensorFlow or Keras."""
    machine = [_check_python(), _check_backend(), _check_gpu(), _check_decoders(), _check_disk(data_root)]
    return [*machine, *_check_datasets(data_root), _check_pretrained_weights(data_root), _check_runs(runs_root)]


def _check_python() -> CheckResult:
    """Check the version of Python."""
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    version = platform.python_version()
    words = version if is_supported else Message("{version}: use 3.11 to 3.13", version=version)
    return CheckResult("Python", "ok" if is_supported else "problem", words)


def _check_backend() -> CheckResult:
    """Check that Keras has a backend, and report the versions of both."""
    module = choose_backend()
    if importlib.util.find_spec(module):  # finds it without importing it, which takes seconds
        found = next(filter(None, map(_get_version, BACKENDS.get(module, (module,)))), "?")
        words = Message(
            "Keras {version} on {module} {found}", version=_get_version("keras"), module=module, found=found
        )
        return CheckResult("Keras", "ok", words)
    words = Message('no backend: exported models can predict, but training needs pip install -e ".[cpu]"')
    return CheckResult("Keras", "problem", words)


def _get_version(package: str) -> str | None:
    """Return the installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _check_gpu() -> CheckResult:
    """Check for an NVIDIA GPU with `nvidia-smi`, which is quicker than importing TensorFlow."""
    if shutil.which("nvidia-smi") is None:
        return CheckResult("GPU", "note", Message("none found (no nvidia-smi): training runs on the CPU"))
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        words = Message("nvidia-smi failed ({error}): training runs on the CPU", error=error)
        return CheckResult("GPU", "note", words)
    if output.returncode or not output.stdout.strip():
        return CheckResult("GPU", "note", Message("nvidia-smi found none: training runs on the CPU"))
    return CheckResult("GPU", "ok", output.stdout.strip())


def _check_decoders() -> CheckResult:
    """Check the packages that decode and resample audio."""
    missing = [module for module in ("soundfile", "soxr", "av") if importlib.util.find_spec(module) is None]
    if missing:
        words = Message("{missing} missing: reinstall musicml", missing=", ".join(missing))
        return CheckResult(Message("sound"), "problem", words)
    return CheckResult(Message("sound"), "ok", f"soundfile {_get_version('soundfile')}, PyAV {_get_version('av')}")


def _check_disk(root: Path) -> CheckResult:
    """Check the free space on the disk of the data."""
    free = shutil.disk_usage(find_existing_folder(Path(root) / "x")).free  # the folder itself may not exist yet
    if free > MIN_FREE_BYTES:
        return CheckResult(Message("disk"), "ok", Message("{free:.1f} GB free", free=free / 1e9))
    words = Message(
        "{free:.1f} GB free, {wanted:.0f} GB recommended: free some space", free=free / 1e9, wanted=MIN_FREE_BYTES / 1e9
    )
    return CheckResult(Message("disk"), "problem", words)


def _check_datasets(root: Path) -> Iterator[CheckResult]:
    """Check each dataset: real, generated or missing."""
    for name in DATASET_NAMES:
        try:
            home = find_dataset_folder(name, root)
            which = Message("generated sample data") if home.parent.name == "sample" else Message("real data")
            yield CheckResult(name, "ok", Message("{which} in {home}", which=which, home=home))
        except InputError:
            words = Message(
                "not in {root}: `musicml fetch {name}` downloads it, `musicml fetch --sample` generates sample data",
                root=root,
                name=name,
            )
            yield CheckResult(name, "note", words)


def _check_pretrained_weights(root: Path) -> CheckResult:
    """Check for the weights of the pretrained audio network."""
    missing = [name for name in MUSICNN_WEIGHTS if not get_musicnn_path(root, name).is_file()]
    if missing:
        return CheckResult(
            "musicnn", "note", Message("no weights in {root}: `musicml fetch musicnn` downloads them", root=root)
        )
    return CheckResult(
        "musicnn", "ok", Message("weights in {parent}", parent=get_musicnn_path(root, MUSICNN_WEIGHTS[0]).parent)
    )


def _check_runs(root: Path) -> CheckResult:
    """Count the runs, and list those that are not complete."""
    all_runs = runs.list_runs(root)
    unfinished = [run.name for run in all_runs if not run.is_complete and not run.is_pretrained]
    if unfinished:
        words = Message(
            "{n} in {root}, unfinished: {unfinished}. Resume one with `musicml train --resume RUN`",
            n=len(all_runs),
            root=root,
            unfinished=", ".join(unfinished),
        )
        return CheckResult(Message("runs"), "note", words)
    return CheckResult(Message("runs"), "ok", Message("{n} in {root}", n=len(all_runs), root=root))
