"""Random forests: for each class one forest on the mean of a clip's features, as OpenMIC-2018's authors do it.

Their baseline (Humphrey, Durand and McFee, ISMIR 2018): 100 trees of depth 8 an instrument, trained on the clips
in which that instrument was looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml.models.base import ModelSpec
from musicml.utils import InputError, define_option

# what a forest is made of, beside what skops trusts by itself
TRUSTED_TYPES = {"sklearn.tree._tree.Tree"}


@dataclass(frozen=True)
class Options:
    """Settings of the forests."""

    n_estimators: int = define_option(100, least=1, most=10000)
    max_depth: int = define_option(8, least=1, most=100)


@dataclass
class Forest:
    """One forest a class.

    Attributes
    ----------
    trees : list of `sklearn.ensemble.RandomForestClassifier`, in the order of the classes
    """

    options: Options
    spec: ModelSpec
    trees: list = field(default_factory=list)

    def fit(self, x: np.ndarray, targets: np.ndarray) -> Forest:
        """Train every class on the examples in which it was looked for.

        Parameters
        ----------
        x : np.ndarray [shape=(n_examples, n_frames, n_bins)]
        targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0 or NaN
        """
        from sklearn.ensemble import RandomForestClassifier

        for k in range(self.spec.n_classes):
            seen = ~np.isnan(targets[:, k])
            if len(np.unique(targets[seen, k])) < 2:
                raise InputError(
                    "class number {k} must have positive and negative training examples, and has one kind "
                    "only: leave the class out or take another split.",
                    k=k + 1,
                )
            tree = RandomForestClassifier(
                self.options.n_estimators, max_depth=self.options.max_depth, random_state=self.spec.seed, n_jobs=1
            )
            self.trees.append(tree.fit(summarize_clips(x[seen]), targets[seen, k] > 0.5))
        return self

    def save(self, path: Path) -> None:
        """Write the forests with skops, which unlike pickle runs no code when it is read."""
        import skops.io

        skops.io.dump(self.trees, path)

    def describe_layers(self) -> list[dict[str, Any]]:
        """What layers.json says of a forest: each class's trees and nodes, and how much it leans on each feature."""
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
    """Forests without trees yet."""
    return Forest(options, spec)


def summarize_clips(x: np.ndarray) -> np.ndarray:
    """The mean over a clip's frames: [shape=(n, n_frames, n_bins)] → [shape=(n, n_bins)], float32."""
    return np.asarray(x, dtype=np.float32).mean(axis=1)


def load_forest(path: Path) -> list[Any]:
    """The forests that `save` wrote; refuses a file that holds anything but scikit-learn's own parts.

    Raises
    ------
    InputError
        If the file names a type that skops does not trust.
    """
    import skops.io

    foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES)
    if foreign:
        raise InputError(
            "{path_name} must hold scikit-learn models only, and names {foreign}: train the run again.",
            path_name=path.name,
            foreign=", ".join(foreign),
        )
    return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))


def predict_scores(trees: list[Any], x: np.ndarray, task: str) -> np.ndarray:
    """Each class's share of trees, [shape=(n, n_classes)], float32; of a single-label task made to sum to 1."""
    means = summarize_clips(x)
    found = np.stack([tree.predict_proba(means)[:, 1] for tree in trees], axis=1).astype(np.float32)
    if task == "single":
        found = np.maximum(found, 1e-6)
        found /= found.sum(axis=1, keepdims=True)
    return found
