"""Draw the curves of a detector: recall over false alarms, precision over recall."""

from __future__ import annotations

from dataclasses import asdict
import json
from pathlib import Path

from matplotlib.figure import Figure

from face_classification_ros.evaluation.average_precision import PrecisionReport


def write_detection_report(report: PrecisionReport, folder: Path) -> None:
    """Write `report.json` and `detection.png` into a folder, created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'report.json').write_text(json.dumps(asdict(report), indent=1))
    draw_detection(report).savefig(folder / 'detection.png', dpi=120)


def draw_detection(report: PrecisionReport) -> Figure:
    """Draw recall over false alarms per image, precision over recall, and recall by size."""
    figure = Figure(figsize=(13, 4), layout='constrained')
    alarms, curve, sizes = figure.subplots(1, 3)
    alarms.plot(report.false_alarms, report.recall)
    for point in report.operating_points:
        alarms.plot(point.false_alarms, point.recall, 'o', color='tab:orange')
        alarms.annotate(
            f'{point.recall:.1%} at {point.threshold:.2f}',
            (point.false_alarms, point.recall),
            (6, -12),
            textcoords='offset points',
        )
    alarms.set(xlabel='false alarms per image', ylabel='recall', xlim=(0, 1), ylim=(0, 1))
    curve.plot(report.recall, report.precision)
    curve.set(
        title=f'average precision {report.average_precision:.3f}',
        xlabel='recall',
        ylabel='precision',
        xlim=(0, 1),
        ylim=(0, 1),
    )
    point = report.operating_points[-1]
    names = [f'{name} px\n{row["faces"]}' for name, row in point.recall_by_size.items()]
    sizes.bar(names, [row['recall'] for row in point.recall_by_size.values()])
    sizes.set(
        title=f'at {point.false_alarms:g} false alarms per image',
        xlabel='size and number of faces',
        ylabel='recall',
        ylim=(0, 1),
    )
    for axes in (alarms, curve, sizes):
        axes.grid(color='0.92')
        axes.set_axisbelow(True)
    return figure
