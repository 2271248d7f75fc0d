"""Reader for UTKFace."""

from __future__ import annotations

from pathlib import Path
import re

import numpy as np

from face_classification_ros.datasets.face_dataset import (
    age_band,
    AGES,
    FaceDataset,
    GENDERS,
    LABELS,
    one_hot,
)
from face_classification_ros.datasets.image_files import files_below, is_image, warn_of_omissions
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.splits import split_function, splits_in
from face_classification_ros.io.images import read_image
from face_classification_ros.types import BoundingBox

# Measured with landmarks: libfacedetection's boxes in images that show more than the face,
# transferred to the eyes and mouths of every tenth face of the training split.
UTKFACE_BOX = BoundingBox(-0.04, -0.11, 1.06, 1.06)

# Some of the published names lack the first dot of .jpg.chip.jpg.
FILE_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_\d+(\.?jpg\.chip)?\.jpg')
SPLIT_TABLE = 'split.csv'
RACES = ('white', 'black', 'asian', 'indian', 'other')
GENDER_OF_CODE = {'0': 'man', '1': 'woman'}


def is_utkface(folder: Path) -> bool:
    """Return whether a folder contains images with the names of UTKFace."""
    return any(FILE_NAME.fullmatch(path.name) for path in folder.glob('*.jpg'))


def read_utkface(attribute: str, folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read UTKFace (Zhang, Song, Qi 2017), aligned and cropped.

    Splits are those of the table `split.csv` with the columns `file` and `split`; without it, 80,
    10 and 10 % by file name. `min_age` applies to gender alone.

    Warns:
        OmissionWarning: an image has another name, or no row in `split.csv`.

    Raises:
        ValueError: an image cannot be read, or `split.csv` lacks a column or has another split.
    """
    split_of = split_function(folder / SPLIT_TABLE)
    files, images, genders, ages, races = [], [], [], [], []
    others, unlisted = [], []
    for path in filter(is_image, files_below(folder)):
        match, part = FILE_NAME.fullmatch(path.name), split_of(path.name)
        if match is None:
            others.append(path)
            continue
        if part not in splits_in(split):
            unlisted += [path] if part is None else []
            continue
        if attribute == 'gender' and int(match['age']) < min_age:
            continue
        files.append(str(path))
        images.append(read_image(path))
        genders.append(GENDERS.index(GENDER_OF_CODE[match['gender']]))
        ages.append(int(match['age']))
        races.append(RACES[int(match['race'])])
    warn_of_omissions('images without age, gender and race in their names', others)
    warn_of_omissions(f'images that have no row in {SPLIT_TABLE}', unlisted)
    if attribute == 'age':
        y_true = age_band(np.array(ages, np.int64))
    else:
        y_true = np.array(genders, np.int64)
    return FaceDataset(
        attribute,
        f'UTKFace {split}' + (f', age {min_age} and above' if attribute == 'gender' else ''),
        images,
        y_true,
        one_hot(y_true, len(LABELS[attribute])),
        UTKFACE_BOX,
        {
            'age': np.array(ages, np.int64),
            'race': np.array(races, str),
            'gender': np.array([GENDERS[each] for each in genders], str),
        },
        files=tuple(files),
    )


READER = Reader(
    'utkface',
    '[age]_[gender]_[race]_[date].jpg',
    {'gender': GENDERS, 'age': AGES},
    is_utkface,
    read_utkface,
    ('min_age',),
)
