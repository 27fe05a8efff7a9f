"""Answers to the exercises of lesson 4: a right one, and wrong ones that show a mistake."""

import numpy as np

from musicml.course.exercises.lesson_4 import find_share_of_known_artists, run_rnn


def _run_without_past(x, W, U, b):
    return np.tanh(x @ W + b)


def _run_without_tanh(x, W, U, b):
    h, states = 0 * b, []
    for frame in x:
        h = frame @ W + h @ U + b
        states.append(h)
    return states


ANSWERS = {
    "4.1": (61, (60, 62, 65, 16)),
    "4.2": (
        run_rnn,
        (
            _run_without_past,
            _run_without_tanh,
            lambda x, W, U, b: run_rnn(x, W, U.T, b),
            lambda x, W, U, b: run_rnn(x, W, U, b)[-1],
            lambda x, W, U, b: run_rnn(x, W, U, 0 * b),
            lambda x, W, U, b: np.vstack([0 * b, run_rnn(x[1:], W, U, b)]),
            lambda x, W, U, b: np.vstack([0 * b, run_rnn(x, W, U, b)]),
            lambda x, W, U, b: run_rnn(x, W, U, b).T,
            lambda x, W, U, b: None,
        ),
    ),
    "4.3": (1.02, (44, 43 * 512 / 22_050, (43 * 512 + 2048) / 22_050, 0.51, 4.09, 0.23)),
    "4.4": (5, (2, 4, 6)),
    "4.5": ("iiof", ("iio", "oiof", "ooif", "ffoi", "i i i f", "iioo")),
    "4.6": (27, (28, 32, 24, 26, 4512)),
    "4.7": ("b", ("a", "c")),
    "4.8": (
        find_share_of_known_artists,
        (
            lambda train, test: len(set(train) & set(test)) / len(set(test)),
            lambda train, test: np.mean([artist in test for artist in train]),
            lambda train, test: sum(artist in train for artist in test),
            lambda train, test: np.mean([artist not in train for artist in test]),
            lambda train, test: 100 * find_share_of_known_artists(train, test),
            lambda train, test: len(set(train) & set(test)) / len(test),
            lambda train, test: sum(first == second for first in train for second in test) / len(test),
            lambda train, test: None,
        ),
    ),
    "4.9": (0.4375, (0.389, 0.35, 0.5625, 43.75)),
}
