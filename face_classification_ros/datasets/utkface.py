"""Reader for UTKFace."""

from __future__ import annotations

from pathlib import Path
import re

import numpy as np

from face_classification_ros.datasets.face_dataset import (
    FaceDataset,
    GENDERS,
    one_hot,
    part_of,
    read_table,
)
from face_classification_ros.io.files import read_image
from face_classification_ros.types import BoundingBox

# Measured by landmarks: libfacedetection's boxes in pictures that show more than the face, carried
# over to the eyes and mouths of every tenth face of the training split.
UTKFACE_BOX = BoundingBox(-0.04, -0.11, 1.06, 1.06)

FILE_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_\d+\.jpg')
RACES = ('white', 'black', 'asian', 'indian', 'other')
GENDER_OF_CODE = {'0': 'man', '1': 'woman'}


def is_utkface(folder: Path) -> bool:
    """Tell whether a folder holds pictures that are named as UTKFace's are."""
    return any(FILE_NAME.match(path.name) for path in folder.glob('*.jpg'))


def read_utkface(folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read UTKFace (Zhang, Song, Qi 2017), aligned and cropped.

    Raises:
        ValueError: a picture cannot be read; the line names it.
    """
    table = folder / 'split.csv'
    in_split = part_of(split)
    if table.is_file():
        rows = read_table(table, ('file', 'split'))
        in_split = {row['file'] for row in rows if row['split'] == split}.__contains__
    images, y_true, ages, races = [], [], [], []
    for path in sorted(folder.glob('*.jpg')):
        match = FILE_NAME.match(path.name)
        if match is None or int(match['age']) < min_age or not in_split(path.name):
            continue
        images.append(read_image(path))
        y_true.append(GENDERS.index(GENDER_OF_CODE[match['gender']]))
        ages.append(int(match['age']))
        races.append(RACES[int(match['race'])])
    return FaceDataset(
        'gender',
        f'UTKFace {split}, age {min_age} and above',
        images,
        np.array(y_true, np.int64),
        one_hot(np.array(y_true, np.int64), len(GENDERS)),
        UTKFACE_BOX,
        {'age': np.array(ages, np.int64), 'race': np.array(races, str)},
    )
