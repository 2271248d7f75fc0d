"""Parts of a data set for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import zlib

from face_classification_ros.datasets.tables import read_table

SPLITS = ('train', 'val', 'test')

ALL = 'all'
"""Takes the place of a split for all of them."""

_PERCENTILES = {'train': range(0, 80), 'val': range(80, 90), 'test': range(90, 100)}


def splits_in(split: str) -> tuple[str, ...]:
    """Return the splits that a split stands for: itself, or all of `SPLITS`."""
    return SPLITS if split == ALL else (split,)


def split_by_name(name: str) -> str:
    """Return the split of a name: 80, 10 and 10 % are in 'train', 'val' and 'test', by a hash."""
    percentile = zlib.crc32(name.encode(errors='surrogateescape')) % 100
    return next(split for split, range_ in _PERCENTILES.items() if percentile in range_)


def read_splits_table(table: Path) -> dict[str, str] | None:
    """Return file -> split of a table with the columns `file` and `split`.

    Args:
        table: a CSV file, which may have further columns.

    Returns:
        None if there is no such table, or it has no column `split`.

    Raises:
        ValueError: the table has no column `file`, or a split is unknown; the line names it.
    """
    rows = read_table(table, ('file',)) if table.is_file() else []
    if not rows or 'split' not in rows[0]:
        return None
    splits = {}
    for number, row in enumerate(rows, 2):
        if row['split'] not in SPLITS:
            raise ValueError(
                f'{table}, line {number}: unknown split {row["split"]!r}, expected one of '
                f'{", ".join(SPLITS)}; correct or delete the line'
            )
        splits[row['file']] = row['split']
    return splits


def split_function(table: Path) -> Callable[[str], str | None]:
    """Return a function from a file name to its split, None for one that is in no split.

    By the column `split` of a table, see `read_splits_table`; without it, by name.
    """
    splits = read_splits_table(table)
    return split_by_name if splits is None else splits.get
