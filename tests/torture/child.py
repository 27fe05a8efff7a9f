"""Run a command in a child process: in its own session, with output to files, and with failures to order."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

# what commands import late; a process that is forked off has it already
PRELOADED = (
    *("musicml.cli.train", "musicml.training.fit", "musicml.training.stages", "musicml.training.sklearn_heads"),
    *("musicml.evaluation.evaluate", "musicml.training.tuning.search", "musicml.data.download.verify"),
    *("onnxruntime", "optuna", "skl2onnx", "sklearn.ensemble", "sklearn.svm", "tf2onnx"),
)


def preload() -> None:
    """Import everything that commands need. Nothing is computed, since the threads of TensorFlow cannot be forked."""
    from musicml.utils import import_keras

    import_keras()
    for name in PRELOADED:
        importlib.import_module(name)


def run(words: list[str], log: str, changes: dict[str, Any]) -> None:
    """Run `musicml WORDS` in this process, with its output in `log`.out and its errors in `log`.err."""
    os.setsid()
    for number, ending in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}.{ending}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    for name, value in changes.items():
        CHANGES[name](value)
    sys.argv = ["musicml", *words]
    from musicml.cli.main import run_and_exit

    run_and_exit()


def start_workers(_: Any) -> None:
    """Make musicml compute features in several processes even for few files."""
    from musicml.features.cache import compute

    compute.MIN_PARALLEL_SECONDS, compute.count_processes = 0.0, lambda: 2


def ask_servers(urls: dict[str, str]) -> None:
    """Make musicml download from local servers, without long pauses between retries."""
    from kagglesdk import kaggle_env

    from musicml.data.download import transfer

    kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = urls["kaggle"]
    transfer.FIRST_PAUSE, transfer.MAX_PAUSE = 0.02, 0.05


def fill_disk(at: dict[str, Any]) -> None:
    """Count the files that are written and synced. From file `number` on, writes fail as on a full disk."""
    real, seen = os.fsync, Path(at["seen"])

    def fsync(descriptor: int) -> None:
        count = int(seen.read_text() or 0) + 1 if seen.is_file() else 1
        seen.write_text(str(count))
        if at["number"] and count >= at["number"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    os.fsync = fsync


CHANGES = {"start_workers": start_workers, "ask_servers": ask_servers, "fill_disk": fill_disk}

if __name__ == "__main__":
    run(*json.loads(sys.argv[1]))
