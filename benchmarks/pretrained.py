"""Compare a run on a pretrained audio network with a run on the same network with random weights.

There is no real copy of OpenMIC-2018 here, so both are trained on sample data, and compared by `musicml compare`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicml.data.synthetic import generate
from musicml.evaluation import comparison, evaluate
from musicml.experiment import config
from musicml.training import train

ROOT = Path(__file__).parent.parent
WAYS = {"openmic_musicnn": {}, "the same from random weights": {"model.weights": "none"}}


def compare_openmic(root: Path) -> dict[str, Any]:
    """Train openmic_musicnn and its control on sample data, and compare their mean average precision.

    Parameters
    ----------
    root : data root with musicnn's weights
    """
    generate.generate_sample_data(root / "sample", only=["openmic"])
    runs = []
    for changes in WAYS.values():
        experiment = config.read_experiment(ROOT / "experiments/openmic_musicnn.toml", changes)
        runs.append(train.train_experiment(experiment, root, root.parent / "runs", "sample"))
        evaluate.evaluate_run(runs[-1])
    compared = comparison.compare_runs(runs)
    pair = compared.pairs[0]
    ways = {
        name: {
            "accuracy": figure["value"],
            "interval": figure["interval"],
            "each_seed": [figure["value"]],
            "seconds": [run.info.train_seconds],
        }
        for name, figure, run in zip(WAYS, compared.figures, runs, strict=True)
    }
    first, other = WAYS
    return {
        "metric": compared.metric.replace("_", " "),
        "files": compared.n,
        "groups": compared.n_groups,
        "seeds": [0],
        "ways": ways,
        "differences": {f"{first} - {other}": {"mean": pair.difference, "interval": pair.interval}},
    }
