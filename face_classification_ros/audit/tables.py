"""Audits of a classifier as tables of text, in which each data set has its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Audit = Mapping[str, Any]
Line = tuple[str, str]
"""Name of the data set, if it is of one, and text."""


def format_audits(audits: Sequence[Audit]) -> str:
    """Format results of `audit_classifier`: a table per column, perturbations, summaries.

    Args:
        audits: at least one; the rows of several begin with the name of the data set.
    """
    lines = [*_groups(audits), *_perturbations(audits)]
    width = max(len(audit['data']) for audit in audits) + 1
    rows = [f'{data:<{width}}{text}' if data and len(audits) > 1 else text for data, text in lines]
    for audit in audits:
        rows += ['', *audit['summary']] if len(audits) > 1 else audit['summary']
    return '\n'.join(rows)


def _groups(audits: Sequence[Audit]) -> Iterator[Line]:
    for column in dict.fromkeys(column for audit in audits for column in audit['columns']):
        rows = [
            (audit['data'], name, row)
            for audit in audits
            if column in audit['columns']
            for name, row in audit['columns'][column]['groups'].items()
        ]
        width = max(len(column), *(len(name) for _, name, _ in rows))
        yield (
            'data',
            f'{column:>{width}} {"count":>6} accuracy  95 % interval     others       p confident'
            ' calibration    known',
        )
        for data, name, row in rows:
            low, high = row['accuracy_interval']
            yield (
                data,
                f'{name:>{width}} {row["count"]:6d} {row["accuracy"]:8.1%} '
                f'{low:6.1%} to {high:6.1%} {_difference(row)} {row["confidence"]:9.1%} '
                f'{row["calibration_error"]:11.3f} {row["coverage"]["fraction"]:8.1%}',
            )
    yield '', 'others: difference from the accuracy of all other faces, in points; p: corrected'


def _difference(row: Mapping[str, Any]) -> str:
    if row['difference'] is None:
        return f'{"-":>6} {"-":>7}'
    return f'{100 * row["difference"]:+6.1f} {row["p_corrected"]:7.3f}'


def _perturbations(audits: Sequence[Audit]) -> Iterator[Line]:
    measured = [
        (audit['data'], audit['perturbations']) for audit in audits if audit['perturbations']
    ]
    rows = [
        (data, name, row) for data, each in measured for name, row in each['perturbations'].items()
    ]
    if not rows:
        return
    width = max(len(name) for _, name, _ in rows)
    yield (
        'data',
        f'{"":>{width}} changed  95 % interval  accuracy       p certain to certain  label that '
        'gains most',
    )
    for data, name, row in rows:
        low, high = row['changed_interval']
        yield (
            data,
            f'{name:>{width}} {row["changed"]:7.1%} {low:6.1%} to {high:6.1%} '
            f'{100 * row["difference"]:+8.1f} {row["p_corrected"]:7.3f} '
            f'{row["certain_changes"]:18.1%}  {_winner(row)}',
        )
    for data, each in measured:
        yield (
            data,
            f'accuracy: difference in points from {each["accuracy"]:.1%} for the same faces '
            f'unperturbed; {each["faces"]} of {each["of"]} faces have landmarks',
        )


def _winner(row: Mapping[str, Any]) -> str:
    if not row['winner']:
        return ''
    gain = row['labels'][row['winner']]
    return f'{row["winner"]} {100 * gain["difference"]:+.1f}, p {gain["p_corrected"]:.3f}'
