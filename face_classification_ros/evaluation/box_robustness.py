"""Measure how much accuracy a classifier loses when a detector's boxes are inaccurate."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import numpy as np

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox

SHIFTS = (0.1, 0.2)
SCALES = (0.8, 0.9, 1.1, 1.2)
DIRECTIONS = tuple(
    (math.cos(math.pi / 4 * eighth), math.sin(math.pi / 4 * eighth)) for eighth in range(8)
)


def measure_box_robustness(classifier: Classifier, dataset: FaceDataset) -> dict[str, Any]:
    """Return the accuracy with shifted or scaled boxes, and the drop against exact ones.

    Boxes are shifted by a fraction of their longer side in each of 8 directions, of which the mean
    accuracy counts. A scaled box keeps its center.

    The images of FER-2013 and UTKFace are cropped tightly around the face. Beyond them, the edge
    pixels are repeated, as the node does at the edge of a camera image; away from the edge, the
    node would get hair, neck and background instead.

    Args:
        classifier: to evaluate.
        dataset: faces with their exact boxes.

    Returns:
        `exact` (accuracy), `shifted` and `scaled`: for each step `by` (fraction of the longer
        side; factor), `accuracy` and `drop_points` (percentage points below `exact`).

    Raises:
        ValueError: the classifier does not estimate the data set's attribute, or has other labels.
    """

    def accuracy(change: Callable[[BoundingBox], BoundingBox]) -> float:
        boxes = [change(box) for box in dataset.face_boxes()]
        y_pred = classify_dataset(classifier, dataset, boxes).argmax(axis=1)
        return float((y_pred == dataset.y_true).mean())

    exact = accuracy(lambda box: box)
    shifts = [shift_box(by * x, by * y) for by in SHIFTS for x, y in DIRECTIONS]
    by_shift = [accuracy(shift) for shift in progress(shifts, 'shift', task='box robustness')]
    means = np.reshape(by_shift, (len(SHIFTS), len(DIRECTIONS))).mean(axis=1).tolist()
    shifted = dict(zip(SHIFTS, means, strict=True))
    scaled = {
        factor: accuracy(_scale(factor))
        for factor in progress(SCALES, 'scale', task='box robustness')
    }

    def rows(accuracies: dict[float, float]) -> list[dict[str, float]]:
        return [
            {'by': by, 'accuracy': each, 'drop_points': 100 * (exact - each)}
            for by, each in accuracies.items()
        ]

    return {'exact': exact, 'shifted': rows(shifted), 'scaled': rows(scaled)}


def shift_box(x: float, y: float) -> Callable[[BoundingBox], BoundingBox]:
    """Return a function that shifts a box by fractions of its longer side."""

    def change(box: BoundingBox) -> BoundingBox:
        size = max(box.width, box.height)
        return BoundingBox(box.x + x * size, box.y + y * size, box.width, box.height)

    return change


def _scale(factor: float) -> Callable[[BoundingBox], BoundingBox]:
    """Scale a box around its center."""

    def change(box: BoundingBox) -> BoundingBox:
        width, height = factor * box.width, factor * box.height
        return BoundingBox(
            box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height
        )

    return change
