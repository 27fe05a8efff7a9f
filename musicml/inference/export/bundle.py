"""A run's model for use elsewhere: a folder with the model, what stands before it in words, and a check that runs."""

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
EXAMPLE_SECONDS = 8.0  # of the example sound
N_EXAMPLES = 4  # clips compared
MAX_CHECK_SECONDS = 600.0  # seconds


def export_run(run: Run, kind: str, to: Path) -> str:
    """Write the run's model as `kind` into the new folder `to`, and check it there in a process of its own.

    Parameters
    ----------
    kind : `onnx`, `litert` (one clip at a time) or `saved_model`
    to : a folder that is not there yet; it is left only if the check passes

    Returns
    -------
    str, what the check said

    Raises
    ------
    InputError
        If the folder is there already, the run is a stranger's or can't be exported as `kind`, or the result answers
        otherwise.
    """
    if kind not in FORMATS:
        raise InputError("format={kind!r} must be one of {formats}.", kind=kind, formats=", ".join(FORMATS))
    to = Path(to)
    if to.exists():
        raise InputError("{to} must be a new folder, and is there already: name another with --to.", to=to)
    serving = read_manifest(run)
    trust.check_is_own(run, Message("an export"))  # whose check opens the model without limits
    making = to.with_name(f".{to.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    try:
        making.mkdir(parents=True)
        _write_model(run, serving, kind, making)
        _write_companions(run, serving, making)
        said = _run_check(making)
        making.rename(to)
    except OSError as error:
        raise os_error_to_input_error(error, to) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return said


def _write_model(run: Run, serving: Manifest, kind: str, folder: Path) -> None:
    """Write model.onnx, model.tflite or saved_model."""
    if kind == "onnx":
        if not (run.path / "model.onnx").is_file():
            raise InputError(
                "run {run_name} must carry an exported model, and has none ({get}): train it "
                "with TensorFlow as Keras's backend, or take another format.",
                run_name=run.name,
                get=run.info.export,
            )
        shutil.copy(backends.find_model(run.path, serving, "onnx"), folder / "model.onnx")
        return
    if serving.model["file"].endswith(".skops"):
        raise InputError(
            "run {run_name} is a forest, and {kind} holds networks only: export it as onnx.",
            run_name=run.name,
            kind=kind,
        )
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "{kind} needs TensorFlow as Keras's backend, which is {backend} here: install the extra "
            "cpu or gpu, and leave KERAS_BACKEND unset.",
            kind=kind,
            backend=keras.backend.backend(),
        )
    model = backends.load_keras_model(backends.find_original_model(run.path, serving))
    with suppress_stderr(), onnx.avoid_cudnn(model):
        if kind == "saved_model":
            model.export(folder / "saved_model", format="tf_saved_model", verbose=False)
            return
        # of a fixed size, because LiteRT else takes recurrent layers for operations of TensorFlow's, which it lacks
        one = keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name=model.inputs[0].name)
        model.export(folder / "model.tflite", format="litert", input_signature=[one], verbose=False)


def _write_companions(run: Run, serving: Manifest, folder: Path) -> None:
    """Write what belongs to the model: the front in words, the settings, the class names, and the check."""
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
    """Inputs to compare on, made here, since a run does not carry its data: `clips`; of a sound `y`, `features` too."""
    rng = np.random.default_rng(0)
    settings = serving.settings
    if isinstance(settings, Pixels):
        rough = rng.integers(0, 256, (N_EXAMPLES, 8, 8, 3), dtype=np.uint8)
        return {"clips": np.stack([settings.compute(picture) for picture in rough]).astype(np.float32)}
    if isinstance(settings, VGGish):
        return {"clips": rng.integers(0, 256, (N_EXAMPLES, *settings.shape_of())).astype(np.float32)}
    clip = serving.clip
    n_samples = max(clip.least_samples, round(EXAMPLE_SECONDS * settings.sample_rate))
    y = _make_sweep(n_samples, settings.sample_rate, rng)
    values = settings.compute(y)
    begins = np.linspace(0, len(values) - clip.length, N_EXAMPLES).astype(int)
    return {"y": y, "features": values, "clips": np.stack([values[place : place + clip.length] for place in begins])}


def _make_sweep(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A rising tone in quiet noise that beats twice a second, [shape=(n_samples,)], float32."""
    t = np.arange(n_samples) / sample_rate
    hertz = 80 * (sample_rate / 320) ** (t / t[-1])
    tone = np.sin(2 * np.pi * np.cumsum(hertz) / sample_rate) * (0.6 + 0.4 * np.sin(4 * np.pi * t))
    return (0.4 * tone + 0.01 * rng.standard_normal(n_samples)).astype(np.float32)


def _run_check(folder: Path) -> str:
    """Run check.py in a new process, as who takes the folder elsewhere will; what it said."""
    try:
        done = subprocess.run(
            [sys.executable, "check.py"], cwd=folder, capture_output=True, text=True, timeout=MAX_CHECK_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            "the exported model must answer within {longest_check:.0f} s, and its check did not end: export it on a "
            "machine with less to do.",
            longest_check=MAX_CHECK_SECONDS,
        ) from None
    if done.returncode:
        lines = (done.stdout.strip() or done.stderr.strip() or Message("it said nothing")).splitlines()
        said = "; ".join(lines) if done.stdout.strip() else lines[-1]
        raise InputError("the exported model must answer as the run does, and its check failed: {said}", said=said)
    return done.stdout.strip()
