"""Fit heads on a model's fixed outputs with scikit-learn: logistic regression, a linear SVM, or one with a kernel.

The first two are a matrix and a bias, so they become the model's dense layer; the third becomes a few layers. So such
a run is used, exported and explained like any network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.features import UNOBSERVED
from musicml.models import add_support_vectors

NEVER = -30.0  # logit of a class without training examples: its probability is practically 0
MAX_ITERATIONS = 2_000


def fit_linear_head(model: Any, layer: str, x: np.ndarray, targets: np.ndarray, settings: Any, balanced: bool) -> None:
    """Set the weights of the dense layer `layer` of `model` to those that scikit-learn finds.

    Parameters
    ----------
    x : np.ndarray [shape=(n_clips, n_channels)], the layer's input
    targets : np.ndarray [shape=(n_clips, n_classes)], 1, 0, or `UNOBSERVED`
    settings : with `head`, `logistic` or `svm`, and the inverse regularization strength `c`
    balanced : whether all classes have equal weight, however many examples they have
    """
    dense = model.get_layer(layer)
    if dense.activation.__name__ == "softmax":
        kernel, bias = _fit_classes(x, targets.argmax(axis=1), targets.shape[1], settings, balanced)
    else:
        # one binary classifier for each class, on the examples in which the class was annotated
        columns = [
            _fit_classes(x[column != UNOBSERVED], column[column != UNOBSERVED] > 0.5, 2, settings, balanced)
            for column in targets.T
        ]
        # the softmax of two logits is the sigmoid of their difference
        kernel = np.stack([weights[:, 1] - weights[:, 0] for weights, _ in columns], axis=1)
        bias = np.array([biases[1] - biases[0] for _, biases in columns])
    dense.set_weights([kernel, bias])


def fit_kernel_machine(model: Any, x: np.ndarray, targets: np.ndarray, settings: Any, balanced: bool) -> Any:
    """Fit a support vector machine with a Gaussian kernel for each class against the others.

    Parameters
    ----------
    model : of the family `svm`
    x : np.ndarray [shape=(n_clips, n_statistics)], output of its layer `standardised_pooled`
    targets, balanced : as for `fit_linear_head`
    settings : with the inverse regularization strength `c` and `gamma`

    Returns
    -------
    keras.Model with the same decisions as the machines
    """
    from sklearn.svm import SVC

    gamma = settings.gamma or 1 / x.shape[1]
    kernel, bias = np.zeros((len(x), targets.shape[1])), np.zeros(targets.shape[1])
    for k, column in enumerate(targets.T):
        observed = np.flatnonzero(column != UNOBSERVED)
        present = np.unique(column[observed] > 0.5)
        if len(present) < 2:
            bias[k] = 0.0 if present.any() else NEVER
            continue
        weight = "balanced" if balanced else None
        fitted = SVC(C=settings.c, gamma=gamma, class_weight=weight).fit(x[observed], column[observed] > 0.5)
        kernel[observed[fitted.support_], k], bias[k] = fitted.dual_coef_[0], fitted.intercept_[0]
    # clips that no machine uses as a support vector are dropped
    used = np.flatnonzero(kernel.any(axis=1))
    used = used if len(used) else np.array([0])  # with one class only there are none, but the layer needs at least one
    return add_support_vectors(model, x[used], gamma, kernel[used], bias)


def _fit_classes(
    x: np.ndarray, labels: np.ndarray, n_classes: int, settings: Any, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one model and return its kernel [shape=(n_channels, n_classes)] and bias [(n_classes,)]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    weight = "balanced" if balanced else None
    kernel, bias = np.zeros((x.shape[1], n_classes)), np.full(n_classes, NEVER)
    present = np.unique(labels).astype(int)
    if len(present) == 1:
        bias[present] = 0.0
        return kernel, bias
    if settings.head == "logistic":
        fitted = LogisticRegression(C=settings.c, class_weight=weight, max_iter=MAX_ITERATIONS).fit(x, labels)
    else:
        fitted = LinearSVC(C=settings.c, class_weight=weight, max_iter=MAX_ITERATIONS, random_state=0).fit(x, labels)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # scikit-learn keeps one of two opposite rows
        coefficients, intercepts = np.concatenate([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercepts / 2
    kernel[:, present], bias[present] = coefficients.T, intercepts
    return kernel, bias
