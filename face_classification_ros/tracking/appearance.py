"""Describe the appearance of people around their faces: colors of hair, skin and clothes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import BoundingBox, Image

Appearance = NDArray[np.float32]
"""Logarithms of the colors of a person, cells x 3 in BGR; NaN in cells that are not visible."""

ABOVE, BESIDE, BELOW = 0.3, 0.5, 1.4
"""Extent of the described area around the box, in its sizes: hair, shoulders, chest."""

ROWS, COLUMNS = 9, 8
"""Cells of the area: small, since only a strip of a person behind another one is visible."""

SAMPLES = 2
"""Samples per cell in each direction."""

HEAD, BODY = 0.85, 1.8
"""Half the widths of a head and of the body below, in widths of the face; they occlude others."""

NEARER = 0.8
"""Ratio of the areas of two faces from which the second one may be in front of the first."""

DARK = 16.0
"""Added to a color of 0 to 255 before the logarithm, since dark colors are mostly noise."""

LIGHT = 0.5
"""Weight of a difference of lightness relative to one of color, since shadows change it."""

LARGEST = 1.0
"""Largest squared difference of a cell, so that a few cells, as of a hand, do not decide."""

MIN_CELLS = 4
"""Number of cells that must be visible of both people to compare them."""

# Hair, face and chest. Left and right of a head are walls, and necks change as heads turn.
_PERSON = np.zeros((ROWS, COLUMNS), bool)
_PERSON[:4, 2:6] = _PERSON[5:] = True
_DOWN = (np.arange(ROWS * SAMPLES) + 0.5) / (ROWS * SAMPLES)
_ACROSS = (np.arange(COLUMNS * SAMPLES) + 0.5) / (COLUMNS * SAMPLES)


def compute_appearance(image: Image, boxes: Sequence[BoundingBox]) -> NDArray[np.float32]:
    """Compute the appearance of the people whose faces are in these boxes.

    Colors are relative to the mean of the image, which makes them less dependent on light and
    exposure. Cells are not visible beyond the edge of the image, and where a larger face, or the
    body below it, may be in front of them.

    Args:
        image: uint8 H x W x 3 in BGR.
        boxes: in pixels of `image`.

    Returns:
        float32 N x cells x 3, one `Appearance` per box.
    """
    if not boxes:
        return np.empty((0, int(_PERSON.sum()), 3), np.float32)
    height, width = image.shape[:2]
    x, y, w, h = np.array([(b.x, b.y, b.width, b.height) for b in boxes]).T[..., None]
    columns = x - BESIDE * w + (1 + 2 * BESIDE) * w * _ACROSS
    rows = y - ABOVE * h + (1 + ABOVE + BELOW) * h * _DOWN
    samples = image[
        np.clip(rows, 0, height - 1).astype(int)[:, :, None],
        np.clip(columns, 0, width - 1).astype(int)[:, None],
    ]
    shape = (len(boxes), ROWS, SAMPLES, COLUMNS, SAMPLES)
    cells = samples.reshape(*shape, 3).mean((2, 4), np.float32)
    everywhere = image[height // 48 :: height // 24 + 1, width // 64 :: width // 32 + 1]
    appearance = np.log(cells + np.float32(DARK))
    appearance -= np.log(everywhere + np.float32(DARK)).mean((0, 1))

    is_outside_row = (rows < 0) | (rows >= height)
    is_outside_column = (columns < 0) | (columns >= width)
    is_hidden = is_outside_row[:, :, None] | is_outside_column[:, None]
    is_hidden |= _are_occluded(boxes, rows, columns)
    appearance[is_hidden.reshape(shape).any((2, 4))] = np.nan
    return np.asarray(appearance[:, _PERSON])


def _are_occluded(
    boxes: Sequence[BoundingBox], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which samples of N people may be behind a larger face or the body below it.

    Args:
        boxes: N boxes of faces in pixels.
        rows: N x R, y of the rows of samples of each person.
        columns: N x C, x of the columns of samples of each person.

    Returns:
        N x R x C.
    """
    are_occluded = np.zeros((len(boxes), rows.shape[1], columns.shape[1]), bool)
    areas = np.array([box.area for box in boxes])
    for number, box in enumerate(boxes):
        behind = NEARER * areas < areas[number]
        behind[number] = False
        if not behind.any():
            continue
        beside = np.abs(columns[behind] - box.center[0])[:, None]
        below = (rows[behind] - box.y)[:, :, None]
        is_head = (below >= -ABOVE * box.height) & (beside <= HEAD * box.width)
        is_body = (below >= box.height) & (beside <= BODY * box.width)
        are_occluded[behind] |= is_head | is_body
    return are_occluded


def differences(some: Sequence[Appearance], others: Sequence[Appearance]) -> NDArray[np.float64]:
    """Compute how different the appearance of people is.

    Args:
        some: appearance of N people.
        others: appearance of M people.

    Returns:
        N x M root mean squares of the differences of logarithms of colors, from 0 for the same
        appearance to 1; NaN if too little is visible of both.
    """
    difference = np.asarray(some)[:, None] - np.asarray(others)[None]
    is_seen = ~np.isnan(difference[..., 0])
    difference = np.where(is_seen[..., None], difference, 0)
    lightness = difference.mean(3)
    tint = difference - lightness[..., None]
    squares = np.minimum((tint**2).mean(3) + LIGHT * lightness**2, LARGEST)
    count = is_seen.sum(2)
    means = squares.sum(2, dtype=np.float64) / np.maximum(count, 1)
    return np.where(count >= MIN_CELLS, np.sqrt(means), np.nan)
