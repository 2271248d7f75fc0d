"""What the readers of image folders have in common: images, detected boxes, published codes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import (
    age_band,
    FaceDataset,
    in_pixels,
    one_hot,
)
from face_classification_ros.datasets.tables import read_table
from face_classification_ros.io.images import read_image
from face_classification_ros.types import BoundingBox

BOXES = 'boxes.csv'


@dataclass(frozen=True)
class Sample:
    """An image of a data set, before it is read.

    Attributes:
        file: relative to `images`, and the key in `boxes.csv`.
        labels: attribute -> index of its label.
        groups: further columns, see `FaceDataset.groups`.
    """

    file: str
    labels: dict[str, int]
    groups: dict[str, Any]


def read_samples(
    name: str,
    attribute: str,
    labels: tuple[str, ...],
    folder: Path,
    images: Path,
    samples: Sequence[Sample],
    default_box: BoundingBox,
) -> FaceDataset:
    """Read the images of samples, with the boxes of `boxes.csv` where the folder has one.

    Args:
        name: of the data set and split, for reports.
        attribute: which of the samples' labels to take.
        labels: of the attribute.
        folder: of the data set.
        images: folder to which the samples' files are relative.
        samples: what to read.
        default_box: where the box lies in an image without one, in fractions of its size.

    Raises:
        ValueError: an image cannot be read, or a row of `boxes.csv` is invalid; the line names it.
    """
    boxes = read_boxes(folder)
    paths = [images / sample.file for sample in samples]
    with ThreadPoolExecutor() as pool:
        faces = list(pool.map(read_face, paths))
    y_true = np.array([sample.labels[attribute] for sample in samples], np.int64)
    columns = samples[0].groups if samples else {}
    return FaceDataset(
        attribute,
        name,
        faces,
        y_true,
        one_hot(y_true, len(labels)),
        default_box,
        {column: np.array([sample.groups[column] for sample in samples]) for column in columns},
        labels=labels,
        boxes=tuple(
            boxes.get(sample.file) or in_pixels(default_box, face)
            for sample, face in zip(samples, faces, strict=True)
        ),
        files=tuple(map(str, paths)),
    )


def read_face(path: Path) -> NDArray[np.uint8]:
    """Read an image, H x W x 3 in BGR or, where it is gray, H x W x 1."""
    image = read_image(path)
    blue, green, red = image[:, :, 0], image[:, :, 1], image[:, :, 2]
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return blue[:, :, np.newaxis].copy()
    return image


def read_boxes(folder: Path) -> dict[str, BoundingBox]:
    """Return the boxes that a detector found, file -> box in pixels.

    `boxes.csv` has the columns `file`, `x`, `y`, `width`, `height` and `score`; files in which
    nothing was found have a score of 0. Without this file, there are no boxes.

    Raises:
        ValueError: a row is invalid; the line names it.
    """
    table, boxes = folder / BOXES, {}
    if not table.is_file():
        return {}
    columns = ('x', 'y', 'width', 'height')
    for number, row in enumerate(read_table(table, ('file', *columns, 'score')), 2):
        try:
            box, score = (
                BoundingBox(*(float(row[column]) for column in columns)),
                float(row['score']),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f'{table}, line {number}: x, y, width, height and score must be numbers'
            ) from error
        if score > 0:
            boxes[row['file']] = box
    return boxes


def label_index(text: str, labels: Sequence[str], codes: Sequence[str], where: str) -> int:
    """Return the index of a published code in `labels`.

    Args:
        text: the code.
        labels: in the order of `codes`, for the message.
        codes: published code of each label.
        where: file and line, for the message.

    Raises:
        ValueError: the code is unknown.
    """
    if text not in codes:
        known = ', '.join(
            code if code == label else f'{code} ({label})'
            for code, label in zip(codes, labels, strict=True)
        )
        raise ValueError(
            f'{where}: unknown label {text!r}, expected one of {known}; correct or delete the line'
        )
    return codes.index(text)


def band_index(years: int) -> int:
    """Return the index of the age band of an age in years."""
    return int(age_band(np.array(years)))
