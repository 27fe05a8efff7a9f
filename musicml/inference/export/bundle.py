"""Export a model for use outside musicml: a folder with the model, a README on its preprocessing, and a check."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from musicml.experiment import Run
from musicml.features import Pixels, VGGish
from musicml.inference import backends, trust
from musicml.inference.export import frontend_readme, onnx
from musicml.inference.manifest import Manifest, read_manifest
from musicml.utils import (
    InputError,
    Message,
    import_keras,
    os_error_to_input_error,
    suppress_stderr,
    write_atomically,
    write_text,
)

FORMATS = ("onnx", "litert", "saved_model")
EXAMPLE_SECONDS = 8.0
N_EXAMPLES = 4  # clips to compare
MAX_CHECK_SECONDS = 600.0


def export_run(run: Run, kind: str, to: Path) -> str:
    """Export the model of a run to the new folder `to`, and check it there in a new process.

    Parameters
    ----------
    kind : `onnx`, `litert` (one clip at a time) or `saved_model`
    to : a folder that does not exist yet; it is kept only if the check passes

    Returns
    -------
    str, the output of the check

    Raises
    ------
    InputError
        If the folder exists, the run is not trusted or can't be exported as `kind`, or the exported model gives other
        scores.
    """
    if kind not in FORMATS:
        raise InputError("format={kind!r} must be one of {formats}.", kind=kind, formats=", ".join(FORMATS))
    to = Path(to)
    if to.exists():
        raise InputError("{to} already exists. Choose another folder with --to.", to=to)
    serving = read_manifest(run)
    trust.check_is_own(run, Message("an export"))  # since the check opens the model without limits
    temporary = to.with_name(f".{to.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        _write_model(run, serving, kind, temporary)
        _write_companions(run, serving, temporary)
        output = _run_check(temporary)
        temporary.rename(to)
    except OSError as error:
        raise os_error_to_input_error(error, to) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return output


def _write_model(run: Run, serving: Manifest, kind: str, folder: Path) -> None:
    """Write model.onnx, model.tflite or saved_model."""
    if kind == "onnx":
        if not (run.path / "model.onnx").is_file():
            raise InputError(
                "Run {run_name} has no exported model ({reason}). Train it with TensorFlow as the backend of Keras, or "
                "choose another format.",
                run_name=run.name,
                reason=run.info.export,
            )
        shutil.copy(backends.find_model(run.path, serving, "onnx"), folder / "model.onnx")
        return
    if serving.model["file"].endswith(".skops"):
        raise InputError(
            "Run {run_name} is a random forest, but {kind} is for neural networks. Export it as onnx.",
            run_name=run.name,
            kind=kind,
        )
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "{kind} needs TensorFlow as the backend of Keras, got {backend}. Install the extra cpu or gpu, and leave "
            "KERAS_BACKEND unset.",
            kind=kind,
            backend=keras.backend.backend(),
        )
    model = backends.load_keras_model(backends.find_original_model(run.path, serving))
    with suppress_stderr(), onnx.avoid_cudnn(model):
        if kind == "saved_model":
            model.export(folder / "saved_model", format="tf_saved_model", verbose=False)
            return
        # a fixed batch size, or LiteRT converts recurrent layers to TensorFlow operations, which it does not have
        signature = keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name=model.inputs[0].name)
        model.export(folder / "model.tflite", format="litert", input_signature=[signature], verbose=False)


def _write_companions(run: Run, serving: Manifest, folder: Path) -> None:
    """Write the files that go with the model: README, settings, class names, and the check with its example."""
    for name in ("serving.json", "labels.json"):
        shutil.copy(run.path / name, folder / name)
    backbone = frontend_readme.describe_backbone(run.info)
    write_text(folder / "README.md", frontend_readme.render_readme(serving, run.name, run.info.data.sample, backbone))
    write_text(folder / "check.py", (Path(__file__).parent / "check.py").read_text(encoding="utf-8"))
    example = _make_example(serving)
    raw = backends.load_model(run.path, serving, "keras").scores(example["clips"])
    with write_atomically(folder / "example.npz") as temporary:
        np.savez_compressed(temporary, raw=raw, **example)


def _make_example(serving: Manifest) -> dict[str, Any]:
    """Make inputs for the check: `clips`, and for sound also `y` and `features`.

    They are generated, since a run does not contain its data.
    """
    rng = np.random.default_rng(0)
    settings = serving.settings
    if isinstance(settings, Pixels):
        pictures = rng.integers(0, 256, (N_EXAMPLES, 8, 8, 3), dtype=np.uint8)
        return {"clips": np.stack([settings.compute(picture) for picture in pictures]).astype(np.float32)}
    if isinstance(settings, VGGish):
        return {"clips": rng.integers(0, 256, (N_EXAMPLES, *settings.get_shape())).astype(np.float32)}
    clip = serving.clip
    n_samples = max(clip.least_samples, round(EXAMPLE_SECONDS * settings.sample_rate))
    y = _make_sweep(n_samples, settings.sample_rate, rng)
    values = settings.compute(y)
    starts = np.linspace(0, len(values) - clip.length, N_EXAMPLES).astype(int)
    return {"y": y, "features": values, "clips": np.stack([values[start : start + clip.length] for start in starts])}


def _make_sweep(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make a rising tone in quiet noise, with two beats per second, [shape=(n_samples,)], float32."""
    t = np.arange(n_samples) / sample_rate
    hertz = 80 * (sample_rate / 320) ** (t / t[-1])  # from 80 Hz to a quarter of the sample rate
    tone = np.sin(2 * np.pi * np.cumsum(hertz) / sample_rate) * (0.6 + 0.4 * np.sin(4 * np.pi * t))
    return (0.4 * tone + 0.01 * rng.standard_normal(n_samples)).astype(np.float32)


def _run_check(folder: Path) -> str:
    """Run check.py in a new process, as a user of the exported folder would; return its output."""
    try:
        result = subprocess.run(
            [sys.executable, "check.py"], cwd=folder, capture_output=True, text=True, timeout=MAX_CHECK_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            "The check of the exported model did not finish within {seconds:.0f} s. Export it on a machine with less "
            "load.",
            seconds=MAX_CHECK_SECONDS,
        ) from None
    if result.returncode:
        lines = (result.stdout.strip() or result.stderr.strip() or Message("no output")).splitlines()
        output = "; ".join(lines) if result.stdout.strip() else lines[-1]  # the last line of a traceback is the error
        raise InputError("The scores of the exported model differ from those of the run: {output}", output=output)
    return result.stdout.strip()
