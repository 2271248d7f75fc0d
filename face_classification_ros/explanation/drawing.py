"""Draw explanations as images, next to the face and its prediction."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import Image
from face_classification_ros.visualization.colors import color_of

PANEL_SIZE = 240
"""Height of a panel in pixels, and width of each of its first two parts."""

BARS_WIDTH = 320
"""Width in pixels of a panel's last part."""

_BACKGROUND = 32
_TEXT = (225, 225, 225)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_CONTRAST = 45.0
"""Gray levels per standard deviation of a gradient."""


def draw_crop(crop: NDArray[np.uint8], size: int) -> Image:
    """Return the input of a network, uint8 H x W x C, as an image `size` x `size` x 3 in BGR."""
    if crop.shape[2] == 1:
        crop = np.repeat(crop, 3, axis=2)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def draw_gradient(gradient: NDArray[np.float32], size: int) -> Image:
    """Draw a gradient as the paper does: gray is zero, bright is positive, dark is negative.

    Args:
        gradient: float32 H x W x C of `Explainer`.
        size: height and width of the returned image in pixels.

    Returns:
        uint8 `size` x `size` x 3 in BGR; gray if the gradient has one channel.
    """
    deviation = float(gradient.std())
    levels = 127.5 + _CONTRAST / (deviation or 1.0) * gradient
    return draw_crop(np.clip(np.rint(levels), 0, 255).astype(np.uint8), size)


def draw_heat_map(cam: NDArray[np.float32], crop: NDArray[np.uint8], size: int) -> Image:
    """Draw a map of Grad-CAM over a face: the redder, the more it supports the label.

    Args:
        cam: float32 H x W x 1, not negative.
        crop: the face, uint8 H x W x C.
        size: height and width of the returned image in pixels.

    Returns:
        uint8 `size` x `size` x 3 in BGR.
    """
    peak = float(cam.max())
    levels = np.rint(255 / (peak or 1.0) * cam[..., 0]).astype(np.uint8)
    smooth = cv2.resize(levels, (size, size), interpolation=cv2.INTER_CUBIC)
    heat = cv2.applyColorMap(smooth, cv2.COLORMAP_JET)
    blended: Image = cv2.addWeighted(draw_crop(crop, size), 0.55, heat, 0.45, 0).astype(np.uint8)
    return blended


def draw_relevance(
    method: str, relevance: NDArray[np.float32], crop: NDArray[np.uint8], size: int
) -> Image:
    """Draw the result of an `Explainer` for a face.

    Args:
        method: method of the explainer.
        relevance: float32 H x W x C, or H x W x 1 for Grad-CAM.
        crop: the face, uint8 H x W x C.
        size: height and width of the returned image in pixels.

    Returns:
        uint8 `size` x `size` x 3 in BGR.
    """
    if method == 'grad_cam':
        return draw_heat_map(relevance, crop, size)
    return draw_gradient(relevance, size)


def draw_bars(labels: Sequence[str], probabilities: NDArray[np.float32]) -> Image:
    """Draw a probability distribution as bars, uint8 240 x 320 x 3 in BGR."""
    canvas = np.full((PANEL_SIZE, BARS_WIDTH, 3), _BACKGROUND, np.uint8)
    left, right = 100, BARS_WIDTH - 62
    row = PANEL_SIZE / (len(labels) + 1)
    for number, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        middle = round(row * (number + 1))
        half = round(min(row * 0.3, 14))
        end = left + round((right - left) * float(probability))
        color = color_of(label)
        _write(canvas, label, (10, middle + 5))
        cv2.rectangle(
            canvas, (left, middle - half), (max(end, left + 1), middle + half), color, -1
        )
        _write(canvas, f'{100 * probability:.0f} %', (right + 10, middle + 5))
    return canvas


def draw_panel(
    crop: NDArray[np.uint8],
    relevance: Image,
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
) -> Image:
    """Draw a face, its explanation and the prediction side by side.

    Args:
        crop: the input of the network, uint8 H x W x C.
        relevance: its explanation, uint8 240 x 240 x 3, see `draw_relevance`.
        labels: labels of the attribute.
        probabilities: one per label.

    Returns:
        uint8 240 x 800 x 3 in BGR.
    """
    return np.hstack([draw_crop(crop, PANEL_SIZE), relevance, draw_bars(labels, probabilities)])


def draw_figure(rows: Sequence[tuple[str, Sequence[Sequence[Image]]]], caption: str) -> Image:
    """Arrange groups of images as in the paper's figure 8: one row per label.

    Args:
        rows: label, and one group of images per face; all groups have the same number of images,
            and all images the same size.
        caption: names the images of a group.

    Returns:
        uint8 H x W x 3 in BGR.

    Raises:
        ValueError: `rows` is empty.
    """
    if not rows:
        raise ValueError('no face was classified correctly, so there is nothing to draw')
    size = rows[0][1][0][0].shape[0]
    gap, left, top = size // 6, 110, 34
    widest = max(len(groups) for _, groups in rows)
    group = len(rows[0][1][0]) * size + gap
    canvas = np.full(
        (top + len(rows) * (size + gap), left + widest * group, 3), _BACKGROUND, np.uint8
    )
    _write(canvas, caption, (10, top - 12))
    for row, (name, groups) in enumerate(rows):
        y = top + row * (size + gap)
        _write(canvas, name, (10, y + size // 2 + 5))
        for number, images in enumerate(groups):
            for index, image in enumerate(images):
                x = left + number * group + index * size
                canvas[y : y + size, x : x + size] = image
    return canvas


def _write(canvas: Image, text: str, position: tuple[int, int]) -> None:
    cv2.putText(canvas, text, position, _FONT, 0.5, _TEXT, 1, cv2.LINE_AA)
