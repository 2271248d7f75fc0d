"""Reader for pictures in one folder per label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from face_classification_ros.training.face_dataset import (
    FaceDataset,
    LABELS,
    one_hot,
    part_of,
    read_picture,
    SPLITS,
)

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

    Raises:
        ValueError: a label has no folder while there are folders without a meaning, or a picture
            cannot be read; the line names it.
    """
    whole, in_split = _place_of(folder, attribute, split)
    _check_names(whole, attribute)
    images, truth = [], []
    for index, label in enumerate(LABELS[attribute]):
        for path in sorted((whole / label).glob('*')):
            if path.suffix.lower() in IMAGE_SUFFIXES and in_split(path.name):
                images.append(read_picture(path))
                truth.append(index)
    return FaceDataset(
        attribute,
        f'{folder.name} {split}',
        images,
        np.array(truth, np.int64),
        one_hot(np.array(truth, np.int64), len(LABELS[attribute])),
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
