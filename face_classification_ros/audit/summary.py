"""Summarize an audit in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from face_classification_ros.audit.significance import LEVEL
from face_classification_ros.audit.subgroups import MIN_FACES


def summarize(audit: Mapping[str, Any]) -> list[str]:
    """Return the main results of `audit_classifier`, those of the groups first."""
    low, high = audit['accuracy_interval']
    coverage = audit['coverage']
    lines = [
        f'{audit["model"]} predicts {audit["attribute"]} correctly for {audit["accuracy"]:.1%} '
        f'(95 %: {low:.1%} to {high:.1%}) of {audit["faces"]} faces of {audit["data"]}; with a '
        f'threshold of {coverage["threshold"]:g}, {coverage["fraction"]:.1%} of them have a known '
        'label.'
    ]
    lines += _summarize_groups(audit['columns'])
    if audit['perturbations'] is not None:
        lines += _summarize_perturbations(audit['perturbations']['perturbations'])
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
            f'{100 * low:.1f} to {100 * high:.1f}), between {gap["best"]} and {gap["worst"]}.'
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
    groups = ', '.join(f'{name} ({100 * difference:+.1f} points)' for difference, name in worse)
    lines.append(
        f'Of {len(compared)} compared groups, {len(worse) or "none"} '
        f'{"has" if len(worse) < 2 else "have"} a significantly lower accuracy than all other '
        f'faces{": " if groups else ""}{groups}.'
    )
    name, group = max(compared, key=lambda each: abs(each[1]['confidence'] - each[1]['accuracy']))
    lines.append(
        f'Confidence and accuracy differ most for {name}: the mean confidence is '
        f'{group["confidence"]:.1%}, the accuracy {group["accuracy"]:.1%}.'
    )
    return lines


def _summarize_perturbations(rows: Mapping[str, Any]) -> list[str]:
    worst = min(rows, key=lambda name: rows[name]['difference'])
    row = rows[worst]
    lines = [
        f'The most harmful perturbation is "{worst}": {100 * row["difference"]:+.1f} points of '
        f'accuracy ({"" if row["p_corrected"] < LEVEL else "not "}significant), with '
        f'{row["changed"]:.1%} of the predictions changed.'
    ]
    for name in ('glasses', 'sunglasses'):
        gains = sorted(
            (
                (each['difference'], label)
                for label, each in rows[name]['labels'].items()
                if each['p_corrected'] < LEVEL and each['difference'] > 0
            ),
            reverse=True,
        )
        favored = ', '.join(
            f'"{label}" ({100 * difference:+.1f} points)' for difference, label in gains
        )
        lines.append(
            f'Drawn {name} bias predictions towards {favored}.'
            if favored
            else f'Drawn {name} do not bias predictions significantly towards any label.'
        )
    certain = max(rows, key=lambda name: rows[name]['certain_changes'])
    lines.append(
        f'"{certain}" changes the most certain predictions to other certain ones: '
        f'{rows[certain]["certain_changes"]:.1%} of the faces.'
    )
    return lines
