"""Draw how often predictions of a probability are right: docs/explanation/calibration.svg.

The argument is what `benchmarks/calibration.py --json` has written for the default model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import json
from pathlib import Path
import sys
from typing import Any

from svg_parts import DOCS, drawing, text

FIGURE = DOCS / 'explanation' / 'calibration.svg'

MIN_FACES = 40
"""Bins with fewer faces are not drawn: chance would move them by more than 8 points."""

SIZE = 830, 372
SIDE, TOP, GAP, LEFT = 220, 64, 45, 50

COLORS = {
    'FER-2013': ('#0f766e', '#4fb3a8'),
    'RAF-DB': ('#b45309', '#f0a04b'),
    'UTKFace': ('#1d4ed8', '#7ba7f7'),
    'FairFace': ('#be185d', '#f472b6'),
    'All-Age-Faces': ('#6d28d9', '#b794f6'),
    'SCUT-FBP5500': ('#4d7c0f', '#a3d16a'),
}
"""Data set -> its color in light and in dark mode."""


def kind(source: str) -> str:
    """Return the class of a data set in the style."""
    return source.lower().replace('-', '_')


def style() -> str:
    """Return the style of curves and dots, with a color for each data set."""
    light = ' '.join(f'.{kind(each)} {{ stroke: {colors[0]} }}' for each, colors in COLORS.items())
    dark = ' '.join(f'.{kind(each)} {{ stroke: {colors[1]} }}' for each, colors in COLORS.items())
    return (
        '<style>\n  .curve { fill: none; stroke-width: 2 } .right { text-anchor: end }\n'
        '  .dots { fill: none; stroke-width: 7; stroke-linecap: round }\n'
        f'  {light}\n  @media (prefers-color-scheme: dark) {{ {dark} }}\n</style>\n'
    )


def source_of(name: str) -> str:
    """Return which data set a name such as "FER-2013 PublicTest" is of."""
    return next(each for each in COLORS if name.startswith(each))


def panel(left: float, attribute: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Draw the data sets of one attribute."""
    bottom = TOP + SIDE
    yield text((left + SIDE / 2, TOP - 14), attribute, '')
    yield f'<path class="line" d="M{left} {TOP}V{bottom}H{left + SIDE}"/>\n'
    yield f'<path class="line dash" d="M{left} {bottom}L{left + SIDE} {TOP}"/>\n'
    for value in (0, 0.5, 1):
        yield text((left - 6, bottom - SIDE * value + 5), f'{value:g}', 'small right')
        yield text((left + SIDE * value, bottom + 17), f'{value:g}', 'small')
    for row in rows:
        color = kind(source_of(row['data']))
        places = [
            f'{left + SIDE * each["confidence"]:.1f} {bottom - SIDE * each["accuracy"]:.1f}'
            for each in row['reliability']
            if each['faces'] >= MIN_FACES
        ]
        yield f'<path class="curve {color}" d="M{" L".join(places)}"/>\n'
        yield f'<path class="dots {color}" d="{"".join(f"M{each}h0" for each in places)}"/>\n'


def legend() -> Iterator[str]:
    """Name the data sets below the panels."""
    left, height = LEFT, TOP + SIDE + 66
    for source in COLORS:
        yield f'<path class="dots {kind(source)}" d="M{left} {height - 5}h0"/>\n'
        yield text((left + 10, height), source, 'small left')
        left += 130


def figure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the figure of the rows that `benchmarks/calibration.py` writes."""
    attributes = list(dict.fromkeys(row['attribute'] for row in rows))
    panels = ''.join(
        part
        for number, attribute in enumerate(attributes)
        for part in panel(
            LEFT + number * (SIDE + GAP),
            attribute,
            [row for row in rows if row['attribute'] == attribute],
        )
    )
    middle = LEFT + (len(attributes) * (SIDE + GAP) - GAP) / 2
    return drawing(
        SIZE,
        'Fraction of right labels by their probability, for each data set',
        style(),
        text((16, 26), 'fraction of labels that are right', 'small left')
        + text((middle, TOP + SIDE + 38), 'probability of the predicted label', 'small')
        + panels
        + ''.join(legend()),
    )


if __name__ == '__main__':
    FIGURE.write_text(figure(json.loads(Path(sys.argv[1]).read_text())))
