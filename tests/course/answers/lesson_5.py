"""Right and wrong answers to the exercises of lesson 5."""

import numpy as np


def normalize(outputs, mean, variance, gamma, beta):
    return gamma * (outputs - mean) / np.sqrt(variance + 1e-3) + beta


def normalize_with_batch(outputs, mean, variance, gamma, beta):
    return normalize(outputs, outputs.mean(axis=0), outputs.var(axis=0), gamma, beta)


def normalize_with_variance(outputs, mean, variance, gamma, beta):
    return gamma * (outputs - mean) / variance + beta


def normalize_without_epsilon(outputs, mean, variance, gamma, beta):
    return gamma * (outputs - mean) / np.sqrt(variance) + beta


def normalize_with_epsilon_outside(outputs, mean, variance, gamma, beta):
    return gamma * (outputs - mean) / (np.sqrt(variance) + 1e-3) + beta


def scale_offset_too(outputs, mean, variance, gamma, beta):
    return gamma * ((outputs - mean) / np.sqrt(variance + 1e-3) + beta)


def standardize(outputs, mean, variance, gamma, beta):
    return (outputs - mean) / np.sqrt(variance)


ANSWERS = {
    "5.1": ("train/trumpet/003.jpg", ("train/trombone/003.jpg", "test/drums/1.jpg", "train/banjo/001.jpg", "trumpet")),
    "5.2": (23_070, (23_040, 798, 23_808, 1_863_070, 1_950, 23.070)),
    "5.3": (
        normalize,
        (
            normalize_with_batch,
            normalize_with_variance,
            standardize,
            normalize_without_epsilon,
            normalize_with_epsilon_outside,
            scale_offset_too,
            lambda *values: None,
        ),
    ),
    "5.4": (10, (30, 15, 0.1, 90)),
    "5.5": ("c", ("a", "b", "d")),
    "5.6": (
        lambda pixels: pixels / 127.5 - 1,
        (
            lambda pixels: pixels / 255,
            lambda pixels: pixels / 127.5,
            lambda pixels: pixels / 255 - 0.5,
            lambda pixels: 1 - pixels / 127.5,
            lambda pixels: pixels / 128 - 1,
            lambda pixels: (pixels * 2 - 255) / 255,
            lambda pixels: (pixels - pixels.min()) / np.ptp(pixels) * 2 - 1,
            lambda pixels: pixels // 127 - 1,
            lambda pixels: None,
        ),
    ),
    "5.7": (0.372, (0.251, 0.607, -0.372, 0.121, 0.334, 2.11, 37.2)),
    "5.8": ("b", ("a", "c", "d")),
    "5.9": ({"a", "b", "d"}, ({"a", "b", "c", "d"}, {"a", "b", "d", "e"}, {"a", "b"}, {"a", "d"}, {"b", "d"}, {"a"})),
}
