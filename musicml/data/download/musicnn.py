"""Download musicnn's weights: convolutional networks for music tagging, trained on real songs.

The wheel of the package `musicnn` contains them as TensorFlow 1 checkpoints. Each is converted once to an `.npz` file
in the folder of the datasets. No code of the package is run. Its license (ISC) is in THIRD_PARTY.md.

Source: J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
late-breaking demo, ISMIR 2019.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.io import read_tf_checkpoint
from musicml.utils import InputError, Message, describe_os_error, write_atomically

logger = logging.getLogger(__name__)

SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
REQUIREMENT = f"musicnn==0.1.0 --hash=sha256:{SHA256}"  # as in requirements/weights.txt
MUSICNN_WEIGHTS = ("msd", "mtt")  # trained on the Million Song Dataset and on MagnaTagATune
OPTIMIZER_PARTS = ("Adam", "beta1_power", "beta2_power", "global_step")
TAGS = "tags"  # the key of the tag names in the .npz file; all other keys are variables
TIMEOUT = 15  # seconds for the package index to respond


class MissingWeightsError(InputError):
    """Raised when the weights of a pretrained backbone have not been downloaded."""


@dataclass(frozen=True)
class MusicnnWeights:
    """The weights of one pretrained network.

    Attributes
    ----------
    tags : the names of its outputs
    variables : by TensorFlow's names, such as `conv2d_1/kernel`
    """

    tags: list[str]
    variables: dict[str, np.ndarray]


def get_musicnn_path(data_root: Path, name: str) -> Path:
    """Return the path of the weights `name`, one of `MUSICNN_WEIGHTS`, in the folder of the datasets."""
    return Path(data_root) / "pretrained" / f"musicnn_{name}.npz"


def load_musicnn(data_root: Path, name: str) -> MusicnnWeights:
    """Load the weights `name`, one of `MUSICNN_WEIGHTS`.

    Raises
    ------
    MissingWeightsError
        If they have not been downloaded.
    InputError
        If their file is damaged.
    """
    path = get_musicnn_path(data_root, name)
    if not path.is_file():
        raise MissingWeightsError(
            Message("Expected musicnn's weights in {path}, but the file is missing. Run `musicml fetch musicnn`."),
            path=path,
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            variables = {key: file[key] for key in file.files}
        return MusicnnWeights([str(tag) for tag in variables.pop(TAGS)], variables)
    except Exception as error:  # numpy, zipfile and zlib raise different errors for a damaged file
        raise InputError(
            "Cannot read musicnn's weights: {path} is damaged. Remove it and run `musicml fetch musicnn`.", path=path
        ) from error


def download_musicnn(data_root: Path, wheel: Path | None = None) -> tuple[list[Path], bool]:
    """Download musicnn's weights into the folder of the datasets, unless they are already there.

    Parameters
    ----------
    data_root : the folder of the datasets
    wheel : a local copy of musicnn-0.1.0-py3-none-any.whl; by default pip or uv downloads it

    Returns
    -------
    paths : the `.npz` files
    was_there : whether nothing had to be done

    Raises
    ------
    InputError
        If the weights can't be downloaded, or have another hash. No partial file is left.
    """
    paths = [get_musicnn_path(data_root, name) for name in MUSICNN_WEIGHTS]
    if all(path.is_file() for path in paths):
        for name in MUSICNN_WEIGHTS:
            load_musicnn(data_root, name)  # report a damaged file now, and not during training
        return paths, True
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            logger.info("musicnn: downloading its weights (29 MB) from the package index")
            root = _download_package(Path(folder))
        else:
            root = _open_wheel(wheel)
        for name, path in zip(MUSICNN_WEIGHTS, paths, strict=True):
            _convert_checkpoint(root, name, path)
    logger.info("musicnn: weights in %s", paths[0].parent)
    return paths, False


def _download_package(folder: Path) -> Path | zipfile.Path:
    """Download the package with pip, or with uv in an environment without pip."""
    requirements = folder / "weights.txt"
    requirements.write_text(REQUIREMENT, encoding="utf-8")
    target, uv = folder / "package", shutil.which("uv")
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--retries=1"]
        command += [f"--timeout={TIMEOUT}", "--only-binary=:all:", "--dest", str(target)]
    elif uv:
        command = [uv, "pip", "install", "--python", sys.executable, "--target", str(target)]
    else:
        raise InputError(
            "Expected pip or uv, to download musicnn's weights, but found neither. Download "
            "musicnn-0.1.0-py3-none-any.whl from pypi.org and run `musicml fetch musicnn --from FILE.whl`."
        )
    command += ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
    environment = {**os.environ, "UV_HTTP_TIMEOUT": str(TIMEOUT)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    wheels = list(target.glob("*.whl"))
    if result.returncode or not (wheels or (target / "musicnn").is_dir()):
        lines = [line for line in result.stderr.splitlines() if line.strip()] or [Message("no reason given")]
        raise InputError(
            "Could not download musicnn's weights from the package index ({reason}). Try again later, or download "
            "musicnn-0.1.0-py3-none-any.whl elsewhere and run `musicml fetch musicnn --from FILE.whl`.",
            reason=lines[-1].strip()[:200].rstrip("."),
        )
    return _open_wheel(wheels[0]) if wheels else target


def _open_wheel(wheel: Path) -> zipfile.Path:
    """Open the wheel, if it has the expected hash."""
    try:
        content = wheel.read_bytes()
    except OSError as error:
        raise InputError(
            "Expected the file musicnn-0.1.0-py3-none-any.whl in --from, but cannot read {wheel} ({error}). Check "
            "the path.",
            wheel=wheel,
            error=describe_os_error(error),
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise InputError(
            "Expected musicnn-0.1.0-py3-none-any.whl with the SHA-256 {expected}..., but {wheel} has {digest}.... "
            "Download it again.",
            expected=SHA256[:12],
            wheel=wheel,
            digest=digest[:12],
        )
    return zipfile.Path(io.BytesIO(content))


def _convert_checkpoint(root: Path | zipfile.Path, name: str, path: Path) -> None:
    """Write one network of the package as an `.npz` file, without the variables of the optimizer."""
    folder = root / "musicnn" / f"{name.upper()}_musicnn"
    variables = read_tf_checkpoint((folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes())
    content: dict[str, Any] = {
        key: value for key, value in variables.items() if not any(part in key for part in OPTIMIZER_PARTS)
    }
    configuration = (root / "musicnn" / "configuration.py").read_text(encoding="utf-8")
    content[TAGS] = np.array(_read_list(configuration, f"{name.upper()}_LABELS"))
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **content)


def _read_list(source: str, variable: str) -> list[str]:
    """Read a list of strings that Python source assigns to `variable`, without running the source."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == variable:
            return list(ast.literal_eval(node.value))
    raise InputError(
        "Expected the list {variable} in musicnn's configuration.py, but it is missing.", variable=variable
    )
