"""Figures that say how good answers are, from the answers and the truth alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CALIBRATION_BINS = 15
Z_95 = 1.959964
"""Standard errors to either side that hold 95 % of a normal distribution."""


def confusion_matrix(
    y_true: NDArray[np.int64], y_pred: NDArray[np.int64], labels: int
) -> NDArray[np.int64]:
    """Count the faces of each true label (rows) by the label that was told (columns).

    Args:
        y_true: N, indices of labels.
        y_pred: N, likewise.
        labels: how many labels there are.

    Returns:
        labels x labels, sum N.
    """
    confusion = np.zeros((labels, labels), np.int64)
    np.add.at(confusion, (y_true, y_pred), 1)
    return confusion


def row_shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give each row of a confusion matrix as shares of its sum; 0 for a label without faces."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def precision_recall_f1(
    confusion: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give precision, recall and F1 per label, 0 to 1; 0 where nothing was told or is true.

    Args:
        confusion: labels x labels, rows true, columns told.
    """
    right = np.diag(confusion)
    y_pred, true = confusion.sum(axis=0), confusion.sum(axis=1)
    # F1 is the harmonic mean of the other two, which comes to this.
    wholes = (y_pred, true, (y_pred + true) / 2)
    precision, recall, f1 = (right / np.where(whole == 0, 1, whole) for whole in wholes)
    return precision, recall, f1


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Give the mean F1, each label counting the same; labels neither true nor told are left out.

    Args:
        confusion: labels x labels, rows true, columns told.
    """
    seen = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(precision_recall_f1(confusion)[2][seen].mean())


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Give the mean recall of the labels that have faces, each label counting the same.

    Args:
        confusion: labels x labels, rows true, columns told.
    """
    return float(precision_recall_f1(confusion)[1][confusion.sum(axis=1) > 0].mean())


def accuracy_interval(right: NDArray[np.bool_], *, seed: int = 0) -> list[float]:
    """Give the 95 % bootstrap interval of an accuracy [low, high] (Efron 1979, percentiles)."""
    # Drawing N of N answers anew leaves a binomial number of right ones.
    counts = np.random.default_rng(seed).binomial(len(right), right.mean(), RESAMPLES)
    return [float(each) for each in np.percentile(counts / len(right), (2.5, 97.5))]


def wilson_interval(right: NDArray[np.bool_]) -> list[float]:
    """Give the 95 % interval of an accuracy [low, high] by the score test (Wilson 1927).

    For few faces: where all are right, the bootstrap gives an interval without width.
    """
    share, faces = float(right.mean()), len(right)
    shrink = 1 + Z_95**2 / faces
    center = (share + Z_95**2 / (2 * faces)) / shrink
    half = Z_95 * math.sqrt(share * (1 - share) / faces + Z_95**2 / (4 * faces**2)) / shrink
    return [max(center - half, 0.0), min(center + half, 1.0)]


def negative_log_likelihood(
    probabilities: NDArray[np.float32], y_true: NDArray[np.int64]
) -> float:
    """Give the mean of -log p of the true label, in nats; ln(labels) is as good as guessing.

    Args:
        probabilities: N x labels, rows of sum 1; values below 1.2e-7 count as that.
        y_true: N, indices of the true labels.
    """
    of_truth = probabilities[np.arange(len(y_true)), y_true].astype(np.float64)
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float32).eps)).mean())


def reliability(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Compare confidence and accuracy in 15 equal bins of confidence (Guo et al. 2017, figure 1).

    Args:
        confidence: N, the probability of the told label.
        right: N, whether it is the true one.

    Returns:
        For each bin that holds faces, lowest first: `low` and `high` (its ends), `faces`,
        `confidence` (mean), `accuracy`.
    """
    numbers = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            'low': float(number / CALIBRATION_BINS),
            'high': float((number + 1) / CALIBRATION_BINS),
            'faces': int((numbers == number).sum()),
            'confidence': float(confidence[numbers == number].mean()),
            'accuracy': float(right[numbers == number].mean()),
        }
        for number in np.unique(numbers)
    ]


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Give the expected calibration error, 0 to 1, over 15 equal bins (Guo et al. 2017, eq. 3)."""
    return sum(
        each['faces'] / len(right) * abs(each['confidence'] - each['accuracy'])
        for each in reliability(confidence, right)
    )


def coverage(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    """Tell what is left when answers below a confidence are withheld, as the node does.

    Args:
        confidence: N, the probability of the told label.
        right: N, whether it is the true one.
        threshold: from which confidence on an answer is told.

    Returns:
        `threshold`, `share` (of the faces that get an answer), `accuracy` (among them; None
        where there are none).
    """
    # In double precision as the node compares: 0.7 of float32 is a little less than 0.7.
    y_pred = confidence.astype(np.float64) >= threshold
    return {
        'threshold': threshold,
        'share': float(y_pred.mean()),
        'accuracy': float(right[y_pred].mean()) if y_pred.any() else None,
    }
