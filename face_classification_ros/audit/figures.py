"""Diagrams of an audit."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
import numpy as np

from face_classification_ros.audit.subgroups import MIN_FACES
from face_classification_ros.evaluation.metrics import normalize_rows
from face_classification_ros.evaluation.report import (
    BLUE,
    draw_bins,
    draw_matrix,
    GRAY,
    ORANGE,
)

Audit = Mapping[str, Any]

WIDTH = 11.0
"""Width of the widest diagrams in inches."""


def draw_group_confusions(audit: Audit, column: str) -> Figure:
    """Draw the confusion matrices of all faces and of each group of a column, in % of the rows.

    If the column contains the true labels of the attribute, draw only that of all faces: those of
    the groups would have one row each.
    """
    labels = audit['labels']
    panels: dict[str, Any] = {f'all ({audit["faces"]})': audit}
    if audit['attribute'] not in column.split('*'):
        panels |= _panels(audit, column)
    size = 0.5 * len(labels) + 1.4
    figure, axes = _grid(len(panels), size, size)
    for each, (name, group) in zip(axes, panels.items(), strict=True):
        confusion = np.array(group['confusion'])
        draw_matrix(each, labels, normalize_rows(confusion), confusion.sum(axis=1))
        each.set_title(f'{name}\naccuracy {group["accuracy"]:.1%}', fontsize='medium')
    return figure


def draw_group_reliability(audit: Audit, column: str) -> Figure:
    """Draw accuracy over confidence for each group of a column; pale for few faces."""
    panels = _panels(audit, column)
    figure, axes = _grid(len(panels), 2.7, 2.7)
    for each, (name, group) in zip(axes, panels.items(), strict=True):
        draw_bins(each, group['reliability'])
        if group['count'] < MIN_FACES:
            for drawn in (*each.patches, *each.lines):
                drawn.set_alpha(0.4)
        each.set_title(f'{name}\nerror {group["calibration_error"]:.3f}', fontsize='medium')
        each.set_xlim(0, 1)
        each.xaxis.set_major_formatter(lambda fraction, _: f'{100 * fraction:g}%')
        each.set_xlabel('confidence')
        each.spines[['top', 'right']].set_visible(False)
    return figure


def draw_perturbations(audit: Audit) -> Figure:
    """Draw the fraction of changed predictions and the accuracy under each perturbation."""
    measured = audit['perturbations']
    rows = measured['perturbations']
    figure = _new_figure(WIDTH, 1.2 + 0.34 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name, color, label in (
        (left, 'changed', ORANGE, 'changed predictions'),
        (right, 'accuracy', BLUE, 'accuracy; dashed: without changes'),
    ):
        for number, row in enumerate(rows.values()):
            axes.plot(row[f'{name}_interval'], (number, number), color=color, linewidth=2)
            axes.plot(row[name], number, 'o', color=color, markersize=7)
        axes.set_xlabel(f'{label}, 95% intervals')
        axes.xaxis.set_major_formatter(lambda fraction, _: f'{100 * fraction:g}%')
        axes.grid(axis='x', color='#e4e6ea')
        axes.set_axisbelow(True)
        axes.tick_params(axis='y', length=0)
        axes.spines[['top', 'right', 'left']].set_visible(False)
    left.set_xlim(left=0)
    left.set_yticks(range(len(rows)), list(rows))
    left.invert_yaxis()
    right.axvline(measured['accuracy'], color=GRAY, linestyle='--', linewidth=1)
    return figure


def _panels(audit: Audit, column: str) -> dict[str, Any]:
    groups = audit['columns'][column]['groups']
    return {f'{name} ({group["count"]})': group for name, group in groups.items()}


def _grid(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels of a size in inches, as many next to each other as fit."""
    across = min(panels, int(WIDTH // width))
    down = math.ceil(panels / across)
    figure = _new_figure(across * width, down * height)
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def _new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))
