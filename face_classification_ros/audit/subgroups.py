"""Compare groups of people: for whom a classifier is more often wrong, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import group_names
from face_classification_ros.evaluation.metrics import wilson_interval

MIN_FACES = 50
"""A group of fewer faces has too wide an interval to be compared with another."""


def accuracy_by_group(
    right: NDArray[np.bool_], groups: Mapping[str, NDArray[np.generic]]
) -> dict[str, Any]:
    """Give the accuracy of each group of faces, and the largest gap between two groups.

    Args:
        right: N, whether the told label is the true one.
        groups: column -> the group of each face, N; the column `age` holds years, which are put
            together to bands.

    Returns:
        Column -> `groups`: name -> `count`, `accuracy`, `accuracy_interval` (95 %, Wilson), and
        `largest_gap`: `best`, `worst` (names) and `gap` (difference of their accuracies, 0 to 1)
        among the groups with at least 50 faces; None where fewer than two have so many.
    """
    return {column: _compare(right, group_names(column, each)) for column, each in groups.items()}


def _compare(right: NDArray[np.bool_], names: NDArray[Any]) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {
        str(name): {
            'count': int((names == name).sum()),
            'accuracy': float(right[names == name].mean()),
            'accuracy_interval': wilson_interval(right[names == name]),
        }
        for name in np.unique(names)
    }
    ranked = sorted(
        (group['accuracy'], name) for name, group in groups.items() if group['count'] >= MIN_FACES
    )
    largest_gap = None
    if len(ranked) > 1:
        (low, worst), (high, best) = ranked[0], ranked[-1]
        largest_gap = {'best': best, 'worst': worst, 'gap': high - low}
    return {'groups': groups, 'largest_gap': largest_gap}
