"""Locate faces in space from their boxes, a depth image and the calibration of the camera.

The position of a face is the point of its visible surface in the middle of its box, in meters in
the optical frame of the camera (REP-103: x right, y down, z forward).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import BoundingBox, Face

MIDDLE = 0.5
"""Fraction of the width and height of a box whose depths count: eyes to mouth, no background."""

MIN_VALID = 0.1
"""Fraction of the pixels in the middle that must have a depth; fewer may be anything."""

PLAUSIBLE_WIDTHS = (0.1, 0.35)
"""Smallest and largest plausible width of a face in meters, by its box."""

MAX_ASPECT_ERROR = 0.02
"""Largest difference between the horizontal and vertical scale of two images of one view."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion, in pixels of its image.

    Attributes:
        width: width of the image that the other values refer to.
        height: height of the image that the other values refer to.
        fx: focal length in the direction of x.
        fy: focal length in the direction of y.
        cx: x of the principal point, 0 in the center of the first pixel.
        cy: y of the principal point, 0 in the center of the first pixel.
    """

    width: float
    height: float
    fx: float
    fy: float
    cx: float
    cy: float

    def scaled(self, width: int, height: int) -> Intrinsics:
        """Return the intrinsics for an image of another size that shows the same view.

        Raises:
            ValueError: the image has another aspect ratio, so it shows another view.
        """
        x, y = _scales((self.width, self.height), (width, height), 'the calibration is for')
        return Intrinsics(
            width,
            height,
            self.fx * x,
            self.fy * y,
            (self.cx + 0.5) * x - 0.5,
            (self.cy + 0.5) * y - 0.5,
        )


@dataclass(frozen=True, slots=True)
class DepthImage:
    """Distances along the optical axis, registered to the color image.

    Attributes:
        values: H x W, any kind and byte order; 0, negative, NaN and infinite ones are invalid.
        meter: value of one meter: 1000 for millimeters, 1 for meters.
    """

    values: NDArray[Any]
    meter: float

    @property
    def is_blind(self) -> bool:
        """Whether no value is valid."""
        return not _are_valid(self.values).any()


@dataclass(frozen=True, slots=True)
class DepthView:
    """A depth image with the calibration of the camera.

    Attributes:
        depth: depth image of the same view as the color image; may have another size.
        intrinsics: calibration of the camera; may be for another size.
    """

    depth: DepthImage
    intrinsics: Intrinsics


def locate(
    faces: Sequence[Face], view: DepthView, width: int, height: int, rotation: int = 0
) -> list[Face]:
    """Return the faces with their positions where the depth image shows them.

    The distance is the median of the valid depths in the middle of the box, which makes it robust
    against holes, noise and an arm in front of the mouth. A face whose box is not as wide as faces
    are (`PLAUSIBLE_WIDTHS`), such as one on a poster or with a wrong depth, has a position and
    `is_size_plausible` False.

    Args:
        faces: with boxes in pixels of the image.
        view: depth image and calibration.
        width: width of the image in pixels.
        height: height of the image in pixels.
        rotation: degrees clockwise, one of `ROTATIONS`, by which the image must be rotated for
            people to be upright.

    Returns:
        Faces in the same order; a face whose depth is unknown is returned as it is.

    Raises:
        ValueError: depth image or calibration have another aspect ratio than the image.
    """
    camera = view.intrinsics.scaled(width, height)
    rows, columns = view.depth.values.shape
    scales = _scales((width, height), (columns, rows), 'the camera image is', 'depth image')
    located = []
    for face in faces:
        distance = _distance(view.depth, face.detection.box, scales)
        located.append(face if distance is None else _located(face, distance, camera, rotation))
    return located


def _located(face: Face, distance: float, camera: Intrinsics, rotation: int) -> Face:
    """Return a face with its position at a distance in meters along the optical axis."""
    box = face.detection.box
    # A box starts at the edge of the first pixel, the principal point at its center.
    x, y = (each - 0.5 for each in box.center)
    position = (
        (x - camera.cx) / camera.fx * distance,
        (y - camera.cy) / camera.fy * distance,
        distance,
    )
    size = box.width / camera.fx * distance, box.height / camera.fy * distance
    # From ear to ear, which is vertical in the image of a camera mounted on its side.
    width = size[1] if rotation in (90, 270) else size[0]
    narrowest, widest = PLAUSIBLE_WIDTHS
    # Not numpy's True, which messages take for False.
    is_plausible = bool(narrowest <= width <= widest)
    return replace(face, position=position, size=size, is_size_plausible=is_plausible)


def _distance(depth: DepthImage, box: BoundingBox, scales: tuple[float, float]) -> float | None:
    """Return the median of the valid depths in the middle of a box, in meters.

    Args:
        depth: the depth image.
        box: in pixels of the color image.
        scales: ratios of the width and height of the depth image to those of the color image.
    """
    rows, columns = depth.values.shape
    x, y = box.center
    width, height = box.width * MIDDLE * scales[0], box.height * MIDDLE * scales[1]
    middle = BoundingBox(x * scales[0] - width / 2, y * scales[1] - height / 2, width, height)
    visible = middle.clipped(columns, rows)
    # At least one pixel, even of a tiny box in a coarse depth image.
    left, right = math.floor(visible.x), math.ceil(visible.x + visible.width)
    top, bottom = math.floor(visible.y), math.ceil(visible.y + visible.height)
    depths = depth.values[top:bottom, left:right].astype(np.float32)
    valid = depths[_are_valid(depths)]
    if valid.size == 0 or valid.size < MIN_VALID * depths.size:
        return None
    return float(np.median(valid)) / depth.meter


def _are_valid(depths: NDArray[Any]) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = np.isfinite(depths) & (depths > 0)
    return valid


def _scales(
    reference: tuple[float, float], size: tuple[float, float], whose: str, what: str = 'image'
) -> tuple[float, float]:
    """Return the ratios of width and height of two images of the same view."""
    x, y = size[0] / reference[0], size[1] / reference[1]
    if abs(x / y - 1) > MAX_ASPECT_ERROR:
        raise ValueError(
            f'a {what} of {size[0]:g} x {size[1]:g} shows another view: '
            f'{whose} {reference[0]:g} x {reference[1]:g}, expected the same aspect ratio'
        )
    return x, y
