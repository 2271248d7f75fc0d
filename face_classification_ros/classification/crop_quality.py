"""How much a picture of a face is worth beside others of the same face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHARP = 0.15
"""Energy of the Laplacian, as a share of the contrast, from which a crop counts as sharp."""

LEAST = 0.05
"""Weight of the worst picture: where there is no better one, it is all that is known."""


def crop_weights(crops: NDArray[np.uint8], sides: NDArray[np.int64]) -> NDArray[np.float32]:
    """Tell how much each crop counts in an average, by its size and its sharpness.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", 2000), divided by that of the crop, so that it is no measure of
    contrast or light.

    Args:
        crops: uint8 N x side x side x channels, as a network sees them.
        sides: int64 N; what each was cut with, in pixels of the picture.

    Returns:
        float32 N, from `LEAST` to 1.
    """
    if not len(crops):
        return np.empty(0, np.float32)
    gray = crops.mean(3, dtype=np.float32)
    center = gray[:, 1:-1, 1:-1]
    laplacian = (
        gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:]
    ) - 4 * center
    sharpness = laplacian.var((1, 2)) / np.maximum(center.var((1, 2)), 1)
    share = np.minimum(sides / crops.shape[1], 1) * np.minimum(sharpness / SHARP, 1)
    return np.maximum(share, LEAST).astype(np.float32)
