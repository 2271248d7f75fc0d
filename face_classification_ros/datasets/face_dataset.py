"""Faces with the true answer for one attribute, and what the readers of data sets share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
import csv
from dataclasses import dataclass, field, replace
import hashlib
from pathlib import Path
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.types import BoundingBox

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
LABELS = {'gender': GENDERS, 'emotion': EMOTIONS}
"""Labels of each attribute in the order of a model file; emotions are in FER-2013's order."""

AGE_BANDS = {
    0: '0-12',
    13: '13-19',
    20: '20-29',
    30: '30-39',
    40: '40-49',
    50: '50-59',
    60: '60-69',
    70: '70+',
}
"""First age of each band in years -> the band's name."""

SPLITS = ('train', 'val', 'test')

# Where a detector's box lies in a picture, as shares of its sides; the node cuts its crops around
# such boxes, so training has to.
WHOLE_IMAGE = BoundingBox(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class FaceDataset:
    """Faces with the true answer for one attribute.

    Attributes:
        attribute: 'gender' or 'emotion'.
        name: where the faces come from, for reports.
        images: one uint8 picture per face, H x W x 3 in BGR or H x W x 1 in gray.
        y_true: int64 N, index of the published label.
        targets: float32 N x labels, what to learn: rows of sum 1, softer than `y_true` where
            several people voted.
        box: where a detector's box lies in each picture, as shares of its sides.
        groups: further columns by name (age, race, ...), N each.
    """

    attribute: str
    name: str
    images: list[NDArray[np.uint8]]
    y_true: NDArray[np.int64]
    targets: NDArray[np.float32]
    box: BoundingBox = WHOLE_IMAGE
    groups: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The attribute's labels, in the order of `y_true` and `targets`."""
        return LABELS[self.attribute]

    def __len__(self) -> int:
        """Give the number of faces."""
        return len(self.images)

    def box_of(self, image: NDArray[np.uint8]) -> BoundingBox:
        """Give the face's box in pixels of a picture of this data set."""
        height, width = image.shape[:2]
        box = self.box
        return BoundingBox(box.x * width, box.y * height, box.width * width, box.height * height)

    def group(self, column: str) -> NDArray[Any]:
        """Give the group of each face by a column, N; one for all without such a column."""
        if column not in self.groups:
            return np.zeros(len(self), np.int64)
        return group_names(column, self.groups[column])

    def crops(
        self, input_spec: InputSpec, boxes: Sequence[BoundingBox] | None = None
    ) -> NDArray[np.uint8]:
        """Cut every face out as the node does around a detector's box.

        Args:
            input_spec: what the network wants.
            boxes: one per face in pixels of its picture, instead of the data set's own.

        Returns:
            uint8 N x side x side x channels.
        """
        if boxes is None:
            boxes = [self.box_of(image) for image in self.images]
        return np.concatenate(
            [
                crop_faces(_bgr(image), [box], input_spec)
                for image, box in zip(self.images, boxes, strict=True)
            ]
        )

    def select(self, keep: NDArray[np.bool_]) -> FaceDataset:
        """Give the faces for which `keep` (bool, N) is true."""
        return FaceDataset(
            self.attribute,
            self.name,
            [image for image, kept in zip(self.images, keep, strict=True) if kept],
            self.y_true[keep],
            self.targets[keep],
            self.box,
            {name: column[keep] for name, column in self.groups.items()},
        )

    def without_images_of(self, other: FaceDataset) -> FaceDataset:
        """Give the faces that have no pixel-identical picture in `other`."""
        return self.select(~self.images_in(other))

    def images_in(self, other: FaceDataset) -> NDArray[np.bool_]:
        """Tell for each face, N, whether `other` has a pixel-identical picture."""
        known = {_fingerprint(image) for image in other.images}
        return np.array([_fingerprint(image) in known for image in self.images], bool)

    def merge_copies(self) -> FaceDataset:
        """Give one face for all that share a picture, pixel for pixel.

        Its targets are the mean of theirs, so that labels which contradict each other are learned
        as doubt; all else is the first one's.
        """
        copies: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(self.images):
            copies[_fingerprint(image)].append(index)
        targets = self.targets.copy()
        first = np.zeros(len(self), bool)
        for indices in copies.values():
            targets[indices[0]] = self.targets[indices].mean(axis=0)
            first[indices[0]] = True
        return replace(self, targets=targets).select(first)


def group_names(column: str, values: NDArray[Any]) -> NDArray[Any]:
    """Give the name of each face's group, N: a band of years for an age, else the value itself."""
    if column != 'age':
        return values
    # The names of the bands sort as the bands do.
    return np.array(list(AGE_BANDS.values()))[np.digitize(values, list(AGE_BANDS)) - 1]


def one_hot(y_true: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Give targets of one certain label each: N -> N x classes."""
    return np.eye(classes, dtype=np.float32)[y_true]


def part_of(split: str) -> Callable[[str], bool]:
    """Tell by a name which split it is in: 80, 10 and 10 %, the same on every machine."""
    parts = {'train': range(0, 80), 'val': range(80, 90), 'test': range(90, 100)}

    def in_part(name: str) -> bool:
        return zlib.crc32(name.encode()) % 100 in parts[split]

    return in_part


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the rows of a CSV file that has at least these columns.

    Raises:
        ValueError: a column is missing; the line names it and those that are there.
    """
    with open(path, newline='') as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        for column in columns:
            if column not in names:
                raise ValueError(f'{path} has no column {column!r}, but {", ".join(names)}')
        return list(reader)


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)


def _fingerprint(image: NDArray[np.uint8]) -> tuple[object, ...]:
    # Not the pixels themselves, which would be held in memory a second time.
    return image.shape, hashlib.blake2b(image.tobytes(), digest_size=16).digest()
