"""Rivals of the recipes, by scikit-learn: an SVM on MFCC statistics, logistic regression on frozen features."""

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


def svm_on_statistics(read: Experiment, material: trainer.TrainingData, root: Path) -> np.ndarray:
    """An SVM on the mean and the spread of each coefficient; its C is the best of 1, 3, 10 and 30 on these folds."""
    x = describe_tracks(material.features, np.arange(len(material.dataset.examples)))
    train, test, y = taught(material)
    svm = fit_svm(x[train], y[train])
    return in_all_columns(svm.decision_function(x[test]), svm.classes_, material)


def describe_tracks(features: Features, places: np.ndarray) -> np.ndarray:
    """The mean and the spread over time of each coefficient, [shape=(n_places, 2 * n_coefficients)]."""
    tracks = [features.get(int(place)) for place in places]
    return np.stack([np.concatenate([values.mean(axis=0), values.std(axis=0)]) for values in tracks])


def fit_svm(x: np.ndarray, y: np.ndarray) -> Any:
    """The fitted rival: standardized numbers, and an SVM with the usual kernel."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=3, random_state=0)).fit(x, y)


def taught(material: trainer.TrainingData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of the training side, validation included, and of the test side; and each example's class."""
    train = np.flatnonzero(material.split.sides != "test")
    return train, material.split.indices("test"), material.dataset.targets().argmax(axis=1)


def in_all_columns(scores: np.ndarray, known: np.ndarray, material: trainer.TrainingData) -> np.ndarray:
    """Scores [shape=(n, n_known)] with the columns of classes that training had none of, which are never answered."""
    whole = np.full((len(scores), len(material.dataset.class_names)), -np.inf)
    whole[:, known] = scores
    return whole


def regression_on_frozen(c: float) -> Callable[[Experiment, trainer.TrainingData, Path], np.ndarray]:
    """Logistic regression of strength `c` on what the experiment's frozen backbone makes of each clip."""

    def scores(read: Experiment, material: trainer.TrainingData, root: Path) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train, test, y = taught(material)
        cut = {
            side: inputs.cut_clips(material.features, places, material.clip)
            for side, places in (("train", train), ("test", test))
        }
        x = frozen(read, material, cut, root)
        found = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
        found.fit(x["train"], y[cut["train"].example])
        logs = in_all_columns(found.predict_log_proba(x["test"]), found[-1].classes_, material)
        return np.stack([logs[cut["test"].example == place].mean(axis=0) for place in test])

    return scores


def frozen(
    read: Experiment, material: trainer.TrainingData, cut: dict[str, inputs.Clips], root: Path
) -> dict[str, np.ndarray]:
    """What the frozen backbone makes of each side's clips, [shape=(n_clips, n_channels)]; kept in the store."""
    keras = terminal.import_keras()
    from musicml.training import stages

    keras.backend.clear_session()
    spec = trainer.make_model_spec(read, material, cut["train"], 0)
    model, _ = trainer.build_untrained_model(read, spec, RunInfo())
    whole = inputs.cut_clips(material.features, np.arange(len(material.dataset.examples)), material.clip)
    facts = {"data": material.dataset.hash(), "features": material.features.key, "clips": stages.digest_clips(whole)}
    outputs = stages.compute_frozen_outputs(model, whole, facts, root / ".features")
    return {side: np.asarray(outputs[np.isin(whole.example, clips.example)]) for side, clips in cut.items()}
