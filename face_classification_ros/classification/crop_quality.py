"""Weight the crops of a face by how much they show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHARP = 0.15
"""Variance of the Laplacian relative to that of the crop from which a crop counts as sharp."""

MIN_WEIGHT = 0.05
"""Weight of the worst crop: if there is no better one, it is all that is known."""


def crop_weights(crops: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute the weight of each crop in an average, from its size and sharpness.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", 2000) divided by the variance of the crop, which makes it independent
    of contrast and exposure.

    Args:
        crops: uint8 N x size x size x channels, as a network sees them.
        sizes: int64 N; the sizes before resizing, in pixels of the image.

    Returns:
        float32 N, from `MIN_WEIGHT` to 1.
    """
    if not len(crops):
        return np.empty(0, np.float32)
    gray = crops.mean(3, dtype=np.float32)
    center = gray[:, 1:-1, 1:-1]
    laplacian = (
        gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:]
    ) - 4 * center
    sharpness = laplacian.var((1, 2)) / np.maximum(center.var((1, 2)), 1)
    weights = np.minimum(sizes / crops.shape[1], 1) * np.minimum(sharpness / SHARP, 1)
    return np.maximum(weights, MIN_WEIGHT).astype(np.float32)
