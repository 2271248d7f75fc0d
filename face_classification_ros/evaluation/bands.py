"""Figures of attributes whose labels are bands of a number, as ages are: '0-2', ..., '70+'."""

from __future__ import annotations

from collections.abc import Sequence
import re

import numpy as np
from numpy.typing import NDArray

BAND = re.compile(r'(?P<first>\d+)(-(?P<last>\d+)|\+)')


def are_bands(labels: Sequence[str]) -> bool:
    """Return whether all labels are bands such as '10-19' or '70+'."""
    return all(BAND.fullmatch(label) for label in labels)


def band_centers(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the center of each band; an open one counts as wide as the band before it.

    An age of 19 lasts until the twentieth birthday, so that '10-19' has its center at 15.

    Raises:
        ValueError: a label is not a band.
    """
    centers: list[float] = []
    width = 0
    for label in labels:
        match = BAND.fullmatch(label)
        if match is None:
            raise ValueError(f'{label!r} is not a band; expected two numbers as in 10-19, or 70+')
        first = int(match['first'])
        if match['last']:
            width = int(match['last']) + 1 - first
        centers.append(first + width / 2)
    return np.array(centers)


def expected_values(
    probabilities: NDArray[np.float32], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Return the expected value of each face, N, from probabilities of bands, N x labels."""
    return np.asarray(probabilities @ band_centers(labels), np.float64)


def within_one_band(y_true: NDArray[np.int64], y_pred: NDArray[np.int64]) -> float:
    """Return the fraction of faces, 0 to 1, whose predicted band is the true one or next to it.

    Args:
        y_true: N, indices of bands in ascending order.
        y_pred: N, indices of bands.
    """
    return float((np.abs(y_true - y_pred) <= 1).mean())
