"""Define what is passed between the parts: images, boxes, detections, estimates and faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""An image: uint8 H x W x 3 in BGR."""

Point2D = tuple[float, float]
"""x and y in pixels."""

Position = tuple[float, float, float]
"""x, y and z in meters."""

Quaternion = tuple[float, float, float, float]
"""x, y, z and w of a rotation."""

LOOKING = 0.5
"""Value of `Face.looking_at_camera` from which a person looks at the camera."""

UNKNOWN = 'unknown'
"""The label where the most probable one is below its threshold."""


def rotated_point(point: Point2D, degrees: int, image_width: int, image_height: int) -> Point2D:
    """Return the coordinates of a point in the rotated image.

    Args:
        point: x and y in pixels of the original image.
        degrees: clockwise rotation of the image: 0, 90, 180 or 270.
        image_width: width of the original image in pixels.
        image_height: height of the original image in pixels.
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
    """A bounding box in pixels of its image; it may extend beyond the edge.

    Attributes:
        x: left edge.
        y: top edge.
        width: horizontal size.
        height: vertical size.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> Point2D:
        """Center point, x and y in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor: float) -> BoundingBox:
        """Return the box in the image resized by `factor`."""
        return BoundingBox(
            self.x * factor, self.y * factor, self.width * factor, self.height * factor
        )

    def translated(self, x: float, y: float) -> BoundingBox:
        """Return the box moved by `x` pixels to the right and `y` pixels down."""
        return BoundingBox(self.x + x, self.y + y, self.width, self.height)

    def rotated(self, degrees: int, image_width: int, image_height: int) -> BoundingBox:
        """Return the box in the rotated image, see `rotated_point`."""
        x, y = rotated_point((self.x, self.y), degrees, image_width, image_height)
        opposite = self.x + self.width, self.y + self.height
        opposite_x, opposite_y = rotated_point(opposite, degrees, image_width, image_height)
        return BoundingBox(
            min(x, opposite_x), min(y, opposite_y), abs(opposite_x - x), abs(opposite_y - y)
        )

    def clipped(self, image_width: int, image_height: int) -> BoundingBox:
        """Return the part of the box inside the image; its size is 0 if there is none."""
        left, top = min(max(self.x, 0.0), image_width), min(max(self.y, 0.0), image_height)
        right = min(max(self.x + self.width, left), image_width)
        bottom = min(max(self.y + self.height, top), image_height)
        return BoundingBox(left, top, right - left, bottom - top)

    def iou(self, other: BoundingBox) -> float:
        """Compute intersection over union with another box, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / (self.area + other.area - width * height)


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found by a detector.

    Attributes:
        box: bounding box in pixels of the image.
        confidence: score of the detector, 0 to 1.
        landmarks: empty, or five points (x, y) in pixels: right eye, left eye, nose tip, right
            and left mouth corner, as seen by the person.
    """

    box: BoundingBox
    confidence: float
    landmarks: tuple[Point2D, ...] = ()

    def scaled(self, factor: float) -> Detection:
        """Return the detection in the image resized by `factor`."""
        landmarks = tuple((x * factor, y * factor) for x, y in self.landmarks)
        return Detection(self.box.scaled(factor), self.confidence, landmarks)

    def translated(self, x: float, y: float) -> Detection:
        """Return the detection moved by `x` pixels to the right and `y` pixels down."""
        landmarks = tuple((each_x + x, each_y + y) for each_x, each_y in self.landmarks)
        return Detection(self.box.translated(x, y), self.confidence, landmarks)

    def rotated(self, degrees: int, image_width: int, image_height: int) -> Detection:
        """Return the detection in the rotated image, see `rotated_point`."""
        landmarks = tuple(
            rotated_point(point, degrees, image_width, image_height) for point in self.landmarks
        )
        box = self.box.rotated(degrees, image_width, image_height)
        return Detection(box, self.confidence, landmarks)


@dataclass(frozen=True, slots=True)
class AttributeEstimate:
    """The estimate of one attribute of one face.

    Attributes:
        labels: possible labels, in the order of the model file.
        probabilities: float32, one per label, sum 1; filtered over the track.
        frame_probabilities: the same for the newest image alone.
        frame_count: number of images behind `probabilities`.
        threshold: the label is "unknown" below this probability.
        stable_label: label that the track keeps to avoid flicker, one of `labels` or "unknown";
            None if `probabilities` and `threshold` alone decide.
        weight: weight of this image in an average: up to 1 for a sharp, large face; 0 if it is
            not certain whose face it shows.
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
        """The stable label, or the most probable one; "unknown" if below the threshold."""
        if self.stable_label is not None:
            return self.stable_label
        best = self.labels[int(self.probabilities.argmax())]
        return best if self.confidence >= self.threshold else UNKNOWN

    @property
    def confidence(self) -> float:
        """Probability of the most probable label, 0 to 1."""
        return float(self.probabilities.max())

    def to_dict(self) -> dict[str, Any]:
        """Return `label`, `confidence`, `probabilities` by label and `frame_count` for JSON."""
        probabilities = {
            label: round(float(probability), 4)
            for label, probability in zip(self.labels, self.probabilities, strict=True)
        }
        return {
            'label': self.label,
            'confidence': round(self.confidence, 4),
            'probabilities': probabilities,
            'frame_count': self.frame_count,
        }


@dataclass(frozen=True, slots=True)
class Face:
    """A face with everything that is known about it.

    Attributes:
        detection: where it is in the image.
        attributes: estimate per attribute, in the order of the models; an attribute that is
            switched off is absent.
        track_id: identifies the face while it is tracked, never reused; "" in still images.
        first_seen: stamp in seconds of the first image of its track.
        position: in meters in the optical frame of the camera, None if unknown, see
            `geometry.positions`.
        is_size_plausible: False if the position is known and the face would not be as wide as
            faces are.
        orientation: of the head in the optical frame of the camera, see `geometry.head_pose`;
            filtered over the track, None if unknown.
        looking_at_camera: probability that the head is turned to the camera, 0 to 1; 0 if the
            orientation is unknown.
        head_position: middle of the eyes in meters in the optical frame of the camera if the head
            has the size of an average adult's; None if unknown. Not part of messages and records.
        size: width and height in meters, of the box at that position; None if that is unknown.
        target_position: the position in the target frame of the node; None if unknown, or if there
            is no target frame.
        appearance: of the person, see `tracking.appearance`; None if unknown.
    """

    detection: Detection
    attributes: Mapping[str, AttributeEstimate] = field(default_factory=dict)
    track_id: str = ''
    first_seen: float = 0.0
    position: Position | None = None
    is_size_plausible: bool = True
    orientation: Quaternion | None = None
    looking_at_camera: float = 0.0
    head_position: Position | None = field(default=None, repr=False, compare=False)
    size: tuple[float, float] | None = None
    target_position: Position | None = None
    appearance: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def is_looking(self) -> bool:
        """Whether the person looks at the camera, more likely than not."""
        return self.looking_at_camera >= LOOKING

    def to_dict(self) -> dict[str, Any]:
        """Return the face ready for JSON.

        Returns:
            `track_id`, `box` [x, y, width, height] and `landmarks` [[x, y], ...] in pixels,
            `confidence` of the detector, `position` [x, y, z] in meters or None,
            `is_size_plausible`, `orientation` [x, y, z, w] or None, `looking_at_camera`, and
            `attributes` by name, see `AttributeEstimate.to_dict`.
        """
        box = self.detection.box
        return {
            'track_id': self.track_id,
            'box': [round(float(each), 1) for each in (box.x, box.y, box.width, box.height)],
            'confidence': round(self.detection.confidence, 4),
            'landmarks': [[round(float(each), 1) for each in p] for p in self.detection.landmarks],
            'position': self.position and [round(each, 4) for each in self.position],
            'is_size_plausible': self.is_size_plausible,
            'orientation': self.orientation and [round(each, 4) for each in self.orientation],
            'looking_at_camera': round(self.looking_at_camera, 4),
            'attributes': {name: each.to_dict() for name, each in self.attributes.items()},
        }


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """The faces of one frame of a file, a recording or a stream.

    Attributes:
        width: width of the frame in pixels.
        height: height of the frame in pixels.
        faces: largest first.
        stamp: time of the frame in seconds.
        frame: number of the frame, from 0.
        file: path of the file or recording, "" if there is none.
        latency: seconds from sending the frame to receiving its faces; None if not measured.
    """

    width: int
    height: int
    faces: tuple[Face, ...]
    stamp: float = 0.0
    frame: int = 0
    file: str = ''
    latency: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the frame ready for JSON, as docs/reference/classify.schema.json describes it.

        Boxes are clipped to the frame.
        """
        faces = []
        for face in self.faces:
            box = face.detection.box.clipped(self.width, self.height)
            clipped = replace(face, detection=replace(face.detection, box=box))
            faces.append(clipped.to_dict())
        return {
            'file': self.file,
            'frame': self.frame,
            'stamp': round(self.stamp, 6),
            'width': self.width,
            'height': self.height,
            **({} if self.latency is None else {'latency': round(self.latency, 5)}),
            'faces': faces,
        }


def largest_first(faces: Sequence[Face]) -> list[Face]:
    """Sort faces by the area of their boxes, largest first."""
    return sorted(faces, key=lambda face: face.detection.box.area, reverse=True)
