"""Right and wrong answers to the exercises of lesson 6."""

from itertools import product

import numpy as np


def _wilson(n_correct, n, z=1.96):
    share = n_correct / n
    a, b, c = 1 + z**2 / n, -(2 * share + z**2 / n), share**2
    root = np.sqrt(b**2 - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def _wald(n_correct, n):
    share = n_correct / n
    spread = 1.96 * np.sqrt(share * (1 - share) / n)
    return share - spread, share + spread


def _wilson_in_percent(n_correct, n):
    return tuple(100 * end for end in _wilson(n_correct, n))


def _wilson_with_wrong_sign(n_correct, n):
    return tuple(-end for end in _wilson(n_correct, n))


def _wilson_without_parentheses(n_correct, n):
    return tuple(end * (1 + 1.96**2 / n) ** 2 for end in _wilson(n_correct, n))


def _bootstrap(correct, groups, replace=True, pool=True):
    rng = np.random.default_rng(0)
    names, accuracies = np.unique(groups), []
    parts_of = {name: correct[groups == name] for name in names}
    for _ in range(600):
        parts = [parts_of[name] for name in rng.choice(names, len(names), replace=replace)]
        accuracies.append(np.concatenate(parts).mean() if pool else np.mean([part.mean() for part in parts]))
    return np.percentile(accuracies, [2.5, 97.5])


def _bootstrap_of_examples(correct, groups):
    return _bootstrap(correct, np.arange(len(correct)))


def _bootstrap_without_replacement(correct, groups):
    return _bootstrap(correct, groups, replace=False)


def _bootstrap_of_means(correct, groups):
    return _bootstrap(correct, groups, pool=False)


def _bootstrap_of_different_groups(correct, groups):
    rng, names = np.random.default_rng(0), np.unique(groups)
    draws = [correct[np.isin(groups, rng.choice(names, len(names)))] for _ in range(600)]
    return np.percentile([draw.mean() for draw in draws], [2.5, 97.5])


def _bootstrap_of_single_groups(correct, groups):
    rng, names = np.random.default_rng(0), np.unique(groups)
    return np.percentile([correct[groups == rng.choice(names)].mean() for _ in range(600)], [2.5, 97.5])


def _all_draws(correct, groups):
    return np.full(1000, np.mean(correct))


def _sums(leads):
    return np.array([np.dot(signs, leads) for signs in product([1, -1], repeat=len(leads))])


def _flip(leads):
    return np.mean(np.abs(_sums(leads)) >= abs(np.sum(leads)))


def _flip_strictly(leads):
    return np.mean(np.abs(_sums(leads)) > abs(np.sum(leads)))


def _flip_on_one_side(leads):
    return np.mean(_sums(leads) >= np.sum(leads))


def _flip_signs_only(leads):
    return _flip(np.sign(leads))


def _flip_without_absolute_observation(leads):
    return np.mean(np.abs(_sums(leads)) >= np.sum(leads))


def _flip_against_largest_sum(leads):
    return np.mean(np.abs(_sums(leads)) >= np.sum(np.abs(leads)))


def _return_nothing(*values):
    return None


def _count_flips(leads):
    return np.sum(np.abs(_sums(leads)) >= abs(np.sum(leads)))


ANSWERS = {
    "6.1": (1537, (400, 384, 6147, 2401, 39.2, 7683, 246, 784, 0.15)),
    "6.2": (
        _wilson,
        (
            _wald,
            lambda k, n: _wilson(k, n, 1.0),
            lambda k, n: _wilson(k, n, 1.645),
            _wilson_in_percent,
            _wilson_with_wrong_sign,
            _wilson_without_parentheses,
            lambda k, n: _wilson(k, n)[0],
            lambda k, n: (np.nan, np.nan),
            _return_nothing,
        ),
    ),
    "6.3": (18.2, (42.6, 100, 10, 550, 5.9)),
    "6.4": (
        _bootstrap,
        (
            _bootstrap_of_examples,
            _bootstrap_of_means,
            _bootstrap_without_replacement,
            _bootstrap_of_different_groups,
            _bootstrap_of_single_groups,
            _all_draws,
            _return_nothing,
        ),
    ),
    "6.5": (0.06357, (0.03178, 0.165, 0.497, 0.0389, 1.9e-6, 0.06, 6.36)),
    "6.6": (
        _flip,
        (
            _flip_strictly,
            _flip_on_one_side,
            _flip_signs_only,
            _flip_without_absolute_observation,
            _flip_against_largest_sum,
            _count_flips,
            _return_nothing,
        ),
    ),
    "6.7": (
        [0.06, 0.016, 0.06, 0.6],
        (
            [0.044, 0.016, 0.06, 0.6],
            [0.088, 0.016, 0.08, 1.0],
            [0.016, 0.06, 0.06, 0.6],
            [0.088, 0.012, 0.04, 0.6],
            [0.066, 0.004, 0.04, 2.4],
        ),
    ),
    "6.8": (
        {"a", "b", "d", "e"},
        ({"a", "b", "c", "d", "e"}, {"a", "d", "e"}, {"a", "b", "e"}, {"a", "b", "d"}, {"a"}),
    ),
    "6.9": (0.3232, (0.16, 0.68, 0.2, 0.5, 0.4, 0.04, 0.32, 32.3)),
    "6.10": ("b", ("a", "c")),
}
