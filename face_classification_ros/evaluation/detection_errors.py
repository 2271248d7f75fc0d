"""Show the errors of a detector: the faces that it misses, and its false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from face_classification_ros.datasets.face_scenes import Scene
from face_classification_ros.datasets.scene_matching import match_scene
from face_classification_ros.detection import Detector
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox, Image
from face_classification_ros.visualization.contact_sheet import contact_sheet

MAX_ERRORS = 96
"""Number of images on a sheet."""

COLUMNS = 12
SIZE = 96
"""Height and width in pixels of an image on a sheet."""

CONTEXT = 1.0
"""Margin around a box on each side, in longer sides of it."""


def find_errors(
    detector: Detector, scenes: Sequence[Scene], threshold: float
) -> tuple[list[Image], list[Image]]:
    """Return missed faces, largest first, and false alarms, most confident first.

    Args:
        detector: with a threshold of at most `threshold`.
        scenes: images with faces and regions to ignore.
        threshold: minimum confidence of a detection, 0 to 1.

    Returns:
        At most `MAX_ERRORS` each, with their surroundings, as `SIZE` x `SIZE` x 3 in BGR.

    Raises:
        ValueError: an image cannot be read.
    """
    missed: list[tuple[float, Image]] = []
    false_alarms: list[tuple[float, Image]] = []
    for scene in progress(scenes, 'scene'):
        image = read_image(scene.path)
        detections = [each for each in detector.detect(image) if each.confidence >= threshold]
        matched = match_scene(detections, scene)
        found = [each.face for each in matched]
        missed += [(box.area, _cut(image, box)) for box in scene.boxes('face') if box not in found]
        false_alarms += [
            (each.confidence, _cut(image, each.detection.box))
            for each in matched
            if each.face is None
        ]
    return _first(missed), _first(false_alarms)


def write_errors(missed: Sequence[Image], false_alarms: Sequence[Image], folder: Path) -> None:
    """Write `missed_faces.jpg` and `false_alarms.jpg`, unless there are none.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in (('missed_faces', missed), ('false_alarms', false_alarms)):
        if images:
            sheet = contact_sheet(images, COLUMNS, COLUMNS * (SIZE + 6))
            write_image(folder / f'{name}.jpg', sheet)


def _first(errors: Sequence[tuple[float, Image]]) -> list[Image]:
    ranked = sorted(errors, key=lambda each: each[0], reverse=True)
    return [image for _, image in ranked[:MAX_ERRORS]]


def _cut(image: Image, box: BoundingBox) -> Image:
    """Return a box with its surroundings, padded where they are outside of the image."""
    side = round((1 + 2 * CONTEXT) * max(box.width, box.height))
    left, top = (round(center - side / 2) for center in box.center)
    height, width = image.shape[:2]
    part = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    padded = cv2.copyMakeBorder(
        part,
        max(-top, 0),
        max(top + side - height, 0),
        max(-left, 0),
        max(left + side - width, 0),
        cv2.BORDER_CONSTANT,
    )
    return cv2.resize(padded, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
