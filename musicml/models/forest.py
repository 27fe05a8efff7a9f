"""Random forests: one per class, on the mean of a clip's features, like the baseline of OpenMIC-2018's authors.

Their baseline (Humphrey, Durand and McFee, ISMIR 2018) has 100 trees of depth 8 for each instrument, trained on the
clips in which that instrument was annotated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml.models.base import ModelSpec
from musicml.utils import InputError, define_option

# types in a forest that skops does not trust by default
TRUSTED_TYPES = {"sklearn.tree._tree.Tree"}


@dataclass(frozen=True)
class Options:
    """Settings of the forests: number of trees, and their maximum depth."""

    n_estimators: int = define_option(100, least=1, most=10000)
    max_depth: int = define_option(8, least=1, most=100)


@dataclass
class Forest:
    """One random forest for each class.

    Attributes
    ----------
    trees : list of `sklearn.ensemble.RandomForestClassifier`, in the order of the classes
    """

    options: Options
    spec: ModelSpec
    trees: list = field(default_factory=list)

    def fit(self, x: np.ndarray, targets: np.ndarray) -> Forest:
        """Train each class's forest on the examples in which that class was annotated.

        Parameters
        ----------
        x : np.ndarray [shape=(n_examples, n_frames, n_bins)]
        targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0 or NaN (not annotated)
        """
        from sklearn.ensemble import RandomForestClassifier

        for k in range(self.spec.n_classes):
            observed = ~np.isnan(targets[:, k])  # an unknown label is not a negative one, so leave these examples out
            if len(np.unique(targets[observed, k])) < 2:
                raise InputError(
                    "Expected positive and negative training examples of class number {k}, got one kind. "
                    "Remove the class or choose another split.",
                    k=k + 1,
                )
            forest = RandomForestClassifier(
                self.options.n_estimators, max_depth=self.options.max_depth, random_state=self.spec.seed, n_jobs=1
            )
            self.trees.append(forest.fit(summarize_clips(x[observed]), targets[observed, k] > 0.5))
        return self

    def save(self, path: Path) -> None:
        """Write the forests with skops: unlike pickle, it runs no code when a file is loaded."""
        import skops.io

        skops.io.dump(self.trees, path)

    def describe_layers(self) -> list[dict[str, Any]]:
        """Return each class's trees, nodes and feature importances, for layers.json."""
        return [
            {
                "name": f"forest{k}",
                "kind": "RandomForestClassifier",
                "output_shape": [1],
                "parameters": int(sum(tree.tree_.node_count for tree in forest.estimators_)),
                "trees": len(forest.estimators_),
                "leans_on": [round(float(share), 6) for share in forest.feature_importances_],
            }
            for k, forest in enumerate(self.trees)
        ]


def build(options: Options, spec: ModelSpec) -> Forest:
    """Return forests without trees."""
    return Forest(options, spec)


def summarize_clips(x: np.ndarray) -> np.ndarray:
    """Return the mean over a clip's frames: [shape=(n, n_frames, n_bins)] → [shape=(n, n_bins)], float32."""
    return np.asarray(x, dtype=np.float32).mean(axis=1)


def load_forest(path: Path) -> list[Any]:
    """Load the forests that `save` wrote.

    Raises
    ------
    InputError
        If the file contains anything but scikit-learn's own types.
    """
    import skops.io

    foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES)
    if foreign:
        raise InputError(
            "Expected only scikit-learn models in {path_name}, but it names {foreign}. Train the run again.",
            path_name=path.name,
            foreign=", ".join(foreign),
        )
    return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))


def predict_scores(trees: list[Any], x: np.ndarray, task: str) -> np.ndarray:
    """Return each class's share of trees, [shape=(n, n_classes)], float32. Rows sum to 1 if the task is `single`."""
    means = summarize_clips(x)
    scores = np.stack([tree.predict_proba(means)[:, 1] for tree in trees], axis=1).astype(np.float32)
    if task == "single":
        scores = np.maximum(scores, 1e-6)  # a row of zeros could not be divided by its sum
        scores /= scores.sum(axis=1, keepdims=True)
    return scores
