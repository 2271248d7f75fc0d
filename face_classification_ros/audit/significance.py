"""Tests and intervals for differences between groups, and before and after a perturbation."""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact

from face_classification_ros.evaluation.metrics import wilson_interval

LEVEL = 0.05
"""A difference with a corrected p value below this is significant."""


def compare_with_others(correct: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    """Return the two-sided p value of a group having the same accuracy as all other faces.

    By Fisher's exact test (1922), which is valid for few faces, too; 1 if there are no others.

    Args:
        correct: N, whether the predicted label is the true one.
        inside: N, whether the face is in the group.
    """
    table = [
        [int((correct[part] == value).sum()) for value in (True, False)]
        for part in (inside, ~inside)
    ]
    return float(fisher_exact(table)[1])


def compare_paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """Return the two-sided p value of a property being gained as often as lost.

    By McNemar's exact test (1947), which depends only on the faces that change.

    Args:
        before: N, whether a face has the property before a change.
        after: N, whether the same face has it after the change.
    """
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def correct_p_values(p_values: Sequence[float]) -> list[float]:
    """Correct the p values of several tests, so that a false positive among all stays rare.

    By Holm's step-down method (1979), which is valid for dependent tests, as groups share faces.

    Returns:
        One for each, 0 to 1. If those below `LEVEL` are called significant, the probability of
        any false positive is at most `LEVEL`.
    """
    values = np.array(p_values, np.float64)
    order = values.argsort()
    stepped = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected.tolist()


def difference_interval(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> list[float]:
    """Return the 95 % interval [low, high] of the difference of two independent proportions.

    Source: Newcombe, "Interval estimation for the difference between independent proportions",
    1998, method 10.

    Args:
        first: N, at least one, whether a face has the property.
        second: M, at least one, the same of other faces.
    """
    one, other = float(first.mean()), float(second.mean())
    (low, high), (other_low, other_high) = wilson_interval(first), wilson_interval(second)
    return [
        one - other - math.hypot(one - low, other_high - other),
        one - other + math.hypot(high - one, other - other_low),
    ]
