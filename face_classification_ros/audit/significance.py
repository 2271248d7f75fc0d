"""Tell differences from chance: between groups of faces, and before and after a change."""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact

from face_classification_ros.evaluation.metrics import wilson_interval

LEVEL = 0.05
"""A difference with a p value below this, after correction, is called significant."""


def compare_with_others(right: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    """Give the two-sided p value of a group being told as well as all other faces.

    By Fisher's exact test (1922), which holds for few faces, too; 1 where there are no others.

    Args:
        right: N, whether the told label is the true one.
        inside: N, whether the face is of the group.
    """
    table = [
        [int((right[part] == told).sum()) for told in (True, False)] for part in (inside, ~inside)
    ]
    return float(fisher_exact(table)[1])


def compare_paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """Give the two-sided p value of as many faces of the same N gaining as losing something.

    By McNemar's test (1947) in its exact form: the faces that stay as they were tell nothing.

    Args:
        before: N, whether it is so of a face before a change.
        after: N, likewise after it.
    """
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def correct_p_values(p_values: Sequence[float]) -> list[float]:
    """Correct p values of several tests, so that a false alarm in any of them stays rare.

    By Holm's step-down method (1979), which holds however the tests depend on each other; groups
    share faces, so they do.

    Returns:
        One for each, 0 to 1; with those below `LEVEL` called significant, the chance of calling
        any group so that does not differ is at most `LEVEL`.
    """
    values = np.array(p_values, np.float64)
    order = values.argsort()
    stepped = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected.tolist()


def difference_interval(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> list[float]:
    """Give the 95 % interval [low, high] of the first share minus the second, of other faces.

    Source: Newcombe, "Interval estimation for the difference between independent proportions",
    1998, method 10.
    """
    shares = float(first.mean()), float(second.mean())
    (low, high), (second_low, second_high) = wilson_interval(first), wilson_interval(second)
    difference = shares[0] - shares[1]
    return [
        difference - math.hypot(shares[0] - low, second_high - shares[1]),
        difference + math.hypot(high - shares[0], shares[1] - second_low),
    ]
