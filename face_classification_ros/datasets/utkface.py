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
    part_of,
    read_table,
    splits_in,
)
from face_classification_ros.datasets.reading import Reader
from face_classification_ros.io.images import read_image
from face_classification_ros.types import BoundingBox

# Measured with landmarks: libfacedetection's boxes in images that show more than the face,
# transferred to the eyes and mouths of every tenth face of the training split.
UTKFACE_BOX = BoundingBox(-0.04, -0.11, 1.06, 1.06)

FILE_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_\d+\.jpg')
RACES = ('white', 'black', 'asian', 'indian', 'other')
GENDER_OF_CODE = {'0': 'man', '1': 'woman'}


def is_utkface(folder: Path) -> bool:
    """Return whether a folder contains images with the names of UTKFace."""
    return any(FILE_NAME.match(path.name) for path in folder.glob('*.jpg'))


def read_utkface(attribute: str, folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read UTKFace (Zhang, Song, Qi 2017), aligned and cropped.

    Splits are those of the table `split.csv` with the columns `file` and `split`; without it, 80,
    10 and 10 % by file name. `min_age` applies to gender alone.

    Raises:
        ValueError: an image cannot be read, or `split.csv` lacks a column.
    """
    table = folder / 'split.csv'
    in_split = part_of(split)
    if table.is_file():
        rows = read_table(table, ('file', 'split'))
        in_split = {row['file'] for row in rows if row['split'] in splits_in(split)}.__contains__
    files, images, genders, ages, races = [], [], [], [], []
    for path in sorted(folder.glob('*.jpg')):
        match = FILE_NAME.match(path.name)
        if match is None or not in_split(path.name):
            continue
        if attribute == 'gender' and int(match['age']) < min_age:
            continue
        files.append(str(path))
        images.append(read_image(path))
        genders.append(GENDERS.index(GENDER_OF_CODE[match['gender']]))
        ages.append(int(match['age']))
        races.append(RACES[int(match['race'])])
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
        {'age': np.array(ages, np.int64), 'race': np.array(races, str)},
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
