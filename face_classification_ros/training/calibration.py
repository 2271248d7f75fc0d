"""Calibrate the probabilities of a trained network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp


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
    training_logits: NDArray[np.float32],
    training_y_true: NDArray[np.int64],
    logits: NDArray[np.float32],
    y_true: NDArray[np.int64],
) -> Calibration:
    """Return the calibration that minimizes the mean negative log-likelihood.

    The offsets are fitted on training data, so that the validation accuracy stays unbiased. The
    temperature, which changes no predicted label, is fitted on validation data, as a network is
    overconfident on its training data.

    Args:
        training_logits: N x labels.
        training_y_true: N, indices of the published labels.
        logits: M x labels, of validation data.
        y_true: M, indices of the published labels.
    """
    labels = logits.shape[1]

    def with_offsets(parameters: NDArray[np.float64]) -> float:
        return _loss((training_logits + parameters[1:]) * np.exp(parameters[0]), training_y_true)

    best = minimize(with_offsets, np.zeros(1 + labels)).x[1:]
    offsets = best - best.mean()

    def with_temperature(parameters: NDArray[np.float64]) -> float:
        return _loss((logits + offsets) / np.exp(parameters[0]), y_true)

    temperature = np.exp(minimize(with_temperature, np.zeros(1)).x[0])
    return Calibration(tuple(map(float, offsets)), float(temperature))


def _loss(logits: NDArray[np.float64], y_true: NDArray[np.int64]) -> float:
    correct_logits = logits[np.arange(len(y_true)), y_true]
    return float((logsumexp(logits, axis=1) - correct_logits).mean())
