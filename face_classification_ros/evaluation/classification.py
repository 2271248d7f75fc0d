"""Measure a classifier on faces whose true labels are known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.cropping import crop_faces
from face_classification_ros.training.datasets import FaceDataset

BATCH = 256
RESAMPLES = 2000
CALIBRATION_BINS = 15


def evaluate_classifier(
    classifier: Classifier, dataset: FaceDataset, split: str
) -> dict[str, Any]:
    """Give accuracy with its interval, per-label figures, confusion matrix and calibration.

    Returns:
        `attribute`, `model`, `parameters`, `data`, `split`, `faces`, `accuracy`,
        `accuracy_interval` (95 %, bootstrap), `per_label` (precision, recall, count),
        `confusion` (rows: true label, columns: told label, counts), `calibration_error`.

    Raises:
        ValueError: the classifier does not tell the data set's attribute, or not with its labels.
    """
    labels = dataset.labels
    if classifier.labels.get(dataset.attribute) != labels:
        raise ValueError(
            f'{classifier.path} does not tell {dataset.attribute} as {", ".join(labels)}'
        )
    probabilities = classify_dataset(classifier, dataset)
    told = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (dataset.truth, told), 1)
    right = told == dataset.truth
    return {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'parameters': int(classifier.properties.get('parameters', 0)),
        'data': dataset.name,
        'split': split,
        'faces': len(dataset),
        'accuracy': float(right.mean()),
        'accuracy_interval': accuracy_interval(right),
        'per_label': {
            label: {
                'precision': _ratio(confusion[index, index], confusion[:, index].sum()),
                'recall': _ratio(confusion[index, index], confusion[index].sum()),
                'count': int(confusion[index].sum()),
            }
            for index, label in enumerate(labels)
        },
        'confusion': confusion.tolist(),
        'calibration_error': calibration_error(probabilities.max(axis=1), right),
    }


def classify_dataset(classifier: Classifier, dataset: FaceDataset) -> NDArray[np.float32]:
    """Classify every face, cut out as the node does around a detector's box; N x labels."""
    form = classifier.form
    crops = np.concatenate(
        [crop_faces(_bgr(image), [dataset.box_of(image)], form) for image in dataset.images]
    )
    batches = np.split(crops, range(BATCH, len(crops), BATCH))
    return np.concatenate([classifier.classify(batch)[dataset.attribute] for batch in batches])


def accuracy_interval(right: NDArray[np.bool_], *, seed: int = 0) -> list[float]:
    """Give the 95 % bootstrap interval of an accuracy [low, high] (Efron 1979, percentiles)."""
    # Drawing N of N answers anew leaves a binomial number of right ones.
    counts = np.random.default_rng(seed).binomial(len(right), right.mean(), RESAMPLES)
    return [float(each) for each in np.percentile(counts / len(right), (2.5, 97.5))]


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Give the expected calibration error, 0 to 1, over 15 equal bins (Guo et al. 2017, eq. 3)."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    error = 0.0
    for number in range(CALIBRATION_BINS):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
