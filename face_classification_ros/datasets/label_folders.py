"""Reader for pictures in one folder per label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import (
    FaceDataset,
    LABELS,
    one_hot,
    part_of,
    read_table,
    SPLITS,
)
from face_classification_ros.io.files import read_image

GROUPS = 'groups.csv'
IMAGE_SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'}


def is_label_folders(folder: Path, attribute: str) -> bool:
    """Tell whether a folder, or a split below it, has folders named like an attribute's labels."""
    parts = (folder, *(folder / split for split in SPLITS))
    return any((part / label).is_dir() for part in parts for label in LABELS[attribute])


def read_label_folders(folder: Path, attribute: str, split: str) -> FaceDataset:
    """Read pictures from `woman/`, `man/`, `happy/` and so on, or from a split's own folders.

    With `train/`, `val/` and `test/` each split is what its folder holds. Without `val/` (FER-2013
    is published so, too) a tenth of `train/` is taken for it, and without any of them a tenth of
    all for each of validation and test, by the names of the files.

    A table `groups.csv` in the folder may tell more of the pictures: its column `file` names each
    relative to the folder, any further column is one of `FaceDataset.groups`; `age` is in years.
    It has a row for each picture of a split, or for none of it.

    Raises:
        ValueError: a label has no folder while there are folders without a meaning, a picture
            cannot be read, or a row of the table or a picture in it is missing; the line names it.
    """
    whole, in_split = _place_of(folder, attribute, split)
    _check_names(whole, attribute)
    images, y_true, paths = [], [], []
    for index, label in enumerate(LABELS[attribute]):
        for path in sorted((whole / label).glob('*')):
            if path.suffix.lower() in IMAGE_SUFFIXES and in_split(path.name):
                images.append(read_image(path))
                y_true.append(index)
                paths.append(path)
    return FaceDataset(
        attribute,
        f'{folder.name} {split}',
        images,
        np.array(y_true, np.int64),
        one_hot(np.array(y_true, np.int64), len(LABELS[attribute])),
        groups=_read_groups(folder, paths),
    )


def list_folders(folder: Path) -> str:
    """List the folders in a folder and in its splits, for a line that tells what is wrong."""
    names = [
        f'{name} ({", ".join(_folders(folder / name))})' if name in SPLITS else name
        for name in _folders(folder)
    ]
    return ', '.join(names) or 'no folder'


def _place_of(folder: Path, attribute: str, split: str) -> tuple[Path, Callable[[str], bool]]:
    """Give the folder with a split's label folders, and which of the file names belong to it."""
    if any((folder / label).is_dir() for label in LABELS[attribute]):
        return folder, part_of(split)
    if (folder / 'val').is_dir() or split == 'test':
        return folder / split, lambda name: True
    in_val = part_of('val')
    return folder / 'train', in_val if split == 'val' else lambda name: not in_val(name)


def _read_groups(folder: Path, paths: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """Read what the table tells of some pictures; nothing where it is missing."""
    table = folder / GROUPS
    if not table.is_file():
        return {}
    rows: dict[Path, dict[str, str]] = {}
    # The first line holds the names of the columns.
    for number, row in enumerate(read_table(table, ('file',)), 2):
        path, where = folder / (row.pop('file') or ''), f'{table}, line {number}'
        if not all(row):
            raise ValueError(f'{where}: a value in a column without a name')
        if not path.is_file():
            raise ValueError(f'{where}: {path} does not exist')
        if path in rows:
            raise ValueError(f'{where}: {path} has a row already')
        for column, text in row.items():
            if not text:
                raise ValueError(f'{where}: no {column}; write unknown where it is not known')
            if column == 'age' and not text.isdecimal():
                raise ValueError(
                    f'{where}: age {text!r} is no whole number of years; call a column of bands '
                    'otherwise'
                )
        rows[path] = row
    without = [path for path in paths if path not in rows]
    if len(without) == len(paths):
        return {}
    if without:
        raise ValueError(f'{table} has no row for {without[0].relative_to(folder)}')
    return {
        column: np.array([rows[path][column] for path in paths], int if column == 'age' else str)
        for column in rows[paths[0]]
    }


def _check_names(folder: Path, attribute: str) -> None:
    """Refuse folders like `Happy` or `anger`, whose pictures would be passed over."""
    found, expected = _folders(folder), LABELS[attribute]
    known = {label for labels in LABELS.values() for label in labels}
    if not known.issuperset(found) and not set(expected).issubset(found):
        raise ValueError(
            f'{folder}: expected a folder for each of {", ".join(expected)}, '
            f'found {", ".join(found)}'
        )


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*') if path.is_dir())
