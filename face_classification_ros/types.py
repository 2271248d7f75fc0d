"""What a face is: bounding box, landmarks and the estimates of its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: uint8, H x W x 3, in BGR."""

UNKNOWN = 'unknown'
"""The label that is told where the most probable one is not probable enough."""

ROTATIONS = (0, 90, 180, 270)
"""Degrees clockwise by which a picture can be turned."""


def rotated_point(
    point: tuple[float, float], degrees: int, image_width: int, image_height: int
) -> tuple[float, float]:
    """Give a point's place in the picture that is turned.

    Args:
        point: x and y in pixels of the picture as it is.
        degrees: how far the picture is turned clockwise, one of `ROTATIONS`.
        image_width: of the picture before it is turned, in pixels.
        image_height: likewise.
    """
    x, y = point
    return {
        0: (x, y),
        90: (image_height - y, x),
        180: (image_width - x, image_height - y),
        270: (y, image_width - x),
    }[degrees]


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A bounding box in pixels of the picture it was found in; may reach over the edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """The point in the middle, x and y in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor: float) -> BoundingBox:
        """Give the same box in a picture that is `factor` times as large."""
        return BoundingBox(
            self.x * factor, self.y * factor, self.width * factor, self.height * factor
        )

    def translated(self, x: float, y: float) -> BoundingBox:
        """Give the same box in a picture that begins `x` pixels farther left, `y` higher."""
        return BoundingBox(self.x + x, self.y + y, self.width, self.height)

    def rotated(self, degrees: int, image_width: int, image_height: int) -> BoundingBox:
        """Give the same box in the picture that is turned, see `rotated_point`."""
        x, y = rotated_point((self.x, self.y), degrees, image_width, image_height)
        far = self.x + self.width, self.y + self.height
        far_x, far_y = rotated_point(far, degrees, image_width, image_height)
        return BoundingBox(min(x, far_x), min(y, far_y), abs(far_x - x), abs(far_y - y))

    def clipped(self, image_width: int, image_height: int) -> BoundingBox:
        """Give the part of the box inside a picture; its sides are 0 where there is none."""
        left, top = min(max(self.x, 0.0), image_width), min(max(self.y, 0.0), image_height)
        right = min(max(self.x + self.width, left), image_width)
        bottom = min(max(self.y + self.height, top), image_height)
        return BoundingBox(left, top, right - left, bottom - top)

    def iou(self, other: BoundingBox) -> float:
        """Give intersection over union with another box, from 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / (self.area + other.area - width * height)


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as a detector found it.

    Attributes:
        box: where, in pixels of the picture.
        confidence: the detector's own score, 0 to 1.
        landmarks: none, or five points (x, y) in pixels: right eye, left eye, nose tip, right
            and left corner of the mouth, as the person in the picture has them.
    """

    box: BoundingBox
    confidence: float
    landmarks: tuple[tuple[float, float], ...] = ()

    def scaled(self, factor: float) -> Detection:
        """Give the same face in a picture that is `factor` times as large."""
        landmarks = tuple((x * factor, y * factor) for x, y in self.landmarks)
        return Detection(self.box.scaled(factor), self.confidence, landmarks)

    def translated(self, x: float, y: float) -> Detection:
        """Give the same face in a picture that begins `x` pixels farther left, `y` higher."""
        landmarks = tuple((each_x + x, each_y + y) for each_x, each_y in self.landmarks)
        return Detection(self.box.translated(x, y), self.confidence, landmarks)

    def rotated(self, degrees: int, image_width: int, image_height: int) -> Detection:
        """Give the same face in the picture that is turned, see `rotated_point`."""
        landmarks = tuple(
            rotated_point(point, degrees, image_width, image_height) for point in self.landmarks
        )
        box = self.box.rotated(degrees, image_width, image_height)
        return Detection(box, self.confidence, landmarks)


@dataclass(frozen=True, slots=True)
class AttributeEstimate:
    """What a classifier says of one attribute of one face.

    Attributes:
        labels: the possible answers, in the order of the model file.
        probabilities: float32, one per label, sum 1; smoothed over the track.
        frame_probabilities: the same for the newest picture alone.
        frame_count: how many pictures stand behind `probabilities`.
        threshold: below this probability the label is "unknown".
        stable_label: the label that a track keeps, so that it does not flicker: one of `labels`
            or "unknown"; None for what is told by `probabilities` and `threshold` alone.
        weight: how much this picture counts in an average: up to 1 for a sharp, large face; 0
            where it is not certain whose face it shows.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    frame_probabilities: NDArray[np.float32]
    frame_count: int
    threshold: float
    stable_label: str | None = None
    weight: float = 1.0

    @property
    def label(self) -> str:
        """What is held, or the most probable label; "unknown" where it is below the threshold."""
        if self.stable_label is not None:
            return self.stable_label
        best = self.labels[int(self.probabilities.argmax())]
        return best if self.confidence >= self.threshold else UNKNOWN

    @property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())


@dataclass(frozen=True, slots=True)
class Face:
    """A face with all that is known of it; an attribute that is switched off is None.

    Attributes:
        detection: where it is in this picture.
        track_id: the same for one face as long as it is tracked, never given twice.
        first_seen: stamp in seconds of the first picture of its track.
        gender: woman or man.
        emotion: one of the seven of FER-2013.
        position: x, y and z in meters in the camera's optical frame, None where it is not known.
    """

    detection: Detection
    track_id: str
    first_seen: float
    gender: AttributeEstimate | None
    emotion: AttributeEstimate | None
    position: tuple[float, float, float] | None = None


def largest_first(faces: Sequence[Face]) -> list[Face]:
    """Sort faces by the area of their boxes, the largest first."""
    return sorted(faces, key=lambda face: face.detection.box.area, reverse=True)
