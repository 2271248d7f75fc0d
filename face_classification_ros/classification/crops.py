"""Cut faces out of a picture the way the networks saw them in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import BoundingBox, Image


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a network wants to see; stored in its model file.

    Attributes:
        side: height and width of a crop in pixels.
        margin: what to show around the box on every side, as a share of its longer side.
        color: 'gray' or 'bgr'.
    """

    side: int
    margin: float
    color: str

    @property
    def channels(self) -> int:
        """Channels of a crop: 1 in gray, 3 in BGR."""
        return 1 if self.color == 'gray' else 3


def crop_faces(
    image: Image, boxes: Sequence[BoundingBox], input_spec: InputSpec
) -> NDArray[np.uint8]:
    """Cut a square around the center of each box, scaled to the side that the form asks for.

    What lies beyond the picture's edge repeats the nearest pixels, so that a face at the edge
    is neither dropped nor distorted.

    Args:
        image: uint8 H x W x 3 in BGR.
        boxes: in pixels of `image`; each overlaps it.
        input_spec: what the network wants.

    Returns:
        uint8 N x side x side x channels.
    """
    crops = np.empty((len(boxes), input_spec.side, input_spec.side, input_spec.channels), np.uint8)
    for crop, box in zip(crops, boxes, strict=True):
        square = _square_around(image, box, input_spec.margin)
        shrinking = square.shape[0] > input_spec.side
        if input_spec.color == 'gray':
            # Before it is scaled: one channel takes half the time of three.
            square = cv2.cvtColor(square, cv2.COLOR_BGR2GRAY)
        cv2.resize(
            square,
            (input_spec.side, input_spec.side),
            dst=crop,
            interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR,
        )
    return crops


def cut_sides(boxes: Sequence[BoundingBox], input_spec: InputSpec) -> NDArray[np.int64]:
    """Give the sides in pixels of the squares that `crop_faces` cuts, before they are scaled."""
    return np.array([_side(box, input_spec.margin) for box in boxes], np.int64)


def _side(box: BoundingBox, margin: float) -> int:
    return max(2, round(max(box.width, box.height) * (1 + 2 * margin)))


def _square_around(image: Image, box: BoundingBox, margin: float) -> Image:
    side = _side(box, margin)
    height, width = image.shape[:2]
    # No farther out than the picture's last pixels: with a negative margin the square may lie
    # beyond the edge where the box does not.
    x, y = box.center
    left = min(max(round(x - side / 2), 1 - side), width - 1)
    top = min(max(round(y - side / 2), 1 - side), height - 1)
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[0] == side and inside.shape[1] == side:
        return inside
    above, before = max(-top, 0), max(-left, 0)
    return cv2.copyMakeBorder(
        inside,
        above,
        side - above - inside.shape[0],
        before,
        side - before - inside.shape[1],
        cv2.BORDER_REPLICATE,
    )
