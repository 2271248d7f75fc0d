"""Write an evaluation into a folder: all metrics as JSON, the main ones as diagrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.evaluation.group_accuracy import MIN_FACES

DPI = 120
TITLE_WIDTH = 44
"""Characters that fit above the bars of groups."""
BLUE, ORANGE, GRAY = '#2f6db3', '#d9822b', '#8a8f98'

BARS: dict[str, Any] = {'align': 'edge', 'edgecolor': 'white', 'linewidth': 1.0}

Report = Mapping[str, Any]


def write_report(report: Report, folder: Path) -> None:
    """Write the result of `evaluate_classifier`.

    Args:
        report: the metrics; further keys are kept.
        folder: for `report.json`, `confusion.png`, `reliability.png` and, if the data set has
            groups, `groups.png`; created if necessary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'report.json').write_text(json.dumps(report, indent=1))
    figures = {'confusion': draw_confusion(report), 'reliability': draw_reliability(report)}
    if report['groups']:
        figures['groups'] = draw_groups(report)
    for name, figure in figures.items():
        figure.savefig(folder / f'{name}.png', dpi=DPI)


def draw_confusion(report: Report) -> Figure:
    """Draw the confusion matrix with rows of 100 %, as in figure 7 of the paper.

    Rows are true labels, columns predicted ones; a label without faces has an empty row.
    """
    labels, counts = list(report['per_label']), np.array(report['confusion']).sum(axis=1)
    fractions = np.array(report['confusion_normalized'])
    cells = 0.75 * len(labels)
    line = f'accuracy {report["accuracy"]:.1%}'
    figure = _new_figure(cells + 3.2, cells + 1.9, report, line)
    axes = figure.add_subplot()
    matrix = draw_matrix(axes, labels, fractions, counts)
    axes.set_xlabel('predicted label')
    axes.set_ylabel('true label (faces)')
    bar = figure.colorbar(matrix, ax=axes, shrink=0.8, format=_percent)
    bar.set_label('of the row')
    bar.outline.set_visible(False)
    return figure


def draw_matrix(
    axes: Axes, labels: Sequence[str], fractions: NDArray[np.float64], counts: NDArray[np.int64]
) -> AxesImage:
    """Draw the cells of a confusion matrix with their percentages.

    Args:
        axes: to draw on.
        labels: of rows and columns.
        fractions: labels x labels, rows of sum 1.
        counts: faces of each row; a row without faces has empty cells.
    """
    matrix = axes.imshow(fractions, cmap='Blues', vmin=0, vmax=1)
    for row, column in np.argwhere(np.repeat(counts[:, None] > 0, len(labels), axis=1)):
        fraction = fractions[row, column]
        axes.text(
            column,
            row,
            f'{100 * fraction:.0f}',
            ha='center',
            va='center',
            color='white' if fraction > 0.5 else 'black',
            fontweight='bold' if row == column else 'normal',
        )
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha='right', rotation_mode='anchor')
    names = [f'{label} ({count})' for label, count in zip(labels, counts, strict=True)]
    axes.set_yticks(range(len(labels)), names)
    axes.set_xticks(np.arange(1, len(labels)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(labels)) - 0.5, minor=True)
    axes.grid(which='minor', color='white', linewidth=1.5)
    axes.tick_params(which='both', length=0)
    axes.spines[:].set_visible(False)
    return matrix


def draw_reliability(report: Report) -> Figure:
    """Draw accuracy over confidence, and the distribution of the confidence.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, figure 1.
    """
    bins = report['reliability']
    lows = [each['low'] for each in bins]
    width = bins[0]['high'] - bins[0]['low']
    line = f'expected calibration error {report["calibration_error"]:.3f}'
    figure = _new_figure(5.2, 6.2, report, line)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    draw_bins(upper, bins)
    upper.legend(loc='upper left', frameon=False)
    fractions = [each['faces'] / report['faces'] for each in bins]
    lower.bar(lows, fractions, width, color=GRAY, **BARS)
    threshold = report['coverage']['threshold']
    if threshold > 0:
        lower.axvline(threshold, color=ORANGE, linewidth=1.5)
        lower.annotate(
            f'known from here: {report["coverage"]["fraction"]:.0%}',
            (threshold, 1),
            xycoords=('data', 'axes fraction'),
            xytext=(-5, -5),
            textcoords='offset points',
            ha='right',
            va='top',
            color=ORANGE,
        )
    lower.set_ylabel('faces')
    # Leave room for the text above.
    lower.set_ylim(0, 1.35 * max(fractions))
    lower.yaxis.set_major_formatter(_percent)
    lower.set_xlabel('confidence')
    lower.set_xlim(0, 1)
    lower.xaxis.set_major_formatter(_percent)
    for axes in (upper, lower):
        axes.spines[['top', 'right']].set_visible(False)
    return figure


def draw_bins(axes: Axes, bins: Sequence[Report]) -> None:
    """Draw the accuracy in each bin of confidence, see `metrics.reliability`."""
    width = bins[0]['high'] - bins[0]['low']
    accuracies = [each['accuracy'] for each in bins]
    lows, confidences = ([each[name] for each in bins] for name in ('low', 'confidence'))
    axes.bar(lows, accuracies, width, color=BLUE, label='accuracy', **BARS)
    axes.plot((0, 1), (0, 1), color=GRAY, linestyle='--', label='as accurate as confident')
    axes.plot(
        confidences,
        accuracies,
        'o',
        color=ORANGE,
        markersize=5,
        label='mean confidence of the bin',
    )
    axes.set_ylabel('accuracy')
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(_percent)


def draw_groups(report: Report) -> Figure:
    """Draw the accuracy of each group with its 95 % interval, and that of all faces."""
    columns = report['groups']
    sizes = [len(column['groups']) for column in columns.values()]
    height = 1.5 + sum(0.34 * size + 0.7 for size in sizes)
    line = f'accuracy {report["accuracy"]:.1%} of all faces'
    figure = _new_figure(6.4, height, report, line)
    panels = figure.subplots(
        len(columns), sharex=True, squeeze=False, height_ratios=[size + 1 for size in sizes]
    )[:, 0]
    for axes, (name, column) in zip(panels, columns.items(), strict=True):
        _draw_column(axes, name, column)
        axes.axvline(report['accuracy'], color=GRAY, linestyle='--', linewidth=1)
    panels[-1].set_xlabel(
        f'accuracy, 95 % intervals; dashed: all faces; pale: fewer than {MIN_FACES} faces'
    )
    panels[-1].xaxis.set_major_formatter(_percent)
    return figure


def _new_figure(width: float, height: float, report: Report, line: str) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(width, height), layout=layout)
    figure.suptitle(f'{report["model"]} on {report["data"]}\n{line}', fontsize='medium')
    return figure


def _draw_column(axes: Axes, name: str, column: Report) -> None:
    for row, group in enumerate(column['groups'].values()):
        low, high = group['accuracy_interval']
        shade = 1.0 if group['count'] >= MIN_FACES else 0.4
        axes.plot((low, high), (row, row), color=BLUE, linewidth=2, alpha=shade)
        axes.plot(group['accuracy'], row, 'o', color=BLUE, markersize=7, alpha=shade)
    rows = [f'{group} ({figures["count"]})' for group, figures in column['groups'].items()]
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    gap = column['largest_gap']
    widest = ''
    if gap:
        widest = f': {100 * gap["gap"]:.1f} points between {gap["best"]} and {gap["worst"]}'
    # Long names of groups would extend beyond the edge.
    title = textwrap.fill(f'{name}{widest}', TITLE_WIDTH)
    axes.set_title(title, loc='left', fontsize='medium', fontweight='bold')
    axes.grid(axis='x', color='#e4e6ea')
    axes.set_axisbelow(True)
    axes.tick_params(axis='y', length=0)
    axes.spines[['top', 'right', 'left']].set_visible(False)


def _percent(fraction: float, _: float | None = None) -> str:
    return f'{100 * fraction:g}%'
