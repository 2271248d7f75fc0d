"""Classify the faces of an image, and follow known faces into it by the same network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crop_quality import crop_weights
from face_classification_ros.classification.crops import crop_faces, source_sizes
from face_classification_ros.types import Detection, Image

Predictions = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Attribute -> probabilities, N x labels, and the weights of the crops, N."""

MAX_MOVEMENT = 1.0
"""Largest movement that is believed, in sides of the box and as the logarithm of the scale."""


def classify_faces(
    image: Image, faces: Sequence[Detection], classifiers: Mapping[str, Classifier]
) -> Predictions:
    """Return the predictions for all faces of an image.

    Faces are cropped once per input spec and classified once per model file.

    Args:
        image: uint8 H x W x 3 in BGR.
        faces: in pixels of `image`.
        classifiers: attribute -> classifier.
    """
    if not faces:
        return {}
    boxes = [face.box for face in faces]
    distinct = set(classifiers.values())
    specs = {classifier.input_spec for classifier in distinct}
    crops = {spec: crop_faces(image, boxes, spec) for spec in specs}
    weights = {spec: crop_weights(crops[spec], source_sizes(boxes, spec)) for spec in specs}
    predictions = {each: each.classify(crops[each.input_spec]) for each in distinct}
    return {
        attribute: (predictions[classifier][attribute], weights[classifier.input_spec])
        for attribute, classifier in classifiers.items()
    }


def follower_of(classifiers: Mapping[str, Classifier]) -> Classifier | None:
    """Return the classifier that can also follow faces; None if there are several, or none can."""
    distinct = set(classifiers.values())
    if len(distinct) != 1:
        return None
    (classifier,) = distinct
    return classifier if classifier.follow_threshold is not None else None


def follow_faces(
    image: Image, known: Sequence[Detection], follower: Classifier
) -> tuple[list[Detection], Predictions] | None:
    """Return where known faces are now, and their predictions; None if one of them is lost.

    One call of the network does both, for crops at the places where the faces were.

    Args:
        image: uint8 H x W x 3 in BGR.
        known: faces of the previous image, at least one; each overlaps the image.
        follower: a classifier with a `follow_threshold`.
    """
    assert follower.follow_threshold is not None
    boxes = [face.box for face in known]
    spec = follower.input_spec
    crops = crop_faces(image, boxes, spec)
    probabilities, movements = follower.classify_and_follow(crops)
    # Also for nan.
    is_kept = (movements[:, 3] >= follower.follow_threshold) & (
        abs(movements[:, :3]) <= MAX_MOVEMENT
    ).all(axis=1)
    if not is_kept.all():
        return None
    weights = crop_weights(crops, source_sizes(boxes, spec))
    faces = [
        moved(face, float(right), float(down), math.exp(log_scale))
        for face, (right, down, log_scale, _) in zip(known, movements, strict=True)
    ]
    return faces, {name: (values, weights) for name, values in probabilities.items()}


def moved(face: Detection, right: float, down: float, scale: float) -> Detection:
    """Return a face whose box and landmarks are moved, and scaled about the center of the box.

    Args:
        face: in pixels.
        right: movement to the right in longer sides of the box.
        down: movement down in longer sides of the box.
        scale: factor of the size.
    """
    side = max(face.box.width, face.box.height)
    x, y = face.box.center
    scaled = face.scaled(scale)
    return scaled.translated(x * (1 - scale) + right * side, y * (1 - scale) + down * side)
