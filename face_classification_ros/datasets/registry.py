"""Read data sets in the forms in which they are published."""

from __future__ import annotations

from pathlib import Path

from face_classification_ros.datasets.face_dataset import (
    EMOTIONS,
    FaceDataset,
    GENDERS,
    LABELS,
    SPLITS,
)
from face_classification_ros.datasets.fer2013 import is_fer2013, read_fer2013
from face_classification_ros.datasets.imdb_wiki import is_imdb_wiki, read_imdb_wiki
from face_classification_ros.datasets.label_folders import (
    is_label_folders,
    list_folders,
    read_label_folders,
)
from face_classification_ros.datasets.utkface import is_utkface, read_utkface, UTKFACE_BOX

__all__ = [
    'EMOTIONS',
    'GENDERS',
    'LABELS',
    'SPLITS',
    'UTKFACE_BOX',
    'FaceDataset',
    'NoFacesError',
    'attributes_in',
    'read_dataset',
]


class NoFacesError(ValueError):
    """A folder holds no faces of the split that was asked for."""


def read_dataset(
    attribute: str, folder: Path, split: str, *, ferplus_weight: float = 0.0, min_age: int = 13
) -> FaceDataset:
    """Read one split of whatever published form a folder holds.

    Known forms: `fer2013.csv` (with `fer2013new.csv` beside it for the FER+ votes); UTKFace's
    `[age]_[gender]_[race]_[date].jpg` names (with an optional `split.csv` of `file,split`);
    IMDB-WIKI's `imdb_crop` with `imdb.mat` or `wiki_crop` with `wiki.mat`; a sub-folder per label,
    or `train/`, `test/` and perhaps `val/` with one each. Pictures that are in the training split
    more than once are merged, see `FaceDataset.merge_copies`.

    Args:
        attribute: 'gender' or 'emotion'.
        folder: where the data is.
        split: 'train', 'val' or 'test'. FER-2013 calls them Training, PublicTest, PrivateTest.
        ferplus_weight: weight of the FER+ votes in `targets`, from 0 to 1.
        min_age: UTKFace and IMDB-WIKI faces of younger people are left out: their labels are
            unreliable.

    Raises:
        NoFacesError: the folder holds no data of a known form, or none of this split.
        ValueError: attribute or split have no such name, or the data cannot be read.
    """
    if attribute not in LABELS:
        raise ValueError(f'unknown attribute {attribute!r}; there are: {", ".join(LABELS)}')
    if split not in SPLITS:
        raise ValueError(f'unknown split {split!r}; there are: {", ".join(SPLITS)}')
    if attribute == 'emotion' and is_fer2013(folder):
        dataset = read_fer2013(folder, split, ferplus_weight)
    elif attribute == 'gender' and is_imdb_wiki(folder):
        dataset = read_imdb_wiki(folder, split, min_age)
    elif attribute == 'gender' and is_utkface(folder):
        dataset = read_utkface(folder, split, min_age)
    elif is_label_folders(folder, attribute):
        dataset = read_label_folders(folder, attribute, split)
    else:
        raise NoFacesError(
            f'{folder} holds no {attribute} data of a known form: expected fer2013.csv, UTKFace '
            'pictures, imdb.mat or wiki.mat with its pictures, or a folder for each of '
            f'{", ".join(LABELS[attribute])}; found {list_folders(folder)}'
        )
    if not len(dataset):
        raise NoFacesError(f'{folder} holds no face of the split {split!r}')
    return dataset.merge_copies() if split == 'train' else dataset


def attributes_in(folder: Path) -> list[str]:
    """Tell for which attributes a folder holds data of a known form."""
    if is_fer2013(folder):
        return ['emotion']
    if is_imdb_wiki(folder) or is_utkface(folder):
        return ['gender']
    return [attribute for attribute in LABELS if is_label_folders(folder, attribute)]
