"""Make a run from a published network, so that it can predict songs without training."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import numpy as np

from musicml.experiment import PRETRAINED, Run, start_run
from musicml.features import ClipSpec, LogMel
from musicml.inference import export_keras_onnx, sign_run, write_manifest
from musicml.models import MUSICNN_FEATURES, MUSICNN_FRAMES, build_tagger
from musicml.utils import InputError, Message, import_keras, os_error_to_input_error, to_dict, write_json

logger = logging.getLogger(__name__)

TAGS_RUN = "musicnn_tags"
CAVEAT = Message(
    "musicnn was trained on songs of the Million Song Dataset and on listeners' tags for them. Songs that you predict "
    "may be among them, many of its tags are genres, and its probabilities are not calibrated."
)
TEXT = "# `musicml fetch musicnn`"  # instead of an experiment


def make_tags_run(data_root: Path, runs_root: Path) -> Run:
    """Make the run `musicnn_tags`, or return it if it exists.

    Parameters
    ----------
    data_root : the datasets' folder, with musicnn's weights
    runs_root : the folder of all runs

    Raises
    ------
    InputError
        If the weights are missing or damaged, or another file has the run's name. No incomplete run is left.
    """
    path = Path(runs_root) / TAGS_RUN
    if path.exists():
        run = Run(path)
        if not run.is_pretrained:
            raise InputError("Expected no other file or folder at {path}, where the new run goes. Move it.", path=path)
        return run
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{TAGS_RUN}.", dir=path.parent) as folder:
            run = _write_run(Path(folder) / TAGS_RUN, Path(data_root))
            sign_run(run)
            os.replace(run.path, path)  # only a complete run gets its name
    except OSError as error:
        if not Run(path).is_pretrained:  # otherwise another process was faster
            raise os_error_to_input_error(error, path) from error
    logger.info("%s: ready; predict with `musicml predict %s FILE`", path, TAGS_RUN)
    return Run(path)


def _write_run(path: Path, data_root: Path) -> Run:
    """Write all files of the run into the folder `path`."""
    keras = import_keras()
    from musicml.training.fit import save_model

    keras.config.set_dtype_policy("float32")
    model, tags = build_tagger(data_root)
    weights = {"choice": "msd", "reason": Message("as its authors trained it"), "pretraining": CAVEAT}
    features = LogMel(**{name: value for name, value in MUSICNN_FEATURES.items() if name != "kind"})
    facts = {
        "task": "multi",
        "family": "pretrained_audio",
        "data": {"dataset": "million_song_dataset", "kind": "sound", "root": str(data_root.absolute())},
        "weights": weights,
        "backend": keras.backend.backend(),
        "parameters": model.count_params(),
        "process": None,
    }
    run = start_run(path, TAGS_RUN, 0, TEXT, facts)
    write_json(path / "labels.json", tags)
    save_model(model, path)
    clip = ClipSpec(
        MUSICNN_FRAMES,
        MUSICNN_FRAMES,
        features.count_samples(MUSICNN_FRAMES),
        features.hop_length / features.sample_rate,
        3.008,
    )
    write_manifest(
        run,
        path / "model.keras",
        task="multi",
        answers="tag",
        kind=MUSICNN_FEATURES["kind"],
        features=to_dict(features),
        clips=to_dict(clip),
        input_shape=[MUSICNN_FRAMES, features.n_mels],
        normalisation="inside the model",
        temperature=1.0,
        thresholds=[],  # none were fitted
        calibrated_on=0,
        unlike=None,
        asks_for="file",
    )
    # the export is checked on noise, because no clips are at hand
    noise = np.random.default_rng(0).uniform(-80, 10, (4, MUSICNN_FRAMES, features.n_mels)).astype(np.float32)
    run.update(export=export_keras_onnx(model, run, noise))
    run.update(status=PRETRAINED, process=None)
    return run
