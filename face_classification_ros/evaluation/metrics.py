"""Metrics of predictions against true labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15
Z_95 = 1.959964
"""Standard errors on either side of the mean that contain 95 % of a normal distribution."""


def confusion_matrix(
    y_true: NDArray[np.int64], y_pred: NDArray[np.int64], labels: int
) -> NDArray[np.int64]:
    """Return the number of faces of each true label (rows) by predicted label (columns).

    Args:
        y_true: N, indices of labels.
        y_pred: N, indices of labels.
        labels: number of labels.

    Returns:
        labels x labels, sum N.
    """
    confusion = np.zeros((labels, labels), np.int64)
    np.add.at(confusion, (y_true, y_pred), 1)
    return confusion


def normalize_rows(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a confusion matrix with rows of sum 1; zeros for a label without faces."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def precision_recall_f1(
    confusion: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision, recall and F1 per label, 0 to 1; 0 where they are undefined.

    Args:
        confusion: labels x labels, rows true, columns predicted.
    """
    correct = np.diag(confusion)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    # F1 is the harmonic mean of the other two.
    totals = (predicted, true, (predicted + true) / 2)
    precision, recall, f1 = (correct / np.where(total == 0, 1, total) for total in totals)
    return precision, recall, f1


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean F1 of all labels that are true or predicted for some face.

    Args:
        confusion: labels x labels, rows true, columns predicted.
    """
    present = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(precision_recall_f1(confusion)[2][present].mean())


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the unweighted mean recall of all labels with faces.

    Args:
        confusion: labels x labels, rows true, columns predicted.
    """
    return float(precision_recall_f1(confusion)[1][confusion.sum(axis=1) > 0].mean())


def wilson_interval(correct: NDArray[np.bool_]) -> list[float]:
    """Return the 95 % score interval of an accuracy [low, high] (Wilson 1927).

    It has a width even if all predictions are correct, or none.

    Args:
        correct: N, at least one, whether the predicted label is the true one.
    """
    accuracy, faces = float(correct.mean()), len(correct)
    shrink = 1 + Z_95**2 / faces
    center = (accuracy + Z_95**2 / (2 * faces)) / shrink
    variance = accuracy * (1 - accuracy) / faces + Z_95**2 / (4 * faces**2)
    half = Z_95 * math.sqrt(variance) / shrink
    return [max(center - half, 0.0), min(center + half, 1.0)]


def negative_log_likelihood(
    probabilities: NDArray[np.float32], y_true: NDArray[np.int64]
) -> float:
    """Return the mean of -log p of the true label in nats; guessing gives ln(labels).

    Args:
        probabilities: N x labels, rows of sum 1; clipped to at least 1.2e-7.
        y_true: N, indices of the true labels.
    """
    of_true_label = probabilities[np.arange(len(y_true)), y_true].astype(np.float64)
    return float(-np.log(np.maximum(of_true_label, np.finfo(np.float32).eps)).mean())


def reliability(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Compare confidence and accuracy in 15 equal bins of confidence (Guo et al. 2017, figure 1).

    Args:
        confidence: N, probability of the predicted label.
        correct: N, whether it is the true label.

    Returns:
        For each bin with faces, in ascending order: `low` and `high` (its limits), `faces`,
        `confidence` (mean), `accuracy`.
    """
    numbers = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            'low': float(number / CALIBRATION_BINS),
            'high': float((number + 1) / CALIBRATION_BINS),
            'faces': int((numbers == number).sum()),
            'confidence': float(confidence[numbers == number].mean()),
            'accuracy': float(correct[numbers == number].mean()),
        }
        for number in np.unique(numbers)
    ]


def calibration_error(confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> float:
    """Return the expected calibration error, 0 to 1, over 15 equal bins (Guo et al. 2017).

    Args:
        confidence: N, probability of the predicted label.
        correct: N, whether it is the true label.
    """
    return sum(
        each['faces'] / len(correct) * abs(each['confidence'] - each['accuracy'])
        for each in reliability(confidence, correct)
    )


def coverage(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    """Return how many faces keep their label where the node publishes others as unknown.

    Args:
        confidence: N, probability of the predicted label.
        correct: N, whether it is the true label.
        threshold: confidence below which a label is unknown.

    Returns:
        `threshold`, `fraction` (of the faces with a known label), `accuracy` (of those; None if
        there are none).
    """
    # In double precision as in the node: 0.7 in float32 is slightly less than 0.7.
    known = confidence.astype(np.float64) >= threshold
    return {
        'threshold': threshold,
        'fraction': float(known.mean()),
        'accuracy': float(correct[known].mean()) if known.any() else None,
    }
