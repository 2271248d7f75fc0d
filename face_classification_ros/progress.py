"""Show the progress of work that may take longer than a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
import sys
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def progress(
    items: Iterable[Item], unit: str, *, task: str = '', total: int | None = None
) -> Iterable[Item]:
    """Return an iterable of the items that shows a bar on stderr if that is a terminal.

    Args:
        items: whose use takes long.
        unit: what an item is, such as 'image'.
        task: what is done, to the left of the bar.
        total: number of items; None is their length, if they have one.
    """
    bar: Iterable[Item] = tqdm(
        items, desc=task or None, total=total, unit=f' {unit}', disable=None, leave=False
    )
    return bar


def print_line(text: str, file: TextIO | None = None) -> None:
    """Print a line above the bar.

    Args:
        text: the line.
        file: where; None is stdout.
    """
    tqdm.write(text, file=file or sys.stdout)
