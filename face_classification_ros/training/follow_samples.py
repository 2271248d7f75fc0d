"""Moved boxes of labeled faces, from which a network learns to follow faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.predictions import moved
from face_classification_ros.datasets.face_scenes import Scene
from face_classification_ros.io.images import read_image
from face_classification_ros.progress import progress
from face_classification_ros.training.follow_recipe import FollowRecipe
from face_classification_ros.types import BoundingBox, Detection, Image

SMALL_SHARE = 0.25
"""Standard deviation of small movements, as a share of the largest movement."""

OFF_BOXES, OTHER_BOXES = 2, 3
"""Boxes for each face that are mostly beside it, and anywhere in its image."""

MAX_OFF_IOU, MAX_OTHER_IOU = 0.25, 0.1
"""Largest overlap with any region of a box that counts as lost."""

_LOST = (0.0, 0.0, 0.0, 0.0)

Features = Callable[[Image, Sequence[BoundingBox]], NDArray[np.float32]]
"""Computes what the head sees of each box of an image."""

Row = tuple[float, float, float, float]
"""Movement to the right and down, logarithm of the scale, and 1 for a face or 0."""


def follow_samples(
    scenes: Sequence[Scene], recipe: FollowRecipe, features: Features, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the head sees of moved boxes, and what it should predict, N x 4.

    Half of the movements are small, as from one image of a video to the next, the others up to
    the limits of the recipe. Boxes beside faces, of another size or anywhere are lost.

    Args:
        scenes: with labeled faces.
        recipe: of the training.
        features: computes what the head sees.
        seed: of the random boxes.

    Raises:
        ValueError: no scene has a face that is large enough.
        OSError: an image cannot be read.
    """
    rng = np.random.default_rng(seed)
    inputs, rows = [], []
    for scene in progress(scenes, 'scene'):
        size = recipe.min_face_size
        faces = [box for box in scene.boxes('face') if min(box.width, box.height) >= size]
        if not faces:
            continue
        image = read_image(scene.path)
        samples = _moved_boxes(faces, recipe, rng) + _lost_boxes(faces, scene, image, rng)
        inputs.append(features(image, [box for box, _ in samples]))
        rows += [row for _, row in samples]
    if not inputs:
        raise ValueError(f'no face of {recipe.min_face_size:g} pixels or more in the scenes')
    return np.concatenate(inputs), np.array(rows, np.float32)


def _moved_boxes(
    faces: Sequence[BoundingBox], recipe: FollowRecipe, rng: np.random.Generator
) -> list[tuple[BoundingBox, Row]]:
    """Return boxes near faces, and the movements that lead back to the faces."""
    samples = []
    largest = np.array([recipe.shift, recipe.shift, math.log(recipe.scale)])
    for face in faces:
        for number in range(recipe.boxes_per_face):
            shares = rng.normal(0, SMALL_SHARE, 3) if number % 2 else rng.uniform(-1, 1, 3)
            right, down, log_scale = map(float, largest * shares.clip(-1, 1))
            # The side that movements are relative to changes, too.
            ratio = math.exp(-log_scale)
            row = (-right * ratio, -down * ratio, -log_scale, 1.0)
            samples.append((_moved(face, right, down, log_scale), row))
    return samples


def _lost_boxes(
    faces: Sequence[BoundingBox], scene: Scene, image: Image, rng: np.random.Generator
) -> list[tuple[BoundingBox, Row]]:
    """Return boxes that show no face, or not where it is."""
    height, width = image.shape[:2]
    boxes = scene.boxes('not_a_face')
    for face in faces:
        off = []
        for _ in range(OFF_BOXES):
            angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 1.3)
            x, y = distance * math.cos(angle), distance * math.sin(angle)
            off.append(_moved(face, x, y, rng.uniform(-0.5, 0.5)))
        other_size = rng.choice((-1, 1)) * rng.uniform(math.log(2), math.log(3))
        x, y = rng.uniform(-0.2, 0.2, 2)
        off.append(_moved(face, x, y, other_size))
        boxes += [box for box in off if _is_beside(box, scene, MAX_OFF_IOU)]
        for x, y in rng.uniform((0, 0), (width, height), (OTHER_BOXES, 2)):
            centered = (x - face.width / 2, y - face.height / 2, face.width, face.height)
            box = BoundingBox(*map(float, centered))
            if _is_beside(box, scene, MAX_OTHER_IOU):
                boxes.append(box)
    return [(box, _LOST) for box in boxes if _has_center_in(box, width, height)]


def _moved(box: BoundingBox, right: float, down: float, log_scale: float) -> BoundingBox:
    return moved(Detection(box, 1.0), float(right), float(down), math.exp(log_scale)).box


def _is_beside(box: BoundingBox, scene: Scene, max_iou: float) -> bool:
    return all(box.iou(region.box) < max_iou for region in scene.regions)


def _has_center_in(box: BoundingBox, width: int, height: int) -> bool:
    x, y = box.center
    return 0 <= x < width and 0 <= y < height
