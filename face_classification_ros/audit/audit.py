"""Audit a classifier: for whom, and under which changes of the picture, it is more often wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.perturbations import measure_perturbations
from face_classification_ros.audit.significance import (
    compare_with_others,
    correct_p_values,
    difference_interval,
    LEVEL,
)
from face_classification_ros.audit.subgroups import MIN_FACES
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.face_dataset import group_names
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.evaluation.metrics import (
    calibration_error,
    confusion_matrix,
    coverage,
    reliability,
    row_shares,
    wilson_interval,
)
from face_classification_ros.types import Detection

MISTAKES = 12
"""So many of the most confident wrong answers are told."""


def audit_columns(dataset: FaceDataset, by: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Give the columns by which faces are put into groups: name -> name of each face's group, N.

    There are those that the data set tells, with ages in bands, and the attribute's true label.

    Args:
        dataset: the faces.
        by: the columns that are wanted; `race*gender` crosses two or more, whose groups have names
            like `black, woman`. Empty: all that there are.

    Raises:
        ValueError: there is no such column, or one is asked for twice.
    """
    columns = {name: group_names(name, values) for name, values in dataset.groups.items()}
    columns[dataset.attribute] = np.array(dataset.labels)[dataset.y_true]
    chosen: dict[str, NDArray[Any]] = {}
    for name in by or columns:
        parts = name.split('*')
        for part in parts:
            if part not in columns:
                raise ValueError(f'the data has no column {part!r}, but {", ".join(columns)}')
        if name in chosen or len(set(parts)) < len(parts):
            raise ValueError(f'the column {name!r} is asked for twice')
        rows = zip(*(columns[part].tolist() for part in parts), strict=True)
        chosen[name] = np.array([', '.join(map(str, row)) for row in rows])
    return chosen


def audit_classifier(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    *,
    by: Sequence[str] = (),
    threshold: float = 0.0,
    detections: Sequence[Detection | None] | None = None,
) -> dict[str, Any]:
    """Compare a classifier's answers between groups of faces, and under perturbations.

    Args:
        classifier: may tell other attributes than the data set's, too.
        dataset: what to measure on.
        split: the data set's part, for the report.
        by: columns, see `audit_columns`.
        threshold: confidence below which the node withholds an answer; 0 withholds none.
        detections: where each face is, for the perturbations; None leaves these out.

    Returns:
        What can be written as JSON: `attribute`, `model`, `data`, `split`, `labels`, `faces`, and
        of all faces what each group has, too:

        - `accuracy`, `accuracy_interval` (95 %, Wilson), `confidence` (mean),
          `calibration_error`, `reliability` (see `metrics`), `coverage` (likewise), `confusion`
          (counts; rows: true label, columns: told label), `recall` (label -> share that is told
          rightly, None without such faces).

        `columns`: column -> `groups`: name -> `count`, the same, and `difference` (accuracy minus
        that of all other faces), `p_value` (Fisher), `p_corrected` (Holm, over all groups of all
        columns) and `significant`, all four None for a group of fewer than 50 faces or without
        others;
        `largest_gap`: `best`, `worst` (names), `gap` (difference of their accuracies) and
        `gap_interval` (95 %, Newcombe) among the groups of at least 50 faces, None where fewer
        than two have so many.

        `perturbations`: see `measure_perturbations`, or None. `mistakes`: the most confident
        errors, `face` (number in the data set), `true`, `predicted`, `probabilities` (label ->
        probability) and `groups` (column -> name). `summary`: the main figures in sentences.

    Raises:
        ValueError: there is no such column, or one is given twice; the classifier does not tell
            the data set's attribute, or not with its labels; no face has landmarks.
    """
    columns = audit_columns(dataset, by)
    probabilities = classify_dataset(classifier, dataset)
    right = probabilities.argmax(axis=1) == dataset.y_true
    audit: dict[str, Any] = {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'data': dataset.name,
        'split': split,
        'labels': list(dataset.labels),
        'faces': len(dataset),
        **_figures(probabilities, dataset, threshold, np.ones(len(dataset), bool)),
        'columns': {
            column: _audit_column(probabilities, dataset, threshold, names)
            for column, names in columns.items()
        },
        'perturbations': None,
    }
    groups = [group for column in audit['columns'].values() for group in column['groups'].values()]
    compared = [group for group in groups if group['p_value'] is not None]
    corrected = correct_p_values([group['p_value'] for group in compared])
    for group, p_value in zip(compared, corrected, strict=True):
        group |= {'p_corrected': p_value, 'significant': p_value < LEVEL}
    if detections is not None:
        audit['perturbations'] = measure_perturbations(
            classifier, dataset, detections, threshold=threshold
        )
    surest = np.flatnonzero(~right)[np.argsort(-probabilities[~right].max(axis=1), kind='stable')]
    audit['mistakes'] = [
        {
            'face': int(face),
            'true': dataset.labels[dataset.y_true[face]],
            'predicted': dataset.labels[probabilities[face].argmax()],
            'probabilities': dict(zip(dataset.labels, probabilities[face].tolist(), strict=True)),
            'groups': {column: str(names[face]) for column, names in columns.items()},
        }
        for face in surest[:MISTAKES]
    ]
    audit['summary'] = _summarize(audit)
    return audit


def _figures(
    probabilities: NDArray[np.float32],
    dataset: FaceDataset,
    threshold: float,
    inside: NDArray[np.bool_],
) -> dict[str, Any]:
    """Give the figures of the faces for which `inside` (N) is true."""
    y_true, told = dataset.y_true[inside], probabilities[inside].argmax(axis=1)
    confidence, right = probabilities[inside].max(axis=1), told == y_true
    confusion = confusion_matrix(y_true, told, len(dataset.labels))
    shares = row_shares(confusion)
    return {
        'accuracy': float(right.mean()),
        'accuracy_interval': wilson_interval(right),
        'confidence': float(confidence.mean()),
        'calibration_error': calibration_error(confidence, right),
        'reliability': reliability(confidence, right),
        'coverage': coverage(confidence, right, threshold),
        'confusion': confusion.tolist(),
        'recall': {
            label: float(shares[index, index]) if confusion[index].any() else None
            for index, label in enumerate(dataset.labels)
        },
    }


def _audit_column(
    probabilities: NDArray[np.float32],
    dataset: FaceDataset,
    threshold: float,
    names: NDArray[Any],
) -> dict[str, Any]:
    right = probabilities.argmax(axis=1) == dataset.y_true
    groups: dict[str, dict[str, Any]] = {}
    for name in np.unique(names):
        inside = names == name
        group: dict[str, Any] = {'count': int(inside.sum())}
        group |= _figures(probabilities, dataset, threshold, inside)
        group |= dict.fromkeys(('difference', 'p_value', 'p_corrected', 'significant'))
        if inside.sum() >= MIN_FACES and not inside.all():
            group['difference'] = float(right[inside].mean() - right[~inside].mean())
            group['p_value'] = compare_with_others(right, inside)
        groups[str(name)] = group
    ranked = sorted(
        (group['accuracy'], name) for name, group in groups.items() if group['count'] >= MIN_FACES
    )
    largest_gap = None
    if len(ranked) > 1:
        (low, worst), (high, best) = ranked[0], ranked[-1]
        largest_gap = {
            'best': best,
            'worst': worst,
            'gap': high - low,
            'gap_interval': difference_interval(right[names == best], right[names == worst]),
        }
    return {'groups': groups, 'largest_gap': largest_gap}


def _summarize(audit: Mapping[str, Any]) -> list[str]:
    """Say the main figures in sentences, the answer to "for whom, and when?" first."""
    low, high = audit['accuracy_interval']
    told = audit['coverage']
    lines = [
        f'{audit["model"]} tells {audit["attribute"]} rightly for {audit["accuracy"]:.1%} (95 %: '
        f'{low:.1%} to {high:.1%}) of {audit["faces"]} faces of {audit["data"]}; from a '
        f'confidence of {told["threshold"]:g} on it answers for {told["share"]:.1%} of them.'
    ]
    lines += _summarize_groups(audit['columns'])
    if audit['perturbations'] is not None:
        lines += _summarize_perturbations(audit['perturbations'])
    return lines


def _summarize_groups(columns: Mapping[str, Any]) -> list[str]:
    gaps = {name: each['largest_gap'] for name, each in columns.items() if each['largest_gap']}
    if not gaps:
        return [f'No column has two groups of at least {MIN_FACES} faces to compare.']
    lines = []
    for column, gap in gaps.items():
        low, high = gap['gap_interval']
        lines.append(
            f'By {column}, the largest gap is {100 * gap["gap"]:.1f} points (95 %: '
            f'{100 * low:.1f} to {100 * high:.1f}): {gap["best"]} over {gap["worst"]}.'
        )
    compared = [
        (f'{column} {name}', group)
        for column, each in columns.items()
        for name, group in each['groups'].items()
        if group['p_value'] is not None
    ]
    worse = sorted(
        (group['difference'], name)
        for name, group in compared
        if group['significant'] and group['difference'] < 0
    )
    lines.append(
        f'Of {len(compared)} compared groups, {len(worse) or "none"} '
        f'{"is" if len(worse) < 2 else "are"} told significantly less well than all other faces'
        + ''.join(
            f'{"," if number else ":"} {name} ({100 * difference:+.1f} points)'
            for number, (difference, name) in enumerate(worse)
        )
        + '.'
    )
    name, group = max(compared, key=lambda each: abs(each[1]['confidence'] - each[1]['accuracy']))
    lines.append(
        f'Confidence and accuracy are farthest apart for {name}: {group["confidence"]:.1%} on '
        f'average, {group["accuracy"]:.1%} are right.'
    )
    return lines


def _summarize_perturbations(measured: Mapping[str, Any]) -> list[str]:
    rows = measured['perturbations']
    worst = min(rows, key=lambda name: rows[name]['difference'])
    row = rows[worst]
    lines = [
        f'The most harmful perturbation is "{worst}": {100 * row["difference"]:+.1f} points of '
        f'accuracy ({"" if row["p_corrected"] < LEVEL else "not "}significant), '
        f'{row["changed"]:.1%} of the answers change.'
    ]
    pushes = [
        (label['difference'], name, told)
        for name, row in rows.items()
        for told, label in row['labels'].items()
        if label['p_corrected'] < LEVEL and label['difference'] > 0
    ]
    for kind in ('glasses', 'sunglasses'):
        pushed = [
            f'"{label}" ({100 * difference:+.1f} points)'
            for difference, name, label in sorted(pushes, reverse=True)
            if name == kind
        ]
        lines.append(
            f'Drawn {kind} push answers '
            + (f'towards {", ".join(pushed)}.' if pushed else 'significantly towards no label.')
        )
    certain = max(rows, key=lambda name: rows[name]['certain_changes'])
    lines.append(
        f'"{certain}" turns the most certain answers into other certain ones: '
        f'{rows[certain]["certain_changes"]:.1%} of the faces.'
    )
    return lines
