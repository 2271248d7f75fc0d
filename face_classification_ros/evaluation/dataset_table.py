"""One table of a classifier's figures on several data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEADER = (
    f'{"data":>34} {"faces":>6} accuracy  95 % interval  balanced  ECE  lowest recall     '
    'largest gap between groups'
)


def format_table(reports: Sequence[Mapping[str, Any]]) -> str:
    """Format reports of `evaluate_classifier`, one line per data set under a header."""
    return '\n'.join([HEADER, *map(_row, reports)])


def _row(report: Mapping[str, Any]) -> str:
    low, high = report['accuracy_interval']
    recalls = {label: row['recall'] for label, row in report['per_label'].items() if row['count']}
    worst = min(recalls, key=lambda label: recalls[label])
    gaps = {
        column: comparison['largest_gap']
        for column, comparison in report['groups'].items()
        if comparison['largest_gap']
    }
    line = (
        f'{report["data"]:>34} {report["faces"]:6d} {report["accuracy"]:8.1%} '
        f'{low:6.1%} to {high:5.1%} {report["balanced_accuracy"]:9.1%} '
        f'{report["calibration_error"]:.3f} {recalls[worst]:6.1%} {worst:<10} '
        + ', '.join(f'{column} {gap["gap"]:.1%} ({gap["worst"]})' for column, gap in gaps.items())
    )
    if report['within_one_band'] is not None:
        line += f' one band off at most {report["within_one_band"]:.1%}'
    return line.rstrip()
