"""Detect faces in streams: full frames at intervals, regions of interest in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
import math
from typing import TypeVar

import cv2
import numpy as np

from face_classification_ros.detection.full_frame import FullFrameDetector, require_image
from face_classification_ros.types import BoundingBox, Detection, Image

REGION_SIZE = 96
"""Longer side in pixels to which the region around a face is resized."""

MIN_REGION_SIZE = 64
"""Minimum size of a region after resizing in pixels: a small face needs more around it."""

REGION_MARGIN = 0.5
"""Margin of a region around a face on every side, in longer sides of its box."""

MAX_DISTANCE = 0.5
"""Largest movement of the center of a face between two images, in longer sides of its box."""

MAX_GROWTH = 1.5
"""Largest ratio of the sizes of a face in two images."""

SAME_FACE = 0.5
"""Intersection over union from which two boxes are of one face."""

SCENE_CHANGE = 25.0
"""Mean difference of two images in gray levels from which they show different scenes."""

MIN_INSIDE = 0.75
"""Share of a box inside the image below which a face that is followed leaves it."""

Estimates = TypeVar('Estimates')

Follow = Callable[[Sequence[Detection]], tuple[list[Detection], Estimates] | None]
"""Finds known faces in the next image, see `RegionOfInterestDetector.detect_or_follow`."""

_SAMPLES = (160, 120)
_THUMBNAIL = (16, 12)


class RegionOfInterestDetector:
    """Detects faces in images that follow each other, at a fraction of the cost.

    A face is near its place in the previous image, so a few thousand pixels around it suffice. The
    detector itself runs there, so box, landmarks and confidence are as accurate as in full frames,
    and a face that left is not kept. The full frame is searched
    - in every `interval`-th image, which is when new faces are found,
    - in the same image if a known face is not found again, or two have become one,
    - if the scene or the size of the image changes,
    - if there are so many known faces that their regions cost as much.

    `detect_or_follow` leaves the known faces to something else than the detector.

    Attributes:
        full_frame: searches every image as a whole and remembers nothing.
    """

    def __init__(self, detector: FullFrameDetector, interval: int) -> None:
        """Wrap a detector.

        Args:
            detector: searches full frames and regions of them.
            interval: largest number of images between two full frames, 2 or more.
        """
        self.full_frame = detector
        self._interval = interval
        self._known: list[Detection] = []
        self._images_left = 0
        self._shape: tuple[int, ...] = ()
        self._thumbnail: Image = np.zeros((*_THUMBNAIL[::-1], 3), np.uint8)

    def detect(self, image: Image) -> list[Detection]:
        """See `Detector.detect`; the result depends on the previous images."""
        found = None if self._is_due(image) else self._find_known(image)
        return self._search(image) if found is None else self._keep(found)

    def detect_or_follow(
        self, image: Image, follow: Follow[Estimates]
    ) -> tuple[list[Detection], Estimates | None]:
        """Detect faces, but let `follow` find the known ones instead of searching around them.

        Args:
            image: see `Detector.detect`.
            follow: called at most once, with at least one known face; it returns them in this
                image, in the same order, and what it found out about them on the way, or None if
                one is lost. A face is also lost if its movement or growth is too large, if it is
                too small, if it leaves the image, or if two have become one.

        Returns:
            The faces, see `detect`, and what `follow` found out about them; None if these are not
            its faces.
        """
        if self._is_due(image):
            return self._search(image), None
        if not self._known:
            return self._keep([]), None
        followed = follow(self._known)
        if followed is None or not self._are_plausible(followed[0], image):
            return self._search(image), None
        return self._keep(followed[0]), followed[1]

    def _is_due(self, image: Image) -> bool:
        require_image(image)
        return self._is_scene_change(image) or self._images_left == 0

    def _search(self, image: Image) -> list[Detection]:
        self._images_left = self._interval
        return self._keep(self.full_frame.detect(image))

    def _keep(self, found: list[Detection]) -> list[Detection]:
        self._images_left -= 1
        self._known = found
        return found

    def _are_plausible(self, faces: Sequence[Detection], image: Image) -> bool:
        height, width = image.shape[:2]
        for face, known in zip(faces, self._known, strict=True):
            inside = face.box.clipped(width, height).area
            is_inside = inside >= MIN_INSIDE * face.box.area
            if not (is_inside and _may_be(face, known) and self.full_frame.accepts(face)):
                return False
        pairs = itertools.combinations(faces, 2)
        return all(one.box.iou(other.box) < SAME_FACE for one, other in pairs)

    def _is_scene_change(self, image: Image) -> bool:
        # Means over a large image would cost more than the search.
        samples = cv2.resize(image, _SAMPLES, interpolation=cv2.INTER_NEAREST)
        thumbnail = cv2.resize(samples, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, thumbnail
        shape_before, self._shape = self._shape, image.shape
        is_other_size = shape_before != image.shape
        return is_other_size or cv2.absdiff(thumbnail, before).mean() >= SCENE_CHANGE

    def _find_known(self, image: Image) -> list[Detection] | None:
        """Return all known faces near their places; None if that fails or is not cheaper."""
        height, width = image.shape[:2]
        # Never finer than the full frame, since the boxes of a detector vary with the scale.
        scale = self.full_frame.scale_for(image)
        regions = [_search_region(face.box, width, height, scale) for face in self._known]
        scales = [min(scale, REGION_SIZE / max(w, h)) for _, _, w, h in regions]
        costs = [
            self.full_frame.cost(w, h, each)
            for (_, _, w, h), each in zip(regions, scales, strict=True)
        ]
        if sum(costs) >= self.full_frame.cost(width, height, scale):
            return None
        found: list[Detection] = []
        for known, (x, y, w, h), each in zip(self._known, regions, scales, strict=True):
            around = self.full_frame.detect_at(image[y : y + h, x : x + w], each)
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
    """Return x, y, width and height of the part of an image that is searched for a face."""
    side = max(box.width, box.height)
    margin = max(REGION_MARGIN * side, (MIN_REGION_SIZE / scale - side) / 2)
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
