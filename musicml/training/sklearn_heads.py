"""Fit what scikit-learn finds on a model's fixed outputs: logistic regression, a linear SVM, or one with a kernel.

The first two are one matrix and one bias, so they become the model's dense layer; the third becomes a few layers. So a
run is served, exported and explained like that of any network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.features import UNOBSERVED
from musicml.models import add_support_vectors

NEVER = -30.0  # logit of a class that no example taught
MAX_ITERATIONS = 2_000


def fit_linear_head(model: Any, layer: str, x: np.ndarray, targets: np.ndarray, settings: Any, balanced: bool) -> None:
    """Give the dense layer `layer` of `model` the weights that scikit-learn finds.

    Parameters
    ----------
    x : np.ndarray [shape=(n_clips, n_channels)], what the layer is given
    targets : np.ndarray [shape=(n_clips, n_classes)], 1, 0, or `UNOBSERVED`
    settings : with `head`, `logistic` or `svm`, and its strength `c`
    balanced : whether all classes count alike, however many examples they have
    """
    dense = model.get_layer(layer)
    if dense.activation.__name__ == "softmax":
        kernel, bias = _fit_classes(x, targets.argmax(axis=1), targets.shape[1], settings, balanced)
    else:
        columns = [
            _fit_classes(x[column != UNOBSERVED], column[column != UNOBSERVED] > 0.5, 2, settings, balanced)
            for column in targets.T
        ]
        # a sigmoid of the difference of two logits is the softmax of the two
        kernel = np.stack([weights[:, 1] - weights[:, 0] for weights, _ in columns], axis=1)
        bias = np.array([both[1] - both[0] for _, both in columns])
    dense.set_weights([kernel, bias])


def fit_kernel_machine(model: Any, x: np.ndarray, targets: np.ndarray, settings: Any, balanced: bool) -> Any:
    """Fit a support vector machine with a Gaussian kernel for each class against the others.

    Parameters
    ----------
    model : of the family `svm`
    x : np.ndarray [shape=(n_clips, n_statistics)], what its layer `standardised_pooled` gives
    targets, balanced : as `fit_linear_head` takes them
    settings : with the strength `c` and `gamma`

    Returns
    -------
    keras.Model that answers as the machines do
    """
    from sklearn.svm import SVC

    gamma = settings.gamma or 1 / x.shape[1]
    kernel, bias = np.zeros((len(x), targets.shape[1])), np.zeros(targets.shape[1])
    for k, column in enumerate(targets.T):
        seen = np.flatnonzero(column != UNOBSERVED)
        known = np.unique(column[seen] > 0.5)
        if len(known) < 2:
            bias[k] = 0.0 if known.any() else NEVER
            continue
        weight = "balanced" if balanced else None
        fitted = SVC(C=settings.c, gamma=gamma, class_weight=weight).fit(x[seen], column[seen] > 0.5)
        kernel[seen[fitted.support_], k], bias[k] = fitted.dual_coef_[0], fitted.intercept_[0]
    used = np.flatnonzero(kernel.any(axis=1))
    used = used if len(used) else np.array([0])  # one class only: a model needs a vector all the same
    return add_support_vectors(model, x[used], gamma, kernel[used], bias)


def _fit_classes(
    x: np.ndarray, labels: np.ndarray, n_classes: int, settings: Any, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one model and return its kernel [shape=(n_channels, n_classes)] and bias [(n_classes,)]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    weight = "balanced" if balanced else None
    kernel, bias = np.zeros((x.shape[1], n_classes)), np.full(n_classes, NEVER)
    known = np.unique(labels).astype(int)
    if len(known) == 1:
        bias[known] = 0.0
        return kernel, bias
    if settings.head == "logistic":
        fitted = LogisticRegression(C=settings.c, class_weight=weight, max_iter=MAX_ITERATIONS).fit(x, labels)
    else:
        fitted = LinearSVC(C=settings.c, class_weight=weight, max_iter=MAX_ITERATIONS, random_state=0).fit(x, labels)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(known) == 2:  # scikit-learn keeps one row of the two, which are opposites
        coefficients, intercepts = np.concatenate([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercepts / 2
    kernel[:, known], bias[known] = coefficients.T, intercepts
    return kernel, bias
