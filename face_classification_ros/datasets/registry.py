"""The data sets that can be read, each by its published layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from face_classification_ros.datasets import (
    all_age_faces,
    expw,
    fairface,
    fer2013,
    imdb_wiki,
    rafdb,
    scut_fbp5500,
    utkface,
)
from face_classification_ros.datasets.face_dataset import (
    EMOTIONS,
    FaceDataset,
    GENDERS,
    LABELS,
    labels_of,
)
from face_classification_ros.datasets.label_folders import (
    is_label_folders,
    list_folders,
    read_label_folders,
)
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.splits import ALL, SPLITS

__all__ = [
    'ALL',
    'EMOTIONS',
    'GENDERS',
    'LABELS',
    'READERS',
    'SPLITS',
    'FaceDataset',
    'NoFacesError',
    'attributes_in',
    'has_attribute',
    'labels_of',
    'layout_of',
    'no_data_error',
    'read_dataset',
]

READERS: tuple[Reader, ...] = (
    fer2013.READER,
    imdb_wiki.READER,
    rafdb.READER,
    fairface.READER,
    all_age_faces.READER,
    scut_fbp5500.READER,
    expw.READER,
    utkface.READER,
)
"""Published layouts in the order in which they are tried."""


LABEL_FOLDERS = 'label_folders'
"""Name of the layout without a reader in `READERS`: a sub-folder per label."""


class NoFacesError(ValueError):
    """A folder has no faces of the requested attribute and split."""


def read_dataset(
    attribute: str, folder: Path, split: str, *, ferplus_weight: float = 0.0, min_age: int = 13
) -> FaceDataset:
    """Read one split of a data set in a known layout.

    Known layouts are those of `READERS` and a sub-folder per label, or `train/`, `test/` and
    optionally `val/` with a sub-folder per label each. Pixel-identical images of the training
    split are merged, see `FaceDataset.merge_copies`.

    Args:
        attribute: name of an attribute.
        folder: of the data set.
        split: 'train', 'val', 'test', or 'all' for every image, where no copies are merged.
        ferplus_weight: weight of the FER+ votes in `targets`, from 0 to 1.
        min_age: exclude younger people, for attributes of which the labels of children are
            unreliable.

    Raises:
        NoFacesError: the folder has no such data in a known layout, or none of this split.
        ValueError: the split is unknown, there is no such folder, or the data cannot be read.
    """
    if split not in (*SPLITS, ALL):
        raise ValueError(f'unknown split {split!r}, expected one of {", ".join((*SPLITS, ALL))}')
    reader = _reader_of(folder)
    options = {'ferplus_weight': ferplus_weight, 'min_age': min_age}
    if reader is not None and attribute in reader.attributes:
        dataset = reader.read(
            attribute, folder, split, **{name: options[name] for name in reader.options}
        )
        dataset = replace(dataset, source=reader.name)
    elif reader is None and is_label_folders(folder, attribute):
        dataset = replace(read_label_folders(folder, attribute, split), source=LABEL_FOLDERS)
    else:
        raise no_data_error(folder, [attribute])
    if not len(dataset):
        raise NoFacesError(f'{folder} contains no face of the split {split!r}')
    return dataset.merge_copies() if split == 'train' else dataset


def check_attributes(folders: Sequence[Path], attributes: Sequence[str]) -> None:
    """Check that each folder has data of at least one attribute.

    Raises:
        ValueError: there is no such folder, or it has no such data in a known layout.
    """
    for folder in folders:
        if not any(has_attribute(folder, each) for each in attributes):
            raise no_data_error(folder, attributes)


def check_distinct(folders: Sequence[Path]) -> None:
    """Refuse a folder that is given twice.

    Raises:
        ValueError: it names the folder.
    """
    resolved = [folder.resolve() for folder in folders]
    for number, folder in enumerate(folders):
        if resolved[number] in resolved[:number]:
            raise ValueError(f'{folder} is given twice')


def distinct_names(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return the names of data sets, with the folder where others have the same name."""
    return [
        f'{name} ({folder})' if names.count(name) > 1 else name
        for name, folder in zip(names, folders, strict=True)
    ]


def no_data_error(folder: Path, attributes: Sequence[str]) -> NoFacesError:
    """Return the error for a folder without data of any of some attributes.

    It says by which files and folders such data is recognized, and what the folder contains.
    """
    layouts = [
        f'{each.known_by} ({each.name})'
        for each in READERS
        if any(name in each.attributes for name in attributes)
    ]
    labels = [label for name in attributes for label in LABELS.get(name, ('any',))]
    layouts.append(f'a sub-folder per label ({", ".join(labels)})')
    return NoFacesError(
        f'{folder} contains no {" or ".join(attributes)} data in a known layout: expected '
        f'{" or ".join(layouts)}, found {list_folders(folder)}'
    )


def attributes_in(folder: Path) -> list[str]:
    """Return the well-known attributes of which a folder has data in a known layout.

    Raises:
        ValueError: there is no such folder.
    """
    reader = _reader_of(folder)
    known = LABELS if reader is None else reader.attributes
    return [attribute for attribute in known if has_attribute(folder, attribute)]


def has_attribute(folder: Path, attribute: str) -> bool:
    """Return whether a folder has data of an attribute in a known layout.

    Raises:
        ValueError: there is no such folder.
    """
    reader = _reader_of(folder)
    if reader is not None:
        return attribute in reader.attributes
    return is_label_folders(folder, attribute)


def layout_of(folder: Path) -> str:
    """Return the name of a folder's layout, which is the `source` of its faces.

    Raises:
        ValueError: there is no such folder.
    """
    reader = _reader_of(folder)
    return LABEL_FOLDERS if reader is None else reader.name


def _reader_of(folder: Path) -> Reader | None:
    if not folder.is_dir():
        problem = 'is a file, not a folder' if folder.exists() else 'does not exist'
        raise ValueError(f'{folder} {problem}')
    return next((reader for reader in READERS if reader.recognizes(folder)), None)
