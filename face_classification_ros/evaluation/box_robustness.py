"""Measure what a classifier loses where a detector's boxes are off."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import numpy as np

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.types import BoundingBox

SHIFTS = (0.1, 0.2)
SCALES = (0.8, 0.9, 1.1, 1.2)
DIRECTIONS = tuple(
    (math.cos(math.pi / 4 * eighth), math.sin(math.pi / 4 * eighth)) for eighth in range(8)
)


def measure_box_robustness(classifier: Classifier, dataset: FaceDataset) -> dict[str, Any]:
    """Give the accuracy with boxes that are shifted or scaled, and the drop against exact ones.

    A shift is by a share of the box's longer side, the same distance in each of 8 directions;
    its accuracy is the mean over the directions. A scaled box keeps its center.

    The pictures of FER-2013 and UTKFace are cut tightly around the face. What a shifted or
    enlarged box takes in beyond the picture repeats its edge pixels, as the node does at the edge
    of a camera's picture; in the middle of it the node would see hair, neck and background
    instead.

    Args:
        classifier: what is measured.
        dataset: faces with their exact boxes.

    Returns:
        `exact` (accuracy), `shifted` and `scaled`: for each step `by` (share of the longer side;
        factor), `accuracy` and `drop_points` (percentage points below `exact`).

    Raises:
        ValueError: the classifier does not tell the data set's attribute, or not with its labels.
    """

    def accuracy(change: Callable[[BoundingBox], BoundingBox]) -> float:
        boxes = [change(dataset.box_of(image)) for image in dataset.images]
        told = classify_dataset(classifier, dataset, boxes).argmax(axis=1)
        return float((told == dataset.y_true).mean())

    exact = accuracy(lambda box: box)
    shifted = {
        share: float(np.mean([accuracy(_shift(share * x, share * y)) for x, y in DIRECTIONS]))
        for share in SHIFTS
    }
    scaled = {factor: accuracy(_scale(factor)) for factor in SCALES}

    def rows(accuracies: dict[float, float]) -> list[dict[str, float]]:
        return [
            {'by': by, 'accuracy': each, 'drop_points': 100 * (exact - each)}
            for by, each in accuracies.items()
        ]

    return {'exact': exact, 'shifted': rows(shifted), 'scaled': rows(scaled)}


def _shift(x: float, y: float) -> Callable[[BoundingBox], BoundingBox]:
    """Move a box by shares of its longer side."""

    def change(box: BoundingBox) -> BoundingBox:
        side = max(box.width, box.height)
        return BoundingBox(box.x + x * side, box.y + y * side, box.width, box.height)

    return change


def _scale(factor: float) -> Callable[[BoundingBox], BoundingBox]:
    """Enlarge a box around its center."""

    def change(box: BoundingBox) -> BoundingBox:
        width, height = factor * box.width, factor * box.height
        return BoundingBox(
            box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height
        )

    return change
