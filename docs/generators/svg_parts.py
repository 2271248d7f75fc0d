"""What drawn figures of the manual have in common: size, style, paper and texts."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]


def text(place: tuple[float, float], words: str, kind: str) -> str:
    """Return a text of one or several classes of the style."""
    return f'<text class="{kind}" x="{place[0]:.0f}" y="{place[1]:.0f}">{words}</text>\n'


def drawing(size: tuple[int, int], title: str, style: str, content: str) -> str:
    """Return a figure with the style of the figure of the node and one of its own.

    Args:
        size: width and height in pixels.
        title: what readers hear who do not see the figure.
        style: a whole element `<style>`, which may override the common one.
        content: elements, drawn on the paper.
    """
    common = (DOCS / 'reference' / 'node.svg').read_text()
    common = common[common.index('<style>') : common.index('</style>')]
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">\n'
        f'<title>{title}</title>\n'
        f'{common}</style>\n{style}'
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>\n'
        f'{content}</svg>\n'
    )
