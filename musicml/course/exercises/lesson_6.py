"""The exercises of lesson 6: what a result is worth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import sqrt
from typing import Any

import numpy as np

from musicml.course.checking import (
    RETURNS_NOTHING,
    Exercise,
    Mistake,
    has_letters,
    is_array,
    is_between,
    is_letters,
    is_missing_return,
    is_near,
    is_text,
    read_letters,
)
from musicml.utils import Message

Z = 1.96
COUNTS = ((149, 150), (30, 30), (0, 12), (7, 10))  # correct, n
LEADS = ((4, 1, 1), (3, -1), (1, 1, 1, 1, 1), (2, 1, -1, 3, 0, 1), (-2, -3, 1, -1))
HOLM = (0.06, 0.016, 0.06, 0.6)
P_VALUES = np.array([0.022, 0.004, 0.02, 0.6])


def _compute_wilson(n_correct: int, n: int, z: float = Z) -> tuple[float, float]:
    """Compute Wilson's interval."""
    center, spread = n_correct + z * z / 2, z * sqrt(n_correct * (n - n_correct) / n + z * z / 4)
    return (center - spread) / (n + z * z), (center + spread) / (n + z * z)


def _compute_wald(n_correct: int, n: int) -> tuple[float, float]:
    """Compute the interval of the normal approximation."""
    share = n_correct / n
    spread = Z * sqrt(share * (1 - share) / n)
    return share - spread, share + spread


def _is_interval(compute: Callable[[int, int], tuple[float, ...]]) -> Callable[[Any], bool]:
    """Make a predicate: a function returns the same intervals as `compute`, with its ends in any order."""

    def is_same(function: Any) -> bool:
        """Return whether the answer equals the expected one."""
        ends = [np.sort(np.asarray(function(*counts), dtype=float).ravel()) for counts in COUNTS]
        return all(
            len(got) == 2 and np.allclose(got, compute(*counts), atol=2e-3)
            for got, counts in zip(ends, COUNTS, strict=True)
        )

    return is_same


def _make_clustered() -> tuple[np.ndarray, np.ndarray]:
    """Make answers in 24 groups of different sizes, whose larger groups are harder: `correct`, `groups`."""
    sizes = np.array([2] * 8 + [5] * 8 + [14] * 8)
    n_correct = np.array([2, 2, 2, 2, 2, 2, 2, 0, 5, 5, 0, 5, 5, 5, 4, 5, 0, 14, 1, 14, 0, 2, 14, 0])
    correct = [np.arange(size) < count for size, count in zip(sizes, n_correct, strict=True)]
    return np.concatenate(correct).astype(int), np.repeat(np.arange(len(sizes)), sizes)


def _draw_interval(by_group: bool, is_pooled: bool = True) -> np.ndarray:
    """Compute the percentiles of a bootstrap over the groups of `_make_clustered`, or over its examples."""
    correct, groups = _make_clustered()
    units = np.unique(groups, return_inverse=True)[1] if by_group else np.arange(len(correct))
    sizes, sums = np.bincount(units), np.bincount(units, correct)
    draws = np.random.default_rng(1).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=20_000)
    accuracies = draws @ sums / (draws @ sizes) if is_pooled else draws @ (sums / sizes) / len(sizes)
    return np.percentile(accuracies, [2.5, 97.5])


def _is_draw_interval(by_group: bool, is_pooled: bool = True) -> Callable[[Any], bool]:
    """Make a predicate: a function returns this bootstrap interval, within the luck of its draws."""

    def is_same(function: Any) -> bool:
        """Return whether the answer equals the expected one."""
        ends = np.asarray(function(*_make_clustered()), dtype=float)
        return ends.shape == (2,) and np.allclose(ends, _draw_interval(by_group, is_pooled), atol=0.05)

    return is_same


def _is_wide(low: float, high: float) -> Callable[[Any], bool]:
    """Make a predicate: a function's interval has the right center, and `low` to `high` times the right width."""

    def is_inside(function: Any) -> bool:
        """Return whether the interval's width is in the range."""
        ends, right = np.asarray(function(*_make_clustered()), dtype=float), _draw_interval(by_group=True)
        return abs(ends.mean() - right.mean()) < 0.1 and low <= np.ptp(ends) / np.ptp(right) <= high

    return is_inside


def _has_no_width(function: Any) -> bool:
    low, high = function(*_make_clustered())
    return abs(high - low) < 1e-6


def _list_sums(leads: np.ndarray) -> np.ndarray:
    """List the sums of the leads for all patterns of signs."""
    return np.array(list(product([1, -1], repeat=len(leads)))) @ leads


def _compute_flip(leads: np.ndarray) -> float:
    """Compute the p value of the sign-flip test by listing all patterns."""
    return float((abs(_list_sums(leads)) >= abs(leads.sum())).mean())


def _is_flip(compute: Callable[[np.ndarray], float]) -> Callable[[Any], bool]:
    """Make a predicate: a function returns the same p values as `compute`, within the luck of random patterns."""

    def is_same(function: Any) -> bool:
        """Return whether the answer equals the expected one."""
        got = [function(np.array(leads)) for leads in LEADS]
        return None not in got and all(
            abs(float(p) - compute(np.array(leads))) <= 0.02 for p, leads in zip(got, LEADS, strict=True)
        )

    return is_same


EXERCISES = {
    "6.1": Exercise(
        expected=Message("a number of test examples"),
        is_right=is_between(1520, 1620),
        mistakes=(
            Mistake(
                is_between(395, 405),
                Message(
                    "With so many examples, one standard error is 0.02. How many standard errors does a 95% interval "
                    "reach to each side?"
                ),
            ),
            Mistake(
                is_between(380, 392),
                Message(
                    "You put the whole width, 0.04, where the distance to one side belongs. The standard error counts "
                    "from the middle."
                ),
            ),
            Mistake(
                is_between(6000, 6300),
                Message("That makes the whole interval 0.02 wide. It should reach 0.02 to each side of 0.8."),
            ),
            Mistake(
                is_between(2380, 2420),
                Message(
                    "You used the variance of an accuracy of one half, the worst case. The exercise expects another "
                    "accuracy."
                ),
            ),
            Mistake(
                is_between(7600, 7750),
                Message("Below the root stands p(1-p), not p alone."),
            ),
            Mistake(
                is_between(240, 250),
                Message(
                    "p(1-p) stands below the root. If both sides are squared, the root goes, and it stays as it is."
                ),
            ),
            Mistake(
                is_near(784, 0.01),
                Message("If both sides are squared, 1.96 is squared as well."),
            ),
            Mistake(
                is_between(0, 1),
                Message("Fewer than one example? The distance is 0.02, not 2."),
            ),
            Mistake(
                is_between(30, 45),
                Message(
                    "The number of examples stands under a square root. When you solve for it, both sides must be "
                    "squared."
                ),
            ),
        ),
        hint=Message("Set 1.96 standard errors equal to the distance to one side, and solve for n."),
    ),
    "6.2": Exercise(
        expected=Message("a function of n_correct and n that returns two numbers"),
        is_right=_is_interval(_compute_wilson),
        mistakes=(
            Mistake(
                _is_interval(_compute_wald),
                Message(
                    "That is Wald's interval: it has no width if all are correct. Solve the quadratic equation, which "
                    "has the unknown p inside the standard error."
                ),
            ),
            Mistake(
                _is_interval(lambda k, n: _compute_wilson(k, n, 1.0)),
                Message("The interval is too narrow. Which z belongs to 95%?"),
            ),
            Mistake(
                _is_interval(lambda k, n: _compute_wilson(k, n, 1.645)),
                Message(
                    "Your z leaves 5% at each end, so this is a 90% interval. A 95% interval has 2.5% at each end."
                ),
            ),
            Mistake(
                is_missing_return(7, 10),
                RETURNS_NOTHING,
            ),
            Mistake(
                lambda function: np.size(function(7, 10)) == 1,
                Message("Return both ends: the lower and the upper one."),
            ),
            Mistake(
                lambda function: bool(np.isnan(function(149, 150)).any()),
                Message("The number under the root is negative. Is the share of correct examples n_correct / n?"),
            ),
            Mistake(
                _is_interval(lambda k, n: tuple(-end for end in _compute_wilson(k, n)[::-1])),
                Message("Your ends are negative. Look at the sign before the middle term of the equation."),
            ),
            Mistake(
                _is_interval(lambda k, n: tuple(end * (1 + Z * Z / n) ** 2 for end in _compute_wilson(k, n))),
                Message("Python computes x / 2 * a from left to right. Write 2 * a in parentheses."),
            ),
            Mistake(
                lambda function: np.max(function(149, 150)) > 1.5,
                Message("An accuracy above 1? Use shares, not percentages, and divide by the factor of p squared too."),
            ),
        ),
        hint=Message(
            "Name the three coefficients a, b and c of the equation, as in a·p² + b·p + c = 0. The share of correct "
            "examples is n_correct / n."
        ),
    ),
    "6.3": Exercise(
        expected=Message("a number of independent clips"),
        is_right=is_between(14, 23),
        mistakes=(
            Mistake(
                is_between(38, 48),
                Message(
                    "You divided 100 by the ratio of the standard deviations. How does the standard error depend on n?"
                ),
            ),
            Mistake(
                is_near(100, 0.03),
                Message("Compare the two histograms. If the clips were worth that much, both would be equally wide."),
            ),
            Mistake(
                is_near(10, 0.06),
                Message(
                    "That would be so if all clips of a track always had the same result. Here some tracks have "
                    "clips of both kinds. Use the two standard deviations."
                ),
            ),
            Mistake(
                is_between(2, 7),
                Message("This compares the two spreads. The exercise asks for a number of clips: start from the 100."),
            ),
            Mistake(
                is_between(150, 700),
                Message("Clips that resemble each other are worth less than independent ones, not more."),
            ),
        ),
        hint=Message(
            "The standard error is proportional to 1/√n. So what happens to n if the standard error grows by a factor?"
        ),
    ),
    "6.4": Exercise(
        expected=Message("a function of correct and groups that returns two numbers"),
        is_right=lambda function: _is_draw_interval(by_group=True)(function) and _is_wide(0.9, 1.1)(function),
        mistakes=(
            Mistake(
                is_missing_return(*_make_clustered()),
                RETURNS_NOTHING,
            ),
            Mistake(
                _is_wide(0.1, 0.5),
                Message(
                    "Your interval is much too narrow. Draw groups, not single examples, and not more of them than "
                    "there are. What was independent of what?"
                ),
            ),
            Mistake(
                _is_draw_interval(by_group=True, is_pooled=False),
                Message(
                    "You average the accuracies of the groups, so a small group counts as much as a large one. Pool "
                    "the examples of all drawn groups first."
                ),
            ),
            Mistake(
                _has_no_width,
                Message("All your draws are equal. Did you draw without replacement?"),
            ),
            Mistake(
                _is_wide(0.65, 0.9),
                Message(
                    "Your interval is a little too narrow. Do the examples of a group that was drawn twice count "
                    "twice? Are the percentiles 2.5 and 97.5?"
                ),
            ),
            Mistake(
                _is_wide(1.2, 3),
                Message("Your interval is too wide. How many groups does each draw have?"),
            ),
            Mistake(
                lambda function: np.size(function(*_make_clustered())) != 2,
                Message("Return only two numbers: the percentiles of all accuracies."),
            ),
        ),
        hint=Message(
            "`rng.choice` draws with replacement unless you forbid it. `correct[groups == name]` holds the examples of "
            "one group: join those of all drawn names before you take the mean."
        ),
    ),
    "6.5": Exercise(
        expected=Message("a p value between 0 and 1"),
        is_right=is_near(0.0636, 0.02),
        mistakes=(
            Mistake(
                is_near(0.0318, 0.02),
                Message("That is one side only. A surprise in favor of B would have counted as well."),
            ),
            Mistake(
                is_between(0.16, 0.23),
                Message("You compared 74 and 65 as if two different test sets had been drawn. The tracks are paired."),
            ),
            Mistake(
                is_between(0.45, 0.55),
                Message(
                    "You counted the 60 tracks that both models got right. Do they say anything about which model is "
                    "better?"
                ),
            ),
            Mistake(
                lambda p: is_between(0.036, 0.042)(p) or is_between(0.0655, 0.0675)(p),
                Message(
                    "That is the chi-square approximation. With so few coins, use the exact binomial distribution."
                ),
            ),
            Mistake(
                lambda p: float(p) < 1e-4,
                Message("You tossed a coin for every track. Only tracks where the models disagree are coin tosses."),
            ),
            Mistake(
                is_between(0.059, 0.0611),
                Message("This is rounded too much. Give at least three decimals."),
            ),
            Mistake(
                lambda p: float(p) > 1,
                Message("A probability is never above 1."),
            ),
        ),
        hint=Message("A track is a coin toss only if exactly one of the two models was right."),
    ),
    "6.6": Exercise(
        expected=Message("a function of an array of leads that returns a p value"),
        is_right=_is_flip(_compute_flip),
        mistakes=(
            Mistake(
                is_missing_return(np.array(LEADS[0])),
                RETURNS_NOTHING,
            ),
            Mistake(
                _is_flip(lambda leads: (abs(_list_sums(leads)) > abs(leads.sum())).mean()),
                Message(
                    "You count only sums that are farther from zero than the observed one. Equally far ones count too: "
                    "the observed pattern itself is one of them."
                ),
            ),
            Mistake(
                lambda function: (
                    _is_flip(lambda leads: (_list_sums(leads) >= leads.sum()).mean())(function)
                    or _is_flip(lambda leads: (_list_sums(leads) >= abs(leads.sum())).mean())(function)
                ),
                Message("You look at one side only. How far is a sum from zero, in either direction?"),
            ),
            Mistake(
                _is_flip(lambda leads: _compute_flip(np.sign(leads))),
                Message(
                    "You use only the signs of the leads. A group that leads by four tracks must move the sum by four."
                ),
            ),
            Mistake(
                _is_flip(lambda leads: (abs(_list_sums(leads)) >= leads.sum()).mean()),
                Message("The observed sum can be negative, too. How far is it from zero then?"),
            ),
            Mistake(
                _is_flip(lambda leads: (abs(_list_sums(leads)) >= abs(leads).sum()).mean()),
                Message("The observed sum keeps its signs: a lead of the other model counts against it."),
            ),
            Mistake(
                lambda function: any(float(function(np.array(leads))) > 1 for leads in LEADS),
                Message("A p value is a share: divide by the number of patterns."),
            ),
        ),
        hint=Message("Multiply each pattern by the leads and sum. Compare absolute values with the observed one."),
    ),
    "6.7": Exercise(
        expected=Message("a list of four p values"),
        is_right=is_array(HOLM, 1e-3),
        mistakes=(
            Mistake(
                is_array([0.044, 0.016, 0.06, 0.6]),
                Message(
                    "Two of your p values have changed places: a larger p became the smaller one. Read the rule again."
                ),
            ),
            Mistake(
                lambda answer: is_array(P_VALUES * 4)(answer) or is_array(np.minimum(1, P_VALUES * 4))(answer),
                Message("That is Bonferroni's correction. Holm's multiplies only the smallest p by all four."),
            ),
            Mistake(
                is_array([0.016, 0.06, 0.06, 0.6]),
                Message("These are sorted. Put each corrected p back in the place of its original."),
            ),
            Mistake(
                is_array(P_VALUES * [4, 3, 2, 1]),
                Message("You multiplied in the order of the list. Sort the p values first."),
            ),
            Mistake(
                is_array(P_VALUES * [3, 1, 2, 4]),
                Message("You gave the smallest p the smallest factor. It is the other way round."),
            ),
            Mistake(
                lambda answer: np.max(answer) > 1,
                Message("A probability is never above 1."),
            ),
        ),
        hint=Message("Write the sorted p values in a column, the factors beside them, and go down the column."),
    ),
    "6.8": Exercise(
        expected=Message("a set of letters"),
        is_right=is_letters("abde"),
        mistakes=(
            Mistake(
                has_letters("c"),
                Message(
                    "You accuse c. What does c learn from the test set before the only test? Choosing on the "
                    "validation set is allowed."
                ),
            ),
            Mistake(
                has_letters("ade", without="b"),
                Message("Look again at where the mean in b comes from. Which tracks does it know?"),
            ),
            Mistake(
                has_letters("abe", without="d"),
                Message("In d, training is clean. But how was the number in the report selected?"),
            ),
            Mistake(
                has_letters("abd", without="e"),
                Message("In e, no track is on both sides. Is there anything else that two tracks can share?"),
            ),
            Mistake(
                lambda answer: set() < read_letters(answer) < set("abde"),
                Message("These leak, but they are not all. Go through the list of leaks once for each protocol."),
            ),
        ),
        hint=Message("For each protocol, ask: does anything that trains or chooses know something of the test tracks?"),
    ),
    "6.9": Exercise(
        expected=Message("a probability between 0 and 1"),
        is_right=is_near(2 * 0.2 * 80 / 99, 0.005),
        mistakes=(
            Mistake(
                is_between(0.155, 0.165),
                Message(
                    "That is the probability that the first is in the test set and the second in the training set. "
                    "What about the other way round?"
                ),
            ),
            Mistake(
                is_between(0.66, 0.69),
                Message("That is the probability that both are on the same side."),
            ),
            Mistake(
                is_near(0.2, 0.02),
                Message("That is the probability that one given track is in the test set. The question is about two."),
            ),
            Mistake(
                is_near(0.5, 0.03),
                Message("There are two possibilities, but the two sides are not equally large."),
            ),
            Mistake(
                is_near(0.4, 0.03),
                Message(
                    "You added the probabilities of two single tracks. Then pairs with both in the test set count."
                ),
            ),
            Mistake(
                is_between(0.035, 0.045),
                Message("That is the probability that both are in the test set."),
            ),
            Mistake(
                is_near(0.32, 0.005),
                Message(
                    "Nearly: that would be so if each track were drawn on its own. Of exactly 100 places, the first "
                    "track has already taken one. Give at least three decimals."
                ),
            ),
            Mistake(
                lambda answer: float(answer) > 1,
                Message("A probability is never above 1."),
            ),
        ),
        hint=Message("Put the first track on a side. With what probability does the second one land on the other?"),
    ),
    "6.10": Exercise(
        expected=Message('"a", "b" or "c"'),
        is_right=is_text("b"),
        mistakes=(
            Mistake(
                is_text("a"),
                Message(
                    "Where are the other parts of the same track while its first part is tested, if all first parts "
                    "are one group?"
                ),
            ),
            Mistake(
                is_text("c"),
                Message(
                    "More seeds make an accuracy more certain, not lower. What do these groups separate that whole "
                    "files do not?"
                ),
            ),
        ),
        hint=Message("Imagine one track. Its clips are in which groups, and so in which folds?"),
    ),
}
