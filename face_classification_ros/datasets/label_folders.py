"""Reader for images in one folder per label, for any attribute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import FaceDataset, LABELS, one_hot
from face_classification_ros.datasets.image_files import (
    files_below,
    is_image,
    warn_of_omissions,
)
from face_classification_ros.datasets.splits import split_by_name, splits_in
from face_classification_ros.datasets.tables import read_table
from face_classification_ros.io.images import read_image

GROUPS = 'groups.csv'

SPLIT_FOLDERS = {
    'train': ('train', 'training'),
    'val': ('val', 'valid', 'validation'),
    'test': ('test', 'testing'),
}
"""Split -> usual names of its folder, in lower case."""


def is_label_folders(folder: Path, attribute: str) -> bool:
    """Return whether a folder, or a split below it, has folders for an attribute's labels.

    The labels of an unknown attribute are any two or more folders with images, unless they are
    those of a well-known one.
    """
    if attribute in LABELS:
        return _has_folders(folder, LABELS[attribute])
    known = any(_has_folders(folder, labels) for labels in LABELS.values())
    return not known and len(_folder_labels(folder)) > 1


def read_label_folders(folder: Path, attribute: str, split: str) -> FaceDataset:
    """Read images from folders named after their labels, or from such folders below each split.

    If there are folders for the splits, see `SPLIT_FOLDERS`, each split is in its own. Without one
    for validation (as FER-2013 is published, too), a tenth of the training folder is used for it,
    and the data set's name says so. Without any of them, a tenth of all images is used for each of
    validation and test. These parts are chosen by file name.

    A label's folder may have a folder for each person: all images of a person are in one part.

    The labels of an attribute that is not well known are the names of the folders, sorted.

    A table `groups.csv` in the folder may have more columns for `FaceDataset.groups`: `file` is
    the path of an image relative to the folder, `age` is in years. It has a row for each image of
    a split, or for none of it.

    Warns:
        OmissionWarning: there are images outside of the folders of all labels, or files of other
            kinds in them.

    Raises:
        ValueError: a split has several folders, a label has no folder while other folders have
            unknown names, an image cannot be read, or a row of the table is invalid or missing.
    """
    labels = LABELS.get(attribute) or _folder_labels(folder)
    images, y_true, paths = [], [], []
    for part in splits_in(split):
        root, in_part = _root_of(folder, part)
        if attribute in LABELS:
            _check_names(root, labels)
        for index, label in enumerate(labels):
            for path in _images_below(root / label):
                # The file, or the folder of the person.
                if in_part(path.relative_to(root / label).parts[0]):
                    images.append(read_image(path))
                    y_true.append(index)
                    paths.append(path)
    warn_of_omissions(f'files of {folder} that are no images of a label', _omitted(folder, labels))
    return FaceDataset(
        attribute,
        f'{folder.resolve().name} {split}{_origin(folder, split)}',
        images,
        np.array(y_true, np.int64),
        one_hot(np.array(y_true, np.int64), len(labels)),
        groups=_read_groups(folder, paths),
        labels=labels,
        files=tuple(map(str, paths)),
    )


def list_folders(folder: Path) -> str:
    """Return the names of the folders in a folder and in its splits, for an error message."""
    splits = _split_folders(folder).values()
    names = [
        f'{name} ({", ".join(_folders(folder / name))})' if folder / name in splits else name
        for name in _folders(folder)
    ]
    return ', '.join(names) or 'no folder'


def _has_folders(folder: Path, labels: Sequence[str]) -> bool:
    return any((part / label).is_dir() for part in _parts(folder) for label in labels)


def _folder_labels(folder: Path) -> tuple[str, ...]:
    """Return the names of all folders with images, of all splits together."""
    names = {
        name for part in _parts(folder) for name in _folders(part) if _images_below(part / name)
    }
    return tuple(sorted(names))


def _parts(folder: Path) -> tuple[Path, ...]:
    """Return the folders of the splits, or the folder itself if it has none."""
    return tuple(_split_folders(folder).values()) or (folder,)


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return split -> its folder; a folder with images of its own is not a split but a label."""
    found: dict[str, Path] = {}
    for path in (folder / name for name in _folders(folder)):
        for split, names in SPLIT_FOLDERS.items():
            if path.name.lower() not in names or any(map(is_image, path.iterdir())):
                continue
            if split in found:
                raise ValueError(
                    f'{folder} has two folders of the split {split}, {found[split].name} and '
                    f'{path.name}; rename one of them'
                )
            found[split] = path
    return found


def _root_of(folder: Path, split: str) -> tuple[Path, Callable[[str], bool]]:
    """Return the folder with the label folders of a split, and which names belong to it."""
    found = _split_folders(folder)
    if not found:
        return folder, lambda name: split_by_name(name) == split
    if 'val' in found or split == 'test':
        return found.get(split, folder / split), lambda name: True
    is_val = split == 'val'
    return found.get('train', folder / 'train'), (
        lambda name: (split_by_name(name) == 'val') == is_val
    )


def _origin(folder: Path, split: str) -> str:
    """Return where validation images come from if they have no folder, for reports."""
    found = _split_folders(folder)
    return ', a tenth of train' if split == 'val' and found and 'val' not in found else ''


def _omitted(folder: Path, labels: Sequence[str]) -> list[Path]:
    """Return the images that are in no label's folder, and what else is in those folders."""
    names = {*labels, *(label for known in LABELS.values() for label in known)}
    folders = {part / name for part in _parts(folder) for name in names}
    return [
        path for path in files_below(folder) if folders.isdisjoint(path.parents) == is_image(path)
    ]


def _read_groups(folder: Path, paths: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """Read the columns of `groups.csv` for some images; none where the table is missing."""
    table = folder / GROUPS
    if not table.is_file():
        return {}
    rows: dict[Path, dict[str, str]] = {}
    # The first line has the names of the columns.
    for number, row in enumerate(read_table(table, ('file',)), 2):
        path, where = folder / (row.pop('file') or ''), f'{table}, line {number}'
        _check_row(row, where)
        if not path.is_file():
            raise ValueError(f'{where}: {path} does not exist')
        if path in rows:
            raise ValueError(f'{where}: {path} already has a row')
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


def _check_row(row: dict[str, str], where: str) -> None:
    if not all(row):
        raise ValueError(f'{where}: a value in a column without a name')
    for column, text in row.items():
        if not text:
            raise ValueError(f'{where}: no {column}; write unknown where it is not known')
        if column == 'age' and not text.isdecimal():
            raise ValueError(
                f'{where}: age {text!r} is not a whole number of years; rename a column of bands'
            )


def _check_names(root: Path, expected: Sequence[str]) -> None:
    """Refuse folders such as `Happy` or `anger`, whose images would be ignored."""
    found = _folders(root)
    known = {label for labels in LABELS.values() for label in labels}
    if not known.issuperset(found) and not set(expected).issubset(found):
        raise ValueError(
            f'{root}: expected a folder for each of {", ".join(expected)}, '
            f'found {", ".join(found)}'
        )


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*') if path.is_dir())


def _images_below(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if is_image(path)] if folder.is_dir() else []
