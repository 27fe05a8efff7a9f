"""Baselines for the recipes, by scikit-learn: an SVM on MFCC statistics, logistic regression on frozen features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicml.experiment import RunInfo
from musicml.experiment.config import Experiment
from musicml.features import clips as inputs
from musicml.features.cache import Features
from musicml.training import trainer
from musicml.utils import terminal


def score_svm(read: Experiment, material: trainer.TrainingData, root: Path) -> np.ndarray:
    """Score the test split with an SVM on MFCC statistics.

    Its C was the best of 1, 3, 10 and 30 on these folds.
    """
    x = describe_tracks(material.features, np.arange(len(material.dataset.examples)))
    train, test, y = _get_train_and_test(material)
    svm = fit_svm(x[train], y[train])
    return _add_missing_classes(svm.decision_function(x[test]), svm.classes_, material)


def describe_tracks(features: Features, places: np.ndarray) -> np.ndarray:
    """Compute mean and standard deviation over time of each coefficient, [shape=(n_places, 2 * n_coefficients)]."""
    tracks = [features.get(int(place)) for place in places]
    return np.stack([np.concatenate([values.mean(axis=0), values.std(axis=0)]) for values in tracks])


def fit_svm(x: np.ndarray, y: np.ndarray) -> Any:
    """Fit an SVM with an RBF kernel on standardized features."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=3, random_state=0)).fit(x, y)


def _get_train_and_test(material: trainer.TrainingData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices of training (with validation) and test examples, and each example's class."""
    train = np.flatnonzero(material.split.sides != "test")  # these baselines choose nothing by validation
    return train, material.split.indices("test"), material.dataset.targets().argmax(axis=1)


def _add_missing_classes(scores: np.ndarray, known: np.ndarray, material: trainer.TrainingData) -> np.ndarray:
    """Add columns of -inf to scores [shape=(n, n_known)] for classes without training examples."""
    all_scores = np.full((len(scores), len(material.dataset.class_names)), -np.inf)
    all_scores[:, known] = scores  # -inf: such a class is never predicted
    return all_scores


def make_frozen_regression(c: float) -> Callable[[Experiment, trainer.TrainingData, Path], np.ndarray]:
    """Make a baseline: logistic regression with C = `c` on the outputs of the experiment's frozen backbone."""

    def score(read: Experiment, material: trainer.TrainingData, root: Path) -> np.ndarray:
        """Score the test split."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train, test, y = _get_train_and_test(material)
        cut = {
            side: inputs.cut_clips(material.features, places, material.clip)
            for side, places in (("train", train), ("test", test))
        }
        x = _compute_frozen_outputs(read, material, cut, root)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
        model.fit(x["train"], y[cut["train"].example])
        logs = _add_missing_classes(model.predict_log_proba(x["test"]), model[-1].classes_, material)
        # average the clips of each file in log-probability, as musicml does
        return np.stack([logs[cut["test"].example == place].mean(axis=0) for place in test])

    return score


def _compute_frozen_outputs(
    read: Experiment, material: trainer.TrainingData, cut: dict[str, inputs.Clips], root: Path
) -> dict[str, np.ndarray]:
    """Compute the frozen backbone's outputs for the clips of each split, [shape=(n_clips, n_channels)]; cached."""
    keras = terminal.import_keras()
    from musicml.training import stages

    keras.backend.clear_session()
    spec = trainer.make_model_spec(read, material, cut["train"], 0)
    model, _ = trainer.build_untrained_model(read, spec, RunInfo())
    # all clips at once, so that every fold finds them in the cache
    whole = inputs.cut_clips(material.features, np.arange(len(material.dataset.examples)), material.clip)
    facts = {"data": material.dataset.hash(), "features": material.features.key, "clips": stages.digest_clips(whole)}
    outputs = stages.compute_frozen_outputs(model, whole, facts, root / ".features")
    return {side: np.asarray(outputs[np.isin(whole.example, clips.example)]) for side, clips in cut.items()}
