"""Calibrate the probabilities of a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

LabeledLogits = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Of one data set: logits, N x labels, and indices of the published labels, N."""


@dataclass(frozen=True)
class Calibration:
    """Parameters of probabilities = softmax((logits + offsets) / temperature).

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar 2020).

    Attributes:
        offsets: one per label, of mean 0; they correct labels that are predicted too rarely or
            too often, as after training on soft labels.
        temperature: above 1 for an overconfident network.
    """

    offsets: tuple[float, ...]
    temperature: float


def fit_calibration(
    training: Sequence[LabeledLogits], validation: Sequence[LabeledLogits]
) -> Calibration:
    """Return the calibration that minimizes the mean negative log-likelihood.

    The offsets are fitted on training data, so that the validation accuracy stays unbiased. The
    temperature, which changes no predicted label, is fitted on validation data, as a network is
    overconfident on its training data. Each data set has the same weight, however many faces it
    has, so that the probabilities are calibrated for all of them, not only for the largest.

    Args:
        training: of each data set.
        validation: of each data set.
    """
    labels = validation[0][0].shape[1]

    def with_offsets(parameters: NDArray[np.float64]) -> float:
        return _mean_loss(training, parameters[1:], np.exp(-parameters[0]))

    best = minimize(with_offsets, np.zeros(1 + labels)).x[1:]
    offsets = best - best.mean()

    temperature = fit_temperature(
        [((logits + offsets).astype(np.float32), y_true) for logits, y_true in validation]
    )
    return Calibration(tuple(map(float, offsets)), temperature)


def fit_temperature(predictions: Sequence[LabeledLogits]) -> float:
    """Return the temperature that minimizes the mean negative log-likelihood.

    Each data set has the same weight.

    Args:
        predictions: of each data set.
    """
    offsets = np.zeros(predictions[0][0].shape[1])

    def loss(logarithm: NDArray[np.float64]) -> float:
        return _mean_loss(predictions, offsets, np.exp(logarithm[0]))

    return float(np.exp(minimize(loss, np.zeros(1)).x[0]))


def _mean_loss(
    datasets: Sequence[LabeledLogits], offsets: NDArray[np.float64], temperature: float
) -> float:
    return float(
        np.mean([_loss((logits + offsets) / temperature, y_true) for logits, y_true in datasets])
    )


def _loss(logits: NDArray[np.float64], y_true: NDArray[np.int64]) -> float:
    correct_logits = logits[np.arange(len(y_true)), y_true]
    return float((logsumexp(logits, axis=1) - correct_logits).mean())
