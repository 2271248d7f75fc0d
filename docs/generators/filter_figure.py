"""Draw what the temporal filter publishes for a made-up face: docs/explanation/filter.svg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import itertools
import random

import numpy as np
from svg_parts import DOCS, drawing, text

from face_classification_ros.tracking.temporal_filter import HYSTERESIS, TemporalFilter

FIGURE = DOCS / 'explanation' / 'filter.svg'

LABELS = ('happy', 'neutral', 'surprise')
DRAWN = LABELS[:2]
THRESHOLD = 0.5
SMOOTHING_TIME = 1.0
RATE = 10

PHASES = (
    (0.0, (0.8, 0.12, 0.08)),
    (1.3, (0.08, 0.22, 0.7)),
    (1.4, (0.8, 0.12, 0.08)),
    (2.2, (0.3, 0.45, 0.25)),
    (3.5, (0.64, 0.26, 0.1)),
    (5.6, (0.0, 0.0, 0.0)),
    (6.2, (0.64, 0.26, 0.1)),
    (7.0, (0.24, 0.62, 0.14)),
)
"""Second from which the network predicts a distribution, one per label; 0 while the face is
occluded."""

END = 10.5

SIZE = 828, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 812, 40, 228
BAND = 262, 290
"""Top and bottom of the published label, below the plot."""

STYLE = """<style>
  .happy { stroke: #0f766e } .neutral { stroke: #b45309 } .curve { fill: none; stroke-width: 2.5 }
  .images { fill: none; stroke-width: 4.5; stroke-linecap: round; stroke-opacity: .45 }
  .right { text-anchor: end }
  @media (prefers-color-scheme: dark) { .happy { stroke: #4fb3a8 } .neutral { stroke: #f0a04b } }
</style>
"""


@dataclass(frozen=True)
class Sample:
    """One image of the face.

    Attributes:
        time: in seconds.
        raw: distribution that the network predicts.
        filtered: distribution of the track.
        label: that is published.
    """

    time: float
    raw: Sequence[float]
    filtered: Sequence[float]
    label: str


def samples() -> Iterator[Sample]:
    """Filter the predictions for the images in which the face is visible."""
    noise = random.Random(7)
    track = TemporalFilter()
    for number in range(round(END * RATE)):
        time = number / RATE
        mean = [values for start, values in PHASES if start <= time][-1]
        if not sum(mean):
            continue
        positive = [max(each + noise.gauss(0, 0.06), 0.02) for each in mean]
        raw = np.array(positive, np.float32) / np.float32(sum(positive))
        track.add(raw, time, SMOOTHING_TIME)
        label = track.update_label(LABELS, THRESHOLD)
        yield Sample(time, raw.tolist(), track.probabilities.tolist(), label)


def stretches(images: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Divide images where the face was not visible in between."""
    stretch: list[Sample] = []
    for each in images:
        if stretch and each.time - stretch[-1].time > 1.5 / RATE:
            yield stretch
            stretch = []
        stretch.append(each)
    yield stretch


def x(time: float) -> float:
    """Return the place of a time in the figure."""
    return LEFT + (RIGHT - LEFT) * time / END


def y(probability: float) -> float:
    """Return the height of a probability in the figure."""
    return BOTTOM - (BOTTOM - TOP) * probability


def axes() -> str:
    """Return the axes, the threshold and the limit above which a label is known again."""
    again = THRESHOLD + HYSTERESIS
    lines = [f'<path class="line" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>\n']
    lines += [text((LEFT - 8, y(each) + 5), f'{each:g}', 'small right') for each in (0, 0.5, 1)]
    lines += [text((x(each), BOTTOM + 18), f'{each} s', 'small') for each in range(1, 11)]
    lines += [
        f'<path class="line{dash}" d="M{LEFT} {y(each):.1f}H{RIGHT}"/>\n'
        for each, dash in ((THRESHOLD, ''), (again, ' dash'))
    ]
    lines.append(text((LEFT + 8, y(THRESHOLD) + 17), 'threshold', 'small left'))
    lines.append(text((LEFT + 8, y(again) - 6), 'known again above', 'small left'))
    return ''.join(lines)


def curves(images: Sequence[Sample]) -> str:
    """Return a dot for each prediction, and a curve for each filtered probability."""
    lines = []
    for index, label in enumerate(DRAWN):
        dots = ''.join(f'M{x(each.time):.1f} {y(each.raw[index]):.1f}h0' for each in images)
        lines.append(f'<path class="images {label}" d="{dots}"/>\n')
        for stretch in stretches(images):
            points = ' '.join(f'{x(e.time):.1f} {y(e.filtered[index]):.1f}' for e in stretch)
            lines.append(f'<path class="curve {label}" d="M{points}"/>\n')
    return ''.join(lines)


def legend() -> str:
    """Return the meaning of colors, dots and lines, above the plot."""
    lines, left = [], LEFT + 24
    for label in DRAWN:
        lines.append(f'<path class="images {label}" d="M{left} 20h0m10 0h0"/>\n')
        lines.append(f'<path class="curve {label}" d="M{left + 22} 20h24"/>\n')
        lines.append(text((left + 54, 25), f'{label}: single images, filtered', 'small left'))
        left += 280
    return ''.join(lines)


def published(images: Sequence[Sample]) -> str:
    """Return the published label over time."""
    top, bottom = BAND
    lines = [text((LEFT, bottom + 24), 'published label', 'small left')]
    for stretch in stretches(images):
        for label, group in itertools.groupby(stretch, key=lambda each: each.label):
            run = list(group)
            left, right = x(run[0].time), x(run[-1].time + 1 / RATE)
            kind = 'part' if label in LABELS else 'line dash'
            lines.append(
                f'<rect class="{kind}" x="{left + 2:.1f}" y="{top}" '
                f'width="{right - left - 4:.1f}" height="{bottom - top}" rx="5"/>\n'
            )
            lines.append(text(((left + right) / 2, (top + bottom) / 2 + 5), label, 'small'))
    for before, after in itertools.pairwise(stretches(images)):
        middle = (x(before[-1].time) + x(after[0].time)) / 2
        lines.append(text((middle, bottom + 24), 'not visible', 'small'))
    return ''.join(lines)


def figure() -> str:
    """Return the figure."""
    images = list(samples())
    return drawing(
        SIZE,
        'Probabilities of two labels over time, and the label that is published',
        STYLE,
        f'{curves(images)}{axes()}{legend()}{published(images)}',
    )


if __name__ == '__main__':
    FIGURE.write_text(figure())
    for each in samples():
        print(each.time, each.label, [round(value, 3) for value in each.filtered])
