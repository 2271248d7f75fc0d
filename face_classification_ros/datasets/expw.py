"""Reader for ExpW, the Expression in-the-Wild data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.datasets.face_dataset import (
    as_bgr,
    EMOTIONS,
    FaceDataset,
    one_hot,
)
from face_classification_ros.datasets.fer2013 import EMOTION_CODES
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import label_index, read_face
from face_classification_ros.datasets.splits import split_by_name, splits_in
from face_classification_ros.datasets.tables import read_text
from face_classification_ros.types import BoundingBox

ATTRIBUTES = {'emotion': EMOTIONS}

TABLE, IMAGES = Path('label', 'label.lst'), Path('image', 'origin')

SIZE, MARGIN = 80, 0.15
"""Pixels of a face's image, and what it shows around the face's box as a fraction of that.

All faces are held in memory, where whole images would not fit.
"""

BOX = BoundingBox(*([MARGIN / (1 + 2 * MARGIN)] * 2), *([1 / (1 + 2 * MARGIN)] * 2))


@dataclass(frozen=True)
class _Row:
    file: str
    face: str
    box: BoundingBox
    emotion: int


def is_expw(folder: Path) -> bool:
    """Return whether a folder contains ExpW."""
    return (folder / TABLE).is_file()


def read_expw(attribute: str, folder: Path, split: str) -> FaceDataset:
    """Read ExpW (Zhang et al. 2018): seven emotions of faces found by a search engine.

    All faces of an image are in the same split: 80, 10 and 10 % by name.

    Raises:
        ValueError: a line has not the eight published columns, or an image cannot be read.
    """
    rows = [row for row in _rows(folder / TABLE) if split_by_name(row.file) in splits_in(split)]
    images: list[NDArray[np.uint8]] = []
    for file, faces in groupby(rows, lambda row: row.file):
        images += _faces(folder / IMAGES / file, [row.box for row in faces])
    y_true = np.array([row.emotion for row in rows], np.int64)
    return FaceDataset(
        attribute,
        f'ExpW {split}',
        images,
        y_true,
        one_hot(y_true, len(EMOTIONS)),
        BOX,
        files=tuple(f'{folder / IMAGES / row.file}, face {row.face}' for row in rows),
    )


def _rows(table: Path) -> list[_Row]:
    """Return the faces of the table, those of one image next to each other."""
    rows = []
    for number, line in enumerate(read_text(table).splitlines(), 1):
        where, words = f'{table}, line {number}', line.split()
        try:
            name, face, top, left, right, bottom, _, code = words
            edges = [float(edge) for edge in (left, top, right, bottom)]
        except ValueError as error:
            raise ValueError(
                f'{where}: expected image, face, top, left, right, bottom, confidence and label, '
                f'got {line!r}'
            ) from error
        box = BoundingBox(edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1])
        if box.width <= 0 or box.height <= 0:
            raise ValueError(f'{where}: the box ends before it begins; correct or delete the line')
        rows.append(_Row(name, face, box, label_index(code, EMOTIONS, EMOTION_CODES, where)))
    return sorted(rows, key=lambda row: row.file)


def _faces(path: Path, boxes: Sequence[BoundingBox]) -> list[NDArray[np.uint8]]:
    image = read_face(path)
    color = 'gray' if image.shape[2] == 1 else 'bgr'
    return list(crop_faces(as_bgr(image), boxes, InputSpec(SIZE, MARGIN, color)))


READER = Reader('expw', str(TABLE), ATTRIBUTES, is_expw, read_expw)
