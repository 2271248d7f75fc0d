"""Crop faces out of an image the way the networks saw them in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import BoundingBox, Image


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The crops that a network expects; stored in its model file.

    Attributes:
        size: height and width of a crop in pixels.
        margin: margin around the box on every side, as a fraction of its longer side.
        color: 'gray' or 'bgr'.
    """

    size: int
    margin: float
    color: str

    @property
    def channels(self) -> int:
        """Channels of a crop: 1 in gray, 3 in BGR."""
        return 1 if self.color == 'gray' else 3


def crop_faces(
    image: Image, boxes: Sequence[BoundingBox], input_spec: InputSpec
) -> NDArray[np.uint8]:
    """Crop a square around the center of each box and resize it.

    Beyond the edge of the image the nearest pixels are repeated, so that a face at the edge is
    neither dropped nor distorted.

    Args:
        image: uint8 H x W x 3 in BGR.
        boxes: in pixels of `image`; each overlaps it.
        input_spec: crops that the network expects.

    Returns:
        uint8 N x size x size x channels.
    """
    size = input_spec.size
    crops = np.empty((len(boxes), size, size, input_spec.channels), np.uint8)
    for crop, box in zip(crops, boxes, strict=True):
        square = _square_around(image, box, input_spec.margin)
        shrinks = square.shape[0] > size
        if input_spec.color == 'gray':
            # Before resizing: one channel takes half the time of three.
            square = cv2.cvtColor(square, cv2.COLOR_BGR2GRAY)
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(square, (size, size), dst=crop, interpolation=interpolation)
    return crops


def source_sizes(boxes: Sequence[BoundingBox], input_spec: InputSpec) -> NDArray[np.int64]:
    """Return the sizes in pixels of the squares that `crop_faces` crops, before resizing."""
    return np.array([_source_size(box, input_spec.margin) for box in boxes], np.int64)


def _source_size(box: BoundingBox, margin: float) -> int:
    return max(2, round(max(box.width, box.height) * (1 + 2 * margin)))


def _square_around(image: Image, box: BoundingBox, margin: float) -> Image:
    size = _source_size(box, margin)
    height, width = image.shape[:2]
    # No farther out than the last pixels of the image: with a negative margin the square may lie
    # beyond the edge although the box does not.
    x, y = box.center
    left = min(max(round(x - size / 2), 1 - size), width - 1)
    top = min(max(round(y - size / 2), 1 - size), height - 1)
    inside = image[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)]
    if inside.shape[0] == size and inside.shape[1] == size:
        return inside
    above, before = max(-top, 0), max(-left, 0)
    return cv2.copyMakeBorder(
        inside,
        above,
        size - above - inside.shape[0],
        before,
        size - before - inside.shape[1],
        cv2.BORDER_REPLICATE,
    )
