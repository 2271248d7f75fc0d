"""Compare groups of people: metrics of each group, and differences between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.significance import (
    compare_with_others,
    correct_p_values,
    difference_interval,
    LEVEL,
)
from face_classification_ros.datasets.face_dataset import FaceDataset, group_names, groups_in
from face_classification_ros.evaluation.group_accuracy import largest_gap, MIN_FACES
from face_classification_ros.evaluation.metrics import (
    calibration_error,
    confusion_matrix,
    coverage,
    normalize_rows,
    reliability,
    wilson_interval,
)

__all__ = ['MIN_FACES', 'audit_columns', 'compare_columns', 'measure_group']


def audit_columns(dataset: FaceDataset, by: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Return the columns to group faces by: name -> name of each face's group, N.

    Available are the columns of the data set, with ages in bands, and the attribute's true label.

    Args:
        dataset: the faces.
        by: names of columns; `race*age` crosses two or more, with groups such as `black, 20-29`.
            Empty for all columns.

    Raises:
        ValueError: a column does not exist or is repeated.
    """
    columns = {name: group_names(name, values) for name, values in dataset.groups.items()}
    columns[dataset.attribute] = np.array(dataset.labels)[dataset.y_true]
    chosen: dict[str, NDArray[Any]] = {}
    for name in by or columns:
        parts = name.split('*')
        for part in parts:
            if part not in columns:
                raise ValueError(
                    f'{dataset.name} has no column {part!r}; its columns are {", ".join(columns)}'
                )
        if name in chosen or len(set(parts)) < len(parts):
            raise ValueError(f'the column {name!r} is repeated')
        rows = zip(*(columns[part].tolist() for part in parts), strict=True)
        chosen[name] = np.array([', '.join(map(str, row)) for row in rows])
    return chosen


def measure_group(
    probabilities: NDArray[np.float32],
    y_true: NDArray[np.int64],
    labels: Sequence[str],
    threshold: float,
) -> dict[str, Any]:
    """Return the metrics of a group of faces.

    Args:
        probabilities: N x labels, rows of sum 1.
        y_true: N, indices of the true labels.
        labels: names of the labels.
        threshold: confidence below which a label is unknown.

    Returns:
        `accuracy`, `accuracy_interval` (95 %, Wilson), `confidence` (mean), `calibration_error`,
        `reliability` and `coverage` (see `metrics`), `confusion` (counts; rows: true label,
        columns: predicted label), `recall` (label -> 0 to 1, None for a label without faces).
    """
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = y_pred == y_true
    confusion = confusion_matrix(y_true, y_pred, len(labels))
    recall = np.diag(normalize_rows(confusion))
    return {
        'accuracy': float(correct.mean()),
        'accuracy_interval': wilson_interval(correct),
        'confidence': float(confidence.mean()),
        'calibration_error': calibration_error(confidence, correct),
        'reliability': reliability(confidence, correct),
        'coverage': coverage(confidence, correct, threshold),
        'confusion': confusion.tolist(),
        'recall': {
            label: float(recall[index]) if confusion[index].any() else None
            for index, label in enumerate(labels)
        },
    }


def compare_columns(
    probabilities: NDArray[np.float32],
    dataset: FaceDataset,
    threshold: float,
    columns: Mapping[str, NDArray[Any]],
) -> dict[str, Any]:
    """Compare the groups of several columns with all other faces and with each other.

    Args:
        probabilities: N x labels, rows of sum 1.
        dataset: the N faces.
        threshold: confidence below which a label is unknown.
        columns: see `audit_columns`.

    Returns:
        Column -> `groups`: name -> `count`, the metrics of `measure_group`, and `difference`
        (accuracy minus that of all other faces), `p_value` (Fisher), `p_corrected` (Holm, over
        all groups of all columns) and `significant`, these four None for a group of fewer than 50
        faces or without others; `largest_gap`: see `group_accuracy.largest_gap`, and its
        `gap_interval` (95 %, Newcombe).
    """
    compared = {
        column: _compare_groups(probabilities, dataset, threshold, names)
        for column, names in columns.items()
    }
    tested = [
        group
        for column in compared.values()
        for group in column['groups'].values()
        if group['p_value'] is not None
    ]
    corrected = correct_p_values([group['p_value'] for group in tested])
    for group, p_value in zip(tested, corrected, strict=True):
        group |= {'p_corrected': p_value, 'significant': p_value < LEVEL}
    return compared


def _compare_groups(
    probabilities: NDArray[np.float32],
    dataset: FaceDataset,
    threshold: float,
    names: NDArray[Any],
) -> dict[str, Any]:
    correct = probabilities.argmax(axis=1) == dataset.y_true
    groups: dict[str, dict[str, Any]] = {}
    for name in groups_in(names):
        inside = names == name
        group: dict[str, Any] = {'count': int(inside.sum())}
        group |= measure_group(
            probabilities[inside], dataset.y_true[inside], dataset.labels, threshold
        )
        group |= dict.fromkeys(('difference', 'p_value', 'p_corrected', 'significant'))
        if inside.sum() >= MIN_FACES and not inside.all():
            group['difference'] = float(correct[inside].mean() - correct[~inside].mean())
            group['p_value'] = compare_with_others(correct, inside)
        groups[name] = group
    gap = largest_gap(groups)
    if gap is not None:
        best, worst = (correct[names == gap[name]] for name in ('best', 'worst'))
        gap['gap_interval'] = difference_interval(best, worst)
    return {'groups': groups, 'largest_gap': gap}
