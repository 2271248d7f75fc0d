"""The figures of the manual are small, readable in light and dark mode, and up to date."""

from pathlib import Path
import re
import runpy
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).resolve().parents[1] / 'docs'
FIGURES = sorted(DOCS.rglob('*.svg'))

MAX_BYTES = 15_000
MIN_FONT_SIZE = 11
SVG = '{http://www.w3.org/2000/svg}'


def figure_id(path: Path) -> str:
    """Return the name of a test case."""
    return str(path.relative_to(DOCS))


@pytest.mark.parametrize('path', FIGURES, ids=figure_id)
def test_figure_is_small_and_readable(path: Path) -> None:
    """It has a title, a size, no small text, and colors for dark mode."""
    text = path.read_text()
    root = ElementTree.fromstring(text)
    assert len(text.encode()) <= MAX_BYTES
    assert root.findtext(f'{SVG}title')
    assert root.get('viewBox') == f'0 0 {root.get("width")} {root.get("height")}'
    assert '@media (prefers-color-scheme: dark)' in text
    sizes = [float(size) for size in re.findall(r'([\d.]+)px', text)]
    assert min(sizes) >= MIN_FONT_SIZE


@pytest.mark.parametrize('path', FIGURES, ids=figure_id)
def test_figure_is_shown_with_a_description(path: Path) -> None:
    """A page in the same folder has it with an alt text."""
    pages = [page.read_text() for page in path.parent.glob('*.md')]
    assert any(re.search(rf'!\[[^]]{{20,}}\]\({re.escape(path.name)}\)', page) for page in pages)


def test_figure_of_the_filter_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows what the filter computes now."""
    monkeypatch.syspath_prepend(DOCS / 'generators')
    script = runpy.run_path(str(DOCS / 'generators' / 'filter_figure.py'))
    assert script['figure']() == script['FIGURE'].read_text()


def test_figure_of_the_calibration_leaves_out_small_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few faces say little about how many labels are right."""
    monkeypatch.syspath_prepend(DOCS / 'generators')
    script = runpy.run_path(str(DOCS / 'generators' / 'calibration_figure.py'))
    bins = [
        {'faces': faces, 'confidence': 0.5 + number / 10, 'accuracy': 0.6}
        for number, faces in enumerate((script['MIN_FACES'], script['MIN_FACES'] - 1, 500))
    ]
    row = {'attribute': 'gender', 'data': 'FairFace val', 'reliability': bins}
    drawn = script['figure']([row])
    (dots,) = re.findall(r'class="dots fairface" d="(M[^"]*h0M[^"]*)"', drawn)
    assert dots.count('M') == 2
