"""Search the whole picture now and then, and only around the known faces in between."""

from __future__ import annotations

import math

import cv2
import numpy as np

from face_classification_ros.detection.scaling import require_image, ScalingDetector
from face_classification_ros.types import BoundingBox, Detection, Image

REGION_SIDE = 96
"""Longest side in pixels to which the surroundings of a face are scaled down for the search."""

LEAST_SIDE = 64
"""What is searched at least after scaling, in pixels: a small face needs more around it."""

SURROUNDINGS = 0.5
"""What is searched around a face on every side, in longer sides of its box."""

MAX_DISTANCE = 0.5
"""How far the center of a face may move between two pictures, in longer sides of its box."""

MAX_GROWTH = 1.5
"""How much larger or smaller a face may become between two pictures."""

SAME_FACE = 0.5
"""Intersection over union from which two boxes are of one face."""

SCENE_CHANGE = 25.0
"""Mean difference of two pictures, in gray levels, from which they do not show one scene."""

_SAMPLES = (160, 120)
_THUMBNAIL = (16, 12)


class RegionOfInterestDetector:
    """Finds faces in pictures that follow each other, at a fraction of the cost.

    A face is near where it was one picture before, so a few thousand pixels around it do instead
    of the whole picture. The detector itself searches there, so a face that has gone is not held
    on to, and box, landmarks and confidence are as good as ever. The whole picture is searched
    - in every `interval`-th picture, which is when new faces are found,
    - in the same picture where a known face is not found again, or two have become one,
    - where the scene or the size of the picture changes,
    - where so many faces are known that their surroundings cost as much.

    Attributes:
        whole: searches each picture as a whole, and remembers nothing.
    """

    def __init__(self, detector: ScalingDetector, interval: int) -> None:
        """Make a detector for pictures that follow each other.

        Args:
            detector: searches whole pictures, and regions of them.
            interval: of the pictures, in which the whole one is searched at least, 2 or more.
        """
        self.whole = detector
        self._interval = interval
        self._known: list[Detection] = []
        self._pictures_left = 0
        self._shape: tuple[int, ...] = ()
        self._thumbnail: Image = np.zeros((*_THUMBNAIL[::-1], 3), np.uint8)

    def detect(self, image: Image) -> list[Detection]:
        """See `Detector.detect`; the faces depend on the pictures that were given before."""
        require_image(image)
        is_due = self._is_scene_change(image) or self._pictures_left == 0
        found = None if is_due else self._find_known(image)
        if found is None:
            found = self.whole.detect(image)
            self._pictures_left = self._interval
        self._pictures_left -= 1
        self._known = found
        return found

    def _is_scene_change(self, image: Image) -> bool:
        # Means over a large picture would cost more than the search.
        samples = cv2.resize(image, _SAMPLES, interpolation=cv2.INTER_NEAREST)
        thumbnail = cv2.resize(samples, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, thumbnail
        shape_before, self._shape = self._shape, image.shape
        is_other_size = shape_before != image.shape
        return is_other_size or cv2.absdiff(thumbnail, before).mean() >= SCENE_CHANGE

    def _find_known(self, image: Image) -> list[Detection] | None:
        """Find all known faces near where they were; None where that fails or does not pay."""
        height, width = image.shape[:2]
        # Never finer than the whole picture: a detector's boxes vary with the scale.
        scale = self.whole.scale_for(image)
        regions = [_search_region(face.box, width, height, scale) for face in self._known]
        scales = [min(scale, REGION_SIDE / max(w, h)) for _, _, w, h in regions]
        costs = [
            self.whole.cost(w, h, each) for (_, _, w, h), each in zip(regions, scales, strict=True)
        ]
        if sum(costs) >= self.whole.cost(width, height, scale):
            return None
        found: list[Detection] = []
        for known, (x, y, w, h), each in zip(self._known, regions, scales, strict=True):
            around = self.whole.detect_at(image[y : y + h, x : x + w], each)
            near = [
                face
                for found_face in around
                if _may_be(face := found_face.translated(x, y), known)
            ]
            if not near:
                return None
            face = min(near, key=lambda each: _distance(each.box, known.box))
            if any(face.box.iou(other.box) >= SAME_FACE for other in found):
                return None
            found.append(face)
        return sorted(found, key=lambda face: face.confidence, reverse=True)


def _search_region(
    box: BoundingBox, width: int, height: int, scale: float
) -> tuple[int, int, int, int]:
    """Give x, y, width and height of the part of a picture that is searched for a face."""
    side = max(box.width, box.height)
    margin = max(SURROUNDINGS * side, (LEAST_SIDE / scale - side) / 2)
    left, top = max(0, round(box.x - margin)), max(0, round(box.y - margin))
    right = min(width, round(box.x + box.width + margin))
    bottom = min(height, round(box.y + box.height + margin))
    return left, top, right - left, bottom - top


def _may_be(face: Detection, known: Detection) -> bool:
    size, known_size = math.sqrt(face.box.area), math.sqrt(known.box.area)
    is_near = _distance(face.box, known.box) <= MAX_DISTANCE * max(
        known.box.width, known.box.height
    )
    return is_near and max(size, known_size) <= MAX_GROWTH * min(size, known_size)


def _distance(one: BoundingBox, other: BoundingBox) -> float:
    return math.dist(one.center, other.center)
