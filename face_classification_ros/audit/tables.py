"""Audits of a classifier as tables of text, in which each data set has its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Audit = Mapping[str, Any]
Line = tuple[str, str]
"""Name of the data set, if it is of one, and text."""

GROUP = ' count accuracy  95 % interval     others       p confident calibration    known'
PERTURBATION = 'changed  95 % interval  accuracy       p certain to certain  label that gains most'


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


def _table(corner: str, header: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[Line]:
    """Yield a header, and a line per row of data set, name and text."""
    width = max(len(corner), *(len(name) for _, name, _ in rows))
    yield 'data', f'{corner:>{width}} {header}'
    for data, name, text in rows:
        yield data, f'{name:>{width}} {text}'


def _groups(audits: Sequence[Audit]) -> Iterator[Line]:
    for column in dict.fromkeys(column for audit in audits for column in audit['columns']):
        rows = [
            (audit['data'], name, _group(row))
            for audit in audits
            if column in audit['columns']
            for name, row in audit['columns'][column]['groups'].items()
        ]
        yield from _table(column, GROUP, rows)
    yield '', 'others: difference from the accuracy of all other faces, in points; p: corrected'


def _group(row: Mapping[str, Any]) -> str:
    low, high = row['accuracy_interval']
    if row['difference'] is None:
        difference = f'{"-":>6} {"-":>7}'
    else:
        difference = f'{100 * row["difference"]:+6.1f} {row["p_corrected"]:7.3f}'
    return (
        f'{row["count"]:6d} {row["accuracy"]:8.1%} {low:6.1%} to {high:6.1%} {difference} '
        f'{row["confidence"]:9.1%} {row["calibration_error"]:11.3f} '
        f'{row["coverage"]["fraction"]:8.1%}'
    )


def _perturbations(audits: Sequence[Audit]) -> Iterator[Line]:
    measured = [
        (audit['data'], audit['perturbations']) for audit in audits if audit['perturbations']
    ]
    rows = [
        (data, name, _perturbation(row))
        for data, each in measured
        for name, row in each['perturbations'].items()
    ]
    if rows:
        yield from _table('', PERTURBATION, rows)
    for data, each in measured:
        yield (
            data,
            f'accuracy: difference in points from {each["accuracy"]:.1%} for the same faces '
            f'unperturbed; {each["faces"]} of {each["of"]} faces have landmarks',
        )


def _perturbation(row: Mapping[str, Any]) -> str:
    low, high = row['changed_interval']
    winner = ''
    if row['winner']:
        gain = row['labels'][row['winner']]
        winner = f'{row["winner"]} {100 * gain["difference"]:+.1f}, p {gain["p_corrected"]:.3f}'
    return (
        f'{row["changed"]:7.1%} {low:6.1%} to {high:6.1%} {100 * row["difference"]:+8.1f} '
        f'{row["p_corrected"]:7.3f} {row["certain_changes"]:18.1%}  {winner}'
    )
