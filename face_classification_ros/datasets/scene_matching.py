"""Match the detections in scenes with their labeled faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from face_classification_ros.datasets.face_scenes import Scene
from face_classification_ros.detection import Detector
from face_classification_ros.io.images import read_image
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox, Detection

MIN_OVERLAP = 0.5
"""Minimum intersection over union of a detection and the labeled face."""


@dataclass(frozen=True, slots=True)
class MatchedDetection:
    """A detection that counts, and what it has found.

    Attributes:
        detection: the detection.
        face: box of the labeled face in pixels; None for a false alarm.
        landmark_error: mean distance of the landmarks, as a fraction of the width of the labeled
            box; None for a false alarm or where either has no landmarks.
    """

    detection: Detection
    face: BoundingBox | None = None
    landmark_error: float | None = None

    @property
    def confidence(self) -> float:
        """Confidence of the detection, 0 to 1."""
        return self.detection.confidence

    @property
    def size(self) -> float | None:
        """Root of width times height of the labeled face in pixels; None for a false alarm."""
        return None if self.face is None else math.sqrt(self.face.area)


def match_scenes(detector: Detector, scenes: Sequence[Scene]) -> list[MatchedDetection]:
    """Run a detector on labeled scenes, and return all its detections that count.

    Raises:
        ValueError: an image cannot be read.
    """
    return [
        each
        for scene in progress(scenes, 'scene')
        for each in match_scene(detector.detect(read_image(scene.path)), scene)
    ]


def match_scene(detections: Sequence[Detection], scene: Scene) -> list[MatchedDetection]:
    """Match the detections in an image with its labeled faces, one to one.

    In descending order of confidence, each detection is matched with the remaining face of the
    largest overlap. One that matches no face counts as a false alarm, unless half of it is in a
    region to ignore. A second detection of a face is a false alarm.
    """
    remaining = [region for region in scene.regions if region.use == 'face']
    ignored = scene.boxes('ignore')
    matched = []
    for detection in sorted(detections, key=lambda each: each.confidence, reverse=True):
        overlaps = [detection.box.iou(region.box) for region in remaining]
        if max(overlaps, default=0.0) >= MIN_OVERLAP:
            face = remaining.pop(int(np.argmax(overlaps)))
            error = None
            if face.landmarks and detection.landmarks:
                pairs = zip(face.landmarks, detection.landmarks, strict=True)
                distances = [math.dist(*pair) for pair in pairs]
                error = sum(distances) / len(distances) / face.box.width
            matched.append(MatchedDetection(detection, face.box, error))
        elif not any(_part_inside(detection.box, box) >= 0.5 for box in ignored):
            matched.append(MatchedDetection(detection))
    return matched


def _part_inside(box: BoundingBox, other: BoundingBox) -> float:
    """Return the fraction of a box that is inside another one."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    return max(0.0, width) * max(0.0, height) / box.area if box.area else 0.0
