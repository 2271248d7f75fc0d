"""Make the probabilities of a trained network honest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities: softmax((logits + offsets) / temperature).

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar 2020).

    Attributes:
        offsets: one per label, of mean 0: for labels that are told too rarely or too often, as
            after training on softened labels.
        temperature: above 1 where the network is surer than it should be.
    """

    offsets: tuple[float, ...]
    temperature: float


def fit_calibration(
    training_logits: NDArray[np.float32],
    training_truth: NDArray[np.int64],
    logits: NDArray[np.float32],
    y_true: NDArray[np.int64],
) -> Calibration:
    """Find the calibration of the smallest mean negative log-likelihood.

    The offsets come from the training data, so that validation figures are not fitted to; the
    temperature, which changes no label, from validation data: a network is surer of what it has
    learned from.

    Args:
        training_logits: N x labels.
        training_truth: N, indices of the published labels.
        logits: M x labels, on validation data.
        y_true: M, indices of the published labels.
    """
    labels = logits.shape[1]

    def with_offsets(parameters: NDArray[np.float64]) -> float:
        return _loss((training_logits + parameters[1:]) * np.exp(parameters[0]), training_truth)

    best = minimize(with_offsets, np.zeros(1 + labels)).x[1:]
    offsets = best - best.mean()

    def with_temperature(parameters: NDArray[np.float64]) -> float:
        return _loss((logits + offsets) / np.exp(parameters[0]), y_true)

    temperature = np.exp(minimize(with_temperature, np.zeros(1)).x[0])
    return Calibration(tuple(map(float, offsets)), float(temperature))


def _loss(logits: NDArray[np.float64], y_true: NDArray[np.int64]) -> float:
    told = logits[np.arange(len(y_true)), y_true]
    return float((logsumexp(logits, axis=1) - told).mean())
