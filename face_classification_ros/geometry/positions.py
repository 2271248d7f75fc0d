"""Where faces are in space: boxes, a depth picture and the camera's intrinsics put together.

A face's position is the point of its visible surface that the camera sees in the middle of the
face's box, in meters in the camera's optical frame (REP-103: x right, y down, z forward).
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
"""Share of a box's width and of its height that is looked at: eyes to mouth, no background."""

MIN_VALID = 0.1
"""Share of the middle's pixels that must have a depth; fewer may be anything but the face."""

PLAUSIBLE_WIDTHS = (0.1, 0.35)
"""Meters from the narrowest to the widest face that is believed, by its box."""

IMPLAUSIBLE_CONFIDENCE = 0.5
"""What the detector's confidence in a face of an implausible width is multiplied by."""

MAX_ASPECT_ERROR = 0.02
"""How far width and height of two pictures may differ in scale if they show the same view."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion, in pixels of its picture.

    Attributes:
        width: of the picture that the other values belong to.
        height: likewise.
        fx: focal length in the direction of x.
        fy: focal length in the direction of y.
        cx: x of the principal point, 0 in the center of the first pixel.
        cy: y of the principal point, likewise.
    """

    width: float
    height: float
    fx: float
    fy: float
    cx: float
    cy: float

    def scaled(self, width: int, height: int) -> Intrinsics:
        """Give the same camera for a picture of another size that shows the same view.

        Raises:
            ValueError: the picture has another aspect ratio, so it shows another view.
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
    """Distances along the optical axis, registered to the picture that faces are found in.

    Attributes:
        values: H x W, any kind and byte order; 0, negative, NaN and infinite ones are invalid.
        meter: what a value of one meter is: 1000 for millimeters, 1 for meters.
    """

    values: NDArray[Any]
    meter: float

    @property
    def is_blind(self) -> bool:
        """Whether not one value is valid."""
        return not _are_valid(self.values).any()


def locate(
    faces: Sequence[Face],
    depth: DepthImage,
    intrinsics: Intrinsics,
    width: int,
    height: int,
    rotation: int = 0,
) -> list[Face]:
    """Give the faces with their positions, where the depth picture shows them.

    The distance is the median of the valid depths in the middle of the box, so that holes, noise
    and an arm in front of the mouth do not matter. A face whose box is not as wide as faces are
    (`PLAUSIBLE_WIDTHS`), such as one on a poster or one with a wrong depth, keeps its position
    and is marked down: its detection's confidence is multiplied by `IMPLAUSIBLE_CONFIDENCE`.

    Args:
        faces: boxes in pixels of the picture they were found in.
        depth: of the same view; may be of another size.
        intrinsics: of the same camera; may be for another size.
        width: of the picture that the faces were found in, in pixels.
        height: likewise.
        rotation: degrees clockwise, one of `ROTATIONS`, by which that picture must be turned for
            people to stand upright.

    Returns:
        the faces in the same order; one whose depth is not known comes back as it is.

    Raises:
        ValueError: depth picture or calibration are of another aspect ratio than the picture.
    """
    camera = intrinsics.scaled(width, height)
    rows, columns = depth.values.shape
    scales = _scales((width, height), (columns, rows), 'the camera picture is', 'depth picture')
    located = []
    for face in faces:
        box = face.detection.box
        distance = _distance(depth, box, scales)
        located.append(face if distance is None else _placed(face, distance, camera, rotation))
    return located


def _placed(face: Face, distance: float, camera: Intrinsics, rotation: int) -> Face:
    """Give a face with its position at a distance in meters along the optical axis."""
    detection = face.detection
    # A box counts from the edge of the first pixel, the principal point from its center.
    x, y = (each - 0.5 for each in detection.box.center)
    position = (
        (x - camera.cx) / camera.fx * distance,
        (y - camera.cy) / camera.fy * distance,
        distance,
    )
    # From ear to ear, which runs down the picture of a camera that lies on its side.
    if rotation in (90, 270):
        width = detection.box.height / camera.fy * distance
    else:
        width = detection.box.width / camera.fx * distance
    narrowest, widest = PLAUSIBLE_WIDTHS
    if not narrowest <= width <= widest:
        confidence = detection.confidence * IMPLAUSIBLE_CONFIDENCE
        detection = replace(detection, confidence=confidence)
    return replace(face, detection=detection, position=position)


def _distance(depth: DepthImage, box: BoundingBox, scales: tuple[float, float]) -> float | None:
    """Give the median of the valid depths in the middle of a box, in meters.

    Args:
        depth: the depth picture.
        box: in the picture that faces are found in.
        scales: of the depth picture's width and height to those of that picture.
    """
    rows, columns = depth.values.shape
    x, y = box.center
    width, height = box.width * MIDDLE * scales[0], box.height * MIDDLE * scales[1]
    middle = BoundingBox(x * scales[0] - width / 2, y * scales[1] - height / 2, width, height)
    seen = middle.clipped(columns, rows)
    # At least one pixel, also of a tiny box in a coarse depth picture.
    left, right = math.floor(seen.x), math.ceil(seen.x + seen.width)
    top, bottom = math.floor(seen.y), math.ceil(seen.y + seen.height)
    depths = depth.values[top:bottom, left:right].astype(np.float32)
    valid = depths[_are_valid(depths)]
    if valid.size == 0 or valid.size < MIN_VALID * depths.size:
        return None
    return float(np.median(valid)) / depth.meter


def _are_valid(depths: NDArray[Any]) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = np.isfinite(depths) & (depths > 0)
    return valid


def _scales(
    reference: tuple[float, float], size: tuple[float, float], whose: str, what: str = 'picture'
) -> tuple[float, float]:
    """Give how many times as wide and as high a picture is as another one of the same view."""
    x, y = size[0] / reference[0], size[1] / reference[1]
    if abs(x / y - 1) > MAX_ASPECT_ERROR:
        raise ValueError(
            f'a {what} of {size[0]:g} x {size[1]:g} shows another view: '
            f'{whose} {reference[0]:g} x {reference[1]:g}, expected the same aspect ratio'
        )
    return x, y
