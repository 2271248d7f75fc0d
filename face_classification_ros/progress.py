"""Show the progress of work that may take longer than a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def progress(
    items: Iterable[Item], unit: str, *, task: str = '', total: int | None = None
) -> tqdm[Item]:
    """Return an iterable of the items that shows a bar on stderr if that is a terminal.

    Args:
        items: whose use takes long.
        unit: what an item is, such as 'image'.
        task: what is done, to the left of the bar.
        total: number of items; None is their length, if they have one.
    """
    return tqdm(
        items,
        desc=task or None,
        total=total,
        unit=f' {unit}',
        disable=None,
        leave=False,
    )
