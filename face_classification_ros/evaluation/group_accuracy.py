"""Accuracy by group of people, and the gap between groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import group_names, groups_in
from face_classification_ros.evaluation.metrics import wilson_interval

MIN_FACES = 50
"""A smaller group has too wide an interval to be compared with others."""


def accuracy_by_group(
    correct: NDArray[np.bool_], groups: Mapping[str, NDArray[np.generic]]
) -> dict[str, Any]:
    """Return the accuracy of each group of faces, and the largest gap between two groups.

    Args:
        correct: N, whether the predicted label is the true one.
        groups: column -> the group of each face, N; ages in years are grouped into bands.

    Returns:
        Column -> `groups`: name -> `count`, `accuracy`, `accuracy_interval` (95 %, Wilson), and
        `largest_gap`: `best`, `worst` (names) and `gap` (difference of their accuracies, 0 to 1)
        among the groups of at least 50 faces; None with fewer than two of them.
    """
    return {
        column: _compare(correct, group_names(column, each)) for column, each in groups.items()
    }


def largest_gap(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the best and worst group of at least 50 faces, and the gap between them.

    Args:
        groups: name -> `count` and `accuracy`, and anything else.

    Returns:
        `best`, `worst` (names) and `gap` (0 to 1); None with fewer than two such groups.
    """
    ranked = sorted(
        (group['accuracy'], name) for name, group in groups.items() if group['count'] >= MIN_FACES
    )
    if len(ranked) < 2:
        return None
    (low, worst), (high, best) = ranked[0], ranked[-1]
    return {'best': best, 'worst': worst, 'gap': high - low}


def _compare(correct: NDArray[np.bool_], names: NDArray[Any]) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {
        name: {
            'count': int((names == name).sum()),
            'accuracy': float(correct[names == name].mean()),
            'accuracy_interval': wilson_interval(correct[names == name]),
        }
        for name in groups_in(names)
    }
    return {'groups': groups, 'largest_gap': largest_gap(groups)}
