"""Reader for FER-2013 and the votes of FER+."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import (
    EMOTIONS,
    FaceDataset,
    one_hot,
)
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import label_index
from face_classification_ros.datasets.splits import splits_in
from face_classification_ros.datasets.tables import read_table

TABLES = ('fer2013.csv', 'icml_face_data.csv')
"""Names of the table, which Kaggle published twice."""
VOTES = 'fer2013new.csv'
USAGE = {'train': 'Training', 'val': 'PublicTest', 'test': 'PrivateTest'}
VOTE_COLUMNS = {
    'angry': 'anger',
    'disgust': 'disgust',
    'fear': 'fear',
    'happy': 'happiness',
    'sad': 'sadness',
    'surprise': 'surprise',
    'neutral': 'neutral',
}
EMOTION_CODES = tuple(map(str, range(len(EMOTIONS))))
SIZE = 48


def is_fer2013(folder: Path) -> bool:
    """Return whether a folder contains FER-2013 as one table."""
    return any((folder / table).is_file() for table in TABLES)


def read_fer2013(attribute: str, folder: Path, split: str, ferplus_weight: float) -> FaceDataset:
    """Read FER-2013 (Goodfellow 2013) and, for `ferplus_weight`, FER+ (Barsoum et al. 2016).

    The splits are called Training, PublicTest and PrivateTest in the table. Blank images, and
    those in which most voters see no face, are excluded from training; the other splits are
    complete.

    Raises:
        ValueError: the votes are missing or belong to another table, or a row is invalid.
    """
    table = next(folder / name for name in TABLES if (folder / name).is_file())
    votes_table = folder / VOTES
    if ferplus_weight and not votes_table.is_file():
        raise ValueError(
            f'{votes_table} with the FER+ votes is missing; add it or set ferplus_weight to 0'
        )
    rows = read_table(table, ('emotion', 'pixels', 'Usage'))
    votes_rows: list[dict[str, str]] = []
    if ferplus_weight:
        votes_rows = read_table(votes_table, (*VOTE_COLUMNS.values(), 'NF'))
        if len(votes_rows) != len(rows):
            raise ValueError(f'{votes_table} has {len(votes_rows)} rows, but {table} {len(rows)}')

    usages = [USAGE[part] for part in splits_in(split)]
    images, y_true, targets, files = [], [], [], []
    for number, row in enumerate(rows):
        # The first line has the names of the columns.
        where = f'{table}, line {number + 2}'
        usage = row['Usage']
        if usage not in usages:
            if usage not in USAGE.values():
                raise ValueError(
                    f'{where}: unknown Usage {usage!r}, expected one of '
                    f'{", ".join(USAGE.values())}; correct or delete the line'
                )
            continue
        image = _pixels(row['pixels'], where)
        label = label_index(row['emotion'], EMOTIONS, EMOTION_CODES, where)
        target = one_hot(np.array(label), len(EMOTIONS))
        if votes_rows:
            counts, no_face = _votes(votes_rows[number], f'{votes_table}, line {number + 2}')
            if counts.sum():
                target = (1 - ferplus_weight) * target + ferplus_weight * counts / counts.sum()
            if split == 'train' and no_face > counts.sum():
                continue
        if split == 'train' and image.min() == image.max():
            continue
        images.append(image)
        files.append(where)
        y_true.append(label)
        targets.append(target)
    return FaceDataset(
        attribute,
        f'FER-2013 {USAGE.get(split, split)}',
        images,
        np.array(y_true, np.int64),
        np.array(targets, np.float32).reshape(-1, len(EMOTIONS)),
        files=tuple(files),
    )


def _pixels(text: str, where: str) -> NDArray[np.uint8]:
    values = text.split()
    if len(values) != SIZE * SIZE:
        raise ValueError(f'{where}: {len(values)} pixels, expected {SIZE} x {SIZE} = {SIZE**2}')
    try:
        return np.array(values, np.uint8).reshape(SIZE, SIZE, 1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f'{where}: a pixel is not a whole number from 0 to 255') from error


def _votes(row: Mapping[str, str], where: str) -> tuple[NDArray[np.float32], int]:
    """Return the votes for each emotion and those for no face."""
    try:
        counts = [int(row[VOTE_COLUMNS[emotion]]) for emotion in EMOTIONS]
        return np.array(counts, np.float32), int(row['NF'])
    except ValueError as error:
        raise ValueError(f'{where}: a number of votes is not a whole number') from error


READER = Reader(
    'fer2013',
    TABLES[0],
    {'emotion': EMOTIONS},
    is_fer2013,
    read_fer2013,
    ('ferplus_weight',),
)
