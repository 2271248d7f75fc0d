"""Measure where detectors' boxes are in a data set's images, and which crop margin fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.evaluation.metrics import negative_log_likelihood
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox

MARGINS = tuple(round(-0.2 + 0.05 * step, 2) for step in range(11))

QUARTILES = (25, 50, 75)


def describe_boxes(
    images: Sequence[NDArray[np.uint8]], boxes: Sequence[BoundingBox | None]
) -> dict[str, Any]:
    """Return the distribution of boxes in their images, as the squares from which crops are cut.

    Args:
        images: uint8, each H x W x channels.
        boxes: one for each in pixels, or None where no face was found.

    Returns:
        `faces`, `detection_rate`; `center_x`, `center_y`, `width`, `height`: quartiles [25 %,
        median, 75 %] of the square on each box's longer side, in fractions of the image's width
        and height; `box`: x, y, width, height of the median square in the same units, for
        `FaceDataset.box`; `largest_margin`: up to this margin the crop around the median square
        is inside the image.

    Raises:
        ValueError: no face was found.
    """
    rows = []
    for image, box in zip(images, boxes, strict=True):
        if box is not None:
            height, width = image.shape[:2]
            size = max(box.width, box.height)
            x, y = box.center
            rows.append((x / width, y / height, size / width, size / height))
    if not rows:
        raise ValueError(f'no face was found in any of {len(images)} images')
    quartiles = np.percentile(rows, QUARTILES, axis=0).T
    x, y, width, height = (float(middle) for middle in quartiles[:, 1])
    room = min(min(x, 1 - x) / width, min(y, 1 - y) / height)
    return {
        'faces': len(images),
        'detection_rate': len(rows) / len(images),
        **dict(zip(('center_x', 'center_y', 'width', 'height'), quartiles.tolist(), strict=True)),
        'box': [x - width / 2, y - height / 2, width, height],
        # A crop has (1 + 2 margin) times the square's size.
        'largest_margin': room - 0.5,
    }


def measure_margins(
    classifier: Classifier, dataset: FaceDataset, boxes: Sequence[BoundingBox | None]
) -> dict[str, Any]:
    """Return a classifier's accuracy for several margins of crops around detected boxes.

    Beyond an image, its edge pixels are repeated, see `measure_box_robustness`.

    Args:
        classifier: to evaluate; its own margin is used for `own_crops` alone.
        dataset: faces that it was not trained on.
        boxes: one for each in pixels, or None for a face to exclude.

    Returns:
        `model`, `data`, `faces` (with a box); `own_margin` (of the model file); `own_crops`: the
        figures with the data set's own boxes and the own margin; `margins`: the figures with the
        detected boxes for each margin from -0.2 to 0.3. Figures are `margin`, `accuracy` and
        `negative_log_likelihood`. `best_margin` has the lowest negative log-likelihood, as with a
        few hundred faces the highest accuracy is random.

    Raises:
        ValueError: the classifier does not estimate the data set's attribute, or has other
            labels; or no face has a box.
    """
    found = [box for box in boxes if box is not None]
    if not found:
        raise ValueError(f'no face was found in any of {len(boxes)} images')
    faces = dataset.select(np.array([box is not None for box in boxes]))

    def figures(margin: float, boxes: Sequence[BoundingBox] | None) -> dict[str, float]:
        input_spec = replace(classifier.input_spec, margin=margin)
        probabilities = classify_dataset(classifier, faces, boxes, input_spec)
        return {
            'margin': margin,
            'accuracy': float((probabilities.argmax(axis=1) == faces.y_true).mean()),
            'negative_log_likelihood': negative_log_likelihood(probabilities, faces.y_true),
        }

    margins = [figures(margin, found) for margin in progress(MARGINS, 'margin')]
    best = min(margins, key=lambda row: row['negative_log_likelihood'])
    return {
        'model': classifier.path.name,
        'data': dataset.name,
        'faces': len(faces),
        'own_margin': classifier.input_spec.margin,
        'own_crops': figures(classifier.input_spec.margin, None),
        'margins': margins,
        'best_margin': best['margin'],
    }
