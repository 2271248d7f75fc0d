"""Draw a benchmark: one bar per case, with its stages stacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from face_classification_ros.evaluation.benchmark import STAGES, TOTAL

VARYING = ('faces', 'width', 'height', 'threads', 'detector', 'detection_interval', 'follow')
"""Fields in which cases may differ."""


def plot_stages(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the medians of the stages on top of each other, and that of the total as a line.

    The folder of the image is created.

    Args:
        records: at least one, see `measure_cases`.
        path: of the image; its suffix selects the format.

    Raises:
        ValueError: the format is unknown.
    """
    figure = Figure(figsize=(max(5.0, 2.5 + 1.1 * len(records)), 4.5), dpi=150)
    figure.set_layout_engine('constrained')
    axes = figure.add_subplot()
    places = range(len(records))

    def medians(name: str) -> list[float]:
        return [record['stages'][name]['p50_ms'] for record in records]

    bottoms = [0.0] * len(records)
    for stage in STAGES:
        heights = medians(stage)
        axes.bar(places, heights, 0.6, bottoms, label=stage)
        bottoms = [low + height for low, height in zip(bottoms, heights, strict=True)]
    axes.hlines(
        medians(TOTAL),
        [place - 0.4 for place in places],
        [place + 0.4 for place in places],
        colors='black',
        label='whole pipeline,\nwithout draw, message',
    )
    first = records[0]
    axes.set(
        title=f'{first["machine"]}, medians of {first["rounds"]} rounds',
        ylabel='ms per image',
        xlim=(-0.6, len(records) - 0.4),
    )
    axes.set_xticks(places, [_description(record, records) for record in records], fontsize=8)
    figure.legend(loc='outside right upper')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _description(record: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the fields in which a case differs from the others; of a single one its faces."""
    names = [name for name in VARYING if len({each[name] for each in records}) > 1] or ['faces']
    size = f'{record["width"]}x{record["height"]}'
    texts = {
        'faces': f'{record["faces_found"]} of {record["faces"]} faces',
        'width': size,
        'height': size,
        'threads': f'{record["threads"]} threads',
        'detector': record['detector'],
        'detection_interval': f'interval {record["detection_interval"]}',
        'follow': 'network follows' if record['follow'] else 'detector follows',
    }
    # Width and height have the same text.
    return '\n'.join(dict.fromkeys(texts[name] for name in names))
