"""Reader for FairFace."""

from __future__ import annotations

from pathlib import Path

from face_classification_ros.datasets.face_dataset import AGES, FaceDataset, GENDERS
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import label_index, read_samples, Sample
from face_classification_ros.datasets.splits import splits_in
from face_classification_ros.datasets.tables import read_table
from face_classification_ros.types import BoundingBox

ATTRIBUTES = {'gender': GENDERS, 'age': AGES}

TABLES = {'train': 'fairface_label_train.csv', 'val': 'fairface_label_val.csv'}

AGE_CODES = (*AGES[:-1], 'more than 70')
GENDER_CODES = ('Female', 'Male')

# Median of the boxes that YuNet finds in the training images (padding 0.25 as published).
BOX = BoundingBox(0.10, -0.09, 0.79, 1.05)


def is_fairface(folder: Path) -> bool:
    """Return whether a folder contains FairFace."""
    return any((folder / table).is_file() for table in TABLES.values())


def read_fairface(attribute: str, folder: Path, split: str) -> FaceDataset:
    """Read FairFace (Kärkkäinen, Joo 2021): gender, age band and race, balanced by race.

    Raises:
        ValueError: a column is missing, a label is unknown or an image cannot be read.
    """
    samples = []
    for table in (folder / TABLES[part] for part in splits_in(split) if part in TABLES):
        rows = read_table(table, ('file', 'age', 'gender', 'race')) if table.is_file() else []
        for number, row in enumerate(rows, 2):
            where = f'{table}, line {number}'
            age = label_index(row['age'], AGES, AGE_CODES, where)
            gender = label_index(row['gender'], GENDERS, GENDER_CODES, where)
            groups = {'age': AGES[age], 'race': row['race'].lower(), 'gender': GENDERS[gender]}
            samples.append(Sample(row['file'], {'gender': gender, 'age': age}, groups))
    return read_samples(
        f'FairFace {split}', attribute, ATTRIBUTES[attribute], folder, folder, samples, BOX
    )


READER = Reader('fairface', TABLES['train'], ATTRIBUTES, is_fairface, read_fairface)
