"""Faces labeled with one attribute, and what the readers of data sets have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
import hashlib
import itertools
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.types import BoundingBox

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
AGE_BANDS = {
    0: '0-2',
    3: '3-9',
    10: '10-19',
    20: '20-29',
    30: '30-39',
    40: '40-49',
    50: '50-59',
    60: '60-69',
    70: '70+',
}
"""First age of each band in years -> the band's name."""

AGES = tuple(AGE_BANDS.values())
LABELS: dict[str, tuple[str, ...]] = {'gender': GENDERS, 'emotion': EMOTIONS, 'age': AGES}
"""Labels of well-known attributes, in the order of a model file; emotions in FER-2013's order.

A data set may have others, see `FaceDataset.labels`."""

WHOLE_IMAGE = BoundingBox(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class FaceDataset:
    """Faces labeled with one attribute.

    Attributes:
        attribute: name of the attribute.
        name: of data set and split, for reports.
        images: one uint8 image per face, H x W x 3 in BGR or H x W x 1 in gray.
        y_true: int64 N, index of the published label.
        targets: float32 N x labels, rows of sum 1 to train on, softer than `y_true` where several
            people voted.
        box: where a detector's box is in each image, in fractions of its width and height. The
            node cuts its crops around such boxes, so training has to.
        groups: further columns by name (age, race, ...), N each.
        labels: of the attribute, in the order of `y_true` and `targets`; those of `LABELS` if not
            given.
        boxes: a detector's box in each image, in pixels; empty where `box` is used for all.
        files: source of each image, for messages; empty where it is unknown.
        source: name of the reader, see `registry.READERS`.
    """

    attribute: str
    name: str
    images: list[NDArray[np.uint8]]
    y_true: NDArray[np.int64]
    targets: NDArray[np.float32]
    box: BoundingBox = WHOLE_IMAGE
    groups: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    boxes: tuple[BoundingBox, ...] = ()
    files: tuple[str, ...] = ()
    source: str = ''

    def __post_init__(self) -> None:
        """Fill in the labels of a well-known attribute."""
        if not self.labels:
            object.__setattr__(self, 'labels', LABELS[self.attribute])

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.images)

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """A hash per image, the same for pixel-identical images."""
        return [
            hashlib.blake2b(str(image.shape).encode() + image.tobytes(), digest_size=16).digest()
            for image in self.images
        ]

    def face_boxes(self) -> list[BoundingBox]:
        """Return the face's box in each image, in pixels."""
        if self.boxes:
            return list(self.boxes)
        return [in_pixels(self.box, image) for image in self.images]

    def group(self, column: str) -> NDArray[Any]:
        """Return the group of each face by a column, N; one group for all without the column."""
        if column not in self.groups:
            return np.zeros(len(self), np.int64)
        return group_names(column, self.groups[column])

    def crops(
        self, input_spec: InputSpec, boxes: Sequence[BoundingBox] | None = None
    ) -> NDArray[np.uint8]:
        """Return the crop of every face, cut as the node does around a detector's box.

        Args:
            input_spec: size, margin and color of the crops.
            boxes: one per face in pixels of its image, instead of the data set's own.

        Returns:
            uint8 N x size x size x channels.
        """
        return np.concatenate(
            [
                crop_faces(as_bgr(image), [box], input_spec)
                for image, box in zip(self.images, boxes or self.face_boxes(), strict=True)
            ]
        )

    def sample(self, faces: int, *, seed: int = 0) -> FaceDataset:
        """Return a random sample of faces, the same for the same seed; all if there are fewer.

        Raises:
            ValueError: `faces` is below 1.
        """
        if faces < 1:
            raise ValueError(f'number of faces is {faces}, expected 1 or more')
        return self.select(np.random.default_rng(seed).permutation(len(self)) < faces)

    def select(self, keep: NDArray[np.bool_]) -> FaceDataset:
        """Return the faces for which `keep` (bool, N) is true."""

        def kept(values: Sequence[Any]) -> list[Any]:
            return list(itertools.compress(values, keep))

        return replace(
            self,
            images=kept(self.images),
            y_true=self.y_true[keep],
            targets=self.targets[keep],
            groups={name: column[keep] for name, column in self.groups.items()},
            boxes=tuple(kept(self.boxes)),
            files=tuple(kept(self.files)),
        )

    def without_images_of(self, other: FaceDataset) -> FaceDataset:
        """Return the faces without a pixel-identical image in `other`."""
        return self.select(~self.images_in(other))

    def images_in(self, other: FaceDataset) -> NDArray[np.bool_]:
        """Return for each face, N, whether `other` contains a pixel-identical image."""
        known = set(other.fingerprints)
        return np.array([each in known for each in self.fingerprints], bool)

    def describe(self, index: int) -> str:
        """Return the source and the label of a face, for messages."""
        source = self.files[index] if self.files else f'{self.name}, face {index}'
        return f'{source} ({self.labels[self.y_true[index]]})'

    def merge_copies(self) -> FaceDataset:
        """Return one face for each set of pixel-identical images.

        Its targets are the mean of theirs, so that contradicting labels become a soft target; all
        else is the first one's.
        """
        copies: defaultdict[bytes, list[int]] = defaultdict(list)
        for index, fingerprint in enumerate(self.fingerprints):
            copies[fingerprint].append(index)
        targets = self.targets.copy()
        first = np.zeros(len(self), bool)
        for indices in copies.values():
            targets[indices[0]] = self.targets[indices].mean(axis=0)
            first[indices[0]] = True
        return replace(self, targets=targets).select(first)


def labels_of(datasets: Sequence[FaceDataset]) -> dict[str, tuple[str, ...]]:
    """Return attribute -> labels of several data sets.

    Raises:
        ValueError: two data sets of the same attribute have different labels.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for dataset in datasets:
        known = labels.setdefault(dataset.attribute, dataset.labels)
        if known != dataset.labels:
            raise ValueError(
                f'{dataset.name} has the labels {", ".join(dataset.labels)} of '
                f'{dataset.attribute}, other data {", ".join(known)}'
            )
    return labels


def group_names(column: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return the name of each face's group, N: the band of an age in years, else the value.

    Args:
        column: name of the column.
        values: N, integers for ages in years.
    """
    if column != 'age' or not np.issubdtype(values.dtype, np.integer):
        return values
    return np.array(AGES)[age_band(values)]


def groups_in(names: NDArray[Any]) -> list[str]:
    """Return the distinct names of groups: ages by their first year, others by the alphabet."""

    def rank(name: str) -> tuple[int, str]:
        first_year = re.match(r'\d+', name)
        return int(first_year[0]) if first_year else 0, name

    return sorted({str(name) for name in names}, key=rank)


def age_band(years: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index in `AGES` of each age in years, N."""
    return np.digitize(years, list(AGE_BANDS)) - 1


def one_hot(y_true: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return one-hot targets: N -> N x classes."""
    return np.eye(classes, dtype=np.float32)[y_true]


def as_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image with three channels, H x W x 3; the same array if it has them already.

    Args:
        image: uint8 H x W x 3 in BGR or H x W x 1 in gray.
    """
    if image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)


def in_pixels(box: BoundingBox, image: NDArray[np.uint8]) -> BoundingBox:
    """Return a box in fractions of an image's width and height in pixels of the image."""
    height, width = image.shape[:2]
    return BoundingBox(box.x * width, box.y * height, box.width * width, box.height * height)
